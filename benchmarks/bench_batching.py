"""Batch resolvers under graphql-core's own executor, on an SQLite file.

Whole requests in a new session each, to the answer as dicts. Upstream is graphene-sqlalchemy
loading lazily in the sync rows, and with `batching=True` in the async rows, where it uses its
DataLoader (for connections and to-one fields; plain lists stay lazy; on SQLAlchemy 2.1 it is off).
By hand is the same answer made with `selectinload` and dicts. The numbers of statements are
upstream's and ours.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import graphene
import graphene_sqlalchemy
from graphene_sqlalchemy.registry import Registry
from graphql import ExecutionContext
from sqlalchemy import Engine, ForeignKey, create_engine, event, insert, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    selectinload,
)

import graphene_sqlalchemy_c
from benchmarks.report import Row, best_of

AUTHORS, BOOKS_EACH, REVIEWS_EACH, PUBLISHERS = 100, 10, 10, 20
SHOWN_AUTHORS = 50

Json = dict[str, Any]
Request = Callable[[], Json]


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.id")


class Publisher(Base):
    __tablename__ = "publisher"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
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
    book_id: Mapped[int] = mapped_column(ForeignKey("book.id"), index=True)
    book: Mapped[Book] = relationship(back_populates="reviews")


MANY_TO_ONE = "{ books { title author { name } publisher { name } } }"
LISTS = "{ authors { name books { title reviews { rating text } } } }"
CONNECTIONS = """
    { authors { name books { edges { node {
        title reviews { edges { node { rating text } } }
    } } } } }
"""


def fill(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    books = range(1, AUTHORS * BOOKS_EACH + 1)
    reviews = range(1, len(books) * REVIEWS_EACH + 1)
    with engine.begin() as connection:
        for table, rows in (
            (Author, [{"name": f"Author {n}"} for n in range(1, AUTHORS + 1)]),
            (Publisher, [{"name": f"Publisher {n}"} for n in range(1, PUBLISHERS + 1)]),
            (
                Book,
                [
                    {
                        "title": f"Book {n}",
                        "author_id": (n - 1) // BOOKS_EACH + 1,
                        "publisher_id": n % PUBLISHERS + 1,
                    }
                    for n in books
                ],
            ),
            (
                Review,
                [
                    {
                        "rating": n % 5,
                        "text": f"Review {n}",
                        "book_id": (n - 1) // REVIEWS_EACH + 1,
                    }
                    for n in reviews
                ],
            ),
        ):
            connection.execute(insert(table), rows)


def build(
    base: type,
    *,
    connections: bool,
    members: dict[type, Json] | None = None,
    **options: object,
) -> graphene.Schema:
    """A schema of its own registry whose types derive from `base`.

    `members` are more class attributes of a model's type, `options` Meta options of every type.
    """
    registry = Registry()
    interfaces = (graphene.relay.Node,) if connections else ()

    def object_type(model: type) -> type:
        meta = {"model": model, "registry": registry, "interfaces": interfaces, **options}
        more = (members or {}).get(model, {})
        return type(model.__name__, (base,), {"Meta": type("Meta", (), meta), **more})

    types = {model: object_type(model) for model in (Author, Publisher, Book, Review)}

    class Query(graphene.ObjectType):
        authors = graphene.List(types[Author])
        books = graphene.List(types[Book])

        def resolve_authors(root, info):
            statement = select(Author).order_by(Author.id).limit(SHOWN_AUTHORS)
            return info.context["session"].scalars(statement).all()

        def resolve_books(root, info):
            return info.context["session"].scalars(select(Book).order_by(Book.id)).all()

    return graphene.Schema(query=Query)


def many_to_one_by_hand(session: Session) -> Json:
    statement = (
        select(Book)
        .order_by(Book.id)
        .options(selectinload(Book.author), selectinload(Book.publisher))
    )
    return {
        "books": [
            {
                "title": book.title,
                "author": {"name": book.author.name},
                "publisher": {"name": book.publisher.name},
            }
            for book in session.scalars(statement)
        ]
    }


def lists_by_hand(session: Session) -> Json:
    statement = (
        select(Author)
        .order_by(Author.id)
        .limit(SHOWN_AUTHORS)
        .options(selectinload(Author.books).selectinload(Book.reviews))
    )
    return {
        "authors": [
            {
                "name": author.name,
                "books": [
                    {
                        "title": book.title,
                        "reviews": [
                            {"rating": review.rating, "text": review.text}
                            for review in book.reviews
                        ],
                    }
                    for book in author.books
                ],
            }
            for author in session.scalars(statement)
        ]
    }


class Bench:
    """One database, one event loop, and the requests that are compared on them."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self.engine = engine
        self.loop = loop
        self.statements = 0
        event.listen(engine, "before_cursor_execute", self.count)

    def count(self, *_: object) -> None:
        self.statements += 1

    def sync(self, schema: graphene.Schema, query: str) -> Request:
        def request() -> Json:
            with Session(self.engine) as session:
                result = schema.execute(
                    query,
                    context={"session": session},
                    execution_context_class=ExecutionContext,
                )
            return answer(result)

        return request

    def asynchronous(self, schema: graphene.Schema, query: str) -> Request:
        async def run() -> Json:
            with Session(self.engine) as session:
                result = await schema.execute_async(
                    query,
                    context={"session": session},
                    execution_context_class=ExecutionContext,
                )
            return answer(result)

        return lambda: self.loop.run_until_complete(run())

    def by_hand(self, write: Callable[[Session], Json]) -> Request:
        def request() -> Json:
            with Session(self.engine) as session:
                return write(session)

        return request

    def row(
        self, name: str, upstream: Request, ours: Request, by_hand: Request | None, wanted: str
    ) -> Row:
        """Compare the answers, count the statements, then take the times."""
        sides = [upstream, ours] if by_hand is None else [upstream, ours, by_hand]
        answers, statements = [], []
        for side in sides:
            self.statements = 0
            answers.append(side())
            statements.append(self.statements)
        if any(other != answers[0] for other in answers):
            raise AssertionError(f"{name}: the answers differ")
        times = best_of(*sides)
        return Row(
            f"{name} ({statements[0]} -> {statements[1]} statements)",
            times[0],
            times[1],
            times[2] if by_hand else None,
            wanted,
        )

    def rows(self) -> Iterator[Row]:
        stock = graphene_sqlalchemy.SQLAlchemyObjectType
        lazy = build(stock, connections=False)
        loader = build(stock, connections=False, batching=True)
        ours = build(graphene_sqlalchemy_c.SQLAlchemyObjectType, connections=False)
        for name, query, write, wanted in (
            ("many-to-one, 1,000 rows", MANY_TO_ONE, many_to_one_by_hand, 1.3),
            ("nested lists, 5,550 objects", LISTS, lists_by_hand, 2),
        ):
            by_hand = self.by_hand(write)
            yield self.row(
                f"{name}, sync", self.sync(lazy, query), self.sync(ours, query), by_hand, ""
            )
            yield self.row(
                f"{name}, async",
                self.asynchronous(loader, query),
                self.asynchronous(ours, query),
                by_hand,
                f"upstream / ours >= {wanted}",
            )
        yield self.row(
            "nested connections, 5,550 objects, async",
            self.asynchronous(build(stock, connections=True, batching=True), CONNECTIONS),
            self.asynchronous(
                build(graphene_sqlalchemy_c.SQLAlchemyObjectType, connections=True), CONNECTIONS
            ),
            None,
            "",
        )


def answer(result: Any) -> Json:
    if result.errors:
        raise result.errors[0]
    return result.data


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{Path(folder) / 'books.sqlite'}")
        loop = asyncio.new_event_loop()
        try:
            fill(engine)
            yield from Bench(engine, loop).rows()
        finally:
            loop.close()
            engine.dispose()
