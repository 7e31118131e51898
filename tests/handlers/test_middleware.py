"""Middleware: what is done around a handler, whatever way that answers."""

from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from handlers._around import Around
from handlers.middleware import Steps, compose, middleware, request_id, timing
from reactor import Handler, Later, Request, Response, Upgrade, UpgradedProtocol
from reactor.testing import TestClient


@middleware
def marked(request: Request) -> Steps:
    """Tells that the answer passed by, and makes an answer of an exception."""
    try:
        response = yield
    except ValueError as error:
        return Response(418, str(error))
    return response.with_headers({"X-Marked": "yes"})


@middleware
def guarded(request: Request) -> Steps:
    """Asks the handler only where there is a password."""
    if "authorization" not in request.headers:
        return Response(401)
    response = yield
    return response


def plain(request: Request) -> Response:
    return Response(200, b"plain " + request.body)


def promise(value: Any) -> Later:
    """A Later that is kept at once."""
    later = Later()
    later.answer(value)
    return later


class Sink:
    """A handler that is its own body sink; what it does at each step is told it."""

    def __init__(self, **steps: Any) -> None:
        self.steps = steps
        self.calls: list[str] = []
        if "limit" in steps:
            self.limit = steps["limit"]

    def _step(self, name: str, otherwise: Any) -> Any:
        self.calls.append(name)
        step = self.steps.get(name, otherwise)
        if isinstance(step, Exception):
            raise step
        return step

    def on_head(self, request: Request) -> Any:
        return self._step("head", self)

    def __call__(self, request: Request) -> Any:
        return self._step("call", Response(200, b"called " + request.body))

    def feed(self, data: bytes) -> Any:
        return self._step("feed", None)

    def finish(self) -> Any:
        return self._step("finish", Response(200, "finished"))

    def abort(self) -> None:
        self._step("abort", None)


@pytest.mark.parametrize("body", [b"", b"body", [b"bo", b"dy"]], ids=["none", "whole", "pieces"])
@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (plain, "plain BODY"),
        (lambda request: promise(plain(request)), "plain BODY"),
        (lambda request: Response(200, iter([b"plain ", request.body])), "plain BODY"),
        (Sink(), "finished"),
        (Sink(head=None), "called BODY"),
        (Sink(head=Response(200, "early")), "early"),
        (Sink(head=promise(Response(200, "early later"))), "early later"),
        (Sink(finish=promise(Response(200, "later"))), "later"),
        (Sink(feed=promise(None)), "finished"),
    ],
    ids=["response", "later", "iterator", "sink", "whole", "early", "early later", "finish later", "feed later"],
)
def test_the_answer_passes_through_however_it_is_given(handler: Handler, text: str, body: Any) -> None:
    reply = TestClient(marked(handler)).request("POST", "/", body=body)
    assert (reply.status, reply.headers["x-marked"]) == (200, "yes")
    assert reply.text == text.replace("BODY", "body" if body else "")


@pytest.mark.parametrize("answer", [Response(200, "enough"), promise(Response(200, "enough"))])
def test_an_answer_in_the_midst_of_a_body_passes_through(answer: Any) -> None:
    reply = TestClient(marked(Sink(feed=answer))).post("/", [b"bo", b"dy"])
    assert (reply.text, reply.headers["x-marked"]) == ("enough", "yes")


def fails(request: Request) -> NoReturn:
    raise ValueError("oh")


@pytest.mark.parametrize(
    "handler",
    [
        fails,
        lambda request: promise(ValueError("oh")),
        Sink(head=ValueError("oh")),
        Sink(feed=ValueError("oh")),
        Sink(feed=promise(ValueError("oh"))),
        Sink(finish=ValueError("oh")),
    ],
    ids=["call", "later", "head", "feed", "feed later", "finish"],
)
def test_an_exception_is_raised_at_the_yield(handler: Handler, caplog: pytest.LogCaptureFixture) -> None:
    reply = TestClient(marked(handler)).post("/", "body")
    assert (reply.status, reply.text) == (418, "oh")
    assert not caplog.records


@pytest.mark.parametrize("later", [False, True])
def test_an_exception_that_nobody_catches_is_logged_and_a_500(later: bool, caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: Request) -> Later:
        if later:
            return promise(KeyError("oh"))
        raise KeyError("oh")

    assert TestClient(marked(handler)).get("/").status == 500
    assert "handler tests.handlers.test_middleware" in caplog.text  # by its own name
    assert "KeyError: 'oh'" in caplog.text


def test_an_early_answer_asks_no_handler_and_reads_no_body() -> None:
    sink = Sink()
    client = TestClient(compose(sink, marked, guarded))
    reply = client.post("/", "body")
    assert (reply.status, reply.headers["x-marked"], sink.calls) == (401, "yes", [])
    assert client.post("/", "body", {"Authorization": "x"}).text == "finished"


def test_a_limit_of_the_sink_holds() -> None:
    client = TestClient(marked(Sink(limit=3)))
    assert client.post("/", "abc").status == 200
    assert client.post("/", "abcd").status == 413


def test_a_sink_is_told_when_the_rest_will_not_come() -> None:
    sink = Sink(limit=3)
    assert TestClient(marked(sink)).post("/", [b"abc", b"d"]).status == 413
    assert sink.calls == ["head", "feed", "abort"]


def test_a_wrapped_handler_that_is_merely_called_is_asked_whole() -> None:
    wrapped = compose(Sink(), marked, guarded)
    client = TestClient(lambda request: wrapped(request))
    assert client.post("/", "body").status == 401
    assert client.post("/", "body", {"Authorization": "x"}).text == "finished"
    wrapped_late = marked(Sink(feed=promise(None)))
    assert TestClient(lambda request: wrapped_late(request)).post("/", "body").text == "finished"
    wrapped_early = marked(Sink(feed=promise(Response(200, "enough"))))
    assert TestClient(lambda request: wrapped_early(request)).post("/", "body").text == "enough"


def test_an_upgrade_passes_untouched() -> None:
    class Shout(UpgradedProtocol):
        def on_connect(self, link: Any) -> None:
            link.close()

    closed: list[bool] = []

    @middleware
    def watched(request: Request) -> Steps:
        try:
            response = yield
        finally:
            closed.append(True)
        return response

    handler = watched(lambda request: Upgrade("shout", Shout()))
    reply = TestClient(handler).get("/", {"Connection": "Upgrade", "Upgrade": "shout"})
    assert (reply.status, closed) == (101, [True])


def test_a_later_that_nobody_waits_for_is_abandoned_and_the_generator_closed() -> None:
    closed: list[bool] = []
    inner = Later()

    @middleware
    def watched(request: Request) -> Steps:
        try:
            response = yield
        finally:
            closed.append(True)
        return response

    client = TestClient(watched(lambda request: inner), timeout=0.01)
    with pytest.raises(TimeoutError):
        client.get("/")
    assert inner.is_abandoned
    assert closed == [True]
    inner.answer(Response(200))
    assert closed == [True]


def test_a_goodbye_is_passed_on() -> None:
    said: list[str] = []
    inner = Later()
    inner.on_goodbye = lambda: said.append("goodbye")
    request = a_request()
    outer = marked(lambda request: inner)(request)
    assert isinstance(outer, Later)
    outer.say_goodbye()
    assert said == ["goodbye"]


def a_request() -> Request:
    """Some request, as a handler saw it."""
    seen: list[Request] = []

    def handler(request: Request) -> Response:
        seen.append(request)
        return Response(204)

    TestClient(handler).get("/")
    return seen[0]


def test_the_first_is_the_outermost() -> None:
    def named(name: str) -> Callable[[Handler], Handler]:
        @middleware
        def steps(request: Request) -> Steps:
            order.append(f"{name} in")
            response = yield
            order.append(f"{name} out")
            return response

        return steps

    order: list[str] = []
    TestClient(compose(plain, named("a"), named("b"))).get("/")
    assert order == ["a in", "b in", "b out", "a out"]
    assert compose(plain) is plain


def test_what_the_inner_handler_has_is_passed_on_and_nothing_else() -> None:
    class Whole:
        takes_connect = True

        def __call__(self, request: Request) -> Response:
            return Response(204)

        def startup(self, server: Any) -> None:
            calls.append("startup")

        def shutdown(self) -> None:
            calls.append("shutdown")

        def on_datagram(self, data: bytes) -> bytes:
            return data

    calls: list[str] = []
    wrapped: Any = compose(Whole(), request_id, timing)
    with TestClient(wrapped):
        pass
    assert calls == ["startup", "shutdown"]
    assert wrapped.takes_connect
    assert wrapped.on_datagram(b"x") == b"x"
    bare: Any = timing(plain)
    for name in ("startup", "shutdown", "on_datagram", "takes_connect", "limit"):
        assert not hasattr(bare, name)


def test_what_changes_nothing_changes_nothing() -> None:
    around = Around(Sink())
    assert TestClient(around).post("/", "body").text == "finished"
    assert (around.__module__, around.__qualname__) == (__name__, "Sink")
