"""Levels: whether the objects at one place of a query are loaded as rows, and of which columns.

A level goes by rows when everything that it selects is a column, `__typename`, a relay id, a
relationship or a connection over one, and nobody wants to see the instances. Otherwise it is loaded
as ORM instances, and the level keeps the reason. Decided once per plan; called from src/level.c.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from graphene.relay import Connection, PageInfo
from graphql import GraphQLNamedType, GraphQLObjectType
from sqlalchemy import Select, inspect
from sqlalchemy.orm import ColumnProperty, Mapper, RelationshipProperty, Session
from sqlalchemy.orm.attributes import InstrumentedAttribute

from . import _upstream
from ._sqlalchemy import column_refusal, is_watched, load_events
from .columns import entity_columns, is_table_column, primary_key_names
from .pagination import Limits, is_counting_resolver
from .sessions import sees_rows

__all__ = ["Kinds", "Level", "PlanOptions", "is_connection", "is_mapped", "plan_level"]

logger = logging.getLogger("graphene_sqlalchemy_c")

# The numbers of `row_kind` in plan.h.
ROW_NOTHING = 0
ROW_TYPENAME = 1
ROW_VALUE = 2
ROW_GLOBAL_ID = 3
ROW_RELATION = 4
ROW_EDGES = 5
ROW_NODE = 6
ROW_CURSOR = 7
ROW_PAGE_INFO = 8
ROW_HAS_NEXT = 9
ROW_HAS_PREVIOUS = 10
ROW_START_CURSOR = 11
ROW_END_CURSOR = 12
ROW_TOTAL = 13

# The numbers of `group_kind` in rows.h.
GROUP_LIST, GROUP_ONE, GROUP_PAGE, GROUP_INSTANCES = range(4)

_PARTS = {"edges": ROW_EDGES, "page_info": ROW_PAGE_INFO}
_EDGE = {"node": ROW_NODE, "cursor": ROW_CURSOR}
_PAGE_INFO = {
    "has_next_page": ROW_HAS_NEXT,
    "has_previous_page": ROW_HAS_PREVIOUS,
    "start_cursor": ROW_START_CURSOR,
    "end_cursor": ROW_END_CURSOR,
}


@dataclass(frozen=True)
class PlanOptions:
    """What a schema says of its levels."""

    rows: bool = True
    """Whether levels may be loaded as rows."""
    limits: Limits = field(default_factory=Limits)
    max_objects: int | None = None
    """Objects of one response, at most."""
    is_logged: bool = True
    """Whether the reasons of levels that are loaded as instances are logged."""


Source = tuple[int, int | tuple[int, ...] | None]


@dataclass(eq=False)
class Level:
    """How the objects of one selection are loaded."""

    object_type: GraphQLNamedType
    """Their type, or the interface or union that their types belong to."""
    by_rows: bool
    reason: str | None = None
    """Why it is not by rows."""
    mapper: Mapper[Any] | None = None
    columns: tuple[str, ...] = ()
    """The mapped attributes to select: those that are shown, then keys of relationships."""
    sources: tuple[Source, ...] = ()
    """For each field, its `row_kind` and column or columns."""
    width: int = 0
    """How many of the columns are shown."""
    kinds: Kinds | None = None
    """Of objects of several classes: how they are told apart; see inheritance.py."""
    is_connection: bool = False
    node: Level | None = None
    """Of a connection: the level of its nodes; None where they are not selected."""
    shows_nodes: bool = False
    """Of a connection: whether nodes are selected, by rows or as instances."""
    shows_page: bool = False
    """Of a connection: whether its edges or its page info are selected."""
    counts: bool = False
    """Of a connection: whether the total is asked for."""
    statements: dict[Any, Any] = field(default_factory=dict)
    """Statements that were built for the level, by what they depend on."""
    relations: dict[Any, Any] = field(default_factory=dict)
    """The plans of the relationships that it is the selection of, by resolver."""
    templates: dict[Any, Any] = field(default_factory=dict)
    """Statements that stand in for those of resolvers, by their shape."""
    joined_templates: dict[Any, dict[Any, Any]] = field(default_factory=dict)
    """The same of statements that bring loads of the levels below along, by those."""

    _positions: dict[Any, tuple[int, ...]] = field(default_factory=dict)
    _shown: tuple[Any, tuple[Any, ...]] = None, ()

    fallbacks: set[str] | None = field(default_factory=set)
    """Why instances were loaded after all, each reason once; None where it is not logged."""

    def fall_back(self, reason: str) -> None:
        """Log, once, why the level is loaded as instances."""
        if self.fallbacks is not None and reason not in self.fallbacks:
            self.fallbacks.add(reason)
            logger.info("%s is loaded as instances: %s", self.object_type.name, reason)

    def log(self, options: PlanOptions, is_of_interest: bool) -> None:
        """Log why the level is not by rows, and from now on why it is not loaded as rows."""
        if not options.is_logged:
            self.fallbacks = None
        elif self.reason is not None and is_of_interest:
            self.fall_back(self.reason)

    def is_usable(self, session: Session) -> bool:
        """Whether the level may be loaded as rows in a session, as it is now.

        A listener may have been added since the level was planned.
        """
        if not (self.by_rows and sees_rows(session)):
            return False
        if self.mapper is None:
            return True
        shown = self.mapper.self_and_descendants
        if shown is not self._shown[0]:  # it is another collection once a class was added
            self._shown = shown, tuple(map(load_events, shown))
        # Asked for each level, for which a generator would be made.
        for events in self._shown[1]:  # noqa: SIM110
            if events.load or events.refresh:
                return False
        return True

    def positions(self, mapper: Mapper[Any], names: tuple[str, ...]) -> tuple[int, ...]:
        """The columns of a row that hold attributes of a mapper."""
        found = self._positions.get((mapper, names))
        if found is None:
            if self.kinds is not None:
                found = tuple(self.kinds.positions[mapper, name] for name in names)
            else:
                found = tuple(self._index[name] for name in names)
            self._positions[mapper, names] = found
        return found

    @cached_property
    def _index(self) -> dict[str, int]:
        """The column of each attribute."""
        return {name: position for position, name in enumerate(self.columns)}

    @cached_property
    def has_plain_columns(self) -> bool:
        """Whether it selects columns of its mapper's tables and nothing else."""
        if self.mapper is None or self.kinds is not None:
            return False
        return all(map(is_table_column, entity_columns(self.mapper, self.columns)))

    def select(self, mapper: Mapper[Any], names: tuple[str, ...]) -> list[Any]:
        """What to select of a mapper's objects for columns of those names."""
        if self.kinds is None:
            return entity_columns(mapper, names)
        others = self.kinds.elements
        return [others[name] if name in others else getattr(mapper.class_, name) for name in names]

    def joined(self, statement: Select[Any]) -> Select[Any]:
        """A statement of these columns with what has to be joined for them."""
        if self.kinds is not None and self.mapper is not None:
            for table, condition in self.kinds.joins:
                statement = statement.outerjoin_from(self.mapper.class_, table, condition)
        return statement


@dataclass(frozen=True, eq=False)
class Kinds:
    """The classes of a level's objects: what they add to its statements, and their fields.

    The first column of a row is the discriminator.
    """

    by_identity: dict[Any, int | None]
    """The type of each polymorphic identity, by its position; None for a class without one."""
    sources: tuple[tuple[Source, ...], ...]
    """Of each type, as :attr:`Level.sources`."""
    elements: dict[str, Any]
    """The columns that are no attributes of the level's mapper, by their name."""
    joins: tuple[tuple[Any, Any], ...]
    """Tables of subclasses, under aliases, and the conditions of their outer joins."""
    positions: dict[tuple[Mapper[Any], str], int]
    """The columns of the keys that relationships of a mapper start from."""
    route: str
    """How the columns of subclasses are loaded, and why; for explain."""


class FieldFacts(NamedTuple):
    """A field of a selection as src/level.c describes it."""

    name: str
    response_name: str
    resolver: tuple[str, str | None]
    """(kind, key)"""
    inner: tuple[str, str | None] | None
    """The same of the id below a global id."""
    batch: Any
    callable: Any
    below: Level | None
    """Of a field inside of a connection: the level of its objects."""


class ByInstances(Exception):
    """The level must be loaded as instances; the message says why."""


class Columns:
    """The columns that a level selects, as its fields ask for them."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        """The position of each."""

    def position(self, mapper: Mapper[Any], key: str) -> int:
        """Where the value of a mapped attribute is found.

        :raises ByInstances: where it is no column.
        """
        if key not in self.names:
            column_attribute(mapper, key, self.shown_by(mapper))
            self.names[key] = len(self.names)
        return self.names[key]

    def shown_by(self, mapper: Mapper[Any]) -> Iterable[Mapper[Any]]:
        """The classes whose objects are shown as those of a mapper."""
        return mapper.self_and_descendants


def is_connection(object_type: GraphQLObjectType) -> bool:
    """Whether a type is a relay connection of graphene's."""
    cls = getattr(object_type, "graphene_type", None)
    return isinstance(cls, type) and issubclass(cls, Connection)


def is_mapped(type_: Any) -> bool:
    """Whether a GraphQL type shows a mapped class by way of graphene-sqlalchemy."""
    return is_mapped_class(getattr(type_, "graphene_type", None))


def is_mapped_class(cls: Any) -> bool:
    """The same of the class of graphene's that a GraphQL type is made from."""
    return isinstance(cls, type) and issubclass(cls, _upstream.SQLAlchemyBase)


def plan_level(
    object_type: GraphQLObjectType,
    fields: list[tuple[Any, ...]],
    options: PlanOptions,
    is_part: bool,
) -> Level:
    """Decide how the objects of a selection are loaded.

    :param object_type: their type.
    :param fields: one tuple of :class:`FieldFacts` for each field.
    :param options: of the schema.
    :param is_part: whether the selection is below a connection and above its nodes.
    """
    facts = [FieldFacts(*each) for each in fields]
    try:
        level = _plan_by_rows(object_type, facts, options, is_part)
    except ByInstances as reason:
        level = Level(object_type, False, str(reason))
    level.log(options, is_connection(object_type) or is_mapped(object_type))
    return level


def _plan_by_rows(
    object_type: GraphQLObjectType, facts: list[FieldFacts], options: PlanOptions, is_part: bool
) -> Level:
    cls = getattr(object_type, "graphene_type", None)
    if not options.rows:
        raise ByInstances("row levels are switched off")
    if is_connection(object_type):
        return _plan_connection(object_type, facts)
    if is_mapped(object_type):
        return _plan_object(object_type, facts)
    if is_part:
        return _plan_part(object_type, cls, facts)
    raise ByInstances(f"{object_type.name} is not a mapped type")


# -- connections, edges and page infos --


def _plan_connection(object_type: GraphQLObjectType, fields: list[FieldFacts]) -> Level:
    level = Level(object_type, True, is_connection=True)
    sources: list[Source] = []
    for each in fields:
        kind, key = each.resolver
        if kind == "typename":
            sources.append((ROW_TYPENAME, None))
        elif kind == "attribute" and key in _PARTS:
            if each.below is None or not each.below.by_rows:
                reason = each.below.reason if each.below else "its selection is not plain"
                raise ByInstances(f"{each.name}: {reason}")
            if key == "edges":
                if any(source[0] == ROW_EDGES for source in sources):
                    raise ByInstances("edges are selected twice")
                level.node = each.below.node
                level.shows_nodes = each.below.shows_nodes
            level.shows_page = True
            sources.append((_PARTS[key], None))
        elif is_counting_resolver(each.callable):
            level.counts = True
            sources.append((ROW_TOTAL, None))
        else:
            raise ByInstances(f"the connection's field {each.name} has a resolver")
    level.sources = tuple(sources)
    return level


def _plan_part(object_type: GraphQLObjectType, cls: Any, fields: list[FieldFacts]) -> Level:
    """An edge or a page info; anything else has resolvers of its own."""
    known = _PAGE_INFO if cls is PageInfo else _EDGE
    level = Level(object_type, True)
    sources: list[Source] = []
    nodes: list[Level | None] = []
    for each in fields:
        kind, key = each.resolver
        if kind == "typename":
            sources.append((ROW_TYPENAME, None))
        elif kind == "attribute" and key in known:
            sources.append((known[key], None))
            if key == "node":
                nodes.append(each.below)
        else:
            raise ByInstances(f"{object_type.name}.{each.name} has a resolver")
    if len(nodes) > 1:
        raise ByInstances("a node is selected twice")
    level.shows_nodes = bool(nodes)
    level.node = nodes[0] if nodes else None
    level.sources = tuple(sources)
    return level


# -- mapped objects --


def _plan_object(object_type: GraphQLObjectType, fields: list[FieldFacts]) -> Level:
    mapper = mapper_of(object_type)
    check_type(object_type)
    check_mapper(mapper)
    columns = Columns()
    sources, keys = plan_sources(object_type, mapper, fields, columns)
    width = len(columns.names)
    for _, name in keys:
        columns.position(mapper, name)
    if not any(map(is_table_column, entity_columns(mapper, tuple(columns.names)))):
        # A row has to be there to be seen, and a subquery alone does not name the table.
        for name in primary_key_names(mapper):
            columns.position(mapper, name)
    return Level(object_type, True, None, mapper, tuple(columns.names), sources, width=width)


def plan_sources(
    object_type: GraphQLObjectType,
    mapper: Mapper[Any],
    fields: list[FieldFacts],
    columns: Columns,
) -> tuple[tuple[Source, ...], list[tuple[Mapper[Any], str]]]:
    """Where the fields of a type find their values, and the keys that its relationships need.

    :param mapper: of the type's objects.
    :param columns: takes the columns that are shown.
    :raises ByInstances: for a field that a row has no value for.
    """
    sources: list[Source] = []
    keys: dict[tuple[Mapper[Any], str], None] = {}
    for each in fields:
        try:
            sources.append(_source_of(mapper, each, columns, keys))
        except ByInstances as reason:
            raise ByInstances(f"{object_type.name}.{each.name}: {reason}") from None
    return tuple(sources), list(keys)


def mapper_of(type_: Any) -> Mapper[Any]:
    """The mapper of the class that a GraphQL type shows."""
    mapper: Mapper[Any] = inspect(type_.graphene_type._meta.model)
    return mapper


def check_type(object_type: GraphQLObjectType) -> None:
    """Raise where the type says that its objects are to be instances."""
    check_rows(object_type)
    check_type_of(object_type)


def check_rows(type_: Any) -> None:
    """Raise where the option of a mapped type switches rows off."""
    if getattr(type_.graphene_type._meta, "rows", None) is False:
        raise ByInstances("Meta.rows is False")


def check_type_of(object_type: GraphQLObjectType) -> None:
    """Only where graphene-sqlalchemy's own check decides, a row is as good as an instance."""
    check = getattr(object_type, "is_type_of", None)
    if getattr(check, "__func__", None) is not _upstream.plain_is_type_of:
        raise ByInstances("is_type_of is the application's own")


def check_mapper(mapper: Mapper[Any], polymorphic: bool = False) -> None:
    """Raise where somebody has to see the instances of a mapper.

    :param polymorphic: whether it is known how the mapper's subclasses are loaded.
    """
    for each in mapper.self_and_descendants:
        if is_watched(each):
            raise ByInstances(f"{each.class_.__name__} has load or refresh events")
        if not polymorphic and (each.concrete or each.with_polymorphic is not None):
            raise ByInstances(f"{each.class_.__name__} is loaded polymorphically")
        for relationship in each.relationships:
            if relationship.lazy == "joined" and relationship.innerjoin:
                raise ByInstances(f"{relationship} is loaded by an inner join")
        reads: Any = each.class_.__getattribute__
        if reads is not object.__getattribute__:
            raise ByInstances(f"{each.class_.__name__} has a __getattribute__ of its own")


def _source_of(
    mapper: Mapper[Any],
    fact: FieldFacts,
    columns: Columns,
    keys: dict[tuple[Mapper[Any], str], None],
) -> Source:
    kind, key = fact.resolver
    if kind == "typename":
        return ROW_TYPENAME, None
    if kind in ("attribute", "primary key"):
        return ROW_VALUE, _columns_of(mapper, kind, key, columns)
    if kind == "global id" and fact.inner is not None:
        return ROW_GLOBAL_ID, _columns_of(mapper, *fact.inner, columns)
    if kind in ("relationship", "connection"):
        loader = fact.batch.loader
        _check_relationship(columns.shown_by(mapper), loader)
        parent = loader.relationship.parent
        keys.update(dict.fromkeys((parent, name) for name in loader.statements.start_names))
        return ROW_RELATION, None
    raise ByInstances("its resolver is a Python callable")


def _columns_of(
    mapper: Mapper[Any], kind: str, key: str | None, columns: Columns
) -> int | tuple[int, ...]:
    if kind == "attribute" and key is not None:
        return columns.position(mapper, key)
    if kind != "primary key":
        raise ByInstances("its resolver is a Python callable")
    found = tuple(columns.position(mapper, name) for name in primary_key_names(mapper))
    return found if len(found) > 1 else found[0]


def column_attribute(
    mapper: Mapper[Any], key: str, shown: Iterable[Mapper[Any]]
) -> ColumnProperty[Any]:
    """The column that a mapper has under a name.

    :param shown: other mappers that must have the same.
    :raises ByInstances: where it is anything else.
    """
    prop = mapper.attrs.get(key)
    if not isinstance(prop, ColumnProperty):
        what = "no mapped attribute" if prop is None else type(prop).__name__
        raise ByInstances(f"{key} is {what}, not a column")
    refusal = column_refusal(prop)
    if refusal is not None:
        raise ByInstances(f"{key}: {refusal}")
    for each in shown:
        _check_attribute(each, key, prop)
    return prop


def _check_attribute(mapper: Mapper[Any], key: str, prop: Any) -> None:
    """Raise where instances of a class have something else under the name."""
    same = is_same_attribute(mapper.attrs.get(key), prop)
    found = next((vars(base)[key] for base in mapper.class_.__mro__ if key in vars(base)), None)
    if not same or not isinstance(found, InstrumentedAttribute) or found.key != key:
        raise ByInstances(f"{mapper.class_.__name__}.{key} is not the mapped attribute itself")


def is_same_attribute(own: Any, prop: Any) -> bool:
    """Whether what a subclass has under a name is the attribute that it inherits."""
    return own is prop or (
        isinstance(own, ColumnProperty)
        and isinstance(prop, ColumnProperty)
        and any(column is prop.columns[0] for column in own.columns)
    )


def _check_relationship(shown: Iterable[Mapper[Any]], loader: Any) -> None:
    if loader.reason is not None:
        raise ByInstances(f"the relationship cannot be batched: {loader.reason}")
    if not loader.statements.is_certain:
        raise ByInstances("a database may compare its keys in a way of its own")
    for name in loader.statements.compared_names:
        refusal = column_refusal(loader.relationship.parent.column_attrs[name])
        if refusal is not None:
            raise ByInstances(f"{name}: {refusal}")
    relationship: RelationshipProperty[Any] = loader.relationship
    collection = relationship.collection_class
    if collection not in (None, list):
        raise ByInstances("its collection_class is not list")
    for each in shown:
        _check_attribute(each, loader.key, relationship)
