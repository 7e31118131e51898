"""The fault sweep: every scenario is replayed once per (system call x fault).

Nothing escapes; a fault that is final ends CLOSED with everything given back, and what has been sent by then is a
beginning of what would have been; one that is for now only delays: the same bytes, the same end.
"""

import errno
from collections.abc import Callable
from typing import Any

import pytest

from reactor.http1.response import Response

from .simulated import (
    EAGAIN,
    ECONNRESET,
    EINTR,
    ENOBUFS,
    ENOTCONN,
    EPIPE,
    ETIMEDOUT,
    HALF,
    ONE,
    START,
    TOY,
    Fault,
    Short,
    World,
    chunked,
    get,
    head,
    post,
)

Step = bytes | Callable[[World], Any]


def end(world: World) -> None:
    world.end()


def keep_promise(world: World) -> None:
    """Answer what is waited for; where the connection has gone, that changes nothing."""
    while world.handler.laters:
        world.handler.laters.pop(0).answer(Response(200, "kept"))
        world.run()


def give_piece(world: World) -> None:
    while world.handler.laters:
        world.handler.laters.pop(0).answer(b"piece")
        world.run()


def talk(world: World) -> None:
    """The promised answer comes, with a piece that is promised."""
    zoo = world.handler
    if zoo.laters:
        zoo.laters.pop(0).answer(Response(200, zoo.pieces([b"first", zoo.promise, b"last"])))
        world.run()


def give_time(world: World) -> None:
    while world.handler.laters:
        world.handler.laters.pop(0).answer(None)
        world.run()


def fill(world: World) -> None:
    world.take(300)


def empty(world: World) -> None:
    world.take(None)


def expire(world: World) -> None:
    """Much time goes by, with nothing in it."""
    world.at(world.reactor.now - START + 100)


SCENARIOS: dict[str, list[Step]] = {
    "hello": [get("/hello"), end],
    "three together": [get("/hello") * 3, end],
    "three in turn": [get("/hello"), get("/hello"), get("/hello"), end],
    "a body, collected": [post("/echo", b"hello" * 20)[:-30], b"hello" * 6, end],
    "a body, to a sink": [post("/sink", b"hello" * 20)[:-30], b"hello" * 6, end],
    "a sink that asks for time": [head("POST /sink", "Content-Length: 8") + b"wait", give_time, b"more", end],
    "chunked": [chunked("/echo", b"hello, ", b"world")[:-9], chunked("/echo", b"hello, ", b"world")[-9:], end],
    "100-continue": [head("POST /echo", "Content-Length: 5", "Expect: 100-continue"), b"hello", end],
    "a file": [fill, get("/file"), empty, end],
    "large": [fill, get("/big"), empty, end],
    "small and large": [get("/hello") * 3 + get("/big") * 2, end],
    "an iterator": [fill, get("/iterator"), empty, end],
    "an iterator with a length": [get("/iterator-length"), end],
    "a promise": [get("/later"), get("/hello"), keep_promise, end],
    "a promise and a goodbye": [get("/later"), end, keep_promise],
    "a promised piece": [get("/promises"), give_piece, end],
    "an early answer": [fill, post("/early-big", b"x" * 100)[:-50], b"x" * 50, empty, get("/hello"), end],
    "both ways": [fill, post("/duplex", b"x" * 100)[:-50], talk, b"x" * 50, empty, give_piece, get("/hello"), end],
    "both ways, and a goodbye": [post("/duplex", b"x" * 100)[:-50], talk, end, give_piece],
    "a refusal": [b"NONSENSE\r\n\r\n", b"more of it", end],
    "a refusal, and silence": [b"NONSENSE\r\n\r\n", expire],
    "too large": [head("POST /echo", "Content-Length: 99999999999"), b"x" * 100, end],
    "an upgrade": [TOY, b"hello", fill, b"x" * 1000, empty, b"bye", end],
    "kept, then closed": [get("/hello"), get("/hello", "Connection: close"), get("/hello"), end],
    "kept, then silence": [get("/hello"), expire],
    "half a head, then silence": [get("/hello")[:9], expire, expire],
    "half a body, then silence": [post("/sink", b"hello")[:-2], expire, end],
}

NOW = (EAGAIN, ONE, HALF)
FINAL = (EINTR, ECONNRESET, EPIPE, ETIMEDOUT, ENOBUFS)  # EINTR: the interpreter calls again itself (PEP 475)
FAULTS: dict[str, tuple[Fault, ...]] = {
    "recv": (*NOW, EINTR, ECONNRESET, ETIMEDOUT),
    "send": (*NOW, *FINAL),
    "sendmsg": (*NOW, *FINAL),
    "sendfile": (*NOW, *FINAL),
    "shutdown": (ENOTCONN, ECONNRESET),
    "close": (),
}


def play(scenario: list[Step], faults: dict[int, Fault] | None = None, is_early: bool = False) -> World:
    """`is_early`: what comes first is here when the connection is accepted."""
    first = scenario[0]
    if is_early and isinstance(first, bytes):
        world, scenario = World(faults=faults, early=first), scenario[1:]
        world.run()
    else:
        world = World(faults=faults)
    for step in scenario:
        if callable(step):
            step(world)
        else:
            world.arrive(step)
    return world


def is_final(fault: Fault) -> bool:
    return isinstance(fault, OSError) and not isinstance(fault, BlockingIOError)


def cases() -> list[Any]:
    """Of each scenario, each call and each of the faults that it can meet."""
    found = []
    for name, scenario in SCENARIOS.items():
        for is_early in (False, True):
            for number, call in enumerate(play(scenario, None, is_early).transport.calls):
                for fault in FAULTS[call]:
                    what = errno.errorcode[fault.errno or 0] if isinstance(fault, OSError) else repr(fault)
                    title = f"{name}-{number}-{call}-{what}" + "-early" * is_early
                    found.append(pytest.param(name, number, fault, is_early, id=title))
    return found


@pytest.mark.parametrize("is_early", [False, True])
@pytest.mark.parametrize("name", SCENARIOS)
def test_without_a_fault(name: str, is_early: bool) -> None:
    world = play(SCENARIOS[name], None, is_early)
    world.assert_released()
    assert not world.transport.is_aborted
    assert world.sent == play(SCENARIOS[name]).sent


@pytest.mark.parametrize(("name", "number", "fault", "is_early"), cases())
def test_every_call_with_every_fault(
    name: str, number: int, fault: Fault, is_early: bool, caplog: pytest.LogCaptureFixture
) -> None:
    reference = play(SCENARIOS[name], None, is_early)
    world = play(SCENARIOS[name], {number: fault}, is_early)
    world.assert_released()
    assert not caplog.records
    zoo, events = world.handler, world.handler.events
    if is_final(fault):
        assert reference.sent.startswith(world.sent)
        later = world.transport.calls[number + 1 :]
        assert later in (["close"], []), "nothing more is asked of a lost connection"
    else:
        assert world.sent == reference.sent
        assert zoo.bodies == reference.handler.bodies
        assert set(events) == set(reference.handler.events)
    assert events.count("iterator open") == events.count("iterator closed")
    assert events.count("sink open") == events.count("sink finished") + events.count("sink aborted")
    assert events.count("toy connected") == events.count("toy closed") <= 1


@pytest.mark.parametrize("is_early", [False, True])
@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("fault", [EAGAIN, ONE, HALF], ids=repr)
def test_every_second_call_of_all_with_a_fault_for_now(name: str, fault: Fault, is_early: bool) -> None:
    reference = play(SCENARIOS[name])
    count = 4000 if isinstance(fault, Short) else 1000
    world = play(SCENARIOS[name], dict.fromkeys(range(0, count, 2), fault), is_early)
    world.assert_released()
    assert world.sent == reference.sent
