"""Answers that begin while their request's body is still coming: a sink with `early`, and who waits for whom then."""

from collections.abc import Iterator
from typing import Any

import pytest

from reactor import Later, Request, Response, Upgrade
from reactor.loop import READ, WRITE
from reactor.respondent import HIGH_WATER, PROMISES

from .simulated import HELLO, World, chunked, head, post
from .zoo import BIG

UPLOAD = head("POST /up", "Content-Length: 10")
LONG = head("POST /up", "Content-Length: 1000000")


class Duplex:
    """A sink that remembers; `say` is what `feed` says, by the piece; `last` what `finish` says, if not `early`."""

    def __init__(self, **say: Any) -> None:
        self.early: Any = Later()
        self.early.on_abandon = lambda: self.events.append("abandoned")
        self.say = say
        self.events: list[str] = []
        self.fed = b""

    def feed(self, data: bytes) -> Any:
        self.fed += data
        said = self.say.get(data.decode())
        if isinstance(said, BaseException):
            raise said
        return said

    def finish(self) -> Any:
        self.events.append("finished")
        return self.say.get("finish", self.early)

    def abort(self) -> None:
        self.events.append("aborted")


class Handler:
    def __init__(self, sink: Duplex) -> None:
        self.sink = sink

    def on_head(self, request: Request) -> Duplex | None:
        return self.sink if request.path == "/up" else None

    def __call__(self, request: Request) -> Response:
        return Response(200, "Hello")


class Talk:
    """A body in pieces, given when they are. `waiting`: the Later of the next."""

    def __init__(self) -> None:
        self.waiting = Later()
        self.is_closed = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self.is_closed:
            raise StopIteration
        return self.waiting

    def give(self, piece: bytes) -> None:
        later, self.waiting = self.waiting, Later()
        later.answer(piece)

    def end(self) -> None:
        self.is_closed = True
        self.waiting.answer(None)

    def close(self) -> None:
        self.is_closed = True


def world_of(sink: Duplex, **settings: Any) -> World:
    return World(Handler(sink), **settings)


def talking(**settings: Any) -> tuple[World, Duplex, Talk]:
    """An answer that has begun and waits for its next piece, to a body of which five bytes of ten are here."""
    sink, talk = Duplex(), Talk()
    world = world_of(sink, **settings)
    world.arrive(UPLOAD + b"01234")
    sink.early.answer(Response(200, talk))
    world.run()
    assert world.statuses == [200]
    return world, sink, talk


# The order of things.


def test_an_answer_is_given_while_the_body_goes_on() -> None:
    sink = Duplex()
    world = world_of(sink)
    world.arrive(UPLOAD + b"01234")
    sink.early.answer(Response(202, "thank you"))
    world.run()
    assert world.statuses == [202]
    assert (world.state, world.watched, world.due) == ("BODY", READ, 60)
    world.arrive(b"56", b"789" + HELLO)
    assert (sink.fed, sink.events) == (b"0123456789", ["finished"])
    assert world.statuses == [202, 200]
    assert world.state == "IDLE"


def test_the_next_request_waits_for_the_answer_as_well() -> None:
    world, sink, talk = talking()
    world.arrive(b"56789" + HELLO)
    assert (sink.events, world.statuses, world.state) == (["finished"], [200], "WORK")
    talk.end()
    world.run()
    assert world.statuses == [200, 200]


def test_one_that_was_given_at_the_head_comes_first() -> None:
    sink = Duplex()
    sink.early.answer(Response(202))
    world = world_of(sink)
    world.arrive(UPLOAD)
    assert world.statuses == [202]
    world.arrive(b"0123456789")
    assert (world.state, sink.events) == ("IDLE", ["finished"])


def test_it_may_come_by_the_same_promise_when_the_body_is_complete() -> None:
    sink = Duplex()
    world = world_of(sink)
    world.arrive(UPLOAD + b"0123456789")
    assert (world.state, world.service.working) == ("WORK", 1)
    sink.early.answer(Response(200))
    world.run()
    assert (world.statuses, sink.events, world.service.working) == ([200], ["finished"], 0)


def test_one_of_finish_is_the_answer_and_the_other_is_not_waited_for() -> None:
    sink = Duplex(finish=Response(204))
    world = world_of(sink)
    world.arrive(UPLOAD + b"0123456789")
    assert (world.statuses, sink.events) == ([204], ["finished", "abandoned"])


def test_the_one_that_came_before_counts_though_both_come_at_once() -> None:
    class Sudden(Duplex):
        def feed(self, data: bytes) -> None:
            self.early.answer(Response(202))

    sink = Sudden(finish=Response(204))
    world = world_of(sink)
    world.arrive(UPLOAD + b"0123456789", HELLO)
    assert (world.statuses, sink.events) == ([202, 200], ["finished"])


def test_what_finish_raises_behind_it_is_logged_and_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Raising(Duplex):
        def finish(self) -> Any:
            raise RuntimeError("as asked")

    sink = Raising()
    world = world_of(sink)
    world.arrive(UPLOAD)
    sink.early.answer(Response(202))
    world.arrive(b"0123456789", HELLO)
    assert "as asked" in caplog.text
    assert world.statuses == [202, 200]


def test_without_a_body_it_is_a_promise_as_any_other() -> None:
    sink = Duplex()
    world = world_of(sink)
    world.arrive(head("POST /up"))
    sink.early.answer(Response(200))
    world.run()
    assert world.statuses == [200]


# Both ways at once.


def test_the_body_is_read_while_the_answer_waits_for_its_next_piece() -> None:
    world, sink, talk = talking()
    assert (world.state, world.watched, world.callback) == ("BODY", READ, "_on_readable")
    world.arrive(b"5")
    assert sink.fed == b"012345"
    talk.give(b"piece")
    world.arrive(b"6789")
    assert world.sent.endswith(b"5\r\npiece\r\n")
    assert world.state == "WORK"
    talk.end()
    world.run()
    assert world.sent.endswith(b"0\r\n\r\n")
    assert world.state == "IDLE"


def test_and_while_the_client_does_not_take_it() -> None:
    world, sink, talk = talking()
    world.transport.room = 0
    talk.give(b"piece")
    world.arrive(b"5")
    assert (world.state, world.watched, sink.fed) == ("DUPLEX", READ | WRITE, b"012345")
    world.take(None)
    assert world.state == "BODY"


def test_a_sink_that_takes_no_more_holds_the_client_up_and_not_the_answer() -> None:
    sink, talk, room = Duplex(), Talk(), Later()
    sink.say["x" * 1000] = room
    world = world_of(sink)
    world.arrive(LONG)
    sink.early.answer(Response(200, talk))
    world.arrive(b"x" * 1000, *[b"x" * 20_000] * 20)
    assert (world.state, world.watched, sink.fed) == ("WORK", 0, b"x" * 1000)
    assert world.transport.received < HIGH_WATER + 2 * 64 * 1024
    talk.give(b"piece")
    world.run()
    assert world.sent.endswith(b"piece\r\n")
    room.answer()
    world.run()
    assert len(sink.fed) == 401_000
    assert world.state == "BODY"


def test_an_answer_that_is_ready_leaves_while_the_sink_takes_no_more() -> None:
    sink, room = Duplex(), Later()
    sink.say["01234"] = room
    world = world_of(sink)
    world.arrive(UPLOAD + b"01234", b"56789" + HELLO)
    sink.early.answer(Response(200, BIG))
    world.run()
    assert (world.statuses, world.state) == ([200], "WORK")
    room.answer()
    world.run()
    assert (sink.events, world.statuses) == (["finished"], [200, 200])


# What the handler gives.


@pytest.mark.parametrize("is_paused", [False, True])
def test_an_exception_is_a_500_and_the_rest_is_thrown_away(is_paused: bool, caplog: pytest.LogCaptureFixture) -> None:
    room = Later()
    sink = Duplex(**({"01234": room} if is_paused else {}))
    world = world_of(sink)
    world.arrive(UPLOAD + b"01234")
    sink.early.answer(OSError("no upstream"))
    world.run()
    assert (world.statuses, sink.events, world.service.working) == ([500], ["aborted"], 0)
    assert caplog.text.count("no upstream") == 1
    assert room.is_abandoned == is_paused
    world.arrive(b"56789" + HELLO)
    assert (sink.fed, world.statuses) == (b"01234", [500, 200])


def test_a_promise_is_waited_for_and_not_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    for count, status in ((PROMISES, 202), (PROMISES + 1, 500)):
        sink = Duplex()
        world = world_of(sink)
        world.arrive(UPLOAD + b"01234")
        later = sink.early
        for _ in range(count):
            former, later = later, Later()
            former.answer(later)
            world.run()
        later.answer(Response(202))
        world.arrive(b"56789")
        assert world.statuses == [status]
    assert "promises with promises" in caplog.text


@pytest.mark.parametrize("answer", [Upgrade("", None), "hello"])  # type: ignore[arg-type]  # it is never spoken to
def test_what_is_no_answer_is_a_500(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    sink = Duplex()
    world = world_of(sink)
    world.arrive(UPLOAD)
    sink.early.answer(answer)
    world.arrive(b"0123456789")
    assert (world.statuses, sink.events) == ([500], ["finished"])


def test_one_that_another_waits_for_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    sink = Duplex()
    sink.early.attach(lambda: None)
    world = world_of(sink)
    world.arrive(UPLOAD + b"0123456789" + HELLO)
    assert world.statuses == [500, 200]
    assert "waited for already" in caplog.text


def test_a_sink_that_answers_in_feed_does_not_wait_for_the_other_way() -> None:
    sink = Duplex(**{"01234": Response(403)})
    world = world_of(sink)
    world.arrive(UPLOAD + b"01234", b"56789" + HELLO)
    assert (world.statuses, sink.events) == ([403, 200], ["abandoned"])


def test_a_sink_that_answers_in_both_ways_at_once_is_heard_once() -> None:
    class Sudden(Duplex):
        def feed(self, data: bytes) -> Any:
            answer = Response(403, iter([b"no"]))
            self.early.answer(answer)
            return answer

    sink = Sudden()
    world = world_of(sink)
    world.arrive(UPLOAD + b"01234", b"56789" + HELLO)
    assert (world.statuses, sink.events) == ([403, 200], [])
    assert b"2\r\nno\r\n0\r\n\r\n" in world.sent


@pytest.mark.parametrize(("said", "events"), [(Response(403), []), (OSError("full"), ["aborted"])])
def test_a_sink_that_has_enough_behind_its_answer_is_fed_no_more(said: Any, events: list[str]) -> None:
    sink = Duplex(**{"567": said})
    world = world_of(sink)
    world.arrive(UPLOAD + b"01234")
    sink.early.answer(Response(202))
    world.arrive(b"567", b"89" + HELLO)
    assert (world.statuses, sink.events, sink.fed) == ([202, 200], events, b"01234567")


def test_a_sink_that_waits_for_what_another_waits_for_is_fed_no_more(caplog: pytest.LogCaptureFixture) -> None:
    room = Later()
    room.attach(lambda: None)
    sink = Duplex(**{"567": room})
    world = world_of(sink)
    world.arrive(UPLOAD + b"01234")
    sink.early.answer(Response(202))
    world.arrive(b"567", b"89" + HELLO)
    assert (world.statuses, sink.fed) == ([202, 200], b"01234567")
    assert "waited for already" in caplog.text


def test_more_than_is_worth_throwing_away_closes() -> None:
    sink = Duplex(**{"01234": Response(403)})
    world = world_of(sink, limit_discard=100)
    world.arrive(LONG)
    sink.early.answer(Response(202))
    world.arrive(b"01234")
    assert (world.statuses, world.state) == ([202], "LINGER")


# Ends.


def test_a_client_that_ends_in_the_middle_has_its_answer_all_the_same() -> None:
    world, sink, talk = talking()
    world.end()
    assert (sink.events, world.state) == (["aborted"], "WORK")
    talk.give(b"for who listens")
    talk.end()
    world.run()
    assert world.sent.endswith(b"for who listens\r\n0\r\n\r\n")
    assert not world.transport.is_aborted
    world.assert_released()


def test_that_is_noticed_when_the_sink_has_taken_what_came_before() -> None:
    sink, talk, room = Duplex(), Talk(), Later()
    sink.say["01234"] = room
    world = world_of(sink)
    world.arrive(UPLOAD + b"01234")
    sink.early.answer(Response(200, talk))
    world.arrive(b"5")
    world.end()
    assert sink.events == []
    room.answer()
    world.run()
    assert (sink.fed, sink.events, world.state) == (b"012345", ["aborted"], "WORK")
    talk.end()
    world.run()
    assert world.sent.endswith(b"0\r\n\r\n")
    world.assert_released()


def test_a_reset_is_told_to_both() -> None:
    world, sink, talk = talking()
    world.fail()
    assert (sink.events, talk.is_closed) == (["aborted"], True)
    world.assert_released()
    sink = Duplex()
    world = world_of(sink)
    world.arrive(UPLOAD)
    world.fail()
    assert sink.events == ["abandoned", "aborted"]
    world.assert_released()


def test_a_body_that_is_malformed_or_too_large_ends_with_the_answer_that_has_begun() -> None:
    for rest in (b"zz\r\n", b"ffff\r\n"):
        sink = Duplex()
        world = world_of(sink, limit_body_size=100)
        world.arrive(chunked("/up", b"0123456789")[:-5])
        sink.early.answer(Response(202, "thank you"))
        world.arrive(rest)
        assert (world.statuses, sink.events, world.state) == ([202], ["aborted"], "LINGER")


def test_a_connection_that_was_to_close_does_so_behind_the_body() -> None:
    sink = Duplex()
    world = world_of(sink)
    world.arrive(post("/up", b"0123456789", "Connection: close")[:-5])
    sink.early.answer(Response(202))
    world.run()
    assert (world.statuses, world.state) == ([202], "BODY")
    world.arrive(b"56789")
    assert (sink.events, world.state) == (["finished"], "LINGER")


# Deadlines.


def test_a_body_has_its_time_while_the_answer_waits_and_then_the_answer_goes_on_and_is_the_last() -> None:
    world, sink, talk = talking()
    for second in range(10, 60, 10):
        world.at(second)
        talk.give(b"taken at once")  # it buys no time
        world.run()
    world.at(59)
    assert sink.events == []
    world.at(60)
    assert (sink.events, world.state, world.statuses) == (["aborted"], "WORK", [200])
    talk.give(b"the end")
    talk.end()
    world.run()
    assert world.sent.endswith(b"the end\r\n0\r\n\r\n")
    assert world.state == "LINGER"


def test_a_body_that_makes_progress_has_all_the_time_it_takes() -> None:
    sink, talk = Duplex(), Talk()
    world = world_of(sink)
    world.arrive(LONG)
    sink.early.answer(Response(200, talk))
    world.run()
    for second in range(10, 600, 10):
        world.arrive(b"x" * 2400)
        world.at(second)
    assert (sink.events, world.state) == ([], "BODY")


def test_who_does_not_take_the_answer_is_reset_though_its_body_comes() -> None:
    sink, talk = Duplex(), Talk()
    world = world_of(sink)
    world.arrive(LONG)
    sink.early.answer(Response(200, talk))
    world.run()
    world.transport.room = 0
    talk.give(b"piece")
    for second in range(1, 30):
        world.arrive(b"x" * 2400)
        world.at(second)
    assert world.state == "DUPLEX"
    world.at(30)
    assert sink.events == ["aborted"]
    assert world.transport.is_aborted


def test_without_an_answer_a_silent_body_is_408_and_both_ways_are_given_up() -> None:
    sink = Duplex()
    world = world_of(sink)
    world.arrive(UPLOAD + b"01234")
    world.at(60)
    assert (world.statuses, sink.events) == ([408], ["abandoned", "aborted"])
