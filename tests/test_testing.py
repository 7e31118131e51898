"""The test client: every kind of answer, as it would be served; and what it says when there is none."""

import threading
from collections.abc import Callable, Iterator
from http.client import IncompleteRead, RemoteDisconnected
from io import BytesIO
from typing import Any

import pytest

from handlers import hello
from reactor import Request, Response, Settings
from reactor.answers import Answer, Later, Upgrade, UpgradedProtocol
from reactor.loop import READ, WRITE
from reactor.memory import ManualReactor, MemoryTransport
from reactor.testing import Reply, TestClient

from .zoo import FILE, PIECES, Zoo


@pytest.fixture
def zoo() -> Zoo:
    return Zoo()


@pytest.fixture
def client(zoo: Zoo) -> Iterator[TestClient]:
    with TestClient(zoo) as client:
        yield client
    assert not client.service.connections, "nothing stays behind"
    assert not client.reactor.watched
    assert not client.reactor.transports


def test_the_demo() -> None:
    with TestClient(hello.handler) as client:
        assert client.get("/").text == "Welcome to the server!"
        assert client.get("/test").text == "Hello"
        reply = client.get("/nope")
        assert (reply.status, reply.reason, reply.text) == (404, "Not Found", "Not Found")
        assert reply.headers["content-TYPE"] == "text/plain; charset=utf-8"
        assert client.request("HEAD", "/test").body == b""


def test_json_and_text() -> None:
    def handler(request: Request) -> Response:
        return Response(200, '{"who": "Zoë"}', content_type="application/json")

    client = TestClient(handler)
    assert client.get("/").json() == {"who": "Zoë"}
    latin = Response(200, "Zoë".encode("latin-1"), content_type="text/plain; charset=latin-1")
    assert TestClient(lambda request: latin).get("/").text == "Zoë"


def test_bodies_of_requests(client: TestClient, zoo: Zoo) -> None:
    assert client.post("/echo", b"bytes").body == b"bytes"
    assert client.post("/echo", "téxt").text == "téxt"
    assert client.post("/echo", [b"chun", b"", b"ked"]).body == b"chunked"
    assert client.post("/echo").body == b""
    assert client.post("/sink", b"x" * 200_000).body == b"x" * 200_000
    assert zoo.events == ["sink open", "sink finished"]


def say(request: Request) -> Response:
    kind = request.headers.get("content-type", "-")
    return Response(200, f"{request.method} {kind} {request.body.decode()}", {"X-Method": request.method})


def test_every_method() -> None:
    client = TestClient(say)
    assert client.put("/", "a").text == "PUT - a"
    assert client.patch("/", "a", {"Content-Type": "text/x"}).text == "PATCH text/x a"
    assert client.delete("/").text == "DELETE - "
    assert (client.head("/").headers["X-Method"], client.head("/").body) == ("HEAD", b"")


def test_bodies_of_json() -> None:
    client = TestClient(say)
    assert client.post("/", json={"a": [1, "é"]}).text == r'POST application/json {"a": [1, "\u00e9"]}'
    assert client.put("/", json=0).text == "PUT application/json 0"
    assert client.patch("/", json=[], headers={"content-type": "text/x+json"}).text == "PATCH text/x+json []"
    with pytest.raises(ValueError, match="a body or json, not both"):
        client.post("/", b"x", json={})


@pytest.mark.parametrize("target", ["", "a", "?a", "/a b", "/é", "/a#b", "/a\r\nX: y", "/\0", "//a b", "**"])
def test_a_target_that_cannot_be_sent_is_the_tests_mistake(target: str) -> None:
    client = TestClient(say)
    with pytest.raises(ValueError, match='cannot be sent as a target: one begins with "/"'):
        client.get(target)


def test_targets_of_every_form() -> None:
    client = TestClient(lambda request: Response(200, request.target))
    for method, target in (("GET", "/a?b=%20|"), ("OPTIONS", "*"), ("GET", "http://a/b")):
        assert client.request(method, target).text == target
    assert client.request("CONNECT", "a:1").status == 501
    with pytest.raises(ValueError, match="'GE T' is no method"):
        client.request("GE T", "/")


def test_a_handler_can_be_called() -> None:
    with pytest.raises(TypeError, match="a handler is called with a Request and returns a Response; 'hello' is a str"):
        TestClient("hello")  # type: ignore[arg-type]  # that is the point


def test_a_reply_shows_itself() -> None:
    client = TestClient(say, Settings(date_header=False, server_header=False))
    assert repr(client.put("/", "a")) == (
        "<Reply 200 OK; Content-Length: 7; Content-Type: text/plain; charset=utf-8; X-Method: PUT; b'PUT - a'>"
    )
    assert repr(client.put("/", "a" * 1000)).endswith("aaa'… (1006 bytes)>")


def test_headers_of_requests() -> None:
    def handler(request: Request) -> Response:
        return Response(200, "|".join(f"{name}={value}" for name, value in request.headers.items()))

    client = TestClient(handler)
    assert client.get("/").text == "host=test"
    assert client.get("/", {"X-One": "1"}).text == "host=test|x-one=1"
    assert client.get("/", [("Host", "example.com")]).text == "host=example.com"
    assert client.get("/", [("X", "1"), ("X", "2")]).text == "host=test|x=1, 2", "repeats are sent as given"
    assert client.post("/", "abc").text == "host=test|content-length=3"


@pytest.mark.parametrize(
    ("path", "body"), [("/file", FILE[3:-2]), ("/iterator", b"".join(PIECES)), ("/iterator-length", b"".join(PIECES))]
)
def test_streams(client: TestClient, path: str, body: bytes) -> None:
    assert client.get(path).body == body


def test_early_answers(client: TestClient) -> None:
    assert client.post("/early", b"x" * 100).status == 401
    assert client.request("POST", "/echo", {"Content-Length": "99999999999"}).status == 413


def test_a_promise_kept_by_a_thread() -> None:
    threads = []

    def handler(request: Request) -> Answer:
        later = Later()
        threads.append(threading.Thread(target=later.answer, args=(Response(200, "later"),)))
        threads[-1].start()
        return later

    assert TestClient(handler).get("/").text == "later"
    threads[0].join()


def test_promised_pieces_from_threads() -> None:
    def pieces() -> Iterator[Any]:
        for number in range(5):
            later = Later()
            thread = threading.Thread(target=later.answer, args=(b"%d" % number,))
            thread.start()
            yield later
            thread.join()

    assert TestClient(lambda request: Response(200, pieces())).get("/").body == b"01234"


def test_a_promise_that_is_not_kept_in_time_is_a_timeout(zoo: Zoo) -> None:
    client = TestClient(zoo, timeout=0.01)
    with pytest.raises(TimeoutError, match="not answered"):
        client.get("/later")
    assert zoo.events == ["abandoned"]


def test_an_answer_without_an_end_is_a_timeout() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x"

    client = TestClient(lambda request: Response(200, endless()), timeout=0.01)
    with pytest.raises(TimeoutError, match="no end"):
        client.get("/")


def test_an_answer_that_breaks_off_raises() -> None:
    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise RuntimeError("as asked")

    with pytest.raises(IncompleteRead):
        TestClient(lambda request: Response(200, broken())).get("/")
    with pytest.raises(IncompleteRead):
        TestClient(lambda request: Response(200, broken(), length=10)).get("/")


def test_a_connection_without_an_answer_raises() -> None:
    client = TestClient(hello.handler)
    with pytest.raises(RemoteDisconnected):
        client.request("POST", "/", {"Content-Length": "5"})


def test_an_upgrade_is_a_101() -> None:
    client = TestClient(lambda request: Upgrade("toy", UpgradedProtocol()))
    reply = client.get("/", {"Connection": "Upgrade", "Upgrade": "toy"})
    assert (reply.status, reply.headers["Upgrade"], reply.body) == (101, "toy", b"")


def test_settings_are_heeded() -> None:
    client = TestClient(hello.handler, Settings(limit_body_size=10, server_header=False))
    reply = client.post("/", b"x" * 11)
    assert reply.status == 413
    assert "Server" not in reply.headers


def test_the_life_of_a_handler() -> None:
    class Handler:
        def __init__(self) -> None:
            self.life: list[object] = []

        def __call__(self, request: Request) -> Response:
            return Response(200)

        def startup(self, server: Any) -> None:
            self.life.append(server.settings)

        def shutdown(self) -> None:
            self.life.append("shutdown")

    handler = Handler()
    client = TestClient(handler)
    with client:
        assert client.get("/").status == 200
    assert handler.life == [client.settings, "shutdown"]


def test_an_internal_error_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server logs it and goes on; a test should see it."""

    def broken(*_arguments: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("reactor.connection.Connection._consume", broken)
    with pytest.raises(RuntimeError, match="a bug of ours"):
        TestClient(hello.handler).get("/")


def test_a_reply_is_a_value(client: TestClient) -> None:
    reply = client.get("/hello")
    assert isinstance(reply, Reply)
    with pytest.raises(AttributeError):
        reply.status = 500  # type: ignore[misc]  # that is the point


# The kernel in memory.


def test_watching_is_checked_against_what_was_watched() -> None:
    reactor = ManualReactor()
    transport = MemoryTransport(reactor)
    heard: list[int] = []
    with pytest.raises(ValueError, match="was watched for 0"):
        reactor.watch(transport, READ, heard.append, WRITE)
    reactor.watch(transport, READ | WRITE, heard.append)
    with pytest.raises(ValueError, match="was watched for 3"):
        reactor.watch(transport, READ, heard.append)
    transport.close()
    with pytest.raises(ValueError, match="-1 was watched"):
        reactor.watch(transport, READ, heard.append)


def test_readiness_is_level_triggered() -> None:
    reactor = ManualReactor()
    transport = MemoryTransport(reactor)
    heard: list[int] = []
    reactor.watch(transport, READ, heard.append)
    assert reactor.turn() is False
    transport.feed(b"x")
    assert reactor.turn() is True
    assert reactor.turn() is True
    assert heard == [READ, READ]


@pytest.mark.parametrize(
    "ask",
    [
        lambda transport: transport.recv(10),
        lambda transport: transport.send(b"x"),
        lambda transport: transport.sendmsg([b"x", b"y"]),
        lambda transport: transport.sendfile(BytesIO(b"abc"), 0, 3),
        lambda transport: transport.shutdown_write(),
    ],
)
def test_a_lost_connection_fails_in_every_way(ask: Callable[[MemoryTransport], Any]) -> None:
    reactor = ManualReactor()
    lost = MemoryTransport(reactor)
    lost.fail(ConnectionResetError("lost"))
    with pytest.raises(ConnectionResetError):
        ask(lost)
    assert lost.has_failed()
    closed = MemoryTransport(reactor)
    closed.close()
    with pytest.raises(OSError, match="closed"):
        ask(closed)


def test_reads_are_as_large_as_asked_for() -> None:
    transport = MemoryTransport(ManualReactor())
    transport.feed(b"hello")
    transport.feed(b"world")
    transport.end()
    assert [transport.recv(3) for _ in range(4)] == [b"hel", b"lo", b"wor", b"ld"]
    assert transport.recv(3) == b""
    transport.shutdown_write()
    with pytest.raises(BrokenPipeError):
        transport.send(b"x")
