"""Levels of several classes: what stands behind an interface or a union is loaded as rows.

The plan knows the fragments, so it knows for each concrete type which attributes are read. A level
selects them all at once: those of the base, the discriminator, and by outer joins what is asked of
subclasses that have tables of their own. A subclass that nothing is asked of adds nothing. In C the
discriminator of a row picks its type. Called from src/polymorph.c, once per place of a plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any

from graphene import Interface, Union
from graphql import GraphQLNamedType, GraphQLObjectType, GraphQLSchema, is_abstract_type
from sqlalchemy import Column, Join, Subquery, Table, inspect
from sqlalchemy.orm import ColumnProperty, Mapper
from sqlalchemy.orm.attributes import InstrumentedAttribute
from sqlalchemy.sql import visitors

from .columns import primary_key_names
from .levels import (
    ByInstances,
    Columns,
    FieldFacts,
    Kinds,
    Level,
    PlanOptions,
    Source,
    check_mapper,
    check_rows,
    check_type,
    check_type_of,
    column_attribute,
    is_mapped,
    is_same_attribute,
    mapper_of,
    plan_sources,
)

__all__ = [
    "are_mapped",
    "kinds_of",
    "nearest_types",
    "plan_kinds",
    "refuse_identity",
    "runtime_type",
]

_PLAIN_RESOLVE_TYPES = tuple(vars(cls)["resolve_type"].__func__ for cls in (Interface, Union))


# -- types --


def kinds_of(
    schema: GraphQLSchema, abstract: Any, base: GraphQLObjectType | None
) -> list[GraphQLObjectType]:
    """The types that rows at a place may have; empty where they are loaded as instances.

    :param abstract: the interface or union.
    :param base: the type of the class that is asked for, where it is known: that of a global id.
    """
    try:
        types = _types_by_mapper(schema, abstract)
        return list(dict.fromkeys(_types_below(_base_mapper(abstract, base, types), types)))
    except ByInstances:
        return []


def runtime_type(schema: GraphQLSchema, abstract: Any, cls: type) -> GraphQLObjectType | None:
    """The type of the instances of a class: that of the class itself or of its nearest base.

    :return: None where their type has to be asked for, each time.
    """
    mapper: Mapper[Any] | None = inspect(cls, raiseerr=False)
    # graphql-core looks for a name of its own in the value first.
    if not isinstance(mapper, Mapper) or hasattr(cls, f"_{cls.__name__}__typename"):
        return None
    try:
        types = _types_by_mapper(schema, abstract)
        for object_type in types.values():
            check_type_of(object_type)
    except ByInstances:
        return None
    return _nearest(mapper, types)


def nearest_types(
    schema: GraphQLSchema, abstract: Any, base: Mapper[Any]
) -> dict[Mapper[Any], GraphQLObjectType]:
    """The types of the objects below a base, by their mappers, without those that have none.

    :raises ByInstances: where something else than their classes decides.
    """
    types = _types_by_mapper(schema, abstract)
    found = {each: _nearest(each, types) for each in base.self_and_descendants}
    return {mapper: type_ for mapper, type_ in found.items() if type_ is not None}


def are_mapped(schema: GraphQLSchema, type_: Any) -> bool:
    """Whether a type is an interface or a union of nothing but mapped types."""
    return is_abstract_type(type_) and all(map(is_mapped, schema.get_possible_types(type_)))


def _types_by_mapper(schema: GraphQLSchema, abstract: Any) -> dict[Mapper[Any], GraphQLObjectType]:
    """The types of an interface or union by the classes that they show.

    :raises ByInstances: where something else than their classes decides.
    """
    own = getattr(abstract, "graphene_type", None)
    resolve_type = getattr(own, "resolve_type", None)
    if getattr(resolve_type, "__func__", None) not in _PLAIN_RESOLVE_TYPES:
        raise ByInstances(f"resolve_type of {abstract.name} is the application's own")
    types: dict[Mapper[Any], GraphQLObjectType] = {}
    for object_type in schema.get_possible_types(abstract):
        if not is_mapped(object_type):
            if object_type.is_type_of is None:
                continue  # no mapped object is one
            raise ByInstances(f"{object_type.name} is not a mapped type")
        types.setdefault(mapper_of(object_type), object_type)
    return types


def _base_mapper(
    abstract: Any,
    base: GraphQLObjectType | None,
    types: dict[Mapper[Any], GraphQLObjectType],
) -> Mapper[Any]:
    """The mapper whose objects, those of its subclasses among them, stand at a place."""
    shown = base if base is not None else abstract
    if is_mapped(shown):
        return mapper_of(shown)
    if not types:
        raise ByInstances(f"{abstract.name} has no types")

    def common(one: Mapper[Any], other: Mapper[Any]) -> Mapper[Any]:
        found = next((each for each in one.iterate_to_root() if other.isa(each)), None)
        if found is None:
            raise ByInstances(f"the classes of {abstract.name} have no common base")
        return found

    return reduce(common, types)


def _nearest(
    mapper: Mapper[Any], types: dict[Mapper[Any], GraphQLObjectType]
) -> GraphQLObjectType | None:
    return next((types[each] for each in mapper.iterate_to_root() if each in types), None)


def _types_below(
    base: Mapper[Any], types: dict[Mapper[Any], GraphQLObjectType]
) -> list[GraphQLObjectType]:
    found = (_nearest(each, types) for each in base.self_and_descendants)
    return [each for each in found if each is not None]


# -- levels --


def plan_kinds(
    schema: GraphQLSchema,
    abstract: GraphQLNamedType,
    base: GraphQLObjectType | None,
    selections: list[tuple[GraphQLObjectType, list[tuple[Any, ...]]]],
    options: PlanOptions,
) -> Level:
    """Decide how the objects at a place of an interface or a union are loaded.

    :param base: as for :func:`kinds_of`.
    :param selections: what is selected of each of those types: tuples of :class:`FieldFacts`.
    :param options: of the schema.
    """
    try:
        level = _plan_by_rows(schema, abstract, base, selections, options)
    except ByInstances as reason:
        level = Level(abstract, False, str(reason))
    level.log(options, is_mapped(abstract))
    return level


def _plan_by_rows(
    schema: GraphQLSchema,
    abstract: GraphQLNamedType,
    base: GraphQLObjectType | None,
    selections: list[tuple[GraphQLObjectType, list[tuple[Any, ...]]]],
    options: PlanOptions,
) -> Level:
    if not options.rows:
        raise ByInstances("row levels are switched off")
    if is_mapped(abstract):
        check_rows(abstract)
    types = _types_by_mapper(schema, abstract)
    mapper = _base_mapper(abstract, base, types)
    check_mapper(mapper, polymorphic=True)
    columns = _columns_of(mapper, types)
    sources: list[tuple[Source, ...]] = []
    keys: list[tuple[Mapper[Any], Mapper[Any], str]] = []
    for object_type, fields in selections:
        check_type(object_type)
        shown = mapper_of(object_type)
        facts = [FieldFacts(*each) for each in fields]
        own, own_keys = plan_sources(object_type, shown, facts, columns)
        sources.append(own)
        keys += ((shown, parent, name) for parent, name in own_keys)
    width = len(columns.names)
    kinds = Kinds(
        by_identity=_types_by_identity(mapper, types, [each for each, _ in selections]),
        sources=tuple(sources),
        positions=_positions(columns, keys),
        elements=columns.elements,
        joins=tuple(columns.joins),
        route=columns.route,
    )
    names = tuple(columns.names)
    return Level(abstract, True, None, mapper, names, width=width, kinds=kinds)


def _types_by_identity(
    base: Mapper[Any],
    types: dict[Mapper[Any], GraphQLObjectType],
    order: list[GraphQLObjectType],
) -> dict[Any, int | None]:
    """The type of each polymorphic identity below a base, by its position; None without one."""
    found = {}
    for identity, mapper in base.polymorphic_map.items():
        if mapper.isa(base):
            nearest = _nearest(mapper, types)
            found[identity] = None if nearest is None else order.index(nearest)
    return found


def _positions(
    columns: Columns, keys: list[tuple[Mapper[Any], Mapper[Any], str]]
) -> dict[tuple[Mapper[Any], str], int]:
    """The columns of keys: (class that is shown, parent of the relationship, attribute)."""
    positions: dict[tuple[Mapper[Any], str], int] = {}
    for shown, parent, name in keys:
        position = columns.position(shown, name)
        if positions.setdefault((parent, name), position) != position:
            raise ByInstances(f"{name} is not the same column of all classes")
    return positions


class _HierarchyColumns(Columns):
    """The columns of a base and of its subclasses, and the tables that have to be joined for them.

    :param types: as :func:`_types_by_mapper` gives them.
    :raises ByInstances: where it is not certain what the rows of the base are.
    """

    def __init__(self, base: Mapper[Any], types: dict[Mapper[Any], GraphQLObjectType]) -> None:
        super().__init__()
        self.elements: dict[str, Any] = {}
        """The columns that are no attributes of the base."""
        self.joins: list[tuple[Any, Any]] = []
        self._base = base
        self._shown: dict[GraphQLObjectType | None, list[Mapper[Any]]] = {}
        for each in base.self_and_descendants:
            self._shown.setdefault(_nearest(each, types), []).append(each)
        self._types = types
        self._aliases: dict[Any, Any] = {}
        self._tables = {each for each in visitors.iterate(base.selectable) if _is_table(each)}
        """The tables that rows of the base are selected from anyway."""
        self._select_discriminator()

    def shown_by(self, mapper: Mapper[Any]) -> Iterable[Mapper[Any]]:
        return self._shown[_nearest(mapper, self._types)]

    def _select_discriminator(self) -> None:
        """It comes first; by the attribute, because criteria of options look for its class."""
        column, base = _discriminator(self._base), self._base
        for prop in base.column_attrs:
            attribute = getattr(base.class_, prop.key, None)
            if column in prop.columns and isinstance(attribute, InstrumentedAttribute):
                self.names[prop.key] = 0
                return
        self._select(column)
        for name in primary_key_names(base):
            self.position(base, name)

    def _select(self, column: Any) -> int:
        """Select a column that is no attribute of the base."""
        # No attribute is named like that, and no other column.
        name = f"{column.table.name}.{column.key}"
        self.elements[name] = column
        return self.names.setdefault(name, len(self.names))


class _JoinedColumns(_HierarchyColumns):
    """Subclasses have tables of their own, or share that of the base."""

    def position(self, mapper: Mapper[Any], key: str) -> int:
        prop = column_attribute(mapper, key, self.shown_by(mapper))
        own = self._base.attrs.get(key)
        if own is not None and is_same_attribute(prop, own):
            return self.names.setdefault(key, len(self.names))
        column = prop.columns[0]
        if not isinstance(column, Column):
            raise ByInstances(f"{key} is an expression of the subclass {mapper.class_.__name__}")
        return self._select(
            column if column.table in self._tables else self._joined(mapper, column)
        )

    def _joined(self, mapper: Mapper[Any], column: Column[Any]) -> Any:
        """The column of a table that is joined for it, with those between it and the base."""
        lineage = list(mapper.iterate_to_root())
        for each in reversed(lineage[: lineage.index(self._base)]):
            self._join(each)
            if each.local_table is column.table:
                return self._aliases[column.table].c[column.key]
        raise ByInstances(f"{column} is in no table of the hierarchy")

    def _join(self, mapper: Mapper[Any]) -> None:
        table = mapper.local_table
        if table in self._aliases or table in self._tables:
            return
        if not isinstance(table, Table) or mapper.concrete or mapper.inherit_condition is None:
            raise ByInstances(f"{mapper.class_.__name__} is not joined to a table")
        alias = self._aliases[table] = table.alias()

        def replace(element: Any, **_: Any) -> Any:
            if isinstance(element, Column) and element.table in self._aliases:
                return self._aliases[element.table].c[element.key]
            return None

        condition = visitors.replacement_traverse(mapper.inherit_condition, {}, replace)
        self.joins.append((alias, condition))

    @property
    def route(self) -> str:
        if self._aliases:
            tables = ", ".join(table.name for table in self._aliases)
            return f"one statement with an outer join of {tables}: one row for each object"
        if len(self._tables) > 1:
            return "no join of its own: the mapper is with_polymorphic"
        return "no join: no table of a subclass is asked for"


class _UnionColumns(_HierarchyColumns):
    """Concrete classes: the mapper selects from a union of their tables."""

    def position(self, mapper: Mapper[Any], key: str) -> int:
        found = {self._in_union(each, key) for each in self.shown_by(mapper)}
        if len(found) > 1:
            raise ByInstances(f"{key} is not the same column of all classes")
        column, own = found.pop(), self._base.attrs.get(key)
        if isinstance(own, ColumnProperty) and self._corresponding(own) is column:
            return self.names.setdefault(key, len(self.names))
        return self._select(column)

    def _in_union(self, mapper: Mapper[Any], key: str) -> Any:
        prop = column_attribute(mapper, key, (mapper,))
        column = self._corresponding(prop)
        if column is None:
            raise ByInstances(f"{mapper.class_.__name__}.{key} is not in the union")
        return column

    def _corresponding(self, prop: ColumnProperty[Any]) -> Any:
        return self._base.selectable.corresponding_column(prop.columns[0])

    @property
    def route(self) -> str:
        return "a union of the classes' tables, as the mapper makes it"


def _is_table(element: Any) -> bool:
    return isinstance(element, Table)


def _discriminator(base: Mapper[Any]) -> Any:
    """The column that tells the classes of a base apart."""
    name = base.class_.__name__
    discriminator: Any = base.polymorphic_on
    if discriminator is None:
        raise ByInstances(f"{name} has no discriminator")
    if discriminator.table is not base.selectable and not (
        isinstance(discriminator, Column) and discriminator.table in base.tables
    ):
        raise ByInstances(f"the discriminator of {name} is no column of its table")
    return discriminator


def _columns_of(
    base: Mapper[Any], types: dict[Mapper[Any], GraphQLObjectType]
) -> _JoinedColumns | _UnionColumns:
    """The columns of a hierarchy, in the way in which its classes are mapped."""
    name, selectable = base.class_.__name__, base.selectable
    others = [each for each in base.self_and_descendants if each is not base]
    if all(each.concrete for each in others) and isinstance(selectable, Subquery):
        return _UnionColumns(base, types)
    if any(each.concrete for each in others):
        raise ByInstances(f"{name} has concrete subclasses and no union of them")
    if not all(_is_table(each) or isinstance(each, Join) for each in _from_parts(selectable)):
        raise ByInstances(f"{name} is loaded polymorphically from a selectable of its own")
    return _JoinedColumns(base, types)


def _from_parts(selectable: Any) -> Iterator[Any]:
    """A FROM clause and what it joins."""
    yield selectable
    if isinstance(selectable, Join):
        yield from _from_parts(selectable.left)
        yield from _from_parts(selectable.right)


def refuse_identity(discriminator: Any) -> None:
    """What the ORM raises for a discriminator that no class has.

    :raises AssertionError: always.
    """
    raise AssertionError(f"No such polymorphic_identity {discriminator!r} is defined")
