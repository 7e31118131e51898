"""An exchange: one request whose body or whose answer is not complete yet.

A request without a body that is answered at once, which is nearly every one, never needs it.
"""

from io import BytesIO
from typing import Any

from .answers import Answer, BodySink, Handler, Later
from .http1.body import ChunkedBody, LengthBody
from .http1.errors import ProtocolError
from .http1.framing import CHUNKED
from .http1.request import Request


class Exchange:
    """Attributes: `request`; `decoder` (of its body; None where there is none to come); `sink` (where the
    payload goes); `later` (what the handler promised and is waited for, or None); `is_paused` (`later` is the
    sink's, not the answer); `early` (by which the answer may come while the body does, or None); `promises` (how many
    were made instead of an answer); `is_answered`; `began` (seconds, the reactor's).
    """

    __slots__ = ("began", "decoder", "early", "is_answered", "is_paused", "later", "promises", "request", "sink")

    def __init__(self, request: Request, began: float) -> None:
        self.request = request
        self.began = began
        self.decoder: LengthBody | ChunkedBody | None = None
        self.sink: BodySink = DISCARD
        self.later: Later | None = None
        self.early: Later | None = None
        self.is_paused = False
        self.is_answered = False
        self.promises = 0

    @property
    def is_receiving(self) -> bool:
        """Whether the next bytes belong to its body and may be taken now."""
        return self.later is None and self.decoder is not None and not self.decoder.is_complete

    @property
    def is_wanted(self) -> bool:
        """Whether its body is somebody's."""
        return self.sink is not DISCARD

    @property
    def has_more(self) -> bool:
        """Whether bytes of its body are here that were not looked at for the others' sake."""
        return self.later is None and self.decoder is not None and self.decoder.has_more

    def expect_body(self, sink: BodySink, limit: int) -> None:
        """Send the body to `sink`; ProtocolError 413 where it is known to be larger than `limit` (bytes, 0: none)."""
        length = self.request.head.terms.length
        if length == CHUNKED:
            self.decoder = ChunkedBody(limit)
        elif limit and length > limit:
            raise ProtocolError(413, f"the body is larger than {limit} bytes")
        else:
            self.decoder = LengthBody(length)
        self.sink = sink

    def discard_rest(self, limit: int) -> bool:
        """Throw away what is still to come of the body; False: it is more than `limit` bytes, do not wait for it."""
        self.is_answered = True
        self.sink = DISCARD
        return self.decoder is None or self.decoder.bound(limit)

    def abandon(self) -> None:
        """The rest will not come, or nobody waits for the answer: tell whom it concerns."""
        later, self.later = self.later, None
        early, self.early = self.early, None
        sink, self.sink = self.sink, DISCARD
        try:
            if later is not None:
                later.abandon()
            if early is not None:
                early.abandon()
        finally:
            sink.abort()


class Collector:
    """The sink of a handler that did not ask for another: the whole body, in memory."""

    __slots__ = ("_body", "_handler", "_request")

    def __init__(self, handler: Handler, request: Request) -> None:
        self._handler = handler
        self._request = request
        self._body = BytesIO()  # a list of pieces would cost 50 bytes for each, however small

    def feed(self, data: bytes) -> None:
        self._body.write(data)

    def finish(self) -> Answer:
        if self._body.tell():  # else it has none, or has it already
            self._request.body = self._body.getvalue()
        return self._handler(self._request)

    def abort(self) -> None:
        self._body.close()


class _Discard:
    """The sink of a body that nobody wants."""

    __slots__ = ()

    def feed(self, data: bytes) -> None: ...

    def finish(self) -> Any:
        """It was answered before."""

    def abort(self) -> None: ...


DISCARD = _Discard()


def finish(sink: BodySink) -> Answer:
    """Ask a sink for its answer."""
    return sink.finish()


def is_sink(value: object) -> bool:
    """Whether it has what a BodySink has; of its arguments nothing is known."""
    has_all = hasattr(value, "feed") and hasattr(value, "finish") and hasattr(value, "abort")
    return has_all and isinstance(getattr(value, "limit", 0), int)
