"""The applications that the servers of bench_load.py run: for each server stock, ours, by hand.

All answer POST /graphql with the same JSON from the same database, each worker with an engine of
its own. Stock is given orjson as well, and by hand reads what it is asked from the body like the
others. Under Starlette stock runs in threads: its lists do not work in an AsyncSession.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import orjson
from flask import Flask, Response, request
from sqlalchemy import Connection, Engine, create_engine, make_url
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response as StarletteResponse
from starlette.routing import Route

from benchmarks import by_hand, library
from graphene_sqlalchemy_c.asgi import GraphQLApp
from graphene_sqlalchemy_c.flask import GraphQLView

#: Where the workers find the database; a synchronous URL.
URL_VARIABLE = "GSC_LOAD_URL"
PATH = "/graphql"
JSON = "application/json"

Answer = Callable[[bytes], bytes]


def engine() -> Engine:
    return create_engine(os.environ[URL_VARIABLE])


def async_engine() -> Any:
    return create_async_engine(make_url(os.environ[URL_VARIABLE]).set(drivername=ASYNC_DRIVER))


ASYNC_DRIVER = "postgresql+asyncpg"


def answer_of_stock() -> Answer:
    """Stock's answer to a body, in a Session that is loaded from lazily."""
    own, schemas = engine(), library.stock_schemas()

    def answer(body: bytes) -> bytes:
        query = orjson.loads(body)["query"]
        return library.upstream(schemas.lists, query)(own, 0)

    return answer


def written_answer(connection: Connection, body: bytes) -> bytes:
    if orjson.loads(body)["query"] != library.NESTED:
        raise ValueError("by hand there is one query")
    return orjson.dumps({"data": by_hand.nested(connection, 0)})


# gunicorn and Flask -------------------------------------------------------------------------


def flask_stock() -> Flask:
    return _flask(answer_of_stock())


def flask_by_hand() -> Flask:
    own = engine()

    def answer(body: bytes) -> bytes:
        with own.connect() as connection:
            return written_answer(connection, body)

    return _flask(answer)


def flask_ours() -> Flask:
    app = Flask(__name__)
    schema = library.our_schemas().lists
    view = GraphQLView.as_view("graphql", schema, sessionmaker(engine()))
    app.add_url_rule(PATH, view_func=view)
    return app


def _flask(answer: Answer) -> Flask:
    app = Flask(__name__)

    @app.post(PATH)
    def graphql() -> Response:
        return Response(answer(request.get_data()), content_type=JSON)

    return app


# uvicorn and Starlette ----------------------------------------------------------------------


def starlette_stock() -> Starlette:
    answer = answer_of_stock()

    async def graphql(request: Request) -> StarletteResponse:
        body = await run_in_threadpool(answer, await request.body())
        return StarletteResponse(body, media_type=JSON)

    return _starlette(graphql)


def starlette_by_hand() -> Starlette:
    own = async_engine()

    async def graphql(request: Request) -> StarletteResponse:
        body = await request.body()
        async with own.connect() as connection:
            content = await connection.run_sync(written_answer, body)
        return StarletteResponse(content, media_type=JSON)

    return _starlette(graphql)


def starlette_ours() -> Starlette:
    schema = library.our_schemas().lists
    return _starlette(GraphQLApp(schema, async_sessionmaker(async_engine())))


def _starlette(endpoint: Any) -> Starlette:
    return Starlette(routes=[Route(PATH, endpoint, methods=["POST"])])
