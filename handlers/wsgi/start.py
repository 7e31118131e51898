"""What an application says by `start_response`: a status and fields, checked (PEP 3333, "The start_response Callable").

Law: it is checked when it is said, so that the traceback shows the application's line. What is the server's own
(RFC 9110 7.6.1: hop-by-hop) it must not say; Date and Server are the server's, too, and left out; Content-Length is
taken as a promise, and kept.
"""

import re
from typing import Any
from wsgiref.util import is_hop_by_hop

from reactor import Response

KEPT = 256  # answers' heads that are remembered
SHORT = 512  # characters of one that may be
SMALL = 4096  # bytes of a body that is remembered with its head

_STATUS = re.compile(r"[2-5][0-9]{2}(?: [ -~\t\x80-\xff]*+)?")
_OURS = ("date", "server")
_NO_HOP = "proxy-authenticate"  # it was hop-by-hop when PEP 3333 was written; a 407 must have it (RFC 9110 15.5.8)

Fields = tuple[tuple[Any, Any], ...]  # as the application gave them


class Head:
    """The status and fields of an answer, checked. `response`: with them, and without a body; `length`: what its
    Content-Length says, or None; `has_body`: its status may have one."""

    __slots__ = ("_content_type", "_fields", "_last", "has_body", "length", "response")

    def __init__(self, status: Any, fields: Fields) -> None:
        if type(status) is not str or _STATUS.fullmatch(status) is None:
            raise ValueError(f"a final status is written '200 OK', not {status!r}")
        self.length: int | None = None
        self._content_type: str | None = None
        kept = []
        for name, value in fields:
            if not isinstance(name, str) or not isinstance(value, str):
                raise TypeError(f"a header is a tuple of two str, not {(name, value)!r}")
            lower = name.lower()
            if lower == "content-length":
                self.length = _length(value, self.length)
            elif lower == "content-type" and self._content_type is None:
                self._content_type = value
            elif is_hop_by_hop(lower) and lower != _NO_HOP:
                raise ValueError(f"{name} is hop-by-hop: it is the server's, and no application's (PEP 3333)")
            elif lower not in _OURS:
                kept.append((name, value))
        self._fields = kept
        self.response = Response(int(status[:3]), b"", kept, content_type=self._content_type)
        self.has_body = self.response.status not in (204, 205, 304)  # RFC 9110 15.3.5, 15.3.6, 15.4.5
        # Where a body has to be refused, none is like the last.
        is_empty = not self.has_body or not self.length
        self._last: tuple[bytes | None, Response] = (b"" if is_empty else None, self.response)

    def with_bytes(self, body: bytes) -> Response:
        """The answer with this body. ValueError if the Content-Length is another's."""
        last = self._last
        if body == last[0]:  # where a body is the same as before, so is all that follows from it
            return last[1]
        if not self.has_body:
            return self.response
        if self.length is not None and self.length != len(body):
            raise ValueError(f"the Content-Length is {self.length}, and the body has {len(body)} bytes")
        response = self.response.with_body(body)
        if len(body) <= SMALL:
            self._last = (body, response)
        return response

    def with_body(self, body: object) -> Response:
        """The answer with a FileBody, or with an iterator of as many bytes as the Content-Length says, if it does."""
        length = getattr(body, "length", self.length)
        return Response(self.response.status, body, self._fields, content_type=self._content_type, length=length)  # type: ignore[arg-type]  # it is one of the two

    def for_head(self, size: int) -> Response:
        """The answer to a HEAD; `size`: bytes of the body that the application gave, 0 if it left it out."""
        if not self.has_body:
            return self.response
        length = self.length if self.length is not None else size or None
        return Response(self.response.status, iter(()), self._fields, content_type=self._content_type, length=length)


class Heads(dict[tuple[str, Fields], Head]):
    """`heads[status, fields]` is the Head; the short ones are remembered, for most answers are alike."""

    def __missing__(self, said: tuple[str, Fields]) -> Head:
        head = Head(*said)
        names = [name.lower() for name, _ in said[1]]
        if "set-cookie" not in names and sum(len(name) + len(value) for name, value in said[1]) <= SHORT:
            if len(self) >= KEPT:
                self.clear()
            self[said] = head
        return head


def _length(text: str, former: int | None) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18 or former not in (None, int(text)):
        raise ValueError(f"a Content-Length is a number, said once, not {text!r}")
    return int(text)
