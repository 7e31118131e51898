"""start_response: the status and the fields, what is refused, and when it may be called."""

import sys
from collections.abc import Iterable, Iterator
from http.client import IncompleteRead
from typing import Any

import pytest

from handlers.wsgi import Wsgi
from handlers.wsgi.start import KEPT
from reactor.testing import TestClient

from .apps import BOTH, TEXT, Environ, Pieces, answering, ask

pytestmark = pytest.mark.parametrize("threads", BOTH, ids=["loop", "threads"])


@pytest.mark.parametrize("status", ["204 No Content", "205 Reset Content", "304 Not Modified"])
def test_a_status_without_a_body(threads: int, status: str) -> None:
    for iterable in ([], [b"x"], Pieces(), Pieces(b"x")):
        reply = ask(answering(iterable, status, [("ETag", '"a"'), ("Content-Length", "5")]), threads)
        assert (reply.status, reply.body) == (int(status[:3]), b"")
        assert reply.headers["ETag"] == '"a"'
        assert getattr(iterable, "closed", 1) == 1

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response(status, [])(b"x")
        return []

    assert ask(app, threads).body == b""


def test_a_head_has_the_length_that_a_get_would_have(threads: int) -> None:
    assert ask(answering([b"four"]), threads, "HEAD").headers["Content-Length"] == "4"
    assert ask(answering([], headers=[("Content-Length", "4")]), threads, "HEAD").headers["Content-Length"] == "4"
    assert ask(answering([]), threads, "HEAD").headers["Content-Length"] is None, "who knows what GET would have"
    iterable = Pieces(b"four", b"more")
    assert ask(answering(iterable, headers=[("Content-Length", "8")]), threads, "HEAD").headers["Content-Length"] == "8"
    assert iterable.closed == 1
    assert ask(answering([], "304 Not Modified", []), threads, "HEAD").status == 304
    long = [*TEXT, ("Content-Length", "8192")]
    assert ask(answering([b"x" * 8192], headers=long), threads).headers["Content-Length"] == "8192"


def test_heads_that_are_remembered_are_bounded(threads: int) -> None:
    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("X-Number", environ["PATH_INFO"])])
        return [b"x"]

    with TestClient(Wsgi(app, threads)) as client:
        for number in range(KEPT + 2):
            assert client.get(f"/{number}").headers["X-Number"] == f"/{number}"


def test_an_application_may_be_a_proxy_that_wants_to_know_who_asks(threads: int) -> None:
    reply = ask(answering([], "407 Proxy Authentication Required", [("Proxy-Authenticate", "Basic")]), threads)
    assert (reply.status, reply.headers["Proxy-Authenticate"]) == (407, "Basic")


def test_fields_are_sent_as_they_are_and_those_of_the_server_are_its_own(threads: int) -> None:
    fields = [
        ("Set-Cookie", "a=1"), ("content-type", "text/x"), ("Set-Cookie", "b=2"), ("Date", "never"), ("Server", "mine"),
        ("X-Latin", "d\xe9j\xe0"), ("Content-Length", "1"), ("Content-Length", "1"),
    ]  # fmt: skip
    reply = ask(answering([b"1"], "299 Whatever", fields), threads)
    assert (reply.status, reply.body) == (299, b"1")
    assert reply.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert reply.headers["Content-Type"] == "text/x"
    assert reply.headers["X-Latin"] == "d\xe9j\xe0"
    assert reply.headers.get_all("Server") == ["reactor"]
    assert "never" not in reply.headers.get_all("Date", [])


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("100 Continue", TEXT),
        ("600 Later", TEXT),
        ("20 OK", TEXT),
        ("200OK", TEXT),
        ("200 O\nK", TEXT),
        (200, TEXT),
        ("200 OK", [("Connection", "close")]),
        ("200 OK", [("Transfer-Encoding", "chunked")]),
        ("200 OK", [("X", "a\r\nb: c")]),
        ("200 OK", [("X", "a\0")]),
        ("200 OK", [("X:", "a")]),
        ("200 OK", [("X", "€")]),
        ("200 OK", [("X", 1)]),
        ("200 OK", [(b"X", "1")]),
        ("200 OK", [["X", "1"]]),
        ("200 OK", [("X", "1", "2")]),
        ("200 OK", [("Content-Length", "-1")]),
        ("200 OK", [("Content-Length", "1"), ("Content-Length", "2")]),
        ("200 OK", [("Content-Type", "a/b"), ("Content-Type", "a/c")]),
    ],
)
def test_what_must_not_be_said_is_refused_where_it_is_said(threads: int, status: Any, headers: Any) -> None:
    raised: list[Exception] = []

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        try:
            start_response(status, headers)
        except (ValueError, TypeError) as error:
            raised.append(error)
        start_response("200 OK", TEXT)
        return [b"better"]

    assert ask(app, threads).body == b"better"
    assert len(raised) == 1


# start_response.


def test_it_must_be_called_before_the_body(threads: int) -> None:
    def silent(environ: Environ, start_response: Any) -> Iterable[bytes]:
        return wanted

    for wanted in ([b"x"], Pieces(), Pieces(b"x")):
        assert ask(silent, threads).status == 500
        assert getattr(wanted, "closed", 1) == 1

    def late(environ: Environ, start_response: Any) -> Iterator[bytes]:
        yield b""
        start_response("200 OK", TEXT)
        yield b"late"

    assert ask(late, threads).body == b"late"
    assert ask(late, threads, "HEAD").status == 200


def test_it_may_be_called_again_with_an_error_until_the_head_has_left(threads: int) -> None:
    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        try:
            if environ["PATH_INFO"] == "/late":
                yield b"one"
            raise LookupError("no more")
        except LookupError:
            start_response("503 Sorry", TEXT, sys.exc_info())
        yield b"sorry"

    reply = ask(app, threads)
    assert (reply.status, reply.body) == (503, b"sorry")
    with pytest.raises(IncompleteRead) as broken:
        ask(app, threads, target="/late")
    assert broken.value.partial == b"one"


def test_without_an_error_it_may_not_be_called_again(threads: int) -> None:
    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        start_response("200 OK", TEXT)
        return []

    assert ask(app, threads).status == 500
