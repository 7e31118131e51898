"""Heads that another connection began with: the same bytes are the same request, whoever sends them."""

from collections.abc import Iterator

import pytest

from reactor.http1.errors import ProtocolError
from reactor.http1.parser import _KNOWN, FIRST_HEADS, PATIENCE, SHORT, HeadParser
from reactor.http1.request import HeadLimits, Origin, Request
from tests.corpus import Case, load

HEAD = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
DEFAULT = HeadLimits()


@pytest.fixture(autouse=True)
def _nobody_began() -> Iterator[None]:
    _KNOWN.clear()
    yield
    _KNOWN.clear()


def take(data: bytes | bytearray, limits: HeadLimits = DEFAULT, origin: Origin | None = None) -> tuple[Request, int]:
    """What a new connection that begins with `data` asks for, and where its head ends."""
    parser = HeadParser(limits, origin or Origin())
    request = parser.take(data, 0)
    assert request is not None
    return request, parser.end


def told(request: Request) -> object:
    """All that a request says."""
    head = request.head
    return (request.method, request.target, request.path, request.version, request.host, request.headers.pairs,
            dict(request.headers), dict(request.query), request.body, request.trailers, request.params, request.root,
            head.raw, head.rest, head.is_plain, head.terms)  # fmt: skip


def with_fields(*lines: bytes, target: bytes = b"/a") -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % target, b"Host: a", *lines, b"", b""])


def filled_to(size: int) -> bytes:
    return with_fields(b"X: " + bytes(size - len(with_fields(b"X: "))).replace(b"\0", b"y"))


def test_the_second_connection_is_told_the_same_and_nothing_is_parsed() -> None:
    first, end = take(HEAD)
    origin = Origin(("192.0.2.1", 1))
    second, second_end = take(HEAD, origin=origin)
    assert second.head is first.head
    assert (end, second_end) == (len(HEAD), len(HEAD))
    assert told(second) == told(first)
    assert second.origin is origin
    second.body, second.path = b"of the second", "/of-the-second"
    assert told(take(HEAD)[0]) == told(first), "what is rewritten is the second's own"


@pytest.mark.parametrize(
    "data",
    [
        HEAD.replace(b"1.1", b"1.0"),
        b"GET / HTTP/1.0\r\n\r\n",
        HEAD.replace(b"GET", b"HEAD"),
        HEAD.replace(b"GET", b"BREW"),
        HEAD.replace(b"/a", b"http://b:80/a"),
        HEAD.replace(b"/a", b"/%C3%A4%20b"),
        b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
        with_fields(b"Connection: close"),
        with_fields(b"Connection: upgrade", b"Upgrade: toy"),
        with_fields(b"Accept: a", b"Accept: b", b"accept:", b"X:\ty \t"),
        with_fields(b"Content-Length: 5", b"Expect: 100-continue").replace(b"GET", b"POST"),
        with_fields(b"Transfer-Encoding: chunked").replace(b"GET", b"PUT"),
        filled_to(SHORT),
    ],
)
@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_every_kind_of_head(data: bytes, kind: type[bytes | bytearray]) -> None:
    parsed, _ = take(kind(data))
    known, end = take(kind(data))
    assert known.head is parsed.head
    assert end == len(data)
    assert told(known) == told(parsed)
    assert type(known.head.raw) is bytes


@pytest.mark.parametrize("case", [case for case in load().values() if case.is_valid], ids=lambda case: case.name)
def test_the_whole_corpus_says_the_same_twice(case: Case) -> None:
    parsed, end = take(case.data)
    again, again_end = take(case.data)
    alone, alone_end = take(case.data[:end])
    assert (again_end, alone_end) == (end, end)
    assert told(again) == told(parsed) == told(alone)
    known, known_end = take(parsed.head.raw)
    assert told(known) == told(parsed)
    assert known_end == len(parsed.head.raw)


@pytest.mark.parametrize(
    "data",
    [
        with_fields(b"Cookie: a=b"),
        with_fields(b"COOKIE: a=b"),
        with_fields(b"Authorization: Basic eA=="),
        with_fields(b"Accept: */*", b"Proxy-Authorization: Basic eA=="),
        with_fields(target=b"/a?token=b"),
        with_fields(target=b"/a?"),
        with_fields(target=b"http://a?b"),
        filled_to(SHORT + 1),
    ],
)
def test_what_is_secret_or_long_is_not_kept(data: bytes) -> None:
    first, _ = take(data)
    second, _ = take(data)
    assert not _KNOWN
    assert second.head is not first.head
    assert told(second) == told(first)


@pytest.mark.parametrize(
    "data",
    [HEAD[:-4] + b"\x00\r\n\r\n", b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
     with_fields(b"Host: b"), with_fields(b"Content-Length: 1", b"Transfer-Encoding: chunked"), HEAD[1:-3] + b"\n\n"],
)  # fmt: skip
def test_what_is_refused_is_refused_again(data: bytes) -> None:
    said = []
    for _ in range(2):
        with pytest.raises(ProtocolError) as caught:
            take(data)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert not _KNOWN


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        (HeadLimits(head=len(HEAD) - 1), 431),
        (HeadLimits(request_line=16), 414),
        (HeadLimits(fields=0), 431),
        (HeadLimits(head=10), 414),
    ],
)
def test_another_servers_smaller_limits_are_kept(limits: HeadLimits, status: int) -> None:
    """Two servers in one process."""
    take(HEAD)
    assert HEAD in _KNOWN
    with pytest.raises(ProtocolError, match=f"^{status}: "):
        take(HEAD, limits)
    assert take(HEAD)[1] == len(HEAD)


@pytest.mark.parametrize("count", range(1, 100))
def test_the_limit_of_fields_holds_for_the_shortest_lines_there_are(count: int) -> None:
    """Whether a head is looked up is decided by its length: four bytes are a line at least."""
    data = b"GET / HTTP/1.0\r\n" + b"a:\r\n" * count + b"\r\n"
    take(data, HeadLimits(fields=count))
    with pytest.raises(ProtocolError, match="431: "):
        take(data, HeadLimits(fields=count - 1))
    assert take(data, HeadLimits(fields=count))[1] == len(data)


@pytest.mark.parametrize("data", [with_fields(b"X: y"), filled_to(SHORT)])
def test_limits_that_it_just_keeps(data: bytes) -> None:
    take(data)
    for limits in (HeadLimits(len(data), len(data), 2), HeadLimits(len(data), 17, 2)):
        assert take(data, limits)[1] == len(data)


def test_only_bytes_that_are_exactly_one_head_are_looked_up() -> None:
    first, _ = take(HEAD)
    for data in (HEAD + HEAD, HEAD + b"\r\n", HEAD + b"x", b"\r\n" + HEAD):
        request, end = take(data)
        assert end == data.index(HEAD) + len(HEAD)
        assert told(request) == told(first)
    parser = HeadParser(HeadLimits(), Origin())
    for end in range(len(HEAD)):
        assert parser.take(HEAD[:end], 0) is None
    whole = parser.take(HEAD, 0)
    assert whole is not None
    assert (told(whole), parser.end) == (told(first), len(HEAD))


def test_what_stands_behind_empty_lines_is_a_head_that_others_may_begin_with() -> None:
    take(b"\r\n\r\n" + HEAD)
    assert [*_KNOWN] == [HEAD]
    assert take(b"\r\n\r\n" + HEAD)[1] == 4 + len(HEAD)


def test_who_began_with_a_known_head_goes_on_as_anybody() -> None:
    take(HEAD)
    parser = HeadParser(HeadLimits(), Origin())
    data = HEAD + HEAD.replace(b"/a", b"/b") + HEAD.replace(b"Host: a", b"Host: b")
    known = parser.take(HEAD, 0)
    other = parser.take(data, parser.end)
    third = parser.take(data, parser.end)
    assert known is not None
    assert other is not None
    assert third is not None
    assert (other.target, third.host) == (b"/b", "b")
    assert other.headers is known.headers
    assert parser.end == len(data)


def test_only_what_a_connection_begins_with_is_kept() -> None:
    """One that says something else each time takes nobody's place, however long it goes on."""
    parser = HeadParser(HeadLimits(), Origin())
    for number in range(3 * PATIENCE):
        data = HEAD.replace(b"Host: a", b"Host: a%d" % number)
        assert parser.take(data, 0) is not None
    assert [*_KNOWN] == [HEAD.replace(b"Host: a", b"Host: a0")]


def test_there_are_never_more_than_its_entries() -> None:
    for number in range(FIRST_HEADS + 10):
        take(HEAD.replace(b"/a", b"/%d" % number))
        assert len(_KNOWN) <= FIRST_HEADS
    assert len(_KNOWN) == 10
