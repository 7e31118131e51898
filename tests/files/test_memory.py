"""Memory: a file of 1 GiB, to fifty who read slowly and to one who reads it all, costs the server none."""

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from loadtest.scale import descriptors, peak, resident
from tests import wire
from tests.program import DEADLINE, Program

from .clients import KIB, MIB, serving

SIZE = 1024 * MIB
READERS = 50
SIP = 64 * KIB  # bytes that a slow reader takes at once
ROUNDS, PAUSE = 20, 0.1  # how often, and how many seconds they wait in between
GROWTH = 10 * MIB  # bytes of memory, at most


@pytest.fixture
def server(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """A server of 1 GiB of nothing, which takes no room on the disk; measured without the coverage that would grow."""
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    with (site / "large").open("wb") as file:
        file.truncate(SIZE)
    (site / "small").write_bytes(b"small")
    with serving(site) as program:
        for _ in range(3):
            assert get(program, "/small") == 5
        yield program


def port(program: Program) -> int:
    return int(program.url.rpartition(":")[2])


def get(program: Program, path: str) -> int:
    """How many bytes an answer has, none of which are kept here."""
    space = bytearray(MIB)
    with closing(http.client.HTTPConnection("127.0.0.1", port(program), timeout=DEADLINE)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        total = 0
        while count := answer.readinto(space):
            total += count
        return total


def test_a_whole_download_takes_no_memory(server: Program) -> None:
    before = peak(server.process.pid)
    assert get(server, "/large") == SIZE
    assert peak(server.process.pid) - before < GROWTH


def test_slow_readers_take_no_memory(server: Program) -> None:
    pid = server.process.pid
    before = resident(pid)
    opened = descriptors(pid)
    with ExitStack() as stack:
        readers = [stack.enter_context(wire.connect(port(server), receive_buffer=SIP)) for _ in range(READERS)]
        for reader in readers:
            reader.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert sip(readers, pid) - before < GROWTH
        assert descriptors(pid) - opened <= 2 * READERS + 5, "a socket each, and a file each at most"
        assert get(server, "/small") == 5  # and nobody is held up by them


def take(reader: socket.socket) -> None:
    """SIP bytes."""
    wanted = SIP
    while wanted:
        data = reader.recv(wanted)
        assert data, "the server has left"
        wanted -= len(data)


def sip(readers: list[socket.socket], pid: int) -> int:
    """Let each take SIP bytes and wait, again and again; the server's memory at most."""
    most = 0
    for _ in range(ROUNDS):
        for reader in readers:
            take(reader)
        most = max(most, resident(pid))
        time.sleep(PAUSE)  # which is what makes them slow
    return max(most, resident(pid))
