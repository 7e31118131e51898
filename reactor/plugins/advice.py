"""What whoever named something that there is not might have meant: the end of an error's line.

Law: nothing is imported to find out, and an advice that is not likely is none.
"""

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from types import ModuleType

from ..values import did_you_mean
from . import catalog
from .interfaces import is_app

LISTED = 8  # names; more are no help


def for_missing_handler(name: str) -> str:
    """Of a word that is no handler's name."""
    names = [each.name for each in catalog.list_handlers()]
    return did_you_mean(name, names) or near_path(name) or f"; handlers are {', '.join(names)}"


def near_path(path: str) -> str:
    """A Python file or a directory that is called nearly so, in the same directory."""
    folder, name = os.path.split(path.rstrip("/"))
    stems = {each.removesuffix(".py"): each for each in _beside(folder)}
    near = get_close_matches(name.removesuffix(".py"), stems, n=1)
    return f"; did you mean {os.path.join(folder, stems[near[0]])}?" if near else ""


def for_missing_module(name: str) -> str:
    """Of a module that there is not, its own name or a part of it."""
    if catalog.has(name):
        return f"; an option of {name} is written {name}:option=value"
    parent, _, attr = name.rpartition(".")
    return f"; did you mean {parent}:{attr}?" if hasattr(sys.modules.get(parent), attr) else ""


def for_missing_attribute(holder: object, attr: str, place: str) -> str:
    """Of an attribute that a module, or what is in it, has not."""
    if os.path.isdir(place) and not os.path.isfile(os.path.join(place, "__init__.py")):
        return f"; an option of the directory is written {place}:option=value"
    names = getattr(holder, "__dict__", {})
    near = did_you_mean(attr, names)
    return near or (for_no_attribute(holder, catalog.USUAL) if isinstance(holder, ModuleType) else "")


def for_no_attribute(module: ModuleType, usual: Sequence[str]) -> str:
    """What one might mean by a module: what is called as usual, its apps, or what it defines itself."""
    there = {name: each for name, each in vars(module).items() if callable(each) and name[:1] != "_"}
    apps = [name for name, each in there.items() if is_app(each)] if usual is catalog.USUAL else []
    own = [name for name, each in there.items() if getattr(each, "__module__", "") == module.__name__]
    names = apps or own
    return f"; it has {', '.join(names[:LISTED])}{', …' * (len(names) > LISTED)}" if names else ""


def for_manage_py(path: str) -> str:
    """Of the script of a Django project, which is no app: the module that has it."""
    folder, name = os.path.split(path)
    if name != "manage.py":
        return ""
    projects = [each for each in _beside(folder) if os.path.isfile(os.path.join(folder, each, "wsgi.py"))]
    where = f" --app-dir {folder}" if folder else ""
    return f"; did you mean {projects[0]}.wsgi{where}?" if len(projects) == 1 else ""


def _beside(folder: str) -> list[str]:
    """The Python files and the directories of a directory, without what is hidden."""
    try:
        with os.scandir(folder or ".") as found:
            served = [each.name for each in found if each.name.endswith(".py") or each.is_dir()]
    except OSError:
        return []
    return [name for name in served if not name.startswith(".")]
