"""slowhttptest against Reactor: slow heads, bodies and reads, and ranges; with an ordinary client beside each of them.

    python3 -m loadtest.slow [MODE ...] [--connections 1000] [--seconds 25] [--rounds 3] [--markdown]

The target: every ordinary request answered, and a p99 of at most twice the undisturbed one (the median over rounds);
it exits with 1 where that is missed, and with 2 where slowhttptest is not installed. What slowhttptest itself says of
the service is printed, too.
"""

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtest.attacks.attackers import raise_limit
from loadtest.attacks.measure import Found, measure, on_their_core, show, table
from loadtest.servers import HOST

# What slowhttptest is told: the mode and how slow it is. -p: seconds until its own probe calls the service unavailable.
MODES = {
    "slow-headers": ["-H", "-i", "1", "-x", "24"],
    "slow-body": ["-B", "-i", "1", "-x", "10", "-s", "8192"],
    "slow-read": ["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32"],
    "range": ["-R", "-a", "5", "-b", "2000"],
}
WHAT = {
    "slow-headers": "a field a second, the head never ends",
    "slow-body": "a few bytes of a body a second",
    "slow-read": "4 MiB asked for, read at 32 bytes a second",
    "range": "2,000 ranges in each request",
}
RATE, PROBE = 200, 3  # connections a second; seconds
TWICE = 2.0
GRACE = 30  # seconds beyond its time that slowhttptest may take
MISSING = "slowhttptest is not installed: apt install slowhttptest (Debian, Ubuntu), brew install slowhttptest (macOS)"


@dataclass
class Strike:
    """What slowhttptest found: `available` (YES or NO: whether its probe was answered each second), `opened`
    (connections), `runs` (how often it was started: it ends where all its connections are closed), `said`."""

    available: str
    opened: int
    runs: int
    said: str


def strike(mode: str, port: int, connections: int, seconds: float, prefix: list[str] | None = None) -> Strike:
    """Run slowhttptest for some seconds, again and again where it ends earlier."""
    until = time.monotonic() + seconds
    found = Strike("YES", 0, 0, "")
    while (left := until - time.monotonic()) > 0.5:
        one = _run(mode, port, connections, max(int(left + 0.5), 1), prefix or [])
        found.available = one.available if found.available == "YES" else "NO"
        found.opened = found.opened + one.opened
        found.runs += 1
        found.said = one.said
    return found


def _run(mode: str, port: int, connections: int, seconds: int, prefix: list[str]) -> Strike:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *prefix, "slowhttptest", *MODES[mode], "-c", str(connections), "-r", str(RATE), "-l", str(seconds),
            "-p", str(PROBE), "-g", "-o", f"{folder}/found", "-u", f"http://{HOST}:{port}/big",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + GRACE, cwd=folder)
        said = done.stdout + done.stderr
        if done.returncode:
            raise RuntimeError(f"slowhttptest left with {done.returncode}: {said}")
        with Path(folder, "found.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
    # A row a second. Where it closes its connections within the first one, there is no row that counts them.
    opened = max((int(row["Connected"]) + int(row["Closed"]) for row in rows), default=0)
    is_available = bool(rows) and all(int(row["Service Available"]) > 0 for row in rows)
    return Strike("YES" if is_available else "NO", opened or connections, 1, said)


def in_background(mode: str, connections: int, found: list[Strike]) -> Callable[[int, float], Callable[[], bool]]:
    """What begins the attack and appends to `found` what came of it."""

    def begin(port: int, seconds: float) -> Callable[[], bool]:
        # A thread that only waits for a process: it takes nothing from the client that measures.
        thread = threading.Thread(
            target=lambda: found.append(strike(mode, port, connections, seconds, on_their_core())), daemon=True
        )
        thread.start()
        return lambda: not thread.is_alive()

    return begin


def main() -> int:
    """Measure the modes asked for, and print them."""
    parser = argparse.ArgumentParser(prog="python3 -m loadtest.slow", description=__doc__.partition("\n")[0])
    parser.add_argument("modes", nargs="*", metavar="MODE", help=f"of {', '.join(MODES)}; by default all")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=25, help="of each half of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--markdown", action="store_true", help="print a table in Markdown at the end")
    options = parser.parse_args()
    if unknown := [mode for mode in options.modes if mode not in MODES]:
        parser.error(f"no mode is called {', '.join(unknown)}")
    if shutil.which("slowhttptest") is None:
        print(MISSING, file=sys.stderr)
        return 2
    raise_limit()
    results: list[Found] = []
    for mode in options.modes or MODES:
        strikes: list[Strike] = []
        begin = in_background(mode, options.connections, strikes)
        found = measure(mode, WHAT[mode], begin, (), options.rounds, options.seconds)
        show(found, is_first=not results)
        said = ", ".join(f"{each.available} ({each.opened:,} connections)" for each in strikes)
        print(f"    slowhttptest says: service available {said}", flush=True)
        found.what += f"; slowhttptest's own probe: {' '.join(each.available for each in strikes)}"
        results.append(found)
    if options.markdown:
        print("\n" + table(results))
    print(f"load of the machine at the end: {os.getloadavg()[0]:.2f}", file=sys.stderr)
    return 0 if all(found.success == 1 and found.worse <= TWICE for found in results) else 1


if __name__ == "__main__":
    sys.exit(main())
