"""Loads of a relationship for rows where nobody but the plan has a say: most of them.

Which statement it is, what a row means and where the parents' keys are is then known before the
parents are: one `PlainLoad` for each kind of page. What it does not answer is left to relations.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Select
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapper, Session

from . import _core
from .joined_pages import (
    MAX_KEPT,
    MAX_ROWS,
    Along,
    Below,
    JoinedPages,
    are_few,
    first_pages,
    may_follow,
    may_join,
)
from .levels import GROUP_LIST, GROUP_ONE, GROUP_PAGE, Level
from .loading import warn_of_surplus
from .page_statements import FirstPages
from .pagination import NOT_ARRANGED, Page
from .relation_plans import RelationPlan
from .sessions import MANY_ROWS, Origin
from .statements import KEYS, Route, listed_keys
from .templates import MAX_TEMPLATES

__all__ = ["PlainLoad", "loads_below", "plain_values"]

MAX_COUNTS = 4
"""Numbers of keys that have a statement of their own: each takes a place in SQLAlchemy's cache."""


def plain_values(
    plan: RelationPlan,
    origin: Origin,
    rows: list[Any],
    arguments: dict[str, Any] | None,
    below: Below | None,
) -> list[Any] | None:
    """The values of a relationship field for many rows, by one statement of no surprises.

    :param plan: of the field.
    :param origin: from where the rows are loaded.
    :param arguments: of a connection field.
    :param below: what may come along.
    :return: None where more has to be asked, or done.
    """
    if origin.options or not origin.reader.is_plain:
        return None
    came = origin.take(plan)
    if came is not None:
        coming, along = came
        return coming.values(origin, rows, Page.of(arguments or {}), None, along)
    session = origin.reader.session
    load, page = _plain_load(plan, origin.level, session, session.get_bind(plan.target), arguments)
    return None if load is None else load.values(origin, rows, page, below)


def loads_below(
    below: Below | None, level: Level, mapper: Mapper[Any], session: Session
) -> tuple[PlainLoad, ...]:
    """The loads whose rows may come along with those of a level, and with each other's.

    :param below: the connection of the level's objects.
    :param level: of those.
    :param mapper: of those.
    """
    loads: list[PlainLoad] = []
    bind = session.get_bind(mapper)
    if not may_join(bind.dialect):
        return ()
    while below is not None:
        resolver, shown, arguments, below = below
        plan = RelationPlan.of(resolver, shown)
        try:
            if session.get_bind(plan.target) is not bind:
                break
            load, page = _plain_load(plan, level, session, bind, arguments)
        except Exception:
            break  # of a page that is not one, or of no bind: the error of its own places
        if load is None or not load.may_follow:
            break
        loads.append(load)
        if page is None or not page.has_extra:
            break
        level = load.nodes
    return tuple(loads)


def _plain_load(
    plan: RelationPlan,
    parents: Level,
    session: Session,
    bind: Engine | Connection,
    arguments: dict[str, Any] | None,
) -> tuple[PlainLoad | None, Page | None]:
    """What is known of a load, and the page of a connection; None where it is not plain.

    :param parents: the level of the rows that it is for.
    :param bind: what the session executes its statement on.
    """
    nodes, page = plan.nodes, None
    if nodes is None:
        return None, None
    if plan.is_connection:
        if arguments and ("sort" in arguments or "filter" in arguments):
            return None, None
        page = Page.of(arguments or {})
        if page.start or page.needs_total:
            return None, None  # only a total may tell where the page is
    if not nodes.is_usable(session):
        return None, None
    own_stop = None if page is None else plan.own_stop(page)
    key = (parents, bind.dialect.name, None if page is None else page.shape, own_stop)
    try:
        load = plan.plain[key]
    except KeyError:
        load = PlainLoad.of(plan, parents, page, bind.dialect, own_stop)
        if len(plan.plain) < MAX_TEMPLATES:
            plan.plain[key] = load
    return load, page


@dataclass(eq=False)
class PlainLoad:
    """What is known of such a load, for one level of parents and one kind of page."""

    plan: RelationPlan
    nodes: Level
    route: Route
    select: Callable[[Route], Select[Any]]
    """Makes the statement of a route."""
    statement: Select[Any]
    """That of any number of keys."""
    positions: tuple[int, ...]
    """The columns of a parent that hold its key."""
    first: int
    """The first column of a child that holds it; the others follow."""
    kind: int
    """Of the RowGroup of a parent."""
    takes_page: bool
    """Whether the page is in the parameters."""
    pages: FirstPages | None
    """Its first pages, where a lateral join may make them and those below them; else None."""
    may_follow: bool
    """Whether it may come along with its parents: each of them has children of its own."""
    listed: dict[int, Select[Any]] = field(default_factory=dict)
    """Statements of so many keys."""
    joined: dict[tuple[PlainLoad, ...], JoinedPages] = field(default_factory=dict)
    """Statements that bring the rows of loads below along."""

    @classmethod
    def of(
        cls,
        plan: RelationPlan,
        parents: Level,
        page: Page | None,
        dialect: Dialect,
        own_stop: int | None,
    ) -> PlainLoad | None:
        """The load; None where it has no plain route, or children have to be told apart."""
        nodes, route = plan.nodes, plan.plain_route(dialect)
        if nodes is None or route is None:
            return None
        selects = plan.selects(nodes)
        if selects.unique is not None:
            return None  # of an association that may hold a pair twice

        def select(route: Route) -> Select[Any]:
            return selects.build(
                route, page, NOT_ARRANGED, counted=False, is_plain=True, own_stop=own_stop
            )

        uselist = plan.relationship.uselist
        pages = first_pages(plan, dialect, own_stop)
        return cls(
            plan=plan,
            nodes=nodes,
            route=route,
            select=select,
            statement=select(route),
            positions=parents.positions(plan.relationship.parent, route.names),
            first=len(selects.columns),
            kind=GROUP_PAGE if page is not None else GROUP_LIST if uselist else GROUP_ONE,
            takes_page=own_stop is None,
            pages=pages,
            may_follow=pages is not None
            and parents.mapper is not None
            and may_follow(pages, parents.mapper),
        )

    def values(
        self,
        origin: Origin,
        rows: list[Any],
        page: Page | None,
        below: Below | None,
        along: Along | None = None,
    ) -> list[Any] | None:
        """The values for rows; None where it is not one statement that answers for all of them.

        :param below: whose rows may come along.
        :param along: what came along with the parents.
        """
        route, shown = self.route, Origin(origin.reader, (), self.nodes)
        groups = _core.key_groups(rows, self.positions, shown, self.kind)
        if groups is None or (route.chunk is not None and len(groups[0]) > route.chunk):
            return None
        by_key, answers = groups
        if along is not None:
            found = shown.take_apart(along)
        elif by_key:
            found = self._fetch(shown, by_key, page, below)
        else:
            found = []
        stray, surplus = _core.fill_groups(answers, by_key, found, self.first, len(route.keys))
        if stray:
            return None
        warn_of_surplus(self.plan.relationship, surplus)
        if page is not None and not _core.cut_groups(by_key, page.arguments):
            return None
        return answers

    def _fetch(
        self, shown: Origin, by_key: dict[Any, Any], page: Page | None, below: Below | None
    ) -> list[Any]:
        """The rows for the keys; those of loads below may come along."""
        reader, target = shown.reader, self.plan.target
        each = page.stop if page is not None else 1 if self.kind == GROUP_ONE else None
        expected = MANY_ROWS if each is None else each * len(by_key)
        if below and self.pages and page and page.has_extra:
            loads = loads_below(below, self.nodes, target, reader.session)
            joined = self._joined(loads) if loads and are_few(expected, loads) else None
            if joined is not None:
                keys = {KEYS: list(by_key)}
                rows, _ = reader.fetch(target, joined.statement, keys, expected=MAX_ROWS)
                return shown.take_apart(Along(rows, joined.below))
        statement, parameters = self._for_keys(by_key)
        if page is not None and self.takes_page:
            parameters.update(page.parameters)
        return reader.fetch(target, statement, parameters, expected=expected)[0]

    def _for_keys(self, by_key: dict[Any, Any]) -> tuple[Select[Any], dict[str, Any]]:
        """The statement for keys, and its parameters."""
        count = len(by_key)
        if count not in self.listed:
            route = self.route.listed(count) if len(self.listed) < MAX_COUNTS else None
            if route is None:
                return self.statement, {KEYS: list(by_key)}
            self.listed[count] = self.select(route)
        return self.listed[count], listed_keys(by_key)

    def _joined(self, loads: tuple[PlainLoad, ...]) -> JoinedPages | None:
        """The statement that brings loads along; None where there are many already."""
        found = self.joined.get(loads)
        if found is None and self.pages is not None and len(self.joined) < MAX_KEPT:
            found = self.joined[loads] = JoinedPages.of(self.pages.numbered(), loads)
        return found
