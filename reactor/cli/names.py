"""What a name that there is not was meant to be: `--keep-alive` is --timeout-keep-alive, `--reload` is nothing of ours.

Law: a wrong suggestion is worse than none. Names are compared word by word: whole names that look alike, as
--limit-request-fields and --limit-request-line do, may mean different things.
"""

from collections.abc import Iterable
from difflib import SequenceMatcher

NEAR = 0.75  # the part of two words' letters that they share, in order: "prot" is near to port, "reload" not to upload
SHORTEST = 3  # letters of an abbreviation

_NOT = (False, 0.0)


def meant(name: str, right: Iterable[str]) -> str:
    """The one of `right` that `name` was meant to be, or "" if none is, or several are.

    Its words may be misspelt, cut short, or in another order, the dashes left out; and where at least two words are
    right, others left out. Not the other way round: `--statsd-host` is no --host.
    """
    scores = {each: _score(_words(name), _words(each)) for each in right}
    best = max(scores.values(), default=_NOT)
    found = [each for each, score in scores.items() if score == best != _NOT]
    return found[0] if len(found) == 1 else ""


def _words(name: str) -> list[str]:
    return name.strip("-").lower().replace("_", "-").split("-")


def _score(given: list[str], right: list[str]) -> tuple[bool, float]:
    """Whether these are all the words, and how near they are; _NOT if one of them is near to none."""
    is_whole = len(given) == len(right)
    if len("".join(given)) < 2:  # of one letter, none is near to another
        return _NOT
    if "".join(given) == "".join(right):
        return True, 2.0
    if not is_whole and not 2 <= len(given) < len(right):
        return _NOT
    total, left = 0.0, list(right)
    for word in given:
        nearness, nearest = max((_nearness(word, each), each) for each in left)
        if not nearness:
            return _NOT
        total += nearness
        left.remove(nearest)
    return is_whole, total / len(given)


def _nearness(word: str, right: str) -> float:
    """Of two words: from 0.0, not near, to 1.0, the same. The first letter is rarely mistaken."""
    if word == right:
        return 1.0
    if word[:1] != right[:1] or (word.startswith(right) and len(word) > len(right) + 1):
        return 0.0
    if right.startswith(word) and len(word) >= SHORTEST:
        return NEAR
    nearness = SequenceMatcher(None, word, right, autojunk=False).ratio()
    return nearness if nearness >= NEAR else 0.0
