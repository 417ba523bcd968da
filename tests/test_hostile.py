"""Hostile documents get an error, in bounded time and memory, and nothing of them is executed."""

from __future__ import annotations

import json
import time

import pytest

from . import hostile

SECONDS = 10
"""More than ten times what the slowest takes, for slow machines and instrumented builds."""


@pytest.mark.parametrize("name", hostile.DOCUMENTS)
def test_a_hostile_document_is_an_error(name: str) -> None:
    started = time.perf_counter()
    result = hostile.answer(hostile.DOCUMENTS[name])
    assert time.perf_counter() - started < SECONDS
    assert result.data is None
    assert 0 < len(result.errors) <= 101  # graphql-core's limit and its last word
    assert all(error.path is None for error in result.errors)
    assert json.dumps(result.formatted)


def test_memory_is_bounded() -> None:
    """By the size of a body, for the one that takes most."""
    assert hostile.peak_bytes(hostile.DOCUMENTS["a megabyte in one name"]) < 64 * 2**20


def test_strange_characters_come_back_as_they_were() -> None:
    pytest.importorskip("orjson")
    query = "query ($text: String) { echo(text: $text) }"
    for text in ("\0", "a\0b", "\ud800", "\udfff\ud800", "\U0010ffff", "\ufeff", "\u2028", '"\\'):
        body = hostile.schema().execute_json(query, root_value={}, variables={"text": text})
        assert json.loads(body) == {"data": {"echo": text}}


@pytest.mark.parametrize("text", ["a\0b", "a\\u0000b"])
def test_nul_in_a_string_of_a_document(text: str) -> None:
    """Which graphql-core takes for a character like any other."""
    result = hostile.answer(f'{{ echo(text: "{text}") }}')
    assert result.errors is None and result.data == {"echo": "a\0b"}


def test_a_long_list_in_a_variable() -> None:
    """Each number is checked, which is what the time goes into."""
    query = "query ($l: [Int]) { a(l: $l) }"
    started = time.perf_counter()
    result = hostile.schema().execute(query, root_value={}, variables={"l": [1] * 100_000})
    assert time.perf_counter() - started < SECONDS
    assert result.errors is None and result.data == {"a": 1}


def test_values_of_variables_nested_deeply() -> None:
    """As deep as JSON gets them to us."""
    value: object = 1
    for _ in range(900):
        value = [value]
    query = "query ($l: [Int]) { a(l: $l) }"
    result = hostile.schema().execute(query, root_value={}, variables={"l": value})
    assert result.data is None and len(result.errors) == 1
