"""Conditions: entity-tags that are never wrong, and RFC 9110's order of precedence."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.static.conditions import etag_of, evaluate, range_is_wanted
from reactor import Headers, http_date

NOW = 1_800_000_000
CHANGED = NOW - 3600
SAME, OLDER, NEWER = http_date(CHANGED), http_date(CHANGED - 1), http_date(CHANGED + 1)
FUTURE = http_date(NOW + 3600)


def headers(*lines: str) -> Headers:
    """Fields from "Name: value"."""
    pairs = [line.encode("latin-1").partition(b": ") for line in lines]
    return Headers([(name, value) for name, _, value in pairs])


def status(mtime: int, ctime: int, inode: int = 7, size: int = 5) -> os.stat_result:
    """Of a file with these timestamps, in nanoseconds."""
    return os.stat_result((0o100644, inode, 1, 1, 0, 0, size, 0, 0, 0), {"st_mtime_ns": mtime, "st_ctime_ns": ctime})


# The tag.


def settled(path: Path) -> str:
    """The tag of a file, looked at a second after it was changed."""
    found = path.stat()
    return etag_of(found, found.st_ctime + 1)


def test_a_tag_stays_while_the_file_does(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    tag = settled(path)
    assert tag == settled(path)
    assert len(tag) == 26
    assert tag[0] == tag[-1] == '"'
    int(tag.strip('"'), 16)


def test_a_tag_changes_with_the_file_whatever_its_timestamp_says(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"12345")
    other.write_bytes(b"54321")
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    os.utime(other, ns=times)
    before = settled(path)
    other.rename(path)
    assert path.stat().st_mtime_ns == times[1]
    assert settled(path) != before


@pytest.mark.parametrize(
    "other",
    [
        status(NOW, NOW, inode=8),
        status(NOW, NOW, size=6),
        status(NOW + 1, NOW),
        status(NOW, NOW + 1),
        status(0, NOW, inode=70),
    ],
)
def test_whatever_differs_makes_another_tag(other: os.stat_result) -> None:
    assert etag_of(other, NOW) != etag_of(status(NOW, NOW), NOW)


SECOND = 1_000_000_000
FINE = NOW * SECOND + 1  # a timestamp that counts nanoseconds


@pytest.mark.parametrize(
    ("mtime", "ctime", "later", "is_weak"),
    [
        (FINE, FINE, 0.0, True),
        (FINE, FINE, 0.01, True),
        (FINE, FINE, 0.03, False),
        (FINE - 3600 * SECOND, FINE, 0.01, True),  # moved or touched just now
        (FINE, FINE - 3600 * SECOND, 0.01, True),  # FAT: it was made an hour ago
        (NOW * SECOND, FINE, 0.03, False),  # the mtime was set, the ctime tells what the system can do
        (FINE, NOW * SECOND, 0.03, False),
        (NOW * SECOND, NOW * SECOND, 0.03, True),  # whole seconds
        (NOW * SECOND, NOW * SECOND, 1.9, True),
        (NOW * SECOND, NOW * SECOND, 2, False),
        (FINE, FINE, -3600, True),  # a clock that is ahead
        (FINE + 3600 * SECOND, FINE, 1, True),
    ],
)
def test_a_tag_is_weak_while_a_change_could_go_unnoticed(mtime: int, ctime: int, later: float, is_weak: bool) -> None:
    tag = etag_of(status(mtime, ctime), NOW + later)
    assert tag.startswith('W/"') == is_weak
    assert tag.endswith('"')


def test_a_tag_from_before_it_settled_does_not_match_the_file_afterwards() -> None:
    early, late = etag_of(status(FINE, FINE), NOW), etag_of(status(FINE, FINE), NOW + 1)
    assert evaluate("GET", headers(f"If-None-Match: {early}"), early, NOW, NOW) == 304
    assert evaluate("GET", headers(f"If-None-Match: {early}"), late, NOW, NOW + 1) == 200


# The fields, one by one.


@pytest.mark.parametrize(
    ("value", "strong", "weak"),
    [
        ('"x"', True, True),
        ('W/"x"', False, True),
        ('"y"', False, False),
        ('"X"', False, False),
        ('"y", "x"', True, True),
        ('"y","x"', True, True),
        ('"y"\t ,\t"x" ', True, True),
        (', ,"x",,', True, True),
        ('"y", W/"x"', False, True),
        ('W/"x", "x"', True, True),
        ('"y, x"', False, False),  # a space is none of a tag's
        ('"y,x"', False, False),
        ('"y,", "x"', True, True),
        ('"y", "\xe9", "x"', True, True),
        ('""', False, False),
        ("*", True, True),
        # Malformed: as if there were no tag in it.
        ("", False, False),
        (",", False, False),
        ("x", False, False),
        ('"x', False, False),
        ('x"', False, False),
        ("'x'", False, False),
        ('w/"x"', False, False),
        ('W/ "x"', False, False),
        ('"x" "y"', False, False),
        ('"x"; "y"', False, False),
        ('"x", y', False, False),
        ('"x", *', False, False),
        ('*, "x"', False, False),
        ("**", False, False),
        ('"x", "y z"', False, False),
    ],
)
def test_lists_of_tags(value: str, strong: bool, weak: bool) -> None:
    match, none_match = headers(f"If-Match: {value}"), headers(f"If-None-Match: {value}")
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert evaluate(method, match, '"x"', CHANGED, NOW) == (200 if strong else 412)
        refused = 304 if method in ("GET", "HEAD") else 412
        assert evaluate(method, none_match, '"x"', CHANGED, NOW) == (refused if weak else 200)


def test_our_own_weak_tag_matches_weakly_only() -> None:
    for value in ('"x"', 'W/"x"'):
        assert evaluate("GET", headers(f"If-Match: {value}"), 'W/"x"', CHANGED, NOW) == 412
        assert evaluate("GET", headers(f"If-None-Match: {value}"), 'W/"x"', CHANGED, NOW) == 304
    assert evaluate("PUT", headers("If-Match: *"), 'W/"x"', CHANGED, NOW) == 200


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("If-Match: *", 412),
        ('If-Match: "x"', 412),
        ("If-None-Match: *", 200),
        ('If-None-Match: "x"', 200),
        (f"If-Unmodified-Since: {OLDER}", 200),
        (f"If-Modified-Since: {FUTURE}", 200),
    ],
)
def test_where_there_is_no_file_nothing_matches(field: str, code: int) -> None:
    for method in ("PUT", "GET"):
        assert evaluate(method, headers(field), None, None, NOW) == code


@pytest.mark.parametrize(
    ("since", "modified", "unmodified"),
    [
        (OLDER, 200, 412),
        (SAME, 304, 200),
        (NEWER, 304, 200),
        (FUTURE, 304, 200),
        ("Friday, 15-Jan-27 07:00:00 GMT", 304, 200),  # SAME, as RFC 850 has it
        ("Fri Jan 15 07:00:00 2027", 304, 200),
        ("yesterday", 200, 200),
        ("", 200, 200),
        (f"{OLDER}, {OLDER}", 200, 200),
        (f"{FUTURE}, {FUTURE}", 200, 200),
    ],
)
def test_dates(since: str, modified: int, unmodified: int) -> None:
    for method in ("GET", "HEAD"):
        assert evaluate(method, headers(f"If-Modified-Since: {since}"), '"x"', CHANGED, NOW) == modified
    assert evaluate("PUT", headers(f"If-Modified-Since: {since}"), '"x"', CHANGED, NOW) == 200
    for method in ("GET", "PUT"):
        assert evaluate(method, headers(f"If-Unmodified-Since: {since}"), '"x"', CHANGED, NOW) == unmodified


# All of them: RFC 9110 13.2.2, step by step.

MATCHES = {"": None, "*": True, '"x"': True, '"y"': False, "bad": False}
SINCES = {"": None, OLDER: False, SAME: True, "bad": None}


def expected(method: str, match: str, unmodified: str, none_match: str, modified: str) -> int:
    """The section, written down as it is."""
    if match:
        if not MATCHES[match]:
            return 412
    elif SINCES[unmodified] is False:
        return 412
    if none_match:
        if not MATCHES[none_match]:
            return 200
        return 304 if method in ("GET", "HEAD") else 412
    if method in ("GET", "HEAD") and SINCES[modified] is True:
        return 304
    return 200


def test_every_combination_in_the_order_of_the_rfc() -> None:
    for method in ("GET", "HEAD", "PUT", "POST"):
        for match in MATCHES:
            for unmodified in SINCES:
                for none_match in MATCHES:
                    for modified in SINCES:
                        fields = {
                            "If-Modified-Since": modified,
                            "If-None-Match": none_match,
                            "If-Unmodified-Since": unmodified,
                            "If-Match": match,
                        }
                        sent = headers(*(f"{name}: {value}" for name, value in fields.items() if value))
                        wanted = expected(method, match, unmodified, none_match, modified)
                        assert evaluate(method, sent, '"x"', CHANGED, NOW) == wanted, (method, fields)


def test_a_repeated_field_is_one_list() -> None:
    sent = headers('If-None-Match: "y"', 'If-None-Match: "x"')
    assert evaluate("GET", sent, '"x"', CHANGED, NOW) == 304


# If-Range.


@pytest.mark.parametrize(
    ("value", "is_wanted"),
    [
        ('"x"', True),
        ('W/"x"', False),
        ('"y"', False),
        ('"y", "x"', False),  # one tag, no list
        ("*", False),
        ("x", False),
        ("", False),
        (SAME, True),
        (OLDER, False),
        (NEWER, False),
        (FUTURE, False),
        ("yesterday", False),
    ],
)
def test_if_range(value: str, is_wanted: bool) -> None:
    assert range_is_wanted(headers(f"If-Range: {value}"), '"x"', CHANGED, NOW) == is_wanted
    assert not range_is_wanted(headers(f"If-Range: {value}"), None, None, NOW)


def test_without_if_range_a_range_is_heeded() -> None:
    assert range_is_wanted(headers("Range: bytes=0-"), '"x"', CHANGED, NOW)


def test_a_weak_tag_of_ours_is_no_ground_for_a_range() -> None:
    for value in ('"x"', 'W/"x"'):
        assert not range_is_wanted(headers(f"If-Range: {value}"), 'W/"x"', CHANGED, NOW)


def test_a_date_is_weak_until_its_second_is_over() -> None:
    sent = headers(f"If-Range: {SAME}")
    assert not range_is_wanted(sent, '"x"', CHANGED, CHANGED)
    assert not range_is_wanted(sent, '"x"', CHANGED, CHANGED + 0.999)
    assert range_is_wanted(sent, '"x"', CHANGED, CHANGED + 1)


# Whatever is sent.


@given(st.binary(max_size=60) | st.lists(st.sampled_from([b'"', b"W/", b",", b" ", b"x", b"*", b'"x"']), max_size=20))
def test_no_value_does_more_than_not_matching(value: bytes | list[bytes]) -> None:
    raw = value if isinstance(value, bytes) else b"".join(value)
    for name in (b"If-Match", b"If-None-Match", b"If-Modified-Since", b"If-Unmodified-Since", b"If-Range"):
        sent = Headers([(name, raw)])
        assert evaluate("GET", sent, '"x"', CHANGED, NOW) in (200, 304, 412)
        assert range_is_wanted(sent, '"x"', CHANGED, NOW) in (True, False)


def test_a_long_list_that_is_no_list_costs_one_look_at_each_byte() -> None:
    """Backtracking would take ages."""
    for piece in ('"x",', '"x" ,', 'W/"', '"', ",", " ", '"x"'):
        assert evaluate("GET", headers(f"If-None-Match: {piece * 30_000}!"), '"y"', CHANGED, NOW) == 200
