"""A handler with every kind of answer, by path, that remembers what became of each."""

import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from reactor.answers import Answer, Later, Link, Upgrade, UpgradedProtocol
from reactor.http1.request import Request
from reactor.http1.response import FileBody, Response

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
            case "/duplex":
                return Duplex(self)
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


class Duplex(Sink):
    """Takes a body as it comes, and answers by a promise, before or after its end."""

    def __init__(self, zoo: Zoo) -> None:
        super().__init__(zoo)
        self.early = zoo.promise()

    def finish(self) -> Answer:
        super().finish()
        return self.early


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
