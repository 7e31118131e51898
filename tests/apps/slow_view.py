"""`python3 -m tests.apps.slow_view`: what one view that sleeps costs the others, in time.

One client asks for a view that sleeps a second, again and again; others ask for a quick one, 100 times a second in all.
The quick ones' latencies are printed, with threads and, to compare, on the loop. What is counted and not timed is a
test: tests/handlers/test_wsgi_threads.py.
"""

import http.client
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from tests.program import Program

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


def ask_slowly(address: str, until: float) -> None:
    with closing(http.client.HTTPConnection(address, timeout=60)) as client:
        while time.monotonic() < until:
            client.request("GET", "/slow")
            client.getresponse().read()


def ask_quickly(address: str, begin: float, until: float, took: list[float]) -> None:
    """At RATE / CLIENTS a second, by the clock: who waits for an answer is late with the next, and that counts."""
    due = begin
    with closing(http.client.HTTPConnection(address, timeout=60)) as client:
        while due < until:
            time.sleep(max(due - time.monotonic(), 0))
            client.request("GET", "/quick")
            client.getresponse().read()
            took.append(time.monotonic() - due)
            due += CLIENTS / RATE


def measure(address: str, seconds: float) -> list[float]:
    """The quick ones' latencies, in seconds, sorted."""
    took: list[float] = []
    begin = time.monotonic() + 0.2
    until = begin + seconds
    clients = [threading.Thread(target=ask_slowly, args=(address, until))]
    for number in range(CLIENTS):
        mine = begin + number / RATE
        clients.append(threading.Thread(target=ask_quickly, args=(address, mine, until, took)))
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return sorted(took)


def main(seconds: float = SECONDS) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "app.py").write_text(APP)
        for threads in "4", "0":
            options = ("--threads", threads, "--no-access-log")
            with Program("app.py", *options, cwd=Path(folder), env={"PYTHONDEVMODE": ""}) as program:
                took = measure(program.url.removeprefix("http://"), seconds)
                program.stop()
            p50, p99 = (took[int(len(took) * share)] * 1000 for share in (0.5, 0.99))
            print(f"--threads {threads}: {len(took)} requests, p50 {p50:.1f} ms, p99 {p99:.1f} ms, "
                  f"longest {took[-1] * 1000:.1f} ms")  # fmt: skip


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
