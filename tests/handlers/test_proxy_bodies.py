"""Bodies through the proxy: as they come, both ways, in bounded memory, no faster than the other side takes them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from handlers.middleware import Steps, compose, middleware
from handlers.proxy import Proxy, bodies
from handlers.proxy.bodies import HIGH_WATER, AnswerBody
from reactor import ClientError, Request, Response, Server
from tests.http1.response_samples import GOOD, Heard, listen
from tests.wire import connect, read_all, read_response

from .test_proxy_faults import wait_until
from .upstreams import GET, HELLO, OVER, Peer, Scripted, always, ask, asked_for, port_of, proxy_to

PIECE = bytes(range(256)) * 256  # 64 KiB
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def sized(length: int, method: bytes = b"POST", extra: bytes = b"") -> bytes:
    return b"%b / HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n" % (method, extra, length)


def count(request: Request) -> Response:
    return Response(200, f"{len(request.body)} {hash(request.body) == hash(PIECE * 16)}")


def test_a_body_of_a_length_has_that_length() -> None:
    with Server(count, bind="127.0.0.1:0") as upstream, proxy_to(upstream.url) as server:
        with connect(port_of(server)) as client:
            client.sendall(sized(len(PIECE) * 16))
            for _ in range(16):
                client.sendall(PIECE)
            assert read_response(client).body == b"1048576 True"


def test_a_body_in_chunks_goes_on_in_chunks() -> None:
    def play(peer: Peer, number: int) -> None:
        while True:
            peer.read_head()
            found = b""
            while not found.endswith(b"0\r\n\r\n"):
                found += peer.read(1)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(found) + found)

    with Scripted(play) as upstream, proxy_to(upstream.url) as server:
        assert ask(server, CHUNKED + b"5\r\nhello\r\n0\r\n\r\n").body == b"5\r\nhello\r\n0\r\n\r\n"
        assert ask(server, CHUNKED + b"0\r\n\r\n").body == b"0\r\n\r\n"
        assert ask(server, CHUNKED + b"2;a=b\r\nhi\r\n000\r\nX: y\r\n\r\n").body == b"2\r\nhi\r\n0\r\n\r\n"
        assert ask(server, CHUNKED + b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n").body == b"a\r\nhelloworld\r\n0\r\n\r\n"
    assert asked_for(upstream.heads[0], b"transfer-encoding") == [b"chunked"]
    assert asked_for(upstream.heads[0], b"content-length") == []


def test_no_body_is_told_as_it_was() -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server:
        assert ask(server, sized(0)).status == ask(server, GET).status == 200
    assert [asked_for(head, b"content-length") for head in upstream.heads] == [[b"0"], []]


def test_a_body_goes_on_before_all_of_it_is_here() -> None:
    begun, answered = threading.Event(), threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        assert peer.read(5) == b"first"
        begun.set()
        assert peer.read(4) == b"last"
        peer.send(HELLO)
        answered.set()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(sized(9) + b"first")
        assert begun.wait(5)
        client.sendall(b"last")
        assert read_response(client).body == b"hello"


def test_an_answer_comes_back_before_all_of_it_is_there() -> None:
    read = threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        assert read.wait(5)
        peer.send(b"4\r\nlast\r\n0\r\n\r\n")
        peer.wait_for_end()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(GET)
        data = b""
        while b"first" not in data:
            data += client.recv(100)
        assert b"last" not in data
        read.set()
        while not data.endswith(b"0\r\n\r\n"):
            data += client.recv(100)
        assert data.endswith(b"5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n")


def test_a_client_that_waits_for_100_is_told_to_go_on() -> None:
    with Server(count, bind="127.0.0.1:0") as upstream, proxy_to(upstream.url) as server:
        with connect(port_of(server)) as client:
            client.sendall(sized(4, extra=b"Expect: 100-continue\r\n"))
            assert read_response(client).status == 100
            client.sendall(b"body")
            assert read_response(client).body == b"4 False"


def test_a_body_above_the_limit_is_refused() -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url, limit_body=10) as server:
        assert ask(server, sized(11) + b"a" * 11).status == 413
        assert ask(server, CHUNKED + b"b\r\n" + b"a" * 11 + b"\r\n0\r\n\r\n").status == 413
    assert upstream.heads == []


def test_an_old_client_has_its_answer_ended_by_the_close() -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(chunks)
        peer.send(b"0\r\n\r\n")
        peer.wait_for_end()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = read_response(client)
        assert (answer.body, answer.framing in ("close", "length")) == (b"hello", True)


@pytest.mark.parametrize("takes", [True, False])
def test_trailers_pass_to_whoever_takes_them(takes: bool) -> None:
    body = b"5\r\nhello\r\n0\r\nX-Sum: 42\r\nSet-Cookie: a=b\r\nX: y\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    with Scripted(always(answer)) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        te = b"TE: trailers\r\nConnection: TE, close\r\n" if takes else b"Connection: close\r\n"
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n" + te + b"\r\n")
        end = b"X-Sum: 42\r\nX: y\r\n\r\n" if takes else b"\r\n"
        assert read_all(client).endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n" + end)


@pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "a byte at a time"])
@pytest.mark.parametrize("name", [name for name, (methods, _) in GOOD.items() if len(methods) == 1])
def test_every_good_answer_is_the_same_to_the_client(name: str, is_cut: bool) -> None:
    (method,), data = GOOD[name]
    heard = [each for each in listen([data], [method]) if isinstance(each, Heard) and each.status >= 200]

    def play(peer: Peer, number: int) -> None:
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.read_head()
        peer.send(*(data[at : at + 1] for at in range(len(data))) if is_cut else [data])

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(GET.replace(b"GET", method.encode()))
        answer = read_response(client, method)
        while answer.status < 200:
            answer = read_response(client, method)
        assert [(answer.status, answer.body)] == [(each.status, each.body) for each in heard]


def test_what_came_before_a_failure_is_given_before_it() -> None:
    body = AnswerBody(None, None, b"one")
    body.on_piece(b"two")
    body.on_failure(ClientError(502, "as asked"))
    assert next(body) == b"onetwo"
    promised = next(body)
    assert isinstance(promised.value, ConnectionAbortedError)
    body.close()


def test_a_large_answer_that_comes_whole_is_not_remembered() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + b"a" * 10_000
    with Scripted(always(answer)) as upstream, proxy_to(upstream.url) as server:
        for _ in range(3):
            assert ask(server).body == b"a" * 10_000


# Answers that come early.


def test_an_answer_may_come_before_the_request_is_complete() -> None:
    """A refusal: the client has it, and need not send the rest."""

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(sized(10_000_000) + PIECE)
        answer = read_response(client)
        assert (answer.status, answer.body) == (413, b"no")


def test_a_small_rest_behind_an_early_answer_is_read_and_thrown_away() -> None:
    answered = threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(OVER)
        answered.set()
        peer.wait_for_end()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(sized(10) + b"hello")
        assert read_response(client).body == b"over"
        client.sendall(b"again")
        client.sendall(GET)
        assert read_response(client).body == b"over"
        assert upstream.accepted == 2  # the first had half a request


def test_a_body_may_end_behind_an_early_answer_without_another_byte() -> None:
    with Scripted(always(OVER)) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        for _ in range(2):
            client.sendall(CHUNKED + b"5\r\nhello\r\n")
            assert read_response(client).body == b"over"
            client.sendall(b"0\r\n\r\n")
        assert upstream.accepted == 2


@pytest.mark.parametrize("framing", [b"Content-Length: %d\r\n\r\n" % (len(PIECE) * 64), b"\r\n"])
def test_both_sides_may_speak_at_once(framing: bytes) -> None:
    """An echo that begins before its request has ended, of more than any buffer holds."""
    total = len(PIECE) * 64

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\n" + framing)
        for _ in range(64):
            peer.send(peer.read(len(PIECE)))

    def send() -> None:
        for _ in range(64):
            client.sendall(PIECE)

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(sized(total))
        sender = threading.Thread(target=send)
        sender.start()
        assert read_response(client).body == PIECE * 64
        sender.join()


def test_an_answer_that_ends_while_its_request_waits_for_room_ends_that() -> None:
    """The rest of the request is nobody's: the client is not left waiting for somebody to take it."""
    full = threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        assert full.wait(5)
        peer.send(b"0\r\n\r\n")
        peer.wait_for_end()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(sized(100_000_000))
        fill(client)
        full.set()
        assert read_response(client).body == b"hello"
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""


def fill(client: socket.socket) -> None:
    """Send until nobody takes more."""
    client.settimeout(0.5)
    with suppress(TimeoutError):
        while True:
            client.sendall(PIECE)
    client.settimeout(5)


def test_an_answer_that_is_complete_before_its_request_leaves_the_connection_usable() -> None:
    """It had the whole request all the same, a moment later."""

    def play(peer: Peer, number: int) -> None:
        while True:
            peer.read_head()
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            peer.read(10)
            peer.send(b"0\r\n\r\n")

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        for _ in range(2):
            client.sendall(sized(10) + b"hello")
            data = b""
            while b"hello" not in data:
                data += client.recv(1000)
            client.sendall(b"again")
            while not data.endswith(b"0\r\n\r\n"):
                data += client.recv(1000)
        assert upstream.accepted == 1


def test_a_request_that_breaks_off_breaks_off_for_the_upstream() -> None:
    found: list[bytes] = []
    begun, ended = threading.Event(), threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        found.append(peer.read(1))
        begun.set()
        found.append(peer.wait_for_end())
        ended.set()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server:
        for request, body in ((sized(10), b"hello"), (CHUNKED, b"5\r\nhello\r\n")):
            begun.clear()
            ended.clear()
            found.clear()
            with connect(port_of(server)) as client:
                client.sendall(request + body)
                assert begun.wait(5)
            assert ended.wait(5)
            assert b"".join(found) == body


def test_a_client_that_leaves_while_the_upstream_is_connected_to_leaves_nothing_behind() -> None:
    """Often it is in the same turn that one end goes and the other is there."""
    with Scripted(lambda peer, number: (peer.wait_for_end(), None)[1]) as upstream, proxy_to(upstream.url) as server:
        for _ in range(50):
            with connect(port_of(server)) as client:
                client.sendall(sized(10) + b"hello")
        wait_until(lambda: not server.service.outward and not server.service.connections)


def test_a_request_that_breaks_off_while_its_answer_comes_ends_that() -> None:
    ended = threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        peer.wait_for_end()
        ended.set()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(sized(10) + b"hello")
        assert client.recv(1)
        client.shutdown(socket.SHUT_WR)
        assert ended.wait(5)
        with pytest.raises(ConnectionResetError):
            read_all(client)


# Backpressure.


def test_a_slow_client_slows_the_upstream_down() -> None:
    """What the upstream could send is what waits: in two kernels' buffers, and a little in here."""
    sent = [0]
    ended = threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            for _ in range(1000):
                peer.send(PIECE)
                sent[0] += len(PIECE)
        finally:
            ended.set()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server), 65536) as client:
        client.sendall(GET)
        wait_until(lambda: has_stopped(sent))
        assert sent[0] < 20_000_000
        connection = next(iter(server.service.connections))
        assert connection._outbox.size < 4 * HIGH_WATER  # type: ignore[attr-defined]  # a Connection
        body = read_response(client).body
        assert ended.wait(5)
        assert len(body) == 1000 * len(PIECE)


def test_a_slow_upstream_slows_the_client_down() -> None:
    go, sent = threading.Event(), [0]

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        assert go.wait(20)
        left = 1000 * len(PIECE)
        while left:
            left -= len(peer.sock.recv(1 << 20))
        peer.send(HELLO)

    def send() -> None:
        for _ in range(1000):
            client.sendall(PIECE)
            sent[0] += len(PIECE)

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.settimeout(20)
        client.sendall(sized(1000 * len(PIECE)))
        sender = threading.Thread(target=send)
        sender.start()
        wait_until(lambda: has_stopped(sent))
        assert sent[0] < 20_000_000
        outward = next(iter(server.service.outward))
        assert outward.owed < 4 * HIGH_WATER  # type: ignore[attr-defined]  # a ClientConnection
        go.set()
        assert read_response(client).body == b"hello"
        sender.join()


def has_stopped(counter: list[int]) -> bool:
    """Whether it counted something, and then nothing for a while."""
    before = counter[0]
    threading.Event().wait(0.2)
    return before > 0 and counter[0] == before


def test_very_many_tiny_chunks_have_their_turns() -> None:
    body = b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    with Scripted(always(answer)) as upstream, proxy_to(upstream.url) as server:
        assert ask(server).body == b"x" * 20_000
        assert ask(server).body == b"x" * 20_000
        assert upstream.accepted == 1


def test_very_many_tiny_chunks_wait_for_a_slow_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "HIGH_WATER", 100)
    body = b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    with Scripted(always(answer)) as upstream, proxy_to(upstream.url) as server:
        assert ask(server).body == b"x" * 20_000


def test_the_body_of_an_answer_is_an_iterator_for_whoever_is_in_between() -> None:
    @middleware
    def watched(request: Request) -> Steps:
        response = yield
        body: Any = response.body
        return Response(response.status, (piece for piece in body))

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        assert go.wait(5)
        peer.send(b"world")

    go = threading.Event()
    with Scripted(play) as upstream, Server(compose(Proxy(upstream.url), watched), bind="127.0.0.1:0") as server:
        with connect(port_of(server)) as client:
            client.sendall(GET)
            assert client.recv(1) == b"H"
            go.set()
            assert read_all_chunks(client).endswith(b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n")


def read_all_chunks(client: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"0\r\n\r\n"):
        data += client.recv(1000)
    return data


def test_an_iterator_of_ours_passes_through_two_proxies() -> None:
    def pieces() -> Iterator[bytes]:
        for number in range(200):
            yield b"%d," % number

    expected = b"".join(pieces())
    with Server(lambda request: Response(200, pieces()), bind="127.0.0.1:0") as upstream:
        with proxy_to(upstream.url) as inner, proxy_to(inner.url) as outer:
            answer = ask(outer)
            assert answer.body == expected
            assert [value for name, value in answer.fields if name == "Via"] == ["1.1 reactor"] * 2


def test_a_large_body_on_a_kept_connection_is_not_kept_to_be_repeated() -> None:
    """Beyond a size it is gone when it is sent; a small one is sent again."""
    total = 40 * len(PIECE)

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(HELLO)
        head = peer.read_head()
        if b"PUT" in head:
            peer.read(total - 10)

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(GET)
        assert read_response(client).body == b"hello"
        client.sendall(sized(total, b"PUT") + PIECE * 40)
        assert read_response(client).status == 502
        assert upstream.accepted == 1
