"""The heads of an upstream's answers on their way to the client.

Law: a Response is made of them, and checked as any handler's is. What belonged to the upstream's connection is left
out; framing, `Date` and `Server` are the server's own.
"""

from io import BytesIO

from reactor import FileBody, Request, Response, ResponseHead

from .bodies import AnswerBody
from .request_head import HOP_BY_HOP

REMEMBERED = 4096  # bytes of a body that is looked for again in the next answer

_MADE_ANEW = frozenset((b"content-length", b"content-type", b"date", b"server"))
_BODILESS = (204, 205, 304)  # RFC 9110 15.3.5, 15.3.6, 15.4.5


def whole_answer(head: ResponseHead, payload: bytes, request: Request) -> Response:
    """The answer to `request`, all of which is here."""
    made = _made(head)
    if made.payload == payload:  # the very same again: it is not encoded anew, either
        return made.response
    if head.status in _BODILESS:
        return made.bare
    if request.head.method == "HEAD":
        return bodiless_answer(head)
    response = made.bare.with_body(payload)
    if len(payload) <= REMEMBERED:
        made.payload, made.response = payload, response
    return response


def streamed_answer(head: ResponseHead, body: AnswerBody) -> Response:
    """The answer whose body comes piece by piece."""
    return _made(head).bare.with_body(body)  # type: ignore[arg-type]  # it has what an iterator needs, and a length


def bodiless_answer(head: ResponseHead) -> Response:
    """The answer to HEAD: it has the length that GET's would have."""
    if head.announced is None:
        return streamed_answer(head, AnswerBody(None, None, b""))
    return _made(head).bare.with_body(FileBody(BytesIO(), 0, head.announced))


def passed_fields(head: ResponseHead, is_upgrade_passed: bool = False) -> list[tuple[str, str]]:
    """Its fields for the client."""
    gone = HOP_BY_HOP | _MADE_ANEW | frozenset(head.options)
    if is_upgrade_passed:
        gone -= {b"upgrade"}
    kept = [pair for pair in head.headers.pairs if pair[0].lower() not in gone]
    fields = [(name.decode("ascii"), value.decode("latin-1")) for name, value in kept]
    return [*fields, ("Via", f"{head.version[5:].decode()} reactor")]


class _Made:
    """What was made of a head: `bare`, a Response without a body; `response`, what it became with `payload`, the last
    body that was whole (None: there was none)."""

    __slots__ = ("bare", "payload", "response")

    def __init__(self, head: ResponseHead) -> None:
        fields = passed_fields(head, is_upgrade_passed=head.status == 426)  # RFC 9110 15.5.22
        self.bare = self.response = Response(head.status, b"", fields, content_type=head.headers.get("content-type"))
        self.payload: bytes | None = None


def _made(head: ResponseHead) -> _Made:
    made: _Made | None = getattr(head, "memo", None)
    if made is None:
        made = head.memo = _Made(head)
    return made
