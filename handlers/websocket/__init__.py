"""WebSocket: RFC 6455 over an Upgrade.

    @websocket
    async def chat(socket: WebSocket) -> None:
        async for message in socket:
            await socket.send(message)

Law: a peer that is slow, silent or wrong costs its own connection and nothing else: what waits for it, and what it
makes us keep, is bounded both ways, and every end that can be said is said in a close frame. The frames are wsproto's;
all that is decided about them is here:

    opening    the handshake: what is asked, checked, and what is answered
    deflate    permessage-deflate (RFC 7692)
    frames     what is sent, as frames
    messages   from pieces to messages, and the queue in front of a reader
    heartbeat  pings, and whether anybody is there
    ends       codes, and what is raised
    session    the protocol's side: frames in, frames out, close
    sockets    the function's side: receive, send, broadcast
    handler    a function as a handler
"""

try:
    import wsproto  # noqa: F401  # all below need it: said once, and plainly
except ImportError as _error:
    raise ImportError("handlers.websocket needs wsproto: pip install wsproto") from _error

from .ends import Closed
from .handler import websocket
from .opening import Opening, parse_opening
from .session import Limits
from .sockets import WebSocket, broadcast

__all__ = ["Closed", "Limits", "Opening", "WebSocket", "broadcast", "parse_opening", "websocket"]
