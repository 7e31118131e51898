"""What every app here answers, made once: constants stay constants, JSON is written anew for each request."""

import json
from collections.abc import Iterator
from itertools import repeat

TEXT, JSON, BYTES = "text/plain", "application/json", "application/octet-stream"

HELLO = b"Hello"
BLOCK = bytes(64 * 1024)  # the answer of /64k, and the pieces of /100m
HUGE_PIECES = 1600
HUGE_SIZE = HUGE_PIECES * len(BLOCK)  # 100 MiB
CHUNK = b"x" * 1024
STREAM_CHUNKS = 16
BODY_LIMIT = 16 * 1024 * 1024  # for the servers that must be told that 1 MiB is welcome

ITEMS = [
    {"number": number, "title": f"Item {number}", "price": number * 1.25, "in_stock": number % 3 > 0}
    for number in range(1, 15)
]
RECORD = {"id": 4711, "customer": "Ada Lovelace", "city": "London", "paid": True, "items": ITEMS}


def record() -> bytes:
    """About 1 KiB of JSON."""
    return json.dumps(RECORD).encode()


def huge() -> Iterator[bytes]:
    """The body of /100m, piece by piece; a generator, as some servers take no other iterator."""
    yield from repeat(BLOCK, HUGE_PIECES)


def stream() -> Iterator[bytes]:
    """The body of /stream, piece by piece; nobody is told how many there are."""
    yield from repeat(CHUNK, STREAM_CHUNKS)
