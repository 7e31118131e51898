"""`wsgi.errors`: a text stream whose lines go to the log."""

import logging
import threading
from collections.abc import Iterable

log = logging.getLogger("wsgi.errors")

LONGEST = 64 * 1024  # characters of a line; one that never ends is cut there


class ErrorLog:
    """Takes text from any thread; a line is logged when it is complete, or flushed."""

    def __init__(self) -> None:
        self._begun = threading.local()  # the line that each thread has begun: they must not mix

    def write(self, text: str) -> int:
        whole, newline, rest = (self._rest() + text).rpartition("\n")
        if newline:
            for line in whole.split("\n"):
                log.error("%s", line)
        self._begun.text = rest
        if len(rest) > LONGEST:
            self.flush()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        rest, self._begun.text = self._rest(), ""
        if rest:
            log.error("%s", rest)

    def _rest(self) -> str:
        rest: str = getattr(self._begun, "text", "")
        return rest
