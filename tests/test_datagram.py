"""Datagram endpoints: a packet in, a packet out or none; whatever a handler does, the next packet is served."""

import errno
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reactor import Request, Response, Server
from reactor.address import AddressError
from reactor.datagram import BURST


class Handler:
    def __call__(self, request: Request) -> Response:
        return Response(200)

    def on_datagram(self, data: bytes) -> Any:
        match data:
            case b"silence":
                return None
            case b"raise":
                raise RuntimeError("as asked")
            case b"text":
                return "text"
            case b"large":
                return b"x" * 70_000
        return data.upper()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(Handler(), "udp://127.0.0.1:0") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(server.endpoints[0].sock.getsockname())
        yield client


def test_a_packet_in_a_packet_out(client: socket.socket) -> None:
    for packet in (b"hello", b"", b"again"):
        client.send(packet)
        assert client.recv(100) == packet.upper()


def test_more_packets_than_one_turn_takes(client: socket.socket) -> None:
    for number in range(BURST + 10):
        client.send(b"%d" % number)
    assert [client.recv(100) for _ in range(BURST + 10)] == [b"%d" % number for number in range(BURST + 10)]


@pytest.mark.parametrize(
    ("packet", "said"),
    [
        (b"silence", ""),
        (b"raise", "RuntimeError: as asked"),
        (b"text", "on_datagram of Handler returned str, not bytes or None; no answer"),
        (b"large", ""),
    ],
)
def test_no_answer_to_this_one_and_one_to_the_next(
    packet: bytes, said: str, client: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    client.send(packet)
    client.send(b"next")
    assert client.recv(100) == b"NEXT"
    assert said in caplog.text
    assert len(caplog.records) == (said != "")


def test_a_client_that_has_gone_does_not_stop_the_endpoint(server: Server, client: socket.socket) -> None:
    for _ in range(10):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.sendto(b"hello", server.endpoints[0].sock.getsockname())
    client.send(b"hello")
    assert client.recv(100) == b"HELLO"


def test_over_a_unix_socket(tmp_path: Path) -> None:
    with Server(Handler(), f"unixgram:{tmp_path}/server") as server:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nameless:
            nameless.sendto(b"hello", server.endpoints[0].sock.getsockname())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.bind(str(tmp_path / "client"))
            client.sendto(b"hello", server.endpoints[0].sock.getsockname())
            assert client.recv(100) == b"HELLO"


def test_a_handler_without_on_datagram_is_refused_when_it_starts() -> None:
    server = Server(lambda request: Response(200), "udp://127.0.0.1:0")
    with pytest.raises(AddressError, match="takes no datagrams"):
        server.open()


def test_an_undelivered_answer_reported_late_is_passed_over(client: socket.socket, server: Server) -> None:
    """ICMP errors of earlier answers come out of recvfrom; the next packet is another matter."""
    done = threading.Event()
    endpoint = server._datagrams[0]
    sock: Any = endpoint.endpoint.sock

    class Failing:
        def __init__(self) -> None:
            self.errors = [OSError(errno.ECONNREFUSED, "refused")] * 3

        def recvfrom(self, size: int) -> Any:
            if self.errors:
                raise self.errors.pop()
            return sock.recvfrom(size)

        def __getattr__(self, name: str) -> Any:
            return getattr(sock, name)

    def install() -> None:
        failing: Any = Failing()
        endpoint.endpoint.sock = failing
        done.set()

    server.reactor.call_from_outside(install)
    assert done.wait(5)
    client.send(b"hello")
    assert client.recv(100) == b"HELLO"
