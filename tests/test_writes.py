"""How the kernel takes bytes never matters, and how they were cut on their way here does not either.

Whatever sizes the sending calls come up short with, and wherever what the peer sent was cut, the same bytes go out.
"""

import time
from collections.abc import Callable, Iterator
from itertools import cycle, repeat
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.answers import Later
from reactor.http1.request import Request
from reactor.http1.response import FileBody, Response
from reactor.outbox import JOIN_LIMIT, QUICK

from .simulated import (
    EAGAIN,
    ONE,
    World,
    chunked,
    get,
    head,
    post,
)
from .zoo import BIG, FILE, PIECES

ONE_0 = " HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"

CONVERSATIONS: dict[str, bytes] = {
    "small": get("/hello"),
    "large": get("/big"),
    "many": get("/hello") * 40,
    "many large": get("/big") * 3,
    "small and large": (get("/hello") + get("/big")) * 2,
    "file": get("/file"),
    "iterator": get("/iterator"),
    "iterator with a length": get("/iterator-length"),
    "iterator for 1.0": f"GET /iterator{ONE_0}".encode(),
    "iterator with a length for 1.0": f"GET /iterator-length{ONE_0}".encode(),
    "all sorts": get("/file") + get("/iterator") + get("/big") + get("/iterator-length") + get("/hello"),
    "a refusal behind a stream": get("/iterator") + b"NONSENSE\r\n\r\n",
    "a close behind a stream": get("/file", "Connection: close"),
    "HEAD of all sorts": head("HEAD /file") + head("HEAD /iterator") + head("HEAD /big") + get("/hello"),
}


def answers(conversation: bytes, sizes: Iterator[int] | None = None) -> bytes:
    world = World(sizes=sizes)
    world.arrive(conversation)
    assert world.state in ("IDLE", "LINGER")
    events = world.handler.events
    assert events.count("iterator open") == events.count("iterator closed")
    return world.sent


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_what_is_sent_is_what_was_answered(name: str) -> None:
    """The reference of all others here: read back by its parts."""
    sent = answers(CONVERSATIONS[name])
    body = sent.partition(b"\r\n\r\n")[2]
    expected = {
        "small": b"Hello",
        "large": BIG,
        "file": FILE[3:-2],
        "iterator": b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in PIECES if piece) + b"0\r\n\r\n",
        "iterator with a length": b"".join(PIECES),
        "iterator for 1.0": b"".join(PIECES),
        "iterator with a length for 1.0": b"".join(PIECES),
    }
    assert body == expected.get(name, body)
    assert sent.count(b"HTTP/1.1 ") == CONVERSATIONS[name].count(b"HTTP/1.") + CONVERSATIONS[name].count(b"NONSENSE")


@pytest.mark.parametrize("name", [name for name in CONVERSATIONS if "large" not in name and "all" not in name])
def test_one_byte_at_a_time(name: str) -> None:
    if "file" in name or "HEAD" in name or "stream" in name:
        sizes: Iterator[int] = cycle([1] * 400 + [10_000])
    else:
        sizes = repeat(1)
    assert answers(CONVERSATIONS[name], sizes) == answers(CONVERSATIONS[name])


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize("size", [97, 4093, 16_381, 65_537])
def test_a_prime_at_a_time(name: str, size: int) -> None:
    assert answers(CONVERSATIONS[name], repeat(size)) == answers(CONVERSATIONS[name])


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(CONVERSATIONS)), st.lists(st.integers(1, 100_000), min_size=1, max_size=20))
def test_any_sizes(name: str, sizes: list[int]) -> None:
    assert answers(CONVERSATIONS[name], cycle([*sizes, 5000])) == answers(CONVERSATIONS[name])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.integers(0, 3).map(lambda n: [0, 1, JOIN_LIMIT - 200, JOIN_LIMIT + 1][n]),
            st.integers(0, 3 * JOIN_LIMIT),
        ),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.integers(1, 3 * JOIN_LIMIT), min_size=1, max_size=10),
    st.sampled_from(["bytes", "pieces", "file"]),
)
def test_any_lengths_and_any_sizes(lengths: list[int], sizes: list[int], kind: str) -> None:
    """Joined, sent as a vector or pulled: every byte once, in order."""
    bodies = [bytes([number]) * length for number, length in enumerate(lengths)]

    def handler(request: Request) -> Response:
        body = bodies[int(request.path[1:])]
        if kind == "bytes":
            return Response(200, body)
        if kind == "file":
            file = World().handler.file()
            file.write(body)
            return Response(200, FileBody(file, file.tell() - len(body), len(body)))
        return Response(200, (body[at : at + 1000] for at in range(0, len(body), 1000)), length=len(body))

    world = World(handler, sizes=cycle([*sizes, 20_000]))
    world.arrive(b"".join(get(f"/{number}") for number in range(len(bodies))))
    rest = world.sent
    for body in bodies:
        headers, _, rest = rest.partition(b"\r\n\r\n")
        assert b"Content-Length: %d\r\n" % len(body) in headers + b"\r\n"
        assert rest[: len(body)] == body
        rest = rest[len(body) :]
    assert rest == b""


# How the bytes are cut.

REQUESTS: dict[str, bytes] = {
    "a head": get("/hello"),
    "pipelined": get("/hello") + head("HEAD /hello") + get("/hello", "X: y"),
    "a length": post("/echo", b"hello, world"),
    "a length, and another": post("/echo", b"hello, world") + post("/echo", b"again") + get("/hello"),
    "chunked": chunked("/echo", b"hello, ", b"world"),
    "chunked, and another": chunked("/echo", b"hello, ", b"world") + chunked("/echo", b"x" * 20) + get("/hello"),
    "trailers": chunked("/echo", b"hello")[:-2] + b"X-Sum: 1\r\nX-More: 2\r\n\r\n" + get("/hello"),
    "a sink": post("/sink", b"hello, world") + chunked("/sink", b"and ", b"again") + get("/hello"),
    "an early answer": post("/early", b"hello, world") + chunked("/early", b"and ", b"again") + get("/hello"),
    "a refusal": get("/hello") + b"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + get("/hello"),
    "a refused body": chunked("/echo", b"hello")[:-7] + b"..\r\n" + get("/hello"),
    "a close": get("/hello", "Connection: close") + get("/hello"),
    "an upgrade": get("/toy", "Connection: Upgrade", "Upgrade: toy") + b"some bytes of its own",
    "empty lines": b"\r\n\r\n" + get("/hello") + b"\r\n" + get("/hello"),
    "continue": head("POST /echo", "Content-Length: 5", "Expect: 100-continue") + b"hello" + get("/hello"),
}


def heard(*chunks: bytes) -> bytes:
    world = World()
    world.arrive(*chunks)
    return world.sent.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")  # sent only if the body was not here yet


@pytest.mark.parametrize("name", REQUESTS)
def test_each_cut(name: str) -> None:
    request = REQUESTS[name]
    whole = heard(request)
    assert whole
    for at in range(1, len(request)):
        assert heard(request[:at], request[at:]) == whole, f"cut at {at}"


@pytest.mark.parametrize("name", REQUESTS)
def test_byte_by_byte(name: str) -> None:
    request = REQUESTS[name]
    assert heard(*(request[at : at + 1] for at in range(len(request)))) == heard(request)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(REQUESTS)), st.data())
def test_any_cuts(name: str, data: st.DataObject) -> None:
    request = REQUESTS[name]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(request) - 1), max_size=10)))
    chunks = [request[a:b] for a, b in zip([0, *cuts], [*cuts, len(request)], strict=True)]
    assert heard(*chunks) == heard(request)


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("finish", [lambda world: world.end(), lambda world: None], ids=["goodbye", "silence"])
def test_what_is_cut_off_is_never_taken_for_whole(name: str, finish: Callable[[World], None]) -> None:
    """At every cut: whoever was answered had been asked."""
    request = REQUESTS[name]
    whole = World()
    whole.arrive(request)
    for at in range(len(request)):
        world = World()
        world.arrive(request[:at])
        finish(world)
        bodies = world.handler.bodies
        assert bodies == whole.handler.bodies[: len(bodies)]
        assert len(world.statuses) <= len(whole.statuses) + world.statuses.count(100)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(REQUESTS)), st.dictionaries(st.integers(0, 30), st.sampled_from([EAGAIN, ONE])))
def test_calls_that_fail_for_now_or_come_up_short(name: str, faults: dict[int, OSError]) -> None:
    world = World(faults=faults)
    world.arrive(REQUESTS[name])
    assert world.sent.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"") == heard(REQUESTS[name])


HELLO = Response(200, "Hello")


def test_a_promise_that_is_kept_while_bytes_are_owed_does_not_spin() -> None:
    """Nobody reads: the piece has to wait for the bytes in front of it, and so does the loop."""
    later = Later()

    def pieces() -> Iterator[Any]:
        yield b"a"
        time.sleep(2 * QUICK)
        yield later
        yield b"c"

    world = World(lambda _: Response(200, pieces()))
    world.transport.room = 0
    world.arrive(get("/anything"))
    later.answer(b"b")
    world.run()  # it raises where turns make no progress
    world.take(None)
    assert world.sent.endswith(b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")


def test_what_a_middleware_makes_of_the_method_frames_nothing() -> None:
    """The answer to a POST has its body, and so has the same one for the next client."""

    def override(request: Request) -> Response:
        if request.path == "/override":
            request.method = "HEAD"
        return HELLO

    for first in ("/override", "/plain"):
        world = World(override)
        world.arrive(get(first), get("/plain"))
        assert world.sent.count(b"\r\n\r\nHello") == 2


def test_nothing_is_handled_behind_an_abort() -> None:
    asked: list[str] = []

    def abort(request: Request) -> Response:
        asked.append(request.path)
        world.connection.abort()
        return HELLO

    world = World(abort)
    world.arrive(get("/a") + get("/b") + get("/c"))
    assert asked == ["/a"]
