"""A large body in each direction: what the server's memory does meanwhile, and how fast it goes.

Each has a server of its own, which has said hello before; growth is what it took beyond that, at the most.
"""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loadtest.scale import MIB, TARGET, peak, resident, say
from loadtest.servers import HOST, get, running

GROWTH_LIMIT = 10 * MIB  # bytes
INTERVAL = 0.05  # seconds between two looks at the memory
PIECE = 256 * 1024  # bytes sent, or asked for, at once
CHUNK = bytes(64 * 1024)
PATIENCE = 120.0  # seconds without anything

Sample = tuple[float, int]  # seconds since the transfer began, bytes beyond what the idle server has


@dataclass
class Transfer:
    """`size` bytes in `seconds`; `growth` (bytes, at the most) and `samples` of the server's memory meanwhile."""

    size: int
    seconds: float
    growth: int
    samples: list[Sample]


def upload(port: int, size: int) -> int:
    """Send `size` bytes with a Content-Length; returns how many the server says came."""
    return _post(port, _parts(size), {"Content-Length": str(size)})


def upload_chunked(port: int, size: int) -> int:
    """Send `size` bytes in chunks; returns how many the server says came."""
    return _post(port, _chunks(size), {"Transfer-Encoding": "chunked"})


def _parts(size: int) -> Iterator[bytes]:
    piece = bytes(PIECE)
    for _ in range(size // PIECE):
        yield piece
    yield piece[: size % PIECE]


def _chunks(size: int) -> Iterator[bytes]:
    framed = b"%x\r\n%b\r\n" % (len(CHUNK), CHUNK)
    for _ in range(size // len(CHUNK)):
        yield framed
    if rest := size % len(CHUNK):
        yield b"%x\r\n%b\r\n" % (rest, CHUNK[:rest])
    yield b"0\r\n\r\n"


def _post(port: int, body: Iterator[bytes], headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        connection.request("POST", "/sink", body, headers, encode_chunked=False)
        return int(connection.getresponse().read())
    finally:
        connection.close()


def download_file(port: int, size: int) -> int:
    """Take `size` bytes of a file; returns how many came."""
    return _get(port, f"/file?size={size}")


def download_iterator(port: int, size: int) -> int:
    """Take `size` bytes of an iterator, chunked; returns how many came."""
    return _get(port, f"/iterator?size={size}")


def _get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    buffer = bytearray(PIECE)
    taken = 0
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        while count := response.readinto(buffer):
            taken += count
        return taken
    finally:
        connection.close()


KINDS: dict[str, Callable[[int, int], int]] = {
    "upload": upload,
    "chunked upload": upload_chunked,
    "download of a file": download_file,
    "download of an iterator": download_iterator,
}


def transfer(size: int) -> dict[str, Transfer]:
    """Each kind once; RuntimeError where not all bytes arrived."""
    found = {}
    for name, move in KINDS.items():
        with running("reactor", TARGET, "--no-access-log", "--log-level", "warning") as (server, port):
            found[name] = _watch(server.pid, port, move, size)
        if found[name].size != size:
            raise RuntimeError(f"{name}: {found[name].size:,} bytes of {size:,} arrived")
        say(f"{name}: {found[name].seconds:.1f} s, {found[name].growth / MIB:+.1f} MiB")
    return found


def _watch(pid: int, port: int, move: Callable[[int, int], int], size: int) -> Transfer:
    get(port, "/test")
    base = resident(pid)
    samples: list[Sample] = []
    is_over = threading.Event()
    began = time.monotonic()

    def look() -> None:
        while not is_over.wait(INTERVAL):
            samples.append((time.monotonic() - began, resident(pid) - base))

    observer = threading.Thread(target=look)
    observer.start()
    try:
        moved = move(port, size)
        seconds = time.monotonic() - began
    finally:
        is_over.set()
        observer.join()
    return Transfer(moved, seconds, peak(pid) - base, samples)


def is_constant(found: dict[str, Transfer]) -> bool:
    """Whether no transfer took more memory than it may."""
    return all(each.growth <= GROWTH_LIMIT for each in found.values())


def table(found: dict[str, Transfer]) -> str:
    """A row for each kind."""
    lines = ["| transfer | MiB | MiB/s | memory, at the most |", "|---|--:|--:|--:|"]
    lines += [
        f"| {name} | {each.size / MIB:,.0f} | {each.size / MIB / each.seconds:,.0f} | {each.growth / MIB:+.1f} MiB |"
        for name, each in found.items()
    ]
    return "\n".join(lines)
