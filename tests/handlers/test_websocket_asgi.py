"""ASGI's websocket: what an application sees of one, and what becomes of what it sends."""

import asyncio
import gc
import logging
import subprocess
import sys
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from handlers.asgi import Asgi
from handlers.asgi.start import Heads
from handlers.asgi.websocket import Talk
from handlers.router import Router
from handlers.websocket import Limits, Opening
from reactor import Server, Settings
from tests.aio import Signal, port_of, serving
from tests.wire import connect, read_response, reset

from .frames import BINARY, DEFLATE, TEXT, Frame, Peer, asked, close, closing, frame, opening, text

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Coroutine[Any, Any, Message]]
Send = Callable[[Message], Awaitable[None]]

ACCEPT: Message = {"type": "websocket.accept"}


def websocket(function: Callable[[Scope, Receive, Send], Awaitable[None]]) -> Asgi:
    """`function` as an application that knows nothing else."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            raise NotImplementedError(scope["type"])
        await function(scope, receive, send)

    return Asgi(app)


async def connected(receive: Receive, send: Send) -> None:
    assert await receive() == {"type": "websocket.connect"}
    await send(ACCEPT)


@websocket
async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await connected(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


def sends(*messages: Message) -> Asgi:
    @websocket
    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "websocket.connect"}
        for message in messages:
            await send(message)

    return function


# What it sees.


def test_the_scope() -> None:
    seen = Signal()

    @websocket
    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        seen.set(scope)
        await send(ACCEPT)

    routes = Router()
    routes.mount("/app", function)
    with serving(routes) as server:
        with Peer(server, "/app/gr%C3%BC%C3%9Fe?x=1", Sec_WebSocket_Protocol="v2, v1", Cookie="a=b") as peer:
            client = peer.sock.getsockname()
            peer.expect_end(1000)
        scope = seen.wait()
        assert scope["server"] == ("127.0.0.1", port_of(server))
        assert tuple(scope["client"]) == client
    assert (b"cookie", b"a=b") in scope.pop("headers")
    assert {each: scope[each] for each in scope if each not in ("client", "server")} == {
        "type": "websocket", "asgi": {"version": "3.0", "spec_version": "2.5"}, "http_version": "1.1", "scheme": "ws",
        "path": "/app/grüße", "raw_path": b"/app/gr%C3%BC%C3%9Fe", "query_string": b"x=1", "root_path": "/app",
        "subprotocols": ["v2", "v1"], "state": {}, "extensions": {"websocket.http.response": {}},
    }  # fmt: skip


def test_messages() -> None:
    with serving(echo) as server, Peer(server, Sec_WebSocket_Extensions=DEFLATE) as peer:
        assert peer.answer.field("Sec-WebSocket-Extensions") == f"{DEFLATE}; server_no_context_takeover"
        for each in (Frame(TEXT, "grüße".encode()), Frame(BINARY, b"\xff"), Frame(TEXT, b""), Frame(BINARY, b"")):
            peer.send(frame(each.opcode, each.payload))
            peer.expect(each)
        peer.leave()


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (close(1000), 1000, ""),
        (close(4000, b"enough"), 4000, "enough"),
        (close(None), 1005, ""),
        (frame(TEXT, b"\xff"), 1007, None),
        (b"", 1006, ""),
    ],
)
def test_the_end_is_received_and_again(sent: bytes, code: int, reason: str | None) -> None:
    ended = Signal()

    @websocket
    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        await connected(receive, send)
        message = await receive()
        assert await receive() == message
        for late in ({"type": "websocket.send", "text": "x"}, {"type": "websocket.close"}):
            with pytest.raises(OSError, match=str(code)):
                await send(late)
        ended.set(message)

    with serving(function) as server:
        with Peer(server) as peer:
            peer.send(sent)
            if not sent:
                reset(peer.sock)
            message = ended.wait()
    assert (message["type"], message["code"]) == ("websocket.disconnect", code)
    assert reason in (None, message["reason"])


# How it is opened.


def test_a_subprotocol_and_fields() -> None:
    fields = [(b"X-Word", b"gr\xfc\xdfe"), (b"set-cookie", b"a=b"), (b"set-cookie", b"c=d"), (b"date", b"never")]
    app = sends({**ACCEPT, "subprotocol": "v1", "headers": fields})
    with serving(app) as server, Peer(server, Sec_WebSocket_Protocol="v2, v1") as peer:
        assert peer.answer.field("Sec-WebSocket-Protocol") == "v1"
        assert peer.answer.field("X-Word") == "grüße"
        assert [value for name, value in peer.answer.fields if name == "set-cookie"] == ["a=b", "c=d"]
        assert peer.answer.field("Date") != "never"
        peer.expect_end(1000)


@pytest.mark.parametrize(
    ("accept", "reason"),
    [
        ({**ACCEPT, "subprotocol": "v3"}, "the client does not offer the subprotocol 'v3'"),
        ({**ACCEPT, "headers": [(b"Sec-WebSocket-Protocol", b"v1")]}, "is the handshake's"),
        ({**ACCEPT, "headers": [(b"X-Split", b"a\r\nb")]}, "a header is a token and a value"),
        ({"type": "websocket.send", "text": "x"}, "websocket.send is not understood before"),
        ({"type": "websocket.http.response.body"}, "websocket.http.response.body is not understood before"),
    ],
    ids=str,
)
def test_what_cannot_be_accepted(accept: Message, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving(sends(accept)) as server:
        assert asked(server, opening(Sec_WebSocket_Protocol="v1")).status == 500
    assert reason in caplog.text


def test_a_handshake_that_is_none_does_not_reach_it() -> None:
    with serving(sends(ACCEPT)) as server:
        assert asked(server, opening(Sec_WebSocket_Version="8")).status == 426
        assert asked(server, opening(Sec_WebSocket_Key="")).status == 400


# How it is refused.


def test_closed_before_it_is_accepted() -> None:
    with serving(sends({"type": "websocket.close", "code": 4000})) as server:
        assert asked(server, opening()).status == 403


def start(status: int = 401, *fields: tuple[bytes, bytes]) -> Message:
    return {"type": "websocket.http.response.start", "status": status, "headers": fields}


def body(data: bytes, has_more: bool = False) -> Message:
    return {"type": "websocket.http.response.body", "body": data, "more_body": has_more}


@pytest.mark.parametrize(
    ("bodies", "framing"), [((body(b"who are you?"),), "length"), ((body(b"who ", True), body(b"are you?")), "chunked")]
)
def test_refused_with_a_body(bodies: tuple[Message, ...], framing: str) -> None:
    with serving(sends(start(401, (b"content-type", b"text/plain"), (b"x-a", b"b")), *bodies)) as server:
        answer = asked(server, opening())
        assert (answer.status, answer.body, answer.framing) == (401, b"who are you?", framing)
        assert (answer.field("Content-Type"), answer.field("x-a")) == ("text/plain", "b")


def test_what_comes_behind_a_refusal() -> None:
    ended = Signal()

    @websocket
    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.close"})
        with pytest.raises(OSError, match="gone"):
            await send(ACCEPT)
        ended.set(await receive())

    with serving(function) as server:
        assert asked(server, opening()).status == 403
        assert ended.wait() == {"type": "websocket.disconnect", "code": 1006, "reason": ""}


@pytest.mark.parametrize(
    "messages",
    [
        ({"type": "websocket.close"},),
        (start(), body(b"")),
        (start(), body(b"x", True), body(b"")),
        (start(204), body(b"", True)),
    ],
    ids=str,
)
def test_a_fault_behind_a_refusal_is_logged(messages: tuple[Message, ...], caplog: pytest.LogCaptureFixture) -> None:
    @websocket
    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        raise ZeroDivisionError

    with serving(function) as server:
        assert asked(server, opening("/here")).status in (403, 401, 204)
    assert [each.getMessage() for each in caplog.records] == ["app raised after its refusal of GET /here"]


def test_a_body_that_a_refusal_cannot_have_is_not_waited_for() -> None:
    ended = Signal()

    @websocket
    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(204))
        await send(body(b"x" * 1_000_000, True))
        ended.set()
        await send(body(b"x"))

    with serving(function) as server:
        assert asked(server, opening()).status == 204
        ended.wait()


@pytest.mark.parametrize("messages", [(), (start(),), (start(), ACCEPT)])
def test_neither_one_nor_the_other(messages: tuple[Message, ...]) -> None:
    with serving(sends(*messages)) as server:
        assert asked(server, opening()).status == 500


def test_a_refusal_that_breaks_off() -> None:
    app = sends(start(), body(b"half", True), ACCEPT)
    with serving(app) as server, connect(port_of(server)) as sock:
        sock.sendall(opening())
        with pytest.raises((EOFError, ConnectionResetError)):
            read_response(sock)


def test_a_client_that_leaves_before_it_is_answered() -> None:
    asked_for, ended = Signal(), Signal()

    @websocket
    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        asked_for.set()
        message = await receive()
        with pytest.raises(OSError, match="gone"):
            await send(ACCEPT)
        ended.set(message)
        raise ZeroDivisionError

    with serving(function) as server:
        with connect(port_of(server)) as sock:
            sock.sendall(opening())
            asked_for.wait()
            reset(sock)
        assert ended.wait() == {"type": "websocket.disconnect", "code": 1006, "reason": ""}


def test_a_client_that_leaves_as_it_is_answered() -> None:
    """The answer was given, and its connection did not live to take it."""

    async def program() -> None:
        request: Any = None
        talk = Talk(request, Opening("", (), ()), Limits(0), Heads(), "app", asyncio.get_running_loop())
        await talk.receive()
        accepting = asyncio.create_task(talk.send(ACCEPT))
        await asyncio.sleep(0)
        assert talk.later.is_answered
        talk.later.abandon()
        await accepting
        assert await talk.receive() == {"type": "websocket.disconnect", "code": 1006, "reason": ""}
        with pytest.raises(OSError, match="1006"):
            await talk.send({"type": "websocket.send", "text": "x"})

    asyncio.run(program())


# When it is open.


def test_it_is_closed_with_a_code() -> None:
    with serving(sends(ACCEPT, {"type": "websocket.close", "code": 4001, "reason": "that was all"})) as server:
        with Peer(server) as peer:
            peer.expect_end(4001, b"that was all")
    with serving(sends(ACCEPT, {"type": "websocket.close", "reason": None})) as server, Peer(server) as peer:
        peer.expect_end(1000, b"")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"type": "websocket.send"}, "either text or bytes"),
        ({"type": "websocket.send", "text": "x", "bytes": b"x"}, "either text or bytes"),
        ({"type": "websocket.send", "text": None, "bytes": 1}, "str or bytes, not int"),
        ({"type": "websocket.close", "code": 1006}, "cannot have the code 1006"),
        (ACCEPT, "websocket.accept is not understood when"),
    ],
    ids=str,
)
def test_what_is_not_understood(message: Message, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving(sends(ACCEPT, message)) as server, Peer(server, "/here") as peer:
        peer.expect_end(1011)
    assert "raised, in GET /here" in caplog.text
    assert reason in caplog.text


def test_an_application_that_ends_with_the_client_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    ended = Signal()

    @websocket
    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        await connected(receive, send)
        await receive()
        ended.set()
        await send({"type": "websocket.send", "text": "x"})

    with serving(function) as server, Peer(server) as peer:
        peer.leave()
        ended.wait()
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


def test_an_error_of_its_own_behind_the_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    @websocket
    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        await connected(receive, send)
        await receive()
        raise FileNotFoundError("notes.txt")  # an OSError as the end is, and another

    with serving(function) as server, Peer(server) as peer:
        peer.leave()
    assert "notes.txt" in caplog.text


@pytest.mark.parametrize("way", ["closed", "closed by it", "reset", "refused", "refused with a body", "left"])
def test_nothing_is_left_of_it(way: str) -> None:
    refs: list[weakref.ref[Any]] = []
    begun, ended = Signal(), Signal()
    said: dict[str, tuple[Message, ...]] = {
        "closed by it": (ACCEPT, {"type": "websocket.close"}),
        "refused": ({"type": "websocket.close"},),
        "refused with a body": (start(), body(b"who ", True), body(b"are you?")),
        "left": (),
    }

    @websocket
    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        refs.append(weakref.ref(receive.__self__))  # type: ignore[attr-defined]  # it is a method
        assert await receive() == {"type": "websocket.connect"}
        for message in said.get(way, (ACCEPT,)):
            await send(message)
        begun.set()
        while (await receive())["type"] != "websocket.disconnect":
            pass
        ended.set()

    with serving(function) as server:
        gc.collect()
        gc.disable()
        try:
            with connect(port_of(server)) as sock:
                sock.sendall(opening())
                begun.wait()
                if way in ("reset", "left"):
                    reset(sock)
                else:
                    read_response(sock)
                    sock.sendall(close(1000))
                ended.wait()
            asked(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")  # what was to be done about it has been
            assert refs[0]() is None
        finally:
            gc.enable()


def test_the_servers_end() -> None:
    ended = Signal()

    @websocket
    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        await connected(receive, send)
        await send({"type": "websocket.send", "text": "here"})
        ended.set(await receive())

    server = Server(function, "127.0.0.1:0")
    server.start()
    with Peer(server) as peer:
        peer.expect(Frame(TEXT, b"here"))
        server.drain()
        peer.expect(closing(1001))
        peer.send(close(1001))
        assert peer.read() is None
    assert ended.wait() == {"type": "websocket.disconnect", "code": 1001, "reason": ""}
    server.stop()


def test_an_application_that_is_cancelled_in_the_end() -> None:
    begun = Signal()

    @websocket
    async def function(scope: Scope, receive: Receive, send: Send) -> None:
        await connected(receive, send)
        begun.set()
        await asyncio.sleep(60)

    with Server(function, "127.0.0.1:0", settings=Settings(timeout_graceful_shutdown=0.2)) as server:
        peer = Peer(server)
        begun.wait()
    with peer:
        peer.expect(closing(1001))


def test_the_limit_of_a_message_is_the_servers() -> None:
    with serving(echo, settings=Settings(limit_body_size=10)) as server, Peer(server) as peer:
        peer.send(text("0123456789a"))
        peer.expect_end(1009)


# Without wsproto.


def test_without_wsproto_it_says_so_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for name in [each for each in sys.modules if each.startswith(("handlers.websocket", "wsproto"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "handlers.asgi.websocket", raising=False)
    monkeypatch.setitem(sys.modules, "wsproto", None)
    with serving(echo) as server:
        for _ in range(2):
            assert asked(server, opening()).status == 501
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    what = "handlers.websocket needs wsproto: pip install wsproto"
    assert told == [f"a WebSocket was asked for, and answered 501: {what}"]


def test_nobody_pays_who_is_asked_for_none() -> None:
    code = "import sys, handlers.asgi; sys.exit('wsproto' in sys.modules or 'handlers.websocket' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
