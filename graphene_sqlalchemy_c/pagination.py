"""Pages of connections: what their arguments ask for, and connections that count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache
from typing import Any

import graphene
from graphene.relay import Connection
from graphql import FieldNode, GraphQLField, Undefined, VariableNode, get_nullable_type
from graphql_relay import cursor_to_offset
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Mapper

from . import _upstream
from .columns import key_expression, primary_key

__all__ = ["Arrangement", "CountableConnection", "Limits", "Page", "is_counting_resolver"]

START = "graphene_sqlalchemy_c_start"
STOP = "graphene_sqlalchemy_c_stop"
MAX_OFFSET = 2**31 - 1
"""No connection has as many nodes: cursors and sums beyond it mean the same, and databases take it.
"""


class CountableConnection(Connection):
    """A relay connection with ``totalCount``; give it as ``Meta.connection_class``.

    The count is one statement for all connections of a level, and only when it is asked for.
    """

    class Meta:
        abstract = True

    total_count = graphene.Int(
        required=True, description="The number of nodes of the connection, on all pages."
    )

    def resolve_total_count(root, _info: Any) -> int:
        """Of a connection that was not cut in SQL: upstream keeps the length on it."""
        length = getattr(root, "length", None)
        return len(root.iterable) if length is None else length  # type: ignore[attr-defined]


def is_counting_resolver(resolver: Any) -> bool:
    """Whether a resolver is that of :class:`CountableConnection`."""
    return resolver is CountableConnection.resolve_total_count


@dataclass(frozen=True)
class Limits:
    """How many nodes a page may have; None allows anything.

    :raises ValueError: for numbers that are none of a page.
    """

    max_page_size: int | None = None
    default_page_size: int | None = None

    def __post_init__(self) -> None:
        for name, number in vars(self).items():
            if number is not None and (type(number) is not int or number < 0):
                raise ValueError(f"{name} must be a non-negative integer, not {number!r}")
        if (
            self.max_page_size is not None
            and self.default_page_size is not None
            and self.default_page_size > self.max_page_size
        ):
            raise ValueError("default_page_size must not be more than max_page_size")

    def __call__(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a connection field, with the default where they give no number.

        :raises ValueError: when they ask for more than is allowed.
        """
        given = {
            name: arguments[name] for name in ("first", "last") if arguments.get(name) is not None
        }
        for name, number in given.items():
            if self.max_page_size is not None and number > self.max_page_size:
                raise ValueError(
                    f"Argument '{name}' asks for {number} nodes, "
                    f"{self.max_page_size} are allowed at once."
                )
        if given:
            return arguments
        if self.default_page_size is None:
            raise ValueError(
                f"Give 'first' or 'last': {self.max_page_size} nodes are allowed at once."
            )
        return {**arguments, "first": self.default_page_size}


def page_limits(options: Any, return_type: Any) -> Limits | None:
    """What the arguments of a field are checked against, each time that they are coerced.

    :param options: the PlanOptions of the schema.
    :param return_type: the GraphQL type of the field.
    :return: None where anything is allowed, or the field is no connection.
    """
    connection = getattr(get_nullable_type(return_type), "graphene_type", None)
    if not (isinstance(connection, type) and issubclass(connection, Connection)):
        return None
    node: Any = connection._meta.node  # type: ignore[attr-defined]
    meta = getattr(_upstream.get_nullable_type(node), "_meta", None)
    own = {} if meta is None else vars(meta)
    limits = options.limits
    most = own.get("max_page_size", limits.max_page_size)
    default = own.get("default_page_size", limits.default_page_size)
    if most is None and default is None:
        return None
    if most is not None and default is not None:
        default = min(most, default)  # of a schema and of a type, which do not know of each other
    return Limits(most, default)


@dataclass(frozen=True)
class Page:
    """The page of a connection that its arguments ask for."""

    first: int | None
    last: int | None
    after: int | None
    """The offset that the cursor stands for; None where it is none."""
    before: int | None
    has_after: bool
    """Whether the argument was given, even malformed."""

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Page:
        """Read the arguments of a connection field.

        :raises ValueError: when a number is negative, in graphql-relay's words.
        """
        given = arguments.get
        return _page(given("first"), given("last"), given("after"), given("before"))

    @cached_property
    def arguments(self) -> tuple[int, int, int, bool, int, bool]:
        """(first, last, after, has_after, before, has_before) for `page_arguments` in pages.c."""
        return (
            -1 if self.first is None else self.first,
            -1 if self.last is None else self.last,
            -1 if self.after is None else self.after,
            self.has_after,
            -1 if self.before is None else self.before,
            self.before is not None,
        )

    @cached_property
    def needs_total(self) -> bool:
        """Whether only the total tells where the page is."""
        return self.last is not None

    @cached_property
    def start(self) -> int:
        """The offset of the first node, if the cursor is one of the connection's."""
        return max(self.after + 1, 0) if self.after is not None else 0

    @cached_property
    def stop(self) -> int | None:
        """The offset after the last row to load: one more than the page, to see whether more come.

        None for all.
        """
        ends = []
        if self.first is not None:
            ends.append(min(self.start + self.first + 1, MAX_OFFSET))
        if self.before is not None and self.before >= 0:
            ends.append(self.before)
        return min(ends) if ends else None

    @cached_property
    def has_extra(self) -> bool:
        """Whether the last row to load is not shown, but there to tell whether more come."""
        return self.first is not None and self.stop == self.start + self.first + 1

    @cached_property
    def is_whole(self) -> bool:
        """Whether it is the whole connection."""
        return self.start == 0 and self.stop is None and not self.needs_total

    @cached_property
    def parameters(self) -> dict[str, int]:
        """The parameters of :func:`page_statement`, unless it is counted."""
        parameters = {START: self.start} if self.start else {}
        if self.stop is not None:
            parameters[STOP] = self.stop
        return parameters

    @cached_property
    def shape(self) -> tuple[bool, bool]:
        """What of the page :func:`page_statement` depends on, unless it is counted."""
        return bool(self.start), self.stop is not None


@lru_cache(maxsize=1024)
def _page(first: int | None, last: int | None, after: str | None, before: str | None) -> Page:
    for name, number in (("first", first), ("last", last)):
        if number is not None and number < 0:
            raise ValueError(f"Argument '{name}' must be a non-negative integer.")
    return Page(first, last, _offset(after), _offset(before), bool(after))


def _offset(cursor: Any) -> int | None:
    """What a cursor stands for; None where it is none."""
    offset = cursor_to_offset(cursor) if isinstance(cursor, str) and cursor else None
    return None if offset is None else max(-MAX_OFFSET, min(offset, MAX_OFFSET - 1))


NO_NODES = Page(0, None, None, None, False)
"""The page of a connection that shows no nodes."""


@dataclass(frozen=True, eq=False)
class Arrangement:
    """What the `sort` and `filter` arguments of a nested connection ask for; false for nothing."""

    order_by: tuple[Any, ...] = ()
    criterion: ColumnElement[bool] | None = None

    def __bool__(self) -> bool:
        return bool(self.order_by) or self.criterion is not None

    def filtered(self, statement: Select[Any]) -> Select[Any]:
        """A statement of children with the filter."""
        return statement if self.criterion is None else statement.where(self.criterion)

    @classmethod
    def of(
        cls,
        arguments: dict[str, Any],
        node: FieldNode,
        variables: dict[str, Any],
        mapper: Mapper[Any],
    ) -> Arrangement:
        """Read the arguments; a sort that the client did not write is none.

        The default of the argument would displace the relationship's own order, and coerced
        arguments do not tell it from one that was written: the field node does.
        """
        written = {
            argument.name.value
            for argument in node.arguments
            if not isinstance(argument.value, VariableNode)
            or argument.value.name.value in variables
        }
        order = sort_clauses(arguments["sort"]) if "sort" in arguments and "sort" in written else ()
        criterion = None
        if arguments.get("filter") is not None:
            key = primary_key(mapper)
            found = filtered(select(*key), arguments["filter"]).correlate(None)
            criterion = key_expression(key).in_(found)
        return cls(order, criterion) if order or criterion is not None else NOT_ARRANGED


NOT_ARRANGED = Arrangement()


def may_arrange(definition: GraphQLField, node: FieldNode) -> bool:
    """Whether the arguments of a connection field may sort or filter it."""
    written = {argument.name.value for argument in node.arguments}
    filters = definition.args.get("filter")
    return not written.isdisjoint(("sort", "filter")) or (
        filters is not None and filters.default_value not in (None, Undefined)
    )


def sort_clauses(sort: Any) -> tuple[Any, ...]:
    """The ORDER BY of a `sort` argument: enum members, enum values or plain clauses."""
    items = sort if isinstance(sort, list) else [] if sort is None else [sort]
    clauses = []
    for item in items:
        value = item.value if isinstance(item, Enum) else item
        clauses.append(getattr(value, "value", value))
    return tuple(clauses)


def filtered(statement: Select[Any], argument: Any) -> Select[Any]:
    """A statement with the criteria of a `filter` argument, as upstream's filters make them."""
    statement, clauses = type(argument).execute_filters(statement, argument)
    return statement.where(*clauses)
