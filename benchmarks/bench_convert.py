"""Conversion: columns and relationships into graphene fields, by upstream and by the C converter.

The first two rows call the two converters side by side, for one column of each of the commonest
types. The third builds a whole schema, without and with `install()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import graphene
import sqlalchemy as sa
from graphene_sqlalchemy import SQLAlchemyObjectType
from graphene_sqlalchemy.registry import Registry
from sqlalchemy.orm import configure_mappers, declarative_base, relationship

import graphene_sqlalchemy_c
from benchmarks.report import Row, best_of
from graphene_sqlalchemy_c import _core, _upstream
from graphene_sqlalchemy_c.converter import convert_sqlalchemy_type

MODELS = 200
REPEATS = 300
COLUMN_TYPES = [sa.String, sa.Integer, sa.Float, sa.Boolean, sa.DateTime, sa.Date, sa.Text, sa.JSON]


@contextmanager
def installed() -> Iterator[None]:
    graphene_sqlalchemy_c.install()
    try:
        yield
    finally:
        graphene_sqlalchemy_c.uninstall()


def make_models() -> list[Any]:
    """200 models of 16 columns and 4 relationships each."""
    base = declarative_base()
    models = []
    for index in range(MODELS):
        first, second = f"Model{(index + 1) % MODELS}", f"Model{(index + 2) % MODELS}"
        table = f"table_{index}"
        body: dict[str, Any] = {
            "__tablename__": table,
            "id": sa.Column(sa.Integer, primary_key=True),
        }
        for number in range(13):
            column_type = COLUMN_TYPES[number % len(COLUMN_TYPES)]
            body[f"value_{number}"] = sa.Column(column_type, nullable=number % 2 == 0)
        for key, target in (("one", first), ("two", second)):
            target_table = f"table_{target.removeprefix('Model')}"
            body[f"{key}_id"] = sa.Column(sa.ForeignKey(f"{target_table}.id"))
            body[key] = relationship(
                target, foreign_keys=[body[f"{key}_id"]], backref=f"{key}_children"
            )
        models.append(type(f"Model{index}", (base,), body))
    configure_mappers()
    return models


def make_schema(models: list[Any]) -> graphene.Schema:
    registry = Registry()
    fields = {}
    for model in models:
        meta = type("Meta", (), {"model": model, "registry": registry})
        type_ = type(model.__name__, (SQLAlchemyObjectType,), {"Meta": meta})
        fields[model.__name__.lower()] = graphene.Field(type_)
    return graphene.Schema(query=type("Query", (graphene.ObjectType,), fields))


def rows() -> Iterator[Row]:
    models = make_models()
    mapper = sa.inspect(models[0])
    registry = Registry()
    props = [mapper.attrs[f"value_{number}"] for number in range(len(COLUMN_TYPES))]

    def dispatch(convert: Callable[..., Any]) -> Callable[[], None]:
        columns = [prop.columns[0] for prop in props]

        def run() -> None:
            for _ in range(REPEATS):
                for column in columns:
                    convert(type(column.type), column=column, registry=registry)

        return run

    def convert(function: Callable[..., Any]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(REPEATS):
                for prop in props:
                    function(prop, registry, None)

        return run

    def schema() -> None:
        make_schema(models)

    calls = REPEATS * len(props)
    times = best_of(dispatch(_upstream.convert_sqlalchemy_type), dispatch(convert_sqlalchemy_type))
    yield Row("type dispatch", times[0] / calls, times[1] / calls, None, "upstream / ours >= 10")
    times = best_of(
        convert(_upstream.convert_sqlalchemy_column),
        convert(_core.convert_sqlalchemy_column),
        within=[nullcontext, installed],
    )
    yield Row(
        "convert_sqlalchemy_column",
        times[0] / calls,
        times[1] / calls,
        None,
        "upstream / ours >= 4",
    )
    times = best_of(schema, schema, within=[nullcontext, installed])
    yield Row(
        f"schema of {MODELS} models, 16 columns and 4 relationships each",
        *times,
        None,
        "upstream / ours >= 1.15",
    )
