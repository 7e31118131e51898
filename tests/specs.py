"""What can be named as a handler, written out for a test: files, modules, packages with entry points."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reactor import Handler, plugins
from reactor.plugins import importing
from reactor.testing import TestClient

HANDLER = """
from reactor import Response
def handler(request):
    "Says who it is."
    return Response(200, __name__)
"""
UPLOAD = """
import dataclasses, pathlib
from reactor import Response
@dataclasses.dataclass
class Upload:
    folder: pathlib.Path
    limit: int = 1
    def __call__(self, request):
        return Response(200, f"{self.folder} {self.limit}")
class Bare:
    def __call__(self, request):
        return Response(200, "bare")
class nested:
    made = Bare()
"""
APPS = """
def wsgi(environ, start_response): ...
async def asgi(scope, receive, send): ...
async def later(request): ...
def four(a, b, c, d): ...
def none(): ...
class Flask:
    def __call__(self, environ, start_response): ...
class FastAPI:
    async def __call__(self, scope, receive, send): ...
flask, fastapi, number = Flask(), FastAPI(), 42
"""


@pytest.fixture
def empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Each test has an empty working directory; what it imports and finds there is forgotten."""
    modules = dict(sys.modules)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(importing, "_files", {})
    monkeypatch.chdir(tmp_path)
    yield
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]


def write(name: str, text: str = HANDLER) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def load_all(target: str | None, mounts: list[tuple[str, str]], **options: Any) -> Handler:
    """The handler for a whole server."""
    return plugins.load_all(target, mounts, **options)[0]


def body(handler: Handler, path: str = "/") -> str:
    return TestClient(handler).get(path).text


def offer(name: str, module: str, value: str, source: str = HANDLER) -> None:
    """Install a package that offers a handler, as far as Python can see."""
    folder = Path("site").absolute()
    write(f"site/{module}.py", source)
    write(f"site/{name}_dist-1.2.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}-dist\nVersion: 1.2\n")
    write(f"site/{name}_dist-1.2.dist-info/entry_points.txt", f"[reactor.handlers]\n{name} = {value}\n")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
