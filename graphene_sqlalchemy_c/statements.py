"""The SELECT that loads one relationship for many parents, by public SQLAlchemy API only.

A relationship has up to two routes, each a statement of rows ``(child, key column, ...)``:

*direct*
    The key is what the foreign key refers to, and is compared with the child's (or the secondary
    table's) own column: ``SELECT child.*, child.parent_id FROM child WHERE child.parent_id IN``.
    Rows find their parents by Python equality of two different columns' values, so the direct
    route is taken only where equal in the database means equal in Python.

*through the parent*
    The key is the parent's primary key, the parent's table is joined under an alias:
    ``SELECT child.*, parent_1.id FROM child, parent AS parent_1 WHERE <primaryjoin> AND
    parent_1.id IN``. For case-insensitive collations, type decorators and any primaryjoin that
    compares more than columns.

What fits neither is left to the attribute: the mapper is the only authority.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    Table,
    and_,
    any_,
    bindparam,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Mapper, RelationshipProperty
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ClauseElement
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.types import (
    CHAR,
    TEXT,
    VARCHAR,
    Boolean,
    Date,
    DateTime,
    Integer,
    String,
    Text,
    TypeDecorator,
    TypeEngine,
    Unicode,
    UnicodeText,
    Uuid,
)

from .columns import key_columns

KEYS_PER_STATEMENT = 500
"""Keys of one statement where they are sent one by one (an expanding IN), for one key column.

SQLAlchemy's own ``selectinload`` uses the same number. Where the dialect has array parameters
(PostgreSQL) one statement takes any number of keys.
"""

_JSON_EACH = (3, 38)
"""The version of SQLite that has json_each, whatever it was compiled with."""
_ROW_VALUES = frozenset({"sqlite", "postgresql", "mysql", "mariadb", "oracle"})
_EXACT_STRINGS = frozenset({"sqlite", "postgresql"})
_EXACT_STRING_SQL = re.compile(r"(VARCHAR|TEXT)(\(\d+\))?")
_EXACT_STRING_TYPES = frozenset({String, Text, Unicode, UnicodeText, VARCHAR, TEXT})
_LOADABLE = frozenset(
    {"select", "selectin", "joined", "subquery", "immediate", "raise", "raise_on_sql", True, False}
)


KEYS = "graphene_sqlalchemy_c_keys"
"""The parameter that takes the keys; no name that a primaryjoin would give one of its own."""


MAX_LISTED = 32
"""Keys that a statement of its own may list, at most."""
_LISTED = tuple(f"{KEYS}_{i}" for i in range(MAX_LISTED))


def listed_keys(keys: Iterable[Any]) -> dict[str, Any]:
    """The parameters of a statement for exactly so many keys: see :meth:`Route.listed`."""
    return dict(zip(_LISTED, keys, strict=False))


class _Numbers(TypeDecorator[list[int]]):
    """Integers as JSON in text, whatever serializer the engine has for JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        return json.dumps(value)


class NotBatchable(Exception):
    """The relationship is one that only the ORM itself can load; the message says why."""


@dataclass(frozen=True, eq=False)
class Route:
    """A way to load a relationship: what its statements are made of, and how they are called.

    ``session.execute(statement, {KEYS: [key, ...]})``
    """

    target: Any
    """The mapped class of the children."""
    secondary: Any
    """The association table, or None."""
    names: tuple[str, ...]
    """The parent's attributes that make up a key."""
    keys: tuple[Any, ...]
    """The columns of the statement that hold it."""
    criteria: tuple[Any, ...]
    """What is asked of the children besides the keys."""
    wanted: Any
    """The condition that a child belongs to one of the keys."""
    order_by: tuple[Any, ...]
    """The relationship's own order."""
    chunk: int | None
    """At most this many keys a call; None for any number."""
    through_parent: bool = False
    compared: tuple[str, ...] = ()
    """The parent's attributes that a join through the parent compares, as the database has them."""
    wanted_many: Any = None
    """What SQLite wants instead of `wanted` for more keys than a call takes; None for the same."""
    key_type: Any = None
    """What a key is bound as, where each is a parameter of the one key column; else None."""

    @cached_property
    def statement(self) -> Select[Any]:
        """(child, key column, ...) for every child."""
        return self.select(self.target)

    @cached_property
    def _many(self) -> Route | None:
        wanted = self.wanted_many
        return None if wanted is None else replace(self, wanted=wanted, wanted_many=None)

    def for_keys(self, count: int, dialect: Dialect) -> Route:
        """The route for so many keys: more than one call takes may want another statement."""
        if self._many is None or self.chunk is None or count <= self.chunk:
            return self
        version = getattr(dialect.dbapi, "sqlite_version_info", _JSON_EACH)
        return self._many if version >= _JSON_EACH else self

    def listed(self, count: int) -> Route | None:
        """The route for exactly so many keys, executed with :func:`listed_keys`.

        SQLAlchemy writes a list of any length into the statement for each execution anew, which is
        up to a fourth of the time that a few keys take.

        :return: None where the keys are no such list, or too many.
        """
        if self.key_type is None or count > MAX_LISTED:
            return None
        values = [bindparam(name, type_=self.key_type) for name in _LISTED[:count]]
        return replace(self, wanted=self.keys[0].in_(values))

    def below(self, parents: Iterable[Any]) -> Route:
        """The route for the children of other rows of the same statement, instead of keys.

        :param parents: the columns of those rows that make up a key.
        """
        pairs = zip(self.keys, parents, strict=True)
        return replace(self, wanted=and_(*(key == parent for key, parent in pairs)))

    def select(self, *what: Any) -> Select[Any]:
        """A statement of rows (what, ..., key column, ...), in the relationship's order."""
        return self.unordered(*what, *self.keys).order_by(*self.order_by)

    def unordered(self, *columns: Any) -> Select[Any]:
        """A statement of these columns of the children, for the keys that are asked for."""
        statement = select(*columns).where(*self.criteria, self.wanted)
        if self.secondary is not None:
            return statement.select_from(self.target, self.secondary)
        return statement.select_from(self.target)


def chunks(by_key: dict[Any, Any], size: int | None) -> Iterable[dict[Any, Any]]:
    """The keys in portions of one statement each.

    :param size: keys of a portion, at most; None for any number.
    """
    if size is None or len(by_key) <= size:
        return (by_key,) if by_key else ()
    items = iter(by_key.items())
    return iter(lambda: dict(islice(items, size)), {})


class RelationshipStatements:
    """What a mapper says of one relationship, and the statements that follow from it.

    :param relationship: a configured relationship of a mapper.
    :raises NotBatchable: when only the attribute itself can load it, on any database.
    """

    def __init__(self, relationship: RelationshipProperty[Any]) -> None:
        self._relationship = relationship
        self._parent: Mapper[Any] = relationship.parent
        self._target: Mapper[Any] = relationship.mapper
        self._routes: dict[tuple[str, bool], Route | None] = {}
        self._pairs: list[tuple[Column[Any], Column[Any]]] = []
        self._criteria: list[ColumnElement[bool]] = []
        self._parent_criteria: list[ColumnElement[bool]] = []
        if relationship.lazy not in _LOADABLE:
            raise NotBatchable(f"lazy={relationship.lazy!r}")
        if relationship.entity.is_aliased_class:
            raise NotBatchable("the target is an aliased class")
        self._read_primaryjoin()
        if relationship.secondary is not None:
            self._read_secondaryjoin()
        self.local_names = tuple(_attribute(self._parent, local) for local, _ in self._pairs)
        """The parent's attributes that the relationship starts from."""
        self.by_identity = self._is_by_identity()
        """Whether they are the target's primary key, in its order: LazyLoader's ``use_get``."""
        self.needs_unique = False
        """Whether the ORM was found to insist on ``unique()``."""

    def route(self, dialect: Dialect, through_parent: bool = False) -> Route | None:
        """The route to take on a database, made once and kept.

        :param dialect: of the engine that will execute the statement.
        :param through_parent: take this route even where the direct one is believed exact.
        :return: None where the relationship cannot be batched on this database.
        """
        key = (dialect.name, through_parent)
        if not through_parent and key not in self._routes and not self._is_exact(dialect):
            self._routes[key] = self.route(dialect, through_parent=True)
        if key not in self._routes:
            try:
                make = self._through_parent if key[1] else self._direct
                self._routes[key] = make(dialect.name)
            except NotBatchable:
                self._routes[key] = None
        return self._routes[key]

    # -- what the mapper says --

    def _read_primaryjoin(self) -> None:
        own = _selectables(self._parent)
        shared = own & _selectables(self._target)
        for clause in _conjuncts(self._relationship.primaryjoin):
            pair = self._as_pair(clause)
            tables = _tables(clause)
            if pair is not None:
                if any(isinstance(column.type, CHAR) for column in pair):
                    raise NotBatchable("a key of blank-padded strings")
                self._pairs.append(pair)
            elif tables & shared:
                raise NotBatchable("a join condition on a table that parent and child share")
            elif tables.isdisjoint(own):
                self._criteria.append(clause)
            else:
                self._parent_criteria.append(clause)

    def _read_secondaryjoin(self) -> None:
        own = _selectables(self._parent) | _selectables(self._target)
        secondary, clause = self._relationship.secondary, self._relationship.secondaryjoin
        assert secondary is not None and clause is not None
        if any(column.table in own for column in secondary.c):
            raise NotBatchable("the secondary contains the table of the parent or the child")
        if not _tables(clause).isdisjoint(_selectables(self._parent) - _selectables(self._target)):
            raise NotBatchable("a secondaryjoin on the parent, which a lazy load does not bind")
        self._criteria.append(clause)

    def _as_pair(self, clause: ClauseElement) -> tuple[Column[Any], Column[Any]] | None:
        """(local, remote) when the clause is the plain equality of such a pair."""
        if not isinstance(clause, BinaryExpression) or clause.operator is not operators.eq:
            return None
        left, right = clause.left, clause.right
        if not isinstance(left, Column) or not isinstance(right, Column):
            return None
        matching = [
            (local, remote)
            for local, remote in self._column_pairs()
            if (left.shares_lineage(local) and right.shares_lineage(remote))
            or (right.shares_lineage(local) and left.shares_lineage(remote))
        ]
        if len(matching) > 1:
            raise NotBatchable("a join condition that fits two pairs of columns")
        return matching[0] if matching else None

    def _column_pairs(self) -> list[tuple[Column[Any], Column[Any]]]:
        return self._relationship.local_remote_pairs or []  # type: ignore[return-value]

    def _is_by_identity(self) -> bool:
        relationship = self._relationship
        if (
            relationship.uselist
            or relationship.secondary is not None
            or self._criteria
            or self._parent_criteria
        ):
            return False
        wanted = [_attribute(self._target, column) for column in self._target.primary_key]
        pairs = {_attribute(self._target, remote): (local, remote) for local, remote in self._pairs}
        if len(self._pairs) != len(wanted) or set(pairs) != set(wanted):
            return False
        if not all(_bound_alike(local.type, remote.type) for local, remote in self._pairs):
            raise NotBatchable("a key that its two columns bind differently")
        self._pairs = [pairs[name] for name in wanted]
        self.local_names = tuple(_attribute(self._parent, local) for local, _ in self._pairs)
        return True

    @cached_property
    def start_names(self) -> tuple[str, ...]:
        """The parent's attributes that a route may start from, on any database."""
        names = dict.fromkeys(self.local_names)
        if not self._is_exact_everywhere and self._any_through_parent is not None:
            names.update(dict.fromkeys(self._any_through_parent.names))
        return tuple(names)

    @cached_property
    def compared_names(self) -> tuple[str, ...]:
        """The parent's attributes whose columns are compared by the database, on any database."""
        if self._is_exact_everywhere or self._any_through_parent is None:
            return ()
        return self._any_through_parent.compared

    @property
    def is_certain(self) -> bool:
        """Whether there is a route for every way in which a database may compare the keys."""
        return self._is_exact_everywhere or self._any_through_parent is not None

    @cached_property
    def _is_exact_everywhere(self) -> bool:
        return (
            bool(self._pairs)
            and not self._parent_criteria
            and all(_exact_type(local.type, remote.type) for local, remote in self._pairs)
        )

    @cached_property
    def _any_through_parent(self) -> Route | None:
        with suppress(NotBatchable):
            # SQLite for a database that takes composite keys; the names are the same on all.
            return self._through_parent("sqlite")
        return None

    @cached_property
    def repeats_children(self) -> bool:
        """Whether the association may hold a pair of parent and child twice."""
        secondary = self._relationship.secondary
        if secondary is None:
            return False
        if not isinstance(secondary, Table):
            return True
        linked = {column for pair in self._column_pairs() for column in pair}
        constraints = [set(columns) for columns in key_columns(secondary)]
        constraints += [set(index.columns) for index in secondary.indexes if index.unique]
        return not any(columns and columns <= linked for columns in constraints)

    # -- the routes --

    def _is_exact(self, dialect: Dialect) -> bool:
        """Whether the direct route exists, and equal in the database means equal in Python."""
        return (
            bool(self._pairs)
            and not self._parent_criteria
            and all(_equal_types(local.type, remote.type, dialect) for local, remote in self._pairs)
        )

    @cached_property
    def has_text_key(self) -> bool:
        """Whether a key is text, which a database may compare in ways that no model declares."""
        return any(isinstance(local.type, String) for local, _ in self._pairs)

    def _direct(self, dialect: str) -> Route:
        columns = [self._child_column(remote) for _, remote in self._pairs]
        # Keys are bound as the parent's column binds them, as LazyLoader does.
        types = [local.type for local, _ in self._pairs]
        return self._make(dialect, self.local_names, columns, types, self._criteria)

    def _through_parent(self, dialect: str) -> Route:
        columns = {local for local, _ in self._pairs}
        for clause in self._parent_criteria:
            columns |= {c for c in _columns(clause) if c.table in _selectables(self._parent)}
        tables = {column.table for column in columns}
        table = tables.pop() if len(tables) == 1 else None
        if not isinstance(table, Table) or not len(table.primary_key):
            raise NotBatchable("the parent's columns are not of one table with a primary key")
        alias = table.alias()

        def aliased(element: Any, **_: Any) -> Any:
            if isinstance(element, Column) and element.table is table:
                return alias.c[element.key]
            return None

        criteria = [
            alias.c[local.key] == self._child_column(remote) for local, remote in self._pairs
        ]
        criteria += [
            visitors.replacement_traverse(clause, {}, aliased) for clause in self._parent_criteria
        ]
        keys = list(table.primary_key)
        names = tuple(_attribute(self._parent, column) for column in keys)
        aliased_keys = [alias.c[column.key] for column in keys]
        types = [column.type for column in keys]
        criteria += self._criteria
        compared = {_attribute(self._parent, column) for column in columns if self._has(column)}
        return replace(
            self._make(dialect, names, aliased_keys, types, criteria),
            through_parent=True,
            compared=(*names, *sorted(compared.difference(names))),
        )

    def _has(self, column: Column[Any]) -> bool:
        """Whether the parent maps a column."""
        return self._parent.columns.contains_column(column)

    def _child_column(self, column: Column[Any]) -> ColumnElement[Any]:
        """The column as the ORM adapts it to the child's selectable, where it is mapped."""
        if self._relationship.secondary is None:
            return getattr(self._target.class_, _attribute(self._target, column))  # type: ignore[no-any-return]
        return column

    def _adapted(self, clause: Any) -> Any:
        """The clause over the child's mapped attributes, which the ORM adapts to its selectable.

        SQLAlchemy 2.0 does not adapt a table's own columns to a polymorphic union.
        """

        def mapped(element: Any, **_: Any) -> Any:
            if isinstance(element, Column) and self._target.columns.contains_column(element):
                key = self._target.get_property_by_column(element).key
                return getattr(self._target.class_, key).__clause_element__()
            return None

        return visitors.replacement_traverse(clause, {}, mapped)

    def _make(
        self,
        dialect: str,
        names: tuple[str, ...],
        columns: list[Any],
        types: list[Any],
        criteria: list[Any],
    ) -> Route:
        relationship = self._relationship
        chunk: int | None = KEYS_PER_STATEMENT // len(columns)
        wanted_many = key_type = None
        if len(columns) > 1:
            if dialect not in _ROW_VALUES:
                raise NotBatchable("composite keys need row values")
            wanted = tuple_(*columns, types=types).in_(bindparam(KEYS, expanding=True))
        elif dialect == "postgresql" and _fits_an_array(types[0]):
            array: postgresql.ARRAY[Any] = postgresql.ARRAY(types[0])
            wanted = columns[0] == any_(bindparam(KEYS, type_=array))
            chunk = None
        else:
            key_type = types[0]
            wanted = columns[0].in_(bindparam(KEYS, expanding=True, type_=key_type))
            if dialect == "sqlite" and _is_integer(key_type):
                # For a list of hundreds SQLite reads the whole table, and it would for each of many
                # lists. What it knows no number of, it looks up in the index.
                each = func.json_each(bindparam(KEYS, type_=_Numbers)).table_valued("value")
                wanted_many = columns[0].in_(select(each.c.value))
        return Route(
            target=self._target.class_,
            secondary=relationship.secondary,
            names=names,
            keys=tuple(columns),
            criteria=tuple(map(self._adapted, criteria)),
            wanted=wanted,
            order_by=tuple(map(self._adapted, relationship.order_by or ())),
            chunk=chunk,
            wanted_many=wanted_many,
            key_type=key_type,
        )


def _conjuncts(clause: ColumnElement[bool]) -> Iterator[ColumnElement[bool]]:
    if isinstance(clause, BooleanClauseList) and clause.operator is operators.and_:
        for part in clause.clauses:
            yield from _conjuncts(part)
    else:
        yield clause


def _selectables(mapper: Mapper[Any]) -> set[Any]:
    """What the columns of a mapper belong to: tables, and the subqueries that it is mapped to."""
    return {*mapper.tables, *(each.local_table for each in mapper.iterate_to_root())}


def _columns(clause: ClauseElement) -> set[Column[Any]]:
    return {element for element in visitors.iterate(clause) if isinstance(element, Column)}


def _tables(clause: ClauseElement) -> set[Any]:
    if any(isinstance(element, SelectBase) for element in visitors.iterate(clause)):
        raise NotBatchable("a join condition with a subquery")
    return {column.table for column in _columns(clause)}


def _attribute(mapper: Mapper[Any], column: ColumnElement[Any]) -> str:
    """The name of the mapped attribute that holds a column.

    :raises NotBatchable: when the column is not mapped.
    """
    try:
        return mapper.get_property_by_column(column).key
    except InvalidRequestError as error:
        raise NotBatchable(str(error)) from error


def _equal_types(local: TypeEngine[Any], remote: TypeEngine[Any], dialect: Dialect) -> bool:
    """Whether two columns that are equal on this database hold equal Python values."""
    return _exact_type(local, remote) or (
        dialect.name in _EXACT_STRINGS
        and all(
            type(type_) in _EXACT_STRING_TYPES
            # As it is on this database: a variant may be case-insensitive, or name a collation.
            and _EXACT_STRING_SQL.fullmatch(type_.compile(dialect=dialect)) is not None
            for type_ in (local, remote)
        )
    )


def _exact_type(local: TypeEngine[Any], remote: TypeEngine[Any]) -> bool:
    """Whether two columns that are equal on any database hold equal Python values."""
    for exact in (Integer, Uuid, Date, DateTime, Boolean):
        if all(isinstance(type_, exact) and _is_own(type_) for type_ in (local, remote)):
            return bool(getattr(local, "as_uuid", None) == getattr(remote, "as_uuid", None))
    return False


def _is_own(type_: TypeEngine[Any]) -> bool:
    """Whether a type is SQLAlchemy's, not a subclass that may process values in its own way."""
    return type(type_).__module__.startswith("sqlalchemy.")


def _bound_alike(local: TypeEngine[Any], remote: TypeEngine[Any]) -> bool:
    """Whether a value means the same in both columns.

    A load by identity binds the parent's value as the target's column does; a join would compare
    what the two columns hold.
    """
    return type(local) is type(remote) or (_is_own(local) and _is_own(remote))


def _fits_an_array(type_: TypeEngine[Any]) -> bool:
    """Whether an array of the type compares as the type does, with every PostgreSQL driver.

    Not so for blank-padded and case-insensitive strings, nor for what drivers send as text.
    """
    return _is_integer(type_) or type(type_) in _EXACT_STRING_TYPES


def _is_integer(type_: TypeEngine[Any]) -> bool:
    """Whether values of the type are plain integers, whatever they are bound as."""
    return isinstance(type_, Integer) and _is_own(type_)
