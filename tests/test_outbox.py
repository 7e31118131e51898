"""The outbox: what leaves together, what leaves at once, and what waits."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from reactor.answers import Later
from reactor.memory import ManualReactor
from reactor.outbox import JOIN_LIMIT, PULLS, QUICK, BrokenPromise, IteratorSource, Outbox

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
    assert sent == [b"head\r\n\r\nab", b"head\r\n\r\nabc"]


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


def test_an_endless_source_has_its_share_of_a_turn() -> None:
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
