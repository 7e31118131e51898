"""A function as a handler: each WebSocket is a task.

Law: its end closes the WebSocket: 1000 where it returns, 1011 where it raises, which is logged. That the peer has gone
is no error of the function's.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar, overload

from reactor import Answer, Host, Request, Response, Server, Settings, Upgrade, current_host, handler_name

from .ends import INTERNAL, NORMAL, Closed, is_only
from .opening import parse_opening
from .session import Limits, Session
from .sockets import WebSocket

log = logging.getLogger("reactor")

Function = Callable[[WebSocket], Awaitable[None]]

_FOREIGN = Response(403, "not for pages of another origin\n")


class WebSocketHandler:
    """See `websocket`."""

    def __init__(
        self,
        function: Function,
        limits: Limits,
        limit_message: int | None,
        subprotocols: Collection[str],
        origins: Collection[str] | None,
        compress: bool,
    ) -> None:
        self.function = function
        self.__module__, _, self.__qualname__ = handler_name(function).rpartition(".")
        self.__doc__ = function.__doc__
        self._limits = limits
        self._limit_message = limit_message
        self._subprotocols = _words("subprotocols", subprotocols)
        self._origins = None if origins is None else _words("origins", origins)
        self._compress = compress

    def startup(self, server: Server) -> None:
        server.use_asyncio()
        if self._limit_message is None:
            self._limits = self._limits._replace(message=server.settings.limit_body_size)

    def __call__(self, request: Request) -> Answer:
        opening = parse_opening(request)
        if isinstance(opening, Response):
            return opening
        origin = request.headers.get("origin")
        if self._origins is not None and origin is not None and origin not in self._origins:
            return _FOREIGN
        host = current_host()
        deflate, extension = opening.deflate(self._limits.message) if self._compress else (None, "")
        session = Session(host.loop, self._limits, deflate, lambda: self._begin(host, socket))
        socket = WebSocket(request, opening.choose(self._subprotocols), session)
        return Upgrade("websocket", session, opening.answer(socket.subprotocol, extension))

    def _begin(self, host: Host, socket: WebSocket) -> None:
        host.begin(self._run(socket))

    async def _run(self, socket: WebSocket) -> None:
        session = socket._session
        try:
            await self.function(socket)
        except (Exception, SystemExit) as error:
            if session.code is None or not is_only(error, Closed):
                log.error("%s raised, in %s", self.__qualname__, socket.request, exc_info=error)
            session.close(INTERNAL)
        except BaseException:
            session.close(INTERNAL)
            raise
        else:
            session.close(NORMAL)


Number = TypeVar("Number", int, float)


def _amount(name: str, value: Number) -> Number:
    if not value >= 0:  # nor is it NaN
        raise ValueError(f"{name} is 0 or more, not {value}")
    return value


def _words(name: str, values: Collection[str]) -> frozenset[str]:
    if isinstance(values, str):
        raise TypeError(f"{name} is a list: [{values!r}], not {values!r}")
    return frozenset(values)


@overload
def websocket(function: Function) -> WebSocketHandler: ...
@overload
def websocket(
    *,
    limit_message: int | None = None,
    ping_interval: float = 20.0,
    ping_timeout: float = 20.0,
    subprotocols: Collection[str] = (),
    origins: Collection[str] | None = None,
    compress: bool = True,
) -> Callable[[Function], WebSocketHandler]: ...


def websocket(
    function: Function | None = None,
    *,
    limit_message: int | None = None,
    ping_interval: float = 20.0,
    ping_timeout: float = 20.0,
    subprotocols: Collection[str] = (),
    origins: Collection[str] | None = None,
    compress: bool = True,
) -> Any:
    """A handler that calls `function` with each WebSocket, as a task; other requests are answered 426.

    `limit_message`: bytes of a message, inflated (0: any; None: what the server takes of a body); a longer one closes
    it (1009). `ping_interval`, `ping_timeout`: seconds (0: none); a peer that is not heard after a ping is given up.
    `subprotocols`: those that are spoken. `origins`: of pages that may open one, as in "https://example.com" (None:
    all); who says no origin is no page, and may. `compress`: whether permessage-deflate is agreed to. TypeError where a
    list is a str, ValueError where a number is less than 0.
    """
    # A handler that another one calls may never be told of its server.
    most = Settings().limit_body_size if limit_message is None else limit_message
    limits = Limits(_amount("limit_message", most), _amount("ping_interval", ping_interval),
                    _amount("ping_timeout", ping_timeout))  # fmt: skip

    def decorate(function: Function) -> WebSocketHandler:
        return WebSocketHandler(function, limits, limit_message, subprotocols, origins, compress)

    return decorate if function is None else decorate(function)
