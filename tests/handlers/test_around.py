"""What routers, middleware and pools share: a handler asked whole, and its sink ended once, whoever ends it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from handlers._around import Around, SinkAround, with_body
from handlers.middleware import Steps, compose, middleware, timing
from reactor import BodySink, Later, Request, Response
from reactor.testing import TestClient

from .test_middleware import Sink, a_request, marked, promise


def body_request() -> Request:
    request = a_request()
    request.body = b"body"
    return request


def test_a_sink_that_raises_is_aborted() -> None:
    sink = Sink(feed=KeyError("oh"))
    with pytest.raises(KeyError):
        with_body(sink, body_request())
    assert sink.calls == ["feed", "abort"]


@pytest.mark.parametrize("depth", [1, 2])
def test_a_sink_whose_promise_fails_is_aborted(depth: int) -> None:
    value: Any = KeyError("oh")
    for _ in range(depth):
        value = promise(value)
    sink = Sink(feed=value)
    answer: Any = with_body(sink, body_request())
    while isinstance(answer, Later):
        assert answer.is_answered
        answer = answer.value
    assert isinstance(answer, KeyError)
    assert sink.calls == ["feed", "abort"]


def test_a_sink_that_is_too_small_is_aborted() -> None:
    sink = Sink(limit=3)
    answer: Any = with_body(sink, body_request())
    assert (answer.status, sink.calls) == (413, ["abort"])


def test_a_sink_that_nobody_waits_for_any_more_is_aborted_with_its_promise() -> None:
    later = Later()
    sink = Sink(feed=later)
    answer = with_body(sink, body_request())
    assert isinstance(answer, Later)
    answer.abandon()
    assert later.is_abandoned
    later.answer(None)
    assert sink.calls == ["feed", "abort"]


@pytest.mark.parametrize("said", [None, Response(200, "enough")])
def test_a_sink_that_is_done_is_not_aborted(said: Any) -> None:
    sink = Sink(feed=promise(said))
    answer = with_body(sink, body_request())
    assert isinstance(answer, Later)
    answer.abandon()
    assert "abort" not in sink.calls


FAULTS: list[Any] = [ValueError("oh"), promise(ValueError("oh")), KeyError("oh"), promise(KeyError("oh"))]


@pytest.mark.parametrize("is_called", [False, True], ids=["asked", "called"])
@pytest.mark.parametrize("fault", FAULTS, ids=["caught", "caught later", "passed on", "passed on later"])
def test_a_sink_that_failed_is_aborted_once(fault: Any, is_called: bool) -> None:
    """Whether the middleware makes an answer of it (of a ValueError) or not, and through several."""
    sink = Sink(feed=fault)
    wrapped = compose(sink, timing, marked)
    handler = (lambda request: wrapped(request)) if is_called else wrapped
    caught = fault in FAULTS[:2]
    assert TestClient(handler).post("/", "body").status == (418 if caught else 500)
    assert sink.calls == ["head", "feed", "abort"]


def test_a_sink_that_has_answered_is_not_aborted_for_the_middlewares_fault() -> None:
    @middleware
    def fails_behind(request: Request) -> Steps:
        yield
        raise KeyError("oh")

    sink = Sink(feed=Response(200, "enough"))
    assert TestClient(fails_behind(sink)).post("/", "body").status == 500
    assert sink.calls == ["head", "feed"]


@pytest.mark.parametrize("is_sinks", [False, True])
def test_an_exit_in_a_thread_is_a_500_through_middleware(is_sinks: bool) -> None:
    """What a thread answers with is raised at the yield, in that thread, where nobody else would answer."""

    class InThread(Later):
        def attach(self, deliver: Callable[[], None]) -> None:
            super().attach(deliver)
            threading.Thread(target=self.answer, args=(SystemExit(3),)).start()

    later = InThread()
    handler: Any = Sink(feed=later) if is_sinks else lambda request: later
    assert TestClient(marked(handler)).post("/", "body").status == 500


def test_the_first_end_of_a_sink_is_the_only_one() -> None:
    inner = Sink()
    sink: BodySink = SinkAround(inner)
    sink.feed(b"x")
    sink.abort()
    sink.abort()
    answer = sink.finish()
    assert isinstance(answer, Response)
    assert inner.calls == ["feed", "abort"]
    finished = SinkAround(Sink())
    finished.finish()
    finished.abort()
    assert finished.inner.calls == ["finish"]  # type: ignore[attr-defined]  # it is a Sink


def test_what_an_abort_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink(feed=KeyError("first"), abort=OSError("second"))
    with pytest.raises(KeyError, match="first"):
        with_body(sink, body_request())
    assert "Sink raised in abort" in caplog.text


def test_a_limit_is_passed_on_where_there_is_one() -> None:
    assert SinkAround(Sink(limit=3)).limit == 3
    assert not hasattr(SinkAround(Sink()), "limit")


def test_a_handler_around_another_has_its_name(caplog: pytest.LogCaptureFixture) -> None:
    def fails(request: Request) -> Response:
        raise KeyError

    assert TestClient(Around(Around(fails))).get("/").status == 500
    assert f"handler {__name__}.{fails.__qualname__} raised" in caplog.text
