"""What one view that sleeps costs the others, in time.

    python3 -m loadtest.slow_view [--seconds 10]

One client asks for a view that sleeps a second, again and again; others ask for a quick one, 100 times a second in all.
The quick ones' latencies are printed, with threads and, to compare, on the loop. What is counted and not timed is a
test: tests/handlers/test_wsgi_threads.py.
"""

import argparse
import http.client
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from .servers import HOST, running

SECONDS = 10.0
RATE = 100  # requests a second
CLIENTS = 4
APP = """
import time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(1)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
"""


def ask_slowly(port: int, until: float) -> None:
    with closing(http.client.HTTPConnection(HOST, port, timeout=60)) as client:
        while time.monotonic() < until:
            client.request("GET", "/slow")
            client.getresponse().read()


def ask_quickly(port: int, begin: float, until: float, took: list[float]) -> None:
    """At RATE / CLIENTS a second, by the clock: who waits for an answer is late with the next, and that counts."""
    due = begin
    with closing(http.client.HTTPConnection(HOST, port, timeout=60)) as client:
        while due < until:
            time.sleep(max(due - time.monotonic(), 0))
            client.request("GET", "/quick")
            client.getresponse().read()
            took.append(time.monotonic() - due)
            due += CLIENTS / RATE


def measure(port: int, seconds: float) -> list[float]:
    """The quick ones' latencies, in seconds, sorted."""
    took: list[float] = []
    begin = time.monotonic() + 0.2
    until = begin + seconds
    clients = [threading.Thread(target=ask_slowly, args=(port, until))]
    for number in range(CLIENTS):
        mine = begin + number / RATE
        clients.append(threading.Thread(target=ask_quickly, args=(port, mine, until, took)))
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return sorted(took)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python3 -m loadtest.slow_view", description="What a view that sleeps costs.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each of the two (default: %(default)g)")
    seconds = parser.parse_args(arguments).seconds
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder, "app.py")
        app.write_text(APP)
        for threads in "4", "0":
            with running("reactor", str(app), "--threads", threads, "--no-access-log") as (_, port):
                took = measure(port, seconds)
            p50, p99 = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.99))
            print(f"--threads {threads}: {len(took)} requests, p50 {p50:.1f} ms, p99 {p99:.1f} ms, "
                  f"longest {took[-1] * 1000:.1f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
