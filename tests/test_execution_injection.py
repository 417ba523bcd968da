"""Whatever raises at its k-th call, for every k, gives graphql-core's answer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from typing import Any

import graphene
import pytest
from graphql import ExecutionContext as StockContext
from graphql import execute, parse

from graphene_sqlalchemy_c import ExecutionContext

QUERY = "{ things { n m late kind items { n } odd any { a } } strict { n } }"


class Fuse:
    """Raises at the k-th time that it is used."""

    def __init__(self, k: int, error: type[BaseException]) -> None:
        self.left = k
        self.error = error

    def use(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error("fuse")


class Odd(graphene.Scalar):
    @staticmethod
    def serialize(value: Any) -> Any:
        value.fuse.use()
        return "odd"


class Item(graphene.ObjectType):
    n = graphene.Int(required=True)

    def resolve_n(root: Any, info: Any) -> int:
        root.fuse.use()
        return 1


class Any_(graphene.Interface):
    a = graphene.Int()

    @classmethod
    def resolve_type(cls, instance: Any, info: Any) -> Any:
        instance.fuse.use()
        return Some


class Some(graphene.ObjectType):
    class Meta:
        interfaces = (Any_,)


class Thing(graphene.ObjectType):
    n = graphene.Int()
    m = graphene.Int()
    late = graphene.Int()
    kind = graphene.String()
    items = graphene.List(graphene.NonNull(Item))
    odd = graphene.Field(Odd, required=True)
    any = graphene.Field(Any_)

    @classmethod
    def is_type_of(cls, root: Any, info: Any) -> bool:
        root.fuse.use()
        return True

    def resolve_n(root: Any, info: Any) -> int:
        root.fuse.use()
        return 1

    async def resolve_late(root: Any, info: Any) -> int:
        root.fuse.use()
        return 1

    def resolve_items(root: Any, info: Any) -> Any:
        for _ in range(2):
            root.fuse.use()
            yield root

    def resolve_odd(root: Any, info: Any) -> Any:
        return root

    def resolve_any(root: Any, info: Any) -> Any:
        return root


class Query(graphene.ObjectType):
    things = graphene.List(Thing)
    strict = graphene.Field(Item)

    def resolve_things(root: Any, info: Any) -> Any:
        return [root, root]

    def resolve_strict(root: Any, info: Any) -> Any:
        return root


class Root:
    kind = "kind"
    a = 1

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse

    @property
    def m(self) -> int:
        self.fuse.use()
        return 2


SCHEMA = graphene.Schema(query=Query, types=[Some]).graphql_schema
DOCUMENT = parse(QUERY)


async def answer(context: Any, fuse: Fuse) -> Any:
    try:
        result = execute(SCHEMA, DOCUMENT, Root(fuse), execution_context_class=context)
        result = await result if asyncio.iscoroutine(result) else result
    except BaseException as error:
        return (type(error),)
    return result


def uses() -> int:
    fuse = Fuse(0, ValueError)
    asyncio.run(answer(StockContext, fuse))
    return -fuse.left


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("error", [ValueError, RecursionError, MemoryError, asyncio.CancelledError])
def test_every_use_may_raise(error: type[BaseException]) -> None:
    total = uses()
    assert total > 15
    failed = 0
    for k in range(1, total + 2):
        stock = asyncio.run(answer(StockContext, Fuse(k, error)))
        ours = asyncio.run(answer(ExecutionContext, Fuse(k, error)))
        assert ours == stock, k
        failed += isinstance(stock, tuple) or bool(stock.errors)
    assert failed == total


def test_memory_may_run_out_at_any_allocation() -> None:
    pytest.importorskip("_testcapi")
    script = """
        import _testcapi
        from graphql import build_schema, default_field_resolver, parse
        from graphene_sqlalchemy_c import ExecutionContext
        from graphene_sqlalchemy_c._core import Plan, Run
        from graphene_sqlalchemy_c.levels import PlanOptions
        schema = build_schema("type Query { l: [T!] n: Int! } type T { a: Int b: String t: T }")
        document = parse("{ l { a b t { a ...F } } n } fragment F on T { b }")
        thing = {"a": 1, "b": "x" * 3, "t": {"a": 2, "b": 5}}
        root = {"l": [thing, thing], "n": 3}
        context = ExecutionContext.build(schema, document, root)
        arguments = (
            schema, context.fragments, context.operation.selection_set, schema.query_type,
            default_field_resolver, {}, frozenset(), PlanOptions(),
        )
        def run():
            # No Python frame but this one: CPython 3.13.0 itself crashes when it has no memory for
            # some of them, with graphql-core's context as well.
            run = Run(Plan(*arguments), context, root, False)
            assert run.start() is None
            return run.finish()
        expected = run()
        outcomes = set()
        for start in range(1, 250):
            result = None
            _testcapi.set_nomemory(start, start + 1)
            try:
                result = run()
            except MemoryError:
                outcomes.add("raised")
            except Exception as error:
                outcomes.add(type(error).__name__)
            finally:
                _testcapi.remove_mem_hooks()
            errors, context.collected_errors.errors[:] = list(context.collected_errors.errors), []
            context.collected_errors._error_positions.clear()
            if result is not None:
                outcomes.add("errors" if errors else "answer")
                assert errors or result == expected, (start, result)
        assert run() == expected
        print(sorted(outcomes))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "answer" in done.stdout and "raised" in done.stdout, done.stdout
