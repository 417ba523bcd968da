"""How the nested lists of `rows` grow: 50 authors, 10 and 100 times as many, 111 objects each.

Times and peaks of memory (tracemalloc, of what Python's allocators gave) are for one object of the
answer, so rows that differ only in their size are to be equal; by how much they are not is told
for ours and by hand. Upstream is too slow for the largest. A run fails if ours sends more than one
statement for each relationship and 500 keys (on PostgreSQL, which takes all keys at once, for
each relationship).
"""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Iterator
from math import ceil

from sqlalchemy import Engine

from benchmarks import by_hand, library
from benchmarks.bench_rows import compared, timed
from benchmarks.library import Request
from benchmarks.report import ROUNDS_VARIABLE, Row

SCALES = (1, 10, 100)
QUICK_SCALES = (1, 10)
UPSTREAM_UP_TO = 10
ROUNDS = {1: 9, 10: 5, 100: 3}
MOST_GROWTH, MOST_MEMORY = 1.2, 0.5

#: Seconds or bytes for each object, of upstream (if it runs), ours and by hand.
Figures = list[float]


def allowed_statements(database: str, authors: int) -> int:
    def statements(keys: int) -> int:
        return 1 if database == "PostgreSQL" else ceil(keys / by_hand.KEYS_PER_STATEMENT)

    return 1 + statements(authors) + statements(authors * library.BOOKS_EACH)


def peak(engine: Engine, side: Request) -> int:
    """The most bytes that a request held at once, the answer included."""
    gc.collect()
    tracemalloc.start()
    try:
        side(engine, 0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def told(figures: Figures, first: Figures) -> str:
    ours, hand = (after / before for after, before in zip(figures[-2:], first[-2:], strict=True))
    return f"ours {ours:.2f}, by hand {hand:.2f} of 1x"


class Growth:
    """The rows of one database; the smallest size is what the others are compared with."""

    def __init__(self, database: str, engine: Engine) -> None:
        self.database = database
        self.engine = engine
        self.upstream = library.upstream(library.stock_schemas().lists, library.NESTED)
        self.others = (
            library.ours(library.our_schemas().lists, library.NESTED),
            library.by_hand(by_hand.nested),
        )
        self.first: tuple[Figures, Figures] | None = None

    def rows(self, scale: int) -> Iterator[Row]:
        authors = scale * library.AUTHORS
        books = authors * library.BOOKS_EACH
        objects = authors + books + books * library.REVIEWS_EACH
        library.fill(self.engine, authors)
        name = f"{self.database}: {scale}x, {objects:,} objects"
        sides = self.others if scale > UPSTREAM_UP_TO else (self.upstream, *self.others)
        sent = compared(name, self.engine, sides, (0,))[-2]
        allowed = allowed_statements(self.database, authors)
        if sent > allowed:
            raise AssertionError(f"{name}: {sent} statements, at most {allowed} are allowed")

        seconds = timed(self.engine, sides, most=ROUNDS[scale])
        times = [each / objects for each in seconds]
        peaks = [peak(self.engine, side) / objects for side in sides]
        self.first = self.first or (times, peaks)
        growth = f"({told(times, self.first[0])}; {sent} statements)"
        wanted = f"ours <= {MOST_GROWTH} of 1x"
        yield self._row(f"{name}, time {growth}", times, wanted, "s")
        growth = f"({told(peaks, self.first[1])})"
        wanted = f"upstream / ours >= {1 / MOST_MEMORY:g}" if len(sides) == 3 else ""
        yield self._row(f"{name}, peak {growth}", peaks, wanted, "B")

    def _row(self, name: str, figures: Figures, wanted: str, unit: str) -> Row:
        upstream = figures[-3] if len(figures) == 3 else None
        return Row(name, upstream, figures[-2], figures[-1], wanted, unit)


def rows() -> Iterator[Row]:
    scales = QUICK_SCALES if os.environ.get(ROUNDS_VARIABLE) == "1" else SCALES

    def on(database: str, engine: Engine) -> Iterator[Row]:
        growth = Growth(database, engine)
        for scale in scales:
            yield from growth.rows(scale)

    return library.on_each_database(on)
