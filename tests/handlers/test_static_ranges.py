"""Ranges: what is asked, what of it is sent, and how several parts are framed."""

import re
from email import message_from_bytes
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.static.ranges import ASKED, FRAMING, LONGEST, SENT, Multipart, Span, content_range, parse_range

FILE = 10_000  # bytes


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=-500", [(9500, 10_000)]),
        ("bytes=9500-", [(9500, 10_000)]),
        ("bytes=0-", [(0, 10_000)]),
        ("bytes=9999-9999", [(9999, 10_000)]),
        ("bytes=9999-10000", [(9999, 10_000)]),
        ("bytes=-20000", [(0, 10_000)]),  # RFC 9110 14.1.2: longer than the file is all of it
        ("bytes=-10000", [(0, 10_000)]),
        ("BYTES=0-0", [(0, 1)]),
        ("Bytes=0-0", [(0, 1)]),
        ("bytes=007-008", [(7, 9)]),
        ("bytes=5-" + "9" * 30, [(5, 10_000)]),
        ("bytes=-" + "9" * 30, [(0, 10_000)]),
        ("bytes=5-" + "9" * (LONGEST - 8), [(5, 10_000)]),
        # Several: in the order asked.
        ("bytes=0-0,-1", [(0, 1), (9999, 10_000)]),
        ("bytes=500-599,0-99", [(500, 600), (0, 100)]),
        ("bytes=0-0, 500-500 ,\t-5", [(0, 1), (500, 501), (9995, 10_000)]),
        ("bytes=,0-0,,500-500, ,", [(0, 1), (500, 501)]),
        ("bytes= 0-0", [(0, 1)]),
        # What is not there is left out.
        ("bytes=20000-,0-0", [(0, 1)]),
        ("bytes=0-0,-0", [(0, 1)]),
        # One of those that overlap, touch, or are near.
        ("bytes=0-99,50-149", [(0, 150)]),
        ("bytes=0-99,100-199", [(0, 200)]),
        ("bytes=0-999,100-199", [(0, 1000)]),
        (f"bytes=0-99,{100 + FRAMING - 1}-299", [(0, 300)]),
        (f"bytes=0-99,{100 + FRAMING}-299", [(0, 100), (180, 300)]),
        ("bytes=5000-5099,0-99,100-199", [(5000, 5100), (0, 200)]),
        ("bytes=150-199,5000-5099,0-149", [(0, 200), (5000, 5100)]),  # where the first of them stood
        ("bytes=5000-5099,150-199,300-399,0-149", [(5000, 5100), (0, 200), (300, 400)]),
        ("bytes=0-,0-", [(0, 10_000)]),
    ],
)
def test_what_is_asked_is_what_is_sent(value: str, spans: list[tuple[int, int]]) -> None:
    assert parse_range(value, FILE) == spans


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes= ",
        "bytes=-",
        "bytes=a-b",
        "bytes=0",
        "bytes=0-5-9",
        "bytes=--5",
        "bytes=+1-5",
        "bytes=0x0-5",
        "bytes=0 - 5",
        "bytes=0- 5",
        "bytes=0-5;",
        "bytes=0-5 6-9",
        "bytes=0-5,x",  # other-range: none is known
        "bytes =0-5",
        " bytes=0-5",
        "bytes:0-5",
        "bytes 0-5/10",
        "0-5",
        "bits=0-5",
        "seconds=0-5",
        "bytes=0-5,bytes=7-8",
        "bytes=٠-٥",
        "byteſ=0-5",
        "bytes=5-4",
        "bytes=0-5,5-4",
        "bytes=20000-19999",
        "bytes=5-" + "9" * (LONGEST - 7),
    ],
)
def test_what_is_malformed_is_not_there(value: str) -> None:
    assert parse_range(value, FILE) is None


@pytest.mark.parametrize(
    "value",
    [
        "bytes=10000-",
        "bytes=10000-10000",
        "bytes=20000-30000,10000-",
        "bytes=-0",
        "bytes=-0,10000-",
        "bytes=" + "9" * 30 + "-",
    ],
)
def test_what_is_not_there_cannot_be_had(value: str) -> None:
    assert parse_range(value, FILE) == []


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=5-", "bits=0-"])
def test_an_empty_file_has_no_parts(value: str) -> None:
    assert parse_range(value, 0) is None


# Too much: RFC 9110 17.15.


def asked(count: int, distance: int, length: int = 1) -> str:
    return "bytes=" + ",".join(f"{n * distance}-{n * distance + length - 1}" for n in range(count))


def test_so_many_parts_are_sent_and_no_more() -> None:
    assert len(parse_range(asked(SENT, 100), FILE) or []) == SENT
    assert parse_range(asked(SENT + 1, 100), FILE) == []


def test_many_that_become_one_are_one() -> None:
    assert parse_range(asked(100, 50, 50), FILE) == [(0, 5000)]


def test_so_many_are_read_and_no_more() -> None:
    assert parse_range("bytes=" + ",".join(["0-0"] * ASKED), FILE) == [(0, 1)]
    assert parse_range("bytes=" + ",".join(["0-0"] * (ASKED + 1)), FILE) == []


@pytest.mark.parametrize("value", ["bytes=0-,0-,0-", "bytes=0-,1-,2-", "bytes=0-9999,0-0,0-0", "bytes=5-,-9000,0-4999"])
def test_more_than_two_that_overlap_and_are_more_than_the_file_are_refused(value: str) -> None:
    assert parse_range(value, FILE) == []


ENDS = st.integers(0, 2000) | st.none()
SETS = st.lists(st.tuples(ENDS, ENDS).filter(lambda pair: pair != (None, None)), min_size=1, max_size=8)


def bytes_asked(pairs: list[tuple[int | None, int | None]], size: int) -> set[int]:
    """Every byte that one of the pairs asks for."""
    wanted: set[int] = set()
    for first, last in pairs:
        if first is None:
            wanted.update(range(max(size - (last or 0), 0), size))
        else:
            wanted.update(range(first, size if last is None else min(last + 1, size)))
    return wanted


@given(SETS, st.integers(1, 1500))
def test_every_byte_asked_for_is_sent_once(pairs: list[tuple[int | None, int | None]], size: int) -> None:
    value = ",".join("-".join("" if end is None else str(end) for end in pair) for pair in pairs)
    spans = parse_range(f"bytes={value}", size)
    if any(first is not None and last is not None and last < first for first, last in pairs):
        assert spans is None
        return
    assert spans is not None
    sent = [position for span in spans for position in range(*span)]
    assert len(sent) == len(set(sent)) <= size
    assert all(0 <= start < stop <= size for start, stop in spans)
    wanted = bytes_asked(pairs, size)
    if spans or not wanted:
        assert wanted <= set(sent)
        for extra in set(sent) - wanted:  # in a gap that costs less than its framing
            assert wanted & set(range(extra - FRAMING + 1, extra))
            assert wanted & set(range(extra + 1, extra + FRAMING))
    else:
        assert len(pairs) > 2  # too much


@given(st.text("bytes=0123456789-, \t", max_size=40))
def test_nothing_that_can_be_sent_does_more_than_be_ignored(value: str) -> None:
    for each in (value, f"bytes={value}"):
        spans = parse_range(each, 100)
        assert spans is None or all(0 <= start < stop <= 100 for start, stop in spans)


# Content-Range and multipart/byteranges.


def test_content_range() -> None:
    assert content_range(Span(0, 100), 200) == "bytes 0-99/200"
    assert content_range(Span(199, 200), 200) == "bytes 199-199/200"
    assert content_range(None, 200) == "bytes */200"


def body(multipart: Multipart, content: bytes) -> bytes:
    """What is sent."""
    parts = multipart.parts()
    return b"".join(content[part.start : part.stop] if isinstance(part, Span) else part for part in parts)


def test_a_multipart_body_byte_by_byte() -> None:
    multipart = Multipart([Span(0, 3), Span(8, 10)], 10, "text/plain; charset=utf-8", "EDGE")
    assert multipart.content_type == "multipart/byteranges; boundary=EDGE"
    wire = body(multipart, b"0123456789")
    assert wire == (
        b"--EDGE\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-2/10\r\n\r\n012"
        b"\r\n--EDGE\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 8-9/10\r\n\r\n89"
        b"\r\n--EDGE--\r\n"
    )
    assert multipart.length == len(wire)
    assert body(multipart, b"0123456789") == wire  # as often as it is asked for


@given(st.binary(min_size=1, max_size=300), st.lists(st.tuples(st.integers(0, 299), st.integers(1, 300)), max_size=5))
def test_a_reader_of_mail_finds_the_parts(content: bytes, at: list[tuple[int, int]]) -> None:
    size = len(content)
    spans = [Span(start, min(start + length, size)) for start, length in at if start < size]
    multipart = Multipart(spans, size, "application/octet-stream")
    wire = body(multipart, content)
    assert multipart.length == len(wire)
    if not spans:
        return
    edge = multipart.content_type.partition("boundary=")[2].encode()
    pieces = re.split(rb"(?:\A|\r\n)--%b(?:\r\n|--\r\n\Z)" % edge, wire)
    assert [pieces[0], pieces[-1]] == [b"", b""]
    for span, piece in zip(spans, pieces[1:-1], strict=True):
        head, _, data = piece.partition(b"\r\n\r\n")
        assert data == content[span.start : span.stop]
        message: Message = message_from_bytes(head)
        assert message["Content-Range"] == content_range(span, size)
        assert message["Content-Type"] == "application/octet-stream"


def test_each_boundary_is_another() -> None:
    types = {Multipart([Span(0, 1)], 1, "text/plain").content_type for _ in range(20)}
    assert len(types) == 20
    assert all(re.fullmatch(r"multipart/byteranges; boundary=[0-9a-f]{32}", each) for each in types)
