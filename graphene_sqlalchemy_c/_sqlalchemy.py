"""What is read of SQLAlchemy beyond its documented API: loader options, and instance states.

A child load must carry what a lazy load would carry. Which relationship a loader option speaks of
is known only to the option itself: ``Load.context`` holds its elements, each with a path. These
names have no underscore, but no documentation either, so this file is the only one that uses them;
it fails at import when one is missing, and is tested on every SQLAlchemy line that is supported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import InstanceState, Load, RelationshipProperty, UserDefinedOption
from sqlalchemy.orm.path_registry import PathRegistry
from sqlalchemy.orm.util import LoaderCriteriaOption

_READ = {
    Load: ("context", "propagate_to_loaders"),
    PathRegistry: ("path",),
    # Read by src/group.c.
    InstanceState: (
        "callables",
        "expired",
        "identity_token",
        "key",
        "load_options",
        "modified",
        "object",
        "session",
    ),
}

for _class, _names in _READ.items():
    for _name in _names:
        if not any(
            _name in vars(base) or _name in vars(base).get("__annotations__", ())
            for base in _class.__mro__
        ):
            raise ImportError(
                f"graphene_sqlalchemy_c reads {_class.__module__}.{_class.__qualname__}.{_name}, "
                "which this version of SQLAlchemy does not have"
            )


def carried_options(
    options: Sequence[Any], relationship: RelationshipProperty[Any]
) -> tuple[Any, ...] | None:
    """The loader options of a parent that a load of ``relationship`` must carry.

    :param options: ``InstanceState.load_options`` of the parent: what the statement that loaded it
        propagates to the loads below it.
    :param relationship: the relationship that is about to be loaded.
    :return: options for the child statement, or None where only the attribute's own lazy load is
        certain to be right: an option that names this relationship, or of an unknown kind.
    """
    carried = []
    for option in options:
        if isinstance(option, (LoaderCriteriaOption, UserDefinedOption)):
            carried.append(option)
        elif not isinstance(option, Load) or any(
            step is relationship for element in option.context for step in element.path.path
        ):
            return None
    return tuple(carried)
