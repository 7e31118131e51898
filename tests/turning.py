"""A server that turns when told, over real sockets."""

import errno
import os
import selectors
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from reactor.answers import Answer
from reactor.connection import Connection
from reactor.http1.request import Request
from reactor.loop import Reactor
from reactor.server import Server
from reactor.settings import Settings

from .zoo import Zoo

START = 1000.0  # seconds


class Counting(selectors.DefaultSelector):
    """Attributes: `changes` (what was asked of the selector), `is_full` (it takes no more connections)."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[str] = []
        self.is_full = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        self.changes.append("register")
        if self.is_full and isinstance(fileobj, Connection):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().register(fileobj, events, data)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        self.changes.append("modify")
        return super().modify(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        self.changes.append("unregister")
        return super().unregister(fileobj)


class Busy(Zoo):
    """Attribute `meanwhile`: what happens, once, at the end of the turn in which a request is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], None]] = []

    def startup(self, server: Server) -> None:
        self._reactor = server.reactor

    def __call__(self, request: Request) -> Answer:
        while self.meanwhile:
            self._reactor.call_soon(self.meanwhile.pop(0))
        return super().__call__(request)


class Turning:
    """A server that listens on a Unix socket, whose kernel hands over at once whatever is sent, and turns when told.

    Attributes: `now` (seconds: its clock), `connections` (those that are open), `parked` (those of them that are).
    """

    def __init__(self, path: Path, patch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.selector = Counting()
        self.now = START
        patch.setattr("reactor.server.Reactor", lambda: Reactor(self.selector, lambda: self.now))
        self.zoo = Busy()
        self._path = str(path)
        self.server = Server(self.zoo, f"unix:{path}", Settings(**settings))
        self.server.open()
        self.server._listen()
        self.listener = self.server._listeners[0]
        self.turn()  # the first one ticks, and no other
        self.selector.changes.clear()
        self.clients = ExitStack()

    def client(self, *data: bytes) -> socket.socket:
        """One that has connected and said `data`."""
        sock = self.clients.enter_context(socket.socket(socket.AF_UNIX))
        sock.settimeout(5)
        sock.connect(self._path)
        sock.sendall(b"".join(data))
        return sock

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.server.reactor.call_soon(lambda: None)  # so that it does not sleep
            self.server.reactor.turn()

    @property
    def connections(self) -> int:
        return self.server.service.count

    @property
    def parked(self) -> int:
        return self.connections - len(self.server.service.connections)

    def at(self, seconds: float) -> None:
        """It is `seconds` after the beginning; one turn."""
        self.now = START + seconds
        self.turn()


Serve = Callable[..., Turning]
