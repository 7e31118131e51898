"""The state table of `reactor/state.py`, as a test.

(how it got there, what arrives, what the kernel takes) -> (state, what was answered, what is watched, how long).
"""

import gc
import weakref
from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

import pytest

from reactor.answers import Upgrade, UpgradedProtocol
from reactor.connection import Connection
from reactor.dialogue import PIPELINE
from reactor.http1.request import Origin
from reactor.http1.response import Response
from reactor.loop import READ, WRITE
from reactor.memory import ManualReactor, MemoryTransport
from reactor.respondent import HIGH_WATER
from reactor.service import Service
from reactor.settings import Settings

from .simulated import (
    CLOSE,
    EAGAIN,
    HELLO,
    TOY,
    World,
    answer,
    arriving,
    blocked,
    chunked,
    end,
    fail,
    get,
    head,
    post,
    then,
)
from .zoo import BIG, Zoo

BOTH = READ | WRITE


class Row(NamedTuple):
    what: str
    play: Callable[[World], Any]
    state: str
    answered: list[int]
    watched: int
    callback: str
    due: float = inf  # seconds


DONE = Response(200, "done")
PART = post("/sink", b"x" * 100)[:-50]
EARLY = post("/early-big", b"x" * 100)[:-50]
FLOOD = b"x" * (HIGH_WATER + 1)
DUPLEX_PART = post("/duplex", b"x" * 100)[:-50]
DUPLEX_CLOSE = post("/duplex", b"x" * 100, "Connection: close")[:-50]


def talk(world: World) -> None:
    """The oldest Later is answered, with a body whose second piece is promised."""
    answer(Response(200, world.handler.pieces([b"first", world.handler.promise, b"last"])))(world)

TABLE = [
    Row("a new connection", lambda world: None, "IDLE", [], READ, "_on_readable", 10),
    Row("a new connection that leaves", end, "CLOSED", [], 0, ""),
    Row("a new connection, reset", fail, "CLOSED", [], 0, ""),
    Row("a whole request", arriving(HELLO), "IDLE", [200], READ, "_on_readable", 75),
    Row("requests one after the other", arriving(HELLO, HELLO), "IDLE", [200, 200], READ, "_on_readable", 75),
    Row("requests together", arriving(HELLO * 3), "IDLE", [200] * 3, READ, "_on_readable", 75),
    Row("as many as one turn answers", arriving(HELLO * PIPELINE), "IDLE", [200] * 16, READ, "_on_readable", 75),
    Row("more than one turn answers", arriving(HELLO * 40), "IDLE", [200] * 40, READ, "_on_readable", 75),
    Row("a request and a goodbye", then(arriving(HELLO), end), "CLOSED", [200], 0, ""),
    Row("idle, reset", then(arriving(HELLO), fail), "CLOSED", [200], 0, ""),
    Row("part of a head", arriving(HELLO[:9]), "HEAD", [], READ, "_on_readable", 10),
    Row("an empty line", arriving(b"\r\n"), "HEAD", [], READ, "_on_readable", 10),
    Row("a request and part of one", arriving(HELLO + HELLO[:9]), "HEAD", [200], READ, "_on_readable", 10),
    Row("a head in two parts", arriving(HELLO[:9], HELLO[9:]), "IDLE", [200], READ, "_on_readable", 75),
    Row("part of a head and a goodbye", then(arriving(HELLO[:9]), end), "CLOSED", [], 0, ""),
    Row("a head without its body", arriving(PART), "BODY", [], READ, "_on_readable", 60),
    Row("a body, collected", arriving(post("/echo", b"x" * 100)[:-50]), "BODY", [], READ, "_on_readable", 60),
    Row("a chunked body", arriving(chunked("/echo", b"abc")[:-7]), "BODY", [], READ, "_on_readable", 60),
    Row("a body in parts", arriving(PART, b"x" * 20, b"x" * 30), "IDLE", [200], READ, "_on_readable", 75),
    Row("a body that ends early", then(arriving(PART), end), "CLOSED", [], 0, ""),
    Row("a body, reset", then(arriving(PART), fail), "CLOSED", [], 0, ""),
    Row("100-continue", arriving(post("/echo", b"x", "Expect: 100-continue")[:-1]), "BODY", [100], READ,
        "_on_readable", 60),
    Row("a promise", arriving(get("/later")), "WORK", [], READ, "_on_readable"),
    Row("a promise, kept", then(arriving(get("/later")), answer(DONE)), "IDLE", [200], READ, "_on_readable", 75),
    Row("a promise, broken", then(arriving(get("/later")), answer(OSError())), "IDLE", [500], READ, "_on_readable", 75),
    Row("a promise, and a request", arriving(get("/later"), HELLO), "WORK", [], READ, "_on_readable"),
    Row("a promise and a request, together", arriving(get("/later") + HELLO), "WORK", [], READ, "_on_readable"),
    Row("both answered", then(arriving(get("/later"), HELLO), answer(DONE)), "IDLE", [200, 200], READ,
        "_on_readable", 75),
    Row("a promise kept with another", then(arriving(get("/later")), lambda w: answer(w.handler.promise())(w),),
        "WORK", [], READ, "_on_readable"),
    Row("a promise and a goodbye", then(arriving(get("/later")), end), "WORK", [], 0, "", 1),
    Row("a promise kept after goodbye", then(arriving(get("/later")), end, answer(DONE)), "CLOSED", [200], 0, ""),
    Row("a promise, reset", then(arriving(get("/later")), fail), "CLOSED", [], 0, ""),
    Row("a promise and a flood", arriving(get("/later"), FLOOD), "WORK", [], 0, "", 1),
    Row("a promised piece", arriving(get("/promises")), "WORK", [200], READ, "_on_readable"),
    Row("a promised piece, given", then(arriving(get("/promises")), answer(b"x")), "IDLE", [200], READ,
        "_on_readable", 75),
    Row("a promised piece of nothing", then(arriving(get("/promises")), answer(None)), "IDLE", [200], READ,
        "_on_readable", 75),
    Row("a promised piece, failed", then(arriving(get("/promises")), answer(OSError())), "CLOSED", [200], 0, ""),
    Row("a promised piece and a goodbye", then(arriving(get("/promises")), end), "WORK", [200], 0, "", 1),
    Row("a promised piece, reset", then(arriving(get("/promises")), fail), "CLOSED", [200], 0, ""),
    Row("a sink that asks for time", arriving(head("POST /sink", "Content-Length: 8") + b"wait"), "WORK", [], READ,
        "_on_readable"),
    Row("a sink that had time", then(arriving(post("/sink", b"wait1234")[:-4], b"1234"), answer(None)), "IDLE", [200],
        READ, "_on_readable", 75),
    Row("a sink that fails later", then(arriving(post("/sink", b"wait1234")[:-4]), answer(OSError())), "BODY", [500],
        READ, "_on_readable", 60),
    Row("a sink that has enough", arriving(post("/sink", b"stop" * 20)[:-4]), "BODY", [403], READ, "_on_readable", 60),
    Row("a sink that had enough", arriving(post("/sink", b"stop" * 20)[:-4], b"stop" + HELLO), "IDLE", [403, 200],
        READ, "_on_readable", 75),
    Row("an early answer", arriving(post("/early", b"x" * 100)[:-50]), "BODY", [401], READ, "_on_readable", 60),
    Row("an early answer to who waits", arriving(head("POST /early", "Content-Length: 9", "Expect: 100-continue")),
        "LINGER", [401], READ, "_on_leftovers", 5),
    Row("an early answer to too much", arriving(head("POST /early", "Content-Length: 999999999")), "LINGER", [401],
        READ, "_on_leftovers", 5),
    Row("an early promise", arriving(post("/early-later", b"x" * 9)[:-5]), "WORK", [], READ, "_on_readable"),
    Row("an early promise, kept", then(arriving(post("/early-later", b"x" * 9)[:-5]), answer(DONE)), "BODY", [200],
        READ, "_on_readable", 60),
    Row("a kernel that is full", blocked(HELLO), "FLUSH", [], WRITE, "_on_writable", 30),
    Row("a kernel that takes a part", blocked(get("/big"), room=1000), "FLUSH", [200], WRITE, "_on_writable", 30),
    Row("a kernel that takes the rest", then(blocked(get("/big"), room=9), lambda w: w.take(None)), "IDLE", [200], READ,
        "_on_readable", 75),
    Row("a file, partly", blocked(get("/file"), room=1000), "FLUSH", [200], WRITE, "_on_writable", 30),
    Row("an iterator, partly", blocked(get("/iterator"), room=1000), "FLUSH", [200], WRITE, "_on_writable", 30),
    Row("owed, reset", then(blocked(get("/big"), room=9), fail), "CLOSED", [], 0, ""),
    Row("a goodbye with the request", then(lambda w: w.transport.end(), blocked(get("/big"), room=1000)), "FLUSH",
        [200], WRITE, "_on_writable", 30),
    Row("a promised piece, blocked", then(arriving(get("/promises")), lambda w: w.take(0), answer(b"x")), "FLUSH",
        [200], WRITE, "_on_writable", 30),
    Row("a promised piece, taken", then(arriving(get("/promises")), lambda w: w.take(0), answer(b"x"),
        lambda w: w.take(None)), "IDLE", [200], READ, "_on_readable", 75),
    Row("owed while a body comes", blocked(EARLY, room=1000), "DUPLEX", [401], BOTH, "_on_duplex", 30),
    Row("the body came", then(blocked(EARLY, room=1000), arriving(b"x" * 50)), "FLUSH", [401], WRITE, "_on_writable",
        30),
    Row("the answer left", then(blocked(EARLY, room=1000), lambda w: w.take(None)), "BODY", [401], READ,
        "_on_readable", 60),
    Row("both", then(blocked(EARLY, room=1000), arriving(b"x" * 50), lambda w: w.take(None)), "IDLE", [401], READ,
        "_on_readable", 75),
    Row("duplex and goodbye", then(blocked(EARLY, room=1000), end), "FLUSH", [401], WRITE, "_on_writable", 30),
    Row("duplex, goodbye, taken", then(blocked(EARLY, room=1000), end, lambda w: w.take(None)), "CLOSED", [401], 0, ""),
    Row("duplex, reset", then(blocked(EARLY, room=1000), fail), "CLOSED", [401], 0, ""),
    Row("100 while the kernel is full", blocked(head("POST /sink", "Content-Length: 5", "Expect: 100-continue")),
        "DUPLEX", [], BOTH, "_on_duplex", 30),
    Row("an answer in front of the rest", then(arriving(DUPLEX_PART), answer(DONE)), "BODY", [200], READ,
        "_on_readable", 60),
    Row("an answer and the rest", then(arriving(DUPLEX_PART), answer(DONE), arriving(b"x" * 50)), "IDLE", [200], READ,
        "_on_readable", 75),
    Row("an answer, the rest, and a close", then(arriving(DUPLEX_CLOSE), answer(DONE)), "BODY", [200], READ,
        "_on_readable", 60),
    Row("no answer, and the rest", arriving(DUPLEX_PART, b"x" * 50), "WORK", [], READ, "_on_readable"),
    Row("both ways", then(arriving(DUPLEX_PART), talk), "BODY", [200], READ, "_on_readable", 60),
    Row("both ways, blocked", then(arriving(DUPLEX_PART), talk, lambda w: w.take(0), answer(b"x")), "DUPLEX", [200],
        BOTH, "_on_duplex", 30),
    Row("both ways, one is over", then(arriving(DUPLEX_PART), talk, arriving(b"x" * 50)), "WORK", [200], READ,
        "_on_readable"),
    Row("both ways, the other is over", then(arriving(DUPLEX_PART), talk, answer(b"x")), "BODY", [200], READ,
        "_on_readable", 60),
    Row("both ways, goodbye", then(arriving(DUPLEX_PART), talk, end), "WORK", [200], 0, "", 1),
    Row("both ways, reset", then(arriving(DUPLEX_PART), talk, fail), "CLOSED", [200], 0, ""),
    Row("both ways, no more is taken", then(arriving(DUPLEX_PART[:-50]), talk, arriving(b"wait")), "WORK", [200], READ,
        "_on_readable"),
    Row("a promise to close", arriving(CLOSE), "LINGER", [200], READ, "_on_leftovers", 5),
    Row("a refusal", arriving(b"NONSENSE\r\n\r\n"), "LINGER", [400], READ, "_on_leftovers", 5),
    Row("a good one, then a refusal", arriving(HELLO + b"NONSENSE\r\n\r\n" + HELLO), "LINGER", [200, 400], READ,
        "_on_leftovers", 5),
    Row("a body that is refused", arriving(head("POST /echo", "Transfer-Encoding: chunked") + b"zz\r\n"), "LINGER",
        [400], READ, "_on_leftovers", 5),
    Row("leftovers", arriving(CLOSE, HELLO, FLOOD), "LINGER", [200], READ, "_on_leftovers", 5),
    Row("leftovers and goodbye", then(arriving(CLOSE, HELLO), end), "CLOSED", [200], 0, ""),
    Row("lingering, reset", then(arriving(CLOSE), fail), "CLOSED", [200], 0, ""),
    Row("closing, blocked", blocked(CLOSE), "FLUSH", [], WRITE, "_on_writable", 30),
    Row("closing, goodbye before", then(lambda w: w.transport.end(), arriving(CLOSE)), "CLOSED", [200], 0, ""),
    Row("1.0", arriving(b"GET /hello HTTP/1.0\r\n\r\n"), "LINGER", [200], READ, "_on_leftovers", 5),
    Row("1.0 and keep-alive", arriving(b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), "IDLE", [200], READ,
        "_on_readable", 75),
    Row("1.0 and an iterator", arriving(b"GET /iterator HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), "LINGER", [200],
        READ, "_on_leftovers", 5),
    Row("an upgrade", arriving(TOY), "UPGRADED", [101], READ, "_on_protocol", 20),
    Row("an upgrade nobody asked for", arriving(get("/toy")), "IDLE", [500], READ, "_on_readable", 75),
    Row("an upgrade, promised", then(arriving(TOY.replace(b"/toy", b"/later-toy")),
        lambda w: answer(Upgrade("toy", UpgradedProtocol()))(w)), "UPGRADED", [101], READ, "_on_protocol", inf),
    Row("upgraded, bytes", arriving(TOY, b"hello"), "UPGRADED", [101], READ, "_on_protocol", 20),
    Row("upgraded, blocked", blocked(TOY), "UPGRADED", [], BOTH, "_on_protocol", 20),
    Row("upgraded, a flood", blocked(TOY, FLOOD, FLOOD), "UPGRADED", [], WRITE, "_on_protocol", 20),
    Row("upgraded, flood taken", then(blocked(TOY, FLOOD, FLOOD), lambda w: w.take(None)), "UPGRADED", [101], READ,
        "_on_protocol", 20),
    Row("upgraded, goodbye", then(arriving(TOY), end), "CLOSED", [101], 0, ""),
    Row("upgraded, reset", then(arriving(TOY), fail), "CLOSED", [101], 0, ""),
    Row("upgraded, closes", arriving(TOY, b"bye"), "LINGER", [101], READ, "_on_leftovers", 5),
    Row("upgraded, closes, blocked", blocked(TOY, b"bye", room=20), "FLUSH", [101], WRITE, "_on_writable", 30),
    Row("upgraded, raises", arriving(TOY, b"raise"), "LINGER", [101], READ, "_on_leftovers", 5),
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=[row.what for row in TABLE])
def test_the_table(row: Row) -> None:
    world = World()
    row.play(world)
    assert (world.state, world.statuses, world.watched, world.callback, world.due) == row[2:]
    if row.state == "CLOSED":
        world.assert_released()
    else:
        world.connection.close()
        world.assert_released()


@pytest.mark.parametrize("row", TABLE, ids=[row.what for row in TABLE])
def test_whoever_was_waited_for_is_told_when_it_ends(row: Row) -> None:
    """Iterators are closed, Laters abandoned, sinks aborted, protocols told, wherever the connection ends."""
    world = World()
    row.play(world)
    world.connection.abort()
    world.run()
    world.assert_released()
    zoo = world.handler
    told = zoo.events
    assert told.count("iterator open") == told.count("iterator closed")
    is_early = "sink open" in told and 403 in world.statuses  # it has said all it had to
    assert told.count("sink open") == told.count("sink finished") + told.count("sink aborted") + is_early
    assert told.count("toy connected") == told.count("toy closed")
    assert all(later.is_answered or later.is_abandoned for later in zoo.laters)


# The fast path.


def test_the_fast_path_watches_once_and_never_again() -> None:
    world = World()
    world.arrive(*[HELLO] * 50)
    assert world.statuses == [200] * 50
    assert world.reactor.watch_calls == [READ]
    assert world.transport.calls == ["recv", *["recv", "send"] * 50], "and a first look, whether a request is here"
    world.end()
    assert world.reactor.watch_calls == [READ, 0]
    assert world.transport.calls[-2:] == ["recv", "close"]


def test_pipelined_answers_leave_together() -> None:
    world = World()
    world.arrive(HELLO * 10)
    assert world.transport.calls == ["recv", "recv", "send"]


def test_more_than_a_turns_share_of_requests_lets_others_go_first() -> None:
    world = World()
    other = MemoryTransport(world.reactor)
    Connection(world.service, other, Origin()).begin()
    world.transport.feed(get("/echo") * (PIPELINE + 1))
    other.feed(get("/later"))
    world.run()
    assert world.statuses == [200] * (PIPELINE + 1)
    assert world.handler.order == ["/echo"] * PIPELINE + ["/later", "/echo"]


def test_a_head_may_be_larger_than_the_high_water_mark() -> None:
    """Reading must go on: in HEAD, the limit is limit_head_size and no other."""
    world = World(limit_head_size=0, limit_headers=0)
    request = get("/hello", *[f"X-{number}: {'x' * 1000}" for number in range(200)])
    world.arrive(*(request[at : at + 60_000] for at in range(0, len(request), 60_000)))
    assert world.statuses == [200]


# CLOSED.


def test_closing_is_idempotent_and_nothing_comes_after_it() -> None:
    world = World()
    world.arrive(get("/later"))
    connection = world.connection
    connection.close()
    calls = list(world.transport.calls)
    connection.close()
    connection.abort()
    connection.expire()
    connection.retire()
    for stale in (connection._on_readable, connection._on_writable, connection._on_duplex,
                  connection._on_leftovers, connection._on_protocol):  # fmt: skip
        for ready in (READ, WRITE, BOTH):
            stale(ready)  # what the selector had reported before it was closed
    world.run()
    assert [call for call in world.transport.calls[len(calls) :] if call != "recv"] == []
    assert world.handler.events == ["abandoned"]
    assert connection.deadline == inf
    world.assert_released()


class Weak(Connection):
    """A connection that can be seen dying."""

    __slots__ = ("__weakref__",)


@pytest.mark.parametrize("row", TABLE, ids=[row.what for row in TABLE])
def test_a_closed_connection_dies_by_reference_count(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.simulated.Connection", Weak)
    monkeypatch.setattr("reactor.connection.log.disabled", True)  # a record would keep the traceback
    gc.disable()
    try:
        world = World()
        row.play(world)
        assert isinstance(world.connection, Weak)
        died: list[object] = []
        watcher = weakref.ref(world.connection, died.append)
        world.connection.close()
        world.run()
        del world.connection
        assert died == [watcher]
    finally:
        gc.enable()


def test_a_head_answer_never_touches_the_body() -> None:
    world = World()
    world.arrive(head("HEAD /iterator"), head("HEAD /file"), head("HEAD /big"), HELLO)
    assert world.statuses == [200] * 4
    assert world.sent.count(b"\r\n\r\n") == 4
    assert world.sent.endswith(b"\r\n\r\nHello")


def test_a_connection_that_cannot_be_watched_says_so() -> None:
    """A descriptor that the selector does not take must not stay among the connections for ever."""

    class Refusing(ManualReactor):
        def watch(self, *_arguments: Any) -> None:
            raise OSError("ENOSPC")

    reactor = Refusing()
    service = Service(reactor, Settings(), Zoo())
    connection = Connection(service, MemoryTransport(reactor), Origin())
    with pytest.raises(OSError, match="ENOSPC"):
        connection.begin()
    connection.close()  # as the listener does
    assert not service.connections


def test_who_sends_the_body_at_once_is_not_told_to_continue() -> None:
    world = World()
    world.arrive(post("/echo", b"hello", "Expect: 100-continue"))
    assert world.statuses == [200]
    world.arrive(post("/echo", b"hello", "Expect: 100-continue")[:-4])
    assert world.statuses == [200]


def test_trailers_are_the_requests_when_its_body_is_complete() -> None:
    seen: list[Any] = []

    def handler(request: Any) -> Response:
        seen.append(dict(request.trailers or {}))
        return Response(200)

    world = World(handler)
    world.arrive(chunked("/", b"hello")[:-2] + b"X-Sum: 1\r\n\r\n", chunked("/", b"hello"))
    assert seen == [{"x-sum": "1"}, {}]


def test_a_spurious_wake_up_changes_nothing() -> None:
    world = World(faults={0: EAGAIN})
    world.arrive(HELLO)
    assert world.statuses == [200]
    assert world.transport.calls == ["recv", "recv", "send"]


def test_large_answers_do_not_gather_in_memory() -> None:
    """Pipelined requests wait while their answers are not taken."""
    world = World()
    world.transport.room = 0
    world.arrive(get("/big") * 100)
    assert world.connection._outbox.size < len(BIG) + HIGH_WATER + 1000
    world.take(None)
    assert world.statuses == [200] * 100
