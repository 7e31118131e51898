"""A passage: one request on its way to an upstream, and its answer on the way back.

Law: the client gets one answer, in any case. A request is sent again only where that is safe: to wherever it can be
connected, as long as it could not be; and once, on a new connection, if the kept one on which it was sent had died
before anything of an answer came, and it may be repeated (RFC 9110 9.2.2) and is still here as a whole.
"""

import errno
from collections.abc import Callable, Iterator
from functools import partial

from reactor import ClientConnection, ClientError, Later, Place, Request, Response, ResponseHead, Taker, Upgrade

from .bodies import AnswerBody
from .request_head import offered
from .response_head import passed_fields, streamed_answer, whole_answer
from .tunnel import Tunnel
from .upstreams import Pool, Upstreams

IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))  # RFC 9110 9.2.2
KEPT = 128 * 1024  # bytes of a body that are kept to be sent again

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_ANSWERS = {
    502: Response(502, "the server behind this one gave no answer that can be passed on\n"),
    503: Response(503, "too many connections are open; try again\n", {"Retry-After": "1"}),
    504: Response(504, "the server behind this one took too long\n"),
}


class Passage:
    """An Asker. Attributes: `later` (the answer), `response` (the same once it was given, or None), `sender` (called
    when there is room for more of the request's body, or nobody who takes it; or None)."""

    __slots__ = ("_body", "_connection", "_is_complete", "_is_reused", "_kept", "_kept_size", "_length", "_place",
                 "_pool", "_request", "_routes", "_status", "_upstreams", "_was_repeated", "later", "response",
                 "sender")  # fmt: skip

    _pool: Pool  # whose connection it is, or is to be

    def __init__(self, upstreams: Upstreams, request: Request, length: int) -> None:
        """`length`: of the request's body; below 0: not known."""
        self.later = Later()
        self.later.on_abandon = self.leave
        self.response: Response | None = None
        self.sender: Callable[[], None] | None = None
        self._upstreams = upstreams
        self._request = request
        self._length = length
        self._connection: ClientConnection | None = None
        self._place: Place | None = None  # that was dialled last
        self._routes: Iterator[tuple[Pool, Place]] | None = None  # where it has not been tried yet
        self._body: AnswerBody | None = None
        self._kept: list[bytes] | None = []  # what was sent behind the head; None: too much, or it has arrived
        self._kept_size = 0
        self._is_complete = False
        self._is_reused = self._was_repeated = False
        self._status = 502  # the answer, where no place can be connected to: what the last one came to

    # The client's side.

    @property
    def owed(self) -> int:
        """Bytes of the request that the upstream has not taken yet."""
        return 0 if self._connection is None else self._connection.owed

    @property
    def is_over(self) -> bool:
        """Whether nobody takes more of the request."""
        return self._connection is None or self._connection.is_closed

    def begin(self, wire: bytes, is_complete: bool) -> None:
        """Send the head, and `wire` behind it."""
        if wire:
            self._keep(wire)
        self._is_complete = is_complete
        pool = self._pool = self._upstreams.choose()
        connection = pool.idle(is_careful=not self._is_idempotent)
        if connection is None:
            self._connect(pool)
        else:
            self._ask(pool, connection)

    def send(self, wire: bytes, is_complete: bool) -> None:
        """Send more of the body."""
        connection = self._connection
        self._is_complete = is_complete
        if connection is None:
            return
        self._keep(wire)
        connection.send(wire)
        if is_complete:
            connection.complete()
            if self.response is not None:
                self.forget()

    def leave(self) -> None:
        """The client has gone, or will not send the rest."""
        connection, body = self._connection, self._body
        self.forget()
        if connection is not None:
            connection.close()
        if body is not None:
            body.break_off("the client broke off its request")

    def forget(self) -> None:
        """The request is complete, or nobody sends more of it; the answer has been given, or nobody waits for it."""
        self._connection = self._body = self.sender = self.later.on_abandon = None

    # The way there.

    @property
    def _is_idempotent(self) -> bool:
        return self._request.head.method in IDEMPOTENT

    def _keep(self, wire: bytes) -> None:
        if self._kept is not None:
            self._kept.append(wire)
            self._kept_size += len(wire)
            if self._kept_size > KEPT and self._connection is not None and not self._connection.is_connecting:
                self._kept = None

    def _connect(self, pool: Pool) -> None:
        """Ask on a new connection, to the first place that can be dialled."""
        if self._routes is None:
            self._routes = self._upstreams.places(pool)
        for found, place in self._routes:
            try:
                connection = found.dial(place)
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    found.troubles.tell(str(place), self._request, f"no connection can be opened: {error.strerror}")
                    self._give(_ANSWERS[503])
                    return
                self._status = 502
                found.fail(place, self._request, f"cannot connect: {str(error.strerror).lower()}")
                continue
            self._place = place
            self._ask(found, connection)
            return
        self._give(_ANSWERS[self._status])

    def _ask(self, pool: Pool, connection: ClientConnection) -> None:
        self._pool, self._connection = pool, connection
        self._is_reused = connection.answers > 0
        wire = pool.heads.encode(self._request, self._length)
        if self._kept:
            wire = b"".join((wire, *self._kept))
        connection.ask(self, self._request.head.method, wire, self._is_complete)
        if self.sender is not None and not connection.owed:  # what waited for another has left, and nobody will say so
            self.sender()

    # The way back.

    def on_room(self) -> None:
        if not self._is_reused:
            self._kept = None
        if self.sender is not None:
            self.sender()

    def on_interim(self, head: ResponseHead) -> None:
        """A 100 is the server's to send or not; hints may be passed on (RFC 9110 15.2)."""
        if head.status in (102, 103):
            self.later.inform(Response(head.status, b"", passed_fields(head)))

    def on_answer(self, head: ResponseHead, payload: bytes, is_whole: bool) -> Taker | None:
        connection = self._connection
        if connection is None:
            return None
        if not self._is_reused:
            self._pool.succeed()
        if head.status == 101:
            return self._switch(head, payload, connection)
        if is_whole:
            self._connection = None
            self._give(whole_answer(head, payload, self._request))
            return None
        if head.status == 205:  # it has no content, and what comes all the same nobody is to read as any
            self._connection = None
            self._give(whole_answer(head, b"", self._request))
            return None
        tell = partial(self._pool.troubles.tell, connection.origin.peer, self._request)
        self._body = body = AnswerBody(connection, head.announced, payload, tell)
        if not self._is_complete:
            body.on_over = self._on_over
        self._give(streamed_answer(head, body))
        return body

    def on_failure(self, error: ClientError) -> None:
        pool, place, connection, self._connection = self._pool, self._place, self._connection, None
        may_repeat = self._is_idempotent and self._is_reused and self._kept is not None and not self._was_repeated
        if place is not None and error.is_unconnected:
            self._status = error.status
            pool.fail(place, self._request, error.reason)
            self._connect(pool)
        elif error.is_unheard and error.status == 502 and may_repeat:
            self._was_repeated = True
            self._connect(pool)
        else:
            self._fail(connection, error)

    def _switch(self, head: ResponseHead, payload: bytes, connection: ClientConnection) -> Taker | None:
        """The upstream goes on with another protocol."""
        name = (head.headers.raw(b"upgrade") or b"").lower()
        if name not in offered(self._request):
            connection.close()
            self._fail(connection, ClientError(502, "it switched to a protocol that was not offered"))
            return None
        tunnel = Tunnel(connection, payload)
        self.forget()
        self.sender = tunnel.on_room
        self.later.on_abandon = tunnel.on_close
        self.later.answer(Upgrade(name.decode("ascii"), tunnel, passed_fields(head)))
        return tunnel

    def _fail(self, connection: ClientConnection | None, error: ClientError) -> None:
        """`connection`: that failed; None, where the answer had come, and something of ours has failed."""
        address = "" if connection is None else connection.origin.peer
        self._pool.troubles.tell(address, self._request, error.reason)
        self._give(_ANSWERS[error.status])

    def _on_over(self) -> None:
        """All of the answer is here, perhaps before all of the request: nobody takes the rest of that."""
        if self.sender is not None:
            self.sender()

    def _give(self, response: Response) -> None:
        self.response = response
        sender = self.sender
        if self._is_complete or self.is_over:
            self.forget()
            if sender is not None:  # a piece may still wait for room, and nobody else wakes it
                sender()
        self.later.answer(response)
