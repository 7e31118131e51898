"""The reactor alone: the order of a turn, how long it sleeps, who can wake it, and what a mistake costs."""

import selectors
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from reactor.loop import READ, TICK, WRITE, Reactor, Waker


class Selector(selectors.DefaultSelector):
    """The real one, which remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[float | None] = []
        self.changes: list[str] = []

    def select(self, timeout: float | None = None) -> Any:
        self.timeouts.append(timeout)
        return super().select(0)  # never sleeps: a test that would wait sees the timeout instead

    def register(self, *arguments: Any) -> Any:
        self.changes.append("register")
        return super().register(*arguments)

    def modify(self, *arguments: Any) -> Any:
        self.changes.append("modify")
        return super().modify(*arguments)

    def unregister(self, *arguments: Any) -> Any:
        self.changes.append("unregister")
        return super().unregister(*arguments)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.readings = 0

    def __call__(self) -> float:
        self.readings += 1
        return self.now


class End:
    """One end of a socket pair, watched."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.heard: list[bytes] = []

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self) -> None:
        self.sock.close()

    def on_ready(self, ready: int) -> None:
        if ready & READ:
            self.heard.append(self.sock.recv(100))

    def raises(self, _ready: int) -> None:
        raise RuntimeError("as asked")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def selector() -> Selector:
    return Selector()


@pytest.fixture
def reactor(selector: Selector, clock: Clock) -> Iterator[Reactor]:
    reactor = Reactor(selector, clock)
    selector.changes.clear()  # its own waker's
    yield reactor
    reactor.close()


@pytest.fixture
def ends() -> Iterator[tuple[End, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield End(ours), theirs


def test_what_is_ready_is_called(reactor: Reactor, ends: tuple[End, socket.socket]) -> None:
    ours, theirs = ends
    reactor.watch(ours, READ, ours.on_ready)
    reactor.turn()
    assert ours.heard == []
    theirs.send(b"hello")
    reactor.turn()
    assert ours.heard == [b"hello"]
    reactor.watch(ours, 0, ours.on_ready, READ)
    theirs.send(b"more")
    reactor.turn()
    assert ours.heard == [b"hello"]


def test_what_it_was_watched_for_decides_how_the_selector_is_asked(
    reactor: Reactor, selector: Selector, ends: tuple[End, socket.socket]
) -> None:
    ours, _ = ends
    calls: list[int] = []
    reactor.watch(ours, READ, calls.append)
    reactor.watch(ours, READ | WRITE, calls.append, READ)
    reactor.turn()
    reactor.watch(ours, 0, calls.append, READ | WRITE)
    reactor.watch(ours, 0, calls.append)
    assert selector.changes == ["register", "modify", "unregister"]
    assert calls == [WRITE]


def test_a_turn_is_the_clock_the_tick_the_ready_and_the_put_off(
    reactor: Reactor, clock: Clock, ends: tuple[End, socket.socket]
) -> None:
    ours, theirs = ends
    order: list[str] = []
    reactor.on_tick = lambda: order.append(f"tick at {reactor.now}")
    reactor.keeps_time = True
    reactor.watch(ours, READ, lambda ready: order.append("ready"))
    reactor.call_soon(lambda: order.append("put off"))
    theirs.send(b"x")
    clock.now = 200.0
    reactor.turn()
    assert order == ["tick at 200.0", "ready", "put off"]


def test_what_is_put_off_by_what_was_put_off_waits_for_the_next_turn(reactor: Reactor, selector: Selector) -> None:
    """A callback that puts itself off for ever must not keep the others waiting."""
    turns: list[int] = []

    def again() -> None:
        turns.append(1)
        reactor.call_soon(again)

    reactor.call_soon(again)
    for _ in range(3):
        reactor.turn()
    assert len(turns) == 3
    assert selector.timeouts == [0, 0, 0], "there is something to do: no sleep"


def test_put_off_by_a_callback_runs_in_the_same_turn(reactor: Reactor, ends: tuple[End, socket.socket]) -> None:
    ours, theirs = ends
    done: list[int] = []
    reactor.watch(ours, READ, lambda ready: reactor.call_soon(lambda: done.append(1)))
    theirs.send(b"x")
    reactor.turn()
    assert done == [1]


def test_with_nothing_to_keep_time_for_it_sleeps_without_end(reactor: Reactor, selector: Selector) -> None:
    for _ in range(3):
        reactor.turn()
    assert selector.timeouts == [None, None, None]


def test_with_deadlines_it_wakes_for_the_tick(reactor: Reactor, selector: Selector, clock: Clock) -> None:
    ticks: list[float] = []
    reactor.on_tick = lambda: ticks.append(reactor.now)
    reactor.keeps_time = True
    reactor.turn()
    assert ticks == [100.0]
    clock.now += 0.25
    reactor.turn()
    assert selector.timeouts[-1] == TICK - 0.25
    assert ticks == [100.0]
    clock.now += 0.75
    reactor.turn()
    assert selector.timeouts[-1] == 0
    assert ticks == [100.0, 101.0]
    clock.now += 10
    reactor.turn()
    assert selector.timeouts[-1] == 0, "late: at once, and not below zero"
    assert ticks == [100.0, 101.0, 111.0]


def test_the_first_turn_after_a_long_sleep_ticks(reactor: Reactor, clock: Clock) -> None:
    """Whatever is done once a second, the date for one, is done before anyone is answered."""
    ticks: list[float] = []
    reactor.on_tick = lambda: ticks.append(reactor.now)
    reactor.turn()
    clock.now += 3600
    reactor.turn()
    assert ticks == [100.0, 3700.0]


def test_the_clock_is_read_once_a_turn_and_once_for_a_tick_to_come(reactor: Reactor, clock: Clock) -> None:
    before = clock.readings
    reactor.turn()
    assert clock.readings == before + 1
    reactor.keeps_time = True
    reactor.turn()
    assert clock.readings == before + 3


def test_a_callback_that_raises_costs_its_own_handle(
    reactor: Reactor, ends: tuple[End, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = ends
    other, its_peer = socket.socketpair()
    with closing(other), closing(its_peer):
        well = End(other)
        reactor.watch(ours, READ, ours.raises)
        reactor.watch(well, READ, well.on_ready)
        theirs.send(b"x")
        its_peer.send(b"y")
        reactor.turn()
        reactor.turn()
        assert ours.sock.fileno() == -1
        assert well.heard == [b"y"]
        assert len(caplog.records) == 1
        assert "internal error in End.raises" in caplog.text
        assert "RuntimeError: as asked" in caplog.text
        reactor.watch(well, 0, well.on_ready, READ)


def test_a_callback_without_a_handle_that_raises_is_dropped(
    reactor: Reactor, ends: tuple[End, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = ends

    def raises(_ready: int) -> None:
        raise RuntimeError("as asked")

    reactor.watch(ours, READ, raises)
    theirs.send(b"x")
    reactor.turn()
    reactor.turn()
    assert len(caplog.records) == 1


def test_a_handle_whose_close_raises_is_dropped_too(
    reactor: Reactor, ends: tuple[End, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = ends

    class Stubborn(End):
        def close(self) -> None:
            raise RuntimeError("and again")

    stubborn = Stubborn(ours.sock)
    reactor.watch(stubborn, READ, stubborn.raises)
    theirs.send(b"x")
    reactor.turn()
    reactor.turn()
    assert [record.getMessage() for record in caplog.records] == [
        "internal error in End.raises",
        "internal error in closing what End.raises is bound to",
    ]


def test_what_was_put_off_and_raises_is_logged(reactor: Reactor, caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def raises() -> None:
        raise RuntimeError("as asked")

    reactor.call_soon(raises)
    reactor.call_soon(lambda: done.append(1))
    reactor.turn()
    assert done == [1]
    assert "as asked" in caplog.text


# From outside.


def running(reactor: Reactor) -> threading.Thread:
    thread = threading.Thread(target=reactor.run, daemon=True)
    thread.start()
    return thread


def test_a_thread_wakes_a_reactor_that_sleeps() -> None:
    """With the real selector, which has no timeout here: without the wake-up this would hang."""
    reactor = Reactor()
    thread = running(reactor)
    seen = threading.Event()
    for _ in range(100):
        seen.clear()
        reactor.call_from_outside(seen.set)
        assert seen.wait(10)
    reactor.call_from_outside(reactor.stop)
    thread.join(10)
    assert not thread.is_alive()
    reactor.close()


def test_every_call_of_many_threads_arrives_in_their_order() -> None:
    reactor = Reactor()
    thread = running(reactor)
    arrived: list[tuple[int, int]] = []

    def work(worker: int) -> None:
        for number in range(500):
            reactor.call_from_outside(lambda number=number: arrived.append((worker, number)))  # type: ignore[misc]  # bound now

    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    reactor.call_from_outside(reactor.stop)
    thread.join(10)
    for worker in range(4):
        assert [number for who, number in arrived if who == worker] == list(range(500))
    reactor.close()


def test_what_is_put_off_while_the_waker_is_read_wakes_the_next_time_too() -> None:
    """One byte stands for all that was put off before it was read, and for nothing behind it."""
    reactor = Reactor()
    reader: Any = reactor._waker._reader
    arrived = threading.Event()

    class Read:
        """The waker's end, at which somebody is quicker."""

        fileno = reader.fileno
        close = reader.close

        def recv(self, size: int) -> bytes:
            data: bytes = reader.recv(size)
            outside(lambda: None)
            return data

    def outside(call: Callable[[], None]) -> None:
        thread = threading.Thread(target=reactor.call_from_outside, args=(call,))
        thread.start()
        thread.join()

    reactor._waker._reader = Read()  # type: ignore[assignment]  # all that is asked of it
    thread = running(reactor)
    outside(lambda: None)
    outside(arrived.set)
    assert arrived.wait(10)
    reactor.call_from_outside(reactor.stop)
    thread.join(10)
    assert not thread.is_alive()
    reactor.close()


def test_on_its_own_thread_the_outside_call_needs_no_waking(monkeypatch: pytest.MonkeyPatch) -> None:
    reactor = Reactor()
    woken: list[int] = []
    monkeypatch.setattr(Waker, "wake", lambda self: woken.append(1))
    reactor.call_soon(lambda: reactor.call_from_outside(reactor.stop))
    reactor.run()
    assert woken == []
    reactor.close()


def test_stop_before_the_first_sleep_is_heard() -> None:
    """What was asked for before `run` is done by it."""
    reactor = Reactor()
    reactor.call_soon(reactor.stop)
    reactor.run()
    reactor.close()


def test_a_signal_ends_the_sleep() -> None:
    reactor = Reactor()
    heard: list[int] = []
    former = signal.signal(signal.SIGUSR1, lambda number, _frame: heard.append(number))
    former_fd = signal.set_wakeup_fd(reactor.signal_fd, warn_on_full_buffer=False)
    try:
        signal.raise_signal(signal.SIGUSR1)
        reactor.turn()  # without the byte that the signal wrote, this would never return
    finally:
        signal.set_wakeup_fd(former_fd)
        signal.signal(signal.SIGUSR1, former)
    assert heard == [signal.SIGUSR1]
    reactor.close()


def test_a_waker_that_is_full_or_closed_wakes_without_a_word() -> None:
    waker = Waker()
    for _ in range(10_000):
        waker.wake()
    with selectors.DefaultSelector() as selector:
        selector.register(waker, READ)
        assert selector.select(0)
        waker.on_readable(READ)
        assert not selector.select(0), "one call empties it"
        waker.on_readable(READ)
    waker.close()
    waker.wake()


@pytest.mark.parametrize("kind", [selectors.SelectSelector, selectors.PollSelector])
def test_any_selector_will_do(kind: Callable[[], selectors.BaseSelector]) -> None:
    reactor = Reactor(kind())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        end = End(ours)
        reactor.watch(end, READ | WRITE, end.on_ready)
        theirs.send(b"hello")
        reactor.turn()
        assert end.heard == [b"hello"]
        reactor.watch(end, 0, end.on_ready, READ | WRITE)
    reactor.close()


def test_a_tick_that_raises_is_logged_and_comes_again(reactor: Reactor, caplog: pytest.LogCaptureFixture) -> None:
    class Owner:
        """Has a close, and is no handle: it is not closed for a tick that failed."""

        closed = False

        def tick(self) -> None:
            raise RuntimeError("as asked")

        def close(self) -> None:
            self.closed = True

    owner = Owner()
    reactor.on_tick = owner.tick
    reactor.call_soon(owner.tick)
    reactor.turn()
    assert len(caplog.records) == 2
    assert not owner.closed
