"""The machine, played: sockets, a selector, a clock and other threads, from one source of randomness.

Law: it behaves as Linux does where that is known, and otherwise as badly as it may: any call can be short or say "not
now", readiness can be untrue, descriptors are used again at once, and a connection, memory or the table of descriptors
can be lost at any call. Time passes only while the server sleeps. A server that turns without anything moving, or
sleeps when nothing will ever wake it, is a `Failure`.
"""

import errno
import heapq
import os
import selectors
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from random import Random
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn, Protocol
from unittest import mock

from reactor.http1.dates import http_date
from reactor.loop import READ, WRITE, Reactor

START = 1000.0  # seconds on the clock when it begins
PATIENCE = 60  # turns at one moment in which nothing moves
WAKER_ROOM = 3  # bytes that a waker's socket takes; a real one takes more, and is full as well at last
LOOP, OTHER = 1, 2  # the threads, by name

Action = Callable[[], object]


class Failure(AssertionError):
    """Something that must always be true is not."""


class Weather(NamedTuple):
    """How likely it is, at one call, that something goes wrong. `short`, `again` and `spurious` are ordinary life:
    they excuse nothing. `interleaved`: that another thread runs in the middle of the call."""

    short: float = 0.0  # the call moves fewer bytes than it could
    again: float = 0.0  # EAGAIN, although it could
    spurious: float = 0.0  # the selector reports what is not so
    interleaved: float = 0.0
    lost: float = 0.0  # the connection is gone: ECONNRESET, EPIPE, ETIMEDOUT
    starved: float = 0.0  # ENOBUFS, ENOMEM: this call only
    refused: float = 0.0  # accept: EMFILE, ENFILE, ENOBUFS, ECONNABORTED
    unwatched: float = 0.0  # the selector takes no more: ENOSPC, ENOMEM


class Peer(Protocol):
    """The other end of a Stream: told what the server does with its side, as it does it."""

    name: str
    unread: int  # bytes that it has not read yet

    def on_accept(self, stream: "Stream") -> None: ...
    def on_taken(self, count: int) -> None:
        """The server has read `count` more bytes."""

    def on_data(self, data: bytes) -> None:
        """The server has written."""

    def on_end(self, is_reset: bool, is_closed: bool) -> None:
        """The server has sent its FIN, or closed (which is a reset, where it is one)."""


class Kernel:
    """Attributes: `now` (seconds), `random`, `weather`, `moved` (counts what happened), `descriptors` (the open ones),
    `limit` (how many there may be), `trace` (a list of lines, or None), `on_turn` (called between turns), `on_awake`
    (when the selector has looked, and the server has not: what happens now it does not know), `starved_at` (when
    accepting or watching last failed: it is tried again with a tick), `is_crowded` (whether all places are taken),
    `failures`.
    """

    def __init__(self, random: Random, weather: Weather, trace: list[str] | None = None) -> None:
        self.now = START
        self.random = random
        self.weather = weather
        self.moved = 0
        self.descriptors: dict[int, Stream | Listening | WakerEnd | Epoll] = {}
        self.limit = 1 << 30
        self.trace = trace
        self.on_turn: Action = lambda: None
        self.on_awake: Action = lambda: None
        self.is_crowded: Callable[[], bool] = lambda: False
        self.thread = LOOP
        self.starved_at = 0.0
        self.failures: list[Failure] = []
        self._events: list[tuple[float, int, Action]] = []
        self._count = 0
        self._loose: deque[Action] = deque()  # what other threads are about to do
        self._idle = 0
        self._seen = (0.0, 0)

    # Time and threads.

    def at(self, delay: float, action: Action) -> None:
        """`action` happens in `delay` seconds, outside the server."""
        self._count += 1
        heapq.heappush(self._events, (self.now + delay, self._count, action))

    def in_thread(self, delay: float, action: Action) -> None:
        """Another thread of the server's process does `action` in `delay` seconds; 0: any moment now."""
        if delay:
            self.at(delay, lambda: self._as_other(action))
        else:
            self._loose.append(action)

    def clock(self) -> float:
        return self.now

    def get_ident(self) -> int:
        return self.thread

    def chance(self, probability: float) -> bool:
        return probability > 0 and self.random.random() < probability

    def say(self, who: str, what: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.now - START:9.3f}  {who:<8} {what}")

    def fail(self, what: str) -> NoReturn:
        """It must not be so. Whoever catches this, the next turn is the last."""
        self.say("FAILURE", what)
        self.failures.append(Failure(what))
        raise self.failures[-1]

    def call(self) -> None:
        """The server has called: others may run before it goes on."""
        if self._loose and self.chance(self.weather.interleaved):
            self._as_other(self._loose.popleft())

    def _as_other(self, action: Action) -> None:
        former, self.thread = self.thread, OTHER
        try:
            action()
        finally:
            self.thread = former
        self.moved += 1

    # Descriptors.

    def open(self, file: "Stream | Listening | WakerEnd | Epoll") -> int:
        """The lowest number that is free, as POSIX has it."""
        fd = 3
        while fd in self.descriptors:
            fd += 1
        self.descriptors[fd] = file
        return fd

    def socketpair(self) -> "tuple[WakerEnd, WakerEnd]":
        reader = WakerEnd(self, None)
        return reader, WakerEnd(self, reader)

    def socket(self, family: int, kind: int, _protocol: int, fd: int) -> "Stream":
        """A socket for a descriptor that another was detached from."""
        assert (family, kind) == (-1, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        stream = self.descriptors.get(fd)
        if not isinstance(stream, Stream):
            self.fail(f"{fd} was parked, and is no connection")
        stream.attach(fd)
        return stream

    def close(self, fd: int) -> None:
        self.socket(-1, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, 0, fd).close()

    def sendfile(self, out: int, file: int, offset: int, count: int) -> int:
        data = os.pread(file, count, offset)
        stream = self.descriptors[out]
        assert isinstance(stream, Stream)
        return stream.send(data) if data else 0

    def ioctl(self, fd: int, _question: int, _buffer: bytes) -> bytes:
        stream = self.descriptors[fd]
        assert isinstance(stream, Stream)
        return stream.peer.unread.to_bytes(4, sys.byteorder)

    # Sleeping.

    def select(self, registered: "dict[int, selectors.SelectorKey]", timeout: float | None) -> list[tuple[Any, int]]:
        """What is ready; sleeps, which is when time passes."""
        if self.failures:
            raise self.failures[0]
        self.on_turn()
        while self._loose:
            self._as_other(self._loose.popleft())
        until = inf if timeout is None else self.now + max(timeout, 0)
        while True:
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
                self.moved += 1
            ready = [(key, key.events & self._ready(fd)) for fd, key in registered.items()]
            ready = [(key, events) for key, events in ready if events]
            if not ready and registered and self.chance(self.weather.spurious):
                key = self.random.choice(list(registered.values()))
                if not getattr(self.descriptors[key.fd], "is_connecting", False):  # of that it is the only sign
                    ready = [(key, key.events)]
                    self.say("kernel", f"says that {key.fd} is ready, and it is not")
            if ready or self.now >= until:
                break
            self.now = min(until, self._events[0][0] if self._events else inf)
            if self.now == inf:
                self.fail("the loop sleeps, and nothing will ever wake it")
        if self.chance(self.weather.interleaved):
            self.on_awake()
        self._idle = self._idle + 1 if self._seen == (self.now, self.moved) else 0
        self._seen = (self.now, self.moved)
        if self._idle > PATIENCE:
            self.fail(f"the loop spins: {PATIENCE} turns and nothing moved; ready: {ready}")
        self.random.shuffle(ready)
        return ready

    def _ready(self, fd: int) -> int:
        file = self.descriptors.get(fd)
        return 0 if file is None else file.ready()

    # In place of the real one.

    def _make_reactor(self) -> Reactor:
        return Reactor(Selector(self), self.clock)  # type: ignore[arg-type]  # as much of a selector as it uses

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Everything that the server asks the system for, it asks this kernel. This is the whole of it."""
        sockets = SimpleNamespace(socketpair=self.socketpair)
        controls = SimpleNamespace(ioctl=self.ioctl)
        system = SimpleNamespace(sendfile=self.sendfile)
        polls = SimpleNamespace(poll=lambda: Poll(self))
        epolls = SimpleNamespace(epoll=lambda: Epoll(self), EPOLLIN=READ)
        names = ("SOCK_STREAM", "SOCK_NONBLOCK", "SHUT_WR", "SOL_SOCKET", "SO_LINGER")
        again = SimpleNamespace(socket=self.socket, close=self.close, **{name: getattr(socket, name) for name in names})
        identity = SimpleNamespace(get_ident=self.get_ident)
        not_main = SimpleNamespace(current_thread=self.get_ident, main_thread=lambda: None)  # signals are not ours
        with (
            mock.patch("reactor.loop.socket", sockets),
            mock.patch("reactor.loop.threading", identity),
            mock.patch("reactor.transport.os", system),
            mock.patch("reactor.transport.fcntl", controls),
            mock.patch("reactor.transport.select", polls),
            mock.patch("reactor.transport.socket", again),
            mock.patch("reactor.parking.select", epolls),
            mock.patch("reactor.server.threading", not_main),
            mock.patch("reactor.server.Reactor", self._make_reactor),
            mock.patch("reactor.courier.monotonic", self.clock),
            mock.patch("reactor.respondent.monotonic", self.clock),
            mock.patch("reactor.upgrade.monotonic", self.clock),
            mock.patch("reactor.outbox.monotonic", self.clock),
            mock.patch("reactor.service.http_date", return_value=http_date(START)),
        ):
            yield


class Selector:
    """As much of a selector as a reactor uses, and as strict: it knows what is registered by its number."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.registered: dict[int, selectors.SelectorKey] = {}

    def register(self, handle: Any, events: int, data: Any) -> None:
        fd = handle.fileno()
        if fd not in self._kernel.descriptors:
            raise ValueError(f"{fd} is no open descriptor")
        if fd in self.registered:
            raise KeyError(f"{fd} is registered already")
        file = self._kernel.descriptors[fd]
        # Without its waker and its parking there would be no server to test.
        if not isinstance(file, WakerEnd | Epoll) and self._kernel.chance(self._kernel.weather.unwatched):
            self._kernel.starved_at = self._kernel.now
            if isinstance(file, Stream):
                file.is_disturbed = True
            raise OSError(self._kernel.random.choice((errno.ENOSPC, errno.ENOMEM)), "the selector takes no more")
        self.registered[fd] = selectors.SelectorKey(handle, fd, events, data)

    def modify(self, handle: Any, events: int, data: Any) -> None:
        fd = handle.fileno()
        if fd not in self.registered:
            raise KeyError(f"{fd} is not registered")
        if self._kernel.chance(self._kernel.weather.unwatched):
            del self.registered[fd]  # what it knew before is lost, as with the real ones
            stream = self._kernel.descriptors[fd]
            assert isinstance(stream, Stream)
            stream.is_disturbed = True
            raise OSError(errno.ENOMEM, "the selector cannot change what it watches")
        self.registered[fd] = selectors.SelectorKey(handle, fd, events, data)

    def unregister(self, handle: Any) -> None:
        del self.registered[handle if isinstance(handle, int) else handle.fileno()]

    def select(self, timeout: float | None) -> list[tuple[Any, int]]:
        return self._kernel.select(self.registered, timeout)

    def get_map(self) -> dict[int, selectors.SelectorKey]:
        return self.registered

    def close(self) -> None:
        self.registered.clear()


class Epoll:
    """select.epoll, as much of it as the parking uses, and as strict; a descriptor of its own."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._fd = kernel.open(self)
        self.registered: set[int] = set()

    def fileno(self) -> int:
        return self._fd

    def ready(self) -> int:
        return READ if self._ready() else 0

    def register(self, fd: int, events: int) -> None:
        assert events == READ
        if fd in self.registered or not isinstance(self._kernel.descriptors.get(fd), Stream):
            self._kernel.fail(f"{fd} is parked, and is no open connection, or is there already")
        if self._kernel.chance(self._kernel.weather.unwatched):
            raise OSError(errno.ENOSPC, "the epoll takes no more")
        self.registered.add(fd)
        self._kernel.moved += 1

    def unregister(self, fd: int) -> None:
        self.registered.remove(fd)
        self._kernel.moved += 1

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        assert timeout == 0
        found = self._ready()
        if self.registered and self._kernel.chance(self._kernel.weather.spurious):
            found = found or [self._kernel.random.choice(sorted(self.registered))]
        self._kernel.random.shuffle(found)
        return [(fd, READ) for fd in found[:most]]

    def close(self) -> None:
        if self.registered:
            self._kernel.fail(f"{self.registered} are parked, and nobody will ever look at them")
        del self._kernel.descriptors[self._fd]

    def _ready(self) -> list[int]:
        return [fd for fd in sorted(self.registered) if self._kernel._ready(fd) & READ]


class Poll:
    """select.poll, asked for hang-ups only."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._stream: Any = None

    def register(self, stream: Any, _events: int) -> None:
        self._stream = stream

    def poll(self, _timeout: float) -> list[int]:
        return [1] if self._stream.has_hung_up() else []


class WakerEnd:
    """One end of the socket pair that wakes the loop; `reader` is the other, of the end that writes."""

    def __init__(self, kernel: Kernel, reader: "WakerEnd | None") -> None:
        self._kernel = kernel
        self._reader = reader
        self._bytes = 0
        self._fd = kernel.open(self)

    def setblocking(self, _flag: bool) -> None: ...

    def fileno(self) -> int:
        return self._fd

    def ready(self) -> int:
        return READ if self._bytes else 0

    def send(self, data: bytes) -> int:
        assert self._reader is not None
        if self._reader._bytes + len(data) > WAKER_ROOM:
            raise BlockingIOError
        self._reader._bytes += len(data)
        return len(data)

    def recv(self, _size: int) -> bytes:
        if not self._bytes:
            raise BlockingIOError
        count, self._bytes = self._bytes, 0
        self._kernel.moved += 1
        return bytes(count)

    def close(self) -> None:
        if self._fd >= 0:
            del self._kernel.descriptors[self._fd]
            self._fd = -1


class Listening:
    """A socket that listens."""

    type = socket.SOCK_STREAM

    def __init__(self, kernel: Kernel, name: Any) -> None:
        self._kernel = kernel
        self._name = name
        self._queue: deque[tuple[Peer, Any]] = deque()
        self._fd = kernel.open(self)
        self._was_put_off = False  # the last accept said "not now" although somebody waits

    def connect(self, peer: Peer, address: Any, window: int) -> "Stream | None":
        """A client connects: the kernel accepts for us, and its bytes can arrive; None: nobody listens."""
        if self._fd < 0:
            return None
        stream = Stream(self._kernel, peer, window)
        self._queue.append((peer, (stream, address)))
        return stream

    def setblocking(self, _flag: bool) -> None: ...
    def set_inheritable(self, _flag: bool) -> None: ...
    def setsockopt(self, *_option: object) -> None: ...

    def getsockname(self) -> Any:
        return self._name

    def fileno(self) -> int:
        return self._fd

    def ready(self) -> int:
        return READ if self._queue else 0

    def accept(self) -> tuple["Stream", Any]:
        kernel = self._kernel
        kernel.call()
        self._was_put_off = bool(self._queue) and kernel.chance(kernel.weather.again)
        if not self._queue or self._was_put_off:
            raise BlockingIOError
        number = 0
        if len(kernel.descriptors) >= kernel.limit:
            number = errno.EMFILE
        elif kernel.chance(kernel.weather.refused):
            number = kernel.random.choice((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED))
        if number:
            kernel.say("kernel", f"accept: {errno.errorcode[number]}")
            kernel.starved_at = kernel.now
            if number == errno.ECONNABORTED:
                self._queue.popleft()[0].on_end(True, True)
            raise OSError(number, errno.errorcode[number])
        peer, (stream, address) = self._queue.popleft()
        kernel.moved += 1
        stream.accept(address)
        peer.on_accept(stream)
        return stream, address

    def close(self) -> None:
        if self._fd >= 0:
            del self._kernel.descriptors[self._fd]
            self._fd = -1
            if self._was_put_off:
                self._kernel.starved_at = self._kernel.now
            for peer, _ in self._queue:
                peer.on_end(True, True)
            self._queue.clear()


class Stream:
    """The server's end of a connection. The client's side of it is `arrive`, `end`, `reset`, `leave` and `read`.

    Attributes: `peer` (the client); `is_disturbed` (the kernel broke it, or a call of it: whatever follows is excused),
    `was_put_off` (the last read said "not now" although bytes were here), `received` (bytes the server has read),
    `inbound` (bytes it has not), `room` (bytes the other side still takes), `has_ended` (the client's FIN is here),
    `has_shut` (ours is sent), `is_open`, `is_dead` (reset).
    """

    def __init__(self, kernel: Kernel, peer: Peer, window: int) -> None:
        self._kernel = kernel
        self.peer = peer
        self._fd = -1
        self._error = 0  # pending; told once, as SO_ERROR is
        self._is_reset_on_close = False
        self._has_left = False  # the client has closed both ways: what we send is answered with a reset
        self._low_water = window // 3
        self.inbound = bytearray()
        self.room = window
        self.received = 0
        self.has_ended = self.has_shut = self.is_dead = self.is_disturbed = self.was_put_off = False
        self.is_open = True

    # The client's side.

    def arrive(self, data: bytes) -> None:
        if self.is_open and not self.is_dead:
            self.inbound += data
        elif not self.is_open:
            self.peer.on_end(True, True)  # a reset is what bytes for a closed socket are answered with

    def end(self) -> None:
        self.has_ended = True

    def reset(self, number: int = errno.ECONNRESET) -> None:
        """What is not read yet is lost with the connection."""
        if not self.is_dead:
            self.is_dead = True
            self._error = number
            self.inbound.clear()

    def leave(self) -> None:
        self.has_ended = self._has_left = True

    def read(self, count: int) -> None:
        self.room += count

    # The server's.

    def accept(self, address: Any) -> None:
        self._fd = self._kernel.open(self)
        self._address = address

    def detach(self) -> int:
        fd, self._fd = self._fd, -1
        return fd

    def attach(self, fd: int) -> None:
        if self._fd >= 0:
            self._kernel.fail(f"{fd} is parked, and somebody has it still")
        self._fd = fd

    def getpeername(self) -> Any:
        self._enter("getpeername")
        if self.is_dead:
            raise OSError(errno.ENOTCONN, "ENOTCONN")
        return self._address

    def setblocking(self, _flag: bool) -> None: ...

    def fileno(self) -> int:
        return self._fd

    def ready(self) -> int:
        if self.has_hung_up():
            return READ | WRITE
        return (READ if self.inbound or self.has_ended else 0) | (WRITE if self.room > self._low_water else 0)

    def has_hung_up(self) -> bool:
        return self.is_dead or (self.has_ended and self.has_shut)

    def recv(self, size: int) -> bytes:
        self._enter("recv")
        kernel = self._kernel
        if self.inbound:
            if kernel.chance(kernel.weather.again):
                self.was_put_off = True
                kernel.say(self.peer.name, "recv: not now")
                raise BlockingIOError
            count = min(size, len(self.inbound))
            if kernel.chance(kernel.weather.short):
                count = kernel.random.randint(1, count)
            data = bytes(self.inbound[:count])
            del self.inbound[:count]
            self.received += count
            self.was_put_off = False
            kernel.moved += 1
            kernel.say(self.peer.name, f"recv: {count} bytes {data[:60]!r}")
            self.peer.on_taken(count)
            return data
        if self.has_ended or self.is_dead:
            kernel.say(self.peer.name, "recv: the end")
            return b""
        kernel.say(self.peer.name, "recv: nothing")
        raise BlockingIOError

    def send(self, data: bytes | memoryview, _flags: int = 0) -> int:
        self._enter("send")
        kernel = self._kernel
        if self.has_shut or self.is_dead:
            raise BrokenPipeError(errno.EPIPE, "EPIPE")
        if self._has_left:
            kernel.at(0.001, self.reset)
            return len(data)
        count = min(len(data), self.room)
        if not count or kernel.chance(kernel.weather.again):
            kernel.say(self.peer.name, "send: not now")
            raise BlockingIOError
        if kernel.chance(kernel.weather.short):
            count = kernel.random.randint(1, count)
        self.room -= count
        kernel.moved += 1
        kernel.say(self.peer.name, f"send: {count} of {len(data)} bytes {bytes(data[:60])!r}")
        self.peer.on_data(bytes(data[:count]))
        return count

    def sendmsg(self, buffers: list[bytes | memoryview]) -> int:
        assert len(buffers) <= 1024, "EMSGSIZE"
        return self.send(b"".join(buffers))

    def shutdown(self, how: int) -> None:
        self._enter("shutdown")
        assert how == socket.SHUT_WR
        if self.is_dead:
            raise OSError(errno.ENOTCONN, "ENOTCONN")
        self.has_shut = True
        self._kernel.moved += 1
        self._kernel.say(self.peer.name, "shutdown: FIN")
        self.peer.on_end(False, False)

    def setsockopt(self, *_option: object) -> None:
        self._is_reset_on_close = True  # SO_LINGER with zero seconds: the only option that is set

    def close(self) -> None:
        if self._fd < 0:
            return
        del self._kernel.descriptors[self._fd]
        self._fd = -1
        self.is_open = False
        self._kernel.moved += 1
        is_reset = self._is_reset_on_close or bool(self.inbound)
        self._kernel.say(self.peer.name, "close" + (" with a reset" if is_reset else ""))
        self.peer.on_end(is_reset or self.is_dead, True)

    def _enter(self, name: str) -> None:
        """A call: others run, and it may go wrong."""
        kernel, weather = self._kernel, self._kernel.weather
        kernel.call()
        if self._fd < 0:
            kernel.fail(f"{name} on a closed descriptor")
        if kernel.chance(weather.lost):
            self.is_disturbed = True
            self.reset(kernel.random.choice((errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.EHOSTUNREACH)))
        if self._error:
            number, self._error = self._error, 0
            kernel.moved += 1
            kernel.say(self.peer.name, f"{name}: {errno.errorcode[number]}")
            raise OSError(number, errno.errorcode[number])
        if kernel.chance(weather.starved):
            self.is_disturbed = True
            number = kernel.random.choice((errno.ENOBUFS, errno.ENOMEM))
            kernel.say(self.peer.name, f"{name}: {errno.errorcode[number]}")
            raise OSError(number, errno.errorcode[number])
