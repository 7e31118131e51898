"""A session: one WebSocket, between its connection and the task that it is for.

Law: what is read waits for its reader, and above QUEUED nothing more is read; `send` waits while the peer owes us the
taking of HIGH_WATER bytes. A close is said once; the peer's is answered when what came before it has been, so that
who asks and leaves has its answer. Who breaks the protocol is told so (1002, 1007, 1009) and not listened to any more
(RFC 6455 7.1.7); the server is the first to close the connection (7.1.1). Frames take turns with the rest of the
server: BURST of them, then the others. For use on one thread, that of the loop.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage

from reactor import Later, Link, UpgradedProtocol

from .deflate import Deflate
from .ends import ABNORMAL, GOING_AWAY, INTERNAL, TOO_BIG, Closed
from .frames import Frames, Nowhere
from .heartbeat import Heartbeat
from .messages import Assembly, Data, Message, Queue, TooBig

HIGH_WATER = 64 * 1024  # bytes that are owed to the peer when `send` returns, and one message
BURST = 128  # frames, or pieces of them, that are taken in one turn: about a millisecond
WEIGHT = 8192  # bytes of a message that count for one more: a mebibyte is a turn, too
GRACE = 1.0  # seconds that a peer waits for our close because something it said before is still being answered
CLOSE_TIMEOUT = 5.0  # seconds that we wait for the peer's close; with as many of lingering, it is within the stop's ten


class Limits(NamedTuple):
    """`message`: bytes of one, inflated (0: any); `ping_interval`, `ping_timeout`: seconds (0: none)."""

    message: int
    ping_interval: float = 20.0
    ping_timeout: float = 20.0


class Session(UpgradedProtocol):
    """`on_open` is called when it can be written to. Attributes: `code`, `reason` (of its end; None and "" before)."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, limits: Limits, deflate: Deflate | None, on_open: Callable[[], None]
    ) -> None:
        self.code: int | None = None
        self.reason = ""
        self._loop = loop
        self._limit = limits.message
        self._deflate = deflate
        self._on_open = on_open
        self._link: Link = Nowhere()
        self._frames = Frames(deflate)
        self._assembly = Assembly(limits.message)
        self._queue = Queue()
        self._heartbeat = Heartbeat(loop, limits.ping_interval, limits.ping_timeout, self)
        self._replies = bytearray()  # control frames, which leave together
        self._room: Later | None = None  # nothing is read until it is answered
        self._goodbye: CloseConnection | None = None  # the peer's, while it is not answered
        self._is_busy = False  # the task has a message, and has not come for the next
        self._is_deaf = False  # nothing that comes is looked at any more
        self._turn: asyncio.Handle | None = None
        self._patience: asyncio.Handle | None = None
        self._news = asyncio.Event()  # for who waits to receive
        self._taken = asyncio.Event()  # for who waits to send
        self._over = asyncio.Event()  # both sides have said it, or never will

    # The task's side.

    async def receive(self) -> Message:
        """The next message. Closed."""
        self._is_busy = False
        while not self._queue:
            self._answer_goodbye()
            if self.code is not None:
                raise Closed(self.code, self.reason)
            self._news.clear()
            await self._news.wait()
        message = self._queue.take()
        if self._room is not None and not self._queue:
            self._go_on_soon()
        self._is_busy = True
        return message

    async def send(self, message: Data) -> None:
        """Send it, when the peer has taken what it is owed. Closed; TypeError; UnicodeEncodeError."""
        while self.owed > HIGH_WATER and self.code is None:
            self._taken.clear()
            await self._taken.wait()
        self.put(self.encode(message))

    def encode(self, message: Data) -> bytes:
        """A frame with `message`; the same for every session with the same `dialect`. Closed; TypeError;
        UnicodeEncodeError."""
        if self.code is not None:
            raise Closed(self.code, self.reason)
        return self._frames.encode(message)

    def put(self, frame: bytes) -> None:
        """Send it now."""
        self._link.send(frame)

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye, and drop what was not received; `wait_closed` waits for the peer's answer. Nothing happens where
        it is closed."""
        self._answer_goodbye()
        if self.code is not None:
            return
        self._say_goodbye(code, reason)
        self._queue.clear()
        self._patience = self._loop.call_later(CLOSE_TIMEOUT, self._hang_up)
        self._go_on_soon()

    async def wait_closed(self) -> None:
        """Until both sides have said goodbye, or one never will."""
        await self._over.wait()

    @property
    def owed(self) -> int:
        """Bytes that the peer has not taken."""
        return self._link.owed

    @property
    def dialect(self) -> int:
        """Of the frames that are sent."""
        return self._frames.dialect

    # The heartbeat's.

    @property
    def is_excused(self) -> bool:
        return self._room is not None or self._goodbye is not None or self.owed > 0

    def ping(self) -> None:
        self._link.send(self._frames.send(Ping()))

    def give_up(self) -> None:
        self._fail(INTERNAL, "no answer to a ping")

    # The connection's.

    def on_connect(self, link: Link) -> None:
        self._link = link
        if self.code is not None:  # its task has gone while it was answered
            self._hang_up()
            return
        self._heartbeat.begin()
        self._on_open()

    def feed(self, data: bytes) -> Later | None:
        if self._is_deaf:
            return None
        self._heartbeat.is_heard = True
        self._frames.feed(data)
        if not self._take():
            self._room = Later()
        return self._room

    def on_goodbye(self) -> bool:
        return self._goodbye is not None

    def on_sent(self) -> None:
        self._taken.set()

    def on_shutdown(self) -> None:
        self.close(GOING_AWAY)

    def on_close(self) -> None:
        """Also where there never was a connection: its client left before it was answered."""
        self._finish()
        self._room = None
        self._on_open = self._over.set  # what it was may refer to us
        self._answer_goodbye()
        self._end(ABNORMAL, "")

    # Frames.

    def _take(self) -> bool:
        """Look at what is here. False: that was enough for now, and `_go_on` will be called."""
        share, is_enough = BURST, False
        for event in self._frames.events():
            self._on_event(event)
            share -= 1 + (len(event.data) // WEIGHT if isinstance(event, (TextMessage, BytesMessage)) else 0)
            is_enough = share <= 0 or self._queue.is_full
            if is_enough or self._is_deaf:
                break
        self._send_replies()
        if is_enough and not self._queue.is_full:  # else whoever receives says so
            self._go_on_soon()
        return self._is_deaf or not is_enough

    def _go_on_soon(self) -> None:
        if self._turn is None:
            self._turn = self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._turn = None
        if self._room is not None and self._take():
            self._release()

    def _release(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.answer(None)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, CloseConnection):
            self._on_close_frame(event)
        elif self.code is not None:
            pass  # RFC 6455 5.5.1: what comes behind our close is not ours to answer
        elif isinstance(event, Ping):
            self._replies += self._frames.send(event.response())
        elif isinstance(event, TextMessage):
            self._on_piece(event.data, event.message_finished)
        elif isinstance(event, BytesMessage):
            self._on_piece(bytes(event.data), event.message_finished)

    def _on_piece(self, piece: Message, is_last: bool) -> None:
        try:
            message = self._assembly.add(piece, is_last)
        except TooBig:
            self._fail(TOO_BIG, "")
            return
        if message is not None:
            self._queue.put(message)
            self._news.set()

    def _on_close_frame(self, event: CloseConnection) -> None:
        """One has come, or what is none of the protocol."""
        state = self._frames.state
        if state is ConnectionState.CLOSED:
            self._hang_up()
        elif state is ConnectionState.REMOTE_CLOSING:
            self._goodbye = event
            self._is_deaf = True
            self._frames = Frames(self._deflate)  # wsproto would send no more messages
            if self._is_busy or self._queue:
                self._patience = self._loop.call_later(GRACE, self._answer_goodbye)
            else:
                self._answer_goodbye()
        else:
            self._fail(int(event.code), event.reason or "")

    def _answer_goodbye(self) -> None:
        """Echo the peer's close, where there is one: RFC 6455 5.5.1."""
        event, self._goodbye = self._goodbye, None
        if event is not None:
            self._replies += self._frames.send(event.response())
            self._end(int(event.code), event.reason or "")
            self._hang_up()

    def _say_goodbye(self, code: int, reason: str) -> None:
        self._replies += self._frames.send(CloseConnection(code=code, reason=reason))
        self._send_replies()
        self._end(code, reason)

    def _fail(self, code: int, reason: str) -> None:
        """RFC 6455 7.1.7: say why, and go."""
        if code == TOO_BIG:
            reason = f"a message has {self._limit} bytes at most"
        if self.code is None:
            self._say_goodbye(code, reason)
        self._hang_up()

    def _hang_up(self) -> None:
        """Close the connection, when all has been sent."""
        self._is_deaf = True
        self._send_replies()
        self._link.close()
        self._release()
        self._finish()

    def _send_replies(self) -> None:
        if self._replies:
            self._link.send(bytes(self._replies))
            self._replies.clear()

    # The end.

    def _end(self, code: int, reason: str) -> None:
        """No message goes either way any more, but those that have come already."""
        if self.code is None:
            self.code, self.reason = code, reason
            self._heartbeat.end()
        self._news.set()
        self._taken.set()

    def _finish(self) -> None:
        self._is_deaf = True
        for handle in (self._turn, self._patience):
            if handle is not None:
                handle.cancel()
        self._turn = self._patience = None
        self._over.set()
