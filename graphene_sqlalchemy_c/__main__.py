"""``python -m graphene_sqlalchemy_c``: what a bug report needs, and explaining queries.

python -m graphene_sqlalchemy_c
python -m graphene_sqlalchemy_c explain package.module:schema query.graphql
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import sysconfig
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import graphene

from . import ExplainError, Schema, _core, is_installed
from .explain import explain
from .explain_sql import DIALECTS
from .schema import document_cache

PACKAGES = (
    "graphene-sqlalchemy-c",
    "graphene-sqlalchemy",
    "graphene",
    "graphql-core",
    "SQLAlchemy",
)


def print_versions() -> None:
    """Print versions, compiler flags and whether install() is in effect."""
    for name in PACKAGES:
        print(f"{name} {version(name)}")
    print(f"Python {platform.python_version()} ({platform.python_implementation()})")
    print(f"platform: {platform.platform()}")
    print(f"compiler: {_core.COMPILER}")
    print(f"flags of this Python: {sysconfig.get_config_var('CFLAGS')}")
    print(f"installed: {'yes' if is_installed() else 'no'}")


def find_schema(name: str) -> graphene.Schema:
    """The schema of a name, `package.module:attribute`.

    :raises ExplainError: when there is no such schema, or not one that this package executes.
    """
    module_name, _, path = name.partition(":")
    if not module_name or not path:
        raise ExplainError(f"{name!r} is not of the form package.module:schema.")
    try:
        found: Any = import_module(module_name)
    except Exception as error:
        raise ExplainError(
            f"Cannot import {module_name!r}: {type(error).__name__}: {error}"
        ) from error
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ExplainError(f"{module_name!r} has no {path!r}.") from None
    if not isinstance(found, graphene.Schema):
        raise ExplainError(f"{name} is not a graphene.Schema but {type(found).__name__}.")
    if not isinstance(found, Schema) and not is_installed():
        raise ExplainError(f"{name} is graphene's own Schema, and install() was not called.")
    return found


def read_variables(text: str | None) -> dict[str, Any]:
    """Variables from JSON.

    :raises ExplainError: when it is not a JSON object.
    """
    try:
        variables = json.loads(text or "{}")
    except ValueError as error:
        raise ExplainError(f"--variables is not JSON: {error}") from error
    if not isinstance(variables, dict):
        raise ExplainError("--variables is not a JSON object.")
    return variables


def read_query(path: str) -> str:
    """The text of a file; `-` is standard input.

    :raises ExplainError: when it cannot be read.
    """
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ExplainError(f"Cannot read {path}: {error}") from error


def print_explanation(arguments: argparse.Namespace) -> None:
    """Print how a query is executed."""
    query, variables = read_query(arguments.query), read_variables(arguments.variables)
    schema = find_schema(arguments.schema)
    explanation = explain(
        schema.graphql_schema,
        document_cache(schema),
        query,
        variables,
        arguments.operation,
        arguments.dialect,
    )
    if arguments.format == "json":
        print(json.dumps(explanation.to_dict(), indent=2))
    else:
        print(explanation.to_mermaid() if arguments.format == "mermaid" else explanation)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m graphene_sqlalchemy_c",
        description="Without arguments: the versions that a bug report needs.",
    )
    command = parser.add_subparsers(dest="command").add_parser(
        "explain", help="tell how a query is executed; needs no database"
    )
    command.add_argument("schema", help="where the schema is: package.module:schema")
    command.add_argument("query", help="a file with the query; - is standard input")
    command.add_argument("--operation", help="the operation, where the query has several")
    command.add_argument("--variables", metavar="JSON", help="values of variables")
    command.add_argument("--dialect", choices=DIALECTS, default=DIALECTS[0])
    command.add_argument("--format", choices=("text", "json", "mermaid"), default="text")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for; the status to exit with."""
    parsed = _parser().parse_args(arguments)
    if parsed.command is None:
        print_versions()
        return 0
    try:
        print_explanation(parsed)
    except ExplainError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
