"""Mappings that few applications have: what load_many gives is what the attribute gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    ForeignKey,
    Integer,
    String,
    Table,
    TypeDecorator,
    and_,
    bindparam,
    create_engine,
    event,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.ext.declarative import ConcreteBase
from sqlalchemy.orm import (
    Session,
    UserDefinedOption,
    declarative_base,
    foreign,
    joinedload,
    relationship,
    remote,
)

from graphene_sqlalchemy_c import get_batch_resolver

from .conftest import Database, own_database


@pytest.fixture
def engine() -> Engine:
    return create_engine("sqlite://")


def identities(value: Any) -> Any:
    if value is None:
        return None
    return (
        [inspect(each).identity for each in value]
        if isinstance(value, list)
        else inspect(value).identity
    )


def compare(engine: Engine, cls: Any, key: str, *options: Any) -> tuple[list[Any], int]:
    """load_many against the attribute, each in a session of its own; returns it and its SELECTs."""
    statement = select(cls).options(*options).order_by(*inspect(cls).primary_key)
    with Session(engine) as session:
        expected = [identities(getattr(each, key)) for each in session.scalars(statement).unique()]
    executed: list[str] = []
    with Session(engine) as session:
        parents = list(session.scalars(statement).unique())
        event.listen(engine, "before_cursor_execute", lambda *args: executed.append(args[2]))
        results = get_batch_resolver(inspect(cls).relationships[key]).load_many(parents)
        count = len(executed)
        for each in results:
            if isinstance(each, Exception):
                raise each
        assert [identities(each) for each in results] == expected
    return expected, count


def filled(base: Any, engine: Engine, rows: dict[Any, list[dict[str, Any]]]) -> None:
    base.metadata.create_all(engine)
    with engine.begin() as connection:
        for table, values in rows.items():
            connection.execute(insert(getattr(table, "__table__", table)), values)


def test_a_subclass_may_have_a_relationship_of_its_own(engine: Engine) -> None:
    """Its filter must not be lost where the base class is batched."""
    base: Any = declarative_base()

    class Item(base):
        __tablename__ = "items"
        id = Column(Integer, primary_key=True)
        a_id = Column(Integer)
        kind = Column(String(9))

    class A(base):
        __tablename__ = "a"
        id = Column(Integer, primary_key=True)
        type = Column(String(9))
        items = relationship(
            Item, primaryjoin=lambda: A.id == foreign(Item.a_id), viewonly=True, order_by=Item.id
        )
        __mapper_args__ = {"polymorphic_on": type, "polymorphic_identity": "a"}  # noqa: RUF012

    class A2(A):
        items = relationship(
            Item,
            primaryjoin=lambda: and_(A.id == foreign(Item.a_id), Item.kind == "public"),
            viewonly=True,
            order_by=Item.id,
        )
        __mapper_args__ = {"polymorphic_identity": "a2"}  # noqa: RUF012

    rows = [{"id": i, "a_id": i % 4, "kind": ("public", "secret")[i // 4 % 2]} for i in range(24)]
    types = [{"id": i, "type": ("a", "a2")[i % 2]} for i in range(4)]
    filled(base, engine, {A: types, Item: rows})
    expected, count = compare(engine, A, "items")
    assert len(expected[0]) == 6 and len(expected[1]) == 3 and count == 2
    # The same by way of the resolver, which guesses siblings.
    resolver = get_batch_resolver(inspect(A).relationships["items"])
    info = type(
        "Info",
        (),
        {
            "is_awaitable": staticmethod(lambda _: False),
            "variable_values": {},
            "operation": type("Operation", (), {"operation": None}),
            "field_nodes": [object()],
        },
    )
    with Session(engine) as session:
        for parent, wanted in zip(
            session.scalars(select(A).order_by(A.id)).all(), expected, strict=True
        ):
            assert identities(resolver(parent, info)) == wanted


def test_a_parent_that_is_mapped_to_a_subquery(engine: Engine) -> None:
    base: Any = declarative_base()
    table = Table(
        "p", base.metadata, Column("id", Integer, primary_key=True), Column("low", Integer)
    )
    subquery = select(table.c.id, table.c.low).subquery()

    class Child(base):
        __tablename__ = "c"
        id = Column(Integer, primary_key=True)
        p_id = Column(Integer)
        rating = Column(Integer)

    class Parent(base):
        __table__ = subquery
        __mapper_args__ = {"primary_key": [subquery.c.id]}  # noqa: RUF012
        children = relationship(
            Child,
            primaryjoin=lambda: and_(
                subquery.c.id == foreign(Child.p_id), subquery.c.low <= Child.rating
            ),
            viewonly=True,
            order_by=Child.id,
        )

    children = [{"id": i, "p_id": i % 3, "rating": i} for i in range(12)]
    filled(base, engine, {table: [{"id": i, "low": 4} for i in range(3)], Child: children})
    expected, _ = compare(engine, Parent, "children")
    assert expected[0] == [(6,), (9,)]


def test_a_target_over_a_polymorphic_union(engine: Engine) -> None:
    base: Any = declarative_base()

    class Company(base):
        __tablename__ = "companies"
        id = Column(Integer, primary_key=True)
        rich = relationship(
            "Employee",
            primaryjoin=lambda: and_(
                Company.id == foreign(Employee.__table__.c.company_id),
                Employee.__table__.c.salary > 2,
            ),
            viewonly=True,
            order_by=lambda: Employee.__table__.c.id,
        )

    class Employee(ConcreteBase, base):
        __tablename__ = "employees"
        id = Column(Integer, primary_key=True)
        company_id = Column(Integer)
        salary = Column(Integer)
        __mapper_args__ = {"polymorphic_identity": "e", "concrete": True}  # noqa: RUF012

    class Manager(Employee):
        __tablename__ = "managers"
        id = Column(Integer, primary_key=True)
        company_id = Column(Integer)
        salary = Column(Integer)
        __mapper_args__ = {"polymorphic_identity": "m", "concrete": True}  # noqa: RUF012

    people = [{"id": i, "company_id": i % 2, "salary": i} for i in range(1, 7)]
    filled(
        base,
        engine,
        {
            Company: [{"id": 0}, {"id": 1}],
            Employee: people,
            Manager: [{**p, "id": p["id"] + 10} for p in people],
        },
    )
    with Session(engine) as session:
        parents = list(session.scalars(select(Company).order_by(Company.id)))
        found = get_batch_resolver(inspect(Company).relationships["rich"]).load_many(parents)
        assert [[(each.id, each.salary) for each in one] for one in found] == [
            [(4, 4), (6, 6), (14, 4), (16, 6)],
            [(3, 3), (5, 5), (13, 3), (15, 5)],
        ]


class Doubled(TypeDecorator):
    """An integer that is kept as its double."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value * 2

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value // 2


class Halved(Integer):
    """The same, as a subclass of Integer with processors of its own."""

    def bind_processor(self, dialect: Any) -> Callable[[Any], Any]:
        return lambda value: None if value is None else value * 2

    def result_processor(self, dialect: Any, coltype: Any) -> Callable[[Any], Any]:
        return lambda value: None if value is None else value // 2


@pytest.mark.parametrize("local", [Integer(), Doubled(), Halved()], ids=lambda t: type(t).__name__)
@pytest.mark.parametrize(
    "remote_type", [Integer(), Doubled(), Halved()], ids=lambda t: type(t).__name__
)
def test_keys_of_different_types(engine: Engine, local: Any, remote_type: Any) -> None:
    """A key is bound as the parent's column binds it, and rows are found again."""
    base: Any = declarative_base()

    class Target(base):
        __tablename__ = "t"
        id = Column(remote_type, primary_key=True)

    class Source(base):
        __tablename__ = "s"
        id = Column(Integer, primary_key=True)
        t_id = Column(local)
        target = relationship(Target, primaryjoin=lambda: foreign(Source.t_id) == Target.id)

    Target.sources = relationship(
        Source,
        primaryjoin=lambda: foreign(Source.t_id) == Target.id,
        viewonly=True,
        order_by=Source.id,
    )
    base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO t VALUES (2), (4), (6), (8)"))
        connection.execute(text("INSERT INTO s VALUES (1, 2), (2, 4), (3, 6), (4, 99), (5, NULL)"))
    compare(engine, Source, "target")
    compare(engine, Target, "sources")


@pytest.mark.parametrize("declared", ["no", "collation", "variant"])
def test_keys_that_the_database_compares_without_case(engine: Engine, declared: str) -> None:
    base: Any = declarative_base()
    type_: Any = {
        "no": String(10),
        "collation": String(10, collation="NOCASE"),
        "variant": String(10).with_variant(String(10, collation="NOCASE"), "sqlite"),
    }[declared]
    with engine.begin() as connection:
        for name in ("publishers", "books"):
            key = "code VARCHAR(10) COLLATE NOCASE"
            columns = (
                f"{key} PRIMARY KEY" if name == "publishers" else f"id INTEGER PRIMARY KEY, {key}"
            )
            connection.execute(text(f"CREATE TABLE {name} ({columns})"))

    class Publisher(base):
        __tablename__ = "publishers"
        code = Column(type_, primary_key=True)
        books = relationship("Book", viewonly=True, order_by="Book.id")

    class Book(base):
        __tablename__ = "books"
        id = Column(Integer, primary_key=True)
        code = Column(type_, ForeignKey("publishers.code"))
        publisher = relationship(Publisher)

    codes = ["ab", "AB", "Ab", "cd", "CD", None, "lost"]
    filled(
        base,
        engine,
        {
            Publisher: [{"code": "ab"}, {"code": "CD"}],
            Book: [{"id": i, "code": code} for i, code in enumerate(codes, 1)],
        },
    )
    expected, _ = compare(engine, Book, "publisher")
    assert expected == [("ab",)] * 3 + [("CD",)] * 2 + [None] * 2
    expected, _ = compare(engine, Publisher, "books")
    assert sorted(map(len, expected)) == [2, 3]


def test_a_condition_that_fits_two_pairs_of_columns(engine: Engine) -> None:
    base: Any = declarative_base()

    class Swap(base):
        __tablename__ = "w"
        id = Column(Integer, primary_key=True)
        a = Column(Integer)
        b = Column(Integer)
        mirror = relationship(
            "Swap",
            primaryjoin=lambda: and_(
                foreign(Swap.a) == remote(Swap.b), foreign(Swap.b) == remote(Swap.a)
            ),
            viewonly=True,
            uselist=True,
            order_by=id,
        )

    pairs = [(1, 2), (2, 1), (1, 3), (3, 3), (2, 2)]
    filled(base, engine, {Swap: [{"id": i, "a": a, "b": b} for i, (a, b) in enumerate(pairs)]})
    expected, _ = compare(engine, Swap, "mirror")
    assert expected[0] == [(1,)] and expected[2] == []


def test_a_parameter_of_the_users_own(engine: Engine) -> None:
    base: Any = declarative_base()

    class Child(base):
        __tablename__ = "c"
        id = Column(Integer, primary_key=True)
        p_id = Column(ForeignKey("p.id"))

    class Parent(base):
        __tablename__ = "p"
        id = Column(Integer, primary_key=True)
        children = relationship(
            Child,
            primaryjoin=lambda: and_(Parent.id == Child.p_id, Child.id > bindparam("keys", 2)),
            viewonly=True,
            order_by=Child.id,
        )

    filled(base, engine, {Parent: [{"id": 1}], Child: [{"id": i, "p_id": 1} for i in range(5)]})
    expected, _ = compare(engine, Parent, "children")
    assert expected == [[(3,), (4,)]]


class Unhashable(UserDefinedOption):
    propagate_to_loaders = True

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]


def simple_models() -> tuple[Any, Any, Any]:
    base: Any = declarative_base()

    class Toy(base):
        __tablename__ = "toys"
        id = Column(Integer, primary_key=True)
        child_id = Column(ForeignKey("c.id"))

    class Child(base):
        __tablename__ = "c"
        id = Column(Integer, primary_key=True)
        p_id = Column(ForeignKey("p.id"))
        toys = relationship(Toy, lazy="joined", order_by=Toy.id)
        lazy_toys = relationship(Toy, viewonly=True, order_by=Toy.id)

    class Parent(base):
        __tablename__ = "p"
        id = Column(Integer, primary_key=True)
        children = relationship(Child, order_by=Child.id)

    return base, Parent, Child


@pytest.fixture
def family(engine: Engine) -> tuple[Any, Any]:
    base, parent, child = simple_models()
    tables = base.metadata.tables
    filled(
        base,
        engine,
        {
            tables["p"]: [{"id": i} for i in range(4)],
            tables["c"]: [{"id": i, "p_id": i % 3} for i in range(9)],
            tables["toys"]: [{"id": i, "child_id": i % 5} for i in range(20)],
        },
    )
    return parent, child


def test_an_option_that_cannot_be_hashed(engine: Engine, family: Any) -> None:
    compare(engine, family[0], "children", Unhashable())


def test_a_child_whose_collection_is_loaded_by_an_eager_join(engine: Engine, family: Any) -> None:
    parent, _ = family
    _, first = compare(engine, parent, "children")
    expected, later = compare(engine, parent, "children")
    assert [len(each) for each in expected] == [3, 3, 3, 0]
    # The ORM's insistence on unique() is found out once.
    assert (first, later) == (2, 1)


def test_an_event_that_adds_an_eager_join(engine: Engine, family: Any) -> None:
    parent, child = family

    def add(state: Any) -> None:
        if state.is_select and state.statement.column_descriptions[0]["entity"] is child:
            state.statement = state.statement.options(joinedload(child.lazy_toys))

    event.listen(Session, "do_orm_execute", add)
    try:
        compare(engine, parent, "children")
    finally:
        event.remove(Session, "do_orm_execute", add)


def test_a_session_without_a_bind_fails_alone(engine: Engine, family: Any) -> None:
    parent, _ = family

    class Lost(Session):
        def get_bind(self, *args: Any, **kwargs: Any) -> Any:
            if self.info.get("lost"):
                raise RuntimeError("no bind today")
            return super().get_bind(*args, **kwargs)

    resolver = get_batch_resolver(inspect(parent).relationships["children"])
    with Session(engine) as healthy, Lost(engine) as lost:
        parents = [*healthy.scalars(select(parent)), *lost.scalars(select(parent))]
        lost.info["lost"] = True
        results = resolver.load_many(parents)
    assert [len(each) for each in results[:4]] == [3, 3, 3, 0]
    assert [str(each) for each in results[4:]] == ["no bind today"] * 4


def test_a_guess_costs_no_statement_for_each_sibling(engine: Engine) -> None:
    """Siblings whose key is deferred are left out of the guess."""
    base: Any = declarative_base()

    class Target(base):
        __tablename__ = "t"
        id = Column(Integer, primary_key=True)

    class Source(base):
        __tablename__ = "s"
        id = Column(Integer, primary_key=True)
        t_id = Column(ForeignKey("t.id"))
        target = relationship(Target)

    filled(base, engine, {Target: [{"id": 1}], Source: [{"id": i, "t_id": 1} for i in range(50)]})
    executed: list[str] = []
    resolver = get_batch_resolver(inspect(Source).relationships["target"])
    with Session(engine) as session:
        parents = list(session.scalars(select(Source)))
        for each in parents:
            session.expire(each, ["t_id"])
        event.listen(engine, "before_cursor_execute", lambda *args: executed.append(args[2]))
        answers = resolver.loader.load(parents, 500)
    assert answers == {} and len(executed) == 2


def test_a_key_that_is_too_large_for_the_child_in_postgresql(postgresql: Engine) -> None:
    """One parent's key must not fail the load of its siblings."""
    base: Any = declarative_base()

    class Child(base):
        __tablename__ = "c"
        id = Column(Integer, primary_key=True)
        p_id = Column(Integer)

    class Parent(base):
        __tablename__ = "p"
        id = Column(BigInteger, primary_key=True)
        children = relationship(
            Child, primaryjoin=lambda: Parent.id == foreign(Child.p_id), order_by=Child.id
        )

    parents = [{"id": 1}, {"id": 2**40}]
    filled(base, postgresql, {Parent: parents, Child: [{"id": 1, "p_id": 1}]})
    expected, count = compare(postgresql, Parent, "children")
    assert expected == [[(1,)], []] and count == 1


@pytest.fixture
def postgresql() -> Any:
    with own_database("postgresql") as (url, _):
        engine = create_engine(url)
        yield engine
        engine.dispose()


def test_the_zoo_needs_no_attribute_reads(sqlite: Database) -> None:
    """Every relationship of the zoo that is not dynamic can be batched."""
    from graphene_sqlalchemy_c.batching import loader_for

    from .zoo import MODELS

    reasons = {
        str(relation): loader_for(relation).reason
        for model in MODELS
        for relation in inspect(model).relationships
        if loader_for(relation).reason is not None
    }
    assert reasons == {"Author.stream": "lazy='dynamic'"}
