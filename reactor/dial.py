"""Dialling: where a server is, as one writes it, and a socket that is on its way there.

Law: names are looked up by `resolve`, which may wait; `dial` never does. Nothing here knows what is then said.
"""

import errno
import ipaddress
import os
import re
import socket
from typing import NamedTuple

from .address import AddressError, SocketAddress, parse_address
from .http1.request import Origin
from .http1.terms import is_host
from .transport import Transport

_URL = re.compile(r"http://([^/?#]*)(/[^?#]*)?", re.IGNORECASE)
_NO_TLS = (
    "TLS towards an upstream is not spoken here: name one that speaks http:// in a network that is yours, or a program"
    " on this machine that speaks TLS to it (stunnel, nginx), as http://127.0.0.1:PORT or unix:/PATH"
)
_LATER = (0, errno.EINPROGRESS)


class Place(NamedTuple):
    """An address that can be dialled; as text, it is what an Origin calls its peer."""

    family: int
    address: SocketAddress

    def __str__(self) -> str:
        return Origin(self.address).peer


class Upstream(NamedTuple):
    """A server, as it was written. `text`; `authority`: "host" or "host:port", "localhost" behind a Unix socket;
    `base`: the path that all of it is below, "" for "/", without a slash at its end."""

    text: str
    authority: str
    base: str

    @property
    def has_name(self) -> bool:
        """Whether it is called by a name, whose address may change; else by an address."""
        if self.text.startswith("unix:"):
            return False
        try:
            ipaddress.ip_address(_host(self.authority))
        except ValueError:
            return True
        return False


def parse_upstream(text: str) -> Upstream:
    """The upstream of "http://host[:port][/base]", "unix:/path" or "unix:@name". AddressError says what is wrong."""
    if text.startswith("unix:"):
        address = parse_address(text)
        if "," in text:
            raise AddressError(text, "a socket that is dialled has no mode")
        return Upstream(address.text, "localhost", "")
    if re.match("https:", text, re.IGNORECASE):
        raise AddressError(text, _NO_TLS)
    match = _URL.fullmatch(text)
    if match is None:
        raise AddressError(text, "write http://HOST:PORT, http://HOST:PORT/BASE, or unix:/PATH")
    authority, base = match[1], (match[2] or "").rstrip("/")
    if not authority.isascii() or not is_host(authority.encode()) or not _port(authority):
        raise AddressError(text, f"{authority!r} is no host with a port from 1 to 65535")
    if not re.fullmatch("[!-~]*", base):
        raise AddressError(text, "the path is percent-encoded ASCII")
    return Upstream(text, authority, base)


def resolve(upstream: Upstream) -> tuple[Place, ...]:
    """The addresses of an upstream, in the order in which they are to be tried. It may wait for a resolver.
    AddressError where there are none."""
    if upstream.text.startswith("unix:"):
        path = upstream.text.removeprefix("unix:").removeprefix("//")
        return (Place(socket.AF_UNIX, re.sub("^@", "\0", path)),)
    try:
        found = socket.getaddrinfo(_host(upstream.authority), _port(upstream.authority), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AddressError(upstream.text, f"cannot resolve the name: {reason}") from error
    return tuple(dict.fromkeys(Place(family, address) for family, _, _, _, address in found))


def _host(authority: str) -> str:
    """The host of a valid authority, without the brackets of an IPv6 address."""
    return re.sub(":[0-9]*$", "", authority).strip("[]")


def _port(authority: str) -> int:
    """The port of a valid authority; 80 where it names none."""
    digits = re.search(":([0-9]*)$", authority)
    return int(digits[1]) if digits and digits[1] else 80


class Dialled(Transport):
    """A transport that is being connected: once it is writable, `failure` says whether it is there."""

    __slots__ = ()

    def failure(self) -> int:
        """The errno with which connecting failed, or 0."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def dial(place: Place) -> tuple[Dialled, bool]:
    """A transport to `place`, and whether it is there already. OSError where it is clear at once that it will not be;
    of a Unix socket, too, whose server has its queue full."""
    sock = socket.socket(place.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if place.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(place.address)
        if code not in _LATER:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return Dialled(sock), code == 0
