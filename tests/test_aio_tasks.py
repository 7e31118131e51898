"""Coroutine functions as handlers: a task for each request, in a context of its own, cancelled when nobody waits."""

import asyncio
import contextvars
import functools
from collections.abc import Callable
from typing import Any

import pytest

from handlers.middleware import compose, timing
from handlers.router import Router
from reactor import Answer, Later, Request, Response, Server, as_handler, current_host, handler_name, streaming
from reactor.aio import Host

from .aio import GET, Signal, ask, port_of, serving
from .wire import connect, read_response, reset

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


def test_it_is_called_when_the_request_is_complete() -> None:
    async def handler(request: Request) -> Response:
        return Response(200, b"%b %d" % (request.path.encode(), len(request.body)))

    with serving(handler) as server:
        assert ask(server, "/here").body == b"/here 0"
        assert ask(server, "/there", b"x" * 100_000).body == b"/there 100000"


def test_it_may_wait_and_others_are_served_meanwhile() -> None:
    async def handler(request: Request) -> Response:
        if request.path == "/wait":
            waiting.append(asyncio.get_running_loop().create_future())
            return Response(200, await waiting[0])
        waiting[0].set_result("woken")
        return Response(200, "waker")

    waiting: list[asyncio.Future[str]] = []
    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(GET % b"/wait")
        while not waiting:
            pass
        assert ask(server).body == b"waker"
        assert read_response(sock).body == b"woken"


def test_requests_of_one_connection_are_answered_in_order() -> None:
    async def handler(request: Request) -> Response:
        await asyncio.sleep(0)
        return Response(200, request.path)

    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(b"".join(GET % b"/%d" % number for number in range(40)))
        assert [read_response(sock).body for _ in range(40)] == [b"/%d" % number for number in range(40)]


def test_each_is_a_task_in_a_context_of_its_own() -> None:
    async def handler(request: Request) -> Response:
        before = name.get()
        name.set(request.path)
        await asyncio.sleep(0)
        task = asyncio.current_task()
        return Response(200, f"{before} {name.get()} {task is not None and task not in seen}")

    seen: list[object] = []
    with serving(handler) as server:
        assert ask(server, "/a").body == b"nobody /a True"
        assert ask(server, "/b").body == b"nobody /b True"


def test_a_plain_handler_beside_it_does_not_run_in_its_task() -> None:
    """What a task wakes must not run in its context."""

    async def sets(request: Request) -> Response:
        name.set("somebody")
        await asyncio.sleep(0)
        return Response(200, "set")

    def plain(request: Request) -> Response:
        return Response(200, f"{name.get()} {asyncio.current_task()}")

    router = Router()
    router.get("/async")(as_handler(sets))
    router.get("/plain")(plain)
    with serving(router) as server, connect(port_of(server)) as sock:
        sock.sendall(GET % b"/async" + GET % b"/plain")  # the second is looked at as soon as the first is answered
        assert [read_response(sock).body for _ in range(2)] == [b"set", b"nobody None"]


def test_it_may_answer_with_whatever_a_handler_may() -> None:
    async def handler(request: Request) -> Answer:
        later = Later()
        asyncio.get_running_loop().call_soon(later.answer, Response(200, "later"))
        return later

    with serving(handler) as server:
        assert ask(server).body == b"later"


@pytest.mark.parametrize("error", [ValueError("oh no"), SystemExit(3), asyncio.CancelledError()])
def test_what_it_raises_is_a_logged_500(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: Request) -> Response:
        if request.path == "/":
            raise error
        return Response(200, "alive")

    with serving(handler) as server:
        assert ask(server).status == 500
        assert ask(server, "/alive").body == b"alive"
    assert type(error).__name__ in caplog.text
    assert "handler" in caplog.text


def test_what_is_no_answer_is_a_logged_500(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: Request) -> Any:
        return "hello"

    with serving(handler) as server:
        assert ask(server).status == 500
    assert "returned str" in caplog.text


def test_a_keyboard_interrupt_in_a_task_ends_the_server() -> None:
    async def handler(request: Request) -> Response:
        raise KeyboardInterrupt

    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(GET % b"/")
        with pytest.raises(ConnectionResetError):
            read_response(sock)


@pytest.mark.parametrize("end", [reset, lambda sock: sock.close()])
def test_it_is_cancelled_when_the_client_has_gone(end: Callable[[Any], None]) -> None:
    async def handler(request: Request) -> Response:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set(asyncio.current_task())
        return Response(200)

    begun, ended = Signal(), Signal()
    with serving(handler) as server:
        sock = connect(port_of(server))
        sock.sendall(GET % b"/")
        begun.wait()
        if end is not reset:  # a FIN alone may be a client that listens still
            sock.sendall(b"more than was asked for")
        reset(sock)
        ended.wait()


def test_a_client_that_says_goodbye_and_listens_is_answered() -> None:
    async def handler(request: Request) -> Response:
        begun.set((asyncio.get_running_loop(), asyncio.Event()))
        await begun.value[1].wait()
        return Response(200, "still there")

    begun = Signal()
    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(GET % b"/")
        loop, event = begun.wait()
        sock.shutdown(1)
        server.reactor.call_from_outside(lambda: server.reactor.call_soon(event.set))
        assert read_response(sock).body == b"still there"
        assert loop is not None


def test_a_task_that_was_cancelled_and_goes_on_is_answered_by_nobody() -> None:
    async def handler(request: Request) -> Response:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            ended.set()
        return Response(200, iter([b"nobody"]))

    begun, ended = Signal(), Signal()
    with serving(handler) as server:
        sock = connect(port_of(server))
        sock.sendall(GET % b"/")
        begun.wait()
        reset(sock)
        ended.wait()


def test_it_is_a_handler_wherever_one_is() -> None:
    async def handler(request: Request) -> Response:
        await asyncio.sleep(0)
        return Response(200, f"{request.root}|{request.path}")

    router = Router()
    router.mount("/deep", compose(as_handler(handler), timing))
    with serving(router) as server:
        answer = ask(server, "/deep/down")
        assert answer.body == b"/deep|/down"
        assert answer.field("server-timing") is not None


def test_objects_methods_and_partials_are_async_too() -> None:
    class Shop:
        async def __call__(self, request: Request) -> Response:
            return Response(200, "called")

        async def method(self, request: Request) -> Response:
            return Response(200, "method")

    async def greet(greeting: str, request: Request) -> Response:
        return Response(200, greeting)

    for handler, said in [(Shop(), b"called"), (Shop().method, b"method"), (functools.partial(greet, "hi"), b"hi")]:
        with serving(handler) as server:
            assert ask(server).body == said


def test_what_is_not_async_is_left_as_it_is() -> None:
    def plain(request: Request) -> Response:
        return Response(200)

    assert as_handler(plain) is plain


@pytest.mark.parametrize("handler", [as_handler, streaming])
def test_one_that_ends_without_waiting_is_answered_at_once(handler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task has ended when it was begun: nothing is put off."""
    begin = Host.begin
    were_done: list[bool] = []

    def begin_and_look(host: Host, *arguments: Any, **more: Any) -> Any:
        task = begin(host, *arguments, **more)
        were_done.append(task.done())
        return task

    async def ends(request: Request) -> Response:
        assert asyncio.current_task() is not None
        if request.path == "/":
            return Response(200, "at once")
        raise ValueError("oh no")

    monkeypatch.setattr(Host, "begin", begin_and_look)
    with serving(handler(ends)) as server:
        assert ask(server).body == b"at once"
        assert ask(server, "/else").status == 500
        assert ask(server, "/", b"with a body").body == b"at once"
    assert were_done == [True, True, True]


def test_its_name_is_the_functions() -> None:
    async def handler(request: Request) -> Response:
        """Says little."""
        return Response(200)

    wrapped: Any = as_handler(handler)
    assert handler_name(wrapped) == handler_name(handler)
    assert wrapped.__doc__ == "Says little."
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = wrapped.colour


class Pool:
    """A handler with all that one may have."""

    takes_connect = True

    def __init__(self) -> None:
        self.said: list[str] = []

    async def startup(self, server: Server) -> None:
        self.loop = asyncio.get_running_loop()
        self.said.append("up")

    async def shutdown(self) -> None:
        assert asyncio.get_running_loop() is self.loop
        self.said.append("down")

    def on_head(self, request: Request) -> Response | None:
        return Response(403, "no bodies") if request.headers.get("content-length") else None

    async def __call__(self, request: Request) -> Response:
        self.said.append("called" if asyncio.get_running_loop() is self.loop else "elsewhere")
        return Response(200)


def test_startup_and_shutdown_are_awaited_in_the_same_loop() -> None:
    pool = Pool()
    with serving(pool) as server:
        assert ask(server).status == 200
        assert ask(server, "/", b"body").status == 403
        assert server.service.takes_connect
    assert pool.said == ["up", "called", "down"]


def test_plain_startup_and_shutdown_will_do() -> None:
    class Plain:
        def startup(self, server: Server) -> None:
            said.append("up")

        def shutdown(self) -> None:
            said.append("down")

        async def __call__(self, request: Request) -> Response:
            return Response(200)

    said: list[str] = []
    with serving(Plain()) as server:
        assert ask(server).status == 200
    assert said == ["up", "down"]


def test_a_server_whose_startup_raises_does_not_start() -> None:
    class Broken(Pool):
        async def startup(self, server: Server) -> None:
            raise OSError("no database")

    good, broken = Pool(), Broken()
    router = Router()
    router.mount("/longer/and/first", as_handler(good))
    router.mount("/broken", as_handler(broken))
    with pytest.raises(OSError, match="no database"):
        Server(router, "127.0.0.1:0").start()
    assert good.said == ["up", "down"]
    assert broken.said == []


def test_a_shutdown_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Pool):
        async def shutdown(self) -> None:
            raise OSError("no database")

    with serving(Broken()) as server:
        assert ask(server).status == 200
    assert "no database" in caplog.text


def test_without_a_server_it_says_what_it_needs() -> None:
    handler: Any = as_handler(Pool())
    with pytest.raises(RuntimeError, match="in the asyncio loop of a server"):
        handler(object())
    with pytest.raises(RuntimeError, match="in the asyncio loop of a server"):
        current_host()
