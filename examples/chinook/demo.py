"""Run the same queries with graphene-sqlalchemy alone and with graphene_sqlalchemy_c.

Each side is a process of its own, so neither can touch the other: both import the same schema.py,
and the accelerated one calls `graphene_sqlalchemy_c.install()` first. The two take turns, one
request at a time. A request is all that `schema.execute` does, in a new session; the time is the
best of the rounds, the statements are those that reached the database driver. What is compared is
the whole answer as JSON text, data and errors, in order: under an AsyncSession, where the stock
package cannot load a relationship, with what stock answers in sync execution.

Exit status: 0 when all answers are equal, 1 when one is not.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import platform
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter

from graphql import ExecutionResult, GraphQLError
from sqlalchemy import create_engine, event
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

DATABASE = Path(__file__).with_name("chinook.sqlite")

SYNC = "sync"
ASYNC = "async, Session"
ASYNC_SESSION = "async, AsyncSession"

QUERIES = {
    "artists -> albums -> tracks": """
        { artists { id name albums { id title tracks { id name milliseconds unitPrice } } } }
    """,
    "tracks -> album, genre, mediaType": """
        { tracks(first: 1000) {
            name composer album { title artist { name } } genre { name } mediaType { name }
        } }
    """,
    "playlists -> tracks": "{ playlists { id name tracks { id name } } }",
    "employees -> manager, reports": """
        { employees {
            firstName lastName hireDate manager { lastName } reports { lastName title }
        } }
    """,
    "customers -> invoices -> lines": """
        { customers { edges { node {
            id firstName lastName supportRep { lastName }
            invoices { edges { node {
                id invoiceDate total lines { quantity unitPrice track { name } }
            } } }
        } } } }
    """,
}


@dataclass
class Sample:
    """What one request took and gave."""

    seconds: float
    statements: int
    answer: str
    failure: str | None  # the class of the first error's cause


def cause(error: GraphQLError) -> str:
    """The class of what a resolver raised; SQLAlchemy 2.1 wraps it in a StatementError."""
    original = error.original_error
    return type(getattr(original, "orig", None) or original or error).__name__


class Side:
    """One side's schema and database, in the process that serves it."""

    def __init__(self, accelerated: bool) -> None:
        if accelerated:
            import graphene_sqlalchemy_c

            graphene_sqlalchemy_c.install()
        else:
            # What its failing loads under an AsyncSession leave behind.
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        from schema import schema

        self.schema = schema
        self.statements = 0
        self.loop = asyncio.new_event_loop()
        # Read-only, so that the sample data stays what it is whatever a query does.
        where = f"/file:{DATABASE.as_posix()}?mode=ro&uri=true"
        self.engine = create_engine(f"sqlite://{where}")
        self.async_engine = create_async_engine(f"sqlite+aiosqlite://{where}")
        for engine in (self.engine, self.async_engine.sync_engine):
            event.listen(engine, "before_cursor_execute", self.count)

    def count(self, *_: object) -> None:
        self.statements += 1

    def request(self, query: str, mode: str) -> Sample:
        run = {SYNC: self.sync, ASYNC: self.asynchronous, ASYNC_SESSION: self.async_session}[mode]
        self.statements = 0
        gc.collect()
        started = perf_counter()
        result = run(query)
        seconds = perf_counter() - started
        errors = result.errors or []
        answer = {"data": result.data, "errors": [error.formatted for error in errors]}
        failure = cause(errors[0]) if errors else None
        return Sample(seconds, self.statements, json.dumps(answer), failure)

    def sync(self, query: str) -> ExecutionResult:
        with Session(self.engine) as session:
            return self.schema.execute(query, context={"session": session})

    def asynchronous(self, query: str) -> ExecutionResult:
        async def run() -> ExecutionResult:
            with Session(self.engine) as session:
                return await self.schema.execute_async(query, context={"session": session})

        return self.loop.run_until_complete(run())

    def async_session(self, query: str) -> ExecutionResult:
        async def run() -> ExecutionResult:
            async with AsyncSession(self.async_engine) as session:
                return await self.schema.execute_async(query, context={"session": session})

        return self.loop.run_until_complete(run())

    def close(self) -> None:
        self.loop.run_until_complete(self.async_engine.dispose())
        self.loop.close()
        self.engine.dispose()


def serve(accelerated: bool, pipe: Connection) -> None:
    """Answer (query, mode) with a Sample until the other end closes; a side's whole life."""
    side = Side(accelerated)
    with suppress(EOFError):
        while True:
            pipe.send(side.request(*pipe.recv()))
    side.close()


@contextmanager
def side_process(accelerated: bool) -> Iterator[Connection]:
    """A process that serves one side; "spawn" gives it an interpreter without our imports."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(accelerated, there))
    process.start()
    there.close()  # so that a side that dies is an EOFError here, not an endless wait
    try:
        yield here
    finally:
        here.close()
        process.join()


def best(samples: list[Sample]) -> Sample:
    if len({(sample.statements, sample.answer) for sample in samples}) != 1:
        raise RuntimeError("two rounds of one query differ in their answer or statements")
    return min(samples, key=lambda sample: sample.seconds)


def measure(
    stock: Connection, ours: Connection, query: str, mode: str, rounds: int
) -> tuple[Sample, Sample]:
    samples: dict[Connection, list[Sample]] = {stock: [], ours: []}
    for turn in range(rounds):
        for pipe in (stock, ours) if turn % 2 == 0 else (ours, stock):
            pipe.send((query, mode))
            samples[pipe].append(pipe.recv())
    return best(samples[stock]), best(samples[ours])


def line(name: str, mode: str, statements: object, times: object, ratio: str, equal: str) -> str:
    return f"{name:<33}  {mode:<19}  {statements:>13}  {times:>23}  {ratio:>6}  {equal:>13}"


def report(name: str, mode: str, stock: Sample, ours: Sample, equal: bool) -> str:
    def cell(sample: Sample, value: str) -> str:
        return sample.failure or value

    return line(
        name,
        mode,
        f"{'-' if stock.failure else stock.statements:>6}{ours.statements:>7}",
        f"{cell(stock, f'{stock.seconds * 1000:.1f}'):>15} "
        f"{cell(ours, f'{ours.seconds * 1000:.1f}'):>7}",
        "-" if stock.failure else f"{stock.seconds / ours.seconds:.1f}x",
        "yes" if equal else "NO",
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5, help="requests per cell (5)")
    rounds = parser.parse_args().rounds

    packages = ("graphene", "graphene-sqlalchemy", "graphql-core", "SQLAlchemy")
    print(f"Python {platform.python_version()},", ", ".join(f"{p} {version(p)}" for p in packages))
    print(f"Best of {rounds} requests each, taking turns.\n")
    print(line("", "", "statements", "milliseconds", "", ""))
    print(line("query", "mode", "stock   ours", "stock    ours", "ratio", "answers equal"))
    all_equal = True
    with side_process(accelerated=False) as stock, side_process(accelerated=True) as ours:
        for name, query in QUERIES.items():
            for mode in (SYNC, ASYNC, ASYNC_SESSION):
                theirs, mine = measure(stock, ours, query, mode, rounds)
                if mode == SYNC:
                    expected = theirs.answer
                wanted = expected if mode == ASYNC_SESSION else theirs.answer
                equal = mine.answer == wanted
                all_equal = all_equal and equal
                print(report(name, mode, theirs, mine, equal), flush=True)
    return 0 if all_equal else 1


if __name__ == "__main__":
    sys.exit(main())
