"""Explaining a query: which levels it has, how each is loaded, and by which SQL.

An operation is compiled as for execution, with every selection that data could ask for; the levels
are those of levels.py, the statements are made by what executes them. Nothing is executed: no
resolver is called, and no session has a database.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from inspect import isawaitable
from types import SimpleNamespace
from typing import Any

from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    default_field_resolver,
    validate_schema,
)
from sqlalchemy.orm import Session

from ._core import Plan
from .documents import DocumentCache
from .execution import effective_options
from .explain_arguments import read_variables
from .explain_guard import GuardText
from .explain_levels import LevelWalker
from .explain_sql import SqlText
from .explanation import ExplainError, Explanation
from .guard import Guard, guard_of, operation_info
from .operations import Operation, operations_of

__all__ = ["explain"]


def explain(
    schema: GraphQLSchema,
    documents: DocumentCache,
    source: Any,
    variable_values: dict[str, Any] | None = None,
    operation_name: str | None = None,
    dialect: str = "postgresql",
    context_value: Any = None,
) -> Explanation:
    """Explain an operation of a document; see `Schema.explain`."""
    operation, fragments, _ = _operation(schema, documents, source, operation_name)
    variables, missing = read_variables(schema, operation, variable_values or {})
    root_type = schema.get_root_type(operation.operation)
    if root_type is None:
        raise ExplainError(f"Schema is not configured to execute {operation.operation.value}s.")
    options = replace(effective_options(documents.options), is_logged=False)
    kind, name = operation.operation.value, operation.name
    try:
        plan = Plan(
            schema,
            fragments,
            operation.selection_set,
            root_type,
            default_field_resolver,
            variables,
            frozenset(),
            options,
        )
        guard_text = GuardText(_guard(schema, operation, fragments, variables, context_value))
        walker = LevelWalker(fragments, SqlText(dialect), variables, missing, options, guard_text)
        roots = walker.fields(plan.describe(variables), "", root_type)
        title = kind if name is None else f"{kind} {name.value}"
        return Explanation(title, dialect, tuple(roots))
    except GraphQLError as error:
        raise ExplainError(error.message) from error
    except RecursionError as error:
        raise ExplainError("The selections are nested too deeply.") from error


def _guard(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: dict[str, FragmentDefinitionNode],
    variables: dict[str, Any],
    context_value: Any,
) -> Guard | None:
    """The guard of an operation that is not executed."""
    schema_guard = guard_of(schema)
    if schema_guard is None:
        return None
    context = SimpleNamespace(
        schema=schema,
        operation=operation,
        fragments=fragments,
        variable_values=variables,
        root_value=None,
        context_value={"session": Session()} if context_value is None else context_value,
        is_awaitable=isawaitable,
    )
    return Guard(schema_guard, partial(operation_info, context), True)


def _operation(
    schema: GraphQLSchema, documents: DocumentCache, source: Any, name: str | None
) -> Operation:
    document = validate_schema(schema) or documents.read(schema, source)
    if isinstance(document, list):
        raise ExplainError(*map(str, document))
    operation = operations_of(schema, document).get(name)
    if operation is None and name is not None:
        raise ExplainError(f"Unknown operation named '{name}'.")
    if operation is None:
        raise ExplainError("Must provide operation name if query contains multiple operations.")
    return operation
