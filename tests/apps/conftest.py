"""The applications are installed before the first test that wants one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.program import Program

from . import django_sources as sources
from . import install, run_python, serving

Serve = Callable[..., Program]


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    install()


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Django project, as `startproject` makes it, with views of its own and a user."""
    folder = tmp_path_factory.mktemp("django")
    run_python("-m", "django", "startproject", "mysite", ".", cwd=folder)
    (folder / "notes.py").write_text(sources.NOTES)
    (folder / "write.html").write_text(sources.TEMPLATE)
    (folder / "mysite" / "urls.py").write_text(sources.URLS)
    with open(folder / "mysite" / "settings.py", "a") as settings:
        settings.write(sources.SETTINGS)
    run_python("manage.py", "migrate", "-v", "0", cwd=folder)
    run_python("manage.py", "shell", "-v", "0", "-c", sources.USER, cwd=folder)
    return folder


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`serve(*arguments)` runs a server in `tmp_path`, or in `cwd`, which is stopped, and stops well, at the end."""
    with ExitStack() as servers:

        def start(*arguments: str, cwd: Path = tmp_path) -> Program:
            return servers.enter_context(serving(*arguments, cwd=cwd))

        yield start
