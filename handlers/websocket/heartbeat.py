"""The heartbeat: a ping now and then, and whether anything comes back.

Law: any byte that comes is a sign of life, for what a slow peer is sending stands in front of its pong. Nobody is given
up for what we do ourselves: while we read nothing, or a ping cannot leave, silence is not theirs. Who takes nothing
of what it is owed is the connection's to give up.
"""

import asyncio
from typing import Protocol


class Patient(Protocol):
    """Whose heart it is. `is_excused`: that nothing is heard says nothing."""

    @property
    def is_excused(self) -> bool: ...
    def ping(self) -> None: ...
    def give_up(self) -> None: ...


class Heartbeat:
    """A ping each `interval` seconds (0: none), and `timeout` seconds for the peer to be heard (0: for ever).
    `is_heard`: set when anything comes."""

    __slots__ = ("_interval", "_loop", "_next", "_patient", "_timeout", "_verdict", "is_heard")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, interval: float, timeout: float, patient: Patient
    ) -> None:
        self._loop = loop
        self._interval = interval
        self._timeout = timeout
        self._patient = patient
        self._next: asyncio.Handle | None = None
        self._verdict: asyncio.Handle | None = None
        self.is_heard = True

    def begin(self) -> None:
        if self._interval:
            self._next = self._loop.call_later(self._interval, self._beat)

    def end(self) -> None:
        """No more, once and for all."""
        del self._patient  # who refers to us
        for handle in (self._next, self._verdict):
            if handle is not None:
                handle.cancel()
        self._next = self._verdict = None

    def _beat(self) -> None:
        if self._timeout and self._verdict is None and not self._patient.is_excused:
            self.is_heard = False
            self._verdict = self._loop.call_later(self._timeout, self._judge)
        self._patient.ping()
        self._next = self._loop.call_later(self._interval, self._beat)

    def _judge(self) -> None:
        self._verdict = None
        if not self.is_heard and not self._patient.is_excused:
            self._patient.give_up()
