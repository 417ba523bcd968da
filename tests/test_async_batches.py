"""AsyncSession: one batch for each tick, cancellation, and sessions that stay usable."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from graphql import GraphQLResolveInfo
from sqlalchemy import event, func, inspect, select
from sqlalchemy.exc import MissingGreenlet, StatementError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from graphene_sqlalchemy_c import get_batch_resolver
from graphene_sqlalchemy_c._core import Batch, BatchSlot
from graphene_sqlalchemy_c.batching import _Waiter

from .conftest import Database
from .zoo import Author, Book

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def engine(sqlite: Database) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlite.async_url, poolclass=NullPool)
    yield engine
    await engine.dispose()


class Info:
    """As much of a GraphQLResolveInfo as a BatchResolver asks for."""

    is_awaitable = staticmethod(lambda value: hasattr(value, "__await__"))


class SyncInfo:
    is_awaitable = staticmethod(lambda value: False)


def resolver_of(model: Any, name: str) -> Any:
    return get_batch_resolver(inspect(model).relationships[name])


async def authors_of(session: AsyncSession) -> list[Author]:
    return list(await session.scalars(select(Author).order_by(Author.id)))


async def test_calls_of_one_tick_share_a_statement_and_a_future(
    engine: AsyncEngine, sqlite: Database, monkeypatch: Any
) -> None:
    futures: list[Any] = []
    plain_init = _Waiter.__init__

    def counted(self: Any, **kwargs: Any) -> None:
        futures.append(self)
        plain_init(self, **kwargs)

    monkeypatch.setattr(_Waiter, "__init__", counted)
    resolve = resolver_of(Author, "books")
    async with AsyncSession(engine) as session:
        authors = await authors_of(session)

        async def field(author: Author) -> Any:
            slot = resolve(author, Info)
            assert type(slot) is BatchSlot
            return await slot

        with sqlite.statements(engine.sync_engine) as executed:
            values = await asyncio.gather(*map(field, authors))
        assert len(executed) == 1 and len(futures) == 1
        assert all(
            value is vars(author)["books"] for value, author in zip(values, authors, strict=True)
        )
        assert resolve(authors[0], Info) is authors[0].books


async def test_two_relationships_of_a_tick_are_loaded_one_after_the_other(
    engine: AsyncEngine, sqlite: Database
) -> None:
    async with AsyncSession(engine) as session:
        authors = await authors_of(session)
        slots = [
            resolver_of(Author, name)(author, Info)
            for author in authors
            for name in ("books", "edited", "profile")
        ]

        async def wait(slot: Any) -> Any:
            return await slot

        with sqlite.statements(engine.sync_engine) as executed:
            await asyncio.gather(*map(wait, slots))
        assert len(executed) == 3


async def test_load_many_async_of_several_sessions(engine: AsyncEngine, sqlite: Database) -> None:
    resolve = resolver_of(Author, "books")
    async with AsyncSession(engine) as first, AsyncSession(engine) as second:
        parents = [*await authors_of(first), *await authors_of(second)]
        assert resolve.needs_await(parents[0])
        with Session(sqlite.engine) as third:
            parents += list(third.scalars(select(Author)))
            assert not resolve.needs_await(parents[-1])
            parents.append(Author(id=70))
            with sqlite.statements(engine.sync_engine) as executed:
                values = await resolve.load_many_async(parents)
        assert len(executed) == 2
        assert [[book.id for book in value] for value in values] == [
            [book.id for book in vars(parent)["books"]] for parent in parents[:-1]
        ] + [[]]


async def test_sync_execution_inside_run_sync(
    engine: AsyncEngine,
    sqlite: Database,
    list_schema: Any,
    stock_list_schema: Any,
    executor: str,
) -> None:
    query = "{ authors { id books { id author { id } } } }"
    stock, _ = sqlite.run(stock_list_schema, query)

    def work(session: Session) -> Any:
        return list_schema.execute(query, context_value={"session": session})

    async with AsyncSession(engine) as session:
        with sqlite.statements(engine.sync_engine) as executed:
            result = await session.run_sync(work)
    assert result.formatted == stock.formatted and len(executed) == (3 if executor == "own" else 2)


async def test_sync_execution_of_an_async_session_is_the_orms_own_error(
    engine: AsyncEngine,
) -> None:
    async with AsyncSession(engine) as session:
        authors = await authors_of(session)
        info = GraphQLResolveInfo(
            *([None] * 8), type("Operation", (), {"operation": None}), {}, None,
            SyncInfo.is_awaitable,
        )  # fmt: skip
        info = info._replace(field_nodes=[object()])
        # SQLAlchemy 2.1 wraps it, as it does for a lazy load.
        with pytest.raises((MissingGreenlet, StatementError), match="greenlet_spawn"):
            resolver_of(Author, "books")(authors[0], info)


async def slow_statement(session: AsyncSession, engine: AsyncEngine) -> asyncio.Event:
    """Make each statement on books take a minute, unless it is interrupted."""
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def wait(conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM books" in statement:
            loop.call_soon(started.set)
            conn.connection.dbapi_connection.run_async(lambda _: asyncio.sleep(60))

    return started


async def test_cancelling_a_request_ends_its_load_and_leaves_the_session_usable(
    engine: AsyncEngine, list_schema: Any
) -> None:
    async with AsyncSession(engine) as session:
        started = await slow_statement(session, engine)
        request = asyncio.ensure_future(
            list_schema.execute_async(
                "{ authors { books { id } } }", context_value={"session": session, "options": ()}
            )
        )
        await asyncio.wait_for(started.wait(), 10)
        before = asyncio.all_tasks()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(request, 10)
        _, pending = await asyncio.wait(before - {asyncio.current_task()}, timeout=10)
        assert not pending
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await session.rollback()
        assert await session.scalar(select(func.count()).select_from(Author)) == 8


async def test_a_cancelled_sibling_does_not_cancel_the_others(engine: AsyncEngine) -> None:
    resolve = resolver_of(Author, "books")
    async with AsyncSession(engine) as session:
        authors = await authors_of(session)

        async def field(author: Author) -> Any:
            return await resolve(author, Info)

        tasks = [asyncio.ensure_future(field(author)) for author in authors]
        await asyncio.sleep(0)
        tasks[3].cancel()
        values = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(values.pop(3), asyncio.CancelledError)
        assert all(isinstance(value, list) for value in values)


async def test_what_joins_during_a_load_waits_for_its_turn(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        authors = await authors_of(session)
        first = resolver_of(Author, "books")(authors[0], Info)
        assert len(await first) == 4
        later = resolver_of(Author, "books")(authors[1], Info)
        assert [book.author_id for book in await later] == [2] * 4


async def test_slots_that_nobody_awaits_load_nothing(engine: AsyncEngine, sqlite: Database) -> None:
    async with AsyncSession(engine) as session:
        authors = await authors_of(session)
        with sqlite.statements(engine.sync_engine) as executed:
            slots = [resolver_of(Author, "books")(author, Info) for author in authors]
            del slots
            await asyncio.sleep(0.05)
        assert executed == []
        assert session.info == {}


async def test_a_session_that_outlives_its_event_loop(sqlite: Database, list_schema: Any) -> None:
    """Each loop gets a queue of its own; the old one's batches died with their loop."""
    engine = create_async_engine(sqlite.async_url, poolclass=NullPool)
    session = AsyncSession(engine)

    async def ask() -> list[Author]:
        authors = await authors_of(session)
        resolver_of(Author, "books")(authors[0], Info)
        return authors

    def in_another_loop() -> list[Author]:
        loop = asyncio.new_event_loop()
        try:
            return loop.run_until_complete(ask())
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    authors = await asyncio.to_thread(in_another_loop)
    assert await resolver_of(Author, "edited")(authors[0], Info) == authors[0].edited
    await session.close()
    await engine.dispose()


# -- Batch and BatchSlot by themselves --


def make_batch(cancelled: list[str] | None = None) -> Batch:
    loop = asyncio.get_running_loop()
    log = [] if cancelled is None else cancelled
    return Batch(lambda: _Waiter(loop=loop), lambda: log.append("cancel"))


async def test_values_of_every_shape_come_through() -> None:
    values: list[Any] = [None, (1, 2), [3], StopIteration(4), {"five": 5}, Book]
    batch = make_batch()
    slots = [batch.join(index) for index in range(len(values))]
    assert batch.parents == list(range(6)) and batch.waiting == 6
    batch.settle(values)
    for value, slot in zip(values, slots, strict=True):
        if isinstance(value, Exception):
            with pytest.raises(RuntimeError, match="StopIteration"):
                await wait_for(slot)
        else:
            assert await slot is value
    assert batch.waiting == 0


async def wait_for(slot: BatchSlot) -> Any:
    return await slot


async def test_iteration_gives_what_await_gives() -> None:
    batch = make_batch()
    slot = batch.join(1)
    batch.settle([(1, 2)])
    with pytest.raises(StopIteration) as stop:
        next(iter(slot))
    assert stop.value.value == (1, 2)


async def test_a_slot_is_awaited_once() -> None:
    batch = make_batch()
    slot = batch.join(1)
    batch.settle([1])
    assert await slot == 1
    with pytest.raises(RuntimeError, match="cannot reuse"):
        await slot
    with pytest.raises(KeyError):
        slot.throw(KeyError("late"))


async def test_an_exception_does_not_gather_tracebacks() -> None:
    error = ValueError("shared")
    batch = make_batch()
    slots = [batch.join(index) for index in range(50)]
    batch.settle([error] * 50)
    for slot in slots:
        with pytest.raises(ValueError, match="shared") as raised:
            await slot
        depth, traceback = 0, raised.value.__traceback__
        while traceback is not None:
            depth, traceback = depth + 1, traceback.tb_next
        assert depth < 5


async def test_a_batch_wants_one_result_for_each_parent() -> None:
    batch = make_batch()
    slot = batch.join(1)
    for wrong in ([], [1, 2], (1,)):
        with pytest.raises(ValueError, match="one result for each"):
            batch.settle(wrong)  # type: ignore[arg-type]
    batch.settle([1])
    assert await slot == 1


async def test_the_last_slot_to_leave_cancels_the_load() -> None:
    log: list[str] = []
    batch = make_batch(log)
    first, second = batch.join(1), batch.join(2)
    task = asyncio.ensure_future(wait_for(first))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert log == [] and not task.done(), "a cancelled slot waits until the load has ended"
    del second
    assert log == ["cancel"]
    batch.settle([1, 2])
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_exceptions_are_thrown_in_every_form() -> None:
    for arguments in ((KeyError("k"),), (KeyError, "k"), (KeyError, KeyError("k"))):
        batch = make_batch()
        slot = batch.join(1)
        batch.settle([1])
        with pytest.raises(KeyError, match="k"):
            slot.throw(*arguments)


async def test_a_waiter_that_cannot_be_made_is_the_slots_error() -> None:
    def refuse() -> Any:
        raise OSError("no waiter")

    batch = Batch(refuse, lambda: None)
    with pytest.raises(OSError, match="no waiter"):
        await batch.join(1)


async def test_a_settled_batch_is_closed() -> None:
    batch = make_batch()
    slot = batch.join(1)
    results = [2]
    batch.settle(results)
    results.clear()
    with pytest.raises(RuntimeError, match="settled"):
        batch.settle([3])
    with pytest.raises(RuntimeError, match="settled"):
        batch.join(4)
    batch.parents.append("a copy")
    assert batch.parents == [1] and await slot == 2


async def test_the_collector_may_find_slots_and_batches_in_a_cycle() -> None:
    log: list[str] = []
    gc.disable()
    try:
        for _ in range(50):
            batch = make_batch(log)
            cycle: list[Any] = []
            cycle += [batch.join(cycle), batch, cycle]
            del batch, cycle
        gc.collect()
    finally:
        gc.enable()
    assert log == ["cancel"] * 50


@pytest.mark.parametrize("ticks", [0, 1, 2, 3])
async def test_cancelling_everything_leaves_no_queue_behind(
    engine: AsyncEngine, ticks: int
) -> None:
    """A queue whose task is cancelled before, or while, it loads must not swallow later calls."""
    async with AsyncSession(engine) as session:
        authors = await authors_of(session)

        async def field(author: Author) -> Any:
            return await resolver_of(Author, "books")(author, Info)

        tasks = [asyncio.ensure_future(field(author)) for author in authors]
        for _ in range(ticks):
            await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.wait(tasks, timeout=10)
        assert all(task.cancelled() for task in tasks)
        await asyncio.sleep(0)
        await session.rollback()
        again = [await field(author) for author in await authors_of(session)]
        assert [len(each) for each in again] == [4, 4, 4, 3, 3, 0, 0, 0]
