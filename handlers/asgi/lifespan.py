"""The lifespan: an application's startup, before anything is served, and its shutdown, when all has been.

Law: an application that does not know the protocol, and says so by raising, is served without it.
"""

import asyncio
import logging
from typing import Any

PATIENCE = 5.0  # seconds that it may go on when it has said that its shutdown is complete

log = logging.getLogger("reactor")


class NotStarted(Exception):
    """The application said that its startup has failed, and why."""


class Lifespan:
    """`app`'s, called `name` in the log; what it puts into `state` its requests will see."""

    def __init__(self, app: Any, name: str, state: dict[str, Any], loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._name = name
        self._state = state
        self._loop = loop
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._said: asyncio.Future[dict[str, Any]] | None = None
        self._has_started = False
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """NotStarted if it says so."""
        self._task = self._loop.create_task(self._run())
        message = await self._ask(self._task, "startup")
        if message is not None and message["type"].endswith(".failed"):
            self._task.cancel()  # it may wait for a shutdown that will never come
            await asyncio.wait([self._task])
            reason = message.get("message", "")
            if reason:
                log.error("%s at its startup:\n%s", self._name, reason.rstrip())
            raise NotStarted((reason.strip().splitlines() or ["its startup has failed"])[-1])

    async def end(self) -> None:
        """Returns when it is done; what goes wrong is logged."""
        if self._task is None or self._task.done():
            return
        message = await self._ask(self._task, "shutdown")
        if message is not None and message["type"].endswith(".failed"):
            log.error("%s failed at its shutdown: %s", self._name, message.get("message", ""))
        await asyncio.wait([self._task], timeout=PATIENCE)
        self._task.cancel()

    async def _ask(self, task: "asyncio.Task[None]", what: str) -> dict[str, Any] | None:
        """Its answer; None if it ends without one."""
        said = self._said = self._loop.create_future()
        self._to_app.put_nowait({"type": f"lifespan.{what}"})
        both: list[asyncio.Future[Any]] = [said, task]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        return said.result() if said.done() else None

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        try:
            await self._app(scope, self._to_app.get, self._send)
        except Exception as error:
            if self._has_started:
                log.exception("%s raised in its lifespan", self._name)
            elif self._said is None or not self._said.done():
                log.info("%s knows no lifespan: %r", self._name, error)

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if not kind.startswith("lifespan.") or not kind.endswith((".complete", ".failed")):
            raise RuntimeError(f"{kind!r} is no message of the lifespan")
        self._has_started = self._has_started or kind == "lifespan.startup.complete"
        if self._said is not None and not self._said.done():
            self._said.set_result(message)
