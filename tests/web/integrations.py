"""Other packages' views, each as an application over one schema.

The session of a request is made around the application and lies in the WSGI environment or the ASGI
scope, so that it is closed whatever the view does.
"""

from __future__ import annotations

from typing import Any


def wsgi_with_session(app: Any, sessions: Any) -> Any:
    """A WSGI application with a session around each request."""

    def wsgi(environ: Any, start_response: Any) -> Any:
        with sessions() as session:
            return list(app({**environ, "session": session}, start_response))

    return wsgi


def asgi_with_session(app: Any, sessions: Any) -> Any:
    """An ASGI application with a session around each request, an `AsyncSession` or not."""

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        session = sessions()
        try:
            await app({**scope, "session": session}, receive, send)
        finally:
            closing = session.close()
            if closing is not None:
                await closing

    return asgi


def starlette_graphene3(schema: Any, context_class: Any) -> Any:
    from starlette.applications import Starlette
    from starlette.routing import Route
    from starlette_graphene3 import GraphQLApp

    app = GraphQLApp(schema, context_value=_scope_context, execution_context_class=context_class)
    return Starlette(routes=[Route("/graphql", app)])


def fastapi(schema: Any, context_class: Any) -> Any:
    from fastapi import FastAPI
    from starlette_graphene3 import GraphQLApp

    app = FastAPI()
    view = GraphQLApp(schema, context_value=_scope_context, execution_context_class=context_class)
    app.mount("/graphql", view)
    return app


def graphene_django(schema: Any, context_class: Any) -> Any:
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.urls import path
    from django.urls.base import clear_url_caches

    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="tests")
        django.setup()
    from graphene_django.views import GraphQLView

    class View(GraphQLView):
        def get_context(self, request: Any) -> Any:
            return {"session": request.META["session"]}

    view = View.as_view(schema=schema, execution_context_class=context_class)
    urlpatterns[:] = [path("graphql", view)]
    clear_url_caches()
    return WSGIHandler()


urlpatterns: list[Any] = []
"""Django's; its settings are those of the process."""


def graphql_server_flask(schema: Any, context_class: Any) -> Any:
    """graphql-server 3.0.0b7."""
    import flask
    from graphql_server.flask import GraphQLView

    class View(GraphQLView):
        def get_context(self) -> Any:
            return {"session": flask.request.environ["session"]}

    app = flask.Flask("tests")
    view = View.as_view("graphql", schema=schema, execution_context_class=context_class)
    app.add_url_rule("/graphql", view_func=view)
    return app


def graphql_server_quart(schema: Any, context_class: Any) -> Any:
    """graphql-server 3.0.0b7."""
    import quart
    from graphql_server.quart import GraphQLView

    class View(GraphQLView):
        def get_context(self) -> Any:
            return {"session": quart.request.scope["session"]}

    app = quart.Quart("tests")
    view = View.as_view(
        "graphql", schema=schema, execution_context_class=context_class, enable_async=True
    )
    app.add_url_rule("/graphql", view_func=view)
    return app


def graphql_server_3_flask(schema: Any, context_class: Any) -> Any:
    """graphql-server 3.0.0, which takes no class."""
    assert context_class is None
    import flask
    from graphql_server.flask.views import GraphQLView

    class View(GraphQLView):
        def get_context(self, request: Any, response: Any) -> Any:
            return {"session": request.environ["session"]}

    app = flask.Flask("tests")
    view = View.as_view("graphql", schema=schema.graphql_schema)
    app.add_url_rule("/graphql", view_func=view)
    return app


def graphql_server_3_asgi(schema: Any, context_class: Any) -> Any:
    """graphql-server 3.0.0, which takes no class."""
    assert context_class is None
    from graphql_server.asgi import GraphQL
    from starlette.applications import Starlette
    from starlette.routing import Route

    class View(GraphQL):
        async def get_context(self, request: Any, response: Any) -> Any:
            return _scope_context(request)

    return Starlette(routes=[Route("/graphql", View(schema.graphql_schema))])


def _scope_context(request: Any) -> dict[str, Any]:
    return {"session": request.scope["session"]}
