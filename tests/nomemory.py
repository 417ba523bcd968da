"""Operations whose every allocation may fail: a MemoryError or the answer, never a crash.

They run in a process of their own, with `_testcapi.set_nomemory` failing one allocation after
another.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

runs_plain_python = pytest.mark.skipif(
    hasattr(sys, "gettotalrefcount"),
    reason="a debug CPython 3.11 fails an assertion of its own in ceval.c when a frame of plain "
    "Python code finds no memory",
)
"""For tests whose operations call Python code, not C alone."""

MACHINERY = """
import gc
import os
import types
import _testcapi

def is_memory_error(error):
    error = getattr(error, "orig", error)  # SQLAlchemy wraps what a driver raises
    if isinstance(error, SystemError) and str(error).startswith("<function "):
        # CPython 3.13 may return from plain Python code, never from C, with the error set.
        error = error.__cause__
    return isinstance(error, MemoryError)

def attempt(operation, start):
    # Nothing but the operation between the two switches.
    _testcapi.set_nomemory(start, start + 1)
    try:
        operation()
    except Exception as error:
        if not is_memory_error(error):
            raise
        return False
    finally:
        _testcapi.remove_mem_hooks()
    return True

# CPython 3.12 and 3.13 release the code of an inner function once too often when there is no
# memory for the function (MAKE_FUNCTION), in any Python code. Holding enough references keeps
# that from being what is tested here.
functions = [item for item in gc.get_objects() if isinstance(item, types.FunctionType)]
constants = [const for function in functions for const in function.__code__.co_consts]
held = [const for const in constants if isinstance(const, types.CodeType)] * 50

failures = 0
for operation in OPERATIONS:
    operation()
    for start in range(1, ALLOCATIONS):
        failures += not attempt(operation, start)
    assert attempt(operation, 10**8), operation
print("failures", failures, flush=True)
os._exit(0)  # finalization would count the held references
"""


def count_failures(script: str, allocations: int) -> int:
    """Let one allocation after another fail in each of a script's operations.

    :param script: Python that leaves functions without parameters in a tuple ``OPERATIONS``.
    :param allocations: how many allocations of each operation are made to fail.
    :return: how many of them ended in a MemoryError; the others gave the answer.
    """
    pytest.importorskip("_testcapi")
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "faulthandler",
            "-c",
            f"{script}\nALLOCATIONS = {allocations}\n{MACHINERY}",
        ],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    word, count = done.stdout.split()
    assert word == "failures"
    return int(count)
