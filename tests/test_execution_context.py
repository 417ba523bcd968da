"""What the context takes, what resolvers are given, and leaves: each compared with graphql-core."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import decimal
import uuid
from collections import OrderedDict
from enum import Enum
from types import SimpleNamespace
from typing import Any

import graphene
import pytest
import sqlalchemy as sa
from graphene import relay
from graphene_sqlalchemy import SQLAlchemyObjectType
from graphene_sqlalchemy.registry import Registry
from graphql import ExecutionContext as StockContext
from graphql import build_schema, execute, execute_sync, parse
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from graphene_sqlalchemy_c import ExecutionContext

BOTH = (StockContext, ExecutionContext)


def compare(schema: Any, query: str, root: Any = None, **kwargs: Any) -> Any:
    """Execute with both contexts; the answers must be equal."""
    schema = getattr(schema, "graphql_schema", schema)
    results = [
        execute_sync(schema, parse(query), root, execution_context_class=context, **kwargs)
        for context in BOTH
    ]
    assert results[1] == results[0]
    assert [type(e.original_error) for e in results[1].errors or ()] == [
        type(e.original_error) for e in results[0].errors or ()
    ]
    return results[1]


NULLS = build_schema(
    """
    type Query { a: A  l: [I!]  m: [I] }
    type A { n: String  x: String!  ok: String  b: B! }
    type B { n: String  c: String! }
    type I { v: String! }
    """
)


@pytest.mark.parametrize(
    "query, data, paths",
    [
        ("{a{b{c} x}}", {"a": None}, ["a.b.c"]),
        ("{a{x b{c}}}", {"a": None}, ["a.x"]),
        ("{a{n x}}", {"a": None}, ["a.n", "a.x"]),
        ("{a{x n}}", {"a": None}, ["a.x"]),
        ("{a{b{n c} ok}}", {"a": None}, ["a.b.n", "a.b.c"]),
        ("{l{v}}", {"l": None}, ["l.1.v"]),
        ("{m{v}}", {"m": [{"v": "good"}, None, None]}, ["m.1.v", "m.2.v"]),
    ],
)
def test_nulls_climb_as_measured(query: str, data: Any, paths: list[str]) -> None:
    def fail(info: Any) -> Any:
        raise ValueError("no")

    items = [{"v": "good"}, {"v": fail}, {"v": fail}]
    b = {"n": fail, "c": fail}
    root = {"a": {"n": fail, "x": fail, "ok": "ok", "b": b}, "l": items, "m": items}
    result = compare(NULLS, query, root)
    assert result.data == data
    assert [".".join(map(str, error.path)) for error in result.errors] == paths


# ---- the context's arguments -------------------------------------------------------------------


def test_a_subclass_that_overrides_the_walk_gets_graphql_cores() -> None:
    calls = []

    class Spying(ExecutionContext):
        def complete_value(self, *args: Any) -> Any:
            calls.append(args[3].key)
            return super().complete_value(*args)

    class Deeper(Spying):
        pass

    class Harmless(ExecutionContext):
        extra = 1

    schema = build_schema("type Query { a: Int }")
    for context, expected in ((Spying, ["a"]), (Deeper, ["a"]), (Harmless, [])):
        calls.clear()
        result = execute_sync(schema, parse("{a}"), {"a": 1}, execution_context_class=context)
        assert (result.data, calls) == ({"a": 1}, expected)


def test_resolvers_and_predicates_that_are_passed_count() -> None:
    schema = build_schema(
        "interface N { a: Int } type T implements N { a: Int } type Query { n: N a: Int }"
    )

    def field_resolver(source: Any, info: Any, **args: Any) -> Any:
        return {"n": {}, "a": 7}[info.field_name]

    def type_resolver(value: Any, info: Any, abstract: Any) -> str:
        assert abstract.name == "N"
        return "T"

    result = compare(
        schema, "{ n { __typename a } a }", field_resolver=field_resolver,
        type_resolver=type_resolver,
    )  # fmt: skip
    assert result.data == {"n": {"__typename": "T", "a": 7}, "a": 7}


def test_is_awaitable_is_asked() -> None:
    schema = build_schema("type Query { a: String }")

    class Later:
        def __init__(self, value: Any) -> None:
            self.value = value

        def __await__(self) -> Any:
            return asyncio.sleep(0, self.value).__await__()

    def is_awaitable(value: Any) -> bool:
        return isinstance(value, Later) or asyncio.iscoroutine(value)

    async def main(context: Any) -> Any:
        result = execute(
            schema, parse("{a}"), {"a": Later("x")}, execution_context_class=context,
            is_awaitable=is_awaitable,
        )  # fmt: skip
        return await result  # type: ignore[misc]

    assert asyncio.run(main(ExecutionContext)) == asyncio.run(main(StockContext))


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_in_sync_execution_a_coroutine_is_a_value() -> None:
    async def coroutine(*_: Any) -> int:
        return 1

    schema = build_schema("type Query { a: Int }")
    messages = []
    for context in BOTH:
        result = execute_sync(
            schema, parse("{a}"), {"a": coroutine}, execution_context_class=context
        )
        assert result.data == {"a": None}
        messages.append(result.errors[0].message.split(" at 0x")[0])  # type: ignore[index]
    assert messages[0] == messages[1]
    with pytest.raises(RuntimeError, match="failed to complete synchronously"):
        execute_sync(
            schema, parse("{a}"), {"a": coroutine}, execution_context_class=ExecutionContext,
            check_sync=True,
        )  # fmt: skip


def test_conditions_follow_the_variables() -> None:
    schema = build_schema("type Query { a: Int b: Int }")
    query = "query ($x: Boolean!, $y: Boolean = true) { a @skip(if: $x) b @include(if: $y) a }"
    for values in ({"x": True}, {"x": False, "y": False}, {"x": False}, {}):
        compare(schema, query, {"a": 1, "b": 2}, variable_values=values)


# ---- what resolvers are given ------------------------------------------------------------------


def test_info_and_path_are_graphql_cores() -> None:
    seen: list[Any] = []

    def b(info: Any, **args: Any) -> int:
        seen.append((info, args))
        return 1

    schema = build_schema("type Query { l: [T] } type T { b(n: Int = 3, m: [Int], x: I): Int }"
                          " input I { q: Int = 5 }")  # fmt: skip
    query = "query Q ($n: Int) { l { c: b(n: $n, m: [1]) b } } fragment F on T { b }"
    compare(
        schema, query, {"l": [{"b": b}, {"b": b}]}, variable_values={"n": 4},
        context_value="context", middleware=[],
    )  # fmt: skip
    for ours, stock in zip(seen[4:], seen[:4], strict=True):
        assert ours[1] == stock[1]
        assert type(ours[0]) is type(stock[0]) and type(ours[0].path) is type(stock[0].path)
        assert ours[0]._replace(operation=None, fragments=None, field_nodes=None) == stock[
            0
        ]._replace(operation=None, fragments=None, field_nodes=None)
        assert ours[0].path.as_list() == stock[0].path.as_list()
        assert hash(ours[0].path) == hash(stock[0].path)
        assert type(ours[0].field_nodes) is list


def test_a_resolver_may_change_the_list_it_is_given() -> None:
    def take(info: Any, m: list[int]) -> int:
        m.append(1)
        return len(m)

    schema = build_schema("type Query { l: [T] } type T { take(m: [Int]): Int }")
    compare(schema, "{ l { take(m: [5]) } }", {"l": [{"take": take}] * 3})
    query = "query ($m: [Int]) { l { take(m: $m) } }"
    compare_lengths = [
        execute_sync(
            schema, parse(query), {"l": [{"take": take}] * 3}, variable_values={"m": [5]},
            execution_context_class=context,
        )
        for context in BOTH
    ]  # fmt: skip
    assert compare_lengths[0] == compare_lengths[1]


def test_awaitables_have_tasks_and_contexts_of_their_own() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    tasks = []

    async def one(*_: Any) -> int:
        tasks.append(asyncio.current_task())
        variable.set(variable.get() + 1)
        await asyncio.sleep(0)
        return variable.get()

    schema = build_schema("type Query { a: Int b: Int }")

    async def main(context: Any) -> Any:
        tasks.clear()
        result = await execute(  # type: ignore[misc]
            schema, parse("{a b}"), {"a": one, "b": one}, execution_context_class=context
        )
        assert len({*tasks, asyncio.current_task()}) == 3
        return result

    assert asyncio.run(main(ExecutionContext)) == asyncio.run(main(StockContext))


def test_without_awaitables_there_is_no_coroutine() -> None:
    schema = build_schema("type Query { a: [Int] }")
    result = execute(schema, parse("{a}"), {"a": [1]}, execution_context_class=ExecutionContext)
    assert result.data == {"a": [1]}  # type: ignore[union-attr]


# ---- depth -------------------------------------------------------------------------------------


def test_deep_data_does_not_overflow_the_stack() -> None:
    schema = build_schema("type Query { q: Query v: Int }")
    depth = 12_000  # CPython 3.12 and 3.13 let C go 10,000 deep
    fragments = " ".join(f"fragment F{i} on Query {{ q {{ ...F{i + 1} }} }}" for i in range(depth))
    document = parse("{ ...F0 } " + fragments + f" fragment F{depth} on Query {{ v }}")
    root: dict[str, Any] = {"v": 1}
    root["q"] = root
    result = execute_sync(schema, document, root, execution_context_class=ExecutionContext)
    assert [type(error.original_error) for error in result.errors or ()] == [RecursionError]
    assert result.data is not None


def test_deep_lists_do_not_overflow_the_stack() -> None:
    depth = 120
    schema = build_schema("type Query { l: " + "[" * depth + "Int" + "]" * depth + " }")
    value: Any = 1
    for _ in range(depth):
        value = [value]
    assert compare(schema, "{l}", {"l": value}).errors is None


# ---- leaves ------------------------------------------------------------------------------------


class Text(str):
    pass


class Number(int):
    pass


class Custom:
    def __str__(self) -> str:
        return "custom"

    def __repr__(self) -> str:
        return "<Custom>"


class Member(Enum):
    ONE = 1
    TWO = "two"


VALUES = [
    0, 1, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**70, True, False, 1.0, 1.5, 1e300,
    float("nan"), float("inf"), "", "1", "1.5", "x", "ü€", Text("t"), Text("7"), Number(5),
    Custom(), [], [1], {}, {"a": 1}, (), b"bytes", decimal.Decimal("2.5"), decimal.Decimal("2"),
    datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4, 5, 6), datetime.time(1, 2),
    datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
    uuid.UUID(int=5), str(uuid.UUID(int=6)), Member.ONE, Member.TWO, "two", "TWO", object,
]  # fmt: skip

SCALARS = [
    graphene.Int, graphene.Float, graphene.String, graphene.Boolean, graphene.ID, graphene.BigInt,
    graphene.Date, graphene.DateTime, graphene.Time, graphene.Decimal, graphene.UUID,
    graphene.JSONString, graphene.Enum.from_enum(Member),
]  # fmt: skip


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda scalar: scalar.__name__)
def test_leaves_serialise_alike(scalar: Any) -> None:
    class Query(graphene.ObjectType):
        values = graphene.List(scalar)

    schema = graphene.Schema(query=Query)
    result = compare(schema, "{values}", {"values": VALUES * 2})
    for ours, stock in zip(
        result.data["values"],
        execute_sync(schema.graphql_schema, parse("{values}"), {"values": VALUES * 2}).data[  # type: ignore[index]
            "values"
        ],
        strict=True,
    ):
        assert type(ours) is type(stock)


def test_a_scalar_may_serialise_to_null() -> None:
    class Void(graphene.Scalar):
        @staticmethod
        def serialize(value: Any) -> None:
            return None

    class Query(graphene.ObjectType):
        value = Void()

    result = compare(graphene.Schema(query=Query), "{value}", {"value": 1})
    assert "to return non-nullable value, returned: None" in result.errors[0].message


# ---- attributes and ids --------------------------------------------------------------------------


class Base(DeclarativeBase):
    pass


class Pet(Base):
    __tablename__ = "pet"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    loud: Mapped[str]


class Dog(Pet):
    """A plain property in the place of a column that the instance dict may hold."""

    @property
    def loud(self) -> str:
        return self.__dict__.get("loud", "").upper() + "!"


def pet_schema() -> Any:
    class PetType(SQLAlchemyObjectType):
        class Meta:
            model = Pet
            interfaces = (relay.Node,)
            registry = Registry()

    class Query(graphene.ObjectType):
        pets = graphene.List(PetType)
        node = relay.Node.Field()

    return graphene.Schema(query=Query)


def test_columns_are_read_as_the_class_reads_them() -> None:
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    schema = pet_schema()
    query = "{ pets { id name loud } }"
    with Session(engine) as session:
        session.add_all([Pet(id=1, name="a", loud="x"), Pet(id=2, name="ü", loud="y")])
        session.commit()
        answers = []
        for context in BOTH:
            session.expire_all()
            pets = session.query(Pet).order_by(Pet.id).all()
            session.expire(pets[0], ["name"])
            dog = Dog(id=3, name="d")
            dog.__dict__["loud"] = "wuff"
            root = {"pets": [*pets, dog, SimpleNamespace(id=4)]}
            answers.append(
                execute_sync(
                    schema.graphql_schema, parse(query), root, execution_context_class=context
                )
            )
    assert answers[0] == answers[1]
    assert answers[1].data["pets"][2]["loud"] == "WUFF!"  # type: ignore[index]
    assert len(answers[1].errors or ()) == 1  # what is no instance of the model


class Stay(Base):
    __tablename__ = "stay"
    room: Mapped[int] = mapped_column("room_no", primary_key=True)
    night: Mapped[int] = mapped_column(primary_key=True)


class Room(Base):
    __tablename__ = "room"
    number: Mapped[int] = mapped_column("no", primary_key=True)
    id: Mapped[str]  # not the key


def test_ids_are_primary_keys() -> None:
    registry = Registry()

    def type_of(mapped: Any) -> Any:
        meta = type(
            "Meta", (), {"model": mapped, "interfaces": (relay.Node,), "registry": registry}
        )
        return type(f"{mapped.__name__}Type", (SQLAlchemyObjectType,), {"Meta": meta})

    class Query(graphene.ObjectType):
        rooms = graphene.List(type_of(Room))
        stays = graphene.List(type_of(Stay))

    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    schema = graphene.Schema(query=Query).graphql_schema
    with Session(engine) as session:
        session.add_all([Room(number=7, id="x"), Room(number=8, id="y"), Stay(room=1, night=2)])
        session.commit()
        answers = []
        for context in BOTH:
            rooms = session.query(Room).order_by(Room.number).all()
            session.expire(rooms[0])
            root = {"rooms": [*rooms, Room(), None], "stays": session.query(Stay).all()}
            answers.append(
                execute_sync(
                    schema, parse("{ rooms { id } stays { id } }"), root,
                    execution_context_class=context,
                )
            )  # fmt: skip
    assert answers[1] == answers[0]
    assert answers[1].data["rooms"][1]["id"] == "Um9vbVR5cGU6OA=="  # type: ignore[index]


def test_a_class_may_change_between_two_executions() -> None:
    class Thing:
        def __init__(self) -> None:
            self.a = 1

    schema = build_schema("type Query { a: Int }")
    assert compare(schema, "{a}", Thing()).data == {"a": 1}
    Thing.a = property(lambda self: 2)  # type: ignore[assignment, method-assign]
    thing = object.__new__(Thing)
    thing.__dict__["a"] = 1
    assert compare(schema, "{a}", thing).data == {"a": 2}


@pytest.mark.parametrize("value", [5, "x", "ü", 2.0, True, None, [1], Number(3), Custom()])
def test_global_ids(value: Any) -> None:
    class Thing(graphene.ObjectType):
        class Meta:
            interfaces = (relay.Node,)

    class Query(graphene.ObjectType):
        thing = graphene.Field(Thing)

    compare(graphene.Schema(query=Query), "{ thing { id } }", {"thing": {"id": value}})


@pytest.mark.parametrize("root", [{"a": 1}, OrderedDict(a=1), SimpleNamespace(a=1), 5])
def test_default_resolvers(root: Any) -> None:
    class Query(graphene.ObjectType):
        a = graphene.Int()
        b = graphene.Int(default_value=4)

    compare(graphene.Schema(query=Query), "{ a b __typename }", root)
    compare(build_schema("type Query { a: Int b: Int }"), "{ a b }", root)
