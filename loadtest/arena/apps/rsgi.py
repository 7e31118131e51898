"""The app in the words of RSGI 1, granian's own interface."""

from typing import Any

from loadtest.arena.apps import content

TEXT = [("content-type", content.TEXT)]
JSON = [("content-type", content.JSON)]
BYTES = [("content-type", content.BYTES)]
HUGE = [*BYTES, ("content-length", str(content.HUGE_SIZE))]


async def hello(protocol: Any) -> None:
    protocol.response_bytes(200, TEXT, content.HELLO)


async def record(protocol: Any) -> None:
    protocol.response_bytes(200, JSON, content.record())


async def post(protocol: Any) -> None:
    protocol.response_str(200, TEXT, str(len(await protocol())))


async def block(protocol: Any) -> None:
    protocol.response_bytes(200, BYTES, content.BLOCK)


async def huge(protocol: Any) -> None:
    transport = protocol.response_stream(200, HUGE)
    for piece in content.huge():
        await transport.send_bytes(piece)


async def stream(protocol: Any) -> None:
    transport = protocol.response_stream(200, TEXT)
    for piece in content.stream():
        await transport.send_bytes(piece)


async def nothing(protocol: Any) -> None:
    protocol.response_empty(404, [])


ROUTES = {"/test": hello, "/json": record, "/post": post, "/64k": block, "/100m": huge, "/stream": stream}


async def app(scope: Any, protocol: Any) -> None:
    await ROUTES.get(scope.path, nothing)(protocol)
