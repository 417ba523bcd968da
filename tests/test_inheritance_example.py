"""The example of the documentation runs, and costs what the documentation says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "inheritance.py"


@pytest.fixture
def example() -> Any:
    spec = importlib.util.spec_from_file_location("inheritance_example", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where the annotations of the models are looked up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_the_example(example: Any, capsys: Any) -> None:
    example.main()
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith("executed:")] == [
        "executed: 1",
        "executed: 1",
        "executed: 3",
    ]
    first, second, third = printed.split("{ people {")[1:]
    assert "JOIN" not in first.partition("query, on")[0]
    assert "JOIN employees" in second and "customers" not in second
    assert "JOIN employees" in third and "JOIN customers" in third
    assert '{"name": "Ada", "hireDate": "2020-01-01"}, {"name": "Bob"}' in second
    assert example.schema.explain(example.QUERIES[2]).all_rows
