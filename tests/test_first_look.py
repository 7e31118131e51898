"""A connection's first look: what is here when it is accepted is served at once, before anybody watches it."""

import errno
import os
from collections.abc import Callable
from io import StringIO
from math import inf
from typing import Any, NamedTuple

import pytest

from reactor.connection import Connection
from reactor.dialogue import PIPELINE
from reactor.http1.request import Origin
from reactor.loop import READ, WRITE
from reactor.memory import MemoryTransport

from .simulated import CLOSE, ECONNRESET, HELLO, TOY, Fault, ScriptedTransport, World, chunked, get, head, post


class Row(NamedTuple):
    what: str
    early: bytes
    state: str
    answered: list[int]
    watched: int
    due: float = inf  # seconds


TABLE = [
    Row("nothing", b"", "IDLE", [], READ, 10),
    Row("part of a head", HELLO[:9], "HEAD", [], READ, 10),
    Row("a request", HELLO, "IDLE", [200], READ, 75),
    Row("two", HELLO * 2, "IDLE", [200, 200], READ, 75),
    Row("one and part of one", HELLO + HELLO[:9], "HEAD", [200], READ, 10),
    Row("as many as one turn answers", HELLO * PIPELINE, "IDLE", [200] * PIPELINE, READ, 75),
    Row("the last", CLOSE, "LINGER", [200], 0, 5),
    Row("one, and the last", HELLO + CLOSE, "LINGER", [200, 200], 0, 5),
    Row("the last, and more", CLOSE + HELLO, "LINGER", [200], 0, 5),
    Row("the last, of a client of HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", "LINGER", [200], 0, 5),
    Row("what is refused", b"NONSENSE\r\n\r\n", "LINGER", [400], 0, 5),
    Row("a handler that raises", get("/raise"), "IDLE", [500], READ, 75),
    Row("a whole body", post("/echo", b"hello"), "IDLE", [200], READ, 75),
    Row("a whole body in chunks", chunked("/echo", b"hello"), "IDLE", [200], READ, 75),
    Row("a head without its body", post("/echo", b"hello")[:-5], "BODY", [], READ, 60),
    Row("a head that waits", post("/echo", b"x", "Expect: 100-continue")[:-1], "BODY", [100], READ, 60),
    Row("an early answer to who waits", head("POST /early", "Content-Length: 9", "Expect: 100-continue"), "LINGER",
        [401], 0, 5),
    Row("a body that is too large", head("POST /echo", "Content-Length: 99999999999"), "LINGER", [413], 0, 5),
    Row("a promise", get("/later"), "WORK", [], READ),
    Row("a promise, and a request", get("/later") + HELLO, "WORK", [], READ),
    Row("a promised piece", get("/promises"), "WORK", [200], READ),
    Row("a sink that asks for time", head("POST /sink", "Content-Length: 8") + b"wait", "WORK", [], READ),
    Row("a file", get("/file"), "IDLE", [200], READ, 75),
    Row("an iterator", get("/iterator"), "IDLE", [200], READ, 75),
    Row("an upgrade", TOY, "UPGRADED", [101], READ, 20),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.what)
def test_the_table(row: Row) -> None:
    """As soon as it is accepted, before the turn is over."""
    world = World(early=row.early, limit_per_client=3)
    assert (world.state, world.watched) == (row.state, row.watched)
    assert world.statuses == row.answered
    assert world.due == row.due
    assert world.service.clients == {"192.0.2.1": 1}
    world.run()
    assert world.watched == READ, "by the end of the turn somebody is waited for"
    assert (world.state, world.due) == (row.state, row.due)
    world.fail()
    world.assert_released()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.what)
def test_the_same_is_said_as_to_who_speaks_later(row: Row) -> None:
    early, later = World(early=row.early), World()
    early.run()
    later.arrive(row.early)
    assert early.sent == later.sent
    assert (early.state, early.callback, early.due) == (later.state, later.callback, later.due)
    assert early.handler.events == later.handler.events
    for world in (early, later):
        world.end()
        world.at(1000)
        world.handler.laters.clear()
    assert early.sent == later.sent
    assert early.state == later.state


@pytest.mark.parametrize(
    ("early", "state"),
    [
        (get("/big"), "FLUSH"),
        (get("/file"), "FLUSH"),
        (get("/iterator"), "FLUSH"),
        (get("/hello") * 3, "FLUSH"),
        (CLOSE, "FLUSH"),
        (post("/early-big", b"x" * 100)[:-50], "DUPLEX"),
    ],
)
def test_a_kernel_that_takes_a_part(early: bytes, state: str) -> None:
    with Early(early) as it:
        it.transport.room = 9
        it.connection.begin()
        assert it.transport.sent == b"HTTP/1.1 "
        assert it.connection.state.name == state
        assert it.world.reactor.watch_calls == [WRITE if state == "FLUSH" else READ | WRITE]
        assert it.connection.deadline == it.world.reactor.now + 30


@pytest.mark.parametrize("early", [b"", HELLO, CLOSE, HELLO[:9], get("/later"), TOY])
def test_who_is_reset_before_it_is_heard_is_gone(early: bytes) -> None:
    world = World(early=early, faults={0: ECONNRESET}, limit_per_client=1)
    assert world.transport.calls == ["recv", "close"]
    assert world.reactor.watch_calls == []
    world.assert_released()
    world.run()


def test_who_has_left_before_it_is_heard_is_gone() -> None:
    with Early(b"") as early:
        early.transport.end()
        early.connection.begin()
        assert early.transport.is_open is False
        assert early.world.reactor.watch_calls == []


class Early:
    """A connection beside a World's that has not begun."""

    def __init__(self, data: bytes, **settings: Any) -> None:
        self.world = World(**settings)
        self.world.end()
        self.world.reactor.watch_calls.clear()
        self.transport = ScriptedTransport(self.world.reactor)
        self.transport.feed(data)
        self.connection = Connection(self.world.service, self.transport, Origin(("192.0.2.2", 1)))

    def __enter__(self) -> "Early":
        return self

    def __exit__(self, *_: object) -> None:
        self.world.run()
        self.connection.close()
        self.world.assert_released()


# Who was answered for the last time.


def test_who_has_gone_by_the_end_of_the_turn_was_never_watched() -> None:
    world = World(early=CLOSE)
    world.end()
    assert world.transport.calls == ["recv", "send", "shutdown", "recv", "close"]
    assert world.reactor.watch_calls == []
    world.assert_released()


def test_who_has_not_gone_is_watched_until_it_has() -> None:
    world = World(early=CLOSE)
    assert world.reactor.watch_calls == []
    world.run()
    assert world.reactor.watch_calls == [READ]
    world.arrive(b"more, that nobody reads")
    world.end()
    assert world.reactor.watch_calls == [READ, 0]
    world.assert_released()


def test_what_the_client_still_said_is_thrown_away() -> None:
    world = World(early=CLOSE)
    world.arrive(HELLO)
    assert (world.state, world.statuses) == ("LINGER", [200])
    assert not world.connection._inbox
    world.end()
    world.assert_released()


def test_a_linger_that_nobody_watches_ends_in_time() -> None:
    world = World(early=CLOSE)
    world.reactor.now += 5
    world.service.sweep()
    world.assert_released()
    world.run()
    assert world.transport.calls == ["recv", "send", "shutdown", "close"], "of who has gone, nothing is asked"


@pytest.mark.parametrize("end", [Connection.close, Connection.abort])
def test_a_stop_before_the_second_look(end: Callable[[Connection], None]) -> None:
    world = World(early=CLOSE)
    end(world.connection)
    world.run()
    assert world.transport.calls == ["recv", "send", "shutdown", "close"]
    world.assert_released()


def test_who_lingers_makes_no_room_and_leaves_no_sooner() -> None:
    world = World(early=CLOSE)
    world.service.make_room()
    world.service.drain()
    world.connection.retire()
    assert world.state == "LINGER"
    world.end()
    world.assert_released()


def test_a_second_look_that_cannot_be_followed_by_a_watch_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    world = World(early=CLOSE)
    world.reactor.watch = refuse  # type: ignore[assignment,method-assign]  # the selector is full
    world.run()
    world.assert_released()
    assert not world.transport.is_aborted
    assert [record.getMessage() for record in caplog.records] == [
        "cannot watch 192.0.2.1:50212: No space left on device; closing it"
    ]


def refuse(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("fault", [ECONNRESET, OSError(errno.ENOTCONN, "ENOTCONN")], ids=repr)
def test_a_fin_that_cannot_be_sent_ends_it(fault: Fault) -> None:
    world = World(early=CLOSE, faults={2: fault})
    assert world.transport.calls == ["recv", "send", "shutdown", "close"]
    world.assert_released()
    world.run()


# Others have their turn.


def test_more_than_a_turns_share_waits_for_the_others() -> None:
    with Early(get("/echo") * (PIPELINE + 1)) as early:
        zoo = early.world.handler
        other = MemoryTransport(early.world.reactor)
        second = Connection(early.world.service, other, Origin())
        early.connection.begin()
        other.feed(get("/later"))
        second.begin()
        early.world.run()
        assert zoo.order == ["/echo"] * PIPELINE + ["/later", "/echo"]
        second.close()


def test_the_whole_limit_of_requests_at_once() -> None:
    world = World(early=HELLO * 3, limit_requests_per_connection=2)
    assert (world.state, world.statuses) == ("LINGER", [200, 200])
    world.end()
    world.assert_released()


def test_while_the_server_drains_it_is_answered_and_ends() -> None:
    with Early(HELLO * 2) as early:
        early.world.service.drain()
        early.connection.begin()
        assert early.transport.sent.count(b"HTTP/1.1 200 OK") == 1
        assert b"\r\nConnection: close\r\n" in early.transport.sent
        assert early.connection.state.name == "LINGER"


# The access log.


@pytest.mark.parametrize(
    ("early", "lines"),
    [(HELLO * 2, 2), (CLOSE, 1), (b"NONSENSE\r\n\r\n", 1), (b"", 0), (get("/file"), 1), (TOY, 1), (HELLO[:9], 0)],
)
def test_each_answer_has_its_line(early: bytes, lines: int) -> None:
    log = StringIO()
    world = World(early=early, log_to=log)
    world.end()
    world.at(1)
    assert len(log.getvalue().splitlines()) == lines


def test_an_answer_that_breaks_off_says_so_once() -> None:
    log = StringIO()
    world = World(early=get("/file"), log_to=log, sizes=iter([9, 0]))
    world.fail()
    world.at(1)
    assert log.getvalue().count("broken off") == log.getvalue().count("\n") == 1


def test_who_was_answered_and_has_gone_does_not_count_as_its_clients() -> None:
    world = World(early=CLOSE, limit_per_client=1)
    origin = Origin(("192.0.2.1", 50213))
    assert world.service.has_enough_of(origin)
    assert not world.service.has_enough_of(Origin(("192.0.2.2", 50213)))
    assert not world.service.has_enough_of(Origin("a Unix socket's"))
    world.end()
    assert not world.service.has_enough_of(origin)
    assert not World().service.has_enough_of(origin), "there is no limit"
