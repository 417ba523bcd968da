"""TypeDispatch calls what upstream's singledispatchbymatchfunction would call."""

import abc
import datetime
import decimal
import functools
import gc
import inspect
import sys
import typing
import uuid
import weakref
from collections import OrderedDict

import graphene
import pytest
import sqlalchemy as sa
from graphene_sqlalchemy.utils import (
    column_type_eq,
    safe_isinstance,
    safe_issubclass,
    singledispatchbymatchfunction,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, declarative_base

from graphene_sqlalchemy_c import _upstream
from graphene_sqlalchemy_c._classify import plan_dispatch
from graphene_sqlalchemy_c._core import TypeDispatch


class Letters(sa.String):
    pass


class Capitals(Letters):
    pass


class Money(sa.types.UserDefinedType):
    pass


class Abstract(abc.ABC):  # noqa: B024
    pass


class Mixed(sa.Text, Abstract):
    pass


class Listed(sa.types.TypeEngine):
    __origin__ = list
    __args__ = (int,)


class OddMeta(type):
    def __eq__(cls, other):
        return other is sa.Integer or cls is other

    __hash__ = type.__hash__


class Odd(sa.Text, metaclass=OddMeta):
    pass


class UnhashableMeta(type):
    __hash__ = None


class Unhashable(metaclass=UnhashableMeta):
    pass


class OldModel(declarative_base()):
    __tablename__ = "old"
    id = sa.Column(sa.Integer, primary_key=True)


class NewBase(DeclarativeBase):
    pass


class NewModel(NewBase):
    __tablename__ = "new"
    id = sa.Column(sa.Integer, primary_key=True)


T = typing.TypeVar("T")

TYPES = [
    sa.String,
    sa.Integer,
    sa.BigInteger,
    sa.VARCHAR,
    sa.Numeric,
    sa.JSON,
    sa.Enum,
    sa.ARRAY,
    sa.types.TypeEngine,
    sa.types.NullType,
    Letters,
    Capitals,
    Money,
    Mixed,
    Listed,
    Odd,
]
PYTHON_TYPES = [int, str, float, bool, bytes, dict, list, tuple, object, type, datetime.date]
PYTHON_TYPES += [datetime.datetime, datetime.time, decimal.Decimal, uuid.UUID, type(None)]
UNUSUAL = [
    "Person",
    typing.ForwardRef("Person"),
    T,
    list[int],
    list[T],
    typing.Optional[int],  # noqa: UP045
    int | None,
    dict[str, int],
    typing.Any,
    (1, 2),
    [1],
    3,
    None,
    Unhashable,
    OldModel,
    NewModel,
    graphene.String,
    graphene.ObjectType,
    graphene.List(graphene.Int),
]


@pytest.fixture
def dispatches():
    """Upstream's dispatch, not the global one, with upstream's matchers; and ours before it."""
    stock = singledispatchbymatchfunction(lambda *args, **kwargs: ("default", args, kwargs))
    for matcher in _upstream.convert_sqlalchemy_type.registry:
        stock.register(matcher, functools.partial(answer, matcher))
    return stock, TypeDispatch(stock)


def answer(matcher, *args, **kwargs):
    return matcher, args, kwargs


def outcome(function, *args, **kwargs):
    try:
        return "value", function(*args, **kwargs)
    except Exception as error:
        return "raised", type(error), str(error)


def assert_parity(dispatches, *args, **kwargs):
    stock, ours = dispatches
    expected = outcome(stock, *args, **kwargs)
    for _ in range(2):
        assert outcome(ours, *args, **kwargs) == expected
    return expected


@pytest.mark.parametrize("type_", TYPES + PYTHON_TYPES + UNUSUAL, ids=str)
def test_every_argument(dispatches, type_):
    assert_parity(dispatches, type_)
    assert_parity(dispatches, type_, 1, column=2, registry=None)


def test_no_argument(dispatches):
    assert assert_parity(dispatches)[1] is IndexError
    assert assert_parity(dispatches, type_arg=int)[1] is IndexError


KEPT = [sa.String, sa.VARCHAR, sa.Numeric, sa.JSON, sa.ARRAY, Letters, Capitals, Money, int, str]


@pytest.mark.parametrize("type_", KEPT, ids=str)
def test_column_types_are_looked_up_once(dispatches, type_):
    _, ours = dispatches
    ours(type_)
    entry = plan_dispatch(type_, ours.registry)
    assert entry[0] is type_.__mro__
    assert entry[1] == ()
    assert type_ in referents(ours)


@pytest.mark.parametrize("type_", [*UNUSUAL, Mixed, Listed, Odd, object, type(None)], ids=str)
def test_other_arguments_are_not_kept(dispatches, type_):
    _, ours = dispatches
    ours(type_)
    assert not any(kept is type_ for kept in referents(ours))


def referents(dispatch):
    """The keys of the dict of kept entries."""
    dicts = [item for item in gc.get_referents(dispatch) if type(item) is dict]
    return [key for item in dicts for key in item]


@pytest.mark.parametrize("type_", TYPES, ids=str)
def test_a_kept_linearization_is_upstreams(type_):
    """Upstream linearizes by functools._c3_mro; a plan stands on the type's own __mro__."""
    linearize = getattr(functools, "_c3_mro", None)
    assert linearize is not None, "this CPython has no functools._c3_mro to compare with"
    entry = plan_dispatch(type_, _upstream.convert_sqlalchemy_type.registry)
    if entry is not None:
        assert list(entry[0]) == linearize(type_)


def test_abstract_bases_are_linearized_by_upstream(dispatches):
    """The two linearizations differ for this class, and so do the answers."""

    class Left(sa.Text, abc.ABC):
        pass

    class Right(Letters, abc.ABC):
        pass

    class Both(Left, Right, sa.Text):
        pass

    stock, _ = dispatches
    stock.register(column_type_eq(Right), lambda type_: "right")
    assert next(cls for cls in Both.__mro__ if cls in (Right, sa.Text)) is Right
    assert stock(Both) != "right"
    assert plan_dispatch(Both, stock.registry) is None
    assert_parity(dispatches, Both)


# ---- registrations ----


@pytest.mark.parametrize("where", [0, 1], ids=["upstream", "ours"])
@pytest.mark.parametrize("form", ["call", "decorator", "keyword"])
def test_registering(dispatches, where, form):
    _, ours = dispatches
    assert ours(Money)[0] == "default"
    target = dispatches[where]

    def matcher(type_):
        return type_ is Money

    def convert(type_, **kwargs):
        return "registered"

    if form == "call":
        assert target.register(matcher, convert) is convert
    elif form == "decorator":
        assert target.register(matcher)(convert) is convert
    else:
        assert target.register(matcher_function=matcher, func=convert) is convert
    assert ours(Money) == "registered"
    assert_parity(dispatches, Money)


def test_registering_again_replaces(dispatches):
    stock, ours = dispatches
    matcher = next(iter(stock.registry))
    for type_ in TYPES:
        ours(type_)
    stock.registry[matcher] = lambda *args, **kwargs: "replaced"
    for type_ in TYPES:
        assert_parity(dispatches, type_)


def test_changes_of_the_registry_itself(dispatches):
    stock, ours = dispatches
    for change in (
        lambda: stock.registry.popitem(),
        lambda: stock.registry.update({column_type_eq(Money): lambda *args, **kwargs: "money"}),
        lambda: setattr(ours, "registry", OrderedDict()),
        lambda: setattr(stock, "registry", {column_type_eq(sa.String): lambda *args: "s"}),
        lambda: setattr(stock, "registry", Watched({column_type_eq(sa.Text): lambda *args: "t"})),
        lambda: setattr(ours, "default", lambda *args, **kwargs: "other default"),
        lambda: setattr(stock, "default", lambda *args, **kwargs: "third default"),
    ):
        change()
        for type_ in TYPES:
            assert_parity(dispatches, type_)
    assert ours.registry is stock.registry
    assert ours.default is stock.default
    del ours.default
    assert not hasattr(stock, "default")
    assert outcome(ours, Money)[1] is AttributeError


class Watched(dict):
    """A registry that is not a plain dict is upstream's alone."""

    def items(self):
        return list(super().items())[:0]


def test_the_calls_of_users_matchers_are_upstreams(dispatches):
    """They may look at anything, so they are asked each time, for each class, in order."""
    stock, ours = dispatches
    seen = []
    wanted = {"type": None}

    def matcher(type_):
        seen.append(type_)
        return type_ is wanted["type"]

    stock.register(matcher, lambda *args, **kwargs: "users")
    first = next(iter(stock.registry))
    for move in (None, True):
        if move:
            # First of all, and by a change of content so that it counts at once.
            stock.registry.move_to_end(matcher, last=False)
            stock.registry[matcher] = lambda *args, **kwargs: "users"
            assert next(iter(stock.registry)) is not first
        for wanted["type"] in (None, sa.String, sa.types.TypeEngine, Money):
            for type_ in TYPES:
                expected = outcome(stock, type_), seen.copy()
                seen.clear()
                for _ in range(2):
                    actual = outcome(ours, type_), seen.copy()
                    seen.clear()
                    assert actual == expected


def test_errors_of_users_matchers_propagate(dispatches):
    stock, ours = dispatches
    ours(Money)

    class Unclear:
        def __bool__(self):
            raise ValueError("unclear")

    def matcher(type_):
        return Unclear()

    stock.register(matcher, len)
    assert assert_parity(dispatches, Money) == ("raised", ValueError, "unclear")
    stock.registry[matcher] = None
    stock.register(lambda type_: 1 / 0, len)
    del stock.registry[matcher]
    assert assert_parity(dispatches, Money)[1] is ZeroDivisionError


class HookedMeta(type):
    answer = False

    def __eq__(cls, other):
        return HookedMeta.answer

    __hash__ = type.__hash__

    def __subclasscheck__(cls, other):
        return HookedMeta.answer

    def __instancecheck__(cls, other):
        return HookedMeta.answer


class Hooked(metaclass=HookedMeta):
    pass


@pytest.mark.parametrize("factory", [column_type_eq, safe_isinstance, safe_issubclass])
def test_matchers_for_classes_with_hooks_are_asked_each_time(dispatches, factory, monkeypatch):
    stock, _ = dispatches
    stock.register(factory(Hooked), lambda *args, **kwargs: "hooked")
    assert assert_parity(dispatches, Money)[1][0] == "default"
    monkeypatch.setattr(HookedMeta, "answer", True)
    assert assert_parity(dispatches, Money)[1] == "hooked"


def test_changed_bases(dispatches):
    class First(sa.types.TypeDecorator):
        pass

    class Second(sa.types.TypeDecorator):
        pass

    class Wandering(First):
        pass

    stock, ours = dispatches
    stock.register(column_type_eq(First), lambda *args, **kwargs: "first")
    stock.register(column_type_eq(Second), lambda *args, **kwargs: "second")
    assert ours(Wandering) == "first"
    Wandering.__bases__ = (Second,)
    assert ours(Wandering) == "second"


def test_registering_while_matching(dispatches):
    """A matcher that registers on sight: the entry made meanwhile must not outlive it."""
    stock, ours = dispatches
    ours(sa.Integer)
    done = []

    def matcher(type_):
        if not done:
            done.append(stock.register(column_type_eq(Money), lambda *args, **kwargs: "money"))
        return False

    stock.register(matcher, len)
    outcome(ours, Money)
    assert ours(Money) == "money"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([column_type_eq, safe_issubclass, lambda cls: lambda x: x is cls]),
            st.sampled_from(TYPES),
        ),
        max_size=6,
    ),
    st.lists(st.sampled_from(TYPES), max_size=12),
)
def test_random_registries(registrations, calls):
    stock = singledispatchbymatchfunction(lambda *args: "default")
    ours = TypeDispatch(stock)
    for type_ in calls:
        assert outcome(ours, type_) == outcome(stock, type_)
    for number, (factory, cls) in enumerate(registrations):
        stock.register(factory(cls), lambda type_, number=number: number)
        for type_ in calls:
            assert outcome(ours, type_) == outcome(stock, type_)


# ---- the object ----


def test_appearance(dispatches):
    stock, ours = dispatches
    assert repr(ours) == f"TypeDispatch({stock!r})"
    assert ours.__wrapped__ is stock
    assert inspect.signature(ours) == inspect.signature(stock)
    with pytest.raises(AttributeError):
        ours.__wrapped__ = None
    with pytest.raises(TypeError):
        TypeDispatch()
    with pytest.raises(TypeError):
        type("Derived", (TypeDispatch,), {})


def test_an_object_that_is_no_dispatch():
    assert outcome(TypeDispatch(len), sa.String)[1] is AttributeError
    assert outcome(TypeDispatch(len), "abc") == ("value", 3)


# ---- references ----


def test_models_are_not_kept_alive(dispatches):
    class Base(DeclarativeBase):
        pass

    class Model(Base):
        __tablename__ = "model"
        id = sa.Column(sa.Integer, primary_key=True)

    _, ours = dispatches
    ours(Model)
    gone = weakref.ref(Model)
    Base.registry.dispose()
    Base.metadata.clear()
    del Model, Base
    gc.collect()
    assert gone() is None


def test_a_forgotten_dispatch_lets_its_types_go(dispatches):
    class Short(sa.String):
        pass

    stock, _ = dispatches
    ours = TypeDispatch(stock)
    ours(Short)
    stock.cycle = ours
    gone = weakref.ref(Short)
    del stock.cycle, ours, Short
    gc.collect()
    assert gone() is None


def test_counts_stay(dispatches):
    stock, ours = dispatches
    stock.register(lambda type_: False, len)
    method = stock.registry[next(iter(stock.registry))]
    watched = [TypeDispatch, stock, ours, method, sa.String, Money, stock.registry]
    for type_ in TYPES:
        ours(type_, column=1)
    gc.collect()
    before = [sys.getrefcount(item) for item in watched]
    for _ in range(200):
        for type_ in TYPES:
            ours(type_, column=1)
        TypeDispatch(stock)(sa.String)
        outcome(ours)
    gc.collect()
    assert [sys.getrefcount(item) for item in watched] == before


def test_error_paths_keep_counts(dispatches):
    stock, ours = dispatches
    stock.register(lambda type_: type_ is Money, lambda *args, **kwargs: 1 / 0)
    outcome(ours, Money)
    gc.collect()
    gc.disable()
    try:
        before = [sys.getrefcount(item) for item in (stock, ours, Money)]
        for _ in range(200):
            assert outcome(ours, Money)[1] is ZeroDivisionError
        assert [sys.getrefcount(item) for item in (stock, ours, Money)] == before
    finally:
        gc.enable()
