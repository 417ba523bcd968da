"""Random queries: nothing that is hidden is ever in the response."""

from __future__ import annotations

import os
import random
from functools import cache
from typing import Any

import pytest

from . import guard_zoo
from .guard_zoo import TENANTS, Tenants, ask

SEEDS = range(int(os.environ.get("GSC_EXAMPLES", "30")))

# What each type shows: columns, and relationships by the type that they lead to.
SHAPES: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, bool]]]] = {
    "AuthorType": (
        ("name", "id"),
        {
            "mentor": ("AuthorType", False),
            "pupils": ("AuthorType", True),
            "books": ("BookType", True),
        },
    ),
    "BookType": (
        ("title", "shout", "id"),
        {
            "author": ("AuthorType", False),
            "chapters": ("ChapterType", True),
            "tags": ("TagType", True),
        },
    ),
    "ChapterType": (("heading", "number"), {"book": ("BookType", False)}),
    "TagType": (("name",), {"books": ("BookType", True)}),
    "PersonType": (
        ("name", "__typename", "... on EmployeeType { salary }", "... on CustomerType { orders }"),
        {"boss": ("PersonType", False), "staff": ("PersonType", True)},
    ),
}
ROOTS = {
    "authors": "AuthorType",
    "books": "BookType",
    "chapters": "ChapterType",
    "tags": "TagType",
    "people": "PersonType",
}


class Writer:
    """Writes a query at random."""

    def __init__(self, seed: int, connections: bool) -> None:
        self._random = random.Random(seed)
        self._connections = connections
        self._aliases = 0

    def query(self) -> str:
        roots = self._random.sample(sorted(ROOTS), self._random.randint(1, 3))
        return "{ " + " ".join(self._many(name, ROOTS[name], 3, True) for name in roots) + " }"

    def _many(self, name: str, type_: str, depth: int, is_root: bool = False) -> str:
        self._aliases += 1
        field = f"a{self._aliases}: {name}"
        inner = self._object(type_, depth)
        if not self._connections or type_ == "PersonType":
            return f"{field} {inner}"
        pages = ["first: 2", "first: 5", "last: 2", ""]
        if type_ != "ChapterType" or is_root:
            pages.append('first: 2, after: "YXJyYXljb25uZWN0aW9uOjA="')
        page = self._random.choice(pages)
        parts = [
            f"edges {{ cursor node {inner} }}",
            "totalCount",
            "pageInfo { hasNextPage hasPreviousPage endCursor }",
        ]
        chosen = self._random.sample(parts, self._random.randint(1, 3))
        return f"{field}{f'({page})' if page else ''} {{ {' '.join(chosen)} }}"

    def _object(self, type_: str, depth: int) -> str:
        columns, relations = SHAPES[type_]
        fields = self._random.sample(columns, self._random.randint(1, len(columns)))
        if depth:
            for name in self._random.sample(
                sorted(relations), self._random.randint(0, len(relations))
            ):
                target, is_many = relations[name]
                if is_many:
                    fields.append(self._many(name, target, depth - 1))
                else:
                    fields.append(f"{name} {self._object(target, depth - 1)}")
        return "{ " + " ".join(fields) + " }"


@pytest.fixture(scope="module")
def tenants(tmp_path_factory: Any) -> Tenants:
    return Tenants(tmp_path_factory.mktemp("tenants"))


@cache
def schema(enforce: bool, roots: str, form: str, rows: bool) -> Any:
    return guard_zoo.build(enforce, roots, form, rows)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_queries_show_what_is_visible(tenants: Tenants, seed: int) -> None:
    roots = "connections" if seed % 2 else "lists"
    form = ("select", "query", "instances")[seed % 3]
    query = Writer(seed, roots == "connections").query()
    for tenant in TENANTS:
        plain = schema(False, roots, "select", True)
        expected, _ = ask(tenants.of[tenant], plain, query, tenant)
        assert expected.errors is None
        for rows in (True, False):
            guarded = schema(True, roots, form, rows)
            for mode in ("sync", "async"):
                found, _ = ask(tenants.all, guarded, query, tenant, mode)
                assert found.errors is None
                assert found.data == expected.data
        found, _ = ask(
            tenants.all, schema(True, roots, "select", True), query, tenant, "asyncsession"
        )
        assert found.errors is None
        assert found.data == expected.data
