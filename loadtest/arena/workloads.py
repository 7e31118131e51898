"""What is asked for: each workload with what wrk is told, and the question by which a server shows that it does it."""

import http.client
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtest.arena.apps import content
from loadtest.servers import HOST

LUA = Path(__file__).parent / "lua"
PATIENCE = 5.0  # seconds for an answer, before it is measured
ROUTES = frozenset({"/test", "/json", "/post", "/64k", "/100m", "/stream"})
HELLO_ONLY = frozenset({"/test"})
STATIC = frozenset({"/test", "/64k", "/100m"})  # what needs no program behind the server
HEADS = 10_000  # different ones: more than a server would keep


class Wrong(Exception):
    """A server does not do what is asked; the text says what it did."""


class Cannot(Exception):
    """What is asked for is nothing that this server has; that is no mistake."""


@dataclass(frozen=True)
class Workload:
    """`flags` and `arguments`: what wrk is told; `parsed` is false where a server that looks at no bytes does as
    well; `size`: bytes of an answer so large that not answers are counted, but bytes; `at_once`: requests sent before
    the first of their answers."""

    name: str
    what: str
    path: str = "/test"
    connections: int = 64
    flags: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    parsed: bool = False
    closes: bool = False
    body: bytes | None = None
    size: int = 0
    at_once: int = 1

    def command(self, port: int, seconds: int) -> list[str]:
        """The whole command line of wrk."""
        wrk = ["wrk", "-t1", f"-c{self.connections}", f"-d{seconds}s", "--latency", *self.flags]
        return [*wrk, f"http://{HOST}:{port}{self.path}", *(["--", *self.arguments] if self.arguments else [])]

    def ask(self, connection: http.client.HTTPConnection) -> None:
        """Ask once, and look at what comes; Wrong or Cannot says what it is instead."""
        method = "GET" if self.body is None else "POST"
        fields = {"Connection": "close"} if self.closes else {}
        connection.request(method, self.path, self.body, fields)
        response = connection.getresponse()
        if self.size:
            self._look_at_size(response)
            return
        body = response.read()
        if response.status != 200 or body != BODIES[self.path](self):
            raise Wrong(f"answers {response.status} with {len(body):,} bytes: {body[:60]!r}")
        if self.path == "/stream" and response.headers["Content-Length"] is not None:
            raise Wrong("tells the length of a stream: it collects it")

    def _look_at_size(self, response: http.client.HTTPResponse) -> None:
        size = 0
        while piece := response.read(1 << 20):
            size += len(piece)
        length = response.headers["Content-Length"]
        if (response.status, size, length) != (200, self.size, str(self.size)):
            raise Wrong(f"answers {response.status} with {size:,} bytes, Content-Length {length}")


def script(name: str) -> tuple[str, ...]:
    return ("-s", str(LUA / f"{name}.lua"))


ALL = (
    Workload("hello", "5 bytes, wrk's bare head"),
    Workload("hello-1", "5 bytes, wrk's bare head", connections=1),
    Workload("hello-1000", "5 bytes, wrk's bare head", connections=1000),
    Workload("hello-5000", "5 bytes, wrk's bare head", connections=5000),
    Workload("browser", "5 bytes, a browser's 12 fields", flags=script("browser")),
    Workload("changing", "a browser's fields, each head different", flags=script("browser"), arguments=(str(HEADS),)),
    Workload("pipelined", "5 bytes, 16 requests at once", flags=script("pipelined"), arguments=("16",), parsed=True,
             at_once=16),
    Workload("close", "5 bytes, a connection each", flags=("-H", "Connection: close"), parsed=True, closes=True),
    Workload("json", "JSON of 1 KiB", "/json"),
    Workload("post-1k", "POST of 1 KiB", "/post", flags=script("post"), arguments=("1024",), body=b"x" * 1024),
    Workload("post-1m", "POST of 1 MiB", "/post", 16, script("post"), (str(1 << 20),), body=b"x" * (1 << 20)),
    Workload("64k", "an answer of 64 KiB", "/64k"),
    Workload("100m", "an answer of 100 MiB, in pieces", "/100m", 2, size=content.HUGE_SIZE),
    Workload("stream", "16 pieces of 1 KiB, chunked", "/stream"),
)  # fmt: skip
WORKLOADS = {workload.name: workload for workload in ALL}


def check(workload: Workload, port: int, closes: bool) -> None:
    """Ask twice on one connection (`closes`: on two) and look at what comes; Wrong or Cannot says what it is
    instead."""
    if workload.at_once > 1:
        _check_at_once(workload, port)
        return
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        for _ in range(2):
            workload.ask(connection)
            if workload.closes and not _is_closed(connection):
                raise Wrong("keeps the connection it was told to close")
            if not closes and connection.sock is None:
                raise Wrong("closes the connection")
            if closes:
                connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise Wrong(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from error
    finally:
        connection.close()


def _check_at_once(workload: Workload, port: int) -> None:
    request = f"GET {workload.path} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode()
    received, answer = b"", b"\r\n\r\n" + BODIES[workload.path](workload)
    try:
        with socket.create_connection((HOST, port), PATIENCE) as client:
            client.sendall(request * workload.at_once)
            while received.count(answer) < workload.at_once and (piece := client.recv(1 << 16)):
                received += piece
    except OSError:
        pass  # it is silent, or resets the connection: what came is counted
    if (count := received.count(answer)) < workload.at_once:
        raise Wrong(f"answers {count} of {workload.at_once} requests sent at once")


def _is_closed(connection: http.client.HTTPConnection) -> bool:
    """Whether the server closes it; some do without having said so."""
    if connection.sock is None:
        return True
    try:
        return not connection.sock.recv(1)
    except TimeoutError:
        return False


BODIES: dict[str, Callable[[Workload], bytes]] = {
    "/test": lambda workload: content.HELLO,
    "/json": lambda workload: content.record(),
    "/post": lambda workload: b"%d" % len(workload.body or b""),
    "/64k": lambda workload: content.BLOCK,
    "/stream": lambda workload: b"".join(content.stream()),
}
