"""WebSocket clients that nobody here wrote: websockets and aiohttp, to a function and to an ASGI application."""

import asyncio
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import websockets.exceptions
import websockets.sync.client
from websockets.typing import Subprotocol

from handlers.asgi import Asgi
from handlers.router import Router
from handlers.websocket import WebSocket, websocket
from reactor import Server
from tests.aio import serving

MIB = 1024 * 1024

MESSAGES: list[str | bytes] = ["", "grüße", "x" * 126, "x" * 70_000, "é" * 5 * MIB, b"", b"\xff", b"x" * 10 * MIB]


@websocket(subprotocols=["v1"])
async def echo(socket: WebSocket) -> None:
    async for message in socket:
        if message == "leave":
            await socket.close(4000, "as you wish")
        else:
            await socket.send(message)


@Asgi
async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "websocket":
        raise NotImplementedError
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "subprotocol": "v1" if "v1" in scope["subprotocols"] else None})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "leave":
            await send({"type": "websocket.close", "code": 4000, "reason": "as you wish"})
        else:
            await send({**message, "type": "websocket.send"})


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    routes = Router()
    routes.mount("/function", echo)
    routes.mount("/application", application)
    with serving(routes) as server:
        yield server


@pytest.fixture(params=["function", "application"])
def url(request: pytest.FixtureRequest, server: Server) -> str:
    return f"{server.url.replace('http', 'ws')}/{request.param}"


@pytest.mark.parametrize("compression", ["deflate", None])
def test_websockets(compression: str | None, url: str) -> None:
    connect = websockets.sync.client.connect
    with connect(url, compression=compression, max_size=None, subprotocols=[Subprotocol("v1")]) as client:
        assert client.subprotocol == "v1"
        for message in MESSAGES:
            client.send(message)
            assert client.recv() == message
        client.send(["in ", "frag", "ments"])
        assert client.recv() == "in fragments"
        assert client.ping().wait(5)
    assert client.close_code == 1000
    with connect(url, compression=compression) as client:
        client.send("leave")
        with pytest.raises(websockets.exceptions.ConnectionClosedError):
            client.recv()
        assert (client.close_code, client.close_reason) == (4000, "as you wish")


@pytest.mark.parametrize("compress", [15, 9, 0])
def test_aiohttp(compress: int, url: str) -> None:
    async def program() -> None:
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url, compress=compress, max_msg_size=0, protocols=["v1"]) as client:
                assert client.protocol == "v1"
                for message in MESSAGES:
                    await (client.send_str(message) if isinstance(message, str) else client.send_bytes(message))
                    assert (await client.receive()).data == message
                await client.ping()
                await client.close(code=1001)
                assert client.close_code == 1001
            async with session.ws_connect(url, compress=compress) as client:
                await client.send_str("leave")
                said = await client.receive()
                assert (said.type, said.data, said.extra) == (aiohttp.WSMsgType.CLOSE, 4000, "as you wish")

    asyncio.run(program())
