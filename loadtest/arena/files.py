"""Files: the tree that everybody serves who takes part, what is asked for of it, and how one sees that it is right.

Law: all serve the same files, made here; whatever comes is compared with what was written, to the last byte.
"""

import contextlib
import hashlib
import http.client
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from loadtest.arena.workloads import PATIENCE, Cannot, Workload, Wrong
from loadtest.servers import HOST

FOLDER = "files"  # in the tree; some must be told a prefix below which they serve files, so all are asked below one
MIB = 1 << 20
SIZES = {"1k": 1 << 10, "64k": 64 << 10, "10m": 10 * MIB, "1g": 1 << 30}
MIDDLE = (5 * MIB, 5 * MIB + (64 << 10))  # of the 10 MiB, first and behind the last byte
MEMORY = Path("/dev/shm")  # a file system in memory: no disk writes while something is measured
NOISE = random.Random(0).randbytes(MIB)


@dataclass(frozen=True)
class FileWorkload(Workload):
    """`file`: its name in SIZES; `span`: the bytes that are asked for, of all; `is_known`: the client has the file and
    asks whether it has changed."""

    file: str = ""
    span: tuple[int, int] | None = None
    is_known: bool = False

    def command(self, port: int, seconds: int) -> list[str]:
        words = super().command(port, seconds)
        fields = [f"{name}: {value}" for name, value in self._fields(port).items()]
        return [*words[:-1], *(word for field in fields for word in ("-H", field)), words[-1]]

    def ask(self, connection: http.client.HTTPConnection) -> None:
        fields = self._fields(connection.port)
        connection.request("GET", self.path, headers=fields)
        response = connection.getresponse()
        length, found = _digest_of(response)
        if self.span and response.status == 200:
            raise Cannot("ignores Range")
        wanted = 304 if self.is_known else 206 if self.span else 200
        start, stop = (0, 0) if self.is_known else self.span or (0, SIZES[self.file])
        if (response.status, found) != (wanted, digest(start, stop)):
            raise Wrong(f"answers {response.status} with {length:,} bytes, and they are not those of the file")
        told = response.headers["Content-Length"]
        if not self.is_known and told not in (None, str(length)):  # chunked is as right
            raise Wrong(f"answers {response.status} with {length:,} bytes, Content-Length {told}")
        if self.span and (told := response.headers["Content-Range"]) != content_range(self.span, SIZES[self.file]):
            raise Wrong(f"answers with Content-Range {told}")

    def _fields(self, port: int) -> dict[str, str]:
        """What the request has besides."""
        if self.span:
            return {"Range": f"bytes={self.span[0]}-{self.span[1] - 1}"}
        return validators(port, self.path) if self.is_known else {}


def content_range(span: tuple[int, int], size: int) -> str:
    return f"bytes {span[0]}-{span[1] - 1}/{size}"


def validators(port: int, path: str) -> dict[str, str]:
    """The condition of whoever has just got this: by its tag, or by its date where it has none; Cannot where it has
    neither."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Wrong(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()
    for validator, condition in (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since")):
        if value := response.headers[validator]:
            return {condition: value}
    raise Cannot("gives neither ETag nor Last-Modified")


def _digest_of(response: http.client.HTTPResponse) -> tuple[int, str]:
    """How much came, and its digest."""
    length, hashed = 0, hashlib.sha256()
    while piece := response.read(MIB):
        length += len(piece)
        hashed.update(piece)
    return length, hashed.hexdigest()


# --- the tree


def pieces(start: int, stop: int) -> Iterator[bytes]:
    """These bytes of a file: noise, and at the start of each MiB its number, so that no two are the same."""
    while start < stop:
        number, skipped = divmod(start, MIB)
        piece = number.to_bytes(8, "big") + NOISE[8:]
        end = min(MIB, skipped + stop - start)
        yield piece[skipped:end]
        start += end - skipped


@cache
def digest(start: int, stop: int) -> str:
    hashed = hashlib.sha256()
    for piece in pieces(start, stop):
        hashed.update(piece)
    return hashed.hexdigest()


@contextlib.contextmanager
def tree(workloads: Sequence[Workload]) -> Iterator[Path]:
    """A temporary folder with the files that these ask for; in memory where there is room."""
    sizes = {each.file: SIZES[each.file] for each in workloads if isinstance(each, FileWorkload)}
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2 * sum(sizes.values())
    with tempfile.TemporaryDirectory(prefix="arena-", dir=MEMORY if has_room else None) as name:
        folder = Path(name, FOLDER)
        folder.mkdir()
        for file, size in sizes.items():
            with (folder / file).open("wb") as written:
                written.writelines(pieces(0, size))
        yield Path(name)


ALL = (
    FileWorkload("file-1k", "a file of 1 KiB", f"/{FOLDER}/1k", file="1k"),
    FileWorkload("file-64k", "a file of 64 KiB", f"/{FOLDER}/64k", file="64k"),
    FileWorkload("file-10m", "a file of 10 MiB", f"/{FOLDER}/10m", 4, file="10m", size=SIZES["10m"]),
    FileWorkload("file-1g", "a file of 1 GiB", f"/{FOLDER}/1g", 2, file="1g", size=SIZES["1g"]),
    FileWorkload("file-304", "a file of 1 KiB that has not changed: 304", f"/{FOLDER}/1k", file="1k", is_known=True),
    FileWorkload("file-range", "64 KiB in the middle of 10 MiB: 206", f"/{FOLDER}/10m", file="10m", span=MIDDLE),
)
FILE_WORKLOADS = {workload.name: workload for workload in ALL}
FILE_ROUTES = frozenset(workload.path for workload in ALL)
