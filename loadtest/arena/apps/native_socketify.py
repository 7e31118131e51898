"""The app for socketify (µWebSockets).

    python3 -m loadtest.arena.apps.native_socketify 8001
"""

import sys
from typing import Any

from socketify import App, AppListenOptions  # type: ignore[import-not-found]  # a peer's, in the venv of the peers

from loadtest.arena.apps import content

TEXT, JSON, BYTES = content.TEXT.encode(), content.JSON.encode(), content.BYTES.encode()


def hello(response: Any, request: Any) -> None:
    response.send(content.HELLO, content_type=TEXT)


def record(response: Any, request: Any) -> None:
    response.send(content.record(), content_type=JSON)


def post(response: Any, request: Any) -> None:
    parts = []

    def take(response: Any, data: bytes | None, is_end: bool) -> None:
        parts.append(data or b"")
        if is_end:
            response.send(b"%d" % len(b"".join(parts)), content_type=TEXT)

    response.on_data(take)


def block(response: Any, request: Any) -> None:
    response.send(content.BLOCK, content_type=BYTES)


async def huge(response: Any, request: Any) -> None:
    response.write_header(b"Content-Type", BYTES)
    for piece in content.huge():
        _, is_done = await response.send_chunk(piece, content.HUGE_SIZE)
        if is_done:  # or the client is gone
            return


def stream(response: Any, request: Any) -> None:
    response.write_header(b"Content-Type", TEXT)
    for piece in content.stream():
        response.write(piece)
    response.end(b"")


def main(port: int) -> None:
    app = App()
    for path, handler in {"/test": hello, "/json": record, "/64k": block, "/100m": huge, "/stream": stream}.items():
        app.get(path, handler)
    app.post("/post", post)
    app.listen(AppListenOptions(port=port, host="127.0.0.1"))
    app.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
