"""Objects of a response are counted while they are made, and one too many ends the request."""

from __future__ import annotations

import asyncio
import gc
import json
from functools import cache
from typing import Any

import graphene
import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

import graphene_sqlalchemy_c
from graphene_sqlalchemy_c import ExecutionContext, Schema

from . import library
from .conftest import Database

QUERIES = [
    "{ authors { name } }",
    "{ authors { name books { title tags { name } } } }",
    "{ books { title author { name } } }",
    "{ books { title author { name shop { town } mentor { name } } } }",
    "{ authors { label books { reviews { stars } } } }",
    "{ author { name } books { title } __typename }",
]
CONNECTIONS = [
    "{ authors { books(first: 2) { edges { cursor node { title } } pageInfo { hasNextPage } } } }",
    "{ tags { books { edges { node { id author { name } } } } } }",
]


def objects(data: Any) -> int:
    """The objects of a response, itself among them."""
    if isinstance(data, dict):
        return 1 + sum(map(objects, data.values()))
    return sum(map(objects, data)) if isinstance(data, list) else 0


@cache
def library_schema(are_nodes: bool, **options: Any) -> Any:
    meta = {model: {"interfaces": (graphene.relay.Node,)} for model in library.MODELS}
    return library.build_schema("own", meta=meta if are_nodes else None, **options)


def run(database: Database, query: str, mode: str, **options: Any) -> Any:
    schema = library_schema(query in CONNECTIONS, **options)

    def root(model: Any, _info: Any) -> Any:
        return select(model).order_by(model.id).limit(1 if "{ author " in query else None)

    if mode == "asyncsession":
        return asyncio.run(_run_async_session(database, schema, query, root))
    with Session(create_engine(database.url, poolclass=NullPool)) as session:
        context = {"session": session, "root": root}
        if mode == "async":
            return asyncio.run(schema.execute_async(query, context_value=context))
        if mode == "json":
            return schema.execute_json(query, context_value=context)
        return schema.execute(query, context_value=context)


async def _run_async_session(database: Database, schema: Any, query: str, root: Any) -> Any:
    engine = create_async_engine(database.async_url, poolclass=NullPool)
    async with AsyncSession(engine) as session:
        context = {"session": session, "root": root}
        result = await schema.execute_async(query, context_value=context)
    await engine.dispose()
    return result


WAYS = [(mode, True) for mode in ("sync", "async", "asyncsession", "json")]
WAYS += [("sync", False), ("asyncsession", False)]


@pytest.mark.parametrize("mode, rows", WAYS)
@pytest.mark.parametrize("query", QUERIES + CONNECTIONS)
def test_the_limit_is_exact(lib: Database, query: str, mode: str, rows: bool) -> None:
    def answer(limit: int | None) -> Any:
        result = run(lib, query, mode, rows=rows, max_objects=limit)
        return json.loads(result) if mode == "json" else result.formatted

    free = answer(None)
    count = objects(free["data"])
    assert "errors" not in free and count > 2
    assert answer(count) == free
    for limit in (count - 1, 1):
        assert answer(limit) == {
            "data": None,
            "errors": [
                {
                    "message": f"The response has more than {limit} objects.",
                    "locations": [{"line": 1, "column": 1}],
                }
            ],
        }
    assert gc.isenabled()


class Thing(graphene.ObjectType):
    """Whose objects come in every way that resolvers have."""

    plain = graphene.List(lambda: Thing, n=graphene.Int(default_value=2))
    later = graphene.List(lambda: Thing, n=graphene.Int(default_value=2))
    name = graphene.String()
    fails = graphene.String()

    def resolve_plain(root: Any, info: Any, n: int) -> Any:
        return [Thing(name=f"{i}") for i in range(n)]

    async def resolve_later(root: Any, info: Any, n: int) -> Any:
        await asyncio.sleep(0)
        return [Thing(name=f"{i}") for i in range(n)]

    def resolve_fails(root: Any, info: Any) -> Any:
        raise ValueError("no")


def ask(query: str, limit: int | None, **kwargs: Any) -> Any:
    schema = Schema(query=Thing, mutation=Thing, max_objects=limit)
    return asyncio.run(schema.execute_async(query, root_value=Thing(), **kwargs))


# As in graphql-core, what a failure leaves behind in its walk.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize(
    "query",
    [
        "{ plain { name plain { name } } }",
        "{ later { name later { name } } }",
        "{ plain { later { plain { name } } } more: later { name } }",
        "mutation { later { name } more: plain { later { name } } }",
    ],
)
def test_objects_of_resolvers(query: str) -> None:
    free = ask(query, None)
    count = objects(free.data)
    assert free.errors is None
    assert ask(query, count) == free
    for limit in range(1, count):
        result = ask(query, limit)
        messages = [error.message for error in result.errors]
        assert (result.data, messages) == (
            None,
            [f"The response has more than {limit} objects."],
        )


def test_errors_of_fields_are_not_told_beside_it() -> None:
    result = ask("{ fails plain { fails } }", 2)
    assert [error.message for error in result.errors] == ["The response has more than 2 objects."]
    assert len(ask("{ fails plain { fails } }", 3).errors) == 3


def test_a_huge_list_is_not_walked_to_its_end() -> None:
    seen: list[int] = []

    class Item(graphene.ObjectType):
        n = graphene.Int()

        def resolve_n(root: int, info: Any) -> int:
            seen.append(root)
            return root

    class Query(graphene.ObjectType):
        items = graphene.List(Item)

        def resolve_items(root: Any, info: Any) -> Any:
            return iter(range(10**9))

    result = Schema(query=Query, max_objects=100).execute("{ items { n } }")
    assert result.data is None and seen == list(range(99))


def test_a_context_that_overrides_the_walk_does_not_count() -> None:
    class Own(ExecutionContext):
        def execute_field(self, *args: Any) -> Any:
            return super().execute_field(*args)

    assert ask("{ plain { name } }", 1, execution_context_class=Own).errors is None


def test_it_is_off_by_default() -> None:
    assert (
        graphene_sqlalchemy_c.Schema(query=Thing).execute("{ plain(n: 9999) { name } }").errors
        is None
    )
