"""Levels with more keys than one statement takes on SQLite, which wants another statement then."""

from __future__ import annotations

import gc
import re
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import create_engine, insert, text

from graphene_sqlalchemy_c import statements
from graphene_sqlalchemy_c._core import group_rows, row_keys

from . import library
from .conftest import Database
from .library import Author, Book, Review, book_tags
from .rows_harness import same, way

PARENTS = statements.KEYS_PER_STATEMENT + 70
FIRST = 1001  # id, beyond those of the library
IDS = range(FIRST, FIRST + PARENTS)


@pytest.fixture
def crowded(lib: Database) -> Database:
    """The library with more authors; each has two books but for some, and each book a tag."""
    with lib.engine.begin() as connection:
        connection.execute(
            insert(Author), [{"id": i, "name": f"author {i}", "mentor_id": i - 1000} for i in IDS]
        )
        books = [
            {"id": 2 * i + j, "title": f"title {i % 9}", "rating": j, "author_id": i}
            for i in IDS
            if i % 10
            for j in (0, 1)
        ]
        connection.execute(insert(Book), books)
        connection.execute(
            insert(Review),
            [{"id": i, "stars": i % 5, "author_id": i, "book_id": 2 * i} for i in IDS],
        )
        tags = [{"book_id": book["id"], "tag_id": book["id"] % 5 + 1} for book in books]
        connection.execute(insert(book_tags), tags)
    return lib


LISTS = "{ authors { name mentor { id } books { id author { name } tags { id name } } } }"
PAGES = """{ authors { name
    one: books(first: 1) { pageInfo { hasNextPage } edges { node { title } } }
    more: books(first: 1, after: "YXJyYXljb25uZWN0aW9uOjA=") { edges { cursor node { title } } }
    end: reviews(last: 1) { pageInfo { hasPreviousPage } edges { cursor node { stars } } }
} }"""


def looked_up(executed: list[str]) -> list[bool]:
    """Of each statement that takes keys, whether they are looked up one by one."""
    return ["json_each" in sql for sql in executed if "json_each" in sql or "?, ?" in sql]


@way
@pytest.mark.parametrize("query", [LISTS, PAGES], ids=["lists", "pages"])
def test_answers_are_stocks(crowded: Database, way: Any, query: str) -> None:
    schemas = partial(library.schema, relay_ids=query is PAGES)
    result, executed = same(crowded, query, way, schemas)
    assert result.errors is None and len(result.data["authors"]) == PARENTS + 8
    lists = [keys for sql in executed for keys in re.findall(r"IN \(([?, ]+)\)", sql)]
    assert all(keys.count("?") <= statements.KEYS_PER_STATEMENT for keys in lists)
    # graphql-core's executor loads for as many siblings as one statement takes.
    assert (True in looked_up(executed)) == (way[0] == "own")


@way
def test_keys_go_as_lists_where_sqlite_has_no_json_each(
    crowded: Database, way: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "_JSON_EACH", (99,))
    result, executed = same(crowded, LISTS, way)
    assert result.errors is None and True not in looked_up(executed)


def test_the_engines_json_serializer_has_no_say(crowded: Database) -> None:
    """It is the application's, for the values of its own columns."""

    def refuse(value: Any) -> str:
        raise TypeError(value)

    engine = create_engine(crowded.url, json_serializer=refuse)
    result, executed = same(replace(crowded, engine=engine), LISTS, ("own", "select", "sync"))
    engine.dispose()
    assert result.errors is None and True in looked_up(executed)


def test_keys_are_looked_up_in_the_index(crowded: Database) -> None:
    """What the other statement is for: no chunk has SQLite read the whole table."""
    with crowded.engine.begin() as connection:
        connection.execute(text("CREATE INDEX own ON lib_books (author_id)"))
        connection.execute(text("ANALYZE"))
    _, executed = same(crowded, "{ authors { books { id } } }", ("own", "select", "sync"))
    of_books = [sql for sql in executed if "json_each" in sql]
    assert len(of_books) == 2
    with crowded.engine.connect() as connection:
        for sql in of_books:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", ("[1]",)).all()
            steps = [row[3] for row in plan]
            assert "SEARCH lib_books USING COVERING INDEX own (author_id=?)" in steps, steps


def test_the_collector_is_not_told_of_lists_that_nobody_sees() -> None:
    rows = [(1, "a"), (1, "b"), (2, "c")]
    by_key, empty = row_keys(rows, (0,))
    children, stray = group_rows(rows, by_key, 0, 1, None)
    assert by_key == {1: [0, 1], 2: [2]} and empty == [] and stray == 0
    assert children == {1: rows[:2], 2: rows[2:]}
    assert not any(map(gc.is_tracked, [*by_key.values(), *children.values()]))
    instances = [[object(), 1]]
    shown, _ = group_rows(instances, {1: [0]}, 1, 1, None)
    assert shown == {1: instances} and gc.is_tracked(shown[1])
