"""The disk: what is not in memory is read by a thread, the loop goes on meanwhile, and all of it arrives."""

import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.static import Static, disk
from handlers.static.disk import STEP, Disk
from reactor import Later, Server

from .. import wire
from ..conftest import absent
from .sites import opened, port_of, put, root, serving

__all__ = ["root"]  # a fixture

LARGE = 8 << 20  # bytes
DATA = bytes(range(251)) * (LARGE // 251 + 1)
SEVERAL = {"Range": "bytes=0-9,100000-4999999,-10"}
HEAD = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"


def evict(path: Path) -> None:
    """Have the system forget what it has in memory of a file."""
    fd = os.open(path, os.O_RDWR)
    try:
        os.fsync(fd)
        for _ in range(100):  # a page that another processor is about to list is not forgotten at once
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            if disk.tells(fd) and not disk.is_in_memory(fd, LARGE // 2):
                return
            time.sleep(0.01)
        absent("the file system of the tests does not say what is in memory")
    finally:
        os.close(fd)


class Asked:
    """Says of each place in a file that it is not in memory, the first time, or always. Attributes: `places`."""

    def __init__(self, is_for_ever: bool = False) -> None:
        self.places: list[int] = []
        self._is_for_ever = is_for_ever

    def __call__(self, fd: int, offset: int) -> bool:
        is_known = offset in self.places and not self._is_for_ever
        self.places.append(offset)
        return is_known


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    monkeypatch.setattr(disk, "is_in_memory", asked)
    monkeypatch.setattr("handlers.static.representation.tells", lambda _: True)
    return asked


class Gate:
    """Holds the threads that read until it is opened. Attribute `reached`: one of them is there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self._is_open = threading.Event(), threading.Event()
        original = disk._read

        def read(*arguments: Any) -> None:
            self.reached.set()
            assert self._is_open.wait(wire.DEADLINE)
            original(*arguments)

        monkeypatch.setattr(disk, "_read", read)

    def open(self) -> None:
        self._is_open.set()


@pytest.fixture
def gate(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.open()


@pytest.fixture
def file(root: Path) -> Iterator[int]:
    """A descriptor of "large"."""
    put(root, {"large": DATA[:LARGE]})
    fd = os.open(root / "large", os.O_RDONLY)
    yield fd
    os.close(fd)


def wait(later: Later) -> None:
    answered = threading.Event()
    later.attach(answered.set)
    assert answered.wait(wire.DEADLINE)


def end(own: Disk) -> None:
    """Close it and wait for its threads."""
    own.close()
    if own._pool is not None:
        own._pool.shutdown()


# With a disk.


def test_what_is_not_in_memory_is_read_into_it(root: Path, file: int) -> None:
    evict(root / "large")
    own = Disk()
    later = own.prepare(file, STEP, 3 * STEP)
    assert later is not None
    wait(later)
    assert later.value is None
    assert own.prepare(file, STEP, 3 * STEP) is None
    end(own)


def test_what_is_at_one_end_only_is_not_all_there(root: Path, file: int) -> None:
    evict(root / "large")
    os.pread(file, 1, 0)
    own = Disk()
    assert own.prepare(file, 0, 1) is None
    later = own.prepare(file, 0, LARGE)
    assert later is not None
    wait(later)
    end(own)


@pytest.mark.parametrize("fields", ["", f"Range: bytes=5-{LARGE - 7}\r\n", "Range: bytes=0-9,1000000-7999999\r\n"])
def test_all_of_it_arrives_from_the_disk(root: Path, fields: str) -> None:
    put(root, {"large": DATA[:LARGE], "small": "small"})
    evict(root / "large")
    with Server(Static(root), bind="127.0.0.1:0") as server, wire.connect(port_of(server), 65536) as client:
        client.sendall(f"GET /large HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
        with wire.connect(port_of(server)) as other:
            for _ in range(100):
                other.sendall(HEAD % b"/small")
                assert wire.read_response(other).body == b"small"
        body = wire.read_response(client).body
    if "," in fields:
        assert DATA[:10] in body
        assert DATA[1000000:8000000] in body
    else:
        assert body == (DATA[5 : LARGE - 6] if fields else DATA[:LARGE])


def test_where_nobody_can_tell_it_counts_as_in_memory(
    root: Path, file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> int:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", fail)
        assert Disk().prepare(file, 0, LARGE) is None
        with serving(root) as client:
            assert client.get("/large").body == DATA[:LARGE]
    with monkeypatch.context() as patch:
        patch.setattr(disk, "_NOWAIT", 0)  # as on a system that has no such word
        patch.setattr(os, "preadv", None)
        with serving(root) as client:
            assert client.get("/large", {"Range": "bytes=1-"}).body == DATA[1:LARGE]


def test_what_is_in_memory_asks_no_thread(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "ThreadPoolExecutor", None)
    fd = os.memfd_create("large")
    os.write(fd, DATA[:LARGE])
    assert Disk().prepare(fd, 0, LARGE) is None
    os.close(fd)


# With one that is played.


@pytest.mark.parametrize("is_for_ever", [False, True], ids=["once", "for ever"])
@pytest.mark.parametrize("headers", [{}, {"Range": f"bytes=5-{LARGE - 7}"}, SEVERAL], ids=["whole", "one", "several"])
def test_all_of_it_arrives(
    root: Path, headers: dict[str, str], is_for_ever: bool, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is said that a place is not there: one that cannot be read never will be."""
    monkeypatch.setattr(disk, "is_in_memory", answers := Asked(is_for_ever))
    put(root, {"large": DATA[:LARGE]})
    with serving(root) as client:
        body = client.get("/large", headers).body
    if headers == SEVERAL:
        assert [part in body for part in (DATA[:10], DATA[100000:5000000], DATA[LARGE - 10 : LARGE])] == [True] * 3
    else:
        assert body == (DATA[5 : LARGE - 6] if headers else DATA[:LARGE])
    assert len(answers.places) > 4


def test_head_does_not_ask(root: Path, asked: Asked) -> None:
    put(root, {"large": DATA[:LARGE], "small": "small"})
    with serving(root) as client:
        client.head("/large")
        client.get("/large", {"If-None-Match": "*"})
        client.get("/small")
    assert asked.places == []


def test_the_loop_goes_on_while_the_disk_is_asked(root: Path, gate: Gate) -> None:
    put(root, {"large": DATA[:LARGE], "small": "small"})
    with Server(Static(root), bind="127.0.0.1:0") as server:
        with wire.connect(port_of(server)) as client, wire.connect(port_of(server)) as other:
            client.sendall(HEAD % b"/large")
            assert gate.reached.wait(wire.DEADLINE)
            for _ in range(10):
                other.sendall(HEAD % b"/small")
                assert wire.read_response(other).body == b"small"
            gate.open()
            assert wire.read_response(client).body == DATA[:LARGE]


@pytest.mark.parametrize("fields", [b"", b"Range: bytes=0-9,1000000-7999999\r\n"], ids=["whole", "parts"])
def test_who_leaves_while_the_disk_is_asked_leaves_nothing(root: Path, gate: Gate, fields: bytes) -> None:
    put(root, {"large": DATA[:LARGE], "small": "small"})
    static = Static(root)
    with Server(static, bind="127.0.0.1:0") as server:
        with wire.connect(port_of(server)) as client:
            client.sendall((HEAD % b"/large")[:-2] + fields + b"\r\n")
            assert gate.reached.wait(wire.DEADLINE)
            wire.reset(client)
        with wire.connect(port_of(server)) as other:
            other.sendall(HEAD % b"/small")
            assert wire.read_response(other).body == b"small"
    gate.open()
    end(static._disk)
    assert opened(root / "large") == 0


def test_several_wait_for_the_disk_at_once(root: Path, asked: Asked) -> None:
    put(root, {f"large{number}": DATA[:LARGE] for number in range(6)})
    with Server(Static(root), bind="127.0.0.1:0") as server:
        clients = [wire.connect(port_of(server)) for _ in range(6)]
        for number, client in enumerate(clients):
            client.sendall(HEAD % f"/large{number}".encode())
        for client in clients:
            assert wire.read_response(client).body == DATA[:LARGE]
            client.close()
