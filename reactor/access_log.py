"""The access log: one line per answer, written once per turn.

Law: a line is one line: what a peer sent is escaped here.
"""

import sys
from collections.abc import Callable
from time import monotonic
from typing import TextIO

from .http1.errors import ProtocolError
from .http1.request import Origin, Request
from .outlet import Outlet
from .terminal import DIM, GREEN, PLAIN, RED, YELLOW, is_coloured, printable

_COLOURS = {2: GREEN, 3: GREEN, 4: YELLOW, 5: RED}


class AccessLog:
    """The short form: `127.0.0.1:50212 GET /test 200 5 B 0.3 ms`, and "broken off" behind an answer that was.

    `stream`: where to; `call_soon`: the reactor's; in colours on a terminal. `close` it in the end.
    """

    def __init__(
        self,
        call_soon: Callable[[Callable[[], None]], None],
        stream: TextIO | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        stream = stream if stream is not None else sys.stdout
        self._call_soon = call_soon
        self._clock = clock
        self._lines: list[str] = []
        self._outlet = Outlet(stream)
        self._is_coloured = is_coloured(stream)

    def answered(self, request: Request, status: int, size: int, began: float, is_whole: bool = True) -> None:
        """An answer of `size` bytes of body has been given to a request that was here at `began` (seconds)."""
        took = (self._clock() - began) * 1000
        rest = f"{size} B {took:.1f} ms{'' if is_whole else ' broken off'}"
        self._add(request.origin, printable(str(request)), status, rest)

    def refused(self, origin: Origin, error: ProtocolError, request: Request | None = None) -> None:
        """What came was refused, and `error` says why: a `request`, or what never became one."""
        self._add(origin, "-" if request is None else printable(str(request)), error.status, printable(error.reason))

    def _add(self, origin: Origin, asked: str, status: int, rest: str) -> None:
        if not self._lines:
            self._call_soon(self.write)
        if self._is_coloured:
            colour = _COLOURS.get(status // 100, "")
            self._lines.append(f"{DIM}{origin.peer}{PLAIN} {asked} {colour}{status}{PLAIN} {DIM}{rest}{PLAIN}\n")
        else:
            self._lines.append(f"{origin.peer} {asked} {status} {rest}\n")

    @property
    def is_behind(self) -> bool:
        """Whether lines are kept for a reader: `write` from time to time."""
        return self._outlet.is_behind

    def write(self) -> None:
        """Write what has gathered, and what is kept, as far as it is taken."""
        lines, self._lines = self._lines, []
        self._outlet.write(lines)

    def close(self) -> None:
        """Write what there is, waiting PATIENCE seconds at most for a reader. The stream stays open."""
        lines, self._lines = self._lines, []
        self._outlet.write(lines)
        self._outlet.close()
