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

    class Inner(Later):
        def attach(self, deliver: Callable[[], None]) -> None:
            super().attach(deliver)
            attached.set()

    pool = Pool("test", 1, 0)
    call = pool._call

    def call_and_wait() -> None:
        call()
        assert attached.wait(WAIT)

    monkeypatch.setattr(pool, "_call", call_and_wait)
    inner = Inner()
    later = pool.submit(lambda: inner)
    assert later is not None
    later.abandon()
    assert inner.is_abandoned
    monkeypatch.undo()
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


def test_threads_are_called_one_by_one_and_each_has_work() -> None:
    """A job that blocks keeps nobody from those behind it: whoever begins one calls the next thread."""
    pool = Pool("test", 3, 3)
    barrier = threading.Barrier(3)
    done = threading.Semaphore(0)

    def work() -> Response:
        barrier.wait(WAIT)  # passed when all three are at work at once
        return Response(204)

    for _ in range(6):
        later = pool.submit(work)
        assert later is not None
        later.attach(done.release)
    for _ in range(6):
        assert done.acquire(timeout=WAIT)
    assert pool.busy == len(pool.waiting) == 0
    pool.close(WAIT)
