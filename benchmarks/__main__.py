"""`python -m benchmarks [--quick] [NAME ...]`: run benchmarks/bench_NAME.py and show the ratios.

A whole run writes benchmarks/RESULTS.md. `--quick`, which only shows that everything runs, and a
run of some modules do not.
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

    parts = ["\n".join(f"- {line}" for line in versions())]
    print(parts[0], flush=True)
    for name in arguments.names or names:
        module = importlib.import_module(f"benchmarks.{PREFIX}{name}")
        parts.append(f"## {name}\n\n{module.__doc__.strip()}\n\n{table(module.rows())}")
        print(f"\n{parts[-1]}", flush=True)
    if not arguments.quick and not arguments.names:
        RESULTS.write_text("\n\n".join([TITLE, *parts]) + "\n")


if __name__ == "__main__":
    main()
