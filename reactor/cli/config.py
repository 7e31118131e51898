"""The configuration: what the command line and the environment say, and where each value is from.

Law: a value comes from the command line, else from the environment (REACTOR_<NAME>; empty counts as not set),
else it is the default. Nothing is taken silently: what is not understood is a `UsageError` of one line.
"""

import argparse
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn

from ..address import Address
from ..plugins import Hosting, is_folder, split_spec
from ..settings import Settings
from .flags import BIND, DIRECTORY, FLAGS, HOST, LIMITS, PREFIX, TARGET, TIMES, UPLOAD, Flag, UsageError
from .names import meant

_ABOUT = """\
Serve HTTP/1.1: a directory of files, a handler, a WSGI or an ASGI app.
`reactor`, or `python -m reactor` from a checkout.

  reactor site --port 8080
  reactor greet.py --port 8080
  reactor mysite.wsgi --threads 8
  reactor echo --mount /up=health -b 127.0.0.1:8000 -b unix:echo.sock
"""
_EPILOG = """\
SIZE: 512, 64k, 16m. TIME: 30s, 500ms, 5m. What can be said here can be said in the environment, too, and the
command line wins: --timeout-header 5s is REACTOR_TIMEOUT_HEADER=5s, --no-access-log is REACTOR_ACCESS_LOG=no,
several addresses are REACTOR_BIND="127.0.0.1:8000 unix:/run/x.sock".

TERM, HUP or Ctrl-C lets answers under way be finished, a second Ctrl-C does not. Exit codes: 0 stopped, 1 crashed,
2 usage, 3 could not start.
"""

_ADDRESS = re.compile(r"(\[[^]]*\]:|[^:]*:)?[0-9]{1,5}")  # as http.server, runserver and others take one


class _Formatter(argparse.HelpFormatter):
    """`-b, --bind ADDRESS`, the metavar said once, as Python 3.13 does; paragraphs, and what is indented as it is."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        return f"{', '.join(action.option_strings)} {action.metavar}"

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        parts = text.strip("\n").split("\n\n")
        return "\n\n".join(each if each[:1] == " " else fill(each, width, indent) for each in parts)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """In our words: a text is missing behind a flag, or one stands behind a switch."""
        flag = message.removeprefix("argument ").partition(":")[0].rpartition("/")[2]
        action = self._option_string_actions.get(flag)
        if action is None:
            raise UsageError(message)
        raise UsageError(f"{flag}: {'it takes no value' if action.nargs == 0 else f'{action.metavar} is missing'}")


def make_parser() -> argparse.ArgumentParser:
    """The parser. It collects texts, None where there is none; checking them is the flag's."""
    parser = _Parser(
        prog="reactor", usage="reactor [TARGET] [options]\n       reactor handlers     list what can be served by name",
        description=_ABOUT,
        epilog=_EPILOG,
        formatter_class=_Formatter,
        allow_abbrev=False, add_help=False,
    )  # fmt: skip
    groups: dict[str, argparse._ArgumentGroup] = {}
    for flag in FLAGS:
        if flag.group not in groups:
            groups[flag.group] = parser.add_argument_group(flag.group)
        _add(groups[flag.group], flag)
    other = parser.add_argument_group("other")
    other.add_argument("--print-config", action="store_true", help="show every value and where it is from")
    other.add_argument("--version", action="store_true", help="show the version")
    other.add_argument("-h", "--help", action="store_true", help="show this")
    return parser


def _add(group: argparse._ArgumentGroup, flag: Flag) -> None:
    about = flag.about.replace("%", "%%")
    if flag is TARGET:
        group.add_argument(flag.name, nargs="?", metavar=flag.metavar, help=about)
    elif flag.metavar:
        is_off = flag.group in (LIMITS, TIMES) and not flag.default
        default = "" if flag.default in (None, []) else f" [{'none' if is_off else flag.show(flag.default)}]"
        names = [flag.short, flag.long] if flag.short else [flag.long]
        action = "append" if flag.is_repeated else "store"
        group.add_argument(*names, dest=flag.name, metavar=flag.metavar, action=action, help=about + default)
    else:
        for name, value in (flag.long, "yes"), (f"--no{flag.long[1:]}", "no"):
            is_news = (value == "no") == flag.default  # the other one says what is so anyway
            about = f"do not {flag.about}" if value == "no" else flag.about
            group.add_argument(name, dest=flag.name, action="store_const", const=value,
                               help=about if is_news else argparse.SUPPRESS)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Config:
    """What is to be done. `values` and `origins` by the flags' names; `binds`; `warnings` for the log; `asked`: a
    question to answer instead of serving: "help", "version", "print_config", or ""."""

    values: dict[str, Any]
    origins: dict[str, str]
    binds: list[Address]
    warnings: list[str]
    asked: str

    def settings(self) -> Settings:
        return Settings(**{field.name: self.values[field.name] for field in fields(Settings)})

    def hosting(self) -> Hosting:
        return Hosting(**{name: self.values[name] for name in Hosting._fields})

    def lines(self) -> list[str]:
        """Every value and its origin, a line each."""
        import json

        rows = []
        for flag in FLAGS:
            value, origin = self.values[flag.name], self.origins[flag.name]
            if flag is BIND and value is None:
                value, origin = self.binds, max(self.origins["host"], self.origins["port"], key=_nearness)
            shown: Any = [flag.show(each) for each in value] if flag.is_repeated else flag.show(value)
            if type(value) in (bool, int) and flag.metavar in ("", "N"):
                shown = value
            rows.append((flag.name.replace("_", "-"), json.dumps(shown, ensure_ascii=False), origin))
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        return [f"{name:{widths[0]}} = {shown:{min(widths[1], 24)}}  # {origin}" for name, shown, origin in rows]


def read_config(arguments: Sequence[str], environ: Mapping[str, str]) -> Config:
    """The command line and the environment, understood. UsageError if they cannot be."""
    parser = make_parser()
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise UsageError(_unknown(unknown, given.target, parser))
    if given.target is None and "--" in arguments:
        raise UsageError("behind -- a TARGET is missing")
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for flag in FLAGS:
        text, variable = getattr(given, flag.name), environ.get(flag.variable, "")
        if text is not None:
            place = "TARGET" if flag is TARGET else flag.long
            values[flag.name] = flag.take(text if flag.is_repeated else [text], place)
            origins[flag.name] = "command line"
        elif variable:
            values[flag.name] = flag.take(_words(variable, flag) if flag.is_repeated else [variable], flag.variable)
            origins[flag.name] = f"environment ({flag.variable})"
        else:
            values[flag.name], origins[flag.name] = flag.default, "default"
    _set_target(values, origins)
    asked = next((name for name in ("help", "version", "print_config") if getattr(given, name)), "")
    return Config(values, origins, _binds(values, origins), _strays(environ), asked)


def _set_target(values: dict[str, Any], origins: dict[str, str]) -> None:
    """Make one TARGET of --directory and --upload."""
    target, folder = values["target"], values["directory"]
    nearness = _nearness(origins["directory"])
    if folder is not None and nearness >= _nearness(origins["target"]):
        if nearness == _nearness(origins["target"]):
            raise UsageError(f"TARGET is {target}, and --directory says {folder}: one of them")
        is_clear = "/" in folder or folder in (".", "..", "~")
        target = folder if is_clear else f"./{folder}"  # a bare word might be a handler's name
        if not is_folder(target):
            raise UsageError(f"{DIRECTORY.long} {folder}: there is no such directory")
        values["target"], origins["target"] = target, origins["directory"]
    if values["upload"]:
        place, options = split_spec(target or "")
        if place != "static" and not is_folder(place):
            raise UsageError(f"{UPLOAD.long} goes with a directory to serve, as in: reactor DIR --upload")
        if "upload=" not in options:
            values["target"] = f"{place}:{options + ',' if options else ''}upload=yes"


def _words(text: str, flag: Flag) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{flag.variable}: {error}") from None


def _unknown(unknown: Sequence[str], target: str | None, parser: argparse.ArgumentParser) -> str:
    flags = [each for each in unknown if each.startswith("-")]
    if not flags and target == "handlers":
        return f"`reactor handlers` lists what can be served by name, and takes nothing more: leave out {unknown[0]}"
    if not flags:
        return f"one TARGET at a time, and {unknown[0]} is a second; --mount serves several"
    name = flags[0].partition("=")[0]
    right = meant(name, parser._option_string_actions)
    return f"there is no flag {name}" + (f"; did you mean {right}?" if right else "")


def mistaken(target: str) -> str:
    """What a TARGET that there is not was meant to be, if it is no TARGET: a flag, or "" if nothing like that."""
    if target in ("help", "version"):
        return f"--{target}"
    if match := _ADDRESS.fullmatch(target):
        return f"--port {target}" if match[1] is None else f"-b {target}"
    return ""


def _strays(environ: Mapping[str, str]) -> list[str]:
    """Variables that look like a misspelt one of ours. Others may be somebody else's: Kubernetes makes such names."""
    right = {flag.variable.removeprefix(PREFIX): flag.variable for flag in FLAGS}
    strays = [name for name in environ if name.startswith(PREFIX) and name.removeprefix(PREFIX) not in right]
    found = {name: meant(name.removeprefix(PREFIX), right) for name in strays}
    return [f"{name} is not known; did you mean {right[near]}?" for name, near in found.items() if near]


def _binds(values: dict[str, Any], origins: dict[str, str]) -> list[Address]:
    """Where to listen: --bind, or --host and --port, whichever was said nearer to the command line."""
    whole = _nearness(origins["bind"])
    parts = max(_nearness(origins["host"]), _nearness(origins["port"]))
    if whole and whole == parts:
        raise UsageError("--bind says both host and port; leave out --host and --port")
    if whole > parts:
        _check_twice(values["bind"], BIND.variable if origins["bind"].startswith("environment") else BIND.long)
        return list(values["bind"])
    values["bind"] = None  # overruled
    host = values["host"]
    text = f"[{host}]:{values['port']}" if ":" in host and "[" not in host else f"{host}:{values['port']}"
    return list(BIND.take([text], HOST.variable if origins["host"].startswith("environment") else HOST.long))


def _check_twice(binds: Sequence[Address], place: str) -> None:
    """The same address twice is a slip; any free port twice is two ports."""
    seen = set()
    for each in binds:
        what = (each.kind, each.host, each.port, each.path, each.fd)
        if what in seen and (each.port or not each.host):
            raise UsageError(f"{place} {each.text}: this address is given twice")
        seen.add(what)


def _nearness(origin: str) -> int:
    return ("default", "environment", "command").index(origin.split()[0])
