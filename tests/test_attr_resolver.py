"""AttrResolver answers what `lambda root, _info: getattr(root, model_attr, None)` answers."""

import copy
import gc
import inspect
import pickle
import sys
import weakref

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session, undefer
from sqlalchemy.orm.exc import DetachedInstanceError

from graphene_sqlalchemy_c import _upstream
from graphene_sqlalchemy_c._classify import stored_attribute
from graphene_sqlalchemy_c._core import AttrResolver, get_attr_resolver, get_custom_resolver

from .converter_models import Base, Car, Club, Person, Pet, Vehicle


@pytest.fixture
def session():
    engine = sa.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        ann = Person(name="Ann", x=1, y=2, clubs=[Club(name="chess")], essay="long")
        session.add_all([ann, Pet(name="Rex", owner=ann), Car(wheels=4), Vehicle(wheels=2)])
        session.commit()
        yield session


@pytest.fixture
def reads(monkeypatch):
    """Names of the attributes that go through SQLAlchemy's descriptor."""
    seen = []
    original = InstrumentedAttribute.__get__

    def recording(self, instance, owner):
        if instance is not None:
            seen.append(self.key)
        return original(self, instance, owner)

    monkeypatch.setattr(InstrumentedAttribute, "__get__", recording)
    return seen


def shown(value):
    """Queries and write-only collections are made at each read; compare what they would run."""
    for attribute in ("statement", "select"):
        if hasattr(value, attribute):
            made = getattr(value, attribute)
            return type(value), str(made() if callable(made) else made)
    return value


def outcome(function, *args, **kwargs):
    try:
        return "value", shown(function(*args, **kwargs))
    except Exception as error:
        return "raised", type(error), str(error)


def assert_parity(root, name, resolver=None):
    stock = _upstream.get_attr_resolver(None, name)
    ours = resolver or AttrResolver(name)
    expected = outcome(stock, root, None)
    assert outcome(ours, root, None) == expected
    assert outcome(ours, root, None) == expected  # the second call knows the type
    return expected


NAMES = [*sa.inspect(Person).all_orm_descriptors.keys(), "metadata", "missing", "__dict__"]


@pytest.mark.parametrize("name", NAMES)
def test_every_attribute_of_an_instance(session, name):
    person = session.query(Person).one()
    assert_parity(person, name)
    session.expire(person)
    assert_parity(person, name)
    assert_parity(Person(name="New"), name)
    assert_parity(Person, name)


@pytest.mark.parametrize("name", NAMES)
def test_every_attribute_of_a_detached_instance(session, name):
    person = session.query(Person).one()
    session.expire(person)
    session.expunge(person)
    assert_parity(person, name)


def test_errors_of_the_orm_propagate(session):
    person = session.query(Person).one()
    session.expire(person)
    session.expunge(person)
    with pytest.raises(DetachedInstanceError):
        AttrResolver("name")(person, None)


def test_loaded_values_are_read_from_the_dict(session, reads):
    person = session.query(Person).options(undefer(Person.essay)).one()
    for name in ("name", "essay", "shout", "id"):
        resolver = AttrResolver(name)
        assert resolver(person, None) == person.__dict__[name]
        assert resolver(person, None) is person.__dict__[name]
    assert reads == []
    session.expire(person, ["name"])
    assert AttrResolver("name")(person, None) == "Ann"
    assert reads == ["name"]


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("name", True),
        ("essay", True),
        ("shout", True),
        ("boss", True),
        ("clubs", True),
        ("passport", True),
        ("strict_pets", True),
        ("live_pets", False),
        ("some_pets", False),
        ("place", False),
        ("called", False),
        ("initial", False),
        ("club_names", False),
        ("missing", False),
        ("metadata", False),
    ],
)
def test_which_attributes_are_stored(name, stored):
    expected = vars(Person).get(name) if stored else None
    assert stored_attribute(Person, name) is expected


def test_marker_of_a_dynamic_relationship_is_not_answered(session):
    """SQLAlchemy keeps a value of its own in the dict for these."""
    person = session.query(Person).one()
    for name in ("live_pets", "some_pets"):
        person.__dict__[name] = "marker"
        assert AttrResolver(name)(person, None) != "marker"
        assert_parity(person, name)


def test_instances_of_subclasses(session):
    resolver = AttrResolver("wheels")
    for vehicle in session.query(Vehicle):
        assert_parity(vehicle, "wheels", resolver)


class Plain:
    shared = "class"

    def __init__(self):
        self.own = "instance"

    @property
    def refusing(self):
        raise AttributeError("no")

    @property
    def failing(self):
        raise ValueError("no")

    @property
    def stopping(self):
        raise KeyboardInterrupt


class Slots:
    __slots__ = ("own",)


class Dynamic:
    def __getattr__(self, name):
        if name == "failing":
            raise ValueError(name)
        return name


class Overriding(Plain):
    def __getattribute__(self, name):
        return f"overridden {name}"


ROOTS = [Plain(), Slots(), Dynamic(), Overriding(), None, 5, {"own": 1}, Plain, [], "text"]


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: repr(root)[:30])
@pytest.mark.parametrize("name", ["own", "shared", "refusing", "failing", "real", "missing"])
def test_roots_that_are_no_models(root, name):
    assert_parity(root, name)


def test_other_exceptions_pass():
    with pytest.raises(KeyboardInterrupt):
        AttrResolver("stopping")(Plain(), None)


def fresh_model(**attributes):
    class FreshBase(DeclarativeBase):
        pass

    columns = {"id": sa.Column(sa.Integer, primary_key=True), "name": sa.Column(sa.String)}
    return type("Fresh", (FreshBase,), {"__tablename__": "fresh", **columns, **attributes})


def test_a_class_changed_after_the_first_read():
    model = fresh_model()
    resolver = AttrResolver("name")
    fresh = model(name="stored")
    assert resolver(fresh, None) == "stored"
    original = vars(model)["name"]
    type.__setattr__(model, "name", property(lambda self: "changed"))
    assert resolver(fresh, None) == "changed"
    type.__setattr__(model, "name", original)
    assert resolver(fresh, None) == "stored"


def test_classes_that_read_in_their_own_way():
    for attributes in (
        {"__getattribute__": lambda self, name: "mine"},
        {"__getattr__": lambda self, name: "mine"},
        {"__dict__": property(lambda self: {"name": "elsewhere"})},
    ):
        fresh = object.__new__(model := fresh_model(**attributes))
        assert issubclass(model, DeclarativeBase)
        assert_parity(fresh, "name")


def test_another_name_for_an_attribute(session):
    """A class attribute holds the descriptor of another column: the dict has the wrong name."""
    model = fresh_model()
    type.__setattr__(model, "other", vars(model)["name"])
    fresh = model(name="stored")
    fresh.__dict__["other"] = "not this"
    assert stored_attribute(model, "other") is None
    assert_parity(fresh, "other")


def test_custom_instrumentation_is_left_alone():
    model = fresh_model()
    assert stored_attribute(model, "name") is vars(model)["name"]
    type.__setattr__(model, "__sa_instrumentation_manager__", None)
    assert stored_attribute(model, "name") is None


def test_mappers_that_cannot_be_configured_are_read_by_getattr():
    model = fresh_model(nobody=sa.orm.relationship("Nobody", primaryjoin="x == y"))
    assert stored_attribute(model, "nobody") is None


def test_a_subclass_of_dict_as_instance_dict():
    class Shouting(dict):
        def __contains__(self, key):
            return True

        def __getitem__(self, key):
            return f"{key}!"

    model = fresh_model()
    fresh = model(name="stored")
    AttrResolver("name")(fresh, None)
    fresh.__dict__ = Shouting(vars(fresh))
    assert assert_parity(fresh, "name") == ("value", "name!")


def test_more_types_than_are_remembered():
    resolver = AttrResolver("name")
    models = [fresh_model() for _ in range(20)]
    for _ in range(2):
        for index, model in enumerate(models):
            assert resolver(model(name=str(index)), None) == str(index)


# ---- the object ----

CALLS = [
    ((), {}),
    ((1,), {}),
    ((1, 2, 3), {}),
    ((1,), {"_info": 2}),
    ((), {"root": 1, "_info": 2}),
    ((1, 2), {"first": 3}),
    ((1,), {"root": 2}),
    ((1, 2), {}),
]


@pytest.mark.parametrize(("args", "kwargs"), CALLS, ids=str)
def test_calls(args, kwargs):
    stock, ours = _upstream.get_attr_resolver(None, "real"), AttrResolver("real")
    assert outcome(ours, *args, **kwargs) == outcome(stock, *args, **kwargs)


def test_made_by_the_function():
    resolver = get_attr_resolver(Person, "name")
    assert type(resolver) is AttrResolver
    assert resolver.model_attr == "name"
    assert get_attr_resolver(model_attr="name", obj_type=None).model_attr == "name"


@pytest.mark.parametrize("name", [5, None, b"name", type("Text", (str,), {})("real")], ids=repr)
def test_names_that_are_not_plain_text_stay_upstreams(name):
    stock, ours = _upstream.get_attr_resolver(None, name), get_attr_resolver(None, name)
    assert type(ours) is type(stock)
    assert outcome(ours, 1, None) == outcome(stock, 1, None)


@pytest.mark.parametrize("name", [5, None, type("Text", (str,), {})("x")], ids=repr)
def test_the_type_takes_plain_text_only(name):
    with pytest.raises(TypeError, match="must be str"):
        AttrResolver(name)


def test_appearance():
    resolver = AttrResolver("name")
    assert repr(resolver) == "AttrResolver('name')"
    assert str(inspect.signature(resolver)) == "(root, _info)"
    assert str(inspect.signature(AttrResolver)) == "(model_attr)"
    assert pickle.loads(pickle.dumps(resolver)).model_attr == "name"
    assert copy.deepcopy(resolver).model_attr == "name"


def test_immutable():
    resolver = AttrResolver("name")
    with pytest.raises(AttributeError):
        resolver.model_attr = "other"
    with pytest.raises(AttributeError):
        resolver.extra = 1
    with pytest.raises(TypeError):
        AttrResolver.extra = 1
    with pytest.raises(TypeError):
        type("Derived", (AttrResolver,), {})


class Resolving:
    def resolve_name(self, info):
        return "name"

    resolve_empty = ""
    resolve_5 = staticmethod(len)


@pytest.mark.parametrize("obj_type", [Resolving, Resolving(), None, Dynamic()], ids=str)
@pytest.mark.parametrize("name", ["name", "empty", "missing", "failing", 5, None])
def test_custom_resolvers(obj_type, name):
    stock = outcome(_upstream.get_custom_resolver, obj_type, name)
    assert outcome(get_custom_resolver, obj_type, name) == stock


# ---- references ----


def test_types_are_released():
    gc.collect()
    before = sys.getrefcount(AttrResolver)
    resolvers = [AttrResolver(f"name_{index}") for index in range(100)]
    for resolver in resolvers:
        resolver(Plain(), None)
    del resolvers, resolver
    gc.collect()
    assert sys.getrefcount(AttrResolver) == before


def test_values_and_types_keep_their_counts():
    model = fresh_model()
    resolver = AttrResolver("name")
    fresh = model(name=(value := object.__new__(Plain)))
    resolver(fresh, None)
    before = [sys.getrefcount(item) for item in (value, fresh, model, vars(model)["name"], None)]
    for _ in range(1000):
        resolver(fresh, None)
        resolver(None, None)
        resolver(fresh, _info=None)
    after = [sys.getrefcount(item) for item in (value, fresh, model, vars(model)["name"], None)]
    assert all(abs(now - then) < 5 for now, then in zip(after, before, strict=True))


def test_a_forgotten_resolver_lets_its_models_go():
    model = fresh_model()
    resolver = AttrResolver("name")
    resolver(model(name="x"), None)
    assert model in gc.get_referents(resolver)
    gone = weakref.ref(model)
    model.resolver = resolver  # a cycle through the C object
    del model, resolver
    gc.collect()
    assert gone() is None


def test_error_paths_keep_counts_with_the_collector_off():
    plain, resolver = Plain(), AttrResolver("failing")
    gc.collect()
    gc.disable()
    try:
        before = sys.getrefcount(plain), sys.getrefcount(resolver), sys.getrefcount(AttrResolver)
        for _ in range(500):
            with pytest.raises(ValueError, match="no"):
                resolver(plain, None)
            with pytest.raises(TypeError):
                resolver(plain)
        gc.enable()
        gc.collect()
        after = sys.getrefcount(plain), sys.getrefcount(resolver), sys.getrefcount(AttrResolver)
        assert after == before
    finally:
        gc.enable()
