"""WsgiDAV, which uses every method there is, asked by a client for it, and by curl."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.program import Program, curl

from . import run_python, serving, sources


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Program]:
    (tmp_path / "dav.py").write_text(sources.WSGIDAV)
    (tmp_path / "shared").mkdir()
    with serving("dav.py", cwd=tmp_path) as program:
        yield program


def test_a_client_for_it(site: Program, tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(sources.WEBDAV_CLIENT)
    (tmp_path / "local.txt").write_bytes(b"over there\n" * 1_000_000)
    printed = run_python("client.py", site.url, cwd=tmp_path)
    assert re.findall(r"^then: (.*)$", printed, re.MULTILINE) == [
        "['one.txt', 'three.txt'] False 11000000",
        "locked: the other one may not write",
        "written by who has the lock",
        "False",
    ]
    assert (tmp_path / "back.txt").read_bytes() == (tmp_path / "local.txt").read_bytes()


def test_curl(site: Program, tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(b"0123456789abcdef" * 65536)
    url = site.url
    assert " 201 " in curl("-X", "MKCOL", f"{url}/new")
    assert " 201 " in curl("-T", str(tmp_path / "large.bin"), f"{url}/new/")
    assert (tmp_path / "shared/new/large.bin").read_bytes() == (tmp_path / "large.bin").read_bytes()
    assert " 207 Multi-Status" in (found := curl("-X", "PROPFIND", "-H", "Depth: 1", f"{url}/new/"))
    assert "/new/large.bin" in found
    assert " 201 " in curl("-X", "MOVE", "-H", f"Destination: {url}/new/small.bin", f"{url}/new/large.bin")
    assert curl("-r", "2-5", f"{url}/new/small.bin").endswith("\n\n2345")
    assert " 204 " in curl("-X", "DELETE", f"{url}/new")
    assert not (tmp_path / "shared/new").exists()
    assert "DAV: 1,2" in curl("-X", "OPTIONS", url)
