"""ProtocolError: a refusal that knows its answer."""

from reactor.http1.errors import ProtocolError


def test_it_has_a_status_and_a_reason_and_says_both() -> None:
    error = ProtocolError(431, "the head is larger than 10 bytes")
    assert (error.status, error.reason) == (431, "the head is larger than 10 bytes")
    assert str(error) == "431: the head is larger than 10 bytes"
