"""People and vehicles: class hierarchies of every kind, their data, and schemas over them.

The people are those of the documentation, mapped in three ways; the vehicles have three levels, a
class that is abstract between them, and relationships at every level. No model says anything of
`with_polymorphic`, and no statement has options.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any, ClassVar

import graphene
import graphene_sqlalchemy
from graphene import relay
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import ForeignKey, String
from sqlalchemy.ext.declarative import AbstractConcreteBase
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    configure_mappers,
    declared_attr,
    mapped_column,
    relationship,
)

import graphene_sqlalchemy_c

KINDS = ("joined", "single", "concrete")
PEOPLE = 1_000

PEOPLE_QUERY = """{ people { __typename name
    ... on EmployeeType { hireDate department { name } }
    ... on CustomerType { firstPurchaseDate orders(first: 2) { edges { node { total } } } }
} }"""


# -- people --


@cache
def people(kind: str) -> Any:
    """The models of one way to map them: a namespace with the classes and their `Base`."""

    class Base(DeclarativeBase):
        pass

    class Department(Base):
        __tablename__ = f"inh_{kind}_departments"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(50))

    made = SimpleNamespace(Base=Base, Department=Department)
    vars(made).update(_MAPPINGS[kind](Base, Department))

    class Order(Base):
        __tablename__ = f"inh_{kind}_orders"
        id: Mapped[int] = mapped_column(primary_key=True)
        total: Mapped[int]
        customer_id: Mapped[int] = mapped_column(ForeignKey(made.Customer.id))

    made.Order = Order
    made.Customer.orders = relationship(Order, order_by=Order.id)
    configure_mappers()
    return made


def _in_one_hierarchy(kind: str, base: Any, department: Any) -> dict[str, Any]:
    """Joined and single-table inheritance."""
    table = f"inh_{kind}_people"

    class Address(base):
        __tablename__ = f"inh_{kind}_addresses"
        id: Mapped[int] = mapped_column(primary_key=True)
        town: Mapped[str] = mapped_column(String(50))
        person_id: Mapped[int] = mapped_column(ForeignKey(f"{table}.id"))

    class Person(base):
        __tablename__ = table
        id: Mapped[int] = mapped_column(primary_key=True)
        type: Mapped[str | None] = mapped_column(String(20))
        name: Mapped[str] = mapped_column(String(50))
        boss_id: Mapped[int | None] = mapped_column(ForeignKey(f"{table}.id"))
        addresses: Mapped[list[Address]] = relationship(order_by=Address.id)
        __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_on": "type"}

    class Employee(Person):
        if kind == "joined":
            __tablename__ = f"inh_{kind}_employees"
            id: Mapped[int] = mapped_column(ForeignKey(Person.id), primary_key=True)
        hire_date: Mapped[str | None] = mapped_column(String(10))
        department_id: Mapped[int | None] = mapped_column(ForeignKey(department.id))
        __mapper_args__: ClassVar[dict[str, Any]] = {
            "polymorphic_identity": "employee",
            **({"inherit_condition": id == Person.id} if kind == "joined" else {}),
        }

    class Customer(Person):
        if kind == "joined":
            __tablename__ = f"inh_{kind}_customers"
            id: Mapped[int] = mapped_column(ForeignKey(Person.id), primary_key=True)
        first_purchase_date: Mapped[str | None] = mapped_column(String(10))
        __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "customer"}

    Employee.department = relationship(department)
    Person.boss = relationship(Person, remote_side=Person.id, foreign_keys=Person.boss_id)
    Person.staff = relationship(
        Person, foreign_keys=Person.boss_id, viewonly=True, order_by=Person.id
    )
    return {"Person": Person, "Employee": Employee, "Customer": Customer, "Address": Address}


def _in_tables_of_their_own(base: Any, department: Any) -> dict[str, Any]:
    """Concrete inheritance."""

    class Person(AbstractConcreteBase, base):
        strict_attrs = True
        _concrete_discriminator_name = "kind"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(50))

    class Employee(Person):
        __tablename__ = "inh_concrete_employees"
        hire_date: Mapped[str | None] = mapped_column(String(10))

        @declared_attr
        def department_id(cls) -> Mapped[int | None]:
            return mapped_column(ForeignKey(department.id))

        @declared_attr
        def department(cls) -> Mapped[Any]:
            return relationship(department)

        __mapper_args__: ClassVar[dict[str, Any]] = {
            "polymorphic_identity": "employee",
            "concrete": True,
        }

    class Customer(Person):
        __tablename__ = "inh_concrete_customers"
        first_purchase_date: Mapped[str | None] = mapped_column(String(10))
        __mapper_args__: ClassVar[dict[str, Any]] = {
            "polymorphic_identity": "customer",
            "concrete": True,
        }

    configure_mappers()
    return {"Person": Person, "Employee": Employee, "Customer": Customer}


_MAPPINGS: dict[str, Any] = {
    "joined": lambda *given: _in_one_hierarchy("joined", *given),
    "single": lambda *given: _in_one_hierarchy("single", *given),
    "concrete": _in_tables_of_their_own,
}


def fill_people(session: Session, kind: str, count: int = PEOPLE) -> None:
    """Half of them employees of ten departments, half customers with three orders each."""
    made = people(kind)
    session.add_all(made.Department(id=i, name=f"department {i}") for i in range(1, 11))
    session.flush()
    for i in range(1, count + 1):
        person: Any
        if i % 2:
            person = made.Employee(hire_date=f"2020-{i}", department_id=i % 11 or None)
        else:
            person = made.Customer(first_purchase_date=f"2021-{i}")
            person.orders = [made.Order(id=10 * i + j, total=100 * i + j) for j in range(3)]
        person.id, person.name = i, f"person {i}"
        if kind != "concrete" and i < 50:
            person.addresses = [made.Address(id=i, town=f"town {i}")]
        session.add(person)
        session.flush() if i in (1, 2, 3) else None
    session.flush()
    if kind != "concrete":
        for i in range(4, 50):
            session.get(made.Person, i).boss_id = i % 3 + 1
    session.commit()


def make_type(registry: Registry, name: str, kind: Any, model: Any, **meta: Any) -> Any:
    options = type("Meta", (), {"model": model, "registry": registry, **meta})
    return type(name, (kind,), {"Meta": options})


def root(model: Any, type_: Any) -> dict[str, Any]:
    """A list whose resolver the context gives; see rows_harness.root_of()."""
    return {"field": graphene.List(graphene.NonNull(type_)), "model": model}


def make_schema(
    route: str, roots: dict[str, Any], types: list[Any], **fields: Any
) -> graphene.Schema:
    attributes: dict[str, Any] = {"node": relay.Node.Field(), **fields}
    for name, each in roots.items():
        attributes[name] = each["field"]
        attributes[f"resolve_{name}"] = lambda _root, info, model=each["model"]: info.context[
            "root"
        ](model, info)
    query = type("Query", (graphene.ObjectType,), attributes)
    schema_class = graphene_sqlalchemy_c.Schema if route == "own" else graphene.Schema
    return schema_class(query=query, types=types)


@cache
def people_schema(kind: str, route: str, **meta: Any) -> graphene.Schema:
    """:param route: "stock", "import" or "own", as in zoo.build_schema()."""
    made = people(kind)
    package: Any = graphene_sqlalchemy if route == "stock" else graphene_sqlalchemy_c
    registry = Registry()
    # Upstream has no type for the discriminator of a union.
    left = {"exclude_fields": ("kind",)} if kind == "concrete" else {}
    for name in ("Department", "Address"):
        if hasattr(made, name):
            make_type(registry, name, package.SQLAlchemyObjectType, getattr(made, name))
    node = (relay.Node,)
    order = make_type(registry, "Order", package.SQLAlchemyObjectType, made.Order, interfaces=node)
    person = make_type(registry, "PersonType", package.SQLAlchemyInterface, made.Person, **left)
    types = [
        make_type(
            registry,
            f"{model.__name__}Type",
            package.SQLAlchemyObjectType,
            model,
            interfaces=(relay.Node, person),
            **left,
        )
        for model in (made.Employee, made.Customer)
    ]
    either = type("Either", (graphene.Union,), {"Meta": type("Meta", (), {"types": tuple(types)})})
    roots = {
        "people": root(made.Person, person),
        "either": root(made.Person, either),
        "orders": root(made.Order, order),
    }
    # Upstream can neither sort an interface nor build the filters of plain lists.
    connection = relay.Connection.create_type("PersonConnection", node=person)
    everyone = package.SQLAlchemyConnectionField(connection, sort=None, filter=None)
    return make_schema(route, roots, types, everyone=everyone)


# -- vehicles --


class Vehicles(DeclarativeBase):
    pass


class Owner(Vehicles):
    __tablename__ = "inh_owners"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    favourite_id: Mapped[int | None]
    vehicles: Mapped[list[Vehicle]] = relationship(order_by="Vehicle.id", viewonly=True)
    favourite: Mapped[Vehicle | None] = relationship(
        primaryjoin="foreign(Owner.favourite_id) == Vehicle.id"
    )


class Garage(Vehicles):
    __tablename__ = "inh_garages"
    id: Mapped[int] = mapped_column(primary_key=True)
    street: Mapped[str] = mapped_column(String(20))


class Vehicle(Vehicles):
    __tablename__ = "inh_vehicles"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str | None] = mapped_column(String(20))
    plate: Mapped[str] = mapped_column(String(20))
    owner_id: Mapped[int | None] = mapped_column(ForeignKey(Owner.id))
    tower_id: Mapped[int | None]
    owner: Mapped[Owner | None] = relationship()
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_on": kind}


class Car(Vehicle):
    __tablename__ = "inh_cars"
    id: Mapped[int] = mapped_column(ForeignKey(Vehicle.id), primary_key=True)
    doors: Mapped[int]
    garage_id: Mapped[int | None] = mapped_column(ForeignKey(Garage.id))
    garage: Mapped[Garage | None] = relationship()
    towed: Mapped[list[Vehicle]] = relationship(
        primaryjoin="Car.id == foreign(Vehicle.tower_id)", viewonly=True, order_by=Vehicle.id
    )
    __mapper_args__: ClassVar[dict[str, Any]] = {
        "polymorphic_identity": "car",
        "inherit_condition": id == Vehicle.id,
    }


class Taxi(Car):
    """In a table of its own, below one."""

    __tablename__ = "inh_taxis"
    id: Mapped[int] = mapped_column(ForeignKey(Car.id), primary_key=True)
    licence: Mapped[str] = mapped_column(String(20))
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "taxi"}


class Limousine(Car):
    """In the table of its base."""

    bar: Mapped[str | None] = mapped_column(String(20))
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "limousine"}


class Motorised(Vehicle):
    """Nothing is only motorised."""

    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_abstract": True}
    power: Mapped[int | None]


class Truck(Motorised):
    __tablename__ = "inh_trucks"
    id: Mapped[int] = mapped_column(ForeignKey(Vehicle.id), primary_key=True)
    load: Mapped[int]
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "truck"}


class Bike(Vehicle):
    """In the table of the root."""

    gears: Mapped[int | None]
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "bike"}


class Moped(Bike):
    """Has no type of its own: it is shown as a bike."""

    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "moped"}


class Tank(Vehicle):
    """Has no type, nor has a base of it."""

    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "tank"}


def fill_vehicles(session: Session) -> None:
    """Four owners, and of each class some vehicles; no tank."""
    session.add_all(Garage(id=i, street=f"street {i}") for i in (1, 2))
    session.add_all(Owner(id=i, name=f"owner {i}", favourite_id=3 * i) for i in range(1, 5))
    session.flush()
    for i in range(1, 25):
        own: dict[str, Any] = {"id": i, "plate": f"plate {i}", "owner_id": i % 5 or None}
        own["tower_id"] = i % 4 or None
        cls = (Car, Taxi, Limousine, Truck, Bike, Moped)[i % 6]
        if issubclass(cls, Car):
            own |= {"doors": i, "garage_id": i % 4 // 2 + i % 2 or None}
        own |= {
            Taxi: {"licence": f"licence {i}"},
            Limousine: {"bar": f"bar {i}"},
            Truck: {"load": i, "power": 10 * i},
        }.get(cls, {"gears": i} if issubclass(cls, Bike) else {})
        session.add(cls(**own))
    session.commit()


@cache
def vehicles_schema(route: str) -> graphene.Schema:
    """:param route: "stock", "import" or "own", as in zoo.build_schema().

    Upstream takes the first type that fits: those of the most special classes come first.
    """
    package: Any = graphene_sqlalchemy if route == "stock" else graphene_sqlalchemy_c
    registry = Registry()
    objects, node = package.SQLAlchemyObjectType, relay.Node
    owner = make_type(registry, "Owner", objects, Owner, interfaces=(node,))
    make_type(registry, "Garage", objects, Garage)
    vehicle = make_type(registry, "Vehicle", package.SQLAlchemyInterface, Vehicle)
    motorised = make_type(registry, "Motorised", package.SQLAlchemyInterface, Motorised)
    types = [
        make_type(registry, model.__name__, objects, model, interfaces=(node, *interfaces))
        for model, interfaces in (
            (Taxi, (vehicle,)),
            (Limousine, (vehicle,)),
            (Car, (vehicle,)),
            (Truck, (vehicle, motorised)),
            (Bike, (vehicle,)),
        )
    ]
    union = type(
        "Closed",
        (graphene.Union,),
        {"Meta": type("Meta", (), {"types": (types[0], types[1], types[2], types[3])})},
    )
    roots = {
        "vehicles": root(Vehicle, vehicle),
        "perhaps": {"field": graphene.List(vehicle), "model": Vehicle},
        "motorised": root(Motorised, motorised),
        "closed": root(Vehicle, union),
        "cars": root(Car, types[2]),
        "owners": root(Owner, owner),
    }
    return make_schema(route, roots, types)
