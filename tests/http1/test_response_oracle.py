"""h11 as an oracle: a response that we take, h11 takes, and it says the same to it.

Where we refuse and it does not is a matter of ours: reject, never repair.
"""

from collections.abc import Sequence

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .response_samples import CLOSING, GOOD, Heard, listen
from .test_response_every_cut import PARTS

Spoken = tuple[int, list[tuple[bytes, bytes]], bytes]


def ask_h11(stream: bytes, methods: Sequence[str], has_closed: bool) -> list[Spoken]:
    """What h11 makes of it: status, fields, body of each response that is whole."""
    found: list[Spoken] = []
    rest = stream
    for method in methods:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        connection.send(h11.EndOfMessage())
        if rest:  # nothing would be the end
            connection.receive_data(rest)
        if has_closed:
            connection.receive_data(b"")
        head, body = None, b""
        while True:
            try:
                event = connection.next_event()
            except h11.RemoteProtocolError:
                return found
            if isinstance(event, h11.InformationalResponse):
                found.append(spoken(event, b""))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                found.append(spoken(head, body))
                break
            else:
                return found
        rest, _ = connection.trailing_data
    return found


def spoken(head: "h11.Response | h11.InformationalResponse", body: bytes) -> Spoken:
    return head.status_code, even(list(head.headers.raw_items())), body


def even(fields: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Names and the coding in lower case, and lengths without zeros in front: as h11 gives them."""
    return [
        (name.lower(), value.lower() if name.lower() == b"transfer-encoding" else value.lstrip(b"0") or value[-1:])
        for name, value in fields
    ]


def ours(stream: bytes, methods: Sequence[str], has_closed: bool) -> list[Spoken]:
    heard = [each for each in listen([stream], methods, has_closed) if isinstance(each, Heard)]
    return [(each.status, even(each.fields), each.body) for each in heard]


@pytest.mark.parametrize("name", GOOD)
def test_h11_takes_what_we_take(name: str) -> None:
    methods, data = GOOD[name]
    assert ask_h11(data, methods, has_closed=False) == ours(data, methods, has_closed=False)


@pytest.mark.parametrize("name", CLOSING)
def test_h11_takes_what_the_close_ends(name: str) -> None:
    data = CLOSING[name]
    assert ask_h11(data, ["GET"], has_closed=True) == ours(data, ["GET"], has_closed=True)


@given(
    parts=st.lists(st.sampled_from(PARTS) | st.binary(max_size=3), max_size=10),
    methods=st.lists(st.sampled_from(("GET", "HEAD", "POST")), min_size=1, max_size=3),
    has_closed=st.booleans(),
)
def test_whatever_we_take_of_any_stream_h11_takes(parts: list[bytes], methods: list[str], has_closed: bool) -> None:
    stream = b"".join(parts)
    taken = ours(stream, methods, has_closed)
    assert ask_h11(stream, methods, has_closed)[: len(taken)] == taken
