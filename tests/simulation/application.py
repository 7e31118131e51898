"""The handler of the simulation: every kind of answer in `plan.KINDS`, and an account of everything it was given.

It promises answers that other threads give, or the loop itself in a later turn, and it misbehaves where its kind says
so. Law: what it opens is closed once, what it is told it is told once, and of a connection it works on one request at
a time: else that is a failure.
"""

import io
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from reactor.answers import Answer, Later, Link, Upgrade, UpgradedProtocol
from reactor.http1.request import Request
from reactor.http1.response import FileBody, Response
from reactor.loop import Reactor

from .kernel import Kernel
from .network import Network
from .plan import KINDS, LARGE, PIECES, SMALL, STREAMED, text

# What limit-concurrency counts: the answer itself is promised, and not a piece of it.
WORKED_ON = ("later", "later-large", "later-stream", "later-raises", "never", "early-later")
PROTOCOL_TIMEOUT = 20.0  # seconds of a silent peer


class Application:
    """Attributes: `open` (what is not closed yet, by a name), `promised` (which of these are Laters that are not
    answered), `was_promised_at` (when there last was one), `touched` (by client: when it last did something for it),
    `on_dispatch` (called with "head" or "whole" and a token before a request is worked on), `network` (the servers
    behind its proxy; None: it has no proxy).
    """

    def __init__(self, kernel: Kernel, network: Network | None = None) -> None:
        self._kernel = kernel
        self.network = network
        self._random = kernel.random
        self._count = 0
        self.reactor: Reactor | None = None
        self.open: dict[str, str] = {}
        self.promised: set[str] = set()
        self.was_promised_at = 0.0
        self.files: list[File] = []
        self.kinds: dict[str, str] = {}
        self.touched: dict[str, float] = {}
        self.on_dispatch: Callable[[str, str], None] = lambda when, token: None
        self._empty, self._early = Response(204), Response(401)  # the same each time: the server remembers them

    def startup(self, server: Any) -> None:
        self.reactor = server.reactor
        if self.network is not None:
            self.network.touch = self.touch
            self.network.proxy.startup(server)

    def shutdown(self) -> None:
        if self.network is not None:
            self.network.proxy.shutdown()

    def clean_up(self) -> None:
        """Close the files that a failure left open."""
        for file in self.files:
            io.FileIO.close(file)

    # What is open, and must be closed once.

    def opened(self, what: str, token: str) -> str:
        self._count += 1
        name = f"{what} of {token}, the {self._count}."
        self.open[name] = token
        return name

    def closed(self, name: str) -> None:
        if name not in self.open:
            self._kernel.fail(f"{name} was closed twice")
        self.touch(self.open.pop(name))

    def working(self) -> int:
        """How many answers are being worked on elsewhere."""
        tokens = {self.open[name] for name in self.promised if name in self.open}
        return sum(self.kinds[token] in WORKED_ON for token in tokens)

    def is_inclined(self, share: float) -> bool:
        """Whether it feels like it, so often of all times."""
        return self._random.random() < share

    def fail(self, what: str) -> None:
        self._kernel.fail(what)

    def touch(self, token: str) -> None:
        self.touched[token.partition("r")[0]] = self._kernel.now
        self._kernel.moved += 1

    # The contract.

    def on_head(self, request: Request) -> Any:
        kind, token = self._named(request)
        self.on_dispatch("head", token)
        self.touch(token)
        if self.network is not None and is_passed(kind):
            return self.network.on_head(request, token)
        match kind:
            case "sink" | "sink-pauses" | "sink-later" | "sink-stops" | "sink-raises":
                return Sink(self, kind, token)
            case "duplex" | "duplex-large" | "duplex-stream" | "duplex-pauses" | "duplex-raises":
                return Duplex(self, kind, token)
            case "early":
                return self._early
            case "early-large":
                return Response(401, text(token, LARGE))
            case "early-later":
                return self.promise(token, Response(401))
        return None

    def __call__(self, request: Request) -> Answer:
        kind, token = self._named(request)
        self.on_dispatch("whole", token)
        self.touch(token)
        if self.network is not None and is_passed(kind):
            return self.network.proxy(request)
        match kind:
            case "empty":
                return self._empty
            case "large":
                return Response(200, text(token, LARGE))
            case "stream" | "stream-later" | "stream-raises":
                return Response(200, self.pieces(kind, token))
            case "stream-length" | "stream-short" | "stream-long":
                return Response(200, self.pieces(kind, token), length=STREAMED + LIES.get(kind, 0))
            case "file" | "file-short":
                return Response(200, FileBody(File(self, token), 0, LARGE + LIES.get(kind, 0)))
            case "later" | "later-large" | "later-stream" | "later-raises" | "later-later":
                return self.promise(token, self.late_answer(kind, token))
            case "never":
                return self.promise(token)
            case "raise":
                raise RuntimeError("as asked")
            case "nonsense":
                return "nonsense"  # type: ignore[return-value]  # that is the point
            case "echo" | "echo-large":
                return Response(200, request.body)
            case "upgrade":
                return Upgrade("toy", Toy(self, token))
            case "upgrade-later":
                return self.promise(token, Upgrade("toy", Toy(self, token)))
        return Response(200, text(token, SMALL))

    def late_answer(self, kind: str, token: str) -> Any:
        match kind:
            case "later-large":
                return Response(200, text(token, LARGE))
            case "later-stream":
                return Response(200, self.pieces("stream", token))
            case "later-raises":
                return RuntimeError("as asked")
            case "later-later":
                return self.promise(token, Response(200, text(token, SMALL)))
        return Response(200, text(token, SMALL))

    def early_answer(self, kind: str, token: str) -> Any:
        match kind:
            case "duplex-large":
                return Response(202, text(token, LARGE))
            case "duplex-stream" | "duplex-pauses":
                return Response(202, self.pieces("stream-later", token))
            case "duplex-raises":
                return RuntimeError("as asked")
        return Response(202, text(token, SMALL))

    def _named(self, request: Request) -> tuple[str, str]:
        kind, _, token = request.path[1:].partition("/")
        self.kinds[token] = kind
        return kind, token

    # What answers are made of.

    def promise(self, token: str, *value: Any) -> Later:
        """A Later that is answered with `value` by another thread or by the loop, at once or later; without: never."""
        later = Later()
        name = self.opened("the promise", token)
        self.promised.add(name)

        def keep() -> None:
            self.promised.discard(name)
            self.was_promised_at = self._kernel.now
            if name in self.open:
                self.closed(name)
            later.answer(*value)

        def abandoned() -> None:
            self.promised.discard(name)
            self.was_promised_at = self._kernel.now
            if name in self.open:  # else it was kept, and nobody waited any more
                self.closed(name)

        later.on_abandon = abandoned
        if not value:
            return later
        assert self.reactor is not None
        way = self._random.random()
        if way < 0.1:
            keep()
        elif way < 0.3:
            self.reactor.call_soon(keep)
        elif way < 0.5:
            self._kernel.in_thread(0, keep)
        else:
            self._kernel.in_thread(self._random.choice((0.001, 0.4, 2.0, 12.0)), keep)
        return later

    def put_off(self, action: Callable[[], None]) -> None:
        """Do it now, or have another thread ask for it later."""
        assert self.reactor is not None
        if self._random.random() < 0.7:
            action()
            return
        ask = partial(self.reactor.call_from_outside, action)
        self._kernel.in_thread(self._random.choice((0.0, 0.4, 7.0, 12.0)), ask)

    def pieces(self, kind: str, token: str) -> "Pieces":
        return Pieces(self, kind, token)

    def make_pieces(self, kind: str, token: str) -> Iterator[Any]:
        body, at = text(token, STREAMED), 0
        for size in PIECES:
            piece = body[at : at + size]
            at += size
            if kind == "stream-later" and self._random.random() < 0.6:
                yield self.promise(token, *((piece,) if piece else (None,)))
            else:
                yield piece
            self.touch(token)
        if kind == "stream-raises":
            raise RuntimeError("as asked")


def is_passed(kind: str) -> bool:
    return kind in KINDS and KINDS[kind].is_passed


PAUSING = ("sink-pauses", "duplex-pauses", "duplex-raises")
LIES = {"stream-short": 1, "stream-long": -1, "file-short": 1}


class Pieces:
    """An iterator of pieces that must be closed."""

    def __init__(self, application: Application, kind: str, token: str) -> None:
        self._application = application
        self._pieces = application.make_pieces(kind, token)
        self._name = application.opened("the iterator", token)

    def __iter__(self) -> "Pieces":
        return self

    def __next__(self) -> Any:
        return next(self._pieces)

    def close(self) -> None:
        self._application.closed(self._name)
        self._pieces.close()  # type: ignore[attr-defined]  # a generator


class File(io.FileIO):
    """A file of its own, so that `sendfile` takes it, that must be closed."""

    def __init__(self, application: Application, token: str) -> None:
        own = os.memfd_create("body")
        os.write(own, text(token, LARGE))
        super().__init__(own)
        self._application = application
        self._name = application.opened("the file", token)
        application.files.append(self)

    def close(self) -> None:
        if not self.closed:
            self._application.closed(self._name)
        super().close()


class Sink:
    """Takes a body as it comes, and does as its kind says."""

    def __init__(self, application: Application, kind: str, token: str) -> None:
        self._application = application
        self._kind = kind
        self._token = token
        self._taken = bytearray()
        self._has_waited = False
        self._name = application.opened("the sink", token)
        self.limit = 1_000_000

    def feed(self, data: bytes) -> Any:
        self._application.touch(self._token)
        self._taken += data
        if len(self._taken) >= 100:
            if self._kind == "sink-stops":
                self._application.closed(self._name)
                return Response(403)
            if self._kind == "sink-raises":
                raise RuntimeError("as asked")
            if self._kind in PAUSING and not self._has_waited:
                self._has_waited = True
                return self._application.promise(self._token, None)
        return None

    def finish(self) -> Any:
        self._application.on_dispatch("whole", self._token)
        self._application.closed(self._name)
        answer = Response(200, bytes(self._taken))
        return self._application.promise(self._token, answer) if self._kind == "sink-later" else answer

    def abort(self) -> None:
        self._application.closed(self._name)


class Duplex(Sink):
    """Takes a body as it comes, and answers when it pleases."""

    def __init__(self, application: Application, kind: str, token: str) -> None:
        super().__init__(application, kind, token)
        self.early = application.promise(token, application.early_answer(kind, token))

    def finish(self) -> Any:
        self._application.on_dispatch("whole", self._token)
        self._application.closed(self._name)
        return self.early


class Toy(UpgradedProtocol):
    """Echoes, at once or when it pleases; takes no more for a while; says something when its peer has ended, or not."""

    timeout = PROTOCOL_TIMEOUT

    def __init__(self, application: Application, token: str) -> None:
        self._application = application
        self._token = token
        self._name = ""
        self._link: Link | None = None
        self._held = b""  # to be echoed
        self._room: Later | None = None
        self._has_heard_goodbye = False

    def on_connect(self, link: Link) -> None:
        self._name = self._application.opened("the protocol", self._token)
        self._link = link

    def feed(self, data: bytes) -> Later | None:
        application = self._application
        application.touch(self._token)
        if self._room is not None and not self._room.is_answered:
            application.fail(f"the protocol of {self._token} is fed, and takes no more")
        is_holding, self._held = bool(self._held), self._held + data
        if not is_holding:
            application.put_off(self._echo)
        self._room = application.promise(self._token, None) if application.is_inclined(0.4) else None
        return self._room

    def on_goodbye(self) -> bool:
        application, link = self._application, self._link
        assert link is not None
        application.touch(self._token)
        if self._has_heard_goodbye or (self._room is not None and not self._room.is_answered):
            application.fail(f"the protocol of {self._token} is told goodbye twice, or while it takes no more")
        self._has_heard_goodbye = True
        if application.is_inclined(0.5):
            return False
        application.put_off(link.end if application.is_inclined(0.5) else link.close)
        return True

    def _echo(self) -> None:
        assert self._link is not None
        self._application.touch(self._token)
        held, self._held = self._held, b""
        self._link.send(held)

    def on_shutdown(self) -> None:
        assert self._link is not None
        self._link.close()

    def on_close(self) -> None:
        room = self._room
        if room is not None and not room.is_answered and not room.is_abandoned:
            self._application.fail(f"nobody waits for the promise of {self._token}, and it was not told")
        self._application.closed(self._name)
