"""Documents that are made to cost a server time or memory, and what each costs ours.

    python -m tests.hostile

prints the table: each document's size, the processor's time for one request (the best of three),
the peak of the memory that Python allocates meanwhile, and the first error.
"""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import graphene

from graphene_sqlalchemy_c import Schema


class Thing(graphene.ObjectType):
    """Whose field `n` has no end."""

    a = graphene.Int(x=graphene.Int(), text=graphene.String(), l=graphene.List(graphene.Int))
    n = graphene.Field(lambda: Thing)
    echo = graphene.String(text=graphene.String())

    def resolve_n(root: Any, info: Any) -> Any:
        return root

    def resolve_a(root: Any, info: Any, **_: Any) -> int:
        return 1

    def resolve_echo(root: Any, info: Any, text: str | None = None) -> str | None:
        return text


def schema() -> Schema:
    """A schema with the limits that a public one should have."""
    return Schema(query=Thing, max_depth=20, max_aliases=500)


def _fragments(count: int, body: str) -> str:
    """Fragments F0, F1, ..., each made of the next one's name."""
    return " ".join(
        f"fragment F{i} on Thing {{ {body.format(i + 1, (i + 1) % count)} }}" for i in range(count)
    )


MEGABYTE = 1_000_000
DOCUMENTS: dict[str, str] = {
    "10,000 aliases": "{" + " ".join(f"a{i}: a" for i in range(10_000)) + "}",
    "4,500 aliases": "{" + " ".join(f"a{i}: a" for i in range(4_500)) + "}",
    "aliases of aliases, 10 to the 6": "{ ...F0 } "
    + _fragments(6, " ".join(f"a{i}: n {{{{ ...F{{0}} }}}}" for i in range(10)))
    + " fragment F6 on Thing { a }",
    "one field 14,000 times": "{" + "a " * 14_000 + "}",
    "100 fields of 130 equal fields": "{" + ("n {" + "a " * 130 + "}") * 100 + "}",
    "1,000 spreads of 1,000 fragments": "{"
    + " ".join(f"...F{i}" for i in range(1_000))
    + "} "
    + _fragments(1_000, "a"),
    "a circle of two fragments": "{ ...F0 } " + _fragments(2, "n {{ ...F{1} }}"),
    "a circle of 1,000 fragments": "{ ...F0 } " + _fragments(1_000, "...F{1}"),
    "fragments that double, 2 to the 100": "{ ...F0 } "
    + _fragments(100, "n {{ ...F{0} }} b: n {{ ...F{0} }}")
    + " fragment F100 on Thing { a }",
    "a chain of 1,000 fragments": "{ ...F0 } "
    + _fragments(1_000, "n {{ ...F{0} }}")
    + " fragment F1000 on Thing { a }",
    "5,000 deep": "{" + "n {" * 5_000 + "a" + "}" * 5_001,
    "150 deep": "{" + "n {" * 150 + "a" + "}" * 151,
    "lists 5,000 deep": "{ a(l: " + "[" * 5_000 + "]" * 5_000 + ") }",
    "5,000 arguments": "{ a(" + " ".join(f"x{i}: 1" for i in range(4_900)) + ") }",
    "a list of 14,000 integers": "{ a(l: [" + "1 " * 14_000 + "], x: $y) }",
    "4,000 variables": "query (" + " ".join(f"$v{i}: Int" for i in range(3_700)) + ") { a }",
    "3,500 directives": "{ a " + "@nope " * 3_500 + "}",
    "10,000 unknown fields": "{" + " ".join(f"echa{i}" for i in range(10_000)) + "}",
    "an integer of 100,000 digits": "{ a(x: " + "9" * 100_000 + ") }",
    "the schema, 100 deep": "{ __schema { types { " + "fields { type { " * 50 + "name" + "}" * 103,
    "a megabyte of commas": "," * MEGABYTE,
    "a megabyte of blank lines": "\n" * MEGABYTE,
    "a megabyte of comments": "#\n" * (MEGABYTE // 2),
    "a megabyte of brackets": "{" * MEGABYTE,
    "a megabyte in one name": "{" + "a" * MEGABYTE + "}",
    "a megabyte of lines in a string": '{ a(text: """' + "\n" * MEGABYTE + '""") nope }',
    "a string without an end": '{ a(text: "' + "x" * MEGABYTE,
    "NUL in a name": "{ a\0 }",
    "a surrogate in a string": '{ echo(text: "\ud800") }',
    "half of a pair, escaped": '{ echo(text: "\\ud800") }',
    "beyond Unicode, escaped": '{ echo(text: "\\u{110000}") }',
    "nothing": "",
}


def answer(source: str) -> Any:
    """The result of a document that the schema has not seen before."""
    return schema().execute(source, root_value={})


def seconds(source: str) -> float:
    """The processor's time for one request."""
    started = time.process_time()
    answer(source)
    return time.process_time() - started


def peak_bytes(source: str) -> int:
    """The most memory that Python allocates during one request."""
    tracemalloc.start()
    try:
        answer(source)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def main() -> None:
    """Print the table."""
    print("| document | bytes | ms | peak MiB | error |\n| --- | ---: | ---: | ---: | --- |")
    for name, source in DOCUMENTS.items():
        size = len(source.encode("utf-8", "surrogatepass"))
        milliseconds = min(seconds(source) for _ in range(3)) * 1000
        mebibytes = peak_bytes(source) / 2**20
        error = " ".join(answer(source).errors[0].message.split())
        shown = error if len(error) < 80 else error[:77] + "..."
        print(f"| {name} | {size:,} | {milliseconds:.1f} | {mebibytes:.1f} | {shown} |")


if __name__ == "__main__":
    main()
