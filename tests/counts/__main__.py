"""Count what a request costs, beside what it may cost.

    python3 -m tests.counts            print both; exits with 1 where a count is above the table
    python3 -m tests.counts --write    make today's counts the table, tests/counts.toml
"""

import argparse
import os
import sys

from .table import ADVICE, NAME, PATH, Counts, committed, excesses, flat, measured, write


def show(today: Counts, allowed: Counts) -> None:
    """A Markdown table: each count, and where it differs what is in the table."""
    is_coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print("| scenario | what | a request | in the table |\n|---|---|--:|--:|")
    for scenario, counts in today.items():
        limits = flat(allowed.get(scenario, {}))
        for unit, count in flat(counts).items():
            limit = limits.get(unit, 0)
            line = f"| {scenario} | {unit} | {count:,} | {limit:,} |"
            if is_coloured and count != limit:
                line = f"\x1b[{31 if count > limit else 32}m{line}\x1b[0m"
            print(line)


def main() -> int:
    """Count, print, and write where that is asked for."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.counts", description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"make today's counts the table, {NAME}")
    options = parser.parse_args()
    made_with, allowed = committed() if PATH.exists() else ("", {})
    today = measured()
    show(today, allowed)
    if options.write:
        write(today)
        return 0
    above = excesses(today, allowed, made_with)
    if above:
        print("\n".join([*above, ADVICE]), file=sys.stderr)
    return 1 if above else 0


if __name__ == "__main__":
    sys.exit(main())
