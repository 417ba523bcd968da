"""Relationship fields of a plan: what all loads of one have in common, found once.

A `RelationPlan` says whether the children are loaded as rows and keeps the statements. What a
request adds (its page, its arguments, its session) is in relations.py.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapper, RelationshipProperty

from . import _upstream
from ._core import BatchResolver, ConnectionResolver
from .columns import is_table_column, primary_key_names, without_ties
from .levels import Level
from .loading import RelationshipLoader
from .page_statements import page_statement, totals_statement
from .pagination import NOT_ARRANGED, Arrangement, Page
from .statements import Route
from .templates import MAX_TEMPLATES

__all__ = ["RelationPlan", "RelationSelects"]

MAX_SIZES = 8
"""Sizes of first pages of a field that have statements of their own."""


class RelationPlan:
    """A relationship field, and the level of its selection.

    :param resolver: of the field.
    :param level: of its selection; None where nothing is known of it.
    """

    def __init__(self, resolver: BatchResolver | ConnectionResolver, level: Level | None) -> None:
        connection = resolver if isinstance(resolver, ConnectionResolver) else None
        batch: Any = resolver if connection is None else connection.batch
        self.loader: RelationshipLoader = batch.loader
        self.relationship: RelationshipProperty[Any] = self.loader.relationship
        self.target: Mapper[Any] = self.relationship.mapper
        self.is_connection = connection is not None
        self.level = level if level is not None and level.by_rows else None
        """None where the objects are loaded as instances."""
        self.reason: str | None = None
        """Why they are, though their level is by rows."""
        self.nodes: Level | None = None
        """The level of the children where it is by rows."""
        self.plain: dict[Any, Any] = {}
        """Loads that are known beforehand; kept by plain_loads.py."""
        self._selects: dict[Level | None, RelationSelects] = {}
        self._sizes: set[int | None] = set()
        if self.level is not None:
            nodes = self._row_nodes(self.level)
            self.reason = self._reason_for_instances(connection, nodes)
            if self.reason is not None:
                self.level.fall_back(self.reason)
                self.level = None
            else:
                self.nodes = nodes

    @classmethod
    def of(cls, resolver: BatchResolver | ConnectionResolver, level: Level | None) -> RelationPlan:
        """The plan that the level keeps, made when it is asked for first."""
        if level is None:
            return cls(resolver, None)
        plan = level.relations.get(resolver)
        if plan is None:
            plan = level.relations[resolver] = cls(resolver, level)
        return plan

    def plain_route(self, dialect: Dialect) -> Route | None:
        """The route of loads that hold no surprise.

        :return: None where the objects are no rows, where keys may be equal to the database alone,
            and for connections that count or show no page.
        """
        statements, level = self.loader.statements, self.level
        if statements is None or level is None or self.nodes is None:
            return None
        if self.is_connection and (level.counts or not level.shows_page):
            return None
        route = statements.route(dialect)
        if route is not None and statements.has_text_key and not route.through_parent:
            return None
        return route

    def own_stop(self, page: Page) -> int | None:
        """Where a first page stops, if its statement is kept for pages of this size alone.

        Sizes come from clients: only so many are kept.
        """
        if page.stop not in self._sizes:
            if len(self._sizes) >= MAX_SIZES:
                return None
            self._sizes.add(page.stop)
        return page.stop

    def selects(self, nodes: Level | None) -> RelationSelects:
        """The statements of the field.

        :param nodes: the level of the children; None where they are loaded as instances.
        """
        found = self._selects.get(nodes)
        if found is None:
            found = self._selects[nodes] = RelationSelects(self, nodes)
        return found

    def _reason_for_instances(
        self, connection: ConnectionResolver | None, nodes: Level | None
    ) -> str | None:
        if self.loader.statements is None:
            return f"the relationship cannot be batched: {self.loader.reason}"
        if nodes is not None and nodes.kinds is not None and nodes.mapper is not self.target:
            return f"{nodes.object_type.name} is about other classes than the relationship"
        if self.relationship.collection_class not in (None, list):
            return "its collection_class is not list"
        if connection and not _upstream.is_plain_resolve_connection(connection.field_class):
            return "resolve_connection is the application's own"
        return None

    def _row_nodes(self, level: Level) -> Level | None:
        nodes = level.node if self.is_connection and level.shows_nodes else level
        return nodes if nodes is not None and nodes.by_rows else None


class RelationSelects:
    """The statements of one relationship field, for children of one kind."""

    def __init__(self, plan: RelationPlan, nodes: Level | None) -> None:
        assert plan.loader.statements is not None, "a level is planned with statements"
        self._plan = plan
        self._nodes = nodes
        self._repeats = plan.loader.statements.repeats_children
        self._kept: dict[Any, Select[Any]] = {}
        self.columns, self.unique = self._what()
        self.may_be_direct = (
            nodes is not None
            and nodes.kinds is None
            and not self._repeats
            and all(map(is_table_column, self.columns))
        )
        """Whether a page can be cut from a subquery of the columns themselves."""

    def _what(self) -> tuple[list[Any], tuple[int, ...] | None]:
        """What to select of the children, and the columns that a parent's rows must not repeat."""
        target = self._plan.target
        if self._nodes is None:
            return [target.class_], None
        names = self._nodes.columns
        key = primary_key_names(target)
        if not self._repeats:
            return self._nodes.select(target, names or key), None
        names = (*names, *(name for name in key if name not in names))
        return self._nodes.select(target, names), tuple(names.index(name) for name in key)

    def children(
        self,
        route: Route,
        page: Page | None,
        arrangement: Arrangement,
        counted: bool,
        is_plain: bool,
    ) -> Select[Any]:
        """The statement that :meth:`build` makes; kept unless it is arranged."""
        if arrangement is not NOT_ARRANGED:
            return self.build(route, page, arrangement, counted, is_plain)
        shape = page if counted or page is None else page.shape
        key = (route, shape, is_plain)
        statement = self._kept.get(key)
        if statement is None:
            statement = self.build(route, page, arrangement, counted, is_plain)
            if len(self._kept) < MAX_TEMPLATES:
                self._kept[key] = statement
        return statement

    def build(
        self,
        route: Route,
        page: Page | None,
        arrangement: Arrangement,
        counted: bool,
        is_plain: bool,
        own_stop: int | None = None,
    ) -> Select[Any]:
        """The statement of the children, or their pages, of many parents.

        :param page: of a connection; None for all children.
        :param arrangement: another order than the relationship's, and a filter.
        :param counted: whether each row of a page brings the total.
        :param is_plain: whether nobody but us changes the statement.
        :param own_stop: where the pages stop, for a statement that has no parameter for it.
        """
        if page is None or (page.is_whole and not self._repeats):
            statement = self._whole(route, arrangement)
        else:
            statement = page_statement(
                route,
                self._plan.target,
                self.columns,
                page,
                counted,
                arrangement,
                self._repeats,
                is_plain and self.may_be_direct,
                own_stop,
            )
        return statement if self._nodes is None else self._nodes.joined(statement)

    def _whole(self, route: Route, arrangement: Arrangement) -> Select[Any]:
        order = arrangement.order_by or route.order_by
        # The cursors of a whole connection are those of its pages: no ties there either.
        sorting = without_ties(order, self._plan.target) if self._plan.is_connection else order
        statement = arrangement.filtered(route.unordered(*self.columns, *route.keys))
        return statement.order_by(*sorting)

    def totals(self, route: Route, arrangement: Arrangement) -> Select[Any]:
        """The number of children of each parent."""
        return totals_statement(route, self._plan.target, arrangement, self._repeats)
