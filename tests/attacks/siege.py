"""A server under attack, with ordinary clients beside the attackers; what is true of all attacks is asserted here."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from loadtest.attacks.attackers import Tally, besiege
from loadtest.attacks.bystander import KEPT, Bystanders, Report
from loadtest.attacks.kinds import ATTACKS
from loadtest.attacks.measure import peak
from loadtest.scale import cpu_seconds, descriptors, resident
from loadtest.servers import HOST, get

from ..program import ROOT, Program

TARGET = str(ROOT / "loadtest" / "attacks" / "target.py")
MIB = 1024 * 1024
GONE_WITHIN = 15.0  # seconds until all connections of an attack that is over must be closed: it takes two or three
QUIET_FOR = 0.3  # seconds in which a server that nobody speaks to is watched
QUIET = 0.25  # of a core; spinning takes a whole one

BYSTANDING = 2 * (KEPT + 1)  # connections of the ordinary clients, who are two
SHORT = ("--timeout-header", "1s", "--timeout-body", "1s", "--timeout-write", "1s", "--timeout-linger", "1s")


class Siege:
    """A server, and what it took at the beginning. Attributes: `program`, `port`, `pid`, `base` (descriptors)."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.port = urlsplit(program.url).port or 0
        self.pid = program.process.pid
        get(self.port, "/test")
        self.base = self._settled()
        self._memory = resident(self.pid)

    def attack(
        self, name: str, count: int, seconds: float, pause: float = 0.2, comes_again: bool | None = None
    ) -> Tally:
        """One of the attacks, with this many connections; returns how they ended."""
        tally = besiege(ATTACKS[name], self.port, count, seconds, pause, comes_again)
        assert tally["connected"] >= count, f"the attack itself came to nothing: {tally}"
        return tally

    def growth(self) -> int:
        """Bytes of memory at the most, beyond those of the beginning."""
        return peak(self.pid) - self._memory

    def growth_now(self) -> int:
        return resident(self.pid) - self._memory

    def descriptors(self) -> int:
        return descriptors(self.pid)

    def _settled(self) -> int:
        """Descriptors without any connection: the fewest that are seen while the last one is being closed."""
        seen = []
        for _ in range(5):
            seen.append(descriptors(self.pid))
            time.sleep(0.01)
        return min(seen)

    def assert_only_bystanders_are_left(self) -> None:
        """Who was thrown out is really gone, while they hold on to their end."""
        self._await_descriptors(self.base + BYSTANDING)

    def assert_gone(self) -> None:
        """All connections are closed, without a hand being lifted for it."""
        self._await_descriptors(self.base)

    def _await_descriptors(self, count: int) -> None:
        until = time.monotonic() + GONE_WITHIN
        while (left := descriptors(self.pid)) > count:
            assert time.monotonic() < until, f"{left} descriptors, {self.base} at the beginning"
            time.sleep(0.05)

    def assert_quiet(self) -> None:
        """It sleeps when nobody speaks to it."""
        began, used = time.monotonic(), cpu_seconds(self.pid)
        time.sleep(QUIET_FOR)
        share = (cpu_seconds(self.pid) - used) / (time.monotonic() - began)
        assert share < QUIET, f"{share:.0%} of a core, for nothing"


@contextmanager
def under_siege(
    tmp_path: Path, *flags: str, target: str = TARGET, address: str = HOST, excused: str = "", growth: float = 16.0
) -> Iterator[Siege]:
    """A server with ordinary clients: every one of their requests must be answered rightly, or `excused` (a regex).

    Afterwards all connections are closed, the server sleeps, its memory has not grown by more than `growth` (MiB),
    and it stops as it should.
    """
    # Not in development mode: its allocator fills memory that the real one would not.
    with Program(target, "--no-access-log", *flags, cwd=tmp_path, env={"PYTHONDEVMODE": ""}) as program:
        siege = Siege(program)
        with Bystanders(siege.port, address=address).present() as report:
            yield siege
        assert_served(report, excused)
        siege.assert_gone()
        siege.assert_quiet()
        grown = siege.growth()
        assert grown < growth * MIB, f"memory grew by {grown / MIB:.1f} MiB"
        assert program.stop() == 0
        assert "internal error" not in program.said()


def assert_served(report: Report, excused: str) -> None:
    """Everybody was answered, each request once."""
    inexcusable = [each for each in report.failures if not excused or not re.search(excused, each)]
    assert inexcusable == [], f"{len(inexcusable)} of {report.requests} requests"
    assert report.requests >= 2, "an attack beside which nobody asks proves nothing"
