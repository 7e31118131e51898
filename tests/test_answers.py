"""Later: an answer that comes later, from wherever it comes, and what becomes of it when nobody waits."""

import io
import threading
from collections.abc import Iterator

import pytest

from reactor import Later, Response


def test_it_delivers_once_to_whoever_waits() -> None:
    later, delivered = Later(), threading.Event()
    later.attach(delivered.set)
    assert not later.is_answered
    threading.Thread(target=later.answer, args=["x"]).start()
    assert delivered.wait(5)
    assert later.value == "x"
    with pytest.raises(RuntimeError, match="answered once"):
        later.answer("y")


def test_an_answer_that_came_first_is_delivered_at_once() -> None:
    later = Later()
    later.answer("x")
    delivered: list[object] = []
    later.attach(lambda: delivered.append(later.value))
    assert delivered == ["x"]


def test_then_changes_answers_and_passes_exceptions_on() -> None:
    later, failing, changing = Later(), Later(), Later()
    error = KeyError("x")
    doubled, same = later.then(lambda value: value * 2), failing.then(lambda value: value * 2)
    broken = changing.then(lambda value: value / 0)
    later.answer(2)
    failing.answer(error)
    changing.answer(1)
    assert doubled.value == 4
    assert same.value is error
    assert isinstance(broken.value, ZeroDivisionError)


def test_whoever_waits_for_what_follows_waits_for_the_first() -> None:
    later, said = Later(), list[str]()
    later.on_goodbye = lambda: said.append("goodbye")
    later.on_abandon = lambda: said.append("abandoned")
    following = later.then(str)
    following.say_goodbye()
    following.abandon()
    assert said == ["goodbye", "abandoned"]
    assert later.is_abandoned


@pytest.mark.parametrize("is_answered_first", [True, False])
def test_a_response_that_nobody_waits_for_is_closed(is_answered_first: bool) -> None:
    later, file = Later(), io.BytesIO(b"abc")
    if is_answered_first:
        later.answer(Response(200, file))
        later.abandon()
    else:
        later.abandon()
        later.answer(Response(200, file))
    assert file.closed


def test_without_callbacks_nothing_is_called() -> None:
    later = Later()
    later.say_goodbye()
    later.abandon()
    later.answer("x")  # and nobody minds


def test_a_body_that_cannot_be_closed_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"a"])

        def close(self) -> None:
            raise OSError("as asked")

    later = Later()
    later.abandon()
    later.answer(Response(200, Body()))
    assert "as asked" in caplog.text
