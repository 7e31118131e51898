"""One request's life: what an application receives and sends.

Law: an answer leaves when its first piece of body is known, so that a short one leaves whole; `send` waits while the
client does not take what was sent, and raises an OSError when it has gone (ASGI 2.4); `receive` says
`http.disconnect` as soon as it has, or has said goodbye, and when the answer is complete. Nobody is cancelled. An
answer may be given while its request is still coming: what was not received when it is complete is lost.
"""

import asyncio
import logging
from typing import Any

from reactor import FileBody, Gone, Inflow, Outflow, Request, Response, Whole

from .scope import Scope, takes_trailers
from .start import Head, Heads

log = logging.getLogger("reactor")

_NONE = Response(500, "the application gave no answer\n")

Message = dict[str, Any]


class Call:
    """`inflow` brings the body of `request`, and takes the answer."""

    __slots__ = ("_end", "_has_parted", "_head", "_heads", "_inflow", "_is_complete", "_is_drained", "_is_gone",
                 "_is_over", "_is_silent", "_is_trailing", "_loop", "_name", "_outflow", "_request",
                 "_trailers")  # fmt: skip

    def __init__(
        self, request: Request, inflow: Inflow | Whole, heads: Heads, name: str, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._request = request
        self._inflow = inflow
        self._heads = heads
        self._name = name
        self._loop = loop
        self._head: Head | None = None  # as soon as it was sent
        self._outflow: Outflow | None = None  # of an answer in pieces
        self._is_silent = request.head.method == "HEAD"  # the answer has no body, whatever is sent
        self._is_complete = False  # the answer, as far as the application is concerned
        self._trailers: list[tuple[str, str]] | None = None  # where they were announced
        self._is_trailing = False  # they are all that is still to come
        self._is_drained = False  # the request's body was received
        self._is_gone = False  # the client
        self._has_parted = False  # it has said goodbye, and may be gone
        self._is_over = False  # nothing is to come from it any more
        self._end: asyncio.Event | None = None  # the same, for who waits for it

    def listen(self) -> None:
        """Be told when the client leaves; for an application that did not answer at once."""
        inflow = self._inflow
        inflow.on_gone = inflow.early.on_abandon = self._leave
        inflow.early.on_goodbye = self._part

    def _listen_no_more(self) -> None:
        """Let go of what holds this: else it would take a garbage collector to see that it is over."""
        inflow, outflow = self._inflow, self._outflow
        inflow.on_gone = inflow.early.on_abandon = inflow.early.on_goodbye = None
        if outflow is not None:
            outflow.on_gone = outflow.on_goodbye = None

    async def run(self, app: Any, scope: Scope) -> None:
        try:
            await app(scope, self.receive, self.send)
            if not self._is_complete:
                if self._has_parted:  # nobody will miss the rest, and frameworks give up then
                    raise ConnectionAbortedError("the application gave up when the client had said goodbye")
                raise RuntimeError("the application returned, and its answer is not complete")
        except (Exception, SystemExit) as error:
            self._fail(error)
        except BaseException as error:
            self._fail(error)
            raise
        finally:
            if self._inflow.on_gone is not None:
                self._listen_no_more()

    async def receive(self) -> Message:
        inflow = self._inflow
        if not self._is_drained:
            try:
                data = await inflow.read()
            except Gone:
                return {"type": "http.disconnect"}
            self._is_drained = inflow.is_drained
            return {"type": "http.request", "body": data, "more_body": not self._is_drained}
        if not self._is_over:
            if self._end is None:
                self._end = asyncio.Event()
            await self._end.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if self._is_gone:
            raise Gone
        if kind == "http.response.start":
            if self._head is not None:
                raise RuntimeError("an answer is begun once")
            self._head = self._begin_trailed(message) if "trailers" in message else self._heads.of(message)
            return
        if kind == "http.response.early_hint":
            links = [("Link", bytes(each).decode("latin-1")) for each in message["links"]]
            self._inflow.inform(Response(103, headers=links))
            return
        if self._head is None:
            raise RuntimeError(f"an answer begins with http.response.start, not with {kind}")
        if self._is_complete:
            raise RuntimeError(f"the answer is complete; {kind} came behind it")
        if kind == "http.response.body" and not self._is_trailing:
            has_more, is_trailed = message.get("more_body", False), self._trailers is not None
            if has_more or is_trailed or self._outflow is not None:
                self._is_trailing = is_trailed and not has_more
                await self._send_piece(self._head, message.get("body", b""), has_more or is_trailed)
            else:
                self._send_all(self._head, message.get("body", b""))
        elif kind == "http.response.trailers":
            self._send_trailers(message)
        elif kind == "http.response.pathsend" and self._outflow is None:
            self._send_file(self._head, message["path"])
        else:
            raise RuntimeError(f"{kind} is not understood here")

    def _begin_trailed(self, message: Message) -> Head:
        """What says whether fields will follow behind the body."""
        if not message["trailers"]:
            return self._heads.of(message)
        if not takes_trailers(self._request):
            raise RuntimeError("trailers are announced, and http.response.trailers is not among the extensions")
        self._trailers = []
        return self._heads.of_trailed(message)

    def _send_trailers(self, message: Message) -> None:
        trailers, outflow = self._trailers, self._outflow
        if not self._is_trailing or trailers is None or outflow is None:
            raise RuntimeError("http.response.trailers is understood behind a body, where it was announced")
        trailers += [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
        if not message.get("more_trailers", False):
            outflow.end(trailers=trailers)
            self._complete(None)

    def _send_all(self, head: Head, body: bytes) -> None:
        self._complete(head.without_body(len(body)) if self._is_silent else head.with_bytes(body))

    async def _send_piece(self, head: Head, body: bytes, has_more: bool) -> None:
        outflow = self._outflow
        if outflow is None:
            await self._begin(head, body)
        elif not has_more:
            if not self._is_silent:
                outflow.give(body)
            outflow.end()
            self._complete(None)
        elif self._is_silent:
            raise Gone  # nobody will take it, and it might never end
        else:
            await outflow.put(body)

    async def _begin(self, head: Head, body: bytes) -> None:
        """The first piece of several."""
        outflow = self._outflow = Outflow(self._loop, length=head.length)
        self._is_silent = self._is_silent or not head.has_body
        if self._is_silent:
            self._inflow.answer(head.without_body(0))
            self._inflow.close()
            self._finish()
            return
        outflow.on_gone = self._leave
        outflow.on_goodbye = self._part
        outflow.give(body)
        self._inflow.answer(head.with_body(outflow))
        await outflow.room()

    def _send_file(self, head: Head, path: str) -> None:
        file = open(path, "rb")  # noqa: SIM115  # closed by the server, or below
        try:
            body = FileBody(file)
            if head.length not in (None, body.length):
                raise ValueError(f"the Content-Length is {head.length}, and {path} has {body.length} bytes")
        except BaseException:
            file.close()
            raise
        if self._is_silent or not head.has_body:
            file.close()
            self._complete(head.without_body(body.length))
        else:
            self._complete(head.with_body(body))

    def _complete(self, answer: Response | None) -> None:
        """The application has sent all of it. `answer`: it, unless it is under way."""
        self._is_complete = True
        if answer is not None:
            self._inflow.answer(answer)
        self._inflow.close()
        self._finish()

    def _fail(self, error: BaseException) -> None:
        """The application raised."""
        if self._is_gone:
            log.info("%s ended at %s, whose client is gone or refused: %r", self._name, self._request, error)
        elif self._is_complete:
            log.error("%s raised after its answer to %s", self._name, self._request, exc_info=error)
        elif self._outflow is not None:
            self._outflow.end(error)
        elif isinstance(error, ConnectionAbortedError) and self._has_parted:
            log.info("%s at %s: %s", self._name, self._request, error)
            self._inflow.answer(_NONE)
        else:
            self._inflow.answer(error)
        self._inflow.close()
        self._finish()

    def _leave(self) -> None:
        """The client has gone."""
        self._is_gone = True
        self._finish()

    def _part(self) -> None:
        """The client has said goodbye: it may be gone, or still listen."""
        self._has_parted = True
        self._finish()

    def _finish(self) -> None:
        """Nothing more is to be received: the client has said all it will, or we have."""
        self._is_over = True
        if self._end is not None:
            self._end.set()
