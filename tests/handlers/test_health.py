"""Health: 200 while the server serves, 503 while it drains."""

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from handlers.health import Health, handler
from reactor import Server
from reactor.testing import TestClient


def test_it_is_well_by_default() -> None:
    reply = TestClient(handler).get("/anything?at=all")
    assert (reply.status, reply.text, reply.headers["cache-control"]) == (200, "ok", "no-store")


def test_the_text_is_an_option() -> None:
    assert TestClient(Health(text="fine")).get("/").text == "fine"


def test_head_is_answered_and_other_methods_are_not_allowed() -> None:
    client = TestClient(handler)
    assert (client.request("HEAD", "/").status, client.request("HEAD", "/").body) == (200, b"")
    reply = client.post("/")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(("is_draining", "status"), [(False, 200), (True, 503)])
def test_it_says_what_the_server_says(is_draining: bool, status: int) -> None:
    health = Health()
    server: Any = SimpleNamespace(is_draining=is_draining)
    health.startup(server)
    reply = TestClient(health).get("/")
    assert (reply.status, reply.headers["cache-control"]) == (status, "no-store")


def test_a_server_that_drains_says_503_to_who_is_still_there() -> None:
    health = Health()
    with Server(health, bind="127.0.0.1:0") as server:
        with socket.create_connection(server.endpoints[0].sock.getsockname(), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT")  # the first is answered, the second begun
            received = b""
            while not received.endswith(b"\r\n\r\nok"):
                received += client.recv(4096)
            server.reactor.call_from_outside(server.drain)
            server.reactor.call_from_outside(lambda: client.sendall(b"TP/1.1\r\nHost: x\r\n\r\n"))
            received = b""
            while piece := client.recv(4096):
                received += piece
    assert received.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nConnection: close\r\n" in received
    assert received.endswith(b"\r\n\r\ndraining")
