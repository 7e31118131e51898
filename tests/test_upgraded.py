"""UPGRADED: the connection speaks another protocol; here a toy that echoes."""

import gc
import weakref
from typing import Any, ClassVar

import pytest

from reactor.answers import Link, Upgrade, UpgradedProtocol
from reactor.loop import WRITE
from reactor.respondent import HIGH_WATER

from .simulated import HELLO, TOY, World, answer, post
from .zoo import Toy, Zoo


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
    world.service.drain()
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


def test_goodbye_crossing_with_a_protocols_close() -> None:
    world = World()
    world.arrive(TOY)
    the_link(world).close()
    world.end()
    assert world.handler.events[-1] == "toy closed"
    world.assert_released()


def test_a_protocol_that_holds_the_loop_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    world.arrive(TOY)
    times = iter([10.0, 10.05, 10.05, 10.05, 20.0, 20.25, 20.25, 20.25])  # of `feed`, and of `on_sent`
    monkeypatch.setattr("reactor.upgrade.monotonic", lambda: next(times))
    world.arrive(b"one")
    assert caplog.records == []
    world.arrive(b"two")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "held the loop for 250 ms in an upgraded protocol" in caplog.text


def test_an_interrupt_while_a_protocol_works_is_the_servers() -> None:
    class Interrupted(UpgradedProtocol):
        def feed(self, data: bytes) -> None:
            raise KeyboardInterrupt

    world = World(lambda request: Upgrade("toy", Interrupted()))
    world.arrive(TOY)
    with pytest.raises(KeyboardInterrupt):
        world.arrive(b"x")


def test_a_protocol_that_raises_at_its_end_is_logged_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    class Last(UpgradedProtocol):
        def on_close(self) -> None:
            raise ValueError("as asked")

    world = World(lambda request: Upgrade("toy", Last()))
    world.arrive(TOY)
    world.fail()
    assert "protocol Last raised" in caplog.text
    world.assert_released()


def test_a_protocol_dies_with_its_connection_by_reference_count() -> None:
    """It holds the link, as nearly every one does."""
    world = World(lambda request: Upgrade("toy", Holding()))
    gc.disable()
    try:
        world.arrive(TOY)
        assert world.state == "UPGRADED"
        assert len(Holding.alive) == 1
        world.fail()
        assert len(Holding.alive) == 0
    finally:
        gc.enable()


class Holding(UpgradedProtocol):
    """Keeps its link. `alive`: those that are."""

    alive: ClassVar["weakref.WeakSet[Holding]"] = weakref.WeakSet()

    def on_connect(self, link: Link) -> None:
        self.alive.add(self)
        self.link = link
