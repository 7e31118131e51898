"""Fields behind an answer: what a body's iterator returns, where the client says that it takes them (RFC 9110 6.5)."""

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from handlers.asgi import Asgi
from reactor import Later, Outflow, Pieces, Request, Response

from .aio import port_of, serving
from .simulated import World, get, head
from .wire import connect

TAKES = ("TE: trailers", "Connection: TE")


def trailed(*pieces: Any, trailers: Any = (("X-Sum", "6"), ("X-Two", "b"))) -> Any:
    def body() -> Generator[Any, None, Any]:
        yield from pieces
        return trailers

    return lambda request: Response(200, body(), {"Trailer": "X-Sum"})


def test_they_follow_the_last_chunk() -> None:
    world = World(trailed(b"first"))
    world.arrive(get("/", *TAKES), get("/", *TAKES))
    whole = b"5\r\nfirst\r\n0\r\nX-Sum: 6\r\nX-Two: b\r\n\r\n"
    assert world.sent.count(whole) == 2
    assert b"\r\nTrailer: X-Sum\r\n" in world.sent
    assert world.state == "IDLE"


@pytest.mark.parametrize(
    ("value", "is_taken"),
    [("trailers", True), ("deflate;q=0.5, Trailers", True), ("deflate", False), ("x-trailers", False), ("", False)],
)
def test_who_takes_them_says_so(value: str, is_taken: bool) -> None:
    world = World(trailed(b"first"))
    world.arrive(get("/", f"TE: {value}"))
    assert (b"X-Sum: 6" in world.sent) == is_taken
    assert world.state == "IDLE"


def test_without_chunks_there_are_none() -> None:
    world = World(trailed(b"first"))
    world.arrive(b"GET / HTTP/1.0\r\nTE: trailers\r\n\r\n")
    assert world.sent.endswith(b"\r\n\r\nfirst")
    world = World(lambda request: Response(200, trailed(b"first")(request).body, length=5))
    world.arrive(get("/", *TAKES))
    assert world.sent.endswith(b"\r\n\r\nfirst")
    world = World(trailed(b"first"))
    world.arrive(head("HEAD /", *TAKES))
    assert world.sent.endswith(b"chunked\r\n\r\n")


def test_they_may_follow_a_promised_piece_and_be_a_mapping() -> None:
    later = Later()
    world = World(trailed(later, trailers={"X-Sum": "5"}))
    world.arrive(get("/", *TAKES))
    later.answer(b"later")
    world.run()
    assert world.sent.endswith(b"5\r\nlater\r\n0\r\nX-Sum: 5\r\n\r\n")


@pytest.mark.parametrize("fields", [(), TAKES])
@pytest.mark.parametrize(
    "trailers",
    [
        "a text", 5, [("X", 5)], [("X", "a\r\nb")], [("X Y", "z")],
        *([(name, "x")] for name in ("Content-Length", "Transfer-Encoding", "Host", "Set-Cookie", "Trailer", "Vary",
                                     "content-type", "CONTENT-ENCODING", "WWW-Authenticate", "Authorization")),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_breaks_the_answer_off_whoever_asks(
    fields: tuple[str, ...], trailers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(trailed(b"first", trailers=trailers))
    world.arrive(get("/", *fields))
    assert world.sent.endswith(b"first\r\n")
    assert world.transport.is_aborted
    assert "what its iterator returned are no trailers" in caplog.text


def test_a_response_may_announce_them() -> None:
    assert Response(200, iter([b"x"]), {"Trailer": "X-Sum"}).wire_head.endswith(b"Trailer: X-Sum\r\n")


# From tasks.


def chunks(server: Any, request: bytes) -> bytes:
    """The answer to a request with `Connection: close`, without its head."""
    with connect(port_of(server)) as sock:
        sock.sendall(request)
        said = b""
        while piece := sock.recv(65536):
            said += piece
    return said


TRAILED = get("/", "TE: trailers", "Connection: close, TE")


def test_an_outflow_ends_with_them() -> None:
    async def handler(request: Request) -> Response:
        flow = Outflow(asyncio.get_running_loop())
        flow.give(b"first")
        with pytest.raises(ValueError, match="Host is no field for trailers"):
            flow.end(trailers=[("Host", "x")])
        flow.end(trailers=[("X-Sum", "5")])
        return Response(200, flow)

    with serving(handler) as server:
        assert chunks(server, TRAILED).endswith(b"5\r\nfirst\r\n0\r\nX-Sum: 5\r\n\r\n")


def test_an_async_iterable_has_none() -> None:
    async def handler(request: Request) -> Response:
        async def pieces() -> Any:
            yield b"first"

        return Response(200, Pieces(pieces()))

    with serving(handler) as server:
        assert chunks(server, TRAILED).endswith(b"5\r\nfirst\r\n0\r\n\r\n")


# ASGI.


def start(has_trailers: bool = True, *fields: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": fields, "trailers": has_trailers}


def body(data: bytes = b"", has_more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": has_more}


def trailers(*fields: tuple[bytes, bytes], has_more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.trailers", "headers": fields, "more_trailers": has_more}


def sends(*messages: dict[str, Any]) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            offers.append("http.response.trailers" in scope["extensions"])
            for message in messages:
                await send(message)

    offers: list[bool] = []
    app.offers = offers  # type: ignore[attr-defined]  # for the test to see
    return Asgi(app)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([body(b"first"), trailers((b"x-sum", b"5"))], b"5\r\nfirst\r\n0\r\nx-sum: 5\r\n\r\n"),
        (
            [body(b"one", True), body(b"two"), trailers((b"x-a", b"1"), has_more=True), trailers((b"x-b", b"2"))],
            b"two\r\n0\r\nx-a: 1\r\nx-b: 2\r\n\r\n",
        ),
        ([body(), trailers((b"x-sum", b"0"))], b"\r\n\r\n0\r\nx-sum: 0\r\n\r\n"),
    ],
)
def test_those_of_an_application(messages: list[dict[str, Any]], expected: bytes) -> None:
    handler = sends(start(True, (b"trailer", b"x-sum"), (b"te", b"x")), *messages)
    with serving(handler) as server:
        said = chunks(server, TRAILED)
        assert said.endswith(expected)
        assert b"\r\ntrailer: x-sum\r\n" in said


def test_one_that_announces_none_is_as_ever() -> None:
    handler = sends(start(False, (b"trailer", b"x-sum")), body(b"first"))
    with serving(handler) as server:
        said = chunks(server, TRAILED)
    assert said.endswith(b"\r\n\r\nfirst")
    assert b"railer" not in said


@pytest.mark.parametrize(
    ("request_head", "is_offered"),
    [
        (TRAILED, True),
        (get("/", "Connection: close"), False),
        (get("/", "TE: gzip", "Connection: close"), False),
        (head("HEAD /", "TE: trailers", "Connection: close"), False),
        (b"GET / HTTP/1.0\r\nTE: trailers\r\n\r\n", False),
    ],
)
def test_they_are_offered_to_who_takes_them(request_head: bytes, is_offered: bool) -> None:
    handler = sends(start(is_offered), body(b"x"), *([trailers()] if is_offered else []))
    with serving(handler) as server:
        assert b" 200 " in chunks(server, request_head)
        assert b" 200 " in chunks(server, request_head)
    assert handler.app.offers == [is_offered] * 2


@pytest.mark.parametrize(
    ("request_head", "messages", "reason"),
    [
        (get("/", "Connection: close"), [start()], "is not among the extensions"),
        (TRAILED, [start(), trailers()], "is understood behind a body"),
        (TRAILED, [start(), body(b"x", True), trailers()], "is understood behind a body"),
        (TRAILED, [start(), body(b"x"), body(b"y")], "http.response.body is not understood here"),
        (TRAILED, [start(), body(b"x"), trailers((b"host", b"x"))], "host is no field for trailers"),
        (TRAILED, [start(), body(b"x")], "its answer is not complete"),
        (TRAILED, [start(), body(b"x"), trailers(), trailers()], "the answer is complete"),
        (TRAILED, [start(False), body(b"x"), trailers()], "the answer is complete"),
    ],
)
def test_what_comes_out_of_turn_is_an_error(
    request_head: bytes, messages: list[dict[str, Any]], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(sends(*messages)) as server:
        try:
            chunks(server, request_head)
        except ConnectionResetError:  # it breaks off visibly, where it had begun
            pass
    assert reason in caplog.text
