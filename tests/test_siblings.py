"""The guess which siblings a parent has, under graphql-core's executor with a plain Session."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import graphene
import pytest
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import ForeignKey, event, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import NullPool

from graphene_sqlalchemy_c import SQLAlchemyObjectType
from graphene_sqlalchemy_c.statements import KEYS_PER_STATEMENT

from .conftest import Database, on_sqlite

PARENTS = 1200


class Base(DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("groups.id"))
    group: Mapped[Group] = relationship()
    children: Mapped[list[Child]] = relationship(order_by="Child.id")


class Group(Base):
    __tablename__ = "groups"
    id: Mapped[int] = mapped_column(primary_key=True)


class Child(Base):
    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(ForeignKey("parents.id"))
    toys: Mapped[list[Toy]] = relationship(order_by="Toy.id")


class Toy(Base):
    __tablename__ = "toys"
    id: Mapped[int] = mapped_column(primary_key=True)
    child_id: Mapped[int] = mapped_column(ForeignKey("children.id"))


def build_schema() -> graphene.Schema:
    registry = Registry()
    types = {
        model: type(
            model.__name__,
            (SQLAlchemyObjectType,),
            {"Meta": type("Meta", (), {"model": model, "registry": registry})},
        )
        for model in (Parent, Group, Child, Toy)
    }

    class Query(graphene.ObjectType):
        parents = graphene.List(types[Parent], last=graphene.Int(default_value=PARENTS))
        others = graphene.List(types[Parent])

        def resolve_parents(self, info: Any, last: int) -> Any:
            statement = select(Parent).where(Parent.id <= last).order_by(Parent.id)
            session = info.context["session"]
            if not isinstance(session, AsyncSession):
                return session.scalars(statement).all()

            async def later() -> Any:
                return (await session.scalars(statement)).all()

            return later()

        def resolve_others(self, info: Any) -> Any:
            statement = select(Parent).where(Parent.id > 1000).order_by(Parent.id)
            return info.context["session"].scalars(statement).all()

    return graphene.Schema(query=Query)


@pytest.fixture(scope="module")
def large(tmp_path_factory: Any) -> Database:
    database = on_sqlite(tmp_path_factory.mktemp("large") / "large.sqlite")
    Base.metadata.create_all(database.engine)
    with database.engine.begin() as connection:
        connection.execute(Group.__table__.insert(), [{"id": i} for i in range(1, 41)])
        connection.execute(
            Parent.__table__.insert(),
            [{"id": i, "group_id": i % 40 + 1} for i in range(1, PARENTS + 1)],
        )
        connection.execute(
            Child.__table__.insert(),
            [{"id": i, "parent_id": i} for i in range(1, PARENTS + 1)],
        )
        connection.execute(
            Toy.__table__.insert(), [{"id": i, "child_id": i} for i in range(1, PARENTS + 1)]
        )
    return database


@pytest.fixture(scope="module")
def schema() -> graphene.Schema:
    return build_schema()


CHUNKS = -(-PARENTS // KEYS_PER_STATEMENT)


@pytest.mark.parametrize("mode", ["sync", "async", "asyncsession"])
def test_a_large_level_takes_one_statement_for_each_chunk(
    large: Database, schema: Any, mode: str
) -> None:
    query = "{ parents { children { id toys { id } } } }"
    result, executed = large.run(schema, query, mode)
    assert result.errors is None
    assert [p["children"][0]["toys"] for p in result.data["parents"]] == [
        [{"id": str(i)}] for i in range(1, PARENTS + 1)
    ]
    if mode == "asyncsession":
        assert len(executed) == 1 + 2 * CHUNKS
    else:
        # Depth first: the children of the first chunk are there before those of the second.
        assert len(executed) <= 1 + CHUNKS + 2 * CHUNKS


@pytest.mark.parametrize("mode", ["sync", "async", "asyncsession"])
def test_many_to_one_counts_targets_not_parents(large: Database, schema: Any, mode: str) -> None:
    result, executed = large.run(schema, "{ parents { group { id } } }", mode)
    assert result.errors is None and len(executed) == 2


def test_each_field_of_an_operation_looks_for_its_own_siblings(
    large: Database, schema: Any
) -> None:
    query = "{ parents(last: 100) { children { id } } others { children { id } } }"
    result, executed = large.run(schema, query)
    assert len(result.data["others"]) == 200 and result.errors is None
    assert len(executed) == 4


def test_operations_of_one_session_do_not_share_their_guesses(large: Database, schema: Any) -> None:
    with Session(large.engine) as session, large.statements() as executed:
        for last in (10, 20):
            result = schema.execute(
                "query ($last: Int) { parents(last: $last) { children { id } } }",
                variable_values={"last": last},
                context_value={"session": session},
            )
            assert result.errors is None
        assert len(executed) == 4


def test_no_instance_is_kept_alive(large: Database, schema: Any) -> None:
    with Session(large.engine) as session:
        schema.execute(
            "{ parents(last: 50) { children { id } } }", context_value={"session": session}
        )
        gc.collect()
        assert len(session.identity_map) == 0


def test_nothing_outlives_the_session(large: Database, schema: Any) -> None:
    session = Session(large.engine)
    schema.execute("{ parents(last: 50) { children { id } } }", context_value={"session": session})
    gone = weakref.ref(session)
    session.close()
    del session
    gc.collect()
    assert gone() is None


def test_threads_do_not_meet(large: Database, schema: Any) -> None:
    answers: list[Any] = []

    def work(last: int) -> None:
        result, _ = large.run(schema, f"{{ parents(last: {last}) {{ children {{ id }} }} }}")
        answers.append((last, len(result.data["parents"]), result.errors))

    threads = [threading.Thread(target=work, args=(last,)) for last in range(10, 90, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [(last, last, None) for last in range(10, 90, 10)]


@pytest.mark.parametrize("mode", ["sync", "async", "asyncsession"])
def test_a_failing_statement_is_an_error_at_each_field_it_served(
    large: Database, schema: Any, mode: str
) -> None:
    """The toys' table fails; everything else of the response stays."""

    def fail(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM toys" in statement:
            failures.append(statement)
            raise RuntimeError("the toys are lost")

    failures: list[str] = []
    query = "{ parents(last: 20) { id children { id toys { id } } group { id } } }"
    async_engine = create_async_engine(large.async_url, poolclass=NullPool)
    engine = async_engine.sync_engine if mode == "asyncsession" else large.engine
    event.listen(engine, "before_cursor_execute", fail)

    async def run_async_session() -> Any:
        async with AsyncSession(async_engine) as session:
            result = await schema.execute_async(query, context_value={"session": session})
            assert (await session.scalar(select(Parent.id).where(Parent.id == 1))) == 1
        await async_engine.dispose()
        return result

    try:
        if mode == "asyncsession":
            result = asyncio.run(run_async_session())
        else:
            result, _ = large.run(schema, query, mode)
    finally:
        event.remove(engine, "before_cursor_execute", fail)
    assert len(failures) == 1
    # children is [Child!]!, toys is [Toy!]!: the nulls climb to the parent in its nullable list.
    assert [error.path for error in result.errors] == [
        ["parents", i, "children", 0, "toys"] for i in range(20)
    ]
    assert {error.message for error in result.errors} == {"the toys are lost"}
    assert result.data == {"parents": [None] * 20}


def test_a_failing_statement_leaves_the_other_fields(large: Database, schema: Any) -> None:
    with Session(large.engine) as session:
        session.execute(text("ATTACH DATABASE ':memory:' AS hidden"))
        session.execute(text("CREATE TEMP TABLE groups (other INTEGER)"))
        result = schema.execute(
            "{ parents(last: 3) { id group { id } } }", context_value={"session": session}
        )
    assert result.data == {"parents": [{"id": str(i), "group": None} for i in (1, 2, 3)]}
    assert len(result.errors) == 3
    assert all("no such column: groups.id" in error.message for error in result.errors)
