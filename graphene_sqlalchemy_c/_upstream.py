"""The only file that names graphene-sqlalchemy's internals.

Everything is imported here, so that a version of graphene-sqlalchemy that moved something fails at
import, by name, instead of at a request.
"""

from __future__ import annotations

from typing import Any

try:
    from graphene.types.resolver import dict_or_attr_resolver
    from graphene_sqlalchemy import batching, converter, fields, types
    from graphene_sqlalchemy.batching import get_batch_resolver
    from graphene_sqlalchemy.converter import (
        convert_sqlalchemy_composite,
        convert_sqlalchemy_type,
        is_selectin_available,
        set_non_null_many_relationships,
    )
    from graphene_sqlalchemy.fields import (
        BatchSQLAlchemyConnectionField,
        SQLAlchemyConnectionField,
        UnsortedSQLAlchemyConnectionField,
        default_connection_field_factory,
    )
    from graphene_sqlalchemy.registry import Registry, get_global_registry
    from graphene_sqlalchemy.resolvers import get_attr_resolver
    from graphene_sqlalchemy.types import (
        ORMField,
        SQLAlchemyBase,
        SQLAlchemyFilterInputField,
        SQLAlchemyInterface,
        SQLAlchemyObjectType,
        get_or_create_relationship_filter,
        resolve_dynamic_relationship_filter,
    )
    from graphene_sqlalchemy.utils import get_nullable_type, get_query, get_session
except ImportError as error:
    raise ImportError(
        f"graphene_sqlalchemy_c is made for graphene-sqlalchemy 3.0.0rc2: {error}"
    ) from error

# Functions made by one `def` share one code object; these recognise upstream's resolvers.
_ATTR_RESOLVER_CODE = get_attr_resolver(None, "").__code__
_BATCH_RESOLVER_CODE = get_batch_resolver(None).__code__

plain_batch_connection_resolver = BatchSQLAlchemyConnectionField.connection_resolver.__func__
"""The one of upstream, whatever install() has put in its place."""

plain_is_type_of = SQLAlchemyBase.is_type_of.__func__
"""The one of upstream, whatever install() has put in its place."""


def is_attr_resolver(resolver: Any) -> bool:
    """Whether a resolver came from upstream's ``get_attr_resolver``."""
    return getattr(resolver, "__code__", None) is _ATTR_RESOLVER_CODE


def is_batch_resolver(resolver: Any) -> bool:
    """Whether a resolver came from upstream's ``get_batch_resolver``."""
    return getattr(resolver, "__code__", None) is _BATCH_RESOLVER_CODE


__all__ = [
    "BatchSQLAlchemyConnectionField",
    "ORMField",
    "Registry",
    "SQLAlchemyBase",
    "SQLAlchemyConnectionField",
    "SQLAlchemyFilterInputField",
    "SQLAlchemyInterface",
    "SQLAlchemyObjectType",
    "UnsortedSQLAlchemyConnectionField",
    "batching",
    "convert_sqlalchemy_composite",
    "convert_sqlalchemy_type",
    "converter",
    "default_connection_field_factory",
    "dict_or_attr_resolver",
    "fields",
    "get_global_registry",
    "get_nullable_type",
    "get_or_create_relationship_filter",
    "get_query",
    "get_session",
    "is_attr_resolver",
    "is_batch_resolver",
    "is_selectin_available",
    "plain_batch_connection_resolver",
    "plain_is_type_of",
    "resolve_dynamic_relationship_filter",
    "set_non_null_many_relationships",
    "types",
]
