"""The proxy between two who mean ill: what one may do to the other, to whoever asks next, and to the proxy."""

import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from handlers.proxy import upstreams
from reactor import Server
from tests.wire import connect, read_response

from .test_proxy_faults import nobody, wait_until
from .upstreams import GET, HELLO, OVER, Peer, Scripted, always, ask, asked_for, port_of, proxy_to

BODY = bytes(300_000)
UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(BODY)


def test_an_upload_goes_on_where_another_upstream_takes_all_of_it_at_once(tmp_path: Path) -> None:
    """A Unix socket is there at once, and what waited for the one before leaves within the asking."""

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.read(len(BODY))
        peer.send(HELLO)

    with ExitStack() as stack:
        dead = stack.enter_context(nobody())
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(tmp_path / "x.sock"))
        listener.listen()
        stack.enter_context(Scripted(play, listener))
        server = stack.enter_context(proxy_to(f"unix:{tmp_path}/x.sock;{dead}"))
        client = stack.enter_context(connect(port_of(server)))
        client.sendall(UPLOAD + BODY)
        assert read_response(client).body == b"hello"


def hold(server: Server, until: threading.Event) -> None:
    """Hold its loop until then; returns when it is held: what comes meanwhile is looked at in one turn."""

    def wait() -> None:
        is_held.set()
        assert until.wait(5)

    is_held = threading.Event()
    server.reactor.call_from_outside(wait)
    assert is_held.wait(5)


@pytest.mark.parametrize("asked", [b"HEAD", b"GET"])
def test_a_body_behind_an_answer_that_has_none_is_not_the_next_clients_answer(asked: bytes) -> None:
    """It comes late, in one turn with the next request, which is looked at first."""
    may_say, has_said = threading.Event(), threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 304 Not\r\nContent-Length: 40\r\n\r\n" if number == 0 else HELLO)
        if number == 0:
            assert may_say.wait(5)
            peer.send(OVER)
            has_said.set()
        peer.wait_for_end()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        assert ask(server, GET.replace(b"GET", asked), asked.decode()).status == 304
        client.sendall(b"GET / HTTP/1.1\r\n")  # it is accepted, and its request not complete
        wait_until(lambda: len(server.service.connections) == 1 and len(server.service.outward) == 1)
        hold(server, has_said)
        client.sendall(b"Host: a\r\n\r\n")
        may_say.set()
        assert read_response(client).body == b"hello"
        assert upstream.accepted == 2


def test_a_farewell_on_an_idle_connection_is_not_the_next_clients_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a server says it that gives an idle connection up: 408, and the end."""
    monkeypatch.setattr(upstreams, "FRESH", -1.0)  # as if it had been idle for long
    may_say, has_said = threading.Event(), threading.Event()

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(HELLO)
        if number == 0:
            assert may_say.wait(5)
            peer.send(b"HTTP/1.1 408 Late\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            has_said.set()
        else:
            peer.wait_for_end()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(GET)
        assert read_response(client).body == b"hello"
        hold(server, has_said)
        client.sendall(GET)
        may_say.set()
        assert read_response(client).status == 200
        assert upstream.accepted == 2


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [(b"", 1), (b"Content-Length: 0\r\n", 1), (b"Content-Length: 5\r\n", 2), (b"Transfer-Encoding: chunked\r\n", 2)],
)
def test_a_204_that_speaks_of_a_body_is_the_last_answer_of_its_connection(fields: bytes, accepted: int) -> None:
    with Scripted(always(b"HTTP/1.1 204 No\r\n" + fields + b"\r\n")) as upstream, proxy_to(upstream.url) as server:
        for _ in range(2):
            assert ask(server).status == 204
        assert upstream.accepted == accepted


@pytest.mark.parametrize(
    ("said", "passed"),
    [
        (b"for=192.0.2.1", b"for=192.0.2.1, "),
        (b'for="[::1]:80";host="a\\"b" , ,; for=_x;', b'for="[::1]:80";host="a\\"b" , ,; for=_x;, '),
        (b'for=192.0.2.1, for="', b""),
        (b'for=192.0.2.1, for="x\\', b""),
        (b"for=192.0.2.1 for=192.0.2.2", b""),
        (b"for = 192.0.2.1", b""),
        (b"for", b""),
        (b"f" * 8000, b""),
        (b"," + b" " * 8000 + b"(", b""),
    ],
)
def test_a_quote_that_a_client_leaves_open_does_not_swallow_what_we_append(said: bytes, passed: bytes) -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url, forwarded="append") as server:
        assert ask(server, GET.replace(b"\r\n\r\n", b"\r\nForwarded: " + said + b"\r\n\r\n")).status == 200
        assert asked_for(upstream.heads[0], b"forwarded") == [passed + b'for=127.0.0.1;proto=http;host="a"']


@pytest.mark.parametrize("end", [b"%00", b"%00/x", b"%23", b"%23/x", b"%3f", b"%3Fx=/", b"%00.html"])
def test_a_path_does_not_climb_for_who_ends_it_sooner(end: bytes) -> None:
    """At a NUL, as C does, or at what was "#" or "?" after it was decoded."""
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url + "/base") as server:
        assert ask(server, b"GET /x/..%b HTTP/1.1\r\nHost: a\r\n\r\n" % end).status == 400
        assert not upstream.heads
