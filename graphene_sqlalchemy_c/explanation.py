"""What `Schema.explain` answers: the levels of a query, as objects, text, a dict or a diagram."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["ExplainError", "Explanation", "LevelExplanation"]


class ExplainError(ValueError):
    """The query cannot be explained; the message says why.

    :param messages: one for each error, as a response would have them.
    """

    def __init__(self, *messages: str) -> None:
        super().__init__("\n".join(messages))
        self.messages = messages


@dataclass(frozen=True)
class LevelExplanation:
    """The objects at one place of a query, and how they are loaded."""

    path: str
    """Response names from the root, joined by dots; lists have no index."""
    type: str
    """The GraphQL type of the objects."""
    by_rows: bool
    """Whether selected columns go straight to the response; else ORM instances are loaded."""
    reason: str | None
    """Why not by rows."""
    source: str
    """What gives the objects: a relationship, a resolver, a root connection, a node."""
    page: str | None
    """What is cut of a connection, and where; None for a list or an object."""
    statements: int | None
    """How many statements are expected; None where a resolver of the application decides."""
    keys_per_statement: int | None
    """At most so many parents share a statement; None for any number."""
    sql: tuple[str, ...] = ()
    parameters: tuple[tuple[str, Any], ...] = ()
    """Values of the parameters of the SQL, where they are known."""
    notes: tuple[str, ...] = ()
    is_alternative: bool = False
    """Whether only one of the levels at this path is loaded."""
    levels: tuple[LevelExplanation, ...] = ()
    """The levels below."""

    @property
    def how(self) -> str:
        """ "by rows" or "by instances: <why>"."""
        return "by rows" if self.by_rows else f"by instances: {self.reason}"

    @property
    def expected(self) -> str:
        """The expected number of statements in words."""
        if self.statements is None:
            return "unknown number of statements"
        words = f"{self.statements} statement{'' if self.statements == 1 else 's'}"
        if self.keys_per_statement is None or not self.statements:
            return words
        return f"{words} for each {self.keys_per_statement} parents"

    def to_dict(self) -> dict[str, Any]:
        """The level and those below as plain values, as JSON has them."""
        return {
            "path": self.path,
            "type": self.type,
            "by_rows": self.by_rows,
            "reason": self.reason,
            "source": self.source,
            "page": self.page,
            "statements": self.statements,
            "keys_per_statement": self.keys_per_statement,
            "sql": list(self.sql),
            "parameters": dict(self.parameters),
            "notes": list(self.notes),
            "is_alternative": self.is_alternative,
            "levels": [level.to_dict() for level in self.levels],
        }


@dataclass(frozen=True)
class Explanation:
    """How an operation is executed; `str()` shows it as a tree."""

    operation: str
    """Its kind and its name."""
    dialect: str
    """The database that the SQL is written for."""
    roots: tuple[LevelExplanation, ...]
    """The levels below the root fields; fields that are scalars are none."""

    @property
    def levels(self) -> tuple[LevelExplanation, ...]:
        """All levels, in the order of the document."""
        return tuple(_flat(self.roots))

    @property
    def all_rows(self) -> bool:
        """Whether every level is by rows.

        A level whose objects a resolver of the application gives counts if its selection allows
        rows: they are rows when the resolver returns a `Select` or a `Query`.
        """
        return all(level.by_rows for level in self.levels)

    @property
    def statements(self) -> int | None:
        """The expected statements of all levels, with one chunk of parents each; None if unknown.

        Options of a statement, events and what a session holds already may make it less or more.
        """
        if any(level.statements is None for level in self.levels):
            return None
        return _total(self.roots)

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain values, as JSON has them."""
        return {
            "operation": self.operation,
            "dialect": self.dialect,
            "all_rows": self.all_rows,
            "statements": self.statements,
            "levels": [level.to_dict() for level in self.roots],
        }

    def to_mermaid(self) -> str:
        """A flowchart in the language of Mermaid, instances in another colour than rows."""
        lines = ["flowchart TD", f'    operation["{_escaped(self.operation)}"]']
        numbers = {id(level): f"level{i}" for i, level in enumerate(self.levels)}

        def add(levels: tuple[LevelExplanation, ...], above: str) -> None:
            for level in levels:
                name = numbers[id(level)]
                label = (f"{level.path}: {level.type}", level.how, level.expected)
                kind = "rows" if level.by_rows else "instances"
                text = "<br/>".join(map(_escaped, label))
                lines.append(f'    {above} --> {name}["{text}"]:::{kind}')
                add(level.levels, name)

        add(self.roots, "operation")
        lines.append("    classDef rows fill:#dfd,stroke:#393,color:#000")
        lines.append("    classDef instances fill:#fed,stroke:#c63,color:#000")
        return "\n".join(lines)

    def __str__(self) -> str:
        lines = [f"{self.operation}, on {self.dialect}: {self._summary}"]
        _draw(self.roots, "", lines)
        return "\n".join(lines)

    @property
    def _summary(self) -> str:
        levels = self.levels
        if not levels:
            return "no level is loaded"
        instances = sum(not level.by_rows for level in levels)
        how = f"{instances} by instances" if instances else "by rows"
        count = f"{len(levels)} level{'' if len(levels) == 1 else 's'}"
        known = _total(self.roots)
        total = self.statements
        number = f"{known} statement{'' if known == 1 else 's'}"
        if total is None:
            number = f"{number}, and what resolvers execute" if known else "what resolvers execute"
        return f"{count}, {how}; {number}"


def _flat(levels: tuple[LevelExplanation, ...]) -> Iterator[LevelExplanation]:
    for level in levels:
        yield level
        yield from _flat(level.levels)


def _total(levels: tuple[LevelExplanation, ...]) -> int:
    """The statements that are known; of alternatives, the most."""
    total = 0
    alternatives: dict[str, int] = {}
    for level in levels:
        number = (level.statements or 0) + _total(level.levels)
        if level.is_alternative:
            alternatives[level.path] = max(number, alternatives.get(level.path, 0))
        else:
            total += number
    return total + sum(alternatives.values())


def _draw(levels: tuple[LevelExplanation, ...], margin: str, lines: list[str]) -> None:
    for level in levels:
        is_last = level is levels[-1]
        lines.append(f"{margin}{'└─' if is_last else '├─'} {level.path}: {level.type}, {level.how}")
        inner = margin + ("   " if is_last else "│  ")
        beside = inner + ("│  " if level.levels else "   ")
        lines += [beside + line for line in _details(level)]
        _draw(level.levels, inner, lines)


def _details(level: LevelExplanation) -> Iterator[str]:
    yield f"{level.source}: {level.expected}"
    if level.page is not None:
        yield f"page: {level.page}"
    for note in level.notes:
        yield f"note: {note}"
    for sql in level.sql:
        for line in sql.splitlines():
            yield from textwrap.wrap(line.strip(), 110, subsequent_indent="    ")
    if level.parameters:
        yield "with " + ", ".join(f"{name} = {value!r}" for name, value in level.parameters)


def _escaped(text: str) -> str:
    """Text that stands between quotes in a flowchart."""
    for character, entity in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        text = text.replace(character, entity)
    return text.replace("\n", " ")
