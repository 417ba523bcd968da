"""Runs upstream's converter and ours side by side and describes what comes out, for comparison."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

import graphene
from graphene.types.structures import Structure

from graphene_sqlalchemy_c import _upstream
from graphene_sqlalchemy_c._core import AttrResolver
from graphene_sqlalchemy_c.converter import replacements


@contextmanager
def c_converter() -> Iterator[None]:
    """Puts the C converter where install() puts it, and takes it away again."""
    undo = []
    for module_name, attribute, ours in replacements():
        module = import_module(module_name)
        undo.append((module, attribute, getattr(module, attribute)))
        setattr(module, attribute, ours)
    try:
        yield
    finally:
        for module, attribute, original in reversed(undo):
            setattr(module, attribute, original)


def describe_type(type_: Any) -> Any:
    """A value that is equal for equal graphene types, lazy ones looked through."""
    if isinstance(type_, Structure):
        return type(type_), describe_type(type_.of_type)
    if inspect.isfunction(type_) or isinstance(type_, partial):
        return "lazy", describe_type(type_())
    if isinstance(type_, type) and issubclass(type_, graphene.Enum):
        members = type_._meta.enum.__members__
        return type_._meta.name, [(name, member.value) for name, member in members.items()]
    return type_


def describe_resolver(resolver: Any) -> Any:
    """Attribute resolvers by their attribute, upstream's batch resolvers by their relationship."""
    if isinstance(resolver, AttrResolver):
        return "attribute", resolver.model_attr
    name = getattr(resolver, "__qualname__", "")
    if name == "get_attr_resolver.<locals>.<lambda>":
        return "attribute", inspect.getclosurevars(resolver).nonlocals["model_attr"]
    if name == "get_batch_resolver.<locals>.resolve":
        return "batch", inspect.getclosurevars(resolver).nonlocals["relationship_prop"]
    return resolver


def describe(made: Any) -> Any:
    """Everything that shows of a field, or of the field in a Dynamic."""
    if isinstance(made, graphene.Dynamic):
        return "dynamic", made.with_schema, describe(made.get_type())
    if not isinstance(made, graphene.Field):
        return made
    return {
        "class": type(made),
        "type": describe_type(made._type),
        "seen type": describe_type(made.type),
        "name": made.name,
        "description": made.description,
        "deprecation_reason": made.deprecation_reason,
        "default_value": made.default_value,
        "resolver": describe_resolver(made.resolver),
        "args": {
            name: (describe_type(argument.type), argument.default_value, argument.description)
            for name, argument in made.args.items()
        },
    }


def outcome(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """What a call gives, its error included."""
    try:
        return "made", describe(function(*args, **kwargs))
    except Exception as error:
        return "raised", type(error), str(error)


def assert_parity(name: str, /, *args: Any, **kwargs: Any) -> Any:
    """Calls upstream's `name` and ours, each in its own world; returns the common outcome."""
    expected = outcome(getattr(_upstream, name), *args, **kwargs)
    with c_converter():
        replaced = getattr(_upstream.converter_module, name)
        assert replaced is not getattr(_upstream, name)
        actual = outcome(replaced, *args, **kwargs)
    assert actual == expected
    return expected
