"""The environ: what PEP 3333 wants in it, and what must not get into it."""

import socket
from collections.abc import Iterable
from typing import Any

import pytest

from handlers.router import Router
from handlers.wsgi import Wsgi
from handlers.wsgi.environ import KEPT, SHORT
from reactor import Headers, Request, Response, Server
from reactor.testing import TestClient

from .apps import BOTH, TEXT, Environ, client_of, environ_of

pytestmark = pytest.mark.parametrize("threads", BOTH, ids=["loop", "threads"])


def showing(*names: str) -> Any:
    """An application that answers with some of its environ."""

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        return ["|".join(str(environ.get(name)) for name in names).encode("latin-1")]

    return app


def test_what_is_in_it(threads: int) -> None:
    environ = environ_of(threads, "PATCH", "/a%20b/%C3%BC%FF?x=%C3%BC&y", b"body", X_Several="a", Content_Type="a/b")
    assert {name: value for name, value in environ.items() if name not in ("wsgi.errors", "wsgi.file_wrapper")} == {
        "REQUEST_METHOD": "PATCH", "SCRIPT_NAME": "", "PATH_INFO": "/a b/\xc3\xbc\xff", "QUERY_STRING": "x=%C3%BC&y",
        "REQUEST_URI": "/a%20b/%C3%BC%FF?x=%C3%BC&y", "RAW_URI": "/a%20b/%C3%BC%FF?x=%C3%BC&y",
        "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "reactor",
        "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "50000", "HTTP_HOST": "test", "HTTP_X_SEVERAL": "a",
        "CONTENT_TYPE": "a/b", "CONTENT_LENGTH": "4",
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.multithread": threads > 1,
        "wsgi.multiprocess": False, "wsgi.run_once": False, "wsgi.input_terminated": True, "wsgi.input": b"body",
    }  # fmt: skip


def test_a_body_has_a_length_however_it_came(threads: int) -> None:
    for body in (b"a" * 100, b"a" * 100_000, b""):
        for sent in (body, iter([body[:50], body[50:]])):
            environ = environ_of(threads, "POST", "/", sent)
            assert (environ["CONTENT_LENGTH"], environ["wsgi.input"]) == (str(len(body)), body)
            assert "HTTP_TRANSFER_ENCODING" not in environ
            assert "HTTP_CONTENT_LENGTH" not in environ
    assert "CONTENT_LENGTH" not in environ_of(threads)
    assert environ_of(threads)["wsgi.input"] == b""


def test_names_that_would_be_the_same_are_left_out(threads: int) -> None:
    fields = [("X-Forwarded-For", "1.1.1.1"), ("X_Forwarded_For", "6.6.6.6"), ("X-Forwarded_For", "6.6.6.6")]
    fields += [("Content_Length", "99"), ("HTTP_HOST", "x"), ("A" * 100, "long"), ("B" * 99 + "_", "long")]
    fields += [("!#$", "odd")]
    with TestClient(Wsgi(showing("HTTP_X_FORWARDED_FOR", "CONTENT_LENGTH", "HTTP_HTTP_HOST", "HTTP_" + "A" * 100,
                                 "HTTP_" + "B" * 99 + "_", "HTTP_!#$"), threads)) as client:  # fmt: skip
        for _ in range(2):
            assert client.get("/", fields).text == "1.1.1.1|None|None|long|None|odd"


def test_a_field_that_is_there_twice_is_joined(threads: int) -> None:
    fields = [("X-A", "1"), ("x-a", "2"), ("Cookie", "a=1"), ("Cookie", "b=2")]
    with TestClient(Wsgi(showing("HTTP_X_A", "HTTP_COOKIE"), threads)) as client:
        assert client.get("/", fields).text == "1, 2|a=1; b=2"


def test_the_target_wins_over_the_host_field(threads: int) -> None:
    with TestClient(Wsgi(showing("HTTP_HOST", "PATH_INFO", "QUERY_STRING"), threads)) as client:
        assert client.get("http://other:81/x?y", {"Host": "test"}).text == "other:81|/x|y"
        assert client.request("OPTIONS", "*").text == "test|*|"


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        ("/app", "/app|"), ("/app/", "/app|/"), ("/app?x", "/app|"), ("/app/%C3%BC", "/app|/\xc3\xbc"),
        ("http://x/app", "/app|"), ("/", "|/"), ("/%61pp", "/app|"),
    ],
)  # fmt: skip
def test_mounted(threads: int, target: str, seen: str) -> None:
    router = Router()
    handler = Wsgi(showing("SCRIPT_NAME", "PATH_INFO"), threads)
    router.mount("/app", handler)
    router.mount("/", handler)
    with TestClient(router) as client:
        for _ in range(2):
            assert client.get(target).body.decode("latin-1") == seen


def test_what_is_remembered_of_a_head_is_nobody_elses(threads: int) -> None:
    """The same head again, from another client; rewritten by a middleware; and so many that some are forgotten."""

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        seen = environ.get("mine", "new") + environ["PATH_INFO"] + environ.get("HTTP_X_ADDED", "")
        environ["mine"] = "changed"
        return [seen.encode()]

    with TestClient(Wsgi(app, threads)) as client:
        for number in range(KEPT + 2):
            assert client.get(f"/{number}", {f"X-{number}": "field"}).text == f"new/{number}"
        for _ in range(3):
            assert client.get("/same").text == "new/same"
            assert client.get("/" + "l" * SHORT).text == "new/" + "l" * SHORT

    class Rewriting(Wsgi):
        def __call__(self, request: Request) -> Any:
            if request.path == "/from":
                request.path = "/to"
            if request.path == "/add":
                request.headers = Headers([(b"X-Added", b" added")])
            return super().__call__(request)

    with TestClient(Rewriting(app, threads)) as client:
        for _ in range(2):
            assert [client.get(path).text for path in ("/from", "/add", "/to")] == ["new/to", "new/add added", "new/to"]


def test_a_handler_is_asked_with_the_body_that_it_has(threads: int) -> None:
    class Inside:
        def __init__(self) -> None:
            self.inner = Wsgi(showing("REQUEST_METHOD", "CONTENT_LENGTH"), threads)

        def __call__(self, request: Request) -> Any:
            return self.inner(request)

    inside = Inside()
    assert TestClient(inside).post("/", b"four").text == "POST|4"
    inside.inner.shutdown()


def test_the_address_of_the_server_and_of_its_client(threads: int) -> None:
    app = Wsgi(showing("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT"), threads)
    for bind, name, peer in (
        ("127.0.0.1:0", "127.0.0.1", "127.0.0.1"), ("0.0.0.0:0", "localhost", "127.0.0.1"), ("[::1]:0", "::1", "::1"),
    ):  # fmt: skip
        with Server(app, bind=bind) as server:
            port = server.endpoints[0].sock.getsockname()[1]
            with socket.create_connection((peer, port), timeout=10) as client:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda client=client: client.recv(1000), b""))  # type: ignore[misc]  # its own client
                own = client.getsockname()[1]
            assert answer.partition(b"\r\n\r\n")[2].decode() == f"{name}|{port}|{peer}|{own}"


def test_a_client_of_a_unix_socket_has_no_address(threads: int, tmp_path: Any) -> None:
    app = Wsgi(showing("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT"), threads)
    with Server(app, bind=f"unix:{tmp_path}/s"), socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{tmp_path}/s")
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"".join(iter(lambda: client.recv(1000), b"")).endswith(b"\r\n\r\nlocalhost|80||")


def test_an_ipv4_client_on_a_dual_stack_socket(threads: int) -> None:
    from reactor.http1.request import Origin

    app = Wsgi(showing("REMOTE_ADDR"), 0)
    client = TestClient(app)
    request = Request(_head(), Origin(("::ffff:192.0.2.1", 5)))
    response = app(request)
    assert isinstance(response, Response)
    assert response.body == b"192.0.2.1"
    assert client.get("/").text == "127.0.0.1"


def _head() -> Any:
    from reactor.http1.parser import HeadParser
    from reactor.http1.request import HeadLimits, Origin

    parsed = HeadParser(HeadLimits(), Origin()).take(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0)
    assert parsed is not None
    return parsed.head


def test_errors_go_to_the_log(threads: int, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        errors = environ["wsgi.errors"]
        print("first", "line", file=errors)
        errors.write("second ")
        errors.writelines(["line\n", "third\nfourth"])
        errors.flush()
        errors.flush()
        errors.write("x" * 100_000)
        return []

    with Server(Wsgi(app, threads), bind="127.0.0.1:0") as server:
        client = client_of(server)
        client.request("GET", "/")
        assert client.getresponse().status == 200
        client.close()
    said = [each.getMessage() for each in caplog.records if each.name == "wsgi.errors"]
    assert said == ["first line", "second line", "third", "fourth", "x" * 100_000]
