"""Statements that an application wrote, narrowed to the columns of a level.

A statement is narrowed only where that is certain to keep its rows; else it is executed as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Exists, Join, ScalarSelect, Select, Table
from sqlalchemy.orm import FromStatement, Mapper, Query
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ClauseElement, ColumnClause, ColumnElement
from sqlalchemy.sql.selectable import SelectBase

from ._sqlalchemy import (
    has_load_options,
    has_own_froms,
    is_dynamic,
    is_limited,
    narrowing_options,
    order_of,
    statement_clause,
    user_options,
)
from .columns import primary_key
from .levels import Level

__all__ = ["EntityStatement", "NotNarrow", "Statement"]

Statement = Select[Any] | Query[Any] | FromStatement[Any]
"""What a resolver may return in the place of objects."""


class NotNarrow(Exception):
    """The statement must be executed as it is; the message says why."""


@dataclass(frozen=True, eq=False)
class EntityStatement:
    """A statement whose rows are the objects of one mapper, each with its own columns.

    :raises NotNarrow: when it is not certain to be one.
    """

    statement: Select[Any]
    mapper: Mapper[Any]
    options: tuple[Any, ...]
    """What the loads below its rows carry."""
    is_joined: bool
    """Whether other tables are joined, so that one object may come in several rows."""
    is_query: bool
    """Whether it was a Query, which gives each object once."""

    @classmethod
    def of(cls, statement: Statement, mapper: Mapper[Any]) -> EntityStatement:
        """Look at a statement that should give objects of a mapper."""
        is_query = isinstance(statement, Query)
        select: Any = statement
        if isinstance(statement, Query):
            if not _is_plain_query(type(statement)):
                raise NotNarrow(f"{type(statement).__name__} has an iterator of its own")
            if is_dynamic(statement):
                # It carries no options; an instance has those of the statement that loaded it.
                raise NotNarrow("a dynamic relationship shows the session's instances")
            if has_load_options(statement):
                raise NotNarrow("the Query has load options of its own")
            select = statement.statement
        if type(select) is not Select:
            raise NotNarrow(f"the statement is a {type(select).__name__}")
        entities = select.column_descriptions
        if len(entities) != 1 or entities[0]["entity"] is not entities[0]["expr"]:
            raise NotNarrow("the statement selects more than one mapped class")
        if entities[0]["expr"] is not mapper.class_:
            raise NotNarrow(f"the statement does not select {mapper.class_.__name__}")
        clause = statement_clause(select)
        if clause is not None:
            raise NotNarrow(f"the statement has {clause}")
        options = narrowing_options(select)
        if isinstance(options, str):
            raise NotNarrow(options)
        return cls(select, mapper, options, _is_joined(select, mapper), is_query)

    def rows(self, level: Level) -> Select[Any]:
        """The same statement over the columns of a level.

        They are labels that are made once: SQLAlchemy compares the columns of a statement with
        those of the one that it compiled, and a label is compared by its identity.
        """
        labels = level.statements.get("labels")
        if labels is None:
            labels = [each.label(None) for each in level.select(self.mapper, level.columns)]
            level.statements["labels"] = labels
        return level.joined(self.over(labels))

    def over(self, columns: list[Any]) -> Select[Any]:
        """The statement over other columns.

        SQLAlchemy moves the options to where the ORM still obeys them, but where a listener that
        looks for its own does not find them.
        """
        narrowed = self.statement.with_only_columns(*columns)
        return narrowed.options(*user_options(self.statement))

    @property
    def is_limited(self) -> bool:
        """Whether it has a LIMIT or OFFSET."""
        return is_limited(self.statement)

    @property
    def keys(self) -> Select[Any]:
        """Its primary keys, in no order."""
        return self.over(self.primary_key).order_by(None)

    @property
    def primary_key(self) -> list[Any]:
        """The attributes of the mapper's primary key."""
        return primary_key(self.mapper)

    @property
    def order_by(self) -> tuple[Any, ...]:
        """Its ORDER BY."""
        return order_of(self.statement)

    @property
    def orders_by_own_columns(self) -> bool:
        """Whether its ORDER BY speaks of nothing but the mapper's tables."""
        return not any(
            isinstance(element, ColumnElement)
            and getattr(element, "table", None) is not None
            and element.table not in self.mapper.tables
            for clause in self.order_by
            for element in visitors.iterate(clause)
        )


def _is_plain_query(cls: type[Query[Any]]) -> bool:
    """Whether a Query gives what its statement selects: no class of the application's says more."""
    names = ("__iter__", "all", "statement")
    return all(getattr(cls, name) is getattr(Query, name) for name in names)


def _is_joined(statement: Select[Any], mapper: Mapper[Any]) -> bool:
    """Whether other tables stand in the FROM clause.

    :raises NotNarrow: where they may give rows without the object.
    """
    own = set(mapper.tables)
    if not has_own_froms(statement):
        return not _tables_of([statement.whereclause, *order_of(statement)]) <= own
    joined = False
    for each in statement.get_final_froms():
        for element in visitors.iterate(each):
            if (
                isinstance(element, Join)
                and (element.isouter or element.full)
                and (element.full or not _begins_with(element.left, own))
            ):
                raise NotNarrow("an outer join may give rows without the object")
            if isinstance(element, Table) and element not in own:
                joined = True
        if not isinstance(each, (Table, Join)):
            joined = True
    return joined


def _tables_of(clauses: Iterable[ClauseElement | None]) -> set[Any]:
    """The tables of clauses that would stand in FROM: not those of their subqueries."""
    found = set()
    pending = [clause for clause in clauses if clause is not None]
    while pending:
        element = pending.pop()
        if isinstance(element, ColumnClause) and element.table is not None:
            found.add(element.table)
        elif not isinstance(element, (SelectBase, ScalarSelect, Exists)):
            pending.extend(element.get_children())
    return found


def _begins_with(element: Any, tables: set[Any]) -> bool:
    """Whether the leftmost table of a join is one of those."""
    while isinstance(element, Join):
        element = element.left
    return element in tables
