"""DESIGN section 6, binds and the session's own ways: get_bind, execute, do_orm_execute, shards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Engine, event, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.ext.horizontal_shard import ShardedSession
from sqlalchemy.orm import Session, sessionmaker, with_loader_criteria
from sqlalchemy.pool import NullPool
from sqlalchemy.sql import Delete, Insert, Update

from . import library
from .conftest import Database
from .library import Author, Book, Disc, Medium, Review, Tag
from .rows_harness import SYNC_WAYS, ask, same, sync_way, way, way_id

DEEP = """{ authors { id name books { id title reviews { id stars author { name } }
                                        author { id name } } media { id title } } }"""
LEVELS = 6


def check_sources(result: Any, books: bool, authors: bool, media: bool = False) -> None:
    """Whether books, authors and media came from the other database."""
    assert result.errors is None
    seen = 0
    for author in result.data["authors"]:
        assert author["name"].startswith("other ") == authors
        assert all(each["title"].startswith("other ") == media for each in author["media"])
        for book in author["books"]:
            assert book["title"].startswith("other ") == books
            assert book["author"]["name"].startswith("other ") == authors
            seen += 1
    assert seen > 10


# -- binds --


@sync_way
def test_binds_by_mapper(lib: Database, other: Engine, way: Any) -> None:
    options = {"binds": {Book: other, Medium: other}}
    with lib.statements(other) as theirs:
        result, mine = same(lib, DEEP, way, **options)
    check_sources(result, books=True, authors=False, media=True)
    assert mine and theirs


@sync_way
def test_binds_by_table(lib: Database, other: Engine, way: Any) -> None:
    result, _ = same(lib, DEEP, way, binds={Author.__table__: other})
    check_sources(result, books=False, authors=True)


@sync_way
def test_binds_by_base_class(lib: Database, other: Engine, way: Any) -> None:
    """Disc is bound through its base, Medium."""
    query = "{ authors { discs { id title } } }"
    result, _ = same(lib, query, way, binds={Medium: other})
    titles = [disc["title"] for author in result.data["authors"] for disc in author["discs"]]
    assert len(titles) == 4 and all(title.startswith("other ") for title in titles)
    result, _ = same(lib, query, way, binds={library.Base: other})
    assert result.errors is None


@pytest.mark.parametrize("form", ["instances", "select"])
def test_binds_of_an_async_session(lib: Database, other: Engine, form: str) -> None:
    async def main() -> Any:
        engine = create_async_engine(lib.async_url, poolclass=NullPool)
        second = create_async_engine(
            other.url.set(drivername="sqlite+aiosqlite"), poolclass=NullPool
        )
        async with AsyncSession(engine, binds={Book: second}) as session:
            statement = select(Author).order_by(Author.id)

            async def load() -> Any:
                return (await session.scalars(statement)).all()

            root = load if form == "instances" else lambda: statement
            context = {"session": session, "root": lambda *_: root()}
            result = await library.schema("own").execute_async(DEEP, context_value=context)
        await engine.dispose()
        await second.dispose()
        return result

    check_sources(asyncio.run(main()), books=True, authors=False)


def routing_session(main: Engine, other: Engine) -> tuple[Any, list[Any]]:
    """The recipe "custom vertical partitioning" of SQLAlchemy's documentation, which notes calls.

    Its get_bind takes a mapper and a clause, and nothing else.
    """
    calls: list[Any] = []

    class RoutingSession(Session):
        def get_bind(self, mapper: Any = None, clause: Any = None) -> Any:  # type: ignore[override]
            calls.append((mapper and inspect(mapper).class_, type(clause).__name__))
            if mapper is not None and issubclass(inspect(mapper).class_, Book):
                return other
            if self._flushing or isinstance(clause, (Update, Delete, Insert)):
                raise AssertionError("the query writes nothing")
            return main

    return RoutingSession, calls


@way
def test_a_session_with_a_get_bind_of_its_own(lib: Database, other: Engine, way: Any) -> None:
    if way[2] == "asyncsession":
        main, second = (
            create_async_engine(f"sqlite+aiosqlite:///{engine.url.database}", poolclass=NullPool)
            for engine in (lib.engine, other)
        )
        session_class, calls = routing_session(main.sync_engine, second.sync_engine)
    else:
        session_class, calls = routing_session(lib.engine, other)
    result, _ = ask(lib, library.schema(way[0]), DEEP, *way[1:], session_class=session_class)
    check_sources(result, books=True, authors=False)
    assert {mapper for mapper, _ in calls} >= {Author, Book, Medium, Review}


@sync_way
def test_get_bind_is_given_the_mapper_and_the_clause(
    lib: Database, other: Engine, way: Any
) -> None:
    """Who looks at the statement alone is answered by the statement."""
    stock_class, stock_calls = routing_session(lib.engine, other)
    ask(lib, library.schema("stock"), DEEP, session_class=stock_class)
    session_class, calls = routing_session(lib.engine, other)
    ask(lib, library.schema(way[0]), DEEP, *way[1:], session_class=session_class)
    with_clause = {(mapper, clause) for mapper, clause in calls if clause != "NoneType"}
    assert with_clause == {each for each in stock_calls if each[1] != "NoneType"}
    assert len(calls) <= 3 * LEVELS


@sync_way
def test_a_get_bind_that_looks_at_the_clause_only(lib: Database, other: Engine, way: Any) -> None:
    class ByClause(Session):
        def get_bind(self, mapper: Any = None, *, clause: Any = None, **_: Any) -> Any:
            if clause is None:
                return lib.engine
            froms = clause.get_final_froms() if hasattr(clause, "get_final_froms") else ()
            return other if any(Book.__table__ in _tables(each) for each in froms) else lib.engine

    result, _ = same(lib, DEEP, way, session_class=ByClause)
    check_sources(result, books=True, authors=False)


def _tables(selectable: Any) -> set[Any]:
    found = {selectable}
    for name in ("left", "right", "element"):
        if hasattr(selectable, name):
            found |= _tables(getattr(selectable, name))
    return found


@sync_way
def test_the_execution_options_of_the_connection_hold(
    lib: Database, other: Engine, way: Any
) -> None:
    """A schema_translate_map of the session's connection reaches every level."""

    def prepare(session: Session) -> None:
        session.connection(execution_options={"schema_translate_map": {None: "elsewhere"}})
        session.execute(text(f"ATTACH DATABASE '{other.url.database}' AS elsewhere"))

    result, executed = same(lib, DEEP, way, prepare=prepare)
    check_sources(result, books=True, authors=True, media=True)
    assert all("elsewhere." in sql for sql in executed)


class Lost(Session):
    def get_bind(self, mapper: Any = None, **kwargs: Any) -> Any:
        if mapper is not None and issubclass(inspect(mapper).class_, Book):
            raise RuntimeError("no bind today")
        return super().get_bind(mapper, **kwargs)


@sync_way
def test_a_bind_that_fails_is_a_located_error(lib: Database, way: Any) -> None:
    result, _ = same(lib, "{ authors { id books { id } } }", way, session_class=Lost)
    assert result.errors and len(result.errors) == 8
    assert str(result.errors[0].original_error) == "no bind today"
    route, form, mode = way
    result, _ = ask(lib, library.schema(route), "{ books { id } }", form, mode, session_class=Lost)
    assert result.data == {"books": None} and result.errors[0].path == ["books"]
    assert str(result.errors[0].original_error) == "no bind today"


# -- execute --


@way
def test_a_session_that_overrides_execute(lib: Database, way: Any) -> None:
    """A tenant filter in `execute` is in every level, the root of a statement included."""
    seen: list[Any] = []

    class Filtering(Session):
        def execute(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
            seen.append(statement)
            if statement.is_select:
                statement = statement.options(
                    with_loader_criteria(Book, Book.rating > 2, propagate_to_loaders=False)
                )
            return super().execute(statement, *args, **kwargs)

    query = "{ tags { name books { id rating author { id books { id rating } } } } }"
    result, executed = same(lib, query, way, session_class=Filtering)
    ratings = [book["rating"] for tag in result.data["tags"] for book in tag["books"]]
    assert ratings and min(ratings) > 2
    seen.clear()
    _, executed = ask(lib, library.schema(way[0]), query, *way[1:], session_class=Filtering)
    # Instances at the root are loaded by `scalars`, which is not `execute`.
    assert len(executed) - (way[1] == "instances") <= len(seen) <= len(executed)


@way
def test_a_filter_on_the_root_by_execute(lib: Database, way: Any) -> None:
    class Filtering(Session):
        def execute(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
            if statement.is_select:
                statement = statement.options(with_loader_criteria(Author, Author.id > 4))
            return super().execute(statement, *args, **kwargs)

        def scalars(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
            return self.execute(statement, *args, **kwargs).scalars()

    result, _ = same(lib, "{ authors { id pupils { id } } }", way, session_class=Filtering)
    assert [author["id"] for author in result.data["authors"]] == ["5", "6", "7", "8"]


# -- do_orm_execute --


def listening(*listeners: Any) -> Any:
    """A Session class with do_orm_execute listeners of its own."""
    session_class = type("Listening", (Session,), {})
    for listener in listeners:
        event.listen(session_class, "do_orm_execute", listener)
    return session_class


def only_good_books(state: Any) -> None:
    """The recipe "adding global WHERE criteria" of SQLAlchemy's documentation."""
    if (
        state.is_select
        and not state.is_column_load
        and not state.is_relationship_load
        and not state.execution_options.get("include_bad", False)
    ):
        state.statement = state.statement.options(
            with_loader_criteria(Book, lambda cls: cls.rating > 2, include_aliases=True)
        )


RATINGS = "{ authors { id books { id rating tags { name books { id rating } } } } }"


def ratings(data: Any) -> list[int]:
    return [book["rating"] for author in data["authors"] for book in author["books"]]


@way
def test_a_listener_that_adds_criteria(lib: Database, way: Any) -> None:
    result, executed = same(lib, RATINGS, way, session_class=listening(only_good_books))
    assert ratings(result.data) and min(ratings(result.data)) > 2
    assert len(executed) <= 4


@way
def test_a_batch_is_no_relationship_load_to_listeners(lib: Database, way: Any) -> None:
    """What hangs on the rows of a statement that opts out is filtered all the same.

    In stock a lazy load says that it is a relationship load, which no public API lets a batch say;
    so a listener reaches more than it does in stock, never less. In the README.
    """

    def shape(statement: Any, model: Any) -> Any:
        return statement.order_by(model.id).execution_options(include_bad=True)

    route, form, mode = way
    options = {"session_class": listening(only_good_books), "shape": shape}
    stock, _ = ask(lib, library.schema("stock"), RATINGS, legacy=form == "query", **options)
    options["legacy"] = form == "query"
    result, _ = ask(lib, library.schema(route), RATINGS, form, mode, **options)
    assert min(ratings(stock.data)) < 2
    assert result.errors is None and min(ratings(result.data)) > 2


@way
def test_a_root_that_opts_out_of_the_listeners_criteria(lib: Database, way: Any) -> None:
    """The execution options of a narrowed statement are its own still."""

    def shape(statement: Any, model: Any) -> Any:
        return statement.order_by(model.id).execution_options(include_bad=True)

    session_class = listening(only_good_books)
    query = "{ books { id rating } }"
    result, _ = same(lib, query, way, session_class=session_class, shape=shape)
    assert min(book["rating"] for book in result.data["books"]) == 0
    result, _ = same(lib, query, way, session_class=session_class)
    assert min(book["rating"] for book in result.data["books"]) == 3


@way
def test_criteria_that_a_listener_adds_for_an_option_of_the_root(lib: Database, way: Any) -> None:
    """A tenant that only the root statement names: the criteria are carried from there."""

    def tenant(state: Any) -> None:
        rating = state.execution_options.get("tenant")
        if state.is_select and rating is not None:
            state.statement = state.statement.options(
                with_loader_criteria(Book, Book.rating == rating, include_aliases=True)
            )

    def shape(statement: Any, model: Any) -> Any:
        return statement.order_by(model.id).execution_options(tenant=3)

    result, _ = same(lib, RATINGS, way, session_class=listening(tenant), shape=shape)
    assert set(ratings(result.data)) == {3}


@way
def test_criteria_that_execute_adds_for_one_statement(lib: Database, way: Any) -> None:
    """The same by an overridden execute, which sees the statement before the events do."""

    class Tenant(Session):
        def execute(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
            if statement.is_select and self.info.setdefault("first", True):
                self.info["first"] = False
                option = with_loader_criteria(Book, Book.rating == 3, include_aliases=True)
                statement = statement.options(option)
            return super().execute(statement, *args, **kwargs)

        def scalars(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
            return self.execute(statement, *args, **kwargs).scalars()

    result, _ = same(lib, RATINGS, way, session_class=Tenant)
    assert set(ratings(result.data)) == {3}


@way
def test_a_listener_that_acts_on_relationship_loads_only(lib: Database, way: Any) -> None:
    """Batches are SELECTs of their own, so it has to act on every SELECT. In the README."""
    seen: list[bool] = []

    def note(state: Any) -> None:
        seen.append(state.is_relationship_load)

    route, form, mode = way
    result, executed = ask(
        lib,
        library.schema(route),
        RATINGS,
        form,
        mode,
        legacy=form == "query",
        session_class=listening(note),
    )
    assert ratings(result.data) and len(executed) <= 4
    assert seen and not any(seen)


@way
def test_a_listener_that_sees_the_mapper_of_each_statement(lib: Database, way: Any) -> None:
    seen: set[Any] = set()

    def note(state: Any) -> None:
        assert state.is_orm_statement and state.is_select
        assert not state.is_insert and not state.is_update and not state.is_delete
        seen.add(state.bind_mapper.class_)

    _, executed = same(lib, DEEP, way, session_class=listening(note))
    assert seen == {Author, Book, Medium, Review} and len(executed) <= LEVELS


@way
def test_a_listener_that_runs_the_statement_itself(lib: Database, way: Any) -> None:
    """A listener may return the result: re-executed, frozen, from a cache."""
    calls: list[Any] = []

    def run(state: Any) -> Any:
        calls.append(state)
        if state.is_select:
            return state.invoke_statement().freeze()()
        return None

    result, executed = same(lib, DEEP, way, session_class=listening(run))
    assert result.errors is None and len(executed) <= LEVELS and calls


@way
def test_a_listener_that_replaces_the_statement(lib: Database, way: Any) -> None:
    """Criteria put into WHERE, not into an option."""

    def where(state: Any) -> None:
        if state.is_select and state.bind_mapper.class_ is Review:
            state.statement = state.statement.where(Review.stars > 1)

    query = "{ authors { id reviews { id stars } } }"
    result, _ = same(lib, query, way, session_class=listening(where))
    stars = [r["stars"] for author in result.data["authors"] for r in author["reviews"]]
    assert stars and min(stars) > 1
    result, _ = same(lib, "{ reviews { id stars } }", way, session_class=listening(where))
    assert min(review["stars"] for review in result.data["reviews"]) > 1


@way
@pytest.mark.parametrize("where", ["instance", "factory", "Session"])
def test_listeners_wherever_they_were_added(lib: Database, way: Any, where: str) -> None:
    if where == "instance":

        def prepare(session: Session) -> None:
            event.listen(session, "do_orm_execute", only_good_books)

        result, _ = same(lib, RATINGS, way, prepare=prepare)
    elif where == "factory":
        factory = sessionmaker(lib.engine)
        event.listen(factory, "do_orm_execute", only_good_books)
        result, _ = same(lib, RATINGS, way, session_class=factory.class_)
    else:
        event.listen(Session, "do_orm_execute", only_good_books)
        try:
            result, _ = same(lib, RATINGS, way)
        finally:
            event.remove(Session, "do_orm_execute", only_good_books)
    assert min(ratings(result.data)) > 2


def test_a_listener_that_comes_and_goes_between_two_executions_of_one_plan(lib: Database) -> None:
    found = []
    for session_class in (Session, listening(only_good_books), Session):
        result, _ = same(lib, RATINGS, ("own", "select", "sync"), session_class=session_class)
        found.append(min(ratings(result.data)))
    assert found == [0, 3, 0]


@way
def test_a_listener_that_fails(lib: Database, way: Any) -> None:
    def refuse(state: Any) -> None:
        if state.bind_mapper.class_ is Tag:
            raise PermissionError("tags are secret")

    query = "{ books { id tags { id } author { id } } }"
    result, _ = same(lib, query, way, session_class=listening(refuse))
    assert result.errors and len(result.errors) == 24
    result, _ = ask(
        lib, library.schema(way[0]), "{ tags { id } }", *way[1:], session_class=listening(refuse)
    )
    assert result.data == {"tags": None} and result.errors[0].path == ["tags"]
    assert isinstance(result.errors[0].original_error, PermissionError)


# -- shards --

# A Query over shards makes its merged rows unique by id() while they are garbage collected, in
# stock too, so the form is left out.
shard_way = pytest.mark.parametrize(
    "way", [way for way in SYNC_WAYS if way[1] != "query"], ids=way_id
)


def sharded(lib: Database, other: Engine) -> Any:
    """Two shards that hold the same primary keys; what belongs to a parent lives beside it."""

    def of_parent(parent: Any) -> list[str]:
        return ["a", "b"] if parent is None else [parent.identity_token]

    def session_class(_bind: Any, **options: Any) -> Any:
        return ShardedSession(
            shards={"a": lib.engine, "b": other},
            shard_chooser=lambda *_: "a",
            identity_chooser=lambda *_, lazy_loaded_from=None, **__: of_parent(lazy_loaded_from),
            execute_chooser=lambda context: of_parent(context.lazy_loaded_from),
            **options,
        )

    return session_class


@shard_way
def test_children_come_from_the_shard_of_their_parent(
    lib: Database, other: Engine, way: Any
) -> None:
    """Whatever stock answers with its lazy loads of sharded parents."""
    query = "{ authors { id name books { title author { name } } media { title } } }"
    result, _ = same(lib, query, way, session_class=sharded(lib, other))
    assert result.errors is None and len(result.data["authors"]) == 16


@shard_way
def test_a_many_to_one_over_shards(lib: Database, other: Engine, way: Any) -> None:
    query = "{ books { id title author { id name } } }"
    result, _ = same(lib, query, way, session_class=sharded(lib, other))
    assert result.errors is None and len(result.data["books"]) == 48
    with_author = [book for book in result.data["books"] if book["author"]]
    for book in with_author:
        mine = book["title"].startswith("other ")
        assert mine == book["author"]["name"].startswith("other ")


def test_the_discs_of_the_library_are_single_table() -> None:
    assert inspect(Disc).local_table is inspect(Medium).local_table
