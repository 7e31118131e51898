"""Every case of the table over one kept connection a site, to a server on real files."""

import os
import re
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from handlers.router import Router
from handlers.static import Static
from reactor import Server

from ..wire import DEADLINE, Answer, connect, read_response
from .cases import ANY, CASES, FILES, LINKS, MODIFIED, OLDER, PIPES, SECRET, SITES, Case, Parts

RACY = 0.05  # seconds after a change until a tag is strong: longer than any kernel's clock takes for a tick
CODINGS = ("br", "gzip", "zstd")


def build(folder: Path) -> Path:
    """The site of the table, and the secret beside it; returns when its files have a past."""
    root = folder / "site"
    for name, data in FILES.items():
        path = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        os.utime(path, (MODIFIED, MODIFIED - (name == OLDER)))
    for name, target in LINKS.items():
        os.symlink(target, os.path.join(os.fsencode(root), name))
    (folder / "secret.txt").write_bytes(SECRET)
    for name in PIPES:
        os.mkfifo(os.path.join(os.fsencode(root), name))
    with socket.socket(socket.AF_UNIX) as special:
        special.bind(str(root / "socket"))
    made = time.time()
    while time.time() < made + RACY:
        pass
    return root


class Sites:
    """The servers, by the name of a site, each started when it is first asked, and a connection to each."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self._root = root
        self._stack = stack
        self._ports: dict[str, int] = {}
        self._connections: dict[str, socket.socket] = {}
        self._tags: dict[str, str] = {}

    def ask(self, site: str, method: str, target: str, sent: dict[str, str]) -> Answer:
        """One request on the site's connection; it must stay open, unless the answer says something else."""
        fields = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        request = f"{method} {target} HTTP/1.1\r\nHost: any.example\r\n{fields}\r\n"
        client = self._connection(site)
        client.sendall(request.encode("latin-1"))
        answer = read_response(client, method)
        if answer.field("Connection") == "close":
            assert client.recv(1) == b""
            self._connections.pop(site)
        return answer

    def filled(self, text: str) -> str:
        """The text with entity-tags where their places are."""
        return re.sub(r"\{([^{} ]+) ?([a-z]*)\}", lambda place: self.tag(place[1], place[2]), text)

    def tag(self, name: str, coding: str = "") -> str:
        key = f"{name} {coding}"
        if key not in self._tags:
            answer = self.ask("plain", "HEAD", f"/{quote(name)}", {"Accept-Encoding": coding})
            assert answer.field("Content-Encoding") == (coding or None)
            self._tags[key] = answer.field("ETag") or ""
            assert re.fullmatch(r'"[!#-~]+"', self._tags[key]), "the tag of a file that is old is strong"
        return self._tags[key]

    def _connection(self, site: str) -> socket.socket:
        if site not in self._ports:
            handler = Static(root=self._root, **SITES[site])
            server = self._stack.enter_context(Server(handler, bind="127.0.0.1:0"))
            self._ports[site] = int(server.url.rstrip("/").rpartition(":")[2])
        if site not in self._connections:
            self._connections[site] = self._stack.enter_context(connect(self._ports[site]))
        return self._connections[site]


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    with ExitStack() as stack:
        yield Sites(build(tmp_path_factory.mktemp("cases")), stack)


def test_there_are_as_many_cases_as_names() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 200


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, sites: Sites) -> None:
    sent = {name: sites.filled(value) for name, value in case.sent.items()}
    answer = sites.ask(case.site, case.method, case.target, sent)
    assert answer.status == case.status, answer
    for name, value in case.told.items():
        if value == ANY:
            assert answer.field(name), name
        else:
            assert answer.field(name) == (None if value is None else sites.filled(value)), name
    if isinstance(case.body, Parts):
        whole, kind = FILES[case.body.file], case.body.kind
        assert parts_of(answer) == [
            (kind, f"bytes {start}-{stop - 1}/{len(whole)}", whole[start:stop]) for start, stop in case.body.spans
        ]
    elif case.body is not None:
        assert answer.body == case.body
    look_at_what_holds_always(answer)


def look_at_what_holds_always(answer: Answer) -> None:
    """What every answer of a server of files is, whatever was asked."""
    assert SECRET not in answer.body
    if answer.field("Accept-Ranges") is not None:  # a file, or a part of one
        assert answer.status in (200, 206)
        assert answer.field("Accept-Ranges") == "bytes"
        assert answer.field("X-Content-Type-Options") == "nosniff"
        assert answer.field("Content-Type")
        assert answer.field("Last-Modified")
        assert re.fullmatch(r'"[!#-~]+"', answer.field("ETag") or "")
    if answer.status == 304:
        assert not any(name.startswith("Content-") for name, _ in answer.fields)
    if answer.status == 416:
        assert re.fullmatch(r"bytes \*/[0-9]+", answer.field("Content-Range") or "")


def parts_of(answer: Answer) -> list[tuple[str, str, bytes]]:
    """The parts of a multipart/byteranges body, each with its Content-Type and Content-Range."""
    kind, _, boundary = (answer.field("Content-Type") or "").partition("; boundary=")
    assert kind == "multipart/byteranges"
    first, *parts, last = (b"\r\n" + answer.body).split(f"\r\n--{boundary}".encode())
    assert (first, last) == (b"", b"--\r\n")
    found = []
    for part in parts:
        head, _, data = part.partition(b"\r\n\r\n")
        fields = dict(line.split(": ") for line in head.decode().removeprefix("\r\n").split("\r\n"))
        found.append((fields["Content-Type"], fields["Content-Range"], data))
    return found


WITHOUT_RANGE = [case for case in CASES if case.method == "GET" and "Range" not in case.sent]


@pytest.mark.parametrize("case", WITHOUT_RANGE, ids=lambda case: case.name)
def test_head_is_get_without_the_body(case: Case, sites: Sites) -> None:
    sent = {name: sites.filled(value) for name, value in case.sent.items()}
    get, head = (sites.ask(case.site, method, case.target, sent) for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (get.status, b"")
    of_the_stream = ("Date", "Transfer-Encoding")  # RFC 9110 9.3.2: what is known only with the body may be left out
    of_get, of_head = (
        [field for field in answer.fields if field[0] not in of_the_stream] for answer in (get, head)
    )  # fmt: skip
    assert of_head == of_get


def test_a_folder_below_a_prefix_is_found_below_it(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_bytes(b"mounted")
    router = Router()
    router.mount("/files", Static(root=tmp_path))
    with Server(router, bind="127.0.0.1:0") as server, connect_to(server) as client:
        client.sendall(b"GET /files/sub?x HTTP/1.1\r\nHost: x\r\n\r\nGET /files/sub/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_response(client).field("Location") == "/files/sub/?x"
        assert read_response(client).body == b"mounted"


def test_each_encoding_has_a_tag_of_its_own(sites: Sites) -> None:
    assert len({sites.tag("page.css"), *(sites.tag("page.css", coding) for coding in CODINGS)}) == 4


def test_a_file_that_is_replaced_has_another_tag(tmp_path: Path) -> None:
    file, new = tmp_path / "a.txt", tmp_path / "new"
    file.write_bytes(b"before")
    with Server(Static(root=tmp_path), bind="127.0.0.1:0") as server, connect_to(server) as client:
        tag = ask_until(client, lambda tag: not tag.startswith("W/"))
        new.write_bytes(b"behind")
        os.utime(new, ns=(0, file.stat().st_mtime_ns))  # as long and as old
        new.replace(file)
        ask_until(client, lambda other: other != tag)
        client.sendall(f"GET /a.txt HTTP/1.1\r\nHost: x\r\nIf-None-Match: {tag}\r\n\r\n".encode())
        answer = read_response(client)
        assert (answer.status, answer.body) == (200, b"behind")


def connect_to(server: Server) -> socket.socket:
    return connect(int(server.url.rstrip("/").rpartition(":")[2]))


def ask_until(client: socket.socket, is_wanted: Callable[[str], bool]) -> str:
    """The tag of a.txt, as soon as it is as wanted: what changes is noticed within seconds."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        client.sendall(b"HEAD /a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        tag = read_response(client, "HEAD").field("ETag") or ""
        if is_wanted(tag):
            return tag
    raise AssertionError("the deadline has passed")


def test_what_may_not_be_read_is_forbidden() -> None:
    """As root, who may read everything, the server is somebody else's for a moment."""
    with tempfile.TemporaryDirectory() as name:  # one that others may enter, unlike tmp_path
        os.chmod(name, 0o755)
        Path(name, "shut").write_bytes(SECRET)
        Path(name, "shut").chmod(0)
        user = os.geteuid()
        with Server(Static(root=Path(name)), bind="127.0.0.1:0") as server, connect_to(server) as client:
            if user == 0:
                os.seteuid(65534)
            try:
                client.sendall(b"GET /shut HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = read_response(client)
            finally:
                os.seteuid(user)
        assert answer.status == 403
        assert SECRET not in answer.body
