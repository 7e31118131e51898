"""SPEC -> handler: what `python -m reactor SPEC` and `--mount PREFIX=SPEC` name, found, checked and made.

    DIR                   a directory: its files, by the built-in `static`
    hello                 a built-in: the module `handlers.hello`
    NAME                  an entry point of the group `reactor.handlers`, from an installed package
    file.py[:attr]        a file; without `attr` its `handler`, `app` or `application`
    module:attr[.attr]    a module in the working directory (or --app-dir) or on Python's path
    package.module        the same; without `attr` as a file is
    ...:attr()            what it makes, called with nothing (--factory says the same of all of them)
    ...:option=value,...  any of them, where it names a class: an instance with these options

Law: only what is named is imported. Whatever is wrong is a `PluginError` of one line that says what would be
right. What comes out takes one request: a WSGI app is put into a handler that calls it. Here and in `interfaces`, and
nowhere else, `reactor` reaches into `handlers`.
"""

import importlib.util
import os
import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple, Protocol, cast

from ..answers import Handler
from . import advice, catalog
from .catalog import Listing, list_handlers
from .importing import PluginError, import_builtin, import_file, import_named
from .interfaces import AUTO, INTERFACES, WSGI, Hosting, as_handler, is_app_class, made_by
from .options import OptionError, build, split_options

__all__ = [
    "AUTO", "DEFAULT", "FILES", "INTERFACES", "Hosting", "Listing", "Part", "PluginError",
    "find", "is_folder", "list_handlers", "load", "load_all", "split_mount", "split_spec",
]  # fmt: skip

DEFAULT = "hello"
FILES = "files"
_DEFAULTS = Hosting()
_FILE = re.compile(r"(.*?\.py|[^:]*/[^:]*)(?::(.*))?", re.DOTALL)
_OPTIONS = re.compile(r":(?=[A-Za-z_][\w-]*=)")


class Part(NamedTuple):
    """What a SPEC has named. `handler`; `name` (the SPEC, and which attribute that was); `kind` ("handler", "async
    handler", "WSGI" or "ASGI", as which it was taken; FILES: a directory; "": what goes by a name of its own)."""

    handler: Handler
    name: str
    kind: str = ""


def load(spec: str, app_dir: str = ".", hosting: Hosting = _DEFAULTS) -> Handler:
    """The handler that `spec` names, as `find` finds it."""
    return find(spec, app_dir, hosting).handler


def find(spec: str, app_dir: str = ".", hosting: Hosting = _DEFAULTS) -> Part:
    """What `spec` names; modules are looked for in `app_dir` first. `hosting` is for what files and modules have: a
    directory is one, and what goes by a name of its own is what it is."""
    place, rest = split_spec(spec)
    try:
        options = split_options(rest) if rest else {}
        if is_folder(place):
            if "root" in options:
                raise OptionError("its root is the directory itself")
            return Part(build(catalog.find("static", True), {**options, "root": place}), spec, FILES)
        found, name, taken = _find(place, app_dir, bool(options), hosting)
        if isinstance(found, type) and not (taken.interface == WSGI or is_app_class(found)):
            found = build(found, options)
        elif options:
            raise PluginError(f"{place} takes no options, for it is no class: leave out :{rest}")
    except OptionError as error:
        here = f"; the directory is ./{place}" if os.path.isdir(place) else ""
        raise PluginError(f"{place}: {error}{here}") from error.__cause__
    handler, kind = as_handler(found, name, taken)
    is_plain = ":" not in name and kind.endswith("handler")  # it goes by a name of its own
    return Part(handler, f"{name}:{rest}" if rest else name, "" if is_plain else kind)


def load_all(
    target: str | None, mounts: Sequence[tuple[str, str]], app_dir: str = ".", hosting: Hosting = _DEFAULTS
) -> tuple[Handler, list[Part]]:
    """The handler for a whole server: `target` (by default the demo) bare, or a router with the mounts; and what was
    named, in that order.

    `mounts`: pairs of prefix and SPEC. Besides mounts, `target` serves the rest; without it, the rest is 404.
    """
    if not mounts:
        part = find(target or DEFAULT, app_dir, hosting)
        return part.handler, [part]
    router = cast(_Router, import_builtin("router").Router())
    named: dict[str, str] = {}
    parts = []
    for prefix, spec in [*mounts, *([("/", target)] if target is not None else [])]:
        if prefix in named:
            raise PluginError(f"{named[prefix]} and {spec} cannot both be served at {prefix}")
        named[prefix] = spec
        parts.append(find(spec, app_dir, hosting))
        try:
            router.mount(prefix, parts[-1].handler)
        except ValueError as error:
            raise PluginError(f"{spec} cannot be mounted: {error}") from None
    return cast(Handler, router), parts


class _Router(Protocol):
    """What `handlers.router.Router` is to us."""

    def mount(self, prefix: str, handler: Handler) -> object: ...


def split_mount(text: str) -> tuple[str, str]:
    """Prefix and SPEC of "/up=upload.py:Upload". ValueError if it is no such pair."""
    prefix, _, spec = text.partition("=")
    if not prefix.startswith("/") or prefix.startswith("//") or not spec:
        raise ValueError(f"a mount is written /prefix=SPEC, as in /api=app.py, not {text!r}")
    return prefix.rstrip("/") or "/", spec


def split_spec(spec: str) -> tuple[str, str]:
    """What `spec` names, and the text of its options, "" without."""
    match = _OPTIONS.search(spec)
    return (spec[: match.start()], spec[match.end() :]) if match else (spec, "")


# Finding.


def _find(place: str, app_dir: str, has_options: bool, hosting: Hosting) -> tuple[Any, str, Hosting]:
    """What `place` names, what to call it, and how it is to be taken."""
    if not place:
        raise PluginError("'' names no handler")
    if place.endswith("()"):
        place, hosting = place[:-2], hosting._replace(factory=True)
    usual = catalog.FACTORIES if hosting.factory else catalog.USUAL
    if match := _FILE.fullmatch(place):
        _refuse_rest(match[1], match[2] or "")
        found, attr = _in_file(os.path.expanduser(match[1]), match[2], usual)
        name = f"{match[1]}:{attr}"
    elif ":" in place or ("." in place and not catalog.has(place)):
        found, attr = _in_module(place, app_dir, usual)
        name = f"{place.partition(':')[0]}:{attr}"
    else:
        taken = _DEFAULTS._replace(threads=hosting.threads, queue=hosting.queue)
        return _by_name(place, has_options), place, taken
    if hosting.factory:
        found, name = made_by(found, place), f"{name}()"
    return found, name, hosting


def _by_name(place: str, has_options: bool) -> Any:
    if not catalog.has(place):
        if os.path.isfile(f"{place}.py"):
            raise PluginError(f"there is no handler {place}; did you mean {place}.py?")
        if place.isidentifier() and importlib.util.find_spec(place):
            raise PluginError(f"there is no handler {place}; of the module of that name, say which: {place}:ATTR")
    found = catalog.find(place, has_options)
    if found is None:
        raise PluginError(f"there is no handler and no directory {place}{advice.for_missing_handler(place)}")
    return found


def _refuse_rest(name: str, attr: str) -> None:
    """What stands behind the attribute would be an option, were there a "=" in it."""
    attr, colon, rest = attr.partition(":")
    if colon:
        raise PluginError(f"{rest!r} is not understood; an option is written option=value, as in {name}:{attr}:text=hi")


def is_folder(place: str) -> bool:
    """Whether it names a directory. A bare word is a handler's name first, whatever lies in the working directory."""
    is_bare = "/" not in place and place not in (".", "..", "~")
    return os.path.isdir(os.path.expanduser(place)) and not (is_bare and catalog.has(place))


def _in_file(path: str, attr: str | None, usual: Sequence[str]) -> tuple[Any, str]:
    if os.path.isdir(path):
        raise PluginError(f"{path} is a directory; an option of it is written {path}:option=value")
    if not os.path.isfile(path):
        what = "file" if path.endswith(".py") else "file or directory"
        raise PluginError(f"there is no {what} {path}{advice.near_path(path)}")
    return _attribute(import_file(path), attr, path, usual)


def _in_module(place: str, app_dir: str, usual: Sequence[str]) -> tuple[Any, str]:
    name, colon, attr = place.partition(":")
    _refuse_rest(name, attr)
    if not all(part.isidentifier() for part in [*name.split("."), *(attr.split(".") if colon else ())]):
        raise PluginError(f"{place} is not understood; write file.py:attr, module:attr, or a handler's name")
    try:
        module = import_named(name, app_dir)
    except PluginError as error:
        missing = getattr(error.__cause__, "name", None)
        if missing is None or not f"{name}.".startswith(f"{missing}."):
            raise
        if os.path.isfile(place):
            import_file(place)  # which says that it is no Python file
        raise PluginError(f"{error}{advice.for_missing_module(name)}") from error.__cause__
    return _attribute(module, attr, name, usual)


def _attribute(module: ModuleType, attr: str | None, place: str, usual: Sequence[str]) -> tuple[Any, str]:
    """`attr` of a module, dots and all, and its name; without it, what goes by one of the usual names."""
    attr = attr or catalog.usual(module, usual)
    if not attr:
        names = ", ".join(usual)
        factory = catalog.usual(module, catalog.FACTORIES)
        hint = f"; --factory calls its {factory}" if factory else advice.for_manage_py(place)
        hint = hint or advice.for_no_attribute(module, usual)
        raise PluginError(f"{place} has none of {names}; say which, as in {place}:ATTR{hint}")
    found: Any = module
    for part in attr.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise PluginError(f"{place} has no {attr}{advice.for_missing_attribute(found, part, place)}") from None
    return found, attr
