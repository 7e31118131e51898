"""What many connections cost: memory when they are idle, time when they trickle, and what is left when they are gone.

    python3 -m loadtest.scale idle [--connections 10000]
    python3 -m loadtest.scale trickle [--connections 1000]
    python3 -m loadtest.scale churn [--connections 100000]

Each starts a server of its own, prints what it found as a Markdown table, and exits with 1 where a bound is passed.
"""

import argparse
import os
import resource
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from loadtest.servers import HOST, get, running

REQUEST = b"GET /test HTTP/1.1\r\nHost: localhost\r\n\r\n"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds
HEADER_TIMEOUT = 10.0  # seconds, the server's default
IDLE_LIMIT = 8 * 1024  # bytes a connection
GROWTH_LIMIT = 1024 * 1024  # bytes after all connections of a churn

Found = dict[str, str]


def resident(pid: int) -> int:
    """Bytes of memory of a process."""
    fields = Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()
    return int(fields[0]) * 1024


def descriptors(pid: int) -> int:
    """Open descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(port: int, data: bytes = b"") -> socket.socket:
    """A connection that has sent `data`."""
    client = socket.create_connection((HOST, port), timeout=30)
    if data:
        client.sendall(data)
    return client


def ask(client: socket.socket) -> None:
    """One request and its answer."""
    client.sendall(REQUEST)
    answer = client.recv(4096)
    if not answer.startswith(b"HTTP/1.1 200") or not answer.endswith(b"Hello"):
        raise RuntimeError(f"not the answer: {answer!r}")


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
        print(f"{(part + 1) * count // parts:,} connections: {marks[-1][0]} descriptors, "
              f"{marks[-1][1] / 2**20:.1f} MiB", file=sys.stderr)  # fmt: skip
    growth = marks[-1][1] - marks[1][1]
    found = {
        "connections": f"{count:,}",
        "descriptors before, and after all": f"{base}, {marks[-1][0]}",
        "memory after the second part, and after all": f"{marks[1][1] / 2**20:.1f} MiB, {marks[-1][1] / 2**20:.1f} MiB",
    }
    return found, marks[-1][0] <= base and growth < GROWTH_LIMIT


COMMANDS: dict[str, tuple[Callable[[subprocess.Popen[bytes], int, int], tuple[Found, bool]], int, list[str]]] = {
    "idle": (idle, 10_000, []),
    "trickle": (trickle, 1_000, []),
    "churn": (churn, 100_000, ["--timeout-header", "1s", "--timeout-linger", "1s"]),
}


def main() -> int:
    """Run one of them and print what it found."""
    parser = argparse.ArgumentParser(prog="python3 -m loadtest.scale", description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument("--connections", type=int)
    options = parser.parse_args()
    measure, count, flags = COMMANDS[options.what]
    count = options.connections or count
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # ours, and the server inherits it
    with running("reactor", "--no-access-log", *flags) as (server, port):
        found, is_good = measure(server, port, count)
    print("| what | found |\n|---|---|")
    for what, value in found.items():
        print(f"| {what} | {value} |")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
