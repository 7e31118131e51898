"""WSGI on the loop, and what is the same wherever an application runs: its options, its life."""

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from handlers.wsgi import Wsgi
from reactor.testing import TestClient

from .apps import BOTH, TEXT, Environ, answering
from .gates import Gate, request_for


def test_what_it_takes() -> None:
    with pytest.raises(ValueError, match="threads and queue are 0 or more, not -1 and 64"):
        Wsgi(answering([]), -1)
    with pytest.raises(ValueError, match="not 4 and -1"):
        Wsgi(answering([]), queue=-1)
    with pytest.raises(TypeError, match="42 cannot be called"):
        Wsgi(42)  # type: ignore[arg-type]  # that is the point
    handler = Wsgi(Gate(), 0)
    assert (handler.depth, handler.busy, handler.__qualname__) == (0, 0, "Gate")
    handler.shutdown()


@pytest.mark.parametrize("threads", BOTH)
def test_a_handler_of_two_servers(threads: int) -> None:
    """Who stops first takes nothing from the other."""
    handler = Wsgi(answering([b"here"]), threads)
    with TestClient(handler) as client:
        with TestClient(handler) as other:
            assert other.get("/").text == client.get("/").text == "here"
        assert client.get("/").text == "here"


def test_on_the_loop_contexts_do_not_mix() -> None:
    """Two answers under way at once: each finds what it has left, as Flask does with its request."""
    variable: ContextVar[str] = ContextVar("variable")

    def app(environ: Environ, start_response: Any) -> Iterator[bytes]:
        assert variable.get("nothing") == "nothing"
        token = variable.set(environ["PATH_INFO"])
        start_response("200 OK", TEXT)

        def pieces() -> Iterator[bytes]:
            for _ in range(3):
                yield variable.get().encode()
            variable.reset(token)
            yield b"."

        return pieces()

    handler = Wsgi(app, threads=0)
    with TestClient(handler) as client:
        assert client.get("/").body == b"///."
        bodies: list[Any] = [handler(request_for(path)).body for path in ("/a", "/b")]  # type: ignore[union-attr]  # at once
        for _ in range(3):
            assert [next(each) for each in bodies] == [b"/a", b"/b"]
        assert [next(each) for each in bodies] == [b".", b"."]
        for each in bodies:
            assert list(each) == []
            each.close()
