"""How a WebSocket ends: by the function, by its error, by the server's end; and who is told what."""

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from handlers.websocket import Closed, WebSocket, websocket
from reactor import Server, Settings
from tests.aio import Signal, serving
from tests.wire import reset

from .frames import PING, TEXT, Frame, Peer, close, closing, frame, text

Function = Callable[[WebSocket], Awaitable[None]]


def closes_with(*arguments: Any) -> tuple[Function, Signal]:
    ended = Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        await socket.close(*arguments)
        await socket.close()  # once more is no more
        for refused in (socket.receive(), socket.send("x")):
            with pytest.raises(Closed):
                await refused
        ended.set((socket.code, socket.reason, [each async for each in socket] if socket.code == 1000 else []))

    return function, ended  # type: ignore[return-value]  # a handler, for what it is used


@pytest.mark.parametrize("arguments", [(), (1000, "done"), (4999, "é" * 61), (3000,), (1013,)])
def test_close_waits_for_the_peers(arguments: tuple[Any, ...]) -> None:
    function, ended = closes_with(*arguments)
    code, reason = (*arguments, "")[:2] if arguments else (1000, "")
    with serving(function) as server, Peer(server) as peer:
        peer.expect(closing(code, reason.encode()))
        assert ended.value is None
        peer.send(text("too late"), frame(PING), close(code))
        assert ended.wait() == (code, reason, [])
        assert peer.read() is None


def test_a_peer_that_answers_our_close_with_nonsense() -> None:
    function, ended = closes_with(4000)
    with serving(function) as server, Peer(server) as peer:
        peer.expect(closing(4000))
        peer.send(b"\xff\xff")
        assert peer.read() is None
        assert ended.wait() == (4000, "", [])


def test_close_waits_for_the_peers_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.websocket.session.CLOSE_TIMEOUT", 0.05)
    function, ended = closes_with()
    with serving(function) as server, Peer(server) as peer:
        peer.expect_end(1000)
        assert ended.wait() == (1000, "", [])


@pytest.mark.parametrize(
    "arguments", [(999,), (1004,), (1005,), (1006,), (1015,), (2999,), (5000,), (1000, "x" * 124), (1000, "é" * 62)]
)
def test_a_close_that_cannot_be_said(arguments: tuple[Any, ...]) -> None:
    said = Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        try:
            await socket.close(*arguments)
        except ValueError as error:
            said.set(str(error))

    with serving(function) as server, Peer(server) as peer:
        peer.expect_end(1000)
    assert "a close" in said.wait()


def test_both_close_at_once() -> None:
    @websocket
    async def function(socket: WebSocket) -> None:
        await socket.close(4000)

    with serving(function) as server, Peer(server) as peer:
        peer.send(close(4001))
        said = peer.read()
        assert said is not None
        assert said.payload in (struct.pack("!H", 4000), struct.pack("!H", 4001))
        assert peer.read() is None


def test_a_function_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    @websocket
    async def function(socket: WebSocket) -> None:
        message = await socket.receive()
        if message == "leave":
            raise SystemExit(3)
        raise ZeroDivisionError(message)

    with serving(function) as server:
        for word in ("x", "leave"):
            with Peer(server, "/here") as peer:
                peer.send(text(word))
                peer.expect_end(1011)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
        "function raised, in GET /here"
    ] * 2
    assert "ZeroDivisionError: x" in caplog.text


def test_the_end_of_another_socket_is_an_error_of_the_functions(caplog: pytest.LogCaptureFixture) -> None:
    sockets: list[WebSocket] = []

    @websocket
    async def function(socket: WebSocket) -> None:
        sockets.append(socket)
        async for message in socket:
            await sockets[0].send(message)

    with serving(function) as server:
        with Peer(server) as peer:
            peer.leave()
        with Peer(server) as peer:
            peer.send(text("hello"))
            peer.expect_end(1011)
    assert "handlers.websocket.ends.Closed: 1000" in caplog.text


@pytest.mark.parametrize("is_ours", [False, True])
def test_a_group_of_tasks_that_ends_with_the_client(is_ours: bool, caplog: pytest.LogCaptureFixture) -> None:
    ended = Signal()

    async def listen(socket: WebSocket) -> None:
        try:
            await socket.receive()
        finally:
            ended.set()
            if is_ours:
                raise ZeroDivisionError

    @websocket
    async def function(socket: WebSocket) -> None:
        async with asyncio.TaskGroup() as both:
            both.create_task(listen(socket))
            both.create_task(asyncio.sleep(60))

    with serving(function) as server, Peer(server) as peer:
        peer.leave()
        ended.wait()
    assert len(caplog.records) == is_ours


def test_a_peer_that_has_gone_is_told_by_send() -> None:
    ended, gone = Signal(), Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        try:
            while True:
                await socket.send("x" * 10_000)
                await asyncio.sleep(0)
        except Closed as closed:
            ended.set(closed.code)

    with serving(function) as server:
        with Peer(server) as peer:
            reset(peer.sock)
            gone.set()
        assert ended.wait() == 1006


# The server's end.


def test_a_server_that_stops_says_so_and_waits() -> None:
    ended = Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        await socket.send("here")
        messages = [message async for message in socket]
        ended.set((messages, socket.code))

    server = Server(function, "127.0.0.1:0")
    server.start()
    with Peer(server) as peer:
        peer.expect(Frame(TEXT, b"here"))
        server.drain()
        peer.expect(closing(1001))
        peer.send(close(1001))
        assert peer.read() is None
        assert ended.wait() == ([], 1001)
    server.stop()


def test_who_comes_while_the_server_stops_is_told_at_once() -> None:
    @websocket
    async def function(socket: WebSocket) -> None:
        async for _message in socket:
            pass

    server = Server(function, "127.0.0.1:0")
    server.start()
    with Peer(server) as first, Peer(server) as second:
        server.drain()
        for peer in (first, second):
            peer.expect(closing(1001))
            peer.send(close(1001))
            assert peer.read() is None
    server.stop()


def test_a_function_that_goes_on_is_cancelled_in_the_end() -> None:
    ended = Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.set(socket.code)
            raise

    with Server(function, "127.0.0.1:0", settings=Settings(timeout_graceful_shutdown=0.2)) as server:
        peer = Peer(server)
    assert ended.wait() == 1001
    with peer:
        peer.expect(closing(1001))
