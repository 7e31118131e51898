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
from ..coroutines import is_async, signature_of, takes
from .importing import PluginError, explaining, import_builtin

AUTO, HANDLER, WSGI, ASGI = INTERFACES = ("auto", "handler", "wsgi", "asgi")

_COUNTS = {HANDLER: 1, WSGI: 2, ASGI: 3}  # of arguments
_AS = {HANDLER: "a handler", WSGI: "a WSGI app", ASGI: "an ASGI app"}
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


def is_app(found: Any) -> bool:
    """Whether it is an instance that takes what an app or a handler does, by the names of its parameters."""
    parameters = _parameters(type(found).__call__)[1:]
    return _by_name(parameters) is not None or parameters == ["request"]


def as_handler(found: Any, place: str, hosting: Hosting) -> tuple[Handler, str]:
    """`found`, or what makes a handler of it, and the kind that it is. PluginError: it cannot be called."""
    if not callable(found):
        raise PluginError(f"{place} is of type {type(found).__name__}, and cannot be called with a request")
    interface = hosting.interface
    if interface == AUTO:
        interface = interface_of(found, place)
    else:
        _check(found, place, interface)
    if interface == ASGI:
        return cast(Handler, import_builtin("asgi").Asgi(found)), "ASGI"
    if interface == WSGI:
        return cast(Handler, import_builtin("wsgi").Wsgi(found, hosting.threads, hosting.queue)), "WSGI"
    handler = handler_of(cast(Handler, found))
    return handler, "handler" if handler is found else "async handler"


def _check(found: Any, place: str, interface: str) -> None:
    """What its user says it is has to be possible; an app may be wrapped in what says nothing true of it."""
    signature = signature_of(found)
    if takes(signature, _COUNTS[interface]) or (interface != HANDLER and not takes(signature, 0)):
        return
    raise PluginError(f"{place} cannot be called as {_AS[interface]} is{_but(found, place, signature)}")


def interface_of(found: Any, place: str) -> str:
    """HANDLER, WSGI or ASGI, of what can be called. PluginError: it cannot be any, or looks like a factory."""
    signature = _signature(found)
    if signature is None:  # a callable of C that does not say
        return HANDLER
    named = _by_name(list(signature.parameters))
    if named is not None:
        return named
    if _takes_any(signature):  # a decorator's, around what it does not know: of frameworks, most likely
        return ASGI if is_async(found) else WSGI
    if takes(signature, 1):
        if _is_factory(found, place, signature):
            but = _but(found, place, signature)
            raise PluginError(f"{place} needs no request{but}; if it is none, --interface says what it is")
        return HANDLER
    if takes(signature, 3) and (is_async(found) or not takes(signature, 2)):
        return ASGI
    if takes(signature, 2):
        return WSGI
    raise PluginError(f"{place} cannot be called with a request alone{_but(found, place, signature)}")


def _but(found: Any, place: str, signature: inspect.Signature | None) -> str:
    """What its parameters are instead, and what it may be, if it needs none."""
    hint = f"; a factory? Say --factory, or {place}()" if _is_factory(found, place, signature) else ""
    return f"; its parameters are {signature}{hint}"


def _is_factory(found: Any, place: str, signature: inspect.Signature | None) -> bool:
    """Whether it is a function of a file or module that can be called with nothing, and is not made by one."""
    return takes(signature, 0) and hasattr(found, "__name__") and ":" in place and not place.endswith("()")


def _signature(found: Any) -> inspect.Signature | None:
    """What it takes; of a wrapper that passes on anything, what is inside of it."""
    outer = signature_of(found)
    if outer is not None and not _takes_any(outer):
        return outer
    try:
        return inspect.signature(found)
    except (TypeError, ValueError):
        return outer


def _parameters(found: Any) -> list[str]:
    signature = _signature(found)
    return [] if signature is None else list(signature.parameters)


def _by_name(parameters: list[str]) -> str | None:
    """What parameters are called in two interfaces, whatever stands behind them."""
    return next((kind for names, kind in _NAMES.items() if tuple(parameters[: len(names)]) == names), None)


def _takes_any(signature: inspect.Signature) -> bool:
    first = next(iter(signature.parameters.values()), None)
    return first is not None and first.kind is inspect.Parameter.VAR_POSITIONAL
