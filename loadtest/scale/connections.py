"""Connections that do not ask for much: many idle ones, many that trickle, and very many that come and go."""

import selectors
import socket
import subprocess
import time
from collections.abc import Callable

from loadtest.scale import MIB, REQUEST, RESET, Found, ask, connect, cpu_seconds, descriptors, resident, say
from loadtest.servers import get

HEADER_TIMEOUT = 10.0  # seconds, the server's default
IDLE_LIMIT = 8 * 1024  # bytes a connection
GROWTH_LIMIT = 1024 * 1024  # bytes after all connections of a churn
CHURN_FLAGS = ("--timeout-header", "1s", "--timeout-linger", "1s")


def idle(server: subprocess.Popen[bytes], port: int, count: int, seconds: float = 5) -> tuple[Found, bool]:
    """Memory of a connection that has been served once and is kept alive."""
    get(port, "/test")
    before = resident(server.pid)
    clients = []
    for _ in range(count):
        clients.append(connect(port))
        ask(clients[-1])
    each = (resident(server.pid) - before) / count
    began, used = time.monotonic(), cpu_seconds(server.pid)
    time.sleep(seconds)
    share = (cpu_seconds(server.pid) - used) / (time.monotonic() - began)
    for client in clients:
        client.close()
    found = {"idle connections": f"{count:,}", "bytes each": f"{each:,.0f}", "CPU meanwhile": f"{share:.1%}"}
    return found, each < IDLE_LIMIT


def trickle(
    server: subprocess.Popen[bytes], port: int, count: int, timeout: float = HEADER_TIMEOUT
) -> tuple[Found, bool]:
    """Many connections that send a head at one byte a second, and a client that does not; gone after `timeout`."""
    used = cpu_seconds(server.pid)
    alone = latencies(port, min(timeout, 5.0))
    per_request = (cpu_seconds(server.pid) - used) / len(alone)
    clients = [connect(port) for _ in range(count)]
    began, used = time.monotonic(), cpu_seconds(server.pid)
    gone: dict[int, float] = {}
    beside: list[float] = []
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ)
        for beat in range(int(timeout) + 4):
            for client in clients:
                if client.fileno() not in gone:
                    try:
                        client.send(REQUEST[beat % 20 : beat % 20 + 1])
                    except OSError:
                        gone.setdefault(client.fileno(), time.monotonic() - began)
            beside += latencies(port, 0.8)
            time.sleep(max(began + beat + 1 - time.monotonic(), 0))
            for key, _ in selector.select(0):
                gone.setdefault(key.fd, time.monotonic() - began)
                selector.unregister(key.fileobj)
    spent = cpu_seconds(server.pid) - used - len(beside) * per_request
    for client in clients:
        client.close()
    last = max(gone.values(), default=0.0)
    found = {
        "trickling connections": f"{count:,}",
        "gone by their deadline": f"{len(gone):,}",
        "the last after": f"{last:.1f} s",
        "median latency beside them": f"{middle(beside):.2f} ms (alone {middle(alone):.2f} ms)",
        "CPU of the server, less what the ordinary client took": f"{spent / (time.monotonic() - began):.1%}",
    }
    return found, len(gone) == count


def latencies(port: int, seconds: float) -> list[float]:
    """Milliseconds of each request of an ordinary client, for some seconds."""
    taken = []
    with connect(port) as client:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.perf_counter()
            ask(client)
            taken.append((time.perf_counter() - began) * 1000)
            time.sleep(0.001)
    return taken


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def finished(port: int) -> None:
    with connect(port) as client:
        ask(client)


def told_to_close(port: int) -> None:
    with connect(port, REQUEST[:-2] + b"Connection: close\r\n\r\n") as client:
        while client.recv(4096):
            pass


def reset(port: int) -> None:
    with connect(port, REQUEST[:20]) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def half_closed(port: int) -> None:
    with connect(port, REQUEST) as client:
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass


def vanished(port: int) -> None:
    connect(port).close()


def refused(port: int) -> None:
    with connect(port, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n") as client:
        while client.recv(4096):
            pass


def body_broken_off(port: int) -> None:
    connect(port, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf").close()


KINDS: list[Callable[[int], None]] = [
    finished, told_to_close, reset, half_closed, vanished, refused, body_broken_off,
]  # fmt: skip


def churn(server: subprocess.Popen[bytes], port: int, count: int) -> tuple[Found, bool]:
    """Connections of all sorts, one after the other; of every hundred one is left to time out."""
    get(port, "/test")
    time.sleep(0.5)  # until that connection has gone
    base = descriptors(server.pid)
    marks: list[tuple[int, int]] = []
    parts = 10 if count >= 10_000 else 3
    for part in range(parts):
        left_open = []
        for number in range(count // parts):
            if number % 100 == 99:
                left_open.append(connect(port, REQUEST[:20]))
            else:
                KINDS[number % len(KINDS)](port)
        for client in left_open:
            while client.recv(4096):  # the 408, then the end
                pass
            client.close()
        until = time.monotonic() + 5
        while descriptors(server.pid) > base and time.monotonic() < until:
            time.sleep(0.05)  # the last ones are still being closed
        marks.append((descriptors(server.pid), resident(server.pid)))
        done = (part + 1) * count // parts
        say(f"{done:,} connections: {marks[-1][0]} descriptors, {marks[-1][1] / MIB:.1f} MiB")
    growth = marks[-1][1] - marks[1][1]
    found = {
        "connections": f"{count:,}",
        "descriptors before, and after all": f"{base}, {marks[-1][0]}",
        "memory after the second part, and after all": f"{marks[1][1] / MIB:.1f} MiB, {marks[-1][1] / MIB:.1f} MiB",
    }
    return found, marks[-1][0] <= base and growth < GROWTH_LIMIT
