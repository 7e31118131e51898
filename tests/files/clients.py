"""Clients that nobody here wrote: a server for them, an environment of their own, and what they should have at the end.

Law: a client sees nothing of whoever runs the tests: no proxy, no configuration, a home that is the test's own. It
asks 127.0.0.1 and nobody else.
"""

import hashlib
import os
import random
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.conftest import need
from tests.program import DEADLINE, Program

KIB, MIB = 1024, 1024 * 1024


def serving(root: Path, **options: str) -> Program:
    """`python3 -m reactor DIR` for this folder; with options, as those of its handler."""
    if not options:
        return Program(str(root), cwd=root)
    given = ",".join(f"{name}={value}" for name, value in options.items())
    return Program(f"handlers.static:Static:root={root},{given}", cwd=root)


def run(
    *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None, expect: int = 0
) -> subprocess.CompletedProcess[bytes]:
    """A client that must end with exit code `expect`; its home is `cwd`."""
    need(str(command[0]))
    own = {"PATH": os.environ["PATH"], "HOME": str(cwd), "TMPDIR": str(cwd), "LC_ALL": "C.UTF-8", **(env or {})}
    done = subprocess.run(command, cwd=cwd, env=own, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE)
    said = (done.stdout[-1000:] + done.stderr[-3000:]).decode(errors="replace")
    assert done.returncode == expect, f"{command} left with {done.returncode}: {said}"
    return done


@cache
def noise(size: int) -> bytes:
    """So many bytes that no coding makes smaller and no two places have in common; always the same."""
    return random.Random(size).randbytes(size)


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder, by its path from there."""
    return {str(path.relative_to(folder)): digest(path) for path in folder.rglob("*") if path.is_file()}


def answered(program: Program, path: str) -> list[int]:
    """The status codes with which a path was answered, in order; the server is stopped, so that all of it is there."""
    if program.process.poll() is None:
        assert program.stop() == 0
    lines = [line.split(" ") for line in program.said("stdout").splitlines()]
    return [int(line[3]) for line in lines if line[2] == path]
