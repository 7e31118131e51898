"""A connection: the state machine around a dialogue and its courier.

Law: the state is derived from what is owed (`_derive`); `_settle` acts on it, and it and `_end` are the only
ones to write `state` and to call `watch`; `deadline` is the state's (`_due`). So "watched for write with nothing
owed" and "a deadline from a former state" cannot be said. The fast path, a whole request answered whole, goes from
IDLE to IDLE with one `recv` and one `send`.
"""

import logging
from collections.abc import Callable
from math import inf

from .courier import Courier
from .http1.errors import ProtocolError
from .http1.request import Origin
from .loop import READ, TICK, WRITE
from .respondent import HIGH_WATER
from .service import Service
from .state import (
    AHEAD,
    BODY,
    CLOSED,
    DUPLEX,
    FLUSH,
    HEAD,
    HEARD,
    HOPELESS,
    IDLE,
    LINGER,
    NEW,
    OWING,
    TAKEN,
    UNSEEN,
    UPGRADED,
    WORK,
    State,
)
from .transport import Transport
from .upgrade import ConnectionLink
from .wait import Wait

log = logging.getLogger("reactor")


class Connection(Courier):
    """One client. Attributes: `state` (State); `deadline` (seconds on the reactor's clock; inf: none)."""

    __slots__ = ("_wait", "_watched", "deadline", "state")

    def __init__(self, service: Service, transport: Transport, origin: Origin) -> None:
        super().__init__(service, origin)
        self._transport = transport
        self._watched = 0
        self._is_put_off = False
        self._wait = Wait(service.reactor.now)
        self.deadline = inf
        self.state = NEW
        service.admit(self)

    def begin(self) -> None:
        """Be served. Its first request is often here by now, and who was answered and has gone by the end of the turn
        was never watched: a connection for each request costs a sixth less. OSError: the selector takes no more."""
        if self._receive():
            self._advance()
        else:
            self._settle()

    def fileno(self) -> int:
        return self._transport.fileno()

    # What the reactor calls; the state says which.

    def _on_readable(self, _ready: int) -> None:
        if self._is_put_off:
            return
        if self._receive():
            self._advance()

    def _on_writable(self, _ready: int) -> None:
        self._advance()

    def _on_duplex(self, ready: int) -> None:
        if self._is_put_off:
            return
        if not ready & READ or self._receive():
            self._advance()

    def _on_leftovers(self, _ready: int) -> None:
        self._inbox, self._at = b"", 0
        if self._receive():
            self._inbox = b""

    def _look_again(self) -> None:
        """Whether the peer has gone meanwhile; else wait for it."""
        if self.state is LINGER:
            self._on_leftovers(READ)
            self._settle()

    def _on_protocol(self, ready: int) -> None:
        if ready & READ:
            if not self._receive():
                return
            self._wait.heard(self._service.reactor.now)
        self._advance()

    def _resume(self) -> None:
        """Go on where we waited: for a Later, for a protocol, or for the others' turn."""
        self._is_put_off = False
        if self.state is not CLOSED:
            self._advance()

    def feed_on(self, link: ConnectionLink) -> None:
        """Go on where an upgraded protocol took no more."""
        self._wait.heard(self._service.reactor.now)  # the silence was ours
        self._feed_protocol(link)
        self._advance()

    # State and time.

    def _derive(self) -> State:
        """The state that follows from what is owed. Pure."""
        outbox = self._outbox
        exchange = self._exchange
        if self._link is not None and not self.is_closing:
            return UPGRADED
        if outbox.size or outbox.source is not None:
            is_receiving = exchange is not None and exchange.is_receiving
            if outbox.waiting is not None and not outbox.size:
                return BODY if is_receiving else WORK
            return DUPLEX if is_receiving else FLUSH
        if exchange is not None:
            if exchange.later is not None:
                return WORK
            return LINGER if self.is_closing and not exchange.is_wanted else BODY
        if self.is_closing:
            return LINGER
        return HEAD if self._inbox else IDLE

    def _settle(self) -> None:
        """Act on the derived state: watch for what it waits for, and say until when."""
        state = self._derive()
        former = self.state
        if state is IDLE and former is IDLE and self._served > 1 and not self._has_said_goodbye:
            # The fast path: nothing changes but the deadline.
            self.deadline = self._service.reactor.now + self._service.keep_alive
            return
        if former is CLOSED or (state is UPGRADED and not self._half_close()):
            return
        if self._has_said_goodbye and state in HOPELESS and not self._is_put_off:
            self.close()
            return
        if self._wait.is_new(state, former, self._served):
            self._wait.begin(state, former, self._service.reactor.now, self._served, self._done(state))
        if state is not former:
            self.state = state
            if state is LINGER and not self._begin_linger():
                return
        if self._served == 1 and self._service.is_crowded and self.is_spare:  # it may well stay its only request
            self.deadline = self._due(state)
            if self.park():
                return
        if state is LINGER and former is NEW:
            self._service.reactor.call_soon(self._look_again)
        elif not self._watch(state, former):
            return
        self.deadline = self._due(state)
        if state is IDLE and self._service.is_draining and former is not NEW:
            self.retire()

    def _watch(self, state: State, former: State) -> bool:
        """Be called for what `state` waits for. False: the connection is closed."""
        events = state.watches
        if state is UPGRADED:
            owed = self._outbox.size
            events = (READ if owed < HIGH_WATER else 0) | (WRITE if owed else 0)
        if self._has_said_goodbye or (len(self._inbox) > HIGH_WATER and state in AHEAD):
            events &= ~READ  # always readable, or more than enough
        if events != self._watched or (state.callback != former.callback and events):
            try:
                self._service.reactor.watch(self, events, getattr(self, state.callback), self._watched)
            except OSError as error:  # the selector takes no more
                if former is NEW:
                    raise  # who accepted it has to know
                log.error("cannot watch %s: %s; closing it", self.origin.peer, error.strerror)
                self._watched = 0  # a selector that could not change what it watches has dropped it
                self.close()
                return False
            self._watched = events
        return True

    def _due(self, state: State) -> float:
        """When the present wait is over."""
        settings = self._service.settings
        now = self._service.reactor.now
        if state is WORK and self._watched:
            return inf
        if state in UNSEEN and not self._watched:  # it said goodbye, or enough: see now and then whether it is there
            return now + TICK
        if state is UPGRADED and self._link is not None:
            link = self._link
            is_heard = link.room is None and not self._has_said_goodbye
            silence, owed = link.protocol.timeout if is_heard else 0, self._outbox.size
            taken = self._done(state) if owed else 0
            return self._wait.due_upgraded(silence, settings.timeout_write, now, owed, taken)
        return self._wait.due(state, settings, now, self._done(state))

    def _done(self, state: State) -> int:
        """Bytes that have come of bodies, or of answers have reached the peer: whichever `state` waits for."""
        if state is BODY:
            return self._received
        return self._outbox.sent - self._transport.queued() if state in TAKEN else 0

    def expire(self) -> None:
        """The deadline has passed."""
        state = self.state
        if state in HEARD:
            self._on_readable(READ)  # what we wait for may have crossed with our patience
            if self._is_put_off:  # it may be among what is here and was not looked at
                self._service.reactor.call_soon(self._expire_if_due)
                return
            if self.state is not state or self.deadline > self._service.reactor.now:
                return
            if state is IDLE:
                self.close()
            else:
                self._refuse(ProtocolError(408, "the request did not arrive in time"))
                self._advance()
        elif state in UNSEEN and not self._watched:
            if self._transport.has_failed():
                self.close()
            else:
                self._settle()
        elif state in TAKEN and (due := self._due(state)) > self._service.reactor.now:
            self.deadline = due  # what it has taken is known to the kernel only, which asks for more in large steps
        elif state in OWING:
            log.info("%s took its answer too slowly; reset", self.origin.peer)
            self.abort()
        else:
            self.close()

    def _expire_if_due(self) -> None:
        if self.deadline <= self._service.reactor.now:
            self.expire()

    @property
    def is_spare(self) -> bool:
        """Whether it has been served and nothing is going on: it may be retired where others need its place."""
        return self.state is IDLE and self._served > 0 and not self._is_put_off

    # In the parking.

    def park(self) -> bool:
        """Of one that is spare, leave nothing but what the parking keeps. False: it stays as it is."""
        parking = self._service.parking
        if parking is None or self._service.is_draining or not parking.take(self.fileno(), self.deadline):
            return False
        self._end(self._transport.detach)
        return True

    def unpark(self, deadline: float) -> None:
        """Be again what was parked. OSError: the selector takes no more."""
        self._served = 2  # how many there were is known to nobody, and where it matters nobody is parked
        self._settle()
        self.deadline = deadline

    def retire(self) -> None:
        """Leave now if nothing is going on, and else, where the server stops, when that is done."""
        if self.state is IDLE:
            served = self._served
            self._is_put_off = False  # for nothing any more: all that was here is answered
            self._on_readable(READ)
            if self.state is IDLE and self._served == served:
                self.close()
        elif self._link is not None:
            self._link.ask(self._link.protocol.on_shutdown)
            self.put_off()

    # The end.

    def _half_close(self) -> bool:
        """Send the FIN that a link has asked for, once all that was owed has left. False: the connection is closed."""
        link = self._link
        if link is None or not link.is_ending or link.has_ended or self._outbox.size:
            return True
        link.has_ended = True
        return self._send_fin()

    def _begin_linger(self) -> bool:
        """Send FIN. False: the connection is closed."""
        self._inbox, self._at = b"", 0
        if self._has_said_goodbye:
            self.close()
            return False
        return self._send_fin()

    def _send_fin(self) -> bool:
        """False: the connection is closed."""
        try:
            self._transport.shutdown_write()
        except OSError:
            self.close()
            return False
        return True

    def close(self) -> None:
        """End it, in whatever state; idempotent. What is owed is lost, visibly: `is_closing` is the polite way."""
        outbox = self._outbox
        self._end(self._transport.abort if outbox.size or outbox.source is not None else self._transport.close)

    def abort(self) -> None:
        """End it with a reset, so that the peer cannot take what it has for a whole answer."""
        self._end(self._transport.abort)

    def _end(self, shut: Callable[[], object]) -> None:
        if self.state is CLOSED:
            return
        self.state = CLOSED
        self.deadline = inf
        if self._watched:  # unregister, then close: the number may be another's at once
            self._service.reactor.watch(self, 0, self._on_readable, self._watched)
        shut()
        self._inbox = b""
        outbox = self._outbox
        if outbox.source is not None:
            self._log_source(is_whole=False)
            self._quietly(outbox.drop_source)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._service.working -= exchange.later is not None
            self._quietly(exchange.abandon)
        link, self._link = self._link, None
        if link is not None:
            self._quietly(link.cut)
        self._service.forget(self)
