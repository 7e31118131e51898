"""Beside and without: what an attack costs the ordinary clients, measured in rounds; and how it is told.

Law: each round has a calm half and an attacked one, the order turned round each time, so that whatever else the
machine does hits both. What counts is the ratio within a round, and of those the median.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from loadtest.attacks.bystander import Report, accompany
from loadtest.scale import cpu_seconds, descriptors
from loadtest.servers import get, running

TARGET = "loadtest/attacks/target.py"
ORDINARY = "127.0.0.2"  # where the ordinary client comes from: limits on the attackers' address are not its own
SILENT = ("--no-access-log", "--log-level", "critical")  # a line per attacker would be a measurement of the terminal
RECOVERY = 45.0  # seconds at most between two halves, until the attackers' connections are gone
MIB = 1024 * 1024


@dataclass
class Half:
    """Half of a round: what the ordinary client got, and the server's share of a core."""

    report: Report
    cpu: float


@dataclass
class Found:
    """What was found of one attack.

    `p50`, `p99`: milliseconds, (without, with) it; `worse`: the ratio of the p99s, the median over rounds; `longest`:
    milliseconds, of all requests beside the attack; `cpu`: the server's share of a core meanwhile; `memory`: its
    bytes, at the most; `reasons`: why requests failed.
    """

    name: str
    what: str
    requests: int
    success: float
    p50: tuple[float, float]
    p99: tuple[float, float]
    worse: float
    longest: float
    cpu: float
    memory: int
    reasons: list[str]


def pin() -> tuple[set[int], set[int], set[int]]:
    """The cores of the server, of the ordinary client, and of the attackers, apart as far as there are enough."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        return {cores[0]}, {cores[0]}, {cores[0]}
    return {cores[0]}, {cores[1]}, {cores[min(2, len(cores) - 1)]}


@contextlib.contextmanager
def serving(*flags: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The target on a core of its own, as (process, port)."""
    server_core, client_core, _ = pin()
    os.sched_setaffinity(0, server_core)  # inherited by the server
    with contextlib.ExitStack() as stack:
        try:
            found = stack.enter_context(running("reactor", TARGET, *SILENT, *flags))
        finally:
            os.sched_setaffinity(0, client_core)
        for _ in range(100):
            get(found[1], "/test")
        yield found


def on_their_core() -> list[str]:
    """What to put in front of the attackers' command. They yield to the ordinary client, whose core they may share:
    what is to be measured is how long it waits for the server. (Niceness is not enough: a nice process may still
    finish its slice of 3 ms before the client is let in, and that would be the p99.)"""
    core = next(iter(pin()[2]))
    return ["taskset", "--cpu-list", str(core), "chrt", "--idle", "0"]


def measure(
    name: str, what: str, strike: Callable[[int, float], Callable[[], bool]], flags: tuple[str, ...], rounds: int,
    seconds: float,
) -> Found:  # fmt: skip
    """`strike(port, seconds)` begins the attack and returns what tells whether it is over."""
    halves: list[tuple[Half, Half]] = []
    with serving(*flags) as (server, port):
        base = descriptors(server.pid)

        def half(is_attacked: bool) -> Half:
            return _half(server.pid, port, strike(port, seconds) if is_attacked else _after(seconds), base)

        for number in range(rounds):
            say(f"{name}: round {number + 1} of {rounds}")
            if number % 2 == 0:
                calm, hit = half(False), half(True)
            else:
                hit, calm = half(True), half(False)
            halves.append((calm, hit))
        memory = peak(server.pid)
    say("")
    return _conclude(name, what, halves, memory)


def _half(pid: int, port: int, is_over: Callable[[], bool], base: int) -> Half:
    began, used = time.monotonic(), cpu_seconds(pid)
    report = accompany(port, is_over, address=ORDINARY)
    share = (cpu_seconds(pid) - used) / (time.monotonic() - began)
    until = time.monotonic() + RECOVERY
    while descriptors(pid) > base and time.monotonic() < until:
        time.sleep(0.05)
    return Half(report, share)


def _after(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() >= until


def _conclude(name: str, what: str, halves: list[tuple[Half, Half]], memory: int) -> Found:
    every = Report()
    for _, hit in halves:
        every.add(hit.report)

    def both(share: float) -> tuple[float, float]:
        pairs = [(calm.report.percentile(share), hit.report.percentile(share)) for calm, hit in halves]
        return statistics.median(calm for calm, _ in pairs), statistics.median(hit for _, hit in pairs)

    worse = statistics.median(hit.report.percentile(0.99) / calm.report.percentile(0.99) for calm, hit in halves)
    cpu = statistics.median(hit.cpu for _, hit in halves)
    return Found(
        name, what, every.requests, every.success, both(0.5), both(0.99), worse, every.percentile(1.0),
        cpu, memory, every.reasons(),
    )  # fmt: skip


def peak(pid: int) -> int:
    """Bytes of memory of a process, at the most."""
    fields = Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()
    return int(fields[0]) * 1024


# How it is told.

COLUMNS = [
    "attack", "requests", "answered", "p50 ms", "with it", "p99 ms", "with it", "ratio", "longest", "CPU", "memory",
]  # fmt: skip  # ratio: of the p99s


def cells(found: Found) -> list[str]:
    """One row; what failed is never rounded up to all."""
    answered = "100 %" if found.success == 1 else f"{min(found.success, 0.9999):.2%}"
    latencies = [f"{value:.2f}" for value in (*found.p50, *found.p99)]
    return [
        found.name, f"{found.requests:,}", answered, *latencies, times(found.worse), f"{found.longest:.0f}",
        f"{found.cpu:.0%}", f"{found.memory / MIB:.0f} MiB",
    ]  # fmt: skip


def times(ratio: float) -> str:
    """A ratio, with no more digits than it has meaning."""
    return f"{ratio:.1f}" if ratio < 100 else f"{ratio:,.0f}"


def table(results: list[Found]) -> str:
    """All rows in Markdown."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---|" + "--:|" * (len(COLUMNS) - 1)]
    lines += ["| " + " | ".join([f"{each.what} (`{each.name}`)", *cells(each)[1:]]) + " |" for each in results]
    return "\n".join(lines)


def show(found: Found, is_first: bool) -> None:
    """One row for a terminal, as soon as it is known: green where the p99 is at most twice what it was."""
    widths = [18, 10, 9, 8, 9, 8, 9, 8, 9, 6, 10]
    if is_first:
        print("".join(column.rjust(width) for column, width in zip(COLUMNS, widths, strict=True)))
    line = "".join(cell.rjust(width) for cell, width in zip(cells(found), widths, strict=True))
    colour = 31 if found.success < 1 else 32 if found.worse <= 2 else 33
    print(f"\x1b[{colour}m{line}\x1b[0m" if is_coloured(sys.stdout.isatty()) else line, flush=True)
    for reason in found.reasons[:2]:
        print(f"    failed: {reason[:200]}", flush=True)


def say(text: str) -> None:
    """Progress, on one line of a terminal, and nowhere else."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def is_coloured(is_terminal: bool) -> bool:
    return is_terminal and "NO_COLOR" not in os.environ
