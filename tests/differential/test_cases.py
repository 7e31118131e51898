"""Every case of the corpus and every sample, to us and to the other parsers."""

from fnmatch import fnmatchcase

import pytest

from reactor.settings import Settings
from tests import corpus
from tests.http1.samples import BAD, BODY_LIMIT, GOOD, LIMITS

from .asking import Answers, ask_all
from .known import H11, LLHTTP
from .oracles import REFUSED
from .stricter import LIST, STRICTER, list_again, listed, reasons

SMALL = Settings(
    limit_head_size=LIMITS.head,
    limit_request_line=LIMITS.request_line,
    limit_headers=LIMITS.fields,
    limit_body_size=BODY_LIMIT,
)
CASES = corpus.load()
LISTED = listed()
VALID = [*GOOD, *(name for name, case in CASES.items() if case.is_valid)]
INVALID = [*BAD, *(name for name, case in CASES.items() if not case.is_valid)]


def ask_about(name: str) -> Answers:
    if name in CASES:
        return ask_all(CASES[name].data)
    return ask_all(GOOD[name] if name in GOOD else BAD[name][0], SMALL)


@pytest.mark.parametrize("name", VALID)
def test_what_we_take_means_the_same_to_all_or_the_difference_is_known(name: str) -> None:
    answers = ask_about(name)
    assert answers.ours.requests
    assert answers.ours.end != REFUSED
    assert not answers.surprises


@pytest.mark.parametrize("name", INVALID)
def test_what_we_refuse_is_taken_by_nobody_or_there_is_a_reason(name: str) -> None:
    answers = ask_about(name)
    assert not answers.ours.requests
    assert not answers.surprises
    for oracle in (H11, LLHTTP):
        why = reasons(name, oracle) + ([CASES[name].why] if name in LISTED[oracle] else [])
        if oracle in answers.takers:
            assert len(why) == 1, f"{oracle} takes it, and no reason is given: see stricter.py"
            assert "RFC" in why[0]
        else:
            assert not why, f"{oracle} refuses it too, and needs no reason"


def test_every_reason_is_for_a_sample_that_there_is() -> None:
    for row in STRICTER:
        for pattern in row.names(H11) + row.names(LLHTTP):
            assert any(fnmatchcase(name, pattern) for name in BAD), pattern


def test_every_case_that_is_listed_is_there() -> None:
    assert LISTED[H11] | LISTED[LLHTTP] <= CASES.keys(), "python3 -m tests --differential --list"


def test_the_list_can_be_written_again() -> None:
    assert list_again() == LIST.read_text("utf-8"), "python3 -m tests --differential --list"
