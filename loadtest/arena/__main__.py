"""Reactor and its peers, measured side by side: each on one core, wrk on another, visited in turns, round after round.

    python3 -m loadtest.arena [--interface native wsgi asgi] [--peer NAME ...] [--workload NAME ...] [--base reactor]
                              [--rounds 5] [--seconds 2] [--markdown FILE] [--svg FILE] [--json FILE]
    python3 -m loadtest.arena --interface files [...]          whole servers of files instead, on files
    python3 -m loadtest.arena --interface proxy [...]          reverse proxies, in front of Reactor's native app
    python3 -m loadtest.arena --idle [--connections 2000]      memory of an idle connection instead
    python3 -m loadtest.arena --list                           who takes part, in which version, and the workloads

Reactor is always one of them: what counts is the ratio to it within a round, and of those the median. Or to the base,
one of the other rows that begin with `reactor`: it is Reactor, too, with an application behind it. The peers are the
dependency group `peers`, in a venv of their own; who cannot be installed is reported as absent. It needs wrk, Linux and
two cores.
"""

import argparse
import os
import resource
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from loadtest.arena import idle, peers, turns
from loadtest.arena.chart import chart
from loadtest.arena.contender import SERVER_CORE, behind
from loadtest.arena.files import FILE_WORKLOADS, tree
from loadtest.arena.peers import APART, FILES, INTERFACES, PROXY, REACTOR, Peer, presence, serving
from loadtest.arena.report import Report, as_json, details, idle_table, markdown, notes, overview, title, widest
from loadtest.arena.workloads import WORKLOADS, Workload
from loadtest.attacks.attackers import raise_limit
from loadtest.attacks.measure import is_coloured
from loadtest.versus_floor import machine
from tests.corpus.peers import as_text

CLIENT_CORE = 1
MISSING = "the arena needs wrk (apt install wrk), Linux, and the cores 0 and 1"
SPARE = 200  # descriptors a server needs besides those of its connections


def main() -> int:
    """Measure what was asked for, and tell it; 2 where this machine cannot."""
    parser = _parser()
    options = parser.parse_args()
    peers, workloads = _chosen(parser, options)
    if shutil.which("wrk") is None or not {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0):
        print(MISSING, file=sys.stderr)
        return 2
    versions, absent = presence(peers)
    if options.list:
        _list(peers, versions, absent, workloads)
        return 0
    raise_limit()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # in order: no server is left behind
    os.sched_setaffinity(0, {CLIENT_CORE})  # inherited by wrk
    interfaces = {peer.name: peer.interface for peer in peers}
    report = Report(machine(), _how(options), versions, absent, interfaces=interfaces, base=options.base)
    here = [peer for peer in peers if peer.name in versions]
    try:
        if options.idle:
            _measure_idle(report, here, options.connections)
        else:
            with tree(workloads) as root, behind(here) as upstream:
                here = [serving(peer, root, upstream) for peer in here]
                _measure(report, here, workloads, options.rounds, options.seconds)
    except KeyboardInterrupt:
        print("\nstopped: what was measured until now is told", file=sys.stderr)
    if said := notes(report):
        print("\n" + "\n".join(said))
    for path, text in ((options.json, as_json), (options.markdown, markdown), (options.svg, chart)):
        if path:
            path.write_text(text(report), "utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m loadtest.arena", description=__doc__.partition("\n")[0])
    parser.add_argument("--interface", nargs="+", metavar="NAME", default=[], help=f"of {', '.join(INTERFACES)}")
    parser.add_argument("--peer", nargs="+", metavar="NAME", default=[], help="only these, besides Reactor; see --list")
    parser.add_argument("--workload", nargs="+", metavar="NAME", default=[], help="only these; see --list")
    parser.add_argument("--base", metavar="NAME", default=REACTOR, help="what the others are compared with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each visit")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all that was found, each visit with it")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the chart")
    parser.add_argument("--list", action="store_true", help="name the peers, their versions, and the workloads")
    parser.add_argument("--idle", action="store_true", help="measure the memory of idle connections")
    parser.add_argument("--connections", type=int, default=2000, help="for --idle (default: 2000)")
    return parser


def _chosen(parser: argparse.ArgumentParser, options: argparse.Namespace) -> tuple[list[Peer], list[Workload]]:
    """Who and what; unknown names and what cannot be done end it here."""
    apart = next((name for name in APART if name in options.interface), None)
    base = options.base
    every_peer = {FILES: peers.FILE_PEERS, PROXY: peers.PROXIES, None: peers.PEERS}[apart]
    every_workload: Mapping[str, Workload] = FILE_WORKLOADS if apart == FILES else WORKLOADS
    there_are = {"interface": INTERFACES, "peer": every_peer, "workload": every_workload, "base": every_peer}
    for what, known in there_are.items():
        asked = [base] if what == "base" else getattr(options, what)
        if unknown := [name for name in asked if name not in known]:
            parser.error(f"no {what} is called {', '.join(unknown)}; there are {', '.join(known)}")
    if options.rounds < 1 or options.seconds < 1 or options.connections < 1:
        parser.error("--rounds, --seconds and --connections must be 1 at least")
    if apart and (options.idle or set(options.interface) != {apart}):
        parser.error(f"{apart} is measured by itself: nothing else goes with --interface {apart}")
    if options.idle and options.svg:
        parser.error("--svg draws workloads: it does not go with --idle")
    names = [name for name in every_peer if not options.peer or name in options.peer]
    names = [name for name in names if not options.interface or every_peer[name].interface in options.interface]
    names = [base, *(name for name in names if name != base)]
    workloads = [each for each in every_workload.values() if not options.workload or each.name in options.workload]
    return [every_peer[name] for name in names], workloads


def _how(options: argparse.Namespace) -> str:
    cores = f"servers on core {SERVER_CORE}, the client on core {CLIENT_CORE}"
    if options.idle:
        return f"{options.connections:,} connections, each served once and then idle; {cores}."
    rounds = f"{options.rounds} round{'s' * (options.rounds > 1)}"
    return f"wrk with 1 thread; {cores}; {rounds} of visits of {options.seconds} s each."


def _measure(report: Report, peers: Sequence[Peer], workloads: Sequence[Workload], rounds: int, seconds: int) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE
    for workload in workloads:
        if workload.connections > limit:
            print(f"{workload.name} is left out: this machine allows {limit + SPARE} descriptors", file=sys.stderr)
    possible = [workload for workload in workloads if workload.connections <= limit]
    for result in turns.measure(peers, possible, rounds, seconds):
        report.results.append(result)
        print(f"\n{result.workload.name}: {result.workload.what}", flush=True)
        _show(widest(details(result, report.versions, report.base)))
    if len(report.results) > 1:
        print(f"\nhow many times as fast as each server {title(report)} is")
        _show(overview(report))


def _measure_idle(report: Report, peers: Sequence[Peer], count: int) -> None:
    allowed = idle.allowed(count)
    if allowed < count:
        print(f"only {allowed:,} connections: that is what the limit of descriptors allows", file=sys.stderr)
    report.idle += idle.measure(peers, allowed)
    _show(widest(idle_table(report)))


def _show(rows: Sequence[Sequence[str]]) -> None:
    if rows:
        print(as_text(rows, is_coloured(sys.stdout.isatty())), flush=True)


def _list(
    peers: Sequence[Peer], versions: dict[str, str], absent: dict[str, str], workloads: Sequence[Workload]
) -> None:
    for peer in peers:
        version = versions.get(peer.name) or f"absent: {absent[peer.name]}"
        print(f"{peer.name:18} {peer.interface:8} {version}")
    print()
    for workload in workloads:
        print(f"{workload.name:18} {workload.connections:5} connections  {workload.what}")


if __name__ == "__main__":
    sys.exit(main())
