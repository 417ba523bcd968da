"""C-accelerated graphene-sqlalchemy."""

from .execution import ExecutionContext

__all__ = ["ExecutionContext"]
