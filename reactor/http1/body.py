"""Bodies as they come: `feed` bytes in, `take` payload out, until `is_complete`.

Law: what is skipped is compared. A decoder never looks beyond the end of its body, keeps nothing but the
payload not yet taken, and reads no byte twice but those of a line whose end is not here yet, which is short.
"""

from collections.abc import Callable

from .errors import ProtocolError
from .fields import Headers, parse_fields
from .grammar import CHUNK_LINE, HEAD_FAULT

# A chunk's size line, extensions included. The longest in real use, signed chunks of object stores, is 100 bytes.
CHUNK_LINE_LIMIT = 256
# 2**60 - 1 is more than any body; 16 digits and more would only ask for trouble in other parsers.
CHUNK_SIZE_DIGITS = 15
# All extensions of a body together: they cost work and carry nothing, so a body made of them is an attack.
EXTENSIONS_LIMIT = 16 * 1024
TRAILERS_LIMIT = 8 * 1024
TRAILERS_COUNT_LIMIT = 32

# Fields that would change what was already decided when the head was read (RFC 9110 6.5.1).
_NOT_IN_TRAILERS = (b"content-length", b"transfer-encoding", b"host", b"content-encoding", b"content-type", b"trailer")


class LengthBody:
    """A body of `length` bytes (an int above 0)."""

    __slots__ = ("_left", "_payload")

    trailers: Headers | None = None
    has_more = False

    def __init__(self, length: int) -> None:
        self._left = length
        self._payload = b""

    @property
    def is_complete(self) -> bool:
        return not self._left

    def bound(self, limit: int) -> bool:
        """Whether what is still to come is at most `limit` bytes (0: any number)."""
        return not limit or self._left <= limit

    def feed(self, data: bytes | bytearray, start: int, _steps: int = 0) -> int:
        """Take what belongs to the body from `data[start:]`; returns how many bytes that was."""
        end = start + self._left
        # Copied once at most: a slice that is all of some bytes is those bytes, one of a bytearray would be two copies.
        piece = data[start:end] if isinstance(data, bytes) else bytes(memoryview(data)[start:end])
        self._payload = self._payload + piece if self._payload else piece
        self._left -= len(piece)
        return len(piece)

    def take(self) -> bytes:
        """The payload fed since the last call."""
        payload, self._payload = self._payload, b""
        return payload


class UntilCloseBody:
    """A response's body that ends with its connection: whoever sees that says `end`. Nothing tells a whole one from one
    that was cut off (RFC 9112 8)."""

    __slots__ = ("_payload", "is_complete")

    trailers: Headers | None = None
    has_more = False

    def __init__(self) -> None:
        self._payload = b""
        self.is_complete = False

    def feed(self, data: bytes | bytearray, start: int, _steps: int = 0) -> int:
        """Take all of `data[start:]`; returns how many bytes that was."""
        piece = bytes(data[start:])
        self._payload = self._payload + piece if self._payload else piece
        return len(piece)

    def take(self) -> bytes:
        """The payload fed since the last call."""
        payload, self._payload = self._payload, b""
        return payload

    def end(self) -> None:
        """The connection has closed."""
        self.is_complete = True


class ChunkedBody:
    """A body in the chunked transfer coding (RFC 9112 7.1), of at most `limit` bytes of payload; 0: no limit.

    `trailers` is None, or the fields behind the last chunk once the body is complete: never part of the
    headers. `has_more`: the last `feed` stopped at its share of the work, and not for want of bytes. Raises
    ProtocolError from `feed`: 400 for any deviation, 413 above the limit.
    """

    __slots__ = ("_extensions", "_left", "_limit", "_next", "_pieces", "_scanned", "_total", "has_more",
                 "trailers")  # fmt: skip

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._total = 0
        self._left = 0
        self._extensions = 0
        self._scanned = 0
        self._pieces: list[bytes] = []
        self._next: _Step = ChunkedBody._size_line  # a plain function: a bound method would be a cycle
        self.trailers: Headers | None = None
        self.has_more = False

    @property
    def is_complete(self) -> bool:
        return self._next is ChunkedBody._nothing

    def bound(self, limit: int) -> bool:
        """Take at most `limit` more bytes of payload (0: any number) from now on; False: this chunk alone has more."""
        self._limit = self._total - self._left + limit if limit else 0
        return not limit or self._left <= limit

    def feed(self, data: bytes | bytearray, start: int, steps: int = 0) -> int:
        """Take what belongs to the body from `data[start:]`; returns how many bytes that was.

        The rest is the beginning of a line: feed it again with what comes behind it. Or, with `has_more`, it is what
        `steps` were not enough for (a chunk takes three; 0: any number): feed it again when others had their turn.
        """
        at = start
        while (step := self._next(self, data, at)) > 0:
            at += step
            steps -= 1
            if not steps:
                self.has_more = True
                return at - start
        self.has_more = False
        return at - start

    def take(self) -> bytes:
        """The payload fed since the last call."""
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    # What may come next, each a method: consumes it from data[at:] and returns how many bytes, 0 for "more, please".

    def _size_line(self, data: bytes | bytearray, at: int) -> int:
        line = CHUNK_LINE.match(data, at, at + CHUNK_LINE_LIMIT)
        if line is None:
            return self._refuse_size_line(data, at)
        size, extension = line.groups()
        if len(size) > CHUNK_SIZE_DIGITS:
            raise ProtocolError(400, f"a chunk size has more than {CHUNK_SIZE_DIGITS} digits")
        self._extensions += len(extension)
        if self._extensions > EXTENSIONS_LIMIT:
            raise ProtocolError(400, f"more than {EXTENSIONS_LIMIT} bytes of chunk extensions")
        self._left = int(size, 16)
        self._total += self._left
        if self._limit and self._total > self._limit:
            raise ProtocolError(413, f"the body is larger than {self._limit} bytes")
        self._next = ChunkedBody._data if self._left else ChunkedBody._trailer_lines
        return line.end() - at

    def _refuse_size_line(self, data: bytes | bytearray, at: int) -> int:
        """No whole, valid size line at `at`: wait for more of it where there can be a valid one, else refuse."""
        line = bytes(data[at : at + CHUNK_LINE_LIMIT])
        head, newline, _ = line.partition(b"\n")
        if newline or b"\r" in head[:-1]:
            raise ProtocolError(400, "a chunk's size line is not hexadecimal digits, extensions and CRLF")
        if len(line) == CHUNK_LINE_LIMIT:
            raise ProtocolError(400, f"a chunk's size line is longer than {CHUNK_LINE_LIMIT} bytes")
        if head and CHUNK_LINE.match(head[:1] + b"\r\n") is None:
            raise ProtocolError(400, "a chunk size does not begin with a hexadecimal digit")
        return 0

    def _data(self, data: bytes | bytearray, at: int) -> int:
        piece = bytes(data[at : at + self._left])
        if piece:
            self._pieces.append(piece)
            self._left -= len(piece)
            if not self._left:
                self._next = ChunkedBody._data_end
        return len(piece)

    def _data_end(self, data: bytes | bytearray, at: int) -> int:
        end = data[at : at + 2]
        if end == b"\r\n":
            self._next = ChunkedBody._size_line
            return 2
        if end and end != b"\r":
            raise ProtocolError(400, "a chunk's data is not followed by CRLF")
        return 0

    def _trailer_lines(self, data: bytes | bytearray, at: int) -> int:
        if data.startswith(b"\r\n", at):
            self._next = ChunkedBody._nothing
            return 2
        end = data.find(b"\r\n\r\n", max(at, at + self._scanned - 3), at + TRAILERS_LIMIT)
        if end < 0:
            if HEAD_FAULT.search(data, max(at, at + self._scanned - 1), at + TRAILERS_LIMIT):
                raise ProtocolError(400, "a bare CR or LF or a control byte among the trailers")
            self._scanned = len(data) - at
            if self._scanned >= TRAILERS_LIMIT:
                raise ProtocolError(431, f"the trailers are larger than {TRAILERS_LIMIT} bytes")
            return 0
        trailers = parse_fields(bytes(data[at : end + 4]), 0, TRAILERS_COUNT_LIMIT)
        for name in _NOT_IN_TRAILERS:
            if trailers.raw(name) is not None:
                raise ProtocolError(400, f"{name.decode()} among the trailers")
        self.trailers = trailers
        self._next = ChunkedBody._nothing
        return end + 4 - at

    def _nothing(self, data: bytes | bytearray, at: int) -> int:
        return 0


_Step = Callable[[ChunkedBody, bytes | bytearray, int], int]
