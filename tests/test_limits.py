"""Every limit on requests and answers, seen to fire; those on connections are in `test_accepting.py`."""

from typing import Any

import pytest

from reactor.connection import Connection
from reactor.http1.request import Origin
from reactor.http1.response import Response
from reactor.settings import MIB

from .simulated import HELLO, ScriptedTransport, World, chunked, get, head, post


@pytest.mark.parametrize(
    ("setting", "size", "request_of", "status"),
    [
        ("limit_request_line", 200, lambda size: b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * (size - 16)), 414),
        ("limit_head_size", 300, lambda size: get("/", f"X: {'x' * (size - 35)}"), 431),
        ("limit_headers", 7, lambda size: get("/", *["X: y"] * (size - 1)), 431),
    ],
)
def test_a_head_beyond_a_limit(setting: str, size: int, request_of: Any, status: int) -> None:
    for over, expected in [(0, 200), (1, status)]:
        limits: dict[str, Any] = {setting: size}
        world = World(**limits)
        world.arrive(request_of(size + over))
        assert world.statuses == [expected], f"at {over} above the limit"
        assert world.state == ("IDLE" if expected == 200 else "LINGER")
    off: dict[str, Any] = {setting: 0}
    world = World(**off)
    world.arrive(request_of(size + 5000))
    assert world.statuses == [200]


def test_a_head_that_does_not_end_is_refused_at_the_limit_not_at_its_end() -> None:
    world = World(limit_head_size=1000)
    world.arrive(HELLO[:-2] + b"X: ", *[b"x" * 100] * 20)
    assert world.statuses == [431]


def test_a_request_line_that_does_not_end_is_refused_at_the_limit() -> None:
    world = World(limit_request_line=1000)
    world.arrive(b"GET /", *[b"x" * 100] * 20)
    assert world.statuses == [414]


@pytest.mark.parametrize("make", [post, chunked])
def test_a_body_beyond_the_limit(make: Any) -> None:
    for size, statuses in [(1000, [200]), (1001, [413])]:
        world = World(limit_body_size=1000)
        world.arrive(make("/echo", b"x" * size))
        assert world.statuses == statuses
        assert len(world.handler.bodies) == (statuses == [200])
    world = World(limit_body_size=0)
    world.arrive(make("/echo", b"x" * 20 * MIB))
    assert world.statuses == [200]


def test_a_body_of_many_chunks_beyond_the_limit() -> None:
    world = World(limit_body_size=1000)
    world.arrive(head("POST /echo", "Transfer-Encoding: chunked"), *[b"64\r\n" + b"x" * 100 + b"\r\n"] * 11)
    assert world.statuses == [413]


def test_a_length_beyond_the_limit_is_refused_before_the_body_comes_and_without_a_100() -> None:
    world = World(limit_body_size=1000)
    world.arrive(head("POST /echo", "Content-Length: 1001", "Expect: 100-continue"))
    assert world.statuses == [413]


def test_a_body_sink_has_a_limit_of_its_own() -> None:
    world = World(limit_body_size=10)
    world.arrive(post("/sink", b"x" * 1000))
    assert world.statuses == [200]
    world = World(limit_body_size=0)
    world.arrive(head("POST /sink", "Content-Length: 1000001"))
    assert world.statuses == [413]
    assert world.handler.events == ["sink open", "sink aborted"]


@pytest.mark.parametrize("make", [post, chunked])
def test_an_unwanted_body_is_read_up_to_a_limit(make: Any) -> None:
    world = World(limit_discard=1000)
    world.arrive(make("/early", b"x" * 1000) + HELLO)
    assert world.statuses == [401, 200]
    world = World(limit_discard=1000)
    world.arrive(make("/early", b"x" * 1001) + HELLO)
    assert world.statuses == [401]
    assert world.state == "LINGER"
    world = World(limit_discard=0)
    world.arrive(make("/early", b"x" * MIB) + HELLO)
    assert world.statuses == [401, 200]


def test_the_client_hears_that_its_unwanted_body_will_not_be_read() -> None:
    world = World(limit_discard=1000)
    world.arrive(post("/early", b"x" * 1001)[:-900])
    assert b"\r\nConnection: close\r\n" in world.sent
    world = World(limit_discard=1000)
    world.arrive(post("/early", b"x" * 999)[:-900])
    assert b"\r\nConnection: close\r\n" not in world.sent


def test_requests_per_connection() -> None:
    world = World(limit_requests_per_connection=2)
    world.arrive(HELLO * 3)
    assert world.statuses == [200, 200]
    assert world.sent.count(b"\r\nConnection: close\r\n") == 1
    assert world.state == "LINGER"


def test_concurrency() -> None:
    """503 and Retry-After while as many answers as allowed are being worked on; and the connection goes on."""
    world = World(limit_concurrency=2)
    others = []
    for _ in range(2):
        others.append(ScriptedTransport(world.reactor))
        Connection(world.service, others[-1], Origin()).begin()
        others[-1].feed(get("/later"))
    world.run()
    assert world.service.working == 2
    world.arrive(HELLO, post("/echo", b"x"))
    assert world.statuses == [503, 503]
    assert world.sent.count(b"\r\nRetry-After: 1\r\n") == 2
    world.handler.laters[0].answer(Response(200))
    world.run()
    world.arrive(HELLO)
    assert world.statuses == [503, 503, 200]
    others[1].end()
    others[1].fail(ConnectionResetError())
    world.at(1)
    assert world.service.working == 0
