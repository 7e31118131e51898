"""The measurement of what a view that sleeps costs the others runs, with nothing installed."""

import re
import subprocess
import sys

from .program import DEADLINE, ROOT


def test_it_measures_with_threads_and_without() -> None:
    """`-S`: no site-packages, for a fresh checkout has none."""
    command = [sys.executable, "-S", "-m", "loadtest.slow_view", "--seconds", "0.5"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=True)
    threads, loop = re.findall(r"^--threads ([40]): (\d+) requests, p50 [\d.]+ ms, p99 ([\d.]+) ms", done.stdout, re.M)
    assert (threads[0], loop[0]) == ("4", "0")
    assert int(threads[1]) > 40
