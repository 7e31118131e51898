"""What is said to requests that are easy to get wrong: CONNECT, HEAD refused, an answer before a large body."""

import socket
import threading
from contextlib import closing

import pytest

from reactor import Later, Request, Response, Server, Settings, Upgrade, UpgradedProtocol
from reactor.answers import Link

from .wire import connect, read_all, read_response

CONNECT = b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = 16 << 20  # bytes; more than the buffers of two sockets hold


class Refuser:
    """Answers at the head, with much."""

    def on_head(self, request: Request) -> Response:
        return Response(403, b"x" * LARGE)

    def __call__(self, request: Request) -> Response:
        return Response(500, "not reached")


class Tunnel(UpgradedProtocol):
    """Gives back what comes, in capitals."""

    def on_connect(self, link: Link) -> None:
        self.link = link

    def feed(self, data: bytes) -> None:
        self.link.send(data.upper())


class Gateway:
    """Takes CONNECT: opens the tunnel at port 1, now, at port 2, later; refuses all others."""

    takes_connect = True

    def __call__(self, request: Request) -> Response | Later | Upgrade:
        if request.target == b"a:1":
            return Upgrade("", Tunnel())
        if request.target == b"a:2":
            later = Later()
            threading.Timer(0.01, later.answer, [Upgrade("", Tunnel())]).start()
            return later
        return Response(403, "not there")


@pytest.mark.parametrize("handler", [lambda request: Response(200, "smuggled"), Gateway()], ids=["without", "with"])
def test_what_follows_a_refused_connect_is_no_request(handler: object) -> None:
    with Server(handler, "127.0.0.1:0") as server:  # type: ignore[arg-type]  # a lambda says too little
        with closing(connect(server.endpoints[0].sock.getsockname()[1])) as sock:
            sock.sendall(CONNECT.replace(b"a:1", b"a:9") + SMUGGLED)
            answer = read_response(sock, "CONNECT")
            assert answer.status in (403, 501)
            assert answer.field("connection") == "close"
            assert read_all(sock) == b""


@pytest.mark.parametrize("port", [1, 2])
def test_a_tunnel_carries_what_follows_a_connect(port: int) -> None:
    with Server(Gateway(), "127.0.0.1:0") as server:
        with closing(connect(server.endpoints[0].sock.getsockname()[1])) as sock:
            sock.sendall(CONNECT.replace(b"a:1", b"a:%d" % port) + b"through")
            head = b""
            while not head.endswith(b"THROUGH"):
                head += sock.recv(4096)
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"Content-Length" not in head
            sock.sendall(b" and through")
            assert sock.recv(4096) == b" AND THROUGH"


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n", 413),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ],
)
def test_a_refused_head_gets_no_body(request_head: bytes, status: int) -> None:
    settings = Settings(limit_body_size=1000)
    with Server(lambda request: Response(200), "127.0.0.1:0", settings) as server:
        with closing(connect(server.endpoints[0].sock.getsockname()[1])) as sock:
            sock.sendall(request_head)
            head, _, body = read_all(sock).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 %d " % status)
            assert body == b""


def test_an_early_answer_and_a_large_body_do_not_wait_for_each_other() -> None:
    """A client that sends all before it reads, and a server that does likewise, would."""
    with Server(Refuser(), "127.0.0.1:0") as server:
        with closing(connect(server.endpoints[0].sock.getsockname()[1])) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % LARGE)
            sock.sendall(b"y" * LARGE)
            answer = read_response(sock, "POST")
            assert (answer.status, len(answer.body)) == (403, LARGE)
            assert answer.field("connection") == "close"
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
