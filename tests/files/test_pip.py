"""pip, from an index that is a folder of folders: found by the listings, checked, installed."""

import base64
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import absent
from tests.program import Program

from .clients import answered, digest, noise, run, serving


def wheel(folder: Path, name: str, code: str, *needs: str, size: int = 0) -> Path:
    """A wheel of one module in `folder`, with `size` bytes beside it; its path."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": code.encode(),
        f"{name}_data/noise": noise(size),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: by-hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
        + "".join(f"Requires-Dist: {each}\n" for each in needs).encode(),
    }
    record = [f"{path},sha256={in_record(data)},{len(data)}" for path, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    folder.mkdir(parents=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in files.items():
            archive.writestr(each, data)
    return path


def in_record(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@pytest.fixture
def index(site: Path) -> Path:
    """A simple index: `alpha` is found by the folder's listing, `beta`, which it needs, by a page with its digest."""
    simple = site / "simple"
    wheel(simple / "alpha", "alpha", "import beta\nsaid = 'alpha and ' + beta.said\n", "beta>=1", size=200_000)
    path = wheel(simple / "beta", "beta", "said = 'beta'\n")
    page = f'<!DOCTYPE html><html><body><a href="{path.name}#sha256={digest(path)}">{path.name}</a></body></html>'
    (simple / "beta" / "index.html").write_text(page)
    return simple


def pip(program: Program, command: str, *arguments: str | Path, cwd: Path) -> None:
    """pip that knows no other index and no cache."""
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode:
        absent("this Python has no pip")
    run(sys.executable, "-m", "pip", command, "--isolated", "--no-cache-dir", "--disable-pip-version-check", "-q",
        "--retries=0", "--index-url", f"{program.url}/simple/", *arguments,
        cwd=cwd, env={"PIP_CONFIG_FILE": "/dev/null"})  # fmt: skip


def test_a_package_is_installed_with_what_it_needs(site: Path, index: Path, desk: Path) -> None:
    with serving(site) as program:
        pip(program, "install", "--target", desk / "lib", "alpha", cwd=desk)
        assert answered(program, "/simple/alpha/") == answered(program, "/simple/beta/") == [200]
    script = "import sys; sys.path[:0] = ['lib']; import alpha; print(alpha.said)"
    assert run(sys.executable, "-I", "-c", script, cwd=desk).stdout == b"alpha and beta\n"


def test_wheels_are_downloaded(site: Path, index: Path, desk: Path) -> None:
    with serving(site) as program:
        pip(program, "download", "-d", desk / "wheels", "alpha", cwd=desk)
    for name in ("alpha", "beta"):
        path = f"{name}-1.0-py3-none-any.whl"
        assert digest(desk / "wheels" / path) == digest(index / name / path)


def test_what_a_wheel_needs_is_read_from_afar(site: Path, index: Path, desk: Path) -> None:
    """pip can ask for the end of a wheel, where a zip file has its directory, before it asks for the whole."""
    with serving(site) as program:
        pip(program, "download", "--use-feature=fast-deps", "-d", desk / "wheels", "alpha", cwd=desk)
        assert 206 in answered(program, "/simple/alpha/alpha-1.0-py3-none-any.whl")
    assert {path.name for path in (desk / "wheels").iterdir()} == {
        "alpha-1.0-py3-none-any.whl", "beta-1.0-py3-none-any.whl"
    }  # fmt: skip
