"""The dialogue of one connection: bytes in the inbox become requests, pieces of bodies, or another protocol's.

Law: requests are answered one after the other, in the order in which they came; the next is not looked at
before the last is answered. After a refusal or a promise to close nothing more is read as a request. What is answered
is the Respondent's business; sockets are the Courier's, states and deadlines the Connection's.
"""

from typing import Any

from .answers import BodySink, Later, Upgrade
from .exchange import Collector, Exchange, finish
from .http1.errors import ProtocolError
from .http1.framing import CHUNKED
from .http1.parser import BLANK_LINES, HeadParser
from .http1.request import Origin, Request
from .http1.response import Response
from .outbox import Outbox
from .reply import refusal, switching
from .respondent import FAILED, HIGH_WATER, Respondent
from .service import Service
from .upgrade import ConnectionLink, is_asked_for

PIPELINE = 16  # requests of one connection answered in one turn; then others have theirs
STEPS = 1500  # of reading a chunked body, for the same reason: a chunk takes three, and may carry one byte

_SHARE = range(PIPELINE)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Dialogue(Respondent):
    """A respondent, and what has been said to it and is not answered yet."""

    __slots__ = ("_at", "_has_said_goodbye", "_inbox", "_link", "_parser", "_received")

    def __init__(self, service: Service, origin: Origin) -> None:
        self._service = service
        self.origin = origin
        self._parser = HeadParser(service.limits, origin)
        self._inbox: bytes | bytearray = b""
        self._at = 0  # of the inbox, how much is consumed
        self._outbox = Outbox()
        self._exchange = None
        self._link: ConnectionLink | None = None
        self.is_closing = False
        self._has_said_goodbye = False  # the peer has: no more bytes will come
        self._served = 0
        self._received = 0  # bytes of bodies
        self._unlogged = None

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
            elif self.is_closing:
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
            if verdict is not None or not self._take_whole_body(request):
                self._expect_body(request, verdict)
                return
            answer = self._ask(request, service.handler, request)
        elif objection is None:
            answer = self._ask(request, service.answer, request)
        else:
            answer = objection
        if type(answer) is Response:  # nearly always: one call less
            self._respond(request, answer)
        else:
            self._give(request, answer)

    def _take_whole_body(self, request: Request) -> bool:
        """Give the request its body, if that has a length and is here by now: no exchange is needed then, 2 us less."""
        length, limit = request.head.terms.length, self._service.settings.limit_body_size
        end = self._at + length
        if length == CHUNKED or end > len(self._inbox) or (limit and length > limit):
            return False
        request.body = bytes(memoryview(self._inbox)[self._at : end])  # of a bytearray, a slice would be a second copy
        self._at = end
        self._received += length
        return True

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
                self.is_closing = True
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
        self.is_closing = True
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
            self._heed(exchange, FAILED)
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
            answer = FAILED
        if exchange.is_paused:
            exchange.is_paused = False
            self._heed(exchange, answer)
        else:
            exchange.is_answered = True
            self._give(exchange.request, answer)
        return exchange.later is None

    def _heed(self, exchange: Exchange, verdict: Any) -> None:
        """What a sink said to a piece of its body: go on, wait, or an early answer."""
        if isinstance(verdict, Later):
            exchange.is_paused = True
            self._wait_for(exchange, verdict)
        elif verdict is not None:
            if exchange.early is not None and exchange.early.is_answered:
                self._take_early(exchange, exchange.early)
            if verdict is FAILED or not isinstance(verdict, Response):
                self._quietly(exchange.sink.abort)  # it did not choose to end
            is_answered = exchange.is_answered
            early, exchange.early = exchange.early, None
            if early is not None:
                self._quietly(early.abandon)
            if not exchange.discard_rest(self._service.settings.limit_discard):
                self.is_closing = True
            if not is_answered:
                self._give(exchange.request, verdict)

    def _refuse(self, error: ProtocolError) -> None:
        """What came cannot be taken: say why, unless something else has been said; then close."""
        exchange, self._exchange = self._exchange, None
        is_answered = exchange is not None and exchange.is_answered
        self.is_closing = True
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
        self.is_closing = False
        if self._service.access_log is not None:
            self._service.access_log.answered(request, 101 if upgrade.name else 200, 0, self._service.reactor.now)
        link = self._link = ConnectionLink(self, self._outbox, self._service, upgrade.protocol)
        link.begin()
        if self._has_said_goodbye:
            self._feed_protocol(link)

    def _feed_protocol(self, link: ConnectionLink) -> None:
        """Feed the protocol what is here, and pass on the goodbye that came behind it; not while it takes no more."""
        if link.room is None:
            data, self._inbox, self._at = bytes(self._inbox[self._at :]), b"", 0
            if data and not self.is_closing:
                link.feed(data)
        if self._has_said_goodbye and link.room is None and not self.is_closing:
            link.hear_goodbye()

    # What the Connection does.

    def put_off(self) -> None:
        """Go on at the end of the turn."""
        raise NotImplementedError

    def feed_on(self, link: ConnectionLink) -> None:
        raise NotImplementedError
