"""Flask: the one-file app of its documentation, and what larger ones do."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.program import Program

from . import WAIT, Client, serving, sources
from .conftest import Serve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flask")
    (folder / "more.py").write_text(sources.FLASK_MORE)
    return folder


@pytest.fixture(scope="module", params=["4", "0"], ids=["threads", "loop"])
def site(request: pytest.FixtureRequest, folder: Path) -> Iterator[Program]:
    with serving("more.py", "--factory", "--threads", request.param, cwd=folder, tracebacks=True) as program:
        yield program


@pytest.fixture
def client(site: Program) -> Iterator[Client]:
    with Client(site.url) as client:
        yield client


def test_the_first_app_of_its_documentation(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(sources.FLASK_HELLO)
    for spec in ("hello.py", "hello:app"):
        program = serve(spec)
        assert ":app (WSGI)" in "".join(program.banner)
        reply = requests.get(program.url, timeout=WAIT)
        assert (reply.status_code, reply.text) == (200, "<p>Hello, World!</p>")
        assert reply.headers["Content-Length"] == "20"
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
        assert requests.get(f"{program.url}/nothing", timeout=WAIT).status_code == 404
        assert requests.head(program.url, timeout=WAIT).headers["Content-Length"] == "20"


def test_a_stream_has_the_request(client: Client) -> None:
    assert client.get("/stream?name=me").text == "0 me\n1 me\n2 me\n"


def test_uploads(client: Client) -> None:
    files = {"file": ("größe.bin", io.BytesIO(b"x" * 5_000_000))}
    told = client.post("/upload", {"text": "ü"}, files=files).json()
    assert told == {"name": "größe.bin", "size": 5_000_000, "form": "ü"}


def test_an_upload_in_chunks(client: Client) -> None:
    told = client.post("/raw", (each * 99_000 for each in (b"a", b"b"))).json()
    assert told == {"size": 198_000, "length": 198_000}, "a chunked body has a length when it is here"


def test_a_file(client: Client) -> None:
    whole = client.get("/file")
    assert whole.text == sources.FLASK_MORE
    assert client.get("/file", headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    part = client.get("/file", headers={"Range": "bytes=1-9"})
    assert (part.status_code, part.text) == (206, sources.FLASK_MORE[1:10])
    assert client.get("/file", headers={"Range": "bytes=99999-"}).status_code == 416
    assert client.ask("HEAD", "/file").headers["Content-Length"] == str(len(sources.FLASK_MORE))
    assert client.get("/memory").text == "from memory"


def test_sessions_and_cookies(client: Client) -> None:
    assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]
    assert client.get("/cookies").cookies.get_dict() == {"a": "1", "b": "2"}


def test_names_and_addresses(client: Client) -> None:
    assert client.get("/name/%FF").json()["name"] == "\ufffd"
    told = client.get("/name/d%C3%A9j%C3%A0/x").json()
    assert (told["name"], told["url"]) == ("déjà/x", f"{client.url}/name/déjà/x")


def test_an_answer_that_breaks_is_seen_to_break(site: Program) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(f"{site.url}/broken", timeout=WAIT)
    site.await_said("LookupError: the second is missing")


def test_a_stream_ends_with_its_client(site: Program) -> None:
    with requests.get(f"{site.url}/endless", timeout=WAIT, stream=True) as reply:
        assert next(reply.iter_lines()) == b"more"
    site.await_said("^the stream was closed$")


def test_mounted(serve: Serve, folder: Path) -> None:
    program = serve("hello", "--mount", "/app=more:create_app", "--factory", cwd=folder)
    told = requests.get(f"{program.url}/app/name/x", timeout=WAIT).json()
    assert told == {"name": "x", "url": f"{program.url}/app/name/x", "root": "/app", "to": "/app/stream"}
