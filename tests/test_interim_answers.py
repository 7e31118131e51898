"""What is said in front of an answer: 102 and 103 (RFC 9110 15.2, RFC 8297), by the promise of that answer."""

import gc
import subprocess
import weakref
from typing import Any

import pytest

from handlers.asgi import Asgi
from reactor import Later, Request, Response
from reactor.respondent import HIGH_WATER

from .aio import GET, port_of, serving
from .conftest import need
from .simulated import HELLO, World, get, head, post
from .wire import connect, read_response
from .zoo import Zoo

HINT = Response(103, headers={"Link": "</style.css>; rel=preload"})
HINTED = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


def promised() -> tuple[World, Later]:
    world = World()
    world.arrive(get("/later"))
    later: Later = world.handler.laters[0]
    return world, later


def test_it_is_sent_at_once_and_the_answer_behind_it() -> None:
    world, later = promised()
    later.inform(HINT)
    world.run()
    assert (world.sent, world.state) == (HINTED, "WORK")
    later.inform(Response(102))
    later.answer(Response(200, "Hello"))
    later.inform(HINT)
    world.run()
    assert world.statuses == [103, 102, 200]
    assert b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\n" in world.sent
    assert world.state == "IDLE"


def test_one_that_is_said_before_anybody_waits_comes_first() -> None:
    def handler(request: Request) -> Later:
        later = Later()
        later.inform(HINT)
        later.answer(Response(200))
        later.inform(HINT)
        return later

    world = World(handler)
    world.arrive(HELLO, HELLO)
    assert world.statuses == [103, 200, 103, 200]


def test_it_passes_through_what_is_made_of_a_promise() -> None:
    later = Later()
    world = World(lambda request: later.then(lambda response: response.with_headers({"X-Y": "z"})))
    later.inform(HINT)
    world.arrive(HELLO)
    later.inform(HINT)
    later.answer(Response(200))
    world.run()
    assert world.statuses == [103, 103, 200]


def test_it_is_sent_while_the_body_is_still_coming() -> None:
    class Sink:
        early = Later()

        def feed(self, data: bytes) -> None: ...

        def finish(self) -> Later:
            return self.early

        def abort(self) -> None: ...

    class Handler(Zoo):
        def on_head(self, request: Request) -> Sink:
            return Sink()

    Sink.early.inform(HINT)
    world = World(Handler())
    world.arrive(post("/", b"0123456789")[:-5])
    Sink.early.inform(HINT)
    world.run()
    assert world.statuses == [103, 103]
    world.arrive(b"56789")
    Sink.early.inform(HINT)
    Sink.early.answer(Response(200))
    world.run()
    assert world.statuses == [103, 103, 103, 200]


def test_a_promise_of_room_says_nothing() -> None:
    world = World()
    world.arrive(head("POST /sink", "Content-Length: 8") + b"wait")
    world.handler.laters[0].inform(HINT)
    world.run()
    assert world.sent == b""


def test_a_client_of_1_0_is_told_nothing() -> None:
    world = World()
    world.arrive(b"GET /later HTTP/1.0\r\n\r\n")
    world.handler.laters[0].inform(HINT)
    world.handler.laters[0].answer(Response(200))
    world.run()
    assert world.statuses == [200]


def test_who_does_not_take_them_is_told_no_more() -> None:
    world, later = promised()
    world.transport.room = 0
    long = Response(103, headers={"Link": "x" * 8000})
    for _ in range(100):
        later.inform(long)
        world.run()
    assert world.state == "FLUSH"
    assert world.connection._outbox.size < HIGH_WATER + 9000
    world.take(None)
    later.answer(Response(200))
    world.run()
    assert world.statuses == [103] * (HIGH_WATER // 8000 + 1) + [200]


def test_nobody_is_told_where_nobody_waits() -> None:
    world, later = promised()
    world.fail()
    later.inform(HINT)
    world.run()
    assert world.sent == b""
    world.assert_released()


def test_what_was_answered_holds_no_connection() -> None:
    class Weak:
        def inform(self, response: Response) -> None: ...

    weak = Weak()
    ref = weakref.ref(weak)
    later = Later()
    gc.disable()
    try:
        later.hear(weak.inform)
        later.answer(Response(200))
        del weak
        assert ref() is None
    finally:
        gc.enable()


def test_a_final_response_is_none() -> None:
    with pytest.raises(ValueError, match="a 200 is an answer"):
        Later().inform(Response(200))


@pytest.mark.parametrize("status", [100, 101, 104, 199])
def test_the_others_are_the_servers_own(status: int) -> None:
    with pytest.raises(ValueError, match="a final status is"):
        Response(status)


def test_it_has_no_body() -> None:
    with pytest.raises(ValueError, match="a 103 has no body"):
        Response(103, "hint")
    assert HINT.length == 0
    assert b"Content" not in HINT.wire_head


@pytest.mark.parametrize("promises", [False, True])
def test_it_is_no_answer(promises: bool, caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: Request) -> Any:
        later = Later()
        later.answer(HINT)
        return later if promises else HINT

    world = World(handler)
    world.arrive(HELLO, HELLO)
    assert world.statuses == [500, 500]
    assert "answered with a 103, which is no answer" in caplog.text


# ASGI.


async def hints(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        assert "http.response.early_hint" in scope["extensions"]
        links = [b"</style.css>; rel=preload", b"</script.js>; rel=preload"]
        await send({"type": "http.response.early_hint", "links": links})
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"hello"})


def test_hints_of_an_application() -> None:
    with serving(Asgi(hints)) as server, connect(port_of(server)) as sock:
        sock.sendall(GET % b"/")
        early = read_response(sock)
        assert (early.status, early.reason) == (103, "Early Hints")
        assert early.fields == [("Link", "</style.css>; rel=preload"), ("Link", "</script.js>; rel=preload")]
        assert read_response(sock).body == b"hello"


def test_a_client_passes_over_what_it_does_not_need() -> None:
    with serving(Asgi(hints)) as server:
        for options in ([], ["-d", "a body"]):
            command = [need("curl"), "-sS", "-m", "5", *options, f"http://127.0.0.1:{port_of(server)}/"]
            assert subprocess.run(command, capture_output=True, timeout=10, check=True).stdout == b"hello"


@pytest.mark.parametrize("link", ["text", b"a\r\nX: y"])
def test_a_hint_that_cannot_be_sent_is_its_error(link: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.early_hint", "links": [link]})

    with serving(Asgi(app)) as server, connect(port_of(server)) as sock:
        sock.sendall(GET % b"/")
        assert read_response(sock).status == 500
