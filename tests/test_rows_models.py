"""What a mapping may say of its columns and its instances: each kind by rows, or by instances."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from dataclasses import dataclass
from typing import Any

import graphene
import pytest
from graphene import relay
from graphene.types.generic import GenericScalar
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    Numeric,
    PickleType,
    String,
    Table,
    Text,
    Time,
    TypeDecorator,
    Uuid,
    and_,
    event,
    func,
    select,
    text,
)
from sqlalchemy.ext.associationproxy import association_proxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import (
    Mapped,
    Session,
    attribute_keyed_dict,
    column_property,
    composite,
    declarative_base,
    defaultload,
    defer,
    deferred,
    foreign,
    mapped_column,
    object_session,
    reconstructor,
    relationship,
    synonym,
    validates,
    with_loader_criteria,
)
from sqlalchemy.orm.attributes import set_committed_value

from graphene_sqlalchemy_c import ORMField

from . import library
from .conftest import Database
from .rows_harness import ask, by_key, same, shown, unrun_way, way, world


def text_field() -> Any:
    return ORMField(type_=graphene.String)


# -- identifiers --


def numbered_models() -> Any:
    base = declarative_base()

    class Part(base):
        __tablename__ = "m_parts"
        code = Column(String(9), primary_key=True)
        id = Column(Integer)
        whole_country = Column(String(9))
        whole_number = Column(Integer)

    class Whole(base):
        __tablename__ = "m_wholes"
        country = Column(String(9), primary_key=True)
        number = Column(Integer, primary_key=True)
        id = Column(Integer)
        parts = relationship(
            Part,
            primaryjoin="and_(Whole.country == foreign(Part.whole_country),"
            " Whole.number == foreign(Part.whole_number))",
            order_by=Part.code,
        )

    rows = [Whole(country=c, number=n, id=50) for c in ("at", "de") for n in (1, 2)]
    rows += [
        Part(
            code=f"p{i}", id=i * 7, whole_country=("at", "de", None)[i % 3], whole_number=i % 2 + 1
        )
        for i in range(9)
    ]
    return base, (Whole, Part), rows


@way
@pytest.mark.parametrize("nodes", [False, True])
def test_an_id_is_the_primary_key_and_not_the_column_of_that_name(
    lib: Database, way: Any, nodes: bool
) -> None:
    base, models, rows = numbered_models()
    meta = {model: {"interfaces": (relay.Node,)} for model in models} if nodes else None
    fields = None if nodes else {model: {"id": text_field} for model in models}
    schemas = world(lib, base, models, rows, meta=meta, fields=fields)
    parts = "parts { edges { node { id code } } }" if nodes else "parts { id code }"
    result, _ = same(lib, f"{{ wholes {{ id country {parts} }} }}", way, schemas)
    assert result.errors is None
    first = result.data["wholes"][0]["id"]
    expected = "('at', 1)"
    assert first == (relay.Node.to_global_id("Whole", expected) if nodes else expected)
    result, _ = same(lib, "{ parts { id } }", way, schemas)
    assert result.data["parts"][1]["id"] != "7"


# -- instances that want to be instances --


@way
def test_a_reconstructor_is_called(lib: Database, way: Any) -> None:
    base = declarative_base()

    class Leaf(base):
        __tablename__ = "m_leaves"
        id = Column(Integer, primary_key=True)
        tree_id = Column(ForeignKey("m_trees.id"))
        name = Column(String(20))

        @reconstructor
        def wake(self) -> None:
            set_committed_value(self, "name", f"woken {self.id}")

    class Tree(base):
        __tablename__ = "m_trees"
        id = Column(Integer, primary_key=True)
        leaves = relationship(Leaf, order_by=Leaf.id)

    rows = [Tree(id=i) for i in (1, 2)]
    rows += [Leaf(id=i, tree_id=i % 2 + 1, name="asleep") for i in range(1, 6)]
    schemas = world(lib, base, (Tree, Leaf), rows)
    result, _ = same(lib, "{ trees { id leaves { id name } } }", way, schemas)
    assert "woken 3" in str(result.data) and "asleep" not in str(result.data)
    result, _ = same(lib, "{ leafs { name } }", way, schemas)
    assert "woken 3" in str(result.data) and "asleep" not in str(result.data)


@way
@pytest.mark.parametrize("where", ["mixin", "abstract base"])
def test_a_reconstructor_that_is_inherited(lib: Database, way: Any, where: str) -> None:
    class Waking:
        @reconstructor
        def wake(self) -> None:
            set_committed_value(self, "name", "woken")

    base = declarative_base(cls=Waking) if where == "abstract base" else declarative_base()
    bases = (base,) if where == "abstract base" else (Waking, base)

    class Leaf(*bases):  # type: ignore[misc]
        __tablename__ = "m_leaves"
        id = Column(Integer, primary_key=True)
        name = Column(String(20))

    schemas = world(lib, base, (Leaf,), [Leaf(id=i, name="asleep") for i in (1, 2)])
    result, _ = same(lib, "{ leafs { id name } }", way, schemas)
    assert {leaf["name"] for leaf in result.data["leafs"]} == {"woken"}


@way
def test_an_event_on_a_mixin(lib: Database, way: Any) -> None:
    class Noted:
        pass

    base = declarative_base()

    class Leaf(Noted, base):
        __tablename__ = "m_leaves"
        id = Column(Integer, primary_key=True)
        name = Column(String(20))

    event.listen(
        Noted, "load", lambda leaf, _: set_committed_value(leaf, "name", "noted"), propagate=True
    )
    schemas = world(lib, base, (Leaf,), [Leaf(id=i, name="plain") for i in (1, 2)])
    result, _ = same(lib, "{ leafs { id name } }", way, schemas)
    assert {leaf["name"] for leaf in result.data["leafs"]} == {"noted"}


@way
def test_an_event_that_comes_after_the_plan(lib: Database, way: Any) -> None:
    base = declarative_base()

    class Leaf(base):
        __tablename__ = "m_leaves"
        id = Column(Integer, primary_key=True)
        name = Column(String(20))

    schemas = world(lib, base, (Leaf,), [Leaf(id=i, name="plain") for i in (1, 2)])
    same(lib, "{ leafs { id name } }", way, schemas)
    event.listen(Leaf, "load", lambda leaf, _: set_committed_value(leaf, "name", "noted"))
    result, _ = same(lib, "{ leafs { id name } }", way, schemas)
    assert {leaf["name"] for leaf in result.data["leafs"]} == {"noted"}


@dataclass
class Size:
    width: int
    height: int


def convert_size(composite_: Any, registry: Any) -> Any:
    return graphene.String(resolver=lambda root, _info: f"{root.size.width}x{root.size.height}")


def measured_models() -> Any:
    """Composites, hybrids, association proxies, synonyms, validators."""
    base = declarative_base()

    class Frame(base):
        __tablename__ = "m_frames"
        id = Column(Integer, primary_key=True)
        width = Column(Integer)
        height = Column(Integer)
        picture_id = Column(ForeignKey("m_pictures.id"))
        size = composite(Size, width, height)
        high = synonym("height")
        picture = relationship("Picture", back_populates="frames")
        picture_name = association_proxy("picture", "name")

        @hybrid_property
        def area(self) -> int:
            return self.width * self.height

        @validates("width")
        def check(self, _key: str, value: int) -> int:
            assert value > 0
            return value

    class Picture(base):
        __tablename__ = "m_pictures"
        id = Column(Integer, primary_key=True)
        name = Column(String(20))
        frames = relationship(Frame, back_populates="picture", order_by=Frame.id)
        widths = association_proxy("frames", "width")

    rows = [Picture(id=i, name=f"picture {i}") for i in (1, 2, 3)]
    rows += [Frame(id=i, width=i, height=i + 1, picture_id=i % 2 + 1) for i in range(1, 8)]
    return base, (Picture, Frame), rows


MEASURED = {
    "composite": "{ pictures { id frames { id size } } }",
    "composite at the root": "{ frames { size } }",
    "beside a composite": "{ pictures { id frames { id width height } } }",
    "hybrid": "{ pictures { id frames { area } } }",
    "hybrid at the root": "{ frames { area picture { name } } }",
    "proxy of a collection": "{ pictures { id widths } }",
    "proxy of a scalar": "{ frames { id pictureName } }",
    "proxy below": "{ frames { id picture { widths frames { pictureName } } } }",
}


@way
@pytest.mark.parametrize("name", MEASURED)
def test_composites_hybrids_and_proxies(lib: Database, way: Any, name: str) -> None:
    base, models, rows = measured_models()
    fields = {models[1]: {"area": number_field}}
    schemas = world(lib, base, models, rows, fields=fields, composites={Size: convert_size})
    result, _ = same(lib, MEASURED[name], way, schemas)
    assert result.errors is None


def number_field() -> Any:
    return ORMField(type_=graphene.Int)


def any_field() -> Any:
    return ORMField(type_=GenericScalar)


number_field.__name__ = text_field.__name__ = any_field.__name__ = (
    "<lambda>"  # made anew for each schema
)


@way
def test_a_property_over_a_private_column(lib: Database, way: Any) -> None:
    """A field of the type's own reads a plain property of the model."""
    base = declarative_base()

    class Leaf(base):
        __tablename__ = "m_leaves"
        id = Column(Integer, primary_key=True)
        _name = Column("name", String(20))
        tree_id = Column(ForeignKey("m_trees.id"))

        @property
        def name(self) -> str:
            return f"{self._name}, known as such"

        @property
        def session_name(self) -> str:
            return type(object_session(self)).__name__

    class Tree(base):
        __tablename__ = "m_trees"
        id = Column(Integer, primary_key=True)
        leaves = relationship(Leaf, order_by=Leaf.id)

    fields = {Leaf: {"name": graphene.String, "session_name": graphene.String}}
    made = {Leaf: {key: field_maker(value) for key, value in fields[Leaf].items()}}
    rows = [Tree(id=1), Leaf(id=1, _name="one", tree_id=1), Leaf(id=2, _name="two", tree_id=1)]
    schemas = world(lib, base, (Tree, Leaf), rows, fields=made)
    result, _ = same(lib, "{ trees { leaves { id name sessionName } } }", way, schemas)
    assert result.data["trees"][0]["leaves"][1]["name"] == "two, known as such"
    assert result.data["trees"][0]["leaves"][1]["sessionName"] == "Session"


def field_maker(kind: Any) -> Any:
    def make() -> Any:
        return kind()

    make.__name__ = "<lambda>"
    return make


@way
def test_a_class_that_hooks_attribute_access(lib: Database, way: Any) -> None:
    base = declarative_base()

    class Leaf(base):
        __tablename__ = "m_leaves"
        id = Column(Integer, primary_key=True)
        name = Column(String(20))

        def __getattribute__(self, key: str) -> Any:
            value = super().__getattribute__(key)
            return f"<{value}>" if key == "name" else value

    schemas = world(lib, base, (Leaf,), [Leaf(id=i, name=f"leaf {i}") for i in (1, 2)])
    result, _ = same(lib, "{ leafs { id name } }", way, schemas)
    assert result.data["leafs"][0]["name"] == "<leaf 1>"


# -- columns --


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class NumberType(TypeDecorator):
    impl = Integer
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else Number(value).name

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else Number[value].value


class Never(TypeDecorator):
    """NULL is a value too."""

    impl = String(20)
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return "never" if value is None else value


def typed_models(mutable: bool = True) -> Any:
    base = declarative_base()

    class Thing(base):
        __tablename__ = "m_things"
        id = Column(Integer, primary_key=True)
        box_id = Column(ForeignKey("m_boxes.id"))
        big = Column(BigInteger)
        flag = Column(Boolean)
        day = Column(Date)
        moment = Column(DateTime)
        hour = Column(Time)
        price = Column(Numeric(10, 2))
        exact = Column(Numeric(10, 2, asdecimal=False))
        ratio = Column(Float)
        colour = Column(Enum(Colour))
        shade = Column(Enum("light", "dark", name="shade"))
        number = Column(NumberType)
        never = Column(Never)
        data = Column(JSON)
        changing = Column(MutableDict.as_mutable(JSON) if mutable else JSON)
        token = Column(Uuid)
        plain_token = Column(Uuid(as_uuid=False))
        letters = Column(Text)
        late = deferred(Column(String(20)))
        grouped = deferred(Column(String(20)), group="more")
        grouped_too = deferred(Column(String(20)), group="more")
        forbidden = deferred(Column(String(20)), raiseload=True)
        blob = Column(LargeBinary)
        pickled = Column(PickleType)

    Thing.doubled = column_property(Thing.id * 2)
    Thing.late_double = deferred(column_property(Thing.id * 4))
    Thing.shouted = column_property(func.upper(Thing.letters, type_=Text))

    class Box(base):
        __tablename__ = "m_boxes"
        id = Column(Integer, primary_key=True)
        things = relationship(Thing, order_by=Thing.id, backref="box")
        size = column_property(
            select(func.count(Thing.id)).where(Thing.box_id == id).correlate_except(Thing)
            .scalar_subquery()
        )  # fmt: skip

    rows = [Box(id=i) for i in (1, 2, 3)]
    rows.append(Thing(id=1, box_id=1))
    for i in (2, 3, 4):
        rows.append(
            Thing(
                id=i,
                box_id=i % 2 + 1,
                big=i * 1000,
                flag=bool(i % 2),
                day=datetime.date(2020, 1, i),
                moment=datetime.datetime(2020, 1, i, 12, 30, 15, 1234),
                hour=datetime.time(i, 30),
                price=decimal.Decimal("12.50") * i,
                exact=1.25 * i,
                ratio=i / 3,
                colour=(Colour.RED, Colour.BLUE)[i % 2],
                shade=("light", "dark")[i % 2],
                number=("ONE", "TWO")[i % 2],
                never="often",
                data={"i": [i, None, "ü"]},
                changing={"i": i},
                token=uuid.UUID(int=i),
                plain_token=str(uuid.UUID(int=i)),
                letters="aÄß\u0000x" if i == 2 else "",
                late=f"late {i}",
                grouped=f"grouped {i}",
                grouped_too=f"too {i}",
                forbidden=f"forbidden {i}",
                blob=bytes(range(i)),
                pickled={"i": i},
            )
        )
    return base, (Box, Thing), rows


TYPED = (
    "big", "flag", "day", "moment", "hour", "price", "exact", "ratio", "colour", "shade", "number",
    "never", "data", "changing", "token", "plainToken", "letters", "late", "grouped", "groupedToo",
    "forbidden", "doubled", "lateDouble", "shouted", "blob", "pickled",
)  # fmt: skip
TEXTS = ("number", "never", "blob", "token", "plain_token")


def typed_world(lib: Database, mutable: bool = True) -> Any:
    base, models, rows = typed_models(mutable)
    fields = {models[1]: dict.fromkeys(TEXTS, text_field)}
    fields[models[1]].update(dict.fromkeys(("data", "changing", "pickled"), any_field))
    return world(lib, base, models, rows, fields=fields)


@way
def test_columns_of_every_type(lib: Database, way: Any) -> None:
    schemas = typed_world(lib)
    for name in TYPED:
        query = f"{{ things {{ {name} box {{ things {{ id again: {name} }} }} }} }}"
        result, _ = same(lib, query, way, schemas)
        if name == "forbidden":
            # Four at the root, and those of each one's box: three have three, one has one.
            assert len(result.errors) == 14 and "raiseload" in str(result.errors[0])
        elif name != "blob":  # which is no text
            assert result.errors is None, name


@way
def test_columns_of_every_type_at_once(lib: Database, way: Any) -> None:
    names = " ".join(name for name in TYPED if name not in ("forbidden", "blob"))
    # A mutable value hears of loads, which needs instances.
    schemas = typed_world(lib, mutable=False)
    result, executed = same(lib, f"{{ boxs {{ size things {{ {names} }} }} }}", way, schemas)
    assert result.errors is None and result.data["boxs"][0]["size"] == 3
    assert result.data["boxs"][0]["things"][0]["never"] == "never"
    if way[:2] == ("own", "select"):
        assert len(executed) == 2


@way
def test_a_changed_mutable_is_read_from_its_instance(lib: Database, way: Any) -> None:
    schemas = typed_world(lib)

    def prepare(session: Session) -> Any:
        thing = session.scalars(select(models_of(schemas)[1]).filter_by(id=2)).one()
        thing.changing["i"] = 1000
        return thing

    for autoflush in (True, False):
        result, _ = same(
            lib,
            "{ boxs { id things { id changing } } }",
            way,
            schemas,
            prepare=prepare,
            autoflush=autoflush,
        )
        assert "1000" in str(result.data)


def models_of(schemas: Any) -> tuple[Any, Any]:
    types = schemas("stock").graphql_schema.type_map
    return tuple(types[name].graphene_type._meta.model for name in ("Box", "Thing"))  # type: ignore[return-value]


# -- collections and directions of other kinds --


@way
def test_collections_that_are_not_lists(lib: Database, way: Any) -> None:
    base = declarative_base()

    class Leaf(base):
        __tablename__ = "m_leaves"
        id = Column(Integer, primary_key=True)
        tree_id = Column(ForeignKey("m_trees.id"))

    class Tree(base):
        __tablename__ = "m_trees"
        id = Column(Integer, primary_key=True)
        as_set = relationship(Leaf, collection_class=set, viewonly=True)
        as_dict = relationship(
            Leaf, collection_class=attribute_keyed_dict("id"), viewonly=True, order_by=Leaf.id
        )
        as_dynamic = relationship(Leaf, lazy="dynamic", viewonly=True, order_by=Leaf.id)

    rows = [Tree(id=i) for i in (1, 2)] + [Leaf(id=1, tree_id=1), Leaf(id=2, tree_id=2)]
    schemas = world(lib, base, (Tree, Leaf), rows)
    for name in ("asSet", "asDict", "asDynamic"):
        if name == "asDynamic" and way[2] == "asyncsession":
            continue  # stock shows the query itself, which only a Session can run
        same(lib, f"{{ trees {{ id {name} {{ id }} }} }}", way, schemas)


@way
def test_a_dynamic_relationship_shows_the_sessions_instances(lib: Database, way: Any) -> None:
    """Its query carries no options, but what is in the session already has those it came with."""
    if way[2] == "asyncsession":
        return  # stock shows the query itself, which only a Session can run
    base = declarative_base()

    class Leaf(base):
        __tablename__ = "m_leaves"
        id = Column(Integer, primary_key=True)
        tree_id = Column(ForeignKey("m_trees.id"))

    class Tree(base):
        __tablename__ = "m_trees"
        id = Column(Integer, primary_key=True)
        parent_id = Column(ForeignKey("m_trees.id"))
        leaves = relationship(Leaf, viewonly=True, order_by=Leaf.id)
        saplings = relationship("Tree", lazy="dynamic", viewonly=True, order_by=id)

    rows = [Tree(id=i, parent_id=i - 1) for i in (1, 2, 3)]
    rows += [Leaf(id=i, tree_id=i % 3 + 1) for i in range(1, 9)]
    schemas = world(lib, base, (Tree, Leaf), rows)
    result, _ = same(
        lib,
        "{ trees { id saplings { id leaves { id } } } }",
        way,
        schemas,
        shape=lambda statement, model: by_key(statement, model).options(
            with_loader_criteria(Leaf, Leaf.id > 2)
        ),
    )
    assert [tree["saplings"] for tree in result.data["trees"]] == [
        [{"id": "2", "leaves": [{"id": "4"}, {"id": "7"}]}],
        [{"id": "3", "leaves": [{"id": "5"}, {"id": "8"}]}],
        [],
    ]


@way
@pytest.mark.parametrize("lazy", ["selectin", "joined", "subquery", "immediate", "raise"])
def test_relationships_that_load_themselves(lib: Database, way: Any, lazy: str) -> None:
    """By rows, a relationship is loaded once: not by the mapper and again by the plan."""
    base = declarative_base()

    class Leaf(base):
        __tablename__ = "m_leaves"
        id = Column(Integer, primary_key=True)
        name = Column(String(9))
        tree_id = Column(ForeignKey("m_trees.id"))

    class Tree(base):
        __tablename__ = "m_trees"
        id = Column(Integer, primary_key=True)
        leaves = relationship(Leaf, lazy=lazy, order_by=Leaf.id)

    Leaf.tree = relationship(Tree, lazy=lazy, viewonly=True)
    rows = [Tree(id=i) for i in (1, 2, 3)]
    rows += [Leaf(id=i, name=f"{i}", tree_id=i % 2 + 1) for i in range(1, 6)]
    schemas = world(lib, base, (Tree, Leaf), rows)
    if lazy == "raise":
        # A batch is an explicit load, which stock does not do.
        query = "{ trees { id leaves { id name } } }"
        result, executed = ask(lib, schemas(way[0]), query, *way[1:])
        assert result.errors is None and len(executed) == 2
        return
    query = "{ trees { id leaves { id name } } }"
    result, executed = same(lib, query, way, schemas)
    assert result.errors is None
    result, executed = same(lib, "{ trees { id } }", way, schemas)
    if way[:2] == ("own", "select"):
        assert len(executed) == 1, "nothing of the leaves was selected"
    same(lib, "{ leafs { id name tree { id leaves { name } } } }", way, schemas)


@unrun_way
def test_a_load_does_not_conflict_with_an_option_for_the_way_back(lib: Database, way: Any) -> None:
    """A lazy load does: for an eager many-to-one back, SQLAlchemy adds a lazyload of its own."""
    base = declarative_base()

    class Tree(base):
        __tablename__ = "m_trees"
        id = Column(Integer, primary_key=True)
        leaves = relationship("Leaf", back_populates="tree", order_by="Leaf.id")

    class Leaf(base):
        __tablename__ = "m_leaves"
        id = Column(Integer, primary_key=True)
        tree_id = Column(ForeignKey("m_trees.id"))
        tree = relationship(Tree, back_populates="leaves", lazy="immediate")

    rows = [Tree(id=i) for i in (1, 2, 3)]
    rows += [Leaf(id=i, tree_id=i % 2 + 1) for i in range(1, 6)]
    schemas = world(lib, base, (Tree, Leaf), rows)
    query = "{ trees { id leaves { id tree { id } } } }"

    def back_as_well(statement: Any, model: Any) -> Any:
        option = defaultload(Tree.leaves).selectinload(Leaf.tree)
        return by_key(statement, model).options(option)

    plain, _ = ask(lib, schemas("stock"), query)
    stock, _ = ask(lib, schemas("stock"), query, shape=back_as_well)
    assert {"conflict" in error.message for error in stock.errors} == {True}
    result, _ = ask(lib, schemas(way[0]), query, *way[1:], shape=back_as_well)
    assert result.errors is None and shown(result) == shown(plain)


@way
@pytest.mark.parametrize("lazy", ["select", "raise"])
def test_a_key_that_is_null_in_part(lib: Database, way: Any, lazy: str) -> None:
    """It refers to nothing; lazy="raise" has nothing to say about what needs no load."""
    base = declarative_base()

    class Tree(base):
        __tablename__ = "m_trees"
        row = Column(Integer, primary_key=True)
        place = Column(Integer, primary_key=True)

    class Leaf(base):
        __tablename__ = "m_leaves"
        id = Column(Integer, primary_key=True)
        row = Column(Integer)
        place = Column(Integer)
        tree = relationship(
            Tree,
            primaryjoin=lambda: and_(
                foreign(Leaf.row) == Tree.row, foreign(Leaf.place) == Tree.place
            ),
            lazy=lazy,
        )

    rows = [Tree(row=1, place=1), Leaf(id=1, row=1, place=1), Leaf(id=2, row=1), Leaf(id=3)]
    schemas = world(lib, base, (Tree, Leaf), rows)
    result, _ = ask(lib, schemas(way[0]), "{ leafs { id tree { place } } }", *way[1:])
    assert result.errors is None
    assert [leaf["tree"] for leaf in result.data["leafs"]] == [{"place": "1"}, None, None]


def trees_of_an_age(lib: Database, lazy: str = "select", **barred: Any) -> tuple[Any, Any]:
    """A model whose relationship joins its own table, for it compares a column of the parent."""
    base = declarative_base()

    class Leaf(base):
        __tablename__ = "m_leaves"
        id = Column(Integer, primary_key=True)
        tree_id = Column(ForeignKey("m_trees.id"))

    class Tree(base):
        __tablename__ = "m_trees"
        id = Column(Integer, primary_key=True)
        name = Column(String(9))
        age = deferred(Column(Integer), **barred) if barred else Column(Integer)
        leaves = relationship(
            Leaf,
            primaryjoin=lambda: and_(Tree.id == foreign(Leaf.tree_id), Tree.age > 1),
            viewonly=True,
            order_by=Leaf.id,
            lazy=lazy,
        )

    rows = [Tree(id=i, age=i) for i in (1, 2, 3)] + [Leaf(id=i, tree_id=i % 3 + 1) for i in (1, 2)]
    return Tree, world(lib, base, (Tree, Leaf), rows)


@way
@pytest.mark.parametrize("by", ["an option", "the mapper"])
@pytest.mark.parametrize(
    ("lazy", "reason"), [("select", "raiseload=True"), ("raise", "lazy='raise'")]
)
def test_a_join_on_a_column_that_must_not_be_loaded(
    lib: Database, way: Any, by: str, lazy: str, reason: str
) -> None:
    """A lazy load reads the column, and so gives its error, or does not begin."""
    barred = {"raiseload": True} if by == "the mapper" else {}
    tree, schemas = trees_of_an_age(lib, lazy, **barred)
    options = [defer(tree.age, raiseload=True)] if by == "an option" else []
    result, _ = same(
        lib,
        "{ trees { id leaves { id } } }",
        way,
        schemas,
        shape=lambda statement, model: by_key(statement, model).options(*options),
    )
    assert len(result.errors) == 3 and reason in result.errors[0].message


@way
@pytest.mark.parametrize("name", ["name", "age"])
def test_a_join_on_a_table_with_pending_changes(lib: Database, way: Any, name: str) -> None:
    """What the join does not compare may have changed; else the attribute itself is read."""
    tree, schemas = trees_of_an_age(lib, lazy="raise")

    def prepare(session: Session) -> Any:
        changed = session.get(tree, 2)
        setattr(changed, name, 0)
        return changed

    query = "{ trees { id leaves { id } } }"
    result, _ = ask(
        lib, schemas(way[0]), query, *way[1:], prepare=prepare, legacy=False, autoflush=False
    )
    first, second, third = result.data["trees"]
    assert first["leaves"] == [] and third["leaves"] == [{"id": "2"}]
    if name == "name":
        assert result.errors is None and second["leaves"] == [{"id": "1"}]
    else:
        (error,) = result.errors
        assert second is None and "lazy='raise'" in error.message


@way
@pytest.mark.parametrize("name", ["down", "up", "from a subquery"])
def test_keys_that_the_database_compares_in_its_own_way(lib: Database, way: Any, name: str) -> None:
    """A collation that no model declares; the rows of a subquery cannot be joined again."""
    with lib.engine.begin() as connection:
        key = "code VARCHAR(10) COLLATE NOCASE"
        connection.execute(text(f"CREATE TABLE m_houses ({key} PRIMARY KEY)"))
        connection.execute(text(f"CREATE TABLE m_prints (id INTEGER PRIMARY KEY, {key})"))
    base = declarative_base()

    class Print(base):
        __tablename__ = "m_prints"
        id = Column(Integer, primary_key=True)
        code = Column(String(10), ForeignKey("m_houses.code"))
        house = relationship("House")

    class House(base):
        __tablename__ = "m_houses"
        code = Column(String(10), primary_key=True)
        prints = relationship(Print, viewonly=True, order_by=Print.id)

    subquery = select(Print.__table__.c.id, Print.__table__.c.code).subquery()

    class View(base):
        __table__ = subquery
        __mapper_args__ = {"primary_key": [subquery.c.id]}  # noqa: RUF012
        house = relationship(
            House, primaryjoin=lambda: foreign(subquery.c.code) == House.code, viewonly=True
        )

    codes = ["ab", "AB", "Ab", "cd", "CD", None, "lost"]
    rows = [House(code="ab"), House(code="CD")]
    with Session(lib.engine) as session:
        session.add_all(rows)
        session.flush()
        session.add_all(Print(id=i, code=code) for i, code in enumerate(codes, 1))
        session.commit()
    query = {
        "down": "{ houses { code prints { id code house { code } } } }",
        "up": "{ prints { id code house { code } } }",
        "from a subquery": "{ views { id code house { code } } }",
    }[name]
    made = {route: library.build_schema(route, (Print, House, View)) for route in ("stock", way[0])}
    result, _ = same(lib, query, way, made.__getitem__)
    assert result.errors is None and "CD" in str(result.data)


def test_the_typed_models_are_mapped_as_they_read() -> None:
    _, (_box, thing), _ = typed_models()
    mapped: Mapped[Any] | None = mapped_column()  # both ways of declaring are used here
    assert mapped is not None and "forbidden" in thing.__mapper__.columns
    assert isinstance(thing.__table__, Table)
