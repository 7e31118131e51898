"""Every limit of `reactor/settings.py`, seen to fire; and what a handler may do that it should not.

Where the kernel matters (accepting, the backlog, running out of descriptors) over real sockets, else simulated.
"""

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
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from reactor.connection import Connection
from reactor.http1.request import Origin, Request
from reactor.http1.response import FileBody, Response
from reactor.loop import Reactor
from reactor.server import Server
from reactor.settings import MIB, Settings

from .simulated import ScriptedTransport, World, Zoo, chunked, get, head, post
from .wire import connect, read_all, read_response

HELLO = get("/hello")


# Of a request.


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
        Connection(world.service, others[-1], Origin())
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


# Of connections, over real sockets.


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
            sock.sendall(HELLO)
        assert read_response(first).status == read_response(second).status == 200
        settle(server)
        assert len(server.service.connections) == 2
        assert is_silent(third)
        first.close()
        assert read_response(third).status == 200
        assert is_silent(fourth)
        second.close()
        assert read_response(fourth).status == 200
        third.close()
        fourth.close()


def test_at_the_limit_the_listener_is_not_watched(clients: ExitStack) -> None:
    with serve(limit_connections=1) as server:
        first, second = (clients.enter_context(connect(port_of(server))) for _ in range(2))
        first.sendall(HELLO)
        assert read_response(first).status == 200
        settle(server)
        watched = [key.fileobj for key in server.reactor._selector.get_map().values()]
        assert server._listeners[0] not in watched
        assert is_silent(second)
        first.close()
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
    assert 1 <= counted["failed"] <= 20, "it tried again on the tick and not all the time"
    assert err.count("cannot accept on") <= counted["failed"]
    assert "Too many open files" in err


# What a handler may do that it should not.


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
    monkeypatch.setattr("reactor.dialogue.monotonic", lambda: next(times))

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


# timeout_graceful_shutdown.


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
    assert "1 connections were not done in time; reset" in caplog.text


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
