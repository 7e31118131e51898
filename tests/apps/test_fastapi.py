"""FastAPI: what its documentation shows, page by page, in one app."""

import io
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.program import Program, connect, run

from . import WAIT, Client, asgi_sources, serving, with_apps
from .conftest import Serve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fastapi")
    (folder / "main.py").write_text(asgi_sources.FASTAPI)
    return folder


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Program]:
    with serving("main.py", cwd=folder, tracebacks=True) as program:
        yield program


@pytest.fixture
def client(site: Program) -> Iterator[Client]:
    with Client(site.url) as client:
        yield client


def test_json_and_what_is_not_valid(client: Client) -> None:
    made = client.ask("POST", "/items/", json={"name": "Foo", "price": 50.2, "tags": ["ü"]})
    assert (made.status_code, made.json()) == (201, {"name": "Foo", "price": 50.2, "tags": ["ü"]})
    wrong = client.ask("POST", "/items/", json={"name": "Foo", "price": "dear"})
    assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["body", "price"])
    assert client.ask("POST", "/items/", data="{", headers={"Content-Type": "application/json"}).status_code == 422


def test_paths_and_queries(client: Client) -> None:
    assert client.get("/items/5?q=%C3%A9").json() == {"item_id": 5, "q": "é"}
    assert client.get("/items/five").json()["detail"][0]["type"] == "int_parsing"
    assert [client.get(f"/items/{path}").status_code for path in ("0", "5?q=too-long")] == [422, 422]
    missing = client.get("/items/404")
    assert (missing.status_code, missing.headers["X-Error"]) == (404, "There goes my error")
    assert client.ask("DELETE", "/items/5").headers["Allow"] == "GET"
    assert client.ask("HEAD", "/items/5").status_code == 405
    assert client.post("/items", json={"name": "x", "price": 1}).history[0].status_code == 307


def test_the_state_of_its_lifespan(folder: Path) -> None:
    with serving("main:app", cwd=folder) as program:
        assert "main:app (ASGI)" in "".join(program.banner)
        assert "the lifespan has begun" in program.said()
        told = requests.get(f"{program.url}/state?x=1", timeout=WAIT).json()
        assert told == {"answer": 42, "url": f"{program.url}/state?x=1", "root": "", "client": "127.0.0.1"}
        assert "the lifespan has ended" not in program.said()
    assert "the lifespan has ended" in program.said()


def test_a_lifespan_that_fails_is_said(tmp_path: Path) -> None:
    source = asgi_sources.FASTAPI.replace('    yield {"answer": 42}', '    raise LookupError("no database")\n    yield')
    (tmp_path / "main.py").write_text(source)
    done = run("main.py", cwd=tmp_path, env=with_apps())
    assert done.returncode == 3
    assert "LookupError: no database" in done.stderr.splitlines()[-1]


def test_a_dependency_is_closed(site: Program, client: Client) -> None:
    assert client.get("/depends").json() == "resource"
    site.await_said("^opened\nclosed$")


def test_background_tasks(site: Program, client: Client) -> None:
    assert client.post("/background/first").json() == "Notification sent"
    site.await_said("^in a thread: first$")


def test_an_upload(client: Client) -> None:
    large = {"file": ("größe.bin", io.BytesIO(b"\0" * 5_000_000), "application/x-large")}
    told = client.post("/files/", {"token": "t"}, files=large).json()
    assert told == {"name": "größe.bin", "type": "application/x-large", "size": 5_000_000, "token": "t"}
    assert client.post("/files/", {"token": "t"}).status_code == 422


def test_a_body_that_is_read_as_it_comes(client: Client) -> None:
    told = client.post("/pieces", (b"x" * 100_000 for _ in range(30))).json()
    assert told["size"] == 3_000_000
    assert told["largest"] < 1_000_000


def test_it_sends_back_what_it_reads(site: Program) -> None:
    reply = requests.post(f"{site.url}/echo", data=(b"piece %d\n" % number for number in range(3)), timeout=WAIT)
    assert reply.content == b"piece 0\npiece 1\npiece 2\n"


def test_it_sends_back_what_it_reads_while_more_is_to_come(site: Program) -> None:
    """Each piece is back before the next one is sent."""
    with socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2])), timeout=WAIT) as sock:
        sock.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with sock.makefile("rb") as reply:
            for number in range(3):
                sock.sendall(b"7\r\npiece %d\r\n" % number)
                while reply.readline() != b"piece %d\r\n" % number:
                    pass
            sock.sendall(b"0\r\n\r\n")
            assert reply.readline() + reply.readline() == b"0\r\n\r\n"


def test_a_stream(client: Client) -> None:
    reply = client.get("/lines")
    assert reply.text == "".join(f"{number}\n" for number in range(1000))
    assert reply.headers["Transfer-Encoding"] == "chunked"


def test_its_documentation_pages(client: Client) -> None:
    assert "swagger-ui" in client.get("/docs").text
    assert "redoc" in client.get("/redoc").text
    schema = client.get("/openapi.json").json()
    assert {"/items/", "/items/{item_id}", "/files/"} < set(schema["paths"])


def test_one_that_fails(site: Program, client: Client) -> None:
    reply = client.get("/fail")
    assert (reply.status_code, reply.text) == (500, "Internal Server Error")
    assert "LookupError: this one fails" in site.await_said("LookupError: this one fails")
    assert client.get("/items/5").status_code == 200


def test_what_sleeps_in_threads_stops_nobody(site: Program, client: Client) -> None:
    with ThreadPoolExecutor(10) as slow:
        asking = [slow.submit(requests.get, f"{site.url}/sleep?seconds=1", timeout=WAIT) for _ in range(10)]
        assert client.get("/depends").json() == "resource"
        assert not any(each.done() for each in asking)
        assert {each.result().json() for each in asking} == {"slept"}


def test_mounted(serve: Serve, folder: Path) -> None:
    url = serve("hello", "--mount", "/api=main:app", cwd=folder).url
    told = requests.get(f"{url}/api/state", timeout=WAIT).json()
    assert (told["url"], told["root"]) == (f"{url}/api/state", "/api")
    assert "/api/openapi.json" in requests.get(f"{url}/api/docs", timeout=WAIT).text
    assert requests.get(f"{url}/test", timeout=WAIT).text == "Hello"


def test_a_keep_alive_connection_has_many_requests(site: Program) -> None:
    found: list[Any] = []
    with closing(connect(site)) as client:
        for number in range(1, 50):
            client.request("GET", f"/items/{number}")
            found.append(json.loads(client.getresponse().read())["item_id"])
    assert found == list(range(1, 50))
