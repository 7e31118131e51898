"""For tests with threads: an application that waits to be let, clients that come and go, and how to wait for both."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from reactor import Request, Server
from reactor.http1.parser import HeadParser
from reactor.http1.request import HeadLimits, Origin

from .apps import TEXT, WAIT, Environ, client_of


class Gate:
    """An application that tells when it is begun, and answers when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()
        self.done = threading.Semaphore(0)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        self.begun.release()
        assert self.open.wait(WAIT)
        self.done.release()
        start_response("200 OK", TEXT)
        return [environ["PATH_INFO"].encode()]

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.begun.acquire(timeout=WAIT)


def get(server: Server, path: str = "/", body: bytes | None = None) -> tuple[int, bytes]:
    client = client_of(server)
    client.request("GET", path, body)
    reply = client.getresponse()
    content = reply.read()
    client.close()
    return reply.status, content


@contextmanager
def asking(server: Server) -> Iterator[None]:
    """Ask, and at the end be gone, without a word."""
    with client_socket(server) as client:
        client.sendall(b"GET /leaver HTTP/1.1\r\nHost: a\r\n\r\n")
        yield
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset


def client_socket(server: Server) -> socket.socket:
    return socket.create_connection(server.endpoints[0].sock.getsockname(), timeout=WAIT)


def is_left_by_all(server: Server) -> bool:
    return not server.service.connections


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread will do."""
    turn = threading.Event()
    for _ in range(int(WAIT / 0.005)):
        if condition():
            return
        turn.wait(0.005)
    raise AssertionError("the deadline has passed")


def request_for(path: str) -> Request:
    """A request as a server would make it."""
    request = HeadParser(HeadLimits(), Origin()).take(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), 0)
    assert request is not None
    return request
