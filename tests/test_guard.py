"""`Schema(enforce_get_query=True)`: the answer is that of a database without the hidden rows."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from graphql_relay import to_global_id
from sqlalchemy.orm import Session

from . import guard_zoo
from .conftest import Database
from .guard_zoo import TENANTS, Tenants, ask

WAYS = (
    ("select", True, "sync"),
    ("select", True, "async"),
    ("select", True, "asyncsession"),
    ("select", False, "sync"),
    ("query", True, "sync"),
    ("instances", True, "sync"),
    ("instances", True, "asyncsession"),
    ("instances", False, "async"),
)
"""(form of the root's answer, rows, mode)"""

LISTS = (
    "{ authors { name } }",
    "{ authors { name mentor { name mentor { name } } pupils { name books { title } } } }",
    "{ books { title author { name books { title author { name } } } } }",
    "{ books { shout author { id name } chapters { heading book { title } } } }",
    "{ books { tags { name books { title shout } } } }",
    "{ tags { name books { title author { name pupils { name } } } } }",
    "{ tags { ...Books } } fragment Books on TagType { books { ... on BookType { shout } } }",
    "{ chapters { heading number book { title tags { name } } } }",
    "{ book(id: 3) { title } other: book(id: 2) { title shout author { name } } }",
    "{ employees { name salary boss { name } } }",
    "{ people { __typename name } }",
    "{ people { name ... on EmployeeType { salary } ... on CustomerType { orders } } }",
    "{ people { name boss { __typename name } staff { name ... on EmployeeType { salary } } } }",
)

CONNECTIONS = (
    "{ books { edges { cursor node { title } } pageInfo { hasNextPage endCursor } } }",
    "{ books { totalCount } authors { totalCount } tags { totalCount } chapters { totalCount } }",
    "{ books(first: 5) { totalCount edges { node { title author { name } } } pageInfo "
    "{ hasNextPage hasPreviousPage startCursor endCursor } } }",
    "{ books(last: 4) { totalCount edges { cursor node { title } } pageInfo "
    "{ hasPreviousPage } } }",
    '{ books(first: 3, after: "YXJyYXljb25uZWN0aW9uOjM=") { edges { cursor node { title shout } } '
    "pageInfo { hasNextPage hasPreviousPage } } }",
    "{ books(sort: [TITLE_DESC], first: 4) { edges { node { title } } } }",
    '{ books(filter: {title: {in: ["book 1", "book 2", "book 3", "book 4"]}}) '
    "{ totalCount edges { node { title } } } }",
    '{ books(filter: {author: {name: {in: ["author 1", "author 2", "author 3"]}}}) '
    "{ totalCount edges { node { title author { name } } } } }",
    "{ authors { edges { node { name books(first: 1) { totalCount edges { node { title } } "
    "pageInfo { hasNextPage } } pupils { totalCount edges { node { name } } } } } } }",
    "{ authors { edges { node { name books(last: 1) { edges { cursor node { shout } } } } } } }",
    "{ authors { edges { node { books(sort: [TITLE_DESC], first: 2) { totalCount edges "
    "{ node { title } } } } } } }",
    '{ authors { edges { node { books(filter: {author: {name: {eq: "author 3"}}}) '
    "{ totalCount edges { node { title } } } } } } }",
    "{ tags { totalCount edges { node { name books(first: 2) { totalCount pageInfo "
    "{ hasNextPage } edges { node { title chapters { totalCount edges { node { heading book "
    "{ title } } } } } } } } } } }",
    '{ tags { edges { node { books(first: 2, after: "YXJyYXljb25uZWN0aW9uOjI=") { edges { cursor '
    "node { title } } pageInfo { hasNextPage hasPreviousPage } } } } } }",
    "{ chapters(first: 6) { totalCount edges { node { heading book { author { name } } } } } }",
)


@pytest.fixture(scope="module")
def shared(database: Database) -> Database:
    """The rows of both tenants on each database."""
    guard_zoo.Base.metadata.create_all(database.engine)
    with Session(database.engine) as session:
        guard_zoo.fill(session)
    return database


@pytest.mark.parametrize("mode", ["sync", "asyncsession"])
@pytest.mark.parametrize("rows", [True, False])
def test_databases_agree(tenants: Tenants, shared: Database, mode: str, rows: bool) -> None:
    for roots, queries in (("lists", LISTS), ("connections", CONNECTIONS)):
        for query in queries:
            for tenant in TENANTS:
                expected, _ = ask(tenants.of[tenant], schema(False, roots), query, tenant, "async")
                found, _ = ask(shared, schema(True, roots, "select", rows), query, tenant, mode)
                assert found.errors is None
                assert found.data == expected.data


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: Any) -> Tenants:
    return Tenants(tmp_path_factory.mktemp("tenants"))


@cache
def schema(enforce: bool, roots: str, form: str = "select", rows: bool = True) -> Any:
    return guard_zoo.build(enforce, roots, form, rows)


def same_as_without(
    tenants: Tenants, roots: str, query: str, form: str, rows: bool, mode: str
) -> None:
    for tenant in TENANTS:
        expected, _ = ask(tenants.of[tenant], schema(False, roots), query, tenant, "async")
        assert expected.errors is None
        found, _ = ask(tenants.all, schema(True, roots, form, rows), query, tenant, mode)
        assert found.errors is None
        assert found.data == expected.data


def test_several_guarded_types_in_one_query(tenants: Tenants) -> None:
    query = "{ a: books { title } b: authors { books { title } } c: chapters { heading } }"
    for mode in ("sync", "async", "asyncsession"):
        same_as_without(tenants, "lists", query, "select", True, mode)


@pytest.mark.parametrize("form, rows, mode", WAYS)
@pytest.mark.parametrize("query", LISTS)
def test_lists_are_those_without_the_hidden(
    tenants: Tenants, query: str, form: str, rows: bool, mode: str
) -> None:
    same_as_without(tenants, "lists", query, form, rows, mode)


@pytest.mark.parametrize("rows, mode", [(True, "sync"), (True, "asyncsession"), (False, "sync")])
@pytest.mark.parametrize("query", CONNECTIONS)
def test_connections_are_those_without_the_hidden(
    tenants: Tenants, query: str, rows: bool, mode: str
) -> None:
    same_as_without(tenants, "connections", query, "select", rows, mode)


@pytest.mark.parametrize("mode", ["async", "asyncsession"])
def test_unions_of_awaited_instances(tenants: Tenants, mode: str) -> None:
    query = """{ everything { __typename ... on BookType { title author { name } }
        ... on AuthorType { name books { title } } ... on TagType { name } } }"""
    same_as_without(tenants, "lists", query, "select", True, mode)


@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize("mode", ["sync", "async", "asyncsession"])
def test_nodes(tenants: Tenants, mode: str, rows: bool) -> None:
    for number in range(1, 9):
        for name in ("AuthorType", "BookType", "EmployeeType", "CustomerType", "TagType"):
            query = f"""{{ node(id: "{to_global_id(name, str(number))}") {{ __typename id
                ... on BookType {{ title author {{ name }} shout }} ... on AuthorType {{ name
                books {{ title }} }} ... on PersonType {{ name boss {{ name }} }} }} }}"""
            same_as_without(tenants, "lists", query, "select", rows, mode)
