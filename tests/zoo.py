"""Models with every kind of relationship, their data, and schemas over them.

The data is small and irregular on purpose: parents without children, NULL keys, rows that an
association holds twice.
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

import graphene
import graphene_sqlalchemy
from graphene import relay
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    String,
    Table,
    TypeDecorator,
    Uuid,
    and_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    foreign,
    mapped_column,
    relationship,
    remote,
)

import graphene_sqlalchemy_c


class Base(DeclarativeBase):
    pass


class Shouted(TypeDecorator):
    """Keeps text in lower case and gives it back in upper case."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value.lower()

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value.upper()


book_tags = Table(
    "book_tags",
    Base.metadata,
    Column("id", Integer, primary_key=True),
    Column("book_id", ForeignKey("books.id")),
    Column("tag_id", ForeignKey("tags.id")),
)

friendships = Table(
    "friendships",
    Base.metadata,
    Column("left_id", ForeignKey("authors.id"), primary_key=True),
    Column("right_id", ForeignKey("authors.id"), primary_key=True),
)


class Numbered:
    """A mixin, as applications have for tenants or soft deletion."""

    id: Mapped[int] = mapped_column(primary_key=True)


class Publisher(Base):
    __tablename__ = "publishers"
    code: Mapped[str] = mapped_column(String(20), primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    books: Mapped[list[Book]] = relationship(back_populates="publisher", order_by="Book.id")


class Author(Numbered, Base):
    __tablename__ = "authors"
    name: Mapped[str] = mapped_column(String(50))
    mentor_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    mentor: Mapped[Author | None] = relationship(remote_side="Author.id", back_populates="pupils")
    pupils: Mapped[list[Author]] = relationship(
        back_populates="mentor", order_by="Author.id.desc()"
    )
    books: Mapped[list[Book]] = relationship(
        back_populates="author", foreign_keys="Book.author_id", order_by="Book.title"
    )
    edited: Mapped[list[Book]] = relationship(
        back_populates="editor", foreign_keys="Book.editor_id", order_by="Book.id"
    )
    good_books: Mapped[list[Book]] = relationship(
        primaryjoin=lambda: and_(Author.id == foreign(Book.author_id), Book.rating >= 3),
        viewonly=True,
        order_by="Book.rating.desc(), Book.id",
    )
    rivals: Mapped[list[Book]] = relationship(
        primaryjoin=lambda: and_(
            Author.id != foreign(Book.author_id), Author.id + 1 == remote(Book.rating)
        ),
        viewonly=True,
        order_by="Book.id",
    )
    friends: Mapped[list[Author]] = relationship(
        secondary=friendships,
        primaryjoin=lambda: Author.id == friendships.c.left_id,
        secondaryjoin=lambda: Author.id == friendships.c.right_id,
        order_by="Author.name",
    )
    profile: Mapped[Profile | None] = relationship(back_populates="author")
    quiet_books: Mapped[list[Book]] = relationship(
        foreign_keys="Book.author_id", viewonly=True, lazy="raise", order_by="Book.id"
    )
    book_set: Mapped[set[Book]] = relationship(foreign_keys="Book.author_id", viewonly=True)
    stream: Mapped[list[Book]] = relationship(
        foreign_keys="Book.author_id", viewonly=True, lazy="dynamic", order_by="Book.id"
    )


class Profile(Base):
    __tablename__ = "profiles"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(50))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="profile")


class Book(Numbered, Base):
    __tablename__ = "books"
    title: Mapped[str] = mapped_column(String(50))
    rating: Mapped[int]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    editor_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    publisher_code: Mapped[str | None] = mapped_column(ForeignKey("publishers.code"))
    shelf_mark: Mapped[str | None] = mapped_column(Shouted)
    author: Mapped[Author | None] = relationship(foreign_keys=[author_id], back_populates="books")
    editor: Mapped[Author | None] = relationship(foreign_keys=[editor_id], back_populates="edited")
    publisher: Mapped[Publisher | None] = relationship(back_populates="books")
    tags: Mapped[list[Tag]] = relationship(
        secondary=book_tags, back_populates="books", order_by="Tag.id"
    )
    shelf: Mapped[Shelf | None] = relationship(
        primaryjoin=lambda: foreign(Book.shelf_mark) == Shelf.mark
    )


class Tag(Numbered, Base):
    __tablename__ = "tags"
    name: Mapped[str] = mapped_column(String(50))
    books: Mapped[list[Book]] = relationship(
        secondary=book_tags, back_populates="tags", order_by="Book.id"
    )


class Shelf(Base):
    """Its mark is not its primary key, and passes through a type decorator."""

    __tablename__ = "shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    mark: Mapped[str] = mapped_column(Shouted, unique=True)
    books: Mapped[list[Book]] = relationship(
        primaryjoin=lambda: foreign(Book.shelf_mark) == Shelf.mark,
        viewonly=True,
        order_by="Book.id",
    )


class Region(Base):
    """A composite primary key, and a deferred and a computed column."""

    __tablename__ = "regions"
    country: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(50), deferred=True)
    double: Mapped[int] = column_property(number * 2)
    cities: Mapped[list[City]] = relationship(back_populates="region", order_by="City.id")


class City(Base):
    __tablename__ = "cities"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    country: Mapped[str | None] = mapped_column(String(20))
    region_number: Mapped[int | None]
    region: Mapped[Region | None] = relationship(back_populates="cities")
    __table_args__ = (
        ForeignKeyConstraint(["country", "region_number"], ["regions.country", "regions.number"]),
    )


class Owner(Base):
    __tablename__ = "owners"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))
    token: Mapped[uuid.UUID] = mapped_column(unique=True)
    vehicles: Mapped[list[Vehicle]] = relationship(back_populates="owner", order_by="Vehicle.id")
    cars: Mapped[list[Car]] = relationship(viewonly=True, order_by="Car.id")


class Vehicle(Base):
    """Joined inheritance below, and single-table inheritance below that."""

    __tablename__ = "vehicles"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    plate: Mapped[str] = mapped_column(String(20))
    owner_token: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("owners.token"))
    owner: Mapped[Owner | None] = relationship(back_populates="vehicles")
    __mapper_args__: ClassVar[dict[str, Any]] = {
        "polymorphic_on": kind,
        "polymorphic_identity": "vehicle",
    }


class Car(Vehicle):
    __tablename__ = "cars"
    id: Mapped[int] = mapped_column(ForeignKey("vehicles.id"), primary_key=True)
    doors: Mapped[int]
    wheels: Mapped[list[Wheel]] = relationship(back_populates="car", order_by="Wheel.id")
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "car"}


class Taxi(Car):
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "taxi"}


class Wheel(Base):
    __tablename__ = "wheels"
    id: Mapped[int] = mapped_column(primary_key=True)
    car_id: Mapped[int] = mapped_column(ForeignKey("cars.id"))
    car: Mapped[Car] = relationship(back_populates="wheels")


MODELS = (
    Author, Publisher, Profile, Book, Tag, Shelf, Region, City, Owner, Vehicle, Car, Taxi, Wheel
)  # fmt: skip


def fill(session: Session) -> None:
    """Put the data into empty tables."""
    authors = [Author(id=i, name=f"author {i % 4}") for i in range(1, 9)]
    session.add_all(authors)
    session.flush()
    for author in authors[2:6]:
        author.mentor_id = author.id // 2
    session.add_all(Profile(id=i, text=f"about {i}", author_id=i) for i in (1, 2, 5))
    session.add(Profile(id=9, text="nobody", author_id=None))
    session.add_all(Publisher(code=code, name=code.upper()) for code in ("ab", "cd", "ef"))
    session.add_all(Shelf(id=i, mark=mark) for i, mark in enumerate(("NORTH", "SOUTH"), 1))
    session.flush()
    for i in range(1, 21):
        session.add(
            Book(
                id=i,
                title=f"title {i * 7 % 20}",
                rating=i % 5,
                author_id=None if i % 9 == 0 else i % 5 + 1,
                editor_id=i % 3 + 1 if i % 2 else None,
                publisher_code=(None, "ab", "cd")[i % 3],
                shelf_mark=("NORTH", None, "SOUTH", "LOST")[i % 4],
            )
        )
    session.add_all(Tag(id=i, name=f"tag {i}") for i in range(1, 6))
    session.flush()
    pairs = [(1, 1), (1, 2), (1, 1), (2, 1), (3, 4), (3, 4), (5, 5), (20, 1), (7, 3), (7, 2)]
    session.execute(book_tags.insert(), [{"book_id": b, "tag_id": t} for b, t in pairs])
    friends = [(1, 2), (2, 1), (1, 5), (3, 3), (8, 1)]
    session.execute(friendships.insert(), [{"left_id": a, "right_id": b} for a, b in friends])
    regions = (("at", 1), ("at", 2), ("de", 1))
    session.add_all(Region(country=c, number=n, title=f"{c}-{n}") for c, n in regions)
    session.flush()
    places = [("at", 1), ("at", 1), ("at", 2), ("at", None), (None, None), ("de", 1)]
    for i, (country, number) in enumerate(places, 1):
        session.add(City(id=i, name=f"city {i}", country=country, region_number=number))
    tokens = [uuid.UUID(int=i) for i in range(1, 5)]
    session.add_all(Owner(id=i, name=f"owner {i}", token=t) for i, t in enumerate(tokens, 1))
    session.flush()
    for i in range(1, 10):
        cls = (Vehicle, Car, Taxi)[i % 3]
        extra = {} if cls is Vehicle else {"doors": i}
        token = None if i == 9 else tokens[i % 3]
        session.add(cls(id=i, plate=f"plate {i}", owner_token=token, **extra))
    session.flush()
    session.add_all(Wheel(id=i, car_id=(1, 2, 4, 5)[i % 4]) for i in range(1, 12))
    session.commit()


def build_schema(route: str, connections: bool = False, **meta: Any) -> graphene.Schema:
    """A schema over all models: one root list for each.

    :param route: "stock"; "import" for this package's types under graphql-core's executor; "own"
        for both this package's types and its executor; "install" for stock types while install()
        is in effect.
    :param connections: whether to-many relationships are relay connections.
    :param meta: further Meta options of every type.
    """
    package = graphene_sqlalchemy_c if route in ("import", "own") else graphene_sqlalchemy
    installed = graphene_sqlalchemy_c.is_installed()
    if (route == "install") != installed:
        raise AssertionError(f"route {route!r}, but is_installed() is {installed}")
    registry = Registry()
    if connections:
        meta["interfaces"] = (relay.Node,)
    types = {}
    for model in MODELS:
        # Types that upstream cannot convert by itself.
        fields = {
            attribute.key: graphene_sqlalchemy_c.ORMField(type_=graphene.String)
            for attribute in model.__mapper__.column_attrs
            if isinstance(attribute.columns[0].type, (Shouted, Uuid))
        }
        options = type("Meta", (), {"model": model, "registry": registry, **meta})
        types[model] = type(
            model.__name__, (package.SQLAlchemyObjectType,), {"Meta": options, **fields}
        )

    def root_list(model: Any) -> tuple[Any, Any]:
        def resolve(_root: Any, info: Any) -> Any:
            statement = select(model).order_by(*model.__mapper__.primary_key)
            statement = statement.options(*info.context.get("options", ()))
            session = info.context["session"]
            if not isinstance(session, AsyncSession):
                return session.scalars(statement).all()

            async def later() -> Any:
                return (await session.scalars(statement)).all()

            return later()

        return graphene.List(types[model]), resolve

    attributes: dict[str, Any] = {}
    for model in MODELS:
        name = model.__tablename__ if "__tablename__" in vars(model) else "taxis"
        attributes[name], attributes[f"resolve_{name}"] = root_list(model)
    for model in (Author, Book):
        # Roots that a test hands in through the context.
        name = f"given_{model.__tablename__}"
        attributes[name] = graphene.List(types[model])
        attributes[f"resolve_{name}"] = lambda _root, info: info.context["roots"]

    class Rename(graphene.Mutation):
        """Changes an author and shows other ones."""

        authors = graphene.List(types[Author])

        def mutate(_root, info):
            return Rename(authors=info.context["mutate"]())

    mutation = type("Mutation", (graphene.ObjectType,), {"rename": Rename.Field()})
    query = type("Query", (graphene.ObjectType,), attributes)
    schema_class = graphene_sqlalchemy_c.Schema if route == "own" else graphene.Schema
    return schema_class(query=query, mutation=mutation)
