"""`Server` as a program embeds it: it runs once, says what is wrong at the call, and can be stopped from anywhere."""

import functools
import operator
import os
import threading
import unittest.mock
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import pytest

from handlers.router import Router
from reactor import Request, Response, Server
from reactor.server import connections
from reactor.testing import TestClient

ONCE = "a Server runs once; make another"
START: list[Callable[[Server], object]] = [Server.open, Server.start, Server.run, Server.__enter__]


def handler(request: Request) -> Response:
    return Response(200, "here")


@pytest.mark.parametrize("start", START)
def test_a_server_that_has_ended_does_not_start_again(start: Callable[[Server], object]) -> None:
    server = Server(handler, "127.0.0.1:0")
    with server:
        pass
    with pytest.raises(RuntimeError, match=ONCE):
        start(server)


@pytest.mark.parametrize("start", START)
def test_a_server_that_runs_does_not_start_twice_and_runs_on(start: Callable[[Server], object]) -> None:
    with Server(handler, "127.0.0.1:0") as server:
        with pytest.raises(RuntimeError, match=ONCE):
            start(server)
        assert urlopen(server.url).read() == b"here"


def test_a_server_that_could_not_open_has_ended() -> None:
    with Server(handler, "127.0.0.1:0") as other:
        server = Server(handler, other.url)
        with pytest.raises(ValueError, match="in use"):
            server.start()
        with pytest.raises(RuntimeError, match=ONCE):
            server.start()


def test_what_is_open_can_be_started() -> None:
    server = Server(handler, "127.0.0.1:0")
    server.open()
    url = server.url
    with server:
        assert urlopen(url).read() == b"here"


def test_the_url_is_known_when_it_is_open() -> None:
    server = Server(handler, "127.0.0.1:0")
    with pytest.raises(RuntimeError, match="not known before the server is open"):
        _ = server.url
    server.close()


def test_a_handler_can_be_called() -> None:
    with pytest.raises(TypeError, match="a handler is called with a Request and returns a Response; 'hello' is a str"):
        Server("hello")  # type: ignore[arg-type]  # that is the point


def none() -> None: ...
async def none_later() -> None: ...
def two(first: object, second: object) -> None: ...


class Careless:
    def __call__(self) -> None: ...
    def method(self) -> None: ...


class Bound:
    __call__ = Router().__call__


class Static:
    @staticmethod
    def __call__(request: Request) -> None: ...


@pytest.mark.parametrize(
    ("what", "name"),
    [
        (none, "none"),
        (none_later, "none_later"),
        (two, "two"),
        (Careless(), "Careless"),
        (Careless().method, r"Careless\.method"),
        (functools.partial(two, 1, 2), "partial"),
    ],
)
def test_a_handler_can_be_called_with_a_request(what: Any, name: str) -> None:
    message = rf"^a handler is called with a request, and nothing else; .*\b{name}\(.*\) -> None cannot be$"
    for make in (Server, TestClient, Router().get("/")):
        with pytest.raises(TypeError, match=message):
            make(what)


@pytest.mark.parametrize(
    "what",
    [
        functools.partial(two, 1),
        lambda *arguments: None,
        lambda request=None: None,
        functools.wraps(none)(lambda request: None),
        str.upper,
        functools.lru_cache(none),
        unittest.mock.Mock(spec=[]),
        operator.itemgetter(0),
        max,
        Bound(),
        Static(),
    ],
)
def test_what_might_be_called_with_a_request_is_a_handler(what: Any) -> None:
    Server(what).close()


def test_a_handler_may_stop_its_server() -> None:
    def stopper(request: Request) -> Response:
        server.stop()
        return Response(200, "my last words")

    server = Server(stopper, "127.0.0.1:0").start()
    assert urlopen(server.url).read() == b"my last words"
    server.stop()
    assert "reactor" not in [each.name for each in threading.enumerate()]


def test_how_many_connections() -> None:
    assert [connections(count) for count in range(3)] == ["0 connections", "1 connection", "2 connections"]


def test_an_ipv4_client_of_a_dual_stack_socket_is_shown_as_one() -> None:
    if not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    with Server(lambda request: Response(200, request.peer), "*:0") as server:
        port = server.url.rpartition(":")[2]
        assert urlopen(f"http://127.0.0.1:{port}").read().startswith(b"127.0.0.1:")
