"""How the bytes are cut never matters: every sample whole, cut at every position, and one byte at a time.

Behind another request as well, so that nothing depends on where in the inbox a head begins.
"""

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .samples import BAD, GOOD, Outcome, Refused, Taken, Waiting, chunked, converse, field, hosted, line, sized

BEFORE = sized(b"5") + sized(b"1")[:-5] + b"\r"  # the byte before the next head is a CR that is not its own
AFTER = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

LONG = 300  # samples beyond this are cut at about this many positions, evenly spread


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """`data` in two pieces, every way."""
    for at in range(1, len(data), 1 + len(data) // LONG):
        yield [data[:at], data[at:]]


def trickle(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("name", GOOD)
def test_every_good_sample_reads_the_same_however_cut(name: str) -> None:
    data = GOOD[name]
    whole = converse([data])
    assert whole
    assert all(isinstance(outcome, Taken) for outcome in whole)
    assert converse(trickle(data)) == whole
    for pieces in cuts(data):
        assert converse(pieces) == whole, pieces


@pytest.mark.parametrize("name", GOOD)
def test_every_good_sample_reads_the_same_behind_others(name: str) -> None:
    data = BEFORE + GOOD[name] + AFTER
    whole = converse([BEFORE]) + converse([GOOD[name]]) + converse([AFTER])
    assert converse([data]) == whole
    assert converse(trickle(data)) == whole
    for pieces in cuts(data):
        assert converse(pieces) == whole, pieces


@pytest.mark.parametrize("name", BAD)
def test_every_bad_sample_is_refused_the_same_however_cut(name: str) -> None:
    data, status = BAD[name]
    whole: list[Outcome] = [Refused(status)]
    assert converse([data]) == whole
    assert converse(trickle(data)) == whole
    for pieces in cuts(data):
        assert converse(pieces) == whole, pieces


@pytest.mark.parametrize("name", BAD)
def test_every_bad_sample_is_refused_the_same_between_others(name: str) -> None:
    data, status = BAD[name]
    whole = [*converse([BEFORE]), Refused(status)]
    data = BEFORE + data + AFTER
    assert converse([data]) == whole
    assert converse(trickle(data)) == whole
    for pieces in cuts(data):
        assert converse(pieces) == whole, pieces


@pytest.mark.parametrize("name", GOOD)
def test_every_good_sample_cut_short_waits_or_is_whole(name: str) -> None:
    """No beginning of something good is refused, and none is taken for the whole."""
    data = GOOD[name]
    whole = converse([data])
    for at in range(1, len(data), 1 + len(data) // LONG):
        begun = converse([data[:at]])
        assert begun == converse(trickle(data[:at]))
        done = [outcome for outcome in begun if isinstance(outcome, Taken)]
        assert done == whole[: len(done)]
        assert all(isinstance(outcome, Taken | Waiting) for outcome in begun)


PARTS = [
    *(b"GET ", b"/", b" HTTP/1.1", b"\r\n", b"\r", b"\n", b"\r\n\r\n", b" ", b"\t", b"\x00", b"\x7f", b"\xff", b"\x0b"),
    *(b"Host: a\r\n", b"Host: b\r\n", b"X: y\r\n", b"X", b":", b",", b";", b'"', b"\\", b"a" * 30, b"b" * 100, b"*"),
    *(
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
    ),
    *(
        b"5\r\nhello\r\n",
        b"0\r\n",
        b"5;a=b\r\n",
        b'5;a="b"\r\n',
        b"400\r\n",
        b"hello",
        b"http://a",
        b"2.0",
        b"OPTIONS ",
    ),
    *(line(b"GET / HTTP/1.1"), field(b"X: y"), sized(b"5"), chunked(b"5\r\nhello\r\n0\r\n\r\n"), hosted(b"")),
    *(chunked(b""), chunked(b"0\r\n"), b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.1\r\n"),
]


@given(parts=st.lists(st.sampled_from(PARTS) | st.binary(max_size=3), max_size=14), data=st.data())
@example([b"\r\n", b"GET /", b"a" * 30, b"b" * 100, b"\x00"], None)
def test_nearly_valid_streams_read_the_same_however_cut(parts: list[bytes], data: st.DataObject | None) -> None:
    stream = b"".join(parts)
    whole = converse([stream])
    assert converse(trickle(stream)) == whole
    assert converse(parts) == whole
    if stream and data is not None:
        ends = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
        pieces = [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]
        assert converse([piece for piece in pieces if piece]) == whole
