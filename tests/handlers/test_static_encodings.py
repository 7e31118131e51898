"""Encodings: what a client takes of what there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.static.encodings import LONGEST, SUFFIXES, choose, sibling

ALL = ("br", "zstd", "gzip")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip, deflate, br, zstd", "br"),  # what browsers send
        ("gzip, deflate, br", "br"),
        ("gzip, deflate", "gzip"),
        ("zstd, gzip", "zstd"),
        ("gzip", "gzip"),
        ("GZip", "gzip"),
        ("x-gzip", "gzip"),
        ("X-Gzip;q=0.5, br;q=0.4", "gzip"),
        ("deflate", None),
        ("identity", None),
        ("*", "br"),
        ("*;q=0", None),
        ("*;q=0.1", "br"),
        # Weights.
        ("br;q=0.5, gzip;q=0.9", "gzip"),
        ("br;q=0.9, gzip;q=0.9", "br"),
        ("gzip;q=1.0, br;q=1", "br"),
        ("gzip;q=1.000, br;q=0.999", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=0.", None),
        ("gzip;Q=0.5", "gzip"),
        ("gzip ; q=0.5", "gzip"),
        ("gzip\t;\tq=0.5 ,br;q=0.4", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.0", None),
        ("gzip;q=0.000, br;q=0", None),
        ("br;q=0, *", "zstd"),
        ("br;q=0, *;q=0.5, gzip", "gzip"),
        ("gzip, *;q=0", "gzip"),
        # None at all is the last resort, unless it is asked for.
        ("gzip;q=0.5, identity", None),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("gzip;q=0.5, br;q=0.8, identity;q=0.6", "br"),
        ("gzip, identity;q=0", "gzip"),
        ("identity;q=0", None),
        ("deflate, identity;q=0", None),
        ("gzip;q=0.5, *", "br"),
        ("gzip;q=0.5, br;q=0.5, zstd;q=0.5, *", None),  # all but these is welcome: none at all
        ("gzip;q=0.5, br;q=0.5, zstd;q=0.5, *, identity;q=0", "br"),
        # Malformed members, empty members.
        (", ,gzip,,", "gzip"),
        (",", None),
        (";q=1", None),
        ("gzip;q=2, br", "br"),
        ("gzip;q=1.1", None),
        ("gzip;q=1.0000", None),
        ("gzip;q=0.1234", None),
        ("gzip;q=.5", None),
        ("gzip;q=", None),
        ("gzip;q", None),
        ("gzip;", None),
        ("gzip;q= 1", None),
        ("gzip;q=-1", None),
        ("gzip;level=9", None),
        ("gzip;q=1;q=0", None),
        ("gzip br", None),
        ("gzip/2, br", "br"),
        ('"gzip"', None),
        ("gzip;q=٠", None),
        ("gzip; q=0.5, br; q=x", "gzip"),
        ("br" + "," * LONGEST, None),  # not read
        ("br" + "," * (LONGEST - 2), "br"),
    ],
)
def test_what_a_client_takes(accepted: str | None, coding: str | None) -> None:
    assert choose(accepted, ALL) == coding
    assert choose(accepted, list(ALL)) == coding  # the second time from memory


def test_only_what_there_is() -> None:
    browser = "gzip, deflate, br, zstd"
    assert choose(browser, ()) is None
    assert choose(browser, {"gzip"}) == "gzip"
    assert choose(browser, {"gzip", "zstd"}) == "zstd"
    assert choose("br, gzip;q=0.5, identity;q=0.7", {"gzip"}) is None
    assert choose("br, gzip;q=0.5, identity;q=0.7", {"gzip", "br"}) == "br"
    assert choose("*;q=0.5, br;q=0.1, identity;q=0.2", {"br"}) is None
    assert choose("compress", {"compress"}) is None  # a coding without a suffix is none of ours


def test_the_names_of_siblings() -> None:
    assert [sibling("a/app.js", coding) for coding in SUFFIXES] == ["a/app.js.br", "a/app.js.zst", "a/app.js.gz"]


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["gzip", "br", "*", "identity", ";", "q=", "0", "1", ".5", ",", " "]), max_size=20).map(
        "".join
    )
)
def test_no_value_does_more_than_choose_none(accepted: str) -> None:
    assert choose(accepted, ALL) in (None, *ALL)
