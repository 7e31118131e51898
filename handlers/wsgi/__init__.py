"""WSGI: an application of PEP 3333, unchanged. `python -m reactor module:app`.

    handler = Wsgi(app, threads=4, queue=64)

Law: the loop never waits for an application while it has threads; without (`threads=0`) it runs on the loop, as a
handler does, and must not block. In the order of a request:

    body       the request's body, on its way in
    environ    the request, as an application wants it
    crew       threads, and what waits for them
    threaded   the call, in a thread
    inline     the call, on the loop
    call       start_response, write, close
    start      the status and fields that it gives, checked
    stream     what a thread makes, on its way to the loop
    files      wsgi.file_wrapper
    errors     wsgi.errors
    watch      threads that are busy for long
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any, BinaryIO

from reactor import Answer, Request, Response, Server, handler_name

from .body import IN_MEMORY, Incoming
from .crew import Crew
from .environ import Environs
from .errors import ErrorLog
from .inline import Inline

__all__ = ["Wsgi"]


class Wsgi:
    """Serves a WSGI application, in `threads` threads, with at most `queue` requests waiting for one of them; more
    are answered 503. With 0 threads it runs on the loop. `depth`: how many wait; `busy`: how many have a thread.

    ValueError where `threads` or `queue` is negative, TypeError where `app` cannot be called.
    """

    def __init__(self, app: Callable[..., Any], threads: int = 4, queue: int = 64) -> None:
        if not callable(app):
            raise TypeError(f"a WSGI application is called with environ and start_response; {app!r} cannot be called")
        if threads < 0 or queue < 0:
            raise ValueError(f"threads and queue are 0 or more, not {threads} and {queue}")
        self.app = app
        self.__module__, _, self.__qualname__ = handler_name(app).rpartition(".")
        self._threads = threads
        self._queue = queue
        self._server = ("localhost", 80)
        self._way: Crew | Inline | None = None
        self._ask: Callable[[Request, BinaryIO | None, int], Answer] = self._start_and_ask

    @property
    def depth(self) -> int:
        return len(self._way.pool.waiting) if isinstance(self._way, Crew) else 0

    @property
    def busy(self) -> int:
        return self._way.pool.busy if isinstance(self._way, Crew) else 0

    def startup(self, server: Server) -> None:
        names = [each.sock.getsockname() for each in getattr(server, "endpoints", ())]
        for name in [each for each in names if isinstance(each, tuple)][:1]:
            self._server = ("localhost" if name[0] in ("0.0.0.0", "::") else name[0], name[1])
        is_first = self._way is None
        if is_first:
            self._start()
        if isinstance(self._way, Crew):
            self._way.call_soon = server.reactor.call_soon if is_first else None

    def shutdown(self) -> None:
        way, self._way = self._way, None
        self._ask = self._start_and_ask
        if isinstance(way, Crew):
            way.close()

    def on_head(self, request: Request) -> Incoming | Response | None:
        if not request.head.terms.length:
            return None
        objection = self._way.objection() if isinstance(self._way, Crew) else None
        if objection is None and not 0 < request.head.terms.length <= IN_MEMORY:
            return Incoming(request, self._ask)
        return objection  # None: a short body is collected by the server

    def __call__(self, request: Request) -> Answer:
        body = request.body
        return self._ask(request, BytesIO(body), len(body)) if body else self._ask(request, None, 0)

    def _start_and_ask(self, request: Request, body: BinaryIO | None, size: int) -> Answer:
        self._start()
        return self._ask(request, body, size)

    def _start(self) -> None:
        environs = Environs(self._server, ErrorLog(), self._threads > 1)
        if self._threads:
            self._way = Crew(self.app, environs, self.__qualname__, self._threads, self._queue)
        else:
            self._way = Inline(self.app, environs)
        self._ask = self._way.answer  # found once: a call less for each request
