"""The example in a real browser: GraphiQL loads, takes a query, and shows the data and the plan.

GSC_NODE_MODULES is a node_modules folder with playwright-core, graphiql, react and react-dom; the
browser is Debian's chromium. With GSC_REQUIRE_BROWSER=1 what is missing is a failure. Screenshots
of the data and of the plan are written to the folder GSC_SCREENSHOTS, if that is set.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graphene_sqlalchemy_c.graphiql import ASSETS

from .conftest import need

need("starlette", "uvicorn", "orjson")

HERE = Path(__file__).parent
QUERY = """{
  artists { name albums { title } }
}"""


@pytest.fixture(scope="module")
def browser() -> list[str]:
    """What browser.mjs is started with, up to the URL."""
    node, chromium = shutil.which("node"), shutil.which("chromium")
    modules = os.environ.get("GSC_NODE_MODULES")
    if node and chromium and modules:
        return [node, str(HERE / "browser.mjs"), modules, chromium]
    reason = "node, chromium and GSC_NODE_MODULES are needed"
    if os.environ.get("GSC_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def url(browser: list[str], tmp_path_factory: Any) -> Iterator[str]:
    """The example, with GraphiQL's files from the npm packages that the page asks a CDN for."""
    folder = tmp_path_factory.mktemp("graphiql")
    for asset in ASSETS.values():
        package, _, path = asset.path.partition("/")
        found = Path(browser[2], package.partition("@")[0], path)
        shutil.copy(found, folder)
    app = HERE.parent.parent / "examples" / "web" / "app.py"
    command = [sys.executable, str(app), "--port", "0", "--graphiql-assets", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def test_a_query_is_typed_and_run(browser: list[str], url: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("GSC_SCREENSHOTS") or tmp_path)
    done = subprocess.run(
        [*browser, url, str(folder)], input=QUERY, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["problems"] == []
    response = json.loads(seen["response"])
    assert response["data"]["artists"][0]["name"] == "AC/DC"
    assert len(response["data"]["artists"]) == 275
    plan = response["extensions"]["plan"]
    assert [level["path"] for level in plan["levels"]] == ["artists"]
    assert len(plan["executed"]) == 2 and plan["milliseconds"] > 0
    for name in ("data.png", "plan.png"):
        assert (folder / name).stat().st_size > 20_000


def test_the_hashes_are_those_of_the_packages(browser: list[str]) -> None:
    """So that the browser takes the CDN's files, which are the packages'."""
    for asset in ASSETS.values():
        package, _, path = asset.path.partition("/")
        name, _, wanted = package.partition("@")
        folder = Path(browser[2], name)
        assert json.loads((folder / "package.json").read_text())["version"] == wanted
        digest = hashlib.sha384((folder / path).read_bytes()).digest()
        assert asset.integrity == "sha384-" + base64.b64encode(digest).decode()
