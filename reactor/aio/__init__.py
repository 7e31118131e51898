"""asyncio: `async def` handlers, and the reactor as the guest of an asyncio loop, on one thread.

    steps      a task that holds the loop is named
    host       the loop, and its guest
    flows      bodies, between a connection and a task
    tasks      a handler that is a coroutine function

Law: nothing here is imported before a handler is mounted that needs it, or `serve` is called.
"""

from .flows import Gone, Inflow, Outflow, Whole
from .host import Host, OwnHost, current_host
from .tasks import AsyncHandler, Pieces, StreamingRequest, streaming

__all__ = [
    "AsyncHandler", "Gone", "Host", "Inflow", "Outflow", "OwnHost", "Pieces", "StreamingRequest", "Whole",
    "current_host", "streaming",
]  # fmt: skip
