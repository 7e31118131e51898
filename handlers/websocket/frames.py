"""Frames: wsproto's Connection, on the server's side.

Law: what it makes of a message depends on the message and on `dialect`, and on nothing that was sent before. Of what
comes, no more is unpacked at a time than the rest of the server can wait for.
"""

from collections.abc import Generator

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, Event, TextMessage

from .deflate import Deflate
from .messages import Data

SLICE = 2048  # bytes that may be compressed are unpacked at a time; deflate makes a thousand times as many of them


class Frames(Connection):
    """Attribute `dialect`: bits of the window for what is compressed; 0: nothing is."""

    def __init__(self, deflate: Deflate | None) -> None:
        super().__init__(ConnectionType.SERVER, [] if deflate is None else [deflate])
        self.dialect = 0 if deflate is None else deflate.server_max_window_bits
        self._has_slices = deflate is not None
        self._data = b""  # what was not looked at

    def feed(self, data: bytes) -> None:
        """Take `data`; all that came before was looked at."""
        self._data = data

    def events(self) -> Generator[Event, None, None]:
        """What it says. Whoever stops in between may go on."""
        yield from super().events()
        while self._data:
            size = SLICE if self._has_slices else len(self._data)
            piece, self._data = self._data[:size], self._data[size:]
            self.receive_data(piece)
            yield from super().events()

    def encode(self, message: Data) -> bytes:
        """A frame with `message`. TypeError; UnicodeEncodeError."""
        if isinstance(message, str):
            return self.send(TextMessage(data=message))
        if isinstance(message, (bytes, bytearray, memoryview)):
            return self.send(BytesMessage(data=bytes(message)))
        raise TypeError(f"a message is str or bytes, not {type(message).__name__}")


class Nowhere:
    """Where frames go while there is no link."""

    owed = 0

    def send(self, data: bytes) -> None: ...
    def end(self) -> None: ...
    def close(self) -> None: ...
