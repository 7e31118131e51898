"""One visit: wrk loads one server for some seconds, and what it and the kernel say of it is put together."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtest.arena.workloads import Cannot, Workload, Wrong
from loadtest.scale import cpu_seconds, resident

GRACE = 15  # seconds beyond its time that wrk may take to end
MICROSECONDS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7, "h": 3.6e9}
BYTES = {"B": 1.0, "KB": 1024.0, "MB": 1024.0**2, "GB": 1024.0**3, "TB": 1024.0**4}


class Failed(Exception):
    """A visit that has no result; the text says why, a word for a narrow column first."""


@dataclass
class Visit:
    """What one visit found.

    `rate`: answers a second; `cpu`: microseconds of the server's CPU time an answer, all its processes together;
    `p50`, `p99`: microseconds, 0 where wrk has none; `memory`: bytes of all its processes at the end; `errors`: answers
    that are not 2xx or 3xx, and connections that failed or waited for more than two seconds; `what`: these in words.
    """

    rate: float
    cpu: float
    p50: float
    p99: float
    memory: int
    errors: int
    what: str


def visit(workload: Workload, pid: int, port: int, seconds: int) -> Visit:
    """Load a server; Failed where nothing was answered, or wrk does not end."""
    try:
        command = workload.command(port, seconds)
    except (Cannot, Wrong) as error:
        raise Failed(f"wrong: {error}") from None
    before = used(pid)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE)
    except subprocess.TimeoutExpired:
        raise Failed(f"endless: wrk did not end within {seconds + GRACE} s") from None
    if done.returncode:
        raise Failed(f"failed: wrk left with {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return read(done.stdout, workload.size, spent(before, used(pid)), memory(pid))


def read(report: str, size: int, cpu: float, memory: int) -> Visit:
    """A report of wrk, as a Visit; `size`: of answers so large that bytes are counted instead of them, or 0."""
    count, duration, amount, unit = find(r"(\d+) requests in ([\d.]+)s, ([\d.]+)([KMGT]?B) read", report).groups()
    answers = float(amount) * BYTES[unit] / size if size else float(count)
    errors, what = errors_in(report)
    if not answers:
        raise Failed(f"silent: nothing was answered{', ' * bool(what)}{what}")
    rate = answers / float(duration) if size else float(find(r"Requests/sec: +([\d.]+)", report)[1])
    return Visit(rate, cpu / answers * 1e6, percentile(50, report), percentile(99, report), memory, errors, what)


def find(pattern: str, report: str) -> re.Match[str]:
    """A line wrk always prints; a report without it is no result."""
    found = re.search(pattern, report)
    if found is None:
        raise Failed(f"failed: wrk's report has no {pattern!r}: {report!r}")
    return found


def percentile(share: int, report: str) -> float:
    """A line of wrk's latency distribution, in microseconds; where nothing was completed, it prints none or `-nan`."""
    found = re.search(rf" {share}% +([\d.]+)(us|ms|s|m|h)\b", report)
    return float(found[1]) * MICROSECONDS[found[2]] if found else 0.0


def errors_in(report: str) -> tuple[int, str]:
    """How many, and which; wrk prints the lines only where there are some."""
    counts = {}
    if sockets := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", report):
        counts = dict(zip(("connect", "read", "write", "timeout"), map(int, sockets.groups()), strict=True))
    if refused := re.search(r"Non-2xx or 3xx responses: (\d+)", report):
        counts["status"] = int(refused[1])
    return sum(counts.values()), ", ".join(f"{name} {count}" for name, count in counts.items() if count)


# --- what a server takes: a process, and all that come from it


def tree(pid: int) -> list[int]:
    found = [pid]
    for each in found:  # it grows meanwhile
        try:
            for thread in Path(f"/proc/{each}/task").iterdir():
                found += map(int, Path(thread, "children").read_text().split())
        except OSError:
            pass  # it has left
    return found


def used(pid: int) -> dict[int, float]:
    """Seconds of CPU time of each process of a tree."""
    return look(cpu_seconds, pid)


def spent(before: dict[int, float], after: dict[int, float]) -> float:
    """Seconds between two looks; a process that came between them counts from its start."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def memory(pid: int) -> int:
    """Bytes of a tree; what its processes share is counted in each."""
    return int(sum(look(resident, pid).values()))


def look(measure: Callable[[int], float], pid: int) -> dict[int, float]:
    """What `measure` says of each process of a tree, but of those that leave meanwhile."""
    found = {}
    for each in tree(pid):
        try:
            found[each] = measure(each)
        except (OSError, IndexError):
            pass
    return found
