"""References and memory: nothing is kept, and no more is used than by graphql-core."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import weakref
from typing import Any

import graphene
import pytest
from graphql import execute, execute_sync, parse

from graphene_sqlalchemy_c import ExecutionContext, Schema, _core


class Thing(graphene.ObjectType):
    a = graphene.Int()
    b = graphene.String(required=True)
    late = graphene.Int()
    deeper = graphene.Field(lambda: Thing)

    async def resolve_late(root: Any, info: Any) -> int:
        return 1

    def resolve_b(root: Any, info: Any) -> Any:
        if root.get("fails"):
            raise ValueError("fails")
        return "b"

    def resolve_deeper(root: Any, info: Any) -> Any:
        return root


class Query(graphene.ObjectType):
    things = graphene.List(Thing)

    def resolve_things(root: Any, info: Any) -> Any:
        return [{"a": 1}, {"a": "x"}, {"a": 2, "fails": True}]


SCHEMA = graphene.Schema(query=Query).graphql_schema
SYNC = parse("{ things { a b deeper { a b } } }")
ASYNC = parse("{ things { a b late deeper { late b } } }")


def run_sync() -> None:
    result = execute_sync(SCHEMA, SYNC, execution_context_class=ExecutionContext)
    assert len(result.errors or ()) == 3


def run_async() -> None:
    async def main() -> None:
        result = await execute(SCHEMA, ASYNC, execution_context_class=ExecutionContext)  # type: ignore[misc]
        assert result.errors

    asyncio.run(main())


def run_cached() -> None:
    schema = Schema(query=Query)
    schema.execute("{ things { a } }")
    schema.execute("{ things { a } }")


def run_abandoned() -> None:
    result: Any = execute(SCHEMA, ASYNC, execution_context_class=ExecutionContext)
    result.close()


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("run", [run_sync, run_async, run_cached, run_abandoned])
def test_nothing_is_left_behind(run: Any) -> None:
    for _ in range(5):
        run()
    for _ in range(3):
        gc.collect()  # what other tests left goes in several rounds
    types = [sys.getrefcount(_core.Plan), sys.getrefcount(_core.Run)]
    objects = len(gc.get_objects())
    for _ in range(50):
        run()
    gc.collect()
    assert [sys.getrefcount(_core.Plan), sys.getrefcount(_core.Run)] == types
    assert abs(len(gc.get_objects()) - objects) < 25


def test_errors_leave_nothing_without_the_collector() -> None:
    class Root(dict):  # type: ignore[type-arg]
        pass

    gc.collect()
    gc.disable()
    try:
        root = Root()
        reference = weakref.ref(root)
        execute_sync(
            SCHEMA, parse("{ __typename }"), root, execution_context_class=ExecutionContext
        )
        del root
        assert reference() is None
    finally:
        gc.enable()


def test_a_schema_that_is_dropped_is_freed() -> None:
    def make() -> Any:
        class Other(graphene.ObjectType):
            a = graphene.Int()

        schema = Schema(query=Other)
        assert schema.execute("{ a }", root={"a": 1}).data == {"a": 1}
        return weakref.ref(schema.graphql_schema)

    reference = make()
    gc.collect()
    assert reference() is None


PEAK = """
    import resource, sys, tracemalloc
    from graphql import ExecutionContext as StockContext, build_schema, execute_sync, parse
    from graphene_sqlalchemy_c import ExecutionContext
    context = {"stock": StockContext, "ours": ExecutionContext}[sys.argv[1]]
    schema = build_schema("type Query { l: [T] } type T { a: Int b: String c: T }")
    things = [{"a": i % 50, "b": "x", "c": {"a": 1}} for i in range(100_000)]
    document = parse("{ l { a b c { a } } }")
    tracemalloc.start()
    result = execute_sync(schema, document, {"l": things}, execution_context_class=context)
    assert len(result.data["l"]) == 100_000
    print(tracemalloc.get_traced_memory()[1])
"""


def test_the_peak_of_a_large_response_is_not_above_graphql_cores() -> None:
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", textwrap.dedent(PEAK), which],
                capture_output=True, text=True, check=True,
            ).stdout
        )
        for which in ("stock", "ours")
    ]  # fmt: skip
    assert peaks[1] <= peaks[0], peaks


def test_memory_is_flat_over_requests() -> None:
    script = """
        import gc, tracemalloc, graphene
        from graphene_sqlalchemy_c import Schema
        class Query(graphene.ObjectType):
            l = graphene.List(graphene.Int)
            def resolve_l(root, info):
                return [1, "x", 3]
        schema = Schema(query=Query)
        def burst(n):
            for i in range(n):
                schema.execute("{ l }")
                schema.execute("{ x%d: l }" % i)
        schema.execute("{ l }")
        burst(1500)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(10_000):
            schema.execute("{ l }")
        gc.collect()
        print(tracemalloc.get_traced_memory()[0] - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    # The interpreter's free lists (tuples of the errors' locations) are counted: some 25 kB.
    assert int(done.stdout) < 60_000
