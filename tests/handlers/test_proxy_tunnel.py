"""Other protocols through the proxy: once both sides have switched, every byte passes, each way, and so does an end."""

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from handlers.proxy import Proxy
from handlers.proxy.bodies import HIGH_WATER
from handlers.proxy.tunnel import Tunnel
from reactor import ClientError, Link, Request, Response, Server, Upgrade, UpgradedProtocol
from tests.wire import connect, read_all, read_response, reset

from .test_proxy_bodies import PIECE, has_stopped
from .test_proxy_faults import wait_until
from .upstreams import HELLO, Peer, Scripted, always, ask, asked_for, port_of, proxy_to

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: Toy\r\nConnection: Upgrade\r\nX-Key: 42\r\n\r\n"


def upgrade(names: bytes = b"toy", options: bytes = b"Upgrade") -> bytes:
    return b"GET /up HTTP/1.1\r\nHost: a\r\nConnection: %b\r\nUpgrade: %b\r\nX-Key: 1\r\n\r\n" % (options, names)


def echoes(peer: Peer, number: int) -> None:
    """Switches, and says what it hears until it hears no more; then it says so."""
    peer.read_head()
    peer.send(SWITCH)
    while data := peer.sock.recv(65536):
        peer.send(data)
    peer.send(b"bye")


def test_both_sides_speak_another_protocol() -> None:
    with Scripted(echoes) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(upgrade(b"h2c, Toy/1, toy"))
        answer = read_response(client)
        assert (answer.status, answer.field("upgrade"), answer.field("connection")) == (101, "toy", "Upgrade")
        assert (answer.field("x-key"), answer.field("via")) == ("42", "1.1 reactor")
        for word in (b"one", b"GET / HTTP/1.1\r\n\r\n", PIECE):
            client.sendall(word)
            data = b""
            while len(data) < len(word):
                data += client.recv(65536)
            assert data == word
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"bye"
        wait_until(lambda: not server.service.outward and not server.service.connections)
    assert asked_for(upstream.heads[0], b"upgrade") == [b"toy/1, toy"]
    assert asked_for(upstream.heads[0], b"connection") == [b"Upgrade"]


def test_what_is_said_right_behind_the_heads_passes() -> None:
    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(SWITCH + b"hello ")
        assert peer.read(3) == b"hi!"
        peer.send(b"world")

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(upgrade() + b"hi!")
        assert read_response(client).status == 101
        client.settimeout(5)
        assert read_all(client) == b"hello world"


def test_an_upstream_that_ends_first_still_hears() -> None:
    heard: list[bytes] = []

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(SWITCH + b"last words")
        peer.sock.shutdown(socket.SHUT_WR)
        heard.append(peer.wait_for_end())

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(upgrade())
        assert read_response(client).status == 101
        assert read_all(client) == b"last words"
        client.sendall(b"but")
        client.sendall(b" I")
        client.shutdown(socket.SHUT_WR)
        wait_until(lambda: not server.service.outward and not server.service.connections)
    assert heard == [b"but I"]


def test_what_a_client_said_before_it_left_arrives_at_a_slow_upstream_that_has_ended() -> None:
    heard: list[int] = []
    left = threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        peer.read_head()
        peer.send(SWITCH)
        peer.sock.shutdown(socket.SHUT_WR)
        left.wait(10)
        heard.append(len(peer.wait_for_end()))

    with Scripted(play) as upstream, proxy_to(upstream.url) as server:
        with connect(port_of(server)) as client:
            client.sendall(upgrade())
            assert read_response(client).status == 101
            assert read_all(client) == b""
            sender = threading.Thread(target=say_and_end, args=(client, PIECE * 100))
            sender.start()
            wait_until(lambda: any(each.owed for each in server.service.outward))  # type: ignore[attr-defined]  # they owe
            left.set()
            sender.join(10)
            wait_until(lambda: not server.service.outward and not server.service.connections)
    assert heard == [len(PIECE) * 100]


def test_an_upstream_that_ended_and_then_broke_ends_the_tunnel() -> None:
    ended, go, broke = threading.Event(), threading.Event(), threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(SWITCH)
        peer.sock.shutdown(socket.SHUT_WR)
        ended.set()
        assert go.wait(5)
        reset(peer.sock)
        broke.set()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(upgrade())
        assert read_response(client).status == 101
        assert read_all(client) == b""
        go.set()
        assert broke.wait(5)
        wait_until(lambda: has_noticed(client, server))


def has_noticed(client: socket.socket, server: Server) -> bool:
    """Whether the tunnel has gone; it may take a word to learn that nobody hears any."""
    try:
        client.sendall(b"anybody there?")
    except OSError:
        pass
    return not server.service.outward


def say_and_end(client: socket.socket, data: bytes) -> None:
    client.sendall(data)
    client.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("who", ["client", "upstream"])
def test_a_side_that_breaks_ends_the_other(who: str) -> None:
    ended, go = threading.Event(), threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(SWITCH)
        if who == "upstream":
            go.wait(5)
            reset(peer.sock)
        else:
            peer.wait_for_end()
            ended.set()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(upgrade())
        assert read_response(client).status == 101
        if who == "upstream":
            go.set()
            assert read_all(client) == b""
        else:
            reset(client)
            assert ended.wait(5)
        wait_until(lambda: not server.service.outward)


def test_a_protocol_that_was_not_offered_is_a_502(caplog: pytest.LogCaptureFixture) -> None:
    with Scripted(always(SWITCH, then_close=True)) as upstream, proxy_to(upstream.url) as server:
        assert ask(server).status == 502
        assert ask(server, upgrade(b"other")).status == 502
        assert not server.service.outward
    assert "it switched to a protocol that was not offered" in caplog.text


@pytest.mark.parametrize(
    "request_",
    [
        upgrade(b"h2c"),
        upgrade(options=b"keep-alive"),
        upgrade(b""),
        upgrade(b"a b"),
        upgrade().replace(b"1.1", b"1.0"),
        upgrade().replace(b"GET", b"POST").replace(b"X-Key: 1", b"Content-Length: 2") + b"hi",
    ],
    ids=["h2c", "not in Connection", "nothing", "no token", "HTTP/1.0", "with a body"],
)
def test_what_is_not_passed_on_as_an_offer(request_: bytes) -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server:
        assert ask(server, request_).body == b"hello"
    assert asked_for(upstream.heads[0], b"upgrade") == asked_for(upstream.heads[0], b"connection") == []


def test_an_offer_may_be_declined() -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        for _ in range(2):
            client.sendall(upgrade())
            assert read_response(client).body == b"hello"
        assert upstream.accepted == 1


def test_a_tunnel_through_two_proxies_to_a_handler_of_ours() -> None:
    class Shout(UpgradedProtocol):
        def on_connect(self, link: Link) -> None:
            self._link = link

        def feed(self, data: bytes) -> None:
            self._link.send(data.upper())

    def handler(request: Request) -> Upgrade | Response:
        return Upgrade("shout", Shout())

    with Server(handler, bind="127.0.0.1:0") as upstream, proxy_to(upstream.url) as inner:
        with proxy_to(inner.url) as outer, connect(port_of(outer)) as client:
            client.sendall(upgrade(b"shout"))
            assert read_response(client).status == 101
            client.sendall(b"hello")
            assert client.recv(100) == b"HELLO"


def test_neither_side_is_read_while_the_other_takes_nothing() -> None:
    sent, stop = [0], threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(SWITCH)
        if number == 0:
            stop.wait(20)
            return
        try:
            while True:
                peer.send(PIECE)
                sent[0] += len(PIECE)
        except OSError:
            pass

    def flood() -> None:
        try:
            while True:
                client.sendall(PIECE)
                sent[0] += len(PIECE)
        except OSError:
            pass

    with Scripted(play) as upstream, proxy_to(upstream.url) as server:
        with connect(port_of(server)) as client:
            client.settimeout(20)
            client.sendall(upgrade())
            assert read_response(client).status == 101
            sender = threading.Thread(target=flood)
            sender.start()
            wait_until(lambda: has_stopped(sent))
            check_bounds(server, sent[0])
            stop.set()
            client.shutdown(socket.SHUT_RDWR)
            sender.join()
        wait_until(lambda: not server.service.outward)
        sent[0] = 0
        with connect(port_of(server)) as client:
            client.sendall(upgrade())
            assert read_response(client).status == 101
            wait_until(lambda: has_stopped(sent))
            check_bounds(server, sent[0])


def check_bounds(server: Server, sent: int) -> None:
    assert sent < 20_000_000
    outward: Any = next(iter(server.service.outward))
    assert outward.owed < 4 * HIGH_WATER
    connection: Any = next(iter(server.service.connections))
    assert connection._outbox.size < 4 * HIGH_WATER
    assert len(connection._inbox) < 4 * HIGH_WATER


def test_a_flood_passes_both_ways_whole() -> None:
    received: list[bytes] = []

    def read() -> None:
        received.append(read_all(client))

    with Scripted(echoes) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(upgrade())
        assert read_response(client).status == 101
        reader = threading.Thread(target=read)
        reader.start()
        for _ in range(200):
            client.sendall(PIECE)
        client.shutdown(socket.SHUT_WR)
        reader.join(20)
    assert received == [PIECE * 200 + b"bye"]


def test_a_tunnel_in_which_nobody_speaks_ends() -> None:
    with Scripted(echoes) as upstream, proxy_to(upstream.url, timeout_tunnel=0.1) as server:
        with connect(port_of(server)) as client:
            client.sendall(upgrade())
            assert read_response(client).status == 101
            assert read_all(client) == b""


def test_the_end_of_the_server_ends_a_tunnel() -> None:
    with Scripted(echoes) as upstream:
        with proxy_to(upstream.url) as server, connect(port_of(server)) as client:
            client.sendall(upgrade())
            assert read_response(client).status == 101
            server.reactor.call_from_outside(server.drain)
            assert read_all(client) == b""


class FakeConnection:
    """What a Tunnel needs of one."""

    owed = 0

    def __init__(self) -> None:
        self.said: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.said.append(name)


def test_a_tunnel_that_never_had_a_client_ends_quietly() -> None:
    connection = FakeConnection()
    tunnel = Tunnel(connection, b"early")  # type: ignore[arg-type]  # a fake one
    tunnel.on_piece(b"more")
    tunnel.on_end(None)
    tunnel.on_failure(ClientError(502, "as asked"))
    tunnel.on_shutdown()
    tunnel.on_room()
    tunnel.on_close()
    assert connection.said == ["pause", "close"]


def test_a_websocket_client_and_server_that_know_of_no_proxy(tmp_path: Path) -> None:
    sync = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
    from websockets.sync.server import serve

    def echo(socket: Any) -> None:
        for message in socket:
            socket.send(message)

    with serve(echo, "127.0.0.1", 0) as upstream:
        thread = threading.Thread(target=upstream.serve_forever)
        thread.start()
        port = upstream.socket.getsockname()[1]
        with Server(Proxy(f"http://127.0.0.1:{port}"), bind="127.0.0.1:0") as server:
            with sync.connect(f"ws://127.0.0.1:{port_of(server)}/chat", max_size=None) as client:
                for message in ("hello", b"\0\xff", "x" * 300_000):
                    client.send(message)
                    assert client.recv(5) == message
            assert client.close_code == 1000
        upstream.shutdown()
        thread.join()
