"""httpbin, WsgiDAV and Prometheus: an app that shows what it was sent, one that uses every method, one that is tiny."""

from pathlib import Path

import pytest
import requests

from tests.program import curl

from . import WAIT, Client, run_python, sources
from .conftest import Serve


@pytest.mark.parametrize("threads", ["4", "0"])
def test_httpbin(threads: str, serve: Serve) -> None:
    url = serve("httpbin:app", "--threads", threads).url
    with Client(url) as client:
        get = client.get
        told = get("/get?a=1&a=2&b=%C3%BC", headers={"X-Custom": "one, two"}).json()
        assert told["args"] == {"a": ["1", "2"], "b": "ü"}
        assert told["headers"]["X-Custom"] == "one, two"
        assert told["url"] == f"{url}/get?a=1&a=2&b=ü"
        assert told["origin"] == "127.0.0.1"
        told = client.post("/post", {"x": "y"}, files={"f": b"content"}).json()
        assert (told["form"], told["files"]) == ({"x": "y"}, {"f": "content"})
        told = client.ask("PUT", "/put", data=iter([b"chunked ", b"body"])).json()
        assert told["data"] == "chunked body"
        assert client.ask("DELETE", "/delete", json={"a": 1}).json()["json"] == {"a": 1}
        assert [get(f"/status/{code}").status_code for code in (200, 204, 304, 404, 418, 503)] == [
            200, 204, 304, 404, 418, 503,
        ]  # fmt: skip
        assert len(get("/redirect/3").history) == 3
        assert get("/cookies/set?a=1&b=2").json()["cookies"] == {"a": "1", "b": "2"}
        assert get("/basic-auth/u/p", auth=("u", "p")).json()["authenticated"]
        assert get("/basic-auth/u/p").status_code == 401
        assert get("/digest-auth/auth/u/p", auth=requests.auth.HTTPDigestAuth("u", "p")).status_code == 200
        assert get("/gzip").json()["gzipped"]
        assert get("/brotli", headers={"Accept-Encoding": "identity"}).headers["Content-Encoding"] == "br"
        assert len(get("/stream/20").text.splitlines()) == 20
        assert len(get("/bytes/1000").content) == len(get("/stream-bytes/1000").content) == 1000
        assert get("/range/100", headers={"Range": "bytes=10-19"}).text == "klmnopqrst"
        assert get("/drip?numbytes=5&duration=0.2").text == "*****"
        assert get("/delay/0.1").status_code == 200
        assert get("/response-headers?X-A=1&X-A=2").headers["X-A"] == "1, 2"
        assert get("/image/png").content.startswith(b"\x89PNG")
        assert client.ask("HEAD", "/get").text == ""
        assert "POST" not in client.ask("OPTIONS", "/get").headers["Allow"]


def test_wsgidav_with_a_client_for_it(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "dav.py").write_text(sources.WSGIDAV)
    (tmp_path / "client.py").write_text(sources.WEBDAV_CLIENT)
    (tmp_path / "local.txt").write_bytes(b"over there\n" * 10_000)
    (tmp_path / "shared").mkdir()
    program = serve("dav.py")
    printed = run_python("client.py", program.url, cwd=tmp_path).splitlines()
    assert printed[-2:] == ["['one.txt', 'three.txt'] False 110000", "False"]
    assert (tmp_path / "back.txt").read_bytes() == (tmp_path / "local.txt").read_bytes()


def test_wsgidav_with_curl(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "dav.py").write_text(sources.WSGIDAV)
    (tmp_path / "shared").mkdir()
    (tmp_path / "large.bin").write_bytes(b"0123456789abcdef" * 65536)
    url = serve("dav.py").url
    assert " 201 " in curl("-X", "MKCOL", f"{url}/new")
    assert " 201 " in curl("-T", str(tmp_path / "large.bin"), f"{url}/new/")
    assert (tmp_path / "shared/new/large.bin").read_bytes() == (tmp_path / "large.bin").read_bytes()
    assert " 207 Multi-Status" in (found := curl("-X", "PROPFIND", "-H", "Depth: 1", f"{url}/new/"))
    assert "/new/large.bin" in found
    assert " 201 " in curl("-X", "MOVE", "-H", f"Destination: {url}/new/small.bin", f"{url}/new/large.bin")
    assert curl("-r", "2-5", f"{url}/new/small.bin").endswith("\n\n2345")
    assert " 204 " in curl("-X", "DELETE", f"{url}/new")
    assert not (tmp_path / "shared/new").exists()
    assert "DAV: 1,2" in curl("-X", "OPTIONS", url)


def test_prometheus(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "metrics.py").write_text(sources.PROMETHEUS)
    program = serve("hello", "--mount", "/metrics=metrics.py")
    reply = requests.get(f"{program.url}/metrics", timeout=WAIT)
    assert "visits_total 3.0" in reply.text
    assert reply.headers["Content-Type"].startswith("text/plain; version=")
    assert requests.get(f"{program.url}/test", timeout=WAIT).text == "Hello"
