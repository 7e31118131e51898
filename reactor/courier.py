"""The courier of one connection: bytes from its transport to the inbox, and from the outbox to its transport.

Law: after each errand the state is settled, or the connection is closed, and whoever sent it is told which. It knows
no state and no deadline: those are the Connection's.
"""

import logging
from time import monotonic

from .dialogue import Dialogue
from .http1.errors import ProtocolError
from .outbox import BrokenPromise
from .transport import BODY_SIZE, RECV_SIZE, Transport

log = logging.getLogger("reactor")


class Courier(Dialogue):
    """A dialogue that is carried."""

    __slots__ = ("_is_put_off", "_transport")

    # Set by the Connection, as with the Respondent's.
    _transport: Transport
    _is_put_off: bool  # requests are here, and others have their turn first

    def _receive(self) -> bool:
        """Read once into the inbox. False: nothing came, and what that means has been acted on."""
        recv = self._transport.recv  # in two steps: `transport.recv()` would search the class for a method first
        try:
            exchange = self._exchange
            data = recv(RECV_SIZE if exchange is None or exchange.later is not None else BODY_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            self.close()
            return False
        if not data:
            self._on_goodbye()
            return False
        inbox = self._inbox
        if not inbox:
            self._inbox = data
        elif isinstance(inbox, bytearray):
            inbox += data
        else:
            self._inbox = bytearray(inbox) + data
        return True

    def _on_goodbye(self) -> None:
        """The peer sent FIN: it has said all, and may still listen."""
        self._has_said_goodbye = True
        exchange, waiting = self._exchange, self._outbox.waiting
        if waiting is not None:
            self._quietly(waiting.say_goodbye)
        if exchange is not None and exchange.later is not None:
            self._quietly(exchange.later.say_goodbye)
        elif exchange is not None and not exchange.has_more:
            self._break_off(exchange)
        elif self._link is not None:
            self._feed_protocol(self._link)
        self._settle()

    def _advance(self) -> None:
        """Go on as far as can be gone now: send what is owed, answer what is here, send that; then settle."""
        outbox = self._outbox
        is_behind = outbox.size or outbox.source is not None
        if is_behind:
            if not self._flush():
                return
            is_behind = outbox.size or outbox.source is not None
        try:
            has_more = self._consume()
        except ProtocolError as error:
            has_more = False
            self._refuse(error)
        if self._at == len(self._inbox):
            self._inbox = b""
            self._at = 0
        elif self._at:
            self._inbox = self._inbox[self._at :]
            self._at = 0
        if not is_behind and (outbox.size or outbox.source is not None) and not self._flush():
            return
        if has_more and (self._exchange is not None or (not outbox.size and outbox.source is None)):
            self.put_off()
        self._settle()

    def _flush(self) -> bool:
        """Send what can be sent. False: the connection is closed."""
        outbox = self._outbox
        if outbox.source is not None:
            return self._flush_source()
        try:
            outbox.flush(self._transport)
        except OSError:
            self.close()
            return False
        link = self._link
        if link is not None and not outbox.size:
            link.ask(link.protocol.on_sent)
        return True

    def _flush_source(self) -> bool:
        """The same, where the body of an answer is pulled as it leaves."""
        outbox = self._outbox
        began = monotonic()
        try:
            outbox.pump(self._transport)
        except BrokenPromise as broken:
            name = self._service.name
            if isinstance(broken.__cause__, ConnectionAbortedError):  # its maker gave up, for nobody may be listening
                log.info("the body of an answer of %s broke off: %s", name, broken.__cause__)
            else:
                log.error("the body of an answer of %s broke off: %s", name, broken, exc_info=broken.__cause__)
            try:
                outbox.flush(self._transport)  # what came before it broke
            except OSError:
                pass
            self.abort()
            return False
        except OSError:
            self.close()
            return False
        self._service.blame(monotonic() - began, "in the body of an answer")
        if outbox.waiting is not None:
            if not outbox.size:  # else its bytes wake us, and there is nothing that could be done with the piece
                outbox.waiting.attach(self._wake)
        elif outbox.source is None:
            self._log_source(is_whole=True)
        return True

    def put_off(self) -> None:
        """Bytes already here will not wake us: ask to be called at the end of the turn."""
        if not self._is_put_off:
            self._is_put_off = True
            self._service.reactor.call_soon(self._resume)

    # What the Connection does.

    def _settle(self) -> None:
        """Act on the state that follows from what is owed."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        raise NotImplementedError
