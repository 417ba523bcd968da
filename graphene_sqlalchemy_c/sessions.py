"""Executing the statements of row levels, as the session wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Result, ScalarResult, Select
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.ext.asyncio import async_session
from sqlalchemy.ext.horizontal_shard import ShardedSession
from sqlalchemy.orm import Mapper, Session

from ._core import row_tuples
from ._sqlalchemy import executed_statement, is_execution_watched, narrowing_options

if TYPE_CHECKING:
    from .levels import Level

__all__ = ["NotRows", "Origin", "fetch_all", "fetch_entities", "fetch_rows", "sees_rows"]


class Origin:
    """From where rows are loaded, and what the loads below them carry."""

    __slots__ = ("level", "options", "session")

    def __init__(self, session: Session, options: tuple[Any, ...], level: Level) -> None:
        self.session = session
        self.options = options
        self.level = level

    @property
    def needs_await(self) -> bool:
        """Whether the session is an AsyncSession's."""
        return async_session(self.session) is not None


def has_changes(session: Session) -> bool:
    """Whether a session holds what is not in the database yet."""
    return bool(session.identity_map.check_modified() or session.new or session.deleted)


def sees_rows(session: Session) -> bool:
    """Whether rows are what the session's objects are: nothing is left that will not be flushed.

    Never over shards: only an instance knows the one that it came from.
    """
    if isinstance(session, ShardedSession):
        return False
    return session.autoflush or not has_changes(session)


def is_plain(session: Session) -> bool:
    """Whether a session leaves its statements alone."""
    cls = type(session)
    return (
        cls.execute is Session.execute
        and cls.connection is Session.connection
        and not is_execution_watched(session)
        and not getattr(session, "execution_options", None)
    )


class NotRows(Exception):
    """The session has a say in its statements that only instances can follow."""


def fetch_rows(
    session: Session,
    mapper: Mapper[Any],
    statement: Select[Any],
    parameters: dict[str, Any],
    options: tuple[Any, ...] = (),
) -> tuple[list[tuple[Any, ...]], tuple[Any, ...]]:
    """The rows of a statement of columns, and the options that the loads below them carry.

    The session's connection executes it, which spares what ``Session.execute`` does for objects;
    a session with pending changes, with listeners or with methods of its own does it itself, and
    then what it did to the statement counts.

    :param mapper: what the statement is about, for ``get_bind``.
    :param options: of the statement, as far as they propagate.
    :raises NotRows: when what the session did is not certain to be right for rows.
    """
    plain = is_plain(session)
    if plain and not has_changes(session):
        connection = session.connection(bind_arguments={"mapper": mapper, "clause": statement})
        return row_tuples(connection.execute(statement, parameters).all()), options
    try:
        result = session.execute(statement, parameters, bind_arguments={"mapper": mapper})
    except ArgumentError as error:
        if plain:
            raise
        raise NotRows(str(error)) from error  # an option for objects, which columns do not take
    if not plain:
        executed = executed_statement(result)
        added = None if executed is None else narrowing_options(executed)
        if added is None or isinstance(added, str):
            raise NotRows("the session executes another statement")
        options = (*options, *(option for option in added if option not in options))
    return row_tuples(result.all()), options


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
