"""What stock carries into a child load is carried into every batch, or the attribute is read.

A tenant filter that gets lost is the worst bug this package can have.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import event, inspect, select
from sqlalchemy.orm import (
    Load,
    Session,
    defaultload,
    joinedload,
    lazyload,
    load_only,
    raiseload,
    selectinload,
    with_loader_criteria,
)
from sqlalchemy.orm.interfaces import UserDefinedOption

from graphene_sqlalchemy_c._sqlalchemy import carried_options
from graphene_sqlalchemy_c.batching import loader_for

from .conftest import MODES, Database
from .zoo import Author, Book, Numbered, Tag

DEEP = "{ authors { id books { id author { id name } tags { id books { id } } } } }"

CRITERIA = {
    "child": [with_loader_criteria(Book, Book.rating > 2)],
    "child and its target": [
        with_loader_criteria(Book, Book.rating != 1),
        with_loader_criteria(Tag, Tag.id < 3),
    ],
    "lambda": [with_loader_criteria(Book, lambda cls: cls.rating > 2)],
    "aliases": [with_loader_criteria(Book, Book.rating > 2, include_aliases=True)],
    "mixin": [with_loader_criteria(Numbered, lambda cls: cls.id < 7, include_aliases=True)],
    "parent too": [with_loader_criteria(Author, Author.id != 3, include_aliases=True)],
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CRITERIA)
def test_criteria_reach_every_batched_child(
    database: Database, stock_list_schema: Any, list_schema: Any, name: str, mode: str
) -> None:
    options = CRITERIA[name]
    stock, stock_executed = database.run(stock_list_schema, DEEP, options=options)
    result, executed = database.run(list_schema, DEEP, mode, options=options)
    plain, _ = database.run(stock_list_schema, DEEP)
    assert stock.data != plain.data, "the criteria hide nothing: the test shows nothing"
    assert result.errors is None and result.data == stock.data
    assert len(executed) <= 5 < len(stock_executed)


@pytest.mark.parametrize("mode", MODES)
def test_a_tenant_filter_by_session_event_reaches_every_batch(
    sqlite: Database, stock_list_schema: Any, list_schema: Any, mode: str
) -> None:
    """The recipe of SQLAlchemy's documentation: criteria added to each top-level SELECT."""

    def add_filter(state: Any) -> None:
        if state.is_select and not state.is_column_load and not state.is_relationship_load:
            state.statement = state.statement.options(
                with_loader_criteria(Book, lambda cls: cls.rating > 2, include_aliases=True)
            )

    event.listen(Session, "do_orm_execute", add_filter)
    try:
        stock, _ = sqlite.run(stock_list_schema, DEEP)
        result, executed = sqlite.run(list_schema, DEEP, mode)
    finally:
        event.remove(Session, "do_orm_execute", add_filter)
    plain, _ = sqlite.run(stock_list_schema, DEEP)
    assert stock.data != plain.data
    assert result.errors is None and result.data == stock.data
    assert len(executed) <= 5


def test_parents_of_two_tenants_do_not_mix(sqlite: Database, list_schema: Any) -> None:
    """Two statements with different criteria in one session, answered in one operation."""
    query = "{ givenAuthors { id books { rating } } }"
    with Session(sqlite.engine) as session:
        low = select(Author).where(Author.id < 3)
        low = low.options(with_loader_criteria(Book, Book.rating < 2))
        high = select(Author).where(Author.id >= 3)
        high = high.options(with_loader_criteria(Book, Book.rating >= 2))
        roots = [*session.scalars(high), *session.scalars(low)]
        with sqlite.statements() as executed:
            result = list_schema.execute(query, context_value={"session": session, "roots": roots})
    for author in result.data["givenAuthors"]:
        for book in author["books"]:
            assert (book["rating"] < 2) == (int(author["id"]) < 3)
    assert any(author["books"] for author in result.data["givenAuthors"][-2:])
    assert len(executed) == 2


OPTIONS = {
    "lazyload with criteria": [lazyload(Author.books.and_(Book.rating > 2))],
    "lazyload with criteria, one level down": [
        defaultload(Author.books).lazyload(Book.tags.and_(Tag.id < 3))
    ],
    "selectinload with criteria": [selectinload(Author.books.and_(Book.rating > 2))],
    "joinedload": [joinedload(Author.books)],
    "selectinload of two levels": [selectinload(Author.books).selectinload(Book.tags)],
    "load_only": [load_only(Author.name)],
    "load_only below": [selectinload(Author.books).load_only(Book.title)],
    "load_only below, lazily": [defaultload(Author.books).load_only(Book.title)],
    "raiseload": [raiseload(Author.books)],
    "raiseload of all": [Load(Author).raiseload("*")],
    "raiseload of everything": [raiseload("*")],
    "raiseload below": [selectinload(Author.books).raiseload(Book.author)],
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", OPTIONS)
def test_other_options_mean_what_they_mean_to_stock(
    sqlite: Database, stock_list_schema: Any, list_schema: Any, name: str, mode: str
) -> None:
    stock, _ = sqlite.run(stock_list_schema, DEEP, options=OPTIONS[name])
    result, _ = sqlite.run(list_schema, DEEP, mode, options=OPTIONS[name])
    assert result.formatted == stock.formatted


def test_options_of_other_relationships_do_not_stop_batching(
    sqlite: Database, list_schema: Any
) -> None:
    query = "{ authors { id books { id tags { id } publisher { code } } } }"
    _, executed = sqlite.run(list_schema, query, options=[selectinload(Author.books)])
    assert len(executed) == 4


class Noted(UserDefinedOption):
    """An option of an application's own, as dogpile caching uses them."""

    propagate_to_loaders = True


def test_user_defined_options_are_carried(sqlite: Database, list_schema: Any) -> None:
    seen: list[int] = []
    note = Noted("payload")

    def listen(state: Any) -> None:
        seen.append(sum(option is note for option in state.user_defined_options))

    event.listen(Session, "do_orm_execute", listen)
    try:
        _, executed = sqlite.run(
            list_schema, "{ authors { books { tags { id } } } }", options=[note]
        )
    finally:
        event.remove(Session, "do_orm_execute", listen)
    assert seen == [1, 1, 1] and len(executed) == 3


def test_an_unknown_option_is_left_to_the_attribute() -> None:
    books = inspect(Author).relationships["books"]
    assert carried_options([object()], books) is None
    assert carried_options([], books) == ()
    assert carried_options([selectinload(Book.tags)], books) == ()
    assert carried_options([selectinload(Author.books)], books) is None


@pytest.mark.parametrize("mode", MODES)
def test_criteria_with_a_key_that_needs_the_parent(
    sqlite: Database, stock_list_schema: Any, list_schema: Any, mode: str
) -> None:
    """Criteria on the parent do not reach the alias that such a statement joins, as in stock."""
    queries = ("{ authors { id rivals { id rating } } }", "{ shelves { id books { id } } }")
    for options in (
        [with_loader_criteria(Book, Book.rating > 2, include_aliases=True)],
        [with_loader_criteria(Author, Author.id > 2, include_aliases=True)],
    ):
        for query in queries:
            stock, _ = sqlite.run(stock_list_schema, query, options=options)
            result, _ = sqlite.run(list_schema, query, mode, options=options)
            assert result.errors is None and result.data == stock.data


def test_a_carried_option_does_not_grow_the_statement_cache_of_a_loader(
    sqlite: Database, list_schema: Any
) -> None:
    loader = loader_for(inspect(Author).relationships["books"])
    sqlite.run(list_schema, "{ authors { books { id } } }")
    statements = loader.statements
    assert statements is not None
    before = len(statements._routes)
    for value in range(5):
        sqlite.run(
            list_schema,
            "{ authors { books { id } } }",
            options=[with_loader_criteria(Book, Book.rating > value)],
        )
    assert len(statements._routes) == before


def test_the_criteria_of_concurrent_requests_do_not_meet(
    sqlite: Database, list_schema: Any
) -> None:
    """Requests of several tenants on one event loop, each with an AsyncSession of its own."""

    async def tenant(rating: int) -> list[int]:
        options = [with_loader_criteria(Book, Book.rating == rating)]
        result, _ = await sqlite._run_async_session(
            list_schema, "{ authors { books { rating } } }", options
        )
        return [book["rating"] for each in result.data["authors"] for book in each["books"]]

    async def main() -> list[list[int]]:
        return await asyncio.gather(*(tenant(rating) for rating in range(5)))

    for rating, found in enumerate(asyncio.run(main())):
        assert found and set(found) == {rating}
