"""The pages of the documentation that need a web framework: their servers run, and are asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from ..documentation import DOCS, WEB_PAGES, run_page
from .conftest import need, served_by_uvicorn, served_by_werkzeug

need("fastapi", "flask", "starlette", "uvicorn")

PORTS = {"uvicorn": 8000, "flask": 5000}


class Servers:
    """The servers that a page has started, by the URL that it writes for them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._urls: dict[str, str] = {}

    def uvicorn(self, arguments: list[str]) -> None:
        """`uvicorn MODULE:APP`, in the place of the one before."""
        (name,) = arguments
        self._serve("uvicorn", served_by_uvicorn(self._application(name)))

    def flask(self, arguments: list[str]) -> None:
        """`flask --app MODULE run`."""
        option, module, command = arguments
        assert (option, command) == ("--app", "run")
        self._serve("flask", served_by_werkzeug(self._application(f"{module}:app")))

    def curl(self, arguments: list[str]) -> str:
        """`curl [--json BODY] [--header HEADER] URL`, to one of the servers."""
        pending, body, headers = list(arguments), None, {}
        while len(pending) > 1:
            option, value = pending.pop(0), pending.pop(0)
            if option == "--json":
                body = value.encode()
                headers |= {"content-type": "application/json", "accept": "application/json"}
            else:
                assert option == "--header"
                name, _, content = value.partition(": ")
                headers[name] = content
        wanted = pending[0]
        (found,) = (url for url in self._urls if wanted.startswith(url))
        url = wanted.replace(found, self._urls[found])
        with urlopen(Request(url, body, headers), timeout=30) as response:
            text: str = response.read().decode()
        return text

    def _application(self, name: str) -> Any:
        module, _, attribute = name.partition(":")
        return getattr(import_module(module), attribute)

    def _serve(self, program: str, server: Any) -> None:
        self._urls[f"http://127.0.0.1:{PORTS[program]}"] = self._stack.enter_context(server)


@pytest.fixture
def servers() -> Iterator[Servers]:
    """Servers that stop with the test."""
    with ExitStack() as stack:
        yield Servers(stack)


@pytest.mark.parametrize("name", sorted(WEB_PAGES))
def test_page(name: str, tmp_path: Path, servers: Servers) -> None:
    commands = {each: getattr(servers, each) for each in ("uvicorn", "flask", "curl")}
    run_page(DOCS / name, tmp_path, commands=commands)
