"""What a request costs, counted: speed that a test can hold on to, on any machine and under any load.

The floor of a request on a kept connection is one `recv` and one `send`; everything else is ours to answer for: what a
request may cost is in `counts.toml`, and how it is counted in `counts/`. Timing lives in `loadtest/`.
"""

import ast
import builtins
import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from handlers import hello
from reactor.dialogue import STEPS
from reactor.http1.response import Response
from reactor.loop import READ
from reactor.memory import ManualReactor
from reactor.outbox import Outbox
from reactor.state import IDLE

from .counts import table
from .counts.copied import Around, Tally
from .counts.scenarios import HELLO, SCENARIOS
from .counts.served import Calls, Served
from .counts.table import ADVICE, Counts, committed, excesses, flat, measured
from .simulated import (
    ScriptedTransport,
    World,
    get,
    head,
)
from .zoo import BIG, Zoo


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served(hello.handler)
    yield served
    served.close()


def counted(served: Served, *requests: bytes) -> Calls:
    """What is called for some requests, one after the other."""
    calls = Calls()
    for request in requests:
        served.ask(request, turn=lambda: calls.during(served.reactor.turn))
    return calls


@pytest.fixture(scope="module")
def today() -> Counts:
    return measured()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_request_costs_no_more_than_the_table_says(
    scenario: str, today: Counts, record_property: Callable[[str, object], None]
) -> None:
    """Python calls, C calls, system calls, memory, copied bytes; a count that fell is written down with `--write`."""
    made_with, allowed = committed()
    for unit, count in flat(today[scenario]).items():
        record_property(unit, count)
    above = excesses({scenario: today[scenario]}, allowed, made_with)
    assert not above, "\n".join([*above, ADVICE])


def test_the_table_has_what_is_measured_and_nothing_else(today: Counts) -> None:
    _, allowed = committed()
    assert {name: set(flat(counts)) for name, counts in allowed.items()} == {
        name: set(flat(counts)) for name, counts in today.items()
    }, ADVICE


LEAN = {"hello": {"python_calls": 17, "c_calls": 9, "system_calls": {"recv": 1}, "peak_bytes": 1000, "kept_blocks": 0}}


@pytest.mark.parametrize(
    ("kind", "count", "expected"),
    [
        ("python_calls", 19, ["hello: 19 Python calls a request; 17 in tests/counts.toml"]),
        ("python_calls", 16, []),
        ("c_calls", 10, ["hello: 10 C calls a request; 9 in tests/counts.toml"]),
        ("system_calls", {"recv": 2}, ["hello: 2 system calls of recv a request; 1 in tests/counts.toml"]),
        ("system_calls", {"ioctl": 1}, ["hello: 1 system calls of ioctl a request; 0 in tests/counts.toml"]),
        ("peak_bytes", 1020, []),
        ("peak_bytes", 1021, ["hello: 1,021 bytes of memory at the most a request; 1,000 in tests/counts.toml"]),
        ("kept_blocks", 1, ["hello: 1 kept blocks of memory a request; 0 in tests/counts.toml"]),
    ],
)
def test_what_is_above_the_table_is_told_with_both_counts(kind: str, count: object, expected: list[str]) -> None:
    assert excesses({"hello": LEAN["hello"] | {kind: count}}, LEAN, table.version()) == expected


def test_another_python_may_call_a_comprehension_or_two() -> None:
    assert excesses({"hello": LEAN["hello"] | {"python_calls": 19}}, LEAN, "2.7") == []
    assert excesses({"hello": LEAN["hello"] | {"python_calls": 20}}, LEAN, "2.7")


def test_what_is_written_is_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(table, "PATH", tmp_path / "counts.toml")
    table.write(LEAN)
    assert committed() == (table.version(), LEAN)


def test_what_is_built_is_counted_once_and_what_was_there_is_not() -> None:
    tally = Tally()
    there = bytes(bytearray(100))
    pair = (bytes(bytearray(3)), there)
    assert tally.built(there[0:100]) is there, "a slice that is all of it"
    assert tally.built(pair) is pair
    assert tally.copied == 0
    new = tally.built(there[0:10])
    tally.built(new)
    assert tally.copied == 10
    tally.built(bytes(new).split(b"x"))
    tally.built([(there[0:5], there)])
    assert tally.copied == 15
    tally.added(bytearray(50), b"12")
    tally.added(bytes(50), b"12")
    tally.added(1, 2)
    assert tally.copied == 15 + 2 + 52
    tally.reset()
    assert tally.copied == 0


def test_a_changed_source_does_the_same_and_tells_what_it_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "def run(a):\n    b = bytearray(a[1:])\n    b += a[:2]\n    return b'%b!' % b[:3] + len(a) * b'x'\n"
    names: dict[str, Any] = {}
    tally = Tally()
    monkeypatch.setattr(builtins, "__built__", tally.built, raising=False)
    monkeypatch.setattr(builtins, "__added__", tally.added, raising=False)
    exec(compile(ast.fix_missing_locations(Around().visit(ast.parse(source))), "source", "exec"), names)
    assert names["run"](b"abcd") == b"bcd!xxxx"
    assert tally.copied == 3 + 3 + 2 + 2 + 3 + 4 + 4 + 8


def test_a_kept_connection_costs_two_system_calls_a_request_and_one_select(served: Served) -> None:
    served.ask(HELLO)
    assert counted(served, *[HELLO] * 100).system == {"epoll_wait": 100, "recv": 100, "send": 100}


def test_a_connection_is_registered_once_and_unregistered_once() -> None:
    made: list[Served] = []
    opening = Calls()
    opening.during(lambda: made.append(Served(hello.handler)))
    assert opening.system["epoll_ctl"] == 2, "the reactor's waker, and the connection"
    served = made[0]
    assert "epoll_ctl" not in counted(served, *[HELLO] * 10).system
    served.peer.close()
    closing = Calls()
    closing.during(served.reactor.turn)
    assert closing.system == {"epoll_wait": 1, "recv": 1, "epoll_ctl": 1, "close": 1}, (
        "no second probe: readiness is asked of the selector"
    )
    served.close()


def test_pipelined_requests_share_their_system_calls(served: Served) -> None:
    served.ask(HELLO)
    assert counted(served, HELLO * 10).system == {"epoll_wait": 1, "recv": 1, "send": 1}


def test_what_is_called_begins_with_the_turn_and_ends_in_the_handler_and_its_answer(served: Served) -> None:
    served.ask(HELLO)
    entered = counted(served, HELLO).python
    assert entered[:2] == ["Reactor.turn", "Connection._on_readable"], "the reactor adds its turn and nothing else"
    assert "handler" in entered


def test_the_fast_path_makes_nothing_that_the_collector_has_to_look_at(served: Served) -> None:
    """No cycles: with the collector off, as many objects after a thousand requests as before."""
    served.ask(HELLO)
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(1000):
            served.ask(HELLO)
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


@pytest.mark.parametrize(("path", "most"), [("/hello", 1), ("/big", 1), ("/file", 2), ("/iterator", 1)])
def test_system_calls_of_an_answer(path: str, most: int) -> None:
    """Head and body leave together; a file takes a `sendfile` more, quick pieces none."""
    world = World()
    world.transport.calls.clear()
    world.arrive(get(path))
    calls = Counter(world.transport.calls)
    assert calls.pop("recv") == 1
    assert calls.total() <= most, calls


def test_a_promise_changes_nothing_of_what_is_watched() -> None:
    world = World()
    world.arrive(get("/later"))
    world.handler.laters[0].answer(Response(200))
    world.run()
    assert len(world.reactor.watch_calls) == 1


def test_a_body_costs_one_call_for_each_part_of_it() -> None:
    world = World(Zoo())
    world.transport.calls.clear()
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
        assert isinstance(outbox._first, memoryview)
        assert outbox._first.obj is BIG
    assert outbox.sent == 3000


def test_what_is_owed_is_copied_once_at_most() -> None:
    """A large body is sent from where it lies."""
    world = World()
    world.transport.room = 1000
    world.arrive(get("/big"))
    for _ in range(3):
        piece = world.connection._outbox._first
        assert isinstance(piece, memoryview)
        assert piece.obj is BIG
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
