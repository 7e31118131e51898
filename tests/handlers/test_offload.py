"""Offload: a bounded pool of threads, behind a real server. Threads meet at events and barriers; nothing sleeps."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest

from handlers.offload import Offload, offload
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


def test_where_all_threads_are_busy_an_upload_is_told_so_at_its_head() -> None:
    with gated(threads=1, queue=0) as (gate, _, server, clients):
        first = clients.submit(ask, server)
        gate.wait_for(1)
        address = server.endpoints[0].sock.getsockname()
        with socket.create_connection(address, timeout=WAIT) as uploader, uploader.makefile("rb") as answer:
            uploader.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n")
            said = answer.read()  # to its end: nothing of the body was sent
            assert said.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nConnection: close\r\n" in said
        gate.open.set()
        assert first.result(WAIT)[0] == 200
        assert ask(server, "POST", "/next", b"body") == (200, b"/next")


def test_where_all_threads_are_busy_by_the_end_of_a_body_it_is_told_so_then() -> None:
    with gated(threads=1, queue=0) as (gate, _, server, clients):
        address = server.endpoints[0].sock.getsockname()
        with socket.create_connection(address, timeout=WAIT) as uploader, uploader.makefile("rb") as answer:
            uploader.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            assert answer.readline() == b"HTTP/1.1 100 Continue\r\n", "there was room"
            first = clients.submit(ask, server)
            gate.wait_for(1)
            uploader.sendall(b"body")
            assert [answer.readline(), answer.readline()] == [b"\r\n", b"HTTP/1.1 503 Service Unavailable\r\n"]
        gate.open.set()
        assert first.result(WAIT)[0] == 200


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
