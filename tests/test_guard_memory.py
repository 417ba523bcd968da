"""Memory of the guard: any allocation may fail and nothing hidden is shown; nothing is kept."""

from __future__ import annotations

from typing import Any

import graphene
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from graphene_sqlalchemy_c import Schema

from .nomemory import count_failures, runs_plain_python
from .test_guard_places import Base, Owner, Thing, all_things, fill, types_with, visible
from .test_inheritance_memory import living

QUERY = """{ rows { name owner { name } } objects { name } nested { name } one { name }
    owners { things { edges { node { name } } } } }"""

SCRIPT = """
from tests import test_guard_memory as memory

engine = memory.small_engine()
schema = memory.build()

def execute():
    memory.execute(schema, engine)

OPERATIONS = (execute,)
"""


def small_engine() -> Any:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        fill(session)
    return engine


def build() -> Schema:
    """Rows, lists, lists of lists, one object and a connection."""
    thing_type, owner_type = types_with(visible, use_connection=True)

    class Query(graphene.ObjectType):
        rows = graphene.List(thing_type)
        objects = graphene.List(thing_type)
        nested = graphene.List(graphene.List(thing_type))
        one = graphene.Field(thing_type)
        owners = graphene.List(owner_type)

        def resolve_rows(root, info: Any) -> Any:
            return select(Thing).order_by(Thing.id)

        def resolve_objects(root, info: Any) -> Any:
            return iter(all_things(info.context["session"]))

        def resolve_nested(root, info: Any) -> Any:
            return [iter(all_things(info.context["session"])), None]

        def resolve_one(root, info: Any) -> Any:
            return info.context["session"].get(Thing, 1)

        def resolve_owners(root, info: Any) -> Any:
            return info.context["session"].scalars(select(Owner)).all()

    return Schema(query=Query, enforce_get_query=True)


def execute(schema: Schema, engine: Any) -> Any:
    with Session(engine) as session:
        result = schema.execute(QUERY, context_value={"session": session})
    for hidden in ("thing 1", "thing 3", "thing 5"):
        if hidden in str(result.data):
            raise SystemError(f"{hidden} is shown")
    return result


@runs_plain_python
def test_every_allocation_may_fail() -> None:
    assert count_failures(SCRIPT, 400) > 0


def test_executions_keep_nothing() -> None:
    schema, engine = build(), small_engine()
    for _ in range(3):
        assert execute(schema, engine).errors is None
    before = living()
    for _ in range(40):
        execute(schema, engine)
    assert living() - before < 30
