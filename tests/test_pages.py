"""Pages of connections, cut in SQL: every page is the one that graphql_relay cuts from the list."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from graphql_relay import to_global_id
from sqlalchemy import func, select
from sqlalchemy.orm import Session, object_session

from graphene_sqlalchemy_c.relation_plans import MAX_SIZES

from . import pages_zoo
from .conftest import MODES, Database
from .pages_zoo import (
    PAGE,
    PAGE_INFO,
    RELATIONSHIPS,
    SIZES,
    Item,
    Part,
    Shop,
    cursor,
    expected_page,
    shop_labels,
    written,
)

# Of what a connection may be asked; the names are of arguments of the field.
NUMBERS = (None, 0, 1, 2, 5, 9)
CURSORS = (
    None,
    "",
    "nonsense",
    cursor(-5),
    cursor(-1),
    cursor(0),
    cursor(1),
    cursor(3),
    cursor(4),
    cursor(40),
    cursor(10**30),
)
ARGUMENTS = [
    {"first": first, "last": last, "after": after, "before": before}
    for first, last, after, before in product(NUMBERS, NUMBERS, CURSORS, CURSORS)
]
# Each number and each cursor at least once, alone and beside another.
FEW = [
    *({"first": number, "after": cursor(1)} for number in NUMBERS),
    *({"last": number, "before": cursor(3)} for number in NUMBERS),
    *({"first": 2, "after": each} for each in CURSORS),
    *({"last": 2, "after": each} for each in CURSORS),
    *({"first": 2, "before": each} for each in CURSORS),
    {"first": 3, "last": 1},
    {"first": 2147483647, "after": cursor(1)},
    {},
]
PARTS = 120


@pytest.fixture(scope="module")
def pages(database: Database) -> Iterator[Database]:
    """The database with the tables of pages_zoo."""
    with pages_zoo.tables(database.engine):
        yield database


@pytest.fixture(scope="module")
def schema() -> Any:
    return pages_zoo.build_schema()


@pytest.fixture(scope="module")
def instance_schema() -> Any:
    """Every level of nodes goes as instances."""
    return pages_zoo.build_schema(resolvers=["Shop", "Item", "Part", "Tag"])


def descending(text: str) -> list[int]:
    return [-ord(character) for character in text]


ORDERS: dict[str, Any] = {
    "goods": lambda item: (item.rank, item.maker, item.number),
    "gifts": lambda item: (item.maker, item.number),
    "notes": lambda note: -note.id,
    "tags": lambda tag: (descending(tag.name), tag.id),
    "labels": lambda tag: (tag.name, tag.id),
    "branches": lambda shop: (descending(shop.name), shop.id),
    "parts": lambda part: (part.weight, part.id),
}
"""The order that the pages of a relationship have: its own, then the primary key."""


def order_of(shop: Shop, key: str) -> Any:
    if key != "placed":
        return ORDERS[key]
    rows = object_session(shop).execute(  # type: ignore[union-attr]
        select(shop_labels.c.tag_id, func.min(shop_labels.c.place))
        .where(shop_labels.c.shop_id == shop.id)
        .group_by(shop_labels.c.tag_id)
    )
    places = dict(rows.all())
    return lambda tag: (places[tag.id], tag.id)


def global_id(value: Any) -> str:
    name, key = pages_zoo.identity(value)
    return str(to_global_id(name, str(key) if len(key) > 1 else key[0]))


def ordered(shop: Any, key: str) -> list[dict[str, str]]:
    """The nodes of a relationship as the response shows them."""
    children = list(dict.fromkeys(getattr(shop, key)))
    children.sort(key=order_of(shop, key))
    return [{"id": global_id(child)} for child in children]


def aliased(field: str, arguments: list[dict[str, Any]], selection: str) -> str:
    return " ".join(
        f"a{i}: {field}{written(each)} {{ {selection} }}" for i, each in enumerate(arguments)
    )


@pytest.fixture(scope="module")
def nodes(pages: Database) -> dict[tuple[int, str], list[dict[str, str]]]:
    """{(shop, relationship): nodes} for all of them."""
    with Session(pages.engine) as session:
        shops = session.scalars(select(Shop).where(Shop.id.in_(SIZES))).all()
        return {(shop.id, key): ordered(shop, key) for shop in shops for key in RELATIONSHIPS}


def check_nested(result: Any, nodes: Any, key: str, arguments: list[dict[str, Any]]) -> None:
    assert result.errors is None
    for shop, data in zip(SIZES, result.data["shops"], strict=True):
        for i, each in enumerate(arguments):
            expected = expected_page(nodes[shop, key], each)
            assert data[f"a{i}"] == expected, (shop, key, each)


def test_parents_have_the_sizes_that_the_tests_need(nodes: Any) -> None:
    assert [len(nodes[shop, "goods"]) for shop in SIZES] == [0, 1, 2, 5]
    assert [len(nodes[shop, "labels"]) for shop in SIZES] == [0, 1, 2, 5]


@pytest.mark.parametrize("part", range(0, len(ARGUMENTS), len(ARGUMENTS) // 8))
def test_nested_pages_in_all_combinations(
    pages: Database, schema: Any, nodes: Any, part: int
) -> None:
    arguments = ARGUMENTS[part : part + len(ARGUMENTS) // 8]
    for start in range(0, len(arguments), PARTS):
        some = arguments[start : start + PARTS]
        result, _ = pages.run(schema, f"{{ shops {{ {aliased('goods', some, PAGE)} }} }}")
        check_nested(result, nodes, "goods", some)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("key", RELATIONSHIPS)
@pytest.mark.parametrize("kind", ["rows", "instances"])
def test_nested_pages_of_each_kind_of_relationship(
    pages: Database,
    schema: Any,
    instance_schema: Any,
    nodes: Any,
    key: str,
    mode: str,
    kind: str,
) -> None:
    selection = PAGE
    if kind == "instances" and key != "notes":
        schema = instance_schema
        selection = PAGE.replace("{ id }", "{ id name }")
    query = f"{{ shops {{ {aliased(key, FEW, selection)} }} }}"
    result, _ = pages.run(schema, query, mode)
    if selection != PAGE:
        for shop in result.data["shops"]:
            for page in shop.values():
                for edge in page["edges"]:
                    assert edge["node"].pop("name")
    check_nested(result, nodes, key, FEW)


@pytest.mark.parametrize("key", ["goods", "labels"])
def test_pages_that_variables_ask_for(pages: Database, schema: Any, nodes: Any, key: str) -> None:
    """One document, so one plan: what is kept of a page must not be the next one's."""
    names = {"first": "Int", "last": "Int", "after": "String", "before": "String"}
    given = ", ".join(f"${name}: {type_}" for name, type_ in names.items())
    taken = ", ".join(f"{name}: ${name}" for name in names)
    query = f"query ({given}) {{ shops {{ a0: {key}({taken}) {{ {PAGE} }} }} }}"
    for arguments in FEW:
        result, _ = pages.run(schema, query, variable_values=arguments)
        check_nested(result, nodes, key, [arguments])


def test_more_sizes_than_have_statements_of_their_own(pages: Database, nodes: Any) -> None:
    """Clients choose the sizes: what is kept for them has an end, and the answer is the same."""
    query = f"query ($n: Int) {{ shops {{ a0: goods(first: $n) {{ {PAGE} }} }} }}"
    own = pages_zoo.build_schema()
    texts = set()
    for number in [*range(MAX_SIZES + 3)] * 2:
        result, executed = pages.run(own, query, variable_values={"n": number})
        check_nested(result, nodes, "goods", [{"first": number}])
        texts.add(executed[-1].replace(f"<= {number + 1}", "<= ..."))
    assert len(texts) == 1 and "<= ..." in texts.pop()


@pytest.mark.parametrize("mode", MODES)
def test_null_keys_of_parents_give_empty_pages(pages: Database, schema: Any, mode: str) -> None:
    """Shop 3 has no code, and notes without a code are nobody's."""
    result, _ = pages.run(schema, f"{{ shops {{ notes(first: 2) {{ {PAGE} }} }} }}", mode)
    assert result.data["shops"][2]["notes"] == expected_page([], {"first": 2})
    result, _ = pages.run(schema, f"{{ shops {{ notes(last: 2) {{ {PAGE} }} }} }}", mode)
    assert result.data["shops"][2]["notes"] == expected_page([], {"last": 2})


@pytest.mark.parametrize("kind", ["rows", "instances"])
@pytest.mark.parametrize("key", RELATIONSHIPS)
@pytest.mark.parametrize(
    "arguments", [{"first": 2}, {"last": 2}, {"first": 1, "after": cursor(1)}, {"first": 0}]
)
def test_at_most_one_row_more_than_the_page_leaves_the_database(
    pages: Database,
    schema: Any,
    instance_schema: Any,
    kind: str,
    key: str,
    arguments: dict[str, Any],
) -> None:
    if kind == "instances":
        schema = instance_schema
    query = f"{{ shops {{ {key}{written(arguments)} {{ {PAGE} }} }} }}"
    if kind == "instances" and key != "notes":
        query = query.replace("{ id }", "{ id name }")
    with pages_zoo.counted_rows(pages.engine) as counts:
        result, _ = pages.run(schema, query)
    assert result.errors is None
    size = arguments.get("first", arguments.get("last"))
    shops, *children = counts
    assert shops == len(SIZES)
    # A cursor beyond the end takes a second statement, for its parents alone.
    assert len(children) == (2 if "after" in arguments else 1)
    assert 0 < sum(children) <= (size + 1) * len(SIZES)


@pytest.mark.parametrize("mode", MODES)
def test_each_relationship_of_two_to_one_target_has_its_own_rows(
    pages: Database, schema: Any, nodes: Any, mode: str
) -> None:
    query = f"{{ shops {{ goods(first: 2) {{ {PAGE} }} gifts(first: 2) {{ {PAGE} }} }} }}"
    result, executed = pages.run(schema, query, mode)
    assert result.errors is None and len(executed) == 3
    for shop, data in zip(SIZES, result.data["shops"], strict=True):
        for key in ("goods", "gifts"):
            assert data[key] == expected_page(nodes[shop, key], {"first": 2})


@pytest.mark.parametrize("kind", ["rows", "instances"])
@pytest.mark.parametrize("mode", MODES)
def test_one_statement_for_each_level(
    pages: Database, schema: Any, instance_schema: Any, kind: str, mode: str
) -> None:
    query = """{ shops { goods(first: 2) { edges { node { name shop { name }
        parts(first: 2) { edges { node { name item { name } } } } } } } } }"""
    schema = schema if kind == "rows" else instance_schema
    result, executed = pages.run(schema, query, mode)
    assert result.errors is None
    # Shops, goods and parts; and the shop and the item that rows are not found in a session for.
    assert len(executed) == (5 if kind == "rows" else 4)
    assert not any("count(" in statement.lower() for statement in executed)


def test_pages_below_pages(pages: Database, schema: Any) -> None:
    """Three levels deep, a page of a page of a page."""
    part = f"parts(last: 2) {{ {PAGE} }}"
    query = f"{{ shops {{ goods(first: 2) {{ edges {{ node {{ id {part} }} }} }} }} }}"
    result, executed = pages.run(schema, query)
    assert result.errors is None and len(executed) == 3
    with Session(pages.engine) as session:
        for shop_id, data in zip(SIZES, result.data["shops"], strict=True):
            goods = sorted(session.get(Shop, shop_id).goods, key=ORDERS["goods"])[:2]
            for item, edge in zip(goods, data["goods"]["edges"], strict=True):
                parts = sorted(item.parts, key=ORDERS["parts"])
                wanted = [{"id": global_id(each)} for each in parts]
                assert edge["node"]["parts"] == expected_page(wanted, {"last": 2})


NEGATIVE = {"first": "first: -1", "last": "last: -2"}


@pytest.mark.parametrize("kind", ["rows", "instances"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", NEGATIVE)
def test_negative_numbers_are_located_errors_in_the_words_of_graphql_relay(
    pages: Database, schema: Any, instance_schema: Any, kind: str, mode: str, name: str
) -> None:
    schema = schema if kind == "rows" else instance_schema
    query = f"{{ shops {{ name goods({NEGATIVE[name]}) {{ edges {{ node {{ name }} }} }} }} }}"
    result, _ = pages.run(schema, query, mode)
    stock, _ = pages.run(pages_zoo.build_schema("stock"), query)
    message = f"Argument '{name}' must be a non-negative integer."
    assert [error.message for error in result.errors] == [message] * len(SIZES)
    assert result.formatted == stock.formatted
    query = f"{{ allItems({NEGATIVE[name]}) {{ edges {{ node {{ name }} }} }} }}"
    result, _ = pages.run(schema, query, mode)
    assert result.data == {"allItems": None}
    (error,) = result.errors
    assert error.message == message and error.path == ["allItems"]


# -- connections of the root --


def root_nodes(pages: Database, model: Any, order: Any) -> list[dict[str, str]]:
    with Session(pages.engine) as session:
        found = session.scalars(select(model)).all()
        return [{"id": global_id(each)} for each in sorted(found, key=order)]


SORTS = {
    "allItems": (Item, "RANK_DESC", lambda item: (-item.rank, item.maker, item.number)),
    "allParts": (Part, "WEIGHT_ASC", lambda part: (part.weight, part.id)),
}


@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("field", SORTS)
def test_root_pages_in_all_combinations(
    pages: Database, schema: Any, field: str, part: int
) -> None:
    """Parts have one key column, goods two; both orders have ties."""
    model, sort, order = SORTS[field]
    nodes = root_nodes(pages, model, order)
    arguments = ARGUMENTS[part :: 8 if field == "allItems" else 40]
    for start in range(0, len(arguments), PARTS):
        some = arguments[start : start + PARTS]
        query = aliased("FIELD", some, PAGE)
        query = query.replace("FIELD(", f"{field}(sort: {sort}, ")
        query = query.replace("FIELD {", f"{field}(sort: {sort}) {{")
        result, _ = pages.run(schema, f"{{ {query} }}")
        assert result.errors is None
        for i, each in enumerate(some):
            assert result.data[f"a{i}"] == expected_page(nodes, each), each


@pytest.mark.parametrize("kind", ["rows", "instances"])
@pytest.mark.parametrize("mode", MODES)
def test_root_pages_in_every_mode(
    pages: Database, schema: Any, instance_schema: Any, kind: str, mode: str
) -> None:
    nodes = root_nodes(pages, Item, lambda item: (item.maker, item.number))
    selection = PAGE if kind == "rows" else PAGE.replace("{ id }", "{ id name }")
    schema = schema if kind == "rows" else instance_schema
    result, _ = pages.run(schema, f"{{ {aliased('allItems', FEW, selection)} }}", mode)
    assert result.errors is None
    for i, each in enumerate(FEW):
        for edge in result.data[f"a{i}"]["edges"]:
            edge["node"].pop("name", None)
        assert result.data[f"a{i}"] == expected_page(nodes, each), each


@pytest.mark.parametrize("kind", ["rows", "instances"])
def test_a_root_page_is_one_statement_with_a_limit(
    pages: Database, schema: Any, instance_schema: Any, kind: str
) -> None:
    schema = schema if kind == "rows" else instance_schema
    query = f'{{ allItems(first: 2, after: "{cursor(1)}") {{ {PAGE.replace("id", "name")} }} }}'
    with pages_zoo.counted_rows(pages.engine) as counts:
        result, executed = pages.run(schema, query)
    assert result.errors is None and counts == [3]
    assert "LIMIT" in executed[0]
    with pages_zoo.counted_rows(pages.engine) as counts:
        result, executed = pages.run(schema, f"{{ allItems(last: 2) {{ {PAGE_INFO} }} }}")
    assert result.errors is None and counts == [1, 2] and "count(" in executed[0]


STOCK = [{"first": 2}, {"first": 2, "after": cursor(1)}, {"before": cursor(3)}, {"last": 2}, {}]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("arguments", STOCK)
def test_pages_are_those_of_stock(
    pages: Database, schema: Any, arguments: dict[str, Any], mode: str
) -> None:
    """Where the orders have no ties: stock leaves them to the database."""
    text = written(arguments)
    query = f"""{{ shops {{ name notes{text} {{ {PAGE} }} }}
        allParts{text} {{ edges {{ cursor node {{ id name item {{ id name }} }} }} {PAGE_INFO} }}
    }}"""
    stock, _ = pages.run(pages_zoo.build_schema("stock"), query)
    result, _ = pages.run(schema, query, mode)
    assert stock.errors is None and result.formatted == stock.formatted
