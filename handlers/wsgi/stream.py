"""A stream: the body of an answer, from the thread that makes it to the loop that sends it.

Law: an application's iterable belongs to one thread from its first piece to its `close()`: frameworks keep there what
they need (a database's connection, the request). The thread may be AHEAD bytes ahead of its client; then it waits.
So a client that reads slowly holds no thread for a page, and no memory beyond that for anything larger: what large
answers need is the kernel, `wsgi.file_wrapper`, which holds neither.
"""

import threading
from collections import deque

from reactor import Later

AHEAD = 1024 * 1024  # bytes that are made and not taken; a page has less


class Gone(Exception):
    """Nobody takes what is made any more."""


class Stream:
    """An iterator for the loop, in a Response; what it gives is put in by a thread."""

    __slots__ = ("_changed", "_end", "_is_closed", "_pieces", "_size", "_waiting")

    def __init__(self) -> None:
        self._changed = threading.Condition()  # guards all of the following
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._waiting: Later | None = None  # the piece that the loop was promised
        self._end: BaseException | None = None  # StopIteration, or what broke it
        self._is_closed = False

    # The thread's.

    def put(self, piece: bytes) -> None:
        """One more piece, not empty. Raises Gone when the client is."""
        with self._changed:
            while self._size >= AHEAD and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                raise Gone
            waiting, self._waiting = self._waiting, None
            if waiting is None:
                self._pieces.append(piece)
                self._size += len(piece)
        if waiting is not None:
            waiting.answer(piece)

    def end(self, error: BaseException | None = None) -> bool:
        """That was all, or all that there will be: with `error` the client sees it break. False: it is gone."""
        with self._changed:
            self._end = StopIteration() if error is None else error
            waiting, self._waiting = self._waiting, None
            is_closed = self._is_closed
        if waiting is not None:
            waiting.answer(error)
        return not is_closed

    # The loop's.

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> bytes | Later:
        with self._changed:
            if self._pieces:
                piece = self._pieces.popleft()
                self._size -= len(piece)
                self._changed.notify()
                return piece
            if self._end is not None:
                raise self._end
            self._waiting = Later()
            return self._waiting

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._waiting = None
            self._pieces.clear()
            self._changed.notify()
