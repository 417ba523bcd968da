"""Executing the statements of row levels, as the session wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Result, ScalarResult, Select
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_session
from sqlalchemy.ext.horizontal_shard import ShardedSession
from sqlalchemy.orm import Mapper, Session, SessionTransaction, scoped_session
from sqlalchemy.orm.attributes import instance_state

from ._core import row_tuples
from ._sqlalchemy import executed_statement, is_execution_watched, narrowing_options

if TYPE_CHECKING:
    from .joined_pages import Along
    from .levels import Level
    from .plain_loads import PlainLoad
    from .relation_plans import RelationPlan

__all__ = [
    "NotRows",
    "Origin",
    "RowReader",
    "fetch_all",
    "fetch_entities",
    "in_sessions",
    "sees_rows",
    "unwrapped",
]


ROWS_AT_ONCE = 1000
"""Rows that are read from a cursor together."""
MANY_ROWS = ROWS_AT_ONCE + 1
"""So many or more, where it is not known how many."""


def unwrapped(session: Any) -> Any:
    """The session behind a registry of sessions; anything else is given back."""
    return session() if isinstance(session, (scoped_session, async_scoped_session)) else session


def has_changes(session: Session) -> bool:
    """Whether a session holds what is not in the database yet.

    Whatever changes a session begins its transaction, and the end of it leaves no changes.
    """
    return session.in_transaction() and bool(
        session.identity_map.check_modified() or session.new or session.deleted
    )


def sees_rows(session: Session) -> bool:
    """Whether rows are what the session's objects are: nothing is left that will not be flushed.

    Never over shards: only an instance knows the one that it came from.
    """
    if isinstance(session, ShardedSession):
        return False
    return session.autoflush or not has_changes(session)


class NotRows(Exception):
    """The session has a say in its statements that only instances can follow."""


class RowReader:
    """Reads the rows of a root field and of what is below it through a session.

    What a session is like is asked once. Its connection is kept for as long as its transaction.

    :param session: that is read through.
    """

    __slots__ = ("_connections", "_transaction", "is_plain", "session")

    def __init__(self, session: Session) -> None:
        cls = type(session)
        self.session = session
        self.is_plain = (
            (
                cls is Session
                or (cls.execute is Session.execute and cls.connection is Session.connection)
            )
            and not is_execution_watched(session)
            and not getattr(session, "execution_options", None)
        )
        """Whether the session leaves its statements alone."""
        self._transaction: SessionTransaction | None = None
        self._connections: dict[Any, Connection] = {}

    def fetch(
        self,
        mapper: Mapper[Any],
        statement: Select[Any],
        parameters: dict[str, Any],
        options: tuple[Any, ...] = (),
        expected: int = MANY_ROWS,
    ) -> tuple[list[tuple[Any, ...]], tuple[Any, ...]]:
        """The rows of a statement of columns, and the options that the loads below them carry.

        The session's connection executes it, which spares what ``Session.execute`` does for
        objects; a session with pending changes, with listeners or with methods of its own does it
        itself, and then what it did to the statement counts.

        :param mapper: what the statement is about, for ``get_bind``.
        :param options: of the statement, as far as they propagate.
        :param expected: how many they will be, about or at most.
        :raises NotRows: when what the session did is not certain to be right for rows.
        """
        session = self.session
        if self.is_plain and not has_changes(session):
            connection = self._connection(mapper, statement)
            return read_tuples(connection.execute(statement, parameters), expected), options
        try:
            result = session.execute(statement, parameters, bind_arguments={"mapper": mapper})
        except ArgumentError as error:
            if self.is_plain:
                raise
            raise NotRows(str(error)) from error  # an option for objects, which columns do not take
        if not self.is_plain:
            executed = executed_statement(result)
            added = None if executed is None else narrowing_options(executed)
            if added is None or isinstance(added, str):
                raise NotRows("the session executes another statement")
            options = (*options, *(option for option in added if option not in options))
        return row_tuples(result.all()), options

    def _connection(self, mapper: Mapper[Any], statement: Select[Any]) -> Connection:
        """The session's connection for a statement, as ``Session.connection`` gives it."""
        session = self.session
        bind = session.get_bind(mapper=mapper, clause=statement)
        if self._transaction is not None:
            if self._transaction is not session.get_transaction():
                self._connections.clear()
            elif bind in self._connections and not session.in_nested_transaction():
                return self._connections[bind]
            # Only the session itself knows when to begin a savepoint.
        connection = session.connection(bind_arguments={"bind": bind})
        self._connections[bind] = connection
        self._transaction = session.get_transaction()
        return connection


def read_tuples(result: Result[Any], expected: int) -> list[tuple[Any, ...]]:
    """All rows of a result as plain tuples.

    Many are read in portions, each of which becomes tuples while the processor has it at hand still
    and before the collector has looked at it often.
    """
    if expected <= ROWS_AT_ONCE:
        return row_tuples(result.all())
    rows: list[Any] = []
    while True:
        portion: Any = result.fetchmany(ROWS_AT_ONCE)
        rows += row_tuples(portion)
        if len(portion) < ROWS_AT_ONCE:
            result.close()
            return rows


class Origin:
    """From where rows are loaded, and what the loads below them carry."""

    __slots__ = ("_below", "level", "options", "reader")

    def __init__(self, reader: RowReader, options: tuple[Any, ...], level: Level) -> None:
        self.reader = reader
        self.options = options
        self.level = level
        self._below: tuple[PlainLoad, Along, SessionTransaction | None] | None = None

    def take_apart(self, along: Along) -> list[Any]:
        """The rows themselves, of which those that came along are kept for their load."""
        rows, below = along.unfold()
        if below is not None:
            self._below = *below, self.reader.session.get_transaction()
        return rows

    def take(self, plan: RelationPlan) -> tuple[PlainLoad, Along] | None:
        """The load of a relationship and what came along for it, if it would find the same now."""
        if self._below is None or self._below[0].plan is not plan:
            return None
        load, along, transaction = self._below
        self._below = None
        session = self.reader.session
        is_same = session.get_transaction() is transaction and not has_changes(session)
        return (load, along) if is_same else None

    @property
    def needs_await(self) -> bool:
        """Whether the session is an AsyncSession's."""
        return async_session(self.reader.session) is not None


async def in_sessions(instances: list[Any], load: Callable[[list[Any]], list[Any]]) -> list[Any]:
    """What is loaded for instances, for those of each AsyncSession inside of its ``run_sync``.

    :param load: gives a value for each of the instances of one session, or of none.
    :return: the values, aligned with the instances.
    """
    results: list[Any] = [None] * len(instances)
    by_session: dict[AsyncSession | None, list[int]] = {}
    for position, instance in enumerate(instances):
        by_session.setdefault(instance_state(instance).async_session, []).append(position)
    for session, positions in by_session.items():
        members = [instances[position] for position in positions]
        if session is None:
            values = load(members)
        else:
            values = await session.run_sync(lambda _, some: load(some), members)
        for position, value in zip(positions, values, strict=True):
            results[position] = value
    return results


def fetch_all(execute: Callable[[], Result[Any] | ScalarResult[Any]]) -> list[Any]:
    """What a statement gives, each once where the ORM insists on it.

    The ORM says so when the result is read, so the statement is executed once more.

    :param execute: executes the statement.
    """
    try:
        return list(execute().all())
    except InvalidRequestError as error:
        if "unique()" not in str(error):
            raise
    return list(execute().unique().all())


def fetch_entities(
    session: Session, mapper: Mapper[Any], statement: Select[Any], parameters: dict[str, Any]
) -> list[Any]:
    """The rows of a statement that selects objects, each row once where the ORM insists on it."""
    bind_arguments = {"mapper": mapper}
    return fetch_all(lambda: session.execute(statement, parameters, bind_arguments=bind_arguments))
