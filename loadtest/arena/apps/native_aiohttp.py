"""The app for aiohttp's own server, on uvloop.

    python3 -m loadtest.arena.apps.native_aiohttp 8001
"""

import sys
from typing import Any

from aiohttp import web

from loadtest.arena.apps import content


async def hello(request: Any) -> Any:
    return web.Response(body=content.HELLO, content_type=content.TEXT)


async def record(request: Any) -> Any:
    return web.Response(body=content.record(), content_type=content.JSON)


async def post(request: Any) -> Any:
    return web.Response(text=str(len(await request.read())), content_type=content.TEXT)


async def block(request: Any) -> Any:
    return web.Response(body=content.BLOCK, content_type=content.BYTES)


async def huge(request: Any) -> Any:
    response = web.StreamResponse()
    response.content_type = content.BYTES
    response.content_length = content.HUGE_SIZE
    await response.prepare(request)
    for piece in content.huge():
        await response.write(piece)
    return response


async def stream(request: Any) -> Any:
    response = web.StreamResponse()
    response.content_type = content.TEXT
    await response.prepare(request)
    for piece in content.stream():
        await response.write(piece)
    return response


def main(port: int) -> None:
    import uvloop

    app = web.Application(client_max_size=content.BODY_LIMIT)
    for path, handler in {"/test": hello, "/json": record, "/64k": block, "/100m": huge, "/stream": stream}.items():
        app.router.add_get(path, handler, allow_head=False)
    app.router.add_post("/post", post)
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=port, backlog=4096, access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    main(int(sys.argv[1]))
