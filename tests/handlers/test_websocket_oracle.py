"""Frames in any order, good and bad, cut anywhere: we make of them what the parser of `websockets` makes of them.

What is compared: the messages, the pongs, and the code of the close. Not generated, because the two rightly differ:
text that is no UTF-8 (that parser leaves it to others), lengths in more bytes than needed, and deflate that ends where
it may not (which it lets pass).
"""

import asyncio
import struct
import zlib
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side

from handlers.websocket.deflate import Deflate, negotiated
from handlers.websocket.ends import Closed
from handlers.websocket.session import Limits, Session
from reactor import Later

from .frames import BINARY, CLOSE, CONTINUATION, DEFLATE, PING, PONG, TEXT, close, frame

LIMIT = 200  # bytes of a message
REFUSED = {1002, 1007, 1009}  # of what is wrong in several ways, one or the other is told

Outcome = tuple[list[str | bytes], list[bytes], int | None]  # messages, pongs, the code of the close


def squeezed(payload: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return (squeeze.compress(payload) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]


def made(opcode: int, payload: bytes, is_final: bool = True, rsv: int = 0) -> bytes:
    return frame(opcode, payload, is_final, rsv, key=b"mask")


payloads = st.binary(max_size=20).map(lambda data: bytes(each & 0x7F for each in data))
codes = st.integers(0, 5100).map(lambda code: struct.pack("!H", code))
letters = st.integers(0, 300).map(lambda count: b"x" * count)
usual = st.one_of(
    st.builds(made, st.sampled_from([TEXT, BINARY, CONTINUATION]), payloads, st.booleans()),
    st.builds(made, st.just(TEXT), letters),
    st.builds(made, st.just(TEXT), payloads.map(squeezed), st.booleans(), st.just(4)),
    st.builds(made, st.just(BINARY), letters.map(squeezed), st.just(True), st.just(4)),
    st.builds(made, st.sampled_from([PING, PONG]), payloads),
)
odd = st.one_of(
    st.builds(made, st.integers(0, 15), payloads, st.booleans(), st.sampled_from([1, 2, 3, 5, 6, 7])),
    st.builds(made, st.sampled_from([*range(3, 8), *range(PING, 16)]), payloads, st.booleans(), st.just(0)),
    st.builds(made, st.sampled_from([CONTINUATION, PING, PONG]), payloads, st.booleans(), st.just(4)),
    st.builds(made, st.just(PING), st.integers(120, 130).map(bytes)),
    st.builds(made, st.just(CLOSE), st.one_of(codes, payloads)),
    payloads.map(lambda data: frame(TEXT, data, is_masked=False)),
)
streams = st.builds(lambda many, few: b"".join(many + few), st.lists(usual, max_size=8), st.lists(odd, max_size=2))


class Wire:
    """The link of a session under test: what it says is kept."""

    owed = 0

    def __init__(self) -> None:
        self.said = b""
        self.is_closed = False

    def send(self, data: bytes) -> None:
        self.said += data

    def end(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.is_closed = True


def told(said: bytes) -> tuple[list[bytes], int | None]:
    """The pongs in what was said, and the code of the close, if there is one; 1005 if it has none."""
    pongs: list[bytes] = []
    while said:
        opcode, size = said[0] & 15, said[1]
        assert size <= 125  # a server masks nothing, and nothing else is sent here
        payload, said = said[2 : 2 + size], said[2 + size :]
        if opcode == CLOSE:
            return pongs, int.from_bytes(payload[:2], "big") if payload else 1005
        assert opcode == PONG
        pongs.append(payload)
    return pongs, None


async def of_ours(pieces: list[bytes], deflate: Deflate | None) -> Outcome:
    session = Session(asyncio.get_running_loop(), Limits(LIMIT, 0, 0), deflate, lambda: None)
    wire = Wire()
    session.on_connect(wire)
    for piece in pieces:
        room = session.feed(piece)
        while isinstance(room, Later) and not room.is_answered:
            await asyncio.sleep(0)
        if wire.is_closed:
            break
    messages: list[str | bytes] = []
    while session._queue:
        messages.append(await session.receive())
    if session._goodbye is not None:
        try:
            await session.receive()
        except Closed:
            assert wire.is_closed
    pongs, code = told(wire.said)
    session.on_close()
    return messages, pongs, code


def of_theirs(pieces: list[bytes], is_compressed: bool) -> Outcome:
    protocol: Any = Protocol(Side.SERVER, max_size=LIMIT)
    if is_compressed:
        protocol.extensions = [PerMessageDeflate(False, True, 15, 15)]
    events: list[Any] = []
    for piece in pieces:
        protocol.receive_data(piece)
        events += protocol.events_received()
    messages: list[str | bytes] = []
    parts: list[bytes] = []
    is_text = False
    for event in events:
        if event.opcode in (Opcode.TEXT, Opcode.BINARY):
            is_text = event.opcode == Opcode.TEXT
        if event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            parts.append(bytes(event.data))
            if event.fin:
                message = b"".join(parts)
                messages.append(message.decode() if is_text else message)
                parts = []
    pongs, code = told(b"".join(protocol.data_to_send()))
    return messages, pongs, code


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(stream), *(place % (len(stream) + 1) for place in places)})
    return [stream[begin:end] for begin, end in pairwise(edges)]


@settings(max_examples=500, deadline=None)
@given(streams, st.lists(st.integers(0, 5000), max_size=4), st.booleans())
def test_we_and_another_parser_agree(stream: bytes, places: list[int], is_compressed: bool) -> None:
    deflate = Deflate(LIMIT) if is_compressed else None
    if deflate is not None:
        assert negotiated(deflate, DEFLATE) is not None
    pieces = cut(stream, places)
    *ours, our_code = asyncio.run(of_ours(pieces, deflate))
    *other, other_code = of_theirs(pieces, is_compressed)
    assert ours == other
    if our_code != other_code:
        # It lets no close come within a message, where RFC 6455 5.4 has control frames come.
        is_close_within = other_code == 1002 and our_code is not None
        assert is_close_within or {our_code, other_code} <= REFUSED


def test_the_comparison_sees_something() -> None:
    pieces = [frame(TEXT, b"a", False), frame(PING, b"p"), frame(CONTINUATION, b"b"), close(4000)]
    expected: Outcome = (["ab"], [b"p"], 4000)
    assert asyncio.run(of_ours(pieces, None)) == of_theirs(pieces, False) == expected
