"""What of a head passes the proxy, and what is made anew: hop-by-hop fields, who asks, Via, Host, Max-Forwards."""

import http.client
import socket
from typing import Any

import pytest

from handlers.middleware import compose, request_id
from handlers.proxy import Proxy
from handlers.proxy.request_head import HOPS
from reactor import Server
from tests.wire import connect, read_response

from .upstreams import HELLO, Peer, Scripted, always, ask, asked_for, port_of, proxy_to


def passed(request: bytes, **options: Any) -> bytes:
    """The head that an upstream is sent."""
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url, **options) as server:
        assert ask(server, request).status == 200
    return upstream.heads[0]


def with_fields(*lines: str) -> bytes:
    return "\r\n".join(["GET / HTTP/1.1", "Host: front:8000", *lines, "", ""]).encode("latin-1")


HOP_BY_HOP = {
    "Keep-Alive": "timeout=5",
    "Proxy-Connection": "keep-alive",
    "Proxy-Authorization": "Basic x",
    "Proxy-Authenticate": "Basic",
    "TE": "gzip",
    "Trailer": "X",
    "Upgrade": "websocket",
    "HTTP2-Settings": "AAMAAABkAAQAAP__",
    "X-Mine": "named in Connection",
    "Expect": "100-continue",
}


def test_what_belongs_to_the_clients_connection_stays_there() -> None:
    lines = [f"{name}: {value}" for name, value in HOP_BY_HOP.items()]
    head = passed(with_fields("Connection: keep-alive, X-MINE", "X-Other: stays", *lines))
    for name in (*HOP_BY_HOP, "Connection", "Transfer-Encoding", "Content-Length"):
        assert asked_for(head, name.encode()) == [], name
    assert asked_for(head, b"X-Other") == [b"stays"]


def test_what_the_proxy_says_cannot_be_named_away() -> None:
    names = "Host, Via, Content-Length, Forwarded, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto"
    lines = ("Content-Length: 0", "Via: 1.1 fred")
    head = passed(with_fields(f"Connection: {names}", *lines))
    assert head == passed(with_fields(*lines))
    assert asked_for(head, b"x-forwarded-for") == [b"127.0.0.1"]


def test_what_belongs_to_the_upstreams_connection_stays_there() -> None:
    fields = [f"{name}: {value}" for name, value in HOP_BY_HOP.items() if name != "Expect"]
    answer = "\r\n".join(
        ["HTTP/1.1 200 OK", "Connection: keep-alive, x-mine", "Content-Length: 2", "X-Other: stays", *fields, "", "hi"]
    )
    with Scripted(always(answer.encode())) as upstream, proxy_to(upstream.url) as server:
        found = ask(server)
    names = {name for name, _ in found.fields}
    assert names == {"Content-Length", "X-Other", "Via", "Date", "Server"}


def test_date_and_server_are_ours() -> None:
    answer = HELLO.replace(b"\r\n\r\n", b"\r\nServer: other\r\nDate: Mon, 01 Jan 1990 00:00:00 GMT\r\n\r\n")
    with Scripted(always(answer)) as upstream, proxy_to(upstream.url) as server:
        found = ask(server)
    assert found.field("server") == "reactor"
    assert "1990" not in (found.field("date") or "")


def test_other_fields_pass_as_they_are() -> None:
    lines = ["Cookie: a=b", "Cookie: c=d", "X: \xff\t~", "Accept: */*", "Authorization: Bearer x", "x: again"]
    head = passed(with_fields(*lines))
    for line in lines:
        assert b"\r\n%b\r\n" % line.encode("latin-1") in head
    answer = HELLO.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nX: \xff\t~\r\n\r\n")
    with Scripted(always(answer)) as upstream, proxy_to(upstream.url) as server:
        with connect(port_of(server)) as client:
            for _ in range(3):
                client.sendall(with_fields())
                found = read_response(client)
                assert [pair for pair in found.fields if pair[0] in ("Set-Cookie", "X")] == [
                    ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d"), ("X", "\xff\t~")
                ]  # fmt: skip


SPOOFED = (
    "X-Forwarded-For: 1.2.3.4",
    "x-forwarded-proto: https",
    "X-Forwarded-Host: bank",
    "X-Forwarded-Port: 443",
    "X-Forwarded-Prefix: /x",
    "X_Forwarded_For: 5.6.7.8",
    "X-Real-IP: 1.2.3.4",
    "Forwarded: for=1.2.3.4",
    "Forwarded: for=_x",
)


def test_who_the_client_says_it_is_is_replaced() -> None:
    head = passed(with_fields(*SPOOFED))
    assert asked_for(head, b"x-forwarded-for") == [b"127.0.0.1"]
    assert asked_for(head, b"x-forwarded-proto") == [b"http"]
    assert asked_for(head, b"x-forwarded-host") == [b"front:8000"]
    assert asked_for(head, b"forwarded") == [b'for=127.0.0.1;proto=http;host="front:8000"']
    for gone in (b"1.2.3.4", b"5.6.7.8", b"443", b"bank", b"Prefix", b"https"):
        assert gone not in head


def test_what_a_trusted_proxy_says_is_appended_to() -> None:
    head = passed(with_fields(*SPOOFED), forwarded="append")
    assert asked_for(head, b"x-forwarded-for") == [b"1.2.3.4, 127.0.0.1"]
    assert asked_for(head, b"x-forwarded-proto") == [b"https"]
    assert asked_for(head, b"x-forwarded-host") == [b"bank"]
    assert asked_for(head, b"x-forwarded-port") == [b"443"]
    assert asked_for(head, b"forwarded") == [b'for=1.2.3.4, for=_x, for=127.0.0.1;proto=http;host="front:8000"']
    assert asked_for(head, b"x-real-ip") == [b"1.2.3.4"]
    assert b"5.6.7.8" not in head


@pytest.mark.parametrize("forwarded", ["replace", "append"])
def test_a_name_that_may_be_taken_for_another_does_not_pass(forwarded: str) -> None:
    """With a "_", or anything else that a CGI makes a "_" of; and the one that becomes HTTP_PROXY there."""
    names = ("Content_Length", "Transfer_Encoding", "X_User", "X.Forwarded.For", "X-Forwarded.For", "Host_", "Proxy")
    head = passed(with_fields(*[f"{name}: evil" for name in names], "X-User: good", "X1-y: good"), forwarded=forwarded)
    assert b"evil" not in head
    assert head.count(b": good\r\n") == 2


def test_without_anything_to_append_to_it_is_as_without() -> None:
    assert passed(with_fields(), forwarded="append") == passed(with_fields())


def test_an_ipv6_client_is_in_brackets_and_quotes() -> None:
    with Scripted(always(HELLO)) as upstream, Server(Proxy(upstream.url), bind="[::1]:0") as server:
        client = http.client.HTTPConnection("::1", port_of(server), timeout=5)
        client.request("GET", "/")
        assert client.getresponse().read() == b"hello"
        client.close()
    assert asked_for(upstream.heads[0], b"forwarded")[0].startswith(b'for="[::1]";proto=http;host="[::1]:')
    assert asked_for(upstream.heads[0], b"x-forwarded-for") == [b"::1"]


@pytest.mark.parametrize("host", ["keep", "replace"])
def test_the_host_is_the_clients_or_the_upstreams(host: str) -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url, host=host) as server:
        for _ in range(2):
            assert ask(server, with_fields()).status == 200
    own = upstream.url.removeprefix("http://").encode()
    for head in upstream.heads:
        assert asked_for(head, b"host") == [b"front:8000" if host == "keep" else own]
        assert asked_for(head, b"x-forwarded-host") == [b"front:8000"]


def test_the_host_of_a_whole_url_is_the_one_that_counts() -> None:
    head = passed(b"GET http://other/a HTTP/1.1\r\nHost: front\r\n\r\n")
    assert head.startswith(b"GET /a HTTP/1.1\r\nHost: other\r\n")
    assert asked_for(head, b"x-forwarded-host") == [b"other"]


def test_an_old_client_without_a_host() -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server:
        answer = ask(server, b"GET / HTTP/1.0\r\nTE: trailers\r\n\r\n")
        assert answer.body == b"hello"
    head = upstream.heads[0]
    assert asked_for(head, b"host") == [upstream.url.removeprefix("http://").encode()]
    assert asked_for(head, b"forwarded") == [b"for=127.0.0.1;proto=http"]
    assert asked_for(head, b"x-forwarded-host") == asked_for(head, b"te") == []
    assert asked_for(head, b"via") == [b"1.0 reactor"]


def test_via_is_added_on_both_ways() -> None:
    head = passed(with_fields("Via: 1.0 fred", "Via: 1.1 p.example (x)"))
    assert asked_for(head, b"via") == [b"1.0 fred, 1.1 p.example (x), 1.1 reactor"]
    with Scripted(always(HELLO.replace(b"\r\n\r\n", b"\r\nVia: 1.1 fred\r\n\r\n"))) as upstream:
        with proxy_to(upstream.url) as server:
            assert [value for name, value in ask(server).fields if name == "Via"] == ["1.1 fred", "1.1 reactor"]


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
def test_max_forwards_counts_down(method: str) -> None:
    request = f"{method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: %s\r\n\r\n"
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server:
        assert ask(server, (request % "10").encode()).status == 200
        assert ask(server, (request % "1").encode()).status == 200
        assert ask(server, (request % "0").encode()).status == (204 if method == "OPTIONS" else 501)
        assert ask(server, (request % "x").encode()).status == 400
        assert ask(server, (request % "").encode()).status == 400
    assert [asked_for(head, b"max-forwards") for head in upstream.heads] == [[b"9"], [b"0"]]


def test_a_request_that_goes_round_in_circles_ends() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with Server(Proxy(f"http://127.0.0.1:{port}"), bind=f"127.0.0.1:{port}") as server:
        assert ask(server).status == 508
        assert len(server.service.outward) == HOPS + 1
        assert ask(server, with_fields("Content-Length: 1") + b"x").status == 508


@pytest.mark.parametrize(("hops", "status"), [(HOPS, 200), (HOPS + 1, 508)])
def test_so_many_proxies_may_stand_in_front(hops: int, status: int) -> None:
    with Scripted(always(HELLO)) as upstream, proxy_to(upstream.url) as server:
        assert ask(server, with_fields("Via: " + ", ".join(["1.1 x"] * hops))).status == status


def test_max_forwards_is_for_two_methods_only() -> None:
    assert asked_for(passed(with_fields("Max-Forwards: 0")), b"max-forwards") == [b"0"]


def test_trailers_are_asked_for_where_the_client_takes_them() -> None:
    head = passed(with_fields("TE: gzip;q=0.5, Trailers", "Connection: TE"))
    assert asked_for(head, b"te") == [b"trailers"]
    assert asked_for(head, b"connection") == [b"TE"]


def test_fields_that_a_middleware_changed_are_those_that_pass() -> None:
    with Scripted(always(HELLO)) as upstream:
        with Server(compose(Proxy(upstream.url), request_id), bind="127.0.0.1:0") as server:
            with connect(port_of(server)) as client:
                for name in ("one", "two"):
                    client.sendall(with_fields(f"X-Request-ID: {name}") + with_fields())
                    assert read_response(client).field("x-request-id") == name
                    assert read_response(client).field("x-request-id") not in (None, name)
    found = [asked_for(head, b"x-request-id") for head in upstream.heads]
    assert (found[0], found[2]) == ([b"one"], [b"two"])
    assert len({each[0] for each in found}) == 4


def test_the_same_head_from_two_clients_is_not_taken_for_the_same() -> None:
    """What is remembered of a head says who asked."""
    with Scripted(always(HELLO)) as upstream, Server(Proxy(upstream.url), bind=["127.0.0.1:0"]) as server:
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
            client = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=5, source_address=(source, 0))
            for _ in range(2):
                client.request("GET", "/", headers={"Host": "a"})
                assert client.getresponse().read() == b"hello"
            client.close()
    found = [asked_for(head, b"x-forwarded-for")[0].decode() for head in upstream.heads]
    assert found == ["127.0.0.1"] * 2 + ["127.0.0.2"] * 2 + ["127.0.0.1"] * 2


def test_hints_are_passed_on_and_a_100_is_not() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x\r\nX: y\r\n\r\n"

    def play(peer: Peer, number: int) -> None:
        peer.read_head()
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n", hint, b"HTTP/1.1 199 Odd\r\n\r\n" + HELLO)

    with Scripted(play) as upstream, proxy_to(upstream.url) as server, connect(port_of(server)) as client:
        client.sendall(with_fields())
        first, second = read_response(client), read_response(client)
    assert first.status == 103
    assert first.field("link") == "</a.css>; rel=preload"
    assert second.body == b"hello"


def test_an_upgrade_that_is_demanded_says_to_what() -> None:
    answer = b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: toy\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n"
    with Scripted(always(answer)) as upstream, proxy_to(upstream.url) as server:
        found = ask(server)
        assert (found.status, found.field("upgrade")) == (426, "toy")
