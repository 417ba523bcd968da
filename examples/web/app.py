"""The music shop of examples/chinook as a web application: one URL, for clients and for GraphiQL.

    pip install "graphene-sqlalchemy-c[asgi]" uvicorn
    python examples/web/app.py

and open the URL that it prints. Under each response GraphiQL shows the plan of its query.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import uvicorn
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker
from starlette.applications import Starlette
from starlette.routing import Route

import graphene_sqlalchemy_c
from graphene_sqlalchemy_c.asgi import GraphQLApp

CHINOOK = Path(__file__).resolve().parent.parent / "chinook"

graphene_sqlalchemy_c.install()
sys.path.insert(0, str(CHINOOK))
from schema import Query  # noqa: E402


def make_app(graphiql_assets: str | None = None) -> Starlette:
    """The application.

    :param graphiql_assets: a folder with GraphiQL's files; None for a CDN
    """
    # A limit for everything that a stranger may send; the data are read-only.
    schema = graphene_sqlalchemy_c.Schema(
        query=Query, max_depth=12, max_aliases=50, max_page_size=1000
    )
    database = f"/file:{(CHINOOK / 'chinook.sqlite').as_posix()}?mode=ro&uri=true"
    engine = create_engine(f"sqlite://{database}")
    view = GraphQLApp(schema, sessionmaker(engine), graphiql_assets=graphiql_assets, explain=True)
    return Starlette(routes=[Route("/graphql", view)])


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, default=8000, help="0 takes any that is free (8000)")
    parser.add_argument("--graphiql-assets", help="a folder with GraphiQL's files (a CDN)")
    arguments = parser.parse_args()
    app = make_app(arguments.graphiql_assets)
    config = uvicorn.Config(app, port=arguments.port, log_level="warning")
    with config.bind_socket() as socket:
        print(f"http://127.0.0.1:{socket.getsockname()[1]}/graphql", flush=True)
        uvicorn.Server(config).run(sockets=[socket])


if __name__ == "__main__":
    main()
