"""The C rooms when an allocation fails: a MemoryError or the answer, never a crash.

Runs in a process of its own, with `_testcapi.set_nomemory` failing one allocation after another.
"""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
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

failures = 0
for operation in (dispatch, read, column, overridden, to_one, to_many):
    operation()
    for start in range(1, 400):
        failures += not attempt(operation, start)
    assert attempt(operation, 10**8), operation
print("failures", failures)
"""


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
