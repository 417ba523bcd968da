"""What an explanation says of `get_query`, where a schema enforces it."""

from __future__ import annotations

from typing import Any, NamedTuple

from graphql import GraphQLNamedType, get_named_type
from sqlalchemy.orm import Mapper

from .guard import Guard

__all__ = ["GuardText", "Guarded"]


class Guarded(NamedTuple):
    """How the objects of a level are guarded."""

    guard: Guard | None = None
    """What gives statements their criteria; None where there are none to be shown."""
    options: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()


class GuardText:
    """Tells of levels how they are guarded.

    :param guard: of the operation; None where nothing is enforced.
    """

    def __init__(self, guard: Guard | None) -> None:
        self._guard = guard

    def of(self, type_: Any, mapper: Mapper[Any] | None) -> Guarded:
        """How the objects of a type are guarded.

        :param type_: of a field.
        :param mapper: that the statement selects; None where none is known.
        """
        guard = self._guard
        named: GraphQLNamedType = get_named_type(type_)
        names = () if guard is None else guard.names(named)
        if guard is None or not names:
            return Guarded(guard)
        notes = (f"guarded by get_query of {', '.join(names)}",)
        if mapper is None:
            return Guarded(None, (), notes)
        try:
            return Guarded(guard, guard.options(named, mapper), notes)
        except Exception as error:
            # It may need what only a request has.
            why = f"{type(error).__name__}: {error}"
            return Guarded(None, (), (*notes, f"its criterion is not known: {why}"))
