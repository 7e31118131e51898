"""Clients that ask for as much work as they can: the work is bounded, and everybody has their turn."""

from pathlib import Path

import pytest

from .siege import SHORT, under_siege

pytestmark = pytest.mark.attack

SECONDS = 0.5

# The attack, its connections, and what is answered; of the memory, how many MiB it may take.
HEAVY = [
    ("many-ranges", 20, "200", 4),
    ("many-fields", 20, "200", 4),
    ("large-fields", 20, "200", 4),
    ("too-much-head", 20, "431", 4),
    ("chunk-extensions", 20, "400", 4),
    ("read-pipelines", 4, "200", 2),
    ("old-keep-alive", 20, "200", 2),
    ("one-byte-segments", 20, "200", 2),
    ("endless", 4, "200", 2),
]


@pytest.mark.parametrize(("name", "count", "status", "growth"), HEAVY, ids=[name for name, *_ in HEAVY])
def test_everybody_has_their_turn(name: str, count: int, status: str, growth: int, tmp_path: Path) -> None:
    with under_siege(tmp_path, *SHORT, growth=growth) as siege:
        tally = siege.attack(name, count, SECONDS)
        assert tally[status] >= count, tally
        answers = {each for each in tally if each.isdigit()}
        assert answers == {status}, tally


def test_a_million_tiny_chunks_are_one_body(tmp_path: Path) -> None:
    """They are taken as they come, kept as a million bytes, and answered; the others are served meanwhile."""
    with under_siege(tmp_path, *SHORT, growth=6) as siege:
        tally = siege.attack("tiny-chunks", 1, 60.0, comes_again=False)
        assert tally == {"connected": 1, "200": 1, "done": 1}
