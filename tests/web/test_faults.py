"""What goes wrong with a PostgreSQL server, done to a real one in the middle of real requests.

Each time the client gets a GraphQL error that tells nothing of the database, the session gives its
connection back clean, and the next request is answered: the engines here have one connection.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from ..conftest import Database
from .app import build_schema
from .conftest import need, served_by_uvicorn, served_by_werkzeug

need("flask", "httpx", "starlette", "uvicorn", "psycopg2", "asyncpg")

import flask  # noqa: E402
import httpx  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.routing import Route  # noqa: E402

from graphene_sqlalchemy_c.asgi import GraphQLApp  # noqa: E402
from graphene_sqlalchemy_c.flask import GraphQLView  # noqa: E402

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True, scope="session")

SCHEMA = build_schema()
ONE_CONNECTION = {"pool_size": 1, "max_overflow": 0}
RENAME = 'mutation { rename(id: 1, name: "lost") { author { name } } '


@dataclass
class Site:
    """A running application, and a way around it to its database."""

    client: httpx.Client
    engine: Engine
    """The application's own."""
    admin: Engine

    def post(self, query: str) -> Any:
        response = self.client.post("/graphql", json={"query": query})
        return response.status_code, response.json()

    def assert_well(self) -> None:
        """The connection is free, nothing is left of what was not committed."""
        self.until(lambda: self.engine.pool.checkedout() == 0)  # type: ignore[attr-defined]
        status, answer = self.post("{ authors { name } }")
        assert (status, answer["data"]["authors"][0]) == (200, {"name": "author 1"})

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for it, for a few seconds."""
        deadline = time.monotonic() + 8
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def sleepers(self) -> list[int]:
        """The backends that the field `wait` keeps busy."""
        statement = text(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND state = 'active' AND query LIKE 'SELECT 1 FROM pg_sleep%'"
        )
        with self.admin.connect() as connection:
            return list(connection.scalars(statement))

    def terminate(self, pids: list[int]) -> None:
        """Terminate backends, as an administrator or a crash does."""
        with self.admin.connect() as connection:
            for pid in pids:
                connection.execute(text(f"SELECT pg_terminate_backend({pid}, 5000)"))


@contextmanager
def site(kind: str, database: Database, session: Any = None, **options: Any) -> Iterator[Site]:
    """An application of a kind, over an engine with one connection.

    :param session: the class of its sessions.
    :param options: of the engine, and `settings` of PostgreSQL.
    """
    settings = options.pop("settings", {})
    options = ONE_CONNECTION | options
    admin = create_engine(database.url, isolation_level="AUTOCOMMIT")
    if kind == "async":
        connect_args: dict[str, Any] = {"server_settings": settings}
        async_engine = create_async_engine(database.async_url, connect_args=connect_args, **options)
        engine = async_engine.sync_engine
        factory: Any = async_sessionmaker(async_engine, class_=session or AsyncSession)
    else:
        connect_args = {"options": " ".join(f"-c {key}={settings[key]}" for key in settings)}
        engine = create_engine(database.url, connect_args=connect_args, **options)
        factory = sessionmaker(engine, class_=session or Session)

    @asynccontextmanager
    async def lifespan(_app: Any) -> Any:
        yield
        await async_engine.dispose()

    if kind == "flask":
        app: Any = flask.Flask("tests")
        app.add_url_rule("/graphql", view_func=GraphQLView.as_view("graphql", SCHEMA, factory))
        server = served_by_werkzeug(app)
    else:
        app = Starlette(
            routes=[Route("/graphql", GraphQLApp(SCHEMA, factory))],
            lifespan=lifespan if kind == "async" else None,
        )
        server = served_by_uvicorn(app)
    with server as url, httpx.Client(base_url=url, timeout=30) as client:
        yield Site(client, engine, admin)
    if kind != "async":
        engine.dispose()
    admin.dispose()


@pytest.fixture(params=["flask", "threads", "async"])
def kind(request: Any) -> str:
    return str(request.param)


def masked(answer: Any, *paths: list[Any]) -> bool:
    """Whether these fields, and no others, have an error that tells nothing."""
    found = [(error["message"], error["path"]) for error in answer["errors"]]
    return found == [("Internal error", path) for path in paths]


def test_the_backend_is_terminated_in_a_statement(kind: str, libraries: Database) -> None:
    with site(kind, libraries) as app, ThreadPoolExecutor() as pool:
        app.assert_well()
        request = pool.submit(app.post, f"{RENAME} wait(seconds: 60) }}")
        app.until(lambda: len(app.sleepers()) == 1)
        app.terminate(app.sleepers())
        status, answer = request.result(10)
        assert status == 200 and masked(answer, ["wait"])
        assert answer["data"] == {"rename": {"author": {"name": "lost"}}, "wait": None}
        app.assert_well()


def test_the_backend_is_terminated_between_statements(kind: str, libraries: Database) -> None:
    with site(kind, libraries) as app:
        own = "SELECT pg_terminate_backend(pg_backend_pid())"
        status, answer = app.post(f'{{ a: statement(sql: "{own}") b: wait(seconds: 0) hello }}')
        assert status == 200 and masked(answer, ["a"], ["b"])
        assert answer["data"] == {"a": None, "b": None, "hello": "hello you"}
        app.assert_well()


def test_the_backend_is_terminated_before_the_session_is_closed(
    kind: str, libraries: Database
) -> None:
    """Nothing can be rolled back any more: an error of the request, which belongs to no field."""
    pids: list[int] = []

    def terminate(session: Session) -> None:
        if session.in_transaction() and not pids:
            pids.append(session.scalar(text("SELECT pg_backend_pid()")))
            app.terminate(pids)

    class Dying(Session):
        def close(self) -> None:
            terminate(self)
            super().close()

    class AsyncDying(AsyncSession):
        async def close(self) -> None:
            await self.run_sync(terminate)
            await super().close()

    with site(kind, libraries, AsyncDying if kind == "async" else Dying) as app:
        assert app.post("{ authors { id } }") == (500, {"errors": [{"message": "Internal error"}]})
        assert len(pids) == 1
        app.assert_well()


def test_a_statement_timeout(kind: str, libraries: Database) -> None:
    with site(kind, libraries, settings={"statement_timeout": "200"}) as app:
        started = time.monotonic()
        status, answer = app.post("{ wait(seconds: 60) hello }")
        assert time.monotonic() - started < 10
        assert status == 200 and masked(answer, ["wait"])
        app.assert_well()


def test_a_full_pool(kind: str, libraries: Database) -> None:
    with site(kind, libraries, pool_timeout=0.2) as app, ThreadPoolExecutor() as pool:
        app.assert_well()
        first = pool.submit(app.post, "{ wait(seconds: 1.5) }")
        app.until(lambda: len(app.sleepers()) == 1)
        status, answer = app.post("{ authors { id } hello }")
        assert status == 200 and masked(answer, ["authors"])
        assert answer["data"] == {"authors": None, "hello": "hello you"}
        assert first.result(10) == (200, {"data": {"wait": 1}})
        app.assert_well()


def test_a_client_that_goes_away(kind: str, libraries: Database) -> None:
    """With an AsyncSession the statement is cancelled; a thread executes it to its end."""
    with site(kind, libraries) as app:
        app.assert_well()
        seconds = 60 if kind == "async" else 1
        with pytest.raises(httpx.ReadTimeout):
            app.client.post(
                "/graphql", json={"query": f"{RENAME} wait(seconds: {seconds}) }}"}, timeout=0.4
            )
        app.until(lambda: app.sleepers() == [])
        app.assert_well()


def test_a_server_that_is_not_there(kind: str, libraries: Database) -> None:
    """Nor does the error tell where it would be."""
    gone = Database("gone", libraries.url.set(port=1), libraries.async_url.set(port=1), None)
    with site(kind, gone) as app:
        status, answer = app.post("{ hello authors { id } books { id } }")
        assert status == 200 and masked(answer, ["authors"], ["books"])
        assert answer["data"]["hello"] == "hello you"


@pytest.mark.parametrize(
    "name", ["\0", "a\0b", "\ud800", "\U0010ffff", "'; DROP TABLE lib_authors"]
)
def test_strange_characters_in_a_parameter(kind: str, libraries: Database, name: str) -> None:
    """What PostgreSQL does not take is an error of the field."""
    query = "query ($name: String!) { named(name: $name) { id } hello }"
    with site(kind, libraries) as app:
        # As ASCII: httpx would not encode half of a pair.
        body = json.dumps({"query": query, "variables": {"name": name}}).encode()
        headers = {"content-type": "application/json"}
        answer = app.client.post("/graphql", content=body, headers=headers).json()
        refused = "\0" in name or name == "\ud800"
        assert answer["data"] == {"named": None if refused else [], "hello": "hello you"}
        assert [error["path"] for error in answer.get("errors", ())] == [["named"]] * refused
        app.assert_well()
