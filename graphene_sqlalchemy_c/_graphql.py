"""The only place that names internals of graphql-core and graphene.

The C rooms import what they compare with or call from here, and so does `execution`: when
graphql-core changes, this file and `execution` are what has to be looked at.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from enum import Enum
from functools import partial
from importlib import import_module
from inspect import isawaitable
from typing import Any

from graphene.relay.id_type import DefaultGlobalIDType
from graphene.relay.node import AbstractNode, GlobalID, Node
from graphene.types.datetime import Date, DateTime, Time
from graphene.types.decimal import Decimal
from graphene.types.resolver import attr_resolver, dict_or_attr_resolver, dict_resolver
from graphene.types.scalars import BigInt
from graphene.types.schema import is_type_of_from_possible_types
from graphene.types.uuid import UUID
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLScalarType,
    TypeNameMetaFieldDef,
    Undefined,
    default_field_resolver,
    located_error,
    value_from_ast,
)
from graphql.execution.collect_fields import (
    collect_fields,
    collect_sub_fields,
    does_fragment_condition_match,
    should_include_node,
)
from graphql.execution.values import get_argument_values
from graphql.language import (
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    VariableNode,
)
from graphql.pyutils import Path, inspect, is_awaitable, is_iterable
from graphql.type import specified_scalar_types
from graphql.type.scalars import (
    serialize_boolean,
    serialize_float,
    serialize_id,
    serialize_int,
    serialize_string,
)

# `graphql.execution.execute` and `graphql.graphql` are modules that a function of the same name
# hides.
execute_module: Any = import_module("graphql.execution.execute")
subscribe_module: Any = import_module("graphql.execution.subscribe")
graphene_schema_module: Any = import_module("graphene.types.schema")
graphql_module: Any = import_module("graphql.graphql")

CollectedErrors: Any = execute_module.CollectedErrors
SELECTIONS_NESTED_TOO_DEEPLY: str = execute_module.SELECTIONS_NESTED_TOO_DEEPLY
execute_assume_not_awaitable = execute_module.assume_not_awaitable
graphql_assume_not_awaitable = graphql_module.assume_not_awaitable
get_field_def = execute_module.get_field_def
invalid_return_type_error = execute_module.invalid_return_type_error

serialize_date = Date.serialize
serialize_datetime = DateTime.serialize
serialize_time = Time.serialize
serialize_decimal = Decimal.serialize
serialize_uuid = UUID.serialize
serialize_big_int = BigInt.serialize
_node_to_global_id: Any = Node.to_global_id
_default_to_global_id: Any = DefaultGlobalIDType.to_global_id
global_id_resolver = GlobalID.id_resolver
graphene_schema_class = graphene_schema_module.Schema
normalize_execute_kwargs = graphene_schema_module.normalize_execute_kwargs

__all__ = [
    "SELECTIONS_NESTED_TOO_DEEPLY",
    "AsyncIterable",
    "Enum",
    "FieldNode",
    "FragmentSpreadNode",
    "GraphQLEnumType",
    "GraphQLError",
    "GraphQLList",
    "GraphQLNonNull",
    "GraphQLObjectType",
    "GraphQLResolveInfo",
    "GraphQLScalarType",
    "InlineFragmentNode",
    "Mapping",
    "Path",
    "TypeNameMetaFieldDef",
    "Undefined",
    "VariableNode",
    "arguments_of_variables",
    "arguments_use",
    "attr_resolver",
    "await_value",
    "collect_fields",
    "collect_sub_fields",
    "complete_later",
    "default_field_resolver",
    "dict_or_attr_resolver",
    "dict_resolver",
    "does_fragment_condition_match",
    "get_argument_values",
    "get_field_def",
    "global_id_parts",
    "global_id_resolver",
    "inspect",
    "invalid_return_type_error",
    "is_awaitable",
    "is_iterable",
    "is_type_of_from_possible_types",
    "list_of_async_iterable",
    "located_error",
    "partial",
    "serialize_boolean",
    "serialize_float",
    "serialize_id",
    "serialize_int",
    "serialize_string",
    "should_include_node",
]

# What the arguments of a field allow, in the order of `arguments_kind` in plan.h.
ARGUMENTS_CONSTANT = 1
ARGUMENTS_PER_OPERATION = 2
ARGUMENTS_PER_CALL = 3

_plain_build: Any = execute_module.ExecutionContext.build


def is_plain_build(context_class: Any) -> bool:
    """Whether the `build` of a context class is graphql-core's own."""
    return getattr(context_class.build, "__func__", None) is _plain_build.__func__


_KEPT_SCALARS = tuple(specified_scalar_types.values())


def arguments_use(field_def: Any, field_node: Any) -> int:
    """How long coerced argument values may be used.

    graphql-core coerces the arguments anew for each call, so a resolver may change a list that it
    was given, and a custom scalar may give another value each time. Values of the built-in scalars
    and of enums are kept with the plan or, when a variable is in them, for the operation; a default
    value is one object in graphql-core as well; anything else is coerced for each call.

    :param field_def: the `GraphQLField` that takes the arguments
    :param field_node: the `FieldNode` that gives them
    :returns: one of the ARGUMENTS constants
    """
    given = {argument.name.value: argument for argument in field_node.arguments or ()}
    use = ARGUMENTS_CONSTANT
    for name, definition in field_def.args.items():
        type_ = definition.type
        argument = given.get(name)
        if argument is None:
            given_by_default = definition.default_value not in (None, Undefined)
            if given_by_default and isinstance(type_, GraphQLInputObjectType):
                return ARGUMENTS_PER_CALL
            continue
        if isinstance(type_, GraphQLNonNull):
            type_ = type_.of_type
        if not (isinstance(type_, GraphQLEnumType) or type_ in _KEPT_SCALARS):
            return ARGUMENTS_PER_CALL
        if isinstance(argument.value, VariableNode):
            use = ARGUMENTS_PER_OPERATION
    return use


def arguments_of_variables(
    field_def: Any, field_node: Any
) -> tuple[dict[str, Any], dict[str, str]] | None:
    """What `get_argument_values` makes of arguments whose variables all have values.

    :param field_def: the `GraphQLField`, whose arguments may be kept for an operation
    :param field_node: the `FieldNode` that gives them
    :returns: the values by name, with None for those of variables, and the variables by name; None
        when an argument is missing or not valid, which graphql-core says
    """
    given = {argument.name.value: argument.value for argument in field_node.arguments or ()}
    values: dict[str, Any] = {}
    variables: dict[str, str] = {}
    for name, definition in field_def.args.items():
        key = definition.out_name or name
        node = given.get(name)
        if isinstance(node, VariableNode):
            values[key] = None
            variables[key] = node.name.value
            continue
        if node is not None:
            value = value_from_ast(node, definition.type)
        elif definition.default_value is Undefined and not isinstance(
            definition.type, GraphQLNonNull
        ):
            continue
        else:
            value = definition.default_value
        if value is Undefined:
            return None
        values[key] = value
    return values, variables


def global_id_parts(resolver: Any) -> tuple[Any, str | None] | None:
    """What a `relay.GlobalID` resolver is made of, if it makes the default global ids.

    :param resolver: a partial of `GlobalID.id_resolver`
    :returns: the resolver of the bare id and the type name that the field was given, or None
        when the node makes its global ids in a way of its own
    """
    if len(resolver.args) != 2 or set(resolver.keywords) != {"parent_type_name"}:
        return None
    parent_resolver: Any
    node: Any
    parent_resolver, node = resolver.args
    if not (isinstance(node, type) and issubclass(node, AbstractNode)):
        # A plain `relay.Node` is an AbstractNode too; anything else is the user's own.
        return None
    to_global_id = getattr(node, "to_global_id", None)
    if getattr(to_global_id, "__func__", None) is not _node_to_global_id.__func__:
        return None
    options: Any = node._meta
    id_type = options.global_id_type
    if id_type.to_global_id.__func__ is not _default_to_global_id.__func__:
        return None
    name = resolver.keywords["parent_type_name"]
    return (parent_resolver, name or None) if name is None or type(name) is str else None


async def await_value(value: Any) -> Any:
    """Await something that is not a coroutine, in a coroutine that can be a task."""
    return await value


async def complete_later(resolver: Any, slot: Any, root: Any, info: Any, args: Any) -> Any:
    """The connection of a `ConnectionResolver` over a relationship that is still being loaded."""
    connection = resolver.complete(await slot, root, info, args)
    return await connection if isawaitable(connection) else connection


async def list_of_async_iterable(iterable: AsyncIterable[Any]) -> list[Any]:
    """The items of an asynchronous iterable (`complete_list_value` of graphql-core)."""
    return [item async for item in iterable]
