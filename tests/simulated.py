"""A kernel that does what a test says: every system call is recorded, and can fail or come up short at will.

A `World` is one connection on a `ScriptedTransport` with a clock that the test assigns, and a `Zoo` is a handler
that has every kind of answer and remembers what became of each. Law: nothing here sleeps, and a reactor that goes
on turning with nothing moving is a failure (`Spin`).
"""

import errno
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, TextIO

from reactor.access_log import AccessLog
from reactor.answers import Answer, Later, Link, Upgrade, UpgradedProtocol
from reactor.connection import Connection
from reactor.http1.request import Origin, Request
from reactor.http1.response import FileBody, Response
from reactor.loop import READ, WRITE, Callback, Handle
from reactor.memory import ManualReactor, MemoryTransport
from reactor.service import Service
from reactor.settings import Settings
from reactor.state import CLOSED

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

    def send(self, data: bytes | memoryview) -> int:
        return self._take("send", data)

    def sendmsg(self, buffers: Iterable[bytes | memoryview]) -> int:  # type: ignore[override]  # there, a socket's own
        buffers = list(buffers)
        if len(buffers) > IOV_MAX:
            raise error(errno.EMSGSIZE)
        return self._take("sendmsg", b"".join(buffers))

    def sendfile(self, file: BinaryIO, offset: int, count: int) -> int:
        count = self._allow("sendfile", count, WRITE)
        file.seek(offset)
        return super().send(file.read(count))

    def shutdown_write(self) -> None:
        self._allow("shutdown", 1, 0)
        super().shutdown_write()

    def close(self) -> None:
        self.calls.append("close")
        super().close()

    def _take(self, name: str, data: bytes | memoryview) -> int:
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

    Attributes: `reactor`, `service`, `transport`, `connection`; `handler` (a Zoo unless another was given).
    Keyword arguments that are not named here are Settings.
    """

    def __init__(
        self,
        handler: Any = None,
        *,
        faults: Mapping[int, Fault] | None = None,
        sizes: Iterator[int] | None = None,
        log_to: TextIO | None = None,
        **settings: Any,
    ) -> None:
        self.reactor = CountingReactor()
        self.handler = handler if handler is not None else Zoo()
        log = AccessLog(self.reactor.call_soon, log_to, clock=lambda: self.reactor.now) if log_to is not None else None
        self.service = Service(self.reactor, Settings(**settings), self.handler, log, wall_clock=lambda: 0.0)
        self.transport = ScriptedTransport(self.reactor, faults, sizes)
        self.connection = Connection(self.service, self.transport, Origin(PEER))

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
        return (transport.received, len(transport.sent), connection.state, transport.is_open, transport.has_shut,
                connection._has_said_goodbye, len(transport.faults))  # fmt: skip


PIECES = [b"one", b"two" * 100, b"", b"three" * 1000]
BIG = bytes(range(256)) * 800  # 200 KiB: more than is joined, more than one piece
FILE = bytes(reversed(range(256))) * 300


class Zoo:
    """A handler with every kind of answer, by path. Attribute `events`: what happened, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.laters: list[Later] = []
        self.protocols: list[Toy] = []
        self.bodies: list[bytes] = []
        self.order: list[str] = []  # the paths of the requests, as they were handled

    def on_head(self, request: Request) -> Any:
        match request.path:
            case "/sink":
                return Sink(self)
            case "/early":
                return Response(401, "no")
            case "/early-big":
                return Response(401, BIG)
            case "/early-later":
                return self.promise()
        return None

    def __call__(self, request: Request) -> Answer:
        self.order.append(request.path)
        match request.path:
            case "/big":
                return Response(200, BIG)
            case "/echo":
                self.bodies.append(request.body)
                return Response(200, request.body)
            case "/file":
                return Response(200, FileBody(self.file(), 3, len(FILE) - 5))
            case "/iterator":
                return Response(200, self.pieces(PIECES))
            case "/iterator-length":
                return Response(200, self.pieces(PIECES), length=sum(map(len, PIECES)))
            case "/promises":
                return Response(200, self.pieces([b"first", self.promise, b"last"]))
            case "/later":
                return self.promise()
            case "/toy":
                self.protocols.append(Toy(self))
                return Upgrade("toy", self.protocols[-1])
            case "/later-toy":
                return self.promise()
            case "/raise":
                raise RuntimeError("as asked")
        return Response(200, "Hello")

    def promise(self) -> Later:
        later = Later()
        later.on_goodbye = lambda: self.events.append("goodbye")
        later.on_abandon = lambda: self.events.append("abandoned")
        self.laters.append(later)
        return later

    def pieces(self, pieces: Iterable[Any]) -> Iterator[Any]:
        self.events.append("iterator open")
        try:
            for piece in pieces:
                yield piece() if callable(piece) else piece
        finally:
            self.events.append("iterator closed")

    def file(self) -> BinaryIO:
        file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  # the connection closes it
        file.write(FILE)
        return file


class Sink:
    """Takes a body as it comes; at a `wait` in it, it asks for time once, and with a `stop` it has enough."""

    limit = 1_000_000

    def __init__(self, zoo: Zoo) -> None:
        self._zoo = zoo
        self._pieces: list[bytes] = []
        self._has_waited = False
        zoo.events.append("sink open")

    def feed(self, data: bytes) -> Later | Response | None:
        self._pieces.append(data)
        so_far = b"".join(self._pieces)
        if b"stop" in so_far:
            return Response(403, "enough")
        if b"wait" not in so_far or self._has_waited:
            return None
        self._has_waited = True
        return self._zoo.promise()

    def finish(self) -> Answer:
        self._zoo.events.append("sink finished")
        self._zoo.bodies.append(b"".join(self._pieces))
        return Response(200, b"".join(self._pieces))

    def abort(self) -> None:
        self._zoo.events.append("sink aborted")


class Toy(UpgradedProtocol):
    """Echoes; says bye to `bye` and closes; raises at `raise`."""

    timeout = 20.0

    def __init__(self, zoo: Zoo) -> None:
        self._zoo = zoo
        self.link: Link | None = None
        self.fed: list[bytes] = []

    def on_connect(self, link: Link) -> None:
        self.link = link
        self._zoo.events.append("toy connected")

    def feed(self, data: bytes) -> None:
        assert self.link is not None
        self.fed.append(data)
        if data == b"raise":
            raise RuntimeError("as asked")
        self.link.send(data)
        if data == b"bye":
            self.link.close()

    def on_sent(self) -> None:
        self._zoo.events.append("toy sent")

    def on_shutdown(self) -> None:
        assert self.link is not None
        self.link.send(b"going")
        self.link.close()

    def on_close(self) -> None:
        self._zoo.events.append("toy closed")


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


TOY = get("/toy", "Connection: Upgrade", "Upgrade: toy")
