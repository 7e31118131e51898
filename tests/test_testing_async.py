"""The test client and what is async: handlers, generators as bodies, streams, ASGI, in a real loop."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from http.client import IncompleteRead
from typing import Any

import pytest

from handlers.asgi import Asgi
from handlers.router import Router
from reactor import Later, Request, Response, Settings, StreamingRequest, as_handler, current_host, streaming
from reactor.memory import ManualReactor
from reactor.testing import TestClient

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


async def hello(request: Request) -> Response:
    before = name.get()
    name.set("somebody")
    await asyncio.sleep(0.001)
    return Response(200, f"{request.method} {before} {request.body.decode()}")


def test_a_coroutine_function() -> None:
    with TestClient(hello) as client:
        assert client.get("/").text == "GET nobody "
        assert client.post("/", "body").text == "POST nobody body"


def test_a_plain_one_needs_no_with() -> None:
    client = TestClient(hello)
    assert [client.get("/").text for _ in range(2)] == ["GET nobody "] * 2
    with client:
        assert client.get("/").text == "GET nobody "


async def numbers() -> AsyncIterator[bytes]:
    for number in range(5):
        await asyncio.sleep(0)
        yield b"%d " % number


async def counting(request: Request) -> Response:
    return Response(200, numbers())


def test_plain_handlers_and_others_beside_it() -> None:
    def plain(request: Request) -> Response:
        return Response(200, f"{name.get()} {asyncio.current_task()}")

    router = Router()
    router.get("/async")(as_handler(hello))
    router.get("/numbers")(as_handler(counting))
    router.get("/plain")(plain)
    for _ in range(2):
        with TestClient(router) as client:
            assert client.get("/async").text == "GET nobody "
            assert client.get("/plain").text == "nobody None"
            assert client.get("/numbers").text == "0 1 2 3 4 "


def test_a_generator_as_a_body() -> None:
    with TestClient(counting) as client:
        assert client.get("/").body == b"0 1 2 3 4 "
        assert client.head("/").body == b""


def test_one_that_raises_breaks_off() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        raise ValueError("oh no")

    async def handler(request: Request) -> Response:
        return Response(200, pieces())

    with TestClient(handler) as client, pytest.raises(IncompleteRead):
        client.get("/")


@streaming
async def sizes(request: StreamingRequest) -> Response:
    size = 0
    async for piece in request.stream():
        await asyncio.sleep(0)
        size += len(piece)
    return Response(200, str(size))


def test_a_stream() -> None:
    with TestClient(sizes) as client:
        assert client.get("/").text == "0"
        assert client.post("/", b"x" * 500_000).text == "500000"
        assert client.post("/", [b"abc" * 1000] * 300).text == "900000"


class App:
    """An ASGI application that says what it was sent, in pieces."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for what in ("startup", "shutdown"):
                assert (await receive())["type"] == f"lifespan.{what}"
                self.said.append(what)
                await send({"type": f"lifespan.{what}.complete"})
            return
        size, has_more = 0, True
        while has_more:
            message = await receive()
            size, has_more = size + len(message["body"]), message["more_body"]
        await send({"type": "http.response.start", "status": 200})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"%d " % size, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body"})


def test_an_asgi_application() -> None:
    app = App()
    with TestClient(Asgi(app)) as client:
        assert app.said == ["startup"]
        assert client.get("/").text == "0 0 0 "
        assert client.post("/", b"x" * 300_000).text == "300000 300000 300000 "
        assert client.post("/", [b"x" * 300_000] * 2).text == "600000 600000 600000 "
    assert app.said == ["startup", "shutdown"]


def test_what_goes_on_behind_an_answer_is_awaited_at_the_end() -> None:
    async def behind() -> None:
        await asyncio.sleep(0.01)
        said.append("done")

    async def handler(request: Request) -> Response:
        current_host().begin(behind())
        return Response(200)

    said: list[str] = []
    with TestClient(handler) as client:
        assert client.get("/").status == 200
        assert said == []
    assert said == ["done"]


def test_an_answer_from_a_thread() -> None:
    async def handler(request: Request) -> Response:
        later = Later()
        asyncio.get_running_loop().run_in_executor(None, later.answer, Response(200, "from a thread"))
        return later  # type: ignore[return-value]  # what a handler may return, an async one may

    with TestClient(handler) as client:
        assert client.get("/").text == "from a thread"
        assert client.get("/").text == "from a thread"


def test_an_answer_that_does_not_come_in_time_is_a_timeout() -> None:
    async def handler(request: Request) -> Response:
        if request.path == "/":
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                said.append("cancelled")
        return Response(200)

    said: list[str] = []
    client = TestClient(handler, timeout=0.01)
    with client:
        with pytest.raises(TimeoutError, match=r"not complete after 0\.01 s"):
            client.get("/")
        assert client.get("/next").status == 200
    assert said == ["cancelled"]
    assert not client.service.connections
    with pytest.raises(TimeoutError, match="not complete"):
        client.get("/")


def test_nor_is_there_one_to_an_answer_without_an_end() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            said.append("closed")

    async def handler(request: Request) -> Response:
        return Response(200, pieces())

    said: list[str] = []
    with TestClient(handler, timeout=0.01) as client, pytest.raises(TimeoutError, match="not complete"):
        client.get("/")
    assert said == ["closed"]


def test_an_internal_error_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("a bug of ours")

    with TestClient(hello) as client:
        monkeypatch.setattr("reactor.connection.Connection._consume", broken)
        with pytest.raises(RuntimeError, match="a bug of ours"):
            client.get("/")
        monkeypatch.undo()
        assert client.get("/").status == 200


class Starting:
    def __init__(self, *errors: str) -> None:
        self.errors = errors
        self.said: list[str] = []

    async def __call__(self, request: Request) -> Response:
        return Response(200, str(self.said))

    async def startup(self, client: Any) -> None:
        await self._say("startup", str(client.settings.limit_headers))

    async def shutdown(self) -> None:
        await self._say("shutdown", "")

    async def _say(self, what: str, more: str) -> None:
        self.said.append(what + more)
        await asyncio.sleep(0)
        if what in self.errors:
            raise OSError(what)


def test_startup_and_shutdown_are_awaited() -> None:
    handler = Starting()
    client = TestClient(handler, Settings(limit_headers=7))
    for _ in range(2):
        with client:
            assert client.get("/").text == "['startup7']"
        assert handler.said == ["startup7", "shutdown"]
        handler.said.clear()
    assert client.get("/").text == "[]", "without a with block it has neither"


def test_a_startup_that_raises_raises() -> None:
    with pytest.raises(OSError, match="startup"), TestClient(Starting("startup")):
        raise AssertionError


def test_a_shutdown_that_raises_is_logged_as_a_servers_is(caplog: pytest.LogCaptureFixture) -> None:
    with TestClient(Starting("shutdown")):
        pass
    assert "the end of a handler raised" in caplog.text


def test_where_a_loop_runs_it_says_so_and_a_thread_is_the_way() -> None:
    def ask() -> str:
        with TestClient(hello) as client:
            return client.get("/").text

    async def main() -> None:
        with pytest.raises(RuntimeError, match="a loop runs here already"):
            ask()
        assert await asyncio.to_thread(ask) == "GET nobody "

    asyncio.run(main())


def test_the_reactor_in_memory_can_be_a_guest() -> None:
    """It is due while something is ready, and its descriptor tells of threads."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        called = loop.create_future()
        loop.add_reader(reactor.fileno(), reactor.turn)
        thread = threading.Thread(target=reactor.call_from_outside, args=(lambda: called.set_result("called"),))
        thread.start()
        assert await called == "called"
        thread.join()
        loop.remove_reader(reactor.fileno())

    reactor = ManualReactor()
    assert reactor.due() is None
    reactor.call_soon(lambda: None)
    assert reactor.due() == 0
    assert reactor.turn() is True
    asyncio.run(main())
    reactor.close()
    reactor.close()
