"""The turns: all servers of a workload are visited once a round, the order turned round each time.

Law: what counts is a ratio within a round, and of those the median; so whatever else the machine does hits all.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from loadtest.arena.contender import Contender
from loadtest.arena.peers import Peer
from loadtest.arena.visit import Failed, Visit, spent, used, visit
from loadtest.arena.workloads import Cannot, Workload, Wrong, check
from loadtest.attacks.measure import say

WARM_UP = 1  # seconds of the visit that does not count
IDLE_LOOK = 1.0  # seconds
RESTLESS = 0.02  # of a core, while nobody asks: from here on it is stopped while others are visited
NOT_ITS_WORK = "-"


@dataclass
class Row:
    """A server on one workload: its visits, None for a round without one; `state`: why it has none, or no more."""

    visits: list[Visit | None] = field(default_factory=list)
    state: str = ""


@dataclass
class Result:
    """A workload: a row for each server, by name; `restless`: who was stopped between its turns, and its share of a
    core while nobody asked it."""

    workload: Workload
    rows: dict[str, Row]
    restless: dict[str, float] = field(default_factory=dict)

    def ratio(self, name: str, to: str) -> float | None:
        """The rate of one in terms of another's: the median over the rounds in which both were visited."""
        pairs = zip(self.visits(name), self.visits(to), strict=False)
        ratios = [one.rate / other.rate for one, other in pairs if one and other]
        return statistics.median(ratios) if ratios else None

    def visits(self, name: str) -> list[Visit | None]:
        return self.rows[name].visits if name in self.rows else []

    def middle(self, name: str) -> Visit | None:
        """The median of each thing found, on its own; of the errors the sum, and the words of the last of them."""
        found = [each for each in self.visits(name) if each]
        if not found:
            return None
        rate, cpu, p50, p99, memory = (
            statistics.median(getattr(each, what) for each in found) for what in ("rate", "cpu", "p50", "p99", "memory")
        )
        said = [each.what for each in found if each.what]
        return Visit(rate, cpu, p50, p99, int(memory), sum(each.errors for each in found), said[-1] if said else "")


def can(peer: Peer, workload: Workload) -> bool:
    """Whether it serves this at all, by what it is made for."""
    return workload.path in peer.routes and (peer.parses or not workload.parsed)


def measure(peers: Sequence[Peer], workloads: Sequence[Workload], rounds: int, seconds: int) -> Iterator[Result]:
    """The workloads one after the other; only who is needed runs."""
    contenders = {peer.name: Contender(peer) for peer in peers}
    try:
        for workload in workloads:
            yield _workload(workload, contenders, rounds, seconds)
    finally:
        for contender in contenders.values():
            contender.stop()


def _workload(workload: Workload, contenders: dict[str, Contender], rounds: int, seconds: int) -> Result:
    result = Result(workload, {name: Row() for name in contenders})
    for name, contender in contenders.items():
        say(f"{workload.name}: {name} gets ready")
        result.rows[name].state = _prepare(workload, contender)
        if result.rows[name].state:
            contender.stop()  # who does not take part takes nothing from the others
    _find_restless(result, contenders)
    for number in range(rounds):
        order = list(contenders) if number % 2 == 0 else list(reversed(contenders))
        for name in order:
            row = result.rows[name]
            if not row.state:
                say(f"{workload.name}: round {number + 1} of {rounds}, {name}")
                _turn(result, contenders[name], seconds)
        for row in result.rows.values():
            row.visits += [None] * (number + 1 - len(row.visits))
    say("")
    for contender in contenders.values():
        contender.wake()
    return result


def _prepare(workload: Workload, contender: Contender) -> str:
    """Have it run, ask it, and visit it once for nothing; why it does not take part, or ""."""
    if not can(contender.peer, workload):
        return NOT_ITS_WORK
    closes = contender.peer.closes or workload.closes
    try:
        if not contender.is_running():
            contender.restart()
        try:
            check(workload, contender.port, closes)
        except Wrong:
            contender.restart()  # what came before may have left it in a bad way: it is asked again when it is new
            check(workload, contender.port, closes)
        visit(workload, contender.pid, contender.port, WARM_UP)
    except Cannot:
        return NOT_ITS_WORK
    except Failed:
        pass  # one that is only slow may do it in a visit that counts, which may be longer
    except Wrong as error:
        return f"wrong: {error}"
    except RuntimeError as error:
        return f"does not start: {error}"
    _settle(workload)
    return contender.end()


def _turn(result: Result, contender: Contender, seconds: int) -> None:
    row, name = result.rows[contender.peer.name], contender.peer.name
    contender.wake()
    try:
        row.visits.append(visit(result.workload, contender.pid, contender.port, seconds))
    except Failed as error:
        row.state = str(error)
    _settle(result.workload)
    if name in result.restless:
        contender.rest()
    row.state = contender.end() or row.state
    if row.state:
        contender.stop()


def _settle(workload: Workload) -> None:
    """Closing the connections of a visit is no part of the next."""
    time.sleep(0.1 + workload.connections / 10_000)


def _find_restless(result: Result, contenders: dict[str, Contender]) -> None:
    """Look at all of them while nobody asks, and stop those that take the core from whoever is visited."""
    here = {name: contenders[name] for name, row in result.rows.items() if not row.state}
    before = {name: used(contender.pid) for name, contender in here.items()}
    began = time.monotonic()
    time.sleep(IDLE_LOOK)
    for name, contender in here.items():
        share = spent(before[name], used(contender.pid)) / (time.monotonic() - began)
        if share > RESTLESS:
            result.restless[name] = share
            contender.rest()
