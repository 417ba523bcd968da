"""Pages of a statement over the shards of a `ShardedSession` (sqlalchemy.ext.horizontal_shard).

Such a session sends a statement to each shard that its `execute_chooser` names, and gives the rows
of one shard after those of another: every shard cuts, orders and counts its own. So each is asked
for the page and all that comes before it, and the rows are put in order here, by the values of the
ORDER BY, where Python and every database agree on the order of such values.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Numeric,
    Row,
    Select,
    UnaryExpression,
)
from sqlalchemy.ext.horizontal_shard import ShardedSession
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.sql.operators import asc_op, desc_op

from ._sqlalchemy import order_of
from .sessions import fetch_all

__all__ = ["count_over_shards", "is_sharded", "page_over_shards"]

# Floats are Numeric. Text has the order of its collation, an enum that of its declaration.
_ORDERED_ALIKE = (Boolean, Date, DateTime, Integer, Numeric)
_NULL_IS_LAST = {
    **dict.fromkeys(("oracle", "postgresql"), True),
    **dict.fromkeys(("mariadb", "mssql", "mysql", "sqlite"), False),
}
"""Whether ascending order has NULL after all values, by the name of the dialect."""


def is_sharded(session: Session) -> bool:
    """Whether the statements of a session may be executed by several databases."""
    return isinstance(session, ShardedSession)


def count_over_shards(session: Session, mapper: Mapper[Any], total: Select[Any]) -> int:
    """The sum of what a counting statement gives on each shard."""
    counts = session.execute(total, bind_arguments={"mapper": mapper}).scalars()
    return int(sum(counts))


def page_over_shards(
    session: Session, mapper: Mapper[Any], statement: Select[Any], start: int, stop: int | None
) -> list[Any]:
    """The rows of a page: each begins with an object.

    :param statement: of the objects, in an order without ties.
    :param stop: the position after the last; None for all.
    :raises ValueError: where objects of several shards would have to be put in an order that only a
        database knows.
    """
    terms = [_term(clause) for clause in order_of(statement)]
    found = statement.add_columns(*(column for column, _ in terms))
    if stop is not None:
        found = found.limit(stop)
    rows = fetch_all(lambda: session.execute(found, bind_arguments={"mapper": mapper}))
    shards = {instance_state(row[0]).identity_token for row in rows}
    if len(shards) > 1:
        null_is_last = {
            _NULL_IS_LAST.get(session.get_bind(mapper, shard_id=shard).dialect.name)
            for shard in shards
        }
        _sort(rows, terms, null_is_last.pop() if len(null_is_last) == 1 else None)
    return rows[start:stop]


def _term(clause: Any) -> tuple[ColumnElement[Any], bool | None]:
    """A term of an ORDER BY: its column, and whether it descends; None where it is not known."""
    is_descending: bool | None = False
    while isinstance(clause, UnaryExpression):
        if clause.modifier not in (asc_op, desc_op):
            return clause, None
        is_descending = clause.modifier is desc_op
        clause = clause.element
    return clause, is_descending


def _sort(
    rows: list[Row[Any]],
    terms: list[tuple[ColumnElement[Any], bool | None]],
    null_is_last: bool | None,
) -> None:
    """Sort rows of an object and the values of terms as one database would.

    :param null_is_last: in ascending order; None where it is not known.
    """
    for position in range(len(terms), 0, -1):  # sorts are stable: the first term goes last
        column, is_descending = terms[position - 1]
        values = [row[position] for row in rows]
        nulls = None in values
        if (
            is_descending is None
            or not isinstance(column.type, _ORDERED_ALIKE)
            or (nulls and null_is_last is None)
            or any(value != value for value in values)  # NaN
        ):
            raise ValueError(
                f"Pages over several shards cannot be ordered by {column}: order by numbers, dates "
                "or booleans, or have execute_chooser name one shard."
            )

        def key(row: Row[Any], position: int = position) -> tuple[bool, Any]:
            value = row[position]
            return (value is None) is bool(null_is_last), 0 if value is None else value

        rows.sort(key=key, reverse=is_descending)
