"""Decides, once per type, what the C rooms may take for granted about it.

Called from C on the first sight of a type; the C rooms keep the answer. An answer is given only
where the fast way is the same as the slow one; None means the slow way.
"""

import datetime
import decimal
import uuid
from collections.abc import Callable, Mapping
from types import FunctionType, GetSetDescriptorType
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import ColumnProperty, Mapper, RelationshipProperty
from sqlalchemy.orm.attributes import InstrumentedAttribute
from sqlalchemy.types import TypeEngine

from . import _upstream

_Matcher = Callable[[Any], Any]

# Besides SQLAlchemy's types, the ones that upstream converts: a return annotation of a hybrid.
_PYTHON_TYPES = frozenset(
    {
        bool,
        bytes,
        datetime.date,
        datetime.datetime,
        datetime.time,
        datetime.timedelta,
        decimal.Decimal,
        dict,
        float,
        int,
        list,
        str,
        uuid.UUID,
    }
)

# Upstream's factories of matchers, and the metaclass method that each of their matchers calls.
_FACTORIES: tuple[tuple[Any, str], ...] = (
    (_upstream.column_type_eq, "__eq__"),
    (_upstream.safe_isinstance, "__instancecheck__"),
    (_upstream.safe_issubclass, "__subclasscheck__"),
)
_FACTORY_CODES = tuple((factory(object).__code__, hook) for factory, hook in _FACTORIES)

# The loader strategies that keep a loaded value, and nothing else, in the instance dict. Not
# "dynamic" and "write_only", which are read through an object of their own.
_STORED_LAZY = (
    "select",
    "joined",
    "selectin",
    "subquery",
    "immediate",
    "raise",
    "raise_on_sql",
    "noload",
    True,
    False,
    None,
)


def _depends_on_class_alone(matcher: _Matcher) -> bool:
    """Whether `matcher` answers the same for a plain class each time it is asked.

    True for the matchers in upstream's converter module and for those that upstream's factories
    (`column_type_eq`, `safe_isinstance`, `safe_issubclass`) made for a class without hooks of its
    own. Any other is a user's function, which may look at anything.
    """
    if not isinstance(matcher, FunctionType):
        return False
    if matcher.__globals__ is _upstream.converter_globals:
        return matcher.__closure__ is None
    for code, hook in _FACTORY_CODES:
        if matcher.__code__ is code and matcher.__closure__ is not None:
            compared = matcher.__closure__[0].cell_contents  # the factory's argument
            if not isinstance(compared, type):
                return False
            return getattr(type(compared), hook) is getattr(type, hook)
    return False


def _has_plain_mro(type_arg: type) -> bool:
    """Whether `type_arg.__mro__` is what upstream's own linearization gives for `type_arg`.

    Upstream linearizes again, by the rule that puts abstract base classes first. That is the
    interpreter's order when no base is abstract and no metaclass has a say. A class attribute
    `__origin__` would be mistaken for a typing construct by upstream's matchers; it is left to
    upstream too.
    """
    for cls in type_arg.__mro__:
        if type(cls) is not type or hasattr(cls, "__abstractmethods__"):
            return False
        if "__origin__" in vars(cls):
            return False
    return True


def plan_dispatch(
    type_arg: type, registry: Mapping[_Matcher, Callable[..., Any]]
) -> tuple[tuple[type, ...], tuple[Any, ...], Callable[..., Any] | None] | None:
    """What `singledispatchbymatchfunction.__call__` does for `type_arg`, as far as it is fixed.

    Parameters:
        type_arg: the class that is dispatched on; its metaclass is `type`.
        registry: upstream's matchers and methods, in the order of registration.

    Returns None when upstream is to be asked each time, else (mro, probes, method):
    the linearization that the answer holds for, the flat sequence matcher, class, method, ... of
    the calls of users' matchers that upstream makes before it comes to its answer, and that
    answer, None for the default.
    """
    if type_arg not in _PYTHON_TYPES and not issubclass(type_arg, TypeEngine):
        return None
    if not _has_plain_mro(type_arg):
        return None
    probes: list[Any] = []
    for cls in type_arg.__mro__:
        for matcher, method in registry.items():
            if not _depends_on_class_alone(matcher):
                probes += (matcher, cls, method)
            elif matcher(cls):
                return type_arg.__mro__, tuple(probes), method
    return type_arg.__mro__, tuple(probes), None


def primary_key_name(cls: type) -> str | None:
    """The attribute that upstream's `resolve_id` reads of an instance of `cls`.

    None when the class is not mapped or its primary key has several columns.
    """
    mapper: Any = inspect(cls, raiseerr=False)
    if not isinstance(mapper, Mapper) or len(mapper.primary_key) != 1:
        return None
    name: str = mapper.get_property_by_column(mapper.primary_key[0]).key
    return name


def _has_plain_dict(cls: type) -> bool:
    """Whether `instance.__dict__` is the dict that the interpreter keeps for the instance."""
    for base in cls.__mro__:
        if "__dict__" in vars(base):
            return isinstance(vars(base)["__dict__"], GetSetDescriptorType)
    return False


def stored_attribute(cls: type, name: str) -> object:
    """The descriptor that reads attribute `name` of instances of `cls` from their dict first.

    That is `InstrumentedAttribute.__get__`: the value in the instance dict, when there is one, is
    the value of the attribute. None when the attribute is anything else (hybrid, composite,
    synonym, property, no attribute), is a dynamic or write-only relationship, or when the class
    keeps its state elsewhere (`sqlalchemy.ext.instrumentation`).
    """
    descriptor = vars(cls).get(name)
    if type(descriptor) is not InstrumentedAttribute or descriptor.key != name:
        return None
    if cls.__mro__[0] is not cls or not _has_plain_dict(cls):
        return None
    if hasattr(cls, "__sa_instrumentation_manager__"):
        return None
    try:
        prop = descriptor.property
    except Exception:  # mappers that cannot be configured: reading the attribute says why
        return None
    if isinstance(prop, RelationshipProperty):
        return descriptor if prop.lazy in _STORED_LAZY else None
    return descriptor if isinstance(prop, ColumnProperty) else None
