"""A shop whose customers live in shards: models, rows, schemas, and asking them.

Everything that belongs to a customer lives in the customer's shard. The keys of one table are
different in all shards and alternate between them, so that an order over shards has to be made.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import graphene
import graphene_sqlalchemy
from graphene import relay
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import (
    URL,
    Engine,
    ForeignKey,
    String,
    create_engine,
    event,
    insert,
    make_url,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.pool import NullPool

import graphene_sqlalchemy_c

from .conftest import own_database

CUSTOMERS, ORDERS_EACH, LINES_EACH = 12, 3, 2


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "shop_customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    rank: Mapped[int | None]
    orders: Mapped[list[Order]] = relationship(order_by="Order.id", back_populates="customer")


class Order(Base):
    __tablename__ = "shop_orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[int]
    customer_id: Mapped[int] = mapped_column(ForeignKey("shop_customers.id"))
    customer: Mapped[Customer] = relationship(back_populates="orders")
    lines: Mapped[list[Line]] = relationship(order_by="Line.id", back_populates="order")
    payments: Mapped[list[Payment]] = relationship(order_by="Payment.id", back_populates="order")


class Line(Base):
    __tablename__ = "shop_lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    article: Mapped[str] = mapped_column(String(20))
    order_id: Mapped[int] = mapped_column(ForeignKey("shop_orders.id"))
    order: Mapped[Order] = relationship(back_populates="lines")


class Payment(Base):
    """Joined-table inheritance."""

    __tablename__ = "shop_payments"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    order_id: Mapped[int] = mapped_column(ForeignKey("shop_orders.id"))
    order: Mapped[Order] = relationship(back_populates="payments")
    __mapper_args__: ClassVar[dict[str, Any]] = {
        "polymorphic_on": "kind",
    }


class CardPayment(Payment):
    __tablename__ = "shop_card_payments"
    id: Mapped[int] = mapped_column(ForeignKey("shop_payments.id"), primary_key=True)
    digits: Mapped[str] = mapped_column(String(4))
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "card"}


class CashPayment(Payment):
    __tablename__ = "shop_cash_payments"
    id: Mapped[int] = mapped_column(ForeignKey("shop_payments.id"), primary_key=True)
    drawer: Mapped[int]
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "cash"}


def fill(engine: Engine, belongs: Callable[[int], bool] = lambda customer: True) -> None:
    """Make the tables, with the customers that belong to a database and what is theirs."""
    Base.metadata.create_all(engine)
    customers = [number for number in range(1, CUSTOMERS + 1) if belongs(number)]
    # An order's number tells the customer: 1, 13, 25 are of the first.
    orders = [each + CUSTOMERS * turn for turn in range(ORDERS_EACH) for each in customers]
    lines = [each + 100 * turn for turn in range(LINES_EACH) for each in orders]
    rows: dict[Any, list[dict[str, Any]]] = {
        Customer: [
            {"id": each, "name": f"customer {each * 5 % 12}", "rank": each % 4 or None}
            for each in customers
        ],
        Order: [
            {"id": each, "amount": each * 7 % 10, "customer_id": (each - 1) % CUSTOMERS + 1}
            for each in orders
        ],
        Line: [
            {"id": each, "article": f"article {each % 9}", "order_id": each % 100} for each in lines
        ],
        CardPayment: [
            {"id": each, "kind": "card", "order_id": each, "digits": f"{each:04}"}
            for each in orders
            if each % 3
        ],
        CashPayment: [
            {"id": each, "kind": "cash", "order_id": each, "drawer": each % 4}
            for each in orders
            if each % 3 == 0
        ],
    }
    with engine.begin() as connection:
        for model, some in rows.items():
            for mapper in reversed(list(model.__mapper__.iterate_to_root())):
                columns = mapper.local_table.c.keys()
                values = [{key: row[key] for key in columns} for row in some]
                connection.execute(insert(mapper.local_table), values)


class SizedConnection(graphene_sqlalchemy_c.CountableConnection):
    """With a resolver of the application's, for which upstream's pages are made."""

    class Meta:
        abstract = True

    size = graphene.Int()

    def resolve_size(root, _info: Any) -> int:
        return len(root.edges)


@cache
def build_schema(route: str, connections: bool = False) -> graphene.Schema:
    """The roots: `customers` and `orders` as lists or connections, `customer(id:)`, `node(id:)`.

    :param route: "stock", "import" or "own", as `zoo.build_schema` has them.
    :param connections: whether the types are relay nodes.
    """
    package: Any = graphene_sqlalchemy if route == "stock" else graphene_sqlalchemy_c
    registry = Registry()

    def make(model: Any, base: Any = package.SQLAlchemyObjectType, *interfaces: Any) -> Any:
        meta: dict[str, Any] = {"model": model, "registry": registry}
        if connections:
            meta["connection_class"] = SizedConnection
            interfaces += (relay.Node,)
        if interfaces:
            meta["interfaces"] = interfaces
        return type(model.__name__, (base,), {"Meta": type("Meta", (), meta)})

    types = {model: make(model) for model in (Customer, Order, Line)}
    kinds = []
    if not connections:  # upstream has no connections of interfaces
        payment = types[Payment] = make(Payment, package.SQLAlchemyInterface)
        kinds = [
            make(model, package.SQLAlchemyObjectType, payment)
            for model in (CardPayment, CashPayment)
        ]

    def resolver(model: Any) -> Any:
        return lambda _root, info, **_: info.context["root"](select(model).order_by(model.id), True)

    def one(_root: Any, info: Any, id: int) -> Any:
        return info.context["root"](select(Customer).where(Customer.id == id), False)

    members: dict[str, Any] = {
        "customer": graphene.Field(types[Customer], id=graphene.Int(), resolver=one)
    }
    names = {"customers": Customer, "orders": Order, "payments": Payment}
    for name, model in names.items():
        if not connections:
            members[name] = graphene.List(types[model], resolver=resolver(model))
        elif model in types:
            members[name] = package.SQLAlchemyConnectionField(types[model].connection)
    if connections:
        members["node"] = relay.Node.Field()
    query = type("Query", (graphene.ObjectType,), members)
    placed = {"place_order": _mutation(types[Order])}
    mutation = type("Mutation", (graphene.ObjectType,), placed)
    schema_class: Any = graphene_sqlalchemy_c.Schema if route == "own" else graphene.Schema
    return schema_class(query=query, mutation=mutation, types=kinds)


def _mutation(order: Any) -> graphene.Field:
    def place(_root: Any, info: Any, id: int, customer: int) -> Any:
        session = info.context["session"]
        made = Order(id=id, amount=1, customer_id=customer)
        session.add(made)
        if not isinstance(session, AsyncSession):
            session.flush()
            return made

        async def flush() -> Order:
            await session.flush()
            return made

        return flush()

    return graphene.Field(order, id=graphene.Int(), customer=graphene.Int(), resolver=place)


Way = tuple[str, str, str]
"""(route, form of the root's answer, mode), as in rows_harness.py."""

STOCK: Way = ("stock", "instances", "sync")
WAYS: tuple[Way, ...] = (
    ("import", "instances", "sync"),
    ("own", "instances", "sync"),
    ("own", "select", "sync"),
    ("own", "select", "asyncsession"),
    ("own", "select", "json"),
)


def ask(
    way: Way, query: str, make_session: Callable[[], Any], connections: bool, *options: Any
) -> Any:
    """The answer as a dict.

    :param make_session: gives a Session; an AsyncSession where the way says so.
    :param options: of the statements that the resolvers of lists make.
    """
    route, form, mode = way
    schema: Any = build_schema(route, connections)
    if mode == "asyncsession":

        async def work() -> Any:
            async with make_session() as session:
                context = {
                    "session": session,
                    "root": lambda statement, _many: statement.options(*options),
                }
                return await schema.execute_async(query, context_value=context)

        return asyncio.run(work()).formatted
    with make_session() as session:

        def root(statement: Any, many: bool) -> Any:
            statement = statement.options(*options)
            if form == "select":
                return statement
            found = session.scalars(statement)
            return found.all() if many else found.one_or_none()

        context = {"session": session, "root": root}
        if mode == "json":
            return json.loads(schema.execute_json(query, context_value=context))
        return schema.execute(query, context_value=context).formatted


# Databases ----------------------------------------------------------------------------------


@dataclass
class Databases:
    """Databases on one kind of server, all with the shop's tables."""

    engines: dict[str, Engine]
    async_urls: dict[str, URL]

    @contextmanager
    def counted(self) -> Iterator[dict[str, list[str]]]:
        """The statements that each database executes inside of the block, of either driver."""
        executed: dict[str, list[str]] = {name: [] for name in self.engines}

        def note(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            executed[names[connection.engine.url.database]].append(statement)

        names = {engine.url.database: name for name, engine in self.engines.items()}
        event.listen(Engine, "before_cursor_execute", note)
        try:
            yield executed
        finally:
            event.remove(Engine, "before_cursor_execute", note)

    def bound(self, way: Way) -> dict[str, Engine]:
        """The engines for the sessions of a way; those of an AsyncSession as it wants them."""
        if way[2] != "asyncsession":
            return self.engines
        return {
            name: create_async_engine(url, poolclass=NullPool).sync_engine
            for name, url in self.async_urls.items()
        }


@contextmanager
def databases(
    kind: str, folder: Path, belongs: dict[str, Callable[[int], bool]]
) -> Iterator[Databases]:
    """New databases by name, each with the customers that belong to it.

    :param kind: "sqlite", or a server of conftest.SERVERS.
    """
    with ExitStack() as stack:
        urls = {}
        for name in belongs:
            if kind == "sqlite":
                path = folder / f"{name}.sqlite"
                urls[name] = tuple(
                    make_url(f"sqlite{driver}:///{path}") for driver in ("", "+aiosqlite")
                )
            else:
                urls[name] = stack.enter_context(own_database(kind))
        made = Databases(
            {name: create_engine(url, poolclass=NullPool) for name, (url, _) in urls.items()},
            {name: url for name, (_, url) in urls.items()},
        )
        for name, engine in made.engines.items():
            fill(engine, belongs[name])
        yield made
