"""What a function has of a WebSocket: what it receives and sends, and what it is told when the peer has done."""

import asyncio
import gc
import weakref
from socket import SHUT_WR
from typing import Any

import pytest
import uvloop

from handlers.websocket import Closed, Limits, WebSocket, websocket
from handlers.websocket.session import Session
from reactor import Server
from tests.aio import Signal, port_of, serving
from tests.wire import reset

from .frames import BINARY, PING, TEXT, Frame, Peer, close, closing, frame, text


def test_messages_are_text_or_bytes() -> None:
    seen: list[object] = []

    @websocket
    async def function(socket: WebSocket) -> None:
        seen.append(await socket.receive())
        seen.append(await socket.receive())
        await socket.send("grüße")
        await socket.send(b"\xff")
        await socket.send(bytearray(b"\xfe"))
        await socket.send(memoryview(b"\xfd"))
        with pytest.raises(TypeError, match="str or bytes, not int"):
            await socket.send(1)  # type: ignore[arg-type]  # it is wrong
        with pytest.raises(UnicodeEncodeError):
            await socket.send("\ud800")
        assert socket.code is None

    with serving(function) as server, Peer(server) as peer:
        peer.send(text("grüße"), frame(BINARY, b"\xff"))
        peer.expect(Frame(TEXT, "grüße".encode()))
        peer.expect(*[Frame(BINARY, each) for each in (b"\xff", b"\xfe", b"\xfd")])
        peer.expect_end(1000, b"")
    assert seen == ["grüße", b"\xff"]


@pytest.mark.parametrize("code", [1000, 1001, None])
def test_iteration_ends_where_the_peer_has_done(code: int | None) -> None:
    ended = Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        messages = [message async for message in socket]
        ended.set((messages, socket.code, socket.reason))

    with serving(function) as server, Peer(server) as peer:
        peer.send(text("one"), text("two"), close(code, b"" if code is None else b"bye"))
        peer.expect(closing(code, b"" if code is None else b"bye"))
        assert ended.wait() == (["one", "two"], code or 1005, "" if code is None else "bye")
        assert peer.read() is None


def test_iteration_raises_where_it_ended_otherwise(caplog: pytest.LogCaptureFixture) -> None:
    ended = Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        try:
            async for _message in socket:
                pass
        except ConnectionError as error:
            ended.set(error)
            raise  # it is no error of the function's

    with serving(function) as server:
        with Peer(server) as peer:
            peer.send(close(4000, b"enough"))
            error = ended.wait()
            assert isinstance(error, Closed)
            assert (error.code, error.reason, str(error)) == (4000, "enough", "4000 enough")
            peer.expect_end(4000)
        ended = Signal()
        with Peer(server) as peer:
            peer.send(text("hello"))
        assert (ended.wait().code, str(ended.value)) == (1006, "1006")
        ended = Signal()
        with Peer(server) as peer:
            reset(peer.sock)
        assert ended.wait().code == 1006
    assert not caplog.records


def test_what_came_before_the_end_is_received() -> None:
    go, ended = Signal(), Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        while socket.code is None:
            await asyncio.sleep(0.01)
        ended.set([message async for message in socket] if go.value else await socket.receive())

    with serving(function) as server, Peer(server) as peer:
        peer.send(text("one"), text("two"), close(1000))
        peer.expect_end(1000)  # after a while, whether the messages were received or not
        assert ended.wait() == "one"


def test_the_answer_to_what_came_before_a_close_is_sent_before_its_answer() -> None:
    @websocket
    async def function(socket: WebSocket) -> None:
        async for message in socket:
            await asyncio.sleep(0.05)
            await socket.send(message)

    with serving(function) as server, Peer(server) as peer:
        peer.send(text("one"), text("two"), close(1000, b"bye"))
        peer.sock.shutdown(SHUT_WR)  # it listens still
        peer.expect(Frame(TEXT, b"one"), Frame(TEXT, b"two"), closing(1000, b"bye"))
        assert peer.read() is None


def test_what_comes_behind_a_close_is_not_heard() -> None:
    go = Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        await socket.receive()
        go.set()
        while socket._session._goodbye is None:
            await asyncio.sleep(0.01)
        await socket.send("heard")
        await asyncio.sleep(0.05)
        await socket.send("more")
        with pytest.raises(Closed, match="4000"):
            await socket.receive()

    with serving(function) as server, Peer(server) as peer:
        peer.send(text("one"))
        go.wait()
        peer.send(close(4000))
        peer.expect(Frame(TEXT, b"heard"))
        peer.send(b"\xff" * 100)
        peer.expect(Frame(TEXT, b"more"), closing(4000))
        assert peer.read() is None


def test_a_session_that_was_closed_before_it_was_connected() -> None:
    class Wire:
        owed = 0
        said: list[object] = []  # noqa: RUF012  # of one

        def send(self, data: bytes) -> None:
            self.said.append(data)

        def end(self) -> None:
            self.said.append("end")

        def close(self) -> None:
            self.said.append("close")

    async def program() -> None:
        session = Session(asyncio.get_running_loop(), Limits(0), None, lambda: None)
        session.close(1011)
        wire = Wire()
        session.on_connect(wire)
        assert wire.said == ["close"]
        await session.wait_closed()

    asyncio.run(program())


def test_who_closes_in_reply_to_a_close_echoes_it() -> None:
    @websocket
    async def function(socket: WebSocket) -> None:
        await socket.receive()
        await asyncio.sleep(0.05)
        await socket.close(4001)

    with serving(function) as server, Peer(server) as peer:
        peer.send(text("one"), close(4000))
        peer.expect_end(4000)


def test_who_goes_while_its_close_is_not_answered_has_closed() -> None:
    codes, come = Signal(), Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        await socket.receive()
        come.set()
        while socket.code is None:
            await asyncio.sleep(0.01)
        codes.set(socket.code)

    with serving(function) as server, Peer(server) as peer:
        peer.send(text("one"), close(4000))
        come.wait()
        reset(peer.sock)
        assert codes.wait() == 4000


def test_nothing_is_left_of_it() -> None:
    refs: list[weakref.ref[Any]] = []
    ended = Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        refs.append(weakref.ref(socket._session))
        async for _message in socket:
            pass
        ended.set()

    with serving(function) as server:
        gc.collect()
        gc.disable()
        try:
            with Peer(server) as peer:
                peer.send(text("x"))
                peer.leave()
            ended.wait()
            with Peer(server):  # what was to be done about the other has been
                assert refs[0]() is None
        finally:
            gc.enable()


def test_it_runs_beside_a_loop_of_ones_own() -> None:
    """`await serve()`, in a program that runs asyncio."""

    @websocket
    async def function(socket: WebSocket) -> None:
        async for message in socket:
            await socket.send(message)

    def talk(server: Server) -> None:
        assert port_of(server)
        with Peer(server) as peer:
            peer.send(text("hello"))
            peer.expect(Frame(TEXT, b"hello"))
            peer.leave()

    async def program() -> None:
        ready = asyncio.Event()
        server = Server(function, "127.0.0.1:0")
        serving = asyncio.create_task(server.serve(lambda _: ready.set()))
        await ready.wait()
        await asyncio.to_thread(talk, server)
        serving.cancel()
        await asyncio.wait([serving])

    asyncio.run(program())


def test_it_runs_in_another_loop() -> None:
    @websocket(ping_interval=0.05)
    async def function(socket: WebSocket) -> None:
        async for message in socket:
            await socket.send(message)

    with serving(function, loop_factory=uvloop.new_event_loop) as server, Peer(server) as peer:
        peer.expect(Frame(PING, b""))
        peer.send(frame(BINARY, b"x" * 1_000_000))
        while (got := peer.read()) == Frame(PING, b""):
            pass
        assert got == Frame(BINARY, b"x" * 1_000_000)
