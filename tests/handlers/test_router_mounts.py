"""Router: what is mounted, and what a router passes on to those it holds."""

import socket
from typing import Any

import pytest

from handlers.router import Router
from reactor import Headers, Request, Response, Server, Settings, Upgrade, UpgradedProtocol
from reactor.testing import TestClient

from .test_router import say, shop

# Mounts.


def test_a_mounted_handler_sees_what_is_below_its_prefix() -> None:
    router = shop()
    router.mount("/api", say("api"))
    router.mount("/api/v2", say("v2"))
    client = TestClient(router)
    assert client.get("/api").text == "api|/api|/|"
    assert client.get("/api/").text == "api|/api|/|"
    assert client.get("/api/x/y?z").text == "api|/api|/x/y|"
    assert client.get("/api/v2").text == "v2|/api/v2|/|"  # the longest prefix
    assert client.post("/api/v2/x").text == "v2|/api/v2|/x|"
    assert client.get("/api/v22").text == "api|/api|/v22|"  # on the boundary of a segment
    assert client.get("/%61pi/x").text == "api|/api|/x|"
    assert client.get("/api/a%2Fb").text == "api|/api|/a/b|"
    assert client.get("/apix").status == 404
    assert client.get("/api%2Fx").status == 404


def test_what_is_mounted_at_the_root_gets_the_rest() -> None:
    router = shop()
    router.mount("/", say("rest"))
    router.mount("/api", say("api"))
    client = TestClient(router)
    assert client.get("/nope").text == "rest||/nope|"
    assert client.get("/api/x").text == "api|/api|/x|"
    assert client.get("/").text == "home||/|"
    assert client.post("/").status == 405  # a routed path is the router's, whatever the method


def test_routers_in_routers() -> None:
    outer, middle, inner = Router(), Router(), Router()
    inner.get("/{x}")(say("inner"))
    inner.get("/")(say("start"))
    middle.mount("/b", inner)
    outer.mount("/a", middle)
    client = TestClient(outer)
    assert client.get("/a/b/c").text == "inner|/a/b|/c|x=c"
    assert client.get("/a/b/c%2Fd").text == "inner|/a/b|/c/d|x=c/d"
    assert client.get("/a/b").text == client.get("/a/b/").text == "start|/a/b|/|"
    assert client.get("/a/c").status == client.get("/a/b%2Fc").status == 404


def test_a_mounted_handler_sees_headers_that_were_changed_on_the_way() -> None:
    router = Router()
    router.mount("/a", lambda request: Response(200, request.headers["x-thing"]))

    class Change:
        def on_head(self, request: Request) -> Any:
            request.headers = Headers([(b"X-Thing", b"changed")])
            return router.on_head(request)

        __call__ = router.__call__

    assert TestClient(Change()).get("/a").text == "changed"


# At the head.


class Upload:
    """A handler that sees heads and takes bodies as they come, and remembers what it was asked."""

    def __init__(self, verdict: Any = None, limit: int = 0) -> None:
        self.calls: list[str] = []
        self.verdict = verdict
        self.limit = limit

    def on_head(self, request: Request) -> Any:
        self.calls.append(f"head {request.path}")
        self.request = request
        return self if self.verdict is None else self.verdict

    def __call__(self, request: Request) -> Response:
        assert request is self.request
        return Response(200, f"whole: {request.body.decode()}")

    def feed(self, data: bytes) -> Any:
        self.calls.append(f"feed {data.decode()}")

    def finish(self) -> Response:
        return Response(200, "fed")

    def abort(self) -> None:
        self.calls.append("abort")


def test_what_is_not_routed_is_refused_before_its_body_is_read() -> None:
    with Server(shop(), bind="127.0.0.1:0") as server:
        address = server.endpoints[0].sock.getsockname()
        for line, status in (b"POST /nope", b"404"), (b"POST /", b"405"):
            with socket.create_connection(address, timeout=5) as client:
                head = b" HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\nExpect: 100-continue\r\n\r\n"
                client.sendall(line + head)
                assert client.recv(4096)[9:12] == status


def test_the_body_of_a_route_is_collected() -> None:
    router = Router()
    router.post("/{x}")(lambda request: Response(200, request.body + request.params["x"].encode()))
    assert TestClient(router).post("/y", "body ").text == "body y"
    assert TestClient(router).post("/y", [b"bo", b"dy "]).text == "body y"
    assert TestClient(router).post("/y").text == "y"


def test_the_body_of_a_route_is_within_the_servers_limit() -> None:
    calls: list[str] = []
    router = Router()

    @router.post("/")
    def handler(request: Request) -> Response:
        calls.append("called")
        return Response(204)

    client = TestClient(router, Settings(limit_body_size=3))
    assert client.post("/", [b"abc", b"d"]).status == client.post("/", b"abcd").status == 413
    assert not calls
    assert client.post("/", [b"ab", b"c"]).status == 204
    assert calls == ["called"]


@pytest.mark.parametrize("is_mounted", [True, False])
def test_a_handlers_own_on_head_is_asked_once_for_every_request(is_mounted: bool) -> None:
    upload = Upload()
    router = Router()
    if is_mounted:
        router.mount("/up", upload)
    else:
        router.route("/up/{name}", ["GET", "POST"])(upload)
    client = TestClient(router)
    path = "/x" if is_mounted else "/up/x"
    assert client.post("/up/x", [b"one", b"two"]).text == "fed"
    assert upload.calls == [f"head {path}", "feed one", "feed two"]
    upload.calls.clear()
    assert client.get("/up/x").text == "fed"
    assert upload.calls == [f"head {path}"]


def test_a_handler_is_called_with_the_very_request_its_on_head_saw() -> None:
    class Whole(Upload):
        def on_head(self, request: Request) -> None:
            super().on_head(request)

    outer, router = Router(), Router()
    router.mount("/up", Whole())
    outer.mount("/a", router)
    assert TestClient(outer).post("/a/up", "x").text == "whole: x"
    assert TestClient(outer).get("/a/up").text == "whole: "


def test_an_early_answer_is_the_answer() -> None:
    upload = Upload(verdict=Response(401, "no"))
    router = Router()
    router.mount("/up", upload)
    assert TestClient(router).post("/up/x", "body").status == 401
    assert upload.calls == ["head /x"]


def test_a_router_that_is_merely_called_asks_on_head_as_well() -> None:
    """As in `def handler(request): return router(request)`: no check may be passed by."""
    router = Router()
    router.mount("/no", Upload(verdict=Response(401, "no")))
    upload = Upload()
    router.mount("/up", upload)
    router.mount("/small", Upload(limit=3))
    client = TestClient(lambda request: router(request))
    assert client.get("/no").status == 401
    assert client.post("/up", "body").text == "fed"
    assert client.post("/small", "abc").text == "fed"
    assert client.post("/small", "abcd").status == 413
    assert client.get("/nope").status == 404
    assert upload.calls == ["head /", "feed body"]


# What is passed on.


class Living:
    def __init__(self, name: str, calls: list[str], fails: bool = False) -> None:
        self.name, self.calls, self.fails = name, calls, fails

    def __call__(self, request: Request) -> Response:
        return Response(200, self.name)

    def startup(self, server: Any) -> None:
        self.calls.append(f"start {self.name}")
        if self.fails:
            raise OSError("no")

    def shutdown(self) -> None:
        self.calls.append(f"shut {self.name}")
        if self.name == "b":
            raise OSError("no")


class ShutOnly:
    def __init__(self, calls: list[str]) -> None:
        self.calls = calls

    def __call__(self, request: Request) -> Response:
        return Response(204)

    def shutdown(self) -> None:
        self.calls.append("shut only")


def test_each_handler_is_started_once_and_shut_down_in_turn() -> None:
    calls: list[str] = []
    router = Router()
    a = Living("a", calls)
    router.get("/x/{x}")(a)
    router.mount("/a", a)
    router.mount("/b", Living("b", calls))
    router.mount("/c", ShutOnly(calls))
    router.mount("/d", say("d"))
    client = TestClient(router).__enter__()
    assert client.get("/b").text == "b"
    assert calls == ["start a", "start b"]
    with pytest.raises(OSError, match="no"):
        client.__exit__(None, None, None)
    assert calls[2:] == ["shut only", "shut b", "shut a"]
    router.shutdown()
    assert len(calls) == 5


def test_if_one_fails_to_start_the_others_are_shut_down() -> None:
    calls: list[str] = []
    router = Router()
    router.mount("/a", Living("a", calls))
    router.mount("/c", Living("c", calls, fails=True))
    with pytest.raises(OSError, match="no"):
        TestClient(router).__enter__()
    assert calls == ["start a", "start c", "shut a"]


def test_what_has_no_path_is_for_the_root() -> None:
    class Root:
        takes_connect = True

        def __call__(self, request: Request) -> Upgrade:
            return Upgrade("", UpgradedProtocol())

        def on_datagram(self, data: bytes) -> bytes:
            return data.upper()

    router = Router()
    router.mount("/x", Root())
    assert not hasattr(router, "on_datagram")
    assert not router.takes_connect
    router.mount("/", Root())
    assert router.on_datagram(b"x") == b"X"
    assert router.takes_connect
    assert TestClient(router).request("CONNECT", "example.org:80").status == 200
