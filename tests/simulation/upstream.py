"""A server behind the proxy, or what passes for one: the other end of one dialled connection.

It judges what it is asked, and answers as the kind of the request says (`plan.PASSED`): whole or in pieces, early or
never, too much, too little or nonsense; and between two requests it closes when it pleases.
"""

import re
from math import inf
from typing import TYPE_CHECKING

from .kernel import Stream
from .plan import Ask, chunk, text

if TYPE_CHECKING:
    from .network import Network, Outbound

HEAD = re.compile(rb"([A-Z]+) /([a-z-]+)/(c[0-9]+r[0-9]+) HTTP/1\.1")
AT_ONCE = ("pass-early", "pass-duplex", "pass-breaks")  # the kinds that are answered with their head
CUT = ("pass-short", "pass-reset", "pass-breaks")  # and whose answers break off
SILENT = ("pass-never", "pass-deaf")
PIECES = 30  # of an answer, at most
PAUSES = ((0.0,), (0.0,), (0.0, 0.001), (0.0, 0.3), (0.0, 1.5))  # seconds between them; less than any timeout
NONSENSE = (
    b"SSH-2.0-OpenSSH\r\n\r\n",
    b"HTTP/1.1 200\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\n" * 9 + b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
)
SWITCHING = b"HTTP/1.1 101 Now\r\nConnection: Upgrade\r\nUpgrade: toy\r\n\r\n"


class End:
    """A kernel's Peer. Attributes: `name`, `stream`, `tokens` (of the requests whose heads came), `moved_at` (when
    bytes last went either way; at first, when it was dialled), `died_at` (when it closed), `babbled_at` (when it last
    said what nobody had asked for); seconds; `died` (the number that closing had in the network's order)."""

    unread = 0  # nothing asks for more than the kernel's window

    def __init__(self, network: "Network", stream: "Outbound", window: int) -> None:
        self.name = f"u{len(network.ends)}"
        self.stream = stream
        self.tokens: list[str] = []
        self.moved_at = self._dialled_at = network.kernel.now
        self.died_at = self.babbled_at = -inf
        self.died = 0
        self._network = network
        self._kernel = network.kernel
        random = self._random = network.kernel.random
        self._is_windowed = window < 1 << 30
        self._every = random.choice((0.0, 0.0, 0.0, 0.001, 0.4))
        self._pauses = random.choice(PAUSES)
        self._cut = random.choice((1 << 20, 1 << 20, 1000, 50, 7))
        self._in = bytearray()
        self._ask: Ask | None = None  # what is being asked
        self._got = 0  # bytes of its body
        self._left = 0  # that are still to come of it; of a chunk, where it is chunked
        self._is_chunked = self._is_behind_chunk = self._is_heard = self._is_speaking = False
        self._is_tunnel = self._has_heard_goodbye = False
        self._head = 0  # bytes that were said in front of a tunnel
        self._saying: list[tuple[float, bytes]] = []
        self._ending = self._framing = ""
        self._is_over = self._will_die = self._is_answered = False

    def is_of(self, token: str, since: float) -> bool:
        """Whether a request that was passed on at `since` was asked here, or can have been."""
        return token in self.tokens or (not self.tokens and self._dialled_at >= since)

    def has_said_all(self, token: str) -> bool:
        """Whether an answer that does not break off was said to `token`, and is taken."""
        ask = self._ask
        if ask is None or ask.token != token or ask.kind in (*CUT, *SILENT, "pass-tunnel"):
            return False
        return self._is_answered and not self._is_speaking and not self.stream.inbound

    def taken(self) -> int:
        """Bytes that the proxy has read behind a 101."""
        return self.stream.received - self._head if self._is_tunnel else 0

    # What the proxy does, as the kernel tells it.

    def on_accept(self, stream: Stream) -> None: ...

    def on_taken(self, count: int) -> None:
        self._move()

    def on_data(self, data: bytes) -> None:
        self._move()
        is_deaf = self._ask is not None and self._ask.kind == "pass-deaf"
        if self._is_windowed and not is_deaf:
            self._kernel.at(self._every, lambda: self.stream.read(len(data)))
        if self._is_over:
            return
        self._in += data
        if self._will_die:
            self._die()
        elif self._is_tunnel:
            self._echo()
        else:
            while self._step():
                pass

    def on_end(self, is_reset: bool, is_closed: bool) -> None:
        self._is_over = self._is_over or is_closed
        self._has_heard_goodbye = True
        if self._is_tunnel and not is_closed and self._random.random() < 0.8:
            self._ending = "ends"
            self._speak_on()

    def _move(self) -> None:
        self.moved_at = self._kernel.now
        if self.tokens:
            self._network.touch(self.tokens[-1])

    # What it is asked.

    def fail(self, what: str) -> None:
        self._kernel.fail(f"{self.name}: {what}")

    def _step(self) -> bool:
        if self._ask is None or self._is_heard:
            return self._take_head()
        if self._is_behind_chunk:
            return self._take_line_end()
        if self._is_chunked and not self._left:
            return self._take_chunk_size()
        data = bytes(self._in[: self._left])
        del self._in[: len(data)]
        if data != text(self._ask.token, self._got + len(data))[self._got :]:
            self.fail(f"the body of {self._ask.token} is not what was sent: {data[:60]!r} at {self._got}")
        self._got += len(data)
        self._left -= len(data)
        if self._left:
            return False
        if self._is_chunked:
            self._is_behind_chunk = True
        else:
            self._finish(self._ask)
        return bool(self._in)

    def _take_head(self) -> bool:
        end = self._in.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = bytes(self._in[:end]).split(b"\r\n")
        del self._in[: end + 4]
        if self._is_speaking:
            self.fail(f"is asked {first!r} before it has answered")
        line = HEAD.fullmatch(first)
        if line is None:
            self.fail(f"is asked {first!r}")
            return False
        fields = dict(each.split(b": ", 1) for each in lines)
        ask = self._ask = self._network.on_arrival(line[3].decode(), line[1].decode())
        self.tokens.append(ask.token)
        if not fields.get(b"Via", b"").endswith(b" reactor") or len(fields) != len(lines) or b"Expect" in fields:
            self.fail(f"a head with {lines}")
        coding, length = fields.get(b"Transfer-Encoding"), fields.get(b"Content-Length")
        if (coding is None) + (length is None) != 1 and (ask.upload or coding is not None):
            self.fail(f"a body is framed by {lines}")
        self._is_chunked, self._left = coding is not None, int(length or b"0")
        if not self._is_chunked and self._left != ask.upload:
            self.fail(f"a body of {self._left} bytes is announced, and {ask.token} has {ask.upload}")
        self._got, self._is_heard, self._is_answered = 0, False, False
        if ask.kind in AT_ONCE:
            self._answer(ask)
        if not self._is_chunked and not self._left:
            self._finish(ask)
        return bool(self._in)

    def _take_chunk_size(self) -> bool:
        end = self._in.find(b"\r\n")
        if end < 0:
            return False
        self._left = int(self._in[:end], 16)
        if self._left:
            del self._in[: end + 2]
            return bool(self._in)
        if len(self._in) < end + 4:
            return False
        if self._in[: end + 4] != b"0\r\n\r\n":
            self.fail(f"the last chunk is {bytes(self._in)!r}")
        del self._in[: end + 4]
        assert self._ask is not None
        self._finish(self._ask)
        return bool(self._in)

    def _take_line_end(self) -> bool:
        if len(self._in) < 2:
            return False
        if not self._in.startswith(b"\r\n"):
            self.fail(f"a chunk ends with {bytes(self._in[:2])!r}")
        del self._in[:2]
        self._is_behind_chunk = False
        return bool(self._in)

    def _finish(self, ask: Ask) -> None:
        """The request is complete."""
        if self._got != ask.upload:
            self.fail(f"the body of {ask.token} ends after {self._got} of {ask.upload} bytes")
        self._is_heard = True
        if ask.kind not in AT_ONCE:
            self._answer(ask)

    # What it answers.

    def _answer(self, ask: Ask) -> None:
        if ask.kind in SILENT:
            return
        random = self._random
        self._ending = "keeps"
        wire, size = self._wire(ask)
        if ask.kind in CUT:
            wire = wire[: random.randrange(len(wire))]
            self._ending = "ends" if ask.kind == "pass-short" and self._framing != "close" else "resets"
        elif ask.kind == "pass-much":
            wire, self._cut = wire + self._babble(), 1 << 20
            size = len(wire)  # all of it in one piece: of what comes later nobody can tell what it answers
        elif ask.kind == "pass-garbage":
            wire = random.choice(NONSENSE)
            size = len(wire)
        elif ask.kind == "pass-tunnel":
            self._ending = ""
        elif self._framing == "close" or random.random() < 0.1:
            self._ending = "ends"
        self._say(wire[:size], (0.0, 0.001))
        self._say(wire[size:], self._pauses)
        if ask.kind == "pass-tunnel":
            self._is_tunnel, self._head = True, self.stream.received + len(self.stream.inbound) + len(wire)
            self._network.switched.add(ask.token)
            self._echo()
        self._is_answered = True
        self._speak_on()

    def _wire(self, ask: Ask) -> tuple[bytes, int]:
        """The answer, and the bytes of its head (or of all of it, where it is to come at once)."""
        random = self._random
        body = ask.body
        lines = [b"HTTP/1.1 %d Fine" % ask.status]
        framing = "chunked" if ask.kind == "pass-chunked" else "close" if ask.kind == "pass-close" else "length"
        if ask.kind in ("pass-upload", "pass-duplex", *CUT):
            framing = random.choice(("length", "chunked", "close"))
        if ask.kind == "pass-tunnel":
            return SWITCHING, len(SWITCHING)
        self._framing = framing
        if framing == "chunked":
            lines.append(b"Transfer-Encoding: chunked")
            body = chunk(random, body)
        elif framing == "length" and ask.status != 204:
            lines.append(b"Content-Length: %d" % len(body))
        lines += [b"Date: x", b"Connection: x-hop", b"X-Hop: 1"] if random.random() < 0.3 else []
        head = b"\r\n".join([*lines, b"", b""])
        if ask.kind == "pass-interim":
            head = b"HTTP/1.1 103 Early\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + head
        return (head if ask.method == "HEAD" else head + body), len(head)

    def _babble(self) -> bytes:
        """What nobody has asked for."""
        self.babbled_at = self._kernel.now
        return b"HTTP/1.1 408 Too Late\r\nContent-Length: 0" + b"\r\n\r\n" * self._random.randint(0, 1)

    def _say(self, data: bytes, pauses: tuple[float, ...]) -> None:
        """Say it, in pieces."""
        cut = max(self._cut, len(data) // PIECES, 1)
        for at in range(0, len(data), cut):
            self._saying.append((self._random.choice(pauses), data[at : at + cut]))

    def _echo(self) -> None:
        self._say(bytes(self._in), self._pauses)
        self._in.clear()
        self._speak_on()

    def _speak_on(self) -> None:
        if not self._is_speaking:
            self._is_speaking = True
            self._speak()

    def _speak(self) -> None:
        """The next piece; behind the last, what the ending is."""
        if self._is_over or self.stream.is_dead:
            return
        if self._saying:
            pause, data = self._saying.pop(0)
            self._kernel.at(pause, lambda: self._let_go(data))
            return
        self._is_speaking = False
        ending, self._ending = self._ending, ""
        match ending:
            case "ends":
                self._leave()
            case "resets":
                self.stream.reset()
            case "keeps":
                self._idle()

    def _let_go(self, data: bytes) -> None:
        if not self._is_over:
            self._kernel.say(self.name, f"sends {len(data)} bytes {data[:60]!r}")
            self.moved_at = self._kernel.now
            self.stream.arrive(data)
            self._speak()

    # Between two requests.

    def _idle(self) -> None:
        """An answer is complete: wait for the next request, or give the connection up at some time."""
        manner = self._random.choice(("stays", "stays", "stays", "dies", "leaves", "resets", "babbles"))
        self._will_die = manner == "dies"
        if manner in ("leaves", "resets", "babbles"):
            count = len(self.tokens)
            self._kernel.at(self._random.choice((0.0, 0.5, 3.0)), lambda: self._give_up(manner, count))

    def _give_up(self, manner: str, count: int) -> None:
        if self._is_over or self.stream.is_dead or len(self.tokens) != count or self._in:
            return  # it is closed, or asked again
        if manner == "babbles":
            self._kernel.say(self.name, "says what nobody asked for")
            self.stream.arrive(self._babble())
        elif manner == "leaves":
            self._leave()
        else:
            self._die()

    def _die(self) -> None:
        """Close a connection that was kept, whether the next request has come or not."""
        self._kernel.say(self.name, "closes what it had kept")
        self.died_at, self.died = self._kernel.now, self._network.count()
        line = HEAD.match(self._in)
        if line is not None:
            self._network.on_arrival(line[3].decode(), line[1].decode())
        self._is_over = True
        if self.stream.inbound:  # a reset would take the end of the last answer with it
            self.stream.leave()
        else:
            self.stream.reset()

    def _leave(self) -> None:
        self._kernel.say(self.name, "closes")
        self.died_at, self.died = self._kernel.now, self._network.count()
        self._is_over = True
        if self._in or not self._is_heard:
            self.stream.end()  # what is still to come is thrown away
        else:
            self.stream.leave()
