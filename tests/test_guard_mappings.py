"""`get_query` of types over hierarchies that are mapped in other ways than the tenants' people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import graphene
import pytest
from graphene import relay
from sqlalchemy import ForeignKey, String, create_engine, select
from sqlalchemy.ext.declarative import AbstractConcreteBase, ConcreteBase
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool

from graphene_sqlalchemy_c import Registry, Schema, SQLAlchemyInterface, SQLAlchemyObjectType


class Base(DeclarativeBase):
    pass


class Plant(AbstractConcreteBase, Base):
    """Of concrete classes a key says nothing without the class."""

    strict_attrs = True
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class Tree(Plant):
    __tablename__ = "m_tree"
    __mapper_args__ = {"polymorphic_identity": "tree", "concrete": True}  # noqa: RUF012


class Moss(Plant):
    __tablename__ = "m_moss"
    __mapper_args__ = {"polymorphic_identity": "moss", "concrete": True}  # noqa: RUF012


class Part(Base):
    """Joined, without a discriminator."""

    __tablename__ = "m_part"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class Wheel(Part):
    __tablename__ = "m_wheel"
    id: Mapped[int] = mapped_column(ForeignKey("m_part.id"), primary_key=True)
    spokes: Mapped[int]


Base.registry.configure()


@pytest.fixture
def engine() -> Iterator[Any]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        for i in (1, 2, 3):
            session.add(Tree(id=i, name=f"tree {i}"))
            session.add(Moss(id=i, name=f"moss {i}"))
            session.add(Wheel(id=i, name=f"wheel {i}", spokes=i))
        session.commit()
    yield engine
    engine.dispose()


def schema_of(model_: type, base: type | None, condition: Any, base_condition: Any = None) -> Any:
    """A list of the objects of a model, and one of an interface over its base."""
    registry_ = Registry()

    class BaseType(SQLAlchemyInterface):
        class Meta:
            model = base or Part
            registry = registry_
            use_connection = False
            only_fields = ("id", "name")

        @classmethod
        def get_query(cls, info: Any) -> Any:
            return select(base) if base_condition is None else select(base).where(base_condition)

    class OwnType(SQLAlchemyObjectType):
        class Meta:
            model = model_
            registry = registry_
            interfaces = (relay.Node, BaseType) if base else (relay.Node,)
            use_connection = False
            only_fields = ("id", "name")

        @classmethod
        def get_query(cls, info: Any) -> Any:
            return select(model_).where(condition)

    types: list[Any] = [OwnType]
    if base is Plant:

        class MossType(SQLAlchemyObjectType):
            class Meta:
                model = Moss
                registry = registry_
                interfaces = (BaseType,)
                use_connection = False
                only_fields = ("id", "name")

        types.append(MossType)

    class Query(graphene.ObjectType):
        statement = graphene.List(OwnType)
        objects = graphene.List(OwnType)
        if base:
            bases = graphene.List(BaseType)
            base_objects = graphene.List(BaseType)

        def resolve_statement(root, info: Any) -> Any:
            return select(model_)

        def resolve_objects(root, info: Any) -> Any:
            return info.context["session"].scalars(select(model_)).all()

        def resolve_bases(root, info: Any) -> Any:
            return select(base)

        def resolve_base_objects(root, info: Any) -> Any:
            session = info.context["session"]
            others = session.scalars(select(Moss)) if base is Plant else ()
            return [*session.scalars(select(model_)), *others]

    return Schema(query=Query, types=types, enforce_get_query=True)


def ask(engine: Any, schema: Any, query: str) -> Any:
    with Session(engine) as session:
        return schema.execute(query, context_value={"session": session})


def test_concrete_classes_with_criteria_of_their_own(engine: Any) -> None:
    schema = schema_of(Tree, None, Tree.id == 2)
    result = ask(engine, schema, "{ statement { name } objects { name } }")
    assert result.errors is None
    assert result.data == {"statement": [{"name": "tree 2"}], "objects": [{"name": "tree 2"}]}


@pytest.mark.parametrize("field", ["bases", "baseObjects"])
@pytest.mark.parametrize("has_own", [False, True])
def test_concrete_classes_behind_their_base(engine: Any, field: str, has_own: bool) -> None:
    """Rows of other classes have the same keys: where only a key could tell, there is an error."""
    schema = schema_of(Tree, Plant, Tree.id == 2, Plant.id == 2 if has_own else None)
    result = ask(engine, schema, f"{{ {field} {{ __typename name }} }}")
    if field == "baseObjects" and not has_own:
        assert result.errors is None
        names = sorted(each["name"] for each in result.data[field])
        assert names == ["moss 1", "moss 2", "moss 3", "tree 2"]
        return
    assert result.data == {field: None}
    (error,) = result.errors
    assert "cannot be enforced" in error.message


@pytest.mark.parametrize("field", ["bases", "baseObjects"])
def test_keys_that_concrete_classes_share(engine: Any, field: str) -> None:
    inner = Plant.id.in_(select(Part.id).where(Part.id == 2))
    schema = schema_of(Tree, Plant, Tree.id > 0, inner)
    result = ask(engine, schema, f"{{ {field} {{ name }} }}")
    assert result.data == {field: None}
    (error,) = result.errors
    assert "cannot be enforced" in error.message


def test_a_concrete_class_that_has_concrete_subclasses(engine: Any) -> None:
    """Its own objects have keys that rows of the subclasses have too."""
    own = type("Own", (DeclarativeBase,), {})

    class Animal(ConcreteBase, own):  # type: ignore[misc, valid-type]
        __tablename__ = "m_animal"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))
        __mapper_args__ = {"polymorphic_identity": "animal", "concrete": True}  # noqa: RUF012

    class Cat(Animal):
        __tablename__ = "m_cat"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(20))
        __mapper_args__ = {"polymorphic_identity": "cat", "concrete": True}  # noqa: RUF012

    own.registry.configure()
    own.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Animal(id=1, name="hidden"), Cat(id=1, name="shown")])
        session.commit()
    registry_ = Registry()

    class AnimalType(SQLAlchemyObjectType):
        class Meta:
            model = Animal
            registry = registry_
            only_fields = ("id", "name")

        @classmethod
        def get_query(cls, info: Any) -> Any:
            return select(Animal).where(Animal.name != "hidden")

    class Query(graphene.ObjectType):
        animals = graphene.List(AnimalType)

        def resolve_animals(root, info: Any) -> Any:
            return info.context["session"].scalars(select(Animal)).all()

    result = ask(engine, Schema(query=Query, enforce_get_query=True), "{ animals { name } }")
    assert result.data == {"animals": None}
    assert "cannot be enforced" in result.errors[0].message


def test_a_hierarchy_without_a_discriminator(engine: Any) -> None:
    schema = schema_of(Wheel, Part, Wheel.spokes != 1, Part.name != "wheel 3")
    result = ask(engine, schema, "{ statement { name } objects { name } baseObjects { name } }")
    assert result.errors is None
    visible = [{"name": "wheel 2"}]
    assert result.data["statement"] == result.data["objects"] == visible
    assert [each for each in result.data["baseObjects"] if each] == visible
