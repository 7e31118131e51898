"""apt, from a repository that is a folder of packages: updated, asked again, downloaded, resumed; no root is needed."""

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from tests.conftest import need

from .clients import answered, digest, noise, run, serving

MADE = 1_600_000_000  # seconds since 1970

CONFIG = """
Dir "{desk}";
Dir::Etc "etc";
Dir::State "state";
Dir::State::status "{desk}/status";
Dir::Cache "cache";
Dir::Log "log";
APT::Architecture "all";
APT::Architectures {{ "all"; }};
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "0";
Acquire::http::Proxy "DIRECT";
"""


def package(site: Path, scratch: Path, name: str, size: int) -> str:
    """A Debian package of one file, in `site`; its paragraph for the list of packages."""
    control = f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: N <n@example.com>\nDescription: {name}\n"
    (scratch / name / "DEBIAN").mkdir(parents=True)
    (scratch / name / "DEBIAN" / "control").write_text(control)
    (scratch / name / "data").write_bytes(noise(size))
    path = site / f"{name}_1.0_all.deb"
    run("dpkg-deb", "--root-owner-group", "-Znone", "--build", scratch / name, path, cwd=scratch)
    os.utime(path, (MADE, MADE))  # a date of the running second is too weak for If-Range
    return f"{control}Filename: ./{path.name}\nSize: {path.stat().st_size}\nSHA256: {digest(path)}\n"


@pytest.fixture
def packages(site: Path, tmp_path: Path) -> dict[str, Path]:
    """The packages of a flat repository, by name."""
    need("apt-get")
    need("dpkg-deb")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    names = [f"pack-{number}" for number in range(12)]
    lists = "\n".join(package(site, scratch, name, 1000 + 40_000 * number) for number, name in enumerate(names))
    (site / "Packages").write_text(lists)
    (site / "Packages.gz").write_bytes(gzip.compress(lists.encode()))
    sums = [(path, (site / path).read_bytes()) for path in ("Packages", "Packages.gz")]
    digests = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n" for path, data in sums)
    (site / "Release").write_text(f"Date: Sat, 01 Jan 2022 00:00:00 UTC\nSHA256:\n{digests}")
    return {name: site / f"{name}_1.0_all.deb" for name in names}


def at(desk: Path, url: str) -> None:
    """All that apt needs, in `desk`: it looks nowhere else."""
    for folder in ("etc/apt.conf.d", "etc/preferences.d", "state/lists/partial", "cache/archives/partial", "log"):
        (desk / folder).mkdir(parents=True)
    (desk / "status").touch()
    (desk / "etc" / "sources.list").write_text(f"deb [trusted=yes] {url}/ ./\n")
    (desk / "apt.conf").write_text(CONFIG.format(desk=desk))


def apt_get(*arguments: str, cwd: Path) -> str:
    done = run("apt-get", "-q", *arguments, cwd=cwd, env={"APT_CONFIG": str(cwd / "apt.conf")})
    return done.stdout.decode()


def test_packages_are_found_and_downloaded(site: Path, packages: dict[str, Path], desk: Path) -> None:
    with serving(site) as program:
        at(desk, program.url)
        assert "Get:" in apt_get("update", cwd=desk)
        assert "Hit:" in apt_get("update", cwd=desk), "nothing has changed"
        apt_get("download", *packages, cwd=desk)
        assert answered(program, "/./Release") == [200, 304]
    for path in packages.values():
        assert digest(desk / path.name) == digest(path)


def test_a_broken_download_is_resumed(site: Path, packages: dict[str, Path], desk: Path) -> None:
    path = packages["pack-11"]
    with serving(site) as program:
        at(desk, program.url)
        apt_get("update", cwd=desk)
        partial = desk / "cache" / "archives" / "partial" / path.name
        partial.write_bytes(path.read_bytes()[:100_000])
        os.utime(partial, (MADE, MADE))  # what it sends in If-Range
        apt_get("install", "--download-only", "-y", "pack-11", cwd=desk)
        assert answered(program, f"/./{path.name}") == [206]
    assert digest(desk / "cache" / "archives" / path.name) == digest(path)
