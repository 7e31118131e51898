"""The server: wires settings, handler, endpoints and reactor together; starts, drains, stops.

Law: nothing is served before everything is open, and everything opened is closed by whoever opened it, in
whatever way the server ends.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Self, TextIO

from . import parking
from .access_log import AccessLog
from .address import Address, AddressError, Endpoint, open_address, parse_address
from .coroutines import AnyHandler, as_handler, check_handler
from .datagram import DatagramEndpoint
from .listener import Listener, revive
from .loop import Reactor
from .parking import Parking
from .service import Service
from .settings import Settings
from .signals import catch_signals

if TYPE_CHECKING:
    import asyncio

    from .aio import Host

log = logging.getLogger("reactor")

_ONCE = "a Server runs once; make another"


class Server:
    """Serves `handler` on every address of `bind`.

    `bind`: what --bind takes ("127.0.0.1:0", "unix:/run/x.sock", ...), one or several. `access_log`: a text
    stream, or None for no log. In the foreground `run()`; in a thread of its own `start()` and `stop()`, or a
    with block; a Server runs once. In a program that runs asyncio, `await serve()`. Async handlers have it run a loop
    of its own, made by `loop_factory` (such as uvloop.new_event_loop). Attributes: `settings`, `reactor`, `endpoints`.

        with Server(handler, bind="127.0.0.1:0") as server:
            urllib.request.urlopen(server.url)
    """

    def __init__(
        self,
        handler: AnyHandler,
        bind: str | Sequence[str | Address] = "127.0.0.1:8000",
        settings: Settings | None = None,
        access_log: TextIO | None = None,
        *,
        reuse_port: bool = False,
        loop_factory: "Callable[[], asyncio.AbstractEventLoop] | None" = None,
    ) -> None:
        check_handler(handler)
        binds: Sequence[str | Address] = [bind] if isinstance(bind, str) else bind
        self._addresses = [parse_address(each) if isinstance(each, str) else each for each in binds]
        self.settings = settings if settings is not None else Settings()
        self.reactor = Reactor()
        self.endpoints: list[Endpoint] = []
        self._handler = as_handler(handler)
        self._reuse_port = reuse_port
        log_to = None if access_log is None else AccessLog(self.reactor.call_soon, access_log)
        self.service = Service(self.reactor, self.settings, self._handler, log_to)
        self._listeners: list[Listener] = []
        self._datagrams: list[DatagramEndpoint] = []
        self._drain_until = -inf  # seconds on the reactor's clock
        self._thread: threading.Thread | None = None
        self._loop_factory = loop_factory
        self._host: Host | None = None
        self._has_opened = self._has_begun = False
        self._has_started = False  # the handler
        self._has_drained = False  # whoever waited in a queue has been accepted: the last connection to go is the last

    # Life.

    def open(self) -> None:
        """Open every address and start the handler. AddressError says which could not be opened, and why."""
        if self._has_opened:
            raise RuntimeError(_ONCE)
        self._has_opened = True
        try:
            for address in self._addresses:
                self.endpoints += open_address(address, backlog=self.settings.backlog, reuse_port=self._reuse_port)
            for endpoint in self.endpoints:
                if endpoint.is_datagram and not hasattr(self._handler, "on_datagram"):
                    raise AddressError(endpoint.url, f"{self.service.name} takes no datagrams")
            startup: Callable[[Server], None] | None = getattr(self._handler, "startup", None)
            if startup is not None:
                startup(self)
            self._has_started = True
            if self._host is not None:
                self._host.run(self._host.open)
        except BaseException:
            self.close()
            raise

    def run(self, on_ready: Callable[["Server"], None] | None = None) -> None:
        """Serve until `drain` or, in the main thread, until TERM, INT or HUP. `on_ready` is called when open."""
        self._begin()
        self._run(on_ready)

    async def serve(self, on_ready: Callable[["Server"], None] | None = None) -> None:
        """`run`, in the loop that awaits it. Signals are its program's; to be cancelled drains, and twice aborts."""
        if self._has_opened:
            raise RuntimeError(_ONCE)
        from .aio import Host

        host = self._host = Host(self.reactor, service=self.service)
        self._begin()
        try:
            await host.open()
            self._listen()
            if on_ready is not None:
                on_ready(self)
            await host.serve(self.drain, self.abort)
        finally:
            self._cut()
            try:
                await host.close(self._drain_until - self.reactor.now)
            finally:
                self.close()

    def use_asyncio(self) -> "Host":
        """The asyncio loop, with us as its guest, for a handler that needs one; to be called by its `startup`."""
        if self._host is None:
            from .aio import OwnHost

            self._host = OwnHost(self.reactor, self.service, self._loop_factory)
        return self._host

    def _begin(self) -> None:
        """Open, unless that has been done; all of it only once."""
        if self._has_begun:
            raise RuntimeError(_ONCE)
        if not self._has_started:
            self.open()
        self._has_begun = True

    def _run(self, on_ready: Callable[["Server"], None] | None = None) -> None:
        restore = self._catch_signals()
        try:
            self._listen()
            if on_ready is not None:
                on_ready(self)
            if self._host is None:
                self.reactor.run()
            else:
                self._host.run(partial(self._host.serve, self.drain, self.abort))
        except KeyboardInterrupt:
            log.warning("interrupted; %s reset", connections(self.service.count))
            self.abort()
        finally:
            self.close()
            restore()

    def start(self) -> Self:
        """Serve in a thread of its own; returns when the addresses are open."""
        self._begin()
        self._thread = threading.Thread(target=self._run, name="reactor", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Drain, from any thread, and wait until that is done; on the server's own, as in a handler, don't wait."""
        self.reactor.call_from_outside(self.drain)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The first address, as a URL without the slash at its end; RuntimeError before it is open."""
        if not self.endpoints:
            raise RuntimeError("the address is not known before the server is open: start() it, or use a with block")
        return self.endpoints[0].url.rstrip("/")

    @property
    def is_draining(self) -> bool:
        """Whether it was told to stop, and only finishes what is under way."""
        return self.service.is_draining

    # On the reactor's thread.

    def drain(self) -> None:
        """Stop accepting, let answers under way be finished within timeout_graceful_shutdown, then stop.

        A handler may ask for it: nothing is closed before the turn's callbacks are done.
        """
        if not self.service.is_draining:
            self.service.drain()
            self.reactor.call_soon(self._drain)

    def _drain(self) -> None:
        for listener in self._listeners:
            listener.finish()
        for endpoint in self._datagrams:
            endpoint.close()
        self.service.clear_parking()
        for connection in list(self.service.connections):
            self.service.retire(connection)
        timeout = self.settings.timeout_graceful_shutdown
        self._drain_until = self.reactor.now + (timeout or inf)
        self._has_drained = True
        self._on_room()

    def abort(self) -> None:
        """Stop at once, whatever is under way."""
        self._drain_until = -inf
        self.service.clear_parking()
        for connection in list(self.service.connections):
            connection.abort()
        self.reactor.stop()

    def close(self) -> None:
        """Give everything back; `run` does it."""
        self._cut()
        try:
            if self._host is not None:
                self._host.end(self._drain_until - self.reactor.now)
            shutdown: Callable[[], Any] | None = getattr(self._handler, "shutdown", None)
            if self._has_started and shutdown is not None:
                shutdown()
        except Exception:
            log.exception("shutdown of %s raised", self.service.name)
        finally:
            self._has_started = False
            if self.service.access_log is not None:
                self.service.access_log.close()
            self.reactor.close()

    def _cut(self) -> None:
        """Close all that is open to clients, whatever is under way."""
        self.service.clear_parking()
        for connection in list(self.service.connections):
            connection.abort()
        if self.service.parking is not None:
            self.service.parking.close()
            self.service.parking = None
        closing: list[Listener | DatagramEndpoint | Endpoint] = [*self._listeners, *self._datagrams, *self.endpoints]
        for each in closing:
            each.close()

    def _listen(self) -> None:
        for endpoint in self.endpoints:
            if endpoint.is_datagram:
                self._datagrams.append(DatagramEndpoint(endpoint, self.reactor, self._handler))  # type: ignore[arg-type]  # checked in open()
            else:
                self._listeners.append(Listener(endpoint, self.service))
        settings = self.settings  # nobody is parked of whom there is something to remember
        if parking.IS_POSSIBLE and not settings.limit_per_client and not settings.limit_requests_per_connection:
            self.service.parking = Parking(self.reactor, partial(revive, self.service))
        self.service.on_room = self._on_room
        self.reactor.on_tick = self._on_tick
        resuming: list[Listener | DatagramEndpoint] = [*self._listeners, *self._datagrams]
        for each in resuming:
            each.resume()

    def _on_tick(self) -> None:
        """Once a second, before the turn's callbacks: the clock first, deadlines after those who just spoke."""
        self.service.refresh_stamp()
        self.reactor.call_soon(self._after_tick)

    def _after_tick(self) -> None:
        self.service.sweep()
        for listener in self._listeners:
            listener.resume()
        if self._drain_until <= self.reactor.now and self._has_drained:
            if self.service.count:
                log.warning("%s not done in time; reset", connections(self.service.count))
            self.abort()
        access_log = self.service.access_log
        if access_log is not None:
            access_log.write()  # what nobody took when it was new
        self.reactor.keeps_time = (
            self.service.count > 0
            or bool(self.service.outward)
            or any(each.is_exhausted for each in self._listeners)
            or (access_log is not None and access_log.is_behind)
        )

    def _on_room(self) -> None:
        """A connection has gone, or the draining has begun."""
        if self.service.is_draining:
            if self._has_drained and not self.service.count:
                self.reactor.stop()
            return
        self._listeners = self._listeners[1:] + self._listeners[:1]  # in turns: who is watched first is called first
        for listener in self._listeners:
            listener.resume()

    def _catch_signals(self) -> Callable[[], None]:
        if threading.current_thread() is not threading.main_thread():
            return lambda: None  # signals are not ours
        return catch_signals(self.reactor, self.drain, lambda: self.service.is_draining)


def connections(count: int) -> str:
    """How many: "1 connection", "2 connections"."""
    return f"{count} connection{'s' * (count != 1)}"


async def serve(handler: AnyHandler, bind: str | Sequence[str | Address] = "127.0.0.1:8000", **options: Any) -> None:
    """`await serve(handler)`, in a program that runs asyncio: a Server with these `options`, and its `serve`."""
    await Server(handler, bind, **options).serve()
