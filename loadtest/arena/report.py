"""What was found, told: as a table on a terminal, as Markdown, and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from loadtest.arena.idle import Idle
from loadtest.arena.peers import FLOOR, REACTOR
from loadtest.arena.turns import NOT_ITS_WORK, Result
from tests.corpus.peers import as_markdown

MIB = 1024 * 1024
HEADINGS = (
    "server", "version", "requests/s", "Reactor is", "of the floor", "CPU µs/req", "p50 ms", "p99 ms", "MiB", "errors",
)  # fmt: skip
IDLE_HEADINGS = ("server", "version", "bytes each", "Reactor's are", "MiB before", "kept")
NONE = "–"

Table = list[tuple[str, ...]]


@dataclass
class Report:
    """All there is to tell: the machine, how it was measured, the versions of who took part, why others did not,
    and the interface of all, by name."""

    machine: dict[str, str]
    how: str
    versions: dict[str, str]
    absent: dict[str, str]
    results: list[Result] = field(default_factory=list)
    idle: list[Idle] = field(default_factory=list)
    interfaces: dict[str, str] = field(default_factory=dict)
    base: str = REACTOR


def times(result: Result, name: str, base: str) -> str:
    """How many times as fast as this one the base is; `!`: one of the two had errors."""
    ratio = result.ratio(base, name)
    if ratio is None:
        return NONE
    both = (result.middle(base), result.middle(name))
    mark = " !" if any(each and each.errors for each in both) else ""
    return f"{ratio:.2f} ×{mark}" if ratio < 100 else f"{ratio:,.0f} ×{mark}"


def details(result: Result, versions: dict[str, str], base: str) -> Table:
    """A row for each server on a workload, the fastest first, at the end those that have no result."""
    rows = []
    for name in result.rows:
        found, state = result.middle(name), result.rows[name].state
        if found is None:
            rows.append((0.0, (name, versions[name], *[NONE] * (len(HEADINGS) - 3), state)))
            continue
        floor = result.ratio(name, FLOOR)
        errors = f"{found.errors:,} ({found.what})" if found.errors else "0"
        cells = (
            name, versions[name], rate(found.rate), times(result, name, base), f"{floor:.2f}" if floor else NONE,
            f"{found.cpu:,.1f}", milliseconds(found.p50), milliseconds(found.p99), f"{found.memory / MIB:,.0f}",
            f"{errors}; {state}" if state else errors,
        )  # fmt: skip
        rows.append((found.rate, cells))
    return [HEADINGS, *(cells for _, cells in sorted(rows, key=lambda row: -row[0]))]


def rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def milliseconds(microseconds: float) -> str:
    """0 is what wrk says where no answer was completed."""
    return f"{microseconds / 1e3:,.2f}" if microseconds else NONE


def overview(report: Report) -> Table:
    """A row for each peer, a column for each workload: how many times as fast as it the base is."""
    table: Table = [("server", "interface", *(result.workload.name for result in report.results))]
    for name in [*report.versions, *report.absent]:
        cells = (_cell(result, name, report.base) if name in report.versions else "absent" for result in report.results)
        table.append((name, report.interfaces.get(name, NONE), *cells))
    return table


def _cell(result: Result, name: str, base: str) -> str:
    if name == base:
        found = result.middle(name)
        return f"{rate(found.rate)}/s" if found else result.rows[name].state.partition(":")[0]
    state = result.rows[name].state
    if result.ratio(base, name) is None:
        return NONE if state == NOT_ITS_WORK else state.partition(":")[0] or NONE
    return times(result, name, base)


def idle_table(report: Report) -> Table:
    """A row for each server: what an idle connection costs it, the cheapest first; who closed some shows nothing."""
    own = next((each.each for each in report.idle if each.name == report.base), 0.0)
    table: Table = [IDLE_HEADINGS]
    for found in sorted(report.idle, key=lambda each: (each.kept < each.count, each.each)):
        version, kept = report.versions[found.name], f"{found.kept:,} of {found.count:,}"
        if found.kept < found.count:
            table.append((found.name, version, *[NONE] * 3, found.state or kept))
        else:
            ratio = f"{own / found.each:.2f} ×" if found.each > 0 else NONE
            table.append((found.name, version, f"{found.each:,.0f}", ratio, f"{found.before / MIB:.1f}", kept))
    return table


def notes(report: Report) -> list[str]:
    """What the tables leave out: who is absent, who was wrong, who is not idle when nobody asks."""
    lines = [f"{name} is absent: {reason}" for name, reason in report.absent.items()]
    lines += [
        f"{name}, {result.workload.name}: {row.state}"
        for result in report.results
        for name, row in result.rows.items()
        if row.state not in ("", NOT_ITS_WORK)
    ]
    for name in report.versions:
        if shares := [result.restless[name] for result in report.results if name in result.restless]:
            lines.append(f"{name} took up to {max(shares):.0%} of a core while nobody asked it; for {len(shares)} of "
                         f"{len(report.results)} workloads it was stopped while others were visited")  # fmt: skip
    return lines


def markdown(report: Report) -> str:
    """The whole report."""
    about = "; ".join(f"{key} {value}" for key, value in report.machine.items())
    parts = [f"{report.how}\nMachine: {about}."]
    if report.results:
        parts.append(f"How many times as fast as each server {title(report)} is (median of the ratios within a round); "
                     "in its own row, its requests per second. `!`: with errors, see below.")  # fmt: skip
        parts.append(as_markdown(overview(report)))
        for result in report.results:
            heading = f"### {result.workload.name}: {result.workload.what}, {connections(result)}"
            parts += [heading, as_markdown(details(result, report.versions, report.base))]
    if report.idle:
        parts += ["### Memory of an idle connection", as_markdown(idle_table(report))]
    if said := notes(report):
        parts.append("\n".join(f"- {line}" for line in said))
    return "\n\n".join(parts) + "\n"


def title(report: Report) -> str:
    """The base, as one calls it."""
    return "Reactor" if report.base == REACTOR else report.base


def connections(result: Result) -> str:
    count = result.workload.connections
    return f"{count:,} connection{'s' * (count > 1)}"


def as_json(report: Report) -> str:
    """Everything, each visit of each round with it."""
    workloads = {}
    for result in report.results:
        servers = {
            name: {
                "state": row.state, "reactor_is": result.ratio(report.base, name),
                "of_floor": result.ratio(name, FLOOR),
                "rounds": [asdict(each) if each else None for each in row.visits],
            }
            for name, row in result.rows.items()
        }  # fmt: skip
        workloads[result.workload.name] = {
            "what": result.workload.what, "connections": result.workload.connections, "restless": result.restless,
            "servers": servers,
        }  # fmt: skip
    found = {
        "how": report.how, "base": report.base, "machine": report.machine,
        "versions": report.versions, "absent": report.absent,
        "workloads": workloads, "idle": [asdict(each) for each in report.idle],
    }  # fmt: skip
    return json.dumps(found, indent=1) + "\n"


def widest(rows: Sequence[Sequence[str]], limit: int = 44) -> Table:
    """The same for a terminal, where a long reason would push everything aside."""
    return [tuple(cell if len(cell) <= limit else cell[: limit - 1] + "…" for cell in row) for row in rows]
