"""Asking one question of stock and of ours, whatever form the root's answer has.

The oracle is stock with lazy loading and instances at the root. Ours is asked with instances, with
a `Query` and with a `Select` that have not run.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from . import library
from .conftest import Database

FORMS = ("instances", "query", "select")

WAYS: tuple[tuple[str, str, str], ...] = (
    ("import", "instances", "sync"),
    ("own", "query", "sync"),
    ("own", "select", "sync"),
    ("own", "select", "asyncsession"),
)
"""(route, form of the root's answer, mode); graphql-core's executor has no answer to a Select."""

if os.environ.get("GSC_WAYS") == "few":  # for each pair of versions
    WAYS = WAYS[2:]
elif os.environ.get("GSC_WAYS") == "all":  # with databases
    WAYS += (
        ("own", "instances", "sync"),
        ("own", "select", "async"),
        ("own", "instances", "asyncsession"),
    )

SYNC_WAYS = tuple(way for way in WAYS if way[2] == "sync")
UNRUN = tuple(way for way in WAYS if way[1] != "instances")


def way_id(way: tuple[str, str, str]) -> str:
    return "-".join(way)


way = pytest.mark.parametrize("way", WAYS, ids=way_id)
sync_way = pytest.mark.parametrize("way", SYNC_WAYS, ids=way_id)
unrun_way = pytest.mark.parametrize("way", UNRUN, ids=way_id)


def by_key(statement: Any, model: Any) -> Any:
    """A statement or query of a model, ordered so that two answers can be compared."""
    return statement.order_by(*model.__mapper__.primary_key)


def world(lib: Database, base: Any, models: Any, rows: Any, **options: Any) -> Any:
    """Create and fill tables; returns route -> schema."""
    base.metadata.create_all(lib.engine)
    with Session(lib.engine) as session:
        session.add_all(rows)
        session.commit()
    made: dict[str, Any] = {}

    def schemas(route: str) -> Any:
        if route not in made:
            made[route] = library.build_schema(route, models, **options)
        return made[route]

    return schemas


Shape = Callable[..., Any]


def of_select(make: Callable[[], Any]) -> Shape:
    """The shape that is a statement of its own."""
    return lambda _statement, _model: make()


def start(session: Any, model: Any, legacy: bool) -> Any:
    """What `Type.get_query` would give."""
    return session.query(model) if legacy else select(model)


def run_root(session: Session, statement: Any, legacy: bool) -> list[Any]:
    """The instances of a root statement, as a stock resolver would load them."""
    if legacy:
        return list(statement)
    try:
        return list(session.scalars(statement))
    except InvalidRequestError as error:
        if "unique()" not in str(error):
            raise
        # A joined eager load of a collection has to be made unique.
        return list(session.scalars(statement).unique())


def root_of(session: Any, form: str, shape: Shape, legacy: bool | None = None) -> Any:
    """The callable that the roots of a library schema ask.

    :param form: one of FORMS.
    :param shape: what is done with the model's plain statement: (statement, model) -> statement,
        or (statement, model, info) -> statement.
    :param legacy: whether instances are loaded by a Query; as the form says by default.
    """
    legacy = form == "query" if legacy is None else legacy
    takes_info = len(inspect.signature(shape).parameters) > 2

    def root(model: Any, info: Any) -> Any:
        more = (info,) if takes_info else ()
        many = str(info.return_type).startswith("[")

        def value(sync_session: Any) -> Any:
            statement = shape(start(sync_session, model, legacy), model, *more)
            if form != "instances":
                return statement
            found = run_root(sync_session, statement, legacy)
            return found if many else found[0] if found else None

        if isinstance(session, AsyncSession) and form == "instances":
            return session.run_sync(value)
        return value(session)

    return root


def ask(
    database: Database,
    schema: Any,
    query: str,
    form: str = "instances",
    mode: str = "sync",
    shape: Shape = by_key,
    prepare: Callable[[Session], Any] | None = None,
    legacy: bool | None = None,
    session_class: Any = Session,
    variables: dict[str, Any] | None = None,
    **session_options: Any,
) -> tuple[Any, list[str]]:
    """Execute in a session of its own; returns the result and the statements after `prepare`.

    :param mode: "sync", "async" (a Session under execute_async) or "asyncsession".
    :param prepare: called with the (sync) session before; what it returns is kept alive.
    :param session_options: of the session.
    """

    def keywords(session: Any) -> dict[str, Any]:
        context = {"session": session, "root": root_of(session, form, shape, legacy)}
        return {"context_value": context, "variable_values": variables}

    if mode == "asyncsession":
        work = _ask_async_session(
            database, schema, query, keywords, prepare, session_class, session_options
        )
        return asyncio.run(work)
    with session_class(database.engine, **session_options) as session:
        kept = prepare(session) if prepare else None
        with database.statements() as executed:
            if mode == "sync":
                result = schema.execute(query, **keywords(session))
            else:
                result = asyncio.run(schema.execute_async(query, **keywords(session)))
        del kept
        session.rollback()
    return result, executed


async def _ask_async_session(
    database: Database,
    schema: Any,
    query: str,
    keywords: Callable[[Any], dict[str, Any]],
    prepare: Callable[[Session], Any] | None,
    session_class: Any,
    session_options: dict[str, Any],
) -> tuple[Any, list[str]]:
    engine = create_async_engine(database.async_url, poolclass=NullPool)
    options = {"sync_session_class": session_class, **session_options}
    try:
        async with AsyncSession(engine, **options) as session:
            kept = await session.run_sync(prepare) if prepare else None
            with database.statements(engine.sync_engine) as executed:
                result = await schema.execute_async(query, **keywords(session))
            del kept
            await session.rollback()
        return result, executed
    finally:
        await engine.dispose()


def same(
    database: Database, query: str, way: tuple[str, str, str], schemas: Any = None, **options: Any
) -> tuple[Any, list[str]]:
    """Ask stock and ours the same, compare the whole answers, return ours and its statements.

    :param schemas: route -> schema; the library's own by default.
    :param options: of `ask`.
    """
    route, form, mode = way
    schemas = schemas or library.schema
    options.setdefault("legacy", form == "query")
    stock, _ = ask(database, schemas("stock"), query, **options)
    result, executed = ask(database, schemas(route), query, form, mode, **options)
    assert shown(result) == shown(stock)
    return result, executed


def shown(result: Any) -> str:
    """The whole answer as text; the ORM's messages show where an instance lies in memory."""
    return re.sub(r"0x[0-9a-f]+", "0x", repr(result.formatted))


def selects(executed: list[str]) -> list[str]:
    return [sql for sql in executed if sql.lstrip("(").startswith(("SELECT", "WITH"))]


def columns(sql: str) -> set[str]:
    """The columns in the select list of a statement, as "table.column" without prefix and alias.

    A subselect in the list counts as what it is made of.
    """
    depth, end = 0, len(sql)
    for match in re.finditer(r"\(|\)|\bFROM\b", sql):
        if match.group() == "FROM":
            if depth == 0:
                end = match.start()
                break
        else:
            depth += 1 if match.group() == "(" else -1
    found = re.findall(r"(\w+)\.(\w+)", sql[:end])
    return {f"{re.sub(r'^lib_|_[0-9]+$', '', table)}.{column}" for table, column in found}


def tables(sql: str) -> set[str]:
    """The tables of the library that a statement reads."""
    return set(re.findall(r"\blib_([a-z_]+?)(?:_\d+)?\b", re.sub(r"\bAS \w+", "", sql)))


def statement_of(executed: list[str], table: str) -> str:
    """The one SELECT whose select list begins with a column of a table."""
    found = [
        sql for sql in selects(executed) if re.match(rf"\(?SELECT (DISTINCT )?lib_{table}", sql)
    ]
    assert len(found) == 1, executed
    return found[0]
