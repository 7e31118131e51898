"""A memo remembers what a function said, and forgets in time."""

import pytest

from reactor.http1.memo import EAGER, ENTRIES, LONGEST, RARELY, Memo


def counted(memo_of: list[bytes]) -> Memo[bytes, int]:
    """A memo of `len` that writes down what it had to compute."""

    def compute(argument: bytes) -> int:
        memo_of.append(argument)
        return len(argument)

    return Memo(compute, is_kept=lambda question, answer: question[:6] != b"secret" and answer <= LONGEST)


def test_it_computes_once() -> None:
    computed: list[bytes] = []
    memo = counted(computed)
    assert [memo[b"abc"], memo[b"abc"], memo[b""]] == [3, 3, 0]
    assert computed == [b"abc", b""]


@pytest.mark.parametrize("argument", [b"x" * (LONGEST + 1), b"secret"])
def test_what_is_long_or_secret_is_not_kept(argument: bytes) -> None:
    computed: list[bytes] = []
    memo = counted(computed)
    assert memo[argument] == memo[argument] == len(argument)
    assert computed == [argument, argument]
    assert not memo


def test_a_failure_is_not_kept() -> None:
    memo: Memo[bytes, int] = Memo(int, is_kept=lambda question, answer: True)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            memo[b"x"]
    assert not memo


def test_it_never_has_more_than_its_entries() -> None:
    memo = counted([])
    for number in range(ENTRIES * RARELY):  # half full, it takes one in so many
        assert memo[b"%d" % number] == len(str(number))
        assert len(memo) <= ENTRIES
    assert memo[b"longest".ljust(LONGEST)] == LONGEST


@pytest.mark.parametrize("is_first", [False, True])
def test_half_full_it_remembers_what_is_asked_often_and_little_of_the_rest(is_first: bool) -> None:
    memo = counted([])
    for number in range(EAGER):
        memo[b"%d" % number] = 0
    for number in range(RARELY):
        for question in sorted([b"often", b"once %d" % number], reverse=is_first):
            assert memo[question] == len(question)
    assert b"often" in memo
    assert len(memo) <= EAGER + 2
