"""In a thread: an application called by one of a few, which belongs to one answer until its iterable is closed.

Law: whatever an application does, the loop goes on, and the thread comes back to the pool. An answer is given by its
first piece that is not empty, and as a whole where that is all.
"""

import logging
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol

from reactor import Later, Request, Response

from .call import Call, checked, close, first_of
from .environ import Environ
from .files import FileWrapper, as_sent
from .start import Heads
from .stream import Gone, Stream
from .watch import Watch

log = logging.getLogger("reactor")


class Backing(Protocol):
    """What a call needs of the crew. `close_file(close)`: has a file closed that the loop has sent, in a thread."""

    watch: Watch

    def close_file(self, close: Callable[[], None]) -> None: ...


class ThreadedCall(Call):
    """One call of `app` for `request`, whose answer `later` promises."""

    __slots__ = ("_app", "_backing", "_body", "_environ", "_is_head", "_later", "_stream", "request")

    def __init__(
        self, app: Callable[..., Any], heads: Heads, request: Request, environ: Environ, body: BinaryIO | None,
        later: Later, backing: Backing,
    ) -> None:  # fmt: skip
        super().__init__(heads)
        self.request = request
        self._app = app
        self._environ = environ
        self._body = body
        self._later = later
        self._backing = backing
        self._is_head = request.method == "HEAD"
        self._stream: Stream | None = None

    def run(self) -> None:
        """The thread's part, all of it."""
        watch = self._backing.watch
        watch.begin(self.request)
        try:
            self._ask()
        except Gone:
            pass
        except BaseException as error:  # SystemExit too: it ends an answer, not the thread
            self._fail(error)
        else:
            if self._stream is not None:
                self._stream.end()
        finally:
            watch.end()
        self.drop()

    def drop(self) -> None:
        """It is over, or will never begin."""
        if self._body is not None:
            self._body.close()

    def write(self, data: bytes) -> None:
        if checked(data):
            self._put(data)

    def _ask(self) -> None:
        iterable = self._app(self._environ, self.start_response)
        kind = type(iterable)
        if (kind is list or kind is tuple) and not self.has_begun:
            self._answer(self.whole(iterable, self._is_head))
            return
        is_given = False
        try:
            is_given = kind is FileWrapper and self._send_file(iterable)
            if not is_given:
                self._send(iterable)
        finally:
            if not is_given:
                close(iterable)

    def _send_file(self, wrapper: FileWrapper) -> bool:
        """Have the kernel send it, and close it when it has left; False if that cannot be."""
        head = self.said()
        if self._is_head or not head.has_body or self._stream is not None:
            return False
        file = as_sent(wrapper, head.length, lambda: self._backing.close_file(lambda: close(wrapper)))
        if file is not None:
            self._answer(head.with_body(file))
        return file is not None

    def _send(self, iterable: Any) -> None:
        iterator = iter(iterable)
        piece = first_of(iterator)
        head = self.said()
        if self._is_head or not head.has_body:
            self._answer(head.for_head(0))
        elif self._stream is None and (not piece or len(piece) == head.length):
            self._answer(head.with_bytes(piece))  # and then the rest, where an application may have put some work
            if piece and first_of(iterator):
                log.error("the application gave more than its Content-Length says at %s", self.request)
        else:
            while piece:
                self._put(piece)
                piece = first_of(iterator)

    def _put(self, piece: bytes) -> None:
        """One more piece; the first opens the stream."""
        head = self.said()
        self.has_begun = True
        if self._is_head or not head.has_body:
            return
        if self._stream is None:
            self._stream = Stream()
            self._stream.put(piece)
            self._answer(head.with_body(self._stream))
        else:
            self._stream.put(piece)

    def _answer(self, response: Response) -> None:
        self.has_begun = True
        self._later.answer(response)

    def _fail(self, error: BaseException) -> None:
        if not (self._later.is_answered or self._later.is_abandoned):
            self._later.answer(error)
        elif self._stream is None or not self._stream.end(error):
            log.error("the application raised where nobody waits any more at %s", self.request, exc_info=error)
