"""The parser of response heads: what a client reads, as strict as what a server reads.

Law: `take` returns a ResponseHead, or None for "more, please", or raises ProtocolError; after an error nothing more is
parsed. How the bytes were cut never matters. Whatever is wrong with a response is a 502 for whoever asked through us:
its status says so, and its reason is for the log.
"""

from typing import Any

from .errors import ProtocolError
from .fields import Headers, list_tokens, parse_fields
from .framing import body_length, response_length
from .grammar import HEAD_FAULT, STATUS_LINE
from .request import HeadLimits

REMEMBERED = 4096  # bytes; of a larger head, to find it unchanged is not worth what it weighs

_FRAMED_OTHERWISE = ("HEAD", "CONNECT")  # the requests whose responses end where their fields do not say
_BEGIN = b"HTTP/1."
_NO_STATUS_LINE = "the status line is not HTTP/1 with a minor version, a status from 100 to 599, and a reason"


class ResponseHead:
    """The head of a response, whole; it never changes.

    Attributes: `raw` (its bytes), `status` (int, 100 to 599), `version` (b"HTTP/1.1"), `headers`, `options` (the
    Connection field's, a tuple of bytes), `keep_alive` (whether the connection may be used again, as far as the head
    says), `length` (of the body that follows: an int, CHUNKED or UNTIL_CLOSE), `announced` (what Content-Length says,
    or None: of a response to HEAD it is another number than `length`), `memo` (unset until somebody keeps here what
    was made of this head; it lives as long as the head is remembered).
    """

    __slots__ = ("announced", "headers", "keep_alive", "length", "memo", "options", "raw", "status", "version")

    memo: Any

    def __init__(self, raw: bytes, version: bytes, status: int, headers: Headers, method: str) -> None:
        self.raw = raw
        self.version = version
        self.status = status
        self.headers = headers
        coding, length, connection = headers.raw_values((b"transfer-encoding", b"content-length", b"connection"))
        options = list_tokens(connection or b"")
        if options is None:
            raise ProtocolError(502, "Connection is not a list of tokens")
        self.options = options
        self.keep_alive = b"close" not in options and (version != b"HTTP/1.0" or b"keep-alive" in options)
        if status == 204 and (coding is not None or length not in (None, b"0")):
            self.keep_alive = False  # it must not say so (RFC 9110 8.6, RFC 9112 6.1), and may send what it says
        self.length = response_length(method, status, version, coding, length)
        self.announced = None if length is None else body_length(version, None, length)

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status}>"


class ResponseParser:
    """The response heads of one connection, one after the other.

    Attribute `end`: the index behind the head that `take` returned last.
    """

    __slots__ = ("_is_line_valid", "_last", "_limits", "_searched", "end")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._last: ResponseHead | None = None  # to compare with: within a second, most servers repeat themselves
        self._is_line_valid = False  # of an incomplete head, whether its status line is here and was found valid
        self._searched = 0  # bytes of an incomplete head that hold neither its end nor a fault
        self.end = 0

    def take(self, data: bytes | bytearray, start: int, method: str) -> ResponseHead | None:
        """The head that begins at `data[start]`, of the response to a request of `method`; None where it does not end
        in `data`. After None, call it with the same bytes again and those that came behind them."""
        is_usual = method not in _FRAMED_OTHERWISE
        last = self._last
        if last is not None and is_usual and not self._searched and data.startswith(last.raw, start):
            self.end = start + len(last.raw)
            return last
        end = data.find(b"\r\n\r\n", start + max(self._searched - 3, 0)) + 4
        if end < 4:
            self._wait(data, start)
            return None
        self._searched = 0
        self._is_line_valid = False
        if end - start > self._limits.head:
            raise self._too_large()
        raw = bytes(data[start:end])
        try:
            head = self._parse(raw, method)
        except ProtocolError as error:
            raise ProtocolError(502, error.reason) from None
        self.end = end
        # The connection may serve others next: a secret of this one's is not kept for them.
        is_secret = b"set-cookie" in head.headers.raw_names()
        if head.status >= 200:
            self._last = head if is_usual and len(raw) <= REMEMBERED and not is_secret else None
        return head

    def _parse(self, raw: bytes, method: str) -> ResponseHead:
        line = STATUS_LINE.match(raw)
        if line is None:
            raise ProtocolError(502, _NO_STATUS_LINE)
        headers = parse_fields(raw, line.end(), self._limits.fields)
        return ResponseHead(raw, line[1], int(line[2]), headers, method)

    def _wait(self, data: bytes | bytearray, start: int) -> None:
        """Make sure that what is here of an incomplete head can still become one."""
        begin = start + max(self._searched - 1, 0)
        if HEAD_FAULT.search(data, begin) is not None:
            raise ProtocolError(502, "a bare CR or LF or a control byte in the head")
        if not self._is_line_valid:
            if not data.startswith(_BEGIN[: len(data) - start], start):
                raise ProtocolError(502, _NO_STATUS_LINE)
            if data.find(b"\r\n", begin) >= 0:
                if STATUS_LINE.match(data, start) is None:
                    raise ProtocolError(502, _NO_STATUS_LINE)
                self._is_line_valid = True
        self._searched = len(data) - start
        if self._searched > self._limits.head:
            raise self._too_large()

    def _too_large(self) -> ProtocolError:
        return ProtocolError(502, f"the head is larger than {self._limits.head} bytes")
