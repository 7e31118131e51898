"""The applications are installed before the first test that wants one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.program import Program

from . import install, with_apps

Serve = Callable[..., Program]


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    install()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`serve(*arguments)` runs a server in `tmp_path`, or in `cwd`, which is stopped, and stops well, at the end."""
    with ExitStack() as servers:

        def start(*arguments: str, cwd: Path = tmp_path) -> Program:
            program = servers.enter_context(Program(*arguments, cwd=cwd, env=with_apps()))
            servers.callback(check, program)
            return program

        def check(program: Program) -> None:
            assert program.stop() == 0
            assert "Traceback" not in program.said()

        yield start
