"""Random class hierarchies, rows and queries for the property of inheritance.

A family is made of its number: two stacks map the same tables, stock's with
`with_polymorphic: "*"`, ours without. Upstream takes the first type that fits, so the types of the
most special classes come first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import graphene
import graphene_sqlalchemy
from graphene_sqlalchemy.registry import Registry
from hypothesis import strategies as st
from sqlalchemy import Column, ForeignKey, Integer, String
from sqlalchemy.ext.declarative import AbstractConcreteBase
from sqlalchemy.orm import configure_mappers, declarative_base, relationship

import graphene_sqlalchemy_c

from .inheritance_zoo import make_schema, make_type, root

FAMILIES = 24
KINDS = ("joined", "single", "abstract", "concrete")


@dataclass(frozen=True)
class Kind:
    """A class below the base."""

    name: str
    parent: int | None
    """Its base, by its number among the classes; None for the common one."""
    mapping: str
    """One of KINDS."""
    columns: tuple[str, ...]
    has_label: bool
    has_kids: bool
    has_type: bool


@dataclass(frozen=True)
class Family:
    """A hierarchy; concrete ones are flat."""

    number: int
    kinds: tuple[Kind, ...]
    is_concrete: bool
    by_number: bool
    """Whether the discriminator is a number."""

    def lineage(self, index: int) -> list[int]:
        """A class and its bases."""
        found = [index]
        while (parent := self.kinds[found[-1]].parent) is not None:
            found.append(parent)
        return found

    def fields(self, index: int) -> list[str]:
        """The columns that a class has of its own and of its bases."""
        return sorted({name for each in self.lineage(index) for name in self.kinds[each].columns})

    def links(self, index: int) -> list[str]:
        """The relationships, of its own and of its bases."""
        kinds = [self.kinds[each] for each in self.lineage(index)]
        return [
            *(["label"] if any(kind.has_label for kind in kinds) else []),
            *(["kids"] if any(kind.has_kids for kind in kinds) else []),
        ]


@cache
def describe(number: int) -> Family:
    random = Random(number)
    is_concrete = number % 6 == 5
    kinds: list[Kind] = []
    for i in range(random.randint(2, 5)):
        bases = [None, *range(i)] if not is_concrete else [None]
        parent = random.choice(bases)
        mapping = "concrete" if is_concrete else random.choice(KINDS[:3] + KINDS[:2])
        above = set()
        step = parent
        while step is not None:
            above |= set(kinds[step].columns)
            above |= {"label"} if kinds[step].has_label else set()
            above |= {"kids"} if kinds[step].has_kids else set()
            step = kinds[step].parent
        names = [name for name in ("size", "weight", "age") if name not in above]
        kinds.append(
            Kind(
                name=f"K{i}",
                parent=parent,
                mapping=mapping,
                columns=tuple(random.sample(names, random.randint(0, len(names)))),
                has_label="label" not in above and random.random() < 0.4,
                has_kids="kids" not in above and mapping != "abstract" and random.random() < 0.4,
                has_type=mapping != "abstract" and (i == 0 or random.random() < 0.85),
            )
        )
    if not any(kind.has_type for kind in kinds):
        kinds.append(Kind("K9", None, KINDS[3 if is_concrete else 0], ("size",), True, True, True))
    return Family(number, tuple(kinds), is_concrete, random.random() < 0.3)


# -- models and schema --


@dataclass
class World:
    """The models of a family in one stack, and their schema."""

    family: Family
    base: Any
    thing: Any
    label: Any
    classes: list[Any] = field(default_factory=list)
    kids: dict[int, Any] = field(default_factory=dict)
    schema: Any = None


@cache
def build(number: int, stack: str) -> World:
    """:param stack: "stock" or "own"."""
    family = describe(number)
    base: Any = declarative_base()
    label: Any = type(
        "Label",
        (base,),
        {
            "__tablename__": f"ip{number}_labels",
            "id": Column(Integer, primary_key=True),
            "text": Column(String(10)),
        },
    )
    thing = _thing(family, base, stack)
    world = World(family, base, thing, label)
    for index in range(len(family.kinds)):
        world.classes.append(_class(world, index))
    for index, kind in enumerate(family.kinds):
        if kind.has_kids:
            _add_kids(world, index)
    configure_mappers()
    world.schema = _schema(world, stack)
    return world


def _thing(family: Family, base: Any, stack: str) -> Any:
    key = {"id": Column(Integer, primary_key=True), "mark": Column(Integer)}
    if family.is_concrete:
        own = {"strict_attrs": True, "_concrete_discriminator_name": "kind", **key}
        return type("Thing", (AbstractConcreteBase, base), own)
    table = f"ip{family.number}_things"
    arguments = {"polymorphic_on": "kind"}
    if stack == "stock":
        arguments["with_polymorphic"] = "*"
    thing: Any = type(
        "Thing",
        (base,),
        {
            "__tablename__": table,
            **key,
            "kind": Column(Integer if family.by_number else String(10)),
            "parent_id": Column(ForeignKey(f"{table}.id")),
            "__mapper_args__": arguments,
        },
    )
    thing.parent = relationship(thing, remote_side=thing.id, foreign_keys=thing.parent_id)
    thing.young = relationship(
        thing, foreign_keys=thing.parent_id, viewonly=True, order_by=thing.id
    )
    return thing


def _class(world: World, index: int) -> Any:
    family, kind = world.family, world.family.kinds[index]
    parent = world.thing if kind.parent is None else world.classes[kind.parent]
    name = f"ip{family.number}_{kind.name}"
    own: dict[str, Any] = {
        # Of several classes in one table, each has columns of its own.
        column: Column(f"{kind.name}_{column}", Integer)
        for column in kind.columns
    }
    if kind.has_label:
        own["label_id"] = Column(f"{kind.name}_label_id", ForeignKey(world.label.id))
        own["label"] = relationship(world.label, foreign_keys=own["label_id"])
    arguments: dict[str, Any] = {"polymorphic_identity": index if family.by_number else kind.name}
    if kind.mapping == "abstract":
        arguments = {"polymorphic_abstract": True}
    elif kind.mapping == "joined":
        own["__tablename__"] = name
        own["id"] = Column(ForeignKey(_key(parent)), primary_key=True)
    elif kind.mapping == "concrete":
        arguments["concrete"] = True
        own |= {"__tablename__": name}
    return type(kind.name, (parent,), {**own, "__mapper_args__": arguments})


def _key(cls: Any) -> Any:
    """The primary key of a class's own table, or of the one that it shares."""
    (column,) = cls.__table__.primary_key
    return column


def _add_kids(world: World, index: int) -> None:
    cls, name = world.classes[index], world.family.kinds[index].name
    kid: Any = type(
        f"Kid{name}",
        (world.base,),
        {
            "__tablename__": f"ip{world.family.number}_kids_{name}",
            "id": Column(Integer, primary_key=True),
            "n": Column(Integer),
            "owner_id": Column(ForeignKey(_key(cls))),
        },
    )
    world.kids[index] = kid
    cls.kids = relationship(kid, order_by=kid.id)


def _schema(world: World, stack: str) -> Any:
    package: Any = graphene_sqlalchemy if stack == "stock" else graphene_sqlalchemy_c
    registry = Registry()
    objects = package.SQLAlchemyObjectType
    left = {"exclude_fields": ("kind",)}
    for model in (world.label, *world.kids.values()):
        make_type(registry, model.__name__, objects, model)
    thing = make_type(registry, "Thing", package.SQLAlchemyInterface, world.thing, **left)
    order = sorted(range(len(world.classes)), key=lambda i: -len(world.family.lineage(i)))
    types = [
        make_type(registry, kind.name, objects, world.classes[index], interfaces=(thing,), **left)
        for index in order
        if (kind := world.family.kinds[index]).has_type
    ]
    roots = {"things": {"field": graphene.List(thing), "model": world.thing}}
    one = root(world.thing, thing)
    return make_schema(stack, {**roots, "certain": one}, types)


# -- examples --


@dataclass(frozen=True)
class Row:
    """An object: its class, its values by attribute, its links."""

    kind: int
    mark: int | None
    values: tuple[int | None, ...]
    parent: int | None
    label: int | None
    kids: int


@dataclass(frozen=True)
class Example:
    """What is asked of a family."""

    family: int
    rows: tuple[Row, ...]
    query: str
    form: str
    restriction: str | None
    as_json: bool


small = st.none() | st.integers(0, 3)


@st.composite
def rows_of(draw: Any, family: Family) -> tuple[Row, ...]:
    whole = [i for i, kind in enumerate(family.kinds) if kind.mapping != "abstract"]
    found = []
    for _ in range(draw(st.integers(0, 8))):
        found.append(
            Row(
                draw(st.sampled_from(whole)),
                draw(small),
                tuple(draw(small) for _ in range(3)),
                draw(st.none() | st.integers(1, len(found))) if found else None,
                draw(st.none() | st.integers(1, 2)),
                draw(st.integers(0, 2)),
            )
        )
    return tuple(found)


@st.composite
def selection(draw: Any, family: Family, depth: int = 2) -> str:
    """What is selected of things."""
    shared = ["__typename", "id", "mark", "m: mark"]
    parts = draw(st.lists(st.sampled_from(shared), max_size=3))
    if not family.is_concrete and depth and draw(st.booleans()):
        link = draw(st.sampled_from(["parent", "young"]))
        parts.append(f"{link} {{ {draw(selection(family, depth - 1))} }}")
    typed = [i for i, kind in enumerate(family.kinds) if kind.has_type]
    for index in draw(st.lists(st.sampled_from(typed), max_size=3)):
        own = draw(st.lists(st.sampled_from([*family.fields(index), "mark"]), max_size=3))
        for link in family.links(index):
            if draw(st.booleans()):
                own.append("label { text }" if link == "label" else "kids { n }")
        if not family.is_concrete and depth and draw(st.integers(0, 3)) == 0:
            own.append(f"young {{ {draw(selection(family, depth - 1))} }}")
        if own:
            parts.append(f"... on {family.kinds[index].name} {{ {' '.join(own)} }}")
    return " ".join(parts) or "__typename"


@st.composite
def examples(draw: Any) -> Example:
    number = draw(st.integers(0, FAMILIES - 1))
    family = describe(number)
    field = draw(st.sampled_from(["things", "certain"]))
    return Example(
        family=number,
        rows=draw(rows_of(family)),
        query=f"{{ {field} {{ {draw(selection(family))} }} }}",
        form=draw(st.sampled_from(["select", "query", "instances"])),
        restriction=draw(st.sampled_from([None, None, "where", "limit", "criteria", "reverse"])),
        as_json=draw(st.booleans()),
    )


def objects_of(world: World, example: Example) -> list[Any]:
    """The objects of an example, with their links."""
    found: list[Any] = []
    labels = [world.label(id=i, text=f"label {i}") for i in (1, 2)]
    for number, row in enumerate(example.rows, 1):
        values: dict[str, Any] = {"id": number, "mark": row.mark}
        names = world.family.fields(row.kind)
        values |= dict(zip(names, row.values, strict=False))
        if "label" in world.family.links(row.kind):
            values["label_id"] = row.label
        if not world.family.is_concrete:
            values["parent_id"] = row.parent
        each = world.classes[row.kind](**values)
        if "kids" in world.family.links(row.kind):
            owner = next(i for i in world.family.lineage(row.kind) if i in world.kids)
            each.kids = [world.kids[owner](n=10 * number + i) for i in range(row.kids)]
        found.append(each)
    return [*labels, *found]
