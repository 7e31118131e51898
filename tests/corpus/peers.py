"""`python3 -m tests.corpus.peers`: every case of the corpus, over a socket, to Reactor and to the servers of its kind.

It installs the dependency group `peers` into `.venv-peers`, starts one server after the other on a free port of
127.0.0.1, sends it each case on a connection of its own, and prints how many it gets right. `peer_judge` has the
rules, the same for all; `peer_apps` the app, and how each server is started.

The columns: valid cases; invalid ones that the RFC demands to be refused; invalid ones that it lets a server take,
and that Reactor reads strictly (taking them is no fault); the sum; those of all these with a published CVE or GHSA
number. Then what is counted as wrong above, apart: silent (no answer, no close) and crashed (the server left or hung).

    python3 -m tests.corpus.peers --peer reactor waitress      only these
    python3 -m tests.corpus.peers --case invalid/chunk/        only cases with this in their name
    python3 -m tests.corpus.peers --show-wrong                 which cases, and what was wrong
    python3 -m tests.corpus.peers --markdown                   the table for the documentation
    python3 -m tests.corpus.peers --svg docs/corpus.svg        and the picture
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.__main__ import ROOT, installer, python_in, say, wanted

from . import Case, load
from .peer_apps import PEERS
from .peer_chart import chart
from .peer_judge import CRASHED, SILENT
from .peer_server import PeerServer, examine

VENV = ROOT / ".venv-peers"
STAMP = VENV / "installed.json"


class Score(NamedTuple):
    """What came out for a server. `wrong`: what was wrong, by case. `absent`: why it was not there, or ""."""

    name: str
    version: str
    wrong: dict[str, str]
    absent: str = ""


# --- installing


def install() -> dict[str, str]:
    """Bring `.venv-peers` to the group, one requirement after the other; why some failed, by distribution."""
    stamp = wanted(VENV)
    found = json.loads(STAMP.read_text()) if STAMP.exists() else {}
    done: list[str] = found.get("done", []) if found.get("stamp") == stamp else []
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    missing = [requirement for requirement in groups["peers"] if requirement not in done]
    reasons: dict[str, str] = {}
    if not missing:
        return reasons
    pip = installer(VENV)
    for requirement in missing:
        say(f"installing {requirement} …")
        process = subprocess.run([*pip, requirement], cwd=ROOT, capture_output=True, text=True)
        if process.returncode:
            errors = re.findall(r"(?m)^.*error: .*$", process.stderr, re.IGNORECASE) or ["pip failed"]
            reasons[re.split(r"[\[<>=]", requirement)[0]] = "not installed: " + errors[0].strip()
        else:
            done.append(requirement)
    STAMP.write_text(json.dumps({"stamp": stamp, "done": done}))
    return reasons


# --- comparing


def compare(names: Sequence[str], cases: Sequence[Case]) -> list[Score]:
    """The scores, the best first, those that are absent at the end."""
    reasons = install() if any(PEERS[name].packages for name in names) else {}
    scores = []
    for name in names:
        begin = time.monotonic()
        score = _score(name, cases, reasons)
        result = score.absent or f"{len(cases) - len(score.wrong)} of {len(cases)} right"
        say(f"{name} {score.version}: {result}, {time.monotonic() - begin:.0f} s")
        scores.append(score)
    return sorted(scores, key=lambda score: (bool(score.absent), len(score.wrong)))


def _score(name: str, cases: Sequence[Case], reasons: dict[str, str]) -> Score:
    packages = PEERS[name].packages
    python = python_in(VENV) if packages else sys.executable
    asked = subprocess.run([python, "-m", "tests.corpus.peer_apps", name], cwd=ROOT, capture_output=True, text=True)
    if asked.returncode:
        lines = asked.stderr.strip().splitlines() or ["it does not say its version"]
        return Score(name, "", {}, next((reasons[each] for each in packages if each in reasons), lines[-1]))
    version = asked.stdout.strip()
    try:
        with PeerServer(name, python) as server:
            return Score(name, version, examine(server, cases))
    except RuntimeError as error:
        return Score(name, version, {}, f"does not start: {error}")


# --- what is printed


class Tally(NamedTuple):
    """How many cases a server gets right, of which kind."""

    valid: int
    must: int
    choice: int
    published: int
    silent: int = 0
    crashed: int = 0

    @property
    def sum(self) -> int:
        return self.valid + self.must + self.choice


def tally(cases: Sequence[Case], wrong: dict[str, str]) -> Tally:
    right = [case for case in cases if case.name not in wrong]
    invalid = [case for case in right if not case.is_valid]
    must = sum(case.must for case in invalid)
    published = sum(bool(case.ids) for case in right)
    said = list(wrong.values())
    valid = len(right) - len(invalid)
    return Tally(valid, must, len(invalid) - must, published, said.count(SILENT), said.count(CRASHED))


HEADINGS = ("server", "version", "valid", "must refuse", "may refuse", "sum", "CVE, GHSA", "silent", "crashed")


def table(scores: Sequence[Score], cases: Sequence[Case]) -> list[tuple[str, ...]]:
    """Rows of text; the first holds the headings, the second what there is to reach."""
    rows = [HEADINGS, _row("cases", "", tally(cases, {}))]
    for score in scores:
        if score.absent:
            rows.append((score.name, score.version or "–", *("–" for _ in HEADINGS[2:])))
        else:
            rows.append(_row(score.name, score.version, tally(cases, score.wrong)))
    return rows


def _row(name: str, version: str, count: Tally) -> tuple[str, ...]:
    numbers = (count.valid, count.must, count.choice, count.sum, count.published, count.silent, count.crashed)
    return (name, version, *map(str, numbers))


def as_text(rows: Sequence[Sequence[str]], has_colours: bool) -> str:
    """Columns under their headings; on a terminal headings and Reactor are bold."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for number, row in enumerate(rows):
        texts = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        numbers = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        line = "  ".join(texts + numbers).rstrip()
        lines.append(f"\x1b[1m{line}\x1b[0m" if has_colours and (number == 0 or row[0] == "reactor") else line)
    return "\n".join(lines)


def as_markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---|---|" + "--:|" * (len(rows[0]) - 2), *lines[1:]])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser("python3 -m tests.corpus.peers", description=__doc__, formatter_class=_Plain)
    parser.add_argument("--peer", nargs="+", choices=list(PEERS), metavar="NAME", help=", ".join(PEERS))
    parser.add_argument("--case", default="", metavar="TEXT", help="only cases with this in their name")
    parser.add_argument("--show-wrong", action="store_true", help="list the cases that each server gets wrong")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the picture there")
    asked = parser.parse_args(arguments)
    cases = [case for name, case in load().items() if asked.case in name]
    if not cases:
        parser.error(f"no case has {asked.case!r} in its name")
    scores = compare(asked.peer or list(PEERS), cases)
    rows = table(scores, cases)
    has_colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(as_markdown(rows) if asked.markdown else as_text(rows, has_colours))
    for score in scores:
        if score.absent:
            print(f"\n{score.name} is absent: {score.absent}")
        if asked.show_wrong and score.wrong:
            print(f"\n{score.name} {score.version}:")
            print("\n".join(f"  {name}: {what}" for name, what in score.wrong.items()))
    if asked.svg:
        bars = []
        for score in scores:
            if not score.absent:
                count = tally(cases, score.wrong)
                own_version = score.version.partition(" + ")[0]
                bars.append((score.name, own_version, (count.valid, count.must, count.choice)))
        asked.svg.write_text(chart(bars, len(cases)), "utf-8")
    return 0


class _Plain(argparse.RawDescriptionHelpFormatter):
    """The text above, as it is."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
