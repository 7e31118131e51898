"""Ends that are hard to reach: each of these connections once stayed, broke silently, or took others with it."""

import asyncio
import gzip
import io
import socket
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from reactor import Later, Request, Response, Server, Settings, Upgrade
from reactor.answers import Link
from reactor.dialogue import PIPELINE
from reactor.listener import BURST, Listener
from reactor.loop import READ

from .simulated import HELLO, START, TOY, World, answer, get, head, post
from .wire import connect, read_response
from .zoo import Toy, Zoo


def test_an_upgrade_for_a_peer_that_said_goodbye_is_closed_when_told() -> None:
    world = World()
    world.arrive(TOY.replace(b"/toy", b"/later-toy"))
    world.end()
    answer(Upgrade("toy", Toy(world.handler)))(world)
    assert world.statuses == [101]
    assert "toy closed" in world.handler.events
    world.assert_released()


def test_an_upgrade_during_a_stop_is_told_of_it() -> None:
    world = World()
    world.arrive(TOY.replace(b"/toy", b"/later-toy"))
    world.service.drain()
    answer(Upgrade("toy", Toy(world.handler)))(world)
    assert world.sent.endswith(b"going")
    world.end()
    world.assert_released()


def test_what_a_protocol_sends_does_not_break_its_peers_silence() -> None:
    world = World()
    world.arrive(TOY, b"x")
    [protocol] = world.handler.protocols
    for seconds in range(2, 20, 4):
        world.reactor.now = START + seconds
        assert protocol.link is not None
        protocol.link.send(b"ping")
        world.run()
    world.at(19)
    assert world.state == "UPGRADED"
    world.at(20.5)
    assert "toy closed" in world.handler.events


def test_a_protocols_peer_that_takes_nothing_is_given_up() -> None:
    world = World(timeout_write=5)
    world.arrive(TOY)
    world.transport.room = 0
    world.arrive(b"x")
    for seconds in range(1, 8):  # it goes on talking
        world.at(seconds)
        world.arrive(b"y")
    assert "toy closed" in world.handler.events


def test_a_body_buys_no_time_for_an_answer_that_nobody_reads() -> None:
    world = World(timeout_write=5)
    world.transport.room = 100
    early = b"POST /early-big HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n"
    world.arrive(early)
    assert world.state == "DUPLEX"
    for seconds in range(1, 8):
        world.at(seconds)
        if world.state == "DUPLEX":
            world.arrive(b"x" * 1000)
    world.assert_released()


@pytest.mark.parametrize("error", [OSError("full"), SystemExit(3)])
def test_a_sink_that_fails_is_told_that_the_rest_will_not_come(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_sink: object, _data: bytes) -> None:
        raise error

    monkeypatch.setattr("tests.zoo.Sink.feed", fails)
    world = World()
    world.arrive(post("/sink", b"some") + HELLO)
    assert world.statuses == [500, 200]
    assert world.handler.events == ["sink open", "sink aborted"]
    assert "raised at POST /sink" in caplog.text


def test_whoever_raises_in_being_told_keeps_nobody_from_being_told(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.arrive(post("/sink", b"wait1234")[:-4])
    later = world.connection._exchange.later  # type: ignore[union-attr]  # it waits
    assert later is not None

    def raises() -> None:
        raise RuntimeError("as asked")

    later.on_abandon = raises
    world.fail()
    assert "sink aborted" in world.handler.events
    assert "as asked" in caplog.text


@pytest.mark.parametrize("where", ["handler", "iterator", "on_datagram"])
def test_a_handler_that_exits_ends_its_answer_and_not_the_server(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Exiting:
        def __call__(self, request: Request) -> Response:
            if where == "handler" and request.path == "/exit":
                sys.exit(3)
            return Response(200, self.pieces() if request.path == "/exit" else b"here")

        def pieces(self) -> Any:
            yield b"x"
            sys.exit(3)

        def on_datagram(self, data: bytes) -> bytes:
            if data == b"exit":
                sys.exit(3)
            return b"here"

    with Server(Exiting(), ["127.0.0.1:0", "udp://127.0.0.1:0"]) as server:
        stream, datagram = (each.sock.getsockname() for each in server.endpoints)
        with closing(connect(stream[1])) as sock, closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as packets:
            packets.settimeout(5)
            if where == "on_datagram":
                packets.sendto(b"exit", datagram)
            else:
                sock.sendall(get("/exit"))
                try:
                    assert read_response(sock).status == 500
                except (ConnectionResetError, EOFError):
                    assert where == "iterator"
            packets.sendto(b"x", datagram)
            assert packets.recv(100) == b"here"
        with closing(connect(stream[1])) as sock:
            sock.sendall(get("/"))
            assert read_response(sock).body == b"here"
    assert "SystemExit" in caplog.text


@pytest.mark.parametrize("field", [b"Transfer-Encoding: chunked", b"Content-Length: 5"])
def test_a_connect_with_a_body_is_refused_whoever_takes_it(field: bytes) -> None:
    world = World()
    world.service.takes_connect = True
    world.arrive(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n\r\n", b"hello")
    assert world.statuses == [400]
    assert world.handler.order == []


def test_a_file_that_was_closed_breaks_off_visibly(caplog: pytest.LogCaptureFixture) -> None:
    file = io.BytesIO(b"abc")
    shared = Response(200, file)
    world = World(lambda request: shared)
    world.arrive(HELLO)
    assert file.closed
    world.arrive(HELLO)
    world.assert_released()
    assert world.transport.is_aborted
    assert "its file cannot be read" in caplog.text
    assert "internal error" not in caplog.text


def test_a_stop_answers_everyone_who_was_in_the_queue() -> None:
    settings = Settings(timeout_linger=0.1)
    with Server(lambda request: Response(200, "here"), "127.0.0.1:0", settings) as server, ExitStack() as stack:
        port = server.endpoints[0].sock.getsockname()[1]
        entered = Later()
        clients = []

        def fill() -> None:
            """On the reactor's thread, so that nobody accepts meanwhile."""
            for _ in range(3 * BURST):
                client = stack.enter_context(closing(connect(port)))
                client.sendall(get("/"))
                clients.append(client)
            server.drain()
            entered.answer()

        server.reactor.call_from_outside(fill)
        wait_for(entered)
        assert [read_response(client).body for client in clients] == [b"here"] * 3 * BURST


def wait_for(later: Later) -> None:
    """Until it is answered, on another thread."""
    answered = threading.Event()
    later.attach(answered.set)
    assert answered.wait(20)


def test_a_listener_that_cannot_be_watched_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda request: Response(200, "here"), "127.0.0.1:0") as server:
        with closing(connect(port_of(server))) as client:  # it listens by now
            client.sendall(get("/"))
            assert read_response(client).body == b"here"
        [listener] = server._listeners
        watch = server.reactor.watch
        failures: list[int] = []

        def fails_once(handle: Any, events: int, callback: Any, before: int = 0) -> None:
            if isinstance(handle, Listener) and events == READ and not failures:
                failures.append(1)
                raise OSError(12, "no memory")
            watch(handle, events, callback, before)

        monkeypatch.setattr(server.reactor, "watch", fails_once)
        tried = Later()

        def try_again() -> None:
            listener.pause()
            listener.resume()
            tried.answer(listener.is_exhausted)
            listener.resume()  # as the next tick does

        server.reactor.call_from_outside(try_again)
        wait_for(tried)
        assert tried.value is True
        with closing(connect(server.endpoints[0].sock.getsockname()[1])) as sock:
            sock.sendall(get("/"))
            assert read_response(sock).body == b"here"


def test_a_datagram_that_was_cut_is_not_answered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Echo:
        def __call__(self, request: Request) -> Response:
            return Response(200)

        def on_datagram(self, data: bytes) -> bytes:
            return data[:100]

    client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with Server(Echo(), f"unixgram:{tmp_path / 's'}"), closing(client) as sock:
        sock.bind(str(tmp_path / "c"))
        sock.settimeout(5)
        sock.sendto(b"x" * 100_000, str(tmp_path / "s"))
        sock.sendto(b"short", str(tmp_path / "s"))
        assert sock.recv(1000) == b"short"
    assert "longer than 65536 bytes" in caplog.text


def test_a_protocol_that_connects_and_sends_is_heard_before_it_closes() -> None:
    class Greeter(Toy):
        def on_connect(self, link: Link) -> None:
            super().on_connect(link)
            link.send(b"hello")
            link.close()

    world = World()
    world.arrive(TOY.replace(b"/toy", b"/later-toy"))
    answer(Upgrade("toy", Greeter(Zoo())))(world)
    assert world.sent.endswith(b"hello")
    assert world.state == "LINGER"


def test_a_handler_may_ask_for_the_stop_and_still_answers() -> None:
    holder: list[Server] = []

    def handler(request: Request) -> Response:
        holder[0].drain()
        return Response(200, request.path)

    with Server(handler, "127.0.0.1:0") as server:
        holder.append(server)
        with closing(connect(server.endpoints[0].sock.getsockname()[1])) as sock:
            sock.sendall(get("/a"))
            answer = read_response(sock)
            assert (answer.body, answer.field("Connection")) == (b"/a", "close")
            assert sock.recv(100) == b""


@pytest.mark.parametrize("opener", ["gzip", "tar"])
def test_a_file_within_a_file_is_sent_and_not_the_file_around_it(opener: str, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    if opener == "gzip":
        with gzip.open(tmp_path / "x", "wb") as file:
            file.write(content)
    else:
        with tarfile.open(tmp_path / "x", "w") as archive:
            entry = tarfile.TarInfo("x")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))

    def handler(request: Request) -> Response:
        if opener == "gzip":
            return Response(200, gzip.open(tmp_path / "x"))
        with tarfile.open(tmp_path / "x") as archive:
            return Response(200, archive.extractfile("x") or b"")

    with Server(handler, "127.0.0.1:0") as server:
        with closing(connect(server.endpoints[0].sock.getsockname()[1])) as sock:
            sock.sendall(get("/"))
            if opener == "gzip":
                assert read_response(sock).body == content
            else:  # closed with its archive: at least it is seen
                with pytest.raises((ConnectionResetError, EOFError)):
                    read_response(sock)


def test_a_sink_that_pauses_does_not_stop_the_clock_of_its_body() -> None:
    world = World(timeout_body=5, least_rate=0)
    world.arrive(post("/sink", b"wait" + b"x" * 100)[:-100])
    assert world.state == "WORK"
    world.at(2)
    answer(None)(world)
    assert world.state == "BODY"
    world = World(timeout_body=5)
    world.arrive(post("/sink", b"wait" + b"x" * 100)[:-100])
    world.at(2)
    answer(None)(world)
    for seconds in (4, 6, 8, 10):  # a byte now and then
        if world.state == "BODY":
            world.at(seconds)
            world.arrive(b"x")
    assert world.statuses == [408]


def test_a_unix_client_that_has_gone_is_noticed_while_its_answer_is_computed(tmp_path: Path) -> None:
    abandoned = threading.Event()

    def handler(request: Request) -> Later:
        later = Later()
        later.on_abandon = abandoned.set
        return later

    with Server(handler, f"unix:{tmp_path / 's'}"):
        with closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.connect(str(tmp_path / "s"))
            sock.sendall(get("/"))
        assert abandoned.wait(10)


def test_a_cancelled_task_ends_an_answer_and_not_the_server() -> None:
    def handler(request: Request) -> Response:
        raise asyncio.CancelledError

    world = World(handler)
    world.arrive(HELLO)
    assert world.statuses == [500]


def test_a_promise_made_to_two_is_a_500_for_the_second(caplog: pytest.LogCaptureFixture) -> None:
    shared = Later()
    handler_calls: list[Request] = []

    def handler(request: Request) -> Later:
        handler_calls.append(request)
        return shared

    first = World(handler)
    first.arrive(HELLO)
    second = World(handler)
    second.arrive(HELLO)
    assert second.statuses == [500]
    assert "waited for already" in caplog.text
    shared.answer(Response(200, "x"))
    first.run()
    assert first.statuses == [200]
    with pytest.raises(RuntimeError, match="its own answer"):
        shared.answer(shared)


def test_promises_that_answer_each_other_end(caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: Request) -> Later:
        one, two = Later(), Later()
        one.answer(two)
        two.answer(one)
        return one

    world = World(handler)
    world.arrive(HELLO)
    assert world.statuses == [500]
    assert "promises with promises" in caplog.text


def test_an_iterable_is_closed_as_well_as_its_iterator() -> None:
    closed: list[str] = []

    class Body:
        def __iter__(self) -> Any:
            return iter([b"a", b"b"])

        def close(self) -> None:
            closed.append("body")

    world = World(lambda request: Response(200, Body()))
    world.arrive(HELLO)
    assert world.sent.endswith(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")
    assert closed == ["body"]


def test_a_sink_whose_limit_is_no_number_is_a_500() -> None:
    class Sinking:
        def on_head(self, request: Request) -> Any:
            sink = Zoo().on_head(request)
            assert sink is not None
            sink.limit = "5"
            return sink

        def __call__(self, request: Request) -> Response:
            return Response(200)

    world = World(Sinking())
    world.arrive(post("/sink", b"abc"))
    assert world.statuses == [500]


def test_what_follows_a_connect_that_was_shed_is_no_request() -> None:
    world = World(limit_concurrency=1)
    world.service.working = 1
    world.arrive(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n" + HELLO)
    assert world.statuses == [503]
    assert b"Connection: close" in world.sent
    assert world.state == "LINGER"


def test_a_listener_that_was_exhausted_and_closed_is_not_resumed() -> None:
    with Server(lambda request: Response(200), "127.0.0.1:0") as server:
        [listener] = server._listeners
        done = Later()

        def exhaust_and_close() -> None:
            listener._exhausted(OSError(24, "too many open files"))
            listener.close()
            server._after_tick()
            done.answer()

        server.reactor.call_from_outside(exhaust_and_close)
        wait_for(done)
        assert not listener.is_exhausted


def test_the_last_connection_may_close_while_others_wait_in_the_queue_of_a_stopping_server() -> None:
    with Server(lambda request: Response(200, "here"), "127.0.0.1:0", Settings(timeout_linger=0.1)) as server:
        port = server.endpoints[0].sock.getsockname()[1]
        with closing(connect(port)) as first, closing(connect(port)) as second:
            first.sendall(get("/"))
            assert read_response(first).body == b"here"
            second.sendall(get("/"))
            assert read_response(second).body == b"here"

            def stop() -> None:
                """On the reactor's thread: both go, one more comes, before the stop has begun."""
                third.connect(("127.0.0.1", port))
                third.sendall(get("/"))
                server.drain()
                for connection in list(server.service.connections):
                    connection.close()
                stopped.answer()

            stopped = Later()
            with closing(socket.socket()) as third:
                third.settimeout(5)
                server.reactor.call_from_outside(stop)
                wait_for(stopped)
                assert read_response(third).body == b"here"


def test_bytes_of_a_body_buy_no_time_for_an_answer_that_is_not_taken() -> None:
    world = World(timeout_write=30, least_rate=0)
    world.transport.room = 1000
    world.arrive(get("/early-big").replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 100\r\n\r\n"))
    assert world.state == "DUPLEX"
    for seconds in range(5, 36, 5):
        world.at(seconds)
        world.arrive(b"x")
    world.assert_released()


def test_a_connection_that_cannot_be_watched_again_is_closed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    world.arrive(get("/later"), b"x" * 70_000)  # more than is read ahead: it is not watched any more
    assert world.watched == 0

    def fails(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(world.reactor, "watch", fails)
    answer(Response(200, "kept"))(world)
    world.assert_released()
    assert "cannot watch 192.0.2.1:50212: No space left on device; closing it" in caplog.text


def test_a_protocol_that_was_quiet_for_long_has_the_whole_time_for_what_it_says_then() -> None:
    world = World(timeout_write=5)
    world.arrive(TOY, b"x")  # answered at once: nothing is owed
    world.at(10)
    world.transport.room = 0
    world.arrive(b"y")
    world.at(14)
    assert world.state == "UPGRADED"
    world.at(16)
    assert "toy closed" in world.handler.events


def test_a_body_that_was_here_before_the_goodbye_is_answered_whatever_share_of_it_was_read() -> None:
    world = World()
    world.transport.feed(head("POST /echo", "Transfer-Encoding: chunked") + b"1\r\nx\r\n" * 2000 + b"0\r\n\r\n")
    world.transport.end()
    world.run()
    assert world.handler.bodies == [b"x" * 2000]
    assert world.statuses == [200]
    world.assert_released()


def test_a_body_that_is_not_all_here_before_the_goodbye_is_not_answered() -> None:
    world = World()
    world.transport.feed(head("POST /sink", "Transfer-Encoding: chunked") + b"1\r\nx\r\n" * 2000)
    world.transport.end()
    world.run()
    assert world.statuses == []
    assert world.handler.events == ["sink open", "sink aborted"]
    world.assert_released()


def test_who_reads_slowly_and_steadily_has_its_answer() -> None:
    """The kernel asks for more in large steps: what the client takes between two of them is known to it alone."""
    settings = Settings(timeout_write=2)
    with Server(lambda request: Response(200, b"x" * 1_000_000), "127.0.0.1:0", settings) as server:
        with closing(connect(port_of(server), receive_buffer=4096)) as client:
            client.sendall(get("/"))
            until = time.monotonic() + 5
            taken = 0
            while time.monotonic() < until:  # 10 KB a second, forty times the least rate
                taken += len(client.recv(500))
                time.sleep(0.05)
            assert len(server.service.connections) == 1
            assert taken > 10_000


def port_of(server: Server) -> int:
    port: int = server.endpoints[0].sock.getsockname()[1]
    return port


def test_a_selector_that_fails_to_change_and_forgets_costs_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.transport.room = 1000
    watch = world.reactor.watch

    def fails_to_change(handle: Any, events: int, callback: Any, before: int = 0) -> None:
        if before and events:
            watch(handle, 0, callback, before)
            raise OSError(12, "Cannot allocate memory")
        watch(handle, events, callback, before)

    monkeypatch.setattr(world.reactor, "watch", fails_to_change)
    world.arrive(get("/big"))
    world.assert_released()


def test_a_fault_in_making_room_costs_one_connection(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reactor.parking.IS_POSSIBLE", False)  # it is to be found among the connections

    def fails() -> None:
        raise RuntimeError("as asked")

    with serving_one_at_a_time() as (server, first):
        [connection] = server.service.connections
        server.service.connections = {Failing(connection, fails)}  # type: ignore[arg-type]  # as much of one as is asked for
        with closing(connect(port_of(server))) as second:
            second.sendall(get("/"))
            assert read_response(second).body == b"here"
        assert "internal error in retiring" in caplog.text
        assert first.recv(1) == b""


class Failing:
    """A connection that cannot be retired."""

    is_spare = True

    def __init__(self, connection: Any, retire: Any) -> None:
        self._connection = connection
        self.retire = retire
        self.deadline = connection.deadline
        self.origin = connection.origin

    def close(self) -> None:
        service = self._connection._service
        service.connections = {self._connection}
        self._connection.close()

    def abort(self) -> None: ...
    def expire(self) -> None: ...


@contextmanager
def serving_one_at_a_time() -> Iterator[tuple[Server, socket.socket]]:
    """A server with one place, and a client that has been served in it."""
    settings = Settings(limit_connections=1, timeout_linger=0.1)
    with Server(lambda request: Response(200, "here"), "127.0.0.1:0", settings) as server:
        with closing(connect(port_of(server))) as first:
            first.sendall(get("/"))
            assert read_response(first).body == b"here"
            yield server, first


def test_who_is_put_off_is_not_spare() -> None:
    world = World()
    world.transport.feed(HELLO * PIPELINE)
    world.reactor.watched[world.transport.fileno()][1](READ)
    assert world.state == "IDLE"
    assert world.connection._is_put_off
    assert not world.connection.is_spare
    world.run()
    assert world.connection.is_spare


def test_a_last_look_that_finds_a_request_answers_it_and_lets_it_stay() -> None:
    world = World()
    world.arrive(HELLO)
    world.transport.feed(HELLO)
    world.connection.retire()
    world.run()
    assert world.statuses == [200, 200]
    assert world.state == "IDLE"
    world.connection.retire()
    world.assert_released()


def test_at_the_limit_the_listeners_take_turns() -> None:
    settings = Settings(limit_connections=1)
    with Server(lambda request: Response(200, "here"), ["127.0.0.1:0"] * 2, settings) as server:
        hammered, other = (endpoint.sock.getsockname()[1] for endpoint in server.endpoints)
        is_over = threading.Event()

        def hammer() -> None:
            while not is_over.is_set():
                with closing(connect(hammered)) as client:
                    client.sendall(get("/", "Connection: close"))
                    read_response(client)

        threads = [threading.Thread(target=hammer) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                with closing(connect(other)) as client:
                    client.sendall(get("/", "Connection: close"))
                    assert read_response(client).body == b"here"
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
