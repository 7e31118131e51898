"""Dates as HTTP writes them: always in English, always in GMT, to the second.

Law: no clock is read and no locale asked: the same arguments give the same result anywhere. A date that is written
otherwise than RFC 9110 5.6.7 says, or that no calendar has, is no date: it is not repaired.

Days are counted with the proleptic Gregorian calendar, from the epoch (1 January 1970) on; the arithmetic is that of
Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms": years that begin in March have their leap day last.
"""

import re

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

DAY = 24 * 60 * 60  # seconds
_FIRST = -62_167_219_200  # 1 January 0000: a date has four digits for the year
_LAST = 253_402_300_799  # 31 December 9999, 23:59:59

_NAME = f"(?:{'|'.join(_DAYS)})"
_LONG_NAME = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = "(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
_FORMATS = (
    # IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
    re.compile(rf"{_NAME}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    # rfc850-date: Sunday, 06-Nov-94 08:49:37 GMT
    re.compile(rf"{_LONG_NAME}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    # asctime-date: Sun Nov  6 08:49:37 1994
    re.compile(rf"{_NAME} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)


def http_date(seconds: float) -> str:
    """IMF-fixdate (RFC 9110 5.6.7) of `seconds` since the epoch, rounded down. What is before the year 0 or after
    9999 is given as the first or the last date that can be written: a file may claim to be from there."""
    whole = int(min(max(seconds, _FIRST), _LAST) // 1)
    days, time = divmod(whole, DAY)
    year, month, day = date_of(days)
    return (
        f"{_DAYS[(days + 3) % 7]}, {day:02} {_MONTHS[month - 1]} {year:04} "  # the epoch was a Thursday
        f"{time // 3600:02}:{time // 60 % 60:02}:{time % 60:02} GMT"
    )


def parse_http_date(text: str, now: float) -> int | None:
    """Seconds since the epoch of a date in one of the three formats of RFC 9110 5.6.7, or None for anything else.

    `now` (seconds since the epoch) tells the century of a year with two digits. The day's name must be one, but
    need not fit the date: it says nothing that the date does not, and nginx and Go let it pass, too. A leap second,
    23:59:60, is the first second of the next day, as POSIX counts.
    """
    match = next(filter(None, (form.fullmatch(text) for form in _FORMATS)), None)
    if match is None:
        return None
    month = _MONTHS.index(match["month"]) + 1
    day, hour, minute, second = (int(match[name]) for name in ("day", "hour", "minute", "second"))
    if second == 60 and (hour, minute) != (23, 59):
        return None
    year = int(match["year"])
    time = hour * 3600 + minute * 60 + second
    if len(match["year"]) == 2:
        year = _with_century(year, (month, day, time), now)
    days = day_number(year, month, day)
    return days * DAY + time if date_of(days) == (year, month, day) else None  # 30 February would be another day


def _with_century(year: int, rest: tuple[int, int, int], now: float) -> int:
    """The latest year that ends in these two digits and does not put the date more than 50 years from `now`; `rest`:
    month, day and second of it."""
    days, time = divmod(int(now), DAY)
    this_year, month, day = date_of(days)
    latest = this_year + 50 - (rest > (month, day, time))
    return latest - (latest - year) % 100


def day_number(year: int, month: int, day: int) -> int:
    """Days from the epoch to a date, which may be negative."""
    year -= month <= 2  # it began in March, and so did its months
    month = (month - 3) % 12
    return year * 365 + year // 4 - year // 100 + year // 400 + (month * 153 + 2) // 5 + day - 719_469


def date_of(days: int) -> tuple[int, int, int]:
    """Year, month and day, so many `days` after the epoch."""
    era, day = divmod(days + 719_468, 146_097)  # of 400 years, the first from 1 March 0000 on
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= year * 365 + year // 4 - year // 100
    month = (day * 5 + 2) // 153
    day -= (month * 153 + 2) // 5 - 1
    return era * 400 + year + (month > 9), (month + 2) % 12 + 1, day
