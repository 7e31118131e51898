"""The oracles, the comparison and the table of what is known: each difference that they can tell, told."""

import pytest

from reactor.settings import Settings

from .asking import ORACLES, ask_all
from .comparing import CLOSING, FRAMING, LAXER, MEANING, STRICTER, compare, compare_heads
from .known import HTTP_SERVER, KNOWN, LLHTTP, Known
from .oracles import CLOSED, REFUSED, WAITING, Reading, Said, ask_h11, ask_http_server, ask_llhttp, ask_us, until_tunnel

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n2;x\r\nhe\r\n3\r\nllo\r\n0\r\nX: y \r\n\r\n"
)
CLOSE = b"GET /d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
CONNECT = b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"
UPGRADE = b"POST /e HTTP/1.1\r\nUPGRADE: x\r\nHost: a\r\nConnection: upgrade\r\nContent-Length: 13\r\n\r\n"

HOST = (b"host", b"a")
LENGTH = (b"content-length", b"5")
SAID_GET = Said(b"GET", b"/", b"HTTP/1.1", [HOST])
SAID_POST = Said(b"POST", b"/b", b"HTTP/1.1", [HOST, LENGTH], b"hello")
SAID_CHUNKED = Said(b"POST", b"/c", b"HTTP/1.1", [HOST, (b"transfer-encoding", b"chunked")], b"hello", [(b"x", b"y")])
SAID_CLOSE = Said(b"GET", b"/d", b"HTTP/1.1", [HOST, (b"connection", b"close")])
SAID_CONNECT = Said(b"CONNECT", b"a:1", b"HTTP/1.1", [HOST])
SAID_UPGRADE = Said(
    b"POST",
    b"/e",
    b"HTTP/1.1",
    [(b"upgrade", b"x"), HOST, (b"connection", b"upgrade"), (b"content-length", b"13")],
    b"\r\nUpgrade: no",  # what looks like a field, and is not
)

STREAMS = {
    "nothing": (b"", Reading([], None, WAITING)),
    "a pipeline": (GET + POST + CHUNKED + GET, Reading([SAID_GET, SAID_POST, SAID_CHUNKED, SAID_GET], None, WAITING)),
    "empty lines": (b"\r\n" + POST + b"\r\n\r\n" + GET, Reading([SAID_POST, SAID_GET], None, WAITING)),
    "part of a head": (POST + GET[:-1], Reading([SAID_POST], None, WAITING)),
    "part of a body": (GET + POST[:-2], Reading([SAID_GET], SAID_POST._replace(body=b"hel"), WAITING)),
    "part of a chunk": (CHUNKED[:-22], Reading([], SAID_CHUNKED._replace(body=b"he", trailers=[]), WAITING)),
    "behind a close": (POST + CLOSE + GET, Reading([SAID_POST, SAID_CLOSE], None, CLOSED)),
    "a close": (CLOSE, Reading([SAID_CLOSE], None, CLOSED)),
    "behind a CONNECT": (CONNECT + GET, Reading([SAID_CONNECT], None, CLOSED)),
    "an upgrade declined": (
        POST + UPGRADE + SAID_UPGRADE.body + UPGRADE + SAID_UPGRADE.body + GET,
        Reading([SAID_POST, SAID_UPGRADE, SAID_UPGRADE, SAID_GET], None, WAITING),
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_everybody_reads_a_stream_to_where_it_ends(name: str) -> None:
    data, reading = STREAMS[name]
    for said in (ask_us(data, Settings()), ask_h11(data), ask_llhttp(data)):
        assert until_tunnel(said)._replace(fault="") == reading


@pytest.mark.parametrize("data", [GET + b"G\x00\r\n\r\n", GET + CHUNKED[:-6] + b"\x00: y\r\n\r\n"])
def test_everybody_says_where_it_refuses(data: bytes) -> None:
    for reading in (ask_us(data, Settings()), ask_h11(data), ask_llhttp(data)):
        assert reading.requests == [SAID_GET]
        assert reading.end == REFUSED
        assert reading.fault


def test_http_server_reads_a_head() -> None:
    assert ask_http_server(b"\r\n" + POST + GET) == Reading([], SAID_POST._replace(body=b"hello" + GET), WAITING)
    assert ask_http_server(GET[:-2]) == Reading([], None, WAITING)
    assert ask_http_server(b"GET / FTP/1.1\r\n\r\n") == Reading(
        [], None, REFUSED, "400 Bad request version ('FTP/1.1')"
    )


def test_streams_that_are_read_alike_are_no_surprise() -> None:
    for data, _ in STREAMS.values():
        assert not ask_all(data).differences


# The comparison, with readings made up.

BEGUN = SAID_POST._replace(body=b"hel")
OURS = Reading([SAID_GET, SAID_POST], None, WAITING)
REFUSAL = Reading([], None, REFUSED, "no")


@pytest.mark.parametrize(
    ("ours", "theirs", "kind"),
    [
        (OURS, OURS, None),
        (OURS, Reading([SAID_GET, SAID_POST._replace(body=b"hell")], None, WAITING), FRAMING),
        (OURS, Reading([SAID_GET], SAID_POST, WAITING), FRAMING),
        (OURS, Reading([SAID_GET, SAID_POST, SAID_GET], None, WAITING), FRAMING),
        (OURS, Reading([SAID_GET, SAID_POST], BEGUN, WAITING), FRAMING),
        (Reading([], BEGUN, WAITING), Reading([], BEGUN._replace(body=b"he"), WAITING), FRAMING),
        (OURS, Reading([SAID_GET, SAID_POST._replace(target=b"/")], None, WAITING), MEANING),
        (OURS, Reading([SAID_GET, SAID_POST._replace(fields=[HOST])], None, WAITING), MEANING),
        (OURS, Reading([SAID_GET, SAID_POST._replace(trailers=[HOST])], None, WAITING), MEANING),
        (Reading([], BEGUN, WAITING), Reading([], BEGUN._replace(method=b"PUT"), WAITING), MEANING),
        (OURS, Reading([SAID_GET], None, CLOSED), CLOSING),
        (OURS, Reading([SAID_GET, SAID_POST], None, CLOSED), CLOSING),
        (Reading([SAID_GET], None, CLOSED), OURS, CLOSING),
        (OURS, Reading([SAID_GET], None, REFUSED), LAXER),
        (REFUSAL, OURS, STRICTER),
        (Reading([SAID_GET], BEGUN, REFUSED), OURS, STRICTER),
        (REFUSAL, Reading([], BEGUN, WAITING), None),
        (Reading([], BEGUN, WAITING), REFUSAL, None),
    ],
)
def test_a_difference_is_of_its_kind(ours: Reading, theirs: Reading, kind: str | None) -> None:
    difference = compare(ours, theirs)
    assert (difference and difference.kind) == kind


def test_a_head_that_differs_is_told() -> None:
    ours, theirs = ask_us(POST, Settings()), ask_http_server(POST)
    assert theirs.begun is not None
    assert compare_heads(ours, theirs, POST) is None
    for reading, kind in [
        (theirs._replace(begun=theirs.begun._replace(method=b"PUT")), MEANING),
        (theirs._replace(begun=theirs.begun._replace(body=b"ello")), FRAMING),
        (REFUSAL, LAXER),
    ]:
        difference = compare_heads(ours, reading, POST)
        assert difference is not None
        assert difference.kind == kind
    difference = compare_heads(REFUSAL, theirs, POST)
    assert difference is not None
    assert difference.kind == STRICTER


def test_a_surprise_shows_who_and_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ORACLES, LLHTTP, lambda data: Reading([SAID_GET], None, WAITING))
    (surprise,) = ask_all(GET + GET).surprises
    assert surprise.startswith("llhttp: framing: ")
    assert surprise.endswith(repr(GET + GET))


@pytest.mark.parametrize("row", KNOWN, ids=[f"{row.oracle}, {row.reason[:30]}" for row in KNOWN])
def test_what_is_known_shows_in_its_example(row: Known) -> None:
    answers = ask_all(row.example)
    assert row.covers(row.oracle, answers.differences[row.oracle])
    assert not answers.surprises
    assert row.kind not in (FRAMING, STRICTER)
    assert row.kind != MEANING or row.oracle == HTTP_SERVER, "the others mean the same, with no exception"
