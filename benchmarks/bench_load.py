"""Load over HTTP on PostgreSQL: gunicorn with Flask and uvicorn with Starlette, two workers each.

The nested lists of `rows`, asked by a client of four requests at a time on the same machine, each
on a connection of its own. The sides take turns, each in servers of its own. The time of a request
is that from one answer to the next, best of the rounds; the percentiles are of all rounds. Upstream
is graphene-sqlalchemy loading lazily in a Session, under both servers, as its lists do not work in
an AsyncSession; ours under uvicorn is an AsyncSession over asyncpg. By hand is SQLAlchemy Core,
over the same driver as ours.

Then a server of ours is asked 20,000 requests for each worker, after 2,000: nested and many-to-one
lists and single rows, by variables and by documents of their own. The last row is the resident
memory of the worker that has grown most. A run fails where that is more than 5 percent.

A server needs gunicorn, uvicorn, Flask and Starlette (`make load` installs them).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import orjson
from sqlalchemy import URL

from benchmarks import library
from benchmarks.load.client import Figures, ask, load, percentile
from benchmarks.load.servers import COMMANDS, WORKERS, Server, serving
from benchmarks.report import Row, is_quick

SIDES = ("stock", "ours", "by_hand")
AT_A_TIME = 4
LEAST_RATIO = 12
MOST_GROWTH = 1.05

NESTED = orjson.dumps({"query": library.NESTED})


@dataclass(frozen=True)
class Extent:
    """How much is asked."""

    rounds: int
    of_stock: int
    """Requests of a round; stock takes long."""
    of_others: int
    before: int
    """Requests for each worker before its memory is read."""
    between: int
    """Requests for each worker until it is read again."""
    seconds: float = 60
    """Of a round, at most."""


WHOLE = Extent(rounds=3, of_stock=40, of_others=400, before=2_000, between=20_000)
QUICK = Extent(rounds=1, of_stock=8, of_others=100, before=100, between=200)
SECONDS_OF_MEMORY = 1_200


def rows() -> Iterator[Row]:
    extent = QUICK if is_quick() else WHOLE
    with library.on_postgresql() as url:
        if url is None:
            yield library.not_run("PostgreSQL")
            return
        with library.connected(url) as engine:
            library.fill(engine, library.AUTHORS)
        for name in COMMANDS:
            yield from speed(name, url, extent)
            yield memory(name, url, extent)


# Speed --------------------------------------------------------------------------------------


def speed(name: str, url: URL, extent: Extent) -> Iterator[Row]:
    """The rows of one server."""
    rounds: dict[str, list[Figures]] = {side: [] for side in SIDES}
    expected = b""
    for turn in range(extent.rounds):
        for side in SIDES if turn % 2 == 0 else reversed(SIDES):
            with serving(name, side, url) as server:
                expected = expected or orjson.loads(ask(server.port, NESTED))
                rounds[side].append(one_round(server, side, expected, extent))
    best = [min(each.each for each in rounds[side]) for side in SIDES]
    told = " -> ".join(f"{1 / each:.1f}" for each in best)
    wanted = f"upstream / ours >= {LEAST_RATIO}"
    yield Row(f"{name}: time of a request ({told} requests/s)", *best, wanted)
    for percent in (50, 99):
        figures = [
            percentile([latency for each in rounds[side] for latency in each.latencies], percent)
            for side in SIDES
        ]
        yield Row(f"{name}: p{percent}", *figures, "upstream / ours > 1" if percent == 99 else "")


def one_round(server: Server, side: str, expected: object, extent: Extent) -> Figures:
    """Load a server that has just started, after its workers have answered and filled caches."""
    first = ask(server.port, NESTED)
    if orjson.loads(first) != expected:
        raise AssertionError(f"{side}: the answers differ: {first[:1000]!r}")

    def check(_number: int, answer: bytes) -> None:
        if answer != first:
            raise AssertionError(f"{side}: the answers differ: {answer[:1000]!r}")

    def asked(requests: int) -> Figures:
        return load(server.port, lambda _: NESTED, check, requests, extent.seconds, AT_A_TIME)

    asked(AT_A_TIME)
    return asked(extent.of_stock if side == "stock" else extent.of_others)


# Memory -------------------------------------------------------------------------------------


def mixed_body(number: int) -> bytes:
    """The body of a request: one in ten is a large answer, half of the others a new document."""
    if number % 10 == 0:
        return orjson.dumps({"query": (library.NESTED, library.MANY_TO_ONE)[number // 10 % 2]})
    if number % 2:
        variables = library.field_variables(number)
        return orjson.dumps({"query": library.ONE_FIELD, "variables": variables})
    return orjson.dumps({"query": f"{{ book(id: {library.book_id(number)}) {{ title year }} }}"})


def check_data(number: int, answer: bytes) -> None:
    """Raise for an answer that is not the request's."""
    result = orjson.loads(answer)
    book = result["data"].get("book")
    if "errors" in result or (book and book["title"] != f"Book {library.book_id(number)}"):
        raise AssertionError(f"request {number}: {answer[:1000]!r}")


def memory(name: str, url: URL, extent: Extent) -> Row:
    """The resident memory of a worker of ours, before and after many requests."""

    def ask_all(requests: int) -> None:
        figures = load(server.port, mixed_body, check_data, requests, SECONDS_OF_MEMORY, AT_A_TIME)
        if len(figures.latencies) < requests:
            raise AssertionError(f"{name}: only {len(figures.latencies):,} requests in time")

    with serving(name, "ours", url) as server:
        ask_all(WORKERS * extent.before)
        workers, before = server.workers(), server.resident_bytes()
        ask_all(WORKERS * extent.between)
        after = server.resident_bytes()
        if server.workers() != workers:
            raise AssertionError(f"{name}: a worker has been replaced")
    pairs = sorted(zip(before, after, strict=True), key=lambda pair: pair[1] / pair[0])
    least, most = (each / 2**20 for each in pairs[-1])
    if extent is WHOLE and most > least * MOST_GROWTH:
        raise AssertionError(f"{name}: a worker grew from {least:.1f} to {most:.1f} MiB")
    told = f"{least:.1f} -> {most:.1f} MiB after {extent.between:,} requests for each"
    wanted = f"growth <= {MOST_GROWTH:g}"
    return Row(f"{name}: memory of a worker ({told})", None, most, None, wanted, "MiB")
