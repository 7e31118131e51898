"""Middleware: what is done around a handler, for every request, without the handler knowing.

    @middleware
    def signed(request: Request) -> Steps:
        if "authorization" not in request.headers:
            return Response(401, "who are you?\n")  # the handler is not asked, the body not read
        response = yield  # the handler answers: now, later, or after a body sink
        return response.with_headers({"X-Signed": "yes"})

    handler = compose(hello, request_id, signed)  # request_id is the outermost

Law: a middleware is a generator that yields once. What stands before the `yield` runs at the head, on the reactor's
thread; what stands behind it runs where the answer is given, which may be another thread. An exception of the
handler's is raised at the `yield`. An Upgrade passes untouched, and where nobody waits for the answer any more the
generator is closed: `try … finally` around the `yield` sees both.
"""

import inspect
import re
from collections.abc import Callable, Generator
from functools import partial, update_wrapper
from secrets import token_hex
from time import perf_counter
from typing import Any

from reactor import Answer, BodySink, Handler, Headers, Later, Request, Response, Upgrade

from ._around import Around, SinkAround, at_head

Steps = Generator[None, Response, Answer]
Wrap = Callable[[Handler], Handler]

_SANE_ID = re.compile(r"[0-9A-Za-z._-]{1,64}")


def middleware(steps: Callable[[Request], Steps]) -> Wrap:
    """Make a `wrap(handler) -> handler` of a generator function; see above."""
    if not inspect.isgeneratorfunction(steps):
        raise TypeError(f"{steps.__qualname__} has no yield: a middleware yields once, where the handler is asked")

    def wrap(inner: Handler) -> Handler:
        return Wrapped(steps, inner)

    return update_wrapper(wrap, steps)


def compose(handler: Handler, *wraps: Wrap) -> Handler:
    """`handler` inside all of `wraps`, the first outermost: it sees a request first and its answer last."""
    for wrap in reversed(wraps):
        handler = wrap(handler)
    return handler


@middleware
def request_id(request: Request) -> Steps:
    """Give each request an id: the caller's X-Request-ID if it is sane, else a new one; the answer tells it.

    The handler finds it in `request.headers`: there it also reaches what passes a request on, and there an id from
    outside that would forge log lines is replaced.
    """
    given = request.headers.get("x-request-id", "")
    name = given if _SANE_ID.fullmatch(given) else token_hex(16)
    if name != given:
        others = [pair for pair in request.headers.pairs if pair[0].lower() != b"x-request-id"]
        request.headers = Headers([*others, (b"X-Request-ID", name.encode())])
    response = yield
    return response.with_headers({"X-Request-ID": name})


@middleware
def timing(request: Request) -> Steps:
    """Tell how long the answer took, from the head's arrival on, as browsers' developer tools show it."""
    began = perf_counter()
    response = yield
    return response.with_headers({"Server-Timing": f"app;dur={(perf_counter() - began) * 1000:.1f}"})


class Wrapped(Around):
    """A handler inside a middleware."""

    def __init__(self, steps: Callable[[Request], Steps], inner: Handler) -> None:
        super().__init__(inner)
        self._steps = steps

    def on_head(self, request: Request) -> Answer | BodySink:
        steps = self._steps(request)
        try:
            next(steps)
        except StopIteration as early:
            return _checked_answer(steps, early.value)
        try:
            verdict: Any = at_head(self.inner, request)
        except Exception as error:
            verdict = error
        is_sink = not isinstance(verdict, (Response, Later, Upgrade, Exception))
        answer: Answer | BodySink = _Sink(steps, verdict) if is_sink else _change(steps, verdict)
        return answer


class _Sink(SinkAround):
    """The inner handler's sink, whose answer goes through the middleware."""

    __slots__ = ("_steps",)

    def __init__(self, steps: Steps, inner: BodySink) -> None:
        super().__init__(inner)
        self._steps = steps
        if self.early is not None:
            self.early = _change(steps, self.early)

    def feed(self, data: bytes) -> Any:
        try:
            said = self.inner.feed(data)
        except Exception as error:
            return self._failed(error)
        return self._said(said)

    def _said(self, said: Any) -> Any:
        if isinstance(said, Later):
            return said.then(self._said, self._failed)
        if isinstance(said, (Response, Upgrade)):
            self.end()  # it has answered
            if self.early is not None and self.early.is_answered:
                return said  # in that way: this says that it has enough
        return _change(self._steps, said)

    def _failed(self, error: BaseException) -> Any:
        """The middleware may make an answer of it: then nobody but us learns that the sink failed."""
        self.abort()
        return _change(self._steps, error)

    def finish(self) -> Any:
        if self.early is not None:
            super().finish()
            return self.early
        try:
            answer: Any = super().finish()
        except Exception as error:
            answer = error
        return _change(self._steps, answer)


def _change(steps: Steps, answer: Any) -> Any:
    """What the middleware makes of an answer or an exception, now or later; all else is not its concern."""
    if isinstance(answer, Later):
        change = partial(_change, steps)
        return answer.then(change, change)
    if not isinstance(answer, (Response, BaseException)):
        return answer
    try:
        if isinstance(answer, Response):
            steps.send(answer)
        else:
            steps.throw(answer)
    except StopIteration as end:
        return _checked_answer(steps, end.value)
    raise RuntimeError(f"middleware {_name(steps)} yielded twice: it yields once, where the handler is asked")


def _checked_answer(steps: Steps, answer: Any) -> Answer:
    if isinstance(answer, (Response, Later, Upgrade)):
        return answer
    raise TypeError(
        f"middleware {_name(steps)} returned {type(answer).__name__}: it returns the response, changed or as it was"
    )


def _name(steps: Steps) -> str:
    return getattr(steps, "__qualname__", "")
