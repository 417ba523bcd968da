"""The executor in C against graphql-core's, and whole requests against the ORM written by hand.

Upstream is graphql-core's executor on the same schema. By hand is the same answer made with
`selectinload`, dicts and orjson; ours is `Schema.execute` of an unchanged graphene-sqlalchemy
schema whose relationships the executor loads itself, and orjson.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import graphene
import orjson
from graphql import ExecutionContext as StockContext
from graphql import execute, parse, validate
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from benchmarks import bench_batching as books
from benchmarks.report import Row, best_of
from graphene_sqlalchemy_c import ExecutionContext, Schema, SQLAlchemyObjectType


def compare(
    name: str, wanted: float, stock: Callable[[], Any], ours: Callable[[], Any], per: int = 1
) -> Row:
    """One row; the times are of one of `per` operations that a call does."""
    times = best_of(stock, ours)
    return Row(name, times[0] / per, times[1] / per, None, f"upstream / ours >= {wanted}")


NAMES = [f"f{i}" for i in range(10)]


class Thing:
    def __init__(self, n: int) -> None:
        for i, name in enumerate(NAMES):
            setattr(self, name, i if i % 2 else f"s{n}")


THINGS = [Thing(n) for n in range(1000)]


def list_schema(**members: Any) -> Any:
    fields = {n: graphene.Int() if i % 2 else graphene.String() for i, n in enumerate(NAMES)}
    type_ = type("T", (graphene.ObjectType,), {**fields, **members})

    class Query(graphene.ObjectType):
        things = graphene.List(type_)

        def resolve_things(root: Any, info: Any) -> Any:
            return THINGS

    return graphene.Schema(query=Query).graphql_schema


def trivial_resolver(name: str) -> Any:
    return lambda root, info: root.__dict__[name]


def runner(schema: Any, query: str) -> Callable[[Any], Any]:
    document = parse(query)

    def run(context: Any) -> Any:
        result = execute(schema, document, execution_context_class=context)
        assert not result.errors  # type: ignore[union-attr]
        return result.data  # type: ignore[union-attr]

    assert run(StockContext) == run(ExecutionContext)
    return run


def bench_lists() -> Iterator[Row]:
    query = "{ things { " + " ".join(NAMES) + " } }"
    resolvers = {f"resolve_{name}": trivial_resolver(name) for name in NAMES}
    for name, wanted, members in (
        ("1,000 objects x 10 attributes", 10, {}),
        ("the same, a Python resolver on every field", 2, resolvers),
    ):
        run = runner(list_schema(**members), query)
        yield compare(
            name, wanted, lambda run=run: run(StockContext), lambda run=run: run(ExecutionContext)
        )


def bench_async() -> Iterator[Row]:
    async def resolve_f0(root: Any, info: Any) -> str:
        return "x"

    schema = list_schema(resolve_f0=resolve_f0)
    document = parse("{ things { f0 } }")
    loop = asyncio.new_event_loop()

    def run(context: Any) -> Any:
        async def main() -> Any:
            return await execute(schema, document, execution_context_class=context)

        return loop.run_until_complete(main()).data

    assert run(StockContext) == run(ExecutionContext)
    yield compare(
        "1,000 async resolvers", 3, lambda: run(StockContext), lambda: run(ExecutionContext)
    )
    loop.close()


ONE = "{ one { id name age } }"
TIMES = 100


class One(graphene.ObjectType):
    id = graphene.ID()
    name = graphene.String()
    age = graphene.Int()


class OneQuery(graphene.ObjectType):
    one = graphene.Field(One)

    def resolve_one(root: Any, info: Any) -> Any:
        return One(id=1, name="x", age=3)


def times(function: Callable[[], Any]) -> Callable[[], None]:
    def many() -> None:
        for _ in range(TIMES):
            function()

    return many


def bench_one_object() -> Iterator[Row]:
    stock, ours = graphene.Schema(query=OneQuery), Schema(query=OneQuery)
    assert stock.execute(ONE, execution_context_class=StockContext) == ours.execute(ONE)
    schema, document = stock.graphql_schema, parse(ONE)
    run = runner(schema, ONE)
    yield compare(
        "one object, schema.execute, document cached",
        10,
        times(lambda: stock.execute(ONE, execution_context_class=StockContext)),
        times(lambda: ours.execute(ONE)),
        TIMES,
    )
    yield compare(
        "one object, pre-parsed, graphql.execute",
        2,
        times(lambda: run(StockContext)),
        times(lambda: run(ExecutionContext)),
        TIMES,
    )
    yield compare(
        "validate (upstream) against compile and execute (ours)",
        3,
        times(lambda: validate(schema, document)),
        times(lambda: run(ExecutionContext)),
        TIMES,
    )


def bench_instances() -> Iterator[Row]:
    """A nested query whose relationships the executor loads as ORM instances."""

    def resolver(name: str) -> dict[str, Any]:
        return {f"resolve_{name}": lambda root, info: getattr(root, name)}

    resolved = {
        books.Author: resolver("name"),
        books.Book: resolver("title"),
        books.Review: resolver("text"),
    }
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{Path(folder) / 'books.sqlite'}")
        books.fill(engine)

        def by_hand() -> bytes:
            with Session(engine) as session:
                return orjson.dumps({"data": books.lists_by_hand(session)})

        for name, wanted, members in (
            ("nested lists, 5,550 ORM instances", 1.15, {}),
            ("the same, a Python resolver on every type", 1.5, resolved),
        ):
            types = books.build(SQLAlchemyObjectType, connections=False, members=members)
            schema = Schema(query=types.query)

            def ours(schema: Schema = schema) -> bytes:
                with Session(engine) as session:
                    result = schema.execute(books.LISTS, context={"session": session})
                    return orjson.dumps({"data": result.data})

            assert ours() == by_hand()
            seconds = best_of(by_hand, ours)
            yield Row(name, None, seconds[1], seconds[0], f"ours / by hand <= {wanted}")
        engine.dispose()


def rows() -> Iterator[Row]:
    for bench in (bench_lists, bench_async, bench_one_object, bench_instances):
        yield from bench()
