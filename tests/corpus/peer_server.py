"""A server that is compared: its processes, one exchange with it, and all the cases, a few at a time."""

import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Self

from loadtest.servers import HOST, ROOT, free_port, wait_for

from . import Case
from .peer_judge import CRASHED, SILENT, SMUGGLED, Transcript, has_answers, is_settled, judge

AT_ONCE = 4  # connections: most of the time is waiting; http.server and cheroot have a backlog of 5
PATIENCE = 1.0  # seconds of silence until we half-close, and again until we give up
EXCHANGE = 20.0  # seconds for a whole exchange, should a server trickle
WELL = 3.0  # seconds in which a server that is not hung answers a plain GET
HEALTH = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class PeerServer:
    """A server in processes of its own, for a with block. `starts`: how often it had to be started."""

    def __init__(self, name: str, python: str) -> None:
        self.name, self.starts = name, 0
        self._command = [python, "-m", "tests.corpus.peer_apps", name]
        self._lock = threading.Lock()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._said.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._said.close()

    def was_well(self, starts: int) -> bool:
        """Whether it has been well since it was started for the `starts`th time; if it is not, it is started again."""
        with self._lock:
            if self.starts != starts:
                return False
            if self._process.poll() is None and self._is_well():
                return True
            self._stop()
            self._start()
            return False

    def _start(self) -> None:
        """RuntimeError with the last thing it said, if it does not come up."""
        self.port = free_port()
        self._process = subprocess.Popen(
            [*self._command, str(self.port)], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=self._said,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            wait_for(self._process, self.port)
        except RuntimeError as error:
            self._stop()
            self._said.seek(0)
            lines = self._said.read().decode(errors="replace").split("\n")
            raise RuntimeError(next((line for line in reversed(lines) if line.strip()), str(error))) from None
        except BaseException:  # Ctrl-C, too: it would go on serving
            self._stop()
            raise
        self.starts += 1

    def _is_well(self) -> bool:
        try:
            with closing(socket.create_connection((HOST, self.port), WELL)) as sock:
                sock.settimeout(WELL)
                sock.sendall(HEALTH)
                return bool(sock.recv(1))
        except OSError:
            return False

    def _stop(self) -> None:
        """With its workers, which are in the session that it leads."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it has left
        self._process.wait()


def exchange(port: int, case: Case) -> Transcript:
    """Send the case and the smuggled request, read what comes; after some silence half-close, and read on."""
    received, is_half_closed, until = bytearray(), False, time.monotonic() + EXCHANGE
    unsent, later = memoryview(case.data), SMUGGLED
    if not case.is_valid:
        unsent, later = memoryview(case.data + SMUGGLED), b""
    with closing(socket.create_connection((HOST, port), PATIENCE)) as sock:
        sock.setblocking(False)
        while time.monotonic() < until:
            readable, writable, _ = select.select([sock], [sock] if unsent else [], [], PATIENCE)
            if readable:
                try:
                    piece = sock.recv(1 << 16)
                except ConnectionError:
                    piece = b""  # a reset ends it as well as a FIN; what came before it has been read
                received += piece
                if not piece or is_settled(received):
                    return Transcript(bytes(received), "open" if piece else "closed")
                if later and not is_half_closed and has_answers(case, received):
                    unsent, later = memoryview(bytes(unsent) + later), b""
            elif writable:
                try:
                    unsent = unsent[sock.send(unsent) :]
                except ConnectionError:
                    unsent = unsent[:0]  # it takes no more, but may have answered
            elif is_half_closed:
                break
            else:
                is_half_closed, unsent = True, unsent[:0]
                try:
                    sock.shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # it has been reset meanwhile, which the next read says
    return Transcript(bytes(received), SILENT)


def attempt(server: PeerServer, case: Case) -> str:
    """What is wrong with what the server makes of a case. CRASHED: it is not well now, perhaps by another case."""
    starts = server.starts
    try:
        transcript = exchange(server.port, case)
    except OSError:
        transcript = Transcript(b"", SILENT)  # nobody accepts
    if (transcript.ended == SILENT or not transcript.received) and not server.was_well(starts):
        return CRASHED
    return judge(case, transcript)


def examine(server: PeerServer, cases: Sequence[Case]) -> dict[str, str]:
    """What is wrong, by case. What was silent is tried again, lest a busy machine count; and what did not get along
    with a crash alone, so that only the culprit is told."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = dict(zip(cases_by_name(cases), pool.map(lambda case: attempt(server, case), cases), strict=True))
        silent = [case for case in cases if verdicts[case.name] == SILENT]
        again = pool.map(lambda case: attempt(server, case), silent)
        verdicts |= dict(zip(cases_by_name(silent), again, strict=True))
    for case in cases:
        if verdicts[case.name] == CRASHED:
            verdicts[case.name] = attempt(server, case)
    return {name: verdict for name, verdict in verdicts.items() if verdict}


def cases_by_name(cases: Sequence[Case]) -> Iterator[str]:
    return (case.name for case in cases)
