"""The access log: one line per answer, written once per turn.

Law: a line is one line. Whatever a peer sent is escaped before it gets here; the loop never waits for the log.
"""

import re
import sys
from collections.abc import Callable
from time import monotonic
from typing import TextIO

from .http1.errors import ProtocolError
from .http1.request import Origin, Request
from .terminal import is_coloured

_RED, _YELLOW, _GREEN, _DIM, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[2m", "\x1b[0m"
_COLOURS = {2: _GREEN, 3: _GREEN, 4: _YELLOW, 5: _RED}
_CONTROL = re.compile(r"[^ -\[\]-~]")


def escape(text: str) -> str:
    """`text` with whatever could forge or garble a line written as an escape: printable ASCII, on one line."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


class AccessLog:
    """The short form: `127.0.0.1:50212 GET /test 200 5 B 0.3 ms`, and "broken off" behind an answer that was.

    `stream`: where to; `call_soon`: the reactor's; in colours on a terminal.
    """

    def __init__(
        self,
        call_soon: Callable[[Callable[[], None]], None],
        stream: TextIO | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._call_soon = call_soon
        self._stream = stream if stream is not None else sys.stdout
        self._clock = clock
        self._lines: list[str] = []
        self._is_coloured = is_coloured(self._stream)

    def answered(self, request: Request, status: int, size: int, began: float, is_whole: bool = True) -> None:
        """An answer of `size` bytes of body has been given to a request that was here at `began` (seconds)."""
        took = (self._clock() - began) * 1000
        asked = f"{request.method} {escape(request.target.decode('latin-1'))}"
        self._add(request.origin, asked, status, f"{size} B {took:.1f} ms{'' if is_whole else ' broken off'}")

    def refused(self, origin: Origin, error: ProtocolError) -> None:
        """What came was no request; `error` says why."""
        self._add(origin, "-", error.status, error.reason)

    def _add(self, origin: Origin, asked: str, status: int, rest: str) -> None:
        if not self._lines:
            self._call_soon(self.write)
        if self._is_coloured:
            colour = _COLOURS.get(status // 100, "")
            self._lines.append(f"{_DIM}{origin.peer}{_PLAIN} {asked} {colour}{status}{_PLAIN} {_DIM}{rest}{_PLAIN}\n")
        else:
            self._lines.append(f"{origin.peer} {asked} {status} {rest}\n")

    def write(self) -> None:
        """Write what has gathered."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            self._stream.write("".join(lines))
            self._stream.flush()
        except (OSError, ValueError):
            pass  # a full disk, a closed pipe: the log is not worth the service
