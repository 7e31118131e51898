"""The opening handshake: a request that asks for a WebSocket, checked as RFC 6455 4.2.1 has it, and what is answered.

Law: what a client says is taken as the grammar has it or refused; of what is optional, the first that we have is taken.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

from wsproto.utilities import generate_accept_token

from reactor import Request, Response

from .deflate import Deflate, negotiated

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # a token: RFC 9110 5.6.2
_PROTOCOL = re.compile(_WORD)
_KEY = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")  # 16 bytes in base64: four bits of the last digit are 0
# RFC 6455 9.1: a parameter's value is a token, also where it is quoted, so neither "," nor ";" can be in one.
_EXTENSION = re.compile(rf"{_WORD}(?:[ \t]*;[ \t]*{_WORD}(?:=(?:{_WORD}|\"{_WORD}\"))?)*")

_NOT_ONE = Response(426, "this is for WebSocket clients\n", {"Upgrade": "websocket", "Vary": "Upgrade"})
_OTHER_VERSION = Response(
    426, "this is version 13 of WebSocket\n", {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
)
_NOT_GET = Response(405, "a WebSocket is opened by GET\n", {"Allow": "GET"})


class Opening(NamedTuple):
    """What a client asks for. `protocols`, `extensions`: as it offers them, in its order; each extension with its
    parameters."""

    key: str
    protocols: tuple[str, ...]
    extensions: tuple[str, ...]

    def choose(self, subprotocols: Collection[str]) -> str | None:
        """The client's favourite among `subprotocols`; None: none of them."""
        return next((each for each in self.protocols if each in subprotocols), None)

    def deflate(self, limit: int) -> tuple[Deflate | None, str]:
        """The permessage-deflate that is agreed on, for messages of `limit` bytes (0: any), and how that is answered;
        None and "" where there is none."""
        for offer in self.extensions:
            deflate = Deflate(limit)
            said = negotiated(deflate, offer)
            if said is not None:
                return deflate, said
        return None, ""

    def answer(self, subprotocol: str | None, extension: str) -> list[tuple[str, str]]:
        """The fields of the 101: RFC 6455 4.2.2."""
        fields = [("Sec-WebSocket-Accept", generate_accept_token(self.key.encode()).decode())]
        if subprotocol is not None:
            fields.append(("Sec-WebSocket-Protocol", subprotocol))
        if extension:
            fields.append(("Sec-WebSocket-Extensions", extension))
        return fields


def parse_opening(request: Request) -> Opening | Response:
    """What `request` asks for, or how it is refused: 426 where it asks for no WebSocket, or for another version."""
    terms, headers = request.head.terms, request.headers
    offered = [each.strip().lower() for each in headers.get("upgrade", "").split(",")]
    if terms.is_old or b"upgrade" not in terms.options or "websocket" not in offered:
        return _NOT_ONE
    if request.head.method != "GET":
        return _NOT_GET
    if terms.length:
        return _bad("a WebSocket's opening has no body")
    if headers.get("sec-websocket-version") != "13":
        return _OTHER_VERSION
    key = headers.get("sec-websocket-key", "")
    if _KEY.fullmatch(key) is None:
        return _bad("Sec-WebSocket-Key is one, 16 bytes in base64")
    protocols = _listed(headers.get("sec-websocket-protocol"), _PROTOCOL)
    if protocols is None or len(set(protocols)) < len(protocols):
        return _bad("Sec-WebSocket-Protocol is a list of tokens that differ")
    extensions = _listed(headers.get("sec-websocket-extensions"), _EXTENSION)
    if extensions is None:
        return _bad("Sec-WebSocket-Extensions is not as RFC 6455 9.1 has it")
    return Opening(key, protocols, extensions)


def _listed(value: str | None, shape: re.Pattern[str]) -> tuple[str, ...] | None:
    """The elements of a list, one at least where there is a field; None: it is none of `shape`. RFC 9110 5.6.1 has
    empty elements ignored."""
    if value is None:
        return ()
    elements = tuple(each for each in (each.strip(" \t") for each in value.split(",")) if each)
    return elements if elements and all(map(shape.fullmatch, elements)) else None


def _bad(why: str) -> Response:
    return Response(400, f"{why}\n")
