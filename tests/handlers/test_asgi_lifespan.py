"""ASGI's lifespan: an application's startup and shutdown, the state it leaves to its requests, and how it may fail."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from handlers.asgi import Asgi
from handlers.asgi.lifespan import NotStarted
from reactor import Server
from tests.aio import ask, serving
from tests.program import Program, run

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def answer(scope: Scope, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": repr(scope["state"]).encode()})


class App:
    """It answers with its state, and has a lifespan. `said`: what it was told, and `says`: what it answers to that."""

    def __init__(self, **says: Message) -> None:
        self.said: list[str] = []
        self.says = says

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["state"]["own"].append(1)
            await answer(scope, send)
            scope["state"]["mine"] = "and nobody else's"
            return
        assert scope["asgi"]["version"] == "3.0"
        scope["state"]["own"] = []
        for what in ("startup", "shutdown"):
            message = await receive()
            self.said.append(message["type"])
            await send(self.says.get(what, {"type": f"lifespan.{what}.complete"}))
        self.said.append("the end")


def test_it_is_told_of_its_startup_and_its_shutdown() -> None:
    app = App()
    with serving(Asgi(app)) as server:
        assert app.said == ["lifespan.startup"]
        assert ask(server).body == b"{'own': [1]}"
        assert ask(server).body == b"{'own': [1, 1]}"
    assert app.said == ["lifespan.startup", "lifespan.shutdown", "the end"]


def test_it_is_told_in_a_programs_loop_too() -> None:
    async def main() -> None:
        server = Server(Asgi(app), "127.0.0.1:0")
        ready = asyncio.Event()
        task = asyncio.create_task(server.serve(lambda _: ready.set()))
        await ready.wait()
        assert (await asyncio.to_thread(ask, server)).body == b"{'own': [1]}"
        task.cancel()
        await asyncio.wait([task])

    app = App()
    asyncio.run(main(), debug=True)
    assert app.said == ["lifespan.startup", "lifespan.shutdown", "the end"]


def test_where_its_startup_fails_the_server_does_not_start(caplog: pytest.LogCaptureFixture) -> None:
    app = App(startup={"type": "lifespan.startup.failed", "message": "Traceback:\n  much\nOSError: no database\n"})
    with pytest.raises(NotStarted, match=r"^OSError: no database$"):
        Server(Asgi(app), "127.0.0.1:0").start()
    assert "much" in caplog.text


@pytest.mark.parametrize("message", [{}, {"message": ""}])
def test_it_may_fail_without_a_word(message: Message) -> None:
    app = App(startup={"type": "lifespan.startup.failed", **message})
    with pytest.raises(NotStarted, match="its startup has failed"):
        Server(Asgi(app), "127.0.0.1:0").start()


def test_it_may_fail_and_raise() -> None:
    """As Starlette does."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        raise OSError("no database")

    with pytest.raises(NotStarted, match="no database"):
        Server(Asgi(app), "127.0.0.1:0").start()


async def knows_none(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await answer(scope, send)


async def ends_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await answer(scope, send)


async def raises_later(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await answer(scope, send)
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    raise OSError("no database")


async def raises_when_told(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await answer(scope, send)
        return
    await receive()
    raise OSError("no database")


async def says_what_is_none_of_it(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await answer(scope, send)
        return
    await receive()
    await send({"type": "http.response.start", "status": 200})


@pytest.mark.parametrize(
    ("app", "said"),
    [
        (knows_none, "knows_none knows no lifespan"),
        (ends_at_once, ""),
        (raises_later, "raises_later raised in its lifespan"),
        (raises_when_told, "raises_when_told raised at its startup, and is served without"),
        (says_what_is_none_of_it, "'http.response.start' is no message of the lifespan"),
    ],
)
def test_an_application_without_one_is_served(app: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", "reactor"), serving(Asgi(app)) as server:
        assert ask(server).body == b"{}"
    assert said in caplog.text


def test_a_shutdown_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = App(shutdown={"type": "lifespan.shutdown.failed", "message": "no database"})
    with serving(Asgi(app)) as server:
        assert ask(server).status == 200
    assert "failed at its shutdown: no database" in caplog.text


def test_a_shutdown_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await answer(scope, send)
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.startup.complete"})  # once more, and to nobody
        await receive()
        raise OSError("no database")

    with serving(Asgi(app)) as server:
        assert ask(server).status == 200
    assert "no database" in caplog.text


PROGRAM = """
import os
from handlers.asgi import Asgi

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        message = await receive()
        if "FAIL" in os.environ:
            await send({"type": "lifespan.startup.failed", "message": "there is no database"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"hello"})

handler = Asgi(app)
"""


def test_as_a_program(tmp_path: Path) -> None:
    (tmp_path / "served.py").write_text(PROGRAM)
    failed = run("served.py", cwd=tmp_path, env={"FAIL": "1"})
    assert failed.returncode == 3
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("reactor: served.py did not start: there is no database")
    with Program("served.py", cwd=tmp_path) as program:
        with urlopen(program.url, timeout=5) as found:
            assert found.read() == b"hello"
        assert program.stop() == 0
