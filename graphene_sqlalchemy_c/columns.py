"""The mapped attributes of a mapper, by name."""

from __future__ import annotations

from typing import Any

from sqlalchemy import tuple_
from sqlalchemy.orm import Mapper


def primary_key_names(mapper: Mapper[Any]) -> tuple[str, ...]:
    """The names of the attributes that hold the primary key."""
    return tuple(mapper.get_property_by_column(column).key for column in mapper.primary_key)


def entity_columns(mapper: Mapper[Any], names: tuple[str, ...]) -> list[Any]:
    """The attributes of those names, to be selected."""
    return [getattr(mapper.class_, name) for name in names]


def primary_key(mapper: Mapper[Any]) -> list[Any]:
    """The attributes that hold the primary key, to be selected or compared."""
    return entity_columns(mapper, primary_key_names(mapper))


def key_expression(columns: list[Any]) -> Any:
    """The columns of a key as one expression: the column itself, or a tuple of several."""
    return columns[0] if len(columns) == 1 else tuple_(*columns)
