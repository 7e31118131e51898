"""Troubles: what the log is told of an upstream that fails.

Law: whatever is wrong is told at once, with the request that met it; then, while it goes on, every ten seconds, with
the number of those that did; and when it is over. A line is written when a request fails or is answered, never else.
"""

import logging
from typing import Any

log = logging.getLogger("reactor")

SILENCE = 10.0  # seconds from one line about a trouble to the next
TOLD_APART = 16  # troubles; an upstream may have an address more, or lie in another way, with each request

_OTHERS = "others"


class Troubles:
    """Of one upstream, which is called `name`."""

    def __init__(self, reactor: Any, name: str) -> None:
        self._reactor = reactor
        self._name = name
        self._known: dict[str, tuple[float, int]] = {}  # until when nothing is said of it, and how often it was not
        self._has_told = False  # since it was last said that it is there
        self._away_since: float | None = None  # seconds

    def tell(self, address: str, request: object, reason: str) -> None:
        """`request` has met a trouble at `address`."""
        where = self._name if address in self._name else f"{self._name} ({address})"
        trouble = f"{where}: {reason}"
        key = trouble if trouble in self._known or len(self._known) < TOLD_APART else _OTHERS
        until, untold = self._known.get(key, (0.0, 0))
        now = self._reactor.now
        if now < until:
            self._known[key] = until, untold + 1
            return
        self._known[key] = now + SILENCE, 0
        self._has_told = True
        log.warning("upstream %s, at %s%s", trouble, request, f"; {untold} more before" if untold else "")

    def be_away(self) -> None:
        """It could be connected to at no address."""
        if self._away_since is None:
            self._away_since = self._reactor.now

    def be_back(self) -> None:
        """It answered on a new connection. That is told where its absence was."""
        if self._away_since is None:
            return
        took, self._away_since = self._reactor.now - self._away_since, None
        if not self._has_told:
            return
        self._has_told = False
        untold = sum(count for _, count in self._known.values())
        self._known = {key: (until, 0) for key, (until, _) in self._known.items()}
        more = f"; {untold} more failures before" if untold else ""
        log.warning("upstream %s is there again, after %.0f s%s", self._name, took, more)
