"""The converter's rooms when an allocation fails."""

from .nomemory import count_failures, runs_plain_python

SCRIPT = """
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

OPERATIONS = (dispatch, read, column, overridden, to_one, to_many)
"""


@runs_plain_python
def test_every_allocation_may_fail() -> None:
    assert count_failures(SCRIPT, 400) > 50
