"""What may be a handler: what can be called with a request, coroutine functions too.

Law: whoever has none does not pay for asyncio: it is imported where the first is found. What cannot be called with a
request is refused when it is named, and not with each request.
"""

from collections.abc import Awaitable, Callable
from inspect import Signature, getattr_static, iscoroutinefunction, signature
from types import FunctionType, WrapperDescriptorType
from typing import Any

from .answers import Answer, Handler
from .service import handler_name

AnyHandler = Handler | Callable[[Any], Awaitable[Answer]]
"""A handler, or one that is to be awaited."""


def is_async(handler: object) -> bool:
    """Whether calling it gives something to be awaited: an `async def`, or an object whose `__call__` is one."""
    return iscoroutinefunction(handler) or iscoroutinefunction(getattr(handler, "__call__", None))  # noqa: B004  # its kind is asked for, and not whether it is there


def as_handler(handler: AnyHandler) -> Handler:
    """`handler`, or, if it is async, what runs it as a task for each request. TypeError as of `check_handler`."""
    check_handler(handler)
    if not is_async(handler):
        return handler  # type: ignore[return-value]  # what is not awaited is the other one
    from .aio import AsyncHandler

    return AsyncHandler(handler)  # type: ignore[arg-type]  # likewise


def check_handler(handler: object) -> None:
    """TypeError if it cannot be called with a request alone."""
    if not callable(handler):
        kind = type(handler).__name__
        raise TypeError(f"a handler is called with a Request and returns a Response; {handler!r} is a {kind}")
    parameters = signature_of(handler)
    if not takes(parameters, 1):
        name = handler_name(handler)
        raise TypeError(f"a handler is called with a request, and nothing else; {name}{parameters} cannot be")


def signature_of(found: Any) -> Signature | None:
    """What it takes itself, and not what is inside of it, if it is a wrapper; None: it does not say."""
    call = getattr_static(type(found), "__call__", None)
    is_plain = isinstance(call, (FunctionType, WrapperDescriptorType))
    try:  # of any other, a static or a bound method for example, CPython 3.11 leaves out one parameter too many
        return signature(found if is_plain else found.__call__, follow_wrapped=False)
    except (AttributeError, TypeError, ValueError):
        return None


def takes(parameters: Signature | None, count: int) -> bool:
    """Whether so many arguments are all that it needs, and not too many. What does not say might take any."""
    if parameters is None:
        return True
    try:
        parameters.bind(*range(count))
    except TypeError:
        return False
    return True
