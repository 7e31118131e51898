"""The link: how an upgraded protocol writes to its connection, without ever holding the socket.

Law: a link outlives its connection harmlessly; what is sent then is dropped. Each side ends once, and when both have,
the connection does.
"""

from typing import Protocol

from .answers import Later, Upgrade
from .http1.request import Request


class Carrier(Protocol):
    """What a link needs of a Connection."""

    def owed_bytes(self) -> int: ...
    def send_soon(self, data: bytes) -> None: ...
    def end_soon(self) -> None: ...
    def close_soon(self) -> None: ...


class ConnectionLink:
    """See `answers.Link`. For the connection: `room` (the Later until which the protocol takes no more, or None),
    `has_heard_goodbye` (the protocol was told of the peer's), `is_ending` (our own FIN was asked for), `has_ended` (and
    sent).
    """

    __slots__ = ("_carrier", "has_ended", "has_heard_goodbye", "is_ending", "room")

    def __init__(self, carrier: Carrier) -> None:
        self._carrier: Carrier | None = carrier
        self.room: Later | None = None
        self.has_heard_goodbye = self.is_ending = self.has_ended = False

    @property
    def owed(self) -> int:
        return 0 if self._carrier is None else self._carrier.owed_bytes()

    def send(self, data: bytes) -> None:
        if self._carrier is not None and data and not self.is_ending:
            self._carrier.send_soon(bytes(data))

    def end(self) -> None:
        if self.has_heard_goodbye:
            self.close()
        elif self._carrier is not None:
            self.is_ending = True
            self._carrier.end_soon()

    def close(self) -> None:
        if self._carrier is not None:
            self._carrier.close_soon()

    def cut(self) -> None:
        """The connection is gone."""
        self._carrier = None
        room, self.room = self.room, None
        if room is not None:
            room.abandon()


def is_asked_for(upgrade: Upgrade, request: Request) -> bool:
    """Whether `request` offers to speak that protocol (RFC 9110 7.8); a tunnel is asked for by CONNECT."""
    if not upgrade.name:
        return request.method == "CONNECT"
    terms = request.head.terms
    offered = [name.strip() for name in request.headers.get("upgrade", "").lower().split(",")]
    return not terms.is_old and b"upgrade" in terms.options and upgrade.name.lower() in offered
