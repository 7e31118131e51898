"""The heads of requests on their way to an upstream.

Law: what belonged to the client's connection is left out, framing is made anew, and of who the client is the upstream
learns what we know, not what the client says, unless that is trusted. Two names that an application may take for one
do not both pass. A target that would climb out of where it is mounted is refused, and so is a request that goes round
in circles.
"""

import re
from urllib.parse import quote

from reactor import Request, Response, Upstream

# RFC 9110 7.6.1, and two that are as old: what concerns the connection that it came on.
HOP_BY_HOP = frozenset(
    b"connection http2-settings keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer"
    b" transfer-encoding upgrade".split()
)

HOPS = 20  # of a Via: so many proxies stand in a row by mistake only

_MADE_ANEW = frozenset((b"content-length", b"expect", b"host", b"via"))
_NOT_PASSED = HOP_BY_HOP | _MADE_ANEW | {b"proxy"}  # which a CGI would take for HTTP_PROXY (CVE-2016-5385)
_WHO = re.compile(rb"forwarded|x-forwarded-.*|x-real-ip")  # what a client is taken by its word for, elsewhere

# To a CGI, and what is like one, "_" and often any other byte is the same as "-".
_UNMISTAKABLE = re.compile(rb"[0-9A-Za-z-]++")

# ".." in a path, also where somebody takes a backslash for a slash, or the path to end sooner: at a NUL, as in C, or at
# a ";", a "?" or a "#" that was percent-encoded.
_CLIMBS = re.compile(r"(?:.*[/\\])?\.\.(?:[/\\;?#\0].*)?", re.DOTALL)

# protocol = protocol-name [ "/" protocol-version ], each a token                        RFC 9110 7.8
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_PROTOCOL = re.compile(rb"%b(?:/%b)?" % (_TOKEN, _TOKEN))

# Forwarded = 1#( [ pair ] *( ";" [ pair ] ) ), pair = token "=" ( token / quoted-string )      RFC 7239 section 4
_QUOTED = rb'"[^"\\]*+(?:\\.[^"\\]*+)*"'
_PAIR = rb"(?:%b=(?:%b|%b))?" % (_TOKEN, _TOKEN, _QUOTED)
_FORWARDED = re.compile(rb"%b(?:[ \t]*+[;,][ \t]*+%b)*" % (_PAIR, _PAIR))

_CLIMBING = Response(400, 'the path has a ".." in it\n')
_NO_NUMBER = Response(400, "Max-Forwards is not a number\n")
_NOT_TRACED = Response(501, "TRACE is not answered here\n")
_ANSWERED_HERE = Response(204)
_CIRCLES = Response(508, "the request goes round in circles\n")  # RFC 5842 7.2


def refusal(request: Request) -> Response | None:
    """The answer to what is not passed on: a path that climbs, a request that comes round again and again (RFC 9110
    7.6.3), or OPTIONS and TRACE that go no further (7.6.2)."""
    if ".." in request.path and _CLIMBS.fullmatch(request.path):
        return _CLIMBING
    if (request.headers.raw(b"via") or b"").count(b",") >= HOPS:
        return _CIRCLES
    if request.head.method in ("OPTIONS", "TRACE"):
        most = request.headers.raw(b"max-forwards")
        if most is not None and re.fullmatch(rb"[0-9]{1,9}", most) is None:
            return _NO_NUMBER
        if most is not None and not int(most):
            return _ANSWERED_HERE if request.head.method == "OPTIONS" else _NOT_TRACED
    return None


def offered(request: Request) -> tuple[bytes, ...]:
    """The protocols that it offers to go on with, in lower case, as far as they are passed on. "h2c" is not: nobody
    would read what is asked in there."""
    terms = request.head.terms
    if b"upgrade" not in terms.options or terms.is_old or terms.length:
        return ()
    names = [name.strip(b" \t").lower() for name in (request.headers.raw(b"upgrade") or b"").split(b",")]
    return tuple(name for name in names if _PROTOCOL.fullmatch(name) and name != b"h2c")


class RequestHeads:
    """Heads for one upstream. `keeps_host`: with the client's Host, not its own; `appends`: to what the client says of
    who it is."""

    def __init__(self, upstream: Upstream, keeps_host: bool, appends: bool) -> None:
        self._base = upstream.base.encode()
        self._authority = upstream.authority.encode()
        self._keeps_host = keeps_host
        self._appends = appends

    def encode(self, request: Request, length: int) -> bytes:
        """The head of `request`, with a body of `length` bytes; below 0: in chunks."""
        head, origin = request.head, request.origin
        client = origin.client[0]
        if request.headers is not head.headers:
            return self._encode(request, length, client)
        key = (self, length, client, origin.scheme, request.path, request.root)
        memo = getattr(head, "memo", None)
        if memo is not None and memo[0] == key:
            wire: bytes = memo[1]
            return wire
        wire = self._encode(request, length, client)
        head.memo = (key, wire)
        return wire

    def _encode(self, request: Request, length: int, client: str) -> bytes:
        head = request.head
        terms = head.terms
        host = request.host.encode() if self._keeps_host else b""
        lines = [
            b"%b %b HTTP/1.1" % (head.method.encode(), self._target(request)),
            b"Host: %b" % (host or self._authority),
        ]
        gone = _NOT_PASSED.union(terms.options)
        pairs = request.headers.pairs
        kept = [pair for pair in pairs if _UNMISTAKABLE.fullmatch(pair[0]) and pair[0].lower() not in gone]
        lines += self._who(request, client, [each for each in kept if _says_who(each[0])])
        counts = head.method in ("OPTIONS", "TRACE")
        for name, value in kept:
            if counts and name.lower() == b"max-forwards":
                value = b"%d" % (int(value) - 1)
            if not _says_who(name):
                lines.append(b"%b: %b" % (name, value))
        lines.append(b"Via: %b" % _joined(request.headers.raw(b"via"), terms.version[5:] + b" reactor"))
        if length < 0:
            lines.append(b"Transfer-Encoding: chunked")
        elif length or request.headers.raw(b"content-length") is not None:
            lines.append(b"Content-Length: %d" % length)
        if offers := offered(request):
            lines += [b"Connection: Upgrade", b"Upgrade: %b" % b", ".join(offers)]
        elif _takes_trailers(request):
            lines += [b"Connection: TE", b"TE: trailers"]
        return b"\r\n".join([*lines, b"", b""])

    def _target(self, request: Request) -> bytes:
        target = target_below_root(request)
        return target if target == b"*" else self._base + target

    def _who(self, request: Request, client: str, said: list[tuple[bytes, bytes]]) -> list[bytes]:
        """The lines that say who asks, for what, and how; `said`: what the client has of them."""
        scheme, host = request.scheme.encode(), request.host.encode()
        node = f'"[{client}]"' if ":" in client else client or "unknown"
        element = b"for=%b;proto=%b" % (node.encode(), scheme) + (b';host="%b"' % host if host else b"")
        before: dict[bytes, bytes] = {}
        if self._appends:
            for name, value in said:
                before[name.lower()] = _joined(before.get(name.lower()), value)
            if not _FORWARDED.fullmatch(before.get(b"forwarded", b"")):  # a quote left open would swallow what we say
                del before[b"forwarded"]
        after = dict(before)
        after[b"forwarded"] = _joined(before.get(b"forwarded"), element)
        if client:
            after[b"x-forwarded-for"] = _joined(before.get(b"x-forwarded-for"), client.encode())
        after.setdefault(b"x-forwarded-proto", scheme)
        if host:
            after.setdefault(b"x-forwarded-host", host)
        if request.root:
            prefix = quote(request.root, errors="surrogateescape").encode()
            after[b"x-forwarded-prefix"] = before.get(b"x-forwarded-prefix", b"") + prefix
        return [b"%b: %b" % (name.title(), value) for name, value in after.items()]


def _takes_trailers(request: Request) -> bool:
    """Whether it says so (RFC 9110 10.1.4); other codings are for us, and we take none."""
    codings = (request.headers.raw(b"te") or b"").lower().split(b",")
    return not request.head.terms.is_old and b"trailers" in [coding.strip(b" \t") for coding in codings]


def _says_who(name: bytes) -> bool:
    """Whether a field says who asks."""
    return _WHO.fullmatch(name.lower()) is not None


def _joined(before: bytes | None, value: bytes) -> bytes:
    return b"%b, %b" % (before, value) if before else value


def target_below_root(request: Request) -> bytes:
    """Path and query as they were sent, without the prefix under which the proxy is mounted; where a middleware has
    rewritten the path, that."""
    head = request.head
    path, mark, query = head.origin_form().partition(b"?")
    depth = request.root.count("/")
    if request.root + request.path == head.path or (request.path == "/" and request.root == head.path):
        parts = path.split(b"/", depth + 1)
        if depth:
            path = b"/" + (parts[depth + 1] if len(parts) > depth + 1 else b"")
    else:
        path = quote(request.path, safe="/:@!$&'()*+,;=~", errors="surrogateescape").encode()
    return path + mark + query
