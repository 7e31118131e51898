"""ASGI: an application of ASGI 3, unchanged.

    handler = Asgi(app)

Law: the application runs in tasks on the server's own thread, in an asyncio loop that has the server as its guest; what
it sends waits for the client, and what the client sends waits for it. In the order of a request:

    scope      the request, as an application wants it
    call       receive and send: one request's life
    start      the status and fields that it gives, checked
    lifespan   its startup and its shutdown
    websocket  a WebSocket's life; imported when the first is asked for
"""

import logging
from typing import Any

from reactor import Answer, Inflow, Request, Response, Server, Settings, Whole, current_host, handler_name

from .call import Call
from .lifespan import Lifespan
from .scope import Scopes
from .start import Heads

__all__ = ["Asgi"]

log = logging.getLogger("reactor")

_NO_WEBSOCKETS = Response(501, "this server speaks no WebSocket\n")


class Asgi:
    """Serves an ASGI application. TypeError where `app` cannot be called; what it says at its startup has failed
    (`lifespan.startup.failed`) is raised, and the server does not start."""

    def __init__(self, app: Any) -> None:
        if not callable(app):
            raise TypeError(f"an ASGI application is called with scope, receive and send; {app!r} cannot be called")
        self.app = app
        self.__module__, _, self.__qualname__ = handler_name(app).rpartition(".")
        self._state: dict[str, Any] = {}
        self._scopes = Scopes(None, self._state)
        self._heads = Heads()
        self._limit_message = Settings().limit_body_size  # one that another handler calls may not be told of its server
        self._has_said_what_is_missing = False

    def startup(self, server: Server) -> None:
        names = [each.sock.getsockname() for each in getattr(server, "endpoints", ())]
        address = next(((each[0], each[1]) for each in names if isinstance(each, tuple)), None)
        self._scopes = Scopes(address or next(((each, None) for each in names), None), self._state)
        self._limit_message = server.settings.limit_body_size
        host = server.use_asyncio()
        lifespan = Lifespan(self.app, self.__qualname__, self._state, host.loop)
        host.around(lifespan.begin, lifespan.end)

    def on_head(self, request: Request) -> Inflow | None:
        length = request.head.terms.length
        if not length:
            return None
        inflow = Inflow(current_host().loop, length)
        self._begin(request, inflow)
        return inflow

    def __call__(self, request: Request) -> Answer:
        offered = request.headers.raw(b"upgrade")
        if offered is not None and b"websocket" in [name.strip() for name in offered.lower().split(b",")]:
            return self._open(request)
        whole = Whole(request.body)
        self._begin(request, whole)
        return whole.finish()

    def _begin(self, request: Request, inflow: Inflow | Whole) -> None:
        host = current_host()
        call = Call(request, inflow, self._heads, self.__qualname__, host.loop)
        if not host.begin(call.run(self.app, self._scopes.make(request)), at=request).done():
            call.listen()

    def _open(self, request: Request) -> Answer:
        """A WebSocket is asked for."""
        try:
            from handlers.websocket import Limits, parse_opening

            from .websocket import Talk, scope_of
        except ImportError as error:
            if not self._has_said_what_is_missing:
                self._has_said_what_is_missing = True
                log.error("a WebSocket was asked for, and answered 501: %s", error)
            return _NO_WEBSOCKETS
        opening = parse_opening(request)
        if isinstance(opening, Response):
            return opening
        host = current_host()
        talk = Talk(request, opening, Limits(self._limit_message), self._heads, self.__qualname__, host.loop)
        host.begin(talk.run(self.app, scope_of(self._scopes, request, opening)), at=request)
        return talk.later
