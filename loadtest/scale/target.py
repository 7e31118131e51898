"""What is loaded: hello that counts its requests, sinks for uploads, and answers of any size.

    python3 -m reactor loadtest/scale/target.py
"""

import tempfile
from collections.abc import Iterator

from reactor import Answer, BodySink, FileBody, Request, Response

HELLO = Response(200, "Hello")
NOT_FOUND = Response(404, "Not Found")
PIECE = bytes(64 * 1024)


class Counter:
    """A body sink that keeps nothing; its answer is how many bytes came."""

    limit = 0  # none

    def __init__(self) -> None:
        self._size = 0

    def feed(self, data: bytes) -> None:
        self._size += len(data)

    def finish(self) -> Answer:
        return Response(200, str(self._size))

    def abort(self) -> None: ...


def pieces(size: int) -> Iterator[bytes]:
    """`size` bytes, in pieces."""
    for _ in range(size // len(PIECE)):
        yield PIECE
    yield PIECE[: size % len(PIECE)]


def file(size: int) -> Response:
    """`size` bytes from a file that is gone when it is closed; sparse, so that no disk is measured."""
    holder = tempfile.TemporaryFile()  # noqa: SIM115  # who sends it closes it
    holder.truncate(size)
    return Response(200, FileBody(holder))


class Target:
    """GET /test: hello; /served: how many of those were answered; /file?size=N and /iterator?size=N: N bytes. A body
    of any size may be sent to /sink."""

    def __init__(self) -> None:
        self._served = 0

    def on_head(self, request: Request) -> BodySink | None:
        return Counter() if request.path == "/sink" else None

    def __call__(self, request: Request) -> Response:
        if request.path == "/test":
            self._served += 1
            return HELLO
        size = int(request.query.get("size", "0"))
        if request.path == "/served":
            return Response(200, str(self._served))
        if request.path == "/file":
            return file(size)
        if request.path == "/iterator":
            return Response(200, pieces(size))
        return NOT_FOUND


handler = Target()
