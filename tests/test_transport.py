"""Transports over real sockets: files that sendfile takes and files that it does not, the reset, the failure."""

import errno
import socket
import tempfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest

from reactor.transport import Transport


@pytest.fixture
def pair() -> Iterator[tuple[Transport, socket.socket]]:
    """A connection over TCP: a Unix socket knows no reset."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    ours.setblocking(False)
    with ours, theirs:
        yield Transport(ours), theirs


def test_a_file_goes_by_sendfile(pair: tuple[Transport, socket.socket]) -> None:
    transport, peer = pair
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        file.flush()
        assert transport.sendfile(file, 2, 5) == 5
        assert peer.recv(100) == b"23456"
        assert file.tell() == 10, "where the file stands is its owner's"
        assert transport.sendfile(file, 10, 5) == 0


def test_what_has_no_descriptor_is_read_and_sent(pair: tuple[Transport, socket.socket]) -> None:
    transport, peer = pair
    assert transport.sendfile(BytesIO(b"0123456789"), 2, 5) == 5
    assert peer.recv(100) == b"23456"
    assert transport.sendfile(BytesIO(b"0123456789"), 10, 5) == 0


def test_what_sendfile_does_not_take_is_read_and_sent(
    pair: tuple[Transport, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: Any) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("os.sendfile", refuse)
    transport, peer = pair
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        assert transport.sendfile(file, 2, 5) == 5
    assert peer.recv(100) == b"23456"


@pytest.mark.parametrize("error", [BlockingIOError, BrokenPipeError, ConnectionResetError, TimeoutError])
def test_what_the_socket_says_is_not_taken_for_the_files_fault(
    error: type[OSError], pair: tuple[Transport, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: Any) -> int:
        raise error

    monkeypatch.setattr("os.sendfile", fail)
    transport, _ = pair
    with tempfile.TemporaryFile() as file:
        file.write(b"0123456789")
        with pytest.raises(error):
            transport.sendfile(file, 2, 5)


def test_shutdown_is_heard_as_the_end(pair: tuple[Transport, socket.socket]) -> None:
    transport, peer = pair
    transport.send(b"last")
    transport.shutdown_write()
    assert peer.recv(100) == b"last"
    assert peer.recv(100) == b""


def test_abort_is_heard_as_a_reset(pair: tuple[Transport, socket.socket]) -> None:
    transport, peer = pair
    transport.abort()
    with pytest.raises(ConnectionResetError):
        peer.recv(100)
    transport.abort()
    transport.close()


def test_a_reset_is_seen_without_reading(pair: tuple[Transport, socket.socket]) -> None:
    transport, peer = pair
    assert not transport.has_failed()
    other = Transport(peer)
    other.abort()
    assert transport.has_failed()


def test_a_close_that_fails_has_closed() -> None:
    class Failing:
        recv = send = sendmsg = None

        def close(self) -> None:
            raise OSError(errno.EIO, "Input/output error")

        def setsockopt(self, *_arguments: Any) -> None:
            raise OSError(errno.ENOTCONN, "not connected")

    transport = Transport(Failing())  # type: ignore[arg-type]  # what it asks of a socket
    transport.close()
    transport.abort()
