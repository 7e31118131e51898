"""The flags: one table, from which come the parser, its help, the environment variables and --print-config.

Law: wherever a value comes from, the same function checks it, and the error names the place. The limits and
timeouts are the fields of `Settings`, with their units and reasons.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..address import AddressError, parse_address
from ..plugins import DEFAULT, INTERFACES, Hosting, split_mount
from ..settings import Settings
from ..values import (
    one_of,
    parse_duration,
    parse_number,
    parse_size,
    parse_switch,
    show_duration,
    show_size,
    show_switch,
)

SERVE, WHERE, SAY, LIMITS, TIMES = "what to serve", "where", "what to say", "limits (0: none)", "timeouts (0: none)"
RUN = "how an app is run"
_APPS = Hosting()
PREFIX = "REACTOR_"  # of environment variables
LOOPS = ("auto", "asyncio", "uvloop")
LEVELS = ("debug", "info", "warning", "error", "critical")


class UsageError(ValueError):
    """What was asked for cannot be understood: one line says what, and what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One flag. `name`: as the attribute; `parse`: from text, raising ValueError; `show`: back to text."""

    name: str
    group: str
    about: str
    default: Any
    parse: Callable[[str], Any] = str
    show: Callable[[Any], str] = str
    metavar: str = ""  # none: a switch
    short: str = ""
    is_repeated: bool = False

    @property
    def long(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    def take(self, texts: Sequence[str], place: str) -> Any:
        """The value of what was written at `place`. UsageError names it."""
        try:
            values = [self.parse(each) for each in texts]
        except AddressError as error:
            raise UsageError(f"{place} {error}") from None
        except ValueError as error:
            raise UsageError(f"{place}: {error}") from None
        return values if self.is_repeated else values[-1]


def _parse_port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 5 or int(text) > 65535:
        hint = " (set by Kubernetes? see its enableServiceLinks)" if text.startswith("tcp://") else ""
        raise ValueError(f"a port is a number from 0 to 65535, not {text!r}{hint}")
    return int(text)


def _parse_count(text: str) -> int:
    number = parse_number(text)
    if number < 0:
        raise ValueError(f"a number is 0 or more, not {text!r}")
    return number


def _given(what: str) -> Callable[[str], str]:
    """A parse function for a text that must not be empty, as "$UNSET" is."""

    def check(text: str) -> str:
        if not text:
            raise ValueError(f"{what} is wanted, not ''")
        return text

    return check


def _of_settings(name: str, parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """`parse`, and then what Settings itself has to say."""

    def check(text: str) -> Any:
        value = parse(text)
        try:
            Settings(**{name: value})
        except ValueError as error:
            raise ValueError(str(error).replace(name, "it", 1)) from None
        return value

    return check


_UNITS: dict[str, tuple[str, Callable[[str], Any], Callable[[Any], str]]] = {
    "bytes": ("SIZE", parse_size, show_size),
    "seconds": ("TIME", parse_duration, show_duration),
    "count": ("N", parse_number, str),
    "": ("", parse_switch, show_switch),
}


def _settings_flags() -> list[Flag]:
    flags = []
    for field in fields(Settings):
        metavar, parse, show = _UNITS[field.metadata["unit"]]
        if field.name == "backlog":
            group = WHERE
        elif not metavar:
            group = SAY
        else:
            group = TIMES if field.name.startswith(("timeout_", "least_")) else LIMITS
        flags.append(Flag(name=field.name, group=group, about=field.metadata["why"], default=field.default,
                          parse=_of_settings(field.name, parse), show=show, metavar=metavar))  # fmt: skip
    return flags


TARGET = Flag(name="target", group=SERVE, default=None, metavar="TARGET",
              parse=_given("the name of a handler, a file or a module"), show=lambda value: value or DEFAULT,
              about="a directory, whose files are served; a handler's name (`reactor handlers` lists them); "
                    "file.py[:attr] or module[:attr], a handler or an app (WSGI, ASGI); options as in DIR:listing=no "
                    "or upload.py:Upload:folder=/srv,limit=16m; by default the demo, hello")  # fmt: skip
DIRECTORY = Flag(name="directory", short="-d", group=SERVE, default=None, metavar="DIR", parse=_given("a directory"),
                 show=lambda value: value or "", about="the same as DIR as the TARGET")  # fmt: skip
UPLOAD = Flag(name="upload", group=SERVE, default=False, parse=parse_switch, show=show_switch,
              about="take files, too: by PUT, and by a form on a directory's page; as DIR:upload=yes")  # fmt: skip
BIND = Flag(name="bind", short="-b", group=WHERE, default=None, metavar="ADDRESS", parse=parse_address,
            show=lambda value: value.text, is_repeated=True,
            about="HOST:PORT, [v6]:PORT, *:PORT or :PORT (every address of this machine), unix:PATH[,mode=660], "
                  "unix:@NAME, fd://N, systemd, udp://HOST:PORT, unixgram:PATH; repeat for several")  # fmt: skip
HOST = Flag(name="host", group=WHERE, default="127.0.0.1", metavar="NAME", about="instead of --bind; *: all addresses",
            parse=_given("a name or an address, or * for all,"))
PORT = Flag(name="port", group=WHERE, default=8000, metavar="N", parse=_parse_port,
            about="instead of --bind; 0: any free one, and the banner says which")  # fmt: skip
FLAGS = [
    TARGET, DIRECTORY, UPLOAD,
    Flag(name="mount", group=SERVE, default=[], metavar="PREFIX=SPEC", parse=split_mount, is_repeated=True,
         show="=".join,
         about="serve SPEC, written as TARGET is, below PREFIX; repeat for several; TARGET serves the rest"),
    Flag(name="app_dir", group=SERVE, default=".", metavar="FOLDER", about="where module:attr is looked for first"),
    Flag(name="interface", group=RUN, default=_APPS.interface, metavar="WORD", parse=one_of(INTERFACES),
         about=f"{', '.join(INTERFACES)}: what a file or module has; auto: told from its parameters"),
    Flag(name="factory", group=RUN, default=False, parse=parse_switch, show=show_switch,
         about="call it, with nothing, to get what is served: create_app()"),
    Flag(name="threads", group=RUN, default=_APPS.threads, metavar="N", parse=_parse_count,
         about="that run a WSGI app; 0: it runs on the loop and must not block"),
    Flag(name="queue", group=RUN, default=_APPS.queue, metavar="N", parse=_parse_count,
         about="requests that wait for a thread; above it 503"),
    Flag(name="loop", group=RUN, default="auto", metavar="WORD", parse=one_of(LOOPS),
         about=f"{', '.join(LOOPS)}: what async handlers and ASGI apps run in; auto: asyncio's"),
    BIND, HOST, PORT,
    Flag(name="reuse_port", group=WHERE, default=False, parse=parse_switch, show=show_switch,
         about="share the port with other servers that say so too; the kernel spreads connections"),
    Flag(name="log_level", group=SAY, default="info", metavar="LEVEL", parse=one_of(LEVELS),
         about=f"{', '.join(LEVELS)}; debug shows the traceback of an error at the start; above info: no banner"),
    Flag(name="access_log", group=SAY, default=True, parse=parse_switch, show=show_switch,
         about="write a line per answer to standard output"),
    *_settings_flags(),
]  # fmt: skip
