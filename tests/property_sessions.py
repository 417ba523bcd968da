"""Sessions with a past: the steps of an example, done to a session of either stack."""

from __future__ import annotations

from asyncio import Lock
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from .property_models import World
from .property_queries import MAX_ROWS, Example, key_values

WRITES = frozenset({"set", "new", "point", "append", "remove", "delete"})


def insert_rows(connection: Connection, world: World, example: Example) -> None:
    """Put the rows of an example into the empty tables of its family."""
    for model, rows in zip(world.models, example.rows, strict=True):
        if rows:
            attributes = inspect(model).column_attrs
            columns = {name: attributes[name].columns[0].key for name in rows[0]}
            values = [{columns[k]: v for k, v in row.items()} for row in rows]
            connection.execute(model.__table__.insert(), values)
    for name, rows in example.associations.items():
        if rows:
            connection.execute(world.tables[name].insert(), rows)


class Past:
    """What a session has been through; keeps the instances that it met."""

    def __init__(self, world: World, session: Session, example: Example) -> None:
        self._world = world
        self._session = session
        self._example = example
        self._met: dict[tuple[int, int], Any] = {}
        self.outcomes: list[str] = []
        """For each step "ok", or the type of what it raised."""

    def run(self) -> list[list[Any]]:
        """Do all steps; returns the instances that the `given` fields show, for each model."""
        with self._session.no_autoflush:
            for step in self._example.steps:
                try:
                    getattr(self, f"_{step[0]}")(*step[1:])
                    self.outcomes.append("ok")
                except Exception as error:
                    self._failed(error)
            shown = [[*self._given(each)] for each in self._example.given]
            self._settle()
        return shown

    def _settle(self) -> None:
        """Forget loaded relationships that are not, or will not be, what the database holds.

        Stock goes on showing them where it meets the instance again; a row shows the database.
        What autoflush will not write is another matter: there the level is loaded as instances.
        """
        kinds = {step[0] for step in self._example.steps}
        if kinds.isdisjoint(WRITES) or not (self._example.autoflush or "flush" in kinds):
            return
        changed = [*self._session.new, *self._session.dirty]
        if changed and any(spec.computed for spec in self._world.family.models):
            # A flush expires what is computed. Stock flushes at the first lazy load, which may come
            # before the field is read; ours when all columns of the level are read.
            self._try_flush()
        for instance in list(self._session):
            state = inspect(instance)
            names = [each.key for each in state.mapper.relationships if each.key in vars(instance)]
            if any(state.attrs[name].history.has_changes() for name in names):
                self._try_flush()
            # It counts other objects: an instance that is met again shows what it was before.
            names += ["count"] if "count" in vars(instance) else []
            if names and state.persistent:
                self._session.expire(instance, names)

    def _try_flush(self) -> None:
        try:
            self._session.flush()
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.outcomes.append(type(error).__name__)
        if not self._session.is_active:
            self._session.rollback()

    def _given(self, instances: list[tuple[int, int]]) -> Iterator[Any]:
        for who in instances:
            try:
                found = self._instance(*who)
            except Exception as error:
                self._failed(error)
                continue
            if found is not None:
                yield found

    def _instance(self, model: int, row: int) -> Any:
        if row < 0:
            return None
        if (model, row) not in self._met:
            if row >= MAX_ROWS:
                return None
            key = tuple(key_values(self._world.family.models[model], row).values())
            self._met[model, row] = self._session.get(self._world.models[model], key)
        return self._met[model, row]

    def _some(self, model: int, row: int) -> Any:
        found = self._instance(model, row)
        if found is None:
            raise LookupError((model, row))
        return found

    def _load(self, model: int, row: int) -> None:
        self._some(model, row)

    def _read(self, model: int, row: int, name: str, _other: Any) -> None:
        getattr(self._some(model, row), name)

    def _set(self, model: int, row: int, name: str, value: Any) -> None:
        setattr(self._some(model, row), name, value)

    def _new(self, model: int, row: int, values: dict[str, Any]) -> None:
        self._transient(model, row, values)
        self._session.add(self._met[model, row])

    def _transient(self, model: int, row: int, values: dict[str, Any]) -> None:
        if self._met.get((model, row)) is not None:
            raise LookupError("made already")
        self._met[model, row] = self._world.models[model](**values)

    def _point(self, model: int, row: int, name: str, other: tuple[int, int]) -> None:
        setattr(self._some(model, row), name, self._instance(*other))

    def _append(self, model: int, row: int, name: str, other: tuple[int, int]) -> None:
        children, child = getattr(self._some(model, row), name), self._some(*other)
        if child not in children:
            children.append(child)

    def _remove(self, model: int, row: int, name: str, other: tuple[int, int]) -> None:
        children, child = getattr(self._some(model, row), name), self._some(*other)
        # A list that lacks it fires its events all the same.
        if child in children:
            children.remove(child)

    def _committed(self, model: int, row: int, name: str, other: tuple[int, int]) -> None:
        value = self._instance(*other)
        parent = self._some(model, row)
        if inspect(type(parent)).relationships[name].uselist:
            value = [] if value is None else [value]
        set_committed_value(parent, name, value)

    def _expire(self, model: int, row: int) -> None:
        self._session.expire(self._some(model, row))

    def _expire_some(self, model: int, row: int, name: str, _other: Any) -> None:
        self._session.expire(self._some(model, row), [name, "n", "word"])

    def _expire_all(self, _model: int, _row: int) -> None:
        self._session.expire_all()

    def _delete(self, model: int, row: int) -> None:
        self._session.delete(self._some(model, row))
        if self._example.autoflush:
            # Stock looks at a parent before the flush of its load that deletes it, ours after.
            self._session.flush()

    def _flush(self, _model: int, _row: int) -> None:
        self._session.flush()

    def _expunge(self, model: int, row: int) -> None:
        self._session.expunge(self._some(model, row))


def context_of(world: World, session: Session | AsyncSession, given: Any, example: Example) -> Any:
    """The context of a request."""
    return {
        "session": session,
        "turn": Lock(),
        "given": given,
        "plans": example.plans,
        "wanted": example.wanted,
    }
