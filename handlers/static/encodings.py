"""Encodings: which of the compressed siblings of a file a client takes (RFC 9110 8.4 and 12.5.3).

Law: nothing is compressed here: "app.js" is sent as "app.js.br" where that lies beside it and the client takes it.
What can be had without a coding is never refused: a client that forbids even that gets the file as it is, which
12.5.3 leaves to us and helps more than a 406.
"""

import re
from collections.abc import Collection
from functools import lru_cache

# By content-coding (RFC 7932, 8878, 1952), the one that packs most tightly first.
SUFFIXES = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}

LONGEST = 256  # characters of a field: browsers send about 30, and 256 different ones are remembered

_ALIASES = {"x-gzip": "gzip"}  # RFC 9110 8.4.1.3

# codings [ OWS ";" OWS "q=" qvalue ]; the names and the "q" in any case             RFC 9110 12.5.3, 12.4.2
_CODING = r"([!#$%&'*+\-.^_`|~0-9A-Za-z]++)"
_WEIGHT = r"[ \t]*+;[ \t]*+[Qq]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)"
_MEMBER = re.compile(rf"[ \t]*+{_CODING}(?:{_WEIGHT})?[ \t]*+")


def choose(accepted: str | None, available: Collection[str]) -> str | None:
    """The coding of `available` (names of content-codings) that an Accept-Encoding asks for, or None for none at all.

    `accepted`: the field's value, None where there is none. The highest weight wins, where they are equal the first of
    `SUFFIXES`, and no coding wins only where it weighs more. What is malformed in a list is left out; a
    list longer than `LONGEST` is not read.
    """
    if not accepted or not available or len(accepted) > LONGEST:
        return None
    return next((coding for coding in _preferred(accepted) if coding in available), None)


def sibling(name: str, coding: str) -> str:
    """The name of a file's version in this coding of `SUFFIXES`."""
    return name + SUFFIXES[coding]


@lru_cache(maxsize=256)
def _preferred(accepted: str) -> tuple[str, ...]:
    """The codings that are at least as welcome as none, the most welcome first."""
    weights: dict[str, float] = {}
    for member in accepted.split(","):
        match = _MEMBER.fullmatch(member)
        if match is not None:
            name = match[1].lower()
            weights[_ALIASES.get(name, name)] = 1.0 if match[2] is None else float(match[2])
    others = weights.get("*", 0.0)  # "*" is every coding that is not named, and no coding, too, unless that is named
    least = weights.get("identity", others)
    offered = {coding: weights.get(coding, others) for coding in SUFFIXES}
    welcome = [coding for coding, weight in offered.items() if weight > 0 and weight >= least]
    return tuple(sorted(welcome, key=lambda coding: -offered[coding]))  # a stable sort: else as in SUFFIXES
