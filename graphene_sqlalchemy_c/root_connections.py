"""Connections of the root, as pages that SQL cuts where the statement allows it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from inspect import isawaitable
from types import SimpleNamespace
from typing import Any, NamedTuple

from graphql import GraphQLResolveInfo, get_named_type
from sqlalchemy import Integer, Select, bindparam, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper, Query, Session

from . import _upstream
from ._core import RowGroup, page_bounds
from ._sqlalchemy import makes_plain_queries, plain_clauses
from .columns import key_expression, primary_key, without_ties
from .guard import Guard, guard_of
from .joined_pages import MAX_KEPT, MAX_ROWS, Along, Below, JoinedPages, are_few
from .levels import GROUP_INSTANCES, GROUP_PAGE, Level
from .narrowing import EntityStatement, NotNarrow
from .page_statements import numbered_page
from .pagination import START, STOP, Page, sort_clauses
from .plain_loads import loads_below
from .queries import RowQuery, instances_of, session_of, unscoped
from .sessions import MANY_ROWS, NotRows, Origin, RowReader, fetch_entities, unwrapped
from .shards import count_over_shards, is_sharded, objects_over_shards, page_over_shards
from .templates import Template, template_of

__all__ = ["RootConnection", "RootPage", "exchanged_root_connection", "limit_parameters"]


class RootConnection:
    """The resolver of a `SQLAlchemyConnectionField` that starts from a statement.

    :param resolver: upstream's, a partial of the field class's `connection_resolver`.
    """

    def __init__(self, resolver: partial[Any]) -> None:
        self._field_class: Any = resolver.func.__self__  # type: ignore[attr-defined]
        self._parent_resolver, self._connection_type, self._model = resolver.args

    @property
    def parent_resolver(self) -> Any:
        """What may give the statement, or the objects."""
        return self._parent_resolver

    @cached_property
    def _mapper(self) -> Mapper[Any]:
        mapper: Mapper[Any] = inspect(self._model)
        return mapper

    def plain_statement(self, session: Session, args: dict[str, Any]) -> Any:
        """The statement where nothing of the application's makes it; else None."""
        if not self._has_plain_query:
            return None
        info = SimpleNamespace(context={"session": session})
        return self._field_class.get_query(self._model, info, **args)

    @property
    def _has_plain_query(self) -> bool:
        get_query = getattr(self._field_class.get_query, "__func__", None)
        return get_query is _upstream.plain_connection_get_query

    def __call__(self, root: Any, info: GraphQLResolveInfo, **args: Any) -> Any:
        resolved = self._parent_resolver(root, info, **args)
        if resolved is not None and isawaitable(resolved):
            return self._later(resolved, info, args)
        return self._connection(resolved, info, args)

    async def _later(self, resolved: Any, info: GraphQLResolveInfo, args: dict[str, Any]) -> Any:
        value = self._connection(await resolved, info, args)
        return await value if isawaitable(value) else value

    def _connection(self, resolved: Any, info: GraphQLResolveInfo, args: dict[str, Any]) -> Any:
        if resolved is None:
            resolved = self._query(info, args)
        if isinstance(resolved, PlainQuery):
            session = resolved.session
        elif isinstance(resolved, (Query, Select)):
            session = session_of(resolved, info)
        elif self._is_guarded(info):
            session = unscoped(_upstream.get_session(info.context))
        else:
            return self._cut(resolved, info, args)
        return RowQuery(session, partial(self._run, resolved, info, args))

    def _query(self, info: GraphQLResolveInfo, args: dict[str, Any]) -> Any:
        """What upstream starts from, or that it would be plain."""
        make = partial(self._field_class.get_query, self._model, info, **args)
        if (
            self._has_plain_query
            and args.get("filter") is None
            and not getattr(self._model, "query", None)
        ):
            session = unwrapped(_upstream.get_session(info.context))
            if makes_plain_queries(session):
                return PlainQuery(session, make, sort_clauses(args.get("sort")))
        return make()

    @staticmethod
    def _is_guarded(info: GraphQLResolveInfo) -> bool:
        guard = guard_of(info.schema)
        return guard is not None and get_named_type(info.return_type) in guard.nodes

    def _cut(self, resolved: Any, info: GraphQLResolveInfo, args: dict[str, Any]) -> Any:
        """The connection as upstream cuts it, over a list or a Query."""
        return self._field_class.resolve_connection(
            self._connection_type, self._model, info, args, resolved
        )

    def _run(
        self,
        statement: Any,
        info: GraphQLResolveInfo,
        args: dict[str, Any],
        session: Session,
        level: Level | None,
        guard: Guard | None,
        below: Below | None,
    ) -> Any:
        is_statement = isinstance(statement, (PlainQuery, Query, Select))
        guards = () if guard is None else self._guards(guard, info, args)
        if level is not None and level.by_rows and level.is_connection and is_statement:
            page = Page.of(args)
            try:
                root = RootPage(session, statement, self._mapper, page, level, guards, below)
                return root.load()
            except (NotNarrow, NotRows) as reason:
                level.fall_back(str(reason))
        if isinstance(statement, PlainQuery):
            statement = statement.make()
        if guards and is_statement:
            statement = statement.options(*guards)
        if guard is not None and self._is_guarded(info):
            visible = guard.sift(
                get_named_type(info.return_type), self._objects(statement, session)
            )
            return guard.approve(self._cut(visible, info, args))
        if isinstance(statement, Query) and not is_sharded(session):
            return self._cut(statement, info, args)
        return self._cut(self._objects(statement, session), info, args)

    def _objects(self, statement: Any, session: Session) -> list[Any]:
        """The objects of a connection that is cut in Python."""
        if not isinstance(statement, (Query, Select)):
            objects: list[Any] = statement
            return objects
        found = partial(instances_of, statement, session)
        if is_sharded(session):
            return objects_over_shards(session, self._mapper, statement, found)
        return found()

    def _guards(
        self, guard: Guard, info: GraphQLResolveInfo, args: dict[str, Any]
    ) -> tuple[Any, ...]:
        """The options of a statement for what the operation may see, and filter by."""
        own = guard.options(get_named_type(info.return_type), self._mapper)
        filters = args.get("filter") is not None
        return (*own, *guard.filter_options(self._mapper)) if filters else own


class PlainQuery(NamedTuple):
    """A query of all objects of a model in an order, which need not be made to be known."""

    session: Session | AsyncSession
    make: Callable[[], Any]
    order_by: tuple[Any, ...]


class RootPage:
    """One page of a statement.

    :param guards: options that leave what the operation may see.
    :param below: the connection of its nodes, whose pages may come along.
    """

    def __init__(
        self,
        session: Session,
        statement: Any,
        mapper: Mapper[Any],
        page: Page,
        level: Level,
        guards: tuple[Any, ...] = (),
        below: Below | None = None,
    ) -> None:
        self._reader = RowReader(session)
        self._statement = statement
        self._mapper = mapper
        self._page = page
        self._level = level
        self._guards = guards
        self._below = below
        nodes = level.node if level.shows_nodes else level
        by_rows = nodes is not None and nodes.is_usable(session)
        self._nodes = nodes if by_rows else None
        self._origin = Origin(self._reader, (), self._nodes or level)

    def load(self) -> RowGroup:
        """The page, cut as graphql_relay cuts an array.

        :raises NotNarrow: where the statement has to be executed as it is.
        """
        page = self._page
        if not self._level.shows_page:
            return self._group([], 0, self._count() if self._level.counts else -1, False, False)
        if page.needs_total:
            return self._counted(self._count())
        rows = self._fetch(page.start, page.stop)
        if not rows and page.start:
            return self._counted(self._count())
        count = len(rows) if page.first is None else min(len(rows), page.first)
        if page.before is not None:
            has_next = page.first is not None and page.start + count < page.before
        else:
            has_next = page.first is not None and len(rows) > page.first
        total = len(rows) if page.is_whole else -1
        if self._level.counts and total < 0:
            total = self._count()
        return self._group(rows[:count], page.start, total, False, has_next)

    def _counted(self, total: int) -> RowGroup:
        start, end, has_previous, has_next = page_bounds(self._page.arguments, total)
        rows = self._fetch(start, end) if end > start else []
        return self._group(rows, start, total, has_previous, has_next)

    def _group(
        self, rows: list[Any], start: int, total: int, has_previous: bool, has_next: bool
    ) -> RowGroup:
        kind = GROUP_INSTANCES if self._nodes is None else GROUP_PAGE
        return RowGroup(self._origin, rows, kind, start, total, has_previous, has_next)

    # -- statements --

    @cached_property
    def _entity(self) -> EntityStatement:
        made = isinstance(self._statement, PlainQuery)
        statement = self._statement.make() if made else self._statement
        entity = EntityStatement.of(statement, self._mapper)
        if entity.is_limited:
            raise NotNarrow("the statement has a LIMIT of its own")
        if entity.is_joined and not entity.orders_by_own_columns:
            raise NotNarrow("the statement is ordered by what it joins")
        return entity

    @property
    def _clauses(self) -> tuple[Any, Any] | None:
        if isinstance(self._statement, PlainQuery):
            return (), self._statement.order_by
        return plain_clauses(self._statement, self._mapper)

    @property
    def _what(self) -> list[Any]:
        if self._nodes is None:
            return [self._mapper.class_]
        return self._nodes.select(self._mapper, self._nodes.columns) or self._key

    @cached_property
    def _key(self) -> list[Any]:
        return primary_key(self._mapper)

    def _fetch(self, start: int, stop: int | None) -> list[Any]:
        if is_sharded(self._reader.session):
            ordered = self._guarded(self._ordered)
            return page_over_shards(self._reader.session, self._mapper, ordered, start, stop)
        limits = limit_parameters(start, stop)
        joined = self._joined_pages(limits)
        if joined is not None:
            pages, parameters = joined
            parameters.update(limits)
            rows, _ = self._reader.fetch(
                self._mapper, pages.statement, parameters, expected=MAX_ROWS
            )
            return self._origin.take_apart(Along(rows, pages.below))
        statement, parameters = self.rows(limits)
        if self._nodes is None:
            return fetch_entities(self._reader.session, self._mapper, statement, parameters)
        options = self._entity.options if "_entity" in vars(self) else ()
        rows, self._origin.options = self._reader.fetch(
            self._mapper, statement, parameters, options, limits.get(STOP, MANY_ROWS)
        )
        return rows

    def _joined_pages(self, limits: dict[str, int]) -> tuple[JoinedPages, dict[str, Any]] | None:
        """The statement that brings the pages below along, and its parameters, where one may."""
        page, nodes, reader = self._page, self._nodes, self._reader
        if (
            self._below is None
            or nodes is None
            or not nodes.has_plain_columns
            or not reader.is_plain
            or page.start
            or page.needs_total
            or not page.has_extra
        ):
            return None
        loads = loads_below(self._below, nodes, self._mapper, reader.session)
        if not loads or not are_few(limits[STOP], loads):
            return None
        joined = self._level.joined_templates
        if loads not in joined and len(joined) >= MAX_KEPT:
            return None

        def build(criteria: list[Any], order: tuple[Any, ...]) -> JoinedPages:
            sorting = without_ties(order, self._mapper)
            return JoinedPages.of(numbered_page(self._what, criteria, sorting), loads)

        known = joined.setdefault(loads, {})
        return template_of(known, GROUP_PAGE, self._clauses, self._mapper, build)

    def rows(self, limits: dict[str, int]) -> Template:
        """The statement of the page, and its parameters.

        :param limits: the values of START and STOP, each where it limits the page.
        """
        template = self._template(limits)
        if template is None:
            return self._guarded(_limited(self._ordered, limits)), limits
        return self._guarded(template[0]), {**template[1], **limits}

    def _template(self, limits: dict[str, int]) -> Template | None:
        def build(criteria: list[Any], order: tuple[Any, ...]) -> Select[Any]:
            sorting = without_ties(order, self._mapper)
            statement = select(*self._what).where(*criteria).order_by(*sorting)
            return _limited(self._joined(statement), limits)

        purpose = (GROUP_PAGE, self._nodes is None, *limits)
        return template_of(self._level.templates, purpose, self._clauses, self._mapper, build)

    def _guarded(self, statement: Select[Any]) -> Select[Any]:
        return statement.options(*self._guards) if self._guards else statement

    def _joined(self, statement: Select[Any]) -> Select[Any]:
        return statement if self._nodes is None else self._nodes.joined(statement)

    @cached_property
    def _ordered(self) -> Select[Any]:
        """The objects in an order without ties; joins are in a subquery, so each comes once."""
        entity, key = self._entity, self._key
        if not entity.is_joined:
            # Of a statement over other columns the ORM does not tell objects what they carry.
            by_rows = self._nodes is not None
            found = self._joined(entity.over(self._what)) if by_rows else entity.statement
            return found.order_by(*key)
        statement = self._joined(select(*self._what).where(key_expression(key).in_(entity.keys)))
        return statement.order_by(*entity.order_by, *key).options(*entity.options)

    @property
    def total(self) -> Select[Any]:
        """The statement that counts the objects."""
        found = self._entity.keys
        if self._entity.is_joined:
            found = found.distinct()
        # Criteria that the options carry are those of the whole statement, not of a subquery.
        counted = select(func.count()).select_from(found.subquery()).options(*self._entity.options)
        return self._guarded(counted)

    def _count(self) -> int:
        if is_sharded(self._reader.session):
            return count_over_shards(self._reader.session, self._mapper, self.total)
        rows, _ = self._reader.fetch(self._mapper, self.total, {})
        return int(rows[0][0])


def limit_parameters(start: int, stop: int | None) -> dict[str, int]:
    """The parameters of a page: LIMIT and OFFSET, each where there is one."""
    limits = {}
    if stop is not None:
        limits[STOP] = max(stop - start, 0)
    if start:
        limits[START] = start
    return limits


def _limited(statement: Select[Any], limits: dict[str, int]) -> Select[Any]:
    """The statement with the limits as parameters."""
    if STOP in limits:
        statement = statement.limit(bindparam(STOP, type_=Integer))
    return statement.offset(bindparam(START, type_=Integer)) if START in limits else statement


def exchanged_root_connection(resolver: partial[Any]) -> Any:
    """Our executor's resolver for a connection field that shows no relationship.

    :param resolver: a partial of upstream's `connection_resolver`.
    """
    owner = resolver.func.__self__  # type: ignore[attr-defined]
    if _upstream.is_plain_resolve_connection(owner) and len(resolver.args) == 3:
        return RootConnection(resolver)
    return resolver
