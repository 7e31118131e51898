"""The chart: a field for each workload, in it a bar for each server, from Reactor to the left (slower) or right."""

from collections.abc import Callable
from html import escape
from math import ceil, floor, log10

from loadtest.arena.peers import FLOOR
from loadtest.arena.report import Report, connections, title
from loadtest.arena.turns import NOT_ITS_WORK, Result

COLUMNS = 3
FIELD, GAP, LEFT, ROW = 420, 20, 118, 17  # pixels; LEFT is for the names
HEAD, TITLE, FOOT = 84, 44, 30  # above all fields; above and below the bars of one
NUMBER = 46  # to the right of a bar's end
LOWEST = -2  # the power of ten at which the axis ends, however slow somebody is
CHARACTERS = 190  # in a line of the notes

# The page's colours cannot be known, so the ground is left free; what is drawn follows the reader's preference.
STYLE = """
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
  .title { font-size: 16px; font-weight: 600 }
  .name { font-size: 13px; font-weight: 600 }
  .quiet { fill: #656d76; font-size: 11px }
  .own { font-weight: 700 }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .one { stroke: #1a6fb5; stroke-width: 2 }
  .slower { fill: #2f9e78 } .faster { fill: #bc4c00 } .floor { fill: #8c959f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .quiet { fill: #9198a1 } .grid { stroke: #3d444d } .one { stroke: #4593d8 }
    .slower { fill: #3fb68b } .faster { fill: #f0883e } .floor { fill: #656c76 }
  }
"""


def chart(report: Report) -> str:
    """The SVG, as text; the axis is logarithmic, and the same in all fields."""
    ratios = [ratio for result in report.results for ratio in _ratios(result, report.base).values()]
    low, high = max(floor(log10(min([*ratios, 0.5]))), LOWEST), ceil(log10(max([*ratios, 2.0])))
    rows = max((sum(row.state != NOT_ITS_WORK for row in result.rows.values()) for result in report.results), default=0)
    height_of_field = TITLE + ROW * rows + FOOT
    said = _absent(report)
    lines = ceil(len(report.results) / COLUMNS)
    width, height = 2 * GAP + COLUMNS * FIELD, HEAD + lines * height_of_field + 18 * len(said) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>Requests per second of HTTP servers, relative to {title(report)}</title><style>{STYLE}</style>",
        f'<text class="title" x="{GAP}" y="28">Requests per second, relative to {title(report)} (the blue line)</text>',
        *_legend(title(report)),
    ]
    for number, result in enumerate(report.results):
        x = GAP + number % COLUMNS * FIELD
        parts += _field(result, report.base, x, HEAD + number // COLUMNS * height_of_field, low, high)
    for number, line in enumerate(said):
        y = HEAD + lines * height_of_field + 18 * number + 6
        parts.append(f'<text class="quiet" x="{GAP}" y="{y}">{escape(line)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _legend(base: str) -> list[str]:
    parts, x = [], GAP
    for kind, what in (("slower", f"slower than {base}"), ("faster", "faster"), ("floor", "the floor: parses nothing")):
        parts.append(f'<rect class="{kind}" x="{x}" y="44" width="12" height="12" rx="2"/>')
        parts.append(f'<text class="quiet" x="{x + 18}" y="54">{what}</text>')
        x += 44 + 6 * len(what)
    parts.append(f'<text class="quiet" x="{x}" y="54">!: with errors; medians of the ratios within a round</text>')
    return parts


def _field(result: Result, base: str, x: int, y: int, low: int, high: int) -> list[str]:
    ratios = _ratios(result, base)
    names = sorted(result.rows, key=lambda name: -ratios.get(name, 0.0))
    names = [name for name in names if result.rows[name].state != NOT_ITS_WORK]
    top, foot = y + TITLE, y + TITLE + ROW * len(names)

    def at(ratio: float) -> float:
        return x + LEFT + (max(log10(ratio), low) - low) / (high - low) * (FIELD - LEFT - NUMBER - GAP)

    parts = [
        f'<text class="name" x="{x}" y="{y + 14}">{escape(result.workload.name)}</text>',
        f'<text class="quiet" x="{x}" y="{y + 30}">{escape(result.workload.what)}; {connections(result)}</text>',
    ]
    for power in range(low, high + 1):
        kind = "one" if power == 0 else "grid"
        line = at(10.0**power)
        parts.append(f'<line class="{kind}" x1="{line:.1f}" y1="{top - 4}" x2="{line:.1f}" y2="{foot + 2}"/>')
        label = f"{10.0**power:g} ×"
        parts.append(f'<text class="quiet" x="{line:.1f}" y="{foot + 15}" text-anchor="middle">{label}</text>')
    for number, name in enumerate(names):
        parts += _bar(result, base, name, ratios.get(name), top + ROW * number, x + LEFT, at)
    return parts


def _bar(
    result: Result, base: str, name: str, ratio: float | None, y: int, left: int, at: Callable[[float], float]
) -> list[str]:
    own = ' class="own"' if name == base else ""
    parts = [f'<text{own} x="{left - 8}" y="{y + 11}" text-anchor="end">{escape(name)}</text>']
    if ratio is None:
        state = result.rows[name].state.partition(":")[0]
        return [*parts, f'<text class="quiet" x="{left + 6}" y="{y + 11}">{escape(state)}</text>']
    begin, end = sorted((at(1.0), at(ratio)))
    found = result.middle(name)
    label = f"{ratio:.{2 if ratio >= 0.1 else 3}f}{' !' * bool(found and found.errors)}"
    if name != base:
        kind = "floor" if name == FLOOR else "faster" if ratio > 1 else "slower"
        parts.append(f'<rect class="{kind}" x="{begin:.1f}" y="{y + 1}" width="{end - begin:.1f}" height="{ROW - 4}"/>')
    return [*parts, f'<text class="quiet" x="{end + 5:.1f}" y="{y + 11}">{label}</text>']


def _ratios(result: Result, base: str) -> dict[str, float]:
    """The rates in terms of the base's, of those that have one."""
    found = {name: result.ratio(name, base) for name in result.rows}
    return {name: ratio for name, ratio in found.items() if ratio}


def _absent(report: Report) -> list[str]:
    return [f"{name} is absent: {reason}"[:CHARACTERS] for name, reason in report.absent.items()]
