"""Interfaces: what a thing that was named is, by what it takes, and a handler made of it.

    a handler        one argument: a Request; it may be async
    a WSGI app       two: environ and start_response (PEP 3333)
    an ASGI app      three: scope, receive and send

Law: nothing is called to find out. What its parameters leave open, their names say; what these leave open, its user
(--interface).
"""

import inspect
from typing import Any, NamedTuple, cast

from ..answers import Handler
from ..coroutines import as_handler as handler_of
from .importing import PluginError, explaining, import_builtin

AUTO, HANDLER, WSGI, ASGI = INTERFACES = ("auto", "handler", "wsgi", "asgi")

_NAMES = {("environ", "start_response"): WSGI, ("env", "start_response"): WSGI, ("scope", "receive", "send"): ASGI}


class Hosting(NamedTuple):
    """How what was named is to be taken. `interface`: one of INTERFACES; `factory`: it is called, with nothing, to get
    it; `threads`, `queue`: of a WSGI app, as `handlers.wsgi.Wsgi` has them."""

    interface: str = AUTO
    factory: bool = False
    threads: int = 4
    queue: int = 64


def made_by(factory: Any, place: str) -> Any:
    """What a factory makes."""
    if not callable(factory):
        raise PluginError(f"{place} is of type {type(factory).__name__}, and no factory: it cannot be called")
    with explaining(f"what {place} makes"):
        return factory()


def is_app_class(kind: type) -> bool:
    """Whether a class is itself an app, whose instances are answers (PEP 3333), and not one of handlers."""
    return _by_name(_parameters(kind)) is not None


def as_handler(found: Any, place: str, hosting: Hosting) -> tuple[Handler, str]:
    """`found`, or what makes a handler of it, and the kind that it is. PluginError: it cannot be called."""
    if not callable(found):
        raise PluginError(f"{place} is of type {type(found).__name__}, and cannot be called with a request")
    interface = hosting.interface if hosting.interface != AUTO else interface_of(found, place)
    if interface == ASGI:
        return cast(Handler, import_builtin("asgi").Asgi(found)), "ASGI"
    if interface == WSGI:
        return cast(Handler, import_builtin("wsgi").Wsgi(found, hosting.threads, hosting.queue)), "WSGI"
    handler = handler_of(cast(Handler, found))
    return handler, "handler" if handler is found else "async handler"


def interface_of(found: Any, place: str) -> str:
    """HANDLER, WSGI or ASGI, of what can be called. PluginError: it cannot be any of them."""
    signature = _signature(found)
    if signature is None:  # a callable of C that does not say
        return HANDLER
    named = _by_name(list(signature.parameters))
    if named is not None:
        return named
    is_async = inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(type(found).__call__)
    if _takes_any(signature):  # a decorator's, around what it does not know: of frameworks, most likely
        return ASGI if is_async else WSGI
    if _takes(signature, 1):
        return HANDLER
    if _takes(signature, 3) and (is_async or not _takes(signature, 2)):
        return ASGI
    if _takes(signature, 2):
        return WSGI
    raise PluginError(f"{place} cannot be called with a request alone; its parameters are {signature}")


def _signature(found: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(found)
    except (TypeError, ValueError):
        return None


def _parameters(found: Any) -> list[str]:
    signature = _signature(found)
    return [] if signature is None else list(signature.parameters)


def _by_name(parameters: list[str]) -> str | None:
    """What parameters are called in two interfaces, whatever stands behind them."""
    return next((kind for names, kind in _NAMES.items() if tuple(parameters[: len(names)]) == names), None)


def _takes_any(signature: inspect.Signature) -> bool:
    first = next(iter(signature.parameters.values()), None)
    return first is not None and first.kind is inspect.Parameter.VAR_POSITIONAL


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True
