"""Offload: a handler that blocks (a database, a computation, an old library) moved from the loop to threads.

    handler = offload(report, threads=4, queue=64)

Law: the pool is bounded, in threads and in what waits for them. What does not fit is told so at once, with a 503:
a queue without a bound only makes everybody wait longer. The loop never waits for a thread.

`on_head`, and the `feed` of a body sink, stay on the reactor's thread: they are to be quick. So does a body that is
an iterator: give bytes or a file.
"""

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from reactor import Answer, BodySink, Handler, Later, Request, Response, Server, Upgrade

from ._around import Around, at_head

PATIENCE = 2.0  # seconds that a stop waits for threads, whose answers nobody awaits any more; then it leaves them

_BUSY = Response(503, "all threads are busy, and enough is waiting for them; try again\n", {"Retry-After": "1"})

Work = Callable[[], Answer]


def offload(handler: Handler, threads: int = 4, queue: int = 64) -> "Offload":
    """`handler` in `threads` threads, with at most `queue` requests waiting for one of them."""
    return Offload(handler, threads, queue)


class Offload(Around):
    """Answers with a Later. `depth`: how many requests wait for a thread; `busy`: how many have one.

    The threads are started with the server, or at the first request, and end with the server.
    """

    def __init__(self, inner: Handler, threads: int, queue: int) -> None:
        super().__init__(inner)
        if threads < 1:
            raise ValueError(f"offload needs 1 thread at least, not {threads}")
        if queue < 0:
            raise ValueError(f"offload's queue holds 0 requests or more, not {queue}")
        self._threads = threads
        self._queue = queue
        self._pool: Pool | None = None

    @property
    def depth(self) -> int:
        return 0 if self._pool is None else len(self._pool.waiting)

    @property
    def busy(self) -> int:
        return 0 if self._pool is None else self._pool.busy

    def on_head(self, request: Request) -> Answer | BodySink:
        verdict = at_head(self.inner, request)
        return verdict if isinstance(verdict, (Response, Later, Upgrade)) else _Sink(verdict, self._submit)

    def startup(self, server: Server) -> None:
        startup: Callable[[Server], None] | None = getattr(self.inner, "startup", None)
        if startup is not None:
            startup(server)
        self._started()

    def shutdown(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close(PATIENCE)
        shutdown: Callable[[], None] | None = getattr(self.inner, "shutdown", None)
        if shutdown is not None:
            shutdown()

    def _submit(self, work: Work) -> Answer:
        return self._started().submit(work) or _BUSY

    def _started(self) -> "Pool":
        if self._pool is None:
            self._pool = Pool(self.__qualname__, self._threads, self._queue)
        return self._pool


class _Sink:
    """The handler's sink, finished in a thread."""

    __slots__ = ("_sink", "_submit", "abort", "feed")

    def __init__(self, sink: BodySink, submit: Callable[[Work], Answer]) -> None:
        self._sink: Any = sink
        self._submit = submit
        self.feed = sink.feed
        self.abort = sink.abort

    @property
    def limit(self) -> int:
        return self._sink.limit  # type: ignore[no-any-return]  # AttributeError where it has none, as it should be

    def finish(self) -> Answer:
        return self._submit(self._sink.finish)


class Pool:
    """Threads, and what waits for them: `waiting`, first come, first served; `busy`: threads at work."""

    def __init__(self, name: str, threads: int, queue: int) -> None:
        self.waiting: deque[tuple[Work, Later]] = deque()
        self.busy = 0
        self._room = threads + queue
        self._is_closed = False
        self._changed = threading.Condition()  # guards all of the above
        self._threads = [
            threading.Thread(target=self._work, name=f"offload {name} {number}", daemon=True)
            for number in range(1, threads + 1)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Work) -> Later | None:
        """A promise of what `work` returns or raises, or None where there is no room."""
        later = Later()
        job = (work, later)
        with self._changed:
            if len(self.waiting) + self.busy >= self._room:
                return None
            self.waiting.append(job)
            self._changed.notify()
        later.on_abandon = partial(self._forget, job)
        return later

    def close(self, patience: float) -> None:
        """Begin nothing more, and wait `patience` seconds at most for what was begun."""
        with self._changed:
            self._is_closed = True
            self.waiting.clear()
            self._changed.notify_all()
        until = monotonic() + patience
        for thread in self._threads:
            thread.join(max(until - monotonic(), 0))

    def _forget(self, job: tuple[Work, Later]) -> None:
        """Nobody waits for it any more: it gives its place to another, unless it was begun."""
        with self._changed:
            if job in self.waiting:
                self.waiting.remove(job)

    def _work(self) -> None:
        """A thread's life."""
        while (job := self._take()) is not None:
            work, later = job
            try:
                answer: Any = work()
            except BaseException as error:  # SystemExit too: the client is answered, the thread lives on
                answer = error
            with self._changed:
                self.busy -= 1
            _deliver(later, answer)
            del job, work, later, answer  # while it waits for the next, it holds on to nothing

    def _take(self) -> tuple[Work, Later] | None:
        """The next job, when there is one; None at the end."""
        with self._changed:
            while not self.waiting:
                if self._is_closed:
                    return None
                self._changed.wait()
            self.busy += 1
            return self.waiting.popleft()


def _deliver(later: Later, answer: Any) -> None:
    """Keep the promise; an answer that is itself a promise is passed on when it is kept."""
    if not isinstance(answer, Later):
        later.answer(answer)
        return
    later.on_abandon = answer.abandon
    answer.attach(lambda: later.answer(answer.value))
    if later.is_abandoned:
        answer.abandon()
