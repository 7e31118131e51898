"""The crew: threads for an application, a queue in front of them, a watch on them.

Law: both are bounded, and what does not fit is told so at once.

What came in one turn of the loop is given to the threads at its end. A thread that is woken takes the interpreter's
lock as soon as the loop lets go of it, at its next read from a socket: then the loop would wait for the threads with
each request, and answer half as many.
"""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, BinaryIO

from reactor import Answer, Later, Request, Response

from ..offload import BUSY, PATIENCE, Job, Pool
from .environ import Environs
from .start import Heads
from .threaded import ThreadedCall
from .watch import Watch

log = logging.getLogger("reactor")

REMINDER = 10.0  # seconds until the log says again that there is no thread left


class Crew:
    """Answers with a Later. `pool`: the threads, and what waits for them; `watch`: on those that are busy; `call_soon`:
    the loop's, which calls back at the end of a turn, or None where there is none, or several."""

    def __init__(self, app: Callable[..., Any], environs: Environs, name: str, threads: int, queue: int) -> None:
        self.call_soon: Callable[[Callable[[], None]], None] | None = None
        self._new: list[tuple[ThreadedCall, Later]] = []  # of this turn
        self._app = app
        self._environs = environs
        self._heads = Heads()
        self._limits = threads, queue
        self._remind_at = 0.0
        self.watch = Watch()
        self.pool = Pool(name, threads, queue)

    def objection(self) -> Response | None:
        """What there is to say to a head: that its body need not come, where there is no room."""
        if not self.pool.is_full:
            return None
        self._tell_busy()
        return BUSY

    def answer(self, request: Request, body: BinaryIO | None, size: int) -> Answer:
        """`body`: what the request brought, or None; `size`: bytes of it. It is closed with the answer."""
        later = Later()
        environ = self._environs.make(request, body, size)
        call = ThreadedCall(self._app, self._heads, request, environ, body, later, self)
        if not self._new and self.call_soon is not None:
            self.call_soon(self._submit)
        self._new.append((call, later))
        if self.call_soon is None:
            self._submit()
        return later

    def _submit(self) -> None:
        """Let the threads have what is new."""
        new, self._new = self._new, []
        for call, later in new:
            if later.is_abandoned:
                call.drop()
            elif not self.pool.take(Job(call.run, call.drop, None), later):
                call.drop()
                self._tell_busy()
                later.answer(BUSY)

    def close(self) -> None:
        for call, _ in self._new:
            call.drop()
        self.pool.close(PATIENCE)
        self.watch.close()
        if self.pool.busy:
            log.warning("%d threads are still at work, and left behind", self.pool.busy)

    def close_file(self, close: Callable[[], None]) -> None:
        """Close a file that has left, where it may take its time; if need be, here."""
        if self.pool.submit(close, close) is None:  # type: ignore[arg-type]  # nobody awaits what it returns
            close()

    def _tell_busy(self) -> None:
        now = monotonic()
        if now >= self._remind_at:
            self._remind_at = now + REMINDER
            threads, queue = self._limits
            log.warning("all %d threads are busy, and %d requests wait for them; more are answered 503", threads, queue)
