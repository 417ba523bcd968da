"""When a statement may be narrowed to columns: each shape keeps the rows that the ORM gives.

DESIGN section 6: "A statement is narrowed to columns only when that is certain to keep its rows."
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import graphene
import pytest
from sqlalchemy import (
    ForeignKey,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    text,
    true,
    union,
    union_all,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Query,
    Session,
    aliased,
    contains_eager,
    joinedload,
    mapped_column,
    query_expression,
    relationship,
    with_expression,
)

from graphene_sqlalchemy_c import ORMField

from . import library
from .conftest import Database
from .library import Author, Book, Review, Shop, Tag
from .rows_harness import ask, by_key, of_select, same, selects, shown, unrun_way, way

QUERY = "{ authors { id name books { id title } } }"


def shape(function: Callable[..., Any]) -> Callable[..., Any]:
    SHAPES[function.__name__] = function
    return function


SHAPES: dict[str, Callable[..., Any]] = {}
"""What can be done to a Query and to a Select alike."""


@shape
def where(s: Any, m: Any) -> Any:
    return by_key(s.where(m.name == "author 1"), m)


@shape
def where_subquery(s: Any, m: Any) -> Any:
    return by_key(s.where(m.id.in_(select(Book.author_id).where(Book.rating > 3))), m)


@shape
def where_exists(s: Any, m: Any) -> Any:
    return by_key(s.where(m.books.any(Book.rating == 4)), m)


@shape
def where_correlated(s: Any, m: Any) -> Any:
    count = select(func.count()).where(Book.author_id == m.id).scalar_subquery()
    return s.where(count > 2).order_by(count, m.id)


@shape
def joined_with_duplicates(s: Any, m: Any) -> Any:
    return s.join(m.books).order_by(m.id, Book.id)


@shape
def joined_twice(s: Any, m: Any) -> Any:
    return s.join(m.books).join(Book.reviews).where(Review.stars > 1).order_by(m.id, Review.id)


@shape
def outer_joined(s: Any, m: Any) -> Any:
    return s.outerjoin(m.books).order_by(m.id, Book.id)


@shape
def joined_with_an_alias(s: Any, m: Any) -> Any:
    book = aliased(Book)
    return s.join(m.books.of_type(book)).order_by(m.id, book.id)


@shape
def joined_to_itself(s: Any, m: Any) -> Any:
    mentor = aliased(Author)
    return s.join(m.mentor.of_type(mentor)).order_by(mentor.name, m.id)


@shape
def cross_joined(s: Any, m: Any) -> Any:
    return s.join(Tag, true()).order_by(m.id, Tag.id)


@shape
def with_a_second_from(s: Any, m: Any) -> Any:
    return s.where(m.id == Book.author_id, Book.rating > 2).order_by(m.id, Book.id)


@shape
def limited(s: Any, m: Any) -> Any:
    return by_key(s, m).limit(3)


@shape
def limited_and_offset(s: Any, m: Any) -> Any:
    return by_key(s, m).limit(3).offset(2)


@shape
def limited_with_duplicates(s: Any, m: Any) -> Any:
    return s.join(m.books).order_by(m.id, Book.id).limit(6)


@shape
def limited_to_none(s: Any, m: Any) -> Any:
    return by_key(s, m).limit(0)


@shape
def distinct(s: Any, m: Any) -> Any:
    return s.distinct().order_by(m.id)


@shape
def distinct_over_a_join(s: Any, m: Any) -> Any:
    return s.join(m.books).distinct().order_by(m.id)


@shape
def distinct_and_ordered_by_another(s: Any, m: Any) -> Any:
    return s.distinct().order_by(m.name, m.nick, m.id)


@shape
def distinct_and_limited(s: Any, m: Any) -> Any:
    return s.join(m.books).distinct().order_by(m.id).limit(3)


@shape
def grouped(s: Any, m: Any) -> Any:
    return s.join(m.books).group_by(m.id).order_by(func.count(Book.id).desc(), m.id)


@shape
def grouped_having(s: Any, m: Any) -> Any:
    return s.join(m.books).group_by(m.id).having(func.count(Book.id) > 3).order_by(m.id)


@shape
def grouped_by_name(s: Any, m: Any) -> Any:
    return s.group_by(m.name).having(m.id == func.max(m.id)).order_by(m.name)


@shape
def ordered_by_an_unselected_column(s: Any, m: Any) -> Any:
    return s.order_by(m.nick.desc(), m.id)


@shape
def ordered_by_a_joined_column(s: Any, m: Any) -> Any:
    return s.outerjoin(m.shop).order_by(Shop.clerk, m.id)


@shape
def ordered_by_an_expression(s: Any, m: Any) -> Any:
    return s.order_by(m.id % 3, m.id.desc())


@shape
def ordered_by_text(s: Any, m: Any) -> Any:
    return s.order_by(text("lib_authors.name"), m.id)


@shape
def ordered_by_a_column_property(s: Any, m: Any) -> Any:
    return s.order_by(m.twice.desc())


@shape
def for_update(s: Any, m: Any) -> Any:
    return by_key(s, m).with_for_update()


@shape
def with_a_prefix(s: Any, m: Any) -> Any:
    return by_key(s, m).prefix_with("ALL")


@shape
def contained(s: Any, m: Any) -> Any:
    s = s.join(m.books).where(Book.rating > 2).order_by(m.id, Book.id)
    return s.options(contains_eager(m.books))


@shape
def contained_to_one(s: Any, m: Any) -> Any:
    return s.join(m.shop).options(contains_eager(m.shop)).order_by(m.id)


@shape
def inner_joined_eager_load(s: Any, m: Any) -> Any:
    """Drops the authors without a shop."""
    return by_key(s.options(joinedload(m.shop, innerjoin=True)), m)


@shape
def inner_joined_eager_collection(s: Any, m: Any) -> Any:
    return by_key(s.options(joinedload(m.books, innerjoin=True)), m)


@shape
def inner_joined_two_levels(s: Any, m: Any) -> Any:
    option = joinedload(m.books, innerjoin=True).joinedload(Book.tags, innerjoin=True)
    return by_key(s.options(option), m)


@shape
def joined_eager_load_and_limit(s: Any, m: Any) -> Any:
    return by_key(s.options(joinedload(m.books)), m).limit(3)


@shape
def with_a_cte(s: Any, m: Any) -> Any:
    good = select(Book.author_id).where(Book.rating > 3).cte("good")
    return s.join(good, good.c.author_id == m.id).order_by(m.id)


@shape
def with_a_recursive_cte(s: Any, m: Any) -> Any:
    line = select(Author.id).where(Author.id == 1).cte("line", recursive=True)
    line = line.union(select(Author.id).join(line, Author.mentor_id == line.c.id))
    return by_key(s.where(m.id.in_(select(line.c.id))), m)


@shape
def select_from_a_join(s: Any, m: Any) -> Any:
    return s.select_from(Book).join(Book.author).order_by(Book.id)


@shape
def populate_existing(s: Any, m: Any) -> Any:
    return by_key(s, m).execution_options(populate_existing=True)


@shape
def yield_per(s: Any, m: Any) -> Any:
    s = by_key(s, m)
    return s.yield_per(3) if isinstance(s, Query) else s.execution_options(yield_per=3)


@unrun_way
@pytest.mark.parametrize("name", SHAPES)
def test_a_statement_keeps_its_rows(lib: Database, way: Any, name: str) -> None:
    """For two selections: in one a careless DISTINCT would merge rows, the other reads more."""
    for query in (
        "{ authors { name } }",
        "{ authors { id nick shop { clerk } books { rating } } }",
    ):
        result, _ = same(lib, query, way, shape=SHAPES[name])
        assert result.errors is None
        assert (result.data["authors"] == []) == (name == "limited_to_none")


@pytest.mark.parametrize("form", ["query", "select"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_statement_keeps_its_rows_on_every_database(
    libraries: Database, form: str, name: str
) -> None:
    if name == "grouped_by_name" and libraries.name != "sqlite":
        name = "grouped"  # not SQL elsewhere
    query = "{ authors { name books { rating } } }"
    result, executed = same(libraries, query, ("own", form, "sync"), shape=SHAPES[name])
    assert result.errors is None
    if name == "for_update" and libraries.name != "sqlite":
        assert "FOR UPDATE" in executed[0]


def test_the_shapes_merge_and_lose_rows_where_they_are_meant_to(lib: Database) -> None:
    """The data of these tests are what they believe."""
    with Session(lib.engine) as session:

        def count(name: str, legacy: bool = False) -> int:
            start = session.query(Author) if legacy else select(Author)
            statement = SHAPES[name](start, Author)
            return len(statement.all() if legacy else session.scalars(statement).all())

        assert count("joined_with_duplicates") > count("joined_with_duplicates", True) == 6
        assert count("limited_with_duplicates") == 6 > count("limited_with_duplicates", True)
        assert count("distinct") == 8
        assert session.scalar(select(func.count(Author.name.distinct()))) == 4
        assert count("inner_joined_eager_load") < 8


# -- shapes that only one of the two has, and entities that are not the plain class --


def union_of_two() -> Any:
    both = union(select(Author).where(Author.id < 4), select(Author).where(Author.id == 3))
    return select(Author).from_statement(both.order_by("id"))


def union_as_an_alias() -> Any:
    both = union_all(select(Author).where(Author.id < 4), select(Author).where(Author.id == 3))
    author = aliased(Author, both.subquery())
    return select(author).order_by(author.id)


def polymorphic_entity() -> Any:
    author = aliased(Author, name="writer")
    return select(author).where(author.id > 2).order_by(author.id)


def aliased_subquery() -> Any:
    inner = select(Author).where(Author.id > 2).subquery()
    author = aliased(Author, inner)
    return select(author).order_by(author.id.desc())


def aliased_with_join() -> Any:
    author, book = aliased(Author), aliased(Book)
    return select(author).join(author.books.of_type(book)).order_by(author.id, book.id)


def textual() -> Any:
    return select(Author).from_statement(text("SELECT * FROM lib_authors WHERE id > 5 ORDER BY id"))


def textual_with_columns() -> Any:
    columns_ = text("SELECT id, name FROM lib_authors WHERE id > 5 ORDER BY id").columns(
        Author.id, Author.name
    )
    return select(Author).from_statement(columns_)


def from_a_core_select() -> Any:
    return select(Author).from_statement(
        select(Author.__table__).where(Author.__table__.c.id > 5).order_by(Author.__table__.c.id)
    )


def with_an_extra_label() -> Any:
    rank = func.row_number().over(order_by=Author.id.desc()).label("rank")
    return select(Author, rank).order_by(rank)


def with_a_second_entity() -> Any:
    return select(Author, Book).join(Author.books).order_by(Author.id, Book.id)


def added_columns() -> Any:
    return select(Author).add_columns(Author.id.label("again")).order_by(Author.id)


ONLY_SELECT = [
    union_of_two,
    union_as_an_alias,
    polymorphic_entity,
    aliased_subquery,
    aliased_with_join,
    textual,
    textual_with_columns,
    from_a_core_select,
]
SEVERAL = [with_an_extra_label, with_a_second_entity, added_columns]


@unrun_way
@pytest.mark.parametrize("make", ONLY_SELECT, ids=lambda f: f.__name__)
def test_other_selects_keep_their_rows(lib: Database, way: Any, make: Any) -> None:
    if way[1] != "select":
        way = (way[0], "select", way[2])
    for query in ("{ authors { name } }", "{ authors { id nick books { rating } } }"):
        result, _ = same(lib, query, way, shape=of_select(make))
        assert result.errors is None and result.data["authors"]


@unrun_way
@pytest.mark.parametrize("make", SEVERAL, ids=lambda f: f.__name__)
def test_a_select_of_several_things_is_its_first_or_an_error(
    lib: Database, way: Any, make: Any
) -> None:
    """`session.scalars` gives the first; an error is as good. Never something else."""
    way = (way[0], "select", way[2])
    stock, _ = ask(lib, library.schema("stock"), QUERY, shape=of_select(make))
    result, _ = ask(lib, library.schema("own"), QUERY, *way[1:], shape=of_select(make))
    assert result.errors or result.formatted == stock.formatted


def added_to_a_query(q: Any, m: Any) -> Any:
    return q.add_columns(m.id).order_by(m.id)


def added_entity(q: Any, m: Any) -> Any:
    return q.add_entity(Book).filter(Book.author_id == m.id).order_by(m.id, Book.id)


def only_entities(q: Any, m: Any) -> Any:
    return q.with_entities(m.id)


def query_union(q: Any, m: Any) -> Any:
    return q.filter(m.id < 4).union(q.filter(m.id == 3), q.filter(m.id > 6)).order_by(m.id)


def query_from_statement(q: Any, m: Any) -> Any:
    return q.from_statement(text("SELECT * FROM lib_authors WHERE id > 5 ORDER BY id"))


def query_params(q: Any, m: Any) -> Any:
    return q.filter(m.id > bindparam("low")).params(low=4).order_by(m.id)


def query_slice(q: Any, m: Any) -> Any:
    return q.order_by(m.id).slice(2, 5)


def query_select_from(q: Any, m: Any) -> Any:
    return q.select_from(Book).join(Book.author).order_by(Book.id)


def query_enable_eagerloads(q: Any, m: Any) -> Any:
    return q.options(joinedload(m.shop, innerjoin=True)).enable_eagerloads(False).order_by(m.id)


def query_autoflush_off(q: Any, m: Any) -> Any:
    return q.autoflush(False).order_by(m.id)


def query_reset_joinpoint(q: Any, m: Any) -> Any:
    return q.join(m.books).reset_joinpoint().filter(m.id > 3).order_by(m.id)


def query_with_parent(q: Any, m: Any) -> Any:
    return q.filter(exists().where(Book.author_id == m.id)).order_by(m.id)


ONLY_QUERY = [
    added_to_a_query,
    added_entity,
    only_entities,
    query_union,
    query_from_statement,
    query_params,
    query_slice,
    query_select_from,
    query_enable_eagerloads,
    query_autoflush_off,
    query_reset_joinpoint,
    query_with_parent,
]


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("route", ["import", "own"])
@pytest.mark.parametrize("make", ONLY_QUERY, ids=lambda f: f.__name__)
def test_other_queries_keep_their_rows(lib: Database, route: str, mode: str, make: Any) -> None:
    if (route, mode) == ("import", "async"):
        mode = "sync"
    for query in ("{ authors { name } }", "{ authors { id nick books { rating } } }"):
        result, _ = same(lib, query, (route, "query", mode), shape=make)
        several = make in (added_to_a_query, added_entity, only_entities)
        assert bool(result.errors) == several and result.data["authors"]


def test_a_query_without_autoflush(lib: Database) -> None:
    """`query.autoflush(False)` on a session that flushes."""

    def prepare(session: Session) -> Any:
        author = session.get(Author, 2)
        assert author
        author.name = "dirty"
        return author

    way = ("own", "query", "sync")
    same(lib, "{ authors { id name } }", way, shape=query_autoflush_off, prepare=prepare)
    _, executed = ask(
        lib,
        library.schema("own"),
        "{ authors { id name } }",
        "query",
        shape=query_autoflush_off,
        prepare=prepare,
    )
    assert len(executed) == len(selects(executed)) == 1


class Statistic(DeclarativeBase):
    pass


class Shelf(Statistic):
    __tablename__ = "stat_shelves"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    score: Mapped[int | None] = query_expression(literal_column("0"))
    unset: Mapped[int | None] = query_expression()
    boxes: Mapped[list[Box]] = relationship(order_by="Box.id")


class Box(Statistic):
    __tablename__ = "stat_boxes"
    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(ForeignKey("stat_shelves.id"))
    shelf: Mapped[Shelf] = relationship(viewonly=True, lazy="joined", innerjoin=True)


@pytest.fixture
def shelves(lib: Database) -> Any:
    """route -> schema over models with expressions, and the database that has them."""
    Statistic.metadata.create_all(lib.engine)
    with Session(lib.engine) as session:
        session.add_all(Shelf(id=i, name=f"shelf {i % 2}") for i in range(1, 5))
        session.flush()
        session.add_all(Box(id=i, shelf_id=i % 3 + 1) for i in range(1, 7))
        session.commit()

    def number() -> Any:
        return ORMField(type_=graphene.Int)

    made: dict[str, Any] = {}

    def schemas(route: str) -> Any:
        if route not in made:
            fields = {Shelf: {"score": number(), "unset": number()}}
            made[route] = library.build_schema(route, (Shelf, Box), fields=fields)
        return made[route]

    return schemas


@way
def test_with_expression(lib: Database, shelves: Any, way: Any) -> None:
    """An attribute whose value is the statement's own."""
    query = "{ shelfs { id name score unset boxes { id } } }"

    def scored(statement: Any, model: Any) -> Any:
        expression = with_expression(model.score, model.id * 10)
        return by_key(statement.options(expression), model)

    result, _ = same(lib, query, way, shelves, shape=scored)
    assert [shelf["score"] for shelf in result.data["shelfs"]] == [10, 20, 30, 40]
    result, _ = same(lib, query, way, shelves)
    assert {shelf["score"] for shelf in result.data["shelfs"]} == {0}
    # By way of a relationship there is no expression but the mapper's own.
    result, _ = same(lib, "{ boxs { id shelf { name score unset } } }", way, shelves)
    assert result.errors is None


@way
def test_an_inner_join_that_the_mapper_asks_for(lib: Database, shelves: Any, way: Any) -> None:
    """A row whose target is gone is not there, selected or not."""
    with lib.engine.begin() as connection:
        connection.execute(text("DELETE FROM stat_shelves WHERE id = 2"))
    for query in ("{ boxs { id } }", "{ boxs { id shelf { name } } }"):
        result, _ = same(lib, query, way, shelves)
        assert len(result.data["boxs"]) == 4
    result, _ = same(lib, "{ shelfs { id boxes { id shelf { boxes { id } } } } }", way, shelves)
    assert result.errors is None


@unrun_way
def test_shapes_of_an_earlier_statement_do_not_linger(lib: Database, way: Any) -> None:
    for name in ("distinct", "where", "joined_with_duplicates", "contained", "limited", "where"):
        same(lib, QUERY, way, shape=SHAPES[name])


def test_every_shape_says_what_it_is() -> None:
    assert len(SHAPES) > 35
    assert all(inspect.isfunction(each) for each in SHAPES.values())
    assert shown(type("R", (), {"formatted": "0xab"})) == "'0x'"
