"""Instances that lack attributes are completed in batches, whatever they lack and wherever they
live: one statement for each class, never one for each object, and no lazy IO."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from . import inheritance_zoo as zoo
from .conftest import Database
from .inheritance_zoo import PEOPLE, people, people_schema
from .rows_harness import ask, by_key, selects

MODES = ("sync", "asyncsession")
mode = pytest.mark.parametrize("mode", MODES)
ORDERS = "{ orders { total } }"


@pytest.fixture(scope="module")
def crowd(database: Database) -> Iterator[Database]:
    """A thousand people by joined inheritance, with their orders."""
    metadata = people("joined").Base.metadata
    metadata.drop_all(database.engine)
    metadata.create_all(database.engine)
    with Session(database.engine) as session:
        zoo.fill_people(session, "joined")
    yield database
    metadata.drop_all(database.engine)


def first_thousand(statement: Any, model: Any) -> Any:
    return by_key(statement, model).limit(1_000)


def completed(
    database: Database, query: str, mode: str, prepare: Any = None, shape: Any = first_thousand
) -> tuple[Any, list[str]]:
    """The answer over given instances, and the statements after the root's own."""
    schema = people_schema("joined", "own")
    result, executed = ask(database, schema, query, "instances", mode, shape=shape, prepare=prepare)
    assert result.errors is None
    return result.data, selects(executed)[1:]


def answered(database: Database, query: str, mode: str, hold: Any) -> tuple[Any, list[str]]:
    """The answer over instances that the session holds already, and all statements."""
    kept: list[Any] = []

    def prepare(session: Session) -> None:
        kept.extend(hold(session))

    schema = people_schema("joined", "own")
    result, executed = ask(
        database, schema, query, "select", mode, shape=lambda *_: kept, prepare=prepare
    )
    assert result.errors is None
    return result.data, selects(executed)


TOTALS = [{"total": 100 * i + j} for i in range(2, PEOPLE + 1, 2) for j in range(3)][:1_000]


@mode
def test_a_deferred_attribute(crowd: Database, mode: str) -> None:
    def without_total(statement: Any, model: Any) -> Any:
        return first_thousand(statement, model).options(defer(people("joined").Order.total))

    data, executed = completed(crowd, ORDERS, mode, shape=without_total)
    assert data["orders"] == TOTALS
    assert len(executed) == 1


@mode
@pytest.mark.parametrize("names", [["total"], ["total", "customer_id"]])
def test_an_expired_attribute(crowd: Database, mode: str, names: list[str]) -> None:
    """Expired after the root has loaded them: the root's statement would refresh them."""
    order = people("joined").Order

    def held(session: Session) -> Any:
        found = session.scalars(first_thousand(select(order), order)).all()
        for each in found:
            session.expire(each, names)
        return found

    data, executed = answered(crowd, ORDERS, mode, held)
    assert data["orders"] == TOTALS
    assert len(executed) == 1


@mode
def test_what_a_commit_expires(crowd: Database, mode: str) -> None:
    """All of the object, its primary key too."""
    order = people("joined").Order

    def held(session: Session) -> Any:
        found = session.scalars(first_thousand(select(order), order)).all()
        session.commit()
        return found

    data, executed = answered(crowd, "{ orders { id total } }", mode, held)
    assert [{"total": each["total"]} for each in data["orders"]] == TOTALS
    assert len(executed) == 1


@mode
def test_columns_of_subclasses(crowd: Database, mode: str) -> None:
    query = """{ people { name ... on EmployeeType { hireDate }
        ... on CustomerType { firstPurchaseDate } } }"""
    data, executed = completed(crowd, query, mode)
    assert data["people"][:2] == [
        {"name": "person 1", "hireDate": "2020-1"},
        {"name": "person 2", "firstPurchaseDate": "2021-2"},
    ]
    assert len(executed) == 2


@mode
def test_keys_of_relationships(crowd: Database, mode: str) -> None:
    """A subclass's foreign key is not loaded with the base, though nobody asks to see it."""
    query = "{ people { ... on EmployeeType { department { name } } } }"
    data, executed = completed(crowd, query, mode)
    assert data["people"][0] == {"department": {"name": "department 1"}}
    assert len(executed) == 2  # the keys, the departments


@mode
def test_keys_come_along_with_what_is_shown(crowd: Database, mode: str) -> None:
    """Whichever stands first in the document."""
    query = "{ people { ... on EmployeeType { department { name } hireDate } } }"
    _, executed = completed(crowd, query, mode)
    assert len(executed) == 2


@mode
def test_expired_people(crowd: Database, mode: str) -> None:
    person = people("joined").Person

    def held(session: Session) -> Any:
        found = session.scalars(by_key(select(person), person)).all()
        session.expire_all()
        return found

    query = "{ people { name ... on EmployeeType { hireDate department { name } } } }"
    data, executed = answered(crowd, query, mode, held)
    assert data["people"][0] == {
        "name": "person 1",
        "hireDate": "2020-1",
        "department": {"name": "department 1"},
    }
    assert len(executed) == 3  # of each class, and the departments
