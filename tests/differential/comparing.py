"""Two readings of the same bytes, ours and another parser's: do they agree, and if not, in which way.

Law: they are compared as far as both go, request by request. Where we refuse, nothing that others make of the bytes
behind can hurt, for we have closed; where we accept, or wait, it can. The kinds of difference, the worst first:

    FRAMING   the same bytes make other bodies, or another number of requests: what smuggling is made of
    MEANING   the same requests, but a method, target, version, field or trailer is not the same
    CLOSING   one reads on where the other does not: the connection is over for it
    LAXER     it refuses what we take
    STRICTER  it takes what we refuse
"""

from itertools import zip_longest
from typing import NamedTuple

from .oracles import CLOSED, REFUSED, Reading, Said

FRAMING, MEANING, CLOSING, LAXER, STRICTER = "framing", "meaning", "closing", "laxer", "stricter"


class Difference(NamedTuple):
    """Attributes: `kind`; `ours` (the request that it is about, as we read it, or None where we have none);
    `detail` (for a person, and the other's complaint where it refuses)."""

    kind: str
    ours: Said | None
    detail: str


def compare(ours: Reading, theirs: Reading) -> Difference | None:
    """The first difference, or None."""
    for mine, other in zip_longest(ours.requests, theirs.requests):
        if other is None:
            return _they_end(ours, theirs, mine)
        if mine is None:
            return _we_end(ours, other)
        if difference := _differ(mine, other):
            return difference
    return _compare_ends(ours, theirs)


def _differ(mine: Said, other: Said) -> Difference | None:
    if mine == other:
        return None
    kind = MEANING if mine.body == other.body else FRAMING
    return Difference(kind, mine, f"{other} for {mine}")


def _they_end(ours: Reading, theirs: Reading, mine: Said) -> Difference:
    """They have no request where we have `mine`."""
    if theirs.end == REFUSED:
        return Difference(LAXER, mine, theirs.fault)
    if theirs.end == CLOSED:
        last = len(theirs.requests) - 1
        return Difference(CLOSING, mine if last < 0 else ours.requests[last], "it closes")
    return Difference(FRAMING, mine, f"it waits, for the rest of {theirs.begun}")


def _we_end(ours: Reading, other: Said) -> Difference:
    """We have no request where they have `other`."""
    if ours.end == REFUSED:
        return Difference(STRICTER, None, f"{ours.fault}; it takes {other}")
    if ours.end == CLOSED:
        return Difference(CLOSING, ours.requests[-1] if ours.requests else None, f"we close; it takes {other}")
    return Difference(FRAMING, ours.begun, f"we wait; it takes {other}")


def _compare_ends(ours: Reading, theirs: Reading) -> Difference | None:
    """As many whole requests for both, all of them the same."""
    if REFUSED in (ours.end, theirs.end):  # what one complains of, the other has not accepted yet
        return None
    if ours.end != theirs.end:
        return Difference(CLOSING, ours.requests[-1] if ours.requests else None, f"we: {ours.end}, it: {theirs.end}")
    if ours.begun is None or theirs.begun is None:
        is_same = ours.begun is theirs.begun
        return None if is_same else Difference(FRAMING, ours.begun, f"{theirs.begun} is under way, not {ours.begun}")
    return _differ(ours.begun, theirs.begun)


def compare_heads(ours: Reading, theirs: Reading, data: bytes) -> Difference | None:
    """The first difference between our first head in `data` and http.server's, or None; its body is all the rest."""
    mine = next(iter(ours.requests), ours.begun)
    other = theirs.begun
    if mine is None:
        return None if other is None or ours.end != REFUSED else Difference(STRICTER, None, ours.fault)
    if other is None:
        return Difference(LAXER, mine, theirs.fault)
    if not data.endswith(b"\r\n\r\n" + other.body):
        return Difference(FRAMING, mine, f"it has the head end before {other.body!r}")
    return _differ(mine._replace(body=b"", trailers=[]), other._replace(body=b""))
