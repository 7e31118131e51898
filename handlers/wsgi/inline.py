"""On the loop: an application called by the reactor's own thread, its iterable pulled as the client takes it.

Law: nothing waits here but the application itself. An answer that is not whole at once takes its context with it
(`contextvars`): frameworks keep the request there, from the call to the iterable's end, and others come in between.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from contextvars import Context, copy_context
from typing import Any, BinaryIO

from reactor import Request, Response

from .call import Call, checked, close, first_of
from .environ import Environs
from .files import FileWrapper, as_sent
from .start import Heads

_END = object()


class Inline:
    """Answers with a Response, at once."""

    def __init__(self, app: Callable[..., Any], environs: Environs) -> None:
        self._app = app
        self._environs = environs
        self._heads = Heads()
        self._bare = copy_context()
        self._context = self._bare.copy()  # of what is answered at once; then it may stay, as in a thread

    def answer(self, request: Request, body: BinaryIO | None, size: int) -> Response:
        """`body`: what the request brought, or None; `size`: bytes of it. It is closed with the answer."""
        call = Call(self._heads)
        context = self._context
        try:
            iterable = context.run(self._app, self._environs.make(request, body, size), call.start_response)
            if type(iterable) is list or type(iterable) is tuple:
                return call.whole(iterable, request.method == "HEAD")
            response = context.run(self._open, call, iterable, request.method == "HEAD", body)
            if isinstance(response.body, Pulled):
                body = None
            return response
        finally:
            if body is not None:
                body.close()

    def _open(self, call: Call, iterable: Any, is_head: bool, body: BinaryIO | None) -> Response:
        """The answer that an iterable begins, or is. It is closed here, or by whoever has the answer."""
        with ExitStack() as undo:
            undo.callback(close, iterable)
            if type(iterable) is FileWrapper and not call.written and not is_head and call.said().has_body:
                file = as_sent(iterable, call.said().length, lambda: close(iterable))
                if file is not None:
                    undo.pop_all()
                    return call.said().with_body(file)
            iterator = iter(iterable)
            first = first_of(iterator)
            head = call.said()
            if is_head or not head.has_body:
                return head.for_head(0)
            call.has_begun = True
            begin = b"".join([*call.written, first])
            if not first:
                return head.with_bytes(begin)
            if len(begin) == head.length:
                return head.with_bytes(begin + first_of(iterator))  # what is more than the length says is refused
            undo.pop_all()
            context, self._context = self._context, self._bare.copy()
            return head.with_body(Pulled(context, begin, iterator, iterable, body))


class Pulled:
    """An iterator of what an application's iterator gives: `begin` first, the rest in `context`. With it `iterable`
    and `body` are closed."""

    __slots__ = ("_begin", "_body", "_context", "_iterable", "_iterator")

    def __init__(
        self, context: Context, begin: bytes, iterator: Iterator[Any], iterable: Any, body: BinaryIO | None
    ) -> None:
        self._context = context
        self._begin = begin
        self._iterator = iterator
        self._iterable = iterable
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        begin, self._begin = self._begin, b""
        if begin:
            return begin
        piece = self._context.run(next, self._iterator, _END)
        if piece is _END:
            raise StopIteration  # without what a generator returns: from a handler that would be trailers
        return checked(piece)

    def close(self) -> None:
        iterable, self._iterable = self._iterable, None
        self._context.run(close, iterable)
        if self._body is not None:
            self._body.close()
