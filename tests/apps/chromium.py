"""Chromium by its DevTools protocol: a page that is loaded, read, typed into and photographed. No driver is needed."""

import base64
import itertools
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from websockets.sync.client import ClientConnection, connect

from tests.conftest import need
from tests.test_browser import FLAGS

from . import WAIT

ADDRESS = re.compile(r"DevTools listening on ws://([^/]+)/")
LARGEST = 16 * 1024 * 1024  # bytes of a message: screenshots


class Page:
    """A tab. What the browser says of itself (`Page.loadEventFired`) waits here until it is asked for."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._events: list[str] = []
        self._call("Page.enable")

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)
        self.await_event("Page.loadEventFired")

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        said = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in said, said
        return said["result"].get("value")

    def type_into(self, selector: str, text: str) -> None:
        """As a person would: the characters come by the keyboard."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self._call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click, where it leads to another page, and wait for that."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")
        self.await_event("Page.loadEventFired")

    def photograph(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def await_event(self, name: str) -> None:
        while name not in self._events:
            self._receive()
        self._events.remove(name)

    def _call(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (said := self._receive()).get("id") != number:
            pass
        assert "error" not in said, said
        return said["result"]

    def _receive(self) -> Any:
        said = json.loads(self._socket.recv(timeout=WAIT))
        if "method" in said:
            self._events.append(said["method"])
        return said


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """Headless Chromium with a profile of its own in `folder`; a page of it."""
    command = [need("chromium"), *FLAGS, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-port=0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(3 * WAIT, process.kill)
    watchdog.start()
    try:
        assert process.stderr is not None
        with process.stderr as lines:
            found = next(filter(None, map(ADDRESS.match, lines)), None)
            assert found, "it said nothing of DevTools"
            drain = threading.Thread(target=lines.read)
            drain.start()
            page = requests.put(f"http://{found[1]}/json/new?about:blank", timeout=WAIT).json()
            with connect(page["webSocketDebuggerUrl"], max_size=LARGEST) as socket:
                yield Page(socket)
            process.terminate()
            drain.join()
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
