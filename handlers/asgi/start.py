"""What an application says by `http.response.start`: a status and fields, checked.

Law: it is checked when it is said, so that the traceback shows the application's line. What is the server's own is left
out, as ASGI wants it of Transfer-Encoding; Content-Length is taken as a promise, and kept.
"""

from typing import Any

from reactor import FileBody, Outflow, Response

KEPT = 256  # answers' heads that are remembered
SHORT = 512  # bytes of one that may be
SMALL = 4096  # bytes of a body that is remembered with its head

_OURS = frozenset((b"connection", b"date", b"keep-alive", b"server", b"trailer", b"transfer-encoding", b"upgrade"))

Fields = tuple[tuple[Any, Any], ...]  # as the application gave them


class Head:
    """The status and fields of an answer. Attributes: `length` (what its Content-Length says, or None); `has_body`
    (its status may have one)."""

    __slots__ = ("_last", "_response", "has_body", "length")

    def __init__(self, status: int, fields: Fields, has_trailers: bool = False) -> None:
        self.length: int | None = None
        content_type: str | None = None
        kept = []
        for name, value in fields:
            if type(name) is not bytes or type(value) is not bytes:
                raise TypeError(f"a header is a pair of bytes, not {(name, value)!r}")
            lower = name.lower()
            if lower == b"content-length":
                self.length = _length(value, self.length)
            elif lower == b"content-type" and content_type is None:
                content_type = value.decode("latin-1")
            elif lower not in _OURS or (has_trailers and lower == b"trailer"):
                kept.append((name.decode("latin-1"), value.decode("latin-1")))
        self._response = Response(status, b"", kept, content_type=content_type)
        self.has_body = status not in (204, 205, 304)  # RFC 9110 15.3.5, 15.3.6, 15.4.5
        self._last = (b"", self._response)

    def with_bytes(self, body: bytes) -> Response:
        """The answer with this body. ValueError if the Content-Length is another's."""
        if not self.has_body:
            return self._response
        if self.length is not None and self.length != len(body):
            raise ValueError(f"the Content-Length is {self.length}, and the body has {len(body)} bytes")
        last = self._last
        if body == last[0]:  # where a body is the same as before, so is all that follows from it
            return last[1]
        response = self._response.with_body(bytes(body))
        if len(body) <= SMALL:
            self._last = (body, response)
        return response

    def with_body(self, body: "Outflow | FileBody | Unsent") -> Response:
        """The answer with a body that has a `length`, known or not."""
        return self._response.with_body(body) if self.has_body else self._response  # type: ignore[arg-type]  # what has a length will do

    def without_body(self, size: int) -> Response:
        """The answer to a HEAD; `size`: bytes of the body that the application gave, 0 if it left it out."""
        return self.with_body(Unsent(self.length if self.length is not None else size or None))


class Unsent:
    """A body of which only the length is told."""

    def __init__(self, length: int | None) -> None:
        self.length = length


class Heads(dict[tuple[int, Fields], Head]):
    """`heads[status, fields]` is the Head; the short ones are remembered, for most answers are alike."""

    def of(self, message: dict[str, Any]) -> Head:
        return self[message["status"], tuple(map(tuple, message.get("headers", ())))]

    def of_trailed(self, message: dict[str, Any]) -> Head:
        """Where fields behind the body are announced, as they may be in a Trailer field (RFC 9110 6.6.2)."""
        return Head(message["status"], tuple(message.get("headers", ())), has_trailers=True)

    def __missing__(self, said: tuple[int, Fields]) -> Head:
        head = Head(*said)
        names = [name.lower() for name, _ in said[1]]
        if b"set-cookie" not in names and sum(len(name) + len(value) for name, value in said[1]) <= SHORT:
            if len(self) >= KEPT:
                self.clear()
            self[said] = head
        return head


def _length(text: bytes, former: int | None) -> int:
    if not text.isdigit() or len(text) > 18 or former not in (None, int(text)):
        raise ValueError(f"a Content-Length is a number, said once, not {text!r}")
    return int(text)
