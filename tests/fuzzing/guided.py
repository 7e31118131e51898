"""One target under atheris, in a process of its own: `python3 -m tests.fuzzing.guided TARGET libFuzzer-arguments`.

atheris instruments what is imported from here on, and ends the process itself: `__main__.py` starts this and reads
what it prints.
"""

import sys
from collections.abc import Callable

import atheris

STEP = 1 << 14  # executions from one line of progress to the next


def counted(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """`target`, saying now and then how often it was called; libFuzzer does so only where it finds something."""
    number = 0

    def call(data: bytes) -> None:
        nonlocal number
        number += 1
        if not number % STEP:
            print(f"@{number}", file=sys.stderr, flush=True)
        target(data)

    return call


def main() -> None:
    with atheris.instrument_imports(include=["reactor"]):
        from .targets import TARGETS
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, counted(target))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
