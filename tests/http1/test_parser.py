"""The head parser, by itself: what it returns, what it says is wrong, where the next head begins."""

import pytest

from reactor.http1.errors import ProtocolError
from reactor.http1.grammar import HEAD_FAULT
from reactor.http1.parser import BLANK_LINES, PATIENCE, HeadParser, is_harmless, skip_blank_lines
from reactor.http1.request import HeadLimits, Origin, Request

HEAD = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


def parser(**limits: int) -> HeadParser:
    return HeadParser(HeadLimits(**limits), Origin())


def refusal(data: bytes, **limits: int) -> str:
    with pytest.raises(ProtocolError) as caught:
        parser(**limits).take(data, 0)
    return str(caught.value)


def took(it: HeadParser, data: bytes | bytearray, start: int = 0) -> Request:
    request = it.take(data, start)
    assert request is not None
    return request


def test_a_head_is_taken_and_its_end_known() -> None:
    it = parser()
    request = took(it, b"xx" + HEAD + b"body", 2)
    assert (request.method, request.target, list(request.headers.pairs)) == ("GET", b"/a", [(b"Host", b"a")])
    assert it.end == 2 + len(HEAD)


def test_what_is_taken_is_bytes_even_from_a_bytearray() -> None:
    it = parser()
    inbox = bytearray(HEAD.replace(b"GET", b"BREW"))
    request = took(it, inbox)
    inbox.clear()
    assert (request.method, request.target, request.head.terms.version) == ("BREW", b"/a", b"HTTP/1.1")
    assert type(request.target) is type(request.head.terms.version) is type(request.headers.pairs[0][1]) is bytes


def test_what_stands_behind_the_target_is_parsed_once_if_it_repeats() -> None:
    it = parser()
    data = HEAD + HEAD.replace(b"/a", b"/b") + HEAD.replace(b"Host", b"host")
    first = took(it, data)
    second = took(it, data, it.end)
    third = took(it, bytearray(data), it.end)
    assert first.headers is second.headers
    assert third.headers is not second.headers
    assert list(third.headers.pairs) == [(b"host", b"a")]


def test_a_head_that_goes_on_is_waited_for() -> None:
    it = parser()
    for end in range(len(HEAD)):
        assert it.take(HEAD[:end], 0) is None
    assert took(it, HEAD).target == b"/a"
    assert it.take(HEAD + HEAD[:20], it.end) is None  # and so is the next
    assert took(it, HEAD + HEAD, it.end).target == b"/a"


def test_empty_lines_in_front_are_skipped_if_few() -> None:
    blank = b"\r\n" * BLANK_LINES
    it = parser()
    assert took(it, blank + HEAD).target == b"/a"
    assert it.end == len(blank + HEAD)
    assert parser().take(blank, 0) is None
    assert parser().take(blank + b"\r", 0) is None
    assert "400: more than 4 empty lines" in refusal(blank + b"\r\n")
    assert "400: more than 4 empty lines" in refusal(blank + b"\r\n" + HEAD)
    assert skip_blank_lines(b"x\r\n\r\ny", 1) == 5


def test_empty_lines_in_front_count_for_no_limit() -> None:
    it = parser(head=len(HEAD), request_line=17)
    data = b"\r\n\r\n" + HEAD
    for end in range(len(data)):
        assert it.take(data[:end], 0) is None
    assert took(it, data).target == b"/a"


def test_a_line_feed_is_no_empty_line_even_behind_a_cr_of_the_body_before() -> None:
    with pytest.raises(ProtocolError, match="400: a bare LF before"):
        parser().take(b"\r\n", 1)


def test_limits_are_on_the_byte() -> None:
    assert took(parser(head=len(HEAD)), HEAD).target == b"/a"
    assert "431: the head is larger than" in refusal(HEAD, head=len(HEAD) - 1)
    assert "431" in refusal(HEAD[:-2] + b"x" * 9, head=len(HEAD))
    assert took(parser(request_line=17), HEAD).target == b"/a"
    assert "414: the request line is longer than 16 bytes" in refusal(HEAD, request_line=16)
    assert "414" in refusal(b"GET /" + b"a" * 12, request_line=16)
    assert parser(request_line=16).take(b"GET /" + b"a" * 11, 0) is None
    assert "414: the request line is longer than 10 bytes" in refusal(HEAD, head=10)
    assert "431: 1 fields" in refusal(HEAD, fields=0)


def test_a_fault_in_a_head_that_goes_on_is_refused_at_once() -> None:
    for fault in (b"\n", b"\r\r", b"\x00", b"\x7f", b"\x0b"):
        assert "400: a bare CR or LF or a control byte in the head" in refusal(b"GET " + fault)
        assert "400: a bare CR or LF or a control byte in the head" in refusal(HEAD[:-2] + b"X: " + fault)


@pytest.mark.parametrize("fault", [b"\n", b"\r\r", b"\rX", b"\x00", b"\x7f", b"\r\n\n"])
@pytest.mark.parametrize("before", [b"GET /", HEAD[:-2] + b"X: y", b"\r\n" + HEAD[:-2] + b"X: y"])
def test_a_fault_in_a_head_that_trickles_is_refused_at_the_byte_that_shows_it(before: bytes, fault: bytes) -> None:
    it = parser()
    data = before + fault
    if b"\r\n" in fault and before == b"GET /":
        data = data[:-1]  # it is the line that is refused, at its end
    for end in range(len(data)):
        assert it.take(data[:end], 0) is None
    with pytest.raises(ProtocolError, match="400: "):
        it.take(data, 0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"GET /", "a request line is a method, a target and a version"),
        (b"GET  / HTTP/1.1", "a request line is a method, a target and a version"),
        (b"GET / HTTP/1.1 ", "a request line is a method, a target and a version"),
        (b"G@T / HTTP/1.1", "the method is not a token"),
        (b" / HTTP/1.1", "the method is not a token"),
        (b"GET /# HTTP/1.1", 'the target is empty or has a "#"'),
        (b"GET  HTTP/1.1", 'the target is empty or has a "#"'),
        (b"GET /\xff HTTP/1.1", 'the target is empty or has a "#"'),
        (b"GET / HTTP/1.10", "the version is not HTTP/"),
        (b"GET / ", "the version is not HTTP/"),
    ],
)
def test_a_bad_request_line_is_refused_as_soon_as_it_is_here(line: bytes, reason: str) -> None:
    assert refusal(line + b"\r\n").startswith(f"400: {reason}")
    assert refusal(line + b"\r\nHost: a\r\n\r\n").startswith(f"400: {reason}")


def test_a_version_we_do_not_speak_is_505() -> None:
    for version in (b"HTTP/2.0", b"HTTP/0.9", b"HTTP/9.9"):
        assert refusal(b"GET / " + version + b"\r\n").startswith("505: ")


@pytest.mark.parametrize("target", [b"a:1", b"[::1]:443", b"1.2.3.4:80"])
def test_connect_takes_an_authority(target: bytes) -> None:
    assert took(parser(), b"CONNECT " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n").target == target


@pytest.mark.parametrize(
    "target",
    [
        *(b"a", b"a:", b"[::1]", b"[::1]:", b"/", b"*", b"u@a:1", b"http://a:1", b"a:1/", b":1", b"a:99999"),
    ],
)
def test_connect_takes_nothing_else(target: bytes) -> None:
    assert refusal(b"CONNECT " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n").startswith("400: CONNECT takes")


def test_the_asterisk_is_for_options() -> None:
    assert took(parser(), b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").target == b"*"
    assert refusal(b"GET * HTTP/1.1\r\nHost: a\r\n\r\n").startswith('400: the target "*" is')


def test_the_absolute_form() -> None:
    data = b"GET http://b:1/c HTTP/1.1\r\nHost: a\r\n\r\n"
    assert took(parser(), data).host == "b:1"
    assert took(parser(), data.replace(b"/1.1\r\nHost: a", b"/1.0")).host == "b:1"
    assert refusal(data.replace(b"http:", b"ftp:")).startswith("400: the target is neither")
    assert refusal(data.replace(b"b:1", b"u@b")).startswith("400: the target's authority")
    assert refusal(data.replace(b"Host: a", b"Host:")).startswith("400: an empty Host")


@pytest.mark.parametrize(("filler", "is_remembered"), [(3000, True), (5000, False)])
def test_a_large_head_is_not_remembered(filler: int, is_remembered: bool) -> None:
    """It would be all that an idle connection weighs."""
    it = parser()
    head = b"GET /a HTTP/1.1\r\nHost: a\r\nX: " + b"x" * filler + b"\r\n\r\n"
    first, second = took(it, head), took(it, head)
    assert (first.headers is second.headers) == is_remembered


@pytest.mark.parametrize("byte", range(256))
def test_what_is_harmless_has_no_fault(byte: int) -> None:
    """The quick look and the thorough one agree, except where a piece begins or ends in the middle of a CRLF."""
    for text in (b"a%bb\r\n", b"a\r%bb\r\n", b"a%b\nb\r\n", b"%b\r\n", b"\r\n%b\r\n"):
        data = text.replace(b"%b", bytes([byte]))
        assert is_harmless(data, 0, len(data)) == (HEAD_FAULT.search(data) is None), data


@pytest.mark.parametrize("start", [0, 3])
def test_a_head_that_only_begins_like_the_last_is_another(start: int) -> None:
    it = parser()
    took(it, HEAD)
    longer = HEAD[:-2] + b"X: y\r\n\r\n"
    data = b"abc"[:start] + longer + HEAD + HEAD
    assert list(took(it, data, start).headers.pairs) == [(b"Host", b"a"), (b"X", b"y")]
    assert list(took(it, data, it.end).headers.pairs) == [(b"Host", b"a")]
    assert list(took(it, data, it.end).headers.pairs) == [(b"Host", b"a")]
    assert it.end == len(data)


def test_requests_of_the_same_head_share_nothing_that_changes() -> None:
    it = parser()
    first = took(it, HEAD)
    second = took(it, HEAD)
    first.body, first.params, first.root = b"body", {"a": "b"}, "/root"
    first.trailers = first.headers
    assert first.query is not second.query
    assert (second.body, dict(second.params), second.root, second.trailers) == (b"", {}, "", None)
    assert first.headers is second.headers


def test_a_client_that_never_repeats_itself_is_remembered_now_and_then() -> None:
    it = parser()
    for number in range(3 * PATIENCE + 1):
        took(it, HEAD[:-2] + b"X: %d\r\n\r\n" % number)
    assert it._last is None
    heads = [took(it, HEAD).head for _ in range(PATIENCE + 1)]
    assert heads[-1] is heads[-2], "once it repeats itself, it is noticed"
    assert took(it, HEAD).head is heads[-1]
