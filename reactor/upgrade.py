"""The link: how an upgraded protocol writes to its connection, without ever holding the socket.

Law: a link outlives its connection harmlessly; what is sent then is dropped.
"""

from typing import Protocol

from .answers import Upgrade
from .http1.request import Request


class Carrier(Protocol):
    """What a link needs of a Connection."""

    def owed_bytes(self) -> int: ...
    def send_soon(self, data: bytes) -> None: ...
    def close_soon(self) -> None: ...


class ConnectionLink:
    """See `answers.Link`."""

    __slots__ = ("_carrier",)

    def __init__(self, carrier: Carrier) -> None:
        self._carrier: Carrier | None = carrier

    @property
    def owed(self) -> int:
        return 0 if self._carrier is None else self._carrier.owed_bytes()

    def send(self, data: bytes) -> None:
        if self._carrier is not None and data:
            self._carrier.send_soon(bytes(data))

    def close(self) -> None:
        if self._carrier is not None:
            self._carrier.close_soon()

    def cut(self) -> None:
        """The connection is gone."""
        self._carrier = None


def is_asked_for(upgrade: Upgrade, request: Request) -> bool:
    """Whether `request` offers to speak that protocol (RFC 9110 7.8); a tunnel is asked for by CONNECT."""
    if not upgrade.name:
        return request.method == "CONNECT"
    terms = request.head.terms
    offered = [name.strip() for name in request.headers.get("upgrade", "").lower().split(",")]
    return not terms.is_old and b"upgrade" in terms.options and upgrade.name.lower() in offered
