"""What tests of async handlers share: a server in a thread, a question, and word from the server's thread."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reactor import Server

from .wire import Answer, connect, read_response

GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"

def port_of(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


def ask(server: Server, path: str = "/", body: bytes = b"") -> Answer:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    with connect(port_of(server)) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{length}\r\n".encode() + body)
        return read_response(sock)


@contextmanager
def serving(handler: Any, **options: Any) -> Iterator[Server]:
    with Server(handler, "127.0.0.1:0", **options) as server:
        yield server


class Signal:
    """Something that happened on the server's thread, for the test's to wait for."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.value: Any = None

    def set(self, value: Any = None) -> None:
        self.value = value
        self._event.set()

    def wait(self) -> Any:
        assert self._event.wait(5)
        return self.value
