"""Frames: wsproto's Connection, on the server's side.

Law: what it makes of a message depends on the message and on `dialect`, and on nothing that was sent before.
"""

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, TextMessage

from .deflate import Deflate
from .messages import Data


class Frames(Connection):
    """Attribute `dialect`: bits of the window for what is compressed; 0: nothing is."""

    def __init__(self, deflate: Deflate | None) -> None:
        super().__init__(ConnectionType.SERVER, [] if deflate is None else [deflate])
        self.dialect = 0 if deflate is None else deflate.server_max_window_bits

    def encode(self, message: Data) -> bytes:
        """A frame with `message`. TypeError; UnicodeEncodeError."""
        if isinstance(message, str):
            return self.send(TextMessage(data=message))
        if isinstance(message, (bytes, bytearray, memoryview)):
            return self.send(BytesMessage(data=bytes(message)))
        raise TypeError(f"a message is str or bytes, not {type(message).__name__}")
