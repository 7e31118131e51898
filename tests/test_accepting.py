"""Accepting, over real sockets: the limits of connections, the backlog, running out of descriptors, and the stop."""

import errno
import json
import os
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from reactor.connection import Connection
from reactor.http1.response import Response
from reactor.loop import Reactor
from reactor.server import Server
from reactor.settings import Settings

from .simulated import HELLO, get
from .wire import connect, read_all, read_response, reset
from .zoo import Zoo


class Clock:
    """The server's time; a test sets it ahead."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def tick(self, server: Server) -> None:
        """Let a second go by, and wait until that is dealt with."""
        self.now += 1.0
        settle(server)


LATER = get("/later")  # never answered here


def settle(server: Server) -> None:
    """Wait until what has reached the server is dealt with: two turns of its reactor."""
    for _ in range(2):
        is_done = threading.Event()
        server.reactor.call_from_outside(is_done.set)
        assert is_done.wait(10)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("reactor.server.Reactor", lambda: Reactor(clock=clock))
    return clock


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as clients:
        yield clients


def serve(**settings: Any) -> Server:
    return Server(Zoo(), "127.0.0.1:0", Settings(**settings))


def port_of(server: Server) -> int:
    port: int = server.endpoints[0].sock.getsockname()[1]
    return port


def is_silent(sock: socket.socket) -> bool:
    return not select.select([sock], [], [], 0)[0]


def test_connections(clients: ExitStack) -> None:
    """At the limit accepting pauses and the kernel queues; a place that becomes free goes to who waited."""
    with serve(limit_connections=2) as server:
        first, second, third, fourth = (clients.enter_context(connect(port_of(server))) for _ in range(4))
        for sock in (first, second, third, fourth):
            sock.sendall(LATER)
        settle(server)
        assert len(server.service.connections) == 2
        third.sendall(HELLO)
        fourth.sendall(HELLO)
        assert is_silent(third)
        reset(first)
        settle(server)
        assert len(server.service.connections) == 2
        assert is_silent(fourth)
        for sock in (second, third, fourth):
            reset(sock)


def test_at_the_limit_who_has_been_idle_for_longest_makes_room(clients: ExitStack) -> None:
    with serve(limit_connections=2) as server:
        first, second = (clients.enter_context(connect(port_of(server))) for _ in range(2))
        for sock in (first, second, first):  # the second is idle for longer now
            sock.sendall(HELLO)
            assert read_response(sock).status == 200
        third = clients.enter_context(connect(port_of(server)))
        third.sendall(HELLO)
        assert read_response(third).status == 200
        assert second.recv(1) == b""
        first.sendall(HELLO)
        assert read_response(first).status == 200
        assert len(server.service.connections) == 2


def test_who_has_asked_for_nothing_yet_makes_no_room(clients: ExitStack) -> None:
    with serve(limit_connections=1) as server:
        first, second = (clients.enter_context(connect(port_of(server))) for _ in range(2))
        second.sendall(HELLO)
        settle(server)
        assert is_silent(second)
        first.sendall(HELLO)
        assert read_response(first).status == 200
        assert read_response(second).status == 200  # with the next tick at the latest


def test_at_the_limit_the_listener_is_not_watched(clients: ExitStack) -> None:
    with serve(limit_connections=1) as server:
        first, second = (clients.enter_context(connect(port_of(server))) for _ in range(2))
        first.sendall(LATER)
        settle(server)
        watched = [key.fileobj for key in server.reactor._selector.get_map().values()]
        assert server._listeners[0] not in watched
        assert is_silent(second)
        reset(first)
        second.sendall(HELLO)
        assert read_response(second).status == 200
        second.close()


def test_without_a_limit_as_many_as_come(clients: ExitStack) -> None:
    with serve(limit_connections=0) as server:
        all_of_them = [clients.enter_context(connect(port_of(server))) for _ in range(100)]
        for sock in all_of_them:
            sock.sendall(HELLO)
        assert [read_response(sock).status for sock in all_of_them] == [200] * 100


def test_connections_follow_the_descriptors_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    for soft, limit in [(1024, 922), (100, 84), (10, 1), (-1, 0)]:
        monkeypatch.setattr("resource.getrlimit", lambda which, soft=soft: (soft, soft))
        assert Settings().connection_limit() == limit
    assert Settings(limit_connections=0).connection_limit() == 0


def test_per_client(clients: ExitStack) -> None:
    with serve(limit_per_client=2) as server:
        first, second = (clients.enter_context(connect(port_of(server))) for _ in range(2))
        for sock in (first, second):
            sock.sendall(HELLO)
            assert read_response(sock).status == 200
        third = clients.enter_context(connect(port_of(server)))
        answer = read_response(third)
        assert (answer.status, answer.field("Connection")) == (503, "close")
        assert read_all(third) == b""
        other = clients.enter_context(socket.create_connection(("127.0.0.1", port_of(server)), 5, ("127.0.0.2", 0)))
        other.sendall(HELLO)
        assert read_response(other).status == 200, "from another address"
        assert sorted(server.service.clients.values()) == [1, 2]
        first.close()
        second.close()
        other.close()
        settle(server)
        assert server.service.clients == {}


def test_a_selector_that_takes_no_more_is_like_having_no_descriptors(
    clock: Clock, clients: ExitStack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """epoll has a limit of its own (fs.epoll.max_user_watches): ENOSPC."""
    server = serve(limit_per_client=1)
    server.open()
    register, full = server.reactor.watch, [True]

    def watch(handle: Any, events: int, callback: Any, before: int = 0) -> None:
        if isinstance(handle, Connection) and full:
            raise OSError(errno.ENOSPC, "No space left on device")
        register(handle, events, callback, before)

    monkeypatch.setattr(server.reactor, "watch", watch)
    with started(server):
        settle(server)
        first = clients.enter_context(connect(port_of(server)))
        assert first.recv(1) == b"", "nothing can be done for this one"
        settle(server)
        assert "cannot accept" in caplog.text
        full.clear()
        clock.tick(server)
        second = clients.enter_context(connect(port_of(server)))
        second.sendall(HELLO)
        assert read_response(second).status == 200, "the first does not count as this client's"
        second.close()


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO of a listening socket is Linux's")
def test_backlog() -> None:
    """The kernel is asked what it was told: tcpi_sacked of a listening socket is its backlog (tcp_diag.c)."""
    server = serve(backlog=7)
    server.open()
    info = server.endpoints[0].sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    assert struct.unpack_from("I", info, 28)[0] == 7
    server.close()


def test_a_negative_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="limit_headers is 0 or more, not -1"):
        Settings(limit_headers=-1)
    with pytest.raises(ValueError, match="limit_connections is -1 or more, not -2"):
        Settings(limit_connections=-2)


# Running out of descriptors.


class Accepting:
    """A listening socket whose `accept` fails as told, before it works. Attribute `calls`: of accept."""

    def __init__(self, sock: socket.socket, *errors: int) -> None:
        self._sock = sock
        self._errors = list(errors)
        self.calls = 0

    def accept(self) -> tuple[socket.socket, Any]:
        self.calls += 1
        if self._errors:
            number = self._errors.pop(0)
            raise OSError(number, os.strerror(number))
        return self._sock.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def fail_accepting(server: Server, *errors: int) -> Accepting:
    server.open()
    scripted: Any = Accepting(server.endpoints[0].sock, *errors)
    server.endpoints[0].sock = scripted
    taken: Accepting = scripted
    return taken


@contextmanager
def started(server: Server) -> Iterator[None]:
    """A server that was opened before runs in a thread."""
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join(10)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_without_descriptors_or_memory_accepting_pauses_until_the_tick(
    number: int, clock: Clock, clients: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    accepting = fail_accepting(server, number, number, number)
    with started(server):
        settle(server)  # the first turn ticks
        client = clients.enter_context(connect(port_of(server)))
        client.sendall(HELLO)
        settle(server)
        for tried in (1, 2, 3):
            assert accepting.calls == tried, "it does not spin: once, then not before the next tick"
            settle(server)
            assert is_silent(client)
            clock.tick(server)
        assert read_response(client).status == 200
        said = [record.getMessage() for record in caplog.records]
        assert said == [f"cannot accept on {server.url}/: {os.strerror(number)}; trying again every second"]
        client.close()


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO])
def test_a_client_that_has_gone_before_it_was_accepted_is_passed_over(
    number: int, clients: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    fail_accepting(server, number, number)
    with started(server):
        client = clients.enter_context(connect(port_of(server)))
        client.sendall(HELLO)
        assert read_response(client).status == 200
        assert caplog.records == []
        client.close()


SCARCE = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
import reactor.loop
reactor.loop.TICK = 0.05
from reactor import Response, Server, Settings
server = Server(lambda request: Response(200, "Hello"), "127.0.0.1:0", Settings(limit_connections=0))
server.open()
class Accepting:
    def __init__(self, sock):
        self.sock, self.calls, self.failed = sock, 0, 0
    def accept(self):
        self.calls += 1
        try:
            return self.sock.accept()
        except OSError as error:
            self.failed += not isinstance(error, BlockingIOError)
            raise
    def __getattr__(self, name):
        return getattr(self.sock, name)
accepting = server.endpoints[0].sock = Accepting(server.endpoints[0].sock)
server.run(lambda server: print(server.url, flush=True))
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"calls": accepting.calls, "failed": accepting.failed, "cpu": used.ru_utime + used.ru_stime}))
"""


def test_a_server_that_really_runs_out_of_descriptors_serves_on(clients: ExitStack) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCARCE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        waiting = [clients.enter_context(connect(port)) for _ in range(100)]
        for sock in waiting:
            sock.sendall(HELLO)
        served = 0
        while waiting:
            ready, _, _ = select.select(waiting, [], [], 10)
            assert ready, "nobody is served any more"
            for sock in ready:
                assert read_response(sock).status == 200
                sock.close()
                waiting.remove(sock)
                served += 1
        process.terminate()
        out, err = process.communicate(timeout=20)
    assert served == 100
    assert process.returncode == 0
    counted = json.loads(out)
    assert 1 <= counted["failed"] <= 120, "it tried again on the tick, and with each that left, and not all the time"
    assert err.count("cannot accept on") <= counted["failed"]
    assert "Too many open files" in err


# The stop.


def test_what_is_not_done_in_time_at_a_stop_is_reset(
    clock: Clock, clients: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(timeout_graceful_shutdown=3)
    with server:
        client = clients.enter_context(connect(port_of(server)))
        client.sendall(get("/later"))
        idle = clients.enter_context(connect(port_of(server)))
        settle(server)
        server.reactor.call_from_outside(server.drain)
        assert read_all(idle) == b"", "who has nothing to wait for leaves at once"
        clock.tick(server)
        clock.tick(server)
        assert is_silent(client)
        clock.now += 1
        server.reactor.call_from_outside(lambda: None)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert "1 connection not done in time; reset" in caplog.text


def test_what_is_done_in_time_is_answered_and_the_stop_does_not_wait_longer(clock: Clock, clients: ExitStack) -> None:
    server = serve()
    with server:
        client = clients.enter_context(connect(port_of(server)))
        client.sendall(get("/later"))
        settle(server)
        server.reactor.call_from_outside(server.drain)
        zoo: Any = server.service.handler
        zoo.laters[0].answer(Response(200, "done"))
        answer = read_response(client)
        assert (answer.status, answer.field("Connection")) == (200, "close")
        client.close()


def test_without_the_timeout_a_stop_waits_as_long_as_it_takes(clock: Clock, clients: ExitStack) -> None:
    server = serve(timeout_graceful_shutdown=0)
    with server:
        client = clients.enter_context(connect(port_of(server)))
        client.sendall(get("/later"))
        settle(server)
        server.reactor.call_from_outside(server.drain)
        settle(server)
        clock.now += 1_000_000
        settle(server)
        assert is_silent(client)
        client.close()
        zoo: Any = server.service.handler
        zoo.laters[0].answer(Response(200))
