"""UPGRADED, where one side is slower than the other, or ends before it: a protocol that takes no more for a while, and
half-closes in both directions, as a tunnel needs them."""

import socket
from typing import Any

import pytest

from reactor import Later, Link, Request, Server, Upgrade, UpgradedProtocol
from reactor.loop import READ, WRITE
from reactor.respondent import HIGH_WATER

from .simulated import ECONNRESET, ENOTCONN, TOY, World
from .wire import connect


class Tap(UpgradedProtocol):
    """Takes a piece, and no more until it is `opened`. `stays`: it goes on when its peer has ended."""

    timeout = 20.0

    def __init__(self, stays: bool = False) -> None:
        self.stays = stays
        self.room: Later | None = None
        self.fed: list[bytes] = []
        self.events: list[str] = []
        self.link: Link

    def on_connect(self, link: Link) -> None:
        self.link = link

    def feed(self, data: bytes) -> Later | None:
        self.fed.append(data)
        self.room = Later()
        self.room.on_abandon = lambda: self.events.append("abandoned")
        return self.room

    def open(self, value: Any = None) -> None:
        room, self.room = self.room, None
        assert room is not None
        room.answer(value)

    def on_goodbye(self) -> bool:
        self.events.append(f"goodbye after {sum(map(len, self.fed))}")
        return self.stays

    def on_close(self) -> None:
        self.events.append("closed")


def tapped(tap: UpgradedProtocol, **settings: Any) -> World:
    def handler(request: Request) -> Upgrade:
        return Upgrade("toy", tap)

    world = World(handler, **settings)
    world.arrive(TOY)
    return world


# A protocol that takes no more.


def test_it_is_fed_no_more_until_its_later_is_answered() -> None:
    tap = Tap()
    world = tapped(tap)
    world.arrive(b"one", b"two", b"three")
    assert tap.fed == [b"one"]
    assert (world.state, world.watched) == ("UPGRADED", READ)
    tap.open()
    world.run()
    assert tap.fed == [b"one", b"twothree"]
    tap.open("whatever")
    world.arrive(b"four")
    assert tap.fed[-1] == b"four"


def test_meanwhile_no_more_is_read_than_the_high_water_mark() -> None:
    tap = Tap()
    world = tapped(tap)
    world.arrive(*[b"x" * 10_000] * 50)
    assert (world.state, world.watched) == ("UPGRADED", 0)
    assert world.transport.received < HIGH_WATER + 2 * 64 * 1024
    while len(b"".join(tap.fed)) < 500_000:
        tap.open()
        world.run()


def test_one_that_is_answered_already_holds_nothing_up() -> None:
    class Quick(Tap):
        def feed(self, data: bytes) -> Later | None:
            later = super().feed(data)
            self.open()
            return later

    tap = Quick()
    world = tapped(tap)
    world.arrive(b"one", b"two")
    assert tap.fed == [b"one", b"two"]


def test_an_exception_in_it_ends_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    tap = Tap()
    world = tapped(tap)
    world.arrive(b"one", b"two")
    tap.open(OSError("no upstream"))
    world.run()
    assert "protocol Tap failed" in caplog.text
    assert "no upstream" in caplog.text
    assert tap.fed == [b"one"]
    assert world.state == "LINGER"
    world.end()
    assert tap.events == ["closed"]
    world.assert_released()


def test_one_that_is_answered_when_the_link_is_closed_feeds_nothing() -> None:
    tap = Tap()
    world = tapped(tap)
    world.arrive(b"one", b"two")
    tap.link.close()
    tap.open()
    world.run()
    assert tap.fed == [b"one"]
    assert world.state == "LINGER"


def test_one_that_is_answered_when_the_connection_goes_feeds_nothing() -> None:
    tap = Tap()
    world = tapped(tap)
    world.arrive(b"one", b"two")
    tap.open()
    world.connection.close()
    world.run()
    assert tap.fed == [b"one"]
    assert tap.events[-1] == "closed"
    world.assert_released()


@pytest.mark.parametrize("said", ["something", Later()], ids=["text", "another's"])
def test_what_is_no_promise_to_us_ends_it_too(said: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Odd(Tap):
        def feed(self, data: bytes) -> Any:
            return said

    if isinstance(said, Later):
        said.attach(lambda: None)
    world = tapped(Odd())
    world.arrive(b"one")
    assert world.state == "LINGER"
    assert "protocol Odd raised" in caplog.text


def test_a_silence_that_is_ours_does_not_count() -> None:
    tap = Tap()
    world = tapped(tap)
    world.at(10)
    world.arrive(b"one")
    world.at(100)
    assert world.state == "UPGRADED"
    tap.open()
    world.run()
    assert world.due == 20
    world.at(119)
    assert world.state == "UPGRADED"
    world.at(120)
    assert tap.events == ["closed"]
    world.assert_released()


def test_the_peer_still_has_to_take_what_it_is_owed() -> None:
    tap = Tap()
    world = tapped(tap)
    world.arrive(b"one")
    world.transport.room = 0
    tap.link.send(b"answer")
    world.run()
    assert world.due == 30
    world.at(30)
    world.assert_released()


def test_who_left_while_nothing_is_watched_is_found_out() -> None:
    tap = Tap()
    world = tapped(tap)
    world.arrive(*[b"x" * 10_000] * 50)
    world.at(1)
    assert (world.state, world.due) == ("UPGRADED", 1)
    world.transport.fail(ECONNRESET)
    world.at(2)
    assert tap.events == ["abandoned", "closed"]
    world.assert_released()


def test_it_is_abandoned_where_the_connection_ends() -> None:
    tap = Tap()
    world = tapped(tap)
    world.arrive(b"one")
    world.fail()
    assert tap.events == ["abandoned", "closed"]
    tap.open()
    world.run()
    world.assert_released()


def test_one_that_closes_meanwhile_is_fed_no_more() -> None:
    tap = Tap()
    world = tapped(tap)
    world.arrive(b"one", b"two")
    tap.link.close()
    world.run()
    world.at(4)
    tap.open()
    world.run()
    assert tap.fed == [b"one"]
    assert (world.state, world.due) == ("LINGER", 1)


# A peer that ends its side.


def test_a_goodbye_is_told_behind_the_bytes_that_came_before_it() -> None:
    tap = Tap()
    world = tapped(tap)
    world.arrive(b"one", b"two")
    world.end()
    assert (world.state, tap.events) == ("UPGRADED", [])
    tap.open()
    world.run()
    assert (tap.fed, tap.events) == ([b"one", b"two"], [])
    tap.open()
    world.run()
    assert tap.events == ["goodbye after 6", "closed"]
    world.assert_released()


def test_a_goodbye_behind_a_flood_is_heard_when_that_is_taken() -> None:
    tap = Tap()
    world = tapped(tap)
    for _ in range(5):
        world.transport.feed(b"x" * 50_000)
    world.end()
    while tap.room is not None:
        tap.open()
        world.run()
    assert tap.events == ["goodbye after 250000", "closed"]
    world.assert_released()


def test_what_came_before_the_upgrade_was_promised_is_fed_and_then_the_goodbye() -> None:
    tap = Tap()
    later = Later()
    world = World(lambda request: later)
    world.arrive(TOY + b"early")
    world.end()
    later.answer(Upgrade("toy", tap))
    world.run()
    assert tap.fed == [b"early"]
    tap.open()
    world.run()
    assert tap.events == ["goodbye after 5", "closed"]
    world.assert_released()


def test_a_goodbye_before_an_upgrade_that_was_promised() -> None:
    tap = Tap()
    later = Later()
    world = World(lambda request: later)
    world.arrive(TOY)
    world.end()
    later.answer(Upgrade("toy", tap))
    world.run()
    assert tap.events == ["goodbye after 0", "closed"]
    world.assert_released()


def test_one_that_stays_may_say_what_it_has_to_say() -> None:
    tap = Tap(stays=True)
    world = tapped(tap)
    world.end()
    assert (world.state, world.watched, tap.events) == ("UPGRADED", 0, ["goodbye after 0"])
    world.at(100)
    assert world.state == "UPGRADED", "who can say nothing more is not silent"
    tap.link.send(b"the rest")
    world.run()
    assert world.sent.endswith(b"the rest")
    tap.link.end()
    world.run()
    assert tap.events == ["goodbye after 0", "closed"]
    assert not world.transport.is_aborted
    world.assert_released()


def test_one_that_raises_at_a_goodbye_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    class Raising(Tap):
        def on_goodbye(self) -> bool:
            raise RuntimeError("as asked")

    world = tapped(Raising())
    world.end()
    assert "protocol Raising raised" in caplog.text
    world.assert_released()


# A link that ends ours.


def test_a_link_that_ends_sends_fin_behind_what_it_owes_and_listens_on() -> None:
    tap = Tap()
    world = tapped(tap)
    world.transport.room = 0
    tap.link.send(b"last words")
    tap.link.end()
    tap.link.send(b"too late")
    world.run()
    assert (world.state, world.watched, world.transport.has_shut) == ("UPGRADED", READ | WRITE, False)
    world.take(None)
    assert world.sent.endswith(b"last words")
    assert (world.state, world.watched, world.transport.has_shut) == ("UPGRADED", READ, True)
    world.arrive(b"answer")
    assert tap.fed == [b"answer"]
    tap.open()
    world.end()
    assert tap.events == ["goodbye after 6", "closed"]
    assert world.transport.calls.count("shutdown") == 1
    world.assert_released()


def test_it_ends_when_both_have_whatever_it_says_to_the_goodbye() -> None:
    tap = Tap(stays=True)
    world = tapped(tap)
    tap.link.end()
    world.end()
    assert tap.events == ["goodbye after 0", "closed"]
    world.assert_released()


def test_a_peer_that_is_silent_behind_our_fin_has_its_time() -> None:
    tap = Tap()
    world = tapped(tap)
    tap.link.end()
    world.run()
    assert world.due == 20
    world.at(20)
    world.assert_released()


def test_a_fin_that_cannot_be_sent_is_the_end() -> None:
    tap = Tap()
    world = tapped(tap)
    world.transport.faults[len(world.transport.calls)] = ENOTCONN
    tap.link.end()
    world.run()
    assert tap.events == ["closed"]
    world.assert_released()


def test_a_link_may_be_ended_and_closed_when_its_connection_has_gone() -> None:
    tap = Tap()
    world = tapped(tap)
    link = tap.link
    world.fail()
    link.end()
    link.close()
    world.run()
    world.assert_released()


def test_half_closes_over_real_sockets() -> None:
    """The client ends first and is answered; then the server ends."""

    class Count(UpgradedProtocol):
        def __init__(self) -> None:
            self.size = 0

        def on_connect(self, link: Link) -> None:
            self.link = link

        def feed(self, data: bytes) -> None:
            self.size += len(data)

        def on_goodbye(self) -> bool:
            self.link.send(b"%d bytes" % self.size)
            self.link.end()
            return True

    with Server(lambda request: Upgrade("toy", Count()), bind="127.0.0.1:0") as server:
        port = int(server.url.rpartition(":")[2])
        with connect(port) as client:
            client.sendall(TOY + b"x" * 300_000)
            client.shutdown(socket.SHUT_WR)
            said = b""
            while piece := client.recv(1000):
                said += piece
    assert said.endswith(b"\r\n\r\n300000 bytes")
