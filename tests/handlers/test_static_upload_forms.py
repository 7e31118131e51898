"""Uploads from a form: which files are put where, all of them or none, and from whose pages."""

import errno
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from handlers.static import incoming, uploads
from reactor import Server
from reactor.testing import Reply, TestClient

from .. import wire
from ..conftest import need
from .test_static_forms import form
from .test_static_uploads import KEPT, Box, FaultyOs, content, kind, port_of, root

__all__ = ["kind", "root"]  # fixtures

TYPE = "multipart/form-data; boundary=xyz"
FIELD = (b'Content-Disposition: form-data; name="note"', b"text")


def file(name: str, data: bytes = b"new", field: str = "file") -> tuple[bytes, bytes]:
    """A part as browsers send it."""
    return f'Content-Disposition: form-data; name="{field}"; filename="{name}"'.encode(), data


def post(
    root: Path, body: Any, path: str = "/", headers: dict[str, str] | None = None, **options: Any
) -> Reply:
    with TestClient(Box(root, **options)) as client:
        return client.post(path, body, {"Content-Type": TYPE, **(headers or {})})


def pieces(body: bytes, size: int = 1) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("path", ["/", "/folder/"])
@pytest.mark.parametrize("size", [0, 1, 1000])
def test_the_files_of_a_form_are_put_where_it_is_posted(root: Path, path: str, size: int) -> None:
    body = form(FIELD, file("one", b"1" * 5000), file("two", b"", "other"), FIELD, file("grüße %22.txt"))
    reply = post(root, pieces(body, size) if size else body, path)
    assert (reply.status, reply.headers["location"], reply.text) == (303, "?uploaded=3", "files that arrived: 3\n")
    names = {"one": b"1" * 5000, "two": b"", 'grüße ".txt': b"new"}
    assert content(root) == {"kept": KEPT, **{path[1:] + name: each for name, each in names.items()}}


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("/etc/name", "name"), ("C:\\\\Users\\\\me\\\\name", "name"), ("../../name", "name"), ("..\\\\name", "name"),
        ("a/b\\\\name", "name"), ("%41", "%41"), ("x" * 255, "x" * 255), ("-rf *", "-rf *"), ("a: b", "a: b"),
    ],
)  # fmt: skip
def test_of_a_name_the_last_segment_counts(root: Path, sent: str, name: str) -> None:
    assert post(root, form(file(sent.replace("\\\\", "\\")))).status == 303
    assert content(root.parent) == {"outside": b"", "root/kept": KEPT, f"root/{name}": b"new"}


@pytest.mark.parametrize(
    ("parts", "status", "text"),
    [
        ([file("")], 409, "no file was chosen"),
        ([file("a"), file("")], 409, "no file was chosen"),
        ([file("a"), file("kept")], 409, "kept: there is a file of this name already; nothing was uploaded"),
        ([file("a"), file("folder")], 409, "it is no file"),
        ([file("a"), file(".hidden")], 409, "hidden"),
        ([file("a"), file("x/..")], 409, "a file has a name"),
        ([file("a"), file(".")], 409, "a file has a name"),
        ([file("a"), file("folder/")], 409, "a file has a name"),
        ([file("a"), file("b%0Ac")], 409, "no control characters"),
        ([file("a"), file("b\x7f")], 400, "control character"),
        ([file("a"), file("x" * 256)], 403, "the name is too long"),
        ([file("a"), FIELD, file("a")], 409, "a: the form has two files of this name"),
        ([file("a"), (b"X: y", b"")], 400, "cannot be read"),
        ([FIELD], 400, "there is no file in the form"),
        ([], 400, "no file"),
        ([file("a"), (FIELD[0], b"x" * uploads.FIELDS_LIMIT), FIELD], 413, "in no file"),
        ([file(str(number)) for number in range(uploads.FILES_LIMIT + 1)], 413, "at most 100 files"),
    ],
)  # fmt: skip
def test_a_form_is_put_in_place_as_a_whole_or_not_at_all(
    root: Path, parts: list[tuple[bytes, bytes]], status: int, text: str
) -> None:
    reply = post(root, form(*parts))
    assert (reply.status, reply.text.count("\n")) == (status, 1)
    assert text in reply.text
    assert content(root) == {"kept": KEPT}


def test_a_form_that_has_no_end_is_400_and_nothing_is_put(root: Path) -> None:
    assert post(root, form(file("a"))[:-6]).status == 400
    assert content(root) == {"kept": KEPT}


@pytest.mark.usefixtures("kind")
def test_a_form_replaces_files_where_the_option_says_so(root: Path) -> None:
    assert post(root, form(file("kept"), file("b")), overwrite=True).status == 303
    assert content(root) == {"kept": b"new", "b": b"new"}


def test_a_form_as_large_as_can_be_and_one_that_is_larger(root: Path) -> None:
    body = form(file("a"))
    assert post(root, body, limit=len(body) - 1).status == 413
    assert post(root, pieces(body), limit=len(body) - 1).status == 413
    assert content(root) == {"kept": KEPT}
    assert post(root, body, limit=len(body)).status == 303


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/missing/", {}, 404), ("/kept/", {}, 404), ("//", {}, 404), ("/../", {}, 404), ("/folder//", {}, 404),
        ("/.git/", {}, 404), ("/", {"Content-Encoding": "gzip"}, 415),
        ("/", {"Content-Type": "multipart/form-data"}, 400),
    ],
)  # fmt: skip
def test_what_cannot_be_posted_is_refused(root: Path, path: str, headers: dict[str, str], status: int) -> None:
    (root / ".git").mkdir()
    assert post(root, form(file("a")), path, headers).status == status
    assert content(root) == {"kept": KEPT}


@pytest.mark.parametrize(
    ("path", "content_type"), [("/folder", TYPE), ("/", "text/plain"), ("/", "multipart/mixed; boundary=x")]
)
def test_all_else_is_left_to_others(root: Path, path: str, content_type: str) -> None:
    assert post(root, form(file("a")), path, {"Content-Type": content_type}).text == "not for uploads\n"


def test_what_the_system_refuses_half_way_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [1]

    def link(*arguments: Any, **keywords: Any) -> None:
        if not left.pop():
            raise OSError(errno.ENOSPC, "")
        left.append(0)
        os.link(*arguments, **keywords)

    faulty = FaultyOs()
    monkeypatch.setattr(faulty, "link", link, raising=False)
    monkeypatch.setattr(incoming, "os", faulty)
    reply = post(root, form(file("a"), file("b"), file("c")))
    assert (reply.status, reply.text) == (507, "there is no room left; of 3 files, 1 arrived\n")
    assert content(root) == {"kept": KEPT, "a": b"new"}


# Whose page it is.


@pytest.mark.parametrize(
    ("headers", "is_taken"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://other"}, True),  # behind a proxy that has another name
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": ""}, False),
        ({"Sec-Fetch-Site": "same-origin, cross-site"}, False),
        ({"Origin": "http://Box.example:8000"}, True),
        ({"Origin": "https://box.example:8000"}, True),
        ({"Origin": "http://box.example"}, False),
        ({"Origin": "http://box.example:8001"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://evil.example/box.example:8000"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
    ],
)
def test_a_form_of_another_sites_page_is_403(root: Path, headers: dict[str, str], is_taken: bool) -> None:
    reply = post(root, form(file("a")), headers={"Host": "box.EXAMPLE:8000", **headers})
    assert reply.status == (303 if is_taken else 403)
    assert ("a" in content(root)) == is_taken


def test_without_a_host_no_page_is_ours(root: Path) -> None:
    body = form(file("a"))
    with Server(Box(root), bind="127.0.0.1:0") as server, wire.connect(port_of(server)) as sock:
        head = f"POST / HTTP/1.0\r\nOrigin: null\r\nContent-Type: {TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        sock.sendall(head.encode() + body)
        assert wire.read_response(sock).status == 403
    assert content(root) == {"kept": KEPT}


# Over the wire.


def test_curl_posts_files_and_is_refused_before_it_sends_them(root: Path, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"\r\n--x" * 700_000)
    (tmp_path / "böse").write_bytes(bytes(range(256)))
    fields = ["-F", f"file=@{tmp_path / 'large'}", "-F", "note=x", "-F", f"file=@{tmp_path / 'böse'};filename=bö%22se"]

    def curl(*arguments: str) -> str:
        write = ["-o", "/dev/null", "-w", "%{http_code} %{size_upload} %{redirect_url}"]
        command = [need("curl"), "-sS", "--max-time", "10", *write, *fields, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout.strip()

    expect = ["-H", "Expect: 100-continue", "--expect100-timeout", "9"]
    with Server(Box(root, limit=4_000_000), bind="127.0.0.1:0") as server:
        said = curl(*expect, f"{server.url}/folder/").split()
        assert (said[0], said[2]) == ("303", f"{server.url}/folder/?uploaded=2")
        assert curl(f"{server.url}/folder/").split()[0] == "409"
        assert curl(*expect, f"{server.url}/missing/") == "404 0"
        assert curl(*expect, "-H", "Origin: http://evil.example", server.url) == "403 0"
        (tmp_path / "large").write_bytes(b"x" * 4_000_000)
        assert curl(*expect, server.url) == "413 0"
    expected = {"kept": KEPT, "folder/large": b"\r\n--x" * 700_000, 'folder/bö"se': bytes(range(256))}
    assert content(root) == expected


@pytest.mark.usefixtures("kind")
def test_a_form_that_breaks_off_leaves_nothing(root: Path) -> None:
    body = form(file("a"), file("b", b"x" * 1000))
    with Server(Box(root), bind="127.0.0.1:0") as server:
        for at in (len(body) - 100, 200, 100):
            with wire.connect(port_of(server)) as sock:
                head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
                sock.sendall(head.encode() + body[:at])
                wire.reset(sock)
    assert content(root) == {"kept": KEPT}
