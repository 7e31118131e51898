"""A kernel that does what a test says: every system call is recorded, and can fail or come up short at will.

A `World` is one connection on a `ScriptedTransport` with a clock that the test assigns. Law: nothing here sleeps,
and a reactor that goes on turning with nothing moving is a failure (`Spin`).
"""

import errno
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, TextIO

from reactor.access_log import AccessLog
from reactor.connection import Connection
from reactor.http1.request import Origin
from reactor.loop import READ, WRITE, Callback, Handle
from reactor.memory import ManualReactor, MemoryTransport
from reactor.service import Service
from reactor.settings import Settings
from reactor.state import CLOSED
from reactor.transport import read_piece

from .zoo import Zoo

IOV_MAX = 1024  # Linux's, and most others'
START = 1000.0  # seconds on the reactor's clock when a World begins
PEER = ("192.0.2.1", 50212)


class Spin(AssertionError):
    """The reactor turns and nothing moves."""


class CountingReactor(ManualReactor):
    """Remembers every call of `watch`, as the events asked for."""

    def __init__(self, now: float = START) -> None:
        super().__init__(now)
        self.watch_calls: list[int] = []

    def watch(self, handle: Handle, events: int, callback: Callback, before: int = 0) -> None:
        self.watch_calls.append(events)
        super().watch(handle, events, callback, before)


class Short:
    """A fault: the call takes, or gives, no more than `size(n)` of the n bytes there are."""

    def __init__(self, name: str, size: Callable[[int], int]) -> None:
        self.name = name
        self.size = size

    def __repr__(self) -> str:
        return self.name


def error(number: int) -> OSError:
    """The OSError of an errno: the subclass that the interpreter would raise."""
    return OSError(number, errno.errorcode[number])


Fault = OSError | Short

ONE = Short("one byte", lambda size: 1)
HALF = Short("half", lambda size: (size + 1) // 2)

EAGAIN, EINTR, ENOBUFS = error(errno.EAGAIN), error(errno.EINTR), error(errno.ENOBUFS)
ECONNRESET, EPIPE, ETIMEDOUT, ENOTCONN = (
    error(number) for number in (errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.ENOTCONN)
)
LASTING = (ECONNRESET, EPIPE, ETIMEDOUT, ENOTCONN)  # after them, every other call fails as well


class ScriptedTransport(MemoryTransport):
    """Attributes: `calls` (the names of the system calls made), `faults` (by the number of the call), `sizes` (how
    much each sending call takes, in turn; None: all), `room` (bytes the kernel still takes; None: any number)."""

    __slots__ = ("_blocked", "calls", "faults", "received", "room", "sizes")

    def __init__(
        self, reactor: ManualReactor, faults: Mapping[int, Fault] | None = None, sizes: Iterator[int] | None = None
    ) -> None:
        super().__init__(reactor)
        self.calls: list[str] = []
        self.faults = dict(faults or {})
        self.sizes = sizes
        self.room: int | None = None
        self.received = 0
        self._blocked = 0

    def ready(self) -> int:
        ready = super().ready()
        if self.room == 0 and not self.has_failed():
            ready &= ~WRITE
        return ready & ~self._blocked

    def unblock(self) -> bool:
        """What was "not now" can be now; False: there was no such thing."""
        was_blocked, self._blocked = self._blocked, 0
        return was_blocked != 0

    def recv(self, size: int) -> bytes:
        data = super().recv(self._allow("recv", size, READ))
        self.received += len(data)
        return data

    def send(self, data: bytes | bytearray | memoryview) -> int:
        return self._take("send", data)

    def sendmsg(self, buffers: Iterable[bytes | bytearray | memoryview]) -> int:
        buffers = list(buffers)
        if len(buffers) > IOV_MAX:
            raise error(errno.EMSGSIZE)
        return self._take("sendmsg", b"".join(buffers))

    def sendfile(self, file: BinaryIO, offset: int, count: int) -> int:
        count = self._allow("sendfile", count, WRITE)
        return super().send(read_piece(file, offset, count))

    def shutdown_write(self) -> None:
        self._allow("shutdown", 1, 0)
        super().shutdown_write()

    def close(self) -> None:
        self.calls.append("close")
        super().close()

    def _take(self, name: str, data: bytes | bytearray | memoryview) -> int:
        return super().send(data[: self._allow(name, len(data), WRITE)])

    def _allow(self, name: str, size: int, direction: int) -> int:
        """Record a call; how many bytes it may move, or what it raises."""
        fault = self.faults.pop(len(self.calls), None)
        self.calls.append(name)
        if isinstance(fault, OSError):
            if isinstance(fault, BlockingIOError):
                self._blocked |= direction
            elif fault in LASTING:
                self.fail(fault)
            raise type(fault)(*fault.args)  # a new one each time: its traceback would keep the connection alive
        if fault is not None:
            waiting = len(self._arrived[0]) if direction == READ and self._arrived else size
            size = fault.size(min(waiting, size))
        if direction == WRITE:
            if self.sizes is not None:
                size = min(size, next(self.sizes))
            if self.room is not None and not self.has_failed():
                if not self.room:
                    raise BlockingIOError
                size = min(size, self.room)
                self.room -= size
        return size


class World:
    """One connection, the kernel under it, and the clock.

    Attributes: `reactor`, `service`, `transport`, `connection`; `handler` (a Zoo unless another was given). `early`:
    what has arrived when the connection is accepted. Keyword arguments that are not named here are Settings.
    """

    def __init__(
        self,
        handler: Any = None,
        *,
        faults: Mapping[int, Fault] | None = None,
        sizes: Iterator[int] | None = None,
        early: bytes = b"",
        log_to: TextIO | None = None,
        **settings: Any,
    ) -> None:
        self.reactor = CountingReactor()
        self.handler = handler if handler is not None else Zoo()
        log = AccessLog(self.reactor.call_soon, log_to, clock=lambda: self.reactor.now) if log_to is not None else None
        self.service = Service(self.reactor, Settings(**settings), self.handler, log, wall_clock=lambda: 0.0)
        self.transport = ScriptedTransport(self.reactor, faults, sizes)
        self.connection = Connection(self.service, self.transport, Origin(PEER))
        self.transport.feed(early)
        self.connection.begin()

    @property
    def sent(self) -> bytes:
        return bytes(self.transport.sent)

    @property
    def statuses(self) -> list[int]:
        """Of the answers so far, interim ones included."""
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.sent)]

    @property
    def state(self) -> str:
        return self.connection.state.name

    @property
    def watched(self) -> int:
        """The events that the connection is watched for."""
        return self.reactor.watched.get(self.transport.fileno(), (0, None))[0]

    @property
    def callback(self) -> str:
        """The name of the method that the reactor would call."""
        entry = self.reactor.watched.get(self.transport.fileno())
        return "" if entry is None else getattr(entry[1], "__name__", "?")

    @property
    def due(self) -> float:
        """Seconds until the deadline."""
        return self.connection.deadline - self.reactor.now

    def arrive(self, *chunks: bytes) -> None:
        """Each chunk arrives when the one before has been dealt with."""
        for chunk in chunks:
            self.transport.feed(chunk)
            self.run()

    def end(self) -> None:
        """The peer's FIN arrives."""
        self.transport.end()
        self.run()

    def fail(self, fault: OSError = ECONNRESET) -> None:
        """The connection is lost."""
        self.transport.fail(fault)
        self.run()

    def take(self, room: int | None) -> None:
        """The peer has read: the kernel takes `room` more bytes."""
        self.transport.room = room
        self.run()

    def run(self) -> None:
        """Turn until there is nothing to do."""
        before, still = self._movement(), 0
        while self.reactor.turn() or self.transport.unblock():
            now = self._movement()
            still = still + 1 if now == before else 0
            before = now
            if still > 6:
                raise Spin(f"{still} turns without progress in {self.state}")

    def at(self, seconds: float) -> None:
        """It is `seconds` after the beginning: whoever is ready, then the deadlines, as the server does it."""
        self.reactor.now = START + seconds
        self.run()
        self.service.sweep()
        self.run()

    def assert_released(self) -> None:
        """The connection is closed, and nothing is left of it anywhere."""
        assert self.state == CLOSED.name
        assert not self.transport.is_open
        assert not self.reactor.watched
        assert not self.service.connections
        assert not self.service.clients
        assert self.service.working == 0

    def _movement(self) -> object:
        transport, connection = self.transport, self.connection
        return (transport.received, len(connection._inbox), len(transport.sent), connection.state, transport.is_open,
                transport.has_shut, connection._has_said_goodbye, len(transport.faults))  # fmt: skip


def head(line: str, *fields: str) -> bytes:
    """A request head, with a Host."""
    return "\r\n".join((line + " HTTP/1.1", "Host: test", *fields, "", "")).encode()


def get(path: str, *fields: str) -> bytes:
    return head(f"GET {path}", *fields)


def post(path: str, body: bytes, *fields: str) -> bytes:
    return head(f"POST {path}", f"Content-Length: {len(body)}", *fields) + body


def chunked(path: str, *pieces: bytes) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return head(f"POST {path}", "Transfer-Encoding: chunked") + body + b"0\r\n\r\n"


# What a test plays, as values.


def blocked(*chunks: bytes, room: int = 0) -> Callable[[World], None]:
    """The chunks arrive while the kernel takes no more than `room` bytes."""

    def play(world: World) -> None:
        world.transport.room = room
        world.arrive(*chunks)

    return play


def arriving(*chunks: bytes) -> Callable[[World], None]:
    return lambda world: world.arrive(*chunks)


def then(*plays: Callable[[World], Any]) -> Callable[[World], None]:
    def play(world: World) -> None:
        for each in plays:
            each(world)

    return play


def end(world: World) -> None:
    world.end()


def fail(world: World) -> None:
    world.fail()


def answer(value: Any) -> Callable[[World], None]:
    """The oldest Later is answered."""

    def play(world: World) -> None:
        world.handler.laters.pop(0).answer(value)
        world.run()

    return play


TOY = get("/toy", "Connection: Upgrade", "Upgrade: toy")
HELLO = get("/hello")
CLOSE = get("/hello", "Connection: close")
