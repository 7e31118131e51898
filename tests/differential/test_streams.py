"""Nearly valid streams, to us and to the other parsers: what we take, they take with the same meaning and framing."""

import re
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reactor.http1 import terms
from reactor.http1.body import ChunkedBody
from reactor.http1.framing import CHUNKED
from reactor.http1.grammar import _TARGET, _TOKEN
from reactor.http1.memo import Memo
from reactor.http1.terms import Terms
from tests.http1.test_every_cut import PARTS

from . import __main__ as command
from .asking import ORACLES, ask_all
from .known import LLHTTP
from .mutating import Mutator, seeds
from .oracles import WAITING, Reading

SEED = 20260
RUNS = 5000

AFTER = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


def agree(data: bytes) -> None:
    """Nobody differs on `data` in a way not known, nor where another request comes behind it."""
    assert not ask_all(data).surprises
    assert not ask_all(data + AFTER).surprises


BODIES = ["hello", "5\r\nhello\r\n", "0\r\n", "0\r\n\r\n", "a;b=c\r\n0123456789\r\n", "X: y\r\n", "\r\n"]
FIELDS = [
    *("Host: a", "Host:a:80", "Host: [::1]", "host:", "X: y", "X:", "x:\tz ", "Accept: a", "Cookie: b; c"),
    "Connection: close",
    *("Connection: Upgrade", "Upgrade: x", "Content-Length: 5", "Content-Length: 05", "Content-Length: 0"),
    "Content-Length: +5",
    *("Transfer-Encoding: chunked", "Transfer-Encoding: Chunked", "transfer-encoding: x", "Expect: 100-continue"),
    "X: \x80\xff",
    *("X : y", " X: y", "X: a\tb", "X: a\x0bb", "X: a\x1cb", "X: \x85", "X: \xa0y\xa0", "Keep-Alive: 5"),
    *("TE: trailers", "Trailer: x", "Connection: keep-alive", "Proxy-Connection: close"),
]


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "CONNECT", "get", "M-SEARCH", "!"]),
    target=st.sampled_from(["/", "/a?b", "*", "a:443", "http://b/c", "/#", '/"^`{|}', "//", "/%", "http://u@b/"]),
    version=st.sampled_from(["1.1", "1.1", "1.1", "1.0", "1.2", "2.0", "1.10"]),
    fields=st.lists(st.sampled_from(FIELDS), max_size=4),
    body=st.lists(st.sampled_from(BODIES), max_size=4),
    flaw=st.none() | st.tuples(st.integers(0, 200), st.binary(max_size=1), st.integers(0, 1)),
)
@example("POST", "/", "1.1", ["Host: a", "Transfer-Encoding: chunked"], ["5\r\nhello\r\n", "0\r\n\r\n"], None)
def test_nearly_valid_requests_mean_the_same(
    method: str, target: str, version: str, fields: list[str], body: list[str], flaw: tuple[int, bytes, int] | None
) -> None:
    lines = [f"{method} {target} HTTP/{version}", "Host: a", *fields, "", "".join(body)]
    data = "\r\n".join(lines).encode("latin-1")
    agree(data)
    if flaw is not None:
        at, instead, skip = flaw
        agree(data[:at] + instead + data[at + skip :])


@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=3), max_size=14))
def test_nearly_valid_streams_mean_the_same(parts: list[bytes]) -> None:
    agree(b"".join(parts))


def test_changed_cases_mean_the_same() -> None:
    mutator = Mutator(SEED, *seeds())
    taken = 0
    for number in range(RUNS):
        answers = ask_all(mutator.make(number))
        assert not answers.surprises, f"python3 -m tests --differential --seed {SEED} --first {number} --runs 1"
        taken += len(answers.ours.requests)
    assert taken > RUNS / 4, "what is made is nearly valid"


def skip_two(self: ChunkedBody, data: bytes | bytearray, at: int) -> int:
    """For what stands behind a chunk's data: taken for CRLF."""
    if len(data) < at + 2:
        return 0
    self._next = ChunkedBody._size_line
    return 2


def prefer_length(version: bytes, coding: bytes | None, length: bytes | None) -> int:
    """For where a body ends: Content-Length first, and in any digits."""
    if length is not None:
        return int(length) if length.strip().isdigit() else 0
    return CHUNKED if coding is not None else 0


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("reactor.http1.body.ChunkedBody._data_end", skip_two),
        ("reactor.http1.terms.body_length", prefer_length),
        ("reactor.http1.body.CHUNK_LINE", re.compile(rb"[+ ]?([0-9A-Fa-f]++)([^\n]*)\n")),
        ("reactor.http1.parser.REQUEST_LINE", re.compile(rb"(%b) +(%b) HTTP/1\.[0-9]\r\n" % (_TOKEN, _TARGET))),
    ],
    ids=["skips two bytes", "prefers the length", "lax size lines", "lax request lines"],
)
def test_a_fault_of_ours_would_be_found(monkeypatch: pytest.MonkeyPatch, place: str, fault: object) -> None:
    monkeypatch.setattr(place, fault)
    monkeypatch.setattr(terms, "_KNOWN", Memo(Terms, is_kept=lambda _said, _terms: False))
    mutator = Mutator(SEED, *seeds())
    assert any(ask_all(mutator.make(number)).surprises for number in range(RUNS))


def test_a_stream_is_made_of_its_seed_and_number_alone() -> None:
    good, bad = seeds()
    streams = [Mutator(1, good, bad).make(number) for number in range(20)]
    assert [Mutator(1, good, bad).make(number) for number in range(19, -1, -1)] == streams[::-1]
    assert Mutator(2, good, bad).make(0) != streams[0]


def test_the_command_compares_and_counts() -> None:
    words = [sys.executable, "-m", "tests.differential", "--runs", "50", "--seed", "3"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("seed 3; ")
    assert re.search(r"^50 streams, \d+ requests taken, 0 surprises, \d+ a second$", done.stdout, re.MULTILINE)


def test_the_command_shows_what_it_finds_and_stops(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(ORACLES, LLHTTP, lambda data: Reading([], None, WAITING))
    monkeypatch.setattr(sys, "argv", ["tests.differential", "--runs", "1000", "--seed", "3", "--first", "7"])
    assert command.main() == 1
    said = capsys.readouterr().out
    assert re.search(r"^seed 3, number \d+: llhttp: framing: ", said, re.MULTILINE)
    assert said.count("llhttp: framing: ") == command.ENOUGH
