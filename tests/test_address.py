"""Addresses: every form of --bind, every way it can be wrong, every socket it opens; on real sockets."""

import errno
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from reactor.address import Address, AddressError, Endpoint, Listening, open_address, parse_address
from tests.conftest import absent, need

ROOT = Path(__file__).resolve().parent.parent
ABSTRACT = f"reactor-test-{os.getpid()}"  # the name space is the whole machine's

Serve = Callable[..., list[Endpoint]]
Refuse = Callable[[int, Callable[[socket.socket, Any], bool]], None]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Open an address; the test's end closes what it opened."""
    with ExitStack() as stack:

        def open_text(text: str, **options: Any) -> list[Endpoint]:
            return [stack.enter_context(closing(end)) for end in open_address(parse_address(text), **options)]

        yield open_text


def free_for_both(serve: Serve, six: str) -> int:
    """The port of `six`, an IPv6 address that is served now; on IPv4 nobody has it, not even a client's end."""
    for _ in range(20):
        port = port_of(*serve(six))
        with suppress(OSError), socket.create_server(("0.0.0.0", port)):
            return port
    raise AssertionError("others have twenty ports in a row")


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Have the kernel refuse some binds: those of a (socket, address) that the predicate picks."""

    def install(number: int, picks: Callable[[socket.socket, Any], bool]) -> None:
        class Refused(Listening):
            def bind(self, address: Any) -> None:
                if picks(self, address):
                    raise OSError(number, os.strerror(number))
                super().bind(address)

        monkeypatch.setattr("reactor.address.Listening", Refused)

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


def need_ipv6() -> None:
    """Skip where there is no ::1."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError as error:
        absent(f"no IPv6 here: {error}")


@pytest.fixture
def ipv6() -> None:
    need_ipv6()


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
        ("tcpp://\x1b[2J", r"tcpp://\x1b[2J: unknown scheme 'tcpp'; did you mean tcp://\x1b[2J?"),
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


@pytest.mark.parametrize(
    ("text", "url", "hint"),
    [
        ("127.0.0.1:0", "http://127.0.0.1:PORT/", "curl -i http://127.0.0.1:PORT/test"),
        ("0", "http://127.0.0.1:PORT/", "curl -i http://127.0.0.1:PORT/test"),
        ("0.0.0.0:0", "http://0.0.0.0:PORT/", "curl -i http://127.0.0.1:PORT/test"),
        ("[::1]:0", "http://[::1]:PORT/", "curl -i 'http://[::1]:PORT/test'"),
        ("[::]:0", "http://[::]:PORT/", "curl -i 'http://[::1]:PORT/test'"),
        ("*:0", "http://[::]:PORT/", "curl -i http://127.0.0.1:PORT/test"),
        ("unix:a b", "unix:a b", "curl -i --unix-socket 'a b' http://localhost/test"),
        ("unix:@NAME", "unix:@NAME", "curl -i --abstract-unix-socket NAME http://localhost/test"),
        ("udp://127.0.0.1:0", "udp://127.0.0.1:PORT", "echo hi | nc -u -w1 127.0.0.1 PORT"),
        ("udp://*:0", "udp://[::]:PORT", "echo hi | nc -u -w1 127.0.0.1 PORT"),
        ("unixgram:log", "unixgram:log", "echo hi | nc -uU -w1 log"),
        ("unixgram:@NAME", "unixgram:@NAME", "echo hi | nc -uU -w1 @NAME"),
    ],
)
def test_an_endpoint_is_ready_and_its_hint_reaches_it(
    serve: Serve, folder: Path, text: str, url: str, hint: str
) -> None:
    if "::" in url:
        need_ipv6()
    (end,) = serve(text.replace("NAME", ABSTRACT))
    for shown, wanted in ((end.url, url), (end.curl_hint(), hint)):
        assert shown == wanted.replace("NAME", ABSTRACT).replace("PORT", str(end.sock.getsockname()[1]))
    assert (end.sock.getblocking(), end.sock.get_inheritable()) == (False, False)
    assert end.is_datagram == text.startswith(("udp", "unixgram"))
    need("nc" if end.is_datagram else "curl")
    end.sock.settimeout(10)
    with subprocess.Popen(end.curl_hint(), shell=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        if end.is_datagram:
            data, sender = end.sock.recvfrom(100)
            end.sock.sendto(data.upper(), sender)
        else:
            sock, _ = end.sock.accept()
            with sock:
                assert sock.recv(4096).startswith(b"GET /test HTTP/1.1\r\n")
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHI")
        assert client.stdout
        assert client.stdout.read().strip().endswith(b"HI")


def test_accepted_sockets_inherit_tcp_nodelay(serve: Serve) -> None:
    (end,) = serve("127.0.0.1:0")
    with socket.create_connection(end.sock.getsockname()):
        end.sock.settimeout(10)
        with end.sock.accept()[0] as sock:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_in_time_wait_is_free(serve: Serve) -> None:
    (end,) = serve("127.0.0.1:0")
    port = port_of(end)
    with socket.create_connection(("127.0.0.1", port)) as client:
        end.sock.settimeout(10)
        end.sock.accept()[0].close()  # closed here first: TIME_WAIT is ours
        assert client.recv(1) == b""
    end.close()
    serve(f"127.0.0.1:{port}")


@pytest.mark.usefixtures("ipv6")
@pytest.mark.parametrize(("text", "only"), [("[::]:0", 1), ("[::1]:0", 1), ("*:0", 0), ("udp://*:0", 0)])
def test_v6only_is_said_always(serve: Serve, text: str, only: int) -> None:
    (end,) = serve(text)
    assert end.sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == only


@pytest.mark.usefixtures("ipv6")
def test_dual_stack_serves_both_families_and_v6_leaves_v4_alone(serve: Serve) -> None:
    (both,) = serve("*:0")
    for host in ("127.0.0.1", "::1"):
        socket.create_connection((host, port_of(both))).close()
    serve(f"0.0.0.0:{free_for_both(serve, '[::]:0')}")


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_without_ipv6(serve: Serve, refuse: Refuse, number: int) -> None:
    refuse(number, lambda sock, _: sock.family == socket.AF_INET6)
    assert [end.sock.getsockname()[0] for end in serve("*:0") + serve("localhost:0")] == ["0.0.0.0", "127.0.0.1"]
    assert error_of("[::1]:0").startswith("[::1]:0: ")


@pytest.mark.usefixtures("ipv6")
def test_without_ipv4_a_name_still_opens_and_without_both_it_says_so(serve: Serve, refuse: Refuse) -> None:
    refuse(errno.EADDRNOTAVAIL, lambda sock, _: sock.family == socket.AF_INET)
    assert [end.sock.getsockname()[0] for end in serve("localhost:0")] == ["::1"]
    refuse(errno.EADDRNOTAVAIL, lambda *_: True)
    assert error_of("localhost:0") == "localhost:0: this machine has no such address ([::1]:0)"


@pytest.mark.usefixtures("ipv6")
def test_localhost_is_both_loopbacks_on_one_port(serve: Serve) -> None:
    four, six = serve("localhost:0")
    assert (four.sock.getsockname()[0], six.sock.getsockname()[0]) == ("127.0.0.1", "::1")
    assert port_of(four) == port_of(six)


@pytest.mark.usefixtures("ipv6")
def test_any_port_differs_where_the_first_ones_is_taken(serve: Serve, refuse: Refuse) -> None:
    refuse(errno.EADDRINUSE, lambda sock, address: sock.family == socket.AF_INET6 and address[1] != 0)
    four, six = serve("localhost:0")
    assert port_of(four) != port_of(six)


def test_a_name_is_resolved_once_and_all_its_addresses_open(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def resolver(host: str, port: int, **_: int) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [(socket.AF_INET, kind, 0, "", (ip, port)) for ip in ("127.0.0.2", "127.0.0.3") for kind in (1, 2, 3)]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    assert [end.sock.getsockname()[0] for end in serve("two.test:0")] == ["127.0.0.2", "127.0.0.3"]
    assert asked == ["two.test"]


@pytest.mark.parametrize("host", ["reactor.invalid", "a" * 64, "a..b"])
def test_a_name_that_does_not_resolve(host: str) -> None:
    assert error_of(f"{host}:0").startswith(f"{host}:0: cannot resolve the name: ")


@pytest.mark.parametrize("scheme", ["", "udp://"])
def test_an_address_in_use(serve: Serve, scheme: str) -> None:
    port = port_of(*serve(f"{scheme}127.0.0.1:0"))
    assert error_of(f"{scheme}127.0.0.1:{port}") == f"{scheme}127.0.0.1:{port}: address already in use"
    assert error_of(f"{scheme}{port}") == f"{scheme}{port}: address already in use (127.0.0.1:{port})"


@pytest.mark.usefixtures("ipv6")
def test_when_one_of_several_fails_none_stays_open(serve: Serve) -> None:
    port = free_for_both(serve, "[::1]:0")
    assert error_of(f"localhost:{port}") == f"localhost:{port}: address already in use ([::1]:{port})"
    serve(f"127.0.0.1:{port}")


@pytest.mark.parametrize("scheme", ["", "udp://"])
def test_reuse_port_shares(serve: Serve, scheme: str) -> None:
    port = port_of(*serve(f"{scheme}127.0.0.1:0", reuse_port=True))
    serve(f"{scheme}127.0.0.1:{port}", reuse_port=True)


def test_other_refusals_say_why(refuse: Refuse) -> None:
    assert error_of("192.0.2.1:8080") == "192.0.2.1:8080: this machine has no such address"
    refuse(errno.EACCES, lambda *_: True)
    assert error_of("127.0.0.1:80") == "127.0.0.1:80: permission denied; ports below 1024 are privileged"
    refuse(errno.ENOBUFS, lambda *_: True)
    assert error_of("80") == "80: no buffer space available (127.0.0.1:80)"


def test_a_scope_is_shown(serve: Serve) -> None:
    class LinkLocal(socket.socket):
        def getsockname(self) -> tuple[str, int, int, int]:
            return ("fe80::1", 8000, 0, 1)

    with LinkLocal(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        interface = socket.if_indextoname(1)
        end = Endpoint(sock, parse_address("udp://[fe80::1]:8000"))
        assert end.url == f"udp://[fe80::1%{interface}]:8000"
        assert end.curl_hint() == f"echo hi | nc -u -w1 fe80::1%{interface} 8000"


def test_a_listening_socket_knows_what_it_is(folder: Path) -> None:
    with Listening(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.bind("s")
        made.listen()
        with (
            Listening(fileno=os.dup(made.fileno())) as adopted,
            made.dup() as copied,
            socket.socket(socket.AF_UNIX) as client,
        ):
            for sock in (made, adopted, copied):
                assert (sock.family, sock.type) == (socket.AF_UNIX, socket.SOCK_STREAM)
            client.connect("s")
            with adopted.accept()[0] as accepted:
                assert type(accepted) is socket.socket
                assert (accepted.family, accepted.type) == (socket.AF_UNIX, socket.SOCK_STREAM)


@pytest.mark.parametrize("umask", [0, 0o022, 0o777])
@pytest.mark.parametrize(("option", "mode"), [("", 0o660), (",mode=666", 0o666), (",mode=600", 0o600)])
def test_the_file_has_its_mode_from_the_first_moment(
    serve: Serve, folder: Path, monkeypatch: pytest.MonkeyPatch, option: str, mode: int, umask: int
) -> None:
    modes = []

    class Watched(Listening):
        def bind(self, address: Any) -> None:
            super().bind(address)
            modes.append(stat.S_IMODE(os.stat(address).st_mode))

    monkeypatch.setattr("reactor.address.Listening", Watched)
    before = os.umask(umask)
    try:
        serve(f"unix:s{option}")
        assert (modes, stat.S_IMODE(os.stat("s").st_mode)) == ([mode], mode)
    finally:
        assert os.umask(before) == umask


@pytest.mark.parametrize(("scheme", "kind"), [("unix", socket.SOCK_STREAM), ("unixgram", socket.SOCK_DGRAM)])
class TestSocketFiles:
    def test_a_stale_one_is_taken_over(self, serve: Serve, folder: Path, scheme: str, kind: socket.SocketKind) -> None:
        stale("s", kind)
        serve(f"{scheme}:s")
        with socket.socket(socket.AF_UNIX, kind) as client:
            client.connect("s")

    def test_a_live_one_is_refused(self, serve: Serve, folder: Path, scheme: str, kind: socket.SocketKind) -> None:
        serve(f"{scheme}:s")
        inode = os.stat("s").st_ino
        for other in ("unix", "unixgram"):
            assert error_of(f"{other}:s") == f"{other}:s: address already in use (a server is answering there)"
        assert os.stat("s").st_ino == inode

    def test_close_removes_it(self, serve: Serve, folder: Path, scheme: str, kind: socket.SocketKind) -> None:
        (end,) = serve(f"{scheme}:s")
        os.chdir("/")
        end.close()
        assert not (folder / "s").exists()
        assert end.sock.fileno() == -1
        (folder / "s").touch()
        end.close()
        assert (folder / "s").exists()

    def test_close_leaves_anothers(self, serve: Serve, folder: Path, scheme: str, kind: socket.SocketKind) -> None:
        (end,) = serve(f"{scheme}:s")
        os.unlink("s")
        inode = stale("s", kind)
        end.close()
        assert os.stat("s").st_ino == inode

    def test_close_when_it_is_gone(self, serve: Serve, folder: Path, scheme: str, kind: socket.SocketKind) -> None:
        (end,) = serve(f"{scheme}:s")
        os.unlink("s")
        end.close()

    def test_a_forked_worker_leaves_it(
        self, serve: Serve, folder: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, kind: socket.SocketKind
    ) -> None:
        (end,) = serve(f"{scheme}:s")
        monkeypatch.setattr(os, "getpid", lambda: -1)
        end.close()
        assert Path("s").exists()

    def test_another_file_is_never_removed(self, folder: Path, scheme: str, kind: socket.SocketKind) -> None:
        Path("file").touch()
        Path("folder").mkdir()
        Path("link").symlink_to("nowhere")
        for name in ("file", "folder", "link"):
            reason = "a file that is not a socket is there; remove it or choose another path"
            assert error_of(f"{scheme}:{name}") == f"{scheme}:{name}: {reason}"
            assert os.path.lexists(name)

    def test_directories(self, folder: Path, scheme: str, kind: socket.SocketKind) -> None:
        Path("file").touch()
        assert error_of(f"{scheme}:no/s") == f"{scheme}:no/s: no such directory: {folder}/no"
        assert error_of(f"{scheme}:file/s") == f"{scheme}:file/s: not a directory: {folder}/file"

    def test_abstract_names(self, serve: Serve, scheme: str, kind: socket.SocketKind) -> None:
        (end,) = serve(f"{scheme}:@{ABSTRACT}")
        assert error_of(f"{scheme}:@{ABSTRACT}") == f"{scheme}:@{ABSTRACT}: address already in use"
        end.close()
        serve(f"{scheme}:@{ABSTRACT}")


def test_unix_refusals_say_where(refuse: Refuse, folder: Path) -> None:
    refuse(errno.EACCES, lambda *_: True)
    assert error_of("unix:s") == f"unix:s: permission denied: {folder}"
    refuse(errno.EADDRINUSE, lambda *_: True)  # another server was faster
    assert error_of("unix:s") == "unix:s: address already in use"


def test_a_server_we_may_not_ask_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale("s")
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: errno.EACCES)
    assert error_of("unix:s") == "unix:s: address already in use (permission denied)"


def test_backlog_and_a_full_one_is_no_stale_socket(serve: Serve, folder: Path) -> None:
    serve("unix:s", backlog=0)
    with socket.socket(socket.AF_UNIX) as waiting, socket.socket(socket.AF_UNIX) as refused:
        waiting.connect("s")
        refused.setblocking(False)
        assert refused.connect_ex("s") == errno.EAGAIN
        assert error_of("unix:s") == "unix:s: address already in use (a server is answering there)"


@pytest.mark.parametrize("text", ["127.0.0.1:0", "udp://127.0.0.1:0", "unix:s", "unix:@NAME", "unixgram:s"])
def test_an_inherited_descriptor_is_what_it_is(serve: Serve, folder: Path, text: str) -> None:
    (made,) = serve(text.replace("NAME", ABSTRACT))
    fd = os.dup(made.sock.fileno())
    os.set_inheritable(fd, True)
    os.set_blocking(fd, True)
    (end,) = serve(f"fd://{fd}")
    assert (end.sock.fileno(), end.url, end.is_datagram) == (fd, made.url, made.is_datagram)
    assert (end.sock.getblocking(), end.sock.get_inheritable()) == (False, False)
    end.close()
    assert Path("s").exists() == (text.endswith(":s"))  # its maker removes it
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_descriptors_that_will_not_do_stay_open(serve: Serve) -> None:
    with ExitStack() as stack:
        unheard = stack.enter_context(socket.socket())
        packets = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        packets.bind("")
        packets.listen()
        file = stack.enter_context(open(os.devnull))
        for fd, reason in [
            (unheard.fileno(), "is not listening"),
            (packets.fileno(), "is of a kind not served"),
            (file.fileno(), "is not a socket"),
        ]:
            assert error_of(f"fd://{fd}") == f"fd://{fd}: descriptor {fd} {reason}"
            os.fstat(fd)
    assert error_of(f"fd://{fd}") == f"fd://{fd}: descriptor {fd} is not open"


# What systemd does: the sockets are 3, 4, ... of a process that finds its own pid in the environment.
SYSTEMD = """
import os, sys
copies = [os.dup2(int(fd), 100 + n) for n, fd in enumerate(sys.argv[2:])]
for fd, copy in enumerate(copies, 3):
    os.dup2(copy, fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(copies)))
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""
ACTIVATED = """
from reactor.address import open_address, parse_address
for end in open_address(parse_address("systemd")):
    print(end.url, end.sock.fileno())
    end.close()
"""


@pytest.mark.usefixtures("ipv6")
def test_systemd_passes_sockets(serve: Serve) -> None:
    ends = serve("127.0.0.1:0") + serve("udp://[::1]:0")
    fds = [end.sock.fileno() for end in ends]
    command = [sys.executable, "-c", SYSTEMD, ACTIVATED, *map(str, fds)]
    shown = subprocess.run(command, pass_fds=fds, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert shown == f"{ends[0].url} 3\n{ends[1].url} 4\n"


def test_systemd_in_this_process(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    (made,) = serve("127.0.0.1:0")
    first = os.dup2(made.sock.fileno(), 400)
    monkeypatch.setattr("reactor.address.SYSTEMD_FIRST_FD", first)
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "2")
    assert error_of("systemd") == "systemd: descriptor 401 is not open"
    os.dup2(made.sock.fileno(), first)
    monkeypatch.setenv("LISTEN_FDS", "1")
    (end,) = serve("systemd")
    assert (end.sock.fileno(), end.url) == (first, made.url)


@pytest.mark.parametrize(
    ("pid", "count", "reason"),
    [
        (None, None, "no sockets for process 7: LISTEN_PID is not set, LISTEN_FDS not set"),
        ("7", None, "no sockets for process 7: LISTEN_PID is 7, LISTEN_FDS not set"),
        ("7", "0", "no sockets for process 7: LISTEN_PID is 7, LISTEN_FDS 0"),
        ("6", "1", "no sockets for process 7: LISTEN_PID is 6, LISTEN_FDS 1"),
        ("7", "x", "LISTEN_FDS is a number from 0 to 65535, not 'x'"),
    ],
)
def test_systemd_passed_nothing(
    monkeypatch: pytest.MonkeyPatch, pid: str | None, count: str | None, reason: str
) -> None:
    for name, value in (("LISTEN_PID", pid), ("LISTEN_FDS", count)):
        monkeypatch.delenv(name, raising=False)
        if value:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "getpid", lambda: 7)
    assert error_of("systemd") == f"systemd: {reason}"
