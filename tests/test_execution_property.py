"""Hypothesis makes schemas, data and queries; the answer must be graphql-core's.

GSC_EXAMPLES sets the number of examples of each test.
"""

from __future__ import annotations

import asyncio
import os
import random
from enum import Enum
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import graphene
import pytest
from graphql import ExecutionContext as StockContext
from graphql import execute, execute_sync, parse, validate
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from graphene_sqlalchemy_c import ExecutionContext

from .fake_relationships import SESSIONS, fake_relationship

EXAMPLES = int(os.environ.get("GSC_EXAMPLES", "150"))
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")


class Colour(Enum):
    RED = 1
    GREEN = "green"


GrapheneColour = graphene.Enum.from_enum(Colour)
LEAVES: dict[Any, tuple[list[Any], list[Any]]] = {
    graphene.Int: ([1, -7, 2.0, True, "12"], [2.5, "x", 2**40, [1]]),
    graphene.String: (["a", 5, 1.5, False, "ü"], [{}, [1]]),
    graphene.Float: ([1, 2.5, "3.5", True], ["y", float("inf"), [2]]),
    graphene.Boolean: ([True, 0, 1.0], ["yes", [True]]),
    graphene.ID: ([1, "2", 3.0], [True, 2.5, {}]),
    GrapheneColour: ([Colour.RED, 1, "green", "RED"], ["BLUE", [1], 7]),
}


class World:
    """A schema and, for each position of a response, what is to be found there."""

    def __init__(self, rnd: random.Random, is_async: bool) -> None:
        self.seed = rnd.getrandbits(32)
        # graphql-core 3.2.14 does not await the fields of an object whose is_type_of was awaited
        # (`execute_subfields_async` returns their coroutine); see holds_coroutine().
        self.has_async_checks = is_async and rnd.random() < 0.2
        self.is_async = is_async and not self.has_async_checks
        self.types: list[Any] = []
        self.fields: dict[str, dict[str, tuple[Any, str]]] = {}
        self.interface_fields = {"common": (graphene.Int, "attribute")}
        names = [f"T{i}" for i in range(rnd.randint(1, 3))]
        self.names = names
        shapes = {name: self.draw_fields(rnd, names) for name in names}
        world = self

        class Common(graphene.Interface):
            common = graphene.Int()

        self.interface = Common
        for name in names:
            self.types.append(self.make_type(rnd, name, shapes[name], Common))

        strict = rnd.random() < 0.3
        wrap: Any = graphene.NonNull if strict else (lambda type_: type_)

        class Query(graphene.ObjectType):
            one = graphene.Field(wrap(self.types[0]))
            many = graphene.Field(wrap(graphene.List(wrap(self.types[-1]))))
            any = graphene.Field(Common)

            def resolve_one(root: Any, info: Any) -> Any:
                return Node(world, names[0], "one")

            def resolve_many(root: Any, info: Any) -> Any:
                return [Node(world, names[-1], f"many{i}") for i in range(3)]

            def resolve_any(root: Any, info: Any) -> Any:
                return Node(world, names[-1], "any")

        self.fields["Query"] = {
            "one": (self.types[0], "python"),
            "many": (graphene.List(self.types[-1]), "python"),
            "any": (Common, "python"),
        }
        self.operation = rnd.choice(["query", "query", "mutation"])
        self.schema = graphene.Schema(
            query=Query,
            mutation=Query if self.operation == "mutation" else None,
            types=self.types,
            auto_camelcase=False,
        )

    def draw_fields(self, rnd: random.Random, names: list[str]) -> dict[str, tuple[Any, str]]:
        fields = {}
        kinds = ["attribute", "attribute", "python", "failing", "batch"]
        if self.is_async:
            kinds += ["async", "async_failing"]
        for i in range(rnd.randint(1, 4)):
            named: Any = rnd.choice([*LEAVES, *names, *names, "Common"])
            shape = named
            for _ in range(rnd.randint(0, 3)):
                shape = (rnd.choice(["!", "[]"]), shape)
            fields[f"f{i}"] = (shape, rnd.choice(kinds))
        return fields

    def type_of(self, shape: Any) -> Any:
        if isinstance(shape, tuple):
            inner = self.type_of(shape[1])
            if shape[0] == "[]":
                return graphene.List(inner)
            return inner if isinstance(inner, graphene.NonNull) else graphene.NonNull(inner)
        if isinstance(shape, str):
            by_name = {type_.__name__: type_ for type_ in self.types}
            by_name["Common"] = self.interface
            return by_name[shape]
        return shape

    def make_type(self, rnd: random.Random, name: str, shapes: Any, interface: Any) -> Any:
        world = self
        members: dict[str, Any] = {}
        for field, (shape, kind) in shapes.items():
            batch = fake_relationship(field, read_relationship, []) if kind == "batch" else None
            members[field] = graphene.Field(
                lambda shape=shape: world.type_of(shape), resolver=batch
            )
            resolver = RESOLVERS.get(kind)
            if resolver is not None:
                members[f"resolve_{field}"] = resolver(field)
        check = rnd.choice(["plain", "async"] if self.has_async_checks else ["plain"])

        def is_type_of(root: Any, info: Any) -> Any:
            answer = getattr(root, "typename", None) == name
            return immediate(answer) if check == "async" else answer

        members["is_type_of"] = is_type_of
        members["Meta"] = type("Meta", (), {"interfaces": (interface,)})
        self.fields[name] = {**self.interface_fields, **shapes}
        return type(name, (graphene.ObjectType,), members)

    def value(self, shape: Any, key: str, depth: int = 0) -> Any:
        """The value at a position, the same each time it is asked for."""
        rnd = random.Random(crc32(f"{self.seed}{key}".encode()))
        dice = rnd.random()
        if isinstance(shape, tuple) and shape[0] == "!":
            return None if dice < 0.05 else self.value(shape[1], key + "!", depth)
        if dice < 0.1:
            return None
        if dice < 0.14:
            return ValueError(f"value {key}")
        if isinstance(shape, tuple):
            return self.items(shape[1], key, rnd)
        if isinstance(shape, str):
            if key.count("/") > 4:
                return None
            typename = rnd.choice(self.names) if shape == "Common" else shape
            if dice > 0.97:
                typename = "Nobody"
            return Node(self, typename, key)
        good, bad = LEAVES[shape]
        return rnd.choice(bad if dice > 0.9 else good)

    def items(self, shape: Any, key: str, rnd: random.Random) -> Any:
        if rnd.random() < 0.05:
            return rnd.choice([5, "text", {"a": 1}])
        items = [self.value(shape, f"{key}[{i}]") for i in range(rnd.randint(0, 3))]
        if self.is_async:
            items = [
                immediate(item) if crc32(f"{key}{i}".encode()) % 5 == 0 else item
                for i, item in enumerate(items)
            ]
        form = rnd.random()
        if form < 0.1:
            return tuple(items)
        if form < 0.2:
            return (item for item in items)
        if form < 0.25:
            return failing_iterator(items, key)
        return items


def failing_iterator(items: list[Any], key: str) -> Any:
    yield from items
    raise RuntimeError(f"iterator {key}")


async def immediate(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


class Node:
    """An object of the data; its attributes are what the world says."""

    _sa_instance_state = SimpleNamespace(session=SESSIONS["sync"])

    def __init__(self, world: World, typename: str, key: str) -> None:
        self.world = world
        self.typename = typename
        self.key = key

    def __repr__(self) -> str:
        return f"<Node {self.key}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "common":
            return 3
        shape, _ = self.world.fields[self.typename][name]
        return self.world.value(shape, f"{self.key}/{name}")


def python_resolver(field: str) -> Any:
    def resolve(root: Any, info: Any) -> Any:
        assert info.field_name == field and info.path.key in (field, f"alias_{field}")
        return getattr(root, field)

    return resolve


def failing_resolver(field: str) -> Any:
    def resolve(root: Any, info: Any) -> Any:
        if crc32(f"{root.key}{field}".encode()) % 3 == 0:
            raise ValueError(f"{root.key} {field} {info.path.as_list()}")
        return getattr(root, field)

    return resolve


def async_resolver(field: str) -> Any:
    async def resolve(root: Any, info: Any) -> Any:
        return getattr(root, field)

    return resolve


def async_failing_resolver(field: str) -> Any:
    async def resolve(root: Any, info: Any) -> Any:
        if crc32(f"{root.key}{field}".encode()) % 3 == 0:
            raise ValueError(f"{root.key} {field} {info.path.as_list()}")
        return getattr(root, field)

    return resolve


def read_relationship(root: Any, field: str) -> Any:
    if crc32(f"{root.key}{field}".encode()) % 4 == 0:
        raise ValueError(f"{root.key} {field}")
    return getattr(root, field)


RESOLVERS = {
    "python": python_resolver,
    "failing": failing_resolver,
    "async": async_resolver,
    "async_failing": async_failing_resolver,
}


def bare(shape: Any) -> Any:
    while isinstance(shape, tuple):
        shape = shape[1]
    return shape


def draw_selection(world: World, rnd: random.Random, typename: str, depth: int) -> str:
    """A selection set for a type, with aliases, fragments and conditions."""
    if typename == "Common":
        parts = ["common"]
        for name in world.names:
            if rnd.random() < 0.6:
                parts.append(f"... on {name} {draw_selection(world, rnd, name, depth + 1)}")
        return "{ __typename " + " ".join(parts) + " }"
    parts = []
    fields = list(world.fields[typename].items())
    rnd.shuffle(fields)
    for name, (shape, _) in fields[: rnd.randint(1, len(fields))]:
        below = bare(shape)
        text = name if rnd.random() < 0.8 or name == "common" else f"alias_{name}: {name}"
        text += rnd.choice(["", "", "", " @include(if: $yes)", " @skip(if: $yes)"])
        if typename == "Query":
            below = {"one": world.names[0], "many": world.names[-1], "any": "Common"}[name]
            text = name
        if isinstance(below, str):
            if depth > 3:
                continue
            text += " " + draw_selection(world, rnd, below, depth + 1)
        parts.append(text)
    if rnd.random() < 0.3 and parts:
        parts.append(f"... on {typename} {{ {parts[0]} }}")
    return "{ " + " ".join(parts or ["__typename"]) + " }"


def answer(result: Any) -> Any:
    errors = [
        (error.message, error.path, error.locations, type(error.original_error))
        for error in result.errors or ()
    ]
    return result.data, errors


def holds_coroutine(data: Any) -> bool:
    """Whether graphql-core left a coroutine in its response."""
    if isinstance(data, dict):
        return any(map(holds_coroutine, data.values()))
    if isinstance(data, list):
        return any(map(holds_coroutine, data))
    return asyncio.iscoroutine(data)


def key_orders(data: Any) -> Any:
    if isinstance(data, dict):
        return [(key, key_orders(value)) for key, value in data.items()]
    return [key_orders(item) for item in data] if isinstance(data, list) else None


def draw(rnd: random.Random, is_async: bool) -> tuple[World, Any, str]:
    world = World(rnd, is_async)
    query = f"{world.operation} ($yes: Boolean!) " + draw_selection(world, rnd, "Query", 0)
    document = parse(query)
    if validate(world.schema.graphql_schema, document):
        # Two nodes of one name that cannot be merged: graphql-core would not execute it.
        query = "{ __typename one { common } many { common } }"
        document = parse(query)
    return world, document, query


relaxed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


@relaxed
@given(st.integers(0, 2**48), st.booleans())
def test_sync_answers_are_graphql_cores(seed: int, yes: bool) -> None:
    world, document, query = draw(random.Random(seed), False)
    schema = world.schema.graphql_schema
    results = [
        execute_sync(
            schema, document, variable_values={"yes": yes}, execution_context_class=context_class
        )
        for context_class in (StockContext, ExecutionContext)
    ]
    assert answer(results[1]) == answer(results[0]), query
    assert key_orders(results[1].data) == key_orders(results[0].data)


@relaxed
@given(st.integers(0, 2**48), st.booleans())
def test_async_answers_are_graphql_cores(seed: int, yes: bool) -> None:
    world, document, query = draw(random.Random(seed), True)
    schema = world.schema.graphql_schema

    async def run(context_class: Any) -> Any:
        result = execute(
            schema, document, variable_values={"yes": yes}, execution_context_class=context_class
        )
        result = await result if asyncio.iscoroutine(result) else result
        return answer(result), key_orders(result.data)

    stock = asyncio.run(run(StockContext))
    lost = stock[0][0] is None and world.has_async_checks
    assume(not lost and not holds_coroutine(stock[0][0]))
    ours = asyncio.run(run(ExecutionContext))
    assert ours[0] == stock[0], query
    assert ours[1] == stock[1], query
