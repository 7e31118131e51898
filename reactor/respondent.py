"""The respondent: asks the handler, waits where it promises, says what it answers, and has that logged.

Law: a request gets one answer, and the log one line of it, whatever its handler does: what that raises is a 500 and
ends nothing else, what it holds up is named, and whom it promises too much is told so. What is read is the Dialogue's.
"""

import logging
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from .answers import Later, Upgrade
from .exchange import Exchange, is_sink
from .http1.request import Origin, Request
from .http1.response import Response
from .outbox import Outbox, Source
from .reply import NotFinal, interim, reply
from .service import SLOW, Service

log = logging.getLogger("reactor")

HIGH_WATER = 64 * 1024  # bytes: received ahead of their turn, or owed by answers of one turn
PROMISES = 5  # Laters answered with Laters, one after the other; two that are each other's answer would never end
FAILED = Response(500, "Internal Server Error\n")

_OVERLOADED = Response(503, "too many requests are being worked on; try again\n", {"Retry-After": "1"})
_NO_CONNECT = Response(501, "CONNECT is not for this server\n")


class Respondent:
    """What is asked of the handler, and said to the peer. Attribute: `is_closing` (we promised to close, or must)."""

    __slots__ = ("_exchange", "_outbox", "_served", "_service", "_unlogged", "is_closing", "origin")

    # Set by the Dialogue: another `__init__` would cost each connection 0.2 us.
    origin: Origin
    is_closing: bool
    _service: Service
    _outbox: Outbox
    _exchange: Exchange | None
    _served: int  # requests
    # An answer whose source is not done yet: request, status, source, when the request came.
    _unlogged: tuple[Request, int, Source, float] | None

    # The handler is asked, and told.

    def _screen(self, request: Request) -> Response | None:
        """What the server itself has to say against a request, before its handler is asked."""
        service = self._service
        is_connect = request.method == "CONNECT"
        if is_connect:
            self.is_closing = True  # what comes behind it may be meant for the tunnel: it is never read as a request
        limit = service.settings.limit_concurrency
        if limit and service.working >= limit:
            return _OVERLOADED
        return _NO_CONNECT if is_connect and not service.takes_connect else None

    def _ask_head(self, request: Request, on_head: Callable[[Request], Any]) -> Any:
        """What the handler says to a head whose body is still to come: an answer, a sink for it, or None."""
        verdict = self._ask(request, on_head, request)
        if verdict is not None and not isinstance(verdict, (Response, Later, Upgrade)) and not is_sink(verdict):
            log.error("on_head of %s returned %s; answered 500", self._service.name, type(verdict).__name__)
            return FAILED
        return verdict

    def _ask(self, request: Request, ask: Callable[[Any], Any], argument: Any) -> Any:
        """Call into the handler. What it raises is logged and becomes a 500; what it holds up is named."""
        began = monotonic()
        try:
            answer = ask(argument)
        except KeyboardInterrupt:
            raise
        except BaseException:  # sys.exit() and a cancelled task too: they end an answer, not the server
            log.exception("handler %s raised at %s; answered 500", self._service.name, request)
            answer = FAILED
        took = monotonic() - began
        if took > SLOW:
            self._service.blame(took, f"at {request}")
        return answer

    def _quietly(self, call: Callable[[], object]) -> None:
        """Tell a handler that something is over; what it raises is logged and changes nothing."""
        try:
            call()
        except Exception:
            log.exception("handler %s raised in %s", self._service.name, getattr(call, "__qualname__", call))

    def _blame_for(self, exchange: Exchange, error: BaseException) -> None:
        """The handler's Later was answered with `error`."""
        name = self._service.name
        log.error("handler %s raised at %s; answered 500", name, exchange.request, exc_info=error)

    # What it answered.

    def _give(self, request: Request, answer: Any) -> None:
        """Here is the answer, or the promise of one."""
        if isinstance(answer, Response):
            self._respond(request, answer)
        elif isinstance(answer, Later):
            if self._exchange is None:
                self._exchange = Exchange(request, self._service.reactor.now)
            if self._may_promise(self._exchange):
                self._wait_for(self._exchange, answer)
        elif isinstance(answer, Upgrade):
            self._upgrade(request, answer)
        else:
            hint = ""
            if isinstance(answer, Coroutine):
                hint = " (await missing?)"
                self._quietly(answer.close)  # else Python warns of it, later and elsewhere
            self._fail(request, f"returned {type(answer).__name__}{hint}, not a Response, Later or Upgrade")

    def _respond(self, request: Request, response: Response) -> None:
        service = self._service
        outbox = self._outbox
        head = request.head
        keep = not self.is_closing and self._served < service.allowance
        try:
            if keep and head.is_plain and response._sent[0] is service.stamp:
                outbox.add(response._sent[1])  # as it left before, within this second: 0.3 us saved
            elif not reply(outbox, request, response, service.stamp, keep and head.terms.keep_alive):
                self.is_closing = True
        except NotFinal:
            self._fail(request, f"answered with a {response.status}, which is no answer,")
            return
        if service.access_log is not None:
            began = service.reactor.now if self._exchange is None else self._exchange.began
            if outbox.source is None:
                size = 0 if head.method == "HEAD" else response.length or 0
                service.access_log.answered(request, response.status, size, began)
            else:
                self._unlogged = (request, response.status, outbox.source, began)

    def _fail(self, request: Request, fault: str) -> None:
        """It is no answer: a 500 is given instead."""
        log.error("handler %s %s at %s; answered 500", self._service.name, fault, request)
        self._respond(request, FAILED)

    def _log_source(self, is_whole: bool) -> None:
        """The source of an answer is done, or given up: now its size is known."""
        if self._unlogged is not None and self._service.access_log is not None:
            request, status, source, began = self._unlogged
            self._unlogged = None
            self._service.access_log.answered(request, status, source.given, began, is_whole)

    # What it promised.

    def _wait_for(self, exchange: Exchange, later: Later) -> None:
        if self._attach(exchange, later, None if exchange.is_paused else self._inform):
            exchange.later = later
            self._service.working += 1

    def _attach(self, exchange: Exchange, later: Later, inform: Callable[[Response], None] | None) -> bool:
        """Be woken when `later` is answered. False: another is, and that is answered 500, unless `early` was before."""
        if inform is not None:
            later.hear(inform)
        try:
            later.attach(self._wake)
        except RuntimeError as error:
            is_given = exchange.is_paused and exchange.is_answered
            exchange.discard_rest(0)
            if is_given:
                log.error("handler %s returned %s at %s", self._service.name, error, exchange.request)
            else:
                self._fail(exchange.request, f"returned {error}")
            return False
        return True

    def _inform(self, response: Response) -> None:
        """Send an interim answer in front of the one that is waited for."""
        exchange, outbox = self._exchange, self._outbox
        if exchange is None or exchange.request.head.terms.is_old or outbox.size > HIGH_WATER:
            return
        outbox.add(interim(response))
        self._wake()

    def _may_promise(self, exchange: Exchange) -> bool:
        """Whether one more promise may be made instead of an answer; if not, it is answered 500."""
        exchange.promises += 1
        if exchange.promises > PROMISES:
            self._fail(exchange.request, "answers promises with promises")
            return False
        return True

    def _wake(self) -> None:
        """A Later was answered, on whatever thread."""
        self._service.reactor.call_from_outside(self._resume)

    # What the Dialogue and the Connection do.

    def _upgrade(self, request: Request, upgrade: Upgrade) -> None:
        """From here on the bytes are another protocol's."""
        raise NotImplementedError

    def _resume(self) -> None:
        """Go on where we waited."""
        raise NotImplementedError
