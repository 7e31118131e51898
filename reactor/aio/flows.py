"""Bodies between a connection and a task: what the one makes faster than the other takes it waits here, and is bounded.

Law: a task waits (`put`, `read`), a connection is answered by a Later, and neither polls. Where a client has gone, the
task is told so by `Gone`, wherever it waits. For use on one thread, that of the loop.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Self

from ..answers import Answer, Later
from ..http1.response import Fields, Response, check_trailers

Bytes = bytes | bytearray | memoryview

HIGH_WATER = 64 * 1024  # bytes that wait for the other side; the connection's number


class Gone(ConnectionError):
    """Nobody is there any more to whom one could send, or who could send."""

    def __init__(self) -> None:
        super().__init__("the client is gone, or was refused")


def kept(later: Later) -> Answer:
    """What a Later was answered with, as a handler returns or raises it; itself, while it was not, or where something
    is to be said in front of the answer."""
    if later.has_untold:
        return later
    answer: Any = later.value
    if isinstance(answer, BaseException):
        raise answer
    return answer  # type: ignore[no-any-return]  # it is the application's word


class Waiters:
    """Tasks that wait for the same thing."""

    __slots__ = ("_futures", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._futures: list[asyncio.Future[None]] = []

    def wait(self) -> "asyncio.Future[None]":
        """What is done at the next `wake`."""
        future = self._loop.create_future()
        self._futures.append(future)
        return future

    def wake(self) -> bool:
        """Whether there are any."""
        futures, self._futures = self._futures, []
        waiting = [each for each in futures if not each.done()]  # their tasks may have been cancelled
        for future in waiting:
            future.set_result(None)
        return bool(waiting)


class Outflow:
    """The body of an answer, from a task: what it `put`s, and how it ends, an iterator that a Response takes gives.

    `limit`: bytes that wait here, at most, when `put` returns; 0: it returns when the piece is taken. Attributes:
    `length` (bytes in all; None: not known), `size` (bytes that wait here), `on_goodbye` (called when the client has
    ended its side while we had nothing to give; it may still listen), `is_gone` (it is done
    with us, and the end had not come), `on_gone` (called then).
    """

    __slots__ = ("_error", "_has_ended", "_later", "_limit", "_pieces", "_room", "_trailers", "is_gone", "length",
                 "on_gone", "on_goodbye", "size")  # fmt: skip

    def __init__(
        self, loop: asyncio.AbstractEventLoop, limit: int = HIGH_WATER, length: int | None = None
    ) -> None:
        self.length = length
        self.on_goodbye: Callable[[], None] | None = None
        self.on_gone: Callable[[], None] | None = None
        self._limit = limit
        self._pieces: list[bytes] = []
        self.size = 0
        self._room = Waiters(loop)
        self._later: Later | None = None
        self._error: BaseException | None = None
        self._trailers: Fields | None = None
        self._has_ended = self.is_gone = False

    # The task's side.

    async def put(self, piece: Bytes) -> None:
        """Give `piece`, and wait while too much waits here. Gone, if the client is, before or after."""
        self.give(piece)
        await self.room()

    async def room(self) -> None:
        """Wait while too much waits here. Gone."""
        while self.size > self._limit:
            await self._room.wait()
            if self.is_gone:
                raise Gone

    def give(self, piece: Bytes) -> None:
        """Give `piece` without waiting. Gone; TypeError if it is not bytes."""
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            raise TypeError(f"a piece of a body is bytes, not {type(piece).__name__}")
        if self.is_gone:
            raise Gone
        later, self._later = self._later, None
        if later is not None and piece:
            later.answer(bytes(piece))
        elif piece:
            self._pieces.append(bytes(piece))
            self.size += len(self._pieces[-1])
        else:
            self._later = later

    def end(self, error: BaseException | None = None, trailers: Fields | None = None) -> None:
        """That was all; or, with an `error`, the rest will not come, and the client is to see it break off. `trailers`:
        fields that follow, where the client takes them; ValueError or TypeError for one that may not be sent."""
        self._trailers = None if trailers is None else check_trailers(trailers)
        self._has_ended = True
        self._error = error
        later, self._later = self._later, None
        if later is not None:
            later.answer(error)

    # The connection's.

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._pieces:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            self.size = 0
            self._room.wake()
            return data
        if self._error is not None:
            raise self._error
        if self._has_ended:
            raise StopIteration(self._trailers)
        later = self._later = Later()
        later.on_goodbye = self.on_goodbye
        return later

    def close(self) -> None:
        """No more is taken."""
        if self.is_gone or (self._has_ended and not self._pieces):
            return
        self.is_gone = True
        self._pieces.clear()
        self._later = None
        self._room.wake()
        if self.on_gone is not None:
            self.on_gone()


class Inflow:
    """The body of a request, on its way to a task, and the task's answer: a body sink. It comes when somebody waits for
    it, and not ahead: so no more than a piece is in memory. The answer may be given before it has ended, or later.

    Attributes: `early` (the answer), `on_gone` (called when the client has gone before it was answered).
    """

    __slots__ = ("_has_ended", "_is_gone", "_left", "_news", "_pieces", "_room", "early", "on_gone")

    def __init__(self, loop: asyncio.AbstractEventLoop, length: int) -> None:
        """`length`: bytes that will come, or CHUNKED."""
        self.early = Later()
        self.on_gone: Callable[[], None] | None = None
        self._left = length
        self._pieces: list[bytes] = []
        self._news = Waiters(loop)
        self._room: Later | None = None
        self._has_ended = self._is_gone = False

    # The connection's side.

    def feed(self, data: bytes) -> Any:
        if self._is_gone:
            return kept(self.early)
        self._pieces.append(data)
        self._left -= len(data)
        if self._news.wake() or self._left == 0:
            return None
        self._room = Later()
        return self._room

    def finish(self) -> Answer:
        self._has_ended = True
        self._news.wake()
        return kept(self.early)

    def abort(self) -> None:
        is_first, self._is_gone = not self._is_gone, True
        self._news.wake()
        if is_first and self.on_gone is not None:
            self.on_gone()

    # The task's.

    @property
    def is_drained(self) -> bool:
        """Whether the body is complete, and all of it was read."""
        return self._has_ended and not self._pieces

    async def read(self) -> bytes:
        """What has come, as soon as something has; b"" at the end. Gone if the rest will not come: the client has
        gone, or nobody wanted it any more."""
        while not self._pieces:
            if self._has_ended:
                return b""
            if self._is_gone:
                raise Gone
            waiting = self._news.wait()
            room, self._room = self._room, None
            if room is not None:
                room.answer(None)
            await waiting
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        return data

    def answer(self, answer: Any) -> None:
        """Answer the request: a Response, or an exception. The body goes on coming, for who reads it."""
        self.early.answer(answer)

    def inform(self, response: Response) -> None:
        """Say something in front of the answer: see `Later.inform`."""
        self.early.inform(response)

    def close(self) -> None:
        """It was answered, and nobody reads any more: what is still to come is thrown away."""
        if self._has_ended:
            return
        self._is_gone = True
        self._news.wake()
        room, self._room = self._room, None
        if room is not None:
            room.answer(self.early.value)


class Whole:
    """What an Inflow is, where the request is here as a whole: its `body`, and the task's answer. Nothing is promised
    before it has to be; most answers are made at once, and are then a tenth cheaper.

    Attributes: `early` (the answer, as a Later), `on_gone` (for whoever listens; nothing calls it here).
    """

    __slots__ = ("_answer", "_body", "_later", "on_gone")

    def __init__(self, body: bytes) -> None:
        self.on_gone: Callable[[], None] | None = None
        self._body = body
        self._answer: Any = self  # itself: not given yet
        self._later: Later | None = None

    @property
    def early(self) -> Later:
        if self._later is None:
            self._later = Later()
            if self._answer is not self:
                self._later.answer(self._answer)
        return self._later

    def finish(self) -> Answer:
        """The answer, as a handler returns or raises it, or the promise of it."""
        if self._later is not None or self._answer is self:
            return kept(self.early)
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer  # type: ignore[no-any-return]  # it is the application's word

    @property
    def is_drained(self) -> bool:
        """Whether all of the body was read."""
        return not self._body

    async def read(self) -> bytes:
        """All of the body; then b""."""
        body, self._body = self._body, b""
        return body

    def answer(self, answer: Any) -> None:
        """Answer the request: a Response, or an exception."""
        if self._later is not None:
            self._later.answer(answer)
        elif self._answer is self:
            self._answer = answer
        else:
            raise RuntimeError("a request is answered once; this one was answered before")

    def inform(self, response: Response) -> None:
        """Say something in front of the answer: see `Later.inform`."""
        self.early.inform(response)

    def close(self) -> None:
        """As an Inflow's: there is nothing that would still come."""
