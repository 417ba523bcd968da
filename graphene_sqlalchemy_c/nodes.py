"""Nodes by their global id, as rows where the level allows it."""

from __future__ import annotations

from functools import partial
from typing import Any

from graphene.relay import Node
from graphql import GraphQLObjectType, GraphQLResolveInfo
from sqlalchemy import Integer, Select, Uuid, bindparam, inspect, select
from sqlalchemy.orm import Mapper, Query, Session

from . import _upstream
from .columns import primary_key
from .guard import Guard, guard_of, guarded, has_plain_query
from .joined_pages import Below
from .levels import Level
from .queries import RowQuery, as_value, run_statement, session_of
from .sessions import NotRows, Origin, RowReader

__all__ = ["NodeQuery", "exchanged_node", "node_statement"]

_KEY = "graphene_sqlalchemy_c_key"


class NodeQuery:
    """The resolver of a `relay.Node` field whose classes are graphene's and graphene-sqlalchemy's.

    Anything that an application changed about it is left to the resolver that it stands in for.
    """

    def __init__(self, resolver: partial[Any]) -> None:
        self._resolver = resolver
        self._node: Any = resolver.func.__self__  # type: ignore[attr-defined]
        self._only_type = resolver.args[0] if resolver.args else None

    def __call__(self, root: Any, info: GraphQLResolveInfo, **args: Any) -> Any:
        found = self._find(info, args.get("id"))
        return self._resolver(root, info, **args) if found is None else found

    def _find(self, info: GraphQLResolveInfo, global_id: Any) -> RowQuery | None:
        try:
            type_name, text = self._node.resolve_global_id(info, global_id)
        except Exception:
            return None  # the resolver raises it again
        object_type: Any = info.schema.get_type(type_name)
        mapper = self.mapper_of(object_type)
        if mapper is None:
            return None
        cls = object_type.graphene_type
        statement: Any = None
        if not has_plain_query(cls) and guard_of(info.schema) is None:
            statement = cls.get_query(info)
            if not isinstance(statement, (Query, Select)):
                return None
        elif getattr(mapper.class_, "query", None):
            statement = cls.get_query(info)
        try:
            session = session_of(statement, info)
        except (TypeError, AttributeError):
            return None  # the resolver says what is missing
        key = _as_key(mapper, text)
        run = partial(_run_node, mapper, statement, key, object_type)
        return RowQuery(session, run, object_type)

    def mapper_of(self, object_type: Any) -> Mapper[Any] | None:
        """The mapper of a type whose nodes are found by a statement; None for any other."""
        cls: Any = getattr(object_type, "graphene_type", None)
        if not (isinstance(cls, type) and issubclass(cls, _upstream.SQLAlchemyObjectType)):
            return None
        meta: Any = cls._meta
        if (
            (self._only_type and cls != self._only_type)
            or self._node not in meta.interfaces
            or getattr(cls.get_node, "__func__", None) is not _upstream.plain_get_node
        ):
            return None
        mapper: Mapper[Any] = inspect(meta.model)
        return mapper if len(mapper.primary_key) == 1 else None


def _as_key(mapper: Mapper[Any], text: str) -> Any:
    """The text of a global id as a value of the primary key, where it is one."""
    type_ = mapper.primary_key[0].type
    try:
        if isinstance(type_, Integer):
            return int(text)
        if isinstance(type_, Uuid):
            return type_.python_type(text)
    except ValueError:
        pass  # no key at all; the database says so
    return text


def _run_node(
    mapper: Mapper[Any],
    criteria: Any,
    key: Any,
    object_type: GraphQLObjectType,
    session: Session,
    level: Level | None,
    guard: Guard | None,
    _below: Below | None,
) -> Any:
    if criteria is not None:
        (column,) = primary_key(mapper)
        found = criteria.where(column == key)
        return run_statement(found, object_type, False, session, level, guard)
    if level is None or level.mapper is not mapper or not level.is_usable(session):
        return session.get(mapper.class_, key)
    reader = RowReader(session)
    try:
        statement = guarded(node_statement(mapper, level), guard, level, mapper)
        rows, options = reader.fetch(mapper, statement, {_KEY: key}, expected=1)
    except NotRows:
        return session.get(mapper.class_, key)
    return as_value(rows, False, Origin(reader, options, level))


def node_statement(mapper: Mapper[Any], level: Level) -> Select[Any]:
    """One row by its primary key, built once for each level of a plan."""
    statement: Select[Any] | None = level.statements.get(_KEY)
    if statement is None:
        (column,) = primary_key(mapper)
        statement = select(*level.select(mapper, level.columns))
        statement = statement.where(column == bindparam(_KEY, type_=mapper.primary_key[0].type))
        statement = level.statements[_KEY] = level.joined(statement)
    return statement


def exchanged_node(resolver: Any) -> Any:
    """Our executor's resolver for a `relay.Node` field; any other is given back."""
    if isinstance(resolver, partial) and not resolver.keywords and len(resolver.args) <= 1:
        owner = getattr(resolver.func, "__self__", None)
        if _is_plain_node(owner, getattr(resolver.func, "__func__", None)):
            return NodeQuery(resolver)
    return resolver


_NODE_METHODS = ("node_resolver", "get_node_from_global_id")


def _is_plain_node(owner: Any, function: Any) -> bool:
    return (
        isinstance(owner, type)
        and issubclass(owner, Node)
        and function is Node.node_resolver.__func__  # type: ignore[attr-defined]
        and all(
            getattr(owner, name).__func__ is getattr(Node, name).__func__ for name in _NODE_METHODS
        )
    )
