"""The defects of graphene-sqlalchemy that batching mends. Each test shows that stock has it still.

The numbers are those of the project's design (section 3, "What upstream gets wrong").
"""

from __future__ import annotations

import asyncio
from typing import Any

import graphene
import graphene_sqlalchemy
import pytest
from graphene import relay
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

import graphene_sqlalchemy_c
from graphene_sqlalchemy_c._upstream import is_selectin_available

from .conftest import MODES, Database
from .zoo import Author, Base, Book

ROUTES = ("stock", "import", "install")
SQLALCHEMY_21 = is_selectin_available is None


@pytest.fixture(params=ROUTES)
def route(request: Any) -> Any:
    if request.param == "install":
        graphene_sqlalchemy_c.install()
    yield request.param
    graphene_sqlalchemy_c.uninstall()


def make_schema(
    route: str,
    connections: bool = False,
    batching: bool | None = None,
    root_connection: bool = False,
) -> graphene.Schema:
    """Authors and books, and nothing else."""
    package = graphene_sqlalchemy_c if route == "import" else graphene_sqlalchemy
    registry = Registry()
    common: dict[str, Any] = {"registry": registry}
    if batching is not None:
        common["batching"] = batching
    if connections:
        common["interfaces"] = (relay.Node,)

    class AuthorType(package.SQLAlchemyObjectType):  # type: ignore[name-defined, misc]
        Meta = type(
            "Meta",
            (),
            {
                "model": Author,
                "only_fields": ("id", "books", "edited", "mentor"),
                **common,
                **({"interfaces": (relay.Node,)} if root_connection else {}),
            },
        )

    class BookType(package.SQLAlchemyObjectType):  # type: ignore[name-defined, misc]
        Meta = type("Meta", (), {"model": Book, "only_fields": ("id", "author"), **common})

    def authors(_root: Any, info: Any) -> Any:
        session = info.context["session"]
        statement = select(Author).order_by(Author.id)
        if not isinstance(session, AsyncSession):
            return session.scalars(statement).all()

        async def later() -> Any:
            return (await session.scalars(statement)).all()

        return later()

    fields: dict[str, Any] = {"authors": graphene.List(AuthorType), "resolve_authors": authors}
    if root_connection:
        field_class = graphene_sqlalchemy.SQLAlchemyConnectionField
        fields["all_authors"] = field_class(AuthorType.connection)
    return graphene.Schema(query=type("Query", (graphene.ObjectType,), fields))


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_1_plain_lists_are_never_batched(sqlite: Database, route: str, mode: str) -> None:
    schema = make_schema(route, batching=True)
    result, executed = sqlite.run(schema, "{ authors { books { id } } }", mode)
    assert result.errors is None
    assert len(executed) == (9 if route == "stock" else 2)


@pytest.mark.parametrize("mode", ["async", "asyncsession"])
def test_2_two_relationships_to_one_target(sqlite: Database, route: str, mode: str) -> None:
    """As connections with batching=True, the first match wins and the wrong rows come back."""
    schema = make_schema(route, connections=True, batching=True)
    query = "{ authors { books { edges { node { id } } } edited { edges { node { id } } } } }"
    with Session(sqlite.engine) as session:
        right = [
            tuple(
                [relay.Node.to_global_id("BookType", book.id) for book in books]
                for books in (author.books, author.edited)
            )
            for author in session.scalars(select(Author).order_by(Author.id))
        ]
    result, _ = sqlite.run(schema, query, mode)
    found = result.data and [
        author
        and tuple(
            [edge["node"]["id"] for edge in (author[name] or {"edges": []})["edges"]]
            for name in ("books", "edited")
        )
        for author in result.data["authors"]
    ]
    if route != "stock":
        assert result.errors is None and found == right
    elif SQLALCHEMY_21 and mode == "async":
        assert found == right, "on 2.1 stock does not batch at all"
    else:
        assert found != right


@pytest.mark.parametrize("connections", [False, True])
@pytest.mark.parametrize("batching", [None, False, True])
def test_4_missing_greenlet(
    sqlite: Database, route: str, connections: bool, batching: bool | None
) -> None:
    schema = make_schema(route, connections, batching)
    query = "{ authors { books { id } } }"
    if connections:
        query = "{ authors { books { edges { node { id } } } } }"
    result, _ = sqlite.run(schema, query, "asyncsession")
    if route == "stock" or batching is False:
        assert result.errors, "an explicit batching=False is respected"
    else:
        assert result.errors is None


def test_6_a_loader_belongs_to_no_process_and_no_event_loop(sqlite: Database, route: str) -> None:
    """Dirty parents are refused by stock; two loops at once make it rebuild its loader."""
    schema = make_schema(route, batching=True)

    async def ask() -> Any:
        with Session(sqlite.engine, autoflush=False) as session:
            books = session.scalars(select(Book).where(Book.id < 4)).all()
            books[0].title = "dirty"
            author = session.get_one(Author, 1)
            author.mentor_id = 2
            author.name = "dirty"
            context = {"session": session}
            return await schema.execute_async(
                "{ authors { mentor { id } } }", context_value=context
            )

    result = asyncio.run(ask())
    if route == "stock" and not SQLALCHEMY_21:
        assert result.errors
    else:
        assert result.errors is None
        assert result.data["authors"][0] == {"mentor": {"id": "2"}}


def test_7_sync_execution_cannot_batch(sqlite: Database, route: str) -> None:
    schema = make_schema(route, batching=True)
    result, executed = sqlite.run(schema, "{ authors { mentor { id } books { author { id } } } }")
    if route == "stock" and not SQLALCHEMY_21:
        assert result.errors
    elif route == "stock":
        assert len(executed) > 3
    else:
        # Rows do not fill the identity map, where the last level would find its authors.
        assert result.errors is None and len(executed) == (3 if route == "install" else 2)


def test_12_a_root_connection_beside_a_plain_list(sqlite: Database, route: str) -> None:
    if route == "stock":
        with pytest.raises(Exception, match="unhashable type"):
            make_schema(route, root_connection=True)
        return
    schema = make_schema(route, root_connection=True)
    assert "input BookTypeRelationshipFilter" in str(schema)
    query = """{ allAuthors(filter: {books: {contains: [{id: {eq: "4"}}]}})
                 { edges { node { books { id } } } } }"""
    result, _ = sqlite.run(schema, query)
    assert result.errors is None
    (edge,) = result.data["allAuthors"]["edges"]
    assert {"id": "4"} in edge["node"]["books"]


@pytest.mark.parametrize("mode", MODES)
def test_an_explicit_batching_false_is_respected(sqlite: Database, route: str, mode: str) -> None:
    schema = make_schema(route, batching=False)
    result, executed = sqlite.run(schema, "{ authors { books { id } } }", mode)
    assert bool(result.errors) == (mode == "asyncsession")
    if mode != "asyncsession":
        assert len(executed) == 9


def test_the_zoo_is_what_the_tests_believe() -> None:
    assert {Author.__tablename__, Book.__tablename__} <= set(Base.metadata.tables)
