"""Coroutine functions as handlers: each request is a task, in a context of its own.

    async def handler(request): ...             called when the request is complete, its body in memory

    @streaming
    async def handler(request): ...             called at the head; `request.stream()` has the body as it comes

The two differ because a handler is called either before the body is here or after, and the server has to know which:
most want it whole, and a handler that forgets to read should not leave a client waiting. Law: an answer that nobody
waits for any more cancels its task, and a body that nobody takes is closed in its own; a client that has only ended
its side may still listen, and changes nothing.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextvars import copy_context
from functools import partial
from inspect import isawaitable
from typing import Any, Protocol, Self, TypeVar

from ..answers import Answer
from ..http1.request import Request
from ..http1.response import Response
from ..service import handler_name
from .flows import Gone, Inflow, Outflow, Whole
from .host import Host, current_host

log = logging.getLogger("reactor")

Flow = TypeVar("Flow", Inflow, Whole)


class Serving(Protocol):
    """A server, as far as a handler's `startup` needs it here."""

    def use_asyncio(self) -> Host: ...


class StreamingRequest(Request):
    """A request whose body is not here yet: `body` is empty, `stream()` has it."""

    __slots__ = ("_inflow",)

    def __init__(self, request: Request, inflow: Inflow | Whole) -> None:
        super().__init__(request.head, request.origin)
        self.headers, self.params, self.root, self.path = request.headers, request.params, request.root, request.path
        self._outer = request
        self._inflow = inflow

    async def stream(self) -> AsyncIterator[bytes]:
        """The body, as it comes; a reader that takes its time slows the client down. ConnectionError (`Gone`) if the
        rest will not come."""
        while data := await self._inflow.read():
            yield data


class AsyncHandler:
    """`inner`, which is called with a request and awaited, as a handler. What it raises is a logged 500; it is
    cancelled when the client has gone. What else a handler has is the inner one's: `startup` and `shutdown` may be
    coroutine functions, too, and are then awaited in the loop in which requests are."""

    def __init__(self, inner: Callable[[Any], Awaitable[Answer]]) -> None:
        self.inner = inner
        self.__module__, _, self.__qualname__ = handler_name(inner).rpartition(".")
        self.__doc__ = inner.__doc__

    def __getattr__(self, name: str) -> Any:
        if name in ("on_head", "on_datagram", "takes_connect"):
            return getattr(self.inner, name)
        raise AttributeError(f"{type(self).__name__} object has no attribute {name!r}")

    def startup(self, server: Serving) -> None:
        async def begin() -> None:
            await _call(getattr(self.inner, "startup", None), server)

        async def end() -> None:
            await _call(getattr(self.inner, "shutdown", None))

        server.use_asyncio().around(begin, end)

    def __call__(self, request: Request) -> Answer:
        whole = Whole(b"")
        task = current_host().begin(self._run(request, whole.answer), at=request)
        if not task.done():
            whole.early.on_abandon = task.cancel  # type: ignore[assignment]  # what it returns nobody reads
        return whole.finish()

    async def _run(self, request: Request, answer: Callable[[Any], None]) -> None:
        try:
            said = await self.inner(request)
            if type(said) is Response and type(said.body) is not bytes:
                said = _with_pieces(said, said.body)
        except (Exception, SystemExit) as error:
            answer(error)
        except BaseException as error:
            answer(error)
            raise
        else:
            answer(said)


class Streaming(AsyncHandler):
    """`inner` is called with a StreamingRequest, as soon as the head is here. It may answer before the body has ended:
    an async iterable that is its answer's body may read on, and what nobody will read is thrown away."""

    def on_head(self, request: Request) -> Inflow | None:
        length = request.head.terms.length
        return self._begin(request, _Unlimited(current_host().loop, length)) if length else None

    def __call__(self, request: Request) -> Answer:
        return self._begin(request, Whole(request.body)).finish()

    def _begin(self, request: Request, inflow: Flow) -> Flow:
        run = self._run(StreamingRequest(request, inflow), partial(_answer, inflow))
        task = current_host().begin(run, at=request)
        if not task.done():
            inflow.on_gone = inflow.early.on_abandon = task.cancel  # type: ignore[assignment]  # likewise
        return inflow


streaming = Streaming


def _answer(inflow: Inflow | Whole, said: Any) -> None:
    body = said.body if isinstance(said, Response) else None
    inflow.answer(said)
    if isinstance(body, Pieces):
        body.on_end = inflow.close
    else:
        inflow.close()


def _with_pieces(response: Response, body: Any) -> Response:
    if not hasattr(body, "__aiter__"):
        return response
    pieces: Any = Pieces(body, response.length)
    return response.with_body(pieces)


async def _call(function: Callable[..., Any] | None, *arguments: Any) -> None:
    said = None if function is None else function(*arguments)
    if isawaitable(said):
        await said


class _Unlimited(Inflow):
    """A body of which no more than the high-water mark is ever in memory."""

    __slots__ = ()

    limit = 0


class Pieces:
    """An async iterable, an async generator for example, as the body of a Response: `Response(200, Pieces(rows()))`.

    It is iterated by one task, in the context in which this was made, and pulled as the client takes the pieces: one
    is made ahead, at most. Its `aclose`, where it has one, is awaited in that task, also when the client has gone.
    `length`: bytes in all, where that is known. `on_end`: called when no more is made.
    """

    __slots__ = ("_context", "_flow", "_host", "_source", "_task", "length", "on_end")

    def __init__(self, source: AsyncIterable[Any], length: int | None = None) -> None:
        self.length = length
        self.on_end: Callable[[], None] | None = None
        self._source = source
        self._host = current_host()
        self._context = copy_context()
        self._flow = Outflow(self._host.loop, 0)
        self._task: Any = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._task is None:
            self._task = self._host.begin(self._run(), self._context)
        return next(self._flow)

    def close(self) -> None:
        """No more is taken."""
        if self._task is None:
            self._task = self._host.begin(self._close(), self._context)
        else:
            self._flow.close()

    async def _run(self) -> None:
        flow = self._flow
        task: Any = asyncio.current_task()
        flow.on_gone = task.cancel  # from now on: a task that is cancelled before it runs closes nothing
        try:
            if not flow.is_gone:
                async for piece in self._source:
                    await flow.put(piece)
        except Gone:
            pass
        except (Exception, SystemExit) as error:
            flow.end(error)
        except BaseException as error:
            flow.end(error)
            raise
        else:
            flow.end()
        finally:
            await self._close()

    async def _close(self) -> None:
        aclose = getattr(self._source, "aclose", None)
        if aclose is not None:
            try:
                await aclose()
            except Exception:
                log.exception("the body of an answer raised when it was closed")
        if self.on_end is not None:
            self.on_end()
