"""Echo: a body comes back as it was sent, and cannot run as a script of ours."""

import socket

import pytest

from handlers.echo import handler
from reactor import Server, Settings
from reactor.testing import TestClient


@pytest.mark.parametrize("body", [b"x", b"\0\xff\r\n", b"a" * 100_000], ids=["one byte", "odd bytes", "large"])
def test_a_body_comes_back_with_its_content_type(body: bytes) -> None:
    reply = TestClient(handler).post("/any/path", body, {"Content-Type": "image/x-thing; a=b"})
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, body, "image/x-thing; a=b")


def test_a_body_in_chunks_comes_back_in_one_piece() -> None:
    reply = TestClient(handler).request("PUT", "/", body=[b"one", b"two"])
    assert (reply.body, reply.headers["content-length"]) == (b"onetwo", "6")


def test_a_body_without_a_type_is_only_bytes() -> None:
    assert TestClient(handler).post("/", "x").headers["content-type"] == "application/octet-stream"


def test_no_body_gives_none() -> None:
    reply = TestClient(handler).get("/")
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"", None)


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "TEXT/HTML;charset=utf-7", ""])
def test_what_comes_back_cannot_run_in_a_browser(kind: str) -> None:
    reply = TestClient(handler).post("/", "<script>alert(1)</script>", {"Content-Type": kind})
    assert reply.headers["content-type"] == kind
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"] == "default-src 'none'; sandbox"


def test_no_field_of_the_request_comes_back() -> None:
    reply = TestClient(handler).post("/", "x", {"Cookie": "secret", "X-Thing": "secret"})
    assert "secret" not in str(reply.headers)


def test_memory_is_bounded_by_the_servers_limit() -> None:
    assert TestClient(handler, Settings(limit_body_size=10)).post("/", b"a" * 11).status == 413


def test_datagrams_come_back() -> None:
    with Server(handler, bind="udp://127.0.0.1:0") as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(server.endpoints[0].sock.getsockname())
        for packet in (b"a packet", b"", b"\0" * 9000):
            client.send(packet)
            assert client.recv(65536) == packet
