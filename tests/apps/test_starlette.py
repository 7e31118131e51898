"""Starlette: streams, files, middleware, events for who listens, and work behind an answer."""

import io
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
import requests

from tests.program import Program, connect

from . import WAIT, Client, asgi_sources, serving

LARGE = bytes(range(256)) * 20_000  # 5 MB


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("starlette")
    (folder / "app.py").write_text(asgi_sources.STARLETTE)
    (folder / "large.bin").write_bytes(LARGE)
    (folder / "static").mkdir()
    (folder / "static/index.html").write_text("<p>the index")
    (folder / "static/style.css").write_text("p { color: red }\n" * 100)
    with serving("app.py", cwd=folder, tracebacks=True) as program:
        yield program


@pytest.fixture
def client(site: Program) -> Iterator[Client]:
    with Client(site.url) as client:
        yield client


def test_a_stream(client: Client) -> None:
    plain = client.get("/lines?count=5000", headers={"Accept-Encoding": "identity"})
    assert plain.text == "".join(f"{number}\n" for number in range(5000))
    assert "Content-Encoding" not in plain.headers
    packed = client.get("/lines?count=5000")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.text == plain.text
    assert packed.headers["X-Timing"] == "0"


def test_a_file_and_ranges_of_it(client: Client) -> None:
    whole = client.get("/file", headers={"Accept-Encoding": "identity"})
    assert whole.content == LARGE
    assert whole.headers["Content-Disposition"] == "attachment; filename*=utf-8''gr%C3%B6%C3%9Fe.bin"
    assert client.ask("HEAD", "/file").headers["Content-Length"] == str(len(LARGE))
    part = client.get("/file", headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.headers["Content-Range"]) == (206, f"bytes 1000-1999/{len(LARGE)}")
    assert part.content == LARGE[1000:2000]
    assert client.get("/file", headers={"Range": "bytes=-10"}).content == LARGE[-10:]
    parts = client.get("/file", headers={"Range": "bytes=0-9,20-29"})
    assert parts.headers["Content-Type"].startswith("multipart/byteranges")
    assert LARGE[20:30] in parts.content
    assert client.get("/file", headers={"Range": "bytes=99999999-"}).status_code == 416


def test_static_files(client: Client) -> None:
    assert client.get("/static/").text == "<p>the index"
    assert client.get("/static").history[0].status_code == 307
    style = client.get("/static/style.css")
    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    assert style.text == "p { color: red }\n" * 100
    assert client.get("/static/style.css", headers={"If-None-Match": style.headers["ETag"]}).status_code == 304
    assert client.get("/static/nothing").status_code == 404
    assert client.get("/static/..%2fapp.py").status_code == 404


def test_sessions(client: Client) -> None:
    assert [client.get("/visits").json()["visits"] for _ in range(3)] == [1, 2, 3]


def test_what_is_done_behind_an_answer(site: Program, client: Client) -> None:
    assert client.get("/background").text == "before"
    assert client.get("/visits").status_code == 200
    site.await_said("^behind the answer$")


def test_an_upload(client: Client) -> None:
    file = ("a.bin", io.BytesIO(LARGE))
    told = client.post("/upload", {"text": "ü"}, files={"file": file}).json()
    assert told == {"name": "a.bin", "size": len(LARGE), "text": "ü"}


def test_an_upload_that_is_broken_off(site: Program) -> None:
    head = b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\nContent-Type: multipart/form-data; boundary=b"
    with socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2]))) as sock:
        sock.sendall(head + b'\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nhalf')
    site.await_said("^the upload was broken off$")


def test_events_end_with_who_listened(site: Program) -> None:
    with requests.get(f"{site.url}/events", timeout=WAIT, stream=True) as reply:
        assert reply.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        lines = reply.iter_lines(chunk_size=1)
        assert [next(lines) for _ in range(4)] == [b"id: 0", b"data: tick", b"", b"id: 1"]
        assert "the events have ended" not in site.said()
    site.await_said("^the events have ended$")


def test_one_who_reads_nothing_holds_it_up_and_then_leaves(site: Program) -> None:
    with closing(connect(site)) as client:
        client.request("GET", "/large")
        reply = client.getresponse()
        assert len(reply.read(3_000_000)) == 3_000_000
        reply.close()
    site.await_said(r"ended at GET /large, whose client is gone or refused: Gone\(")
