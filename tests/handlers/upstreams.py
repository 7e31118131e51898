"""Upstreams for tests of the proxy: servers that say what a test scripts, byte by byte; and the proxy before them."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

from handlers.proxy import Proxy
from reactor import Server, Settings
from tests.wire import DEADLINE, Answer, connect, read_response

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"
OVER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nover"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Scripted:
    """A server on any port: each of its connections is `play`ed, one after the other, in a thread.

    `play(sock, number)` is called with the first connection as number 0, and the socket closed behind it. Attributes:
    `url`; `heads` (those of the requests that were read by `read_head`); `errors` (what went wrong in a script).
    """

    def __init__(self, play: Callable[["Peer", int], None], listener: socket.socket | None = None) -> None:
        """`listener`: of which it takes a copy; None: on any port."""
        self._play = play
        self._listener = socket.create_server(("127.0.0.1", 0)) if listener is None else listener.dup()
        self._listener.settimeout(DEADLINE)
        self._address = address = self._listener.getsockname()
        self.url = f"unix:{address}" if isinstance(address, str) else f"http://127.0.0.1:{address[1]}"
        self.heads: list[bytes] = []
        self.accepted = 0
        self.errors: list[BaseException] = []
        self._is_over = False
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._is_over = True
        with suppress(OSError), socket.socket(self._listener.family) as caller:
            caller.connect(self._address)  # for the sake of accept()
        self._thread.join(DEADLINE)
        for thread in self._threads:
            thread.join(DEADLINE)
        self._listener.close()
        assert not self.errors, self.errors

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except TimeoutError:
                continue
            if self._is_over:
                sock.close()
                return
            sock.settimeout(DEADLINE)
            thread = threading.Thread(target=self._serve, args=(sock, self.accepted))
            self.accepted += 1
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with sock:
            try:
                self._play(Peer(sock, self.heads), number)
            except (ConnectionError, TimeoutError, EOFError):
                pass  # the proxy has had enough, and the test sees what came of it
            except BaseException as error:
                self.errors.append(error)


class Peer:
    """One connection of a scripted server."""

    def __init__(self, sock: socket.socket, heads: list[bytes]) -> None:
        self.sock = sock
        self._heads = heads

    def read_head(self) -> bytes:
        """The next head; EOFError where there is none."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = self.sock.recv(1)
            if not piece:
                raise EOFError
            head += piece
        self._heads.append(head)
        return head

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.sock.sendall(piece)

    def wait_for_end(self) -> bytes:
        """What comes until the proxy closes."""
        data = b""
        with suppress(ConnectionError):
            while piece := self.sock.recv(65536):
                data += piece
        return data


def always(answer: bytes, then_close: bool = False) -> Callable[[Peer, int], None]:
    """A script: each request is answered with `answer`."""

    def play(peer: Peer, number: int) -> None:
        while True:
            peer.read_head()
            peer.send(answer)
            if then_close:
                return

    return play


@contextmanager
def proxy_to(to: str, settings: Settings | None = None, **options: Any) -> Iterator[Server]:
    with Server(Proxy(to, **options), bind="127.0.0.1:0", settings=settings) as server:
        yield server


def port_of(server: Server) -> int:
    port: int = server.endpoints[0].sock.getsockname()[1]
    return port


def ask(server: Server, request: bytes = GET, method: str = "GET") -> Answer:
    """The answer to `request`, on a connection of its own."""
    with connect(port_of(server)) as client:
        client.sendall(request)
        return read_response(client, method)


def asked_for(head: bytes, name: bytes) -> list[bytes]:
    """The values of a field in a head that an upstream was sent."""
    lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
    return [value for key, _, value in lines if key.lower() == name.lower()]
