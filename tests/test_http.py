"""GraphQL over HTTP, without a framework: what is taken, what is answered, and how."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import graphene_sqlalchemy
import pytest
from graphql import GraphQLError
from sqlalchemy import create_engine, event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from graphene_sqlalchemy_c.endpoint import Endpoint, is_database_error
from graphene_sqlalchemy_c.http import HTTPError, Message, Response, preferred_media_type

from .conftest import Database
from .library import Author
from .web.app import Told, build_schema

pytest.importorskip("orjson")

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
SCHEMA = build_schema()


class Sessions(sessionmaker[Session]):
    """A session factory that knows what became of its sessions."""

    def __init__(self, engine: Any) -> None:
        self.ends: list[str] = []
        ends = self.ends

        class Watched(Session):
            def rollback(self) -> None:
                ends.append("rollback")
                super().rollback()

            def close(self) -> None:
                super().close()
                ends.append("close")

        super().__init__(engine, class_=Watched)


@pytest.fixture
def sessions(lib: Database) -> Iterator[Sessions]:
    engine = create_engine(lib.url)
    yield Sessions(engine)
    engine.dispose()


def send(
    endpoint: Endpoint,
    body: Any = None,
    *,
    method: str = "POST",
    url: str = "",
    accept: str | None = None,
    content_type: str | None = JSON,
    content_length: str | None = None,
) -> Response:
    """What a view does: a body that is not bytes is sent as JSON."""
    parameters = dict(parse_qsl(url, keep_blank_values=True))
    message = Message(method, parameters, content_type, content_length, accept)
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        exchange = endpoint.exchange(message)
        if isinstance(exchange, Response):
            return exchange
        if method == "POST":
            for start in range(0, len(sent), 1000):
                exchange.feed(sent[start : start + 1000])
        return endpoint.execute(exchange, "the request")
    except HTTPError as error:
        return error.response(message)


def errors(response: Response) -> list[str]:
    return [error["message"] for error in json.loads(response.body)["errors"]]


@pytest.mark.parametrize(
    "accept, expected",
    [
        (None, GRAPHQL_JSON),
        ("", GRAPHQL_JSON),
        ("*/*", GRAPHQL_JSON),
        ("application/*", GRAPHQL_JSON),
        (JSON, JSON),
        ("Application/JSON", JSON),
        (f"{JSON}, */*", JSON),
        (f"{JSON};q=0.5, {GRAPHQL_JSON}", GRAPHQL_JSON),
        (f"{GRAPHQL_JSON};q=0.5, {JSON};q=0.9", JSON),
        (f"{GRAPHQL_JSON};charset=utf-8;q=0.5,{JSON};q=0.4", GRAPHQL_JSON),
        (f"{GRAPHQL_JSON};q=0, {JSON}", JSON),
        (f"{GRAPHQL_JSON};q=0, {JSON};q=0, */*", None),
        (f"{GRAPHQL_JSON};q=0, */*", JSON),
        (f"{JSON}, multipart/mixed", JSON),
        ("text/html", None),
        (f"{JSON};q=x", None),
        (";;,,", None),
    ],
)
def test_media_types_of_responses(accept: str | None, expected: str | None) -> None:
    assert preferred_media_type(accept, (GRAPHQL_JSON, JSON)) == expected


@pytest.mark.parametrize("accept", [JSON, GRAPHQL_JSON])
def test_a_query_is_answered_as_by_stock(sessions: Sessions, accept: str) -> None:
    stock = build_schema(graphene_sqlalchemy)
    query = "query ($n: String) { hello(name: $n) authors { name books { title } } }"
    response = send(
        Endpoint(SCHEMA, sessions),
        {"query": query, "variables": {"n": "Ann"}, "operationName": None, "extensions": {}},
        accept=accept,
    )
    with sessions() as session:
        context = {"session": session}
        expected = stock.execute(query, variables={"n": "Ann"}, context_value=context).formatted
    assert (response.status, json.loads(response.body)) == (200, expected)
    assert response.all_headers == {"content-type": f"{accept}; charset=utf-8", "vary": "accept"}


REQUEST_ERRORS = [
    "{",
    "{ nope }",
    "query A { hello } query B { hello }",
    "query ($n: Int!) { hello }",
]


@pytest.mark.parametrize("query", REQUEST_ERRORS)
def test_errors_of_requests(sessions: Sessions, query: str) -> None:
    """No entry "data"; a status of their own for clients that know the media type."""
    endpoint = Endpoint(SCHEMA, sessions)
    expected = build_schema(graphene_sqlalchemy).execute(query).formatted["errors"]
    for accept, status in ((JSON, 200), (GRAPHQL_JSON, 400)):
        response = send(endpoint, {"query": query}, accept=accept)
        assert (response.status, json.loads(response.body)) == (status, {"errors": expected})


@pytest.mark.parametrize(
    "body, message",
    [
        (b"", "The body is not JSON."),
        (b"{", "The body is not JSON."),
        (b"\xff", "The body is not JSON."),
        (b'{"query": "{ hello }", "variables": {"n": NaN}}', "The body is not JSON."),
        (b"[" * 100_000, "The body is not JSON."),
        (b'{"a":' * 100_000, "The body is not JSON."),
        (b'{"query": ' + b"1" * 5000 + b"}", "The body is not JSON."),
        ("{ hello }", "An operation has to be an object."),
        ({}, "Must provide query string."),
        ({"query": None}, "Must provide query string."),
        ({"query": 1}, "Must provide query string."),
        ({"query": "{ hello }", "variables": []}, "'variables' has to be an object."),
        ({"query": "{ hello }", "operationName": 1}, "'operationName' has to be a string."),
        ({"query": "{ hello }", "extensions": 1}, "'extensions' has to be an object."),
        ([{"query": "{ hello }"}], "Lists of operations are not taken."),
    ],
)
def test_bodies_that_are_not_well_formed(sessions: Sessions, body: Any, message: str) -> None:
    for accept in (JSON, GRAPHQL_JSON):
        response = send(Endpoint(SCHEMA, sessions), body, accept=accept)
        assert (response.status, errors(response)) == (400, [message])
        assert response.media_type == accept
    assert sessions.ends == []


def test_integers_of_any_size_are_themselves(sessions: Sessions) -> None:
    query = "query ($n: String) { hello(name: $n) }"
    response = send(Endpoint(SCHEMA, sessions), {"query": query, "variables": {"n": 2**70}})
    assert str(2**70) in errors(response)[0]


@pytest.mark.parametrize(
    "content_type, status",
    [
        (JSON, 200),
        ("application/json; charset=UTF-8", 200),
        ('application/json;charset="utf-8"', 200),
        ("application/json; charset=utf-16", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain", 415),
        ("application/graphql", 415),
        ("", 415),
        (None, 415),
    ],
)
def test_media_types_of_requests(sessions: Sessions, content_type: str | None, status: int) -> None:
    """Only what a page of another origin cannot send without the browser asking the server."""
    response = send(Endpoint(SCHEMA, sessions), {"query": "{ hello }"}, content_type=content_type)
    assert response.status == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_other_methods(sessions: Sessions, method: str) -> None:
    response = send(Endpoint(SCHEMA, sessions), {"query": "{ hello }"}, method=method)
    assert (response.status, response.headers) == (405, {"allow": "GET, POST"})


def test_no_media_type_that_the_client_takes(sessions: Sessions) -> None:
    response = send(Endpoint(SCHEMA, sessions), {"query": "{ hello }"}, accept="image/png")
    assert (response.status, response.media_type) == (406, JSON)


def get(sessions: Sessions, url: str, **options: Any) -> Response:
    return send(Endpoint(SCHEMA, sessions, **options), method="GET", url=url, content_type=None)


def test_queries_by_get(sessions: Sessions) -> None:
    url = 'query=query A($n:String){hello(name:$n)} query B{hello}&variables={"n":"Bo"}'
    response = get(sessions, url + "&operationName=A&extensions={}")
    assert (response.status, response.body) == (200, b'{"data":{"hello":"hello Bo"}}')
    assert get(sessions, "query={hello}&variables=&operationName=").status == 200


@pytest.mark.parametrize(
    "url, message",
    [
        ("", "Must provide query string."),
        ("query=", "Must provide query string."),
        ("query={hello}&variables={", "'variables' is not JSON."),
        ("query={hello}&variables=[]", "'variables' has to be an object."),
        ("query={hello}&extensions=1", "'extensions' has to be an object."),
    ],
)
def test_urls_that_are_not_well_formed(sessions: Sessions, url: str, message: str) -> None:
    response = get(sessions, url)
    assert (response.status, errors(response)) == (400, [message])


def test_no_mutation_by_get(sessions: Sessions) -> None:
    """Not even where another operation of the document is a query."""
    mutation = 'mutation M{rename(id:1,name:"x",commit:true){author{name}}}'
    for url in (f"query={mutation}", f"query={mutation} query Q{{hello}}&operationName=M"):
        response = get(sessions, url)
        assert (response.status, response.headers) == (405, {"allow": "POST"})
        assert errors(response) == ["A mutation is not executed by GET, use POST."]
    assert get(sessions, f"query={mutation} query Q{{hello}}&operationName=Q").status == 200
    with sessions() as session:
        assert session.get(Author, 1).name == "author 1"


def test_the_size_of_a_body(sessions: Sessions) -> None:
    """Told by its header before it is read, and by what comes where the header lies."""
    endpoint = Endpoint(SCHEMA, sessions, max_body_bytes=3000)
    body = {"query": "{ hello }" + " " * 2900}
    assert send(endpoint, body).status == 200
    assert send(endpoint, body, content_length="3001").status == 413
    body["query"] += " " * 100
    for length in (None, "5", "-1", "x", "9" * 5000):
        response = send(endpoint, body, content_length=length)
        assert (response.status, errors(response)) == (413, ["The body has more than 3000 bytes."])


def test_lists_of_operations(sessions: Sessions) -> None:
    endpoint = Endpoint(SCHEMA, sessions, max_batch=2)
    good, bad = {"query": "{ hello }"}, {"query": "{ nope }"}
    response = send(endpoint, [good, bad])
    assert response.status == 200
    first, second = json.loads(response.body)
    assert first == {"data": {"hello": "hello you"}}
    assert list(second) == ["errors"]
    assert sessions.ends == ["close", "rollback", "close"]  # a session each
    assert send(endpoint, good).status == 200
    for body in ([good] * 3, []):
        assert errors(send(endpoint, body)) == ["A list has 1 to 2 operations."]


BROKEN = '{ statement(sql: "SELECT nonsense") }'
RENAME = 'mutation { a: rename(id: 1, name: "Ann", commit: %s) { author { name } } %s }'


@pytest.mark.parametrize(
    "commit, more, ends, name",
    [
        ("true", "", ["close"], "Ann"),
        ("false", "", ["close"], "author 1"),
        (
            "false",
            'b: rename(id: 99, name: "x") { author { name } }',
            ["rollback", "close"],
            "author 1",
        ),
    ],
)
def test_sessions_are_rolled_back_and_closed(
    sessions: Sessions, commit: str, more: str, ends: list[str], name: str
) -> None:
    """Only what a resolver commits stays."""
    response = send(Endpoint(SCHEMA, sessions), {"query": RENAME % (commit, more)})
    assert json.loads(response.body)["data"]["a"] == {"author": {"name": "Ann"}}
    assert sessions.ends == ends
    with sessions() as session:
        assert session.scalar(select(Author.name).where(Author.id == 1)) == name


def test_a_rollback_that_fails_does_not_lose_the_answer(lib: Database) -> None:
    """As after a statement whose error did not look like that of a lost connection."""
    engine = create_engine(lib.url)
    dropped: list[Any] = []
    event.listen(engine, "invalidate", lambda connection, *_: dropped.append(connection))

    class Lost(Session):
        def rollback(self) -> None:
            raise OperationalError("ROLLBACK", {}, ValueError("x"))

    response = send(Endpoint(SCHEMA, sessionmaker(engine, class_=Lost)), {"query": BROKEN})
    assert (response.status, errors(response)) == (200, ["Internal error"])
    assert len(dropped) == 1
    engine.dispose()


def test_sessions_are_closed_when_the_context_fails(sessions: Sessions) -> None:
    def fail(request: Any, session: Any) -> Any:
        raise Told("no context")

    with pytest.raises(Told):
        send(Endpoint(SCHEMA, sessions, context=fail), {"query": "{ hello }"})
    assert sessions.ends == ["close"]


def test_database_errors_are_masked_and_logged(sessions: Sessions, caplog: Any) -> None:
    query = 'query Q { hello a: statement(sql: "SELECT secret FROM nowhere") told }'
    with caplog.at_level(logging.ERROR):
        response = send(Endpoint(SCHEMA, sessions), {"query": query})
    assert response.status == 200
    shown = json.loads(response.body)["errors"]
    assert [error["message"] for error in shown] == ["Internal error", "not today"]
    assert shown[0] == {
        "message": "Internal error",
        "locations": [{"line": 1, "column": 17}],
        "path": ["a"],
    }
    assert b"secret" not in response.body
    [record] = caplog.records
    assert record.getMessage() == "Error at a"
    assert isinstance(record.exc_info[1], OperationalError)
    # What the schema says is not masked.
    with sessions() as session:
        result = SCHEMA.execute(query, context_value={"session": session})
    assert "nowhere" in result.errors[0].message


def test_what_is_masked_can_be_chosen(sessions: Sessions) -> None:
    query = '{ told statement(sql: "SELECT nonsense") }'
    for is_masked, expected in (
        (lambda error: False, ["not today", "no such column"]),
        (lambda error: True, ["Internal error", "Internal error"]),
    ):
        endpoint = Endpoint(SCHEMA, sessions, is_masked=is_masked)
        found = errors(send(endpoint, {"query": query}))
        assert all(part in message for part, message in zip(expected, found, strict=True))


def test_database_errors() -> None:
    sqlite3 = pytest.importorskip("sqlite3")
    hidden = [
        sqlite3.OperationalError("x"),
        OperationalError("SELECT 1", {}, ValueError("x")),
        ConnectionRefusedError("host"),
        OSError("Multiple exceptions"),
    ]
    shown = [ValueError("x"), GraphQLError("x"), PermissionError("not yours"), KeyError("x")]
    assert all(map(is_database_error, hidden))
    assert not any(map(is_database_error, shown))


def test_a_session_that_fails_outside_of_fields(sessions: Sessions, caplog: Any) -> None:
    def no_session() -> Any:
        raise OperationalError("SELECT secret", {}, ValueError("x"))

    response = send(Endpoint(SCHEMA, no_session), {"query": "{ hello }"})
    assert (response.status, errors(response)) == (500, ["Internal error"])
    assert isinstance(caplog.records[0].exc_info[1], OperationalError)

    def no_factory() -> Any:
        raise Told("a mistake in the application")

    with pytest.raises(Told):  # the framework's to answer
        send(Endpoint(SCHEMA, no_factory), {"query": "{ hello }"})


def test_the_context(sessions: Sessions) -> None:
    seen: list[Any] = []

    def context(request: Any, session: Any) -> dict[str, Any]:
        seen.append((request, session))
        return {"session": session}

    def middleware(resolve: Any, root: Any, info: Any, **arguments: Any) -> Any:
        seen.append(root)
        return resolve(root, info, **arguments)

    endpoint = Endpoint(
        SCHEMA, sessions, context=context, root_value="root", middleware=[middleware]
    )
    assert send(endpoint, {"query": "{ hello }"}).status == 200
    assert seen[0][0] == "the request" and isinstance(seen[0][1], Session)
    assert seen[1:] == ["root"]


def test_other_schemas_are_refused(sessions: Sessions) -> None:
    with pytest.raises(TypeError, match=r"has to be a graphene_sqlalchemy_c\.Schema"):
        Endpoint(build_schema(graphene_sqlalchemy), sessions)


def test_a_browser_gets_graphiql(sessions: Sessions) -> None:
    endpoint = Endpoint(SCHEMA, sessions)
    for url in ("", "query={hello}"):
        page = send(endpoint, method="GET", url=url, accept=BROWSER)
        assert (page.status, page.media_type) == (200, "text/html")
        assert page.body.count(b'integrity="sha384-') == 4
        assert b"$" not in page.body
    assert send(endpoint, method="GET", url="query={hello}", accept="*/*").media_type != "text/html"
    assert send(endpoint, {"query": "{ hello }"}, accept=BROWSER).media_type == GRAPHQL_JSON
    without = Endpoint(SCHEMA, sessions, graphiql=False)
    assert send(without, method="GET", url="query={hello}", accept=BROWSER).status == 200


def test_graphiql_from_a_folder(sessions: Sessions, tmp_path: Any) -> None:
    with pytest.raises(OSError):
        Endpoint(SCHEMA, sessions, graphiql_assets=tmp_path)
    names = ("react.production.min.js", "react-dom.production.min.js")
    for name in (*names, "graphiql.min.js", "graphiql.min.css"):
        (tmp_path / name).write_text(f"/* {name} */")
    (tmp_path / "secret").write_text("secret")
    endpoint = Endpoint(SCHEMA, sessions, graphiql_assets=tmp_path)
    page = send(endpoint, method="GET", accept=BROWSER)
    assert b"https://" not in page.body and b"integrity" not in page.body
    for name in names:
        assert f'src="?asset={name}"'.encode() in page.body
        found = send(endpoint, method="GET", url=f"asset={name}", accept="*/*")
        assert (found.status, found.media_type) == (200, "text/javascript")
        assert found.body == f"/* {name} */".encode()
    for name in ("secret", "../secret", "", "graphiql.html"):
        assert send(endpoint, method="GET", url=f"asset={name}").status == 404
