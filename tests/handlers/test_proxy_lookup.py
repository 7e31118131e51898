"""Upstreams that move: their names are looked up again, while others ask, and while nobody does they are not."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from handlers.proxy import lookup
from handlers.proxy.lookup import AGAIN, Lookup
from reactor import Place, Upstream, parse_upstream
from tests.wire import connect, read_response

from .test_proxy_faults import nobody, wait_until
from .upstreams import GET, HELLO, OVER, Peer, Scripted, always, ask, port_of, proxy_to

NAME = "http://moves.test:9000"


class Resolver:
    """Knows one name more than the system's. Attributes: `places` (where that is: hosts and ports; none: it fails),
    `asked` (how often it was), `may_answer` (an Event)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.places: list[tuple[str, int]] = []
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._others = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._find)

    def _find(self, host: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "moves.test":
            return self._others(host, *args, **kwargs)
        self.asked += 1
        assert self.may_answer.wait(5)
        if not self.places:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in self.places]

    def move(self, *urls: str) -> None:
        self.places = [("127.0.0.1", int(url.rpartition(":")[2])) for url in urls]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    return Resolver(monkeypatch)


@pytest.fixture
def two() -> Iterator[tuple[Scripted, Scripted]]:
    with ExitStack() as stack:
        one = stack.enter_context(Scripted(always(HELLO)))
        yield one, stack.enter_context(Scripted(always(OVER)))


def test_an_upstream_that_moves_is_found_again(
    resolver: Resolver, two: tuple[Scripted, Scripted], caplog: pytest.LogCaptureFixture
) -> None:
    one, other = two
    resolver.move(one.url)
    caplog.set_level("INFO")
    with proxy_to(NAME, lookup=0.001) as server:
        assert ask(server).body == b"hello"
        resolver.move(other.url)
        resolver.may_answer.clear()
        assert ask(server).body == b"hello"
        resolver.may_answer.set()
        wait_until(lambda: not server.service.outward)  # what led to the former place is closed
        assert ask(server).body == b"over"
    assert caplog.text.count(f"upstream {NAME} is at {other.url[7:]} now") == 1


def test_connections_to_where_it_still_is_are_kept(resolver: Resolver, two: tuple[Scripted, Scripted]) -> None:
    one, other = two
    resolver.move(one.url, other.url)
    with proxy_to(NAME, lookup=0.001) as server:
        assert ask(server).body == b"hello"
        resolver.move(one.url)
        wait_until(lambda: ask(server).body == b"hello" and resolver.asked > 4)
    assert (one.accepted, other.accepted) == (1, 0)


def test_a_name_is_not_looked_up_before_its_time(resolver: Resolver, two: tuple[Scripted, Scripted]) -> None:
    resolver.move(two[0].url)
    for period in (60, 0):
        before = resolver.asked
        with proxy_to(NAME, lookup=period) as server:
            for _ in range(20):
                assert ask(server).body == b"hello"
        assert resolver.asked == before + 1


def test_nobody_waits_for_a_look_up(resolver: Resolver, two: tuple[Scripted, Scripted]) -> None:
    resolver.move(two[0].url)
    with proxy_to(NAME, lookup=0.001) as server:
        resolver.may_answer.clear()
        for _ in range(20):
            assert ask(server).body == b"hello"
        assert resolver.asked <= 2  # the start's, and one that is still on its way
        resolver.may_answer.set()


def test_a_server_stops_while_a_look_up_is_on_its_way(resolver: Resolver, two: tuple[Scripted, Scripted]) -> None:
    resolver.move(two[0].url)
    with proxy_to(NAME, lookup=0.001) as server:
        resolver.may_answer.clear()
        wait_until(lambda: ask(server).body == b"hello" and resolver.asked == 2)
    resolver.may_answer.set()
    wait_until(lambda: not any(each.name.startswith("look-up") for each in threading.enumerate()))


def test_a_look_up_that_fails_changes_nothing_and_is_told_once(
    resolver: Resolver, two: tuple[Scripted, Scripted], caplog: pytest.LogCaptureFixture
) -> None:
    resolver.move(two[0].url)
    caplog.set_level("INFO")
    with proxy_to(NAME, lookup=0.001) as server:
        resolver.places = []
        wait_until(lambda: ask(server).body == b"hello" and resolver.asked > 3)
        resolver.move(two[1].url)
        wait_until(lambda: ask(server).body == b"over")
    line = f"upstream {NAME}: cannot resolve the name: Name or service not known; it is asked where it was before"
    assert caplog.text.count(line) == 1
    assert caplog.text.count("its name is found again") == 1


def test_where_nothing_can_be_connected_to_its_name_is_looked_up(
    resolver: Resolver, two: tuple[Scripted, Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "AGAIN", 0.0)
    with nobody() as url:
        resolver.move(url)
        with proxy_to(NAME, lookup=3600) as server:
            resolver.move(two[0].url)
            assert ask(server).status == 502
            wait_until(lambda: ask(server).status == 200)
            assert ask(server).body == b"hello"
            assert resolver.asked == 2


def test_an_upstream_that_was_passed_over_has_its_turn_when_it_has_moved(
    resolver: Resolver, two: tuple[Scripted, Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "AGAIN", 0.0)
    with nobody() as url:
        resolver.move(url)
        with proxy_to(f"{two[0].url};{NAME}", lookup=3600) as server:
            resolver.move(two[1].url)
            wait_until(lambda: ask(server).body == b"over")  # it would be 10 s


def test_an_address_that_failed_stays_behind_those_that_did_not(
    resolver: Resolver, two: tuple[Scripted, Scripted], caplog: pytest.LogCaptureFixture
) -> None:
    with nobody() as url, Scripted(always(HELLO, then_close=True)) as third:
        resolver.move(url, third.url)
        with proxy_to(NAME, lookup=0.001) as server:
            assert ask(server).body == b"hello"
            for _ in range(5):
                resolver.move(url, third.url)
                assert ask(server).body == b"hello"
                resolver.move(third.url, url)
                assert ask(server).body == b"hello"
    assert caplog.text.count("cannot connect") == 1


def test_a_connection_to_where_it_is_no_more_does_not_come_back(resolver: Resolver) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        if number == 0:
            asked.set()
            assert may_answer.wait(5)
        peer.send(HELLO)
        assert peer.wait_for_end() == b""

    with Scripted(play) as one, Scripted(always(OVER)) as other:
        resolver.move(one.url)
        with proxy_to(NAME, lookup=0.001) as server, connect(port_of(server)) as client:
            client.sendall(GET)
            assert asked.wait(5)
            resolver.move(other.url)
            wait_until(lambda: ask(server).body == b"over")
            may_answer.set()
            assert read_response(client).body == b"hello"
            wait_until(lambda: len(server.service.outward) == 1)
            assert ask(server).body == b"over"


def test_an_address_that_is_tried_while_its_upstream_moves_is_no_failure_of_the_new_one(resolver: Resolver) -> None:
    """A queue that is full: the kernel answers nobody, until the time is over."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        other = stack.enter_context(Scripted(always(HELLO)))
        for _ in range(8):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        resolver.places = [full.getsockname()]
        with proxy_to(NAME, lookup=0.001, timeout_connect=0.2) as server, connect(port_of(server)) as client:
            client.sendall(GET)
            resolver.move(other.url)
            with connect(port_of(server)) as another:
                another.sendall(GET)
                wait_until(lambda: resolver.asked > 1)
                assert read_response(client).status == 504
            wait_until(lambda: ask(server).status == 200)


# By itself.


class Turns(SimpleNamespace):
    """A reactor, as far as it is used: what threads have put off is done by `turn`."""

    now: float = 100.0

    def __init__(self) -> None:
        super().__init__()
        self._soon: list[Callable[[], None]] = []
        self._has_come = threading.Semaphore(0)

    def call_from_outside(self, callback: Callable[[], None]) -> None:
        self._soon.append(callback)
        self._has_come.release()

    def turn(self) -> None:
        assert self._has_come.acquire(timeout=5)
        self._soon.pop(0)()


@pytest.fixture
def found() -> list[tuple[Place, ...]]:
    return []


def looking(turns: Turns, found: list[tuple[Place, ...]], period: float = 60.0, text: str = NAME) -> Lookup:
    return Lookup(turns, parse_upstream(text), period, found.append)


def test_it_is_due_when_its_period_is_over(resolver: Resolver, found: list[tuple[Place, ...]]) -> None:
    turns = Turns()
    resolver.places = [("192.0.2.1", 80)]
    name = looking(turns, found)
    assert name.due == 160
    turns.now = 161
    name.ask()
    assert name.due == float("inf")  # while somebody asks
    turns.now = 163
    turns.turn()
    assert name.due == 223
    assert found == [(Place(socket.AF_INET, ("192.0.2.1", 80)),)]


@pytest.mark.parametrize("text", ["http://127.0.0.1:80", "http://[::1]", "unix:/x", "unix:@x"])
def test_an_address_is_not_looked_up(text: str, found: list[tuple[Place, ...]]) -> None:
    name = looking(Turns(), found, text=text)
    name.doubt()
    assert name.due == float("inf")


def test_a_doubt_does_not_ask_again_and_again(resolver: Resolver, found: list[tuple[Place, ...]]) -> None:
    turns = Turns()
    resolver.places = [("192.0.2.1", 80)]
    name = looking(turns, found)
    for _ in range(10):
        name.doubt()
    assert (resolver.asked, name.due) == (0, 100 + AGAIN)
    turns.now += AGAIN
    for _ in range(10):
        name.doubt()
    turns.turn()
    assert resolver.asked == 1
    name.doubt()
    assert (resolver.asked, name.due) == (1, turns.now + AGAIN)


def test_what_is_found_too_late_is_not_heard(resolver: Resolver, found: list[tuple[Place, ...]]) -> None:
    turns = Turns()
    resolver.places = [("192.0.2.1", 80)]
    name = looking(turns, found)
    name.ask()
    name.close()
    turns.turn()
    assert not found


def test_a_system_without_threads_changes_nothing(
    found: list[tuple[Place, ...]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: object) -> None:
        raise RuntimeError("can't start new thread")

    name = looking(Turns(), found)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    name.ask()
    assert (name.due, found) == (160, [])
    assert f"upstream {NAME}: can't start new thread; it is asked where it was before" in caplog.text


def test_whatever_a_look_up_raises_is_a_failure(
    found: list[tuple[Place, ...]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(upstream: Upstream) -> None:
        raise MemoryError

    turns = Turns()
    name = looking(turns, found)
    monkeypatch.setattr(lookup, "resolve", fail)
    name.ask()
    turns.turn()
    assert (name.due, found) == (160, [])
    assert f"upstream {NAME}: MemoryError(); it is asked" in caplog.text
