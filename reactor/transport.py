"""Transports: one surface over what carries the bytes.

`recv`, `send` and `sendmsg` are the socket's own: they raise BlockingIOError for "not now" and another
OSError for "never again". Law: nothing above this file touches a socket.
"""

import fcntl
import io
import os
import select
import socket
import struct
import sys
import termios
from collections.abc import Callable, Sequence
from typing import BinaryIO

# One read. At 128 KiB and more, malloc turns to mmap for the buffer: five times the cost.
RECV_SIZE = 64 * 1024
BODY_SIZE = 124 * 1024  # where a body is known to come: half as many reads, a quarter less for an upload of 1 MiB

_MORE = getattr(socket, "MSG_MORE", 0)
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds


class FileError(Exception):
    """A file that was to be sent cannot be read: the file's fault and not the peer's, as an OSError would be."""


def read_piece(file: BinaryIO, offset: int, count: int) -> bytes:
    """Up to `count` bytes of `file` from `offset`; FileError."""
    try:
        file.seek(offset)
        return file.read(count)
    except (OSError, ValueError) as error:
        raise FileError(str(error)) from error


def close_descriptor(fd: int) -> None:
    """Close what was detached from a transport."""
    try:
        socket.close(fd)
    except OSError:
        pass  # it is gone all the same (close(2))


class Transport:
    """A connected stream socket, non-blocking.

    `recv(size) -> bytes` and `send(data) -> int` are bound once per connection: looking them up through the socket
    costs 35 ns a call.
    """

    __slots__ = ("_socket", "recv", "send")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.recv: Callable[[int], bytes] = sock.recv
        self.send: Callable[[bytes | bytearray | memoryview], int] = sock.send

    def fileno(self) -> int:
        return self._socket.fileno()

    def send_more(self, data: bytes | bytearray | memoryview) -> int:
        """`send`, where more follows at once: a packet less (MSG_MORE in tcp(7))."""
        return self._socket.send(data, _MORE)

    def sendmsg(self, buffers: Sequence[bytes | bytearray | memoryview]) -> int:
        return self._socket.sendmsg(buffers)

    def sendfile(self, file: BinaryIO, offset: int, count: int) -> int:
        """Send up to `count` bytes of `file` from `offset`; returns how many left, 0 at the file's end. FileError."""
        if isinstance(getattr(file, "raw", file), io.FileIO):  # else its descriptor's bytes are not its own (gzip)
            try:
                return os.sendfile(self._socket.fileno(), file.fileno(), offset, count)
            except (BlockingIOError, ConnectionError, TimeoutError):
                raise
            except (OSError, ValueError):
                pass  # closed, or nothing that sendfile takes
        data = read_piece(file, offset, min(count, RECV_SIZE))
        return self._socket.send(data) if data else 0

    def shutdown_write(self) -> None:
        """Send FIN: we have said all we had to say."""
        self._socket.shutdown(socket.SHUT_WR)

    def queued(self) -> int:
        """Bytes that the kernel took and the peer has not acknowledged (SIOCOUTQ in tcp(7) and unix(7))."""
        try:
            return int.from_bytes(fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        except OSError:
            return 0  # no such question here

    def has_failed(self) -> bool:
        """Whether the connection is reset, or closed from both sides, asked without reading."""
        poll = select.poll()
        poll.register(self._socket, 0)  # for nothing: errors and hang-ups are told all the same
        return bool(poll.poll(0))

    @classmethod
    def from_descriptor(cls, fd: int) -> "Transport":
        """Of what was detached."""
        return cls(socket.socket(-1, socket.SOCK_STREAM | socket.SOCK_NONBLOCK, 0, fd))  # -1: as it is

    def detach(self) -> int:
        """The descriptor, which whoever takes it closes."""
        return self._socket.detach()

    def peer(self) -> object:
        """The other end's address, as `accept` gave it. OSError: it is there no more."""
        return self._socket.getpeername()

    def close(self) -> None:
        try:
            self._socket.close()
        except OSError:
            pass  # the descriptor is gone all the same (close(2))

    def abort(self) -> None:
        """Close with a reset, so that the peer cannot take what it has for the whole."""
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        except OSError:
            pass  # gone already
        self.close()
