"""What attacks cost everybody else: an ordinary client beside each attack, at full strength, on this machine alone.

    python3 -m loadtest.attacks [NAME ...] [--rounds 3] [--seconds 4] [--markdown] [--svg FILE]

Each attack has a server of its own; `--list` names them. The attackers are another process, and yield to the ordinary
client, whose core they share where there are only two. It exits with 1 where a request was not answered.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from loadtest.attacks.attackers import BEGUN, Attack, raise_limit
from loadtest.attacks.kinds import ATTACKS
from loadtest.attacks.measure import Found, measure, on_their_core, show, table
from loadtest.attacks.plot import plot
from loadtest.servers import ROOT


def strike(attack: Attack) -> Callable[[int, float], Callable[[], bool]]:
    """What begins the attack in another process."""

    def begin(port: int, seconds: float) -> Callable[[], bool]:
        command = [
            *on_their_core(), sys.executable, "-m", "loadtest.attacks.attackers",
            attack.name, str(port), str(attack.count), str(seconds),
        ]  # fmt: skip
        attackers = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert attackers.stdout is not None
        if attackers.stdout.readline().strip() != BEGUN:
            sys.exit(f"the attackers of {attack.name} did not begin")

        def is_over() -> bool:
            if attackers.poll() is None:
                return False
            attackers.communicate()
            if attackers.returncode:
                sys.exit(f"the attackers of {attack.name} left with {attackers.returncode}")
            return True

        return is_over

    return begin


def main() -> int:
    """Measure what was asked for, and print it."""
    parser = argparse.ArgumentParser(prog="python3 -m loadtest.attacks", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of an attack; by default all of them")
    parser.add_argument("--list", action="store_true", help="name the attacks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of each half of a round")
    parser.add_argument("--markdown", action="store_true", help="print a table in Markdown at the end")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the p99 with and without each attack")
    options = parser.parse_args()
    if options.list:
        for attack in ATTACKS.values():
            print(f"{attack.name:18} {attack.count:5} connections {attack.what}")
        return 0
    if unknown := [name for name in options.names if name not in ATTACKS]:
        parser.error(f"no attack is called {', '.join(unknown)}; --list names them")
    raise_limit()
    results: list[Found] = []
    for name in options.names or ATTACKS:
        attack = ATTACKS[name]
        found = measure(name, attack.what, strike(attack), attack.flags, options.rounds, options.seconds)
        show(found, is_first=not results)
        results.append(found)
    if options.markdown:
        print("\n" + table(results))
    if options.svg:
        options.svg.write_text(plot(results))
    return 0 if all(found.success == 1 for found in results) else 1


if __name__ == "__main__":
    sys.exit(main())
