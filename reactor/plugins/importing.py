"""Importing what a user names: a file, a module, one of our own handlers.

Law: whatever goes wrong is a `PluginError` of one line with the reason and, where it is known, file and line;
the exception itself stays at hand as its `__cause__`. A file is run once, however often it is named.
"""

import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

HOME = str(Path(__file__).parent.parent.parent)  # where the packages `reactor` and `handlers` lie side by side
_HANDLERS = os.path.join(HOME, "handlers")
_OURS = os.path.join(HOME, "reactor", "")
_LIBRARY = os.path.join(os.path.dirname(os.__file__), "")
_files: dict[str, ModuleType] = {}  # by their real paths


class PluginError(ValueError):
    """A handler that cannot be had: one line says which and why."""


@contextmanager
def explaining(what: str) -> Iterator[None]:
    """Turn whatever is raised inside, by code that is not ours, into a PluginError about `what`."""
    try:
        yield
    except (KeyboardInterrupt, PluginError):
        raise
    except BaseException as error:  # SystemExit too: a script that calls sys.exit() is no handler
        raise PluginError(f"{what} cannot be loaded: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """An exception on one line: its type, its reason, and the place in the user's code that it came from. One of our
    handlers' own says all by its reason."""
    reason = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    if reason and type(error).__module__.startswith("handlers."):
        return reason
    text = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    if isinstance(error, SyntaxError) and error.filename:
        return f"{text} ({_short(error.filename)}, line {error.lineno})"
    frames = [each for each in traceback.extract_tb(error.__traceback__) if not _is_machinery(each.filename)]
    own = [each for each in frames if not _is_installed(each.filename)]
    for frame in (own or frames)[-1:]:
        text += f" ({_short(frame.filename)}, line {frame.lineno})"
    return text + (_clash(error.name or "") if isinstance(error, ImportError) else "")


def _clash(name: str) -> str:
    """What to add where the module `name` is missing because there are two packages `handlers`, ours and the user's."""
    folders = [os.path.join(each, "handlers") for each in ("", *sys.path)]
    theirs = [each for each in folders if os.path.isdir(each) and not os.path.samefile(each, _HANDLERS)]
    if name.partition(".")[0] != "handlers" or not theirs:
        return ""
    return f"; `handlers` is Reactor's own package: call the folder {_short(os.path.abspath(theirs[0]))} something else"


def import_builtin(name: str) -> ModuleType:
    """`handlers.<name>`, ours, even where a folder `handlers` in the working directory hides the package."""
    with explaining(name):
        package = sys.modules.get("handlers")
        if package is None:
            sys.path.insert(0, HOME)
            try:
                package = importlib.import_module("handlers")
            finally:
                sys.path.remove(HOME)
        where = next(iter(getattr(package, "__path__", [])), str(package))
        if where != _HANDLERS:
            reason = f"{_short(where)} was imported before Reactor's own `handlers`; call that folder something else"
            raise PluginError(f"{name} cannot be loaded: {reason}")
        return importlib.import_module(f"handlers.{name}")


def import_named(name: str, folder: str) -> ModuleType:
    """The module `name`, looked for in `folder` first."""
    folder = os.path.abspath(folder)
    _make_importable(folder)
    try:
        with explaining(name):
            return importlib.import_module(name)
    except PluginError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and cause.name and f"{name}.".startswith(f"{cause.name}."):
            line = f"there is no module {cause.name} in {folder} or on Python's path{_clash(cause.name)}"
            raise PluginError(line) from cause
        raise


def import_file(path: str) -> ModuleType:
    """The module in the file `path`; its folder becomes importable, as that of a script is."""
    real = os.path.realpath(path)
    if real in _files:
        return _files[real]
    name = _free_name(os.path.basename(path))
    spec = importlib.util.spec_from_file_location(name, real)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is no Python file: its name would end in .py; a directory is served as a whole")
    _make_importable(os.path.dirname(real))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # while it runs, too: dataclasses and pickles look it up there
    try:
        with explaining(path):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    _files[real] = module
    return module


def _free_name(filename: str) -> str:
    """`app_py` for app.py: no other module's name, so that none is hidden, least of all the standard library's."""
    stem = re.sub(r"\W", "_", filename)
    name, number = stem, 1
    while name in sys.modules or importlib.util.find_spec(name) is not None:
        number += 1
        name = f"{stem}_{number}"
    return name


def _make_importable(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _is_machinery(filename: str) -> bool:
    """Whether a frame is of the import itself, ours or Python's."""
    return filename.startswith(("<frozen ", _OURS, os.path.join(_LIBRARY, "importlib")))


def _is_installed(filename: str) -> bool:
    """Whether a frame is of a library: the mistake is rarely there, more often in the line that called it."""
    ours = os.path.join(_HANDLERS, "")
    return filename.startswith((_LIBRARY, ours)) or "site-packages" in filename or "dist-packages" in filename


def _short(filename: str) -> str:
    """Relative to the working directory where that is shorter."""
    try:
        relative = os.path.relpath(filename)
    except (OSError, ValueError):  # the working directory is gone
        return filename
    return relative if len(relative) < len(filename) else filename
