"""Uploads by PUT: what is put where, what is refused and when, and that nothing is left of what did not arrive."""

import errno
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import time
from typing import Any

import pytest

from handlers.static import incoming, tree, uploads
from handlers.static.tree import Tree
from handlers.static.uploads import Uploads
from reactor import Request, Response, Server
from reactor.testing import Reply, TestClient

KEPT = b"a file that is there"


class Box:
    """Nothing but uploads into `root`."""

    def __init__(self, root: Path, *, limit: int = 0, overwrite: bool = False, dotfiles: bool = False) -> None:
        self.tree = Tree(root, dotfiles=dotfiles)
        self.uploads = Uploads(self.tree, limit=limit, overwrite=overwrite)
        self.on_head = self.uploads.on_head

    def __call__(self, request: Request) -> Response:
        return Response(404, "not for uploads\n")

    def shutdown(self) -> None:
        self.tree.close()


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A root with a file and a folder; whatever is uploaded, no descriptor is left open."""
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    (root / "kept").write_bytes(KEPT)
    (tmp_path / "outside").write_bytes(b"")
    before = sorted(os.listdir("/proc/self/fd"))
    yield root
    assert sorted(os.listdir("/proc/self/fd")) == before


def put(root: Path, path: str, body: Any = b"new", headers: dict[str, str] | None = None, **options: Any) -> Reply:
    with TestClient(Box(root, **options)) as client:
        return client.put(path, body, headers or {})


def content(root: Path) -> dict[str, bytes]:
    """All files below `root`, hidden ones too."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def port_of(server: Server) -> int:
    port: int = server.endpoints[0].sock.getsockname()[1]
    return port


class FaultyOs:
    """The os module as one of ours sees it: some calls of it fail, each with its errno."""

    def __init__(self, **faults: int) -> None:
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        number = self._faults.get(name)
        return getattr(os, name) if number is None else partial(self._fail, number)

    @staticmethod
    def _fail(number: int, *_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))


@pytest.fixture(params=["nameless", "hidden", "linkless"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the file system can: files without a name; links; or neither."""
    kind: str = request.param
    if kind != "nameless":
        monkeypatch.setattr(incoming, "_NAMELESS", 0)
    if kind == "linkless":
        monkeypatch.setattr(incoming, "os", FaultyOs(link=errno.EPERM))
    return kind


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ten seconds later: what was written before is settled, and its tag is strong."""
    monkeypatch.setattr(uploads, "time", lambda: time() + 10)


# What is put in place.


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/new", "new"), ("/folder/new", "folder/new"), ("/gr%C3%BC%C3%9Fe", "grüße"), ("/a%20b", "a b"), ("/~", "~"),
        ("/a%5Cb", "a\\b"), ("/%ff", os.fsdecode(b"\xff")), ("/" + "x" * 255, "x" * 255), ("/%22%3Cb%3E", '"<b>'),
        ("/.well-known", ".well-known"), ("http://host/new?query", "new"),
    ],
)  # fmt: skip
def test_a_new_file_is_201_and_where_it_says(root: Path, path: str, name: str) -> None:
    umask = os.umask(0o026)
    try:
        reply = put(root, path)
    finally:
        os.umask(umask)
    assert (reply.status, reply.text) == (201, "3 bytes are here\n")
    assert reply.headers["location"] == path.removeprefix("http://host").partition("?")[0].replace("%ff", "%FF")
    assert content(root) == {"kept": KEPT, name: b"new"}
    assert (root / name).stat().st_mode == 0o100640


def test_the_location_knows_where_the_handler_is_mounted(root: Path) -> None:
    box = Box(root)
    head = TestClient(box)
    mounted = TestClient(lambda request: box.on_head(request.below("/a b")).finish())  # type: ignore[union-attr]  # a sink
    assert mounted.put("/a%20b/folder/new").headers["location"] == "/a%20b/folder/new"
    assert head.get("/folder/new").status == 404
    box.shutdown()


@pytest.mark.parametrize("body", [b"", [b""], [b"a"], [b"half ", b"half"], b"x" * 300_000, [b"x" * 70_000] * 5])
def test_a_file_has_the_bytes_that_came(root: Path, body: Any) -> None:
    expected = body if isinstance(body, bytes) else b"".join(body)
    assert put(root, "/new", body).text == f"{len(expected)} bytes are here\n"
    assert content(root) == {"kept": KEPT, "new": expected}


def test_a_write_that_takes_only_some_bytes_is_gone_on_with(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data[:7])))
    put(root, "/new", b"0123456789" * 5)
    assert content(root)["new"] == b"0123456789" * 5


@pytest.mark.usefixtures("later")
def test_the_tag_of_an_answer_is_the_files_and_changes_with_it(root: Path) -> None:
    first = put(root, "/new").headers["etag"]
    assert first.startswith('"')
    second = put(root, "/new", b"two", {"If-Match": first})
    assert (second.status, second.body) == (204, b"")
    assert put(root, "/new", b"three", {"If-Match": first}).status == 412
    assert content(root)["new"] == b"two"
    assert put(root, "/new", b"three", {"If-Match": f'"x", {second.headers["etag"]}'}).status == 204
    assert content(root)["new"] == b"three"


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("headers", [{"If-Match": "*"}, {"If-Unmodified-Since": "Sun, 06 Nov 2094 08:49:37 GMT"}])
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_file_is_replaced_if_that_is_allowed(root: Path, headers: dict[str, str], overwrite: bool) -> None:
    (root / "kept").chmod(0o750)
    reply = put(root, "/kept", headers=headers, overwrite=overwrite)
    if overwrite or "If-Match" in headers:
        assert (reply.status, reply.body) == (204, b"")
        assert content(root) == {"kept": b"new"}
    else:
        assert reply.status == 409
        assert "If-Match" in reply.text
        assert content(root) == {"kept": KEPT}
    assert (root / "kept").stat().st_mode == 0o100750


# What is refused.


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/kept", {}, 409),
        ("/kept", {"If-None-Match": "*"}, 412),
        ("/kept", {"If-Match": '"other"'}, 412),
        ("/kept", {"If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}, 412),
        ("/new", {"If-Match": "*"}, 412),
        ("/", {}, 409), ("/folder", {}, 409), ("/folder/", {}, 409), ("/new/", {}, 409), ("/kept/new", {}, 409),
        ("/missing/new", {}, 409), ("/folder//new", {}, 409), ("//new", {}, 409), ("/./new", {}, 409),
        ("/../new", {}, 409), ("/folder/../new", {}, 409), ("/folder%2f..%2f..%2fnew", {}, 409), ("/%00/new", {}, 409),
        ("/.hidden/new", {}, 409), ("/link", {}, 409), ("/linked/new", {}, 409), ("/fifo", {}, 409),
        ("/.hidden", {}, 403), ("/folder/.upload-1", {}, 403), ("/.", {}, 403), ("/..", {}, 403),
        ("/folder/..", {}, 403), ("/a%00b", {}, 403), ("/a%0Ab", {}, 403), ("/%7f", {}, 403),
        ("/" + "x" * 256, {}, 403),
        ("/new", {"Content-Range": "bytes 0-2/3"}, 400),
        ("/new", {"Content-Encoding": "gzip"}, 415),
    ],
)  # fmt: skip
def test_what_cannot_be_put_is_refused(root: Path, path: str, headers: dict[str, str], status: int) -> None:
    (root / "link").symlink_to("../outside")
    (root / "linked").symlink_to("..")
    os.mkfifo(root / "fifo")
    before = content(root.parent)
    reply = put(root, path, headers=headers)
    assert (reply.status, reply.text.count("\n")) == (status, 1)
    assert content(root.parent) == before
    is_allowed = path == "/kept" and not headers
    assert put(root, path, headers=headers, overwrite=True).status == (204 if is_allowed else status)


def test_what_is_said_about_codings(root: Path) -> None:
    assert put(root, "/new", headers={"Content-Encoding": "br"}).headers["accept-encoding"] == "identity"
    assert put(root, "/new", headers={"Content-Encoding": "Identity"}).status == 201


@pytest.mark.parametrize("body", [b"12345678901", [b"1234567", b"8901"]])
def test_what_is_too_large_is_413_and_gone(root: Path, body: Any) -> None:
    assert put(root, "/new", b"1234567890", limit=10).status == 201
    assert put(root, "/large", body, limit=10).status == 413
    assert set(content(root)) == {"kept", "new"}


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/new"), ("DELETE", "/kept")])
def test_all_else_is_left_to_others(root: Path, method: str, path: str) -> None:
    with TestClient(Box(root)) as client:
        assert client.request(method, path).text == "not for uploads\n"


def test_hidden_names_are_taken_where_nothing_is_hidden(root: Path) -> None:
    assert put(root, "/.hidden", dotfiles=True).status == 201
    assert put(root, "/..", dotfiles=True).status == 403


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EFBIG, 413), (errno.EROFS, 403), (errno.EACCES, 403),
        (errno.EMFILE, 503), (errno.ENOENT, 409), (errno.EILSEQ, 403), (errno.EIO, 500),
    ],
)  # fmt: skip
@pytest.mark.parametrize("call", ["open", "write", "link", "replace", "fchmod"])
def test_whatever_the_system_refuses_nothing_is_left(
    root: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, status: int
) -> None:
    monkeypatch.setattr(incoming, "os", FaultyOs(**{call: number}))
    is_only_to_replace = call in ("replace", "fchmod")
    with TestClient(Box(root, overwrite=True)) as client:
        replies = [client.put(path, b"data").status for path in ("/kept", "/new")]
    assert replies == [status, 201 if is_only_to_replace else status]
    assert content(root) == ({"kept": KEPT, "new": b"data"} if is_only_to_replace else {"kept": KEPT})


@pytest.mark.parametrize(("number", "status"), [(errno.EACCES, 403), (errno.EMFILE, 503), (errno.ENOENT, 409)])
def test_a_folder_that_cannot_be_opened_is_an_answer(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    with TestClient(Box(root)) as client:
        monkeypatch.setattr(tree, "os", FaultyOs(open=number))
        assert client.put("/folder/new", b"x").status == status


def test_where_neither_links_nor_renames_work_nothing_is_left(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "_NAMELESS", 0)
    monkeypatch.setattr(incoming, "os", FaultyOs(link=errno.EPERM, replace=errno.ENOSPC))
    assert put(root, "/new").status == 507
    assert content(root) == {"kept": KEPT}


def test_a_file_has_a_hidden_name_where_it_must_have_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_named(path: Any, flags: int, *arguments: Any, **keywords: Any) -> int:
        if flags & incoming._NAMELESS == incoming._NAMELESS:
            raise OSError(errno.EOPNOTSUPP, "")
        return os.open(path, flags, *arguments, **keywords)

    faulty = FaultyOs()
    monkeypatch.setattr(faulty, "open", open_named, raising=False)
    monkeypatch.setattr(incoming, "os", faulty)
    folder = os.open(root, os.O_RDONLY)
    file = incoming.Incoming(folder)
    hidden = set(content(root)) - {"kept"}
    assert [name.startswith(".upload-") for name in hidden] == [True]
    file.close()
    assert content(root) == {"kept": KEPT}
    file = incoming.Incoming(folder)
    for path in root.glob(".upload-*"):
        path.unlink()  # somebody tidies up
    file.close()
    os.close(folder)
    assert put(root, "/new").status == 201
