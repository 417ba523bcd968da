"""A view over Starlette, which mounts wherever an ASGI application does, FastAPI included.

app = Starlette(routes=[Route("/graphql", GraphQLApp(schema, sessionmaker(engine)))])
fastapi_app.add_route("/graphql", GraphQLApp(schema, async_sessionmaker(async_engine)))
"""

from __future__ import annotations

from asyncio import FIRST_COMPLETED, create_task, gather, wait

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response as StarletteResponse
from starlette.types import Receive, Scope, Send

from .endpoint import Endpoint
from .http import Exchange, HTTPError, Message, Response

__all__ = ["GraphQLApp"]


class GraphQLApp(Endpoint):
    """An ASGI application that answers GraphQL requests; it is constructed as an `Endpoint`.

    With a `Session` an operation is executed in a thread of Starlette's pool, with an
    `AsyncSession` in the event loop; the latter is cancelled when its client goes away.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        :raises ValueError: for a scope other than HTTP's.
        """
        if scope["type"] != "http":
            raise ValueError(f"GraphQL is not served over {scope['type']!r}.")
        request = Request(scope, receive)
        headers = request.headers
        message = Message(
            request.method,
            request.query_params,
            headers.get("content-type"),
            headers.get("content-length"),
            headers.get("accept"),
        )
        try:
            response = await self._respond(message, request)
        except HTTPError as error:
            response = error.response(message)
        except ClientDisconnect:
            return
        if response is not None:
            sent = StarletteResponse(response.body, response.status, response.all_headers)
            await sent(scope, receive, send)

    async def _respond(self, message: Message, request: Request) -> Response | None:
        exchange = self.exchange(message)
        if isinstance(exchange, Response):
            return exchange
        if not exchange.is_get:
            async for chunk in request.stream():
                exchange.feed(chunk)
        if self.has_async_sessions:
            return await self._execute_while_connected(exchange, request)
        return await run_in_threadpool(self.execute, exchange, request)

    async def _execute_while_connected(
        self, exchange: Exchange, request: Request
    ) -> Response | None:
        """Execute, and stop when the client is gone; nobody is left to answer then."""
        execution = create_task(self.execute_async(exchange, request))
        watch = create_task(_disconnection(request))
        try:
            await wait((execution, watch), return_when=FIRST_COMPLETED)
            return execution.result() if execution.done() else None
        finally:
            # Until it has ended, the session is not closed.
            for task in (execution, watch):
                task.cancel()
            await gather(execution, watch, return_exceptions=True)


async def _disconnection(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
