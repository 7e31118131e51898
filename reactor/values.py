"""What people write, as values, and back: sizes, durations, numbers, switches.

Law: a text is taken whole or refused with a ValueError whose one line says what would be right; nothing is
guessed. `show_` of a value is a text that `parse_` takes back.
"""

import difflib
import re
from collections.abc import Callable, Iterable

_SIZE = re.compile(r"([0-9]{1,15})([kmg]?)", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|)", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,15}", re.ASCII)
_FACTORS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_SWITCH = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}


def parse_size(text: str) -> int:
    """Bytes, of "16m", "64k", "1g" (powers of 1024) or a plain number."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError(f"a size is written 64k, 16m, 1g or 512 (bytes), not {text!r}")
    return int(match[1]) * _FACTORS[match[2].lower()]


def show_size(value: int) -> str:
    for suffix in "gmk":
        if value and value % _FACTORS[suffix] == 0:
            return f"{value // _FACTORS[suffix]}{suffix}"
    return str(value)


def parse_duration(text: str) -> float:
    """Seconds, of "30s", "500ms", "5m", "1h" or a plain number."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"a duration is written 30s, 500ms, 5m, 1h or 2.5 (seconds), not {text!r}")
    return round(float(match[1]) * _SECONDS[match[2]], 9)


def show_duration(value: float) -> str:
    if value >= 120 and value % 60 == 0:
        return f"{value / 60:g}m"
    return f"{value * 1000:g}ms" if 0 < value < 1 else f"{value:.15g}s"


def parse_number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"a whole number is wanted, not {text!r}")
    return int(text)


def parse_switch(text: str) -> bool:
    """A bool, of yes/no, true/false, on/off, 1/0."""
    try:
        return _SWITCH[text.lower()]
    except KeyError:
        raise ValueError(f"yes or no is wanted, not {text!r}") from None


def show_switch(value: bool) -> str:
    return "yes" if value else "no"


def one_of(choices: Iterable[str]) -> Callable[[str], str]:
    """A parse function for one of a few words."""
    words = tuple(choices)

    def parse(text: str) -> str:
        if text not in words:
            right = " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
            raise ValueError(f"{right} is wanted, not {text!r}{did_you_mean(text, words)}")
        return text

    return parse


def did_you_mean(text: str, right: Iterable[str]) -> str:
    """ "; did you mean x?" for the word nearest to `text`; "" if none is near."""
    near = difflib.get_close_matches(text, list(right), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def advise(text: str, right: Iterable[str], lead: str) -> str:
    """The same, and then `lead` ("there are") and all that is right."""
    words = list(right)
    near = did_you_mean(text, words)
    return f"{near} {lead[:1].upper()}{lead[1:]} {', '.join(words)}" if near else f"; {lead} {', '.join(words)}"
