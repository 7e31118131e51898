"""A request's body on its way to `wsgi.input`: in memory while it is small, else in a temporary file.

Law: an application is called when its request is complete, so that a slow client holds no thread; and what waits for
that weighs IN_MEMORY bytes at most, however large the body may be.
"""

from collections.abc import Callable
from io import BytesIO
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from reactor import Answer, Request

IN_MEMORY = 64 * 1024  # bytes; above it a body goes to a file


class Incoming:
    """The body sink: gives the answer of `finish(request, body, size)`, whose `body` is at its beginning."""

    __slots__ = ("_file", "_finish", "_request", "_size")

    def __init__(self, request: Request, finish: Callable[[Request, BinaryIO | None, int], Answer]) -> None:
        self._request = request
        self._finish = finish
        self._file: BinaryIO = BytesIO()
        self._size = 0

    def feed(self, data: bytes) -> None:
        size = self._size + len(data)
        if size > IN_MEMORY >= self._size:
            start = self._file
            self._file = cast(BinaryIO, TemporaryFile(prefix="reactor-"))  # noqa: SIM115  # closed with the answer
            self._file.write(cast(BytesIO, start).getbuffer())
        self._file.write(data)
        self._size = size

    def finish(self) -> Answer:
        self._file.seek(0)
        return self._finish(self._request, self._file, self._size)

    def abort(self) -> None:
        self._file.close()
