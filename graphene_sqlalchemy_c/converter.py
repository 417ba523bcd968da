"""The converter in C, as the objects that stand in for graphene-sqlalchemy's.

`replacements()` names each place where install() puts one of them. Nothing is changed by
importing this module.
"""

from types import FunctionType
from typing import Any

from . import _core, _upstream

#: Stands in for upstream's object of this name; shares its registry and its default.
convert_sqlalchemy_type = _core.TypeDispatch(_upstream.convert_sqlalchemy_type)

# (name, upstream's object, ours); looked for under their names in each of the modules below.
_STAND_INS: tuple[tuple[str, Any, Any], ...] = (
    ("convert_sqlalchemy_type", _upstream.convert_sqlalchemy_type, convert_sqlalchemy_type),
    *(
        (name, getattr(_upstream, name), getattr(_core, name))
        for name in (
            "_convert_o2m_or_m2m_relationship",
            "_convert_o2o_or_m2o_relationship",
            "convert_sqlalchemy_association_proxy",
            "convert_sqlalchemy_column",
            "convert_sqlalchemy_composite",
            "convert_sqlalchemy_hybrid_method",
            "convert_sqlalchemy_relationship",
            "get_attr_resolver",
            "get_column_doc",
            "get_custom_resolver",
            "is_column_nullable",
        )
    ),
)

_MODULES = (
    _upstream.converter_module,
    _upstream.fields_module,
    _upstream.resolvers_module,
    _upstream.types_module,
)


def _is_upstreams_own(original: Any) -> bool:
    """Whether upstream defined `original`, rather than a user who put it in upstream's place."""
    if isinstance(original, FunctionType):
        return any(original.__globals__ is vars(module) for module in _MODULES)
    return type(original) is _upstream.singledispatchbymatchfunction


def replacements() -> list[tuple[str, str, object]]:
    """Where the C converter goes: (module name, attribute name, new object) for each place.

    A place is a global of an upstream module that holds upstream's own function; upstream's
    modules import from one another by value, so a function has several. A global that a user has
    replaced is no place: the user's function stays. Undoing is putting back what was there.
    """
    return [
        (module.__name__, name, ours)
        for name, original, ours in _STAND_INS
        if _is_upstreams_own(original)
        for module in _MODULES
        if vars(module).get(name) is original
    ]
