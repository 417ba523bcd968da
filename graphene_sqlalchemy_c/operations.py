"""Operations of kept documents: what is the same for each request is found once.

graphql-core looks for the operation, its fragments and the types of its variables anew for each
execution. Here they are kept with the document. What is wrong with a request, graphql-core says.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    NamedTypeNode,
    NonNullTypeNode,
    OperationDefinitionNode,
    VariableDefinitionNode,
    specified_scalar_types,
)

__all__ = ["Operation", "operations_of"]

# Scalars whose values, if they are of exactly this class, graphql-core coerces to themselves.
_PLAIN_SCALARS = {"Boolean": bool, "ID": str, "Int": int, "String": str}


_MIN_INT, _MAX_INT = -(2**31), 2**31 - 1


class Operation(NamedTuple):
    """An operation of a document that is valid for a schema."""

    definition: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    """The fragments of the document."""
    variables: tuple[tuple[str, type], ...] | None
    """Name and class of each variable; None where one is of another type than a plain scalar."""

    def plain_values(self, inputs: dict[str, Any] | None) -> dict[str, Any] | None:
        """The coerced variables of a request; None where graphql-core has to coerce them."""
        if self.variables is None or not (inputs is None or isinstance(inputs, dict)):
            return None
        if not self.variables:
            return {}
        if inputs is None:
            return None
        values: dict[str, Any] = {}
        for name, cls in self.variables:
            value = inputs.get(name)
            if type(value) is not cls:
                return None
            if type(value) is int and not _MIN_INT <= value <= _MAX_INT:
                return None
            values[name] = value
        return values


def operations_of(schema: GraphQLSchema, document: DocumentNode) -> dict[str | None, Operation]:
    """The operations of a valid document by name, and the only one by None."""
    fragments = {
        each.name.value: each
        for each in document.definitions
        if isinstance(each, FragmentDefinitionNode)
    }
    found: dict[str | None, Operation] = {}
    operations = [
        Operation(each, fragments, _variables_of(schema, each.variable_definitions or ()))
        for each in document.definitions
        if isinstance(each, OperationDefinitionNode)
    ]
    for each in operations:
        if each.definition.name is not None:
            found[each.definition.name.value] = each
    if len(operations) == 1:
        found[None] = operations[0]
    return found


def _variables_of(
    schema: GraphQLSchema, definitions: tuple[VariableDefinitionNode, ...]
) -> tuple[tuple[str, type], ...] | None:
    variables = []
    for each in definitions:
        node = each.type.type if isinstance(each.type, NonNullTypeNode) else each.type
        name = node.name.value if isinstance(node, NamedTypeNode) else ""
        if name not in _PLAIN_SCALARS or schema.get_type(name) is not specified_scalar_types[name]:
            return None
        variables.append((each.variable.name.value, _PLAIN_SCALARS[name]))
    return tuple(variables)
