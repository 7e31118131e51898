"""Messages on their way in: put together from their pieces, and waiting for their reader.

Law: both are bounded in bytes, however small the pieces are.
"""

from collections import deque

Message = str | bytes
Data = Message | bytearray | memoryview

QUEUED = 64 * 1024  # bytes of messages that wait for a reader; with as many, nothing more is read from the peer
OVERHEAD = 64  # bytes that a message counts for beside its own
MERGED = 256  # pieces that are joined into one: each is an object that weighs more than a letter


class TooBig(Exception):
    """A message has more bytes than one may have."""


class Assembly:
    """A message that comes in pieces; `limit`: bytes it may have (0: any), of UTF-8 where it is text."""

    __slots__ = ("_limit", "_merged", "_pieces", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._pieces: list[Message] = []
        self._merged: list[Message] = []

    def add(self, piece: Message, is_last: bool) -> Message | None:
        """The message, where it is complete. TooBig."""
        if self._limit:
            self._size += len(piece) if isinstance(piece, bytes) or piece.isascii() else len(piece.encode())
            if self._size > self._limit:
                raise TooBig
        pieces = self._pieces
        if is_last:
            self._size = 0
            if not pieces and not self._merged:
                return piece
            message = _joined([*self._merged, *pieces, piece])
            pieces.clear()
            self._merged.clear()
            return message
        if piece:  # else it may go on for ever
            pieces.append(piece)
        if len(pieces) == MERGED:
            self._merged.append(_joined(pieces))
            pieces.clear()
        return None


class Queue:
    """Messages that wait for their reader, first come, first served."""

    __slots__ = ("_messages", "_size")

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def is_full(self) -> bool:
        return self._size >= QUEUED

    def put(self, message: Message) -> None:
        self._messages.append(message)
        self._size += len(message) + OVERHEAD

    def take(self) -> Message:
        message = self._messages.popleft()
        self._size -= len(message) + OVERHEAD
        return message

    def clear(self) -> None:
        self._messages.clear()
        self._size = 0


def _joined(pieces: list[Message]) -> Message:
    """All are of one kind."""
    return type(pieces[0])().join(pieces)  # type: ignore[arg-type]  # likewise
