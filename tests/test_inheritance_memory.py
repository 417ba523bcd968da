"""Memory of levels of several classes: any allocation may fail, and nothing is kept."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

from graphql import GraphQLObjectType, default_field_resolver, parse
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from graphene_sqlalchemy_c import _core
from graphene_sqlalchemy_c.levels import PlanOptions

from . import inheritance_zoo as zoo
from .nomemory import count_failures, runs_plain_python
from .rows_harness import by_key, root_of

QUERY = """{ perhaps { __typename plate owner { name } ... on Car { doors owner { name } }
    ... on Taxi { licence owner { name vehicles { __typename ... on Truck { load } } } } }
    owners { favourite { plate ... on Bike { gears } } } }"""

SCRIPT = """
from tests import test_inheritance_memory as memory

engine = memory.small_engine()
kept = memory.plan()
schema = memory.zoo.vehicles_schema("own")

def first():
    memory.plan().describe({})

def again():
    kept.describe({})

def execute():
    memory.execute(schema, engine)

OPERATIONS = (first, again, execute)
"""


def small_engine() -> Any:
    """A database in memory with the vehicles, one of them of an unknown kind."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    zoo.Vehicles.metadata.create_all(engine)
    with Session(engine) as session:
        zoo.fill_vehicles(session)
    with engine.begin() as connection:
        connection.execute(insert(zoo.Vehicle.__table__).values(id=900, kind="?", plate="?"))
    return engine


def plan() -> Any:
    """A plan of its own, which nobody keeps."""
    schema = zoo.vehicles_schema("own").graphql_schema
    operation: Any = parse(QUERY).definitions[0]
    return _core.Plan(
        schema,
        {},
        operation.selection_set,
        schema.query_type,
        default_field_resolver,
        {},
        frozenset(),
        PlanOptions(is_logged=False),
    )


def execute(schema: Any, engine: Any, form: str = "select") -> Any:
    with Session(engine) as session:
        context = {"session": session, "root": root_of(session, form, by_key)}
        return schema.execute(QUERY, context_value=context)


def living() -> int:
    """Objects, without the weak references that SQLAlchemy lets go of in its own time."""
    gc.collect()
    return sum(not isinstance(each, weakref.ref) for each in gc.get_objects())


@runs_plain_python
def test_every_allocation_may_fail() -> None:
    assert count_failures(SCRIPT, 250) > 200


def test_plans_are_released_with_all_that_they_know_of_types() -> None:
    schema = zoo.vehicles_schema("own").graphql_schema
    types = [each for each in schema.type_map.values() if isinstance(each, GraphQLObjectType)]

    def counts() -> list[int]:
        gc.collect()
        return [sys.getrefcount(each) for each in types]

    plan().describe({})
    before = counts()
    for _ in range(20):
        plan().describe({})
    assert counts() == before


def test_executions_keep_nothing() -> None:
    schema, engine = zoo.vehicles_schema("own"), small_engine()
    for form in ("select", "instances"):
        if form == "instances":
            with engine.begin() as connection:  # what the ORM would refuse
                connection.execute(zoo.Vehicle.__table__.delete().where(zoo.Vehicle.id == 900))
        for _ in range(3):
            result = execute(schema, engine, form)
            assert len(result.errors or ()) == (form == "select")
        del result
        before = living()
        for _ in range(40):
            execute(schema, engine, form)
        assert living() - before < 30
