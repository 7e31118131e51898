"""One connection on a real reactor, over a real socket pair, and the counting of what it calls."""

import gc
import select
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType
from typing import Any

from reactor.connection import Connection
from reactor.http1.request import Origin
from reactor.loop import Reactor
from reactor.service import Service
from reactor.settings import Settings
from reactor.transport import Transport

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = (str(ROOT / "reactor"), str(ROOT / "handlers"))
ROOM = 64 * 1024  # bytes that the kernel takes at once: how many more it would take is the machine's own affair
LONGEST = 2 * 1024 * 1024  # bytes of an answer

# Methods that ask the kernel, where they have another name in Python; those of a socket have the same.
EPOLL = {"poll": "epoll_wait", "register": "epoll_ctl", "modify": "epoll_ctl", "unregister": "epoll_ctl"}
BY_MODULE = {"fcntl": ("ioctl", "fcntl"), "posix": ("sendfile", "read", "write", "lseek", "close")}
ASKS_NOBODY = ("fileno", "gettimeout")


class Narrow(socket.socket):
    """A socket that takes `ROOM` bytes at a time."""

    def send(self, data: Any, flags: int = 0) -> int:
        return super().send(memoryview(data)[:ROOM], flags)

    def sendmsg(self, buffers: Iterable[Any], *arguments: Any) -> int:
        taken, left = [], ROOM
        for buffer in buffers:
            taken.append(memoryview(buffer)[:left])
            left -= len(taken[-1])
        return super().sendmsg(taken, *arguments)


class Calls:
    """What was called: `python` (names, in order; of functions in `reactor/` and `handlers/`), `in_c` (names of what
    those called in C), `system` (system calls by name, whoever made them)."""

    def __init__(self) -> None:
        self.python: list[str] = []
        self.in_c: list[str] = []
        self.system: Counter[str] = Counter()

    def during(self, work: Callable[[], Any]) -> None:
        """Do it, and count."""
        former = sys.getprofile()
        gc.disable()  # its callbacks, where somebody has set any, would be counted
        sys.setprofile(self._profile)
        try:
            work()
        finally:
            sys.setprofile(former)
            gc.enable()

    def _profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            if frame.f_code.co_filename.startswith(OURS):
                self.python.append(frame.f_code.co_qualname)
        elif event == "c_call":
            if frame.f_code.co_filename.startswith(OURS):
                self.in_c.append(argument.__name__)
            if (name := _system_call(argument)) is not None:
                self.system[name] += 1


def _system_call(function: Any) -> str | None:
    """Which one a function in C makes, or None."""
    owner, name = getattr(function, "__self__", None), function.__name__
    if isinstance(owner, socket.socket):
        return None if name in ASKS_NOBODY else name
    if isinstance(owner, select.epoll):
        return EPOLL.get(name)
    return name if name in BY_MODULE.get(function.__module__ or "", ()) else None


class Served:
    """A client and what serves it. `turn` runs the reactor once: whoever counts puts something around it."""

    def __init__(self, handler: Any) -> None:
        self.reactor = Reactor()
        self.service = Service(self.reactor, Settings(), handler)
        ours, self.peer = socket.socketpair()
        for sock in (ours, self.peer):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * ROOM)
        ours.setblocking(False)
        self._ours = Narrow(fileno=ours.detach())
        self._answer = memoryview(bytearray(LONGEST))  # made before: what the client keeps must not be counted
        self.connection = Connection(self.service, Transport(self._ours), Origin())
        self.connection.begin()

    def ask(self, *pieces: bytes, turn: Callable[[], None] | None = None) -> bytes:
        """Send a request in pieces, with a turn for each, and as many more as the answer takes; the answer."""
        turn = turn or self.reactor.turn
        size = 0
        for piece in pieces:
            self.peer.sendall(piece)
            turn()
            size += self._take(size)
        while self.connection._outbox.size:
            turn()
            size += self._take(size)
        return bytes(self._answer[:size])

    def _take(self, at: int) -> int:
        """Take what has been sent to the peer; how many bytes that was."""
        begin = at
        while True:
            try:
                at += self.peer.recv_into(self._answer[at:], 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return at - begin

    def close(self) -> None:
        self.connection.close()
        self._ours.close()
        self.peer.close()
        self.reactor.close()
