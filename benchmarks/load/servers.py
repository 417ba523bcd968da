"""Servers of two workers on the loopback, and the memory of their workers.

A server lives as long as its context manager. It leads a process group of its own, so that no
worker outlives it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

from sqlalchemy import URL

from benchmarks.load.apps import URL_VARIABLE

WORKERS = 2
SECONDS_TO_START = 60
SECONDS_TO_STOP = 10
APPS = "benchmarks.load.apps"

#: server -> (the framework of its applications, its arguments for a port and an application)
COMMANDS = {
    "gunicorn": (
        "flask",
        "--workers {workers} --timeout 120 --bind 127.0.0.1:{port} {apps}:{app}()",
    ),
    "uvicorn": (
        "starlette",
        "--workers {workers} --host 127.0.0.1 --port {port} --factory --no-access-log "
        "--log-level warning {apps}:{app}",
    ),
}


@dataclass
class Server:
    """A server that runs."""

    port: int
    process: subprocess.Popen[bytes]

    def workers(self) -> list[int]:
        """The ids of the worker processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [
            int(child)
            for child in children.read_text().split()
            if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()
        ]

    def resident_bytes(self) -> list[int]:
        """The resident memory of each worker."""
        page = os.sysconf("SC_PAGE_SIZE")
        return [
            int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * page
            for worker in self.workers()
        ]


@contextmanager
def serving(name: str, side: str, database: URL) -> Iterator[Server]:
    """A server with an application of apps.py.

    :param name: of COMMANDS.
    :param side: "stock", "ours" or "by_hand".
    :raises RuntimeError: when it does not start; with what it printed.
    """
    framework, arguments = COMMANDS[name]
    port = _free_port()
    filled = arguments.format(workers=WORKERS, port=port, apps=APPS, app=f"{framework}_{side}")
    url = database.render_as_string(hide_password=False)
    with TemporaryFile() as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", name, *filled.split()],
            env={**os.environ, URL_VARIABLE: url},
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        server = Server(port, process)
        try:
            if not _starts(server):
                printed.seek(0)
                raise RuntimeError(f"{name} does not start:\n{printed.read().decode()}")
            yield server
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _starts(server: Server) -> bool:
    """Wait until it listens."""
    for _ in range(SECONDS_TO_START * 10):
        if server.process.poll() is not None:
            return False
        with suppress(OSError), socket.create_connection(("127.0.0.1", server.port), 1):
            return True
        time.sleep(0.1)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(SECONDS_TO_STOP)
    with suppress(ProcessLookupError):  # the group is gone when its last process is
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
