"""The arguments of an operation that is explained: variables may have no value yet."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from graphql import (
    ArgumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    StringValueNode,
    VariableNode,
    Visitor,
    get_variable_values,
    visit,
)
from graphql_relay import offset_to_cursor

from ._graphql import get_argument_values
from .explanation import ExplainError

__all__ = ["Arguments", "names_in", "read_arguments", "read_variables", "type_conditions"]

_PAGE_PLACEHOLDERS: dict[str, Any] = {
    "first": IntValueNode(value="1"),
    "last": IntValueNode(value="1"),
    "after": StringValueNode(value=offset_to_cursor(0)),
    "before": StringValueNode(value=offset_to_cursor(1)),
}


class Arguments(NamedTuple):
    """The arguments of a field, as far as they are known."""

    values: dict[str, Any]
    page: dict[str, str]
    """The page that they ask for, as text: a variable without value stands for itself."""
    has_open_page: bool
    notes: tuple[str, ...]
    node: FieldNode
    """The field without what depends on variables that have no value."""

    @property
    def asked(self) -> str:
        """The page in words."""
        return ", ".join(f"{name} {value}" for name, value in self.page.items()) or "no page"


def read_variables(
    schema: GraphQLSchema, operation: OperationDefinitionNode, given: dict[str, Any]
) -> tuple[dict[str, Any], frozenset[str]]:
    """The coerced variables, and the names of those that have no value."""
    definitions = operation.variable_definitions or ()
    known = [
        each
        for each in definitions
        if each.variable.name.value in given or each.default_value is not None
    ]
    values = get_variable_values(schema, known, given)
    if isinstance(values, list):
        raise ExplainError(*(error.message for error in values))
    return values, frozenset(each.variable.name.value for each in definitions) - values.keys()


def read_arguments(
    definition: Any, field: FieldNode, variables: dict[str, Any], missing: frozenset[str]
) -> Arguments:
    """The arguments of a field.

    A page that depends on a variable without value stands for any page, because the SQL of all
    of them is the same; what else depends on one is left out.
    """
    kept, notes = [], []
    page: dict[str, str] = {}
    open_page: dict[str, str] = {}
    for argument in field.arguments:
        name, open_names = argument.name.value, names_in(argument.value) & missing
        if not open_names:
            kept.append(argument)
        elif name in _PAGE_PLACEHOLDERS and isinstance(argument.value, VariableNode):
            open_page[name] = f"${argument.value.name.value}"
            kept.append(ArgumentNode(name=argument.name, value=_PAGE_PLACEHOLDERS[name]))
        else:
            names = ", ".join(f"${each}" for each in sorted(open_names))
            notes.append(f"shown without {name}, which depends on {names}")
    node = copy.copy(field)
    node.arguments = tuple(kept)
    values = get_argument_values(definition, node, variables)
    for name in _PAGE_PLACEHOLDERS:
        value = open_page.get(name, values.get(name))
        if value is not None:
            page[name] = str(value)
    return Arguments(values, page, bool(open_page), tuple(notes), node)


class _Names(Visitor):
    """Collects the names of variables, or the type conditions of fragments."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode]) -> None:
        super().__init__()
        self.variables: set[str] = set()
        self.types: set[str] = set()
        self._fragments = fragments

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.variables.add(node.name.value)

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> None:
        if node.type_condition is not None:
            self.types.add(node.type_condition.name.value)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        fragment = self._fragments.pop(node.name.value, None)
        if fragment is not None:
            self.types.add(fragment.type_condition.name.value)
            visit(fragment, self)


def names_in(node: Any) -> set[str]:
    """The variables that a value uses."""
    names = _Names({})
    visit(node, names)
    return names.variables


def type_conditions(node: Any, fragments: dict[str, FragmentDefinitionNode]) -> set[str]:
    """The types that fragments in a field speak of, at any depth."""
    names = _Names(dict(fragments))
    visit(node, names)
    return names.types
