"""The SQL of pages: children that are numbered for each parent, and cut by their number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    UnaryExpression,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.selectable import FromClause

from .columns import primary_key, without_ties
from .pagination import NOT_ARRANGED, START, STOP, Arrangement, Page
from .statements import Route

__all__ = [
    "FirstPages",
    "Numbered",
    "joined_pages_statement",
    "numbered_page",
    "page_statement",
    "totals_statement",
]

_NUMBER = "gsc_number"
_TOTAL = "gsc_total"


def page_statement(
    route: Route,
    mapper: Mapper[Any],
    columns: list[Any],
    page: Page,
    counted: bool,
    arrangement: Arrangement,
    repeats: bool,
    is_direct: bool,
    own_stop: int | None,
) -> Select[Any]:
    """The pages of many parents: rows (column, ..., key column, ...[, number, total]).

    The children are numbered from 1 in a subquery. It selects their columns too, or it is one of
    keys alone and they are joined again: then the outer statement selects from the entity, which is
    what a listener of the session may add criteria on, and what is computed is computed for the
    page alone. The criteria of options reach both. Ties are broken by the primary key.

    :param route: how the relationship is loaded.
    :param mapper: of the children.
    :param columns: what to select of the children that are on a page.
    :param page: what to cut; its numbers are in the statement where `counted`, else they are the
        parameters START and STOP.
    :param counted: whether each row brings the total, and its page is found by it.
    :param arrangement: another order of the children than the relationship's, and a filter.
    :param repeats: whether a parent may have a child twice: its first place counts.
    :param is_direct: whether the subquery selects the columns; not where a child may be repeated.
    :param own_stop: where the pages stop, in the place of the parameter STOP; None for that.
    """
    key = primary_key(mapper)
    sorting = without_ties(arrangement.order_by or route.order_by, mapper)
    ranked = columns if is_direct else key
    inner = _ranked(route, sorting, ranked, counted, arrangement, repeats).subquery()
    chosen, parents, number = _parts(inner, len(ranked), len(route.keys))
    outer = select(*(chosen if is_direct else columns), *parents).order_by(number)
    if not is_direct:
        same = and_(*(column == own for column, own in zip(key, chosen, strict=True)))
        outer = outer.select_from(mapper.class_).join(inner, same)
    if counted:
        total = inner.c[_TOTAL]
        in_range = _counted_range(page, number - literal_column("1"), total)
        return outer.add_columns(number, total).where(in_range)
    # PostgreSQL stops numbering a parent's children where a comparison with the bare number ends.
    if page.start:
        outer = outer.where(number > bindparam(START))
    if own_stop is not None:
        outer = outer.where(number <= literal_column(str(own_stop)))
    elif page.stop is not None:
        # The size of a first page stands in the statement itself: its parameters are keys alone,
        # as upstream's batches have them and upstream's tests read them.
        stop = bindparam(STOP, type_=Integer, literal_execute=not page.start)
        outer = outer.where(number <= stop)
    return outer


def _ranked(
    route: Route,
    sorting: list[Any],
    columns: list[Any],
    counted: bool,
    arrangement: Arrangement,
    repeats: bool,
) -> Select[Any]:
    """(column of a child, ..., key of its parent, ..., number[, total]) for all children."""
    labels = [column.label(f"gsc_column_{i}") for i, column in enumerate(columns)]
    labels += [column.label(f"gsc_key_{i}") for i, column in enumerate(route.keys)]
    parents = list(route.keys)
    ranked = arrangement.filtered(route.unordered(*labels))
    if repeats:
        place = func.row_number().over(partition_by=parents, order_by=sorting)
        places = ranked.add_columns(place.label(_NUMBER)).subquery()
        chosen, parents, number = _parts(places, len(columns), len(route.keys))
        ranked = select(*chosen, *parents).group_by(*chosen, *parents)
        sorting = [func.min(number)]
    rank = func.row_number().over(partition_by=parents, order_by=sorting)
    ranked = ranked.add_columns(rank.label(_NUMBER))
    if counted:
        ranked = ranked.add_columns(func.count().over(partition_by=parents).label(_TOTAL))
    return ranked


def _parts(ranked: FromClause, width: int, keys: int) -> tuple[list[Any], list[Any], Any]:
    """The columns of the children, the keys of their parents and the number of `_ranked`.

    :param width: columns of a child.
    :param keys: columns of a key.
    """
    columns = list(ranked.c)
    return columns[:width], columns[width : width + keys], ranked.c[_NUMBER]


class Numbered(NamedTuple):
    """A subquery of numbered rows of one page, or of one for each parent."""

    source: FromClause
    columns: list[Any]
    """Of the objects."""
    keys: list[Any]
    """Of their parents."""
    number: Any
    last: Any
    """The number of a page's last row, which is there to tell whether more come."""


class FirstPages(NamedTuple):
    """First pages of many parents, whose subquery selects the columns of the children."""

    route: Route
    mapper: Mapper[Any]
    columns: list[Any]
    stop: int
    """The number of a page's last row: one more than the page, to see whether more come."""

    def numbered(self) -> Numbered:
        """The children of the keys that the statement takes."""
        return self._parts(self._ranked(self.route).subquery())

    def below(self, above: Numbered, key: tuple[int, ...]) -> Numbered:
        """The children of rows that are shown, for a lateral join.

        :param key: the columns of those rows that make up their key.
        """
        route = self.route.below([above.columns[i] for i in key])
        return self._parts(self._ranked(route).where(above.number < above.last).lateral())

    def _ranked(self, route: Route) -> Select[Any]:
        sorting = without_ties(route.order_by, self.mapper)
        return _ranked(route, sorting, self.columns, False, NOT_ARRANGED, False)

    def _parts(self, source: FromClause) -> Numbered:
        parts = _parts(source, len(self.columns), len(self.route.keys))
        return Numbered(source, *parts, literal_column(str(self.stop)))


def numbered_page(columns: list[Any], criteria: list[Any], sorting: list[Any]) -> Numbered:
    """A first page of a whole table; the parameter STOP is the number of its last row.

    The rows are numbered after they were cut: the database need not number all of them.

    :param sorting: columns, ascending or descending.
    """
    labels = [column.label(f"gsc_column_{i}") for i, column in enumerate(columns)]
    labels += [_sorted_by(each).label(f"gsc_sort_{i}") for i, each in enumerate(sorting)]
    last = bindparam(STOP, type_=Integer)
    found = select(*labels).where(*criteria).order_by(*sorting).limit(last).subquery()
    chosen, sorted_by = list(found.c)[: len(columns)], list(found.c)[len(columns) :]
    again = [
        UnaryExpression(column, modifier=each.modifier) if _is_directed(each) else column
        for each, column in zip(sorting, sorted_by, strict=True)
    ]
    number = func.row_number().over(order_by=again).label(_NUMBER)
    source = select(*chosen, number).subquery()
    return Numbered(source, *_parts(source, len(columns), 0), last)


def _is_directed(clause: Any) -> bool:
    """Whether it says ascending or descending."""
    return isinstance(clause, UnaryExpression)


def _sorted_by(clause: Any) -> Any:
    """The column of a clause of ORDER BY."""
    return clause.element if _is_directed(clause) else clause


def joined_pages_statement(
    page: Numbered, below: Iterable[tuple[FirstPages, tuple[int, ...]]]
) -> Select[Any]:
    """A page, the first pages of its objects, the first pages of theirs, ..., by lateral joins.

    Rows (column of an object, ..., key column, ..., column of one below it, ..., key column, ...):
    an object comes once for each that is below it, or once with NULL. The rows of one follow each
    other. The last row of a page has nothing below it.

    :param below: of each level the pages, and the columns of its parents that are their primary
        key, from which they start.
    """
    source, selected, order = page.source, [*page.columns, *page.keys], [page.number]
    above = page
    for pages, key in below:
        found = pages.below(above, key)
        source = source.outerjoin(found.source, found.number <= found.last)
        selected += [*found.columns, *found.keys]
        order += [*(above.columns[i] for i in key), found.number]
        above = found
    return select(*selected).select_from(source).where(page.number <= page.last).order_by(*order)


def totals_statement(
    route: Route, mapper: Mapper[Any], arrangement: Arrangement, repeats: bool
) -> Select[Any]:
    """Rows (key column, ..., number of children) for parents that have children."""
    if not repeats:
        counted = route.unordered(*route.keys, func.count()).group_by(*route.keys)
        return arrangement.filtered(counted)
    labels = [column.label(f"gsc_key_{i}") for i, column in enumerate(route.keys)]
    pairs = route.unordered(*labels, *primary_key(mapper)).distinct()
    columns = list(arrangement.filtered(pairs).subquery().c)[: len(labels)]
    return select(*columns, func.count()).group_by(*columns)


def _counted_range(page: Page, offset: Any, total: Any) -> ColumnElement[bool]:
    """graphql_relay's connection_from_array_slice in SQL. The first row always comes along, because
    only a row brings the total."""
    start: Any = 0
    end: Any = total
    if page.after is not None and page.after >= 0:
        start = case((total > page.after, page.after + 1), else_=0)
    if page.before is not None and page.before >= 0:
        end = case((total > page.before, page.before), else_=total)
    if page.first is not None:
        end = case((end < start + page.first, end), else_=start + page.first)
    if page.last is not None:
        start = case((start > end - page.last, start), else_=end - page.last)
    return or_(offset == 0, and_(offset >= start, offset < end))
