"""The host: an asyncio loop whose guest the reactor is.

The reactor's selector has a descriptor, which is readable while something it watches is ready. The loop watches that
one, and the reactor makes a turn that does not sleep; what it puts off, and its tick, the loop calls for it. So any
loop will do, asyncio's own or uvloop's. Law: nothing polls; a turn, and all that it calls, runs in the context of
whoever serves, and never in that of a task.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from functools import partial
from math import inf
from typing import Any

from ..loop import Reactor

log = logging.getLogger("reactor")

PATIENCE = 5.0  # seconds that tasks which were cancelled may take to end

Step = Callable[[], Awaitable[object]]

_current: ContextVar["Host"] = ContextVar("reactor host")


class Host:
    """Attributes: `loop` (asyncio's; by default the one that runs), `reactor`, `tasks` (begun here and not ended)."""

    def __init__(self, reactor: Reactor, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.reactor = reactor
        self.loop = loop = loop if loop is not None else asyncio.get_running_loop()
        self.tasks: set[asyncio.Task[None]] = set()
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

    def begin(self, work: Coroutine[Any, Any, None], context: Context | None = None) -> "asyncio.Task[None]":
        """Run `work` as a task, in `context` or a copy of the present one. Since Python 3.12 it runs at once, as far as
        it goes without waiting, and may have ended when this returns."""
        loop = self.loop
        if sys.version_info >= (3, 12) and context is None and loop.is_running() and loop.get_task_factory() is None:
            task = asyncio.Task(work, loop=loop, eager_start=True)
            if task.done():
                return task
        else:
            task = loop.create_task(work, context=context)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    # The server's life.

    def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `work`, where the loop is our own; else its program awaits it."""

    def end(self, patience: float) -> None:
        """`close`, and the loop's end; likewise."""

    async def open(self) -> None:
        for begin, end in self._steps:
            await begin()
            self._ends.append(end)

    async def serve(self, drain: Callable[[], None], abort: Callable[[], None]) -> None:
        """Turn until the reactor is told to stop. Being cancelled calls `drain`, and goes on until all is done; a
        second time, `abort`."""
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
        done in the end."""
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
            try:
                await self._ends.pop()()
            except Exception:
                log.exception("the end of a handler raised")

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


class OwnHost(Host):
    """A host with a loop of its own, made by `factory` (None: asyncio's own). RuntimeError where one runs already."""

    def __init__(self, reactor: Reactor, factory: Callable[[], asyncio.AbstractEventLoop] | None) -> None:
        if _runs_here():
            raise RuntimeError("a loop runs here already, and its program can be the server's: await serve()")
        self._runner = asyncio.Runner(loop_factory=factory or asyncio.new_event_loop)
        super().__init__(reactor, self._runner.get_loop())

    def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
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
