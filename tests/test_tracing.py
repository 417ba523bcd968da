"""The extension `plan`: what an operation would do, did, and how long it took."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import NullPool

from graphene_sqlalchemy_c.endpoint import Endpoint
from graphene_sqlalchemy_c.http import Message

from .conftest import Database
from .web.app import build_schema

pytest.importorskip("orjson")

SCHEMA = build_schema()
QUERY = "query Q { authors { name books { title } mentor { name } } }"


def answer(database: Database, query: str, is_async: bool = False, **options: Any) -> Any:
    message = Message("GET", {"query": query})
    if not is_async:
        engine = create_engine(database.url, poolclass=NullPool)
        endpoint = Endpoint(SCHEMA, sessionmaker(engine), **options)
        return json.loads(endpoint.execute(endpoint.exchange(message), None).body)
    async_engine = create_async_engine(database.async_url, poolclass=NullPool)
    endpoint = Endpoint(SCHEMA, async_sessionmaker(async_engine), **options)
    return json.loads(asyncio.run(endpoint.execute_async(endpoint.exchange(message), None)).body)


@pytest.mark.parametrize("is_async", [False, True])
def test_the_plan_of_a_response(libraries: Database, is_async: bool) -> None:
    response = answer(libraries, QUERY, is_async, explain=True)
    plan = response["extensions"]["plan"]
    assert response["data"] == answer(libraries, QUERY, is_async)["data"]
    levels = [*plan["levels"], *plan["levels"][0]["levels"]]
    assert [(level["path"], level["by_rows"]) for level in levels] == [
        ("authors", True),
        ("authors.books", True),
        ("authors.mentor", True),
    ]
    assert plan["operation"] == "query Q"
    assert plan["dialect"] == {"mariadb": "mysql"}.get(libraries.name, libraries.name)
    executed = plan["executed"]
    assert len(executed) == 3
    for level, statement in zip(levels, executed, strict=True):
        table = {"authors.books": "lib_books"}.get(level["path"], "lib_authors")
        assert f"FROM {table}" in statement["sql"]
        assert statement["milliseconds"] > 0
    assert plan["milliseconds"] > sum(each["milliseconds"] for each in executed)


def test_why_a_level_is_one_of_instances(lib: Database) -> None:
    plan = answer(lib, "{ authors { loud books { title } } }", explain=True)["extensions"]["plan"]
    [level] = plan["levels"]
    assert not level["by_rows"] and level["reason"].startswith("Author.loud: its resolver")
    assert [below["by_rows"] for below in level["levels"]] == [True]


def test_a_statement_that_fails_has_no_time(lib: Database) -> None:
    query = '{ authors { name } statement(sql: "SELECT nonsense") }'
    response = answer(lib, query, explain=True)
    assert len(response["errors"]) == 1
    executed = response["extensions"]["plan"]["executed"]
    assert [each["milliseconds"] is None for each in executed] == [True, False]


def test_no_plan_where_it_is_not_asked_for_or_nothing_was_executed(lib: Database) -> None:
    assert "extensions" not in answer(lib, QUERY)
    assert list(answer(lib, "{ nope }", explain=True)) == ["errors"]


def test_statements_of_others_are_not_told(lib: Database) -> None:
    """Those before and after, and those of another task meanwhile."""
    engine = create_async_engine(lib.async_url, poolclass=NullPool)
    endpoint = Endpoint(SCHEMA, async_sessionmaker(engine), explain=True)

    async def other() -> None:
        async with engine.connect() as connection:
            for _ in range(20):
                await connection.execute(text("SELECT 'other'"))

    async def run() -> list[Any]:
        await other()
        one = Message("GET", {"query": QUERY})
        two = Message("GET", {"query": "{ reviews { edges { node { stars } } } }"})
        return await asyncio.gather(
            *(endpoint.execute_async(endpoint.exchange(each), None) for each in (one, two)),
            other(),
        )

    first, second, _ = asyncio.run(run())
    plans = [json.loads(each.body)["extensions"]["plan"] for each in (first, second)]
    assert [len(plan["executed"]) for plan in plans] == [3, 1]
    assert "lib_reviews" in plans[1]["executed"][0]["sql"]
