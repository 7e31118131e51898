"""What was found behind TARGET and --mount: what to call it, and whether the flags about apps go with it.

Law: a flag that would do nothing is not taken silently: on the command line it is a usage error; in the environment,
which may be meant for several servers, a warning.
"""

import importlib
import importlib.util
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..plugins import AUTO, FILES, Part, PluginError
from ..terminal import printable
from .config import Config
from .flags import LOOPS, UsageError

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger("reactor")


def served(config: Config, parts: Sequence[Part]) -> list[str]:
    """What is served, each with its place, and as what it was taken: "/shop from shop.py:app (ASGI)"."""
    names = [printable(part.name) + (f" ({part.kind})" if part.kind else "") for part in parts]
    prefixes = [prefix for prefix, _ in config.values["mount"]]
    if not prefixes:
        return names
    places = [*prefixes, "the rest"]
    return [f"{place} from {name}" for place, name in zip(places, names, strict=False)]


def check_flags(config: Config, parts: Sequence[Part]) -> None:
    """UsageError, or a warning, where a flag is for what is not served."""
    values, kinds = config.values, [part.kind for part in parts]
    if "WSGI" not in kinds:
        for name in ("threads", "queue"):
            _refuse(config, name, "a WSGI app")
    if not any(kind not in ("", FILES) for kind in kinds):
        for name, value in (("interface", AUTO), ("factory", False)):
            if values[name] != value:
                _refuse(config, name, "a handler or an app of a file or a module")


def check_loop(config: Config) -> None:
    """The same of --loop, where nothing that is served has asked for one."""
    if config.values["loop"] != LOOPS[0]:
        _refuse(config, "loop", "an async handler or an ASGI app")


def loop_factory(word: str) -> "Callable[[], asyncio.AbstractEventLoop] | None":
    """What makes the loop that `word` names; None: it is asyncio's. PluginError: it is not installed."""
    if word != "uvloop":
        return None
    if importlib.util.find_spec("uvloop") is None:
        raise PluginError("--loop uvloop: the package uvloop is not installed")
    return _new_uvloop


def _new_uvloop() -> "asyncio.AbstractEventLoop":
    loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    return loop


def _refuse(config: Config, name: str, what: str) -> None:
    origin = config.origins[name]
    if origin == "command line":
        raise UsageError(f"--{name} goes with {what}, and none is served")
    if origin != "default":
        log.warning("REACTOR_%s goes with %s, and none is served: it is ignored", name.upper(), what)
