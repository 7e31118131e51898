"""The command line: `reactor`, `python -m reactor`. Flags and environment in, a server in the foreground.

Law: standard output has what was asked for (the access log, a listing), standard error what a person should know.
What goes wrong before the server is open is one line there and a code: 2 what was asked for is not understood,
3 it cannot be done. Logging is set up here and nowhere else.
"""

import errno
import gc
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

from .. import __version__
from ..address import AddressError, Endpoint
from ..answers import Handler
from ..plugins import DEFAULT, FILES, Part, PluginError, list_handlers, load_all
from ..plugins.importing import describe
from ..server import Server, connections
from ..terminal import BOLD, DIM, RED, Paint, printable, set_up_logging, traceback_lines
from .config import Config, make_parser, mistaken, read_config
from .flags import UsageError
from .parts import check_flags, check_loop, loop_factory, served

log = logging.getLogger("reactor")

STOPPED, CRASHED, USAGE, NOT_STARTED = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the exit code."""
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except UsageError as error:
        _complain(f"{error} (reactor --help shows all)" if "?" not in str(error) else str(error))
        return USAGE
    except KeyboardInterrupt:
        return STOPPED
    except BrokenPipeError:  # the reader of a listing has seen enough
        return STOPPED
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # closed by whoever started us
                _flush(stream)


def _main(arguments: Sequence[str]) -> int:
    config = read_config(arguments, os.environ)
    set_up_logging(sys.stderr, config.values["log_level"])
    for warning in config.warnings:
        log.warning(warning)
    if config.asked == "help":
        print(make_parser().format_help(), end="")
    elif config.asked == "version":
        print(f"reactor {__version__} (Python {sys.version.split()[0]})")
    elif config.asked == "print_config":
        print(*config.lines(), sep="\n", flush=True)
        return _with_parts(config, _show)
    elif config.values["target"] == "handlers":
        print(*_listing(), sep="\n")
    else:
        return _with_parts(config, _serve)
    return STOPPED


def _with_parts(config: Config, work: Callable[[Config, Handler, list[Part]], int]) -> int:
    """Load what is to be served, and do `work` with it."""
    values = config.values
    try:
        handler, parts = load_all(values["target"], values["mount"], values["app_dir"], config.hosting())
        check_flags(config, parts)
        return work(config, handler, parts)
    except PluginError as error:
        target = values["target"] or ""
        flag = mistaken(target)
        line = f"there is nothing to serve that is called {target}; did you mean {flag}?" if flag else str(error)
        _complain(line, error.__cause__ if values["log_level"] == "debug" else None)
        return NOT_STARTED


def _show(config: Config, _handler: Handler, parts: list[Part]) -> int:
    print(*(f"# serves {each}" for each in served(config, parts)), sep="\n")
    return STOPPED


def _serve(config: Config, handler: Handler, parts: list[Part]) -> int:
    values = config.values
    is_verbose = values["log_level"] == "debug"
    server = _Foreground(handler, config.binds, config.settings(), sys.stdout if values["access_log"] else None,
                         reuse_port=values["reuse_port"], loop_factory=loop_factory(values["loop"]))  # fmt: skip
    server.is_quiet = values["log_level"] not in ("debug", "info")
    server.service.name = _name(config)
    try:
        server.open()
        if not server.has_loop:
            check_loop(config)
    except UsageError:
        server.close()
        raise
    except AddressError as error:
        _complain(f"cannot listen on {error}{_other_port(config, error)}", error if is_verbose else None)
        return NOT_STARTED
    except (Exception, SystemExit) as error:
        _complain(f"{server.service.name} did not start: {describe(error)}", error if is_verbose else None)
        return NOT_STARTED
    gc.collect()
    gc.freeze()  # what is loaded by now is never garbage: a collection that looks through it costs 2 %
    try:
        server.run(on_ready=lambda _: server.say(*_banner(server.endpoints, config, parts)))
    except Exception:
        log.critical("crashed", exc_info=True)
        return CRASHED
    server.say("stopped")
    return STOPPED


class _Foreground(Server):
    """A server that tells the person before it what it does."""

    is_quiet = False

    @property
    def has_loop(self) -> bool:
        """Whether what is served has asked for asyncio."""
        return self._host is not None

    def say(self, *lines: str) -> None:
        if self.is_quiet:
            return
        start = "\r" if sys.stderr.isatty() else ""  # over the ^C that the terminal has echoed
        try:
            print(start + "\n".join(lines), file=sys.stderr, flush=True)
        except OSError:
            pass  # the terminal has been closed: nobody is there to be told

    def _drain(self) -> None:
        super()._drain()
        left = self.service.count
        if left:
            self.say(f"draining {connections(left)}…{' Ctrl-C again stops at once' * _is_watched()}")


def _banner(endpoints: Sequence[Endpoint], config: Config, parts: Sequence[Part]) -> list[str]:
    """What is served, where, and how to try and to stop it."""
    paint = Paint(sys.stderr)
    what = served(config, parts)
    stop = "Ctrl-C" if _is_watched() else f"kill {os.getpid()}"
    name = f"Reactor {__version__}"
    return [
        f"{paint(BOLD, name)} serves {what[0]}",
        *(" " * len(f"{name} serves ") + each for each in what[1:]),
        *(f"  {paint(BOLD, each.local_url)}{paint(DIM, _every(each))}" for each in endpoints),
        f"{paint(DIM, 'try')}   {endpoints[0].curl_hint(_path_to_try(config, parts))}",
        f"{paint(DIM, 'stop')}  {stop}",
    ]


def _every(endpoint: Endpoint) -> str:
    return "" if endpoint.local_url == endpoint.url else "  (and every other address of this machine)"


def _name(config: Config) -> str:
    """What to call what is served: as the user did."""
    target, mounts = config.values["target"], config.values["mount"]
    if not mounts:
        return str(target or DEFAULT)
    return f"the router of {', '.join([prefix for prefix, _ in mounts] + ['the rest'] * (target is not None))}"


def _other_port(config: Config, error: AddressError) -> str:
    """What to add where the port is taken."""
    cause = error.__cause__
    is_taken = isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE and config.values["bind"] is None
    return "; --port 0 takes any that is free" if is_taken else ""


def _path_to_try(config: Config, parts: Sequence[Part]) -> str:
    target, mounts = config.values["target"], config.values["mount"]
    if mounts:
        prefix = str(mounts[0][0])
        return f"{prefix}/" if parts[0].kind == FILES and prefix != "/" else prefix  # else it is sent there
    return "/test" if target in (None, DEFAULT) else "/"


def _listing() -> list[str]:
    """The handlers that can be served by name, as a table."""
    import shutil
    import textwrap

    found = list_handlers()
    paint = Paint(sys.stdout)
    columns = shutil.get_terminal_size().columns
    name_width = max(len(each.name) for each in found)
    origin_width = max(len(each.origin) for each in found)
    indent = name_width + origin_width + 4
    lines = []
    for each in found:
        text = printable(each.error or each.about)
        first, *more = textwrap.wrap(text, max(columns - indent, 30)) or [""]
        colour = RED if each.error else ""
        start = f"{paint(BOLD, f'{each.name:{name_width}}')}  {paint(DIM, f'{each.origin:{origin_width}}')}  "
        lines += [start + paint(colour, first), *(" " * indent + paint(colour, line) for line in more)]
    return lines


def _complain(line: str, error: BaseException | None = None) -> None:
    """One line on standard error, after the traceback of `error` if there is one to show."""
    lines = [] if error is None else traceback_lines(error)
    lines.append(f"{Paint(sys.stderr)(RED, 'reactor:')} {printable(line)}")
    print(*lines, sep="\n", file=sys.stderr, flush=True)


def _is_watched() -> bool:
    """Whether Ctrl-C reaches us: standard error is a terminal, and we are in front of it."""
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


def _flush(stream: TextIO) -> None:
    """Where the reader has gone, let Python not complain of that at its exit."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
