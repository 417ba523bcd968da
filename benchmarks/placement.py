"""On which processors a benchmark and the server's process that answers it run.

A request of a few hundred microseconds to a server on the same machine has two speeds: on one
processor client and server take turns in the same caches; on two each wait is the waking of a
processor, which takes a virtual machine as long as the query. The scheduler changes between the two
as it likes, so two sides of a row may be measured at different speeds. Each row is measured as it
comes, and with client and server kept in one place, in each of the two.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

#: The processors of client and server.
Placement = tuple[int, int]


def placements(engine: Engine) -> dict[str, Placement | None]:
    """Where a row can be measured, by what its name says of it.

    None is wherever the scheduler puts them: the only place of an embedded database, and of a
    server that is not on this machine or whose processes belong to somebody else.
    """
    anywhere: dict[str, Placement | None] = {"": None}
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        return anywhere
    with engine.connect() as connection:
        server = _server_process(connection.connection.dbapi_connection, engine)
    if server is None:
        return anywhere
    first, second, *_ = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(server, {first, second})
    except PermissionError:
        return anywhere
    kept = {" on one processor": (first, first), " on two processors": (first, second)}
    return {**anywhere, **kept}


def place(engine: Engine, placement: Placement | None) -> None:
    """Keep this process, and the server's processes of an engine's connections, where they belong.

    :raises RuntimeError: when a connection is answered by a process that cannot be found.
    """
    if placement is None:
        return
    client, server = placement
    os.sched_setaffinity(0, {client})

    def keep(dbapi_connection: Any, _record: Any) -> None:
        process = _server_process(dbapi_connection, engine)
        if process is None:
            raise RuntimeError("the server's process of a connection is not on this machine")
        os.sched_setaffinity(process, {server})

    event.listen(engine, "connect", keep)


def _server_process(dbapi_connection: Any, engine: Engine) -> int | None:
    """The process of PostgreSQL that answers a connection, where it is on this machine.

    The number may be that of another process here, so the process has to name the database.
    """
    number = getattr(getattr(dbapi_connection, "info", None), "backend_pid", None)
    title = Path(f"/proc/{number}/cmdline")
    if number is None or not title.exists():
        return None
    words = title.read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
    is_ours = words[:1] == ["postgres:"] and engine.url.database in words
    return number if is_ours else None
