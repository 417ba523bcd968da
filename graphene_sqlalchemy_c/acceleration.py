"""Exchanging the resolvers of a type that graphene-sqlalchemy built.

A relationship field is a graphene ``Dynamic`` whose field is made when a schema asks for it. Here
that field's ``wrap_resolve`` is wrapped: what it returns is the resolver that graphene would use,
with everything a user overrode already decided. Only a resolver that is graphene's or
graphene-sqlalchemy's own is exchanged; the field, its class and its arguments stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeGuard

import graphene
from graphene.utils.str_converters import to_camel_case
from sqlalchemy.orm import RelationshipProperty

from . import _upstream
from ._core import AttrResolver, BatchResolver, ConnectionResolver
from .batching import batch_resolver
from .connections import NestedConnectionField, batch_connection_resolver
from .nodes import exchanged_node
from .root_connections import exchanged_root_connection


def explicit_batching(cls: type) -> dict[str, bool]:
    """What the ORMFields of a type that is about to be built say of batching.

    :return: ``{field name: batching}`` for those that say it. Upstream forgets them as it builds.
    """
    return {
        name: bool(field.kwargs["batching"])
        for base in reversed(cls.__mro__)
        for name, field in vars(base).items()
        if isinstance(field, _upstream.ORMField) and "batching" in field.kwargs
    }


def accelerate(cls: Any, batching: bool, explicit: dict[str, bool]) -> None:
    """Exchange the relationship resolvers of one built type, and mend its relationship filters.

    :param cls: a subclass of graphene-sqlalchemy's ``SQLAlchemyBase`` with a model.
    :param batching: whether its relationships are batched.
    :param explicit: overrides by field name, from :func:`explicit_batching`.

    Calling it again changes nothing.
    """
    for name, dynamic, relationship in _relationship_fields(cls):
        if _original(dynamic) is None:
            wanted = explicit.get(name, batching)
            dynamic.type = partial(_make_field, dynamic.type, relationship, wanted)
    for dynamic in _filter_fields(cls):
        if _partial_of(dynamic.type, _upstream.resolve_dynamic_relationship_filter):
            dynamic.type = partial(_make_filter, *dynamic.type.args)


def decelerate(cls: Any) -> None:
    """Undo :func:`accelerate`, for schemas that are built from now on."""
    for _, dynamic, _ in _relationship_fields(cls):
        original = _original(dynamic)
        if original is not None:
            dynamic.type = original  # type: ignore[assignment]
    for dynamic in _filter_fields(cls):
        if _partial_of(dynamic.type, _make_filter):
            dynamic.type = partial(
                _upstream.resolve_dynamic_relationship_filter, *dynamic.type.args
            )


def _relationship_fields(
    cls: Any,
) -> Iterator[tuple[str, graphene.Dynamic, RelationshipProperty[Any]]]:
    for name, field in cls._meta.fields.items():
        attribute = cls._meta.registry.get_orm_field_for_graphene_field(cls, name)
        if isinstance(attribute, RelationshipProperty) and isinstance(field, graphene.Dynamic):
            yield name, field, attribute


def _filter_fields(cls: Any) -> Iterator[graphene.Dynamic]:
    for field in cls._meta.filter_class._meta.fields.values():
        if isinstance(field, graphene.Dynamic):
            yield field


def _partial_of(function: Any, wanted: Callable[..., Any]) -> TypeGuard[partial[Any]]:
    return isinstance(function, partial) and function.func is wanted


def _original(dynamic: graphene.Dynamic) -> Callable[[], Any] | None:
    return dynamic.type.args[0] if _partial_of(dynamic.type, _make_field) else None


# -- called when a schema is built --


def _make_field(
    original: Callable[[], Any], relationship: RelationshipProperty[Any], batching: bool
) -> Any:
    field = original()
    if isinstance(field, graphene.Field):
        field.wrap_resolve = partial(  # type: ignore[method-assign]
            _wrap_resolve, field.wrap_resolve, relationship, batching
        )
    return field


def _wrap_resolve(
    original: Callable[[Any], Any],
    relationship: RelationshipProperty[Any],
    batching: bool,
    parent_resolver: Any,
) -> Any:
    return exchanged(original(parent_resolver), relationship, batching)


def exchanged(resolver: Any, relationship: RelationshipProperty[Any], batching: bool) -> Any:
    """The resolver to use in place of ``resolver``, which may be itself.

    :param resolver: what graphene resolves the field with.
    :param relationship: what the field shows.
    :param batching: False exchanges only what would batch without this package too.
    """
    if isinstance(resolver, (BatchResolver, ConnectionResolver)):
        return resolver
    if isinstance(resolver, partial) and _is_connection_resolver(resolver.func):
        return _exchanged_connection(resolver, relationship, batching)
    if is_stock_resolver(resolver) and (batching or _upstream.is_batch_resolver(resolver)):
        return batch_resolver(relationship, resolver)
    return resolver


def planned_resolver(parent_type: Any, field_name: str, resolver: Any) -> Any:
    """The resolver that our executor uses, where none was exchanged when the schema was built.

    :param parent_type: the GraphQL object type of the field.
    :param field_name: its name in the schema.
    :param resolver: what the schema resolves it with.
    :return: a batching resolver where the field shows a relationship by graphene-sqlalchemy's own
        resolver and its type does not say ``batching=False``; one that makes a statement where it
        is a connection or a node of the root; else ``resolver``.
    """
    cls = getattr(parent_type, "graphene_type", None)
    if isinstance(cls, type) and issubclass(cls, _upstream.SQLAlchemyBase):
        for name, dynamic, relationship in _relationship_fields(cls):
            if field_name in (name, to_camel_case(name)):
                original = _original(dynamic)
                wanted = original is None or dynamic.type.args[2]  # type: ignore[union-attr]
                return exchanged(resolver, relationship, wanted)
    if isinstance(resolver, partial) and _is_connection_resolver(resolver.func):
        return exchanged_root_connection(resolver)
    return exchanged_node(resolver)


def _exchanged_connection(
    resolver: partial[Any], relationship: RelationshipProperty[Any], batching: bool
) -> Any:
    field_class = resolver.func.__self__  # type: ignore[attr-defined]
    parent_resolver, connection_type, model = resolver.args
    batching = batching or issubclass(
        field_class, (_upstream.BatchSQLAlchemyConnectionField, NestedConnectionField)
    )
    if not batching or not is_stock_resolver(parent_resolver):
        return resolver
    batch = batch_resolver(relationship, parent_resolver)
    return ConnectionResolver(batch, field_class, connection_type, model)


def _is_connection_resolver(function: Any) -> bool:
    """Whether it is ``connection_resolver`` of a field class that did not override it."""
    return getattr(function, "__func__", None) in (
        _upstream.plain_connection_resolver,
        _upstream.plain_batch_connection_resolver,
        batch_connection_resolver,
    )


def is_stock_resolver(resolver: Any) -> bool:
    """Whether a resolver is graphene's or graphene-sqlalchemy's own, not a user's."""
    return (
        isinstance(resolver, (BatchResolver, AttrResolver))
        or _partial_of(resolver, _upstream.dict_or_attr_resolver)
        or _upstream.is_attr_resolver(resolver)
        or _upstream.is_batch_resolver(resolver)
    )


def _make_filter(dynamic: graphene.Dynamic, registry: Any, model_attr_name: str) -> Any:
    """The filter of a relationship; upstream cannot build that of a non-null list."""
    field = dynamic.get_type()
    of_type = _upstream.get_nullable_type(field.type) if type(field) is graphene.Field else None
    if isinstance(of_type, graphene.List):
        child_type = _upstream.get_nullable_type(of_type.of_type)
        relationship_filter = _upstream.get_or_create_relationship_filter(child_type, registry)
        return _upstream.SQLAlchemyFilterInputField(relationship_filter, model_attr_name)
    return _upstream.resolve_dynamic_relationship_filter(dynamic, registry, model_attr_name)
