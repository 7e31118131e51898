"""One WebSocket's life: what an application receives and sends. The protocol is `handlers.websocket`'s.

Law: it is open when the application has accepted it; closed before, it is refused with 403, or as the application says
(the extension websocket.http.response). `send` waits while the peer does not take what was sent, and raises an OSError
when it has gone (ASGI 2.4). What ends it an application receives last, and then again. Nobody is cancelled.
"""

import asyncio
import logging
from typing import Any

from handlers.websocket import Closed, Limits, Opening
from handlers.websocket.ends import ABNORMAL, INTERNAL, NORMAL, check_close, is_only
from handlers.websocket.session import Session
from reactor import Gone, Later, Outflow, Request, Response, Upgrade

from .scope import Scope, Scopes
from .start import Head, Heads

log = logging.getLogger("reactor")

Message = dict[str, Any]

_NOT_ACCEPTED = Response(403, "this WebSocket was not accepted\n")
_OURS = frozenset(("connection", "content-length", "date", "keep-alive", "server", "trailer", "transfer-encoding",
                   "upgrade"))  # fmt: skip


def scope_of(scopes: Scopes, request: Request, opening: Opening) -> Scope:
    """The scope of the request that asks for it."""
    scope = scopes.make(request)
    del scope["method"]
    scope["type"] = "websocket"
    scope["scheme"] = "wss" if request.scheme == "https" else "ws"
    scope["subprotocols"] = list(opening.protocols)
    scope["extensions"] = {"websocket.http.response": {}}
    return scope


class Talk:
    """Attribute `later`: the answer to `request`, an Upgrade or a refusal."""

    def __init__(
        self,
        request: Request,
        opening: Opening,
        limits: Limits,
        heads: Heads,
        name: str,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.later = Later()
        self.later.on_abandon = self._leave
        self._request = request
        self._opening = opening
        self._limits = limits
        self._heads = heads
        self._name = name
        self._loop = loop
        self._session: Session | None = None  # when it was accepted
        self._head: Head | None = None  # of a refusal
        self._outflow: Outflow | None = None  # its body, in pieces
        self._is_asked = False  # the application was told that somebody wants to connect
        self._is_gone = False  # the client; or it is refused
        self._is_refused = False
        self._is_decided = asyncio.Event()  # it is open, or never will be

    async def run(self, app: Any, scope: Scope) -> None:
        try:
            await app(scope, self.receive, self.send)
        except (Exception, SystemExit) as error:
            self._fail(error)
        except BaseException as error:
            self._fail(error)
            raise
        else:
            if self._session is not None:
                self._session.close(NORMAL)
            elif not self._is_gone:
                self._fail(RuntimeError("the application returned, and the WebSocket is neither accepted nor refused"))

    async def receive(self) -> Message:
        if not self._is_asked:
            self._is_asked = True
            return {"type": "websocket.connect"}
        await self._is_decided.wait()
        if self._session is None:
            return {"type": "websocket.disconnect", "code": ABNORMAL, "reason": ""}
        try:
            message = await self._session.receive()
        except Closed as closed:
            return {"type": "websocket.disconnect", "code": closed.code, "reason": closed.reason}
        return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}

    async def send(self, message: Message) -> None:
        kind = message["type"]
        session = self._session
        if session is not None:
            await self._say(session, kind, message)
        elif self._is_gone:
            raise Gone
        elif kind == "websocket.accept" and self._head is None:
            await self._accept(message)
        elif kind == "websocket.close" and self._head is None:
            self.later.answer(_NOT_ACCEPTED)
            self._refuse()
        elif kind == "websocket.http.response.start" and self._head is None:
            self._head = self._heads.of(message)
        elif kind == "websocket.http.response.body" and self._head is not None:
            await self._send_body(self._head, message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"{kind} is not understood before a WebSocket is accepted")

    async def _say(self, session: Session, kind: str, message: Message) -> None:
        """What is sent when it is open."""
        if kind == "websocket.send":
            said = [each for each in (message.get("text"), message.get("bytes")) if each is not None]
            if len(said) != 1:
                raise ValueError("websocket.send has either text or bytes")
            await session.send(said[0])
        elif kind == "websocket.close":
            code, reason = message.get("code", NORMAL), message.get("reason") or ""
            check_close(code, reason)
            if session.code is not None:
                raise Closed(session.code, session.reason)
            session.close(code, reason)
        else:
            raise RuntimeError(f"{kind} is not understood when a WebSocket is open")

    async def _accept(self, message: Message) -> None:
        subprotocol = message.get("subprotocol")
        if subprotocol is not None and subprotocol not in self._opening.protocols:
            raise ValueError(f"the client does not offer the subprotocol {subprotocol!r}")
        deflate, extension = self._opening.deflate(self._limits.message)
        fields = self._opening.answer(subprotocol, extension) + _checked(message.get("headers", ()))
        session = Session(self._loop, self._limits, deflate, self._decide)
        upgrade = Upgrade("websocket", session, fields)
        self._session = session
        self.later.answer(upgrade)
        await self._is_decided.wait()

    async def _send_body(self, head: Head, body: bytes, has_more: bool) -> None:
        """The body of a refusal."""
        if self._outflow is None and (not has_more or not head.has_body):
            self.later.answer(head.with_bytes(body))
            self._refuse()
            return
        if self._outflow is None:
            self._outflow = Outflow(self._loop, length=head.length)
            self._outflow.on_gone = self._leave
            self.later.answer(head.with_body(self._outflow))
        if has_more:
            await self._outflow.put(body)
            return
        self._outflow.give(body)
        self._outflow.end()
        self._refuse()

    def _refuse(self) -> None:
        """The application has said all of its refusal."""
        self._is_refused = True
        self._leave()

    def _fail(self, error: BaseException) -> None:
        """The application raised."""
        session = self._session
        if session is not None:
            if session.code is None or not is_only(error, Closed):
                log.error("%s raised, in %s", self._name, self._request, exc_info=error)
            session.close(INTERNAL)
        elif self._is_refused and not is_only(error, Gone):
            log.error("%s raised after its refusal of %s", self._name, self._request, exc_info=error)
        elif self._is_gone:
            log.info("%s ended at %s, whose client is gone or refused: %r", self._name, self._request, error)
        elif self._outflow is not None:
            self._outflow.end(error)
        else:
            self.later.answer(error)
        self._leave()

    def _leave(self) -> None:
        """It will not be opened, or is no more: the client has gone, or was refused."""
        self._is_gone = True
        if self._session is not None and not self._is_decided.is_set():
            self._session.on_close()
        if self._outflow is not None:
            self._outflow.on_gone = None  # it refers to us
        self._decide()

    def _decide(self) -> None:
        """It is open, or never will be."""
        self.later.on_abandon = None  # likewise
        self._is_decided.set()


def _checked(headers: Any) -> list[tuple[str, str]]:
    """An application's fields for the 101, without what is the server's own. ValueError for what is the handshake's."""
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    for name, _ in fields:
        if name.lower().startswith("sec-websocket-"):
            raise ValueError(f"{name} is the handshake's: there is subprotocol=")
    return [(name, value) for name, value in fields if name.lower() not in _OURS]
