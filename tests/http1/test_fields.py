"""Field blocks and the Headers made of them."""

import pytest

from reactor.http1.errors import ProtocolError
from reactor.http1.fields import SINGLETONS, Headers, _known_line, list_tokens, parse_fields


def parse(block: bytes, limit: int = 10) -> Headers:
    return parse_fields(block + b"\r\n", 0, limit)


def test_headers_are_a_mapping_whose_names_have_no_case() -> None:
    headers = parse(b"Host: a\r\nX-Thing: b\r\n")
    assert headers["host"] == headers["HOST"] == headers["Host"] == "a"
    assert dict(headers) == {"host": "a", "x-thing": "b"}
    assert list(headers) == ["host", "x-thing"]
    assert len(headers) == 2
    assert "x-THING" in headers
    assert headers.get("y", "none") == "none"
    assert headers.raw(b"x-thing") == b"b"
    assert headers.raw(b"y") is None
    assert repr(headers) == "Headers(((b'Host', b'a'), (b'X-Thing', b'b')))"


def test_a_name_no_field_can_have_is_not_there_and_no_error() -> None:
    headers = parse(b"a: b\r\n")
    assert "\u20ac" not in headers
    assert headers.get("\u20ac") is None
    assert headers.get_all("\u20ac") == []
    assert b"a" not in headers  # type: ignore[comparison-overlap]  # names are text
    with pytest.raises(KeyError):
        headers["\u20ac"]


def test_repeated_fields_are_combined_in_order_and_kept() -> None:
    headers = parse(b"Accept: a\r\nCookie: c\r\naccept: b \r\ncookie: d\r\nACCEPT:\r\n")
    assert headers["accept"] == "a, b, "
    assert headers["cookie"] == "c; d"
    assert headers.get_all("Accept") == ["a", "b", ""]
    names = [b"Accept", b"Cookie", b"accept", b"cookie", b"ACCEPT"]
    assert list(headers.pairs) == list(zip(names, [b"a", b"c", b"b", b"d", b""], strict=True))


@pytest.mark.parametrize("name", sorted(SINGLETONS))
def test_a_field_of_one_value_is_refused_twice_even_if_equal(name: bytes) -> None:
    assert len(parse(name + b": a\r\n")) == 1
    with pytest.raises(ProtocolError, match=f"400: the field {name.decode()} is there twice"):
        parse(name + b": a\r\n" + name.upper() + b": a\r\n")


def test_values_are_stripped_of_optional_white_space_and_of_nothing_else() -> None:
    headers = parse(b"a: \t b c \t\r\nb:\xa0d\xa0\r\nc: \t \r\nd:e\r\n")
    assert list(headers.pairs) == [(b"a", b"b c"), (b"b", b"\xa0d\xa0"), (b"c", b""), (b"d", b"e")]
    assert headers["b"] == "\xa0d\xa0"
    assert parse(b"a: b\t\r\n")["a"] == "b"


def test_a_block_without_lines_has_no_fields() -> None:
    assert parse_fields(b"\r\n", 0, 1).pairs == ()
    assert parse_fields(b"HTTP/1.1\r\n\r\n", 10, 1).pairs == ()


def test_a_block_begins_where_it_is_said_to() -> None:
    assert list(parse_fields(b"HTTP/1.1 \r\nX: y \r\n\r\n", 11, 1).pairs) == [(b"X", b"y")]


def test_more_lines_than_the_limit_are_431() -> None:
    assert len(parse(b"a: b\r\nc: d\r\n", 2)) == 2
    with pytest.raises(ProtocolError, match="431: 3 fields; at most 2 are taken"):
        parse(b"a: b\r\nc: d\r\na: e\r\n", 2)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b" b: c", "is folded"),
        (b"\tb: c", "is folded"),
        (b"b: c\nd", "has a bare CR or LF"),
        (b"b: c\rd", "has a bare CR or LF"),
        (b"b", "has no colon"),
        (b"", "has no colon"),
        (b": c", "has an empty name"),
        (b"b : c", "has white space before its colon"),
        (b"b\t: c", "has white space before its colon"),
        (b"b d: c", "has a name that is not a token"),
        (b"b\xe9: c", "has a name that is not a token"),
        (b"b: \x00", "has a control byte"),
        (b"b: \x7f", "has a control byte"),
    ],
)
def test_a_malformed_line_is_named_with_its_fault(line: bytes, fault: str) -> None:
    with pytest.raises(ProtocolError, match=f"400: field line 2 {fault}"):
        parse(b"a: b\r\n" + line + b"\r\n")


def test_a_malformed_line_among_too_many_is_malformed() -> None:
    with pytest.raises(ProtocolError, match="400: field line 3 has no colon"):
        parse(b"a: b\r\nc: d\r\ne\r\n", 2)


def test_the_same_line_is_parsed_once_and_lies_in_memory_once() -> None:
    _known_line.__self__.clear()  # type: ignore[attr-defined]  # a memo's; half full, it would take one in so many
    first, second = (parse(b"X-Same: " + b"a value" + b"\r\n") for _ in range(2))
    assert first.raw(b"x-same") is second.raw(b"x-same")


@pytest.mark.parametrize("name", [b"Cookie", b"authorization", b"PROXY-Authorization"])
def test_a_secret_is_not_kept(name: bytes) -> None:
    first, second = (parse(name + b": a=" + b"b\r\n") for _ in range(2))
    assert first.raw(name.lower()) == second.raw(name.lower())
    assert first.raw(name.lower()) is not second.raw(name.lower())


def test_the_reason_never_repeats_what_was_sent() -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(b"<script>: evil\r\n")
    assert "script" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        *((b"", []), (b" , ,", []), (b"Close", [b"close"]), (b" a ,\tB,,c\t", [b"a", b"b", b"c"]), (b"a b", None)),
        (b'"a"', None),
    ],
)
def test_lists(value: bytes, tokens: list[bytes] | None) -> None:
    found = list_tokens(value)
    assert (None if found is None else list(found)) == tokens
