"""The app in the words of WSGI (PEP 3333); `serve_wsgi` starts the servers that have no command line."""

from collections.abc import Callable, Iterable
from typing import Any

from loadtest.arena.apps import content

Environ = dict[str, Any]
Answer = tuple[str, int | None, Iterable[bytes]]  # type, length if it is told, body


def hello(environ: Environ) -> Answer:
    return content.TEXT, len(content.HELLO), [content.HELLO]


def record(environ: Environ) -> Answer:
    body = content.record()
    return content.JSON, len(body), [body]


def post(environ: Environ) -> Answer:
    body = b"%d" % len(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    return content.TEXT, len(body), [body]


def block(environ: Environ) -> Answer:
    return content.BYTES, len(content.BLOCK), [content.BLOCK]


def huge(environ: Environ) -> Answer:
    return content.BYTES, content.HUGE_SIZE, content.huge()


def stream(environ: Environ) -> Answer:
    return content.TEXT, None, content.stream()


ROUTES = {"/test": hello, "/json": record, "/post": post, "/64k": block, "/100m": huge, "/stream": stream}


def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    route = ROUTES.get(environ["PATH_INFO"])
    if route is None:
        start_response("404 Not Found", [("Content-Type", content.TEXT), ("Content-Length", "0")])
        return []
    kind, length, body = route(environ)
    fields = [("Content-Type", kind)]
    if length is not None:
        fields.append(("Content-Length", str(length)))
    start_response("200 OK", fields)
    return body
