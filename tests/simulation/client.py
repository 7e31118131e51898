"""A client of the simulation: does what its script says, and judges every byte, every end and every silence it gets.

Law: it knows nothing of the server's insides. It judges by what was sent, what the kernel handed over, and the clock.
"""

from math import inf

from reactor.settings import Settings

from .application import PROTOCOL_TIMEOUT, Application
from .kernel import Kernel, Listening, Stream
from .plan import Ask, Script

SLACK = 2.001  # seconds that a deadline may be late: there is a tick a second, and one may just have been
EARLY = 0.001
ENDLESS = ("stream", "stream-later", "stream-raises", "later-stream", "duplex-stream",
           "duplex-pauses")  # answers whose length nobody says
REFUSALS = (400, 408, 413, 414, 417, 431, 501, 503, 505)


class Client:
    """Attributes: `answered` (how many requests have had their answer, wholly), `served` (the tokens of those that a
    handler answered), `stream`, `unread` (bytes here that it has not read), `is_gone` (it closed or reset: nothing is
    judged any more), `is_served` (a connection was made for it), `is_over` (the server closed), `was_reset` (in that
    way), `drained_at` (when the server was told to stop; inf: it was not).
    """

    def __init__(self, kernel: Kernel, script: Script, application: Application, settings: Settings) -> None:
        self.name = script.name
        self.drained_at = inf
        self.answered = 0
        self.served: list[str] = []
        self.stream: Stream | None = None
        self.is_gone = False
        self.is_over = False  # the server closed
        self.was_reset = False
        self._kernel = kernel
        self._script = script
        self._application = application
        self._settings = settings
        self._bytes = b"".join(ask.head + ask.payload for ask in script.asks)
        self._ends: list[int] = []
        for ask in script.asks:
            self._ends.append((self._ends[-1] if self._ends else 0) + ask.size)
        self._sent = 0
        self._pauses = 0
        self._reader = Reader(self)
        self._accepted_at = self._answered_at = self._touched = self._heard_at = inf
        self._is_accepted = False
        self.is_served = False
        self._began: dict[int, float] = {}  # by request: when its first byte was read
        self._headed: dict[int, float] = {}  # and when its head was
        self._fin_at = self._owed_since = inf
        self._owed_from = 0
        self._written = 0
        self.unread = 0  # bytes here that the client has not read
        self._read_at: list[tuple[float, int]] = []  # when it read how many
        self._is_reading = self._is_waiting = False
        self._said_goodbye_at = self._queued_at = inf
        self._paused_at = 0.0  # when the server last waited for something that is not the client's
        self._next = 0  # the request that may be dispatched next
        self._dispatched: set[tuple[str, str]] = set()

    # What it does.

    def begin(self, listener: Listening) -> None:
        self.stream = listener.connect(self, (self._script.host, 5000), self._script.window)
        if self.stream is None:
            self.is_gone = True
            return
        self._kernel.say(
            self.name, f"connects, and will say {[(ask.kind, ask.method, ask.size) for ask in self._script.asks]}"
        )
        self._queued_at = self._kernel.now
        if self._script.sends:
            self._pause_then_send()
        else:
            self._finish_sending()

    def _pause_then_send(self) -> None:
        self._pauses += 1
        pause = self._pauses
        self._kernel.at(self._kernel.random.choice(self._script.pauses), lambda: self._send(pause))

    def hurry(self) -> None:
        """It sends now what it would have sent soon."""
        if self.stream is not None and self._sent < self._script.sends and not self._is_waiting:
            self._send(self._pauses)

    def _send(self, pause: int) -> None:
        """The next piece; then the next one, unless it waits for something."""
        assert self.stream is not None
        if self.is_gone or self.is_over or pause != self._pauses:
            return
        until = min(self._sent + self._kernel.random.randint(1, self._script.cut), self._script.sends)
        stop = self._stop()
        if stop is not None:
            until = min(until, stop)
        if until > self._sent:
            data = self._bytes[self._sent : until]
            self._sent = until
            self._touched = self._kernel.now
            self._kernel.say(self.name, f"sends {len(data)} bytes {data[:60]!r}")
            self.stream.arrive(data)
        if self._sent == self._script.sends:
            self._finish_sending()
        elif stop is None or self._sent < stop:
            self._pause_then_send()
        else:
            self._is_waiting = True

    def _stop(self) -> int | None:
        """How far it may go before it waits for the server: for an answer, or for the 100."""
        for index, ask in enumerate(self._script.asks):
            begin = self._ends[index] - ask.size
            if ask.expects and self._reader.continued <= index and self.answered <= index:
                return begin + len(ask.head)
            if self._script.is_polite and self.answered <= index:
                return self._ends[index]
        return None

    def wake(self) -> None:
        """An answer, or a 100, has come."""
        if self._is_waiting:
            self._is_waiting = False
            self._pause_then_send()

    def _finish_sending(self) -> None:
        match self._script.ending:
            case "half-closes":
                self._kernel.at(0, self._half_close)
            case "leaves":
                self._kernel.at(self._script.patience, self.leave)
            case "resets":
                self._kernel.at(self._script.patience, self._reset)

    def _half_close(self) -> None:
        if not self.is_gone and self.stream is not None:
            self._kernel.say(self.name, "half-closes")
            self._said_goodbye_at = self._kernel.now
            self.stream.end()

    def leave(self) -> None:
        if not self.is_gone and self.stream is not None:
            self._kernel.say(self.name, "leaves")
            self.is_gone = True
            if self.unread:
                self.stream.reset()
            else:
                self.stream.leave()

    def _reset(self) -> None:
        if not self.is_gone and self.stream is not None:
            self._kernel.say(self.name, "resets")
            self.is_gone = True
            self.stream.reset()

    def _read(self) -> None:
        """Take some of what has come; again, while there is more."""
        self._is_reading = False
        if self.stream is None or self.is_gone:
            return
        count = min(self.unread, self._script.reads)
        self.unread -= count
        self._read_at.append((self._kernel.now, count))
        self.stream.read(count)
        self._touched = self._kernel.now
        self._read_on()

    def _read_on(self) -> None:
        if self.unread and not self._is_reading and self._script.reads:
            self._is_reading = True
            self._kernel.at(self._script.every, self._read)

    # What the server does, as the kernel tells it.

    def on_accept(self, stream: Stream) -> None:
        self._is_accepted = True
        self._accepted_at = self._touched = self._answered_at = self._kernel.now

    def on_taken(self, count: int) -> None:
        assert self.stream is not None
        self._touched = self._heard_at = self._kernel.now
        received = self.stream.received
        if self.answered and received - count < self._ends[self.answered - 1] <= received:
            self._paused_at = self._kernel.now  # the rest of a body that was answered before
        for index in range(self.answered, len(self._ends)):
            begin = self._ends[index] - self._script.asks[index].size
            if begin >= received:
                break
            if index not in self._began:
                self._began[index] = self._kernel.now
            if index not in self._headed and received >= begin + len(self._script.asks[index].head):
                self._headed[index] = self._kernel.now

    def on_data(self, data: bytes) -> None:
        self._touched = self._kernel.now
        self._written += len(data)
        if self._script.window < 1 << 30:  # else it reads all, at once
            self.unread += len(data)
            self._read_on()
        if not self.is_gone and self.is_served:
            self._reader.feed(data)

    def on_end(self, is_reset: bool, is_closed: bool) -> None:
        assert self.stream is not None
        was_over, had_fin = self.is_over, self._fin_at < inf
        self.is_over = self.is_over or is_closed
        self.was_reset = self.was_reset or is_reset
        if self.is_gone or was_over or not self._is_accepted or self.stream.is_disturbed:
            if (
                not self._is_accepted
                and not self.is_gone
                and not was_over
                and self._kernel.now > self._kernel.starved_at
            ):
                self.fail("was reset while it waited to be accepted")
            return
        if not self.is_served:
            if not self._settings.limit_per_client:
                self.fail("was turned away, and nothing is limited")
            return
        is_late = self._kernel.now >= self.drained_at + self._settings.timeout_graceful_shutdown - EARLY
        if is_reset and self._reader.has_closed and not had_fin and not is_late:
            self.fail("a reset destroys an answer that was the last")
        if is_reset:
            self._judge_reset()
        elif not had_fin:
            self._judge_end()
        if not is_closed:
            self._fin_at = self._kernel.now
            self._kernel.at(self._kernel.random.choice((0.0, 0.5, 3.0, 30.0)), self.leave)

    # The laws.

    def fail(self, what: str) -> None:
        self._kernel.fail(f"{self.name}: {what}")

    def ask_of(self, token: str) -> tuple[int, Ask]:
        for index, ask in enumerate(self._script.asks):
            if ask.token == token:
                return index, ask
        raise LookupError(token)

    def on_dispatch(self, when: str, token: str) -> None:
        """A handler is about to see the head, or the whole, of a request: in order, once, and not before it is here."""
        assert self.stream is not None
        index, ask = self.ask_of(token)
        if (when, token) in self._dispatched:
            self.fail(f"{ask.kind} {token} was dispatched twice ({when})")
        self._dispatched.add((when, token))
        begin = self._ends[index] - ask.size
        if self.stream.received < (begin + len(ask.head) if when == "head" else self._ends[index]):
            self.fail(f"{ask.kind} {token} was dispatched ({when}) before it was complete")
        if ask.what.is_bad and when == "whole":
            self.fail(f"{ask.kind} {token} was dispatched, and is no request")
        # With a limit on concurrency, those in between may have been turned away.
        if when == "head" and index != self._next and not (self._settings.limit_concurrency and index > self._next):
            self.fail(f"{ask.kind} {token} was dispatched out of turn: {self._next} is next")
        self._next = index + 1
        waiting = [name for name, other in self._application.open.items() if self._is_before(other, index)]
        if waiting:
            self.fail(f"{ask.kind} {token} was dispatched while {waiting} is being worked on")

    def _is_before(self, token: str, index: int) -> bool:
        name, _, number = token.partition("r")
        return name == self.name and int(number) < index

    @property
    def expected(self) -> Ask | None:
        """What the next answer is to; None: nothing more is owed."""
        asks = self._script.asks
        return asks[self.answered] if self.answered < len(asks) else None

    def check_status(self, status: int) -> None:
        """A final status for the request whose turn it is: is that its answer, and may it come now?"""
        assert self.stream is not None
        ask, settings, now = self.expected, self._settings, self._kernel.now
        index = self.answered
        received = self.stream.received
        if ask is None:
            self.fail(f"a {status} that nobody asked for")
            return
        begin = self._ends[index] - ask.size
        network = self._application.network
        if status == 503 and settings.limit_concurrency:
            if network is not None:
                return  # what is passed on is worked on as well
            is_prompt = self._owed_since == inf  # else it may have been true when it was said
            if is_prompt and not self._application.promised and self._application.was_promised_at != now:
                self.fail("503, and nothing is being worked on")
            return
        if status == 408:
            if (
                ask.expects
                and self._is_waiting
                and index in self._headed
                and self._reader.continued <= index
                and not ask.what.is_early
            ):
                self.fail(f"{ask.kind} {ask.token} was never told to continue")
            if received >= self._ends[index] and not ask.what.is_bad:
                self.fail(f"408 for {ask.kind} {ask.token}, which is complete")
            in_body = index in self._headed
            since = max(self._headed[index] if in_body else min(self._began.get(index, inf), now), self._answered_at)
            timeout = settings.timeout_body if in_body else settings.timeout_header
            if not in_body and not index:
                since = min(since, self._accepted_at)
            if not timeout or now < since + timeout - EARLY:
                self.fail(f"408 for {ask.kind} {ask.token} after {now - since} s, {'body' if in_body else 'head'}")
            return
        if ask.what.is_passed and network is not None and (status in (503, 504) or 502 == status != ask.status):
            if not network.may_fail(ask.token, status):
                self.fail(f"{status} for {ask.method} {ask.kind} {ask.token} without a reason")
            return
        if status != ask.status:
            self.fail(f"{status} for {ask.kind} {ask.token}, which is answered with {ask.status}")
        needed = begin + len(ask.head) if ask.what.is_early or ask.what.is_bad else self._ends[index]
        if ask.kind == "bad":
            needed = begin + 1
        if received < needed:
            self.fail(f"{status} for {ask.kind} {ask.token} before it was complete")

    def on_answer(self, status: int) -> None:
        """The answer whose turn it was has come, wholly."""
        if status not in REFUSALS:
            self.served.append(self._script.asks[self.answered].token)
        self.answered += 1
        self._answered_at = self._kernel.now
        self.wake()

    def must_close(self, ask: Ask, status: int) -> bool:
        """Whether the answer to `ask` has to be the last."""
        limit = self._settings.limit_requests_per_connection
        # A body of unknown length ends with the connection, for HTTP/1.0.
        is_endless = ask.is_old and ask.kind in ENDLESS and status in (200, 202) and ask.method != "HEAD"
        is_last = 0 < limit <= self.answered + 1
        return ask.wants_close or (status in REFUSALS and status != 503) or is_last or is_endless

    def may_close(self, ask: Ask, status: int) -> bool:
        """Whether it may be the last for a reason that does not show in it: a stop, or a body that nobody wants."""
        return (
            self._kernel.now >= self.drained_at
            or (bool(ask.payload) and (ask.what.is_early or status == 503))
            or ask.what.is_bad
            or (ask.is_old and ask.what.is_passed)  # whether its length was known is the upstream's affair
        )

    def has_said_method(self) -> bool:
        """Whether the server can know the method of the request whose turn it is."""
        ask = self._script.asks[self.answered]
        return self.stream is not None and self.stream.received >= self._ends[self.answered] - ask.size + len("HEAD ")

    def upgraded_bytes(self) -> bytes:
        """What the server has read since it speaks another protocol."""
        assert self.stream is not None
        return self._bytes[self._ends[self.answered - 1] : self.stream.received]

    def _judge_end(self) -> None:
        """FIN, or a close without one: nothing may be lost."""
        assert self.stream is not None
        stream, settings, now = self.stream, self._settings, self._kernel.now
        self._reader.end()
        self._judge_tunnel()
        if self._reader.has_closed or self._reader.is_upgraded:
            return
        last = self._script.asks[self.answered - 1] if self.answered else None
        here = stream.received + len(stream.inbound)
        if last is not None and (
            len(last.payload) > settings.limit_discard or stream.received < self._ends[self.answered - 1]
        ):
            return  # more of a body that nobody wants than is worth the connection, or it did not come in time
        if last is not None and last.what.is_bad:
            return  # it was turned away (503) before its body, which is malformed, was looked at
        ask = self.expected
        if ask is not None and here >= self._ends[self.answered] and not stream.was_put_off:
            self.fail(f"closed, and {ask.kind} {ask.token} is here and not answered")
        if stream.has_ended or now >= self.drained_at:
            return
        timeout = settings.timeout_keep_alive if self.answered else settings.timeout_header
        if self.answered and self._kernel.is_crowded():
            timeout = EARLY  # somebody else had need of its place
        if ask is not None and here > self._ends[self.answered] - ask.size and not stream.was_put_off:
            self.fail(f"closed, and {ask.kind} {ask.token} had begun")
        if not timeout or now < self._answered_at + timeout - EARLY:
            self.fail(f"closed after {now - self._answered_at} s of silence")

    def _judge_tunnel(self) -> None:
        """What the upstream said in a tunnel has arrived before the tunnel's end."""
        network, now = self._application.network, self._kernel.now
        if network is None or not self._reader.is_upgraded or now >= self.drained_at:
            return
        token = self._script.asks[self.answered - 1].token
        if token in network.switched and self._reader.echoed < network.taken(token):
            self.fail(f"the tunnel of {token} ends after {self._reader.echoed} of {network.taken(token)} bytes")

    def _is_passing(self) -> bool:
        """Whether an answer that is the upstream's breaks off, or may."""
        network = self._application.network
        if network is None:
            return False
        return any(
            ask.what.is_passed
            and ("head", ask.token) in self._dispatched
            and (network.may_fail(ask.token, 0) or self._has_stopped_sending(index))
            for index, ask in enumerate(self._script.asks)
            if index >= self.answered
        )

    def _has_stopped_sending(self, index: int) -> bool:
        """Whether the body of a request is waited for no more: then its answer breaks off as well."""
        assert self.stream is not None
        is_late = self._kernel.now >= self._headed[index] + self._settings.timeout_body - EARLY
        return self.stream.received < self._ends[index] and (self.stream.has_ended or is_late)

    def _judge_reset(self) -> None:
        """A reset must have a reason."""
        assert self.stream is not None
        settings, now = self._settings, self._kernel.now
        ask = self.expected
        if self.stream.was_put_off or self._is_passing():
            return
        if ask is not None and ask.what.may_break and self._reader.is_inside:
            return
        if now >= self.drained_at + settings.timeout_graceful_shutdown - EARLY:
            return
        if self._fin_at < inf and (
            now >= self._fin_at + (settings.timeout_linger or inf) - EARLY or self.stream.has_hung_up()
        ):
            return
        if self._reader.is_upgraded and self.stream.has_ended:
            return
        if self._is_upgraded() and now >= self._heard_at + PROTOCOL_TIMEOUT - EARLY:
            return
        if settings.timeout_write and now >= self._owed_since + settings.timeout_write - EARLY:
            if self._reads_steadily():
                self.fail("reads fast enough, and is cut off")
            return
        self.fail(f"reset without a reason, at {ask and ask.kind} {ask and ask.token}")

    def _reads_steadily(self) -> bool:
        """Whether it has read twice the least rate of late, in every part of the time that it is given."""
        part = self._settings.timeout_write / 4
        needed = max(2 * self._settings.least_rate * part, 1)
        begin = self._kernel.now - 4 * part
        parts = [0] * 4
        for moment, count in self._read_at:
            if moment >= begin:
                parts[min(int((moment - begin) / part), 3)] += count
        return min(parts) >= needed

    def _is_upgraded(self) -> bool:
        """Whether another protocol is spoken, though the 101 may stand behind answers that have not left yet."""
        network = self._application.network
        if network is not None and any(ask.token in network.switched for ask in self._script.asks):
            return True
        return self._reader.is_upgraded or any(
            name.startswith(f"the protocol of {self.name}r") for name in self._application.open
        )

    def check(self, is_writing: bool) -> None:
        """After every turn: has the server let a deadline pass, or forgotten us? `is_writing`: it waits for room."""
        stream, now, settings = self.stream, self._kernel.now, self._settings
        if (
            stream is None
            or not self._is_accepted
            or self.is_over
            or self.is_gone
            or stream.is_dead
            or stream.is_disturbed
        ):
            return
        if not is_writing:
            self._owed_since = inf
        elif self._owed_since == inf:
            self._owed_since, self._owed_from = now, self._written - self.unread
        elif settings.timeout_write and not self._is_upgraded():
            bought = (
                (self._written - self.unread - self._owed_from) / settings.least_rate if settings.least_rate else inf
            )
            due = min(self._owed_since + bought, max(self._touched, self._owed_since)) + settings.timeout_write
            if now > due + SLACK:
                self.fail(f"does not read, and is kept for {now - self._owed_since} s")
        if self._fin_at < inf:
            if settings.timeout_linger and now > self._fin_at + settings.timeout_linger + SLACK:
                self.fail("lingers for ever")
            return
        application = self._application
        touched = max(self._touched, application.touched.get(self.name, 0.0))
        if is_writing or any(name.startswith(f"the promise of {self.name}r") for name in application.promised):
            self._paused_at = now
            return
        if self._reader.is_upgraded:
            if now > touched + PROTOCOL_TIMEOUT + SLACK:
                self.fail("speaks another protocol in silence for ever")
            return
        index, ask = self.answered, self.expected
        if index and stream.received < self._ends[index - 1]:  # answered early: the rest is still to come
            index, ask = index - 1, self._script.asks[index - 1]
        if ask is not None and ask.what.is_passed and ("head", ask.token) in self._dispatched:
            self._check_passed(index, ask, max(touched, self._paused_at, self._answered_at))
            return
        if index < self.answered:
            pass
        elif ask is not None and stream.received + len(stream.inbound) >= self._ends[index] and stream.room:
            if now > max(touched, self._paused_at) + SLACK and not ask.what.is_silent:
                self.fail(f"{ask.kind} {ask.token} is here, and the server does nothing")
            return
        since = max(self._answered_at, self._paused_at)
        if ask is None or stream.received <= self._ends[index] - ask.size:
            timeout = settings.timeout_keep_alive if index else settings.timeout_header
            if now > max(self.drained_at, since) + SLACK and not stream.inbound:
                self.fail("is idle, and a stop waits for it")
            if (timeout and now > since + timeout + SLACK) or now > max(self._said_goodbye_at, since) + SLACK:
                self.fail(f"is idle, and kept for {now - since} s")
        elif index not in self._headed:
            if settings.timeout_header and now > max(since, self._began[index]) + settings.timeout_header + SLACK:
                self.fail(f"has not said its head, and is kept for {now - self._began[index]} s")
        elif settings.timeout_body and settings.least_rate:
            began = max(since, self._headed[index])
            if now > began + ask.size / settings.least_rate + settings.timeout_body + SLACK:
                self.fail(f"has not sent its body, and is kept for {now - began} s")

    def _check_passed(self, index: int, ask: Ask, touched: float) -> None:
        """A request that is complete, and was passed on: the upstream speaks, or a timeout ends it."""
        network = self._application.network
        assert network is not None
        assert self.stream is not None
        if self.stream.received < self._ends[index]:
            self._paused_at = self._kernel.now  # its body is the server's to wait for, and the upstream's to take
        elif self._kernel.now > network.due(ask.token, touched) + SLACK:
            self.fail(f"{ask.kind} {ask.token} was passed on, and nothing becomes of it")

    def check_queue(self, room_since: float, patience: float) -> None:
        """Nobody waits to be accepted for longer than `patience` (seconds) where there is room since then."""
        is_starving = self._kernel.now <= self._kernel.starved_at + SLACK
        if self._is_accepted or self.is_gone or self.stream is None or self.is_over or is_starving:
            self._queued_at = self._kernel.now
        elif self._kernel.now > max(self._queued_at, room_since) + patience:
            self.fail("waits to be accepted, and there is room")


class Reader:
    """Reads what the server sends, strictly, and says at each answer what is wrong with it.

    Attributes: `continued` (index behind the last request that was told to continue), `has_closed` (an answer said
    that it was the last), `is_inside` (an answer has begun and not ended), `is_upgraded`, `echoed` (bytes of the other
    protocol that have come).
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._buffer = bytearray()
        self._framing = ""  # of the answer that is being read: "length", "chunked" or "close"; "": its head
        self._left = 0
        self._body = bytearray()
        self._status = 0
        self.echoed = 0
        self._will_close = False
        self.continued = 0
        self.has_closed = self.is_upgraded = False

    @property
    def is_inside(self) -> bool:
        return bool(self._framing or self._buffer)

    def feed(self, data: bytes) -> None:
        if self.has_closed:
            self._client.fail(f"says {data[:60]!r} after its last answer")
        self._buffer += data
        while self._step():
            pass

    def end(self) -> None:
        """FIN: an answer that goes to the end of the connection is complete; another must be."""
        if self._framing == "close":
            self._finish()
        elif self.is_inside:
            self._client.fail(f"ends in the middle of an answer: {self._framing} {bytes(self._buffer[:60])!r}")

    def _step(self) -> bool:
        buffer = self._buffer
        if self.is_upgraded:
            return self._step_upgraded()
        if not self._framing:
            return self._step_head()
        if self._framing in ("close", "broken"):
            self._body += buffer
            buffer.clear()
            return False
        if self._framing == "length":
            taken = buffer[: self._left]
            del buffer[: self._left]
            self._body += taken
            self._left -= len(taken)
            if self._left:
                return False
            self._finish()
            return bool(buffer)
        end = buffer.find(b"\r\n")
        if end < 0:
            return False
        size = int(buffer[:end], 16)
        if len(buffer) < end + 4 + size:
            return False
        if buffer[end + 2 + size : end + 4 + size] != b"\r\n":
            self._client.fail("a chunk that does not end with CRLF")
        self._body += buffer[end + 2 : end + 2 + size]
        del buffer[: end + 4 + size]
        if not size:
            self._finish()
        return bool(buffer)

    def _step_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        if not lines[0].startswith(b"HTTP/1.1 ") or not lines[0][9:12].isdigit():
            self._client.fail(f"no status line: {lines[0]!r}")
        self._status = status = int(lines[0][9:12])
        fields = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines[1:])}
        if len(fields) != len(lines) - 1:
            self._client.fail(f"a field twice: {lines}")
        ask = self._client.expected
        if status == 103 and ask is not None and ask.kind in ("pass-interim", "pass-garbage") and not ask.is_old:
            return bool(self._buffer)
        if status == 100:
            if ask is None or not ask.expects or self.continued > self._client.answered:
                self._client.fail("a 100 that nobody waits for")
            self.continued = self._client.answered + 1
            self._client.wake()
            return bool(self._buffer)
        self._client.check_status(status)
        assert ask is not None
        if status == 101:
            self.is_upgraded = True
            self._client.on_answer(status)
            return bool(self._buffer)
        self._will_close = fields.get(b"connection") == b"close"
        if ask.is_old and fields.get(b"connection") != b"keep-alive" and not self._will_close:
            self._client.fail("an answer to HTTP/1.0 that does not say whether it was the last")
        if status in REFUSALS and status != 503 and not self._will_close:
            self._client.fail(f"a {status} that does not close")
        if self._will_close != self._client.must_close(ask, status) and not self._client.may_close(ask, status):
            self._client.fail(f"{status} for {ask.kind} {ask.token}: closes, and need not; or does not, and must")
        self._body.clear()
        has_none = (ask.method == "HEAD" and self._client.has_said_method()) or status in (204, 304)
        if b"transfer-encoding" in fields:
            if fields[b"transfer-encoding"] != b"chunked" or b"content-length" in fields or ask.is_old:
                self._client.fail(f"wrong framing: {lines}")
            self._framing = "chunked"
        elif b"content-length" in fields:
            self._framing, self._left = "length", int(fields[b"content-length"])
        else:
            self._framing = "close"
        if has_none:  # whatever its fields say
            self._framing, self._left = "length", 0
        if self._framing == "close" and not self._will_close:
            self._client.fail("an answer without an end")
        return bool(self._buffer) or not self._left

    def _step_upgraded(self) -> bool:
        said = self._client.upgraded_bytes()[self.echoed : self.echoed + len(self._buffer)]
        if said != self._buffer:
            self._client.fail("the other protocol's bytes are not what was sent")
        self.echoed += len(said)
        self._buffer.clear()
        return False

    def _finish(self) -> None:
        ask = self._client.expected
        assert ask is not None
        self._framing = ""
        if self._status < 300 and ask.method != "HEAD" and self._body != ask.body:
            self._client.fail(
                f"a wrong body for {ask.kind} {ask.token}: {bytes(self._body[:60])!r} ({len(self._body)})"
            )
        if ask.what.may_break and ask.method != "HEAD" and self._status == 200:
            if ask.kind != "stream-long":
                self._client.fail(f"{ask.kind} {ask.token} looks complete, and cannot be")
            self._framing = "broken"  # as long as was promised; that there was more only a reset can tell
            return
        if self._will_close:
            self.has_closed = True
        self._client.on_answer(self._status)
        if self.has_closed and self._buffer:
            self._client.fail(f"says {bytes(self._buffer[:60])!r} after its last answer")
