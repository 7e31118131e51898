"""Nearly valid streams without end: cases and samples, alone and in pipelines, with a few bytes wrong.

Law: a run is made from a seed and its number alone, so that any of them can be made again.
"""

import random
from collections.abc import Sequence

from tests import corpus
from tests.http1.samples import BAD, GOOD

# What is put where it may mean something.
TOKENS = [
    *(b"\r\n", b"\r", b"\n", b"\r\n\r\n", b"\n\n", b"\t", b" ", b"\x00", b"\x0b", b"\x0c", b"\x7f", b"\x80", b"\xff"),
    *(
        b":",
        b",",
        b";",
        b'"',
        b"\\",
        b"=",
        b"#",
        b"?",
        b"/",
        b"*",
        b"%",
        b"+",
        b"-",
        b"_",
        b"0",
        b"1",
        b"5",
        b"a",
        b"x",
    ),
    *(b"GET ", b"POST ", b"HEAD ", b"CONNECT ", b"OPTIONS ", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/1.2", b" HTTP/2.0"),
    *(b"Host: a\r\n", b"X: y\r\n", b"X:y\r\n", b" folded\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n"),
    *(b"Content-Length: 10\r\n", b"Content-Length: 05\r\n", b"Content-Length: 5, 5\r\n", b"Content-Length:\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: gzip, chunked\r\n"),
    *(b"Transfer-Encoding:\r\n", b"transfer-encoding: CHUNKED\r\n", b"TE: trailers\r\n", b"Trailer: x\r\n"),
    *(b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: upgrade\r\n", b"Upgrade: x\r\n"),
    *(b"Connection: x, close\r\n", b"Proxy-Connection: close\r\n", b"Expect: 100-continue\r\n", b"Keep-Alive: 5\r\n"),
    *(b"chunked", b"0\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b"a\r\n", b"5;a\r\nhello\r\n", b'5;a="b"\r\nhello\r\n'),
    *(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
]
LONGEST = 4096  # bytes; longer cases are about limits, which the parsers do not share


def seeds() -> tuple[list[bytes], list[bytes]]:
    """Good streams to begin with, and bad ones."""
    cases = corpus.load().values()
    good = [*GOOD.values(), *(case.data for case in cases if case.is_valid)]
    bad = [*(data for data, _ in BAD.values()), *(case.data for case in cases if not case.is_valid)]
    return [data for data in good if len(data) <= LONGEST], [data for data in bad if len(data) <= LONGEST]


class Mutator:
    """Makes streams of `good` and `bad` ones."""

    def __init__(self, seed: int, good: Sequence[bytes], bad: Sequence[bytes]) -> None:
        self._seed = seed
        self._good = good
        self._bad = bad

    def make(self, number: int) -> bytes:
        """The stream of this number."""
        chance = random.Random(f"{self._seed}:{number}")
        parts = [chance.choice(self._good)]
        while len(parts) < 4 and chance.random() < 0.4:
            parts.append(chance.choice(self._good if chance.random() < 0.8 else self._bad))
        if chance.random() < 0.2:
            parts[0] = chance.choice(self._bad)
        chance.shuffle(parts)
        data = b"".join(parts)
        for _ in range(chance.choice((0, 1, 1, 1, 2, 2, 3, 4))):
            data = self._change(chance, data)
        return data

    def _change(self, chance: random.Random, data: bytes) -> bytes:
        """`data` with one thing wrong, or right by chance."""
        at = chance.randrange(len(data) + 1)
        if chance.random() < 0.5:  # where lines begin and end is where things happen
            at = max(data.find(b"\r\n", at) + chance.choice((0, 1, 2, 2, 2)), 0)
        size = chance.choice((1, 1, 1, 2, 4, 8, 16, 40))
        before, span, rest = data[:at], data[at : at + size], data[at + size :]
        match chance.randrange(8):
            case 0 if span:
                return before + bytes([span[0] ^ 1 << chance.randrange(8)]) + span[1:] + rest
            case 1:
                return before + rest
            case 2:
                return before + span * chance.choice((2, 2, 3)) + rest
            case 3:
                return before + bytes([chance.randrange(256)]) + span + rest
            case 4:
                return before + chance.choice(TOKENS) + span[1:] + rest
            case 5:
                return before + span.swapcase() + rest
            case 6:
                other = chance.choice(self._good if chance.random() < 0.7 else self._bad)
                return before + other[chance.randrange(len(other)) :]
        return before + chance.choice(TOKENS) + span + rest
