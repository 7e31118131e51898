"""What clients send, rightly and wrongly: the samples that several tests share, and the way to read a stream of them.

A bad sample has a name, the bytes and the status of the refusal. Those whose name h11, our oracle, takes as
requests are listed with the reason in `tests/differential/stricter.py`.
"""

from collections.abc import Iterable
from typing import NamedTuple

from reactor.http1.body import (
    CHUNK_LINE_LIMIT,
    EXTENSIONS_LIMIT,
    TRAILERS_COUNT_LIMIT,
    TRAILERS_LIMIT,
    ChunkedBody,
    LengthBody,
)
from reactor.http1.errors import ProtocolError
from reactor.http1.framing import CHUNKED
from reactor.http1.parser import HeadParser
from reactor.http1.request import HeadLimits, Origin, Request

LIMITS = HeadLimits(head=256, request_line=64, fields=6)  # small, so that what passes them is quickly cut everywhere
BODY_LIMIT = 1024

Pairs = list[tuple[bytes, bytes]]


class Taken(NamedTuple):
    """A request that was read to its end."""

    method: str
    target: bytes
    version: bytes
    fields: Pairs
    body: bytes
    trailers: Pairs | None


class Refused(NamedTuple):
    """Bytes that were not."""

    status: int


class Waiting(NamedTuple):
    """Bytes that are the beginning of something: `where` is "head" or "body"."""

    where: str


Outcome = Taken | Refused | Waiting


def converse(pieces: Iterable[bytes], limits: HeadLimits = LIMITS, body_limit: int = BODY_LIMIT) -> list[Outcome]:
    """What a stream that arrives in these pieces says, read the way a connection reads it."""
    parser = HeadParser(limits, Origin())
    outcomes: list[Outcome] = []
    request: Request | None = None
    decoder: LengthBody | ChunkedBody = LengthBody(0)
    payload: list[bytes] = []
    inbox: bytes | bytearray = b""
    for piece in pieces:
        inbox = bytearray(inbox) + piece if inbox else piece
        at = 0
        try:
            while True:
                if request is None:
                    if at == len(inbox) or (request := parser.take(inbox, at)) is None:
                        break
                    at = parser.end
                    decoder = expect(request, body_limit)
                at += decoder.feed(inbox, at)
                payload.append(decoder.take())
                if not decoder.is_complete:
                    break
                trailers = None if decoder.trailers is None else list(decoder.trailers.pairs)
                version, fields = request.head.terms.version, list(request.headers.pairs)
                outcomes.append(Taken(request.method, request.target, version, fields, b"".join(payload), trailers))
                payload.clear()
                request = None
        except ProtocolError as error:
            return [*outcomes, Refused(error.status)]
        inbox = inbox[at:]
    if request is not None:
        outcomes.append(Waiting("body"))
    elif inbox:
        outcomes.append(Waiting("head"))
    return outcomes


def expect(request: Request, limit: int) -> LengthBody | ChunkedBody:
    """What reads the body of `request`."""
    length = request.head.terms.length
    if length == CHUNKED:
        return ChunkedBody(limit)
    if length > limit:
        raise ProtocolError(413, "too large")
    return LengthBody(length)


def line(text: bytes) -> bytes:
    """A head with this request line."""
    return text + b"\r\nHost: a\r\n\r\n"


def field(text: bytes) -> bytes:
    """A head with this field line behind its Host."""
    return b"GET / HTTP/1.1\r\nHost: a\r\n" + text + b"\r\n\r\n"


def sized(value: bytes) -> bytes:
    """A head with this Content-Length, and five bytes of body."""
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + value + b"\r\n\r\nhello"


def coded(value: bytes) -> bytes:
    """A head with this Transfer-Encoding, and a chunked body."""
    return b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + value + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


def chunked(body: bytes) -> bytes:
    """A request with this chunked body."""
    return b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body


def hosted(value: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n"


GOOD: dict[str, bytes] = {
    "the shortest": hosted(b""),
    "HTTP/1.0 without Host": b"GET / HTTP/1.0\r\n\r\n",
    "HTTP/1.2": line(b"GET / HTTP/1.2"),
    "HTTP/1.9": line(b"GET / HTTP/1.9"),
    "method of any token": line(b"!#$%&'*+-.^_`|~09azAZ / HTTP/1.1"),
    "lower-case method": line(b"get / HTTP/1.1"),
    "one empty line in front": b"\r\n" + line(b"GET / HTTP/1.1"),
    "four empty lines in front": b"\r\n\r\n\r\n\r\n" + line(b"GET / HTTP/1.1"),
    "target of any visible byte": line(b"GET /!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~ HTTP/1.1"),
    "query": line(b"GET /a?b=c&d=%20 HTTP/1.1"),
    "asterisk": line(b"OPTIONS * HTTP/1.1"),
    "authority": line(b"CONNECT a.example:443 HTTP/1.1"),
    "authority, v6": line(b"CONNECT [::1]:443 HTTP/1.1"),
    "absolute": line(b"GET http://b.example:80/x?y HTTP/1.1"),
    "absolute, https, no path": line(b"GET HTTPS://b.example HTTP/1.1"),
    "absolute, query only": line(b"GET http://b?x/y HTTP/1.1"),
    "request line at its limit": line(b"GET /" + b"a" * (64 - 16) + b" HTTP/1.1"),
    "head at its limit": field(b"A: " + b"a" * (256 - 32)),
    "fields at their limit": field(b"A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5"),
    "no space around values": b"GET / HTTP/1.1\r\nHost:a\r\nX:y\r\n\r\n",
    "white space around values": b"GET / HTTP/1.1\r\nHost: \t a \t \r\nX:\t y z \t\r\nE: \t \r\n\r\n",
    "empty value": field(b"X:"),
    "value with tab, colon and obs-text": field(b"X: a\tb:c\x80\xff\xa0\x85"),
    "token of every kind in a name": field(b"!#$%&'*+-.^_`|~09azAZ: 1"),
    "repeated list": field(b"Accept: a\r\nAccept: b\r\nCookie: c\r\nCookie: d"),
    "Host with port": hosted(b"a.example:8080"),
    "Host with empty port": hosted(b"a:"),
    "Host, v4": hosted(b"192.0.2.1:80"),
    "Host, v6": hosted(b"[2001:db8::192.0.2.1]:80"),
    "Host, sub-delims and escapes": hosted(b"a_b~!$&'()*+;=%2D"),
    "Content-Length": sized(b"5"),
    "Content-Length with zeros": sized(b"0005"),
    "Content-Length 0": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "Content-Length in HTTP/1.0": b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello",
    "body at its limit": sized(b"1024")[:-5] + b"x" * 1024,
    "body of CRLFs": sized(b"8")[:-5] + b"\r\n\r\n\r\n\r\n",
    "chunked": coded(b"chunked"),
    "Chunked": coded(b"ChunKed"),
    "chunked, empty": chunked(b"0\r\n\r\n"),
    "chunked, zeros": chunked(b"000\r\n\r\n"),
    "chunked, several": chunked(b"1\r\na\r\n0A\r\n\r\n\r\n\r\n\r\n\r\n\r\n00f\r\n0123456789abcde\r\n0\r\n\r\n"),
    "chunked, at the limit": chunked(b"3ff\r\n" + b"x" * 1023 + b"\r\n1\r\ny\r\n0\r\n\r\n"),
    "chunk extensions": chunked(b'5;a;b=c;d="e;\\"\t\\\\ \xff"\r\nhello\r\n0;last\r\n\r\n'),
    "longest chunk line": chunked(b"5;" + b"x" * (CHUNK_LINE_LIMIT - 4) + b"\r\nhello\r\n0\r\n\r\n"),
    "trailers": chunked(b"5\r\nhello\r\n0\r\nX-Sum: 1 \r\nx: \t\r\nX-Sum: 2\r\n\r\n"),
    "Expect": field(b"Expect: 100-Continue"),
    "Expect in HTTP/1.0": b"GET / HTTP/1.0\r\nExpect: what\r\n\r\n",
    "Connection": field(b"Connection: , a ,,Close,"),
    "two requests": hosted(b"a") + hosted(b"b"),
    "two requests and an empty line": sized(b"5") + b"\r\n" + hosted(b"b"),
    "body ends with CR": sized(b"1")[:-5] + b"\r" + b"\r\n" + hosted(b"b"),
    "chunked, then another": coded(b"chunked") + coded(b"chunked") + sized(b"5"),
}

BAD: dict[str, tuple[bytes, int]] = {
    # The request line.
    "five empty lines in front": (b"\r\n\r\n\r\n\r\n\r\n" + line(b"GET / HTTP/1.1"), 400),
    "nothing but empty lines": (b"\r\n" * 200, 400),
    "LF in front": (b"\n" + line(b"GET / HTTP/1.1"), 400),
    "CR in front": (b"\r" + line(b"GET / HTTP/1.1"), 400),
    "space in front": (b" " + line(b"GET / HTTP/1.1"), 400),
    "method not a token": (line(b"G(T / HTTP/1.1"), 400),
    "no method": (line(b" / HTTP/1.1"), 400),
    "method in Latin-1": (line(b"G\xc9T / HTTP/1.1"), 400),
    "two spaces": (line(b"GET  / HTTP/1.1"), 400),
    "two spaces before the version": (line(b"GET /  HTTP/1.1"), 400),
    "space behind": (line(b"GET / HTTP/1.1 "), 400),
    "tab": (line(b"GET\t/ HTTP/1.1"), 400),
    "vertical tab": (line(b"GET\x0b/ HTTP/1.1"), 400),
    "no-break space": (line(b"GET\xa0/ HTTP/1.1"), 400),
    "space in target": (line(b"GET /a b HTTP/1.1"), 400),
    "no target": (line(b"GET HTTP/1.1"), 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "bare LF behind the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "bare LF behind the version": (b"GET / HTTP/1.1\n\r\nHost: a\r\n\r\n", 400),
    "bare CR behind the request line": (b"GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
    "CR CR LF": (b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
    "NUL in target": (line(b"GET /\x00 HTTP/1.1"), 400),
    "control byte in target": (line(b"GET /\x1f HTTP/1.1"), 400),
    "DEL in target": (line(b"GET /\x7f HTTP/1.1"), 400),
    "raw byte in target": (line(b"GET /\xc3\xa9 HTTP/1.1"), 400),
    "fragment": (line(b"GET /# HTTP/1.1"), 400),
    "no version": (line(b"GET /"), 400),
    "HTTP/1": (line(b"GET / HTTP/1"), 400),
    "HTTP/1.": (line(b"GET / HTTP/1."), 400),
    "HTTP/01.1": (line(b"GET / HTTP/01.1"), 400),
    "HTTP/1.10": (line(b"GET / HTTP/1.10"), 400),
    "http/1.1": (line(b"GET / http/1.1"), 400),
    "HTTP/1,1": (line(b"GET / HTTP/1,1"), 400),
    "HTTP/+1.1": (line(b"GET / HTTP/+1.1"), 400),
    "HTTPS/1.1": (line(b"GET / HTTPS/1.1"), 400),
    "HTTP/1.\u0661": (line(b"GET / HTTP/1.\xd9\xa1"), 400),
    "HTTP/0.9": (line(b"GET / HTTP/0.9"), 505),
    "HTTP/2.0": (line(b"GET / HTTP/2.0"), 505),
    "HTTP/3.1": (line(b"GET / HTTP/3.1"), 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "TLS": (bytes.fromhex("160301020001 0001fc0303") + b"\r\n\r\n", 400),
    "asterisk with GET": (line(b"GET * HTTP/1.1"), 400),
    "asterisk and more": (line(b"OPTIONS *a HTTP/1.1"), 400),
    "authority with GET": (line(b"GET a:80 HTTP/1.1"), 400),
    "CONNECT with a path": (line(b"CONNECT / HTTP/1.1"), 400),
    "CONNECT with a URL": (line(b"CONNECT http://a:80/ HTTP/1.1"), 400),
    "CONNECT without a port": (line(b"CONNECT a HTTP/1.1"), 400),
    "CONNECT with an empty port": (line(b"CONNECT a: HTTP/1.1"), 400),
    "CONNECT, v6, without a port": (line(b"CONNECT [::1] HTTP/1.1"), 400),
    "CONNECT with a large port": (line(b"CONNECT a:65536 HTTP/1.1"), 400),
    "relative": (line(b"GET a/b HTTP/1.1"), 400),
    "query alone": (line(b"GET ?a HTTP/1.1"), 400),
    "absolute, ftp": (line(b"GET ftp://a/ HTTP/1.1"), 400),
    "absolute, no authority": (line(b"GET http:///x HTTP/1.1"), 400),
    "absolute, one slash": (line(b"GET http:/a HTTP/1.1"), 400),
    "absolute, userinfo": (line(b"GET http://u@a/ HTTP/1.1"), 400),
    "absolute, bad port": (line(b"GET http://a:99999/ HTTP/1.1"), 400),
    "absolute, empty Host": (b"GET http://a/ HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "request line over its limit": (line(b"GET /" + b"a" * (64 - 15) + b" HTTP/1.1"), 414),
    "request line over its limit, behind an empty line": (
        b"\r\n" + line(b"GET /" + b"a" * (64 - 15) + b" HTTP/1.1"),
        414,
    ),
    "request line without end": (b"GET /" + b"a" * 1000, 414),
    "request line without end, behind an empty line": (b"\r\nGET /" + b"a" * 1000, 414),
    "long and malformed request line": (line(b"GET  /" + b"a" * 100 + b" HTTP/1.1"), 414),
    "long request line, then a fault": (b"GET /" + b"a" * 100 + b"\x00", 414),
    "a fault, then a long request line": (b"GET /\x00" + b"a" * 100, 400),
    # Fields.
    "space before the colon": (field(b"X : 1"), 400),
    "tab before the colon": (field(b"X\t: 1"), 400),
    "name not a token": (field(b"X(: 1"), 400),
    "name in Latin-1": (field(b"\xc9: 1"), 400),
    "empty name": (field(b": 1"), 400),
    "no colon": (field(b"X"), 400),
    "folded": (field(b"X: 1\r\n 2"), 400),
    "folded with a tab": (field(b"X: 1\r\n\t2"), 400),
    "folded first line": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    "blank folded line": (field(b"X: 1\r\n "), 400),
    "CR in value": (field(b"X: 1\r2"), 400),
    "LF in value": (field(b"X: 1\n2"), 400),
    "LF ends a line": (field(b"X: 1\nY: 2"), 400),
    "CR at the end of value": (field(b"X: 1\r"), 400),
    "LF at the end of value": (field(b"X: 1\n"), 400),
    "NUL in value": (field(b"X: 1\x00"), 400),
    "control byte in value": (field(b"X: \x01"), 400),
    "vertical tab in value": (field(b"X: a\x0bb"), 400),
    "DEL in value": (field(b"X: \x7f"), 400),
    "no Host": (b"GET / HTTP/1.1\r\nX: 1\r\n\r\n", 400),
    "no Host in HTTP/1.2": (b"GET / HTTP/1.2\r\n\r\n", 400),
    "two Hosts": (field(b"Host: b"), 400),
    "two equal Hosts": (field(b"host: a"), 400),
    "two Hosts in HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "Host with userinfo": (hosted(b"u@a"), 400),
    "Host with path": (hosted(b"a/b"), 400),
    "Host with comma": (hosted(b"a,b"), 400),
    "Host with space": (hosted(b"a b"), 400),
    "Host with fragment": (hosted(b"a#"), 400),
    "Host with query": (hosted(b"a?"), 400),
    "Host with backslash": (hosted(b"a\\b"), 400),
    "Host with quote": (hosted(b'"a"'), 400),
    "Host in Latin-1": (hosted(b"\xe9"), 400),
    "Host of a port": (hosted(b":80"), 400),
    "Host with a name for a port": (hosted(b"a:http"), 400),
    "Host with a signed port": (hosted(b"a:+80"), 400),
    "Host with a large port": (hosted(b"a:65536"), 400),
    "Host with a long port": (hosted(b"a:000080"), 400),
    "Host with two ports": (hosted(b"a:80:80"), 400),
    "Host with a bad escape": (hosted(b"a%2"), 400),
    "Host, v6, no brackets": (hosted(b"::1"), 400),
    "Host, v6, open": (hosted(b"[::1"), 400),
    "Host, v6, closed only": (hosted(b"::1]"), 400),
    "Host, empty brackets": (hosted(b"[]"), 400),
    "Host, v6, bytes behind": (hosted(b"[::1]a"), 400),
    "Host, v6, zone": (hosted(b"[fe80::1%25eth0]"), 400),
    "Host, v6, too short": (hosted(b"[1:2]"), 400),
    "Host, v6, two gaps": (hosted(b"[1::2::3]"), 400),
    "Host, v4 in brackets": (hosted(b"[1.2.3.4]"), 400),
    "Host, bytes around brackets": (hosted(b"a[::1]"), 400),
    "head over its limit": (field(b"A: " + b"a" * (256 - 31)), 431),
    "head over its limit, behind an empty line": (b"\r\n" + field(b"A: " + b"a" * (256 - 31)), 431),
    "head without end": (b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 1000, 431),
    "head without end, many lines": (b"GET / HTTP/1.1\r\n" + b"A: a\r\n" * 1000, 431),
    "large head, then a fault": (field(b"A: " + b"a" * 300 + b"\x00"), 431),
    "a fault, then a large head": (field(b"A: \x00" + b"a" * 300), 400),
    "fields over their limit": (field(b"A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\nF: 6"), 431),
    "two Authorizations": (field(b"Authorization: a\r\nAuthorization: b"), 400),
    "two Content-Types": (field(b"Content-Type: a/b\r\nContent-Type: c/d"), 400),
    "two Ranges": (field(b"Range: bytes=0-1\r\nRange: bytes=2-3"), 400),
    "another expectation": (field(b"Expect: 200-ok"), 417),
    "empty expectation": (field(b"Expect:"), 417),
    "Connection that is no list": (field(b"Connection: close;x, @"), 400),
    "Connection with a space in a token": (field(b"Connection: keep alive"), 400),
    "two expectations": (field(b"Expect: 100-continue\r\nExpect: 100-continue"), 400),
    # Content-Length.
    "length +5": (sized(b"+5"), 400),
    "length -5": (sized(b"-5"), 400),
    "length -0": (sized(b"-0"), 400),
    "length 1_0": (sized(b"1_0"), 400),
    "length 0x5": (sized(b"0x5"), 400),
    "length 5h": (sized(b"5h"), 400),
    "length 5.0": (sized(b"5.0"), 400),
    "length 1 1": (sized(b"1 1"), 400),
    "length empty": (sized(b""), 400),
    "length of white space": (sized(b" \t"), 400),
    "length in Arabic digits": (sized("\u0665".encode()), 400),
    "length superscript": (sized(b"\xb2"), 400),
    "length with vertical tab": (sized(b"\x0b5"), 400),
    "length with no-break space": (sized(b"\xa05"), 400),
    "length list": (sized(b"5, 5"), 400),
    "length quoted": (sized(b'"5"'), 400),
    "two lengths": (sized(b"5\r\nContent-Length: 6"), 400),
    "two equal lengths": (sized(b"5\r\ncontent-length: 5"), 400),
    "length of 19 digits": (sized(b"9" * 19), 413),
    "length of 100 digits": (sized(b"9" * 100), 413),
    "length above the limit": (sized(b"1025"), 413),
    # Transfer-Encoding.
    "both framings": (coded(b"chunked\r\nContent-Length: 5"), 400),
    "both framings, length first": (coded(b"chunked").replace(b"Host: a", b"Host: a\r\nContent-Length: 5"), 400),
    "chunked in HTTP/1.0": (coded(b"chunked").replace(b"/1.1", b"/1.0"), 400),
    "chunked twice": (coded(b"chunked, chunked"), 400),
    "chunked in two lines": (coded(b"chunked\r\nTransfer-Encoding: chunked"), 400),
    "identity": (coded(b"identity"), 400),
    "identity, chunked": (coded(b"identity, chunked"), 400),
    "chunked, identity": (coded(b"chunked, identity"), 400),
    "gzip": (coded(b"gzip"), 400),
    "gzip, chunked": (coded(b"gzip, chunked"), 501),
    "chunked, gzip": (coded(b"chunked, gzip"), 400),
    "chunked;x": (coded(b"chunked;x"), 400),
    "chunked=": (coded(b"chunked=1"), 400),
    "coding empty": (coded(b""), 400),
    "comma, chunked": (coded(b", chunked"), 501),
    "chunked, comma": (coded(b"chunked,"), 501),
    "coding in quotes": (coded(b'"chunked"'), 400),
    "xchunked": (coded(b"xchunked"), 400),
    "chunked and vertical tab": (coded(b"\x0bchunked"), 400),
    "chunked and no-break space": (coded(b"chunked\xa0"), 400),
    "chunked and NUL": (coded(b"chunked\x00"), 400),
    "chunked with a Kelvin sign": (coded("chun\u212aed".encode()), 400),
    # Chunks.
    "chunk size missing": (chunked(b"\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size an extension": (chunked(b";a=b\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size +5": (chunked(b"+5\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size -5": (chunked(b"-5\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size 0x5": (chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size 5_": (chunked(b"0_5\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size 5h": (chunked(b"5h\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size in Arabic digits": (chunked("\u0665".encode() + b"\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size, space before": (chunked(b" 5\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size, space behind": (chunked(b"5 \r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size, tab behind": (chunked(b"5\t\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size, space before extension": (chunked(b"5 ;a\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size of 16 digits": (chunked(b"0000000000000005\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size of 64 bits": (chunked(b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size overflowing 64 bits": (chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size and LF": (chunked(b"5\nhello\r\n0\r\n\r\n"), 400),
    "chunk size and LF CR LF": (chunked(b"5\n\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk size and CR": (chunked(b"5\rhello\r\n0\r\n\r\n"), 400),
    "chunk size and CR CR LF": (chunked(b"5\r\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk extension with LF": (chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk extension with CR": (chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk extension with NUL": (chunked(b"5;a\x00\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk extension, LF in quotes": (chunked(b'5;a="\n"\r\nhello\r\n0\r\n\r\n'), 400),
    "chunk extension, quote open": (chunked(b'5;a="b\r\nhello\r\n0\r\n\r\n'), 400),
    "chunk extension, CRLF in quotes": (chunked(b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n'), 400),
    "chunk extension empty": (chunked(b"5;\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk extension without value": (chunked(b"5;a=\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk extension without name": (chunked(b"5;=b\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk extension with space": (chunked(b"5; a\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk line too long": (chunked(b"5;" + b"x" * (CHUNK_LINE_LIMIT - 3) + b"\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk line without end": (chunked(b"5;" + b"x" * 1000), 400),
    "chunk extensions without end": (chunked((b"1;" + b"x" * 250 + b"\r\na\r\n") * (EXTENSIONS_LIMIT // 250 + 1)), 400),
    "chunk data too long": (chunked(b"4\r\nhello\r\n0\r\n\r\n"), 400),
    "chunk data too short": (chunked(b"6\r\nhello\r\n0\r\n\r\n"), 400),
    "two bytes for CRLF": (chunked(b"5\r\nhelloXX0\r\n\r\n"), 400),
    "LF CR for CRLF": (chunked(b"5\r\nhello\n\r0\r\n\r\n"), 400),
    "LF for CRLF": (chunked(b"5\r\nhello\n0\r\n\r\n"), 400),
    "CR for CRLF": (chunked(b"5\r\nhello\r0\r\n\r\n"), 400),
    "chunks above the limit": (chunked(b"3ff\r\n" + b"x" * 1023 + b"\r\n2\r\nyy\r\n0\r\n\r\n"), 413),
    "a chunk above the limit": (chunked(b"401\r\n"), 413),
    # Trailers.
    "trailer folded": (chunked(b"0\r\nX: 1\r\n 2\r\n\r\n"), 400),
    "trailer without colon": (chunked(b"0\r\nX\r\n\r\n"), 400),
    "trailer with space before colon": (chunked(b"0\r\nX : 1\r\n\r\n"), 400),
    "trailer with LF": (chunked(b"0\r\nX: 1\nY: 2\r\n\r\n"), 400),
    "trailer with CR": (chunked(b"0\r\nX: 1\rY: 2\r\n\r\n"), 400),
    "trailer with NUL": (chunked(b"0\r\nX: \x00\r\n\r\n"), 400),
    "trailers ended by LF": (chunked(b"0\r\nX: 1\r\n\n"), 400),
    "last chunk ended by LF": (chunked(b"0\r\n\n"), 400),
    "bytes for the last CRLF": (chunked(b"0\r\nXX\r\n\r\n"), 400),
    "Content-Length in trailers": (chunked(b"0\r\nContent-Length: 5\r\n\r\n"), 400),
    "Transfer-Encoding in trailers": (chunked(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400),
    "Host in trailers": (chunked(b"0\r\nHost: b\r\n\r\n"), 400),
    "two Expects in trailers": (chunked(b"0\r\nExpect: a\r\nExpect: a\r\n\r\n"), 400),
    "too many trailers": (chunked(b"0\r\n" + b"X: 1\r\n" * (TRAILERS_COUNT_LIMIT + 1) + b"\r\n"), 431),
    "trailers too large": (chunked(b"0\r\nX: " + b"x" * TRAILERS_LIMIT + b"\r\n\r\n"), 431),
    "trailers too large, then a fault": (chunked(b"0\r\nX: " + b"x" * TRAILERS_LIMIT + b"\n\r\n\r\n"), 431),
}
