"""Ordinary clients: what everybody else gets from a server while it is attacked, request by request."""

import contextlib
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from loadtest.scale import REQUEST
from loadtest.servers import HOST

PATIENCE = 20.0  # seconds for one request, connecting included; a request that takes longer has failed
KEPT = 2  # connections kept alive; every third request comes on a new one
HELLO = b"\r\n\r\nHello"


class ClosedMeanwhile(Exception):
    """A connection kept alive was closed before anything was answered on it: its server had a use for the place."""


@dataclass
class Report:
    """`latencies`: milliseconds of each request that was answered rightly; `failures`: what became of the others."""

    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return len(self.latencies) + len(self.failures)

    @property
    def success(self) -> float:
        return len(self.latencies) / self.requests if self.requests else 0.0

    def add(self, other: "Report") -> None:
        self.latencies += other.latencies
        self.failures += other.failures

    def reasons(self) -> list[str]:
        """Why requests failed, the most frequent reason first."""
        return [f"{count:,} times {reason}" for reason, count in Counter(self.failures).most_common()]

    def percentile(self, share: float) -> float:
        """The latency that `share` of the requests do not exceed; inf where none was answered."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else float("inf")


def ask(sock: socket.socket) -> None:
    """One request and its whole answer; RuntimeError if that is not the right one."""
    answer = b""
    try:
        sock.sendall(REQUEST)
        answer = sock.recv(4096)
    except ConnectionError as error:
        raise ClosedMeanwhile from error
    if not answer:
        raise ClosedMeanwhile
    while answer.startswith(b"HTTP/1.1 200"[: len(answer)]):
        if answer.endswith(HELLO):
            return
        piece = sock.recv(4096)
        if not piece:
            break
        answer += piece
    raise RuntimeError(f"not the answer: {answer[:200]!r}")


def accompany(port: int, is_over: Callable[[], bool], pause: float = 0.001, address: str = HOST) -> Report:
    """Ask one thing after the other, on connections kept alive and on new ones, until it is over.

    `pause`: seconds between two requests; `address`: where the client comes from. Where a connection that was kept
    alive is closed meanwhile, it asks again on a new one, once, as browsers do (RFC 9112 9.3.1).
    """
    report = Report()
    kept: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as stack:
        number = 0
        while not is_over():
            place = number % (KEPT + 1)
            number += 1
            began = time.perf_counter()
            try:
                if place == KEPT:
                    with connect(port, address) as fresh:
                        ask(fresh)
                else:
                    ask_on_kept(kept, place, lambda: stack.enter_context(connect(port, address)))
                report.latencies.append((time.perf_counter() - began) * 1000)
            except (OSError, RuntimeError, ClosedMeanwhile) as error:
                where = "new" if place == KEPT else "kept"
                report.failures.append(f"{type(error).__name__}: {error} (on a connection {where})")
                if place in kept:
                    kept.pop(place).close()
            time.sleep(pause)
    return report


def ask_on_kept(kept: dict[int, socket.socket], place: int, reconnect: Callable[[], socket.socket]) -> None:
    """Ask on the connection of `place`, or, where there is none or it was closed, on a new one that takes its place."""
    if place in kept:
        try:
            ask(kept[place])
            return
        except ClosedMeanwhile:
            kept.pop(place).close()
    kept[place] = reconnect()
    ask(kept[place])


def connect(port: int, address: str) -> socket.socket:
    return socket.create_connection((HOST, port), PATIENCE, (address, 0))


class Bystanders:
    """Ordinary clients in threads, for as long as the `with` block; then `report` has what they got."""

    def __init__(self, port: int, threads: int = 2, pause: float = 0.005, address: str = HOST) -> None:
        self.report = Report()
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(port, pause, address)) for _ in range(threads)]

    def _run(self, port: int, pause: float, address: str) -> None:
        report = accompany(port, self._is_over.is_set, pause, address)
        with self._lock:
            self.report.add(report)

    @contextlib.contextmanager
    def present(self) -> Iterator[Report]:
        for thread in self._threads:
            thread.start()
        try:
            yield self.report
        finally:
            self._is_over.set()
            for thread in self._threads:
                thread.join()
