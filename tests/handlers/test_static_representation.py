"""A representation: what is sent of a file while that is changed, and what is held of it until it has left."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from handlers.static import Static, representation
from handlers.static.disk import Disk
from handlers.static.representation import PIECE, SMALL, Representation, represent
from handlers.static.tree import Busy, Opened
from reactor import FileBody, Server
from reactor.testing import Reply, TestClient

from .. import wire
from .sites import BIG, Clock, answer_of, clock, opened, port_of, put, replace, root, serving

__all__ = ["clock", "root"]  # fixtures

LARGE = 12 << 20  # bytes: more than two sockets hold
PATTERN = bytes(range(251)) * (LARGE // 251 + 1)
SEVERAL = {"Range": "bytes=0-9,100000-179999,-10"}
ASKS = pytest.mark.parametrize("fields", ["", f"Range: bytes=0-9,1000-{LARGE - 1}\r\n"], ids=["whole", "parts"])


def parts_of(reply: Reply) -> list[tuple[str | None, bytes]]:
    head = f"Content-Type: {reply.headers['Content-Type']}\r\n\r\n".encode()
    message: Any = message_from_bytes(head + reply.body, policy=policy.HTTP)
    return [(part["Content-Range"], part.get_payload(decode=True)) for part in message.iter_parts()]


@contextmanager
def begun(root: Path, fields: str) -> Iterator[tuple[socket.socket, Server]]:
    """A client that has asked for all of "large" and got its first bytes, and the server."""
    put(root, {"large": PATTERN[:LARGE]})
    with Server(Static(root), bind="127.0.0.1:0") as server, wire.connect(port_of(server), 65536) as client:
        client.sendall(f"GET /large HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
        assert client.recv(12, socket.MSG_PEEK).startswith(b"HTTP/1.1 20")
        yield client, server


# What is sent while the file changes.


@ASKS
@pytest.mark.parametrize(
    "change",
    [
        lambda path: replace(path, b"another"),
        lambda path: path.unlink(),
        lambda path: path.rename(path.with_name("elsewhere")),
        lambda path: path.chmod(0),
        lambda path: os.truncate(path, 2 * LARGE),
    ],
    ids=["replaced", "unlinked", "renamed", "chmodded", "longer"],
)
def test_what_was_promised_is_sent_whole(root: Path, fields: str, change: Callable[[Path], None]) -> None:
    with begun(root, fields) as (client, server):
        change(root / "large")
        with wire.connect(port_of(server)) as other:  # which has the cache look anew
            other.sendall(b"HEAD /large HTTP/1.1\r\nHost: x\r\n\r\n")
            wire.read_response(other, "HEAD")
        body = wire.read_response(client).body
        assert PATTERN[1000:LARGE] in body if fields else body == PATTERN[:LARGE]


@ASKS
def test_what_is_cut_off_ends_visibly(root: Path, fields: str, caplog: pytest.LogCaptureFixture) -> None:
    with begun(root, fields) as (client, server):
        os.truncate(root / "large", 100)
        with pytest.raises((EOFError, ConnectionResetError)):
            wire.read_response(client)
        with wire.connect(port_of(server)) as other:
            other.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.read_response(other).body == PATTERN[:100]
    assert "cut off" in caplog.text or "early" in caplog.text or "iterator raised" in caplog.text


def test_a_client_that_leaves_leaves_nothing_open(root: Path) -> None:
    with begun(root, "") as (client, server):
        wire.reset(client)
        with wire.connect(port_of(server)) as other:
            other.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            assert len(wire.read_response(other).body) == LARGE
    assert opened(root / "large") == 0


# What is held.


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=5-"}, SEVERAL])
def test_an_answer_outlives_the_cache_and_the_handler(root: Path, clock: Clock, headers: dict[str, str]) -> None:
    put(root, {"a": b"x" * BIG, "b": b"y" * BIG})
    static = Static(root, open_files=1)
    first, second = answer_of(static, "/a", headers), answer_of(static, "/a", headers)
    assert opened(root / "a") == 1
    answer_of(static, "/b").close()
    assert [opened(root / name) for name in "ab"] == [1, 1]
    static.shutdown()
    assert [opened(root / name) for name in "ab"] == [1, 0]
    first.close()
    first.close()  # which is nothing
    assert opened(root / "a") == 1
    second.close()
    assert opened(root / "a") == 0


def test_a_closed_body_asks_nobody(root: Path) -> None:
    put(root, {"a": b"x" * BIG})
    static = Static(root)
    body = answer_of(static, "/a").body
    assert isinstance(body, FileBody)
    body.close()
    assert body.prepare(0, 1) is None
    static.shutdown()


def test_what_is_not_sent_is_not_held(root: Path, clock: Clock) -> None:
    put(root, {"a": b"x" * BIG})
    with serving(root) as client:
        tag = client.get("/a").headers["ETag"]
        for name, value, status in [("If-None-Match", tag, 304), ("If-Match", '"x"', 412), ("Range", "bytes=-0", 416)]:
            reply = client.get("/a", {name: value})
            assert (reply.status, len(reply.body) < 100) == (status, True)
        assert client.head("/a", {"Range": "bytes=0-1"}).headers["Content-Length"] == str(BIG)
        assert client.get("/a", {"Range": "bytes=0-1", "If-Range": '"x"'}).status == 200
        assert client.get("/a", {"Range": "lines=0-1"}).status == 200
    assert opened(root / "a") == 0


def test_what_is_said_of_the_file_is_not_said_of_a_refusal(root: Path) -> None:
    """A cache may keep whatever says for how long."""
    put(root, {"a": b"x" * BIG})
    with serving(root, cache_control="max-age=60", headers=("X-A: 1",)) as client:
        for name, value, status in [("If-Match", '"x"', 412), ("Range", "bytes=-0", 416)]:
            reply = client.get("/a", {name: value})
            assert (reply.status, reply.headers["Cache-Control"], reply.headers["X-A"]) == (status, None, "1")
        told = client.get("/a", {"If-None-Match": "*"}).headers.get_all("Cache-Control")
        assert told == ["max-age=60"]


# In parts.


@pytest.mark.parametrize("size", [SMALL, SMALL + 1, BIG])
def test_parts_are_those_of_the_file(root: Path, size: int) -> None:
    data = PATTERN[:size]
    put(root, {"a": data})
    with serving(root) as client:
        one = client.get("/a", {"Range": "bytes=10-9999"})
        assert (one.status, one.body) == (206, data[10:10000])
        assert one.headers["Content-Range"] == f"bytes 10-9999/{size}"
        several = client.get("/a", {"Range": "bytes=500-599,0-0,-7"})
        assert several.status == 206
        assert parts_of(several) == [
            (f"bytes 500-599/{size}", data[500:600]),
            (f"bytes 0-0/{size}", data[:1]),
            (f"bytes {size - 7}-{size - 1}/{size}", data[-7:]),
        ]
        assert several.headers["Content-Length"] == str(len(several.body))


def test_long_parts_come_in_pieces(root: Path) -> None:
    put(root, {"a": PATTERN[:BIG]})
    static = Static(root)
    response = answer_of(static, "/a", SEVERAL)
    pieces: Any = response.body
    sizes = [len(piece) for piece in pieces]
    assert max(sizes) == PIECE
    assert sum(sizes) == response.length
    response.close()
    static.shutdown()


# How it is read.


def test_an_empty_file(root: Path) -> None:
    put(root, {"a.txt": b""})
    with serving(root) as client:
        for headers in ({}, {"Range": "bytes=0-"}):
            reply = client.get("/a.txt", headers)
            assert (reply.status, reply.body, reply.headers["Content-Length"]) == (200, b"", "0")
            assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("modified", [-5_000_000_000.5, -1, 0, 2**31, 4e9])
def test_dates_of_long_ago_and_not_yet(root: Path, modified: float) -> None:
    put(root, {"a": "a", "b": b"b" * BIG})
    for name in "ab":
        os.utime(root / name, (modified, modified))
    with serving(root) as client:
        for name in "ab":
            date = client.get(f"/{name}").headers["Last-Modified"]
            assert (date is None) == (modified > 1e9)
            assert date is None or client.get(f"/{name}", {"If-Modified-Since": date}).status == 304


def small(path: Path) -> Opened:
    fd = os.open(path, os.O_RDONLY)
    return Opened(fd, os.fstat(fd))


@pytest.mark.parametrize(("writes", "more"), [(0, b""), (1, b"more"), (2, b"more"), (3, b"more"), (3, b"x" * SMALL)])
def test_a_file_that_is_being_written_is_read_again(
    root: Path, clock: Clock, writes: int, more: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And taken as it is, under a weak tag, if it does not rest; but not if it has become large meanwhile."""
    put(root, {"a": "a"})
    left = [more] * writes
    original = os.pread

    def pread(fd: int, count: int, offset: int) -> bytes:
        data = original(fd, count, offset)
        if left:
            with (root / "a").open("ab") as file:
                file.write(left.pop())
        return data

    monkeypatch.setattr(os, "pread", pread)
    with serving(root) as client:
        reply = client.get("/a")
    if len(more) > SMALL // 2:
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    else:
        assert (reply.status, reply.body) == (200, b"a" + more * min(writes, 2))
        assert reply.headers["ETag"].startswith('W/"') == (writes == 3)


@pytest.mark.parametrize("broken", ["", "br", "gzip"])
def test_when_one_coding_fails_no_descriptor_is_lost(root: Path, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, {"a": b"x" * BIG, "a.br": "br", "a.gz": b"x" * BIG})
    found = [(coding, small(root / name)) for coding, name in [("", "a"), ("br", "a.br"), ("gzip", "a.gz")]]

    class Failing(Representation):
        __slots__ = ()

        def __init__(self, path: str, file: Opened, content_type: str, coding: str, *rest: Any) -> None:
            if coding == broken:
                os.close(file.fd)
                raise Busy(path)
            super().__init__(path, file, content_type, coding, *rest)

    monkeypatch.setattr(representation, "Representation", Failing)
    with pytest.raises(Busy):
        represent("a", found, "text/plain", (), Disk())
    assert [opened(root / name) for name in ("a", "a.br", "a.gz")] == [0, 0, 0]


def test_nothing_of_a_file_is_read_before_it_is_asked_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, {"a": b"x" * BIG})

    def read(*_: Any) -> Any:
        raise AssertionError("it is read")

    with monkeypatch.context() as patch, TestClient(Static(root)) as client:
        patch.setattr(os, "pread", read)
        assert client.head("/a").headers["Content-Length"] == str(BIG)
