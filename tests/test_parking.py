"""Parked connections, over real sockets, a turn at a time: who is parked, who comes back, and how it ends."""

import asyncio
import errno
import gc
import os
import socket
import stat
import tracemalloc
import weakref
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any

import pytest
import uvloop

from reactor import Request, Response, Server
from reactor import parking as parking_module
from reactor.connection import Connection
from reactor.parking import BURST
from reactor.service import CLOSE_BURST, PARK_BURST

from .simulated import CLOSE, HELLO, TOY, get, post
from .turning import Serve, Turning
from .wire import connect, read_all, read_response


@pytest.fixture(autouse=True)
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was served once is parked at once."""
    monkeypatch.setattr("reactor.service.CROWD", 0)


def parked(turning: Turning) -> socket.socket:
    """A client that has been served once, and is parked."""
    client = turning.client(HELLO)
    turning.turn()
    assert read_response(client).status == 200
    assert turning.parked == 1
    return client


# Who is parked.


def test_who_was_served_and_waits_is_parked_and_asks_nothing_of_the_selector(serve: Serve) -> None:
    turning = serve()
    clients = [turning.client(HELLO) for _ in range(3)]
    turning.turn()
    assert (turning.connections, turning.parked) == (3, 3)
    assert turning.selector.changes == []
    assert [read_response(client).status for client in clients] == [200] * 3


def test_nothing_is_left_of_its_connection(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    turning = serve()
    made: list[weakref.ref[Connection]] = []

    class Referable(Connection):
        __slots__ = ("__weakref__",)

        def __init__(self, *arguments: Any) -> None:
            made.append(weakref.ref(self))
            super().__init__(*arguments)

    monkeypatch.setattr("reactor.listener.Connection", Referable)
    parked(turning)
    assert [each() for each in made] == [None]


def test_one_weighs_a_hundred_bytes(serve: Serve) -> None:
    turning = serve()
    count = 400

    def serve_some() -> list[socket.socket]:
        clients = []
        for _ in range(count):
            clients.append(turning.client(HELLO))
            turning.turn()
        return clients

    def weight() -> int:
        gc.collect()
        own = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/reactor/*")])
        return sum(each.size for each in own.statistics("filename"))

    first = serve_some()  # what is made once
    tracemalloc.start()
    try:
        before = weight()
        others = serve_some()
        assert (turning.parked, len(first) + len(others)) == (2 * count, 2 * count)
        assert 0 < (weight() - before) / count < 150
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        HELLO[:9],
        HELLO + HELLO[:9],
        HELLO * 2,
        CLOSE,
        get("/later"),
        post("/sink", b"hello")[:-1],
        TOY,
        b"nonsense\r\n\r\n",
    ],
)
def test_who_has_something_going_on_is_not(serve: Serve, said: bytes) -> None:
    turning = serve()
    turning.client(said)
    turning.turn()
    assert (turning.connections, turning.parked) == (1, 0)


@pytest.mark.parametrize("cut", [0, 9], ids=["behind its accept", "in two pieces"])
def test_behind_its_first_request_it_is_only_where_there_is_a_crowd(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    monkeypatch.setattr("reactor.service.CROWD", 2)
    turning = serve()
    clients = [turning.client(HELLO[:cut]) for _ in range(4)]
    turning.turn()
    for client in clients:
        client.sendall(HELLO[cut:])
    turning.turn()
    assert [read_response(client).status for client in clients] == [200] * 4
    assert (turning.connections, turning.parked) == (4, 2)
    turning.at(2)
    assert turning.parked == 4


def test_behind_an_answer_that_took_its_time_too(serve: Serve) -> None:
    turning = serve()
    client = turning.client(get("/later"))
    turning.turn()
    assert turning.parked == 0
    [later] = turning.zoo.laters
    later.answer(Response(200, "at last"))
    turning.turn()
    assert turning.parked == 1
    assert read_response(client).body == b"at last"


@pytest.mark.parametrize("settings", [{"limit_per_client": 9}, {"limit_requests_per_connection": 9}])
def test_nobody_is_parked_of_whom_something_has_to_be_remembered(serve: Serve, settings: dict[str, int]) -> None:
    turning = serve(**settings)
    client = turning.client(HELLO)
    turning.turn()
    turning.at(60)
    assert (turning.connections, turning.parked) == (1, 0)
    client.sendall(HELLO)
    turning.turn()
    assert [read_response(client).status for _ in range(2)] == [200, 200]


def test_without_epoll_nobody_is(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking_module, "IS_POSSIBLE", False)
    turning = serve()
    client = turning.client(HELLO)
    turning.turn()
    assert (turning.connections, turning.parked) == (1, 0)
    client.sendall(HELLO)
    turning.turn()
    assert [read_response(client).status for _ in range(2)] == [200, 200]
    turning.server.drain()
    turning.turn()
    assert turning.connections == 0


def test_an_epoll_that_takes_no_more_leaves_it_where_it_is(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    turning = serve()

    class Full:
        def register(self, *_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(turning.server.service.parking, "_epoll", Full())
        client = turning.client(HELLO)
        turning.turn()
    assert (turning.connections, turning.parked) == (1, 0)
    client.sendall(HELLO)
    turning.turn()
    assert [read_response(client).status for _ in range(2)] == [200, 200]


# Who comes back.


def test_who_speaks_again_is_answered_and_then_kept(serve: Serve) -> None:
    turning = serve()
    client = parked(turning)
    for _ in range(3):
        client.sendall(HELLO)
        turning.turn(2)
        assert read_response(client).status == 200
        assert (turning.connections, turning.parked) == (1, 0)
    assert turning.selector.changes == ["register"]


def test_who_rests_is_parked_again(serve: Serve) -> None:
    turning = serve()
    client = parked(turning)
    client.sendall(HELLO)
    turning.turn(2)
    turning.at(1)
    assert turning.parked == 0
    turning.at(2)
    assert turning.parked == 1
    client.sendall(HELLO)
    turning.turn(2)
    assert [read_response(client).status for _ in range(2)] == [200, 200]


def test_a_tick_parks_no_more_than_it_has_time_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.service.PARK_BURST", 2)
    assert PARK_BURST > 2
    turning = serve()
    for _ in range(5):
        turning.client(HELLO * 2)
    turning.turn()
    for second, count in ((2, 2), (3, 4), (4, 5)):
        turning.at(second)
        assert turning.parked == count


@pytest.mark.parametrize("keep_alive", [0, 1])
def test_who_rests_is_not_parked_where_nobody_knows_for_how_long_or_its_time_is_short(
    serve: Serve, keep_alive: int
) -> None:
    turning = serve(timeout_keep_alive=keep_alive)
    turning.client(HELLO * 2)
    turning.turn()
    turning.at(0.9)
    assert (turning.connections, turning.parked) == (1, 0)
    turning.at(1.9)
    assert (turning.connections, turning.parked) == (1 - keep_alive, 0)


def test_of_more_than_a_burst_all_are_answered(serve: Serve) -> None:
    turning = serve()
    clients = [turning.client(HELLO) for _ in range(2 * BURST)]
    turning.turn(2)
    assert turning.parked == len(clients)
    for client in clients:
        client.sendall(HELLO)
    turning.turn()
    assert turning.parked == BURST
    turning.turn()
    assert turning.parked == 0
    turning.turn()
    assert [read_response(client).status for client in clients * 2] == [200] * 4 * BURST


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "[::1]:0", "*:0", "unix:@parked-unnamed", "unix:@parked-named"])
def test_it_comes_back_as_who_it_was(bind: str) -> None:
    def who(request: Request) -> Response:
        return Response(200, repr((request.origin.address, request.origin.peer)))

    if ":0" in bind and "." not in bind and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this machine has no IPv6")
    with Server(who, bind) as server, ExitStack() as stack:
        listening = server.endpoints[0].sock
        is_dual = bind == "*:0"
        client = stack.enter_context(socket.socket(socket.AF_INET if is_dual else listening.family))
        if bind.endswith("-named"):
            client.bind(b"\0a-client-of-the-parked")
        client.settimeout(5)
        client.connect(("127.0.0.1", listening.getsockname()[1]) if is_dual else listening.getsockname())
        seen = []
        for _ in range(3):
            client.sendall(HELLO)
            seen.append(read_response(client).body)
        assert seen == seen[:1] * 3
        assert is_dual or repr(client.getsockname()).encode() in seen[0]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_it_comes_back_to_a_guest_too(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """An epoll in an epoll in the other loop's."""

    async def talk(server: Server) -> None:
        reader, writer = await asyncio.open_connection(*server.endpoints[0].sock.getsockname())
        for _ in range(3):
            writer.write(HELLO)
            await reader.readuntil(b"here")
        writer.close()
        await writer.wait_closed()
        server.drain()

    async def program() -> None:
        server = Server(lambda request: Response(200, "here"), "127.0.0.1:0")
        tasks: list[asyncio.Task[None]] = []
        await server.serve(lambda server: tasks.append(asyncio.create_task(talk(server))))
        await tasks[0]

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.wait_for(program(), 20))


def test_what_it_sends_behind_its_time_in_the_parking_is_read_to_its_end(serve: Serve) -> None:
    turning = serve()
    client = parked(turning)
    request = post("/echo", b"x" * 1000)
    client.sendall(request[:50])
    turning.turn()
    assert turning.parked == 0
    client.sendall(request[50:])
    turning.turn()
    assert read_response(client).status == 200


# How it ends.


def test_a_goodbye_ends_it(serve: Serve) -> None:
    turning = serve()
    parked(turning).close()
    turning.turn(2)
    assert turning.connections == 0


def test_a_reset_ends_it() -> None:
    with Server(lambda request: Response(200, "here"), "127.0.0.1:0") as server:
        client = connect(server.endpoints[0].sock.getsockname()[1])
        client.sendall(HELLO)
        assert read_response(client).body == b"here"
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        with closing(connect(server.endpoints[0].sock.getsockname()[1])) as other:  # behind it in the queue of events
            other.sendall(CLOSE)
            assert read_all(other).endswith(b"here")
        assert server.service.count <= 1


def test_its_time_is_not_longer_than_another_s(serve: Serve) -> None:
    turning = serve(timeout_keep_alive=10)
    client = parked(turning)
    turning.at(9.9)
    assert turning.parked == 1
    turning.at(11)
    assert turning.connections == 0
    assert read_all(client) == b""


@pytest.mark.parametrize("is_possible", [True, False], ids=["parked", "awake"])
def test_the_tick_that_ends_it_is_the_first_behind_its_deadline(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, is_possible: bool
) -> None:
    monkeypatch.setattr(parking_module, "IS_POSSIBLE", is_possible)
    turning = serve(timeout_keep_alive=10)
    turning.at(1.5)  # and so are the ticks behind it
    client = turning.client(HELLO)
    turning.at(2.25)
    assert turning.parked == is_possible
    for second in range(2, 12):
        turning.at(second + 0.5)
        assert turning.connections == 1
    turning.at(12.5)
    assert turning.connections == 0
    assert read_all(client).count(b"200 OK") == 1


def test_of_many_whose_time_is_over_a_turn_closes_a_share(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.service.CLOSE_BURST", 2)
    assert CLOSE_BURST > 2
    turning = serve(timeout_keep_alive=10)
    clients = [turning.client(HELLO) for _ in range(5)]
    turning.turn()
    turning.at(5)
    other = turning.client(HELLO)
    turning.turn()
    other.sendall(HELLO)  # whose time is not over
    turning.at(11)
    assert turning.parked == 4
    clients[-1].sendall(HELLO)
    turning.turn(3)
    assert (turning.connections, turning.parked) == (2, 0)
    assert [read_all(client).count(b"200 OK") for client in clients[:-1]] == [1] * 4
    assert [read_response(client).status for client in (clients[-1], other) * 2] == [200] * 4


def test_a_request_that_crosses_with_the_end_of_its_time_is_answered(serve: Serve) -> None:
    turning = serve(timeout_keep_alive=10)
    client = parked(turning)
    turning.now += 11
    turning.server.reactor.now = turning.now
    client.sendall(HELLO)
    turning.server.service.sweep()  # before the turn that would have heard it
    turning.turn()
    assert read_response(client).status == 200
    assert (turning.connections, turning.parked) == (1, 0)


def test_to_be_waked_for_nothing_buys_no_time(serve: Serve) -> None:
    turning = serve(timeout_keep_alive=10)
    parked(turning)
    turning.at(5)
    parking = turning.server.service.parking
    assert parking is not None
    assert len(parking.next(1)) == 1
    turning.turn()
    assert (turning.connections, turning.parked) == (1, 0)
    turning.at(8)
    assert turning.parked == 1
    turning.at(11)
    assert turning.connections == 0


def test_at_the_limit_who_waits_for_longest_makes_room(serve: Serve) -> None:
    turning = serve(limit_connections=2)
    first, second = parked(turning), turning.client(HELLO)
    turning.at(3)
    assert turning.parked == 2
    third = turning.client(HELLO)
    turning.turn(2)
    assert read_response(third).status == read_response(second).status == 200
    assert read_all(first) == b""
    assert turning.connections == 2


def test_one_that_is_parked_and_one_that_is_not_make_room_in_their_order(serve: Serve) -> None:
    turning = serve(limit_connections=2)
    awake = turning.client(HELLO * 2)
    turning.turn()
    turning.at(1)
    later = turning.client(HELLO)
    turning.turn()
    assert (turning.connections, turning.parked) == (2, 1)
    third = turning.client(HELLO)
    turning.turn(2)
    assert read_response(third).status == read_response(later).status == 200
    assert read_all(awake).count(b"200 OK") == 2
    later.sendall(HELLO)
    turning.turn()
    assert read_response(later).status == 200


@pytest.mark.parametrize("how", ["drain", "abort"])
def test_a_stop_ends_those_that_are_parked(serve: Serve, how: str) -> None:
    turning = serve()
    clients = [turning.client(HELLO) for _ in range(3)]
    turning.turn()
    getattr(turning.server, how)()
    turning.turn()
    assert turning.connections == 0
    assert not turning.server.reactor.is_running
    for client in clients:
        assert read_response(client).status == 200
        assert client.recv(1) == b""


def test_a_request_that_crosses_with_a_stop_is_answered(serve: Serve) -> None:
    turning = serve()
    client = parked(turning)
    client.sendall(HELLO)
    turning.server.drain()
    turning.turn()
    answer = read_response(client)
    assert (answer.status, answer.field("Connection")) == (200, "close")


def test_nobody_is_parked_while_the_server_stops(serve: Serve) -> None:
    turning = serve()
    client = turning.client(HELLO)
    turning.zoo.meanwhile.append(lambda: None)
    turning.server.service.drain()
    turning.turn()
    assert turning.parked == 0
    assert read_response(client).field("Connection") == "close"


def test_a_selector_that_takes_no_more_ends_who_comes_back(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    turning = serve()
    client = parked(turning)
    turning.selector.is_full = True
    client.sendall(HELLO)
    turning.turn()
    assert turning.connections == 0
    assert "cannot watch unix: No space left on device; closing it" in caplog.text
    with pytest.raises(ConnectionResetError):
        read_all(client)


def test_a_bug_costs_the_one_that_it_meets(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turning = serve()
    clients = [turning.client(HELLO) for _ in range(2)]
    turning.turn()
    assert [read_response(client).status for client in clients] == [200, 200]
    unpark, bugs = Connection.unpark, [RuntimeError("ours")]

    def fail_once(connection: Connection, deadline: float) -> None:
        if bugs:
            raise bugs.pop()
        unpark(connection, deadline)

    monkeypatch.setattr(Connection, "unpark", fail_once)
    for client in clients:
        client.sendall(HELLO)
    turning.turn(2)
    assert turning.connections == 1
    assert "internal error in making a connection that was parked" in caplog.text
    turning.server.drain()
    turning.turn()
    assert not turning.server.reactor.is_running


# Where a handler closed what is not its own, and the number is another's.


@pytest.fixture
def stolen(serve: Serve) -> Callable[..., tuple[Turning, int]]:
    """A server, with two who are parked and the number of the first, which has become a file's."""

    def steal(**settings: Any) -> tuple[Turning, int]:
        turning = serve(**settings)
        parked(turning)
        parking = turning.server.service.parking
        assert parking is not None
        [fd] = parking._deadlines
        with open(os.devnull) as file:
            os.dup2(file.fileno(), fd)
        turning.clients.callback(os.close, fd)
        turning.client(HELLO)
        turning.turn()
        assert turning.parked == 2
        return turning, fd

    return steal


def test_the_deadlines_of_the_others_are_kept_all_the_same(stolen: Callable[..., tuple[Turning, int]]) -> None:
    turning, fd = stolen(timeout_keep_alive=10, timeout_header=10)
    awake = turning.client(HELLO[:9])
    turning.turn()
    turning.at(11)
    assert turning.parked == 0
    awake.shutdown(socket.SHUT_WR)
    turning.turn()
    assert turning.connections == 0
    assert read_all(awake).startswith(b"HTTP/1.1 408")
    assert stat.S_ISCHR(os.fstat(fd).st_mode)


def test_others_make_room_all_the_same(stolen: Callable[..., tuple[Turning, int]]) -> None:
    turning, fd = stolen(limit_connections=2)
    others = [turning.client(HELLO) for _ in range(2)]
    for second in range(1, 4):  # where it was closed nobody is told that there is room: the next tick finds it
        turning.at(second)
        turning.turn()
    assert [read_response(other).status for other in others] == [200, 200]
    assert turning.connections <= 2
    assert stat.S_ISCHR(os.fstat(fd).st_mode)


def test_a_stop_comes_to_its_end_all_the_same(stolen: Callable[..., tuple[Turning, int]]) -> None:
    turning, fd = stolen()
    turning.server.drain()
    turning.turn()
    assert turning.connections == 0
    assert not turning.server.reactor.is_running
    assert stat.S_ISCHR(os.fstat(fd).st_mode)
