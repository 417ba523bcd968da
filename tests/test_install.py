"""install() and uninstall(), before and after the types, and the names to import instead."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import graphene
import graphene_sqlalchemy
import pytest
from graphene import relay
from graphene_sqlalchemy import fields, types
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import select

import graphene_sqlalchemy_c
from graphene_sqlalchemy_c import BatchResolver, ORMField

from . import zoo
from .conftest import Database
from .zoo import Author, Book, Profile


@pytest.fixture(autouse=True)
def uninstalled() -> Iterator[None]:
    yield
    graphene_sqlalchemy_c.uninstall()


def snapshot() -> dict[tuple[str, str], Any]:
    """Every name of graphene-sqlalchemy's modules and classes."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("graphene_sqlalchemy", "graphene"):
            for key, value in vars(module).items():
                found[name, key] = value
                if isinstance(value, type) and value.__module__ == name:
                    for inner, each in vars(value).items():
                        if inner not in ("__dict__", "__weakref__", "_abc_impl"):
                            found[name, f"{key}.{inner}"] = each
    return found


def make_types(
    registry: Registry, package: Any = graphene_sqlalchemy, **members: Any
) -> tuple[Any, Any]:
    author = type(
        "AuthorType",
        (package.SQLAlchemyObjectType,),
        {"Meta": type("Meta", (), {"model": Author, "registry": registry}), **members},
    )
    book = type(
        "BookType",
        (package.SQLAlchemyObjectType,),
        {
            "Meta": type(
                "Meta", (), {"model": Book, "registry": registry, "exclude_fields": ("shelf_mark",)}
            )
        },
    )
    return author, book


def make_schema(author_type: Any) -> graphene.Schema:
    class Query(graphene.ObjectType):
        authors = graphene.List(author_type)

        def resolve_authors(self, info: Any) -> Any:
            return info.context["session"].scalars(select(Author).order_by(Author.id)).all()

    return graphene.Schema(query=Query)


def statements_of(
    database: Database, schema: Any, query: str = "{ authors { books { id } } }"
) -> int:
    result, executed = database.run(schema, query)
    assert result.errors is None
    return len(executed)


def test_uninstall_restores_every_name() -> None:
    before = snapshot()
    graphene_sqlalchemy_c.install()
    during = snapshot()
    changed = {key for key in before if before[key] is not during.get(key)}
    assert ("graphene_sqlalchemy.fields", "get_batch_resolver") in changed
    assert {(name, key) for name, key in changed if name.split(".")[0] == "graphene"} == {
        ("graphene.types.schema", "Schema.execute"),
        ("graphene.types.schema", "Schema.execute_async"),
    }
    graphene_sqlalchemy_c.uninstall()
    after = snapshot()
    assert [key for key in before if before[key] is not after.get(key)] == []


def test_install_twice_is_one_install() -> None:
    before = snapshot()
    assert not graphene_sqlalchemy_c.is_installed()
    graphene_sqlalchemy_c.install()
    once = snapshot()
    graphene_sqlalchemy_c.install()
    twice = snapshot()
    assert all(once[key] is twice[key] for key in once)
    assert graphene_sqlalchemy_c.is_installed()
    graphene_sqlalchemy_c.uninstall()
    graphene_sqlalchemy_c.uninstall()
    assert not graphene_sqlalchemy_c.is_installed()
    assert all(before[key] is value for key, value in snapshot().items() if key in before)


def test_types_made_before_install_are_accelerated(sqlite: Database) -> None:
    author, _ = make_types(Registry())
    graphene_sqlalchemy_c.install()
    assert statements_of(sqlite, make_schema(author)) == 2
    graphene_sqlalchemy_c.uninstall()
    assert statements_of(sqlite, make_schema(author)) == 9


def test_types_made_after_install_are_accelerated_until_uninstall(sqlite: Database) -> None:
    graphene_sqlalchemy_c.install()
    author, _ = make_types(Registry())
    assert statements_of(sqlite, make_schema(author)) == 2
    graphene_sqlalchemy_c.uninstall()
    assert statements_of(sqlite, make_schema(author)) == 9


def test_a_schema_built_before_install_is_executed_in_batches(sqlite: Database) -> None:
    author, _ = make_types(Registry())
    schema = make_schema(author)
    assert statements_of(sqlite, schema) == 9
    graphene_sqlalchemy_c.install()
    assert statements_of(sqlite, schema) == 2
    graphene_sqlalchemy_c.uninstall()
    assert statements_of(sqlite, schema) == 9


def test_batching_false_leaves_what_is_not_asked_for(sqlite: Database) -> None:
    graphene_sqlalchemy_c.install(batching=False)
    author, _ = make_types(Registry())
    assert statements_of(sqlite, make_schema(author)) == 9
    graphene_sqlalchemy_c.install()
    author, _ = make_types(Registry())
    assert statements_of(sqlite, make_schema(author)) == 2


def test_the_schema_is_what_it_is_without_install() -> None:
    stock = {flag: str(zoo.build_schema("stock", flag)) for flag in (False, True)}
    batched = str(zoo.build_schema("stock", True, batching=True))
    imported = {flag: str(zoo.build_schema("import", flag)) for flag in (False, True)}
    graphene_sqlalchemy_c.install()
    installed = {flag: str(zoo.build_schema("install", flag)) for flag in (False, True)}
    assert stock == imported == installed
    with_batching = str(zoo.build_schema("install", True, batching=True))
    graphene_sqlalchemy_c.uninstall()
    # Where stock does not know the SQLAlchemy line its batching=True has no effect on the schema.
    if graphene_sqlalchemy_c._upstream.is_selectin_available is not None:
        assert with_batching == batched
    assert with_batching == str(zoo.build_schema("import", True, batching=True))
    assert "sort:" in with_batching and with_batching != stock[True]


@pytest.mark.parametrize("package", [graphene_sqlalchemy, graphene_sqlalchemy_c])
def test_field_classes_stay(package: Any) -> None:
    if package is graphene_sqlalchemy:
        graphene_sqlalchemy_c.install()
    registry = Registry()
    author, book = make_types(registry, package)
    type(
        "ProfileType",
        (package.SQLAlchemyObjectType,),
        {
            "Meta": type(
                "Meta", (), {"model": Profile, "registry": registry, "interfaces": (relay.Node,)}
            )
        },
    )
    to_many = author._meta.fields["books"].get_type()
    to_one = book._meta.fields["author"].get_type()
    assert type(to_many) is graphene.Field and type(to_one) is graphene.Field
    assert to_many.resolver is None
    assert isinstance(to_one.wrap_resolve(None), BatchResolver)


@pytest.mark.parametrize("package", [graphene_sqlalchemy, graphene_sqlalchemy_c])
def test_a_users_resolver_is_called(sqlite: Database, package: Any) -> None:
    if package is graphene_sqlalchemy:
        graphene_sqlalchemy_c.install()

    def resolve_books(root: Any, info: Any) -> Any:
        return [info.context["session"].get(Book, root.id)]

    def resolve_mentor(root: Any, info: Any) -> Any:
        return root

    author, _ = make_types(
        Registry(), package, resolve_books=resolve_books, resolve_mentor=resolve_mentor
    )
    result, _ = sqlite.run(make_schema(author), "{ authors { id books { id } mentor { id } } }")
    assert result.errors is None
    for each in result.data["authors"]:
        assert each["books"] == [{"id": each["id"]}] and each["mentor"] == {"id": each["id"]}


@pytest.mark.parametrize("package", [graphene_sqlalchemy, graphene_sqlalchemy_c])
def test_an_orm_field_decides_for_itself(sqlite: Database, package: Any) -> None:
    if package is graphene_sqlalchemy:
        graphene_sqlalchemy_c.install()
    author, _ = make_types(
        Registry(),
        package,
        books=ORMField(batching=False),
        edited=ORMField(batching=True),
        writings=ORMField(model_attr="good_books"),
    )
    schema = make_schema(author)
    assert statements_of(sqlite, schema) == 9
    assert statements_of(sqlite, schema, "{ authors { edited { id } } }") == 2
    result, executed = sqlite.run(schema, "{ authors { writings { rating } } }")
    assert result.errors is None and len(executed) == 2
    assert any(each["writings"] for each in result.data["authors"])


def test_roots_that_are_no_instances_get_what_stock_gives() -> None:
    """A resolver may return other objects in the place of instances."""

    class Like:
        name = "like"
        books = ()
        mentor = None

    def run(package: Any) -> Any:
        author, book = make_types(Registry(), package)
        author.is_type_of = book.is_type_of = None

        class Query(graphene.ObjectType):
            authors = graphene.List(author)

            def resolve_authors(self, info: Any) -> Any:
                return [Author(name="own", books=[Book(title="t")]), Like()]

        query = "{ authors { name books { title } mentor { name } } }"
        return graphene.Schema(query=Query).execute(query, context_value={"session": None})

    stock = run(graphene_sqlalchemy)
    assert stock.errors is None and stock.data["authors"][0]["books"] == [{"title": "t"}]
    assert run(graphene_sqlalchemy_c).formatted == stock.formatted


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_connection_field_declared_by_hand_serves_the_relationship_of_its_name(
    sqlite: Database, mode: str
) -> None:
    registry_ = Registry()

    class BookNode(graphene_sqlalchemy_c.SQLAlchemyObjectType):
        class Meta:
            model = Book
            registry = registry_
            only_fields = ("title",)
            interfaces = (relay.Node,)

    class AuthorType(graphene_sqlalchemy_c.SQLAlchemyObjectType):
        class Meta:
            model = Author
            registry = registry_
            only_fields = ("name",)

        edited = graphene_sqlalchemy_c.BatchSQLAlchemyConnectionField(BookNode.connection)
        unknown = graphene_sqlalchemy_c.BatchSQLAlchemyConnectionField(BookNode.connection)

    schema = make_schema(AuthorType)
    query = "{ authors { name edited { edges { node { title } } } } }"
    result, executed = sqlite.run(schema, query, mode)
    assert result.errors is None and len(executed) == 2
    assert [len(each["edited"]["edges"]) for each in result.data["authors"][:3]] == [3, 4, 3]
    result, _ = sqlite.run(schema, "{ authors { unknown { edges { node { title } } } } }", mode)
    assert "names no single relationship from Author to Book" in result.errors[0].message


def test_upstreams_modules_are_named_in_one_file_only() -> None:
    """What install() replaces is looked up where upstream's own code looks it up."""
    graphene_sqlalchemy_c.install()
    assert fields.get_batch_resolver is graphene_sqlalchemy_c.get_batch_resolver
    assert types.SQLAlchemyBase.__init_subclass_with_meta__.__module__.startswith(
        "graphene_sqlalchemy_c"
    )


def test_the_module_prints_what_a_bug_report_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "graphene_sqlalchemy_c"], capture_output=True, text=True, check=True
    )
    for name in ("graphene-sqlalchemy-c", "SQLAlchemy", "graphene", "graphql-core", "Python"):
        assert any(line.startswith(name) for line in done.stdout.splitlines()), name
    assert "installed: no" in done.stdout


def test_every_public_name_exists() -> None:
    for name in graphene_sqlalchemy_c.__all__:
        assert hasattr(graphene_sqlalchemy_c, name)
    for name in graphene_sqlalchemy.__all__:
        assert name in graphene_sqlalchemy_c.__all__
