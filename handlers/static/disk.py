"""The disk: whether the bytes of a file are in memory, and a thread that reads them where they are not.

Law: the loop never waits for a disk that can be asked first. What is in the page cache is sent by the loop, at the
speed of memory; what is not is read into it by a thread, and then sent.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from reactor import Later

THREADS = 4
STEP = 256 * 1024  # bytes that a thread reads at once

# The kernel's word that a read is not to wait (preadv2(2), RWF_NOWAIT); 0 where there is none.
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)
_ONE = [bytearray(1)]  # where to; what it was does not matter


class Disk:
    """Reads ahead for all files of a handler."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def prepare(self, fd: int, offset: int, count: int) -> Later | None:
        """None: `count` bytes from `offset` on can be read without waiting, as far as the first and the last of them
        tell. Else they are being read, and the Later is answered when they are in memory."""
        try:
            if is_in_memory(fd, offset) and is_in_memory(fd, offset + count - 1):
                return None
        except OSError:
            return None  # sending will show what is wrong
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, "reactor-disk")
        later = Later()
        own: list[int] = []  # a descriptor; whoever takes it out closes it
        try:
            own.append(os.dup(fd))  # the answer may be given up while we read
            self._pool.submit(_read, own, offset, count, later)
        except (OSError, RuntimeError):  # no descriptor or thread is to be had, or it is shut down: the loop must wait
            with suppress(IndexError):  # a pool that found no thread has the task all the same, and may yet do it
                os.close(own.pop())
            return None
        return later

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=False)


def is_in_memory(fd: int, offset: int) -> bool:
    """Whether the byte at `offset` is in the page cache. OSError where the file system does not say (tmpfs, which is
    memory, and FUSE), or fails, which sending will show."""
    try:
        os.preadv(fd, _ONE, offset, _NOWAIT)
    except BlockingIOError:
        return False
    return True


def tells(fd: int) -> bool:
    """Whether `is_in_memory` can be asked of this file."""
    try:
        return _NOWAIT > 0 and is_in_memory(fd, 0) is not None
    except OSError:
        return False


def _read(own: list[int], offset: int, count: int, later: Later) -> None:
    """Have the system read into its cache, by the descriptor in `own`; what fails here fails again where it is sent."""
    try:
        fd = own.pop()
    except IndexError:
        return  # the loop has not waited for us
    try:
        end = offset + count
        while offset < end and (piece := os.pread(fd, min(STEP, end - offset), offset)):
            offset += len(piece)
    except OSError:
        pass
    finally:
        os.close(fd)
        later.answer()
