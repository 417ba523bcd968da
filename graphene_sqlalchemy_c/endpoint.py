"""Operations that come over HTTP, each executed in a session of its own.

What the views of all frameworks have in common besides the rules of HTTP: the session, the context,
what is logged and masked, and the plan as an extension of the response.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    contextmanager,
    nullcontext,
)
from os import PathLike
from typing import Any

from graphql import ExecutionResult, GraphQLError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from .encoding import json_encoder
from .graphiql import GraphiQL
from .http import (
    MAX_BODY_BYTES,
    Exchange,
    HTTPError,
    Message,
    Operation,
    QueriesOnly,
    Response,
    is_request_error,
)
from .schema import Schema
from .tracing import Trace

__all__ = ["INTERNAL_ERROR", "Endpoint", "is_database_error"]

INTERNAL_ERROR = "Internal error"

_log = logging.getLogger(__name__)

# What SQLAlchemy does not wrap: the errors of connecting with some drivers, asyncpg among them.
_DRIVERS = {
    *("MySQLdb", "aiomysql", "asyncmy", "mariadb", "mysql", "pymysql"),
    *("asyncpg", "psycopg", "psycopg2"),
    *("aiosqlite", "sqlite3"),
    *("cx_Oracle", "oracledb", "pymssql", "pyodbc"),
}

Outcome = tuple[ExecutionResult, bytes]
SessionFactory = Callable[[], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]]


def is_database_error(error: BaseException) -> bool:
    """Whether an error may tell a client about the database: statements, values, hosts.

    SQLAlchemy's errors, the drivers' own, and failures to connect. A `PermissionError` is what a
    resolver raises.
    """
    if isinstance(error, OSError):
        return not isinstance(error, PermissionError)
    driver = type(error).__module__.partition(".")[0]
    return isinstance(error, SQLAlchemyError) or driver in _DRIVERS


class Endpoint:
    """A schema, where its sessions come from, and what clients may ask.

    :param schema: the schema; its limits hold here, too.
    :param session_factory: makes the session of an operation: a `sessionmaker`, a
        `scoped_session`, an `async_sessionmaker`, or a function that gives a `Session`. A resolver
        that writes commits; when it is done, the session is rolled back if there was any error,
        and closed always.
    :param context: makes the context of an operation from the framework's request and the session;
        by default it is `{"request": request, "session": session}`. It needs a "session".
    :param root_value: the value of the root types.
    :param middleware: graphql-core's middleware.
    :param graphiql: whether a browser gets GraphiQL at the same URL.
    :param graphiql_assets: a folder with GraphiQL's files, see :class:`.graphiql.GraphiQL`; None
        has the browser load them from a CDN.
    :param explain: whether responses have `extensions.plan`: levels, statements, milliseconds. It
        shows the SQL to the client, and each operation is planned once more.
    :param max_body_bytes: of a request's body, at most.
    :param max_batch: operations that a request may hold in a list; 0 takes no list at all.
    :param is_masked: which exceptions clients do not get to see: they are logged, and the message
        is "Internal error".
    :raises TypeError: for a schema of another class.
    :raises ImportError: without orjson.
    """

    def __init__(
        self,
        schema: Schema,
        session_factory: SessionFactory,
        *,
        context: Callable[[Any, Any], Mapping[str, Any]] | None = None,
        root_value: Any = None,
        middleware: Any = None,
        graphiql: bool = True,
        graphiql_assets: str | PathLike[str] | None = None,
        explain: bool = False,
        max_body_bytes: int = MAX_BODY_BYTES,
        max_batch: int = 0,
        is_masked: Callable[[BaseException], bool] = is_database_error,
    ) -> None:
        if not isinstance(schema, Schema):
            raise TypeError("The schema has to be a graphene_sqlalchemy_c.Schema.")
        json_encoder()  # without orjson, now is the time to say so
        self._schema = schema
        self._session_factory = session_factory
        self._context = context or _default_context
        self._root_value = root_value
        self._middleware = middleware
        self._graphiql = GraphiQL(graphiql_assets) if graphiql else None
        self._explains = explain
        self._max_body_bytes = max_body_bytes
        self._max_batch = max_batch
        self._is_masked = is_masked

    @property
    def has_async_sessions(self) -> bool:
        """Whether the sessions are `AsyncSession`s."""
        made = getattr(self._session_factory, "class_", self._session_factory)
        return isinstance(made, type) and issubclass(made, AsyncSession)

    def exchange(self, message: Message) -> Exchange | Response:
        """Begin to answer: an exchange that wants its body, or the response.

        :raises HTTPError: when the message decides already that it is not answered.
        """
        page = self._graphiql and self._graphiql.response(message)
        return page or Exchange(message, self._max_body_bytes, self._max_batch)

    def execute(self, exchange: Exchange, request: Any) -> Response:
        """Execute the operations of an exchange, one after the other, in `Session`s.

        :param request: the framework's, for the context.
        :raises HTTPError: when they are not well-formed, or a session fails outside of them.
        """
        return exchange.response(
            [
                self._execute_one(operation, exchange.is_get, request)
                for operation in exchange.operations()
            ]
        )

    async def execute_async(self, exchange: Exchange, request: Any) -> Response:
        """`execute`, in `AsyncSession`s."""
        return exchange.response(
            [
                await self._execute_one_async(operation, exchange.is_get, request)
                for operation in exchange.operations()
            ]
        )

    def _execute_one(self, operation: Operation, is_get: bool, request: Any) -> Outcome:
        call = _Call(self, operation)
        with call.failures():
            session: Session
            with self._session_factory() as session, call.trace:  # type: ignore[union-attr]
                arguments = self._arguments(operation, is_get, request, session)
                body = self._schema.execute_json(on_result=call.receive, **arguments)
                if call.result.errors:
                    try:
                        session.rollback()
                    except SQLAlchemyError:  # a connection that is lost; the pool drops it
                        session.invalidate()
        return call.outcome(body)

    async def _execute_one_async(self, operation: Operation, is_get: bool, request: Any) -> Outcome:
        call = _Call(self, operation)
        with call.failures():
            session: AsyncSession
            async with self._session_factory() as session:  # type: ignore[union-attr]
                with call.trace:
                    arguments = self._arguments(operation, is_get, request, session)
                    execute = self._schema.execute_json_async
                    body = await execute(on_result=call.receive, **arguments)
                if call.result.errors:
                    try:
                        await session.rollback()
                    except SQLAlchemyError:  # a connection that is lost; the pool drops it
                        await session.invalidate()
        return call.outcome(body)

    def _arguments(
        self, operation: Operation, is_get: bool, request: Any, session: Any
    ) -> dict[str, Any]:
        """What `Schema.execute` takes."""
        arguments = {
            "source": operation.query,
            "root_value": self._root_value,
            "context_value": self._context(request, session),
            "variable_values": operation.variables,
            "operation_name": operation.name,
            "middleware": self._middleware,
        }
        if is_get:
            arguments["execution_context_class"] = QueriesOnly
        return arguments


class _Call:
    """The execution of one operation: its errors as clients may see them, and its plan."""

    def __init__(self, endpoint: Endpoint, operation: Operation) -> None:
        self.result = ExecutionResult(None, None)
        self.trace = Trace() if endpoint._explains else nullcontext()
        self._endpoint = endpoint
        self._operation = operation

    def receive(self, result: ExecutionResult) -> ExecutionResult:
        """Take the result before it is encoded; give what is to be encoded."""
        errors = result.errors and [self._shown(error) for error in result.errors]
        extensions = result.extensions
        if isinstance(self.trace, Trace) and not is_request_error(result):
            plan = self.trace.plan(self._endpoint._schema, *self._operation)
            extensions = {**(extensions or {}), "plan": plan}
        self.result = ExecutionResult(result.data, errors, extensions)
        return self.result

    def _shown(self, error: GraphQLError) -> GraphQLError:
        original = error.original_error
        if original is None or not self._endpoint._is_masked(original):
            return error
        where = ".".join(map(str, error.path or ()))
        _log.error("Error at %s", where or "the operation", exc_info=original)
        return GraphQLError(
            INTERNAL_ERROR, error.nodes, error.source, error.positions, error.path, original
        )

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Mask what fails outside of the fields: a session that cannot be made or closed.

        :raises HTTPError: 500, in the place of an exception that is masked.
        """
        try:
            yield
        except Exception as error:
            if not self._endpoint._is_masked(error):
                raise
            _log.error("Error outside of all fields", exc_info=error)
            raise HTTPError(500, INTERNAL_ERROR) from error

    def outcome(self, body: bytes) -> Outcome:
        """The result, and the JSON of its response."""
        result = self.result
        if is_request_error(result) and result.errors:
            # Specification of GraphQL, section 7.1.2: no entry "data" where nothing was executed.
            body = json_encoder()({"errors": [error.formatted for error in result.errors]})
        return result, body


def _default_context(request: Any, session: Any) -> dict[str, Any]:
    return {"request": request, "session": session}
