"""What may be a handler: what can be called, coroutine functions too.

Law: whoever has none does not pay for asyncio: it is imported where the first is found.
"""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any

from .answers import Answer, Handler

AnyHandler = Handler | Callable[[Any], Awaitable[Answer]]
"""A handler, or one that is to be awaited."""


def is_async(handler: object) -> bool:
    """Whether calling it gives something to be awaited: an `async def`, or an object whose `__call__` is one."""
    return iscoroutinefunction(handler) or iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004  # its kind is asked for, and not whether it is there


def as_handler(handler: AnyHandler) -> Handler:
    """`handler`, or, if it is async, what runs it as a task for each request."""
    if not is_async(handler):
        return handler  # type: ignore[return-value]  # what is not awaited is the other one
    from .aio import AsyncHandler

    return AsyncHandler(handler)  # type: ignore[arg-type]  # likewise


def check_handler(handler: object) -> None:
    """TypeError if it cannot be called."""
    if not callable(handler):
        kind = type(handler).__name__
        raise TypeError(f"a handler is called with a Request and returns a Response; {handler!r} is a {kind}")
