"""A fault at every system call of a client's connection: each scene is played once per call and fault.

Whatever fails, whoever asked hears of it once, an answer is never taken for whole that is not, nothing escapes, and
what is closed is forgotten by all.
"""

import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .test_client import GET, HELLO, LONG, Line

Scene = Callable[[Line, socket.socket], None]

FAULTS: dict[str, OSError] = {
    "not now": BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
    "reset": ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    "gone": BrokenPipeError(errno.EPIPE, "Broken pipe"),
    "timed out": TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
    "no route": OSError(errno.EHOSTUNREACH, "No route to host"),
}


def small(line: Line, peer: socket.socket) -> None:
    for _ in range(2):
        if line.connection.is_closed:
            return
        line.ask()
        line.turn()
        say(peer, HELLO)
        line.turn()


def in_pieces(line: Line, peer: socket.socket) -> None:
    line.ask()
    for piece in (LONG[:10], LONG[10:], b"wor", b"ld"):
        line.turn()
        say(peer, piece)
    line.turn()


def uploading(line: Line, peer: socket.socket) -> None:
    line.ask(GET, is_complete=False)
    for _ in range(3):
        line.connection.send(b"x" * 100_000)
        line.turn()
        read(peer)
    line.connection.complete()
    say(peer, HELLO)
    line.turn()


def closing(line: Line, peer: socket.socket) -> None:
    line.ask()
    say(peer, b"HTTP/1.1 200 OK\r\n\r\nhello")
    line.turn()
    read(peer)  # else the close would be a reset
    peer.close()
    line.turn()


def switching(line: Line, peer: socket.socket) -> None:
    line.ask()
    say(peer, b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    line.turn()
    line.connection.send(b"there")
    line.connection.end()
    say(peer, b"and back")
    line.turn()
    read(peer)  # else the close would be a reset
    peer.close()
    line.turn()
    line.connection.leave()


SCENES: dict[str, tuple[Scene, bytes]] = {  # and the body that is heard if nothing fails
    "small": (small, b"hellohello"),
    "in pieces": (in_pieces, b"helloworld"),
    "uploading": (uploading, b"hello"),
    "closing": (closing, b"hello"),
    "switching": (switching, b"and back"),
}


def say(peer: socket.socket, data: bytes) -> None:
    try:
        peer.sendall(data)
    except OSError:
        pass  # the other end is closed by now


def read(peer: socket.socket) -> None:
    peer.setblocking(False)
    try:
        while peer.recv(1 << 20):
            pass
    except OSError:
        pass
    peer.settimeout(5)


class Faulty:
    """Lets the system calls of a connection through, and one of them fail. Attribute `calls`: how many there were."""

    def __init__(self, line: Line, at: int, fault: OSError) -> None:
        self.calls = 0
        self._at = at
        self._fault = fault
        transport: Any = line.connection._transport
        transport.send, transport.recv = self._through(transport.send), self._through(transport.recv)

    def _through(self, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def attempt(argument: Any) -> Any:
            self.calls += 1
            if self.calls == self._at:
                raise type(self._fault)(*self._fault.args)  # its traceback would hold the connection
            return call(argument)

        return attempt


def play(listener: socket.socket, scene: Scene, at: int, fault: OSError) -> tuple[list[Any], int]:
    """What the asker was told, and how many calls there were."""
    line = Line(listener)
    peer = line.accept()
    faulty = Faulty(line, at, fault)
    try:
        scene(line, peer)
        line.turn()
        if line.connection not in line.free:  # it waits, perhaps, and its time will come
            line.connection.deadline = line.reactor.now
            line.service.sweep()
        assert line.connection.is_closed == (not line.service.outward)
        assert line.connection.is_closed or line.connection in line.free
    finally:
        line.connection.close()
        peer.close()
        line.reactor.close()
    return line.told(), faulty.calls


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(5)
        yield sock


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", SCENES)
def test_whatever_fails_is_told_once(
    name: str, fault: str, listener: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    scene, expected = SCENES[name]
    whole, calls = play(listener, scene, 0, FAULTS[fault])
    assert (body_of(whole), failures_of(whole)) == (expected, [])
    assert calls >= 3
    for at in range(1, calls + 1):
        told, _ = play(listener, scene, at, FAULTS[fault])
        failures = failures_of(told)
        assert len(failures) <= 1, told
        assert not failures or told[-1] == failures[0], told
        assert expected.startswith(body_of(told)), told
        if body_of(told) != expected and scene is not small:  # between two answers nobody waits
            assert failures, told
        assert "internal error" not in caplog.text


def failures_of(told: list[Any]) -> list[Any]:
    return [each for each in told if isinstance(each, tuple) and len(each) == 4]


def body_of(told: list[Any]) -> bytes:
    pieces = [each[1] if isinstance(each, tuple) and len(each) == 3 else each for each in told]
    return b"".join(piece for piece in pieces if isinstance(piece, bytes))
