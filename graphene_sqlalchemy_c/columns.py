"""The mapped attributes of a mapper, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Column, PrimaryKeyConstraint, Table, UniqueConstraint, tuple_
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.elements import UnaryExpression


def primary_key_names(mapper: Mapper[Any]) -> tuple[str, ...]:
    """The names of the attributes that hold the primary key."""
    return tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)


def entity_columns(mapper: Mapper[Any], names: tuple[str, ...]) -> list[Any]:
    """The attributes of those names, to be selected."""
    return [getattr(mapper.class_, name) for name in names]


def is_table_column(attribute: Any) -> bool:
    """Whether a mapped column is one of a table, not an expression."""
    return isinstance(attribute.property.columns[0], Column)


def key_columns(table: Table) -> Iterator[list[Any]]:
    """The columns of the primary key and of each unique constraint, in their order."""
    for constraint in table.constraints:
        if isinstance(constraint, (PrimaryKeyConstraint, UniqueConstraint)):
            yield list(constraint.columns)


def primary_key(mapper: Mapper[Any]) -> list[Any]:
    """The attributes that hold the primary key, to be selected or compared."""
    return entity_columns(mapper, primary_key_names(mapper))


def key_expression(columns: list[Any]) -> Any:
    """The columns of a key as one expression: the column itself, or a tuple of several."""
    return columns[0] if len(columns) == 1 else tuple_(*columns)


def without_ties(order_by: Iterable[Any], mapper: Mapper[Any]) -> list[Any]:
    """An ORDER BY that leaves no two objects of a mapper equal: what it lacks of the key is added.

    :param order_by: clauses over the mapper's columns, or over anything else.
    """
    clauses = list(order_by)
    ordered = set()
    for clause in clauses:
        while isinstance(clause, UnaryExpression) and clause.modifier is not None:
            clause = clause.element  # below DESC, NULLS LAST, ...
        if isinstance(clause, Column) and mapper.columns.contains_column(clause):
            ordered.add(mapper.get_property_by_column(clause).key)
    names = tuple(name for name in primary_key_names(mapper) if name not in ordered)
    return clauses + entity_columns(mapper, names)
