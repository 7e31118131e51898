"""`python3 -m tests [pytest arguments]`: set up what the tests need, then run them.

It makes `.venv` in the checkout, installs the dependency groups of `pyproject.toml` there, and runs pytest with the
arguments given; the exit code is pytest's. Nothing outside `.venv` is touched, so it also works where the system's
Python refuses `pip install`. An install that is up to date is skipped.

    python3 -m tests              run all tests
    python3 -m tests -k chunked   any pytest arguments
    python3 -m tests --coverage   under coverage, failing below the floors in FLOORS
    python3 -m tests --lint       ruff and mypy
    python3 -m tests --load 10    the load test with locust, for ten seconds
    python3 -m tests --fuzz all   coverage-guided fuzzing; its arguments are those of `python3 -m tests.fuzzing`
    python3 -m tests --differential --runs 100000   many nearly valid streams, to us and to other parsers
    python3 -m tests --setup      only make .venv
"""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = str(VENV / "bin" / "python")
STAMP = VENV / "installed"
PIP_WITH_GROUPS = (25, 1)  # the first pip that knows --group

# What to measure, and the least share of its lines and branches that the tests must reach.
FLOORS = [("reactor/http1/*", 100), ("*", 95)]


def say(text: str) -> None:
    """One line of progress, on stderr so that stdout stays pytest's; bold on a terminal."""
    bold = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    print(f"\x1b[1m{text}\x1b[0m" if bold else text, file=sys.stderr, flush=True)


def run(*command: str) -> int:
    """Run a command in the checkout and return its exit code; what it prints is the user's to see."""
    try:
        return subprocess.run(command, cwd=ROOT).returncode
    except KeyboardInterrupt:
        return 130


def must(*command: str) -> None:
    """Run a step of the set-up, or leave with the command that failed."""
    if code := run(*command):
        say("failed: " + " ".join(command))
        sys.exit(code)


def ask(python: str, expression: str) -> str:
    """What another Python says an expression is, or '' if it cannot say."""
    command = [python, "-c", f"import sys; print({expression})"]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def pip_version(python: str) -> tuple[int, ...]:
    """The version of a Python's pip, as (major, minor); (0,) if it has none."""
    found = ask(python, "__import__('pip').__version__")
    return tuple(int(part) for part in found.split(".")[:2] if part.isdigit()) or (0,)


def wanted(venv: Path = VENV) -> str:
    """What the stamp says when the install is up to date: these groups, for this Python."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return hashlib.sha256(json.dumps([groups, sys.version, str(venv)], sort_keys=True).encode()).hexdigest()


def python_in(venv: Path) -> str:
    return str(venv / "bin" / "python")


def make_venv(venv: Path) -> None:
    """Make one with a pip in it; where Debian left out ensurepip, the system's pip puts one there."""
    say(f"making {venv.name} with Python {sys.version.split()[0]} …")
    if importlib.util.find_spec("ensurepip") and importlib.util.find_spec("venv"):
        must(sys.executable, "-m", "venv", "--clear", str(venv))
        return
    if importlib.util.find_spec("venv") is None or pip_version(sys.executable) < (22, 3):  # 22.3 learned --python
        sys.exit(
            f"{sys.executable} has neither ensurepip nor a usable pip: install python3-venv (apt install python3-venv)."
        )
    must(sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv))
    must(sys.executable, "-m", "pip", "--python", python_in(venv), "install", "-qq", "pip>=25.1")


def installer(venv: Path) -> list[str]:
    """The command that installs there, for arguments to follow: the venv is made, and pip young enough."""
    python = python_in(venv)
    if ask(python, "repr(sys.version)") != repr(sys.version) or not pip_version(python)[0]:
        make_venv(venv)
    pip = [python, "-m", "pip", "install", "-qq"]
    if pip_version(python) < PIP_WITH_GROUPS:
        say(f"upgrading pip in {venv.name} …")
        must(*pip, "--upgrade", "pip>=25.1")
    return pip


def setup() -> None:
    """Bring `.venv` to what `pyproject.toml` asks for, unless the stamp says it is there already."""
    stamp = wanted()
    if STAMP.exists() and STAMP.read_text() == stamp and os.access(PYTHON, os.X_OK):
        return
    pip = installer(VENV)
    say("installing the dependency groups of pyproject.toml …")
    must(*pip, "--group", "dev")
    STAMP.write_text(stamp)


def become_pytest(arguments: list[str]) -> NoReturn:
    """From here on this process is pytest: its signals, its exit code."""
    os.chdir(ROOT)
    os.execv(PYTHON, [PYTHON, "-m", "pytest", *arguments])


def coverage(arguments: list[str]) -> int:
    """pytest under coverage, subprocesses included, then one report per floor."""
    tool = [PYTHON, "-m", "coverage"]
    must(*tool, "erase")
    if code := run(*tool, "run", "-m", "pytest", *arguments):
        return code
    must(*tool, "combine", "--quiet")
    failed = 0
    for pattern, floor in FLOORS:
        say(f"coverage of {pattern}, at least {floor} %:")
        failed = max(failed, run(*tool, "report", f"--include={pattern}", f"--fail-under={floor}"))
    return failed


def lint() -> int:
    """Ruff, then mypy; both run, so that one visit shows all there is to mend."""
    say("ruff check")
    failed = run(PYTHON, "-m", "ruff", "check")
    say("mypy")
    return max(failed, run(PYTHON, "-m", "mypy"))


def main(arguments: list[str]) -> int:
    """Set up, then do what the first argument says; anything that is not ours is pytest's."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    setup()
    match arguments:
        case ["--setup"]:
            return 0
        case ["--lint"]:
            return lint()
        case ["--load", *rest]:
            return run(PYTHON, "-m", "loadtest.locust_run", *rest)
        case ["--differential", *rest]:
            return run(PYTHON, "-m", "tests.differential", *rest)
        case ["--fuzz", *rest]:
            must(*installer(VENV), "--group", "fuzz")
            return run(PYTHON, "-m", "tests.fuzzing", *rest)
        case ["--coverage", *rest]:
            return coverage(rest)
    become_pytest(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
