"""graphene-sqlalchemy, accelerated in C.

Either call :func:`install` once, and every graphene-sqlalchemy type of the process is served by
this package; or import graphene-sqlalchemy's names from here, and only those types are.
"""

from ._core import BatchResolver
from ._upstream import (
    ORMField,
    Registry,
    SQLAlchemyConnectionField,
    UnsortedSQLAlchemyConnectionField,
    convert_sqlalchemy_composite,
    convert_sqlalchemy_type,
    default_connection_field_factory,
    get_global_registry,
    get_query,
    get_session,
    set_non_null_many_relationships,
)
from .batching import get_batch_resolver
from .connections import BatchSQLAlchemyConnectionField
from .documents import CacheInfo
from .execution import ExecutionContext
from .explanation import ExplainError, Explanation, LevelExplanation
from .install import install, is_installed, uninstall
from .pagination import CountableConnection
from .schema import Schema
from .types import SQLAlchemyInterface, SQLAlchemyObjectType

__version__ = "0.1.0"

__all__ = [
    "BatchResolver",
    "BatchSQLAlchemyConnectionField",
    "CacheInfo",
    "CountableConnection",
    "ExecutionContext",
    "ExplainError",
    "Explanation",
    "LevelExplanation",
    "ORMField",
    "Registry",
    "SQLAlchemyConnectionField",
    "SQLAlchemyInterface",
    "SQLAlchemyObjectType",
    "Schema",
    "UnsortedSQLAlchemyConnectionField",
    "__version__",
    "convert_sqlalchemy_composite",
    "convert_sqlalchemy_type",
    "default_connection_field_factory",
    "get_batch_resolver",
    "get_global_registry",
    "get_query",
    "get_session",
    "install",
    "is_installed",
    "set_non_null_many_relationships",
    "uninstall",
]
