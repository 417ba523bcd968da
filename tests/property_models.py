"""Families of models for the property test: what they are like, and how one is built.

A family is described by a small number, so that hypothesis can draw it and a failing one can be
built again. `describe` says what the models of the family are like; `build` makes them and a schema
over them, once on the stock stack and once on ours. Both map the same tables.
"""

from __future__ import annotations

import datetime
import enum
import random
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import graphene
import graphene_sqlalchemy
from graphene import relay
from graphene.utils.str_converters import to_camel_case
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    String,
    Table,
    TypeDecorator,
    and_,
    func,
    select,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    column_property,
    deferred,
    foreign,
    relationship,
    remote,
)

import graphene_sqlalchemy_c

from .property_roots import root_fields

FAMILIES = 150


class Colour(enum.Enum):
    RED = 1
    DARK_BLUE = "blue"


class Shout(TypeDecorator):
    """Text in lower case in the database, in upper case in Python."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.lower()

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.upper()


class Shift(TypeDecorator):
    """A number that the database holds plus a thousand."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value + 1000

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value - 1000


def day(number: int) -> datetime.date:
    return datetime.date(2024, 1, number)


# What a column of a kind may hold, as Python sees it.
VALUES: dict[str, tuple[Any, ...]] = {
    "int": (0, 1, 2, 3, -1),
    "text": ("a", "b", "A", "", "ü"),
    "flag": (True, False),
    "ratio": (0.5, 1.0, -2.25),
    "amount": (1, 2, 3),
    "day": (day(1), day(2), day(3)),
    "moment": (datetime.datetime(2024, 1, 1, 12), datetime.datetime(2023, 5, 5)),
    "colour": tuple(Colour),
    "mood": ("calm", "wild"),
    "shout": ("A", "B", "C"),
    "shift": (0, 1, 2, 3),
}

# The n-th distinct value of a kind, for what must be unique.
UNIQUE: dict[str, Any] = {
    "int": lambda n: n + 1,
    "text": lambda n: "abcdefghij"[n],
    "shout": lambda n: "ABCDEFGHIJ"[n],
    "shift": lambda n: n + 1,
    "day": lambda n: day(n + 1),
}

KEY_KINDS = ("int", "int", "int", "text", "shift", "pair", "mixed", "day")
PLAIN_LINKS = ("children", "only_one", "only_many", "single", "tree", "marked")
CUSTOM_LINKS = ("chosen", "if_parent", "if_child_one", "at_most", "same_word", "any_word")
ASSOCIATED_LINKS = ("many", "doubled", "friends", "flagged")
LINK_KINDS = PLAIN_LINKS + CUSTOM_LINKS + ASSOCIATED_LINKS
LAZY = ("select",) * 12 + ("selectin", "joined", "subquery", "immediate", "raise", "dynamic")
# Of these some cannot be batched, and a relationship with lazy="raise" that cannot is an error.
MANY_AS_ONE = ("single", "any_word")
SELDOM_BATCHED = (*CUSTOM_LINKS, "flagged")


@dataclass(frozen=True)
class ColumnSpec:
    """A column: its attribute, the kind of its values, its name in the table and in the schema."""

    attribute: str
    kind: str
    column: str
    graphql: str
    nullable: bool = True
    deferred: bool = False
    unique: bool = False
    refers: tuple[int, int] | None = None
    """The model and the number of its key column (or -1: its mark) that a foreign key refers to."""


@dataclass(frozen=True)
class ModelSpec:
    """A model and its GraphQL type."""

    number: int
    keys: tuple[ColumnSpec, ...]
    columns: tuple[ColumnSpec, ...]
    computed: tuple[str, ...]
    is_node: bool
    hybrid: bool
    overridden: bool
    """Whether the type has a resolve_ method of its own, for `word`."""

    @property
    def name(self) -> str:
        return f"M{self.number}"

    @property
    def mark(self) -> ColumnSpec:
        return next(column for column in self.columns if column.attribute == "mark")


@dataclass(frozen=True)
class Link:
    """One relationship, or two that are each other's back_populates."""

    number: int
    kind: str
    parent: int
    child: int
    back: bool
    lazy: str
    back_lazy: str
    order: tuple[tuple[str, bool], ...]
    back_order: tuple[tuple[str, bool], ...]
    explicit: bool
    """Whether a plain link spells out its primaryjoin."""

    @property
    def name(self) -> str:
        return f"{self.kind}_{self.number}"


@dataclass(frozen=True)
class Relation:
    """One relationship attribute of a model."""

    owner: int
    name: str
    target: int
    many: bool
    writable: bool
    link: Link
    is_back: bool

    @property
    def graphql(self) -> str:
        return to_camel_case(self.name)


@dataclass(frozen=True)
class Family:
    number: int
    models: tuple[ModelSpec, ...]
    links: tuple[Link, ...]
    relations: tuple[Relation, ...] = field(default=())

    def of(self, model: int) -> list[Relation]:
        return [relation for relation in self.relations if relation.owner == model]


@cache
def describe(number: int) -> Family:
    """The family of a number; those of small numbers have few models and links."""
    rnd = random.Random(number)
    count = 2 if number < 12 else rnd.randint(2, 4)
    nodes = rnd.choice(("none", "all", "mixed"))
    models = [_describe_model(rnd, i, nodes) for i in range(count)]
    links = []
    for i in range(1 + number // 12 if number < 36 else rnd.randint(3, 7)):
        kind = LINK_KINDS[(number + i * 5) % len(LINK_KINDS)]
        links.append(_describe_link(rnd, i, kind, models))
    links = [_add_foreign_keys(rnd, link, models) for link in links]
    relations = [relation for link in links for relation in _relations(link)]
    return Family(number, tuple(models), tuple(links), tuple(relations))


def _describe_model(rnd: random.Random, number: int, nodes: str) -> ModelSpec:
    kind = rnd.choice(KEY_KINDS)
    is_node = nodes == "all" or (nodes == "mixed" and rnd.random() < 0.5)
    columns = []
    if kind == "pair":
        keys = [_key("first", "int", rnd), _key("second", "int", rnd)]
    elif kind == "mixed":
        keys = [_key("country", "text", rnd), _key("number", rnd.choice(("int", "shift")), rnd)]
    elif rnd.random() < 0.3:
        keys = [_key("code", kind, rnd)]
        if rnd.random() < 0.6:
            # Not the key, whatever its name says.
            columns.append(_column(rnd, "id", "int"))
    else:
        keys = [_key("id", kind, rnd)]
    columns += [_column(rnd, "n", "int"), _column(rnd, "word", rnd.choice(("text", "shout")))]
    mark = rnd.choice(("int", "text", "shout", "shift"))
    columns.append(replace(_column(rnd, "mark", mark), nullable=False, unique=True))
    for i in range(rnd.randint(0, 3)):
        columns.append(_column(rnd, f"extra_{i}", rnd.choice(sorted(VALUES))))
    computed = tuple(c for c in ("double", "late_double", "count") if rnd.random() < 0.25)
    return ModelSpec(
        number=number,
        keys=tuple(keys),
        columns=tuple(columns),
        computed=computed,
        is_node=is_node,
        hybrid=rnd.random() < 0.15,
        overridden=rnd.random() < 0.1,
    )


def _key(attribute: str, kind: str, rnd: random.Random) -> ColumnSpec:
    column = attribute if rnd.random() < 0.7 else f"pk_{attribute}"
    return ColumnSpec(attribute, kind, column, attribute, nullable=False)


def _column(rnd: random.Random, attribute: str, kind: str) -> ColumnSpec:
    return ColumnSpec(
        attribute,
        kind,
        column=attribute if rnd.random() < 0.8 else f"other_{attribute}",
        graphql=attribute if rnd.random() < 0.85 or attribute == "word" else f"shown_{attribute}",
        nullable=rnd.random() < 0.8,
        deferred=rnd.random() < 0.15,
    )


def _describe_link(rnd: random.Random, number: int, kind: str, models: list[ModelSpec]) -> Link:
    parent, child = rnd.randrange(len(models)), rnd.randrange(len(models))
    if kind in ("tree", "friends"):
        child = parent
    elif kind in ("only_many", "children") and parent == child:
        child = (parent + 1) % len(models)
    # SQLAlchemy cannot load by subquery from a deferred column ("Could not locate column in row").
    late = any(column.deferred for column in (*models[parent].columns, *models[child].columns))
    no = ("raise",) * (kind in SELDOM_BATCHED) + ("subquery",) * late
    # A child that the association holds twice comes twice by selectin on 2.1, once by a lazy load.
    no += ("selectin",) * (kind == "doubled")
    # To-one with several rows: joined, each of them repeats the parent, unless made unique.
    no += ("joined",) * (kind in MANY_AS_ONE)
    lazy = [each for each in LAZY if each not in no]
    return Link(
        number=number,
        kind=kind,
        parent=parent,
        child=child,
        back=rnd.random() < 0.6,
        lazy=rnd.choice(lazy),
        back_lazy=rnd.choice(lazy),
        order=_order(rnd, models[child]),
        back_order=_order(rnd, models[parent]),
        explicit=rnd.random() < 0.3,
    )


def _order(rnd: random.Random, model: ModelSpec) -> tuple[tuple[str, bool], ...]:
    """Attributes to order by and whether descending; always ends with the whole key."""
    chosen = [c.attribute for c in model.columns if c.refers is None and rnd.random() < 0.2]
    names = [*chosen[:2], *(key.attribute for key in model.keys)]
    return tuple((name, rnd.random() < 0.4) for name in names)


def _add_foreign_keys(rnd: random.Random, link: Link, models: list[ModelSpec]) -> Link:
    """Give the child the columns that a link needs; returns the link."""
    if link.kind in ASSOCIATED_LINKS or link.kind in ("at_most", "same_word", "any_word"):
        return link
    parent, child = models[link.parent], models[link.child]
    marked = link.kind == "marked"
    added = []
    for i, key in enumerate((parent.mark,) if marked else parent.keys):
        column = _column(rnd, f"fk_{link.number}_{i}", key.kind)
        refers = (link.parent, -1 if marked else i)
        added.append(replace(column, nullable=True, refers=refers))
    models[link.child] = replace(child, columns=child.columns + tuple(added))
    if any(column.deferred for column in added) and "subquery" in (link.lazy, link.back_lazy):
        return replace(link, lazy="selectin", back_lazy="selectin")
    return link


def _relations(link: Link) -> list[Relation]:
    writable = link.kind in (*PLAIN_LINKS, "many", "friends")
    forth = Relation(link.parent, link.name, link.child, True, writable, link, False)
    back = Relation(link.child, f"{link.name}_back", link.parent, False, writable, link, True)
    if link.kind in ("only_one", "if_child_one"):
        return [back]
    if link.kind in MANY_AS_ONE:
        forth = replace(forth, many=False)
    if link.kind in ASSOCIATED_LINKS:
        back = replace(back, many=True)
    if link.kind in ("only_many", "at_most", "same_word", "any_word") or not link.back:
        return [forth]
    return [forth, back]


@dataclass
class World:
    """The models and the schema of a family, on the stock stack or on ours."""

    family: Family
    stack: str
    models: list[Any]
    tables: dict[str, Table]
    """The association tables, by the names of their links."""
    metadata: Any
    types: list[Any] = field(default_factory=list)
    schema: Any = None

    def spec_of(self, cls: Any) -> ModelSpec:
        return self.family.models[self.models.index(cls)]

    def pk(self, model: int) -> list[Any]:
        cls = self.models[model]
        return [getattr(cls, key.attribute) for key in self.family.models[model].keys]


def build(family: Family, stack: str) -> World:
    """Make the models and the schema of a family.

    :param stack: "stock", or "ours" for this package's types and executor.
    """
    base: Any = type("Base", (DeclarativeBase,), {})
    # One type object for all columns: graphene-sqlalchemy makes a GraphQL type for each.
    enums = {
        "colour": Enum(Colour, native_enum=False, length=20),
        "mood": Enum("calm", "wild", name="mood", native_enum=False, length=20),
    }
    world = World(family, stack, [], {}, base.metadata)
    for spec in family.models:
        world.models.append(_make_model(base, family, spec, enums))
    for link in family.links:
        _add_relationships(world, link)
    for spec in family.models:
        _add_count(world, spec)
    base.registry.configure()
    _make_schema(world)
    return world


def table_name(family: Family, model: int) -> str:
    return f"f{family.number}_m{model}"


def _sql_type(kind: str, enums: dict[str, Any]) -> Any:
    if kind in enums:
        return enums[kind]
    return {
        "int": Integer,
        "text": String(20),
        "flag": Boolean,
        "ratio": Float,
        "amount": Numeric(8, 2, asdecimal=False),
        "day": Date,
        "moment": DateTime,
        "shout": Shout,
        "shift": Shift,
    }[kind]


def _make_model(base: Any, family: Family, spec: ModelSpec, enums: dict[str, Any]) -> Any:
    attributes: dict[str, Any] = {"__tablename__": table_name(family, spec.number)}
    for key in spec.keys:
        attributes[key.attribute] = Column(
            key.column, _sql_type(key.kind, enums), primary_key=True, autoincrement=False
        )
    for column in spec.columns:
        made: Any = Column(
            column.column,
            _sql_type(column.kind, enums),
            nullable=column.nullable,
            unique=column.unique,
        )
        attributes[column.attribute] = deferred(made) if column.deferred else made
    numbered = attributes["n"]
    numbered = getattr(numbered, "columns", [numbered])[0]
    if "double" in spec.computed:
        attributes["double"] = column_property(numbered * 2)
    if "late_double" in spec.computed:
        attributes["late_double"] = column_property(numbered * 2 + 1, deferred=True)
    if spec.hybrid:

        def next_n(self: Any) -> Any:
            return None if self.n is None else self.n + 1

        next_n.__annotations__ = {"return": int}
        attributes["next_n"] = hybrid_property(next_n)
    attributes["__table_args__"] = tuple(_constraints(family, spec))
    return type(spec.name, (base,), attributes)


def _constraints(family: Family, spec: ModelSpec) -> list[Any]:
    """Composite foreign keys as one constraint each, with an index: pages may come along by it."""
    grouped: dict[str, list[ColumnSpec]] = {}
    for column in spec.columns:
        if column.refers is not None:
            grouped.setdefault(column.attribute.rsplit("_", 1)[0], []).append(column)
    made: list[Any] = []
    for columns in grouped.values():
        targets = []
        for column in columns:
            assert column.refers is not None
            model, number = column.refers
            target = family.models[model]
            name = (target.mark if number == -1 else target.keys[number]).column
            targets.append(f"{table_name(family, model)}.{name}")
        names = [column.column for column in columns]
        made += [ForeignKeyConstraint(names, targets), Index(None, *names)]
    return made


def _ordered(model: Any, order: tuple[tuple[str, bool], ...]) -> list[Any]:
    columns = [(getattr(model, name), descending) for name, descending in order]
    return [column.desc() if descending else column.asc() for column, descending in columns]


def _add_relationships(world: World, link: Link) -> None:
    parent, child = world.models[link.parent], world.models[link.child]
    if link.kind in ASSOCIATED_LINKS:
        forth, back = _associated(world, link)
    else:
        forth, back = _joined(world, link)
    for relation in _relations(link):
        owner, target = (child, parent) if relation.is_back else (parent, child)
        options = dict(back if relation.is_back else forth)
        lazy = link.back_lazy if relation.is_back else link.lazy
        if lazy == "raise" and world.stack == "stock":
            # Ours loads such a relationship: a batch is an explicit load.
            lazy = "select"
        if lazy == "dynamic" and not relation.many:
            lazy = "select"
        options["lazy"] = lazy
        if relation.many or link.kind in MANY_AS_ONE:
            order = link.back_order if relation.is_back else link.order
            if not (relation.is_back and not relation.many):
                options["order_by"] = [*options.pop("first_order", ()), *_ordered(target, order)]
        options.pop("first_order", None)
        options["uselist"] = relation.many
        if not relation.writable:
            options["viewonly"] = True
        elif len(_relations(link)) == 2:
            names = link.name, f"{link.name}_back"
            options["back_populates"] = names[0] if relation.is_back else names[1]
        setattr(owner, relation.name, relationship(target, **options))


def _joined(world: World, link: Link) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the relationships of a link without an association table, forth and back."""
    parent, child = world.models[link.parent], world.models[link.child]
    if link.kind == "at_most":
        return {"primaryjoin": parent.n >= foreign(remote(child.n))}, {}
    if link.kind in ("same_word", "any_word"):
        join = parent.word == foreign(remote(child.word))
        return {"primaryjoin": join}, {}
    own = world.family.models[link.parent]
    keys = [own.mark] if link.kind == "marked" else own.keys
    pairs = [
        (getattr(parent, key.attribute), getattr(child, f"fk_{link.number}_{i}"))
        for i, key in enumerate(keys)
    ]
    if link.kind in CUSTOM_LINKS or link.explicit:
        forth = [key == foreign(remote(fk)) for key, fk in pairs]
        back = [remote(key) == foreign(fk) for key, fk in pairs]
        if link.kind == "chosen":
            forth.append(remote(child.n) >= 1)
            back.append(child.n >= 1)
        elif link.kind == "if_parent":
            forth.append(parent.n >= 1)
            back.append(remote(parent.n) >= 1)
        elif link.kind == "if_child_one":
            back.append(child.n >= 1)
        return {"primaryjoin": and_(*forth)}, {"primaryjoin": and_(*back)}
    foreign_keys = [fk for _, fk in pairs]
    options = {"foreign_keys": foreign_keys}
    if link.parent == link.child:
        remote_side = [key for key, _ in pairs]
        return {**options, "remote_side": foreign_keys}, {**options, "remote_side": remote_side}
    return options, dict(options)


def _associated(world: World, link: Link) -> tuple[dict[str, Any], dict[str, Any]]:
    family = world.family
    sides: list[list[Column[Any]]] = []
    constraints = []
    for side, number in (("left", link.parent), ("right", link.child)):
        keys = family.models[number].keys
        columns = [
            Column(f"{side}_{i}", _sql_type(key.kind, {}), primary_key=link.kind != "doubled")
            for i, key in enumerate(keys)
        ]
        names = [f"{table_name(family, number)}.{key.column}" for key in keys]
        constraints.append(ForeignKeyConstraint([column.name for column in columns], names))
        sides.append(columns)
    surrogate = [Column("id", Integer, primary_key=True)] if link.kind == "doubled" else []
    table = Table(
        f"f{family.number}_{link.name}",
        world.metadata,
        *surrogate,
        *sides[0],
        *sides[1],
        Column("place", Integer),
        *constraints,
    )
    world.tables[link.name] = table
    left = [key == column for key, column in zip(world.pk(link.parent), sides[0], strict=True)]
    right = [key == column for key, column in zip(world.pk(link.child), sides[1], strict=True)]
    flagged = [table.c.place >= 1] if link.kind == "flagged" else []
    forth = {"primaryjoin": and_(*left, *flagged), "secondaryjoin": and_(*right)}
    back = {"primaryjoin": and_(*right, *flagged), "secondaryjoin": and_(*left)}
    if link.kind == "flagged" and link.explicit:
        forth = {"primaryjoin": and_(*left), "secondaryjoin": and_(*right, *flagged)}
        forth["first_order"] = [table.c.place]
    return {"secondary": table, **forth}, {"secondary": table, **back}


def _add_count(world: World, spec: ModelSpec) -> None:
    """A column_property with a subquery that is correlated with the model's row."""
    if "count" not in spec.computed:
        return
    model = world.models[spec.number]
    other = world.models[(spec.number + 1) % len(world.models)].__table__.alias()
    name = world.family.models[(spec.number + 1) % len(world.models)]
    column = next(c.column for c in name.columns if c.attribute == "n")
    counted = select(func.count()).select_from(other).where(other.c[column] == model.n)
    model.count = column_property(counted.correlate(model.__table__).scalar_subquery())


def _make_schema(world: World) -> None:
    ours = world.stack == "ours"
    package = graphene_sqlalchemy_c if ours else graphene_sqlalchemy
    registry = Registry()
    for spec in world.family.models:
        world.types.append(_make_type(world, spec, package, registry))
    query = type("Query", (graphene.ObjectType,), root_fields(world))
    schema_class = graphene_sqlalchemy_c.Schema if ours else graphene.Schema
    world.schema = schema_class(query=query, types=world.types)


def _make_type(world: World, spec: ModelSpec, package: Any, registry: Any) -> Any:
    meta: dict[str, Any] = {
        "model": world.models[spec.number],
        "registry": registry,
        "create_filters": False,
    }
    if spec.is_node:
        meta["interfaces"] = (relay.Node,)
    attributes: dict[str, Any] = {}
    hidden = []
    for column in (*spec.keys, *spec.columns):
        options: dict[str, Any] = {}
        if column.kind in ("shout", "shift") or (column in spec.keys and column.kind != "int"):
            options["type_"] = graphene.String
        if column.graphql != column.attribute:
            options["model_attr"] = column.attribute
            hidden.append(column.attribute)
        if options:
            attributes[column.graphql] = graphene_sqlalchemy_c.ORMField(**options)
    for name in ("double", "late_double", "count"):
        if name in spec.computed:
            attributes[name] = graphene_sqlalchemy_c.ORMField(type_=graphene.Int)
    if spec.overridden:
        attributes["resolve_word"] = lambda root, info: f"{root.word} of {type(root).__name__}"
    if hidden:
        meta["exclude_fields"] = tuple(hidden)
    attributes["Meta"] = type("Meta", (), meta)
    return type(spec.name, (package.SQLAlchemyObjectType,), attributes)


def leaves(spec: ModelSpec) -> list[str]:
    """The names of the scalar fields of a type."""
    names = [column.graphql for column in (*spec.keys, *spec.columns)]
    names += list(spec.computed) + (["next_n"] if spec.hybrid else [])
    if spec.is_node:
        names.append("id")
    return list(dict.fromkeys(map(to_camel_case, names)))
