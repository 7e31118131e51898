"""A folder served by Static, and the clocks that it goes by, which a test sets: what the tests of its parts need."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from handlers import static
from handlers.static import Static, cache, representation
from reactor import Request, Response, Server
from reactor.testing import TestClient

PAST = 1_000_000_000  # seconds since the epoch: when a file was written that has not been touched for long
BIG = 200_000  # bytes of a file that stays open


class Clock:
    """Attribute `passed`: seconds that have passed for the static handler, as far as it looks at clocks. `lead`: how
    far its clock of the day is ahead, so that what was just written has rested for it, and has a strong tag."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.lead = 10.0

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    def time(self) -> float:
        return time.time() + self.lead + self.passed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (static, cache):
        monkeypatch.setattr(module, "monotonic", clock.monotonic)
    monkeypatch.setattr(representation, "time", clock.time)
    return clock


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """An empty folder to serve; whatever is asked of it, no descriptor is left open."""
    root = tmp_path / "root"
    root.mkdir()
    before = descriptors()
    yield root
    assert descriptors() == before


def serving(root: Path, **options: Any) -> TestClient:
    """A client of this folder."""
    return TestClient(Static(root, **options))


def answer_of(static: Static, path: str, headers: Mapping[str, str] | None = None) -> Response:
    """What it answers to a GET, of which nothing has been sent."""
    answers: list[Response] = []

    def handler(request: Request) -> Response:
        answers.append(static(request))
        return Response(204)

    TestClient(handler).get(path, headers or {})
    return answers[0]


def put(root: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files, and the folders they are in."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)


def replace(path: Path, data: bytes) -> None:
    """Another file in the place of this one, by renaming."""
    new = path.with_name(".new")
    new.write_bytes(data)
    new.rename(path)


def descriptors() -> list[str]:
    """What this process has open."""
    return sorted(os.listdir("/proc/self/fd"))


def opened(path: Path) -> int:
    """How often this process has this file open, whatever it is called by now."""
    wanted = path.stat()
    count = 0
    for each in os.listdir("/proc/self/fd"):
        try:
            status = os.stat(f"/proc/self/fd/{each}")
        except OSError:
            continue  # the descriptor of the list itself
        count += (status.st_dev, status.st_ino) == (wanted.st_dev, wanted.st_ino)
    return count


def port_of(server: Server) -> int:
    port: int = server.endpoints[0].sock.getsockname()[1]
    return port
