"""The engine of the attacks: many hostile connections at once, each following a script, and a count of how they ended.

A script is a coroutine that is given a `Peer`, one connection to the server. Scripts are in `kinds.py`; the tests in
`tests/attacks` and the measurement `python3 -m loadtest.attacks` take them from there.

    python3 -m loadtest.attacks.attackers NAME PORT COUNT SECONDS

runs one attack against a server; it prints "begun", and at the end the count as JSON.
"""

import asyncio
import errno
import json
import os
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

from loadtest.scale import RESET
from loadtest.servers import HOST

ARRIVALS = 2000  # connections a second while an attack builds up; more at once would only fill the kernel's queue
CONNECT_TIMEOUT = 10.0  # seconds
BEGUN = "begun"  # what it says when it begins
UNHURRIED = 0.02  # seconds before one who could not connect tries again

Tally = Counter[str]


class Ended(Exception):
    """The server has sent its FIN."""


class Peer:
    """One hostile connection. Attributes: `sock`; `pause` (seconds between two steps of a slow one); `tally`."""

    def __init__(self, sock: socket.socket, pause: float, tally: Tally) -> None:
        self.sock = sock
        self.pause = pause
        self.tally = tally
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        """Send all of it; waits where the server does not read."""
        await self._loop.sock_sendall(self.sock, data)

    async def receive(self, size: int = 65536) -> bytes:
        """What is here, or comes next; counts the status of an answer that begins with it."""
        return self._taken(await self._loop.sock_recv(self.sock, size))

    def _taken(self, data: bytes) -> bytes:
        if not data:
            raise Ended
        if data.startswith(b"HTTP/1.1 "):
            self.tally[data[9:12].decode("latin-1")] += 1
        return data

    async def ask(self, request: bytes) -> bytes:
        """Send, and take the first that comes back."""
        await self.send(request)
        return await self.receive()

    async def listen(self, seconds: float | None = None) -> None:
        """Take whatever comes, for some seconds or until the end."""
        until = float("inf") if seconds is None else self._loop.time() + seconds
        while await self._is_readable(until):
            try:
                self._taken(self.sock.recv(65536))
            except BlockingIOError:
                pass

    async def _is_readable(self, until: float) -> bool:
        """Wait until something is here, or the end; False: it is later than `until`. A `sock_recv` that is broken off
        by a timeout may have taken something, and loses it."""
        ready = asyncio.Event()
        self._loop.add_reader(self.sock, ready.set)
        try:
            async with asyncio.timeout_at(until):
                await ready.wait()
            return True
        except TimeoutError:
            return False
        finally:
            self._loop.remove_reader(self.sock)

    async def sleep(self, seconds: float) -> None:
        """Do nothing at all; ConnectionResetError if the server has reset the connection meanwhile."""
        await asyncio.sleep(seconds)
        if code := self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))

    async def sleep_on(self) -> NoReturn:
        """Do nothing until the server has had enough."""
        while True:
            await self.sleep(self.pause)

    def fin(self) -> None:
        """Say that nothing more will come."""
        self.sock.shutdown(socket.SHUT_WR)

    def vanish(self) -> None:
        """Close with a reset when the script is over."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def shrink(self) -> None:
        """Take as little into the kernel's own buffer as it allows, and send each piece by itself."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


Script = Callable[[Peer], Awaitable[None]]


@dataclass(frozen=True)
class Attack:
    """`name`; `what` it does, in a few words; `script`; `count` (connections at once, at full strength);
    `comes_again` (who is thrown out, or is done, connects again); `flags` of the server it is meant for."""

    name: str
    what: str
    script: Script
    count: int
    comes_again: bool
    flags: tuple[str, ...]


def besiege(
    attack: Attack, port: int, count: int, seconds: float, pause: float = 1.0, comes_again: bool | None = None
) -> Tally:
    """Run an attack with `count` connections at once for `seconds`, or until all are done.

    The tally has `connected`, and how the connections ended: `ended` (the server's FIN), `reset` (its RST), `done`
    (the script's own end), `there` (still there when time was up); and the statuses of the answers that were seen.
    """
    again = attack.comes_again if comes_again is None else comes_again
    return asyncio.run(_besiege(attack.script, port, count, seconds, pause, again))


async def _besiege(script: Script, port: int, count: int, seconds: float, pause: float, again: bool) -> Tally:
    asyncio.get_running_loop().slow_callback_duration = seconds  # attackers yield to everybody: they are to be slow
    tally = Tally()
    until = time.monotonic() + seconds
    places = [
        asyncio.create_task(_hold(script, port, tally, number / ARRIVALS, pause, until if again else 0.0))
        for number in range(count)
    ]
    _, late = await asyncio.wait(places, timeout=seconds)
    for place in late:
        place.cancel()
    for outcome in await asyncio.gather(*places, return_exceptions=True):
        if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
            raise outcome
    return tally


async def _hold(script: Script, port: int, tally: Tally, delay: float, pause: float, until: float) -> None:
    """One place among the attackers, taken once, or again and again until a moment."""
    await asyncio.sleep(delay)
    while True:
        try:
            await _follow(script, port, tally, pause)
        except OSError as error:
            if error.errno == errno.EMFILE:
                raise
            tally["no connection"] += 1
            await asyncio.sleep(UNHURRIED)
        if time.monotonic() >= until:
            return


async def _follow(script: Script, port: int, tally: Tally, pause: float) -> None:
    """One connection, from its beginning to its end; OSError where there is not even a beginning."""
    with socket.socket() as sock:
        sock.setblocking(False)
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await asyncio.get_running_loop().sock_connect(sock, (HOST, port))
        tally["connected"] += 1
        how = "there"
        try:
            await script(Peer(sock, pause, tally))
            how = "done"
        except Ended:
            how = "ended"
        except OSError:
            how = "reset"
        finally:
            tally[how] += 1


def raise_limit() -> None:
    """As many descriptors as we may have; what is started from here inherits it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Run one attack, as another process than the one that measures."""
    from loadtest.attacks.kinds import ATTACKS

    name, port, count, seconds = sys.argv[1:]
    raise_limit()
    print(BEGUN, flush=True)
    print(json.dumps(besiege(ATTACKS[name], int(port), int(count), float(seconds))))


if __name__ == "__main__":
    main()
