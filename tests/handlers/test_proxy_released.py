"""Nothing that passed through the proxy is left behind, and no cycle was needed to hold it: all dies by its count."""

import gc
import logging
import socket
from collections.abc import Callable, Iterator

import pytest

from handlers.proxy.bodies import AnswerBody, RequestBody
from handlers.proxy.passage import Passage
from handlers.proxy.tunnel import Tunnel
from reactor import ClientConnection, Server
from tests.wire import connect, read_all, read_response, reset

from .test_proxy_bodies import CHUNKED, PIECE, sized
from .test_proxy_faults import wait_until
from .test_proxy_tunnel import SWITCH, upgrade
from .upstreams import GET, HELLO, Peer, Scripted, port_of, proxy_to

PASSING = (Passage, RequestBody, AnswerBody, Tunnel, ClientConnection)


def left() -> list[object]:
    return [each for each in gc.get_objects() if isinstance(each, PASSING)]


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    logging.disable()  # what is kept of the log for a test's report holds exceptions, and all that they hold
    yield
    logging.disable(logging.NOTSET)
    gc.enable()


def serve(peer: Peer, number: int) -> None:
    """What is asked for by its path."""
    while True:
        head = peer.read_head()
        path = head.split(b" ")[1]
        if path == b"/long":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            peer.wait_for_end()
            return
        if path == b"/breaks":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
            return
        if path == b"/pieces":
            peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"0\r\n\r\n")
        elif path == b"/never":
            peer.wait_for_end()
        elif path == b"/bad":
            peer.send(b"HTTP/9\r\n\r\n")
        elif path == b"/up":
            peer.send(SWITCH + b"hello")
            peer.wait_for_end()
            return
        elif path == b"/early":
            peer.send(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
            peer.wait_for_end()
            return
        else:
            if b"Content-Length: 5\r\n" in head:
                peer.read(5)
            elif b"chunked" in head:
                peer.read(15)
            peer.send(HELLO)


def at(path: bytes, request: bytes = GET) -> bytes:
    return request.replace(b" / ", b" %b " % path)


def whole(request: bytes) -> Callable[[socket.socket], None]:
    def play(client: socket.socket) -> None:
        client.sendall(request)
        read_response(client)

    return play


def left_behind(request: bytes, says: int = 0) -> Callable[[socket.socket], None]:
    def play(client: socket.socket) -> None:
        client.sendall(request)
        if says:
            client.recv(says)
        reset(client)

    return play


def broken(client: socket.socket) -> None:
    client.sendall(at(b"/breaks"))
    with pytest.raises((ConnectionResetError, EOFError)):
        read_response(client)


def tunnelled(client: socket.socket) -> None:
    client.sendall(upgrade())
    read_response(client)
    client.shutdown(socket.SHUT_WR)
    assert read_all(client) == b"hello"


def ended_late(client: socket.socket) -> None:
    client.sendall(at(b"/early", CHUNKED) + b"5\r\nhello\r\n")
    assert read_response(client).status
    client.sendall(b"0\r\n\r\n" + GET)
    assert read_response(client).status


SCENES: dict[str, Callable[[socket.socket], None]] = {
    "small": whole(GET),
    "with a body": whole(sized(5) + b"hello"),
    "in chunks": whole(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"),
    "in pieces": whole(at(b"/pieces")),
    "malformed": whole(at(b"/bad")),
    "early, and a last chunk": ended_late,
    "early": whole(at(b"/early", sized(1_000_000)) + PIECE),
    "early, and the client goes": left_behind(at(b"/early", sized(1_000_000)) + PIECE, says=1),
    "broken off": broken,
    "the client goes while it waits": left_behind(at(b"/never")),
    "the client goes while it sends": left_behind(sized(1_000_000) + PIECE),
    "the client goes while it reads": left_behind(at(b"/long"), says=1),
    "both, and the client goes": left_behind(at(b"/long", sized(1_000_000)) + PIECE, says=1),
    "a tunnel": tunnelled,
    "a tunnel, and the client goes": left_behind(upgrade(), says=1),
}


@pytest.mark.parametrize("name", SCENES)
def test_nothing_is_left(name: str) -> None:
    with Scripted(serve) as upstream, proxy_to(upstream.url) as server:
        for _ in range(3):
            with connect(port_of(server)) as client:
                SCENES[name](client)
        wait_until(lambda: not server.service.connections)
        wait_until(lambda: only_kept_ones(server))
    wait_until(lambda: not left())


def only_kept_ones(server: Server) -> bool:
    """Nobody is under way any more, and there is nobody whom the service does not know of."""
    return set(left()) == set(server.service.outward)


def test_nothing_is_left_where_there_is_no_upstream() -> None:
    with proxy_to("unix:@nobody-is-here") as server:
        for request in (GET, sized(5) + b"hello", sized(1_000_000) + PIECE):
            with connect(port_of(server)) as client:
                client.sendall(request)
                assert read_response(client).status == 502
        wait_until(lambda: not server.service.connections)
        wait_until(lambda: not left())
