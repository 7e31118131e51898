"""The app for robyn.

    python3 -m loadtest.arena.apps.native_robyn 8001 --processes 1 --workers 1
"""

import sys
from typing import Any

# They are a peer's, in the venv of the peers.
from robyn import Headers, Response, Robyn, StreamingResponse  # type: ignore[import-not-found]

from loadtest.arena.apps import content

app = Robyn(__file__)

TEXT, JSON, BYTES = (Headers({"Content-Type": kind}) for kind in (content.TEXT, content.JSON, content.BYTES))
HUGE = b"".join(content.huge())  # what it streams it sends without a length, whatever the handler says


async def hello(request: Any) -> Any:
    return Response(200, TEXT, content.HELLO)


async def record(request: Any) -> Any:
    return Response(200, JSON, content.record())


async def post(request: Any) -> Any:
    return Response(200, TEXT, str(len(request.body)))


async def block(request: Any) -> Any:
    return Response(200, BYTES, content.BLOCK)


async def huge(request: Any) -> Any:
    return Response(200, BYTES, HUGE)


async def stream(request: Any) -> Any:
    return StreamingResponse(content.stream(), headers=Headers({}), media_type=content.TEXT)


def main(port: int) -> None:
    for path, handler in {"/test": hello, "/json": record, "/64k": block, "/100m": huge, "/stream": stream}.items():
        app.get(path)(handler)
    app.post("/post")(post)
    app.start(host="127.0.0.1", port=port, _check_port=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))
