"""Responses as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["json_encoder"]


@cache
def json_encoder() -> Callable[[Any], bytes]:
    """A function that encodes a response as JSON, with orjson where orjson can.

    :raises ImportError: without orjson.
    """
    try:
        import orjson
    except ImportError as error:
        raise ImportError(
            "execute_json() needs orjson: pip install graphene-sqlalchemy-c[json]"
        ) from error

    def encode(response: Any) -> bytes:
        try:
            return orjson.dumps(response)
        except TypeError:
            # Integers beyond 64 bits, lone surrogates, keys that are no strings, deep nesting: the
            # standard library has an answer for them, or the error that a caller expects.
            return json.dumps(response).encode()

    return encode
