"""Upstreams: the servers that requests are passed on to, in turns, and the connections to each.

Law: a connection is lent to one passage at a time and comes back only by itself, when its answer is complete. Nothing
here waits but the first look-up of the names, when the server starts.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from reactor import ClientConnection, ClientTimeouts, Place, Upstream, resolve

from .lookup import Lookup
from .request_head import RequestHeads
from .troubles import Troubles

log = logging.getLogger("reactor")

IDLE = 64  # connections to one upstream that are kept for the next request
FRESH = 1.0  # seconds since a connection was used; no server gives them up sooner
DOWN = 10.0  # seconds in which an upstream that could not be connected to comes last


class Pool:
    """One upstream. Attributes: `name`, `heads` (what requests look like to it), `places` (its addresses, a list, those
    last that could not be connected to), `down_until` (seconds on the reactor's clock), `lookup`, `troubles`.
    """

    def __init__(
        self, service: Any, timeouts: ClientTimeouts, upstream: Upstream, heads: RequestHeads, period: float
    ) -> None:
        """`period`: seconds for which what a name means is good; 0: for ever. AddressError."""
        self.name = upstream.text
        self.heads = heads
        self.places = list(resolve(upstream))
        self.down_until = 0.0
        self.lookup = Lookup(service.reactor, upstream, period, self._move)
        self.troubles = Troubles(service.reactor, upstream.text)
        self._service = service
        self._timeouts = timeouts
        self._idle: list[ClientConnection] = []
        self._failed: set[Place] = set()  # since one could be connected to

    def idle(self, is_careful: bool) -> ClientConnection | None:
        """A connection that is free; the one that was used last. `is_careful`: one whose server is hardly just giving
        it up, for what must not be repeated.

        What has come on it since its last answer would be taken for the next one, if this turn's news of it are still
        to be heard: so one on which that is likely, a farewell or a body that should not be, is looked at first.
        """
        idle, now = self._idle, self._service.reactor.now
        while idle:
            connection = idle[-1]
            is_old = now - connection.used > FRESH
            if connection.is_closed:
                idle.pop()
            elif connection.deadline <= now:  # after a sleep, the tick that closes it is still to come
                idle.pop().close()
            elif is_careful and is_old:
                return None
            elif (is_careful or is_old or connection.is_doubtful) and not connection.is_there():
                idle.pop()
            else:
                return idle.pop()
        return None

    def dial(self, place: Place) -> ClientConnection:
        """A new connection. OSError."""
        return ClientConnection(self._service, place, self._timeouts, self._take_back)

    def fail(self, place: Place, request: object, reason: str) -> None:
        """`request` could not be brought to this address; it is down where that is so with all of them."""
        self.troubles.tell(str(place), request, reason)
        if place not in self.places:  # it has moved meanwhile
            return
        self.places.remove(place)
        self.places.append(place)
        self._failed.add(place)
        if len(self._failed) == len(self.places):
            self._failed.clear()
            self.down_until = self._service.reactor.now + DOWN
            self.troubles.be_away()
            self.lookup.doubt()

    def succeed(self) -> None:
        """It answered on a new connection."""
        self._failed.clear()
        self.troubles.be_back()

    def close(self) -> None:
        self.lookup.close()
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take_back(self, connection: ClientConnection) -> None:
        if len(self._idle) >= IDLE:
            self._idle = [each for each in self._idle if not each.is_closed]
        if len(self._idle) >= IDLE or self._has_left(connection):
            connection.close()
        else:
            self._idle.append(connection)

    def _move(self, found: tuple[Place, ...]) -> None:
        """Its name has been looked up: it is at these addresses."""
        before = set(self.places)
        if before == set(found):
            return
        log.info("upstream %s is at %s now", self.name, ", ".join(map(str, found)))
        self._failed.intersection_update(found)
        self.places = sorted(found, key=self._failed.__contains__)
        if not before.issuperset(found):
            self.down_until = 0.0
        for connection in self._idle:
            if self._has_left(connection):
                connection.close()

    def _has_left(self, connection: ClientConnection) -> bool:
        """Whether it is not where this connection leads to any more."""
        address = connection.origin.address
        return all(each.address != address for each in self.places)


class Upstreams:
    """All of them. `service`: the server's; `period`: seconds for which what a name means is good; 0: for ever."""

    def __init__(
        self, service: Any, timeouts: ClientTimeouts, period: float, upstreams: Sequence[tuple[Upstream, RequestHeads]]
    ) -> None:
        self._reactor = service.reactor
        self._pools = [Pool(service, timeouts, upstream, heads, period) for upstream, heads in upstreams]

    def choose(self) -> Pool:
        """Whose turn it is; who could not be connected to a moment ago is passed over, unless nobody else is there."""
        pools, now = self._pools, self._reactor.now
        pool = pools[0]
        if len(pools) > 1:
            pools.append(pools.pop(0))
            pool = next((each for each in pools if each.down_until <= now), pools[0])
        if pool.lookup.due <= now:
            pool.lookup.ask()
        return pool

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
