"""Root fields of the property test's schemas, and what their resolvers return.

A root resolver reads from the context what it is to do: a `RootPlan` for each model, and instances
that the session holds already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import graphene
import graphene_sqlalchemy
from graphene import relay
from sqlalchemy import ScalarResult, and_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import (
    defaultload,
    defer,
    immediateload,
    joinedload,
    lazyload,
    load_only,
    raiseload,
    selectinload,
    subqueryload,
    undefer,
    with_loader_criteria,
)

LOADS = {
    "selectin": selectinload,
    "joined": joinedload,
    "subquery": subqueryload,
    "immediate": immediateload,
    "lazy": lazyload,
    "raise": raiseload,
    "default": defaultload,
}
WITH_CRITERIA = ("selectin", "joined", "subquery", "immediate", "lazy")


@dataclass(frozen=True)
class RootPlan:
    """How the rows of a model are asked for at the root."""

    form: str = "list"
    """What our resolvers return: "list", "query" or "select". Stock's return instances."""
    minimum: int | None = None
    """Only rows whose `n` is not less."""
    limit: int | None = None
    offset: int | None = None
    descending: bool = False
    options: tuple[Any, ...] = ()


def make_option(world: Any, model: int, spec: tuple[Any, ...]) -> Any:
    """A loader option of a statement over a model, from its description."""
    kind, *rest = spec
    cls = world.models[model]
    if kind == "criteria":
        target, minimum, aliases = rest
        target = world.models[target]
        return with_loader_criteria(target, target.n >= minimum, include_aliases=aliases)
    if kind == "load_only":
        columns = [getattr(cls, name) for name in rest[0]]
        return load_only(*columns, raiseload=rest[1])
    if kind in ("defer", "undefer"):
        column = getattr(cls, rest[0])
        return defer(column, raiseload=rest[1]) if kind == "defer" else undefer(column)
    if kind == "raise_all":
        return raiseload("*")
    return _load(world, kind, cls, *rest)


def _load(world: Any, kind: str, cls: Any, name: str, target: int, minimum: Any, below: Any) -> Any:
    """A relationship option: its criteria, and an option of the level below or None."""
    attribute = getattr(cls, name)
    if minimum is not None:
        attribute = attribute.and_(world.models[target].n >= minimum)
    option = LOADS[kind](attribute)
    if below is not None:
        option = option.options(make_option(world, target, below))
    return option


def statement(world: Any, model: int, plan: RootPlan, query: Any = None) -> Any:
    """The SELECT of a root field; a legacy Query of a session when one is handed in."""
    cls = world.models[model]
    made = select(cls) if query is None else query
    if plan.minimum is not None:
        made = made.where(cls.n >= plan.minimum)
    keys = world.pk(model)
    made = made.order_by(*(key.desc() if plan.descending else key for key in keys))
    made = made.options(*(make_option(world, model, spec) for spec in plan.options))
    if plan.limit is not None:
        made = made.limit(plan.limit)
    return made if plan.offset is None else made.offset(plan.offset)


def _rows(world: Any, model: int, info: Any, stock_runs_queries: bool = False) -> Any:
    plan = info.context["plans"][model]
    session = info.context["session"]
    unrun = world.stack == "ours"
    if isinstance(session, AsyncSession):
        made = statement(world, model, plan)
        if unrun and plan.form != "list":
            return made

        return _later(info, session, made, ScalarResult.all)
    if plan.form == "query":
        query = statement(world, model, plan, session.query(world.models[model]))
        return query if unrun or stock_runs_queries else query.all()
    made = statement(world, model, plan)
    if unrun and plan.form == "select":
        return made
    return session.scalars(made).unique().all()


async def _later(info: Any, session: AsyncSession, made: Any, take: Callable[[Any], Any]) -> Any:
    """What is taken of a statement's rows; root fields take turns, for they share one session."""
    async with info.context["turn"]:
        return take((await session.scalars(made)).unique())


def _one(world: Any, model: int, info: Any) -> Any:
    """The row of a key; only the options of the plan count."""
    plan = info.context["plans"][model]
    session = info.context["session"]
    cls = world.models[model]
    keys = zip(world.pk(model), info.context["wanted"][model], strict=True)
    criterion = and_(*(column == value for column, value in keys))
    options = [make_option(world, model, spec) for spec in plan.options]
    made = select(cls).where(criterion).options(*options)
    unrun = world.stack == "ours"
    if isinstance(session, AsyncSession):
        if unrun and plan.form != "list":
            return made
        return _later(info, session, made, ScalarResult.one_or_none)
    if plan.form == "query":
        query = session.query(cls).where(criterion).options(*options)
        return query if unrun else query.one_or_none()
    if unrun and plan.form == "select":
        return made
    return session.scalars(made).unique().one_or_none()


def root_fields(world: Any) -> dict[str, Any]:
    """The attributes of the Query type."""
    fields: dict[str, Any] = {"node": relay.Node.Field()}
    for spec in world.family.models:
        fields.update(_model_fields(world, spec))
    return fields


def _model_fields(world: Any, spec: Any) -> Iterator[tuple[str, Any]]:
    number, type_ = spec.number, world.types[spec.number]
    name = spec.name.lower()
    yield f"{name}_list", graphene.List(type_)
    yield f"resolve_{name}_list", lambda root, info: _rows(world, number, info)
    yield f"{name}_one", graphene.Field(type_)
    yield f"resolve_{name}_one", lambda root, info: _one(world, number, info)
    yield f"{name}_given", graphene.List(type_)
    yield f"resolve_{name}_given", lambda root, info: info.context["given"][number]
    if not spec.is_node:
        return
    connection_field = graphene_sqlalchemy.SQLAlchemyConnectionField
    yield f"{name}_page", connection_field(type_.connection)
    yield f"{name}_chosen", connection_field(type_.connection, sort=None)
    yield (
        f"resolve_{name}_chosen",
        lambda root, info, **args: _rows(world, number, info, stock_runs_queries=True),
    )
