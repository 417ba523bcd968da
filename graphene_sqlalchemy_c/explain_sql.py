"""The text of the statements that an explanation shows."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapper, Query

from .columns import primary_key
from .explanation import ExplainError
from .levels import Level

__all__ = ["DIALECTS", "SqlText", "key_is_given"]

DIALECTS = ("postgresql", "sqlite", "mysql")
_PREFIX = "graphene_sqlalchemy_c_"
_EXPANDING = re.compile(r"\(__\[POSTCOMPILE_(\w+)[^\]]*\]\)")
_LITERAL = re.compile(r"__\[POSTCOMPILE_(\w+)[^\]]*\]")


class SqlText:
    """Writes statements for one database, without a driver of it.

    :param name: one of DIALECTS.
    :raises ExplainError: for any other.
    """

    def __init__(self, name: str) -> None:
        if name not in DIALECTS:
            raise ExplainError(f"Unknown dialect {name!r}: give one of {', '.join(DIALECTS)}.")
        module = import_module(f"sqlalchemy.dialects.{name}")
        self.dialect: Dialect = module.dialect(paramstyle="named")

    def of(
        self, statements: list[Any], parameters: dict[str, Any], options: tuple[Any, ...] = ()
    ) -> dict[str, Any]:
        """The text of statements, and the values of their parameters; None for unknown ones.

        :param options: that the statements are executed with.
        """
        texts = []
        values: dict[str, Any] = {}
        for statement in statements:
            selected = statement.statement if isinstance(statement, Query) else statement
            try:
                selected = selected.options(*options)
                compiled = selected.compile(dialect=self.dialect)
            except SQLAlchemyError as error:
                texts.append(f"-- not on {self.dialect.name}: {error}")
                continue
            text = _EXPANDING.sub(r"(:\1, ...)", str(compiled))
            text = _LITERAL.sub(lambda found: _literal(parameters, found[1]), text)
            texts.append(text.replace(f":{_PREFIX}", ":"))
            values.update(compiled.params)
        values.update(parameters)
        known = {
            name.removeprefix(_PREFIX): _plain(value)
            for name, value in values.items()
            if value is not None
        }
        return {"sql": tuple(texts), "parameters": tuple(known.items())}

    def columns(self, mapper: Mapper[Any], level: Level | None, source: str) -> tuple[str, ...]:
        """What is selected by a statement that is not known."""
        if level is None:
            statement = select(mapper.class_)
        else:
            statement = level.joined(select(*level.select(mapper, level.columns)))
        (text,) = self.of([statement], {})["sql"]
        return (f"{text.partition(chr(10) + 'FROM ')[0].rstrip()}\nof {source}",)


def _literal(parameters: dict[str, Any], name: str) -> str:
    """A value that stands in the statement itself, where it is known."""
    value = parameters.get(name)
    return f":{name}" if value is None else str(value)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (int, float, str)) else str(value)


def key_is_given(mapper: Mapper[Any]) -> Any:
    """As `Session.get` finds an object."""
    (column,) = primary_key(mapper)
    return column == bindparam("key", type_=mapper.primary_key[0].type)
