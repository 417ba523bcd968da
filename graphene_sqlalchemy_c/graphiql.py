"""GraphiQL, the page that a browser gets where clients get JSON.

GraphiQL 3.9 is the last line that runs without a build step of one's own. Its four files come from
a CDN, whose answers the browser compares with their hashes, or from a folder.
"""

from __future__ import annotations

from importlib.resources import files
from os import PathLike
from pathlib import Path
from string import Template
from typing import NamedTuple

from .http import GRAPHQL_JSON, HTML, JSON, HTTPError, Message, Response, preferred_media_type

__all__ = ["ASSETS", "GraphiQL"]


class _Asset(NamedTuple):
    path: str
    """In the npm registry's packages, as CDNs have them: package@version/path."""
    media_type: str
    integrity: str


ASSETS = {
    "react": _Asset(
        "react@18.3.1/umd/react.production.min.js",
        "text/javascript",
        "sha384-DGyLxAyjq0f9SPpVevD6IgztCFlnMF6oW/XQGmfe+IsZ8TqEiDrcHkMLKI6fiB/Z",
    ),
    "react_dom": _Asset(
        "react-dom@18.3.1/umd/react-dom.production.min.js",
        "text/javascript",
        "sha384-gTGxhz21lVGYNMcdJOyq01Edg0jhn/c22nsx0kyqP0TxaV5WVdsSH1fSDUf5YJj1",
    ),
    "graphiql": _Asset(
        "graphiql@3.9.0/graphiql.min.js",
        "text/javascript",
        "sha384-8NGfVj4CVlqHajlZj+bPJT4thxPMHMJYn7DWK2CvtopLd02E7qsPHazniBYvVjOO",
    ),
    "style": _Asset(
        "graphiql@3.9.0/graphiql.min.css",
        "text/css",
        "sha384-QMux00XgRtwRLSYIY3kw2rj1ovk5AuuliAchk+HSQbqdbGFnz9GYuqIlOqxhwCE2",
    ),
}

_CDN = "https://cdn.jsdelivr.net/npm/"


class GraphiQL:
    """The page and, where they are local, its files, at the URL of the view.

    :param folder: where `react.production.min.js`, `react-dom.production.min.js`,
        `graphiql.min.js` and `graphiql.min.css` are; None for the CDN.
    :raises OSError: when one of them cannot be read.
    """

    def __init__(self, folder: str | PathLike[str] | None = None) -> None:
        self._files: dict[str, Response] = {}
        values: dict[str, str] = {}
        for key, asset in ASSETS.items():
            name = asset.path.rpartition("/")[2]
            if folder is None:
                url = _CDN + asset.path
                attributes = f'integrity="{asset.integrity}" crossorigin="anonymous"'
            else:
                url, attributes = f"?asset={name}", ""
                content = Path(folder, name).read_bytes()
                headers = {"cache-control": "public, max-age=3600"}
                self._files[name] = Response(200, asset.media_type, content, headers)
            values |= {key: url, f"{key}_attributes": attributes}
        template = Template(files(__package__).joinpath("graphiql.html").read_text("utf-8"))
        self._page = Response(200, HTML, template.substitute(values).encode())

    def response(self, message: Message) -> Response | None:
        """The page or a file of its, if that is what the message asks for.

        :raises HTTPError: 404, for a file that there is not.
        """
        if message.method != "GET":
            return None
        if self._files and "asset" in message.parameters:
            found = self._files.get(message.parameters["asset"])
            if found is None:
                raise HTTPError(404, "There is no such file.")
            return found
        liked = preferred_media_type(message.accept, (GRAPHQL_JSON, JSON, HTML))
        return self._page if liked == HTML else None
