"""The work that a peer can make us do grows with what it sends, and no faster: counted, not timed.

A whole connection is fed, and two things are counted: the calls made, in Python and in C, and the bytes looked at or
copied by them, for a rescan of the inbox is one call. Twice as much of anything hostile may cost twice as much. What
is dearer is listed, with what bounds it.
"""

import builtins
import itertools
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NamedTuple

import pytest

from reactor import courier as courier_module
from reactor.http1 import body as body_module
from reactor.http1 import fields as fields_module
from reactor.http1 import parser as parser_module
from reactor.http1.body import CHUNK_LINE_LIMIT, EXTENSIONS_LIMIT, TRAILERS_LIMIT
from reactor.http1.request import HeadLimits
from reactor.transport import RECV_SIZE
from tests.http1.test_properties import CountedInbox, CountedPattern, Work
from tests.simulated import World, get, head

GROWTH = 2.3  # at most, in calls and in bytes, where the input doubles

HEAD_LIMIT, LINE_LIMIT = 8192, 4096  # a quarter and a half of what is usual: counting takes its time
NUMBERS = itertools.count()
LONG = 2048  # bytes of what has no limit


class Data(bytes):
    """What a `recv` gave, knowing how much of it was looked at."""

    work: Work

    def find(self, sub: Any, start: Any = 0, end: Any = None, /) -> int:
        end = len(self) if end is None else min(end, len(self))
        found = super().find(sub, start, end)
        self.work.bytes += max((end if found < 0 else found + len(sub)) - start, 0)
        return found

    def startswith(self, prefix: Any, /, *bounds: Any) -> bool:
        self.work.bytes += len(prefix)
        return super().startswith(prefix, *bounds)

    def __getitem__(self, index: Any, /) -> Any:
        part = super().__getitem__(index)
        if isinstance(part, int):
            return part
        self.work.bytes += len(part)
        return Data(part)


class Inbox(CountedInbox):
    """The inbox of a connection: stays what it is when it is added to, and when its beginning is cut off."""

    def __add__(self, other: Any, /) -> "Inbox":
        self.work.bytes += len(self) + len(other)
        return Inbox(super().__add__(other))

    def __iadd__(self, other: Any, /) -> "Inbox":
        self.work.bytes += len(other)
        super().__iadd__(other)
        return self

    def __getitem__(self, index: Any, /) -> Any:
        part = super().__getitem__(index)
        return part if isinstance(part, int) else Inbox(part)


class _IsBytes(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, builtins.bytes)


class Copy(bytes, metaclass=_IsBytes):
    """`bytes`, where it makes a copy."""

    work: Work

    def __new__(cls, source: Any) -> bytes:  # type: ignore[misc]  # it is what the name `bytes` does, and no Copy
        cls.work.bytes += len(source)
        return builtins.bytes(source)


class Cost(NamedTuple):
    """Attributes: `calls` made; `bytes` looked at or copied."""

    calls: int
    bytes: int


Shape = Callable[[int], tuple[bytes, Iterator[bytes]]]  # of a size: what comes before, and the pieces that are counted


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    work = Work()
    for module in (parser_module, body_module, fields_module):
        for name, pattern in list(vars(module).items()):
            if hasattr(pattern, "fullmatch"):
                monkeypatch.setattr(module, name, CountedPattern(pattern, work))
        monkeypatch.setattr(module, "bytes", Copy, raising=False)
    monkeypatch.setattr(courier_module, "bytearray", Inbox, raising=False)
    for kind in (CountedInbox, Data, Copy):
        monkeypatch.setattr(kind, "work", work, raising=False)
    return work


def cost(work: Work, shape: Shape, size: int) -> Cost:
    """What it costs to take all of a shape in that size."""
    before, pieces = shape(size)
    world = World(limit_body_size=0, limit_head_size=HEAD_LIMIT, limit_request_line=LINE_LIMIT)
    world.arrive(before)
    made = [Data(piece) for piece in pieces]
    calls = 0

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    work.bytes = 0
    sys.setprofile(profile)
    try:
        for piece in made:
            world.transport._arrived.append(piece)
            world.run()
    finally:
        sys.setprofile(None)
    return Cost(calls, work.bytes)


def new_fields(size: int) -> list[bytes]:
    """About `size` bytes of field lines that were never there before: none of them is remembered."""
    return [b"X: %05d\r\n" % next(NUMBERS) for _ in range(size // 10 - 1)]


def trickle(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def received(data: bytes) -> Iterator[bytes]:
    """As many bytes at once as a `recv` takes."""
    return (data[at : at + RECV_SIZE] for at in range(0, len(data), RECV_SIZE))


HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"
GET = HEAD + b"\r\n"
CHUNKED = head("POST /echo", "Transfer-Encoding: chunked")
TRAILERS = CHUNKED + b"0\r\n"


def posted(path: str, size: int) -> bytes:
    return head(f"POST {path}", f"Content-Length: {size}")


# By name: the largest size, which is a limit where there is one, and the shape. A size is about the bytes counted.
SHAPES: dict[str, tuple[int, Shape]] = {
    "a head trickles": (
        HEAD_LIMIT,
        lambda size: (b"", trickle(HEAD + b"X: " + b"x" * (size - len(GET) - 5) + b"\r\n\r\n")),
    ),
    "a head of many fields trickles": (
        HEAD_LIMIT,
        lambda size: (b"", trickle(HEAD + (b"X: " + b"x" * 75 + b"\r\n") * (size // 80 - 1) + b"\r\n")),
    ),
    "a request line trickles": (LINE_LIMIT, lambda size: (b"", trickle(b"GET /" + b"x" * (size - 50)))),
    "many fields in one piece": (
        HeadLimits().fields * 10,
        lambda size: (b"", iter([HEAD + b"".join(new_fields(size)) + b"\r\n"])),
    ),
    "many fields, a line a piece": (
        HeadLimits().fields * 10,
        lambda size: (b"", iter([HEAD, *new_fields(size), b"\r\n"])),
    ),
    "empty lines trickle": (LONG, lambda size: (b"", trickle((b"\r\n" * 4 + GET) * (size // 35)))),
    "requests trickle": (LONG, lambda size: (b"", trickle(GET * (size // 27)))),
    "requests that differ": (LONG, lambda size: (b"", iter([b"GET /%d HTTP/1.0\r\n\r\n" % size] * (size // 22)))),
    "requests behind one that is worked on": (LONG, lambda size: (get("/later"), trickle(GET * (size // 27)))),
    "tiny chunks": (192 * 1024, lambda size: (CHUNKED, received(b"1\r\na\r\n" * (size // 6)))),
    "tiny chunks trickle": (LONG, lambda size: (CHUNKED, trickle(b"1\r\na\r\n" * (size // 6)))),
    "a chunk trickles": (LONG, lambda size: (CHUNKED, trickle(b"%x\r\n" % size + b"x" * size))),
    "long sizes trickle": (LONG, lambda size: (CHUNKED, trickle(b"000000000000001\r\na\r\n" * (size // 20)))),
    "extensions trickle": (
        EXTENSIONS_LIMIT // 4,
        lambda size: (CHUNKED, trickle((b"1;" + b"x" * (CHUNK_LINE_LIMIT - 4) + b"\r\na\r\n") * (size // 260))),
    ),
    "a trailer trickles": (
        TRAILERS_LIMIT,
        lambda size: (TRAILERS, trickle(b"X: " + b"x" * (size - 10) + b"\r\n\r\n")),
    ),
    "many trailers trickle": (
        TRAILERS_LIMIT,
        lambda size: (TRAILERS, trickle((b"X: " + b"x" * 251 + b"\r\n") * (size // 256 - 1) + b"\r\n")),
    ),
    "a body trickles": (LONG, lambda size: (posted("/echo", size), trickle(b"x" * size))),
    "a body for a sink trickles": (LONG, lambda size: (posted("/sink", size), trickle(b"x" * size))),
    "a body that nobody wants trickles": (LONG, lambda size: (posted("/early", size), trickle(b"x" * size))),
    "a large body": (4 << 20, lambda size: (posted("/echo", size), received(b"x" * size))),
    "a large chunk": (4 << 20, lambda size: (CHUNKED, received(b"%x\r\n" % size + b"x" * size))),
    "another protocol trickles": (
        LONG,
        lambda size: (get("/toy", "Connection: Upgrade", "Upgrade: toy"), trickle(b"x" * size)),
    ),
    "bytes behind a refusal trickle": (LONG, lambda size: (b"\0", trickle(b"x" * size))),
}

# What is dearer than linear up to a limit, and how many bytes are looked at for one that is sent, at most.
BOUNDED: dict[str, tuple[int, int, Shape]] = {
    # Each byte has what is here of its line looked at again, until it ends or is too long.
    "a size line trickles": (
        CHUNK_LINE_LIMIT,
        3 * CHUNK_LINE_LIMIT,
        lambda size: (CHUNKED, trickle(b"1;" + b"x" * (size - 4) + b"\r\n")),
    ),
    # After every PIPELINE of them, what is behind moves to the front: of HIGH_WATER and a `recv` at most.
    "requests in one piece": (RECV_SIZE, 100, lambda size: (b"", iter([GET * (size // len(GET))]))),
    "requests in many pieces": (4 * RECV_SIZE, 100, lambda size: (b"", received(GET * (size // len(GET))))),
}


@pytest.mark.parametrize("name", SHAPES)
def test_twice_as_much_costs_twice_as_much(work: Work, name: str) -> None:
    limit, shape = SHAPES[name]
    small, middle, large = (cost(work, shape, size) for size in (limit // 4, limit // 2, limit))
    assert small.calls < large.calls <= GROWTH**2 * small.calls, (small, middle, large)
    assert small.bytes < large.bytes <= GROWTH**2 * small.bytes, (small, middle, large)


@pytest.mark.parametrize("name", BOUNDED)
def test_what_costs_more_than_that_is_bounded(work: Work, name: str) -> None:
    limit, most, shape = BOUNDED[name]
    small, large = cost(work, shape, limit // 4), cost(work, shape, limit)
    assert large.calls <= GROWTH**2 * small.calls
    assert large.bytes <= most * limit, large.bytes / limit


def test_a_rescan_would_show(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of this check: a parser that forgets how far it has looked is found out."""
    take = parser_module.HeadParser.take

    def forgetful(self: parser_module.HeadParser, data: bytes, start: int) -> object:
        self._searched = 0
        self._is_line_valid = False
        return take(self, data, start)

    monkeypatch.setattr(parser_module.HeadParser, "take", forgetful)
    limit, shape = SHAPES["a request line trickles"]
    small, large = cost(work, shape, limit // 8), cost(work, shape, limit // 2)
    assert large.bytes > GROWTH**2 * small.bytes
