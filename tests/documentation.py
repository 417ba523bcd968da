"""Runs the code blocks of the documentation, page by page and in their order, as a reader would.

A page has a folder of its own that holds the files which docs/start.md has its reader save. What a
block is, its language says:

python
    Executed, all of a page in one module. One that begins with `# NAME.py` is saved as that file
    and imported.
graphql
    Executed by the page's `schema` in a session on its `engine`. One that begins with
    `# NAME.graphql` is saved as that file, for the commands that follow.
json, text
    What the block before gave: the response of a `graphql` block or the output of a `python` block.
    Output that is not shown is an error, and so is a response with errors.
console
    Commands after `$ `, and their output where it is shown. Python's are executed, and so are
    servers and requests to them where the web tests run the page; of others it is checked that
    there is what they name. `NOT_RUN` has the rest.

A diagram has no language, and stands in the pages for contributors alone.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy.orm import Session

import graphene_sqlalchemy_c

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]

#: Pages that need the extra `web`.
WEB_PAGES = frozenset({"web.md"})

#: The beginnings of commands that are not run, and why.
NOT_RUN = {
    "gunicorn ": "serves with several processes until it is stopped",
    "uvicorn --workers": "the same",
}

#: What Sphinx runs when it builds the pages; nothing that shows code.
DIRECTIVES = frozenset({"{eval-rst}", "{include}", "{toctree}"})


class WrongPage(AssertionError):
    """What a page shows is not so."""


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def file_name(self) -> str | None:
        """The file that the reader saves it as."""
        found = re.match(r"# (\w+\.(py|graphql))\n", self.text)
        return found[1] if found else None

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"


_FENCE = re.compile(r"^(`{3,}|~{3,})[ \t]*([^\n`]*)\n(.*?)^\1[ \t]*$", re.MULTILINE | re.DOTALL)


def blocks_of(page: Path, text: str | None = None) -> list[Block]:
    """The blocks of a page.

    :raises WrongPage: for code that is no fenced block, which nobody would run.
    """
    text = page.read_text(encoding="utf-8") if text is None else text
    found = [
        Block(page, text.count("\n", 0, each.start(3)) + 1, each[2].strip(), each[3])
        for each in _FENCE.finditer(text)
    ]
    rest = _FENCE.sub(lambda each: "\n" * each[0].count("\n"), text)
    for number, line in enumerate(rest.splitlines(), 1):
        if line.startswith(("    ", "\t", "```", "~~~")) and line.strip():
            raise WrongPage(f"{page.name}:{number}: this is no fenced block: {line.strip()}")
    return found


def _equal(block: Block, shown: Any, found: Any) -> None:
    if shown != found:
        raise WrongPage(f"{block.place} shows\n{shown}\nbut it is\n{found}")


@contextmanager
def page_folder(folder: Path) -> Iterator[None]:
    """The folder as the current one, to be imported from; what is imported is forgotten."""
    names = {path.stem for path in folder.glob("*.py")}
    before, path = Path.cwd(), list(sys.path)
    others = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        graphene_sqlalchemy_c.uninstall()
        os.chdir(before)
        sys.path[:] = path
        for name, module in list(sys.modules.items()):
            if str(folder) in (getattr(module, "__file__", None) or ""):
                del sys.modules[name]
        sys.modules.update(others)


def save_files(folder: Path, blocks: list[Block]) -> None:
    """Save the blocks that name a file."""
    for block in blocks:
        if block.file_name is not None:
            (folder / block.file_name).write_text(block.text, encoding="utf-8")


#: Runs a command with these arguments; its output, or None where it has none to show.
Command = Callable[[list[str]], str | None]


def run_page(
    page: Path,
    folder: Path,
    text: str | None = None,
    commands: Mapping[str, Command] | None = None,
) -> None:
    """Run the blocks of a page.

    :param folder: an empty folder for its files.
    :param text: another text than the page has.
    :param commands: programs that can be run besides those that every page may have.
    :raises WrongPage: when the page shows something else than happens.
    """
    blocks = blocks_of(page, text)
    save_files(folder, blocks_of(DOCS / "start.md"))
    save_files(folder, blocks)
    with page_folder(folder):
        run = _Run(page, folder, commands or {})
        for block in blocks:
            run.block(block)
        run.check_shown()


class _Run:
    """One page, from the first block to the last."""

    def __init__(self, page: Path, folder: Path, commands: Mapping[str, Command]) -> None:
        self._page = page
        self._folder = folder
        self._commands = commands
        self._module = ModuleType(f"page_{re.sub(r'[^a-z]', '_', page.stem)}")
        self._module.__file__ = str(folder / page.name)
        sys.modules[self._module.__name__] = self._module
        self._output: str | None = None
        """What the last block printed, until it is shown."""
        self._response: dict[str, Any] | None = None
        """What the last block was answered, until it is shown."""

    def block(self, block: Block) -> None:
        """Run a block, or compare it with what the one before gave."""
        if block.language.partition(" ")[0] in DIRECTIVES:
            return None
        if not block.language and self._page.stem.startswith("architecture"):
            return None  # a diagram
        if block.language not in ("json", "text"):
            self.check_shown()
        runs: dict[str, Callable[[Block], None]] = {
            "python": self._python,
            "graphql": self._graphql,
            "json": self._json,
            "text": self._text,
            "console": self._console,
        }
        if block.language not in runs:
            raise WrongPage(f"{block.place}: nobody knows how to run {block.language!r}")
        return runs[block.language](block)

    def check_shown(self) -> None:
        """Nothing is left that the page does not show.

        :raises WrongPage: where there is.
        """
        if self._output is not None:
            raise WrongPage(f"{self._page.name} does not show this output:\n{self._output}")
        if self._response is not None and "errors" in self._response:
            raise WrongPage(f"{self._page.name} does not show these errors:\n{self._response}")
        self._response = None

    def _python(self, block: Block) -> None:
        output = io.StringIO()
        with redirect_stdout(output):
            if block.file_name is not None:
                module = import_module(block.file_name.removesuffix(".py"))
                public = {k: v for k, v in vars(module).items() if not k.startswith("__")}
                vars(self._module).update(public)
            else:
                code = "\n" * (block.line - 1) + block.text
                exec(compile(code, str(block.page), "exec", dont_inherit=True), vars(self._module))
        self._output = output.getvalue() or None

    def _graphql(self, block: Block) -> None:
        if block.file_name is not None:
            return
        names = vars(self._module)
        with Session(names["engine"]) as session:
            result = names["schema"].execute(block.text, context_value={"session": session})
            session.commit()
        self._response = json.loads(json.dumps(result.formatted))

    def _json(self, block: Block) -> None:
        found = self._response if self._output is None else json.loads(self._output)
        if found is None:
            raise WrongPage(f"{block.place}: nothing was answered before")
        _equal(block, json.loads(block.text), found)
        self._output = self._response = None

    def _text(self, block: Block) -> None:
        if self._output is None:
            raise WrongPage(f"{block.place}: nothing was printed before")
        _equal(block, block.text.rstrip(), "\n".join(map(str.rstrip, self._output.splitlines())))
        self._output = None

    # -- commands --

    def _console(self, block: Block) -> None:
        commands = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
        if commands[0].strip():
            raise WrongPage(f"{block.place} begins with no command")
        for each in commands[1:]:
            line, _, shown = each.replace("\\\n", " ").partition("\n")
            output = self._command(block, line)
            if output is None and shown.strip():
                raise WrongPage(f"{block.place} shows the output of {line!r}, which is not run")
            if shown.strip():
                _equal(block, shown.rstrip(), (output or "").rstrip())

    def _command(self, block: Block, line: str) -> str | None:
        """The output of a command; None where it is only looked at."""
        if any(line.startswith(each) for each in NOT_RUN):
            return None
        program, *arguments = shlex.split(line.partition(" #")[0])
        checks: dict[str, Command] = {
            "make": _check_make,
            "pip": _check_pip,
            "python": self._run_python,
            **self._commands,
        }
        if program not in checks:
            raise WrongPage(f"{block.place}: nobody knows how to run {line!r}")
        try:
            return checks[program](arguments)
        except WrongPage as error:
            raise WrongPage(f"{block.place}: {line}: {error}") from None

    def _run_python(self, arguments: list[str]) -> str | None:
        """Run a file of the page or the package; a file or module of the repository must exist."""
        if arguments[:1] == ["-m"]:
            name = arguments[1]
            if name != "graphene_sqlalchemy_c":
                if not list(ROOT.glob(f"{name.replace('.', '/')}*")):
                    raise WrongPage("there is no such module")
                return None
        elif not (self._folder / arguments[0]).exists():
            if not (ROOT / arguments[0]).exists():
                raise WrongPage("there is no such file")
            return None
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.run(
            [sys.executable, *arguments],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        if process.returncode:
            raise WrongPage(process.stdout + process.stderr)
        return process.stdout


def _check_make(arguments: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for each in arguments:
        name, equals, _ = each.partition("=")
        wanted = rf"^{name} \?=" if equals else rf"^{name}:"
        if not re.search(wanted, makefile, re.MULTILINE):
            raise WrongPage(f"the Makefile has no {name}")


def _check_pip(arguments: list[str]) -> None:
    """What is installed is the clone, with extras that it has, or a package that it names."""
    project = (ROOT / "pyproject.toml").read_text()
    for each in arguments[1:]:
        extras = re.fullmatch(r"\.(?:\[([\w,]+)\])?", each)
        if extras is None:
            wanted = [rf'"{re.escape(each)}"']
        else:
            wanted = [rf"^{extra} = \[" for extra in (extras[1] or "").split(",") if extra]
        if not all(re.search(pattern, project, re.MULTILINE) for pattern in wanted):
            raise WrongPage(f"pyproject.toml knows no {each}")
