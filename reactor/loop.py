"""The reactor: waits for descriptors, calls what is bound to them. An event loop one can hold in the head.

A *turn* is: select, read the clock once, tick if a second has passed, call back whoever is ready, then
whoever was put off by `call_soon`. `run` makes one turn after the other; another loop may make them instead
(`host`, `due`, `fileno`), and has this one as its guest. Law: it knows no HTTP; it sleeps until something is due, and
with nothing to keep time for it has no timeout at all; a callback that raises costs its own handle, not the loop.
"""

import logging
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE

TICK = 1.0  # seconds; deadlines are looked at this often

log = logging.getLogger("reactor")

Callback = Callable[[int], None]


class Handle(Protocol):
    """What can be watched: it has a descriptor, and `close` ends it, whatever state it is in."""

    def fileno(self) -> int: ...
    def close(self) -> None: ...


class Reactor:
    """One selector, one thread.

    Attributes: `now` (seconds, monotonic, read once a turn); `on_tick` (called about once a second while
    `keeps_time`, and at the first turn after a sleep; before the turn's callbacks); `keeps_time` (a bool that
    whoever has deadlines sets, so that the reactor wakes for the tick); `next_tick` (seconds: the next is not before
    that); `is_running` (False once it was told to stop).
    """

    is_running = False
    _on_soon: Callable[[], None] | None = None  # whose turns are made by another loop: there is something to do

    def __init__(
        self,
        selector: selectors.BaseSelector | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._selector = selector if selector is not None else selectors.DefaultSelector()
        self._clock = clock
        self._soon: deque[Callable[[], None]] = deque()
        self.next_tick = 0.0
        self._thread: int | None = None
        self.now = clock()
        self.on_tick: Callable[[], None] | None = None
        self.keeps_time = False
        self._waker = Waker()
        self.watch(self._waker, READ, self._waker.on_readable)

    def watch(self, handle: Handle, events: int, callback: Callback, before: int = 0) -> None:
        """Call `callback(ready)` when `handle` is ready for `events` (READ | WRITE; 0: no more).

        `before` is what it was watched for until now, which its owner knows and a selector need not be asked.
        """
        if not before:
            if events:
                self._selector.register(handle, events, callback)
        elif events:
            self._selector.modify(handle, events, callback)
        else:
            self._selector.unregister(handle)

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call `callback` at the end of this turn, or of the next if this one is there already.

        From another thread use `call_from_outside`.
        """
        self._soon.append(callback)
        if self._on_soon is not None:
            self._on_soon()

    def call_from_outside(self, callback: Callable[[], None]) -> None:
        """`call_soon` for any thread: wakes the reactor if it may be asleep."""
        self._soon.append(callback)
        if self._on_soon is not None and threading.get_ident() == self._thread:
            self._on_soon()
        if threading.get_ident() != self._thread:
            self._waker.wake()

    @property
    def signal_fd(self) -> int:
        """What `signal.set_wakeup_fd` takes, so that a signal ends the sleep."""
        return self._waker.signal_fd

    def run(self) -> None:
        """Turn until `stop`."""
        self.host(None)
        try:
            while self.is_running:
                self.turn()
        finally:
            self.leave()

    def stop(self) -> None:
        """Let `run` return when this turn is over. From another thread: `call_from_outside(reactor.stop)`."""
        self.is_running = False

    def host(self, on_soon: Callable[[], None] | None) -> None:
        """From now on and until `leave`, this thread makes the turns. Another loop than `run` makes one, with
        `may_sleep=False`, when `fileno` is readable, when it is `due`, and after `on_soon`, which is called where
        something was put off on this thread."""
        self.is_running = True
        self._thread = threading.get_ident()
        self._on_soon = on_soon

    def leave(self) -> None:
        self._thread = self._on_soon = None

    def fileno(self) -> int:
        """The selector's own descriptor (epoll's or kqueue's), readable while something watched is ready."""
        selector: Any = self._selector
        return int(selector.fileno())

    def due(self) -> float | None:
        """Seconds until a turn is due that no descriptor asks for; None: until one does."""
        if self._soon:
            return 0
        return max(self.next_tick - self._clock(), 0) if self.keeps_time else None

    def turn(self, may_sleep: bool = True) -> None:
        """One turn; blocks until something is due, if it may."""
        if self._soon or not may_sleep:
            timeout: float | None = 0
        elif self.keeps_time:
            timeout = max(self.next_tick - self._clock(), 0)
        else:
            timeout = None
        ready = self._selector.select(timeout)
        self.now = now = self._clock()
        if now >= self.next_tick:
            self.next_tick = now + TICK
            if self.on_tick is not None:
                try:
                    self.on_tick()
                except Exception as error:
                    self._drop(error, self.on_tick)
        for key, events in ready:
            callback = key.data
            try:
                callback(events)
            except Exception as error:
                self._drop(error, callback, key.fd)
        for _ in range(len(self._soon)):
            put_off = self._soon.popleft()
            try:
                put_off()
            except Exception as error:
                self._drop(error, put_off)

    def close(self) -> None:
        """Give the descriptors back. The reactor cannot be used again."""
        self._waker.close()
        self._selector.close()

    def _drop(self, error: Exception, callback: Callable[..., None], fd: int | None = None) -> None:
        """A callback raised: that is our bug. Log it, and let its handle go, so that it cannot happen for ever."""
        name = getattr(callback, "__qualname__", repr(callback))
        log.error("internal error in %s", name, exc_info=error)
        handle: Any = getattr(callback, "__self__", None)
        try:
            if hasattr(handle, "fileno"):  # else it is no handle: a server does not end with a failed tick
                handle.close()
        except Exception:
            log.exception("internal error in closing what %s is bound to", name)
        key = None if fd is None else self._selector.get_map().get(fd)
        if key is not None and key.data == callback:
            self._selector.unregister(key.fd)


class Waker:
    """A socket pair that makes the selector return: a byte into the one end is readable at the other.

    One is enough for all that threads put off until it is read: whoever finds that it `_is_sent` has put off before it
    is taken out, and is found with it. A third less for an answer from a thread.
    """

    def __init__(self) -> None:
        self._is_sent = False
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def fileno(self) -> int:
        return self._reader.fileno()

    @property
    def signal_fd(self) -> int:
        """The descriptor for `signal.set_wakeup_fd`."""
        return self._writer.fileno()

    def wake(self) -> None:
        if self._is_sent:
            return
        self._is_sent = True
        try:
            self._writer.send(b"\0")
        except BlockingIOError:
            pass  # it is full of bytes that nobody has read yet: the reactor will wake
        except OSError:
            pass  # it is closed: there is nobody to wake

    def on_readable(self, _ready: int) -> None:
        try:
            while len(self._reader.recv(4096)) == 4096:
                pass
        except BlockingIOError:
            pass
        self._is_sent = False  # behind the read: before it, a byte that is sent in between would be read, and missed

    def close(self) -> None:
        self._reader.close()
        self._writer.close()

