"""The C converter gives what graphene-sqlalchemy's own gives: fields, errors, whole schemas."""

import enum
import inspect
import typing
from types import SimpleNamespace

import graphene
import pytest
import sqlalchemy as sa
import sqlalchemy_utils as sau
from graphene import relay
from graphene_sqlalchemy import SQLAlchemyObjectType
from graphene_sqlalchemy.fields import SQLAlchemyConnectionField
from graphene_sqlalchemy.registry import Registry, get_global_registry, reset_global_registry
from graphene_sqlalchemy.types import ORMField
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import RelationshipProperty, column_property

from graphene_sqlalchemy_c import _core, _upstream
from graphene_sqlalchemy_c.converter import replacements

from .converter_harness import assert_parity, c_converter, outcome
from .converter_models import Base, Club, Passport, Person, Pet, Point

FUNCTIONS = [
    "_convert_o2m_or_m2m_relationship",
    "_convert_o2o_or_m2o_relationship",
    "convert_sqlalchemy_association_proxy",
    "convert_sqlalchemy_column",
    "convert_sqlalchemy_composite",
    "convert_sqlalchemy_hybrid_method",
    "convert_sqlalchemy_relationship",
    "get_attr_resolver",
    "get_column_doc",
    "get_custom_resolver",
    "is_column_nullable",
]


@pytest.fixture(autouse=True)
def own_registry():
    reset_global_registry()
    matchers = _upstream.convert_sqlalchemy_type.registry
    before = list(matchers.items())
    yield
    matchers.clear()
    matchers.update(before)
    reset_global_registry()


# ---- columns ----


class Upper(sa.types.TypeDecorator):
    impl = sa.String
    cache_ok = True


class Money(sa.types.UserDefinedType):
    cache_ok = True

    def get_col_spec(self, **kw):
        return "MONEY"


class ChoiceKind(enum.Enum):
    one = 1
    two = 2


NEEDS_ARGUMENTS = {
    "ARRAY": lambda cls: cls(sa.Integer),
    "AbstractRange": lambda cls: cls(),
    "DOMAIN": lambda cls: cls("positive", sa.Integer),
    "ENUM": lambda cls: cls("a", "b", name=f"enum_of_{cls.__module__}".replace(".", "_")),
    "Enum": lambda cls: cls("a", "b", name="letters"),
    "TupleType": lambda cls: cls(sa.Integer),
}


def all_types():
    """An instance of each type class that SQLAlchemy's generic and dialect modules export."""
    for module in (sa.types, postgresql, mysql):
        for name in sorted(vars(module)):
            cls = vars(module)[name]
            if not isinstance(cls, type) or not issubclass(cls, sa.types.TypeEngine):
                continue
            make = NEEDS_ARGUMENTS.get(name, lambda cls: cls())
            try:
                instance = make(cls)
            except (AssertionError, TypeError, NotImplementedError):
                continue  # an abstract base
            yield pytest.param(instance, id=f"{module.__name__}.{name}")


def other_types():
    return [
        sa.String(5),
        sa.Numeric(10, 2),
        sa.BigInteger(),
        sa.Enum(ChoiceKind),
        sa.Enum("unnamed"),
        postgresql.ARRAY(sa.String, dimensions=3),
        postgresql.ARRAY(sa.Enum("x", name="x_kind")),
        postgresql.ARRAY(Money()),
        sa.ARRAY(sa.Text, dimensions=2),
        sa.String().with_variant(sa.Text(), "mysql"),
        Upper(),
        Money(),
        sau.ChoiceType([("a", "Alpha"), ("b", "Beta")]),
        sau.ChoiceType(ChoiceKind, impl=sa.Integer()),
        sau.CountryType(),
        sau.EmailType(),
        sau.IPAddressType(),
        sau.JSONType(),
        sau.LtreeType(),
        sau.ScalarListType(),
        sau.TSVectorType(),
        sau.URLType(),
        sau.UUIDType(),
        sa.types.NullType(),
    ]


GENERIC_TYPES = list(all_types())


def column_prop(type_, **options):
    """A ColumnProperty on a column of a table, as a mapper holds it."""
    column = sa.Column("value", type_, **options)
    sa.Table("thing", sa.MetaData(), column)
    return column_property(column)


def test_the_type_table_is_long():
    assert len(GENERIC_TYPES) > 120


@pytest.mark.parametrize("type_", GENERIC_TYPES)
def test_every_sqlalchemy_type(type_):
    assert_parity("convert_sqlalchemy_column", column_prop(type_), get_global_registry(), None)


@pytest.mark.parametrize("type_", other_types(), ids=repr)
@pytest.mark.parametrize(
    "options",
    [{}, {"nullable": False}, {"primary_key": True}, {"doc": "Words."}],
    ids=["plain", "not null", "key", "doc"],
)
def test_other_types(type_, options):
    prop = column_prop(type_, **options)
    assert_parity("convert_sqlalchemy_column", prop, get_global_registry(), len)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"type_": graphene.Int},
        {"type_": None},
        {"required": True},
        {"required": False, "description": "Mine."},
        {"deprecation_reason": "old", "name": "other"},
        {"type_": graphene.List(graphene.String), "required": True, "unit": graphene.Int()},
        {"default_value": 3},
        {"default_value": len},
        {"source": "x"},
        {"batching": True},
        {"args": 5},
        {"_creation_counter": 7},
    ],
    ids=str,
)
@pytest.mark.parametrize("type_", [sa.Integer(), Money()], ids=repr)
def test_overridden_columns(kwargs, type_):
    prop = column_prop(type_, nullable=False, doc="Words.")
    assert_parity("convert_sqlalchemy_column", prop, None, len, **kwargs)


@pytest.mark.parametrize(
    "column",
    [
        SimpleNamespace(),
        SimpleNamespace(type=sa.Integer),
        SimpleNamespace(type=sa.Integer(), nullable=0, doc=5, primary_key=True),
        SimpleNamespace(type="Person"),
        sa.func.count(),
        sa.literal("x"),
    ],
    ids=repr,
)
def test_column_expressions(column):
    prop = SimpleNamespace(columns=[column])
    assert_parity("convert_sqlalchemy_column", prop, None, None)
    assert_parity("get_column_doc", column)
    assert_parity("is_column_nullable", column)


class Raising:
    """Raises at the n-th attribute read."""

    def __init__(self, name):
        self._name = name

    def __getattr__(self, name):
        if name == self._name:
            raise ValueError(name)
        return sa.Integer() if name == "type" else None


@pytest.mark.parametrize("name", ["type", "nullable", "doc", "primary_key"])
def test_errors_of_columns_propagate(name):
    prop = SimpleNamespace(columns=[Raising(name)])
    raised = assert_parity("convert_sqlalchemy_column", prop, None, None)
    assert raised == ("raised", ValueError, name)


@pytest.mark.parametrize("prop", [None, SimpleNamespace(columns=[]), SimpleNamespace(columns=1)])
def test_no_column(prop):
    with c_converter(), pytest.raises((AttributeError, IndexError, TypeError)) as ours:
        _core.convert_sqlalchemy_column(prop, None, None)
    with pytest.raises((AttributeError, IndexError, TypeError)) as stock:
        _upstream.convert_sqlalchemy_column(prop, None, None)
    assert ours.type is stock.type


# All of Unicode takes hypothesis three seconds to list, a debug CPython some twenty.
WORDS = st.text('aZ 9ü\n"\0')
SIMPLE_TYPES = st.sampled_from(
    [sa.Integer, sa.String, sa.Float, sa.Numeric, sa.Boolean, sa.DateTime, sa.JSON, sa.Uuid, Upper]
)


@settings(max_examples=60, deadline=None)
@given(
    type_=SIMPLE_TYPES,
    as_class=st.booleans(),
    options=st.fixed_dictionaries(
        {},
        optional={
            "nullable": st.booleans(),
            "primary_key": st.booleans(),
            "doc": st.none() | WORDS,
            "unique": st.booleans(),
        },
    ),
    overrides=st.fixed_dictionaries(
        {},
        optional={
            "type_": st.sampled_from([graphene.Int, graphene.ID]),
            "required": st.booleans(),
            "description": WORDS,
            "deprecation_reason": WORDS,
        },
    ),
)
def test_random_columns(type_, as_class, options, overrides):
    prop = column_prop(type_ if as_class else type_(), **options)
    assert_parity("convert_sqlalchemy_column", prop, None, len, **overrides)


# ---- hybrids, composites ----


@pytest.mark.parametrize(
    "name", ["initial", "untyped", "relatives", "best_friend", "lucky_numbers"]
)
@pytest.mark.parametrize("kwargs", [{}, {"type_": graphene.Int}, {"description": "d"}], ids=str)
def test_hybrids(name, kwargs):
    hybrid = sa.inspect(Person).all_orm_descriptors[name]
    assert_parity("convert_sqlalchemy_hybrid_method", hybrid, len, **kwargs)


ANNOTATIONS = [
    int,
    str,
    typing.Optional[int],  # noqa: UP045
    int | None,
    list[str],
    list[list[int]],
    typing.Union[int, str],  # noqa: UP007
    typing.TypeVar("T"),
    "Person",
    typing.ForwardRef("Nobody"),
    graphene.String,
    dict,
    tuple,
    (1, 2),
    3,
    Person,
    Money,
    sa.Enum,
    postgresql.ARRAY,
    sau.ChoiceType,
]


@pytest.mark.parametrize("annotation", ANNOTATIONS, ids=str)
def test_hybrid_annotations(annotation):
    def getter(self):
        """Doc."""

    getter.__annotations__["return"] = annotation
    hybrid = sa.ext.hybrid.hybrid_property(getter)
    assert_parity("convert_sqlalchemy_hybrid_method", hybrid, None)


def place():
    return sa.inspect(Person).attrs.place


def test_composite_without_converter():
    raised = assert_parity("convert_sqlalchemy_composite", place(), Registry(), None)
    assert raised[1] is Exception


@pytest.mark.parametrize("through", ["upstream", "ours"])
def test_composite_with_converter(through):
    registry = Registry()
    owner = _upstream if through == "upstream" else _core

    @owner.convert_sqlalchemy_composite.register(Point, registry)
    def convert(prop, registry):
        return graphene.String(description=str(prop))

    with c_converter():
        made = _core.convert_sqlalchemy_composite(place(), registry, None)
    assert isinstance(made, graphene.String)
    assert made.kwargs == {"description": "Person.place"}


def test_composite_registers_in_the_global_registry():
    _core.convert_sqlalchemy_composite.register(Point)(len)
    assert get_global_registry().get_converter_for_composite(Point) is len


def test_error_of_a_composite_converter():
    registry = Registry()
    registry.register_composite_converter(Point, lambda prop, registry: 1 / 0)
    raised = assert_parity("convert_sqlalchemy_composite", place(), registry, None)
    assert raised[1] is ZeroDivisionError


# ---- relationships ----

RELATIONSHIPS = [
    prop for model in (Person, Pet, Club, Passport) for prop in sa.inspect(model).relationships
]


def make_types(registry, *, connection, batching=False, factory=None, models=None):
    """A type for each model, in a registry of its own."""
    return [
        type(
            model.__name__,
            (SQLAlchemyObjectType,),
            {
                "resolve_boss": lambda self, info: None,
                "Meta": {
                    "model": model,
                    "registry": registry,
                    "interfaces": (relay.Node,) if connection else (),
                    "batching": batching,
                    "connection_field_factory": factory,
                    "exclude_fields": ("place", "staff_places", "untyped", "best_friend")
                    + (("relatives",) if model is Person else ()),
                },
            },
        )
        for model in models or (Person, Pet, Club, Passport)
    ]


def a_factory(relationship, registry, **kwargs):
    return graphene.Field(graphene.String, description=str(relationship), **kwargs)


@pytest.mark.parametrize("prop", RELATIONSHIPS, ids=str)
@pytest.mark.parametrize("connection", [False, True], ids=["list", "connection"])
@pytest.mark.parametrize("batching", [False, True], ids=["lazy", "batching"])
def test_relationships(prop, connection, batching):
    registry = Registry()
    types = {type_._meta.model: type_ for type_ in make_types(registry, connection=connection)}
    obj_type = types[prop.parent.class_]
    for factory in (None, a_factory):
        for kwargs in ({}, {"required": True, "description": "d"}, {"resolver": len}):
            for name in (prop.key, "other"):
                arguments = (prop, obj_type, factory, batching, name)
                assert_parity("convert_sqlalchemy_relationship", *arguments, **kwargs)
            arguments = (prop, obj_type, batching, prop.key)
            assert_parity("_convert_o2o_or_m2o_relationship", *arguments, **kwargs)
            arguments = (prop, obj_type, batching, factory)
            assert_parity("_convert_o2m_or_m2m_relationship", *arguments, **kwargs)


def test_relationship_without_a_type_for_its_target():
    registry = Registry()
    (person,) = make_types(registry, connection=False, models=[Person])
    prop = sa.inspect(Person).relationships.pets
    made = assert_parity("convert_sqlalchemy_relationship", prop, person, None, False, "pets")
    assert made == ("made", ("dynamic", False, None))


def test_children_may_be_nullable(monkeypatch):
    (person,) = make_types(registry := Registry(), connection=False, models=[Person])
    assert registry is person._meta.registry
    prop = sa.inspect(Person).relationships.staff
    strict = assert_parity("convert_sqlalchemy_relationship", prop, person, None, False, "staff")
    monkeypatch.setattr(_upstream.converter_module, "use_non_null_many_relationships", False)
    loose = assert_parity("convert_sqlalchemy_relationship", prop, person, None, False, "staff")
    assert strict[1][2]["type"] == (
        graphene.NonNull,
        (graphene.List, (graphene.NonNull, person)),
    )
    assert loose[1][2]["type"] == (graphene.List, person)


def test_a_batch_resolver_in_upstreams_place_is_used_on_every_sqlalchemy(monkeypatch):
    """Upstream's own is off where SelectInLoader is missing; another one is not."""
    module = _upstream.converter_module
    monkeypatch.setattr(module, "get_batch_resolver", lambda prop: ("ours", prop))
    monkeypatch.setattr(module, "is_selectin_available", None)
    types = make_types(Registry(), connection=False)
    prop = sa.inspect(Pet).relationships.owner
    with c_converter():
        field = _core.convert_sqlalchemy_relationship(prop, types[1], None, True, "x").get_type()
    assert field.resolver == ("ours", prop)


def test_upstreams_batch_resolver_follows_upstreams_switch(monkeypatch):
    monkeypatch.setattr(_upstream.converter_module, "is_selectin_available", None)
    types = make_types(Registry(), connection=False)
    prop = sa.inspect(Pet).relationships.owner
    made = assert_parity("convert_sqlalchemy_relationship", prop, types[1], None, True, "owner")
    assert made[1][2]["resolver"] == ("attribute", "owner")


# ---- association proxies ----


def proxies():
    for model in (Person, Pet):
        for name, item in sa.inspect(model).all_orm_descriptors.items():
            if isinstance(item, sa.ext.associationproxy.AssociationProxy):
                yield pytest.param(model, item, id=f"{model.__name__}.{name}")


@pytest.mark.parametrize(("model", "proxy"), proxies())
@pytest.mark.parametrize("connection", [False, True], ids=["list", "connection"])
def test_association_proxies(model, proxy, connection):
    registry = Registry()
    types = {type_._meta.model: type_ for type_ in make_types(registry, connection=connection)}
    for kwargs in ({}, {"required": True}, {"batching": False}):
        arguments = (model, proxy, types[model], registry, None, True, len)
        assert_parity("convert_sqlalchemy_association_proxy", *arguments, **kwargs)


def test_association_proxy_to_a_composite_is_refused():
    proxy = sa.inspect(Person).all_orm_descriptors["staff_places"]
    types = make_types(registry := Registry(), connection=False)
    arguments = (Person, proxy, types[0], registry, None, False, None)
    raised = assert_parity("convert_sqlalchemy_association_proxy", *arguments)
    assert raised[1] is TypeError


# ---- whole schemas ----


def whole_schema(connection, batching, factory):
    reset_global_registry()
    registry = get_global_registry()

    @_upstream.converter_module.convert_sqlalchemy_composite.register(Point, registry)
    def convert(prop, registry):
        return graphene.Field(graphene.Int, name=prop.key)

    types = make_types(registry, connection=connection, batching=batching, factory=factory)

    class Alien(SQLAlchemyObjectType):
        class Meta:
            model = Person
            registry = get_global_registry()
            skip_registry = True
            only_fields = ("name", "place", "initial", "relatives")

        label = ORMField(model_attr="name", description="Renamed.", required=False)
        first = ORMField(model_attr="initial", type_=graphene.ID)
        chief = ORMField(model_attr="boss", batching=not batching)

    fields = {type_.__name__.lower(): graphene.Field(type_) for type_ in [*types, Alien]}
    if connection:
        fields["all"] = SQLAlchemyConnectionField(types[0].connection)
    return str(graphene.Schema(query=type("Query", (graphene.ObjectType,), fields)))


@pytest.mark.parametrize("connection", [False, True], ids=["list", "connection"])
@pytest.mark.parametrize("batching", [False, True], ids=["lazy", "batching"])
@pytest.mark.parametrize("factory", [None, a_factory], ids=["default", "factory"])
def test_whole_schemas(connection, batching, factory):
    stock = whole_schema(connection, batching, factory)
    with c_converter():
        ours = whole_schema(connection, batching, factory)
    assert ours == stock
    assert "type Alien" in ours
    assert "Renamed." in ours


QUERIES = [
    """{ people { name shout called: name initial essay colour boss { name }
    staff { id name } pets { name owner { id } ownerName } clubs { name members { name } }
    passport { number person { id } } clubNames passportNumber luckyNumbers } }""",
    "{ people { name strictPets { name } } }",
]


def answers():
    reset_global_registry()
    types = make_types(get_global_registry(), connection=False)

    class Query(graphene.ObjectType):
        people = graphene.List(types[0])

        def resolve_people(self, info):
            return info.context["session"].query(Person).order_by(Person.id).all()

    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with sa.orm.Session(engine) as session:
        club = Club(name="chess")
        ann = Person(name="Ann", clubs=[club], passport=Passport(number="1"), x=1, y=2)
        bob = Person(name="Bob", boss=ann, clubs=[club], essay="long")
        session.add_all([ann, bob, Pet(name="Rex", owner=ann), Pet(name="Tom", owner=bob)])
        session.commit()
        schema = graphene.Schema(query=Query)
        results = [schema.execute(query, context_value={"session": session}) for query in QUERIES]
    return [result.formatted for result in results]


def test_whole_answers():
    stock = answers()
    with c_converter():
        ours = answers()
    assert ours == stock
    people = ours[0]["data"]["people"]
    assert people[0]["clubs"][0]["members"] == [{"name": "Ann"}, {"name": "Bob"}]
    assert people[0]["staff"] == [{"id": people[1]["pets"][0]["owner"]["id"], "name": "Bob"}]
    assert people[1]["boss"] is None  # by the type's own resolve_boss
    assert "lazy='raise'" in ours[1]["errors"][0]["message"]  # an error that both report


# ---- upstream's globals, users' registrations ----


def test_users_replacements_of_upstreams_globals_are_called(monkeypatch):
    module = _upstream.converter_module
    with c_converter():
        monkeypatch.setattr(module, "get_column_doc", lambda column: "patched")
        monkeypatch.setattr(module, "is_column_nullable", lambda column: False)
        field = _core.convert_sqlalchemy_column(column_prop(sa.Integer()), None, None)
        monkeypatch.undo()
    assert field.description == "patched"
    assert isinstance(field.type, graphene.NonNull)


@pytest.mark.parametrize("through", ["upstream", "ours"])
def test_registrations_after_install_win(through):
    prop = column_prop(Money())
    with c_converter():
        assert outcome(_core.convert_sqlalchemy_column, prop, None, None)[1] is TypeError
        owner = _upstream if through == "upstream" else _upstream.converter_module
        owner.convert_sqlalchemy_type.register(lambda type_: type_ is Money)(
            lambda type_, **kwargs: graphene.Float
        )
        field = _core.convert_sqlalchemy_column(prop, None, None)
    assert field.type is graphene.Float


def test_registrations_before_install_win():
    _upstream.convert_sqlalchemy_type.register(lambda type_: type_ is Money)(
        lambda type_, **kwargs: graphene.Float
    )
    made = assert_parity("convert_sqlalchemy_column", column_prop(Money()), None, None)
    assert made[1]["type"] is graphene.Float


# ---- calls and signatures ----


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signatures(name):
    expected = inspect.signature(getattr(_upstream, name))
    actual = inspect.signature(getattr(_core, name))
    assert list(actual.parameters.values()) == list(expected.parameters.values())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_calls_that_do_not_fit_fail_alike(name):
    parameters = list(inspect.signature(getattr(_upstream, name)).parameters.values())
    count = sum(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters)
    bad_calls = [
        ((), {}),
        ((1,) * (count - 1), {}),
        ((1,) * (count + 1), {}),
        ((1,) * count, {parameters[0].name: 1}),
        ((1,) * (count - 1), {"no_such_parameter": 1}),
    ]
    for args, kwargs in bad_calls:
        assert assert_parity(name, *args, **kwargs)[1] is TypeError


def test_keywords_bind_to_parameters():
    column = column_prop(sa.Integer(), doc="d").columns[0]
    prop = SimpleNamespace(columns=[column])
    made = assert_parity(
        "convert_sqlalchemy_column", registry=None, resolver=len, column_prop=prop, name="n"
    )
    assert made[1]["name"] == "n"
    # A keyword that is equal but not the interned object.
    assert _core.get_column_doc(**{"".join(["col", "umn"]): column}) == "d"


# ---- install ----


def test_replacements_cover_every_module_that_has_the_name():
    places = {(module, name) for module, name, _ in replacements()}
    for module in (
        _upstream.converter_module,
        _upstream.fields_module,
        _upstream.resolvers_module,
        _upstream.types_module,
    ):
        for name in [*FUNCTIONS, "convert_sqlalchemy_type"]:
            if name in vars(module):
                assert (module.__name__, name) in places


def test_a_users_own_converter_is_not_replaced(monkeypatch):
    def mine(column):
        return "mine"

    monkeypatch.setattr(_upstream.converter_module, "get_column_doc", mine)
    assert "get_column_doc" not in {name for _, name, _ in replacements()}


def test_undone_is_as_before():
    before = dict(vars(_upstream.converter_module)), dict(vars(_upstream.types_module))
    with c_converter():
        assert _upstream.converter_module.convert_sqlalchemy_column is not before[0]
    after = dict(vars(_upstream.converter_module)), dict(vars(_upstream.types_module))
    assert after == before


def test_a_failing_converter_module_names_the_version(monkeypatch):
    import importlib
    import sys

    monkeypatch.delattr(_upstream.converter_module, "get_column_doc")
    monkeypatch.delitem(sys.modules, "graphene_sqlalchemy_c._upstream")
    with pytest.raises(
        ImportError, match=r"made for graphene-sqlalchemy 3\.0\.0rc2.*get_column_doc"
    ):
        importlib.import_module("graphene_sqlalchemy_c._upstream")


def test_every_relationship_kind_is_there():
    directions = {(prop.direction.name, prop.uselist) for prop in RELATIONSHIPS}
    assert directions == {
        ("MANYTOONE", False),
        ("ONETOMANY", True),
        ("ONETOMANY", False),
        ("MANYTOMANY", True),
    }
    assert all(isinstance(prop, RelationshipProperty) for prop in RELATIONSHIPS)
