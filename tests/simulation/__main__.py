"""`python3 -m tests.simulation`: play many seeds, or one, readably."""

import argparse
import multiprocessing
import os
import sys
import time
import traceback

from reactor.terminal import BOLD, DIM, GREEN, PLAIN, RED, is_coloured

from .world import World

BATCH = 100  # seeds that a process is given at a time
SHOWN = 10  # failures that are printed


def play(seed: int) -> str:
    """What went wrong with a seed; "" is nothing."""
    try:
        World(seed).play()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def play_batch(seeds: range) -> list[tuple[int, str]]:
    """The failures among some seeds."""
    return [(seed, failure) for seed in seeds if (failure := play(seed))]


def play_many(first: int, count: int, jobs: int, is_persistent: bool) -> int:
    """Play `count` seeds in `jobs` processes; the exit code. Stops at the first failure, unless it is persistent."""
    batches = [range(at, min(at + BATCH, first + count)) for at in range(first, first + count, BATCH)]
    began, done, failed = time.monotonic(), 0, 0
    with multiprocessing.Pool(jobs) as pool:
        for number, failures in enumerate(pool.imap(play_batch, batches)):
            done += len(batches[number])
            show_progress(done, count, time.monotonic() - began)
            for seed, failure in failures:
                failed += 1
                if failed <= SHOWN:
                    show_failure(seed, failure)
            if failed and not is_persistent:
                break
    print(file=sys.stderr)
    verdict = f"{failed} of {done:,} seeds failed" if failed else f"{done:,} seeds, and no failure"
    print(paint(verdict, RED if failed else GREEN))
    return 1 if failed else 0


def play_one(seed: int, is_traced: bool) -> int:
    """Play one seed; the exit code."""
    world = World(seed, is_traced)
    try:
        world.play()
    except Exception:
        show_trace(world)
        traceback.print_exc()
        return 1
    show_trace(world)
    print(paint(f"seed {seed}: no failure", GREEN))
    return 0


def show_trace(world: World) -> None:
    for line in world.trace or []:
        moment, who, what = line[:9], line[9:20], line[20:]
        colour = RED if "FAILURE" in who else BOLD if who.strip() in ("server", "kernel") else ""
        print(f"{paint(moment, DIM)}{paint(who + what, colour)}")


def show_failure(seed: int, failure: str) -> None:
    print(f"\n{paint(f'seed {seed}:', RED)} {failure.partition(chr(10))[0]}")
    print(f"    python3 -m tests.simulation --seed {seed} --trace", flush=True)


def show_progress(done: int, count: int, seconds: float) -> None:
    if sys.stderr.isatty() or done == count:
        print(f"\r{done:,} of {count:,} seeds, {done / seconds:,.0f} a second", end="", file=sys.stderr, flush=True)


def paint(text: str, colour: str) -> str:
    return f"{colour}{text}{PLAIN}" if colour and is_coloured(sys.stdout) else text


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, metavar="N", help="play so many (default 1000)", default=1000)
    parser.add_argument("--first", type=int, metavar="S", help="from this one on (default 0)", default=0)
    parser.add_argument("--jobs", type=int, metavar="J", help="in so many processes", default=os.cpu_count() or 1)
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first failure")
    parser.add_argument("--seed", type=int, metavar="S", help="play this one alone")
    parser.add_argument("--trace", action="store_true", help="and say all that happens in it")
    options = parser.parse_args()
    if options.seed is not None:
        return play_one(options.seed, options.trace)
    return play_many(options.first, options.seeds, options.jobs, options.keep_going)


if __name__ == "__main__":
    sys.exit(main())
