"""Connection fields over relationships: the batch first, graphene-sqlalchemy's connection after."""

from __future__ import annotations

from inspect import isawaitable
from typing import Any

from graphene.utils.str_converters import to_camel_case
from graphql import GraphQLResolveInfo
from sqlalchemy import inspect
from sqlalchemy.orm import RelationshipProperty

from . import _upstream
from ._core import BatchResolver, BatchSlot
from .batching import get_batch_resolver


class ConnectionResolver:
    """The resolver of one connection field that shows a relationship.

    :param batch: loads the relationship.
    :param field_class: the class of the connection field; its ``resolve_connection`` is called.
    :param connection_type: the connection to build.
    :param model: the mapped class of its nodes.
    """

    __slots__ = ("_connection_type", "_field_class", "_model", "batch")

    def __init__(
        self, batch: BatchResolver, field_class: Any, connection_type: Any, model: Any
    ) -> None:
        self.batch = batch
        self._field_class = field_class
        self._connection_type = connection_type
        self._model = model

    def __repr__(self) -> str:
        return f"<ConnectionResolver of {self.batch.loader}>"

    def __call__(self, root: Any, info: GraphQLResolveInfo, **args: Any) -> Any:
        value = self.batch(root, info, **args)
        if type(value) is BatchSlot:
            return self._complete_later(value, root, info, args)
        return self.complete(value, root, info, args)

    def complete(
        self, value: Any, _root: Any, info: GraphQLResolveInfo, args: dict[str, Any]
    ) -> Any:
        """The connection over a loaded relationship, cut by the field's arguments."""
        return self._field_class.resolve_connection(
            self._connection_type, self._model, info, args, value
        )

    async def _complete_later(
        self, slot: BatchSlot, root: Any, info: GraphQLResolveInfo, args: dict[str, Any]
    ) -> Any:
        connection = self.complete(await slot, root, info, args)
        return await connection if isawaitable(connection) else connection


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
