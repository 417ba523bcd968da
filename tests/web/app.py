"""The application of the web tests: the library's models behind one schema, sync and async."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import graphene
import graphene_sqlalchemy
from graphene import relay
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

import graphene_sqlalchemy_c

from ..library import Author, Book, Review


def with_session(info: Any, run: Callable[[Session], Any]) -> Any:
    """What a function makes of the session; under an AsyncSession a coroutine gives it."""
    session = info.context["session"]
    return session.run_sync(run) if isinstance(session, AsyncSession) else run(session)


class Told(Exception):
    """An error that the application wants its clients to read."""


def wait_in_the_database(root: Any, info: Any, seconds: float) -> Any:
    """The resolver of a field that keeps PostgreSQL busy."""
    statement = text(f"SELECT 1 FROM pg_sleep({seconds})")
    return with_session(info, lambda session: session.scalar(statement))


def build_schema(package: Any = graphene_sqlalchemy_c, **options: Any) -> Any:
    """The schema, from ours or from graphene-sqlalchemy's names.

    :param package: `graphene_sqlalchemy_c`, or `graphene_sqlalchemy` for stock.
    """
    registry = Registry()

    def type_of(model: Any, own: Any = (), **more: Any) -> Any:
        meta = type("Meta", (), {"model": model, "registry": registry, **more})
        return type(model.__name__, (package.SQLAlchemyObjectType,), {"Meta": meta, **dict(own)})

    loud = {"loud": graphene.String(), "resolve_loud": lambda root, info: root.name.upper()}
    author_type = type_of(Author, loud, only_fields=("id", "name", "nick", "books", "mentor"))
    book_type = type_of(Book, only_fields=("id", "title", "rating", "author", "reviews"))
    review_type = type_of(Review, interfaces=(relay.Node,), only_fields=("id", "stars", "book"))

    class Query(graphene.ObjectType):
        authors = graphene.List(author_type)
        books = graphene.List(book_type)
        reviews = package.SQLAlchemyConnectionField(review_type.connection, filter=None)
        hello = graphene.String(name=graphene.String())
        named = graphene.List(author_type, name=graphene.String(required=True))
        told = graphene.String()
        wait = graphene.Int(seconds=graphene.Float(required=True))
        statement = graphene.String(sql=graphene.String(required=True))

        def resolve_authors(root: Any, info: Any) -> Any:
            statement = select(Author).order_by(Author.id)
            if package is graphene_sqlalchemy_c:
                return statement
            return with_session(info, lambda session: session.scalars(statement).all())

        def resolve_books(root: Any, info: Any) -> Any:
            statement = select(Book).order_by(Book.id)
            return with_session(info, lambda session: session.scalars(statement).all())

        def resolve_hello(root: Any, info: Any, name: str = "you") -> str:
            return f"hello {name}"

        def resolve_named(root: Any, info: Any, name: str) -> Any:
            statement = select(Author).where(Author.name == name)
            return with_session(info, lambda session: session.scalars(statement).all())

        resolve_wait = wait_in_the_database

        def resolve_told(root: Any, info: Any) -> str:
            raise Told("not today")

        def resolve_statement(root: Any, info: Any, sql: str) -> Any:
            return with_session(info, lambda session: str(session.scalar(text(sql))))

    class Rename(graphene.Mutation):
        class Arguments:
            id = graphene.Int(required=True)
            name = graphene.String(required=True)
            commit = graphene.Boolean(default_value=False)

        author = graphene.Field(author_type)

        def mutate(root: Any, info: Any, id: int, name: str, commit: bool) -> Any:
            def change(session: Session) -> Any:
                author = session.get(Author, id)
                author.name = name
                session.commit() if commit else session.flush()
                return Rename(author=author)

            return with_session(info, change)

    class Mutation(graphene.ObjectType):
        rename = Rename.Field()
        wait = graphene.Int(seconds=graphene.Float(required=True))
        resolve_wait = wait_in_the_database

    schema_class = graphene.Schema if package is graphene_sqlalchemy else package.Schema
    return schema_class(query=Query, mutation=Mutation, **options)
