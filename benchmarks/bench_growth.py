"""How the nested lists of `rows` grow: 50 authors, 10 and 100 times as many, 111 objects each.

Times and peaks of memory (tracemalloc, of what Python's allocators gave) are for one object of the
answer, so rows that differ only in their size are to be equal; by how much they are not is told
for ours and by hand. A turn is one request: each size begins with cold caches. Upstream is too
slow for the largest, and it is measured in a process of its own: the holes that its instances leave
in the heap would slow whoever comes next. A run fails if ours sends more than one statement for
each relationship and 500 keys (on PostgreSQL, which takes all keys at once, for each relationship).
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from math import ceil

from sqlalchemy import Engine

from benchmarks import by_hand, library
from benchmarks.bench_rows import compared, timed
from benchmarks.library import Request
from benchmarks.report import Row, elsewhere, is_quick

SCALES = (1, 10, 100)
QUICK_SCALES = (1, 10)
UPSTREAM_UP_TO = 10
UPSTREAM_ROUNDS = 5
MOST_GROWTH, MOST_MEMORY = 1.2, 0.5

#: Seconds or bytes for each object, of ours and by hand.
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


def upstream_figures(url: str, objects: int) -> tuple[float, float]:
    """Seconds and bytes of upstream for each object."""
    with library.connected(url) as engine:
        upstream = library.upstream(library.stock_schemas().lists, library.NESTED)
        compared("upstream", engine, (upstream, library.by_hand(by_hand.nested)), (0,))
        (seconds,) = timed(engine, (upstream,), turn=0, most=UPSTREAM_ROUNDS)
        return seconds / objects, peak(engine, upstream) / objects


def told(figures: Figures, first: Figures) -> str:
    ours, hand = (after / before for after, before in zip(figures, first, strict=True))
    return f"ours {ours:.2f}, by hand {hand:.2f} of 1x"


class Growth:
    """The rows of one database; the smallest size is what the others are compared with."""

    def __init__(self, database: str, engine: Engine) -> None:
        self.database = database
        self.engine = engine
        self.sides = (
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
        sent = compared(name, self.engine, self.sides, (0,))[0]
        allowed = allowed_statements(self.database, authors)
        if sent > allowed:
            raise AssertionError(f"{name}: {sent} statements, at most {allowed} are allowed")

        seconds = timed(self.engine, self.sides, turn=0)
        times = [each / objects for each in seconds]
        peaks = [peak(self.engine, side) / objects for side in self.sides]
        upstream: tuple[float | None, float | None] = (None, None)
        if scale <= UPSTREAM_UP_TO:
            upstream = elsewhere(upstream_figures, library.url_of(self.engine), objects)
        self.first = self.first or (times, peaks)
        growth = f"({told(times, self.first[0])}; {sent} statements)"
        wanted = f"ours <= {MOST_GROWTH} of 1x"
        yield Row(f"{name}, time {growth}", upstream[0], times[0], times[1], wanted)
        growth = f"({told(peaks, self.first[1])})"
        wanted = "" if upstream[1] is None else f"upstream / ours >= {1 / MOST_MEMORY:g}"
        yield Row(f"{name}, peak {growth}", upstream[1], peaks[0], peaks[1], wanted, "B")


def rows() -> Iterator[Row]:
    scales = QUICK_SCALES if is_quick() else SCALES

    def on(database: str, engine: Engine) -> Iterator[Row]:
        growth = Growth(database, engine)
        for scale in scales:
            yield from growth.rows(scale)

    return library.on_each_database(on)
