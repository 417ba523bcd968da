"""Where a statement may stand, and the switches: nested resolvers, other types, rows off."""

from __future__ import annotations

from typing import Any

import graphene
import graphene_sqlalchemy
import pytest
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import Column, ForeignKey, Integer, String, select
from sqlalchemy.orm import Session, declarative_base

import graphene_sqlalchemy_c

from . import library
from .conftest import Database
from .library import Author, Book, Tag
from .rows_harness import ask, columns, same, shown, way

QUERY = "{ authors { name books { title tags { name } } } }"


# -- statements that are not at the root --


def nested_schema(route: str, form: str) -> Any:
    """Authors with a field of books that a statement finds, and one of a single book."""

    def found(root: Any, info: Any, model: Any) -> Any:
        session = info.context["session"]
        statement = session.query(model) if form == "query" else select(model)
        return statement

    def listed(root: Any, info: Any) -> Any:
        statement = found(root, info, Book).where(Book.author_id == root.id, Book.rating > 1)
        return finish(statement.order_by(Book.id), info, form, True)

    def single(root: Any, info: Any) -> Any:
        statement = found(root, info, Book).where(Book.author_id == root.id)
        return finish(statement.order_by(Book.id).limit(1), info, form, False)

    def overridden(root: Any, info: Any) -> Any:
        statement = found(root, info, Book).where(Book.author_id == root.id, Book.rating == 3)
        return finish(statement.order_by(Book.id), info, form, True)

    types: dict[str, Any] = {}

    def listed_field() -> Any:
        return graphene.List(lambda: types["Book"])

    def single_field() -> Any:
        return graphene.Field(lambda: types["Book"])

    listed_field.__name__ = single_field.__name__ = "<lambda>"
    schema = library.build_schema(
        route,
        fields={
            Author: {
                "good": listed_field,
                "resolve_good": listed,
                "first": single_field,
                "resolve_first": single,
                "resolve_books": overridden,
            }
        },
        types=types,
    )
    return schema


def finish(statement: Any, info: Any, form: str, many: bool) -> Any:
    if form != "instances":
        return statement
    found = info.context["session"].scalars(statement).all()
    return found if many else found[0] if found else None


@pytest.mark.parametrize("form", ["query", "select"])
@pytest.mark.parametrize(
    "query",
    [
        "{ authors { id good { id title tags { name } } } }",
        "{ authors { id first { id title author { name } } } }",
        "{ authors { id books { id rating tags { name } } } }",
        "{ books { title author { name good { title } a: good { rating } first { id } } } }",
    ],
)
def test_statements_of_nested_resolvers(lib: Database, form: str, query: str) -> None:
    """Below instances, because a resolver gets one; what the statement finds may be rows."""
    stock, _ = ask(lib, nested_schema("stock", "instances"), query)
    assert stock.errors is None
    for root in ("instances", "select"):
        result, _ = ask(lib, nested_schema("own", form), query, root)
        assert shown(result) == shown(stock)


@way
@pytest.mark.parametrize("name", ["author", "authors"])
def test_a_statement_of_a_type_with_its_own_is_type_of(lib: Database, way: Any, name: str) -> None:
    def is_type_of(cls: Any, root: Any, info: Any) -> bool:
        return isinstance(root, Author) and root.id == 3

    fields = {Author: {"is_type_of": classmethod(is_type_of)}}
    made = {route: library.build_schema(route, fields=fields) for route in ("stock", way[0])}

    def only_three(statement: Any, model: Any) -> Any:
        return statement.where(model.id == 3)

    query = f"{{ {name} {{ id name books {{ id }} }} }}"
    result, _ = same(lib, query, way, made.__getitem__, shape=only_three)
    assert result.errors is None and result.data[name]


@pytest.mark.parametrize("route", ["stock", "import", "own"])
def test_a_query_for_a_type_that_is_not_mapped(lib: Database, route: str) -> None:
    """It is iterated, as ever: rows of columns, and objects of another type."""

    class Plain(graphene.ObjectType):
        name = graphene.String()

    class Query(graphene.ObjectType):
        names = graphene.List(graphene.String)
        plain = graphene.List(Plain)

        def resolve_names(_root, info):
            found = info.context["session"].query(Author.name).order_by(Author.id)
            return (name for (name,) in found)

        def resolve_plain(_root, info):
            return info.context["session"].query(Author).order_by(Author.id)

    schema_class = graphene_sqlalchemy_c.Schema if route == "own" else graphene.Schema
    with Session(lib.engine) as session:
        result = schema_class(query=Query).execute(
            "{ names plain { name } }", context_value={"session": session}
        )
    assert result.errors is None
    assert result.data["names"] == [each["name"] for each in result.data["plain"]]
    assert result.data["names"][:2] == ["author 1", "author 2"]


def inheritance() -> Any:
    base: Any = declarative_base()

    class Shape(base):
        __tablename__ = "p_shapes"
        id = Column(Integer, primary_key=True)
        kind = Column(String(9))
        name = Column(String(20))
        parent_id = Column(ForeignKey("p_shapes.id"))
        __mapper_args__ = {"polymorphic_on": kind}  # noqa: RUF012

    class Circle(Shape):
        radius = Column(Integer)
        __mapper_args__ = {"polymorphic_identity": "circle"}  # noqa: RUF012

    class Square(Shape):
        __tablename__ = "p_squares"
        id = Column(ForeignKey("p_shapes.id"), primary_key=True)
        side = Column(Integer)
        __mapper_args__ = {"polymorphic_identity": "square"}  # noqa: RUF012

    return base, Shape, Circle, Square


def interface_schema(route: str, models: Any) -> Any:
    package = graphene_sqlalchemy if route == "stock" else graphene_sqlalchemy_c
    registry = Registry()
    _, shape, circle, square = models

    def make(name: str, kind: Any, model: Any, **meta: Any) -> Any:
        options = type("Meta", (), {"model": model, "registry": registry, **meta})
        return type(name, (kind,), {"Meta": options})

    shape_type = make("Shape", package.SQLAlchemyInterface, shape)
    circle_type = make("Circle", package.SQLAlchemyObjectType, circle, interfaces=(shape_type,))
    square_type = make("Square", package.SQLAlchemyObjectType, square, interfaces=(shape_type,))
    both = type(
        "Both",
        (graphene.Union,),
        {"Meta": type("Meta", (), {"types": (circle_type, square_type)})},
    )
    fields: dict[str, Any] = {}
    for name, type_ in (("shapes", shape_type), ("both", both), ("circles", circle_type)):
        model = circle if name == "circles" else shape
        fields[name] = graphene.List(type_)
        fields[f"resolve_{name}"] = lambda _root, info, model=model: info.context["root"](
            model, info
        )
    schema_class = graphene_sqlalchemy_c.Schema if route == "own" else graphene.Schema
    query = type("Query", (graphene.ObjectType,), fields)
    return schema_class(query=query, types=[circle_type, square_type])


INTERFACE_QUERIES = [
    "{ shapes { __typename id name } }",
    "{ shapes { name ... on Circle { radius } ... on Square { side } } }",
    "{ both { __typename ... on Circle { radius name } ... on Square { side } } }",
    "{ circles { __typename id radius } }",
]


@way
@pytest.mark.parametrize("query", INTERFACE_QUERIES)
def test_interfaces_and_unions(lib: Database, way: Any, query: str) -> None:
    models = inheritance()
    base, _shape, circle, square = models
    base.metadata.create_all(lib.engine)
    with Session(lib.engine) as session:
        session.add_all(circle(id=i, name=f"circle {i}", radius=i) for i in (1, 3))
        session.add_all(square(id=i, name=f"square {i}", side=i) for i in (2, 4))
        session.commit()
    made = {route: interface_schema(route, models) for route in ("stock", way[0])}
    if way[1] == "select" and "both" in query:
        # A union is not mapped: a Select is not known to be rows of it.
        result, _ = ask(lib, made["own"], query, *way[1:])
        stock, _ = ask(lib, made["stock"], query)
        assert result.errors or shown(result) == shown(stock)
        return
    result, _ = same(lib, query, way, made.__getitem__)
    assert result.errors is None


# -- the two ways in --


@pytest.mark.parametrize("form", ["instances", "query", "select"])
@pytest.mark.parametrize("mode", ["sync", "async", "asyncsession"])
def test_install_serves_statements_too(lib: Database, form: str, mode: str) -> None:
    if (form, mode) == ("query", "asyncsession"):
        form = "select"
    stock, _ = ask(lib, library.schema("stock"), QUERY)
    graphene_sqlalchemy_c.install()
    try:
        result, executed = ask(lib, library.build_schema("stock"), QUERY, form, mode)
    finally:
        graphene_sqlalchemy_c.uninstall()
    assert shown(result) == shown(stock) and len(executed) == 3
    if form != "instances":
        assert columns(executed[0]) == {"authors.id", "authors.name"}


# -- the switches --


def all_columns(executed: list[str]) -> bool:
    """Whether the books were loaded with a column that nobody selected."""
    found = [sql for sql in executed if "lib_books.rating" in sql]
    return bool(found)


@way
def test_rows_off_in_the_schema(lib: Database, way: Any) -> None:
    if way[0] != "own":
        way = ("own", *way[1:])
    stock, _ = ask(lib, library.schema("stock"), QUERY, legacy=way[1] == "query")
    result, executed = ask(lib, library.build_schema("own", rows=False), QUERY, *way[1:])
    assert shown(result) == shown(stock) and all_columns(executed)
    result, executed = ask(lib, library.build_schema("own", rows=True), QUERY, *way[1:])
    assert shown(result) == shown(stock) and not all_columns(executed)


@pytest.mark.parametrize("form", ["instances", "query", "select"])
def test_rows_off_in_the_environment(lib: Database, form: str, monkeypatch: Any) -> None:
    stock, _ = ask(lib, library.schema("stock"), QUERY)
    for value, off in (("1", False), ("0", True), (None, False)):
        if value is None:
            monkeypatch.delenv("GRAPHENE_SQLALCHEMY_C_ROWS")
        else:
            monkeypatch.setenv("GRAPHENE_SQLALCHEMY_C_ROWS", value)
        result, executed = ask(lib, library.build_schema("own"), QUERY, form)
        assert shown(result) == shown(stock) and all_columns(executed) == off


def test_instances_of_two_models_beside_each_other(lib: Database) -> None:
    """Aliases of one root with statements of other shapes."""
    query = "{ a: authors { name } b: authors { id books { id } } tags { name } }"

    def shape(statement: Any, model: Any, info: Any) -> Any:
        if info.path.key == "a":
            return statement.where(model.id > 6).order_by(model.id.desc())
        return statement.order_by(model.id).limit(2)

    for form in ("query", "select"):
        result, executed = same(lib, query, ("own", form, "sync"), shape=shape)
        assert [each["name"] for each in result.data["a"]] == ["author 0", "author 3"]
        assert len(result.data["b"]) == len(result.data["tags"]) == 2
        assert len(executed) == 4 and Tag.__tablename__ in executed[2]
