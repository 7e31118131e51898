"""The link: what an upgraded protocol has of its connection, and the connection of the protocol; never the socket.

Law: a link outlives its connection harmlessly; what is sent then is dropped. Each side ends once, and when both have,
the connection does. What a protocol raises ends its connection and nothing else.
"""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

from .answers import Later, Upgrade, UpgradedProtocol
from .http1.request import Request
from .outbox import Outbox
from .service import SLOW, Service

log = logging.getLogger("reactor")


class Carrier(Protocol):
    """What a link needs of a Connection. `is_closing`: it closes when everything has been sent."""

    is_closing: bool

    def put_off(self) -> None: ...
    def feed_on(self, link: "ConnectionLink") -> None: ...


class ConnectionLink:
    """See `answers.Link`. For the connection: `protocol`; `room` (the Later until which it takes no more, or None),
    `is_ending` (our own FIN was asked for), `has_ended` (and sent).
    """

    __slots__ = ("_carrier", "_has_heard_goodbye", "_outbox", "_service", "has_ended", "is_ending", "protocol", "room")

    def __init__(self, carrier: Carrier, outbox: Outbox, service: Service, protocol: UpgradedProtocol) -> None:
        self._carrier: Carrier | None = carrier
        self._outbox = outbox
        self._service = service
        self.protocol = protocol
        self.room: Later | None = None
        self._has_heard_goodbye = self.is_ending = self.has_ended = False

    # The protocol's side.

    @property
    def owed(self) -> int:
        return 0 if self._carrier is None else self._outbox.size

    def send(self, data: bytes) -> None:
        carrier = self._carrier
        if carrier is not None and data and not self.is_ending and not carrier.is_closing:
            self._outbox.add(bytes(data))
            carrier.put_off()

    def end(self) -> None:
        if self._has_heard_goodbye:
            self.close()
        elif self._carrier is not None:
            self.is_ending = True
            self._carrier.put_off()

    def close(self) -> None:
        if self._carrier is not None:
            self._carrier.is_closing = True
            self._carrier.put_off()

    # The connection's side.

    def begin(self) -> None:
        """From here on the bytes are the protocol's."""
        self.ask(self.protocol.on_connect, self)
        if self._service.is_draining:
            self.ask(self.protocol.on_shutdown)

    def feed(self, data: bytes) -> None:
        """Bytes from the peer; not while there is a `room` to wait for."""
        room = self.ask(self.protocol.feed, data)
        if room is not None:
            self.ask(self._wait_for, room)

    def hear_goodbye(self) -> None:
        """The peer has ended its side, and all that it sent was fed."""
        self._has_heard_goodbye = True
        if not self.ask(self.protocol.on_goodbye) or self.is_ending:
            self._give_up()

    def ask(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call into the protocol; what it raises ends the connection, what it holds up is named."""
        began = monotonic()
        answer = None
        try:
            answer = call(*arguments)
        except KeyboardInterrupt:
            raise
        except BaseException:
            log.exception("protocol %s raised; closing", type(self.protocol).__name__)
            self._give_up()
        took = monotonic() - began
        if took > SLOW:
            self._service.blame(took, "in an upgraded protocol")
        return answer

    def cut(self) -> None:
        """The connection is gone: the protocol's last call, and nothing is said to it again."""
        self._carrier = None
        room, self.room = self.room, None
        try:
            if room is not None:
                room.abandon()
        finally:
            self.ask(self.protocol.on_close)
            self.protocol = _NOBODY  # which most likely holds this link

    def _wait_for(self, room: Any) -> None:
        if not isinstance(room, Later):
            raise TypeError(f"feed returns None or a Later, not {type(room).__name__}")
        room.attach(self._wake)
        self.room = room

    def _wake(self) -> None:
        """It takes more; said on whatever thread."""
        self._service.reactor.call_from_outside(self._go_on)

    def _go_on(self) -> None:
        carrier, room = self._carrier, self.room
        if carrier is None or room is None:
            return
        self.room = None
        if carrier.is_closing:
            return  # nobody feeds it any more
        error = room.value
        if isinstance(error, BaseException):
            log.error("protocol %s failed; closing", type(self.protocol).__name__, exc_info=error)
            carrier.is_closing = True
        carrier.feed_on(self)

    def _give_up(self) -> None:
        if self._carrier is not None:
            self._carrier.is_closing = True


_NOBODY = UpgradedProtocol()


def is_asked_for(upgrade: Upgrade, request: Request) -> bool:
    """Whether `request` offers to speak that protocol (RFC 9110 7.8); a tunnel is asked for by CONNECT."""
    if not upgrade.name:
        return request.method == "CONNECT"
    terms = request.head.terms
    offered = [name.strip() for name in request.headers.get("upgrade", "").lower().split(",")]
    return not terms.is_old and b"upgrade" in terms.options and upgrade.name.lower() in offered
