"""Real applications, unmodified, behind `python -m reactor` as a process of its own, asked by real clients.

They are the dependency group `apps` of `pyproject.toml`. Their libraries clash with those of the tests, so they are
installed beside them, in `.venv/apps`, and only the server's process sees them.
"""

import fcntl
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import requests

from tests.__main__ import VENV
from tests.program import ROOT, Program, environment

PACKAGES = VENV / "apps"
STAMP = PACKAGES / "installed"
WAIT = 20.0  # seconds, for what takes a fraction of one


def wanted() -> str:
    """What the stamp says when the install is up to date: this group, for this Python."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return json.dumps([groups["apps"], sys.version])


def install() -> None:
    """Bring PACKAGES to the group, unless it is there. Who comes second waits."""
    PACKAGES.mkdir(parents=True, exist_ok=True)
    with open(PACKAGES / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = wanted()
        if STAMP.exists() and STAMP.read_text() == stamp:
            return
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--no-warn-conflicts", "--upgrade"]
        subprocess.run([*pip, "--target", str(PACKAGES), "--group", "apps"], cwd=ROOT, check=True)
        STAMP.write_text(stamp)


def with_apps() -> dict[str, str]:
    """What a process needs in its environment to import them."""
    return {"PYTHONPATH": f"{ROOT}:{PACKAGES}", "PYTHONDEVMODE": ""}  # their warnings are theirs


def run_python(*arguments: str, cwd: Path) -> str:
    """What a Python that has them prints; it must succeed."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment(with_apps()), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def serving(*arguments: str, cwd: Path, tracebacks: bool = False) -> Iterator[Program]:
    """A server, which stops as it should; `tracebacks`: whether its log may have some."""
    with Program(*arguments, cwd=cwd, env=with_apps()) as program:
        yield program
        assert program.stop() == 0
        assert tracebacks or "Traceback" not in program.said(), program.said()


class Client:
    """A `requests` session with one server: it keeps its connection and its cookies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """`more`: what `requests` takes. The answer, after redirects."""
        return self._session.request(method, self.url + path, timeout=WAIT, **more)

    def get(self, path: str, **more: Any) -> Any:
        return self.ask("GET", path, **more)

    def post(self, path: str, data: Any = None, **more: Any) -> Any:
        return self.ask("POST", path, data=data, **more)
