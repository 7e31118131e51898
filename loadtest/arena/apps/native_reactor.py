"""The app as a Reactor handler.

    python3 -m reactor loadtest/arena/apps/native_reactor.py --no-access-log
"""

from loadtest.arena.apps import content
from reactor import Handler, Request, Response

HELLO = Response(200, content.HELLO, content_type=content.TEXT)
BLOCK = Response(200, content.BLOCK, content_type=content.BYTES)
NOT_FOUND = Response(404, "Not Found")


def hello(request: Request) -> Response:
    return HELLO


def record(request: Request) -> Response:
    return Response(200, content.record(), content_type=content.JSON)


def post(request: Request) -> Response:
    return Response(200, str(len(request.body)), content_type=content.TEXT)


def block(request: Request) -> Response:
    return BLOCK


def huge(request: Request) -> Response:
    return Response(200, content.huge(), content_type=content.BYTES, length=content.HUGE_SIZE)


def stream(request: Request) -> Response:
    return Response(200, content.stream(), content_type=content.TEXT)


def nothing(request: Request) -> Response:
    return NOT_FOUND


ROUTES: dict[str, Handler] = {
    "/test": hello, "/json": record, "/post": post, "/64k": block, "/100m": huge, "/stream": stream,
}  # fmt: skip


def handler(request: Request) -> Response:
    answer = ROUTES.get(request.path, nothing)(request)
    assert isinstance(answer, Response)
    return answer
