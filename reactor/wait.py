"""The clock of a connection's present wait: since when, what has been done since, and until when.

Law: it is set when a wait begins and read when a deadline is due; it decides nothing. WORK only interrupts the
wait before it, whose time goes on where it stood: a pause that we took ourselves buys the peer no time.
"""

from math import inf

from .settings import Settings
from .state import BODY, HEAD, IDLE, LINGER, NEW, OWING, WORK, State


class Wait:
    """Moments are seconds on the reactor's clock; `done` is a count of bytes that only grows."""

    __slots__ = ("_began", "_interrupted", "_left", "_moved", "_seen", "_served")

    def __init__(self, now: float) -> None:
        # When the wait began; of an upgraded protocol, its peer's silence. Where bytes buy time, the moment up to which
        # they have paid.
        self._began = now
        self._moved = now  # when bytes of an upgraded protocol last left
        self._left = now  # when WORK interrupted
        self._seen = 0  # bytes that had come or gone when we last looked
        self._served = 0  # requests that had been taken then
        self._interrupted = NEW  # what WORK interrupted

    def is_new(self, state: State, former: State, served: int) -> bool:
        """Whether a wait in `state` is another than the one in `former`: another state, or another request. What is
        owed is owed, though, whether a body comes meanwhile or not."""
        return (state is not former or served != self._served) and not (state in OWING and former in OWING)

    def begin(self, state: State, former: State, now: float, served: int, done: int) -> None:
        """A new wait begins."""
        if state is WORK:
            self._interrupted, self._left = former, now
        elif former is WORK and state is self._interrupted and served == self._served:
            self._began += now - self._left
        else:
            self._began = self._moved = now
            self._served, self._seen = served, done

    def heard(self, now: float) -> None:
        """Bytes for an upgraded protocol came: its peer's silence begins anew."""
        self._began = now

    def due(self, state: State, settings: Settings, now: float, done: int) -> float:
        """When the wait in `state` is over: the third column of the table in `state.py`."""
        if state is IDLE and self._served:
            return now + (settings.timeout_keep_alive or inf)
        if state is HEAD or state is IDLE:  # a connection that was just accepted owes us a head
            return self._began + (settings.timeout_header or inf)
        if state is LINGER:
            return self._began + (settings.timeout_linger or inf)
        timeout = (settings.timeout_body if state is BODY else settings.timeout_write) or inf
        if done > self._seen:  # else somebody spoke, and nothing of what we wait for came or went
            if settings.least_rate:
                # A byte pays for its share of a second that has gone by, and for none to come: a burst buys no pause.
                self._began = min(self._began + (done - self._seen) / settings.least_rate, now)
            else:
                self._began = now
            self._seen = done
        return self._began + timeout

    def due_upgraded(self, timeout: float, timeout_write: float, now: float, owed: int, taken: int) -> float:
        """When an upgraded protocol's peer has been silent, or has taken nothing of what it is `owed`, for too long.

        `taken`: how many bytes it ever took; not asked for where nothing is owed.
        """
        silence = self._began + (timeout or inf)
        if not owed:
            self._seen = -1  # with the next byte that is owed, a wait begins
            return silence
        if taken > self._seen:
            self._moved, self._seen = now, taken
        return min(silence, self._moved + (timeout_write or inf))
