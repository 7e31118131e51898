"""Offload: a handler that blocks (a database, a computation, an old library) moved from the loop to threads.

    handler = offload(report, threads=4, queue=64)

Law: the pool is bounded, in threads and in what waits for them. What does not fit is told so at once, with a 503:
a queue without a bound only makes everybody wait longer. The loop never waits for a thread.

`on_head`, and the `feed` of a body sink, stay on the reactor's thread: they are to be quick. So does a body that is
an iterator: give bytes or a file.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import count
from queue import SimpleQueue
from time import monotonic
from typing import Any, NamedTuple

from reactor import Answer, BodySink, Handler, Later, Request, Response, Server, Upgrade

from ._around import Around, SinkAround, at_head

log = logging.getLogger("reactor")

PATIENCE = 2.0  # seconds that a stop waits for threads, whose answers nobody awaits any more; then it leaves them

BUSY = Response(503, "all threads are busy, and enough is waiting for them; try again\n", {"Retry-After": "1"})


class Job(NamedTuple):
    """`work` for a thread; `drop`, which is called instead if it is never begun; `later`, which is answered with what
    `work` returns or raises, or None."""

    work: Callable[[], Any]
    drop: Callable[[], None]
    later: Later | None


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
        if isinstance(verdict, (Response, Later, Upgrade)):
            return verdict
        sink = _Sink(verdict, self._started())
        if sink.has_room():
            return sink
        sink.abort()
        return BUSY  # now: a body that nobody would take need not come

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

    def _started(self) -> "Pool":
        if self._pool is None:
            self._pool = Pool(self.__qualname__, self._threads, self._queue)
        return self._pool


class _Sink(SinkAround):
    """The handler's sink, finished in a thread."""

    __slots__ = ("_pool",)

    def __init__(self, inner: BodySink, pool: "Pool") -> None:
        super().__init__(inner)
        self._pool = pool

    def has_room(self) -> bool:
        """Whether a thread could be had for it now, or it needs none: it answers by itself."""
        return self.early is not None or not self._pool.is_full

    def finish(self) -> Answer:
        if self.early is not None:
            return super().finish()  # this only tells it that the body is complete
        later = self._pool.submit(super().finish, self.abort)
        if later is None:
            self.abort()
            return BUSY
        return later


class Pool:
    """Threads, and what waits for them: `waiting`, first come, first served.

    Whoever takes a job out of `waiting`, which is one step, has it: there is no lock that one thread holds while others
    want it. And threads are called one by one: a thread that is woken for each job finds, where jobs are short, nothing
    left to do, and has cost more than the job (a third of all, for a page of a few bytes). So the one that is called
    takes a job, calls the next if there are more, and goes on: the next runs as soon as this one blocks.
    """

    def __init__(self, name: str, threads: int, queue: int) -> None:
        # By number: a Later that held its own job, to have it forgotten, would keep both alive for ever.
        self.waiting: OrderedDict[int, Job] = OrderedDict()
        self._at_work: set[int] = set()  # threads
        self._numbers = count()
        self._room = threads + queue
        self._calls: SimpleQueue[None] = SimpleQueue()
        self._is_called = False  # one who was called has not come yet
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._live, name=f"offload {name} {number}", daemon=True)
            for number in range(1, threads + 1)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def busy(self) -> int:
        """Threads at work."""
        return len(self._at_work)

    @property
    def is_full(self) -> bool:
        """Whether one more job would not be taken."""
        return self._is_closed or len(self.waiting) + len(self._at_work) >= self._room

    def submit(self, work: Callable[[], Answer], drop: Callable[[], None] = lambda: None) -> Later | None:
        """A promise of what `work` returns or raises, or None where there is no room. `drop` is called if it is
        never begun: nobody waits any more, or the end has come."""
        later = Later()
        return later if self.take(Job(work, drop, later), later) else None

    def take(self, job: Job, later: Later) -> bool:
        """Have `job` done; where nobody waits for `later` any more, it gives its place to another. False: there is no
        room."""
        if self.is_full:
            return False
        number = next(self._numbers)
        later.on_abandon = partial(self._forget, number)  # now: as soon as a thread sees it, it is the thread's
        self.waiting[number] = job
        if not self._is_called:
            self._call()
        return True

    def close(self, patience: float) -> None:
        """Begin nothing more, and wait `patience` seconds at most for what was begun."""
        self._is_closed = True
        for number in list(self.waiting):
            self._forget(number)
        for _ in self._threads:
            self._call()
        until = monotonic() + patience
        for thread in self._threads:
            thread.join(max(until - monotonic(), 0))

    def _call(self) -> None:
        self._is_called = True
        self._calls.put(None)

    def _forget(self, number: int) -> None:
        """Nobody waits for it any more: it gives its place to another, unless it was begun."""
        job = self.waiting.pop(number, None)
        if job is not None:
            job.drop()

    def _live(self) -> None:
        """A thread's life, which no job ends."""
        while not self._is_closed:
            self._calls.get()
            self._is_called = False  # before it looks: what comes from now on is called for anew
            while self.waiting:
                self._work()

    def _work(self) -> None:
        """The next job, if no other thread has it; while this one is at it, another is on its way to the one behind."""
        me = threading.get_ident()
        try:
            job = self.waiting.popitem(last=False)[1]
        except KeyError:
            return
        self._at_work.add(me)
        if self.waiting and not self._is_called:
            self._call()
        try:
            answer = job.work()
        except BaseException as error:  # SystemExit too: the client is answered, the thread lives on
            answer = error
        self._at_work.discard(me)
        try:
            if job.later is not None:
                _deliver(job.later, answer)
        except BaseException:
            log.exception("an answer from %s could not be delivered", threading.current_thread().name)


def _deliver(later: Later, answer: Any) -> None:
    """Keep the promise; an answer that is itself a promise is passed on when it is kept."""
    if not isinstance(answer, Later):
        later.answer(answer)
        return
    later.on_abandon = answer.abandon
    answer.attach(lambda: later.answer(answer.value))
    if later.is_abandoned:
        answer.abandon()
