"""A task that holds the loop is named in the log, whoever's loop it is; and what that costs is bounded."""

import asyncio
import inspect
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from reactor import Request, Response, Server, Settings, current_host, streaming
from reactor.aio.steps import Steps, Stopwatch
from reactor.memory import ManualReactor
from reactor.service import SLOW, Service

from .aio import ask, serving
from .test_aio_host import Factory, factory, run, stopped, until_ready

__all__ = ["factory"]

HELD = 1.2 * SLOW  # seconds

def blamed(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if "held the loop" in each.getMessage()]


async def at_once(request: Request) -> Response:
    time.sleep(HELD)
    return Response(200)


async def after_a_while(request: Request) -> Response:
    await asyncio.sleep(HELD)
    time.sleep(HELD)
    await asyncio.sleep(0)
    return Response(200)


async def when_cancelled(request: Request) -> Response:
    try:
        async with asyncio.timeout(0):
            await asyncio.sleep(10)
    except TimeoutError:
        time.sleep(HELD)
    return Response(200)


async def raising(request: Request) -> Response:
    time.sleep(HELD)
    raise ValueError("oh no")


async def patient(request: Request) -> Response:
    await asyncio.sleep(HELD)
    return Response(200)


HOLDING = [at_once, after_a_while, when_cancelled, raising, streaming(at_once)]


@pytest.mark.parametrize("handler", HOLDING)
def test_a_task_that_holds_the_loop_is_named(
    handler: Any, factory: Factory, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(handler, loop_factory=factory) as server:
        ask(server)
    (line,) = blamed(caplog)
    assert "tests.test_aio_steps." in line
    assert int(line.split(" held the loop for ")[1].split()[0]) >= 1000 * SLOW


def test_in_a_programs_loop_too(factory: Factory, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        server = Server(after_a_while, "127.0.0.1:0")
        task = await until_ready(server)
        await asyncio.to_thread(ask, server)
        task.cancel()
        await stopped(task)

    run(main(), factory)
    assert len(blamed(caplog)) == 1


def test_one_that_waits_holds_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with serving(patient) as server:
        assert ask(server).status == 200
    assert blamed(caplog) == []


def test_it_is_named_by_what_it_is_for_and_else_by_its_own_name(caplog: pytest.LogCaptureFixture) -> None:
    async def holding() -> None:
        await asyncio.sleep(0)
        time.sleep(HELD)

    async def handler(request: Request) -> Response:
        host = current_host()
        await host.begin(holding(), at=request)
        await host.begin(holding())
        return Response(200)

    with serving(handler) as server:
        assert ask(server, "/here").status == 200
    first, second = blamed(caplog)
    assert first.endswith("at GET /here")
    assert ".holding" in second.partition("in the task ")[2]


async def nothing() -> None: ...


def test_no_more_are_timed_than_a_second_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_timed() -> bool:
        work = watch.time(nothing(), None)
        work.close()
        return isinstance(work, Steps)

    monkeypatch.setattr("reactor.aio.steps.BUDGET", 2)
    reactor = ManualReactor(100.0)
    watch = Stopwatch(reactor, Service(reactor, Settings(), lambda request: Response(200)))
    assert [is_timed() for _ in range(4)] == [True, True, False, False]
    reactor.now += 0.9
    assert not is_timed()
    reactor.now += 0.1
    assert [is_timed() for _ in range(3)] == [True, True, False]


def test_where_nobody_is_to_be_named_none_is() -> None:
    work = nothing()
    watch = Stopwatch(ManualReactor(), None)
    assert watch.time(work, None) is work
    work.close()
    watch.blame(1, work, None)


def test_a_task_looks_as_if_it_were_not_timed() -> None:
    """Debuggers, and libraries that look at a task's coroutine, see the handler's."""

    async def looking() -> None:
        task = asyncio.current_task()
        assert task is not None
        work: Any = task.get_coro()
        assert isinstance(work, Steps)
        assert asyncio.iscoroutine(work)
        assert inspect.getcoroutinestate(work) == inspect.CORO_RUNNING
        assert "looking" in repr(task)
        assert task.get_stack()[-1].f_code.co_name == "looking"
        seen.append(task)

    async def handler(request: Request) -> Response:
        await current_host().begin(looking())
        return Response(200)

    seen: list[object] = []
    with serving(handler) as server:
        assert ask(server).status == 200
    assert len(seen) == 1


def test_it_can_be_awaited_and_closed_like_any_other() -> None:
    async def giving() -> Any:
        await asyncio.sleep(0)
        return "given"

    async def main() -> None:
        assert await timed(giving()) == "given"

    def timed(work: Coroutine[Any, Any, Any]) -> Any:
        reactor = ManualReactor()
        return Steps(work, None, Stopwatch(reactor, None))

    run(main())
    timed(giving()).close()
