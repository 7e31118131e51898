"""What a handler may answer besides a Response: later, or with another protocol; and what takes a body as it comes.

Law: an answer is given once. A Later may be answered from any thread; everything else happens on the
reactor's.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

from .http1.request import Request
from .http1.response import Fields, Response, check_headers

log = logging.getLogger("reactor")


class Later:
    """A promise: of an answer, where a handler returns it; of more room, where a body sink's `feed` does; of a
    piece, where a body's iterator yields it.

    Attributes: `on_goodbye` (called with nothing when the peer has ended its side, which it may do and still
    wait for the answer), `on_abandon` (called when nobody waits any more), `is_abandoned`. Both callbacks run on
    the reactor's thread; set them before handing the Later over.
    """

    __slots__ = ("_deliver", "_inform", "_lock", "_untold", "_value", "is_abandoned", "on_abandon", "on_goodbye")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value: Any = self  # itself: not answered yet
        self._deliver: Callable[[], None] | None = None
        self._inform: Callable[[Response], None] | None = None
        self._untold: list[Response] = []  # interim answers that nobody waited for yet
        self.on_goodbye: Callable[[], None] | None = None
        self.on_abandon: Callable[[], None] | None = None
        self.is_abandoned = False

    def answer(self, value: Any = None) -> None:
        """Keep the promise, from any thread. Where nobody waits any more, nothing happens.

        `value`: a Response, an Upgrade, a piece of bytes, or None, as the case may be; an exception counts as
        raised by the handler. RuntimeError if it was kept before.
        """
        if value is self:
            raise RuntimeError("a Later cannot be its own answer")
        with self._lock:
            if self._value is not self:
                raise RuntimeError("a Later is answered once; this one was answered before")
            self._value = value
            deliver, self._deliver, self._inform = self._deliver, None, None
            is_abandoned = self.is_abandoned
        if is_abandoned:
            _give_up(value)
        elif deliver is not None:
            deliver()

    def inform(self, response: Response) -> None:
        """Send `response`, a 102 or 103, at once, in front of the answer that is promised here (RFC 9110 15.2, RFC
        8297): on the reactor's thread. Ignored behind the answer, for a client of HTTP/1.0, and where the client does
        not take what it was sent before. ValueError for a final response.
        """
        if response.status >= 200:
            raise ValueError(f"a {response.status} is an answer, and not a word in front of it")
        if self.is_answered or self.is_abandoned:
            return
        if self._inform is None:
            self._untold.append(response)
        else:
            self._inform(response)

    def then(self, change: Callable[[Any], Any], on_error: Callable[[BaseException], Any] | None = None) -> "Later":
        """Another Later, answered with `change(value)` when this one is; with `on_error(exception)`, or else with
        the exception itself, when that is what this one is answered with."""
        other = Later()

        def deliver() -> None:
            value = self._value
            try:
                if not isinstance(value, BaseException):
                    value = change(value)
                elif on_error is not None:
                    value = on_error(value)
            except (Exception, SystemExit) as error:  # their own: it is the answer now
                value = error
            other.answer(value)

        other.on_abandon = self.abandon
        other.on_goodbye = self.say_goodbye
        self.hear(other.inform)
        self.attach(deliver)
        return other

    # The waiting side: the connection's.

    @property
    def value(self) -> Any:
        """What it was answered with; the Later itself while it was not."""
        return self._value

    @property
    def is_answered(self) -> bool:
        return self._value is not self

    @property
    def has_untold(self) -> bool:
        """Whether it was informed of something that nobody was told: whoever takes the answer must wait for it."""
        return bool(self._untold)

    def hear(self, inform: Callable[[Response], None]) -> None:
        """Have `inform` called with each interim answer, from now on and until there is a `value`; before `attach`."""
        if not self.is_answered:
            self._inform = inform
        untold, self._untold = self._untold, []
        for response in untold:
            inform(response)

    def attach(self, deliver: Callable[[], None]) -> None:
        """Have `deliver` called, on whatever thread answers, once there is a `value`; at once if there is.

        RuntimeError where another waits for it: one promise is made to one.
        """
        with self._lock:
            if self._deliver is not None and self._deliver != deliver:
                raise RuntimeError("a Later that is waited for already")
            is_answered = self._value is not self
            self._deliver = None if is_answered else deliver
        if is_answered:
            deliver()

    def say_goodbye(self) -> None:
        if self.on_goodbye is not None:
            self.on_goodbye()

    def abandon(self) -> None:
        """Nobody waits any more."""
        with self._lock:
            self._deliver = self._inform = None
            is_first, self.is_abandoned = not self.is_abandoned, True
            is_answered = self._value is not self
        if is_answered and is_first:
            _give_up(self._value)
        if self.on_abandon is not None:
            self.on_abandon()


def _give_up(value: Any) -> None:
    """An answer that nobody will send: its file or generator must not stay open."""
    if isinstance(value, Response):
        try:
            value.close()
        except Exception:
            log.exception("the body of an answer that nobody waits for raised when it was closed")


class Link(Protocol):
    """A connection as an upgraded protocol sees it; for use on the reactor's thread."""

    @property
    def owed(self) -> int:
        """Bytes given to `send` that have not left yet: the backpressure is yours to heed."""

    def send(self, data: bytes) -> None:
        """Send `data`, now or as soon as the peer takes it; ignored once the link is closed."""

    def end(self) -> None:
        """Send FIN when everything has been sent, and go on listening; what is sent from now on is ignored."""

    def close(self) -> None:
        """Close when everything has been sent."""


class UpgradedProtocol:
    """The protocol a connection speaks after an Upgrade; a base to inherit from.

    Attribute `timeout`: seconds without a byte from the peer until the connection is closed; 0: never. Time in which
    the protocol takes no more (`feed`), or the peer can say no more (`on_goodbye`), is not counted.
    """

    timeout = 0.0

    def on_connect(self, link: Link) -> None:
        """The first call: the 101 is on its way, and `link` can be written to."""

    def feed(self, data: bytes) -> Later | None:
        """Bytes from the peer. None: more, please; a Later: no more until it is answered, with whatever (an exception
        ends the connection, as one that is raised does)."""

    def on_goodbye(self) -> bool:
        """The peer has ended its side, and all that it sent was fed. True: the link stays open for what we have still
        to say, until we close or end it, too; False: it closes when everything has been sent."""
        return False

    def on_sent(self) -> None:
        """Everything that was owed has left."""

    def on_shutdown(self) -> None:
        """The server stops: say goodbye and close the link, or be cut off at its deadline."""

    def on_close(self) -> None:
        """The last call: the connection is gone."""


class Upgrade:
    """Switch the connection to another protocol: `Upgrade("websocket", protocol)`.

    `name` is what the request's Upgrade field must have offered; `headers` go into the 101. For a CONNECT,
    give `name=""`: the answer is a 200 and the tunnel is open.
    """

    __slots__ = ("headers", "name", "protocol")

    def __init__(self, name: str, protocol: UpgradedProtocol, headers: Fields = ()) -> None:
        self.name = name
        self.protocol = protocol
        self.headers = check_headers(headers, None)
        check_headers([("Name", name)], None)  # it goes into a field as well


Answer = Response | Later | Upgrade


class BodySink(Protocol):
    """Takes a request's body as it comes, instead of having it collected; returned by `on_head`.

    An optional attribute `limit` (bytes, an int; 0: none) takes the place of the server's limit-body-size. Another,
    `early` (a Later), may be answered before the body is complete: then its value is the answer, which begins at once,
    while the body goes on coming here. An exception is a logged 500, and then the rest is thrown away.
    """

    def feed(self, data: bytes) -> "Later | Response | None":
        """The next bytes of the body. None: more, please; a Later: more when it is answered; a Response: that
        is the answer, whatever else comes, unless `early` gave it: then it says that nothing more is wanted."""

    def finish(self) -> Answer:
        """The body is complete: the answer; `early` itself, if it is still to come by that. If it has come, this is
        ignored."""

    def abort(self) -> None:
        """The rest will not come."""


Handler = Callable[[Request], Answer]
"""The contract, in full, is in `handlers/__init__.py`."""


class DatagramHandler(Protocol):
    """A handler that also answers datagrams."""

    def on_datagram(self, data: bytes) -> bytes | None:
        """The answer to one datagram, or None."""
