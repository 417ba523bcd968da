"""What ``Meta`` of a type may say to this package, besides graphene-sqlalchemy's own options.

rows
    False: the objects of the type are loaded as ORM instances everywhere.
max_page_size, default_page_size
    of connections whose nodes are of the type; they win over the options of the schema, None too.
nested_arguments
    whether the type's connection fields over relationships take ``sort`` and ``filter``.
"""

from __future__ import annotations

from typing import Any

from .pagination import Limits

__all__ = ["OPTIONS", "remember", "take_options"]

OPTIONS = ("rows", "max_page_size", "default_page_size", "nested_arguments")


def take_options(options: dict[str, Any]) -> dict[str, Any]:
    """Remove this package's options from those of a ``Meta``, and give them.

    :raises ValueError: for values that mean nothing.
    """
    own = {name: options.pop(name) for name in OPTIONS if name in options}
    for name in ("rows", "nested_arguments"):
        if name in own and type(own[name]) is not bool:
            raise ValueError(f"Meta.{name} must be True or False, not {own[name]!r}")
    Limits(own.get("max_page_size"), own.get("default_page_size"))
    return own


def remember(meta: Any, own: dict[str, Any]) -> None:
    """Keep them on the ``_meta`` of the type, which is not frozen yet."""
    for name, value in own.items():
        setattr(meta, name, value)
