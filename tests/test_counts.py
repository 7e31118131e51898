"""What a request costs, counted: speed that a test can hold on to, on any machine and under any load.

The floor of a request on a kept connection is one `recv` and one `send`; everything else is ours to answer for.
Timing lives in `loadtest/`.
"""

import gc
import selectors
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from handlers import hello
from reactor.connection import Connection
from reactor.dialogue import STEPS
from reactor.http1.request import Origin
from reactor.http1.response import Response
from reactor.loop import READ, Reactor
from reactor.memory import ManualReactor
from reactor.outbox import Outbox
from reactor.service import Service
from reactor.settings import Settings
from reactor.state import IDLE
from reactor.transport import Transport

from .simulated import (
    ScriptedTransport,
    World,
    get,
    head,
)
from .zoo import BIG, Zoo

REQUEST = (
    b"GET /test HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
    b"Accept-Encoding: gzip, deflate\r\nAccept-Language: en\r\nCookie: a=b\r\n\r\n"
)
CALLS_LIMIT = 30  # Python function calls from readiness to sent, the handler's own included


class Counting(selectors.DefaultSelector):
    """Counts what asks the kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def select(self, timeout: float | None = None) -> Any:
        self.counts["select"] += 1
        return super().select(timeout)

    def register(self, *arguments: Any) -> Any:
        self.counts["register"] += 1
        return super().register(*arguments)

    def modify(self, *arguments: Any) -> Any:
        self.counts["modify"] += 1
        return super().modify(*arguments)

    def unregister(self, *arguments: Any) -> Any:
        self.counts["unregister"] += 1
        return super().unregister(*arguments)


class CountedSocket:
    """A socket, counting the system calls made through it."""

    def __init__(self, sock: socket.socket, counts: Counter[str]) -> None:
        self._sock = sock
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._sock, name)
        if name == "fileno":  # asks nobody
            return method

        def counted(*arguments: Any) -> Any:
            self._counts[name] += 1
            return method(*arguments)

        return counted


class Served:
    """One connection on a real reactor, over a real socket pair. Attribute `counts`: of system calls."""

    def __init__(self, handler: Any) -> None:
        self.selector = Counting()
        self.reactor = Reactor(self.selector)
        self.counts = self.selector.counts
        self.counts.clear()
        self.service = Service(self.reactor, Settings(), handler)
        ours, self.peer = socket.socketpair()
        self.peer.settimeout(5)
        ours.setblocking(False)
        self._ours = ours
        counted: Any = CountedSocket(ours, self.counts)
        self.connection = Connection(self.service, Transport(counted), Origin())

    def ask(self, request: bytes = REQUEST) -> bytes:
        self.peer.sendall(request)
        self.reactor.turn()
        return self.peer.recv(65536)

    def close(self) -> None:
        self.connection.close()
        self._ours.close()
        self.peer.close()
        self.reactor.close()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served(hello.handler)
    yield served
    served.close()


def python_calls(work: Callable[[], Any]) -> tuple[list[str], int]:
    """The Python functions that `work` enters, itself included, and the number of those in C."""
    entered: list[str] = []
    in_c = 0

    def profile(frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal in_c
        if event == "call" and "CountedSocket" not in frame.f_code.co_qualname:
            entered.append(frame.f_code.co_qualname)
        elif event == "c_call":
            in_c += 1

    former = sys.getprofile()
    gc.disable()  # its callbacks, where somebody has set any, would be counted
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(former)
        gc.enable()
    return entered, in_c - 1  # the last is setprofile's own


def test_a_kept_connection_costs_two_system_calls_a_request_and_one_select(served: Served) -> None:
    served.ask()
    served.counts.clear()
    for _ in range(100):
        assert served.ask().startswith(b"HTTP/1.1 200 OK\r\n")
    assert served.counts == {"select": 100, "recv": 100, "send": 100}


def test_a_connection_is_registered_once_and_unregistered_once(served: Served) -> None:
    for _ in range(10):
        served.ask()
    served.peer.close()
    served.reactor.turn()
    counts = served.counts
    assert (counts["register"], counts["modify"], counts["unregister"], counts["close"]) == (1, 0, 1, 1)
    assert counts["recv"] == 11, "no second probe: readiness is asked of the selector"


def test_pipelined_requests_share_their_system_calls(served: Served) -> None:
    served.ask()
    served.counts.clear()
    served.ask(REQUEST * 10)
    assert served.counts == {"select": 1, "recv": 1, "send": 1}


def test_from_readiness_to_sent_in_few_python_calls(
    served: Served, record_property: Callable[[str, object], None]
) -> None:
    """A request like the one before, which nearly every one on a kept connection is."""
    served.ask()
    served.peer.sendall(REQUEST)
    entered, in_c = python_calls(lambda: served.connection._on_readable(READ))
    assert served.peer.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    entered = entered[1:]  # less the lambda
    record_property("python calls", len(entered))
    record_property("C calls", in_c)
    assert entered[0] == "Connection._on_readable"
    assert "handler" in entered
    assert len(entered) <= CALLS_LIMIT, entered


def test_a_request_that_differs_from_the_last_costs_few_more(served: Served) -> None:
    served.ask()
    served.peer.sendall(get("/test", "X-Other: 1"))
    entered, _ = python_calls(lambda: served.connection._on_readable(READ))
    assert len(entered) - 1 <= CALLS_LIMIT, entered


def test_the_reactor_adds_its_turn_and_nothing_else(served: Served) -> None:
    served.ask()
    served.peer.sendall(REQUEST)
    whole, _ = python_calls(served.reactor.turn)
    served.peer.recv(65536)
    served.peer.sendall(REQUEST)
    alone, _ = python_calls(lambda: served.connection._on_readable(READ))
    ours = [name for name in whole if "Selector" not in name and "Counting" not in name]
    assert len(ours) <= len(alone), "turn in the place of the lambda"


def test_the_fast_path_makes_nothing_that_the_collector_has_to_look_at(served: Served) -> None:
    """No cycles: with the collector off, as many objects after a thousand requests as before."""
    served.ask()
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(1000):
            served.ask()
        assert len(gc.get_objects()) - before < 20
    finally:
        gc.enable()


def test_a_short_write_costs_one_change_there_and_one_back() -> None:
    world = World()
    world.transport.room = 1000
    world.arrive(get("/big"))
    for _ in range(50):
        world.take(1000)
    world.take(None)
    assert world.connection.state is IDLE
    assert len(world.reactor.watch_calls) == 3, "registered, to FLUSH, and back"
    sends = [call for call in world.transport.calls if call.startswith("send")]
    assert len(sends) <= 54, "one call for each time the kernel takes something, and one more where it is a vector"


@pytest.mark.parametrize(("path", "most"), [("/hello", 1), ("/big", 1), ("/file", 2), ("/iterator", 5)])
def test_system_calls_of_an_answer(path: str, most: int) -> None:
    """Head and body leave together; a file takes a `sendfile` more, an iterator a `send` a piece."""
    world = World()
    world.arrive(get(path))
    calls = Counter(world.transport.calls)
    assert calls.pop("recv") == 1
    assert calls.total() <= most, calls


def test_a_promise_costs_one_change_there_and_one_back() -> None:
    world = World()
    world.arrive(get("/later"))
    world.handler.laters[0].answer(Response(200))
    world.run()
    assert len(world.reactor.watch_calls) == 3


def test_a_body_costs_one_call_for_each_part_of_it() -> None:
    world = World(Zoo())
    world.arrive(head("POST /sink", "Content-Length: 100000"), *[b"x" * 10_000] * 10)
    assert Counter(world.transport.calls) == {"recv": 11, "sendmsg": 1}
    assert world.reactor.watch_calls == [READ]


def test_one_large_piece_is_never_copied() -> None:
    transport = ScriptedTransport(ManualReactor())
    outbox = Outbox()
    outbox.add(BIG)
    for _ in range(3):
        transport.room = 1000
        outbox.flush(transport)
        assert isinstance(outbox._pieces[0], memoryview)
        assert outbox._pieces[0].obj is BIG
    assert outbox.sent == 3000


def test_what_is_owed_is_copied_once_at_most() -> None:
    """A large body is sent from where it lies."""
    world = World()
    world.transport.room = 1000
    world.arrive(get("/big"))
    for _ in range(3):
        pieces = world.connection._outbox._pieces
        assert isinstance(pieces[-1], memoryview)
        assert pieces[-1].obj is BIG
        world.take(1000)


def test_what_one_connection_may_ask_for_in_a_turn_is_bounded() -> None:
    """For tiny chunks as for pipelined requests: others have their turn."""

    def calls_of_a_turn(world: World, data: bytes) -> int:
        count = 0

        def counted(_frame: FrameType, event: str, _argument: Any) -> None:
            nonlocal count
            count += event == "call"

        world.transport.feed(data)
        sys.setprofile(counted)
        try:
            world.reactor.turn()
        finally:
            sys.setprofile(None)
        return count

    requests = World()
    assert calls_of_a_turn(requests, get("/hello") * 2000) < 2000
    chunks = World()
    chunks.arrive(head("POST /echo", "Transfer-Encoding: chunked"))
    assert calls_of_a_turn(chunks, b"1\r\nx\r\n" * 10_000) < 2 * STEPS + 200
    chunks.run()
    chunks.arrive(b"0\r\n\r\n")
    assert chunks.handler.bodies == [b"x" * 10_000]
