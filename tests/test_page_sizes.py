"""max_page_size and default_page_size, and the other options of Meta."""

from __future__ import annotations

from typing import Any

import graphene
import pytest
from graphene import relay
from sqlalchemy.orm import Session, selectinload

import graphene_sqlalchemy_c
from graphene_sqlalchemy_c import SQLAlchemyConnectionField
from graphene_sqlalchemy_c.meta import take_options

from .conftest import MODES, Database
from .pages_zoo import SIZES, Shop, build_schema

NESTED = "{ shops { goods%s { edges { node { name } } pageInfo { hasNextPage } } } }"
ROOT = "{ allItems%s { edges { node { name } } pageInfo { hasNextPage } } }"
TOO_MANY = "Argument '{}' asks for {} nodes, 3 are allowed at once."


@pytest.fixture
def pages(sqlite_pages: Database) -> Database:
    return sqlite_pages


class Uncut(SQLAlchemyConnectionField):
    """Cuts as upstream does, in its own name: never by rows."""

    @classmethod
    def resolve_connection(cls, *args: Any) -> Any:
        return super().resolve_connection(*args)


class Connected(relay.Connection):
    """A connection class with a resolver of its own: never by rows."""

    class Meta:
        abstract = True

    size = graphene.Int()

    def resolve_size(root: Any, _info: Any) -> int:
        length: int = root.length  # type: ignore[attr-defined]
        return length


def uncut(relationship: Any, registry: Any, **kwargs: Any) -> Any:
    return Uncut(registry.get_type_for_model(relationship.mapper.class_).connection, **kwargs)


# What goes by rows, and each way that does not: (arguments of build_schema, the query's nodes).
WAYS: dict[str, tuple[dict[str, Any], str]] = {
    "rows": ({}, "name"),
    "rows=False": ({"options": {"rows": False}}, "name"),
    "Meta.rows": ({"rows": False}, "name"),
    "a resolver": ({"resolvers": ["Item"]}, "name"),
    "a field class": ({"connection_field_factory": uncut}, "name"),
    "a connection class": ({"connection_class": Connected}, "name"),
}


def limited(way: str, where: str, **limits: Any) -> Any:
    arguments = {**WAYS[way][0]}
    if where == "schema":
        arguments["options"] = {**arguments.get("options", {}), **limits}
    else:
        arguments.update({key: {"Item": value} for key, value in limits.items()})
        arguments["options"] = {**arguments.get("options", {}), "max_page_size": 1}
        if "max_page_size" not in limits:
            arguments["max_page_size"] = {"Item": 10}
    return build_schema(**arguments)


def with_size(way: str, query: str) -> str:
    return query.replace("edges", "size edges") if way == "a connection class" else query


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("where", ["schema", "meta"])
@pytest.mark.parametrize("way", WAYS)
def test_more_than_the_cap_is_a_located_error(
    pages: Database, way: str, where: str, mode: str
) -> None:
    schema = limited(way, where, max_page_size=3)
    for name in ("first", "last"):
        query = with_size(way, NESTED % f"({name}: 4)")
        result, executed = pages.run(schema, query, mode)
        assert result.data == {"shops": [{"goods": None}] * len(SIZES)}
        assert {each.message for each in result.errors} == {TOO_MANY.format(name, 4)}
        paths = [["shops", i, "goods"] for i in range(len(SIZES))]
        assert sorted(each.path for each in result.errors) == paths
        assert len(executed) == 1, "nothing is loaded for a page that is refused"
        result, executed = pages.run(schema, with_size(way, ROOT % f"({name}: 4)"), mode)
        assert result.data == {"allItems": None} and executed == []
        assert [(e.message, e.path) for e in result.errors] == [
            (TOO_MANY.format(name, 4), ["allItems"])
        ]
        query = with_size(way, NESTED % f"({name}: 3)")
        result, _ = pages.run(schema, query, mode)
        assert result.errors is None
        sizes = [len(shop["goods"]["edges"]) for shop in result.data["shops"]]
        assert sizes == [0, 1, 2, 3]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
def test_a_cap_without_a_default_wants_a_number(pages: Database, way: str, mode: str) -> None:
    schema = limited(way, "schema", max_page_size=3)
    for query in (NESTED % "", ROOT % "", NESTED % "(first: null)"):
        result, _ = pages.run(schema, with_size(way, query), mode)
        assert {each.message for each in result.errors} == {
            "Give 'first' or 'last': 3 nodes are allowed at once."
        }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("where", ["schema", "meta"])
@pytest.mark.parametrize("way", WAYS)
def test_the_default_is_the_size_of_a_page_without_a_number(
    pages: Database, way: str, where: str, mode: str
) -> None:
    schema = limited(way, where, default_page_size=2)
    explicit = build_schema(**WAYS[way][0])
    for query in (NESTED, ROOT):
        wanted, _ = pages.run(explicit, with_size(way, query % "(first: 2)"), mode)
        result, _ = pages.run(schema, with_size(way, query % ""), mode)
        assert wanted.errors is None and result.formatted == wanted.formatted
        result, _ = pages.run(schema, with_size(way, query % "(last: 1)"), mode)
        wanted, _ = pages.run(explicit, with_size(way, query % "(last: 1)"), mode)
        assert wanted.errors is None and result.formatted == wanted.formatted


@pytest.mark.parametrize("where", ["schema", "meta"])
def test_the_cap_holds_over_an_attribute_that_is_loaded(pages: Database, where: str) -> None:
    schema = limited("rows", where, max_page_size=3, default_page_size=2)
    with Session(pages.engine) as session:
        given = session.query(Shop).options(selectinload(Shop.goods)).filter(Shop.id == 4).all()
        context = {"session": session, "given": given}
        with pages.statements() as executed:
            query = "{ given { goods%s { edges { node { name } } } } }"
            result = schema.execute(query % "(first: 4)", context_value=context)
            assert [e.message for e in result.errors] == [TOO_MANY.format("first", 4)]
            result = schema.execute(query % "", context_value=context)
            assert len(result.data["given"][0]["goods"]["edges"]) == 2
        assert executed == []


def test_the_cap_holds_for_variables_and_under_middleware(pages: Database) -> None:
    schema = limited("rows", "schema", max_page_size=3)
    query = "query ($n: Int) " + NESTED % "(first: $n)"
    for value, wrong in ((2, False), (4, True), (None, True), (3, False)):
        result, _ = pages.run(schema, query, variables={"n": value})
        assert bool(result.errors) == wrong
        result, _ = pages.run(
            schema,
            query,
            variables={"n": value},
            middleware=[lambda resolve, root, info, **args: resolve(root, info, **args)],
        )
        assert bool(result.errors) == wrong


@pytest.mark.parametrize("most", [4, None])
def test_an_option_of_a_type_wins_also_when_it_lifts_the_cap(
    pages: Database, most: int | None
) -> None:
    schema = build_schema(options={"max_page_size": 3}, max_page_size={"Item": most})
    result, _ = pages.run(schema, NESTED % "(first: 4)")
    assert result.errors is None
    result, _ = pages.run(schema, NESTED % "(first: 5)")
    assert (result.errors is None) == (most is None)


@pytest.mark.parametrize(
    "limits",
    [
        {"max_page_size": -1},
        {"default_page_size": -1},
        {"max_page_size": "3"},
        {"max_page_size": True},
        {"max_page_size": 3, "default_page_size": 4},
    ],
)
def test_sizes_that_are_none_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="page_size"):
        build_schema(options=limits)
    with pytest.raises(ValueError, match="page_size"):
        build_schema(**limits)


# -- rows --


def is_by_rows(pages: Database, schema: Any, query: str = NESTED % "") -> list[bool]:
    """For each statement, whether it lacks the column that no query here selects."""
    result, executed = pages.run(schema, query)
    assert result.errors is None
    return [".shop_id, " not in each and ".code" not in each for each in executed]


@pytest.mark.parametrize("value", [None, 1, "False"])
def test_rows_of_meta_is_true_or_false(value: Any) -> None:
    with pytest.raises(ValueError, match="rows must be True or False"):
        take_options({"rows": value})


def test_rows_can_be_switched_off(pages: Database, monkeypatch: Any) -> None:
    schema = build_schema()
    assert is_by_rows(pages, schema) == [True, True]
    assert is_by_rows(pages, build_schema(options={"rows": False})) == [False, False]
    by_type = build_schema(rows={"Item": False})
    assert is_by_rows(pages, by_type) == [True, False]
    monkeypatch.setenv("GRAPHENE_SQLALCHEMY_C_ROWS", "0")
    assert is_by_rows(pages, build_schema()) == [False, False]
    monkeypatch.setenv("GRAPHENE_SQLALCHEMY_C_ROWS", "1")
    assert is_by_rows(pages, build_schema()) == [True, True]


def test_options_are_those_of_stock_types_under_install(pages: Database) -> None:
    graphene_sqlalchemy_c.install()
    try:
        schema = build_schema("stock", rows={"Item": False}, max_page_size={"Item": 3})
        result, executed = pages.run(schema, NESTED % "(first: 4)")
        assert {each.message for each in result.errors} == {TOO_MANY.format("first", 4)}
        result, executed = pages.run(schema, NESTED % "(first: 2)")
        assert result.errors is None and ".shop_id, " in executed[-1]
    finally:
        graphene_sqlalchemy_c.uninstall()
