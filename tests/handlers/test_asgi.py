"""ASGI's http: what an application sees of a request, and what becomes of what it sends."""

import asyncio
import hashlib
import logging
import socket
import tracemalloc
from collections.abc import Awaitable, Callable, Coroutine
from http.client import HTTPResponse
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from handlers.asgi import Asgi
from handlers.router import Router
from reactor import Gone, Pieces, Response, Server, Settings, StreamingRequest, streaming
from tests.aio import GET, Signal, port_of, serving
from tests.wire import Answer, connect, read_response, reset

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Coroutine[Any, Any, Message]]
Send = Callable[[Message], Awaitable[None]]

POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


def start(status: int = 200, *fields: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": fields}


def body(data: bytes = b"", has_more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": has_more}


def sends(*messages: Message) -> Any:
    """An application that sends these."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        for message in messages:
            await send(message)

    return app


async def read(receive: Receive) -> bytes:
    pieces = []
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        pieces.append(message["body"])
        if not message["more_body"]:
            return b"".join(pieces)


def ask(server: Server, head: bytes, content: bytes = b"", method: str = "GET") -> Answer:
    with connect(port_of(server)) as sock:
        sock.sendall(head + content)
        return read_response(sock, method)


def asked(app: Any, head: bytes = GET % b"/", content: bytes = b"", method: str = "GET") -> Answer:
    with serving(Asgi(app)) as server:
        return ask(server, head, content, method)


# What it sees.


async def shows(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        shown = {each: scope[each] for each in sorted(scope) if each not in ("client", "server")}
        await send(start())
        await send(body(repr(shown).encode()))
        scope["headers"].append((b"x", b"its own"))
        scope["state"]["seen"] = True


def test_the_scope_of_a_request() -> None:
    head = b"GET /a%%2Fb/gr%C3%BC%C3%9Fe/%FF?x=1&y HTTP/1.1\r\nHost: here\r\nX-Two: a\r\nx-two: b\r\n\r\n"
    with serving(Asgi(shows)) as server:
        for _ in range(2):
            scope = eval(ask(server, head.replace(b"%%", b"%")).body)
            assert scope == {
                "type": "http", "asgi": {"version": "3.0", "spec_version": "2.5"}, "http_version": "1.1",
                "method": "GET", "scheme": "http", "path": "/a/b/grüße/\ufffd",
                "raw_path": b"/a%2Fb/gr%C3%BC%C3%9Fe/%FF", "query_string": b"x=1&y", "root_path": "",
                "headers": [(b"host", b"here"), (b"x-two", b"a"), (b"x-two", b"b")],
                "state": {}, "extensions": {"http.response.pathsend": {}, "http.response.early_hint": {}},
            }  # fmt: skip


def test_who_asks_and_who_is_asked() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            seen.append((scope["client"], scope["server"]))
            await sends(start(), body())(scope, receive, send)

    seen: list[Any] = []
    with serving(Asgi(app)) as server, connect(port_of(server)) as sock:
        for _ in range(2):  # the second is made of what the first was
            sock.sendall(GET % b"/")
            read_response(sock)
        assert seen == [(sock.getsockname(), ("127.0.0.1", port_of(server)))] * 2


def test_on_a_unix_socket_there_is_a_path_and_nobody(tmp_path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await sends(start(), body(f"{scope['client']} {scope['server']}".encode()))(scope, receive, send)

    path = tmp_path / "socket"
    with Server(Asgi(app), f"unix:{path}"), socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(5)
        sock.connect(str(path))
        sock.sendall(GET % b"/")
        assert read_response(sock).body == f"None {(str(path), None)}".encode()


@pytest.mark.parametrize(
    ("path", "seen"), [(b"/deep/down", "/deep/down"), (b"/deep", "/deep"), (b"/deep/", "/deep/"), (b"/deep?x", "/deep")]
)
def test_where_it_is_mounted(path: bytes, seen: str) -> None:
    router = Router()
    router.mount("/deep", Asgi(shows))
    with serving(router) as server:
        scope = eval(ask(server, GET % path).body)
    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/deep", seen, path.partition(b"?")[0])


def test_many_heads_are_not_all_remembered() -> None:
    with serving(Asgi(shows)) as server, connect(port_of(server)) as sock:
        for number in range(300):
            sock.sendall(GET % b"/%d" % number)
            assert eval(read_response(sock).body)["path"] == f"/{number}"


# Bodies.


async def echoes(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        data = await read(receive)
        await send(start(200, (b"content-type", b"text/x"), (b"content-length", b"%d" % len(data))))
        await send(body(data))


@pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
def test_a_body_comes_whole(size: int) -> None:
    data = b"0123456789" * (size // 10) + b"x" * (size % 10)
    answer = asked(echoes, POST % size, data)
    assert (answer.body, answer.framing, answer.field("content-type")) == (data, "length", "text/x")


def test_a_chunked_one_too() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert asked(echoes, head, b"3\r\nabc\r\n0\r\n\r\n").body == b"abc"


def test_one_larger_than_may_be_is_refused_and_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            begun.set(await receive())
            told.set(await receive())
            raise RuntimeError("half a body")

    begun, told = Signal(), Signal()
    small = Settings(limit_body_size=10)
    with caplog.at_level("INFO"), serving(Asgi(app), settings=small) as server, connect(port_of(server)) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n")
        begun.wait()
        sock.sendall(b"6\r\nfghijk\r\n")
        assert read_response(sock).status == 413
        assert told.wait() == {"type": "http.disconnect"}
    assert "app ended at POST /, whose client is gone or refused: RuntimeError('half a body')" in caplog.text


async def echoes_as_it_comes(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send(start())
        while (message := await receive())["more_body"]:
            await send(body(message["body"], has_more=True))
        await send(body(message["body"]))


def test_a_body_is_taken_while_the_answer_is_given() -> None:
    data = bytes(range(256)) * 3000
    assert duplex(Asgi(echoes_as_it_comes), POST % len(data), data, 1) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("kind", ["asgi", "streaming"])
def test_a_hundred_mebibytes_are_echoed_in_bounded_memory(kind: str) -> None:
    """The client sends while it receives; what is there of it at any time is a few pieces."""

    @streaming
    async def echo(request: StreamingRequest) -> Response:
        return Response(200, Pieces(request.stream()))

    handler = Asgi(echoes_as_it_comes) if kind == "asgi" else echo
    piece = bytes(range(256)) * 4096
    data = hashlib.sha256()
    for _ in range(100):
        data.update(piece)
    tracemalloc.start()
    try:
        heard = duplex(handler, POST % (100 * len(piece)), piece, 100)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert heard == data.hexdigest()
    assert peak < 8 * 1024 * 1024, "of server and client together"


def duplex(handler: Any, head: bytes, piece: bytes, count: int) -> str:
    """What comes back, as a digest of its bytes, while `piece` is sent `count` times."""

    def send() -> None:
        sock.sendall(head)
        for _ in range(count):
            sock.sendall(piece)

    heard = hashlib.sha256()
    unlimited = Settings(limit_body_size=0)
    with serving(handler, settings=unlimited) as server, connect(port_of(server)) as sock:
        sender = Thread(target=send)
        sender.start()
        response = HTTPResponse(sock)
        response.begin()
        while data := response.read(65536):
            heard.update(data)
        response.close()
        sender.join()
        sock.sendall(GET % b"/")  # the connection goes on
        assert read_response(sock).status == 200
    return heard.hexdigest()


def test_an_answer_to_a_body_that_is_not_read_leaves_at_once() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(start())
            for _ in range(3):
                await send(body(b"x", has_more=True))
            await asyncio.sleep(0.01)
            await send(body(b"y"))

    with serving(Asgi(app)) as server, connect(port_of(server)) as sock:
        sock.sendall(POST % 1_000_000 + b"x" * 10)
        assert read_response(sock).body == b"xxxy"


def test_a_client_that_does_not_read_holds_send_up() -> None:
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        if scope["type"] != "http":
            return
        await send(start())
        try:
            while True:
                await send(body(b"x" * 50_000, has_more=True))
                sent += 1
                if sent == 5:
                    far.set()
        except OSError as error:
            ended.set(error)
            raise

    far, ended = Signal(), Signal()
    with serving(Asgi(app)) as server:
        sock = connect(port_of(server), receive_buffer=4096)
        sock.sendall(GET % b"/")
        far.wait()
        former = -1
        while former != sent:
            former = sent
            for _ in range(20):
                assert ask(server, b"OPTIONS * HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n").status > 400
        assert sent < 200
        reset(sock)
        assert isinstance(ended.wait(), Gone)


# Answers.


def test_a_short_answer_leaves_whole() -> None:
    answer = asked(sends(start(201, (b"X-Y", b"z"), (b"content-type", b"text/x")), body(b"hi")))
    assert (answer.status, answer.body, answer.framing, answer.field("x-y")) == (201, b"hi", "length", "z")


def test_without_a_content_type_there_is_none() -> None:
    for messages in [[start(), body(b"hi")], [start(), body(b"h", True), body(b"i")]]:
        answer = asked(sends(*messages))
        assert (answer.body, answer.field("content-type")) == (b"hi", None)


def test_an_answer_in_pieces_is_chunked_or_as_long_as_it_says() -> None:
    pieces = [body(b"%d," % number, True) for number in range(10)]
    answer = asked(sends(start(), *pieces, body()))
    assert (answer.body, answer.framing) == (b"0,1,2,3,4,5,6,7,8,9,", "chunked")
    answer = asked(sends(start(200, (b"content-length", b"20")), *pieces, body()))
    assert (answer.body, answer.framing) == (b"0,1,2,3,4,5,6,7,8,9,", "length")


def test_a_large_answer_arrives() -> None:
    piece = hashlib.sha256(b"x").digest() * 1000
    answer = asked(sends(start(), *[body(piece, True)] * 100, body(piece)))
    assert answer.body == piece * 101


def test_what_is_the_servers_is_left_out() -> None:
    ours = [b"Connection", b"Date", b"Keep-Alive", b"Server", b"Trailer", b"Transfer-Encoding", b"Upgrade"]
    answer = asked(sends(start(200, *((name, b"x") for name in ours)), body(b"hi")))
    assert answer.body == b"hi"
    assert {name for name, value in answer.fields if value == "x"} == set()


def test_cookies_stay_apart_and_are_not_remembered() -> None:
    asgi = Asgi(sends(start(200, (b"set-cookie", b"a=1"), (b"Set-Cookie", b"b=2")), body()))
    with serving(asgi) as server:
        answer = ask(server, GET % b"/")
    assert [value for name, value in answer.fields if name.lower() == "set-cookie"] == ["a=1", "b=2"]
    assert asgi._heads == {}


def test_many_answers_are_not_all_remembered() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await sends(start(200, (b"x-path", scope["raw_path"])), body(scope["raw_path"] * 1000))(
                scope, receive, send
            )

    asgi = Asgi(app)
    with serving(asgi) as server, connect(port_of(server)) as sock:
        for number in [*range(300), 299]:
            sock.sendall(GET % b"/%d" % number)
            assert read_response(sock).field("x-path") == f"/{number}"
    assert len(asgi._heads) < 300


@pytest.mark.parametrize("status", [204, 304])
def test_what_has_no_body_has_none(status: int) -> None:
    fields = ((b"content-length", b"5"),)
    for messages in [[body(b"hello")], [body(b"he", True), body(b"llo")]]:
        answer = asked(sends(start(status, *fields), *messages))
        assert (answer.status, answer.framing, answer.field("content-length")) == (status, "none", None)


@pytest.mark.parametrize(
    ("messages", "length"),
    [
        ([start(), body(b"hello")], "5"),
        ([start(200, (b"content-length", b"7")), body()], "7"),
        ([start(), body()], None),
        ([start(200, (b"content-length", b"5")), body(b"he", True), body(b"llo")], "5"),
        ([start(), body(b"he", True), body(b"llo")], None),
    ],
)
def test_head(messages: list[Message], length: str | None) -> None:
    with serving(Asgi(sends(*messages))) as server, connect(port_of(server)) as sock:
        for _ in range(2):
            sock.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = read_response(sock, "HEAD")
            assert (answer.status, answer.field("content-length")) == (200, length)


def test_head_of_what_would_have_no_end_ends() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await read(receive)
            await send(start())
            await send(body(b"x", True))
            with pytest.raises(Gone):
                await send(body(b"x", True))
            told.set(await receive())

    told = Signal()
    assert asked(app, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", method="HEAD").status == 200
    assert told.wait() == {"type": "http.disconnect"}


# Files.


def pathsend(path: Path) -> Message:
    return {"type": "http.response.pathsend", "path": str(path)}


def test_a_file_is_sent_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789" * 100_000)
    answer = asked(sends(start(200, (b"content-type", b"text/x")), pathsend(path)))
    assert (answer.body, answer.framing) == (path.read_bytes(), "length")
    for field in [[], [(b"content-length", b"1000000")]]:
        answer = asked(sends(start(200, *field), pathsend(path)), b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", method="HEAD")
        assert answer.field("content-length") == "1000000"
    assert asked(sends(start(304), pathsend(path))).status == 304


def test_a_file_that_is_not_there_or_has_another_length_is_a_500(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "file"
    assert asked(sends(start(), pathsend(path))).status == 500
    path.write_bytes(b"0123456789")
    assert asked(sends(start(200, (b"content-length", b"9")), pathsend(path))).status == 500
    assert "FileNotFoundError" in caplog.text
    assert "the Content-Length is 9" in caplog.text


# What goes wrong.


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "its answer is not complete"),
        ([start()], "its answer is not complete"),
        ([body(b"x")], "begins with http.response.start"),
        ([start(), start()], "begun once"),
        ([start(), {"type": "http.response.debug"}], "http.response.debug is not understood"),
        ([start(99), body()], "a final status is"),
        ([start(200, (b"x\n", b"y")), body()], "a header is a token"),
        ([{"type": "http.response.start", "status": 200, "headers": [("x", "y")]}], "a header is a pair of bytes"),
        ([start(200, (b"content-length", b"x"))], "a Content-Length is a number"),
        ([start(200, (b"content-length", b"1"), (b"content-length", b"2"))], "said once"),
        ([start(200, (b"content-length", b"3")), body(b"1234")], "the Content-Length is 3, and the body has 4 bytes"),
    ],
)
def test_what_it_does_wrong_before_its_answer_leaves_is_a_500(
    messages: list[Message], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert asked(sends(*messages)).status == 500
    assert reason in caplog.text


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "its answer is not complete"),
        ([{"type": "http.response.pathsend", "path": "/etc/hosts"}], "pathsend is not understood here"),
        ([body("text", True)], "a piece of a body is bytes, not str"),  # type: ignore[arg-type]  # that is the point
    ],
)
def test_and_afterwards_the_answer_breaks_off(
    messages: list[Message], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises((ConnectionResetError, EOFError)):
        asked(sends(start(), body(b"x", True), *messages))
    assert reason in caplog.text


def test_behind_a_complete_answer_it_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert asked(sends(start(), body(b"x"), body(b"y"))).body == b"x"
    assert "raised after its answer" in caplog.text


@pytest.mark.parametrize("error", [ValueError("oh no"), SystemExit(3), asyncio.CancelledError()])
def test_what_it_raises_is_a_logged_500(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raise error

    with serving(Asgi(app)) as server:
        assert ask(server, GET % b"/").status == 500
        assert ask(server, GET % b"/").status == 500
    assert type(error).__name__ in caplog.text


def test_what_cannot_be_called_is_no_application() -> None:
    with pytest.raises(TypeError, match="'app' cannot be called"):
        Asgi("app")


# Gone.


async def waits_for_the_end(receive: Receive) -> Message:
    while (message := await receive())["type"] == "http.request":
        pass
    return message


@pytest.mark.parametrize("head", [GET % b"/", POST % 3 + b"abc"])
def test_it_is_told_when_the_client_has_gone(head: bytes, caplog: pytest.LogCaptureFixture) -> None:
    gone: OSError | None = None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal gone
        if scope["type"] != "http":
            return
        first, second = asyncio.create_task(waits_for_the_end(receive)), asyncio.create_task(waits_for_the_end(receive))
        begun.set()
        told.set((await first, await second, await receive()))
        while gone is None:
            await asyncio.sleep(0)
            try:
                await send(start())
            except RuntimeError:
                pass
            except OSError as error:
                gone = error
        assert isinstance(gone, Gone)
        raise ValueError("a bug, perhaps")

    begun, told = Signal(), Signal()
    with caplog.at_level("INFO"), serving(Asgi(app)) as server:
        sock = connect(port_of(server))
        sock.sendall(head)
        begun.wait()
        reset(sock)
        assert told.wait() == ({"type": "http.disconnect"},) * 3
    assert "a bug, perhaps" in caplog.text
    assert "whose client is gone or refused" in caplog.text


def test_it_is_told_in_the_middle_of_an_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(start())
            await send(body(b"x", True))
            told.set(await waits_for_the_end(receive))

    told = Signal()
    with serving(Asgi(app)) as server:
        sock = connect(port_of(server))
        sock.sendall(GET % b"/")
        assert sock.recv(100)
        sock.close()  # a FIN, and no more
        assert told.wait() == {"type": "http.disconnect"}


def test_a_client_that_said_goodbye_may_still_be_answered() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await waits_for_the_end(receive)
            await send(start())
            await send(body(b"still ", True))
            await send(body(b"there"))

    with serving(Asgi(app)) as server, connect(port_of(server)) as sock:
        sock.sendall(GET % b"/")
        sock.shutdown(1)
        assert read_response(sock).body == b"still there"


def test_it_is_told_when_its_answer_is_complete() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await read(receive)
            waiting = asyncio.create_task(receive())
            await sends(start(), body(b"x"))(scope, receive, send)
            told.set(await waiting)

    told = Signal()
    assert asked(app).body == b"x"
    assert told.wait() == {"type": "http.disconnect"}


def test_another_protocol_that_it_might_speak_is_not_its_concern() -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    assert asked(sends(start(), body(b"no")), head).body == b"no"


@pytest.mark.parametrize("has_begun", [False, True])
def test_an_application_may_return_when_the_client_has_said_goodbye(
    has_begun: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """As Django does: its view is cancelled, and nothing more is sent."""
    done = Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        if has_begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"one", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        asyncio.get_running_loop().call_soon(done.set)

    caplog.set_level(logging.INFO, "reactor")
    with serving(Asgi(app)) as server, connect(port_of(server)) as sock:
        sock.sendall(GET % b"/")
        if has_begun:
            assert b"one" in sock.recv(65536)
        sock.shutdown(socket.SHUT_WR)
        rest = sock.makefile("rb").read() if not has_begun else b""
        assert done.wait(10)
    assert has_begun or rest.startswith(b"HTTP/1.1 500 ")
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR] == []
    assert "when the client had said goodbye" in caplog.text
