"""How the bytes are cut never matters, of responses as of requests: whole, cut at every position, a byte at a time."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .response_samples import BAD, CLOSING, GET, GOOD, Heard, Refused, Waiting, chunked, field, line, listen, sized

LONG = 300  # samples beyond this are cut at about this many positions, evenly spread


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """`data` in two pieces, every way."""
    for at in range(1, len(data), 1 + len(data) // LONG):
        yield [data[:at], data[at:]]


def trickle(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("name", GOOD)
def test_every_good_sample_reads_the_same_however_cut(name: str) -> None:
    methods, data = GOOD[name]
    whole = listen([data], methods)
    assert [type(each) for each in whole] == [Heard] * len(whole)
    finals = [each for each in whole if isinstance(each, Heard) and each.status >= 200]
    assert len(finals) == len(methods)
    assert listen(trickle(data), methods) == whole
    for pieces in cuts(data):
        assert listen(pieces, methods) == whole, pieces


@pytest.mark.parametrize("name", GOOD)
def test_every_good_sample_reads_the_same_behind_another(name: str) -> None:
    methods, data = GOOD[name]
    asked = ["GET", *methods]
    whole = listen([sized(b"5")], GET) + listen([data], methods)
    data = sized(b"5") + data
    assert listen([data], asked) == whole
    for pieces in cuts(data):
        assert listen(pieces, asked) == whole, pieces


@pytest.mark.parametrize("name", CLOSING)
def test_a_body_that_the_close_ends_reads_the_same_however_cut(name: str) -> None:
    data = CLOSING[name]
    whole = listen([data], GET, has_closed=True)
    assert [type(each) for each in whole] == [Heard]
    assert listen([data], GET) == [Waiting("close")]
    assert listen(trickle(data), GET, has_closed=True) == whole
    for pieces in cuts(data):
        assert listen(pieces, GET, has_closed=True) == whole, pieces


@pytest.mark.parametrize("name", BAD)
def test_every_bad_sample_is_refused_the_same_however_cut(name: str) -> None:
    data = BAD[name]
    assert listen([data], GET) == [Refused()]
    assert listen(trickle(data), GET) == [Refused()]
    for pieces in cuts(data):
        assert listen(pieces, GET) == [Refused()], pieces


@pytest.mark.parametrize("name", BAD)
def test_every_bad_sample_is_refused_behind_another(name: str) -> None:
    data = sized(b"5") + BAD[name]
    asked: Sequence[str] = ("GET", "GET")
    whole = [*listen([sized(b"5")], GET), Refused()]
    assert listen([data], asked) == whole
    for pieces in cuts(data):
        assert listen(pieces, asked) == whole, pieces


@pytest.mark.parametrize("name", GOOD)
def test_every_good_sample_cut_short_waits_or_is_whole(name: str) -> None:
    """No beginning of something good is refused, and none is taken for the whole."""
    methods, data = GOOD[name]
    whole = listen([data], methods)
    for at in range(1, len(data), 1 + len(data) // LONG):
        begun = listen([data[:at]], methods)
        done = [each for each in begun if isinstance(each, Heard)]
        assert done == whole[: len(done)]
        assert all(isinstance(each, Heard | Waiting) for each in begun)


PARTS = [
    *(b"HTTP/1.1 ", b"200 ", b"OK", b"\r\n", b"\r", b"\n", b"\r\n\r\n", b" ", b"\t", b"\x00", b"\x7f", b"\xff", b":"),
    *(b"X: y\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"hello"),
    *(b"5\r\nhello\r\n", b"0\r\n", b"HTTP/1.1 100 \r\n\r\n", b"HTTP/1.1 204 \r\n\r\n", b"HTTP/1.0 200 OK\r\n"),
    *(sized(b"5"), chunked(b"5\r\nhello\r\n0\r\n\r\n"), field(b"X: y"), line(b"HTTP/1.1 304 "), b"HTTP/1.1 200 OK\r\n"),
]


@given(
    parts=st.lists(st.sampled_from(PARTS) | st.binary(max_size=3), max_size=12),
    methods=st.lists(st.sampled_from(("GET", "HEAD", "POST")), min_size=1, max_size=4),
    data=st.data(),
)
def test_nearly_valid_streams_read_the_same_however_cut(
    parts: list[bytes], methods: list[str], data: st.DataObject
) -> None:
    stream = b"".join(parts)
    whole = listen([stream], methods)
    assert listen(trickle(stream), methods) == whole
    assert listen([part for part in parts if part], methods) == whole
    if stream:
        ends = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
        pieces = [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]
        assert listen([piece for piece in pieces if piece], methods) == whole
