"""What holds for any bytes: the core parses, waits or refuses, and does nothing else; and its work is linear.

Work is counted, not timed: every byte that is looked at, sliced or matched, and every call of a decoder's step.
"""

import os
import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, SupportsIndex, TypeVar
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.http1 import body as body_module
from reactor.http1 import fields as fields_module
from reactor.http1 import parser as parser_module
from reactor.http1.body import CHUNK_LINE_LIMIT, EXTENSIONS_LIMIT, TRAILERS_LIMIT, ChunkedBody, LengthBody
from reactor.http1.errors import ProtocolError
from reactor.http1.fields import SINGLETONS, Headers, list_tokens, parse_fields
from reactor.http1.framing import CHUNKED, body_length
from reactor.http1.parser import HeadParser
from reactor.http1.query import Query, percent_decode
from reactor.http1.request import HeadLimits, Origin
from reactor.http1.response import Response
from reactor.http1.terms import is_host

from .samples import Taken, Waiting, converse, expect
from .test_every_cut import PARTS
from .test_grammar import TCHAR

nearly = st.lists(st.sampled_from(PARTS) | st.binary(max_size=5), max_size=20).map(b"".join)
anything = st.binary(max_size=400) | nearly

tokens = st.text(TCHAR.decode(), min_size=1, max_size=12)
visible = st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#")
latin = st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")
values = st.text(latin | st.just("\t"), max_size=20)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """`data` in pieces that end at these positions, taken modulo its length."""
    ends = sorted({position % (len(data) + 1) for position in at} | {len(data)})
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False) if b > a]


positions = st.lists(st.integers(0, 10_000), max_size=8)


# Any bytes.

T = TypeVar("T")


def refused_or(parse: Callable[[], T], *statuses: int) -> T | None:
    """What `parse` returns, or None where it refuses with one of these statuses."""
    try:
        return parse()
    except ProtocolError as error:
        if error.status not in statuses:
            raise
        return None


@given(anything, positions)
def test_any_stream_is_parsed_waited_for_or_refused(data: bytes, at: list[int]) -> None:
    for outcome in converse(cut(data, at)):
        if isinstance(outcome, Taken):
            assert len(outcome.body) <= len(data)
        elif not isinstance(outcome, Waiting):
            assert outcome.status in (400, 413, 414, 417, 431, 501, 505)


@given(anything, st.integers(0, 50))
def test_any_block_is_parsed_or_refused(data: bytes, limit: int) -> None:
    headers = refused_or(lambda: parse_fields(data + b"\r\n\r\n", 0, limit), 400, 431) or Headers([])
    assert len(headers.pairs) <= limit
    assert sum(len(name) + len(value) + 3 for name, value in headers.pairs) <= len(data) + 2


@given(st.binary(max_size=60), st.text(max_size=10))
def test_any_query_can_be_asked(data: bytes, name: str) -> None:
    query = Query(data)
    assert set(query) == {key for key, _ in query.pairs}
    assert (name in query) == bool(query.get_all(name))
    for key in query:
        assert query[key] == query.get_all(key)[-1]


@given(st.binary(max_size=60).map(lambda data: bytes(byte & 0x7F for byte in data)))
def test_a_query_reads_as_the_standard_library_reads_it(data: bytes) -> None:
    assert Query(data).pairs == parse_qsl(data.decode(), keep_blank_values=True, errors="surrogateescape")


@given(st.binary(max_size=60))
def test_any_bytes_can_be_decoded_and_come_back(data: bytes) -> None:
    percent_decode(data)
    escaped = "".join(f"%{byte:02x}" for byte in data).encode()
    assert os.fsencode(percent_decode(escaped)) == data
    assert percent_decode(quote(data, safe="").encode()) == percent_decode(escaped)


@given(st.text(max_size=20))
def test_any_name_may_be_asked_for(name: str) -> None:
    headers = Headers([(b"a", b"b"), (b"?", b"c")])  # not a token, and so in no real one
    assert (name in headers) is (headers.get(name) is not None) is bool(headers.get_all(name))


@given(st.binary(max_size=40))
def test_predicates_take_anything(data: bytes) -> None:
    is_host(data)
    for token in list_tokens(data) or []:
        assert token
        assert set(token) <= set(TCHAR)


framing = st.tuples(st.sampled_from([b"Content-Length", b"Transfer-Encoding"]), st.binary(max_size=20))


@given(st.lists(framing, max_size=2))
def test_framing_is_decided_or_refused(pairs: list[tuple[bytes, bytes]]) -> None:
    def decide() -> int:
        headers = Headers(pairs)
        return body_length(b"HTTP/1.1", headers.raw(b"transfer-encoding"), headers.raw(b"content-length"))

    length = refused_or(decide, 400, 413, 501)
    assert length is None or length >= CHUNKED


@given(st.text(max_size=20), st.text(max_size=30))
def test_whatever_a_handler_sets_is_one_field_or_refused(name: str, value: str) -> None:
    plain = Response(200, b"").wire_head
    try:
        head = Response(200, b"", {name: value}).wire_head
    except ValueError:
        return
    assert head.startswith(plain)
    fields = parse_fields(head[len(plain) :] + b"\r\n", 0, 1)
    assert list(fields.pairs) == [(name.encode(), value.strip(" \t").encode("latin-1"))]


# What is well-formed.

plural = tokens.filter(lambda name: name.lower().encode() not in SINGLETONS)


@given(
    method=tokens.filter(lambda name: name != "CONNECT"),
    path=st.text(visible, max_size=30),
    minor=st.integers(1, 9),
    fields=st.lists(st.tuples(plural, values), max_size=20),
    space=st.sampled_from(["", " ", "\t", " \t "]),
    blank=st.integers(0, 4),
    body=st.binary(max_size=50),
    at=positions,
)
def test_well_formed_requests_parse_to_what_they_are(
    method: str,
    path: str,
    minor: int,
    fields: list[tuple[str, str]],
    space: str,
    blank: int,
    body: bytes,
    at: list[int],
) -> None:
    lines = [f"{method} /{path} HTTP/1.{minor}", "Host:a", f"Content-Length:{space}{len(body)}{space}"]
    lines += [f"{name}:{space}{value}{space}" for name, value in fields]
    stream = "\r\n" * blank + "".join(f"{line}\r\n" for line in [*lines, ""])
    pairs = [(b"Host", b"a"), (b"Content-Length", b"%d" % len(body))]
    pairs += [(name.encode(), value.strip(" \t").encode("latin-1")) for name, value in fields]
    wanted = Taken(method, f"/{path}".encode(), f"HTTP/1.{minor}".encode(), pairs, body, None)
    data = (stream.encode("latin-1") + body) * 2
    assert converse(cut(data, at), HeadLimits(), 50) == [wanted, wanted]


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=10),
    extensions=st.lists(st.sampled_from(["", ";a", ";a=b", ';a="\\"\t;\\\\"', ";a;b;c=d"]), min_size=11, max_size=11),
    form=st.sampled_from(["%x", "%X", "0%x", "00000%X"]),
    trailers=st.lists(st.tuples(tokens.map("X-{}".format), values), max_size=5),
    rest=st.binary(max_size=10),
    at=positions,
)
def test_any_payload_comes_back_from_its_chunks(
    pieces: list[bytes], extensions: list[str], form: str, trailers: list[tuple[str, str]], rest: bytes, at: list[int]
) -> None:
    pairs = zip([*pieces, b""], extensions, strict=False)
    sizes = [(form % len(piece) + extension).encode() for piece, extension in pairs]
    data = b"".join(b"%b\r\n%b\r\n" % pair for pair in zip(sizes, pieces, strict=False)) + sizes[-1] + b"\r\n"
    data += "".join(f"{name}: {value}\r\n" for name, value in trailers).encode("latin-1") + b"\r\n"
    decoder = ChunkedBody(sum(map(len, pieces)))
    payload, inbox = b"", b""
    for piece in cut(data + rest, at):
        inbox += piece
        inbox = inbox[decoder.feed(inbox, 0) :]
        payload += decoder.take()
    assert decoder.is_complete
    assert payload == b"".join(pieces)
    assert inbox == rest
    wanted = [(name.encode(), value.strip(" \t").encode("latin-1")) for name, value in trailers]
    assert list(decoder.trailers.pairs if decoder.trailers else []) == wanted


# Work.


class Work:
    """Counts the bytes that were looked at."""

    def __init__(self) -> None:
        self.bytes = 0


class CountedInbox(bytearray):
    """An inbox that knows how much of it was looked at; patterns are counted by CountedPattern."""

    work: Work

    def find(self, sub: Any, start: Any = 0, end: Any = None, /) -> int:
        end = len(self) if end is None else min(end, len(self))
        found = super().find(sub, start, end)
        self.work.bytes += (end if found < 0 else found + len(sub)) - start
        return found

    def startswith(self, prefix: Any, /, *bounds: Any) -> bool:
        self.work.bytes += len(prefix)
        return super().startswith(prefix, *bounds)

    def __getitem__(self, index: SupportsIndex | slice, /) -> Any:
        part = super().__getitem__(index)
        self.work.bytes += len(part) if isinstance(part, bytearray) else 1
        return part


class CountedPattern:
    """A pattern that adds what it looked at: up to the end of a match, or everything it was given."""

    def __init__(self, pattern: re.Pattern[bytes], work: Work) -> None:
        self._pattern = pattern
        self._work = work

    def _count(self, found: re.Match[bytes] | None, data: bytes, start: int, end: int) -> re.Match[bytes] | None:
        self._work.bytes += (min(len(data), end) if found is None else found.end()) - start
        return found

    def match(self, data: bytes, start: int = 0, end: int = sys.maxsize) -> re.Match[bytes] | None:
        found = self._pattern.match(data, start, end)
        if found is None:  # it stops at the first byte that does not fit; a line is the least that it is given
            line = data.find(b"\n", start, end)
            end = line + 1 if line >= 0 else end
        return self._count(found, data, start, end)

    def search(self, data: bytes, start: int = 0, end: int = sys.maxsize) -> re.Match[bytes] | None:
        return self._count(self._pattern.search(data, start, end), data, start, end)

    def fullmatch(self, data: bytes, start: int = 0, end: int = sys.maxsize) -> re.Match[bytes] | None:
        return self._count(self._pattern.fullmatch(data, start, end), data, start, end)

    def findall(self, data: bytes, start: int = 0) -> list[Any]:
        self._work.bytes += len(data) - start
        return self._pattern.findall(data, start)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Counts from here on, in the modules that read what is not yet whole."""
    work = Work()
    for module in (parser_module, body_module, fields_module):
        for name, pattern in list(vars(module).items()):
            if isinstance(pattern, re.Pattern):
                monkeypatch.setattr(module, name, CountedPattern(pattern, work))
    monkeypatch.setattr(CountedInbox, "work", work, raising=False)
    return work


def trickle_head(parser: HeadParser, data: bytes) -> None:
    """`data`, a whole head, byte by byte."""
    inbox = CountedInbox()
    for number in data[:-1]:
        inbox.append(number)
        assert parser.take(inbox, 0) is None
    inbox.append(data[-1])
    assert parser.take(inbox, 0) is not None


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"x" * 30_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 8_000 + b" HTTP/1.1\r\nHost: a\r\n" + (b"X: " + b"x" * 235 + b"\r\n") * 95 + b"\r\n",
        b"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"\t" * 30_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X:\r\n" * 98 + b"\r\n",
    ],
    ids=["one field", "long request line", "empty lines and white space", "many fields"],
)
def test_a_head_that_trickles_is_searched_once(work: Work, head: bytes) -> None:
    trickle_head(HeadParser(HeadLimits(), Origin()), head)
    assert len(head) < work.bytes < 25 * len(head)  # a rescan a byte would be len(head) / 2 times


def test_a_head_in_one_piece_is_looked_at_a_few_times(work: Work) -> None:
    head = b"GET /" + b"a" * 100 + b" HTTP/1.1\r\nHost: a\r\n" + (b"X: " + b"x" * 235 + b"\r\n") * 14 + b"\r\n"
    inbox = CountedInbox(head * 4)
    parser = HeadParser(HeadLimits(), Origin())
    assert parser.take(inbox, 0)
    assert work.bytes < 6 * len(head)
    before = work.bytes
    assert parser.take(inbox, parser.end)
    assert work.bytes - before < 3 * len(head)  # the fields, known, are only compared


def count_steps(decoder: ChunkedBody, data: bytes | bytearray) -> int:
    """How many Python calls it takes to feed all of `data`."""
    calls = 0

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(profile)
    try:
        taken = decoder.feed(data, 0)
    finally:
        sys.setprofile(None)
    assert taken == len(data)
    return calls


def test_a_mebibyte_of_tiny_chunks_takes_three_steps_each() -> None:
    number = 1024 * 1024 // 6
    decoder = ChunkedBody(0)
    assert count_steps(decoder, b"1\r\na\r\n" * number + b"0\r\n\r\n") <= 3 * number + 10
    assert decoder.is_complete
    assert decoder.take() == b"a" * number


def test_a_mebibyte_of_tiny_chunks_is_read_once(work: Work) -> None:
    data = b"1\r\na\r\n" * (1024 * 1024 // 6) + b"0\r\n\r\n"
    inbox = CountedInbox(data)
    decoder = ChunkedBody(0)
    assert decoder.feed(inbox, 0) == len(data)
    assert work.bytes < 2 * len(data)


def trickle_body(data: bytes) -> ChunkedBody:
    """`data`, a whole chunked body, byte by byte, into an inbox that is emptied of what was taken."""
    decoder = ChunkedBody(0)
    inbox = CountedInbox()
    for number in data:
        inbox.append(number)
        taken = decoder.feed(inbox, 0)
        if taken:
            del inbox[:taken]
    assert decoder.is_complete
    assert not inbox
    return decoder


def test_tiny_chunks_that_trickle_are_read_a_few_times(work: Work) -> None:
    data = b"1\r\na\r\n" * 10_000 + b"0\r\n\r\n"
    assert trickle_body(data).take() == b"a" * 10_000
    assert work.bytes < 10 * len(data)


def test_long_size_lines_that_trickle_cost_their_limit_and_no_more(work: Work) -> None:
    line = b"1;" + b"x" * (CHUNK_LINE_LIMIT - 4) + b"\r\n"
    lines = EXTENSIONS_LIMIT // len(line)
    trickle_body((line + b"a\r\n") * lines + b"0\r\n\r\n")
    assert work.bytes < 3 * lines * CHUNK_LINE_LIMIT**2  # all a peer can ever make us do with them


def test_trailers_that_trickle_are_searched_once(work: Work) -> None:
    data = b"0\r\n" + b"X: " + b"x" * (TRAILERS_LIMIT - 10) + b"\r\n\r\n"
    trickle_body(data)
    assert work.bytes < 20 * len(data)


def test_a_long_body_is_copied_once(work: Work) -> None:
    inbox = CountedInbox(b"x" * 1_000_000)
    body = LengthBody(1_000_000)
    at = 0
    while not body.is_complete:
        at += body.feed(inbox[:65_536], 0)
        body.take()
    assert at <= 1_000_000 + 65_536
    assert work.bytes < 3 * len(inbox)


def test_expect_reads_the_framing() -> None:
    head = HeadParser(HeadLimits(), Origin()).take(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", 0)
    assert head is not None
    with pytest.raises(ProtocolError, match="413"):
        expect(head, 8)
