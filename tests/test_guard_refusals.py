"""Where `get_query` cannot be enforced there is an error, not a row; who is told that it is not."""

from __future__ import annotations

import asyncio
import warnings
from copy import copy
from typing import Any

import graphene
import graphql
import pytest
from graphene import relay
from graphql import ExecutionContext as StockContext
from graphql import lexicographic_sort_schema
from sqlalchemy import select
from sqlalchemy.orm import Session

import graphene_sqlalchemy_c
from graphene_sqlalchemy_c import ExecutionContext, Registry, Schema, SQLAlchemyConnectionField

from .test_guard_places import (
    VISIBLE,
    Owner,
    Thing,
    all_things,
    ask,
    engine,
    schema_of,
    types_with,
    visible,
)

__all__ = ["engine"]

ELSEWHERE = (
    "get_query of ThingType is enforced, which needs the executor of graphene_sqlalchemy_c; "
    "another one is executing."
)


class Walking(ExecutionContext):
    def complete_value(self, *args: Any) -> Any:
        return super().complete_value(*args)


def messages(result: Any) -> list[str]:
    return [error.message for error in result.errors or ()]


@pytest.mark.parametrize("context_class", [StockContext, Walking])
def test_another_executor_shows_nothing(engine: Any, context_class: Any) -> None:
    schema = schema_of(all_things, lambda type_: type_)
    one = schema_of(lambda session: session.get(Thing, 2), lambda type_: type_)
    many = schema_of(all_things)
    for each in (one, many):
        result = ask(engine, each, execution_context_class=context_class)
        assert set(messages(result)) == {ELSEWHERE}
        assert "thing" not in str(result.data).replace("things", "")
        for error in result.errors:
            assert error.path[0] == "things"
    with Session(engine) as session:
        result = graphql.graphql_sync(
            one.graphql_schema,
            "{ things { name } }",
            context_value={"session": session},
            execution_context_class=context_class,
        )
        assert messages(result) == [ELSEWHERE]
    assert schema.graphql_schema is not one.graphql_schema


@pytest.mark.parametrize(
    "shows", ["edges { node { name } }", "totalCount", "pageInfo { hasNextPage }"]
)
def test_another_executor_shows_no_connection(engine: Any, shows: str) -> None:
    schema = connection_schema(None)
    result = ask(
        engine, schema, f"{{ things {{ {shows} }} }}", execution_context_class=StockContext
    )
    assert messages(result) == [ELSEWHERE.replace("ThingType", "ThingTypeConnection")]
    assert result.data == {"things": None}


@pytest.mark.parametrize("make", [copy, lexicographic_sort_schema])
def test_copies_of_the_schema_are_guarded(engine: Any, make: Any) -> None:
    source = "{ things { name } }"
    for resolve in (all_things, lambda session: select(Thing).order_by(Thing.id)):
        changed = make(schema_of(resolve).graphql_schema)
        for context_class in (ExecutionContext, StockContext):
            with Session(engine) as session:
                result = graphql.graphql_sync(
                    changed,
                    source,
                    context_value={"session": session},
                    execution_context_class=context_class,
                )
            assert result.data is None or result.data["things"] in (VISIBLE, None, [None] * 6)
            assert "thing 1" not in str(result)


def test_installed_contexts_enforce(engine: Any) -> None:
    schema = schema_of(all_things)
    graphene_sqlalchemy_c.install()
    try:
        with Session(engine) as session:
            result = graphql.graphql_sync(
                schema.graphql_schema, "{ things { name } }", context_value={"session": session}
            )
    finally:
        graphene_sqlalchemy_c.uninstall()
    assert result.errors is None
    assert result.data == {"things": VISIBLE}


def test_an_operation_inside_of_another_one(engine: Any) -> None:
    inner = schema_of(all_things)

    def resolve(session: Session) -> Any:
        context = {"session": session}
        document = graphql.parse("{ things { name } }")
        result = StockContext.build(inner.graphql_schema, document, None, context, {}, None)
        executed = graphql.execute(
            inner.graphql_schema, document, None, context, execution_context_class=StockContext
        )
        assert isinstance(result, StockContext)
        assert set(messages(executed)) == {ELSEWHERE}
        return all_things(session)

    assert ask(engine, schema_of(resolve)).data == {"things": VISIBLE}


# -- connections --


def connection_schema(resolve: Any, field: Any = SQLAlchemyConnectionField, **options: Any) -> Any:
    thing_type, _ = types_with(visible, use_connection=True)

    class Query(graphene.ObjectType):
        things = field(thing_type.connection)

        if resolve is not None:

            def resolve_things(root, info: Any, **_: Any) -> Any:
                return resolve(info.context["session"])

    return Schema(query=Query, enforce_get_query=True, **options)


WHOLE = "{ things(first: 2) { totalCount pageInfo { hasNextPage } edges { node { name } } } }"
PAGE = {
    "totalCount": 3,
    "pageInfo": {"hasNextPage": True},
    "edges": [{"node": each} for each in VISIBLE[:2]],
}


@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize(
    "resolve",
    [
        None,
        all_things,
        lambda session: select(Thing).order_by(Thing.id),
        lambda session: session.query(Thing),
        lambda session: select(Thing).distinct().order_by(Thing.id),
        lambda session: select(Thing).join(Owner).order_by(Owner.id.desc(), Thing.id),
    ],
)
def test_connections_of_anything(engine: Any, resolve: Any, rows: bool) -> None:
    schema = connection_schema(resolve, rows=rows)
    result = ask(engine, schema, WHOLE)
    assert result.errors is None
    assert result.data == {"things": PAGE}


@pytest.mark.parametrize("shows", ["edges { node { name } }", "totalCount", "__typename"])
def test_a_connection_that_somebody_else_made_is_an_error(engine: Any, shows: str) -> None:
    schema = connection_schema(all_things, relay.ConnectionField)
    result = ask(engine, schema, f"{{ things {{ {shows} }} }}")
    assert result.data == {"things": None}
    assert messages(result) == [
        "get_query of ThingType is enforced: a resolver that makes a ThingTypeConnection by itself "
        "may return its objects, or a statement, instead."
    ]


def test_middleware_leaves_lists_and_refuses_connections(engine: Any) -> None:
    middleware = [lambda next_, *args, **kwargs: next_(*args, **kwargs)]
    for resolve in (all_things, lambda session: select(Thing)):
        result = ask(engine, schema_of(resolve), middleware=middleware)
        assert result.errors is None
        assert result.data == {"things": VISIBLE}
    result = ask(engine, connection_schema(None), WHOLE, middleware=middleware)
    assert result.data == {"things": PAGE}
    thing_type, owner_type = types_with(visible, use_connection=True)

    class Query(graphene.ObjectType):
        owners = graphene.List(owner_type)

        def resolve_owners(root, info: Any) -> Any:
            return select(Owner).order_by(Owner.id)

    assert thing_type
    schema = Schema(query=Query, enforce_get_query=True)
    query = "{ owners { things { edges { node { name } } } } }"
    plain = ask(engine, schema, query)
    assert plain.errors is None
    assert plain.data["owners"][0]["things"]["edges"] == [{"node": each} for each in VISIBLE]
    result = ask(engine, schema, query, middleware=middleware)
    assert result.data == {"owners": [{"things": None}] * 2}
    assert len(result.errors) == 2


# -- types that something else than the class decides --


@pytest.mark.parametrize("of_instances", [True, False])
def test_unions_with_a_resolve_type_of_their_own(engine: Any, of_instances: bool) -> None:
    thing_type, owner_type = types_with(visible)

    class Any_(graphene.Union):
        class Meta:
            types = (thing_type, owner_type)

        @classmethod
        def resolve_type(cls, instance: Any, info: Any) -> Any:
            return thing_type if isinstance(instance, Thing) else owner_type

    class Query(graphene.ObjectType):
        things = graphene.List(Any_)

        def resolve_things(root, info: Any) -> Any:
            session = info.context["session"]
            statement = select(Thing).order_by(Thing.id)
            return session.scalars(statement).all() if of_instances else statement

    schema = Schema(query=Query, enforce_get_query=True)
    result = ask(engine, schema, "{ things { ... on ThingType { name } } }")
    assert result.errors is None
    assert [each for each in result.data["things"] if each is not None] == VISIBLE


def test_what_is_no_instance_is_an_error(engine: Any) -> None:
    registry_ = Registry()

    class ThingType(graphene_sqlalchemy_c.SQLAlchemyObjectType):
        class Meta:
            model = Thing
            registry = registry_
            use_connection = False

        get_query = classmethod(visible)

        @classmethod
        def is_type_of(cls, root: Any, info: Any) -> bool:
            return True

    class Query(graphene.ObjectType):
        one = graphene.Field(ThingType)
        many = graphene.List(ThingType)

        def resolve_one(root, info: Any) -> Any:
            return {"name": "a dict"}

        def resolve_many(root, info: Any) -> Any:
            return info.context["session"].execute(select(Thing.name)).all()

    schema = Schema(query=Query, enforce_get_query=True)
    result = ask(engine, schema, "{ one { name } many { name } }")
    assert result.data == {"one": None, "many": None}
    assert messages(result) == [
        "get_query of ThingType is enforced: a dict is no instance of its model.",
        "get_query of ThingType is enforced: a Row is no instance of its model.",
    ]


def test_an_await_of_nothing_in_sync_execution(engine: Any) -> None:
    async def later() -> Any:
        return None

    coroutine = later()
    result = ask(engine, schema_of(lambda session: coroutine))
    coroutine.close()
    assert result.data == {"things": None}


# -- without enforcement --


def test_types_that_override_get_query_are_named_once() -> None:
    thing_type, owner_type = types_with(visible)

    class Query(graphene.ObjectType):
        things = graphene.List(thing_type)
        owners = graphene.List(owner_type)

    with pytest.warns(UserWarning, match="ThingType overrides get_query") as caught:
        schema = Schema(query=Query)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Schema(query=Query)
    assert schema.graphql_schema.extensions == {}
    other, _ = types_with(visible)

    class Other(graphene.ObjectType):
        things = graphene.List(other)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Schema(query=Other, enforce_get_query=False)
        Schema(query=Other, enforce_get_query=True)


def test_a_schema_of_graphene_warns_when_it_is_executed() -> None:
    thing_type, _ = types_with(visible)

    class Query(graphene.ObjectType):
        things = graphene.List(thing_type)

    graphene_sqlalchemy_c.install()
    try:
        schema = graphene.Schema(query=Query)
        with pytest.warns(UserWarning, match="ThingType overrides get_query"):
            schema.execute("{ things { name } }")
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            schema.execute("{ things { name } }")
    finally:
        graphene_sqlalchemy_c.uninstall()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_detached_objects_need_a_session_of_the_context(engine: Any, mode: str) -> None:
    with Session(engine) as session:
        things = all_things(session)
        session.expunge_all()
    thing_type, _ = types_with(visible)

    class Query(graphene.ObjectType):
        things = graphene.List(thing_type)

        def resolve_things(root, info: Any) -> Any:
            return things

    schema = Schema(query=Query, enforce_get_query=True)

    def execute(context: Any) -> Any:
        source = "{ things { name } }"
        if mode == "sync":
            return schema.execute(source, context_value=context)
        return asyncio.run(schema.execute_async(source, context_value=context))

    with Session(engine) as session:
        assert execute({"session": session}).data == {"things": VISIBLE}
    for context in ({}, None):
        result = execute(context)
        assert result.data == {"things": None}
        assert len(result.errors) == 1


@pytest.mark.parametrize("enforce", [False, True])
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_nodes_apply_it_either_way(engine: Any, enforce: bool, mode: str) -> None:
    thing_type, _ = types_with(visible)

    class Query(graphene.ObjectType):
        node = relay.Node.Field()
        things = graphene.List(thing_type)

        def resolve_things(root, info: Any) -> Any:
            return select(Thing)

    schema = Schema(query=Query, types=[thing_type], enforce_get_query=enforce)
    ids = [relay.Node.to_global_id("ThingType", str(i)) for i in (1, 2)]
    query = (
        f'{{ a: node(id: "{ids[0]}") {{ id }} b: node(id: "{ids[1]}") {{ id }} things {{ id }} }}'
    )
    with Session(engine) as session:
        context = {"session": session}
        if mode == "sync":
            result = schema.execute(query, context_value=context)
        else:
            result = asyncio.run(schema.execute_async(query, context_value=context))
    assert result.errors is None
    assert result.data["a"] is None
    assert result.data["b"] == {"id": ids[1]}
    assert len(result.data["things"]) == (3 if enforce else 6)


# -- explain --


def test_explain_shows_the_criterion() -> None:
    schema = connection_schema(None)
    explanation = schema.explain("{ things(first: 2) { totalCount edges { node { name } } } }")
    (level,) = explanation.levels
    assert level.notes == ("guarded by get_query of ThingType",)
    assert [sql.count("WHERE h_thing.hidden IS false") for sql in level.sql] == [1, 1]
    unknown = schema_of(all_things, get_query=lambda cls, info: 1 // 0)
    things, owner, below = unknown.explain("{ things { name owner { things { id } } } }").levels
    assert things.notes == ("guarded by get_query of ThingType",)
    assert owner.notes == ()
    assert below.notes == (
        "guarded by get_query of ThingType",
        "its criterion is not known: ZeroDivisionError: integer division or modulo by zero",
    )
