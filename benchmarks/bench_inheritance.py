"""An interface over joined inheritance: 3,000 people of three subclasses, one fragment.

Upstream is graphene-sqlalchemy with `Schema.execute` and orjson, once with models that load a
subclass's columns lazily, one statement for each object, and once with `with_polymorphic: "*"`,
which joins the tables of all subclasses. Ours are the lazy models over our types. By hand is
SQLAlchemy Core and orjson: one statement with one outer join. All give the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import graphene
import graphene_sqlalchemy
from graphene import relay
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import Connection, Engine, ForeignKey, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import graphene_sqlalchemy_c
from benchmarks import library
from benchmarks.bench_rows import compared, timed
from benchmarks.library import Json
from benchmarks.report import Row

PEOPLE = 3_000
QUERY = "{ people { __typename name ... on Employee { hireDate } } }"
IDENTITIES = ("employee", "customer", "supplier")


def hierarchy(**arguments: Any) -> dict[str, Any]:
    """The models, with more mapper arguments of the base."""

    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "person"
        id: Mapped[int] = mapped_column(primary_key=True)
        type: Mapped[str]
        name: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "type", **arguments}  # noqa: RUF012

    class Employee(Person):
        __tablename__ = "employee"
        id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
        hire_date: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "employee"}  # noqa: RUF012

    class Customer(Person):
        __tablename__ = "customer"
        id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
        first_purchase: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "customer"}  # noqa: RUF012

    class Supplier(Person):
        __tablename__ = "supplier"
        id: Mapped[int] = mapped_column(ForeignKey("person.id"), primary_key=True)
        city: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "supplier"}  # noqa: RUF012

    return {cls.__name__: cls for cls in (Base, Person, Employee, Customer, Supplier)}


LAZY = hierarchy()
EAGER = hierarchy(with_polymorphic="*")

person, employee = (LAZY[name].__table__.c for name in ("Person", "Employee"))
PEOPLE_BY_HAND = (
    select(person.type, person.name, employee.hire_date)
    .select_from(LAZY["Person"].__table__.outerjoin(LAZY["Employee"].__table__))
    .order_by(person.id)
)


def by_hand(connection: Connection, number: int) -> Json:
    people: list[Json] = []
    for kind, name, hire_date in connection.execute(PEOPLE_BY_HAND):
        if kind == "employee":
            people.append({"__typename": "Employee", "name": name, "hireDate": hire_date})
        else:
            people.append({"__typename": kind.capitalize(), "name": name})
    return {"people": people}


def schema(package: Any, schema_class: Any, models: dict[str, Any], instances: bool) -> Any:
    """:param instances: whether the resolver runs its statement or returns it."""
    registry = Registry()

    def make(kind: Any, name: str, **meta: Any) -> Any:
        options = {"model": models[name], "registry": registry, **meta}
        return type(name, (kind,), {"Meta": type("Meta", (), options)})

    base = make(package.SQLAlchemyInterface, "Person")
    types = [
        make(package.SQLAlchemyObjectType, name, interfaces=(relay.Node, base))
        for name in ("Employee", "Customer", "Supplier")
    ]

    class Query(graphene.ObjectType):
        people = graphene.List(base)

        def resolve_people(root: Any, info: Any) -> Any:
            statement = select(models["Person"]).order_by(models["Person"].id)
            return info.context["session"].scalars(statement).all() if instances else statement

    return schema_class(query=Query, types=types)


def fill(engine: Engine) -> None:
    """Make the tables anew."""
    metadata = LAZY["Base"].metadata
    rows: dict[str, list[Json]] = {name: [] for name in ("person", *IDENTITIES)}
    for n in range(1, PEOPLE + 1):
        identity = IDENTITIES[n % 3]
        rows["person"].append({"id": n, "type": identity, "name": f"Person {n}"})
        column = ("hire_date", "first_purchase", "city")[n % 3]
        rows[identity].append({"id": n, column: f"{column} {n % 365}"})
    with engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
        for name, values in rows.items():
            connection.execute(insert(metadata.tables[name]), values)
    engine.dispose()


def rows() -> Iterator[Row]:
    ours = schema(graphene_sqlalchemy_c, graphene_sqlalchemy_c.Schema, LAZY, instances=False)
    stocks = {
        "upstream lazy": (LAZY, 20),
        'upstream with_polymorphic "*"': (EAGER, 6),
    }

    def on(database: str, engine: Engine) -> Iterator[Row]:
        fill(engine)
        for name, (models, least) in stocks.items():
            stock = schema(graphene_sqlalchemy, graphene.Schema, models, instances=True)
            sides = (
                library.upstream(stock, QUERY),
                library.ours(ours, QUERY),
                library.by_hand(by_hand),
            )
            sent = " -> ".join(map(str, compared(name, engine, sides)))
            yield Row(
                f"{database}: {PEOPLE:,} rows, {name} ({sent} statements)",
                *timed(engine, sides),
                f"upstream / ours >= {least}, ours / by hand <= 1.3",
            )

    return library.on_each_database(on)
