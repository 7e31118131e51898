"""What a person sees on the terminal: colours or none, and log records as lines.

Law: a record is one line, and whatever could garble or forge one is escaped; a traceback follows indented, so
that none of its lines can be taken for a record. Colours only on a terminal, and not where NO_COLOR is set.
"""

import logging
import os
import sys
import time
import traceback
from typing import TextIO

from .outlet import Outlet

BOLD, DIM, RED, YELLOW, GREEN, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[0m"
_COLOURS = {logging.DEBUG: DIM, logging.WARNING: YELLOW, logging.ERROR: RED, logging.CRITICAL: RED}


def is_coloured(stream: TextIO) -> bool:
    """Whether to write colours to it (no-color.org: NO_COLOR counts where it is not empty)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def printable(text: str) -> str:
    """`text` on one line, with what a terminal might act on as an escape."""
    if text.isprintable():  # nearly always: 0.1 us instead of 1.4, for 30 characters
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


class Paint:
    """Puts text in colour, where `stream` takes it."""

    def __init__(self, stream: TextIO) -> None:
        self._is_on = is_coloured(stream)

    def __call__(self, colour: str, text: str) -> str:
        return f"{colour}{text}{PLAIN}" if self._is_on and colour else text


class LineFormatter(logging.Formatter):
    """`12:34:56 warning  what happened`; with the date where it is not for a terminal, which is to say, kept."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._paint = Paint(stream)
        self._stamp = "%H:%M:%S" if stream.isatty() else "%Y-%m-%d %H:%M:%S"

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime(self._stamp, time.localtime(record.created))
        level = self._paint(_COLOURS.get(record.levelno, ""), f"{record.levelname.lower():8}")
        source = "" if record.name == "reactor" else f"{record.name}: "
        lines = [f"{self._paint(DIM, stamp)} {level} {printable(source + record.getMessage())}"]
        if record.exc_info and record.exc_info[1] is not None:
            lines += traceback_lines(record.exc_info[1])
        return "\n".join(lines)


def traceback_lines(error: BaseException) -> list[str]:
    """A traceback, indented."""
    text = "".join(traceback.format_exception(error))
    return ["    " + printable(line) for line in text.splitlines()]


class LineHandler(logging.Handler):
    """Writes records to a stream, without waiting for its reader."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._outlet = Outlet(stream)
        self._outlet.prepare()

    def emit(self, record: logging.LogRecord) -> None:
        if _is_said(record):
            return
        try:
            self._outlet.write([self.format(record) + "\n"])
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        self._outlet.close()
        super().close()


def _is_said(record: logging.LogRecord) -> bool:
    """Whether a handler of a framework's has written it to a standard stream on its way here, as Django's does."""
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None and logger.parent is not None:  # the root is ours
        for each in logger.handlers:
            is_standard = isinstance(each, logging.StreamHandler) and each.stream in (sys.stdout, sys.stderr)
            if is_standard and record.levelno >= each.level and each.filter(record):
                return True
        logger = logger.parent
    return False


def set_up_logging(stream: TextIO, level: str) -> None:
    """Let everything logged in this process, ours and the handlers', go to `stream`."""
    handler = LineHandler(stream)
    handler.setFormatter(LineFormatter(stream))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
