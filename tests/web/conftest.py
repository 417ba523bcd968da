"""Web servers on the loopback, each on a free port and in a thread that stops with the test.

The tests need packages that the package itself does not: `pip install -e .[web]`. Where one is
missing they are skipped, or fail with GSC_REQUIRE_WEB=1.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import NullPool

from ..conftest import Database


def need(*names: str) -> None:
    """Skip the module that asks when a package is missing.

    :param names: of modules.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        reason = f"no {', '.join(missing)}: pip install -e .[web]"
        if os.environ.get("GSC_REQUIRE_WEB") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason, allow_module_level=True)


@contextmanager
def served_by_uvicorn(app: Any) -> Iterator[str]:
    """The URL of an ASGI application."""
    import uvicorn

    config = uvicorn.Config(app, port=0, log_level="warning")
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    socket.listen()  # requests wait from now on: the server's own thread may come later
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        socket.close()


@contextmanager
def served_by_werkzeug(app: Any) -> Iterator[str]:
    """The URL of a WSGI application."""
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def sessions(libraries: Database) -> Iterator[Any]:
    """Sessions on the library."""
    engine = create_engine(libraries.url, poolclass=NullPool)
    yield sessionmaker(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def async_sessions(libraries: Database) -> Any:
    """Sessions on the library whose connections no other event loop can get."""
    return async_sessionmaker(create_async_engine(libraries.async_url, poolclass=NullPool))
