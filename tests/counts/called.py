"""Count calls and memory of each scenario, and print them as JSON.

    python3 -m tests.counts.called
"""

import gc
import json
import tracemalloc
from typing import Any

from .scenarios import SCENARIOS, Asked, Scenario
from .served import Calls

TIMES = 3  # requests of which the least counts
KEPT_OF = 20  # requests, among which what is kept is divided: what only happens to be there is not kept of each


def calls(scenario: Scenario) -> dict[str, Any]:
    """`python_calls`, `c_calls` and `system_calls` (by name) of a request."""
    asked = Asked(scenario)
    found = []
    for _ in range(TIMES):
        counted = Calls()
        asked.once(lambda: counted.during(asked.served.reactor.turn))  # noqa: B023  # called before the next is made
        found.append(counted)
    asked.served.close()
    least = min(found, key=lambda each: (len(each.python), len(each.in_c)))
    system = dict(sorted(least.system.items()))
    return {"python_calls": len(least.python), "c_calls": len(least.in_c), "system_calls": system}


def memory(scenario: Scenario) -> dict[str, Any]:
    """`peak_bytes` and `kept_blocks` of a request."""
    tracemalloc.start()
    asked = Asked(scenario)
    gc.collect()
    gc.disable()
    peaks = [_peak(asked) for _ in range(TIMES)]
    before = _blocks()
    for _ in range(KEPT_OF):
        asked.once(None)
    kept = (_blocks() - before) // KEPT_OF
    gc.enable()
    asked.served.close()
    tracemalloc.stop()
    return {"peak_bytes": min(peaks), "kept_blocks": max(kept, 0)}


def _peak(asked: Asked) -> int:
    """Bytes that were there at the most in any turn of one request, beyond what was there before it."""
    before = tracemalloc.get_traced_memory()[0]
    most = 0

    def turn() -> None:
        nonlocal most
        tracemalloc.reset_peak()
        asked.served.reactor.turn()
        most = max(most, tracemalloc.get_traced_memory()[1] - before)

    asked.once(turn)
    return most


def _blocks() -> int:
    """Pieces of memory that are there, whoever asked for them; less those that Python has put by for its next object
    of their kind, up to 2,000 of a kind: a collection lets go of these."""
    gc.collect()
    return len(tracemalloc.take_snapshot().traces)


if __name__ == "__main__":
    print(json.dumps({name: calls(each) | memory(each) for name, each in SCENARIOS.items()}))
