"""The steps of a task, timed: one that holds the loop is named in the log, as a handler is that does.

Law: to time a task costs up to two microseconds, 4 % of a short answer, so no more than BUDGET of them a second are: a
server that begins many more has none that holds its loop for long, or else soon begins fewer.
"""

from collections.abc import Coroutine
from math import inf
from time import monotonic
from typing import Any

from ..loop import Reactor
from ..service import SLOW, Service

BUDGET = 1000  # tasks that are timed in a second: it takes 0.2 % of it, at the most

Work = Coroutine[Any, Any, None]


class Stopwatch:
    """Times tasks for `service`; without one, none. Attributes: `is_within` (a task is being begun, whose first step is
    timed with what begins it)."""

    __slots__ = ("_left", "_reactor", "_service", "_until", "is_within")

    def __init__(self, reactor: Reactor, service: Service | None) -> None:
        self._reactor = reactor
        self._service = service
        self._left = 0
        self._until = 0.0 if service is not None else inf  # seconds on the reactor's clock
        self.is_within = False

    def time(self, work: Work, at: object) -> Work:
        """`work`, timed, if it is to be; `at`: what it is for, if anybody says so."""
        if self._left == 0:
            now = self._reactor.now
            if now < self._until:
                return work
            self._left, self._until = BUDGET, now + 1
        self._left -= 1
        return Steps(work, at, self)

    def blame(self, took: float, work: Work, at: object) -> None:
        if self._service is not None and not self.is_within:
            self._service.blame(took, f"in the task {_name(work)}" if at is None else f"at {at}")


class Steps(Work):
    """A coroutine around another: to a task it is the same, and who asks for its frame or its name gets the other's."""

    __slots__ = ("_at", "_send", "_watch", "_work")

    def __init__(self, work: Work, at: object, watch: Stopwatch) -> None:
        self._work = work
        self._send = work.send
        self._at = at
        self._watch = watch

    def send(self, value: Any) -> Any:
        began = monotonic()
        try:
            return self._send(value)
        finally:
            took = monotonic() - began
            if took > SLOW:
                self._watch.blame(took, self._work, self._at)

    def throw(self, *error: Any) -> Any:
        began = monotonic()
        try:
            return self._work.throw(*error)
        finally:
            self._watch.blame(monotonic() - began, self._work, self._at)

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Any:
        return self._work.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._work, name)


def _name(work: Work) -> str:
    return str(getattr(work, "__qualname__", work))
