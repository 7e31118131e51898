"""Start a server of files that has no command line of its own, or not one that says all it can do.

    python3 -m loadtest.arena.apps.serve_files tornado 8001 /srv/files
"""

import asyncio
import logging
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

HOST, BACKLOG = "127.0.0.1", 4096


class Quiet(SimpleHTTPRequestHandler):
    """What `python -m http.server` serves with; but connections are kept, and nothing is logged."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the head and the body leave in parts, and the second would wait

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = BACKLOG


def http_server(port: int, tree: str) -> None:
    Server((HOST, port), partial(Quiet, directory=tree)).serve_forever()


def starlette(port: int, tree: str) -> None:
    import uvicorn
    from starlette.staticfiles import StaticFiles

    uvicorn.run(
        StaticFiles(directory=tree), host=HOST, port=port, loop="uvloop", http="httptools", access_log=False,
        log_level="error", backlog=BACKLOG, timeout_keep_alive=75, lifespan="off",
    )  # fmt: skip


def aiohttp(port: int, tree: str) -> None:
    import uvloop
    from aiohttp import web

    app = web.Application()
    app.router.add_static("/", tree)
    web.run_app(app, host=HOST, port=port, backlog=BACKLOG, access_log=None, print=None, loop=uvloop.new_event_loop())


def tornado(port: int, tree: str) -> None:
    import uvloop
    from tornado.web import Application, StaticFileHandler

    async def serve() -> None:
        logging.getLogger("tornado.access").disabled = True
        Application([("/(.*)", StaticFileHandler, {"path": tree})]).listen(port, HOST, backlog=BACKLOG)
        await asyncio.Event().wait()

    uvloop.install()
    asyncio.run(serve())


def sanic(port: int, tree: str) -> None:
    from sanic import Sanic

    app = Sanic("files")
    app.static("/", tree, name="files")
    app.run(HOST, port, single_process=True, access_log=False, motd=False, backlog=BACKLOG)


def twisted(port: int, tree: str) -> None:
    from twisted.internet import reactor
    from twisted.web.server import Site
    from twisted.web.static import File

    reactor.listenTCP(port, Site(File(tree)), backlog=BACKLOG, interface=HOST)
    reactor.run()


SERVERS = {server.__name__: server for server in (http_server, starlette, aiohttp, tornado, sanic, twisted)}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](int(sys.argv[2]), sys.argv[3])
