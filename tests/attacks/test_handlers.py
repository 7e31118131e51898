"""Handlers that misbehave, and clients that know it: the log names them, clients can tell, the others are served."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from loadtest.attacks.target import HANG
from loadtest.servers import ROOT, free_port, get, wait_for

from .siege import SHORT, TARGET, under_siege

pytestmark = pytest.mark.attack

SECONDS = 0.5


def test_a_handler_that_raises_is_a_500_each_time(tmp_path: Path) -> None:
    with under_siege(tmp_path, *SHORT, growth=4) as siege:
        tally = siege.attack("raising", 5, 0.5)
        assert tally["500"] >= 5, tally
        assert tally["ended"] == tally["reset"] == 0, "it costs nobody the connection"
        said = siege.program.await_said("RuntimeError: as asked")
        assert "raised at GET /raise" in said


def test_a_log_that_nobody_reads_stops_nobody() -> None:
    """A pipe holds 64 KiB, and a traceback has more than one."""
    port = free_port()
    command = [sys.executable, "-m", "reactor", TARGET, "--port", str(port), "--no-access-log"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(server, port)
            for _ in range(300):
                assert get(port, "/raise")[0] == 500
            assert get(port, "/test")[0] == 200
            server.terminate()
            assert server.wait(10) == 0
        finally:
            server.kill()


def test_an_answer_that_lies_about_its_length_breaks_off_visibly(tmp_path: Path) -> None:
    with under_siege(tmp_path, *SHORT, growth=4) as siege:
        tally = siege.attack("lying", 20, SECONDS)
        assert tally["reset"] >= 20, tally
        assert tally["ended"] == 0, "an end that looks like one"
        for fault in ("ended 16384 bytes early", "16384 bytes too many", "its iterator raised"):
            siege.program.await_said(fault)


def test_a_handler_that_holds_the_loop_is_named_and_the_others_are_served_when_it_is_over(tmp_path: Path) -> None:
    """One thread cannot do more: nobody is served meanwhile, and nobody is lost."""
    with under_siege(tmp_path, *SHORT, growth=4) as siege:
        tally = siege.attack("hanging", 1, 1.5, pause=0.1)
        assert tally["200"] >= 1, tally
        said = siege.program.await_said("held the loop")
    found = re.search(r"held the loop for (\d+) ms at GET /hang", said)
    assert found is not None, said
    assert int(found[1]) >= HANG * 1000


def test_beside_an_offloaded_handler_the_others_are_served_all_the_time(tmp_path: Path) -> None:
    """Its threads are all busy, and more wait than may: they get a 503 at once, and the loop is never held."""
    with under_siege(tmp_path, *SHORT, growth=4) as siege:
        tally = siege.attack("offloaded", 20, 1.5)
        assert tally["200"] >= 2, tally
        assert tally["503"] >= 2, tally
        assert {each for each in tally if each.isdigit()} == {"200", "503"}, tally
        assert "held the loop" not in siege.program.said()


def test_an_ordinary_request_does_not_wait_for_an_offloaded_one(tmp_path: Path) -> None:
    """Not by the clock but by the order: of two requests the later one is answered first."""
    with under_siege(tmp_path, *SHORT) as siege:
        order: list[str] = []

        def ask(path: str) -> None:
            get(siege.port, path)
            order.append(path)

        for _ in range(3):
            slow = threading.Thread(target=ask, args=("/offload",))
            slow.start()
            time.sleep(HANG / 10)  # long enough to be asked, most of the time; where it is not, the order is the same
            ask("/test")
            slow.join()
        assert order == ["/test", "/offload"] * 3
