"""One world: a server with a handler, clients, and weather, made from one seed and played to its end."""

import gc
import logging
import re
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import StringIO
from math import inf
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest import mock

from handlers.proxy.passage import Passage
from reactor import courier
from reactor.address import Address, Endpoint
from reactor.client import ClientConnection
from reactor.connection import Connection
from reactor.loop import READ, WRITE
from reactor.respondent import HIGH_WATER
from reactor.server import Server
from reactor.settings import Settings
from reactor.state import AHEAD, CLOSED, UPGRADED
from reactor.transport import BODY_SIZE, RECV_SIZE

from .application import Application
from .client import SLACK, Client
from .kernel import Failure, Kernel, Listening, Stream, Weather
from .network import Network, Outbound
from .plan import LARGE, draw_script

TICK = 1.001  # seconds between two looks at the deadlines
AT_ONCE = 0.01  # seconds
HEAD = 65_536  # bytes: the largest head of an answer
PROXIES = 4  # one world in so many has a proxy
OWED_LIMIT = 2 * HIGH_WATER + LARGE + RECV_SIZE  # bytes that a connection may owe: one turn's answers, and the last


class Numbered(Connection):
    """A connection that can be watched as it goes, and whose place in a set depends on its number alone."""

    __slots__ = ("__weakref__", "number")

    number: int

    def __hash__(self) -> int:
        return self.number if hasattr(self, "number") else id(self)


class NumberedOutward(ClientConnection):
    """The same of a connection that the server opened."""

    __slots__ = ("__weakref__", "number")

    number: int

    def __hash__(self) -> int:
        return self.number


class World:
    """Attributes: `kernel`, `server`, `clients`, `trace` (lines, if it is kept)."""

    def __init__(self, seed: int, is_traced: bool = False) -> None:
        self._random = random = Random(seed)
        self.trace: list[str] | None = [] if is_traced else None
        self.kernel = Kernel(random, draw_weather(random), self.trace)
        self.settings = draw_settings(random)
        self.network = Network(self.kernel) if seed % PROXIES == PROXIES - 1 else None
        self.application = Application(self.kernel, self.network)
        self.application.on_dispatch = self._on_dispatch
        self._listeners: list[Listening] = []
        self._count = 0
        self._room_since = self._spare_since = inf
        self._left = 0  # bytes that are here and not looked at
        self._alive: list[weakref.ref[Connection | ClientConnection]] = []
        self._log = StringIO()
        self.server: Server
        self.clients: dict[str, Client] = {}
        for number in range(random.choice((1, 2, 3, 6))):
            script = draw_script(random, number, 2, self.settings.limit_body_size, self.network is not None)
            if self.network is not None:
                self.network.asks |= {ask.token: ask for ask in script.asks}
            self.clients[script.name] = Client(self.kernel, script, self.application, self.settings)
            self.kernel.at(script.begin, partial(self._begin, self.clients[script.name], script.listener))
        self.kernel.say("settings", str(self.settings))
        self.kernel.say("weather", str(self.kernel.weather))

    def play(self) -> None:
        """From the first turn to the last; Failure."""
        kernel = self.kernel
        complaints = Complaints()
        logger = logging.getLogger("reactor")
        logger.addHandler(complaints)
        # Whoever keeps a record keeps its traceback, and all that is in it.
        former, logger.propagate = logger.propagate, False
        try:
            with (
                kernel.installed(),
                self._proxied(),
                mock.patch("reactor.server.open_address", self._open),
                mock.patch("reactor.listener.Connection", self._connection),
                # The shares of a turn, from the smallest that there can be to the real ones.
                mock.patch("reactor.dialogue._SHARE", range(self._random.choice((1, 2, 16)))),
                mock.patch("reactor.dialogue.STEPS", self._random.choice((1, 30, 1500))),
                mock.patch("reactor.outbox.PULLS", self._random.choice((1, 16, 64))),
                mock.patch("reactor.listener.BURST", self._random.choice((1, 64))),
                mock.patch("reactor.parking.BURST", self._random.choice((1, 64))),
                mock.patch("reactor.service.PARK_BURST", self._random.choice((1, 500))),
                mock.patch("reactor.service.CROWD", self._random.choice((0, 0, 100))),
                mock.patch("reactor.service.CLOSE_BURST", self._random.choice((1, 256))),
                mock.patch("reactor.courier.RECV_SIZE", self._random.choice((64, 1000, RECV_SIZE))),
                mock.patch("reactor.courier.BODY_SIZE", self._random.choice((64, 1000, BODY_SIZE))),
            ):
                self.server = Server(self.application, ["127.0.0.1:80", "unix:@x"], self.settings, self._log)
                kernel.on_turn = self._check
                kernel.is_crowded = self._is_crowded
                kernel.on_awake = lambda: self._random.choice(list(self.clients.values())).hurry()
                kernel.in_thread(self._random.choice((3.0, 20.0, 60.0, 200.0)), self._stop)
                self.server.run()
                self._after()
        except Exception:
            if not (complaints.said or kernel.failures):
                raise
        finally:
            logger.removeHandler(complaints)
            logger.propagate = former
            self.application.clean_up()
        if complaints.said:  # a fault of the server's own comes before what follows from it
            raise Failure(complaints.said[0])
        if kernel.failures:
            raise kernel.failures[0]

    @contextmanager
    def _proxied(self) -> Iterator[None]:
        """What dialling and the proxy ask for, they ask the network; and they hold back as much as it says."""
        network = self.network
        if network is None:
            yield
            return
        with (
            mock.patch("reactor.dial.socket", network.system()),
            mock.patch("reactor.client.BODY_SIZE", network.size),
            mock.patch("handlers.proxy.lookup.threading", SimpleNamespace(Thread=network.thread)),
            mock.patch("reactor.hearing.STEPS", self._random.choice((4, 30, 1500))),
            mock.patch("handlers.proxy.upstreams.ClientConnection", self._outward),
            mock.patch("handlers.proxy.bodies.HIGH_WATER", network.high),
            mock.patch("handlers.proxy.tunnel.HIGH_WATER", network.high),
            mock.patch("handlers.proxy.passage.KEPT", network.kept),
        ):
            yield

    def _outward(self, *arguments: Any) -> ClientConnection:
        self._count += 1
        connection = NumberedOutward.__new__(NumberedOutward)
        connection.number = self._count
        connection.__init__(*arguments)  # type: ignore[misc]  # its number comes first: it is hashed
        self._alive.append(weakref.ref(connection))
        return connection

    def _begin(self, client: Client, listener: int) -> None:
        client.begin(self._listeners[listener])

    def _open(self, address: Address, **_options: Any) -> list[Endpoint]:
        name = ("127.0.0.1", 80) if address.kind == "tcp" else b"\0x"
        self._listeners.append(Listening(self.kernel, name))
        few = (1, 2, 100) if self.network is None else (3, 100, 100, 100)
        self.kernel.limit = len(self.kernel.descriptors) + self._random.choice(few)
        return [Endpoint(self._listeners[-1], address)]  # type: ignore[arg-type]  # as much of a socket as it needs

    def _connection(self, service: Any, transport: Any, origin: Any) -> Connection:
        self._count += 1
        transport._socket.peer.is_served = True
        connection = Numbered.__new__(Numbered)
        connection.number = self._count
        connection.__init__(service, transport, origin)  # type: ignore[misc]  # its number comes first: it is hashed
        self._alive.append(weakref.ref(connection))
        return connection

    def _stop(self) -> None:
        self.kernel.say("server", "is told to stop")
        for client in self.clients.values():
            client.drained_at = self.kernel.now
        self.server.stop()

    def _open_connections(self) -> int:
        service = self.server.service
        return len(service.connections) + (0 if service.parking is None else len(service.parking))

    def _is_crowded(self) -> bool:
        limit, kernel = self.settings.limit_connections, self.kernel
        is_full = 0 < limit <= self._open_connections()
        return is_full or len(kernel.descriptors) >= kernel.limit or kernel.starved_at == kernel.now

    def _on_dispatch(self, when: str, token: str) -> None:
        if token == "smuggled":
            self.kernel.fail("what stands behind a refused request was taken for one")
        elif token:
            self.clients[token.partition("r")[0]].on_dispatch(when, token)
        elif when == "whole":
            self.kernel.fail("a request with a malformed body was dispatched")

    # The laws.

    def _check(self) -> None:
        """Between two turns."""
        kernel, service, now = self.kernel, self.server.service, self.kernel.now
        registered = self.server.reactor._selector.registered  # type: ignore[attr-defined]  # it is ours
        writing: set[object] = set()
        soon: Any = self.server.reactor._soon
        looking = [call.__self__ for call in soon if getattr(call, "__name__", "") == "_look_again"]
        watched = 0
        for connection in service.connections:
            assert isinstance(connection, Numbered)
            fd = connection.fileno()
            stream = kernel.descriptors.get(fd)
            if connection.state is CLOSED or not isinstance(stream, Stream):
                kernel.fail(f"a connection in {connection.state.name} has descriptor {fd} and is kept")
            events = wanted(connection)
            key = registered.get(fd)
            # One that is put off comes back by itself, and will say then what it waits for.
            if (key.events if key else 0) != events and not connection._is_put_off and connection not in looking:
                kernel.fail(f"in {connection.state.name} it is watched for {key and key.events}, and wants {events}")
            if key is not None:
                watched += 1
                if key.fileobj is not connection or key.data.__name__ != connection.state.callback:
                    kernel.fail(f"in {connection.state.name} {key.data} would be called")
            if events & WRITE:
                writing.add(stream)
            if connection.deadline + TICK < now:
                kernel.fail(f"in {connection.state.name} it outlives its deadline by {now - connection.deadline} s")
            if len(connection._inbox) > 2 * (HIGH_WATER + BODY_SIZE) or connection._outbox.size > OWED_LIMIT:
                kernel.fail(f"it holds {len(connection._inbox)} + {connection._outbox.size} bytes")
        watched += self._check_outward()
        listening = sum(each.fileno() in registered for each in self._listeners if each.fileno() >= 0)
        parked = self._check_parking()
        if len(registered) != 1 + watched + listening + (service.parking is not None):
            kernel.fail(f"somebody is registered who is gone: {list(registered.values())}")
        left = sum(len(connection._inbox) for connection in service.connections if isinstance(connection, Numbered))
        left += sum(len(each._inbox) for each in service.outward if isinstance(each, NumberedOutward))
        kernel.moved += left != self._left
        self._left = left
        limit = self.settings.limit_connections
        if 0 < limit < self._open_connections() and not service.is_draining:
            kernel.fail(f"{self._open_connections()} connections, and the limit is {limit}")
        hosts = Counter(connection.origin.address[0] for connection in service.connections if connection.origin.address)  # type: ignore[index]  # (host, port)
        limit = self.settings.limit_per_client
        if limit and hosts and max(hosts.values()) > limit and not service.is_draining:
            kernel.fail(f"{max(hosts.values())} connections of one client, and the limit is {limit}")
        if 0 < self.settings.limit_concurrency < self.application.working():
            kernel.fail(f"{self.application.working()} answers are being worked on, and the limit is less")
        # A place that becomes free is taken at once; one that has to be made, with the next tick at the latest.
        is_room = not self._is_crowded()
        is_spare = is_room or parked > 0 or any(each.is_spare for each in service.connections)
        self._room_since = min(self._room_since, now) if is_room else inf
        self._spare_since = min(self._spare_since, now) if is_spare else inf
        for client in self.clients.values():
            client.check(client.stream in writing)
            client.check_queue(self._room_since, AT_ONCE)
            client.check_queue(self._spare_since, SLACK)

    def _check_parking(self) -> int:
        """Who is parked is nobody else's, and not for longer than it may be; how many there are."""
        kernel, service = self.kernel, self.server.service
        if service.parking is None:
            return 0
        deadlines = service.parking._deadlines
        if set(deadlines) != service.parking._epoll.registered:  # type: ignore[attr-defined]  # it is ours
            kernel.fail(f"{deadlines} are parked, and others are watched")
        if not deadlines.keys().isdisjoint(connection.fileno() for connection in service.connections):  # type: ignore[attr-defined]  # they are connections
            kernel.fail("somebody is parked, and served as well")
        for fd, deadline in deadlines.items():
            if deadline + TICK < kernel.now:
                kernel.fail(f"{fd} is parked, and outlives its deadline by {kernel.now - deadline} s")
        return len(deadlines)

    def _check_outward(self) -> int:
        """The same of the connections that the server opened; how many of them are watched."""
        kernel, network, watched = self.kernel, self.network, 0
        registered = self.server.reactor._selector.registered  # type: ignore[attr-defined]  # it is ours
        for connection in self.server.service.outward:
            assert isinstance(connection, NumberedOutward)
            assert network is not None
            fd = connection.fileno()
            stream = kernel.descriptors.get(fd)
            if connection.is_closed or not isinstance(stream, Outbound):
                kernel.fail(f"a connection to {connection.origin.peer} has descriptor {fd} and is kept")
            events = wanted_outward(connection)
            key = registered.get(fd)
            if key is None and stream.is_disturbed:
                continue  # the selector has dropped it: its end comes with the next turn
            if (key.events if key else 0) != events or (key is not None and key.fileobj is not connection):
                kernel.fail(f"a connection that was dialled is watched for {key and key.events}, and wants {events}")
            watched += key is not None
            if connection.deadline + TICK < kernel.now and self.server.service.connections:
                kernel.fail(f"a passage outlives its deadline by {kernel.now - connection.deadline} s")
            back, inbox = getattr(connection._taker, "_size", 0), len(connection._inbox)
            asker = connection._asker
            kept = asker._kept_size if isinstance(asker, Passage) and asker._kept is not None else 0
            if inbox > HEAD + network.size or back > network.high + network.size:
                kernel.fail(f"of an answer, a passage holds {inbox} + {back} bytes")
            reads = vars(courier)  # as they are played; while a sink waits, more may come than one piece
            if max(connection.owed, kept) > network.owed + max(reads["BODY_SIZE"], HIGH_WATER + reads["RECV_SIZE"]):
                kernel.fail(f"of a request, a passage holds {connection.owed} and {kept} bytes")
        return watched

    def _after(self) -> None:
        """The server has stopped: nothing is left of anything."""
        kernel, service = self.kernel, self.server.service
        while self.server.reactor._soon:
            self.server.reactor._soon.popleft()()
        while kernel._events:  # what other threads had still to do
            kernel._events.sort()
            kernel._events.pop(0)[2]()
        while kernel._loose:
            kernel._loose.popleft()()
        left = {
            "descriptors": kernel.descriptors, "connections": service.connections, "working": service.working,
            "clients": service.clients, "open": self.application.open, "outward": service.outward,
        }  # fmt: skip
        if any(left.values()):
            kernel.fail(f"something is left: { {name: value for name, value in left.items() if value} }")
        self._check_log()
        if any(ref() is not None for ref in self._alive):
            gc.collect()
            alive = [ref() for ref in self._alive if ref() is not None]
            kernel.fail(f"connections are {'kept' if alive else 'part of a cycle'}: {alive}")

    def _check_log(self) -> None:
        """The access log has one line for each answer, and says of those that broke off that they did."""
        lines: dict[str, list[str]] = {}
        for line in self._log.getvalue().splitlines():
            named = re.search(r"/(c\d+r\d+) ", line)
            if named is not None:
                lines.setdefault(named[1], []).append(line)
        for mine in lines.values():
            if len(mine) > 1:
                self.kernel.fail(f"the access log has {mine}")
        for client in self.clients.values():
            for token in client.served:
                # A reset can come between the last byte of an answer and the end of what gives it.
                if token not in lines or ("broken off" in lines[token][0] and not client.was_reset):
                    self.kernel.fail(f"{token} was answered, and the access log says {lines.get(token)}")


class Complaints(logging.Handler):
    """What the server says about itself."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "internal error" in record.msg and not (record.exc_info and isinstance(record.exc_info[1], Failure)):
            detail = logging.Formatter().formatException(record.exc_info) if record.exc_info else ""
            self.said.append(record.getMessage() + "\n" + detail)


def wanted(connection: Connection) -> int:
    """The events that a connection in this state has to be watched for: `state.py` says so, in a table."""
    events = connection.state.watches
    owed = connection._outbox.size
    if connection.state is UPGRADED:
        events = (READ if owed < HIGH_WATER else 0) | (WRITE if owed else 0)
    if connection._has_said_goodbye or (connection.state in AHEAD and len(connection._inbox) > HIGH_WATER):
        events &= ~READ
    return events


def wanted_outward(connection: ClientConnection) -> int:
    """The events that a connection which the server opened has to be watched for."""
    if connection.is_connecting:
        return WRITE
    is_read = not (connection._is_paused or connection._has_ended)
    return READ * is_read | (WRITE if connection.owed else 0)


def draw_weather(random: Random) -> Weather:
    """Mostly bearable: half of all seeds have nothing that excuses anything."""
    ordinary = {
        "short": random.choice((0.0, 0.1, 0.5)), "again": random.choice((0.0, 0.05, 0.3)),
        "spurious": random.choice((0.0, 0.1)), "interleaved": random.choice((0.0, 0.3)),
    }  # fmt: skip
    if random.random() < 0.5:
        return Weather(**ordinary)
    return Weather(
        **ordinary, lost=random.choice((0.0, 0.02, 0.1)), starved=random.choice((0.0, 0.0, 0.02)),
        refused=random.choice((0.0, 0.3)), unwatched=random.choice((0.0, 0.0, 0.1)),
    )  # fmt: skip


def draw_settings(random: Random) -> Settings:
    choice = random.choice
    return Settings(
        limit_body_size=choice((16 << 20, 16 << 20, 1000)),
        limit_discard=choice((256 << 10, 500)),
        limit_connections=choice((0, 0, 0, 1, 2)),
        limit_per_client=choice((0, 0, 0, 1)),
        limit_concurrency=choice((0, 0, 0, 1)),
        limit_requests_per_connection=choice((0, 0, 0, 1, 2)),
        timeout_header=choice((10.0, 10.0, 2.0)),
        timeout_body=choice((60.0, 5.0)),
        timeout_write=choice((30.0, 5.0)),
        timeout_keep_alive=choice((75.0, 10.0, 3.0)),
        timeout_linger=choice((5.0, 1.0)),
        timeout_graceful_shutdown=choice((10.0, 1.0)),
        least_rate=choice((240, 240, 0)),
    )
