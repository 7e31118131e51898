"""The dialogue of one connection: from bytes in the inbox to requests, handlers, and bytes in the outbox.

Law: requests are answered one after the other, in the order in which they came; the next is not looked at
before the last is answered. After a refusal or a promise to close nothing more is read as a request. It knows
no socket, no state and no deadline: those are the Connection's.
"""

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

from .answers import BodySink, Later, Upgrade, UpgradedProtocol
from .exchange import Collector, Exchange, finish, is_sink
from .http1.errors import ProtocolError
from .http1.parser import BLANK_LINES, HeadParser
from .http1.request import Origin, Request
from .http1.response import Response
from .outbox import Outbox, Source
from .reply import NotFinal, interim, refusal, reply, switching
from .service import SLOW, Service
from .upgrade import ConnectionLink, is_asked_for

log = logging.getLogger("reactor")

PIPELINE = 16  # requests of one connection answered in one turn; then others have theirs
STEPS = 1500  # of reading a chunked body, for the same reason: a chunk takes three, and may carry one byte
HIGH_WATER = 64 * 1024  # bytes: received ahead of their turn, or owed by answers of one turn
PROMISES = 5  # Laters answered with Laters, one after the other; two that are each other's answer would never end

_SHARE = range(PIPELINE)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_FAILED = Response(500, "Internal Server Error\n")
_OVERLOADED = Response(503, "too many requests are being worked on; try again\n", {"Retry-After": "1"})
_NO_CONNECT = Response(501, "CONNECT is not for this server\n")


class Dialogue:
    """What has been said and not yet answered, and what has been answered and not yet sent."""

    __slots__ = ("_at", "_exchange", "_has_said_goodbye", "_inbox", "_is_closing", "_link", "_outbox", "_parser",
                 "_protocol", "_received", "_served", "_service", "_unlogged", "origin")  # fmt: skip

    def __init__(self, service: Service, origin: Origin) -> None:
        self._service = service
        self.origin = origin
        self._parser = HeadParser(service.limits, origin)
        self._inbox: bytes | bytearray = b""
        self._at = 0  # of the inbox, how much is consumed
        self._outbox = Outbox()
        self._exchange: Exchange | None = None
        self._protocol: UpgradedProtocol | None = None
        self._link: ConnectionLink | None = None
        self._is_closing = False  # we promised to close, or must
        self._has_said_goodbye = False  # the peer has: no more bytes will come
        self._served = 0
        self._received = 0  # bytes of bodies
        # An answer whose source is not done yet: request, status, source, when the request came.
        self._unlogged: tuple[Request, int, Source, float] | None = None

    def _consume(self) -> bool:
        """Answer what is here, in order. Raises ProtocolError.

        True: it stopped for a reason that is none of the peer's (this turn's share is used; what is owed must leave
        first), so come back by yourself. False: it takes an event: more bytes, a Later, the end.
        """
        outbox = self._outbox
        inbox = self._inbox
        size = len(inbox)
        for _ in _SHARE:
            exchange = self._exchange
            if exchange is not None:
                if not self._feed(exchange):
                    return exchange.has_more
            elif self._at == size or self._inbox is not inbox:  # a handler may have closed us
                return False
            elif self._link is not None:
                self._feed_protocol(self._link)
                return False
            elif self._is_closing:
                return False
            elif outbox.source is not None or outbox.size > HIGH_WATER:
                return True
            else:
                request = self._parser.take(inbox, self._at)
                if request is None:
                    return False
                self._at = self._parser.end
                self._begin(request)
        return True

    def _begin(self, request: Request) -> None:
        """A head is here: ask the handler what to do."""
        service = self._service
        head = request.head
        self._served += 1
        objection = None if head.is_plain and not service.screens else self._screen(request)
        if head.terms.length:
            verdict: Any = objection
            if objection is None and (on_head := service.on_head) is not None:
                verdict = self._ask_head(request, on_head)
            self._expect_body(request, verdict)
        elif objection is None:
            answer = self._ask(request, service.answer, request)
            if type(answer) is Response:  # nearly always: one call less
                self._respond(request, answer)
            else:
                self._give(request, answer)
        else:
            self._respond(request, objection)

    def _screen(self, request: Request) -> Response | None:
        """What the server itself has to say against a request, before its handler is asked."""
        service = self._service
        is_connect = request.method == "CONNECT"
        if is_connect:
            self._is_closing = True  # what comes behind it may be meant for the tunnel: it is never read as a request
        limit = service.settings.limit_concurrency
        if limit and service.working >= limit:
            return _OVERLOADED
        return _NO_CONNECT if is_connect and not service.takes_connect else None

    def _ask_head(self, request: Request, on_head: Callable[[Request], Any]) -> Any:
        """What the handler says to a head whose body is still to come: an answer, a sink for it, or None."""
        verdict = self._ask(request, on_head, request)
        if verdict is not None and not isinstance(verdict, (Response, Later, Upgrade)) and not is_sink(verdict):
            log.error("on_head of %s returned %s; answered 500", self._service.name, type(verdict).__name__)
            return _FAILED
        return verdict

    def _expect_body(self, request: Request, verdict: Any) -> None:
        """A body follows: have it collected, fed to the handler's sink, or thrown away behind an early answer."""
        exchange = self._exchange = Exchange(request, self._service.reactor.now)
        settings = self._service.settings
        expects_continue = request.head.terms.expects_continue and self._at == len(self._inbox)
        if isinstance(verdict, (Response, Later, Upgrade)):
            exchange.expect_body(exchange.sink, 0)
            is_small = exchange.discard_rest(settings.limit_discard)
            # A client that waits for our 100 may send the body or not: only a close tells (RFC 9110 10.1.1).
            if expects_continue or not is_small:
                self._is_closing = True
            self._give(request, verdict)
            return
        sink: BodySink
        early: Later | None = None
        limit = settings.limit_body_size
        if verdict is None:
            sink = Collector(self._service.handler, request)
        else:
            sink, limit, early = verdict, getattr(verdict, "limit", limit), getattr(verdict, "early", None)
        try:
            exchange.expect_body(sink, limit)
        except ProtocolError:
            self._quietly(sink.abort)
            raise
        if expects_continue:
            self._outbox.add(_CONTINUE)
        if early is not None and self._attach(exchange, early, self._inform):
            exchange.early = early

    def _feed(self, exchange: Exchange) -> bool:
        """Go on with an exchange. True: it is over, the next may begin; False: it takes an event."""
        if exchange.early is not None and exchange.early.is_answered:
            self._take_early(exchange, exchange.early)
        if exchange.later is not None and not self._take_promised(exchange, exchange.later):
            return False
        decoder = exchange.decoder
        if decoder is None:
            self._exchange = None
            return True
        if not decoder.is_complete:
            self._at += decoder.feed(self._inbox, self._at, STEPS)
            payload = decoder.take()
            if payload:
                self._received += len(payload)
                self._heed(exchange, self._ask(exchange.request, exchange.sink.feed, payload))
            if exchange.later is not None or not decoder.is_complete:
                if self._has_said_goodbye and exchange.later is None and not decoder.has_more:
                    self._break_off(exchange)
                return False
        self._exchange = None
        exchange.request.trailers = decoder.trailers
        if exchange.is_answered:
            self._quietly(exchange.sink.finish)
        else:
            answer = self._ask(exchange.request, finish, exchange.sink)
            early = exchange.early
            self._give(exchange.request, answer if early is None else self._choose(early, answer))
        return True

    def _choose(self, early: Later, answer: Any) -> Any:
        """The answer, where there are two ways for it to come, and the body is complete."""
        if early.is_answered:
            return early
        if answer is not early:
            self._quietly(early.abandon)
        return answer

    def _break_off(self, exchange: Exchange) -> None:
        """The rest of its body will not come; an answer that has begun goes on, and is the last."""
        self._exchange = None
        self._is_closing = True
        self._quietly(exchange.abandon)

    def _take_early(self, exchange: Exchange, early: Later) -> None:
        """Take the answer that has come before the end of the body, which goes on coming."""
        exchange.early = None
        answer = early.value
        if isinstance(answer, BaseException):
            self._blame_for(exchange, answer)
            if exchange.later is not None:  # the sink's
                self._quietly(exchange.later.abandon)
                exchange.later, exchange.is_paused = None, False
                self._service.working -= 1
            self._heed(exchange, _FAILED)
        elif not isinstance(answer, Later):
            exchange.is_answered = True
            self._give(exchange.request, answer)
        elif self._may_promise(exchange) and self._attach(exchange, answer, self._inform):
            exchange.early = answer
        else:
            exchange.is_answered = True

    def _take_promised(self, exchange: Exchange, later: Later) -> bool:
        """Take what a Later was answered with; False: it was not."""
        if not later.is_answered:
            return False
        exchange.later = None
        self._service.working -= 1
        answer = later.value
        if isinstance(answer, BaseException):
            self._blame_for(exchange, answer)
            answer = _FAILED
        if exchange.is_paused:
            exchange.is_paused = False
            self._heed(exchange, answer)
        else:
            exchange.is_answered = True
            self._give(exchange.request, answer)
        return exchange.later is None

    def _blame_for(self, exchange: Exchange, error: BaseException) -> None:
        name = self._service.name
        log.error("handler %s raised at %s; answered 500", name, exchange.request, exc_info=error)

    def _heed(self, exchange: Exchange, verdict: Any) -> None:
        """What a sink said to a piece of its body: go on, wait, or an early answer."""
        if isinstance(verdict, Later):
            exchange.is_paused = True
            self._wait_for(exchange, verdict)
        elif verdict is not None:
            if exchange.early is not None and exchange.early.is_answered:
                self._take_early(exchange, exchange.early)
            if verdict is _FAILED or not isinstance(verdict, Response):
                self._quietly(exchange.sink.abort)  # it did not choose to end
            is_answered = exchange.is_answered
            early, exchange.early = exchange.early, None
            if early is not None:
                self._quietly(early.abandon)
            if not exchange.discard_rest(self._service.settings.limit_discard):
                self._is_closing = True
            if not is_answered:
                self._give(exchange.request, verdict)

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

    def _ask(self, request: Request, ask: Callable[[Any], Any], argument: Any) -> Any:
        """Call into the handler. What it raises is logged and becomes a 500; what it holds up is named."""
        began = monotonic()
        try:
            answer = ask(argument)
        except KeyboardInterrupt:
            raise
        except BaseException:  # sys.exit() and a cancelled task too: they end an answer, not the server
            log.exception("handler %s raised at %s; answered 500", self._service.name, request)
            answer = _FAILED
        took = monotonic() - began
        if took > SLOW:
            self._service.blame(took, f"at {request}")
        return answer

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
            self._fail(request, f"returned {type(answer).__name__}, not a Response, Later or Upgrade")

    def _fail(self, request: Request, fault: str) -> None:
        log.error("handler %s %s at %s; answered 500", self._service.name, fault, request)
        self._respond(request, _FAILED)

    def _respond(self, request: Request, response: Response) -> None:
        service = self._service
        outbox = self._outbox
        head = request.head
        keep = not self._is_closing and self._served < service.allowance
        try:
            if keep and head.is_plain and response._sent[0] is service.stamp:
                outbox.add(response._sent[1])  # as it left before, within this second: 0.3 us saved
            elif not reply(outbox, request, response, service.stamp, keep and head.terms.keep_alive):
                self._is_closing = True
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

    def _log_source(self, is_whole: bool) -> None:
        """The source of an answer is done, or given up: now its size is known."""
        if self._unlogged is not None and self._service.access_log is not None:
            request, status, source, began = self._unlogged
            self._unlogged = None
            self._service.access_log.answered(request, status, source.given, began, is_whole)

    def _refuse(self, error: ProtocolError) -> None:
        """What came cannot be taken: say why, unless something else has been said; then close."""
        exchange, self._exchange = self._exchange, None
        is_answered = exchange is not None and exchange.is_answered
        self._is_closing = True
        if exchange is not None:
            self._quietly(exchange.abandon)
        if is_answered:
            return
        # Of a head that was refused itself, its first word is all that one can tell.
        word = self._inbox[self._at : self._at + len("HEAD ") + 2 * BLANK_LINES].lstrip(b"\r\n")
        is_head = word.startswith(b"HEAD ") if exchange is None else exchange.request.head.method == "HEAD"
        service = self._service
        self._outbox.add(refusal(error, service.stamp, is_head))
        if service.access_log is not None:
            service.access_log.refused(self.origin, error, None if exchange is None else exchange.request)

    def _upgrade(self, request: Request, upgrade: Upgrade) -> None:
        """From here on the bytes are another protocol's."""
        has_body = self._exchange is not None and self._exchange.decoder is not None
        if has_body or not is_asked_for(upgrade, request):
            self._fail(request, f"answered with an upgrade to {upgrade.name!r} that was not asked for")
            return
        self._outbox.add(switching(upgrade, self._service.stamp))
        self._protocol = upgrade.protocol
        self._is_closing = False
        if self._service.access_log is not None:
            self._service.access_log.answered(request, 101 if upgrade.name else 200, 0, self._service.reactor.now)
        link = self._link = ConnectionLink(self)
        self._ask_protocol(upgrade.protocol.on_connect, link)
        if self._service.is_draining:
            self._ask_protocol(upgrade.protocol.on_shutdown)
        if self._has_said_goodbye:
            self._feed_protocol(link)

    def _feed_protocol(self, link: ConnectionLink) -> None:
        """Feed the protocol what is here, and pass on the goodbye that came behind it; not while it takes no more."""
        protocol = self._protocol
        if protocol is None:
            return
        if link.room is None:
            data, self._inbox, self._at = bytes(self._inbox[self._at :]), b"", 0
            if data and not self._is_closing:
                self._ask_protocol(self._pass_on, protocol, link, data)
        if self._has_said_goodbye and link.room is None and not self._is_closing:
            link.has_heard_goodbye = True
            if not self._ask_protocol(protocol.on_goodbye) or link.is_ending:
                self._is_closing = True

    def _pass_on(self, protocol: UpgradedProtocol, link: ConnectionLink, data: bytes) -> None:
        room = protocol.feed(data)
        if room is None:
            return
        if not isinstance(room, Later):
            raise TypeError(f"feed returns None or a Later, not {type(room).__name__}")
        room.attach(self._wake_protocol)
        link.room = room

    def _wake_protocol(self) -> None:
        """It takes more; said on whatever thread."""
        self._service.reactor.call_from_outside(self._resume_protocol)

    def _ask_protocol(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call into an upgraded protocol; what it raises ends the connection."""
        began = monotonic()
        answer = None
        try:
            answer = call(*arguments)
        except KeyboardInterrupt:
            raise
        except BaseException:
            log.exception("protocol %s raised; closing", type(self._protocol).__name__)
            self._is_closing = True
        self._service.blame(monotonic() - began, "in an upgraded protocol")
        return answer

    def _quietly(self, call: Callable[[], object]) -> None:
        """Tell a handler that something is over; what it raises is logged and changes nothing."""
        try:
            call()
        except Exception:
            log.exception("handler %s raised in %s", self._service.name, getattr(call, "__qualname__", call))

    # What the Connection does.

    def _resume(self) -> None:
        """Go on where we waited."""
        raise NotImplementedError

    def _resume_protocol(self) -> None:
        """Go on feeding an upgraded protocol."""
        raise NotImplementedError

    def owed_bytes(self) -> int:
        raise NotImplementedError

    def send_soon(self, data: bytes) -> None:
        raise NotImplementedError

    def end_soon(self) -> None:
        raise NotImplementedError

    def close_soon(self) -> None:
        raise NotImplementedError
