"""The connection to another server: dialled, asked, heard, given up; turn by turn, both ends in the test's hands."""

import errno
import gc
import socket
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reactor.address import AddressError
from reactor.asking import ClientError, ClientTimeouts, Taker
from reactor.client import ClientConnection
from reactor.dial import Place, Upstream, dial, parse_upstream, resolve
from reactor.http1.fields import Headers
from reactor.http1.response import Response
from reactor.http1.response_parser import ResponseHead
from reactor.loop import READ, Reactor
from reactor.service import Service
from reactor.settings import Settings

from .wire import reset

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Log:
    """An asker and taker that writes down what it is told."""

    def __init__(self, wants: bool = True) -> None:
        self.told: list[Any] = []
        self.wants = wants

    def on_interim(self, head: ResponseHead) -> None:
        self.told.append(head.status)

    def on_answer(self, head: ResponseHead, payload: bytes, is_whole: bool) -> Taker | None:
        self.told.append((head.status, payload, is_whole))
        return self if self.wants else None

    def on_piece(self, piece: bytes) -> None:
        self.told.append(piece)

    def on_end(self, trailers: Headers | None) -> None:
        self.told.append(None if trailers is None else list(trailers.pairs))

    def on_room(self) -> None:
        self.told.append("room")

    def on_failure(self, error: ClientError) -> None:
        self.told.append((error.status, error.reason, error.is_unheard, error.is_unconnected))


class Line:
    """A connection and its other end, `peer`, once it is `accept`ed."""

    def __init__(self, listener: socket.socket, **timeouts: float) -> None:
        self.reactor = Reactor()
        self.service = Service(self.reactor, Settings(limit_head_size=1000), lambda _: Response())
        self.free: list[ClientConnection] = []
        self.listener = listener
        place = Place(listener.family, listener.getsockname())
        self.connection = ClientConnection(self.service, place, ClientTimeouts(**timeouts), self.free.append)
        self.log = Log()

    def accept(self) -> socket.socket:
        peer, _ = self.listener.accept()
        peer.settimeout(5)
        self.turn()
        return peer

    def turn(self, count: int = 3) -> None:
        for _ in range(count):
            self.reactor.turn(may_sleep=False)

    def ask(self, wire: bytes = GET, method: str = "GET", is_complete: bool = True) -> None:
        self.connection.ask(self.log, method, wire, is_complete)

    def told(self) -> list[Any]:
        told, self.log.told = self.log.told, []
        return [each for each in told if each != "room"]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(5)
        yield sock


@pytest.fixture
def line(listener: socket.socket) -> Iterator[Line]:
    line = Line(listener)
    yield line
    line.connection.close()
    line.reactor.close()


@pytest.fixture
def peer(line: Line) -> Iterator[socket.socket]:
    with line.accept() as sock:
        yield sock


def test_it_may_be_asked_before_it_is_there(line: Line) -> None:
    assert line.connection.is_connecting
    line.ask(GET + b"more")
    assert line.connection.owed == len(GET) + 4
    with line.accept() as peer:
        assert (line.connection.is_connecting, line.connection.owed) == (False, 0)
        assert peer.recv(1000) == GET + b"more"
        assert line.log.told == ["room"]


def test_what_is_not_free_cannot_be_asked(line: Line, peer: socket.socket) -> None:
    line.ask()
    with pytest.raises(RuntimeError, match="not free"):
        line.ask()
    peer.sendall(HELLO)
    line.turn()
    line.ask()
    line.connection.close()
    with pytest.raises(RuntimeError, match="not free"):
        line.ask()


def test_an_answer_is_told_once_and_the_connection_is_free(line: Line, peer: socket.socket) -> None:
    for number in (1, 2):
        line.ask()
        assert peer.recv(1000) == GET
        peer.sendall(HELLO)
        line.turn()
        assert line.told() == [(200, b"hello", True)]
        assert line.free == [line.connection] * number
        assert line.connection.answers == number


def test_a_request_on_a_free_connection_is_one_send_and_one_recv(line: Line, peer: socket.socket) -> None:
    """And nothing is watched that was not watched before."""
    calls: list[str] = []
    transport, watch = line.connection._transport, line.reactor.watch
    transport.send = counted("send", transport.send, calls)
    transport.recv = counted("recv", transport.recv, calls)
    line.reactor.watch = lambda *_: calls.append("watch")  # type: ignore[method-assign]  # nobody is to call it
    for _ in range(3):
        line.ask()
        assert peer.recv(1000) == GET
        peer.sendall(HELLO)
        line.turn()
    line.reactor.watch = watch  # type: ignore[method-assign]  # for the end
    assert calls == ["send", "recv"] * 3


def counted(name: str, call: Callable[[Any], Any], calls: list[str]) -> Callable[[Any], Any]:
    def counting(argument: Any) -> Any:
        calls.append(name)
        return call(argument)

    return counting


def test_an_answer_that_comes_in_pieces_is_told_in_pieces(line: Line, peer: socket.socket) -> None:
    line.ask()
    for byte in LONG:
        peer.sendall(bytes([byte]))
        line.turn(1)
    told = line.told()
    assert told[0] == (200, b"", False)
    assert b"".join(told[1:]) == b"hello"
    peer.sendall(b"world")
    line.turn()
    assert line.told() == [b"world", None]
    assert line.free == [line.connection]


def test_an_answer_that_is_not_wanted_ends_the_connection(line: Line, peer: socket.socket) -> None:
    line.log.wants = False
    line.ask()
    peer.sendall(LONG)
    line.turn()
    assert line.told() == [(200, b"hello", False)]
    assert line.connection.is_closed


def test_chunks_and_trailers_that_come_at_once(line: Line, peer: socket.socket) -> None:
    line.ask()
    peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    line.turn()
    assert line.told() == [(200, b"hello", True)]
    line.ask()
    peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n")
    line.turn()
    assert line.told() == [(200, b"hello", False), [(b"X", b"y")]]
    assert len(line.free) == 2


def test_nothing_is_read_while_it_is_paused(line: Line, peer: socket.socket) -> None:
    line.ask()
    peer.sendall(LONG)
    line.turn()
    line.connection.pause()
    assert line.connection.deadline == float("inf")  # we stopped, not the server
    peer.sendall(b"world")
    line.turn()
    assert line.told() == [(200, b"hello", False)]
    line.connection.resume()
    line.turn()
    assert line.told() == [b"world", None]


def test_chunks_that_were_put_off_wait_while_it_is_paused(line: Line, peer: socket.socket) -> None:
    line.ask()
    peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 3000 + b"0\r\n\r\n")
    line.turn(1)
    told = line.told()
    first = told[0][1] + b"".join(told[1:])
    assert 0 < len(first) < 3000
    line.connection.pause()
    line.turn()
    assert line.told() == []
    line.connection.resume()
    line.turn(20)
    assert first + b"".join([each for each in line.told() if each is not None]) == b"x" * 3000
    assert line.free == [line.connection]


def test_chunks_that_were_put_off_are_nobodys_once_it_is_closed(line: Line, peer: socket.socket) -> None:
    line.ask()
    peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 3000 + b"0\r\n\r\n")
    line.reactor.turn(may_sleep=False)
    line.connection.close()
    line.log.told.clear()
    line.turn()
    assert line.told() == []


def test_an_asker_that_closes_in_the_middle_is_told_no_more(line: Line, peer: socket.socket) -> None:
    line.log.on_piece = lambda piece: line.connection.close()  # type: ignore[method-assign]  # of this one
    line.ask()
    peer.sendall(LONG)
    line.turn()
    peer.sendall(b"world")
    line.turn()
    assert line.told() == [(200, b"hello", False)]
    line.connection.close()
    line.connection.send(b"nothing")
    line.connection.pause()
    line.connection.resume()
    assert line.service.outward == set()


def test_one_that_was_closed_by_somebody_in_this_turn_is_called_for_nothing(line: Line) -> None:
    line.ask()
    line.connection.close()
    line.connection._on_ready(3)
    assert line.told() == []


def test_it_may_leave_when_everything_has_left(line: Line, peer: socket.socket) -> None:
    line.ask(b"x" * 5_000_000, is_complete=False)
    line.connection.leave()
    assert not line.connection.is_closed
    received = 0
    while received < 5_000_000:
        received += len(peer.recv(1 << 20))
        line.turn()
    assert line.connection.is_closed
    assert line.service.outward == set()


@pytest.mark.parametrize("wire", [b"HTTP/1.1 200 OK\r\n\r\nhello", b"HTTP/1.1 101 Switching Protocols\r\n\r\nhello"])
def test_a_reset_that_a_send_is_told_of_is_no_end_of_an_answer(line: Line, peer: socket.socket, wire: bytes) -> None:
    line.ask(is_complete=False)
    peer.sendall(wire)
    line.turn()
    reset(peer)
    line.connection.send(b"more")  # takes the error with it: to recv, it looks like the end
    assert line.connection._is_deaf
    line.turn()
    assert line.told()[1:] == [(502, "the connection broke", False, False)]


def test_an_answer_that_had_ended_is_whole_even_if_the_request_was_not_wanted(line: Line, peer: socket.socket) -> None:
    line.ask(is_complete=False)
    peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    line.turn()
    peer.recv(1000)
    line.connection.pause()
    peer.sendall(b"hello")
    peer.close()
    while not line.connection._is_deaf:  # the first is answered with a reset, of which the next is told
        line.connection.send(b"more")
    line.connection.resume()
    line.turn()
    assert line.told()[1:] == [b"hello", None]


def test_one_that_was_closed_before_it_could_be_said_to_be_broken_says_nothing(
    line: Line, peer: socket.socket
) -> None:
    line.ask()
    line.connection.close()
    line.connection._break("gone")
    assert line.told() == []


def test_it_leaves_at_once_where_nothing_more_is_taken(line: Line, peer: socket.socket) -> None:
    line.ask(b"x" * 5_000_000, is_complete=False)
    reset(peer)
    line.connection.leave()
    line.turn()
    assert line.connection.is_closed


def test_whether_it_is_still_there_can_be_asked(line: Line, peer: socket.socket) -> None:
    assert line.connection.is_there()
    peer.close()
    assert not line.connection.is_there()
    assert line.service.outward == set()


def test_an_asker_that_closes_at_an_interim_answer_is_told_no_more(line: Line, peer: socket.socket) -> None:
    line.log.on_interim = lambda head: line.connection.close()  # type: ignore[method-assign]  # of this one
    line.ask()
    peer.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" + HELLO)
    line.turn()
    assert line.told() == []


@pytest.mark.parametrize("how", ["closes", "resets"])
def test_an_idle_connection_that_ends_is_closed(line: Line, peer: socket.socket, how: str) -> None:
    if how == "resets":
        reset(peer)
    else:
        peer.close()
    line.turn()
    assert line.connection.is_closed
    assert line.told() == []


def test_what_it_says_before_it_listens_no_more_is_heard(line: Line, peer: socket.socket) -> None:
    """A refusal, and then a close, while the request is still being sent."""
    line.ask(GET + bytes(5_000_000), is_complete=False)
    assert line.connection.owed
    peer.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
    peer.shutdown(socket.SHUT_WR)
    line.turn()
    assert line.told() == [(413, b"no", True)]
    assert (line.free, line.connection.is_closed) == ([], True)


def test_a_send_that_fails_is_told_by_the_reading(
    line: Line, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> int:
        raise BrokenPipeError

    line.connection._transport.send = fail
    line.ask()
    assert line.told() == []  # not within the call
    line.connection.send(b"more")
    assert line.connection.owed == 0
    peer.sendall(HELLO)
    line.turn()
    assert line.told() == [(200, b"hello", True)]
    assert line.free == []
    assert line.connection.is_closed


def test_a_failure_says_whether_anything_was_heard(listener: socket.socket) -> None:
    for said, how, reason in (
        (b"", "closes", "it closed the connection without an answer"),
        (b"", "resets", "the connection broke: connection reset by peer"),
        (b"HTTP", "closes", "it closed the connection in the middle of its answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "closes", "it closed the connection in the middle of its answer"),
    ):
        line = Line(listener)
        peer = line.accept()
        line.ask()
        assert peer.recv(1000) == GET
        peer.sendall(said)
        line.turn()
        if how == "resets":
            reset(peer)
        peer.close()
        line.turn()
        assert line.told()[-1] == (502, reason, not said, False)
        line.reactor.close()


def test_a_place_at_which_nobody_is_tells_so() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        line = Line(sock)
        line.ask()
        line.turn()
        assert line.told() == [(502, "cannot connect: connection refused", True, True)]
        line.reactor.close()


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        ("connecting", "it took too long to connect"),
        ("asked", "its answer took too long"),
        ("sending", "it took the request too slowly"),
        ("answering", "the rest of its answer took too long"),
    ],
)
def test_a_deadline_tells_what_took_too_long(listener: socket.socket, prepare: str, reason: str) -> None:
    line = Line(listener)
    peer = None
    if prepare == "connecting":
        line.ask()
    else:
        peer = line.accept()
        line.ask(GET + bytes(5_000_000 if prepare == "sending" else 0))
    if prepare == "answering" and peer is not None:
        peer.sendall(LONG)
        line.turn()
    line.told()
    line.connection.deadline = line.reactor.now
    line.service.sweep()
    assert line.told()[0][:2] == (504, reason)
    assert line.connection.is_closed
    if peer is not None:
        peer.close()
    line.reactor.close()


def test_each_wait_has_its_own_timeout(listener: socket.socket) -> None:
    line = Line(listener, connect=1, head=2, pause=3, tunnel=4, idle=5)

    def left() -> float:
        return line.connection.deadline - line.connection.used

    assert left() == 1
    peer = line.accept()
    assert left() == 5
    line.ask(is_complete=False)
    assert left() == float("inf")  # it waits for us
    line.connection.complete()
    assert left() == 2
    peer.sendall(LONG)
    line.turn()
    assert left() == 3
    peer.sendall(b"world")
    line.turn()
    assert left() == 5
    line.ask()
    peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    line.turn()
    assert left() == 4
    line.connection.close()
    peer.close()
    line.reactor.close()


def test_part_of_a_head_buys_no_time_for_the_rest(line: Line, peer: socket.socket) -> None:
    line.ask()
    due = line.connection.deadline
    said = iter([b"HTTP/1.1 103 Early Hints\r\n\r\n", HELLO[:9], HELLO[9:20]])
    line.connection._transport.recv = lambda _: next(said)
    for _ in range(3):
        line.reactor.now += 1
        line.connection._on_ready(READ)
        assert line.connection.deadline == due
    assert line.told() == [103]


def test_what_is_sent_to_a_server_that_takes_nothing_buys_no_time(line: Line, peer: socket.socket) -> None:
    line.ask(GET + bytes(5_000_000), is_complete=False)
    due = line.connection.deadline
    line.reactor.now += 1
    line.connection.send(b"more")
    assert line.connection.deadline == due
    while len(peer.recv(1_000_000)) and line.connection.owed:
        line.turn()
    assert line.connection.deadline == float("inf")
    line.reactor.now += 100
    line.connection._transport.send = raise_blocked
    line.connection.send(b"more")  # from now on it is waited for
    assert line.connection.deadline == line.reactor.now + ClientTimeouts().pause


def raise_blocked(_: object) -> int:
    raise BlockingIOError


def test_who_leaves_a_tunnel_gives_what_is_owed_its_time(line: Line, peer: socket.socket) -> None:
    line.ask()
    peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    line.turn()
    line.connection.send(bytes(5_000_000))
    line.reactor.now += 1000
    line.connection._transport.send = raise_blocked
    line.connection.leave()
    assert line.connection.deadline == line.reactor.now + ClientTimeouts().pause


def test_an_idle_connection_whose_time_is_over_is_closed(line: Line, peer: socket.socket) -> None:
    line.connection.deadline = line.reactor.now
    line.service.sweep()
    assert line.connection.is_closed
    assert peer.recv(1) == b""


def test_a_selector_that_takes_no_more_is_told_at_once(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Reactor, "watch", refuse)
    reactor = object.__new__(Reactor)
    reactor.now = 0.0
    service = Service(reactor, Settings(), lambda _: Response())
    with pytest.raises(OSError, match="No space"):
        ClientConnection(service, Place(listener.family, listener.getsockname()), ClientTimeouts(), print)
    assert service.outward == set()


@pytest.fixture
def unwatched(line: Line, peer: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Line:
    """A line whose selector takes no more from now on."""

    def refuse(handle: Any, events: int, callback: Any, before: int = 0) -> None:
        if events:
            if before:
                line.reactor._selector.unregister(handle)  # as a selector that cannot modify does
            raise OSError(errno.ENOSPC, "No space left on device")
        line.reactor._selector.unregister(handle)

    monkeypatch.setattr(line.reactor, "watch", refuse)
    line.connection._transport.send = raise_blocked
    return line


def test_who_asks_and_cannot_be_watched_is_told_in_a_later_turn(unwatched: Line) -> None:
    unwatched.ask()
    assert unwatched.told() == []
    unwatched.turn()
    assert unwatched.told() == [(502, "it cannot be watched: no space left on device", True, False)]
    assert unwatched.connection.is_closed
    assert unwatched.service.outward == set()


def test_an_answer_whose_connection_cannot_be_watched_breaks_off(
    line: Line, peer: socket.socket, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    line.ask()
    peer.sendall(LONG)
    line.turn()
    request.getfixturevalue("unwatched")
    line.connection.pause()  # is not watched: nothing can fail
    line.connection.resume()
    line.turn()
    assert line.told() == [(200, b"hello", False), (502, "it cannot be watched: no space left on device", False, False)]
    assert "internal error" not in caplog.text


def test_a_free_connection_that_cannot_be_watched_is_closed(
    line: Line, peer: socket.socket, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    line.ask()
    send = line.connection._transport.send
    line.connection._transport.send = raise_blocked
    line.connection.send(b"x")  # so that it is watched for both
    peer.sendall(HELLO)
    request.getfixturevalue("unwatched")
    line.connection._transport.send = send
    line.turn()
    assert line.told() == [(200, b"hello", True)]
    assert line.connection.is_closed
    assert "internal error" not in caplog.text


def test_a_turn_for_nothing_is_harmless(line: Line, peer: socket.socket) -> None:
    line.ask()
    line.connection._on_ready(3)
    assert line.told() == []
    peer.sendall(HELLO)
    line.turn()
    assert line.told() == [(200, b"hello", True)]


def test_a_taker_that_raises_is_told_of_the_failure(
    line: Line, peer: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: bytes) -> None:
        raise RuntimeError("as asked")

    line.log.on_piece = fail  # type: ignore[method-assign,assignment]  # of this one
    line.ask()
    peer.sendall(LONG)
    line.turn()
    peer.sendall(b"w")
    line.turn()
    assert line.told() == [(200, b"hello", False), (502, "internal error", False, False)]
    assert "as asked" in caplog.text


def test_a_closed_connection_is_gone_without_the_collector(line: Line, peer: socket.socket) -> None:
    gc.disable()
    try:
        line.ask()
        peer.sendall(LONG)
        line.turn()
        line.connection.pause()
        gone = [weakref.ref(line.log)]
        line.log = Log()
        line.connection.close()
        line.turn()
        assert [each() for each in gone] == [None]
    finally:
        gc.enable()


# Dialling.


@pytest.mark.parametrize(
    ("text", "authority", "base"),
    [
        ("http://127.0.0.1:9000", "127.0.0.1:9000", ""),
        ("HTTP://a", "a", ""),
        ("http://[::1]:80/", "[::1]:80", ""),
        ("http://a.b/c/d/", "a.b", "/c/d"),
        ("unix:/run/x.sock", "localhost", ""),
        ("unix:@x", "localhost", ""),
    ],
)
def test_an_upstream_is_parsed(text: str, authority: str, base: str) -> None:
    assert parse_upstream(text) == Upstream(text, authority, base)


@pytest.mark.parametrize(
    ("text", "has_name"),
    [
        ("http://a.b:80/c", True),
        ("http://localhost", True),
        ("http://127.0.0.1:80/c", False),
        ("http://[::1]:80", False),
        ("unix:/a", False),
    ],
)
def test_an_upstream_has_a_name_or_an_address(text: str, has_name: bool) -> None:
    assert parse_upstream(text).has_name is has_name


def test_a_place_as_text_is_what_its_connections_say() -> None:
    assert str(Place(socket.AF_INET, ("192.0.2.1", 80))) == "192.0.2.1:80"
    assert str(Place(socket.AF_INET6, ("::1", 80, 0, 0))) == "[::1]:80"
    assert str(Place(socket.AF_UNIX, "/x")) == "unix"


def test_where_it_is_is_looked_up() -> None:
    assert resolve(parse_upstream("http://127.0.0.1:9000/x")) == (Place(socket.AF_INET, ("127.0.0.1", 9000)),)
    assert resolve(parse_upstream("http://127.0.0.1")) == (Place(socket.AF_INET, ("127.0.0.1", 80)),)
    assert resolve(parse_upstream("http://[::1]:7"))[0].address[:2] == ("::1", 7)
    assert resolve(parse_upstream("unix:/x")) == resolve(parse_upstream("unix:///x"))
    assert resolve(parse_upstream("unix:@x")) == (Place(socket.AF_UNIX, "\0x"),)
    assert Place(socket.AF_INET, ("127.0.0.1", 80)) in resolve(parse_upstream("http://localhost"))
    with pytest.raises(AddressError, match="cannot resolve the name"):
        resolve(parse_upstream("http://no-such-host.invalid"))
    with pytest.raises(AddressError, match="cannot resolve the name"):
        resolve(parse_upstream(f"http://{'a' * 64}.example"))


def test_a_unix_socket_is_there_at_once_or_not_at_all(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        transport, is_there = dial(Place(socket.AF_UNIX, path))
        assert is_there
        with pytest.raises(BlockingIOError):
            dial(Place(socket.AF_UNIX, path))
        transport.close()


def test_an_address_that_the_system_does_not_know_leaves_nothing_open() -> None:
    with pytest.raises(OSError, match=r".+"):
        dial(Place(12345, ("127.0.0.1", 80)))
    with pytest.raises(TypeError):
        dial(Place(socket.AF_INET, "127.0.0.1"))
