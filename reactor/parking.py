"""Parking: connections that wait for their next request, and nothing else, without the objects they are made of.

Most connections of a busy server have been served and wait, often for a request that never comes. What is kept of one
that is parked is its descriptor and its deadline: 100 bytes instead of 1,200. An epoll of their own watches them, one
handle of the reactor's; where there is no epoll nobody is parked. Law: whoever is parked is made again, as it was,
before anything is done to it but to close it.
"""

import logging
import select
from collections.abc import Callable
from heapq import nsmallest
from itertools import islice
from math import ceil, inf
from typing import Generic, TypeVar

from .loop import READ, TICK, Reactor
from .transport import close_descriptor

log = logging.getLogger("reactor")

BURST = 64  # who speak and are made again in one turn; the others are no less readable in the next
IS_POSSIBLE = hasattr(select, "epoll")


P = TypeVar("P")


class Parking(Generic[P]):
    """`revive(fd, deadline)` makes again what was parked, and watches it; or gives None where the peer has gone
    meanwhile. `len`: how many are parked."""

    def __init__(self, reactor: Reactor, revive: Callable[[int, float], P | None]) -> None:
        self._reactor = reactor
        self._revive = revive
        self._epoll = select.epoll()
        self._deadlines: dict[int, float] = {}
        self._latest = -inf  # what is waited for until the same tick shares an object
        reactor.watch(self, READ, self._on_readable)

    def fileno(self) -> int:
        return self._epoll.fileno()

    def __len__(self) -> int:
        return len(self._deadlines)

    def take(self, fd: int, deadline: float) -> bool:
        """Watch `fd`, which nobody else does from now on. False: it cannot be watched, and stays whose it was."""
        try:
            self._epoll.register(fd, select.EPOLLIN)
        except OSError:
            return False
        tick = self._reactor.next_tick
        until = tick + ceil((deadline - tick) / TICK) * TICK if deadline < inf else inf  # the tick that sees it anyhow
        if until != self._latest:
            self._latest = until
        self._deadlines[fd] = self._latest
        return True

    def unpark(self, fd: int) -> P | None:
        """Who was parked as `fd`; None: it has gone."""
        deadline = self._let_go(fd)
        if deadline is None:
            return None
        try:
            return self._revive(fd, deadline)
        except Exception:  # our bug: it costs this connection, and not the others
            log.exception("internal error in making a connection that was parked")
            return None

    def next(self, count: int) -> list[P]:
        """The `count` whose time is over next, made again."""
        fds = nsmallest(count, self._deadlines, key=self._deadlines.__getitem__)
        return [one for fd in fds if (one := self.unpark(fd)) is not None]

    def expire(self, now: float, most: int) -> int:
        """Close up to `most` whose time is over; who has spoken at the last moment is made again instead. How many
        there were. To make them in order to close them would cost ten times as much."""
        over = set(islice((fd for fd, deadline in self._deadlines.items() if deadline <= now), most))
        count = len(over)
        if over:
            for fd, _ in self._epoll.poll(0, len(self._deadlines)):
                if fd in over:
                    over.remove(fd)
                    self.unpark(fd)
        for fd in over:
            if self._let_go(fd) is not None:
                close_descriptor(fd)
        return count

    def close(self) -> None:
        """Where nobody is parked any more."""
        self._reactor.watch(self, 0, self._on_readable, READ)
        self._epoll.close()

    def _on_readable(self, _ready: int) -> None:
        for fd, _ in self._epoll.poll(0, BURST):
            self.unpark(fd)  # the next turn finds it readable

    def _let_go(self, fd: int) -> float | None:
        """Watch it no more: its deadline. None: it was closed by others, and the number may be theirs by now."""
        deadline = self._deadlines.pop(fd)
        try:
            self._epoll.unregister(fd)
        except OSError as error:
            log.error("descriptor %d, of a connection that waits, was closed by others: %s", fd, error.strerror)
            return None
        return deadline
