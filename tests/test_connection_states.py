"""The state table of `reactor/state.py`, as a test.

(how it got there, what arrives, what the kernel takes) -> (state, what was answered, what is watched, how long).
Every timeout is seen firing by assigning the clock, and seen not firing where it is off.
"""

import gc
import weakref
from collections.abc import Callable
from io import StringIO
from math import inf
from typing import Any, NamedTuple

import pytest

from reactor.answers import Later, Link, Upgrade, UpgradedProtocol
from reactor.connection import Connection
from reactor.dialogue import HIGH_WATER, PIPELINE
from reactor.http1.request import Origin
from reactor.http1.response import Response
from reactor.loop import READ, WRITE
from reactor.memory import ManualReactor, MemoryTransport
from reactor.service import Service
from reactor.settings import Settings

from .simulated import BIG, EAGAIN, ECONNRESET, TOY, Toy, World, Zoo, chunked, get, head, post

HELLO = get("/hello")
CLOSE = get("/hello", "Connection: close")
BOTH = READ | WRITE


class Row(NamedTuple):
    what: str
    play: Callable[[World], Any]
    state: str
    answered: list[int]
    watched: int
    callback: str
    due: float = inf  # seconds


def blocked(*chunks: bytes, room: int = 0) -> Callable[[World], None]:
    """The chunks arrive while the kernel takes no more than `room` bytes."""

    def play(world: World) -> None:
        world.transport.room = room
        world.arrive(*chunks)

    return play


def arriving(*chunks: bytes) -> Callable[[World], None]:
    return lambda world: world.arrive(*chunks)


def then(*plays: Callable[[World], Any]) -> Callable[[World], None]:
    def play(world: World) -> None:
        for each in plays:
            each(world)

    return play


def end(world: World) -> None:
    world.end()


def fail(world: World) -> None:
    world.fail()


def answer(value: Any) -> Callable[[World], None]:
    """The oldest Later is answered."""

    def play(world: World) -> None:
        world.handler.laters.pop(0).answer(value)
        world.run()

    return play


DONE = Response(200, "done")
PART = post("/sink", b"x" * 100)[:-50]
EARLY = post("/early-big", b"x" * 100)[:-50]
FLOOD = b"x" * (HIGH_WATER + 1)

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
    Row("a promise", arriving(get("/later")), "WORK", [], READ, "_on_early"),
    Row("a promise, kept", then(arriving(get("/later")), answer(DONE)), "IDLE", [200], READ, "_on_readable", 75),
    Row("a promise, broken", then(arriving(get("/later")), answer(OSError())), "IDLE", [500], READ, "_on_readable", 75),
    Row("a promise, and a request", arriving(get("/later"), HELLO), "WORK", [], READ, "_on_early"),
    Row("a promise and a request, together", arriving(get("/later") + HELLO), "WORK", [], READ, "_on_early"),
    Row("both answered", then(arriving(get("/later"), HELLO), answer(DONE)), "IDLE", [200, 200], READ,
        "_on_readable", 75),
    Row("a promise kept with another", then(arriving(get("/later")), lambda w: answer(w.handler.promise())(w),),
        "WORK", [], READ, "_on_early"),
    Row("a promise and a goodbye", then(arriving(get("/later")), end), "WORK", [], 0, "", 1),
    Row("a promise kept after goodbye", then(arriving(get("/later")), end, answer(DONE)), "CLOSED", [200], 0, ""),
    Row("a promise, reset", then(arriving(get("/later")), fail), "CLOSED", [], 0, ""),
    Row("a promise and a flood", arriving(get("/later"), FLOOD), "WORK", [], 0, "", 1),
    Row("a promised piece", arriving(get("/promises")), "WORK", [200], READ, "_on_early"),
    Row("a promised piece, given", then(arriving(get("/promises")), answer(b"x")), "IDLE", [200], READ,
        "_on_readable", 75),
    Row("a promised piece of nothing", then(arriving(get("/promises")), answer(None)), "IDLE", [200], READ,
        "_on_readable", 75),
    Row("a promised piece, failed", then(arriving(get("/promises")), answer(OSError())), "CLOSED", [200], 0, ""),
    Row("a promised piece and a goodbye", then(arriving(get("/promises")), end), "WORK", [200], 0, "", 1),
    Row("a promised piece, reset", then(arriving(get("/promises")), fail), "CLOSED", [200], 0, ""),
    Row("a sink that asks for time", arriving(head("POST /sink", "Content-Length: 8") + b"wait"), "WORK", [], READ,
        "_on_early"),
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
    Row("an early promise", arriving(post("/early-later", b"x" * 9)[:-5]), "WORK", [], READ, "_on_early"),
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
    is_early = "sink open" in told and (403 in world.statuses or 500 in world.statuses)  # it has said all it had to
    assert told.count("sink open") == told.count("sink finished") + told.count("sink aborted") + is_early
    assert told.count("toy connected") == told.count("toy closed")
    assert all(later.is_answered or later.is_abandoned for later in zoo.laters)


# The fast path.


def test_the_fast_path_watches_once_and_never_again() -> None:
    world = World()
    world.arrive(*[HELLO] * 50)
    assert world.statuses == [200] * 50
    assert world.reactor.watch_calls == [READ]
    assert world.transport.calls == ["recv", "send"] * 50
    world.end()
    assert world.reactor.watch_calls == [READ, 0]
    assert world.transport.calls[-2:] == ["recv", "close"]


def test_pipelined_answers_leave_together() -> None:
    world = World()
    world.arrive(HELLO * 10)
    assert world.transport.calls == ["recv", "send"]


def test_more_than_a_turns_share_of_requests_lets_others_go_first() -> None:
    world = World()
    other = MemoryTransport(world.reactor)
    Connection(world.service, other, Origin())
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


# WORK.


def test_early_bytes_wait_for_their_turn() -> None:
    world = World()
    world.arrive(get("/later"), HELLO[:20], HELLO[20:] + get("/later"))
    assert world.statuses == []
    answer(DONE)(world)
    assert world.statuses == [200, 200]
    assert world.state == "WORK"
    answer(DONE)(world)
    assert world.statuses == [200] * 3


def test_above_the_high_water_mark_nothing_is_read_until_the_answer() -> None:
    world = World()
    world.arrive(get("/later"), *[HELLO * 500] * 10)
    assert world.watched == 0
    assert world.transport.received < HIGH_WATER + 2 * 64 * 1024
    answer(DONE)(world)
    assert world.statuses == [200] * 5001
    assert world.watched == READ


def test_all_that_came_before_a_goodbye_is_answered() -> None:
    """More than one turn answers: the goodbye is known, and the rest is still here."""
    world = World()
    world.arrive(get("/later") + HELLO * 40)
    world.end()
    answer(DONE)(world)
    assert world.statuses == [200] * 41
    world.assert_released()


def test_a_later_hears_goodbye_and_can_still_answer() -> None:
    world = World()
    world.arrive(get("/later"))
    world.end()
    assert world.handler.events == ["goodbye"]
    answer(DONE)(world)
    assert world.sent.endswith(b"done")
    world.assert_released()


def test_who_said_goodbye_and_reset_is_found_out() -> None:
    """Nothing is watched then, so it is asked for, once a second."""
    world = World()
    world.arrive(get("/later"))
    world.end()
    world.at(1)
    assert (world.state, world.due) == ("WORK", 1)
    world.transport.fail(ECONNRESET)
    world.at(2)
    assert world.handler.events == ["goodbye", "abandoned"]
    world.assert_released()


def test_a_late_answer_to_a_closed_connection_is_nothing() -> None:
    world = World()
    world.arrive(get("/later"))
    world.fail()
    assert world.handler.events == ["abandoned"]
    answer(DONE)(world)
    assert world.sent == b""
    world.assert_released()


def test_a_callback_that_raises_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.arrive(get("/later"))

    def raising() -> None:
        raise RuntimeError("as asked")

    world.handler.laters[0].on_goodbye = world.handler.laters[0].on_abandon = raising
    world.end()
    world.fail()
    world.at(1)
    world.assert_released()
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_a_promised_piece_is_a_piece() -> None:
    world = World()
    world.arrive(get("/promises"))
    assert world.sent.endswith(b"\r\n\r\n5\r\nfirst\r\n")
    answer(b"second")(world)
    assert world.sent.endswith(b"5\r\nfirst\r\n6\r\nsecond\r\n4\r\nlast\r\n0\r\n\r\n")
    assert world.handler.events == ["iterator open", "iterator closed"]


def test_a_promised_piece_hears_goodbye() -> None:
    world = World()
    world.arrive(get("/promises"))
    world.end()
    assert world.handler.events == ["iterator open", "goodbye"]
    world.fail()
    world.at(1)
    assert world.handler.events == ["iterator open", "goodbye", "abandoned", "iterator closed"]
    world.assert_released()


# UPGRADED.


def the_link(world: World) -> Link:
    link: Link | None = world.handler.protocols[0].link
    assert link is not None
    return link


def test_an_upgraded_connection_echoes_and_tells_when_all_has_left() -> None:
    world = World()
    world.arrive(TOY, b"one")
    assert world.sent.endswith(b"\r\n\r\none")
    world.transport.room = 0
    world.arrive(b"two", b"three")
    assert the_link(world).owed == 8
    events = world.handler.events
    told = events.count("toy sent")
    world.take(4)
    assert events.count("toy sent") == told
    world.take(None)
    assert events.count("toy sent") == told + 1
    assert world.sent.endswith(b"onetwothree")


def test_bytes_behind_the_upgrade_are_the_protocols() -> None:
    world = World()
    world.arrive(TOY + HELLO)
    assert world.sent.endswith(b"\r\n\r\n" + HELLO)
    assert world.statuses == [101]


def test_bytes_behind_a_promised_upgrade_are_the_protocols() -> None:
    world = World()
    world.arrive(TOY.replace(b"/toy", b"/later-toy") + b"early")
    answer(Upgrade("toy", Toy(world.handler)))(world)
    assert world.sent.endswith(b"\r\n\r\nearly")


def test_nothing_is_read_while_a_protocols_peer_does_not_take_what_it_is_owed() -> None:
    world = World()
    world.arrive(TOY)
    world.transport.room = 0
    world.arrive(*[b"x" * 10_000] * 50)
    assert world.watched == WRITE
    assert world.transport.received < HIGH_WATER + 64 * 1024
    world.take(None)
    assert world.sent.endswith(b"\r\n\r\n" + b"x" * 500_000)


def test_a_protocol_that_closes_is_heard_to_the_end() -> None:
    world = World()
    world.arrive(TOY)
    world.transport.room = 0
    world.arrive(b"bye", b"ignored")
    assert world.transport.has_shut is False
    world.take(None)
    assert world.sent.endswith(b"\r\n\r\nbye")
    assert world.transport.has_shut
    world.end()
    assert world.handler.events[-1] == "toy closed"
    world.assert_released()


def test_what_comes_after_a_protocol_has_closed_is_not_fed_to_it() -> None:
    world = World()
    world.arrive(TOY)
    the_link(world).close()
    world.arrive(b"too late")
    assert world.handler.protocols[0].fed == []
    assert world.state == "LINGER"


def test_a_protocol_may_say_more_than_one_vector_holds() -> None:
    world = World()
    world.arrive(TOY)
    for number in range(5000):
        the_link(world).send(b"%05d" % number)
    world.run()
    assert world.sent.endswith(b"\r\n\r\n" + b"".join(b"%05d" % number for number in range(5000)))


def test_an_upgrade_of_a_request_with_a_body_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """Its body would have to be told from the protocol's bytes: the handler that wants that collects it first."""

    class Early(Zoo):
        def on_head(self, request: Any) -> Any:
            return Upgrade("toy", Toy(self))

    world = World(Early())
    world.arrive(post("/", b"hello", "Connection: Upgrade", "Upgrade: toy"))
    assert world.statuses == [500]
    assert "not asked for" in caplog.text


def test_a_protocol_that_raises_is_logged_and_closed(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.arrive(TOY, b"raise")
    world.end()
    assert "protocol Toy raised" in caplog.text
    assert world.handler.events[-1] == "toy closed"
    world.assert_released()


def test_a_protocol_says_goodbye_when_the_server_stops() -> None:
    world = World()
    world.arrive(TOY)
    world.service.is_draining = True
    world.connection.retire()
    world.run()
    assert world.sent.endswith(b"\r\n\r\ngoing")
    assert world.state == "LINGER"


def test_a_protocol_is_timed_out_by_its_own_timeout() -> None:
    world = World()
    world.arrive(TOY)
    world.at(15)
    world.arrive(b"x")
    world.at(34)
    assert world.state == "UPGRADED"
    world.at(35)
    assert world.handler.events[-1] == "toy closed"
    world.assert_released()


def test_a_link_outlives_its_connection_harmlessly() -> None:
    world = World()
    world.arrive(TOY)
    link = the_link(world)
    world.fail()
    link.send(b"x")
    link.close()
    assert link.owed == 0
    world.run()
    world.assert_released()


def test_a_tunnel_is_opened_by_connect() -> None:
    class Tunnel(Zoo):
        takes_connect = True

        def __call__(self, request: Any) -> Any:
            return Upgrade("", Toy(self))

    world = World(Tunnel())
    world.arrive(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", b"bytes")
    assert world.sent.startswith(b"HTTP/1.1 200 ")
    assert world.sent.endswith(b"\r\n\r\nbytes")


def test_without_a_handler_for_it_connect_is_501() -> None:
    world = World()
    world.arrive(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
    assert world.statuses == [501]


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
    for stale in (connection._on_readable, connection._on_early, connection._on_writable, connection._on_duplex,
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


# Time.


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
    world.service.is_draining = True
    world.connection.retire()
    world.assert_released()


def test_a_request_that_crossed_with_the_stop_is_answered() -> None:
    world = World()
    world.transport.feed(HELLO)
    world.service.is_draining = True
    world.connection.retire()
    world.run()
    assert b"\r\nConnection: close\r\n" in world.sent
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
    world.service.is_draining = True
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
    world.service.is_draining = True
    world.connection.retire()
    assert world.state == "FLUSH"
    world.take(None)
    assert world.statuses == [200]
    world.assert_released()


# What a bad handler does.


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ([b"abc", None, b"def"], "NoneType"),
        ([b"abc", "text"], "str, not bytes"),
        ([b"abc", 1], "int, not bytes"),
    ],
)
def test_a_body_that_is_not_bytes_breaks_off(body: list[Any], reason: str, caplog: pytest.LogCaptureFixture) -> None:
    world = World(lambda request: Response(200, iter(body)))
    world.arrive(HELLO)
    assert world.transport.is_aborted
    assert not world.sent.endswith(b"0\r\n\r\n")
    assert reason in caplog.text
    world.assert_released()


@pytest.mark.parametrize(("length", "reason"), [(4, "1 bytes early"), (2, "1 bytes too many")])
def test_a_body_of_another_length_than_promised_breaks_off(
    length: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(lambda request: Response(200, iter([b"abc"]), length=length))
    world.arrive(HELLO)
    assert world.transport.is_aborted
    assert reason in caplog.text
    world.assert_released()


def test_an_iterator_whose_close_raises_has_been_sent_whole(caplog: pytest.LogCaptureFixture) -> None:
    class Body:
        def __iter__(self) -> "Body":
            return self

        def __next__(self) -> bytes:
            raise StopIteration

        def close(self) -> None:
            raise RuntimeError("as asked")

    world = World(lambda request: Response(200, Body()))
    world.arrive(HELLO, HELLO)
    assert world.statuses == [200, 200]
    assert world.sent.endswith(b"0\r\n\r\n")
    assert len(caplog.records) == 2
    world.arrive(head("HEAD /"))
    assert world.state == "IDLE"


def test_a_failing_close_of_a_promise_does_not_keep_the_iterator_open() -> None:
    world = World()
    world.arrive(get("/promises"))

    def raising() -> None:
        raise RuntimeError("as asked")

    world.handler.laters[0].on_abandon = raising
    world.fail()
    assert world.handler.events == ["iterator open", "iterator closed"]
    world.assert_released()


def test_a_head_answer_never_touches_the_body() -> None:
    world = World()
    world.arrive(head("HEAD /iterator"), head("HEAD /file"), head("HEAD /big"), HELLO)
    assert world.statuses == [200] * 4
    assert world.sent.count(b"\r\n\r\n") == 4
    assert world.sent.endswith(b"\r\n\r\nHello")


@pytest.mark.parametrize("path", ["/hello", "/big", "/file", "/iterator", "/iterator-length"])
def test_the_access_log_has_the_whole_size(path: str) -> None:
    log = StringIO()
    world = World(log_to=log)
    world.transport.room = 1
    world.arrive(get(path))
    world.take(None)
    assert world.state == "IDLE"
    [line] = log.getvalue().splitlines()
    size = int(line.split(" B ")[0].rpartition(" ")[2])
    assert size == len(world.sent.partition(b"\r\n\r\n")[2])


def test_the_access_log_says_what_broke_off() -> None:
    log = StringIO()
    world = World(log_to=log)
    blocked(get("/iterator"), room=1000)(world)
    world.fail()
    assert "broken off" in log.getvalue()


def test_a_connection_on_a_failing_watch_is_not_admitted() -> None:
    """A descriptor that the selector does not take must not stay among the connections for ever."""

    class Refusing(ManualReactor):
        def watch(self, *_arguments: Any) -> None:
            raise OSError("ENOSPC")

    reactor = Refusing()
    service = Service(reactor, Settings(), Zoo())
    with pytest.raises(OSError, match="ENOSPC"):
        Connection(service, MemoryTransport(reactor), Origin())
    assert not service.connections


def test_a_bug_at_one_deadline_is_logged_and_the_others_are_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    other = MemoryTransport(world.reactor)
    Connection(world.service, other, Origin())
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


def test_goodbye_crossing_with_a_protocols_close() -> None:
    world = World()
    world.arrive(TOY)
    the_link(world).close()
    world.end()
    assert world.handler.events[-1] == "toy closed"
    world.assert_released()


def test_a_refusal_is_in_the_access_log() -> None:
    log = StringIO()
    world = World(log_to=log)
    world.arrive(HELLO + b"NONSENSE\r\n\r\n")
    assert [line.split()[2:4] for line in log.getvalue().splitlines()] == [["/hello", "200"], ["400", "a"]]


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


def test_a_later_answered_twice_says_so() -> None:
    later = Later()
    later.answer(1)
    with pytest.raises(RuntimeError, match="once"):
        later.answer(2)


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
    assert world.connection.owed_bytes() < len(BIG) + HIGH_WATER + 1000
    world.take(None)
    assert world.statuses == [200] * 100
