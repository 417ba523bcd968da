"""Pages of a statement over the shards of a `ShardedSession` (sqlalchemy.ext.horizontal_shard).

Such a session sends a statement to each shard that its `execute_chooser` names, and gives the rows
of one shard after those of another: every shard cuts, orders and counts its own. So each is asked
for the page and all that comes before it, and the rows are put in order here, by the values of the
ORDER BY, where Python and every database agree on the order of such values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

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
from .narrowing import EntityStatement, NotNarrow, Statement
from .sessions import fetch_all

__all__ = ["count_over_shards", "is_sharded", "objects_over_shards", "page_over_shards"]

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


def objects_over_shards(
    session: Session, mapper: Mapper[Any], statement: Statement, found: Callable[[], list[Any]]
) -> list[Any]:
    """All objects of a statement that is to be cut in Python, in the order of one database.

    :param found: executes the statement as it is.
    :raises ValueError: as :func:`page_over_shards`, and where the statement is not certain to give
        the objects of one database.
    """
    try:
        entity = EntityStatement.of(statement, mapper)
        if entity.is_limited:
            raise NotNarrow("the statement has a LIMIT of its own")
        if entity.is_joined:
            raise NotNarrow("the statement joins other tables")
    except NotNarrow as reason:
        objects = found()
        if len({instance_state(each).identity_token for each in objects}) > 1:
            raise ValueError(
                f"{mapper.class_.__name__} has no pages over several shards: {reason}; have "
                "execute_chooser name one shard."
            ) from reason
        return objects
    ordered = entity.statement.order_by(*entity.primary_key)
    return [row[0] for row in page_over_shards(session, mapper, ordered, 0, None)]


def page_over_shards(
    session: Session, mapper: Mapper[Any], statement: Select[Any], start: int, stop: int | None
) -> list[Any]:
    """The rows of a page: each begins with an object.

    :param statement: of the objects, in an order without ties.
    :param stop: the position after the last; None for all.
    :raises ValueError: where objects of several shards would have to be put in an order that only a
        database knows.
    """
    clauses = order_of(statement)
    terms = [_term(clause) for clause in clauses]
    found = statement.add_columns(*(term.column for term in terms if term is not None))
    if stop is not None:
        found = found.limit(stop)
    rows = fetch_all(lambda: session.execute(found, bind_arguments={"mapper": mapper}))
    shards = {instance_state(row[0]).identity_token for row in rows}
    if len(shards) > 1:
        null_is_last = {
            _NULL_IS_LAST.get(session.get_bind(mapper, shard_id=shard).dialect.name)
            for shard in shards
        }
        known = null_is_last.pop() if len(null_is_last) == 1 else None
        _sort(rows, list(zip(clauses, terms, strict=True)), known)
    return rows[start:stop]


class _Term(NamedTuple):
    """A term of an ORDER BY by which Python orders as databases do."""

    column: ColumnElement[Any]
    is_descending: bool


def _term(clause: Any) -> _Term | None:
    """A term as far as it is known; None where only the database knows its order."""
    is_descending = False
    while isinstance(clause, UnaryExpression) and clause.modifier in (asc_op, desc_op):
        is_descending = clause.modifier is desc_op
        clause = clause.element
    if not isinstance(getattr(clause, "type", None), _ORDERED_ALIKE):
        return None
    return _Term(clause, is_descending)


def _sort(
    rows: list[Row[Any]], terms: list[tuple[Any, _Term | None]], null_is_last: bool | None
) -> None:
    """Sort rows of an object and the values of terms as one database would.

    :param terms: each with the clause that it is known from.
    :param null_is_last: in ascending order; None where it is not known.
    """
    position = len([term for _, term in terms if term is not None])
    for clause, term in reversed(terms):  # sorts are stable: the first term goes last
        values = [row[position] for row in rows]
        if (
            term is None
            or (None in values and null_is_last is None)
            or any(value != value for value in values)  # NaN
        ):
            raise ValueError(
                f"Pages over several shards cannot be ordered by {clause}: order by numbers, dates "
                "or booleans, or have execute_chooser name one shard."
            )

        def key(row: Row[Any], position: int = position) -> tuple[bool, Any]:
            value = row[position]
            return (value is None) is bool(null_is_last), 0 if value is None else value

        rows.sort(key=key, reverse=term.is_descending)
        position -= 1
