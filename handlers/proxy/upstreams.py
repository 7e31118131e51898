"""Upstreams: the servers that requests are passed on to, in turns, and the connections to each.

Law: a connection is lent to one passage at a time and comes back only by itself, when its answer is complete. Names are
looked up when the server starts, and nothing here waits afterwards.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from reactor import ClientConnection, ClientTimeouts, Place, Upstream, resolve

from .request_head import RequestHeads

log = logging.getLogger("reactor")

IDLE = 64  # connections to one upstream that are kept for the next request
FRESH = 1.0  # seconds since a connection was used; no server gives them up sooner
DOWN = 10.0  # seconds in which an upstream that could not be connected to comes last


class Pool:
    """One upstream. Attributes: `name`, `heads` (what requests look like to it), `places` (its addresses, a list, those
    last that could not be connected to), `down_until` (seconds on the reactor's clock).
    """

    def __init__(self, service: Any, timeouts: ClientTimeouts, upstream: Upstream, heads: RequestHeads) -> None:
        self.name = upstream.text
        self.heads = heads
        self.places = list(resolve(upstream))
        self.down_until = 0.0
        self._service = service
        self._timeouts = timeouts
        self._idle: list[ClientConnection] = []
        self._failed: set[Place] = set()  # since one could be connected to

    def idle(self, is_careful: bool) -> ClientConnection | None:
        """A connection that is free; the one that was used last. `is_careful`: one whose server is hardly just giving
        it up, for what must not be repeated."""
        idle, now = self._idle, self._service.reactor.now
        while idle:
            connection = idle[-1]
            if connection.is_closed:
                idle.pop()
            elif connection.deadline <= now:  # after a sleep, the tick that closes it is still to come
                idle.pop().close()
            elif is_careful and now - connection.used > FRESH:
                return None
            elif is_careful and not connection.is_there():
                idle.pop()
            else:
                return idle.pop()
        return None

    def dial(self, place: Place) -> ClientConnection:
        """A new connection. OSError."""
        return ClientConnection(self._service, place, self._timeouts, self._take_back)

    def fail(self, place: Place, reason: str) -> None:
        """It could not be connected to at this address; it is down where it could not be at any."""
        log.warning("upstream %s: %s", self.name, reason)
        self.places.remove(place)
        self.places.append(place)
        self._failed.add(place)
        if len(self._failed) == len(self.places):
            self._failed.clear()
            self.down_until = self._service.reactor.now + DOWN

    def close(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take_back(self, connection: ClientConnection) -> None:
        self._failed.clear()
        if len(self._idle) >= IDLE:
            self._idle = [each for each in self._idle if not each.is_closed]
        if len(self._idle) >= IDLE:
            connection.close()
        else:
            self._idle.append(connection)


class Upstreams:
    """All of them. `service`: the server's."""

    def __init__(
        self, service: Any, timeouts: ClientTimeouts, upstreams: Sequence[tuple[Upstream, RequestHeads]]
    ) -> None:
        self._reactor = service.reactor
        self._pools = [Pool(service, timeouts, upstream, heads) for upstream, heads in upstreams]

    def choose(self) -> Pool:
        """Whose turn it is; who could not be connected to a moment ago is passed over, unless nobody else is there."""
        pools = self._pools
        if len(pools) > 1:
            pools.append(pools.pop(0))
            now = self._reactor.now
            return next((each for each in pools if each.down_until <= now), pools[0])
        return pools[0]

    def places(self, first: Pool) -> Iterator[tuple[Pool, Place]]:
        """Everywhere a request may be sent to, in the order in which it is to be tried: `first`, then the others, those
        last that were down a moment ago."""
        others = [each for each in self._pools if each is not first]
        for pool in (first, *sorted(others, key=lambda each: each.down_until)):
            for place in tuple(pool.places):
                yield pool, place

    def close(self) -> None:
        for pool in self._pools:
            pool.close()
