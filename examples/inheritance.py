"""An interface over a class hierarchy: `python examples/inheritance.py`.

People are employees or customers, in tables of their own. The models say nothing of how subclasses
are loaded, and the resolver returns a plain `select(Person)`: what the query names in its fragments
decides what is selected. Prints each query with its answer, the SQL that was executed for it, and
what `explain` says of it beforehand.
"""

# ruff: noqa: RUF012

from __future__ import annotations

import json
from datetime import date

import graphene
from graphene import relay
from sqlalchemy import ForeignKey, String, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from graphene_sqlalchemy_c import Schema, SQLAlchemyInterface, SQLAlchemyObjectType

# -- models --


class Base(DeclarativeBase):
    pass


class Department(Base):
    __tablename__ = "departments"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


class Person(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(50))
    __mapper_args__ = {"polymorphic_on": "type"}  # no identity: nobody is only a person


class Employee(Person):
    __tablename__ = "employees"
    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    hire_date: Mapped[date]
    department_id: Mapped[int] = mapped_column(ForeignKey("departments.id"))
    department: Mapped[Department] = relationship()
    __mapper_args__ = {"polymorphic_identity": "employee"}


class Customer(Person):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    first_purchase_date: Mapped[date]
    orders: Mapped[list[Order]] = relationship(order_by="Order.id")
    __mapper_args__ = {"polymorphic_identity": "customer"}


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    total: Mapped[int]
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))


# -- schema --


class DepartmentType(SQLAlchemyObjectType):
    class Meta:
        model = Department


class OrderType(SQLAlchemyObjectType):
    class Meta:
        model = Order
        interfaces = (relay.Node,)


class PersonType(SQLAlchemyInterface):
    class Meta:
        model = Person


class EmployeeType(SQLAlchemyObjectType):
    class Meta:
        model = Employee
        interfaces = (relay.Node, PersonType)


class CustomerType(SQLAlchemyObjectType):
    class Meta:
        model = Customer
        interfaces = (relay.Node, PersonType)


class Query(graphene.ObjectType):
    people = graphene.List(graphene.NonNull(PersonType))

    def resolve_people(root, info):
        return select(Person).order_by(Person.id)


# Types that only the interface leads to have to be named.
schema = Schema(query=Query, types=[EmployeeType, CustomerType])

# -- requests --

QUERIES = (
    "{ people { __typename name } }",
    "{ people { name ... on EmployeeType { hireDate } } }",
    """{ people { __typename name
        ... on EmployeeType { hireDate department { name } }
        ... on CustomerType { firstPurchaseDate orders(first: 2) { edges { node { total } } } }
    } }""",
)


def fill(session: Session) -> None:
    """Two employees and two customers."""
    sales, stock = Department(name="Sales"), Department(name="Stock")
    session.add_all(
        [
            Employee(name="Ada", hire_date=date(2020, 1, 1), department=sales),
            Customer(
                name="Bob",
                first_purchase_date=date(2021, 2, 3),
                orders=[Order(total=total) for total in (10, 20, 30)],
            ),
            Employee(name="Cleo", hire_date=date(2022, 5, 6), department=stock),
            Customer(name="Dan", first_purchase_date=date(2023, 7, 8)),
        ]
    )
    session.commit()


def main() -> None:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        fill(session)
    executed: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: executed.append(args[2]))
    for query in QUERIES:
        executed.clear()
        with Session(engine) as session:
            result = schema.execute(query, context_value={"session": session})
        assert result.errors is None, result.errors
        print(query)
        print(json.dumps(result.data))
        print(f"executed: {len(executed)}", *executed, sep="\n\n", end="\n\n")
        print(schema.explain(query, dialect="sqlite"), end="\n\n")


if __name__ == "__main__":
    main()
