"""Statements of a shape that was seen before.

A resolver builds its statement anew for each request, and SQLAlchemy then looks for what it
compiled for an equal one: a fifth of a millisecond. Where a statement is nothing but comparisons of
columns with values, and an order, its shape is told by the identity of a few objects; the statement
that was built for the shape is then executed with the values as parameters.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

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


def template_of(
    known: dict[Any, Any],
    purpose: Any,
    clauses: tuple[Any, Any] | None,
    mapper: Mapper[Any],
    build: Callable[[list[Any], tuple[Any, ...]], Select[Any]],
) -> Template | None:
    """The statement to execute in the place of one of a plain shape.

    :param known: where the statements of a level are kept.
    :param purpose: what the statement is built for, besides its shape.
    :param clauses: of a statement of the mapper's objects, as `plain_clauses` gives them.
    :param build: makes the statement of a new shape from its criteria and its order.
    :return: None where the shape is not plain.
    """
    if clauses is None:
        return None
    shape: list[Any] = [purpose]
    values: dict[str, Any] = {}
    for clause in clauses[0]:
        if not _read_criterion(clause, mapper, shape, values):
            return None
    for clause in clauses[1]:
        if not _read_order(clause, mapper, shape):
            return None
    key = tuple(shape)
    kept = known.get(key)
    if kept is None:
        criteria = [
            clause.operator(clause.left, bindparam(name, type_=clause.right.type))
            for clause, name in zip(clauses[0], values, strict=True)
        ]
        # The clauses are kept as well, so that no other object gets the identity of one.
        kept = build(criteria, tuple(clauses[1])), clauses
        if len(known) < MAX_TEMPLATES:
            known[key] = kept
    return kept[0], values


def _read_criterion(
    clause: Any, mapper: Mapper[Any], shape: list[Any], values: dict[str, Any]
) -> bool:
    """Add `column <operator> value` to the shape; False for anything else."""
    if type(clause) is not BinaryExpression or clause.operator not in _OPERATORS:
        return False
    column, value = clause.left, clause.right
    if (
        type(value) is not BindParameter
        or value.expanding
        or value.required
        or value.callable is not None
        or clause.modifiers
        or not _is_own(column, mapper)
    ):
        return False
    shape += (clause.operator, id(column), id(value.type))
    values[f"{_PREFIX}{len(values)}"] = value.value
    return True


def _read_order(clause: Any, mapper: Mapper[Any], shape: list[Any]) -> bool:
    """Add a column, ascending or descending, to the shape; False for anything else."""
    modifier = None
    if type(clause) is UnaryExpression:
        modifier, clause = clause.modifier, clause.element
        if modifier is None:
            return False
    shape += (modifier, id(clause))
    return _is_own(clause, mapper)


def _is_own(column: Any, mapper: Mapper[Any]) -> bool:
    return isinstance(column, Column) and column.table in mapper.tables
