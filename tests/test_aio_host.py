"""The reactor as a guest: of a loop of its own, of a program's, of uvloop; how it begins, ends, and sleeps."""

import asyncio
import importlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reactor import Request, Response, Server, Settings, serve
from reactor.aio import Host
from reactor.loop import Reactor

from .aio import GET, ask, port_of, serving
from .program import ROOT, environment
from .wire import connect, read_response

Factory = Callable[[], asyncio.AbstractEventLoop]


def loops() -> list[Any]:
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return [asyncio.new_event_loop]
    return [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.fixture(params=loops(), ids=lambda factory: factory.__module__.partition(".")[0])
def factory(request: pytest.FixtureRequest) -> Factory:
    made: Factory = request.param
    return made


async def handler(request: Request) -> Response:
    await asyncio.sleep(0)
    return Response(200, type(asyncio.get_running_loop()).__module__.partition(".")[0])


def run(work: Any, factory: Factory = asyncio.new_event_loop) -> None:
    with asyncio.Runner(loop_factory=factory, debug=True) as runner:
        runner.run(work)


async def until_ready(server: Server) -> "asyncio.Task[None]":
    ready = asyncio.Event()
    task = asyncio.create_task(server.serve(lambda _: ready.set()))
    await ready.wait()
    return task


async def stopped(task: "asyncio.Task[None]") -> None:
    """A server that was cancelled ends as what is cancelled does."""
    await asyncio.wait([task], timeout=5)
    assert task.cancelled()


# A loop of its own.


def test_the_program_says_which_loop(factory: Factory) -> None:
    loop = factory()
    name = type(loop).__module__.partition(".")[0].encode()
    loop.close()
    with serving(handler, loop_factory=factory) as server, connect(port_of(server)) as sock:
        sock.sendall(GET % b"/" * 3)
        assert [read_response(sock).body for _ in range(3)] == [name] * 3


def test_a_task_that_goes_on_behind_its_answer_is_awaited() -> None:
    async def behind() -> None:
        await asyncio.sleep(0.01)
        said.append("done")

    async def beginner(request: Request) -> Response:
        server.use_asyncio().begin(behind())
        return Response(200)

    said: list[str] = []
    with serving(beginner) as server:
        assert ask(server).status == 200
    assert said == ["done"]


def test_and_cancelled_when_the_time_is_over() -> None:
    async def behind() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            said.append("cancelled")

    async def beginner(request: Request) -> Response:
        server.use_asyncio().begin(behind())
        return Response(200)

    said: list[str] = []
    with serving(beginner, settings=Settings(timeout_graceful_shutdown=0.01)) as server:
        assert ask(server).status == 200
    assert said == ["cancelled"]


def test_without_a_limit_it_takes_the_time_it_takes() -> None:
    async def behind() -> None:
        await asyncio.sleep(0.01)
        said.append("done")

    async def beginner(request: Request) -> Response:
        server.use_asyncio().begin(behind())
        return Response(200)

    said: list[str] = []
    with serving(beginner, settings=Settings(timeout_graceful_shutdown=0)) as server:
        assert ask(server).status == 200
    assert said == ["done"]


def test_one_that_does_not_heed_it_is_named(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.aio.host.PATIENCE", 0.01)

    async def stubborn() -> None:
        event = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, event.set)
        while not event.is_set():
            try:
                await event.wait()
            except asyncio.CancelledError:
                pass

    async def beginner(request: Request) -> Response:
        server.use_asyncio().begin(stubborn())
        return Response(200)

    with serving(beginner, settings=Settings(timeout_graceful_shutdown=0.01)) as server:
        assert ask(server).status == 200
    assert "goes on though it was cancelled" in caplog.text


# A program's loop.


def test_it_is_served_in_a_programs_loop_until_that_cancels_it(factory: Factory) -> None:
    async def main() -> None:
        server = Server(handler, "127.0.0.1:0")
        task = await until_ready(server)
        assert (await asyncio.to_thread(ask, server)).status == 200
        task.cancel()
        await stopped(task)

    run(main(), factory)


def test_plain_handlers_are_served_there_too() -> None:
    def plain(request: Request) -> Response:
        server.drain()
        return Response(200, "my last words")

    async def main() -> None:
        task = await until_ready(server)
        assert (await asyncio.to_thread(ask, server)).body == b"my last words"
        await task

    server = Server(plain, "127.0.0.1:0")
    run(main())


def test_what_is_under_way_is_finished_first() -> None:
    async def waits(request: Request) -> Response:
        begun.set()
        await event.wait()
        return Response(200, "finished")

    async def main() -> None:
        server = Server(waits, "127.0.0.1:0")
        task = await until_ready(server)
        asking = asyncio.create_task(asyncio.to_thread(ask, server))
        await begun.wait()
        task.cancel()
        await asyncio.sleep(0)
        event.set()
        assert (await asking).body == b"finished"
        await stopped(task)

    begun, event = asyncio.Event(), asyncio.Event()
    run(main())


def test_cancelled_twice_it_stops_at_once() -> None:
    async def waits(request: Request) -> Response:
        begun.set()
        await asyncio.get_running_loop().create_future()
        return Response(200)

    async def main() -> None:
        server = Server(waits, "127.0.0.1:0", Settings(timeout_graceful_shutdown=0))
        task = await until_ready(server)
        asking = asyncio.create_task(asyncio.to_thread(ask, server))
        await begun.wait()
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()
        await stopped(task)
        with pytest.raises(OSError):  # noqa: PT011  # reset, whatever that is called
            await asking

    begun = asyncio.Event()
    run(main())


def test_two_servers_in_one_loop() -> None:
    async def other(request: Request) -> Response:
        return Response(200, "other")

    async def main() -> None:
        servers = [Server(handler, "127.0.0.1:0"), Server(other, "127.0.0.1:0")]
        tasks = [await until_ready(server) for server in servers]
        said = [(await asyncio.to_thread(ask, server)).body for server in servers]
        assert said == [b"asyncio", b"other"]
        for task in tasks:
            task.cancel()
            await stopped(task)

    run(main())


def test_it_can_be_stopped_from_a_thread() -> None:
    async def main() -> None:
        server = Server(handler, "127.0.0.1:0")
        task = await until_ready(server)
        await asyncio.to_thread(server.stop)
        await asyncio.wait_for(task, 5)

    run(main())


def test_the_short_form() -> None:
    async def main() -> None:
        def stops(request: Request) -> Response:
            raise AssertionError

        task = asyncio.create_task(serve(stops, "127.0.0.1:0", settings=Settings()))
        await asyncio.sleep(0.01)
        task.cancel()
        await stopped(task)

    run(main())


def test_a_server_runs_once() -> None:
    async def main() -> None:
        server = Server(handler, "127.0.0.1:0")
        server.open()
        with pytest.raises(RuntimeError, match="a Server runs once"):
            await server.serve()
        server.close()

    with serving(handler) as running, pytest.raises(RuntimeError, match="a Server runs once"):
        run(running.serve())
    server = Server(handler, "127.0.0.1:0")
    server.open()
    with pytest.raises(RuntimeError, match="a Server runs once"):
        run(server.serve())
    server.close()


def test_a_startup_that_raises_there_raises_from_serve() -> None:
    class Broken:
        async def startup(self, server: Server) -> None:
            raise OSError("no database")

        async def __call__(self, request: Request) -> Response:
            return Response(200)

    with pytest.raises(OSError, match="no database"):
        run(Server(Broken(), "127.0.0.1:0").serve())


def test_a_loop_of_its_own_begins_in_no_other() -> None:
    """Nothing can be awaited where nothing is async: who is there already is asked to."""

    async def main() -> None:
        Server(handler, "127.0.0.1:0").start()

    with pytest.raises(RuntimeError, match=r"a loop runs here already.* await serve\(\)"):
        run(main())


# Its sleep.


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_guest_is_due_when_it_has_put_something_off_and_when_it_keeps_time() -> None:
    clock = Clock()
    reactor = Reactor(clock=clock)
    reactor.turn(may_sleep=False)
    assert reactor.due() is None
    reactor.keeps_time = True
    clock.now += 0.25
    assert reactor.due() == 0.75
    reactor.call_soon(lambda: None)
    assert reactor.due() == 0
    reactor.close()


def test_it_sleeps_until_something_is_due() -> None:
    """Turns are counted: one for what was put off before it began, one for each that it is roused for, no other."""

    class Counting(Reactor):
        turns = 0

        def turn(self, may_sleep: bool = True) -> None:
            assert not may_sleep
            self.turns += 1
            super().turn(may_sleep)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        reactor = Counting()
        host = Host(reactor)
        serving = asyncio.create_task(host.serve(reactor.stop, reactor.stop))
        await asyncio.sleep(0.02)
        assert reactor.turns == 1
        called = loop.create_future()
        reactor.call_soon(lambda: reactor.call_soon(lambda: called.set_result(None)))
        reactor.call_soon(lambda: None)
        await called
        await asyncio.sleep(0.02)
        assert reactor.turns == 3
        await asyncio.to_thread(reactor.call_from_outside, lambda: None)
        await asyncio.sleep(0.02)
        assert reactor.turns == 4
        ticks: list[float] = []
        reactor.on_tick = lambda: ticks.append(reactor.now)
        reactor.keeps_time = True
        reactor.call_soon(lambda: None)
        while not ticks:
            await asyncio.sleep(0.05)
        assert reactor.turns in (6, 7)
        reactor.call_soon(reactor.stop)
        await serving
        reactor.close()

    run(main())


# As a program.

PROGRAM = """
import asyncio, sys
from reactor import Response, Server

async def handler(request):
    if request.path == "/hold":
        print("held", flush=True)
        await asyncio.get_running_loop().create_future()
    return Response(200, "here")

def say(server):
    print(server.url, flush=True)

if sys.argv[1] == "own":
    Server(handler, "127.0.0.1:0").run(say)
else:
    try:
        asyncio.run(Server(handler, "127.0.0.1:0").serve(say))
    except KeyboardInterrupt:
        pass
print("ended", flush=True)
"""


@pytest.fixture(params=["own", "guest"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    (tmp_path / "served.py").write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "served.py", request.param],
        cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_program_ends_when_it_is_interrupted(program: "subprocess.Popen[str]") -> None:
    assert program.stdout is not None
    port = int(program.stdout.readline().rpartition(":")[2])
    with connect(port) as sock:
        sock.sendall(GET % b"/")
        assert read_response(sock).body == b"here"
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=10)
    assert (out, err, program.returncode) == ("ended\n", "", 0)


def test_and_at_once_the_second_time(program: "subprocess.Popen[str]") -> None:
    assert program.stdout is not None
    port = int(program.stdout.readline().rpartition(":")[2])
    with connect(port) as sock:
        sock.sendall(GET % b"/hold")
        assert program.stdout.readline() == "held\n"
        program.send_signal(signal.SIGINT)
        await_refusal(port)
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=10)
    assert out == "ended\n"
    assert "destroyed" not in err
    assert "never" not in err
    assert program.returncode == 0


def await_refusal(port: int) -> None:
    """Until nobody is accepted any more: the server drains."""
    accepted = 0
    while accepted == 0:
        with socket.socket() as sock:
            accepted = sock.connect_ex(("127.0.0.1", port))


def test_without_an_async_handler_nothing_of_asyncio_is_imported(tmp_path: Path) -> None:
    code = """
import sys, urllib.request
import handlers.router, reactor.cli
from reactor import Response, Server
with Server(lambda request: Response(200), "127.0.0.1:0") as server:
    urllib.request.urlopen(server.url).close()
print([each for each in sys.modules if each.partition(".")[0] in ("asyncio", "concurrent") or each == "reactor.aio"])
"""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, "-c", code], env=environ, cwd=tmp_path, capture_output=True, text=True)
    assert (found.stdout, found.stderr) == ("[]\n", "")
