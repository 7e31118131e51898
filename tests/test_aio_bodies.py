"""Bodies of async handlers: async iterables on their way out, streams on their way in."""

import asyncio
import contextvars
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any, Self

import pytest

from reactor import Later, Pieces, Request, Response, Server, StreamingRequest, streaming
from reactor.aio import Gone, Host, Inflow, Outflow, Whole
from reactor.loop import Reactor
from reactor.transport import RECV_SIZE

from .aio import GET, Signal, ask, port_of, serving
from .wire import connect, read_response, reset

name: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")

POST = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


def run(test: Any) -> None:
    asyncio.run(test(), debug=True)


# On their way out.


async def count(number: int) -> AsyncIterator[bytes]:
    for each in range(number):
        yield b"%d\n" % each
        await asyncio.sleep(0)


def test_an_async_generator_is_a_body() -> None:
    async def handler(request: Request) -> Response:
        return Response(200, Pieces(count(1000)))

    with serving(handler) as server:
        answer = ask(server)
    assert (answer.body, answer.framing) == (b"".join(b"%d\n" % each for each in range(1000)), "chunked")


def test_an_async_iterable_is_taken_for_what_it_is() -> None:
    class Both:
        def __iter__(self) -> Self:
            return self

        def __next__(self) -> bytes:
            raise AssertionError

        def __aiter__(self) -> AsyncIterator[bytes]:
            return count(3)

    async def handler(request: Request) -> Response:
        return Response(200, iter([b"plain"]) if request.path == "/plain" else Both())

    with serving(handler) as server:
        assert ask(server).body == b"0\n1\n2\n"
        assert ask(server, "/plain").body == b"plain"


def test_whose_length_may_be_known() -> None:
    async def handler(request: Request) -> Response:
        pieces = Pieces(count(3), length=6)
        return Response(200, pieces, length=pieces.length)

    with serving(handler) as server:
        answer = ask(server)
    assert (answer.body, answer.framing) == (b"0\n1\n2\n", "length")


def test_it_runs_in_one_task_in_the_context_of_its_handler() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        tasks = set()
        try:
            for _ in range(3):
                tasks.add(asyncio.current_task())
                yield name.get().encode()
        finally:
            tasks.add(asyncio.current_task())
            ended.set(len(tasks))

    async def handler(request: Request) -> Response:
        name.set("somebody ")
        return Response(200, Pieces(pieces()))

    ended = Signal()
    with serving(handler) as server:
        assert ask(server).body == b"somebody somebody somebody "
        assert ended.wait() == 1


def test_a_client_that_does_not_read_holds_it_up() -> None:
    made = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal made
        try:
            while True:
                made += 1
                yield b"x" * 100_000
        finally:
            ended.set(asyncio.current_task())

    async def handler(request: Request) -> Response:
        if request.path == "/made":
            return Response(200, str(made))
        return Response(200, Pieces(pieces()))

    ended = Signal()
    with serving(handler) as server:
        sock = connect(port_of(server), receive_buffer=4096)
        sock.sendall(GET % b"/")
        former = b""
        while (latest := ask(server, "/made").body) != former or latest == b"0":
            former = latest
        assert int(latest) < 50  # what the kernel takes, and one ahead
        reset(sock)
        assert ended.wait() is not None


def test_it_is_closed_in_its_task_where_the_client_has_gone() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        task = asyncio.current_task()
        try:
            yield b"first"
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            ended.set(task is asyncio.current_task())

    async def handler(request: Request) -> Response:
        return Response(200, Pieces(pieces()))

    ended = Signal()
    with serving(handler) as server:
        sock = connect(port_of(server))
        sock.sendall(GET % b"/")
        seen = b""
        while b"first" not in seen:
            seen += sock.recv(1000)
        reset(sock)
        assert ended.wait()


def test_one_that_will_not_be_cancelled_is_not_heard_any_more() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                yield b"second"
        finally:
            ended.set()

    async def handler(request: Request) -> Response:
        return Response(200, Pieces(pieces()))

    ended = Signal()
    with serving(handler) as server:
        sock = connect(port_of(server))
        sock.sendall(GET % b"/")
        seen = b""
        while b"first" not in seen:
            seen += sock.recv(1000)
        reset(sock)
        ended.wait()


def test_a_body_that_nobody_wants_is_closed_and_never_begun() -> None:
    class Rows:
        def __aiter__(self) -> AsyncIterator[bytes]:
            begun.append(1)
            return self

        async def __anext__(self) -> bytes:
            return b"row"

        async def aclose(self) -> None:
            ended.set()

    async def handler(request: Request) -> Response:
        return Response(200, Pieces(Rows()))

    begun: list[int] = []
    ended = Signal()
    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_response(sock, "HEAD").status == 200
        ended.wait()
    assert begun == []


def test_one_that_was_not_begun_is_closed_too() -> None:
    class Rows:
        async def aclose(self) -> None:
            closed.append(1)

    async def test() -> None:
        host = Host(reactor)
        host.loop.set_task_factory(lambda loop, work, **more: asyncio.Task(work, loop=loop, **more))  # not at once
        host.reactor.call_soon(begin)
        await host.serve(reactor.stop, reactor.stop)
        await host.close(1)

    def begin() -> None:
        pieces = Pieces(Rows())  # type: ignore[arg-type]  # it is never asked for one
        next(pieces)
        pieces.close()
        reactor.stop()

    closed: list[int] = []
    reactor = Reactor()
    run(test)
    reactor.close()
    assert closed == [1]


@pytest.mark.parametrize("error", [ValueError("oh no"), SystemExit(1), asyncio.CancelledError()])
def test_one_that_raises_breaks_off_visibly(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(0)
        raise error

    async def handler(request: Request) -> Response:
        return Response(200, Pieces(pieces()))

    with serving(handler) as server:
        with pytest.raises(ConnectionResetError):
            ask(server)
    assert type(error).__name__ in caplog.text
    assert "broke off" in caplog.text


def test_a_piece_that_is_no_bytes_breaks_it_off(caplog: pytest.LogCaptureFixture) -> None:
    async def pieces() -> AsyncIterator[Any]:
        yield b"first"
        yield "second"

    async def handler(request: Request) -> Response:
        return Response(200, Pieces(pieces()))

    with serving(handler) as server:
        with pytest.raises(ConnectionResetError):
            ask(server)
    assert "a piece of a body is bytes, not str" in caplog.text


def test_an_aclose_that_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Rows:
        def __aiter__(self) -> AsyncIterator[bytes]:
            return count(2)

        async def aclose(self) -> None:
            raise OSError("no database")

    async def handler(request: Request) -> Response:
        return Response(200, Pieces(Rows()))

    with serving(handler) as server:
        assert ask(server).body == b"0\n1\n"
    assert "no database" in caplog.text


# On their way in.


@streaming
async def measure(request: StreamingRequest) -> Response:
    pieces = [piece async for piece in request.stream()]
    return Response(200, f"{request.path} {sum(map(len, pieces))}")


@pytest.mark.parametrize("size", [0, 1, 1000, 3_000_000])
def test_a_body_comes_as_it_comes(size: int) -> None:
    with serving(measure) as server:
        assert ask(server, "/up", b"x" * size).body == b"/up %d" % size


def test_it_is_not_bounded_by_what_may_be_held_in_memory() -> None:
    with serving(measure) as server:
        assert ask(server, "/", b"x" * 20_000_000).body == b"/ 20000000"


def test_it_may_be_chunked_and_has_trailers() -> None:
    @streaming
    async def handler(request: StreamingRequest) -> Response:
        pieces = [piece async for piece in request.stream()]
        return Response(200, b"".join(pieces), {"X-Sum": request.trailers["x-sum"] if request.trailers else ""})

    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        sock.sendall(b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n")
        answer = read_response(sock)
        assert (answer.body, answer.field("x-sum")) == (b"abcde", "5")


def test_it_is_there_piece_by_piece() -> None:
    @streaming
    async def handler(request: StreamingRequest) -> Response:
        async for piece in request.stream():
            heard.value = piece
            heard.set(piece)
        return Response(200, "all")

    heard = Signal()
    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(POST % (b"/", 8) + b"half")
        assert heard.wait() == b"half"
        sock.sendall(b"half")
        assert read_response(sock).body == b"all"


def test_a_handler_that_does_not_read_holds_the_client_up() -> None:
    @streaming
    async def handler(request: StreamingRequest) -> Response:
        event = asyncio.Event()
        begun.set(event)
        await event.wait()
        sizes = [len(piece) async for piece in request.stream()]
        return Response(200, f"{sizes[0]} {sum(sizes)}")

    begun = Signal()
    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(POST % (b"/", 1_000_000) + b"x" * 200_000)
        event = begun.wait()
        server.reactor.call_from_outside(event.set)
        sock.sendall(b"x" * 800_000)
        first, whole = map(int, read_response(sock).body.split())
    assert whole == 1_000_000
    assert first <= RECV_SIZE


def test_it_may_answer_before_the_body_has_ended() -> None:
    @streaming
    async def handler(request: StreamingRequest) -> Response:
        return Response(413, "too much")

    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(POST % (b"/", 100_000_000) + b"x" * 1000)
        assert read_response(sock).status == 413


def test_it_may_answer_while_the_body_is_held_up() -> None:
    @streaming
    async def handler(request: StreamingRequest) -> Response:
        event = asyncio.Event()
        begun.set(event)
        await event.wait()
        return Response(413, "too much")

    begun = Signal()
    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(POST % (b"/", 100_000_000) + b"x" * 200_000)
        event = begun.wait()
        server.reactor.call_from_outside(event.set)
        assert read_response(sock).status == 413


def test_it_may_answer_while_it_reads_and_the_rest_is_read_behind_it() -> None:
    @streaming
    async def handler(request: StreamingRequest) -> Response:
        async def shouted() -> AsyncIterator[bytes]:
            async for piece in request.stream():
                yield piece.upper()

        return Response(200, Pieces(shouted()))

    with serving(handler) as server, connect(port_of(server)) as sock, sock.makefile("rb") as lines:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for word in (b"one", b"two", b"three"):
            sock.sendall(b"%x\r\n%b\r\n" % (len(word), word))
            while lines.readline() != word.upper() + b"\r\n":
                pass
        sock.sendall(b"0\r\n\r\n")
        assert lines.readline() == b"0\r\n"
        assert lines.readline() == b"\r\n"
        sock.sendall(GET % b"/")
        assert lines.readline() == b"HTTP/1.1 200 OK\r\n"


def test_an_answer_that_stops_reading_loses_the_rest() -> None:
    @streaming
    async def handler(request: StreamingRequest) -> Response:
        async def first() -> AsyncIterator[bytes]:
            async for piece in request.stream():
                yield piece[:5]
                return

        return Response(200, Pieces(first()))

    with serving(handler) as server, connect(port_of(server)) as sock:
        for _ in range(2):  # the rest is little: the connection is kept
            sock.sendall(POST % (b"/", 200_000) + b"x" * 200_000)
            assert read_response(sock).body == b"xxxxx"


def test_it_may_answer_with_a_promise() -> None:
    @streaming
    async def handler(request: StreamingRequest) -> Any:
        later = Later()
        asyncio.get_running_loop().call_soon(later.answer, Response(403, "no"))
        return later

    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(POST % (b"/", 100_000_000) + b"x" * 1000)
        assert read_response(sock).status == 403


def test_what_it_raises_before_the_end_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    @streaming
    async def handler(request: StreamingRequest) -> Response:
        raise ValueError("oh no")

    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(POST % (b"/", 100) + b"x" * 10)
        assert read_response(sock).status == 500
    assert "oh no" in caplog.text


def test_what_is_no_answer_is_a_logged_500(caplog: pytest.LogCaptureFixture) -> None:
    @streaming
    async def handler(request: StreamingRequest) -> Any:
        return "hello"

    with serving(handler) as server, connect(port_of(server)) as sock:
        sock.sendall(POST % (b"/", 100) + b"x" * 10)
        assert read_response(sock).status == 500
    assert "returned str" in caplog.text


@pytest.mark.parametrize("body", [b"half", b"x" * 300_000])
def test_it_is_cancelled_where_the_rest_will_not_come(body: bytes) -> None:
    @streaming
    async def handler(request: StreamingRequest) -> Response:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()
        return Response(200)

    begun, ended = Signal(), Signal()
    with serving(handler) as server:
        sock = connect(port_of(server))
        sock.sendall(POST % (b"/", 1_000_000) + body)
        begun.wait()
        reset(sock)
        ended.wait()


def test_a_mounted_one_sees_what_the_router_found() -> None:
    from handlers.router import Router

    router = Router()
    router.post("/users/{name}")(_Named())
    with serving(router) as server, connect(port_of(server)) as sock:
        sock.sendall(POST % (b"/users/you", 3) + b"abc")
        assert read_response(sock).body == b"you abc"


class _Named:
    """Streams behind a router."""

    def __init__(self) -> None:
        self._inner = streaming(self._answer)
        self.on_head = self._inner.on_head
        self.startup = self._inner.startup

    async def _answer(self, request: StreamingRequest) -> Response:
        pieces = [piece async for piece in request.stream()]
        return Response(200, f"{request.params['name']} {b''.join(pieces).decode()}")

    def __call__(self, request: Request) -> Any:
        return self._inner(request)


# The flows alone.


def test_a_put_that_is_cancelled_waits_no_more_and_the_others_do() -> None:
    async def test() -> None:
        flow = Outflow(asyncio.get_running_loop(), 0)
        first, second = (asyncio.create_task(flow.put(piece)) for piece in (b"a", b"b"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        assert next(flow) == b"ab"
        await second

    run(test)


def test_who_puts_where_nobody_takes_is_told() -> None:
    async def test() -> None:
        gone: list[int] = []
        flow = Outflow(asyncio.get_running_loop(), 0)
        flow.on_gone = lambda: gone.append(1)
        waiting = asyncio.create_task(flow.put(b"a"))
        await asyncio.sleep(0)
        with closing(flow):
            pass
        flow.close()
        with pytest.raises(Gone):
            await waiting
        with pytest.raises(Gone):
            flow.give(b"b")
        assert gone == [1]

    run(test)


def test_what_was_given_is_taken_before_the_end_is_told() -> None:
    async def test() -> None:
        flow = Outflow(asyncio.get_running_loop())
        flow.give(b"a")
        flow.give(b"")
        flow.give(bytearray(b"b"))
        flow.end()
        assert list(flow) == [b"ab"]
        flow.close()
        later = next(broken := Outflow(asyncio.get_running_loop()))
        broken.give(b"")
        assert not later.is_answered
        broken.end(EOFError())
        assert isinstance(later.value, EOFError)
        with pytest.raises(EOFError):
            next(broken)

    run(test)


def test_who_reads_where_the_rest_will_not_come_gets_what_came() -> None:
    async def test() -> None:
        flow = Inflow(asyncio.get_running_loop(), 100)
        reading = asyncio.create_task(flow.read())
        await asyncio.sleep(0)
        assert flow.feed(b"a") is None
        assert await reading == b"a"
        room = flow.feed(b"b")
        assert isinstance(room, Later)
        assert await flow.read() == b"b"
        assert not room.is_answered
        reading = asyncio.create_task(flow.read())
        await asyncio.sleep(0)
        assert room.value is None
        flow.abort()
        flow.abort()
        with pytest.raises(Gone):
            await reading
        with pytest.raises(Gone):
            await flow.read()

    run(test)


def test_a_body_goes_on_behind_its_answer_until_nobody_reads() -> None:
    async def test() -> None:
        flow = Inflow(asyncio.get_running_loop(), 100)
        response = Response(200)
        flow.answer(response)
        assert flow.early.value is response
        room = flow.feed(b"a")
        assert isinstance(room, Later)
        assert await flow.read() == b"a"
        flow.close()
        assert room.value is response
        assert flow.feed(b"b") is response
        with pytest.raises(Gone):
            await flow.read()

    run(test)


def test_one_that_is_here_as_a_whole_promises_nothing_before_it_has_to() -> None:
    response = Response(200)

    async def test() -> None:
        at_once = Whole(b"body")
        at_once.answer(response)
        at_once.close()
        assert (at_once.is_drained, await at_once.read(), at_once.is_drained, await at_once.read()) == (
            False, b"body", True, b"",
        )  # fmt: skip
        assert at_once.finish() is response
        assert at_once.early.value is response
        assert at_once.finish() is response
        later = Whole(b"")
        assert later.finish() is later.early
        later.answer(response)
        failed = Whole(b"")
        failed.answer(ValueError("oh no"))
        with pytest.raises(ValueError, match="oh no"):
            failed.finish()
        twice = Whole(b"")
        twice.answer(response)
        with pytest.raises(RuntimeError, match="once"):
            twice.answer(response)

    run(test)


def test_they_are_those_of_the_package() -> None:
    import reactor

    assert {each: getattr(reactor, each) for each in reactor.__all__}["Gone"] is Gone
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = reactor.colour
    assert Server.__name__ in reactor.__all__
