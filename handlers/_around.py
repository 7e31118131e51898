"""How a handler asks another that it holds, as routers, middleware and pools do: at the head, then for the body.

Law: whoever holds a handler asks its `on_head` first, for every request, so that a check placed there cannot be
passed by. What `on_head` leaves open is a body sink here: its `finish` is where the work is done.
"""

from typing import Any

from reactor import Answer, BodySink, Collector, Handler, Later, Request, Response, Upgrade


def at_head(handler: Handler, request: Request) -> Answer | BodySink:
    """What `handler` says to the head of `request`: an answer, or where its body goes, if only to be collected."""
    on_head = getattr(handler, "on_head", None)
    verdict = None if on_head is None else on_head(request)
    return Collector(handler, request) if verdict is None else verdict


def with_body(verdict: Answer | BodySink, request: Request) -> Answer:
    """The answer that follows from what was said to the head of `request`, whose body is here already."""
    if isinstance(verdict, (Response, Later, Upgrade)):
        return verdict
    sink, body = verdict, request.body
    limit = getattr(sink, "limit", 0)
    if limit and len(body) > limit:
        sink.abort()
        return Response(413, f"the body is larger than {limit} bytes\n")
    said = sink.feed(body) if body else None
    if isinstance(said, Later):
        return said.then(lambda answer: sink.finish() if answer is None else answer)
    return sink.finish() if said is None else said


class Around:
    """A handler around another, `inner`. What it does not do itself is the inner one's, where that has it:
    `startup`, `shutdown`, `on_datagram`, `takes_connect`, and its name in the log.
    """

    def __init__(self, inner: Handler) -> None:
        self.inner = checked(inner)
        named: Any = inner if hasattr(inner, "__qualname__") else type(inner)
        self.__module__, self.__qualname__ = named.__module__, named.__qualname__

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
    """`handler`, if it can be one; TypeError says what it is instead."""
    if isinstance(handler, type):
        raise TypeError(f"{handler.__name__} is a class, and a handler is an instance: {handler.__name__}(…)")
    if not callable(handler):
        raise TypeError(f"a handler is called with a request; {handler!r} cannot be called")
    return handler
