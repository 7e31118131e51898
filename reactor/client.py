"""A connection to another server: asks, one request after the other, and hears the answers. HTTP's client, on the loop.

Law: what is watched and until when follows from what is owed and awaited: `_settle`, and it and `close` are the only
ones to call `watch` and to set `deadline`. Nobody is called back within `ask` or `send`.
"""

import logging
import os
from collections.abc import Callable
from math import inf

from .asking import Asker, ClientError, ClientTimeouts
from .dial import Place, dial
from .hearing import Hearing
from .http1.request import Origin
from .loop import READ, WRITE
from .outbox import Outbox
from .service import Service
from .transport import BODY_SIZE

log = logging.getLogger("reactor")


class ClientConnection(Hearing):
    """A connection to `place`, from its dialling on; OSError where that fails at once, or it cannot be watched.

    `on_free(connection)` is called whenever it may be asked the next. Attributes, besides a Hearing's: `deadline`
    (seconds on the reactor's clock), `is_connecting`, `used` (since when it waits, but for bytes that came or left
    meanwhile; seconds, likewise).
    """

    __slots__ = ("_is_broken", "_is_deaf", "_is_ending", "_is_leaving", "_is_put_off", "_on_free", "_outbox",
                 "_service", "_timeouts", "_transport", "_watched", "deadline", "is_connecting", "used")  # fmt: skip

    def __init__(
        self, service: Service, place: Place, timeouts: ClientTimeouts, on_free: "Callable[[ClientConnection], None]"
    ) -> None:
        super().__init__(service.limits, Origin(place.address))
        self._service = service
        self._timeouts = timeouts
        self._on_free = on_free
        self._transport, is_connected = dial(place)
        self._outbox = Outbox()
        self._is_deaf = False  # it takes no more of the request
        self._is_broken = False  # and that was not because it has ended: what comes next is no end, and looks like one
        self._is_ending = False  # our FIN is to follow what is owed
        self._is_leaving = False  # and so is the close
        self._is_put_off = False  # bytes are here, and others have their turn first
        self._watched = 0
        self.is_connecting = not is_connected
        self.used = service.reactor.now
        self.deadline = inf
        service.outward.add(self)
        self._settle()

    def fileno(self) -> int:
        return self._transport.fileno()

    # To ask.

    def ask(self, asker: Asker, method: str, wire: bytes, is_complete: bool = True) -> None:
        """Send a request, whose head (and more) is `wire`; unless it `is_complete`, `send` and `complete` follow.

        RuntimeError where it is closed, or the answer to another is still to come.
        """
        if self.is_closed or self._asker is not None:
            raise RuntimeError("this connection is not free")
        self._asker = asker
        self._method = method
        self._is_asked = is_complete
        self._is_heard = False
        self._interims = 0
        self.send(wire)

    @property
    def owed(self) -> int:
        """Bytes that were sent and have not left yet: the backpressure is yours to heed."""
        return self._outbox.size

    def send(self, data: bytes) -> None:
        """Send `data`, now or as soon as the server takes it; nothing, where it listens no more."""
        if self._is_deaf or self.is_closed:
            return
        if not self._outbox.size:
            self.used = self._service.reactor.now  # from here on it is waited for
        self._outbox.add(data)
        if not self.is_connecting:
            self._flush()
        self._settle()

    def complete(self) -> None:
        """The request is complete."""
        self._is_asked = True
        self.used = self._service.reactor.now
        self._settle()

    def end(self) -> None:
        """Of a tunnel: send FIN when everything has left, and go on listening."""
        self._is_ending = True
        self._flush()
        self._settle()

    def leave(self) -> None:
        """Close when everything has left."""
        self._is_leaving = True
        self.used = self._service.reactor.now  # from here on it has less time
        self._flush()
        self._settle()

    def pause(self) -> None:
        """Read no more of the answer, for now."""
        self._is_paused = True
        self._settle()

    def resume(self) -> None:
        self._is_paused = False
        self.used = self._service.reactor.now  # it was not the server that paused
        if self._inbox:
            self._put_off()
        self._settle()

    # What the reactor calls.

    def _on_ready(self, ready: int) -> None:
        if self.is_closed:  # by somebody who was called before us in this turn
            return
        if ready & WRITE:
            if self.is_connecting and not self._is_connected():
                return
            self._flush()
            if not self._outbox.size and self._asker is not None:
                self._guarded(self._asker.on_room)
        if ready & READ and not self._is_put_off and not self.is_closed:
            self._guarded(self._receive)
        self._settle()

    def is_there(self) -> bool:
        """Whether the server has not closed a connection that is free, looked at now: this turn's news may be of it."""
        self._receive()
        return not self.is_closed

    def _is_connected(self) -> bool:
        """Whether it has come to that. False: it failed, and that was said."""
        self.is_connecting = False
        failure = self._transport.failure()
        if failure:
            reason = f"cannot connect: {os.strerror(failure).lower()}"
            self._guarded(lambda: self._fail(ClientError(502, reason, is_unheard=True, is_unconnected=True)))
        return not failure

    def _put_off(self) -> None:
        if not self._is_put_off:
            self._is_put_off = True
            self._service.reactor.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._is_put_off = False
        if not self.is_closed and not self._is_paused:
            self._guarded(self._take)
            self._settle()

    def _guarded(self, call: Callable[[], None]) -> None:
        """What is raised in there is a bug of ours, or of whoever asked: it costs this answer, and nobody waits for it
        in vain."""
        asker = self._asker
        try:
            call()
        except Exception:
            log.exception("internal error in an answer of %s; closing it", self.origin.peer)
            told = self._taker or asker
            self.close()
            if told is not None:
                told.on_failure(ClientError(502, "internal error"))

    def expire(self) -> None:
        """The deadline has passed."""
        if self._asker is None:
            self.close()
        elif self.is_connecting:
            self._fail(ClientError(504, "it took too long to connect", is_unheard=True, is_unconnected=True))
        elif self._taker is not None:
            self._fail(ClientError(504, "the rest of its answer took too long"))
        elif self._outbox.size:
            self._fail(ClientError(504, "it took the request too slowly"))
        else:
            self._fail(ClientError(504, "its answer took too long"))

    # Bytes out, bytes in.

    def _flush(self) -> None:
        """Send what can be sent."""
        sent = self._outbox.sent
        try:
            self._outbox.flush(self._transport)
            if self._outbox.sent > sent:
                self.used = self._service.reactor.now
            if self._is_ending and not self._outbox.size:
                self._is_ending = False
                self._transport.shutdown_write()
            if self._is_leaving and not self._outbox.size:
                self.close()
        except OSError as error:  # it listens no more; what it said before, if only goodbye, is still to be read
            self._is_deaf = True
            self._is_broken = not isinstance(error, BrokenPipeError)  # an error is told once: recv knows of none
            self._outbox = Outbox()
            if self._is_leaving:
                self.close()
            elif self._has_ended:  # nothing more is to be read, by which one would learn of it
                self._service.reactor.call_soon(lambda: self._break("it listens no more"))

    def _break(self, reason: str) -> None:
        if not self.is_closed:
            self._guarded(lambda: self._on_broken(reason))

    def _receive(self) -> None:
        try:
            data = self._transport.recv(BODY_SIZE)  # an answer of 64 KiB and its head are one piece
        except BlockingIOError:
            return
        except OSError as error:
            self._on_broken(f"the connection broke: {(error.strerror or 'reset').lower()}")
            return
        if not data:
            self._on_broken("the connection broke") if self._is_broken else self._on_eof()
            return
        inbox = self._inbox
        if not inbox:
            self._inbox = data
        elif isinstance(inbox, bytearray):
            inbox += data
        else:
            self._inbox = bytearray(inbox) + data
        self._take()
        if self._asker is None or self._taker is not None:  # part of a head buys no time for the rest
            self.used = self._service.reactor.now

    def _be_free(self) -> None:
        if self._is_deaf or self._outbox.size:  # it answered before it had the whole request
            self.close()
        else:
            self._on_free(self)

    # State and time.

    def _settle(self) -> None:
        """Watch for what is owed and awaited, and say until when."""
        if self.is_closed:
            return
        if self.is_connecting:
            events = WRITE
        else:
            events = (0 if self._is_paused or self._has_ended else READ) | (WRITE if self._outbox.size else 0)
        if events != self._watched:
            self._watch(events)
        self.deadline = self.used + (self._patience() or inf)

    def _watch(self, events: int) -> None:
        try:
            self._service.reactor.watch(self, events, self._on_ready, self._watched)
        except OSError as error:  # the selector takes no more, and has dropped what it could not change
            is_new, self._watched = not self._watched and self._asker is None, 0
            if self._asker is None:
                self.close()
            else:
                reason = f"it cannot be watched: {(error.strerror or 'no room').lower()}"
                self._service.reactor.call_soon(lambda: self._break(reason))
            if is_new:
                raise  # nobody has it yet
        else:
            self._watched = events

    def _patience(self) -> float:
        """Seconds that may go by without a byte; 0: any number."""
        timeouts = self._timeouts
        if self.is_connecting:
            return timeouts.connect
        if self._asker is None:
            return timeouts.idle
        if self._is_tunnel and not self._is_leaving:
            return timeouts.tunnel
        if self._is_paused:
            return 0
        if self._taker is not None or self._outbox.size:
            return timeouts.pause
        return timeouts.head if self._is_asked else 0  # else it waits for us

    def close(self) -> None:
        """End it, in whatever state; idempotent. Whoever asked is not told: who closes knows."""
        if self.is_closed:
            return
        self.is_closed = True
        self.deadline = inf
        if self._watched:  # unregister, then close: the number may be another's at once
            self._service.reactor.watch(self, 0, self._on_ready, self._watched)
            self._watched = 0
        self._transport.close()
        self._asker = self._taker = self._decoder = None
        self._inbox = b""
        self._outbox = Outbox()
        self._service.outward.discard(self)
