"""The head parser: finds where a head ends, takes it, or says why not.

Law: `take` returns a Request, or None for "more, please", or raises ProtocolError; after an error nothing
more is parsed. How the bytes were cut never matters, and those of a head that is not complete yet are
searched once.
"""

import re

from .errors import ProtocolError
from .fields import SECRETS, Headers, parse_fields
from .grammar import ABSOLUTE_FORM, HARMLESS, HEAD_FAULT, REQUEST_LINE, TARGET, TOKEN, VERSION
from .request import Head, HeadLimits, Origin, Request
from .terms import Terms, is_host, terms_of

# Empty lines that some clients send behind a body. RFC 9112 2.2 says "at least one"; four are a few.
BLANK_LINES = 4

REMEMBERED = 4096  # bytes; a larger one would be all that an idle connection weighs

PATIENCE = 16  # heads in a row that differ, until only one in so many is remembered

SHORT = 400  # bytes; of heads that are no longer, those that connections began with are remembered
FIRST_HEADS = 256  # of them: below a MiB, whatever is in them

METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT")}

_SLASH, _QUESTION_MARK = b"/?"

_KNOWN: dict[bytes, Head] = {}  # by their bytes: the first of a connection costs 0.4 us instead of 4.4


class HeadParser:
    """The request heads of one connection, one after the other.

    Attribute `end`: the index behind the head that `take` returned last.
    """

    __slots__ = ("_is_line_valid", "_last", "_limits", "_misses", "_origin", "_searched", "_short", "_tight", "end")

    def __init__(self, limits: HeadLimits, origin: Origin) -> None:
        self._limits = limits
        self._origin = origin
        self._last: Head | None = None  # to compare with: most clients repeat themselves
        self._misses = 0  # heads in a row that were not what is remembered
        self._searched = 0  # bytes of an incomplete head that hold neither its end nor a fault
        self._is_line_valid = False  # of that head, whether its request line is here and was found valid
        self._tight = min(limits.head, limits.request_line)  # no shorter head can be too large
        self._short = min(self._tight, SHORT, 4 * limits.fields)  # nor can it have too many lines: each has four bytes
        self.end = 0

    def take(self, data: bytes | bytearray, start: int) -> Request | None:
        """The request whose head begins at `data[start]`; None where it does not end in `data`.

        After None, call it with the same bytes again and those that came behind them.
        """
        last = self._last
        if self._searched:
            if not self._has_end(data, start):
                return None
        elif last is not None:
            raw = last.raw
            # The first comparison is the second for nearly every one, and five times as fast.
            if (data == raw and not start) or data.startswith(raw, start):
                self.end = start + len(raw)
                self._misses = 0
                return Request(last, self._origin)
        elif not start and len(data) <= self._short and (known := _KNOWN.get(bytes(data))) is not None:
            self._last = known
            self.end = len(data)
            return Request(known, self._origin)
        line = REQUEST_LINE.match(data, start)
        if line is None:
            begin = skip_blank_lines(data, start)
            if begin > start:
                return self._take_behind_blank_lines(data, start, begin)
            self._wait(data, start)
            return None
        rest = line.end() - 10  # from "HTTP/1.1" on
        same = last if last is not None and data.startswith(last.raw[last.rest :], rest) else None
        if same is not None:  # only the target is another
            end = rest + len(same.raw) - same.rest
        else:
            end = data.find(b"\r\n\r\n", rest + 8) + 4
            if end < 4:
                self._wait(data, start)
                return None
        self.end = end
        if end - start > self._tight:
            self._check(data, start, start, end)
        return Request(self._parse(bytes(data[start:end]), rest - start, line, same), self._origin)

    def _parse(self, raw: bytes, rest: int, line: re.Match[bytes], same: Head | None) -> Head:
        """The head `raw`, whose request line is `line`, and which is from `rest` on what `same` was."""
        name, target = line.groups()
        method = METHODS.get(name) or name.decode("ascii")
        if same is not None:
            headers, terms = same.headers, same.terms
            self._misses = 0
        else:
            self._misses += 1
            headers = parse_fields(raw, rest + 10, self._limits.fields)
            terms = terms_of(raw[rest : rest + 8], headers)
        if target[0] != _SLASH or method == "CONNECT":
            check_target(method, target, headers, terms)
        head = Head(raw, rest, method, target, headers, terms)
        if self._last is None and self._misses == 1 and len(raw) <= SHORT:  # the connection's first
            remember(head)
        # Who never says the same twice is asked now and then only: what is kept for nothing costs the cache its room.
        is_worth = self._misses <= PATIENCE or self._misses % PATIENCE == 0
        most = REMEMBERED if head.path.isascii() else REMEMBERED // 4  # other text takes up to four bytes a character
        self._last = head if is_worth and len(raw) <= most else None
        return head

    def _take_behind_blank_lines(self, data: bytes | bytearray, start: int, begin: int) -> Request | None:
        request = self.take(data, begin) if begin < len(data) else None
        if request is None and self._searched:
            self._searched += begin - start
        return request

    def _has_end(self, data: bytes | bytearray, start: int) -> bool:
        """Search what is new of an incomplete head for its end; True: parse it, from its beginning."""
        if data.find(b"\r\n\r\n", start + max(self._searched - 3, 0)) < 0:
            self._wait(data, start)
            return False
        self._searched = 0
        self._is_line_valid = False
        return True

    def _wait(self, data: bytes | bytearray, start: int) -> None:
        """Make sure that what is here of an incomplete head can still become one."""
        first = skip_blank_lines(data, start)
        begin = max(first, start + self._searched - 1)
        if not self._is_line_valid and (line_end := data.find(b"\r\n", begin)) >= 0:
            self._check(data, first, begin, line_end + 2)
            if REQUEST_LINE.match(data, first) is None:
                raise refuse_line(bytes(data[first:line_end]))
            self._is_line_valid = True
            begin = line_end + 2
        self._check(data, first, begin, len(data))
        self._searched = len(data) - start

    def _check(self, data: bytes | bytearray, first: int, begin: int, end: int) -> None:
        """Refuse a head, whole or not, if a byte in `data[begin:end]` is a fault, or is one too many.

        Whichever comes first, as if the bytes came one by one. The head begins at `first`.
        """
        limits = self._limits
        fault = None if is_harmless(data, begin, end) else HEAD_FAULT.search(data, begin, end)
        size = (end if fault is None else fault.end()) - first
        line_limit = min(limits.request_line, limits.head)
        if size > line_limit and not self._is_line_valid and data.find(b"\r\n", first, first + line_limit) < 0:
            raise ProtocolError(414, f"the request line is longer than {line_limit} bytes")
        if size > limits.head:
            raise ProtocolError(431, f"the head is larger than {limits.head} bytes")
        if fault is not None:
            raise ProtocolError(400, "a bare CR or LF or a control byte in the head")


def remember(head: Head) -> None:
    """Keep a head that a connection began with, unless it holds a secret of that connection: a field that is one, or
    what a query may be."""
    if _QUESTION_MARK not in head.target and SECRETS.isdisjoint(head.headers.raw_names()):
        if len(_KNOWN) >= FIRST_HEADS:
            _KNOWN.clear()
        _KNOWN[head.raw] = head


def is_harmless(data: bytes | bytearray, begin: int, end: int) -> bool:
    """Whether there is certainly no fault in `data[begin:end]`: fifteen times faster than to look for one."""
    piece = data[begin:end]
    lines = piece.count(b"\n")
    return lines == piece.count(b"\r") == piece.count(b"\r\n") and not piece.translate(None, HARMLESS)


def skip_blank_lines(data: bytes | bytearray, start: int) -> int:
    """The index behind the empty lines at `start`; ProtocolError 400 where they are more than a few."""
    at = start
    while data.startswith(b"\r\n", at):
        at += 2
    if at - start > 2 * BLANK_LINES:
        raise ProtocolError(400, f"more than {BLANK_LINES} empty lines before a request line")
    if data.startswith(b"\n", at):  # HEAD_FAULT would see the CR that the body in front may have ended with
        raise ProtocolError(400, "a bare LF before a request line")
    return at


def check_target(method: str, target: bytes, headers: Headers, terms: Terms) -> None:
    """The rarer three of the four request-target forms (RFC 9112 3.2); the first begins with a slash."""
    if method == "CONNECT":
        if not is_host(target) or b":" not in target.rpartition(b"]")[2] or target.endswith(b":"):
            raise ProtocolError(400, "CONNECT takes host:port and nothing else")
        if terms.length:
            raise ProtocolError(400, "CONNECT has no body")  # RFC 9110 9.3.6; to many it is the tunnel's first bytes
    elif target == b"*":
        if method != "OPTIONS":
            raise ProtocolError(400, 'the target "*" is for OPTIONS only')
    else:
        absolute = ABSOLUTE_FORM.fullmatch(target)
        if absolute is None:
            raise ProtocolError(400, "the target is neither a path nor a URL of scheme http or https")
        if not is_host(absolute[1]):
            raise ProtocolError(400, "the target's authority is not a name or an address with an optional port")
        if headers.raw(b"host") == b"":
            raise ProtocolError(400, "an empty Host field with a target that has an authority")


def refuse_line(line: bytes) -> ProtocolError:
    """Say what is wrong with `line`, a request line (without its CRLF, and with no fault) that is not one."""
    parts = line.split(b" ")
    if len(parts) != 3:
        return ProtocolError(400, "a request line is a method, a target and a version with one space between them")
    method, target, version = parts
    if TOKEN.fullmatch(method) is None:
        return ProtocolError(400, "the method is not a token")
    if TARGET.fullmatch(target) is None:
        return ProtocolError(400, 'the target is empty or has a "#" or a byte that is not visible ASCII')
    if VERSION.fullmatch(version) is None:
        return ProtocolError(400, "the version is not HTTP/ with a digit, a dot and a digit")
    return ProtocolError(505, "the version of HTTP spoken here is 1.1 (and 1.0)")
