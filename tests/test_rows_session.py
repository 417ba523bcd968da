"""DESIGN section 6, "The session is respected": which session, autoflush, and nothing implicit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import graphene
import pytest
from sqlalchemy import Engine, event, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import NullPool

import graphene_sqlalchemy_c

from . import library
from .conftest import Database
from .library import Author, Book, Disc, Review, Tag, book_tags
from .rows_harness import ask, same, selects, sync_way, way

DEEP = (
    """{ authors { id name books { id title tags { id name } reviews { id author { name } } } } }"""
)
LEVELS = 5
BOOKS = "{ authors { id books { id title } } }"


def texts(data: Any) -> Iterator[str]:
    """Every name and title of a response."""
    if isinstance(data, list):
        for each in data:
            yield from texts(each)
    elif isinstance(data, dict):
        for key, value in data.items():
            if key in ("name", "title"):
                yield value
            else:
                yield from texts(value)


def all_of_other(result: Any) -> bool:
    assert result.errors is None
    found = list(texts(result.data))
    return len(found) > 20 and all(each.startswith("other ") for each in found)


# -- which session --


@sync_way
def test_the_session_of_the_query_and_of_the_instances_comes_first(
    lib: Database, other: Engine, way: Any
) -> None:
    """The context's session is another one, on another database: nothing may come from there."""
    route, form, _ = way
    if form == "select":
        with Session(lib.engine) as session:
            context = {"session": session, "root": lambda *_: select(Author).order_by(Author.id)}
            result = library.schema(route).execute(DEEP, context_value=context)
        assert result.errors is None
        assert not any(each.startswith("other ") for each in texts(result.data))
        return
    with Session(lib.engine) as session, Session(other) as own:
        found = own.query(Author).order_by(Author.id)
        context = {"session": session, "root": lambda *_: found if form == "query" else found.all()}
        with lib.statements() as mine, lib.statements(other) as theirs:
            result = library.schema(route).execute(DEEP, context_value=context)
    assert all_of_other(result)
    assert mine == [] and len(theirs) <= LEVELS


@sync_way
def test_a_query_needs_no_session_in_the_context(lib: Database, way: Any) -> None:
    """As with Flask-SQLAlchemy's `Model.query`."""
    route, form, _ = way
    with Session(lib.engine) as session:
        found = session.query(Author).order_by(Author.id)
        root = {"query": lambda *_: found, "instances": lambda *_: found.all()}.get(
            form, lambda *_: select(Author)
        )
        result = library.schema(route).execute(DEEP, context_value={"root": root})
        stock = library.schema("stock").execute(
            DEEP, context_value={"root": lambda *_: found.all()}
        )
    if form == "select":
        assert result.data == {"authors": None} and len(result.errors) == 1
        assert result.errors[0].path == ["authors"]
    else:
        assert result.errors is None and result.data == stock.data


def test_a_model_with_a_query_property(lib: Database) -> None:
    factory = scoped_session(sessionmaker(lib.engine))
    Author.query = factory.query_property()
    try:
        root = {"root": lambda _model, info: info.return_type.of_type.graphene_type.get_query(info)}
        for route in ("stock", "import", "own"):
            result = library.schema(route).execute(DEEP, context_value=root)
            assert result.errors is None and len(result.data["authors"]) == 8
            assert len(list(texts(result.data))) > 20
    finally:
        del Author.query
        factory.remove()


@pytest.mark.parametrize("route", ["import", "own"])
def test_instances_of_two_databases_in_one_list(lib: Database, other: Engine, route: str) -> None:
    with Session(lib.engine) as first, Session(other) as second:
        pairs = zip(
            first.scalars(select(Author).order_by(Author.id)),
            second.scalars(select(Author).order_by(Author.id)),
            strict=True,
        )
        roots = [author for pair in pairs for author in pair]
        context = {"session": first, "root": lambda *_: roots}
        with lib.statements() as mine, lib.statements(other) as theirs:
            result = library.schema(route).execute(DEEP, context_value=context)
    assert result.errors is None
    for index, author in enumerate(result.data["authors"]):
        assert all(each.startswith("other ") == bool(index % 2) for each in texts(author))
    assert len(mine) <= LEVELS - 1 and len(theirs) <= LEVELS - 1


def test_two_roots_of_two_queries_of_two_sessions(lib: Database, other: Engine) -> None:
    query = "{ a: authors { name books { title } } b: authors { name books { title } } }"
    with Session(lib.engine) as first, Session(other) as second:
        sessions = {"a": first, "b": second}
        context = {"root": lambda _, info: sessions[info.path.key].query(Author)}
        result = library.schema("own").execute(query, context_value=context)
    assert result.errors is None
    assert not any(each.startswith("other ") for each in texts(result.data["a"]))
    assert all_of_other(type(result)(data=result.data["b"]))


@sync_way
def test_a_scoped_session_in_the_context(lib: Database, way: Any) -> None:
    route, form, _ = way
    stock, _ = ask(lib, library.schema("stock"), DEEP)
    factory = scoped_session(sessionmaker(lib.engine))
    roots = {
        "instances": lambda *_: factory.scalars(select(Author).order_by(Author.id)).all(),
        "query": lambda *_: factory.query(Author).order_by(Author.id),
        "select": lambda *_: select(Author).order_by(Author.id),
    }
    context = {"session": factory, "root": roots[form]}
    with lib.statements() as executed:
        result = library.schema(route).execute(DEEP, context_value=context)
    factory.remove()
    assert result.formatted == stock.formatted and len(executed) <= LEVELS


@pytest.mark.parametrize("form", ["instances", "select"])
@pytest.mark.asyncio
async def test_an_async_scoped_session_in_the_context(lib: Database, form: str) -> None:
    stock, _ = ask(lib, library.schema("stock"), DEEP)
    engine = create_async_engine(lib.async_url, poolclass=NullPool)
    factory = async_scoped_session(async_sessionmaker(engine), scopefunc=asyncio.current_task)
    statement = select(Author).order_by(Author.id)

    async def load() -> Any:
        return (await factory.scalars(statement)).all()

    context = {"session": factory, "root": lambda *_: statement if form == "select" else load()}
    with lib.statements(engine.sync_engine) as executed:
        result = await library.schema("own").execute_async(DEEP, context_value=context)
    await factory.remove()
    await engine.dispose()
    assert result.formatted == stock.formatted and len(executed) <= LEVELS


@way
def test_what_the_transaction_has_done_is_seen(lib: Database, way: Any) -> None:
    """Rows are read on the session's own connection, inside its transaction."""

    def prepare(session: Session) -> None:
        session.execute(update(Book).values(title="unseen by others"))
        session.execute(update(Author).where(Author.id == 2).values(name="unseen too"))
        session.begin_nested()
        session.execute(update(Tag).values(name="nor this"))

    result, _ = same(lib, DEEP, way, prepare=prepare)
    assert {"unseen by others", "unseen too", "nor this"} <= set(texts(result.data))


@sync_way
def test_a_session_that_joined_a_connection(lib: Database, way: Any) -> None:
    """The recipe for test suites: Session(bind=connection) inside an outer transaction."""
    route, form, _ = way
    roots = {
        "instances": lambda session: session.query(Author).order_by(Author.id).all(),
        "query": lambda session: session.query(Author).order_by(Author.id),
        "select": lambda session: select(Author).order_by(Author.id),
    }
    with lib.engine.connect() as connection:
        connection.execute(update(Book.__table__).values(title="other"))
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            context = {"session": session, "root": lambda *_: roots[form](session)}
            result = library.schema(route).execute(BOOKS, context_value=context)
        connection.rollback()
    assert result.errors is None and set(texts(result.data)) == {"other"}


# -- autoflush and pending changes --


def new(session: Session) -> list[Any]:
    added = [
        Author(id=90, name="new"),
        Book(id=91, title="new", rating=1, author_id=2),
        Book(id=92, title="new and of a new one", rating=1, author_id=90),
        Tag(id=93, name="new"),
        Review(id=94, stars=1, book_id=1, author_id=90),
    ]
    session.add_all(added)
    return added


def dirty(session: Session) -> list[Any]:
    book, author, tag = session.get(Book, 1), session.get(Author, 3), session.get(Tag, 1)
    assert book and author and tag
    book.title, book.author_id, author.name, tag.name = "dirty", 1, "dirty", "dirty"
    review = session.get(Review, 10)
    assert review
    review.author_id = 5
    return [book, author, tag, review]


def deleted(session: Session) -> list[Any]:
    gone = [session.get(Review, 5), session.get(Tag, 5), session.get(Author, 8)]
    for each in gone:
        session.delete(each)
    return gone


def appended(session: Session) -> list[Any]:
    book, author = session.get(Book, 2), session.get(Author, 6)
    assert book and author
    book.tags.append(Tag(id=95, name="appended"))
    author.books.append(Book(id=96, title="appended", rating=0))
    author.mentor = session.get(Author, 7)
    return [book, author]


def removed(session: Session) -> list[Any]:
    book, author = session.get(Book, 7), session.get(Author, 2)
    assert book and author
    book.tags.clear()
    author.books[:1] = []
    return [book, author]


CHANGES: dict[str, Callable[[Session], Any]] = {
    "new": new,
    "dirty": dirty,
    "deleted": deleted,
    "appended": appended,
    "removed": removed,
    "all": lambda session: [f(session) for f in (new, dirty, deleted, appended, removed)],
}
QUERIES = {
    "down": DEEP,
    "up": "{ reviews { id author { id name mentor { name } } book { title author { name } } } }",
    "secondary": "{ tags { name books { title tags { name } } } }",
}


@way
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("autoflush", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_pending_changes(lib: Database, way: Any, change: str, autoflush: bool, query: str) -> None:
    """Autoflush writes them first; without it they are seen as the ORM shows them."""
    same(lib, QUERIES[query], way, prepare=CHANGES[change], autoflush=autoflush)


@way
@pytest.mark.parametrize("change", CHANGES)
def test_autoflush_flushes_before_it_reads_and_only_then(
    lib: Database, way: Any, change: str
) -> None:
    _, executed = same(lib, DEEP, way, prepare=CHANGES[change])
    writes = [
        i for i, sql in enumerate(executed) if sql.split()[0] in ("INSERT", "UPDATE", "DELETE")
    ]
    assert writes, "nothing was flushed"
    reads = [i for i, sql in enumerate(executed) if sql.startswith("SELECT lib_") and i < writes[0]]
    # Deleting an object may load what depends on it; that is the flush's own.
    assert reads == [] or change in ("deleted", "all")
    _, executed = same(lib, DEEP, way, prepare=CHANGES[change], autoflush=False)
    assert len(executed) == len(selects(executed))


BETWEEN: dict[str, Callable[[Session, Any], None]] = {
    "new": lambda session, author: session.add(Book(id=97, title="changed", author_id=author.id)),
    "dirty": lambda session, author: setattr(author.books[0], "title", "changed"),
    "deleted": lambda session, author: session.delete(author.books[0]),
    "in place": lambda session, author: author.books.append(Book(id=98, title="changed")),
}


@way
@pytest.mark.parametrize("autoflush", [True, False])
@pytest.mark.parametrize("change", BETWEEN)
def test_changes_between_transactions(
    lib: Database, way: Any, change: str, autoflush: bool
) -> None:
    """A change begins a transaction, so a session without one has none (sessions.has_changes)."""

    def prepare(session: Session) -> Any:
        author = session.get(Author, 2)
        assert author and author.books
        kept = [author, *author.books]
        session.commit()
        assert not session.in_transaction()
        BETWEEN[change](session, author)
        assert session.in_transaction()
        return kept

    options = {"autoflush": autoflush, "expire_on_commit": False}
    same(lib, DEEP, way, prepare=prepare, **options)


@sync_way
def test_a_block_without_autoflush(lib: Database, way: Any) -> None:
    """`with session.no_autoflush:` around the request."""
    blocks = []

    def prepare(session: Session) -> Any:
        kept = CHANGES["all"](session)
        block = session.no_autoflush
        block.__enter__()
        blocks.append(block)
        return kept

    _, executed = same(lib, DEEP, way, prepare=prepare)
    assert len(executed) == len(selects(executed))


@way
def test_pending_objects_of_a_subclass_count(lib: Database, way: Any) -> None:
    """A dirty Disc is a dirty Medium; a new Shop is a new Place."""
    query = "{ authors { id media { id title } discs { title tracks } place { town } } }"

    def prepare(session: Session) -> Any:
        disc = session.get(Disc, 4)
        assert disc
        disc.title, disc.tracks = "dirty", 99
        author = session.get(Author, 3)
        assert author and author.place
        author.place.town = "dirty town"
        return disc, author, author.place

    result, _ = same(lib, query, way, prepare=prepare, autoflush=False)
    assert "dirty town" in str(result.data) and "'tracks': 99" in str(result.data)


@way
def test_pending_objects_of_models_outside_of_the_query_disturb_nothing(
    lib: Database, way: Any
) -> None:
    def prepare(session: Session) -> Any:
        tag = session.get(Tag, 1)
        assert tag
        tag.name = "dirty"
        return tag

    _, executed = same(lib, BOOKS, way, prepare=prepare, autoflush=False)
    assert len(executed) <= 2
    _, executed = same(lib, BOOKS, way, prepare=prepare)
    assert len(selects(executed)) <= 2


@sync_way
def test_what_a_flush_inside_the_query_writes_is_seen_below(lib: Database, way: Any) -> None:
    """A resolver of a first root changes the session; the second root's rows show it."""
    query = "{ tags { name } authors { name books { title } } }"

    def answer(route: str, form: str) -> Any:
        with Session(lib.engine) as session:

            def root(model: Any, _info: Any) -> Any:
                if model is Tag:
                    for book in session.query(Book):
                        book.title = "changed"
                    session.info["kept"] = session.query(Author).filter(Author.id < 4).all()
                    for author in session.info["kept"]:
                        author.name = "changed"
                    return session.query(Tag).all()
                if form == "select":
                    return select(Author).order_by(Author.id)
                found = session.query(Author).order_by(Author.id)
                return found if form == "query" else found.all()

            context = {"session": session, "root": root}
            return library.schema(route).execute(query, context_value=context)

    stock = answer("stock", "instances")
    result = answer(*way[:2])
    assert result.formatted == stock.formatted
    assert "changed" in str(result.data["authors"][0])


@pytest.mark.parametrize("form", ["query", "select"])
@pytest.mark.parametrize("mode", ["sync", "async", "asyncsession"])
def test_a_statement_in_the_payload_of_a_mutation(lib: Database, form: str, mode: str) -> None:
    """It is run before the next mutation changes what it reads."""
    if (form, mode) == ("query", "asyncsession"):
        form = "select"

    class Rename(graphene.Mutation):
        class Arguments:
            name = graphene.String()

        authors = graphene.List(lambda: author_type)

        def mutate(_root: Any, info: Any, name: str) -> Any:
            session = info.context["session"]
            statement = update(Author).where(Author.id < 3).values(name=name)
            if not isinstance(session, AsyncSession):
                session.execute(statement)
                found = session.query(Author) if form == "query" else select(Author)
                return Rename(authors=found.order_by(Author.id))

            async def later() -> Any:
                await session.execute(statement)
                return Rename(authors=select(Author).order_by(Author.id))

            return later()

    author_type = library.build_schema("own").graphql_schema.type_map["Author"].graphene_type
    mutation = type("Mutation", (graphene.ObjectType,), {"rename": Rename.Field()})
    query = type("Query", (graphene.ObjectType,), {"name": graphene.String()})
    schema = graphene_sqlalchemy_c.Schema(query=query, mutation=mutation)
    text_ = """mutation { a: rename(name: "first") { authors { name books { id } } }
                          b: rename(name: "second") { authors { name books { id } } } }"""
    result, _ = ask(lib, schema, text_, mode=mode)
    assert result.errors is None
    for key, name in (("a", "first"), ("b", "second")):
        assert [each["name"] for each in result.data[key]["authors"][:3]] == [
            name,
            name,
            "author 3",
        ]
        assert len(result.data[key]["authors"][0]["books"]) == 4


@sync_way
def test_a_failing_autoflush_is_an_error_of_every_field_it_served(lib: Database, way: Any) -> None:
    query = "{ authors { books { id } } }"

    def prepare(session: Session) -> Any:
        session.info["roots"] = session.query(Author).order_by(Author.id).all()
        session.add(Book(id=1, title="a second number one", rating=0))

    def answer(route: str, form: str, mode: str = "sync") -> Any:
        if form != "instances":
            return ask(lib, library.schema(route), query, form, mode, prepare=prepare)[0]
        with Session(lib.engine) as session:
            prepare(session)
            context = {"session": session, "root": lambda *_: session.info["roots"]}
            return library.schema(route).execute(query, context_value=context)

    result, stock = answer(*way), answer("stock", "instances")
    assert result.errors and isinstance(result.errors[0].original_error, IntegrityError)
    paths = [error.path for error in result.errors]
    if way[1] == "instances":
        assert result.data == stock.data and paths == [error.path for error in stock.errors]
        assert len(paths) == 8
    else:
        assert result.data == {"authors": None} and paths == [["authors"]]


@way
def test_expired_instances_beside_rows(lib: Database, way: Any) -> None:
    """After a commit everything in the session is expired."""

    def prepare(session: Session) -> Any:
        kept = [*session.query(Author), *session.query(Book), *session.query(Tag)]
        session.commit()
        return kept

    result, _ = same(lib, DEEP, way, prepare=prepare)
    assert result.errors is None


@way
def test_rows_may_be_fresher_than_instances_but_instances_are_read(lib: Database, way: Any) -> None:
    """The table was changed behind the session's back, by the session's own connection."""

    def prepare(session: Session) -> Any:
        kept = session.query(Author).all()
        session.connection().execute(text("UPDATE lib_authors SET name = 'fresh'"))
        return kept

    result, _ = ask(lib, library.schema(way[0]), "{ authors { name } }", *way[1:], prepare=prepare)
    assert result.errors is None
    found = {author["name"] for author in result.data["authors"]}
    stale = {f"author {i}" for i in range(4)}
    if way[1] == "instances":
        assert found == stale
    else:
        assert found in ({"fresh"}, stale)


# -- nothing implicit --

ALL_COLUMNS = """
    { authors { id name nick country motto diary twice label
        books { id title rating blurb label author { id diary }
          tags { id name } reviews { id stars text } }
        media { __typename id title } discs { id title tracks }
        shop { id town clerk customers { id } } place { __typename id town }
        mentor { id diary twice } pupils { id diary } } }"""


@way
def test_every_kind_of_attribute_without_implicit_io(lib: Database, way: Any) -> None:
    result, executed = same(lib, ALL_COLUMNS, way)
    assert result.errors is None
    if way[0] == "own":
        # One for each level; a deferred column of instances at the root may be read one by one.
        assert len(executed) <= (20 if way[1] == "instances" else 12)


@pytest.mark.parametrize("form", ["instances", "select"])
def test_every_statement_of_an_async_session_is_awaited_by_the_plan(
    lib: Database, form: str
) -> None:
    """No instance is left with an attribute that the query selected and that is not loaded."""

    def prepare(session: Session) -> Any:
        kept = [*session.query(Author), *session.query(Book)]
        session.expire_all()
        return kept

    way = ("own", form, "asyncsession")
    result, _ = same(lib, ALL_COLUMNS, way, prepare=prepare)
    assert result.errors is None


@pytest.mark.asyncio
async def test_two_requests_with_one_schema_and_two_async_sessions(lib: Database) -> None:
    engine = create_async_engine(lib.async_url, poolclass=NullPool)

    async def request(limit: int) -> Any:
        async with AsyncSession(engine) as session:
            statement = select(Author).where(Author.id <= limit).order_by(Author.id)
            context = {"session": session, "root": lambda *_: statement}
            return await library.schema("own").execute_async(DEEP, context_value=context)

    results = await asyncio.gather(*(request(limit) for limit in range(1, 9)))
    await engine.dispose()
    stock, _ = ask(lib, library.schema("stock"), DEEP)
    for limit, result in enumerate(results, 1):
        assert result.errors is None
        assert result.data["authors"] == stock.data["authors"][:limit]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_threads_do_not_mix_their_sessions(lib: Database, other: Engine, mode: str) -> None:
    """One schema, one cached plan, two databases at a time."""
    from concurrent.futures import ThreadPoolExecutor

    def request(number: int) -> bool:
        with Session(other if number % 2 else lib.engine) as session:
            context = {"session": session, "root": lambda *_: session.query(Author)}
            if mode == "sync":
                result = library.schema("own").execute(DEEP, context_value=context)
            else:
                result = asyncio.run(
                    library.schema("own").execute_async(DEEP, context_value=context)
                )
        assert result.errors is None
        found = {each.startswith("other ") for each in texts(result.data)}
        return found == {bool(number % 2)}

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(request, range(24)))


def test_the_association_holds_a_tag_twice_and_the_answer_holds_it_once(lib: Database) -> None:
    """The data of these tests are what they believe."""
    with Session(lib.engine) as session:
        pairs = session.execute(select(book_tags.c.book_id, book_tags.c.tag_id)).all()
        assert len(pairs) > len(set(pairs))


def test_a_listener_of_the_engine_sees_every_statement(lib: Database) -> None:
    """Rows are fetched by SQLAlchemy's execution: tracing hangs on engine events."""
    seen: list[Any] = []
    event.listen(lib.engine, "before_execute", lambda *args: seen.append(args[1]))
    _, executed = same(lib, DEEP, ("own", "query", "sync"))
    stock_share = len(seen) - len(executed)
    assert 0 < len(executed) <= LEVELS < stock_share
