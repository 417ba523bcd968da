"""CountableConnection: totalCount in one statement for a level, and only when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from graphene_sqlalchemy_c import CountableConnection

from . import pages_zoo
from .conftest import MODES, Database
from .pages_zoo import PAGE, PAGE_INFO, RELATIONSHIPS, SIZES, build_schema, cursor

TOTALS = {
    **{key: [0, 1, 2, 5] for key in RELATIONSHIPS},
    "notes": [0, 1, 0, 5],
    "gifts": [4, 1, 0, 0],
}
ITEMS = 9
PAGES = ("", "(first: 2)", f'(first: 1, after: "{cursor(0)}")', "(last: 2)", "(first: 0)")
FAR = f'(first: 1, after: "{cursor(40)}")'

# How the nodes are loaded: (arguments of build_schema, whether pages are cut in SQL).
WAYS: dict[str, tuple[dict[str, Any], bool]] = {
    "rows": ({}, True),
    "instances": ({"resolvers": ["Shop", "Item", "Tag"]}, True),
    "rows=False": ({"options": {"rows": False}}, False),
    "graphql-core's executor": ({"route": "import"}, False),
    "stock": ({"route": "stock"}, False),
}


@pytest.fixture(scope="module")
def pages(database: Database) -> Iterator[Database]:
    with pages_zoo.tables(database.engine):
        yield database


# Upstream has no nested connections under an AsyncSession, and no asynchronous root Query.
COMBINATIONS = [
    (name, mode)
    for name, (arguments, _) in WAYS.items()
    for mode in (("sync",) if "route" in arguments else MODES)
]


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    return {
        name: build_schema(connection_class=CountableConnection, **arguments)
        for name, (arguments, _) in WAYS.items()
    }


@pytest.fixture(scope="module", params=COMBINATIONS, ids=" ".join)
def way(request: Any, schemas: dict[str, Any]) -> tuple[Any, bool, str]:
    """(schema, whether pages are cut in SQL, mode)"""
    name, mode = request.param
    return schemas[name], WAYS[name][1], mode


def selection_of(key: str) -> str:
    """What differs from run to run where a database breaks ties is left out."""
    name = {"notes": "id", "placed": "__typename"}.get(key, "name")
    return f"edges {{ cursor node {{ {name} }} }} {PAGE_INFO}"


@pytest.mark.parametrize("key", RELATIONSHIPS)
def test_nested_totals(pages: Database, way: Any, key: str) -> None:
    schema, in_sql, mode = way
    for i, page in enumerate((*PAGES, FAR)):
        query = f"{{ shops {{ {key}{page} {{ totalCount {selection_of(key)} }} }} }}"
        plain = f"{{ shops {{ {key}{page} {{ {selection_of(key)} }} }} }}"
        result, executed = pages.run(schema, query, mode)
        wanted, before = pages.run(schema, plain, mode)
        assert result.errors is None
        totals = [shop[key].pop("totalCount") for shop in result.data["shops"]]
        assert totals == TOTALS[key]
        assert result.data == wanted.data
        if in_sql:
            # The whole connection and a page from the end know their totals.
            known = i in (0, 3)
            assert len(executed) == len(before) + (not known)


@pytest.mark.parametrize("page", PAGES)
def test_a_nested_total_alone_fetches_no_children(pages: Database, way: Any, page: str) -> None:
    schema, in_sql, mode = way
    query = f"{{ shops {{ goods{page} {{ totalCount __typename }} }} }}"
    with pages_zoo.counted_rows(pages.engine) as counts:
        result, executed = pages.run(schema, query, mode)
    assert result.errors is None
    goods = [{"totalCount": total, "__typename": "ItemConnection"} for total in TOTALS["goods"]]
    assert result.data == {"shops": [{"goods": each} for each in goods]}
    if in_sql:
        assert len(executed) == 2 and "count(" in executed[1]
        if mode != "asyncsession":
            assert counts == [len(SIZES), 3]


def test_root_totals(pages: Database, way: Any) -> None:
    schema, in_sql, mode = way
    for page in (*PAGES, FAR):
        query = f"{{ allItems{page} {{ totalCount {PAGE} }} }}"
        plain = f"{{ allItems{page} {{ {PAGE} }} }}"
        result, executed = pages.run(schema, query, mode)
        wanted, before = pages.run(schema, plain, mode)
        assert result.errors is None
        assert result.data["allItems"].pop("totalCount") == ITEMS
        assert result.data == wanted.data
        if in_sql:
            known = page in ("", PAGES[3], FAR)
            assert len(executed) == len(before) + (not known)


@pytest.mark.parametrize("page", PAGES)
def test_a_root_total_alone_is_one_count(pages: Database, way: Any, page: str) -> None:
    schema, in_sql, mode = way
    result, executed = pages.run(schema, f"{{ allItems{page} {{ totalCount }} }}", mode)
    assert result.errors is None and result.data == {"allItems": {"totalCount": ITEMS}}
    if in_sql:
        (statement,) = executed
        assert statement.lower().startswith("select count(")


def test_nothing_is_loaded_where_nothing_is_shown(pages: Database, way: Any) -> None:
    schema, in_sql, mode = way
    result, executed = pages.run(schema, "{ allItems { __typename } }", mode)
    assert result.data == {"allItems": {"__typename": "ItemConnection"}}
    assert not in_sql or executed == []
    result, executed = pages.run(schema, "{ shops { goods(first: 1) { __typename } } }", mode)
    assert result.data == {"shops": [{"goods": {"__typename": "ItemConnection"}}] * len(SIZES)}
    assert not in_sql or len(executed) == 1


def test_no_count_unless_it_is_asked_for(pages: Database, way: Any) -> None:
    schema, in_sql, mode = way
    for field in ("allItems(first: 2) { %s }", "shops { goods(first: 2) { %s } }"):
        _, executed = pages.run(schema, f"{{ {field % PAGE} }}", mode)
        assert not in_sql or not any("count(" in each.lower() for each in executed)
