"""Values of arguments: those of variables are taken in C, graphql-core says the rest."""

from __future__ import annotations

from itertools import product
from typing import Any

import graphene
import pytest
from graphql import ExecutionContext as StockContext
from graphql import ExecutionResult, GraphQLSchema, build_schema, graphql_sync
from hypothesis import given
from hypothesis import strategies as st

import graphene_sqlalchemy_c
from graphene_sqlalchemy_c import ExecutionContext

TYPES = {"id": "ID!", "size": "Int", "name": 'String = "none"', "color": "Color", "ratio": "Float"}
VALUES: dict[str, Any] = {"id": "7", "size": 3, "name": "a name", "color": "RED", "ratio": 0.5}
LITERALS = {"id": '"7"', "size": "3", "name": '"a name"', "color": "RED", "ratio": "0.5"}
GIVEN = ("not", "null", "literal", "variable", "null variable", "missing variable", "default")


def schema_of_show() -> GraphQLSchema:
    arguments = ", ".join(f"{name}: {type_}" for name, type_ in TYPES.items())
    schema = build_schema(f"enum Color {{ RED BLUE }} type Query {{ show({arguments}): String }}")
    field = schema.query_type.fields["show"]  # type: ignore[union-attr]
    field.args["size"].out_name = "how_many"
    field.resolve = lambda root, info, **values: repr(values)
    return schema


SCHEMA = schema_of_show()


def request(ways: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """A document that gives each argument in its way, and its variables."""
    definitions, arguments, variables = [], [], {}
    for name, way in ways.items():
        type_ = TYPES[name].split(" ")[0]
        if way in ("null", "literal"):
            arguments.append(f"{name}: {'null' if way == 'null' else LITERALS[name]}")
        elif way != "not":
            default = f" = {LITERALS[name]}" if way == "default" else ""
            # A nullable variable fits where null does not, if a default stands in for it.
            definitions.append(f"${name}: {type_.rstrip('!') if default else type_}{default}")
            arguments.append(f"{name}: ${name}")
            if way in ("variable", "null variable"):
                variables[name] = VALUES[name] if way == "variable" else None
    head = f"query ({', '.join(definitions)}) " if definitions else ""
    shown = f"({', '.join(arguments)})" if arguments else ""
    return f"{head}{{ show{shown} }}", variables


def answers(source: str, variables: dict[str, Any]) -> list[ExecutionResult]:
    return [
        graphql_sync(SCHEMA, source, variable_values=variables, execution_context_class=context)
        for context in (StockContext, ExecutionContext)
    ]


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("other", GIVEN)
def test_two_arguments_given_in_every_way(name: str, other: str) -> None:
    neighbour = "size" if name != "size" else "color"
    for way in GIVEN:
        ways = {"id": "variable", name: way, neighbour: other}
        stock, ours = answers(*request(ways))
        assert ours == stock, ways


@given(st.fixed_dictionaries({name: st.sampled_from(GIVEN) for name in TYPES}))
def test_all_arguments_given_in_any_way(ways: dict[str, str]) -> None:
    stock, ours = answers(*request(ways))
    assert ours == stock


def test_arguments_keep_the_order_of_their_definitions() -> None:
    source, variables = request(dict.fromkeys(reversed(TYPES), "variable"))
    stock, ours = answers(source, variables)
    assert ours.errors is None and ours == stock
    assert ours.data == {
        "show": "{'id': '7', 'how_many': 3, 'name': 'a name', 'color': 'RED', 'ratio': 0.5}"
    }


def test_a_kept_plan_takes_the_values_of_each_request() -> None:
    class Query(graphene.ObjectType):
        show = graphene.String(first=graphene.Int(required=True), second=graphene.Int())

        def resolve_show(root: Any, info: Any, **values: Any) -> str:
            values["first"] += 1  # what a resolver is given is its own
            return repr(values)

    schema = graphene_sqlalchemy_c.Schema(query=Query)
    source = "query ($first: Int!, $second: Int) { show(first: $first, second: $second) }"
    wanted = [{"first": first, "second": second} for first, second in product((1, 2), (None, 5))]
    for variables in (*wanted, {"first": 3}, *wanted):
        result = schema.execute(source, variable_values=variables)
        assert result.errors is None
        assert result.data == {"show": repr({**variables, "first": variables["first"] + 1})}
