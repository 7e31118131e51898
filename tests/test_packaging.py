"""What is shipped: both packages with their type markers in the wheel, and all a developer needs in the sdist."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a freshly built wheel and sdist."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, check=True)
    return folder


def test_the_wheel_has_both_packages_and_nothing_else(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        info = next(name for name in names if name.endswith("/METADATA")).partition("/")[0]
        metadata = archive.read(f"{info}/METADATA").decode()
        scripts = archive.read(f"{info}/entry_points.txt").decode()
    assert {name.partition("/")[0] for name in names} == {"reactor", "handlers", info}
    assert {"reactor/py.typed", "handlers/py.typed", "reactor/cli/__init__.py"} <= set(names)
    assert re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE) == ["wsproto<2,>=1.2; extra == 'websocket'"]
    assert "reactor = reactor.cli:main" in scripts
    # A wheel is a zip that Python can import from: what is in it is enough, with nothing else on the path.
    code = "import sys; sys.path.insert(0, sys.argv[1]); import reactor, reactor.cli, handlers; print(reactor.__file__)"
    loaded = subprocess.run([sys.executable, "-I", "-c", code, wheel], env={}, cwd=dist, capture_output=True, text=True)
    assert loaded.stdout.startswith(str(wheel)), loaded.stderr


def test_the_sdist_has_tests_docs_and_loadtest(dist: Path) -> None:
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md",
        "reactor/py.typed", "handlers/py.typed", "tests/__main__.py", "loadtest/floor.py", "docs/architecture.md",
    } <= names  # fmt: skip


def test_every_package_is_typed_in_the_checkout() -> None:
    assert (ROOT / "reactor" / "py.typed").exists()
    assert (ROOT / "handlers" / "py.typed").exists()


def test_an_older_python_is_told_so_in_one_line() -> None:
    older = "import sys; sys.version_info = (3, 10); "
    command = [sys.executable, "-c", older + "import reactor"]
    imported = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "ImportError: reactor needs Python 3.11 or newer; this is 3.10" in imported.stderr
    run = "sys.argv[0] = '-m'; import reactor"
    started = subprocess.run([sys.executable, "-c", older + run], cwd=ROOT, capture_output=True, text=True)
    assert started.stderr == "reactor needs Python 3.11 or newer; this is 3.10\n"
    assert started.returncode == 1
