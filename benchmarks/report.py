"""What a benchmark module reports, how it is timed, and how it is shown.

A module `benchmarks/bench_*.py` has a function `rows()` that yields a `Row` for each pair it
compares. The sides of a row are timed by `best_of`, which lets them take turns within one run, so
that whatever else the machine does meets them all.
"""

from __future__ import annotations

import gc
import os
import platform
import shlex
import subprocess
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

#: How many turns each side gets; `python -m benchmarks --quick` sets it to 1.
ROUNDS_VARIABLE = "GSC_BENCH_ROUNDS"
DEFAULT_ROUNDS = 9
#: Sides that are done sooner get more turns, until so many seconds are over: what else the machine
#: does comes and goes, and a short turn meets it as a whole or not at all.
SECONDS = 10.0

Result = TypeVar("Result")

PACKAGES = ("SQLAlchemy", "graphene", "graphene-sqlalchemy", "graphql-core")


@dataclass(frozen=True)
class Row:
    """One comparison; figures are for the same work, None where there is no such side.

    They are times in seconds, or what `unit` says: "s", "B" for bytes or "MiB".
    `wanted` is the ratio that the project asks of itself, such as "upstream / ours >= 2", or ""
    where the figure is only told.
    """

    name: str
    upstream: float | None
    ours: float | None
    handwritten: float | None
    wanted: str
    unit: str = "s"


def best_of(
    *sides: Callable[[], object],
    within: Sequence[Callable[[], Any]] | None = None,
    most: int | None = None,
    seconds: float = SECONDS,
) -> list[float]:
    """The shortest time of each side in seconds, best of the rounds, the sides taking turns.

    Each side runs once before, so that caches are as they are in a program that has been running.
    `within` makes a context manager for each side, which is entered before its clock starts.
    `most` is the number of rounds that are enough for a side which takes long, `seconds` is for how
    long at least sides take turns that are done sooner.
    """
    wanted = os.environ.get(ROUNDS_VARIABLE)
    rounds = int(wanted or DEFAULT_ROUNDS)
    if most is not None:
        rounds = min(rounds, most)
    best = [float("inf")] * len(sides)
    contexts = within or [nullcontext] * len(sides)
    until = 0.0 if wanted or most is not None else perf_counter() + seconds
    for turn in count(-1):
        if turn >= rounds and perf_counter() >= until:
            return best
        order = range(len(sides)) if turn % 2 == 0 else reversed(range(len(sides)))
        for index in order:
            with contexts[index]():
                gc.collect()
                started = perf_counter()
                sides[index]()
                elapsed = perf_counter() - started
            if turn >= 0:
                best[index] = min(best[index], elapsed)


def is_quick() -> bool:
    """Whether the benchmarks only show that everything runs."""
    return os.environ.get(ROUNDS_VARIABLE) == "1"


def elsewhere(function: Callable[..., Result], *arguments: Any) -> Result:
    """What a function of a module gives in another process, which ends with it."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table that is aligned to be read as it is, too."""
    head = ["", "upstream", "ours", "by hand", "upstream / ours", "ours / by hand", "wanted"]
    cells = [head, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:-1]), "-" * widths[-1]]
    return "\n".join(
        "| " + " | ".join(_aligned(line, widths)) + " |" for line in [head, rule, *cells[1:]]
    )


def _aligned(line: list[str], widths: list[int]) -> list[str]:
    first, *figures, last = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(c.rjust(w) for c, w in figures), last[0].ljust(last[1])]


def _cells(row: Row) -> list[str]:
    return [
        row.name,
        *(_figure(each, row.unit) for each in (row.upstream, row.ours, row.handwritten)),
        _ratio(row.upstream, row.ours),
        _ratio(row.ours, row.handwritten),
        row.wanted,
    ]


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    if unit == "s":
        unit, figure = ("us", value * 1e6) if value < 1e-3 else ("ms", value * 1e3)
    else:
        figure = value
    return f"{figure:.{0 if figure >= 100 else 1 if figure >= 10 else 2}f} {unit}"


def _ratio(numerator: float | None, denominator: float | None) -> str:
    if numerator is None or denominator is None:
        return "-"
    return f"{numerator / denominator:.2f}"


def versions() -> list[str]:
    """What the figures were made with: software and processor, nothing that names the machine."""
    return [
        f"{platform.python_implementation()} {platform.python_version()}",
        *(f"{package} {version(package)}" for package in PACKAGES),
        _compiler(),
        _processor(),
        date.today().isoformat(),
    ]


def _compiler() -> str:
    """The first line of what the compiler that setuptools calls says of itself."""
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    try:
        answer = subprocess.run(
            [command[0], "--version"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "compiler unknown"
    return answer.stdout.splitlines()[0]


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return f"{line.split(':', 1)[1].strip()}, {os.cpu_count()} cores"
    return f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
