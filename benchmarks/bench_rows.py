"""Whole requests to the JSON, on an SQLite file and on PostgreSQL.

Upstream is graphene-sqlalchemy loading lazily, `Schema.execute` and orjson; its resolvers read
their rows. Ours is the same schema over our types, whose resolvers return statements. Both open
and close a Session. By hand is SQLAlchemy Core and orjson, with statements that are built once
(benchmarks/by_hand.py); it opens and closes a Connection. All three select the same columns and
give the same answer. The numbers of statements are those of upstream, ours and by hand. Where the
server is on this machine, each row is measured as it comes, and with client and server kept on one
processor and on two (benchmarks/placement.py). What of a Field is the Session and the statement of
its resolver has a row of its own: nothing of ours is in it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import orjson
from sqlalchemy import Connection, Engine

from benchmarks import by_hand, library
from benchmarks.library import Request, Schemas, Variables
from benchmarks.placement import Placement, place, placements
from benchmarks.report import SECONDS, Row, best_of, elsewhere, is_quick

#: Requests whose answers are compared; by their numbers they ask for different rows.
COMPARED = (0, 1, 42)
#: Seconds that a turn of a side takes, about.
TURN = 0.03
#: Where its objects lie in memory differs from process to process, and by it what a short request
#: takes, up to a tenth. So many processes measure each row, and the best of each side counts.
PROCESSES = 3
ONE_ROW = {"SQLite": 4.0, "PostgreSQL": 1.6}


@dataclass(frozen=True)
class Case:
    """A query, what writes its answer by hand, and the ratios that are wanted."""

    name: str
    query: str
    by_hand: Callable[[Connection, int], Any]
    least_of_upstream: float | None
    most_of_by_hand: float | dict[str, float] | None
    connections: bool = False
    variables: Variables = library.no_variables

    def rows(self, database: str, engine: Engine) -> Iterator[Row]:
        for where, placement in placements(engine).items():
            yield self._row(database, where, engine, placement)

    def _row(self, database: str, where: str, engine: Engine, placement: Placement | None) -> Row:
        processes = 1 if is_quick() else PROCESSES
        url = library.url_of(engine)
        found = [elsewhere(self.measured, url, placement) for _ in range(processes)]
        sent = " -> ".join(map(str, found[0][0]))
        best = map(min, zip(*(seconds for _, seconds in found), strict=True))
        upstream, ours, hand = (None, *best)[-3:]
        name = f"{database}{where}: {self.name} ({sent} statements)"
        return Row(name, upstream, ours, hand, self._wanted(database))

    def measured(self, url: str, placement: Placement | None) -> tuple[list[int], list[float]]:
        """How many statements each side sends, and its seconds."""
        sides = self.sides()
        with library.connected(url) as engine:
            sent = compared(self.name, engine, sides)
            engine.dispose()
            place(engine, placement)
            return sent, timed(engine, sides, seconds=SECONDS / PROCESSES)

    def sides(self) -> tuple[Request, ...]:
        """Upstream, where it takes part, ours and by hand."""
        return (
            library.upstream(self._schema(library.stock_schemas()), self.query, self.variables),
            library.ours(self._schema(library.our_schemas()), self.query, self.variables),
            library.by_hand(self.by_hand),
        )

    def _schema(self, schemas: Schemas) -> Any:
        return schemas.connections if self.connections else schemas.lists

    def _wanted(self, database: str) -> str:
        most = self.most_of_by_hand
        if most is None:
            return ""
        parts = [f"ours / by hand <= {most[database] if isinstance(most, dict) else most}"]
        if self.least_of_upstream is not None:
            parts.insert(0, f"upstream / ours >= {self.least_of_upstream}")
        return ", ".join(parts)


class SessionShare(Case):
    """By hand in a Session, beside the statement that a resolver makes for each request."""

    def sides(self) -> tuple[Request, ...]:
        return library.in_session(self.by_hand), library.by_hand(self.by_hand)


def compared(
    name: str, engine: Engine, sides: tuple[Request, ...], numbers: tuple[int, ...] = COMPARED
) -> list[int]:
    """Raise when the answers differ; returns how many statements each side sent for the first."""
    sent = []
    expected = [orjson.loads(sides[-1](engine, number)) for number in numbers]
    for side in sides:
        with library.counted(engine) as (listened, statements):
            answers = [orjson.loads(side(listened, numbers[0]))]
            sent.append(len(statements))
        answers += [orjson.loads(side(engine, number)) for number in numbers[1:]]
        if answers != expected:
            raise AssertionError(f"{name}: the answers differ: {str(answers)[:1000]}")
    return sent


def timed(
    engine: Engine,
    sides: tuple[Request, ...],
    turn: float = TURN,
    most: int | None = None,
    seconds: float = SECONDS,
) -> list[float]:
    """Seconds of one request of each side, under one state of the garbage collector.

    The collection before a turn drives everything from the processor's caches; of that a turn of
    one short request would measure more than of the request.

    :param turn: so many seconds of requests are a turn, about; 0 for one request
    :param most: how many rounds are enough
    :param seconds: for how long at least the sides take turns
    """

    def collector() -> tuple[object, ...]:
        return gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()

    def requests(side: Request, times: int) -> None:
        for number in range(times):
            side(engine, number)
        if collector() != expected:
            raise AssertionError("a side has left the garbage collector in another state")

    expected = True, *collector()[1:]
    times = [requests_in(turn, engine, side) for side in sides]
    turns = map(partial, [requests] * len(sides), sides, times)
    best = best_of(*turns, most=most, seconds=seconds)
    return [each / count for each, count in zip(best, times, strict=True)]


def requests_in(seconds: float, engine: Engine, side: Request) -> int:
    side(engine, 0)
    started = perf_counter()
    side(engine, 1)
    return max(1, round(seconds / (perf_counter() - started)))


MANY_TO_ONE = Case("many-to-one, 1,000 rows", library.MANY_TO_ONE, by_hand.many_to_one, 20, 1.2)
CASES = (
    Case("nested lists, 5,550 objects", library.NESTED, by_hand.nested, 20, 1.2),
    Case("flat list, 5,000 rows", library.FLAT, by_hand.flat, 12, 1.2),
    Case(
        "connections three deep, the first 3 of each",
        library.CONNECTIONS % "(first: 3)",
        by_hand.first_connections,
        10,
        1.5,
        connections=True,
    ),
    Case(
        "the same below all 50 authors",
        library.CONNECTIONS % "",
        by_hand.all_connections,
        10,
        1.5,
        connections=True,
    ),
    Case(
        "one row by id, a Field",
        library.ONE_FIELD,
        by_hand.one_field,
        None,
        ONE_ROW,
        variables=library.field_variables,
    ),
    SessionShare(
        "of that the Session and the resolver's select()",
        library.ONE_FIELD,
        by_hand.one_field,
        None,
        None,
    ),
    Case(
        "one row by id, relay's node",
        library.ONE_NODE,
        by_hand.one_node,
        None,
        ONE_ROW,
        connections=True,
        variables=library.node_variables,
    ),
)


def rows() -> Iterator[Row]:
    def on(database: str, engine: Engine) -> Iterator[Row]:
        library.fill(engine, 2 * library.AUTHORS, reviews_each=0)
        yield from MANY_TO_ONE.rows(database, engine)
        library.fill(engine, library.AUTHORS)
        for case in CASES:
            yield from case.rows(database, engine)

    return library.on_each_database(on)
