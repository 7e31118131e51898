"""What the attacks are aimed at: a handler with answers of all sorts, well behaved and not.

    python3 -m reactor loadtest/attacks/target.py
"""

import threading
import time
from collections.abc import Iterator

from handlers.offload import offload
from reactor import Answer, BodySink, Handler, Later, Request, Response, Server

HANG = 0.3  # seconds that /hang holds the loop, or /offload a thread
LATER = 2.0  # seconds until /later is answered
PIECE = bytes(16 * 1024)

HELLO = Response(200, "Hello")
BIG = Response(200, bytes(4 * 1024 * 1024))
PAGE = Response(200, PIECE)
NOT_FOUND = Response(404, "Not Found")


def fails(request: Request) -> Response:
    raise RuntimeError("as asked")


def hangs(request: Request) -> Response:
    time.sleep(HANG)
    return Response(200, "at last")


def pieces(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield PIECE


def for_ever(request: Request) -> Response:
    return Response(200, iter(lambda: PIECE, b""))


def promises_more(request: Request) -> Response:
    return Response(200, pieces(3), length=4 * len(PIECE))


def promises_less(request: Request) -> Response:
    return Response(200, pieces(4), length=3 * len(PIECE))


def breaks_off(request: Request) -> Response:
    def body() -> Iterator[bytes]:
        yield PIECE
        raise RuntimeError("as asked")

    return Response(200, body())


def later(request: Request) -> Later:
    promise = Later()
    threading.Timer(LATER, promise.answer, (HELLO,)).start()
    return promise


def upload(request: Request) -> Response:
    return Response(200, f"{len(request.body)}")


class Target:
    """Answers by path; what is below /offload is computed in threads, everything else on the loop."""

    def __init__(self) -> None:
        self._offload = offload(hangs, threads=2, queue=8)
        self._paths: dict[str, Handler] = {
            "/raise": fails, "/hang": hangs, "/for-ever": for_ever, "/more": promises_more, "/less": promises_less,
            "/breaks-off": breaks_off, "/upload": upload, "/later": later,
        }  # fmt: skip

    def on_head(self, request: Request) -> Answer | BodySink | None:
        return self._offload.on_head(request) if request.path == "/offload" else None

    def __call__(self, request: Request) -> Answer:
        if request.path == "/test":
            return HELLO
        if request.path == "/page":
            return PAGE
        if request.path == "/big":
            return BIG
        answer = self._paths.get(request.path)
        return NOT_FOUND if answer is None else answer(request)

    def startup(self, server: Server) -> None:
        self._offload.startup(server)

    def shutdown(self) -> None:
        self._offload.shutdown()


handler = Target()
