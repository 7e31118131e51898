"""The app in the words of ASGI 3."""

from collections.abc import Awaitable, Callable
from typing import Any

from loadtest.arena.apps import content

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def begin(send: Send, kind: str, length: int | None = None, status: int = 200) -> None:
    fields = [(b"content-type", kind.encode())]
    if length is not None:
        fields.append((b"content-length", b"%d" % length))
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def whole(send: Send, kind: str, body: bytes, status: int = 200) -> None:
    await begin(send, kind, len(body), status)
    await send({"type": "http.response.body", "body": body})


async def hello(receive: Receive, send: Send) -> None:
    await whole(send, content.TEXT, content.HELLO)


async def record(receive: Receive, send: Send) -> None:
    await whole(send, content.JSON, content.record())


async def post(receive: Receive, send: Send) -> None:
    parts, is_more = [], True
    while is_more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        parts.append(event.get("body", b""))
        is_more = event.get("more_body", False)
    await whole(send, content.TEXT, b"%d" % len(b"".join(parts)))


async def block(receive: Receive, send: Send) -> None:
    await whole(send, content.BYTES, content.BLOCK)


async def huge(receive: Receive, send: Send) -> None:
    await begin(send, content.BYTES, content.HUGE_SIZE)
    for piece in content.huge():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def stream(receive: Receive, send: Send) -> None:
    await begin(send, content.TEXT)
    for piece in content.stream():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def nothing(receive: Receive, send: Send) -> None:
    await whole(send, content.TEXT, b"Not Found", 404)


async def lifespan(receive: Receive, send: Send) -> None:
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


ROUTES = {"/test": hello, "/json": record, "/post": post, "/64k": block, "/100m": huge, "/stream": stream}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        await ROUTES.get(scope["path"], nothing)(receive, send)
