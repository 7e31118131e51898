"""The disk: whether the bytes of a file are in memory, and a thread that reads them where they are not.

Law: the loop never waits for a disk that can be asked first. What is in the page cache is sent by the loop, at the
speed of memory; what is not is read into it by a thread, and then sent.
"""

import os
from concurrent.futures import ThreadPoolExecutor

from reactor import Later

THREADS = 4
STEP = 256 * 1024  # bytes that a thread reads at once

# The kernel's word that a read is not to wait (preadv2(2), RWF_NOWAIT); 0 where there is none.
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)


class Disk:
    """Reads ahead for all files of a handler."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def prepare(self, fd: int, offset: int, count: int) -> Later | None:
        """None: `count` bytes from `offset` on can be read without waiting, as far as the first and the last of them
        tell. Else they are being read, and the Later is answered when they are in memory."""
        if is_in_memory(fd, offset) and is_in_memory(fd, offset + count - 1):
            return None
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, "reactor-disk")
        later = Later()
        own = os.dup(fd)  # the answer may be given up while we read
        try:
            self._pool.submit(_read, own, offset, count, later)
        except RuntimeError:  # it is shut down
            os.close(own)
            return None
        return later

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=False)


def is_in_memory(fd: int, offset: int) -> bool:
    """Whether the byte at `offset` is in the page cache, or nobody can tell: 0.6 us."""
    if not _NOWAIT:
        return True
    try:
        os.preadv(fd, [bytearray(1)], offset, _NOWAIT)
    except BlockingIOError:
        return False
    except OSError:
        pass  # this file system does not say; or it fails, which sending will show
    return True


def _read(fd: int, offset: int, count: int, later: Later) -> None:
    """Have the system read into its cache; what fails here fails again where it is sent."""
    try:
        end = offset + count
        while offset < end and (piece := os.pread(fd, min(STEP, end - offset), offset)):
            offset += len(piece)
    except OSError:
        pass
    finally:
        os.close(fd)
        later.answer()
