"""The standard library's clients: one connection for many requests, a download, and a zip file read from afar."""

import io
import urllib.request
import zipfile
from contextlib import closing
from pathlib import Path

from tests.program import DEADLINE, Program, connect

from .clients import KIB, MIB, digest, noise, serving


def test_many_requests_on_one_connection(site: Path) -> None:
    (site / "file.txt").write_bytes(noise(100 * KIB))
    with serving(site) as program, closing(connect(program)) as connection:

        def ask(method: str, **headers: str) -> tuple[int, bytes]:
            connection.request(method, "/file.txt", headers=headers)
            answer = connection.getresponse()
            tags.add(answer.headers["ETag"])
            return answer.status, answer.read()

        tags: set[str] = set()
        assert ask("HEAD") == (200, b"")
        assert ask("GET") == (200, noise(100 * KIB))
        (tag,) = tags
        assert ask("GET", **{"If-None-Match": tag}) == (304, b"")
        assert ask("GET", Range="bytes=10-19") == (206, noise(100 * KIB)[10:20])
        assert ask("GET", **{"Range": "bytes=10-19", "If-Range": '"another"'}) == (200, noise(100 * KIB))
        assert ask("HEAD", **{"If-None-Match": "*"}) == (304, b"")
        assert tags == {tag}


def test_a_download(site: Path, desk: Path) -> None:
    (site / "größe.bin").write_bytes(noise(3 * MIB))
    with serving(site) as program:
        request = urllib.request.Request(f"{program.url}/gr%C3%B6%C3%9Fe.bin")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=DEADLINE) as answer:
            assert answer.headers["Accept-Ranges"] == "bytes"
            (desk / "file").write_bytes(answer.read())
    assert digest(desk / "file") == digest(site / "größe.bin")


class Remote(io.RawIOBase):
    """A file on a server, read by ranges; `taken`: the bytes that came so far."""

    def __init__(self, program: Program, path: str) -> None:
        self._connection = connect(program)
        self._path = path
        self._place = self.taken = 0
        self._connection.request("HEAD", path)
        with self._connection.getresponse() as answer:
            self._size = int(answer.headers["Content-Length"])

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + (0, self._place, self._size)[whence]
        return self._place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # what BufferedReader gives
        if self._place >= self._size:
            return 0
        wanted = f"bytes={self._place}-{self._place + len(buffer) - 1}"
        self._connection.request("GET", self._path, headers={"Range": wanted})
        with self._connection.getresponse() as answer:
            assert answer.status == 206
            data = answer.read()
        buffer[: len(data)] = data
        self._place += len(data)
        self.taken += len(data)
        return len(data)

    def close(self) -> None:
        self._connection.close()
        super().close()


def test_one_member_of_a_zip_file_is_read_from_afar(site: Path) -> None:
    with zipfile.ZipFile(site / "large.zip", "w") as archive:
        for number in range(20):
            archive.writestr(f"member {number}", noise(100 * KIB + number))
    with serving(site) as program:
        with io.BufferedReader(Remote(program, "/large.zip")) as file, zipfile.ZipFile(file) as archive:
            assert archive.testzip() is None
        with io.BufferedReader(Remote(program, "/large.zip")) as file, zipfile.ZipFile(file) as archive:
            assert archive.read("member 7") == noise(100 * KIB + 7)
            assert file.raw.taken < 200 * KIB, "of 2 MiB"
