"""Authorisation: the criteria of `get_query`, wherever rows of a type are read.

A `SchemaGuard` knows which types of a schema are guarded and at which places that counts; it is
made once. A `Guard` is that of one operation: it calls `get_query`, gives the statements of row
levels their criteria, and says which instances are visible. Called from src/guard.c and loads.c.
"""

from __future__ import annotations

import warnings
from asyncio import gather
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import isawaitable
from typing import Any
from weakref import WeakSet

from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    is_abstract_type,
    is_object_type,
)
from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import FromStatement, Mapper, Session
from sqlalchemy.orm.attributes import instance_state

from . import _upstream
from ._graphql import Path
from ._sqlalchemy import guard_option
from .columns import key_expression, primary_key
from .criteria import Criterion, GuardError, base_of, check_keys, criterion_of
from .inheritance import nearest_types, runtime_type
from .levels import ByInstances, Level, is_connection, is_mapped, mapper_of
from .sessions import unwrapped
from .statements import KEYS_PER_STATEMENT

__all__ = [
    "Guard",
    "GuardError",
    "SchemaGuard",
    "enforce",
    "gather_items",
    "guard_of",
    "guarded",
    "has_plain_query",
    "operation_info",
    "warn_of_unenforced",
]

_EXTENSION = "graphene_sqlalchemy_c_guard"
_MARK = "_graphene_sqlalchemy_c_is_visible"

# How the values of a type are checked; the numbers of src/guard.c.
GUARD_OBJECT = 1
GUARD_LIST = 2
GUARD_CONNECTION = 4

# What a slot asks about; likewise.
SUBJECT_OBJECT = 0
SUBJECT_LIST = 1
SUBJECT_CONNECTION = 2

_running: ContextVar[Any] = ContextVar("graphene_sqlalchemy_c_running", default=None)
"""The variables of the operation that our walk executes: one dict for each operation."""


def has_plain_query(cls: Any) -> bool:
    """Whether `get_query` of a type is graphene-sqlalchemy's own."""
    return getattr(cls.get_query, "__func__", None) is _upstream.plain_get_query


def guard_of(schema: GraphQLSchema) -> SchemaGuard | None:
    """The guard of a schema that enforces `get_query`; None for any other.

    A schema that was made from another one has the other's extensions, and types of its own.
    """
    guard: SchemaGuard | None = schema.extensions.get(_EXTENSION)
    if guard is not None and guard.schema is not schema:
        guard = SchemaGuard(schema)
        schema.extensions = {**schema.extensions, _EXTENSION: guard}
    return guard


def enforce(schema: GraphQLSchema) -> None:
    """Have a schema enforce `get_query`.

    Its guarded types refuse to be shown by any executor but ours, which is what keeps a view that
    calls graphql-core by itself from showing everything.

    :param schema: made by graphene.
    """
    guard = SchemaGuard(schema)
    schema.extensions[_EXTENSION] = guard
    for type_, how in guard.places.items():
        if how & GUARD_OBJECT:
            type_.is_type_of = _TypeOfGuarded(type_)


_warned: WeakSet[type] = WeakSet()


def warn_of_unenforced(schema: GraphQLSchema, stacklevel: int) -> None:
    """Warn, once for each, of the types whose `get_query` is called for nodes alone.

    :param schema: one that does not enforce it.
    :param stacklevel: of the warning.
    """
    for cls in _overriding(schema):
        if cls not in _warned:
            _warned.add(cls)
            warnings.warn(
                f"{cls.__name__} overrides get_query, which graphene-sqlalchemy calls for nodes "
                "by their global id alone: lists, connections and relationships show rows that it "
                "leaves out. graphene_sqlalchemy_c.Schema(enforce_get_query=True) applies it "
                "everywhere; enforce_get_query=False says that this is meant.",
                UserWarning,
                stacklevel=stacklevel + 1,
            )


def _overriding(schema: GraphQLSchema) -> Iterator[type]:
    for type_ in schema.type_map.values():
        if is_mapped(type_) and not has_plain_query(type_.graphene_type):  # type: ignore[attr-defined]
            yield type_.graphene_type  # type: ignore[attr-defined]


class _TypeOfGuarded:
    """`is_type_of` of a guarded type, which only our walk may ask."""

    def __init__(self, object_type: GraphQLObjectType) -> None:
        self._name = object_type.name
        self._original: Any = object_type.is_type_of
        # By which levels.py tells graphene-sqlalchemy's own check.
        self.__func__ = getattr(self._original, "__func__", None)

    def __call__(self, value: Any, info: GraphQLResolveInfo) -> Any:
        guard = guard_of(info.schema)
        is_guarded = guard is not None and info.schema.get_type(self._name) in guard.places
        if not is_guarded or _running.get() is not info.variable_values:
            raise GuardError(
                f"get_query of {self._name} is enforced, which needs the executor of "
                "graphene_sqlalchemy_c; another one is executing."
            )
        return True if self._original is None else self._original(value, info)


class SchemaGuard:
    """The guarded types of a schema.

    A type is guarded by its own `get_query` and by those of the `SQLAlchemyInterface`s that it
    implements, where the application overrides them.

    :param schema: made by graphene.
    """

    def __init__(self, schema: GraphQLSchema) -> None:
        self.schema = schema
        self.classes: dict[GraphQLObjectType, tuple[Any, ...]] = {}
        """The classes whose `get_query` guards a type."""
        self.nodes: dict[Any, Any] = {}
        """The type of the nodes of each connection over guarded types."""
        self.places: dict[Any, int] = {}
        """How the values of each type are checked; read by src/guard.c."""
        for type_ in schema.type_map.values():
            if is_object_type(type_) and is_mapped(type_):
                self._add_object(type_)
        for type_ in schema.type_map.values():
            if is_abstract_type(type_) and self.classes_at(type_):
                self.places[type_] = GUARD_LIST
        for type_ in schema.type_map.values():
            if isinstance(type_, GraphQLObjectType) and is_connection(type_):
                self._add_connection(type_)

    def _add_object(self, object_type: Any) -> None:
        shown = (object_type, *object_type.interfaces)
        classes = tuple(
            each.graphene_type
            for each in shown
            if is_mapped(each) and not has_plain_query(each.graphene_type)
        )
        if classes:
            self.classes[object_type] = classes
            self.places[object_type] = GUARD_OBJECT | GUARD_LIST

    def _add_connection(self, connection_type: Any) -> None:
        node = connection_type.graphene_type._meta.node
        name = getattr(node, "of_type", node)._meta.name
        type_ = self.schema.type_map.get(name)
        if type_ in self.places:
            self.nodes[connection_type] = type_
            self.places[connection_type] = GUARD_OBJECT | GUARD_CONNECTION

    def classes_at(self, type_: Any) -> tuple[Any, ...]:
        """The classes whose `get_query` guards the objects of a type, whichever they have."""
        if is_abstract_type(type_):
            possible = self.schema.get_possible_types(type_)
            return tuple(
                dict.fromkeys(each for one in possible for each in self.classes.get(one, ()))
            )
        return self.classes.get(type_, ())

    def node_type(self, type_: Any) -> Any:
        """The type of a connection's nodes; any other type is given back."""
        return self.nodes.get(type_, type_)


class Guard:
    """What is visible to one operation.

    :param schema_guard: which types are guarded.
    :param info: that `get_query` is called with; a callable, because most operations need none.
    :param keeps: whether what was found visible stays so: not in a mutation.
    """

    def __init__(
        self, schema_guard: SchemaGuard, info: Callable[[], GraphQLResolveInfo], keeps: bool
    ) -> None:
        self.places = schema_guard.places
        self._schema_guard = schema_guard
        self._make_info = info
        self._info: GraphQLResolveInfo | None = None
        self._keeps = keeps
        self._criteria: dict[Any, Criterion | Exception] = {}
        self._visible: dict[tuple[Any, int], Any] = {}
        """The instances that are known to be visible as a type, kept alive by it."""

    @property
    def info(self) -> GraphQLResolveInfo:
        """What `get_query` is called with: one for the operation."""
        if self._info is None:
            self._info = self._make_info()
        return self._info

    @contextmanager
    def walking(self, variable_values: dict[str, Any]) -> Iterator[None]:
        """While our walk executes the operation, without a break.

        :param variable_values: those of the operation.
        """
        token = _running.set(variable_values)
        try:
            yield
        finally:
            _running.reset(token)

    # -- criteria --

    def criterion(self, cls: Any) -> Criterion:
        """The criterion of a guarding class; its `get_query` is called once.

        :raises Exception: what `get_query` raised, each time.
        :raises GuardError: where what it gave cannot be enforced.
        """
        known = self._criteria.get(cls)
        if known is None:
            try:
                known = criterion_of(cls, self.info)
            except Exception as error:
                known = error
            self._criteria[cls] = known
        if isinstance(known, Exception):
            raise known.with_traceback(None)
        return known

    def names(self, type_: Any) -> tuple[str, ...]:
        """The types whose `get_query` guards the objects of a type, or of a connection over it."""
        classes = self._schema_guard.classes_at(self._schema_guard.node_type(type_))
        return tuple(cls._meta.name for cls in classes)

    def options(self, type_: Any, mapper: Mapper[Any]) -> tuple[Any, ...]:
        """The options that leave in a statement only what is visible as a type.

        They are for the statement alone: what it loads does not carry them on.

        :param type_: of the objects, or of a connection over them.
        :param mapper: that the statement selects.
        :raises GuardError: where no criterion of the statement can say it.
        """
        type_ = self._schema_guard.node_type(type_)
        if is_abstract_type(type_):
            expressions = self._of_kinds(type_, mapper)
        else:
            classes = self._schema_guard.classes_at(type_)
            expressions = [self.criterion(each).on(mapper) for each in classes]
        return tuple(guard_option(mapper, each) for each in expressions if each is not None)

    def options_of(self, level: Level, mapper: Mapper[Any]) -> tuple[Any, ...]:
        """The same for the objects of a level."""
        return self.options(level.object_type, mapper)

    def narrowed(self, statement: Any, type_: Any) -> Any:
        """A statement whose objects are checked when they are there, as far as it can be said now.

        :param type_: that they are shown as.
        """
        if type_ not in self._schema_guard.classes or isinstance(statement, FromStatement):
            return statement
        return statement.options(*self.options(type_, mapper_of(type_)))

    def _of_kinds(self, abstract: Any, base: Mapper[Any]) -> list[Any]:
        """The criteria of rows whose type their class tells."""
        if not self._schema_guard.classes_at(abstract):
            return []
        try:
            types = nearest_types(self._schema_guard.schema, abstract, base)
        except ByInstances as reason:
            raise GuardError(f"get_query of its types cannot be enforced: {reason}") from None
        guarded: dict[Any, list[Mapper[Any]]] = {}
        for mapper, object_type in types.items():
            for cls in self._schema_guard.classes_at(object_type):
                guarded.setdefault(cls, []).append(mapper)
        found = []
        for cls, mappers in guarded.items():
            criterion = self.criterion(cls)
            if len(mappers) == len(types):
                found.append(criterion.on(base))
            else:
                found.append(criterion.on_some(base, mappers))
        return found

    def filter_options(self, mapper: Mapper[Any]) -> tuple[Any, ...]:
        """The options for a statement that a client's filter joins other tables to.

        Else a filter would tell what rows hold that are not shown. Only where all types of a model
        are guarded alike is it known by which criterion.

        :param mapper: that the statement selects.
        """
        by_mapper: dict[Mapper[Any], list[tuple[Any, ...]]] = {}
        for type_ in self._schema_guard.schema.type_map.values():
            if is_object_type(type_) and is_mapped(type_):
                own = self._schema_guard.classes_at(type_)
                by_mapper.setdefault(mapper_of(type_), []).append(own)
        options = []
        for other, classes in by_mapper.items():
            if base_of(other) is not base_of(mapper) and len(set(classes)) == 1:
                for cls in classes[0]:
                    expression = self.criterion(cls).on(other)
                    if expression is not None:
                        options.append(guard_option(other, expression))
        return tuple(options)

    # -- instances --

    def needs_await(self, subject: tuple[int, Any, Any]) -> bool:
        """Whether the instances of a subject live in an AsyncSession."""
        try:
            return self._async_session(_instances([subject])) is not None
        except Exception:
            return False  # a context without a session: check() says so

    def _async_session(self, instances: Iterable[Any]) -> AsyncSession | None:
        is_any = False
        for each in instances:
            state = instance_state(each)
            is_any = True
            if state.session is not None:
                return state.async_session
        if not is_any:
            return None
        session = unwrapped(_upstream.get_session(self.info.context))
        return session if isinstance(session, AsyncSession) else None

    def check(self, type_: Any, subjects: list[tuple[int, Any, Any]]) -> list[Any]:
        """What is visible of each subject.

        :param type_: of the field that shows them.
        :param subjects: (SUBJECT_OBJECT, its type, an object), answered by whether it is visible;
            or (SUBJECT_LIST or SUBJECT_CONNECTION, anything, objects), answered by those that are.
        :raises Exception: what `get_query` or the database raises.
        """
        type_ = self._schema_guard.node_type(type_)
        wanted: dict[Any, list[Any]] = {}
        for kind, with_, value in subjects:
            if kind == SUBJECT_OBJECT:
                self._want(wanted, self._row_type(with_, value), value)
                continue
            for each in _flat(value):
                self._want(wanted, self._type_of(type_, each), each)
        visible: set[tuple[Any, int]] = set()
        for object_type, instances in wanted.items():
            found = self._ask(object_type, instances)
            visible.update((object_type, id(each)) for each in found)
            if self._keeps:
                self._visible.update(((object_type, id(each)), each) for each in found)

        def is_visible(object_type: Any, value: Any) -> bool:
            key = object_type, id(value)
            return object_type is None or key in visible or key in self._visible

        def sift(items: Iterable[Any]) -> list[Any]:
            return [
                sift(each) if type(each) is list else each
                for each in items
                if type(each) is list or is_visible(self._type_of(type_, each), each)
            ]

        return [
            is_visible(self._row_type(with_, value), value)
            if kind == SUBJECT_OBJECT
            else sift(value)
            for kind, with_, value in subjects
        ]

    async def check_async(self, type_: Any, subjects: list[tuple[int, Any, Any]]) -> list[Any]:
        """The same as :meth:`check` for instances that live in an AsyncSession."""
        session = self._async_session(_instances(subjects))
        assert session is not None
        return await session.run_sync(lambda _: self.check(type_, subjects))

    def sift(self, connection_type: Any, objects: Iterable[Any]) -> list[Any]:
        """The visible ones of what a connection is to be made from."""
        (found,) = self.check(connection_type, [(SUBJECT_CONNECTION, None, list(objects))])
        sifted: list[Any] = found
        return sifted

    @staticmethod
    def approve(connection: Any) -> Any:
        """Let a connection pass that was made from visible objects."""
        setattr(connection, _MARK, True)
        return connection

    def guards_connection(self, connection_type: Any) -> bool:
        """Whether the nodes of a connection are guarded."""
        return self.places.get(connection_type, 0) & GUARD_CONNECTION != 0

    def _want(self, wanted: dict[Any, list[Any]], object_type: Any, value: Any) -> None:
        if object_type is not None and (object_type, id(value)) not in self._visible:
            wanted.setdefault(object_type, []).append(value)

    def _row_type(self, object_type: Any, value: Any) -> Any:
        """The type whose criteria decide about an object; None where none do.

        :raises GuardError: where nobody can tell.
        """
        if object_type in self._schema_guard.nodes:
            if not getattr(value, _MARK, False):
                raise GuardError(
                    f"get_query of {self._schema_guard.nodes[object_type].name} is enforced: a "
                    f"resolver that makes a {object_type.name} by itself may return its objects, "
                    "or a statement, instead."
                )
            return None
        if not _is_instance(value):
            raise GuardError(
                f"get_query of {object_type.name} is enforced: a {type(value).__name__} is no "
                "instance of its model."
            )
        return object_type

    def _type_of(self, type_: Any, value: Any) -> Any:
        """The guarded type that an item of a list is shown as; None where there is none, or where
        it is asked for each object, which is checked then."""
        if value is None or isinstance(value, Exception):
            return None
        if not is_abstract_type(type_):
            return self._row_type(type_, value)
        if not _is_instance(value):
            return None
        shown = runtime_type(self._schema_guard.schema, type_, type(value))
        return shown if shown in self._schema_guard.classes else None

    def _ask(self, object_type: Any, instances: list[Any]) -> list[Any]:
        """Those of the instances that are visible as a type, by one statement.

        What is new has no row yet: it is the caller's own.
        """
        groups: dict[tuple[Session, Mapper[Any]], dict[Any, list[Any]]] = {}
        found = []
        shown = mapper_of(object_type)
        for each in instances:
            state = instance_state(each)
            if state.transient or state.pending:
                found.append(each)
                continue
            if state.identity_token is not None:
                raise GuardError(f"get_query of {object_type.name} is not enforced over shards.")
            session = state.session or self._session()
            mapper = state.mapper if state.mapper.concrete else shown
            members = groups.setdefault((session, mapper), {})
            members.setdefault(tuple(state.identity or ()), []).append(each)
        for (session, mapper), members in groups.items():
            options = self.options(object_type, mapper)
            if options:
                check_keys(object_type.name, mapper)
            for key in _visible_keys(session, mapper, list(members), options):
                found += members.get(key, ())
        return found

    def _session(self) -> Session:
        """The session of the context, which asks about detached instances."""
        session = unwrapped(_upstream.get_session(self.info.context))
        if isinstance(session, AsyncSession):
            return session.sync_session
        if not isinstance(session, Session):
            raise GuardError("A session is required to enforce get_query for detached objects.")
        return session


def _visible_keys(
    session: Session, mapper: Mapper[Any], keys: list[Any], options: tuple[Any, ...]
) -> Iterator[Any]:
    if not options:
        yield from keys
        return
    columns = primary_key(mapper)
    statement = select(*columns).select_from(mapper.class_).options(*options)
    size = max(KEYS_PER_STATEMENT // len(columns), 1)
    for start in range(0, len(keys), size):
        chunk = keys[start : start + size]
        values = [key[0] for key in chunk] if len(columns) == 1 else chunk
        found = statement.where(key_expression(columns).in_(values))
        for row in session.execute(found, bind_arguments={"mapper": mapper}).all():
            yield tuple(row)


def _is_instance(value: Any) -> bool:
    return isinstance(inspect(type(value), raiseerr=False), Mapper)


def _flat(items: Iterable[Any]) -> Iterator[Any]:
    """The items of a list; src/guard.c makes a list of each that is one itself."""
    for each in items:
        if type(each) is list:
            yield from _flat(each)
        else:
            yield each


def _instances(subjects: Iterable[tuple[int, Any, Any]]) -> Iterator[Any]:
    for kind, _, value in subjects:
        for each in (value,) if kind == SUBJECT_OBJECT else _flat(value):
            if _is_instance(each):
                yield each


def guarded(statement: Any, guard: Guard | None, level: Level, mapper: Mapper[Any]) -> Any:
    """A statement of a level's objects with what an operation may see of them."""
    return statement if guard is None else statement.options(*guard.options_of(level, mapper))


async def gather_items(items: list[Any]) -> list[Any]:
    """The items of a list, some of which have to be awaited; an error is one of them."""

    async def value_of(item: Any) -> Any:
        return await item if isawaitable(item) else item

    return await gather(*map(value_of, items), return_exceptions=True)


def operation_info(context: Any) -> GraphQLResolveInfo:
    """What `get_query` is called with: the operation at its first field.

    :param context: the `ExecutionContext` of the operation.
    """
    operation = context.operation
    root_type = context.schema.get_root_type(operation.operation)
    nodes = [each for each in operation.selection_set.selections if isinstance(each, FieldNode)]
    name = nodes[0].name.value if nodes else ""
    field = root_type.fields.get(name)
    return GraphQLResolveInfo(
        name,
        nodes[:1],
        field.type if field is not None else root_type,
        root_type,
        Path(None, name, root_type.name),
        context.schema,
        context.fragments,
        context.root_value,
        operation,
        context.variable_values,
        context.context_value,
        context.is_awaitable,
    )
