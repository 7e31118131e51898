"""Upstreams that fail, lie or are not there: what the client is told, what is tried again, what reaches nobody."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from handlers.proxy import Proxy, passage, upstreams
from reactor import ClientConnection, Server, Settings, parse_upstream, resolve
from reactor.transport import RECV_SIZE
from tests.http1.response_samples import BAD, LIMITS
from tests.wire import connect, read_all, read_response, reset

from .gates import is_left_by_all
from .upstreams import GET, HELLO, OVER, Peer, Scripted, always, ask, port_of, proxy_to

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
PUT = POST.replace(b"POST", b"PUT")


@contextmanager
def nobody() -> Iterator[str]:
    """A URL at which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


def test_an_upstream_that_is_not_there_is_a_502(caplog: pytest.LogCaptureFixture) -> None:
    with nobody() as url, proxy_to(url) as server:
        answer = ask(server)
        assert answer.status == 502
        assert answer.body == b"the server behind this one gave no answer that can be passed on\n"
        assert ask(server, POST).status == 502
    assert f"upstream {url}: cannot connect: connection refused, at GET /" in caplog.text
    assert caplog.text.count("cannot connect") == 1


def test_a_unix_socket_that_is_not_there_is_a_502(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with proxy_to(f"unix:{tmp_path}/none.sock") as server:
        assert ask(server).status == 502
    assert "cannot connect: no such file or directory" in caplog.text


@pytest.mark.parametrize("name", BAD)
def test_nothing_of_an_answer_that_is_malformed_reaches_the_client(name: str) -> None:
    """Either it is refused as a whole, or what has begun is seen to break off."""
    with Scripted(always(BAD[name], then_close=True)) as upstream:
        small = Settings(limit_head_size=LIMITS.head, limit_headers=LIMITS.fields)
        with proxy_to(upstream.url, small) as server, connect(port_of(server)) as client:
            client.sendall(GET)
            try:
                answer = read_response(client)
            except (EOFError, ConnectionResetError):
                return
    assert answer.status == 502


@pytest.mark.parametrize("byte", [b"\r", b"\n", b"\0", b"\x1b", b"\x7f", b"\r\n ", b"\r\n\t"])
@pytest.mark.parametrize("where", [b"X: a%bb", b"X%bY: a", b"Content-Type: text/%bplain", b"Set-Cookie: %bx"])
def test_no_byte_that_could_split_an_answer_is_passed_on(byte: bytes, where: bytes) -> None:
    answer = HELLO.replace(b"\r\n\r\n", b"\r\n" + where % (byte + b"Set-Cookie: evil=1") + b"\r\n\r\n")
    with Scripted(always(answer, then_close=True)) as upstream, proxy_to(upstream.url) as server:
        found = ask(server)
        assert found.status == 502
        assert all("evil" not in value for _, value in found.fields)


def test_what_comes_behind_an_answer_is_given_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with Scripted(always(HELLO + OVER)) as upstream, proxy_to(upstream.url) as server:
        for _ in range(3):
            assert ask(server).body == b"hello"
        assert upstream.accepted == 3
    assert "said more than was asked for; closing it" in caplog.text


@pytest.mark.parametrize("head", [b"HTTP/1.1 204 No\r\n\r\n", b"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n"])
def test_a_body_behind_an_answer_that_has_none_is_given_to_nobody(head: bytes) -> None:
    with Scripted(always(head + OVER)) as upstream, proxy_to(upstream.url) as server:
        with connect(port_of(server)) as client:
            for _ in range(2):
                client.sendall(GET)
                assert read_response(client).status in (204, 304)
        assert upstream.accepted == 2


def test_an_answer_that_nobody_asked_for_is_given_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    sent, heard = threading.Event(), threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(HELLO)
        if number == 0:
            heard.wait(5)
            peer.send(OVER)
            assert peer.wait_for_end() == b""
            sent.set()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server:
        assert ask(server).body == b"hello"
        heard.set()
        assert sent.wait(5)
        assert ask(server).body == b"hello"
        assert upstream.accepted == 2
    assert "said something that was not asked for; closing it" in caplog.text


def test_very_many_interim_answers_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    for count, status in ((8, 200), (9, 502)):
        with Scripted(always(b"HTTP/1.1 100 Continue\r\n\r\n" * count + HELLO)) as upstream:
            with proxy_to(upstream.url) as server:
                assert ask(server).status == status
    assert "more than 8 interim responses" in caplog.text


def test_an_answer_that_is_malformed_behind_a_turns_share_is_told_as_such(caplog: pytest.LogCaptureFixture) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 2000 + b"zz\r\n"
    with Scripted(always(answer)) as upstream, proxy_to(upstream.url) as server:
        with pytest.raises((ConnectionResetError, EOFError)):
            ask(server)
        assert f"upstream {upstream.url}: its answer is malformed: a chunk's size line" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_body_that_waits_for_room_does_not_wait_behind_an_answer() -> None:
    """All of it is here, in one piece that is more than may wait; and then it cannot be sent anywhere."""
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    size = RECV_SIZE - len(head % 10_000)
    with nobody() as url, proxy_to(url) as server, connect(port_of(server)) as client:
        client.sendall(head % size + bytes(size))
        assert read_response(client).status == 502
        client.sendall(GET)
        assert read_response(client).status == 502


def test_an_answer_that_is_too_large_in_its_head_is_refused() -> None:
    with Scripted(always(HELLO.replace(b"\r\n\r\n", b"\r\nX: " + b"a" * 40_000 + b"\r\n\r\n"))) as upstream:
        with proxy_to(upstream.url) as server:
            assert ask(server).status == 502


# Answers that break off.


@pytest.mark.parametrize(
    "begun",
    [
        b"Content-Length: 10\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"Content-Length: 10\r\n\r\n",
    ],
    ids=["of a length", "in chunks", "before the body"],
)
@pytest.mark.parametrize("how", ["closes", "resets", "goes on with nonsense"])
def test_an_answer_that_breaks_off_breaks_off_for_the_client(begun: bytes, how: str) -> None:
    read = threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\n" + begun)
        read.wait(5)
        if how == "resets":
            reset(peer.sock)
        elif how == "goes on with nonsense" and b"chunked" in begun:
            peer.send(b"x\r\n")

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(GET)
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        read.set()
        with pytest.raises(ConnectionResetError):
            read_all(client)


def test_a_body_that_the_close_ends_is_not_whole_where_the_connection_breaks() -> None:
    read = threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        read.wait(5)
        reset(peer.sock)

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(GET)
        assert client.recv(1)
        read.set()
        with pytest.raises(ConnectionResetError):
            read_all(client)


# What is tried again.


def dies_once(answer: bytes = HELLO, says: bytes = b"", how: str = "closes") -> Any:
    """A script: the first connection answers once, and dies with the second request."""

    def play(peer: Peer, number: int) -> None:
        while True:
            peer.read_head()
            if number == 0 and len(peer._heads) > 1:
                peer.send(says)
                if how == "resets":
                    reset(peer.sock)
                return
            peer.send(answer)

    return play


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("how", ["closes", "resets"])
def test_what_may_be_repeated_is_sent_again_where_a_kept_connection_had_died(method: str, how: str) -> None:
    request = GET.replace(b"GET", method.encode())
    with Scripted(dies_once(how=how)) as upstream, proxy_to(upstream.url) as server:
        assert ask(server).status == 200
        assert ask(server, request, method).status == 200
        assert (upstream.accepted, len(upstream.heads)) == (2, 3)


def test_a_small_body_that_may_be_repeated_is_sent_again() -> None:
    def play(peer: Peer, number: int) -> None:
        while True:
            head = peer.read_head()
            if number == 0 and len(peer._heads) > 1:
                return
            if b"Content-Length" in head:
                assert peer.read(4) == b"body"
            peer.send(HELLO)

    with Scripted(play) as upstream, proxy_to(upstream.url) as server:
        assert ask(server).status == 200
        assert ask(server, PUT).status == 200
        assert (upstream.accepted, len(upstream.heads)) == (2, 3)


def test_what_must_not_be_repeated_is_not() -> None:
    with Scripted(dies_once()) as upstream, proxy_to(upstream.url) as server:
        assert ask(server).status == 200
        assert ask(server, POST).status == 502
        assert (upstream.accepted, len(upstream.heads)) == (1, 2)


def test_what_is_not_repeated_does_not_go_to_a_connection_that_was_idle_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstreams, "FRESH", -1.0)
    with Scripted(dies_once()) as upstream, proxy_to(upstream.url) as server:
        assert ask(server).status == 200
        assert ask(server, POST).status == 200
        assert (upstream.accepted, len(upstream.heads)) == (2, 2)


def test_what_is_not_repeated_does_not_go_to_a_connection_that_is_not_there_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The news of it may be in this turn, and the request before it."""
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server:
        assert ask(server).status == 200
        monkeypatch.setattr(ClientConnection, "is_there", lambda self: self.close())
        assert ask(server, GET.replace(b"GET", b"POST")).status == 200
        assert upstream.accepted == 2


def test_nothing_is_repeated_of_which_an_answer_has_begun() -> None:
    with Scripted(dies_once(says=b"H")) as upstream, proxy_to(upstream.url) as server:
        assert ask(server).status == 200
        assert ask(server).status == 502
        assert len(upstream.heads) == 2


def test_nothing_is_repeated_that_died_on_a_new_connection() -> None:
    with Scripted(lambda peer, number: (peer.read_head(), None)[1]) as upstream, proxy_to(upstream.url) as server:
        assert ask(server).status == 502
        assert upstream.accepted == 1


def test_it_is_repeated_once() -> None:
    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        if number == 0:
            peer.send(HELLO)
            peer.read_head()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server:
        assert ask(server).status == 200
        assert ask(server).status == 502
        assert upstream.accepted == 2


def test_a_request_goes_to_another_upstream_where_one_cannot_be_connected(caplog: pytest.LogCaptureFixture) -> None:
    with nobody() as url, Scripted(always(HELLO)) as upstream:
        with proxy_to(f"{url};{upstream.url};{url}") as server:
            for request in (GET, POST, PUT, GET):
                assert ask(server, request).body == b"hello"
    assert caplog.text.count("cannot connect") <= 2  # then they are passed over


def test_an_upstream_of_which_one_address_is_dead_is_asked_at_the_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with nobody() as url, Scripted(always(HELLO, then_close=True)) as upstream, Scripted(always(OVER)) as other:
        dead, alive = (resolve(parse_upstream(each))[0] for each in (url, upstream.url))
        found = {upstream.url: (dead, alive)}
        monkeypatch.setattr(upstreams, "resolve", lambda each: found.get(each.text) or resolve(each))
        with proxy_to(f"{upstream.url};{other.url}") as server:
            bodies = [ask(server).body for _ in range(6)]
    assert sorted(bodies) == [b"hello"] * 3 + [b"over"] * 3  # it was not passed over
    assert caplog.text.count("cannot connect") == 1  # and from then on the other address came first


def test_where_all_are_down_each_is_tried_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    with nobody() as one, nobody() as two, proxy_to(f"{one};{two}") as server:
        for _ in range(2):
            assert ask(server).status == 502
    assert caplog.text.count(f"upstream {one}: cannot connect") == 1
    assert caplog.text.count(f"upstream {two}: cannot connect") == 1


def test_descriptors_that_are_used_up_are_a_503(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> Any:
        raise OSError(24, "Too many open files")

    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server:
        monkeypatch.setattr(upstreams, "ClientConnection", refuse)
        answer = ask(server)
        assert (answer.status, answer.field("retry-after")) == (503, "1")
        assert ask(server, POST).status == 503
        monkeypatch.undo()
        assert ask(server).status == 200
    assert "no connection can be opened: Too many open files" in caplog.text


# What takes too long.


def test_an_answer_that_does_not_come_is_a_504(caplog: pytest.LogCaptureFixture) -> None:
    with Scripted(lambda peer, number: (peer.read_head(), peer.wait_for_end(), None)[2]) as upstream:
        with proxy_to(upstream.url, timeout_response=0.1) as server:
            answer = ask(server)
            assert answer.status == 504
            assert answer.body == b"the server behind this one took too long\n"
    assert "its answer took too long" in caplog.text


def test_an_answer_whose_head_trickles_is_a_504() -> None:
    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        while not over.wait(0.05):
            peer.send(next(head))

    head = iter([b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 90])
    over = threading.Event()
    with Scripted(play) as upstream, proxy_to(upstream.url, timeout_response=0.3) as server:
        assert ask(server).status == 504
        over.set()


def test_an_answer_that_does_not_go_on_breaks_off() -> None:
    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        peer.wait_for_end()

    with Scripted(play) as upstream, proxy_to(upstream.url, timeout_pause=0.1) as server:
        with connect(port_of(server)) as client:
            client.sendall(GET)
            with pytest.raises((ConnectionResetError, EOFError)):
                read_response(client)


def test_an_upstream_that_takes_nothing_of_a_request_is_a_504(caplog: pytest.LogCaptureFixture) -> None:
    def play(peer: Peer, number: int) -> None:
        done.wait(10)

    done = threading.Event()
    with Scripted(play) as upstream, proxy_to(upstream.url, timeout_pause=0.1) as server:
        with connect(port_of(server)) as client:
            client.sendall(POST.replace(b": 4", b": 40000000"))
            sender = threading.Thread(target=send_until_it_breaks, args=(client,))
            sender.start()
            assert read_response(client).status == 504
            done.set()
            client.shutdown(socket.SHUT_RDWR)
            sender.join()
    assert "it took the request too slowly" in caplog.text


def send_until_it_breaks(client: socket.socket) -> None:
    try:
        for _ in range(600):
            client.sendall(bytes(65536))
    except OSError:
        pass


def test_a_connection_that_takes_too_long_to_open_is_a_504(caplog: pytest.LogCaptureFixture) -> None:
    """A queue that is full: the kernel answers nobody."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        full = [socket.socket() for _ in range(8)]
        for sock in full:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        with proxy_to(f"http://127.0.0.1:{port}", timeout_connect=0.1) as server:
            assert ask(server).status == 504
        for sock in full:
            sock.close()
    assert "it took too long to connect" in caplog.text


def test_a_connection_that_is_not_used_is_given_back() -> None:
    ended = threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(HELLO)
        assert peer.wait_for_end() == b""
        ended.set()

    with Scripted(play) as upstream, proxy_to(upstream.url, keep_alive=0.1) as server:
        with connect(port_of(server)) as client:  # while somebody is there, time is kept
            client.sendall(GET)
            assert read_response(client).body == b"hello"
            assert ended.wait(5)
            wait_until(lambda: not server.service.outward)


def test_a_connection_that_should_have_been_given_back_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server:
        assert ask(server).body == b"hello"
        next(iter(server.service.outward)).deadline = 0.0  # nobody was there, and the tick is still to come
        assert ask(server).body == b"hello"
        assert upstream.accepted == 2


def test_an_upstream_that_closes_a_kept_connection_is_not_asked_on_it() -> None:
    with Scripted(always(HELLO, then_close=True)) as upstream, proxy_to(upstream.url) as server:
        for _ in range(3):
            assert ask(server, POST).body == b"hello"
            wait_until(lambda: not server.service.outward)
        assert upstream.accepted == 3


def test_connections_that_are_kept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstreams, "IDLE", 2)
    barrier = threading.Barrier(4)

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        barrier.wait(5)
        peer.send(HELLO)
        peer.wait_for_end()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server:
        clients = [connect(port_of(server)) for _ in range(4)]
        for client in clients:
            client.sendall(GET)
        for client in clients:
            assert read_response(client).body == b"hello"
            client.close()
        assert len(server.service.outward) == 2


# Clients that leave.


def test_a_client_that_leaves_takes_its_request_with_it() -> None:
    asked, left = threading.Event(), threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        asked.set()
        assert peer.wait_for_end() == b""
        left.set()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server:
        client = connect(port_of(server))
        client.sendall(GET)
        assert asked.wait(5)
        reset(client)
        assert left.wait(5)
        wait_until(lambda: is_left_by_all(server) and not server.service.outward)


def test_a_client_that_leaves_in_the_middle_of_an_answer_ends_it() -> None:
    left = threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        assert peer.wait_for_end() == b""
        left.set()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server:
        client = connect(port_of(server))
        client.sendall(GET)
        assert client.recv(10)
        reset(client)
        assert left.wait(5)


def test_a_client_that_half_closes_still_gets_its_answer() -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(GET)
        client.shutdown(socket.SHUT_WR)
        assert read_response(client).body == b"hello"


def test_the_end_of_the_server_closes_what_is_open() -> None:
    ends = [threading.Event(), threading.Event()]

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(HELLO if number else HELLO[:-1])
        peer.wait_for_end()
        ends[number].set()

    with Scripted(play) as upstream:
        server = Server(Proxy(upstream.url), bind="127.0.0.1:0")
        with server, connect(port_of(server)) as client:
            client.sendall(GET)
            assert client.recv(10)
            assert ask(server).body == b"hello"
            client.close()
        assert all(each.wait(5) for each in ends)
        assert not server.service.outward


def test_a_bug_in_whoever_asks_costs_one_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("as asked")

    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server:
        monkeypatch.setattr(passage, "whole_answer", fail)
        assert ask(server).status == 502
        monkeypatch.undo()
        assert ask(server).body == b"hello"
    assert "internal error" in caplog.text


def wait_until(is_so: Any) -> None:
    """For what happens on the server's thread and nobody is told of; it fails after a while."""
    for _ in range(500):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come to that")

