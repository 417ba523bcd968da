"""Databases for the tests: SQLite always, servers at the URLs that the environment gives.

GSC_POSTGRES_URL and GSC_MARIADB_URL are synchronous SQLAlchemy URLs of a user who may create
databases. With GSC_REQUIRE_DATABASES=1 a server that is not named is a failure instead of a skip.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import URL, Engine, create_engine, event, make_url, text, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

import graphene_sqlalchemy_c

from . import library, pages_zoo, zoo
from .library import Author, Book, Medium, Tag

pytest.register_assert_rewrite("tests.rows_harness")

SERVERS = {
    "postgresql": ("GSC_POSTGRES_URL", "postgresql+asyncpg"),
    "mariadb": ("GSC_MARIADB_URL", "mysql+aiomysql"),
}
MODES = ("sync", "async", "asyncsession")


@dataclass
class Database:
    """A filled database and the statements that were executed on it."""

    name: str
    url: URL
    async_url: URL
    engine: Engine

    @contextmanager
    def statements(self, engine: Engine | None = None) -> Iterator[list[str]]:
        """The SQL executed inside the block."""
        executed: list[str] = []

        def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
            executed.append(statement)

        target = engine or self.engine
        event.listen(target, "before_cursor_execute", note)
        try:
            yield executed
        finally:
            event.remove(target, "before_cursor_execute", note)

    def run(
        self, schema: Any, query: str, mode: str = "sync", options: Any = (), **kwargs: Any
    ) -> tuple[Any, list[str]]:
        """Execute a query in a fresh session; returns the result and its statements.

        :param mode: "sync", "async" (a Session under execute_async) or "asyncsession".
        :param options: loader options of the root lists' statements.
        """
        if mode == "asyncsession":
            return asyncio.run(self._run_async_session(schema, query, options, **kwargs))
        with Session(self.engine) as session, self.statements() as executed:
            context = {"session": session, "options": options}
            if mode == "sync":
                result = schema.execute(query, context_value=context, **kwargs)
            else:
                result = asyncio.run(schema.execute_async(query, context_value=context, **kwargs))
        return result, executed

    async def _run_async_session(
        self, schema: Any, query: str, options: Any, **kwargs: Any
    ) -> tuple[Any, list[str]]:
        engine = create_async_engine(self.async_url, poolclass=NullPool)
        try:
            with self.statements(engine.sync_engine) as executed:
                async with AsyncSession(engine) as session:
                    context = {"session": session, "options": options}
                    result = await schema.execute_async(query, context_value=context, **kwargs)
                    await asyncio.sleep(0)
                    assert "graphene_sqlalchemy_c_queue" not in session.info
            return result, executed
        finally:
            await engine.dispose()


def _server_url(name: str) -> URL:
    variable = SERVERS[name][0]
    if variable not in os.environ:
        if os.environ.get("GSC_REQUIRE_DATABASES") == "1":
            pytest.fail(f"{variable} is not set, and GSC_REQUIRE_DATABASES=1")
        pytest.skip(f"{variable} is not set")
    return make_url(os.environ[variable])


@contextmanager
def own_database(name: str) -> Iterator[tuple[URL, URL]]:
    """A new database on a server, dropped at the end."""
    server = _server_url(name)
    own = f"gsc_{uuid.uuid4().hex[:12]}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {own}"))
    url = server.set(database=own)
    try:
        yield url, url.set(drivername=SERVERS[name][1])
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {own}"))


@pytest.fixture(scope="session", params=["sqlite", *SERVERS])
def database(request: Any, tmp_path_factory: Any) -> Iterator[Database]:
    """The zoo's tables with their data, on each database."""
    if request.param == "sqlite":
        yield _fill_zoo(on_sqlite(tmp_path_factory.mktemp("zoo") / "zoo.sqlite"))
    else:
        with own_database(request.param) as (url, async_url):
            engine = create_engine(url, poolclass=NullPool)
            yield _fill_zoo(Database(request.param, url, async_url, engine))


def _fill_zoo(database: Database) -> Database:
    zoo.Base.metadata.create_all(database.engine)
    with Session(database.engine) as session:
        zoo.fill(session)
    return database


def on_sqlite(path: Any) -> Database:
    """A SQLite file as a database."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    return Database("sqlite", engine.url, make_url(f"sqlite+aiosqlite:///{path}"), engine)


@pytest.fixture(scope="session")
def filled_zoo(tmp_path_factory: Any) -> Any:
    """A SQLite file with the zoo, to be copied."""
    path = tmp_path_factory.mktemp("zoo") / "zoo.sqlite"
    _fill_zoo(on_sqlite(path))
    return path


@pytest.fixture
def sqlite(filled_zoo: Any, tmp_path: Any) -> Database:
    """The zoo on a SQLite file of the test's own, to be changed as it likes."""
    return on_sqlite(shutil.copy(filled_zoo, tmp_path / "zoo.sqlite"))


@pytest.fixture(scope="session")
def stock_list_schema() -> Any:
    return zoo.build_schema("stock")


@pytest.fixture(scope="session")
def stock_connection_schema() -> Any:
    return zoo.build_schema("stock", connections=True)


@pytest.fixture
def installed(stock_list_schema: Any, stock_connection_schema: Any) -> Iterator[None]:
    """install() for the length of a test; the stock schemas are built before."""
    graphene_sqlalchemy_c.install()
    yield
    graphene_sqlalchemy_c.uninstall()


@pytest.fixture(scope="session", params=["import", "own"])
def executor(request: Any) -> str:
    """Under graphql-core's executor, and under ours."""
    return str(request.param)


@pytest.fixture(scope="session")
def list_schema(executor: str) -> Any:
    return zoo.build_schema(executor)


@pytest.fixture(scope="session")
def connection_schema(executor: str) -> Any:
    return zoo.build_schema(executor, connections=True)


def _with_library(database: Database) -> Database:
    library.Base.metadata.create_all(database.engine)
    with Session(database.engine) as session:
        library.fill(session)
    return database


@pytest.fixture(scope="session")
def filled_library(tmp_path_factory: Any) -> Any:
    """A SQLite file with the library, to be copied."""
    path = tmp_path_factory.mktemp("library") / "library.sqlite"
    _with_library(on_sqlite(path))
    return path


@pytest.fixture
def lib(filled_library: Any, tmp_path: Any) -> Database:
    """The library on a SQLite file of the test's own, to be changed as it likes."""
    return on_sqlite(shutil.copy(filled_library, tmp_path / "library.sqlite"))


@pytest.fixture
def other(filled_library: Any, tmp_path: Any) -> Iterator[Engine]:
    """A second library with the same keys, of which every text tells that it is the second."""
    path = shutil.copy(filled_library, tmp_path / "other.sqlite")
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with Session(engine) as session:
        for column in (Author.name, Book.title, Medium.title, Tag.name):
            session.execute(update(column.class_).values({column: "other " + column}))
        session.commit()
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def sqlite_pages(tmp_path_factory: Any) -> Iterator[Database]:
    """The tables of pages_zoo on a SQLite file, not to be changed."""
    database = on_sqlite(tmp_path_factory.mktemp("pages") / "pages.sqlite")
    with pages_zoo.tables(database.engine):
        yield database


@pytest.fixture(scope="session")
def libraries(database: Database) -> Database:
    """The library on each database, not to be changed."""
    return _with_library(database)
