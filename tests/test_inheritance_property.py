"""Hypothesis makes class hierarchies, rows and fragments; the answer must be stock's eager one.

GSC_EXAMPLES sets the number of examples.
"""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session, with_loader_criteria
from sqlalchemy.pool import StaticPool

from .inheritance_property import (
    FAMILIES,
    KINDS,
    Example,
    World,
    build,
    describe,
    examples,
    objects_of,
)
from .rows_harness import run_root

EXAMPLES = int(os.environ.get("GSC_EXAMPLES", "40"))
pytestmark = pytest.mark.filterwarnings("ignore")


@cache
def engine_of(number: int) -> Engine:
    """A database in memory with the empty tables of a family."""
    engine = create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    build(number, "stock").base.metadata.create_all(engine)
    return engine


def restricted(statement: Any, model: Any, example: Example) -> Any:
    """The root's statement with what the example does to it."""
    order = model.id.desc() if example.restriction == "reverse" else model.id
    statement = statement.order_by(order)
    if example.restriction == "where":
        return statement.where(model.mark > 0)
    if example.restriction == "criteria":
        return statement.options(with_loader_criteria(model, model.id != 2))
    return statement.limit(3) if example.restriction == "limit" else statement


def run(engine: Engine, world: World, example: Example, form: str) -> dict[str, Any]:
    with Session(engine) as session:

        def root(model: Any, _info: Any) -> Any:
            start = session.query(model) if form == "query" else select(model)
            statement = restricted(start, model, example)
            return run_root(session, statement, False) if form == "instances" else statement

        context = {"session": session, "root": root}
        if example.as_json and hasattr(world.schema, "execute_json"):
            text = world.schema.execute_json(example.query, context_value=context)
            return dict(json.loads(text))
        return dict(world.schema.execute(example.query, context_value=context).formatted)


def test_the_families_have_every_mapping() -> None:
    families = [describe(number) for number in range(FAMILIES)]
    kinds = [kind for family in families for kind in family.kinds]
    assert {kind.mapping for kind in kinds} == set(KINDS)
    assert {kind.has_type for kind in kinds if kind.mapping != "abstract"} == {True, False}
    assert max(len(f.lineage(i)) for f in families for i in range(len(f.kinds))) >= 3
    assert {family.by_number for family in families} == {True, False}


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    # The check of a commit has the same examples each time; other runs look for new ones.
    derandomize=os.environ.get("CI") == "true",
)
@given(examples())
def test_answers_are_stocks(example: Example) -> None:
    engine = engine_of(example.family)
    stock, ours = build(example.family, "stock"), build(example.family, "own")
    with Session(engine) as session:
        for each in objects_of(stock, example):
            session.add(each)
            session.flush()
        session.commit()
    try:
        expected = run(engine, stock, example, "instances")
        found = run(engine, ours, example, example.form)
    finally:
        with engine.begin() as connection:
            for table in reversed(stock.base.metadata.sorted_tables):
                connection.execute(table.delete())
    assert json.dumps(found, indent=1) == json.dumps(expected, indent=1)
