"""Examples for the property test: rows, a session with a past, and a query over a family."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from hypothesis import assume
from hypothesis import strategies as st

from .property_models import (
    ASSOCIATED_LINKS,
    FAMILIES,
    MANY_AS_ONE,
    UNIQUE,
    VALUES,
    ColumnSpec,
    Family,
    ModelSpec,
    Relation,
    describe,
    leaves,
)
from .property_roots import LOADS, WITH_CRITERIA, RootPlan

MAX_ROWS = 6
_NUMBERS = [st.integers(0, top) for top in range(200)]
CURSORS = (
    *(base64.b64encode(f"arrayconnection:{n}".encode()).decode() for n in (0, 1, 2, 3, 4, 99, -1)),
    base64.b64encode(b"arrayconnection: 1 ").decode(),
    base64.b64encode(b"arrayconnection:1_0").decode(),
    base64.b64encode(b"arrayconnection:x").decode(),
    base64.b64encode(b"otherconnection:1").decode(),
    base64.b64encode("arrayconnection:٢".encode()).decode(),
    "",
    "?",
    "YQ",
)
STEPS = (
    "load",
    "read",
    "set",
    "refer",
    "new",
    "point",
    "append",
    "remove",
    "expire",
    "expire_all",
    "delete",
    "committed",
    "flush",
    "expunge",
    "transient",
    "expire_some",
)
COUNTS = (2, 1, 3, 2, 1, 3, 1, 2, 100, 0, -1)


@dataclass
class Example:
    """One example; everything is a plain value, so that its repr makes it again."""

    family: int
    rows: list[list[dict[str, Any]]]
    """For each model its rows, by attribute."""
    associations: dict[str, list[dict[str, Any]]]
    """For each association table its rows, by column."""
    autoflush: bool
    steps: list[tuple[Any, ...]]
    """What the session has been through before the request; see property_sessions."""
    given: list[list[tuple[int, int]]]
    """For each model the instances of the session that its `given` field shows."""
    plans: list[RootPlan]
    wanted: list[tuple[Any, ...]]
    """For each model the key that its `one` field asks for."""
    query: str
    variables: dict[str, Any] = field(default_factory=dict)
    as_json: bool = False
    """Whether ours answers by execute_json."""


@dataclass(frozen=True)
class Leave:
    """What the examples of a test leave out."""

    nodes: bool = False
    """The field `node`, whose ids of a wrong type abort the transaction of a server."""
    lazy_io: bool = False
    """Dynamic relationships and fields in Python, which load by themselves: not with asyncio."""


class Drawer:
    """Draws small numbers and choices."""

    def __init__(self, draw: Any, family: Family, leave: Leave) -> None:
        self._draw = draw
        self.family = family
        self.leave = leave

    def number(self, below: int) -> int:
        """A number from 0 on, less than `below`; 0 is what hypothesis shrinks to."""
        return int(self._draw(_NUMBERS[below - 1]))

    def one_in(self, count: int) -> bool:
        return self.number(count) == count - 1

    def choice(self, options: Any) -> Any:
        return options[self.number(len(options))]


@st.composite
def examples(draw: Any, families: int = FAMILIES, leave: Leave = Leave()) -> Example:
    """Examples over the first so many families."""
    family = describe(draw(_NUMBERS[families - 1]))
    drawer = Drawer(draw, family, leave)
    rows = _draw_rows(drawer)
    steps, given = _draw_steps(drawer, rows)
    plans = [_draw_plan(drawer, model) for model in family.models]
    wanted = [_key_of(drawer, model, rows[model.number]) for model in family.models]
    query = QueryDrawer(drawer, plans, {step[1] for step in steps if step[0] == "committed"})
    text = query.draw_query()
    if any(option[0] == "criteria" for plan in plans for option in plan.options):
        # The query of a dynamic relationship carries no options: only what a session holds has
        # those it came with, and rows put nothing there.
        dynamic = (each.graphql for each in family.relations if _lazy(each) == "dynamic")
        assume(not any(name in text for name in dynamic))
    if query.is_alone:
        # Instances that the session holds have no options: not those of the root statement, and
        # stock shows a many-to-one target that is there though criteria hide it.
        steps, given = [], [[] for _ in family.models]
    return Example(
        family=family.number,
        rows=rows,
        associations=_draw_associations(drawer, rows),
        autoflush=not drawer.one_in(3),
        steps=steps,
        given=given,
        plans=plans,
        wanted=wanted,
        query=text,
        variables=query.values,
        as_json=drawer.one_in(4),
    )


# -- rows --


def key_values(model: ModelSpec, row: int) -> dict[str, Any]:
    """The key of the n-th row of a model, by attribute."""
    if len(model.keys) == 1:
        (key,) = model.keys
        return {key.attribute: UNIQUE[key.kind](row)}
    first, second = model.keys
    return {
        first.attribute: UNIQUE[first.kind](row // 2),
        second.attribute: UNIQUE[second.kind](row % 2),
    }


def mark_value(model: ModelSpec, row: int) -> Any:
    return UNIQUE[model.mark.kind](row)


def reference(family: Family, column: ColumnSpec, row: int) -> Any:
    """What a foreign key column holds that refers to the n-th row of its target."""
    assert column.refers is not None
    number, key = column.refers
    model = family.models[number]
    if key == -1:
        return mark_value(model, row)
    return key_values(model, row)[model.keys[key].attribute]


def _draw_rows(drawer: Drawer) -> list[list[dict[str, Any]]]:
    family = drawer.family
    sizes = [drawer.choice((2, 3, 4, 5, MAX_ROWS, 4, 5, 3, 1, 0)) for _ in family.models]
    return [
        [_draw_row(drawer, model, i, sizes) for i in range(sizes[model.number])]
        for model in family.models
    ]


def _draw_row(drawer: Drawer, model: ModelSpec, i: int, sizes: list[int]) -> dict[str, Any]:
    row = key_values(model, i)
    targets: dict[str, int] = {}
    for column in model.columns:
        if column.refers is not None:
            group = column.attribute.rsplit("_", 1)[0]
            if group not in targets:
                targets[group] = _draw_target(drawer, sizes[column.refers[0]])
            target = targets[group]
            null = target == sizes[column.refers[0]] + 1
            if group.endswith("_1") and not null and drawer.one_in(8):
                null = True
            row[column.attribute] = None if null else reference(drawer.family, column, target)
        elif column.unique:
            row[column.attribute] = mark_value(model, i)
        else:
            row[column.attribute] = draw_value(drawer, column)
    return row


def _draw_target(drawer: Drawer, size: int) -> int:
    """The row that a foreign key refers to; `size` for one that there is not, one more for NULL.

    Few rows are referred to, so that many have several children.
    """
    return drawer.number(min(size, 2)) if size and not drawer.one_in(3) else drawer.number(size + 2)


def draw_value(drawer: Drawer, column: ColumnSpec) -> Any:
    values = VALUES[column.kind]
    chosen = drawer.number(len(values) + column.nullable)
    return None if chosen == len(values) else values[chosen]


def _draw_associations(
    drawer: Drawer, rows: list[list[dict[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    made: dict[str, list[dict[str, Any]]] = {}
    for link in drawer.family.links:
        if link.kind not in ASSOCIATED_LINKS:
            continue
        sides = (("left", link.parent), ("right", link.child))
        sizes = [len(rows[number]) for _, number in sides]
        found: dict[Any, dict[str, Any]] = {}
        for i in range(drawer.number(9) if all(sizes) else 0):
            pair = [drawer.number(sizes[0] if drawer.one_in(3) else 1), drawer.number(sizes[1])]
            row: dict[str, Any] = {"place": (0, 1, 2, None)[drawer.number(4)]}
            for (side, number), chosen in zip(sides, pair, strict=True):
                values = key_values(drawer.family.models[number], chosen).values()
                row.update((f"{side}_{j}", value) for j, value in enumerate(values))
            if link.kind == "doubled":
                row["id"] = i + 1
            found[i if link.kind == "doubled" else tuple(pair)] = row
        made[link.name] = list(found.values())
    return made


def _key_of(drawer: Drawer, model: ModelSpec, rows: list[Any]) -> tuple[Any, ...]:
    top = len(rows) if rows and not drawer.one_in(6) else len(rows) + 1
    return tuple(key_values(model, drawer.number(top)).values())


# -- the session --


def _draw_steps(
    drawer: Drawer, rows: list[list[dict[str, Any]]]
) -> tuple[list[tuple[Any, ...]], list[list[tuple[int, int]]]]:
    family = drawer.family
    # An instance is a model and a row; rows from 7 on are new ones.
    steps: list[tuple[Any, ...]] = []
    given: list[list[tuple[int, int]]] = [[] for _ in family.models]
    if drawer.one_in(2):
        for _ in range(drawer.number(6) + 1):
            steps.append(_draw_step(drawer, rows))
    for model in family.models:
        top = min(len(rows[model.number]) + 3, 8)
        for _ in range(drawer.number(4)):
            row = drawer.number(top)
            extra = row - len(rows[model.number])
            given[model.number].append((model.number, row if extra < 0 else MAX_ROWS + extra))
    return steps, given


def _draw_step(drawer: Drawer, rows: list[list[dict[str, Any]]]) -> tuple[Any, ...]:
    family = drawer.family
    model = drawer.choice(family.models)
    size = len(rows[model.number])
    row = drawer.number(size + 1) if size else MAX_ROWS
    if row == size:
        row = MAX_ROWS + drawer.number(2)
    who = (model.number, row)
    kind = drawer.choice(STEPS)
    if kind.startswith("expire"):
        # An expired target is left to the attribute, and with lazy="raise" that is an error.
        raising = {each.target for each in family.relations if _lazy(each) == "raise"}
        if raising & ({model.number} if kind != "expire_all" else raising):
            return ("load", *who)
    if kind == "expunge" and any(_lazy(each) == "raise" for each in family.of(model.number)):
        return ("load", *who)  # lazy="raise" is another error than that of a detached instance
    if kind in ("read", "point", "append", "remove", "committed", "expire_some"):
        relations = family.of(model.number)
        if kind in ("point", "append", "remove"):
            many = kind != "point"
            relations = [
                each
                for each in relations
                if each.many == many and each.writable and "dynamic" not in _lazy(each)
            ]
        if kind == "point":
            relations = [each for each in relations if not _forgets(each)]
        # Reading lazy="raise" is an error in ours, and "select" in stock's models.
        no = {"committed": ("dynamic",), "expire_some": ()}.get(kind, ("raise",))
        relations = [each for each in relations if _lazy(each) not in no]
        if not relations:
            return ("load", *who)
        relation = drawer.choice(relations)
        other = drawer.number(len(rows[relation.target]) + 2)
        if other >= len(rows[relation.target]):
            other = -1 if other == len(rows[relation.target]) else MAX_ROWS
        return (kind, *who, relation.name, (relation.target, other))
    if kind in ("set", "refer", "new", "transient"):
        references = [column for column in model.columns if column.refers is not None]
        plain = [c for c in model.columns if c.refers is None and not c.unique]
        if kind in ("new", "transient"):
            number = MAX_ROWS + drawer.number(2)
            values = _draw_row(drawer, model, number, [len(each) for each in rows])
            return (kind, model.number, number, values)
        if kind == "refer" and references:
            column = drawer.choice(references)
            assert column.refers is not None
            target = drawer.number(len(rows[column.refers[0]]) + 2)
            null = target > len(rows[column.refers[0]])
            value = None if null else reference(family, column, target)
            return ("set", *who, column.attribute, value)
        column = drawer.choice(plain)
        return ("set", *who, column.attribute, draw_value(drawer, column))
    return (kind, *who)


def _forgets(relation: Relation) -> bool:
    """Whether SQLAlchemy clears the key of the object that is let go, but does not write that.

    So it is with a one-to-one whose both sides are of one table: the instance is wrong ever after.
    """
    return relation.link.kind == "single" and relation.owner == relation.target


def _lazy(relation: Relation) -> str:
    return relation.link.back_lazy if relation.is_back else relation.link.lazy


# -- root statements --


def _draw_plan(drawer: Drawer, model: ModelSpec) -> RootPlan:
    options = []
    if drawer.one_in(2):
        for _ in range(drawer.number(2) + 1):
            options.append(_draw_option(drawer, model, 0))
    return RootPlan(
        form=drawer.choice(("list", "query", "select")),
        minimum=drawer.choice((None,) * 6 + (1,)),
        limit=drawer.choice((None,) * 6 + (2,)),
        offset=drawer.choice((None,) * 8 + (1,)),
        descending=drawer.one_in(4),
        options=_without_eager_ways(drawer.family, model.number, options),
    )


def changed_models(model: int, options: tuple[Any, ...]) -> frozenset[int] | None:
    """The models of whose instances options change what an attribute shows; None for no change."""
    found: set[int] = set()
    matters = False
    for kind, *rest in options:
        if kind == "criteria":
            # Carried to every load of the root, so that all paths agree; but not to other roots.
            matters = True
        elif kind == "raise_all" or (kind in ("load_only", "defer") and rest[1]):
            found.add(model)
        elif kind in LOADS:
            _, target, minimum, below = rest
            if kind == "raise" or minimum is not None:
                found.add(model)
            if minimum is not None:
                found.add(target)  # its objects carry the criteria to all that they load
            if below is not None:
                found |= changed_models(target, (below,)) or set()
    return frozenset(found) if found or matters else None


def _without_eager_ways(family: Family, model: int, options: list[Any]) -> tuple[Any, ...]:
    """The options, but not those that change models which mappers load eagerly by other ways."""
    eager = {each.target for each in family.relations if _lazy(each) not in ("select", "dynamic")}
    kept = []
    for option in options:
        changed = changed_models(model, (option,)) or frozenset()
        if changed.isdisjoint(eager):
            kept.append(option)
    return tuple(kept)


def _draw_option(drawer: Drawer, model: ModelSpec, depth: int) -> tuple[Any, ...]:
    family = drawer.family
    kinds = ["criteria"] * 4 + [*LOADS, "load_only", "defer", "undefer"]
    kind = drawer.choice(kinds)
    raises = any(_lazy(each) == "raise" for each in family.of(model.number))
    if depth == 0 and not raises and drawer.one_in(24):
        return ("raise_all",)
    # A relationship that an option names is read as an attribute, and lazy="raise" raises then.
    relations = [
        each for each in family.of(model.number) if _lazy(each) not in ("dynamic", "raise")
    ]
    columns = [column.attribute for column in model.columns]
    if kind == "criteria" and depth == 0:
        return ("criteria", drawer.number(len(family.models)), drawer.number(3), drawer.one_in(3))
    if kind in LOADS and relations:
        relation = drawer.choice(relations)
        if kind == "joined" and relation.link.kind in MANY_AS_ONE and not relation.is_back:
            kind = "selectin"
        if kind == "selectin" and relation.link.kind == "doubled":
            # On 2.1 that alone gives a child twice that the association holds twice: stock shows it
            # once or twice as this or a lazy load was first, and rows show it once.
            kind = "joined"
        minimum = drawer.choice((None, 1, 0)) if kind in WITH_CRITERIA else None
        below = None
        if depth < 2 and (kind == "default" or drawer.one_in(3)) and kind != "raise":
            below = _draw_option(drawer, family.models[relation.target], depth + 1)
        return (kind, relation.name, relation.target, minimum, below)
    if kind == "load_only":
        chosen = tuple(name for name in columns if drawer.one_in(2)) or (columns[0],)
        return ("load_only", chosen, drawer.one_in(6))
    name = drawer.choice(columns)
    return ("undefer", name) if kind == "undefer" else ("defer", name, drawer.one_in(5))


# -- queries --


class QueryDrawer:
    """Draws one query; fields of one name and other arguments never meet under one key."""

    def __init__(self, drawer: Drawer, plans: list[RootPlan], committed: set[int]) -> None:
        self._drawer = drawer
        self._plans = plans
        self._family = drawer.family
        self.is_alone = False
        """Whether the root statement has options that change what is shown."""
        self._committed = committed
        self._paths: dict[int, Any] = dict.fromkeys(committed, ())
        """The one path by which each model may be reached that an option or a step changes.

        A value that a step committed is shown by the instance; a row shows what the database holds.
        """
        self._dynamic = {each.name for each in self._family.relations if _lazy(each) == "dynamic"}
        self._left = 24
        self._fragments: list[str] = []
        self._by_model: dict[int, list[str]] = {}
        self._declared: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def draw_query(self) -> str:
        drawer = self._drawer
        fields = []
        for _ in range(1 + drawer.number(2) * drawer.number(2)):
            fields += [] if self.is_alone else [self._root_field(first=not fields)]
        body = "{ " + " ".join(dict.fromkeys(fields)) + " }"
        head = ""
        if self._declared:
            declared = " ".join(f"${name}: {type_}" for name, type_ in self._declared.items())
            head = f"query ({declared}) "
        return " ".join([head + body, *self._fragments])

    def _root_field(self, first: bool) -> str:
        drawer, model = self._drawer, self._drawer.choice(self._family.models)
        name = model.name.lower()
        kinds = ["List", "List", "Given", "One"] + ["Page", "Chosen", "node"] * model.is_node
        changed = changed_models(model.number, self._plans[model.number].options)
        if (changed is not None and not first) or model.number in self._committed:
            kinds = ["Given"]
        kind = drawer.choice(kinds)
        if changed is not None and kind in ("List", "One", "Chosen"):
            self.is_alone = True
            self._paths = {**dict.fromkeys(changed), **self._paths}
            if model.number in changed:
                self._paths[model.number] = ()
        if kind == "node":
            return self._page(model) if drawer.leave.nodes else self._node(model)
        if kind == "Page":
            return self._page(model)
        if kind == "Chosen":
            return self._connection(f"{name}{kind}", model, ())
        return f"{self._named(name + kind, '')}{self._condition()} {self._selection(model, ())}"

    def _page(self, model: ModelSpec) -> str:
        return self._connection(f"{model.name.lower()}Page", model, (), self._sort(model))

    def _node(self, model: ModelSpec) -> str:
        key = list(key_values(model, self._drawer.number(MAX_ROWS)).values())
        if self._drawer.one_in(6):
            key = ["nobody"]
        text = str(key[0]) if len(key) == 1 else str(tuple(key))
        name = model.name if not self._drawer.one_in(10) else "Nobody"
        global_id = base64.b64encode(f"{name}:{text}".encode()).decode()
        inner = f"... on {model.name} {self._selection(model, ())}"
        return f'{self._named("node", global_id)}(id: "{global_id}") {{ __typename id {inner} }}'

    def _sort(self, model: ModelSpec) -> str | None:
        """A sort that ends with the primary key, where the enum has its columns."""
        if self._drawer.one_in(2):
            return None
        columns = [c for c in model.columns if c.graphql == c.attribute == c.column]
        names = [self._drawer.choice(columns).attribute] if columns else []
        names += [key.attribute for key in model.keys]
        sorts = [f"{name}_{self._drawer.choice(('ASC', 'DESC'))}".upper() for name in names]
        return f"sort: [{' '.join(sorts)}]"

    def _named(self, name: str, arguments: str) -> str:
        """The field under a key of its own for each other text of arguments."""
        drawer = self._drawer
        if arguments:
            return f"{name}_{crc32(arguments.encode())}: {name}"
        return f"a_{name}: {name}" if drawer.one_in(6) else name

    def _condition(self) -> str:
        drawer = self._drawer
        if not drawer.one_in(12):
            return ""
        kind = drawer.choice(("include", "skip"))
        if drawer.one_in(2):
            return f" @{kind}(if: {drawer.choice(('true', 'false'))})"
        name = f"b{drawer.number(2)}"
        self._declared[name] = "Boolean!"
        self.values.setdefault(name, drawer.one_in(2))
        return f" @{kind}(if: ${name})"

    def _selection(self, model: ModelSpec, path: tuple[str, ...]) -> str:
        drawer, depth = self._drawer, len(path)
        # At least one that is not conditional, so that the selection is never empty.
        parts = [self._leaf(model, "")]
        for _ in range(drawer.number(3)):
            parts.append(self._leaf(model, self._condition()))
        relations = [each for each in self._family.of(model.number) if self._may(each, path)]
        if relations and depth < 4:
            for _ in range(drawer.number(3) + (depth < 2)):
                if self._left <= 0:
                    break
                self._left -= 1
                relation = drawer.choice(relations)
                if self._may(relation, path):
                    parts.append(self._relation(relation, path))
        if drawer.one_in(5):
            parts.append(self._fragment(model, path))
        return "{ " + " ".join(parts) + " }"

    def _may(self, relation: Relation, path: tuple[str, ...]) -> bool:
        """Whether the target may be reached here.

        An instance has one state, whatever paths lead to it. Where options make the paths differ,
        the answer hangs on which one loads it first: stock goes depth first, ours by levels.
        """
        if self._drawer.leave.lazy_io and _lazy(relation) == "dynamic":
            return False
        if self.is_alone and self._lost_options(path):
            return False
        known = self._paths.get(relation.target, path)
        return (
            known is None or known == (*path, relation.name) or relation.target not in self._paths
        )

    def _lost_options(self, path: tuple[str, ...]) -> bool:
        """Whether objects here may be the session's, with options, or met without any.

        The query of a dynamic relationship carries none to what is loaded below its objects, but
        an object that the root's statement has loaded shows them wherever stock meets it.
        """
        names = iter(path)
        return any(name in self._dynamic for name in names) and any(
            name not in self._dynamic for name in names
        )

    def _leaf(self, model: ModelSpec, condition: str) -> str:
        names = leaves(model)
        if self._drawer.leave.lazy_io:
            names = [name for name in names if name not in ("nextN", "word")]
        name = self._drawer.choice([*names, "__typename"])
        return self._named(name, "") + condition

    def _relation(self, relation: Relation, path: tuple[str, ...]) -> str:
        target = self._family.models[relation.target]
        below = (*path, relation.name)
        if relation.target in self._paths:
            self._paths[relation.target] = below
        if relation.many and target.is_node:
            return self._connection(relation.graphql, target, below)
        named = self._named(relation.graphql, "")
        return f"{named}{self._condition()} {self._selection(target, below)}"

    def _fragment(self, model: ModelSpec, path: tuple[str, ...]) -> str:
        drawer = self._drawer
        known = self._by_model.get(model.number, [])
        kind = drawer.choice(("inline", "bare", "named", "again"))
        moves = not self._paths and not (self.is_alone and self._dynamic)
        if kind == "again" and known and moves:
            return f"...{drawer.choice(known)}{self._condition()}"
        body = self._selection(model, path)
        if kind == "named":
            name = f"F{len(self._fragments)}"
            self._fragments.append(f"fragment {name} on {model.name} {body}")
            # Only now: a fragment must not spread itself.
            self._by_model.setdefault(model.number, []).append(name)
            return f"...{name}{self._condition()}"
        on = f" on {model.name}" if kind == "inline" else ""
        return f"...{on}{self._condition()} {body}"

    # -- connections --

    def _connection(
        self, name: str, target: ModelSpec, path: tuple[str, ...], argument: str | None = None
    ) -> str:
        arguments = [argument] if argument else []
        for key, type_ in (("first", "Int"), ("after", "String"), ("last", "Int")):
            arguments += self._argument(key, type_)
        arguments += self._argument("before", "String")
        text = f"({', '.join(arguments)})" if arguments else ""
        parts = []
        if not self._drawer.one_in(8):
            node = self._selection(target, path)
            cursor = self._drawer.choice(("cursor ", "", "__typename "))
            parts.append(f"edges {{ {cursor}node {node} }}")
        if not parts or not self._drawer.one_in(3):
            parts.append("pageInfo { hasNextPage hasPreviousPage startCursor endCursor }")
        head = f"{self._named(name, text)}{text}{self._condition()}"
        return f"{head} {{ {' '.join(parts)} }}"

    def _argument(self, key: str, type_: str) -> list[str]:
        drawer = self._drawer
        if not drawer.one_in(3 if key in ("first", "last") else 5):
            return []
        value: Any
        if type_ == "Int":
            # Of a bad argument and an option that raises, ours reports the one, stock the other.
            value = drawer.choice(COUNTS[:-1] if self.is_alone else COUNTS)
        else:
            # Mostly a cursor of the first items.
            value = drawer.choice(CURSORS if drawer.one_in(3) else CURSORS[:3])
        if not drawer.one_in(4):
            return [f'{key}: "{value}"' if type_ == "String" else f"{key}: {value}"]
        name = f"v{len(self._declared)}"
        default = "" if drawer.one_in(2) else ' = "YQ"' if type_ == "String" else " = 1"
        self._declared[name] = type_ + default
        if not drawer.one_in(4):
            self.values[name] = None if drawer.one_in(6) else value
        return [f"{key}: ${name}"]
