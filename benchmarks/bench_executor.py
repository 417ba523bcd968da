"""The executor against graphql-core's: pairs measured in one run, interleaved, best of several.

python benchmarks/bench_executor.py [repeats]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import graphene
from graphql import ExecutionContext as StockContext
from graphql import execute, parse, validate
from graphql.execution.execute import default_field_resolver
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    selectinload,
)

from graphene_sqlalchemy_c import ExecutionContext, Schema
from graphene_sqlalchemy_c._core import Plan


class Row(NamedTuple):
    """One line of the table; `bound` is what the ratio is to reach (below 1: not to exceed)."""

    name: str
    stock_seconds: float
    our_seconds: float
    ratio: float
    bound: float


def measure(
    name: str, bound: float, stock: Callable[[], Any], ours: Callable[[], Any], repeats: int
) -> Row:
    """Best of several, the two in turn so that both meet the same noise."""
    best = [float("inf"), float("inf")]
    for _ in range(repeats):
        for which, function in enumerate((stock, ours)):
            start = perf_counter()
            function()
            best[which] = min(best[which], perf_counter() - start)
    return Row(name, best[0], best[1], best[0] / best[1], bound)


NAMES = [f"f{i}" for i in range(10)]


class Thing:
    def __init__(self, n: int) -> None:
        for i, name in enumerate(NAMES):
            setattr(self, name, i if i % 2 else f"s{n}")


THINGS = [Thing(n) for n in range(1000)]


def list_schema(**members: Any) -> Any:
    fields = {n: graphene.Int() if i % 2 else graphene.String() for i, n in enumerate(NAMES)}
    type_ = type("T", (graphene.ObjectType,), {**fields, **members})

    class Query(graphene.ObjectType):
        things = graphene.List(type_)

        def resolve_things(root: Any, info: Any) -> Any:
            return THINGS

    return graphene.Schema(query=Query).graphql_schema


def trivial_resolver(name: str) -> Any:
    return lambda root, info: root.__dict__[name]


def runner(schema: Any, query: str) -> Callable[[Any], Any]:
    document = parse(query)

    def run(context: Any) -> Any:
        result = execute(schema, document, execution_context_class=context)
        assert not result.errors  # type: ignore[union-attr]
        return result.data  # type: ignore[union-attr]

    assert run(StockContext) == run(ExecutionContext)
    return run


def bench_lists(repeats: int) -> list[Row]:
    query = "{ things { " + " ".join(NAMES) + " } }"
    rows = []
    for name, bound, members in (
        ("1,000 objects x 10 attributes", 10, {}),
        (
            "the same, a Python resolver each",
            2,
            {f"resolve_{n}": trivial_resolver(n) for n in NAMES},
        ),
    ):
        run = runner(list_schema(**members), query)
        rows.append(
            measure(
                name,
                bound,
                lambda r=run: r(StockContext),
                lambda r=run: r(ExecutionContext),
                repeats,
            )
        )
    return rows


def bench_async(repeats: int) -> list[Row]:
    async def resolve_f0(root: Any, info: Any) -> str:
        return "x"

    schema = list_schema(resolve_f0=resolve_f0)
    document = parse("{ things { f0 } }")
    loop = asyncio.new_event_loop()

    def run(context: Any) -> Any:
        async def main() -> Any:
            return await execute(schema, document, execution_context_class=context)  # type: ignore[misc]

        return loop.run_until_complete(main()).data

    assert run(StockContext) == run(ExecutionContext)
    row = measure(
        "1,000 async resolvers",
        3,
        lambda: run(StockContext),
        lambda: run(ExecutionContext),
        repeats,
    )
    loop.close()
    return [row]


ONE = "{ one { id name age } }"


class One(graphene.ObjectType):
    id = graphene.ID()
    name = graphene.String()
    age = graphene.Int()


class OneQuery(graphene.ObjectType):
    one = graphene.Field(One)

    def resolve_one(root: Any, info: Any) -> Any:
        return One(id=1, name="x", age=3)


def bench_one_object(repeats: int) -> list[Row]:
    stock, ours = graphene.Schema(query=OneQuery), Schema(query=OneQuery)
    assert stock.execute(ONE) == ours.execute(ONE)
    schema, document = stock.graphql_schema, parse(ONE)
    run = runner(schema, ONE)

    def compile_plan() -> Any:
        operation: Any = document.definitions[0]
        arguments = (schema, {}, operation.selection_set, schema.query_type)
        return Plan(*arguments, default_field_resolver, {}, frozenset())

    def times(function: Callable[[], Any]) -> Callable[[], None]:
        def many() -> None:
            for _ in range(100):
                function()

        return many

    return [
        measure(
            "100 x one object, schema.execute, document cached", 10,
            times(lambda: stock.execute(ONE)), times(lambda: ours.execute(ONE)), repeats,
        ),
        measure(
            "100 x one object, pre-parsed, graphql.execute", 2,
            times(lambda: run(StockContext)), times(lambda: run(ExecutionContext)), repeats,
        ),
        measure(
            "100 x validate against compile and execute", 3,
            times(lambda: validate(schema, document)), times(lambda: run(ExecutionContext)),
            repeats,
        ),
        measure(
            "100 x validate against compile of the root", 3,
            times(lambda: validate(schema, document)), times(compile_plan), repeats,
        ),
    ]  # fmt: skip


# ---- instances of the ORM, loaded by hand --------------------------------------------------------


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.id")


class Book(Base):
    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")
    reviews: Mapped[list[Review]] = relationship(order_by="Review.id")


class Review(Base):
    __tablename__ = "review"
    id: Mapped[int] = mapped_column(primary_key=True)
    stars: Mapped[int]
    book_id: Mapped[int] = mapped_column(ForeignKey("book.id"))


def bench_instances(repeats: int) -> list[Row]:
    """Hand-written ORM and dicts in the first column; ours over the same instances in the second.

    The statements are the same on both sides (`selectinload`), so this is the walk's share; how
    the executor loads relationships itself is measured with the batch resolver.
    """
    import orjson

    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for a in range(50):
            books = [
                Book(title=f"b{b}", reviews=[Review(stars=s % 5) for s in range(10)])
                for b in range(10)
            ]
            session.add(Author(name=f"a{a}", books=books))
        session.commit()
    statement = select(Author).options(selectinload(Author.books).selectinload(Book.reviews))

    def load() -> Any:
        with Session(engine) as session:
            return session.scalars(statement).all()

    def by_hand() -> bytes:
        authors = [
            {
                "name": author.name,
                "books": [
                    {"title": book.title, "reviews": [{"stars": r.stars} for r in book.reviews]}
                    for book in author.books
                ],
            }
            for author in load()
        ]
        return orjson.dumps({"data": {"authors": authors}})

    rows = []
    for name, bound, resolved in (
        ("5,550 ORM instances, against hand-written", 1 / 1.15, False),
        ("the same, a Python resolver on every type", 1 / 1.5, True),
    ):
        schema = instance_schema(load, resolved)

        def ours(schema: Any = schema) -> bytes:
            return orjson.dumps(
                {
                    "data": schema.execute(
                        "{ authors { name books { title reviews { stars } } } }"
                    ).data
                }
            )

        assert ours() == by_hand()
        rows.append(measure(name, bound, by_hand, ours, repeats))
    return rows


def instance_schema(load: Callable[[], Any], resolved: bool) -> Any:
    def with_resolver(field: str) -> dict[str, Any]:
        resolve = lambda root, info: getattr(root, field)  # noqa: E731
        return {f"resolve_{field}": resolve} if resolved else {}

    def type_(type_name: str, field: str, /, **fields: Any) -> Any:
        return type(type_name, (graphene.ObjectType,), {**fields, **with_resolver(field)})

    review = type_("ReviewType", "stars", stars=graphene.Int())
    book = type_("BookType", "title", title=graphene.String(), reviews=graphene.List(review))
    author = type_("AuthorType", "name", name=graphene.String(), books=graphene.List(book))

    class Query(graphene.ObjectType):
        authors = graphene.List(author)

        def resolve_authors(root: Any, info: Any) -> Any:
            return load()

    return Schema(query=Query)


def run(repeats: int = 7) -> list[Row]:
    """All rows: name, seconds of the stock side, seconds of ours, ratio, and the ratio wanted."""
    rows = []
    for bench in (bench_lists, bench_async, bench_one_object, bench_instances):
        rows += bench(repeats)
    return rows


def main() -> int:
    rows = run(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
    print(f"{'':52} {'stock ms':>9} {'ours ms':>9} {'ratio':>7} {'wanted':>7}")
    for row in rows:
        print(
            f"{row.name:52} {row.stock_seconds * 1e3:9.3f} {row.our_seconds * 1e3:9.3f}"
            f" {row.ratio:7.2f} {row.bound:7.2f}"
        )
    return int(any(row.ratio < row.bound for row in rows))


if __name__ == "__main__":
    sys.exit(main())
