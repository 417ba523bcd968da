"""The documentation is true: its code runs, its outputs are what it shows, its lists are whole."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import graphene_sqlalchemy_c

from .documentation import (
    DOCS,
    NOT_RUN,
    PAGES,
    ROOT,
    WEB_PAGES,
    WrongPage,
    blocks_of,
    run_page,
)

PACKAGE = ROOT / "graphene_sqlalchemy_c"
RUN_HERE = [page for page in PAGES if page.name not in WEB_PAGES]
FENCE = "`" * 3


def page_name(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", RUN_HERE, ids=page_name)
def test_page(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


def test_each_page_is_run_somewhere() -> None:
    """Those that need a web framework are run by tests/web."""
    assert {page.name for page in PAGES} - {page.name for page in RUN_HERE} == WEB_PAGES
    assert ROOT / "README.md" in RUN_HERE
    without_code = {"index.md", "compatibility.md", "results.md"}
    for page in PAGES:
        if not page.name.startswith("architecture") and page.name not in without_code:
            assert blocks_of(page), page.name


# -- what the runner of pages sees --


def fenced(*blocks: tuple[str, str]) -> str:
    return "\n".join(f"{FENCE}{language}\n{text}\n{FENCE}\n" for language, text in blocks)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (fenced(("ruby", "puts 1")), "nobody knows how to run 'ruby'"),
        (fenced(("", "a diagram")), "nobody knows how to run ''"),
        (fenced(("{code-block} python", "1 / 0")), "nobody knows how to run"),
        ("Text.\n\n    print(1)\n", "no fenced block"),
        (f"{FENCE}python\nprint(1)\n", "no fenced block"),
        (fenced(("python", "print(1)")), "does not show this output"),
        (fenced(("python", "print(1)"), ("text", "2")), "but it is"),
        (fenced(("text", "2")), "nothing was printed"),
        (fenced(("json", "{}")), "nothing was answered"),
        (fenced(("console", "print(1)")), "begins with no command"),
        (fenced(("console", "$ sl")), "nobody knows how to run 'sl'"),
        (fenced(("console", "$ make love")), "the Makefile has no love"),
        (fenced(("console", "$ make test WAR=1")), "the Makefile has no WAR"),
        (fenced(("console", "$ make test\n1 passed")), "which is not run"),
        (fenced(("console", '$ pip install ".[nope]"')), "pyproject.toml knows no .[nope]"),
        (fenced(("console", "$ pip install nope")), "pyproject.toml knows no nope"),
        (fenced(("console", "$ python nope.py")), "there is no such file"),
        (fenced(("console", "$ python -m nope")), "there is no such module"),
        (
            fenced(("python", "# a.py\nprint(1)"), ("text", "1"), ("console", "$ python a.py\n2")),
            "but",
        ),
        (fenced(("python", "# b.py\n"), ("console", "$ python -m graphene_sqlalchemy_c x")), "x"),
    ],
)
def test_runner_sees_what_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(WrongPage, match=re.escape(message)):
        run_page(DOCS / "some.md", tmp_path, text)


GRAPHQL_PAGE = fenced(
    ("python", "from app import engine, schema"),
    ("graphql", "{ book(id: 4) { title } }"),
    ("json", '{"data": {"book": {"title": "Frankenstein"}}}'),
)


def test_runner_lets_pass_what_is_right(tmp_path: Path) -> None:
    run_page(DOCS / "some.md", tmp_path, GRAPHQL_PAGE)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [("Frankenstein", "Dracula", "but it is"), ("title }", "name }", "but it is")],
)
def test_runner_compares_responses(right: str, wrong: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(WrongPage, match=message):
        run_page(DOCS / "some.md", tmp_path, GRAPHQL_PAGE.replace(right, wrong))


def test_runner_shows_errors_of_a_response(tmp_path: Path) -> None:
    page = GRAPHQL_PAGE.replace("title }", "name }").partition(f"{FENCE}json")[0]
    with pytest.raises(WrongPage, match="does not show these errors"):
        run_page(DOCS / "some.md", tmp_path, page)


def test_runner_fails_where_code_does(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        run_page(DOCS / "some.md", tmp_path, fenced(("python", "1 / 0")))


def test_runner_leaves_nothing_behind(tmp_path: Path) -> None:
    run_page(
        DOCS / "some.md",
        tmp_path,
        fenced(("python", "import graphene_sqlalchemy_c as c; c.install()")),
    )
    assert not graphene_sqlalchemy_c.is_installed()
    assert Path.cwd() != tmp_path


# -- lists that have to be whole --


def test_what_is_not_run_is_shown_somewhere() -> None:
    shown = "".join(
        block.text for page in PAGES for block in blocks_of(page) if block.language == "console"
    )
    assert [each for each in NOT_RUN if f"$ {each}" not in shown] == []


REASONS = ("ByInstances", "NotBatchable", "NotNarrow", "NotRows")


def reasons_of(source: str) -> list[str]:
    """The longest fixed part of each reason that a module gives for instances."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in REASONS
        ):
            texts = [
                each.value
                for argument in node.args
                for each in ast.walk(argument)
                if isinstance(each, ast.Constant) and isinstance(each.value, str)
            ]
            longest = max(texts, key=len, default="").strip(" :")
            if longest:
                found.append(longest)
    return found


def test_all_reasons_are_documented() -> None:
    page = (DOCS / "rows.md").read_text().replace("\\_", "_")
    reasons = [each for path in PACKAGE.glob("*.py") for each in reasons_of(path.read_text())]
    assert "its resolver is a Python callable" in reasons
    assert len(reasons) > 40
    assert [each for each in reasons if each not in page] == []


def test_all_public_names_are_documented() -> None:
    page = (DOCS / "api.md").read_text()
    assert [name for name in graphene_sqlalchemy_c.__all__ if name not in page] == []
