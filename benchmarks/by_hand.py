"""The answers of library.py's queries as a good engineer writes them with SQLAlchemy Core.

No ORM, no GraphQL: statements that are built once, rows that become dicts. Keys are sent in an
expanding IN, so many at a time as every database takes.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from benchmarks.library import Author, Book, Json, Publisher, Review, book_id

KEYS_PER_STATEMENT = 500
FIRST = 3

author, publisher, book, review = (model.__table__.c for model in (Author, Publisher, Book, Review))
keys = bindparam("keys", expanding=True)


def chunks(values: Iterable[int]) -> Iterator[list[int]]:
    remaining = iter(values)
    while some := list(islice(remaining, KEYS_PER_STATEMENT)):
        yield some


# Lists --------------------------------------------------------------------------------------

AUTHORS = select(author.id, author.name, author.country, author.born).order_by(author.id)
BOOKS_OF = (
    select(book.id, book.author_id, book.title, book.year, book.pages)
    .where(book.author_id.in_(keys))
    .order_by(book.id)
)
REVIEWS_OF = (
    select(review.book_id, review.rating, review.text, review.reader)
    .where(review.book_id.in_(keys))
    .order_by(review.id)
)


def nested(connection: Connection, number: int) -> Json:
    """Rows are not kept: where there are many, the collector would visit them again and again."""
    authors: list[Json] = []
    books_of: dict[int, list[Json]] = {}
    reviews_of: dict[int, list[Json]] = {}
    for id_, name, country, born in connection.execute(AUTHORS):
        books_of[id_] = books = []
        authors.append({"name": name, "country": country, "born": born, "books": books})
    for some in chunks(books_of):
        rows = connection.execute(BOOKS_OF, {"keys": some})
        for id_, author_id, title, year, pages in rows:
            reviews_of[id_] = reviews = []
            books_of[author_id].append(
                {"title": title, "year": year, "pages": pages, "reviews": reviews}
            )
    for some in chunks(reviews_of):
        for id_, rating, text, reader in connection.execute(REVIEWS_OF, {"keys": some}):
            reviews_of[id_].append({"rating": rating, "text": text, "reader": reader})
    return {"authors": authors}


BOOKS = select(book.title, book.year, book.author_id, book.publisher_id).order_by(book.id)
AUTHORS_BY_ID = select(author.id, author.name, author.country).where(author.id.in_(keys))
PUBLISHERS_BY_ID = select(publisher.id, publisher.name, publisher.city).where(
    publisher.id.in_(keys)
)


def many_to_one(connection: Connection, number: int) -> Json:
    """Three statements: a thousand books share their authors' dicts, which a join would not."""
    books = connection.execute(BOOKS).all()
    authors = {
        id_: {"name": name, "country": country}
        for some in chunks({row[2] for row in books})
        for id_, name, country in connection.execute(AUTHORS_BY_ID, {"keys": some}).all()
    }
    publishers = {
        id_: {"name": name, "city": city}
        for some in chunks({row[3] for row in books})
        for id_, name, city in connection.execute(PUBLISHERS_BY_ID, {"keys": some}).all()
    }
    return {
        "books": [
            {
                "title": title,
                "year": year,
                "author": authors[author_id],
                "publisher": publishers[publisher_id],
            }
            for title, year, author_id, publisher_id in books
        ]
    }


REVIEWS = select(review.rating, review.text, review.reader).order_by(review.id)


def flat(connection: Connection, number: int) -> Json:
    return {
        "reviews": [
            {"rating": rating, "text": text, "reader": reader}
            for rating, text, reader in connection.execute(REVIEWS).all()
        ]
    }


# Pages --------------------------------------------------------------------------------------


def pages_of(parent: Any, order: Any, *columns: Any) -> Any:
    """The first children of each parent, and one more that tells whether there are others."""
    number = func.row_number().over(partition_by=parent, order_by=order).label("number")
    ranked = select(parent.label("parent"), *columns, number).where(parent.in_(keys)).subquery()
    return (
        select(ranked.c.parent, *(ranked.c[column.name] for column in columns))
        .where(ranked.c.number <= FIRST + 1)
        .order_by(ranked.c.parent, ranked.c.number)
    )


ALL_AUTHORS = select(author.id, author.name, author.country).order_by(author.id)
FIRST_AUTHORS = ALL_AUTHORS.limit(FIRST + 1)
BOOK_PAGES = pages_of(book.author_id, book.id, book.id, book.title, book.year)
REVIEW_PAGES = pages_of(review.book_id, review.id, review.rating, review.text)


def by_parent(connection: Connection, statement: Any, parents: list[int]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {parent: [] for parent in parents}
    for some in chunks(parents):
        for row in connection.execute(statement, {"keys": some}).all():
            found[row[0]].append(row)
    return found


@lru_cache
def cursor(number: int) -> str:
    return b64encode(f"arrayconnection:{number}".encode()).decode()


def page(rows: Sequence[Any], first: int | None, node: Callable[[Any], Json]) -> Json:
    shown = rows[:first]
    return {
        "pageInfo": {
            "hasNextPage": len(rows) > len(shown),
            "endCursor": cursor(len(shown) - 1) if shown else None,
        },
        "edges": [{"node": node(row)} for row in shown],
    }


def _connections(connection: Connection, statement: Any, first: int | None) -> Json:
    authors = connection.execute(statement).all()
    books = by_parent(connection, BOOK_PAGES, [row[0] for row in authors[:first]])
    shown_books = [row[1] for rows in books.values() for row in rows[:FIRST]]
    reviews = by_parent(connection, REVIEW_PAGES, shown_books)

    def author_node(row: Any) -> Json:
        id_, name, country = row
        return {"name": name, "country": country, "books": page(books[id_], FIRST, book_node)}

    def book_node(row: Any) -> Json:
        _, id_, title, year = row
        return {"title": title, "year": year, "reviews": page(reviews[id_], FIRST, review_node)}

    def review_node(row: Any) -> Json:
        return {"rating": row[1], "text": row[2]}

    return {"authors": page(authors, first, author_node)}


def first_connections(connection: Connection, number: int) -> Json:
    return _connections(connection, FIRST_AUTHORS, FIRST)


def all_connections(connection: Connection, number: int) -> Json:
    return _connections(connection, ALL_AUTHORS, None)


# One row ------------------------------------------------------------------------------------

ONE_BOOK = select(book.title, book.year, book.pages).where(book.id == bindparam("id"))


def one(connection: Connection, number: int) -> Json | None:
    row = connection.execute(ONE_BOOK, {"id": book_id(number)}).one_or_none()
    return None if row is None else {"title": row[0], "year": row[1], "pages": row[2]}


def one_field(connection: Connection, number: int) -> Json:
    return {"book": one(connection, number)}


def one_node(connection: Connection, number: int) -> Json:
    return {"node": one(connection, number)}
