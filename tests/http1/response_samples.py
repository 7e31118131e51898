"""What servers answer, rightly and wrongly: samples for several tests, and the way to read a stream of them.

A sample is a name, the method of each request that is answered, and the bytes; a bad one is always a 502.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from reactor.http1.body import (
    CHUNK_LINE_LIMIT,
    EXTENSIONS_LIMIT,
    TRAILERS_COUNT_LIMIT,
    TRAILERS_LIMIT,
    ChunkedBody,
    LengthBody,
    UntilCloseBody,
)
from reactor.http1.errors import ProtocolError
from reactor.http1.framing import CHUNKED, UNTIL_CLOSE
from reactor.http1.request import HeadLimits
from reactor.http1.response_parser import ResponseHead, ResponseParser

LIMITS = HeadLimits(head=256, request_line=64, fields=6)  # small, so that what passes them is quickly cut everywhere

Pairs = list[tuple[bytes, bytes]]


class Heard(NamedTuple):
    """A response that was read to its end."""

    status: int
    version: bytes
    fields: Pairs
    body: bytes
    trailers: Pairs | None
    keep_alive: bool


class Refused(NamedTuple):
    """Bytes that were not."""


class Waiting(NamedTuple):
    """Bytes that are the beginning of something: `where` is "head", "body", or "close"."""

    where: str


Outcome = Heard | Refused | Waiting


def listen(
    pieces: Iterable[bytes], methods: Sequence[str], has_closed: bool = False, limits: HeadLimits = LIMITS
) -> list[Outcome]:
    """What a stream that arrives in these pieces says in answer to requests of `methods`, as a client reads it."""
    parser = ResponseParser(limits)
    outcomes: list[Outcome] = []
    asked = list(methods)
    head: ResponseHead | None = None
    decoder: LengthBody | ChunkedBody | UntilCloseBody = LengthBody(0)
    payload: list[bytes] = []
    inbox: bytes | bytearray = b""
    for piece in [*pieces, b""]:
        inbox = bytearray(inbox) + piece if inbox else piece
        at = 0
        try:
            while asked:
                if head is None:
                    if at == len(inbox) or (head := parser.take(inbox, at, asked[0])) is None:
                        break
                    at = parser.end
                    decoder = expect(head)
                at += decoder.feed(inbox, at)
                payload.append(decoder.take())
                if not piece and has_closed and isinstance(decoder, UntilCloseBody):
                    decoder.end()
                if not decoder.is_complete:
                    break
                outcomes.append(_heard(head, b"".join(payload), decoder))
                if head.status >= 200:
                    del asked[0]
                payload.clear()
                head = None
        except ProtocolError:
            return [*outcomes, Refused()]
        inbox = inbox[at:]
    if head is not None:
        outcomes.append(Waiting("close" if head.length == UNTIL_CLOSE else "body"))
    elif inbox:
        outcomes.append(Waiting("head"))
    return outcomes


def expect(head: ResponseHead) -> LengthBody | ChunkedBody | UntilCloseBody:
    if head.length == CHUNKED:
        return ChunkedBody(1024)
    return UntilCloseBody() if head.length == UNTIL_CLOSE else LengthBody(head.length)


def _heard(head: ResponseHead, body: bytes, decoder: LengthBody | ChunkedBody | UntilCloseBody) -> Heard:
    trailers = None if decoder.trailers is None else list(decoder.trailers.pairs)
    return Heard(head.status, head.version, list(head.headers.pairs), body, trailers, head.keep_alive)


def line(text: bytes) -> bytes:
    return text + b"\r\nContent-Length: 0\r\n\r\n"


def field(text: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + text + b"\r\n\r\n"


def sized(value: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: " + value + b"\r\n\r\nhello"


def coded(value: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + value + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


def chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


GET = ("GET",)

GOOD: dict[str, tuple[Sequence[str], bytes]] = {
    "hello": (GET, sized(b"5")),
    "leading zeros": (GET, sized(b"0005")),
    "two of them": (("GET", "GET"), sized(b"5") * 2),
    "two that differ": (("GET", "GET"), sized(b"5") + line(b"HTTP/1.1 404 Not Found")),
    "no reason": (GET, line(b"HTTP/1.1 200 ")),
    "an odd reason": (GET, line(b"HTTP/1.1 299 \xe4\t~ !")),
    "an unknown status": (GET, line(b"HTTP/1.1 599 Odd")),
    "a later minor version": (GET, line(b"HTTP/1.9 200 OK")),
    "HTTP/1.0": (GET, line(b"HTTP/1.0 200 OK")),
    "HTTP/1.0, kept": (GET, b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n"),
    "to be closed": (GET, field(b"Connection: x, CLOSE")),
    "no fields": (("GET", "HEAD"), b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    "HEAD with a length": (("HEAD", "GET"), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + sized(b"5")),
    "HEAD in chunks": (("HEAD", "GET"), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + sized(b"5")),
    "204 with a length of 0": (("GET", "GET"), line(b"HTTP/1.1 204 No Content") + sized(b"5")),
    "304 with a length": (("GET", "GET"), b"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n" + sized(b"5")),
    "205 with nothing": (("GET", "GET"), line(b"HTTP/1.1 205 Reset") + sized(b"5")),
    "100 in front": (GET, b"HTTP/1.1 100 Continue\r\n\r\n" + sized(b"5")),
    "103 in front": (GET, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2 + sized(b"5")),
    "chunks": (GET, chunked(b"5\r\nhello\r\n1;a=b\r\n \r\n0\r\n\r\n")),
    "chunks, then another": (("GET", "GET"), chunked(b"5\r\nhello\r\n0\r\n\r\n") + sized(b"5")),
    "chunked in capitals": (GET, coded(b"Chunked")),
    "trailers": (GET, chunked(b"5\r\nhello\r\n0\r\nX: y\r\nZ: \r\n\r\n")),
    "odd bytes in a value": (GET, field(b"X: \xff\t~")),
    "the same field twice": (GET, field(b"X: 1\r\nX: 2")),
    "a cookie or two": (("GET", "GET"), field(b"Set-Cookie: a=1\r\nSet-Cookie: b=2") * 2),
    "a head of the limit": (GET, field(b"X: " + b"a" * (LIMITS.head - len(field(b"X: "))))),
    "fields to the limit": (GET, field(b"\r\n".join([b"X: y"] * (LIMITS.fields - 1)))),
}

CLOSING: dict[str, bytes] = {  # bodies that the close ends, of answers to GET
    "no length": b"HTTP/1.1 200 OK\r\n\r\nhello",
    "no length, no body": b"HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nhello\r\n\r\n",
    "what looks like another": b"HTTP/1.1 200 OK\r\n\r\n" + sized(b"5"),
}

BAD: dict[str, bytes] = {  # answers to GET
    "an empty line in front": b"\r\n" + sized(b"5"),
    "a bare LF in front": b"\n" + sized(b"5"),
    "a space in front": b" " + sized(b"5"),
    "not HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "a body without a head": b"<html>\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "in small letters": line(b"http/1.1 200 OK"),
    "HTTP/2": line(b"HTTP/2 200"),
    "HTTP/2.0": line(b"HTTP/2.0 200 OK"),
    "HTTP/0.9": line(b"HTTP/0.9 200 OK"),
    "HTTP/1.10": line(b"HTTP/1.10 200 OK"),
    "HTTP/01.1": line(b"HTTP/01.1 200 OK"),
    "HTTP/1.": line(b"HTTP/1. 200 OK"),
    "no version": line(b"HTTP 200 OK"),
    "a status below 100": line(b"HTTP/1.1 099 OK"),
    "a status of 600": line(b"HTTP/1.1 600 OK"),
    "a status of 000": line(b"HTTP/1.1 000 OK"),
    "two digits": line(b"HTTP/1.1 20 OK"),
    "four digits": line(b"HTTP/1.1 2000 OK"),
    "letters": line(b"HTTP/1.1 2OO OK"),
    "a sign": line(b"HTTP/1.1 +20 OK"),
    "no status": line(b"HTTP/1.1 OK"),
    "no space behind the status": line(b"HTTP/1.1 200"),
    "two spaces": line(b"HTTP/1.1  200 OK"),
    "a tab for a space": line(b"HTTP/1.1\t200 OK"),
    "a reason with a NUL": line(b"HTTP/1.1 200 O\0K"),
    "a reason with a CR": line(b"HTTP/1.1 200 O\rK"),
    "a reason with an escape": line(b"HTTP/1.1 200 \x1b[2J"),
    "a reason with DEL": line(b"HTTP/1.1 200 O\x7fK"),
    "LF alone": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "LF behind the status line": b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
    "LF behind a field": b"HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n\r\n",
    "a bare CR in a value": field(b"X: a\rb"),
    "a CR more": field(b"X: a\r"),
    "a NUL in a value": field(b"X: a\0b"),
    "a control byte in a value": field(b"X: a\x08b"),
    "a folded line": field(b"X: a\r\n b"),
    "a folded first line": b"HTTP/1.1 200 OK\r\n X: a\r\nContent-Length: 0\r\n\r\n",
    "no colon": field(b"X"),
    "an empty name": field(b": a"),
    "a space before the colon": field(b"X : a"),
    "a name that is no token": field(b"X(Y): a"),
    "a name beyond ASCII": field(b"\xfcber: a"),
    "a Content-Length of letters": sized(b"five"),
    "a Content-Length with a sign": sized(b"+5"),
    "a Content-Length below 0": sized(b"-5"),
    "a Content-Length in hexadecimal": sized(b"0x5"),
    "a Content-Length with an underscore": sized(b"1_0"),
    "a Content-Length with a space": sized(b"1 0"),
    "an empty Content-Length": sized(b""),
    "a list of Content-Lengths": sized(b"5, 5"),
    "a Content-Length beyond any size": sized(b"1" * 19),
    "two Content-Lengths": sized(b"5\r\nContent-Length: 5"),
    "two that differ": sized(b"5\r\ncontent-length: 6"),
    "both framings": sized(b"5\r\nTransfer-Encoding: chunked"),
    "both, the other way round": coded(b"chunked\r\nContent-Length: 5"),
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": coded(b"chunked, chunked"),
    "chunked in two lines": coded(b"chunked\r\nTransfer-Encoding: chunked"),
    "a coding that is not known": coded(b"gzip, chunked"),
    "identity": coded(b"identity"),
    "a coding that is not last": coded(b"chunked, gzip"),
    "an empty coding": coded(b""),
    "a coding with a vertical tab": coded(b"\x0bchunked"),
    "a Connection that is no list": field(b"Connection: a b"),
    "a bad length that frames nothing": b"HTTP/1.1 304 Not\r\nContent-Length: x\r\n\r\n",
    "both framings of what has no body": b"HTTP/1.1 204 No\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a chunk without a size": chunked(b"\r\nhello\r\n0\r\n\r\n"),
    "a chunk with a sign": chunked(b"+5\r\nhello\r\n0\r\n\r\n"),
    "a chunk in hexadecimal twice": chunked(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "a chunk with a space": chunked(b"5 \r\nhello\r\n0\r\n\r\n"),
    "a chunk that is longer": chunked(b"5\r\nhello!\r\n0\r\n\r\n"),
    "a chunk ended by LF": chunked(b"5\nhello\r\n0\r\n\r\n"),
    "a chunk of very many digits": chunked(b"0" * 16 + b"5\r\nhello\r\n0\r\n\r\n"),
    "a size line without end": chunked(b"5;" + b"a" * CHUNK_LINE_LIMIT),
    "very many extensions": chunked((b"1;" + b"a" * 200 + b"\r\nx\r\n") * (EXTENSIONS_LIMIT // 200 + 1)),
    "a trailer that frames": chunked(b"0\r\nContent-Length: 5\r\n\r\n"),
    "a folded trailer": chunked(b"0\r\nX: a\r\n b\r\n\r\n"),
    "very many trailers": chunked(b"0\r\n" + b"X: y\r\n" * (TRAILERS_COUNT_LIMIT + 1) + b"\r\n"),
    "very large trailers": chunked(b"0\r\nX: " + b"y" * TRAILERS_LIMIT),
    "a head that is too large": field(b"X: " + b"a" * LIMITS.head),
    "a head without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * LIMITS.head,
    "a status line without end": b"HTTP/1.1 200 " + b"a" * LIMITS.head,
    "too many fields": field(b"\r\n".join([b"X: y"] * LIMITS.fields)),
}
