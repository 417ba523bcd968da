"""First pages that come along with those above them: one statement on PostgreSQL, the same answer.

On the other databases the same tests see one statement for each level.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import Session, with_loader_criteria
from sqlalchemy.pool import NullPool

from graphene_sqlalchemy_c import joined_pages
from graphene_sqlalchemy_c._core import split_rows
from graphene_sqlalchemy_c.joined_pages import MAX_KEPT
from graphene_sqlalchemy_c.relation_plans import MAX_SIZES

from . import joined_zoo, pages_zoo
from .conftest import MODES, Database
from .joined_zoo import Ask, Draft, Opinion, Work, Writer, expected, fields_of, query_of
from .nomemory import count_failures, runs_plain_python
from .pages_zoo import cursor

# SQLAlchemy's warnings are about statements: of a cartesian product, for one.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("error::sqlalchemy.exc.SAWarning"),
]


@pytest.fixture(scope="module")
def joined(database: Database) -> Iterator[Database]:
    """The database with the tables of joined_zoo."""
    with pages_zoo.tables(database.engine, joined_zoo.Base.metadata, joined_zoo.fill):
        yield database


@pytest.fixture(scope="module")
def schema() -> Any:
    return joined_zoo.build_schema()


def statements(database: Database, on_postgresql: int, elsewhere: int) -> int:
    return on_postgresql if database.name == "postgresql" else elsewhere


def check(database: Database, schema: Any, root: Ask, mode: str = "sync", **more: Any) -> list[str]:
    """Ask for a root field and compare with the oracle; returns the statements."""
    result, executed = database.run(schema, query_of(root), mode, **more)
    assert result.errors is None, result.errors
    with Session(database.engine) as session:
        assert result.data["found"] == expected(session, root)
    return executed


def few(field: str, *below: Ask, **arguments: Any) -> Ask:
    """A connection that asks for its first two, unless it says more."""
    return Ask(field, arguments or {"first": 2}, below)


DEEP = few("works", few("opinions", few("answers")))


# -- how many statements --


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("field", ["allWriters", "ranked"])
def test_a_page_of_pages_of_pages_is_one_statement(
    joined: Database, schema: Any, field: str, mode: str
) -> None:
    arguments = {"first": 2} if field == "allWriters" else {"first": 2, "rank": 1}
    for _ in range(2):
        executed = check(joined, schema, Ask(field, arguments, (DEEP,)), mode)
        assert len(executed) == statements(joined, 1, 4)


@pytest.mark.parametrize("mode", MODES)
def test_pages_below_a_list_and_below_one_object(joined: Database, schema: Any, mode: str) -> None:
    below = (few("works", few("opinions")),)
    assert len(check(joined, schema, Ask("writers", {}, below), mode)) == statements(joined, 2, 3)
    one = Ask("writer", {"id": 2}, (DEEP,))
    assert len(check(joined, schema, one, mode)) == statements(joined, 2, 4)


ALONE = {
    "a page by its end": few("allWriters", few("works", few("opinions"), last=2)),
    "a page behind a cursor": few("allWriters", few("works", first=1, after=cursor(0))),
    "a whole connection": few("allWriters", Ask("works", {}, (few("opinions"),))),
    "no index": few("allWriters", few("drafts", few("sheets"))),
    "children of an association": few("allWriters", few("works", few("labels"))),
    "many rows": few("allWriters", few("works", few("opinions", first=40), first=40), first=40),
}
LESS = {
    "a page by its end": (3, 3),
    "a page behind a cursor": (2, 2),
    "a whole connection": (3, 3),
    "no index": (3, 3),
    "children of an association": (2, 3),
    "many rows": (3, 3),
}


@pytest.mark.parametrize("what", ALONE)
def test_what_does_not_come_along(joined: Database, schema: Any, what: str) -> None:
    executed = check(joined, schema, ALONE[what])
    assert len(executed) == statements(joined, *LESS[what])


def test_a_page_that_ends_before_a_cursor_shows_what_is_below_its_last_row(
    joined: Database, schema: Any
) -> None:
    """Its last row is shown, not there to tell whether more come."""
    cut = few("works", few("opinions"), first=3, before=cursor(2))
    executed = check(joined, schema, few("allWriters", cut))
    assert len(executed) == statements(joined, 2, 3)
    assert len(check(joined, schema, Ask("writers", {}, (cut,)))) == 3
    root = few("allWriters", few("works", few("opinions")), first=3, before=cursor(2))
    assert len(check(joined, schema, root)) == statements(joined, 2, 3)


def test_objects_of_a_subclass(joined: Database, schema: Any) -> None:
    """Single-table inheritance: the criteria of the class hold in the joined statement, too."""
    executed = check(joined, schema, few("allWriters", few("novels", few("opinions"))))
    assert len(executed) == statements(joined, 1, 3)


def test_sizes_that_variables_ask_for(joined: Database, schema: Any) -> None:
    """One document, so one plan; and more sizes than have statements of their own."""
    query = query_of(few("allWriters", few("works", few("opinions"))))
    query = "query ($n: Int, $m: Int) " + query.replace("first: 2", "first: $n", 1)
    query = query.replace("works(first: 2)", "works(first: $m)")
    for n, m in [(1, 2), (3, 0), (0, 3), (2, 2), *((2, size) for size in range(MAX_SIZES + 3))] * 2:
        result, _ = joined.run(schema, query, variable_values={"n": n, "m": m})
        assert result.errors is None
        root = few("allWriters", few("works", few("opinions"), first=m), first=n)
        with Session(joined.engine) as session:
            assert result.data["found"] == expected(session, root)


def test_statements_of_many_sizes_are_not_kept(joined: Database) -> None:
    """What is not kept is not joined: making such a statement takes longer than a round trip."""
    query = query_of(few("allWriters", few("works", few("opinions"))))
    query = "query ($n: Int, $m: Int) " + query.replace("works(first: 2)", "works(first: $n)")
    query = query.replace("opinions(first: 2)", "opinions(first: $m)")
    own, counts = joined_zoo.build_schema(), []
    for n, m in product(range(5), repeat=2):
        result, executed = joined.run(own, query, variable_values={"n": n, "m": m})
        assert result.errors is None
        counts.append(len(executed))
        root = few("allWriters", few("works", few("opinions", first=m), first=n))
        with Session(joined.engine) as session:
            assert result.data["found"] == expected(session, root)
    if joined.name == "postgresql":
        assert counts == [1] * MAX_KEPT + [2] * (len(counts) - MAX_KEPT)


def test_a_sorted_root(joined: Database, schema: Any) -> None:
    """The joined statement repeats the order, and the key that breaks its ties."""
    root = few("allWriters", DEEP, first=4)
    query = query_of(root).replace("allWriters(", "allWriters(sort: [RANK_DESC], ")
    result, executed = joined.run(schema, query)
    assert result.errors is None and len(executed) == statements(joined, 1, 4)
    with Session(joined.engine) as session:
        wanted = expected(session, root, order=lambda writer: (-writer.rank, writer.id))
        assert result.data["found"] == wanted


def test_no_unselected_column_leaves_the_database(joined: Database, schema: Any) -> None:
    executed = check(joined, schema, few("allWriters", DEEP))
    selected = {
        name for sql in executed for name in re.findall(r"joined_(\w+\.\w+) AS gsc_column", sql)
    }
    if joined.name == "postgresql":
        keys = {"writers.id", "works.id", "opinions.id"}
        shown = {"writers.name", "works.name", "works.rank", "opinions.stars", "opinions.text"}
        assert selected == keys | shown | {"answers.text"}


# -- what sessions and operations have a say in --


@pytest.mark.parametrize("with_listener", [False, True])
def test_listeners_see_one_statement_for_each_level(
    joined: Database, schema: Any, with_listener: bool
) -> None:
    class Listened(Session):
        pass

    seen = []
    if with_listener:
        event.listen(Listened, "do_orm_execute", seen.append)
    root = few("allWriters", few("works", few("opinions")))
    with Listened(joined.engine) as session, joined.statements() as executed:
        result = schema.execute(query_of(root), context_value={"session": session})
        assert len(executed) == (3 if with_listener else statements(joined, 1, 3))
        assert len(seen) == (3 if with_listener else 0)
        assert result.data["found"] == expected(session, root)


def test_criteria_that_the_root_carries(joined: Database, schema: Any) -> None:
    root = Ask("writers", {}, (few("works", few("opinions")),))
    options = (with_loader_criteria(Opinion, Opinion.stars == 0),)
    result, executed = joined.run(schema, query_of(root), options=options)
    assert result.errors is None and len(executed) == 3
    with Session(joined.engine) as session:
        assert result.data["found"] == expected(session, root, options=options)
    with Session(joined.engine) as session:
        assert result.data["found"] != expected(session, root)


def test_guarded_objects_do_not_come_along(joined: Database) -> None:
    """Only what may be seen of opinions is loaded."""
    guarded = joined_zoo.build_schema(
        visible=lambda cls, info: select(Opinion).where(Opinion.stars == 0), enforce_get_query=True
    )
    root = few("allWriters", few("works", few("opinions", first=5)))
    result, executed = joined.run(guarded, query_of(root))
    assert result.errors is None and len(executed) == 3
    assert not any("LATERAL" in sql for sql in executed)
    with Session(joined.engine) as session:
        options = (with_loader_criteria(Opinion, Opinion.stars == 0),)
        assert result.data["found"] == expected(session, root, options=options)


def test_pending_changes_are_flushed_before(joined: Database, schema: Any) -> None:
    root = few("allWriters", DEEP)
    with Session(joined.engine) as session:
        changed = session.get_one(Opinion, 200)
        changed.text = "changed"
        result = schema.execute(query_of(root), context_value={"session": session})
        assert result.errors is None and "changed" in str(result.data)
        assert result.data["found"] == expected(session, root)


def test_changes_that_are_not_flushed(joined: Database, schema: Any) -> None:
    """Only instances have them."""
    with Session(joined.engine, autoflush=False) as session, joined.statements() as executed:
        changed = session.get_one(Opinion, 200)
        changed.text = "changed"
        result = schema.execute(
            query_of(few("allWriters", DEEP)), context_value={"session": session}
        )
        assert result.errors is None and "changed" in str(result.data)
        assert len(executed) >= 5 and not any("LATERAL" in sql for sql in executed)


@pytest.mark.parametrize("ends", ["pending", "committed"])
def test_changes_between_the_levels(joined: Database, ends: str) -> None:
    """A resolver elsewhere changes what came along before it is shown: it is loaded anew."""
    work = 2  # the first of the first writer
    made = []

    def resolve_name(draft: Draft, info: Any) -> str:
        session = info.context["session"]
        made.append(Opinion(id=1, stars=-1, text="new", work_id=work))
        session.add(made[0])
        if ends == "committed":
            session.commit()
        return "changed"

    root = few("allWriters", few("works", few("opinions")))
    other = "other: writer(id: 3) { drafts(first: 1) { edges { node { name } } } }"
    query = query_of(root).removesuffix("}") + other + " }"
    schema = joined_zoo.build_schema(resolve_name=resolve_name)
    with Session(joined.engine) as session:
        try:
            result = schema.execute(query, context_value={"session": session})
            assert result.errors is None and len(made) == 1
            assert result.data["found"] == expected(session, root)
            assert "new" in str(result.data["found"])
        finally:
            session.rollback()
            if ends == "committed":
                session.delete(session.get(Opinion, 1))
                session.commit()


def test_models_of_several_engines(joined: Database, schema: Any) -> None:
    other = create_engine(joined.url, poolclass=NullPool)
    root = few("allWriters", DEEP)
    with Session(joined.engine, binds={Opinion: other}) as session, joined.statements() as executed:
        result = schema.execute(query_of(root), context_value={"session": session})
        assert len(executed) == statements(joined, 2, 3)
        assert result.data["found"] == expected(session, root)


def test_models_without_an_engine_are_errors_of_their_own_places(
    joined: Database, schema: Any
) -> None:
    query = query_of(few("allWriters", few("works", few("opinions"))))
    binds = {Writer: joined.engine, Work: joined.engine}
    with Session(binds=binds) as session:
        result = schema.execute(query, context_value={"session": session})
    places = {tuple(key for key in error.path if type(key) is str) for error in result.errors}
    assert places == {("found", "edges", "node", "a0", "edges", "node", "a0")}
    assert len(result.data["found"]["edges"]) == 2


@pytest.mark.parametrize("bad", ["first: -1", "first: 3", 'first: 1, after: "x"'])
def test_bad_pages_below_are_errors_of_their_own_places(
    joined: Database, monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    query = query_of(few("allWriters", few("works", few("opinions"))))
    query = query.replace("opinions(first: 2", f"opinions({bad}")
    limited = joined_zoo.build_schema(max_page_size=2, default_page_size=2)
    result, _ = joined.run(limited, query)
    monkeypatch.setattr(joined_pages, "MAX_ROWS", 0)
    apart, executed = joined.run(limited, query)
    assert bool(result.errors) == ("after" not in bad) and len(executed) >= 2
    assert result.formatted == apart.formatted


def test_explain_says_what_comes_along(schema: Any) -> None:
    query = query_of(few("allWriters", DEEP, few("drafts")))
    for dialect, along in (("postgresql", ["works", "opinions", "answers"]), ("sqlite", [])):
        explained = schema.explain(query, dialect=dialect).to_dict()
        found = [each["source"] for each in levels(explained) if "along" in str(each["notes"])]
        assert [source.rpartition(".")[2] for source in found] == along


def levels(explained: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for level in explained["levels"]:
        yield level
        yield from levels(level)


# -- anything --

ARGUMENTS = st.one_of(
    st.fixed_dictionaries({"first": st.integers(0, 3)}),
    st.fixed_dictionaries(
        {},
        optional={
            "first": st.integers(0, 3),
            "last": st.integers(0, 3),
            "after": st.sampled_from([cursor(-1), cursor(0), cursor(1), cursor(9), "x"]),
            "before": st.sampled_from([cursor(0), cursor(1), cursor(2), cursor(9), "x"]),
        },
    ),
)


def asks(model: type, depth: int) -> st.SearchStrategy[tuple[Ask, ...]]:
    """Connections of a model's objects, one or two, and what is below them."""
    if depth == 0:
        return st.just(())
    one = st.one_of(
        *(
            st.builds(Ask, st.just(field), ARGUMENTS, asks(target, depth - 1))
            for field, target in fields_of(model).items()
        ),
    )
    return st.lists(one, max_size=2).map(tuple) if fields_of(model) else st.just(())


ROOTS = st.one_of(
    st.builds(Ask, st.just("allWriters"), ARGUMENTS, asks(Writer, 3)),
    st.builds(
        Ask,
        st.just("ranked"),
        st.builds(lambda page, rank: {**page, "rank": rank}, ARGUMENTS, st.integers(0, 3)),
        asks(Writer, 3),
    ),
    st.builds(Ask, st.just("writers"), st.just({}), asks(Writer, 3)),
    st.builds(Ask, st.just("writer"), st.builds(dict, id=st.integers(1, 6)), asks(Writer, 3)),
)


@given(root=ROOTS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_pages_are_those_of_lazy_loading(joined: Database, schema: Any, root: Ask) -> None:
    check(joined, schema, root)


# -- rows --


def test_joined_rows_are_taken_apart() -> None:
    rows = [(1, "a", 10, "x"), (1, "a", 11, "y"), (2, "b", None, None), (3, "c", 12, None)]
    assert split_rows(rows, 2, (0,), 2) == (
        [(1, "a"), (2, "b"), (3, "c")],
        [(10, "x"), (11, "y"), (12, None)],
    )
    assert split_rows(rows, 2, (1, 0), 3) == (
        [(1, "a"), (2, "b"), (3, "c")],
        [(10, "x"), (11, "y")],
    )
    assert split_rows([], 2, (0,), 2) == ([], [])


def test_rows_that_cannot_be_taken_apart() -> None:
    class Incomparable:
        def __eq__(self, other: object) -> bool:
            raise ValueError("no")

    with pytest.raises(TypeError):
        split_rows((), 1, (0,), 1)  # type: ignore[arg-type]
    with pytest.raises(IndexError):
        split_rows([(1, 2)], 1, (0,), 2)
    with pytest.raises(IndexError):
        split_rows([(1, 2), (1, 2)], 1, (5,), 1)
    with pytest.raises(ValueError, match="no"):
        split_rows([(Incomparable(), 1), (Incomparable(), 1)], 1, (0,), 1)


SCRIPT = """
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool
from graphene_sqlalchemy_c._core import split_rows
from tests import joined_zoo
from tests.test_joined_pages import DEEP, few

engine = create_engine("sqlite://", poolclass=StaticPool)
joined_zoo.Base.metadata.create_all(engine)
with Session(engine) as session:
    joined_zoo.fill(session)
schema = joined_zoo.build_schema()
query = joined_zoo.query_of(few("allWriters", DEEP))
rows = [(1, "a", 10, "x"), (1, "a", 11, "y"), (2, "b", None, None)]

def split():
    assert split_rows(rows, 2, (0, 1), 2) == ([(1, "a"), (2, "b")], [(10, "x"), (11, "y")])

def pages():
    with Session(engine) as session:
        result = schema.execute(query, context_value={"session": session})
    for error in result.errors or ():
        raise error.original_error or error

OPERATIONS = (split, pages)
"""


@runs_plain_python
def test_every_allocation_may_fail() -> None:
    assert count_failures(SCRIPT, 200) > 100
