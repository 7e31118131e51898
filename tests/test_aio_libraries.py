"""Libraries for asyncio, unchanged, in async handlers and ASGI applications, on asyncio's loop and on uvloop."""

import asyncio
import contextvars
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anyio
import fastapi
import httpx
import pytest
from fastapi import FastAPI
from redis import asyncio as redis

from handlers.asgi import Asgi
from reactor import Request, Response, Server

from .aio import ask, serving
from .conftest import need
from .test_aio_host import Factory, factory, run, stopped, until_ready

__all__ = ["factory"]

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MEGABYTE = b"0123456789abcdef" * 65536


def upstream(request: Request) -> Response:
    """What the libraries ask."""
    return Response(200, MEGABYTE if request.path == "/large" else f"{request.method} {request.body.decode()}")


# What a handler may do. Each gets the address of the upstream, and returns what it found.


async def by_httpx(url: str) -> str:
    async with httpx.AsyncClient() as client:
        many = await asyncio.gather(*(client.post(url, content=f"{number}") for number in range(5)))
        large = await client.get(f"{url}/large")
        return f"{[each.text for each in many]} {large.content == MEGABYTE}"


async def by_aiohttp(url: str) -> str:
    async with aiohttp.ClientSession() as session:

        async def post(number: int) -> str:
            async with session.post(url, data=f"{number}") as answer:
                return await answer.text()

        many = await asyncio.gather(*(post(number) for number in range(5)))
        async with session.get(f"{url}/large") as answer:
            return f"{many} {await answer.read() == MEGABYTE}"


async def by_streams(url: str) -> str:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await writer.drain()
    data = await reader.read()
    writer.close()
    await writer.wait_closed()
    return str(data.endswith(MEGABYTE))


async def by_threads(_url: str) -> str:
    barrier = threading.Barrier(3, timeout=5)
    return str(sorted(await asyncio.gather(*(asyncio.to_thread(barrier.wait) for _ in range(3)))))


async def by_task_groups(_url: str) -> str:
    async def give(number: int) -> int:
        await asyncio.sleep(0.001)
        return number

    async def fail() -> None:
        raise ValueError("oh no")

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(give(number)) for number in range(3)]
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(10))
            group.create_task(fail())
    except* ValueError as errors:
        found = f"{[each.result() for each in tasks]} {len(errors.exceptions)}"
    return found


async def by_timeouts(_url: str) -> str:
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)
    except TimeoutError:
        try:
            await asyncio.wait_for(asyncio.sleep(10), 0.01)
        except TimeoutError:
            return "twice"
    return "never"


async def by_subprocesses(_url: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "print(input()[::-1])", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    out, _ = await process.communicate(b"olleh\n")
    return f"{out.decode().strip()} {process.returncode}"


async def by_anyio(_url: str) -> str:
    async def give(number: int) -> None:
        await anyio.sleep(0.001 * number)
        await sender.send(number)

    sender, receiver = anyio.create_memory_object_stream[int](10)
    async with sender, receiver:
        async with anyio.create_task_group() as group:
            for number in range(3):
                group.start_soon(give, number)
        found = [await receiver.receive() for _ in range(3)]
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep(10)
    told = await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(asyncio.sleep, 0, "told"))
    return f"{found} {scope.cancelled_caught} {told} {anyio.get_current_task().id == id(asyncio.current_task())}"


class Counting(asyncio.Protocol):
    """A client of a binary protocol, as those of databases are: what is asked is answered in order."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[bytes]] = []
        self.received = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def ask(self, number: int) -> "asyncio.Future[bytes]":
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        self.transport.write(number.to_bytes(4, "big"))
        return future

    def data_received(self, data: bytes) -> None:
        self.received += data
        while len(self.received) >= 4:
            self.waiting.pop(0).set_result(self.received[:4])
            self.received = self.received[4:]


async def by_a_protocol(_url: str) -> str:
    async def double(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            writer.write((2 * int.from_bytes(await reader.readexactly(4), "big")).to_bytes(4, "big"))
        writer.close()

    loop = asyncio.get_running_loop()
    async with await asyncio.start_server(double, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        transport, client = await loop.create_connection(Counting, "127.0.0.1", port)
        found = [int.from_bytes(each, "big") for each in await asyncio.gather(*(client.ask(n) for n in (1, 2, 3)))]
        transport.close()
    return str(found)


name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


async def by_contexts(_url: str) -> str:
    async def see() -> str:
        await asyncio.sleep(0)
        return name.get()

    before = name.get()
    name.set("somebody")
    task = asyncio.current_task()
    seen = [await see(), await asyncio.create_task(see()), await asyncio.to_thread(name.get)]
    return f"{before} {seen} {task is asyncio.current_task()} {task in asyncio.all_tasks()}"


FIVE = [f"POST {number}" for number in range(5)]
USES: list[tuple[Callable[[str], Awaitable[str]], str]] = [
    (by_httpx, f"{FIVE} True"),
    (by_aiohttp, f"{FIVE} True"),
    (by_streams, "True"),
    (by_threads, "[0, 1, 2]"),
    (by_task_groups, "[0, 1, 2] 1"),
    (by_timeouts, "twice"),
    (by_subprocesses, "hello 0"),
    (by_anyio, "[0, 1, 2] True told True"),
    (by_a_protocol, "[2, 4, 6]"),
    (by_contexts, "nobody ['somebody', 'somebody', 'somebody'] True True"),
]


class Site:
    """What is served, as a handler and as an application: the uses, by their names."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.tasks: list[object] = []
        self.uses: dict[str, Callable[[str], Awaitable[str]]] = {each.__name__: each for each, _ in USES}

    async def find(self, path: str) -> str:
        self.tasks.append(asyncio.current_task())
        return await self.uses[path[1:]](self.url)

    async def handler(self, request: Request) -> Response:
        return Response(200, await self.find(request.path))

    async def app(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            body = (await self.find(scope["path"])).encode()
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": body})


@pytest.fixture
def site() -> Iterator[Site]:
    with Server(upstream, "127.0.0.1:0") as server:
        yield Site(server.url)


@pytest.mark.parametrize("interface", ["handler", "app"])
def test_they_work_as_everywhere(interface: str, site: Site, factory: Factory) -> None:
    served = site.handler if interface == "handler" else Asgi(site.app)
    with serving(served, loop_factory=factory) as server:
        for _ in range(2):
            for use, expected in USES:
                assert ask(server, f"/{use.__name__}").body.decode() == expected
    assert len(set(site.tasks)) == 2 * len(USES)


def test_in_a_program_that_does_other_things_meanwhile(site: Site, factory: Factory) -> None:
    async def tick() -> None:
        while True:
            await asyncio.sleep(0.001)
            ticks.append(1)

    async def main() -> None:
        ticking = asyncio.create_task(tick())
        servers = [Server(site.handler, "127.0.0.1:0"), Server(Asgi(site.app), "127.0.0.1:0")]
        tasks = [await until_ready(server) for server in servers]
        async with httpx.AsyncClient() as client:  # in the same loop as the servers
            for use, expected in USES:
                before = len(ticks)
                for server in servers:
                    assert (await client.get(f"{server.url}/{use.__name__}")).text == expected
                assert len(ticks) > before
        for task in tasks:
            task.cancel()
            await stopped(task)
        before = len(ticks)
        await asyncio.sleep(0.01)
        assert len(ticks) > before, "the program goes on"
        ticking.cancel()

    ticks: list[int] = []
    run(main(), factory)


def test_an_application_and_a_handler_on_two_ports_of_one_program(factory: Factory) -> None:
    """Each is served by a task like others; to cancel the group drains both."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        said.append("begun")
        yield {"word": "hello"}
        said.append("ended")

    app = FastAPI(lifespan=lifespan)

    @app.get("/{who}")
    async def greet(who: str, request: fastapi.Request) -> str:
        return f"{request.state.word} {who}"

    async def plain(request: Request) -> Response:
        return Response(200, "plain")

    async def main() -> None:
        servers = [Server(Asgi(app), "127.0.0.1:0"), Server(plain, "127.0.0.1:0")]
        tasks = [await until_ready(server) for server in servers]
        async with httpx.AsyncClient() as client:
            texts = [(await client.get(f"{server.url}/you")).text for server in servers]
        assert texts == ['"hello you"', "plain"]
        for task in tasks:
            task.cancel()
        for task in tasks:
            await stopped(task)

    said: list[str] = []
    run(main(), factory)
    assert said == ["begun", "ended"]


# A database.


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    """The path of a Redis's socket."""
    path = tmp_path / "redis.sock"
    command = [need("redis-server"), "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Ready to accept connections" in line or "ready to accept connections" in line:
                break
        yield str(path)
        process.terminate()


class Visits:
    """A handler with a pool of connections to a database, from its startup to its shutdown."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.told: list[str] = []

    async def startup(self, server: Server) -> None:
        self.client: Any = redis.Redis(unix_socket_path=self.path, decode_responses=True)
        self.hearing: Any = self.client.pubsub()
        await self.hearing.subscribe("news")
        self.listener = asyncio.create_task(self._listen())

    async def shutdown(self) -> None:
        await self.listener
        await self.hearing.aclose()
        await self.client.aclose()

    async def __call__(self, request: Request) -> Response:
        async with self.client.pipeline(transaction=True) as pipe:
            number, _, length = await pipe.incr("visits").rpush("log", request.path).llen("log").execute()
        several = await asyncio.gather(*(self.client.get("visits") for _ in range(5)))
        if request.path == "/last":
            await self.client.publish("news", "the last")
        return Response(200, f"{number} {length} {set(several)}")

    async def _listen(self) -> None:
        async for message in self.hearing.listen():
            if message["type"] == "message":
                self.told.append(message["data"])
                return


def test_a_clients_connections_outlive_requests(database: str, factory: Factory) -> None:
    visits = Visits(database)
    with serving(visits, loop_factory=factory) as server:
        for number in range(1, 4):
            assert ask(server).body.decode() == f"{number} {number} {{'{number}'}}"
        assert ask(server, "/last").status == 200
    assert visits.told == ["the last"]
