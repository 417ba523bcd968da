"""Conversion: upstream's and ours, in one run, turn by turn, best of several.

    python benchmarks/bench_convert.py

Rows are (name, upstream seconds, our seconds, ratio), seconds for one operation.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from gc import collect
from importlib import import_module
from time import perf_counter
from typing import Any

import graphene
import sqlalchemy as sa
from graphene_sqlalchemy import SQLAlchemyObjectType
from graphene_sqlalchemy.registry import Registry
from sqlalchemy.orm import configure_mappers, declarative_base, relationship

from graphene_sqlalchemy_c import _core, _upstream
from graphene_sqlalchemy_c.converter import convert_sqlalchemy_type, replacements

Row = tuple[str, float, float, float]

MODELS = 200
COLUMN_TYPES = [sa.String, sa.Integer, sa.Float, sa.Boolean, sa.DateTime, sa.Date, sa.Text, sa.JSON]


@contextmanager
def c_converter() -> Iterator[None]:
    """The C converter in upstream's modules, as install() puts it there."""
    undo = []
    for module_name, attribute, ours in replacements():
        module = import_module(module_name)
        undo.append((module, attribute, getattr(module, attribute)))
        setattr(module, attribute, ours)
    try:
        yield
    finally:
        for module, attribute, original in undo:
            setattr(module, attribute, original)


def seconds(operation: Callable[[], object], number: int) -> float:
    collect()
    start = perf_counter()
    for _ in range(number):
        operation()
    return (perf_counter() - start) / number


def compare(
    name: str,
    stock: Callable[[], object],
    ours: Callable[[], object],
    *,
    number: int,
    rounds: int,
) -> Row:
    """Measures both in turn, `rounds` times `number` operations each, and keeps the best."""
    best_stock = best_ours = float("inf")
    for _ in range(rounds):
        best_stock = min(best_stock, seconds(stock, number))
        with c_converter():
            best_ours = min(best_ours, seconds(ours, number))
    return name, best_stock, best_ours, best_stock / best_ours


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


def rows() -> list[Row]:
    """The figures of the conversion, upstream's and ours."""
    models = make_models()
    mapper = sa.inspect(models[0])
    registry = Registry()
    props = [mapper.attrs[f"value_{number}"] for number in range(len(COLUMN_TYPES))]
    columns = [prop.columns[0] for prop in props]

    def dispatch(convert: Callable[..., Any]) -> Callable[[], None]:
        def run() -> None:
            for column in columns:
                convert(type(column.type), column=column, registry=registry)

        return run

    def convert(function: Callable[..., Any]) -> Callable[[], None]:
        def run() -> None:
            for prop in props:
                function(prop, registry, None)

        return run

    def schema() -> None:
        make_schema(models)

    return [
        compare(
            f"type dispatch, {len(columns)} columns",
            dispatch(_upstream.convert_sqlalchemy_type),
            dispatch(convert_sqlalchemy_type),
            number=300,
            rounds=7,
        ),
        compare(
            f"convert_sqlalchemy_column, {len(columns)} columns",
            convert(_upstream.convert_sqlalchemy_column),
            convert(_core.convert_sqlalchemy_column),
            number=300,
            rounds=7,
        ),
        compare(
            f"schema of {MODELS} models, 16 columns and 4 relationships each",
            schema,
            schema,
            number=1,
            rounds=7,
        ),
    ]


if __name__ == "__main__":
    for name, stock, ours, ratio in rows():
        print(f"{name:60} {stock * 1e6:12.1f} us {ours * 1e6:12.1f} us {ratio:6.2f}")
