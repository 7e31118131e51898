"""A representation: the bytes of one file, and the answers that are given from them: whole, in parts, or not at all.

Law: what is said of the bytes (their tag, date, length) was read from the descriptor that they are sent from. A small
file is read once and kept in memory, a larger one stays open; if it is replaced meanwhile, what is being sent goes on
being the old one, and if it is cut off, the answer breaks off where the client sees it.
"""

import os
from collections.abc import Sequence
from io import FileIO
from time import time

from reactor import FileBody, Later, Request, Response, http_date

from .conditions import etag_of, evaluate, range_is_wanted
from .disk import Disk, tells
from .encodings import sibling
from .ranges import Multipart, Span, content_range, parse_range
from .tree import Busy, Opened, Tree

SMALL = 16 * 1024  # bytes; up to there a copy in memory leaves in one call with its head; above, `sendfile` is faster
PIECE = 64 * 1024  # bytes of a part, where there are several
_SECOND = 1_000_000_000  # nanoseconds

_NO_SNIFF = ("X-Content-Type-Options", "nosniff")
_CONDITIONS = (b"range", b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since")
_NO_CONDITION = (None,) * len(_CONDITIONS)


class Shared:
    """An open file that several answers are sent from; closed when the last that holds it has let go."""

    __slots__ = ("_disk", "_holders", "file")

    def __init__(self, fd: int, disk: Disk) -> None:
        self.file = FileIO(fd)
        self._disk = disk if tells(fd) else None
        self._holders = 1

    def hold(self) -> None:
        self._holders += 1

    def release(self) -> None:
        self._holders -= 1
        if not self._holders:
            self.file.close()

    def prepare(self, offset: int, count: int) -> Later | None:
        """See `Disk.prepare`."""
        return None if self._disk is None else self._disk.prepare(self.file.fileno(), offset, count)


class Lease(FileBody):
    """A part of a shared file, as the body of an answer."""

    __slots__ = ("_promised", "_shared")

    def __init__(self, shared: Shared, span: Span) -> None:
        super().__init__(shared.file, span.start, span.stop - span.start)
        shared.hold()
        self._shared: Shared | None = shared
        self._promised = -1  # where it was last read ahead, and not sent yet

    def prepare(self, offset: int, count: int) -> Later | None:
        """See `Disk.prepare`. What was read just now is sent, whether it is there or not: where the disk fails it never
        will be."""
        later = None
        if self._shared is not None and self._promised != offset:
            later = self._shared.prepare(offset, count)
        self._promised = -1 if later is None else offset
        return later

    def close(self) -> None:
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.release()


class Representation:
    """`opened`, a regular file, as it is sent; it is closed with this, unless it is small, then at once.

    `path`: where it was found. `coding`: "" or what it is packed with. `fields`: what else is said of it. `now`:
    seconds since the epoch.

    Attributes: `size` (bytes), `etag`, `modified` (seconds since the epoch; None: in the future, which is not to be
    told: RFC 9110 8.8.2.1), `data` (bytes, or None where they stay in the file), `is_settled` (it may be kept: nothing
    happens to it that its tag would not tell).
    """

    __slots__ = ("_content_fields", "_content_type", "_fields", "_identity", "_name", "_part", "_shared", "_unchanged",
                 "_whole", "data", "etag", "is_settled", "modified", "size")  # fmt: skip

    def __init__(self, path: str, opened: Opened, content_type: str, coding: str, fields: Sequence[tuple[str, str]],
                 now: float, disk: Disk) -> None:  # fmt: skip
        status = opened.status
        self.data: bytes | None = None
        self._shared: Shared | None = None
        if status.st_size <= SMALL:
            self.data, status, now = _read_small(opened, now)
        else:
            self._shared = Shared(opened.fd, disk)
        self._name = path.encode("utf-8", "surrogateescape")
        self._identity = _identity(status)
        self.size = status.st_size if self.data is None else len(self.data)
        self.etag = etag_of(status, now)
        self.is_settled = not self.etag.startswith("W/")
        modified = status.st_mtime_ns // _SECOND
        self.modified = modified if modified <= now else None
        validators = [("ETag", self.etag)]
        if self.modified is not None:
            validators.append(("Last-Modified", http_date(self.modified)))
        self._content_type = content_type
        self._fields = (*validators, *fields)
        self._content_fields = (*self._fields, ("Accept-Ranges", "bytes"), _NO_SNIFF)
        if coding:
            self._content_fields += (("Content-Encoding", coding),)
        self._unchanged = Response(304, headers=self._fields)
        body = self.data if self._shared is None else FileBody(self._shared.file, 0, self.size)
        self._whole = Response(200, body or b"", self._content_fields, content_type=content_type)
        self._part: Response | None = None  # a 206 without what differs between parts: made when it is wanted

    def close(self) -> None:
        """To be called once. Answers that are under way go on."""
        if self._shared is not None:
            self._shared.release()

    def is_current(self, tree: Tree) -> bool:
        """Whether its path still leads to what it was made from. One system call; whether the path may be followed
        is not asked."""
        try:
            return _identity(os.stat(self._name, dir_fd=tree.root.fd, follow_symlinks=tree.follow)) == self._identity
        except OSError:
            return False

    def answer(self, request: Request) -> Response:
        """To a GET or HEAD: 200, 206, 304, 412 or 416 (RFC 9110 13.2.2)."""
        said = request.headers.raw_values(_CONDITIONS)
        return self.whole() if said == _NO_CONDITION else self._conditionally(request, said[1:] == _NO_CONDITION[1:])

    def whole(self) -> Response:
        if self._shared is None:
            return self._whole
        return self._whole.with_body(Lease(self._shared, Span(0, self.size)))

    def _conditionally(self, request: Request, is_range: bool) -> Response:
        """`is_range`: nothing is asked but for a part."""
        now = time()
        headers = request.headers
        status = 200 if is_range else evaluate(request.method, headers, self.etag, self.modified, now)
        if status == 304:
            return self._unchanged
        if status == 412:
            return self._refuse(412, "the file is another one by now\n")
        wanted = headers.get("range")
        # RFC 9110 14.2: for a GET; only if nothing else stands against it, last of all If-Range.
        if wanted is None or request.method != "GET" or not range_is_wanted(headers, self.etag, self.modified, now):
            return self.whole()
        spans = parse_range(wanted, self.size)
        return self.whole() if spans is None else self._partial(spans)

    def _partial(self, spans: Sequence[Span]) -> Response:
        if not spans:  # RFC 9110 15.5.17
            field = ("Content-Range", content_range(None, self.size))
            return self._refuse(416, f"the file has {self.size} bytes\n", field)
        if len(spans) > 1:
            several = Multipart(spans, self.size, self._content_type)
            parts = Parts(several, self.data, self._shared)
            return Response(206, parts, self._content_fields, content_type=several.content_type, length=several.length)
        if self._part is None:
            self._part = Response(206, b"", self._content_fields, content_type=self._content_type)
        span = spans[0]
        body = (self.data or b"")[span.start : span.stop] if self._shared is None else Lease(self._shared, span)
        return self._part.with_body(body, [("Content-Range", content_range(span, self.size))])

    def _refuse(self, status: int, text: str, *more: tuple[str, str]) -> Response:
        """An answer that is not to be kept for as long as the file may be (RFC 9111 3)."""
        return Response(status, text, [*(each for each in self._fields if each[0].lower() != "cache-control"), *more])


class Parts:
    """Several parts of a file, framed, as the body of an answer (RFC 9110 14.6)."""

    def __init__(self, several: Multipart, data: bytes | None, shared: Shared | None) -> None:
        self._pieces = several.parts()
        self._data = data
        self._lease = None if shared is None else Lease(shared, Span(0, 0))
        self._at = self._stop = 0

    def __iter__(self) -> "Parts":
        return self

    def __next__(self) -> bytes | Later:
        """The next piece; or a Later of an empty one, while the disk is asked."""
        if self._at == self._stop:
            piece = next(self._pieces)
            if isinstance(piece, bytes):
                return piece
            self._at, self._stop = piece
        start, stop = self._at, min(self._at + PIECE, self._stop)
        if self._lease is None:
            data = (self._data or b"")[start:stop]
        elif (later := self._lease.prepare(start, stop - start)) is not None:
            return later
        else:
            data = os.pread(self._lease.file.fileno(), stop - start, start)
            if not data:
                raise EOFError("the file was cut off while it was sent")
        self._at += len(data)
        return data

    def close(self) -> None:
        if self._lease is not None:
            self._lease.close()


def represent(
    name: str, found: Sequence[tuple[str, Opened]], content_type: str, fields: Sequence[tuple[str, str]], disk: Disk
) -> dict[str, Representation]:
    """The file `name` in each coding that was found; "" is none. Takes the descriptors, whatever happens."""
    made: dict[str, Representation] = {}
    now = time()
    try:
        for coding, opened in found:
            path = sibling(name, coding) if coding else name
            made[coding] = Representation(path, opened, content_type, coding, fields, now, disk)
    except BaseException:
        for each in made.values():
            each.close()
        for _, opened in found[len(made) + 1 :]:
            os.close(opened.fd)
        raise
    return made


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_dev


def _read_small(opened: Opened, now: float) -> tuple[bytes, os.stat_result, float]:
    """All bytes of a small file, the status that it had before and after, and for when that is true; closes it.

    What does not rest (a log, a file of /proc) is taken as it was read last, at the time of its last change, so that
    its tag is weak. Busy if it has become large.
    """
    try:
        status = opened.status
        for _ in range(3):
            data = os.pread(opened.fd, SMALL + 1, 0)
            before, status = status, os.fstat(opened.fd)
            if len(data) == status.st_size and _identity(before) == _identity(status):
                return data, status, now
        if len(data) > SMALL:
            raise Busy("it is being written")
        return data, status, max(status.st_mtime, status.st_ctime)
    finally:
        os.close(opened.fd)
