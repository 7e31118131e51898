"""Clients that are slow or silent: each is gone by its deadline, however it clings, and holds nobody up.

All of them besiege one server at once; every test then asks what became of one kind.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loadtest.attacks.attackers import Tally

from .siege import SHORT, under_siege

pytestmark = pytest.mark.attack

EACH = 40  # connections
LONGEST = 40.0  # seconds; they are gone after three: a second each for the timeout, the tick and the lingering

# What the attack is, and how the server ends it.
ENDS = {
    "slow-heads": {"408": EACH, "ended": EACH},
    "slow-bodies": {"408": EACH, "ended": EACH},
    "deaf-readers": {"reset": EACH},
    "slow-readers": {"reset": EACH},
    "silent": {"ended": EACH},
    "never-continue": {"100": EACH, "408": EACH, "ended": EACH},
    "held-pieces": {"408": EACH, "ended": EACH},
    "held-heads": {"408": EACH, "ended": EACH},
    "half-deaf": {"reset": EACH},
    "pipelines": {"reset": EACH},
}


@pytest.fixture(scope="module")
def tallies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Tally]]:
    """How each attack ended, all of them at once; nobody comes again, and nobody leaves before being thrown out."""
    folder = tmp_path_factory.mktemp("slow")
    with under_siege(folder, *SHORT, growth=EACH * 3) as siege, ThreadPoolExecutor(len(ENDS)) as pool:
        under_way = {name: pool.submit(siege.attack, name, EACH, LONGEST, comes_again=False) for name in ENDS}
        yield {name: each.result() for name, each in under_way.items()}


@pytest.mark.parametrize("name", ENDS)
def test_is_gone_by_its_deadline(name: str, tallies: dict[str, Tally]) -> None:
    assert tallies[name] == {"connected": EACH, **ENDS[name]}


def test_a_half_closed_connection_is_answered_and_closed_at_every_stage(tmp_path: Path) -> None:
    with under_siege(tmp_path, *SHORT) as siege:
        tally = siege.attack("half-open", 150, LONGEST, comes_again=False)
        siege.assert_only_bystanders_are_left()
        assert tally["there"] == 0, tally
        assert tally["200"] > 0, tally
