"""Rows in shards, by SQLAlchemy's own `ShardedSession`: the answers are those of one database.

Stock is the oracle on one database, because over shards its connections fail. A list of a
resolver's own is what the ORM makes of it, shard by shard, in stock too; so there the oracle has
shards.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.horizontal_shard import ShardedSession, set_shard_id
from sqlalchemy.orm import Session

from graphene_sqlalchemy_c.shards import page_over_shards

from . import shop_models as shop
from .conftest import SERVERS
from .rows_harness import way_id
from .shop_models import ORDERS_EACH, STOCK, WAYS, Customer, Databases, Way, ask

SHARDS = ("even", "odd")

OWN = tuple(way for way in WAYS if way[0] == "own")
way = pytest.mark.parametrize("way", WAYS, ids=way_id)
own_way = pytest.mark.parametrize("way", OWN, ids=way_id)


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def shards(request: Any, tmp_path_factory: Any) -> Iterator[Databases]:
    """Two shards, and one database with the rows of both."""
    belongs = {
        "even": lambda customer: customer % 2 == 0,
        "odd": lambda customer: customer % 2 == 1,
        "one": lambda customer: True,
    }
    with shop.databases(request.param, tmp_path_factory.mktemp("shards"), belongs) as made:
        yield made


def of_key(key: Any) -> list[str]:
    """The shard of a primary key: the numbers of all rows tell."""
    return [SHARDS[int(key[0] if isinstance(key, (list, tuple)) else key) % 2]]


def sharded(shards: Databases, way: Way, **choosers: Any) -> Any:
    """Makes sessions over the shards, as SQLAlchemy's documentation has them."""
    engines = shards.bound(way)

    def execute_chooser(context: Any) -> Any:
        parent = context.lazy_loaded_from
        return SHARDS if parent is None else [parent.identity_token]

    options: dict[str, Any] = {
        "shards": {name: engines[name] for name in SHARDS},
        "shard_chooser": lambda _mapper, instance, clause=None: of_key(instance.id)[0],
        "identity_chooser": lambda _mapper, key, **_: of_key(key),
        "execute_chooser": execute_chooser,
        **choosers,
    }
    if way[2] == "asyncsession":
        return lambda: AsyncSession(sync_session_class=ShardedSession, **options)
    return lambda: ShardedSession(**options)


def of_one_database(shards: Databases, query: str, connections: bool = True) -> Any:
    """What stock answers on the one database."""
    return ask(STOCK, query, lambda: Session(shards.engines["one"]), connections)


def by_id(data: Any) -> Any:
    """The lists of the root in one order."""
    return {name: sorted(rows, key=lambda row: int(row["id"])) for name, rows in data.items()}


# -- lists --

LISTS = {
    "flat": "{ customers { id name rank } }",
    "to-many": "{ customers { id orders { id lines { id article } } } }",
    "to-one": "{ orders { id customer { id name orders { id } } } }",
    "aliases": "{ customers { id a: orders { id } b: orders { amount } } }",
    "inheritance": """{ payments { id __typename order { id }
        ... on CardPayment { digits } ... on CashPayment { drawer } } }""",
    "inheritance below": """{ customers { id orders { payments { id __typename
        ... on CardPayment { digits order { customer { name } } }
        ... on CashPayment { drawer } } } } }""",
}


@way
@pytest.mark.parametrize("name", LISTS)
def test_lists(shards: Databases, way: Way, name: str) -> None:
    stock = ask(STOCK, LISTS[name], sharded(shards, STOCK), False)
    result = ask(way, LISTS[name], sharded(shards, way), False)
    assert result == stock
    one = of_one_database(shards, LISTS[name], connections=False)
    assert "errors" not in one
    assert by_id(result["data"]) == one["data"]


@way
def test_one_object(shards: Databases, way: Way) -> None:
    query = """{ customer(id: 5) { id name orders { id customer { id } } }
        nobody: customer(id: 99) { id } }"""
    one = of_one_database(shards, query, connections=False)
    assert one["data"]["customer"]["orders"] and one["data"]["nobody"] is None
    assert ask(way, query, sharded(shards, way), False) == one


@way
def test_children_are_asked_of_their_parents_shard(shards: Databases, way: Way) -> None:
    """One statement for each parent, as the ORM has it: its choosers know where children are."""
    session = sharded(shards, way)
    with shards.counted() as executed:
        ask(way, "{ customers { id orders { id } } }", session, False)
    assert executed["one"] == []
    for name in SHARDS:
        assert len(executed[name]) == 1 + shop.CUSTOMERS // 2


@way
def test_the_option_that_names_a_shard(shards: Databases, way: Way) -> None:
    """For the statement and for all that is loaded below its objects."""
    query = "{ customers { id orders { id customer { id } lines { id } } } }"
    option = set_shard_id("odd")
    stock = ask(STOCK, query, sharded(shards, STOCK), False, option)
    assert len(stock["data"]["customers"]) == shop.CUSTOMERS // 2
    session = sharded(shards, way)
    with shards.counted() as executed:
        assert ask(way, query, session, False, option) == stock
    assert executed["odd"] and not executed["even"] and not executed["one"]


# -- connections --

AFTER_THREE = "YXJyYXljb25uZWN0aW9uOjI="
PAGES = {
    "whole": "{ customers { edges { cursor node { id name } } pageInfo { hasNextPage } } }",
    "first": """{ customers(first: 5) { edges { cursor node { id name } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }""",
    "after": f"""{{ customers(first: 4, after: "{AFTER_THREE}") {{ edges {{ cursor node {{ id }} }}
        pageInfo {{ hasNextPage endCursor }} }} }}""",
    "to the end": """{ customers(first: 12) { edges { node { id } } pageInfo { hasNextPage } } }""",
    "beyond": """{ customers(first: 50) { edges { node { id } } pageInfo { hasNextPage } } }""",
    "nothing": "{ customers(first: 0) { totalCount edges { node { id } } } }",
    "last": "{ customers(last: 3) { edges { cursor node { id } } pageInfo { hasPreviousPage } } }",
    "before": f"""{{ customers(last: 2, before: "{AFTER_THREE}") {{
        edges {{ node {{ id }} }} }} }}""",
    "count": "{ customers { totalCount } }",
    "page and count": "{ orders(first: 7) { totalCount edges { node { id amount } } } }",
    "cursors": "{ customers(first: 2) { edges { cursor } pageInfo { hasNextPage } } }",
    "descending": "{ customers(first: 5, sort: [ID_DESC]) { edges { node { id } } } }",
    "ties": "{ orders(first: 20, sort: [AMOUNT_ASC, ID_DESC]) { edges { node { id amount } } } }",
    "nulls": "{ customers(first: 5, sort: [RANK_ASC, ID_ASC]) { edges { node { id rank } } } }",
    "nulls, descending": """{ customers(first: 10, sort: [RANK_DESC, ID_ASC]) {
        edges { node { id rank } } } }""",
    "filtered": """{ customers(first: 3, filter: {rank: {in: [1, 3]}}) { totalCount
        edges { node { id rank } } } }""",
    "cut in Python": """{ customers(first: 5, sort: [RANK_DESC, ID_ASC]) { size totalCount
        edges { node { id rank orders(first: 1) { size } } } } }""",
    "nested": """{ customers(first: 5) { edges { node { id orders(first: 2) {
        totalCount pageInfo { hasNextPage endCursor }
        edges { node { id lines(last: 1) { totalCount edges { cursor node { article } } } } }
    } } } } }""",
    "to-one": "{ orders(first: 9) { edges { node { id customer { id name } } } } }",
}


@own_way
@pytest.mark.parametrize("name", PAGES)
def test_pages(shards: Databases, way: Way, name: str) -> None:
    one = of_one_database(shards, PAGES[name])
    assert "errors" not in one
    assert ask(way, PAGES[name], sharded(shards, way), True) == one


def test_stock_has_no_pages_over_shards(shards: Databases) -> None:
    """Why the oracle of pages is one database: it counts first, and each shard counts its own."""
    for route in ("stock", "import"):  # under graphql-core's executor upstream cuts the pages
        result = ask((route, "instances", "sync"), PAGES["first"], sharded(shards, STOCK), True)
        assert result["data"] == {"customers": None}
        assert "Multiple rows were found" in result["errors"][0]["message"]


@own_way
def test_all_pages_hold_each_row_once(shards: Databases, way: Way) -> None:
    found: list[str] = []
    cursor, more = "", True
    while more:
        query = f"""{{ orders(first: 5, after: "{cursor}", sort: [AMOUNT_DESC, ID_ASC])
            {{ edges {{ node {{ id }} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
        page = ask(way, query, sharded(shards, way), True)["data"]["orders"]
        found += [edge["node"]["id"] for edge in page["edges"]]
        cursor, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    assert len(found) == len(set(found)) == shop.CUSTOMERS * ORDERS_EACH
    whole = "{ orders(sort: [AMOUNT_DESC, ID_ASC]) { edges { node { id } } } }"
    edges = of_one_database(shards, whole)["data"]["orders"]["edges"]
    assert found == [edge["node"]["id"] for edge in edges]


@own_way
def test_a_page_is_one_statement_for_each_shard(shards: Databases, way: Way) -> None:
    session = sharded(shards, way)
    with shards.counted() as executed:
        ask(way, "{ customers(first: 3) { edges { node { id name } } } }", session, True)
    assert [len(executed[name]) for name in SHARDS] == [1, 1] and not executed["one"]
    assert all("LIMIT" in executed[name][0] for name in SHARDS)


TEXT = text("rank desc")
BY_NAME = "{ customers(first: 3, sort: [NAME_ASC]) { edges { node { name } } } }"


@own_way
def test_an_order_that_only_the_database_knows(shards: Databases, way: Way) -> None:
    """Text is ordered by a collation; the answer is an error, and not another order."""
    result = ask(way, BY_NAME, sharded(shards, way), True)
    assert result["data"] == {"customers": None}
    message = result["errors"][0]["message"]
    assert message.startswith("Pages over several shards cannot be ordered by shop_customers.name")


@own_way
def test_pages_of_one_shard_have_any_order(shards: Databases, way: Way) -> None:
    """Where the choosers name one shard, its database has put the rows in order."""
    one_shard = sharded(shards, way, execute_chooser=lambda _context: ["odd"])
    oracle = ask(STOCK, BY_NAME, lambda: Session(shards.engines["odd"]), True)
    assert len(oracle["data"]["customers"]["edges"]) == 3
    assert ask(way, BY_NAME, one_shard, True) == oracle


@own_way
def test_a_filter_that_makes_a_statement_distinct(shards: Databases, way: Way) -> None:
    """A DISTINCT statement is executed as it is, whose rows nobody can put in order."""
    query = """{ customers(first: 2, filter: {orders: {contains: [{amount: {gt: 7}}]}}) {
        totalCount edges { node { id } } } }"""
    result = ask(way, query, sharded(shards, way), True)
    assert result["data"] == {"customers": None}
    assert "the statement has DISTINCT" in result["errors"][0]["message"]
    one_shard = sharded(shards, way, execute_chooser=lambda _context: ["odd"])
    oracle = ask(STOCK, query, lambda: Session(shards.engines["odd"]), True)
    assert oracle["data"]["customers"]["totalCount"] > 2
    assert ask(way, query, one_shard, True) == oracle


@pytest.mark.parametrize("order", [TEXT, Customer.rank + 1, Customer.id % 5])
def test_orders_that_are_no_columns(shards: Databases, order: Any) -> None:
    """Each is the order of one database, or an error."""
    statement = select(Customer).order_by(order, Customer.id)
    mapper = Customer.__mapper__
    with Session(shards.engines["one"]) as session:
        expected = [customer.id for customer in session.scalars(statement)]
    with sharded(shards, STOCK)() as session:
        try:
            rows = page_over_shards(session, mapper, statement, 2, 7)
        except ValueError as error:
            assert str(error).startswith("Pages over several shards cannot be ordered by")
            assert order is TEXT
        else:
            assert order is not TEXT
            assert [row[0].id for row in rows] == expected[2:7]


# -- nodes --

NODE = (
    '{ node(id: "%s") { id ... on Customer { name orders { totalCount edges { node { id } } } } } }'
)
FIVE, NOBODY = "Q3VzdG9tZXI6NQ==", "Q3VzdG9tZXI6OTk="


@way
@pytest.mark.parametrize("global_id", [FIVE, NOBODY])
def test_nodes(shards: Databases, way: Way, global_id: str) -> None:
    """Each shard is asked what stock asks it; the children of the node are only in its own."""
    one = of_one_database(shards, NODE % global_id)
    assert "errors" not in one and (one["data"]["node"] is None) == (global_id == NOBODY)
    sent = []
    for each in (STOCK, way):
        session = sharded(shards, each)
        with shards.counted() as executed:
            assert ask(each, NODE % global_id, session, True) == one
        sent.append({name: len(statements) for name, statements in executed.items()})
    assert sent[0] == sent[1] == {"one": 0, "even": 1, "odd": 1 if global_id == NOBODY else 2}
