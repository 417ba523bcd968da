"""A small library for the tests of row levels: models, their data, and schemas over them.

Next to the zoo, whose models have every kind of relationship, these have every kind of attribute.
The data holds what a careless statement would merge or lose: authors of one name, a tag that a book
has twice, books without author, authors without books, NULL in every column that takes it.
"""

from __future__ import annotations

import enum
from functools import cache
from typing import Any, ClassVar

import graphene
import graphene_sqlalchemy
from graphene import relay
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import Column, Enum, ForeignKey, Integer, String, Table, Text
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    mapped_column,
    relationship,
)

import graphene_sqlalchemy_c
from graphene_sqlalchemy_c import ORMField

from .zoo import Shouted


class Base(DeclarativeBase):
    pass


class Country(enum.Enum):
    AT = "Austria"
    DE = "Germany"


class Keyed:
    """A mixin, as applications have for tenants or soft deletion."""

    id: Mapped[int] = mapped_column(primary_key=True)


book_tags = Table(
    "lib_book_tags",
    Base.metadata,
    Column("number", Integer, primary_key=True),
    Column("book_id", ForeignKey("lib_books.id")),
    Column("tag_id", ForeignKey("lib_tags.id")),
)


class Place(Base):
    """Joined inheritance."""

    __tablename__ = "lib_places"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    town: Mapped[str] = mapped_column(String(50))
    __mapper_args__: ClassVar[dict[str, Any]] = {
        "polymorphic_on": "kind",
        "polymorphic_identity": "place",
    }


class Shop(Place):
    __tablename__ = "lib_shops"
    id: Mapped[int] = mapped_column(ForeignKey("lib_places.id"), primary_key=True)
    clerk: Mapped[str | None] = mapped_column(String(50))
    customers: Mapped[list[Author]] = relationship(
        back_populates="shop", foreign_keys="Author.shop_id", order_by="Author.id"
    )
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "shop"}


class Author(Keyed, Base):
    __tablename__ = "lib_authors"
    name: Mapped[str] = mapped_column(String(50))
    nick: Mapped[str | None] = mapped_column("nickname", String(50))
    country: Mapped[Country | None] = mapped_column(Enum(Country, native_enum=False, length=20))
    motto: Mapped[str | None] = mapped_column(Shouted)
    diary: Mapped[str | None] = mapped_column(Text, deferred=True)
    shop_id: Mapped[int | None] = mapped_column(ForeignKey("lib_shops.id"))
    place_id: Mapped[int | None] = mapped_column(ForeignKey("lib_places.id"))
    mentor_id: Mapped[int | None] = mapped_column(ForeignKey("lib_authors.id"))
    mentor: Mapped[Author | None] = relationship(remote_side="Author.id", back_populates="pupils")
    pupils: Mapped[list[Author]] = relationship(back_populates="mentor", order_by="Author.id")
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.id")
    reviews: Mapped[list[Review]] = relationship(back_populates="author", order_by="Review.id")
    media: Mapped[list[Medium]] = relationship(order_by="Medium.id")
    discs: Mapped[list[Disc]] = relationship(viewonly=True, order_by="Disc.id")
    shop: Mapped[Shop | None] = relationship(back_populates="customers", foreign_keys=[shop_id])
    place: Mapped[Place | None] = relationship(foreign_keys=[place_id])

    @hybrid_property
    def label(self):  # type: ignore[no-untyped-def]
        return f"{self.name} ({self.nick})"


Author.twice = column_property(Author.id * 2)


class Book(Keyed, Base):
    __tablename__ = "lib_books"
    title: Mapped[str] = mapped_column(String(50))
    rating: Mapped[int]
    blurb: Mapped[str | None] = mapped_column(Text, deferred=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("lib_authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="books")
    reviews: Mapped[list[Review]] = relationship(back_populates="book", order_by="Review.id")
    tags: Mapped[list[Tag]] = relationship(
        secondary=book_tags, back_populates="books", order_by="Tag.id"
    )
    tag_names: AssociationProxy[list[str]] = association_proxy("tags", "name")

    @hybrid_property
    def label(self):  # type: ignore[no-untyped-def]
        return f"{self.title}, {self.rating} stars"


class Review(Keyed, Base):
    __tablename__ = "lib_reviews"
    stars: Mapped[int]
    text: Mapped[str | None] = mapped_column(String(50))
    book_id: Mapped[int | None] = mapped_column(ForeignKey("lib_books.id"))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("lib_authors.id"))
    book: Mapped[Book | None] = relationship(back_populates="reviews")
    author: Mapped[Author | None] = relationship(back_populates="reviews")


class Tag(Keyed, Base):
    __tablename__ = "lib_tags"
    name: Mapped[str] = mapped_column(String(50))
    books: Mapped[list[Book]] = relationship(
        secondary=book_tags, back_populates="tags", order_by="Book.id"
    )


class Medium(Base):
    """Single-table inheritance."""

    __tablename__ = "lib_media"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(50))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("lib_authors.id"))
    __mapper_args__: ClassVar[dict[str, Any]] = {
        "polymorphic_on": "kind",
        "polymorphic_identity": "medium",
    }


class Disc(Medium):
    tracks: Mapped[int | None]
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "disc"}


class Tape(Medium):
    minutes: Mapped[int | None]
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "tape"}


MODELS = (Author, Book, Review, Tag, Place, Shop, Medium, Disc, Tape)

# Types that upstream cannot convert by itself.
_TEXT = {Author: ("motto", "label"), Book: ("label",)}


def fill(session: Session) -> None:
    """Put the data into empty tables."""
    session.add_all(Place(id=i, town=f"town {i}") for i in (1, 2))
    session.add_all(Shop(id=i, town=f"town {i}", clerk=("Ann", None)[i % 2]) for i in (3, 4, 5))
    session.flush()
    for i in range(1, 9):
        author = Author(
            id=i,
            name=f"author {i % 4}",
            nick=None if i == 3 else f"nick {i}",
            country=(None, Country.AT, Country.DE)[i % 3],
            motto=(None, "LOUD", "LOUDER")[i % 3],
            diary=f"diary {i}",
            shop_id=(None, 3, 4)[i % 3],
            place_id=(None, 1, 3, 5)[i % 4],
        )
        session.add(author)
        session.flush()
        author.mentor_id = i // 2 or None
    session.flush()
    for i in range(1, 25):
        session.add(
            Book(
                id=i,
                title=f"title {i * 7 % 12}",
                rating=i % 5,
                blurb=f"blurb {i}",
                author_id=None if i % 7 == 0 else i % 6 + 1,
            )
        )
    session.add_all(Tag(id=i, name=f"tag {i}") for i in range(1, 6))
    session.flush()
    for i in range(1, 41):
        session.add(
            Review(
                id=i,
                stars=i % 4,
                text=None if i % 5 == 0 else f"text {i}",
                book_id=None if i % 9 == 0 else i % 10 + 1,
                author_id=i % 8 + 1,
            )
        )
    pairs = [(1, 1), (1, 2), (1, 1), (2, 1), (3, 4), (3, 4), (5, 5), (20, 1), (7, 3), (7, 2)]
    session.execute(book_tags.insert(), [{"book_id": b, "tag_id": t} for b, t in pairs])
    for i in range(1, 13):
        cls = (Medium, Disc, Tape)[i % 3]
        extra = {Medium: {}, Disc: {"tracks": i}, Tape: {"minutes": i * 10}}[cls]
        session.add(cls(id=i, title=f"medium {i}", author_id=i % 5 + 1, **extra))
    session.commit()


def build_schema(
    route: str,
    models: Any = MODELS,
    fields: Any = None,
    meta: Any = None,
    composites: Any = None,
    types: Any = None,
    **options: Any,
) -> graphene.Schema:
    """A schema over models: `authors` and `author` at the root, and so on for each.

    A root asks the request: `info.context["root"](model, info)` is what its resolver returns.

    :param route: "stock", "import" or "own", as `zoo.build_schema` has them.
    :param fields: {model: {name: attribute of the type's class}}; functions make new values.
    :param meta: {model: {Meta option: value}}.
    :param composites: {composite class: its converter}.
    :param types: a dict that is given the types by their names.
    :param options: of the schema.
    """
    package = graphene_sqlalchemy if route == "stock" else graphene_sqlalchemy_c
    registry = Registry()
    for composite_class, convert in (composites or {}).items():
        registry.register_composite_converter(composite_class, convert)
    made: dict[Any, Any] = {}
    for model in models:
        own = {name: ORMField(type_=graphene.String) for name in _TEXT.get(model, ())}
        own.update(
            (name, value() if getattr(value, "__name__", "") == "<lambda>" else value)
            for name, value in (fields or {}).get(model, {}).items()
        )
        more = (meta or {}).get(model, {})
        own["Meta"] = type("Meta", (), {"model": model, "registry": registry, **more})
        made[model] = type(model.__name__, (package.SQLAlchemyObjectType,), own)
        if types is not None:
            types[model.__name__] = made[model]
    attributes: dict[str, Any] = {}

    def resolver(model: Any) -> Any:
        return lambda _root, info, **_: info.context["root"](model, info)

    for model, type_ in made.items():
        one = model.__name__.lower()
        many = {"medium": "media"}.get(one, one + "s")
        attributes[one] = graphene.Field(type_)
        attributes[many] = graphene.List(type_)
        attributes[f"strict_{one}"] = graphene.Field(graphene.NonNull(type_))
        attributes[f"strict_{many}"] = graphene.NonNull(
            graphene.List(graphene.NonNull(type_)), name=f"strict{many.title()}"
        )
        for name in (one, many, f"strict_{one}", f"strict_{many}"):
            attributes[f"resolve_{name}"] = resolver(model)
    schema_class = graphene_sqlalchemy_c.Schema if route == "own" else graphene.Schema
    query = type("Query", (graphene.ObjectType,), attributes)
    return schema_class(query=query, types=list(made.values()), **options)


@cache
def schema(route: str, relay_ids: bool = False) -> graphene.Schema:
    """The plain schema over all models, one for each route.

    :param relay_ids: whether the types are relay nodes; to-many relationships are connections then.
    """
    meta = {model: {"interfaces": (relay.Node,)} for model in MODELS} if relay_ids else None
    return build_schema(route, meta=meta)
