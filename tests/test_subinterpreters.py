"""The extension in several interpreters of one process, which is what its module slot declares."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WORK = """
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from tests import zoo

engine = create_engine("sqlite://")
zoo.Base.metadata.create_all(engine)
with Session(engine) as session:
    zoo.fill(session)
schema = zoo.build_schema("import")
query = "{ authors { id books { id author { id } } } }"
with Session(engine) as session:
    result = schema.execute(query, context_value={"session": session})
assert result.errors is None and len(result.data["authors"]) == 8
"""

SCRIPT = f"""
import _testcapi
work = {WORK!r}
for _ in range(2):
    assert _testcapi.run_in_subinterp(work) == 0
exec(work)
assert _testcapi.run_in_subinterp(work) == 0
print("all four")
"""


PROBE = """
import sqlalchemy.orm
import _testcapi
raise SystemExit(_testcapi.run_in_subinterp("import sqlalchemy.orm"))
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.skipif(
    sys.version_info < (3, 11),
    reason="on CPython 3.10 a sub-interpreter that used sqlite3 never ends, with or without us",
)
def test_each_interpreter_has_a_state_of_its_own() -> None:
    pytest.importorskip("_testcapi")
    probe = run(PROBE)
    if "can only be loaded into one interpreter" in probe.stderr:
        pytest.skip("the Cython modules of SQLAlchemy 2.1 load into one interpreter only")
    done = run(SCRIPT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == "all four"
