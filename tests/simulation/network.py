"""The network behind the proxy: sockets that are dialled, the addresses that answer or not, and what became of each
request that was passed on.

Law: whoever is told 502, 503 or 504, or sees an answer break off, is told so for a reason that is known here.
"""

import errno
import os
import socket
from collections.abc import Callable
from math import inf
from types import SimpleNamespace
from typing import Any

from handlers.proxy import Proxy
from reactor import Request
from reactor.respondent import HIGH_WATER

from .kernel import Kernel, Stream
from .plan import Ask
from .upstream import End

EARLY = 0.001
TUNNEL = 20.0  # seconds of silence in a tunnel
BROKEN = ("pass-short", "pass-reset", "pass-breaks", "pass-garbage")  # the kinds that are not answered as they should
IDEMPOTENT = ("GET", "HEAD", "PUT")
CODED = 6  # bytes that a byte becomes at most, in the chunked coding
WINDOWS = (1 << 30, 1 << 30, 4096, 700)  # bytes that an upstream's kernel takes before it has read any

# By the upstream as it is written: the addresses that its name has.
PLACES: dict[str, list[Any]] = {
    "http://one:80": [("10.0.0.1", 80)],
    "http://two:80": [("10.0.0.2", 80), ("10.0.0.3", 80)],
    "unix:/up": ["/up"],
}
FAILURES = (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EHOSTUNREACH)


class Network:
    """Attributes: `proxy`, `asks` (by token, those that may be passed on), `ends` (of every connection that was ever
    dialled), `switched` (the tokens that have become tunnels), `timeouts` (to connect, to the head of an answer, and
    between two of its pieces; seconds), `touch` (called with a token when something is done for it). In bytes: `high`,
    `kept`, `size` (what the proxy holds back, keeps for another time, and reads at once), `owed` (what of a request may
    be here: so much, and what of it comes in one turn).
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        random = self._random = kernel.random
        self.asks: dict[str, Ask] = {}
        self.ends: list[End] = []
        self.switched: set[str] = set()
        self.high = random.choice((2_000, 65_536))
        self.kept = random.choice((1_000, 131_072))
        self.size = random.choice((200, 1_000, 65_536))
        self.owed = max(self.kept, self.high) + HIGH_WATER + CODED * 64
        self.touch: Callable[[str], None] = lambda token: None
        named = random.choice((*PLACES, "http://one:80;http://two:80", "http://one:80;unix:/up"))
        self._shakiness = random.choice((0.0, 0.0, 0.1, 0.5))  # how often an address cannot be connected to
        self._addresses = [address for name in named.split(";") for address in PLACES[name]]
        self._failed_at = dict.fromkeys(self._addresses, 0.0)
        self._starved_at = 0.0
        self._passed_at: dict[str, float] = {}  # by token: when its head was handed to the proxy
        self._order: dict[str, int] = {}  # and as what, of all that happened here
        self._happened = 0
        self._heads: dict[str, int] = {}  # by token: how often its head has reached an upstream
        self.timeouts = (random.choice((5.0, 2.0, 9.0)), random.choice((20.0, 6.0)), random.choice((15.0, 6.0)))
        self.proxy = Proxy(
            named,
            timeout_connect=self.timeouts[0],
            timeout_response=self.timeouts[1],
            timeout_pause=self.timeouts[2],
            timeout_tunnel=TUNNEL,
            keep_alive=random.choice((30.0, 2.0)),
            lookup=random.choice((0.0, 2.0, 60.0)),
        )

    # What the proxy asks the system for.

    def system(self) -> SimpleNamespace:
        """In place of the module `socket`, as much of it as dialling uses."""
        names = ("AF_UNIX", "AF_INET", "SOCK_STREAM", "IPPROTO_TCP", "TCP_NODELAY", "SOL_SOCKET", "SO_ERROR")
        constants = {name: getattr(socket, name) for name in names}
        return SimpleNamespace(**constants, socket=self._socket, getaddrinfo=self._look_up)

    def thread(self, target: Callable[[], None], **_options: Any) -> SimpleNamespace:
        """In place of a thread that looks a name up, which may take its time."""
        delay = self._random.choice((0.0, 0.3, 3.0))
        return SimpleNamespace(start=lambda: self.kernel.in_thread(delay, target))

    def _look_up(self, host: str, port: int, **_options: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, 0, 0, "", address) for address in PLACES[f"http://{host}:{port}"]]

    def _socket(self, _family: int, _kind: int) -> "Outbound":
        kernel = self.kernel
        number = 0
        if len(kernel.descriptors) >= kernel.limit:
            number = errno.EMFILE
        elif kernel.chance(kernel.weather.refused / 4):
            number = self._random.choice((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
        if number:
            self._starved_at = kernel.now
            kernel.say("kernel", f"socket: {errno.errorcode[number]}")
            raise OSError(number, os.strerror(number))
        return Outbound(self)

    def dial(self, stream: "Outbound", address: Any) -> int:
        """What becomes of `connect`: an errno."""
        end = stream.peer
        assert isinstance(end, End)
        self.ends.append(end)
        random, kernel = self._random, self.kernel
        is_unix = isinstance(address, str)
        if kernel.chance(self._shakiness):
            way = random.choice(("at once", "later", "never") if not is_unix else ("at once",))
            self._failed_at[address] = kernel.now
            number = errno.EAGAIN if is_unix else random.choice(FAILURES)
            kernel.say(end.name, f"cannot be connected to, {way}: {errno.errorcode[number]}")
            if way == "at once":
                return number
            if way == "later":
                kernel.at(random.choice((0.001, 0.5)), lambda: stream.reset(number))
            return errno.EINPROGRESS
        if is_unix or random.random() < 0.1:
            stream.arrived()
            return 0
        kernel.at(random.choice((0.0, 0.001, 0.3)), stream.arrived)
        return errno.EINPROGRESS

    # What is passed on, and what became of it.

    def on_head(self, request: Request, token: str) -> Any:
        self._passed_at[token] = self.kernel.now
        self._order[token] = self.count()
        return self.proxy.on_head(request)

    def count(self) -> int:
        """The number of something that happens now: what happens at one moment has an order, too."""
        self._happened += 1
        return self._happened

    def on_arrival(self, token: str, method: str) -> Ask:
        """The head of a request has reached an upstream."""
        if token not in self._passed_at:
            self.kernel.fail(f"an upstream is asked {token}, which is not under way")
        ask = self.asks[token]
        times = self._heads[token] = self._heads.get(token, 0) + 1
        if method != ask.method:
            self.kernel.fail(f"{token} is a {ask.method}, and reaches the upstream as a {method}")
        if times > (2 if method in IDEMPOTENT else 1):
            self.kernel.fail(f"{method} {token} reaches an upstream {times} times")
        return ask

    def may_fail(self, token: str, status: int) -> bool:
        """Whether there is a reason to answer `status`, one of 502, 503 and 504; 0: to break off."""
        since, now, ask = self._passed_at.get(token, inf), self.kernel.now, self.asks[token]
        if any(end.stream.is_disturbed for end in self.ends):
            return True
        if status == 503:
            return self._starved_at >= since
        mine = [end for end in self.ends if end.is_of(token, since)]
        slow = [end for end in mine if now >= end.moved_at + min(self.timeouts) - EARLY and not end.has_said_all(token)]
        if status == 504 or (slow and not status):
            return bool(slow)
        if ask.kind in BROKEN or any(end.babbled_at >= since for end in mine):
            return True
        if status == 502 and min(self._failed_at.values()) >= since:
            return True
        if ask.method not in IDEMPOTENT:
            return any(end.died > self._order[token] for end in self.ends)
        is_kept = CODED * ask.upload + 5 <= self.kept
        return not is_kept and any(end.died_at >= since for end in self.ends)

    def touched_at(self, token: str) -> float:
        """When something last moved of a request that was passed on."""
        since = self._passed_at.get(token, inf)
        return max((end.moved_at for end in self.ends if end.is_of(token, since)), default=since)

    def due(self, token: str, touched: float) -> float:
        """When a request that was passed on is answered at the latest, if nothing moves; `touched`: seconds, when the
        client last did something for it."""
        return max(touched, self.touched_at(token)) + max(self.timeouts)

    def taken(self, token: str) -> int:
        """Bytes of a tunnel that were taken from the upstream."""
        return max((end.taken() for end in self.ends if token in end.tokens), default=0)


class Outbound(Stream):
    """The server's end of a connection that it dials. Attribute: `is_connecting`."""

    def __init__(self, network: Network) -> None:
        window = network.kernel.random.choice(WINDOWS)
        super().__init__(network.kernel, End(network, self, window), window)
        self._network = network
        self._fd = network.kernel.open(self)
        self.is_connecting = False

    def setsockopt(self, *option: object) -> None:
        if option[0] == socket.SOL_SOCKET:
            super().setsockopt(*option)

    def connect_ex(self, address: Any) -> int:
        self._kernel.call()
        number = self._network.dial(self, address)
        self.is_connecting = number == errno.EINPROGRESS
        return number

    def arrived(self) -> None:
        self.is_connecting = False

    def reset(self, number: int = errno.ECONNRESET) -> None:
        """Behind the peer's FIN nothing is lost, and recv is not told; only then it is EPIPE (tcp_reset in Linux)."""
        if self.has_ended:
            self.is_dead = True
        else:
            super().reset(errno.ECONNRESET if number == errno.EPIPE else number)

    def getsockopt(self, _level: int, _option: int) -> int:
        if self.is_connecting and not self.is_dead:
            self._kernel.fail("asks whether it is connected, and was not told")
        self.is_connecting = False
        number, self._error = self._error, 0
        return number

    def ready(self) -> int:
        return 0 if self.is_connecting and not self.is_dead else super().ready()
