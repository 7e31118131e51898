"""Router: which handler a request is for, by method and path.

Law: a path is matched as it was sent, segment by segment, and each segment is decoded afterwards (RFC 3986 2.4):
an encoded slash is text in a segment and never a boundary, so "/admin%2Fx" is not below "/admin", neither here
nor for a proxy in front. Nothing is normalised: a path that is not routed is a 404. It is decided once, at the
head: what is a 404 or a 405 is so before a body is read.

The order: routes without parameters, routes with them as they were defined, mounts by the longest prefix.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

from reactor import Answer, BodySink, Handler, Request, Response, Server, handler_name

from ._around import at_head, checked, with_body

H = TypeVar("H", bound=Handler)

# What a {name:kind} takes; all are text when they arrive.
KINDS = {
    "": "[^/]++",  # one segment
    "int": "[0-9]{1,18}+",  # of ASCII digits, no more than int() takes without ado
    "path": "(?s:.*+)",  # all the rest, slashes included, or nothing
}

_NOT_FOUND = Response(404, "Not Found\n")
_PARAMETER = re.compile(r"\{([^{}:]*)(?::([^{}:]*))?\}")
_NOT_IN_A_PATH = {"?": "a query is no part of it", "#": "a fragment is never sent", "%": "write it decoded"}
_METHOD = re.compile(r"[A-Z][A-Z-]*")

# Stands for an encoded slash while a path is matched. No decoded path has it: UTF-8 has no surrogates, and what is
# not UTF-8 becomes one of the low ones.
_SLASH = "\ud800"
_SENT_PATH = re.compile(rb"(?:[A-Za-z]++://[^/?]*+)?([^?]*+)")  # of an origin-form or absolute-form target


class Route(NamedTuple):
    """One path with parameters, and its handlers by method."""

    path: str  # as it was defined
    shape: re.Pattern[str]  # with a group for each of `names`
    names: tuple[str, ...]
    handlers: dict[str, Handler]

    def filled(self, values: Iterable[str]) -> tuple[dict[str, Handler], dict[str, str]]:
        """The handlers, and the parameters with these values."""
        decoded = (value.replace(_SLASH, "/") for value in values)
        return self.handlers, dict(zip(self.names, decoded, strict=True))


class Router:
    """`router = Router()`, then `@router.get("/users/{id}")` above a handler, or `router.mount("/files", handler)`.

    HEAD is answered by what GET is routed to, OPTIONS with `Allow`, unless they are routed themselves. A handler
    finds its parameters in `request.params`. Datagrams and CONNECT have no path: they are for what is mounted at
    "/". A router is a handler, and can be mounted in another.
    """

    def __init__(self) -> None:
        self._static: dict[str, dict[str, Handler]] = {}
        self._dynamic: list[Route] = []
        self._joined: re.Pattern[str] | None = None  # the shapes of all, made when it is first needed
        self._by_group: dict[int, int] = {}  # a group of it -> the index in _dynamic
        self._mounts: dict[str, Handler] = {}  # the longest prefix first; "" is the one at "/"
        self._started = ExitStack()

    # To define.

    def get(self, path: str) -> Callable[[H], H]:
        return self.route(path, ("GET",))

    def post(self, path: str) -> Callable[[H], H]:
        return self.route(path, ("POST",))

    def put(self, path: str) -> Callable[[H], H]:
        return self.route(path, ("PUT",))

    def patch(self, path: str) -> Callable[[H], H]:
        return self.route(path, ("PATCH",))

    def delete(self, path: str) -> Callable[[H], H]:
        return self.route(path, ("DELETE",))

    def route(self, path: str, methods: Iterable[str]) -> Callable[[H], H]:
        """What to put above a handler for `methods` of `path`. ValueError says what is wrong with either."""
        names = _checked_methods(methods)
        shape, parameters = parse_path(path)

        def add(handler: H) -> H:
            runner = checked(handler)
            handlers = self._handlers_at(path, shape, parameters, names)
            handlers.update(dict.fromkeys(names, runner))
            return handler

        return add

    def mount(self, prefix: str, handler: Handler) -> None:
        """Give `handler` what is at `prefix` and below; it sees `request.below(prefix)`. "/": all that is left."""
        if prefix != "/":
            _check_start(prefix)
            if prefix.endswith("/"):
                raise ValueError(f"a prefix does not end with a slash: mount at {prefix.rstrip('/') or '/'!r}")
            if "{" in prefix or "}" in prefix:
                raise ValueError(f"a prefix has no parameters, and {prefix!r} does: only routes have them")
        prefix = prefix.rstrip("/")
        if prefix in self._mounts:
            raise ValueError(f"something is mounted at {prefix or '/'!r} already: {handler_name(self._mounts[prefix])}")
        self._mounts[prefix] = checked(handler)
        self._mounts = dict(sorted(self._mounts.items(), key=lambda item: -len(item[0])))

    def _handlers_at(
        self, path: str, shape: str, parameters: tuple[str, ...], methods: tuple[str, ...]
    ) -> dict[str, Handler]:
        """The handlers of this path, by method; ValueError if one of `methods` has one."""
        if not parameters:
            same = [(path, self._static.setdefault(path, {}))]
        else:
            same = [(each.path, each.handlers) for each in self._dynamic if each.shape.pattern == shape]
        for known, handlers in same:
            for method in methods:
                if method in handlers:
                    alias = "" if known == path else f", as {known!r}"
                    raise ValueError(f"{method} {path} is routed already{alias}: to {handler_name(handlers[method])}")
        for known, handlers in same:
            if known == path:
                return handlers
        self._dynamic.append(Route(path, re.compile(shape), parameters, {}))
        self._joined = None
        return self._dynamic[-1].handlers

    # To answer.

    def on_head(self, request: Request) -> Answer | BodySink:
        found = self._find(request)
        return found if isinstance(found, Response) else at_head(*found)

    def __call__(self, request: Request) -> Answer:
        return with_body(self.on_head(request), request)

    def _find(self, request: Request) -> tuple[Handler, Request] | Response:
        """The handler, and the request as it is to see it; or the 404, the 405, the answer to OPTIONS."""
        method = request.method
        path = _path_as_sent(request)
        handlers = self._static.get(path)
        if handlers is not None and method in handlers:  # most requests
            return handlers[method], request
        allowed: set[str] = set()
        for handlers, params in self._candidates(path):
            handler = handlers.get(method) or (handlers.get("GET") if method == "HEAD" else None)
            if handler is not None:
                request.params = params
                return handler, request
            allowed.update(handlers)
        if not allowed and path != "*":
            return self._find_mount(request, path)
        if path == "*":  # RFC 9110 9.3.7: the server as a whole
            allowed = {method for handlers in self._all_handlers() for method in handlers}
        return _tell_allowed(allowed, method)

    def _candidates(self, path: str) -> Iterator[tuple[dict[str, Handler], dict[str, str]]]:
        """The handlers of every route that fits, with its parameters."""
        if path in self._static:
            yield self._static[path], {}
        if not self._dynamic:
            return
        match = (self._joined or self._join()).fullmatch(path)
        if match is None:
            return
        group = match.lastindex or 0
        first = self._by_group[group]
        route = self._dynamic[first]
        yield route.filled([match[number] for number in range(group + 1, group + 1 + len(route.names))])
        for route in self._dynamic[first + 1 :]:  # that another is needed is rare
            match = route.shape.fullmatch(path)
            if match is not None:
                yield route.filled(match.groups())

    def _join(self) -> re.Pattern[str]:
        """One regex for all routes with parameters; which one it was is the last group that closed."""
        group = 1
        for index, route in enumerate(self._dynamic):
            self._by_group[group] = index
            group += 1 + len(route.names)
        self._joined = re.compile("|".join(f"({route.shape.pattern})" for route in self._dynamic))
        return self._joined

    def _find_mount(self, request: Request, path: str) -> tuple[Handler, Request] | Response:
        for prefix, handler in self._mounts.items():
            if not prefix:
                return handler, request
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                return handler, request.below(prefix)
        return _NOT_FOUND

    def _all_handlers(self) -> Iterator[dict[str, Handler]]:
        yield from self._static.values()
        yield from (route.handlers for route in self._dynamic)

    # What is passed on.

    def startup(self, server: Server) -> None:
        """Start each handler once; if one fails, those that were started are shut down."""
        handlers = [*(each for table in self._all_handlers() for each in table.values()), *self._mounts.values()]
        with ExitStack() as stack:
            for handler in {id(each): each for each in handlers}.values():
                if hasattr(handler, "startup"):
                    handler.startup(server)
                if hasattr(handler, "shutdown"):
                    stack.callback(handler.shutdown)
            self._started = stack.pop_all()

    def shutdown(self) -> None:
        """Shut each down, the last one first, whatever the others raise."""
        self._started.close()

    @property
    def on_datagram(self) -> Callable[[bytes], bytes | None]:
        """Of what is mounted at "/"; AttributeError, as for any handler without, if it takes no datagrams."""
        at_root: Any = self._mounts.get("")
        return at_root.on_datagram  # type: ignore[no-any-return]  # looked up by name, as the server does

    @property
    def takes_connect(self) -> bool:
        return bool(getattr(self._mounts.get(""), "takes_connect", False))


def parse_path(path: str) -> tuple[str, tuple[str, ...]]:
    """The regex of a path and the names of its parameters; ValueError says what is wrong with it."""
    _check_start(path)
    shapes: list[str] = []
    names: list[str] = []
    segments = path.split("/")
    for number, segment in enumerate(segments, 1):
        parameter = _PARAMETER.fullmatch(segment)
        if parameter is None:
            if "{" in segment or "}" in segment:
                raise ValueError(f"{segment!r} in {path!r}: a parameter is a whole segment, {{name}} or {{name:kind}}")
            shapes.append(re.escape(segment))
            continue
        name, kind = parameter[1], parameter[2] or ""
        if not name.isidentifier():
            raise ValueError(f"{segment!r} in {path!r}: a parameter is named like a variable, as in {{id}}")
        if name in names:
            raise ValueError(f"{path!r} has two parameters named {name!r}")
        if kind not in KINDS:
            raise ValueError(f"{segment!r} in {path!r}: the kinds are int and path; leave it out for any one segment")
        if kind == "path" and number < len(segments):
            raise ValueError(f"{segment!r} in {path!r}: a path takes all the rest, so it comes last")
        names.append(name)
        shapes.append(f"({KINDS[kind]})")
    return "/".join(shapes), tuple(names)


def _check_start(path: str) -> None:
    if not path.startswith("/"):
        raise ValueError(f"a path begins with a slash: {'/' + path!r}, not {path!r}")
    for mark, why in _NOT_IN_A_PATH.items():
        if mark in path:
            raise ValueError(f"{mark!r} in the path {path!r}: {why}")


def _checked_methods(methods: Iterable[str]) -> tuple[str, ...]:
    if isinstance(methods, str):
        raise ValueError(f"methods is a list of names: [{methods!r}], not {methods!r}")
    names = tuple(methods)
    for name in names:
        if _METHOD.fullmatch(name) is None:
            raise ValueError(f"a method is written in capitals, as it is sent: {name.strip().upper()!r}, not {name!r}")
    if not names:
        raise ValueError("a route has one method at least")
    return names


def _path_as_sent(request: Request) -> str:
    """The path below `root`, decoded, but with `_SLASH` for each slash that was sent encoded."""
    target = request.target
    if b"%2" not in target:
        return request.path
    sent = _SENT_PATH.match(target)
    segments = (sent[1] if sent else b"").decode("ascii").split("/")
    decoded = [unquote(segment, errors="surrogateescape").replace("/", _SLASH) for segment in segments]
    return "/".join(decoded)[len(request.root) :] or "/"


def _tell_allowed(methods: set[str], method: str) -> Response:
    methods |= {"OPTIONS", "HEAD"} if "GET" in methods else {"OPTIONS"}
    allow = {"Allow": ", ".join(sorted(methods))}  # RFC 9110 10.2.1
    return Response(204, b"", allow) if method == "OPTIONS" else Response(405, "Method Not Allowed\n", allow)
