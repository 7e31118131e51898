"""The outbox: what we owe the peer, in order, and how it leaves.

Small pieces are joined into one `send`, large ones go by `sendmsg`, files by `sendfile`. At most one *source*
(a file or an iterator) stands behind the bytes; it is pulled when they have left, or all but 16 KiB, which is
all the backpressure there is. Law: bytes leave in order, each once, and are dropped from here only when the kernel
has taken them.
"""

import logging
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, Protocol

from .answers import Later
from .http1.fields import Headers
from .http1.response import FileBody, check_trailers, encode_fields
from .transport import FileError, Transport

JOIN_LIMIT = 16 * 1024  # bytes; below it, one copy is cheaper than a vector
VECTOR_LIMIT = 64  # buffers in one sendmsg; the system takes 1024 (IOV_MAX), but a list of them is copied each time
PULLS = 64  # pieces of up to 16 KiB taken from a source in one turn: a fast reader must not keep the loop to itself
SHARE = 0.00025  # seconds that a source may take for its pieces in one turn, or for one: a hundred do it at a time
QUICK = 0.001  # seconds that an iterator may take for a piece, and the one before is still held back for its sake
FILE_SLICE = 1024 * 1024  # bytes asked of one sendfile, for the same reason
SLICE_PULLS = 4  # what such a slice counts for

log = logging.getLogger("reactor")


class BrokenPromise(Exception):
    """An answer's body gave another length than its head says, or raised: the peer must see it break."""


class Source(Protocol):
    """The body of an answer, a piece at a time. `given`: bytes of body, so far, without framing; `joins`: bytes that
    may be owed when it is pulled, to leave together with what it adds; `spent`: seconds that its pieces took, so far;
    `is_done`: there is none left.
    """

    given: int
    joins: int
    spent: float

    @property
    def is_done(self) -> bool: ...

    def pull(self, outbox: "Outbox", transport: Transport, most: int, limit: float) -> int:
        """Add pieces to the outbox, or send one: about so many, until more is owed than it `joins`, one is waited for,
        or it has `spent` more than `limit`; returns how many, the large ones counted as several. BrokenPromise,
        OSError."""

    def close(self) -> None: ...


class Outbox:
    """Attributes: `size` (bytes added and not sent), `source` (Source or None), `waiting` (the Later that the
    source waits for, or None), `sent` (bytes, ever)."""

    __slots__ = ("_first", "_more", "sent", "size", "source", "waiting")

    def __init__(self) -> None:
        self._first: bytes | bytearray | memoryview = b""  # one piece is nearly always all there is
        self._more: list[bytes | bytearray | memoryview] | tuple[()] = ()
        self.size = 0
        self.sent = 0
        self.source: Source | None = None
        self.waiting: Later | None = None

    def add(self, data: bytes) -> None:
        if not self.size:
            self._first = data
        elif not self._more:
            self._more = [data]
        elif len(self._more) < VECTOR_LIMIT or len(data) > JOIN_LIMIT:
            self._more.append(data)
        else:
            self._add_small(self._more, data)
        self.size += len(data)

    def _add_small(self, more: list[bytes | bytearray | memoryview], data: bytes) -> None:
        """Add one of many: joined as they come, for a list of all is copied by each sendmsg. A peer that had not read
        50,000 of 24 bytes took 0.1 ms of each that was added, and held the loop for 0.1 s when it did."""
        last = more[-1]
        if isinstance(last, bytearray) and len(last) < JOIN_LIMIT:  # `_first` never is one that is still added to
            last += data
        else:
            more.append(bytearray(data))

    def flush(self, transport: Transport, is_joined: bool = False) -> None:
        """Send what was added, until the kernel takes no more. Raises OSError when the peer is gone.

        `is_joined`: what a file follows is to leave in one packet with it.
        """
        send = transport.send_more if is_joined else transport.send
        try:
            while self.size:
                if self._more:
                    self._send_several(transport)
                    continue
                sent = send(self._first)
                self.sent += sent
                self.size = left = self.size - sent
                if left:  # the kernel is full; a fast reader would keep the loop to itself here
                    self._first = memoryview(self._first)[sent:]
                    return
                self._first = b""
        except BlockingIOError:
            return

    def pump(self, transport: Transport) -> None:
        """`flush`, and pull the source, until the kernel takes no more, nothing is left, or this turn's share is used.

        Raises OSError when the peer is gone, BrokenPromise when the source failed.
        """
        pulls = PULLS
        source = self.source
        limit = 0.0 if source is None else source.spent + SHARE
        while True:
            while pulls > 0 and self._is_ready():
                try:
                    pulls -= source.pull(self, transport, pulls, limit)  # type: ignore[union-attr]  # it is ready
                except BlockingIOError:
                    return
                if source.is_done:  # type: ignore[union-attr]  # likewise
                    self.flush(transport)  # closing it may take its time
                    self.drop_source()
                elif source.spent > limit:  # type: ignore[union-attr]  # likewise
                    pulls = 0
            if not self.size:
                return
            self.flush(transport, pulls > 0 and type(self.source) is FileSource)
            if self.size:
                return

    def _is_ready(self) -> bool:
        """Whether there is a source that can be pulled now."""
        source, waiting = self.source, self.waiting
        return source is not None and self.size <= source.joins and (waiting is None or waiting.is_answered)

    def drop_source(self) -> None:
        """Done with it, or given up."""
        source, self.source = self.source, None
        waiting, self.waiting = self.waiting, None
        if waiting is not None:
            _close(waiting.abandon)
        if source is not None:
            _close(source.close)

    def _send_several(self, transport: Transport) -> None:
        """Make one piece of many small ones, or send as many as the kernel takes."""
        pieces = [self._first, *self._more]
        if self.size <= JOIN_LIMIT:
            self._first, self._more = b"".join(pieces), ()
            return
        sent = transport.sendmsg(pieces[:VECTOR_LIMIT])
        self.sent += sent
        self.size -= sent
        done = 0
        while done < len(pieces) and sent >= len(pieces[done]):
            sent -= len(pieces[done])
            done += 1
        del pieces[:done]
        self._first, self._more = pieces[0] if pieces else b"", pieces[1:]
        if sent:
            self._first = memoryview(self._first)[sent:]


class FileSource:
    """A file, or part of one, by `sendfile`."""

    joins = 0  # what is owed is in front of it
    spent = 0.0  # the kernel's time

    __slots__ = ("_body", "_left", "_offset", "given")

    def __init__(self, body: FileBody) -> None:
        self._body = body
        self.given = 0
        self._offset = body.offset
        self._left = body.length

    @property
    def is_done(self) -> bool:
        return not self._left

    def pull(self, outbox: Outbox, transport: Transport, _most: int, _limit: float) -> int:
        if not self._left:
            return 0
        count = min(self._left, FILE_SLICE)
        outbox.waiting = self._body.prepare(self._offset, count)
        if outbox.waiting is not None:
            return SLICE_PULLS
        try:
            sent = transport.sendfile(self._body.file, self._offset, count)
        except FileError as error:
            raise BrokenPromise(f"its file cannot be read: {error}") from error.__cause__
        if not sent:
            raise BrokenPromise(f"the file ends {self._left} bytes early")
        self.given += sent
        self._offset += sent
        self._left -= sent
        outbox.sent += sent
        return SLICE_PULLS

    def close(self) -> None:
        self._body.close()


class IteratorSource:
    """An iterator of bytes: of `length` in all, or of unknown length, then chunked or ended by the close. What it
    returns are trailer fields, for a chunked body and a client whose `headers` say that it takes them.

    Pieces that come quickly, one after the other, leave in one `send`; once one took its time, each leaves as it comes.
    """

    __slots__ = ("_headers", "_is_chunked", "_iterator", "_left", "given", "is_done", "joins", "spent")

    def __init__(
        self,
        iterator: Iterator[Any],
        length: int | None,
        is_chunked: bool,
        joins: int = JOIN_LIMIT,
        headers: Headers | None = None,
    ) -> None:
        self._headers = headers
        self._iterator = iterator
        self._left = length
        self._is_chunked = is_chunked
        self.given = 0
        self.joins = joins
        self.spent = 0.0
        self.is_done = False

    def pull(self, outbox: Outbox, _transport: Transport, most: int, limit: float) -> int:
        taken = 0
        now = monotonic()
        while taken < most:
            began = now
            try:
                piece = next(self._iterator) if outbox.waiting is None else self._take_promised(outbox)
            except StopIteration as end:
                self._end(outbox, end.value)
                break
            except (KeyboardInterrupt, BrokenPromise):
                raise
            except BaseException as error:
                raise BrokenPromise("its iterator raised") from error
            now = monotonic()
            self.spent += now - began
            if now - began > QUICK:
                self.joins = 0
            if type(piece) is not bytes:  # which nearly all are
                if isinstance(piece, Later):
                    outbox.waiting = piece
                    return taken + 1
                if not isinstance(piece, (bytes, bytearray, memoryview)):
                    raise BrokenPromise(f"its iterator gave {type(piece).__name__}, not bytes")
                piece = bytes(piece)
            self._add(piece, outbox)
            taken += 1 + len(piece) // JOIN_LIMIT
            if outbox.size > self.joins or self.spent > limit:
                break
        return taken

    def _end(self, outbox: Outbox, trailers: Any) -> None:
        """There is no other piece."""
        if self._left:
            raise BrokenPromise(f"its iterator ended {self._left} bytes early")
        lines = b"" if trailers is None else self._encode_trailers(trailers)
        if self._is_chunked:
            outbox.add(b"0\r\n%b\r\n" % lines)
        self.is_done = True

    def _take_promised(self, outbox: Outbox) -> Any:
        """The piece that was waited for."""
        promised, outbox.waiting = outbox.waiting, None
        value = None if promised is None else promised.value
        if isinstance(value, BaseException):
            raise BrokenPromise("a piece that it promised failed") from value
        return b"" if value is None else value

    def _encode_trailers(self, trailers: Any) -> bytes:
        """The lines of the trailer fields, none where the client does not take them (RFC 9110 6.5.1, 10.1.4)."""
        try:
            fields = check_trailers(trailers)
        except (TypeError, ValueError) as error:
            raise BrokenPromise("what its iterator returned are no trailers") from error
        offered = self._headers.raw(b"te") if self._headers is not None else None
        is_taken = offered is not None and b"trailers" in [each.strip() for each in offered.lower().split(b",")]
        return encode_fields(fields) if is_taken else b""

    def _add(self, piece: bytes, outbox: Outbox) -> None:
        """Add one piece, framed; an empty one is nothing."""
        size = len(piece)
        if self._left is not None:
            if size > self._left:
                raise BrokenPromise(f"its iterator gave {size - self._left} bytes too many")
            self._left -= size
        if not size:
            return
        self.given += size
        if not self._is_chunked:
            outbox.add(piece)
        elif size <= JOIN_LIMIT:
            outbox.add(b"%x\r\n%b\r\n" % (size, piece))
        else:
            outbox.add(b"%x\r\n" % size)
            outbox.add(piece)
            outbox.add(b"\r\n")

    def close(self) -> None:
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()


def _close(close: Callable[[], None]) -> None:
    """It is over, whatever the body of a handler's answer says to that."""
    try:
        close()
    except Exception:
        log.exception("the body of an answer raised when it was closed")
