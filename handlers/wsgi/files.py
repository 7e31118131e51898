"""`wsgi.file_wrapper`: a file that the kernel sends (PEP 3333, "Optional Platform-Specific File Handling").

Law: the kernel sends what is in the file that a descriptor names, so only an object that gives these very bytes is
given to it: what Python itself opened. All others, a GzipFile among them, which has the descriptor of something
else, are read.
"""

from collections.abc import Callable, Iterator
from io import BufferedRandom, BufferedReader, FileIO
from os import fstat
from stat import S_ISREG
from tempfile import _TemporaryFileWrapper
from typing import Any, BinaryIO, cast

from reactor import FileBody

BLOCK = 64 * 1024  # bytes, where the application does not say


class FileWrapper:
    """An iterable of a file's blocks, whose `close` is the file's."""

    def __init__(self, filelike: Any, block_size: int = BLOCK) -> None:
        self.filelike = filelike
        self.block_size = block_size
        close = getattr(filelike, "close", None)
        if close is not None:
            self.close = close

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.filelike.read(self.block_size), b"")


class SentFile(FileBody):
    """A FileBody whose end is told by `on_close()`."""

    __slots__ = ("_on_close",)

    def __init__(self, file: BinaryIO, offset: int, length: int, on_close: Callable[[], None]) -> None:
        super().__init__(file, offset, length)
        self._on_close = on_close

    def close(self) -> None:
        self._on_close()


def as_sent(wrapper: FileWrapper, length: int | None, on_close: Callable[[], None]) -> SentFile | None:
    """The file from where it stands, to its end or `length` bytes of it; None if the kernel cannot send it."""
    file = wrapper.filelike
    if isinstance(file, _TemporaryFileWrapper):
        file = file.file
    raw = file.raw if type(file) in (BufferedReader, BufferedRandom) else file
    if type(raw) is not FileIO:
        return None
    if type(file) is BufferedRandom:
        file.flush()
    status = fstat(raw.fileno())
    offset = file.tell() if S_ISREG(status.st_mode) else 0
    if status.st_size <= offset:  # a pipe, or a file of the kernel's, which does not say how large it is
        return None
    return SentFile(cast(BinaryIO, file), offset, status.st_size - offset if length is None else length, on_close)
