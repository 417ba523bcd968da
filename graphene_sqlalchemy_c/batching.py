"""When a relationship is loaded under graphql-core's own executor, and for whom.

The executor calls a resolver for one parent after the other. A miss (a parent that lacks the
attribute) is answered

*at once*, where the parent's session is a plain Session: the siblings are guessed. They are the
    other instances of the parent's mapper in the session that lack the attribute and have no
    pending change, found by one scan of the identity map for each field of an operation, and loaded
    along with the parent, at most one chunk of keys at a time. In a mutation nothing is guessed.

*later*, where it is an AsyncSession and the execution can await: all parents of one tick of the
    event loop join one batch, and one task for each session loads the batches, one at a time.

State is kept in ``Session.info`` for as long as an operation or a tick needs it, never in the
process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from graphql import GraphQLResolveInfo, OperationType
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstanceState, Query, RelationshipProperty, Session
from sqlalchemy.orm.attributes import instance_state

from ._core import Batch, BatchResolver, BatchSlot, living_siblings, loaded_children, sibling_states
from ._sqlalchemy import carried_options
from .loading import RelationshipLoader
from .statements import KEYS_PER_STATEMENT

_QUEUE = "graphene_sqlalchemy_c_queue"  # read by src/batch.c
_OPERATION = "graphene_sqlalchemy_c_operation"
_LOADER = "graphene_sqlalchemy_c_loader"


class BatchLoader(RelationshipLoader):
    """A :class:`RelationshipLoader` that answers the misses of :class:`BatchResolver`."""

    def miss(self, root: Any, info: GraphQLResolveInfo) -> Any:
        """The relationship of a parent that lacks it.

        :param root: an instance whose class has this loader (:meth:`loader_of`).
        :param info: of the field, as graphql-core gives it to resolvers.
        :return: the value, or a :class:`BatchSlot` where it has to be awaited.
        :raises Exception: whatever the load or the ORM raises.
        """
        state = instance_state(root)
        session = state.session
        if session is None or not state.has_identity:
            return getattr(root, self.key)
        async_session = state.async_session
        if async_session is not None and _can_await(info):
            return _SessionQueue.of(session, async_session).join(self, root)
        if (
            self.reason is not None
            or self.key in state.callables
            or carried_options(state.load_options, self.relationship) is None
        ):
            return getattr(root, self.key)  # what loading would come to, without looking around
        return _Operation.of(session, info).answer(self, session, root, state, info)

    def sibling_loader(self, relationship: RelationshipProperty[Any]) -> BatchLoader:
        return loader_for(relationship)


def loader_for(relationship: RelationshipProperty[Any]) -> BatchLoader:
    """The one loader of a relationship; it holds statements, and nothing of any request.

    It is kept in ``relationship.info``, so it lives exactly as long as the mapper.
    """
    loader = relationship.info.get(_LOADER)
    if loader is None:
        loader = relationship.info.setdefault(_LOADER, BatchLoader(relationship))
    return loader  # type: ignore[no-any-return]


def get_batch_resolver(relationship_prop: RelationshipProperty[Any]) -> BatchResolver:
    """A resolver that loads the relationship in batches, for any schema and executor.

    :param relationship_prop: the relationship that the field shows.
    :return: callable as ``resolve(root, info, **args)``; a root that is no instance of the
        relationship's parent gets ``getattr(root, key, None)``.

    Stands in for ``graphene_sqlalchemy.batching.get_batch_resolver``.
    """
    key = relationship_prop.key
    return batch_resolver(relationship_prop, lambda root, _info, **_: getattr(root, key, None))


def batch_resolver(
    relationship: RelationshipProperty[Any], stock: Callable[..., Any]
) -> BatchResolver:
    """A resolver that stands in for the one that graphene would use.

    :param relationship: what the field shows.
    :param stock: the resolver it replaces; it still serves roots that are not instances of the
        relationship's parent.
    """
    loader = loader_for(relationship)
    if relationship.lazy == "dynamic":
        return BatchResolver(loader, partial(_resolve_dynamic, loader, stock))
    return BatchResolver(loader, stock)


def _resolve_dynamic(
    loader: BatchLoader, stock: Callable[..., Any], root: Any, info: GraphQLResolveInfo, **args: Any
) -> Any:
    """A dynamic relationship is a query; under an AsyncSession it has to be run to be read."""
    if isinstance(root, loader.parent_class) and loader.needs_await(root) and _can_await(info):
        state = instance_state(root)
        if state.session is not None and state.async_session is not None:
            return _SessionQueue.of(state.session, state.async_session).join(loader, root)
    return stock(root, info, **args)


class _Probe:
    def __await__(self) -> Any:
        raise NotImplementedError("only asked whether it could be awaited")


_PROBE = _Probe()


def _can_await(info: GraphQLResolveInfo) -> bool:
    """Whether the execution awaits what resolvers return.

    ``graphql_sync`` gives its resolvers an ``is_awaitable`` that denies everything.
    """
    return bool(info.is_awaitable(_PROBE))


# -- at once: siblings are guessed --


class _Pool:
    """Possible siblings of the parents of one field of an operation."""

    def __init__(self, states: list[InstanceState[Any]], arrivals: int) -> None:
        self.states = states
        self.start = 0
        self.arrivals = arrivals
        """How many of the operation's arrivals have been looked at."""


class _Operation:
    """What is known of the operation that reads relationships of a session."""

    def __init__(self, marker: object) -> None:
        self._marker = marker
        self._pools: dict[tuple[BatchLoader, int], _Pool] = {}
        self._arrivals: list[tuple[str, list[InstanceState[Any]]]] = []
        """Loads of this operation: their children are siblings one level below."""
        self._failures: dict[tuple[BatchLoader, InstanceState[Any]], Exception] = {}

    @classmethod
    def of(cls, session: Session, info: GraphQLResolveInfo) -> _Operation:
        """The session's operation; graphql-core makes one dict of variables for each."""
        operation = session.info.get(_OPERATION)
        if operation is None or operation._marker is not info.variable_values:
            operation = session.info[_OPERATION] = cls(info.variable_values)
        return operation

    def answer(
        self,
        loader: BatchLoader,
        session: Session,
        root: Any,
        state: InstanceState[Any],
        info: GraphQLResolveInfo,
    ) -> Any:
        failure = self._failures.get((loader, state))
        if failure is not None:
            raise failure.with_traceback(None)
        if info.operation.operation is OperationType.MUTATION:
            answers = loader.load([root])
        else:
            answers = self._load_with_siblings(
                loader, session, root, state, id(info.field_nodes[0])
            )
        answer = answers[id(root)] if id(root) in answers else getattr(root, loader.key)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _load_with_siblings(
        self,
        loader: BatchLoader,
        session: Session,
        root: Any,
        state: InstanceState[Any],
        field: int,
    ) -> dict[int, Any]:
        pool = self._pool(loader, session, state, field)
        # Many parents may share one target: count keys there, parents elsewhere.
        to_many = bool(loader.relationship.uselist)
        limit = KEYS_PER_STATEMENT if to_many else -1
        parents, states, stop = living_siblings(root, pool.states, pool.start, loader.key, limit)
        if to_many:
            pool.start = stop
        answers = loader.load(parents, KEYS_PER_STATEMENT)
        for parent, each in zip(parents, states, strict=True) if answers else ():
            if isinstance(answers.get(id(parent)), Exception):
                self._failures[loader, each] = answers[id(parent)]
        self._arrivals.append((loader.key, states))
        return answers

    def _pool(
        self, loader: BatchLoader, session: Session, state: InstanceState[Any], field: int
    ) -> _Pool:
        pool = self._pools.get((loader, field))
        if pool is None:
            states = _siblings(loader, list(session.identity_map.values()))
            if state in states:
                # A list is resolved in order: begin with those that come after the root.
                index = states.index(state)
                states = states[index:] + states[:index]
            pool = self._pools[loader, field] = _Pool(states, len(self._arrivals))
        for key, parents in self._arrivals[pool.arrivals :]:
            pool.states += _siblings(loader, loaded_children(parents, key))
        pool.arrivals = len(self._arrivals)
        return pool


def _siblings(loader: BatchLoader, instances: list[Any]) -> list[InstanceState[Any]]:
    """The states of those instances that the loader could load together."""
    classes = {cls for cls in set(map(type, instances)) if loader.loader_of(cls) is loader}
    return sibling_states(instances, classes, loader.key)


def _run_query(value: Any) -> Any:
    """What a dynamic relationship holds, in the place of its query."""
    return value.all() if isinstance(value, Query) else value


# -- later: one batch for each tick --


class _Waiter(asyncio.Future[None]):
    """One future that all tasks of a batch await.

    Cancelling a task cancels what it awaits, which would cancel every sibling: here it only wakes
    them. The cancelled task then gets its exception, the others find the batch unsettled and wait
    on.
    """

    def cancel(self, msg: Any = None) -> bool:
        self.wake()
        return False

    def wake(self) -> None:
        if not self.done():
            self.set_result(None)


class _SessionQueue:
    """The open batches of an AsyncSession, and the one task that loads them.

    A session runs one statement at a time, so the batches of one tick are loaded one after the
    other; what joins meanwhile waits for its turn.
    """

    def __init__(self, session: Session, async_session: AsyncSession) -> None:
        self._session = session
        self._async_session = async_session
        self.loop = asyncio.get_running_loop()
        self._loading: Batch | None = None
        self.open: dict[Any, Batch] = {}
        self._task = self.loop.create_task(self._run())
        self._task.add_done_callback(self._finish)

    @classmethod
    def of(cls, session: Session, async_session: AsyncSession) -> _SessionQueue:
        queue = session.info.get(_QUEUE)
        if queue is None or queue.loop is not asyncio.get_running_loop():
            queue = session.info[_QUEUE] = cls(session, async_session)
        return queue

    def join(self, loader: Any, root: Any) -> BatchSlot:
        batch = self.open.get(loader)
        if batch is None:
            make_waiter = partial(_Waiter, loop=self.loop)
            batch = self.open[loader] = Batch(make_waiter, self._cancel_if_abandoned)
        return batch.join(root)

    def _cancel_if_abandoned(self) -> None:
        if self._loading is None:
            return  # what is not loading yet is dropped when its turn comes
        if not any(batch.waiting for batch in (self._loading, *self.open.values())):
            self._task.cancel()

    async def _run(self) -> None:
        # The batch stays open until the tasks that are ready now have called their resolvers.
        await asyncio.sleep(0)
        while self.open:
            loader = next(iter(self.open))
            batch = self._loading = self.open.pop(loader)
            await self._load(loader, batch)
        self._forget()  # at once, so that nobody joins a queue that has ended

    def _forget(self) -> None:
        if self._session.info.get(_QUEUE) is self:
            del self._session.info[_QUEUE]

    def _finish(self, task: asyncio.Task[None]) -> None:
        """The task has ended; when it was cancelled, perhaps before its first step."""
        self._forget()
        for batch in self.open.values():
            batch.settle([asyncio.CancelledError()] * len(batch.parents))
        self.open.clear()
        if not task.cancelled():
            task.result()

    async def _load(self, loader: Any, batch: Batch) -> None:
        if not batch.waiting:
            return
        outcome: BaseException | None = None
        results: list[Any] = []
        try:
            results = await self._async_session.run_sync(
                lambda _: [_run_query(each) for each in loader.load_many(batch.parents)]
            )
        except Exception as error:
            outcome = error
        except BaseException as error:
            outcome = error
            raise
        finally:
            batch.settle(results if outcome is None else [outcome] * len(batch.parents))


def join_batch(loader: Any, root: Any, info: GraphQLResolveInfo) -> BatchSlot | None:
    """Have something loaded for a root together with those that ask in the same tick.

    :param loader: its ``load_many(roots)`` gives a value for each; equal ones share a batch.
    :return: what to await; None where the root lives in no AsyncSession, or nobody awaits.
    """
    state = instance_state(root)
    if state.session is None or state.async_session is None or not _can_await(info):
        return None
    return _SessionQueue.of(state.session, state.async_session).join(loader, root)
