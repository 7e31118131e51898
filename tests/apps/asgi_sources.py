"""Applications of ASGI as their authors write them: FastAPI's pages, Starlette, datasette, and others."""

# "Bigger" than the first page of its documentation; each part is from one of the later ones.
FASTAPI = '''
import asyncio
import sys
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, File, Form, HTTPException, Path, Query, Request, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel


def say(text):
    print(text, file=sys.stderr, flush=True)


@asynccontextmanager
async def lifespan(app):
    say("the lifespan has begun")
    yield {"answer": 42}
    say("the lifespan has ended")


app = FastAPI(lifespan=lifespan)


class Item(BaseModel):
    name: str
    price: float
    tags: list[str] = []


@app.post("/items/", status_code=201)
async def create_item(item: Item):
    return item


@app.get("/items/{item_id}")
def read_item(item_id: Annotated[int, Path(ge=1)], q: Annotated[str | None, Query(max_length=5)] = None):
    if item_id == 404:
        raise HTTPException(status_code=404, detail="Item not found", headers={"X-Error": "There goes my error"})
    return {"item_id": item_id, "q": q}


@app.get("/state")
async def state(request: Request):
    return {"answer": request.state.answer, "url": str(request.url), "root": request.scope["root_path"],
            "client": request.client.host}


async def resource():
    say("opened")
    try:
        yield "resource"
    finally:
        say("closed")


@app.get("/depends")
async def depends(found: Annotated[str, Depends(resource)]):
    return found


@app.post("/background/{word}")
async def background(word: str, tasks: BackgroundTasks):
    tasks.add_task(say, f"in a thread: {word}")
    return "Notification sent"


@app.post("/files/")
async def create_file(file: Annotated[UploadFile, File()], token: Annotated[str, Form()]):
    return {"name": file.filename, "type": file.content_type, "size": len(await file.read()), "token": token}


@app.post("/pieces")
async def pieces(request: Request):
    sizes = [len(piece) async for piece in request.stream()]
    return {"size": sum(sizes), "largest": max(sizes)}


@app.post("/echo")
async def echo(request: Request):
    return StreamingResponse(request.stream(), media_type="application/octet-stream")


@app.get("/lines")
def lines():
    return StreamingResponse((f"{number}\\n" for number in range(1000)), media_type="text/plain")


@app.get("/fail")
async def fail():
    raise LookupError("this one fails")


@app.get("/sleep")
def sleep(seconds: float):
    import time
    time.sleep(seconds)
    return "slept"
'''

# The first examples of https://fastapi.tiangolo.com/advanced/websockets/, without their pages.
FASTAPI_WEBSOCKETS = '''
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()


@app.websocket("/ws")
async def websocket_endpoint(websocket: WebSocket):
    await websocket.accept()
    while True:
        data = await websocket.receive_text()
        await websocket.send_text(f"Message text was: {data}")


class ConnectionManager:
    def __init__(self):
        self.active_connections: list[WebSocket] = []

    async def connect(self, websocket: WebSocket):
        await websocket.accept()
        self.active_connections.append(websocket)

    def disconnect(self, websocket: WebSocket):
        self.active_connections.remove(websocket)

    async def send_personal_message(self, message: str, websocket: WebSocket):
        await websocket.send_text(message)

    async def broadcast(self, message: str):
        for connection in self.active_connections:
            await connection.send_text(message)


manager = ConnectionManager()


@app.websocket("/ws/{client_id}")
async def chat(websocket: WebSocket, client_id: int):
    await manager.connect(websocket)
    try:
        while True:
            data = await websocket.receive_text()
            await manager.send_personal_message(f"You wrote: {data}", websocket)
            await manager.broadcast(f"Client #{client_id} says: {data}")
    except WebSocketDisconnect:
        manager.disconnect(websocket)
        await manager.broadcast(f"Client #{client_id} left the chat")
'''

STARLETTE = '''
import asyncio
import sys
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles


def say(text):
    print(text, file=sys.stderr, flush=True)


async def lines(request):
    async def made():
        for number in range(int(request.query_params["count"])):
            yield memoryview(b"%d\\n" % number)
            await asyncio.sleep(0)
    return StreamingResponse(made(), media_type="text/plain")


async def events(request):
    """As server-sent events are made: each as it happens, until nobody listens."""
    async def made():
        try:
            number = 0
            while not await request.is_disconnected():
                yield f"id: {number}\\ndata: tick\\n\\n"
                number += 1
                await asyncio.sleep(0.001)
            say("nobody listens to the events")
        finally:
            say("the events have ended")
    return StreamingResponse(made(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def large(request):
    """It comes faster than anybody takes it."""
    async def made():
        while True:
            yield bytes(1024 * 1024)
    return StreamingResponse(made())


async def file(request):
    return FileResponse("large.bin", filename="größe.bin")


async def visits(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JSONResponse(request.session)


async def background(request):
    async def later():
        await asyncio.sleep(0.05)
        say("behind the answer")
    return PlainTextResponse("before", background=BackgroundTask(later))


async def upload(request):
    try:
        async with request.form(max_part_size=1024 * 1024) as form:
            content = await form["file"].read()
    except ClientDisconnect:
        say("the upload was broken off")
        raise
    return JSONResponse({"name": form["file"].filename, "size": len(content), "text": form["text"]})


class Timing(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["X-Timing"] = "0"
        return response


app = Starlette(
    routes=[
        Route("/lines", lines), Route("/events", events), Route("/file", file), Route("/visits", visits),
        Route("/background", background), Route("/upload", upload, methods=["POST"]), Route("/large", large),
        Mount("/static", StaticFiles(directory="static", html=True)),
    ],
    middleware=[
        Middleware(GZipMiddleware, minimum_size=1000), Middleware(SessionMiddleware, secret_key="for a test"),
        Middleware(Timing),
    ],
)
'''

DATASETTE = '''
from datasette.app import Datasette

app = Datasette(immutables=["birds.db"]).app()
'''

PROMETHEUS = '''
from prometheus_client import Gauge, make_asgi_app

Gauge("temperature", "How warm it is", ["where"], unit="celsius").labels("here, ü").set(-0.5)
app = make_asgi_app()
'''
