"""A bar for each server: how many cases it gets right, as an SVG that is readable on a light and on a dark page."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

WIDTH = 860
LEFT, BAR, ROW, TOP = 230, 540, 27, 74  # where the bars begin; the width of all cases; a bar's place; the first one's
KINDS = ("valid, understood", "invalid, refused as the RFC demands", "ambiguous, refused by choice")

# The page's colours cannot be known, so the ground is left free; what is drawn follows the reader's preference.
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
  .title { font-size: 16px; font-weight: 600 }
  .quiet { fill: #656d76; font-size: 12px }
  .own { font-weight: 700 }
  .number { font-variant-numeric: tabular-nums }
  .track { fill: #d0d7de; fill-opacity: .45 }
  .k0 { fill: #1a6fb5 } .k1 { fill: #2f9e78 } .k2 { fill: #9bcf9f }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .quiet { fill: #9198a1 }
    .track { fill: #6e7681; fill-opacity: .35 }
    .k0 { fill: #4593d8 } .k1 { fill: #3fb68b } .k2 { fill: #2c6350 }
  }
"""


Bar = tuple[str, str, tuple[int, int, int]]


def chart(bars: Sequence[Bar], total: int) -> str:
    """`bars`: each server's name, version, and what it gets right of each of the KINDS; `total`: cases there are."""
    height = TOP + ROW * len(bars) + 8
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="Right answers of HTTP servers">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="16" y="26">{total:,} requests, good and bad: how many each server gets right</text>',
    ]
    x = 16.0
    for number, kind in enumerate(KINDS):
        parts.append(f'<rect class="k{number}" x="{x:g}" y="40" width="12" height="12" rx="2"/>')
        parts.append(f'<text class="quiet" x="{x + 18:g}" y="50.5">{kind}</text>')
        x += 46 + 6.3 * len(kind)
    for row, bar in enumerate(bars):
        parts += _bar(TOP + ROW * row, bar, total)
    return "\n".join([*parts, "</svg>", ""])


def _bar(y: int, bar: Bar, total: int) -> list[str]:
    name, version, counts = bar
    own = ' class="own"' if name == "reactor" else ""
    spans = f'<tspan{own}>{escape(name)}</tspan> <tspan class="quiet">{escape(version)}</tspan>'
    parts = [
        f'<text x="{LEFT - 12}" y="{y + 14}" text-anchor="end">{spans}</text>',
        f'<rect class="track" x="{LEFT}" y="{y}" width="{BAR}" height="19" rx="3"/>',
    ]
    x = float(LEFT)
    for kind, count in enumerate(counts):
        width = BAR * count / total
        parts.append(f'<rect class="k{kind}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="19"/>')
        x += width
    parts.append(f'<text class="number" x="{LEFT + BAR + 12}" y="{y + 14}"><tspan{own}>{sum(counts):,}</tspan></text>')
    return parts
