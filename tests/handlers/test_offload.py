"""Offload: a bounded pool of threads, behind a real server. Threads meet at events and barriers; nothing sleeps."""

import gc
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from handlers import offload as module
from handlers.middleware import Steps, compose, middleware
from handlers.offload import Offload, Pool, offload
from handlers.router import Router
from reactor import Later, Request, Response, Server
from reactor.testing import TestClient

WAIT = 10.0  # seconds, for what takes none unless it is broken


@contextmanager
def client(server: Server) -> Iterator[HTTPConnection]:
    host, port = server.endpoints[0].sock.getsockname()[:2]
    connection = HTTPConnection(host, port, timeout=WAIT)
    try:
        yield connection
    finally:
        connection.close()


def ask(server: Server, method: str = "GET", path: str = "/", body: bytes | None = None) -> tuple[int, bytes]:
    with client(server) as connection:
        connection.request(method, path, body)
        reply = connection.getresponse()
        return reply.status, reply.read()


class Gate:
    """A handler that tells when it is begun, and answers when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()
        self.paths: list[str] = []
        self.threads: set[str] = set()

    def __call__(self, request: Request) -> Response:
        self.paths.append(request.path)
        self.threads.add(threading.current_thread().name)
        self.begun.release()
        assert self.open.wait(WAIT)
        return Response(200, request.path)

    def wait_for(self, count: int) -> None:
        for _ in range(count):
            assert self.begun.acquire(timeout=WAIT)


@contextmanager
def gated(threads: int, queue: int) -> Iterator[tuple[Gate, Offload, Server, ThreadPoolExecutor]]:
    """A Gate in a pool on a server, and threads for its clients; the gate is opened at the end."""
    gate = Gate()
    handler = offload(gate, threads=threads, queue=queue)
    with ThreadPoolExecutor(16) as clients, Server(handler, bind="127.0.0.1:0") as server:
        try:
            yield gate, handler, server, clients
        finally:
            gate.open.set()


def until(server: Server, holds: Callable[[], bool]) -> None:
    """Wait until `holds()`, asked on the reactor's thread once a turn, is true."""
    done = threading.Event()

    def look() -> None:
        if holds():
            done.set()
        else:
            server.reactor.call_soon(look)

    server.reactor.call_from_outside(look)
    assert done.wait(WAIT)


def test_as_many_at_once_as_there_are_threads_and_none_on_the_loop() -> None:
    barrier = threading.Barrier(3)
    threads = set()

    def handler(request: Request) -> Response:
        threads.add(threading.current_thread())
        barrier.wait(WAIT)  # broken, unless three are here at once
        return Response(200, request.body)

    with Server(offload(handler, threads=3), bind="127.0.0.1:0") as server, ThreadPoolExecutor(3) as clients:
        answers = clients.map(lambda body: ask(server, "POST", "/", body), [b"a", b"b", b"c"])
        assert list(answers) == [(200, b"a"), (200, b"b"), (200, b"c")]
    assert len(threads) == 3
    assert all(thread.daemon and "offload" in thread.name for thread in threads)
    assert not any(thread.is_alive() for thread in threads)


def test_a_full_queue_is_a_503_at_once_and_the_depth_is_visible() -> None:
    with gated(threads=2, queue=3) as (gate, handler, server, clients):
        first = [clients.submit(ask, server, "GET", f"/{number}") for number in range(2)]
        gate.wait_for(2)
        with_queue = []
        for number in range(3):
            with_queue.append(clients.submit(ask, server, "GET", f"/q{number}"))
            until(server, lambda depth=number + 1: handler.depth == depth)  # type: ignore[misc]  # a default
        assert (handler.depth, handler.busy) == (3, 2)
        with client(server) as connection:
            connection.request("GET", "/too-many")
            reply = connection.getresponse()
            assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        gate.open.set()
        assert [each.result(WAIT) for each in first] == [(200, b"/0"), (200, b"/1")]
        assert [each.result(WAIT) for each in with_queue] == [(200, b"/q0"), (200, b"/q1"), (200, b"/q2")]
        assert "/too-many" not in gate.paths
        assert (handler.depth, handler.busy) == (0, 0)


def test_without_a_queue_idle_threads_still_take_requests() -> None:
    with gated(threads=1, queue=0) as (gate, _, server, clients):
        first = clients.submit(ask, server)
        gate.wait_for(1)
        assert ask(server)[0] == 503
        gate.open.set()
        assert first.result(WAIT)[0] == 200
        assert ask(server)[0] == 200


def test_a_request_that_is_abandoned_before_it_began_never_begins() -> None:
    with gated(threads=1, queue=1) as (gate, handler, server, clients):
        first = clients.submit(ask, server, "GET", "/first")
        gate.wait_for(1)
        address = server.endpoints[0].sock.getsockname()
        with socket.create_connection(address, timeout=WAIT) as gone:
            gone.sendall(b"GET /gone HTTP/1.1\r\nHost: x\r\n\r\n")
            until(server, lambda: handler.depth == 1)
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close with a reset
        until(server, lambda: handler.depth == 0)
        second = clients.submit(ask, server, "GET", "/second")  # there is room again
        gate.open.set()
        assert (first.result(WAIT)[0], second.result(WAIT)[0]) == (200, 200)
        assert gate.paths == ["/first", "/second"]


def test_an_answer_that_nobody_waits_for_any_more_harms_nobody() -> None:
    with gated(threads=1, queue=1) as (gate, _, server, _):
        address = server.endpoints[0].sock.getsockname()
        with socket.create_connection(address, timeout=WAIT) as gone:
            gone.sendall(b"GET /gone HTTP/1.1\r\nHost: x\r\n\r\n")
            gate.wait_for(1)
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        until(server, lambda: not server.service.connections)
        gate.open.set()
        assert ask(server, "GET", "/next") == (200, b"/next")


@pytest.mark.parametrize("error", [ValueError("oh"), SystemExit(3)], ids=["Exception", "BaseException"])
def test_an_exception_is_a_logged_500_and_the_thread_lives(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(request: Request) -> Response:
        if request.path == "/bad":
            raise error
        return Response(200)

    with Server(offload(handler, threads=1), bind="127.0.0.1:0") as server:
        assert [ask(server, "GET", path)[0] for path in ("/bad", "/bad", "/good")] == [500, 500, 200]
    assert caplog.text.count(type(error).__name__) >= 2


def test_a_later_from_a_thread_is_passed_on() -> None:
    inner = Later()
    with TestClient(offload(lambda request: inner)) as client:
        threading.Timer(0, lambda: inner.answer(Response(200, "later"))).start()
        assert client.get("/").text == "later"


@pytest.mark.parametrize("is_late", [False, True], ids=["waiting", "at work"])
def test_a_later_from_a_thread_is_abandoned_with_its_request(is_late: bool) -> None:
    told, entered, leave, attached = (threading.Event() for _ in range(4))

    class Inner(Later):
        def attach(self, deliver: Callable[[], None]) -> None:
            super().attach(deliver)
            attached.set()

    inner = Inner()
    inner.on_abandon = told.set

    def work() -> Later:
        entered.set()
        assert leave.wait(WAIT)
        return inner

    pool = Pool("test", 1, 0)
    later = pool.submit(work)
    assert later is not None
    assert entered.wait(WAIT)
    if is_late:
        later.abandon()
    leave.set()
    if not is_late:
        assert attached.wait(WAIT)
        later.abandon()
    assert told.wait(WAIT)
    pool.close(WAIT)


def test_threads_hold_on_to_nothing_while_they_wait() -> None:
    class Thing:
        pass

    pool = Pool("test", 1, 0)
    thing = Thing()
    reference = weakref.ref(thing)
    done = threading.Event()

    def work(thing: Thing = thing) -> Response:
        return Response(204)

    later = pool.submit(work)
    assert later is not None
    later.attach(done.set)
    assert done.wait(WAIT)
    del thing, work, later
    pool.close(WAIT)
    gc.collect()
    assert reference() is None


# Head and body.


class Upload:
    """A handler with a body sink; it remembers on which thread each step ran."""

    limit = 5

    def __init__(self) -> None:
        self.threads: dict[str, str] = {}
        self.data = b""

    def _note(self, step: str) -> None:
        self.threads[step] = threading.current_thread().name

    def on_head(self, request: Request) -> Any:
        self._note("head")
        return {"/early": Response(401), "/whole": None}.get(request.path, self)

    def __call__(self, request: Request) -> Response:
        self._note("call")
        return Response(200, request.body)

    def feed(self, data: bytes) -> None:
        self._note("feed")
        self.data += data

    def finish(self) -> Response:
        self._note("finish")
        return Response(200, self.data)

    def abort(self) -> None:
        self._note("abort")


def test_heads_and_bodies_stay_on_the_loop_and_the_work_does_not() -> None:
    upload = Upload()
    with Server(offload(upload, threads=1), bind="127.0.0.1:0") as server:
        assert ask(server, "POST", "/sink", b"body") == (200, b"body")
        assert ask(server, "POST", "/whole", b"whole body") == (200, b"whole body")
        assert ask(server, "POST", "/early", b"body")[0] == 401
        assert ask(server, "POST", "/sink", b"too much")[0] == 413
    loop = {upload.threads[step] for step in ("head", "feed", "abort")}
    assert loop == {"reactor"}
    assert {upload.threads[step] for step in ("call", "finish")} == {f"offload {Upload.__qualname__} 1"}


def test_an_offload_that_is_merely_called_asks_on_head_as_well() -> None:
    handler = offload(Upload())
    client = TestClient(lambda request: handler(request))
    assert client.get("/early").status == 401
    assert client.post("/sink", "body").text == "body"
    handler.shutdown()  # the threads were started by the first request


def test_routers_and_middleware_work_inside_and_outside() -> None:
    threads: list[str] = []

    @middleware
    def noted(request: Request) -> Steps:
        threads.append(threading.current_thread().name)
        response = yield
        threads.append(threading.current_thread().name)
        return response.with_headers({"X-Noted": "yes"})

    router = Router()
    router.post("/{name}")(lambda request: Response(200, request.params["name"].encode() + request.body))
    with Server(compose(router, noted, offload, noted), bind="127.0.0.1:0") as server, client(server) as connection:
        connection.request("POST", "/a", b"b")
        reply: HTTPResponse = connection.getresponse()
        assert (reply.status, reply.headers.get_all("x-noted"), reply.read()) == (200, ["yes", "yes"], b"ab")
        assert ask(server, "POST", "/")[0] == 404
    assert threads[:2] == ["reactor", "reactor"]
    assert all("offload" in name for name in threads[2:4])


# Life.


def test_the_inner_handler_lives_as_long_as_the_threads() -> None:
    calls: list[str] = []

    class Living:
        def __call__(self, request: Request) -> Response:
            return Response(200)

        def startup(self, server: Server) -> None:
            calls.append("startup")

        def shutdown(self) -> None:
            alive = [thread for thread in threading.enumerate() if thread.name.startswith("offload")]
            calls.append(f"shutdown, {len(alive)} threads")

    handler = offload(Living(), threads=2)
    for _ in range(2):  # the same handler can be served again
        with Server(handler, bind="127.0.0.1:0") as server:
            assert ask(server)[0] == 200
    assert calls == ["startup", "shutdown, 0 threads"] * 2
    handler.shutdown()  # nothing was started


def test_a_stop_does_not_wait_for_a_thread_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    gate = Gate()
    handler = offload(gate, threads=1, queue=5)
    with TestClient(handler):
        handler(a_request())
        gate.wait_for(1)
    hanging = [thread for thread in threading.enumerate() if thread.name == "offload Gate 1"]
    assert [thread.daemon for thread in hanging] == [True]
    assert (handler.depth, handler.busy) == (0, 0)
    gate.open.set()
    hanging[0].join(WAIT)
    assert not hanging[0].is_alive()


def test_what_waits_at_a_stop_is_not_begun() -> None:
    pool = Pool("test", 1, 5)
    gate = Gate()
    request: Any = a_request()
    pool.submit(lambda: gate(request))
    gate.wait_for(1)
    pool.submit(lambda: gate(request))
    pool.close(0)
    gate.open.set()
    for thread in threading.enumerate():
        if thread.name == "offload test 1":
            thread.join(WAIT)
    assert (gate.paths, len(pool.waiting), pool.busy) == (["/"], 0, 0)


def a_request() -> Request:
    """Some request, as a handler saw it."""
    seen: list[Request] = []

    def handler(request: Request) -> Response:
        seen.append(request)
        return Response(204)

    TestClient(handler).get("/")
    return seen[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "offload needs 1 thread at least, not 0"),
        ({"queue": -1}, "offload's queue holds 0 requests or more, not -1"),
    ],
)
def test_a_pool_that_cannot_be_is_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        offload(lambda request: Response(200), **options)
