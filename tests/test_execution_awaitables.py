"""What surrounds a user's awaitables: tasks, context variables, and slots that are given up."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import graphene
import pytest
from graphql import ExecutionContext as StockContext

from graphene_sqlalchemy_c import Schema

user: ContextVar[str] = ContextVar("user", default="anonymous")


class Viewer(graphene.ObjectType):
    name = graphene.String()
    later = graphene.String()
    same_task = graphene.Boolean()

    def resolve_name(root: Any, info: Any) -> str:
        return user.get()

    async def resolve_later(root: Any, info: Any) -> str:
        await asyncio.sleep(0)
        return user.get()

    async def resolve_same_task(root: Any, info: Any) -> bool:
        return asyncio.current_task() is info.context


class Query(graphene.ObjectType):
    viewer = graphene.Field(Viewer)
    same_task = graphene.Boolean()

    async def resolve_viewer(root: Any, info: Any) -> Viewer:
        user.set("alice")
        return Viewer()

    async def resolve_same_task(root: Any, info: Any) -> bool:
        return asyncio.current_task() is info.context


class Mutation(graphene.ObjectType):
    change = graphene.Field(Viewer, to=graphene.String())
    same_task = graphene.Boolean()

    async def resolve_change(root: Any, info: Any, to: str) -> Viewer:
        before = user.get()
        user.set(f"{before}, {to}")
        return Viewer()

    resolve_same_task = Query.resolve_same_task


@pytest.mark.parametrize(
    "query",
    [
        "{ viewer { name later } }",
        "{ viewer { later } }",
        "{ sameTask }",
        "{ a: sameTask b: sameTask }",
        "mutation { sameTask }",
        'mutation { change(to: "a") { name } }',
        'mutation { a: change(to: "a") { name } b: change(to: "b") { name } }',
    ],
)
def test_tasks_and_context_variables_are_graphql_cores(query: str) -> None:
    schema = Schema(query=Query, mutation=Mutation)

    async def run(**kwargs: Any) -> Any:
        return await schema.execute_async(query, context=asyncio.current_task(), **kwargs)

    stock = asyncio.run(run(execution_context_class=StockContext))
    assert stock.errors is None
    assert asyncio.run(run()).formatted == stock.formatted


def test_awaitables_of_one_level_run_at_once_in_tasks_of_their_own() -> None:
    tasks: set[Any] = set()
    waiting = 0

    class Things(graphene.ObjectType):
        thing = graphene.Int()

        async def resolve_thing(root: Any, info: Any) -> int:
            nonlocal waiting
            waiting += 1
            tasks.add(asyncio.current_task())
            while waiting < 20:
                await asyncio.sleep(0)
            return 1

    query = "{ " + " ".join(f"t{n}: thing" for n in range(20)) + " }"
    result = asyncio.run(asyncio.wait_for(Schema(query=Things).execute_async(query), 10))
    assert result.errors is None and len(tasks) == 20


def test_only_attribute_errors_say_that_a_value_cannot_be_awaited() -> None:
    class Odd:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(f"odd {name}")

    class Root(graphene.ObjectType):
        odd = graphene.Field(Viewer)
        fine = graphene.Int()

        def resolve_odd(root: Any, info: Any) -> Any:
            return Odd()

        async def resolve_fine(root: Any, info: Any) -> int:
            return 1

    schema = Schema(query=Root)

    async def run(**kwargs: Any) -> Any:
        return await schema.execute_async("{ odd { __typename } fine }", **kwargs)

    stock = asyncio.run(run(execution_context_class=StockContext))
    assert stock.errors is not None
    assert asyncio.run(run()).formatted == stock.formatted


@contextmanager
def small_heap() -> Iterator[None]:
    """The collector looks at what is made from here on, not at what all tests before have left."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def test_the_collector_may_run_while_slots_are_given_up(monkeypatch: Any) -> None:
    """A coroutine that nobody awaits warns as it is dropped, and a warning runs any code."""
    collected = 0

    def collect(*_args: Any, **_kwargs: Any) -> None:
        nonlocal collected
        collected += 1
        gc.collect()

    class Item(graphene.ObjectType):
        a = graphene.String()
        b = graphene.String()
        c = graphene.String()
        bad = graphene.String(required=True)

        async def resolve_a(root: Any, info: Any) -> str:
            return "a"

        resolve_b = resolve_c = resolve_a

        def resolve_bad(root: Any, info: Any) -> str:
            raise ValueError("bad")

    class Items(graphene.ObjectType):
        items = graphene.List(Item)

        def resolve_items(root: Any, info: Any) -> list[int]:
            return list(range(10))

    schema = Schema(query=Items)
    with warnings.catch_warnings(), small_heap():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", collect)
        monkeypatch.setattr(warnings, "_showwarnmsg", collect, raising=False)
        for _ in range(5):
            result = asyncio.run(schema.execute_async("{ items { a b c bad } }"))
            assert result.data == {"items": [None] * 10} and len(result.errors) == 10
    assert collected > 100
