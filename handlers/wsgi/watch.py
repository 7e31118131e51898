"""A watch on threads: which is busy for long, and where it stands, said in the log.

Law: it costs those who work a look into a dict, and sleeps while nobody works.
"""

import logging
import sys
import sysconfig
import threading
import traceback
from time import monotonic

from . import stream

log = logging.getLogger("reactor")

LOOK = 1.0  # seconds between two looks
PATIENCE = 10.0  # seconds until a thread is named; then after twice as long, and so on

_LIBRARY = tuple({sysconfig.get_path(each) for each in ("stdlib", "purelib", "platlib")})


class Watch:
    """Names threads that are busy with one thing for longer than `patience` (seconds), looking every `look`."""

    def __init__(self, patience: float = PATIENCE, look: float = LOOK) -> None:
        self._patience = patience
        self._look = look
        self._busy: dict[int, tuple[float, object]] = {}  # by thread: since when, with what
        self._due: dict[int, float] = {}  # by thread: when it is named next
        self._is_wanted = threading.Event()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch of threads", daemon=True)
        self._thread.start()

    def begin(self, what: object) -> None:
        """This thread begins with `what`."""
        self._busy[threading.get_ident()] = (monotonic(), what)
        if not self._is_wanted.is_set():
            self._is_wanted.set()

    def end(self) -> None:
        """This thread is done."""
        del self._busy[threading.get_ident()]

    def close(self) -> None:
        self._is_over.set()
        self._is_wanted.set()
        self._thread.join()

    def _run(self) -> None:
        while self._is_wanted.wait() and not self._is_over.is_set():
            self._is_wanted.clear()
            while self._busy and not self._is_over.wait(self._look):
                self._name_busy(monotonic())

    def _name_busy(self, now: float) -> None:
        for thread, (began, what) in list(self._busy.items()):
            took = now - began
            if took < self._patience:
                self._due.pop(thread, None)
            elif took >= self._due.get(thread, 0.0):
                self._due[thread] = 2 * took
                log.warning("a thread has been busy for %.0f s with %s: it %s", took, what, place(thread))


def place(thread: int) -> str:
    """What a thread does: the innermost line that is not a library's, if there is one."""
    frame = sys._current_frames().get(thread)
    frames = traceback.extract_stack(frame) if frame is not None else []
    own = [each for each in frames if not each.filename.startswith((*_LIBRARY, "<frozen"))]
    for each in (own or frames)[-1:]:
        if each.filename == stream.__file__:
            return "waits for a client who reads slowly"
        return f"is in {each.name} ({each.filename}, line {each.lineno})"
    return "has ended"
