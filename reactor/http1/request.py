"""Request heads: what follows from their bytes, once for each that differs; and the Request that a handler sees.

Law: a head is taken whole or refused; nothing is guessed and nothing repaired. A Head never changes, so that it can
stand for every request that says the same; what belongs to one request is in the Request.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from .fields import Headers
from .query import Query, percent_decode
from .terms import Terms


class HeadLimits(NamedTuple):
    """What a head may measure."""

    head: int = 32 * 1024  # bytes, from the request line through the empty line
    request_line: int = 8 * 1024  # bytes, CRLF included
    fields: int = 100  # lines


class Head:
    """A request's head, whole.

    Attributes: `raw` (its bytes), `rest` (the index in `raw` where the version begins), `method` (str), `target`
    (bytes, as sent), `headers`, `terms`, `path` (str, percent-decoded; "*" for OPTIONS of the whole server),
    `is_plain` (HTTP/1.1, kept alive, neither HEAD nor CONNECT: nothing about its answer's framing is special), `memo`
    (unset until a handler keeps here what it made of this head; it lives as long as the head is remembered).
    """

    __slots__ = ("headers", "is_plain", "memo", "method", "path", "raw", "rest", "target", "terms")

    memo: Any

    def __init__(self, raw: bytes, rest: int, method: str, target: bytes, headers: Headers, terms: Terms) -> None:
        self.raw = raw
        self.rest = rest
        self.method = method
        self.target = target
        self.headers = headers
        self.terms = terms
        self.is_plain = terms.keep_alive and not terms.is_old and method not in ("HEAD", "CONNECT")
        path = target if target[0] == _SLASH else self.origin_form()
        if _QUESTION_MARK in path:  # an int: looking for bytes costs 0.2 us more
            path = path[: path.index(_QUESTION_MARK)]
        self.path = percent_decode(path) if _PERCENT in path else path.decode("ascii")

    def origin_form(self) -> bytes:
        """Path and query, whatever form the target has."""
        target = self.target
        if target[0] == _SLASH:
            return target
        absolute = _ABSOLUTE_PATH.fullmatch(target)
        if absolute is None:  # asterisk-form, or CONNECT's authority-form, which has no path
            return target if target == b"*" else b""
        if not absolute[1] and self.method == "OPTIONS":
            return b"*"  # RFC 9112 3.2.4
        return absolute[1] if absolute[1][:1] == b"/" else b"/" + absolute[1]


class Origin:
    """Who is at the other end: `address` as the socket gave it, `scheme` "http" or "https", `client` the host and the
    port, each as text; both are "" for a Unix socket."""

    __slots__ = ("address", "client", "scheme")

    client: tuple[str, str]

    def __init__(self, address: object = None, scheme: str = "http") -> None:
        self.address = address
        self.scheme = scheme

    def __getattr__(self, name: str) -> tuple[str, str]:
        """`client`, made when it is asked for first: an idle connection weighs 150 bytes less."""
        if name != "client":
            raise AttributeError(name)
        host, port = self.address[:2] if isinstance(self.address, tuple) else ("", "")
        if "." in host:  # ::ffff:192.0.2.1, an IPv4 client's address as IPv6 writes it: RFC 4291 2.5.5.2
            host = host.removeprefix("::ffff:")
        self.client = host, str(port)
        return self.client

    @property
    def peer(self) -> str:
        """ "192.0.2.1:50212" (on a dual-stack socket, too), "[2001:db8::1]:50212", or "unix" for a Unix socket."""
        host, port = self.client
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}" if port else "unix"


_SLASH, _QUESTION_MARK, _PERCENT = b"/?%"
_NOBODY = Origin()
_NO_PARAMS: Mapping[str, str] = MappingProxyType({})
_ABSOLUTE_PATH = re.compile(rb"[^/?]*+//[^/?]*+(.*+)")


class Request:
    """One request, as a handler sees it. Text is decoded when it is asked for.

    Attributes: `head` (Head: what was sent, for the server), `method` (str), `target` (bytes, as sent), `path` (str:
    percent-decoded, below `root`; "*" for OPTIONS of the whole server; what a middleware rewrites), `headers`
    (Headers), `body` (bytes, complete), `origin` (Origin), `params` (what a router found in the path, by name),
    `root` (str: the prefix under which a router mounted the handler; "" at the top).
    """

    __slots__ = ("_outer", "_query", "_trailers", "body", "head", "headers", "method", "origin", "params", "path",
                 "root", "target")  # fmt: skip

    def __init__(self, head: Head, origin: Origin = _NOBODY) -> None:
        self.head = head
        self.method = head.method
        self.target = head.target
        self.path = head.path
        self.headers = head.headers
        self.origin = origin
        self.body = b""
        self.params = _NO_PARAMS
        self.root = ""
        self._outer: Request | None = None  # the one that this was made from, by `below`

    @property
    def query(self) -> Query:
        """The parameters behind the "?"."""
        query: Query | None = getattr(self, "_query", None)  # not set before it is asked for: a request costs less
        if query is None:
            outer = self._outer
            query = Query(self.head.origin_form().partition(b"?")[2]) if outer is None else outer.query
            self._query = query
        return query

    @property
    def trailers(self) -> Headers | None:
        """The fields behind a chunked body, once it is complete; None without."""
        return getattr(self, "_trailers", None) if self._outer is None else self._outer.trailers

    @trailers.setter
    def trailers(self, trailers: Headers | None) -> None:
        self._trailers = trailers

    @property
    def host(self) -> str:
        """The authority that was asked for: the target's, which wins over the Host field's (RFC 9112 3.2.2)."""
        if self.method == "CONNECT":
            return self.target.decode("ascii")
        if self.target[:1] in b"/*":
            return self.headers.get("host", "")
        return self.target.partition(b"//")[2].replace(b"?", b"/").partition(b"/")[0].decode("ascii")

    @property
    def version(self) -> str:
        """ "HTTP/1.1", as sent."""
        return self.head.terms.version.decode("ascii")

    @property
    def peer(self) -> str:
        """Who asks: "192.0.2.1:50212", "[2001:db8::1]:50212" or "unix"."""
        return self.origin.peer

    @property
    def scheme(self) -> str:
        """ "http", or "https" where the connection is encrypted."""
        return self.origin.scheme

    def below(self, prefix: str) -> "Request":
        """This request as a handler mounted at `prefix` sees it: `root` longer, `path` shorter by it."""
        inner = Request(self.head, self.origin)
        inner.headers, inner.body, inner.params = self.headers, self.body, self.params
        inner.root = self.root + prefix
        inner.path = self.path[len(prefix) :] or "/"
        inner._outer = self
        return inner

    def __str__(self) -> str:
        return f"{self.method} {self.target.decode('ascii')}"

    def __repr__(self) -> str:
        return f"<Request {self}>"
