"""A plot of the attacks, written by hand as SVG: the p99 of an ordinary client without and with each of them."""

from html import escape
from math import ceil, floor, isfinite, log10

from loadtest.attacks.measure import Found, times

ROW, TOP, BOTTOM = 22, 64, 32  # pixels
LABELS, WIDTH, RIGHT = 150, 760, 64

# Both colours are told apart by shape, too: without is a ring, with is a dot. The dark half is what a dark page gets.
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 15px; font-weight: 600 }
  .minor { fill: #57606a; font-size: 12px }
  .grid { stroke: #d0d7de; stroke-width: 1 }
  .link { stroke: #8c959f; stroke-width: 2 }
  .calm { fill: none; stroke: #0969da; stroke-width: 2 }
  .hit { fill: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .minor { fill: #9198a1 } .grid { stroke: #3d444d } .link { stroke: #656c76 }
    .calm { stroke: #4493f8 } .hit { fill: #f0883e }
  }
"""


def plot(results: list[Found]) -> str:
    """The SVG, as text; the axis is logarithmic, in milliseconds."""
    rows = [each for each in results if isfinite(each.p99[1])]
    values = [value for each in rows for value in each.p99]
    low, high = floor(log10(min(values))), max(ceil(log10(max(values))), floor(log10(min(values))) + 1)
    height = TOP + ROW * len(rows) + BOTTOM

    def x(value: float) -> float:
        return LABELS + (log10(value) - low) / (high - low) * (WIDTH - LABELS - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<title>p99 latency without and with each attack</title><style>{STYLE}</style>",
        '<text class="title" x="12" y="24">An ordinary client beside each attack: p99 latency</text>',
        '<circle class="calm" cx="18" cy="43" r="5"/><text class="minor" x="30" y="47">without</text>',
        '<circle class="hit" cx="98" cy="43" r="6"/><text class="minor" x="110" y="47">with the attack</text>',
    ]
    foot = TOP + ROW * len(rows)
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts.append(f'<line class="grid" x1="{at:.1f}" y1="{TOP - 4}" x2="{at:.1f}" y2="{foot}"/>')
        parts.append(f'<text class="minor" x="{at:.1f}" y="{foot + 18}" text-anchor="middle">{tick(power)}</text>')
    for number, each in enumerate(rows):
        y = TOP + ROW * number + ROW / 2
        calm, hit = x(each.p99[0]), x(each.p99[1])
        parts.append(f'<text x="{LABELS - 12}" y="{y + 4:.1f}" text-anchor="end">{escape(each.name)}</text>')
        parts.append(f'<line class="link" x1="{calm:.1f}" y1="{y}" x2="{hit:.1f}" y2="{y}"/>')
        parts.append(f'<circle class="calm" cx="{calm:.1f}" cy="{y}" r="5"/>')
        parts.append(f'<circle class="hit" cx="{hit:.1f}" cy="{y}" r="6"/>')
        beside = max(calm, hit) + 12
        parts.append(f'<text class="minor" x="{beside:.1f}" y="{y + 4:.1f}">{times(each.worse)} ×</text>')
    parts.append("</svg>\n")
    return "\n".join(parts)


def tick(power: int) -> str:
    """10**power milliseconds, as people write it."""
    return f"{10.0 ** (power - 3):g} s" if power >= 3 else f"{10.0**power:g} ms"
