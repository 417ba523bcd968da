"""A library of authors, books and reviews: its tables, its data, its schemas, its requests.

Authors -> books -> reviews is the shape, 10 children each. The schemas are the same graphene code
over graphene-sqlalchemy's types and over ours; the statements by hand are in by_hand.py.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import graphene
import graphene_sqlalchemy
import orjson
from graphene import relay
from graphene_sqlalchemy.registry import Registry
from graphql import ExecutionContext
from graphql_relay import to_global_id
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    ForeignKey,
    create_engine,
    event,
    insert,
    make_url,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import NullPool

import graphene_sqlalchemy_c
from benchmarks.report import Row

AUTHORS, BOOKS_EACH, REVIEWS_EACH, PUBLISHERS = 50, 10, 10, 20
BOOKS = AUTHORS * BOOKS_EACH
POSTGRES_VARIABLE = "GSC_POSTGRES_URL"

Json = dict[str, Any]
#: One request from an open to a closed Session or Connection; the number chooses its variables.
Request = Callable[[Engine, int], bytes]


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    country: Mapped[str]
    born: Mapped[int]
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.id")


class Publisher(Base):
    __tablename__ = "publisher"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    city: Mapped[str]


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    year: Mapped[int]
    pages: Mapped[int]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"), index=True)
    publisher_id: Mapped[int] = mapped_column(ForeignKey("publisher.id"))
    author: Mapped[Author] = relationship(back_populates="books")
    publisher: Mapped[Publisher] = relationship()
    reviews: Mapped[list[Review]] = relationship(back_populates="book", order_by="Review.id")


class Review(Base):
    __tablename__ = "review"
    id: Mapped[int] = mapped_column(primary_key=True)
    rating: Mapped[int]
    text: Mapped[str]
    reader: Mapped[str]
    book_id: Mapped[int] = mapped_column(ForeignKey("book.id"), index=True)
    book: Mapped[Book] = relationship(back_populates="reviews")


MODELS: tuple[Any, ...] = (Author, Publisher, Book, Review)

# Queries ------------------------------------------------------------------------------------

NESTED = """
    { authors { name country born books { title year pages reviews { rating text reader } } } }
"""
MANY_TO_ONE = "{ books { title year author { name country } publisher { name city } } }"
FLAT = "{ reviews { rating text reader } }"
CONNECTIONS = """
    { authors%s { pageInfo { hasNextPage endCursor } edges { node {
        name country
        books(first: 3) { pageInfo { hasNextPage endCursor } edges { node {
            title year
            reviews(first: 3) { pageInfo { hasNextPage endCursor } edges { node { rating text } } }
        } } }
    } } } }
"""
ONE_FIELD = "query ($id: Int!) { book(id: $id) { title year pages } }"
ONE_NODE = "query ($id: ID!) { node(id: $id) { ... on Book { title year pages } } }"


# Databases ----------------------------------------------------------------------------------


@contextmanager
def _sqlite() -> Iterator[URL | None]:
    with tempfile.TemporaryDirectory() as folder:
        yield make_url(f"sqlite:///{Path(folder) / 'library.sqlite'}")


@contextmanager
def on_postgresql() -> Iterator[URL | None]:
    """A new database on the server, dropped at the end; None where none is named."""
    if POSTGRES_VARIABLE not in os.environ:
        yield None
        return
    server = make_url(os.environ[POSTGRES_VARIABLE])
    own = f"gsc_bench_{uuid.uuid4().hex[:12]}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {own}"))
    try:
        yield server.set(database=own)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {own}"))


_DATABASES: dict[str, Callable[[], AbstractContextManager[URL | None]]] = {
    "SQLite": _sqlite,
    "PostgreSQL": on_postgresql,
}


def not_run(name: str) -> Row:
    """The row that says that there is no such database."""
    return Row(f"{name}: NOT RUN, {POSTGRES_VARIABLE} is not set", None, None, None, "")


@contextmanager
def connected(url: URL | str) -> Iterator[Engine]:
    """An engine, which is disposed of at the end."""
    engine = create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def on_each_database(rows: Callable[[str, Engine], Iterator[Row]]) -> Iterator[Row]:
    """The rows of each database, and a row that says so where there is none to run on."""
    for name, database in _DATABASES.items():
        with database() as url:
            if url is None:
                yield not_run(name)
                continue
            with connected(url) as engine:
                yield from rows(name, engine)


def url_of(engine: Engine) -> str:
    """For an engine of the same database in another process."""
    return engine.url.render_as_string(hide_password=False)


def fill(engine: Engine, authors: int, reviews_each: int = REVIEWS_EACH) -> None:
    """Make the tables anew, with so many authors; what an engine knows of the old is forgotten."""
    books = authors * BOOKS_EACH
    with engine.begin() as connection:
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
        _insert(connection, Author, map(_author, range(1, authors + 1)))
        _insert(connection, Publisher, map(_publisher, range(1, PUBLISHERS + 1)))
        _insert(connection, Book, map(_book, range(1, books + 1)))
        _insert(connection, Review, map(_review, range(1, books * reviews_each + 1)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM"))
        connection.execute(text("ANALYZE"))
    engine.dispose()


def _insert(connection: Connection, model: Any, rows: Iterable[Json]) -> None:
    remaining = iter(rows)
    while some := list(islice(remaining, 10_000)):
        connection.execute(insert(model), some)


def _author(n: int) -> Json:
    return {"id": n, "name": f"Author {n}", "country": f"Country {n % 30}", "born": 1900 + n % 90}


def _publisher(n: int) -> Json:
    return {"id": n, "name": f"Publisher {n}", "city": f"City {n % 10}"}


def _book(n: int) -> Json:
    return {
        "id": n,
        "title": f"Book {n}",
        "year": 1950 + n % 70,
        "pages": 100 + n % 500,
        "author_id": (n - 1) // BOOKS_EACH + 1,
        "publisher_id": n % PUBLISHERS + 1,
    }


def _review(n: int) -> Json:
    return {
        "id": n,
        "rating": n % 5 + 1,
        "text": f"Review {n}: worth reading",
        "reader": f"Reader {n % 400}",
        "book_id": (n - 1) // REVIEWS_EACH + 1,
    }


@contextmanager
def counted(engine: Engine) -> Iterator[tuple[Engine, list[str]]]:
    """An engine on the same database and its statements; the first stays free of listeners."""
    executed: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        executed.append(statement)

    with connected(engine.url) as listened:
        event.listen(listened, "before_cursor_execute", note)
        yield listened, executed


# Schemas ------------------------------------------------------------------------------------


class Schemas:
    """A schema with plain lists and one with relay connections, over types of one package."""

    def __init__(self, package: Any, schema_class: Any, *, instances: bool) -> None:
        """
        :param package: graphene_sqlalchemy, or ours that has the same names
        :param instances: whether the resolvers run their statements or return them
        """
        self.lists = schema_class(query=_list_query(_types(package), instances))
        types = _types(package, relay.Node)
        authors = package.SQLAlchemyConnectionField(types[Author].connection)
        self.connections = schema_class(query=_connection_query(authors))


def _types(package: Any, *interfaces: Any) -> dict[Any, Any]:
    registry = Registry()
    base = package.SQLAlchemyObjectType

    def object_type(model: Any) -> Any:
        meta = {"model": model, "registry": registry, "interfaces": interfaces}
        return type(model.__name__, (base,), {"Meta": type("Meta", (), meta)})

    return {model: object_type(model) for model in MODELS}


def _list_query(types: dict[Any, Any], instances: bool) -> Any:
    def found(info: Any, statement: Any) -> Any:
        return info.context["session"].scalars(statement) if instances else statement

    def every(info: Any, model: Any) -> Any:
        rows = found(info, select(model).order_by(model.id))
        return rows.all() if instances else rows

    class Query(graphene.ObjectType):
        authors = graphene.List(types[Author])
        books = graphene.List(types[Book])
        reviews = graphene.List(types[Review])
        book = graphene.Field(types[Book], id=graphene.Int(required=True))

        def resolve_authors(root, info):
            return every(info, Author)

        def resolve_books(root, info):
            return every(info, Book)

        def resolve_reviews(root, info):
            return every(info, Review)

        def resolve_book(root, info, id):
            rows = found(info, field_statement(id))
            return rows.one_or_none() if instances else rows

    return Query


def field_statement(id_: int) -> Any:
    """What the resolver of a Field makes anew for each request."""
    return select(Book).where(Book.id == id_)


def _connection_query(authors: Any) -> Any:
    members = {"authors": authors, "node": relay.Node.Field()}
    return type("Query", (graphene.ObjectType,), members)


def stock_schemas() -> Schemas:
    return Schemas(graphene_sqlalchemy, graphene.Schema, instances=True)


def our_schemas() -> Schemas:
    schema_class = graphene_sqlalchemy_c.Schema
    return Schemas(graphene_sqlalchemy_c, schema_class, instances=False)


# Requests -----------------------------------------------------------------------------------

Variables = Callable[[int], Json]


def no_variables(number: int) -> Json:
    return {}


def book_id(number: int) -> int:
    """The book that the request of this number asks for."""
    return number % BOOKS + 1


def field_variables(number: int) -> Json:
    return {"id": book_id(number)}


_GLOBAL_IDS = [to_global_id("Book", book_id(number)) for number in range(BOOKS)]


def node_variables(number: int) -> Json:
    return {"id": _GLOBAL_IDS[number % BOOKS]}


def upstream(schema: Any, query: str, variables: Variables = no_variables) -> Request:
    def request(engine: Engine, number: int) -> bytes:
        with Session(engine) as session:
            result = schema.execute(
                query,
                context_value={"session": session},
                variable_values=variables(number),
                execution_context_class=ExecutionContext,
            )
            return orjson.dumps(result.formatted)

    return request


def ours(schema: Any, query: str, variables: Variables = no_variables) -> Request:
    def request(engine: Engine, number: int) -> bytes:
        with Session(engine) as session:
            context = {"session": session}
            answer: bytes = schema.execute_json(
                query, context_value=context, variable_values=variables(number)
            )
            return answer

    return request


def by_hand(write: Callable[[Connection, int], Json]) -> Request:
    def request(engine: Engine, number: int) -> bytes:
        with engine.connect() as connection:
            return orjson.dumps({"data": write(connection, number)})

    return request


def in_session(write: Callable[[Connection, int], Json]) -> Request:
    """By hand in a Session, beside the statement that a resolver makes: nothing of ours."""

    def request(engine: Engine, number: int) -> bytes:
        with Session(engine) as session:
            field_statement(book_id(number))
            return orjson.dumps({"data": write(session.connection(), number)})

    return request
