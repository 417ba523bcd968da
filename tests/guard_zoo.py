"""Tenants in one database, and a schema whose types show the rows of one of them.

The oracle is the same schema without enforcement on a database from which the hidden rows are
deleted: a key that refers to one of them refers to nothing, which is null.
"""

from __future__ import annotations

import asyncio
from typing import Any

import graphene
from graphene import relay
from sqlalchemy import Column, ForeignKey, String, Table, delete, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
)
from sqlalchemy.pool import NullPool

from graphene_sqlalchemy_c import (
    CountableConnection,
    Registry,
    Schema,
    SQLAlchemyConnectionField,
    SQLAlchemyInterface,
    SQLAlchemyObjectType,
)

from .conftest import Database, on_sqlite

TENANTS = ("red", "blue")


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "g_author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    tenant: Mapped[str] = mapped_column(String(10))
    mentor_id: Mapped[int | None] = mapped_column(ForeignKey("g_author.id"))
    mentor: Mapped[Author | None] = relationship(remote_side=[id], back_populates="pupils")
    pupils: Mapped[list[Author]] = relationship(back_populates="mentor", order_by=id)
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.id")


book_tag = Table(
    "g_book_tag",
    Base.metadata,
    Column("book_id", ForeignKey("g_book.id"), primary_key=True),
    Column("tag_id", ForeignKey("g_tag.id"), primary_key=True),
)


class Book(Base):
    __tablename__ = "g_book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(40))
    tenant: Mapped[str] = mapped_column(String(10))
    author_id: Mapped[int | None] = mapped_column(ForeignKey("g_author.id"))
    author: Mapped[Author | None] = relationship(back_populates="books")
    chapters: Mapped[list[Chapter]] = relationship(back_populates="book", order_by="Chapter.number")
    tags: Mapped[list[Tag]] = relationship(
        secondary=book_tag, back_populates="books", order_by="Tag.id"
    )


class Chapter(Base):
    __tablename__ = "g_chapter"
    book_id: Mapped[int] = mapped_column(ForeignKey("g_book.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    heading: Mapped[str] = mapped_column(String(40))
    book: Mapped[Book] = relationship(back_populates="chapters")


class Tag(Base):
    __tablename__ = "g_tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    books: Mapped[list[Book]] = relationship(
        secondary=book_tag, back_populates="tags", order_by="Book.id"
    )


class Person(Base):
    __tablename__ = "g_person"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(40))
    tenant: Mapped[str] = mapped_column(String(10))
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("g_person.id"))
    boss: Mapped[Person | None] = relationship(remote_side=[id], back_populates="staff")
    staff: Mapped[list[Person]] = relationship(back_populates="boss", order_by=id)
    __mapper_args__ = {"polymorphic_on": "kind"}  # noqa: RUF012


class Employee(Person):
    __tablename__ = "g_employee"
    id: Mapped[int] = mapped_column(ForeignKey("g_person.id"), primary_key=True)
    salary: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "employee"}  # noqa: RUF012


class Customer(Person):
    orders: Mapped[int | None]
    __mapper_args__ = {"polymorphic_identity": "customer"}  # noqa: RUF012


def fill(session: Session) -> None:
    """Rows of both tenants that refer to each other in every way."""
    tags = [Tag(id=i, name=f"tag {i}") for i in range(1, 4)]
    authors = [
        Author(id=i, name=f"author {i}", tenant=TENANTS[i % 2], mentor_id=i // 2 or None)
        for i in range(1, 9)
    ]
    books = [
        Book(
            id=i,
            title=f"book {i}",
            tenant=TENANTS[(i // 2) % 2],
            author_id=(i * 5) % 8 + 1 if i % 7 else None,
            tags=[tag for tag in tags if (i + tag.id) % 3],
        )
        for i in range(1, 25)
    ]
    chapters = [
        Chapter(book_id=book.id, number=number, heading=f"chapter {book.id}.{number}")
        for book in books
        for number in range(1, book.id % 4 + 1)
    ]
    session.add_all([*tags, *authors])
    session.flush()
    session.add_all([*books, *chapters])
    for i in range(1, 13):
        shared = {"id": i, "name": f"person {i}", "tenant": TENANTS[(i // 3) % 2]}
        shared["boss_id"] = i // 2 or None
        session.add(Employee(salary=i * 150, **shared) if i % 2 else Customer(orders=i, **shared))
        session.flush()
    session.commit()


def hide(session: Session, tenant: str) -> None:
    """Delete what `build` hides from a tenant, and nothing else."""
    hidden = select(Book.id).where(Book.tenant != tenant).scalar_subquery()
    for statement in (
        delete(Chapter).where(Chapter.book_id.in_(hidden) | (Chapter.number == 3)),
        delete(Book).where(Book.tenant != tenant),
        delete(Author).where(Author.tenant != tenant),
        delete(Employee.__table__).where(Employee.__table__.c.salary > 1000),
    ):
        session.execute(statement)
    people = Person.__table__
    session.execute(delete(people).where(people.c.tenant != tenant))
    kept = select(Employee.__table__.c.id)
    rich = (people.c.kind == "employee") & people.c.id.not_in(kept)
    session.execute(delete(people).where(rich))
    session.commit()


def build(enforce: bool, roots: str, form: str = "select", rows: bool = True) -> Schema:
    """The schema.

    :param roots: "lists" or "connections", of relationships too.
    :param form: what resolvers of roots return: "select", "query" or "instances".
    """
    registry = Registry()
    connections = roots == "connections"

    def options(model_: type, *interfaces_: Any) -> type:
        class Meta:
            model = model_
            interfaces = (relay.Node, *interfaces_)
            connection_class = CountableConnection
            batching = True

        Meta.registry = registry  # type: ignore[attr-defined]
        Meta.use_connection = connections  # type: ignore[attr-defined]
        return Meta

    def tenant_of(info: Any) -> str:
        calls = info.context.get("calls")
        if calls is not None:
            calls.append(info.context["tenant"])
        tenant: str = info.context["tenant"]
        return tenant

    class AuthorType(SQLAlchemyObjectType):
        Meta = options(Author)

        @classmethod
        def get_query(cls, info: Any) -> Any:
            return super().get_query(info).where(Author.tenant == tenant_of(info))

    class BookType(SQLAlchemyObjectType):
        Meta = options(Book)
        shout = graphene.String()

        @classmethod
        def get_query(cls, info: Any) -> Any:
            return super().get_query(info).where(Book.tenant == tenant_of(info))

        def resolve_shout(root, info: Any) -> str:
            return root.title.upper()

    class ChapterType(SQLAlchemyObjectType):
        Meta = options(Chapter)

        @classmethod
        def get_query(cls, info: Any) -> Any:
            visible = super().get_query(info).join(Chapter.book)
            return visible.where(Book.tenant == tenant_of(info), Chapter.number != 3)

    class TagType(SQLAlchemyObjectType):
        Meta = options(Tag)

    class PersonType(SQLAlchemyInterface):
        class Meta:
            model = Person

        Meta.registry = registry  # type: ignore[attr-defined]
        Meta.use_connection = False  # type: ignore[attr-defined]

        @classmethod
        def get_query(cls, info: Any) -> Any:
            return super().get_query(info).where(Person.tenant == tenant_of(info))

    class EmployeeType(SQLAlchemyObjectType):
        Meta = options(Employee, PersonType)

        @classmethod
        def get_query(cls, info: Any) -> Any:
            return super().get_query(info).where(Employee.salary <= 1000)

    class CustomerType(SQLAlchemyObjectType):
        Meta = options(Customer, PersonType)

    class AnyType(graphene.Union):
        class Meta:
            types = (BookType, AuthorType, TagType)

    def root(model: type, info: Any) -> Any:
        session = info.context["session"]
        order = model.__mapper__.primary_key  # type: ignore[attr-defined]
        statement = select(model).order_by(*order)
        if form == "query":
            return session.query(model).order_by(*order)
        if form == "select":
            return statement
        if hasattr(session, "run_sync"):

            async def load() -> list[Any]:
                return list(await session.scalars(statement))

            return load()
        return list(session.scalars(statement))

    class Query(graphene.ObjectType):
        node = relay.Node.Field()
        people = graphene.List(PersonType)
        employees = graphene.List(EmployeeType)
        everything = graphene.List(AnyType)
        if connections:
            authors = SQLAlchemyConnectionField(AuthorType.connection)
            books = SQLAlchemyConnectionField(BookType.connection)
            chapters = SQLAlchemyConnectionField(ChapterType.connection)
            tags = SQLAlchemyConnectionField(TagType.connection)
        else:
            authors = graphene.List(graphene.NonNull(AuthorType))
            books = graphene.List(BookType)
            chapters = graphene.NonNull(graphene.List(graphene.NonNull(ChapterType)))
            tags = graphene.List(TagType)
            book = graphene.Field(BookType, id=graphene.Int())

            def resolve_authors(root_, info: Any) -> Any:
                return root(Author, info)

            def resolve_books(root_, info: Any) -> Any:
                return root(Book, info)

            def resolve_chapters(root_, info: Any) -> Any:
                return root(Chapter, info)

            def resolve_tags(root_, info: Any) -> Any:
                return root(Tag, info)

            def resolve_book(root_, info: Any, id: int) -> Any:
                return select(Book).where(Book.id == id)

        def resolve_people(root_, info: Any) -> Any:
            return root(Person, info)

        def resolve_employees(root_, info: Any) -> Any:
            return root(Employee, info)

        async def resolve_everything(root_, info: Any) -> Any:
            session = info.context["session"]
            found: list[Any] = []
            for model in (Book, Author, Tag):
                order = model.__mapper__.primary_key
                given = session.scalars(select(model).order_by(*order))
                found += (await given) if hasattr(session, "run_sync") else given
            return found

    return Schema(
        query=Query,
        types=[EmployeeType, CustomerType],
        enforce_get_query=enforce,
        rows=rows,
    )


class Tenants:
    """A database of both tenants, and for each one without what it must not see."""

    def __init__(self, directory: Any) -> None:
        self.all = _database(directory / "all.sqlite", None)
        self.of = {each: _database(directory / f"{each}.sqlite", each) for each in TENANTS}


def _database(path: Any, tenant: str | None) -> Database:
    database = on_sqlite(path)
    Base.metadata.create_all(database.engine)
    with Session(database.engine) as session:
        fill(session)
        if tenant is not None:
            hide(session, tenant)
    return database


def ask(
    database: Database, schema: Schema, query: str, tenant: str, mode: str = "sync", **more: Any
) -> tuple[Any, list[str]]:
    """The result of a query as a tenant sends it, and its statements."""
    context: dict[str, Any] = {"tenant": tenant, **more.pop("context", {})}
    if mode == "asyncsession":
        return asyncio.run(_ask_async(database, schema, query, context, **more))
    with Session(database.engine) as session, database.statements() as executed:
        context["session"] = session
        if mode == "sync":
            result = schema.execute(query, context_value=context, **more)
        else:
            result = asyncio.run(schema.execute_async(query, context_value=context, **more))
    return result, executed


async def _ask_async(
    database: Database, schema: Schema, query: str, context: dict[str, Any], **more: Any
) -> tuple[Any, list[str]]:
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    engine = create_async_engine(database.async_url, poolclass=NullPool)
    try:
        with database.statements(engine.sync_engine) as executed:
            async with AsyncSession(engine) as session:
                context["session"] = session
                result = await schema.execute_async(query, context_value=context, **more)
        return result, executed
    finally:
        await engine.dispose()
