"""Parents in every state of the session get what the ORM would give, or the ORM's own error."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, selectinload, sessionmaker
from sqlalchemy.orm.attributes import set_committed_value

from .conftest import Database
from .zoo import Author, Book, Profile, Publisher

BOOKS = "{ givenAuthors { id name books { id title } } }"
AUTHOR = "{ givenBooks { id author { id name } publisher { code } } }"


def execute(
    database: Database,
    schema: Any,
    query: str,
    prepare: Callable[[Session], list[Any]],
    asynchronous: bool = False,
    **options: Any,
) -> tuple[Any, list[str]]:
    """Run the query over the roots that `prepare` makes in a session; count from there on."""
    with Session(database.engine, **options) as session:
        roots = prepare(session)
        context = {"session": session, "roots": roots}
        with database.statements() as executed:
            if asynchronous:
                result = asyncio.run(schema.execute_async(query, context_value=context))
            else:
                result = schema.execute(query, context_value=context)
        session.rollback()
    return result, executed


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def same(
    request: Any, sqlite: Database, stock_list_schema: Any, list_schema: Any
) -> Callable[..., tuple[Any, list[str]]]:
    """Execute on stock and on ours, compare the whole answers, return ours."""

    def run(query: str, prepare: Any, **options: Any) -> tuple[Any, list[str]]:
        stock, _ = execute(sqlite, stock_list_schema, query, prepare, **options)
        result, executed = execute(sqlite, list_schema, query, prepare, request.param, **options)
        assert without_addresses(result) == without_addresses(stock)
        return result, executed

    return run


def without_addresses(result: Any) -> str:
    """The whole answer as text; the ORM's messages show where an instance lies in memory."""
    return re.sub(r"0x[0-9a-f]+", "0x", repr(result.formatted))


def all_authors(session: Session) -> list[Author]:
    return list(session.scalars(select(Author).order_by(Author.id)))


def all_books(session: Session) -> list[Book]:
    return list(session.scalars(select(Book).order_by(Book.id)))


def test_dirty_parents_are_flushed_first(same: Any) -> None:
    def prepare(session: Session) -> list[Any]:
        books = all_books(session)
        books[0].author_id = 7
        session.add(Book(id=99, title="new", rating=1, author_id=7))
        return [session.get(Author, 7), *all_authors(session)]

    result, executed = same(BOOKS, prepare)
    assert result.data["givenAuthors"][0]["books"] == [
        {"id": "99", "title": "new"},
        {"id": "1", "title": "title 7"},
    ]
    assert len([each for each in executed if each.startswith("SELECT")]) == 1


def test_dirty_parents_without_autoflush(same: Any) -> None:
    def prepare(session: Session) -> list[Any]:
        books = all_books(session)
        books[0].author_id, books[1].author_id, books[2].publisher_code = 7, None, "ef"
        return books

    result, _ = same(AUTHOR, prepare, autoflush=False)
    assert result.data["givenBooks"][0]["author"] == {"id": "7", "name": "author 3"}
    assert result.data["givenBooks"][1]["author"] is None
    assert result.data["givenBooks"][2]["publisher"] == {"code": "ef"}


def test_pending_and_transient_parents(same: Any) -> None:
    def prepare(session: Session) -> list[Any]:
        pending, transient = Author(id=50, name="pending"), Author(id=51, name="transient")
        pending_with_book = Author(id=52, name="with", books=[Book(id=98, title="t", rating=0)])
        session.add_all([pending, pending_with_book])
        return [transient, pending, pending_with_book, *all_authors(session)]

    same(BOOKS, prepare, autoflush=False)


def test_pending_appends_are_kept(same: Any) -> None:
    def prepare(session: Session) -> list[Any]:
        authors = all_authors(session)
        session.add(Book(id=97, title="appended", rating=0, author=authors[0]))
        return authors

    result, _ = same(BOOKS, prepare, autoflush=False)
    assert {"id": "97", "title": "appended"} in result.data["givenAuthors"][0]["books"]


def test_expired_parents(same: Any) -> None:
    def prepare(session: Session) -> list[Any]:
        authors = all_authors(session)
        session.expire_all()
        return authors

    same(BOOKS, prepare)


def test_an_expired_many_to_one_target(same: Any) -> None:
    def prepare(session: Session) -> list[Any]:
        authors, books = all_authors(session), all_books(session)
        for author in authors:
            session.expire(author)
        session.info["keep"] = authors
        return books

    same(AUTHOR, prepare)


def test_an_expired_attribute_of_the_key(same: Any) -> None:
    def prepare(session: Session) -> list[Any]:
        books = all_books(session)
        for book in books[::2]:
            session.expire(book, ["author_id"])
        return books

    same(AUTHOR, prepare)


def test_detached_parents(same: Any) -> None:
    def prepare(session: Session) -> list[Any]:
        with Session(session.get_bind()) as other:
            detached = all_authors(other)[:2]
        return [*detached, *all_authors(session)]

    result, executed = same(BOOKS, prepare)
    assert [error.path for error in result.errors] == [
        ["givenAuthors", 0, "books"],
        ["givenAuthors", 1, "books"],
    ]
    assert len(executed) == 1


def test_a_deleted_parent(same: Any) -> None:
    def prepare(session: Session) -> list[Any]:
        authors = all_authors(session)
        session.delete(session.get(Profile, 1))
        session.delete(authors[7])
        session.flush()
        return authors

    same("{ givenAuthors { id profile { id } } }", prepare)


def test_loaded_attributes_are_read_not_loaded_over(same: Any) -> None:
    def prepare(session: Session) -> list[Any]:
        authors = all_authors(session)
        set_committed_value(authors[0], "books", [session.get(Book, 20)])
        authors[1].books.append(Book(id=96, title="changed", rating=0))
        criteria = selectinload(Author.books.and_(Book.rating > 3))
        statement = select(Author).where(Author.id == 5).options(criteria)
        session.scalars(statement.execution_options(populate_existing=True)).all()
        return authors

    result, executed = same(BOOKS, prepare, autoflush=False)
    assert result.data["givenAuthors"][0]["books"] == [{"id": "20", "title": "title 0"}]
    assert len(executed) == 1


def test_many_to_one_asks_only_for_what_the_identity_map_lacks(same: Any) -> None:
    def prepare(session: Session) -> list[Any]:
        session.info["keep"] = [session.get(Author, i) for i in (1, 2, 3)]
        session.info["keep"] += session.scalars(select(Publisher)).all()
        return all_books(session)

    _, executed = same(AUTHOR, prepare)
    assert len(executed) == 1


def test_a_many_to_one_that_the_identity_map_answers_needs_no_statement(same: Any) -> None:
    def prepare(session: Session) -> list[Any]:
        session.info["keep"] = [*all_authors(session), *session.scalars(select(Publisher))]
        return all_books(session)

    _, executed = same(AUTHOR, prepare)
    assert executed == []


def test_parents_of_several_sessions_in_one_answer(
    sqlite: Database, stock_list_schema: Any, list_schema: Any
) -> None:
    def run(schema: Any) -> tuple[Any, list[str]]:
        with Session(sqlite.engine) as first, Session(sqlite.engine) as second:
            pairs = zip(all_authors(first), all_authors(second), strict=True)
            roots = [author for pair in pairs for author in pair]
            with sqlite.statements() as executed:
                result = schema.execute(BOOKS, context_value={"roots": roots, "session": first})
            for author in roots:
                assert all(inspect(b).session is inspect(author).session for b in author.books)
            return result, executed

    (stock, _), (result, executed) = run(stock_list_schema), run(list_schema)
    assert result.formatted == stock.formatted and result.errors is None
    assert len(executed) == 2


def test_load_many_groups_parents_by_session(sqlite: Database, list_schema: Any) -> None:
    from graphene_sqlalchemy_c import get_batch_resolver

    resolver = get_batch_resolver(inspect(Author).relationships["books"])
    with Session(sqlite.engine) as first, Session(sqlite.engine) as second:
        parents = [*all_authors(first), Author(id=70), *all_authors(second)]
        with sqlite.statements() as executed:
            values = resolver.load_many(parents)
        assert len(executed) == 2
        assert values == [parent.books for parent in parents]
        assert values[8] == [] and values[0] is parents[0].books


def test_the_own_session_class_is_used(same: Any) -> None:
    """A Session that overrides execute and listens to do_orm_execute sees every batch."""
    seen: list[str] = []

    class Watching(Session):
        def execute(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
            seen.append("execute")
            return super().execute(statement, *args, **kwargs)

    def prepare(session: Session) -> list[Any]:
        own = Watching(session.get_bind())
        event.listen(own, "do_orm_execute", lambda state: seen.append("event"))
        session.info["own"] = own
        roots = all_authors(own)
        seen.clear()
        return roots

    same(BOOKS, prepare)
    assert seen == ["execute", "event"]


def test_binds_are_chosen_by_the_session(sqlite: Database, list_schema: Any, tmp_path: Any) -> None:
    """Books live in another database than authors."""
    from sqlalchemy import create_engine

    from . import zoo

    other = create_engine(f"sqlite:///{tmp_path / 'other.sqlite'}")
    zoo.Base.metadata.create_all(other)
    with Session(other) as session:
        session.add(Book(id=500, title="elsewhere", rating=1, author_id=1))
        session.commit()
    factory = sessionmaker(sqlite.engine, binds={Book: other})
    with factory() as session:
        context = {"session": session, "roots": [session.get(Author, 1)]}
        result = list_schema.execute(BOOKS, context_value=context)
    assert result.data["givenAuthors"][0]["books"] == [{"id": "500", "title": "elsewhere"}]
    other.dispose()


def test_a_mutation_guesses_nothing(sqlite: Database, list_schema: Any, executor: str) -> None:
    query = "mutation { rename { authors { id books { id } } } }"
    with Session(sqlite.engine) as session:
        everyone = all_authors(session)
        context = {"session": session, "mutate": lambda: everyone[:2]}
        result = list_schema.execute(query, context_value=context)
        assert result.errors is None and len(result.data["rename"]["authors"]) == 2
        loaded = ["books" in vars(author) for author in everyone]
        # Our executor answers with rows, which are nobody's attribute.
        assert loaded == [executor == "import"] * 2 + [False] * 6


@pytest.mark.asyncio
async def test_expired_parents_under_an_async_session(
    sqlite: Database, stock_list_schema: Any, list_schema: Any
) -> None:
    """The key of an expired parent is refreshed inside the batch, not by lazy IO."""
    engine = create_async_engine(sqlite.async_url)
    query = "{ givenAuthors { books { id } } }"
    stock, _ = execute(sqlite, stock_list_schema, query, all_authors)
    async with AsyncSession(engine) as session:
        roots = list(await session.scalars(select(Author).order_by(Author.id)))
        session.expire_all()
        context = {"session": session, "roots": roots}
        result = await list_schema.execute_async(query, context_value=context)
    await engine.dispose()
    assert result.errors is None and result.data == stock.data
