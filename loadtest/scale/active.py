"""What a request costs where many connections ask at once, and where many more are idle beside them.

The server is pinned to one core and wrk to another. What is counted is what happens when all connections are open: to
accept five thousand of them costs as much as many requests, and is not what is asked here. wrk is a closed loop: each
connection asks anew when it is answered, so that with N of them a latency of N times the cost of a request is the least
there can be.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from loadtest.scale import TARGET, allow_descriptors, cpu_seconds, descriptors, say
from loadtest.scale.holder import holding
from loadtest.servers import HOST, get, running
from loadtest.versus_floor import SERVER_CORE, WRK_CORE, Visit, find, median, percentile

COUNTS = (1, 4, 16, 64, 256, 1_000, 2_500, 5_000)
BESIDE = (64, 1_000)  # of these the same is measured with idle ones beside
IDLE = 20_000
SETTLING = 0.5  # seconds until what was begun is over
PATIENCE = 30  # seconds until all are open
SPARE = 200  # descriptors, beyond those of the connections
# Idle ones must stay (by itself it keeps a tenth of its descriptors for other things than connections), and as many as
# come at once must be taken; else as anybody starts it.
FLAGS = ("--no-access-log", "--timeout-keep-alive", "60m", "--limit-connections", "0", "--backlog", "4096",
         "--log-level", "warning")  # fmt: skip


@dataclass(frozen=True)
class Load:
    """`active` connections that ask all the time, and `idle` ones beside them."""

    active: int
    idle: int


@dataclass
class Server:
    """A process that serves, and its connections when nobody loads it."""

    pid: int
    port: int
    idle: int

    def served(self) -> int:
        """How many times it has said hello."""
        status, body = get(self.port, "/served")
        if status != 200:
            raise RuntimeError(f"the server says {status} where it was asked what it has served")
        return int(body)


def loads() -> list[Load]:
    """All that are measured; with fewer idle ones where the system does not allow that many open files."""
    wanted = IDLE + max(BESIDE) + SPARE
    allowed = allow_descriptors(wanted)
    idle = min(IDLE, allowed - max(BESIDE) - SPARE)
    if idle < IDLE:
        say(f"{allowed:,} open files are allowed, {wanted:,} are needed (as root, or with `ulimit -Hn`): {idle:,} idle")
    return [Load(count, 0) for count in COUNTS] + [Load(count, idle) for count in BESIDE]


def active(rounds: int, seconds: float, loads: list[Load]) -> dict[Load, Visit]:
    """The medians of each load over the rounds; the order is turned round each time."""
    if shutil.which("wrk") is None or not {SERVER_CORE, WRK_CORE} <= os.sched_getaffinity(0):
        sys.exit("this needs wrk (apt install wrk) and two cores")
    visits: dict[Load, list[Visit]] = {load: [] for load in loads}
    with serving(sorted({load.idle for load in loads})) as servers:
        for server in servers.values():
            visit(server, 64, 1.0)  # does not count
        for number in range(rounds):
            for load in loads if number % 2 == 0 else reversed(loads):
                visits[load].append(visit(servers[load.idle], load.active, seconds))
                say(f"round {number + 1} of {rounds}: {load.active:,} active, {load.idle:,} idle: "
                    f"{visits[load][-1].cpu:.1f} µs")  # fmt: skip
    return {load: median(found) for load, found in visits.items()}


@contextlib.contextmanager
def serving(idle: list[int]) -> Iterator[dict[int, Server]]:
    """A server for each number of idle connections, which are held meanwhile."""
    cores = os.sched_getaffinity(0)
    servers: dict[int, Server] = {}
    with contextlib.ExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, cores)
        for count in idle:
            os.sched_setaffinity(0, {SERVER_CORE})  # inherited by the server
            process, port = stack.enter_context(running("reactor", TARGET, *FLAGS))
            os.sched_setaffinity(0, {WRK_CORE})  # and this by who holds the idle ones, and by wrk
            if count:
                say(f"opening {count:,} idle connections")
                stack.enter_context(holding(port, count))
            time.sleep(SETTLING)  # the connection that asked whether it accepts is still being closed
            servers[count] = Server(process.pid, port, descriptors(process.pid))
        yield servers


def visit(server: Server, count: int, seconds: float) -> Visit:
    """Load a server with `count` connections, and count for some seconds when all are open."""
    longest = int(PATIENCE + SETTLING + seconds + 5)
    wrk = subprocess.Popen(
        ["wrk", "--latency", "-t1", f"-c{count}", f"-d{longest}s", "--timeout", f"{longest}s",
         f"http://{HOST}:{server.port}/test"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_until_open(server, count)
        time.sleep(SETTLING)
        began, used, served = time.monotonic(), cpu_seconds(server.pid), server.served()
        time.sleep(seconds)
        took, used = time.monotonic() - began, cpu_seconds(server.pid) - used
        requests = server.served() - served
    finally:
        wrk.send_signal(signal.SIGINT)  # it reports, and leaves
        report, _ = wrk.communicate(timeout=10)
    if "Non-2xx" in report or "Socket errors" in report:
        sys.exit(f"wrk saw errors:\n{report}")
    find(r"(\d+) requests in", report)
    return Visit(requests / took, used / requests * 1e6, percentile(50, report), percentile(99, report))


def wait_until_open(server: Server, count: int) -> None:
    """Return when `count` connections are open beside the idle ones."""
    until = time.monotonic() + PATIENCE
    while descriptors(server.pid) < server.idle + count:
        if time.monotonic() > until:
            raise RuntimeError(f"{count:,} connections were not open within {PATIENCE} s")
        time.sleep(0.05)


def table(found: dict[Load, Visit]) -> str:
    """A row for each load; the ratio is that of the CPU time to the least of all."""
    least = min(each.cpu for each in found.values())
    lines = ["| active | idle beside | requests/s | CPU µs/req | ratio | p50 ms | p99 ms |", "|" + "--:|" * 7]
    lines += [
        f"| {load.active:,} | {load.idle:,} | {each.rate:,.0f} | {each.cpu:.1f} | {each.cpu / least:.2f} "
        f"| {each.p50 / 1e3:.2f} | {each.p99 / 1e3:.2f} |"
        for load, each in found.items()
    ]
    return "\n".join(lines)
