"""Limits of documents: how long, how deep, with how many aliases, and whether about the schema.

They are checked before the rules of the specification, some of which take time that grows with the
square of a document's length. Each check takes time in proportion to the length, also where
fragments are spread in fragments: graphene's `depth_limit_validator` walks every spread anew, which
takes exponential time, and fails on a fragment that there is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from graphql import (
    ASTValidationRule,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    SelectionSetNode,
    Source,
    parse,
)

__all__ = ["MAX_TOKENS", "DocumentLimits", "TooManyObjects"]

MAX_TOKENS = 15_000
"""As graphql-java has it. The query that asks for all of a schema has less than 300."""


class TooManyObjects(BaseException):
    """The walk has made more objects than a response may have.

    Not an `Exception`, which would be the error of one field while the others go on.
    """


@dataclass(frozen=True)
class DocumentLimits:
    """What documents may be; see `Schema`. None is no limit."""

    max_tokens: int | None = None
    max_depth: int | None = None
    max_aliases: int | None = None
    introspection: bool = True

    @property
    def rules(self) -> tuple[type[ASTValidationRule], ...]:
        """The rules of validation that the limits add."""
        return () if self.introspection else (NoSchemaIntrospectionCustomRule,)

    def parse(self, source: str | Source) -> DocumentNode:
        """The document of a source.

        :raises GraphQLError: for a syntax error, too many tokens, or brackets that are nested more
            deeply than the interpreter's recursion limit allows
        """
        return parse(source, max_tokens=self.max_tokens)

    def check(self, document: DocumentNode) -> list[GraphQLError]:
        """The errors of operations that are too deep or have too many aliases, one for each."""
        if self.max_depth is None and self.max_aliases is None:
            return []
        fragments = {
            definition.name.value: _measure(definition.selection_set)
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        totals = _totals(fragments)
        errors = []
        for definition in document.definitions:
            if isinstance(definition, OperationDefinitionNode):
                name = definition.name.value if definition.name else "anonymous"
                size = _total(_measure(definition.selection_set), totals)
                if self.max_depth is not None and size.depth > self.max_depth:
                    text = f"'{name}' exceeds maximum operation depth of {self.max_depth}."
                    errors.append(GraphQLError(text, definition))
                if self.max_aliases is not None and size.aliases > self.max_aliases:
                    text = f"'{name}' has more than {self.max_aliases} aliases."
                    errors.append(GraphQLError(text, definition))
        return errors


class _Size(NamedTuple):
    depth: int
    """Fields that the deepest field stands in; fields about the schema are not looked into."""
    aliases: int


class _Measure(NamedTuple):
    """A selection set without the fragments that it spreads."""

    size: _Size
    spreads: list[tuple[str, int]]
    """The names of those fragments, and the depth at which they stand."""


def _measure(selection_set: SelectionSetNode) -> _Measure:
    deepest = aliases = 0
    spreads = []
    pending = [(selection_set, 0)]
    while pending:
        selection_set, depth = pending.pop()
        deepest = max(deepest, depth)
        for selection in selection_set.selections:
            if isinstance(selection, FragmentSpreadNode):
                spreads.append((selection.name.value, depth))
                continue
            nested = selection.selection_set  # type: ignore[attr-defined]
            if isinstance(selection, FieldNode):
                aliases += selection.alias is not None
                if nested and not selection.name.value.startswith("__"):
                    pending.append((nested, depth + 1))
            else:
                pending.append((nested, depth))
    return _Measure(_Size(deepest, aliases), spreads)


def _total(measure: _Measure, totals: Mapping[str, _Size]) -> _Size:
    """The size of a selection set with its fragments, as often as they are spread."""
    (deepest, aliases), spreads = measure
    for name, depth in spreads:
        # A fragment that there is not, or that closes a circle, is for validation to report.
        if name in totals:
            deepest = max(deepest, depth + totals[name].depth)
            aliases += totals[name].aliases
    return _Size(deepest, aliases)


def _totals(fragments: Mapping[str, _Measure]) -> dict[str, _Size]:
    """The sizes of fragments, those that a fragment spreads before itself; without recursion."""
    totals: dict[str, _Size] = {}
    for root in fragments:
        if root in totals:
            continue
        path = {root: iter(fragments[root].spreads)}
        while path:
            name, spreads = next(reversed(path.items()))
            for spread, _ in spreads:
                if spread in fragments and spread not in totals and spread not in path:
                    path[spread] = iter(fragments[spread].spreads)
                    break
            else:
                totals[name] = _total(fragments[name], totals)
                del path[name]
    return totals
