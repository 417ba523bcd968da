"""Resolvers that return a statement which has not run: lists, fields, columns, entities, values."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    bindparam,
    event,
    select,
    text,
)
from sqlalchemy.orm import (
    Query,
    Session,
    with_polymorphic,
)

from . import library
from .conftest import Database
from .library import Author, Book, Disc, Medium, Place, Tag, book_tags
from .rows_harness import (
    UNRUN,
    ask,
    by_key,
    columns,
    of_select,
    same,
    statement_of,
    tables,
    unrun_way,
    way,
    way_id,
)

QUERY = "{ authors { id name books { id title } } }"


# -- List and Field --


@unrun_way
def test_a_list_takes_a_statement(lib: Database, way: Any) -> None:
    result, executed = same(lib, QUERY, way)
    assert result.errors is None and len(result.data["authors"]) == 8
    assert len(executed) == 2


@unrun_way
@pytest.mark.parametrize("name", ["authors", "strictAuthors", "author", "strictAuthor"])
def test_lists_and_fields_nullable_and_not(lib: Database, way: Any, name: str) -> None:
    def shape(statement: Any, model: Any) -> Any:
        return statement.where(model.id == 4)

    result, executed = same(lib, f"{{ {name} {{ id name books {{ id }} }} }}", way, shape=shape)
    assert result.errors is None and result.data[name] and len(executed) == 2


@unrun_way
@pytest.mark.parametrize("name", ["author", "strictAuthor", "authors", "strictAuthors"])
def test_no_row(lib: Database, way: Any, name: str) -> None:
    """Null for a field, an empty list for a list; nothing is asked about the levels below."""

    def shape(statement: Any, model: Any) -> Any:
        return statement.where(model.id == 99)

    result, executed = same(lib, f"{{ {name} {{ id books {{ id }} }} }}", way, shape=shape)
    assert len(executed) == 1
    assert bool(result.errors) == (name == "strictAuthor")


@unrun_way
@pytest.mark.parametrize("name", ["author", "strictAuthor"])
def test_several_rows_for_a_field(lib: Database, way: Any, name: str) -> None:
    """The first of several rows would be a guess: an error at the field, and only there."""
    query = f"{{ tags {{ id }} {name} {{ id name books {{ id }} }} }}"
    result, executed = ask(lib, library.schema(way[0]), query, *way[1:])
    assert len(result.errors) == 1 and result.errors[0].path == [name]
    if name == "author":
        assert result.data["author"] is None and len(result.data["tags"]) == 5
    else:
        assert result.data is None
    assert len(executed) == 2, "the books of a row that nobody gets are not loaded"


@unrun_way
def test_two_rows_of_one_entity_for_a_field(lib: Database, way: Any) -> None:
    """A Query makes its entities unique, a Select does not."""

    def shape(statement: Any, model: Any) -> Any:
        return statement.join(model.books).where(model.id == 1)

    result, _ = ask(lib, library.schema("own"), "{ author { id } }", *way[1:], shape=shape)
    if way[1] == "query":
        assert result.errors is None and result.data == {"author": {"id": "1"}}
    else:
        assert result.data == {"author": None} and result.errors[0].path == ["author"]


@pytest.mark.parametrize("way", [way for way in UNRUN if way[2] != "sync"], ids=way_id)
def test_a_resolver_that_is_a_coroutine(lib: Database, way: Any) -> None:
    async def later(value: Any) -> Any:
        await asyncio.sleep(0)
        return value

    schema = wrapped(library.build_schema("own"), later)
    stock, _ = ask(lib, library.schema("stock"), QUERY)
    result, executed = ask(lib, schema, QUERY, *way[1:])
    assert result.formatted == stock.formatted and len(executed) == 2


def wrapped(schema: Any, later: Callable[[Any], Any]) -> Any:
    """A schema whose roots return what `later` makes of their value."""
    for field in schema.graphql_schema.query_type.fields.values():
        resolve = field.resolve
        field.resolve = lambda *args, resolve=resolve, **kwargs: later(resolve(*args, **kwargs))
    return schema


@unrun_way
def test_get_query_of_the_type(lib: Database, way: Any) -> None:
    """`Type.get_query(info)` without `.all()`: a Query, and a Select under an AsyncSession."""

    def shape(statement: Any, _model: Any, info: Any) -> Any:
        type_ = info.return_type.of_type.graphene_type
        own = type_.get_query(info)
        assert isinstance(own, Query) == (way[2] != "asyncsession")
        return own.order_by(Author.id)

    stock, _ = ask(lib, library.schema("stock"), QUERY)
    result, executed = ask(lib, library.schema("own"), QUERY, *way[1:], shape=shape)
    assert result.formatted == stock.formatted and len(executed) == 2


# -- which columns are read --


@unrun_way
def test_a_row_level_reads_no_unselected_column(lib: Database, way: Any) -> None:
    query = """{ authors { name books { title tags { name } reviews { stars book { rating } } }
                           shop { clerk } media { title } discs { tracks } } }"""
    _, executed = same(lib, query, way)
    keys = {
        "authors": {"authors.id", "authors.shop_id"},
        "books": {"books.id", "books.author_id"},
        "tags": {"tags.id", "book_tags.book_id", "book_tags.tag_id", "books.id"},
        "reviews": {"reviews.id", "reviews.book_id"},
        "shops": {"shops.id", "places.id"},
        "media": {"media.id", "media.author_id", "media.kind"},
    }
    selected = {
        "authors.name", "books.title", "books.rating", "tags.name", "reviews.stars", "shops.clerk",
        "media.title", "media.tracks",
    }  # fmt: skip
    assert len(executed) == 8
    allowed = set().union(*keys.values(), selected)
    for sql in executed:
        assert columns(sql) <= allowed, sql
    authors = columns(statement_of(executed, "authors"))
    assert authors == {"authors.name", "authors.id", "authors.shop_id"}


@way
def test_levels_below_instances_read_no_unselected_column(lib: Database, way: Any) -> None:
    _, executed = same(lib, "{ authors { label books { title reviews { stars } } } }", way)
    if way[0] == "own":
        assert columns(statement_of(executed, "books")) <= {
            "books.title", "books.id", "books.author_id",
        }  # fmt: skip
        assert columns(statement_of(executed, "reviews")) <= {
            "reviews.stars", "reviews.id", "reviews.book_id",
        }  # fmt: skip


@way
def test_instances_that_no_resolver_reads_have_only_what_is_needed(lib: Database, way: Any) -> None:
    """A relationship to a level by instances; is_type_of is the reason, and no column is read."""

    def is_type_of(cls: Any, root: Any, info: Any) -> bool:
        return isinstance(root, Book)

    fields = {Book: {"is_type_of": classmethod(is_type_of)}}
    made = {r: library.build_schema(r, fields=fields) for r in ("stock", way[0])}
    result, _ = same(lib, "{ authors { id books { id title } } }", way, made.__getitem__)
    assert result.errors is None


@unrun_way
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ authors { id } }", {"authors.id"}),
        ("{ authors { name } }", {"authors.id", "authors.name"}),
        ("{ authors { nick } }", {"authors.id", "authors.nickname"}),
        ("{ authors { diary } }", {"authors.id", "authors.diary"}),
        ("{ authors { twice } }", {"authors.id"}),
        ("{ authors { __typename } }", {"authors.id"}),
        ("{ authors { a: motto b: motto } }", {"authors.id", "authors.motto"}),
        ("{ authors { pupils { id } } }", {"authors.id", "authors.mentor_id"}),
        ("{ authors { mentor { id } } }", {"authors.id", "authors.mentor_id"}),
        ("{ media { title } }", {"media.id", "media.title", "media.kind"}),
        ("{ discs { tracks } }", {"media.id", "media.tracks", "media.kind"}),
        ("{ shops { clerk } }", {"shops.id", "shops.clerk", "places.id", "places.kind"}),
    ],
)  # fmt: skip
def test_the_columns_of_one_level(lib: Database, way: Any, query: str, expected: set[str]) -> None:
    result, executed = same(lib, query, way)
    assert result.errors is None
    assert columns(executed[0]) <= expected and len(executed) <= 2


@pytest.mark.parametrize("form", ["query", "select"])
def test_the_columns_of_a_level_on_every_database(libraries: Database, form: str) -> None:
    query = "{ authors { name books { title tags { name } } media { title } } }"
    _, executed = same(libraries, query, ("own", form, "sync"))
    plain = [sql.replace("`", "").replace('"', "") for sql in executed]
    assert len(plain) == 4
    for sql in plain:
        assert columns(sql) <= {
            "authors.id", "authors.name", "books.id", "books.author_id", "books.title", "tags.id",
            "tags.name", "book_tags.book_id", "book_tags.tag_id", "media.id", "media.title",
            "media.author_id", "media.kind",
        }, sql  # fmt: skip


# -- entities --


@unrun_way
@pytest.mark.parametrize("name", ["wrong", "subclass", "base", "polymorphic", "columns"])
def test_a_statement_of_another_entity(lib: Database, way: Any, name: str) -> None:
    """A row of another model is the error that its instance would be, not an object made of it."""
    way = (way[0], "select", way[2])
    query, make = {
        "wrong": ("{ authors { id name } }", lambda: select(Tag).order_by(Tag.id)),
        "subclass": ("{ media { id title } }", lambda: select(Disc).order_by(Disc.id)),
        "base": ("{ discs { id title } }", lambda: select(Medium).order_by(Medium.id)),
        "polymorphic": (
            "{ media { __typename id title } }",
            lambda: by_key(select(with_polymorphic(Medium, "*", flat=True)), Medium),
        ),
        "columns": ("{ authors { id name } }", lambda: select(Author.id).order_by(Author.id)),
    }[name]
    if name == "columns":
        result, _ = ask(lib, library.schema("own"), query, *way[1:], shape=of_select(make))
        assert result.errors
        return
    if name == "polymorphic":

        def make() -> Any:
            medium = with_polymorphic(Medium, "*")
            return select(medium).order_by(medium.id)

    result, _ = same(lib, query, way, shape=of_select(make))
    assert bool(result.errors) == (name in ("wrong", "base"))


@unrun_way
def test_inheritance_at_the_root(lib: Database, way: Any) -> None:
    for query in (
        "{ media { __typename id title } }",
        "{ discs { id title tracks } }",
        "{ tapes { id minutes } }",
        "{ places { __typename id town } }",
        "{ shops { id town clerk customers { name } } }",
    ):
        result, executed = same(lib, query, way)
        assert result.errors is None and len(executed) <= 2
    with Session(lib.engine) as session:
        assert len(session.scalars(select(Disc)).all()) == 4
        assert len(session.scalars(select(Place)).all()) == 5


# -- a Query of the user's own --


class Visible(Query):  # type: ignore[type-arg]
    """A query class as soft deletion had it before with_loader_criteria."""

    def __iter__(self) -> Any:
        return (each for each in super().__iter__() if each.id % 2)


@pytest.mark.parametrize("route", ["import", "own"])
def test_a_query_class_with_an_iterator_of_its_own(lib: Database, route: str) -> None:
    query = "{ authors { id name books { id } } }"
    result, _ = same(lib, query, (route, "query", "sync"), query_cls=Visible)
    assert [author["id"] for author in result.data["authors"]] == ["1", "3", "5", "7"]


@pytest.mark.parametrize("route", ["import", "own"])
def test_a_query_that_an_event_changes_before_it_compiles(lib: Database, route: str) -> None:
    """The recipe of SQLAlchemy's documentation before with_loader_criteria."""

    def hide(query: Any) -> Any:
        for description in query.column_descriptions:
            if description["entity"] is Author:
                query = query.enable_assertions(False).filter(Author.id > 4)
        return query

    event.listen(Query, "before_compile", hide, retval=True)
    try:
        result, _ = same(lib, "{ authors { id books { id } } }", (route, "query", "sync"))
    finally:
        event.remove(Query, "before_compile", hide)
    assert [author["id"] for author in result.data["authors"]] == ["5", "6", "7", "8"]


# -- one plan, many statements --


@unrun_way
def test_values_of_an_earlier_statement_do_not_linger(lib: Database, way: Any) -> None:
    def only(*wanted: int) -> Any:
        return lambda statement, model: by_key(statement.where(model.id.in_(wanted)), model)

    for wanted in ((1, 2), (3,), (), (8, 1), (3,)):
        result, _ = same(lib, QUERY, way, shape=only(*wanted))
        assert [int(author["id"]) for author in result.data["authors"]] == sorted(wanted)


SHAPES: tuple[Callable[[Any, Any], Any], ...] = (
    lambda s, m: s.order_by(m.id),
    lambda s, m: s.order_by(-m.id),
    lambda s, m: s.order_by(m.id.desc()),
    lambda s, m: s.order_by((-m.id).desc()),
    lambda s, m: s.order_by(m.id.desc().nulls_last()),
    lambda s, m: s.where(m.id == 3),
    lambda s, m: s.where(-m.id == -3),
    lambda s, m: s.where(m.id != 3).order_by(m.id),
    lambda s, m: s.where(m.id + 1 == 3),
    lambda s, m: s.where(m.id == m.id).order_by(m.id),
    lambda s, m: s.where(m.id.in_([3])),
    lambda s, m: s.where(~(m.id == 3)).order_by(m.id),
)


@unrun_way
def test_shapes_that_resemble_each_other(lib: Database, way: Any) -> None:
    """Statements are known by what they are made of: a sign makes another one."""
    for _ in range(2):
        for shape in SHAPES:
            result, _ = same(lib, "{ authors { id } }", way, shape=shape)
            assert result.errors is None


@unrun_way
def test_bound_parameters_of_the_users_own(lib: Database, way: Any) -> None:
    """Also of names that a plan might choose."""

    def bound(statement: Any, model: Any) -> Any:
        condition = model.id > bindparam("keys", 3)
        more = model.id < bindparam("param_1", 7)
        return by_key(statement.where(condition, more), model)

    result, _ = same(lib, QUERY, way, shape=bound)
    assert [author["id"] for author in result.data["authors"]] == ["4", "5", "6"]


@unrun_way
def test_a_statement_is_not_changed_by_its_execution(lib: Database, way: Any) -> None:
    """One statement object, executed again and used by others."""
    kept: list[Any] = []

    def shape(statement: Any, model: Any) -> Any:
        if way[1] == "select":
            kept[:] = kept or [by_key(statement, model)]
            return kept[0]
        return by_key(statement, model)

    first, _ = ask(lib, library.schema("own"), QUERY, *way[1:], shape=shape)
    before = str(kept[0]) if kept else None
    second, _ = ask(lib, library.schema("own"), QUERY, *way[1:], shape=shape)
    assert first.errors is None and first.formatted == second.formatted
    assert not kept or str(kept[0]) == before


@unrun_way
def test_the_same_statement_for_two_roots(lib: Database, way: Any) -> None:
    query = "{ authors { id books { title } } strictAuthors { name books { rating } } }"
    result, executed = same(lib, query, way)
    assert result.errors is None and len(executed) <= 4


@unrun_way
def test_a_failing_statement_is_a_located_error(lib: Database, way: Any) -> None:
    def broken(statement: Any, model: Any) -> Any:
        return statement.where(text("no_such_column = 1"))

    query = "{ tags { id } authors { id books { id } } }"

    def shape(statement: Any, model: Any) -> Any:
        return broken(statement, model) if model is Author else by_key(statement, model)

    result, _ = ask(lib, library.schema("own"), query, *way[1:], shape=shape)
    assert result.data == {"tags": [{"id": str(i)} for i in range(1, 6)], "authors": None}
    assert [error.path for error in result.errors] == [["authors"]]
    assert "no_such_column" in str(result.errors[0])


@unrun_way
def test_tables_that_a_query_reads(lib: Database, way: Any) -> None:
    """A relationship that nobody selected is not joined."""
    _, executed = same(lib, "{ books { title tags { name } } }", way)
    assert [tables(sql) for sql in executed] == [{"books"}, {"tags", "book_tags"}]
    assert book_tags.name == "lib_book_tags"
