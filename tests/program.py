"""`python -m reactor` as a process of its own: start it, read what it says, stop it. Everything has a deadline."""

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from .conftest import need

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 20.0  # seconds, for what takes a fraction of one


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tests' own environment, without what would configure a server, and with this checkout importable."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("REACTOR_")}
    return {**env, "PYTHONPATH": str(ROOT), "PYTHONDEVMODE": "1", "COLUMNS": "80", **(extra or {})}


def run(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m reactor` that is expected to end by itself."""
    command = [sys.executable, "-m", "reactor", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment(env), capture_output=True, text=True, timeout=DEADLINE)


class Program:
    """A running server. Attributes: `process`, `banner` (what it said at the start, a list of lines).

    with Program("hello", cwd=folder) as program:
        urllib.request.urlopen(program.url)
    """

    def __init__(self, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> None:
        binds = () if any(each in ("-b", "--bind", "--port") for each in arguments) else ("--port", "0")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "reactor", *arguments, *binds], cwd=cwd, env=environment(env),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._said: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._news = threading.Condition()
        self._readers = [threading.Thread(target=self._read, args=(name,), daemon=True) for name in self._said]
        for reader in self._readers:
            reader.start()
        self.banner = self.await_said(r"^stop ").splitlines()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever happened, nothing is left running; and it died of nothing but us."""
        if self.process.poll() is None:
            self.process.kill()
        self._join()

    @property
    def url(self) -> str:
        """The first address, without the slash at its end."""
        return self.addresses[0].rstrip("/")

    @property
    def addresses(self) -> list[str]:
        return [line.split()[0] for line in self.banner if re.match(r"  \S", line)]

    def await_said(self, pattern: str, stream: str = "stderr") -> str:
        """All that was said on `stream`, as soon as `pattern` is in it."""

        def is_there() -> bool:
            return re.search(pattern, "".join(self._said[stream]), re.MULTILINE) is not None

        with self._news:
            found = self._news.wait_for(lambda: is_there() or self._has_ended(), DEADLINE)
        assert found, f"the deadline has passed; {self._said}"
        assert is_there(), f"no {pattern!r} in {self._said}, exit code {self.process.poll()}"
        return "".join(self._said[stream])

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it, and return its exit code."""
        self.send(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(DEADLINE)
        self._join()
        return code

    def said(self, stream: str = "stderr") -> str:
        return "".join(self._said[stream])

    def _read(self, name: str) -> None:
        stream = getattr(self.process, name)
        for line in stream:
            with self._news:
                self._said[name].append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _has_ended(self) -> bool:
        return self.process.poll() is not None and not any(each.is_alive() for each in self._readers)

    def _join(self) -> None:
        self.process.wait(DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def connect(program: Program) -> http.client.HTTPConnection:
    """A connection to its first address."""
    return http.client.HTTPConnection(program.url.removeprefix("http://"), timeout=DEADLINE)


def curl(*arguments: str) -> str:
    """What curl prints of an answer: status line, fields, body."""
    command = [need("curl"), "-sS", "-i", "--max-time", str(DEADLINE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE + 5).stdout
