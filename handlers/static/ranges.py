"""Ranges: which parts of a file a client asks for, and how several of them are framed (RFC 9110 14 and 15.3.7).

Law: what is sent for a Range is never more than the file and its framing: parts that overlap are one, and a field that
asks for too many is refused, whatever it cost to ask (RFC 9110 17.15). A field that is malformed is not there.
"""

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

LONGEST = 1024  # characters of a field; with them bounded, so are the digits of a number
ASKED = 200  # ranges in a field: a reader of an archive asks for dozens
SENT = 16  # parts of an answer, once those that are near each other are one
FRAMING = 80  # bytes that a part costs, about (RFC 9110 15.3.7.2): a gap that is smaller is cheaper sent

# ranges-specifier = range-unit "=" 1#( first-pos "-" [ last-pos ] / "-" suffix-length )   RFC 9110 14.1.1, 14.1.2
# The unit in any case; empty elements are allowed to a recipient (RFC 9110 5.6.1.2).
_SPEC = r"(?:[0-9]++-[0-9]*+|-[0-9]++)"
_SET = re.compile(rf"[Bb][Yy][Tt][Ee][Ss]=([ \t,]*+(?:{_SPEC}[ \t]*+(?:,[ \t,]*+|\Z))+)")
_SPECS = re.compile(r"([0-9]*+)-([0-9]*+)")


class Span(NamedTuple):
    """Bytes of a file, from `start` up to and without `stop`."""

    start: int
    stop: int


def parse_range(value: str, size: int) -> list[Span] | None:
    """What a Range field asks of a file of `size` bytes: parts that do not overlap, none empty, in the order asked.

    None: the field is to be ignored and the whole file sent, because it is malformed or of another unit
    (RFC 9110 14.2), or the file is empty: it has no parts, and whoever always asks for "bytes=0-" is to get it.
    []: 416, nothing of what is asked is there, or it is too much (RFC 9110 15.5.17).

    One Span is sent as it is; several make a `Multipart`.
    """
    if not size or len(value) > LONGEST:
        return None
    match = _SET.fullmatch(value)
    if match is None:
        return None
    specs = _SPECS.findall(match[1])
    for first, last in specs:
        if first and last and int(last) < int(first):
            return None
    spans = [span for first, last in specs if (span := _span(first, last, size)).start < span.stop]
    if len(spans) < 2:  # nearly always
        return spans
    # Overlapping, and not just two of them: asked for by nobody who means well (RFC 9110 17.15).
    is_greedy = len(spans) > 2 and sum(stop - start for start, stop in spans) > size
    if is_greedy or len(specs) > ASKED:
        return []
    spans = _coalesced(spans)
    return spans if len(spans) <= SENT else []


def _span(first: str, last: str, size: int) -> Span:
    """What "first-last" is of a file of `size` bytes; not before its stop where that is nothing."""
    if not first:
        return Span(max(size - int(last), 0), size)
    return Span(int(first), min(int(last) + 1, size) if last else size)


def _coalesced(spans: list[Span]) -> list[Span]:
    """`spans`, with those that overlap or nearly touch made one, which stands where the first of them stood
    (RFC 9110 15.3.7.2)."""
    merged: list[tuple[int, Span]] = []  # each with its place
    for place, span in sorted(enumerate(spans), key=lambda item: item[1]):
        if merged and span.start < merged[-1][1].stop + FRAMING:
            first, (start, stop) = merged[-1]
            merged[-1] = min(first, place), Span(start, max(stop, span.stop))
        else:
            merged.append((place, span))
    return [span for _, span in sorted(merged)]


def content_range(span: Span | None, size: int) -> str:
    """The Content-Range (RFC 9110 14.4) of a 206 with `span` of a file of `size` bytes; of a 416 where it is None."""
    return f"bytes */{size}" if span is None else f"bytes {span.start}-{span.stop - 1}/{size}"


class Multipart:
    """Spans of one file of `size` bytes, each of the type `content_type`, as multipart/byteranges (RFC 9110 14.6).

    Attributes: `content_type` (of the whole, for the head), `length` (bytes of the whole, exactly). `boundary` is for
    tests: without it one is drawn that no file can contain on purpose.
    """

    __slots__ = ("_pieces", "content_type", "length")

    def __init__(self, spans: Sequence[Span], size: int, content_type: str, boundary: str = "") -> None:
        boundary = boundary or os.urandom(16).hex()
        self.content_type = f"multipart/byteranges; boundary={boundary}"
        pieces: list[bytes | Span] = []
        delimiter = f"--{boundary}"
        for span in spans:
            fields = f"Content-Type: {content_type}\r\nContent-Range: {content_range(span, size)}\r\n"
            pieces += f"{delimiter}\r\n{fields}\r\n".encode("latin-1"), span
            delimiter = f"\r\n--{boundary}"  # the line break is the delimiter's: RFC 2046 5.1.1
        pieces.append(f"{delimiter}--\r\n".encode("latin-1"))
        self.length = sum(piece.stop - piece.start if isinstance(piece, Span) else len(piece) for piece in pieces)
        self._pieces = pieces

    def parts(self) -> Iterator[bytes | Span]:
        """The body, in order: bytes are sent as they are, and a Span as what the file has there."""
        return iter(self._pieces)
