"""A look-up: where an upstream is, asked again while requests go on. With containers and clouds, names move.

Law: the loop never waits for it, and no request fails because of it: a thread asks, one at a time, and what was found
before is good until something else is found. It is asked when a request comes, and never else.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any

from reactor import Place, Upstream, resolve

log = logging.getLogger("reactor")

AGAIN = 1.0  # seconds from one look-up to the next, at least, while nothing that is known can be connected to


class Lookup:
    """Of one upstream. `period`: seconds for which what was found is good; 0: for ever. `on_found(places)` is called on
    the reactor's thread. Attribute `due`: when it is to be asked again, in seconds on the reactor's clock; inf: never,
    or when the answer to the last question is here."""

    def __init__(
        self, reactor: Any, upstream: Upstream, period: float, on_found: Callable[[tuple[Place, ...]], None]
    ) -> None:
        self._reactor = reactor
        self._upstream = upstream
        self._period = period if period and upstream.has_name else inf
        self._on_found: Callable[[tuple[Place, ...]], None] | None = on_found
        self._asked = reactor.now  # when
        self._is_asking = False
        self._has_failed = False  # and that was said
        self.due = self._asked + self._period

    def doubt(self) -> None:
        """Nothing that is known can be connected to: ask now, or if it was asked just now, soon."""
        if self._period == inf or self._is_asking:
            return
        self.due = self._asked + AGAIN
        if self.due <= self._reactor.now:
            self.ask()

    def ask(self) -> None:
        """Ask; nobody may be at it."""
        self._is_asking = True
        self._asked = self._reactor.now
        self.due = inf
        thread = threading.Thread(target=self._run, name=f"look-up of {self._upstream.authority}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system has no more threads
            self._hear(error)

    def close(self) -> None:
        """Hear no more; whoever is asking is left to it, for it may take long."""
        self._on_found = None

    def _run(self) -> None:
        """In the thread."""
        try:
            found: tuple[Place, ...] | Exception = resolve(self._upstream)
        except Exception as error:
            found = error
        self._reactor.call_from_outside(partial(self._hear, found))

    def _hear(self, found: tuple[Place, ...] | Exception) -> None:
        if self._on_found is None:
            return
        self._is_asking = False
        self.due = self._reactor.now + self._period
        if not isinstance(found, Exception):
            if self._has_failed:
                log.info("upstream %s: its name is found again", self._upstream.text)
            self._has_failed = False
            self._on_found(found)
        elif not self._has_failed:
            self._has_failed = True
            reason = str(found).removeprefix(f"{self._upstream.text}: ") or repr(found)
            log.warning("upstream %s: %s; it is asked where it was before", self._upstream.text, reason)
