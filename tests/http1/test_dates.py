"""Dates: the three formats and nothing else, against a calendar that was written by others."""

import re
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactor import http_date, parse_http_date
from reactor.http1 import dates
from reactor.http1.dates import date_of, day_number

SAMPLE = 784_111_777  # Sun, 06 Nov 1994 08:49:37 GMT, the RFC's
NOW = 1_800_000_000  # 15 January 2027, 08:00:00
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = -62_167_219_200, 253_402_300_799

moments = st.datetimes(timezones=st.just(UTC))


def seconds(moment: datetime) -> int:
    """Since the epoch, whole."""
    return (moment - EPOCH) // timedelta(seconds=1)


@given(moments)
def test_a_date_is_written_as_mail_writes_it_and_read_back(moment: datetime) -> None:
    text = http_date(seconds(moment) + moment.microsecond // 125_000 / 8)  # what a float can say so far from the epoch
    assert text == format_datetime(moment.replace(microsecond=0), usegmt=True)
    assert parse_http_date(text, 0) == seconds(moment)


@given(moments)
def test_asctime_is_read(moment: datetime) -> None:
    text = moment.ctime()
    assert parse_http_date(text, 0) == seconds(moment)


@given(st.dates())
def test_days_are_counted_as_the_calendar_counts_them(day: date) -> None:
    number = (day - EPOCH.date()).days
    assert day_number(day.year, day.month, day.day) == number
    assert date_of(number) == (day.year, day.month, day.day)


@pytest.mark.parametrize(
    ("when", "text"),
    [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (SAMPLE, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (SAMPLE + 0.999, "Sun, 06 Nov 1994 08:49:37 GMT"),  # a second has begun or it has not
        (-0.5, "Wed, 31 Dec 1969 23:59:59 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (FIRST, "Sat, 01 Jan 0000 00:00:00 GMT"),
        (LAST, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (FIRST - 1, "Sat, 01 Jan 0000 00:00:00 GMT"),
        (LAST + 1, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (-1e30, "Sat, 01 Jan 0000 00:00:00 GMT"),
        (1e30, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ],
)
def test_a_date_is_written(when: float, text: str) -> None:
    assert http_date(when) == text


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun Nov 06 08:49:37 1994",
        "Mon, 06 Nov 1994 08:49:37 GMT",  # it was a Sunday: the name says nothing that counts
        "Wednesday, 06-Nov-94 08:49:37 GMT",
    ],
)
def test_the_three_formats(text: str) -> None:
    assert parse_http_date(text, NOW) == SAMPLE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt",  # case-sensitive
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "06 Nov 1994 08:49:37 GMT",
        "Foo, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Wedday, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
        "784111777",
        "0",
        # What no calendar and no clock has.
        "Sun, 30 Feb 1994 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sunday, 29-Feb-94 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 99 Nov 1994 08:49:37 GMT",
        "Sun Nov  0 08:49:37 1994",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 25:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",  # a leap second is the last of its day
        "Sun, 06 Nov 1994 23:49:60 GMT",
    ],
)
def test_anything_else_is_no_date(text: str) -> None:
    assert parse_http_date(text, NOW) is None


def test_a_leap_second_is_the_next_day() -> None:
    assert parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT", NOW) == seconds(datetime(2017, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("Friday, 15-Jan-27 08:00:00 GMT", 2027),
        ("Friday, 15-Jan-70 08:00:00 GMT", 2070),
        ("Friday, 15-Jan-77 08:00:00 GMT", 2077),  # 50 years from now
        ("Friday, 15-Jan-77 08:00:01 GMT", 1977),  # more than 50
        ("Friday, 16-Jan-77 08:00:00 GMT", 1977),
        ("Friday, 01-Feb-77 08:00:00 GMT", 1977),
        ("Friday, 14-Jan-77 08:00:01 GMT", 2077),
        ("Friday, 15-Jan-78 08:00:00 GMT", 1978),
        ("Friday, 15-Jan-99 08:00:00 GMT", 1999),
        ("Friday, 15-Jan-00 08:00:00 GMT", 2000),
    ],
)
def test_two_digits_of_a_year_are_at_most_50_years_ahead(text: str, year: int) -> None:
    when = parse_http_date(text, NOW)
    assert when is not None
    assert date_of(when // dates.DAY)[0] == year


@given(moments.filter(lambda moment: 1900 <= moment.year <= 2300), st.integers(-49, 49))
def test_two_digits_are_enough_for_dates_that_are_near(moment: datetime, distance: int) -> None:
    text = moment.strftime("%A, %d-%b-%y %H:%M:%S GMT")
    now = seconds(moment) + distance * 365 * dates.DAY
    assert parse_http_date(text, now) == seconds(moment)


@given(st.text(max_size=40) | st.from_regex(re.compile(r"[A-Z][a-z]{2,8},? [-0-9A-Za-z: ]{1,25}"), fullmatch=True))
def test_no_text_does_more_than_not_being_a_date(text: str) -> None:
    when = parse_http_date(text, NOW)
    assert when is None or parse_http_date(http_date(when), NOW) == when
