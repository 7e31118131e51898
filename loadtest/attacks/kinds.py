"""The attacks, one script each: what a hostile client does with one connection. `ATTACKS` has them by name."""

import random
import ssl
from collections.abc import Callable
from itertools import count

from loadtest.attacks.attackers import Attack, Peer, Script

ATTACKS: dict[str, Attack] = {}

MIB = 1024 * 1024
CHUNKS = 1_000_000  # of one byte each
PIPELINED = 5000  # requests sent at once; their answers are more than the kernel takes

CONTEXT = ssl.create_default_context()

_numbers = count()


def attack(what: str, connections: int, *flags: str, comes_again: bool = True) -> Callable[[Script], Script]:
    """Enter a script as an attack; it is named as the function is."""

    def enter(script: Script) -> Script:
        name = script.__name__.replace("_", "-")
        ATTACKS[name] = Attack(name, what, script, connections, comes_again, flags)
        return script

    return enter


def request(path: str = "/test", *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    """The bytes of a request's head."""
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *fields, "", ""]
    return "\r\n".join(lines).encode()


def upload(length: int | None, *fields: str) -> bytes:
    """The head of a POST with a body of `length` bytes, or of chunks."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return request("/upload", framing, *fields, method="POST")


async def trickle(peer: Peer, data: bytes = b"x") -> None:
    """A byte now and then, until the server has had enough."""
    while True:
        await peer.listen(peer.pause)
        await peer.send(data)


# Slow ones.


@attack("send a head at a byte a second", 1000)
async def slow_heads(peer: Peer) -> None:
    await peer.send(request()[:-2] + b"X: ")
    await trickle(peer)


@attack("send a body at a byte a second", 1000)
async def slow_bodies(peer: Peer) -> None:
    await peer.send(upload(100_000))
    await trickle(peer)


@attack("ask for 4 MiB and read nothing", 500)
async def deaf_readers(peer: Peer) -> None:
    peer.shrink()
    await peer.send(request("/big"))
    await peer.sleep_on()


@attack("ask for 4 MiB and read it at a byte a second", 500)
async def slow_readers(peer: Peer) -> None:
    peer.shrink()
    await peer.send(request("/big"))
    while True:
        await peer.sleep(peer.pause)
        await peer.receive(1)


@attack("connect and say nothing", 1000)
async def silent(peer: Peer) -> None:
    await peer.listen()


@attack("ask to be told to continue, and never do", 1000)
async def never_continue(peer: Peer) -> None:
    await peer.ask(upload(1000, "Expect: 100-continue"))
    await peer.listen()


@attack("upload 16 MiB less a byte, then fall silent", 32)
async def held_uploads(peer: Peer) -> None:
    await peer.send(upload(16 * MIB))
    await peer.send(bytes(16 * MIB - 1))
    await peer.listen()


@attack("upload 1 MiB less a byte, in pieces, then fall silent", 200)
async def held_pieces(peer: Peer) -> None:
    await peer.send(upload(MIB))
    for size in [8191, *[8192] * 127]:
        await peer.send(bytes(size))
        await peer.listen(0)
    await peer.listen()


@attack("send 31 KiB of a head, in pieces, then fall silent", 1000)
async def held_heads(peer: Peer) -> None:
    await peer.send(request()[:-2] + b"X-Large: ")
    for _ in range(8):
        await peer.send(b"x" * 31 * 128)
        await peer.listen(0)
    await peer.listen()


@attack("half-close, at some stage, and hold on", 500)
async def half_open(peer: Peer) -> None:
    await peer.send(random.choice(STAGES))
    peer.fin()
    await peer.listen()


@attack("half-close behind a request for 4 MiB and read nothing", 500)
async def half_deaf(peer: Peer) -> None:
    peer.shrink()
    await peer.send(request("/big"))
    peer.fin()
    await peer.sleep_on()


@attack("send 1 MiB of further requests while the first is worked on", 200)
async def ahead(peer: Peer) -> None:
    await peer.send(request("/later") + request() * (MIB // len(request())))
    await peer.listen()


@attack("come in a crowd, ask once each, and leave", 500, comes_again=False)
async def crowd(peer: Peer) -> None:
    await peer.ask(request())


# Heavy ones.


@attack("name 8,000 ranges", 50)
async def many_ranges(peer: Peer) -> None:
    ranges = ",".join(["0-"] * 8000)
    while True:
        await peer.ask(request("/test", f"Range: bytes={ranges}"))


@attack("send 99 fields, new ones each time", 50)
async def many_fields(peer: Peer) -> None:
    while True:
        number = next(_numbers)
        await peer.ask(request("/test", *[f"X-{number}-{field}: {number}" for field in range(98)]))


@attack("send 32 KiB of fields, new ones each time", 50)
async def large_fields(peer: Peer) -> None:
    while True:
        await peer.ask(request("/test", f"X-Large: {next(_numbers)} {'x' * 32_000}"))


@attack("send more fields, or larger ones, than is allowed", 50)
async def too_much_head(peer: Peer) -> None:
    many, large = ["X: y"] * 200, ["X: " + "x" * 40_000]
    await peer.ask(request("/test", *random.choice((many, large))))
    await peer.listen()


@attack("send a million chunks of a byte", 4)
async def tiny_chunks(peer: Peer) -> None:
    await peer.send(upload(None))
    some = b"1\r\nx\r\n" * 1000
    for _ in range(CHUNKS // 1000):
        await peer.send(some)
    await peer.ask(b"0\r\n\r\n")


@attack("send chunks that are extensions for the most part", 50)
async def chunk_extensions(peer: Peer) -> None:
    await peer.send(upload(None))
    if random.random() < 0.5:
        await peer.send((b"1;" + b"a=b;" * 60 + b"a\r\nx\r\n") * 1000)
    else:
        await peer.send(b"1;a=" + b"x" * MIB)
    await peer.listen()


@attack("send 5,000 requests at once and read nothing", 50)
async def pipelines(peer: Peer) -> None:
    peer.shrink()
    await peer.send(request("/page") * PIPELINED)
    await peer.sleep_on()


@attack("send 500 requests at once and read as fast as they come", 10)
async def read_pipelines(peer: Peer) -> None:
    await peer.send(request() * 500)
    await peer.listen(0.01)


@attack("ask by HTTP/1.0 to keep the connection, again and again", 50)
async def old_keep_alive(peer: Peer) -> None:
    asked = request("/test", "Connection: keep-alive", version="1.0")
    while True:
        await peer.ask(asked)


@attack("send each byte in a segment of its own", 50)
async def one_byte_segments(peer: Peer) -> None:
    peer.shrink()
    while True:
        for byte in request():
            await peer.send(bytes((byte,)))
        await peer.receive()


@attack("read an endless answer as fast as it comes", 4)
async def endless(peer: Peer) -> None:
    await peer.send(request("/for-ever"))
    await peer.listen()


# Rude ones.

STAGES = [
    b"", request()[:20], request()[:-2], request(), request() * 20, request("/big"), upload(1000),
    upload(1000) + b"part", upload(None) + b"4\r\npa", upload(1000, "Expect: 100-continue"), request("/more"),
    request("/offload"),
]  # fmt: skip


@attack("connect and vanish, by FIN or RST, at any stage", 100)
async def vanish(peer: Peer) -> None:
    if random.random() < 0.5:
        peer.vanish()
    if stage := random.choice(STAGES):
        await peer.send(stage)
    if random.random() < 0.5:
        await peer.listen(0.001)


@attack("reset in the middle of each answer", 100)
async def reset_midway(peer: Peer) -> None:
    peer.shrink()
    await peer.ask(request(random.choice(("/big", "/for-ever"))))
    peer.vanish()


@attack("send anything but HTTP", 100)
async def garbage(peer: Peer) -> None:
    await peer.send(random.randbytes(random.randrange(1, 3000)) + b"\r\n\r\n")
    await peer.listen()


@attack("begin TLS on a plain port", 100)
async def tls_hello(peer: Peer) -> None:
    """What an ordinary TLS client says first; what comes back is given to it, and it must see that it is no TLS."""
    arriving, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = CONTEXT.wrap_bio(arriving, leaving, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    arriving.write(await peer.ask(leaving.read()))
    try:
        client.do_handshake()
    except ssl.SSLError:
        peer.tally["no TLS"] += 1
    await peer.listen()


GREETINGS = [
    b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", b"EHLO mail.example\r\n", b"HELO mail.example\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"*1\r\n$4\r\nPING\r\n", b"stats\r\n", b"USER anonymous\r\n",
    b"\x05\x01\x00", b"\x04\x01\x00\x50\x7f\x00\x00\x01\x00", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c", b"OPTIONS rtsp://a/ RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP a\r\n\r\n", b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01",
    b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", b"GET /\r\n",
    b"\x00\x0c\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00", b"<?xml version='1.0'?><stream:stream>",
]  # fmt: skip


@attack("greet as other protocols do", 100)
async def other_protocols(peer: Peer) -> None:
    await peer.send(random.choice(GREETINGS))
    await peer.listen(peer.pause)


# With the help of a handler.


@attack("ask for what raises", 20)
async def raising(peer: Peer) -> None:
    while True:
        await peer.ask(request("/raise"))


@attack("ask for answers that are longer, shorter or broken off", 20)
async def lying(peer: Peer) -> None:
    await peer.send(request(random.choice(("/more", "/less", "/breaks-off"))))
    await peer.listen()


@attack("ask for what takes 0.3 s, in threads", 20)
async def offloaded(peer: Peer) -> None:
    while True:
        answer = await peer.ask(request("/offload"))
        if answer.startswith(b"HTTP/1.1 503"):  # nobody else would get a thread either: it need not be hurried
            await peer.listen(0.05)


@attack("ask for what holds the loop for 0.3 s", 1, comes_again=False)
async def hanging(peer: Peer) -> None:
    """Nothing can be promised to the others meanwhile, and a lot of them would only be a lot of the same."""
    while True:
        await peer.ask(request("/hang"))
        await peer.sleep(peer.pause)


# Against a limit.


@attack("connect 200 times, where 20 are allowed", 200, "--limit-per-client", "20")
async def per_client(peer: Peer) -> None:
    await peer.ask(request())
    await peer.listen()


@attack("ask for what takes 0.3 s, where 2 may be worked on", 20, "--limit-concurrency", "2")
async def concurrency(peer: Peer) -> None:
    while True:
        await peer.ask(request("/offload"))
        await peer.listen(0.05)

