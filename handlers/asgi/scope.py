"""The scope: a request as ASGI's "HTTP & WebSocket" has it, version 2.5.

Law: names in lower case, values and the target as they were sent; the path is decoded, and what in it is no UTF-8 is
U+FFFD, as elsewhere: `raw_path` has the truth.
"""

from typing import Any

from reactor import Request

Scope = dict[str, Any]

KEPT = 256  # heads whose scope is remembered
SHORT = 400  # bytes of a head that may be

_VERSIONS = {"version": "3.0", "spec_version": "2.5"}
_EXTENSIONS: dict[str, dict[str, Any]] = {"http.response.pathsend": {}, "http.response.early_hint": {}}
_WITH_TRAILERS = {**_EXTENSIONS, "http.response.trailers": {}}

_SECRETS = {b"authorization", b"cookie", b"proxy-authorization"}  # they are remembered nowhere, nor is a query


class Scopes:
    """Makes the scope of each request. `server`: the first address, (host, port) or (path, None), where it is known;
    `state`: what the application has kept from its lifespan, of which each request has a copy."""

    def __init__(self, server: tuple[str, int | None] | None, state: dict[str, Any]) -> None:
        self._server = server
        self._state = state
        self._known: dict[object, Scope] = {}

    def make(self, request: Request) -> Scope:
        head = request.head
        is_own = not request.root and request.path is head.path and request.headers is head.headers
        known = self._known.get(head) if is_own else None
        if known is None:
            known = self._make(request)
            secret = b"?" in head.target or not _SECRETS.isdisjoint(request.headers.raw_names())
            if is_own and len(head.raw) <= SHORT and not secret:
                if len(self._known) >= KEPT:
                    self._known.clear()
                self._known[head] = known
        scope = known.copy()
        scope["headers"] = known["headers"].copy()
        scope["asgi"] = _VERSIONS.copy()
        scope["extensions"] = known["extensions"].copy()
        scope["state"] = self._state.copy()
        address = request.origin.address
        if type(address) is tuple:
            scope["client"] = address if len(address) == 2 else (request.origin.client[0], address[1])
        return scope

    def _make(self, request: Request) -> Scope:
        raw_path, _, query = request.head.origin_form().partition(b"?")
        path = request.root + request.path
        if request.root and request.path == "/" and not raw_path.endswith(b"/"):
            path = request.root  # what was asked for is the very path that the application is mounted at
        return {
            "type": "http", "asgi": None, "http_version": request.version.partition("/")[2],
            "method": request.method, "scheme": request.scheme, "path": _text(path), "raw_path": raw_path,
            "query_string": query, "root_path": _text(request.root),
            "headers": [(name.lower(), value) for name, value in request.headers.pairs],
            "client": None, "server": self._server, "state": None,
            "extensions": _WITH_TRAILERS if takes_trailers(request) else _EXTENSIONS,
        }  # fmt: skip


def takes_trailers(request: Request) -> bool:
    """Whether fields behind the answer reach who asked (RFC 9110 6.5.1, 10.1.4)."""
    offered = request.headers.raw(b"te")
    if offered is None or request.version == "HTTP/1.0" or request.head.method == "HEAD":
        return False
    return b"trailers" in [each.strip() for each in offered.lower().split(b",")]


def _text(text: str) -> str:
    """Text that was decoded with surrogate escapes, without them."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
