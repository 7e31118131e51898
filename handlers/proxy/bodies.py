"""Bodies on their way through: a request's, towards the upstream, and an answer's, towards the client.

Law: what the one side gives faster than the other takes it waits here, and is bounded: then the one side is not read.
What breaks off is seen to break off.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from reactor import Answer, ClientConnection, ClientError, Headers, Later, Response, check_trailers

if TYPE_CHECKING:
    from .passage import Passage

HIGH_WATER = 64 * 1024  # bytes that wait for the other side; the server's number


class RequestBody:
    """A body sink: what comes is sent on. The answer may begin before the body has ended (`early`)."""

    def __init__(self, passage: "Passage", length: int, limit: int) -> None:
        """`length`: bytes that will come; below 0: not known. `limit`: bytes that are taken; 0: any number."""
        self.limit = limit
        self.early = passage.later
        self._passage = passage
        self._is_chunked = length < 0
        self._left = length
        self._has_begun = False
        passage.sender = self._on_room
        self._room: Later | None = None

    def feed(self, data: bytes) -> Later | Response | None:
        passage = self._passage
        self._left -= len(data)
        wire = b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data
        if not self._has_begun:
            self._has_begun = True
            passage.begin(wire, is_complete=self._left == 0)
        elif passage.is_over:  # nobody will read the rest
            passage.forget()
            return passage.response
        else:
            passage.send(wire, is_complete=self._left == 0)
        if passage.owed <= HIGH_WATER:
            return None
        self._room = Later()
        return self._room

    def finish(self) -> Answer:
        if self._is_chunked and not self._has_begun:
            self._passage.begin(b"0\r\n\r\n", is_complete=True)
        elif self._is_chunked:
            self._passage.send(b"0\r\n\r\n", is_complete=True)
        self._passage.sender = None
        return self.early

    def abort(self) -> None:
        self._passage.sender = None
        self._passage.leave()

    def _on_room(self) -> None:
        """There is room for more, or nobody who takes it."""
        room, self._room = self._room, None
        if room is not None:
            room.answer(None)


class AnswerBody:
    """The body of an answer: what the upstream gives, as an iterator that a Response takes. `connection`: where it
    comes from, until all of it has come (None: it has); `length`: of all of it, or None; `first`: what is here; `tell`:
    called with the reason if the upstream breaks it off. Attribute `on_over`: called once the upstream gives no more of
    it; or None."""

    def __init__(
        self,
        connection: ClientConnection | None,
        length: int | None,
        first: bytes,
        tell: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.length = length
        self.on_over: Callable[[], None] | None = None
        self._tell = tell
        self._connection = connection
        self._pieces = [first] if first else []
        self._size = len(first)
        self._later: Later | None = None
        self._error: ConnectionAbortedError | None = None
        self._trailers: list[tuple[str, str]] | None = None

    # The upstream's side.

    def on_piece(self, piece: bytes) -> None:
        later, self._later = self._later, None
        if later is not None:
            later.answer(piece)
            return
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > HIGH_WATER and self._connection is not None:
            self._connection.pause()

    def on_end(self, trailers: Headers | None) -> None:
        self._trailers = None if trailers is None else passed_trailers(trailers)
        self._end(None)

    def on_failure(self, error: ClientError) -> None:
        self._tell(error.reason)
        self.break_off(error.reason)

    def break_off(self, reason: str) -> None:
        """The rest will not come."""
        self._end(ConnectionAbortedError(reason))

    def _end(self, error: ConnectionAbortedError | None) -> None:
        self._connection = None
        self._error = error
        later, self._later = self._later, None
        if later is not None:
            later.answer(error)  # or nothing: then what is next is asked for, and that is the end
        self._be_over()

    def _be_over(self) -> None:
        on_over, self.on_over = self.on_over, None
        if on_over is not None:
            on_over()

    # The client's.

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        connection = self._connection
        if self._pieces:
            piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            if self._size > HIGH_WATER and connection is not None:
                connection.resume()
            self._size = 0
            return piece
        if connection is None and self._error is None:
            raise StopIteration(self._trailers)
        later = Later()
        if self._error is not None:
            later.answer(self._error)  # raised here, it would hold us by its traceback as we hold it
        else:
            self._later = later
        return later

    def close(self) -> None:
        """No more is taken: what is still to come would be read by nobody."""
        connection, self._connection = self._connection, None
        self._pieces.clear()
        self._later = None
        if connection is not None:
            connection.close()
        self._be_over()


def passed_trailers(trailers: Headers) -> list[tuple[str, str]]:
    """Those that may stand behind a body; of the others a client does not have to know (RFC 9110 6.5.1)."""
    pairs = [(name.decode("ascii"), value.decode("latin-1")) for name, value in trailers.pairs]
    return [pair for pair in pairs if _is_trailer(pair)]


def _is_trailer(pair: tuple[str, str]) -> bool:
    try:
        check_trailers([pair])
    except ValueError:
        return False
    return True
