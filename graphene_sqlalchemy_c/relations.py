"""Loading a relationship for the parents of a level, as rows or as instances.

Parents are rows of the level above, or instances that lack the attribute. Called from src/loads.c,
once for each relationship of a level; the loops over parents and rows are in src/rows.c.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from graphql import FieldNode, GraphQLResolveInfo
from sqlalchemy.ext.asyncio import async_session
from sqlalchemy.orm import Mapper, Session

from . import _core
from ._core import BatchResolver, ConnectionResolver
from ._graphql import complete_later
from ._sqlalchemy import arranged_options, carried_options
from .batching import join_batch
from .guard import Guard
from .joined_pages import Below
from .levels import GROUP_INSTANCES, GROUP_PAGE, Level
from .loading import (
    collect,
    comparable,
    may_be_equal,
    parents_of,
    take_from_identity_map,
    warn_of_surplus,
)
from .pagination import NO_NODES, NOT_ARRANGED, Arrangement, Page
from .plain_loads import plain_values
from .relation_plans import RelationPlan
from .sessions import NotRows, Origin, RowReader, fetch_entities, in_sessions, sees_rows
from .statements import KEYS, Route, chunks

__all__ = ["RelationLoad", "load_relation", "load_relation_async"]


def load_relation(
    resolver: BatchResolver | ConnectionResolver,
    level: Level | None,
    origin: Origin | None,
    parents: list[Any],
    arguments: dict[str, Any] | None,
    node: FieldNode,
    variables: dict[str, Any],
    guard: Guard | None = None,
    below: Below | None = None,
) -> list[Any]:
    """The values of a relationship field for many parents.

    :param resolver: of the field.
    :param level: of the field's selection; None where nothing is known of it.
    :param origin: from where the parents are loaded, when they are rows; None for instances.
    :param parents: rows of one origin, or instances that lack the attribute.
    :param arguments: of a connection field.
    :param node: the field, as the document has it.
    :param variables: the coerced variables of the operation.
    :param guard: what is visible to the operation; None for everything.
    :param below: the first connection of a connection's nodes.
    :return: for each parent a RowGroup, instances as the ORM would give them, or an exception.
    """
    plan = RelationPlan.of(resolver, level)
    if origin is not None and guard is None:
        values = plain_values(plan, origin, parents, arguments, below)
        if values is not None:
            return values
    load = RelationLoad(plan, arguments or {}, node, variables, guard)
    if origin is not None:
        return load.for_rows(origin, parents)
    return load.for_instances(parents)


async def load_relation_async(
    resolver: BatchResolver | ConnectionResolver,
    level: Level | None,
    origin: Origin | None,
    parents: list[Any],
    arguments: dict[str, Any] | None,
    node: FieldNode,
    variables: dict[str, Any],
    guard: Guard | None = None,
    below: Below | None = None,
) -> list[Any]:
    """The same as :func:`load_relation` for parents that live in AsyncSessions."""

    def load(members: list[Any]) -> list[Any]:
        return load_relation(
            resolver, level, origin, members, arguments, node, variables, guard, below
        )

    if origin is not None:
        session = async_session(origin.reader.session)
        assert session is not None
        return await session.run_sync(lambda _: load(parents))
    return await in_sessions(parents, load)


class RelationLoad:
    """What one load of a relationship field is to load.

    :param plan: of the field.
    :param arguments: of a connection field.
    :param node: the field, as the document has it.
    :param variables: the coerced variables of the operation.
    :param guard: what is visible to the operation; None for everything.
    :raises ValueError: when the page is not one.
    """

    def __init__(
        self,
        plan: RelationPlan,
        arguments: dict[str, Any],
        node: FieldNode,
        variables: dict[str, Any],
        guard: Guard | None = None,
    ) -> None:
        self.plan = plan
        self.arrangement = NOT_ARRANGED
        self.page: Page | None = None
        if plan.is_connection:
            if "sort" in arguments or "filter" in arguments:
                self.arrangement = Arrangement.of(arguments, node, variables, plan.target)
            if plan.level is not None:
                page = Page.of(arguments)
                self.page = page if plan.level.shows_page else NO_NODES
        self.guards = () if guard is None else self._guards(guard)
        """The options of the statements for what the operation may see, and filter by."""

    def _guards(self, guard: Guard) -> tuple[Any, ...]:
        level, target = self.plan.level, self.plan.target
        # Objects of which nothing is known are instances, which are checked when they are there.
        own = () if level is None else guard.options_of(level, target)
        filters = self.arrangement.criterion is not None
        return (*own, *guard.filter_options(target)) if filters else own

    # -- parents that are rows --

    def for_rows(self, origin: Origin, rows: list[Any]) -> list[Any]:
        answers: list[Any] = [None] * len(rows)
        relationship = self.plan.relationship
        keys_of = partial(_keys_of_rows, rows, origin.level, relationship.parent)
        carried = carried_options(origin.options, relationship) if origin.options else ()
        assert carried is not None, "only criteria are carried from rows"
        try:
            load = _GroupLoad(self, origin.reader, carried, keys_of, answers)
            load.run(None)
        except NotRows:
            load = _GroupLoad(self, origin.reader, carried, keys_of, answers, by_rows=False)
            load.run(None)
        if load.left:
            raise NotImplementedError(
                f"{relationship}: the database compares its keys in a way of its own; "
                "switch row levels off for the type (Meta.rows = False)"
            )
        return answers

    # -- parents that are instances --

    def for_instances(self, parents: list[Any]) -> list[Any]:
        answers: dict[int, Any] = {}
        loader, relationship = self.plan.loader, self.plan.relationship
        if self.arrangement:
            return self._arranged(parents)
        if self.plan.level is None or self._are_other(parents):
            return loader.load_many(parents)
        groups, rest = _core.group_parents(parents, loader.key)
        for (session, options), members in groups.items():
            carried = carried_options(options, relationship)
            reader = RowReader(session)
            if carried is None or not sees_rows(session) or not reader.is_plain:
                rest += members
                continue
            try:
                if loader.statements is not None and loader.statements.by_identity:
                    members, left = take_from_identity_map(
                        relationship, loader.statements, session, members
                    )
                    rest += left
                keys_of = partial(_keys_of_instances, session)
                load = _GroupLoad(self, reader, carried, keys_of, answers)
                load.run(members)
                rest += load.left
            except Exception as error:
                answers.update((id(each), error) for each in members)
        if rest:
            answers.update(loader.load(rest))
        return _core.read_results(parents, loader.key, answers)

    def _arranged(self, parents: list[Any]) -> list[Any]:
        """The sorted or filtered children of instances, whose attribute holds something else."""
        answers: dict[int, Any] = {}
        loader, relationship = self.plan.loader, self.plan.relationship
        # By the name of no attribute, so that parents which have theirs are grouped too.
        groups, rest = _core.group_parents(parents, "")
        for (session, options), members in groups.items():
            carried = arranged_options(options, relationship)
            if carried is None or loader.statements is None or self._are_other(members):
                rest += members
                continue
            try:
                rest += self._load_arranged(session, carried, members, answers)
            except Exception as error:
                answers.update((id(each), error) for each in members)
        for each in rest:
            reason = loader.reason or "no statement of its own can load it for this object"
            answers[id(each)] = ValueError(
                f"{relationship} cannot be sorted or filtered: {reason}."
            )
        return [answers[id(each)] for each in parents]

    def _load_arranged(
        self, session: Session, carried: tuple[Any, ...], members: list[Any], answers: Any
    ) -> list[Any]:
        """Load for parents of one session; returns those that no statement can answer for."""
        reader, keys_of = RowReader(session), partial(_keys_of_instances, session)
        try:
            load = _GroupLoad(self, reader, carried, keys_of, answers)
            load.run(members)
        except NotRows:
            load = _GroupLoad(self, reader, carried, keys_of, answers, by_rows=False)
            load.run(members)
        return load.left

    def _are_other(self, parents: list[Any]) -> bool:
        """Whether a class has another relationship under the name."""
        loader = self.plan.loader
        return any(loader.loader_of(cls) is not loader for cls in set(map(type, parents)))


class _ArrangedLoader:
    """What a queue of batches loads for a sorted or filtered connection under any executor.

    Equal for the parents of one field of one operation, which makes them siblings.
    """

    def __init__(self, resolver: ConnectionResolver, arguments: dict[str, Any], info: Any) -> None:
        self._resolver = resolver
        self._arguments = arguments
        self._node: FieldNode = info.field_nodes[0]
        self._variables: dict[str, Any] = info.variable_values

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, _ArrangedLoader)
            and self._resolver is other._resolver
            and self._node is other._node
            and self._variables is other._variables
        )

    def __hash__(self) -> int:
        return hash((id(self._resolver), id(self._node), id(self._variables)))

    def load_many(self, parents: list[Any]) -> list[Any]:
        """The children of each parent, or an exception."""
        return load_relation(
            self._resolver, None, None, parents, self._arguments, self._node, self._variables
        )


def arranged_connection(
    resolver: ConnectionResolver, root: Any, info: GraphQLResolveInfo, arguments: dict[str, Any]
) -> Any:
    """The connection of a ConnectionResolver that is called, by graphql-core's own executor.

    :return: NotImplemented where the arguments neither sort nor filter, and for a root that is no
        instance of the relationship's parent.
    """
    loader = resolver.batch.loader
    if loader.loader_of(type(root)) is None:
        return NotImplemented
    target = loader.relationship.mapper
    if not Arrangement.of(arguments, info.field_nodes[0], info.variable_values, target):
        return NotImplemented
    own = _ArrangedLoader(resolver, arguments, info)
    slot = join_batch(own, root, info)
    if slot is not None:
        return complete_later(resolver, slot, root, info, arguments)
    (value,) = own.load_many([root])
    if isinstance(value, Exception):
        raise value
    return resolver.complete(value, root, info, arguments)


def _keys_of_rows(
    rows: list[Any], level: Level, parent: Mapper[Any], route: Route, members: list[int] | None
) -> Any:
    """The parents of each key, by their places among the rows; None stands for all of them."""
    positions = level.positions(parent, route.names)
    if members is None:
        return *_core.row_keys(rows, positions), ()
    by_key, empty = _core.row_keys([rows[member] for member in members], positions)
    by_key = {key: [members[i] for i in found] for key, found in by_key.items()}
    return by_key, [members[i] for i in empty], ()


def _keys_of_instances(session: Session, route: Route, members: list[Any]) -> Any:
    members, left = comparable(route, session, members)
    by_key, empty, odd = collect(members, route.names)
    return by_key, empty, [*left, *odd]


class _GroupLoad:
    """One load for parents of one session that carry the same options."""

    def __init__(
        self,
        load: RelationLoad,
        reader: RowReader,
        carried: tuple[Any, ...],
        keys_of: Callable[[Route, Any], Any],
        answers: Any,
        by_rows: bool = True,
    ) -> None:
        plan = load.plan
        assert plan.loader.statements is not None, "a level is planned with statements"
        self._plan = plan
        self._page = page = load.page
        self._arrangement = load.arrangement
        self._statements = plan.loader.statements
        self._reader = reader
        self._dialect = reader.session.get_bind(plan.target).dialect
        self._carried = carried
        self._options = (*carried, *load.guards)
        """What the statements are executed with; the guards are not carried below."""
        self._keys_of = keys_of
        self._answers = answers
        self.left: list[Any] = []
        """Parents that no statement can answer for."""
        nodes = plan.nodes if by_rows else None
        self._nodes = nodes if nodes is not None and nodes.is_usable(reader.session) else None
        self._selects = plan.selects(self._nodes)
        shown = self._nodes or plan.level
        self._origin = None if shown is None else Origin(reader, carried, shown)
        self._is_counted = page is not None and page.needs_total
        """Whether each row brings the total of its page."""
        self._asks_totals = (
            page is not None
            and plan.level is not None
            and plan.level.counts
            and not (page.needs_total or page.is_whole)
        )
        """Whether the totals are asked for, and the rows do not tell."""

    def run(self, members: list[Any] | None) -> None:
        """Load for the members; None for all of them, where they are rows."""
        route = self._statements.route(self._dialect)
        if route is not None:
            self._run(route, members)
        elif members is not None:
            self.left += members
        else:
            raise NotImplementedError(
                f"{self._plan.relationship} cannot be batched on {self._dialect.name}; switch row "
                "levels off for the type (Meta.rows = False)"
            )

    def _run(self, route: Route, members: list[Any] | None) -> None:
        by_key, empty, odd = self._keys_of(route, members)
        self.left += odd
        if empty:
            self._give({None: empty}, {}, route, {})
        text = self._statements.has_text_key and not route.through_parent
        if text and may_be_equal(by_key):
            self._run_exactly(parents_of(by_key))
            return
        route = route.for_keys(len(by_key), self._dialect)
        for chunk in chunks(by_key, route.chunk):
            children, stray = self._children(route, chunk, self._is_counted)
            totals = self._totals(route, chunk) if self._asks_totals else {}
            if stray or not totals.keys() <= chunk.keys():
                self._run_exactly(parents_of(chunk))
                continue
            if text and not self._plan.relationship.uselist:
                lost = {key: chunk.pop(key) for key in list(chunk) if key not in children}
                if lost:
                    self._run_exactly(parents_of(lost))
            self._give(chunk, children, route, totals)

    def _run_exactly(self, members: list[Any]) -> None:
        """The database found equal what Python does not: join the parent."""
        exact = self._statements.route(self._dialect, through_parent=True)
        if exact is None:
            self.left += members
        else:
            self._run(exact, members)

    # -- one chunk --

    def _children(
        self, route: Route, chunk: dict[Any, Any], counted: bool
    ) -> tuple[dict[Any, list[Any]], int]:
        """The rows of each key, and how many belong to none."""
        page, selects, reader = self._page, self._selects, self._reader
        if page is NO_NODES:
            return {}, 0
        parameters: dict[str, Any] = {KEYS: list(chunk)}
        if page is not None and not counted:
            parameters.update(page.parameters)
        statement = selects.children(route, page, self._arrangement, counted, reader.is_plain)
        if self._options:
            statement = statement.options(*self._options)
        target, width = self._plan.target, len(route.keys)
        rows: list[Any]
        if self._nodes is not None:
            rows, options = reader.fetch(target, statement, parameters, self._carried)
            if self._origin is not None and options != self._origin.options:
                self._origin = Origin(reader, options, self._origin.level)
        else:
            rows = fetch_entities(reader.session, target, statement, parameters)
            if page is None:
                return _core.match_rows(rows, chunk, width)
        return _core.group_rows(rows, chunk, len(selects.columns), width, selects.unique)

    def _give(
        self,
        chunk: dict[Any, Any],
        children: dict[Any, list[Any]],
        route: Route,
        totals: dict[Any, int],
    ) -> None:
        if self._page is not None:
            self._give_pages(self._page, chunk, children, route, totals)
            return
        relationship = self._plan.relationship
        origin = None if self._nodes is None else self._origin
        uselist = bool(relationship.uselist)
        surplus = _core.give_rows(self._answers, chunk, children, origin, uselist)
        warn_of_surplus(relationship, surplus)

    def _give_pages(
        self,
        page: Page,
        chunk: dict[Any, Any],
        children: dict[Any, list[Any]],
        route: Route,
        totals: dict[Any, int],
    ) -> None:
        unknown = self._cut(page, chunk, children, route, totals, self._is_counted)
        if None in unknown:
            self._cut(page, unknown, {}, route, totals, True)
        elif unknown:
            # A cursor beyond the end, perhaps: only the total tells.
            rest, stray = self._children(route, unknown, True)
            if stray:
                self._run_exactly(parents_of(unknown))
            else:
                self._cut(page, unknown, rest, route, totals, True)

    def _cut(
        self,
        page: Page,
        chunk: dict[Any, Any],
        children: dict[Any, list[Any]],
        route: Route,
        totals: dict[Any, int],
        counted: bool,
    ) -> dict[Any, list[Any]]:
        """Give each parent its page; returns the parents whose page only a total tells."""
        return _core.give_pages(
            self._answers,
            chunk,
            children,
            self._origin,
            page.arguments,
            len(self._selects.columns) + len(route.keys),
            counted,
            GROUP_INSTANCES if self._nodes is None else GROUP_PAGE,
            totals if self._asks_totals else None,
        )

    def _totals(self, route: Route, chunk: dict[Any, Any]) -> dict[Any, int]:
        """The number of children of each key, in one statement."""
        statement = self._selects.totals(route, self._arrangement).options(*self._options)
        rows, _ = self._reader.fetch(self._plan.target, statement, {KEYS: list(chunk)})
        if len(route.keys) == 1:
            return {row[0]: row[1] for row in rows}
        return {tuple(row[:-1]): row[-1] for row in rows}
