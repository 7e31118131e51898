"""Fuzzing guided by coverage: which bytes reach code that none before reached, and is there one that breaks a law?

    python3 -m tests.fuzzing all --runs 10000000       head, chunked and connection, each in a process of its own
    python3 -m tests.fuzzing head --seconds 60         one of them, for a minute
    python3 -m tests.fuzzing head --replay FILE        what was found, again; needs no atheris

It begins with the corpus and the samples; what it finds of interest it keeps in `--corpus DIR`, and goes on from there
the next time. It needs atheris (`pip install --group fuzz`), which has wheels for Linux and Python 3.11 to 3.13. The
exit code is 1 where something broke.
"""

import argparse
import hashlib
import importlib.util
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from pathlib import Path

from . import seeds

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# Of the runs of `all`: the last takes ten times as long.
SHARES = {"head": 0.35, "chunked": 0.4, "response": 0.2, "connection": 0.05}
LONGEST = {"head": 512, "chunked": 512, "response": 512, "connection": 1024}  # bytes of an input
HANGS = 10  # seconds that an input may take; those of the seeds take milliseconds
PROGRESS = 5.0  # seconds

_LINE = re.compile(r"#\d+\s+\w+\s+cov: (\d+) ft: (\d+) corp: (\d+)")
_FINAL = re.compile(r"stat::number_of_executed_units: (\d+)")


class Fuzzer:
    """A process that fuzzes one target. Attributes: `target`; `runs` (so far); `reached` (of the code, in words)."""

    def __init__(self, target: str, runs: int, seconds: int, folder: Path) -> None:
        self.target = target
        self.runs = 0
        self.reached = ""
        self.broken = folder / "broken"
        self.last: deque[str] = deque(maxlen=60)
        found, given = folder / target, folder / f"{target}-seeds"
        for path in (self.broken, found, given):
            path.mkdir(parents=True, exist_ok=True)
        self.known = set(self.broken.iterdir())  # from another time
        for data in seeds.of(target):
            (given / hashlib.sha1(data).hexdigest()).write_bytes(data)
        options = {"runs": runs, "max_total_time": seconds, "max_len": LONGEST.get(target, 512), "timeout": HANGS,
                   "rss_limit_mb": 0, "dict": HERE / "http.dict", "artifact_prefix": f"{self.broken}/{target}-",
                   "print_final_stats": 1}  # fmt: skip
        words = [f"-{name}={value}" for name, value in options.items()]
        command = [sys.executable, "-m", "tests.fuzzing.guided", target, *words, str(found), str(given)]
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                                        errors="replace")  # fmt: skip
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self._hear(line)

    def _hear(self, line: str) -> None:
        if line.startswith("@"):
            self.runs = int(line[1:])
        elif match := _LINE.match(line):
            self.reached = f"coverage {match[1]}, features {match[2]}, corpus {match[3]}"
        elif match := _FINAL.match(line):
            self.runs = int(match[1])
        else:
            self.last.append(line)

    def finish(self) -> bool:
        """Wait for its end; False: something broke, and was shown."""
        code = self.process.wait()
        self.reader.join()
        if code == 0:
            return True
        print(f"{self.target}: ended with exit code {code}\n{''.join(self.last)}")
        for path in sorted(set(self.broken.glob(f"{self.target}-*")) - self.known):
            print(f"python3 -m tests.fuzzing {self.target} --replay {path}")
        return False


def watch(fuzzers: list[Fuzzer]) -> bool:
    """Say how far they are until they are done; whether nothing broke."""
    began = time.monotonic()
    is_over = False
    while not is_over:
        pause = time.monotonic() + PROGRESS
        while time.monotonic() < pause and not is_over:
            time.sleep(0.1)
            is_over = all(fuzzer.process.poll() is not None for fuzzer in fuzzers)
        took = time.monotonic() - began
        for fuzzer in fuzzers:
            print(f"{took:5.0f} s  {fuzzer.target}: {fuzzer.runs:,} executions; {fuzzer.reached}", flush=True)
    ends = [fuzzer.finish() for fuzzer in fuzzers]
    is_sound = all(ends)
    total, took = sum(fuzzer.runs for fuzzer in fuzzers), time.monotonic() - began
    print(f"{total:,} executions in {took:.0f} s, {total / took:,.0f} a second: {'all held' if is_sound else 'BROKEN'}")
    return is_sound


def replay(target: str, path: Path) -> int:
    """Play a file again; what breaks is raised."""
    from .targets import TARGETS

    TARGETS[target](path.read_bytes())
    print(f"{path}: {target} holds")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.fuzzing", description=__doc__.partition("\n")[0])
    parser.add_argument("target", choices=[*SHARES, "all"])
    parser.add_argument(
        "--runs", type=int, default=1_000_000, help="executions, of all together (default: %(default)s)"
    )
    parser.add_argument("--seconds", type=int, default=0, help="at most so long (default: however long it takes)")
    parser.add_argument("--corpus", type=Path, default=Path(tempfile.gettempdir()) / "reactor-fuzzing", metavar="DIR",
                        help="where to keep what is found (default: %(default)s)")  # fmt: skip
    parser.add_argument("--replay", type=Path, metavar="FILE", help="play this again")
    chosen = parser.parse_args()
    targets = list(SHARES) if chosen.target == "all" else [chosen.target]
    if chosen.replay is not None:
        if len(targets) > 1:
            parser.error("--replay is for one target: say which")
        return replay(targets[0], chosen.replay)
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: pip install --group fuzz (wheels for Linux, Python 3.11 to 3.13).\n"
              "Without it, `pytest tests/fuzzing` plays the same targets, with no guidance.")  # fmt: skip
        return 2
    share = SHARES if len(targets) > 1 else {targets[0]: 1.0}
    folder = chosen.corpus.resolve()
    print(f"what is found is kept in {folder}", flush=True)
    fuzzers = [Fuzzer(name, int(chosen.runs * share[name]), chosen.seconds, folder) for name in targets]
    return 0 if watch(fuzzers) else 1


if __name__ == "__main__":
    sys.exit(main())
