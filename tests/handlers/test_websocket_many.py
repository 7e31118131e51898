"""A thousand WebSockets, open at once, and one message for all of them."""

import resource
import selectors
import socket
import time
from typing import cast

import pytest

from handlers.websocket import WebSocket, broadcast, websocket
from reactor import Server, Settings
from tests.aio import Signal, port_of

from .frames import close, opening, text

COUNT = 1000
ROUNDS = 5


@pytest.fixture
def descriptors() -> None:
    """As many as both sides need."""
    wanted = 2 * COUNT + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip(f"the limit of file descriptors is {hard}, and {wanted} are needed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def read_from_each(peers: list[socket.socket], count: int) -> list[bytes]:
    """`count` bytes of each, whoever has them first."""
    got = dict.fromkeys(peers, b"")
    with selectors.DefaultSelector() as selector:
        for peer in peers:
            selector.register(peer, selectors.EVENT_READ)
        until = time.monotonic() + 30
        while selector.get_map():
            assert time.monotonic() < until
            for key, _ in selector.select(5):
                peer = cast(socket.socket, key.fileobj)
                got[peer] += peer.recv(count - len(got[peer]))
                if len(got[peer]) == count:
                    selector.unregister(peer)
    return list(got.values())


def test_a_thousand_have_each_message(descriptors: None) -> None:
    sockets: set[WebSocket] = set()
    come, gone = Signal(), Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        sockets.add(socket)
        if len(sockets) == COUNT:
            come.set()
        try:
            async for message in socket:
                broadcast(sockets, message)
        finally:
            sockets.discard(socket)
            if not sockets:
                gone.set()

    settings = Settings(limit_connections=COUNT + 50)
    with Server(function, "127.0.0.1:0", settings=settings) as server:
        peers = [socket.create_connection(("127.0.0.1", port_of(server))) for _ in range(COUNT)]
        try:
            for peer in peers:
                peer.sendall(opening())
            heads = [peer.recv(1000) for peer in peers]
            assert all(head.startswith(b"HTTP/1.1 101 ") and head.endswith(b"\r\n\r\n") for head in heads)
            come.wait()
            for number in range(ROUNDS):
                peers[number].sendall(text(f"message {number}"))
                assert set(read_from_each(peers, 11)) == {b"\x81\x09message %d" % number}
            for peer in peers:
                peer.sendall(close(1000))
            assert set(read_from_each(peers, 4)) == {b"\x88\x02\x03\xe8"}
            gone.wait()
        finally:
            for peer in peers:
                peer.close()
