"""datasette: a database as pages, as JSON, and as a stream of CSV."""

import csv
import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.program import Program

from . import Client, asgi_sources, serving

ROWS = 5000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder: Path = tmp_path_factory.mktemp("datasette")
    (folder / "site.py").write_text(asgi_sources.DATASETTE)
    with closing(sqlite3.connect(folder / "birds.db")) as database, database:
        database.execute("create table seen (id integer primary key, bird text, weight real)")
        rows = ((number, f"Rotkehlchen, grün {number}", number / 2) for number in range(ROWS))
        database.executemany("insert into seen values (?, ?, ?)", rows)
    with serving("site.py", cwd=folder) as program:
        yield program


@pytest.fixture
def client(site: Program) -> Iterator[Client]:
    with Client(site.url) as client:
        yield client


def test_pages(client: Client) -> None:
    assert "birds" in client.get("/").text
    page = client.get("/birds/seen?_size=10")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Rotkehlchen, grün 9" in page.text
    assert client.get("/birds/nothing").status_code == 404


def test_json(client: Client) -> None:
    told = client.get("/birds/seen/7.json?_shape=objects").json()
    assert told["rows"] == [{"id": 7, "bird": "Rotkehlchen, grün 7", "weight": 3.5}]
    query = "select count(*) as n, max(weight) as most from seen where id < :id"
    told = client.get("/birds.json", params={"sql": query, "id": "100", "_shape": "array"}).json()
    assert told == [{"n": 100, "most": 49.5}]
    wrong = client.get("/birds.json", params={"sql": "select nothing", "_shape": "array"})
    assert (wrong.status_code, wrong.json()["ok"]) == (400, False)


def test_a_stream_of_csv(client: Client) -> None:
    reply = client.get("/birds/seen.csv?_stream=on")
    assert reply.headers["Transfer-Encoding"] == "chunked"
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [row["id"] for row in rows] == [str(number) for number in range(ROWS)]
    assert rows[-1]["bird"] == f"Rotkehlchen, grün {ROWS - 1}"


def test_its_files(client: Client) -> None:
    style = client.get("/-/static/app.css")
    assert style.headers["Content-Type"].startswith("text/css")
    assert len(style.content) == int(style.headers["Content-Length"]) > 10_000
    download = client.get("/birds.db")
    assert download.headers["Content-Type"] == "application/octet-stream"
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(download.content)
        assert database.execute("select count(*) from seen").fetchone() == (ROWS,)
