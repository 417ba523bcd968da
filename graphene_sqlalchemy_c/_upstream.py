"""The internals of graphene-sqlalchemy that this package uses; no other module names them.

The objects are captured when this module is imported, so they stay upstream's own whatever is put
in their place later. Names that are only read by way of the globals below are imported too, so that
one that is missing is found here and not in a request.
"""

from __future__ import annotations

from typing import Any

UPSTREAM_VERSION = "3.0.0rc2"

try:
    import graphene_sqlalchemy.batching as batching_module
    import graphene_sqlalchemy.converter as converter_module
    import graphene_sqlalchemy.fields as fields_module
    import graphene_sqlalchemy.resolvers as resolvers_module
    import graphene_sqlalchemy.types as types_module
    from graphene.types.resolver import dict_or_attr_resolver
    from graphene_sqlalchemy.batching import get_batch_resolver
    from graphene_sqlalchemy.converter import (
        _convert_o2m_or_m2m_relationship,
        _convert_o2o_or_m2o_relationship,
        convert_hybrid_property_return_type,
        convert_sqlalchemy_association_proxy,
        convert_sqlalchemy_column,
        convert_sqlalchemy_composite,
        convert_sqlalchemy_hybrid_method,
        convert_sqlalchemy_relationship,
        convert_sqlalchemy_type,
        get_column_doc,
        is_column_nullable,
        is_selectin_available,
        set_non_null_many_relationships,
        use_non_null_many_relationships,
    )
    from graphene_sqlalchemy.fields import (
        BatchSQLAlchemyConnectionField,
        SQLAlchemyConnectionField,
        UnsortedSQLAlchemyConnectionField,
        default_connection_field_factory,
    )
    from graphene_sqlalchemy.filters import SQLAlchemyFilterInputField
    from graphene_sqlalchemy.registry import Registry, get_global_registry
    from graphene_sqlalchemy.resolvers import get_attr_resolver, get_custom_resolver
    from graphene_sqlalchemy.types import (
        ORMField,
        SQLAlchemyBase,
        SQLAlchemyInterface,
        SQLAlchemyInterfaceOptions,
        SQLAlchemyObjectType,
        SQLAlchemyObjectTypeOptions,
        get_or_create_relationship_filter,
        resolve_dynamic_relationship_filter,
    )
    from graphene_sqlalchemy.utils import (
        column_type_eq,
        get_nullable_type,
        get_query,
        get_session,
        safe_isinstance,
        safe_issubclass,
        singledispatchbymatchfunction,
    )
except ImportError as error:
    raise ImportError(
        f"graphene_sqlalchemy_c is made for graphene-sqlalchemy {UPSTREAM_VERSION}; the installed "
        f"one lacks what is used of it: {error}"
    ) from error

# The globals that upstream's functions read at each call; ours read the same ones.
converter_globals = vars(converter_module)
fields_globals = vars(fields_module)

# The functions of classmethods.
plain_connection_resolver = vars(SQLAlchemyConnectionField)["connection_resolver"].__func__
plain_batch_connection_resolver = vars(BatchSQLAlchemyConnectionField)[
    "connection_resolver"
].__func__
plain_connection_get_query = vars(SQLAlchemyConnectionField)["get_query"].__func__
plain_is_type_of = vars(SQLAlchemyBase)["is_type_of"].__func__
plain_get_query = vars(SQLAlchemyBase)["get_query"].__func__
plain_get_node = vars(SQLAlchemyBase)["get_node"].__func__
_PLAIN_RESOLVE_CONNECTION = tuple(
    (name, vars(SQLAlchemyConnectionField)[name].__func__)
    for name in ("resolve_connection", "resolve_connection_async")
)
plain_resolve_id = vars(SQLAlchemyBase)["resolve_id"]

# Functions made by one `def` share one code object: these recognise upstream's resolvers.
attr_resolver_code = get_attr_resolver(None, "").__code__
_BATCH_RESOLVER_CODE = get_batch_resolver(None).__code__


def is_attr_resolver(resolver: Any) -> bool:
    """Whether a resolver came from upstream's ``get_attr_resolver``."""
    return getattr(resolver, "__code__", None) is attr_resolver_code


def is_batch_resolver(resolver: Any) -> bool:
    """Whether a resolver came from upstream's ``get_batch_resolver``."""
    return getattr(resolver, "__code__", None) is _BATCH_RESOLVER_CODE


def is_plain_resolve_connection(field_class: type) -> bool:
    """Whether a connection field class cuts its connections as upstream does."""
    return all(
        getattr(getattr(field_class, name, None), "__func__", None) is function
        for name, function in _PLAIN_RESOLVE_CONNECTION
    )


__all__ = [
    "UPSTREAM_VERSION",
    "BatchSQLAlchemyConnectionField",
    "ORMField",
    "Registry",
    "SQLAlchemyBase",
    "SQLAlchemyConnectionField",
    "SQLAlchemyFilterInputField",
    "SQLAlchemyInterface",
    "SQLAlchemyInterfaceOptions",
    "SQLAlchemyObjectType",
    "SQLAlchemyObjectTypeOptions",
    "UnsortedSQLAlchemyConnectionField",
    "_convert_o2m_or_m2m_relationship",
    "_convert_o2o_or_m2o_relationship",
    "attr_resolver_code",
    "batching_module",
    "column_type_eq",
    "convert_hybrid_property_return_type",
    "convert_sqlalchemy_association_proxy",
    "convert_sqlalchemy_column",
    "convert_sqlalchemy_composite",
    "convert_sqlalchemy_hybrid_method",
    "convert_sqlalchemy_relationship",
    "convert_sqlalchemy_type",
    "converter_globals",
    "converter_module",
    "default_connection_field_factory",
    "dict_or_attr_resolver",
    "fields_globals",
    "fields_module",
    "get_attr_resolver",
    "get_batch_resolver",
    "get_column_doc",
    "get_custom_resolver",
    "get_global_registry",
    "get_nullable_type",
    "get_or_create_relationship_filter",
    "get_query",
    "get_session",
    "is_attr_resolver",
    "is_batch_resolver",
    "is_column_nullable",
    "is_plain_resolve_connection",
    "is_selectin_available",
    "plain_batch_connection_resolver",
    "plain_connection_get_query",
    "plain_connection_resolver",
    "plain_get_node",
    "plain_get_query",
    "plain_is_type_of",
    "plain_resolve_id",
    "resolve_dynamic_relationship_filter",
    "resolvers_module",
    "safe_isinstance",
    "safe_issubclass",
    "set_non_null_many_relationships",
    "singledispatchbymatchfunction",
    "types_module",
    "use_non_null_many_relationships",
]
