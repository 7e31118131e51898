"""What many connections and large bodies cost a server.

    python3 -m loadtest.scale idle [--connections 10000]
    python3 -m loadtest.scale trickle [--connections 1000]
    python3 -m loadtest.scale churn [--connections 100000]
    python3 -m loadtest.scale active [--rounds 3] [--seconds 2]
    python3 -m loadtest.scale transfer [--size 1GiB]
    python3 -m loadtest.scale active transfer --svg docs/scale.svg

Memory of idle connections, time against those that trickle, what is left of those that are gone; the cost of a request
with more and more connections; memory while a large body is moved. Each starts servers of its own, prints what it found
as a Markdown table, and exits with 1 where a bound is passed; `--svg` draws the last two.
"""

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path

from loadtest.scale import Found, allow_descriptors, transfer
from loadtest.scale.active import active, loads
from loadtest.scale.active import table as active_table
from loadtest.scale.connections import CHURN_FLAGS, churn, idle, trickle
from loadtest.scale.plot import plot_active, plot_transfer, stack
from loadtest.servers import running

UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

# Number of connections, flags of the server.
COMMANDS: dict[str, tuple[Callable[..., tuple[Found, bool]], int, tuple[str, ...]]] = {
    "idle": (idle, 10_000, ()),
    "trickle": (trickle, 1_000, ()),
    "churn": (churn, 100_000, CHURN_FLAGS),
}


def size(text: str) -> int:
    """Bytes, from what is written as 64MiB."""
    match = re.fullmatch(r"(\d+)(KiB|MiB|GiB)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write it as 64MiB or 1GiB")
    return int(match[1]) * UNITS[match[2]]


def connections(what: str, count: int | None) -> bool:
    """One of those that count connections; whether its bounds held."""
    measure, usual, flags = COMMANDS[what]
    allow_descriptors(0)
    with running("reactor", "--no-access-log", *flags) as (server, port):
        found, is_good = measure(server, port, count or usual)
    print("| what | found |\n|---|---|")
    for name, value in found.items():
        print(f"| {name} | {value} |")
    return is_good


def main() -> int:
    """Run what was asked for and print what it found."""
    parser = argparse.ArgumentParser(prog="python3 -m loadtest.scale", description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="+", choices=[*COMMANDS, "active", "transfer"])
    parser.add_argument("--connections", type=int, metavar="N", help="of idle, trickle and churn")
    parser.add_argument("--rounds", type=int, default=3, help="of active")
    parser.add_argument("--seconds", type=float, default=2, help="of each visit of active")
    parser.add_argument("--size", type=size, default=size("1GiB"), help="of each body of transfer")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw what active and transfer found")
    options = parser.parse_args()
    if options.svg and not {"active", "transfer"} & set(options.what):
        parser.error("--svg draws active and transfer; neither was asked for")
    is_good = True
    panels = []
    for what in options.what:
        if what == "active":
            visits = active(options.rounds, options.seconds, loads())
            print(active_table(visits))
            panels.append(plot_active(visits))
        elif what == "transfer":
            moved = transfer.transfer(options.size)
            print(transfer.table(moved))
            panels.append(plot_transfer(moved))
            is_good = is_good and transfer.is_constant(moved)
        else:
            is_good = connections(what, options.connections) and is_good
    if options.svg:
        options.svg.write_text(stack(panels))
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
