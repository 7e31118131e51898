"""Router: which handler a request is for."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.echo import Echo
from handlers.router import Router
from reactor import Handler, Request, Response
from reactor.testing import TestClient


def say(text: str) -> Handler:
    """A handler that says where it is and what it sees."""

    def handler(request: Request) -> Response:
        params = " ".join(f"{name}={value}" for name, value in request.params.items())
        return Response(200, "|".join([text, request.root, request.path, params]))

    return handler


def shop() -> Router:
    router = Router()
    router.get("/")(say("home"))
    router.get("/users/me")(say("me"))
    router.get("/users/{id:int}")(say("number"))
    router.get("/users/{name}")(say("user"))
    router.put("/users/{name}")(say("put user"))
    router.delete("/users/{user}/posts/{post}")(say("delete"))
    router.patch("/users/{user}/posts/{post}")(say("patch"))
    router.post("/users")(say("new"))
    router.get("/files/{rest:path}")(say("file"))
    router.route("/both", methods=["GET", "POST"])(say("both"))
    router.get("/grüße/{wer}")(say("umlaut"))
    return router


@pytest.mark.parametrize(
    ("request_line", "answer"),
    [
        ("GET /", "home||/|"),
        ("GET /?x=%2F", "home||/|"),
        ("GET http://other/", "home||/|"),
        ("GET http://other", "home||/|"),
        ("GET http://other?x=%2f", "home||/|"),
        ("GET http://other/users/a%2fb?c", "user||/users/a/b|name=a/b"),
        ("GET /users/me", "me||/users/me|"),
        ("GET /users/%6De", "me||/users/me|"),
        ("GET /users/12", "number||/users/12|id=12"),
        ("GET /users/12a", "user||/users/12a|name=12a"),
        ("GET /users/1234567890123456789", "user||/users/1234567890123456789|name=1234567890123456789"),
        ("GET /users/%D9%A1", "user||/users/١|name=١"),  # a digit, but no ASCII one
        ("PUT /users/me", "put user||/users/me|name=me"),  # a static route has the path, another the method
        ("PUT /users/12", "put user||/users/12|name=12"),
        ("DELETE /users/a/posts/b", "delete||/users/a/posts/b|user=a post=b"),
        ("PATCH /users/a/posts/b", "patch||/users/a/posts/b|user=a post=b"),
        ("GET /files/", "file||/files/|rest="),
        ("GET /files/a/b//c%0A", "file||/files/a/b//c\n|rest=a/b//c\n"),
        ("GET /both", "both||/both|"),
        ("POST /both", "both||/both|"),
        ("GET /gr%C3%BC%C3%9Fe/dich", "umlaut||/grüße/dich|wer=dich"),
    ],
)
def test_a_request_finds_its_handler(request_line: str, answer: str) -> None:
    method, target = request_line.split()
    reply = TestClient(shop()).request(method, target)
    assert (reply.status, reply.text) == (200, answer)


@pytest.mark.parametrize(
    "target", ["/nope", "/users/", "/users//posts/x", "/users/a/posts", "/files", "//", "/Users/me", "/users/me/", "/."]
)
def test_what_is_not_routed_is_404(target: str) -> None:
    reply = TestClient(shop()).get(target)
    assert (reply.status, reply.text) == (404, "Not Found\n")


@pytest.mark.parametrize(
    ("request_line", "allow"),
    [
        ("DELETE /", "GET, HEAD, OPTIONS"),
        ("GET /users", "OPTIONS, POST"),
        ("DELETE /users/me", "GET, HEAD, OPTIONS, PUT"),  # of every route that fits
        ("BREW /users/x", "GET, HEAD, OPTIONS, PUT"),
        ("get /", "GET, HEAD, OPTIONS"),  # methods are case-sensitive
        ("GET /users/a/posts/b", "DELETE, OPTIONS, PATCH"),
    ],
)
def test_another_method_is_405_and_told_what_is_allowed(request_line: str, allow: str) -> None:
    method, target = request_line.split()
    reply = TestClient(shop()).request(method, target)
    assert (reply.status, reply.headers["allow"]) == (405, allow)
    reply = TestClient(shop()).request("OPTIONS", target)
    assert (reply.status, reply.headers["allow"]) == (204, allow)


def test_options_of_the_whole_server() -> None:
    reply = TestClient(shop()).request("OPTIONS", "*")
    assert (reply.status, reply.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT")
    assert TestClient(Router()).request("OPTIONS", "*").headers["allow"] == "OPTIONS"


def test_options_of_what_is_not_there_is_404() -> None:
    assert TestClient(shop()).request("OPTIONS", "/nope").status == 404


def test_head_is_what_get_would_be_without_the_body() -> None:
    for target in ("/both", "/users/x"):
        reply = TestClient(shop()).request("HEAD", target)
        length = str(len(TestClient(shop()).get(target).body))
        assert (reply.status, reply.headers["content-length"], reply.body) == (200, length, b"")


def test_head_and_options_can_be_routed_themselves() -> None:
    router = Router()
    router.get("/")(say("get"))
    router.route("/", ["HEAD", "OPTIONS"])(lambda request: Response(200, "", {"X-Method": request.method}))
    client = TestClient(router)
    assert client.request("HEAD", "/").headers["x-method"] == "HEAD"
    assert client.request("OPTIONS", "/").headers["x-method"] == "OPTIONS"
    assert client.get("/").headers["x-method"] is None


# An encoded slash is text in a segment (RFC 3986 2.4).


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("/a%2Fb", "one||/a/b|x=a/b"),
        ("/a%2fb/c", "two||/a/b/c|x=a/b y=c"),
        ("/t/a%2Fb/c", "tail||/t/a/b/c|rest=a/b/c"),
        ("/a%252Fb", "one||/a%2Fb|x=a%2Fb"),  # encoded twice is decoded once
        ("/admin%2Fx", "one||/admin/x|x=admin/x"),
        ("/%2", "one||/%2|x=%2"),
        ("/a%2G", "one||/a%2G|x=a%2G"),
    ],
)
def test_an_encoded_slash_is_no_boundary(target: str, answer: str) -> None:
    router = Router()
    router.get("/{x}")(say("one"))
    router.get("/admin/x")(say("admin"))
    router.get("/t/{rest:path}")(say("tail"))
    router.get("/{x}/{y}")(say("two"))
    router.mount("/admin", say("mount"))
    assert TestClient(router).get(target).text == answer


def test_bytes_that_are_no_text_are_kept() -> None:
    seen: list[str] = []
    router = Router()

    @router.get("/{x}/{y}")
    def handler(request: Request) -> Response:
        seen.extend(request.params.values())
        return Response(204)

    TestClient(router).get("/%FF/%ED%A0%80%2F")  # UTF-8 has no surrogates: what looks like one is not one
    assert [each.encode("utf-8", "surrogateescape") for each in seen] == [b"\xff", b"\xed\xa0\x80/"]


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@settings(deadline=None)  # a machine may be busy
@given(st.lists(TEXT, min_size=1, max_size=4))
def test_whatever_the_segments_hold_they_arrive_as_they_were(segments: list[str]) -> None:
    """The router's way of matching against the plain one: split what was sent, then decode each."""
    target = "/" + "/".join("".join(f"%{byte:02x}" for byte in segment.encode()) for segment in segments)
    seen: list[list[str]] = []
    router = Router()

    @router.get("/" + "/".join(f"{{p{number}}}" for number in range(len(segments))))
    def handler(request: Request) -> Response:
        seen.append(list(request.params.values()))
        return Response(204)

    status = TestClient(router).get(target).status
    assert (status, seen) == ((204, [segments]) if all(segments) else (404, []))


# What the author of a handler is told.


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("users", "a path begins with a slash: '/users', not 'users'"),
        ("", "a path begins with a slash: '/', not ''"),
        ("/a?b", "'?' in the path '/a?b': a query is no part of it"),
        ("/a#b", "'#' in the path '/a#b': a fragment is never sent"),
        ("/a%20b", "'%' in the path '/a%20b': write it decoded"),
        ("/x/{id}.json", "'{id}.json' in '/x/{id}.json': a parameter is a whole segment, {name} or {name:kind}"),
        ("/{a", "'{a' in '/{a': a parameter is a whole segment"),
        ("/a}", "'a}' in '/a}': a parameter is a whole segment"),
        ("/{}", "'{}' in '/{}': a parameter is named like a variable, as in {id}"),
        ("/{1}", "'{1}' in '/{1}': a parameter is named like a variable"),
        ("/{id}/{id}", "'/{id}/{id}' has two parameters named 'id'"),
        ("/{id:float}", "'{id:float}' in '/{id:float}': the kinds are int and path"),
        ("/{rest:path}/x", "'{rest:path}' in '/{rest:path}/x': a path takes all the rest, so it comes last"),
    ],
)
def test_a_path_that_cannot_be_is_refused_with_a_reason(path: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        Router().get(path)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        (["get"], "a method is written in capitals, as it is sent: 'GET', not 'get'"),
        (["GET "], "a method is written in capitals, as it is sent: 'GET', not 'GET '"),
        ("GET", r"methods is a list of names: ['GET'], not 'GET'"),
        ([], "a route has one method at least"),
    ],
)
def test_methods_that_cannot_be_are_refused(methods: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        Router().route("/", methods=methods)
    assert str(caught.value) == message


def test_a_route_that_is_there_already_is_refused() -> None:
    router = shop()
    with pytest.raises(ValueError, match=r"GET /both is routed already: to tests\.handlers\.test_router\.say\.<"):
        router.get("/both")(say("x"))
    with pytest.raises(ValueError, match=r"GET /users/\{x\} is routed already, as '/users/\{name\}': to tests\."):
        router.get("/users/{x}")(say("x"))
    router.post("/users/{x}")(say("of another method"))
    assert TestClient(router).post("/users/y").text == "of another method||/users/y|x=y"
    router.get("/new/{x}")(say("new"))
    assert TestClient(router).get("/new/1").text == "new||/new/1|x=1"


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("api", "a path begins with a slash: '/api', not 'api'"),
        ("/api/", "a prefix does not end with a slash: mount at '/api'"),
        ("//", "a prefix does not end with a slash: mount at '/'"),
        ("/a/{b}", "a prefix has no parameters, and '/a/{b}' does: only routes have them"),
        ("/taken", "something is mounted at '/taken' already: handlers.echo.Echo"),
        ("/", "something is mounted at '/' already: tests.handlers.test_router.say.<locals>.handler"),
    ],
)
def test_a_mount_that_cannot_be_is_refused(prefix: str, message: str) -> None:
    router = Router()
    router.mount("/taken", Echo())
    router.mount("/", say("x"))
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        router.mount(prefix, say("y"))
    assert str(caught.value) == message


def test_a_class_or_a_thing_is_no_handler() -> None:
    thing: Any = Response(204)
    kind: Any = Echo
    with pytest.raises(TypeError, match=r"Echo is a class, and a handler is an instance: Echo\(…\)"):
        Router().mount("/", kind)
    with pytest.raises(TypeError, match=r"a handler is called with a request; <Response 204, 0 bytes> cannot be"):
        Router().get("/")(thing)


def test_a_route_gives_its_handler_back() -> None:
    handler = say("x")
    assert Router().get("/")(handler) is handler
