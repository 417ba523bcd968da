"""The C rooms when an allocation fails: a MemoryError or the answer, never a crash.

Runs in a process of its own, with `_testcapi.set_nomemory` failing one allocation after another.
"""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import gc
import os
import types
import _testcapi
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, column_property, relationship
from graphene_sqlalchemy import SQLAlchemyObjectType
from graphene_sqlalchemy_c import _core, _upstream

class Base(DeclarativeBase):
    pass

class Model(Base):
    __tablename__ = "model"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String)
    parent_id = sa.Column(sa.ForeignKey("model.id"))
    parent = relationship("Model", remote_side=[id], backref="children")

class ModelType(SQLAlchemyObjectType):
    class Meta:
        model = Model

mapper = sa.inspect(Model)
registry = ModelType._meta.registry
name, parent, children = (mapper.attrs[key] for key in ("name", "parent", "children"))
instance = Model(name="x")

def dispatch():
    return _core.TypeDispatch(_upstream.convert_sqlalchemy_type)(sa.String)

def read():
    return _core.AttrResolver("name")(instance, None)

def column():
    return _core.convert_sqlalchemy_column(name, registry, None)

def overridden():
    return _core.convert_sqlalchemy_column(name, registry, None, required=True, description="d")

def to_one():
    return _core.convert_sqlalchemy_relationship(parent, ModelType, None, False, "p").get_type()

def to_many():
    return _core.convert_sqlalchemy_relationship(children, ModelType, None, False, "c").get_type()

def attempt(operation, start):
    # Nothing but the operation between the two switches.
    _testcapi.set_nomemory(start, start + 1)
    try:
        operation()
    except MemoryError:
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
for operation in (dispatch, read, column, overridden, to_one, to_many):
    operation()
    for start in range(1, 400):
        failures += not attempt(operation, start)
    assert attempt(operation, 10**8), operation
print("failures", failures, flush=True)
os._exit(0)  # finalization would count the held references
"""


@pytest.mark.skipif(
    hasattr(sys, "gettotalrefcount"),
    reason="a debug CPython 3.11 fails an assertion of its own in ceval.c when a frame of plain "
    "Python code finds no memory",
)
def test_every_allocation_may_fail():
    pytest.importorskip("_testcapi")
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", SCRIPT],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    word, count = done.stdout.split()
    assert word == "failures"
    assert int(count) > 50
