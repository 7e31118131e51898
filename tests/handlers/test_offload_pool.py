"""The pool behind offload: promises and threads, without a server. Threads meet at events; nothing sleeps."""

import gc
import io
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from handlers.offload import Pool, offload
from reactor import Later, Request, Response
from reactor.testing import TestClient

from .test_offload import WAIT


@pytest.mark.parametrize("is_late", [False, True], ids=["waiting", "at work"])
def test_a_later_from_a_thread_is_abandoned_with_its_request(is_late: bool) -> None:
    told, entered, leave, attached = (threading.Event() for _ in range(4))

    class Inner(Later):
        def attach(self, deliver: Callable[[], None]) -> None:
            super().attach(deliver)
            attached.set()

    inner = Inner()
    inner.on_abandon = told.set

    def work() -> Later:
        entered.set()
        assert leave.wait(WAIT)
        return inner

    pool = Pool("test", 1, 0)
    later = pool.submit(work)
    assert later is not None
    assert entered.wait(WAIT)
    if is_late:
        later.abandon()
    leave.set()
    if not is_late:
        assert attached.wait(WAIT)
        later.abandon()
    assert told.wait(WAIT)
    pool.close(WAIT)


def test_threads_hold_on_to_nothing_while_they_wait() -> None:
    class Thing:
        pass

    pool = Pool("test", 1, 0)
    thing = Thing()
    reference = weakref.ref(thing)
    done = threading.Event()

    def work(thing: Thing = thing) -> Response:
        return Response(204)

    later = pool.submit(work)
    assert later is not None
    later.attach(done.set)
    assert done.wait(WAIT)
    del thing, work, later
    pool.close(WAIT)
    assert reference() is None


def test_an_answered_request_is_gone_without_the_garbage_collector() -> None:
    seen: list[weakref.ref[Any]] = []

    class Params(dict[str, str]):
        """Of a request, which cannot be referred to weakly itself."""

    class Piece(io.BytesIO):
        """As little as a response can."""

    def handler(request: Request) -> Response:
        request.params = Params()
        body = Piece(b"x")
        seen.extend((weakref.ref(request.params), weakref.ref(body)))
        return Response(200, body)

    gc.collect()
    gc.disable()
    try:
        with TestClient(offload(handler, threads=1)) as client:
            assert client.post("/", b"body").status == 200
        assert [each() for each in seen] == [None, None]
    finally:
        gc.enable()


def test_a_promise_kept_with_a_promise_at_once_is_abandoned_with_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast the thread is: what is set when it is handed over is not set again afterwards."""
    attached = threading.Event()
    main = threading.current_thread()

    class Slow:
        """The pool's condition, behind which the one who submits is slow."""

        def __init__(self, condition: threading.Condition) -> None:
            self.condition = condition
            self.wait, self.notify, self.notify_all = condition.wait, condition.notify, condition.notify_all

        def __enter__(self) -> None:
            self.condition.__enter__()

        def __exit__(self, *of: Any) -> None:
            self.condition.__exit__(*of)
            if threading.current_thread() is main:
                assert attached.wait(WAIT)

    class Inner(Later):
        def attach(self, deliver: Callable[[], None]) -> None:
            super().attach(deliver)
            attached.set()

    pool = Pool("test", 1, 0)
    monkeypatch.setattr(pool, "_changed", Slow(pool._changed))
    inner = Inner()
    later = pool.submit(lambda: inner)
    assert later is not None
    later.abandon()
    assert inner.is_abandoned
    pool.close(WAIT)


def test_an_answer_that_cannot_be_delivered_ends_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    pool = Pool("test", 1, 1)
    open_ = threading.Event()
    answered = threading.Event()

    def work() -> Response:
        assert open_.wait(WAIT)
        return Response(204)

    def fail() -> None:
        raise SystemExit

    first, second = pool.submit(work), pool.submit(work)
    assert first is not None
    assert second is not None
    first.attach(fail)
    second.attach(answered.set)
    open_.set()
    assert answered.wait(WAIT)
    pool.close(WAIT)
    assert "an answer from offload test 1 could not be delivered" in caplog.text


def test_a_pool_that_is_closed_takes_nothing() -> None:
    pool = Pool("test", 1, 5)
    pool.close(WAIT)
    assert pool.submit(lambda: Response(204)) is None
