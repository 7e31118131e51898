"""The opening handshake: who is let in, and what is agreed on."""

import base64
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.router import Router
from handlers.websocket import WebSocket, websocket
from reactor import Answer, Request, Response, Server
from reactor.testing import TestClient
from tests.aio import port_of, serving
from tests.wire import connect, read_response

from .frames import BINARY, DEFLATE, KEY, TEXT, Frame, Peer, asked, frame, opening, text


@websocket
async def echo(socket: WebSocket) -> None:
    """Says it again."""
    async for message in socket:
        await socket.send(message)


@websocket(subprotocols=["chat.v2", "chat.v1"], origins=["https://here.example"], compress=False)
async def choosy(socket: WebSocket) -> None:
    await socket.send(f"{socket.subprotocol} {socket.request.query.get('room')} {socket.request.path}")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    routes = Router()
    routes.mount("/echo", echo)
    routes.get("/rooms/{name}")(choosy)
    with serving(routes) as server:
        yield server


def test_it_is_opened(server: Server) -> None:
    with Peer(server, "/echo") as peer:
        accept = base64.b64encode(hashlib.sha1(KEY + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()
        assert peer.answer.field("Sec-WebSocket-Accept") == accept
        assert peer.answer.field("Upgrade") == "websocket"
        assert peer.answer.field("Connection") == "Upgrade"
        assert peer.answer.field("Sec-WebSocket-Protocol") is None
        assert peer.answer.field("Sec-WebSocket-Extensions") is None
        peer.leave()


def test_the_example_of_the_rfc(server: Server) -> None:
    with Peer(server, "/echo", Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==") as peer:  # RFC 6455 1.3
        assert peer.answer.field("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        peer.leave()


@pytest.mark.parametrize(
    "fields",
    [
        {"Connection": "keep-alive, upgrade", "Upgrade": "WebSocket"},
        {"Upgrade": "h2c, websocket"},
        {"Sec_WebSocket_Extensions": "x-unknown; a=1; b, x-other"},
        {"Sec_WebSocket_Protocol": "chat, superchat"},
        {"Origin": "https://elsewhere.example"},
    ],
    ids=str,
)
def test_these_are_let_in(fields: dict[str, str], server: Server) -> None:
    with Peer(server, "/echo", **fields) as peer:
        peer.send(text("hello"))
        peer.expect(Frame(TEXT, b"hello"))
        peer.leave()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"Connection": "keep-alive"}, 426),
        ({"Connection": ""}, 426),
        ({"Upgrade": ""}, 426),
        ({"Upgrade": "websockets"}, 426),
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Version": "13, 8"}, 426),
        ({"Sec_WebSocket_Version": ""}, 426),
        ({"Sec_WebSocket_Key": ""}, 400),
        ({"Sec_WebSocket_Key": base64.b64encode(b"too short").decode()}, 400),
        ({"Sec_WebSocket_Key": base64.b64encode(b"seventeen bytes 1").decode()}, 400),
        ({"Sec_WebSocket_Key": "c2l4dGVlbiBieXRlcyAxNh=="}, 400),  # bits that are none of the sixteen bytes'
        ({"Sec_WebSocket_Key": "c2l4dGVlbiBieXRlcyAxNg"}, 400),
        ({"Sec_WebSocket_Key": f"{KEY.decode()}, {KEY.decode()}"}, 400),
        ({"Sec_WebSocket_Protocol": "chat, chat"}, 400),
        ({"Sec_WebSocket_Protocol": "a chat"}, 400),
        ({"Sec_WebSocket_Protocol": ","}, 400),
        ({"Sec_WebSocket_Extensions": "permessage-deflate; ="}, 400),
        ({"Sec_WebSocket_Extensions": "permessage-deflate; a=\"b c\""}, 400),
        ({"Sec_WebSocket_Extensions": "; a"}, 400),
        ({"Content_Length": "2"}, 400),
        ({"Transfer_Encoding": "chunked"}, 400),
    ],
    ids=str,
)  # fmt: skip
def test_these_are_not(fields: dict[str, str], status: int, server: Server) -> None:
    body = b"0\r\n\r\n" if "Transfer_Encoding" in fields else b"{}" if "Content_Length" in fields else b""
    answer = asked(server, opening("/echo", **fields) + body)
    assert answer.status == status
    if status == 426:
        assert answer.field("Upgrade") == "websocket"
    if "Sec_WebSocket_Version" in fields:
        assert answer.field("Sec-WebSocket-Version") == "13"


def test_it_is_opened_by_get_and_http_1_1(server: Server) -> None:
    post = opening("/echo", Content_Length="0").replace(b"GET", b"POST")
    answer = asked(server, post)
    assert (answer.status, answer.field("Allow")) == (405, "GET")
    assert asked(server, opening("/echo").replace(b"HTTP/1.1", b"HTTP/1.0")).status == 426


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        ("chat.v1", "chat.v1"),
        ("chat.v1, chat.v2", "chat.v1"),  # as the client would have it
        ("other, chat.v2", "chat.v2"),
        ("other", None),
        ("", None),
    ],
)
def test_a_subprotocol(offered: str, agreed: str | None, server: Server) -> None:
    with Peer(server, "/rooms/a?room=b", Sec_WebSocket_Protocol=offered) as peer:
        assert peer.answer.field("Sec-WebSocket-Protocol") == agreed
        peer.expect(Frame(TEXT, f"{agreed} b /rooms/a".encode()))
        peer.expect_end(1000)


def test_origins(server: Server) -> None:
    for origin in ("https://elsewhere.example", "https://here.example.evil", "null"):
        assert asked(server, opening("/rooms/a", Origin=origin)).status == 403
    for origin in ("https://here.example", ""):  # who says none is no page in a browser
        with Peer(server, "/rooms/a", Origin=origin) as peer:
            peer.expect(Frame(TEXT, b"None None /rooms/a"))


@pytest.mark.parametrize(
    ("offer", "agreed"),
    [
        (DEFLATE, "server_no_context_takeover"),
        (f"{DEFLATE}; client_max_window_bits", "server_no_context_takeover; client_max_window_bits=15"),
        (f"{DEFLATE}; client_max_window_bits=10", "server_no_context_takeover; client_max_window_bits=10"),
        (f'{DEFLATE}; server_max_window_bits="9"', "server_no_context_takeover; server_max_window_bits=9"),
        (f"{DEFLATE};client_no_context_takeover", "client_no_context_takeover; server_no_context_takeover"),
        (f"{DEFLATE}; server_max_window_bits=8, {DEFLATE}", "server_no_context_takeover"),  # zlib cannot do 8
        (f"{DEFLATE}; unknown, {DEFLATE}", "server_no_context_takeover"),
        (f"{DEFLATE}; unknown", None),
        (f"{DEFLATE}; server_max_window_bits", None),
        (f"{DEFLATE}; server_max_window_bits=16", None),
        (f"{DEFLATE}; server_max_window_bits=010", None),
        (f"{DEFLATE}; client_max_window_bits=abc", None),
        (f"{DEFLATE}; client_no_context_takeover=1", None),
        (f"{DEFLATE}; client_no_context_takeover; client_no_context_takeover", None),
        (f"{DEFLATE}; client_max_window_bits; client_max_window_bits=10", None),
        ("x-webkit-deflate-frame", None),
    ],
)
def test_compression(offer: str, agreed: str | None, server: Server) -> None:
    with Peer(server, "/echo", Sec_WebSocket_Extensions=offer) as peer:
        said = peer.answer.field("Sec-WebSocket-Extensions")
        assert said == (None if agreed is None else f"{DEFLATE}; {agreed}")
        peer.leave()


def test_compression_can_be_declined(server: Server) -> None:
    with Peer(server, "/rooms/a", Sec_WebSocket_Extensions=DEFLATE) as peer:
        assert peer.answer.field("Sec-WebSocket-Extensions") is None


def test_the_first_frame_may_come_with_the_request(server: Server) -> None:
    with connect(port_of(server)) as sock:
        sock.sendall(opening("/echo") + text("hello"))
        assert read_response(sock).status == 101
        assert sock.recv(100) == b"\x81\x05hello"


@pytest.mark.parametrize("options", [{"subprotocols": "v1"}, {"origins": "https://here.example"}], ids=str)
def test_a_list_is_a_list(options: Any) -> None:
    with pytest.raises(TypeError, match=r"is a list: \['"):
        websocket(**options)(echo.function)


@pytest.mark.parametrize(
    "options", [{"limit_message": -1}, {"ping_interval": -0.1}, {"ping_timeout": float("nan")}], ids=str
)
def test_an_amount_is_none_or_more(options: Any) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))} is 0 or more, not"):
        websocket(**options)


def test_it_has_its_limits_where_another_handler_calls_it() -> None:
    """One that is no part of the server's handler is not told when that starts."""
    inner = websocket(echo.function)

    async def handler(request: Request) -> Answer:
        return inner(request)

    with serving(handler) as server, Peer(server) as peer:
        peer.send(frame(BINARY, bytes(16 * 1024 * 1024 + 1)))
        peer.expect_end(1009)


def test_it_is_a_handler_with_the_names_of_its_function() -> None:
    assert echo.__qualname__ == "echo"
    assert echo.__module__ == __name__
    assert echo.__doc__ == "Says it again."
    assert TestClient(echo).get("/").status == 426


def test_others_are_answered_beside_it(server: Server) -> None:
    routes = Router()
    routes.mount("/echo", echo)

    @routes.get("/")
    def index(request: Request) -> Response:
        return Response(200, "hello")

    with serving(routes) as server:
        assert asked(server, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").body == b"hello"
        with Peer(server, "/echo") as peer:
            peer.leave()


def test_without_wsproto_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "wsproto.py").write_text("raise ImportError('no wsproto here')")
    root = Path(__file__).parent.parent.parent
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(root)!r}]; import handlers.websocket"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    told = done.stderr.splitlines()[-1]
    assert told == "ImportError: handlers.websocket needs wsproto: pip install wsproto"
