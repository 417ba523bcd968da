"""The rules of GraphQL over HTTP, for a view of any framework.

https://graphql.github.io/graphql-over-http/draft/ decides what is not said here. A view makes a
`Message` of its framework's request and gets an `Exchange`; that reads the operations in the body,
and makes the `Response` of their outcomes. Nothing here executes, and nothing knows a framework.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import ExecutionResult, GraphQLError, OperationDefinitionNode, OperationType

from .execution import ExecutionContext

__all__ = [
    "MAX_BODY_BYTES",
    "Exchange",
    "HTTPError",
    "Message",
    "Operation",
    "QueriesOnly",
    "Response",
    "is_request_error",
    "preferred_media_type",
]

MAX_BODY_BYTES = 1024 * 1024

GRAPHQL_JSON = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"


@dataclass(frozen=True)
class Response:
    """What a view sends."""

    status: int
    media_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers, with those of every response."""
        content_type = f"{self.media_type}; charset=utf-8"
        return {"content-type": content_type, "vary": "accept", **self.headers}


class HTTPError(Exception):
    """A message that is not a GraphQL request, or not one that may be answered.

    :param status: of the response.
    :param message: of the one error in it.
    :param headers: of the response.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}

    def response(self, message: Message) -> Response:
        """The response to that message which says so."""
        body = json.dumps({"errors": [{"message": str(self)}]}).encode()
        return Response(self.status, message.response_type or JSON, body, self.headers)


class Message(NamedTuple):
    """What a view knows of a HTTP request before it reads the body."""

    method: str
    parameters: Mapping[str, str]
    """Of the URL, decoded."""
    content_type: str | None = None
    content_length: str | None = None
    accept: str | None = None

    @property
    def response_type(self) -> str | None:
        """The media type of the response, if the client takes any that there is."""
        return preferred_media_type(self.accept, (GRAPHQL_JSON, JSON))


class Operation(NamedTuple):
    """One GraphQL request: a document, and what belongs to it."""

    query: str
    variables: dict[str, Any] | None
    name: str | None


class MutationByGet(GraphQLError):
    """An operation that GET may not ask for."""


class QueriesOnly(ExecutionContext):
    """A context that executes queries alone, as GET has to: it may be repeated and prefetched."""

    def execute_operation(self, operation: OperationDefinitionNode, root_value: Any) -> Any:
        """Execute a query.

        :raises MutationByGet: when it is not one
        """
        if operation.operation is not OperationType.QUERY:
            kind = operation.operation.value
            raise MutationByGet(f"A {kind} is not executed by GET, use POST.", operation)
        return super().execute_operation(operation, root_value)


def is_request_error(result: ExecutionResult) -> bool:
    """Whether nothing was executed: the errors of fields have a path, those of requests have none.

    Specification of GraphQL, section 7.1.2.
    """
    return result.data is None and all(error.path is None for error in result.errors or ())


class Exchange:
    """One HTTP request and its response.

    :param message: the request.
    :param max_body_bytes: of the body, at most.
    :param max_batch: operations that one body may hold in a list; 0 takes no list at all.
    :raises HTTPError: when its method, its media types or its length decide already.
    """

    def __init__(self, message: Message, max_body_bytes: int, max_batch: int) -> None:
        if message.method not in ("GET", "POST"):
            raise HTTPError(405, "GraphQL takes GET and POST only.", {"allow": "GET, POST"})
        if message.response_type is None:
            raise HTTPError(406, f"The response is {GRAPHQL_JSON} or {JSON}.")
        self.media_type = message.response_type
        self.is_get = message.method == "GET"
        self._parameters = message.parameters
        self._max_body_bytes = max_body_bytes
        self._max_batch = max_batch
        self._is_batch = False
        self._body = bytearray()
        if not self.is_get:
            _check_content_type(message.content_type)
            self._check_size(_length(message.content_length))

    def feed(self, chunk: bytes) -> None:
        """Take a part of the body of a POST.

        :raises HTTPError: 413, when that is too much.
        """
        self._check_size(len(self._body) + len(chunk))
        self._body += chunk

    def _check_size(self, size: int) -> None:
        if size > self._max_body_bytes:
            raise HTTPError(413, f"The body has more than {self._max_body_bytes} bytes.")

    def operations(self) -> list[Operation]:
        """The operations that the client asks for, when the body is complete.

        :raises HTTPError: 400, when they are not well-formed.
        """
        if self.is_get:
            return [_operation_of_parameters(self._parameters)]
        value = _decoded(bytes(self._body), "The body")
        if not isinstance(value, list):
            return [_operation(value)]
        if not self._max_batch:
            raise HTTPError(400, "Lists of operations are not taken.")
        if not 0 < len(value) <= self._max_batch:
            raise HTTPError(400, f"A list has 1 to {self._max_batch} operations.")
        self._is_batch = True
        return [_operation(each) for each in value]

    def response(self, outcomes: Sequence[tuple[ExecutionResult, bytes]]) -> Response:
        """The response to the operations.

        :param outcomes: for each operation its result, and that result as JSON.
        """
        if self._is_batch:
            body = b"[" + b",".join(body for _, body in outcomes) + b"]"
            return Response(200, self.media_type, body)
        result, body = outcomes[0]
        if any(isinstance(error, MutationByGet) for error in result.errors or ()):
            return Response(405, self.media_type, body, {"allow": "POST"})
        # Clients of plain JSON expect the errors of a request with a status of success.
        failed = self.media_type == GRAPHQL_JSON and is_request_error(result)
        return Response(400 if failed else 200, self.media_type, body)


def preferred_media_type(accept: str | None, offered: Sequence[str]) -> str | None:
    """The media type that a client likes best (RFC 9110, section 12.5.1), or None.

    :param accept: the header; without one the client takes anything.
    :param offered: media types; of equals the first one is taken.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = dict(map(_media_range, accept.split(",")))
    liked = []
    for media_type in offered:
        kind = media_type.partition("/")[0]
        # The most specific range that fits says how much it is liked.
        for generality, name in enumerate((media_type, f"{kind}/*", "*/*")):
            if name in ranges:
                liked.append((ranges[name], -generality, media_type))
                break
    quality, _, best = max(liked, key=lambda each: each[:2], default=(0.0, 0, None))
    return best if quality > 0 else None


def _media_range(text: str) -> tuple[str, float]:
    """A media range and its quality; a quality that is no number is 0."""
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


def _length(header: str | None) -> int:
    """What a header says of the length of a body; 0 where it says nothing that can be read."""
    try:
        return int(header or 0)
    except ValueError:
        return 0


def _check_content_type(content_type: str | None) -> None:
    """JSON in UTF-8 alone: a form could be sent by any page, without asking the browser's leave."""
    media_type, *parameters = (part.strip().lower() for part in (content_type or "").split(";"))
    charsets = [part[8:].strip('"') for part in parameters if part.startswith("charset=")]
    if media_type != JSON or any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise HTTPError(415, f"The body has to be {JSON} in UTF-8.", {"accept": JSON})


def _decoded(text: str | bytes, what: str) -> Any:
    """The value of a JSON text, by the standard library, whose integers have any size."""
    try:
        if isinstance(text, bytes):
            text = text.decode()
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        pass
    raise HTTPError(400, f"{what} is not JSON.")


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and the infinities


def _operation(value: Any) -> Operation:
    if not isinstance(value, dict):
        raise HTTPError(400, "An operation has to be an object.")
    query, variables, name = (value.get(key) for key in ("query", "variables", "operationName"))
    if not isinstance(query, str):
        raise HTTPError(400, "Must provide query string.")
    if not isinstance(variables, dict | None):
        raise HTTPError(400, "'variables' has to be an object.")
    if not isinstance(name, str | None):
        raise HTTPError(400, "'operationName' has to be a string.")
    if not isinstance(value.get("extensions"), dict | None):
        raise HTTPError(400, "'extensions' has to be an object.")
    return Operation(query, variables, name)


def _operation_of_parameters(parameters: Mapping[str, str]) -> Operation:
    value: dict[str, Any] = {
        # An empty parameter is what a form sends for nothing.
        name: parameters[name] or None
        for name in ("query", "operationName")
        if name in parameters
    }
    for name in ("variables", "extensions"):
        if parameters.get(name):
            value[name] = _decoded(parameters[name], f"'{name}'")
    return _operation(value)
