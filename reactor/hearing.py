"""The answers of another server, heard: from bytes in the inbox to an asker who waits for them.

Law: an answer goes to whoever asked for it and to nobody else. A connection on which more came than was asked for, or
of which it is not known where its answer ends, is never asked again. It knows no socket and no deadline: those are the
ClientConnection's.
"""

import logging

from .asking import Asker, ClientError, Taker
from .http1.body import ChunkedBody, LengthBody, UntilCloseBody
from .http1.errors import ProtocolError
from .http1.framing import CHUNKED
from .http1.request import HeadLimits, Origin
from .http1.response_parser import ResponseHead, ResponseParser

log = logging.getLogger("reactor")

STEPS = 1500  # of reading a chunked body, until others have their turn: a chunk takes three, and may carry one byte
INTERIMS = 8  # responses with a 1xx in front of one answer

Decoder = LengthBody | ChunkedBody | UntilCloseBody


class Hearing:
    """One request at a time, and what has come of its answer. Attributes: `origin` (who is at the other end), `answers`
    (how many were heard), `is_doubtful` (the last one had no body: a server that sends one all the same may still be at
    it), `is_closed`."""

    __slots__ = ("_asker", "_decoder", "_has_ended", "_inbox", "_interims", "_is_asked", "_is_heard", "_is_paused",
                 "_is_tunnel", "_keeps", "_method", "_parser", "_taker", "answers", "is_closed", "is_doubtful",
                 "origin")  # fmt: skip

    def __init__(self, limits: HeadLimits, origin: Origin) -> None:
        self.origin = origin
        self._parser = ResponseParser(limits)
        self._inbox: bytes | bytearray = b""
        self._asker: Asker | None = None
        self._taker: Taker | None = None  # of the body of an answer that is not whole
        self._decoder: Decoder | None = None
        self._method = ""
        self._interims = 0
        self._is_asked = True  # the request is complete
        self._is_heard = False  # something of the answer has come
        self._is_paused = False  # whoever takes the answer has enough for now
        self._is_tunnel = self._keeps = False
        self._has_ended = False  # a tunnel's other end has: no more bytes will come
        self.answers = 0
        self.is_doubtful = False
        self.is_closed = False

    def _take(self) -> None:
        """Look at what has come."""
        self._is_heard = True
        try:
            if self._asker is None:
                log.warning("%s said something that was not asked for; closing it", self.origin.peer)
                self.close()
            elif self._decoder is None:
                self._take_head()
            else:
                self._take_body()
        except ProtocolError as error:
            self._fail(ClientError(502, f"its answer is malformed: {error.reason}"))

    def _on_eof(self) -> None:
        decoder, taker = self._decoder, self._taker
        if self._asker is None:
            self.close()
        elif not isinstance(decoder, UntilCloseBody) or taker is None:
            where = "in the middle of its answer" if self._is_heard else "without an answer"
            self._on_broken(f"it closed the connection {where}")
        elif self._is_tunnel:  # what is still to be sent may be sent
            self._has_ended = True
            taker.on_end(None)
        else:
            decoder.end()
            self._release(False)
            taker.on_end(None)

    def _on_broken(self, reason: str) -> None:
        if self._asker is None:
            self.close()
        else:
            self._fail(ClientError(502, reason, is_unheard=not self._is_heard))

    def _take_head(self) -> None:
        inbox, asker = self._inbox, self._asker
        head = self._parser.take(inbox, 0, self._method)
        if head is None or asker is None:
            return
        if head.status < 200 and head.status != 101:
            self._take_interim(head, asker)
            return
        begin = self._parser.end
        length = head.length
        self.is_doubtful = not length
        if 0 <= length <= len(inbox) - begin and head.status != 101:  # nearly always: all of it is here
            self._inbox = inbox[begin + length :]
            self._release(head.keep_alive)
            asker.on_answer(head, bytes(inbox[begin : begin + length]), True)
            return
        self._keeps = head.keep_alive
        self._is_tunnel = head.status == 101
        decoder = self._decoder = _decoder(length, self._is_tunnel)
        self._inbox = inbox[begin + decoder.feed(inbox, begin, STEPS) :]
        if decoder.is_complete and decoder.trailers is None:
            self._release(head.keep_alive)
            asker.on_answer(head, decoder.take(), True)
            return
        taker = self._taker = asker.on_answer(head, decoder.take(), False)
        if taker is None:
            self.close()
        else:
            self._look_behind(decoder, taker)

    def _take_interim(self, head: ResponseHead, asker: Asker) -> None:
        self._interims += 1
        if self._interims > INTERIMS:
            raise ProtocolError(502, f"more than {INTERIMS} interim responses")
        self._inbox = self._inbox[self._parser.end :]
        asker.on_interim(head)
        if self._inbox and not self.is_closed:
            self._take_head()

    def _take_body(self) -> None:
        decoder, taker = self._decoder, self._taker
        if decoder is None or taker is None:
            return
        self._inbox = self._inbox[decoder.feed(self._inbox, 0, STEPS) :]
        piece = decoder.take()
        if piece:
            taker.on_piece(piece)
        self._look_behind(decoder, taker)

    def _look_behind(self, decoder: "Decoder", taker: Taker) -> None:
        """Whether the body is complete, or more of it is here."""
        if self.is_closed:
            return
        if decoder.is_complete:
            self._release(self._keeps)
            taker.on_end(decoder.trailers)
        elif decoder.has_more and not self._is_paused:
            self._put_off()

    def _release(self, keeps: bool) -> None:
        """The answer is complete: be free for the next request, or close."""
        self._asker = self._taker = self._decoder = None
        self._is_paused = False
        self.answers += 1
        if self._inbox:
            log.warning("%s said more than was asked for; closing it", self.origin.peer)
            self.close()
        elif keeps and self._is_asked:
            self._be_free()
        else:
            self.close()

    def _fail(self, error: ClientError) -> None:
        asker, taker = self._asker, self._taker
        self.close()
        if taker is not None:
            taker.on_failure(error)
        elif asker is not None:
            asker.on_failure(error)

    # What the ClientConnection does.

    def _put_off(self) -> None:
        """Go on with what is here when others had their turn."""
        raise NotImplementedError

    def _be_free(self) -> None:
        """The answer is complete, and another request may follow as far as it is concerned."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


def _decoder(length: int, is_tunnel: bool) -> Decoder:
    """What reads a body of `length`, as `framing` has it."""
    if length == CHUNKED:
        return ChunkedBody(0)
    return LengthBody(length) if length > 0 and not is_tunnel else UntilCloseBody()
