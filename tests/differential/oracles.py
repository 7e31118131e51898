"""What a stream of bytes says, read by us and by three parsers nobody here wrote: to each the same question.

Law: a `Reading` is what a server built on that parser would believe of one connection, one request after the other,
up to where it stops reading requests. Each of the others is asked as strictly as it can be, and what it cannot know
is evened out here, with the reason, never in the comparison.

We are asked as a whole `Connection`, and not as a parser alone, so that what is compared is what is served.
"""

import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import Any, NamedTuple

import h11
import httptools

from reactor.connection import Connection
from reactor.http1.errors import ProtocolError
from reactor.http1.request import Origin, Request
from reactor.http1.response import Response
from reactor.memory import ManualReactor, MemoryTransport
from reactor.service import Service
from reactor.settings import Settings
from reactor.state import LINGER

Pairs = list[tuple[bytes, bytes]]

REFUSED = "refused"
WAITING = "waiting"  # for more bytes, of whatever
CLOSED = "closed"  # what comes behind is no request: the connection is to be closed, or becomes a tunnel


class Said(NamedTuple):
    """A request; names of fields and the transfer coding are in lower case, as some parsers give them."""

    method: bytes
    target: bytes
    version: bytes
    fields: Pairs
    body: bytes = b""
    trailers: Pairs = []  # noqa: RUF012  # a default, never changed


class Reading(NamedTuple):
    """Attributes: `requests` (those that are whole), `begun` (one whose head is here and whose body is not, with as
    much of that as is here, or None), `end` (of the stream: REFUSED, WAITING or CLOSED), `fault` (why refused)."""

    requests: list[Said]
    begun: Said | None
    end: str
    fault: str = ""


Oracle = Callable[[bytes], Reading]

_CODING = b"transfer-encoding"
_BLANK_LINES = re.compile(rb"(?:\r\n)*+")


def until_tunnel(reading: Reading) -> Reading:
    """A reading that ends with the head of the first CONNECT, for all of them the last request.

    It "does not have content" (RFC 9110 9.3.6), but the field for it may be there: h11 and we read a body then, for
    llhttp the tunnel begins at once.
    """
    for number, said in enumerate(reading.requests):
        if said.method == b"CONNECT":
            return Reading([*reading.requests[:number], _head_of(said)], None, CLOSED)
    if reading.begun is not None and reading.begun.method == b"CONNECT":
        return Reading([*reading.requests, _head_of(reading.begun)], None, CLOSED)
    return reading


def _head_of(said: Said) -> Said:
    return said._replace(body=b"", trailers=[])


def even(fields: Any) -> Pairs:
    """Field lines as every parser can give them: names in lower case, no white space around values."""
    pairs = [(name.lower(), value.strip(b" \t")) for name, value in fields]
    return [(name, value.lower() if name == _CODING else value) for name, value in pairs]


# We.


class _Listener:
    """A handler that takes everything, the sink of every body, and the access log. `requests`, `begun` and `fault` as
    in a Reading."""

    takes_connect = True
    limit = Settings().limit_body_size

    def __init__(self) -> None:
        self.requests: list[Said] = []
        self.begun: Said | None = None
        self.fault = ""
        self._request: Request | None = None
        self._body = b""

    def __call__(self, request: Request) -> Response:
        raise RuntimeError("every request has this object for its sink")

    def on_head(self, request: Request) -> "_Listener":
        self._request, self._body = request, b""
        version = request.head.terms.version
        self.begun = Said(request.method.encode(), request.target, version, even(request.headers.pairs))
        return self

    def feed(self, data: bytes) -> None:
        self._body += data
        self.begun = self.begun and self.begun._replace(body=self._body)

    def finish(self) -> Response:
        if self.begun is not None and self._request is not None:
            trailers = self._request.trailers
            self.requests.append(self.begun._replace(trailers=even(trailers.pairs) if trailers else []))
        self.begun = self._request = None
        return _OK

    def abort(self) -> None: ...

    # The access log's part.

    def answered(self, *_: object) -> None: ...

    def refused(self, _origin: Origin, error: ProtocolError, _request: Request | None) -> None:
        self.fault = str(error)


_OK = Response(200)


def ask_us(data: bytes, settings: Settings) -> Reading:
    """What we make of `data`, arriving at once."""
    listener: Any = _Listener()
    listener.limit = settings.limit_body_size
    reactor = ManualReactor()
    service = Service(reactor, settings, listener, listener, wall_clock=lambda: 0.0)
    transport = MemoryTransport(reactor)
    connection = Connection(service, transport, Origin())
    connection.begin()
    transport.feed(data)
    while reactor.turn():
        pass
    end = REFUSED if listener.fault else CLOSED if connection.state is LINGER else WAITING
    connection.close()
    return Reading(listener.requests, listener.begun, end, listener.fault)


# h11.


def ask_h11(data: bytes) -> Reading:
    """What h11 makes of `data`, as a server that answers each request and upgrades to nothing.

    It takes no empty line in front of a request (RFC 9112 2.2 says that a server should), so it gets none.
    """
    requests: list[Said] = []
    while True:
        data = data[_BLANK_LINES.match(data).end() :]  # type: ignore[union-attr]  # it matches anything
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 30)  # limits are not compared
        connection.receive_data(data)
        said: Said | None = None
        body: list[bytes] = []
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError as error:
                return Reading(requests, _with(said, body), REFUSED, str(error))
            if isinstance(event, h11.Request):
                said = Said(event.method, event.target, b"HTTP/" + event.http_version, even(event.headers))
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and said is not None:
                requests.append(said._replace(body=b"".join(body), trailers=even(event.headers)))
                break
            else:
                return Reading(requests, _with(said, body), WAITING)
        if connection.their_state is not h11.MUST_CLOSE:  # it may wait for us to say that we do not upgrade
            connection.send(h11.Response(status_code=204, headers=[]))
        if said.method == b"CONNECT" or connection.their_state is h11.MUST_CLOSE:
            return Reading(requests, None, CLOSED)
        data = connection.trailing_data[0]


def _with(said: Said | None, body: list[bytes]) -> Said | None:
    return said and said._replace(body=b"".join(body))


# llhttp.

_UPGRADE_FIELD = re.compile(rb"\Aupgrade(?=:)", re.IGNORECASE)
_BLIND = b"x-grade"  # as long as the name it stands for
_AFTER_CLOSE = "Data after `Connection: close`"


class _Llhttp:
    """What llhttp calls. Attributes as in a Reading; `is_over`: it said that the connection is to be closed."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.requests: list[Said] = []
        self.begun: Said | None = None
        self.is_over = False
        self._target: list[bytes] = []
        self._fields: Pairs = []
        self._body: list[bytes] = []

    def on_message_begin(self) -> None:
        self.begun = None
        self._target, self._fields, self._body = [], [], []

    def on_url(self, url: bytes) -> None:
        self._target.append(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((b"upgrade" if name.lower() == _BLIND else name, value or b""))

    def on_headers_complete(self) -> None:
        parser = self.parser
        version = b"HTTP/" + parser.get_http_version().encode()
        self.begun = Said(parser.get_method(), b"".join(self._target), version, even(self._fields))
        self._fields = []

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self.begun is not None:
            self.requests.append(self.begun._replace(body=b"".join(self._body), trailers=even(self._fields)))
        self.begun = None
        self.is_over = not self.parser.should_keep_alive()

    def reading(self, end: str, fault: str = "") -> Reading:
        return Reading(self.requests, _with(self.begun, self._body), end, fault)


def ask_llhttp(data: bytes) -> Reading:
    """What llhttp, in its strict mode, makes of `data`, as a server that upgrades to nothing.

    At `Connection: upgrade` and `Upgrade` it stops and leaves the rest to its caller; the binding drops the body.
    A server may ignore such a request for an upgrade (RFC 9110 7.8): it is then read as if the field had another
    name, and so that is what it is given.
    """
    while True:
        llhttp = _Llhttp()
        try:
            llhttp.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            if llhttp.requests[-1].method == b"CONNECT":
                return llhttp.reading(CLOSED)
            blinded = _blind(data, stopped.args[0], len(llhttp.requests[-1].fields))
            if blinded == data:
                return llhttp.reading(REFUSED, "an upgrade without the field")
            data = blinded
        except httptools.HttpParserError as error:
            fault = str(error)
            return llhttp.reading(CLOSED if fault == _AFTER_CLOSE else REFUSED, fault)
        else:
            return llhttp.reading(CLOSED if llhttp.is_over and llhttp.begun is None else WAITING)


def _blind(data: bytes, end: int, number: int) -> bytes:
    """`data` with another name for Upgrade in the head that ends at `end` and has so many field lines."""
    *before, empty, last = data[:end].split(b"\r\n")
    lines = [_UPGRADE_FIELD.sub(_BLIND, line) for line in before[-number:]]
    return b"\r\n".join([*before[:-number], *lines, empty, last]) + data[end:]


# http.server.


class _HeadReader(BaseHTTPRequestHandler):
    """Reads one head out of bytes; says nothing to anybody."""

    protocol_version = "HTTP/1.1"

    def __init__(self, data: bytes) -> None:  # not the base's: there is no socket to set up
        self.rfile = BytesIO(data)
        self.fault = ""
        self.raw_requestline = self.rfile.readline(65537)
        self.is_taken = self.parse_request()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.fault = f"{code} {message}"

    def handle_expect_100(self) -> bool:
        return True


def ask_http_server(data: bytes) -> Reading:
    """What http.server makes of the first head in `data`. It reads lines from a file and knows no chunked bodies, so
    `begun` is all that it can say; and it takes no empty line in front."""
    data = data[_BLANK_LINES.match(data).end() :]  # type: ignore[union-attr]  # it matches anything
    if b"\r\n\r\n" not in data:
        return Reading([], None, WAITING)  # a file that ends is a head that ends, for it
    reader = _HeadReader(data)
    if not reader.is_taken:
        return Reading([], None, REFUSED, reader.fault)
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reader.headers.items()]
    head = Said(reader.command.encode("latin-1"), reader.path.encode("latin-1"),
                reader.request_version.encode("latin-1"), even(pairs))  # fmt: skip
    return Reading([], head._replace(body=reader.rfile.read()), WAITING)
