"""C-accelerated graphene-sqlalchemy."""

from .documents import CacheInfo
from .execution import ExecutionContext
from .schema import Schema

__all__ = ["CacheInfo", "ExecutionContext", "Schema"]
