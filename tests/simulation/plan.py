"""What a client is going to do, drawn from a source of randomness: its requests, how it cuts, sends, reads and ends.

Every request names itself in its target, `/KIND/TOKEN`, and its answer is known beforehand: no two are alike.
"""

from random import Random
from typing import NamedTuple

SMALL, LARGE = 40, 40_000  # bytes of a body: the latter is more than is joined, and than most windows
PIECES = (3, 0, 700, 20_000, 1)  # bytes of the pieces of a streamed body
STREAMED = sum(PIECES)


def text(token: str, size: int) -> bytes:
    """`size` bytes that are this token's and no other's."""
    return ((token + ":") * (size // len(token) + 1)).encode()[:size]


class Kind(NamedTuple):
    """One kind of request. `status` and `size` (of the body) of its answer; `upload` (bytes of its own body)."""

    status: int = 200
    size: int = SMALL
    upload: int = 0
    is_early: bool = False  # the answer may come before the request's body is complete
    may_break: bool = False  # the handler does not keep what it promised
    is_silent: bool = False  # it is never answered
    is_bad: bool = False  # no handler sees it
    is_upgrade: bool = False
    is_passed: bool = False  # to a server behind the proxy; what that does is in upstream.py


# By the first part of the path; what each does is in application.py.
KINDS = {
    "hello": Kind(),
    "empty": Kind(204, 0),
    "large": Kind(size=LARGE),
    "stream": Kind(size=STREAMED),
    "stream-length": Kind(size=STREAMED),
    "stream-later": Kind(size=STREAMED),
    "file": Kind(size=LARGE),
    "later": Kind(),
    "later-large": Kind(size=LARGE),
    "later-stream": Kind(size=STREAMED),
    "later-raises": Kind(500, 0),
    "later-later": Kind(),
    "never": Kind(is_silent=True),
    "raise": Kind(500, 0),
    "nonsense": Kind(500, 0),
    "stream-raises": Kind(size=STREAMED, may_break=True),
    "stream-short": Kind(size=STREAMED + 1, may_break=True),
    "stream-long": Kind(size=STREAMED - 1, may_break=True),
    "file-short": Kind(size=LARGE + 1, may_break=True),
    "echo": Kind(upload=300),
    "echo-large": Kind(upload=100_000),
    "sink": Kind(upload=5_000),
    "sink-pauses": Kind(upload=5_000),
    "sink-later": Kind(upload=600),
    "sink-stops": Kind(403, 0, upload=3_000, is_early=True),
    "sink-raises": Kind(500, 0, upload=3_000, is_early=True),
    "early": Kind(401, 0, upload=2_000, is_early=True),
    "early-later": Kind(401, 0, upload=2_000, is_early=True),
    "early-large": Kind(401, LARGE, upload=2_000, is_early=True),
    "duplex": Kind(202, upload=5_000, is_early=True),
    "duplex-large": Kind(202, LARGE, upload=5_000, is_early=True),
    "duplex-stream": Kind(202, STREAMED, upload=5_000, is_early=True),
    "duplex-pauses": Kind(202, STREAMED, upload=5_000, is_early=True),
    "duplex-raises": Kind(500, 0, upload=3_000, is_early=True),
    "upgrade": Kind(101, 0, is_upgrade=True),
    "upgrade-later": Kind(101, 0, is_upgrade=True),
}
NAMES = list(KINDS)
PASSED = {
    "pass": Kind(is_passed=True),
    "pass-empty": Kind(204, 0, is_passed=True),
    "pass-pieces": Kind(size=STREAMED, is_passed=True),
    "pass-chunked": Kind(size=STREAMED, is_passed=True),
    "pass-close": Kind(size=STREAMED, is_passed=True),
    "pass-large": Kind(size=LARGE, is_passed=True),
    "pass-interim": Kind(is_passed=True),
    "pass-upload": Kind(upload=2_000, is_early=True, is_passed=True),
    "pass-upload-large": Kind(upload=100_000, is_early=True, is_passed=True),
    "pass-early": Kind(401, 0, upload=20_000, is_early=True, is_passed=True),
    "pass-duplex": Kind(202, STREAMED, upload=2_000, is_early=True, is_passed=True),
    "pass-breaks": Kind(202, STREAMED, upload=2_000, is_early=True, may_break=True, is_passed=True),
    "pass-short": Kind(size=STREAMED, may_break=True, is_passed=True),
    "pass-reset": Kind(size=STREAMED, may_break=True, is_passed=True),
    "pass-much": Kind(is_passed=True),
    "pass-garbage": Kind(502, 0, is_passed=True),
    "pass-never": Kind(504, 0, is_passed=True),
    "pass-deaf": Kind(504, 0, upload=100_000, is_early=True, is_passed=True),
    "pass-tunnel": Kind(101, 0, is_upgrade=True, is_passed=True),
}
PASSED_NAMES = list(PASSED)
PASSED_USUAL = ["pass", "pass", "pass-empty", "pass-chunked", "pass-large", "pass-upload"]
KINDS |= PASSED
USUAL = ["hello", "hello", "empty", "empty", "large", "stream", "file", "later", "echo", "sink"]

# What no handler sees: the bytes, and the status of the refusal.
BAD = [
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", 413),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: much\r\n\r\n", 417),
]
SMUGGLED = b"GET /hello/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"


class Ask(NamedTuple):
    """One request, and what must become of it. `kind`: a name in KINDS, or "bad"; `size`: of the whole, as the client
    would send it; `status`, `body`: of the answer; `upload`: bytes of its own body, without the coding."""

    token: str
    kind: str
    what: Kind
    method: str
    head: bytes
    payload: bytes
    status: int
    body: bytes
    is_old: bool
    wants_close: bool
    expects: bool
    upload: int = 0

    @property
    def size(self) -> int:
        return len(self.head) + len(self.payload)


class Script(NamedTuple):
    """What one client does. `begin`: seconds from the start; `listener`: which; `pauses`: seconds between pieces of
    what it sends, drawn from these; `cut`: how many bytes a piece has at most; `is_polite`: one request at a time;
    `sends`: bytes that it sends in all, less than its requests have where it breaks off; `ending`: what it does then;
    `window`, `reads`, `every`: it takes `reads` bytes every so many seconds (0: at once)."""

    name: str
    begin: float
    listener: int
    host: str
    asks: list[Ask]
    pauses: tuple[float, ...]
    cut: int
    is_polite: bool
    sends: int
    ending: str
    patience: float
    window: int
    reads: int
    every: float


def draw_ask(random: Random, token: str, body_limit: int, passes: bool) -> Ask:
    """`passes`: most of them are for a server behind the proxy."""
    kind = random.choice(USUAL if random.random() < 0.5 else NAMES)
    if passes and random.random() < 0.8:
        kind = random.choice(PASSED_USUAL if random.random() < 0.5 else PASSED_NAMES)
    if random.random() < 0.04:
        data, status = random.choice(BAD)
        head, end, payload = data.partition(b"\r\n\r\n")
        payload += SMUGGLED * random.randint(0, 1)
        return Ask(token, "bad", Kind(is_bad=True), "GET", head + end, payload, status, b"", False, False, False)
    what = KINDS[kind]
    is_old = random.random() < 0.12 and not what.is_upgrade
    method = "POST" if what.upload else random.choice(("GET", "GET", "GET", "HEAD")) if not what.is_upgrade else "GET"
    if what.is_passed and method in ("POST", "GET") and not what.is_upgrade:  # what may be repeated, and what may not
        method = random.choice(("POST", "PUT") if what.upload else ("GET", "POST"))
    fields = ["Host: a"]
    wants_close = is_old
    if is_old and random.random() < 0.7:
        wants_close = False
        fields.append("Connection: keep-alive")
    elif not what.is_upgrade and random.random() < 0.1:
        wants_close = True
        fields.append("Connection: close")
    if what.is_upgrade:
        fields += ["Connection: Upgrade", "Upgrade: toy"]
    if random.random() < 0.1:
        fields.append("X-Filler: " + "x" * random.choice((10, 300)))
    payload, expects, upload = b"", False, b""
    if what.upload:
        upload = text(token, random.choice((what.upload, what.upload, 1)))
        expects = not is_old and random.random() < 0.15
        if expects:
            fields.append("Expect: 100-continue")
        if is_old or random.random() < 0.5:
            fields.append(f"Content-Length: {len(upload)}")
            payload = upload
        else:
            fields.append("Transfer-Encoding: chunked")
            payload = chunk(random, upload)
    version = "1.0" if is_old else "1.1"
    head = "\r\n".join((f"{method} /{kind}/{token} HTTP/{version}", *fields, "", "")).encode()
    status, body = what.status, text(token, what.size)
    if what.upload:
        if status == 200:
            body = upload
        if len(upload) > body_limit and kind.startswith("echo"):
            status, body, what = 413, b"", what._replace(is_early=True, is_bad=True)
        elif kind in ("sink-stops", "sink-raises") and len(upload) < 100:
            status, body, what = 200, upload, what._replace(is_early=False)
    return Ask(token, kind, what, method, head, payload, status, body, is_old, wants_close, expects, len(upload))


def chunk(random: Random, data: bytes) -> bytes:
    """`data` in the chunked coding, cut at random."""
    pieces, at = [], 0
    most = 1 if random.random() < 0.2 and len(data) <= 5_000 else max(len(data) // 3, 1)
    while at < len(data):
        size = random.randint(1, most)
        piece = data[at : at + size]
        pieces.append(b"%x\r\n%b\r\n" % (len(piece), piece))
        at += size
    return b"".join((*pieces, b"0\r\n", b"X-Trailer: t\r\n" * random.randint(0, 1), b"\r\n"))


def draw_script(random: Random, number: int, listeners: int, body_limit: int, passes: bool = False) -> Script:
    asks = []
    for index in range(random.choice((1, 1, 2, 3, 5, 20) if random.random() < 0.95 else (0,))):
        asks.append(draw_ask(random, f"c{number}r{index}", body_limit, passes))
        if asks[-1].what.is_upgrade or asks[-1].what.is_bad:
            break
    if asks and asks[-1].what.is_upgrade:  # bytes for the protocol; without it, they are no request
        talk = bytes(range(256)) * 12
        asks.append(
            Ask(
                f"c{number}",
                "bad",
                Kind(is_bad=True),
                "GET",
                talk[: random.choice((1, 10, 3000))],
                b"",
                400,
                b"",
                False,
                False,
                False,
            )
        )
    size = sum(ask.size for ask in asks)
    sends = random.randint(0, size) if random.random() < 0.15 else size
    pauses = random.choice(((0.0,), (0.0,), (0.0, 0.0, 0.001), (0.0, 0.3), (0.5, 1.5), (0.0, 4.0), (0.0, 0.0, 30.0)))
    cut = random.choice((1 << 20, 1 << 20, 1000, 50, 7))
    if cut < 1000 and size > 3000:
        cut = size // 40
    every = random.choice((0.0, 0.0, 0.0, 0.001, 0.5, 3.0))
    window = random.choice((1 << 30, 65536, 4096, 500)) if not every else random.choice((20_000, 3000))
    reads = random.choice((window, max(window // 3, 1))) if window < 1 << 30 else window
    if every and random.random() < 0.15:
        reads = 0  # it reads nothing, ever
    elif every == 0.5:
        reads = min(reads, 500)  # slowly, and steadily, and faster than it must
    return Script(
        f"c{number}", random.choice((0.0, 0.0, 0.01, 1.0, 5.0, 20.0)) * random.random(), random.randrange(listeners),
        f"192.0.2.{random.randint(1, 2)}", asks, pauses, cut, random.random() < 0.3, sends,
        random.choice(("stays", "stays", "stays", "half-closes", "leaves", "resets")),
        random.choice((0.0, 0.0, 0.01, 1.0, 10.0, 40.0)), window, reads, every,
    )  # fmt: skip
