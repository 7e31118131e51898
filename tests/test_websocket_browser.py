"""A browser's WebSocket: headless Chromium opens one, says and hears things, and writes down what it saw."""

import json
from pathlib import Path

import pytest

from .conftest import need
from .program import Program
from .test_browser import shown

# A page is shown in the end when it has loaded, and its image has only when it says what it saw.
PAGE = """<!doctype html><meta charset="utf-8"><title>working</title><img src="/wait"><p id="seen"></p><script>
"use strict";
const seen = [];
const socket = new WebSocket(`ws://${location.host}/socket`, ["v2", "v1"]);
socket.binaryType = "arraybuffer";
const long = "grüße ".repeat(100000);
const say = ["hello", "grüße", "", long, new Uint8Array([0, 255, 128])];
socket.onopen = () => {
    seen.push(["open", socket.protocol, socket.extensions.includes("permessage-deflate")]);
    say.forEach((each) => socket.send(each));
};
socket.onmessage = ({data}) => {
    if (data === long) seen.push(["long", data.length]);
    else seen.push(typeof data === "string" ? ["text", data] : ["bytes", ...new Uint8Array(data)]);
    if (seen.length === 1 + say.length) {
        if (location.search === "?we") socket.close(4000, "that was all");
        else socket.send("leave");
    }
};
socket.onerror = () => seen.push(["error"]);
socket.onclose = ({code, reason, wasClean}) => {
    seen.push(["close", code, reason, wasClean]);
    document.getElementById("seen").textContent = JSON.stringify(seen);
    fetch("/seen");
};
</script>"""

FUNCTION = """
import asyncio
from handlers.router import Router
from handlers.websocket import websocket
from reactor import Response

handler = routes = Router()
waiting = []

@routes.get("/")
def page(request):
    return Response(200, open("page.html").read(), content_type="text/html")

@routes.get("/wait")
async def wait(request):
    waiting.append(asyncio.Event())
    await waiting[-1].wait()
    return Response(204)

@routes.get("/seen")
def seen(request):
    waiting.pop().set()
    return Response(204)

@routes.get("/socket")
@websocket(subprotocols=["v1"])
async def echo(socket):
    async for message in socket:
        if message == "leave":
            await socket.close(4001, "grüße")
        else:
            await socket.send(message)
"""

APPLICATION = """
import asyncio

waiting = []

async def app(scope, receive, send):
    if scope["type"] == "http":
        if scope["path"] == "/wait":
            waiting.append(asyncio.Event())
            await waiting[-1].wait()
        elif scope["path"] == "/seen":
            waiting.pop().set()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": open("page.html", "rb").read()})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "v1"})
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") == "leave":
                await send({"type": "websocket.close", "code": 4001, "reason": "grüße"})
            else:
                await send({**message, "type": "websocket.send"})
"""


@pytest.mark.parametrize(("source", "target"), [(FUNCTION, "work.py"), (APPLICATION, "work.py:app")])
def test_a_browsers_websocket(source: str, target: str, tmp_path: Path) -> None:
    need("chromium")
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "work.py").write_text(source)
    said: list[object] = [["open", "v1", True], ["text", "hello"], ["text", "grüße"], ["text", ""]]
    said += [["long", 600_000], ["bytes", 0, 255, 128]]
    with Program(target, "--port", "0", cwd=tmp_path) as program:
        for mode, end in (("we", [4000, "that was all", True]), ("they", [4001, "grüße", True])):
            text = shown(f"{program.url}/?{mode}", tmp_path)
            assert "[[" in text
            told, _ = json.JSONDecoder().raw_decode(text[text.index("[[") :])
            assert told == [*said, ["close", *end]]
        assert program.stop() == 0
        assert "Traceback" not in program.said()
