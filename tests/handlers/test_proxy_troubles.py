"""What the log is told of an upstream that fails: at once, then now and then, and that it is over."""

import socket
from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from handlers.proxy.troubles import SILENCE, TOLD_APART, Troubles

from .upstreams import HELLO, Scripted, always, ask, proxy_to

REFUSED = "cannot connect: connection refused"


class Clock(SimpleNamespace):
    """A reactor, as far as it is looked at."""

    now: float = 100.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def troubles(clock: Clock) -> Troubles:
    return Troubles(clock, "http://a:9000")


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged since this was asked last."""

    def take() -> list[str]:
        lines = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return lines

    return take


def test_a_trouble_is_told_once_and_then_by_its_number(
    troubles: Troubles, clock: Clock, said: Callable[[], list[str]]
) -> None:
    troubles.tell("192.0.2.1:9000", "GET /x", REFUSED)
    assert said() == [f"upstream http://a:9000 (192.0.2.1:9000): {REFUSED}, at GET /x"]
    for _ in range(37):
        troubles.tell("192.0.2.1:9000", "GET /y", REFUSED)
    assert said() == []
    clock.now += SILENCE
    troubles.tell("192.0.2.1:9000", "GET /z", REFUSED)
    assert said() == [f"upstream http://a:9000 (192.0.2.1:9000): {REFUSED}, at GET /z; 37 more before"]


def test_another_trouble_is_another(troubles: Troubles, said: Callable[[], list[str]]) -> None:
    troubles.tell("192.0.2.1:9000", "GET /", REFUSED)
    troubles.tell("192.0.2.2:9000", "GET /", REFUSED)
    troubles.tell("192.0.2.1:9000", "GET /", "its answer took too long")
    assert len(said()) == 3


def test_an_address_is_not_said_twice(troubles: Troubles, said: Callable[[], list[str]]) -> None:
    troubles.tell("a:9000", "GET /", "no")
    troubles.tell("", "GET /", "yes")
    assert said() == ["upstream http://a:9000: no, at GET /", "upstream http://a:9000: yes, at GET /"]


def test_very_many_troubles_are_not_told_apart(troubles: Troubles, clock: Clock, said: Callable[[], list[str]]) -> None:
    for _ in range(2):
        for number in range(1000):
            troubles.tell("a:9000", "GET /", f"as {number} times before")
        assert len(said()) == TOLD_APART + 1
        clock.now += SILENCE
    troubles.tell("a:9000", "GET /", "once more")
    assert said() == ["upstream http://a:9000: once more, at GET /; 983 more before"]


def test_it_is_told_that_it_is_over(troubles: Troubles, clock: Clock, said: Callable[[], list[str]]) -> None:
    for _ in range(5):
        troubles.tell("a:9000", "GET /", REFUSED)
        troubles.be_away()
        clock.now += 1
    troubles.be_back()
    troubles.be_back()
    assert said()[1:] == ["upstream http://a:9000 is there again, after 5 s; 4 more failures before"]
    clock.now += SILENCE
    troubles.tell("a:9000", "GET /", REFUSED)
    troubles.be_away()
    troubles.be_back()
    assert said() == [
        f"upstream http://a:9000: {REFUSED}, at GET /",
        "upstream http://a:9000 is there again, after 0 s",
    ]


def test_what_comes_and_goes_is_told_now_and_then(
    troubles: Troubles, clock: Clock, said: Callable[[], list[str]]
) -> None:
    for _ in range(1000):
        troubles.tell("a:9000", "GET /", REFUSED)
        troubles.be_away()
        troubles.be_back()
    assert len(said()) == 2
    clock.now += SILENCE
    troubles.tell("a:9000", "GET /", REFUSED)
    assert said() == [f"upstream http://a:9000: {REFUSED}, at GET /; 999 more before"]


def test_an_upstream_that_was_never_away_is_not_told_to_be_back(
    troubles: Troubles, said: Callable[[], list[str]]
) -> None:
    troubles.tell("a:9000", "GET /", "its answer took too long")
    troubles.be_back()
    assert len(said()) == 1


def test_an_upstream_goes_and_comes(caplog: pytest.LogCaptureFixture) -> None:
    with ExitStack() as stack:
        sock = stack.enter_context(socket.socket())
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        upstream = Scripted(always(HELLO), sock)
        stack.callback(upstream.close)
        with proxy_to(f"http://localhost:{port}") as server:
            assert [ask(server).status for _ in range(3)] == [502] * 3
            assert caplog.text.count(f"upstream http://localhost:{port} (127.0.0.1:{port}): {REFUSED}, at GET /") == 1
            sock.listen()
            upstream.open()
            assert [ask(server).status for _ in range(3)] == [200] * 3
            assert upstream.accepted == 1
            assert caplog.text.count("is there again") == 1
    assert "more failures before" in caplog.text


def test_an_upstream_that_keeps_no_connection_counts_as_there(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with proxy_to(f"http://127.0.0.1:{sock.getsockname()[1]}") as server:
            assert ask(server).status == 502
            sock.listen()
            with Scripted(always(HELLO, then_close=True), sock):
                assert ask(server).status == 200
    assert caplog.text.count("is there again") == 1


def test_answers_that_do_not_come_are_told_once_each(caplog: pytest.LogCaptureFixture) -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    with Scripted(always(long, then_close=True)) as upstream, proxy_to(upstream.url) as server:
        for _ in range(3):
            with pytest.raises((ConnectionResetError, EOFError)):
                ask(server)
    assert caplog.text.count("it closed the connection in the middle of its answer, at GET /") == 1
