"""What an idle connection costs: each is served once and kept alive; the memory of the server before and after."""

import resource
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadtest.arena.contender import Contender
from loadtest.arena.peers import Peer
from loadtest.arena.visit import memory
from loadtest.arena.workloads import PATIENCE, WORKLOADS, Wrong, check
from loadtest.attacks.measure import say
from loadtest.servers import HOST, get

WARM_UP = 100  # requests, each on a connection of its own, before memory is looked at
SPARE = 100  # descriptors besides those of the connections
REQUEST = b"GET /test HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class Idle:
    """`before`: bytes of all processes of the server; `each`: bytes a connection; `kept`: how many of `count` were
    still open at the end; `state`: why there is nothing of this, or ""."""

    name: str
    count: int
    before: int = 0
    each: float = 0.0
    kept: int = 0
    state: str = ""


def allowed(count: int) -> int:
    """So many connections, or as many as the limit of descriptors allows."""
    return min(count, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE)


def measure(peers: Sequence[Peer], count: int) -> Iterator[Idle]:
    """One server after the other; only the one that is looked at runs."""
    for peer in peers:
        say(f"idle connections: {peer.name}")
        contender = Contender(peer)
        found = Idle(peer.name, count)
        try:
            contender.start()
            check(WORKLOADS["hello"], contender.port, closes=False)
            _measure(contender, found)
        except (RuntimeError, Wrong, OSError) as error:
            found.state = str(error) or type(error).__name__
        finally:
            contender.stop()
        say("")
        yield found


def _measure(contender: Contender, found: Idle) -> None:
    for _ in range(WARM_UP):
        get(contender.port, "/test")
    found.before = memory(contender.pid)
    clients: list[socket.socket] = []
    try:
        for _ in range(found.count):
            clients.append(socket.create_connection((HOST, contender.port), timeout=PATIENCE))
            _ask(clients[-1])
        time.sleep(0.5)
        found.each = (memory(contender.pid) - found.before) / found.count
        found.kept = sum(map(_is_open, clients))
    finally:
        for client in clients:
            client.close()


def _ask(client: socket.socket) -> None:
    client.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"\r\n\r\nHello"):
        if not (piece := client.recv(4096)):
            raise Wrong(f"closes the connection after {answer!r}")
        answer += piece


def _is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return bool(client.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False
