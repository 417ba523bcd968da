"""Interfaces and unions over class hierarchies: what is loaded, and what is answered."""

from __future__ import annotations

import shutil
from typing import Any

import graphene
import graphene_sqlalchemy
import pytest
from graphene import relay
from graphene_sqlalchemy.fields import UnsortedSQLAlchemyConnectionField
from graphene_sqlalchemy.registry import Registry
from graphql_relay import to_global_id
from sqlalchemy import create_engine, update
from sqlalchemy.orm import Session, selectin_polymorphic, selectinload, with_loader_criteria
from sqlalchemy.pool import NullPool

import graphene_sqlalchemy_c
from graphene_sqlalchemy_c import SQLAlchemyInterface

from . import inheritance_zoo as zoo
from .conftest import Database, on_sqlite
from .inheritance_zoo import KINDS, PEOPLE, PEOPLE_QUERY, people, people_schema, vehicles_schema
from .rows_harness import WAYS, ask, by_key, same, selects, way_id

way = pytest.mark.parametrize("way", WAYS, ids=way_id)
kinds = pytest.mark.parametrize("kind", KINDS)
FORMS = ("select", "instances")
MODES = ("sync", "asyncsession")


@pytest.fixture(scope="module")
def crowd(database: Database) -> Database:
    """A thousand people of each kind, on each database."""
    for kind in KINDS:
        people(kind).Base.metadata.create_all(database.engine)
        with Session(database.engine) as session:
            zoo.fill_people(session, kind)
    return database


@pytest.fixture(scope="module")
def filled(tmp_path_factory: Any) -> Any:
    """A SQLite file with some people of each kind and all vehicles, to be copied."""
    path = tmp_path_factory.mktemp("inheritance") / "some.sqlite"
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    for kind in KINDS:
        people(kind).Base.metadata.create_all(engine)
        with Session(engine) as session:
            zoo.fill_people(session, kind, 60)
    zoo.Vehicles.metadata.create_all(engine)
    with Session(engine) as session:
        zoo.fill_vehicles(session)
    return path


@pytest.fixture
def some(filled: Any, tmp_path: Any) -> Database:
    return on_sqlite(shutil.copy(filled, tmp_path / "some.sqlite"))


def expected_people() -> list[dict[str, Any]]:
    """What fill_people() makes, as PEOPLE_QUERY shows it."""
    answer: list[dict[str, Any]] = []
    for i in range(1, PEOPLE + 1):
        person: dict[str, Any] = {"__typename": "CustomerType", "name": f"person {i}"}
        if i % 2:
            department = {"name": f"department {i % 11}"} if i % 11 else None
            person |= {"hireDate": f"2020-{i}", "department": department}
            person["__typename"] = "EmployeeType"
        else:
            edges = [{"node": {"total": 100 * i + j}} for j in range(2)]
            person |= {"firstPurchaseDate": f"2021-{i}", "orders": {"edges": edges}}
        answer.append(person)
    return answer


# -- statements --


@kinds
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", FORMS)
def test_a_thousand_people(crowd: Database, kind: str, form: str, mode: str) -> None:
    """One statement for the people and one for each relationship; where instances are given, one
    for each class that misses attributes."""
    result, executed = ask(crowd, people_schema(kind, "own"), PEOPLE_QUERY, form, mode)
    assert result.errors is None
    assert result.data["people"] == expected_people()
    completed = 0 if form == "select" or kind == "concrete" else 2
    assert len(selects(executed)) == 3 + completed


@kinds
@way
def test_people_as_stock(some: Database, kind: str, way: Any) -> None:
    _, executed = same(some, PEOPLE_QUERY, way, lambda route: people_schema(kind, route))
    if way[0] == "own" and way[1] != "instances":
        assert len(selects(executed)) == 3


@pytest.mark.parametrize("mode", MODES)
def test_only_what_is_asked_for(some: Database, mode: str) -> None:
    def tables_of(query: str) -> set[str]:
        _, executed = same(
            some, query, ("own", "select", mode), lambda route: people_schema("joined", route)
        )
        (sql,) = selects(executed)
        return {name for name in ("people", "employees", "customers") if f"_{name}" in sql}

    assert tables_of("{ people { __typename } }") == {"people"}
    assert tables_of("{ people { __typename name } }") == {"people"}
    assert tables_of("{ people { ... on EmployeeType { name } } }") == {"people"}
    assert tables_of("{ people { ... on EmployeeType { hireDate } } }") == {"people", "employees"}
    assert tables_of(
        "{ people { ... on CustomerType { firstPurchaseDate } ... on EmployeeType { id } } }"
    ) == {"people", "customers"}


@pytest.mark.parametrize("kind", ["joined", "single"])
@way
def test_relationships_of_the_base_are_loaded_once(some: Database, kind: str, way: Any) -> None:
    query = """{ people { name addresses { town } boss { __typename name addresses { town }
        ... on EmployeeType { hireDate } } staff { name ... on CustomerType { firstPurchaseDate } }
    } }"""
    _, executed = same(some, query, way, lambda route: people_schema(kind, route))
    if way[0] == "own" and way[1] != "instances":
        # People, their addresses, bosses, staff, and the addresses of the bosses.
        assert len(selects(executed)) == 5


CONNECTION = """{ everyone%s { edges { cursor node { name
    ... on EmployeeType { hireDate department { name } } } } pageInfo { hasNextPage } } }"""


@pytest.mark.parametrize("kind", ["joined", "single"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "arguments",
    ["(first: 3)", "(last: 2)", '(first: 2, after: "YXJyYXljb25uZWN0aW9uOjQ=")', ""],
    ids=["first", "last", "after", "whole"],
)
def test_a_root_connection(some: Database, kind: str, mode: str, arguments: str) -> None:
    _, executed = same(
        some,
        CONNECTION % arguments,
        ("own", "select", mode),
        lambda route: people_schema(kind, route),
    )
    # The nodes and their departments; the last ones are counted first.
    assert len(selects(executed)) == (3 if "last" in arguments else 2)


def test_a_root_connection_over_a_union(some: Database) -> None:
    """In the order of the primary key, where stock has none."""
    schema = people_schema("concrete", "own")
    result, executed = ask(some, schema, CONNECTION % "(first: 3)", "select")
    assert result.errors is None
    names = [edge["node"]["name"] for edge in result.data["everyone"]["edges"]]
    assert names == ["person 1", "person 2", "person 3"]
    assert result.data["everyone"]["pageInfo"] == {"hasNextPage": True}
    assert len(executed) == 2


@pytest.mark.parametrize("mode", MODES)
@kinds
def test_nodes(some: Database, kind: str, mode: str) -> None:
    fragments = "... on EmployeeType { hireDate } ... on CustomerType { firstPurchaseDate }"
    for number, name in ((1, "EmployeeType"), (2, "CustomerType"), (999, "CustomerType")):
        global_id = to_global_id(name, number)
        query = f'{{ node(id: "{global_id}") {{ __typename {fragments} }} }}'
        _, executed = same(
            some, query, ("own", "select", mode), lambda route: people_schema(kind, route)
        )
        assert len(executed) == 1


@kinds
def test_nodes_of_several_types_by_one_document(some: Database, kind: str) -> None:
    """What the plan keeps of one type is not taken for another's."""
    query = """query ($id: ID!) { node(id: $id) {
        __typename ... on EmployeeType { hireDate } ... on CustomerType { firstPurchaseDate }
    } }"""
    found = []
    for name, number in 2 * [("EmployeeType", 1), ("CustomerType", 2), ("EmployeeType", 4)]:
        result, executed = same(
            some,
            query,
            ("own", "select", "sync"),
            lambda route: people_schema(kind, route),
            variables={"id": to_global_id(name, number)},
        )
        assert result.errors is None and len(executed) == 1
        found.append(result.data["node"])
    assert found[:3] == found[3:] and found[0]["hireDate"] and found[1]["firstPurchaseDate"]


# -- which type an object has --

FRAGMENTS = """__typename plate
    ... on Car { doors garage { street } towed { __typename plate } }
    ... on Taxi { licence doors towed { __typename ... on Bike { gears } } }
    ... on Limousine { bar doors } ... on Truck { load power } ... on Bike { gears }"""

ALL_VEHICLES = f"{{ vehicles {{ {FRAGMENTS} }} }}"

VEHICLE_QUERIES = {
    "typename": ("{ vehicles { __typename } }", 1),
    "fragments": (ALL_VEHICLES, 4),
    "abstract class": ("{ motorised { __typename power ... on Truck { load } } }", 1),
    "base type": ("{ cars { __typename doors garage { street } } }", 2),
    "relationships": (
        f"""{{ owners {{ name favourite {{ {FRAGMENTS} }}
            vehicles {{ {FRAGMENTS} owner {{ favourite {{ plate }} }} }} }} }}""",
        11,
    ),
    "union": ("{ closed { __typename ... on Taxi { licence } ... on Truck { load } } }", 1),
    "subclass of a subclass": (
        "{ vehicles { ... on Taxi { garage { street } owner { vehicles { plate } } } } }",
        4,
    ),
}


@way
@pytest.mark.parametrize("name", VEHICLE_QUERIES)
def test_three_levels(some: Database, name: str, way: Any) -> None:
    query, statements = VEHICLE_QUERIES[name]
    if way[0] == "import" and name in ("union", "fragments", "relationships", "typename"):
        pytest.skip("graphql-core's executor resolves the type, and unites no statements")
    _, executed = same(some, query, way, vehicles_schema)
    if way[1] != "instances":
        assert len(selects(executed)) <= statements


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", MODES)
def test_a_taxi_is_a_taxi(some: Database, form: str, mode: str) -> None:
    """Upstream takes the first type that fits, whatever the order of the types."""
    registry = Registry()
    package: Any = graphene_sqlalchemy_c
    make = zoo.make_type
    vehicle = make(registry, "Vehicle", SQLAlchemyInterface, zoo.Vehicle)
    types = [
        make(registry, cls.__name__, package.SQLAlchemyObjectType, cls, interfaces=(vehicle,))
        for cls in (zoo.Car, zoo.Limousine, zoo.Taxi)
    ]
    roots = {"vehicles": zoo.root(zoo.Vehicle, vehicle)}
    schema = zoo.make_schema("own", roots, types)
    query = "{ vehicles { __typename ... on Taxi { licence } } }"

    def cars(statement: Any, model: Any) -> Any:
        return by_key(statement, model).where(zoo.Vehicle.kind.in_(["taxi", "car"]))

    result, _ = ask(some, schema, query, form, mode, shape=cars)
    assert result.errors is None
    expected = [
        {"__typename": "Taxi", "licence": f"licence {i}"} if i % 6 else {"__typename": "Car"}
        for i in range(1, 25)
        if i % 6 in (0, 1)
    ]
    assert result.data["vehicles"] == expected


# -- rows that are none of the types --


@way
def test_a_class_without_a_type(some: Database, way: Any) -> None:
    with Session(some.engine) as session:
        session.add(zoo.Tank(id=3_000, plate="tank"))
        session.commit()
    schema = vehicles_schema(way[0])
    query = "{ vehicles { __typename plate } }"

    def whole(statement: Any, model: Any) -> Any:
        return by_key(statement, model).where(model.id > 20)

    result, _ = ask(some, schema, query, *way[1:], shape=whole)
    # The items are not null, so the list is null with one of them.
    (error,) = result.errors
    assert error.path == ["vehicles", 4]
    assert "Abstract type 'Vehicle' must resolve to an Object type at runtime" in error.message


@pytest.mark.parametrize("mode", MODES)
def test_what_is_wrong_with_one_object_leaves_the_others(some: Database, mode: str) -> None:
    """Where the ORM would refuse the whole result."""
    with some.engine.begin() as connection:
        table = zoo.Vehicle.__table__
        connection.execute(update(table).where(table.c.id == 2).values(kind="spaceship"))
        connection.execute(update(table).where(table.c.id == 6).values(kind=None))
    query = "{ perhaps { plate ... on Car { doors } } owners { favourite { plate } } }"
    result, executed = ask(some, vehicles_schema("own"), query, "select", mode)
    assert len(executed) == 3
    assert [(each.path, each.message) for each in result.errors] == [
        (["perhaps", 1], "No such polymorphic_identity 'spaceship' is defined"),
        (["perhaps", 5], "No such polymorphic_identity None is defined"),
        (["owners", 1, "favourite"], "No such polymorphic_identity None is defined"),
    ]
    plates = [each and each["plate"] for each in result.data["perhaps"]]
    assert plates == [None if i in (2, 6) else f"plate {i}" for i in range(1, 25)]
    favourites = [each["favourite"] for each in result.data["owners"]]
    assert favourites == [(i != 2 and {"plate": f"plate {3 * i}"}) or None for i in range(1, 5)]


def test_an_interface_of_a_class_that_has_objects_is_refused() -> None:
    """As upstream refuses it: the interface would be the type of objects."""
    options = type("Meta", (), {"model": zoo.Car, "registry": Registry()})
    with pytest.raises(AssertionError, match="An interface cannot map to a concrete type"):
        type("CarInterface", (SQLAlchemyInterface,), {"Meta": options})


def test_the_discriminator_is_hidden(some: Database) -> None:
    assert "kind" not in str(vehicles_schema("own"))
    registry = Registry()
    shown_type = type(
        "Vehicle",
        (SQLAlchemyInterface,),
        {
            "Meta": type("Meta", (), {"model": zoo.Vehicle, "registry": registry}),
            "kind": graphene_sqlalchemy_c.ORMField(model_attr="kind"),
        },
    )
    car = zoo.make_type(
        registry,
        "Car",
        graphene_sqlalchemy_c.SQLAlchemyObjectType,
        zoo.Car,
        interfaces=(shown_type,),
    )
    schema = zoo.make_schema("own", {"vehicles": zoo.root(zoo.Vehicle, shown_type)}, [car])

    def cars(statement: Any, model: Any) -> Any:
        return by_key(statement, model).where(model.kind == "car")

    result, executed = ask(some, schema, "{ vehicles { kind } }", "select", shape=cars)
    assert result.errors is None
    assert {each["kind"] for each in result.data["vehicles"]} == {"car"}
    assert len(executed) == 1


# -- sessions and statements --


@pytest.mark.parametrize("query", ["{ vehicles { __typename } }", ALL_VEHICLES])
@pytest.mark.parametrize("form", ["select", "query", "instances"])
def test_criteria_reach_every_statement(some: Database, form: str, query: str) -> None:
    criteria = with_loader_criteria(zoo.Vehicle, zoo.Vehicle.id > 12)

    def restricted(statement: Any, model: Any) -> Any:
        return by_key(statement, model).options(criteria)

    _, _ = same(some, query, ("own", form, "sync"), vehicles_schema, shape=restricted)
    result, _ = ask(some, vehicles_schema("own"), query, form, shape=restricted)
    assert len(result.data["vehicles"]) == 12


@pytest.mark.parametrize("mode", MODES)
def test_options_of_a_statement_are_respected(some: Database, mode: str) -> None:
    """They load instances, once: the rest of the attributes is completed."""

    def polymorphic(statement: Any, model: Any) -> Any:
        return by_key(statement, model).options(selectin_polymorphic(zoo.Vehicle, [zoo.Truck]))

    query = "{ vehicles { plate ... on Truck { load } ... on Taxi { licence } } }"
    _, executed = same(some, query, ("own", "select", mode), vehicles_schema, shape=polymorphic)
    counted = [sum(f"inh_{name}" in sql for sql in executed) for name in ("trucks", "taxis")]
    assert counted == [1, 1]

    def of_type(statement: Any, model: Any) -> Any:
        return by_key(statement, model).options(selectinload(zoo.Owner.vehicles.of_type(zoo.Car)))

    same(
        some,
        "{ owners { vehicles { plate ... on Car { doors } } } }",
        ("own", "select", mode),
        vehicles_schema,
        shape=of_type,
    )


def test_joins_of_a_statement_do_not_meet_ours(some: Database) -> None:
    def joined(statement: Any, model: Any) -> Any:
        cars = zoo.Car.__table__
        return by_key(statement, model).join(cars, cars.c.id == zoo.Vehicle.id).limit(3)

    query = "{ vehicles { plate ... on Car { doors } ... on Taxi { doors licence } } }"
    _, executed = same(some, query, ("own", "select", "sync"), vehicles_schema, shape=joined)
    assert len(executed) == 1


def test_pending_changes_are_flushed(some: Database) -> None:
    def change(session: Session) -> Any:
        taxi = session.get(zoo.Taxi, 1)
        taxi.licence = "new"
        session.add(zoo.Taxi(id=100, plate="p", doors=1, licence="young"))
        return taxi

    query = "{ vehicles { ... on Taxi { licence } } }"
    way = ("own", "select", "sync")
    result, _ = same(some, query, way, vehicles_schema, prepare=change)
    licences = [each.get("licence") for each in result.data["vehicles"]]
    assert (licences[0], licences[-1]) == ("new", "young")
    same(some, query, way, vehicles_schema, prepare=change, autoflush=False)


def test_rows_switched_off(some: Database) -> None:
    """The type's own option; instances are completed."""
    registry = Registry()
    objects: Any = graphene_sqlalchemy_c.SQLAlchemyObjectType
    vehicle = zoo.make_type(registry, "Vehicle", SQLAlchemyInterface, zoo.Vehicle, rows=False)
    bike = zoo.make_type(registry, "Bike", objects, zoo.Bike, interfaces=(vehicle,))
    schema = zoo.make_schema("own", {"vehicles": zoo.root(zoo.Vehicle, vehicle)}, [bike])

    def bikes(statement: Any, model: Any) -> Any:
        return by_key(statement, model).where(model.kind == "bike")

    query = "{ vehicles { ... on Bike { gears } } }"
    result, executed = ask(some, schema, query, "select", shape=bikes)
    assert result.errors is None
    assert [each["gears"] for each in result.data["vehicles"]] == [4, 10, 16, 22]
    assert len(executed) == 2


# -- unions without a base, plain interfaces --


def test_a_union_without_a_common_base(some: Database) -> None:
    registry = Registry()
    objects: Any = graphene_sqlalchemy_c.SQLAlchemyObjectType
    owner = zoo.make_type(
        registry, "Owner", objects, zoo.Owner, exclude_fields=("vehicles", "favourite")
    )
    garage = zoo.make_type(registry, "Garage", objects, zoo.Garage)
    both = type("Both", (graphene.Union,), {"Meta": type("Meta", (), {"types": (owner, garage)})})
    schema = zoo.make_schema("own", {"both": zoo.root(zoo.Garage, both)}, [])
    result, executed = ask(some, schema, "{ both { ... on Garage { street } } }", "select")
    assert result.errors is None
    assert result.data == {"both": [{"street": "street 1"}, {"street": "street 2"}]}
    assert len(executed) == 1


def test_a_resolve_type_of_the_application_is_called(some: Database) -> None:
    registry = Registry()
    objects: Any = graphene_sqlalchemy_c.SQLAlchemyObjectType
    met: list[Any] = []

    def resolve_type(_cls: Any, instance: Any, _info: Any) -> Any:
        met.append(type(instance))
        return car

    vehicle = type(
        "Vehicle",
        (SQLAlchemyInterface,),
        {
            "Meta": type("Meta", (), {"model": zoo.Vehicle, "registry": registry}),
            "resolve_type": classmethod(resolve_type),
        },
    )
    car = zoo.make_type(registry, "Car", objects, zoo.Car, interfaces=(vehicle,))
    schema = zoo.make_schema("own", {"vehicles": zoo.root(zoo.Vehicle, vehicle)}, [car])

    def cars(statement: Any, model: Any) -> Any:
        return by_key(statement, model).where(model.kind.in_(["car", "taxi"]))

    result, _ = ask(some, schema, "{ vehicles { __typename } }", "select", shape=cars)
    assert result.errors is None
    assert set(met) == {zoo.Car, zoo.Taxi}
    level = schema.explain("{ vehicles { plate } }").levels[0]
    assert level.reason == "resolve_type of Vehicle is the application's own"


# -- pages of a relationship --


def pages_schema(route: str) -> graphene.Schema:
    """The vehicles of an owner are a connection, which upstream makes of object types alone."""
    package: Any = graphene_sqlalchemy if route == "stock" else graphene_sqlalchemy_c
    registry = Registry()
    objects, node = package.SQLAlchemyObjectType, (relay.Node,)

    class InterfaceConnectionField(UnsortedSQLAlchemyConnectionField):
        @property
        def type(self) -> Any:
            return self._type.connection

    def field(relationship: Any, registry: Any, **options: Any) -> Any:
        return InterfaceConnectionField(
            registry.get_type_for_model(relationship.mapper.class_), **options
        )

    vehicle = zoo.make_type(
        registry, "Vehicle", package.SQLAlchemyInterface, zoo.Vehicle, use_connection=True
    )
    zoo.make_type(registry, "Garage", objects, zoo.Garage)
    owner = zoo.make_type(
        registry, "Owner", objects, zoo.Owner, interfaces=node, connection_field_factory=field
    )
    types = [
        zoo.make_type(
            registry,
            cls.__name__,
            objects,
            cls,
            interfaces=(*node, vehicle),
            exclude_fields=("towed",),
        )
        for cls in (zoo.Taxi, zoo.Limousine, zoo.Car, zoo.Truck, zoo.Bike)
    ]
    return zoo.make_schema(route, {"owners": zoo.root(zoo.Owner, owner)}, types)


@way
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "arguments", ["", "(first: 2)", "(last: 2)"], ids=["whole", "first", "last"]
)
def test_pages_of_a_relationship(some: Database, way: Any, arguments: str) -> None:
    query = f"""{{ owners {{ name vehicles{arguments} {{ pageInfo {{ hasNextPage }} edges {{ cursor
        node {{ __typename plate owner {{ name }} ... on Bike {{ gears }}
            ... on Car {{ garage {{ street }} }} }} }} }} }} }}"""
    _, executed = same(some, query, way, pages_schema)
    if way[0] == "own":
        assert len(selects(executed)) == 4


# -- explain --


def test_explain_counts_what_types_inherit_once() -> None:
    """But for what stands in fragments of several types."""
    explanation = people_schema("joined", "own").explain(
        "{ people { addresses { town } ... on EmployeeType { department { name } } } }",
        dialect="sqlite",
    )
    level = explanation.levels[0]
    assert [each.source for each in level.levels] == [
        "relationship Person.addresses",
        "relationship Employee.department",
    ]
    assert explanation.all_rows
    explanation = vehicles_schema("own").explain(
        "{ vehicles { ... on Car { garage { street } } ... on Taxi { garage { street } } } }"
    )
    assert [each.source for each in explanation.levels[0].levels] == ["relationship Car.garage"] * 2


def test_explain_of_a_node() -> None:
    """The id names a class; its objects may be of others."""
    global_id = to_global_id("Car", 1)
    query = f'{{ node(id: "{global_id}") {{ ... on Taxi {{ licence }} ... on Car {{ doors }} }} }}'
    (level,) = vehicles_schema("own").explain(query).levels
    assert level.by_rows
    assert level.notes == (
        "one statement with an outer join of inh_taxis: one row for each object",
    )
    assert "JOIN inh_taxis" in level.sql[0]
