"""WSGI applications for tests, and a handler of each kind that serves them: with threads and on the loop."""

import http.client
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

from handlers.wsgi import Wsgi
from reactor import Server
from reactor.testing import Reply, TestClient

Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]
TEXT = [("Content-Type", "text/plain")]

BOTH = [0, 2]  # numbers of threads
WAIT = 10.0  # seconds, for what takes none unless it is broken


def answering(iterable: Iterable[bytes], status: str = "200 OK", headers: Iterable[tuple[str, str]] = TEXT) -> App:
    """An application that gives this answer."""

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response(status, list(headers))
        return iterable

    return app


def ask(app: App, threads: int, method: str = "GET", target: str = "/", body: Any = b"", **headers: str) -> Reply:
    """What is answered to one request."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    with TestClient(Wsgi(app, threads)) as client:
        return client.request(method, target, fields, body)


def environ_of(threads: int, method: str = "GET", target: str = "/", body: Any = b"", **headers: str) -> Environ:
    """The environ that an application sees; `wsgiref` finds nothing wrong with it."""
    seen: list[Environ] = []

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        seen.append({**environ, "wsgi.input": environ["wsgi.input"].read(1_000_000)})
        start_response("200 OK", TEXT)
        return [b"seen"]

    assert ask(validator(app), threads, method, target, body, **headers).status == 200
    return seen[0]


class Pieces:
    """An iterable that counts how often it is closed."""

    def __init__(self, *pieces: Any, error: Exception | None = None) -> None:
        self._pieces = pieces
        self._error = error
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self._pieces
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed += 1


def opened(path: Path, mode: str = "rb", buffering: int = -1) -> Any:
    """A file that the server closes."""
    return open(path, mode, buffering)


def client_of(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=WAIT)
