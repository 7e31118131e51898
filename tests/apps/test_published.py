"""What docs/apps.md says to whoever publishes an application: its static files, behind a proxy, as a service."""

import configparser
import re
import shlex
from pathlib import Path

import pytest
import requests

from tests.program import ROOT, run

from . import WAIT, run_python
from .conftest import Serve

TEXT = (ROOT / "docs" / "apps.md").read_text(encoding="utf-8")
BY_A_PROXY = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https", "Host": "example.org"}
DJANGO = '''
ALLOWED_HOSTS = ["example.org", "127.0.0.1"]
STATIC_ROOT = BASE_DIR / "assets"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
DEBUG = False
'''
FLASK = '''
from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)
app.wsgi_app = ProxyFix(app.wsgi_app)

@app.get("/")
def who():
    return f"{request.remote_addr} {request.url}"
'''
FASTAPI = '''
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

app = FastAPI()
app.add_middleware(ProxyHeadersMiddleware, trusted_hosts="127.0.0.1")

@app.get("/", response_class=PlainTextResponse)
def who(request: Request):
    return f"{request.client.host} {request.url}"
'''


def shown(code: str) -> None:
    """Each line of `code` that is said to be added is what the document shows."""
    for line in code.splitlines():
        if re.match(r"SECURE_PROXY|STATIC_ROOT|app\.(wsgi_app|add)", line):
            assert f"`{line}`" in TEXT


def test_django_without_debug(serve: Serve, tmp_path: Path) -> None:
    run_python("-m", "django", "startproject", "mysite", ".", cwd=tmp_path)
    with open(tmp_path / "mysite" / "settings.py", "a") as settings:
        settings.write(DJANGO)
    shown(DJANGO)
    run_python("manage.py", "collectstatic", "--no-input", "-v", "0", cwd=tmp_path)
    program = serve("mysite.wsgi", "--mount", "/static=assets", cwd=tmp_path)
    style = requests.get(f"{program.url}/static/admin/css/base.css", timeout=WAIT)
    assert style.headers["Content-Type"].startswith("text/css")
    assert style.headers["ETag"], "it is Reactor that sends it"
    reply = requests.get(f"{program.url}/admin/", timeout=WAIT, allow_redirects=False)
    assert reply.headers["Location"].startswith("https://"), "without the proxy's word it is no TLS"
    reply = requests.get(f"{program.url}/admin/", headers=BY_A_PROXY, timeout=WAIT, allow_redirects=False)
    assert reply.headers["Location"] == "/admin/login/?next=/admin/"


@pytest.mark.parametrize("source", [FLASK, FASTAPI], ids=["flask", "fastapi"])
def test_an_application_that_believes_its_proxy(source: str, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "who.py").write_text(source)
    shown(source)
    program = serve("who.py")
    assert requests.get(program.url, headers=BY_A_PROXY, timeout=WAIT).text == "192.0.2.7 https://example.org/"


def test_the_unit_starts_what_can_be_started(tmp_path: Path) -> None:
    """Its flags are known, and its socket is where its own directory is."""
    text = re.search(r"^```ini\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert text is not None
    unit = configparser.ConfigParser()
    unit.read_string(text[1])
    service = unit["Service"]
    (tmp_path / "assets").mkdir()
    (tmp_path / "mysite").mkdir()
    (tmp_path / "mysite" / "wsgi.py").write_text("def application(environ, start_response): ...")
    command = shlex.split(service["ExecStart"])
    done = run(*command[command.index("reactor") + 1 :], "--print-config", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    values = dict(re.findall(r'^([\w-]+) += \[?"?([^"\s]*)', done.stdout, re.MULTILINE))
    assert values["bind"].startswith(f"unix:/run/{service['RuntimeDirectory']}/")
    assert int(values["timeout-graceful-shutdown"].rstrip("s")) < int(service["TimeoutStopSec"])
