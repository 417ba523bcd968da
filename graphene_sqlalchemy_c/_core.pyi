"""Stubs of the C extension. What each function does is in its docstring and in src/."""

from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import Any, final

import graphene
from sqlalchemy.ext.associationproxy import AssociationProxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import ColumnProperty, RelationshipProperty

# What a resolver of upstream's is: called as (root, info, **arguments).
_Resolver = Callable[..., Any]
_Matcher = Callable[[Any], Any]

COMPILER: str

@final
class AttrResolver:
    def __new__(cls, model_attr: str) -> AttrResolver: ...
    @property
    def model_attr(self) -> str: ...
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any: ...
    def __reduce__(self) -> tuple[type[AttrResolver], tuple[str]]: ...

@final
class TypeDispatch:
    registry: dict[_Matcher, Callable[..., Any]]
    default: Callable[..., Any]
    def __new__(cls, upstream: Callable[..., Any]) -> TypeDispatch: ...
    @property
    def __wrapped__(self) -> Callable[..., Any]: ...
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any: ...
    def register(
        self, matcher_function: _Matcher, func: Callable[..., Any] | None = None
    ) -> Any: ...

@final
class CompositeConverter:
    def __new__(cls) -> CompositeConverter: ...
    @property
    def __name__(self) -> str: ...
    @property
    def __wrapped__(self) -> Callable[..., Any]: ...
    @property
    def register(self) -> Callable[..., Any]: ...
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any: ...

@final
class Batch:
    def __new__(cls, make_waiter: Callable[[], Any], cancel: Callable[[], None]) -> Batch: ...
    @property
    def parents(self) -> list[Any]: ...
    @property
    def waiting(self) -> int: ...
    def join(self, parent: Any, /) -> BatchSlot: ...
    def settle(self, results: list[Any], /) -> None: ...

@final
class BatchSlot:
    def __await__(self) -> Generator[Any, Any, Any]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...
    def throw(self, type: Any, value: Any = None, traceback: Any = None, /) -> Any: ...

@final
class BatchResolver:
    def __new__(cls, loader: Any, fallback: Callable[..., Any]) -> BatchResolver: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    @property
    def loader(self) -> Any: ...
    @property
    def fallback(self) -> Callable[..., Any]: ...
    @property
    def key(self) -> str: ...
    def load_many(self, parents: list[Any], /) -> list[Any]: ...
    def load_many_async(self, parents: list[Any], /) -> Any: ...
    def needs_await(self, parent: Any, /) -> bool: ...

@final
class TypeCheck:
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    @property
    def __func__(self) -> Callable[..., Any]: ...
    @property
    def __self__(self) -> type: ...

@final
class IsTypeOf:
    def __new__(cls, function: Callable[..., Any]) -> IsTypeOf: ...
    def __get__(self, instance: Any, owner: Any = None, /) -> TypeCheck: ...
    @property
    def __func__(self) -> Callable[..., Any]: ...

convert_sqlalchemy_composite: CompositeConverter

def get_attr_resolver(obj_type: object, model_attr: str) -> _Resolver: ...
def get_custom_resolver(obj_type: object, orm_field_name: str) -> _Resolver | None: ...
def get_column_doc(column: object) -> str | None: ...
def is_column_nullable(column: object) -> bool: ...
def convert_sqlalchemy_column(
    column_prop: ColumnProperty[Any],
    registry: Any,
    resolver: _Resolver | None,
    **field_kwargs: Any,
) -> graphene.Field: ...
def convert_sqlalchemy_hybrid_method(
    hybrid_prop: hybrid_property[Any],
    resolver: _Resolver | None,
    **field_kwargs: Any,
) -> graphene.Field: ...
def convert_sqlalchemy_relationship(
    relationship_prop: RelationshipProperty[Any],
    obj_type: Any,
    connection_field_factory: Callable[..., Any] | None,
    batching: bool,
    orm_field_name: str,
    **field_kwargs: Any,
) -> graphene.Dynamic: ...
def _convert_o2o_or_m2o_relationship(
    relationship_prop: RelationshipProperty[Any],
    obj_type: Any,
    batching: bool,
    orm_field_name: str,
    **field_kwargs: Any,
) -> graphene.Field: ...
def _convert_o2m_or_m2m_relationship(
    relationship_prop: RelationshipProperty[Any],
    obj_type: Any,
    batching: bool,
    connection_field_factory: Callable[..., Any] | None,
    **field_kwargs: Any,
) -> graphene.Field: ...
def convert_sqlalchemy_association_proxy(
    parent: type,
    assoc_prop: AssociationProxy[Any],
    obj_type: Any,
    registry: Any,
    connection_field_factory: Callable[..., Any] | None,
    batching: bool,
    resolver: _Resolver | None,
    **field_kwargs: Any,
) -> graphene.Dynamic: ...

@final
class ConnectionResolver:
    def __new__(
        cls, batch: BatchResolver, field_class: Any, connection_type: Any, model: Any
    ) -> ConnectionResolver: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    @property
    def batch(self) -> BatchResolver: ...
    @property
    def field_class(self) -> Any: ...
    def complete(self, value: Any, root: Any, info: Any, args: dict[str, Any], /) -> Any: ...

@final
class RowGroup:
    def __new__(
        cls,
        origin: Any,
        rows: Any,
        kind: int = 0,
        start: int = 0,
        total: int = -1,
        has_previous: bool = False,
        has_next: bool = False,
    ) -> RowGroup: ...
    @property
    def origin(self) -> Any: ...
    rows: Any
    kind: int
    @property
    def start(self) -> int: ...
    total: int

@final
class Plan:
    def __new__(
        cls,
        schema: Any,
        fragments: dict[str, Any],
        selection_set: Any,
        root_type: Any,
        field_resolver: Any,
        variable_values: dict[str, Any],
        condition_names: frozenset[str],
        options: Any,
        /,
    ) -> Plan: ...
    def describe(self, variable_values: dict[str, Any], /) -> list[tuple[Any, ...]]: ...
    def is_usable(self) -> bool: ...

@final
class Run:
    def __new__(
        cls, plan: Plan, context: Any, root_value: Any, is_serial: bool, max_objects: int = 0, /
    ) -> Run: ...
    def start(self) -> Awaitable[Any] | list[Awaitable[Any]] | None: ...
    def resume(self, values: Any, /) -> Awaitable[Any] | list[Awaitable[Any]] | None: ...
    def finish(self) -> Any: ...
    def close(self) -> None: ...

def group_parents(
    parents: list[Any], key: str, /
) -> tuple[dict[tuple[Any, tuple[Any, ...]], list[Any]], list[Any]]: ...
def lacking(instances: list[Any], names: tuple[str, ...], /) -> list[Any]: ...
def collect_keys(
    parents: list[Any], names: tuple[str, ...], limit: int, guess: bool, /
) -> tuple[dict[Any, list[Any]], list[Any], list[Any]]: ...
def assign_identities(
    by_key: dict[Any, list[Any]],
    lookup: Callable[[Any], Any],
    identity_key: Callable[[Any], Any],
    target: type,
    key: str,
    composite: bool,
    /,
) -> list[Any]: ...
def match_rows(
    rows: list[Any], by_key: dict[Any, list[Any]], width: int, /
) -> tuple[dict[Any, list[Any]], int]: ...
def assign_children(
    by_key: dict[Any, list[Any]], children: dict[Any, list[Any]], key: str, uselist: bool, /
) -> int: ...
def assign_value(parents: list[Any], key: str, value: Any, /) -> None: ...
def read_results(parents: list[Any], key: str, answers: dict[int, Any], /) -> list[Any]: ...
def sibling_states(instances: list[Any], classes: set[type], key: str, /) -> list[Any]: ...
def living_siblings(
    root: Any, states: list[Any], start: int, key: str, limit: int, /
) -> tuple[list[Any], list[Any], int]: ...
def loaded_children(states: list[Any], key: str, /) -> list[Any]: ...
def row_tuples(rows: Any, /) -> list[tuple[Any, ...]]: ...
def row_keys(
    rows: list[Any], indexes: tuple[int, ...], /
) -> tuple[dict[Any, list[int]], list[int]]: ...
def group_rows(
    rows: list[Any],
    by_key: dict[Any, Any],
    first: int,
    width: int,
    unique: tuple[int, ...] | None,
    /,
) -> tuple[dict[Any, list[Any]], int]: ...
def split_rows(
    rows: list[Any], width: int, indexes: tuple[int, ...], child: int, /
) -> tuple[list[Any], list[Any]]: ...
def give_rows(
    answers: list[Any] | dict[int, Any],
    by_key: dict[Any, list[Any]],
    children: dict[Any, list[Any]],
    origin: Any,
    uselist: bool,
    /,
) -> int: ...
def give_pages(
    answers: list[Any] | dict[int, Any],
    by_key: dict[Any, list[Any]],
    children: dict[Any, list[Any]],
    origin: Any,
    page: tuple[int, int, int, bool, int, bool],
    place: int,
    counted: bool,
    kind: int,
    totals: dict[Any, int] | None,
    /,
) -> dict[Any, list[Any]]: ...
def page_bounds(
    page: tuple[int, int, int, bool, int, bool], total: int, /
) -> tuple[int, int, bool, bool]: ...
