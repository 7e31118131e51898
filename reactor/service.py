"""What all connections of one server share: the reactor, the settings, the handler, the clock's second.

Law: it decides nothing about a connection; it counts, and keeps what would else be made anew for each.
"""

import logging
from collections.abc import Callable
from heapq import nsmallest
from math import inf
from operator import attrgetter
from time import time
from types import FunctionType
from typing import Any, Protocol

from .access_log import AccessLog
from .exchange import is_sink
from .http1.dates import http_date
from .http1.request import HeadLimits, Origin, Request
from .loop import Reactor
from .parking import Parking
from .settings import Settings

log = logging.getLogger("reactor")

SLOW = 0.1  # seconds that a handler may hold the loop before the log names it
REST = 2.0  # seconds for which a connection has been idle when it is parked
PARK_BURST = 500  # connections in one tick: 3 to 10 ms
CLOSE_BURST = 256  # in one turn of those who are parked, and whose time is over: 4 ms
CROWD = 100  # connections; where more are not parked, one is behind its first request


class Timed(Protocol):
    """What has a deadline, in seconds on the reactor's clock, and who is at its other end."""

    deadline: float
    origin: Origin

    def expire(self) -> None: ...
    def close(self) -> None: ...


class Member(Timed, Protocol):
    """A connection, as far as its service is concerned."""

    @property
    def is_spare(self) -> bool: ...
    def park(self) -> bool: ...
    def retire(self) -> None: ...
    def abort(self) -> None: ...


class Service:
    """Attributes: `reactor`, `settings`, `handler`, `name` (the handler's), `on_head` (its, or None), `answer`
    (both, for a request without a body), `takes_connect` (whether CONNECT is for it), `screens` (whether there is
    something to ask before the handler), `limits` (of a head), `stamp` (the server's own field lines, made once a
    second), `keep_alive` (seconds that an idle connection may last), `access_log` (or None), `connections` (the
    open ones that are not parked), `parking` (where the others are; None: nobody is parked), `outward` (those that we
    opened, to other servers: their deadlines are kept, and nothing else),
    `working` (answers being computed elsewhere), `clients` (connections by address, where limit_per_client is set),
    `allowance` (requests after which a connection is closed; inf: none, 0: the server is draining), `on_room` (called
    when a connection has gone).
    """

    def __init__(
        self,
        reactor: Reactor,
        settings: Settings,
        handler: Any,
        access_log: AccessLog | None = None,
        wall_clock: Callable[[], float] = time,
    ) -> None:
        self.reactor = reactor
        self.settings = settings
        self.handler = handler
        self.name = handler_name(handler)
        self.on_head = getattr(handler, "on_head", None)
        self.takes_connect = bool(getattr(handler, "takes_connect", False))
        is_object = isinstance(getattr(type(handler), "__call__", None), FunctionType)  # noqa: B004  # not whether it has one
        call = handler.__call__ if is_object else handler  # a bound method is called 0.1 us faster than an object
        self.answer = call if self.on_head is None else _asked_twice(self.on_head, call)
        self.screens = settings.limit_concurrency > 0
        self.limits = HeadLimits(
            settings.limit_head_size or _UNLIMITED,
            settings.limit_request_line or _UNLIMITED,
            settings.limit_headers or _UNLIMITED,
        )
        self.access_log = access_log
        self.keep_alive = settings.timeout_keep_alive or inf
        self.connections: set[Member] = set()
        self.parking: Parking[Member] | None = None
        self.outward: set[Timed] = set()
        self.clients: dict[str, int] = {}
        self.working = 0
        self.allowance = settings.limit_requests_per_connection or inf
        self.on_room: Callable[[], None] | None = None
        self._wall_clock = wall_clock
        self.stamp = b""
        self.refresh_stamp()

    @property
    def is_draining(self) -> bool:
        """Whether it stops: each connection ends with the answer that it waits for."""
        return self.allowance == 0

    def drain(self) -> None:
        self.allowance = 0

    def refresh_stamp(self) -> None:
        """Make `stamp` for the present second (RFC 9110 5.6.7: IMF-fixdate)."""
        self.stamp = b""
        if self.settings.server_header:
            self.stamp += b"Server: reactor\r\n"
        if self.settings.date_header:
            self.stamp += f"Date: {http_date(self._wall_clock())}\r\n".encode()

    def blame(self, took: float, where: str) -> None:
        """Name the handler in the log if it has held the loop for longer than it may; `took`: seconds."""
        if took > SLOW:
            log.warning("handler %s held the loop for %.0f ms %s", self.name, took * 1000, where)

    def has_enough_of(self, origin: Origin) -> bool:
        """Whether its address has all the connections that one may have."""
        limit = self.settings.limit_per_client
        return limit > 0 and isinstance(origin.address, tuple) and self.clients.get(origin.address[0], 0) >= limit

    @property
    def count(self) -> int:
        """The open connections."""
        return len(self.connections) + (0 if self.parking is None else len(self.parking))

    @property
    def is_crowded(self) -> bool:
        """Whether there are so many connections that their weight matters more than what it costs to come back."""
        return len(self.connections) > CROWD

    def clear_parking(self) -> None:
        """Close all who are in it; who has spoken is among the connections again."""
        if self.parking is not None and self.parking.expire(inf, len(self.parking)):
            self.tell_room()

    def expire_parked(self) -> None:
        """Close those whose time in the parking is over; where there are many, others have their turn in between."""
        count = 0 if self.parking is None else self.parking.expire(self.reactor.now, CLOSE_BURST)
        if count:
            self.tell_room()
        if count == CLOSE_BURST:
            self.reactor.call_soon(self.expire_parked)

    def admit(self, connection: Member) -> None:
        self.connections.add(connection)
        self.reactor.keeps_time = True
        address = connection.origin.address
        if self.settings.limit_per_client and isinstance(address, tuple):
            self.clients[address[0]] = self.clients.get(address[0], 0) + 1

    def forget(self, connection: Member) -> None:
        """A connection has closed."""
        self.connections.discard(connection)
        address = connection.origin.address
        if self.clients and isinstance(address, tuple):
            left = self.clients.pop(address[0], 0) - 1
            if left > 0:
                self.clients[address[0]] = left
        self.tell_room()

    def tell_room(self) -> None:
        """There is one connection less."""
        if self.on_room is not None:
            self.on_room()

    def make_room(self) -> None:
        """Retire some of the connections that have been idle for longest, if any are: `on_room` is called then."""
        spare = [each for each in self.connections if each.is_spare]
        parking = self.parking
        # nginx's numbers: so many that they need not be looked for again with the next client, and no more.
        count = min((len(spare) + (0 if parking is None else len(parking))) // 8, 32) or 1
        if parking is not None:
            spare += parking.next(count)
        for connection in nsmallest(count, spare, key=attrgetter("deadline")):
            self.retire(connection)

    def retire(self, connection: Member) -> None:
        """Let it leave now or when it is done; where that fails it is our bug, and costs this connection only."""
        try:
            connection.retire()
        except Exception:
            log.exception("internal error in retiring %s; closing it", connection.origin.peer)
            connection.close()

    def sweep(self) -> None:
        """Expire the connections whose deadline has passed: 1.3 ms for 10,000 that have time left. Park who rests."""
        now = self.reactor.now
        rested = now + self.keep_alive - REST if REST < self.keep_alive < inf else now
        nearest = [each for each in self.connections if each.deadline <= rested]
        expired: list[Timed] = [each for each in nearest if each.deadline <= now]
        expired += [each for each in self.outward if each.deadline <= now]
        if self.parking is not None:
            self._park([each for each in nearest if each.deadline > now and each.is_spare])
        self.expire_parked()
        for timed in expired:
            try:
                timed.expire()
            except Exception:  # our bug: it costs this connection, and not the others' deadlines
                log.exception("internal error at the deadline of %s; closing it", timed.origin.peer)
                timed.close()

    def _park(self, rested: list[Member]) -> None:
        """Park those of them who can be, as many as there is time for."""
        left = PARK_BURST
        for connection in rested:
            left -= connection.park()
            if not left:
                break


def _asked_twice(on_head: Callable[[Request], Any], handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """For a request without a body, `on_head` and then what it leaves to others, as one call: it is timed once."""

    def answer(request: Request) -> Any:
        verdict = on_head(request)
        if verdict is None:
            return handler(request)
        return verdict.finish() if is_sink(verdict) else verdict

    return answer


_UNLIMITED = 1 << 62


def handler_name(handler: object) -> str:
    """What to call a handler in the log: `hello`, `myapp.views.Upload`."""
    named = handler if hasattr(handler, "__qualname__") else type(handler)
    return ".".join(filter(None, (getattr(named, "__module__", None), named.__qualname__)))
