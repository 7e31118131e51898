"""Percent-encoding and query strings: nothing fails, nothing is lost."""

import os

import pytest

from reactor.http1.query import Query, percent_decode


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"/plain", "/plain"),
        (b"/a%20b", "/a b"),
        (b"%C3%a9", "é"),
        (b"%2F%2e%25", "/.%"),
        (b"%25%32%30", "%20"),  # once, not twice
        (b"%2520", "%20"),
        (b"%", "%"),
        (b"%4", "%4"),
        (b"%zz%4g%\xc3\xa9", "%zz%4g%é"),
        (b"%%41", "%A"),
        (b"+", "+"),
        (b"%00%0d%0A", "\x00\r\n"),
        (b"%ff\xfe", "\udcff\udcfe"),
    ],
)
def test_decoding(data: bytes, text: str) -> None:
    assert percent_decode(data) == text


def test_bytes_that_are_not_utf8_can_be_had_back() -> None:
    assert os.fsencode(percent_decode(b"/%ff%80x")) == b"/\xff\x80x"


def test_a_query_is_a_mapping_to_last_values_that_knows_all() -> None:
    query = Query(b"a=1&b=2&a=3")
    assert query["a"] == "3"
    assert query.get_all("a") == ["1", "3"]
    assert query.get_all("c") == []
    assert dict(query) == {"a": "3", "b": "2"}
    assert len(query) == 2
    assert query.get("c") is None
    assert query.pairs == [("a", "1"), ("b", "2"), ("a", "3")]
    assert repr(query) == "Query([('a', '1'), ('b', '2'), ('a', '3')])"


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        (b"", []),
        (b"&&", []),
        (b"a", [("a", "")]),
        (b"a=", [("a", "")]),
        (b"=a", [("", "a")]),
        (b"=", [("", "")]),
        (b"a=b=c", [("a", "b=c")]),
        (b"a+b=c+d", [("a b", "c d")]),
        (b"a%2Bb=%26%3d", [("a+b", "&=")]),
        (b"a;b=c", [("a;b", "c")]),  # ";" separates nothing (WHATWG URL, and CVE-2021-23336)
        (b"%61=%C3%A9", [("a", "é")]),
    ],
)
def test_pairs(raw: bytes, pairs: list[tuple[str, str]]) -> None:
    assert Query(raw).pairs == pairs
