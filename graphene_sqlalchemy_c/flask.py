"""A view over Flask.

view = GraphQLView.as_view("graphql", schema, sessionmaker(engine))
app.add_url_rule("/graphql", view_func=view)
"""

from __future__ import annotations

from flask import Response as FlaskResponse
from flask import request
from flask.views import View

from .endpoint import Endpoint
from .http import HTTPError, Message, Response

__all__ = ["GraphQLView"]

_CHUNK = 64 * 1024


class GraphQLView(Endpoint, View):
    """A Flask view that answers GraphQL requests; `as_view` takes what an `Endpoint` takes."""

    methods = ("GET", "POST")
    init_every_request = False

    def dispatch_request(self) -> FlaskResponse:
        """Answer the request of Flask's context."""
        headers = request.headers
        message = Message(
            request.method,
            request.args,
            headers.get("content-type"),
            headers.get("content-length"),
            headers.get("accept"),
        )
        try:
            response = self._respond(message)
        except HTTPError as error:
            response = error.response(message)
        return FlaskResponse(response.body, response.status, response.all_headers)

    def _respond(self, message: Message) -> Response:
        exchange = self.exchange(message)
        if isinstance(exchange, Response):
            return exchange
        if not exchange.is_get:
            while chunk := request.stream.read(_CHUNK):
                exchange.feed(chunk)
        return self.execute(exchange, request)
