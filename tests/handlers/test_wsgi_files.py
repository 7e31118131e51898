"""`wsgi.file_wrapper`: what the kernel sends, what is read, and that everything is closed."""

import gzip
import io
import os
import tempfile
from collections.abc import Iterable
from http.client import IncompleteRead
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper as ForeignWrapper

import pytest

from .apps import BOTH, TEXT, App, Environ, answering, ask, opened

pytestmark = pytest.mark.parametrize("threads", BOTH, ids=["loop", "threads"])


def sending(file: Any, headers: Iterable[tuple[str, str]] = TEXT, status: str = "200 OK") -> App:
    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response(status, list(headers))
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file, 4)
        return wrapped

    return app


@pytest.mark.parametrize("kind", ["buffered", "raw", "writable", "temporary"])
def test_a_file_is_sent_by_the_kernel(threads: int, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    if kind == "temporary":
        file: Any = tempfile.NamedTemporaryFile()  # noqa: SIM115  # the server closes it
        file.write(b"0123456789")
        file.seek(2)
    else:
        file = opened(path, {"buffered": "rb", "raw": "rb", "writable": "r+b"}[kind], -1 if kind != "raw" else 0)
        file.read(2)
    reply = ask(sending(file), threads)
    assert (reply.body, reply.headers["Content-Length"]) == (b"23456789", "8")
    assert file.closed


def test_a_file_has_the_length_that_was_said(threads: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    file = opened(path)
    assert ask(sending(file, [("Content-Length", "4")]), threads).body == b"0123"
    assert file.closed
    file = opened(path)
    with pytest.raises(IncompleteRead):
        ask(sending(file, [("Content-Length", "11")]), threads)
    assert file.closed


def test_a_file_where_no_body_is_wanted(threads: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    for method, status in ("HEAD", "200 OK"), ("GET", "304 Not Modified"):
        file = opened(path)
        assert ask(sending(file, [("Content-Length", "10")], status), threads, method).body == b""
        assert file.closed


def test_what_the_kernel_cannot_send_is_read(threads: int, tmp_path: Path) -> None:
    packed = tmp_path / "file.gz"
    packed.write_bytes(gzip.compress(b"unpacked"))
    (tmp_path / "empty").write_bytes(b"")
    files: list[tuple[Any, bytes]] = [
        (io.BytesIO(b"in memory"), b"in memory"),
        (gzip.GzipFile(packed), b"unpacked"),  # its descriptor is of something else
        (io.BufferedReader(gzip.GzipFile(packed)), b"unpacked"),
        (opened(Path("/proc/self/comm")), Path("/proc/self/comm").read_bytes()),  # says that it has 0 bytes
    ]
    for file, content in [*files, (opened(tmp_path / "empty"), b"")]:
        assert ask(sending(file), threads).body == content
        assert file.closed

    class Bare:
        def read(self, size: int) -> bytes:
            return pieces.pop() if pieces else b""

    pieces = [b"two", b"one"]
    assert ask(sending(Bare()), threads).body == b"onetwo"
    with open(packed, "rb") as file:
        assert ask(answering(ForeignWrapper(file)), threads).body == packed.read_bytes()


def test_a_file_behind_what_was_written(threads: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"file")

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", TEXT)(b"a ")
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](opened(tmp_path / "file"))
        return wrapped

    assert ask(app, threads).body == b"a file"


def test_a_pipe_is_read(threads: int) -> None:
    reader, writer = os.pipe()
    with open(writer, "wb") as into:
        into.write(b"through a pipe")
    file = os.fdopen(reader, "rb")  # the server closes it
    assert ask(sending(file), threads).body == b"through a pipe"
    assert file.closed


def test_a_file_without_a_start(threads: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"file")
    file = opened(tmp_path / "file")

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
        return wrapped

    assert ask(app, threads).status == 500
    assert file.closed
