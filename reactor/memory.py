"""The kernel, played in memory: a transport without a socket and a reactor without a selector, for tests.

Law: they behave as the real ones do (level-triggered, one `recv` is one read, what is closed has no descriptor),
and are stricter: watching something twice, or raising in a callback, is an error that the test sees.
"""

from collections import deque
from collections.abc import Iterable
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO

from .loop import READ, WRITE, Callback, Handle, Reactor, Waker
from .transport import Transport, read_piece

_descriptors = count(1_000_000)  # of no file: a mistake with one shows


class ManualReactor(Reactor):
    """A Reactor that turns when told, over MemoryTransports, and whose clock is `now`, which a test assigns.

    A callback that raises is not logged and dropped: it raises out of `turn`. Another loop may make its turns, too.
    """

    def __init__(self, now: float = 0.0) -> None:  # not the base's: it would open a selector and a waker
        self.now = now
        self.on_tick = None
        self.keeps_time = False
        self.transports: dict[int, MemoryTransport] = {}
        self.watched: dict[int, tuple[int, Callback]] = {}
        self._soon = deque()
        self._outside: SimpleQueue[Any] = SimpleQueue()
        self._bell: Waker | None = None  # for a loop that sleeps elsewhere

    def watch(self, handle: Handle, events: int, callback: Callback, before: int = 0) -> None:
        fd = handle.fileno()
        known = self.watched.pop(fd, (0, callback))[0]
        if fd not in self.transports or known != before or not (events or before):
            raise ValueError(f"{fd} was watched for {known}, and its owner says {before}, then {events}")
        if events:
            self.watched[fd] = (events, callback)
            if self._on_soon is not None:
                self._on_soon()

    def call_from_outside(self, callback: Any) -> None:
        self._outside.put(callback)
        if self._bell is not None:
            self._bell.wake()

    def fileno(self) -> int:
        """What another loop can watch: readable when something was put off from outside; the rest is `due`."""
        if self._bell is None:
            self._bell = Waker()
        return self._bell.fileno()

    def due(self) -> float | None:
        is_due = self._soon or any(events for _, events in self._ready())
        return 0 if is_due else None

    def close(self) -> None:
        if self._bell is not None:
            self._bell.close()
            self._bell = None

    def turn(self, may_sleep: bool = True) -> bool:  # type: ignore[override]  # the base's sleeps instead of saying so
        """One turn, which never sleeps; False: there was nothing to do."""
        if self._bell is not None:
            self._bell.on_readable(READ)
        while not self._outside.empty():
            self._soon.append(self._outside.get())
        ready = self._ready()
        is_idle = not self._soon and not any(events for _, events in ready)
        for callback, events in ready:
            if events:
                callback(events)
        for _ in range(len(self._soon)):
            self._soon.popleft()()
        return not is_idle

    def wait(self, timeout: float) -> None:
        """Wait for `call_from_outside`, from a thread; TimeoutError after `timeout` seconds."""
        try:
            self._soon.append(self._outside.get(timeout=max(timeout, 0)))
        except Empty:
            raise TimeoutError("the handler's Later was not answered in time") from None

    def _ready(self) -> list[tuple[Callback, int]]:
        """What is watched, and what it is ready for."""
        return [(callback, events & self.transports[fd].ready()) for fd, (events, callback) in self.watched.items()]


class MemoryTransport(Transport):
    """A connected transport in memory. `feed`, `end` and `fail` play the peer; `sent` is what has reached it.

    Attributes: `has_shut` (we sent FIN), `is_open`, `is_aborted` (we closed it with a reset).
    """

    __slots__ = ("_arrived", "_failure", "_fd", "_has_ended", "_reactor", "has_shut", "is_aborted", "is_open", "sent")

    def __init__(self, reactor: ManualReactor) -> None:  # not the base's: there is no socket
        self._reactor = reactor
        self._fd = next(_descriptors)
        self._arrived: deque[bytes] = deque()
        self._has_ended = False
        self._failure: OSError | None = None
        self.sent = bytearray()
        self.has_shut = self.is_aborted = False
        self.is_open = True
        reactor.transports[self._fd] = self

    def feed(self, data: bytes) -> None:
        """`data` has arrived; one `recv` gives no more than that."""
        if data:
            self._arrived.append(data)

    def end(self) -> None:
        """The peer's FIN has arrived, behind what was fed."""
        self._has_ended = True

    def fail(self, error: OSError) -> None:
        """The connection is lost (reset, timed out): whatever is asked of it raises `error`."""
        self._failure = error

    def ready(self) -> int:
        """What a selector would report."""
        return WRITE | (READ if self._arrived or self._has_ended or self._failure else 0)

    def fileno(self) -> int:
        return self._fd if self.is_open else -1

    def recv(self, size: int) -> bytes:
        self._check()
        if not self._arrived:
            if self._has_ended:
                return b""
            raise BlockingIOError
        data = self._arrived.popleft()
        if len(data) > size:
            self._arrived.appendleft(data[size:])
        return data[:size]

    def send(self, data: bytes | bytearray | memoryview) -> int:
        self._check()
        if self.has_shut:
            raise BrokenPipeError
        self.sent += data
        return len(data)

    def send_more(self, data: bytes | bytearray | memoryview) -> int:
        return self.send(data)

    def sendmsg(self, buffers: Iterable[bytes | bytearray | memoryview]) -> int:
        return self.send(b"".join(buffers))

    def sendfile(self, file: BinaryIO, offset: int, count: int) -> int:
        data = read_piece(file, offset, count)
        return self.send(data) if data else 0

    def shutdown_write(self) -> None:
        self._check()
        self.has_shut = True

    def queued(self) -> int:
        return 0

    def has_failed(self) -> bool:
        return self._failure is not None

    def close(self) -> None:
        self.is_open = False
        self._reactor.transports.pop(self._fd, None)

    def abort(self) -> None:
        self.is_aborted = True
        self.close()

    def _check(self) -> None:
        if not self.is_open:
            raise OSError("closed")
        if self._failure is not None:  # a new one each time: a traceback would keep the connection alive
            raise type(self._failure)(*self._failure.args)
