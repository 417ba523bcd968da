"""Connection fields that a user declared by hand over a relationship."""

from __future__ import annotations

from typing import Any

from graphene.utils.str_converters import to_camel_case
from graphql import GraphQLResolveInfo
from sqlalchemy import inspect
from sqlalchemy.orm import RelationshipProperty

from . import _upstream
from ._core import ConnectionResolver
from .batching import get_batch_resolver


def batch_connection_resolver(
    cls: Any,
    resolver: Any,
    connection_type: Any,
    model: Any,
    root: Any,
    info: GraphQLResolveInfo,
    **args: Any,
) -> Any:
    """``connection_resolver`` of a BatchSQLAlchemyConnectionField that a user declared by hand.

    Upstream serves the first relationship whose target is the model. Here it is the only one, or
    the one that the field is named after.

    :raises ValueError: when the mapper has no such relationship, or several and none of the name.
    """
    mapper = None if root is None else inspect(type(root), raiseerr=False)
    if mapper is None:
        return _upstream.plain_connection_resolver(
            cls, resolver, connection_type, model, root, info, **args
        )
    batch = get_batch_resolver(_relationship_to(mapper, model, info.field_name))
    return ConnectionResolver(batch, cls, connection_type, model)(root, info, **args)


def _relationship_to(mapper: Any, model: Any, field_name: str) -> RelationshipProperty[Any]:
    found = [each for each in mapper.relationships if each.mapper.class_ is model]
    if len(found) > 1:
        found = [each for each in found if field_name in (each.key, to_camel_case(each.key))]
    if len(found) != 1:
        raise ValueError(
            f"The connection field '{field_name}' names no single relationship from "
            f"{mapper.class_.__name__} to {model.__name__}."
        )
    relationship: RelationshipProperty[Any] = found[0]
    return relationship


class BatchSQLAlchemyConnectionField(_upstream.BatchSQLAlchemyConnectionField):
    """graphene-sqlalchemy's field, whose batches are this package's."""

    connection_resolver = classmethod(batch_connection_resolver)  # type: ignore[arg-type]


class NestedConnectionField(_upstream.SQLAlchemyConnectionField):
    """A connection over a relationship that takes `sort` and `filter`, as connections of the root.

    Made where ``nested_arguments`` asks for it. Its relationship is always loaded by this package:
    reading the attribute would ignore the arguments.
    """

    @classmethod
    def from_relationship(cls, relationship: Any, registry: Any, **field_kwargs: Any) -> Any:
        """The field of a relationship, as BatchSQLAlchemyConnectionField makes its own."""
        model_type = registry.get_type_for_model(relationship.mapper.entity)
        return cls(model_type.connection, **field_kwargs)
