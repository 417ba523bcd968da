"""Models, data, schemas and an oracle for the tests of pages that come along with those above them.

Writers have works, works have opinions, opinions have answers; each foreign key is indexed, but for
those that the tests want without. Orders have ties.
"""

from __future__ import annotations

import itertools
from typing import Any, ClassVar, NamedTuple

import graphene
from graphene import relay
from graphene_sqlalchemy.registry import Registry
from sqlalchemy import Column, ForeignKey, String, Table, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

import graphene_sqlalchemy_c
from graphene_sqlalchemy_c import SQLAlchemyConnectionField, SQLAlchemyObjectType

from .pages_zoo import PAGE_INFO, expected_page, written


class Base(DeclarativeBase):
    pass


work_labels = Table(
    "joined_work_labels",
    Base.metadata,
    Column("work_id", ForeignKey("joined_works.id"), primary_key=True),
    Column("label_id", ForeignKey("joined_labels.id"), primary_key=True, index=True),
)


class Writer(Base):
    __tablename__ = "joined_writers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    rank: Mapped[int]
    works: Mapped[list[Work]] = relationship(order_by="Work.rank.desc()", back_populates="writer")
    novels: Mapped[list[Novel]] = relationship(viewonly=True)
    drafts: Mapped[list[Draft]] = relationship()


class Work(Base):
    """Its subclass is in the same table."""

    __tablename__ = "joined_works"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    rank: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))
    writer_id: Mapped[int | None] = mapped_column(ForeignKey("joined_writers.id"), index=True)
    writer: Mapped[Writer | None] = relationship(back_populates="works")
    opinions: Mapped[list[Opinion]] = relationship(order_by="Opinion.stars")
    labels: Mapped[list[Label]] = relationship(secondary=work_labels, order_by="Label.name")
    __mapper_args__: ClassVar[Any] = {"polymorphic_on": "kind", "polymorphic_identity": "work"}


class Novel(Work):
    __mapper_args__: ClassVar[Any] = {"polymorphic_identity": "novel"}


class Opinion(Base):
    __tablename__ = "joined_opinions"
    id: Mapped[int] = mapped_column(primary_key=True)
    stars: Mapped[int]
    text: Mapped[str | None] = mapped_column(String(20))
    work_id: Mapped[int] = mapped_column(ForeignKey("joined_works.id"), index=True)
    answers: Mapped[list[Answer]] = relationship()


class Answer(Base):
    __tablename__ = "joined_answers"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(20))
    opinion_id: Mapped[int] = mapped_column(ForeignKey("joined_opinions.id"), index=True)


class Label(Base):
    __tablename__ = "joined_labels"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    works: Mapped[list[Work]] = relationship(secondary=work_labels, viewonly=True)


class Draft(Base):
    """Its foreign key has no index, nor has that of its pages."""

    __tablename__ = "joined_drafts"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    writer_id: Mapped[int] = mapped_column(ForeignKey("joined_writers.id"))
    sheets: Mapped[list[Sheet]] = relationship()


class Sheet(Base):
    __tablename__ = "joined_sheets"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    draft_id: Mapped[int] = mapped_column(ForeignKey("joined_drafts.id"))


MODELS = (Writer, Work, Novel, Opinion, Answer, Label, Draft, Sheet)


def fill(session: Session) -> None:
    """Writers with 0 to 5 works, works with 0 to 4 opinions, opinions with 0 to 2 answers."""
    session.add_all(Label(id=i, name=f"label {i % 3}") for i in range(1, 7))
    numbers = itertools.count(1)
    for i in range(1, 7):
        session.add(Writer(id=i, name=f"writer {i}", rank=i % 3))
        session.add_all(
            Draft(
                id=10 * i + j,
                name=f"draft {j}",
                writer_id=i,
                sheets=[Sheet(id=100 * i + 10 * j + k, name=f"sheet {k}") for k in range(j)],
            )
            for j in range(i % 3 + 1)
        )
        for j in range(6 - i):
            cls = Novel if j % 2 else Work
            work = cls(id=next(numbers), name=f"work {j % 3}", rank=j % 2, writer_id=i)
            session.add(work)
            for k in range((i + j) % 5):
                opinion = Opinion(
                    id=100 * work.id + k, stars=k % 2, text=None if k == 1 else f"text {k}",
                    work_id=work.id,
                )  # fmt: skip
                session.add(opinion)
                session.add_all(
                    Answer(id=1000 * opinion.id + n, text=f"answer {n}",
                           opinion_id=opinion.id)
                    for n in range(k % 3)
                )  # fmt: skip
    session.add(Work(id=99, name="of nobody", rank=0))
    session.flush()
    works = session.scalars(select(Work).order_by(Work.id)).all()
    for work in works:
        pairs = [
            {"work_id": work.id, "label_id": label} for label in range(1, 7) if work.id % label == 0
        ]
        session.execute(work_labels.insert(), pairs)
    session.commit()


def build_schema(
    resolve_name: Any = None, visible: Any = None, **options: Any
) -> graphene_sqlalchemy_c.Schema:
    """A schema over all models, with relay connections everywhere.

    :param resolve_name: a Python resolver of the names of drafts.
    :param visible: gives the opinions that may be seen, as `get_query` of their type.
    :param options: of the Schema.
    """
    registry = Registry()
    types = {}
    for model in MODELS:
        meta = {"model": model, "registry": registry, "interfaces": (relay.Node,)}
        fields: dict[str, Any] = {"Meta": type("Meta", (), meta)}
        if model is Draft and resolve_name:
            fields["resolve_name"] = resolve_name
        if model is Opinion and visible:
            fields["get_query"] = classmethod(visible)
        types[model] = type(model.__name__, (SQLAlchemyObjectType,), fields)

    class Query(graphene.ObjectType):
        all_writers = SQLAlchemyConnectionField(types[Writer].connection)
        ranked = SQLAlchemyConnectionField(types[Writer].connection, rank=graphene.Int())
        writers = graphene.List(types[Writer])
        writer = graphene.Field(types[Writer], id=graphene.Int())

        def resolve_ranked(root: Any, info: Any, rank: int, **_: Any) -> Any:
            return select(Writer).where(Writer.rank == rank).order_by(Writer.name.desc())

        def resolve_writers(root: Any, info: Any) -> Any:
            return select(Writer).order_by(Writer.id).options(*info.context["options"])

        def resolve_writer(root: Any, info: Any, id: int) -> Any:
            return select(Writer).where(Writer.id == id)

    return graphene_sqlalchemy_c.Schema(query=Query, types=list(types.values()), **options)


# -- the oracle --


class Ask(NamedTuple):
    """A connection field of a query, and what is asked of its nodes."""

    field: str
    arguments: dict[str, Any]
    below: tuple[Ask, ...] = ()


LEAVES = {
    "Writer": ("name",),
    "Work": ("name", "rank"),
    "Novel": ("name",),
    "Opinion": ("stars", "text"),
    "Answer": ("text",),
    "Label": ("name",),
    "Draft": ("name",),
    "Sheet": ("name",),
}
ORDERS: dict[str, Any] = {
    "works": lambda work: (-work.rank, work.id),
    "opinions": lambda opinion: (opinion.stars, opinion.id),
    "labels": lambda label: (label.name, label.id),
}
"""The order of a relationship's pages, where it is not that of the primary key."""


def fields_of(model: type) -> dict[str, type]:
    """The connections of a model's type, and the models that they show."""
    return {
        each.key: each.mapper.class_
        for each in model.__mapper__.relationships  # type: ignore[attr-defined]
        if (each.uselist and each.key != "works") or model is Writer
    }


CONNECTIONS = ("allWriters", "ranked")
"""The root fields that are connections; `writers` is a list, `writer` one object."""


def query_of(root: Ask) -> str:
    """The query of one root field, under the name `found`."""
    if root.field in CONNECTIONS:
        return f"{{ found: {root.field}{_page_of(root, Writer)} }}"
    return f"{{ found: {root.field}{written(root.arguments)} {{ {_nodes_of(root, Writer)} }} }}"


def _nodes_of(ask: Ask, model: type) -> str:
    """The selection of the nodes of a field."""
    fields = fields_of(model)
    pages = (
        f"a{i}: {each.field}{_page_of(each, fields[each.field])}"
        for i, each in enumerate(ask.below)
    )
    return " ".join([*LEAVES[model.__name__], *pages])


def _page_of(ask: Ask, model: type) -> str:
    """The arguments and the selection of a connection."""
    nodes = f"edges {{ cursor node {{ {_nodes_of(ask, model)} }} }}"
    return f"{written(ask.arguments)} {{ {nodes} {PAGE_INFO} }}"


def expected(session: Session, root: Ask, order: Any = None, options: tuple[Any, ...] = ()) -> Any:
    """The answer, by lazy loading and graphql_relay.

    :param order: of the writers, as a key of `sorted`.
    :param options: of the statement that loads them.
    """
    statement = select(Writer).order_by(Writer.id).options(*options)
    writers = sorted(session.scalars(statement), key=order or _by_key)
    if root.field == "ranked":
        writers = [each for each in reversed(writers) if each.rank == root.arguments["rank"]]
    found = [_shown(each, Writer, root.below) for each in writers]
    if root.field == "writer":
        return found[root.arguments["id"] - 1]
    return expected_page(found, root.arguments) if root.field in CONNECTIONS else found


def _shown(value: Any, model: type, asks: tuple[Ask, ...]) -> dict[str, Any]:
    """An object as the response shows it."""
    found = {name: getattr(value, name) for name in LEAVES[model.__name__]}
    for i, ask in enumerate(asks):
        target = fields_of(model)[ask.field]
        children = sorted(getattr(value, ask.field), key=ORDERS.get(ask.field, _by_key))
        nodes = [_shown(child, target, ask.below) for child in children]
        found[f"a{i}"] = expected_page(nodes, ask.arguments)
    return found


def _by_key(value: Any) -> Any:
    return value.id
