"""What every test may use: tools of the system that a machine may lack, and a skip that CI does not accept."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import pytest

from .turning import Serve, Turning


def need(tool: str) -> str:
    """The path of a system tool (curl, nc, wrk); without it the test is skipped, and in CI it fails."""
    path = shutil.which(tool)
    if path is None:
        absent(f"{tool} is not installed")
    return path


def absent(reason: str) -> NoReturn:
    """This machine cannot run the test: skip it with a plain reason; in CI, where everything must run, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and in CI nothing may be skipped for that")
    pytest.skip(reason)


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts servers that turn when told, with `settings`."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Turning:
            turning = Turning(tmp_path / "s", monkeypatch, **settings)
            stack.callback(turning.server.close)
            stack.enter_context(turning.clients)
            return turning

        yield start
