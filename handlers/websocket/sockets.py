"""The function's side of a WebSocket: receive, send, close; and one message for many.

Law: whoever waits here is told of the end, by `Closed`; nobody is cancelled.
"""

from collections.abc import Iterable
from typing import Self

from reactor import Request

from .ends import FRIENDLY, NORMAL, TOO_SLOW, Closed, check_close
from .messages import Data, Message
from .session import Session

BEHIND = 1024 * 1024  # bytes that a peer owes us the taking of; who is further behind is not waited for by a broadcast


class WebSocket:
    """A WebSocket that is open. Attributes: `request` (what opened it), `subprotocol` (what was agreed on, or None),
    `code` and `reason` (of its end: see `Closed`; None and "" before)."""

    __slots__ = ("_session", "request", "subprotocol")

    def __init__(self, request: Request, subprotocol: str | None, session: Session) -> None:
        self.request = request
        self.subprotocol = subprotocol
        self._session = session

    @property
    def code(self) -> int | None:
        return self._session.code

    @property
    def reason(self) -> str:
        return self._session.reason

    async def receive(self) -> Message:
        """The next message: str or bytes. Closed, when there is none left."""
        return await self._session.receive()

    async def send(self, message: Data) -> None:
        """Send str or bytes; waits while the peer does not take what was sent before. Closed; TypeError for anything
        else; UnicodeEncodeError for text that is none (a lone surrogate)."""
        await self._session.send(message)

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Say goodbye, and wait for the peer to say it, some seconds at most. Where it is closed, only wait.
        ValueError: a code that may not be sent, or a reason of more than 123 bytes."""
        check_close(code, reason)
        self._session.close(code, reason)
        await self._session.wait_closed()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """Ends when either side has closed it normally; raises Closed where it ended otherwise."""
        try:
            return await self._session.receive()
        except Closed as closed:
            if closed.code in FRIENDLY:
                raise StopAsyncIteration from None
            raise


def broadcast(sockets: Iterable[WebSocket], message: Data) -> None:
    """Send `message` to all that are open, without waiting for any. It is encoded once, or once for each size of
    window where it is compressed. Whoever is more than BEHIND behind is closed (1008): who missed a message could not
    know it, and one who comes again begins anew. TypeError, UnicodeEncodeError."""
    frames: dict[int, bytes] = {}
    for socket in sockets:
        session = socket._session
        if session.code is not None:
            continue
        if session.owed > BEHIND:
            session.close(TOO_SLOW, "too slow")
            continue
        frame = frames.get(session.dialect)
        if frame is None:
            frame = frames[session.dialect] = session.encode(message)
        session.put(frame)
