"""From a Response to what leaves: its bytes, its source, and whether the connection ends with it.

Law: framing is decided here and nowhere else. RFC 9110 6.4.1 says which answers have no body, RFC 9112 6.1
and 6.3 how the end of a body is told.
"""

from .answers import Upgrade
from .http1.errors import ProtocolError
from .http1.request import Request
from .http1.response import FileBody, Response
from .outbox import JOIN_LIMIT, FileSource, IteratorSource, Outbox

KEPT_LIMIT = 4 * 1024  # bytes of a body that is kept a second time, with its head

class NotFinal(Exception):
    """An interim response was given where an answer is due."""


_CLOSE = b"Connection: close\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n"


def reply(outbox: Outbox, request: Request, response: Response, stamp: bytes, keep: bool) -> bool:
    """Put `response` to `request` into `outbox`; returns whether the connection may be used again.

    `stamp`: the server's own field lines. `keep`: whether it may, as far as everything else is concerned. Raises
    NotFinal.
    """
    terms = request.head.terms
    is_head = request.head.method == "HEAD"  # as sent: what a middleware makes of it frames nothing
    body, head = response._body, response._wire_head  # past the read-only properties, which cost 30 ns each
    fields = b""
    if terms.is_old:
        keep = keep and (response.length is not None or is_head)  # else its end is told by the close
        if keep:
            fields = b"Connection: keep-alive\r\n"
    if not keep:
        fields = _CLOSE
    if type(body) is bytes:
        if is_head:
            body = b""
        if len(body) <= JOIN_LIMIT:
            wire = b"".join((head, stamp, fields, b"\r\n", body))
            if keep and request.head.is_plain and len(body) <= KEPT_LIMIT:  # `Respondent._respond` sends it again
                response._sent = (stamp, wire)
            outbox.add(wire)
            return keep
        outbox.add(b"".join((head, stamp, fields, b"\r\n")))
        outbox.add(body)
        return keep
    if response._status < 200:  # it has no bytes for a body, so that it is looked for among the rare ones only
        raise NotFinal
    is_chunked = response.length is None and not terms.is_old
    if is_chunked:
        fields += _CHUNKED
    is_first = not outbox.size  # else the answers in front leave before this one is begun, for it may break off
    outbox.add(b"".join((head, stamp, fields, b"\r\n")))
    if isinstance(body, FileBody):
        outbox.source = FileSource(body)
    else:
        joins = JOIN_LIMIT if is_first else 0
        outbox.source = IteratorSource(body, response.length, is_chunked, joins, request.head.headers)  # type: ignore[arg-type]  # bytes are done
    if is_head or response.status in (204, 304):
        outbox.drop_source()
    return keep


def refusal(error: ProtocolError, stamp: bytes, is_head: bool) -> bytes:
    """The complete answer to what was refused; the connection ends with it."""
    response = Response(error.status, f"{error.reason}\n")
    return b"".join((response.wire_head, stamp, _CLOSE, b"\r\n", b"" if is_head else response.body))  # type: ignore[arg-type]  # text is bytes


def interim(response: Response) -> bytes:
    """An answer in front of the answer: a head and nothing else (RFC 9110 15.2)."""
    return response.wire_head + b"\r\n"


def switching(upgrade: Upgrade, stamp: bytes) -> bytes:
    """The head that opens another protocol (RFC 9110 7.8), or a CONNECT's tunnel where the name is "" (9.3.6)."""
    head = "HTTP/1.1 200 OK\r\n"
    if upgrade.name:
        head = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: {upgrade.name}\r\nConnection: Upgrade\r\n"
    fields = "".join([f"{name}: {value}\r\n" for name, value in upgrade.headers])
    return b"".join((head.encode("latin-1"), fields.encode("latin-1"), stamp, b"\r\n"))
