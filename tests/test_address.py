"""Addresses: every form of --bind, every way it can be wrong, every socket it opens; on real sockets."""

import errno
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from reactor.address import Address, AddressError, Endpoint, open_address, parse_address

Serve = Callable[..., list[Endpoint]]
Refuse = Callable[[int, Callable[[socket.socket, Any], bool]], None]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Open an address; the test's end closes what it opened."""
    with ExitStack() as stack:

        def open_text(text: str, **options: Any) -> list[Endpoint]:
            return [stack.enter_context(closing(end)) for end in open_address(parse_address(text), **options)]

        yield open_text


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Have the kernel refuse some binds: those of a (socket, address) that the predicate picks."""

    def install(number: int, picks: Callable[[socket.socket, Any], bool]) -> None:
        class Refused(socket.socket):
            def bind(self, address: Any) -> None:
                if picks(self, address):
                    raise OSError(number, os.strerror(number))
                super().bind(address)

        monkeypatch.setattr(socket, "socket", Refused)

    return install


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, so that socket paths stay short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def port_of(end: Endpoint) -> int:
    return int(end.sock.getsockname()[1])


def error_of(text: str, **options: Any) -> str:
    with pytest.raises(AddressError) as caught:
        open_address(parse_address(text), **options)
    return str(caught.value)


def stale(path: str, kind: int = socket.SOCK_STREAM) -> int:
    """Leave a socket file behind, as a killed server does; its inode."""
    with socket.socket(socket.AF_UNIX, kind) as sock:
        sock.bind(path)
    return os.stat(path).st_ino


@pytest.mark.parametrize(
    ("text", "kind", "host", "port"),
    [
        ("127.0.0.1:80", "tcp", "127.0.0.1", 80),
        ("example.org:65535", "tcp", "example.org", 65535),
        ("my_host-2.local:0", "tcp", "my_host-2.local", 0),
        ("LocalHost:1", "tcp", "localhost", 1),
        ("localhost", "tcp", "localhost", 8000),
        ("9000", "tcp", "127.0.0.1", 9000),
        (":9000", "tcp", "*", 9000),
        ("*:9000", "tcp", "*", 9000),
        ("*", "tcp", "*", 8000),
        ("fd", "tcp", "fd", 8000),
        ("[::1]:80", "tcp", "::1", 80),
        ("[::]", "tcp", "::", 8000),
        ("[FE80::1%eth0]:80", "tcp", "fe80::1%eth0", 80),
        ("tcp://127.0.0.1:80", "tcp", "127.0.0.1", 80),
        ("http://127.0.0.1:80/", "tcp", "127.0.0.1", 80),
        ("HTTP://[::1]:80", "tcp", "::1", 80),
        ("udp://127.0.0.1:53", "udp", "127.0.0.1", 53),
        ("udp://[::1]:53", "udp", "::1", 53),
        ("udp://*:53", "udp", "*", 53),
        ("udp://53", "udp", "127.0.0.1", 53),
    ],
)
def test_internet_forms(text: str, kind: Any, host: str, port: int) -> None:
    assert parse_address(text) == Address(text, kind, host=host, port=port)


@pytest.mark.parametrize(
    ("text", "kind", "path", "mode"),
    [
        ("unix:/run/x.sock", "unix", "/run/x.sock", 0o660),
        ("unix:x.sock,mode=600", "unix", "x.sock", 0o600),
        ("unix:/x,mode=0666", "unix", "/x", 0o666),
        ("unix:///run/x.sock", "unix", "/run/x.sock", 0o660),
        ("unix:/" + "x" * 106, "unix", "/" + "x" * 106, 0o660),
        ("unix:@name", "unix", "@name", 0o660),
        ("unixgram:/run/log", "unixgram", "/run/log", 0o660),
        ("unixgram:@log", "unixgram", "@log", 0o660),
    ],
)
def test_unix_forms(text: str, kind: Any, path: str, mode: int) -> None:
    assert parse_address(text) == Address(text, kind, path=path, mode=mode)


def test_inherited_forms() -> None:
    assert parse_address("fd://3") == Address("fd://3", "fd", fd=3)
    assert parse_address("systemd") == Address("systemd", "systemd")


FORM = "write HOST:PORT, with an IPv6 address in brackets, as in"
PORT = "a port is a number from 0 to 65535, not"
MODE = "after the comma goes a mode of three octal digits, mode=660, not"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("localhost:65536", f"{PORT} '65536'"),
        ("localhost:", f"{PORT} ''"),
        ("localhost:-1", f"{PORT} '-1'"),
        ("localhost:+1", f"{PORT} '+1'"),
        ("localhost:8_0", f"{PORT} '8_0'"),
        ("localhost: 80", f"{PORT} ' 80'"),
        ("localhost:" + "9" * 5000, f"{PORT} '{'9' * 5000}'"),
        ("localhost:８０", f"{PORT} '８０'"),
        ("８０", f"{PORT} '８０'"),
        ("http://localhost:80/path", f"{PORT} '80/path'"),
        ("[::1]:http", f"{PORT} 'http'"),
        ("::1", f"{FORM} [::1]:8000"),
        ("::1:9000", f"{FORM} [::1]:9000"),
        ("::ffff:127.0.0.1", f"{FORM} [::ffff:127.0.0.1]:8000"),
        ("a:b:c", f"{FORM} 127.0.0.1:8000 or [::1]:8000"),
        ("[::1", f"{FORM} 127.0.0.1:8000 or [::1]:8000"),
        ("[::1]80", f"{FORM} 127.0.0.1:8000 or [::1]:8000"),
        ("-b:80", f"{FORM} 127.0.0.1:8000 or [::1]:8000"),
        ("udp://", f"{FORM} 127.0.0.1:8000 or [::1]:8000"),
        ("[127.0.0.1]:80", "'127.0.0.1' is not an IPv6 address, and only those go in brackets"),
        ("[]:80", "'' is not an IPv6 address, and only those go in brackets"),
        ("/run/x.sock", "a Unix socket is written unix:/run/x.sock"),
        ("@name", "a Unix socket is written unix:@name"),
        ("unix:", "a path is missing, as in unix:/run/reactor.sock or unix:@reactor"),
        ("unix:@", "a path is missing, as in unix:/run/reactor.sock or unix:@reactor"),
        ("unixgram:,mode=660", "a path is missing, as in unixgram:/run/reactor.sock or unixgram:@reactor"),
        ("unix:/" + "ü" * 54, "the path has 109 bytes; the kernel takes 107"),
        ("unix:@" + "x" * 107, "the path has 108 bytes; the kernel takes 107"),
        ("unix:/x,mode=888", f"{MODE} 'mode=888'"),
        ("unix:/x,mode=66", f"{MODE} 'mode=66'"),
        ("unix:/x,mode=7660", f"{MODE} 'mode=7660'"),
        ("unix:/x,mode=６６０", f"{MODE} 'mode=６６０'"),
        ("unix:/x,mod=660", f"{MODE} 'mod=660'"),
        ("unix:/x,", f"{MODE} ''"),
        ("unix:@name,mode=660", "an abstract name is for Linux only, is no file, and has no mode"),
        ("fd://x", "a descriptor is a number from 0 to 999999999, not 'x'"),
        ("fd://1000000000", "a descriptor is a number from 0 to 999999999, not '1000000000'"),
        ("tpc://[::1]:80", "unknown scheme 'tpc'; did you mean tcp://[::1]:80?"),
        ("unixx:/run/x", "unknown scheme 'unixx'; did you mean unix:/run/x?"),
        ("gopher://x", "unknown scheme 'gopher'; there are tcp, http, udp, unix, unixgram, fd, systemd"),
        ("https://x:80", "TLS is not here yet; write http://x:80, and let a proxy in front speak TLS"),
    ],
)
def test_what_cannot_be_parsed(text: str, reason: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    assert str(caught.value) == f"{text}: {reason}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", f"'': {FORM} 127.0.0.1:8000 or [::1]:8000"),
        ("x\ny", rf"x\ny: {FORM} 127.0.0.1:8000 or [::1]:8000"),
        ("https://\x1b[2J", r"https://\x1b[2J: TLS is not here yet; write http://\x1b[2J, and let a proxy in front speak TLS"),
        ("unix:a\0b", r"unix:a\x00b: a path is missing, as in unix:/run/reactor.sock or unix:@reactor"),
    ],
)
def test_an_error_is_one_printable_line(text: str, line: str) -> None:
    with pytest.raises(AddressError, match=f"^{re.escape(line)}$"):
        parse_address(text)


def test_abstract_names_are_for_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(AddressError, match="for Linux only"):
        parse_address("unix:@name")
