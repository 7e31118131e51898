"""Every timeout, seen firing by assigning the clock, and seen not firing where it is off; and the server's stop."""

from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from reactor.connection import Connection
from reactor.dialogue import PIPELINE
from reactor.http1.request import Origin
from reactor.http1.response import Response
from reactor.loop import READ
from reactor.memory import MemoryTransport

from .simulated import CLOSE, HELLO, World, answer, arriving, blocked, get, head, post

DONE = Response(200, "done")
PART = post("/sink", b"x" * 100)[:-50]
EARLY = post("/early-big", b"x" * 100)[:-50]


def test_a_silent_new_connection_is_just_closed() -> None:
    world = World()
    world.at(9.9)
    assert world.state == "IDLE"
    world.at(10)
    assert world.sent == b""
    world.assert_released()


def test_a_head_that_does_not_come_is_408() -> None:
    world = World()
    world.at(5)
    world.arrive(HELLO[:5])
    world.at(14.9)
    assert world.state == "HEAD"
    world.at(15)
    assert (world.state, world.statuses, world.due) == ("LINGER", [408], 5)
    world.at(20)
    world.assert_released()


def test_trickling_a_head_buys_no_time() -> None:
    world = World()
    for second in range(10):
        world.at(second)
        world.arrive(HELLO[second : second + 1])
    world.at(9.9)
    assert world.state == "HEAD"
    world.at(10)
    assert world.statuses == [408]


def test_trickling_empty_lines_buys_no_time() -> None:
    world = World()
    for second in range(0, 10, 2):
        world.at(second)
        world.arrive(b"\r" if second % 4 == 0 else b"\n")
    world.at(10)
    assert world.statuses == [408]


def test_each_head_has_its_own_time() -> None:
    world = World()
    world.arrive(HELLO[:5])
    world.at(9)
    world.arrive(HELLO[5:] + HELLO[:5])
    world.at(18)
    assert world.statuses == [200]
    world.arrive(HELLO[5:])
    assert world.statuses == [200, 200]


def test_a_body_that_makes_no_progress_is_408() -> None:
    world = World()
    world.arrive(post("/sink", b"x" * 100_000)[:-90_000])
    world.at(59)
    assert world.state == "BODY"
    world.arrive(b"x" * 80_000)
    world.at(118)
    assert world.state == "BODY"
    world.at(119)
    assert world.statuses == [408]
    assert world.handler.events == ["sink open", "sink aborted"]


def test_a_byte_of_a_body_now_and_then_is_not_progress() -> None:
    world = World()
    world.arrive(post("/sink", b"x" * 1000)[:-999])
    second = 0
    while world.state == "BODY":
        second += 10
        assert second < 100
        world.at(second)
        if world.state == "BODY":
            world.arrive(b"x")
    assert world.statuses == [408]
    assert second == 70


def test_a_body_at_the_least_rate_has_all_the_time_it_takes() -> None:
    world = World(limit_body_size=0)
    world.arrive(head("POST /echo", "Content-Length: 480000"))
    for second in range(10, 2001, 10):
        world.arrive(b"x" * 2400)
        world.at(second)
    assert world.statuses == [200]


def test_a_burst_of_a_body_buys_no_time_for_what_trickles_behind_it() -> None:
    world = World()
    world.arrive(head("POST /echo", "Content-Length: 1000000"), b"x" * 500_000)
    for seconds in range(20, 70, 20):
        assert world.state == "BODY"
        world.at(seconds)
        world.arrive(b"x")
    world.at(61)
    assert world.statuses == [408]


def test_without_a_least_rate_a_byte_now_and_then_is_progress() -> None:
    world = World(least_rate=0)
    world.arrive(post("/echo", b"x" * 20)[:-20])
    for second in range(50, 1001, 50):
        world.arrive(b"x")
        world.at(second)
    assert world.statuses == [200]


def test_the_rest_of_an_unwanted_body_has_a_deadline_too() -> None:
    world = World()
    world.arrive(post("/early", b"x" * 100)[:-50])
    world.at(60)
    assert (world.state, world.statuses) == ("LINGER", [401]), "and a second answer is not sent"


def test_an_answer_that_nobody_takes_is_reset() -> None:
    world = World()
    blocked(get("/iterator"), room=1000)(world)
    world.at(29.9)
    assert world.state == "FLUSH"
    world.at(30)
    assert world.transport.is_aborted
    assert world.handler.events == ["iterator open", "iterator closed"]
    world.assert_released()


def test_an_answer_that_is_taken_a_little_now_and_then_is_reset() -> None:
    world = World()
    blocked(get("/big"), room=10)(world)
    second = 0
    while world.state == "FLUSH":
        second += 10
        assert second < 100
        world.at(second)
        if world.state == "FLUSH":
            world.take(10)
    assert world.transport.is_aborted
    assert second == 40


def test_an_answer_that_is_taken_at_the_least_rate_has_all_the_time_it_takes() -> None:
    world = World()
    blocked(get("/big"), room=1)(world)
    for second in range(10, 840, 10):
        world.take(2500)
        world.at(second)
    assert world.statuses == [200]
    assert world.state == "IDLE"


def test_progress_of_the_last_exchange_does_not_count_against_the_next() -> None:
    """An answer owed, a body that came whole behind it, a promise kept: the time to take both is never shortened."""
    world = World()
    world.transport.room = 10
    world.arrive(HELLO + post("/sink", b"wait" + b"x" * 50_000))
    answer(None)(world)
    world.arrive(get("/later"))
    world.at(1)
    assert world.state == "FLUSH"
    assert world.due >= 29


def test_an_idle_connection_is_closed() -> None:
    world = World()
    world.at(3)
    world.arrive(HELLO)
    world.at(77.9)
    assert world.state == "IDLE"
    world.at(78)
    assert world.statuses == [200]
    world.assert_released()


def test_a_request_that_crossed_with_the_idle_close_is_answered() -> None:
    world = World()
    world.arrive(HELLO)
    world.reactor.now += 80
    world.transport.feed(HELLO)  # it is here, and the reactor has not been told
    world.service.sweep()
    assert world.statuses == [200, 200]
    assert world.due == 75


def test_part_of_a_request_that_crossed_with_the_idle_close_has_its_time() -> None:
    world = World()
    world.reactor.now += 80
    world.transport.feed(HELLO[:9])
    world.service.sweep()
    assert (world.state, world.due) == ("HEAD", 10)


def test_leftovers_are_not_kept() -> None:
    world = World()
    world.arrive(CLOSE, *[b"x" * 60_000] * 100)
    assert world.transport.received > 6_000_000
    assert not world.connection._inbox


def test_lingering_ends() -> None:
    world = World()
    world.arrive(CLOSE)
    for second in range(5):
        world.at(second)
        world.arrive(HELLO)
    world.at(4.9)
    assert world.state == "LINGER"
    world.at(5)
    assert world.statuses == [200]
    world.assert_released()


@pytest.mark.parametrize(
    ("setting", "play", "state"),
    [
        ("timeout_header", lambda world: None, "IDLE"),
        ("timeout_header", arriving(HELLO[:5]), "HEAD"),
        ("timeout_body", arriving(PART), "BODY"),
        ("timeout_write", blocked(get("/big"), room=1000), "FLUSH"),
        ("timeout_write", blocked(EARLY, room=1000), "DUPLEX"),
        ("timeout_keep_alive", arriving(HELLO), "IDLE"),
        ("timeout_keep_alive", arriving(HELLO + HELLO[:9], HELLO[9:]), "IDLE"),
        ("timeout_linger", arriving(CLOSE), "LINGER"),
    ],
)
def test_zero_turns_a_timeout_off(setting: str, play: Callable[[World], None], state: str) -> None:
    off: dict[str, Any] = {setting: 0}
    world = World(**off)
    play(world)
    assert world.state == state
    assert world.due == inf
    world.at(1_000_000)
    assert world.state == state


def test_a_promise_has_no_deadline_but_the_handlers() -> None:
    world = World()
    world.arrive(get("/later"))
    world.at(1_000_000)
    assert world.state == "WORK"


# The server stops.


@pytest.mark.parametrize("before", [[], [HELLO]])
def test_idle_connections_leave_when_the_server_stops(before: list[bytes]) -> None:
    world = World()
    world.arrive(*before)
    world.service.drain()
    world.connection.retire()
    world.assert_released()


def test_a_request_that_crossed_with_the_stop_is_answered() -> None:
    world = World()
    world.transport.feed(HELLO)
    world.service.drain()
    world.connection.retire()
    world.run()
    assert b"\r\nConnection: close\r\n" in world.sent
    assert world.state == "LINGER"


def test_one_that_crossed_with_the_stop_while_others_had_their_turn_is_answered_too() -> None:
    world = World()
    world.transport.feed(HELLO * PIPELINE)
    world.reactor.watched[world.transport.fileno()][1](READ)
    assert (world.state, world.connection._is_put_off) == ("IDLE", True)
    world.transport.feed(HELLO)
    world.service.drain()
    world.connection.retire()
    world.run()
    assert world.statuses == [200] * (PIPELINE + 1)
    assert world.state == "LINGER"


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (arriving(get("/later")), answer(DONE)),
        (arriving(HELLO[:9]), arriving(HELLO[9:])),
        (arriving(PART), arriving(b"x" * 50)),
    ],
    ids=["WORK", "HEAD", "BODY"],
)
def test_what_is_under_way_at_a_stop_is_finished(
    first: Callable[[World], None], rest: Callable[[World], None]
) -> None:
    world = World()
    first(world)
    world.service.drain()
    world.connection.retire()
    world.run()
    rest(world)
    assert world.statuses == [200]
    assert b"\r\nConnection: close\r\n" in world.sent
    assert world.state == "LINGER"


@pytest.mark.parametrize("path", ["/big", "/iterator", "/file"])
def test_an_answer_that_promised_to_keep_the_connection_before_the_stop_is_its_last(path: str) -> None:
    """Nobody waits for an idle connection: it leaves as soon as it is idle."""
    world = World()
    blocked(get(path), room=100)(world)
    world.service.drain()
    world.connection.retire()
    assert world.state == "FLUSH"
    world.take(None)
    assert world.statuses == [200]
    world.assert_released()


def test_a_bug_at_one_deadline_is_logged_and_the_others_are_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    other = MemoryTransport(world.reactor)
    Connection(world.service, other, Origin()).begin()
    transports = [world.transport, other]
    expire = Connection.expire

    def broken(connection: Connection) -> None:
        if len(world.service.connections) == 2:
            raise RuntimeError("a bug of ours")
        expire(connection)

    monkeypatch.setattr(Connection, "expire", broken)
    world.at(10)
    assert [transport.is_open for transport in transports] == [False, False]
    assert len(caplog.records) == 1
    world.assert_released()


@pytest.mark.parametrize("rest", [b"Host: test\r\n\r\n", b"hello"])
def test_what_crosses_with_our_patience_is_answered(rest: bytes) -> None:
    """A head and a body, as an idle connection's request: one last look before the 408."""
    whole = HELLO if rest.startswith(b"Host") else head("POST /echo", "Content-Length: 5") + rest
    world = World(timeout_body=10)
    world.arrive(whole[: -len(rest)])
    world.reactor.now += 11
    world.transport.feed(rest)
    world.service.sweep()
    world.run()
    assert world.statuses == [200]
