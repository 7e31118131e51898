"""The table of what a request may cost, `tests/counts.toml`, and what is above it today."""

import json
import os
import subprocess
import sys
import tomllib
from typing import Any

from .served import ROOT

PATH = ROOT / "tests" / "counts.toml"
NAME = "tests/counts.toml"
TIMEOUT = 120.0  # seconds for one of the two measurements

# Everything else is the same in CPython 3.11, 3.12 and 3.13. An object has another size in one or the other, and up to
# 3.11 a comprehension is a function.
PEAK_SHARE = 0.02
COMPREHENSIONS = 2

UNITS = {
    "python_calls": "Python calls", "c_calls": "C calls", "peak_bytes": "bytes of memory at the most",
    "kept_blocks": "kept blocks of memory", "copied_bytes": "copied bytes",
}  # fmt: skip
HEADER = """\
# What a request costs, counted; tests/test_counts.py fails where it costs more. What is counted is said in
# tests/counts/__init__.py.
# Written by `python3 -m tests.counts --write`; a commit in which a count grows says why.
"""

ADVICE = "If that is meant, say why in the commit and run `python3 -m tests.counts --write`."

Counts = dict[str, dict[str, Any]]


def measured() -> Counts:
    """Today's counts of each scenario: in processes that nobody traces, and that count nothing else."""
    called, copied = _clean_run("tests.counts.called"), _clean_run("tests.counts.copied")
    return {name: called[name] | copied[name] for name in called}


def _clean_run(module: str) -> Counts:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-m", module], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT
    )
    if done.returncode:
        raise RuntimeError(f"{module} left with {done.returncode}: {done.stderr}")
    found: Counts = json.loads(done.stdout)
    return found


def version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def committed() -> tuple[str, Counts]:
    """The version of Python that the table was made with, and the table."""
    table = tomllib.loads(PATH.read_text())
    return table.pop("python"), table


def write(counts: Counts) -> None:
    """Make today's counts the table."""
    lines = [HEADER, f'python = "{version()}"']
    for name, each in counts.items():
        lines.append(f"\n[{name}]")
        for kind, count in each.items():
            lines.append(f"{kind} = {_inline(count)}")
    PATH.write_text("\n".join(lines) + "\n")


def _inline(count: Any) -> str:
    if isinstance(count, dict):
        return "{ " + ", ".join(f"{name} = {number}" for name, number in count.items()) + " }"
    return str(count)


def flat(counts: dict[str, Any]) -> dict[str, int]:
    """One scenario's counts by what they count, in words."""
    found = {UNITS[kind]: count for kind, count in counts.items() if kind in UNITS}
    return found | {f"system calls of {name}": count for name, count in counts.get("system_calls", {}).items()}


def excesses(today: Counts, allowed: Counts, made_with: str) -> list[str]:
    """What is above the table, a line for each; `made_with`: the version of Python that the table is of."""
    found = []
    for scenario, counts in today.items():
        limits = flat(allowed.get(scenario, {}))
        for unit, count in flat(counts).items():
            limit = limits.get(unit, 0)
            if count > limit + _tolerance(unit, limit, made_with):
                found.append(f"{scenario}: {count:,} {unit} a request; {limit:,} in {NAME}")
    return found


def _tolerance(unit: str, limit: int, made_with: str) -> float:
    if unit == UNITS["peak_bytes"]:
        return limit * PEAK_SHARE
    return COMPREHENSIONS if unit == UNITS["python_calls"] and made_with != version() else 0
