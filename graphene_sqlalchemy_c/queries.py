"""Statements that resolvers return, and what loads them.

A `Select` or a `Query` that has not run becomes a `RowQuery`, which our executor runs together with
the other loads of the level, as rows where the level and the statement allow it. Made once per
field, never per object. Root connections and nodes, which become one as well, are in
root_connections.py and nodes.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from graphql import GraphQLObjectType, GraphQLResolveInfo
from sqlalchemy import Select, select
from sqlalchemy.exc import MultipleResultsFound
from sqlalchemy.ext.asyncio import AsyncSession, async_session
from sqlalchemy.orm import Mapper, Query, Session

from . import _upstream
from ._core import RowGroup
from ._sqlalchemy import plain_clauses
from .guard import Guard, guarded
from .inheritance import are_mapped
from .joined_pages import Below
from .levels import GROUP_LIST, GROUP_ONE, Level, is_mapped
from .narrowing import EntityStatement, NotNarrow, Statement
from .sessions import MANY_ROWS, NotRows, Origin, RowReader, fetch_all, unwrapped
from .templates import template_of

__all__ = ["RowQuery", "statement_query"]


class RowQuery:
    """Something to be loaded for one field.

    :param session: that loads it.
    :param make: gives the value of the field: a RowGroup, or what a resolver would have given. It
        takes the session, the level of the field, the guard of the operation and the connection of
        a page's nodes, each of which may be missing.
    :param object_type: of the rows, where the field's own type does not tell.
    """

    __slots__ = ("_make", "_session", "object_type")

    def __init__(
        self,
        session: Session | AsyncSession,
        make: Callable[[Session, Level | None, Guard | None, Below | None], Any],
        object_type: GraphQLObjectType | None = None,
    ) -> None:
        self._session = session
        self._make = make
        self.object_type = object_type

    @property
    def needs_await(self) -> bool:
        """Whether it has to be loaded in an AsyncSession."""
        return isinstance(self._session, AsyncSession)

    def load(
        self, level: Level | None, guard: Guard | None = None, below: Below | None = None
    ) -> Any:
        """The value, loaded synchronously."""
        session = self._session
        if isinstance(session, AsyncSession):
            session = session.sync_session
        return self._make(session, level, guard, below)

    async def load_async(
        self, level: Level | None, guard: Guard | None = None, below: Below | None = None
    ) -> Any:
        """The value, loaded in its AsyncSession."""
        assert isinstance(self._session, AsyncSession)
        return await self._session.run_sync(lambda _: self.load(level, guard, below))


def unscoped(session: Any) -> Session | AsyncSession:
    """The session behind a registry of sessions, or the one behind a Query."""
    if type(session) is Session:
        return session
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
    return RowQuery(session_of(statement, info), partial(run_statement, statement, type_, many))


def run_statement(
    statement: Statement,
    type_: Any,
    many: bool,
    session: Session,
    level: Level | None,
    guard: Guard | None,
    _below: Below | None = None,
) -> Any:
    if level is not None and level.mapper is not None and level.is_usable(session):
        reader = RowReader(session)
        try:
            expected = MANY_ROWS if many else 1
            rows, options = _rows(statement, reader, level, level.mapper, guard, expected)
            return as_value(rows, many, Origin(reader, options, level))
        except (NotNarrow, NotRows) as reason:
            level.fall_back(str(reason))
    if guard is not None:
        statement = guard.narrowed(statement, type_)
    return as_value(instances_of(statement, session), many, None)


def _rows(
    statement: Statement,
    reader: RowReader,
    level: Level,
    mapper: Mapper[Any],
    guard: Guard | None,
    expected: int,
) -> tuple[list[tuple[Any, ...]], tuple[Any, ...]]:
    """The rows of a statement, and the options that they carry.

    A Query gives each object once, however often it is joined.
    """
    clauses = plain_clauses(statement, mapper)
    build = partial(_narrowed, level, mapper)
    template = template_of(level.templates, GROUP_LIST, clauses, mapper, build)
    if template is not None:
        select_, parameters = template
        visible = guarded(select_, guard, level, mapper)
        return reader.fetch(mapper, visible, parameters, (), expected)
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


def _narrowed(
    level: Level, mapper: Mapper[Any], criteria: list[Any], order: tuple[Any, ...]
) -> Select[Any]:
    """The statement of a level's columns."""
    columns = level.select(mapper, level.columns)
    return level.joined(select(*columns).where(*criteria).order_by(*order))


def as_value(found: list[Any], many: bool, origin: Origin | None) -> Any:
    if many:
        return found if origin is None else RowGroup(origin, found, GROUP_LIST)
    if len(found) > 1:
        raise MultipleResultsFound("Multiple rows were found when one or none was required")
    if not found:
        return None
    return found[0] if origin is None else RowGroup(origin, found[0], GROUP_ONE)


def instances_of(statement: Statement, session: Session) -> list[Any]:
    if isinstance(statement, Query):
        return list(statement)  # as graphql-core iterates it: a class may have its own iterator
    return fetch_all(lambda: session.execute(statement).scalars())
