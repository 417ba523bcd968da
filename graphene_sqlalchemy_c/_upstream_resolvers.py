"""What the executor recognises of graphene-sqlalchemy (part of `_upstream`)."""

from __future__ import annotations

from typing import Any

from graphene_sqlalchemy import SQLAlchemyObjectType, resolvers
from sqlalchemy import inspect
from sqlalchemy.orm import InstrumentedAttribute, Mapper

_resolvers: Any = resolvers
_object_type: Any = SQLAlchemyObjectType

# Upstream's attribute resolver is a lambda over one name: its code object tells it.
attribute_lambda_code: Any = _resolvers.get_attr_resolver(None, "").__code__
is_type_of: Any = _object_type.is_type_of.__func__
resolve_id: Any = _object_type.resolve_id


def primary_key_name(class_: type) -> str | None:
    """The attribute that upstream's `resolve_id` reads of an instance.

    :param class_: the class of the instance
    :returns: the name of the one attribute that is the primary key, or None when the class is not
        mapped or its key is composite
    """
    mapper: Any = inspect(class_, raiseerr=False)
    if not isinstance(mapper, Mapper) or len(mapper.primary_key) != 1:
        return None
    name: str = mapper.get_property_by_column(mapper.primary_key[0]).key
    return name


__all__ = [
    "InstrumentedAttribute",
    "attribute_lambda_code",
    "is_type_of",
    "primary_key_name",
    "resolve_id",
]
