"""Stubs of the C extension. What each function does is in its docstring and in src/."""

from collections.abc import Callable
from typing import Any, final

import graphene
from sqlalchemy.ext.associationproxy import AssociationProxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import ColumnProperty, RelationshipProperty

# What a resolver of upstream's is: called as (root, info, **arguments).
_Resolver = Callable[..., Any]
_Matcher = Callable[[Any], Any]

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
