"""The same names as graphene-sqlalchemy's, for applications that do not call ``install()``.

The types are subclasses whose relationship fields get their resolvers exchanged after
graphene-sqlalchemy built them; nothing outside them is changed.
"""

from __future__ import annotations

from typing import Any

from . import _upstream
from ._core import IsTypeOf
from .acceleration import accelerate, explicit_batching
from .connections import BatchSQLAlchemyConnectionField, NestedConnectionField
from .meta import remember, take_options


class _AcceleratedType:
    """Comes before graphene-sqlalchemy's class, so that it sees the Meta options first."""

    is_type_of = IsTypeOf(_upstream.plain_is_type_of)
    _make_meta: Any
    """Makes what graphene-sqlalchemy keeps the Meta options of a type in."""

    @classmethod
    def __init_subclass_with_meta__(
        cls,
        batching: bool | None = None,
        connection_field_factory: Any = None,
        _meta: Any = None,
        **options: Any,
    ) -> None:
        explicit = explicit_batching(cls)
        own = take_options(options)
        _meta = _meta or cls._make_meta(cls)
        remember(_meta, own)
        if connection_field_factory is None:
            nested_arguments = own.get("nested_arguments", False)
            connection_field_factory = field_factory(bool(batching), explicit, nested_arguments)
        super().__init_subclass_with_meta__(  # type: ignore[misc]
            batching=bool(batching),
            connection_field_factory=connection_field_factory,
            _meta=_meta,
            **options,
        )
        accelerate(cls, batching is not False, explicit)


def field_factory(batching: bool, explicit: dict[str, bool], nested_arguments: bool) -> Any:
    """What makes the connection fields of a type's relationships; None for upstream's choice.

    :param batching: whether the type says that its relationships are batched.
    :param explicit: what its ORMFields say of it.
    :param nested_arguments: whether the fields take `sort` and `filter` all the same.
    """
    # SQLAlchemy 2.1 makes upstream miss its own choice.
    chooses = _upstream.is_selectin_available is None and (batching or any(explicit.values()))

    def factory(relationship: Any, registry: Any, **field_kwargs: Any) -> Any:
        if explicit.get(relationship.key, batching):
            make: Any = BatchSQLAlchemyConnectionField.from_relationship
        elif nested_arguments:
            make = NestedConnectionField.from_relationship
        else:
            make = _upstream.default_connection_field_factory
        return make(relationship, registry, **field_kwargs)

    return factory if nested_arguments or chooses else None


class SQLAlchemyObjectType(_AcceleratedType, _upstream.SQLAlchemyObjectType):  # type: ignore[misc]
    """graphene-sqlalchemy's ``SQLAlchemyObjectType`` with batched relationships.

    ``Meta.batching`` and ``ORMField(batching=...)`` mean what they mean there; unset means that
    relationships are batched by exchanging their resolvers, the schema being the same. The options
    that this package adds are described in ``meta.py``.
    """

    _make_meta = _upstream.SQLAlchemyObjectTypeOptions

    class Meta:
        abstract = True


class SQLAlchemyInterface(_AcceleratedType, _upstream.SQLAlchemyInterface):  # type: ignore[misc]
    """graphene-sqlalchemy's ``SQLAlchemyInterface`` with batched relationships."""

    _make_meta = _upstream.SQLAlchemyInterfaceOptions

    class Meta:
        abstract = True
