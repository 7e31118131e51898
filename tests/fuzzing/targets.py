"""What holds for any bytes, as functions of bytes: they return, or raise `Broken` or whatever came up.

Law: the bytes alone decide what happens, so that any of them can be played again. Where they are cut follows from
their checksum, which leaves them free to look like HTTP; what else happens to a connection is the `script` behind the
last byte 0xff, which hardly stands in HTTP.
"""

import logging
from collections.abc import Callable, Iterator
from io import BytesIO
from math import inf
from typing import Any, BinaryIO
from zlib import crc32

from reactor.answers import Later, Upgrade
from reactor.http1.body import ChunkedBody
from reactor.http1.errors import ProtocolError
from reactor.http1.parser import HeadParser
from reactor.http1.request import HeadLimits, Origin
from reactor.http1.response import Response
from reactor.state import CLOSED, WORK
from tests.http1.response_samples import listen
from tests.simulated import World
from tests.zoo import FILE, PIECES, Toy, Zoo

STATUSES = frozenset((400, 413, 414, 417, 431, 501, 505))  # of refusals

SMALL = HeadLimits(head=128, request_line=48, fields=4)  # so that what passes them is short
LARGE = HeadLimits()
NOBODY = Origin()


class Broken(AssertionError):
    """What must hold does not."""


def cut(data: bytes, seed: int) -> Iterator[bytes]:
    """`data` in two to four pieces, or one byte at a time, as `seed` says."""
    if seed % 32 == 0 and len(data) <= 200:  # seldom: it takes ten times as long
        for number in range(len(data)):
            yield data[number : number + 1]
        return
    size = len(data) + 1
    ends = sorted((seed >> 5) * (number * number + 1) % size for number in range(1 + seed % 3))
    begin = 0
    for end in ends:
        if end > begin:
            yield data[begin:end]
            begin = end
    if begin < len(data):
        yield data[begin:]


# Heads.

Found = list[tuple[object, ...]]


def read_heads(pieces: Iterator[bytes], limits: HeadLimits) -> Found:
    """The requests in a stream without bodies, and how it ends."""
    parser = HeadParser(limits, NOBODY)
    found: Found = []
    inbox: bytes | bytearray = b""
    try:
        for piece in pieces:
            inbox = bytearray(inbox) + piece if inbox else piece
            at = 0
            while at < len(inbox) and (request := parser.take(inbox, at)) is not None:
                if not at < parser.end <= len(inbox) or inbox[parser.end - 4 : parser.end] != b"\r\n\r\n":
                    raise Broken(f"a head that ends at {parser.end}")
                at = parser.end
                found.append((request.method, request.target, request.head.terms.version, request.head.terms.length,
                              request.path, request.host, request.query.pairs, request.headers.pairs))  # fmt: skip
            if at:
                inbox = inbox[at:]
    except ProtocolError as error:
        if error.status not in STATUSES:
            raise Broken(f"a refusal with {error.status}") from error
        found.append((error.status,))  # its reason is for a person, and may depend on what else is here
    else:
        found.append((bytes(inbox),))
    return found


def head(data: bytes) -> None:
    """Any bytes are requests, the beginning of one, or refused; the same however they are cut."""
    seed = crc32(data)
    limits = SMALL if seed & 1 << 20 else LARGE
    whole = read_heads(iter((data,)), limits)
    pieces = read_heads(cut(data, seed), limits)
    if whole != pieces:
        raise Broken(f"{whole} whole, {pieces} cut")


# Chunked bodies.


def read_chunks(pieces: Iterator[bytes], limit: int) -> tuple[object, ...]:
    """What a chunked body says, and what is left behind it; or the status of a refusal."""
    decoder = ChunkedBody(limit)
    payload: list[bytes] = []
    inbox: bytes | bytearray = b""
    try:
        for piece in pieces:
            inbox = bytearray(inbox) + piece if inbox else piece
            taken = decoder.feed(inbox, 0)
            if not 0 <= taken <= len(inbox):
                raise Broken(f"{taken} bytes taken of {len(inbox)}")
            if taken:
                inbox = inbox[taken:]
                payload.append(decoder.take())
    except ProtocolError as error:
        if error.status not in STATUSES:
            raise Broken(f"a refusal with {error.status}") from error
        return (error.status,)
    body = b"".join(payload)
    if limit and len(body) > limit:
        raise Broken(f"{len(body)} bytes above a limit of {limit}")
    trailers = decoder.trailers
    return (decoder.is_complete, body, bytes(inbox), None if trailers is None else trailers.pairs)


def chunked(data: bytes) -> None:
    """Any bytes are a chunked body and a rest, the beginning of one, or refused; the same however they are cut."""
    seed = crc32(data)
    limit = 64 if seed & 1 << 20 else 0
    whole = read_chunks(iter((data,)), limit)
    pieces = read_chunks(cut(data, seed), limit)
    if whole != pieces:
        raise Broken(f"{whole} whole, {pieces} cut")


# Responses.


def response(data: bytes) -> None:
    """Any bytes are responses, the beginning of one, or refused; the same however they are cut."""
    seed = crc32(data)
    limits = SMALL if seed & 1 << 20 else LARGE
    methods = [("GET", "HEAD", "POST", "CONNECT")[seed >> 2 * number & 3] for number in range(4)]
    has_closed = bool(seed & 1 << 21)
    whole = listen([data], methods, has_closed, limits)
    pieces = listen(cut(data, seed), methods, has_closed, limits)
    if whole != pieces:
        raise Broken(f"{whole} whole, {pieces} cut")


# Connections.


class Complaints(logging.Handler):
    """What the server logs as our own fault, or as a handler's that did none."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        fault = record.exc_info and record.exc_info[1]
        if fault and str(fault) != "as asked":
            self.heard.append(f"{record.getMessage()}: {fault!r}")


class Beasts(Zoo):
    """The zoo, with smaller animals: nothing in it takes long."""

    takes_connect = True

    def __call__(self, request: Any) -> Any:
        if request.path == "/big":
            return Response(200, FILE)
        return super().__call__(request)

    def file(self) -> BinaryIO:
        return BytesIO(FILE)


# Animals that answer, pause or end in the middle of what arrives: how much of it they see then is a matter of cuts.
TIMELY = (b"/early", b"toy", b"wait", b"stop")


def _answers(zoo: Zoo) -> list[Callable[[], Any]]:
    """What a Later can be answered with."""
    return [
        lambda: Response(200, "later"),
        lambda: Response(200, zoo.pieces(PIECES)),
        lambda: RuntimeError("as asked"),
        zoo.promise,
        lambda: Upgrade("toy", Toy(zoo)),
        lambda: b"a piece",
        lambda: None,
    ]


class _Play:
    """One connection, and what happens to it."""

    def __init__(self, stream: bytes) -> None:
        self.world = World(Beasts(), limit_head_size=2048, limit_body_size=1024, limit_discard=256)
        self._stream = stream
        self._at = 0

    def run(self, script: bytes) -> None:
        world = self.world
        for code in script:
            if world.state == CLOSED.name:
                break
            self._do(code & 7, code >> 3)
            check(world)
        world.transport.room = None
        if not world.transport._has_ended:  # its bytes came before its FIN
            self._arrive(len(self._stream))
        check(world)

    def _do(self, verb: int, much: int) -> None:
        world = self.world
        match verb:
            case 0:
                self._arrive(much + 1)
            case 1:
                self._arrive(16 * much + 16)
            case 2:
                world.take(None if much == 31 else 64 * much)
            case 3:
                self._pass(much)
            case 4:
                self._answer(much)
            case 5 if much & 1:
                world.end()
            case 5:
                world.service.drain()
                world.connection.retire()
                world.run()
            case 6:
                world.fail()
            case 7 if world.handler.protocols and world.handler.protocols[-1].link is not None:
                world.handler.protocols[-1].link.send(b"x" * much)
                world.run()

    def _arrive(self, size: int) -> None:
        if not self.world.transport._has_ended:
            self.world.arrive(self._stream[self._at : self._at + size])
            self._at += size

    def _pass(self, seconds: int) -> None:
        """Time goes by. Not through `Service.sweep`, which would log what is raised, and go on."""
        world = self.world
        world.reactor.now += seconds
        world.run()
        if world.connection.deadline <= world.reactor.now:
            world.connection.expire()
            world.run()

    def _answer(self, which: int) -> None:
        laters: list[Later] = self.world.handler.laters
        if laters:
            make = _answers(self.world.handler)
            laters.pop(0).answer(make[which % len(make)]())
            self.world.run()


def check(world: World) -> None:
    """A connection waits for exactly one thing, or is closed and nothing is left of it."""
    connection = world.connection
    if connection.state is CLOSED:
        world.assert_released()
    elif connection.state is WORK and not world.handler.laters:
        raise Broken("WORK, and nobody is working")
    elif not world.watched and connection.deadline is inf:
        raise Broken(f"{world.state}: waits for nothing")
    elif connection.state is not connection._derive():
        raise Broken(f"{world.state}, and should be {connection._derive().name}")


def outcome(world: World) -> tuple[object, ...]:
    """What must not depend on how the bytes were cut: all but how a refusal is worded and whether a 100 was due."""
    statuses = [status for status in world.statuses if status != 100]
    return statuses, world.handler.order, world.handler.bodies, world.state


_complaints = Complaints()


def connection(data: bytes) -> None:
    """Whatever arrives, in whatever pieces and whatever else happens: it is answered, or more is waited for; it never
    turns without progress, and when the peer resets nothing is left.

    Without a script, the bytes arrive whole and cut, and the answers are the same.
    """
    stream, mark, script = data.rpartition(b"\xff") if b"\xff" in data else (data, b"", b"")
    log = logging.getLogger("reactor")
    _complaints.heard.clear()
    handlers, log.handlers, former = log.handlers, [_complaints], log.propagate
    log.propagate = False
    try:
        play = _Play(stream)
        play.run(script)
        world = play.world
        if not mark and not any(word in stream for word in TIMELY):
            other = _Play(b"")
            for piece in cut(stream, crc32(stream)):
                other.world.arrive(piece)
            if (whole := outcome(world)) != (pieces := outcome(other.world)):
                raise Broken(f"{whole} whole, {pieces} cut")
            other.world.fail()
            other.world.assert_released()
        world.fail()
        if world.state != CLOSED.name and not world.watched:  # it is looked at once a second
            world.reactor.now += 2
            world.connection.expire()
        world.assert_released()
    finally:
        log.handlers, log.propagate = handlers, former
    if _complaints.heard:
        raise Broken(_complaints.heard[0])


TARGETS: dict[str, Callable[[bytes], None]] = {
    "head": head,
    "chunked": chunked,
    "response": response,
    "connection": connection,
}
