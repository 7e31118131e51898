"""What a handler sees of a request, and what its head says to the server."""

import pytest

from reactor.http1.errors import ProtocolError
from reactor.http1.fields import Headers, parse_fields
from reactor.http1.framing import CHUNKED
from reactor.http1.parser import HeadParser
from reactor.http1.request import Head, HeadLimits, Origin, Request
from reactor.http1.terms import Terms, is_host, terms_of


def head(
    fields: bytes = b"Host: a\r\n", version: bytes = b"HTTP/1.1", method: str = "GET", target: bytes = b"/"
) -> Head:
    raw = version + b"\r\n" + fields + b"\r\n"
    headers = parse_fields(raw, 10, 10)
    return Head(raw, 0, method, target, headers, terms_of(version, headers))


def terms(fields: bytes = b"Host: a\r\n", version: bytes = b"HTTP/1.1") -> Terms:
    return head(fields, version).terms


def request(target: bytes = b"/", method: str = "GET", fields: bytes = b"Host: a\r\n") -> Request:
    return Request(head(fields, method=method, target=target))


# Terms.


def test_the_terms_are_what_follows_from_the_fields() -> None:
    it = terms(b"Host: a\r\nContent-Length: 5\r\nConnection: X, Close\r\nExpect: 100-Continue\r\n")
    assert it.version == b"HTTP/1.1"
    assert it.length == 5
    assert it.options == (b"x", b"close")
    assert not it.keep_alive
    assert it.expects_continue
    assert not it.is_old
    assert terms(b"Host: a\r\nTransfer-Encoding: chunked\r\n").length == CHUNKED


@pytest.mark.parametrize(
    ("version", "connection", "keep_alive"),
    [
        (b"HTTP/1.1", b"", True),
        (b"HTTP/1.1", b"Connection: keep-alive\r\n", True),
        (b"HTTP/1.1", b"Connection: close\r\n", False),
        (b"HTTP/1.1", b"Connection: CLOSE\r\n", False),
        (b"HTTP/1.1", b"Connection: a ,\tClose , b\r\n", False),
        (b"HTTP/1.1", b"Connection: a\r\nConnection: close\r\n", False),
        (b"HTTP/1.1", b"Connection: keep-alive, close\r\n", False),
        (b"HTTP/1.1", b"Connection: closed\r\n", True),
        (b"HTTP/1.1", b"Connection:\r\n", True),
        (b"HTTP/1.5", b"", True),
        (b"HTTP/1.0", b"", False),
        (b"HTTP/1.0", b"Connection: close\r\n", False),
        (b"HTTP/1.0", b"Connection: Keep-Alive\r\n", True),
        (b"HTTP/1.0", b"Connection: keep-alive, close\r\n", False),
    ],
)
def test_whether_the_peer_wants_to_go_on(version: bytes, connection: bytes, keep_alive: bool) -> None:
    assert terms(b"Host: a\r\n" + connection, version).keep_alive is keep_alive


def test_host_is_needed_from_1_1_on() -> None:
    assert head(b"", b"HTTP/1.0").headers.raw(b"host") is None
    assert head(b"Host:\r\n").headers.raw(b"host") == b""
    for version in (b"HTTP/1.1", b"HTTP/1.2"):
        with pytest.raises(ProtocolError, match=r"400: .*without a Host"):
            terms(b"X: y\r\n", version)


def test_host_is_a_host_in_1_0_too() -> None:
    for version in (b"HTTP/1.0", b"HTTP/1.1"):
        with pytest.raises(ProtocolError, match="400: Host is not"):
            terms(b"Host: a/b\r\n", version)


@pytest.mark.parametrize("value", [b"", b"200-ok", b"100-continue, 100-continue", b'"100-continue"', b"100-continue;a"])
def test_other_expectations_are_417_and_ignored_in_1_0(value: bytes) -> None:
    fields = b"Host: a\r\nExpect: " + value + b"\r\n"
    with pytest.raises(ProtocolError, match="417"):
        terms(fields)
    assert not terms(fields, b"HTTP/1.0").expects_continue
    assert not terms(b"Expect: 100-continue\r\n", b"HTTP/1.0").expects_continue


def test_the_limits_on_fields_are_heeded() -> None:
    with pytest.raises(ProtocolError, match="431"):
        HeadParser(HeadLimits(fields=1), Origin()).take(b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", 0)


@pytest.mark.parametrize(
    "value",
    [
        *(b"a", b"a.example", b"a:80", b"a:", b"a:0", b"a:00080", b"a:65535", b"[::1]", b"[::1]:80", b"1.2.3.4:5"),
        b"%41",
    ],
)
def test_hosts(value: bytes) -> None:
    assert is_host(value)


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b":80", b"a:65536", b"a:000080", b"a:-1", b"a:b", b"a b", b"a/", b"a@b", b"a,b", b"[", b"::1"),
    ],
)
def test_what_is_no_host(value: bytes) -> None:
    assert not is_host(value)


# Request.


@pytest.mark.parametrize(
    ("method", "target", "path", "query", "host"),
    [
        ("GET", b"/", "/", "", "a"),
        ("GET", b"/a%20b?c=%20d", "/a b", " d", "a"),
        ("GET", b"/a?c=1?2", "/a", "1?2", "a"),
        ("GET", b"//b/c", "//b/c", "", "a"),
        ("GET", b"/x?c=http://b/", "/x", "http://b/", "a"),
        ("OPTIONS", b"*", "*", "", "a"),
        ("CONNECT", b"b:443", "", "", "b:443"),
        ("GET", b"http://b/c%2Fd?c=1", "/c/d", "1", "b"),
        ("GET", b"http://b", "/", "", "b"),
        ("GET", b"HTTPS://b:8?c=1", "/", "1", "b:8"),
        ("GET", b"http://b//d", "//d", "", "b"),
        ("OPTIONS", b"http://b", "*", "", "b"),
        ("OPTIONS", b"http://b/", "/", "", "b"),
        ("OPTIONS", b"http://b?c=1", "/", "1", "b"),
    ],
)
def test_every_form_of_target(method: str, target: bytes, path: str, query: str, host: str) -> None:
    it = request(target, method)
    assert it.path == it.path == path  # the second time it is remembered
    assert it.query.get("c", "") == query
    assert it.query is it.query
    assert it.host == host
    assert str(it) == f"{method} {target.decode()}"
    assert repr(it) == f"<Request {method} {target.decode()}>"


def test_a_request_without_a_host_has_an_empty_one() -> None:
    assert Request(head(b"", b"HTTP/1.0")).host == ""


def test_what_a_request_has_at_first() -> None:
    it = request()
    assert (it.method, it.target, it.body, it.trailers, dict(it.params), it.root) == ("GET", b"/", b"", None, {}, "")
    assert it.headers["host"] == "a"
    assert it.version == "HTTP/1.1"
    assert (it.scheme, it.peer) == ("http", "unix")


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        *((("192.0.2.1", 5), "192.0.2.1:5"), (("2001:db8::1", 5, 0, 0), "[2001:db8::1]:5"), ("", "unix")),
        *((b"\0x", "unix"), (None, "unix")),
        *((("::ffff:192.0.2.1", 5, 0, 0), "192.0.2.1:5"), (("fe80::1%eth0.2", 5, 0, 2), "[fe80::1%eth0.2]:5")),
        *((("64:ff9b::192.0.2.1", 5, 0, 0), "[64:ff9b::192.0.2.1]:5"), (("::ffff:0:1", 5, 0, 0), "[::ffff:0:1]:5")),
    ],
)
def test_peers(address: object, peer: str) -> None:
    it = Request(head(), Origin(address, "https"))
    assert it.peer == peer
    assert it.scheme == "https"


def test_below_a_prefix_the_root_is_longer_and_the_path_shorter() -> None:
    outer = request(b"/app/v1/x?y=z", "POST")
    outer.body = b"body"
    assert outer.query["y"] == "z"
    inner = outer.below("/app")
    assert (inner.root, inner.path) == ("/app", "/v1/x")
    innermost = inner.below("/v1/x")
    assert (innermost.root, innermost.path) == ("/app/v1/x", "/")
    assert innermost.body == b"body"
    assert innermost.query is outer.query
    assert innermost.target == b"/app/v1/x?y=z"
    assert outer.path == "/app/v1/x"


def test_trailers_that_come_later_are_seen_below_as_well() -> None:
    outer = request()
    innermost = outer.below("").below("")
    assert outer.trailers is innermost.trailers is None
    outer.trailers = Headers([(b"X", b"y")])
    assert innermost.trailers is outer.trailers


@pytest.mark.parametrize(
    ("address", "client"),
    [
        (("192.0.2.1", 50212), ("192.0.2.1", "50212")),
        (("::ffff:192.0.2.1", 50212, 0, 0), ("192.0.2.1", "50212")),
        (("2001:db8::1", 50212, 0, 0), ("2001:db8::1", "50212")),
        ("/run/x.sock", ("", "")),
    ],
)
def test_who_the_client_is(address: object, client: tuple[str, str]) -> None:
    origin = Origin(address)
    assert origin.client == client
    assert origin.client is origin.client  # made once
    with pytest.raises(AttributeError, match="colour"):
        _ = origin.colour
