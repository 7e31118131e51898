"""What frameworks make is found to be what it is, from a file, a module or a factory: nobody has to say."""

import json
from pathlib import Path

import pytest

from . import asgi_sources, run_python, sources

FILES = {
    "hello.py": sources.FLASK_HELLO,
    "more.py": sources.FLASK_MORE,
    "dav.py": sources.WSGIDAV,
    "metrics.py": sources.PROMETHEUS,
    "main.py": asgi_sources.FASTAPI,
    "star.py": asgi_sources.STARLETTE,
    "birds.py": asgi_sources.DATASETTE,
    "ametrics.py": asgi_sources.PROMETHEUS,
    # What is put around an app.
    "proxied.py": "from hello import app\nfrom werkzeug.middleware.proxy_fix import ProxyFix\napp = ProxyFix(app)",
    "beside.py": "from hello import app\nfrom werkzeug.middleware.dispatcher import DispatcherMiddleware\n"
                 "app = DispatcherMiddleware(app, {'/more': app})",
    "zip.py": "from main import app\nfrom starlette.middleware.gzip import GZipMiddleware\napp = GZipMiddleware(app)",
    "cors.py": "from main import app\nfrom starlette.middleware.cors import CORSMiddleware\napp = CORSMiddleware(app)",
    "bridge.py": "from hello import app as flask\nfrom asgiref.wsgi import WsgiToAsgi\napp = WsgiToAsgi(flask)",
    "bare.py": "from hello import app as flask\napp = flask.wsgi_app",
}  # fmt: skip

WANTED = {
    "mysite.wsgi": "WSGI", "mysite.asgi": "ASGI", "mysite.wsgi:application": "WSGI", "mysite/asgi.py": "ASGI",
    "hello.py": "WSGI", "hello:app": "WSGI", "more:create_app()": "WSGI", "httpbin:app": "WSGI", "dav.py": "WSGI",
    "metrics.py": "WSGI", "main.py": "ASGI", "main:app": "ASGI", "star.py": "ASGI", "birds.py": "ASGI",
    "ametrics.py": "ASGI", "proxied.py": "WSGI", "beside.py": "WSGI", "zip.py": "ASGI", "cors.py": "ASGI",
    "bridge.py": "ASGI", "bare.py": "WSGI",
}  # fmt: skip

FIND = """
import json, sys
from reactor.plugins import find

sys.path.insert(0, sys.argv[1])
print(json.dumps({spec: find(spec).kind for spec in sys.argv[2:]}))
"""


@pytest.fixture(scope="module")
def found(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("detection")
    for name, source in FILES.items():
        (folder / name).write_text(source)
    for name in ("shared", "static"):
        (folder / name).mkdir()
    (folder / "birds.db").touch()
    (folder / "mysite").symlink_to(project / "mysite")
    printed = run_python("-c", FIND, str(folder), *WANTED, cwd=folder)
    told: dict[str, str] = json.loads(printed.splitlines()[-1])
    return told


@pytest.mark.parametrize("spec", WANTED)
def test_what_it_is_is_found(spec: str, found: dict[str, str]) -> None:
    assert found[spec] == WANTED[spec]
