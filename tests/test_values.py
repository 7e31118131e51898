"""What people write, as values: taken whole or refused with a line that says what would be right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor.values import (
    advise,
    did_you_mean,
    one_of,
    parse_duration,
    parse_number,
    parse_size,
    parse_switch,
    show_duration,
    show_size,
    show_switch,
)


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("512", 512), ("64k", 65536), ("16m", 16 << 20), ("16M", 16 << 20), ("1g", 1 << 30)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "-1", "1.5m", "16mb", "1_0", " 1", "1 ", "٣", "0x10", "1e3", "9" * 16])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="a size is written 64k, 16m"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("30s", 30), ("500ms", 0.5), ("5m", 300), ("1h", 3600), ("2.5", 2.5), ("0.1s", 0.1), ("100ms", 0.1)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-5", "5 s", "inf", "nan", "1e3", "5d", ".5", "5.", "٣s", "1" * 13])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="a duration is written 30s, 500ms"):
        parse_duration(text)


@given(st.integers(0, 1 << 45))
def test_a_size_shown_is_the_size(value: int) -> None:
    assert parse_size(show_size(value)) == value


@given(st.integers(0, 10**9).map(lambda thousandths: thousandths / 1000))
def test_a_duration_shown_is_the_duration(value: float) -> None:
    assert parse_duration(show_duration(value)) == pytest.approx(value, abs=1e-9)


def test_shown_as_people_write_them() -> None:
    assert [show_size(each) for each in (0, 240, 8192, 16 << 20)] == ["0", "240", "8k", "16m"]
    assert [show_duration(each) for each in (0, 0.5, 2.5, 75.0, 90, 300.0)] == [
        "0s",
        "500ms",
        "2.5s",
        "75s",
        "90s",
        "5m",
    ]
    assert [show_switch(each) for each in (True, False)] == ["yes", "no"]


@pytest.mark.parametrize("text", ["yes", "Yes", "TRUE", "on", "1"])
def test_switched_on(text: str) -> None:
    assert parse_switch(text) is True


@pytest.mark.parametrize("text", ["no", "False", "off", "0"])
def test_switched_off(text: str) -> None:
    assert parse_switch(text) is False


def test_what_is_no_switch_and_no_number() -> None:
    with pytest.raises(ValueError, match="yes or no is wanted, not 'maybe'"):
        parse_switch("maybe")
    with pytest.raises(ValueError, match=r"a whole number is wanted, not '1\.5'"):
        parse_number("1.5")
    assert parse_number("-1") == -1


def test_one_of_a_few_words() -> None:
    parse = one_of(("debug", "info", "error"))
    assert parse("info") == "info"
    with pytest.raises(ValueError, match=r"^debug, info or error is wanted, not 'eror'; did you mean error\?$"):
        parse("eror")
    with pytest.raises(ValueError, match=r"^only is wanted, not ''$"):
        one_of(["only"])("")


def test_advice_names_the_nearest_and_then_all() -> None:
    assert did_you_mean("colour", ["color"]) == "; did you mean color?"
    assert did_you_mean("colour", ["shape"]) == ""
    assert advise("colour", ["color", "shape"], "there are") == "; did you mean color? There are color, shape"
    assert advise("x", ["color", "shape"], "there are") == "; there are color, shape"
