"""DESIGN section 6: what stock would carry into a child load is carried into every row level.

A tenant filter that gets lost is the worst bug this package can have.
"""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import graphene
import pytest
from graphene import relay
from sqlalchemy import and_, event, func, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import (
    Load,
    Session,
    aliased,
    contains_eager,
    defaultload,
    defer,
    immediateload,
    joinedload,
    lazyload,
    load_only,
    noload,
    raiseload,
    selectin_polymorphic,
    selectinload,
    subqueryload,
    undefer,
    with_loader_criteria,
)
from sqlalchemy.orm.interfaces import UserDefinedOption
from sqlalchemy.pool import NullPool

from graphene_sqlalchemy_c import Schema, SQLAlchemyConnectionField

from . import library
from .conftest import Database
from .library import Author, Book, Country, Disc, Keyed, Medium, Place, Review, Shop, Tag
from .rows_harness import FORMS, WAYS, ask, by_key, same, shown, start, sync_way, way, way_id

DEEP = """{ authors { id name books { id rating author { id name } tags { id name books { id } }
                                      reviews { id stars } }
                      media { id title } discs { id tracks } pupils { id mentor { id } }
                      shop { id clerk } } }"""
PLACES = "{ authors { id place { __typename id town } } }"

# Two resolvers of instances would use one AsyncSession at the same time.
two_roots_way = pytest.mark.parametrize(
    "way", [way for way in WAYS if way[1:] != ("instances", "asyncsession")], ids=way_id
)


def shaped(*options: Any) -> Any:
    return lambda statement, model: by_key(statement, model).options(*options)


def differs(lib: Database, query: str, *options: Any) -> None:
    """The options change stock's answer: without that, a test shows nothing."""
    plain, _ = ask(lib, library.schema("stock"), query)
    stock, _ = ask(lib, library.schema("stock"), query, shape=shaped(*options))
    assert shown(stock) != shown(plain)


# -- with_loader_criteria --

CRITERIA: dict[str, list[Any]] = {
    "child": [with_loader_criteria(Book, Book.rating > 2)],
    "child and its targets": [
        with_loader_criteria(Book, Book.rating != 1),
        with_loader_criteria(Tag, Tag.id < 3),
        with_loader_criteria(Review, Review.stars > 1),
    ],
    "lambda": [with_loader_criteria(Book, lambda cls: cls.rating > 2)],
    "aliases": [with_loader_criteria(Book, Book.rating > 2, include_aliases=True)],
    "mixin": [with_loader_criteria(Keyed, lambda cls: cls.id < 7, include_aliases=True)],
    "root": [with_loader_criteria(Author, Author.id != 3)],
    "root, in aliases too": [with_loader_criteria(Author, Author.id != 3, include_aliases=True)],
    "not to the loaders": [with_loader_criteria(Book, Book.rating > 2, propagate_to_loaders=False)],
    "root, not to the loaders": [
        with_loader_criteria(Author, Author.id != 3, propagate_to_loaders=False)
    ],
    "base of single-table": [with_loader_criteria(Medium, Medium.id > 4)],
    "subclass of single-table": [with_loader_criteria(Disc, Disc.id > 4)],
    "column of single-table": [with_loader_criteria(Disc, Disc.tracks > 4)],
    "base of joined": [with_loader_criteria(Place, Place.id > 3)],
    "subclass of joined": [with_loader_criteria(Shop, Shop.id > 3)],
    "a column that is not selected": [with_loader_criteria(Book, Book.title != "title 7")],
    "an enum": [with_loader_criteria(Author, Author.country == Country.AT)],
    "a type decorator": [with_loader_criteria(Author, Author.motto == "LOUD")],
    "a subquery": [
        with_loader_criteria(Book, Book.id.in_(select(Review.book_id).where(Review.stars == 2)))
    ],
    "an exists": [with_loader_criteria(Book, lambda cls: cls.reviews.any(Review.stars == 2))],
    "never": [with_loader_criteria(Book, lambda cls: cls.id < 0)],
}


@way
@pytest.mark.parametrize("name", CRITERIA)
def test_criteria_reach_every_level(lib: Database, way: Any, name: str) -> None:
    # Not in one query: what a Place has brought into the session answers for the Shop in stock.
    query = PLACES if name == "base of joined" else DEEP
    if name != "not to the loaders":
        differs(lib, query, *CRITERIA[name])
    result, _ = same(lib, query, way, shape=shaped(*CRITERIA[name]))
    assert result.errors is None


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["child", "mixin", "lambda", "subclass of joined"])
def test_criteria_on_every_database(libraries: Database, form: str, name: str) -> None:
    result, _ = same(libraries, DEEP, ("own", form, "sync"), shape=shaped(*CRITERIA[name]))
    assert result.errors is None
    if form != "query":
        way = ("own", form, "asyncsession")
        same(libraries, DEEP, way, shape=shaped(*CRITERIA[name]))


RATINGS = "{ authors { id books { id rating tags { books { id rating } } } } }"


def ratings(data: Any) -> set[int]:
    return {book["rating"] for author in data["authors"] for book in author["books"]}


def literal(rating: int) -> Any:
    return with_loader_criteria(Book, Book.rating == rating)


def closure(rating: int) -> Any:
    return with_loader_criteria(Book, lambda cls: cls.rating == rating)


def untracked(rating: int) -> Any:
    return with_loader_criteria(
        Book, lambda cls: cls.rating == rating, track_closure_variables=True, include_aliases=True
    )


@way
@pytest.mark.parametrize("make", [literal, closure, untracked], ids=lambda f: f.__name__)
def test_one_plan_and_another_tenant_each_time(lib: Database, way: Any, make: Any) -> None:
    """A kept statement must not keep the criteria or the values of the request that made it."""
    for rating in (0, 1, 4, 1, 3):
        result, _ = same(lib, RATINGS, way, shape=shaped(make(rating)))
        assert ratings(result.data) == {rating}
    result, _ = same(lib, RATINGS, way)
    assert ratings(result.data) == {0, 1, 2, 3, 4}


@two_roots_way
def test_two_tenants_in_one_operation(lib: Database, way: Any) -> None:
    """Two root fields over one model, each with criteria of its own, in one session."""
    query = "{ authors { id books { rating } } strictAuthors { id books { rating } } }"

    def shape(statement: Any, model: Any, info: Any) -> Any:
        first = info.path.key == "authors"
        statement = by_key(statement, model).options(literal(1 if first else 3))
        return statement.where(model.id < 5 if first else model.id >= 5)

    result, executed = same(lib, query, way, shape=shape)
    assert ratings(result.data) == {1}
    assert ratings({"authors": result.data["strictAuthors"]}) == {3}
    assert way[0] == "import" or len(executed) == 4


@pytest.mark.parametrize("mode", ["sync", "async", "asyncsession"])
def test_two_tenants_see_the_same_rows(lib: Database, mode: str) -> None:
    """As rows, the parents of two statements are not the same instances."""
    query = "{ authors { id books { rating } } strictAuthors { id books { rating } } }"

    def shape(statement: Any, model: Any, info: Any) -> Any:
        return by_key(statement, model).options(literal(1 if info.path.key == "authors" else 3))

    result, _ = ask(lib, library.schema("own"), query, "select", mode, shape=shape)
    assert result.errors is None
    assert ratings(result.data) == {1}
    assert ratings({"authors": result.data["strictAuthors"]}) == {3}


@pytest.mark.parametrize("form", ["instances", "select"])
@pytest.mark.asyncio
async def test_the_criteria_of_concurrent_requests_do_not_meet(lib: Database, form: str) -> None:
    engine = create_async_engine(lib.async_url, poolclass=NullPool)

    async def tenant(rating: int) -> set[int]:
        async with AsyncSession(engine) as session:
            statement = select(Author).order_by(Author.id).options(literal(rating))

            async def load() -> Any:
                return (await session.scalars(statement)).all()

            context = {
                "session": session,
                "root": lambda *_: statement if form == "select" else load(),
            }
            result = await library.schema("own").execute_async(RATINGS, context_value=context)
            assert result.errors is None
            return ratings(result.data)

    found = await asyncio.gather(*(tenant(rating % 5) for rating in range(15)))
    await engine.dispose()
    assert found == [{rating % 5} for rating in range(15)]


@way
def test_criteria_of_a_listener_are_in_every_level(lib: Database, way: Any) -> None:
    """Added to the root statement alone; the option is what carries it down."""

    def add(state: Any) -> None:
        if state.is_select and state.bind_mapper.class_ is Author:
            state.statement = state.statement.options(with_loader_criteria(Book, Book.rating > 2))

    session_class = type("Listening", (Session,), {})
    event.listen(session_class, "do_orm_execute", add)
    result, _ = same(lib, RATINGS, way, session_class=session_class)
    assert ratings(result.data) and min(ratings(result.data)) > 2


@two_roots_way
def test_criteria_of_one_level_down_do_not_climb(lib: Database, way: Any) -> None:
    """Books are loaded by a statement of their own below two different roots."""
    query = "{ authors { id books { id rating } } books { id rating author { id name } } }"

    def shape(statement: Any, model: Any) -> Any:
        options = (with_loader_criteria(Book, Book.rating > 2),) if model is Author else ()
        return by_key(statement, model).options(*options)

    result, _ = same(lib, query, way, shape=shape)
    assert min(ratings(result.data)) > 2 and len(result.data["books"]) == 24


# -- eager options on the root statement --

BOOKS = Author.books.and_(Book.rating > 2)
EAGER: dict[str, list[Any]] = {
    "selectinload": [selectinload(BOOKS)],
    "joinedload": [joinedload(BOOKS)],
    "subqueryload": [subqueryload(BOOKS)],
    "immediateload": [immediateload(BOOKS)],
    "lazyload": [lazyload(BOOKS)],
    "two criteria": [selectinload(Author.books.and_(Book.rating > 2, Book.id < 12))],
    "two levels": [selectinload(BOOKS).selectinload(Book.tags.and_(Tag.id < 3))],
    "two levels, joined": [joinedload(BOOKS).joinedload(Book.tags.and_(Tag.id < 3))],
    "two levels, mixed": [selectinload(BOOKS).joinedload(Book.author.and_(Author.id > 3))],
    "the second level": [selectinload(Author.books).selectinload(Book.tags.and_(Tag.id < 3))],
    "the second level, lazily": [defaultload(Author.books).lazyload(Book.tags.and_(Tag.id < 3))],
    "the third level": [
        defaultload(Author.books).defaultload(Book.tags).lazyload(Tag.books.and_(Book.id < 3))
    ],
    "many-to-one": [
        defaultload(Author.books).selectinload(Book.author.and_(Author.name != "author 1"))
    ],
    "a many-to-one at the top": [selectinload(Author.shop.and_(Shop.id > 3))],
    "single-table": [selectinload(Author.media.and_(Medium.id > 6))],
    "single-table subclass": [joinedload(Author.discs.and_(Disc.tracks > 4))],
    "sub-options": [selectinload(Author.books).options(joinedload(Book.tags.and_(Tag.id < 3)))],
    "beside criteria for all": [
        selectinload(Author.books.and_(Book.id < 12)),
        with_loader_criteria(Book, Book.rating > 2),
    ],
    "lambda": [selectinload(Author.books.and_(Book.id.in_([1, 2, 3, 4])))],
}


@way
@pytest.mark.parametrize("name", EAGER)
def test_eager_options_with_criteria(lib: Database, way: Any, name: str) -> None:
    if name != "immediateload":  # which ignores the criteria
        differs(lib, DEEP, *EAGER[name])
    result, _ = same(lib, DEEP, way, shape=shaped(*EAGER[name]))
    assert result.errors is None


PLAIN: dict[str, list[Any]] = {
    "selectinload": [selectinload(Author.books).selectinload(Book.tags)],
    "joinedload": [joinedload(Author.books).joinedload(Book.author)],
    "subqueryload": [subqueryload(Author.books).subqueryload(Book.tags)],
    "star": [selectinload("*")],
    "selectin_polymorphic": [
        defaultload(Author.media).options(selectin_polymorphic(Medium, [Disc]))
    ],
    "lazyload": [lazyload("*")],
}


@way
@pytest.mark.parametrize("name", PLAIN)
def test_eager_options_without_criteria(lib: Database, way: Any, name: str) -> None:
    """They say when something is loaded, not what.

    An eager load of SQLAlchemy 2.1 gives a child twice that the association holds twice; a lazy one
    gives it once, and so do rows.
    """
    shape = shaped(*PLAIN[name])
    legacy = way[1] == "query"
    eager, _ = ask(lib, library.schema("stock"), DEEP, shape=shape, legacy=legacy)
    lazy, _ = ask(lib, library.schema("stock"), DEEP, legacy=legacy)
    result, executed = ask(lib, library.schema(way[0]), DEEP, *way[1:], shape=shape)
    assert result.errors is None and shown(result) in (shown(eager), shown(lazy))
    if way[1] == "select":
        assert len(executed) <= 24


@way
def test_a_child_that_the_association_holds_twice_comes_once(lib: Database, way: Any) -> None:
    """Rows are what a lazy load gives, with `selectinload` too, which repeats such a child on 2.1.

    Instances that it has loaded show what they hold.
    """
    query = "{ books { id tags { id } } }"
    shape = shaped(selectinload(Book.tags))
    stock = library.schema("stock")
    lazy, _ = ask(lib, stock, query)
    assert all(len(tags) == len({tag["id"] for tag in tags}) for tags in tags_of(lazy))
    expected = ask(lib, stock, query, shape=shape)[0] if way[1] == "instances" else lazy
    result, _ = ask(lib, library.schema(way[0]), query, *way[1:], shape=shape)
    assert shown(result) == shown(expected)


def tags_of(result: Any) -> list[list[dict[str, str]]]:
    return [book["tags"] for book in result.data["books"]]


@way
def test_an_eager_option_of_an_earlier_request_does_not_linger(lib: Database, way: Any) -> None:
    for options in ([selectinload(BOOKS)], [], EAGER["lazyload"], EAGER["two levels"], []):
        same(lib, DEEP, way, shape=shaped(*options))


def contained(statement: Any, model: Any) -> Any:
    statement = statement.join(model.books).where(Book.rating > 2)
    return statement.options(contains_eager(model.books)).order_by(model.id, Book.id)


def contained_alias(statement: Any, model: Any) -> Any:
    book = aliased(Book)
    statement = statement.join(model.books.of_type(book)).where(book.rating > 2)
    return statement.options(contains_eager(model.books.of_type(book))).order_by(model.id, book.id)


def contained_to_one(statement: Any, model: Any) -> Any:
    statement = statement.outerjoin(model.shop).options(contains_eager(model.shop))
    return statement.order_by(model.id)


def contained_two_levels(statement: Any, model: Any) -> Any:
    statement = statement.join(model.books).join(Book.tags).where(Tag.id < 3)
    option = contains_eager(model.books).contains_eager(Book.tags)
    return statement.options(option).order_by(model.id, Book.id, Tag.id)


def contained_with_criteria_below(statement: Any, model: Any) -> Any:
    statement = statement.join(model.books).where(Book.rating > 1)
    option = contains_eager(model.books).selectinload(Book.tags.and_(Tag.id < 3))
    return statement.options(option).order_by(model.id, Book.id)


CONTAINED = [
    contained,
    contained_alias,
    contained_to_one,
    contained_two_levels,
    contained_with_criteria_below,
]


@way
@pytest.mark.parametrize("shape", CONTAINED, ids=lambda shape: shape.__name__)
def test_contains_eager(lib: Database, way: Any, shape: Any) -> None:
    """What the statement's join gave is the collection, however few it holds."""
    same(lib, DEEP, way, shape=shape)


@way
def test_contains_eager_and_the_same_relationship_twice(lib: Database, way: Any) -> None:
    query = "{ authors { a: books { id rating } b: books { id title author { books { id } } } } }"
    result, _ = same(lib, query, way, shape=contained)
    assert result.errors is None


# -- options of columns --

COLUMNS: dict[str, list[Any]] = {
    "load_only": [load_only(Author.name)],
    "load_only of another column": [load_only(Author.nick)],
    "load_only below": [selectinload(Author.books).load_only(Book.title)],
    "load_only below, lazily": [defaultload(Author.books).load_only(Book.title)],
    "load_only with raiseload": [load_only(Author.nick, raiseload=True)],
    "load_only below, with raiseload": [
        defaultload(Author.books).load_only(Book.title, raiseload=True)
    ],
    "defer": [defer(Author.name), defaultload(Author.books).defer(Book.rating)],
    "defer with raiseload": [defer(Author.name, raiseload=True)],
    "defer below, with raiseload": [defaultload(Author.books).defer(Book.rating, raiseload=True)],
    "defer of all": [defer("*")],
    "undefer": [undefer(Author.diary)],
    "undefer of all": [undefer("*")],
    "undefer below": [defaultload(Author.books).undefer(Book.blurb)],
}
COLUMN_QUERY = """{ authors { id name diary twice books { id title rating blurb author { id name } }
                              pupils { id name diary } } }"""


@way
@pytest.mark.parametrize("name", COLUMNS)
def test_options_of_columns(lib: Database, way: Any, name: str) -> None:
    result, _ = same(lib, COLUMN_QUERY, way, shape=shaped(*COLUMNS[name]))
    assert bool(result.errors) == ("raiseload" in name)


# -- raiseload and noload of relationships --

RAISE: dict[str, list[Any]] = {
    "raiseload": [raiseload(Author.books)],
    "raiseload of the sql only": [raiseload(Author.books, sql_only=True)],
    "raiseload of all": [Load(Author).raiseload("*")],
    "raiseload of everything": [raiseload("*")],
    "raiseload below": [defaultload(Author.books).raiseload(Book.tags)],
    "raiseload below an eager load": [selectinload(Author.books).raiseload(Book.author)],
    "everything but one": [selectinload(Author.books), Load(Author).raiseload("*")],
}


@way
@pytest.mark.parametrize("name", RAISE)
def test_raiseload_keeps_the_orms_error(lib: Database, way: Any, name: str) -> None:
    query = "{ authors { id books { id tags { id } author { id } } pupils { id } shop { id } } }"
    result, _ = same(lib, query, way, shape=shaped(*RAISE[name]))
    assert result.errors


@way
def test_noload_is_empty(lib: Database, way: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated since 2.1
        options = [noload(Author.books), noload(Author.shop)]
    query = "{ authors { id books { id } shop { id } pupils { id } } }"
    result, _ = same(lib, query, way, shape=shaped(*options))
    assert {len(author["books"]) for author in result.data["authors"]} == {0}


# -- other options --


class Noted(UserDefinedOption):
    """An option of an application's own, as caches use them."""

    propagate_to_loaders = True


class Unpropagated(UserDefinedOption):
    propagate_to_loaders = False


@way
@pytest.mark.parametrize(
    "option", [Noted("payload"), Unpropagated("payload")], ids=["carried", "not"]
)
def test_user_defined_options(lib: Database, way: Any, option: Any) -> None:
    """A listener sees the option where it would see it with lazy loads."""
    seen: set[Any] = set()

    def listen(state: Any) -> None:
        if any(each is option for each in state.user_defined_options):
            seen.add(state.bind_mapper.class_)

    session_class = type("Listening", (Session,), {})
    event.listen(session_class, "do_orm_execute", listen)
    query = "{ authors { id books { id tags { id } } } }"
    ask(lib, library.schema("stock"), query, shape=shaped(option), session_class=session_class)
    expected = set(seen)
    assert expected
    seen.clear()
    _, executed = ask(
        lib,
        library.schema(way[0]),
        query,
        *way[1:],
        shape=shaped(option),
        session_class=session_class,
    )
    assert seen == expected and len(executed) <= 3


@sync_way
def test_options_of_instances_that_were_loaded_each_in_its_own_way(lib: Database, way: Any) -> None:
    """One list of roots; every instance carries what its own statement carried."""
    route, form, _ = way
    if form != "instances":
        return same_statement_for_all(lib, way)

    def answer(route: str) -> Any:
        with Session(lib.engine) as session:
            first = select(Author).where(Author.id < 3).options(literal(1))
            second = select(Author).where(Author.id.in_([3, 4])).options(selectinload(BOOKS))
            third = select(Author).where(Author.id > 4).options(lazyload(BOOKS))
            roots = [
                session.get(Author, 1, options=[literal(2)]),
                *session.scalars(third),
                *session.scalars(second),
                *session.scalars(first),
            ]
            context = {"session": session, "root": lambda *_: roots}
            return library.schema(route).execute(DEEP, context_value=context)

    result = answer(route)
    assert result.formatted == answer("stock").formatted and result.errors is None


def same_statement_for_all(lib: Database, way: Any) -> None:
    """A statement's options hold for all its rows, also where the session knows some of them."""

    def prepare(session: Session) -> Any:
        return session.scalars(select(Author).where(Author.id < 4).options(literal(1))).all()

    def shape(statement: Any, model: Any) -> Any:
        statement = by_key(statement, model).options(literal(3))
        return statement.execution_options(populate_existing=True)

    result, _ = ask(lib, library.schema(way[0]), RATINGS, *way[1:], prepare=prepare, shape=shape)
    assert result.errors is None and ratings(result.data) == {3}


@way
def test_criteria_with_a_condition_of_several_entities(lib: Database, way: Any) -> None:
    option = with_loader_criteria(
        Book,
        lambda cls: and_(
            cls.rating > 0, cls.id <= select(func.max(Review.book_id)).scalar_subquery()
        ),
    )
    differs(lib, DEEP, option)
    same(lib, DEEP, way, shape=shaped(option))


@way
def test_one_row_by_its_key_with_criteria(lib: Database, way: Any) -> None:
    """A single root, for which the statement finds nothing or one."""
    query = "{ author { id books { id rating } } }"

    def only(wanted: int) -> Any:
        criteria = [*CRITERIA["root"], *CRITERIA["child"]]
        return lambda statement, model: statement.where(model.id == wanted).options(*criteria)

    for wanted in (1, 3):
        result, _ = same(lib, query, way, shape=only(wanted))
        assert (result.data["author"] is None) == (wanted == 3)


def test_an_empty_list_of_middleware_is_none(lib: Database) -> None:
    """As graphene-django's view gives it."""
    with Session(lib.engine) as session, lib.statements() as executed:
        context = {"session": session, "root": lambda model, _info: select(model)}
        result = library.schema("own").execute(
            "{ authors { name } }", context_value=context, middleware=[]
        )
    assert result.errors is None and len(result.data["authors"]) == 8
    assert len(executed) == 1 and "nickname" not in executed[0]


@pytest.mark.parametrize("form", FORMS[1:])
@pytest.mark.parametrize("leaf", ["name", "label"], ids=["rows", "instances"])
@pytest.mark.parametrize("arguments", ["", "(first: 3)", "(last: 3)"])
def test_criteria_of_a_root_connections_statement(
    lib: Database, form: str, leaf: str, arguments: str
) -> None:
    """They hold below the page, also where its nodes are instances."""
    query = f"""{{ page{arguments} {{ edges {{ node {{ {leaf} books {{ edges {{ node {{
        rating }} }} }} }} }} }} }}"""

    def answer(route: str, legacy: bool) -> Any:
        types: dict[str, Any] = {}
        nodes = {model: {"interfaces": (relay.Node,)} for model in (Author, Book)}
        library.build_schema(route, (Author, Book), meta=nodes, types=types)

        def resolve(_root: Any, info: Any, **_: Any) -> Any:
            statement = start(info.context["session"], Author, legacy)
            return by_key(statement, Author).options(*CRITERIA["child"])

        field = SQLAlchemyConnectionField(types["Author"].connection, sort=None)
        attributes = {"page": field, "resolve_page": resolve}
        made = type("Query", (graphene.ObjectType,), attributes)
        schema_class = graphene.Schema if route == "stock" else Schema
        with Session(lib.engine) as session:
            context = {"session": session}
            return schema_class(query=made).execute(query, context_value=context).formatted

    stock = answer("stock", legacy=True)
    assert answer("own", legacy=form == "query") == stock
    found = str(stock)
    assert "'rating': 3" in found and "'rating': 2" not in found
