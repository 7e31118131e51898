"""Start Reactor, load it with locust for some seconds, stop it; the exit code is 0 only if every answer was right.

    python3 -m loadtest.locust_run [SECONDS] [--users N]

It needs the `load` dependency group: `python3 -m tests --load [SECONDS]` sees to that.
"""

import argparse
import subprocess
import sys

from loadtest.servers import HOST, ROOT, running


def main() -> int:
    """Run the load test and return its exit code."""
    parser = argparse.ArgumentParser(prog="python3 -m loadtest.locust_run", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=int, default=10, help="how long (default: 10)")
    parser.add_argument("--users", type=int, default=20, help="how many at once (default: 20)")
    arguments = parser.parse_args()
    with running("reactor", "hello", "--mount", "/echo=echo", "--no-access-log") as (_, port):
        locust = [sys.executable, "-m", "locust", "-f", "loadtest/locustfile.py", "--headless", "--only-summary"]
        users = ["-u", str(arguments.users), "-r", str(arguments.users), "-t", f"{arguments.seconds}s"]
        host = ["--host", f"http://{HOST}:{port}", "--stop-timeout", "5"]
        return subprocess.run([*locust, *users, *host], cwd=ROOT, timeout=arguments.seconds + 60).returncode


if __name__ == "__main__":
    sys.exit(main())
