"""Static: what it makes of a path, also below a prefix, names to save by, and what it says when the system fails."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from handlers.router import Router
from handlers.static import Static, disposition
from handlers.static.cache import AGE
from reactor import Response
from reactor.testing import Reply, TestClient

from ..program import ROOT, environment
from .pages import Page
from .sites import BIG, Clock, clock, put, root, serving

__all__ = ["clock", "root"]  # fixtures


def get(root: Path, target: str, headers: Any = (), **options: Any) -> Reply:
    with serving(root, **options) as client:
        return client.get(target, headers)


# Paths.


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/sub", "/sub/"),
        ("/sub?", "/sub/?"),
        ("/sub?a=%2F&b=//evil", "/sub/?a=%2F&b=//evil"),
        ("/a%20b", "/a%20b/"),
        ("/%C3%A9?x", "/%C3%A9/?x"),
        ("/%FF", "/%FF/"),
        ("/a%0D%0AX:%20y", "/a%0D%0AX:%20y/"),
        ("/%5Cevil", "/%5Cevil/"),
        ("/./sub", "/sub/"),
        ("http://evil.example/sub?x", "/sub/?x"),
    ],
)
def test_a_directory_has_a_slash_behind_it(root: Path, target: str, location: str) -> None:
    for name in (b"sub", b"a b", "é".encode(), b"\xff", b"a\r\nX: y", b"\\evil"):
        os.mkdir(os.path.join(os.fsencode(root), name))
    reply = get(root, target)
    assert (reply.status, reply.headers["Location"], reply.body) == (301, location, b"")


@pytest.mark.parametrize(
    "target",
    ["//", "//sub", "//sub/", "/sub//", "//evil.example/%2e%2e", "/sub%2fa", "/sub%2Fa?x", "/%2Fsub", "/sub/.",
     "/sub/..", "/sub/%2e%2e/sub/a", "/sub/a/", "/sub/a/b", "/a%00"],
)  # fmt: skip
def test_paths_with_another_reading_are_missing(root: Path, target: str) -> None:
    put(root, {"sub/a": "a"})
    assert get(root, target).status == 404


def test_a_query_may_have_anything(root: Path) -> None:
    put(root, {"sub/a": "a"})
    assert get(root, "/sub/a?%2F%00//../").text == "a"
    assert get(root, "/sub/./a").text == "a"
    assert get(root, "/./sub/././").status == 200


# Downloads.


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a.txt", "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt"),
        ("/x/a b;c.txt", "attachment; filename=\"a b;c.txt\"; filename*=UTF-8''a%20b%3Bc.txt"),
        ('/"q"\\%41', "attachment; filename=\"_q___41\"; filename*=UTF-8''%22q%22%5C%2541"),
        ("/é€", "attachment; filename=\"_____\"; filename*=UTF-8''%C3%A9%E2%82%AC"),
        ("/\udcff\r\n\0\x7f", "attachment; filename=\"_____\"; filename*=UTF-8''%FF%0D%0A%00%7F"),
        ("/", "attachment; filename=\"index.html\"; filename*=UTF-8''index.html"),
    ],
)
def test_names_to_save_by(path: str, expected: str) -> None:
    assert disposition(path) == expected
    Response(200, headers={"Content-Disposition": disposition(path)})


def test_download(root: Path) -> None:
    put(root, {"a": "abc", "big": b"x" * BIG, "sub/b": ""})
    with serving(root) as client:
        for target, sent, status, is_told in [
            ("/a?download", {}, 200, True),
            ("/a?x&download=1", {"Range": "bytes=0-0"}, 206, True),
            ("/big?download", {}, 200, True),
            ("/a?download", {"If-None-Match": "*"}, 304, False),
            ("/a?download", {"If-Match": '"x"'}, 412, False),
            ("/a?download", {"Range": "bytes=9-"}, 416, False),
            ("/nope?download", {}, 404, False),
            ("/sub?download", {}, 301, False),
            ("/a?downloads", {}, 200, False),
            ("/a", {}, 200, False),
        ]:
            reply = client.get(target, sent)
            assert (reply.status, reply.headers["Content-Disposition"] is not None) == (status, is_told), target
        assert len(client.get("/big?download").body) == BIG
        assert client.head("/big?download").headers["Content-Length"] == str(BIG)


# Below a prefix.


def test_mounted_below_a_prefix(root: Path) -> None:
    put(root, {"sub/a": "a", "sub/deep/b": "b", "404.html": "<p>gone", "index/index.html": "index"})
    router = Router()
    router.mount("/files", Static(root, upload=True))
    with TestClient(router) as client:
        assert client.get("/files/sub/a").text == "a"
        assert client.get("/files/index/").text == "index"
        assert client.get("/files/sub?x").headers["Location"] == "/files/sub/?x"
        assert client.get("/files?x=/").headers["Location"] == "/files/?x=/"
        page = Page(client.get("/files/sub/deep/").text)
        assert [href for href, _ in page.crumbs] == ["../../", "../", "./"]
        assert [row[0] for row in page.rows] == ["../", "b"]
        assert Page(client.get("/files/").text).names == ["index/", "sub/", "404.html"]
        assert (client.get("/files/nope").status, client.get("/files/nope").text) == (404, "<p>gone")
        assert client.get("/sub/a").text == "Not Found\n"
        assert [client.get(f"/files/{path}").status for path in ("/evil.example/", "/sub", "%2Fsub")] == [404] * 3
        put_there = client.put("/files/sub/new", "new")
        assert (put_there.status, put_there.headers["Location"]) == (201, "/files/sub/new")
        assert client.put("/files/nowhere/new", "new").status == 409
        assert client.request("OPTIONS", "/files/sub/a").headers["Allow"] == "GET, HEAD, OPTIONS, POST, PUT"
    assert (root / "sub" / "new").read_bytes() == b"new"


def test_two_roots_are_two_sites(root: Path) -> None:
    put(root, {"one/a": "one", "two/a": "two"})
    router = Router()
    router.mount("/two", Static(root / "two"))
    router.mount("/", Static(root / "one"))
    with TestClient(router) as client:
        assert [client.get(path).text for path in ("/a", "/two/a", "/a", "/two/a")] == ["one", "two", "one", "two"]


# Where the system fails.


def failing(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    """Whenever `name` is opened below a root, that is what the system says."""
    original = os.open

    def fail(path: Any, *arguments: Any, **options: Any) -> int:
        if path == os.fsencode(name):
            raise OSError(code, os.strerror(code))
        return original(path, *arguments, **options)

    monkeypatch.setattr(os, "open", fail)


@pytest.mark.parametrize("path", ["/a", "/sub/", "/sub", "/page/", "/packed"])
@pytest.mark.parametrize(("code", "status"), [(errno.EACCES, 403), (errno.EMFILE, 503), (errno.EIO, 500)])
def test_what_the_system_refuses(
    root: Path, path: str, code: int, status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(root, {"a": "a", "sub/b": "", "page/index.html": "", "404.html": "gone"})
    put(root, {"packed": "p", "packed.br": "", "packed.gz": ""})
    name = {"/page/": "index.html", "/packed": "packed.gz"}.get(path, path.strip("/"))
    with serving(root) as client:
        with monkeypatch.context() as patch:
            failing(patch, name, code)
            reply = client.get(path)
        if (path, code) == ("/packed", errno.EACCES):
            assert reply.text == "p"  # it can be had as it is
        else:
            assert reply.status == status
            assert reply.headers["Retry-After"] == ("1" if status == 503 else None)
            assert ("Input/output error" in caplog.text) == (status == 500)
        assert client.get(path).status == (301 if path == "/sub" else 200)


@pytest.mark.parametrize(("code", "status"), [(errno.EMFILE, 503), (errno.EIO, 500)])
def test_a_listing_that_cannot_be_begun(
    root: Path, code: int, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> Any:
        raise OSError(code, os.strerror(code))

    with serving(root) as client:
        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", fail)
            assert client.get("/").status == status
        assert client.get("/").status == 200


def test_what_stands_in_may_be_refused_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, {"404.html": "gone"})
    with serving(root) as client:
        for code in (errno.EACCES, errno.EMFILE):
            with monkeypatch.context() as patch:
                failing(patch, "404.html", code)
                assert (client.get("/nope").status, client.get("/nope").text) == (404, "Not Found\n")
        assert client.get("/nope").text == "gone"


def test_what_is_in_memory_is_sent_without_a_descriptor(
    root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    put(root, {"a": "a", "b": "b", "big": b"x" * BIG})
    with serving(root) as client:
        client.get("/big")
        client.get("/a")
        clock.passed += AGE  # so that it is to be opened again
        with monkeypatch.context() as patch:
            patch.setattr(os, "open", fail)
            assert [client.get(path).status for path in ("/a", "/b", "/big")] == [200, 503, 503]
            (root / "a").write_bytes(b"changed")
            assert client.get("/a").status == 503
        assert client.get("/a").text == "changed"


def test_when_descriptors_run_out_the_cache_gives_its_own_back(root: Path) -> None:
    """In a process of its own, for the limit is the process's."""
    put(root, {f"big{number}": b"x" * BIG for number in range(40)})
    done = subprocess.run([sys.executable, "-c", RUN_OUT, str(root)], cwd=ROOT, env=environment(), capture_output=True,
                          text=True, timeout=60)  # fmt: skip
    assert done.stdout == "200 503 1 200\n", done.stderr


RUN_OUT = f"""
import os, resource, sys
from pathlib import Path
from handlers.static import Static
from reactor.testing import TestClient

with TestClient(Static(Path(sys.argv[1]))) as client:
    limit = len(os.listdir("/proc/self/fd")) + 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    replies = []
    while not replies or replies[-1].status == 200:
        replies.append(client.get(f"/big{{len(replies)}}"))
    again = client.get("/big30")
    assert len(again.body) == {BIG}
    print(replies[-2].status, replies[-1].status, replies[-1].headers["Retry-After"], again.status)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone may become somebody else")
def test_a_file_that_its_mode_forbids(root: Path) -> None:
    put(root, {"a": "a", "open": "open"})
    with serving(root) as client:
        assert client.get("/a").status == 200
        (root / "a").chmod(0)
        root.chmod(0o755)
        os.seteuid(65534)
        try:
            assert [client.get(path).status for path in ("/a", "/open")] == [403, 200]
        finally:
            os.seteuid(0)
        assert client.get("/a").text == "a"
