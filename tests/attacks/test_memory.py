"""What hostile clients can make the server hold in memory, measured: the bounds are those that the settings promise."""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from loadtest.attacks.target import LATER
from reactor import Response, Server

from ..simulated import get
from ..wire import connect
from .siege import MIB, SHORT, Siege, under_siege

pytestmark = pytest.mark.attack

KIB = 1024
LONGEST = 40.0
OTHERS = 1 * MIB  # for everything that is not the connections': the interpreter, the ordinary clients


def per_connection(siege: Siege, count: int) -> float:
    """KiB of memory for each of the attackers' connections, at the most."""
    return max(siege.growth() - OTHERS, 0) / count / KIB


def test_a_partial_head_costs_no_more_than_the_head(tmp_path: Path) -> None:
    """limit-head-size, and an eighth for the buffer's growth."""
    with under_siege(tmp_path, *SHORT, growth=24) as siege:
        tally = siege.attack("held-heads", 400, LONGEST, comes_again=False)
        assert tally["408"] == 400, tally
        assert per_connection(siege, 400) < 32 * 9 / 8 + 4


def test_a_partial_body_costs_no_more_than_the_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """limit-body-size, and an eighth for the buffer's growth; and it is given back.

    malloc is told to return what is freed: by itself it keeps some MiB, the more the longer the attack takes.
    """
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", str(64 * KIB))
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", str(64 * KIB))
    with under_siege(tmp_path, *SHORT, "--limit-body-size", "1m", growth=64) as siege:
        tally = siege.attack("held-pieces", 40, LONGEST, comes_again=False)
        assert tally["408"] == 40, tally
        assert per_connection(siege, 40) < KIB * 9 / 8 + 64
        assert siege.growth_now() < 4 * MIB


def test_a_body_above_the_limit_costs_nothing(tmp_path: Path) -> None:
    with under_siege(tmp_path, *SHORT, "--limit-body-size", "1m", growth=4) as siege:
        tally = siege.attack("held-uploads", 20, LONGEST, comes_again=False)
        assert tally["413"] + tally["reset"] >= 20, tally


def test_what_comes_ahead_of_its_turn_is_bounded(tmp_path: Path) -> None:
    """While a request is worked on, no more is read than the high-water mark and one read beyond it."""
    with under_siege(tmp_path, *SHORT, growth=24) as siege:
        tally = siege.attack("ahead", 100, LATER / 2)
        assert tally["there"] == 100, tally
        assert per_connection(siege, 100) < (64 + 64) * 9 / 8 + 16


def test_answers_that_nobody_reads_are_bounded(tmp_path: Path) -> None:
    """Of 5,000 requests sent at once so many are answered that the kernel is full, and one read of them is kept."""
    with under_siege(tmp_path, *SHORT, growth=24) as siege:
        tally = siege.attack("pipelines", 100, LONGEST, comes_again=False)
        assert tally["reset"] == 100, tally
        assert per_connection(siege, 100) < (64 + 64) * 9 / 8 + 16


def test_the_kernel_takes_no_large_answer_for_a_client_that_reads_nothing() -> None:
    """Else it takes what its buffers grow to, megabytes for each, copied within one turn."""
    with Server(lambda request: Response(200, bytes(4 * MIB)), "127.0.0.1:0") as server:
        port = server.endpoints[0].sock.getsockname()[1]
        with closing(connect(port, receive_buffer=1)) as sock:
            sock.sendall(get("/"))
            sock.recv(1)
            time.sleep(0.5)
            connections: list[Any] = list(server.service.connections)
            assert connections[0]._outbox.sent < MIB // 2
