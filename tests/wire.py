"""A raw client: sends any bytes, reads answers strictly and to the byte, tells a clean end from a reset.

Everything works on plain sockets and takes nothing from them beyond what it returns. A wait has a deadline: a
server that is silent fails the test with TimeoutError, one that resets with ConnectionResetError.
"""

import re
import socket
import struct
from dataclasses import dataclass

DEADLINE = 5.0  # seconds for any single read or write

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) ([\t -~]*)")
_FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ([\t -~\x80-\xff]*)")
_CHUNK_LINE = re.compile(rb"[0-9a-f]+")


class BadAnswer(AssertionError):
    """What the server sent is not one well-formed answer."""


@dataclass(frozen=True)
class Answer:
    """One answer. `fields`: as sent, in order. `framing`: how the end of the body was told: "length", "chunked",
    "close", or "none" where there is no body by RFC 9112 6.3."""

    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes
    framing: str

    def field(self, name: str) -> str | None:
        """The value of a field that may be there once at most."""
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        if len(values) > 1:
            raise BadAnswer(f"{name} is there {len(values)} times")
        return values[0] if values else None


def connect(port: int, receive_buffer: int = 0) -> socket.socket:
    """A connection to 127.0.0.1; `receive_buffer`: bytes of SO_RCVBUF, for a reader that wants to look slow."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(DEADLINE)
    sock.connect(("127.0.0.1", port))
    return sock


def reset(sock: socket.socket) -> None:
    """Close with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def read_all(sock: socket.socket) -> bytes:
    """Everything up to the server's FIN; raises ConnectionResetError where it is a reset."""
    pieces = []
    while piece := sock.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def read_response(sock: socket.socket, method: str = "GET") -> Answer:
    """The next answer (a 1xx is one), to a request of `method`; raises EOFError where it ends before its end."""
    lines = _read_head(sock)
    status_line = _STATUS_LINE.fullmatch(lines[0])
    if status_line is None:
        raise BadAnswer(f"no status line: {lines[0]!r}")
    fields = []
    for line in lines[1:]:
        field = _FIELD_LINE.fullmatch(line)
        if field is None:
            raise BadAnswer(f"no field line: {line!r}")
        fields.append((field[1].decode(), field[2].decode("latin-1")))
    status = int(status_line[1])
    head = Answer(status, status_line[2].decode(), fields, b"", "none")
    coding, length = head.field("Transfer-Encoding"), head.field("Content-Length")
    if coding is not None and (coding != "chunked" or length is not None):
        raise BadAnswer(f"Transfer-Encoding: {coding} with Content-Length: {length}")
    if method == "HEAD" or status < 200 or status in (204, 304):
        return head
    if coding is not None:
        return Answer(status, head.reason, fields, _read_chunks(sock), "chunked")
    if length is not None:
        return Answer(status, head.reason, fields, _read_exactly(sock, int(length)), "length")
    return Answer(status, head.reason, fields, read_all(sock), "close")


def _read_head(sock: socket.socket) -> list[bytes]:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += _read_exactly(sock, 1)
    return head[:-4].split(b"\r\n")


def _read_exactly(sock: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError(f"the server closed {count - len(data)} bytes early, behind {bytes(data[-80:])!r}")
        data += piece
    return bytes(data)


def _read_chunks(sock: socket.socket) -> bytes:
    body: list[bytes] = []
    while True:
        line = b""
        while not line.endswith(b"\r\n"):
            line += _read_exactly(sock, 1)
        if _CHUNK_LINE.fullmatch(line[:-2]) is None:
            raise BadAnswer(f"no chunk size: {line!r}")
        chunk = _read_exactly(sock, int(line, 16) + 2)
        if not chunk.endswith(b"\r\n"):
            raise BadAnswer("a chunk without CRLF behind it")
        if chunk == b"\r\n":
            return b"".join(body)
        body.append(chunk[:-2])
