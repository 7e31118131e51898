"""Flask: the one-file app of its documentation, and what larger ones do."""

import io
from pathlib import Path

import pytest
import requests

from tests.program import Program

from . import WAIT, Client, sources, with_apps
from .conftest import Serve


def test_the_first_app_of_its_documentation(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(sources.FLASK_HELLO)
    for spec in ("hello.py", "hello:app"):
        program = serve(spec)
        reply = requests.get(program.url, timeout=WAIT)
        assert (reply.status_code, reply.text) == (200, "<p>Hello, World!</p>")
        assert reply.headers["Content-Length"] == "20"
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
        assert requests.get(f"{program.url}/nothing", timeout=WAIT).status_code == 404
        assert requests.head(program.url, timeout=WAIT).headers["Content-Length"] == "20"


@pytest.mark.parametrize("threads", ["4", "0"])
def test_what_larger_apps_do(threads: str, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "more.py").write_text(sources.FLASK_MORE)
    program = serve("more.py", "--factory", "--threads", threads)
    with Client(program.url) as client:
        get = client.get
        assert get("/stream?name=me").text == "0 me\n1 me\n2 me\n"
        files = {"file": ("a.bin", io.BytesIO(b"x" * 300_000))}
        told = client.post("/upload", {"text": "ü"}, files=files).json()
        assert told == {"name": "a.bin", "size": 300_000, "form": "ü"}
        pieces = iter([b"a" * 1000, b"b" * 99_000])
        told = client.post("/raw", pieces).json()
        assert told == {"size": 100_000, "length": 100_000}, "a chunked body has a length when it is here"
        whole = get("/file")
        assert whole.text == sources.FLASK_MORE
        assert get("/file", headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
        part = get("/file", headers={"Range": "bytes=1-9"})
        assert (part.status_code, part.text) == (206, sources.FLASK_MORE[1:10])
        assert get("/memory").text == "from memory"
        assert [get("/count").text for _ in range(3)] == ["1", "2", "3"]
        assert get("/name/%FF").json()["name"] == "\ufffd"
        told = get("/name/d%C3%A9j%C3%A0/x").json()
        assert (told["name"], told["url"]) == ("déjà/x", f"{program.url}/name/déjà/x")
        assert get("/cookies").cookies.get_dict() == {"a": "1", "b": "2"}


def test_an_answer_that_breaks_is_seen_to_break(tmp_path: Path) -> None:
    (tmp_path / "more.py").write_text(sources.FLASK_MORE)
    with Program("more:create_app", "--factory", cwd=tmp_path, env=with_apps()) as program:
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            requests.get(f"{program.url}/broken", timeout=WAIT)
        program.await_said("LookupError: the second is missing")
        assert program.stop() == 0


def test_mounted(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "more.py").write_text(sources.FLASK_MORE)
    program = serve("hello", "--mount", "/app=more:create_app", "--factory")
    told = requests.get(f"{program.url}/app/name/x", timeout=WAIT).json()
    assert told == {"name": "x", "url": f"{program.url}/app/name/x", "root": "/app", "to": "/app/stream"}
