"""A connection's first look, over real sockets, a turn at a time: what is asked of the selector, and who is let in."""

import select
import socket

import pytest

from reactor.answers import Answer
from reactor.connection import Connection
from reactor.dialogue import PIPELINE
from reactor.http1.request import Request
from reactor.listener import BURST

from .simulated import CLOSE, HELLO, TOY, get, post
from .turning import Serve
from .wire import read_all, read_response


def test_a_request_for_each_connection_asks_nothing_of_the_selector(serve: Serve) -> None:
    turning = serve()
    for _ in range(3):
        client = turning.client(CLOSE)

        def leave(client: socket.socket = client) -> None:
            assert read_all(client).startswith(b"HTTP/1.1 200 OK")
            client.close()

        turning.zoo.meanwhile.append(leave)
        turning.turn()
        assert turning.connections == 0
    assert turning.selector.changes == []


def test_who_stays_is_watched_once(serve: Serve) -> None:
    turning = serve()
    kept, last = turning.client(HELLO * 2), turning.client(CLOSE)
    turning.turn()
    assert turning.selector.changes == ["register"] * 2
    assert read_response(kept).status == read_response(kept).status == read_response(last).status == 200
    kept.sendall(HELLO)
    last.close()
    turning.turn()
    assert read_response(kept).status == 200
    assert turning.selector.changes == ["register"] * 2 + ["unregister"]


@pytest.mark.parametrize(
    ("early", "answered", "events"),
    [
        (b"", b"", []),
        (HELLO[:9], b"", []),
        (HELLO * 2, b"HTTP/1.1 200 OK", []),
        (HELLO * (PIPELINE + 1), b"HTTP/1.1 200 OK", []),
        (get("/big") * 20, b"HTTP/1.1 200 OK", []),
        (get("/later"), b"", ["abandoned"]),
        (post("/sink", b"hello")[:-1], b"", ["sink open", "sink aborted"]),
        (get("/promises"), b"HTTP/1.1 200 OK", ["iterator open", "abandoned", "iterator closed"]),
        (TOY, b"HTTP/1.1 101 ", ["toy connected", "toy sent", "toy closed"]),
    ],
)
def test_a_selector_that_takes_no_more(
    serve: Serve, early: bytes, answered: bytes, events: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Before an answer and behind one: the connection ends, and the listener pauses until the next tick."""
    turning = serve()
    turning.selector.is_full = True
    client = turning.client(early)
    turning.turn(2)
    assert (turning.connections, turning.server.service.working) == (0, 0)
    assert client.recv(len(answered)) == answered
    assert turning.listener.is_exhausted
    assert turning.listener not in [key.fileobj for key in turning.selector.get_map().values()]
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["cannot accept on unix"]
    assert turning.zoo.events == events
    turning.selector.is_full = False
    turning.listener.resume()
    turning.client(HELLO)
    turning.turn()
    assert turning.connections == 1


def test_a_full_selector_costs_nothing_who_needs_none(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    turning = serve()
    turning.selector.is_full = True
    client = turning.client(CLOSE)
    turning.zoo.meanwhile.append(lambda: client.shutdown(socket.SHUT_WR))
    turning.turn()
    assert read_all(client).startswith(b"HTTP/1.1 200 OK")
    assert not turning.listener.is_exhausted
    assert caplog.records == []


def test_a_bug_costs_its_connection_and_not_the_listener(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turning = serve()
    advance, bugs = Connection._advance, [RuntimeError("ours")]

    def fail_once(connection: Connection) -> None:
        if bugs:
            raise bugs.pop()
        advance(connection)

    monkeypatch.setattr(Connection, "_advance", fail_once)
    first, second = turning.client(HELLO), turning.client(HELLO)
    turning.turn()
    assert first.recv(1) == b""
    assert read_response(second).status == 200
    assert turning.connections == 1
    assert [record.getMessage() for record in caplog.records] == [
        "internal error in unix's first turn; closing it"
    ]
    assert caplog.records[0].exc_info is not None


def test_no_more_than_the_limit_however_fast_they_go(serve: Serve) -> None:
    turning = serve(limit_connections=2)
    clients = [turning.client(CLOSE) for _ in range(7)]
    for _ in range(12):
        turning.turn()
        assert turning.connections <= 2
        for client in list(clients):
            if select.select([client], [], [], 0)[0]:
                assert read_all(client).startswith(b"HTTP/1.1 200 OK")
                client.close()
                clients.remove(client)
    assert clients == []


def test_a_burst_is_answered_in_one_turn(serve: Serve) -> None:
    turning = serve()
    clients = [turning.client(HELLO) for _ in range(BURST + 1)]
    turning.turn()
    assert turning.connections == BURST
    turning.turn()
    assert [read_response(client).status for client in clients] == [200] * (BURST + 1)


def test_who_waits_in_the_queue_at_a_stop_is_answered(serve: Serve) -> None:
    turning = serve()
    turning.listener.pause()
    asks, silent, half = turning.client(HELLO), turning.client(), turning.client(HELLO[:9])
    turning.server.drain()
    turning.turn()
    answer = read_response(asks)
    assert (answer.status, answer.field("Connection")) == (200, "close")
    assert read_all(asks) == read_all(silent) == b""
    assert turning.connections == 2, "the one that was answered lingers, and one is heard to its end"
    half.sendall(HELLO[9:])
    turning.turn()
    assert read_response(half).status == 200
    assert read_all(half) == b""
    asks.close()
    half.close()
    turning.turn()
    assert turning.connections == 0


def test_a_stop_at_once_before_the_second_look(serve: Serve) -> None:
    turning = serve()
    client = turning.client(CLOSE)
    turning.zoo.meanwhile.append(turning.server.abort)
    turning.turn()
    assert turning.connections == 0
    assert read_all(client).startswith(b"HTTP/1.1 200 OK")
    assert turning.selector.changes == []


def test_a_handler_that_stops_the_server(serve: Serve) -> None:
    """In the middle of a burst: who is accepted behind it has an answer as well, and its last one."""
    turning = serve()
    first, second = turning.client(HELLO), turning.client(HELLO)
    handler = turning.zoo.__call__

    def stop(request: Request) -> Answer:
        turning.server.drain()
        return handler(request)

    turning.server.service.answer = stop
    turning.turn(2)
    for client in (first, second):
        assert read_response(client).field("Connection") == "close"
