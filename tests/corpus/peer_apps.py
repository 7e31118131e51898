"""What Reactor and its peers serve when they are compared: one tiny app in the words of each, and how each is started.

    python3 -m tests.corpus.peer_apps waitress 8001     serves on 127.0.0.1:8001
    python3 -m tests.corpus.peer_apps waitress          prints the version

The app reads the whole body and answers 200 with what it was handed, as JSON: method, target and body, as far as the
interface shows them (WSGI and ASGI show no scheme and authority of a target, and WSGI shows it percent-decoded). An
answer to HEAD has no body: there the JSON is in the field `X-Saw`.

Law: every server runs as its own documentation starts it, with its defaults; only threads are added where one waiting
client would hold up all the others. Nothing of a peer is imported before it is started.
"""

import asyncio
import json
import platform
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any, NamedTuple

HOST = "127.0.0.1"
THREADS = 32  # more than there are clients at a time
HERE = "tests.corpus.peer_apps"
FIELD = "X-Saw"
JSON = "application/json"


def evidence(method: str, target: str, body: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """The answer to a request, as (fields, body)."""
    saw = json.dumps({"method": method, "target": target, "body": body.decode("latin-1")})
    if method == "HEAD":
        return [(FIELD, saw), ("Content-Type", JSON), ("Content-Length", "0")], b""
    return [("Content-Type", JSON), ("Content-Length", str(len(saw)))], saw.encode()


# --- WSGI


Environ = dict[str, Any]


def wsgi(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """For the servers whose stream ends where the body ends: all but wsgiref."""
    return answer_wsgi(environ, start_response, environ["wsgi.input"].read())


def wsgi_by_length(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """For wsgiref, whose stream is the connection's and has no end: as PEP 3333 says, Content-Length bytes of it."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return answer_wsgi(environ, start_response, environ["wsgi.input"].read(length))


def answer_wsgi(environ: Environ, start_response: Callable[..., Any], body: bytes) -> Iterable[bytes]:
    query = environ.get("QUERY_STRING", "")
    target = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "") + ("?" + query if query else "")
    fields, answer = evidence(environ["REQUEST_METHOD"], target, body)
    start_response("200 OK", fields)
    return [answer]


def serve_waitress(port: int) -> None:
    from waitress import serve

    serve(wsgi, host=HOST, port=port, threads=THREADS)


def serve_gunicorn(port: int) -> None:
    from gunicorn.app.wsgiapp import run

    threads = ["--worker-class", "gthread", "--threads", str(THREADS)]  # its default closes after each answer
    private = "--no-control-socket"  # which would stand in the home directory
    sys.argv = ["gunicorn", "--bind", f"{HOST}:{port}", *threads, private, f"{HERE}:wsgi"]
    run()


def serve_cheroot(port: int) -> None:
    from cheroot.wsgi import Server

    Server((HOST, port), wsgi, numthreads=THREADS).start()


def serve_gevent(port: int) -> None:
    from gevent.pywsgi import WSGIServer

    WSGIServer((HOST, port), wsgi).serve_forever()


def serve_eventlet(port: int) -> None:
    import eventlet
    from eventlet import wsgi as server

    server.server(eventlet.listen((HOST, port)), wsgi)


def serve_bjoern(port: int) -> None:
    import bjoern

    bjoern.run(wsgi, HOST, port)


def serve_wsgiref(port: int) -> None:
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIServer, make_server

    class Threaded(ThreadingMixIn, WSGIServer):
        daemon_threads = True

    make_server(HOST, port, wsgi_by_length, server_class=Threaded).serve_forever()


# --- ASGI


async def asgi(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["type"] != "http":
        await send({"type": "websocket.close"})
        return
    body = b""
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        body += event.get("body", b"")
        more = event.get("more_body", False)
    path = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string", b"")
    target = path + (b"?" + query if query else b"")
    fields, answer = evidence(scope["method"], target.decode("latin-1"), body)
    raw = [(name.lower().encode(), value.encode()) for name, value in fields]
    await send({"type": "http.response.start", "status": 200, "headers": raw})
    await send({"type": "http.response.body", "body": answer})


def serve_uvicorn_h11(port: int) -> None:
    import uvicorn

    uvicorn.run(f"{HERE}:asgi", host=HOST, port=port, http="h11")


def serve_uvicorn_httptools(port: int) -> None:
    import uvicorn

    uvicorn.run(f"{HERE}:asgi", host=HOST, port=port, http="httptools")


def serve_hypercorn(port: int) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"{HOST}:{port}"]
    asyncio.run(serve(asgi, config))


def serve_daphne(port: int) -> None:
    from daphne.cli import CommandLineInterface

    CommandLineInterface().run(["-b", HOST, "-p", str(port), f"{HERE}:asgi"])


def serve_granian(port: int) -> None:
    from granian import Granian
    from granian.constants import Interfaces

    Granian(f"{HERE}:asgi", address=HOST, port=port, interface=Interfaces.ASGI).serve()


# --- servers with an interface of their own


def serve_reactor(port: int) -> None:
    from reactor import Request, Response, Server

    def handler(request: Request) -> Response:
        fields, answer = evidence(request.method, request.target.decode("latin-1"), request.body)
        own = [field for field in fields if field[0] == FIELD]  # the others are the server's
        return Response(200, answer, own, content_type=JSON)

    Server(handler, f"{HOST}:{port}").run()


def serve_aiohttp(port: int) -> None:
    from aiohttp import web

    async def handler(request: Any) -> Any:
        fields, answer = evidence(request.method, request.raw_path, await request.read())
        return web.Response(body=answer, headers=fields)

    async def main() -> None:
        runner = web.ServerRunner(web.Server(handler))  # below the router, which would answer some targets with 404
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
        await asyncio.Event().wait()

    asyncio.run(main())


def serve_tornado(port: int) -> None:
    from tornado.httpserver import HTTPServer
    from tornado.httputil import HTTPHeaders, ResponseStartLine

    def handler(request: Any) -> None:
        fields, answer = evidence(request.method, request.uri, request.body)
        start = ResponseStartLine("", 200, "OK")
        request.connection.write_headers(start, HTTPHeaders(fields), answer)
        request.connection.finish()

    async def main() -> None:
        HTTPServer(handler).listen(port, HOST)
        await asyncio.Event().wait()

    asyncio.run(main())


def serve_twisted(port: int) -> None:
    from twisted.internet import reactor
    from twisted.web.resource import Resource
    from twisted.web.server import Site

    def render(request: Any) -> bytes:
        method, target = request.method.decode("latin-1"), request.uri.decode("latin-1")
        fields, answer = evidence(method, target, request.content.read())
        for name, value in fields:
            request.setHeader(name, value)
        return answer

    resource = Resource()
    resource.isLeaf = True
    resource.render = render
    reactor.listenTCP(port, Site(resource), interface=HOST)
    reactor.run()


def serve_sanic(port: int) -> None:
    from sanic import Sanic
    from sanic.response import raw

    app = Sanic("peer")

    async def handler(request: Any, **_: Any) -> Any:
        fields, answer = evidence(request.method, request.raw_url.decode("latin-1"), request.body)
        return raw(answer, headers=dict(fields))

    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]  # it knows no others
    app.add_route(handler, "/", methods=methods)
    app.add_route(handler, "/<path:path>", methods=methods, name="any")
    app.run(HOST, port, single_process=True)


def serve_http_server(port: int) -> None:
    """It leaves bodies to its handlers; this one reads Content-Length bytes, as they are usually written."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name: str) -> Any:
            """`do_GET` and whatever other method there may be."""
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

        def answer(self) -> None:
            body = self.rfile.read(max(int(self.headers.get("Content-Length", 0)), 0))
            fields, answer = evidence(self.command, self.path, body)
            self.send_response(200)
            for name, value in fields:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

    ThreadingHTTPServer((HOST, port), Handler).serve_forever()


class Peer(NamedTuple):
    """`packages`: the distributions whose versions are told, the server's own first; none: nothing to install."""

    serve: Callable[[int], None]
    packages: tuple[str, ...] = ()

    def version(self) -> str:
        if self.serve is serve_reactor:
            from reactor import __version__

            return __version__
        if not self.packages:
            return "Python " + platform.python_version()
        own, *others = self.packages
        return " + ".join([version(own), *(f"{other} {version(other)}" for other in others)])


PEERS = {
    "reactor": Peer(serve_reactor),
    "waitress": Peer(serve_waitress, ("waitress",)),
    "gunicorn": Peer(serve_gunicorn, ("gunicorn",)),
    "aiohttp": Peer(serve_aiohttp, ("aiohttp",)),
    "tornado": Peer(serve_tornado, ("tornado",)),
    "twisted": Peer(serve_twisted, ("twisted",)),
    "cheroot": Peer(serve_cheroot, ("cheroot",)),
    "uvicorn-h11": Peer(serve_uvicorn_h11, ("uvicorn", "h11")),
    "uvicorn-httptools": Peer(serve_uvicorn_httptools, ("uvicorn", "httptools")),
    "hypercorn": Peer(serve_hypercorn, ("hypercorn", "h11")),
    "daphne": Peer(serve_daphne, ("daphne", "twisted")),
    "granian": Peer(serve_granian, ("granian",)),
    "gevent": Peer(serve_gevent, ("gevent",)),
    "eventlet": Peer(serve_eventlet, ("eventlet",)),
    "sanic": Peer(serve_sanic, ("sanic", "httptools")),
    "bjoern": Peer(serve_bjoern, ("bjoern",)),
    "http.server": Peer(serve_http_server),
    "wsgiref": Peer(serve_wsgiref),
}


def main(name: str, *port: str) -> None:
    if port:
        PEERS[name].serve(int(port[0]))
    else:
        print(PEERS[name].version())


if __name__ == "__main__":
    main(*sys.argv[1:])
