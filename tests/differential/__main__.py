"""`python3 -m tests --differential`: many nearly valid streams, to us and to the other parsers.

    python3 -m tests --differential --runs 1000000           progress every few seconds, and the seed at the start
    python3 -m tests --differential --seed 7 --first 123 --runs 1    one of them again, with its bytes
    python3 -m tests --differential --list                   write anew which invalid cases the others take

It ends with exit code 1, and the bytes, at the tenth stream that somebody reads otherwise for no known reason.
"""

import argparse
import random
import sys
import time
from collections import Counter

from .asking import ask_all
from .mutating import Mutator, seeds
from .stricter import LIST, list_again

PROGRESS = 5.0  # seconds
ENOUGH = 10


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests --differential", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100_000, help="how many streams (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="default: another each time")
    parser.add_argument("--first", type=int, default=0, help="the number of the first (default: 0)")
    parser.add_argument("--list", action="store_true", help="write taken.toml anew, and nothing else")
    chosen = parser.parse_args()
    if chosen.list:
        LIST.write_text(list_again(), "utf-8")
        return 0
    good, bad = seeds()
    print(f"seed {chosen.seed}; from {len(good)} good and {len(bad)} bad streams", flush=True)
    mutator = Mutator(chosen.seed, good, bad)
    found = requests = 0
    kinds: Counter[str] = Counter()
    began = said = time.monotonic()
    for done in range(1, chosen.runs + 1):
        number = chosen.first + done - 1
        answers = ask_all(mutator.make(number))
        requests += len(answers.ours.requests)
        kinds.update(f"{oracle} {difference.kind}" for oracle, difference in answers.differences.items())
        for surprise in answers.surprises:
            found += 1
            print(f"\nseed {chosen.seed}, number {number}: {surprise}", flush=True)
        now = time.monotonic()
        if now - said > PROGRESS or done == chosen.runs:
            said = now
            rate = done / (now - began)
            print(f"{done} streams, {requests} requests taken, {found} surprises, {rate:.0f} a second", flush=True)
        if found >= ENOUGH:
            break
    print(", ".join(f"{kind}: {number}" for kind, number in sorted(kinds.items())))
    return found > 0


if __name__ == "__main__":
    sys.exit(main())
