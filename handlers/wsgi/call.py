"""One call of an application: `start_response`, `write`, and what comes of the iterable it returns.

Law (PEP 3333): no head leaves before the first byte of a body, or its end, so that an application may think better of
it until then; `close()` is called on the iterable, whatever happens, and once.
"""

import logging
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from reactor import Response

from .start import Head, Heads

log = logging.getLogger("reactor")

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class Call:
    """What an application says in one call. `head`: what it said last by `start_response`; `has_begun`: the answer
    has left, or its beginning."""

    __slots__ = ("_heads", "has_begun", "head", "written")

    def __init__(self, heads: Heads) -> None:
        self._heads = heads
        self.head: Head | None = None
        self.has_begun = False
        self.written: tuple[bytes, ...] = ()  # by `write`, and not sent

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None) -> Any:
        """As PEP 3333 has it; returns `write`."""
        if exc_info is not None:
            try:
                if self.has_begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # else it would hold its own frame
        elif self.head is not None:
            raise AssertionError("start_response was called before; a second call takes exc_info")
        try:
            self.head = self._heads[status, tuple(headers)]
        except TypeError as error:  # a list in the place of a tuple cannot be looked up
            raise TypeError(f"headers are a list of tuples of two str: {error}") from None
        return self.write

    def write(self, data: bytes) -> None:
        """The other way to give a body; what is written comes before what the iterable gives."""
        self.written += (checked(data),)

    def said(self) -> Head:
        """The head; AssertionError where `start_response` was not called."""
        if self.head is None:
            raise AssertionError("the application gave a body, or its end, before it called start_response")
        return self.head

    def whole(self, pieces: Any, is_head: bool) -> Response:
        """The answer where all of the body is there, in a list or a tuple."""
        if self.written:
            pieces = [*self.written, *pieces]
        body = pieces[0] if len(pieces) == 1 else b"".join(map(checked, pieces))
        if type(body) is not bytes:
            checked(body)
        head = self.head or self.said()
        return head.for_head(len(body)) if is_head else head.with_bytes(body)


def checked(piece: Any) -> bytes:
    if type(piece) is not bytes:
        raise TypeError(f"a body is made of bytes, not of {type(piece).__name__}")
    return piece


def first_of(iterator: Iterator[Any]) -> bytes:
    """The first piece with a byte in it; b"" where there is none."""
    for piece in iterator:
        if checked(piece):
            return piece  # type: ignore[no-any-return]  # checked
    return b""


def close(iterable: Any) -> None:
    """Tell an iterable that it is over, if it wants to know. What it raises is logged and changes nothing."""
    closing = getattr(iterable, "close", None)
    if closing is not None:
        try:
            closing()
        except (Exception, SystemExit):
            log.exception("close() of %s raised", type(iterable).__qualname__)
