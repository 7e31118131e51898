"""Django: a project as `startproject` makes it, its admin, and views that do what views do."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.program import ROOT, Program

from . import WAIT, Client, run_python, sources, with_apps
from .conftest import Serve

USER = """
from django.contrib.auth.models import User
User.objects.create_superuser("ann", password="a good secret")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("django")
    run_python("-m", "django", "startproject", "mysite", ".", cwd=folder)
    (folder / "notes.py").write_text(sources.DJANGO_NOTES)
    (folder / "write.html").write_text(sources.DJANGO_TEMPLATE)
    (folder / "mysite" / "urls.py").write_text(sources.DJANGO_URLS)
    with open(folder / "mysite" / "settings.py", "a") as settings:
        settings.write(sources.DJANGO_SETTINGS)
    run_python("manage.py", "migrate", "-v", "0", cwd=folder)
    run_python("manage.py", "shell", "-v", "0", "-c", USER, cwd=folder)
    return folder


@pytest.fixture(scope="module", params=["4", "0"], ids=["threads", "loop"])
def site(request: pytest.FixtureRequest, project: Path) -> Iterator[Program]:
    with Program("mysite.wsgi", "--threads", request.param, cwd=project, env=with_apps()) as program:
        yield program
        assert program.stop() == 0


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


@pytest.mark.parametrize("spec", [*documented()[:1], "mysite.wsgi:application", "mysite/wsgi.py"])
def test_one_command(spec: str, project: Path, serve: Serve) -> None:
    program = serve(spec, cwd=project)
    assert requests.get(f"{program.url}/who/ann", timeout=WAIT).json()["answer"] == 42


def test_the_documents_have_the_command() -> None:
    assert documented() == ["mysite.wsgi"] * 2


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


def test_mounted_it_knows_where_it_is(project: Path, serve: Serve) -> None:
    program = serve("hello", "--mount", "/site=mysite.wsgi", cwd=project)
    told = requests.get(f"{program.url}/site/who/ann", timeout=WAIT).json()
    assert (told["path"], told["script"]) == ("/site/who/ann", "/site")
    login = requests.get(f"{program.url}/site/admin/", timeout=WAIT)
    assert login.url == f"{program.url}/site/admin/login/?next=/site/admin/"
    assert requests.get(f"{program.url}/test", timeout=WAIT).text == "Hello"


def test_slow_views_stop_nobody_while_a_thread_is_free(project: Path, serve: Serve) -> None:
    program = serve("mysite.wsgi", cwd=project)
    with ThreadPoolExecutor(3) as slow, Client(program.url) as client:
        sleeping = [slow.submit(requests.get, f"{program.url}/sleep?seconds=1", timeout=WAIT) for _ in range(3)]
        began = time.monotonic()
        assert client.get("/who/ann").json()["name"] == "ann"
        assert all(not each.done() for each in sleeping), f"it took {time.monotonic() - began} s"
        assert [each.result().text for each in sleeping] == ["slept"] * 3
