"""Django: a project as `startproject` makes it, its admin, and views that do what views do; under WSGI, and ASGI."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.program import ROOT, Program, connect

from . import WAIT, Client, serving
from .conftest import Serve

WAYS = {
    "threads": ("mysite.wsgi", "--threads", "4"),
    "loop": ("mysite.wsgi", "--threads", "0"),
    "asgi": ("mysite.asgi",),
}


@pytest.fixture(scope="module", params=WAYS)
def site(request: pytest.FixtureRequest, project: Path) -> Iterator[Program]:
    with serving(*WAYS[request.param], cwd=project, tracebacks=True) as program:
        yield program


@pytest.fixture(scope="module")
def async_site(project: Path) -> Iterator[Program]:
    with serving("mysite.asgi", cwd=project) as program:
        yield program


@pytest.fixture
def client(site: Program) -> Iterator[Client]:
    with Client(site.url) as client:
        yield client


def token(page: str) -> str:
    match = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert match is not None
    return match[1]


def documented() -> list[str]:
    """The commands that our documents give for a Django project."""
    text = "".join((ROOT / name).read_text() for name in ("README.md", "docs/apps.md"))
    return re.findall(r"^python3 -m reactor (mysite\S+)", text, re.MULTILINE)


@pytest.mark.parametrize("spec", [*sorted(set(documented())), "mysite.wsgi:application", "mysite/asgi.py"])
def test_one_command(spec: str, project: Path, serve: Serve) -> None:
    program = serve(spec, cwd=project)
    kind = "ASGI" if "asgi" in spec else "WSGI"
    assert f":application ({kind})" in "".join(program.banner)
    assert requests.get(f"{program.url}/who/ann", timeout=WAIT).json()["answer"] == 42


def test_the_documents_have_the_command() -> None:
    assert set(documented()) == {"mysite.wsgi", "mysite.asgi"}


def test_the_admin_lets_in_who_has_the_password(client: Client) -> None:
    login = client.get("/admin/")
    assert login.history[0].status_code == 302
    path = login.url.removeprefix(client.url)
    form = {"username": "ann", "password": "wrong", "csrfmiddlewaretoken": token(login.text)}
    assert "Please enter the correct username" in client.post(path, form).text
    form["password"] = "a good secret"
    assert "Site administration" in client.post(path, form).text
    assert "1 user" in client.get("/admin/auth/user/").text
    assert requests.post(login.url, {**form, "csrfmiddlewaretoken": "x"}, timeout=WAIT).status_code == 403


def test_the_admins_static_files(site: Program) -> None:
    page = requests.get(f"{site.url}/admin/login/", timeout=WAIT).text
    style = re.search(r'href="(/static/admin/css/base\.css)"', page)
    assert style is not None
    reply = requests.get(site.url + style[1], timeout=WAIT)
    assert reply.headers["Content-Type"].startswith("text/css")
    assert len(reply.content) == int(reply.headers["Content-Length"]) > 10_000
    since = {"If-Modified-Since": reply.headers["Last-Modified"]}
    assert requests.get(site.url + style[1], headers=since, timeout=WAIT).status_code == 304


def test_a_form_and_an_upload(client: Client) -> None:
    form = {"text": "Grüße", "csrfmiddlewaretoken": token(client.get("/notes/write").text)}
    assert client.post("/notes/write", form).text == "Grüße with 0 bytes"
    large = {"picture": ("large.bin", b"\0" * 5_000_000)}  # Django itself puts it into a temporary file
    assert client.post("/notes/write", form, files=large).text == "Grüße with 5000000 bytes"
    assert "This field is required" in client.post("/notes/write", {**form, "text": ""}).text


def test_a_body_in_chunks(client: Client) -> None:
    told = client.post("/raw", (b"piece" * 20_000 for _ in range(20))).json()
    assert told == {"size": 2_000_000, "first": "piece"}


def test_a_stream_and_a_file(site: Program, project: Path) -> None:
    reply = requests.get(f"{site.url}/count", timeout=WAIT)
    assert reply.text == "".join(f"{number}\n" for number in range(1000))
    assert reply.headers["Transfer-Encoding"] == "chunked"
    file = requests.get(f"{site.url}/manage", timeout=WAIT)
    assert file.content == (project / "manage.py").read_bytes()
    assert file.headers["Content-Length"] == str(len(file.content))


def test_what_a_view_is_told(site: Program) -> None:
    told = requests.get(f"{site.url}/who/d%C3%A9j%C3%A0?x=%C3%A9", timeout=WAIT).json()
    assert told == {
        "path": "/who/déjà", "url": f"{site.url}/who/d%C3%A9j%C3%A0?x=%C3%A9", "name": "déjà", "answer": 42,
        "from": "127.0.0.1", "script": "",
    }  # fmt: skip


def test_a_view_that_fails_is_a_page(site: Program) -> None:
    reply = requests.get(f"{site.url}/fail", timeout=WAIT)
    assert reply.status_code == 500
    assert "this view fails" in reply.text
    site.await_said("LookupError: this view fails")


def test_an_async_view(site: Program) -> None:
    assert requests.get(f"{site.url}/users", timeout=WAIT).json() == {"names": ["ann"], "sum": 3}


def test_many_at_once(site: Program) -> None:
    paths = ["/who/ann", "/users", "/count", "/manage"] * 5
    with ThreadPoolExecutor(8) as clients:
        replies = list(clients.map(lambda path: requests.get(site.url + path, timeout=WAIT), paths))
    assert [reply.status_code for reply in replies] == [200] * len(paths)
    assert len({reply.text for reply in replies}) == 4


def test_a_stream_without_end_ends_with_its_client(async_site: Program) -> None:
    reply = requests.get(f"{async_site.url}/ticks", timeout=WAIT, stream=True)
    with reply:
        lines = reply.iter_lines(chunk_size=1)
        assert [next(lines) for _ in range(3)] == [b"0", b"1", b"2"]
        assert "the ticks have ended" not in async_site.said()
    async_site.await_said("the ticks have ended")


def test_a_view_is_cancelled_when_its_client_has_gone(async_site: Program) -> None:
    with closing(connect(async_site)) as client:
        client.request("GET", "/wait")
        async_site.await_said("a view waits")
    async_site.await_said("a view was cancelled")


@pytest.mark.parametrize("spec", ["mysite.wsgi", "mysite.asgi"])
def test_mounted_it_knows_where_it_is(spec: str, project: Path, serve: Serve) -> None:
    program = serve("hello", "--mount", f"/site={spec}", cwd=project)
    told = requests.get(f"{program.url}/site/who/ann", timeout=WAIT).json()
    assert (told["path"], told["script"]) == ("/site/who/ann", "/site")
    login = requests.get(f"{program.url}/site/admin/", timeout=WAIT)
    assert login.url == f"{program.url}/site/admin/login/?next=/site/admin/"
    assert requests.get(f"{program.url}/test", timeout=WAIT).text == "Hello"


@pytest.mark.parametrize(
    ("spec", "view"), [("mysite.wsgi", "sleep"), ("mysite.asgi", "sleep"), ("mysite.asgi", "rest")]
)
def test_slow_views_stop_nobody(spec: str, view: str, project: Path, serve: Serve) -> None:
    """They have a thread, of ours or of Django's, or are asynchronous."""
    program = serve(spec, cwd=project)
    with ThreadPoolExecutor(3) as slow, Client(program.url) as client:
        sleeping = [slow.submit(requests.get, f"{program.url}/{view}?seconds=1", timeout=WAIT) for _ in range(3)]
        began = time.monotonic()
        assert client.get("/who/ann").json()["name"] == "ann"
        assert all(not each.done() for each in sleeping), f"it took {time.monotonic() - began} s"
        assert {each.result().status_code for each in sleeping} == {200}
