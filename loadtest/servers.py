"""Start a server as a process of its own, wait until it answers, stop it: what every measurement here begins with."""

import contextlib
import http.client
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
START_TIMEOUT = 10.0  # seconds until it must accept
STOP_TIMEOUT = 10.0  # seconds from TERM until it must be gone


def free_port() -> int:
    """A TCP port that nobody has just now. None of those that the system gives to clients (32768 and above on Linux):
    while a server starts, somebody's connection would take it."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise RuntimeError("none of a hundred ports is free")


def wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    """Return once something accepts on the port; fail if the server leaves or is silent for too long."""
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError:
            if server.poll() is not None:
                raise RuntimeError(f"the server left with {server.returncode} before it accepted") from None
            if time.monotonic() > deadline:
                raise RuntimeError(f"nothing accepts on port {port} after {START_TIMEOUT:.0f} s") from None
        time.sleep(0.05)


@contextlib.contextmanager
def running(module: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A Python module serving on a free port, as (process, port); at the end it must stop cleanly on TERM."""
    port = free_port()
    command = [sys.executable, "-m", module, *arguments, "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        wait_for(server, port)
        yield server, port
        server.send_signal(signal.SIGTERM)
        if code := server.wait(STOP_TIMEOUT):
            raise RuntimeError(f"{module} left with {code}")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def get(port: int, path: str) -> tuple[int, bytes]:
    """One request, as (status, body)."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
