"""Attributes of instances that are not loaded: deferred, expired, of a subclass.

The ORM loads them one by one when they are read. Here all that a selection reads is loaded for all
instances of a level at once, in one statement for each session and class. Called from src/loads.c.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import ColumnProperty, Mapper, Session
from sqlalchemy.orm.attributes import instance_state, set_committed_value

from ._core import BatchResolver
from ._sqlalchemy import column_refusal, is_deferral, is_watched
from .columns import entity_columns, key_expression, primary_key, primary_key_names
from .sessions import in_sessions
from .statements import KEYS_PER_STATEMENT, chunks

__all__ = [
    "load_attributes",
    "load_attributes_async",
    "load_columns",
    "needs_await",
    "start_names",
]

_MANY_KEYS = 10_000
"""Keys of one statement on databases that take so many parameters."""
_TAKE_MANY = frozenset({"sqlite", "postgresql", "mysql", "mariadb"})


def needs_await(instance: object) -> bool:
    """Whether the instance lives in an AsyncSession."""
    mapper = inspect(type(instance), raiseerr=False)
    return mapper is not None and instance_state(instance).async_session is not None


def load_attributes(key: str | None, names: tuple[str, ...], instances: list[Any]) -> list[Any]:
    """An attribute of many instances, which lack it.

    :param key: its name; None for the primary key.
    :param names: the attributes that the selection reads, which are loaded along with it.
    :param instances: of any mapped classes and sessions.
    :return: the values, or the exceptions of reading them, aligned with the instances.
    """
    wanted = []
    for instance in instances:
        mapper: Mapper[Any] | None = inspect(type(instance), raiseerr=False)
        if mapper is None or (key is not None and not _is_column(mapper, key)):
            continue
        if key is None or key in instance_state(instance).unloaded:
            wanted.append(instance)  # not loaded along with another field's
    load_columns(names, wanted)
    return [_read(each, key) for each in instances]


def load_columns(names: tuple[str, ...], instances: list[Any]) -> None:
    """Load the columns of those names for all instances that lack them, where the ORM would.

    :param instances: of any mapped classes and sessions; those of an AsyncSession only inside its
        ``run_sync``.
    """
    groups: dict[tuple[Session, Mapper[Any]], list[Any]] = {}
    for instance in instances:
        state = instance_state(instance)
        if state.session is not None and state.persistent and state.identity_token is None:
            groups.setdefault((state.session, state.mapper), []).append(instance)
    for (session, mapper), members in groups.items():
        if len(members) > 1:
            _load(session, mapper, names, members)


def start_names(resolver: BatchResolver) -> tuple[str, ...]:
    """The attributes that the relationship of a resolver starts from."""
    statements = resolver.loader.statements
    return () if statements is None else statements.start_names


async def load_attributes_async(
    key: str | None, names: tuple[str, ...], instances: list[Any]
) -> list[Any]:
    """The same as :func:`load_attributes` for instances that live in AsyncSessions."""
    return await in_sessions(instances, partial(load_attributes, key, names))


def _is_column(mapper: Mapper[Any], key: str) -> bool:
    prop = mapper.attrs.get(key)
    return isinstance(prop, ColumnProperty) and column_refusal(prop) is None


def _load(
    session: Session, mapper: Mapper[Any], names: tuple[str, ...], instances: list[Any]
) -> None:
    """Load the columns that some instance lacks, by columns and not as objects.

    Loading objects would run the eager loads of the mapper as well, over what an option of the
    instance's own says of them. What an option decides (`InstanceState.callables`) is left to the
    attribute.
    """
    wanted = [
        name
        for name in dict.fromkeys((*names, *primary_key_names(mapper)))
        if _is_column(mapper, name) and any(_takes(each, name) for each in instances)
    ]
    if not wanted or is_watched(mapper):
        return
    key = primary_key(mapper)
    statement = select(*key, *entity_columns(mapper, tuple(wanted))).select_from(mapper.class_)
    by_identity = {tuple(instance_state(each).identity or ()): each for each in instances}
    many = session.get_bind(mapper).dialect.name in _TAKE_MANY
    size = _MANY_KEYS if many else KEYS_PER_STATEMENT
    for chunk in chunks(by_identity, size // len(key)):
        values = [identity[0] for identity in chunk] if len(key) == 1 else list(chunk)
        for row in session.execute(statement.where(key_expression(key).in_(values))).all():
            instance = by_identity.get(tuple(row[: len(key)]))
            if instance is not None:
                _give(instance, wanted, row[len(key) :])


def _give(instance: Any, names: list[str], values: Any) -> None:
    """Set what the instance still lacks."""
    for name, value in zip(names, values, strict=True):
        if _takes(instance, name):
            set_committed_value(instance, name, value)


def _takes(instance: Any, name: str) -> bool:
    """Whether an instance lacks a column, and nothing else decides about it but that it does."""
    state = instance_state(instance)
    if name not in state.unloaded:
        return False
    return name not in state.callables or is_deferral(state.callables[name])


def _read(instance: Any, key: str | None) -> Any:
    """The attribute, or its error; whatever is still missing the ORM loads."""
    try:
        if key is not None:
            return getattr(instance, key, None)
        (value,) = instance.__mapper__.primary_key_from_instance(instance)
        return value
    except Exception as error:
        return error
