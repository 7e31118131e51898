"""A WebSocket client that says whatever it is told to, frame by frame, and reads what comes to the byte."""

import base64
import os
import socket
import struct
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from reactor import Server
from tests.aio import port_of
from tests.wire import Answer, connect, read_response

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

KEY = base64.b64encode(b"sixteen bytes 16")
DEFLATE = "permessage-deflate"


class Frame(NamedTuple):
    opcode: int
    payload: bytes
    is_final: bool = True
    rsv: int = 0


def frame(
    opcode: int,
    payload: bytes = b"",
    is_final: bool = True,
    rsv: int = 0,
    is_masked: bool = True,
    width: int = 0,
    key: bytes = b"",
) -> bytes:
    """A frame as a client sends it. `rsv`: 4, 2, 1 for RSV1 to RSV3; `width`: bytes of its extended length (0: as
    few as will do); `key`: of its mask (b"": any)."""
    size = len(payload)
    width = width or (0 if size < 126 else 2 if size < 65536 else 8)
    mask = (key or os.urandom(4)) if is_masked else b""
    short = {0: size, 2: 126, 8: 127}[width] | (0x80 if is_masked else 0)
    head = bytes([is_final << 7 | rsv << 4 | opcode, short]) + (size.to_bytes(width, "big") if width else b"")
    return head + mask + (masked(payload, mask) if is_masked else payload)


def masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def text(payload: str) -> bytes:
    return frame(TEXT, payload.encode())


def close(code: int | None = 1000, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def closing(code: int | None = 1000, reason: bytes = b"") -> Frame:
    """The close frame that is expected."""
    return Frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def opening(path: str = "/", **fields: str) -> bytes:
    """The head of a request for a WebSocket; `fields` come in addition or in place, without where they are empty."""
    lines = {
        "Host": "x", "Connection": "Upgrade", "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY.decode(),
    } | {name.replace("_", "-"): value for name, value in fields.items()}  # fmt: skip
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1")


def asked(server: Server, head: bytes) -> Answer:
    with connect(port_of(server)) as sock:
        sock.sendall(head)
        return read_response(sock)


class Peer:
    """A WebSocket, opened. `answer`: the 101."""

    receive_buffer = 0  # bytes; 0: as many as the system likes

    def __init__(self, server: Server, path: str = "/", **fields: str) -> None:
        self.sock = connect(port_of(server), self.receive_buffer)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.sendall(opening(path, **fields))
        self.answer = read_response(self.sock)
        assert self.answer.status == 101, self.answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.sock.close()

    def send(self, *frames: bytes) -> None:
        self.sock.sendall(b"".join(frames))

    def read(self) -> Frame | None:
        """The next frame; None where the connection has ended."""
        head = self._read(2, may_end=True)
        if not head:
            return None
        assert not head[1] & 0x80, "a server masks nothing (RFC 6455 5.1)"
        size = head[1] & 0x7F
        if size > 125:
            size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
        return Frame(head[0] & 0x0F, self._read(size), bool(head[0] & 0x80), head[0] >> 4 & 7)

    def expect(self, *frames: Frame) -> None:
        for each in frames:
            assert self.read() == each

    def expect_end(self, code: int | None, reason: bytes | None = None) -> bytes:
        """A close frame with this code, and, when it has been answered, the end; the reason."""
        said = self.read()
        assert said is not None
        assert said.opcode == CLOSE
        if code is None:
            assert said.payload == b""
        else:
            assert struct.unpack("!H", said.payload[:2]) == (code,), said
        assert reason in (None, said.payload[2:])
        self.send(frame(CLOSE, said.payload))
        assert self.read() is None
        return said.payload[2:]

    def leave(self) -> None:
        """Close it as one should."""
        self.send(close(1000))
        self.expect(closing(1000))
        assert self.read() is None

    def _read(self, count: int, may_end: bool = False) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            if not piece:
                if may_end and not data:
                    return b""
                raise EOFError(f"the server ended inside a frame, behind {bytes(data)!r}")
            data += piece
        return bytes(data)


def fragments(opcode: int, pieces: Iterable[bytes], rsv: int = 0) -> list[bytes]:
    """One message in several frames."""
    pieces = list(pieces)
    last = len(pieces) - 1
    return [
        frame(CONTINUATION if number else opcode, piece, number == last, 0 if number else rsv)
        for number, piece in enumerate(pieces)
    ]


class SlowPeer(Peer):
    """One that takes little of what it does not read."""

    receive_buffer = 4096
