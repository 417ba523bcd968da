"""Loading one relationship for many parents: one statement for each session, options and chunk.

Everything here runs once per level of a query; the loops over parents and rows are in src/group.c.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Select
from sqlalchemy.exc import InvalidRequestError, SAWarning
from sqlalchemy.ext.asyncio import async_session
from sqlalchemy.orm import RelationshipProperty, Session
from sqlalchemy.orm.attributes import InstrumentedAttribute, instance_state

from . import _core
from ._sqlalchemy import carried_options, column_refusal
from .attributes import load_columns
from .sessions import has_changes
from .statements import KEYS, NotBatchable, RelationshipStatements, Route, chunks

_MISSING = object()


class RelationshipLoader:
    """Loads one relationship, as the mapper describes it, for any number of parents.

    :param relationship: the relationship of the mapper that declares or inherits it.

    A loaded relationship becomes the attribute of its parent by ``set_committed_value``, as if the
    ORM had loaded it. Parents that the ORM alone can answer for (transient, pending or detached
    ones, those with a loader option for the relationship, relationships that cannot be batched)
    have their attribute read instead, one by one, with the ORM's own answer or error.
    """

    def __init__(self, relationship: RelationshipProperty[Any]) -> None:
        self.relationship = relationship
        self.key: str = relationship.key
        self.parent_class: type = relationship.parent.class_
        self._loaders: WeakKeyDictionary[type, RelationshipLoader | None] = WeakKeyDictionary()
        self.statements: RelationshipStatements | None
        self.reason: str | None = None
        """Why the relationship cannot be batched; None when it can."""
        try:
            self.statements = RelationshipStatements(relationship)
        except NotBatchable as reason:
            self.statements = None
            self.reason = str(reason)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.relationship}>"

    def __str__(self) -> str:
        return str(self.relationship)

    def loader_of(self, cls: type) -> RelationshipLoader | None:
        """The loader of the relationship that instances of a class have under this key.

        A subclass may have a relationship of its own under the name; its loader is another one.

        :return: None where the class has no such relationship, or one that keeps something else
            than its value in the instance dict: dynamic and write-only relationships.
        """
        if cls not in self._loaders:
            self._loaders[cls] = self._find_loader(cls)
        return self._loaders[cls]

    def _find_loader(self, cls: type) -> RelationshipLoader | None:
        if not issubclass(cls, self.parent_class):
            return None
        attribute = getattr(cls, self.key, None)
        if not isinstance(attribute, InstrumentedAttribute):
            return None
        prop = attribute.property
        if not isinstance(prop, RelationshipProperty) or prop.lazy in ("dynamic", "write_only"):
            return None
        return self if prop is self.relationship else self.sibling_loader(prop)

    def sibling_loader(self, relationship: RelationshipProperty[Any]) -> RelationshipLoader:
        """The loader of another relationship; a subclass may keep one for each."""
        return type(self)(relationship)

    def needs_await(self, parent: object) -> bool:
        """Whether the parent lives in an AsyncSession, so that only a coroutine may load for it."""
        return instance_state(parent).async_session is not None

    def load(self, parents: list[Any], limit: int | None = None) -> dict[int, Any]:
        """Load the relationship for every parent that lacks it, together.

        :param parents: instances of the parent class, of any sessions. Those of an AsyncSession
            only inside its ``run_sync``.
        :param limit: None, or the most keys to load for. With a limit the parents after the first
            are a guess: those that would need a statement of their own are left as they are.
        :return: ``{id(parent): answer}`` for the parents whose answer is not their attribute by
            now: an exception, or what the ORM returned. One failing statement fails every parent
            that it was to serve.
        """
        if any(self.loader_of(cls) not in (self, None) for cls in set(map(type, parents))):
            return self._load_by_class(parents, limit)
        answers: dict[int, Any] = {}
        groups, rest = _core.group_parents(parents, self.key)
        for (session, options), members in groups.items():
            rest += self._load_group(session, options, members, answers, limit)
        if limit is not None:
            rest = [parent for parent in rest if parent is parents[0]]
        for parent in rest:
            try:
                answers[id(parent)] = getattr(parent, self.key)
            except Exception as error:
                answers[id(parent)] = error
        return answers

    def _load_by_class(self, parents: list[Any], limit: int | None) -> dict[int, Any]:
        """Load for parents some of whose classes have a relationship of their own."""
        by_loader: dict[RelationshipLoader, list[Any]] = {}
        for parent in parents:
            by_loader.setdefault(self.loader_of(type(parent)) or self, []).append(parent)
        answers: dict[int, Any] = {}
        for loader, members in by_loader.items():
            answers.update(loader.load(members, limit))
        return answers

    def load_many(self, parents: list[Any]) -> list[Any]:
        """The relationship of every parent, loaded together where they lack it.

        :param parents: as for :meth:`load`.
        :return: a list aligned with ``parents``; an entry that failed is its exception.
        """
        return _core.read_results(parents, self.key, self.load(parents))

    async def load_many_async(self, parents: list[Any]) -> list[Any]:
        """The same as :meth:`load_many` for parents that live in AsyncSessions.

        Their sessions are taken one after the other, each by its own ``run_sync``.
        """
        by_session: dict[Any, list[Any]] = {}
        groups, rest = _core.group_parents(parents, self.key)
        for (session, _), members in groups.items():
            by_session.setdefault(async_session(session), []).extend(members)
        for parent in rest:
            by_session.setdefault(instance_state(parent).async_session, []).append(parent)
        answers: dict[int, Any] = {}
        for session, members in by_session.items():
            if session is None:
                results = self.load_many(members)
            else:
                results = await session.run_sync(lambda _, members=members: self.load_many(members))
            answers.update(zip(map(id, members), results, strict=True))
        return _core.read_results(parents, self.key, answers)

    # -- one session, one set of options --

    def _has_pending(self, parent: Any) -> bool:
        state = instance_state(parent)
        return bool(state.modified or state.attrs[self.key].history.has_changes())

    def _load_group(
        self,
        session: Session,
        options: tuple[Any, ...],
        parents: list[Any],
        answers: dict[int, Any],
        limit: int | None,
    ) -> list[Any]:
        """Load for parents of one session and one set of options; returns those that are left."""
        carried = carried_options(options, self.relationship)
        if self.statements is None or carried is None:
            return parents
        pending: list[Any] = []
        raises = self.relationship.lazy in ("raise", "raise_on_sql")
        if not session.autoflush and has_changes(session) and not raises:
            # A collection that is not loaded may have additions and removals that a row knows
            # nothing of; the attribute puts them together.
            pending = [parent for parent in parents if self._has_pending(parent)]
            parents = [parent for parent in parents if not self._has_pending(parent)]
        try:
            load = _GroupLoad(self.relationship, self.statements, session, carried, limit)
            left = load.run(parents)
            return self._without_null_keys(left) if raises else pending + left
        except Exception as error:
            answers.update((id(each), error) for each in parents if self.key not in vars(each))
            return []

    def _without_null_keys(self, parents: list[Any]) -> list[Any]:
        """Settle the parents with a NULL in their key; returns the others.

        Of a key that is NULL in part the ORM asks the database, which lazy="raise" forbids.
        """
        assert self.statements is not None
        names = self.statements.local_names
        settled: list[Any] = []
        left: list[Any] = []
        for parent in parents:
            is_null = any(vars(parent).get(name, _MISSING) is None for name in names)
            (settled if is_null else left).append(parent)
        _core.assign_value(settled, self.key, [] if self.relationship.uselist else None)
        return left


class _GroupLoad:
    """One load for parents of one session that carry the same options."""

    def __init__(
        self,
        relationship: RelationshipProperty[Any],
        statements: RelationshipStatements,
        session: Session,
        carried: tuple[Any, ...],
        limit: int | None,
    ) -> None:
        self._relationship = relationship
        self._key: str = relationship.key
        self._uselist = bool(relationship.uselist)
        self._statements = statements
        self._session = session
        self._dialect = session.get_bind(relationship.mapper).dialect
        self._carried = carried
        self._limit = -1 if limit is None else limit
        self._guess = limit is not None
        self._left: list[Any] = []
        """Parents that only their attribute can answer for, by what was learnt on the way."""

    def run(self, parents: list[Any]) -> list[Any]:
        """Load for the parents; returns those whose attribute is to be read instead."""
        route = self._statements.route(self._dialect)
        if self._statements.by_identity:
            parents, self._left = take_from_identity_map(
                self._relationship, self._statements, self._session, parents, self._guess
            )
        if route is None:
            return [*self._left, *parents]
        self._load(route, parents)
        return self._left

    def _load(self, route: Route, parents: list[Any]) -> None:
        parents, left = comparable(route, self._session, parents)
        by_key, empty, odd = collect(parents, route.names, self._limit, self._guess)
        _core.assign_value(empty, self._key, [] if self._uselist else None)
        self._left += [*left, *odd]
        # The database may compare text in a way that no model declares (a reflected collation).
        text = self._statements.has_text_key and not route.through_parent
        if text and may_be_equal(by_key):
            self._load_exactly(route, parents_of(by_key))
            return
        route = route.for_keys(len(by_key), self._dialect)
        statement = route.statement.options(*self._carried) if self._carried else route.statement
        for chunk in chunks(by_key, route.chunk):
            rows = self._execute(statement, {KEYS: list(chunk)})
            children, stray = _core.match_rows(rows, chunk, len(route.names))
            if stray:
                self._load_exactly(route, parents_of(chunk))
                continue
            if text and not self._uselist:
                lost = {key: chunk.pop(key) for key in list(chunk) if key not in children}
                self._load_exactly(route, parents_of(lost))
            self._assign(chunk, children)

    def _execute(self, statement: Select[Any], parameters: dict[str, Any]) -> list[Any]:
        """The rows of a statement; match_rows takes each child once, as unique() would.

        The ORM insists on unique() where a collection of the child is loaded by an eager join,
        which a mapper or an event may have asked for. Every row is, by its id.
        """
        if not self._statements.needs_unique:
            try:
                return list(self._session.execute(statement, parameters).all())
            except InvalidRequestError as error:
                if "unique()" not in str(error):
                    raise
        rows = list(self._session.execute(statement, parameters).unique(id).all())
        self._statements.needs_unique = True
        return rows

    def _load_exactly(self, route: Route, parents: list[Any]) -> None:
        """The database found equal what Python does not: join the parent, or read the attribute."""
        exact = None
        if parents and not route.through_parent:
            exact = self._statements.route(self._dialect, through_parent=True)
        if exact is None:
            self._left += parents
        else:
            self._load(exact, parents)

    def _assign(self, by_key: dict[Any, list[Any]], children: dict[Any, list[Any]]) -> None:
        surplus = _core.assign_children(by_key, children, self._key, self._uselist)
        warn_of_surplus(self._relationship, surplus)


def collect(
    parents: list[Any], names: tuple[str, ...], limit: int = -1, guess: bool = False
) -> Any:
    """The parents by their keys, as ``_core.collect_keys`` gives them.

    Keys that are not loaded (of a subclass, deferred, expired) are loaded for all of them first.
    """
    if not guess:
        load_columns(names, _core.lacking(parents, names))
    return _core.collect_keys(parents, names, limit, guess)


def comparable(route: Route, session: Session, parents: list[Any]) -> tuple[list[Any], list[Any]]:
    """Find the parents for whom a join through the parent compares what a lazy load would bind.

    The join compares what the database holds, which a pending change is not yet, and it would not
    notice a column that an option or the mapper forbids to load.

    :return: (those parents, the parents that only their attribute can answer for).
    """
    if not route.through_parent:
        return parents, []
    dirty = session.dirty
    found: list[Any] = []
    left: list[Any] = []
    for parent in parents:
        is_changed = parent in dirty and _has_changed(parent, route.compared)
        (left if is_changed or _is_barred(parent, route.compared) else found).append(parent)
    return found, left


def _has_changed(instance: Any, names: tuple[str, ...]) -> bool:
    attributes = instance_state(instance).attrs
    return any(attributes[name].history.has_changes() for name in names)


def _is_barred(instance: Any, names: tuple[str, ...]) -> bool:
    """Whether a column that is not loaded is read in a way of its own, perhaps not at all."""
    for name in names:
        if name not in vars(instance):
            state = instance_state(instance)
            prop = state.mapper.column_attrs[name]
            if name in state.callables or column_refusal(prop) is not None:
                return True
    return False


def take_from_identity_map(
    relationship: RelationshipProperty[Any],
    statements: RelationshipStatements,
    session: Session,
    parents: list[Any],
    guess: bool = False,
) -> tuple[list[Any], list[Any]]:
    """Settle what needs no statement, as a lazy load looks into the identity map first.

    A target that is expired there is left to the attribute, which refreshes it.

    :param guess: whether the parents after the first are guessed siblings.
    :return: (parents that need a row, parents that only their attribute can answer for).
    """
    target, key, names = relationship.mapper, relationship.key, statements.local_names
    by_key, empty, odd = collect(parents, names, -1, guess)
    _core.assign_value(empty, key, None)
    stale = _core.assign_identities(
        by_key,
        session.identity_map.get,
        target.identity_key_from_primary_key,
        target.class_,
        key,
        len(names) > 1,
    )
    return parents_of(by_key), [*odd, *stale]


def parents_of(by_key: dict[Any, list[Any]]) -> list[Any]:
    """The parents of all keys."""
    return [parent for members in by_key.values() for parent in members]


def warn_of_surplus(relationship: RelationshipProperty[Any], count: int) -> None:
    """Warn for each parent that a to-one relationship found several rows for, as the ORM does."""
    for _ in range(count):
        # The words of sqlalchemy.orm.strategies.LazyLoader.
        warnings.warn(
            "Multiple rows returned with uselist=False for lazily-loaded attribute "
            f"'{relationship}' ",
            SAWarning,
            stacklevel=2,
        )


def may_be_equal(keys: Iterable[Any]) -> bool:
    """Whether a database that ignores case or trailing blanks could take two keys for one."""

    def fold(part: Any) -> Any:
        return part.casefold().rstrip() if isinstance(part, str) else part

    keys = list(keys)
    folded = {tuple(map(fold, key)) if isinstance(key, tuple) else fold(key) for key in keys}
    return len(folded) < len(keys)
