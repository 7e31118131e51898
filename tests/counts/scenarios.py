"""What is asked of the server when its costs are counted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from handlers import hello
from reactor import Request, Response

from .served import Served

WARM_UP = 3  # requests that are not counted: what is kept of a connection is there afterwards
PART = 64 * 1024  # bytes that arrive at once
CHUNK = 16 * 1024
MIB = 1024 * 1024

HELLO = (
    b"GET /test HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
    b"Accept-Encoding: gzip, deflate\r\nAccept-Language: en\r\nCookie: a=b\r\n\r\n"
)
# What a browser says when it goes to a page, in twelve fields; %d: its session.
TWELVE_FIELDS = (
    b"GET /test HTTP/1.1\r\nHost: localhost\r\n"
    b'sec-ch-ua: "Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\n'
    b'sec-ch-ua-platform: "Linux"\r\nUpgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) '
    b"AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,"
    b"application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\nSec-Fetch-Site: none\r\n"
    b"Sec-Fetch-Mode: navigate\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n"
    b"Cookie: session=%08d\r\n\r\n"
)
ANSWER = Response(200, bytes(MIB))
TAKEN = Response(200, "taken")


def upload(request: Request) -> Response:
    if len(request.body) != MIB:
        raise RuntimeError(f"{len(request.body)} bytes came, not {MIB}")
    return TAKEN


def count(request: Request) -> Response:
    return Response(200, b"%d" % len(request.body), content_type="text/plain")


def answer(_request: Request) -> Response:
    return ANSWER


@dataclass(frozen=True)
class Scenario:
    """`request(n)` is the n-th, and comes `PART` bytes at a time; `handler` answers it with `size` bytes of body."""

    handler: Callable[[Request], Response]
    request: Callable[[int], bytes]
    size: int

    def pieces(self, number: int) -> list[bytes]:
        message = self.request(number)
        return [message[at : at + PART] for at in range(0, len(message), PART)]


def _all_changed(number: int) -> bytes:
    """A browser's head in which each field differs from the last: nothing that the server remembers helps, and what it
    can remember it does, until there is no more room."""
    line, *fields = (TWELVE_FIELDS % number).removesuffix(b"\r\n\r\n").split(b"\r\n")
    return b"\r\n".join([line, *(b"%b%08d" % (field, number) for field in fields), b"", b""])


def _chunked() -> bytes:
    chunk = b"%x\r\n%b\r\n" % (CHUNK, bytes(CHUNK))
    head = b"POST /test HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + chunk * (MIB // CHUNK) + b"0\r\n\r\n"


SCENARIOS = {
    "hello": Scenario(hello.handler, lambda _: HELLO, 5),
    "twelve-fields": Scenario(hello.handler, lambda _: TWELVE_FIELDS % 0, 5),
    "changed-head": Scenario(hello.handler, lambda number: TWELVE_FIELDS % number, 5),
    "changed-fields": Scenario(hello.handler, _all_changed, 5),
    "post-1kib": Scenario(
        count, lambda _: b"POST /test HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\n" + bytes(1024), 4
    ),
    "upload-1mib": Scenario(
        upload, lambda _: b"POST /test HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % MIB + bytes(MIB), 5
    ),
    "upload-1mib-chunked": Scenario(upload, lambda _: _chunked(), 5),
    "answer-1mib": Scenario(answer, lambda _: HELLO, MIB),
}


class Asked:
    """A scenario under way: requests are counted when some like them have been served."""

    def __init__(self, scenario: Scenario) -> None:
        self.served = Served(scenario.handler)
        self._scenario = scenario
        self._number = 0
        for _ in range(WARM_UP):
            self.once(None)

    def once(self, turn: Callable[[], Any] | None) -> None:
        """One more request; `turn` runs the reactor once. RuntimeError where it is not answered as it should be."""
        self._number += 1
        found = self.served.ask(*self._scenario.pieces(self._number), turn=turn)
        head, _, body = found.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 OK\r\n") or len(body) != self._scenario.size:
            raise RuntimeError(f"not the answer: {head!r} and {len(body)} bytes")
