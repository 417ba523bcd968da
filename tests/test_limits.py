"""Limits of documents: what they count, and that they are checked before anything is executed."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import graphene
import pytest
from graphene.validation import depth_limit_validator
from graphql import parse, validate
from hypothesis import given
from hypothesis import strategies as st

from graphene_sqlalchemy_c import ExplainError, Schema
from graphene_sqlalchemy_c.limits import DocumentLimits
from graphene_sqlalchemy_c.schema import document_cache


class Node(graphene.ObjectType):
    a = graphene.Int()
    n = graphene.Field(lambda: Node, x=graphene.Int())

    def resolve_n(root: Any, info: Any, x: int = 0) -> Any:
        CALLS.append(info.path.as_list())
        return root

    def resolve_a(root: Any, info: Any) -> int:
        CALLS.append(info.path.as_list())
        return 1


CALLS: list[Any] = []
STOCK = graphene.Schema(query=Node)


def errors(query: str, **options: Any) -> list[str]:
    """The messages of a query's errors; with an error nothing may have been resolved."""
    CALLS.clear()
    result = Schema(query=Node, **options).execute(query, root_value={})
    if result.errors:
        assert result.data is None and CALLS == []
    return [error.message for error in result.errors or ()]


def test_there_is_no_limit_but_tokens_by_default() -> None:
    deep = "{" + "n {" * 100 + "a" + "}" * 101
    wide = "{" + "".join(f"a{i}: a " for i in range(4000)) + "}"
    assert errors(deep) == errors(wide) == []
    [message] = errors("{" + "a " * 15_000 + "}")
    assert "Document contains more than 15000 tokens" in message
    assert errors("{ " + "".join(f"a{i}: a " for i in range(6000)) + "}", max_tokens=None) == []


def test_tokens() -> None:
    assert errors("{ a n { a } }", max_tokens=7) == []
    assert "more than 6 tokens" in errors("{ a n { a } }", max_tokens=6)[0]
    assert "more than 7 tokens" in errors("{ a n { a } } # more", max_tokens=7)[0]


@pytest.mark.parametrize(
    "query, depth",
    [
        ("{ a }", 0),
        ("{ n { a } }", 1),
        ("{ n { n { a } } a n { a } }", 2),
        ("{ ... { n { ... on Node { a } } } }", 1),
        ("{ n { ...F } } fragment F on Node { n { n { a } } }", 3),
        ("{ ...F n { ...G } } fragment F on Node { a } fragment G on Node { n { ...F } }", 2),
        ("{ n { __typename } }", 1),
        ("{ __schema { types { fields { name } } } }", 0),
    ],
)
def test_depth(query: str, depth: int) -> None:
    assert errors(query, max_depth=depth) == []
    if depth:
        expected = f"'anonymous' exceeds maximum operation depth of {depth - 1}."
        assert errors(query, max_depth=depth - 1) == [expected]


def test_each_operation_is_told() -> None:
    query = "query A { n { n { a } } } query B { a } mutation C { n { n { a } } }"
    found = DocumentLimits(max_depth=1).check(parse(query))
    assert [(error.message, error.locations) for error in found] == [
        ("'A' exceeds maximum operation depth of 1.", [(1, 1)]),
        ("'C' exceeds maximum operation depth of 1.", [(1, 41)]),
    ]


def random_selections(random: Random, depth: int = 0) -> str:
    simple = ["a", "x: a", "...F0", "...F1", "...F2", "__typename"]
    made = []
    for _ in range(random.randint(1, 3)):
        kind = random.randrange(4 if depth < 4 else 2)
        if kind < 2:
            made.append(random.choice(simple))
        else:
            made.append(
                f"{'n' if kind == 2 else '...'} {{ {random_selections(random, depth + 1)} }}"
            )
    return " ".join(made)


@given(st.integers(0, 2**32), st.integers(0, 6))
def test_depth_is_what_graphene_counts(seed: int, max_depth: int) -> None:
    random = Random(seed)
    definitions = [f"{{ {random_selections(random)} }}"]
    for i in range(3):
        text = random_selections(random)
        for j in range(i + 1):  # a fragment spreads those after it only
            text = text.replace(f"...F{j}", "a")
        definitions.append(f"fragment F{i} on Node {{ {text} }}")
    document = parse(" ".join(definitions))
    # Its errors are many, and come where graphql-core does not expect the one that is too many.
    rules = [depth_limit_validator(max_depth)]
    stock = validate(STOCK.graphql_schema, document, rules, max_errors=10**6)
    ours = DocumentLimits(max_depth=max_depth).check(document)
    assert {error.message for error in ours} == {error.message for error in stock}


def test_aliases_are_counted_where_fragments_bring_them() -> None:
    fragments = "fragment F on Node { p: a q: a ...G } fragment G on Node { r: a }"
    query = "{ x: a n { ...F y: n { ...F } } } " + fragments
    assert errors(query, max_aliases=8) == []
    assert errors(query, max_aliases=7) == ["'anonymous' has more than 7 aliases."]


@pytest.mark.parametrize("limit", [{"max_depth": 5}, {"max_aliases": 50}])
def test_fragments_that_double_each_other(limit: dict[str, int]) -> None:
    """2 ** 100 objects; graphene's rule, for one, would walk them all."""
    parts = [
        f"fragment F{i} on Node {{ n {{ ...F{i + 1} }} b: n {{ ...F{i + 1} }} }}"
        for i in range(100)
    ]
    query = "{ ...F0 } fragment F100 on Node { a } " + " ".join(parts)
    assert len(errors(query, **limit)) == 1


@pytest.mark.parametrize(
    "query, message",
    [
        ("{ ...F } fragment F on Node { n { ...F } }", "Cannot spread fragment 'F' within itself."),
        ("{ ...Nope }", "Unknown fragment 'Nope'."),
        ("{ ...F } fragment F on Node { a ...Nope }", "Unknown fragment 'Nope'."),
    ],
)
def test_bad_fragments_are_reported_by_validation(query: str, message: str) -> None:
    assert errors(query, max_depth=5, max_aliases=5) == [message]


def test_a_chain_of_fragments_takes_no_recursion() -> None:
    parts = [f"fragment F{i} on Node {{ n {{ ...F{i + 1} }} }}" for i in range(1200)]
    query = "{ ...F0 } fragment F1200 on Node { a } " + " ".join(parts)
    assert errors(query, max_depth=1199) == ["'anonymous' exceeds maximum operation depth of 1199."]


def test_without_introspection() -> None:
    assert errors("{ __typename n { __typename } }", introspection=False) == []
    for query in ("{ __schema { description } }", '{ __type(name: "Node") { name } }'):
        assert errors(query) == []
        found = errors(query, introspection=False)
        assert "introspection has been disabled" in found[0]


def test_without_introspection_there_are_no_suggestions() -> None:
    for query in ("{ n(xx: 1) { a } }", "{ n { a(x: 1) } nn { a } }"):
        assert any("Did you mean" in message for message in errors(query))
        assert not any("Did you mean" in message for message in errors(query, introspection=False))


def test_limits_belong_to_the_schema() -> None:
    """A document that one schema keeps is not another's; a copied cache keeps the limits."""
    strict, free = Schema(query=Node, max_depth=1), Schema(query=Node)
    query = "{ n { n { a } } }"
    for _ in range(3):
        assert free.execute(query, root_value={}).errors is None
        assert strict.execute(query, root_value={}).errors
    assert copy.deepcopy(document_cache(strict)).limits == DocumentLimits(15_000, 1)
    with pytest.raises(ExplainError, match="exceeds maximum operation depth of 1"):
        strict.explain(query)
