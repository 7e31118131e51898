"""How a handler asks another that it holds, as routers, middleware and pools do: at the head, then for the body.

Law: whoever holds a handler asks its `on_head` first, for every request, so that a check placed there cannot be
passed by. What `on_head` leaves open is a body sink here: its `finish` is where the work is done. A sink is finished
or aborted, or gives the answer itself, and whoever learns that it failed aborts it; that is done once, however many
learn it.
"""

import logging
from functools import partial
from typing import Any

from reactor import Answer, BodySink, Collector, Handler, Later, Request, Response, Upgrade, as_handler, handler_name

log = logging.getLogger("reactor")


def at_head(handler: Handler, request: Request) -> Answer | BodySink:
    """What `handler` says to the head of `request`: an answer, or where its body goes, if only to be collected."""
    on_head = getattr(handler, "on_head", None)
    verdict = None if on_head is None else on_head(request)
    return Collector(handler, request) if verdict is None else verdict


def with_body(verdict: Answer | BodySink, request: Request) -> Answer:
    """The answer that follows from what was said to the head of `request`, whose body is here already."""
    if isinstance(verdict, (Response, Later, Upgrade)):
        return verdict
    body = request.body
    if not body:
        return verdict.finish()
    sink = SinkAround(verdict)
    limit = getattr(verdict, "limit", 0)
    if limit and len(body) > limit:
        sink.abort()
        return Response(413, f"the body is larger than {limit} bytes\n")
    try:
        said = verdict.feed(body)
    except BaseException:
        sink.abort()
        raise
    return _heed(sink, said)


def _heed(sink: "SinkAround", said: Any) -> Answer:
    """The answer that follows from what `sink` said to its body."""
    if said is None:
        return sink.finish()
    if not isinstance(said, Later):
        sink.end()  # it has answered
        answer: Answer = said
        return answer
    later = said.then(partial(_heed, sink), partial(_fail, sink))

    def give_up() -> None:
        said.abandon()
        sink.abort()

    later.on_abandon = give_up
    return later


def _fail(sink: "SinkAround", error: BaseException) -> BaseException:
    sink.abort()
    return error


class SinkAround:
    """A body sink around another, `inner`, whose limit and `early` it has. `finish` and `abort` may come at once, from
    the loop and from a thread that answers: the first of them is passed on.
    """

    __slots__ = ("_open", "early", "inner")

    def __init__(self, inner: BodySink) -> None:
        self.inner = inner
        self.early: Later | None = getattr(inner, "early", None)
        self._open = [inner]  # until it is over; to pop from a list is one step, whatever the threads do

    @property
    def limit(self) -> int:
        return self.inner.limit  # type: ignore[attr-defined,no-any-return]  # AttributeError where it has none

    def feed(self, data: bytes) -> Any:
        return self.inner.feed(data)

    def finish(self) -> Answer:
        return self.inner.finish() if self.end() else Response(500)  # aborted: nobody waits for an answer

    def abort(self) -> None:
        """What it raises is logged and changes nothing."""
        if self.end():
            try:
                self.inner.abort()
            except Exception:
                log.exception("%s raised in abort", type(self.inner).__qualname__)

    def end(self) -> bool:
        """From now on it is over; False: it was."""
        try:
            self._open.pop()
        except IndexError:
            return False
        return True


class Around:
    """A handler around another, `inner`. What it does not do itself is the inner one's, where that has it:
    `startup`, `shutdown`, `on_datagram`, `takes_connect`, and its name in the log.
    """

    def __init__(self, inner: Handler) -> None:
        self.inner = checked(inner)
        self.__module__, _, self.__qualname__ = handler_name(inner).rpartition(".")

    def on_head(self, request: Request) -> Answer | BodySink:
        """Never None: so the server, which asks here first, has no need of `__call__`."""
        return at_head(self.inner, request)

    def __call__(self, request: Request) -> Answer:
        return with_body(self.on_head(request), request)

    def __getattr__(self, name: str) -> Any:
        if name in ("startup", "shutdown", "on_datagram", "takes_connect"):
            return getattr(self.inner, name)
        raise AttributeError(f"{type(self).__name__} object has no attribute {name!r}")


def checked(handler: Handler) -> Handler:
    """`handler`, if it can be one, or what runs it, if it is async; TypeError says what it is instead."""
    if isinstance(handler, type):
        raise TypeError(f"{handler.__name__} is a class, and a handler is an instance: {handler.__name__}(…)")
    if not callable(handler):
        raise TypeError(f"a handler is called with a request; {handler!r} cannot be called")
    return as_handler(handler)
