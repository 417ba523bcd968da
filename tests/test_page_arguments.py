"""`sort` and `filter` of nested connections: as at the root, with pages and totals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import graphene_sqlalchemy
import pytest
from sqlalchemy.orm import Session, lazyload, selectinload

import graphene_sqlalchemy_c
from graphene_sqlalchemy_c import CountableConnection, SQLAlchemyConnectionField

from . import pages_zoo
from .conftest import MODES, Database
from .pages_zoo import SIZES, Item, Shop, build_schema, cursor, expected_page, written
from .test_page_sizes import uncut

NESTED = {"nested_arguments": True}
# (arguments of build_schema, whether pages are cut in SQL)
WAYS: dict[str, tuple[dict[str, Any], bool]] = {
    "rows": (NESTED, True),
    "batching=True": ({"batching": True}, True),
    "batching=False": ({**NESTED, "batching": False}, True),
    "instances": ({**NESTED, "resolvers": ["Shop", "Item", "Part"]}, True),
    "rows=False": ({**NESTED, "options": {"rows": False}}, False),
    "a field class": ({"connection_field_factory": uncut}, False),
    "graphql-core's executor": ({**NESTED, "route": "import"}, False),
}


@pytest.fixture(scope="module")
def pages(database: Database) -> Iterator[Database]:
    with pages_zoo.tables(database.engine):
        yield database


@pytest.fixture(scope="module", params=WAYS)
def way(request: Any) -> tuple[Any, bool]:
    arguments, in_sql = WAYS[request.param]
    return build_schema(connection_class=CountableConnection, **arguments), in_sql


def has_parts(item: Item) -> bool:
    return any(part.name == "part 1" for part in item.parts)


# name: (argument, what stays, its order before the primary key)
ARRANGED: dict[str, tuple[str, Any, Any]] = {
    "sort": ("sort: NAME_DESC", None, lambda i: [-ord(c) for c in i.name]),
    "sort by two": (
        "sort: [RANK_DESC, NAME_ASC]",
        None,
        lambda i: (-i.rank, i.name),
    ),
    "filter": ('filter: {maker: {eq: "a"}}', lambda i: i.maker == "a", lambda i: i.rank),
    "filter and sort": (
        "filter: {rank: {gt: 4}}, sort: NUMBER_ASC",
        lambda i: i.rank > 4,
        lambda i: i.number,
    ),
    "or": (
        'filter: {or: [{name: {eq: "item 0"}}, {name: {eq: "item 4"}}]}',
        lambda i: i.name in ("item 0", "item 4"),
        lambda i: i.rank,
    ),
    "filter by a relationship": (
        'filter: {shop: {name: {eq: "shop 0"}}}',
        lambda i: i.shop.name == "shop 0",
        lambda i: i.rank,
    ),
    "filter by children": (
        'filter: {parts: {contains: [{name: {eq: "part 1"}}]}}',
        has_parts,
        lambda i: i.rank,
    ),
    "nothing is left": ('filter: {maker: {eq: "z"}}', lambda i: False, lambda i: i.rank),
}
PAGES: tuple[dict[str, Any], ...] = (
    {},
    {"first": 2},
    {"first": 1, "after": cursor(0)},
    {"last": 2},
    {"first": 2, "after": cursor(7)},
)
SELECTION = (
    "totalCount edges { cursor node { id name } } "
    "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
)


def wanted_items(session: Session, shop: int, keep: Any, order: Any) -> list[Item]:
    goods = [each for each in session.get(Shop, shop).goods if keep is None or keep(each)]
    return sorted(goods, key=lambda i: (order(i), i.maker, i.number))


def check(
    pages: Database, shops: list[Any], key: str, keep: Any, order: Any, page: dict[str, Any]
) -> None:
    with Session(pages.engine) as session:
        for shop, data in zip(SIZES, shops, strict=True):
            goods = wanted_items(session, shop, keep, order)
            found = dict(data[key])
            assert found.pop("totalCount", len(goods)) == len(goods)
            for edge in found["edges"]:
                edge["node"] = edge["node"]["name"]
            assert found == expected_page([each.name for each in goods], page), (shop, page)


@pytest.mark.parametrize("mode", ["sync", "asyncsession"])
@pytest.mark.parametrize("name", ARRANGED)
def test_sorted_and_filtered_pages(pages: Database, way: Any, name: str, mode: str) -> None:
    schema, in_sql = way
    argument, keep, order = ARRANGED[name]
    for page in PAGES:
        arguments = written(page)[1:-1]
        text = f"({argument}, {arguments})" if arguments else f"({argument})"
        query = f"{{ shops {{ goods{text} {{ {SELECTION} }} }} }}"
        result, executed = pages.run(schema, query, mode)
        assert result.errors is None
        assert any(edge for shop in result.data["shops"] for edge in shop["goods"]["edges"]) or (
            name == "nothing is left" or "after" in page
        )
        check(pages, result.data["shops"], "goods", keep, order, page)
        if in_sql:
            assert len(executed) <= 4


@pytest.mark.parametrize("mode", MODES)
def test_aliases_of_one_field_with_other_arguments(pages: Database, way: Any, mode: str) -> None:
    schema, _ = way
    selection = SELECTION.replace("totalCount", "")
    aliases = " ".join(
        f"a{i}: goods({argument}, first: 3) {{ {selection} }}"
        for i, (argument, _, _) in enumerate(ARRANGED.values())
    )
    plain = f"plain: goods {{ {selection} }} again: goods(first: 3) {{ {selection} }}"
    result, _ = pages.run(schema, f"{{ shops {{ {plain} {aliases} }} }}", mode)
    assert result.errors is None
    for i, (_, keep, order) in enumerate(ARRANGED.values()):
        check(pages, result.data["shops"], f"a{i}", keep, order, {"first": 3})
    with Session(pages.engine) as session:
        for shop, data in zip(SIZES, result.data["shops"], strict=True):
            ranks = [each.rank for each in wanted_items(session, shop, None, lambda i: i.rank)]
            assert len(data["plain"]["edges"]) == len(ranks)


RANKS = "{ shops { goods%s { edges { node { rank } } } } }"


@pytest.mark.parametrize("mode", MODES)
def test_a_sort_that_nobody_wrote_does_not_displace_the_relationship_s_order(
    pages: Database, way: Any, mode: str
) -> None:
    schema, _ = way

    def ranks(query: str, variables: dict[str, Any] | None = None) -> list[list[int]]:
        result, _ = pages.run(schema, query, mode, variables=variables)
        assert result.errors is None
        return [
            [edge["node"]["rank"] for edge in shop["goods"]["edges"]]
            for shop in result.data["shops"]
        ]

    plain = ranks(RANKS % "")
    assert plain[-1] == sorted(plain[-1])
    variable = "query ($s: [ItemSortEnum]) " + RANKS % "(sort: $s)"
    assert ranks(variable) == plain
    assert ranks(variable, {"s": "RANK_DESC"})[-1] == sorted(plain[-1], reverse=True)
    default = "query ($s: [ItemSortEnum] = [RANK_DESC]) " + RANKS % "(sort: $s)"
    assert ranks(default)[-1] == sorted(plain[-1], reverse=True)
    inside = "query ($f: String) " + RANKS % "(filter: {maker: {eq: $f}})"
    assert [len(each) for each in ranks(inside, {"f": "a"})] == [0, 1, 1, 3]


def test_arguments_hold_over_an_attribute_that_is_loaded(pages: Database, way: Any) -> None:
    schema, _ = way
    query = """{ given { plain: goods { edges { node { name } } }
        goods(sort: NAME_DESC, filter: {maker: {eq: "a"}}) { edges { node { name } } } } }"""

    def run(option: Any) -> Any:
        with Session(pages.engine) as session:
            given = session.query(Shop).options(option).order_by(Shop.id).filter(Shop.id < 5).all()
            context = {"session": session, "given": given}
            return schema.execute(query, context_value=context)

    result = run(selectinload(Shop.goods))
    assert result.errors is None
    names = [edge["node"]["name"] for edge in result.data["given"][3]["goods"]["edges"]]
    assert names == sorted(names, reverse=True) and len(names) == 3
    assert len(result.data["given"][3]["plain"]["edges"]) == 5
    # Criteria of an option for this very relationship are nothing that could be put aside.
    result = run(lazyload(Shop.goods.and_(Item.rank > 4)))
    assert {e.message for e in result.errors} == {
        "Shop.goods cannot be sorted or filtered: "
        "no statement of its own can load it for this object."
    }
    assert all(shop["goods"] is None for shop in result.data["given"])


def test_an_object_that_is_not_stored_cannot_be_filtered(pages: Database, way: Any) -> None:
    schema, _ = way
    with Session(pages.engine) as session:
        context = {"session": session, "given": [Shop(id=77, name="new")]}
        query = '{ given { goods(filter: {maker: {eq: "a"}}) { edges { cursor } } } }'
        result = schema.execute(query, context_value=context)
    assert [e.path for e in result.errors] == [["given", 0, "goods"]]
    assert "cannot be sorted or filtered" in result.errors[0].message


def test_siblings_share_one_statement_under_an_asyncsession(pages: Database, way: Any) -> None:
    schema, _ = way
    query = "{ shops { goods(sort: NAME_DESC) { edges { node { rank } } } } }"
    result, executed = pages.run(schema, query, "asyncsession")
    assert result.errors is None and len(executed) == 2


# -- the schema --


def test_the_schema_is_stock_s_unless_arguments_are_asked_for() -> None:
    stock = str(build_schema("stock"))
    assert str(build_schema()) == stock == str(build_schema(nested_arguments=False))
    nested = str(build_schema(nested_arguments=True))
    assert nested != stock
    goods = "goods(sort: [ItemSortEnum] = [MAKER_ASC, NUMBER_ASC], filter: ItemFilter, "
    assert nested.count(goods) == 1 and goods not in stock
    graphene_sqlalchemy_c.install()
    try:
        assert str(build_schema("stock")) == stock
        graphene_sqlalchemy_c.install(nested_arguments=True)
        assert str(build_schema("stock")) == nested
        assert str(build_schema("stock", nested_arguments=False)) == stock
    finally:
        graphene_sqlalchemy_c.uninstall()
    assert str(build_schema("stock")) == stock


def test_one_type_can_ask_for_arguments() -> None:
    text = str(build_schema(nested_arguments={"Item": True}))
    assert "parts(sort: [PartSortEnum]" in text and "goods(sort:" not in text


@pytest.mark.parametrize("mode", MODES)
def test_installed_arguments_work(pages: Database, mode: str) -> None:
    graphene_sqlalchemy_c.install(nested_arguments=True)
    try:
        schema = build_schema("stock")
        assert type(schema).__module__ == "graphene.types.schema"
        query = "{ shops { goods(sort: RANK_DESC, first: 2) { edges { node { rank } } } } }"
        result, executed = pages.run(schema, query, mode)
        assert result.errors is None and len(executed) == 2
        last = [e["node"]["rank"] for e in result.data["shops"][-1]["goods"]["edges"]]
        assert last == [5, 5]
    finally:
        graphene_sqlalchemy_c.uninstall()


def test_a_factory_of_the_type_s_own_is_kept() -> None:
    seen: list[str] = []

    def factory(relationship: Any, registry: Any, **kwargs: Any) -> Any:
        seen.append(relationship.key)
        node = registry.get_type_for_model(relationship.mapper.class_)
        return SQLAlchemyConnectionField(node.connection, sort=None, filter=None, **kwargs)

    text = str(build_schema(nested_arguments=True, connection_field_factory=factory))
    assert seen and "goods(sort:" not in text
    graphene_sqlalchemy_c.install(nested_arguments=True)
    try:
        base = graphene_sqlalchemy.SQLAlchemyObjectType
        assert "goods(sort:" not in str(
            build_schema("stock", base=base, connection_field_factory=factory)
        )
    finally:
        graphene_sqlalchemy_c.uninstall()
