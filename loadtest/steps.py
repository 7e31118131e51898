"""Where the time of a request goes: each step from readiness to sent, by itself, in microseconds.

    python3 -m loadtest.steps [--repeats 15]

The steps are called on a real connection whose transport only pretends: it hands out a request and takes the answer.
So the kernel's part is missing here (`recv` and `send` on loopback are measured apart), and the caches are warm, which
under load they are not: there the same steps take about one and a half times as long. The least of all repeats counts.
"""

import argparse
import itertools
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

from handlers import hello
from reactor.connection import Connection
from reactor.http1.request import Origin
from reactor.memory import ManualReactor, MemoryTransport
from reactor.service import Service
from reactor.settings import Settings

CALLS = 5000  # of a step, whose mean is one measurement
HEADS = 5000  # different ones: more lines than are remembered

BARE = b"GET /test HTTP/1.1\r\nHost: localhost\r\n\r\n"
TWELVE = (
    b'GET /test HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\nsec-ch-ua: "Chromium";v="142", "Not_A Brand";'
    b'v="99"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\nUpgrade-Insecure-Requests: 1\r\nUser-Agent: '
    b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\nAccept: "
    b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\nSec-Fetch-Site: none\r\n"
    b"Sec-Fetch-Mode: navigate\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n"
)


def changing() -> Iterator[bytes]:
    """Heads of a browser, each with a cookie and a request number of its own."""
    own = b"Cookie: session=%08d; theme=dark\r\nX-Request-Id: %08d\r\n\r\n"
    return itertools.cycle([TWELVE[:-2] + own % (number, number) for number in range(HEADS)])


REQUESTS: dict[str, Callable[[], Iterator[bytes]]] = {
    "a bare head": lambda: itertools.repeat(BARE),
    "12 fields": lambda: itertools.repeat(TWELVE),
    "each head different": changing,
}


class Pretending(MemoryTransport):
    """A request for every `recv`, and whatever is sent is gone."""

    def __init__(self, reactor: ManualReactor, requests: Iterator[bytes]) -> None:
        super().__init__(reactor)
        self._requests = requests

    def recv(self, _size: int) -> bytes:
        return next(self._requests)

    def send(self, data: bytes | bytearray | memoryview) -> int:
        return len(data)


def steps(requests: Iterator[bytes], repeats: int) -> dict[str, float]:
    """Microseconds of each step, less what an empty call costs; what is not among them is glue."""
    reactor = ManualReactor()
    service = Service(reactor, Settings(), hello.handler)
    connection: Any = Connection(service, Pretending(reactor, requests), Origin(("127.0.0.1", 50000)))
    connection.begin()
    parser, outbox = connection._parser, connection._outbox
    request = parser.take(next(requests), 0)

    def receive() -> None:
        connection._receive()
        connection._inbox = b""

    def respond() -> None:
        connection._respond(request, hello.HELLO)
        outbox.size = 0

    def flush() -> None:
        outbox.add(b"Hello")
        connection._flush()

    empty = least(lambda: None, repeats)

    def best(step: Callable[[], object]) -> float:
        return max(least(step, repeats) - empty, 0.0)

    found = {
        "receive": best(receive),
        "take the head, make the request": best(lambda: parser.take(next(requests), 0)),
        "ask the handler": best(lambda: connection._ask(request, hello.handler, request)),
        "reply": best(respond),
        "flush": best(flush),
        "derive the state, set the deadline": best(connection._settle),
    }
    whole = best(lambda: connection._on_readable(1))
    return {**found, "what calls them": whole - sum(found.values()), "all of it": whole}


def least(step: Callable[[], object], repeats: int) -> float:
    """Microseconds of a call: of some means the least."""
    means = []
    for _ in range(repeats):
        began = time.perf_counter()
        for _ in range(CALLS):
            step()
        means.append((time.perf_counter() - began) / CALLS)
    return min(means) * 1e6


def kernel() -> dict[str, float]:
    """Microseconds of a `recv` and of a `send` on a connection over loopback that nobody else uses."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as peer:
        ours, _ = listener.accept()
        with ours:
            for each in (ours, peer):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ours.setblocking(False)
            answer = b"x" * 150
            taken: dict[str, list[float]] = {"recv": [], "send": []}
            for _ in range(CALLS):
                peer.send(BARE)
                began = time.perf_counter()
                ours.recv(65536)
                middle = time.perf_counter()
                ours.send(answer)
                taken["send"].append(time.perf_counter() - middle)
                taken["recv"].append(middle - began)
                peer.recv(65536)
            return {name: sorted(times)[len(times) // 2] * 1e6 for name, times in taken.items()}


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python3 -m loadtest.steps", description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    columns = {name: steps(make(), repeats) for name, make in REQUESTS.items()}
    print("| µs of a request | " + " | ".join(columns) + " |")
    print("|---|" + "--:|" * len(columns))
    for step in next(iter(columns.values())):
        print(f"| {step} | " + " | ".join(f"{column[step]:.2f}" for column in columns.values()) + " |")
    for call, microseconds in kernel().items():
        print(f"| `{call}`, the kernel's part | " + " | ".join([f"{microseconds:.2f}"] * len(columns)) + " |")


if __name__ == "__main__":
    main()
