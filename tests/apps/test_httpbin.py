"""httpbin, which shows what it was sent, asked by `requests`."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.program import Program

from . import Client, serving


@pytest.fixture(scope="module", params=["4", "0"], ids=["threads", "loop"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder: Path = tmp_path_factory.mktemp("httpbin")
    with serving("httpbin:app", "--threads", request.param, cwd=folder) as program:
        yield program


@pytest.fixture
def client(site: Program) -> Iterator[Client]:
    with Client(site.url) as client:
        yield client


def test_what_was_asked(client: Client) -> None:
    told = client.get("/get?a=1&a=2&b=%C3%BC", headers={"X-Custom": "one, two"}).json()
    assert told["args"] == {"a": ["1", "2"], "b": "ü"}
    assert told["headers"]["X-Custom"] == "one, two"
    assert told["url"] == f"{client.url}/get?a=1&a=2&b=ü"
    assert told["origin"] == client.get("/ip").json()["origin"] == "127.0.0.1"
    assert client.get("/user-agent").json()["user-agent"].startswith("python-requests/")
    assert client.get("/headers").json()["headers"]["Host"] == client.url.removeprefix("http://")
    told = client.ask("TRACE", "/anything/a%20b").json()
    assert (told["method"], told["url"]) == ("TRACE", f"{client.url}/anything/a%20b")


def test_methods_and_bodies(client: Client) -> None:
    told = client.post("/post", {"x": "y"}, files={"f": b"content"}).json()
    assert (told["form"], told["files"]) == ({"x": "y"}, {"f": "content"})
    assert client.ask("PUT", "/put", data=iter([b"chunked ", b"body"])).json()["data"] == "chunked body"
    assert client.ask("PATCH", "/patch", data=b"").json()["data"] == ""
    assert client.ask("DELETE", "/delete", json={"a": 1}).json()["json"] == {"a": 1}
    assert client.ask("HEAD", "/get").text == ""
    assert "POST" not in client.ask("OPTIONS", "/get").headers["Allow"]
    large = client.post("/post", b"\xff" * 1_000_000).json()
    assert large["headers"]["Content-Length"] == "1000000"
    assert large["data"].startswith("data:application/octet-stream;base64,")


def test_every_status(client: Client) -> None:
    wanted = [200, 201, 202, 204, 205, 206, 300, 304, 400, 401, 402, 404, 406, 407, 410, 418, 428, 429, 500, 503, 599]
    assert [client.get(f"/status/{code}").status_code for code in wanted] == wanted


def test_redirects(client: Client) -> None:
    for path in ("/redirect/3", "/relative-redirect/3", "/absolute-redirect/3"):
        assert len(client.get(path).history) == 3
    there = client.get("/redirect-to?url=/uuid&status_code=308")
    assert (there.history[0].status_code, list(there.json())) == (308, ["uuid"])


def test_cookies(client: Client) -> None:
    assert client.get("/cookies/set?a=1&b=2").json()["cookies"] == {"a": "1", "b": "2"}
    assert client.get("/cookies/delete?a").json()["cookies"] == {"b": "2"}
    assert client.get("/cookies", cookies={"c": "3"}).json()["cookies"] == {"b": "2", "c": "3"}


def test_who_may(client: Client) -> None:
    assert client.get("/basic-auth/u/p", auth=("u", "p")).json()["authenticated"]
    assert client.get("/basic-auth/u/p").status_code == 401
    assert client.get("/hidden-basic-auth/u/p").status_code == 404
    for algorithm in ("MD5", "SHA-256"):
        digest = requests.auth.HTTPDigestAuth("u", "p")
        assert client.get(f"/digest-auth/auth/u/p/{algorithm}", auth=digest).status_code == 200
    assert client.get("/bearer", headers={"Authorization": "Bearer t"}).json()["token"] == "t"


def test_encodings(client: Client) -> None:
    assert client.get("/gzip").json()["gzipped"]
    assert client.get("/deflate").json()["deflated"]
    assert client.get("/brotli", headers={"Accept-Encoding": "identity"}).headers["Content-Encoding"] == "br"
    assert "∮ E⋅da = Q" in client.get("/encoding/utf8").text


def test_streams(client: Client) -> None:
    assert len(client.get("/stream/20").text.splitlines()) == 20
    assert len(client.get("/bytes/1000").content) == len(client.get("/stream-bytes/100000").content) // 100 == 1000
    began = time.monotonic()
    assert client.get("/drip?numbytes=5&duration=0.2").text == "*****"
    assert client.get("/delay/0.1").status_code == 200
    assert time.monotonic() - began >= 0.25


def test_ranges_and_conditions(client: Client) -> None:
    part = client.get("/range/100", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.text, part.headers["Content-Range"]) == (206, "klmnopqrst", "bytes 10-19/100")
    assert client.get("/range/1000?chunk_size=100&duration=0.05").text[-3:] == "jkl"
    assert client.get("/cache", headers={"If-Modified-Since": "x"}).status_code == 304
    assert client.get("/etag/e", headers={"If-None-Match": "e"}).status_code == 304
    assert client.get("/etag/e", headers={"If-Match": "other"}).status_code == 412


def test_fields_and_types(client: Client) -> None:
    assert client.get("/response-headers?X-A=1&X-A=2").headers["X-A"] == "1, 2"
    assert client.get("/image/png").content.startswith(b"\x89PNG")
    assert client.get("/image", headers={"Accept": "image/webp"}).headers["Content-Type"] == "image/webp"
    assert client.get("/html").headers["Content-Type"] == "text/html; charset=utf-8"
    assert client.get("/xml").headers["Content-Type"] == "application/xml"
    assert client.get("/robots.txt").text == "User-agent: *\nDisallow: /deny\n"
