"""How what is async begins and ends: a startup that takes long is said, a shutdown has its time and no more."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from handlers.asgi import Asgi
from reactor import Request, Response, Server, Settings
from tests.program import Program, connect

from .aio import Signal, ask, serving
from .test_aio_host import run, stopped, until_ready

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for where in ("reactor.aio.host", "handlers.asgi.lifespan"):
        monkeypatch.setattr(f"{where}.PATIENCE", 0.03)


class Ending:
    """A handler whose shutdown goes on until it is cancelled, or, told to be `stubborn`, a bit longer."""

    def __init__(self, is_stubborn: bool = False) -> None:
        self.is_stubborn = is_stubborn
        self.was_cancelled = False

    async def __call__(self, request: Request) -> Response:
        return Response(200)

    async def shutdown(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.was_cancelled = True
            if self.is_stubborn:
                await asyncio.sleep(0.1)
            raise


SHORT = Settings(timeout_graceful_shutdown=0.01)


@pytest.mark.usefixtures("impatient")
def test_a_shutdown_without_an_end_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    handler = Ending()
    with serving(handler, settings=SHORT) as server:
        assert ask(server).status == 200
    assert handler.was_cancelled
    assert "the shutdown of tests.test_aio_ends.Ending is not complete after 0 s; cancelled" in caplog.text


@pytest.mark.usefixtures("impatient")
def test_one_that_does_not_heed_it_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    with serving(Ending(is_stubborn=True), settings=SHORT) as server:
        assert ask(server).status == 200
    assert "goes on though it was cancelled" in caplog.text


def test_it_has_what_is_left_of_the_time_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Ending):
        async def shutdown(self) -> None:
            await asyncio.sleep(0.05)
            said.append("done")

    said: list[str] = []
    monkeypatch.setattr("reactor.aio.host.PATIENCE", 0.0)
    for timeout in (5, 0):
        with serving(Slow(), settings=Settings(timeout_graceful_shutdown=timeout)) as server:
            assert ask(server).status == 200
    assert said == ["done"] * 2


@pytest.mark.usefixtures("impatient")
def test_a_program_may_wait_no_longer_for_it() -> None:
    """To be cancelled once more ends a shutdown, too."""

    async def main() -> None:
        server = Server(handler, "127.0.0.1:0", Settings(timeout_graceful_shutdown=0))
        task = await until_ready(server)
        task.cancel()
        while not begun:
            await asyncio.sleep(0)
        task.cancel()
        await stopped(task)
        await asyncio.sleep(0)
        assert handler.was_cancelled

    class Told(Ending):
        async def shutdown(self) -> None:
            begun.append(1)
            await super().shutdown()

    begun: list[int] = []
    handler = Told()
    run(main())


@pytest.mark.usefixtures("impatient")
def test_an_applications_shutdown_is_cancelled_in_the_application(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            said.append("cancelled")

    said: list[str] = []
    with serving(Asgi(app), settings=SHORT):
        pass
    assert said == ["cancelled"]
    assert "is not complete after" in caplog.text


@pytest.mark.usefixtures("impatient")
def test_an_application_that_goes_on_when_its_startup_has_failed_holds_nobody() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)

    with pytest.raises(Exception, match=r"^no database$"):
        Server(Asgi(app), "127.0.0.1:0").start()


def test_a_startup_that_is_cancelled_is_cancelled_in_the_application() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            said.append("cancelled")

    async def main() -> None:
        task = asyncio.create_task(Server(Asgi(app), "127.0.0.1:0").serve())
        await begun.wait()
        task.cancel()
        await stopped(task)
        assert said == ["cancelled"]

    begun = asyncio.Event()
    said: list[str] = []
    run(main())


def test_a_startup_that_takes_long_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(Ending):
        async def startup(self, server: Server) -> None:
            while not [each for each in caplog.records if "still waiting" in each.getMessage()]:
                await asyncio.sleep(0.001)

        async def shutdown(self) -> None: ...

    monkeypatch.setattr("reactor.aio.host.LATE", 0.01)
    with caplog.at_level(logging.WARNING), serving(Slow()) as server:
        assert ask(server).status == 200
    (line,) = [each.getMessage() for each in caplog.records]
    assert line.startswith("still waiting for the startup of tests.test_aio_ends.")


# Interrupted, as a program.

APP = """
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("told", flush=True)
    else:
        print("asked", flush=True)
    await asyncio.get_running_loop().create_future()
"""


@pytest.fixture
def interrupted(tmp_path: Path) -> Any:
    (tmp_path / "app.py").write_text(APP)
    with Program("app.py", "--timeout-graceful-shutdown", "0", "--no-access-log", cwd=tmp_path) as program:
        yield program


def test_a_second_interrupt_waits_for_no_task(interrupted: Program) -> None:
    """An application is not cancelled because its client has gone: so at the end it has to be."""
    connection = connect(interrupted)
    connection.request("GET", "/")
    interrupted.await_said("asked", "stdout")
    interrupted.send(signal.SIGINT)
    interrupted.await_said("draining 1 connection")
    interrupted.send(signal.SIGINT)
    interrupted.await_said("told", "stdout")
    interrupted.send(signal.SIGINT)
    assert interrupted.wait() == 0
    assert "Traceback" not in interrupted.said()
    connection.close()


def test_nor_does_an_interrupt_while_it_shuts_down(interrupted: Program) -> None:
    interrupted.send(signal.SIGINT)
    interrupted.await_said("told", "stdout")
    interrupted.send(signal.SIGINT)
    assert interrupted.wait() == 0
    assert "Traceback" not in interrupted.said()


def test_aborted_it_waits_for_no_task() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        begun.set()
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        server = Server(Asgi(app), "127.0.0.1:0", Settings(timeout_graceful_shutdown=0))
        task = await until_ready(server)
        asking = asyncio.create_task(asyncio.to_thread(ask, server))
        await asyncio.to_thread(begun.wait)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        await stopped(task)
        with pytest.raises(OSError):  # noqa: PT011  # reset, whatever that is called
            await asking

    begun = Signal()
    run(main())
