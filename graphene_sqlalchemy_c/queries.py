"""Statements that resolvers return, and root fields that become statements.

A `Select` or a `Query` that has not run, a root connection, a node of a global id: each becomes a
`RowQuery`, which our executor runs together with the other loads of the level, as rows where the
level and the statement allow it. Made once per field, never per object.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from inspect import isawaitable
from types import SimpleNamespace
from typing import Any, NamedTuple

from graphene.relay import Node
from graphql import GraphQLObjectType, GraphQLResolveInfo, get_named_type
from sqlalchemy import Integer, Select, Uuid, bindparam, func, inspect, select
from sqlalchemy.exc import MultipleResultsFound
from sqlalchemy.ext.asyncio import AsyncSession, async_session
from sqlalchemy.orm import Mapper, Query, Session

from . import _upstream
from ._core import RowGroup, page_bounds
from ._sqlalchemy import makes_plain_queries, plain_clauses
from .columns import key_expression, primary_key
from .guard import Guard, guard_of, guarded, has_plain_query
from .inheritance import are_mapped
from .levels import Level, is_mapped
from .narrowing import EntityStatement, NotNarrow, Statement
from .pagination import START, STOP, Page, sort_clauses
from .sessions import NotRows, Origin, RowReader, fetch_all, fetch_entities, unwrapped
from .shards import count_over_shards, is_sharded, objects_over_shards, page_over_shards
from .templates import Template, template_of

__all__ = [
    "NodeQuery",
    "RootConnection",
    "RootPage",
    "RowQuery",
    "limit_parameters",
    "node_statement",
    "statement_query",
]

_KEY = "graphene_sqlalchemy_c_key"
LIST, ONE, PAGE, INSTANCES = range(4)  # kinds of RowGroup


class RowQuery:
    """Something to be loaded for one field: `make` loads it, given the level of the field and the
    guard of the operation, where there is one.

    :param session: that loads it.
    :param make: gives the value of the field: a RowGroup, or what a resolver would have given.
    :param object_type: of the rows, where the field's own type does not tell.
    """

    __slots__ = ("_make", "_session", "object_type")

    def __init__(
        self,
        session: Session | AsyncSession,
        make: Callable[[Session, Level | None, Guard | None], Any],
        object_type: GraphQLObjectType | None = None,
    ) -> None:
        self._session = session
        self._make = make
        self.object_type = object_type

    @property
    def needs_await(self) -> bool:
        """Whether it has to be loaded in an AsyncSession."""
        return isinstance(self._session, AsyncSession)

    def load(self, level: Level | None, guard: Guard | None = None) -> Any:
        """The value, loaded synchronously."""
        session = self._session
        if isinstance(session, AsyncSession):
            session = session.sync_session
        return self._make(session, level, guard)

    async def load_async(self, level: Level | None, guard: Guard | None = None) -> Any:
        """The value, loaded in its AsyncSession."""
        assert isinstance(self._session, AsyncSession)
        return await self._session.run_sync(lambda _: self.load(level, guard))


def unscoped(session: Any) -> Session | AsyncSession:
    """The session behind a registry of sessions, or the one behind a Query."""
    session = unwrapped(session)
    if not isinstance(session, (Session, AsyncSession)):
        raise TypeError(f"A session is required to run a statement, not {type(session).__name__}.")
    return session


def session_of(statement: Any, info: GraphQLResolveInfo) -> Session | AsyncSession:
    """The session that a statement is run in: the Query's own, else the context's.

    :raises TypeError: when there is none.
    """
    if isinstance(statement, Query) and statement.session is not None:
        session = unscoped(statement.session)
        return async_session(session) or session if isinstance(session, Session) else session
    return unscoped(_upstream.get_session(info.context))


# -- statements --


def statement_query(
    statement: Statement,
    info: GraphQLResolveInfo,
    type_: Any,
    many: bool,
) -> RowQuery | None:
    """What a resolver returned, to be run when the level is loaded.

    :param type_: the named type of the field.
    :param many: whether the field is a list; else no row is null, and more than one an error.
    :return: None where the field is not of a mapped type.
    """
    if not (is_mapped(type_) or are_mapped(info.schema, type_)):
        return None
    return RowQuery(session_of(statement, info), partial(_run_statement, statement, type_, many))


def _run_statement(
    statement: Statement,
    type_: Any,
    many: bool,
    session: Session,
    level: Level | None,
    guard: Guard | None,
) -> Any:
    if level is not None and level.mapper is not None and level.is_usable(session):
        reader = RowReader(session)
        try:
            rows, options = _rows(statement, reader, level, level.mapper, guard)
            return _as_value(rows, many, Origin(reader, options, level))
        except (NotNarrow, NotRows) as reason:
            level.fall_back(str(reason))
    if guard is not None:
        statement = guard.narrowed(statement, type_)
    return _as_value(_instances(statement, session), many, None)


def _rows(
    statement: Statement,
    reader: RowReader,
    level: Level,
    mapper: Mapper[Any],
    guard: Guard | None,
) -> tuple[list[tuple[Any, ...]], tuple[Any, ...]]:
    """The rows of a statement, and the options that they carry.

    A Query gives each object once, however often it is joined.
    """
    template = _list_template(level, statement, mapper)
    if template is not None:
        select_, parameters = template
        return reader.fetch(mapper, guarded(select_, guard, level, mapper), parameters)
    entity = EntityStatement.of(statement, mapper)
    narrowed = guarded(entity.rows(level), guard, level, mapper)
    if not (entity.is_query and entity.is_joined):
        return reader.fetch(mapper, narrowed, {}, entity.options)
    narrowed = narrowed.add_columns(*entity.primary_key)
    rows, options = reader.fetch(mapper, narrowed, {}, entity.options)
    unique: dict[tuple[Any, ...], Any] = {}
    for row in rows:
        unique.setdefault(row[len(level.columns) :], row)  # where it came first, as Query has it
    return list(unique.values()), options


def _list_template(level: Level, statement: Any, mapper: Mapper[Any]) -> Template | None:
    def build(criteria: list[Any], order: tuple[Any, ...]) -> Select[Any]:
        columns = level.select(mapper, level.columns)
        return level.joined(select(*columns).where(*criteria).order_by(*order))

    return template_of(level.templates, LIST, plain_clauses(statement, mapper), mapper, build)


def _as_value(found: list[Any], many: bool, origin: Origin | None) -> Any:
    if many:
        return found if origin is None else RowGroup(origin, found, LIST)
    if len(found) > 1:
        raise MultipleResultsFound("Multiple rows were found when one or none was required")
    if not found:
        return None
    return found[0] if origin is None else RowGroup(origin, found[0], ONE)


def _instances(statement: Statement, session: Session) -> list[Any]:
    if isinstance(statement, Query):
        return list(statement)  # as graphql-core iterates it: a class may have its own iterator
    return fetch_all(lambda: session.execute(statement).scalars())


# -- nodes by global id --


class NodeQuery:
    """The resolver of a `relay.Node` field whose classes are graphene's and graphene-sqlalchemy's.

    Anything that an application changed about it is left to the resolver that it stands in for.
    """

    def __init__(self, resolver: partial[Any]) -> None:
        self._resolver = resolver
        self._node: Any = resolver.func.__self__  # type: ignore[attr-defined]
        self._only_type = resolver.args[0] if resolver.args else None

    def __call__(self, root: Any, info: GraphQLResolveInfo, **args: Any) -> Any:
        found = self._find(info, args.get("id"))
        return self._resolver(root, info, **args) if found is None else found

    def _find(self, info: GraphQLResolveInfo, global_id: Any) -> RowQuery | None:
        try:
            type_name, text = self._node.resolve_global_id(info, global_id)
        except Exception:
            return None  # the resolver raises it again
        object_type: Any = info.schema.get_type(type_name)
        mapper = self.mapper_of(object_type)
        if mapper is None:
            return None
        cls = object_type.graphene_type
        statement: Any = None
        if not has_plain_query(cls) and guard_of(info.schema) is None:
            statement = cls.get_query(info)
            if not isinstance(statement, (Query, Select)):
                return None
        elif getattr(mapper.class_, "query", None):
            statement = cls.get_query(info)
        try:
            session = session_of(statement, info)
        except (TypeError, AttributeError):
            return None  # the resolver says what is missing
        key = _as_key(mapper, text)
        run = partial(_run_node, mapper, statement, key, object_type)
        return RowQuery(session, run, object_type)

    def mapper_of(self, object_type: Any) -> Mapper[Any] | None:
        """The mapper of a type whose nodes are found by a statement; None for any other."""
        cls: Any = getattr(object_type, "graphene_type", None)
        if not (isinstance(cls, type) and issubclass(cls, _upstream.SQLAlchemyObjectType)):
            return None
        meta: Any = cls._meta
        if (
            (self._only_type and cls != self._only_type)
            or self._node not in meta.interfaces
            or getattr(cls.get_node, "__func__", None) is not _upstream.plain_get_node
        ):
            return None
        mapper: Mapper[Any] = inspect(meta.model)
        return mapper if len(mapper.primary_key) == 1 else None


def _as_key(mapper: Mapper[Any], text: str) -> Any:
    """The text of a global id as a value of the primary key, where it is one."""
    type_ = mapper.primary_key[0].type
    try:
        if isinstance(type_, Integer):
            return int(text)
        if isinstance(type_, Uuid):
            return type_.python_type(text)
    except ValueError:
        pass  # no key at all; the database says so
    return text


def _run_node(
    mapper: Mapper[Any],
    criteria: Any,
    key: Any,
    object_type: GraphQLObjectType,
    session: Session,
    level: Level | None,
    guard: Guard | None,
) -> Any:
    if criteria is not None:
        (column,) = primary_key(mapper)
        found = criteria.where(column == key)
        return _run_statement(found, object_type, False, session, level, guard)
    if level is None or level.mapper is not mapper or not level.is_usable(session):
        return session.get(mapper.class_, key)
    reader = RowReader(session)
    try:
        statement = guarded(node_statement(mapper, level), guard, level, mapper)
        rows, options = reader.fetch(mapper, statement, {_KEY: key})
    except NotRows:
        return session.get(mapper.class_, key)
    return _as_value(rows, False, Origin(reader, options, level))


def node_statement(mapper: Mapper[Any], level: Level) -> Select[Any]:
    """One row by its primary key, built once for each level of a plan."""
    statement: Select[Any] | None = level.statements.get(_KEY)
    if statement is None:
        (column,) = primary_key(mapper)
        statement = select(*level.select(mapper, level.columns))
        statement = statement.where(column == bindparam(_KEY, type_=mapper.primary_key[0].type))
        statement = level.statements[_KEY] = level.joined(statement)
    return statement


# -- connections of the root --


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
        if isawaitable(resolved):
            return self._later(resolved, info, args)
        return self._connection(resolved, info, args)

    async def _later(self, resolved: Any, info: GraphQLResolveInfo, args: dict[str, Any]) -> Any:
        value = self._connection(await resolved, info, args)
        return await value if isawaitable(value) else value

    def _connection(self, resolved: Any, info: GraphQLResolveInfo, args: dict[str, Any]) -> Any:
        if resolved is None:
            resolved = self._query(info, args)
        if isinstance(resolved, (Query, Select)):
            session = session_of(resolved, info)
        elif isinstance(resolved, PlainQuery) or self._is_guarded(info):
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
            and makes_plain_queries(unwrapped(_upstream.get_session(info.context)))
        ):
            return PlainQuery(make, sort_clauses(args.get("sort")))
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
    ) -> Any:
        is_statement = isinstance(statement, (PlainQuery, Query, Select))
        guards = self._guards(guard, info, args)
        if level is not None and level.by_rows and level.is_connection and is_statement:
            page = Page.of(args)
            mapper: Mapper[Any] = inspect(self._model)
            try:
                return RootPage(session, statement, mapper, page, level, guards).load()
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
        found = partial(_instances, statement, session)
        if is_sharded(session):
            return objects_over_shards(session, inspect(self._model), statement, found)
        return found()

    def _guards(
        self, guard: Guard | None, info: GraphQLResolveInfo, args: dict[str, Any]
    ) -> tuple[Any, ...]:
        """The options of a statement for what the operation may see, and filter by."""
        if guard is None:
            return ()
        mapper: Mapper[Any] = inspect(self._model)
        own = guard.options(get_named_type(info.return_type), mapper)
        return own if args.get("filter") is None else (*own, *guard.filter_options(mapper))


class PlainQuery(NamedTuple):
    """A query of all objects of a model in an order, which need not be made to be known."""

    make: Callable[[], Any]
    order_by: tuple[Any, ...]


class RootPage:
    """One page of a statement.

    :param guards: options that leave what the operation may see.
    """

    def __init__(
        self,
        session: Session,
        statement: Any,
        mapper: Mapper[Any],
        page: Page,
        level: Level,
        guards: tuple[Any, ...] = (),
    ) -> None:
        self._reader = RowReader(session)
        self._statement = statement
        self._mapper = mapper
        self._page = page
        self._level = level
        self._guards = guards
        nodes = level.node if level.shows_nodes else level
        by_rows = nodes is not None and nodes.is_usable(session)
        self._nodes = nodes if by_rows else None
        self._options: tuple[Any, ...] = ()
        """What the loads below carry, as far as it is known."""

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
        level = self._nodes or self._level
        origin = Origin(self._reader, self._options, level)
        kind = INSTANCES if self._nodes is None else PAGE
        return RowGroup(origin, rows, kind, start, total, has_previous, has_next)

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
        statement, parameters = self.rows(limit_parameters(start, stop))
        if self._nodes is None:
            return fetch_entities(self._reader.session, self._mapper, statement, parameters)
        options = self._entity.options if "_entity" in vars(self) else ()
        rows, self._options = self._reader.fetch(self._mapper, statement, parameters, options)
        return rows

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
            statement = select(*self._what).where(*criteria).order_by(*order, *self._key)
            return _limited(self._joined(statement), limits)

        purpose = (PAGE, self._nodes is None, *limits)
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


# -- where they are put --


def exchanged_root_connection(resolver: partial[Any]) -> Any:
    """Our executor's resolver for a connection field that shows no relationship.

    :param resolver: a partial of upstream's `connection_resolver`.
    """
    owner = resolver.func.__self__  # type: ignore[attr-defined]
    if _upstream.is_plain_resolve_connection(owner) and len(resolver.args) == 3:
        return RootConnection(resolver)
    return resolver


def exchanged_node(resolver: Any) -> Any:
    """Our executor's resolver for a `relay.Node` field; any other is given back."""
    if isinstance(resolver, partial) and not resolver.keywords and len(resolver.args) <= 1:
        owner = getattr(resolver.func, "__self__", None)
        if _is_plain_node(owner, getattr(resolver.func, "__func__", None)):
            return NodeQuery(resolver)
    return resolver


_NODE_METHODS = ("node_resolver", "get_node_from_global_id")


def _is_plain_node(owner: Any, function: Any) -> bool:
    return (
        isinstance(owner, type)
        and issubclass(owner, Node)
        and function is Node.node_resolver.__func__  # type: ignore[attr-defined]
        and all(
            getattr(owner, name).__func__ is getattr(Node, name).__func__ for name in _NODE_METHODS
        )
    )
