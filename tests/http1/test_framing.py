"""Where the body ends: each step of RFC 9112 6.3, and what must not get through it."""

import pytest

from reactor.http1.errors import ProtocolError
from reactor.http1.fields import Headers
from reactor.http1.framing import CHUNKED, body_length


def length(*pairs: tuple[bytes, bytes], version: bytes = b"HTTP/1.1") -> int:
    headers = Headers(list(pairs))
    return body_length(version, headers.raw(b"transfer-encoding"), headers.raw(b"content-length"))


def coding(value: bytes) -> tuple[bytes, bytes]:
    return (b"Transfer-Encoding", value)


def sized(value: bytes) -> tuple[bytes, bytes]:
    return (b"Content-Length", value)


def test_neither_field_means_no_body() -> None:
    assert length((b"Host", b"a")) == 0


@pytest.mark.parametrize(("value", "number"), [(b"0", 0), (b"5", 5), (b"007", 7), (b"9" * 18, 10**18 - 1)])
def test_content_length_is_digits(value: bytes, number: int) -> None:
    assert length(sized(value)) == number
    assert length(sized(value), version=b"HTTP/1.0") == number


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b"+1", b"-1", b"1_0", b"0x1", b"1 1", b"1,1", b"1, 1", b"1.0", b"1e3", b"a", b"1\n", b"\xb2"),
        *("\u0661".encode(), b'"1"'),
    ],
)
def test_content_length_of_anything_else_is_400(value: bytes) -> None:
    with pytest.raises(ProtocolError, match="400: Content-Length"):
        length(sized(value))


@pytest.mark.parametrize("value", [b"1" + b"0" * 18, b"0" * 19, b"9" * 8000])
def test_content_length_beyond_any_size_is_413(value: bytes) -> None:
    with pytest.raises(ProtocolError, match="413: Content-Length"):
        length(sized(value))


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b"CHUNKED"])
def test_chunked_in_any_case(value: bytes) -> None:
    assert length(coding(value)) == CHUNKED
    assert length(coding(value), version=b"HTTP/1.2") == CHUNKED


@pytest.mark.parametrize("value", [b"chunked", b"gzip, chunked", b""])
def test_a_coding_in_http_1_0_is_400(value: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"400: Transfer-Encoding in HTTP/1\.0"):
        length(coding(value), version=b"HTTP/1.0")


@pytest.mark.parametrize("value", [b"chunked", b"gzip", b"", b"identity"])
@pytest.mark.parametrize("number", [b"5", b"0", b"", b"x"])
@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_both_fields_are_400_whatever_they_say(value: bytes, number: bytes, version: bytes) -> None:
    with pytest.raises(ProtocolError, match="400: both"):
        length(coding(value), sized(number), version=version)


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b",", b"identity", b"gzip", b"chunked, chunked", b"chunked, gzip"),
        *(b"identity, chunked", b"chunked, identity"),
        *(b"chunked;x", b"chunked;q=1", b"xchunked", b"chunkedx", b"chunked x", b"\x0bchunked", b"chunked\x0b"),
        *(b"\xa0chunked", b'"chunked"', b"chunked\n", b"gzip;x, chunked", b"chunked, gzip, chunked"),
    ],
)
def test_any_other_coding_is_400(value: bytes) -> None:
    with pytest.raises(ProtocolError, match="400: Transfer-Encoding"):
        length(coding(value))


@pytest.mark.parametrize("value", [b"gzip, chunked", b"GZIP,Chunked", b"br ,gzip\t, chunked", b",chunked", b"chunked,"])
def test_codings_we_do_not_have_in_front_of_chunked_are_501(value: bytes) -> None:
    with pytest.raises(ProtocolError, match="501"):
        length(coding(value))


@pytest.mark.parametrize("name", [b"Content-Length", b"Transfer-Encoding"])
def test_a_framing_field_cannot_be_there_twice(name: bytes) -> None:
    with pytest.raises(ProtocolError, match="400"):
        length((name, b"5"), (name.lower(), b"5"))
