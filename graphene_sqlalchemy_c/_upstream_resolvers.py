"""What the executor recognises of graphene-sqlalchemy (part of `_upstream`)."""

from __future__ import annotations

from typing import Any

from graphene_sqlalchemy.resolvers import get_attr_resolver
from graphene_sqlalchemy.types import SQLAlchemyObjectType
from sqlalchemy.orm import InstrumentedAttribute

# Upstream's attribute resolver is a lambda over one name: its code object tells it.
attribute_lambda_code: Any = get_attr_resolver(None, "").__code__
is_type_of: Any = SQLAlchemyObjectType.is_type_of.__func__
resolve_id: Any = SQLAlchemyObjectType.resolve_id

__all__ = ["InstrumentedAttribute", "attribute_lambda_code", "is_type_of", "resolve_id"]
