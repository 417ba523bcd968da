"""The same names as graphene-sqlalchemy's, for applications that do not call ``install()``.

The types are subclasses whose relationship fields get their resolvers exchanged after
graphene-sqlalchemy built them; nothing outside them is changed.
"""

from __future__ import annotations

from typing import Any

from . import _upstream
from ._core import IsTypeOf
from .acceleration import accelerate, explicit_batching
from .connections import BatchSQLAlchemyConnectionField


class _AcceleratedType:
    """Comes before graphene-sqlalchemy's class, so that it sees the Meta options first."""

    is_type_of = IsTypeOf(_upstream.plain_is_type_of)

    @classmethod
    def __init_subclass_with_meta__(
        cls, batching: bool | None = None, connection_field_factory: Any = None, **options: Any
    ) -> None:
        explicit = explicit_batching(cls)
        if connection_field_factory is None and _upstream.is_selectin_available is None:
            connection_field_factory = _factory_without_selectin(bool(batching), explicit)
        super().__init_subclass_with_meta__(  # type: ignore[misc]
            batching=bool(batching), connection_field_factory=connection_field_factory, **options
        )
        accelerate(cls, batching is not False, explicit)


def _factory_without_selectin(batching: bool, explicit: dict[str, bool]) -> Any:
    """Upstream's choice of connection field, which SQLAlchemy 2.1 makes it miss."""

    def factory(relationship: Any, registry: Any, **field_kwargs: Any) -> Any:
        make = (
            BatchSQLAlchemyConnectionField.from_relationship
            if explicit.get(relationship.key, batching)
            else _upstream.default_connection_field_factory
        )
        return make(relationship, registry, **field_kwargs)  # type: ignore[no-untyped-call]

    return factory if batching or any(explicit.values()) else None


class SQLAlchemyObjectType(_AcceleratedType, _upstream.SQLAlchemyObjectType):  # type: ignore[misc]
    """graphene-sqlalchemy's ``SQLAlchemyObjectType`` with batched relationships.

    ``Meta.batching`` and ``ORMField(batching=...)`` mean what they mean there; unset means that
    relationships are batched by exchanging their resolvers, the schema being the same.
    """

    class Meta:
        abstract = True


class SQLAlchemyInterface(_AcceleratedType, _upstream.SQLAlchemyInterface):  # type: ignore[misc]
    """graphene-sqlalchemy's ``SQLAlchemyInterface`` with batched relationships."""

    class Meta:
        abstract = True
