"""An outlet: lines to whoever reads a log, without waiting for them.

Law: the loop never waits for whoever reads a log: what is not taken is kept, up to KEPT bytes; what comes then is lost,
and a line says how much. (A file on a disk is waited for.)
"""

import os
import select
import stat
from time import monotonic
from typing import TextIO

KEPT = 1 << 20  # bytes of lines that are kept for a reader who does not read
SLICE = 4096  # bytes: a pipe that is writable takes as much whole, without blocking (PIPE_BUF)
PATIENCE = 0.2  # seconds that the end waits for a reader


class Outlet:
    """Lines to a stream, without waiting for its reader; what fails is tried again with the next.

    A descriptor made non-blocking is so for all who share it, a shell or another worker. So a pipe and a terminal are
    opened anew, where the system has a name for them. Where not, we ask whether they are writable, and write no more
    than that promises: which a terminal may break, and several writers to one pipe.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._own: int | None = None  # a descriptor; -1: we have none, None: we did not try
        self._kept = bytearray()
        self._lost = 0

    def prepare(self) -> None:
        """Open what the first line would open: then there is a descriptor to be had."""
        self._fileno()

    @property
    def is_behind(self) -> bool:
        return bool(self._kept)

    def write(self, lines: list[str], patience: float = 0.0) -> None:
        """Write `lines` behind what is kept, waiting no longer than `patience` seconds."""
        if not (lines or self._kept or self._lost):
            return
        try:
            fd = self._fileno()
            if fd < 0:
                self._stream.write("".join(lines))
                self._stream.flush()
                return
            self._drain(fd, 0)
            self._keep(lines)
            self._drain(fd, patience)
        except (OSError, ValueError):
            pass  # closed: the log is not worth the service

    def close(self) -> None:
        """Write what is kept, waiting PATIENCE seconds at most for a reader, and give back what was opened."""
        self.write([], PATIENCE)
        own, self._own = self._own, None
        if own is not None and own >= 0:
            os.close(own)

    def _keep(self, lines: list[str]) -> None:
        """Add `lines` to what is kept. Once one is lost so are those that follow, until all that is kept has been
        read: then a line says how many it were, in the very place."""
        if self._lost and not self._kept:
            self._kept += f"({self._lost} lines are missing here: nobody read the log)\n".encode()
            self._lost = 0
        for number, line in enumerate(lines):
            data = line.encode("utf-8", "backslashreplace")
            if self._lost or len(self._kept) + len(data) > KEPT:
                self._lost += len(lines) - number
                return
            self._kept += data

    def _drain(self, fd: int, patience: float) -> None:
        """Write what is kept as far as it is taken: in slices, and cut between lines, so that those of several
        workers do not mix."""
        until = monotonic() + patience
        while self._kept and _is_writable(fd, until - monotonic()):
            end = self._kept.rfind(b"\n", 0, SLICE) + 1 or SLICE
            try:
                taken = os.write(fd, self._kept[:end])
            except BrokenPipeError:  # nobody will ever read it
                taken = len(self._kept)
            except OSError:  # a terminal that stands still, a full disk: it may pass
                return
            del self._kept[:taken]

    def _fileno(self) -> int:
        """The descriptor to write to; -1: there is none, only the stream."""
        if self._own is not None and self._own >= 0:
            return self._own
        try:
            fd = self._stream.fileno()
        except (OSError, ValueError):
            return -1
        if self._own is None:
            self._stream.flush()  # what was written to it before comes first
            self._own = _open_anew(fd)
        return fd if self._own < 0 else self._own


def _open_anew(fd: int) -> int:
    """The pipe or terminal that `fd` is, non-blocking and for us alone; -1 if it is neither or cannot be opened."""
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        return -1
    try:
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return -1


def _is_writable(fd: int, timeout: float) -> bool:
    """Whether it is, or becomes so within `timeout` seconds."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(max(timeout, 0) * 1000))
