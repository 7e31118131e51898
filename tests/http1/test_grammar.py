"""The productions, each against what its ABNF says of every single byte, and of what regexes usually get wrong."""

import ipaddress
import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reactor.http1 import grammar

EVERY_BYTE = [bytes([number]) for number in range(256)]
TCHAR = b"!#$%&'*+-.^_`|~" + (string.digits + string.ascii_letters).encode()
CONTROL = bytes(number for number in range(256) if (number < 32 and number != 9) or number == 127)


def matched(pattern: re.Pattern[bytes], template: bytes = b"%b") -> bytes:
    """The bytes that `pattern` matches in the place of %b."""
    return b"".join(byte for byte in EVERY_BYTE if pattern.fullmatch(template % byte))


def test_token_is_what_the_rfc_lists() -> None:
    assert sorted(matched(grammar.TOKEN)) == sorted(TCHAR)
    assert sorted(matched(grammar.TOKEN, b"a%bz")) == sorted(TCHAR)
    assert not grammar.TOKEN.fullmatch(b"")
    assert not grammar.TOKEN.fullmatch(b"a\n")


def test_value_is_anything_but_control_bytes_with_tab_as_the_exception() -> None:
    allowed = bytes(number for number in range(256) if number not in CONTROL)
    assert matched(grammar.VALUE) == allowed
    assert grammar.VALUE.fullmatch(b"")
    assert not grammar.VALUE.fullmatch(b"a\n")


def test_field_line_and_field_block_agree() -> None:
    for template in (
        *(b"a%b: x", b"%b: x", b"a: x%bx", b"a:%b"),
        *(b"a: x\r%b", b"a: x%b\n", b"a%b x", b"%ba: x"),
    ):
        assert matched(grammar.FIELD_LINE, template) == matched(grammar.FIELD_BLOCK, template + b"\r\n"), template
    assert grammar.FIELD_BLOCK.fullmatch(b"")
    assert grammar.FIELD_BLOCK.fullmatch(b"a:\r\nb:c\r\n")
    assert not grammar.FIELD_BLOCK.fullmatch(b"a:\r\n\r\n")
    assert not grammar.FIELD_BLOCK.fullmatch(b"a: b\r\n c\r\n")


def test_field_line_leaves_white_space_out_in_front_only() -> None:
    found = grammar.FIELD_LINE.fullmatch(b"a: \t b \t")
    assert found
    assert found.groups() == (b"a", b"b \t")


def test_target_is_visible_ascii_but_the_fragment_sign() -> None:
    visible = bytes(number for number in range(0x21, 0x7F) if number != ord("#"))
    assert matched(grammar.TARGET) == visible
    assert matched(grammar.REQUEST_LINE, b"GET /%b HTTP/1.1\r\n") == visible


def test_request_line_has_one_space_and_a_digit() -> None:
    assert sorted(matched(grammar.REQUEST_LINE, b"G%b / HTTP/1.1\r\n")) == sorted(TCHAR)
    assert matched(grammar.REQUEST_LINE, b"GET%b/ HTTP/1.1\r\n") == b" "
    assert matched(grammar.REQUEST_LINE, b"GET /%bHTTP/1.1\r\n") == b" "
    assert matched(grammar.REQUEST_LINE, b"GET / HTTP/1.%b\r\n") == b"0123456789"
    assert matched(grammar.REQUEST_LINE, b"GET / HTTP/%b.1\r\n") == b"1"
    assert matched(grammar.REQUEST_LINE, b"GET / HTTP/1%b1\r\n") == b"."
    assert matched(grammar.REQUEST_LINE, b"GET / HTTP/1.1%b\n") == b"\r"


def test_version_is_a_digit_a_dot_and_a_digit() -> None:
    assert matched(grammar.VERSION, b"HTTP/%b.1") == b"0123456789"
    assert matched(grammar.VERSION, b"HTTP/1.%b") == b"0123456789"
    assert not grammar.VERSION.fullmatch(b"HTTP/1.1\n")


def test_head_fault_sees_what_no_head_contains() -> None:
    assert b"".join(byte for byte in EVERY_BYTE if grammar.HEAD_FAULT.search(b"a" + byte + b"b")) == b"".join(
        byte for byte in EVERY_BYTE if byte[0] in CONTROL
    )
    for sound in (b"\r\n", b"a\r\n\r\n", b"\r", b"a\r", b"\t \xff"):
        assert grammar.HEAD_FAULT.search(sound) is None, sound
    for fault in (b"\n", b"a\n", b"\r\r\n", b"\n\r", b"\ra", b"\r\n\n"):
        assert grammar.HEAD_FAULT.search(fault), fault


def test_head_fault_ends_behind_the_byte_that_shows_it() -> None:
    for data, end in ((b"ab\x00cd", 3), (b"ab\ncd", 3), (b"ab\rcd", 4), (b"\r\r\n", 2)):
        found = grammar.HEAD_FAULT.search(data)
        assert found
        assert found.end() == end
        assert grammar.HEAD_FAULT.search(data[: end - 1]) is None


def test_host_is_a_name_or_an_address() -> None:
    unreserved_and_sub_delims = (string.digits + string.ascii_letters + "-._~!$&'()*+;=").encode()
    assert sorted(matched(grammar.HOST)) == sorted(unreserved_and_sub_delims)
    assert sorted(matched(grammar.HOST, b"a%b")) == sorted(unreserved_and_sub_delims + b":")
    assert matched(grammar.HOST, b"a:%b") == b"0123456789"
    assert not grammar.HOST.fullmatch(b"")
    assert not grammar.HOST.fullmatch(b"a%2")
    assert not grammar.HOST.fullmatch(b"a\n")


@pytest.mark.parametrize(
    "text",
    [
        *("::", "::1", "1::", "1::8", "1:2:3:4:5:6:7:8", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "1:2:3:4:5:6:1.2.3.4"),
        *("::1.2.3.4", "::ffff:255.255.255.255", "1::5:6:7:8", "fe80::abcd:EF01"),
        *("", ":", ":::", "1", "1:2", "1:2:3:4:5:6:7", "1::2::3", "1:2:3:4:5:6:7:8:9", "1:2:3:4::5:6:7:8"),
        *("::1:2:3:4:5:6:7:8", "12345::", "g::", "1.2.3.4", "::1.2.3", "::256.1.1.1", "::01.2.3.4", "1.2.3.4::"),
        *("::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:", "::1\n", "::1%eth0"),
    ],
)
def test_an_address_in_brackets_is_one_of_version_6(text: str) -> None:
    assert bool(grammar.HOST.fullmatch(b"[" + text.encode() + b"]")) is is_v6(text)


@given(st.lists(st.sampled_from(["", "0", "ab", "FFFF", "12345", "g", "1.2.3.4", "1.2.3"]), max_size=10).map(":".join))
@example("1:2:3:4:5::6:7")
def test_an_address_in_brackets_is_what_the_standard_library_takes(text: str) -> None:
    assert bool(grammar.HOST.fullmatch(b"[" + text.encode() + b"]")) is is_v6(text)


@given(st.ip_addresses(v=6))
def test_every_address_of_version_6_is_a_host(address: ipaddress.IPv6Address) -> None:
    for text in (address.compressed, address.exploded):
        assert grammar.HOST.fullmatch(f"[{text}]:80".encode())


def is_v6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text  # a zone is this machine's affair


def test_absolute_form_is_of_two_schemes_in_any_case() -> None:
    found = grammar.ABSOLUTE_FORM.fullmatch(b"hTTpS://a:1/b/?c?d/e")
    assert found
    assert found.groups() == (b"a:1", b"/b/", b"?c?d/e")
    assert not grammar.ABSOLUTE_FORM.fullmatch(b"ws://a/")
    assert not grammar.ABSOLUTE_FORM.fullmatch(b"http:/a")


def test_digits_are_ten() -> None:
    assert matched(grammar.DIGITS) == b"0123456789"
    assert not grammar.DIGITS.fullmatch(b"")
    assert not grammar.DIGITS.fullmatch(b"1\n")
    assert not grammar.DIGITS.fullmatch("\u0661".encode())


@pytest.mark.parametrize("text", [b"", b",", b" ,\t, ", b"a", b"a,b", b"a ,\tb", b",,a,,b,,", b"a, ", b"a "])
def test_lists_of_tokens(text: bytes) -> None:
    assert grammar.TOKEN_LIST.fullmatch(text)


@pytest.mark.parametrize("text", [b"a b", b"a;b", b'"a"', b"a,b c", b"a\n", b"a\x0b,b", b"\xff", b"a=b"])
def test_what_is_no_list_of_tokens(text: bytes) -> None:
    assert not grammar.TOKEN_LIST.fullmatch(text)


def test_chunk_line_byte_by_byte() -> None:
    hexadecimal = string.hexdigits.encode()
    assert sorted(matched(grammar.CHUNK_LINE, b"%b\r\n")) == sorted(hexadecimal)
    assert sorted(matched(grammar.CHUNK_LINE, b"5%b\r\n")) == sorted(hexadecimal)
    assert sorted(matched(grammar.CHUNK_LINE, b"5;%b\r\n")) == sorted(TCHAR)
    assert sorted(matched(grammar.CHUNK_LINE, b"5;a=%b\r\n")) == sorted(TCHAR)
    quoted = bytes(number for number in range(256) if number not in CONTROL and number not in b'"\\')
    assert matched(grammar.CHUNK_LINE, b'5;a="%b"\r\n') == quoted
    escaped = bytes(number for number in range(256) if number not in CONTROL)
    assert matched(grammar.CHUNK_LINE, b'5;a="\\%b"\r\n') == escaped


def test_every_repeated_byte_is_possessive_and_no_group_is() -> None:
    """So no input makes them backtrack, and older Pythons match as newer ones do: the file's law, from its text."""
    for name, pattern in vars(grammar).items():
        if isinstance(pattern, re.Pattern):
            text = re.sub(rb"\\.|\[(?:\\.|[^\]\\])+\]|\(\?", b"x", pattern.pattern)  # escapes, sets and marks of groups
            quantifiers = re.findall(rb"(.)([*+?]|\{[0-9,]+\})(\+?)", text)
            assert all(possessive or kind not in b"*+" for what, kind, possessive in quantifiers if what != b")"), name
            assert not any(possessive for what, _, possessive in quantifiers if what == b")"), name
