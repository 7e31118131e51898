"""WSGI: what PEP 3333 says of an application's answer, with threads and on the loop."""

import socket
import threading
from collections.abc import Generator, Iterable, Iterator
from http.client import IncompleteRead
from typing import Any
from wsgiref.validate import validator

import pytest

from handlers.wsgi import Wsgi
from reactor import Server, Settings
from reactor.testing import TestClient

from .apps import BOTH, TEXT, WAIT, Environ, Pieces, answering, ask, client_of

pytestmark = pytest.mark.parametrize("threads", BOTH, ids=["loop", "threads"])


# Bodies.


@pytest.mark.parametrize(
    ("kind", "pieces", "length"),
    [
        (list, [b"one"], "3"),
        (list, [b"one", b"", b"two"], "6"),
        (tuple, [b"one", b"two"], "6"),
        (list, [], "0"),
        (iter, [b"one", b"two"], None),
        (Pieces, [], "0"),
        (Pieces, [b"", b""], "0"),
        (Pieces, [b"one", b"two"], None),
        (Pieces, [b"", b"one"], None),
    ],
)
def test_a_body(threads: int, kind: Any, pieces: list[bytes], length: str | None) -> None:
    iterable = Pieces(*pieces) if kind is Pieces else kind(pieces)
    reply = ask(answering(iterable), threads)
    assert reply.body == b"".join(pieces)
    assert reply.headers["Content-Length"] == length
    assert getattr(iterable, "closed", 1) == 1


@pytest.mark.parametrize("value", [5, [("X-Behind", "x")]], ids=repr)
def test_what_a_generator_returns_is_not_sent(threads: int, value: Any) -> None:
    def pieces() -> Generator[bytes, None, Any]:
        yield b"one"
        yield b"two"
        return value

    with Server(Wsgi(answering(pieces()), threads), bind="127.0.0.1:0") as server:
        with socket.create_connection(server.endpoints[0].sock.getsockname(), WAIT) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n")
            with sock.makefile("rb") as reply:
                assert reply.read().endswith(b"two\r\n0\r\n\r\n")


@pytest.mark.parametrize("pieces", [(b"onetwo",), (b"one", b"two"), (b"", b"onetwo", b"")], ids=repr)
def test_a_content_length_is_kept(threads: int, pieces: tuple[bytes, ...]) -> None:
    iterable = Pieces(*pieces)
    reply = ask(answering(iterable, headers=[*TEXT, ("Content-Length", "6")]), threads)
    assert (reply.body, reply.headers["Content-Length"]) == (b"onetwo", "6")
    assert iterable.closed == 1


@pytest.mark.parametrize("body", [[b"one"], [b"one", b"twothree"], []], ids=repr)
def test_a_content_length_that_is_wrong_is_a_500(threads: int, body: list[bytes]) -> None:
    assert ask(answering(body, headers=[("Content-Length", "6")]), threads).status == 500


@pytest.mark.parametrize("pieces", [(b"one",), (b"one", b"two", b"three")], ids=repr)
def test_a_content_length_that_turns_out_wrong_breaks(threads: int, pieces: tuple[bytes, ...]) -> None:
    iterable = Pieces(*pieces)
    with pytest.raises(IncompleteRead):
        ask(answering(iterable, headers=[("Content-Length", "7")]), threads)
    assert iterable.closed == 1


def test_what_is_written_comes_first(threads: int) -> None:
    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", TEXT)
        write(b"one ")
        write(b"")
        write(b"two ")
        return [b"three"] if environ["PATH_INFO"] == "/list" else Pieces(b"", b"three")

    for path in "/list", "/pieces":
        assert ask(app, threads, target=path).body == b"one two three"
        assert ask(app, threads, "HEAD", path).status == 200


@pytest.mark.parametrize("piece", ["text", bytearray(b"a"), None], ids=repr)
def test_a_piece_that_is_not_bytes(threads: int, piece: Any) -> None:
    for iterable in ([piece], [b"", piece], Pieces(piece)):
        assert ask(answering(iterable), threads).status == 500

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", TEXT)(piece)
        return []

    assert ask(app, threads).status == 500
    iterable = Pieces(b"good", piece)
    with pytest.raises(IncompleteRead):
        ask(answering(iterable), threads)
    assert iterable.closed == 1


# What fails.


@pytest.mark.parametrize("error", [LookupError, SystemExit])
def test_an_application_that_raises_is_a_500(threads: int, error: Any, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        raise error("this one")

    with TestClient(Wsgi(app, threads)) as client:
        assert client.get("/").status == 500
        assert client.post("/", b"body").status == 500
    assert [str(each.exc_info[1]) for each in caplog.records if each.exc_info] == ["this one"] * 2


def test_an_iterable_that_raises(threads: int) -> None:
    early = Pieces(error=LookupError("early"))
    assert ask(answering(early), threads).status == 500
    late = Pieces(b"one", error=LookupError("late"))
    with pytest.raises(IncompleteRead):
        ask(answering(late), threads)
    assert early.closed == late.closed == 1


def test_a_close_that_raises_changes_nothing(threads: int, caplog: pytest.LogCaptureFixture) -> None:
    class Bad(Pieces):
        def close(self) -> None:
            raise LookupError("in close")

    for iterable in (Bad(), Bad(b"one", b"two")):
        assert ask(answering(iterable), threads).body == b"".join(iterable)
    assert caplog.text.count("close() of ") == 2


def test_what_gives_more_than_it_said(threads: int, caplog: pytest.LogCaptureFixture) -> None:
    """On the loop nothing has left when that is seen; with threads the answer is out, and the log says it."""
    iterable = Pieces(b"123", b"more")
    reply = ask(answering(iterable, headers=[("Content-Length", "3")]), threads)
    assert (reply.status, iterable.closed) == (200 if threads else 500, 1)
    assert "Content-Length" in caplog.text


# All of it.


def test_wsgiref_finds_nothing_wrong(threads: int) -> None:
    @validator
    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        received = environ["wsgi.input"].read(10) + environ["wsgi.input"].readline(10)
        received += b"".join(environ["wsgi.input"].readlines(100)) + b"".join(environ["wsgi.input"])
        print("said", file=environ["wsgi.errors"])
        environ["wsgi.errors"].flush()
        environ["wsgi.errors"].writelines(["a\n"])
        write = start_response("200 OK", [("Content-Type", "text/plain"), ("X-Size", str(len(received)))])
        if environ["PATH_INFO"] == "/write":
            write(b"written ")
        return iter([b"one ", b"two"]) if environ["PATH_INFO"] == "/iterator" else [b"one"]

    with TestClient(Wsgi(app, threads)) as client:
        assert client.get("/").body == b"one"
        assert client.head("/").body == b""
        assert client.get("/write").body == b"written one"
        assert client.get("/iterator").body == b"one two"
        for size in 0, 5, 1000, 20_000:
            body = b"line\n" * size
            assert client.post("/", body).headers["X-Size"] == str(5 * size)
            assert client.post("/", iter([body[: size // 2], body[size // 2 :]])).headers["X-Size"] == str(5 * size)


@pytest.mark.parametrize("size", [100, 100_000])
def test_a_body_that_does_not_come_leaves_nothing_open(threads: int, size: int) -> None:
    """The application is not called; a file that was left open would fail the test."""
    app = answering([b"not reached"])
    with TestClient(Wsgi(app, threads), Settings(limit_body_size=150_000)) as client:
        assert client.post("/", iter([b"x" * size, b"y" * 100_000])).status == (413 if size > 100 else 200)
        assert client.post("/", b"x" * 200_000).status == 413


def test_a_client_that_leaves_closes_the_iterable(threads: int) -> None:
    closed = threading.Event()

    class Endless(Pieces):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x" * 100_000

        def close(self) -> None:
            closed.set()

    with Server(Wsgi(answering(Endless()), threads), bind="127.0.0.1:0") as server:
        connection = client_of(server)
        connection.request("POST", "/", b"x" * 100_000)
        assert connection.getresponse().read(1000) == b"x" * 1000
        connection.close()
        assert closed.wait(WAIT)
