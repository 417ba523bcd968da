"""Documents, their validation and their plans: kept, bounded, and never out of date."""

from __future__ import annotations

import asyncio
import copy
import threading
from typing import Any

import graphene
import pytest
from graphene.validation import DisableIntrospection, depth_limit_validator
from graphql import Source, execute_sync, parse
from graphql.execution.execute import ExecutionContext as StockContext

from graphene_sqlalchemy_c import ExecutionContext, Schema
from graphene_sqlalchemy_c.execution import DefaultExecutionContext
from graphene_sqlalchemy_c.schema import document_cache, install_execution, uninstall_execution


class Thing(graphene.ObjectType):
    a = graphene.Int()
    b = graphene.Int()
    deeper = graphene.Field(lambda: Thing)

    def resolve_deeper(root: Any, info: Any) -> Any:
        return root


class Query(graphene.ObjectType):
    thing = graphene.Field(Thing, a=graphene.Int())

    def resolve_thing(root: Any, info: Any, a: int = 1) -> Any:
        return {"a": a, "b": 2}


class Mutation(graphene.ObjectType):
    touch = graphene.Int()

    def resolve_touch(root: Any, info: Any) -> int:
        return 1


STOCK = graphene.Schema(query=Query, mutation=Mutation)
QUERIES: list[tuple[str, dict[str, Any]]] = [
    ("{ thing { a b } }", {}),
    ("query A { thing { a } } query B { thing { b } }", {"operation_name": "B"}),
    ("query A { thing { a } } query B { thing { b } }", {"operation": "A"}),
    ("query A { thing { a } } query B { thing { b } }", {}),
    ("query ($a: Int) { thing(a: $a) { a } }", {"variables": {"a": 5}}),
    ("query ($a: Int) { thing(a: $a) { a } }", {"variable_values": {"a": "x"}}),
    ("query ($x: Boolean!) { thing { a @skip(if: $x) b } }", {"variables": {"x": True}}),
    ("query ($x: Boolean!) { thing { a @skip(if: $x) b } }", {"variables": {"x": False}}),
    ("{ thing { nope } }", {}),
    ("{ thing { nope } }", {"hide_suggestions": True}),
    ("{ thing { ", {}),
    ("mutation { touch }", {}),
    ("subscription { touch }", {}),
    ("{ __schema { types { name } } }", {}),
]


@pytest.mark.parametrize("query, kwargs", QUERIES)
def test_answers_are_graphenes(query: str, kwargs: dict[str, Any]) -> None:
    schema = Schema(query=Query, mutation=Mutation)
    expected = STOCK.execute(query, **kwargs)
    for _ in range(3):
        assert schema.execute(query, **kwargs) == expected
        assert asyncio.run(schema.execute_async(query, **kwargs)) == expected


class Echo(graphene.ObjectType):
    echo = graphene.String(
        i=graphene.Int(), s=graphene.String(), x=graphene.ID(), b=graphene.Boolean()
    )

    def resolve_echo(root: Any, info: Any, **arguments: Any) -> str:
        return repr((arguments, info.variable_values))


class Text(str):
    pass


@pytest.mark.parametrize(
    "name, type_", [("i", "Int"), ("s", "String"), ("x", "ID"), ("b", "Boolean")]
)
@pytest.mark.parametrize("suffix", ["", "!", " = 1", " = null"])
@pytest.mark.parametrize(
    "value",
    [1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, True, "1", "", Text("t"), 1.0, None, [1], ...],
    ids=repr,
)
def test_variables_are_graphql_cores(name: str, type_: str, suffix: str, value: Any) -> None:
    query = f"query ($v: {type_}{suffix}) {{ echo({name}: $v) }}"
    variables = {"other": 1} if value is ... else {"v": value, "other": 1}
    schema = Schema(query=Echo)
    expected = graphene.Schema(query=Echo).execute(query, variables=variables)
    for _ in range(2):
        assert schema.execute(query, variables=variables) == expected


@pytest.mark.parametrize("variables", [None, {}, {"v": 1}])
@pytest.mark.parametrize("name", [None, "A", "B", "C", ""])
def test_operations_are_graphql_cores(name: str | None, variables: Any) -> None:
    query = "query A($v: Int!) { echo(i: $v) } query B { ...f } fragment f on Echo { echo(i: 2) }"
    kwargs = {"operation_name": name, "variables": variables}
    assert Schema(query=Echo).execute(query, **kwargs) == graphene.Schema(query=Echo).execute(
        query, **kwargs
    )


def test_hits_are_counted() -> None:
    schema = Schema(query=Query)
    for _ in range(3):
        schema.execute("{ thing { a } }")
    schema.execute(Source("{ thing { a } }", "other name"))
    info = schema.cache_info()
    assert (info.hits, info.misses, info.plan_hits, info.documents) == (2, 2, 2, 2)
    assert info.source_bytes == 2 * len("{ thing { a } }")


def test_a_source_that_is_none_is_refused_as_by_graphql_core() -> None:
    with pytest.raises(TypeError) as stock:
        STOCK.execute(parse("{ thing { a } }"))
    with pytest.raises(TypeError) as ours:
        Schema(query=Query).execute(parse("{ thing { a } }"))
    assert str(ours.value) == str(stock.value)


def test_documents_with_errors_are_not_kept() -> None:
    schema = Schema(query=Query)
    for n in range(50):
        assert schema.execute(f"{{ nope{n} }}").errors
        assert schema.execute(f"{{ thing {n}").errors
    assert schema.cache_info().documents == 0


def test_ever_new_documents_displace_only_their_like() -> None:
    schema = Schema(query=Query, max_documents=40)
    good = [f"{{ x{n}: thing {{ a }} }}" for n in range(20)]
    for query in good * 2:
        schema.execute(query)
    for n in range(500):
        schema.execute(f"{{ y{n}: thing {{ a }} }}")
    before = schema.cache_info()
    assert before.documents <= 40
    for query in good:
        schema.execute(query)
    assert schema.cache_info().hits == before.hits + 20


def test_source_bytes_are_bounded() -> None:
    schema = Schema(query=Query, max_source_bytes=4000)
    for n in range(200):
        for _ in range(2):
            schema.execute(f"{{ x{n}: thing {{ a }} }} # {'ü' * 20}")
    assert 0 < schema.cache_info().source_bytes <= 4000
    before = schema.cache_info().documents
    schema.execute("{ thing { a } } #" + "x" * 300)  # more than a sixteenth
    assert schema.cache_info().documents == before


def test_no_room_keeps_nothing() -> None:
    schema = Schema(query=Query, max_documents=0)
    for _ in range(3):
        assert schema.execute("{ thing { a } }").data == {"thing": {"a": 1}}
    assert schema.cache_info().documents == 0


def test_validation_rules_are_kept_with_the_document() -> None:
    rules = [depth_limit_validator(3), DisableIntrospection]
    schema = Schema(query=Query, validation_rules=rules)
    for _ in range(2):
        assert schema.execute("{ thing { a } }").errors is None
        assert schema.execute("{ thing { deeper { deeper { deeper { a } } } } }").errors
        assert schema.execute("{ __schema { types { name } } }").errors
        assert schema.execute("{ nope }").errors  # the rules of the specification hold as well


def test_an_exchanged_resolver_is_called() -> None:
    schema = Schema(query=Query)
    field = schema.graphql_schema.query_type.fields["thing"]  # type: ignore[union-attr]
    stock_resolve = field.resolve
    try:
        assert schema.execute("{ thing { a } }").data == {"thing": {"a": 1}}
        field.resolve = lambda root, info: {"a": 99}
        assert schema.execute("{ thing { a } }").data == {"thing": {"a": 99}}
    finally:
        field.resolve = stock_resolve


def test_an_exchanged_schema_validates_anew() -> None:
    class Other(graphene.ObjectType):
        other = graphene.Int()

    schema = Schema(query=Query)
    assert schema.execute("{ thing { a } }").errors is None
    schema.graphql_schema = Schema(query=Other).graphql_schema
    assert schema.execute("{ thing { a } }").errors
    assert schema.execute("{ other }", root={"other": 3}).data == {"other": 3}


def test_a_document_that_a_view_parsed_may_be_changed() -> None:
    document = parse("{ thing { a } }")
    schema = STOCK.graphql_schema
    run = [
        execute_sync(schema, document, execution_context_class=ExecutionContext).data
        for _ in range(2)
    ]
    field = document.definitions[0].selection_set.selections[0]  # type: ignore[attr-defined]
    field.selection_set.selections[0].name.value = "b"
    run.append(execute_sync(schema, document, execution_context_class=ExecutionContext).data)
    assert run == [{"thing": {"a": 1}}, {"thing": {"a": 1}}, {"thing": {"b": 2}}]


def test_other_contexts_and_middleware_are_used() -> None:
    class Mine(StockContext):
        built = 0

        @classmethod
        def build(cls, *args: Any, **kwargs: Any) -> Any:
            cls.built += 1
            return super().build(*args, **kwargs)

    def double(next_: Any, root: Any, info: Any, **args: Any) -> Any:
        value = next_(root, info, **args)
        return value * 2 if isinstance(value, int) else value

    schema = Schema(query=Query)
    for _ in range(2):
        schema.execute("{ thing { a } }", execution_context_class=Mine)
        assert schema.execute("{ thing { b } }", middleware=[double]).data == {"thing": {"b": 4}}
        assert schema.execute("{ thing { b } }").data == {"thing": {"b": 2}}
    assert Mine.built == 2


def test_many_threads() -> None:
    schema = Schema(query=Query, max_documents=8)
    wrong: list[Any] = []

    def work() -> None:
        for n in range(300):
            query = f"query ($x: Boolean!) {{ x{n % 12}: thing {{ a @skip(if: $x) b }} }}"
            expected = {"b": 2} if n % 2 else {"a": 1, "b": 2}
            result = schema.execute(query, variables={"x": bool(n % 2)})
            if result.data != {f"x{n % 12}": expected}:
                wrong.append(result)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert schema.cache_info().documents <= 8


def test_a_copy_has_a_cache_of_its_own() -> None:
    schema = Schema(query=Query, max_documents=7)
    schema.execute("{ thing { a } }")
    cache = copy.deepcopy(document_cache(schema))
    assert (cache.info().documents, cache.info().max_documents) == (0, 7)


def test_installing_gives_graphene_the_same() -> None:
    stock_methods = graphene.Schema.execute, graphene.Schema.execute_async
    contexts: list[type] = []

    class Spying(graphene.ObjectType):
        a = graphene.Int()

        def resolve_a(root: Any, info: Any) -> int:
            import sys

            frame = sys._getframe(1)
            contexts.append(type(frame.f_locals.get("self")))
            return 1

    schema = graphene.Schema(query=Spying)
    install_execution()
    install_execution()
    try:
        for _ in range(2):
            assert schema.execute("{ a }").data == {"a": 1}
            assert asyncio.run(schema.execute_async("{ a }")).data == {"a": 1}
        assert document_cache(schema).info().hits == 3
        # The caller of the resolver is the frame that runs the walk: ours.
        assert set(contexts) == {DefaultExecutionContext}
    finally:
        uninstall_execution()
    assert (graphene.Schema.execute, graphene.Schema.execute_async) == stock_methods
    contexts.clear()
    schema.execute("{ a }")
    assert contexts == [StockContext]
