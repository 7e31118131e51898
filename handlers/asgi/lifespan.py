"""The lifespan: an application's startup, before anything is served, and its shutdown, when all has been.

Law: an application that does not know the protocol, and says so by raising, is served without it, as ASGI wants; what
it raises once it was told of its startup is logged as what may well be a mistake.
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
        self._was_told = self._has_started = False
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """NotStarted if it says so."""
        task = self._task = self._loop.create_task(self._run())
        try:
            message = await self._ask(task, "startup")
        except BaseException:
            task.cancel()
            raise
        if message is not None and message["type"].endswith(".failed"):
            task.cancel()  # it may wait for a shutdown that will never come
            await asyncio.wait([task], timeout=PATIENCE)
            reason = message.get("message", "").strip().splitlines()
            if len(reason) > 1:
                log.error("%s at its startup:", self._name)
                for line in reason:  # a traceback, most often
                    log.error("    %s", line)
            raise NotStarted(reason[-1] if reason else "its startup has failed")

    async def end(self) -> None:
        """Returns when it is done; what goes wrong is logged. Who has no time for it cancels this, and with it the
        application's."""
        task = self._task
        if task is None or task.done():
            return
        try:
            message = await self._ask(task, "shutdown")
            if message is not None and message["type"].endswith(".failed"):
                log.error("%s failed at its shutdown: %s", self._name, message.get("message", ""))
            await asyncio.wait([task], timeout=PATIENCE)
        finally:
            task.cancel()
        await asyncio.wait([task], timeout=PATIENCE)

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
            await self._app(scope, self._receive, self._send)
        except Exception as error:
            if self._has_started:
                log.exception("%s raised in its lifespan", self._name)
            elif self._said is not None and self._said.done():
                return  # it has said why
            elif self._was_told:
                log.warning("%s raised at its startup, and is served without", self._name, exc_info=error)
            else:
                log.debug("%s knows no lifespan: %r", self._name, error)

    async def _receive(self) -> dict[str, Any]:
        message = await self._to_app.get()
        self._was_told = True
        return message

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if not kind.startswith("lifespan.") or not kind.endswith((".complete", ".failed")):
            raise RuntimeError(f"{kind!r} is no message of the lifespan")
        self._has_started = self._has_started or kind == "lifespan.startup.complete"
        if self._said is not None and not self._said.done():
            self._said.set_result(message)
