"""Statements of a shape that was seen before.

A resolver builds its statement anew for each request, and SQLAlchemy then looks for what it
compiled for an equal one: a fifth of a millisecond. Where a statement is nothing but comparisons of
columns with values, and an order, its shape is told by the identity of a few objects; the statement
that was built for the shape is then executed with the values as parameters.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import BindParameter, Column, Select, bindparam
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.elements import BinaryExpression, UnaryExpression

__all__ = ["Template", "template_of"]

_OPERATORS = frozenset(
    {operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge}
)
_PREFIX = "graphene_sqlalchemy_c_value_"
MAX_TEMPLATES = 64
"""Shapes that a level keeps at most."""

Template = tuple[Select[Any], dict[str, Any]]
"""A statement and its parameters."""
Built = TypeVar("Built")


def template_of(
    known: dict[Any, Any],
    purpose: Any,
    clauses: tuple[Any, Any] | None,
    mapper: Mapper[Any],
    build: Callable[[list[Any], tuple[Any, ...]], Built],
) -> tuple[Built, dict[str, Any]] | None:
    """The statement to execute in the place of one of a plain shape, and its parameters.

    :param known: where the statements of a level are kept.
    :param purpose: what the statement is built for, besides its shape.
    :param clauses: of a statement of the mapper's objects, as `plain_clauses` gives them.
    :param build: makes the statement of a new shape from its criteria and its order.
    :return: None where the shape is not plain.
    """
    if clauses is None:
        return None
    criteria, order = clauses
    shape: list[Any] = [purpose]
    values: dict[str, Any] = {}
    for clause in criteria:
        if not _has_value(clause):
            return None
        value = clause.right
        shape += (clause.operator, id(clause.left), id(value.type))
        values[f"{_PREFIX}{len(values)}"] = value.value
    for clause in order:
        shape += _order_shape(clause)
    key = tuple(shape)
    kept = known.get(key)
    if kept is None:
        if not _are_plain(criteria, order, mapper):
            return None
        parameters = [
            clause.operator(clause.left, bindparam(name, type_=clause.right.type))
            for clause, name in zip(criteria, values, strict=True)
        ]
        # The clauses are kept as well, so that no other object gets the identity of one.
        kept = build(parameters, tuple(order)), clauses
        if len(known) < MAX_TEMPLATES:
            known[key] = kept
    return kept[0], values


def _has_value(clause: Any) -> bool:
    """Whether a criterion compares something with a value that is there."""
    if type(clause) is not BinaryExpression or clause.modifiers:
        return False
    value = clause.right
    return (
        type(value) is BindParameter
        and not (value.expanding or value.required)
        and value.callable is None
    )


def _order_shape(clause: Any) -> tuple[Any, int]:
    """What tells one order from any other; ascending and descending are modifiers."""
    if type(clause) is UnaryExpression and clause.modifier is not None:
        return clause.modifier, id(clause.element)
    return None, id(clause)


def _are_plain(criteria: Any, order: Any, mapper: Mapper[Any]) -> bool:
    """Whether columns are compared, and sorted by, and nothing else."""
    return all(
        clause.operator in _OPERATORS and _is_own(clause.left, mapper) for clause in criteria
    ) and all(_is_plain_order(clause, mapper) for clause in order)


def _is_plain_order(clause: Any, mapper: Mapper[Any]) -> bool:
    """Whether it is a column, ascending or descending."""
    if type(clause) is UnaryExpression and clause.modifier is not None:
        clause = clause.element
    return _is_own(clause, mapper)


def _is_own(column: Any, mapper: Mapper[Any]) -> bool:
    return isinstance(column, Column) and column.table in mapper.tables
