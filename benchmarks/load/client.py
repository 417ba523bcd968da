"""A client that keeps a bounded number of requests under way, until a count or a time is reached.

Each request has a connection of its own: gunicorn's workers close theirs anyway, and kept ones
would stay with the worker that happened to accept them, so that the other may idle.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count as counter
from time import perf_counter

from benchmarks.load.apps import JSON, PATH

SECONDS_FOR_ONE = 60
HEADERS = {"Content-Type": JSON, "Connection": "close"}


@dataclass(frozen=True)
class Figures:
    """What one run of the client has measured."""

    seconds: float
    latencies: list[float]

    @property
    def each(self) -> float:
        """Seconds from one answer to the next: requests per second, inverted."""
        return self.seconds / len(self.latencies)


def percentile(latencies: list[float], percent: int) -> float:
    """The latency that so many percent of the requests do not exceed."""
    ordered = sorted(latencies)
    return ordered[max(-(-len(ordered) * percent // 100) - 1, 0)]


def ask(port: int, body: bytes) -> bytes:
    """One request.

    :raises RuntimeError: when its status is not 200.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS_FOR_ONE)
    try:
        connection.request("POST", PATH, body, HEADERS)
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"status {response.status}: {answer[:500]!r}")
    return answer


def load(
    port: int,
    body_of: Callable[[int], bytes],
    check: Callable[[int, bytes], None],
    requests: int,
    most_seconds: float,
    at_a_time: int,
) -> Figures:
    """Load a server.

    :param body_of: the body of a request, by its number.
    :param check: raises when the answer of a request is wrong.
    :param requests: how many, at most.
    :param most_seconds: no request is begun after so many.
    :param at_a_time: requests under way.
    """
    numbers = counter()  # its next() is one step of the interpreter
    latencies: list[float] = []
    started = perf_counter()

    def ask_on() -> None:
        while (number := next(numbers)) < requests:
            begun = perf_counter()
            if begun - started > most_seconds:
                return
            answer = ask(port, body_of(number))
            latencies.append(perf_counter() - begun)
            check(number, answer)

    with ThreadPoolExecutor(at_a_time) as pool:
        for future in [pool.submit(ask_on) for _ in range(at_a_time)]:
            future.result()
    return Figures(perf_counter() - started, latencies)
