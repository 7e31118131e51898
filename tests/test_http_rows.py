"""What the server does with what arrives: every row of the project's rules, by bytes on a real socket.

Four tables (request line, fields, body, answers) and a list of what has gone wrong in servers like this one. A
refusal is a complete answer with a length and `Connection: close`, then a clean end and not a reset, and nothing
behind it is interpreted: each one here has a second request behind it, which must not be answered.

Rows that are tested elsewhere: deadlines to the second, a close that crosses with a request, EMFILE, half-open
sockets that keep waking the loop (with a simulated clock, selector and sockets); quadratic rescans
(`http1/test_properties.py`, where work is counted). Rows of features to come: path traversal, `X-Forwarded-*`,
ranges, TLS. `Upgrade` to a protocol that a handler offers is tested with the connection.
"""

import io
import json
import queue
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from reactor import Answer as HandlerAnswer
from reactor import FileBody, Later, Request, Response, Server, Settings
from tests.http1.samples import BAD, BODY_LIMIT, GOOD, LIMITS, Taken, converse
from tests.wire import DEADLINE, Answer, connect, read_all, read_response, reset

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
MEBIBYTE = b"x" * (1 << 20)
LARGE = 4 << 20  # bytes; more than the buffers of a socket hold


class Bench:
    """A handler that does one thing per path, and knows what it was called with."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.events: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.laters: queue.SimpleQueue[Later] = queue.SimpleQueue()
        self.pulled = 0

    def on_head(self, request: Request) -> "Response | Sink | None":
        if request.path == "/early":
            return Response(401, "who are you?\n")
        if request.path == "/sink":
            return Sink(self)
        return None

    def __call__(self, request: Request) -> HandlerAnswer:
        self.calls.append(request.target.decode())
        answers: dict[str, Callable[[], Any]] = {
            "/204": lambda: Response(204),
            "/304": lambda: Response(304, b"", {"ETag": '"a"'}),
            "/stream": lambda: Response(200, iter([b"ab", b"", b"c"])),
            "/sized": lambda: Response(200, iter([b"ab", b"c"]), length=3),
            "/file": lambda: Response(200, io.BytesIO(b"abc")),
            "/long": lambda: Response(200, iter([b"a", b"bcd"]), length=3),
            "/short": lambda: Response(200, iter([b"ab"]), length=3),
            "/short-file": lambda: Response(200, FileBody(io.BytesIO(b"ab"), 0, 3)),
            "/breaks": lambda: Response(200, breaks()),
            "/endless": lambda: Response(200, Endless(self)),
            "/large": lambda: Response(200, b"x" * LARGE),
            "/later": self.later,
            "/raises": lambda: 1 / 0,
            "/splits": lambda: Response(200, b"", {"X-Evil": "a\r\nSet-Cookie: b"}),
            "/nothing": lambda: None,
        }
        return answers.get(request.path, lambda: echo(request))()  # type: ignore[no-any-return]  # wrong ones are meant

    def later(self) -> Later:
        later = Later()
        later.on_goodbye = lambda: self.events.put("goodbye")
        later.on_abandon = lambda: self.events.put("abandoned")
        self.laters.put(later)
        return later


class Echo(Bench):
    """One that takes whatever the protocol core takes."""

    takes_connect = True

    def __call__(self, request: Request) -> HandlerAnswer:
        self.calls.append(request.target.decode())
        return echo(request)


def echo(request: Request) -> Response:
    """What was seen of a request, as JSON."""
    seen = {
        "method": request.method,
        "target": request.target.decode(),
        "version": request.version,
        "host": request.host,
        "path": request.path,
        "fields": [[name.decode(), value.decode("latin-1")] for name, value in request.headers.pairs],
        "joined": dict(request.headers),
        "body": request.body.decode("latin-1"),
        "trailers": None if request.trailers is None else dict(request.trailers),
    }
    return Response(200 if request.method != "CONNECT" else 403, json.dumps(seen))


class Sink:
    """Takes a body as it comes."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.size = 0

    def feed(self, data: bytes) -> None:
        if not self.size:
            self.bench.events.put("fed")
        self.size += len(data)

    def finish(self) -> Response:
        return Response(200, f"{self.size} bytes")

    def abort(self) -> None:
        self.bench.events.put("aborted")


class Endless:
    """A body without an end, which says when it is closed."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def __iter__(self) -> "Endless":
        return self

    def __next__(self) -> bytes:
        self.bench.pulled += 1
        return b"x" * 65536

    def close(self) -> None:
        self.bench.events.put("closed")


def breaks() -> Iterator[bytes]:
    yield b"ab"
    raise RuntimeError("no more")


class Served:
    """A running server: its handler, and connections to it."""

    def __init__(self, server: Server, bench: Bench) -> None:
        self.server = server
        self.bench = bench
        self.port = int(server.url.rpartition(":")[2])

    @contextmanager
    def talk(self, data: bytes = b"", receive_buffer: int = 0) -> Iterator[socket.socket]:
        """A connection on which `data` has been sent."""
        with closing(connect(self.port, receive_buffer)) as sock:
            sock.sendall(data)
            yield sock

    def ask(self, data: bytes, method: str = "GET") -> Answer:
        """The answer to one request."""
        with self.talk(data) as sock:
            return read_response(sock, method)

    def event(self) -> str:
        return self.bench.events.get(timeout=DEADLINE)


@contextmanager
def serving(bench: Bench | None = None, **settings: Any) -> Iterator[Served]:
    bench = bench or Bench()
    with Server(bench, "127.0.0.1:0", Settings(**settings)) as server:
        yield Served(server, bench)


@pytest.fixture(scope="module")
def strict() -> Iterator[Served]:
    """Has the limits that the samples were made for."""
    with serving(
        Echo(),
        limit_head_size=LIMITS.head,
        limit_request_line=LIMITS.request_line,
        limit_headers=LIMITS.fields,
        limit_body_size=BODY_LIMIT,
    ) as served:
        yield served


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    with serving(limit_body_size=64 * 1024, limit_discard=16 * 1024) as served:
        yield served


@pytest.fixture
def served(shared: Served) -> Served:
    """The shared one, its handler's memory fresh."""
    shared.bench.__init__()  # type: ignore[misc]  # the one object that the server knows
    return shared


def get(path: str, fields: str = "", version: str = "1.1", method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/{version}\r\nHost: a\r\n{fields}\r\n".encode("latin-1")


def post(path: str, length: int, fields: str = "") -> bytes:
    return get(path, f"Content-Length: {length}\r\n{fields}", method="POST")


def check_refusal(sock: socket.socket, status: int) -> None:
    """What comes next is a refusal, whole; then nothing, whatever is sent, and a clean end."""
    answer = read_response(sock)
    assert answer.status == status, answer
    assert answer.field("Connection") == "close"
    assert answer.framing == "length"
    assert answer.body.endswith(b"\n")
    assert answer.field("Content-Type") == "text/plain; charset=utf-8"
    assert answer.field("Date")
    sock.sendall(SMUGGLED)  # a socket that was closed and not lingering would answer this with a reset
    sock.shutdown(socket.SHUT_WR)
    assert read_all(sock) == b""


# The tables: request line, fields, body. Rows that refuse, with the samples that fall under them.

ROWS: dict[str, list[str]] = {
    "empty lines before a request line: more than a few: 400": ["five empty lines in front", "nothing but empty lines"],
    "method not a token; other than one space between parts; tab or other white space; leading space: 400": [
        *("space in front", "method not a token", "no method", "method in Latin-1", "two spaces"),
        "two spaces before the version",
        *("space behind", "tab", "vertical tab", "no-break space", "no target"),
    ],
    "bare LF or bare CR anywhere in the head: 400": [
        *("LF in front", "CR in front", "bare LF", "bare LF behind the request line", "bare LF behind the version"),
        *("bare CR behind the request line", "CR CR LF", "TLS"),
    ],
    "control bytes, NUL, raw bytes, space or fragment in the target: 400": [
        *("space in target", "NUL in target", "control byte in target", "DEL in target", "raw byte in target"),
        "fragment",
    ],
    "no version, or one that is malformed: 400": [
        *("no version", "HTTP/1", "HTTP/1.", "HTTP/01.1", "HTTP/1.10", "http/1.1", "HTTP/1,1", "HTTP/+1.1"),
        "HTTPS/1.1",
        "HTTP/1.\u0661",
    ],
    "another well-formed major version; the HTTP/2 preface: 505": [
        *("HTTP/0.9", "HTTP/2.0", "HTTP/3.1", "HTTP/2 preface"),
    ],
    "`*` but for OPTIONS; authority form but for CONNECT; CONNECT with anything else: 400": [
        *("asterisk with GET", "asterisk and more", "authority with GET", "CONNECT with a path", "CONNECT with a URL"),
        *("CONNECT without a port", "CONNECT with an empty port", "CONNECT, v6, without a port"),
        "CONNECT with a large port",
        *("relative", "query alone"),
    ],
    "absolute form: its authority must be well formed; scheme http or https": [
        *("absolute, ftp", "absolute, no authority", "absolute, one slash", "absolute, userinfo", "absolute, bad port"),
    ],
    "target longer than the limit: 414": [
        *("request line over its limit", "request line over its limit, behind an empty line"),
        "request line without end",
        *("request line without end, behind an empty line", "long and malformed request line"),
        "long request line, then a fault",
        "a fault, then a long request line",
    ],
    "white space before the colon; name not a token; empty name; line without a colon: 400": [
        *("space before the colon", "tab before the colon", "name not a token", "name in Latin-1", "empty name"),
        "no colon",
    ],
    "a folded line: 400": ["folded", "folded with a tab", "folded first line", "blank folded line"],
    "CR, LF, NUL or another control byte but tab in a value: 400": [
        *("CR in value", "LF in value", "LF ends a line", "CR at the end of value", "LF at the end of value"),
        "NUL in value",
        *("control byte in value", "vertical tab in value", "DEL in value"),
    ],
    "HTTP/1.1 without Host; two; one that is no `uri-host[:port]`; an empty one with an authority in the target: 400": [
        *("no Host", "no Host in HTTP/1.2", "two Hosts", "two equal Hosts", "two Hosts in HTTP/1.0"),
        "absolute, empty Host",
        *(name for name in BAD if name.startswith("Host") and name != "Host in trailers"),
    ],
    "head larger than the limit, more fields than the limit: 431": [
        *("head over its limit", "head over its limit, behind an empty line", "head without end"),
        "head without end, many lines",
        *("large head, then a fault", "a fault, then a large head", "fields over their limit"),
    ],
    "repeated singletons: 400": ["two Authorizations", "two Content-Types", "two Ranges", "two expectations"],
    "any other expectation: 417": ["another expectation", "empty expectation"],
    "a Connection that is no list of tokens, which two parsers could read differently: 400": [
        *("Connection that is no list", "Connection with a space in a token"),
    ],
    "`Content-Length` with anything but digits, two of them, a list: 400": [
        *("length +5", "length -5", "length -0", "length 1_0", "length 0x5", "length 5h", "length 5.0", "length 1 1"),
        *("length empty", "length of white space", "length in Arabic digits", "length superscript"),
        "length with vertical tab",
        *("length with no-break space", "length list", "length quoted", "two lengths", "two equal lengths"),
    ],
    "more digits than a sane size, or above the body limit: 413": [
        *("length of 19 digits", "length of 100 digits", "length above the limit"),
    ],
    "`Transfer-Encoding` with `Content-Length`: 400": ["both framings", "both framings, length first"],
    "`Transfer-Encoding` in HTTP/1.0: 400": ["chunked in HTTP/1.0"],
    "`Transfer-Encoding` anything but exactly one `chunked`: 400 or 501": [
        *("chunked twice", "chunked in two lines", "identity", "identity, chunked", "chunked, identity", "gzip"),
        "gzip, chunked",
        *("chunked, gzip", "chunked;x", "chunked=", "coding empty", "comma, chunked", "chunked, comma"),
        "coding in quotes",
        *("xchunked", "chunked and vertical tab", "chunked and no-break space", "chunked and NUL"),
        "chunked with a Kelvin sign",
    ],
    "chunk size: no digits, sign, `0x`, underscore, space before or after, too many digits: 400": [
        name for name in BAD if name.startswith("chunk size")
    ],
    "chunk extension: over its limit, bare CR or LF inside, or malformed: 400": [
        name for name in BAD if name.startswith(("chunk extension", "chunk line"))
    ],
    "chunk data not followed by exactly CRLF: 400": [
        *("chunk data too long", "chunk data too short", "two bytes for CRLF", "LF CR for CRLF", "LF for CRLF"),
        "CR for CRLF",
    ],
    "trailers: by the field rules, bounded, never merged": [
        *(name for name in BAD if "trailer" in name),
        *("last chunk ended by LF", "bytes for the last CRLF"),
    ],
    "body larger than the limit, chunked too: 413": ["chunks above the limit", "a chunk above the limit"],
}


def test_every_sample_is_under_one_row() -> None:
    names = [name for names in ROWS.values() for name in names]
    assert sorted(names) == sorted(BAD)


@pytest.mark.parametrize(("row", "name"), [(row, name) for row, names in ROWS.items() for name in names])
def test_a_row_that_refuses(strict: Served, row: str, name: str) -> None:
    data, status = BAD[name]
    strict.bench.calls.clear()
    with strict.talk(data + SMUGGLED) as sock:
        check_refusal(sock, status)
    assert strict.bench.calls == [], row


@pytest.mark.parametrize(
    "name",
    [
        *("fragment", "two Hosts", "length list", "chunk size +5", "two bytes for CRLF", "trailer folded"),
    ],
)
def test_a_refusal_of_what_comes_byte_by_byte(strict: Served, name: str) -> None:
    data, status = BAD[name]
    strict.bench.calls.clear()
    with strict.talk() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in data + SMUGGLED:
            sock.sendall(bytes([byte]))
        check_refusal(sock, status)
    assert strict.bench.calls == []


@pytest.mark.parametrize("name", GOOD)
def test_what_is_accepted_reaches_the_handler_as_it_is(strict: Served, name: str) -> None:
    wanted = [outcome for outcome in converse([GOOD[name]]) if isinstance(outcome, Taken)]
    with strict.talk(GOOD[name]) as sock:
        for request in wanted:
            answer = read_response(sock)
            assert answer.status in (200, 403)
            seen = json.loads(answer.body)
            assert seen["method"] == request.method
            assert seen["target"] == request.target.decode()
            assert seen["version"] == request.version.decode()
            assert seen["fields"] == [[key.decode(), value.decode("latin-1")] for key, value in request.fields]
            assert seen["body"] == request.body.decode("latin-1")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""


@pytest.mark.parametrize("count", range(5))
def test_a_few_empty_lines_before_a_request_line_are_skipped(served: Served, count: int) -> None:
    with served.talk((b"\r\n" * count + get("/a")) * 2) as sock:
        assert read_response(sock).status == read_response(sock).status == 200


@pytest.mark.parametrize("minor", range(1, 10))
def test_later_minor_versions_are_as_1_1(served: Served, minor: int) -> None:
    with served.talk(get("/stream", version=f"1.{minor}")) as sock:
        answer = read_response(sock)
        assert (answer.status, answer.framing, answer.field("Connection")) == (200, "chunked", None)
        sock.sendall(get("/b", version=f"1.{minor}"))
        assert read_response(sock).status == 200


def test_connect_is_501_unless_the_handler_takes_it(served: Served, strict: Served) -> None:
    data = b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"
    assert served.ask(data).status == 501
    assert served.bench.calls == []
    assert json.loads(strict.ask(data).body)["target"] == "a:443"


def test_the_authority_of_an_absolute_form_wins_over_host(served: Served) -> None:
    seen = json.loads(served.ask(get("http://b.example:81/c?d")).body)
    assert (seen["host"], seen["path"], seen["joined"]["host"]) == ("b.example:81", "/c", "a")


def test_an_unknown_method_is_the_handlers_to_decide(served: Served) -> None:
    assert json.loads(served.ask(get("/", method="BREW-IT!")).body)["method"] == "BREW-IT!"


def test_bytes_above_ascii_and_tabs_in_a_value_are_kept(served: Served) -> None:
    assert json.loads(served.ask(get("/", "X: a\t\x80\xff\r\n")).body)["joined"]["x"] == "a\t\x80\xff"


def test_repeated_list_fields_are_combined_in_order(served: Served) -> None:
    seen = json.loads(served.ask(get("/", "Accept: a\r\nCookie: c\r\nACCEPT: b\r\nCookie: d\r\n")).body)
    assert (seen["joined"]["accept"], seen["joined"]["cookie"]) == ("a, b", "c; d")


@pytest.mark.parametrize(
    ("version", "connection", "keeps", "says"),
    [
        ("1.1", None, True, None),
        ("1.1", "close", False, "close"),
        ("1.1", "CLOSE", False, "close"),
        ("1.1", "foo ,\tClose, bar", False, "close"),
        ("1.1", "keep-alive", True, None),
        ("1.1", "keep-alive, close", False, "close"),
        ("1.0", None, False, "close"),
        ("1.0", "close", False, "close"),
        ("1.0", "Keep-Alive", True, "keep-alive"),
        ("1.0", "foo, keep-alive", True, "keep-alive"),
        ("1.0", "keep-alive, close", False, "close"),
    ],
)
def test_connection_is_obeyed(
    served: Served, version: str, connection: str | None, keeps: bool, says: str | None
) -> None:
    fields = f"Connection: {connection}\r\n" if connection else ""
    with served.talk(get("/", fields, version)) as sock:
        assert read_response(sock).field("Connection") == says
        if keeps:
            sock.sendall(get("/b"))
            assert read_response(sock).status == 200
        else:
            assert read_all(sock) == b""


@pytest.mark.parametrize("offer", ["websocket", "h2c", "TLS/1.0, IRC/6.9"])
def test_an_upgrade_nobody_offers_is_ignored(served: Served, offer: str) -> None:
    fields = f"Upgrade: {offer}\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
    with served.talk(get("/", fields)) as sock:
        assert read_response(sock).status == 200
        sock.sendall(get("/b"))
        assert read_response(sock).status == 200


# Body.


def test_413_comes_before_the_body_is_read(served: Served) -> None:
    with served.talk(post("/", 1 << 40)) as sock:
        check_refusal(sock, 413)
    with served.talk(get("/", "Transfer-Encoding: chunked\r\n", method="POST") + b"ffffff\r\n") as sock:
        check_refusal(sock, 413)


def test_trailers_are_never_merged_into_the_headers(served: Served) -> None:
    head = get("/", "Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n", method="POST")
    seen = json.loads(served.ask(head + b"1\r\na\r\n0\r\nX-Sum: 5\r\nCookie: a\r\n\r\n").body)
    assert seen["trailers"] == {"x-sum": "5", "cookie": "a"}
    assert seen["joined"].keys() == {"host", "transfer-encoding", "trailer"}
    assert seen["body"] == "a"


@pytest.mark.parametrize(
    "data",
    [
        *(post("/", 5) + b"hell", get("/", "Transfer-Encoding: chunked\r\n") + b"5\r\nhello\r\n", get("/")[:-2]),
        b"GET / HT",
    ],
)
def test_a_peer_that_closes_in_the_middle_has_asked_nothing(served: Served, data: bytes) -> None:
    with served.talk(data) as sock:
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
    assert served.bench.calls == []


@pytest.mark.parametrize("leave", [lambda sock: sock.shutdown(socket.SHUT_WR), reset], ids=["FIN", "reset"])
def test_a_stream_is_told_when_the_peer_closes_in_the_middle(
    served: Served, leave: Callable[[socket.socket], None]
) -> None:
    with served.talk(post("/sink", 10) + b"hello") as sock:
        assert served.event() == "fed"
        leave(sock)
        assert served.event() == "aborted"


UNREAD = {
    "by length": (post("/early", 10_000), b"x" * 10_000),
    "chunked": (get("/early", "Transfer-Encoding: chunked\r\n"), b"1000\r\n" + b"x" * 4096 + b"\r\n0\r\nA: b\r\n\r\n"),
}


@pytest.mark.parametrize("name", UNREAD)
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "behind the answer"])
def test_a_body_nobody_read_is_discarded_within_a_limit_and_the_connection_goes_on(
    served: Served, name: str, waits: bool
) -> None:
    head, body = UNREAD[name]
    with served.talk(head if waits else head + body + get("/next")) as sock:
        answer = read_response(sock)
        assert (answer.status, answer.body, answer.field("Connection")) == (401, b"who are you?\n", None)
        if waits:
            sock.sendall(body + get("/next"))
        assert json.loads(read_response(sock).body)["path"] == "/next"
    assert served.bench.calls == ["/next"]


@pytest.mark.parametrize(
    ("head", "status"),
    [(post("/early", len(MEBIBYTE)), 401), (post("/", len(MEBIBYTE)), 413)],
    ids=["early answer", "413"],
)
def test_the_answer_to_a_large_unwanted_body_is_seen_and_not_a_reset(served: Served, head: bytes, status: int) -> None:
    with served.talk(head) as sock:
        sock.sendall(MEBIBYTE)
        answer = read_response(sock)
        assert (answer.status, answer.field("Connection")) == (status, "close")
        sock.sendall(SMUGGLED)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
    assert served.bench.calls == []


@pytest.mark.parametrize(("path", "status"), [("/early", 401), ("/", 413)])
def test_the_answer_to_large_unwanted_chunks_is_seen_and_not_a_reset(served: Served, path: str, status: int) -> None:
    with served.talk(get(path, "Transfer-Encoding: chunked\r\n", method="POST")) as sock:
        sock.sendall(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        sock.sendall(b"100000\r\n" + MEBIBYTE + b"\r\n0\r\n\r\n")
        answer = read_response(sock)
        assert answer.status == status
        sock.sendall(SMUGGLED)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
    assert served.bench.calls == []


# Answers.


@pytest.mark.parametrize("path", ["/large", "/stream", "/sized", "/file"])
def test_a_client_that_half_closes_gets_its_whole_answer(served: Served, path: str) -> None:
    with served.talk(get(path)) as sock:
        sock.shutdown(socket.SHUT_WR)
        answer = read_response(sock)
        assert len(answer.body) == (LARGE if path == "/large" else 3)
        assert read_all(sock) == b""


def test_a_client_that_half_closes_gets_all_its_answers(served: Served) -> None:
    with served.talk(b"".join(get(f"/{number}") for number in range(100))) as sock:
        sock.shutdown(socket.SHUT_WR)
        for number in range(100):
            assert json.loads(read_response(sock).body)["path"] == f"/{number}"
        assert read_all(sock) == b""


def test_an_answer_being_computed_learns_that_its_reader_said_goodbye_and_is_still_sent(served: Served) -> None:
    with served.talk(get("/later") + get("/next")) as sock:
        later = served.bench.laters.get(timeout=DEADLINE)
        sock.shutdown(socket.SHUT_WR)
        assert served.event() == "goodbye"
        later.answer(Response(200, "done"))
        assert read_response(sock).body == b"done"
        assert json.loads(read_response(sock).body)["path"] == "/next"
        assert read_all(sock) == b""
    assert served.bench.events.empty()  # told once


def test_a_reset_ends_an_answer_being_computed(served: Served) -> None:
    with served.talk(get("/later")) as sock:
        later = served.bench.laters.get(timeout=DEADLINE)
        reset(sock)
        assert served.event() == "abandoned"
    later.answer(Response(200, "nobody is there"))


def test_a_reset_ends_an_answer_being_streamed(served: Served) -> None:
    with served.talk(get("/endless")) as sock:
        assert sock.recv(100)
        reset(sock)
        assert served.event() == "closed"


@pytest.mark.parametrize(
    "name",
    [
        *("no colon", "HTTP/2.0", "length list", "gzip, chunked", "another expectation", "two bytes for CRLF"),
    ],
)
@pytest.mark.parametrize("first", ["/a", "/stream", "/file", "/204"])
def test_good_requests_before_a_broken_one_are_answered_first(served: Served, name: str, first: str) -> None:
    data, status = BAD[name]
    with served.talk(get("/a") + get(first) + data + SMUGGLED) as sock:
        assert read_response(sock).status == 200
        assert read_response(sock).status == (204 if first == "/204" else 200)
        check_refusal(sock, status)
    assert served.bench.calls == ["/a", first]


def test_100_continue_is_sent_when_the_body_is_wanted(served: Served) -> None:
    for head, body in (
        (post("/", 5, "Expect: 100-continue\r\n"), b"hello"),
        (get("/", "Transfer-Encoding: chunked\r\nExpect: 100-Continue\r\n"), b"5\r\nhello\r\n0\r\n\r\n"),
    ):
        with served.talk(head) as sock:
            interim = read_response(sock)
            assert (interim.status, interim.fields) == (100, [])
            sock.sendall(body)
            assert json.loads(read_response(sock).body)["body"] == "hello"


def test_100_continue_is_sent_for_a_body_sink(served: Served) -> None:
    with served.talk(post("/sink", 5, "Expect: 100-continue\r\n")) as sock:
        assert read_response(sock).status == 100
        sock.sendall(b"hello")
        assert read_response(sock).body == b"5 bytes"


def test_100_continue_comes_behind_the_answers_before_it(served: Served) -> None:
    with served.talk(get("/stream") + post("/", 5, "Expect: 100-continue\r\n")) as sock:
        assert read_response(sock).body == b"abc"
        assert read_response(sock).status == 100
        sock.sendall(b"hello" + get("/next"))
        assert read_response(sock).status == read_response(sock).status == 200


@pytest.mark.parametrize(
    "data",
    [
        post("/", 5, "Expect: 100-continue\r\n") + b"h",
        post("/", 5, "Expect: 100-continue\r\n") + b"hello",
        post("/", 0, "Expect: 100-continue\r\n"),
        get("/", "Expect: 100-continue\r\n"),
        b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    ],
    ids=["part of the body is here", "all of it is here", "it is empty", "there is none", "HTTP/1.0"],
)
def test_100_continue_is_not_sent_where_it_is_of_no_use(served: Served, data: bytes) -> None:
    with served.talk(data) as sock:
        sock.sendall(b"hello"[len(data.partition(b"\r\n\r\n")[2]) :] if b": 5" in data else b"")
        assert read_response(sock).status == 200


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [
        *(("/early", 5, 401), ("/", 1 << 30, 413), ("/early", 1 << 30, 401)),
    ],
)
def test_100_continue_is_not_sent_before_an_early_answer(served: Served, path: str, length: int, status: int) -> None:
    with served.talk(post(path, length, "Expect: 100-continue\r\n")) as sock:
        answer = read_response(sock)
        assert (answer.status, answer.field("Connection")) == (status, "close")  # who knows whether the body will come
        assert read_all(sock) == b""
    assert served.bench.calls == []


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("path", ["/", "/large", "/sized", "/file", "/stream", "/204", "/304"])
def test_head_has_the_fields_that_get_has_and_no_body(served: Served, path: str, version: str) -> None:
    keep = "Connection: keep-alive\r\n"
    by_get = served.ask(get(path, keep, version))
    with served.talk(get(path, keep, version, method="HEAD") + get("/next", keep, version)) as sock:
        by_head = read_response(sock, "HEAD")
        assert by_head.status == by_get.status
        if path != "/":  # which says the method
            assert by_head.field("Content-Length") == by_get.field("Content-Length")
        for name in ("Content-Type", "Transfer-Encoding"):
            assert by_head.field(name) == by_get.field(name)
        assert json.loads(read_response(sock).body)["path"] == "/next"


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_204_and_304_have_no_body(served: Served, status: int, method: str) -> None:
    with served.talk(get(f"/{status}", method=method) + get("/next")) as sock:
        answer = read_response(sock, method)
        assert answer.status == status
        assert answer.field("Transfer-Encoding") is None
        assert answer.field("Content-Length") is None
        assert json.loads(read_response(sock).body)["path"] == "/next"


def test_a_body_of_unknown_length_is_chunked_for_1_1(served: Served) -> None:
    answer = served.ask(get("/stream"))
    assert (answer.framing, answer.body, answer.field("Connection")) == ("chunked", b"abc", None)


@pytest.mark.parametrize("fields", ["", "Connection: keep-alive\r\n"])
def test_a_body_of_unknown_length_is_ended_by_the_close_for_1_0(served: Served, fields: str) -> None:
    answer = served.ask(get("/stream", fields, version="1.0"))
    assert (answer.framing, answer.body, answer.field("Connection")) == ("close", b"abc", "close")


@pytest.mark.parametrize("path", ["/", "/stream", "/204", "/304", "/early", "/raises"])
def test_every_final_answer_has_a_date_and_says_who_we_are(served: Served, path: str) -> None:
    answer = served.ask(get(path))
    date = answer.field("Date")
    assert date is not None
    assert re.fullmatch(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT", date)
    assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 5
    assert answer.field("Server") == "reactor"


def test_server_and_date_can_be_turned_off() -> None:
    with serving(server_header=False) as served:
        for data in (get("/"), b"BAD\r\n\r\n"):
            answer = served.ask(data)
            assert answer.field("Server") is None
            assert answer.field("Date")
    with serving(date_header=False) as served:
        assert served.ask(get("/")).field("Date") is None


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    kinds = ["/echo", "/stream", "/file", "/204", "/sink", "/early", "/large"]
    paths = [f"/{number}" if kind == "/echo" else kind for number in range(12) for kind in kinds]
    with served.talk() as sock:
        sender = threading.Thread(target=sock.sendall, args=(b"".join(post(path, 3) + b"abc" for path in paths),))
        sender.start()
        for path in paths:
            answer = read_response(sock)
            if path == "/large":
                assert len(answer.body) == LARGE
            elif path in ("/stream", "/file"):
                assert answer.body == b"abc"
            elif path == "/sink":
                assert answer.body == b"3 bytes"
            elif path in ("/204", "/early"):
                assert answer.status == (204 if path == "/204" else 401)
            else:
                assert json.loads(answer.body)["path"] == path
        sender.join()


@pytest.mark.parametrize("fields", ["Connection: close\r\n", "Connection: close\r\nContent-Length: 2\r\n"])
@pytest.mark.parametrize("path", ["/a", "/stream", "/early", "/later"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_after_connection_close_nothing_is_read_as_a_request(
    served: Served, version: str, path: str, fields: str
) -> None:
    with served.talk(get(path, fields, version) + (b"ab" if "Length" in fields else b"") + SMUGGLED) as sock:
        if path == "/later":
            served.bench.laters.get(timeout=DEADLINE).answer(Response(200, "late"))
        assert read_response(sock).field("Connection") == "close"
        sock.sendall(SMUGGLED)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
    assert "/smuggled" not in served.bench.calls


@pytest.mark.parametrize(
    ("path", "version"),
    [
        *(("/short", "1.1"), ("/short", "1.0"), ("/short-file", "1.1"), ("/long", "1.1"), ("/breaks", "1.1")),
    ],
)
def test_a_broken_promise_of_a_length_is_seen_by_the_client(served: Served, path: str, version: str) -> None:
    with served.talk(get(path, version=version) + SMUGGLED) as sock, pytest.raises((EOFError, ConnectionResetError)):
        read_response(sock)
    assert "/smuggled" not in served.bench.calls


def test_a_body_ended_by_the_close_that_breaks_off_is_a_reset(served: Served) -> None:
    with served.talk(get("/breaks", version="1.0")) as sock, pytest.raises(ConnectionResetError):
        read_response(sock)


def test_late_heads_and_bodies_are_408_and_silence_is_just_closed() -> None:
    with serving(timeout_header=0.1, timeout_body=0.1, timeout_keep_alive=0.1) as served:
        with (
            served.talk(get("/")[:-2]) as head,
            served.talk(post("/", 5) + b"hell") as body,
            served.talk() as silent,
            served.talk(get("/")) as idle,
        ):
            assert read_response(idle).status == 200
            check_refusal(head, 408)
            check_refusal(body, 408)
            assert read_all(silent) == b""
            assert read_all(idle) == b""
        assert served.bench.calls == ["/"]


def test_503_with_retry_after_while_shedding_load() -> None:
    with serving(limit_concurrency=1) as served, served.talk(get("/later")) as busy:
        later = served.bench.laters.get(timeout=DEADLINE)
        with served.talk(get("/a") + post("/b", 3) + b"abc" + get("/c")) as sock:
            for _ in range(3):
                answer = read_response(sock)
                assert answer.status == 503
                assert answer.field("Retry-After") is not None
            assert served.bench.calls == ["/later"]
            later.answer(Response(200, "done"))
            assert read_response(busy).body == b"done"
            sock.sendall(get("/d"))
            assert json.loads(read_response(sock).body)["path"] == "/d"


# Things that have gone wrong in servers like this one, and have no row above.


def test_every_byte_that_is_no_token_is_refused_in_a_name(strict: Served) -> None:
    taken = []
    for number in range(256):
        data = b"GET / HTTP/1.1\r\nHost: a\r\nX" + bytes([number]) + b"Y: 1\r\n\r\n"
        if strict.ask(data).status == 200:
            taken.append(number)
    token = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert bytes(taken) == bytes(sorted([*token, ord(":")]))


def test_a_refused_head_is_nobodys_request_and_the_log_says_so() -> None:
    log, bench = io.StringIO(), Bench()
    with Server(bench, "127.0.0.1:0", access_log=log) as server:
        served = Served(server, bench)
        assert served.ask(b"GET / HTTP/1.1\r\nX: y\r\n\r\n").status == 400
        assert served.ask(b"\x16\x03\x01").status == 400
    lines = log.getvalue().splitlines()
    assert len(lines) == 2
    assert all(re.fullmatch(r"127\.0\.0\.1:[0-9]+ - 400 .*", line) for line in lines), lines
    assert bench.calls == []


def test_no_target_forges_a_line_of_the_log() -> None:
    log, bench = io.StringIO(), Bench()
    with Server(bench, "127.0.0.1:0", access_log=log) as server:
        served = Served(server, bench)
        assert served.ask(get('/a%0d%0a127.0.0.1:1"\\\\x')).status == 200
        for byte in b"\r\n\x00\x1b\x85":
            assert served.ask(b"GET /" + bytes([byte]) + b" HTTP/1.1\r\nHost: a\r\n\r\n").status == 400
    lines = log.getvalue().split("\n")
    assert len(lines) == 7
    assert all(re.fullmatch(r"[ -~]*", line) for line in lines)


def test_no_header_a_handler_sets_splits_the_answer(served: Served) -> None:
    with served.talk(get("/splits") + get("/next")) as sock:
        answer = read_response(sock)
        assert answer.status == 500
        assert answer.field("Set-Cookie") is None
        assert b"Evil" not in answer.body
        assert json.loads(read_response(sock).body)["path"] == "/next"


@pytest.mark.parametrize("path", ["/raises", "/nothing"])
def test_a_handler_that_fails_is_a_500_and_the_connection_goes_on(served: Served, path: str) -> None:
    with served.talk(get(path) + get("/next")) as sock:
        answer = read_response(sock)
        assert (answer.status, answer.body) == (500, b"Internal Server Error\n")
        assert json.loads(read_response(sock).body)["path"] == "/next"


def test_the_next_request_is_not_looked_at_before_the_last_is_answered(served: Served) -> None:
    with served.talk(get("/later") + get("/next")) as sock, served.talk() as other:
        later = served.bench.laters.get(timeout=DEADLINE)
        sock.sendall(get("/third"))
        for _ in range(20):  # the loop has had its turns
            other.sendall(get("/other"))
            assert read_response(other).status == 200
        assert served.bench.calls == ["/later"] + ["/other"] * 20
        later.answer(Response(200, "done"))
        assert read_response(sock).body == b"done"
        for path in ("/next", "/third"):
            assert json.loads(read_response(sock).body)["path"] == path
    assert served.bench.calls[-2:] == ["/next", "/third"]


def test_a_slow_reader_holds_no_more_than_the_sockets_buffers(served: Served) -> None:
    with served.talk(get("/endless"), receive_buffer=4096), served.talk() as other:
        before, quiet = -1, 0
        for _ in range(5000):
            other.sendall(get("/other"))
            assert read_response(other).status == 200
            quiet = quiet + 1 if served.bench.pulled == before else 0
            before = served.bench.pulled
            if before and quiet == 50:
                break
        assert quiet == 50, "it goes on producing for a reader that does not read"
        assert before * 65536 < 32 << 20
    assert served.event() == "closed"


def test_a_shutdown_waits_for_no_idle_connection() -> None:
    with serving() as served:
        with served.talk(get("/")) as idle, served.talk() as silent:
            assert read_response(idle).status == 200
            began = time.monotonic()
            served.server.stop()
            assert time.monotonic() - began < 2
            assert read_all(idle) == read_all(silent) == b""


def test_a_shutdown_lets_an_answer_be_finished_and_says_that_it_closes() -> None:
    with serving() as served, served.talk(get("/later")) as sock:
        later = served.bench.laters.get(timeout=DEADLINE)
        served.server.reactor.call_from_outside(served.server.drain)
        served.server.reactor.call_from_outside(lambda: later.answer(Response(200, "done")))
        answer = read_response(sock)
        assert (answer.body, answer.field("Connection")) == (b"done", "close")
        assert read_all(sock) == b""
