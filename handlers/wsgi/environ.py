"""The environ: a request as PEP 3333 and, before it, CGI (RFC 3875) have it.

Law: text is "native": a str whose characters are the bytes that were meant, as Latin-1. Names that differ in a request
must differ here: CGI writes "-" as "_", so a field whose name has a "_" is left out, and nobody can say X_Forwarded_For
where a proxy in front has said X-Forwarded-For.
"""

from io import BytesIO
from typing import Any, BinaryIO

from reactor import Headers, Request

from .errors import ErrorLog
from .files import FileWrapper

Environ = dict[str, Any]

KEPT = 256  # heads whose environ is remembered; with 400 bytes each and what is made of them, below a MiB
SHORT = 400  # bytes of a head that may be

# Fields with keys of their own (RFC 3875 4.1.2, 4.1.3), or none: a body is chunked no more when it is read, and who
# believed that it is would not believe its CONTENT_LENGTH.
_OWN = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH", b"transfer-encoding": ""}
_SECRETS = {b"authorization", b"cookie", b"proxy-authorization"}  # they are remembered nowhere, nor is a query
_LONGEST = 64  # bytes of a field's name that is remembered


class Environs:
    """Makes the environ of each request. `server`: the name and port of SERVER_NAME and SERVER_PORT, which stand in
    for a Host field where there is none; `is_threaded`: whether the application may be called twice at once."""

    def __init__(self, server: tuple[str, int], errors: ErrorLog, is_threaded: bool) -> None:
        self._base: Environ = {
            "REQUEST_METHOD": "", "SCRIPT_NAME": "", "PATH_INFO": "", "QUERY_STRING": "", "REQUEST_URI": "",
            "RAW_URI": "", "SERVER_NAME": server[0], "SERVER_PORT": str(server[1]), "SERVER_PROTOCOL": "",
            "SERVER_SOFTWARE": "reactor", "REMOTE_ADDR": "", "REMOTE_PORT": "",
            "wsgi.version": (1, 0), "wsgi.url_scheme": "", "wsgi.errors": errors, "wsgi.multithread": is_threaded,
            "wsgi.multiprocess": False, "wsgi.run_once": False, "wsgi.file_wrapper": FileWrapper,
            "wsgi.input_terminated": True,
        }  # fmt: skip
        self._known: dict[object, Environ] = {}
        self._keys: dict[bytes, str] = dict(_OWN)

    def make(self, request: Request, body: BinaryIO | None, size: int) -> Environ:
        """A new one. `body`: what `wsgi.input` reads; `size`: bytes of it; None and 0 where the request has none."""
        known = self._known.get(request.head)
        environ = known.copy() if known is not None and is_as_sent(request) else self._make(request)
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = request.origin.client
        if body is None:
            environ["wsgi.input"] = BytesIO()
        else:
            environ["wsgi.input"] = body
            environ["CONTENT_LENGTH"] = str(size)  # that of a chunked body, too: it is here as a whole
        return environ

    def _make(self, request: Request) -> Environ:
        head, target = request.head, request.target.decode("ascii")
        environ = self._base.copy()
        environ["REQUEST_METHOD"] = request.method
        environ["SCRIPT_NAME"] = native(request.root)
        environ["PATH_INFO"] = path_info(request)
        environ["QUERY_STRING"] = target.partition("?")[2]
        environ["REQUEST_URI"] = environ["RAW_URI"] = target
        environ["SERVER_PROTOCOL"] = request.version
        environ["wsgi.url_scheme"] = request.scheme
        self._add_fields(environ, request.headers)
        if target[:1] != "/" and target != "*":
            environ["HTTP_HOST"] = request.host  # RFC 9112 3.2.2: the target's, whatever the field says
        is_short = len(head.raw) <= SHORT and "?" not in target
        if is_short and is_as_sent(request) and _SECRETS.isdisjoint(request.headers.raw_names()):
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[head] = environ.copy()
        return environ

    def _add_fields(self, environ: Environ, headers: Headers) -> None:
        raw = headers.raw
        for name in headers.raw_names():
            key = self._keys.get(name)
            if key is None:
                key = self._learn(name)
            if key:
                environ[key] = raw(name).decode("latin-1")  # type: ignore[union-attr]  # the name is one of its own

    def _learn(self, name: bytes) -> str:
        """The key of a field, "" for one that is left out."""
        key = "" if b"_" in name else f"HTTP_{name.decode('ascii').upper().replace('-', '_')}"
        if len(name) <= _LONGEST:
            if len(self._keys) >= KEPT:
                self._keys = dict(_OWN)
            self._keys[name] = key
        return key


def is_as_sent(request: Request) -> bool:
    """Whether all of it is what its head says: nobody has mounted or rewritten it."""
    head = request.head
    return (
        request.path is head.path
        and not request.root
        and request.headers is head.headers
        and request.method is head.method
        and request.target is head.target
    )


def native(text: str) -> str:
    """Text that was decoded as UTF-8, with surrogate escapes, as PEP 3333's: each byte a character."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def path_info(request: Request) -> str:
    """PATH_INFO: "" where what was asked for is the very path that the application is mounted at."""
    if request.path == "/" and request.root and not request.target.partition(b"?")[0].endswith(b"/"):
        return ""
    return native(request.path)
