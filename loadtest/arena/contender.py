"""A peer as processes: started on its core, asked whether it is there, put to rest and woken, stopped."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from loadtest.arena.peers import PEERS, PROXY, REACTOR, Peer, command, prepare
from loadtest.arena.visit import tree
from loadtest.servers import ROOT, free_port, wait_for

SERVER_CORE = 0


@contextlib.contextmanager
def behind(peers: Sequence[Peer]) -> Iterator[int]:
    """The port of the server behind these, if they are proxies, else 0. It is our own, and runs where the client does:
    who is measured has a core for itself."""
    if not any(peer.interface == PROXY for peer in peers):
        yield 0
        return
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="arena-") as folder:
        process = subprocess.Popen(command(PEERS[REACTOR], port, Path(folder)), cwd=ROOT, stdin=subprocess.DEVNULL)
        try:
            wait_for(process, port)
            yield port
        finally:
            process.kill()
            process.wait()


class Contender:
    """A peer that is running, or will be. `pid` and `port` are those of the last start."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.pid = self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """RuntimeError with the last thing it said, if it does not come up."""
        self._folder = tempfile.TemporaryDirectory(prefix="arena-")
        folder = Path(self._folder.name)
        self.port = free_port()
        environment = prepare(self.peer, self.port, folder)
        own_cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {SERVER_CORE})  # inherited
        try:
            with Path(folder, "said").open("wb") as said:
                self._process = subprocess.Popen(
                    command(self.peer, self.port, folder), cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                    stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
        finally:
            os.sched_setaffinity(0, own_cores)
        self.pid = self._process.pid
        try:
            wait_for(self._process, self.port)
        except RuntimeError as error:
            lines = self.said()
            self.stop()
            raise RuntimeError(lines[-1] if lines else str(error)) from None
        except BaseException:  # Ctrl-C, too: it would go on serving
            self.stop()
            raise

    def said(self) -> list[str]:
        """What it has printed, without empty lines."""
        text = Path(self._folder.name, "said").read_text(errors="replace")
        return [line.strip() for line in text.splitlines() if line.strip()]

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def end(self) -> str:
        """How it ended: by a signal, or with an exit code and the last thing it said; "" while it runs."""
        if self._process is None or (code := self._process.poll()) is None:
            return ""
        if code < 0:
            return f"died: {signal.Signals(-code).name}"
        return f"died: left with {code}: {(self.said() or ['without a word'])[-1]}"

    def rest(self) -> None:
        """Not one of its processes gets the core until it is woken."""
        self._tell(signal.SIGSTOP)

    def wake(self) -> None:
        self._tell(signal.SIGCONT)

    def stop(self) -> None:
        """With all that come from it, at once: nobody's answers matter any more."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)  # it leads a session of its own
        except ProcessLookupError:
            pass
        self._process.wait()
        self._process = None
        self._folder.cleanup()

    def restart(self) -> None:
        """RuntimeError as of `start`."""
        self.stop()
        self.start()

    def _tell(self, number: signal.Signals) -> None:
        for each in tree(self.pid) if self.is_running() else ():
            try:
                os.kill(each, number)
            except ProcessLookupError:
                pass
