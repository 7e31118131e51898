"""permessage-deflate (RFC 7692): negotiated by wsproto, bounded by us.

Of each message we send, the context is forgotten (server_no_context_takeover, which a server may always say): zlib
keeps 256 KiB for one, and who has a thousand clients has other uses for that. Short messages gain nothing without it
and go as they are. The client keeps its own context or not, as it likes: that takes 40 KiB here, from its first
compressed message on.

Law: no more is inflated than a message may have. wsproto's own inbound side has no such limit, and loses its place
where a ping comes between the fragments of a compressed message, so it is not used.
"""

import re
import zlib

from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

WORTH = 1024  # bytes of a message that is compressed, at least: what other servers take, too

_TAIL = b"\x00\x00\xff\xff"  # RFC 7692 7.2.2: what the sender has left out
_ANY = 1 << 62  # bytes; more than there are
# RFC 7692 7.1: each once at most, and a window of 8 to 15 bits. Without a value, the client's is ours to choose.
_BITS = r'(?:"(?:[89]|1[0-5])"|(?:[89]|1[0-5]))'
_PARAMETER = re.compile(
    rf"(client_no_context_takeover|server_no_context_takeover)|(server_max_window_bits)={_BITS}"
    rf"|(client_max_window_bits)(?:={_BITS})?"
)


class Deflate(PerMessageDeflate):
    """The extension, for one connection whose messages may have `limit` bytes (0: any)."""

    def __init__(self, limit: int) -> None:
        super().__init__(server_no_context_takeover=True)
        self._limit = limit or _ANY
        self._left = 0  # bytes that the message may still have
        self._is_compressed = False  # the message
        self._is_inflated = False  # the frame: it is a part of such a message
        self._inflater: zlib._Decompress | None = None

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """Called again with the same, where the header was not all there."""
        if opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_compressed = rsv.rsv1
            self._left = self._limit
        elif rsv.rsv1:
            return CloseReason.PROTOCOL_ERROR  # RFC 7692 6.1: only the first frame of a message says it
        self._is_inflated = self._is_compressed and not opcode.iscontrol()
        return RsvBits(True, False, False)

    def frame_inbound_payload_data(
        self, proto: FrameDecoder | FrameProtocol, data: bytes
    ) -> bytes | CloseReason:
        return self._inflate(data) if self._is_inflated else data

    def frame_inbound_complete(
        self, proto: FrameDecoder | FrameProtocol, fin: bool
    ) -> bytes | CloseReason | None:
        if not (fin and self._is_inflated):
            return None
        data = self._inflate(_TAIL)
        if self.client_no_context_takeover or (self._inflater is not None and self._inflater.eof):
            self._inflater = None
        return data

    def frame_outbound(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, data: bytes, fin: bool
    ) -> tuple[RsvBits, bytes]:
        return (rsv, data) if len(data) < WORTH else super().frame_outbound(proto, opcode, rsv, data, fin)

    def _inflate(self, data: bytes) -> bytes | CloseReason:
        inflater = self._inflater
        if inflater is None:
            inflater = self._inflater = zlib.decompressobj(-self.client_max_window_bits)
        try:
            inflated = inflater.decompress(data, self._left + 1)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        if not (b"\x00" + _TAIL).startswith(inflater.unused_data):  # RFC 7692 7.2.3.4: all there is behind a last block
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        self._left -= len(inflated)
        return inflated if self._left >= 0 else CloseReason.MESSAGE_TOO_BIG


def negotiated(deflate: Deflate, offer: str) -> str | None:
    """What is answered to `offer`, an extension with its parameters: `deflate` has agreed to it. None: it declines."""
    name, *parameters = [each.strip(" \t") for each in offer.split(";")]
    found = [_PARAMETER.fullmatch(each) for each in parameters]
    names = [each[each.lastindex or 0] for each in found if each is not None]
    if name != deflate.name or len(set(names)) < len(parameters):
        return None
    said = deflate.accept("; ".join([name, *parameters]).replace('"', ""))
    return f"{name}; {said}" if said else None  # a window of 8 bits is one that zlib cannot do
