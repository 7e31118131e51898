"""What many connections and large bodies cost a server: `python3 -m loadtest.scale` measures it.

Here is what its measurements share, with each other and with the rest of `loadtest`.
"""

import os
import resource
import socket
import struct
import sys
from pathlib import Path

from loadtest.servers import HOST

REQUEST = b"GET /test HTTP/1.1\r\nHost: localhost\r\n\r\n"
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, zero seconds
TARGET = "loadtest/scale/target.py"
MIB = 1024 * 1024

Found = dict[str, str]


def resident(pid: int) -> int:
    """Bytes of memory of a process."""
    return _memory(pid, "VmRSS")


def peak(pid: int) -> int:
    """Bytes of memory of a process, at the most since it began."""
    return _memory(pid, "VmHWM")


def _memory(pid: int, name: str) -> int:
    fields = Path(f"/proc/{pid}/status").read_text().partition(f"{name}:")[2].split()
    return int(fields[0]) * 1024


def descriptors(pid: int) -> int:
    """Open descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(port: int, data: bytes = b"") -> socket.socket:
    """A connection that has sent `data`."""
    client = socket.create_connection((HOST, port), timeout=30)
    if data:
        client.sendall(data)
    return client


def ask(client: socket.socket) -> None:
    """One request and its answer."""
    client.sendall(REQUEST)
    answer = client.recv(4096)
    if not answer.startswith(b"HTTP/1.1 200") or not answer.endswith(b"Hello"):
        raise RuntimeError(f"not the answer: {answer!r}")


def allow_descriptors(count: int) -> int:
    """Raise what we, and what we start, may have open to `count` at least; how many that is, where it is less."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(count, hard), max(count, hard)))
    except (OSError, ValueError):  # only who may can raise the hard limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def say(text: str) -> None:
    """Progress."""
    print(text, file=sys.stderr, flush=True)
