"""A schema with a level of each kind, for tests/test_explain.py and its commands."""

from __future__ import annotations

from typing import Any, ClassVar

import graphene
from graphene import relay
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import Column, ForeignKey, String, Table, event, select
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    foreign,
    mapped_column,
    relationship,
)

from graphene_sqlalchemy_c import (
    CountableConnection,
    ORMField,
    Schema,
    SQLAlchemyConnectionField,
    SQLAlchemyInterface,
    SQLAlchemyObjectType,
)


class Base(DeclarativeBase):
    pass


book_tags = Table(
    "book_tags",
    Base.metadata,
    Column("book_id", ForeignKey("books.id"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id"), primary_key=True),
)
book_labels = Table(
    "book_labels",
    Base.metadata,
    Column("book_id", ForeignKey("books.id")),
    Column("label_id", ForeignKey("labels.id")),
)


class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.title")


class Tag(Base):
    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(20))


class Label(Base):
    __tablename__ = "labels"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(20))


class Watched(Base):
    __tablename__ = "watched"
    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id"))


@event.listens_for(Watched, "load")
def note_load(_target: Any, _context: Any) -> None:
    """Somebody who wants to see the instances."""


class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(20))
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_on": kind}


class Gadget(Thing):
    __mapper_args__: ClassVar[dict[str, Any]] = {"polymorphic_identity": "gadget"}


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(20))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="books")
    single: Mapped[Author | None] = relationship(viewonly=True)
    tags: Mapped[list[Tag]] = relationship(secondary=book_tags, order_by="Tag.id")
    labels: Mapped[list[Label]] = relationship(secondary=book_labels, order_by="Label.id")
    watched: Mapped[list[Watched]] = relationship()

    @hybrid_property
    def initial(self):
        return self.title[0]


_other_tag = aliased(Tag)
Book.odd = relationship(
    _other_tag, primaryjoin=Book.id == foreign(_other_tag.id), viewonly=True, uselist=True
)


def fill(session: Session) -> None:
    """Put the data into empty tables."""
    tags = [Tag(label=label) for label in "xyz"]
    labels = [Label(label=label) for label in "xy"]
    for name in "ABC":
        author = Author(name=name)
        author.books = [
            Book(title=f"{name}{i}", tags=tags[:i], labels=labels[:1]) for i in range(3)
        ]
        session.add(author)
    session.add_all([Gadget(name="g"), Watched(book_id=1)])
    session.commit()


registry = Registry()


def _type(base: Any, model: Any, fields: Any = (), **meta: Any) -> Any:
    options = {"model": model, "registry": registry, "name": model.__name__, **meta}
    return type(
        f"{model.__name__}Type", (base,), {"Meta": type("Meta", (), options), **dict(fields)}
    )


class KindConnection(CountableConnection):
    class Meta:
        abstract = True

    kind = graphene.String()

    def resolve_kind(root, _info):
        return type(root).__name__


NODE = {"interfaces": (relay.Node,), "connection_class": KindConnection}
TagType = _type(SQLAlchemyObjectType, Tag)
LabelType = _type(SQLAlchemyObjectType, Label, **NODE)
WatchedType = _type(SQLAlchemyObjectType, Watched)
ThingType = _type(SQLAlchemyInterface, Thing)
GadgetType = _type(SQLAlchemyObjectType, Gadget, interfaces=(ThingType,))
AuthorType = _type(
    SQLAlchemyObjectType,
    Author,
    {"upper": graphene.String(), "resolve_upper": lambda root, _info: root.name.upper()},
    **NODE,
)
BookType = _type(
    SQLAlchemyObjectType,
    Book,
    {
        "single": ORMField(batching=False),
        "initial": ORMField(type_=graphene.String),
        "shout": graphene.String(),
        "resolve_shout": lambda root, _info: root.title.upper(),
    },
    **NODE,
)


class Judged(SQLAlchemyObjectType):
    class Meta:
        model = Author
        registry = Registry()
        only_fields = ("id",)

    @classmethod
    def is_type_of(cls, root: Any, _info: Any) -> bool:
        return isinstance(root, Author)


class Viewer(graphene.ObjectType):
    label = graphene.String()
    books = graphene.List(BookType)

    def resolve_books(root, _info):
        return select(Book).order_by(Book.id)


class GroupedConnection(SQLAlchemyConnectionField):
    @classmethod
    def get_query(cls, model, info, **args):
        return select(Book).group_by(Book.id)


class Query(graphene.ObjectType):
    node = relay.Node.Field()
    version = graphene.String()
    viewer = graphene.Field(Viewer)
    books = graphene.List(BookType)
    grouped = graphene.List(BookType)
    things = graphene.List(ThingType)
    judged = graphene.List(Judged)
    all_authors = SQLAlchemyConnectionField(AuthorType.connection)
    all_grouped = GroupedConnection(BookType.connection)
    made_connection = relay.ConnectionField(AuthorType.connection)

    def resolve_viewer(root, _info):
        return Viewer(label="me")

    def resolve_books(root, _info):
        return select(Book).order_by(Book.id)

    def resolve_grouped(root, _info):
        return select(Book).group_by(Book.id)

    def resolve_things(root, _info):
        return select(Thing)

    def resolve_judged(root, _info):
        return select(Author)

    def resolve_made_connection(root, info, **_):
        return info.context["session"].scalars(select(Author)).all()


class Touch(graphene.Mutation):
    ok = graphene.Boolean()
    book = graphene.Field(BookType)

    def mutate(_root, _info):
        return Touch(ok=True, book=select(Book).limit(1))


class Mutation(graphene.ObjectType):
    touch = Touch.Field()


TYPES = (GadgetType, LabelType)
schema = Schema(query=Query, mutation=Mutation, types=TYPES)
stock_schema = graphene.Schema(query=Query, mutation=Mutation, types=TYPES)
