"""Relationships without a database: real BatchResolvers over loaders that look into the parents."""

from __future__ import annotations

import asyncio
from typing import Any

from graphene_sqlalchemy_c._core import BatchResolver


class Session:
    """As much of a session as is looked at before anything is loaded."""

    def __init__(self) -> None:
        self.info: dict[str, Any] = {}


SESSIONS = {"sync": Session(), "async": Session()}


class Loader:
    """Stands for `loading.RelationshipLoader`; keeps a log of its loads.

    :param field: what `read(parent, field)` is asked for.
    :param read: the relationship of one parent; what it raises is that parent's own error.
    :param log: a load is noted here.
    """

    running = 0

    def __init__(self, field: str, read: Any, log: list[Any]) -> None:
        self.field = field
        self.read = read
        self.log = log
        self.key = f"~{field}"  # never in an instance dict, so always to be loaded

    def loader_of(self, cls: type) -> Loader | None:
        return self if hasattr(cls, "_sa_instance_state") else None

    def miss(self, root: Any, info: Any) -> Any:
        value = self.read(root, self.field)
        if isinstance(value, Exception):
            raise value
        return value

    def needs_await(self, parent: Any) -> bool:
        return bool(parent._sa_instance_state.session is SESSIONS["async"])

    def _load(self, parents: list[Any]) -> list[Any]:
        values = []
        for parent in parents:
            try:
                values.append(self.read(parent, self.field))
            except ValueError as error:
                values.append(error)
        if any(value == "fails" for value in values):
            raise RuntimeError(f"statement for {self.field}")
        return values

    def load_many(self, parents: list[Any]) -> list[Any]:
        assert Loader.running == 0
        self.log.append((self.field, len(parents)))
        return self._load(parents)

    async def load_many_async(self, parents: list[Any]) -> list[Any]:
        assert Loader.running == 0
        Loader.running += 1
        await asyncio.sleep(0)
        Loader.running -= 1
        self.log.append((self.field, "async", len(parents)))
        return self._load(parents)


def fake_relationship(field: str, read: Any, log: list[Any]) -> BatchResolver:
    """A BatchResolver over a `Loader`."""

    def foreign(_root: Any, _info: Any, **_args: Any) -> Any:
        raise AssertionError("every root of these tests has its relationships")

    return BatchResolver(Loader(field, read, log), foreign)
