"""Clients that break off, vanish, or speak something else: nothing of them is left, and no error of ours is logged."""

from pathlib import Path

import pytest

from .siege import SHORT, under_siege

pytestmark = pytest.mark.attack

SECONDS = 0.5


@pytest.mark.parametrize("name", ["vanish", "reset-midway"])
def test_who_vanishes_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    with under_siege(tmp_path, *SHORT, growth=4) as siege:
        tally = siege.attack(name, 50, SECONDS)
        assert tally["done"] >= 100, tally


def test_garbage_is_refused(tmp_path: Path) -> None:
    with under_siege(tmp_path, *SHORT, growth=4) as siege:
        tally = siege.attack("garbage", 50, SECONDS)
        assert tally["400"] >= 50, tally
        assert {each for each in tally if each.isdigit()} == {"400"}, tally


def test_a_tls_client_is_told_so_that_it_understands(tmp_path: Path) -> None:
    """A plain 400, at which a TLS client stops with "wrong version number" instead of waiting."""
    with under_siege(tmp_path, *SHORT, growth=4) as siege:
        tally = siege.attack("tls-hello", 50, SECONDS)
        assert tally["no TLS"] == tally["400"] >= 50, tally


def test_who_speaks_another_protocol_is_refused_or_waited_for_no_longer_than_for_a_head(tmp_path: Path) -> None:
    with under_siege(tmp_path, *SHORT, growth=4) as siege:
        tally = siege.attack("other-protocols", 100, 40.0, pause=30.0, comes_again=False)
        assert tally["there"] == tally["done"] == 0, tally
        assert {each for each in tally if each.isdigit()} <= {"400", "408", "505"}, tally
