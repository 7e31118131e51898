"""How fast is Reactor's hello, measured against the floor: a bare selectors loop that parses nothing.

Both servers run from the beginning, each a process of its own pinned to one core; wrk is pinned to another and loads
them in turns, round after round, the order turned round each time, so that whatever else the machine does hits both.
What counts is the ratio within a round, and of those the median.

    python3 -m loadtest.versus_floor [--rounds 7] [--seconds 3] [--json FILE]

It prints a report in Markdown; `--json` adds the same as one line to a file. It needs wrk, Linux and two cores.
"""

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtest.servers import HOST, get, running

SERVER_CORE, WRK_CORE = 0, 1
FLOOR, REACTOR = "floor", "reactor"
COMMANDS = {FLOOR: ["loadtest.floor"], REACTOR: ["reactor", "--no-access-log"]}
PATH = "/test"
MICROSECONDS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7}


@dataclass
class Visit:
    """What one run of wrk against one server found."""

    rate: float  # requests per second
    cpu: float  # microseconds of the server's CPU time per request
    p50: float  # microseconds
    p99: float


def cpu_seconds(pid: int) -> float:
    """User and system time a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def find(pattern: str, report: str) -> re.Match[str]:
    """A line wrk always prints; a report without it is no result."""
    found = re.search(pattern, report)
    if found is None:
        sys.exit(f"wrk's report has no {pattern!r}:\n{report}")
    return found


def percentile(share: int, report: str) -> float:
    """A line of wrk's latency distribution, in microseconds."""
    number, unit = find(rf" {share}% +([\d.]+)(us|ms|s|m)\b", report).groups()
    return float(number) * MICROSECONDS[unit]


def visit(pid: int, port: int, seconds: int, connections: int) -> Visit:
    """Load one server for some seconds; an answer that is not 2xx or a socket error ends the whole measurement."""
    before = cpu_seconds(pid)
    wrk = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://{HOST}:{port}{PATH}"]
    report = subprocess.run(wrk, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    used = cpu_seconds(pid) - before
    if "Non-2xx" in report or "Socket errors" in report:
        sys.exit(f"wrk saw errors:\n{report}")
    requests = int(find(r"(\d+) requests in", report)[1])
    rate = float(find(r"Requests/sec: +([\d.]+)", report)[1])
    return Visit(rate, used / requests * 1e6, percentile(50, report), percentile(99, report))


def measure(rounds: int, seconds: int, connections: int) -> list[dict[str, Visit]]:
    """Start both servers and visit them in turns, after one short visit each that does not count."""
    with contextlib.ExitStack() as stack:
        servers: dict[str, tuple[int, int]] = {}
        os.sched_setaffinity(0, {SERVER_CORE})  # inherited by the servers
        for name, (module, *arguments) in COMMANDS.items():
            process, port = stack.enter_context(running(module, *arguments))
            servers[name] = process.pid, port
        os.sched_setaffinity(0, {WRK_CORE})  # and this by wrk
        for name, (pid, port) in servers.items():
            if (answer := get(port, PATH)) != (200, b"Hello"):
                sys.exit(f"{name} answers {answer}")
            visit(pid, port, 1, connections)
        results = []
        for number in range(rounds):
            order = list(servers) if number % 2 == 0 else list(reversed(servers))
            results.append({name: visit(*servers[name], seconds, connections) for name in order})
            print(f"round {number + 1} of {rounds}: {ratio(results[-1]):.3f}", file=sys.stderr, flush=True)
        return results


def ratio(result: dict[str, Visit]) -> float:
    """Reactor's share of the floor's requests per second, in one round."""
    return result[REACTOR].rate / result[FLOOR].rate


def machine() -> dict[str, str]:
    """What it was measured on."""
    names = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()) or [platform.machine()]
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True).stdout.partition(" Copyright")[0]
    return {
        "CPU": f"{names[0]}, {os.cpu_count()} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "wrk": wrk.removeprefix("wrk ").strip(),
    }


def table(results: list[dict[str, Visit]]) -> str:
    """One row per round, and one of medians."""
    columns = ["round", "ratio"]
    columns += [f"{name} {what}" for what in ("req/s", "CPU µs/req", "p50 ms", "p99 ms") for name in COMMANDS]
    lines = ["| " + " | ".join(columns) + " |", "|" + "--:|" * len(columns)]
    rows = [(str(number), result, ratio(result)) for number, result in enumerate(results, 1)]
    middle = {name: median([result[name] for result in results]) for name in COMMANDS}
    rows.append(("median", middle, statistics.median(ratio(result) for result in results)))
    for title, result, share in rows:
        cells = [title, f"{share:.3f}"]
        cells += [f"{result[name].rate:,.0f}" for name in COMMANDS]
        cells += [f"{result[name].cpu:.1f}" for name in COMMANDS]
        cells += [f"{result[name].p50 / 1e3:.2f}" for name in COMMANDS]
        cells += [f"{result[name].p99 / 1e3:.2f}" for name in COMMANDS]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def median(visits: list[Visit]) -> Visit:
    """The median of each thing found, on its own."""
    return Visit(*(statistics.median(column) for column in zip(*(asdict(v).values() for v in visits), strict=True)))


def main() -> None:
    """Measure, print the report, and keep it if asked to."""
    parser = argparse.ArgumentParser(prog="python3 -m loadtest.versus_floor", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="of each visit")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the results as one line of JSON")
    options = parser.parse_args()
    if shutil.which("wrk") is None or not {SERVER_CORE, WRK_CORE} <= os.sched_getaffinity(0):
        sys.exit("this needs wrk (apt install wrk) and two cores")
    results = measure(options.rounds, options.seconds, options.connections)
    share = statistics.median(map(ratio, results))
    about = machine()
    print(f"Hello at **{share:.2f}** of the floor: median of {options.rounds} rounds of {options.seconds} s each,")
    print(f"wrk with 1 thread and {options.connections} connections on core {WRK_CORE}, servers on core {SERVER_CORE}.")
    print("Machine: " + "; ".join(f"{key} {value}" for key, value in about.items()) + ".\n")
    print(table(results))
    if options.json:
        rounds = [{name: asdict(found) for name, found in result.items()} for result in results]
        with options.json.open("a") as file:
            file.write(json.dumps({"ratio": share, "machine": about, "rounds": rounds}) + "\n")


if __name__ == "__main__":
    main()
