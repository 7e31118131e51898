"""Curves, written by hand as SVG: the cost of a request over connections, and memory over time."""

from collections.abc import Callable, Iterator
from html import escape
from math import log10

from loadtest.scale import MIB
from loadtest.scale.active import Load
from loadtest.scale.transfer import GROWTH_LIMIT, Transfer
from loadtest.versus_floor import Visit

WIDTH, HEIGHT = 760, 330  # pixels of one panel
LEFT, RIGHT, TOP, BOTTOM = 64, 28, 76, 46
FOOT = HEIGHT - BOTTOM

# What has a colour has a shape or a dash of its own, too. The dark half is what a dark page gets.
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .minor { fill: #57606a; font-size: 12px }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .bound { stroke: #cf222e; stroke-width: 1; stroke-dasharray: 2 4 }
  .curve { fill: none; stroke-width: 2 }
  .a { stroke: #0969da } .b { stroke: #bc4c00; stroke-dasharray: 8 3 }
  .c { stroke: #1a7f37; stroke-dasharray: 3 3 } .d { stroke: #8250df; stroke-dasharray: 10 3 2 3 }
  .dot { fill: #0969da } .ring { fill: none; stroke: #bc4c00; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .minor { fill: #9198a1 } .grid { stroke: #3d444d } .bound { stroke: #f85149 }
    .a { stroke: #4493f8 } .b { stroke: #f0883e } .c { stroke: #3fb950 } .d { stroke: #ab7df8 }
    .dot { fill: #4493f8 } .ring { stroke: #f0883e }
  }
"""


def stack(panels: list[str]) -> str:
    """The SVG, as text: one panel below the other."""
    height = HEIGHT * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<title>What many connections and large bodies cost</title><style>{STYLE}</style>",
        *(f'<g transform="translate(0 {HEIGHT * number})">\n{panel}\n</g>' for number, panel in enumerate(panels)),
    ]
    return "\n".join(parts) + "\n</svg>\n"


def plot_active(found: dict[Load, Visit]) -> str:
    """CPU time per request over active connections, on a logarithmic axis."""
    most = max(load.active for load in found)
    top = scale_end(max(each.cpu for each in found.values()))

    def x(count: int) -> float:
        return LEFT + log10(count) / log10(max(most, 2)) * (WIDTH - LEFT - RIGHT)

    def y(cpu: float) -> float:
        return FOOT - cpu / top * (FOOT - TOP)

    alone = sorted((load.active, each.cpu) for load, each in found.items() if not load.idle)
    beside = sorted((load.active, each.cpu) for load, each in found.items() if load.idle)
    idle = max(load.idle for load in found)
    parts = [
        '<text class="title" x="12" y="24">A request: CPU time of the server, by active connections</text>',
        '<circle class="dot" cx="18" cy="43" r="5"/><text class="minor" x="30" y="47">alone</text>',
    ]
    if beside:
        parts.append(f'<circle class="ring" cx="98" cy="43" r="5"/>{note(110, 47, f"with {idle:,} idle ones beside")}')
    parts += rows(top, y, "µs")
    parts += [note(x(count), FOOT + 18, f"{count:,}", "middle") for count, _ in alone]
    parts.append(f'<polyline class="curve a" points="{points((x(count), y(cpu)) for count, cpu in alone)}"/>')
    parts += [f'<circle class="dot" cx="{x(count):.1f}" cy="{y(cpu):.1f}" r="5"/>' for count, cpu in alone]
    parts += [f'<circle class="ring" cx="{x(count):.1f}" cy="{y(cpu):.1f}" r="7"/>' for count, cpu in beside]
    return "\n".join(parts)


def plot_transfer(found: dict[str, Transfer]) -> str:
    """Memory beyond that of the idle server over time."""
    longest = scale_end(max(each.seconds for each in found.values()))
    top = max(GROWTH_LIMIT, *(each.growth for each in found.values())) / MIB * 1.1

    def x(seconds: float) -> float:
        return LEFT + seconds / longest * (WIDTH - LEFT - RIGHT)

    def y(mib: float) -> float:
        return FOOT - max(mib, 0) / top * (FOOT - TOP)

    size = max(each.size for each in found.values()) / MIB
    parts = [
        f'<text class="title" x="12" y="24">{size:,.0f} MiB in each direction: memory beyond the idle server</text>',
    ]
    parts += rows(top, y, "MiB")
    parts += [note(x(longest * part / 5), FOOT + 18, f"{longest * part / 5:g} s", "middle") for part in range(6)]
    limit = y(GROWTH_LIMIT / MIB)
    parts.append(f'<line class="bound" x1="{LEFT}" y1="{limit:.1f}" x2="{WIDTH - RIGHT}" y2="{limit:.1f}"/>')
    parts.append(note(WIDTH - RIGHT, limit - 5, "the bound", "end"))
    for number, (name, each) in enumerate(found.items()):
        colour, at = "abcd"[number], 12 + 185 * number
        parts.append(f'<line class="curve {colour}" x1="{at}" y1="43" x2="{at + 26}" y2="43"/>')
        parts.append(note(at + 32, 47, name))
        curve = points((x(seconds), y(memory / MIB)) for seconds, memory in each.samples)
        parts.append(f'<polyline class="curve {colour}" points="{curve}"/>')
    return "\n".join(parts)


def rows(top: float, y: Callable[[float], float], unit: str) -> list[str]:
    """Grid lines with their values, from 0 to `top`."""
    step = scale_end(top / 6)
    parts = []
    for number in range(int(top / step) + 1):
        at = y(step * number)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}"/>')
        parts.append(note(LEFT - 8, at + 4, f"{step * number:g} {unit}", "end"))
    return parts


def note(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text class="minor" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def points(curve: Iterator[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in curve)


def scale_end(value: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50 and so on that is not below `value`."""
    power = 10.0 ** int(f"{value:e}".partition("e")[2])
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
