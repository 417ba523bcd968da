"""Other packages' views over real HTTP, with nothing but `install()` or a context class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, NamedTuple

import graphene_sqlalchemy
import pytest

import graphene_sqlalchemy_c

from ..conftest import Database
from . import integrations
from .app import build_schema
from .conftest import need, served_by_uvicorn, served_by_werkzeug

need("fastapi", "flask", "graphene_django", "graphql_server", "httpx", "starlette_graphene3")

import httpx  # noqa: E402

pytestmark = pytest.mark.parametrize(
    "database", ["sqlite", "postgresql"], indirect=True, scope="session"
)


class Way(NamedTuple):
    """A view, and the sessions that its requests have."""

    make: Any
    sessions: str
    takes_class: bool = True

    @contextmanager
    def served(self, schema: Any, sessions: Any, context_class: Any) -> Iterator[httpx.Client]:
        app = self.make(schema, context_class)
        if self.make in WSGI:
            server = served_by_werkzeug(integrations.wsgi_with_session(app, sessions))
        else:
            server = served_by_uvicorn(integrations.asgi_with_session(app, sessions))
        with server as url, httpx.Client(base_url=url, follow_redirects=True) as client:
            yield client


WSGI = {
    integrations.graphene_django,
    integrations.graphql_server_flask,
    integrations.graphql_server_3_flask,
}
WAYS = [
    Way(integrations.starlette_graphene3, "sessions"),
    Way(integrations.starlette_graphene3, "async_sessions"),
    Way(integrations.fastapi, "async_sessions"),
    Way(integrations.graphene_django, "sessions"),
]
# One environment has one of the two.
if version("graphql-server") == "3.0.0b7":
    need("quart")
    WAYS += [
        Way(integrations.graphql_server_flask, "sessions"),
        Way(integrations.graphql_server_quart, "async_sessions"),
    ]
else:
    WAYS += [
        Way(integrations.graphql_server_3_flask, "sessions", takes_class=False),
        Way(integrations.graphql_server_3_asgi, "async_sessions", takes_class=False),
    ]

QUERIES = {
    "{ books { title author { name } reviews { edges { node { stars } } } } }": 3,
    "{ authors { id nick books { title reviews { edges { node { id stars } } } } } }": 3,
    "query ($name: String!) { hello(name: $name) told }": 0,
    "{ books { title nope } }": 0,
}


@pytest.fixture(params=WAYS, ids=lambda way: f"{way.make.__name__}, {way.sessions}")
def way(request: Any) -> Way:
    found: Way = request.param
    return found


def check(way: Way, request: Any, database: Database, schema: Any, context_class: Any) -> None:
    """Answers are stock's, and there is one statement for each level."""
    stock = build_schema(graphene_sqlalchemy)
    sync_sessions = request.getfixturevalue("sessions")
    sessions = request.getfixturevalue(way.sessions)
    engine = sessions.kw["bind"]
    with way.served(schema, sessions, context_class) as client:
        for query, levels in QUERIES.items():
            variables = {"name": "Ann"} if "$name" in query else None
            with sync_sessions() as session:
                expected = stock.execute(
                    query, context_value={"session": session}, variables=variables
                )
            with database.statements(getattr(engine, "sync_engine", engine)) as executed:
                body = {"query": query, "variables": variables}
                answer = client.post("/graphql", json=body).json()
            assert answer.get("data") == expected.data
            assert [error["message"] for error in answer.get("errors") or ()] == [
                error.message for error in expected.errors or ()
            ]
            assert len([sql for sql in executed if sql.startswith("SELECT lib_")]) == levels


@pytest.mark.parametrize("package", [graphene_sqlalchemy, graphene_sqlalchemy_c])
def test_with_install(
    way: Way,
    request: Any,
    libraries: Database,
    stock_list_schema: Any,
    installed: None,
    package: Any,
) -> None:
    """Statements that resolvers return, as ours do, are executed by our executor alone."""
    check(way, request, libraries, build_schema(package), None)


def test_with_a_context_class(way: Way, request: Any, libraries: Database) -> None:
    if not way.takes_class:
        pytest.skip("this version of graphql-server takes no class")
    schema = build_schema(graphene_sqlalchemy_c)
    check(way, request, libraries, schema, graphene_sqlalchemy_c.ExecutionContext)
