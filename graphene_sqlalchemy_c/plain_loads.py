"""Loads of a relationship for rows where nobody but the plan has a say: most of them.

Which statement it is, what a row means and where the parents' keys are is then known before the
parents are: one `PlainLoad` for each kind of page. What it does not answer is left to relations.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select
from sqlalchemy.engine import Dialect

from . import _core
from .levels import GROUP_PAGE, Level
from .loading import warn_of_surplus
from .pagination import NOT_ARRANGED, Page
from .relation_plans import RelationPlan
from .sessions import MANY_ROWS, Origin
from .statements import KEYS
from .templates import MAX_TEMPLATES

__all__ = ["plain_values"]


def plain_values(
    plan: RelationPlan, origin: Origin, rows: list[Any], arguments: dict[str, Any] | None
) -> list[Any] | None:
    """The values of a relationship field for many rows, by one statement of no surprises.

    :param plan: of the field.
    :param origin: from where the rows are loaded.
    :param arguments: of a connection field.
    :return: None where more has to be asked, or done.
    """
    reader, nodes = origin.reader, plan.nodes
    if nodes is None or origin.options or not reader.is_plain:
        return None
    page = None
    if plan.is_connection:
        if arguments and ("sort" in arguments or "filter" in arguments):
            return None
        page = Page.of(arguments or {})
        if page.start or page.needs_total:
            return None  # only a total may tell where the page is
    if not nodes.is_usable(reader.session):
        return None
    dialect = reader.session.get_bind(plan.target).dialect
    own_stop = None if page is None else plan.own_stop(page)
    key = (origin.level, dialect.name, None if page is None else page.shape, own_stop)
    try:
        load = plan.plain[key]
    except KeyError:
        load = PlainLoad.of(plan, origin.level, page, dialect, own_stop)
        if len(plan.plain) < MAX_TEMPLATES:
            plan.plain[key] = load
    return None if load is None else load.values(origin, rows, page)


class PlainLoad(NamedTuple):
    """What is known of such a load, for one level of parents and one kind of page."""

    plan: RelationPlan
    nodes: Level
    statement: Select[Any]
    positions: tuple[int, ...]
    """The columns of a parent that hold its key."""
    first: int
    """The first column of a child that holds it."""
    width: int
    """How many they are."""
    most: int | None
    """At most this many keys; None for any number."""
    most_of_each: int | None
    """At most this many children of a parent; None for any number."""
    takes_page: bool
    """Whether the page is in the parameters."""

    @classmethod
    def of(
        cls,
        plan: RelationPlan,
        parents: Level,
        page: Page | None,
        dialect: Dialect,
        own_stop: int | None,
    ) -> PlainLoad | None:
        """The load; None where keys may be equal to the database alone, or totals are asked for."""
        statements, level, nodes = plan.loader.statements, plan.level, plan.nodes
        route = None if statements is None else statements.route(dialect)
        if (
            statements is None
            or route is None
            or level is None
            or nodes is None
            or (statements.has_text_key and not route.through_parent)
            or (page is not None and (level.counts or not level.shows_page))
        ):
            return None
        selects = plan.selects(nodes)
        if selects.unique is not None:
            return None  # of an association that may hold a pair twice
        return cls(
            plan,
            nodes,
            selects.children(
                route, page, NOT_ARRANGED, counted=False, is_plain=True, own_stop=own_stop
            ),
            parents.positions(plan.relationship.parent, route.names),
            len(selects.columns),
            len(route.keys),
            route.chunk,
            None if plan.relationship.uselist else 1,
            own_stop is None,
        )

    def values(self, origin: Origin, rows: list[Any], page: Page | None) -> list[Any] | None:
        """The values for rows; None where it is not one statement that answers for all of them."""
        by_key, empty = _core.row_keys(rows, self.positions)
        if empty or (self.most is not None and len(by_key) > self.most):
            return None
        parameters: dict[str, Any] = {KEYS: list(by_key)}
        if page is not None and self.takes_page:
            parameters.update(page.parameters)
        plan, reader = self.plan, origin.reader
        each = self.most_of_each if page is None else page.stop
        found, options = reader.fetch(
            plan.target,
            self.statement,
            parameters,
            expected=MANY_ROWS if each is None else each * len(by_key),
        )
        children, stray = _core.group_rows(found, by_key, self.first, self.width, None)
        if stray:
            return None
        answers: list[Any] = [None] * len(rows)
        below = Origin(reader, options, self.nodes)
        if page is None:
            uselist = bool(plan.relationship.uselist)
            surplus = _core.give_rows(answers, by_key, children, below, uselist)
            warn_of_surplus(plan.relationship, surplus)
            return answers
        unknown = _core.give_pages(
            answers,
            by_key,
            children,
            below,
            page.arguments,
            self.first + self.width,
            False,
            GROUP_PAGE,
            None,
        )
        return None if unknown else answers
