"""Frames, as RFC 6455 has them and as it has not: what is sent to an echo, and all that comes back.

The cases go through the protocol in the order in which test suites for it do: framing, pings, reserved bits, opcodes,
fragments, UTF-8, the closing handshake, sizes, compression.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from handlers.websocket import WebSocket, websocket
from reactor import Server
from tests.aio import serving

from .frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    DEFLATE,
    PING,
    PONG,
    TEXT,
    Frame,
    Peer,
    close,
    closing,
    fragments,
    frame,
    text,
)

MIB = 1024 * 1024


@websocket
async def echo(socket: WebSocket) -> None:
    async for message in socket:
        await socket.send(message)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(echo) as server:
        yield server


def said(payload: str) -> Frame:
    return Frame(TEXT, payload.encode())


def is_like(frame: Frame | None, expected: Frame) -> bool:
    """A reason is for people: only where one is expected it is compared."""
    if frame is not None and expected.opcode == CLOSE == frame.opcode and len(expected.payload) == 2:
        return frame.payload[:2] == expected.payload
    return frame == expected


def exchange(server: Server, sent: bytes, expected: list[Frame], is_chopped: bool, **fields: str) -> None:
    """Send, and expect that and nothing else; a case that does not close is closed."""
    with Peer(server, **fields) as peer:
        if is_chopped:
            for octet in sent:
                try:
                    peer.send(bytes([octet]))
                except (BrokenPipeError, ConnectionResetError):  # it has had enough
                    break
        else:
            peer.send(sent)
        for each in expected:
            got = peer.read()
            if expected[-1] in (FAILED, INVALID) and is_like(got, expected[-1]):
                break  # it is told at once, and may be before the echo of what came with it
            assert is_like(got, each), (got, each)
        if expected and expected[-1].opcode == CLOSE:
            assert peer.read() is None
        else:
            peer.leave()


GREETING = "Grüße, \U0001f600"
HELLO = frame(TEXT, b"hello")
FAILED, INVALID = closing(1002), closing(1007)

CASES: dict[str, tuple[bytes, list[Frame]]] = {
    # Framing.
    "empty text": (frame(TEXT), [said("")]),
    "empty binary": (frame(BINARY), [Frame(BINARY, b"")]),
    **{f"text of {size}": (frame(TEXT, b"*" * size), [said("*" * size)]) for size in (1, 125, 126, 127, 128)},
    **{f"binary of {size}": (frame(BINARY, b"\xfe" * size), [Frame(BINARY, b"\xfe" * size)]) for size in (125, 126)},
    "several at once": (HELLO * 3, [said("hello")] * 3),
    "a mask of zeros": (b"\x81\x85\0\0\0\0hello", [said("hello")]),
    "no mask": (frame(TEXT, b"hello", is_masked=False), [FAILED]),
    "no mask on a ping": (frame(PING, is_masked=False), [FAILED]),
    "a length in two bytes that fits in one": (frame(TEXT, b"hello", width=2), [FAILED]),
    "a length in eight bytes that fits in one": (frame(TEXT, b"hello", width=8), [FAILED]),
    "a length in eight bytes that fits in two": (frame(BINARY, bytes(300), width=8), [FAILED]),
    "a length above 2**63": (b"\x82\xff" + (1 << 63).to_bytes(8, "big") + b"mask", [FAILED]),
    # Pings and pongs.
    "a ping without payload": (frame(PING), [Frame(PONG, b"")]),
    "a ping": (frame(PING, b"\x00\xff\xfe"), [Frame(PONG, b"\x00\xff\xfe")]),
    "a ping of 125": (frame(PING, b"\xfe" * 125), [Frame(PONG, b"\xfe" * 125)]),
    "a ping of 126": (frame(PING, b"\xfe" * 126), [FAILED]),
    "ten pings": (b"".join(frame(PING, b"%d" % n) for n in range(10)), [Frame(PONG, b"%d" % n) for n in range(10)]),
    "pongs that nobody asked for": (frame(PONG) + frame(PONG, b"payload") + frame(PING, b"x"), [Frame(PONG, b"x")]),
    "a ping in two frames": (frame(PING, b"a", False) + frame(CONTINUATION, b"b"), [FAILED]),
    "a pong in two frames": (frame(PONG, b"a", False) + frame(CONTINUATION, b"b"), [FAILED]),
    # Reserved bits.
    **{
        f"RSV {rsv} on opcode {opcode}": (frame(opcode, b"", rsv=rsv), [FAILED])
        for rsv in range(1, 8)
        for opcode in (TEXT, BINARY, CLOSE, PING, PONG)
    },
    "RSV behind a message": (HELLO + frame(TEXT, b"x", rsv=4), [said("hello"), FAILED]),
    # Opcodes.
    **{f"opcode {code}": (HELLO + frame(code), [said("hello"), FAILED]) for code in (*range(3, 8), *range(11, 16))},
    # Fragments.
    "two fragments": (b"".join(fragments(TEXT, [b"frag", b"ment"])), [said("fragment")]),
    "two of binary": (b"".join(fragments(BINARY, [b"\xff", b"\xfe"])), [Frame(BINARY, b"\xff\xfe")]),
    "empty fragments": (b"".join(fragments(TEXT, [b"", b"", b""])), [said("")]),
    "empty ones around": (b"".join(fragments(TEXT, [b"", b"middle", b""])), [said("middle")]),
    "many": (b"".join(fragments(TEXT, [b"x"] * 1000)), [said("x" * 1000)]),
    "a ping between": (
        frame(TEXT, b"frag", False) + frame(PING, b"now") + frame(CONTINUATION, b"ment"),
        [Frame(PONG, b"now"), said("fragment")],
    ),
    "pings everywhere": (
        frame(PING, b"1").join(fragments(BINARY, [b"a", b"", b"b"])),
        [Frame(PONG, b"1")] * 2 + [Frame(BINARY, b"ab")],
    ),
    "a continuation of nothing": (frame(CONTINUATION, b"x"), [FAILED]),
    "a continuation of nothing, with more to come": (frame(CONTINUATION, b"x", False), [FAILED]),
    "a continuation behind a message": (
        b"".join(fragments(TEXT, [b"a", b"b"])) + frame(CONTINUATION, b"c"), [said("ab"), FAILED],
    ),
    "a text within a text": (frame(TEXT, b"a", False) + frame(TEXT, b"b"), [FAILED]),
    "a binary within a text": (frame(TEXT, b"a", False) + frame(BINARY, b"b"), [FAILED]),
    # UTF-8: RFC 3629.
    "characters of each length": (text("aé€" + GREETING), [said("aé€" + GREETING)]),
    "a character between two fragments": (b"".join(fragments(TEXT, [b"\xc3", b"\xa9"])), [said("é")]),
    "a character in four fragments": (
        b"".join(fragments(TEXT, [bytes([each]) for each in "\U0001f600".encode()])), [said("\U0001f600")],
    ),
    "a NUL, and non-characters": (text("\0\ufffe\uffff\U0010ffff"), [said("\0\ufffe\uffff\U0010ffff")]),
    **{
        f"no UTF-8: {data.hex()}": (frame(TEXT, data), [INVALID])
        for data in (b"\xff", b"\x80", b"ab\xc3", b"\xc3\x28", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf",
                     b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\xaf", b"\xf4\x90\x80\x80",
                     b"\xf8\x88\x80\x80\x80", b"\xe2\x82")
    },
    "no UTF-8 in a fragment, told before the end": (HELLO + frame(TEXT, b"ab\xff", False), [said("hello"), INVALID]),
    "no UTF-8 over two fragments, told before the end": (
        frame(TEXT, b"a\xe0", False) + frame(CONTINUATION, b"\x80", False), [INVALID],
    ),
    "half a character at the end of the last fragment": (b"".join(fragments(TEXT, [b"a", b"\xc3"])), [INVALID]),
    "binary need not be UTF-8": (frame(BINARY, b"\xff\xc0"), [Frame(BINARY, b"\xff\xc0")]),
    # The closing handshake.
    "close": (close(1000), [closing(1000)]),
    "close without a code": (close(None), [closing(None)]),
    "close with a reason": (close(1000, b"that was all"), [closing(1000, b"that was all")]),
    "the longest reason": (close(1000, b"x" * 123), [closing(1000, b"x" * 123)]),
    "a close behind messages": (HELLO * 2 + close(1000), [said("hello")] * 2 + [closing(1000)]),
    "what comes behind a close is not looked at": (close(1000) + HELLO + b"\xff\xff\xff", [closing(1000)]),
    "a close within a message": (frame(TEXT, b"a", False) + close(1001), [closing(1001)]),
    "a close with half a code": (frame(CLOSE, b"\x03"), [FAILED]),
    "a close of 126": (close(1000, b"x" * 124), [FAILED]),
    "a close in two frames": (frame(CLOSE, struct.pack("!H", 1000), False), [FAILED]),
    "a reason that is no UTF-8": (close(1000, b"\xce\xba\xff"), [INVALID]),
    **{f"code {code}": (close(code), [closing(code)])
       for code in (1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999)},
    **{f"code {code}": (close(code), [FAILED])
       for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)},
}  # fmt: skip


@pytest.mark.parametrize("is_chopped", [False, True], ids=["whole", "chopped"])
@pytest.mark.parametrize("case", CASES)
def test_a_case(case: str, is_chopped: bool, server: Server) -> None:
    sent, expected = CASES[case]
    exchange(server, sent, expected, is_chopped)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [65535, 65536, 65537, MIB, 10 * MIB])
def test_a_size(opcode: int, size: int, server: Server) -> None:
    payload = b"*" * size
    exchange(server, frame(opcode, payload), [Frame(opcode, payload)], False)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [1000, 64 * 1024, MIB])
def test_10_mib_in_fragments(opcode: int, size: int, server: Server) -> None:
    payload = ("é" * 5 * MIB).encode()
    pieces = [payload[at : at + size + 1] for at in range(0, len(payload), size + 1)]  # which divides characters
    exchange(server, b"".join(fragments(opcode, pieces)), [Frame(opcode, payload)], False)


# permessage-deflate: RFC 7692.


def deflated(payload: bytes, squeeze: Any = None, is_final: bool = False) -> bytes:
    squeeze = squeeze or zlib.compressobj(wbits=-15)
    begin: bytes = squeeze.compress(payload)
    rest: bytes = squeeze.flush(zlib.Z_FINISH if is_final else zlib.Z_SYNC_FLUSH)
    return begin + (rest + b"\x00" if is_final else rest[:-4])  # RFC 7692 7.2.3.4, 7.2.1


def inflated(payload: bytes, bits: int = 15) -> bytes:
    return zlib.decompressobj(-bits).decompress(payload + b"\x00\x00\xff\xff")


SQUEEZED = deflated(b"hello")

COMPRESSED: dict[str, tuple[bytes, list[Frame]]] = {
    "as it is": (HELLO, [said("hello")]),
    "compressed": (frame(TEXT, deflated(b"hello"), rsv=4), [said("hello")]),
    "nothing, compressed": (frame(TEXT, deflated(b""), rsv=4), [said("")]),
    "binary": (frame(BINARY, deflated(b"\xff"), rsv=4), [Frame(BINARY, b"\xff")]),
    "in fragments": (b"".join(fragments(TEXT, [SQUEEZED[:3], SQUEEZED[3:]], rsv=4)), [said("hello")]),
    "in fragments, an empty one last": (b"".join(fragments(TEXT, [SQUEEZED, b""], rsv=4)), [said("hello")]),
    "with pings between": (
        frame(PING, b"!").join(fragments(TEXT, [SQUEEZED[:2], SQUEEZED[2:5], b"", SQUEEZED[5:]], rsv=4)),
        [Frame(PONG, b"!")] * 3 + [said("hello")],
    ),
    "one and the other": (
        frame(TEXT, deflated(b"one"), rsv=4) + HELLO + frame(TEXT, deflated(b"two"), rsv=4),
        [said("one"), said("hello"), said("two")],
    ),
    "a last block, and a message behind it": (
        frame(TEXT, deflated(b"one", is_final=True), rsv=4) + frame(TEXT, deflated(b"two"), rsv=4),
        [said("one"), said("two")],
    ),
    "something behind a last block": (frame(TEXT, deflated(b"one", is_final=True) + b"more", rsv=4), [INVALID]),
    "no deflate": (frame(TEXT, b"\xff\xff\xff", rsv=4), [INVALID]),
    "no deflate, found at the end": (frame(TEXT, b"\x01\x05\x00", rsv=4), [INVALID]),
    "no UTF-8 within": (frame(TEXT, deflated(b"\xff"), rsv=4), [INVALID]),
    "RSV1 on a continuation": (
        frame(TEXT, b"a", False) + frame(CONTINUATION, b"b", rsv=4), [FAILED],
    ),
    "RSV1 on a ping": (frame(PING, b"", rsv=4), [FAILED]),
    "RSV1 on a close": (frame(CLOSE, b"", rsv=4), [FAILED]),
    "RSV1 and RSV2": (frame(TEXT, b"", rsv=6), [FAILED]),
    "RSV3": (frame(TEXT, b"", rsv=1), [FAILED]),
}  # fmt: skip


@pytest.mark.parametrize("is_chopped", [False, True], ids=["whole", "chopped"])
@pytest.mark.parametrize("case", COMPRESSED)
def test_a_case_of_compression(case: str, is_chopped: bool, server: Server) -> None:
    exchange(server, *COMPRESSED[case], is_chopped, Sec_WebSocket_Extensions=DEFLATE)


@pytest.mark.parametrize(
    ("offer", "keeps_context", "bits"),
    [
        (DEFLATE, True, 15),
        (f"{DEFLATE}; client_no_context_takeover", False, 15),
        (f"{DEFLATE}; server_no_context_takeover; client_max_window_bits", True, 15),
        (f"{DEFLATE}; client_max_window_bits=9; server_max_window_bits=9", True, 9),
    ],
)
def test_long_messages_are_compressed_both_ways(offer: str, keeps_context: bool, bits: int, server: Server) -> None:
    with Peer(server, Sec_WebSocket_Extensions=offer) as peer:
        squeeze = None
        for number in range(20):
            payload = b"%d and so on, " % number * 1000
            if squeeze is None or not keeps_context:
                squeeze = zlib.compressobj(wbits=-bits)
            peer.send(frame(TEXT, deflated(payload, squeeze), rsv=4))
            answer = peer.read()
            assert answer is not None
            assert (answer.opcode, answer.rsv) == (TEXT, 4)
            assert len(answer.payload) < len(payload) / 10
            assert inflated(answer.payload, bits) == payload  # each for itself: no context is kept
        peer.leave()


def test_10_mib_compressed(server: Server) -> None:
    payload = b"0123456789abcdef" * (10 * MIB // 16)
    squeezed = deflated(payload)
    pieces = [squeezed[at : at + 1000] for at in range(0, len(squeezed), 1000)]
    with Peer(server, Sec_WebSocket_Extensions=DEFLATE) as peer:
        for sent in (frame(BINARY, squeezed, rsv=4), b"".join(fragments(BINARY, pieces, rsv=4))):
            peer.send(sent)
            answer = peer.read()
            assert answer is not None
            assert inflated(answer.payload) == payload
        peer.leave()
