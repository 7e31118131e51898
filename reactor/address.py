"""Bind addresses: parse what the user wrote, open what it names.

`parse_address` looks at text alone; `open_address` does all that can fail for reasons outside the text. Between them
lies the table this project grew from: address family x socket type x origin (made here, or inherited).

The law: a failure is an `AddressError` of one line that says which address and why, and leaves nothing open; a success
is an `Endpoint` that knows its real address and how to take itself away again. Names are looked up once, at open.
"""

import difflib
import errno
import ipaddress
import os
import re
import shlex
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

SocketAddress: TypeAlias = Any  # as bind() takes it: (host, port), (host, port, flow, scope), or a path
# The server's user and group, where one puts the proxy in front too; to open it to the machine is to say mode=666.
DEFAULT_MODE = 0o660
SYSTEMD_FIRST_FD = 3  # sd_listen_fds(3): what is passed follows standard error
SUN_PATH_MAX = (108 if sys.platform == "linux" else 104) - 1  # bytes; the other one is a NUL
# The kernel takes no more of an answer than this beyond what the peer's window lets it send: else it takes megabytes
# for each client that reads nothing, copied in one turn. A fast reader is held up only where turns are long.
UNSENT = 256 * 1024  # bytes
SCHEMES = ("tcp", "http", "udp", "unix", "unixgram", "fd", "systemd")
# "word:/" begins with a scheme, and so does "unix:" whatever follows; any other word before a colon is a host.
_SCHEME = re.compile(r"(unix|unixgram|[a-z]+(?=:/)):(?://)?", re.IGNORECASE)
_INET = re.compile(r"(?:\[([^]]*)\]|(\*|[a-z0-9_][a-z0-9_.-]*)?)(?::([^:]*))?", re.IGNORECASE)
# Not for the resolver to say: RFC 6761 section 6.3. Of "*" the first that opens serves both families.
_KNOWN_HOSTS = {"*": ("::", "0.0.0.0"), "localhost": ("127.0.0.1", "::1")}
_NOT_HERE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)  # an address family that is compiled out, or switched off
_ALIVE = (0, errno.EAGAIN, errno.EPROTOTYPE)  # it accepts, has its queue full, or is of the other socket type
_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
_REASONS = {
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EBADF: "is not open",
    errno.ENOENT: "no such directory",
    errno.ENOTSOCK: "is not a socket",
}


class AddressError(ValueError):
    """An address that cannot be parsed or opened: one printable line, "<where>: <reason>"."""

    def __init__(self, where: str, reason: str) -> None:
        line = f"{where or repr(where)}: {reason}"
        super().__init__("".join(char if char.isprintable() else repr(char)[1:-1] for char in line))


@dataclass(frozen=True, slots=True)
class Address:
    """One --bind, parsed: where to listen and as what."""

    text: str  # as the user wrote it
    kind: Literal["tcp", "udp", "unix", "unixgram", "fd", "systemd"]
    host: str = ""  # "*": every address of both families
    port: int = 0  # 0: any free one
    path: str = ""  # "@name": abstract, no file
    mode: int = DEFAULT_MODE  # of the file at `path`
    fd: int = -1


def parse_address(text: str) -> Address:
    """The address `text` names. Raises AddressError; asks neither the network nor the file system."""
    if text == "systemd":
        return Address(text, "systemd")
    match = _SCHEME.match(text)
    if not match:
        if text.startswith(("/", ".", "@")):
            raise AddressError(text, f"a Unix socket is written unix:{text}")
        return _parse_inet(text, "tcp", text)
    rest = text[match.end() :]
    match match[1].lower():
        case "unix" | "unixgram" as scheme:
            return _parse_unix(text, "unix" if scheme == "unix" else "unixgram", rest)
        case "tcp" | "http" | "udp" as scheme:
            return _parse_inet(text, "udp" if scheme == "udp" else "tcp", rest.removesuffix("/"))
        case "fd":
            return Address(text, "fd", fd=_parse_number(text, "a descriptor", rest, 999_999_999))
        case "https":
            raise AddressError(text, f"TLS is not here yet; write http://{rest}, and let a proxy in front speak TLS")
        case scheme:
            near = difflib.get_close_matches(scheme, SCHEMES, n=1)
            hint = f"did you mean {near[0]}{text[len(scheme) :]}?" if near else f"there are {', '.join(SCHEMES)}"
            raise AddressError(text, f"unknown scheme {scheme!r}; {hint}")


def _parse_inet(text: str, kind: Literal["tcp", "udp"], rest: str) -> Address:
    """PORT, HOST, HOST:PORT, :PORT, *:PORT, [v6], [v6]:PORT."""
    match = _INET.fullmatch(f"127.0.0.1:{rest}" if rest.isdigit() else rest)
    if not rest or not match:
        head, _, last = rest.rpartition(":")
        head, last = (head, last) if last.isdigit() and _is_ipv6(head) else (rest, "8000")
        right = f"[{head}]:{last}" if _is_ipv6(head) else "127.0.0.1:8000 or [::1]:8000"
        raise AddressError(text, f"write HOST:PORT, with an IPv6 address in brackets, as in {right}")
    v6, host, digits = match.groups()
    if v6 is not None and not _is_ipv6(v6):
        raise AddressError(text, f"{v6!r} is not an IPv6 address, and only those go in brackets")
    port = _parse_number(text, "a port", "8000" if digits is None else digits, 65535)
    return Address(text, kind, host=(v6 or host or "*").lower(), port=port)


def _parse_unix(text: str, kind: Literal["unix", "unixgram"], rest: str) -> Address:
    """PATH, @NAME, PATH,mode=660. A comma ends the path: a misspelt option is not taken for a file's name."""
    path, comma, option = rest.partition(",")
    if path in ("", "@") or "\0" in path:
        raise AddressError(text, f"a path is missing, as in {kind}:/run/reactor.sock or {kind}:@reactor")
    if len(os.fsencode(path)) > SUN_PATH_MAX:
        raise AddressError(text, f"the path has {len(os.fsencode(path))} bytes; the kernel takes {SUN_PATH_MAX}")
    if path.startswith("@") and (comma or sys.platform != "linux"):
        raise AddressError(text, "an abstract name is for Linux only, is no file, and has no mode")
    if comma and not re.fullmatch("mode=0?[0-7]{3}", option):
        raise AddressError(text, f"after the comma goes a mode of three octal digits, mode=660, not {option!r}")
    return Address(text, kind, path=path, mode=int(option[5:], 8) if comma else DEFAULT_MODE)


def _parse_number(text: str, what: str, digits: str, most: int) -> int:
    # int() alone would take "+1", "1_0", " 1" and the digits of every script.
    if not re.fullmatch("[0-9]{1,9}", digits) or int(digits) > most:
        raise AddressError(text, f"{what} is a number from 0 to {most}, not {digits!r}")
    return int(digits)


def _is_ipv6(text: str) -> bool:
    with suppress(ValueError):
        return bool(ipaddress.IPv6Address(text))
    return False


class Listening(socket.socket):
    """A socket that remembers what it is: the library's asks for its family and type with each accept (2 us)."""

    family = socket.AF_UNSPEC
    type = socket.SOCK_STREAM

    def __init__(self, family: int = -1, kind: int = -1, proto: int = -1, fileno: int | None = None) -> None:
        super().__init__(family, kind, proto, fileno)
        self.family, self.type = super().family, super().type


class Endpoint:
    """A socket to serve: bound, listening if it is a stream, non-blocking, not inherited by child programs.

    `url` is its real address, to type or to click: http://127.0.0.1:8000/, udp://[::1]:53, unix:/run/x.sock,
    unixgram:@name; `local_url` the same, but instead of "every address" one. Who opens an Endpoint closes it.
    """

    def __init__(self, sock: socket.socket, address: Address) -> None:
        sock.setblocking(False)
        sock.set_inheritable(False)
        self.sock, self.address = sock, address
        self.is_datagram = sock.type == socket.SOCK_DGRAM
        self._made: tuple[int, str, os.stat_result] | None = None  # the socket file: by which process, where, what
        name = sock.getsockname()
        if not isinstance(name, tuple):
            self.url = ("unixgram:" if self.is_datagram else "unix:") + re.sub("^\0", "@", os.fsdecode(name))
            if address.path[:1] not in ("", "@"):
                self._made = (os.getpid(), os.path.abspath(address.path), os.lstat(address.path))
        elif self.is_datagram:
            self.url = f"udp://{_host_port(name)}"
        else:
            self.url = f"http://{_host_port(name)}/"
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # Linux: inherited by accepted ones, a call less
            if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                with suppress(OSError):  # not every kernel has it
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        here = "127.0.0.1" if address.host == "*" else "[::1]"
        self.local_url = self.url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", f"//{here}:")

    def curl_hint(self, path: str = "/test") -> str:
        """A shell line that talks to this endpoint from this machine, ready to paste; `path` is for HTTP."""
        kind, _, name = self.local_url.partition(":")
        if kind == "http":
            return shlex.join(("curl", "-i", f"http:{name.removesuffix('/')}{path}"))  # quotes [], a pattern to zsh
        if kind == "unix":
            option = ("--abstract-unix-socket", name[1:]) if name.startswith("@") else ("--unix-socket", name)
            return shlex.join(("curl", "-i", *option, f"http://localhost{path}"))
        host, _, port = name[2:].rpartition(":")
        options = ("-u", "-w1", host.strip("[]"), port) if kind == "udp" else ("-uU", "-w1", name)
        return "echo hi | " + shlex.join(("nc", *options))

    def close(self) -> None:
        """Close, and remove the Unix socket file if it is still the one we made. Twice is fine."""
        made, self._made = self._made, None
        # Only its maker: a forked worker that leaves must not take the file away from those who stay.
        if made and made[0] == os.getpid():
            # And before the socket closes: while it is open, no other file can be given its inode number.
            with suppress(OSError):
                if os.path.samestat(os.lstat(made[1]), made[2]):
                    os.unlink(made[1])
        self.sock.close()


def open_address(address: Address, *, backlog: int = 2048, reuse_port: bool = False) -> list[Endpoint]:
    """Open all that `address` names: every address of a host, every descriptor systemd passed, or the one.

    `backlog` is how many connections the kernel holds for us to accept (it caps it at net.core.somaxconn);
    `reuse_port` sets SO_REUSEPORT on TCP and UDP. Raises AddressError, and then nothing is left open.
    """
    sockets = _make(address, backlog, reuse_port) if address.host or address.path else _adopt(address)
    with ExitStack() as undo:
        endpoints = [undo.enter_context(closing(Endpoint(sock, address))) for sock in sockets]
        undo.pop_all()
    return endpoints


def _make(address: Address, backlog: int, reuse_port: bool) -> Iterator[socket.socket]:
    """A socket for each address of the host, less those this machine does not have, as long as one opens."""
    candidates, first = _resolve(address), None
    while candidates:
        family, sockaddr = candidates.pop(0)
        if first:  # where any port was asked for: the same on all addresses
            sockaddr = (sockaddr[0], first.getsockname()[1], *sockaddr[2:])
        try:
            sock = _listen(address, family, sockaddr, backlog, reuse_port)
        except OSError as error:
            if error.errno in _NOT_HERE and (first or candidates):
                continue
            raise AddressError(address.text, _reason(error, address, sockaddr)) from error
        yield sock
        if address.host == "*":
            return
        first = first or sock


def _resolve(address: Address) -> list[tuple[int, SocketAddress]]:
    if address.path:
        return [(socket.AF_UNIX, re.sub("^@", "\0", address.path))]
    hosts = _KNOWN_HOSTS.get(address.host, (address.host,))
    try:
        found = [info for host in hosts for info in socket.getaddrinfo(host, address.port, flags=socket.AI_PASSIVE)]
    except (OSError, UnicodeError) as error:  # the latter: a label of more than 63 letters, or of none
        raise AddressError(address.text, f"cannot resolve the name: {getattr(error, 'strerror', error)}") from error
    return list(dict.fromkeys((family, sockaddr) for family, _, _, _, sockaddr in found))  # each came once per type


def _listen(address: Address, family: int, sockaddr: SocketAddress, backlog: int, reuse_port: bool) -> socket.socket:
    kind = socket.SOCK_DGRAM if address.kind in ("udp", "unixgram") else socket.SOCK_STREAM
    with ExitStack() as undo:
        sock = undo.enter_context(Listening(family, kind))
        # For a restart while old connections are in TIME_WAIT. Elsewhere, and on UDP, it would share a port in use.
        if address.kind == "tcp" and os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port and address.host:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:  # said always, so that net.ipv6.bindv6only never matters
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address.host != "*")
        with ExitStack() as after:
            if address.path[:1] not in ("", "@"):
                _remove_stale(address, kind)
                # The file gets 0777 less the umask, so it never has another mode; a chmod() after bind() would leave a
                # moment for anyone to connect. The umask is the whole process's: open before starting threads.
                after.callback(os.umask, os.umask(0o777 & ~address.mode))
            try:
                sock.bind(sockaddr)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or address.port or address.path:
                    raise
                sock.bind((sockaddr[0], 0, *sockaddr[2:]))  # the first address's port is taken on this one
        if kind == socket.SOCK_STREAM:
            sock.listen(backlog)
        undo.pop_all()
    return sock


def _remove_stale(address: Address, kind: socket.SocketKind) -> None:
    """Remove the socket file that a dead server left; refuse where a live one answers, or where it is another file."""
    with suppress(FileNotFoundError), socket.socket(socket.AF_UNIX, kind) as probe:
        if not stat.S_ISSOCK(os.lstat(address.path).st_mode):
            raise AddressError(address.text, "a file that is not a socket is there; remove it or choose another path")
        probe.setblocking(False)  # a live server with its queue full would keep us waiting
        answer = probe.connect_ex(address.path)
        if answer != errno.ECONNREFUSED:
            why = "a server is answering there" if answer in _ALIVE else os.strerror(answer).lower()
            raise AddressError(address.text, f"address already in use ({why})")
        os.unlink(address.path)


def _adopt(address: Address) -> Iterator[socket.socket]:
    """Take over inherited descriptors; one that is refused stays open, for it is not ours."""
    text, descriptors = address.text, range(address.fd, address.fd + 1)
    if address.kind == "systemd":
        pid, count = os.environ.get("LISTEN_PID", "not set"), os.environ.get("LISTEN_FDS", "not set")
        if pid != str(os.getpid()) or count in ("not set", "0"):
            raise AddressError(text, f"no sockets for process {os.getpid()}: LISTEN_PID is {pid}, LISTEN_FDS {count}")
        descriptors = range(SYSTEMD_FIRST_FD, SYSTEMD_FIRST_FD + _parse_number(text, "LISTEN_FDS", count, 65535))
    for fd in descriptors:
        try:
            sock = Listening(fileno=fd)
        except OSError as error:
            raise AddressError(text, f"descriptor {fd} {_REASONS.get(error.errno or 0, error)}") from error
        is_known = sock.family in _FAMILIES and sock.type in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        if is_known and (sock.type == socket.SOCK_DGRAM or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)):
            yield sock
        else:
            sock.detach()
            raise AddressError(text, f"descriptor {fd} {'is not listening' if is_known else 'is of a kind not served'}")


def _host_port(name: SocketAddress) -> str:
    host, port = socket.getnameinfo(name, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(error: OSError, address: Address, sockaddr: SocketAddress) -> str:
    reason = _REASONS.get(error.errno or 0) or os.strerror(error.errno or 0).lower()
    if address.path:
        return reason if error.errno == errno.EADDRINUSE else f"{reason}: {os.path.dirname(os.path.abspath(sockaddr))}"
    where = "" if _host_port(sockaddr) in address.text else f" ({_host_port(sockaddr)})"
    return f"{reason}{where}" + ("; ports below 1024 are privileged" if error.errno == errno.EACCES else "")
