"""Whatever happens to a connection, in whatever order: what its state says is true, and at the end nothing is left.

Steps are drawn at random: requests whole and cut, a kernel that fills and empties, promises kept and broken, FIN,
reset, time going by, the server stopping. After each, the laws of `state.py` are checked from outside.
"""

from collections.abc import Callable
from math import inf
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.http1.response import Response
from reactor.loop import READ, WRITE
from reactor.respondent import HIGH_WATER
from reactor.state import (
    BODY,
    CLOSED,
    DUPLEX,
    FLUSH,
    HEAD,
    IDLE,
    LINGER,
    UPGRADED,
    WORK,
)

from .simulated import (
    EAGAIN,
    HALF,
    ONE,
    START,
    TOY,
    World,
    chunked,
    get,
    head,
    post,
)

REQUESTS = [
    get("/hello"),
    get("/hello") * 20,
    get("/big"),
    get("/file"),
    get("/iterator"),
    get("/iterator-length"),
    get("/promises"),
    get("/later"),
    get("/raise"),
    get("/hello", "Connection: close"),
    head("HEAD /iterator"),
    b"GET /iterator HTTP/1.0\r\n\r\n",
    post("/echo", b"hello"),
    post("/sink", b"hello"),
    post("/sink", b"wait for it"),
    post("/sink", b"stop it now"),
    post("/early", b"x" * 50),
    post("/early-big", b"x" * 50),
    post("/early-later", b"x" * 50),
    post("/echo", b"hello", "Expect: 100-continue"),
    chunked("/echo", b"one", b"two"),
    chunked("/early-big", b"one", b"two"),
    post("/duplex", b"x" * 50),
    post("/duplex", b"wait for it"),
    chunked("/duplex", b"one", b"stop"),
    head("POST /echo", "Content-Length: 99999999999"),
    TOY,
    b"NONSENSE\r\n\r\n",
    b"bye",
    b"x" * (HIGH_WATER + 1),
]

Step = Callable[[World], Any]


def arrive_in_parts(data: bytes, cut: int) -> Step:
    cut = min(cut, len(data))
    return lambda world: world.arrive(data[:cut], data[cut:])


def arrive_in_part(data: bytes, cut: int) -> Step:
    return lambda world: world.arrive(data[: min(cut, len(data) - 1)])


def answer(value: Any) -> Step:
    def step(world: World) -> None:
        if world.handler.laters:
            world.handler.laters.pop(0).answer(value() if callable(value) else value)
            world.run()

    return step


def talk(world: World) -> None:
    """The oldest Later is answered, with a body whose second piece is promised."""
    zoo = world.handler
    answer(lambda: Response(200, zoo.pieces([b"first", zoo.promise, b"last"])))(world)


def go_by(seconds: float) -> Step:
    return lambda world: world.at(world.reactor.now - START + seconds)


def retire(world: World) -> None:
    world.service.drain()
    world.connection.retire()
    world.run()


def send(world: World) -> None:
    """The protocol says something of its own accord."""
    for protocol in world.handler.protocols:
        if protocol.link is not None:
            protocol.link.send(b"x" * 1000)
    world.run()


STEPS = st.one_of(
    st.builds(arrive_in_parts, st.sampled_from(REQUESTS), st.integers(0, 150)),
    st.builds(arrive_in_parts, st.sampled_from(REQUESTS), st.integers(0, 150)),
    st.builds(arrive_in_part, st.sampled_from(REQUESTS), st.integers(0, 150)),
    st.sampled_from([None, 0, 10, 1000, 100_000]).map(lambda room: lambda world: world.take(room)),
    st.sampled_from([None, b"piece", lambda: Response(200, "kept"), OSError("as asked"), "wrong"]).map(answer),
    st.just(talk),
    st.sampled_from([0.5, 5, 11, 31, 61, 80]).map(go_by),
    st.sampled_from([World.end, World.fail, retire, send, World.run]),
)


def check(world: World) -> None:
    """The laws, from outside."""
    connection, outbox = world.connection, world.connection._outbox
    state = connection.state
    if state is CLOSED:
        world.assert_released()
        return
    assert state is connection._derive(), "it is derived, never remembered"
    owes = bool(outbox.size or outbox.source is not None)
    expected = state.watches
    if state is UPGRADED:
        expected = (READ if outbox.size < HIGH_WATER else 0) | (WRITE if outbox.size else 0)
    if connection._has_said_goodbye or (state is WORK and len(connection._inbox) > HIGH_WATER):
        expected &= ~READ
    assert world.watched == expected
    assert world.callback == (state.callback if expected else "")
    assert (connection.deadline < inf) == (state is not WORK or not expected)
    if connection.deadline < inf:
        assert connection.deadline > world.reactor.now, "who is expired has been dealt with"
    if state in (IDLE, HEAD, LINGER) or (state is BODY and outbox.waiting is None):
        assert not owes
    if state in (IDLE, HEAD, BODY, LINGER):
        assert not connection._has_said_goodbye
        assert world.service.working == 0
    if state is IDLE:
        assert not connection._inbox
        assert not world.service.is_draining
    if state in (FLUSH, DUPLEX):
        assert owes
    assert world.transport.has_shut == (state is LINGER)
    if state is BODY:
        assert not outbox.size
    assert world.service.working == (connection._exchange is not None and connection._exchange.later is not None)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(STEPS, max_size=15),
    st.dictionaries(st.integers(0, 40), st.sampled_from([EAGAIN, ONE, HALF]), max_size=5),
    st.booleans(),
)
def test_whatever_happens(steps: list[Step], faults: dict[int, Any], is_dropped: bool) -> None:
    world = World(faults=faults)
    check(world)
    for step in steps:
        step(world)
        check(world)
    if is_dropped:
        world.fail()
        world.at(world.reactor.now - START + 1)  # who said goodbye before is asked once a second
    else:
        world.connection.close()
    world.assert_released()
    events = world.handler.events
    assert events.count("iterator open") == events.count("iterator closed")
    assert events.count("toy connected") == events.count("toy closed")
    assert all(later.is_answered or later.is_abandoned for later in world.handler.laters)
