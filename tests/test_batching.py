"""Every relationship kind, list and connection, in every mode: stock's answer, one statement."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    SelectionSetNode,
    get_named_type,
    parse,
    print_ast,
)

from . import zoo
from .conftest import MODES, Database

# name: (query over lists, the statements that batching needs: one per level)
QUERIES = {
    "one-to-many": ("{ authors { id books { id title } } }", 2),
    "many-to-one": ("{ books { id author { id name } } }", 2),
    "many-to-one to a string": ("{ books { id publisher { code name } } }", 2),
    "two to one target": ("{ books { id author { id } editor { id } } }", 3),
    "two to one target, back": ("{ authors { id books { id } edited { id } } }", 3),
    "one-to-one": ("{ authors { id profile { id text } } }", 2),
    "one-to-one, back": ("{ profiles { id author { id } } }", 2),
    "many-to-many": ("{ books { id tags { id name } } }", 2),
    "many-to-many, back": ("{ tags { id books { id } } }", 2),
    "self-referential": ("{ authors { id mentor { id name } } }", 1),
    "self-referential, back": ("{ authors { id pupils { id name } } }", 2),
    "self-referential many-to-many": ("{ authors { id friends { id name } } }", 2),
    "primaryjoin with a criterion": ("{ authors { id goodBooks { id rating } } }", 2),
    "primaryjoin that computes": ("{ authors { id rivals { id } } }", 2),
    "lazy=raise": ("{ authors { id quietBooks { id } } }", 2),
    "composite key": ("{ regions { country number cities { id name } } }", 2),
    "composite key, back, NULLs": ("{ cities { id region { country number } } }", 2),
    "type decorator key": ("{ shelves { id mark books { id shelfMark } } }", 2),
    "type decorator key, back": ("{ books { id shelf { id mark } } }", 2),
    "unique key, uuid": ("{ owners { id vehicles { id plate } } }", 2),
    "unique key, uuid, back": ("{ vehicles { id owner { id name } } }", 2),
    "joined subclass target": ("{ owners { id cars { id } } }", 2),
    "relationship of a subclass": ("{ cars { id wheels { id } } }", 2),
    "relationship of a subclass, inherited": ("{ taxis { id wheels { id } owner { id } } }", 3),
    "to a joined subclass": ("{ wheels { id car { id plate } } }", 2),
    "three levels": (
        "{ authors { id books { id tags { id books { id publisher { code } } } } } }",
        5,
    ),
    "two aliases": ("{ authors { a: books { id } b: books { title } } }", 2),
    "fragments": (
        "{ authors { ...F } } fragment F on Author { books { ...G } } fragment G on Book"
        " { id author { name } tags { id } }",
        4,
    ),
}
# Where the root goes by rows, each alias is a level, and nothing is in the identity map.
BY_ROWS = {"self-referential": 2, "two aliases": 3, "composite key, back, NULLs": 3}
# Stock answers these with MissingGreenlet or an error; what is right is known.
LAZY_RAISE = "lazy=raise"


def _as_connections(query: str, schema: Any) -> str:
    """The same query where to-many relationships are connections."""
    types = schema.graphql_schema.type_map

    def rewrite(selection_set: SelectionSetNode, type_name: str) -> str:
        parts = []
        for node in selection_set.selections:
            if not isinstance(node, FieldNode):
                parts.append(print_ast(node))
                continue
            head = f"{node.alias.value}: {node.name.value}" if node.alias else node.name.value
            of_type = get_named_type(types[type_name].fields[node.name.value].type).name
            body = ""
            if node.selection_set and of_type.endswith("Connection"):
                inner = rewrite(node.selection_set, of_type.removesuffix("Connection"))
                body = f"{{ edges {{ node {inner} }} }}"
            elif node.selection_set:
                body = rewrite(node.selection_set, of_type)
            parts.append(f"{head} {body}")
        return "{ " + " ".join(parts) + " }"

    text = ""
    for definition in parse(query).definitions:
        if isinstance(definition, FragmentDefinitionNode):
            on = definition.type_condition.name.value
            text += f"fragment {definition.name.value} on {on} "
            text += rewrite(definition.selection_set, on)
        else:
            text += rewrite(definition.selection_set, "Query")
    return text


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", QUERIES)
def test_connections(
    database: Database,
    stock_connection_schema: Any,
    connection_schema: Any,
    name: str,
    mode: str,
) -> None:
    query = _as_connections(QUERIES[name][0], connection_schema)
    result, executed = database.run(connection_schema, query, mode)
    assert result.errors is None
    if name != LAZY_RAISE:
        stock, _ = database.run(stock_connection_schema, query)
        assert stock.errors is None
        assert result.data == stock.data
    assert len(executed) <= BY_ROWS.get(name, QUERIES[name][1]), executed


PAGES = """{ authors { id
  first: books(first: 2) { edges { cursor node { id } } pageInfo { hasNextPage endCursor } }
  after: books(first: 1, after: "YXJyYXljb25uZWN0aW9uOjA=") { edges { node { title } } }
  last: books(last: 1) { edges { node { id tags(first: 1) { edges { node { name } } } } } }
  pageInfo: friends { pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
} }"""


@pytest.mark.parametrize("mode", MODES)
def test_pages_of_connections(
    sqlite: Database,
    stock_connection_schema: Any,
    connection_schema: Any,
    executor: str,
    mode: str,
) -> None:
    stock, _ = sqlite.run(stock_connection_schema, PAGES)
    result, executed = sqlite.run(connection_schema, PAGES, mode)
    assert result.errors is None and result.data == stock.data
    # Each page is a statement of its own, and the cursor that lies beyond some ends another one.
    assert len(executed) == (7 if executor == "own" else 4)


BAD_PAGES = "{ authors { id books(first: -1) { edges { node { id } } } } }"


@pytest.mark.parametrize("mode", MODES)
def test_bad_arguments_of_connections(
    sqlite: Database, stock_connection_schema: Any, connection_schema: Any, mode: str
) -> None:
    stock, _ = sqlite.run(stock_connection_schema, BAD_PAGES)
    result, _ = sqlite.run(connection_schema, BAD_PAGES, mode)
    assert len(stock.errors) == 8
    assert result.formatted == stock.formatted


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("connections", [False, True])
def test_install_gives_the_same(
    sqlite: Database, installed: None, connections: bool, mode: str, request: Any
) -> None:
    fixture = "stock_connection_schema" if connections else "stock_list_schema"
    stock_schema = request.getfixturevalue(fixture)
    schema = zoo.build_schema("install", connections)
    assert str(schema) == str(stock_schema)
    query = QUERIES["three levels"][0]
    if connections:
        query = _as_connections(query, schema)
    stock, _ = sqlite.run(stock_schema, query)
    result, executed = sqlite.run(schema, query, mode)
    assert result.errors is None and result.data == stock.data
    assert len(executed) == 5


@pytest.mark.parametrize("mode", MODES)
def test_a_set(sqlite: Database, stock_list_schema: Any, list_schema: Any, mode: str) -> None:
    query = "{ authors { id bookSet { id } } }"
    stock, _ = sqlite.run(stock_list_schema, query)
    result, executed = sqlite.run(list_schema, query, mode)
    for each in (stock, result):
        for author in each.data["authors"]:
            author["bookSet"].sort(key=lambda book: int(book["id"]))
    assert result.errors is None and result.data == stock.data
    assert len(executed) == 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("connections", [False, True])
def test_a_dynamic_relationship_is_read_from_the_attribute(
    sqlite: Database,
    stock_list_schema: Any,
    stock_connection_schema: Any,
    list_schema: Any,
    connection_schema: Any,
    connections: bool,
    mode: str,
) -> None:
    stock_schema = stock_connection_schema if connections else stock_list_schema
    schema = connection_schema if connections else list_schema
    query = "{ authors { id stream { id } books { id } } }"
    query = _as_connections(query, schema) if connections else query
    stock, _ = sqlite.run(stock_schema, query)
    result, _ = sqlite.run(schema, query, mode)
    assert stock.errors is None and result.formatted == stock.formatted


@pytest.mark.parametrize("connections", [False, True])
def test_stock_does_not_batch(sqlite: Database, connections: bool, request: Any) -> None:
    """What the counts above are measured against; fails when upstream learns to batch lists."""
    fixture = "stock_connection_schema" if connections else "stock_list_schema"
    schema = request.getfixturevalue(fixture)
    query = QUERIES["one-to-many"][0]
    if connections:
        query = _as_connections(query, schema)
    _, executed = sqlite.run(schema, query)
    assert len(executed) == 1 + 8
