"""The views over real HTTP: Flask, Starlette and FastAPI, `Session` and `AsyncSession`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import graphene_sqlalchemy
import pytest

from ..conftest import Database
from .app import build_schema
from .conftest import need, served_by_uvicorn, served_by_werkzeug

need("fastapi", "flask", "httpx", "starlette", "uvicorn")

import flask  # noqa: E402
import httpx  # noqa: E402
from fastapi import FastAPI  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.middleware.gzip import GZipMiddleware  # noqa: E402
from starlette.routing import Route  # noqa: E402

from graphene_sqlalchemy_c.asgi import GraphQLApp  # noqa: E402
from graphene_sqlalchemy_c.flask import GraphQLView  # noqa: E402

pytestmark = pytest.mark.parametrize(
    "database", ["sqlite", "postgresql"], indirect=True, scope="session"
)

SCHEMA = build_schema()
QUERIES = [
    "{ authors { id nick mentor { name } books { title reviews { edges { node { stars } } } } } }",
    "{ reviews(first: 3) { edges { cursor node { id book { title } } } pageInfo { endCursor } } }",
    "{ books { title author { name } } hello }",
    "{ told hello }",
    "{ nope }",
]
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


def flask_app(sessions: Any, **options: Any) -> Any:
    app = flask.Flask("tests")
    view = GraphQLView.as_view("graphql", SCHEMA, sessions, **options)
    app.add_url_rule("/graphql", view_func=view)
    return app


def starlette_app(sessions: Any, **options: Any) -> Any:
    routes = [Route("/graphql", GraphQLApp(SCHEMA, sessions, **options))]
    return Starlette(routes=routes, middleware=[Middleware(GZipMiddleware)])


def fastapi_app(sessions: Any, **options: Any) -> Any:
    app = FastAPI()
    app.mount("/graphql", GraphQLApp(SCHEMA, sessions, **options))
    return app


KINDS = {
    "flask": (served_by_werkzeug, flask_app, "sessions"),
    "starlette": (served_by_uvicorn, starlette_app, "sessions"),
    "starlette, async": (served_by_uvicorn, starlette_app, "async_sessions"),
    "fastapi, async": (served_by_uvicorn, fastapi_app, "async_sessions"),
}


@pytest.fixture(scope="module", params=KINDS)
def server(request: Any, database: Database) -> Iterator[httpx.Client]:
    serve, make, factory = KINDS[request.param]
    app = make(request.getfixturevalue(factory), max_body_bytes=100_000, max_batch=3)
    with serve(app) as url, httpx.Client(base_url=url, follow_redirects=True) as client:
        yield client


@pytest.mark.parametrize("query", QUERIES)
def test_answers_are_stocks(server: httpx.Client, sessions: Any, query: str) -> None:
    stock = build_schema(graphene_sqlalchemy)
    with sessions() as session:
        expected = stock.execute(query, context_value={"session": session}).formatted
    if query == "{ nope }":
        del expected["data"]
    posted = server.post("/graphql", json={"query": query})
    got = server.get("/graphql", params={"query": query})
    assert posted.json() == got.json() == expected
    assert posted.status_code == got.status_code == (200 if "data" in expected else 400)
    assert posted.headers["content-type"] == "application/graphql-response+json; charset=utf-8"


def test_mutations(server: httpx.Client) -> None:
    query = "mutation ($n: String!) { rename(id: 1, name: $n) { author { name } } }"
    body = {"query": query, "variables": {"n": "Zoë"}}
    assert server.post("/graphql", json=body).json()["data"]["rename"]["author"]["name"] == "Zoë"
    got = server.get("/graphql", params={"query": query, "variables": '{"n": "Zoë"}'})
    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    names = server.post("/graphql", json={"query": "{ authors { name } }"}).json()["data"][
        "authors"
    ]
    assert names[0] == {"name": "author 1"}  # nobody committed


def test_what_is_refused(server: httpx.Client) -> None:
    assert server.post("/graphql", data={"query": "{ hello }"}).status_code == 415
    assert server.put("/graphql", json={"query": "{ hello }"}).status_code == 405
    large = server.post("/graphql", json={"query": "{ hello }" + " " * 100_000})
    assert large.status_code == 413
    headers = {"content-type": "application/json"}
    chunks = (b" " * 10_000 for _ in range(20))
    url = server.get("/graphql").url  # where it was redirected to, as chunks are sent once
    assert server.post(url, content=chunks, headers=headers).status_code == 413
    assert server.post("/graphql", json={"query": "{ hello }"}).status_code == 200
    both = server.post("/graphql", json=[{"query": "{ hello }"}] * 2).json()
    assert both == [{"data": {"hello": "hello you"}}] * 2


def test_graphiql(server: httpx.Client) -> None:
    page = server.get("/graphql", headers={"accept": BROWSER})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "GraphiQL.createFetcher" in page.text


def test_requests_side_by_side(server: httpx.Client) -> None:
    async def run() -> list[Any]:
        async with httpx.AsyncClient(base_url=server.base_url, follow_redirects=True) as client:
            query = {"query": QUERIES[0]}
            return await asyncio.gather(*(client.post("/graphql", json=query) for _ in range(16)))

    expected = server.post("/graphql", json={"query": QUERIES[0]}).content
    assert [response.content for response in asyncio.run(run())] == [expected] * 16
