"""What passes between a connection to another server and whoever asks through it.

Law: an asker hears of its own request only, and of each thing once: interim responses, then the answer, piece by piece
and its end, or a failure.
"""

from typing import NamedTuple, Protocol

from .http1.fields import Headers
from .http1.response_parser import ResponseHead


class ClientTimeouts(NamedTuple):
    """Seconds; 0: no limit."""

    connect: float = 5.0
    head: float = 60.0  # from the end of the request to that of the answer's head
    pause: float = 60.0  # between two pieces of the answer, or while the server takes nothing of the request
    tunnel: float = 3600.0  # without a byte either way, once another protocol is spoken
    idle: float = 30.0  # between two requests


class ClientError(Exception):
    """There will be no answer, or no more of it: `reason`, for the log.

    `status`: 502, or 504 where it took too long. `is_unheard`: nothing of the answer had come. `is_unconnected`: nor
    was there a connection.
    """

    def __init__(self, status: int, reason: str, is_unheard: bool = False, is_unconnected: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.is_unheard = is_unheard
        self.is_unconnected = is_unconnected


class Taker(Protocol):
    """Takes the body of an answer: pieces, then its end or a failure."""

    def on_piece(self, piece: bytes) -> None: ...
    def on_end(self, trailers: Headers | None) -> None: ...
    def on_failure(self, error: ClientError) -> None: ...


class Asker(Protocol):
    """Who asks. It is called on the reactor's thread, and not any more once the connection was closed."""

    def on_interim(self, head: ResponseHead) -> None:
        """A 1xx in front of the answer."""

    def on_answer(self, head: ResponseHead, payload: bytes, is_whole: bool) -> Taker | None:
        """The answer: its head, and what is here of its body, perhaps all of it. What is still to come goes to the
        Taker that is returned; None: it is not wanted, and the connection ends. Behind a 101 it is the new protocol's.
        """

    def on_room(self) -> None:
        """All that was sent has left."""

    def on_failure(self, error: ClientError) -> None:
        """There will be no answer."""
