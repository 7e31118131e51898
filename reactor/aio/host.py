"""The host: an asyncio loop whose guest the reactor is.

The reactor's selector has a descriptor, which is readable while something it watches is ready. The loop watches that
one, and the reactor makes a turn that does not sleep; what it puts off, and its tick, the loop calls for it. So any
loop will do, asyncio's own or uvloop's. Law: nothing polls; a turn, and all that it calls, runs in the context of
whoever serves, and never in that of a task.
"""

import asyncio
import logging
import sys
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from functools import partial
from math import inf
from typing import Any

from ..loop import Reactor
from ..service import Service
from .steps import Stopwatch, Work

log = logging.getLogger("reactor")

PATIENCE = 5.0  # seconds that tasks which were cancelled may take to end, and that a shutdown has in any case
LATE = 10.0  # seconds that a startup may take before the log says that it is waited for

Step = Callable[[], Work]

_current: ContextVar["Host"] = ContextVar("reactor host")


class Host:
    """Attributes: `loop` (asyncio's; by default the one that runs), `reactor`, `tasks` (begun here and not ended).
    `service`: whose handler the log names."""

    def __init__(
        self, reactor: Reactor, loop: asyncio.AbstractEventLoop | None = None, service: Service | None = None
    ) -> None:
        self.reactor = reactor
        self.loop = loop = loop if loop is not None else asyncio.get_running_loop()
        self.tasks: set[asyncio.Task[None]] = set()
        self._name = service.name if service is not None else "the handler"
        self._watch = Stopwatch(reactor, service)
        self._steps: list[tuple[Step, Step]] = []
        self._ends: list[Step] = []
        self._stopped: asyncio.Future[None] = loop.create_future()
        self._left = asyncio.Event()
        self._left.set()
        self._context: Context | None = None
        self._soon: asyncio.Handle | None = None
        self._timer: asyncio.Handle | None = None
        self._is_turning = False

    def around(self, begin: Step, end: Step) -> None:
        """Await `begin` before anything is served, and `end` when all has been; for a handler's `startup`. Where
        `begin` raises, the server does not start."""
        self._steps.append((begin, end))

    def begin(self, work: Work, context: Context | None = None, at: object = None) -> "asyncio.Task[None]":
        """Run `work` as a task, in `context` or a copy of the present one: at once, as far as it goes without waiting,
        so that it may have ended when this returns; unless a task calls, or the loop makes its tasks in a way of its
        own. `at`: what it is for, a request for example, by which the log names it where it holds the loop."""
        loop = self.loop
        work = self._watch.time(work, at)
        if loop.get_task_factory() is not None or asyncio.current_task(loop) is not None or not loop.is_running():
            task = loop.create_task(work, context=context)
        else:
            watch = self._watch
            before, watch.is_within = watch.is_within, True
            try:
                task = _start(work, loop, context)
            finally:
                watch.is_within = before
            if task.done():
                return task
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    # The server's life.

    def run(self, work: Callable[[], Work]) -> None:
        """Run `work`, where the loop is our own; else its program awaits it."""

    def end(self, patience: float) -> None:
        """`close`, and the loop's end; likewise."""

    async def open(self) -> None:
        for begin, end in self._steps:
            late = self.loop.call_later(LATE, log.warning, "still waiting for the startup of %s", self._name)
            try:
                await begin()
            finally:
                late.cancel()
            self._ends.append(end)

    async def serve(self, drain: Callable[[], None], abort: Callable[[], None]) -> None:
        """Turn until the reactor is told to stop. Being cancelled calls `drain`, and goes on until all is done; a
        second time, `abort`."""
        self._stopped = self.loop.create_future()
        before = _current.set(self)
        self._context = copy_context()
        self._left.clear()
        self.reactor.host(self._rouse)
        self.loop.add_reader(self.reactor.fileno(), self._turn)
        _current.reset(before)
        self._rouse()
        cancelled: asyncio.CancelledError | None = None
        try:
            while not self._stopped.done():
                try:
                    await asyncio.wait([self._stopped])
                except asyncio.CancelledError as error:
                    (drain if cancelled is None else abort)()
                    self._rouse()
                    cancelled = error
        finally:
            self._leave()
        if cancelled is not None:
            raise cancelled

    async def close(self, patience: float) -> None:
        """Give tasks that go on behind their answers `patience` seconds, cancel the others, and await what was to be
        done in the end, for what is left of these seconds, or PATIENCE."""
        until = self.loop.time() + patience
        if not self._stopped.done():  # something was raised through the loop
            self._stopped.set_result(None)
        await self._left.wait()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=None if patience == inf else max(patience, 0))
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=PATIENCE)
        for task in self.tasks:
            log.error("%r goes on though it was cancelled", task)
        while self._ends:
            await self._finish(self._ends.pop(), until)

    async def _finish(self, end: Step, until: float) -> None:
        """Await `end`, until that time of the loop or for PATIENCE seconds, whichever is longer."""
        patience = max(until - self.loop.time(), PATIENCE)
        task = self.loop.create_task(end())
        try:
            await asyncio.wait([task], timeout=None if patience == inf else patience)
            if not task.done():
                log.error("the shutdown of %s is not complete after %.0f s; cancelled", self._name, patience)
                task.cancel()
                await asyncio.wait([task], timeout=PATIENCE)
        finally:
            task.cancel()  # should nobody wait for it any more
        if not task.done():
            log.error("%r goes on though it was cancelled", task)
        elif not task.cancelled() and task.exception() is not None:
            log.error("the end of a handler raised", exc_info=task.exception())

    # The guest.

    def _rouse(self) -> None:
        """There is something to do: have a turn made."""
        if self._soon is None and not self._is_turning:
            self._soon = self.loop.call_soon(self._turn, context=self._context)

    def _tick(self) -> None:
        self._timer = None
        self._turn()

    def _turn(self) -> None:
        reactor = self.reactor
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self._is_turning = True
        try:
            reactor.turn(may_sleep=False)
        finally:
            self._is_turning = False
        if not reactor.is_running:
            if not self._stopped.done():
                self._stopped.set_result(None)
            return
        due = reactor.due()
        if due == 0:
            self._rouse()
        elif due is not None and self._timer is None:
            self._timer = self.loop.call_later(due, self._tick, context=self._context)

    def _leave(self) -> None:
        self.loop.remove_reader(self.reactor.fileno())
        for handle in (self._soon, self._timer):
            if handle is not None:
                handle.cancel()
        self._soon = self._timer = None
        self.reactor.leave()
        self._left.set()


if sys.version_info >= (3, 12):

    def _start(work: Work, loop: asyncio.AbstractEventLoop, context: Context | None) -> "asyncio.Task[None]":
        """A task whose first step is made here. An answer that takes one step costs a third less."""
        return asyncio.Task(work, loop=loop, context=context, eager_start=True)

else:

    def _start(work: Work, loop: Any, context: Context | None) -> "asyncio.Task[None]":
        """The same, by hand: a new task asks its loop to call its first step soon; for this once it is kept here."""
        former = vars(loop).get("call_soon")
        loop.call_soon = first = _Kept()
        try:
            task = asyncio.Task(work, loop=loop, context=context)
        finally:
            del loop.call_soon
            if former is not None:
                loop.call_soon = former
        first.context.run(first.step)
        return task

    class _Kept:
        """What was to be called soon."""

        __slots__ = ("context", "step")

        def __call__(self, step: Callable[[], None], *, context: Context) -> None:
            self.step = step
            self.context = context


class OwnHost(Host):
    """A host with a loop of its own, made by `factory` (None: asyncio's own). RuntimeError where one runs already."""

    def __init__(
        self, reactor: Reactor, service: Service, factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    ) -> None:
        if _runs_here():
            raise RuntimeError("a loop runs here already: await serve() in it, or begin in another thread")
        self._runner = asyncio.Runner(loop_factory=factory or asyncio.new_event_loop)
        super().__init__(reactor, self._runner.get_loop(), service)

    def run(self, work: Callable[[], Work]) -> None:
        self._runner.run(work())

    def end(self, patience: float) -> None:
        with self._runner:
            self.run(partial(self.close, patience))


def _runs_here() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def current_host() -> Host:
    """The host of the server that we are called by, or of which we are a task. RuntimeError if there is none."""
    host = _current.get(None)
    if host is None:
        raise RuntimeError("an async handler runs in the asyncio loop of a server, which was not started with it")
    return host
