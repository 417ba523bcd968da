"""Relationships: one load for each of them and each level, whatever stands around them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import graphene
import pytest
from graphql import ExecutionContext as StockContext
from graphql import execute, execute_sync, parse

from graphene_sqlalchemy_c import ExecutionContext
from graphene_sqlalchemy_c._core import ConnectionResolver

from .fake_relationships import SESSIONS, Loader, fake_relationship

LOG: list[Any] = []


class Row(dict[str, Any]):
    """A parent; its key "session" says where it lives."""

    @property
    def _sa_instance_state(self) -> Any:
        return SimpleNamespace(session=SESSIONS[self.get("session", self.default_session)])

    default_session = "sync"


class AsyncRow(Row):
    default_session = "async"


def read(parent: Any, field: str) -> Any:
    return parent[field]


def relationship(field: str) -> Any:
    return fake_relationship(field, read, LOG)


class Page:
    """Stands for the class of a connection field."""

    @staticmethod
    def resolve_connection(
        connection_type: Any, model: Any, info: Any, args: dict[str, Any], resolved: Any
    ) -> Any:
        assert (connection_type, model) == ("connection", "model")
        assert info.field_name == "page" and info.path.typename == "Book"
        if args.get("first", 0) < 0:
            raise ValueError("first must not be negative")
        return resolved[: args.get("first")]


@pytest.fixture(autouse=True)
def empty_log() -> None:
    LOG.clear()


def make_schema() -> Any:
    class Review(graphene.ObjectType):
        stars = graphene.Int(required=True)

    class Book(graphene.ObjectType):
        title = graphene.String()
        reviews = graphene.List(graphene.NonNull(Review), resolver=relationship("reviews"))
        page = graphene.List(
            Review,
            first=graphene.Int(),
            resolver=ConnectionResolver(relationship("reviews"), Page, "connection", "model"),
        )
        late = graphene.String()
        strict = graphene.String(required=True, resolver=relationship("strict"))

        async def resolve_late(root: Any, info: Any) -> str:
            assert Loader.running == 0
            await asyncio.sleep(0)
            assert Loader.running == 0
            return "late"

    class Author(graphene.ObjectType):
        books = graphene.List(Book, resolver=relationship("books"))

    class Query(graphene.ObjectType):
        authors = graphene.List(Author)
        one = graphene.Field(Book)

    class Mutation(graphene.ObjectType):
        add = graphene.Field(Author, value=graphene.Int())

        def resolve_add(root: Any, info: Any, value: int) -> Any:
            LOG.append(("add", value))
            return root["authors"][0]

    return graphene.Schema(query=Query, mutation=Mutation).graphql_schema


def data(row: type[Row] = Row) -> Any:
    def book(n: int) -> Any:
        return row(title=f"b{n}", reviews=[{"stars": n}, {"stars": n + 1}], strict="s")

    authors = [row(books=[book(n) for n in range(3)]) for _ in range(4)]
    return {"authors": authors, "one": book(9)}


def both_sync(query: str, root: Any, **kwargs: Any) -> Any:
    schema, document = make_schema(), parse(query)
    stock = execute_sync(schema, document, root, execution_context_class=StockContext, **kwargs)
    LOG.clear()
    ours = execute_sync(schema, document, root, execution_context_class=ExecutionContext, **kwargs)
    assert ours == stock
    return ours


def test_one_load_per_relationship_and_level() -> None:
    both_sync("{ authors { books { title reviews { stars } } } one { reviews { stars } } }", data())
    # `one.reviews` and `authors.books.reviews` are different places of the query.
    assert sorted(LOG) == [("books", 4), ("reviews", 1), ("reviews", 12)]


def test_aliases_are_loaded_apart() -> None:
    both_sync("{ authors { a: books { title } b: books { title } } }", data())
    assert LOG == [("books", 4), ("books", 4)]


def test_connections_share_the_mechanism() -> None:
    both_sync("{ authors { books { page(first: 1) { stars } } } }", data())
    assert LOG == [("books", 4), ("reviews", 12)]


def test_arguments_of_a_connection_may_be_wrong_for_each_parent() -> None:
    result = both_sync("{ authors { books { page(first: -1) { stars } } } }", data())
    assert len(result.errors) == 12


def test_a_failing_load_is_an_error_at_each_field_it_served() -> None:
    root = data()
    root["authors"][1]["books"][1]["reviews"] = "fails"
    document = parse("{ authors { books { title reviews { stars } } } one { title } }")
    result = execute_sync(make_schema(), document, root, execution_context_class=ExecutionContext)
    assert result.data["authors"][0]["books"][0] == {"title": "b0", "reviews": None}
    assert result.data["one"] == {"title": "b9"}
    assert {error.message for error in result.errors} == {"statement for reviews"}
    assert sorted(error.path for error in result.errors) == [
        ["authors", a, "books", b, "reviews"] for a in range(4) for b in range(3)
    ]


def test_errors_of_parents_are_their_own() -> None:
    root = data()
    root["authors"][1]["books"] = ValueError("one of them")
    root["authors"][2]["books"][0]["strict"] = None
    root["authors"][2]["books"][1]["reviews"] = [{"stars": None}]
    both_sync("{ authors { books { strict reviews { stars } title } } }", root)


def test_fields_after_a_failed_relationship_are_not_reported() -> None:
    root = data()
    root["one"].update(strict=None, title=[1], reviews=[{"stars": "x"}])
    result = both_sync("{ one { strict title reviews { stars } } }", root)
    assert [error.path for error in result.errors] == [["one", "strict"]]
    result = both_sync("{ one { title reviews { stars } strict } }", root)
    assert len(result.errors) == 3


def test_middleware_is_called_for_each_parent() -> None:
    def shout(next_: Any, root: Any, info: Any, **args: Any) -> Any:
        value = next_(root, info, **args)
        return value.upper() if isinstance(value, str) else value

    result = both_sync("{ authors { books { title } } }", data(), middleware=[shout])
    assert result.data["authors"][0]["books"][0] == {"title": "B0"}
    assert LOG == []


def test_a_mutation_loads_before_the_next_one_begins() -> None:
    both_sync(
        "mutation { a: add(value: 1) { books { title } } b: add(value: 2) { __typename } }", data()
    )
    assert LOG == [("add", 1), ("books", 1), ("add", 2)]


QUERY = (
    "{ authors { books { title late reviews { stars } strict } } one { late reviews { stars } } }"
)


async def run(query: str, root: Any) -> Any:
    result = execute(make_schema(), parse(query), root, execution_context_class=ExecutionContext)
    return await result if asyncio.iscoroutine(result) else result


@pytest.mark.parametrize("query", [QUERY, "mutation { add(value: 1) { books { late strict } } }"])
def test_awaited_loads_give_the_same(query: str) -> None:
    expected = asyncio.run(run(query, data()))
    LOG.clear()
    assert asyncio.run(run(query, data(AsyncRow))) == expected
    assert LOG and all("async" in entry or entry[0] == "add" for entry in LOG)


def test_parents_with_and_without_awaiting_are_loaded_apart() -> None:
    expected = asyncio.run(run(QUERY, data()))
    root = data(AsyncRow)
    root["authors"][0]["session"] = "sync"
    LOG.clear()
    assert asyncio.run(run(QUERY, root)) == expected
    assert LOG[:2] == [("books", 1), ("books", "async", 3)]


def test_an_awaited_load_that_fails_is_an_error_at_each_field() -> None:
    root = data(AsyncRow)
    root["authors"][0]["books"] = "fails"
    result = asyncio.run(run("{ authors { books { title } } one { title } }", root))
    assert len(result.errors) == 4 and result.data["one"] == {"title": "b9"}


def test_cancelling_leaves_nothing_pending() -> None:
    started: list[str] = []
    closed: list[str] = []

    class Query(graphene.ObjectType):
        slow = graphene.String()
        other = graphene.String()

        async def resolve_slow(root: Any, info: Any) -> None:
            started.append("slow")
            try:
                await asyncio.sleep(60)
            finally:
                closed.append("slow")

        async def resolve_other(root: Any, info: Any) -> None:
            started.append("other")
            try:
                await asyncio.sleep(60)
            finally:
                closed.append("other")

    schema = graphene.Schema(query=Query, mutation=Query).graphql_schema

    async def main(query: str) -> None:
        result = execute(schema, parse(query), execution_context_class=ExecutionContext)
        task = asyncio.ensure_future(result)  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main("{ slow other }"))
    assert sorted(started) == sorted(closed) == ["other", "slow"]
    # The coroutine of a root field whose turn did not come is closed, not left to the collector.
    asyncio.run(main("mutation { slow other }"))
    assert started[2:] == closed[2:] == ["slow"]


def test_a_connection_may_change_its_arguments() -> None:
    """They are a dict of its own, for each parent and each request."""

    class Greedy(Page):
        @staticmethod
        def resolve_connection(
            connection_type: Any, model: Any, info: Any, args: dict[str, Any], resolved: Any
        ) -> Any:
            args["first"] += 1
            return resolved[: args["first"]]

    resolver = ConnectionResolver(relationship("items"), Greedy, "connection", "model")

    class Owner(graphene.ObjectType):
        items = graphene.List(graphene.Int, first=graphene.Int(), resolver=resolver)

    class Query(graphene.ObjectType):
        owners = graphene.List(Owner)

    schema, document = (
        graphene.Schema(query=Query).graphql_schema,
        parse("{ owners { items(first: 1) } }"),
    )
    root = {"owners": [Row(items=[1, 2, 3, 4, 5]) for _ in range(3)]}
    for context in (StockContext, ExecutionContext):
        for _ in range(2):
            result = execute_sync(schema, document, root, execution_context_class=context)
            assert result.data == {"owners": [{"items": [1, 2]}] * 3}
