"""A server and its client in one thread: bytes are sent piece by piece over loopback, the reactor is turned by hand.

Law: nothing here sleeps. After each piece the reactor is turned until the server has read it; a wait is bounded in
turns, of which one without an event is short, and a server that does not do what was waited for fails the test.
"""

import re
import selectors
import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from functools import lru_cache
from typing import NamedTuple

from reactor import Request, Response, Settings
from reactor.address import open_address, parse_address
from reactor.listener import Listener
from reactor.loop import Reactor
from reactor.service import Service
from reactor.transport import Transport

from . import Asked

TURNS = 50  # of the reactor, until something that must happen has happened
QUIET = 0.02  # seconds that a turn without an event takes; only a failure has any
DEADLINE = 5  # seconds for a read or a write of the client's; never reached by a server that works
_TIMEOUT = struct.pack("ll", DEADLINE, 0)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_HEAD = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [\t -~]*\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\t -~]*\r\n)*)\r\n")
_DIGITS = re.compile(rb"[0-9]+")


class BadAnswer(AssertionError):
    """What the server sent is not a row of well-formed answers."""


class Reply(NamedTuple):
    """An answer, read strictly. `connection`: the value of that field, or b""."""

    status: int
    connection: bytes
    body: bytes


class Heard(NamedTuple):
    """What a conversation came to: the requests that the handler was given, the answers in order, whether the server
    said goodbye first."""

    requests: list[Asked]
    replies: list[Reply]
    has_ended: bool


@lru_cache(maxsize=4096)
def read_replies(data: bytes, methods: tuple[str, ...]) -> list[Reply]:
    """The whole answers that `data` begins with, to requests of these methods; a rest must be the beginning of one."""
    replies: list[Reply] = []
    asked = iter(methods)
    at = 0
    while at < len(data):
        head = _HEAD.match(data, at)
        if head is None:
            if b"\r\n\r\n" in data[at:] or not data.startswith(b"HTTP/1.1 "[: len(data) - at], at):
                raise BadAnswer(f"no head of an answer: {data[at:]!r}")
            break
        at = head.end()
        status, size = int(head[1]), 0
        fields = [line.partition(b": ") for line in head[2].lower().split(b"\r\n")]
        connection, length = (
            [value for name, _, value in fields if name == wanted] for wanted in (b"connection", b"content-length")
        )
        if len(connection) > 1:
            raise BadAnswer(f"Connection is there more than once: {head[0]!r}")
        if status >= 200:
            if len(length) != 1 or _DIGITS.fullmatch(length[0]) is None:
                raise BadAnswer(f"an answer without its one length: {head[0]!r}")
            size = 0 if next(asked, "") == "HEAD" else int(length[0])
        elif length:
            raise BadAnswer(f"an interim answer with a length: {head[0]!r}")
        if len(data) < at + size:
            break
        replies.append(Reply(status, connection[0] if connection else b"", data[at : at + size]))
        at += size
    return replies


class ImpatientSelector(selectors.DefaultSelector):
    """One that does not wait for the next second."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(QUIET if timeout is None else min(timeout, QUIET))


class CountingListener(Listener):
    """Knows how many connections it has accepted, and how many bytes the latest one has read."""

    accepted = received = 0

    def _take(self, transport: Transport, address: object) -> None:
        recv = transport.recv
        self.accepted += 1
        self.received = 0

        def count(size: int) -> bytes:
            data = recv(size)
            self.received += len(data)
            return data

        transport.recv = count
        super()._take(transport, address)


class Bench:
    """A server on 127.0.0.1 with the default settings, and a handler that takes whatever the protocol core takes."""

    takes_connect = True

    def __init__(self) -> None:
        self._requests: list[Asked] = []
        self._ok, self._no = Response(200, b"yes\n"), Response(403, b"no tunnel\n")
        self._reactor = Reactor(ImpatientSelector())
        self._service = Service(self._reactor, Settings(), self)
        (endpoint,) = open_address(parse_address("127.0.0.1:0"))
        self._name = endpoint.sock.getsockname()
        self._listener = CountingListener(endpoint, self._service)
        self._listener.resume()

    def close(self) -> None:
        for connection in list(self._service.connections):
            connection.close()
        self._listener.close()
        self._reactor.close()

    def __call__(self, request: Request) -> Response:
        trailers = [] if request.trailers is None else list(request.trailers.pairs)
        version, fields = request.head.terms.version, list(request.headers.pairs)
        self._requests.append(Asked(request.method, request.target, request.body, version, fields, trailers))
        return self._no if request.method == "CONNECT" else self._ok

    def converse(self, pieces: Iterable[bytes], methods: tuple[str, ...], closes: bool, stays: bool = False) -> Heard:
        """Send the pieces one after the other and read an answer for each of `methods`.

        `closes`: then wait for the server's FIN. `stays`: else say goodbye, and wait for the FIN that answers it, so
        that nothing can come behind the answers unseen.
        """
        self._requests.clear()
        accepted = self._listener.accepted
        with closing(socket.socket()) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TIMEOUT)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.connect(self._name)
            self._turn_until(lambda: self._listener.accepted > accepted, "accept the connection")
            self._send(client, pieces)
            data, has_ended = self._read(client, methods, closes)
            if stays and not has_ended:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEOUT)
                client.shutdown(socket.SHUT_WR)
                self._turn_until(lambda: not self._service.connections, "close behind our goodbye")
                while piece := client.recv(65536):
                    data += piece
            # So that no port stays in TIME_WAIT: there are more conversations than ports.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        return Heard(list(self._requests), read_replies(bytes(data), methods), has_ended)

    def settle(self) -> None:
        """See to it that no connection outlives the conversations."""
        self._turn_until(lambda: not self._service.connections, "close behind a reset")

    def _send(self, client: socket.socket, pieces: Iterable[bytes]) -> None:
        listener, turn = self._listener, self._reactor.turn
        sent = 0
        for piece in pieces:
            client.sendall(piece)
            sent += len(piece)
            turn()
            if listener.received != sent:
                self._turn_until(lambda sent=sent: listener.received == sent, "read what was sent")  # type: ignore[misc]  # mypy: python/mypy#15459

    def _read(self, client: socket.socket, methods: tuple[str, ...], closes: bool) -> tuple[bytearray, bool]:
        """What the server has sent so far; turns until it is all that was asked for."""
        data = bytearray()
        for _ in range(TURNS):
            with suppress(BlockingIOError):
                while piece := client.recv(65536, socket.MSG_DONTWAIT):
                    data += piece
                return data, True
            replies = read_replies(bytes(data), methods)
            if not closes and sum(reply.status >= 200 for reply in replies) >= len(methods):
                break
            self._reactor.turn()
        return data, False

    def _turn_until(self, is_done: Callable[[], bool], what: str) -> None:
        for _ in range(TURNS):
            if is_done():
                return
            self._reactor.turn()
        raise AssertionError(f"the server does not {what}, in {TURNS} turns")
