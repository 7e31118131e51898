"""Who waits for whom: a function for its peer, a peer for its function, and a broadcast for nobody."""

import asyncio

from handlers.websocket import Closed, WebSocket, broadcast, websocket
from reactor import Settings
from tests.aio import Signal, serving
from tests.wire import reset

from .frames import BINARY, CLOSE, DEFLATE, PING, PONG, TEXT, Frame, Peer, SlowPeer, close, closing, frame, text


def test_send_waits_while_the_peer_does_not_take_it() -> None:
    full, sent = Signal(), []

    @websocket
    async def function(socket: WebSocket) -> None:
        async def fill() -> None:
            for number in range(20):
                await socket.send(b"x" * 1_000_000)
                sent.append(number)

        filling = asyncio.create_task(fill())
        while True:
            before = len(sent)
            await asyncio.sleep(0.1)
            if before == len(sent):
                break
        full.set(before)
        await filling

    with serving(function) as server, SlowPeer(server) as peer:
        assert full.wait() < 10
        for _ in range(20):
            assert peer.read() == Frame(BINARY, b"x" * 1_000_000)
        peer.expect_end(1000)


def test_who_waits_to_send_is_told_of_the_end() -> None:
    waits, ended = Signal(), Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        await socket.send(b"x" * 10_000_000)
        waits.set()
        try:
            await socket.send("more")
        except Closed as closed:
            ended.set(closed.code)

    with serving(function) as server, SlowPeer(server) as peer:
        waits.wait()
        reset(peer.sock)
        assert ended.wait() == 1006


def test_reading_stops_while_nobody_receives() -> None:
    come, go = Signal(), Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        come.set(asyncio.get_running_loop())
        go.set(released := asyncio.Event())
        await released.wait()
        number = 0
        async for message in socket:
            assert message == b"%d" % number + b"x" * 10_000
            number += 1
        come.set(number)

    with serving(function) as server, Peer(server) as peer:
        come.wait()
        sent, frames = 0, iter(range(10_000))
        peer.sock.settimeout(0.5)
        rest = b""
        try:
            for sent in frames:
                rest = frame(BINARY, b"%d" % sent + b"x" * 10_000)
                while rest:
                    rest = rest[peer.sock.send(rest) :]
        except TimeoutError:  # nobody takes any more
            pass
        assert sent < 2_000  # what the kernel takes
        loop, released = come.value, go.value
        come = Signal()
        peer.sock.settimeout(5)
        loop.call_soon_threadsafe(released.set)
        peer.send(rest, close())
        peer.expect_end(1000)
        assert come.wait() == sent + 1


def test_pings_are_answered_while_the_function_is_busy() -> None:
    @websocket
    async def function(socket: WebSocket) -> None:
        await asyncio.sleep(60)

    with serving(function, settings=Settings(timeout_graceful_shutdown=0.1)) as server, Peer(server) as peer:
        peer.send(text("unread"), frame(PING, b"still there?"))
        peer.expect(Frame(PONG, b"still there?"))


# Many.


def test_a_broadcast_reaches_all_that_are_open() -> None:
    sockets: list[WebSocket] = []
    come = Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        sockets.append(socket)
        if len(sockets) == 3:
            come.set()
        async for message in socket:
            broadcast(sockets, message)

    with serving(function) as server:
        with Peer(server) as first, Peer(server, Sec_WebSocket_Extensions=DEFLATE) as second, Peer(server) as third:
            come.wait()
            third.leave()
            first.send(text("hello"))
            for peer in (first, second):
                peer.expect(Frame(TEXT, b"hello"))
            second.send(frame(BINARY, b"long " * 1000))
            assert first.read() == Frame(BINARY, b"long " * 1000)
            squeezed = second.read()
            assert squeezed is not None
            assert (squeezed.rsv, len(squeezed.payload) < 100) == (4, True)


def test_a_broadcast_waits_for_nobody() -> None:
    sockets: dict[str, WebSocket] = {}
    come, ended = Signal(), Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        sockets[socket.request.path] = socket
        if len(sockets) == 2:
            come.set()
        try:
            async for message in socket:
                broadcast(list(sockets.values()), message)
        except Closed as closed:
            ended.set((socket.request.path, closed.code, closed.reason))

    with serving(function) as server, SlowPeer(server, "/slow") as slow:
        with Peer(server, "/quick") as quick:
            come.wait()
            for _ in range(40):
                quick.send(frame(BINARY, b"x" * 200_000))
                quick.expect(Frame(BINARY, b"x" * 200_000))
            assert ended.wait() == ("/slow", 1008, "too slow")
            frames = []
            while (got := slow.read()) is not None and got.opcode != CLOSE:
                frames.append(got)
            assert 5 <= len(frames) < 40
            assert got == closing(1008, b"too slow")
            quick.leave()
