"""Class hierarchies that are mapped in unusual ways: by rows where that is certain."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import graphene
import graphene_sqlalchemy
import pytest
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import (
    Enum,
    ForeignKey,
    Integer,
    String,
    case,
    event,
    func,
)
from sqlalchemy.ext.declarative import ConcreteBase
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    configure_mappers,
    deferred,
    mapped_column,
    relationship,
)

import graphene_sqlalchemy_c

from . import inheritance_zoo as zoo
from .conftest import Database, on_sqlite
from .rows_harness import ask, same, selects, shown

Case = dict[str, Any]


def joined(base_arguments: dict[str, Any] | None = None, **of_subclasses: Any) -> Any:
    """Animals: cats and dogs in tables of their own, lions in that of the cats."""

    class Base(DeclarativeBase):
        pass

    class Animal(Base):
        __tablename__ = "im_animals"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(String(20))
        name: Mapped[str] = mapped_column(String(20))
        mother_id: Mapped[int | None] = mapped_column(ForeignKey("im_animals.id"))
        young: Mapped[list[Animal]] = relationship(order_by="Animal.id")
        __mapper_args__ = {"polymorphic_on": "kind", **(base_arguments or {})}  # noqa: RUF012

    class Cat(Animal):
        __tablename__ = "im_cats"
        cat_id: Mapped[int] = mapped_column(ForeignKey("im_animals.id"), primary_key=True)
        lives: Mapped[int | None]
        sound: Mapped[str | None] = mapped_column(String(20))
        __mapper_args__ = {"polymorphic_identity": "cat", **of_subclasses}  # noqa: RUF012

    class Lion(Cat):
        mane: Mapped[str | None] = mapped_column(String(20))
        __mapper_args__ = {"polymorphic_identity": "lion"}  # noqa: RUF012

    class Dog(Animal):
        __tablename__ = "im_dogs"
        id: Mapped[int] = mapped_column(ForeignKey("im_animals.id"), primary_key=True)
        sound: Mapped[int | None]
        __mapper_args__ = {"polymorphic_identity": "dog", **of_subclasses}  # noqa: RUF012

    return Base, Animal, (Lion, Cat, Dog)


JOINED_QUERY = """{ all { __typename name young { name ... on Cat { lives } }
    ... on Lion { mane lives sound } ... on Cat { lives sound } ... on Dog { count: sound } } }"""


def fill_joined(models: Any) -> list[Any]:
    _, _, (lion, cat, dog) = models
    return [
        cat(name="a", lives=9, sound="miaow"),
        dog(name="b", sound=3),
        lion(name="c", lives=1, mane="long", mother_id=1),
        cat(name="d", mother_id=1),
        dog(name="e", mother_id=2),
    ]


def one_table(make_kind: Callable[[], Any], identities: tuple[Any, Any], **arguments: Any) -> Any:
    """Single-table inheritance with some discriminator."""

    class Base(DeclarativeBase):
        pass

    class Animal(Base):
        __tablename__ = "im_animals"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind = make_kind()
        name: Mapped[str] = mapped_column(String(20))
        __mapper_args__ = {"polymorphic_on": "kind", **arguments}  # noqa: RUF012

    class Cat(Animal):
        lives: Mapped[int | None] = mapped_column(use_existing_column=True)
        __mapper_args__ = {"polymorphic_identity": identities[0]}  # noqa: RUF012

    class Dog(Animal):
        lives: Mapped[int | None] = mapped_column(use_existing_column=True)
        __mapper_args__ = {"polymorphic_identity": identities[1]}  # noqa: RUF012

    return Base, Animal, (Cat, Dog)


TABLE_QUERY = "{ all { __typename name ... on Cat { lives } } }"


def fill_table(models: Any) -> list[Any]:
    _, _, (cat, dog) = models
    return [cat(name="a", lives=9), dog(name="b", lives=1), cat(name="c")]


class Kind(enum.Enum):
    CAT = "cat"
    DOG = "dog"


def by_expression() -> Any:
    """The discriminator is an expression over a column."""

    class Base(DeclarativeBase):
        pass

    class Animal(Base):
        __tablename__ = "im_animals"
        id: Mapped[int] = mapped_column(primary_key=True)
        code: Mapped[int] = mapped_column()
        name: Mapped[str] = mapped_column(String(20))
        __mapper_args__ = {"polymorphic_on": case((code > 5, "dog"), else_="cat")}  # noqa: RUF012

    class Cat(Animal):
        lives: Mapped[int | None]
        __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012

    class Dog(Animal):
        __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012

    return Base, Animal, (Cat, Dog)


def fill_expression(models: Any) -> list[Any]:
    _, _, (cat, dog) = models
    return [cat(name="a", lives=9, code=1), dog(name="b", code=9), cat(name="c", code=2)]


def watched() -> Any:
    models = one_table(lambda: mapped_column(String(20)), ("cat", "dog"))
    event.listen(models[2][0], "load", lambda *_: None)
    return models


def with_expression() -> Any:
    models = joined()
    cat = models[2][1]
    cat.sound = column_property(func.upper(cat.__table__.c.sound, type_=String))
    return models


def with_deferred() -> Any:
    models = joined()
    lion, cat, _dog = models[2]
    lion.mane = deferred(cat.__table__.c.mane)
    return models


def renamed() -> Any:
    """Attributes that are not named like their columns."""

    class Base(DeclarativeBase):
        pass

    class Animal(Base):
        __tablename__ = "im_animals"
        number: Mapped[int] = mapped_column("id", primary_key=True)
        species: Mapped[str] = mapped_column("kind", String(20))
        title: Mapped[str] = mapped_column("name", String(20))
        __mapper_args__ = {"polymorphic_on": "species"}  # noqa: RUF012

    class Cat(Animal):
        __tablename__ = "im_cats"
        cat_number: Mapped[int] = mapped_column("id", ForeignKey("im_animals.id"), primary_key=True)
        soul: Mapped[int | None] = mapped_column("lives")
        __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012

    return Base, Animal, (Cat,)


def composite() -> Any:
    """Joined by two columns."""

    class Base(DeclarativeBase):
        pass

    class Animal(Base):
        __tablename__ = "im_animals"
        a: Mapped[int] = mapped_column(primary_key=True)
        b: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(String(20))
        __mapper_args__ = {"polymorphic_on": "kind"}  # noqa: RUF012

    class Cat(Animal):
        __tablename__ = "im_cats"
        a: Mapped[int] = mapped_column(primary_key=True)
        b: Mapped[int] = mapped_column(primary_key=True)
        lives: Mapped[int | None]
        __mapper_args__ = {  # noqa: RUF012
            "polymorphic_identity": "cat",
            "inherit_condition": (Animal.a == a) & (Animal.b == b),
            "inherit_foreign_keys": [a, b],
        }

    return Base, Animal, (Cat,)


CASES: dict[str, Case] = {
    "joined": {
        "models": joined,
        "fill": fill_joined,
        "query": JOINED_QUERY,
        "statements": 2,
        "route": "one statement with an outer join of im_cats, im_dogs: one row for each object",
    },
    "with_polymorphic of all": {
        "models": lambda: joined({"with_polymorphic": "*"}),
        "fill": fill_joined,
        "query": JOINED_QUERY,
        "statements": 2,
        "route": "no join of its own: the mapper is with_polymorphic",
    },
    "inline": {
        "models": lambda: joined(polymorphic_load="inline"),
        "fill": fill_joined,
        "query": JOINED_QUERY,
        "statements": 2,
        "route": "no join of its own: the mapper is with_polymorphic",
    },
    "selectin": {
        "models": lambda: joined(polymorphic_load="selectin"),
        "fill": fill_joined,
        "query": JOINED_QUERY,
        "statements": 2,
        "route": "one statement with an outer join of im_cats, im_dogs: one row for each object",
    },
    "single": {
        "models": lambda: one_table(lambda: mapped_column(String(20)), ("cat", "dog")),
        "fill": fill_table,
        "query": TABLE_QUERY,
        "statements": 1,
        "route": "no join: no table of a subclass is asked for",
    },
    "numbers": {
        "models": lambda: one_table(lambda: mapped_column(Integer), (1, 2)),
        "fill": fill_table,
        "query": TABLE_QUERY,
        "statements": 1,
        "route": "no join: no table of a subclass is asked for",
    },
    "enum": {
        "models": lambda: one_table(
            lambda: mapped_column(Enum(Kind, native_enum=False)), (Kind.CAT, Kind.DOG)
        ),
        "fill": fill_table,
        "query": TABLE_QUERY,
        "statements": 1,
        "route": "no join: no table of a subclass is asked for",
    },
    "deferred": {
        "models": with_deferred,
        "fill": fill_joined,
        "query": JOINED_QUERY,
        "statements": 2,
        "route": "one statement with an outer join of im_cats, im_dogs: one row for each object",
    },
    "renamed": {
        "models": renamed,
        "fill": lambda models: [models[2][0](title="a", soul=9), models[2][0](title="b")],
        "query": "{ all { __typename title ... on Cat { soul catNumber } } }",
        "statements": 1,
        "route": "one statement with an outer join of im_cats: one row for each object",
    },
    "composite": {
        "models": composite,
        "fill": lambda models: [models[2][0](a=1, b=2, lives=9), models[2][0](a=1, b=3)],
        "query": "{ all { __typename a ... on Cat { lives b } } }",
        "statements": 1,
        "route": "one statement with an outer join of im_cats: one row for each object",
    },
    "discriminator by expression": {
        "models": by_expression,
        "fill": fill_expression,
        "query": TABLE_QUERY,
        "statements": 2,
        "reason": "the discriminator of Animal is no column of its table",
    },
    "load events": {
        "models": watched,
        "fill": fill_table,
        "query": TABLE_QUERY,
        "statements": None,
        "reason": "Cat has load or refresh events",
    },
    "expression of a subclass": {
        "models": with_expression,
        "fill": fill_joined,
        "query": "{ all { __typename ... on Cat { sound } } }",
        "statements": 2,
        "reason": "Cat.sound: sound is an expression of the subclass Cat",
    },
}


def schema_of(route: str, models: Any) -> graphene.Schema:
    package: Any = graphene_sqlalchemy if route == "stock" else graphene_sqlalchemy_c
    _, base, classes = models
    registry = Registry()
    animal = zoo.make_type(registry, "Animal", package.SQLAlchemyInterface, base)
    types = [
        zoo.make_type(
            registry, cls.__name__, package.SQLAlchemyObjectType, cls, interfaces=(animal,)
        )
        for cls in classes
    ]
    return zoo.make_schema(route, {"all": zoo.root(base, animal)}, types)


def database_of(models: Any, rows: list[Any], path: Any) -> Database:
    database = on_sqlite(path)
    models[0].metadata.create_all(database.engine)
    with Session(database.engine) as session:
        for row in rows:
            session.add(row)
            session.flush()
        session.commit()
    return database


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", ["sync", "asyncsession"])
def test_mapping(tmp_path: Any, name: str, mode: str) -> None:
    case = CASES[name]
    models = case["models"]()
    database = database_of(models, case["fill"](models), tmp_path / "animals.sqlite")
    schemas = {route: schema_of(route, models) for route in ("stock", "own")}
    query = case["query"]
    level = schemas["own"].explain(query).levels[0]
    assert level.reason == case.get("reason")
    assert level.by_rows == ("reason" not in case)
    note = case.get("route", "one statement for each class that lacks attributes")
    assert note in level.notes
    for form in ("select", "instances"):
        result, executed = same(database, query, ("own", form, mode), schemas.__getitem__)
        assert result.errors is None
        if form == "select" and case["statements"] is not None:
            assert len(selects(executed)) == case["statements"]


def test_joins_of_the_mapper_are_not_doubled(tmp_path: Any) -> None:
    """Tables that the mapper joins are read; only others are joined."""
    models = joined({"with_polymorphic": "*"})
    database = database_of(models, fill_joined(models), tmp_path / "animals.sqlite")
    _, executed = ask(database, schema_of("own", models), JOINED_QUERY, "select")
    for sql in executed:
        assert [sql.count(f"JOIN im_{name}") for name in ("cats", "dogs")] == [1, 1]


def test_concrete_classes_without_a_union(tmp_path: Any) -> None:
    """The base's rows are its own alone, so there is nothing to tell apart."""

    class Base(DeclarativeBase):
        pass

    class Animal(Base):
        __tablename__ = "im_animals"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))

    class Cat(Animal):
        __tablename__ = "im_cats"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))
        __mapper_args__ = {"concrete": True}  # noqa: RUF012

    models = Base, Animal, (Cat,)
    database = database_of(models, [Animal(name="a"), Cat(name="b")], tmp_path / "c.sqlite")
    schemas = {route: schema_of(route, models) for route in ("stock", "own")}
    assert schemas["own"].explain("{ all { name } }").levels[0].reason == (
        "Animal has concrete subclasses and no union of them"
    )
    result, _ = same(database, "{ all { name } }", ("own", "select", "sync"), schemas.__getitem__)
    assert len(result.errors) == 1


def test_a_union_of_concrete_classes_with_a_base_that_has_objects(tmp_path: Any) -> None:
    """Shown as a GraphQL union: an interface cannot be mapped to such a base."""

    class Base(DeclarativeBase):
        pass

    class Animal(ConcreteBase, Base):
        __tablename__ = "im_animals"
        _concrete_discriminator_name = "kind"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))
        __mapper_args__ = {"polymorphic_identity": "animal", "concrete": True}  # noqa: RUF012

    class Cat(Animal):
        __tablename__ = "im_cats"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))
        lives: Mapped[int | None]
        __mapper_args__ = {"polymorphic_identity": "cat", "concrete": True}  # noqa: RUF012

    configure_mappers()
    models = Base, Animal, (Cat,)
    rows = [Animal(id=1, name="a"), Cat(id=2, name="b", lives=9), Animal(id=3, name="c")]
    database = database_of(models, rows, tmp_path / "c.sqlite")

    def make(route: str) -> graphene.Schema:
        package: Any = graphene_sqlalchemy if route == "stock" else graphene_sqlalchemy_c
        registry = Registry()
        types = [
            zoo.make_type(
                registry,
                cls.__name__,
                package.SQLAlchemyObjectType,
                cls,
                exclude_fields=("kind",),
            )
            for cls in (Cat, Animal)
        ]
        options = type("Meta", (), {"types": tuple(types)})
        union = type("Any", (graphene.Union,), {"Meta": options})
        return zoo.make_schema(route, {"all": zoo.root(Animal, union)}, [])

    def by_id(statement: Any, model: Any) -> Any:
        return statement.order_by(model.id)  # no column of a table, which 2.0 would not adapt

    for query in (
        "{ all { __typename } }",
        "{ all { ... on Animal { name } ... on Cat { lives name } } }",
    ):
        stock, _ = ask(database, make("stock"), query, shape=by_id)
        result, executed = ask(database, make("own"), query, "select", shape=by_id)
        assert result.errors is None
        assert shown(result) == shown(stock)
        assert len(executed) == 1
