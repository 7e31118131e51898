"""The app for tornado's own server, on uvloop.

    python3 -m loadtest.arena.apps.native_tornado 8001
"""

import asyncio
import logging
import sys

from tornado.web import Application, RequestHandler

from loadtest.arena.apps import content


class Hello(RequestHandler):  # type: ignore[misc]  # where tornado is not installed it has no type
    def get(self) -> None:
        self.set_header("Content-Type", content.TEXT)
        self.finish(content.HELLO)


class Record(RequestHandler):  # type: ignore[misc]
    def get(self) -> None:
        self.set_header("Content-Type", content.JSON)
        self.finish(content.record())


class Post(RequestHandler):  # type: ignore[misc]
    def post(self) -> None:
        self.set_header("Content-Type", content.TEXT)
        self.finish(str(len(self.request.body)))


class Block(RequestHandler):  # type: ignore[misc]
    def get(self) -> None:
        self.set_header("Content-Type", content.BYTES)
        self.finish(content.BLOCK)

    def compute_etag(self) -> None:
        """None: nobody else here hashes 64 KiB."""


class Huge(RequestHandler):  # type: ignore[misc]
    async def get(self) -> None:
        self.set_header("Content-Type", content.BYTES)
        self.set_header("Content-Length", str(content.HUGE_SIZE))
        for piece in content.huge():
            self.write(piece)
            await self.flush()


class Stream(RequestHandler):  # type: ignore[misc]
    async def get(self) -> None:
        self.set_header("Content-Type", content.TEXT)
        for piece in content.stream():
            self.write(piece)
            await self.flush()


ROUTES = [
    ("/test", Hello), ("/json", Record), ("/post", Post), ("/64k", Block), ("/100m", Huge), ("/stream", Stream),
]  # fmt: skip


async def main(port: int) -> None:
    logging.getLogger("tornado.access").disabled = True
    Application(ROUTES).listen(port, "127.0.0.1", backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.install()
    asyncio.run(main(int(sys.argv[1])))
