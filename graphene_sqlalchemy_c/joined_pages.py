"""First pages that come along with the pages of their parents, in one statement.

`books(first: 3) { reviews(first: 3) }` is two statements, the second of which waits for the keys
that the first one gives. PostgreSQL answers both in one round trip, by a lateral join. Each book is
repeated for its reviews, so only few rows are loaded in this way; and the reviews of each book are
looked up, so only where the model declares an index for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Select, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapper

from . import _core
from .columns import key_columns, primary_key_names
from .page_statements import FirstPages, Numbered, joined_pages_statement
from .relation_plans import RelationPlan
from .statements import Route

if TYPE_CHECKING:
    from ._core import ConnectionResolver
    from .levels import Level
    from .plain_loads import PlainLoad

__all__ = [
    "MAX_KEPT",
    "MAX_ROWS",
    "Along",
    "Below",
    "JoinedPages",
    "are_few",
    "first_pages",
    "may_follow",
]

MAX_ROWS = 200
"""Rows of a statement for several levels, at most."""
MAX_KEPT = 16
"""Such statements that a level keeps: the sizes of pages come from clients. Others are not made."""

Below = tuple["ConnectionResolver", "Level | None", dict[str, Any], Any]
"""A connection of objects that are loaded: its resolver, the level of its selection, its arguments,
and the same of the objects on its pages, or None."""


class Split(NamedTuple):
    """How joined rows are taken apart."""

    width: int
    """Columns of the upper level."""
    key: tuple[int, ...]
    """Those of them that are the primary key."""
    child: int
    """A column that is NULL where there is no row of the lower level."""


class Along(NamedTuple):
    """Rows of one level, joined with those of the levels below it."""

    rows: list[Any]
    below: tuple[tuple[PlainLoad, Split], ...]
    """The load of each level below, and how its rows are split from those above."""

    def unfold(self) -> tuple[list[Any], tuple[PlainLoad, Along] | None]:
        """The rows of the level, and those below it with their load."""
        if not self.below:
            return self.rows, None
        (load, split), *more = self.below
        rows, rest = _core.split_rows(self.rows, *split)
        return rows, (load, Along(rest, tuple(more)))


class JoinedPages(NamedTuple):
    """The statement of several levels of first pages, and what its rows are."""

    statement: Select[Any]
    below: tuple[tuple[PlainLoad, Split], ...]

    @classmethod
    def of(cls, page: Numbered, loads: tuple[PlainLoad, ...]) -> JoinedPages:
        """The statement of a page, or of pages, and of the loads below it."""
        pages, below = [], []
        width = len(page.columns) + len(page.keys)
        for load in loads:
            assert load.pages is not None, "what comes along has pages"
            pages.append((load.pages, load.positions))
            below.append((load, Split(width, load.positions, width + load.first)))
            width = load.first + len(load.route.keys)
        return cls(joined_pages_statement(page, pages), tuple(below))


def are_few(rows: int, loads: tuple[PlainLoad, ...]) -> bool:
    """Whether few rows come of joining loads to rows of the level above them."""
    for load in loads:
        assert load.pages is not None, "what comes along has pages"
        rows *= load.pages.stop
    return rows <= MAX_ROWS


def may_join(dialect: Dialect) -> bool:
    """Whether a database takes lateral joins, and looks the rows of each parent up for them."""
    return dialect.name == "postgresql"


def first_pages(plan: RelationPlan, dialect: Dialect, stop: int | None) -> FirstPages | None:
    """The first pages of a field, where a lateral join may make them and those below them.

    :param stop: where they stop; None where the statement does not say it.
    """
    route = plan.plain_route(dialect)
    if not may_join(dialect) or stop is None or route is None:
        return None
    selects = plan.selects(plan.nodes)
    if route.through_parent or route.secondary is not None or not selects.may_be_direct:
        return None  # of an association a child may belong to several parents
    return FirstPages(route, plan.target, selects.columns, stop)


def may_follow(pages: FirstPages, parent: Mapper[Any]) -> bool:
    """Whether pages may come along with their parents: each has its own, and they are looked up.

    :param parent: the mapper of the parents.
    """
    return set(pages.route.names) == set(primary_key_names(parent)) and _is_indexed(pages.route)


def _is_indexed(route: Route) -> bool:
    """Whether the model declares an index that begins with the columns of the key."""
    columns = {key.property.columns[0] for key in route.keys}
    tables = {column.table for column in columns}
    table = tables.pop()
    if tables or not isinstance(table, Table):
        return False
    indexed = [
        *key_columns(table),
        *(
            list(index.expressions)
            for index in table.indexes
            if index.dialect_options["postgresql"]["where"] is None
        ),
    ]
    return any(set(each[: len(columns)]) == columns for each in indexed)
