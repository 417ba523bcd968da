"""Models, data and schemas for the tests of pages.

Parents have 0, 1, 2 and 5 children; orders have ties; there is one relationship of each kind that
pages are cut over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import graphene
import graphene_sqlalchemy
from graphene import relay
from graphene_sqlalchemy.registry import Registry
from graphql_relay import connection_from_array, offset_to_cursor
from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    event,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

import graphene_sqlalchemy_c


class Base(DeclarativeBase):
    pass


shop_tags = Table(
    "pages_shop_tags",
    Base.metadata,
    Column("shop_id", ForeignKey("pages_shops.id"), primary_key=True),
    Column("tag_id", ForeignKey("pages_tags.id"), primary_key=True),
)

# Holds a pair of shop and tag as often as it likes.
shop_labels = Table(
    "pages_shop_labels",
    Base.metadata,
    Column("id", Integer, primary_key=True),
    Column("shop_id", ForeignKey("pages_shops.id")),
    Column("tag_id", ForeignKey("pages_tags.id")),
    Column("place", Integer),
)


class Shop(Base):
    __tablename__ = "pages_shops"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    code: Mapped[str | None] = mapped_column(String(20), unique=True)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("pages_shops.id"))
    branches: Mapped[list[Shop]] = relationship(order_by="Shop.name.desc()")
    goods: Mapped[list[Item]] = relationship(
        foreign_keys="Item.shop_id", order_by="Item.rank", back_populates="shop"
    )
    gifts: Mapped[list[Item]] = relationship(foreign_keys="Item.gift_shop_id")
    notes: Mapped[list[Note]] = relationship(order_by="Note.id.desc()")
    tags: Mapped[list[Tag]] = relationship(secondary=shop_tags, order_by="Tag.name.desc()")
    labels: Mapped[list[Tag]] = relationship(
        secondary=shop_labels, order_by="Tag.name", viewonly=True
    )
    placed: Mapped[list[Tag]] = relationship(
        secondary=shop_labels, order_by=shop_labels.c.place, viewonly=True
    )


class Item(Base):
    """Its primary key is composite, and its ranks have ties."""

    __tablename__ = "pages_items"
    maker: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    rank: Mapped[int]
    name: Mapped[str] = mapped_column(String(20))
    shop_id: Mapped[int | None] = mapped_column(ForeignKey("pages_shops.id"))
    gift_shop_id: Mapped[int | None] = mapped_column(ForeignKey("pages_shops.id"))
    shop: Mapped[Shop | None] = relationship(foreign_keys=[shop_id], back_populates="goods")
    parts: Mapped[list[Part]] = relationship(back_populates="item", order_by="Part.weight")


class Part(Base):
    __tablename__ = "pages_parts"
    id: Mapped[int] = mapped_column(primary_key=True)
    weight: Mapped[int]
    name: Mapped[str] = mapped_column(String(20))
    item_maker: Mapped[str | None] = mapped_column(String(20))
    item_number: Mapped[int | None]
    item: Mapped[Item | None] = relationship(back_populates="parts")
    __table_args__ = (
        ForeignKeyConstraint(
            ["item_maker", "item_number"], ["pages_items.maker", "pages_items.number"]
        ),
    )


class Note(Base):
    """Refers to a column that is not the primary key, and may be NULL."""

    __tablename__ = "pages_notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    shop_code: Mapped[str | None] = mapped_column(ForeignKey("pages_shops.code"))


class Tag(Base):
    __tablename__ = "pages_tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


MODELS = (Shop, Item, Part, Note, Tag)
SIZES = {1: 0, 2: 1, 3: 2, 4: 5}
RELATIONSHIPS = ("goods", "gifts", "notes", "tags", "labels", "placed", "branches")


def fill(session: Session) -> None:
    """Put the data into empty tables."""
    session.add_all(
        Shop(id=i, name=f"shop {i % 2}", code=None if i == 3 else f"code{i}") for i in (1, 2, 3, 4)
    )
    session.add_all(Tag(id=i, name=f"tag {i % 3}") for i in range(1, 7))
    session.flush()
    number = 5
    for shop, size in SIZES.items():
        for i in range(size):
            session.add(Shop(id=number, name=f"branch {i % 2}", owner_id=shop))
            number += 1
            session.add(
                Item(
                    maker="ab"[i % 2],
                    number=shop * 10 - i,
                    rank=i % 2 + shop,
                    name=f"item {i * 2 % 5}",
                    shop_id=shop,
                    gift_shop_id=5 - shop if i else None,
                )
            )
            session.add(Note(id=shop * 10 + i, shop_code=None if shop == 3 else f"code{shop}"))
            tag = {"shop_id": shop, "tag_id": 6 - i}
            session.flush()
            session.execute(shop_tags.insert(), [tag])
            places = [dict(tag, place=i % 3), dict(tag, place=5 - i)]
            session.execute(shop_labels.insert(), places)
    session.add(Item(maker="c", number=1, rank=0, name="of no shop"))
    session.add(Note(id=99))
    session.flush()
    goods = session.scalars(select(Item).order_by(Item.maker, Item.number)).all()
    for i in range(16):
        item = goods[i % 3] if i < 12 else None
        session.add(
            Part(
                id=i + 1,
                weight=i % 4,
                name=f"part {i % 5}",
                item_maker=item and item.maker,
                item_number=item and item.number,
            )
        )
    session.commit()


@contextmanager
def tables(
    engine: Any, metadata: MetaData = Base.metadata, fill: Callable[[Session], None] = fill
) -> Iterator[None]:
    """Tables with their data, those of this zoo by default, for as long as the block lasts."""
    metadata.create_all(engine)
    try:
        with Session(engine) as session:
            fill(session)
        yield
    finally:
        metadata.drop_all(engine)


@contextmanager
def counted_rows(engine: Any) -> Iterator[list[int]]:
    """How many rows each statement of the block gives: it is executed again when the block ends."""
    statements: list[tuple[str, Any]] = []
    counts: list[int] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield counts
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        for statement, parameters in statements:
            counts.append(len(connection.exec_driver_sql(statement, parameters).all()))


def build_schema(
    route: str = "own",
    resolvers: Iterable[str] = (),
    options: dict[str, Any] | None = None,
    **meta: Any,
) -> graphene.Schema:
    """A schema over all models, with relay connections everywhere.

    :param route: "stock" or "import" (under graphql-core's executor), "own" (with ours too).
    :param resolvers: names of models whose `name` has a Python resolver: they go as instances.
    :param options: of the Schema.
    :param meta: further Meta options of every type; a dict by model name where the value is one.
    """
    package = graphene_sqlalchemy if route == "stock" else graphene_sqlalchemy_c
    schema_class = graphene_sqlalchemy_c.Schema if route == "own" else graphene.Schema
    registry = Registry()
    types = {}
    for model in MODELS:
        name = model.__name__
        own = {k: v for k, v in meta.items() if not isinstance(v, dict)}
        own.update((k, v[name]) for k, v in meta.items() if isinstance(v, dict) and name in v)
        fields: dict[str, Any] = {}
        if name in resolvers:
            fields["resolve_name"] = lambda root, _info: root.name
        base = own.pop("base", package.SQLAlchemyObjectType)
        options_class = type(
            "Meta",
            (),
            {"model": model, "registry": registry, "interfaces": (relay.Node,), **own},
        )
        types[model] = type(name, (base,), {"Meta": options_class, **fields})

    def shops(_root: Any, info: Any) -> Any:
        statement = select(Shop).where(Shop.id.in_(SIZES)).order_by(Shop.id)
        statement = statement.options(*info.context.get("options", ()))
        session = info.context["session"]
        if route == "own":
            return statement

        async def later() -> Any:
            return (await session.scalars(statement)).all()

        return later() if isinstance(session, AsyncSession) else session.scalars(statement).all()

    query = type(
        "Query",
        (graphene.ObjectType,),
        {
            "shops": graphene.List(types[Shop]),
            "resolve_shops": shops,
            "given": graphene.List(types[Shop]),
            "resolve_given": lambda _root, info: info.context["given"],
            "all_items": package.SQLAlchemyConnectionField(types[Item].connection),
            "all_parts": package.SQLAlchemyConnectionField(types[Part].connection),
        },
    )
    return schema_class(query=query, **(options or {}))


# -- the oracle --


def cursor(offset: int) -> str:
    """What upstream makes of an offset."""
    return str(offset_to_cursor(offset))


def identity(value: Any) -> Any:
    """What tells a node: the name of its model, and its primary key."""
    return str(type(value).__name__), tuple(
        getattr(value, column.key) for column in type(value).__mapper__.primary_key
    )


def written(arguments: dict[str, Any]) -> str:
    """The arguments as GraphQL text; nothing without any."""
    if not arguments:
        return ""
    texts = (
        f"{key}: {value}" if not isinstance(value, str) else f'{key}: "{value}"'
        for key, value in arguments.items()
        if value is not None
    )
    found = ", ".join(texts)
    return f"({found})" if found else ""


def expected_page(nodes: list[Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """graphql_relay's page over the whole ordered list, as a response with PAGE."""
    connection = connection_from_array(nodes, arguments)
    info = connection.pageInfo
    return {
        "edges": [{"cursor": edge.cursor, "node": edge.node} for edge in connection.edges],
        "pageInfo": {
            "hasNextPage": info.hasNextPage,
            "hasPreviousPage": info.hasPreviousPage,
            "startCursor": info.startCursor,
            "endCursor": info.endCursor,
        },
    }


PAGE_INFO = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
PAGE = "edges { cursor node { id } } " + PAGE_INFO
