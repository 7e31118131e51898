"""A test client for handlers, without sockets: what is served in memory is served by the real connection.

    with TestClient(handler) as client:
        assert client.get("/").text == "Welcome to the server!"

Law: only the kernel is played here. Parsing, the handler contract, framing, files, iterators and Laters run in
the code that serves real clients, async handlers in a real loop, and the answer is read by `http.client`.
"""

import json as to_json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from http.client import HTTPMessage, HTTPResponse
from io import BytesIO
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .connection import Connection
from .coroutines import AnyHandler, as_handler, check_handler, is_async
from .http1.grammar import TARGET, TOKEN
from .http1.request import Origin
from .memory import ManualReactor, MemoryTransport
from .service import Service
from .settings import Settings
from .state import WORK

if TYPE_CHECKING:
    from .aio import OwnHost

__all__ = ["ManualReactor", "MemoryTransport", "Reply", "TestClient"]

Content = bytes | str | Iterable[bytes]
Fields = Mapping[str, str] | Iterable[tuple[str, str]]

_SHOWN = 200  # bytes of a body, in a reply's repr


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, as a client has read it. `headers` is a mapping whose names match in any case."""

    status: int
    reason: str
    headers: HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(self.headers.get_content_charset("utf-8"))

    def json(self) -> Any:
        return to_json.loads(self.body)

    def __repr__(self) -> str:
        lines = "".join(f"{name}: {value}; " for name, value in self.headers.items())
        more = f"… ({len(self.body)} bytes)" if len(self.body) > _SHOWN else ""
        return f"<Reply {self.status} {self.reason}; {lines}{self.body[:_SHOWN]!r}{more}>"


class TestClient:
    """Asks `handler`, each request on a connection of its own; in a with block, `startup` and `shutdown` are called.

    What is async needs the with block, except for a plain `async def`. Its loop runs while a request is asked, and at
    the end of the block until the tasks have ended that went on. `timeout`: seconds that an answer from a thread or a
    task may take; then TimeoutError; and that such tasks have. An answer that breaks off raises
    `http.client.IncompleteRead`, a connection closed without one `RemoteDisconnected`.
    """

    __test__ = False  # pytest need not look for tests in here

    def __init__(self, handler: AnyHandler, settings: Settings | None = None, timeout: float = 5.0) -> None:
        check_handler(handler)
        self.settings = settings if settings is not None else Settings()
        self.reactor = _Turns(monotonic())
        self._is_async = is_async(handler)
        self._handler = as_handler(handler)
        self.service = Service(self.reactor, self.settings, self._handler)
        self.timeout = timeout
        self._host: OwnHost | None = None

    def __enter__(self) -> Self:
        startup = getattr(self._handler, "startup", None)
        try:
            if startup is not None:
                startup(self)
            if self._host is not None:
                self._host.run(self._host.open)
        except BaseException:
            self._end_loop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        try:
            self._end_loop()
        finally:
            shutdown = getattr(self._handler, "shutdown", None)
            if shutdown is not None:
                shutdown()

    def use_asyncio(self) -> "OwnHost":
        """As a server's, likewise. RuntimeError where a loop runs in this thread, in which one cannot wait for it."""
        if self._host is None:
            from .aio import OwnHost

            self._host = OwnHost(self.reactor, self.service)
        return self._host

    @property
    def is_draining(self) -> bool:
        """As a server's, for the handler that was given this client in its stead."""
        return self.service.is_draining

    def get(self, target: str, headers: Fields = ()) -> Reply:
        return self.request("GET", target, headers)

    def head(self, target: str, headers: Fields = ()) -> Reply:
        return self.request("HEAD", target, headers)

    def delete(self, target: str, headers: Fields = ()) -> Reply:
        return self.request("DELETE", target, headers)

    def post(self, target: str, body: Content = b"", headers: Fields = (), *, json: Any = None) -> Reply:
        return self.request("POST", target, headers, body, json=json)

    def put(self, target: str, body: Content = b"", headers: Fields = (), *, json: Any = None) -> Reply:
        return self.request("PUT", target, headers, body, json=json)

    def patch(self, target: str, body: Content = b"", headers: Fields = (), *, json: Any = None) -> Reply:
        return self.request("PATCH", target, headers, body, json=json)

    def request(
        self, method: str, target: str, headers: Fields = (), body: Content = b"", *, json: Any = None
    ) -> Reply:
        """Send one request, and wait for its answer. A `body` that is an iterable of bytes is sent chunked; `json`
        is sent in its stead, as JSON, with its content type. ValueError for what is no method or target."""
        _check(method, target)
        if json is not None:
            headers, body = _with_json(headers, body, json)
        transport = MemoryTransport(self.reactor)
        for piece in _encode(method, target, headers, body):
            transport.feed(piece)
        connection = Connection(self.service, transport, Origin(("127.0.0.1", 50000)))
        if self._host is not None:
            self._host.run(partial(self._serve_in_loop, self._host, connection))
        elif self._is_async:
            self._serve_by_itself(connection)
        else:
            self._serve(connection)
        sent = bytes(transport.sent)
        while sent.startswith((b"HTTP/1.1 102 ", b"HTTP/1.1 103 ")):  # http.client takes them for the answer
            sent = sent.partition(b"\r\n\r\n")[2]
        response = HTTPResponse(_Socket(sent), method=method)  # type: ignore[arg-type]  # all it needs of one
        response.begin()
        return Reply(response.status, response.reason, response.headers, response.read())

    def _serve(self, connection: Connection) -> None:
        """Turn until the answer is whole, then leave."""
        until = monotonic() + self.timeout
        self.reactor.call_soon(connection.begin)
        try:
            while True:
                while self.reactor.turn():
                    if monotonic() > until:
                        raise TimeoutError("the answer has no end")
                if connection.state is not WORK:
                    return
                self.reactor.wait(until - monotonic())
        finally:
            connection.close()

    async def _serve_in_loop(self, host: "OwnHost", connection: Connection) -> None:
        """The same, where a loop makes the turns."""
        reactor = self.reactor
        late = TimeoutError(f"the answer was not complete after {self.timeout:g} s")
        timer = host.loop.call_later(self.timeout, reactor.give_up, late)
        reactor.is_done = lambda: connection.state is not WORK
        reactor.call_soon(connection.begin)
        try:
            await host.serve(reactor.stop, reactor.stop)
        finally:
            timer.cancel()
            reactor.is_done = None
            connection.close()
        error, reactor.error = reactor.error, None
        if error is not None:
            raise error

    def _serve_by_itself(self, connection: Connection) -> None:
        """The same, in a loop for this request alone."""
        host = self.use_asyncio()
        try:
            host.run(partial(self._serve_in_loop, host, connection))
        finally:
            self._end_loop()

    def _end_loop(self) -> None:
        host, self._host = self._host, None
        try:
            if host is not None:
                host.end(self.timeout)
        finally:
            self.reactor.close()


class _Turns(ManualReactor):
    """Turns that a loop may make: what they raise is the test's to see. Attributes: `is_done` (asked when nothing more
    is to be done: whether that was all; None: nobody wants to know), `error` (why it was stopped)."""

    is_done: Callable[[], bool] | None = None
    error: BaseException | None = None

    def turn(self, may_sleep: bool = True) -> bool:  # type: ignore[override]  # as its base's
        if self.is_done is None:
            return super().turn()
        try:
            has_done = super().turn()
            if self.due() is None and self.is_done():
                self.stop()
        except BaseException as error:
            self.give_up(error)
            return True
        return has_done

    def give_up(self, error: BaseException) -> None:
        self.error = error
        self.call_soon(self.stop)


def _check(method: str, target: str) -> None:
    """The test is mistaken, and not the handler, where these cannot be sent as they are."""
    if not TOKEN.fullmatch(method.encode()):
        raise ValueError(f"{method!r} is no method")
    is_known_form = target[:1] == "/" or target == "*" or "://" in target or method == "CONNECT"
    if not is_known_form or not TARGET.fullmatch(target.encode()):
        hint = 'begins with "/"; what is not ASCII, and a space, a "#" or a control character, is percent-encoded'
        raise ValueError(f"{target!r} cannot be sent as a target: one {hint}")


def _with_json(headers: Fields, body: Content, json: Any) -> tuple[Fields, Content]:
    if body:
        raise ValueError("a request has a body or json, not both")
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    if not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(("Content-Type", "application/json"))
    return pairs, to_json.dumps(json)


def _encode(method: str, target: str, headers: Fields, body: Content) -> Iterable[bytes]:
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
    given = {name.lower() for name, _ in pairs}
    body = body.encode() if isinstance(body, str) else body
    if "host" not in given:
        pairs.insert(0, ("Host", "test"))
    if (body or method in ("POST", "PUT", "PATCH")) and not given & {"content-length", "transfer-encoding"}:
        whole = ("Content-Length", str(len(body))) if isinstance(body, bytes) else None
        pairs.append(whole or ("Transfer-Encoding", "chunked"))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs), "", ""]
    yield "\r\n".join(lines).encode("latin-1")
    if isinstance(body, bytes):
        yield body
        return
    yield from (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in body if piece)
    yield b"0\r\n\r\n"


class _Socket:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> BytesIO:
        return BytesIO(self._data)
