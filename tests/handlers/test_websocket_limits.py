"""What one WebSocket may cost: messages, bombs, floods, silence. Each limit is seen to fire."""

import asyncio
import resource
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from wsproto.frame_protocol import Opcode, RsvBits

from handlers.websocket import Closed, WebSocket, websocket
from handlers.websocket import session as session_module
from handlers.websocket.deflate import Deflate
from handlers.websocket.frames import SLICE
from handlers.websocket.messages import MERGED, OVERHEAD, QUEUED, Assembly, Queue, TooBig
from reactor import Settings
from tests.aio import Signal, serving

from .frames import (
    BINARY,
    CONTINUATION,
    DEFLATE,
    PING,
    PONG,
    TEXT,
    Frame,
    Peer,
    SlowPeer,
    close,
    closing,
    fragments,
    frame,
    text,
)

MIB = 1024 * 1024


def echoes(**options: Any) -> Any:
    async def echo(socket: WebSocket) -> None:
        async for message in socket:
            await socket.send(message)

    return websocket(**options)(echo)


# Messages that are too long.


def squeezed(payload: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return (squeeze.compress(payload) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]


@pytest.mark.parametrize(
    "sent",
    [
        frame(TEXT, b"x" * 1001),
        frame(TEXT, ("é" * 500 + "x").encode()),  # bytes are counted, not letters
        frame(BINARY, b"x" * 1001),
        b"".join(fragments(TEXT, [b"x" * 500, b"x" * 500, b"x"])),
        b"".join(fragments(BINARY, [b"x" * 500, b"x" * 501])),
        b"\x82\xff" + (1 << 62).to_bytes(8, "big") + bytes(4) + bytes(1001),  # told when as much is here
        frame(TEXT, squeezed(b"x" * 1001), rsv=4),
        b"".join(fragments(BINARY, [squeezed(b"x" * 1001)[:5], squeezed(b"x" * 1001)[5:]], rsv=4)),
        frame(BINARY, squeezed(bytes(500 * MIB)), rsv=4),  # a bomb, of half a megabyte
    ],
    ids=lambda sent: f"{len(sent)} bytes {sent[:8].hex()}",
)
def test_a_message_that_is_too_long(sent: bytes) -> None:
    with serving(echoes(limit_message=1000)) as server, Peer(server, Sec_WebSocket_Extensions=DEFLATE) as peer:
        for fine in (b"x" * 1000, ("é" * 500).encode()):
            peer.send(frame(TEXT, fine))
            peer.expect(Frame(TEXT, fine))
        peer.send(frame(TEXT, squeezed(b"x" * 1000), rsv=4))
        peer.expect(Frame(TEXT, b"x" * 1000))
        peer.send(sent)
        peer.expect_end(1009, b"a message has 1000 bytes at most")


def test_the_limit_is_the_servers_for_a_body_unless_it_is_told() -> None:
    with serving(echoes(), settings=Settings(limit_body_size=10)) as server, Peer(server) as peer:
        peer.send(text("0123456789"), text("0123456789a"))
        assert (got := peer.read()) is not None
        assert got.payload[2:] == b"a message has 10 bytes at most"
    with serving(echoes(limit_message=0), settings=Settings(limit_body_size=10)) as server, Peer(server) as peer:
        peer.send(frame(BINARY, bytes(20 * MIB)))
        peer.expect(Frame(BINARY, bytes(20 * MIB)))
        peer.leave()


def test_a_bomb_is_not_inflated() -> None:
    deflate = Deflate(1000)
    proto: Any = None
    bomb = squeezed(bytes(100 * MIB))
    deflate.frame_inbound_header(proto, Opcode.BINARY, RsvBits(True, False, False), len(bomb))
    tracemalloc.start()
    assert deflate.frame_inbound_payload_data(proto, bomb) == 1009
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MIB


def test_an_end_of_deflate_that_never_ends_is_refused() -> None:
    """What comes behind a last block zlib would keep for ever."""
    squeeze = zlib.compressobj(wbits=-15)
    ended = squeeze.compress(b"x") + squeeze.flush(zlib.Z_FINISH)
    with serving(echoes()) as server, Peer(server, Sec_WebSocket_Extensions=DEFLATE) as peer:
        peer.send(frame(TEXT, ended, is_final=False, rsv=4), frame(CONTINUATION, bytes(100), is_final=False))
        peer.expect_end(1007)


# Pieces.


@pytest.mark.parametrize("letter", ["x", "é", b"x"])
def test_pieces_however_small_weigh_little(letter: Any) -> None:
    tracemalloc.start()
    assembly = Assembly(0)
    for _ in range(200_000):
        assert assembly.add(letter, False) is None
        assert assembly.add(letter[:0], False) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * MIB
    assert assembly.add(letter, True) == letter * 200_001
    assert assembly.add(letter * 3, True) == letter * 3


def test_a_message_begins_anew_behind_another() -> None:
    assembly = Assembly(3)
    assert assembly.add("ab", False) is None
    assert assembly.add("c", True) == "abc"
    assert assembly.add(b"abc", True) == b"abc"
    assert assembly.add("", True) == ""
    with pytest.raises(TooBig):
        assembly.add("éé", True)
    assert MERGED > 1


def test_the_queue_counts_small_messages_too() -> None:
    queue = Queue()
    count = 0
    while not queue.is_full:
        queue.put("")
        count += 1
    assert count == len(queue) == QUEUED // OVERHEAD
    while queue:
        queue.take()
    queue.put(b"x" * QUEUED)
    assert queue.is_full
    queue.clear()
    assert not queue.is_full


def test_tiny_messages_fill_the_queue_and_are_all_received() -> None:
    """Reading stops in the middle of what was read, and goes on."""
    held, ended = Signal(), Signal()

    @websocket
    async def function(socket: WebSocket) -> None:
        session = socket._session
        while not session._queue.is_full:
            await asyncio.sleep(0.01)
        held.set(len(session._queue))
        count = 0
        async for _message in socket:
            count += 1
        ended.set(count)

    with serving(function) as server, Peer(server) as peer:
        peer.send(frame(TEXT, b"") * 5000, close())
        assert held.wait() == QUEUED // OVERHEAD
        peer.expect(closing())
        assert ended.wait() == 5000


def test_closing_with_a_full_queue_reads_on() -> None:
    @websocket
    async def function(socket: WebSocket) -> None:
        while not socket._session._queue.is_full:
            await asyncio.sleep(0.01)
        await socket.close(4000)

    with serving(function) as server, Peer(server) as peer:
        peer.send(frame(TEXT, b"") * 5000)
        peer.expect_end(4000)


def test_who_does_not_answer_our_close_with_a_full_queue_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "CLOSE_TIMEOUT", 0.1)
    test_closing_with_a_full_queue_reads_on()

    @websocket
    async def function(socket: WebSocket) -> None:
        while not socket._session._queue.is_full:
            await asyncio.sleep(0.01)
        await socket.close(4000)

    with serving(function) as server, Peer(server) as peer:
        peer.send(frame(TEXT, b"") * 5000)
        peer.expect(closing(4000))
        assert peer.read() is None


# Floods.


@pytest.mark.parametrize(
    ("begin", "flood", "end"),
    [
        (b"", frame(PING), b""),
        (b"", frame(PONG), b""),
        (b"", frame(TEXT), b""),
        (frame(TEXT, is_final=False), frame(CONTINUATION, b"", is_final=False), frame(CONTINUATION)),
        (frame(TEXT, is_final=False), frame(CONTINUATION, b"x", is_final=False), frame(CONTINUATION)),
    ],
    ids=["pings", "pongs", "messages", "empty fragments", "small fragments"],
)
def test_a_flood_takes_turns(begin: bytes, flood: bytes, end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is here, BURST frames are looked at, and then it is the others' turn."""
    turns: list[int] = []
    on_event, take = session_module.Session._on_event, session_module.Session._take

    def taken(self: Any) -> bool:
        turns.append(0)
        return take(self)

    def counted(self: Any, event: Any) -> None:
        turns[-1] += 1
        on_event(self, event)

    @websocket
    async def function(socket: WebSocket) -> None:
        async for _message in socket:
            pass

    monkeypatch.setattr(session_module.Session, "_take", taken)
    monkeypatch.setattr(session_module.Session, "_on_event", counted)
    with serving(function) as server, Peer(server) as peer:
        peer.send(begin, flood * 10_000, end, close())
        while (got := peer.read()) == Frame(PONG, b""):
            pass
        assert got == closing()
    assert 10_000 <= sum(turns) <= 10_003
    assert max(turns) == session_module.BURST


def test_what_unpacks_to_much_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cut where it comes in, for as much may be in one frame of it as a message may have."""
    weights: list[int] = []
    on_event, take = session_module.Session._on_event, session_module.Session._take

    def taken(self: Any) -> bool:
        weights.append(0)
        return take(self)

    def counted(self: Any, event: Any) -> None:
        weights[-1] += len(getattr(event, "data", ""))
        on_event(self, event)

    monkeypatch.setattr(session_module.Session, "_take", taken)
    monkeypatch.setattr(session_module.Session, "_on_event", counted)
    sent = frame(BINARY, squeezed(bytes(16 * MIB)), rsv=4)  # it is 16 KiB
    with serving(echoes()) as server, Peer(server, Sec_WebSocket_Extensions=DEFLATE) as peer:
        peer.send(sent)
        assert (got := peer.read()) is not None
        assert zlib.decompressobj(wbits=-15).decompress(got.payload) == bytes(16 * MIB)
        peer.leave()
    assert sum(weights) == 16 * MIB
    assert max(weights) < 1032 * SLICE + MIB


def test_who_pings_and_does_not_read_is_not_read() -> None:
    sessions: list[Any] = []

    @websocket
    async def function(socket: WebSocket) -> None:
        sessions.append(socket._session)
        async for _message in socket:
            pass

    with serving(function) as server, SlowPeer(server) as peer:
        peer.sock.settimeout(0.5)
        flood = frame(PING, b"x" * 125) * 100_000
        with pytest.raises(TimeoutError):
            peer.sock.sendall(flood)
        assert 0 < sessions[0].owed < MIB


# Silence.


def test_a_peer_that_answers_pings_stays() -> None:
    with serving(echoes(ping_interval=0.05, ping_timeout=0.5)) as server, Peer(server) as peer:
        for _ in range(5):
            peer.expect(Frame(PING, b""))
            peer.send(frame(PONG))
        peer.leave()


def test_any_byte_is_a_sign_of_life() -> None:
    with serving(echoes(ping_interval=0.05, ping_timeout=0.2)) as server, Peer(server) as peer:
        for each in text("takes its time"):
            peer.expect(Frame(PING, b""))
            peer.send(bytes([each]))
        while (got := peer.read()) == Frame(PING, b""):
            pass
        assert got == Frame(TEXT, b"takes its time")


def test_a_peer_that_is_silent_is_given_up() -> None:
    ended = Signal()

    @websocket(ping_interval=0.05, ping_timeout=0.2)
    async def function(socket: WebSocket) -> None:
        try:
            async for _message in socket:
                pass
        except Closed as closed:
            ended.set((closed.code, closed.reason))

    with serving(function) as server, Peer(server) as peer:
        pings = 0
        while (got := peer.read()) == Frame(PING, b""):
            pings += 1
        assert 3 <= pings <= 6
        assert got is not None
        assert got == closing(1011, b"no answer to a ping")
        assert peer.read() is None
        assert ended.wait() == (1011, "no answer to a ping")


@pytest.mark.parametrize(("interval", "timeout", "pings"), [(0.0, 0.1, 0), (0.02, 0.0, 3)])
def test_pings_and_their_timeout_can_be_off(interval: float, timeout: float, pings: int) -> None:
    with serving(echoes(ping_interval=interval, ping_timeout=timeout)) as server, Peer(server) as peer:
        for _ in range(pings):
            peer.expect(Frame(PING, b""))
        peer.sock.settimeout(0.3)
        if not pings:
            with pytest.raises(TimeoutError):
                peer.read()
            peer.sock.settimeout(5)
            peer.leave()


@pytest.mark.parametrize("does_read", [True, False], ids=["not read by us", "not read by them"])
def test_nobody_is_given_up_for_what_is_not_theirs(does_read: bool) -> None:
    """While we read nothing, and while a ping has not left."""
    go = Signal()

    @websocket(ping_interval=0.05, ping_timeout=0.05)
    async def function(socket: WebSocket) -> None:
        if not does_read:
            await socket.send(b"x" * 20 * MIB)
        await asyncio.sleep(0.4)
        go.set(socket.code)
        async for _message in socket:
            pass

    with serving(function) as server, SlowPeer(server) as peer:
        if does_read:
            peer.send(frame(TEXT, b"") * 5000)
        assert go.wait() is None


# Memory.


def idle_bytes(prepare: Callable[[Peer], None], **fields: str) -> float:
    """What one more open WebSocket takes, as Python counts it."""
    with serving(echoes()) as server:
        peers: list[Peer] = []

        def more(count: int) -> int:
            for _ in range(count):
                peer = Peer(server, **fields)
                prepare(peer)
                peers.append(peer)
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        before = more(20)
        after = more(100)
        tracemalloc.stop()
        for peer in peers:
            peer.sock.close()
        return (after - before) / 100


def test_an_open_websocket_weighs_little() -> None:
    def say_hello(peer: Peer) -> None:
        peer.send(text("hello"))
        peer.expect(Frame(TEXT, b"hello"))

    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 400
    plain, compressing = idle_bytes(say_hello), idle_bytes(say_hello, Sec_WebSocket_Extensions=DEFLATE)
    assert plain < 25_000
    assert compressing < plain + 2_000
