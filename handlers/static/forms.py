"""Forms with files in them: multipart/form-data (RFC 7578, RFC 2046 5.1), parsed as it comes, without I/O.

Law: a form is taken as browsers write it (the HTML standard's "multipart/form-data encoding algorithm"), or refused;
nothing is guessed. Whatever way the bytes are cut, the same comes out of them, in time linear in their number; what is
kept is shorter than a delimiter, or than a part's head.

So lines end in CRLF, no white space follows a delimiter, and a quoted value ends at its first quote: a quote in it is
sent as %22, and a backslash is one. `filename*` counts for nothing (RFC 7578 4.2), and a transfer encoding that would
change the bytes is refused (4.7).
"""

import re
from collections.abc import Callable
from typing import NamedTuple

HEAD_LIMIT = 8 * 1024  # bytes of a part's head
LINES_LIMIT = 20  # of a part's head
PARTS_LIMIT = 1000
AROUND_LIMIT = 1024  # bytes in front of the first delimiter, and behind the last: nothing that is used sends any

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"

# bchars, and no space at the end                                                       RFC 2046 5.1.1
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")

# field-line, without its CRLF                                                          RFC 9112 5
_LINE = re.compile(rb"(%b):[ \t]*+([^\x00-\x08\x0a-\x1f\x7f]*+)" % _TOKEN)

# disposition-type or media-type, then *( ";" parameter )                               RFC 6266 4.1, RFC 9110 8.3.1
# A quoted value is what browsers make of it; see above.
_ONE = rb';[ \t]*+(%b)=(?:(%b)|"([^"]*+)")[ \t]*+' % (_TOKEN, _TOKEN)
_VALUE = re.compile(rb"(%b(?:/%b)?)[ \t]*+((?:%b)*)" % (_TOKEN, _TOKEN, _ONE))
_PARAMETER = re.compile(_ONE)

_SENT_ESCAPED = re.compile(rb"%(22|0D|0A)")  # the only bytes that browsers escape in a name
_UNCHANGED = (b"7bit", b"8bit", b"binary")  # RFC 2045 6.2


class FormError(Exception):
    """The body is no such form: 400. Its text says why, and never repeats what was sent."""


class Part(NamedTuple):
    """A part begins: a field's `name`, and the `filename` if it is a file, as it was sent; None if it is none.

    Text is UTF-8, what is not UTF-8 as surrogate escapes. A file's name may be anything: a path, "..", nothing.
    """

    name: str
    filename: str | None


Event = Part | bytes


def boundary_of(content_type: str) -> bytes | None:
    """The boundary that a Content-Type names; None if it is not that of such a form. FormError if there is none that
    is allowed, or the value cannot be read."""
    kind, _, _ = content_type.partition(";")
    if kind.strip(" \t").lower() != "multipart/form-data":
        return None
    _, parameters = _parse_value(content_type.encode("latin-1"), "the Content-Type")
    boundary = parameters.get(b"boundary", b"")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise FormError("the Content-Type has no boundary of 1 to 70 characters that may be in one")
    return boundary


class Form:
    """A form on its way in: `feed` it bytes; they become `Part`s, and behind each the bytes of its content, in pieces.

    Both `feed` and `finish` raise FormError; then it is of no more use.
    """

    __slots__ = ("_buffer", "_delimiter", "_next", "_parts", "_scanned")

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._buffer = bytearray(b"\r\n")  # so that the first delimiter is like all others
        self._scanned = 0  # how much of the buffer was looked at, and has nothing that we look for
        self._parts = 0
        self._next: _Step = Form._preamble  # a plain function: a bound method would be a cycle

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes tell, after those before."""
        self._buffer += data
        events: list[Event] = []
        while self._next(self, events):
            pass
        return events

    def finish(self) -> None:
        """There is no more. FormError if there should be."""
        if self._next is not Form._end or len(self._buffer) == 1:
            raise FormError("the form has no end: its last delimiter is not here")

    # What may come next, each a method: consumes it, and returns False for "more, please".

    def _preamble(self, events: list[Event]) -> bool:
        at = self._find(self._delimiter, AROUND_LIMIT, "in front of the form")
        if at < 0:
            return False
        self._drop(at + len(self._delimiter))
        self._next = Form._delimiter_end
        return True

    def _delimiter_end(self, events: list[Event]) -> bool:
        end = bytes(self._buffer[:2])
        if len(end) < 2:
            return False
        if end == b"\r\n":  # it stays, so that the end of a head without a line is like all others
            self._next = Form._head
        elif end == b"--":
            self._drop(2)
            self._next = Form._end
        else:
            raise FormError("a delimiter is followed by something else than CRLF or two hyphens")
        return True

    def _head(self, events: list[Event]) -> bool:
        at = self._find(b"\r\n\r\n", HEAD_LIMIT, "in the head of a part")
        if at < 0:
            return False
        self._parts += 1
        if self._parts > PARTS_LIMIT:
            raise FormError(f"the form has more than {PARTS_LIMIT} parts")
        events.append(_parse_head(bytes(self._buffer[2:at])))
        self._drop(at + 4)
        self._next = Form._content
        return True

    def _content(self, events: list[Event]) -> bool:
        at = self._buffer.find(self._delimiter)
        # Without a delimiter, one may have begun in the last bytes.
        size = at if at >= 0 else max(0, len(self._buffer) - len(self._delimiter) + 1)
        if size:
            with memoryview(self._buffer) as view:
                events.append(bytes(view[:size]))
        if at < 0:
            self._drop(size)
            return False
        self._drop(at + len(self._delimiter))
        self._next = Form._delimiter_end
        return True

    def _end(self, events: list[Event]) -> bool:
        if not b"\r\n".startswith(self._buffer[:2]):
            raise FormError("the last delimiter is followed by something else than CRLF or nothing")
        if len(self._buffer) > AROUND_LIMIT:
            raise FormError(f"more than {AROUND_LIMIT} bytes behind the form")
        return False

    def _find(self, wanted: bytes, limit: int, where: str) -> int:
        """Where `wanted` is, at `limit` or before; -1: not here yet. FormError if it cannot come so soon any more."""
        at = self._buffer.find(wanted, self._scanned)
        if at < 0:
            self._scanned = max(0, len(self._buffer) - len(wanted) + 1)
        if max(at, self._scanned) > limit:
            raise FormError(f"more than {limit} bytes {where}")
        return at

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._scanned = 0


_Step = Callable[[Form, list[Event]], bool]


def _parse_head(head: bytes) -> Part:
    """A part's head, without the CRLFs around it. Raises FormError."""
    lines = head.split(b"\r\n")
    if len(lines) > LINES_LIMIT:
        raise FormError(f"the head of a part has more than {LINES_LIMIT} lines")
    fields: dict[bytes, bytes] = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise FormError("a line in the head of a part is no field, or has a control character")
        name = match[1].lower()
        if name in fields:
            raise FormError("a field is twice in the head of a part")
        fields[name] = match[2].rstrip(b" \t")
    if fields.get(b"content-transfer-encoding", b"binary").lower() not in _UNCHANGED:
        raise FormError("a part has a Content-Transfer-Encoding, and forms have none")
    kind, parameters = _parse_value(fields.get(b"content-disposition", b""), "the Content-Disposition of a part")
    if kind != b"form-data" or b"name" not in parameters:  # RFC 7578 4.2
        raise FormError("a part is no field of a form: it has no Content-Disposition that says so, and its name")
    filename = parameters.get(b"filename")
    return Part(_decode(parameters[b"name"]), None if filename is None else _decode(filename))


def _parse_value(value: bytes, what: str) -> tuple[bytes, dict[bytes, bytes]]:
    """`kind; name=value; …` as the kind, in lower case, and the values by name in lower case. Raises FormError."""
    match = _VALUE.fullmatch(value)
    if match is None:
        raise FormError(f"{what} cannot be read")
    parameters: dict[bytes, bytes] = {}
    for name, token, quoted in _PARAMETER.findall(match[2]):
        if name.lower() in parameters:
            raise FormError(f"{what} says something twice")
        parameters[name.lower()] = token or quoted
    return match[1].lower(), parameters


def _decode(value: bytes) -> str:
    raw = _SENT_ESCAPED.sub(lambda escape: bytes.fromhex(escape[1].decode()), value)
    return raw.decode("utf-8", "surrogateescape")
