"""The targets of fuzzing, by chance and from what was found once; and the command, where atheris is and is not."""

import importlib.util
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.http1.body import ChunkedBody
from reactor.http1.parser import HeadParser
from tests.http1.test_every_cut import PARTS
from tests.simulated import Spin, World

from . import __main__ as command
from . import seeds
from .targets import TARGETS, Broken, chunked, connection, cut, head, response

# Inputs that were of interest once: each found something, in the server or in what is stated of it.
ONCE: list[tuple[str, bytes]] = [
    ("head", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x07b\r\n\r\n"),  # the reason for a 400 depends on how it is cut
    ("chunked", b"-0\r\n\r\n"),  # so it does here
    # A body that is refused further on: whether its sink has seen the beginning, and waits, is a matter of cuts.
    ("connection", b"POST /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwait\r\n4\r\nmore!\r\n"),
]

tokens = st.sampled_from([
    *PARTS, *b"/later /sink /early /toy /iterator /promises /echo /raise wait stop".split(), b"POST ", b"CONNECT a:1 ",
    b"Upgrade: toy\r\nConnection: Upgrade\r\n", b"Content-Length: 9999\r\n",
])  # fmt: skip
streams = st.lists(tokens | st.binary(max_size=4), max_size=16).map(b"".join)
requests = st.sampled_from(seeds.VISITS)
steps = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 31)), min_size=1, max_size=12)
scripts = steps.map(lambda played: seeds.script(*played))


@given(streams)
@settings(max_examples=1000)
def test_any_head_is_read_waited_for_or_refused(data: bytes) -> None:
    head(data)


@given(streams)
@settings(max_examples=1000)
def test_any_chunked_body_is_read_waited_for_or_refused(data: bytes) -> None:
    chunked(data)


@given(st.lists(st.sampled_from(seeds.of("response")) | streams, max_size=3).map(b"".join))
@settings(max_examples=1000)
def test_any_response_is_heard_waited_for_or_refused(data: bytes) -> None:
    response(data)


@given(st.lists(requests | streams, max_size=3).map(b"".join), st.just(b"") | scripts)
@settings(max_examples=1000, deadline=None)
def test_any_connection_answers_waits_or_ends(stream: bytes, script: bytes) -> None:
    connection(stream + script)


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_holds(target: str) -> None:
    given = seeds.of(target)
    assert len(given) > 100
    for data in given:
        TARGETS[target](data)


def test_every_visit_with_scripts_by_chance_holds() -> None:
    chance = random.Random(20260)
    for visit in seeds.VISITS * 40:
        connection(visit + b"\xff" + chance.randbytes(chance.randrange(24)).replace(b"\xff", b""))


@pytest.mark.parametrize(("target", "data"), ONCE)
def test_what_was_found_once_holds(target: str, data: bytes) -> None:
    TARGETS[target](data)


@pytest.mark.parametrize("seed", [0, 1, 31, 32, 12345678, 2**32 - 1])
@pytest.mark.parametrize("data", [b"", b"a", b"some bytes that are cut"])
def test_pieces_are_the_whole(data: bytes, seed: int) -> None:
    pieces = list(cut(data, seed))
    assert b"".join(pieces) == data
    assert all(pieces)


# What they would find: each law, broken.


def test_another_exception_than_a_refusal_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(*_: object) -> None:
        raise IndexError

    monkeypatch.setattr(HeadParser, "take", take)
    with pytest.raises(IndexError):
        head(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(IndexError):
        connection(b"GET / HTTP/1.1\r\n\r\n")


def test_a_head_that_depends_on_cuts_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fuzzing.targets.cut", lambda data, seed: iter([data[:-1]]))
    with pytest.raises(Broken, match="whole"):
        head(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    with pytest.raises(Broken, match="whole"):
        chunked(b"0\r\n\r\n")
    with pytest.raises(Broken, match="whole"):
        response(b"HTTP/1.1 204 No Content\r\n\r\n")
    with pytest.raises(Broken, match="whole"):
        connection(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


def test_a_body_that_takes_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChunkedBody, "feed", lambda self, data, start: len(data) + 1)
    with pytest.raises(Broken, match="taken of"):
        chunked(b"0\r\n\r\n")


def test_what_the_log_says_of_us_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def finish(self: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr("reactor.exchange.Collector.finish", finish)
    with pytest.raises(Broken, match="a bug"):
        connection(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")


def test_what_is_left_of_a_connection_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.service.Service.forget", lambda self, connection: None)
    with pytest.raises(AssertionError):
        connection(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


def test_a_state_that_does_not_follow_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(World, "take", lambda self, room: setattr(self.connection, "is_closing", True))
    with pytest.raises(Broken, match="IDLE, and should be LINGER"):
        connection(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + seeds.script((seeds.ARRIVE_MORE, 31), (seeds.TAKE, 1)))


def test_a_connection_that_spins_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.connection.Connection._receive", lambda self: False)
    with pytest.raises(Spin):
        connection(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


# The command.


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["tests.fuzzing", *words])
    return command.main()


def test_a_file_is_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "found"
    file.write_bytes(ONCE[0][1])
    assert call(monkeypatch, "head", "--replay", str(file)) == 0
    assert capsys.readouterr().out == f"{file}: head holds\n"
    with pytest.raises(SystemExit):
        call(monkeypatch, "all", "--replay", str(file))


def test_without_atheris_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert call(monkeypatch, "head") == 2
    assert "pip install --group fuzz" in capsys.readouterr().out


needs_atheris = pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="needs atheris")


@needs_atheris
def test_it_counts_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "chunked", "--runs", "2000", "--corpus", str(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "chunked: 2,000 executions; coverage" in said
    assert said.endswith("all held\n")
    assert list((tmp_path / "chunked").iterdir())


@needs_atheris
def test_what_breaks_is_shown_and_how_to_play_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(seeds, "of", lambda target: [b"x"])
    fuzzer = command.Fuzzer("nothing", 1, 0, tmp_path)  # no such target
    found = tmp_path / "broken" / "nothing-crash-0"
    found.write_bytes(b"x")
    assert not command.watch([fuzzer])
    said = capsys.readouterr().out
    assert "KeyError: 'nothing'" in said
    assert f"python3 -m tests.fuzzing nothing --replay {found}\n" in said
    assert said.endswith("BROKEN\n")
