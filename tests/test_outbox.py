"""The outbox: what leaves together, what leaves at once, and what waits."""

import io
import itertools
import time
from collections.abc import Iterator
from math import inf
from typing import Any

import pytest

from reactor.answers import Later
from reactor.http1.response import FileBody
from reactor.memory import ManualReactor
from reactor.outbox import (
    FILE_SLICE,
    JOIN_LIMIT,
    PULLS,
    QUICK,
    SHARE,
    VECTOR_LIMIT,
    BrokenPromise,
    FileSource,
    IteratorSource,
    Outbox,
)

from .simulated import ScriptedTransport


def streaming(pieces: Iterator[Any], is_chunked: bool = True) -> tuple[Outbox, Any]:
    """An outbox with a head in it and an iterator behind that, and where it goes."""
    outbox = Outbox()
    outbox.add(b"head\r\n\r\n")
    outbox.source = IteratorSource(pieces, None, is_chunked)
    return outbox, ScriptedTransport(ManualReactor())


def test_quick_pieces_leave_with_the_head_and_the_end_in_one_send() -> None:
    outbox, transport = streaming(iter([b"a", b"", b"bc"]))
    outbox.pump(transport)
    assert transport.calls == ["send"]
    assert transport.sent == b"head\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"
    assert outbox.source is None


def test_once_a_piece_took_its_time_each_leaves_as_it_comes() -> None:
    def slow() -> Iterator[bytes]:
        yield b"a"
        time.sleep(2 * QUICK)
        yield b"b"
        sent.append(bytes(transport.sent))
        yield b"c"
        sent.append(bytes(transport.sent))

    sent: list[bytes] = []
    outbox, transport = streaming(slow(), is_chunked=False)
    outbox.pump(transport)
    assert (bytes(transport.sent), sent) == (b"head\r\n\r\nab", []), "and its share of this turn is used"
    outbox.pump(transport)
    assert sent == [b"head\r\n\r\nab", b"head\r\n\r\nabc"]


def test_a_source_that_takes_its_time_has_one_piece_a_turn() -> None:
    def slow() -> Iterator[bytes]:
        while True:
            time.sleep(2 * SHARE)
            yield b"a"

    outbox, transport = streaming(slow(), is_chunked=False)
    for count in range(1, 4):
        outbox.pump(transport)
        assert transport.sent == b"head\r\n\r\n" + b"a" * count


def test_what_is_there_leaves_before_a_promise_is_waited_for() -> None:
    later = Later()
    outbox, transport = streaming(iter([b"a", later, b"c"]), is_chunked=False)
    outbox.pump(transport)
    assert transport.sent == b"head\r\n\r\na"
    assert outbox.waiting is later
    later.answer(b"b")
    outbox.pump(transport)
    assert transport.sent == b"head\r\n\r\nabc"


def test_no_more_is_pulled_than_can_be_owed_at_once() -> None:
    pulled = 0

    def pieces() -> Iterator[bytes]:
        nonlocal pulled
        while True:
            pulled += 1
            yield b"x" * (JOIN_LIMIT // 2)

    outbox, transport = streaming(pieces(), is_chunked=False)
    transport.room = 0
    for _ in range(3):
        outbox.pump(transport)
    assert pulled <= 3
    assert outbox.size <= JOIN_LIMIT * 2


def test_an_endless_source_has_its_share_of_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.outbox.SHARE", inf)  # of pieces; a slow machine would end it by its time
    outbox, transport = streaming(iter(lambda: b"x", None), is_chunked=False)
    outbox.pump(transport)
    assert transport.sent == b"head\r\n\r\n" + PULLS * b"x"
    assert outbox.source is not None


def test_what_came_before_it_broke_is_still_there() -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("as asked")

    outbox, transport = streaming(broken(), is_chunked=False)
    with pytest.raises(BrokenPromise, match="its iterator raised"):
        outbox.pump(transport)
    outbox.flush(transport)
    assert transport.sent == b"head\r\n\r\na"


def test_what_is_owed_in_front_leaves_before_an_iterator_is_begun() -> None:
    """It may break off, and take with it what has not left."""
    outbox, transport = Outbox(), ScriptedTransport(ManualReactor())
    outbox.add(b"an earlier answer")
    outbox.source = IteratorSource(iter([b"a", b"b"]), None, is_chunked=False, joins=0)
    transport.room = 5
    outbox.pump(transport)
    assert transport.sent == b"an ea"
    assert outbox.source.given == 0


# A file that is not there yet.


class SlowFile(FileBody):
    """Has to be waited for, once for each place in it. Attributes: `asked` (offset and count, each time), `laters`."""

    def __init__(self, data: bytes, offset: int = 0) -> None:
        super().__init__(io.BytesIO(data), offset)
        self.asked: list[tuple[int, int]] = []
        self.laters: list[Later] = []

    def prepare(self, offset: int, count: int) -> Later | None:
        self.asked.append((offset, count))
        if self.asked.count((offset, count)) > 1:
            return None
        self.laters.append(Later())
        return self.laters[-1]


def sending(body: FileBody) -> tuple[Outbox, Any]:
    """An outbox with a head in it and a file behind that, and where it goes."""
    outbox = Outbox()
    outbox.add(b"head\r\n\r\n")
    outbox.source = FileSource(body)
    return outbox, ScriptedTransport(ManualReactor())


def test_a_plain_file_is_not_waited_for() -> None:
    body = FileBody(io.BytesIO(b"0123456789"), 2, 5)
    outbox, transport = sending(body)
    outbox.pump(transport)
    assert transport.sent == b"head\r\n\r\n23456"
    assert body.file.closed


def test_each_slice_of_a_file_is_waited_for_and_asked_for_again() -> None:
    data = bytes(range(256)) * (FILE_SLICE // 256) + b"the rest"
    body = SlowFile(b"before" + data, 6)
    outbox, transport = sending(body)
    outbox.pump(transport)
    assert transport.sent == b"head\r\n\r\n"
    outbox.pump(transport)
    assert body.asked == [(6, FILE_SLICE)]
    assert outbox.waiting is body.laters[0]
    body.laters[0].answer()
    outbox.pump(transport)
    assert transport.sent == b"head\r\n\r\n" + data[:FILE_SLICE]
    body.laters[1].answer()
    outbox.pump(transport)
    assert transport.sent == b"head\r\n\r\n" + data
    assert outbox.source is None
    assert body.file.closed
    assert body.asked == [(6, FILE_SLICE)] * 2 + [(6 + FILE_SLICE, 8)] * 2


def test_what_the_kernel_does_not_take_is_asked_for_where_it_stands() -> None:
    body = SlowFile(b"0123456789")
    outbox, transport = sending(body)
    outbox.pump(transport)
    body.laters[0].answer()
    transport.room = 4
    outbox.pump(transport)
    assert transport.sent == b"head\r\n\r\n0123"
    transport.room = None
    outbox.pump(transport)
    body.laters[1].answer()
    outbox.pump(transport)
    assert transport.sent == b"head\r\n\r\n0123456789"
    assert body.asked == [(0, 10), (0, 10), (4, 6), (4, 6)]


def test_a_file_that_is_given_up_while_it_is_waited_for() -> None:
    body = SlowFile(b"0123456789")
    outbox, transport = sending(body)
    outbox.pump(transport)
    outbox.drop_source()
    assert body.laters[0].is_abandoned
    assert body.file.closed
    body.laters[0].answer()
    outbox.pump(transport)
    assert transport.sent == b"head\r\n\r\n"


def test_a_file_that_has_become_shorter() -> None:
    body = SlowFile(b"0123456789")
    outbox, transport = sending(body)
    outbox.pump(transport)
    body.file.truncate(3)
    body.laters[0].answer()
    outbox.pump(transport)
    assert transport.sent == b"head\r\n\r\n012"
    body.laters[1].answer()
    with pytest.raises(BrokenPromise, match="the file ends 7 bytes early"):
        outbox.pump(transport)


def test_small_pieces_that_wait_are_joined_as_they_come() -> None:
    """Else a peer that reads nothing makes each piece more expensive than the one before."""
    sizes = itertools.cycle([7, 100_000, 1])
    transport = ScriptedTransport(ManualReactor(), sizes=sizes)
    outbox = Outbox()
    added = b""
    for turn in range(5):
        for number in range(20_000):
            outbox.add(b"%06d" % number)
        outbox.add(b"x" * 20_000)
        outbox.add(b"y")
        added += b"".join(b"%06d" % number for number in range(20_000)) + b"x" * 20_000 + b"y"
        assert len(outbox._more) <= VECTOR_LIMIT + len(added) // JOIN_LIMIT + 2 * (turn + 1)
        outbox.flush(transport)
    while outbox.size:
        outbox.flush(transport)
    assert bytes(transport.sent) == added
