"""References and memory of the batch resolver's rooms: nothing is kept, lost or released twice."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from graphene.relay import Connection
from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from graphene_sqlalchemy_c import SQLAlchemyObjectType, _core, get_batch_resolver

from .conftest import Database
from .nomemory import count_failures
from .zoo import Author


def use_batches() -> None:
    batch = _core.Batch(object, lambda: None)
    slots = [batch.join(index) for index in range(3)]
    batch.settle([1, ValueError("2"), 3])
    with pytest.raises(StopIteration):
        next(slots[0])
    with pytest.raises(ValueError, match="2"):
        next(slots[1])
    cycle: list[Any] = [slots[2]]
    cycle.append(cycle)


def use_resolvers() -> None:
    resolver = get_batch_resolver(inspect(Author).relationships["books"])
    with pytest.raises(TypeError, match="root, info"):
        resolver(1)
    assert resolver(SimpleNamespace(books=[]), None) == []
    connection = _core.ConnectionResolver(resolver, Connection, None, None)
    with pytest.raises(TypeError, match="value, root, info and args"):
        connection.complete(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        _core.ConnectionResolver(1, 2, 3, 4)  # type: ignore[arg-type]
    cycle: list[Any] = []
    cycle.append(_core.BatchResolver(resolver.loader, lambda *_: cycle))


def use_type_checks() -> None:
    check = SQLAlchemyObjectType.is_type_of
    with pytest.raises(AttributeError):
        check(1, None)
    descriptor = _core.IsTypeOf(lambda cls, root, info: (cls, root))
    owner = type("Owner", (), {"_meta": SimpleNamespace(model=int)})
    assert descriptor.__get__(None, owner)(1, None) is True
    assert descriptor.__get__(owner(), None)("x", None) == (owner, "x")
    assert descriptor.__get__(None, owner)(root="x", info=None) == (owner, "x")


TYPES = (
    _core.Batch, _core.BatchSlot, _core.BatchResolver, _core.ConnectionResolver, _core.TypeCheck,
    _core.IsTypeOf,
)  # fmt: skip


@pytest.mark.parametrize("use", [use_batches, use_resolvers, use_type_checks])
def test_types_are_released(use: Callable[[], None]) -> None:
    use()
    gc.collect()
    before = [sys.getrefcount(each) for each in TYPES]
    for _ in range(50):
        use()
    gc.collect()
    assert [sys.getrefcount(each) for each in TYPES] == before


@pytest.mark.parametrize("key", ["books", "friends", "mentor", "profile", "good_books", "rivals"])
def test_loading_leaves_nothing_behind(sqlite: Database, key: str) -> None:
    resolver = get_batch_resolver(inspect(Author).relationships[key])

    def load() -> None:
        with Session(sqlite.engine) as session:
            resolver.load_many(list(session.scalars(select(Author))))

    for _ in range(10):
        load()
    gc.collect()
    before = len(gc.get_objects()), sys.getallocatedblocks()
    for _ in range(30):
        load()
    gc.collect()
    assert len(gc.get_objects()) - before[0] < 20
    assert sys.getallocatedblocks() - before[1] < 200


class Sentinel(Exception):
    pass


class Countdown:
    """Raises at its k-th use."""

    def __init__(self, uses: int) -> None:
        self.uses = uses

    def __call__(self) -> None:
        self.uses -= 1
        if self.uses == 0:
            raise Sentinel


class State:
    """An instance state each of whose attributes counts as a use."""

    VALUES = {  # noqa: RUF012
        "key": (1,), "session": "session", "identity_token": None, "callables": {},
        "load_options": (), "modified": False, "expired": False,
    }  # fmt: skip

    def __init__(self, countdown: Countdown, parent: Any) -> None:
        self.countdown = countdown
        self.object = parent

    def __getattr__(self, name: str) -> Any:
        self.countdown()
        return State.VALUES[name]


class Key:
    def __init__(self, countdown: Countdown, value: int) -> None:
        self.countdown = countdown
        self.value = value

    def __hash__(self) -> int:
        self.countdown()
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        self.countdown()
        return isinstance(other, Key) and other.value == self.value


class Parent:
    def __init__(self, countdown: Countdown, number: int) -> None:
        self._sa_instance_state = State(countdown, self)
        self.number = number


class Row:
    def __init__(self, countdown: Countdown, *values: Any) -> None:
        self.countdown = countdown
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Any:
        self.countdown()
        return self.values[index]


def group(countdown: Countdown) -> None:
    parents = [Parent(countdown, number) for number in range(3)]
    groups, rest = _core.group_parents(parents, "children")
    assert groups == {("session", ()): parents} and rest == []


def siblings(countdown: Countdown) -> None:
    parents = [Parent(countdown, number) for number in range(3)]
    states = _core.sibling_states(parents, {Parent}, "children")
    found, _, stop = _core.living_siblings(parents[0], states, 0, "children", -1)
    assert found == parents and stop == 3
    assert _core.loaded_children(states, "number") == [0, 1, 2]


def match(countdown: Countdown) -> None:
    keys = [Key(Countdown(-1), number) for number in range(3)]
    by_key = {key: [key] for key in keys}
    rows = [Row(countdown, object(), key) for key in keys for _ in range(2)]
    children, stray = _core.match_rows(rows, by_key, 1)
    assert [len(each) for each in children.values()] == [2, 2, 2] and stray == 0


def match_keys(countdown: Countdown) -> None:
    by_key = {Key(countdown, number): [number] for number in range(3)}
    rows = [(object(), Key(countdown, number)) for number in range(4)]
    children, stray = _core.match_rows(rows, by_key, 1)
    assert len(children) == 3 and stray == 1


@pytest.mark.parametrize("operation", [group, siblings, match, match_keys])
def test_the_kth_use_raises(operation: Callable[[Countdown], None]) -> None:
    """For every k; what was made until then is released, with the collector off."""
    operation(Countdown(-1))
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        for k in range(1, 200):
            countdown = Countdown(k)
            try:
                operation(countdown)
            except Sentinel:
                continue
            assert countdown.uses > 0 and k > 5
            break
        else:
            raise AssertionError("never reached the end")
        gc.collect()  # Parent and State refer to each other
        assert sys.getallocatedblocks() - before < 200
    finally:
        gc.enable()


def test_a_key_that_cannot_be_hashed_is_odd() -> None:
    """The ORM gives its own answer, or its own error, for such a parent."""
    parents = [SimpleNamespace(number=number) for number in (1, [2], None, 3)]
    by_key, empty, odd = _core.collect_keys(parents, ("number",), -1, False)
    assert by_key == {1: [parents[0]], 3: [parents[3]]}
    assert empty == [parents[2]] and odd == [parents[1]]


SCRIPT = """
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.orm import Session
from graphene_sqlalchemy_c import _core, get_batch_resolver
from tests import zoo

engine = create_engine("sqlite://")
zoo.Base.metadata.create_all(engine)
with Session(engine) as session:
    zoo.fill(session)
session = Session(engine)
authors = list(session.scalars(select(zoo.Author)))
books = [list(author.books) for author in authors]
by_key = {author.id: [author] for author in authors}
rows = [(book, book.author_id) for each in books for book in each]
resolver = get_batch_resolver(inspect(zoo.Author).relationships["books"])

def group():
    _core.group_parents(authors, "friends")

def keys():
    _core.collect_keys(authors, ("id",), -1, False)

def match():
    _core.match_rows(rows, by_key, 1)

def results():
    _core.read_results(authors, "books", {})

def loaded():
    resolver(authors[0], None)

def batch():
    made = _core.Batch(object, object)
    slot = made.join(1)
    made.settle([1])
    try:
        next(slot)
    except StopIteration:
        pass

OPERATIONS = (group, keys, match, results, loaded, batch)
"""


def test_every_allocation_may_fail() -> None:
    assert count_failures(SCRIPT, 150) > 30
