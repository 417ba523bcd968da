"""Loads that one statement of no surprises answers for: keys, numbers of keys, rows by key."""

from __future__ import annotations

import gc
import re
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import Column, Integer, insert
from sqlalchemy.exc import SAWarning
from sqlalchemy.orm import declarative_base, relationship

from graphene_sqlalchemy_c import _core, plain_loads
from graphene_sqlalchemy_c.levels import GROUP_LIST, GROUP_ONE, GROUP_PAGE
from graphene_sqlalchemy_c.pagination import Page
from graphene_sqlalchemy_c.plain_loads import MAX_COUNTS
from graphene_sqlalchemy_c.relations import RelationLoad
from graphene_sqlalchemy_c.statements import MAX_LISTED

from . import library
from .conftest import Database
from .library import Author
from .nomemory import count_failures, runs_plain_python
from .rows_harness import ask, by_key, same, shown, unrun_way, world

WAY = ("own", "select", "sync")
LISTS = "{ authors { id books { id author { name } } } }"


def up_to(number: int) -> Any:
    return lambda statement, model: by_key(statement, model).where(model.id <= number)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the statements of plain loads may answer."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("more is asked than one statement")

    monkeypatch.setattr(RelationLoad, "for_rows", refuse)


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of keys of statements that list them, as they are executed."""
    counts: list[int] = []
    keys = plain_loads.listed_keys

    def noted(by_key: Any) -> Any:
        counts.append(len(by_key))
        return keys(by_key)

    monkeypatch.setattr(plain_loads, "listed_keys", noted)
    return counts


# -- numbers of keys --


def test_numbers_of_keys(libraries: Database, listed: list[int], plain: None) -> None:
    """A few have statements of their own, which are those of any number, and kept."""
    own = library.build_schema("own")
    stock = library.schema("stock")
    numbers = [*range(1, MAX_COUNTS + 4)] * 2
    texts: dict[int, list[list[str]]] = {}
    for number in numbers:
        shape = up_to(number)
        wanted, _ = ask(libraries, stock, LISTS, shape=shape)
        result, executed = ask(libraries, own, LISTS, "select", shape=shape)
        assert result.errors is None and shown(result) == shown(wanted)
        texts.setdefault(number, []).append(executed)
    assert all(first == second for first, second in texts.values())
    if libraries.name == "postgresql":
        assert listed == []  # an array
        assert len({executed[1] for executed, _ in texts.values()}) == 1
        return
    # Each author that has books is the author of those.
    assert Counter(listed)[1] >= 2 and set(listed) <= set(range(1, MAX_COUNTS + 1))
    for number, (executed, _) in texts.items():
        assert len(re.findall(r"\?|%\(\w+\)s|%s", executed[1])) == number


@pytest.mark.parametrize("number", [MAX_LISTED, MAX_LISTED + 1])
def test_long_lists_have_no_statement_of_their_own(
    lib: Database, listed: list[int], plain: None, number: int
) -> None:
    with lib.engine.begin() as connection:
        more = [{"id": i, "name": f"author {i}"} for i in range(9, number + 1)]
        connection.execute(insert(Author), more)
    query = "{ authors { books { title } } }"
    schemas = {route: library.build_schema(route) for route in ("stock", "own")}
    result, executed = same(lib, query, WAY, schemas.__getitem__)
    assert len(result.data["authors"]) == number and len(executed) == 2
    assert listed == ([number] if number <= MAX_LISTED else [])


# -- keys --


@unrun_way
@pytest.mark.parametrize("which", ["some", "all"])
def test_null_keys_refer_to_nothing(lib: Database, way: Any, plain: None, which: str) -> None:
    """And are not asked for."""

    def shape(statement: Any, model: Any) -> Any:
        found = by_key(statement, model)
        return found if which == "some" else found.where(model.author_id.is_(None))

    query = "{ books { id author { name mentor { id mentor { id } } } } }"
    result, executed = same(lib, query, way, shape=shape)
    authors = [book["author"] for book in result.data["books"]]
    assert result.errors is None and None in authors
    assert (set(map(str, authors)) == {"None"}) == (which == "all")
    assert len(executed) == (1 if which == "all" else 4)


def test_a_row_that_is_gone(lib: Database, plain: None) -> None:
    with lib.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM lib_authors WHERE id = 2")
    result, executed = same(lib, "{ books { id author { id name } } }", WAY)
    assert result.errors is None and len(executed) == 2
    assert any(book["author"] is None for book in result.data["books"])


@pytest.mark.parametrize("form", ["instances", "select"])
def test_several_rows_to_one(lib: Database, plain: None, form: str) -> None:
    """The first is shown, with SQLAlchemy's warning for each parent."""
    base = declarative_base()

    class Lock(base):
        __tablename__ = "p_locks"
        id = Column(Integer, primary_key=True)
        code = Column(Integer)
        key = relationship(
            "Key",
            primaryjoin="foreign(Key.code) == Lock.code",
            uselist=False,
            viewonly=True,
            order_by="Key.id",
        )

    class Key(base):
        __tablename__ = "p_keys"
        id = Column(Integer, primary_key=True)
        code = Column(Integer)

    rows = [Lock(id=i, code=(1, 1, 2, 3, None)[i]) for i in range(5)]
    rows += [Key(id=i, code=code) for i, code in enumerate([1, 1, 1, 2, None])]
    schemas = world(lib, base, (Lock, Key), rows)
    query = "{ locks { id key { id } } }"
    with pytest.warns(SAWarning, match="Multiple rows") as stock_warnings:
        wanted, _ = ask(lib, schemas("stock"), query)
    with pytest.warns(SAWarning, match="Multiple rows") as warnings:
        result, _ = ask(lib, schemas("own"), query, form)
    assert shown(result) == shown(wanted)
    assert [each["key"] and each["key"]["id"] for each in result.data["locks"]] == [
        "0",
        "0",
        "3",
        None,
        None,
    ]
    assert len(warnings) == len(stock_warnings) == 2


# -- rows by key --

ORIGIN = object()
PARENTS = [(7, "a"), (None, "b"), (9, "c"), (7, "d"), (8, "e")]


def test_groups_of_one() -> None:
    by_key, answers = _core.key_groups(PARENTS, (0,), ORIGIN, GROUP_ONE) or ({}, [])
    assert list(by_key) == [7, 9, 8]
    assert answers == [by_key[7], None, by_key[9], by_key[7], by_key[8]]
    rows = [("x", 7), ("y", 7), ("z", 9)]
    assert _core.fill_groups(answers, by_key, rows, 1, 1) == (0, 2)
    assert answers == [by_key[7], None, by_key[9], by_key[7], None]
    assert by_key[7].rows is rows[0] and by_key[9].rows is rows[2]
    assert by_key[7].origin is ORIGIN and by_key[7].kind == GROUP_ONE


def test_groups_of_lists() -> None:
    assert _core.key_groups(PARENTS, (0,), ORIGIN, GROUP_LIST) is None
    parents = [each for each in PARENTS if each[0] is not None]
    by_key, answers = _core.key_groups(parents, (0,), ORIGIN, GROUP_LIST) or ({}, [])
    rows = [("x", 7), ("y", 8), ("z", 7)]
    assert _core.fill_groups(answers, by_key, rows, 1, 1) == (0, 0)
    found = [None if each is None else each.rows for each in answers]
    assert found == [[rows[0], rows[2]], [], [rows[0], rows[2]], [rows[1]]]
    # The collector would look at them again and again.
    assert not any(map(gc.is_tracked, found))


def test_groups_of_several_columns() -> None:
    parents = [(1, 2, 3), (1, 2, 4), (1, None, 5), (2, 1, 6)]
    by_key, answers = _core.key_groups(parents, (1, 0), ORIGIN, GROUP_ONE) or ({}, [])
    assert list(by_key) == [(2, 1), (1, 2)] and answers[0] is answers[1] and answers[2] is None
    assert _core.fill_groups(answers, by_key, [("x", 2, 1), ("y", 1, None)], 1, 2) == (1, 0)


@pytest.mark.parametrize("arguments", [{"first": 2}, {"first": 0}, {}, {"before": "x"}])
def test_groups_are_cut_to_pages(arguments: dict[str, Any]) -> None:
    parents = [(1,), (2,), (3,)]
    by_key, answers = _core.key_groups(parents, (0,), ORIGIN, GROUP_PAGE) or ({}, [])
    rows = [(f"row {i}", key) for key, count in ((1, 3), (2, 2)) for i in range(count)]
    assert _core.fill_groups(answers, by_key, rows, 1, 1) == (0, 0)
    assert _core.cut_groups(by_key, Page.of(arguments).arguments) is True
    first = arguments.get("first")
    assert [by_key[key].rows for key in (1, 2, 3)] == [rows[:3][:first], rows[3:][:first], []]
    assert [by_key[key].total for key in (1, 2, 3)] == ([3, 2, 0] if first is None else [-1] * 3)


def test_only_the_total_tells_of_a_page_behind_the_end() -> None:
    by_key, _ = _core.key_groups([(1,)], (0,), ORIGIN, GROUP_PAGE) or ({}, [])
    page = Page.of({"first": 1, "after": "YXJyYXljb25uZWN0aW9uOjk="})
    assert _core.cut_groups(by_key, page.arguments) is False


def test_groups_of_bad_input() -> None:
    by_key, answers = _core.key_groups([(1,)], (0,), ORIGIN, GROUP_ONE) or ({}, [])
    page = Page.of({}).arguments
    bad: Any = {1: []}
    with pytest.raises(TypeError, match="a RowGroup is wanted, not list"):
        _core.fill_groups(answers, bad, [(1,)], 0, 1)
    with pytest.raises(TypeError, match="a RowGroup is wanted, not list"):
        _core.cut_groups(bad, page)
    with pytest.raises(TypeError, match="must be a list"):
        _core.cut_groups(by_key, page)
    with pytest.raises(TypeError, match="unhashable"):
        _core.key_groups([([],)], (0,), ORIGIN, GROUP_ONE)
    with pytest.raises(TypeError, match="unhashable"):
        _core.fill_groups(answers, by_key, [([],)], 0, 1)
    with pytest.raises(IndexError):
        _core.key_groups([(1,)], (1,), ORIGIN, GROUP_ONE)
    with pytest.raises(IndexError):
        _core.fill_groups(answers, by_key, [(1,)], 0, 2)
    with pytest.raises(ValueError, match="a RowGroup has no kind 9"):
        _core.key_groups([(1,)], (0,), ORIGIN, 9)


def test_keys_that_change_the_rows() -> None:
    """A key may be Python code."""
    rows: list[Any] = []

    class Key:
        def __hash__(self) -> int:
            return 1

        def __eq__(self, other: object) -> bool:
            rows.clear()
            return True

    rows += [(Key(),), (Key(),), (Key(),)]
    by_key, answers = _core.key_groups(rows, (0,), ORIGIN, GROUP_LIST) or ({}, [])
    assert answers == [*by_key.values()] * 2 and rows == []
    rows += [("x", Key()), ("y", Key())]
    assert _core.fill_groups(answers, by_key, rows, 1, 1) == (0, 0)
    assert [row[0] for row in answers[0].rows] == ["x"]
    rows += [("x", Key()), ("y", Key())]
    children, stray = _core.group_rows(rows, by_key, 1, 1, None)
    (found,) = children.values()
    assert [row[0] for row in found] == ["x"] and stray == 0
    rows += [("x", Key()), ("y", Key())]
    assert list(_core.match_rows(rows, by_key, 1)[0].values()) == [["x"]] and rows == []
    with pytest.raises(AttributeError, match="readonly"):
        del answers[0].rows


SCRIPT = """
from graphene_sqlalchemy_c import _core
from graphene_sqlalchemy_c.levels import GROUP_LIST, GROUP_ONE, GROUP_PAGE
from graphene_sqlalchemy_c.pagination import Page

parents = [(1000 + i % 7, i % 3, None if i % 5 == 0 else i) for i in range(40)]
rows = [(f"row {i}", 1000 + i % 6, i % 3) for i in range(60)]
page = Page.of({"first": 2}).arguments

def groups(kind):
    by_key, answers = _core.key_groups(parents, (0, 1), "origin", kind)
    assert _core.fill_groups(answers, by_key, rows, 1, 2)[0] == 0
    return by_key, answers

def ones():
    by_key, answers = groups(GROUP_ONE)
    assert answers[0] is by_key[1000, 0] and None in answers
    assert _core.key_groups(parents, (2,), "origin", GROUP_ONE)[1][0] is None

def lists():
    by_key, answers = groups(GROUP_LIST)
    assert sum(len(group.rows) for group in by_key.values()) == 60

def pages():
    by_key, answers = groups(GROUP_PAGE)
    assert _core.cut_groups(by_key, page)
    assert {len(group.rows) for group in by_key.values()} == {0, 2}

OPERATIONS = (ones, lists, pages)
"""


def test_every_allocation_of_groups_may_fail() -> None:
    assert count_failures(SCRIPT, 150) > 150


LOADS = """
from functools import partial
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool
from graphene_sqlalchemy_c import relations
from tests import library, rows_harness

engine = create_engine("sqlite://", poolclass=StaticPool)
library.Base.metadata.create_all(engine)
session = Session(engine)
library.fill(session)
session.begin()
load, loads = relations.plain_values, []

def noted(*args):
    loads.append(args)
    return load(*args)

relations.plain_values = noted
context = {"session": session, "root": rows_harness.root_of(session, "select", rows_harness.by_key)}
query = "{ books { author { name } reviews { stars } } }"
assert library.build_schema("own").execute(query, context_value=context).errors is None

def again(args):
    answers = load(*args)
    shown = [answer if answer is None else answer.rows for answer in answers]
    assert len(shown) == 24 and (None in shown) == (args[0].relationship.key == "author")

OPERATIONS = tuple(partial(again, args) for args in loads)
assert len(OPERATIONS) == 2
"""


@runs_plain_python
def test_every_allocation_of_a_load_may_fail() -> None:
    assert count_failures(LOADS, 400) > 200
