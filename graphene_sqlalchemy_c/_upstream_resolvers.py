"""What the executor recognises of graphene-sqlalchemy (part of `_upstream`)."""

from __future__ import annotations

from typing import Any

from graphene_sqlalchemy import SQLAlchemyObjectType, resolvers
from sqlalchemy.orm import InstrumentedAttribute

_resolvers: Any = resolvers
_object_type: Any = SQLAlchemyObjectType

# Upstream's attribute resolver is a lambda over one name: its code object tells it.
attribute_lambda_code: Any = _resolvers.get_attr_resolver(None, "").__code__
is_type_of: Any = _object_type.is_type_of.__func__

__all__ = ["InstrumentedAttribute", "attribute_lambda_code", "is_type_of"]
