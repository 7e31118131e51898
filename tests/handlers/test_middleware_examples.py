"""Middleware: what its author is told, and the examples."""

import logging
import re
from typing import Any

import pytest

from handlers.middleware import Steps, compose, middleware, request_id, timing
from handlers.router import Router
from reactor import Request, Response
from reactor.testing import TestClient

from .test_middleware import Sink, marked, plain

# What the author of a middleware is told.


def test_a_function_without_a_yield_is_no_middleware() -> None:
    def forgot(request: Request) -> Any:
        return Response(200)

    with pytest.raises(TypeError, match=r"forgot has no yield: a middleware yields once, where the handler is asked"):
        middleware(forgot)


def test_a_middleware_returns_the_response(caplog: pytest.LogCaptureFixture) -> None:
    @middleware
    def forgetful(request: Request) -> Any:
        yield

    @middleware
    def hasty(request: Request) -> Any:
        if request.method == "GET":
            return
        yield

    for wrap in forgetful, hasty:
        assert TestClient(wrap(plain)).get("/").status == 500
        assert f"{wrap.__name__} returned NoneType: it returns the response, changed or as it was" in caplog.text


def test_a_middleware_yields_once(caplog: pytest.LogCaptureFixture) -> None:
    @middleware
    def stutters(request: Request) -> Steps:
        yield
        response = yield
        return response

    assert TestClient(stutters(plain)).get("/").status == 500
    assert "stutters yielded twice: it yields once, where the handler is asked" in caplog.text


def test_what_is_no_answer_is_named_as_without_middleware(caplog: pytest.LogCaptureFixture) -> None:
    junk: Any = lambda request: None  # noqa: E731 - typed as anything, for it is wrong
    assert TestClient(marked(junk)).get("/").status == 500
    assert "returned NoneType, not a Response" in caplog.text


def test_only_handlers_are_wrapped() -> None:
    kind: Any = Sink
    with pytest.raises(TypeError, match="Sink is a class, and a handler is an instance"):
        marked(kind)


def test_a_middleware_keeps_its_name() -> None:
    assert (marked.__name__, marked.__doc__ is None) == ("marked", False)


# The examples.


def told(request: Request) -> Response:
    """Says which id it was given."""
    return Response(200, ",".join(request.headers.get_all("x-request-id")))


def test_a_request_gets_an_id_that_handler_and_client_see() -> None:
    reply = TestClient(request_id(told)).get("/")
    assert re.fullmatch("[0-9a-f]{32}", reply.headers["x-request-id"])
    assert reply.text == reply.headers["x-request-id"]


def test_a_sane_id_from_outside_is_kept() -> None:
    reply = TestClient(request_id(told)).get("/", {"X-Request-Id": "a-Sane_1.id"})
    assert reply.text == reply.headers["x-request-id"] == "a-Sane_1.id"


@pytest.mark.parametrize("given", ["", "a b", "a\tb", "x" * 65, '"', "\xff", "a,b"])
def test_another_id_from_outside_is_replaced(given: str) -> None:
    reply = TestClient(request_id(told)).get("/", {"X-Request-Id": given, "X-Other": "1"})
    assert re.fullmatch("[0-9a-f]{32}", reply.headers["x-request-id"])
    assert reply.text == reply.headers["x-request-id"]


def test_an_id_reaches_a_mounted_handler() -> None:
    router = Router()
    router.mount("/a", told)
    reply = TestClient(request_id(router)).get("/a/b")
    assert reply.text == reply.headers["x-request-id"]


def test_the_answer_tells_how_long_it_took() -> None:
    reply = TestClient(timing(plain)).get("/")
    assert re.fullmatch(r"app;dur=[0-9]+\.[0-9]", reply.headers["server-timing"])


def test_the_examples_do_not_disturb_each_other(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    reply = TestClient(compose(Sink(), request_id, timing)).post("/", [b"a", b"b"])
    assert reply.status == 200
    assert {"x-request-id", "server-timing"} <= {name.lower() for name in reply.headers}
    assert not caplog.records
