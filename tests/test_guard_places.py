"""Where rows come from that no statement of ours loaded, and what cannot be guarded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import graphene
import pytest
from graphene import relay
from sqlalchemy import ForeignKey, String, create_engine, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    mapped_column,
    relationship,
    selectinload,
    with_loader_criteria,
)
from sqlalchemy.pool import NullPool, StaticPool

from graphene_sqlalchemy_c import (
    CountableConnection,
    Registry,
    Schema,
    SQLAlchemyObjectType,
)

from .conftest import Database


class Base(DeclarativeBase):
    pass


class Owner(Base):
    __tablename__ = "h_owner"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    things: Mapped[list[Thing]] = relationship(back_populates="owner", order_by="Thing.id")


class Thing(Base):
    __tablename__ = "h_thing"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    hidden: Mapped[bool] = mapped_column(default=False)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("h_owner.id"))
    owner: Mapped[Owner | None] = relationship(back_populates="things")


def fill(session: Session) -> None:
    session.add_all(Owner(id=i, name=f"owner {i}") for i in (1, 2))
    session.flush()
    session.add_all(
        Thing(id=i, name=f"thing {i}", hidden=i % 2 == 1, owner_id=i % 2 + 1) for i in range(1, 7)
    )
    session.commit()


VISIBLE = [{"name": "thing 2"}, {"name": "thing 4"}, {"name": "thing 6"}]


@pytest.fixture
def engine() -> Iterator[Any]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        fill(session)
    yield engine
    engine.dispose()


def visible(cls: Any, info: Any) -> Any:
    return select(Thing).where(Thing.hidden.is_(False))


def types_with(get_query: Any, **meta: Any) -> tuple[type, type]:
    """The types of things, guarded by a function, and of owners."""
    registry_ = Registry()

    class ThingType(SQLAlchemyObjectType):
        class Meta:
            model = Thing
            registry = registry_
            interfaces = (relay.Node,)
            connection_class = CountableConnection
            use_connection = meta.get("use_connection", False)
            rows = meta.get("rows", True)

        @classmethod
        def get_query(cls, info: Any) -> Any:
            return get_query(cls, info)

    class OwnerType(SQLAlchemyObjectType):
        class Meta:
            model = Owner
            registry = registry_
            use_connection = meta.get("use_connection", False)

    return ThingType, OwnerType


def schema_of(
    resolve: Any, of_type: Any = graphene.List, get_query: Any = visible, **options: Any
) -> Schema:
    """A schema with one field of things."""
    thing_type, _ = types_with(get_query)

    class Query(graphene.ObjectType):
        things = graphene.Field(of_type(thing_type))

        def resolve_things(root, info: Any) -> Any:
            return resolve(info.context["session"])

    return Schema(query=Query, enforce_get_query=True, **options)


def ask(engine: Any, schema: Any, query: str = "{ things { name } }", **more: Any) -> Any:
    with Session(engine) as session:
        more.setdefault("context_value", {"session": session})
        return schema.execute(query, **more)


def all_things(session: Session) -> list[Thing]:
    return list(session.scalars(select(Thing).order_by(Thing.id)))


def generated(session: Session) -> Iterator[Thing]:
    yield from all_things(session)


@pytest.mark.parametrize(
    "resolve",
    [
        all_things,
        generated,
        lambda session: tuple(all_things(session)),
        lambda session: {each: 1 for each in all_things(session)}.keys(),
        lambda session: [None, *all_things(session)][1:],
        lambda session: select(Thing).where(Thing.hidden | ~Thing.hidden).distinct(),
        lambda session: session.query(Thing).order_by(Thing.id),
        lambda session: select(aliased(Thing)),
        lambda session: select(Thing).from_statement(select(Thing).order_by(Thing.id)),
        lambda session: select(Thing).options(selectinload(Thing.owner)),
        lambda session: select(Thing).join(Owner).order_by(Thing.id),
    ],
)
def test_lists_of_any_kind(engine: Any, resolve: Any) -> None:
    for of_type in (graphene.List, lambda type_: graphene.List(graphene.NonNull(type_))):
        result = ask(engine, schema_of(resolve, of_type))
        assert result.errors is None
        assert result.data == {"things": VISIBLE}


def test_lists_of_lists_and_nulls(engine: Any) -> None:
    def resolve(session: Session) -> Any:
        found = all_things(session)
        return [found[:2], None, iter(found[2:5]), [None, found[5]], []]

    result = ask(engine, schema_of(resolve, lambda type_: graphene.List(graphene.List(type_))))
    assert result.errors is None
    assert result.data == {"things": [VISIBLE[:1], None, VISIBLE[1:2], [None, VISIBLE[2]], []]}


def test_more_keys_than_a_statement_takes(engine: Any) -> None:
    with Session(engine) as session:
        session.add_all(Thing(id=i, name=f"thing {i}", hidden=i % 2 == 1) for i in range(7, 1500))
        session.commit()
    result = ask(engine, schema_of(all_things))
    assert len(result.data["things"]) == 749
    assert result.errors is None


def test_objects_of_a_hidden_row_are_null(engine: Any) -> None:
    def thing_type(type_: Any) -> Any:
        return type_

    hidden = schema_of(lambda session: session.get(Thing, 1), thing_type)
    assert ask(engine, hidden).data == {"things": None}
    shown = schema_of(lambda session: session.get(Thing, 2), thing_type)
    assert ask(engine, shown).data == {"things": VISIBLE[0]}
    required = schema_of(lambda session: session.get(Thing, 1), graphene.NonNull)
    result = ask(engine, required)
    assert result.data is None
    assert [error.message for error in result.errors] == [
        "Cannot return null for non-nullable field Query.things."
    ]
    assert result.errors[0].path == ["things"]


@pytest.mark.parametrize("async_session", [False, True])
def test_awaitables(engine: Any, tmp_path: Any, async_session: bool) -> None:
    async def later(value: Any) -> Any:
        await asyncio.sleep(0)
        return value

    async def failing() -> Any:
        raise ValueError("no thing")

    thing_type, _ = types_with(visible)

    class Query(graphene.ObjectType):
        one = graphene.Field(thing_type)
        many = graphene.List(thing_type)
        items = graphene.List(thing_type)
        streamed = graphene.List(thing_type)

        def resolve_one(root, info: Any) -> Any:
            return later(info.context["things"][0])

        def resolve_many(root, info: Any) -> Any:
            return later(info.context["things"])

        def resolve_items(root, info: Any) -> Any:
            first, *rest = info.context["things"]
            return [later(first), failing(), *map(later, rest[:-1]), rest[-1]]

        async def resolve_streamed(root, info: Any) -> Any:
            for each in info.context["things"]:
                yield each

    schema = Schema(query=Query, enforce_get_query=True)
    query = "{ one { name } many { name } items { name } streamed { name } }"

    async def run() -> Any:
        if not async_session:
            with Session(engine) as session:
                context = {"session": session, "things": all_things(session)}
                return await schema.execute_async(query, context_value=context)
        own = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/h.sqlite", poolclass=NullPool)
        async with own.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(own) as session:
            await session.run_sync(fill)
            things = list(await session.scalars(select(Thing).order_by(Thing.id)))
            context = {"session": session, "things": things}
            result = await schema.execute_async(query, context_value=context)
        await own.dispose()
        return result

    result = asyncio.run(run())
    assert [error.message for error in result.errors] == ["no thing"]
    assert result.errors[0].path == ["items", 0]  # where it stands among those that are shown
    expected = {"one": None, "many": VISIBLE, "streamed": VISIBLE}
    assert {name: result.data[name] for name in expected} == expected
    assert [each for each in result.data["items"] if each is not None] == VISIBLE


def test_what_an_instance_has_loaded_is_checked_in_one_statement(engine: Any) -> None:
    _, owner_type = types_with(visible)

    class Query(graphene.ObjectType):
        owners = graphene.List(owner_type)

        def resolve_owners(root, info: Any) -> Any:
            session = info.context["session"]
            statement = select(Owner).order_by(Owner.id).options(selectinload(Owner.things))
            return session.scalars(statement).all()

    schema = Schema(query=Query, enforce_get_query=True)
    database = Database("sqlite", engine.url, engine.url, engine)
    with database.statements() as executed:
        result = ask(engine, schema, "{ owners { things { name } } }")
    assert result.errors is None
    assert result.data == {"owners": [{"things": VISIBLE}, {"things": []}]}
    assert len(executed) == 3  # owners, their things, and which of them are visible


def test_the_identity_map_shows_nothing_that_is_hidden(engine: Any) -> None:
    thing_type, owner_type = types_with(visible)

    class Query(graphene.ObjectType):
        owners = graphene.List(owner_type)
        node = relay.Node.Field()

        def resolve_owners(root, info: Any) -> Any:
            return select(Owner).order_by(Owner.id)

    schema = Schema(query=Query, types=[thing_type], enforce_get_query=True)
    query = "{ owners { things { name owner { name } } } node(id: %s) { id } }"
    global_id = relay.Node.to_global_id("ThingType", "1")
    with Session(engine) as session:
        kept = all_things(session)
        kept[1].name = "dirty"
        kept_owners = session.scalars(select(Owner)).all()
        assert kept_owners[0].things
        for autoflush in (True, False):
            session.autoflush = autoflush
            result = schema.execute(
                query % json.dumps(global_id), context_value={"session": session}
            )
            assert result.errors is None
            names = [each["name"] for owner in result.data["owners"] for each in owner["things"]]
            assert sorted(names) == ["dirty", "thing 4", "thing 6"]
            assert result.data["node"] is None


@pytest.mark.parametrize("middleware", [False, True])
def test_resolvers_of_relationships(engine: Any, middleware: bool) -> None:
    registry_ = Registry()

    class ThingType(SQLAlchemyObjectType):
        class Meta:
            model = Thing
            registry = registry_
            use_connection = False

        get_query = classmethod(visible)

    class OwnerType(SQLAlchemyObjectType):
        class Meta:
            model = Owner
            registry = registry_
            use_connection = False

        first = graphene.Field(ThingType)

        def resolve_things(root, info: Any) -> Any:
            return reversed(root.things)

        def resolve_first(root, info: Any) -> Any:
            return root.things[0]

    class Query(graphene.ObjectType):
        owners = graphene.List(OwnerType)

        def resolve_owners(root, info: Any) -> Any:
            return info.context["session"].query(Owner).order_by(Owner.id)

    schema = Schema(query=Query, enforce_get_query=True)
    more = {"middleware": [lambda next_, *args, **kwargs: next_(*args, **kwargs)]}
    query = "{ owners { first { name } things { name owner { name } } } }"
    result = ask(engine, schema, query, **(more if middleware else {}))
    assert result.errors is None
    assert result.data["owners"][1] == {"first": None, "things": []}
    assert result.data["owners"][0]["first"] == VISIBLE[0]
    assert [each["name"] for each in result.data["owners"][0]["things"]] == [
        "thing 6",
        "thing 4",
        "thing 2",
    ]


# -- mutations --


def test_payloads_of_mutations(engine: Any) -> None:
    thing_type, _ = types_with(visible)

    class Change(graphene.Mutation):
        class Arguments:
            id = graphene.Int()
            hidden = graphene.Boolean()

        thing = graphene.Field(thing_type)
        things = graphene.List(thing_type)

        def mutate(root, info: Any, id: int, hidden: bool) -> Any:
            session = info.context["session"]
            thing = session.get(Thing, id)
            thing.hidden = hidden
            return Change(thing=thing, things=all_things(session))

    class Add(graphene.Mutation):
        class Arguments:
            flush = graphene.Boolean()

        thing = graphene.Field(thing_type)

        def mutate(root, info: Any, flush: bool) -> Any:
            session = info.context["session"]
            thing = Thing(name="new", hidden=True)
            session.add(thing)
            if flush:
                session.flush()
            return Add(thing=thing)

    class Delete(graphene.Mutation):
        thing = graphene.Field(thing_type)

        def mutate(root, info: Any) -> Any:
            session = info.context["session"]
            thing = session.get(Thing, 2)
            session.delete(thing)
            session.flush()
            return Delete(thing=thing)

    class Mutation(graphene.ObjectType):
        change = Change.Field()
        add = Add.Field()
        delete = Delete.Field()

    class Query(graphene.ObjectType):
        thing = graphene.Field(thing_type)

    schema = Schema(query=Query, mutation=Mutation, enforce_get_query=True)
    changes = """mutation {
        a: change(id: 2, hidden: true) { thing { name } things { name } }
        b: change(id: 2, hidden: false) { thing { name } things { name } }
        c: change(id: 2, hidden: true) { thing { name } things { name } } }"""
    result = ask(engine, schema, changes)
    assert result.errors is None
    without = {"thing": None, "things": VISIBLE[1:]}
    assert result.data == {
        "a": without,
        "b": {"thing": VISIBLE[0], "things": VISIBLE},
        "c": without,
    }
    # What has no row yet is the caller's own; what has one is checked, and what has none any more
    # cannot be.
    for query, expected in (
        ("mutation { add(flush: false) { thing { name } } }", {"name": "new"}),
        ("mutation { add(flush: true) { thing { name } } }", None),
        ("mutation { delete { thing { name } } }", None),
    ):
        result = ask(engine, schema, query)
        assert result.errors is None
        (payload,) = result.data.values()
        assert payload == {"thing": expected}


# -- tenants --


def owned(cls: Any, info: Any) -> Any:
    return select(Thing).where(Thing.owner_id == info.context["owner"])


@pytest.mark.parametrize("resolve", [lambda session: select(Thing).order_by(Thing.id), all_things])
def test_tenants_that_alternate_on_one_session(engine: Any, resolve: Any) -> None:
    schema = schema_of(resolve, get_query=owned)
    with Session(engine) as session:
        kept = all_things(session)
        for owner in (1, 2, 1, 1, 2):
            result = schema.execute(
                "{ things { name } }", context_value={"session": session, "owner": owner}
            )
            assert result.errors is None
            expected = [each.name for each in kept if each.owner_id == owner]
            assert [each["name"] for each in result.data["things"]] == expected
        body = schema.execute_json(
            "{ things { name } }", context_value={"session": session, "owner": 2}
        )
        assert len(json.loads(body)["data"]["things"]) == 3


@pytest.mark.parametrize("by", ["select", "instances"])
def test_tenants_that_run_concurrently(tmp_path: Any, by: str) -> None:
    async def resolve(session: AsyncSession) -> Any:
        await asyncio.sleep(0)
        statement = select(Thing).order_by(Thing.id)
        return statement if by == "select" else (await session.scalars(statement)).all()

    schema = schema_of(resolve, get_query=owned)

    async def run() -> None:
        own = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/h.sqlite", poolclass=NullPool)
        async with own.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(own) as session:
            await session.run_sync(fill)

        async def request(owner: int) -> None:
            async with AsyncSession(own) as session:
                context = {"session": session, "owner": owner}
                result = await schema.execute_async("{ things { name } }", context_value=context)
            assert result.errors is None
            found = [int(each["name"][-1]) for each in result.data["things"]]
            assert found == ([2, 4, 6] if owner == 1 else [1, 3, 5])

        await asyncio.gather(*(request(i % 2 + 1) for i in range(20)))
        await own.dispose()

    asyncio.run(run())


def test_get_query_is_called_once_for_each_operation(engine: Any) -> None:
    calls = []

    def counting(cls: Any, info: Any) -> Any:
        calls.append(info)
        return visible(cls, info)

    schema = schema_of(all_things, get_query=counting)
    query = (
        "query Q($no: Boolean) { a: things { name } b: things { name owner { things { name } } } }"
    )
    result = ask(engine, schema, query.replace("($no: Boolean)", ""))
    assert result.errors is None
    assert len(calls) == 1
    assert calls[0].operation.name.value == "Q"
    assert calls[0].schema is schema.graphql_schema


# -- statements of get_query --


def _exists_owner() -> Any:
    return exists().where(Owner.id == Thing.owner_id, Owner.id == 1)


@pytest.mark.parametrize("by_rows", [True, False])
@pytest.mark.parametrize(
    "given",
    [
        lambda: select(Thing).where(Thing.owner_id == 1),
        lambda: select(Thing).join(Thing.owner).where(Owner.name == "owner 1"),
        lambda: select(Thing).where(Thing.owner.has(Owner.name == "owner 1")),
        lambda: select(Thing).where(_exists_owner()),
        lambda: select(Thing).where(Thing.owner_id.in_(select(Owner.id).where(Owner.id == 1))),
        lambda: select(Thing).where(Thing.owner_id == Owner.id, Owner.id == 1),
        lambda: select(Thing).where(Thing.owner_id == 1).order_by(Thing.id).limit(10),
        lambda: select(Thing).where(Thing.owner_id == 1).distinct(),
        lambda: select(Thing).where(Thing.owner_id == 1).group_by(Thing.id),
        lambda: select(Thing).filter_by(owner_id=1).options(selectinload(Thing.owner)),
        lambda: select(Thing).where(
            Thing.id.in_(select(func.max(aliased(Thing).id)).correlate(None))
            | (Thing.owner_id == 1)
        ),
    ],
)
def test_statements_that_get_query_may_give(engine: Any, given: Any, by_rows: bool) -> None:
    for legacy in (False, True):

        def get_query(cls: Any, info: Any, legacy: bool = legacy) -> Any:
            if not legacy:
                return given()
            keys = given().with_only_columns(Thing.id).order_by(None)
            return info.context["session"].query(Thing).filter(Thing.id.in_(keys))

        thing_type, owner_type = types_with(get_query)

        class Query(graphene.ObjectType):
            things = graphene.List(thing_type)
            owners = graphene.List(owner_type)

            def resolve_things(root, info: Any) -> Any:
                return select(Thing).join(Thing.owner).order_by(Thing.id)

            def resolve_owners(root, info: Any) -> Any:
                return select(Owner).order_by(Owner.id)

        schema = Schema(query=Query, enforce_get_query=True, rows=by_rows)
        query = "{ things { name owner { things { name } } } owners { name things { name } } }"
        result = ask(engine, schema, query)
        assert result.errors is None
        assert [each["name"] for each in result.data["things"]] == ["thing 2", "thing 4", "thing 6"]
        assert result.data["owners"] == [
            {"name": "owner 1", "things": VISIBLE},
            {"name": "owner 2", "things": []},
        ]


def test_criteria_that_speak_of_each_other(engine: Any) -> None:
    registry_ = Registry()

    class ThingType(SQLAlchemyObjectType):
        class Meta:
            model = Thing
            registry = registry_
            use_connection = False

        @classmethod
        def get_query(cls, info: Any) -> Any:
            inner = select(Owner.id).where(Owner.things.any(Thing.name == "thing 2"))
            return select(Thing).where(Thing.owner_id.in_(inner))

    class OwnerType(SQLAlchemyObjectType):
        class Meta:
            model = Owner
            registry = registry_
            use_connection = False

        @classmethod
        def get_query(cls, info: Any) -> Any:
            inner = select(Thing.owner_id).where(Thing.owner.has(Owner.name != "nobody"))
            return select(Owner).where(Owner.id.in_(inner))

    class Query(graphene.ObjectType):
        owners = graphene.List(OwnerType)

        def resolve_owners(root, info: Any) -> Any:
            return select(Owner).order_by(Owner.id)

    schema = Schema(query=Query, enforce_get_query=True)
    result = ask(engine, schema, "{ owners { name things { name owner { name } } } }")
    assert result.errors is None
    assert [len(each["things"]) for each in result.data["owners"]] == [3, 0]


@pytest.mark.parametrize(
    "given, message",
    [
        (lambda: [], "get_query of ThingType must give a Select or a Query, not a list."),
        (lambda: None, "get_query of ThingType must give a Select or a Query, not a NoneType."),
        (lambda: select(Owner), "get_query of ThingType must select Thing."),
        (lambda: select(Thing.id), "get_query of ThingType must select Thing."),
        (lambda: select(aliased(Thing)), "get_query of ThingType must select Thing."),
        (
            lambda: select(Thing).options(with_loader_criteria(Thing, Thing.id == 2)),
            "get_query of ThingType has with_loader_criteria or an option of the application's, "
            "which a subquery ignores: give the criteria to where().",
        ),
        (lambda: 1 // 0, "integer division or modulo by zero"),
    ],
)
def test_a_get_query_that_cannot_be_enforced_is_an_error(
    engine: Any, given: Any, message: str
) -> None:
    for resolve in (all_things, lambda session: select(Thing)):
        schema = schema_of(resolve, get_query=lambda cls, info: given())
        result = ask(engine, schema, "{ a: things { name } b: things { name } }")
        assert result.data == {"a": None, "b": None}
        assert [error.message for error in result.errors] == [message, message]
        assert [error.path for error in result.errors] == [["a"], ["b"]]
