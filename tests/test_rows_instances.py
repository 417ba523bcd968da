"""Rows beside instances: what is read from an instance, which levels need instances, their mixes.

DESIGN section 6: "A relationship or column that an instance has loaded or changed already is read
from the instance, never loaded over"; "A user's override is called".
"""

from __future__ import annotations

from typing import Any

import graphene
import pytest
from sqlalchemy import event, inspect, select, text, update
from sqlalchemy.orm import Mapper, Session, make_transient, selectinload, undefer
from sqlalchemy.orm.attributes import set_committed_value

from graphene_sqlalchemy_c import ORMField

from . import library
from .conftest import Database
from .library import Author, Book, Disc, Medium, Review, Shop, Tag
from .rows_harness import WAYS, ask, by_key, same, selects, shown, sync_way, way, way_id

instances_way = pytest.mark.parametrize(
    "way", [way for way in WAYS if way[1] == "instances"], ids=way_id
)


def with_fields(fields: Any, meta: Any = None) -> Any:
    """route -> schema, with more attributes of the types' classes."""
    made: dict[str, Any] = {}

    def schemas(route: str) -> Any:
        if route not in made:
            made[route] = library.build_schema(route, fields=fields, meta=meta)
        return made[route]

    return schemas


# -- what an instance has is read from it --

BOOKS = "{ authors { id name books { id title } } }"


@instances_way
def test_loaded_and_changed_relationships_of_the_roots(lib: Database, way: Any) -> None:
    """Beside roots whose relationship is not loaded, which are loaded together."""

    def prepare(session: Session) -> Any:
        authors = session.query(Author).order_by(Author.id).all()
        book = session.get(Book, 24)
        set_committed_value(authors[0], "books", [book])
        authors[1].books.append(Book(id=90, title="appended", rating=0))
        authors[2].books = []
        criteria = selectinload(Author.books.and_(Book.rating > 3))
        statement = select(Author).where(Author.id == 4).options(criteria)
        session.scalars(statement.execution_options(populate_existing=True)).all()
        session.expire(authors[4], ["books"])
        return authors

    result, executed = same(lib, BOOKS, way, prepare=prepare, autoflush=False)
    shown = {author["id"]: author["books"] for author in result.data["authors"]}
    assert shown["1"] == [{"id": "24", "title": "title 0"}] and shown["3"] == []
    assert {"id": "90", "title": "appended"} in shown["2"]
    assert len(executed) <= 2


@instances_way
def test_loaded_and_changed_columns_of_the_roots(lib: Database, way: Any) -> None:
    query = "{ authors { id name nick country motto diary twice books { id } } }"

    def prepare(session: Session) -> Any:
        authors = session.query(Author).options(undefer(Author.diary)).order_by(Author.id).all()
        authors[0].name, authors[1].diary = "changed", "changed diary"
        set_committed_value(authors[2], "name", "committed")
        set_committed_value(authors[3], "twice", 1000)
        authors[4].country = library.Country.DE
        authors[5].motto = "not shouted yet"
        return authors

    result, _ = same(lib, query, way, prepare=prepare, autoflush=False)
    shown = result.data["authors"]
    assert shown[0]["name"] == "changed" and shown[1]["diary"] == "changed diary"
    assert shown[2]["name"] == "committed" and shown[3]["twice"] == 1000
    assert shown[4]["country"] == "DE" and shown[5]["motto"] == "not shouted yet"


@instances_way
def test_what_hangs_on_a_loaded_relationship_is_read_from_its_instances(
    lib: Database, way: Any
) -> None:
    """Instances under instances, down to where nothing is loaded."""
    query = "{ authors { id books { id title tags { id name } reviews { id stars } } } }"

    def prepare(session: Session) -> Any:
        option = selectinload(Author.books).selectinload(Book.tags)
        authors = session.query(Author).options(option).order_by(Author.id).all()
        for book in authors[1].books:
            set_committed_value(book, "title", "committed")
        for tag in authors[0].books[0].tags:
            set_committed_value(tag, "name", "committed")
        set_committed_value(authors[2].books[0], "reviews", [])
        return authors

    result, executed = same(lib, query, way, prepare=prepare)
    titles = {book["title"] for book in result.data["authors"][1]["books"]}
    assert titles == {"committed"}
    assert len(executed) <= 2


@instances_way
def test_a_loaded_many_to_one(lib: Database, way: Any) -> None:
    query = "{ books { id author { id name shop { clerk } } } }"

    def prepare(session: Session) -> Any:
        books = session.query(Book).order_by(Book.id).all()
        stranger = Author(id=77, name="stranger", shop=Shop(id=78, clerk="Bob", town="t"))
        session.expunge_all()
        session.add_all(books)
        set_committed_value(books[0], "author", stranger)
        set_committed_value(books[1], "author", None)
        return books, stranger

    result, _ = same(lib, query, way, prepare=prepare, autoflush=False)
    assert result.data["books"][0]["author"]["shop"] == {"clerk": "Bob"}
    assert result.data["books"][1]["author"] is None


@way
def test_no_instance_is_loaded_over(lib: Database, way: Any) -> None:
    """What the session holds is as it was, and holds no more than the query needs."""

    def prepare(session: Session) -> Any:
        author = session.get(Author, 1)
        assert author
        author.name = "changed"
        set_committed_value(author, "books", [])
        session.info["author"] = author
        prepare.author = author  # type: ignore[attr-defined]
        return author

    ask(lib, library.schema(way[0]), BOOKS, *way[1:], prepare=prepare, autoflush=False)
    state = prepare.author  # type: ignore[attr-defined]
    assert vars(state).get("books", []) == []


# -- levels that need instances, and their neighbours --

MIXES = {
    "instances over rows": "{ authors { label books { title reviews { stars } } } }",
    "rows over instances": "{ authors { name books { label reviews { stars } } } }",
    "rows, instances, rows, instances": """{ tags { name books { label reviews { stars
                                              author { label } } } } }""",
    "one alias needs instances": "{ authors { a: books { title } b: books { label } } }",
    "one fragment needs instances": """{ authors { ...A ...B } }
        fragment A on Author { books { title reviews { stars } } }
        fragment B on Author { books { label author { name books { label } } } }""",
    "many-to-one": "{ books { title author { label shop { clerk customers { label } } } } }",
    "many-to-many": "{ books { label tags { name books { label tags { name } } } } }",
    "self-referential": "{ authors { name mentor { label mentor { name pupils { label } } } } }",
    "an association proxy": "{ authors { name books { title tagNames } } }",
    "single-table": "{ authors { label media { title } discs { tracks } } }",
    "joined": "{ authors { label shop { town clerk customers { name } } place { town } } }",
}
LEVELS = {
    "rows, instances, rows, instances": 4,
    "one fragment needs instances": 6,
    "many-to-one": 4,
    "many-to-many": 4,
    "self-referential": 4,
    "single-table": 3,
    "joined": 4,
}


@way
@pytest.mark.parametrize("name", MIXES)
def test_rows_and_instances_mix(lib: Database, way: Any, name: str) -> None:
    result, executed = same(lib, MIXES[name], way)
    assert result.errors is None
    if way[0] == "own" and name != "an association proxy":  # which may read the attribute
        assert len(executed) <= LEVELS.get(name, 3)


@way
@pytest.mark.parametrize("name", MIXES)
def test_mixes_with_pending_changes(lib: Database, way: Any, name: str) -> None:
    def prepare(session: Session) -> Any:
        book, author = session.get(Book, 1), session.get(Author, 2)
        assert book and author
        book.title, book.rating, author.nick = "dirty", 99, "dirty"
        return book, author

    for autoflush in (True, False):
        same(lib, MIXES[name], way, prepare=prepare, autoflush=autoflush)


# -- a user's own code --


def reads_everything(root: Any, _info: Any) -> str:
    """What a Python resolver may read: any column and any relationship."""
    assert isinstance(root, Book) and inspect(root).persistent
    return f"{root.title}/{root.rating}/{root.author_id}"


def reads_a_relationship(root: Any, _info: Any) -> str:
    return f"{len(root.reviews)} reviews by {root.author and root.author.name}"


def sometimes_fails(root: Any, _info: Any) -> str:
    if root.id % 3 == 0:
        raise ValueError(f"no title for {root.id}")
    return str(root.title)


@way
def test_a_resolver_gets_an_instance(lib: Database, way: Any) -> None:
    schemas = with_fields({Book: {"resolve_title": staticmethod(reads_everything)}})
    query = "{ authors { id name books { title tags { name } } } books { title } }"
    if way[1:] == ("instances", "asyncsession"):
        query = "{ authors { id name books { title tags { name } } } }"
    result, executed = same(lib, query, way, schemas)
    assert result.data["authors"][0]["books"][0]["title"] == "title 6/1/1"
    assert way[0] != "own" or len(executed) <= 4
    # Where the query does not select it, nobody calls it.
    result, executed = same(lib, "{ authors { id books { rating } } }", way, schemas)
    assert result.errors is None and len(executed) <= 2


@sync_way
def test_a_resolver_may_read_a_relationship(lib: Database, way: Any) -> None:
    schemas = with_fields({Book: {"resolve_title": staticmethod(reads_a_relationship)}})
    result, _ = same(lib, "{ authors { id books { id title rating } } }", way, schemas)
    assert result.data["authors"][0]["books"][0]["title"] == "4 reviews by author 1"


@way
def test_a_resolver_that_fails_for_some(lib: Database, way: Any) -> None:
    schemas = with_fields({Book: {"resolve_title": staticmethod(sometimes_fails)}})
    result, _ = same(lib, "{ tags { name books { id rating title } } }", way, schemas)
    assert result.errors and {error.path[-1] for error in result.errors} == {"title"}


@way
def test_an_own_resolver_of_a_relationship(lib: Database, way: Any) -> None:
    def resolve_books(root: Any, info: Any) -> Any:
        assert isinstance(root, Author)
        return [] if root.name == "author 1" else list(root.__dict__.get("books") or ())

    def resolve_shop(root: Any, info: Any) -> Any:
        return Shop(id=99, clerk=f"made for {root.name}", town="t")

    schemas = with_fields({Author: {"resolve_books": resolve_books, "resolve_shop": resolve_shop}})
    query = "{ books { id author { id shop { clerk } books { id } } } }"
    result, _ = same(lib, query, way, schemas)
    assert "made for author 2" in str(result.data)


@way
def test_a_field_of_the_users_own_beside_the_models(lib: Database, way: Any) -> None:
    def resolve_shelf(root: Any, info: Any, floor: int) -> str:
        return f"{floor}.{root.author_id}.{root.title}"

    schemas = with_fields(
        {
            Book: {
                "shelf": lambda: graphene.String(floor=graphene.Int(default_value=1)),
                "resolve_shelf": resolve_shelf,
            }
        }
    )
    query = "{ authors { name books { rating shelf other: shelf(floor: 2) } } }"
    result, executed = same(lib, query, way, schemas)
    assert result.errors is None and result.data["authors"][0]["books"][0]["other"] == "2.1.title 6"
    assert len(executed) <= 2


@way
def test_an_async_resolver_under_rows(lib: Database, way: Any) -> None:
    async def resolve_title(root: Any, info: Any) -> str:
        return f"{root.title} of {root.author_id}"

    if way[2] == "sync":
        pytest.param  # a coroutine needs an event loop  # noqa: B018
        way = (way[0], way[1], "async")
    schemas = with_fields({Book: {"resolve_title": resolve_title}})
    plain = with_fields(
        {Book: {"resolve_title": lambda_of(lambda root, info: f"{root.title} of {root.author_id}")}}
    )
    query = "{ authors { name books { title author { name } } } }"
    stock, _ = ask(lib, plain("stock"), query)
    result, _ = ask(lib, schemas(way[0]), query, *way[1:])
    assert result.formatted == stock.formatted


def lambda_of(function: Any) -> Any:
    """A function that is not called when the schema is built."""

    def resolve(root: Any, info: Any) -> Any:
        return function(root, info)

    return resolve


@way
@pytest.mark.parametrize("answer", ["ids", "never", "raises"])
def test_an_own_is_type_of(lib: Database, way: Any, answer: str) -> None:
    def is_type_of(cls: Any, root: Any, info: Any) -> Any:
        assert isinstance(root, Book)
        if answer == "raises" and root.id == 6:
            raise ValueError("what is this?")
        return answer != "never" if answer != "ids" else root.id % 2 == 0

    schemas = with_fields({Book: {"is_type_of": classmethod(is_type_of)}})
    result, _ = same(lib, "{ authors { id books { id rating } } }", way, schemas)
    assert result.errors


@way
def test_a_type_with_its_own_resolve_id(lib: Database, way: Any) -> None:
    def resolve_id(root: Any, info: Any) -> str:
        return f"{type(root).__name__}-{root.id}"

    schemas = with_fields({Book: {"resolve_id": resolve_id}, Tag: {"resolve_id": resolve_id}})
    result, _ = same(lib, "{ authors { id books { id tags { id } } } }", way, schemas)
    assert result.data["authors"][0]["books"][0]["id"] == "Book-6"


@way
def test_a_default_resolver_of_the_type(lib: Database, way: Any) -> None:
    def default_resolver(attname: str, default: Any, root: Any, info: Any, **_: Any) -> Any:
        return f"<{getattr(root, attname, default)}>"

    fields = {Book: {"shelf": lambda: graphene.String(), "motto": lambda: graphene.String()}}
    meta = {Book: {"default_resolver": default_resolver}}
    schemas = with_fields(fields, meta)
    result, _ = same(lib, "{ authors { id books { id title shelf motto } } }", way, schemas)
    assert result.data["authors"][0]["books"][0]["shelf"] == "<None>"


@way
def test_middleware_sees_every_field_of_an_instance(lib: Database, way: Any) -> None:
    def answer(route: str, form: str, mode: str) -> Any:
        seen: list[Any] = []

        def middleware(next_: Any, root: Any, info: Any, **args: Any) -> Any:
            seen.append((type(root).__name__, info.field_name))
            return next_(root, info, **args)

        schema = library.schema(route)
        with Session(lib.engine) as session:
            statement = select(Author).order_by(Author.id)
            found = statement if form == "select" else session.scalars(statement).all()
            context = {"session": session, "root": lambda *_: found}
            result = schema.execute(
                "{ authors { name books { title } } }",
                context_value=context,
                middleware=[middleware],
            )
        return result.formatted, sorted(seen)

    form = "select" if way[1] == "select" else "instances"
    assert answer(way[0], form, "sync") == answer("stock", "instances", "sync")


# -- events of the mapper --


@pytest.fixture
def seen() -> list[str]:
    return []


@way
@pytest.mark.parametrize("target", ["class", "base", "mapper"])
def test_load_events_are_called_for_what_the_query_selects(
    lib: Database, way: Any, seen: list[str], target: str
) -> None:
    def load(instance: Any, _context: Any) -> None:
        seen.append(type(instance).__name__)
        if isinstance(instance, Medium):
            set_committed_value(instance, "title", f"loaded {instance.id}")

    where = {"class": Medium, "base": library.Base, "mapper": Mapper}[target]
    options = {} if target == "mapper" else {"propagate": True}
    event.listen(where, "load", load, **options)
    try:
        made = {route: library.build_schema(route) for route in ("stock", way[0])}
        query = "{ authors { id media { id title } discs { id title } } }"
        result, _ = same(lib, query, way, made.__getitem__)
    finally:
        event.remove(where, "load", load)
    titles = [m["title"] for author in result.data["authors"] for m in author["media"]]
    assert titles and all(title.startswith("loaded ") for title in titles)
    assert {"Medium", "Disc", "Tape"} <= set(seen)


@way
def test_an_event_of_a_subclass_only(lib: Database, way: Any, seen: list[str]) -> None:
    """A Medium level may hold discs."""

    def load(instance: Any, _context: Any) -> None:
        set_committed_value(instance, "title", "loaded")

    event.listen(Disc, "load", load)
    try:
        made = {route: library.build_schema(route) for route in ("stock", way[0])}
        result, _ = same(lib, "{ authors { media { id title } } }", way, made.__getitem__)
    finally:
        event.remove(Disc, "load", load)
    titles = {m["title"] for author in result.data["authors"] for m in author["media"]}
    assert "loaded" in titles and len(titles) == 9


@way
def test_refresh_events(lib: Database, way: Any, seen: list[str]) -> None:
    def refresh(instance: Any, _context: Any, _attributes: Any) -> None:
        set_committed_value(instance, "name", f"refreshed {instance.id}")

    def prepare(session: Session) -> Any:
        kept = session.query(Author).all()
        session.expire_all()
        return kept

    event.listen(Author, "refresh", refresh)
    try:
        made = {route: library.build_schema(route) for route in ("stock", way[0])}
        query = "{ authors { id name pupils { id name } } }"
        result, _ = same(lib, query, way, made.__getitem__, prepare=prepare)
    finally:
        event.remove(Author, "refresh", refresh)
    names = [author["name"] for author in result.data["authors"]]
    assert all(name.startswith("refreshed ") for name in names)


# -- columns of every kind --

COLUMNS = {
    "enum": "{ books { id author { id country } } authors { country } }",
    "type decorator": "{ books { id author { id motto } } authors { motto } }",
    "renamed column": "{ books { id author { id nick } } authors { nick } }",
    "deferred": "{ books { id blurb author { id diary } } }",
    "column_property": "{ books { id author { twice } } authors { twice } }",
    "typename": "{ books { __typename author { __typename } } media { __typename id } }",
    "only typename": "{ authors { __typename books { __typename } } }",
    "only a relationship": "{ authors { books { tags { id } } } }",
    "single-table": "{ media { id title } discs { id title tracks } tapes { minutes } }",
    "joined": "{ places { id town } shops { id town clerk customers { id } } }",
    "foreign keys": "{ books { authorId author { shopId } } }",
    "aliases": "{ books { a: id b: id c: title d: title author { e: name f: name } } }",
}


def one_at_a_time(query: str) -> list[str]:
    """Queries of one root field each."""
    parts, depth, start = [], 0, 2
    for index, char in enumerate(query[1:-1], 1):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "}" and depth == 0:
            parts.append("{ " + query[start : index + 1] + " }")
            start = index + 1
    return parts


@way
@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_every_kind(lib: Database, way: Any, name: str) -> None:
    for query in one_at_a_time(COLUMNS[name]):
        result, _ = same(lib, query, way)
        assert result.errors is None


@pytest.mark.parametrize("form", ["instances", "select"])
@pytest.mark.parametrize("mode", ["sync", "asyncsession"])
@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_every_kind_on_every_database(
    libraries: Database, form: str, mode: str, name: str
) -> None:
    for query in one_at_a_time(COLUMNS[name]):
        result, _ = same(libraries, query, ("own", form, mode))
        assert result.errors is None


@way
def test_fields_renamed_by_ormfield(lib: Database, way: Any) -> None:
    fields = {
        Author: {
            "called": lambda: ORMField(model_attr="name"),
            "nickname": lambda: ORMField(model_attr="nick", required=True),
            "number": lambda: ORMField(model_attr="id", type_=graphene.Int),
        },
        Book: {"heading": lambda: ORMField(model_attr="title", type_=graphene.ID)},
    }
    schemas = with_fields(fields)
    query = "{ authors { number called name books { id heading author { called } } } }"
    result, executed = same(lib, query, way, schemas)
    assert result.errors is None and len(executed) <= 3
    # One nick is NULL.
    result, _ = same(lib, "{ books { id author { id nickname } } }", way, schemas)
    assert {tuple(error.path[2:]) for error in result.errors} == {("author", "nickname")}


@way
@pytest.mark.parametrize("broken", ["enum", "null", "int"])
def test_values_that_cannot_be_serialised(lib: Database, way: Any, broken: str) -> None:
    """The error is that of the field, at each of its places."""
    change, query = {
        "enum": (
            "UPDATE lib_authors SET country = 'MOON' WHERE id IN (2, 5)",
            "{ authors { id country } }",
        ),
        "null": (
            "UPDATE lib_reviews SET stars = 'many' WHERE id IN (3, 7)",
            "{ books { id reviews { id stars } } }",
        ),
        "int": (
            "UPDATE lib_books SET rating = 3000000000 WHERE id IN (2, 3)",
            "{ authors { id books { id rating } } }",
        ),
    }[broken]
    with lib.engine.begin() as connection:
        connection.execute(text(change))
    if broken == "enum":
        # The ORM cannot load the row at all: an error of the root, whatever loads it.
        result, _ = ask(lib, library.schema(way[0]), query, *way[1:])
        assert result.data == {"authors": None} and [e.path for e in result.errors] == [["authors"]]
        assert isinstance(result.errors[0].original_error, LookupError)
        return
    result, _ = same(lib, query, way)
    paths = [error.path for error in result.errors]
    assert len(paths) == 2 and {path[-1] for path in paths} == {
        "stars" if broken == "null" else "rating"
    }


@way
def test_null_in_a_column_that_the_model_says_has_none(lib: Database, way: Any) -> None:
    with lib.engine.begin() as connection:
        connection.execute(text("CREATE TABLE copy AS SELECT * FROM lib_books"))
        connection.execute(text("DROP TABLE lib_books"))
        connection.execute(text("ALTER TABLE copy RENAME TO lib_books"))
        connection.execute(update(Book.__table__).where(Book.id.in_([2, 6, 8])).values(rating=None))
    result, _ = same(lib, "{ authors { id books { id rating } } }", way)
    assert [error.path[-1] for error in result.errors] == ["rating"] * 2
    assert None in result.data["authors"] or any(
        author["books"] is None or None in author["books"] for author in result.data["authors"]
    )


# -- what many rows share --


@pytest.fixture
def thousand(lib: Database) -> Database:
    """A thousand reviews of one book, by one author."""
    with Session(lib.engine) as session:
        session.execute(update(Review).values(book_id=5, author_id=3))
        session.add_all(Review(id=i, stars=1, book_id=5, author_id=3) for i in range(100, 1060))
        session.commit()
    return lib


SHARED = "{ reviews { id book { id title tags { id name } author { id name } } } }"


@way
def test_a_shared_target_is_fetched_once(thousand: Database, way: Any) -> None:
    result, executed = same(thousand, SHARED, way)
    assert result.errors is None and len(result.data["reviews"]) == 1000
    assert len(selects(executed)) <= 4


@way
def test_each_place_of_a_shared_target_has_its_own_dict(thousand: Database, way: Any) -> None:
    """A user may change the answer at one place without changing another."""
    result, _ = ask(thousand, library.schema(way[0]), SHARED, *way[1:])
    books = [review["book"] for review in result.data["reviews"]]
    assert len(set(map(id, books))) == 1000
    for key in ("tags", "author"):
        assert len({id(book[key]) for book in books}) == 1000
    assert len({id(tag) for book in books for tag in book["tags"]}) == 1000
    books[0]["title"] = "changed"
    books[0]["author"]["name"] = "changed"
    books[0]["tags"].clear()
    assert all(book["title"] != "changed" for book in books[1:])
    assert all(book["author"]["name"] != "changed" and book["tags"] for book in books[1:])


@way
def test_an_error_inside_a_shared_target_is_reported_at_each_path(lib: Database, way: Any) -> None:
    with lib.engine.begin() as connection:
        connection.execute(update(Review.__table__).values(book_id=5, author_id=3))
        connection.execute(update(Book.__table__).where(Book.id == 5).values(rating=3_000_000_000))
    result, _ = same(lib, "{ reviews { id book { id title rating } } }", way)
    assert [error.path for error in result.errors] == [
        ["reviews", index, "book", "rating"] for index in range(40)
    ]
    # Two levels below, and beside errors of other places.
    result, _ = same(lib, "{ reviews { id author { id reviews { book { rating } } } } }", way)
    assert len(result.errors) == 1600


@way
def test_a_failing_statement_below_a_shared_target(lib: Database, way: Any) -> None:
    with lib.engine.begin() as connection:
        connection.execute(update(Review.__table__).values(book_id=5))
        connection.execute(text("ALTER TABLE lib_book_tags RENAME TO gone"))
    result, _ = ask(
        lib, library.schema(way[0]), "{ reviews { id book { id tags { id } } } }", *way[1:]
    )
    assert [error.path for error in result.errors] == [
        ["reviews", index, "book", "tags"] for index in range(40)
    ]


@way
def test_targets_that_are_not_there(lib: Database, way: Any) -> None:
    """A key that points nowhere is no error."""
    with lib.engine.begin() as connection:
        connection.execute(text("PRAGMA foreign_keys = OFF"))
        connection.execute(text("UPDATE lib_books SET author_id = 999 WHERE id < 5"))
    result, _ = same(lib, "{ books { id author { id name books { id } } } }", way)
    assert [book["author"] for book in result.data["books"][:4]] == [None] * 4


# -- lists of roots that are not just instances --


@sync_way
def test_odd_lists_of_roots(lib: Database, way: Any) -> None:
    """Duplicates, None, strangers, transient and detached instances, dicts, instances of others."""
    route, form, _ = way

    def roots(session: Session) -> list[Any]:
        authors = session.query(Author).order_by(Author.id).all()
        detached = authors[5]
        session.expunge(detached)
        transient = authors[6]
        make_transient(transient)
        return [
            authors[0],
            authors[0],
            None,
            authors[1],
            object.__new__(Odd),
            {"id": 1},
            session.get(Book, 1),
            Author(id=70, name="new"),
            detached,
            transient,
            ValueError("an error as an item"),
            authors[0],
        ]

    def answer(route: str) -> Any:
        with Session(lib.engine) as session:
            found = roots(session)
            root = {"root": lambda *_: iter(found) if form == "query" else found}
            context = {"session": session, **root}
            query = "{ authors { id name books { id author { name } } } }"
            return library.schema(route).execute(query, context_value=context)

    result, stock = answer(route), answer("stock")
    assert shown(result) == shown(stock) and len(result.errors) >= 4


class Odd:
    def __repr__(self) -> str:
        return "<odd>"

    __str__ = __repr__


@way
def test_a_subclass_where_its_base_is_declared(lib: Database, way: Any) -> None:
    """Discs and tapes under a type of Medium, shops under a type of Place."""
    same(lib, "{ media { __typename id title } }", way)
    result, _ = same(lib, "{ places { __typename id town } }", way)
    assert {place["__typename"] for place in result.data["places"]} == {"Place"}


@way
def test_variables_skip_and_include(lib: Database, way: Any) -> None:
    """One document, two plans."""
    query = """query ($deep: Boolean!) { authors { id name @skip(if: $deep)
               books @include(if: $deep) { id label @skip(if: $deep) title } } }"""
    for deep in (True, False, True):
        result, executed = same(lib, query, way, variables={"deep": deep})
        assert result.errors is None and len(executed) == 1 + deep


@way
def test_the_order_of_keys_is_that_of_the_document(lib: Database, way: Any) -> None:
    query = """{ authors { books { rating ...F id } name ...G id shop { town id } } }
               fragment F on Book { title tags { name id } reviews { id } }
               fragment G on Author { nick books { author { id } } }"""
    result, _ = same(lib, query, way)
    author = result.data["authors"][1]
    assert list(author) == ["books", "name", "nick", "id", "shop"]
    assert list(author["books"][0]) == ["rating", "title", "tags", "reviews", "id", "author"]
    assert list(author["books"][0]["tags"][0] if author["books"][0]["tags"] else "no") in (
        ["name", "id"],
        ["n", "o"],
    )


@way
def test_an_ordered_root_keeps_its_order(lib: Database, way: Any) -> None:
    def shape(statement: Any, model: Any) -> Any:
        return statement.order_by(model.name.desc(), model.id.desc())

    result, _ = same(lib, "{ authors { id books { id } } }", way, shape=shape)
    assert [author["id"] for author in result.data["authors"][:3]] == ["7", "3", "6"]


def test_the_library_orders_by_key() -> None:
    assert "ORDER BY lib_authors.id" in str(by_key(select(Author), Author))
