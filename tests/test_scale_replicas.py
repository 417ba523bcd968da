"""A replica: `get_bind` of the session sends what it reads to a second engine.

The replica has the same rows. Every statement is counted at the database that executes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.sql import Delete, Insert, Update

from . import shop_models as shop
from .conftest import SERVERS
from .rows_harness import way_id
from .shop_models import STOCK, WAYS, Databases, Order, Way, ask

way = pytest.mark.parametrize("way", WAYS, ids=way_id)


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def replicated(request: Any, tmp_path_factory: Any) -> Iterator[Databases]:
    """The primary, and a replica that nobody keeps up to date."""
    belongs = dict.fromkeys(("primary", "replica"), lambda customer: True)
    with shop.databases(request.param, tmp_path_factory.mktemp("replica"), belongs) as made:
        yield made


@pytest.fixture
def written(replicated: Databases) -> Iterator[Databases]:
    """For a test that writes orders of a number over 1,000."""
    yield replicated
    with Session(replicated.engines["primary"]) as session:
        session.execute(delete(Order).where(Order.id > 1000))
        session.commit()


def routing(databases: Databases, way: Way, reads_own_writes: bool = False) -> Any:
    """Makes sessions after the recipe "custom vertical partitioning" of SQLAlchemy's documentation.

    :param reads_own_writes: whether a session that has written reads the primary from then on.
    """
    engines = databases.bound(way)

    class RoutingSession(Session):
        def get_bind(self, mapper: Any = None, *, clause: Any = None, **_: Any) -> Any:
            if self._flushing or isinstance(clause, (Update, Delete, Insert)):
                self.info["has_written"] = True
                return engines["primary"]
            if reads_own_writes and self.info.get("has_written"):
                return engines["primary"]
            return engines["replica"]

    if way[2] == "asyncsession":
        return lambda: AsyncSession(sync_session_class=RoutingSession)
    return RoutingSession


def writes(statements: list[str]) -> list[str]:
    return [sql for sql in statements if not sql.startswith("SELECT")]


# Query, and the statements that ours sends for it where the root is one of them.
LISTS = {
    "flat": ("{ customers { id name rank } }", 1),
    "nested": ("{ customers { id name orders { id amount lines { id article } } } }", 3),
    "to-one": ("{ orders { id customer { id name } } }", 2),
    "one": ("{ customer(id: 5) { id orders { id } } }", 2),
    "inheritance": ("{ payments { id ... on CardPayment { digits } order { id } } }", 2),
}
CONNECTIONS = {
    "pages": (
        """{ customers(first: 5) { pageInfo { hasNextPage endCursor } edges { node { name
        orders(first: 2) { edges { node { amount lines(first: 1) { edges { node { article }
        } } } } } } } } }""",
        3,
    ),
    "counts": (
        "{ customers(first: 2) { totalCount edges { node { orders { totalCount } } } } }",
        3,
    ),
    "last": ("{ orders(last: 3) { edges { cursor node { id } } } }", 2),
    "node": (
        '{ node(id: "Q3VzdG9tZXI6NQ==") { ... on Customer { name orders { totalCount } } } }',
        2,
    ),
}
READS = [(*each, False) for each in LISTS.values()] + [
    (*each, True) for each in CONNECTIONS.values()
]


@way
@pytest.mark.parametrize("query, sent, connections", READS, ids=[*LISTS, *CONNECTIONS])
def test_reads_go_to_the_replica(
    replicated: Databases, way: Way, query: str, sent: int, connections: bool
) -> None:
    stock = ask(STOCK, query, lambda: Session(replicated.engines["primary"]), connections)
    assert "errors" not in stock
    make_session = routing(replicated, way)
    with replicated.counted() as executed:
        assert ask(way, query, make_session, connections) == stock
    assert executed["primary"] == []
    if way[0] == "own" and (way[1] == "select" or connections):
        assert len(executed["replica"]) == sent
    else:
        assert executed["replica"]


PLACE = """mutation { placeOrder(id: 1001, customer: 5) {
    id amount customer { id orders { id customer { name } } } } }"""


@way
def test_a_mutation_reads_where_its_session_says(written: Databases, way: Way) -> None:
    """After its flush from the primary, uncommitted, or from the replica, which lacks the order."""
    stock = ask(STOCK, PLACE, lambda: Session(written.engines["primary"]), False)
    assert "1001" in [order["id"] for order in stock["data"]["placeOrder"]["customer"]["orders"]]

    with written.counted() as executed:
        result = ask(way, PLACE, routing(written, way, reads_own_writes=True), False)
    assert result == stock
    assert executed["replica"] == []
    assert len(writes(executed["primary"])) == 1 < len(executed["primary"])

    stale = ask(STOCK, PLACE, routing(written, STOCK), False)
    with written.counted() as executed:
        result = ask(way, PLACE, routing(written, way), False)
    assert result == stale
    assert executed["replica"] and not writes(executed["replica"])
    assert len(executed["primary"]) == 1 == len(writes(executed["primary"]))


@pytest.mark.parametrize("reads_own_writes", [True, False])
def test_autoflush_before_a_read(written: Databases, reads_own_writes: bool) -> None:
    """What is pending is written to the primary before a level is read, wherever that is."""
    make_session = routing(written, STOCK, reads_own_writes)
    query = "{ customer(id: 5) { orders { id } } }"
    answers, sent = [], []
    for way in (STOCK, ("own", "select", "sync")):

        def with_order() -> Session:
            session: Session = make_session()
            session.add(Order(id=1002, amount=1, customer_id=5))
            return session

        with written.counted() as executed:
            answers.append(ask(way, query, with_order, False))
        sent.append({name: len(writes(statements)) for name, statements in executed.items()})
    ids = [order["id"] for order in answers[0]["data"]["customer"]["orders"]]
    assert ("1002" in ids) == reads_own_writes
    assert answers[0] == answers[1]
    assert sent == [{"primary": 1, "replica": 0}] * 2


@way
def test_a_committed_write_is_read_by_the_next_session(written: Databases, way: Way) -> None:
    """The replica is behind: a session reads it until it is told otherwise."""
    with Session(written.engines["primary"]) as session:
        session.add(Order(id=1003, amount=2, customer_id=5))
        session.commit()
    query = "{ customer(id: 5) { orders { id } } }"
    result = ask(way, query, routing(written, way), False)
    assert result == ask(STOCK, query, lambda: Session(written.engines["replica"]), False)
    assert len(result["data"]["customer"]["orders"]) == shop.ORDERS_EACH
