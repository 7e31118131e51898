"""What a handler may do that it should not: the client hears a 500 or sees it break, the log says what it was."""

import gc
from io import BytesIO
from typing import Any

import pytest

from reactor.answers import Later
from reactor.http1.request import Request
from reactor.http1.response import FileBody, Response

from .simulated import HELLO, World, get, head, post
from .zoo import Zoo


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


def test_an_early_answer_of_a_sink_to_a_body_beyond_the_limit_is_the_last() -> None:
    world = World(limit_discard=10)
    world.arrive(post("/sink", b"stop" * 20)[:-40] + b"")
    assert world.statuses == [403]
    assert b"\r\nConnection: close\r\n" in world.sent
    assert world.state == "LINGER"


def test_a_sink_is_asked_for_an_answer_where_there_is_no_body() -> None:
    world = World()
    world.arrive(get("/sink"), HELLO)
    assert world.statuses == [200, 200]
    assert world.handler.events == ["sink open", "sink finished"]


def test_a_file_that_ends_early_breaks_off(caplog: pytest.LogCaptureFixture) -> None:
    world = World(lambda request: Response(200, FileBody(BytesIO(b"abc"), 0, 5)))
    world.arrive(HELLO)
    assert world.transport.is_aborted
    assert world.sent.endswith(b"\r\n\r\nabc")
    assert "the file ends 2 bytes early" in caplog.text
    world.assert_released()


def test_a_handler_that_holds_the_loop_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    times = iter([10.0, 10.05, 20.0, 20.25])
    monkeypatch.setattr("reactor.respondent.monotonic", lambda: next(times))

    def dawdle(request: Request) -> Response:
        return Response(200)

    world = World(dawdle)
    world.arrive(HELLO)
    assert caplog.records == []
    world.arrive(HELLO)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "dawdle held the loop for 250 ms" in caplog.text


def test_a_handler_that_raises_is_a_logged_500(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.arrive(get("/raise"), HELLO)
    assert world.statuses == [500, 200]
    assert "RuntimeError: as asked" in caplog.text
    assert b"as asked" not in world.sent


@pytest.mark.parametrize("answer", [None, "text", b"bytes", 200, (200, "OK")])
def test_a_handler_that_returns_something_else_is_a_logged_500(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(lambda request: answer)
    world.arrive(HELLO, HELLO)
    assert world.statuses == [500, 500]
    assert f"returned {type(answer).__name__}, not a Response, Later or Upgrade" in caplog.text


@pytest.mark.parametrize("path", ["/", "/later"])
def test_a_coroutine_that_nobody_awaits_is_a_500_that_asks_for_it_and_no_warning_besides(
    path: str, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    async def answer() -> Response:
        raise NotImplementedError  # nobody asks it

    def handler(request: Request) -> Any:
        if request.path == "/":
            return answer()
        later = Later()
        later.answer(answer())
        return later

    world = World(handler)
    world.arrive(get(path), get(path))
    world.run()
    gc.collect()
    assert world.statuses == [500, 500]
    assert len(caplog.records) == 2
    assert "returned coroutine (await missing?), not a Response, Later or Upgrade at GET" in caplog.text
    assert [str(each.message) for each in recwarn] == []


def test_a_later_answered_with_something_else_is_a_logged_500(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.arrive(get("/later"))
    world.handler.laters[0].answer("text")
    world.run()
    assert world.statuses == [500]
    assert "returned str" in caplog.text


@pytest.mark.parametrize("verdict", ["text", 5, object()])
@pytest.mark.parametrize("request_bytes", [HELLO, post("/", b"x" * 100)], ids=["no body", "body"])
def test_on_head_that_returns_something_else_is_a_logged_500(
    verdict: Any, request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    class Handler(Zoo):
        def on_head(self, request: Request) -> Any:
            return verdict

    world = World(Handler())
    world.arrive(request_bytes)
    assert world.statuses == [500]
    assert caplog.records


def test_on_head_that_raises_is_a_logged_500(caplog: pytest.LogCaptureFixture) -> None:
    class Handler(Zoo):
        def on_head(self, request: Request) -> Any:
            raise RuntimeError("as asked")

    world = World(Handler())
    world.arrive(HELLO, post("/", b"x" * 100), HELLO)
    assert world.statuses == [500] * 3
    assert "as asked" in caplog.text


@pytest.mark.parametrize("name", ["feed", "finish"])
def test_a_sink_that_raises_is_a_logged_500(name: str, caplog: pytest.LogCaptureFixture) -> None:
    class BadSink:
        def feed(self, data: bytes) -> None:
            if name == "feed":
                raise RuntimeError("as asked")

        def finish(self) -> Response:
            if name == "finish":
                raise RuntimeError("as asked")
            return Response(200)

        def abort(self) -> None:
            raise RuntimeError("as asked")

    class Handler(Zoo):
        def on_head(self, request: Request) -> Any:
            return BadSink()

    world = World(Handler())
    world.arrive(post("/", b"x" * 100)[:-50], b"x" * 50)
    assert world.statuses == [500]
    world.arrive(post("/", b"x" * 100)[:-50])
    world.fail()
    assert "as asked" in caplog.text
    world.assert_released()
