"""Offload: which step runs where, and how the threads begin and end."""

import threading
from typing import Any

import pytest

from handlers import offload as module
from handlers.middleware import Steps, compose, middleware
from handlers.offload import Pool, offload
from handlers.router import Router
from reactor import Request, Response, Server
from reactor.testing import TestClient

from .test_offload import WAIT, Gate, ask, client

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
        reply = connection.getresponse()
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


class Notes:
    """A sink that remembers what it was told, and finishes when it is let."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.calls: list[str] = []

    def feed(self, data: bytes) -> None:
        self.calls.append("feed")

    def finish(self) -> Response:
        self.calls.append("finish")
        return self.gate(a_request())

    def abort(self) -> None:
        self.calls.append(f"abort on {threading.current_thread().name}")


class Noting:
    """A handler with a sink for each request."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.sinks: list[Notes] = []

    def on_head(self, request: Request) -> Notes:
        self.sinks.append(Notes(self.gate))
        return self.sinks[-1]

    def __call__(self, request: Request) -> Response:
        raise NotImplementedError  # on_head has a sink for all


@pytest.mark.parametrize("end", ["no room", "abandoned", "shutdown"])
def test_a_sink_whose_work_is_never_begun_is_aborted(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and on the thread that tells, which is the reactor's."""
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    noting = Noting()
    handler = offload(noting, threads=1, queue=0 if end == "no room" else 1)
    sink: Any = handler.on_head(a_request())
    sink.feed(b"x")
    handler(a_request())
    noting.gate.wait_for(1)
    answer = sink.finish()
    if end == "no room":
        assert answer.status == 503
    elif end == "abandoned":
        answer.abandon()
        assert handler.depth == 0
    else:
        handler.shutdown()
    assert noting.sinks[0].calls == ["feed", "abort on MainThread"]
    sink.abort()
    noting.gate.open.set()
    handler.shutdown()
    assert noting.sinks[0].calls == ["feed", "abort on MainThread"]
    assert noting.sinks[1].calls == ["finish"]


def test_a_sink_for_which_there_is_no_room_at_the_head_is_aborted() -> None:
    noting = Noting()
    handler = offload(noting, threads=1, queue=0)
    handler(a_request())
    noting.gate.wait_for(1)
    answer = handler.on_head(a_request())
    assert isinstance(answer, Response)
    assert answer.status == 503
    noting.gate.open.set()
    handler.shutdown()
    assert noting.sinks[1].calls == ["abort on MainThread"]


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
