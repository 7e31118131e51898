"""A tunnel: once both sides have switched to another protocol, what one of them says is the other's, byte by byte.

Law: neither side is read while the other does not take what it said. Each may end before the other does, and when both
have, or one has broken, it is over.
"""

from reactor import ClientConnection, ClientError, Headers, Later, Link, UpgradedProtocol

from .bodies import HIGH_WATER


class Tunnel(UpgradedProtocol):
    """`connection`: to the upstream; `first`: what it said in the new protocol already."""

    def __init__(self, connection: ClientConnection, first: bytes) -> None:
        self._connection = connection
        self._first = first
        self._link: Link | None = None
        self._room: Later | None = None
        self._is_paused = True
        self._has_ended = False  # the client: it has said all, and what of that is still here is to arrive
        connection.pause()

    # The client's side.

    def on_connect(self, link: Link) -> None:
        self._link = link
        link.send(self._first)
        self._first = b""
        self.on_sent()

    def feed(self, data: bytes) -> Later | None:
        self._connection.send(data)
        if self._connection.owed <= HIGH_WATER:
            return None
        self._room = Later()
        return self._room

    def on_goodbye(self) -> bool:
        self._has_ended = True
        self._connection.end()
        return True

    def on_sent(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._connection.resume()

    def on_shutdown(self) -> None:
        if self._link is not None:
            self._link.close()

    def on_close(self) -> None:
        self._link = None
        if self._has_ended:
            self._connection.leave()
        else:
            self._connection.close()

    # The upstream's.

    def on_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.answer(None)

    def on_piece(self, piece: bytes) -> None:
        link = self._link
        if link is None:
            return
        link.send(piece)
        if link.owed > HIGH_WATER:
            self._is_paused = True
            self._connection.pause()

    def on_end(self, trailers: Headers | None) -> None:
        if self._link is not None:
            self._link.end()

    def on_failure(self, error: ClientError) -> None:
        if self._link is not None:
            self._link.close()
