"""What answers before its body's end does so behind middleware, routers and pools, too."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from handlers.middleware import Steps, compose, middleware
from handlers.offload import offload
from handlers.router import Router
from reactor import Request, Response, StreamingRequest, streaming
from tests.aio import port_of, serving
from tests.wire import connect


@middleware
def marked(request: Request) -> Steps:
    response = yield
    return response.with_headers({"X-Marked": "yes"})


@streaming
async def shout(request: StreamingRequest) -> Response:
    if request.path.endswith("fail"):
        raise ValueError("as asked")

    async def louder() -> AsyncIterator[bytes]:
        async for piece in request.stream():
            yield piece.upper()
            if piece == b"stop":
                return

    return Response(200, louder())


def routed() -> Router:
    router = Router()
    router.mount("/deep", shout)
    return router


HANDLERS = [compose(shout, marked, marked), compose(routed(), marked), offload(shout), compose(offload(shout), marked)]


@pytest.mark.parametrize("handler", HANDLERS, ids=["twice", "routed", "offload", "both"])
@pytest.mark.parametrize("last", [b"end", b"stop"])
def test_it_answers_while_it_reads(handler: Any, last: bytes) -> None:
    with serving(handler) as server, connect(port_of(server)) as sock, sock.makefile("rb") as lines:
        for _ in range(2):
            sock.sendall(b"POST /deep/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for word in (b"one", last):
                sock.sendall(b"%x\r\n%b\r\n" % (len(word), word))
                while lines.readline() != word.upper() + b"\r\n":
                    pass
            sock.sendall(b"0\r\n\r\n")
            assert (lines.readline(), lines.readline()) == (b"0\r\n", b"\r\n")


@pytest.mark.parametrize("handler", HANDLERS, ids=["twice", "routed", "offload", "both"])
def test_what_it_raises_is_a_500(handler: Any) -> None:
    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(b"POST /deep/fail HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
        assert sock.recv(100).startswith(b"HTTP/1.1 500 ")
