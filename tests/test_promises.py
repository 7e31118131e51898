"""WORK: somebody computes the answer, or a piece of it, and the peer may say more meanwhile, or leave."""


import pytest

from reactor.answers import Later
from reactor.http1.response import Response
from reactor.loop import READ
from reactor.respondent import HIGH_WATER

from .simulated import ECONNRESET, HELLO, World, answer, get

DONE = Response(200, "done")


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


def test_a_later_answered_twice_says_so() -> None:
    later = Later()
    later.answer(1)
    with pytest.raises(RuntimeError, match="once"):
        later.answer(2)
