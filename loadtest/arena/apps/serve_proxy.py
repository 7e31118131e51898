"""Start a reverse proxy in front of a server on this machine, written as its library's users write one.

    python3 -m loadtest.arena.apps.serve_proxy aiohttp 8001 8000
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

HOST, BACKLOG, CONNECTIONS = "127.0.0.1", 4096, 1000
HOP_BY_HOP = frozenset((
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade",
))  # fmt: skip


def aiohttp(port: int, upstream: int) -> None:
    """Streams both ways, with its own client's pool."""
    import uvloop
    from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

    async def handle(request: Any) -> Any:
        fields = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
        url = f"http://{HOST}:{upstream}{request.rel_url}"
        body = request.content if request.can_read_body else None
        async with app["client"].request(request.method, url, headers=fields, data=body) as found:
            answer = web.StreamResponse(status=found.status)
            for name, value in found.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    answer.headers.add(name, value)
            await answer.prepare(request)
            async for piece in found.content.iter_any():
                await answer.write(piece)
            return answer

    async def client(app: Any) -> AsyncIterator[None]:
        connector = TCPConnector(limit=CONNECTIONS)
        async with ClientSession(connector=connector, auto_decompress=False, timeout=ClientTimeout()) as session:
            app["client"] = session
            yield

    app: Any = web.Application(client_max_size=1 << 30)
    app.cleanup_ctx.append(client)
    app.router.add_route("*", "/{path:.*}", handle)
    web.run_app(app, host=HOST, port=port, backlog=BACKLOG, access_log=None, print=None, loop=uvloop.new_event_loop())


def starlette(port: int, upstream: int) -> None:
    """With httpx, as most who write one for ASGI do."""
    import httpx
    import uvicorn
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    client = httpx.AsyncClient(base_url=f"http://{HOST}:{upstream}", limits=limits, timeout=60)

    async def handle(request: Any) -> Any:
        fields = [(name, value) for name, value in request.headers.raw if name.decode() not in HOP_BY_HOP]
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        body = request.stream() if has_body else None
        sent = client.build_request(request.method, path, headers=fields, content=body)
        found = await client.send(sent, stream=True)
        kept = {name: value for name, value in found.headers.items() if name not in HOP_BY_HOP}
        return StreamingResponse(found.aiter_raw(), found.status_code, kept, background=BackgroundTask(found.aclose))

    routes = [Route("/{path:path}", handle, methods=["GET", "HEAD", "POST", "PUT", "DELETE"])]
    uvicorn.run(
        Starlette(routes=routes), host=HOST, port=port, loop="uvloop", http="httptools", access_log=False,
        log_level="error", backlog=BACKLOG, timeout_keep_alive=75, lifespan="off",
    )  # fmt: skip


def tornado(port: int, upstream: int) -> None:
    """With its own client; answers in memory, as it gives them."""
    import uvloop
    from tornado.httpclient import AsyncHTTPClient, HTTPRequest
    from tornado.web import Application, RequestHandler

    class Handler(RequestHandler):  # type: ignore[misc]  # untyped
        async def get(self) -> None:
            has_body = self.request.method == "POST"
            asked = HTTPRequest(
                f"http://{HOST}:{upstream}{self.request.uri}", method=str(self.request.method),
                headers={name: value for name, value in self.request.headers.items() if name.lower() not in HOP_BY_HOP},
                body=self.request.body if has_body else None, decompress_response=False,
            )  # fmt: skip
            found = await AsyncHTTPClient().fetch(asked, raise_error=False)
            self.set_status(found.code)
            for name, value in found.headers.get_all():
                if name.lower() not in HOP_BY_HOP:
                    self.set_header(name, value)
            self.write(found.body)

        post = get

    async def serve() -> None:
        import logging

        logging.getLogger("tornado.access").disabled = True
        AsyncHTTPClient.configure(None, max_clients=CONNECTIONS, max_body_size=1 << 30)
        Application([("/.*", Handler)]).listen(port, HOST, backlog=BACKLOG)
        await asyncio.Event().wait()

    uvloop.install()
    asyncio.run(serve())


def twisted(port: int, upstream: int) -> None:
    """The one that it has; a connection to the upstream for each request."""
    from twisted.internet import reactor
    from twisted.web.proxy import ReverseProxyResource
    from twisted.web.server import Site

    reactor.listenTCP(port, Site(ReverseProxyResource(HOST, upstream, b"")), backlog=BACKLOG, interface=HOST)
    reactor.run()


SERVERS = {server.__name__: server for server in (aiohttp, starlette, tornado, twisted)}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))
