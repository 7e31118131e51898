"""Connections that are served once and then hold still, in a process of its own, which sleeps meanwhile.

    python3 -m loadtest.scale.holder PORT COUNT ADDRESS

says "holding" when all are served, and lets go of them when its standard input ends. ADDRESS is where they come from:
one address of the loopback has only so many ports.
"""

import contextlib
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator

from loadtest.scale import ask
from loadtest.servers import HOST, ROOT

EACH = 5_000  # connections of one process, from one address
HOLDING = "holding"


@contextlib.contextmanager
def holding(port: int, count: int) -> Iterator[None]:
    """`count` idle connections for as long as the block; RuntimeError where they do not come about."""
    with contextlib.ExitStack() as stack:
        for number in range(-(-count // EACH)):
            size, address = min(EACH, count - number * EACH), f"127.0.0.{number + 2}"
            command = [sys.executable, "-m", "loadtest.scale.holder", str(port), str(size), address]
            holder = stack.enter_context(
                subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            assert holder.stdout is not None
            if holder.stdout.readline().strip() != HOLDING:
                raise RuntimeError(f"{size:,} connections from {address} could not all be opened and served")
        yield


def main() -> None:
    """Open them, say so, and wait."""
    port, count, address = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients = []
    for _ in range(count):
        client = socket.create_connection((HOST, port), timeout=30, source_address=(address, 0))
        ask(client)
        clients.append(client)
    print(HOLDING, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
