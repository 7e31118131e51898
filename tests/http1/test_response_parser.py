"""Response heads: what is made of them, what is remembered, and what is said of those that are refused."""

from typing import Any

import pytest

from reactor.http1.body import UntilCloseBody
from reactor.http1.errors import ProtocolError
from reactor.http1.fields import _known_line
from reactor.http1.framing import CHUNKED, UNTIL_CLOSE, response_length
from reactor.http1.request import HeadLimits
from reactor.http1.response_parser import REMEMBERED, ResponseHead, ResponseParser

from .response_samples import BAD, LIMITS, field, line, sized


def parse(data: bytes, method: str = "GET") -> ResponseHead:
    head = ResponseParser(HeadLimits()).take(data, 0, method)
    assert head is not None
    return head


def test_a_head_has_all_that_was_said() -> None:
    parser = ResponseParser(HeadLimits())
    data = b"junkHTTP/1.1 201 Made it\r\nX: y\r\nContent-Length: 5\r\nConnection: X, Keep-Alive\r\n\r\nhello"
    head = parser.take(data, 4, "POST")
    assert head is not None
    assert parser.end == len(data) - 5
    assert (head.status, head.version, head.length, head.announced) == (201, b"HTTP/1.1", 5, 5)
    assert head.options == (b"x", b"keep-alive")
    assert head.headers["x"] == "y"
    assert head.raw == data[4 : parser.end]
    assert repr(head) == "<ResponseHead 201>"


@pytest.mark.parametrize(
    ("data", "keeps"),
    [
        (line(b"HTTP/1.1 200 OK"), True),
        (line(b"HTTP/1.0 200 OK"), False),
        (field(b"Connection: close"), False),
        (field(b"Connection: keep-alive, Close"), False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True),
    ],
)
def test_whether_it_may_be_used_again(data: bytes, keeps: bool) -> None:
    assert parse(data).keep_alive is keeps


@pytest.mark.parametrize(
    ("method", "status", "coding", "length", "framed"),
    [
        ("GET", 200, None, b"5", 5),
        ("GET", 200, None, None, UNTIL_CLOSE),
        ("GET", 200, b"chunked", None, CHUNKED),
        ("GET", 500, None, None, UNTIL_CLOSE),
        ("HEAD", 200, None, b"5", 0),
        ("HEAD", 200, b"chunked", None, 0),
        ("HEAD", 200, None, None, 0),
        ("GET", 100, None, None, 0),
        ("GET", 101, None, None, 0),
        ("GET", 103, None, b"5", 0),
        ("GET", 204, None, b"5", 0),
        ("GET", 204, None, None, 0),
        ("GET", 304, None, b"5", 0),
        ("GET", 304, b"chunked", None, 0),
        ("GET", 205, None, b"0", 0),
        ("GET", 205, None, None, UNTIL_CLOSE),
        ("CONNECT", 200, None, b"5", UNTIL_CLOSE),
        ("CONNECT", 299, b"chunked", None, UNTIL_CLOSE),
        ("CONNECT", 407, None, b"5", 5),
        ("CONNECT", 204, None, None, 0),
    ],
)
def test_where_the_body_ends(
    method: str, status: int, coding: bytes | None, length: bytes | None, framed: int
) -> None:
    assert response_length(method, status, b"HTTP/1.1", coding, length) == framed


def test_an_answer_to_head_says_how_long_it_would_be() -> None:
    head = parse(sized(b"5"), "HEAD")
    assert (head.length, head.announced) == (0, 5)
    assert parse(b"HTTP/1.1 200 OK\r\n\r\n", "HEAD").announced is None


def test_the_same_head_again_is_the_same_object() -> None:
    parser = ResponseParser(HeadLimits())
    first = parser.take(sized(b"5"), 0, "GET")
    assert parser.take(sized(b"5"), 0, "GET") is first
    assert parser.take(b"...." + sized(b"5"), 4, "POST") is first
    other = parser.take(sized(b"6"), 0, "GET")
    assert other is not first
    assert parser.take(sized(b"6"), 0, "GET") is other


def test_what_is_framed_by_its_request_is_not_taken_for_another() -> None:
    """The same bytes, and another meaning."""
    parser = ResponseParser(HeadLimits())
    for method, length in (("GET", 5), ("HEAD", 0), ("GET", 5), ("HEAD", 0), ("CONNECT", UNTIL_CLOSE), ("GET", 5)):
        head = parser.take(sized(b"5"), 0, method)
        assert head is not None
        assert head.length == length


@pytest.mark.parametrize("extra", [b"Set-Cookie: a=b", b"X: " + b"a" * REMEMBERED], ids=["a secret", "a large one"])
def test_what_is_not_remembered(extra: bytes) -> None:
    parser = ResponseParser(HeadLimits())
    first = parser.take(field(extra), 0, "GET")
    assert parser.take(field(extra), 0, "GET") is not first


def test_a_cookie_is_not_kept_among_the_lines_that_all_connections_share() -> None:
    known = _known_line.__self__  # type: ignore[attr-defined]  # of a bound method
    known.clear()  # half full, it would take one in so many
    parse(field(b"Set-Cookie: session=very-secret"))
    parse(field(b"X-Public: not-secret-at-all"))
    assert b"X-Public: not-secret-at-all" in known
    assert b"Set-Cookie: session=very-secret" not in known


@pytest.mark.parametrize("name", BAD)
def test_whatever_is_wrong_with_a_head_is_a_502_with_a_reason_that_repeats_nothing(name: str) -> None:
    error = refusal(BAD[name])
    assert error is None or (error.status, error.reason.isprintable()) == (502, True)


def refusal(data: bytes) -> ProtocolError | None:
    try:
        ResponseParser(LIMITS).take(data, 0, "GET")
    except ProtocolError as error:
        return error
    return None  # its body is what is wrong


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"HTTP/1.1 200\r\n\r\n", "the status line is not HTTP/1 with"),
        (b"HTTP/1.1 200\r\n", "the status line is not HTTP/1 with"),
        (b"SSH-2.0", "the status line is not HTTP/1 with"),
        (field(b"X: a\r\n b"), "field line 3 is folded"),
        (field(b"Connection: a b"), "Connection is not a list of tokens"),
        (field(b"X: " + b"a" * 256), "the head is larger than 256 bytes"),
        (b"HTTP/1.1 200 OK\n", "a bare CR or LF or a control byte in the head"),
    ],
)
def test_the_reason_says_what_was_wrong(data: bytes, reason: str) -> None:
    error = refusal(data)
    assert error is not None
    assert error.reason.startswith(reason)


def test_the_end_of_a_head_is_searched_once() -> None:
    """As many looks as bytes come, each at what is new."""
    parser = ResponseParser(HeadLimits(head=1 << 20))
    looked: list[int] = []

    class Inbox(bytearray):
        def find(self, *arguments: Any) -> int:
            looked.append(len(self) - int(arguments[1]))
            return super().find(*arguments)

    inbox = Inbox(b"HTTP/1.1 200 OK\r\nX: ")
    assert parser.take(inbox, 0, "GET") is None
    for _ in range(1000):
        inbox += b"aaaa"
        assert parser.take(inbox, 0, "GET") is None
    inbox += b"\r\nContent-Length: 0\r\n\r\n"
    assert parser.take(inbox, 0, "GET") is not None
    assert max(looked) < 40


def test_a_body_until_the_close_is_complete_when_that_is_said() -> None:
    body = UntilCloseBody()
    assert body.feed(b"..one", 2) == 3
    assert body.feed(bytearray(b"two"), 0) == 3
    assert body.take() == b"onetwo"
    assert body.take() == b""
    assert not body.is_complete
    body.end()
    assert body.is_complete
