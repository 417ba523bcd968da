"""The plan of an operation and the statements that it executed, as an extension of its response."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from time import perf_counter
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, Engine, event

from .explain_sql import DIALECTS
from .explanation import ExplainError
from .schema import Schema

__all__ = ["Trace"]


class Trace:
    """The statements of a `with` block: those of its context, its tasks and its greenlets.

    SQLAlchemy is asked for them by its engines' events, in all of the process, from the first
    trace on.
    """

    def __init__(self) -> None:
        self._statements: list[dict[str, Any]] = []
        self._running: dict[int, tuple[int, float]] = {}
        self._dialect = DIALECTS[0]  # as far as no statement tells
        self._started = 0.0
        self._token: Token[Trace | None] | None = None

    def __enter__(self) -> Trace:
        for name, listener in _LISTENERS.items():
            if not event.contains(Engine, name, listener):
                event.listen(Engine, name, listener)
        self._started = perf_counter()
        self._token = _current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)

    def plan(
        self, schema: Schema, source: str, variables: dict[str, Any] | None, name: str | None
    ) -> dict[str, Any]:
        """What `Schema.explain` says of the operation, and what happened so far.

        :returns: `Explanation.to_dict()` with `executed`, a list of statements in their order, each
            with its `sql` and its `milliseconds` in the driver (None when it failed), and
            `milliseconds` from the beginning of the block. The dict has `error` in the place of the
            levels when the operation cannot be explained.
        """
        milliseconds = _milliseconds(self._started)
        plan: dict[str, Any]
        try:
            plan = schema.explain(source, variables, name, dialect=self._dialect).to_dict()
        except ExplainError as error:
            plan = {"error": str(error)}
        return {**plan, "executed": self._statements, "milliseconds": milliseconds}

    def begin(self, connection: Connection, cursor: Any, statement: str) -> None:
        """Note a statement that is about to be executed."""
        name = connection.dialect.name
        self._dialect = {"mariadb": "mysql"}.get(name, name)
        self._running[id(cursor)] = len(self._statements), perf_counter()
        self._statements.append({"sql": statement, "milliseconds": None})

    def end(self, cursor: Any) -> None:
        """Note that the statement of a cursor is done."""
        index, started = self._running.pop(id(cursor))
        self._statements[index]["milliseconds"] = _milliseconds(started)


_current: ContextVar[Trace | None] = ContextVar("graphene_sqlalchemy_c_trace", default=None)


def _milliseconds(since: float) -> float:
    return round((perf_counter() - since) * 1000, 3)


def _before_cursor_execute(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
    trace = _current.get()
    if trace is not None:
        trace.begin(connection, cursor, statement)


def _after_cursor_execute(_connection: Connection, cursor: Any, *_: Any) -> None:
    trace = _current.get()
    if trace is not None:
        trace.end(cursor)


_LISTENERS: dict[str, Callable[..., Any]] = {
    "before_cursor_execute": _before_cursor_execute,
    "after_cursor_execute": _after_cursor_execute,
}
