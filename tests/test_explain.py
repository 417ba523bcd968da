"""`Schema.explain`: levels, reasons, SQL and numbers of statements, held against executions."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from graphql_relay import to_global_id
from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

import graphene_sqlalchemy_c
from graphene_sqlalchemy_c import ExplainError, Explanation
from graphene_sqlalchemy_c.__main__ import main

from . import explain_schema as app
from . import zoo
from .nomemory import count_failures, runs_plain_python

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    app.Base.metadata.create_all(engine)
    with Session(engine) as session:
        app.fill(session)
    yield engine
    engine.dispose()


@contextmanager
def executed_on(engine: Any) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


def executed(
    engine: Any, query: str, schema: graphene_sqlalchemy_c.Schema = app.schema
) -> list[str]:
    with Session(engine) as session, executed_on(engine) as statements:
        result = schema.execute(query, context_value={"session": session})
    assert result.errors is None, result.errors
    return statements


def explained(query: str, **variables: Any) -> Explanation:
    return app.schema.explain(query, variables, dialect="sqlite")


def without_parameters(sql: str) -> str:
    """The SQL with a question mark for each parameter, one for a list of keys."""
    sql = re.sub(r"\(:\w+, \.\.\.\)|\((\?(, )?)+\)|\(\((\?(, )?)+\)(, \(.*?\))*\)", "(?)", sql)
    return re.sub(r":\w+", "?", sql)


def paths(explanation: Explanation) -> dict[str, Any]:
    return {level.path: level for level in explanation.levels}


# -- the tree --


def test_text_of_lists() -> None:
    text = str(explained("query Shelf { books { title author { name } tags { label } } }"))
    assert text.splitlines() == [
        "query Shelf, on sqlite: 3 levels, by rows; 2 statements, and what resolvers execute",
        "└─ books: Book, by rows",
        "   │  resolver of Query.books: unknown number of statements",
        "   │  SELECT books.title, books.author_id, books.id",
        "   │  of the statement that the resolver returns",
        "   ├─ books.author: Author, by rows",
        "   │     relationship Book.author: 1 statement for each 500 parents",
        "   │     SELECT authors.name, authors.id",
        "   │     FROM authors",
        "   │     WHERE authors.id IN (:keys, ...)",
        "   └─ books.tags: Tag, by rows",
        "         relationship Book.tags: 1 statement for each 500 parents",
        "         SELECT tags.label, book_tags.book_id",
        "         FROM tags, book_tags",
        "         WHERE tags.id = book_tags.tag_id AND book_tags.book_id IN (:keys, ...) "
        "ORDER BY tags.id",
    ]


def test_text_of_a_page_with_variables() -> None:
    query = (
        "query ($n: Int!, $from: String) {"
        " allAuthors(first: 2) { edges { node { books(first: $n, after: $from)"
        " { totalCount edges { node { title } } } } } } }"
    )
    open_page = explained(query)
    assert [(level.path, level.page) for level in open_page.levels] == [
        ("allAuthors.edges.node", "first 2: cut by LIMIT"),
        (
            "allAuthors.edges.node.books.edges.node",
            "first $n, after $from: cut by row_number() for each parent",
        ),
    ]
    root, nested = open_page.levels
    assert dict(root.parameters)["stop"] == 3
    assert "start" not in dict(nested.parameters) and ":start" in nested.sql[0]
    assert nested.statements == len(nested.sql) == 2, "the page and the totals"
    assert nested.sql[1].splitlines()[0].rstrip() == "SELECT books.author_id, count(*) AS count_1"
    known = explained(query, n=4).levels[1]
    assert known.page == "first 4, after $from: cut by row_number() for each parent"


def test_dialect_decides_about_chunks() -> None:
    query = "{ books { author { name } } }"
    postgresql = app.schema.explain(query)
    assert postgresql.dialect == "postgresql"
    assert postgresql.levels[1].keys_per_statement is None
    assert "authors.id = ANY (:keys" in postgresql.levels[1].sql[0]
    assert app.schema.explain(query, dialect="mysql").levels[1].keys_per_statement == 500


def test_scalars_and_wrappers_are_no_levels() -> None:
    explanation = explained("{ __typename version viewer { label books { title } } }")
    assert [level.path for level in explanation.levels] == ["viewer.books"]
    scalars = explained("{ version __schema { types { name } } }")
    assert scalars.levels == () and scalars.all_rows and scalars.statements == 0
    assert str(scalars) == "query, on sqlite: no level is loaded"


def test_two_aliases_are_two_levels() -> None:
    explanation = explained("{ books { a: author { name } b: author { id } } }")
    assert [level.path for level in explanation.levels] == ["books", "books.a", "books.b"]


def test_mutation() -> None:
    explanation = explained("mutation { touch { ok book { title author { name } } } }")
    assert explanation.operation == "mutation"
    assert list(paths(explanation)) == ["touch.book", "touch.book.author"]
    assert explanation.all_rows


# -- reasons --


@pytest.mark.parametrize(
    ("query", "path", "reason"),
    [
        ("{ books { shout } }", "books", "Book.shout: its resolver is a Python callable"),
        ("{ books { initial } }", "books", "Book.initial: initial is no mapped attribute"),
        ("{ books { watched { id } } }", "books.watched", "Watched has load or refresh events"),
        ("{ judged { id } }", "judged", "is_type_of is the application's own"),
        ("{ books { odd { id } } }", "books.odd", "the relationship cannot be batched: "),
        ("{ books { odd { id } } }", "books", "Book.odd: the relationship cannot be batched: "),
        (
            "{ allAuthors { kind edges { node { name } } } }",
            "allAuthors.edges.node",
            "the connection's field kind has a resolver",
        ),
        (
            "{ madeConnection { edges { node { name } } } }",
            "madeConnection.edges.node",
            "a resolver makes the connection",
        ),
        (
            "{ allAuthors { edges { node { upper } } } }",
            "allAuthors.edges.node",
            "Author.upper: its resolver is a Python callable",
        ),
        ("{ books { single { id } } }", "books.single", "it is not batched"),
    ],
)
def test_reason(query: str, path: str, reason: str) -> None:
    explanation = explained(query)
    level = paths(explanation)[path]
    assert not level.by_rows and not explanation.all_rows
    assert (level.reason or "").startswith(reason)
    assert f"{path}: {level.type}, by instances: {level.reason}" in str(explanation)


@pytest.mark.parametrize(
    ("query", "path", "reason"),
    [
        (
            "{ authors { bookSet { title } } }",
            "authors.bookSet",
            "its collection_class is not list",
        ),
        (
            "{ authors { stream { title } } }",
            "authors.stream",
            "the relationship cannot be batched",
        ),
    ],
)
def test_reason_in_the_zoo(query: str, path: str, reason: str) -> None:
    level = paths(zoo.build_schema("own").explain(query))[path]
    assert not level.by_rows and (level.reason or "").startswith(reason)


def test_rows_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    query = "{ books { title } }"
    off = graphene_sqlalchemy_c.Schema(query=app.Query, mutation=app.Mutation, rows=False)
    assert off.explain(query).levels[0].reason == "row levels are switched off"
    monkeypatch.setenv("GRAPHENE_SQLALCHEMY_C_ROWS", "0")
    assert app.schema.explain(query).levels[0].reason == "row levels are switched off"


def test_instances_have_rows_below() -> None:
    explanation = explained("{ books { shout author { name } } }")
    assert [level.by_rows for level in explanation.levels] == [False, True]


# -- what is executed --

NODE = to_global_id("Author", "1")


@pytest.mark.parametrize(
    ("query", "by_resolvers"),
    [
        ("{ books { title } }", 1),
        ("{ books { title author { name books { edges { node { title } } } } } }", 1),
        ("{ books { title shout author { name } tags { label } } }", 1),
        ("{ allAuthors(first: 2) { edges { node { name } } } }", 0),
        ("{ allAuthors { pageInfo { hasNextPage } } }", 0),
        ("{ allAuthors(last: 1) { edges { node { name } } } }", 0),
        ("{ allAuthors(first: 1) { totalCount edges { node { name } } } }", 0),
        ("{ allAuthors { totalCount edges { node { name } } } }", 0),
        ("{ allAuthors(first: 2) { edges { node { upper } } } }", 0),
        ("{ allAuthors(first: 1, sort: NAME_DESC) { edges { node { name } } } }", 0),
        ('{ allAuthors(filter: {name: {eq: "A"}}) { edges { node { name } } } }', 0),
        ("{ allAuthors { kind edges { node { name } } } }", 0),
        (
            "{ allAuthors(first: 2) { edges { node { books(first: 1) "
            "{ totalCount edges { node { title tags { label } } } } } } } }",
            0,
        ),
        ("{ allAuthors { edges { node { books(last: 1) { edges { node { title } } } } } } }", 0),
        ("{ allAuthors { edges { node { books { totalCount } } } } }", 0),
        (f'{{ node(id: "{NODE}") {{ ... on Author {{ name }} }} }}', 0),
        (f'{{ node(id: "{NODE}") {{ ... on Author {{ name upper }} }} }}', 0),
        ("{ books { labels(first: 1) { edges { node { label } } } } }", 1),
        ("{ viewer { books { author { name } } } }", 1),
    ],
)
def test_number_of_statements_is_what_is_executed(
    engine: Any, query: str, by_resolvers: int
) -> None:
    explanation = explained(query)
    unknown = [level for level in explanation.levels if level.statements is None]
    assert len(unknown) == by_resolvers
    known = sum(level.statements or 0 for level in explanation.levels)
    assert known + by_resolvers == len(executed(engine, query))
    assert explanation.statements == (None if by_resolvers else known)


@pytest.mark.parametrize(
    "query",
    [
        "{ books { title author { name } tags { label } } }",
        "{ books { title author { books(first: 1) { totalCount edges { node { title } } } } } }",
        '{ books { author { books(first: 1, after: "YXJyYXljb25uZWN0aW9uOjA=") '
        "{ edges { node { shout } } } } } }",
        "{ books { author { books(last: 1) { edges { node { title } } } } } }",
        "{ books { shout labels(first: 1) { edges { node { label } } } } }",
        "{ allAuthors(first: 2) { edges { node { name } } } }",
        "{ allAuthors(first: 1, sort: NAME_DESC) { totalCount edges { node { upper } } } }",
        '{ allAuthors(filter: {name: {eq: "A"}}) { edges { node { id } } } }',
        f'{{ node(id: "{NODE}") {{ ... on Author {{ name }} }} }}',
    ],
)
def test_sql_is_what_is_executed(engine: Any, query: str) -> None:
    """The statements of relationships and of roots that are not a resolver's, to the letter."""
    found = sorted(without_parameters(sql) for sql in executed(engine, query))
    levels = explained(query).levels
    shown = [sql for level in levels if level.statements is not None for sql in level.sql]
    expected = sorted(map(without_parameters, shown))
    rest = list(found)
    for sql in expected:
        assert sql in rest
        rest.remove(sql)
    assert len(rest) == sum(level.statements is None for level in levels)


def test_a_whole_page_is_not_cut(engine: Any) -> None:
    (level,) = explained("{ allAuthors { edges { node { name } } } }").levels
    assert level.page == "all of it"
    assert "LIMIT" not in level.sql[0]


def test_a_page_that_is_not_allowed() -> None:
    (root,) = explained("{ allAuthors(first: -1) { edges { node { name } } } }").levels
    assert root.page == "error: Argument 'first' must be a non-negative integer."
    assert root.statements == 0 and root.sql == ()


LIMITED = graphene_sqlalchemy_c.Schema(
    query=app.Query, types=app.TYPES, max_page_size=3, default_page_size=2
)
TITLES = "edges { node { title } }"


@pytest.mark.parametrize(
    ("arguments", "selected", "page"),
    [
        ("", TITLES, "first 2 by default: cut by row_number() for each parent"),
        (
            '(after: "YXJyYXljb25uZWN0aW9uOjA=")',
            TITLES,
            "after YXJyYXljb25uZWN0aW9uOjA=, first 2 by default: "
            "cut by row_number() for each parent",
        ),
        ("(last: 1)", TITLES, "last 1: cut by row_number() for each parent, which counts"),
        ("", f"kind {TITLES}", "first 2 by default: cut in Python, after all of it is loaded"),
    ],
)
def test_pages_by_default(engine: Any, arguments: str, selected: str, page: str) -> None:
    """The sizes that a schema allows and gives hold for connections at any depth."""
    query = f"{{ allAuthors {{ edges {{ node {{ books{arguments} {{ {selected} }} }} }} }} }}"
    root, nested = LIMITED.explain(query, dialect="sqlite").levels
    assert root.page == "first 2 by default: cut by LIMIT"
    assert nested.page == page
    shown = [without_parameters(sql) for level in (root, nested) for sql in level.sql]
    assert shown == list(map(without_parameters, executed(engine, query, LIMITED)))


def test_a_page_of_more_than_is_allowed() -> None:
    query = "{ allAuthors { edges { node { books(first: 4) { edges { node { title } } } } } } }"
    root, nested = LIMITED.explain(query).levels
    assert root.statements == 1
    assert nested.page == "error: Argument 'first' asks for 4 nodes, 3 are allowed at once."
    assert nested.statements == 0 and nested.sql == ()


def test_nodes_of_an_unknown_id_are_alternatives() -> None:
    query = (
        "query ($id: ID!) { node(id: $id) { ... on Author { name books { totalCount } } "
        "... on Book { title } } }"
    )
    explanation = explained(query)
    types = [(level.type, level.is_alternative) for level in explanation.roots]
    assert types == [("Book", True), ("Author", True)]
    assert explanation.statements == 2, "of an author and of its books, the most of the two"
    assert [level.type for level in explained(query, id=NODE).roots] == ["Author"]


def test_a_relationship_that_cannot_be_batched_is_read(engine: Any) -> None:
    query = "{ books { id odd { label } } }"
    odd = paths(explained(query))["books.odd"]
    assert odd.statements is None and odd.notes == ("one statement for each parent",)
    with Session(engine) as session:
        books = session.query(app.Book).count()
    assert len(executed(engine, query)) == 1 + books


# -- other forms --


def test_to_dict_is_json_and_complete() -> None:
    explanation = explained(
        "{ books { title shout author { books(first: 1) { edges { node { title } } } } } }"
    )
    found = explanation.to_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["all_rows"] is False and found["statements"] is None

    def flat(levels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for level in levels:
            yield level
            yield from flat(level["levels"])

    for shown, level in zip(flat(found["levels"]), explanation.levels, strict=True):
        assert (shown["path"], shown["by_rows"], shown["reason"], shown["statements"]) == (
            level.path,
            level.by_rows,
            level.reason,
            level.statements,
        )
        assert shown["sql"] == list(level.sql)


def test_mermaid_is_well_formed() -> None:
    explanation = explained("query Q { books { shout author { name } odd { id } } }")
    lines = explanation.to_mermaid().splitlines()
    assert lines[0] == "flowchart TD"
    assert lines[1] == '    operation["query Q"]'
    edge = re.compile(r'    (\w+) --> (\w+)\["([^"]*)"\]:::(rows|instances)')
    known = {"operation"}
    matches = [edge.fullmatch(line) for line in lines[2:-2]]
    for match in matches:
        assert match is not None and match[1] in known
        known.add(match[2])
        assert re.sub(r"<br/>|#(quot|lt|gt|35);", "", match[3]).isprintable()
    assert len(known) == 1 + len(explanation.levels)
    kinds = [match[4] for match in matches if match]
    assert kinds == ["rows" if level.by_rows else "instances" for level in explanation.levels]
    assert all(line.startswith("    classDef ") for line in lines[-2:])


# -- errors --


@pytest.mark.parametrize(
    ("query", "kwargs", "message"),
    [
        ("{ books { nothing } }", {}, "Cannot query field 'nothing' on type 'Book'."),
        ("{ books {", {}, "Syntax Error: Expected Name, found <EOF>."),
        ("query A { version } query B { version }", {}, "Must provide operation name"),
        ("{ version }", {"operation_name": "X"}, "Unknown operation named 'X'."),
        (
            "query ($n: Int) { allAuthors(first: $n) { totalCount } }",
            {"variable_values": {"n": "many"}},
            "Variable '$n' got invalid value 'many'",
        ),
        (
            "query ($all: Boolean!) { books { title @include(if: $all) id } }",
            {},
            "Argument 'if' of required type 'Boolean!' was provided the variable '$all'",
        ),
        ("{ version }", {"dialect": "dbase"}, "Unknown dialect 'dbase'"),
    ],
)
def test_error(query: str, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ExplainError) as caught:
        app.schema.explain(query, **kwargs)
    assert str(caught.value).startswith(message)


def test_errors_are_all_told() -> None:
    with pytest.raises(ExplainError) as caught:
        app.schema.explain("{ nothing books { naught } }")
    assert len(caught.value.messages) == 2


def test_nothing_is_kept_or_called(engine: Any) -> None:
    before = app.schema.cache_info()
    with executed_on(engine) as statements:
        explained("{ books { title } allAuthors { edges { node { name } } } }")
    assert statements == [] and app.schema.cache_info() == before


# -- the log --


def test_reasons_are_logged_once_per_plan(engine: Any, caplog: pytest.LogCaptureFixture) -> None:
    schema = graphene_sqlalchemy_c.Schema(query=app.Query, mutation=app.Mutation)
    query = "{ books { shout author { upper } } grouped { title } allGrouped { edges { cursor } } }"
    caplog.set_level(logging.INFO, "graphene_sqlalchemy_c")
    schema.explain(query)
    assert caplog.messages == []
    for _ in range(3):
        with Session(engine) as session:
            result = schema.execute(query, context_value={"session": session})
            assert result.errors is None, result.errors
    assert sorted(caplog.messages) == [
        "Author is loaded as instances: Author.upper: its resolver is a Python callable",
        "Book is loaded as instances: Book.shout: its resolver is a Python callable",
        "Book is loaded as instances: the statement has GROUP BY",
        "BookTypeConnection is loaded as instances: the statement has GROUP BY",
    ]
    assert {record.levelno for record in caplog.records} == {logging.INFO}


# -- the command --


def run(*arguments: str, query: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        # A debug CPython shows the deprecations of upstream, which this test is not about.
        [sys.executable, "-W", "ignore", "-m", "graphene_sqlalchemy_c", *arguments],
        cwd=ROOT,
        input=query,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


SCHEMA = "tests.explain_schema:schema"


def test_command(tmp_path: Path) -> None:
    query = (
        "query A($n: Int) { allAuthors(first: $n) { edges { node { name } } } } query B { version }"
    )
    path = tmp_path / "query.graphql"
    path.write_text(query)
    done = run(
        "explain", SCHEMA, str(path), "--operation", "A", "--variables", '{"n": 2}',
        "--dialect", "sqlite",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    explanation = app.schema.explain(query, {"n": 2}, "A", dialect="sqlite")
    assert done.stdout == f"{explanation}\n"


def test_command_json_of_standard_input() -> None:
    query = "{ books { title } }"
    done = run("explain", SCHEMA, "-", "--format", "json", query=query)
    assert json.loads(done.stdout) == app.schema.explain(query).to_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((SCHEMA, "missing.graphql"), "Cannot read missing.graphql"),
        (("tests.no_such_module:schema", "-"), "Cannot import 'tests.no_such_module'"),
        (("tests.explain_schema:nothing", "-"), "'tests.explain_schema' has no 'nothing'"),
        (("tests.explain_schema", "-"), "is not of the form package.module:schema"),
        (("tests.explain_schema:Book", "-"), "is not a graphene.Schema"),
        (("tests.explain_schema:stock_schema", "-"), "install() was not called"),
        ((SCHEMA, "-", "--variables", "{"), "--variables is not JSON"),
        ((SCHEMA, "-", "--operation", "B"), "Unknown operation named 'B'."),
        ((SCHEMA, "-", "--dialect", "dbase"), "invalid choice: 'dbase'"),
    ],
)
def test_command_with_bad_input(
    arguments: tuple[str, ...], message: str, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("{ version }"))
    with pytest.raises(SystemExit) as stopped:
        sys.exit(main(["explain", *arguments]))
    printed = capsys.readouterr()
    assert (stopped.value.code, printed.out) == (2, "")
    assert message in printed.err


def test_command_with_an_invalid_query() -> None:
    done = run("explain", SCHEMA, "-", query="{ nothing }")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: Cannot query field 'nothing' on type 'Query'.")


def test_command_without_arguments_prints_versions() -> None:
    done = run()
    assert done.returncode == 0 and done.stdout.startswith("graphene-sqlalchemy-c ")


# -- memory --

SCRIPT = """
from graphql import default_field_resolver, parse
from graphene_sqlalchemy_c._core import Plan
from graphene_sqlalchemy_c.levels import PlanOptions
from tests import explain_schema as app

schema = app.schema.graphql_schema
query = "{ things { name } books { author { name } } allAuthors { edges { node { id } } } }"
selections = parse(query).definitions[0].selection_set
options = PlanOptions(is_logged=False)

def plan():
    names = frozenset()
    return Plan(
        schema, {}, selections, schema.query_type, default_field_resolver, {}, names, options
    )

kept = plan()

def first():
    plan().describe({})

def again():
    kept.describe({})
"""


@runs_plain_python
def test_every_allocation_of_describe_may_fail() -> None:
    # Nearly all are of `first`: a kept plan has found out which types objects may have.
    assert count_failures(f"{SCRIPT}OPERATIONS = (again, first)", 300) > 250
