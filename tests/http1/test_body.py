"""The bodies as they come: how much is taken, what is given back, what is refused."""

import pytest

from reactor.http1.body import (
    CHUNK_LINE_LIMIT,
    EXTENSIONS_LIMIT,
    TRAILERS_COUNT_LIMIT,
    TRAILERS_LIMIT,
    ChunkedBody,
    LengthBody,
)
from reactor.http1.errors import ProtocolError

# By length.


def test_a_length_body_takes_what_is_its_own() -> None:
    body = LengthBody(5)
    assert body.trailers is None
    assert not body.is_complete
    assert body.feed(b"xxhel", 2) == 3
    assert not body.is_complete
    assert body.feed(bytearray(b"lo, world"), 0) == 2
    assert body.is_complete
    assert body.take() == b"hello"
    assert body.take() == b""
    assert body.feed(b"more", 0) == 0


def test_a_length_body_gives_away_what_it_has() -> None:
    body = LengthBody(5)
    body.feed(b"he", 0)
    assert body.take() == b"he"
    assert body.feed(b"llo", 0) == 3
    assert body.take() == b"llo"


def test_a_length_body_knows_whether_its_rest_is_within_a_bound() -> None:
    body = LengthBody(5)
    body.feed(b"h", 0)
    assert body.bound(4)
    assert not body.bound(3)
    assert body.bound(0)


# In chunks.


def chunks(data: bytes, limit: int = 0) -> ChunkedBody:
    """A body that all of `data` belongs to."""
    body = ChunkedBody(limit)
    assert body.feed(data, 0) == len(data)
    return body


def refusal(data: bytes, limit: int = 0) -> str:
    with pytest.raises(ProtocolError) as caught:
        ChunkedBody(limit).feed(data, 0)
    return str(caught.value)


def test_a_chunked_body_takes_what_is_its_own() -> None:
    body = ChunkedBody(0)
    data = b"xx5\r\nhello\r\n1\r\n!\r\n0\r\n\r\nGET"
    assert body.feed(data, 2) == len(data) - 5
    assert body.is_complete
    assert body.take() == b"hello!"
    assert body.take() == b""
    assert body.trailers is None
    assert body.feed(b"GET", 0) == 0


def test_a_piece_of_a_chunk_is_given_away_as_it_is() -> None:
    body = chunks(b"a\r\nhello")
    assert body.take() == b"hello"
    assert not body.is_complete
    assert body.feed(bytearray(b"world\r\n0\r\n\r\n"), 0) == 12
    taken = body.take()
    assert taken == b"world"
    assert type(taken) is bytes


def test_a_line_that_goes_on_is_not_taken() -> None:
    body = ChunkedBody(0)
    for begun in (b"", b"5", b"5;", b"5;a=", b'5;a="\xff', b"5\r"):
        assert body.feed(begun, 0) == 0
    assert body.feed(b"5\r\nhello\r", 0) == 8
    assert body.feed(b"\r", 0) == 0
    assert body.feed(b"\r\n0\r\n\r", 0) == 5
    assert body.feed(b"\r\n", 0) == 2
    assert body.is_complete


def test_extensions_are_skipped_within_a_limit() -> None:
    assert chunks(b'5;a;b=c;d="\\"e"\r\nhello\r\n0;f\r\n\r\n').take() == b"hello"
    longest = b"1;" + b"x" * (CHUNK_LINE_LIMIT - 4) + b"\r\na\r\n"
    assert chunks(longest).take() == b"a"
    many = EXTENSIONS_LIMIT // (CHUNK_LINE_LIMIT - 3)
    assert chunks(longest * many).take() == b"a" * many
    assert refusal(longest * (many + 1)) == f"400: more than {EXTENSIONS_LIMIT} bytes of chunk extensions"
    too_long = b"1;" + b"x" * (CHUNK_LINE_LIMIT - 2)
    assert refusal(too_long) == f"400: a chunk's size line is longer than {CHUNK_LINE_LIMIT} bytes"
    assert refusal(too_long + b"\r\n") == refusal(too_long)


@pytest.mark.parametrize("line", [b"\r\n", b";a", b" 5", b"+5", b"-5", b"x5", b"\xd9\xa5", b"_", b"\n"])
def test_a_size_begins_with_a_digit(line: bytes) -> None:
    assert refusal(line).startswith("400: a chunk")


@pytest.mark.parametrize(
    "line",
    [
        *(b"5 \r\n", b"0x5\r\n", b"5_0\r\n", b"5\n", b"5\ra", b"5;\r\n", b"5;a=\r\n", b"5;a\nb\r\n", b"5;a\rb"),
        *(b"5 ;a\r\n", b"5\xff\r\n"),
    ],
)
def test_a_size_line_is_digits_and_extensions_and_crlf(line: bytes) -> None:
    assert refusal(line).startswith("400: a chunk's size line is not")


def test_a_size_has_a_sane_number_of_digits() -> None:
    assert chunks(b"0" * 14 + b"5\r\nhello\r\n").take() == b"hello"
    assert not chunks(b"f" * 15 + b"\r\n").is_complete
    assert refusal(b"0" * 15 + b"5\r\n").startswith("400: a chunk size has more than 15")


@pytest.mark.parametrize("end", [b"XX", b"\n", b"\n\r", b"\rX", b"X", b"0\r\n"])
def test_behind_the_data_is_crlf(end: bytes) -> None:
    assert refusal(b"5\r\nhello" + end) == "400: a chunk's data is not followed by CRLF"


def test_the_limit_is_on_the_payload_and_on_the_byte() -> None:
    assert chunks(b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", 10).take() == b"helloworld"
    assert refusal(b"5\r\nhello\r\n6\r\n", 10) == "413: the body is larger than 10 bytes"
    assert refusal(b"b\r\n", 10) == "413: the body is larger than 10 bytes"


def test_a_bound_counts_from_where_the_body_stands() -> None:
    body = chunks(b"5\r\nhello\r\na\r\n12", 100)
    assert not body.bound(7)  # eight of this chunk are still to come
    assert body.bound(8)
    assert body.feed(b"34567890\r\n0\r\n", 0) == 13
    body = chunks(b"5\r\nhello\r\na\r\n12", 100)
    assert body.bound(9)
    with pytest.raises(ProtocolError, match="413"):
        body.feed(b"34567890\r\n2\r\n", 0)
    body = chunks(b"5\r\nhello\r\n", 10)
    assert body.bound(0)
    assert body.feed(b"ff\r\n", 0) == 4


# Trailers.


def test_its_share_of_the_work_is_bounded_and_the_rest_is_still_there() -> None:
    body = ChunkedBody(0)
    stream = b"1\r\nx\r\n" * 100 + b"0\r\n\r\n"
    at, turns = 0, 0
    while not body.is_complete:
        at += body.feed(stream, at, 30)
        turns += 1
        assert body.has_more != body.is_complete
    assert at == len(stream)
    assert turns == 11
    assert body.take() == b"x" * 100


def test_want_of_bytes_is_no_share() -> None:
    body = ChunkedBody(0)
    assert body.feed(b"1\r\nx\r\n1", 0, 30) == 6
    assert not body.has_more


def test_trailers_are_fields() -> None:
    body = chunks(b"0\r\nX-Sum: 1 \r\nx-sum: 2\r\n\r\n")
    assert body.is_complete
    assert body.trailers is not None
    assert list(body.trailers.pairs) == [(b"X-Sum", b"1"), (b"x-sum", b"2")]
    assert body.take() == b""


def test_trailers_that_go_on_are_waited_for_and_searched_once() -> None:
    body = chunks(b"0\r\n")
    data = b"X: y\r\nZ: \r\n\r\n"
    for end in range(len(data)):
        assert body.feed(data[:end], 0) == 0
        assert not body.is_complete
    assert body.feed(data + b"GET", 0) == len(data)
    assert body.is_complete


@pytest.mark.parametrize("trailer", [b"X\n", b"X: \x00", b"X: \r\r", b"\n", b"X: y\r\n\n", b"\rX"])
def test_a_fault_among_trailers_is_refused_at_once(trailer: bytes) -> None:
    assert refusal(b"0\r\n" + trailer) == "400: a bare CR or LF or a control byte among the trailers"


@pytest.mark.parametrize("trailer", [b"X\n", b"X: \x00", b"X: \r\r", b"X: \rY", b"\n", b"X: y\r\n\n", b"\rX"])
def test_a_fault_among_trailers_that_trickle_is_refused_at_the_byte_that_shows_it(trailer: bytes) -> None:
    body = chunks(b"0\r\n")
    for end in range(len(trailer)):
        assert body.feed(trailer[:end], 0) == 0
    with pytest.raises(ProtocolError, match="400: a bare CR"):
        body.feed(trailer, 0)


def test_malformed_trailers_are_refused() -> None:
    assert refusal(b"0\r\nX : y\r\n\r\n").startswith("400: field line 1")
    assert refusal(b"0\r\n folded: y\r\n\r\n").startswith("400: field line 1")


@pytest.mark.parametrize(
    "name",
    [
        *(b"Content-Length", b"TRANSFER-ENCODING", b"host", b"Content-Encoding", b"Content-Type", b"Trailer"),
    ],
)
def test_what_was_decided_before_is_no_trailer(name: bytes) -> None:
    assert refusal(b"0\r\n" + name + b": 5\r\n\r\n") == f"400: {name.decode().lower()} among the trailers"


def test_trailers_have_limits() -> None:
    fill = b"X: " + b"x" * (TRAILERS_LIMIT - 7)
    assert chunks(b"0\r\n" + fill + b"\r\n\r\n").is_complete
    assert refusal(b"0\r\n" + fill + b"x\r\n\r\n").startswith("431: the trailers are larger")
    assert refusal(b"0\r\n" + fill + b"xxxx").startswith("431: the trailers are larger")
    assert chunks(b"0\r\n" + b"X: y\r\n" * TRAILERS_COUNT_LIMIT + b"\r\n").is_complete
    assert refusal(b"0\r\n" + b"X: y\r\n" * (TRAILERS_COUNT_LIMIT + 1) + b"\r\n").startswith("431")
