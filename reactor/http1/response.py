"""Responses: what handlers hand us, checked; and their heads, encoded.

Law: a Response is a value, checked when it is made (so that the traceback shows the handler's line) and never
changed; its head is encoded once, however often it is sent, and all of it once a second. Framing, `Connection` and
`Date` are the server's: no byte that a handler gives reaches the wire as anything but a field value or a body.
"""

from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from enum import IntEnum
from operator import attrgetter
from typing import Any, BinaryIO, cast

from .grammar import TOKEN, VALUE
from .memo import LONGEST, Memo

REASONS = {
    102: "Processing", 103: "Early Hints",
    200: "OK", 201: "Created", 202: "Accepted", 203: "Non-Authoritative Information",
    204: "No Content", 205: "Reset Content", 206: "Partial Content", 207: "Multi-Status", 300: "Multiple Choices",
    301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified", 307: "Temporary Redirect",
    308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required",
    408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed",
    413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type", 416: "Range Not Satisfiable",
    417: "Expectation Failed", 418: "I'm a Teapot", 421: "Misdirected Request", 422: "Unprocessable Content",
    423: "Locked", 424: "Failed Dependency", 425: "Too Early", 426: "Upgrade Required", 428: "Precondition Required",
    429: "Too Many Requests", 431: "Request Header Fields Too Large", 451: "Unavailable For Legal Reasons",
    500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout", 505: "HTTP Version Not Supported", 507: "Insufficient Storage",
}  # fmt: skip  # RFC 9110 15 and the IANA registry

_STATUS_LINES = {code: f"HTTP/1.1 {code} {reason}\r\n".encode() for code, reason in REASONS.items()}

# What the server decides, and what a handler says instead.
_OURS = {
    "connection": "it is the server's", "content-length": "it follows from the body; for an iterator give length=",
    "content-type": "give content_type=", "date": "it is the server's", "keep-alive": "it is the server's",
    "server": "it is a setting", "transfer-encoding": "it follows from the body", "upgrade": "return an Upgrade",
}  # fmt: skip

# What a recipient has to know before the content comes: how it ends and what it is, whose it is, what is to be done
# with it (RFC 9110 6.5.1). Besides what is ours.
_NOT_IN_TRAILERS = frozenset((
    "age", "authorization", "cache-control", "content-encoding", "content-range", "expires", "host", "location",
    "pragma", "proxy-authenticate", "proxy-authorization", "retry-after", "set-cookie", "te", "trailer", "vary",
    "www-authenticate",
))  # fmt: skip

_NEVER: tuple[bytes | None, bytes] = (None, b"")


class FileBody:
    """`length` bytes of an open binary `file`, from `offset` on; the server closes it when it has left."""

    __slots__ = ("file", "length", "offset")

    def __init__(self, file: BinaryIO, offset: int = 0, length: int | None = None) -> None:
        self.file = file
        self.offset = offset
        if length is None:
            length = file.seek(0, 2) - offset
        if offset < 0 or length < 0:
            raise ValueError(f"a FileBody begins at 0 or later and has 0 bytes or more, not {offset} and {length}")
        self.length = length

    def prepare(self, offset: int, count: int) -> Any:
        """Asked before `count` bytes from `offset` on are sent: None if they are there, a Later of nothing if that
        takes its time, as with a disk that is slow; then we wait for that, and ask again. For whoever overrides it."""

    def close(self) -> None:
        self.file.close()


Fields = Mapping[str, str] | Iterable[tuple[str, str]]
Body = bytes | bytearray | memoryview | str | BinaryIO | FileBody | Iterable[Any] | AsyncIterable[Any]


class Response:
    """One answer: `Response(status, body, headers, content_type=…, length=…)`.

    `status`: an int, 200 to 599; or 102 or 103, without a body, for `Later.inform`. `body`: bytes; text, sent as UTF-8;
    an open binary file or a FileBody, sent from where it stands and closed; or an iterable of bytes, pulled piece by
    piece as the client takes them (a piece may be a Later), whose `close()` is called when it is done with. What its
    iterator returns (a generator's `return`), if it is not None, are trailer fields, which are sent where it is
    chunked and the client takes them (RFC 9110 6.5). `headers`: a mapping or pairs of str. `content_type` has a
    default for text and bytes. `length`: what an iterable will give in all, where known: else it is sent chunked.
    Raises ValueError or TypeError for what must not be sent.

    The same Response may be returned any number of times, unless its body is a file or an iterator.
    """

    __slots__ = ("_body", "_headers", "_length", "_sent", "_status", "_wire_fields", "_wire_head")

    status: int = property(attrgetter("_status"))  # type: ignore[assignment]  # C-level, read-only
    headers: tuple[tuple[str, str], ...] = property(attrgetter("_headers"))  # type: ignore[assignment]  # read-only
    body: bytes | FileBody | Iterator[Any] = property(attrgetter("_body"))  # type: ignore[assignment]  # read-only
    length: int | None = property(attrgetter("_length"))  # type: ignore[assignment]  # read-only
    # Status line and the handler's fields and, where known, Content-Length: encoded once, sent any number of times.
    wire_head: bytes = property(attrgetter("_wire_head"))  # type: ignore[assignment]  # read-only

    def __init__(
        self,
        status: int = 200,
        body: Body = b"",
        headers: Fields = (),
        *,
        content_type: str | None = None,
        length: int | None = None,
    ) -> None:
        if type(status) is not int and isinstance(status, IntEnum):
            status = int(status)  # an http.HTTPStatus
        if type(status) is not int or not (200 <= status <= 599 or status in (102, 103)):
            raise ValueError(f"a final status is an int from 200 to 599, not {status!r}")
        if content_type is None:
            content_type = default_content_type(body)
        self._status = status
        self._sent = _NEVER  # how it left last time: the server's lines, by which it is known, and the whole
        if headers == () and type(content_type) is str:
            self._headers, self._wire_fields = _only_type[content_type]
        else:
            self._headers = check_headers(headers, content_type, is_upgrade_allowed=status == 426)  # RFC 9110 15.5.22
            self._wire_fields = encode_fields(self._headers)
        self._body: bytes | FileBody | Iterator[Any]
        self._length: int | None
        if type(body) is bytes:
            self._body = body
            self._length = len(body)
        else:
            self._body, self._length = _take_body(body, length)
        if length is not None and length != self._length:
            raise ValueError(f"a body of {self._length} bytes cannot have length={length}")
        if status in (102, 103, 204, 205, 304):  # RFC 9110 15.2, 15.3.5, 15.3.6, 15.4.5
            if self._length != 0:
                raise ValueError(f"a {status} has no body")
            if status < 200:
                self._body = iter(())  # no bytes, which nearly every answer has: so it is not taken for one
        if status == 426 and any(name.lower() == "upgrade" for name, _ in self._headers):
            self._wire_fields += b"Connection: Upgrade\r\n"  # RFC 9110 7.8
        self._wire_head = self._encode_head()

    def with_headers(self, headers: Fields) -> "Response":
        """This response with `headers` behind its own; shares the body."""
        other = Response.__new__(Response)
        other._status, other._body, other._length = self._status, self._body, self._length
        more = check_headers(headers, None)
        other._headers, other._wire_fields = self._headers + more, self._wire_fields + encode_fields(more)
        other._sent = _NEVER
        other._wire_head = other._encode_head()
        return other

    def with_body(self, body: bytes | FileBody, headers: Fields = ()) -> "Response":
        """This response with another `body`, and `headers` behind its own. Only what is new is checked and encoded."""
        other = Response.__new__(Response)
        other._status, other._sent = self._status, _NEVER
        other._body, other._length = body, len(body) if isinstance(body, bytes) else body.length
        other._headers, other._wire_fields = self._headers, self._wire_fields
        if headers:
            more = check_headers(headers, None)
            other._headers += more
            other._wire_fields += encode_fields(more)
        is_same = not headers and other._length == self._length
        other._wire_head = self._wire_head if is_same else other._encode_head()
        return other

    def close(self) -> None:
        """Give up the body unsent: its file or iterator is closed. The server closes what it sends."""
        close = getattr(self._body, "close", None)
        if close is not None:
            close()

    def _encode_head(self) -> bytes:
        line = _STATUS_LINES.get(self._status) or b"HTTP/1.1 %d \r\n" % self._status
        if self._length is None or self._status in (102, 103, 204, 304):  # RFC 9110 8.6: none in a 1xx or a 204
            return line + self._wire_fields
        return b"%bContent-Length: %d\r\n%b" % (line, self._length, self._wire_fields)

    def __repr__(self) -> str:
        return f"<Response {self._status}, {'some' if self._length is None else self._length} bytes>"


def encode_fields(headers: tuple[tuple[str, str], ...]) -> bytes:
    return "".join([f"{name}: {value}\r\n" for name, value in headers]).encode("latin-1")


def default_content_type(body: Body) -> str | None:
    if isinstance(body, str):
        return "text/plain; charset=utf-8"
    if isinstance(body, (bytes, bytearray, memoryview)) and not body:
        return None
    return "application/octet-stream"


def check_headers(
    headers: Fields, content_type: str | None, is_upgrade_allowed: bool = False
) -> tuple[tuple[str, str], ...]:
    """`headers` as pairs that may be sent, `content_type` in front; raises ValueError for one that may not."""
    # Asked first: whether something is a Mapping takes as long as all the rest.
    if type(headers) is tuple or type(headers) is list or not isinstance(headers, Mapping):
        pairs = tuple(headers)
    else:
        pairs = tuple(headers.items())
    for name, value in pairs:
        _check_header(name, value)
        if name.lower() in _OURS and not (is_upgrade_allowed and name.lower() == "upgrade"):
            raise ValueError(f"a handler does not set {name}: {_OURS[name.lower()]}")
    if content_type is not None:
        _check_header("Content-Type", content_type)
        pairs = (("Content-Type", content_type), *pairs)
    return pairs


def _encode_type(content_type: str) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """The headers where there is no other, and as they are sent."""
    headers = check_headers((), content_type)
    return headers, encode_fields(headers)


_only_type = Memo(_encode_type, lambda content_type, _: len(content_type) <= LONGEST)  # half of what a Response costs


def check_trailers(fields: Fields) -> tuple[tuple[str, str], ...]:
    """`fields` as pairs that may be sent behind a body; raises ValueError or TypeError for one that may not."""
    pairs = check_headers(fields, None)
    for name, _ in pairs:
        if name.lower() in _NOT_IN_TRAILERS:
            raise ValueError(f"{name} is no field for trailers: it has to be known before the body")
    return pairs


def _check_header(name: object, value: object) -> None:
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"a header is a pair of str, not {name!r}: {value!r}")
    try:
        is_sound = TOKEN.fullmatch(name.encode("ascii")) and VALUE.fullmatch(value.encode("latin-1"))
    except UnicodeEncodeError:
        is_sound = None
    if not is_sound:
        raise ValueError(f"a header is a token and a value without CR, LF, NUL or non-Latin-1: {name!r}: {value!r}")


def _take_body(body: Body, length: int | None) -> tuple[bytes | FileBody | Iterator[Any], int | None]:
    """`body`, which is not bytes, as one of the three kinds we send, and its length where known."""
    if isinstance(body, str):
        body = body.encode()
    if isinstance(body, (bytes, bytearray, memoryview)):
        body = bytes(body)  # first: the len() of a memoryview counts items, which may be wider than a byte
        return body, len(body)
    if isinstance(body, FileBody):
        return body, body.length
    if hasattr(body, "seek") and hasattr(body, "tell"):
        if hasattr(body, "encoding"):
            raise TypeError("a file is sent as it is: open it in binary mode")
        file = FileBody(cast(BinaryIO, body), body.tell(), length)
        return file, file.length
    if hasattr(body, "__aiter__"):  # of an async handler, which is run by what knows how to pull it
        return cast(Iterator[Any], body), length
    if isinstance(body, Mapping) or not hasattr(body, "__iter__"):
        raise TypeError(f"a body is bytes, str, a binary file or an iterable of bytes, not {type(body).__name__}")
    if length is not None and length < 0:
        raise ValueError(f"a length is 0 or more, not {length}")
    iterator = iter(body)
    close = getattr(body, "close", None)
    return iterator if iterator is body or close is None else ClosingIterator(iterator, close), length


class ClosingIterator:
    """The iterator of an iterable that has a `close` of its own, as PEP 3333 has them."""

    __slots__ = ("_iterator", "close")

    def __init__(self, iterator: Iterator[Any], close: Callable[[], None]) -> None:
        self._iterator = iterator
        self.close = close

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._iterator)
