"""WSGI in threads: the bounds, the ends, and slow clients.

Threads meet at events and barriers; nothing sleeps.
"""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from handlers.wsgi import Wsgi, crew, stream
from reactor import Later, Server
from reactor.testing import TestClient
from tests.program import Program, connect

from .apps import TEXT, WAIT, App, Environ, Pieces, answering, opened
from .gates import Gate, asking, client_socket, get, is_left_by_all, request_for, until


def test_threads_and_queue_are_bounded_and_one_more_is_a_503(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    handler = Wsgi(gate, threads=2, queue=1)
    with Server(handler, bind="127.0.0.1:0") as server, ThreadPoolExecutor(3) as clients:
        waiting = [clients.submit(get, server, f"/{number}") for number in range(3)]
        gate.wait_for(2)
        until(lambda: handler.depth == 1)
        assert handler.busy == 2
        assert [get(server)[0], get(server, body=b"with a body")[0]] == [503, 503]
        gate.open.set()
        assert sorted(each.result()[1] for each in waiting) == [b"/0", b"/1", b"/2"]
    said = [each.getMessage() for each in caplog.records]
    assert said == ["all 2 threads are busy, and 1 requests wait for them; more are answered 503"]


def test_where_all_are_busy_an_upload_is_told_so_at_its_head() -> None:
    gate = Gate()
    handler = Wsgi(gate, threads=1, queue=0)
    with Server(handler, bind="127.0.0.1:0") as server, ThreadPoolExecutor(1) as clients:
        first = clients.submit(get, server, "/first")
        gate.wait_for(1)
        expecting = "Content-Length: 5\r\nExpect: 100-continue"
        for more in ("Content-Length: 1073741824", expecting):
            with client_socket(server) as client, client.makefile("rb") as answer:
                client.sendall(f"POST / HTTP/1.1\r\nHost: a\r\n{more}\r\n\r\n".encode())
                said = answer.read()  # to its end: nothing of the body was sent, and the connection is closed
                assert said.startswith(b"HTTP/1.1 503 ")
                assert b"\r\nRetry-After: 1\r\n" in said
        gate.open.set()
        assert first.result() == (200, b"/first")
        until(lambda: not handler.busy)
        assert get(server, "/next", b"with a body") == (200, b"/next")


@pytest.mark.parametrize(
    ("framing", "body"),
    [(b"Content-Length: 5", b"12345"), (b"Transfer-Encoding: chunked", b"5\r\n12345\r\n0\r\n\r\n")],
    ids=["length", "chunked"],
)
def test_where_all_are_busy_a_small_body_costs_nobody_the_connection(framing: bytes, body: bytes) -> None:
    gate = Gate()
    handler = Wsgi(gate, threads=1, queue=0)
    with Server(handler, bind="127.0.0.1:0") as server, ThreadPoolExecutor(1) as clients:
        first = clients.submit(get, server, "/first")
        gate.wait_for(1)
        with client_socket(server) as client, client.makefile("rb") as answer:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % framing)
            assert answer.readline() == b"HTTP/1.1 503 Service Unavailable\r\n"
            gate.open.set()
            first.result()
            until(lambda: not handler.busy)
            client.sendall(body + b"GET /again HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert answer.read().endswith(b"\r\n\r\n/again")


def test_where_all_are_busy_by_the_end_of_a_body_it_is_told_so_then() -> None:
    gate = Gate()
    handler = Wsgi(gate, threads=1, queue=0)
    with Server(handler, bind="127.0.0.1:0") as server, ThreadPoolExecutor(1) as clients:
        with client_socket(server) as client, client.makefile("rb") as answer:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
            assert answer.readline() == b"HTTP/1.1 100 Continue\r\n", "there was room"
            first = clients.submit(get, server, "/first")
            gate.wait_for(1)
            client.sendall(b"12345")
            assert [answer.readline(), answer.readline()] == [b"\r\n", b"HTTP/1.1 503 Service Unavailable\r\n"]
        gate.open.set()
        first.result()


def test_views_that_wait_stop_nobody_while_a_thread_is_free() -> None:
    gate = Gate()

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/waiting":
            return gate(environ, start_response)
        start_response("200 OK", TEXT)
        return [b"quick"]

    with Server(Wsgi(app, threads=3), bind="127.0.0.1:0") as server, ThreadPoolExecutor(2) as clients:
        waiting = [clients.submit(get, server, "/waiting") for _ in range(2)]
        gate.wait_for(2)
        assert [get(server)[1] for _ in range(100)] == [b"quick"] * 100
        assert not any(each.done() for each in waiting)
        gate.open.set()
        assert [each.result()[1] for each in waiting] == [b"/waiting"] * 2


def test_who_leaves_the_queue_makes_room() -> None:
    gate = Gate()
    handler = Wsgi(gate, threads=1, queue=1)
    with Server(handler, bind="127.0.0.1:0") as server, ThreadPoolExecutor(1) as clients:
        first = clients.submit(get, server, "/first")
        gate.wait_for(1)
        with asking(server):
            until(lambda: handler.depth == 1)
        until(lambda: handler.depth == 0)
        gate.open.set()
        assert first.result() == (200, b"/first")
    assert not gate.begun.acquire(blocking=False), "nobody asked for whoever had left"


def test_a_client_that_leaves_while_it_is_asked_for_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()

    def failing(environ: Environ, start_response: Any) -> Iterable[bytes]:
        gate(environ, start_response)
        raise LookupError("nobody sees it")

    apps: list[App] = [gate, failing]
    for app in apps:
        gate.open.clear()
        with Server(Wsgi(app, threads=1), bind="127.0.0.1:0") as server:
            with asking(server):
                gate.wait_for(1)
            until(lambda: is_left_by_all(server))
            gate.open.set()
            assert gate.done.acquire(timeout=WAIT)
    assert [str(each.exc_info[1]) for each in caplog.records if each.exc_info] == ["nobody sees it"]


def test_what_is_not_yet_given_to_a_thread_is_dropped_where_nobody_waits() -> None:
    """At the end of the turn it would be: its client leaves before, or the server stops."""
    asked: list[str] = []

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        asked.append(environ["PATH_INFO"])
        start_response("200 OK", TEXT)
        return []

    handler = Wsgi(app, threads=1)
    bodies = [BytesIO(b"body"), BytesIO(b"body")]
    with TestClient(handler) as client:
        left = handler._ask(request_for("/left"), bodies[0], 4)
        assert isinstance(left, Later)
        left.abandon()
        assert client.get("/").status == 200
        assert isinstance(handler._ask(request_for("/late"), bodies[1], 4), Later)
    assert asked == ["/"]
    assert [each.closed for each in bodies] == [True, True]


def test_a_stop_waits_for_who_is_asked() -> None:
    gate = Gate()
    server = Server(Wsgi(gate, threads=1, queue=1), bind="127.0.0.1:0")
    with server, ThreadPoolExecutor(2) as clients:
        asked = clients.submit(get, server, "/asked")
        gate.wait_for(1)
        stopped = clients.submit(server.stop)
        until(lambda: server.is_draining)
        assert not stopped.done()
        gate.open.set()
        assert asked.result() == (200, b"/asked")
        stopped.result()


def test_a_stop_leaves_behind_who_does_not_come_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import time\ndef app(environ, start_response):\n    time.sleep(1000)\n")
    with Program("app.py", "--timeout-graceful-shutdown", "100ms", cwd=tmp_path) as program:
        with closing(connect(program)) as client:
            client.request("GET", "/")
            assert program.stop() == 0
        assert "1 connection not done in time; reset" in program.said()
        assert "1 threads are still at work, and left behind" in program.said()


def test_a_slow_client_holds_no_thread_for_a_page() -> None:
    """What is not larger than AHEAD is made at once, whoever reads it; what is larger waits for its reader."""
    done = threading.Event()
    sizes: list[int] = []

    class Counted(Pieces):
        def __iter__(self) -> Iterator[bytes]:
            for number in range(count):
                sizes.append(number)
                yield b"x" * 65536

        def close(self) -> None:
            done.set()

    handler = Wsgi(answering(Counted()), threads=1)
    with Server(handler, bind="127.0.0.1:0") as server:
        count = stream.AHEAD // 65536
        with client_socket(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert done.wait(WAIT), "nothing was read, and the thread is free"
        done.clear()
        sizes.clear()
        count = 1000
        client = client_socket(server)
        with client, client.makefile("rb") as answer:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            until(lambda: len(sizes) > stream.AHEAD // 65536)
            assert not done.is_set()
            assert len(answer.read().partition(b"\r\n\r\n")[2]) == count * 65536
        assert done.wait(WAIT)


def test_an_iterable_belongs_to_one_thread() -> None:
    threads = set()

    class Curious(Pieces):
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(100):
                threads.add(threading.get_ident())
                yield b"x"

        def close(self) -> None:
            threads.add(threading.get_ident())

    with TestClient(Wsgi(answering(Curious()), threads=4)) as client:
        assert client.get("/").body == b"x" * 100
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_file_is_closed_in_a_thread_where_one_is_free(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    threads: list[str] = []
    closed = threading.Event()

    class Closing:
        def __init__(self) -> None:
            self.file = opened(tmp_path / "file")

        def close(self) -> None:
            self.file.close()
            threads.append(threading.current_thread().name)
            closed.set()

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        closing = Closing()
        wrapper: Any = environ["wsgi.file_wrapper"](closing.file)
        wrapper.close = closing.close
        return wrapper  # type: ignore[no-any-return]  # an iterable

    with Server(Wsgi(app, threads=1), bind="127.0.0.1:0") as server:
        assert get(server) == (200, b"content")
        assert closed.wait(WAIT)
    assert threads[0].startswith("offload ")


def test_where_no_thread_is_free_a_file_is_closed_at_once() -> None:
    gate = Gate()
    handler = Wsgi(gate, threads=1, queue=0)
    with Server(handler, bind="127.0.0.1:0") as server, ThreadPoolExecutor(1) as clients:
        asked = clients.submit(get, server)
        gate.wait_for(1)
        closed: list[str] = []
        way = handler._way
        assert isinstance(way, crew.Crew)
        way.close_file(lambda: closed.append("here"))
        assert closed == ["here"]
        gate.open.set()
        asked.result()


def test_the_log_says_that_all_threads_are_busy_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(crew, "REMINDER", 0.0)
    gate = Gate()
    with Server(Wsgi(gate, threads=1, queue=0), bind="127.0.0.1:0") as server, ThreadPoolExecutor(1) as clients:
        first = clients.submit(get, server)
        gate.wait_for(1)
        assert [get(server)[0] for _ in range(2)] == [503, 503]
        gate.open.set()
        first.result()
    assert len(caplog.records) == 2
