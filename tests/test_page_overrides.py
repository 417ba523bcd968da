"""What an application overrides of connections is called, and sees instances."""

from __future__ import annotations

from typing import Any

import graphene
import pytest
from graphene import relay
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from graphene_sqlalchemy_c import Schema, SQLAlchemyConnectionField, SQLAlchemyObjectType

from . import pages_zoo
from .conftest import MODES, Database
from .pages_zoo import SIZES, Item, build_schema

CALLS: list[str] = []


@pytest.fixture
def pages(sqlite_pages: Database) -> Database:
    CALLS.clear()
    return sqlite_pages


class Resolving(SQLAlchemyConnectionField):
    @classmethod
    def resolve_connection(cls, connection_type, model, info, args, resolved):
        CALLS.append("resolve_connection")
        return super().resolve_connection(connection_type, model, info, args, resolved)


class Connecting(SQLAlchemyConnectionField):
    @classmethod
    def connection_resolver(cls, resolver, connection_type, model, root, info, **args):
        CALLS.append("connection_resolver")
        return super().connection_resolver(resolver, connection_type, model, root, info, **args)


class Querying(SQLAlchemyConnectionField):
    @classmethod
    def get_query(cls, model, info, sort=None, filter=None, **args):
        CALLS.append("get_query")
        query = super().get_query(model, info, sort=sort, filter=filter, **args)
        return query.where(model.maker == "a")


def factory(field_class: Any) -> Any:
    def make(relationship: Any, registry: Any, **kwargs: Any) -> Any:
        node = registry.get_type_for_model(relationship.mapper.class_)
        return field_class(node.connection, sort=None, filter=None, **kwargs)

    return make


def root_schema(field_class: Any, resolver: Any = None, **meta: Any) -> Any:
    """A schema of one connection field.

    :param resolver: of the field; upstream has no ear for `resolver=`.
    """
    registry = Registry()
    base = {"registry": registry, "interfaces": (relay.Node,), **meta}
    item = type(
        "Item", (SQLAlchemyObjectType,), {"Meta": type("Meta", (), {"model": Item, **base})}
    )
    attributes = {"goods": field_class(item.connection)}
    if resolver is not None:
        attributes["resolve_goods"] = resolver
    query = type("Query", (graphene.ObjectType,), attributes)
    return Schema(query=query)


SELECTION = "{ edges { node { id } } pageInfo { hasNextPage } }"


@pytest.mark.parametrize("mode", MODES)
def test_overrides_of_root_connections_are_called(pages: Database, mode: str) -> None:
    query = f"{{ goods(first: 2) {SELECTION} }}"
    plain, _ = pages.run(root_schema(SQLAlchemyConnectionField), query, mode)
    assert plain.errors is None and CALLS == []
    for field_class, name in (
        (Resolving, "resolve_connection"),
        (Connecting, "connection_resolver"),
    ):
        result, _ = pages.run(root_schema(field_class), query, mode)
        assert result.errors is None and result.data == plain.data
        assert [name] == CALLS
        CALLS.clear()


@pytest.mark.parametrize("mode", MODES)
def test_a_get_query_s_criteria_hold_and_are_paged_in_sql(pages: Database, mode: str) -> None:
    schema = root_schema(Querying)
    with pages_zoo.counted_rows(pages.engine) as counts:
        result, executed = pages.run(
            schema, "{ goods(first: 2) { edges { node { maker } } } }", mode
        )
    assert result.errors is None and CALLS == ["get_query"]
    assert result.data == {"goods": {"edges": [{"node": {"maker": "a"}}] * 2}}
    assert len(executed) == 1 and (mode == "asyncsession" or counts == [3])


@pytest.mark.parametrize("mode", MODES)
def test_overrides_of_nested_connections_are_called(pages: Database, mode: str) -> None:
    query = f"{{ shops {{ notes(first: 2) {SELECTION} }} }}"
    plain, _ = pages.run(build_schema(), query, mode)
    schema = build_schema(connection_field_factory=factory(Resolving))
    result, _ = pages.run(schema, query, mode)
    assert result.errors is None and result.data == plain.data
    assert ["resolve_connection"] * len(SIZES) == CALLS


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_an_overridden_nested_connection_resolver_is_called(pages: Database, mode: str) -> None:
    """It is the application's: under an AsyncSession it has to load by itself."""
    query = f"{{ shops {{ notes(first: 2) {SELECTION} }} }}"
    plain, _ = pages.run(build_schema(), query, mode)
    schema = build_schema(connection_field_factory=factory(Connecting))
    result, _ = pages.run(schema, query, mode)
    assert result.errors is None and result.data == plain.data
    assert ["connection_resolver"] * len(SIZES) == CALLS


class Sized(relay.Connection):
    """What applications wrote before there was a totalCount to take."""

    class Meta:
        abstract = True

    length = graphene.Int()
    makers = graphene.List(graphene.String)

    def resolve_makers(root: Any, _info: Any) -> list[str]:
        return [each.maker for each in root.iterable]


@pytest.mark.parametrize("mode", MODES)
def test_connection_classes_see_the_iterable_and_the_length(pages: Database, mode: str) -> None:
    schema = build_schema(connection_class=Sized)
    query = f"{{ shops {{ goods(first: 2) {{ length makers {SELECTION[1:-1]} }} }} }}"
    result, _ = pages.run(schema, query, mode)
    assert result.errors is None
    found = [shop["goods"] for shop in result.data["shops"]]
    assert [each["length"] for each in found] == list(SIZES.values())
    assert [len(each["makers"]) for each in found] == list(SIZES.values())
    assert [len(each["edges"]) for each in found] == [0, 1, 2, 2]
    result, _ = pages.run(schema, "{ allItems(first: 2) { length makers edges { cursor } } }", mode)
    assert result.errors is None
    root = result.data["allItems"]
    assert root["length"] == len(root["makers"]) == 9 and len(root["edges"]) == 2


@pytest.mark.parametrize("mode", MODES)
def test_a_plain_selection_of_such_a_connection_is_paged_in_sql(pages: Database, mode: str) -> None:
    schema = build_schema(connection_class=Sized)
    query = f"{{ shops {{ goods(first: 1) {SELECTION} }} }}"
    plain, _ = pages.run(build_schema(), query, mode)
    result, executed = pages.run(schema, query, mode)
    assert result.data == plain.data and "row_number" in executed[1]


@pytest.mark.parametrize("mode", MODES)
def test_a_resolver_of_the_connection_field_gives_the_statement(pages: Database, mode: str) -> None:
    """A list, a statement and an awaitable list are all paged as upstream pages a list."""

    def statement(_root: Any, _info: Any, **_: Any) -> Any:
        return select(Item).where(Item.maker == "b").order_by(Item.rank, Item.number)

    def listed(root: Any, info: Any, **arguments: Any) -> Any:
        session = info.context["session"]
        found = statement(root, info)
        if isinstance(session, AsyncSession):

            async def later() -> Any:
                return (await session.scalars(found)).all()

            return later()
        return session.scalars(found).all()

    answers = []
    for resolver in (statement, listed):
        schema = root_schema(SQLAlchemyConnectionField, resolver)
        result, _ = pages.run(schema, "{ goods(first: 2) { edges { node { rank maker } } } }", mode)
        assert result.errors is None
        answers.append(result.data)
    assert answers[0] == answers[1]
    assert [edge["node"]["maker"] for edge in answers[0]["goods"]["edges"]] == ["b", "b"]
