"""Uploads over real sockets: several at once, what breaks off, who is killed, and curl."""

import signal
import socket
import subprocess
from pathlib import Path

import pytest

from handlers.static import incoming, uploads
from handlers.static.uploads import Uploads
from reactor import Server

from .. import wire
from ..conftest import absent, need
from ..program import Program
from .test_static_uploads import KEPT, Box, content, kind, later, port_of, put, root

__all__ = ["kind", "later", "root"]  # fixtures


def begin(sock: socket.socket, path: str, size: int, fields: str = "") -> None:
    """The head of a PUT, and the first byte of its body once it is wanted, or else refused."""
    sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{fields}".encode())
    sock.sendall(b"Expect: 100-continue\r\n\r\n")
    if sock.recv(25, socket.MSG_PEEK).startswith(b"HTTP/1.1 100"):
        wire.read_response(sock)
        sock.sendall(b"a")


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize(("fields", "status"), [("", 409), ("If-None-Match: *\r\n", 412)])
@pytest.mark.parametrize("path", ["/new", "/folder/new"])
def test_of_two_who_create_a_file_at_once_one_does(root: Path, path: str, fields: str, status: int) -> None:
    with Server(Box(root), bind="127.0.0.1:0") as server:
        with wire.connect(port_of(server)) as first, wire.connect(port_of(server)) as second:
            begin(first, path, 2, fields)
            begin(second, path, 2, fields)
            second.sendall(b"2")
            assert wire.read_response(second).status == 201
            first.sendall(b"1")
            assert wire.read_response(first).status == status
    assert content(root) == {"kept": KEPT, path[1:]: b"a2"}


@pytest.mark.usefixtures("kind")
def test_of_several_processes_who_create_a_file_at_once_one_does(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process does between our look and our link: nobody sees it coming."""
    monkeypatch.setattr(Uploads, "find", lambda *_: None)
    assert put(root, "/kept").status == 409
    assert content(root) == {"kept": KEPT}


@pytest.mark.usefixtures("later", "kind")
def test_of_two_who_replace_a_file_at_once_one_does(root: Path) -> None:
    tag = put(root, "/new", b"").headers["etag"]
    with Server(Box(root), bind="127.0.0.1:0") as server:
        with wire.connect(port_of(server)) as first, wire.connect(port_of(server)) as second:
            begin(first, "/new", 2, f"If-Match: {tag}\r\n")
            begin(second, "/new", 2, f"If-Match: {tag}\r\n")
            second.sendall(b"2")
            assert wire.read_response(second).status == 204
            first.sendall(b"1")
            assert wire.read_response(first).status == 412
    assert content(root) == {"kept": KEPT, "new": b"a2"}


@pytest.mark.usefixtures("kind")
def test_what_breaks_off_leaves_nothing(root: Path) -> None:
    with Server(Box(root), bind="127.0.0.1:0") as server:
        for end in (socket.socket.close, wire.reset):
            with wire.connect(port_of(server)) as sock:
                begin(sock, "/new", 100)
                end(sock)
        with wire.connect(port_of(server)) as sock:
            begin(sock, "/new", 100)
    assert content(root) == {"kept": KEPT}


def test_files_on_their_way_in_are_bounded_in_number(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "UNDER_WAY_LIMIT", 1)
    box = Box(root)
    with Server(box, bind="127.0.0.1:0") as server, wire.connect(port_of(server)) as first:
        begin(first, "/first", 2)
        with wire.connect(port_of(server)) as second:
            begin(second, "/second", 2)
            answer = wire.read_response(second)
            assert (answer.status, answer.field("Retry-After")) == (503, "1")
        first.sendall(b"b")
        assert wire.read_response(first).status == 201
        assert not box.uploads.under_way


def test_a_process_that_is_killed_leaves_nothing(root: Path) -> None:
    if not incoming._NAMELESS:
        absent("this system has no files without a name")
    (root.parent / "box.py").write_text("from tests.handlers.test_static_uploads import Box\n")
    with Program(f"box.py:Box:root={root}", cwd=root.parent) as program:
        with wire.connect(int(program.url.rpartition(":")[2])) as sock:
            begin(sock, "/new", 2)
            assert program.stop(signal.SIGKILL) == -signal.SIGKILL
    assert content(root) == {"kept": KEPT}


def curl(*arguments: str) -> tuple[int, int]:
    """The status of the answer that curl got, and how many bytes of a body it sent."""
    write = ["-o", "/dev/null", "-w", "%{http_code} %{size_upload}"]
    command = [need("curl"), "-sS", "--max-time", "10", *write, *arguments]
    said = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.split()
    return int(said[0]), int(said[1])


def test_curl_puts_a_file_and_is_refused_before_it_sends_one(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 3_000_000)
    expect = ["-H", "Expect: 100-continue", "--expect100-timeout", "9", "-T", str(source)]
    with Server(Box(root, limit=5_000_000), bind="127.0.0.1:0") as server:
        assert curl("-T", str(source), f"{server.url}/folder/") == (201, 3_000_000)
        assert curl("-T", str(source), "-H", "Transfer-Encoding: chunked", f"{server.url}/chunked")[0] == 201
        assert curl(*expect, f"{server.url}/waited") == (201, 3_000_000)
        assert curl(*expect, f"{server.url}/kept") == (409, 0)
        assert curl(*expect, "-H", "If-None-Match: *", f"{server.url}/kept") == (412, 0)
        source.write_bytes(b"x" * 5_000_001)
        assert curl(*expect, f"{server.url}/large") == (413, 0)
        assert curl("-T", str(source), "-H", "Transfer-Encoding: chunked", f"{server.url}/large")[0] == 413
    sizes = {name: len(each) for name, each in content(root).items()}
    assert sizes == {"kept": len(KEPT), "folder/source": 3_000_000, "chunked": 3_000_000, "waited": 3_000_000}
