"""The handlers that can be served by name alone: the built-in ones, and those that installed packages offer.

A built-in is a module of the package `handlers` with a `handler`, or with a dataclass named as the module is
(`health` has `Health`); a package offers one as an entry point of the group `reactor.handlers`.

Law: looking a name up imports that one and no other; listing imports them all, and a broken one is listed with
its error instead of spoiling the list.
"""

import inspect
import os
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass, is_dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .importing import HOME, PluginError, explaining, import_builtin

if TYPE_CHECKING:  # it takes 15 ms to import, and most starts do without
    from importlib.metadata import EntryPoint

GROUP = "reactor.handlers"
USUAL = ("handler", "app", "application")  # what a module's handler is called where nothing is said
FACTORIES = ("create_app", "make_app")  # and what makes it, with --factory


def find(name: str, has_options: bool) -> Any:
    """What `name` names, or None; of a built-in that has both, its class if there are options to give it."""
    if name in _modules():
        found = _offer(import_builtin(name), has_options)
        if found is not None:
            return found
    points = [each for each in _points() if each.name == name]
    if len(points) > 1:
        values = ", ".join(f"{each.value} of {_package(each)}" for each in points)
        raise PluginError(f"several packages offer {name}: {values}; write module:attr")
    if points:
        return _load(points[0])
    return None


def has(name: str) -> bool:
    return name in _modules() or any(each.name == name for each in _points())


def usual(module: ModuleType, names: Sequence[str] = USUAL) -> str:
    """Which of the usual names a module has; "": none."""
    return next((name for name in names if not isinstance(getattr(module, name, module), ModuleType)), "")


@dataclass(frozen=True, slots=True)
class Listing:
    """A handler that can be named: where it is from, what it says of itself, or what is wrong with it."""

    name: str
    origin: str
    about: str
    error: str | None = None


def list_handlers() -> list[Listing]:
    """All of them, the built-in ones first."""
    builtin = [each for each in map(_list_builtin, _modules()) if each is not None]
    return builtin + [_list_point(each) for each in sorted(_points(), key=lambda each: each.name)]


def _list_builtin(name: str) -> Listing | None:
    try:
        module = import_builtin(name)
    except PluginError as error:
        if isinstance(error.__cause__, ImportError):  # of an extra that is not installed
            return None
        return Listing(name, "built in", "", str(error))
    return None if _offer(module, False) is None else Listing(name, "built in", _about(module, name))


def _list_point(point: "EntryPoint") -> Listing:
    try:
        return Listing(point.name, _package(point), _about(_load(point), point.name))
    except PluginError as error:
        return Listing(point.name, _package(point), "", str(error))


def _offer(module: ModuleType, has_options: bool) -> Any:
    kind = getattr(module, module.__name__.rpartition(".")[2].title().replace("_", ""), None)
    if not (isinstance(kind, type) and is_dataclass(kind)):
        kind = None
    plain = getattr(module, "handler", None)
    if isinstance(plain, ModuleType):  # a file of the package
        plain = None
    return kind if plain is None or (has_options and kind is not None) else plain


def _load(point: "EntryPoint") -> Any:
    what = f"{point.name} (entry point of {_package(point)})"
    with explaining(what):
        found = point.load()
    if isinstance(found, ModuleType):
        name = usual(found)
        if not name:
            raise PluginError(f"{what} cannot be loaded: {point.value} has none of {', '.join(USUAL)}")
        found = getattr(found, name)
    return found


def _about(found: Any, name: str) -> str:
    """The first sentence of the docstring, without the name if that is how it begins."""
    line = (inspect.getdoc(found) or "").strip().partition("\n")[0].partition(". ")[0].rstrip(".")
    head, colon, rest = line.partition(": ")
    return rest[:1].upper() + rest[1:] if colon and head.lower() == name else line


def _modules() -> list[str]:
    folder = os.path.join(HOME, "handlers")
    return sorted(each.name for each in pkgutil.iter_modules([folder]) if each.name[:1] != "_")


def _points() -> "Sequence[EntryPoint]":
    from importlib.metadata import entry_points

    return list(entry_points(group=GROUP))


def _package(point: "EntryPoint") -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an installed package"
