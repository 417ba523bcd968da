"""`python -m benchmarks [--quick] [NAME ...]`: run benchmarks/bench_NAME.py and show the ratios.

A run writes what it measured into benchmarks/RESULTS.md, a run of some modules their parts of it.
`--quick`, which only shows that everything runs, writes nothing.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
from pathlib import Path

from benchmarks import __path__ as folders
from benchmarks.report import ROUNDS_VARIABLE, table, versions

PREFIX = "bench_"
TITLE = "# Results\n\nWritten by `make bench`; each row measured in one run, best of several."
HEADING = "\n## "  # of a part, with its name
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    names = sorted(
        module.name.removeprefix(PREFIX)
        for module in pkgutil.iter_modules(folders)
        if module.name.startswith(PREFIX)
    )
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round: no figure to rely on")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    if arguments.quick:
        os.environ[ROUNDS_VARIABLE] = "1"

    for name in arguments.names or names:
        module = importlib.import_module(f"benchmarks.{PREFIX}{name}")
        measured = ", ".join(versions())
        part = f"{module.__doc__.strip()}\n\n{table(module.rows())}\n\n{measured}\n"
        print(f"{HEADING}{name}\n\n{part}", flush=True)
        if not arguments.quick:
            keep(name, part)


def keep(name: str, part: str) -> None:
    """Put a part into the results, in the place of the last one of its name."""
    parts = {}
    if RESULTS.exists():
        for each in RESULTS.read_text().split(HEADING)[1:]:
            heading, parts[heading] = each.split("\n\n", 1)
    parts[name] = part
    text = [f"{HEADING}{each}\n\n{parts[each]}" for each in sorted(parts)]
    RESULTS.write_text(f"{TITLE}\n{''.join(text)}")


if __name__ == "__main__":
    main()
