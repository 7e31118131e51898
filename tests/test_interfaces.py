"""What a thing is that was named: a handler, a WSGI app, an ASGI app, told from its parameters, or by its user."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from handlers.asgi import Asgi
from handlers.health import Health
from handlers.wsgi import Wsgi
from reactor.plugins import Hosting, PluginError, find, load
from reactor.plugins.interfaces import ASGI, HANDLER, WSGI, interface_of
from reactor.testing import TestClient

from .specs import body, empty_folder, load_all, offer, write

__all__ = ["empty_folder"]

WSGI_APP = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [environ["PATH_INFO"].encode()]
"""

FACTORIES = """
def none(): ...
def create_app(config=None): ...
def two(a, b): ...
def named(*, request): ...
def make(): return none
class Class:
    @staticmethod
    def none(): ...
    def __call__(self): ...
class Easy:
    def __call__(self, request=None): ...
handler, instance, easy = none, Class(), Easy()
"""


def decorated(app: Any) -> Callable[..., Any]:
    @functools.wraps(app)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        return app(*arguments, **named)

    return wrapper


def carelessly_decorated(app: Any) -> Callable[..., Any]:
    def wrapper(*arguments: Any, **named: Any) -> Any:
        return app(*arguments, **named)

    return wrapper


def handler(request: Any) -> None: ...
def called_by_a_wrapper(page: Any) -> Callable[..., Any]:
    @functools.wraps(page)
    def wrapper(request: Any) -> Any:
        return page()

    return wrapper


def handler_with_more(request: Any, retries: int = 3, *more: Any) -> None: ...
def wsgi(environ: Any, start_response: Any) -> None: ...
def wsgi_with_other_names(e: Any, s: Any) -> None: ...
def wsgi_with_more(environ: Any, start_response: Any = None, option: int = 3) -> None: ...
def falcon(env: Any, start_response: Any) -> None: ...
async def asgi(scope: Any, receive: Any, send: Any) -> None: ...
def asgi_that_is_not_async(scope: Any, receive: Any, send: Any) -> None: ...
async def asgi_with_other_names(a: Any, b: Any, c: Any) -> None: ...
def three(a: Any, b: Any, c: Any) -> None: ...
def three_bound(option: Any, environ: Any, start_response: Any) -> None: ...


class Methods:
    def handler(self, request: Any) -> None: ...
    def wsgi(self, environ: Any, start_response: Any) -> None: ...


class Flask:
    def __call__(self, environ: Any, start_response: Any) -> None: ...


class FastAPI:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Careless:
    async def __call__(self, *arguments: Any) -> None: ...


@pytest.mark.parametrize(
    ("found", "interface"),
    [
        (handler, HANDLER),
        (handler_with_more, HANDLER),
        (decorated(handler), HANDLER),
        (called_by_a_wrapper(print), HANDLER),
        (called_by_a_wrapper(lambda: None), HANDLER),
        (functools.lru_cache(handler), HANDLER),
        (functools.lru_cache(wsgi), WSGI),
        (functools.partial(wsgi, None), HANDLER),
        (Methods().handler, HANDLER),
        (Health(), HANDLER),
        (getattr, HANDLER),
        (wsgi, WSGI),
        (wsgi_with_other_names, WSGI),
        (wsgi_with_more, WSGI),
        (falcon, WSGI),
        (decorated(wsgi), WSGI),
        (carelessly_decorated(wsgi), WSGI),
        (functools.partial(three_bound, "option"), WSGI),
        (Methods().wsgi, WSGI),
        (Flask(), WSGI),
        (asgi, ASGI),
        (asgi_that_is_not_async, ASGI),
        (asgi_with_other_names, ASGI),
        (three, ASGI),
        (FastAPI(), ASGI),
        (Careless(), ASGI),
    ],
)
def test_what_a_thing_is(found: Any, interface: str) -> None:
    assert interface_of(found, "it") == interface


@pytest.mark.usefixtures("empty_folder")
class TestNamed:
    """SPECs that name apps."""

    @pytest.mark.parametrize("spec", ["shop.py", "shop.py:app", "package.shop", "package.shop:app", "lib:nested.app"])
    def test_a_wsgi_app_is_served(self, spec: str) -> None:
        write("shop.py", WSGI_APP)
        write("package/__init__.py", "")
        write("package/shop.py", WSGI_APP)
        write("lib.py", WSGI_APP + "class nested: app = app")
        with TestClient(load(spec)) as client:
            assert client.get("/here").text == "/here"

    def test_threads_and_queue_are_its(self) -> None:
        write("shop.py", WSGI_APP)
        made = load_all("shop.py", [("/x", "shop.py")], hosting=Hosting(threads=0))
        assert body(made, "/x/y") == "/y"
        single = load("shop.py", hosting=Hosting(threads=3, queue=5))
        assert isinstance(single, Wsgi)
        assert (single._threads, single._queue) == (3, 5)

    def test_a_class_is_an_app_where_its_parameters_say_so(self) -> None:
        source = """
class App:
    def __init__(self, {}):
        self.answer = [b"a class"]
        s("200 OK", [])
    def __iter__(self):
        return iter(self.answer)
"""
        write("shop.py", source.format("environ, start_response").replace(" s(", " start_response("))
        write("other.py", source.format("e, s"))
        assert body(load("shop.py:App", hosting=Hosting(threads=0))) == "a class"
        assert body(load("other.py:App", hosting=Hosting(WSGI, threads=0))) == "a class"
        with pytest.raises(PluginError, match=r"^other.py:App: App needs the options e and s"):
            load("other.py:App")

    def test_a_factory_makes_what_is_served(self) -> None:
        write("shop.py", WSGI_APP + "def create_app(): return app\nother = create_app\nnumber = 42\ndef bad(): 1 / 0")
        threads = Hosting(factory=True, threads=0)
        for spec in ("shop.py", "shop:create_app", "shop.py:other"):
            assert body(load(spec, hosting=threads)) == "/"
        mounted = load_all(None, [("/a", "shop.py:create_app()"), ("/b", "shop:app")], hosting=Hosting(threads=0))
        assert body(mounted, "/a/x") == body(mounted, "/b/x") == "/x"
        assert body(load("health", hosting=threads)) == "ok", "what goes by a name is no factory"
        write("made.py", "def make_app():\n    from handlers.hello import handler\n    return handler")
        assert body(load("made.py", hosting=threads), "/test") == "Hello"
        for spec, line in (
            ("shop.py:number", "shop.py:number is of type int, and no factory: it cannot be called"),
            ("shop.py:bad", "what shop.py:bad makes cannot be loaded: ZeroDivisionError: division by zero (shop.py, l"),
            ("shop.py:app", "what shop.py:app makes cannot be loaded: TypeError: app() missing 2 required"),
        ):
            with pytest.raises(PluginError) as caught:
                load(spec, hosting=threads)
            assert str(caught.value).startswith(line)

    def test_its_user_has_the_last_word(self) -> None:
        source = """
def two(a, b=1): return app(a, b)
def any_(*arguments): return app(*arguments)
def optional(request=None): return hello.handler(request)
from handlers import hello
number = 42
"""
        write("shop.py", WSGI_APP + source)
        assert interface_of(load("shop.py:two"), "") == HANDLER
        assert isinstance(load("shop.py:two", hosting=Hosting(WSGI)), Wsgi)
        assert load("shop.py:any_", hosting=Hosting(HANDLER)).__name__ == "any_"
        assert body(load("shop.py:optional", hosting=Hosting(HANDLER)), "/test") == "Hello"
        assert isinstance(load("shop.py:app", hosting=Hosting(ASGI)), Asgi)
        for interface in (WSGI, HANDLER):
            with pytest.raises(PluginError, match="is of type int, and cannot be called with a request"):
                load("shop.py:number", hosting=Hosting(interface))
        assert body(load("health", hosting=Hosting(WSGI))) == "ok", "what goes by a name is what it is"

    @pytest.mark.parametrize(
        ("place", "interface", "line"),
        [
            ("shop:none", "auto", "cannot be called with a request alone; its parameters are ()"),
            ("shop.py:none", "auto", "cannot be called with a request alone; its parameters are ()"),
            ("shop.py:handler", "auto", "cannot be called with a request alone; its parameters are ()"),
            ("shop:Class.none", "auto", "cannot be called with a request alone; its parameters are ()"),
            ("shop:none", "handler", "cannot be called as a handler is; its parameters are ()"),
            ("shop:none", "wsgi", "cannot be called as a WSGI app is; its parameters are ()"),
            ("shop:create_app", "auto", "needs no request; its parameters are (config=None)"),
            ("shop:create_app", "wsgi", "cannot be called as a WSGI app is; its parameters are (config=None)"),
            ("shop:create_app", "asgi", "cannot be called as an ASGI app is; its parameters are (config=None)"),
        ],
    )
    def test_a_factory_is_not_called_with_a_request(self, place: str, interface: str, line: str) -> None:
        write("shop.py", FACTORIES)
        with pytest.raises(PluginError) as caught:
            load(place.removesuffix(":handler"), hosting=Hosting(interface))
        assert str(caught.value).startswith(f"{place} {line}; a factory? Say --factory, or {place}()")

    @pytest.mark.parametrize(
        ("place", "interface", "line"),
        [
            ("shop:make()", "auto", "cannot be called with a request alone; its parameters are ()"),
            ("shop:instance", "auto", "cannot be called with a request alone; its parameters are ()"),
            ("shop:named", "auto", "cannot be called with a request alone; its parameters are (*, request)"),
            ("shop:two", "handler", "cannot be called as a handler is; its parameters are (a, b)"),
            ("useless", "auto", "cannot be called with a request alone; its parameters are ()"),
        ],
    )
    def test_what_is_no_factory_is_not_taken_for_one(self, place: str, interface: str, line: str) -> None:
        write("shop.py", FACTORIES)
        offer("useless", "useless", "useless:none", FACTORIES)
        with pytest.raises(PluginError) as caught:
            load(place, hosting=Hosting(interface))
        assert str(caught.value) == f"{place} {line}"

    def test_what_can_do_without_a_request_may_be_a_handler(self) -> None:
        write("shop.py", FACTORIES)
        assert find("shop:easy").kind == find("shop:Easy()").kind == "handler"

    def test_as_what_it_was_taken_is_told(self) -> None:
        write("shop.py", WSGI_APP + "async def asgi(scope, receive, send): ...\nasync def later(request): ...\n")
        write("plain.py")
        offer("store", "store", "store:app", WSGI_APP)
        for spec, part in (
            ("shop.py", ("shop.py:app", "WSGI")),
            ("shop:asgi", ("shop:asgi", "ASGI")),
            ("shop.py:later", ("shop.py:later", "async handler")),
            ("plain.py", ("plain.py:handler", "handler")),
            ("store", ("store", "WSGI")),
            ("health:text=fine", ("health:text=fine", "")),
        ):
            assert find(spec)[1:] == part

    def test_a_package_may_offer_one(self) -> None:
        offer("store", "store", "store:app", WSGI_APP)
        assert body(load("store", hosting=Hosting(threads=0)), "/shelf") == "/shelf"
