"""The repository's own rules, read from its text.

Each rule is a function from a file's text to the list of what breaks it. Each is run over the
repository, and over a piece of text that breaks it, so that a rule which has gone blind fails.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import graphene_sqlalchemy
import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT_SUFFIXES = {".c", ".h", ".in", ".md", ".py", ".pyi", ".rst", ".sh", ".toml"}
C_FILES = sorted((ROOT / "src").glob("*.[ch]"))
PYTHON_FILES = sorted((ROOT / "graphene_sqlalchemy_c").glob("*.py*"))
FOLDERS = (".ci", "benchmarks", "docs", "examples", "graphene_sqlalchemy_c", "src", "tests")
TEXT_FILES = sorted(
    path
    for path in [*ROOT.glob("*"), *(p for folder in FOLDERS for p in (ROOT / folder).rglob("*"))]
    if path.is_file() and (path.suffix in TEXT_SUFFIXES or path.name in ("Makefile", "run"))
)

MOST_FILE_LINES = 900
MOST_FUNCTION_LINES = 90
#: A comment with these words and a reason, just above a function, lets it be longer.
LONG_FUNCTION_MARK = "one switch:"

Rule = Callable[[str], list[str]]


# Reading C ----------------------------------------------------------------------------------


def without_comments(text: str) -> str:
    """The C text with comments as spaces; line numbers and columns stay what they are."""

    def blank(match: re.Match[str]) -> str:
        token = match[0]
        return re.sub(r"[^\n]", " ", token) if token.startswith("/") else token

    return re.sub(r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/|//[^\n]*', blank, text, flags=re.DOTALL)


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def closing_brace(code: str, opening: int) -> int:
    depth = 0
    for match in re.compile(r"[{}]").finditer(code, opening):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return match.start()
    raise ValueError(f"no closing brace for line {line_of(code, opening)}")


def functions(text: str) -> Iterator[tuple[str, str, int]]:
    """(name, comment above, lines) of each function; its name starts a line, as STYLE has it."""
    code = without_comments(text)
    for match in re.finditer(r"^(\w+)\([^;{}]*\)\n\{", code, flags=re.MULTILINE):
        body = match.end() - 1
        lines = code.count("\n", match.start(), closing_brace(code, body)) + 1
        before = text[: match.start()].splitlines()[:-1]  # without the line of the return type
        comment: list[str] = []
        while before and re.match(r"\s*(/\*|\*|//)", before[-1]):
            comment.insert(0, before.pop())
        yield match[1], "\n".join(comment), lines


# The rules for C ----------------------------------------------------------------------------


def says_what_it_is_for(text: str) -> list[str]:
    return [] if re.match(r"/\*\s*\w", text) else ["no comment on the first line"]


def has_a_readable_size(text: str) -> list[str]:
    lines = text.count("\n")
    return [f"{lines} lines"] if lines > MOST_FILE_LINES else []


def has_short_functions(text: str) -> list[str]:
    return [
        f"{name} has {lines} lines"
        for name, comment, lines in functions(text)
        if lines > MOST_FUNCTION_LINES and LONG_FUNCTION_MARK not in comment
    ]


def says_who_owns_each_field(text: str) -> list[str]:
    code = without_comments(text)
    lines = text.splitlines()
    found = []
    for match in re.finditer(r"\bstruct\b[^;{()=]*\{", code):
        first = line_of(code, match.start())
        last = line_of(code, closing_brace(code, match.end() - 1))
        for number in range(first, last + 1):
            line = lines[number - 1]
            is_object = re.search(r"\bPy(Type)?Object\s*\*+\s*[\w#]+(\[\w*\])?(,|;)", line)
            if is_object and not re.search(r"/\* (owned\b|borrowed: \S)", line):
                found.append(f"line {number}: {line.strip()}")
    return found


def uses_public_names_of_cpython(text: str) -> list[str]:
    return sorted(set(re.findall(r"\b_Py[A-Z]\w*", without_comments(text))))


def has_no_static_objects(text: str) -> list[str]:
    """No mutable data outlives a module: tables that CPython reads are all that may be static."""
    tables = r"PyMethodDef|PyMemberDef|PyGetSetDef|PyType_Slot|PyType_Spec|PyModuleDef(_Slot)?"
    found = []
    code = without_comments(text)
    for match in re.finditer(r"\bstatic\s+([^;={}()]*?)\s*[;={]", code):
        declared = " ".join(match[1].split())
        if re.match(rf"(struct )?({tables})\b|const\b", declared):
            continue
        if re.fullmatch(r"char \*(const )?\w*(kwlist|keywords)\[\]", declared):
            continue  # PyArg_ParseTupleAndKeywords takes char ** until CPython 3.13
        found.append(f"line {line_of(code, match.start())}: static {declared}")
    return found


def names_public_modules(text: str) -> list[str]:
    """C imports by name: nothing private of SQLAlchemy, nothing inside graphene_sqlalchemy."""
    found = []
    for first, second in re.findall(
        r'"((?:graphene_)?sqlalchemy(?:\.\w+)*)"(?:,\s*"(\w+)")?', text
    ):
        private = any(part.startswith("_") for part in f"{first}.{second}".split("."))
        if private or first.startswith("graphene_sqlalchemy."):
            found.append(f"{first} {second}".strip())
    return found


C_RULES: dict[Rule, str] = {
    says_what_it_is_for: '#include "module.h"\n',
    has_a_readable_size: "int x;\n" * (MOST_FILE_LINES + 1),
    has_short_functions: "int\nlong_one(void)\n{\n" + "    call();\n" * MOST_FUNCTION_LINES + "}\n",
    says_who_owns_each_field: "typedef struct {\n    PyObject *value; /* a value */\n} thing;\n",
    uses_public_names_of_cpython: "int\nf(void)\n{\n    return _PyObject_LookupAttr(a, b);\n}\n",
    has_no_static_objects: "static PyObject *cache = NULL;\n",
    names_public_modules: 'X(loader, "sqlalchemy.orm._strategies", "SelectInLoader")\n',
}


# The rules for Python -----------------------------------------------------------------------


def imports(tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    """(module, name or "", local name) of each import statement."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, "", alias.asname or alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                yield node.module or "", alias.name, alias.asname or alias.name


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def uses_public_names_of_sqlalchemy(text: str) -> list[str]:
    """No private module or name; `strategies` is private in all but its name."""
    tree = ast.parse(text)
    found, local_names = [], set()
    for module, name, local in imports(tree):
        parts = [*module.split("."), name]
        if parts[0] != "sqlalchemy":
            continue
        local_names.add(local)
        if "strategies" in parts or any(map(is_private, parts)):
            found.append(".".join(parts))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            dotted = ast.unparse(node)
            if dotted.split(".")[0] in local_names:
                found.append(dotted)
    return found


def leaves_upstream_to_its_file(text: str) -> list[str]:
    """What graphene_sqlalchemy exports may be used anywhere, its modules in _upstream.py alone."""
    tree = ast.parse(text)
    used = [(module, name) for module, name, _ in imports(tree)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used.append((node.value.id, node.attr))
    return [
        f"{module} {name}".strip()
        for module, name in used
        if module.startswith("graphene_sqlalchemy.")
        or (module == "graphene_sqlalchemy" and name not in ("", *graphene_sqlalchemy.__all__))
    ]


PYTHON_RULES: dict[Rule, tuple[str, str]] = {
    uses_public_names_of_sqlalchemy: (
        "_sqlalchemy.py",
        "from sqlalchemy.orm import strategies\n",
    ),
    leaves_upstream_to_its_file: (
        "_upstream.py",
        "from graphene_sqlalchemy.converter import convert_sqlalchemy_column\n",
    ),
}


# The rule for all text ----------------------------------------------------------------------


def is_at_home_anywhere(text: str) -> list[str]:
    """No absolute path of one machine, no host of a package registry."""
    return re.findall(r"(?<![\w.~/-])/(?:root|home|work)/\S*|\bpypi\.org|\bpythonhosted\b", text)


# The tests ----------------------------------------------------------------------------------


def name_of(value: object) -> str:
    return value.name if isinstance(value, Path) else getattr(value, "__name__", str(value))


def test_there_is_something_to_read() -> None:
    assert ROOT / "src" / "module.c" in C_FILES
    assert ROOT / "graphene_sqlalchemy_c" / "__init__.py" in PYTHON_FILES
    assert ROOT / "Makefile" in TEXT_FILES
    names = [name for name, _, _ in functions((ROOT / "src" / "module.c").read_text())]
    assert names[-1] == "PyInit__core"


@pytest.mark.parametrize("path", TEXT_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_file(path: Path) -> None:
    assert is_at_home_anywhere(path.read_text()) == []


@pytest.mark.parametrize("rule", C_RULES, ids=name_of)
@pytest.mark.parametrize("path", C_FILES, ids=name_of)
def test_c_file(path: Path, rule: Rule) -> None:
    assert rule(path.read_text()) == []


@pytest.mark.parametrize("rule", C_RULES, ids=name_of)
def test_c_rule_sees_what_it_forbids(rule: Rule) -> None:
    assert rule(C_RULES[rule]) != []


@pytest.mark.parametrize(
    ("path", "rule"),
    [(p, r) for r, (exempt, _) in PYTHON_RULES.items() for p in PYTHON_FILES if p.name != exempt],
    ids=name_of,
)
def test_python_file(path: Path, rule: Rule) -> None:
    assert rule(path.read_text()) == []


@pytest.mark.parametrize("rule", PYTHON_RULES, ids=name_of)
def test_python_rule_sees_what_it_forbids(rule: Rule) -> None:
    _, broken = PYTHON_RULES[rule]
    assert rule(broken) != []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (says_who_owns_each_field, "struct s {\n    PyTypeObject *type; /* borrowed */\n};\n"),
        (
            says_who_owns_each_field,
            "#define X(name) PyObject *a;\nstruct s {\n PyObject *b, *c;\n};",
        ),
        (has_no_static_objects, "int\nf(void)\n{\n    static int calls = 0;\n}\n"),
        (has_no_static_objects, "static PyTypeObject Thing = {\n};\n"),
        (names_public_modules, 'PyImport_ImportModule("graphene_sqlalchemy.converter")'),
        (uses_public_names_of_sqlalchemy, "import sqlalchemy as sa\nsa.orm._instance\n"),
        (leaves_upstream_to_its_file, "from graphene_sqlalchemy import converter\n"),
        (leaves_upstream_to_its_file, "import graphene_sqlalchemy.types\n"),
        (leaves_upstream_to_its_file, "import graphene_sqlalchemy\ngraphene_sqlalchemy.types\n"),
        (is_at_home_anywhere, "run /" + "home/me/bin/python"),
    ],
)
def test_rule_sees_also(rule: Rule, text: str) -> None:
    assert rule(text) != []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (
            has_short_functions,
            "/* one switch: a case for each kind */\n" + C_RULES[has_short_functions],
        ),
        (
            says_who_owns_each_field,
            "struct s {\n    PyObject *a; /* borrowed: the list holds it */\n};",
        ),
        (
            has_no_static_objects,
            "static PyMethodDef methods[] = {\n};\nstatic int f(PyObject *x);\n",
        ),
        (has_no_static_objects, "static PyObject *\nf(PyObject *x)\n{\n    return x;\n}\n"),
        (uses_public_names_of_cpython, "/* as _PyObject_Call does */\n"),
        (names_public_modules, 'X(Session, "sqlalchemy.orm", "Session")\n'),
        (uses_public_names_of_sqlalchemy, "from sqlalchemy import __version__\nself._core = 1\n"),
        (leaves_upstream_to_its_file, "from graphene_sqlalchemy import get_query\n"),
        (is_at_home_anywhere, "~/.pyenv and ../shared/peers and tests/home/page"),
    ],
)
def test_rule_lets_pass(rule: Rule, text: str) -> None:
    assert rule(text) == []
