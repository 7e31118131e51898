"""The proxy: what it is asked goes to another server, and what that answers comes back."""

import http.client
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from handlers.proxy import Proxy
from handlers.router import Router
from reactor import Request, Response, Server
from reactor.plugins import PluginError, load
from reactor.testing import TestClient
from tests.wire import connect, read_response

from .upstreams import GET, HELLO, OVER, Peer, Scripted, always, ask, asked_for, port_of, proxy_to


def echo(request: Request) -> Response:
    """What was asked, as text."""
    return Response(200, f"{request.method} {request.target.decode()} {request.body[:20]!r} {len(request.body)}")


def test_a_request_and_its_answer_pass() -> None:
    with Server(echo, bind="127.0.0.1:0") as upstream, proxy_to(upstream.url) as server:
        answer = ask(server, b"GET /a%20b?c=d HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (answer.status, answer.body) == (200, b"GET /a%20b?c=d b'' 0")
        assert answer.field("content-type") == "text/plain; charset=utf-8"
        assert answer.field("via") == "1.1 reactor"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "REPORT"])
def test_any_method_passes(method: str) -> None:
    with Server(echo, bind="127.0.0.1:0") as upstream, proxy_to(upstream.url) as server:
        answer = ask(server, f"{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".encode())
        assert answer.body == f"{method} / b'abc' 3".encode()


def test_connect_is_not_passed_on() -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server:
        assert ask(server, b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n").status == 501
    assert upstream.heads == []


def test_a_unix_socket_is_an_upstream(tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/app.sock"
    with Server(echo, bind=path), proxy_to(path, host="replace") as server:
        assert ask(server).body == b"GET / b'' 0"


def test_a_client_behind_a_unix_socket_is_nobody_known(tmp_path: Path) -> None:
    path = str(tmp_path / "front.sock")
    with Scripted(always(HELLO)) as upstream, Server(Proxy(upstream.url), bind=f"unix:{path}"):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(path)
            client.sendall(GET)
            assert read_response(client).body == b"hello"
    assert asked_for(upstream.heads[0], b"x-forwarded-for") == []
    assert asked_for(upstream.heads[0], b"forwarded") == [b'for=unknown;proto=http;host="a"']


def test_connections_to_the_upstream_are_used_again() -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server:
        for _ in range(5):
            assert ask(server).body == b"hello"
        with connect(port_of(server)) as client:
            for _ in range(5):
                client.sendall(GET)
                assert read_response(client).body == b"hello"
        assert (upstream.accepted, len(upstream.heads)) == (1, 10)


def test_requests_at_the_same_time_have_a_connection_each() -> None:
    with Scripted(lambda peer, number: wait_for_all(peer)) as upstream, proxy_to(upstream.url) as server:
        barrier = threading.Barrier(3)

        def wait_for_all(peer: Peer) -> None:
            while True:
                peer.read_head()
                barrier.wait(5)
                peer.send(HELLO)

        clients = [connect(port_of(server)) for _ in range(3)]
        for client in clients:
            client.sendall(GET)
        for client in clients:
            assert read_response(client).body == b"hello"
            client.close()
        assert upstream.accepted == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
    ],
    ids=["told so", "HTTP/1.0", "ended by it"],
)
def test_a_connection_that_is_to_be_closed_is_not_used_again(answer: bytes) -> None:
    with Scripted(always(answer, then_close=True)) as upstream, proxy_to(upstream.url) as server:
        for _ in range(3):
            assert ask(server).body == b"hello"
        assert upstream.accepted == 3


@pytest.mark.parametrize("status", [204, 205, 304])
def test_an_answer_without_a_body(status: int) -> None:
    head = b"HTTP/1.1 %d So\r\nETag: x\r\nContent-Length: 0\r\n\r\n" % status
    with Scripted(always(head)) as upstream, proxy_to(upstream.url) as server:
        with connect(port_of(server)) as client:
            for _ in range(2):
                client.sendall(GET)
                answer = read_response(client)
                assert (answer.status, answer.body, answer.field("etag")) == (status, b"", "x")
        assert upstream.accepted == 1


def test_a_205_that_has_a_body_has_none_for_the_client() -> None:
    for rest in (b"Content-Length: 5\r\n\r\nhello", b"\r\nhello", b"Content-Length: 50\r\n\r\nhello"):
        with Scripted(always(b"HTTP/1.1 205 Reset Content\r\n" + rest, then_close=True)) as upstream:
            with proxy_to(upstream.url) as server:
                answer = ask(server)
                assert (answer.status, answer.body, answer.field("content-length")) == (205, b"", "0")


@pytest.mark.parametrize(
    ("head", "length", "coding"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\nContent-Type: text/html\r\n\r\n", "12345", None),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n", None, "chunked"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", None, "chunked"),
    ],
)
def test_an_answer_to_head_says_what_get_would(head: bytes, length: str | None, coding: str | None) -> None:
    with Scripted(always(head)) as upstream, proxy_to(upstream.url) as server:
        with connect(port_of(server)) as client:
            for _ in range(2):
                client.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
                answer = read_response(client, "HEAD")
                assert (answer.field("content-length"), answer.field("transfer-encoding")) == (length, coding)
                assert answer.field("content-type") == "text/html"
        assert upstream.accepted == 1


def test_an_answer_without_a_type_is_not_given_one() -> None:
    with Scripted(always(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")) as upstream:
        with proxy_to(upstream.url) as server:
            assert ask(server).field("content-type") is None


def test_below_a_mount_the_prefix_is_replaced_by_the_base() -> None:
    with Scripted(always(HELLO)) as upstream:
        router = Router()
        router.mount("/api", Proxy(upstream.url + "/v1/"))
        with Server(router, bind="127.0.0.1:0") as server:
            for target in ("/api/users/a%2Fb?q=%20", "/api", "/api/", "/api?x", "http://a/api/b"):
                assert ask(server, f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode()).status == 200
    lines = [head.partition(b"\r\n")[0] for head in upstream.heads]
    assert lines == [
        b"GET /v1/users/a%2Fb?q=%20 HTTP/1.1",
        b"GET /v1/ HTTP/1.1",
        b"GET /v1/ HTTP/1.1",
        b"GET /v1/?x HTTP/1.1",
        b"GET /v1/b HTTP/1.1",
    ]
    assert asked_for(upstream.heads[0], b"x-forwarded-prefix") == [b"/api"]


def test_a_path_that_a_middleware_wrote_is_what_is_asked_for() -> None:
    with Scripted(always(HELLO)) as upstream:
        proxy = Proxy(upstream.url)

        class Renaming:
            startup, shutdown = proxy.startup, proxy.shutdown

            def __call__(self, request: Request) -> Any:
                request.path = "/new place/\udcff"
                return proxy(request)

        with Server(Renaming(), bind="127.0.0.1:0") as server:
            assert ask(server, b"GET /old?x=y HTTP/1.1\r\nHost: a\r\n\r\n").status == 200
    assert upstream.heads[0].startswith(b"GET /new%20place/%FF?x=y HTTP/1.1\r\n")


def test_the_server_as_a_whole_is_asked_as_such() -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url + "/base") as server:
        assert ask(server, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").status == 200
    assert upstream.heads[0].startswith(b"OPTIONS * HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "path",
    ["/..", "/../x", "/a/../b", "/a/..", "/%2e%2e/x", "/a/.%2E/b", "/a%2f..%2fb", "/..%5cx", "/a/..;/b", "/..;x"],
)
def test_a_path_that_climbs_is_refused(path: str) -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url + "/only/here") as server:
        for method in ("GET", "POST"):
            request = f"{method} {path}?q HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
            assert ask(server, request.encode()).status == 400
    assert upstream.heads == []


@pytest.mark.parametrize("path", ["/a..b", "/...", "/a/...b/..c", "/x/.y/?../..", "/.", "/a/./b"])
def test_a_path_with_dots_that_does_not_climb_passes(path: str) -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server:
        assert ask(server, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()).status == 200
    assert upstream.heads[0].startswith(f"GET {path} ".encode())


def test_several_upstreams_have_their_turns() -> None:
    one, two = (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + name for name in (b"one", b"two"))
    with Scripted(always(one)) as first, Scripted(always(two)) as second:
        with proxy_to(f"{first.url};{second.url}") as server:
            found = [ask(server).body for _ in range(6)]
    assert sorted(found) == [b"one"] * 3 + [b"two"] * 3
    assert found[0::2] == [found[0]] * 3


def test_whoever_asks_for_the_proxy_before_it_has_started_is_told() -> None:
    client = TestClient(Proxy("http://127.0.0.1:9000"))
    assert client.get("/").status == 500
    assert client.post("/", "x").status == 500


def test_to_be_shut_down_without_having_been_started_is_harmless() -> None:
    Proxy("http://127.0.0.1:9000").shutdown()


@pytest.mark.parametrize(
    ("to", "reason"),
    [
        ("", "it has to be said where to"),
        (";", "it has to be said where to"),
        ("https://a", "TLS towards an upstream is not spoken here: name one that speaks http://"),
        ("ftp://a", "write http://HOST:PORT"),
        ("127.0.0.1:9000", "write http://HOST:PORT"),
        ("http://", "'' is no host"),
        ("http://a:0", "'a:0' is no host with a port"),
        ("http://a:65536", "is no host with a port"),
        ("http://user@a", "is no host with a port"),
        ("http://\xfc", "is no host with a port"),
        ("http://a/b?c", "write http://HOST:PORT"),
        ("http://a/b c", "the path is percent-encoded ASCII"),
        ("http://a/\r\nX: y", "the path is percent-encoded ASCII"),
        ("unix:", "a path is missing"),
        ("unix:/a,mode=660", "has no mode"),
    ],
)
def test_an_upstream_that_is_none_is_refused(to: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        Proxy(to)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"host": "mine"}, "host is"),
        ({"forwarded": "drop"}, "forwarded is"),
        ({"timeout_connect": -1}, "connect is 0 or more"),
        ({"limit_body": -1}, "limit_body is 0 or more"),
    ],
)
def test_an_option_that_is_wrong_is_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Proxy("http://127.0.0.1:9000", **options)


def test_a_name_that_nobody_knows_is_told_at_the_start() -> None:
    with pytest.raises(RuntimeError, match="cannot resolve the name"), proxy_to("http://no-such-host.invalid"):
        pass


def test_it_is_named_on_the_command_line() -> None:
    spec = "proxy:to=http://127.0.0.1:9000/base;unix:/run/x.sock,host=replace,timeout-response=5m"
    handler = load(spec)
    assert isinstance(handler, Proxy)
    assert (handler.host, handler.timeout_response) == ("replace", 300)
    with pytest.raises(PluginError, match="TLS towards"):
        load("proxy:to=https://a")
    with pytest.raises(PluginError, match="Proxy needs the option to, as in :to="):
        load("proxy")


def test_a_python_client_and_a_python_server() -> None:
    """Nobody of ours at either end."""
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(201)
            self.end_headers()
            self.wfile.write(body[::-1])

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as upstream:
        thread = threading.Thread(target=upstream.serve_forever)
        thread.start()
        with proxy_to(f"http://127.0.0.1:{upstream.server_port}") as server:
            client = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=5)
            for _ in range(2):
                client.request("POST", "/", b"abc")
                response = client.getresponse()
                assert (response.status, response.read()) == (201, b"cba")
            client.close()
        upstream.shutdown()
        thread.join()


def test_what_another_answers_is_not_taken_for_the_same() -> None:
    """Heads that are equal, and bodies that are not; then the other way round."""
    answers = [HELLO, HELLO.replace(b"hello", b"jello"), HELLO, OVER, HELLO, HELLO]

    def play(peer: Peer, number: int) -> None:
        for answer in answers:
            peer.read_head()
            peer.send(answer)
        peer.read_head()

    with Scripted(play) as upstream, proxy_to(upstream.url) as server:
        assert [ask(server).body for _ in answers] == [each.partition(b"\r\n\r\n")[2] for each in answers]
        assert upstream.accepted == 1
