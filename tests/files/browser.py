"""Headless Chromium, held by its DevTools protocol over two pipes: go there, click, type, run a script, look.

Law: everything has a deadline, and the browser and its profile are gone at the end.
"""

import base64
import fcntl
import json
import os
import select
import subprocess
import time
import zlib
from pathlib import Path
from typing import Any, Self

from tests.conftest import need
from tests.program import DEADLINE
from tests.test_browser import FLAGS

COMMANDS, EVENTS = 3, 4  # the descriptors that Chromium reads and writes
OWN = ("--remote-debugging-pipe", "--autoplay-policy=no-user-gesture-required", "--mute-audio", "--hide-scrollbars")


class Browser:
    """One page of a browser whose profile is in `folder`.

    with Browser(tmp_path) as browser:
        browser.go(url)
        browser.evaluate("document.title")
    """

    def __init__(self, folder: Path) -> None:
        command = [need("chromium"), *FLAGS, *OWN, f"--user-data-dir={folder / 'profile'}", "about:blank"]
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        self._process = _start(command, theirs_in, theirs_out)
        self._buffer = b""
        self._number = 0
        self._session = ""
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        try:
            targets = self.send("Target.getTargets")["targetInfos"]
            page = next(each["targetId"] for each in targets if each["type"] == "page")
            self._session = self.send("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
            self.send("Page.enable")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._out)  # which tells it to leave
        try:
            self._process.wait(DEADLINE)
        finally:
            os.close(self._in)
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()

    def go(self, url: str) -> None:
        """Show the page at `url`; returns once it is loaded."""
        self._events.clear()
        said = self.send("Page.navigate", url=url)
        assert "errorText" not in said, said
        self.await_event("Page.loadEventFired")

    def reload(self) -> None:
        """Show the page anew, asking whether what is here of it still holds."""
        self._events.clear()
        self.send("Page.reload")
        self.await_event("Page.loadEventFired")

    def evaluate(self, script: str) -> Any:
        """The value of an expression; a promise is waited for."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element, and wait for the page that this leads to."""
        place = f"""(() => {{ const each = document.querySelector({json.dumps(selector)}); each.scrollIntoView();
            const box = each.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] }})()"""
        x, y = self.evaluate(place)
        self._events.clear()
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.await_event("Page.loadEventFired")

    def follow_with_enter(self) -> None:
        """Press Enter on what has the focus, and wait for the page that this leads to."""
        self._events.clear()
        for kind, text in (("keyDown", "\r"), ("keyUp", "")):
            self.send("Input.dispatchKeyEvent", type=kind, key="Enter", windowsVirtualKeyCode=13, text=text)
        self.await_event("Page.loadEventFired")

    def choose(self, selector: str, *files: Path) -> None:
        """Choose files in a form's field."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        field = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=field, files=[str(each) for each in files])

    def resize(self, width: int, height: int) -> None:
        """Be a screen of so many pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=True)

    def rows_seen(self) -> int:
        """How many rows of pixels in a picture of the page differ from all others; a blank one has two at most."""
        png = base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
        width, position, data = int.from_bytes(png[16:20], "big"), 8, b""
        while position < len(png):
            size = int.from_bytes(png[position : position + 4], "big")
            if png[position + 4 : position + 8] == b"IDAT":
                data += png[position + 8 : position + 8 + size]
            position += size + 12
        pixels = zlib.decompress(data)
        step = 1 + width * {2: 3, 6: 4}[png[25]]
        return len({pixels[start : start + step] for start in range(0, len(pixels), step)})

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give a command and wait for its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            said = self._receive()
            if said.get("id") == self._number:
                assert "error" not in said, f"{method}: {said['error']}"
                result: dict[str, Any] = said["result"]
                return result
            self._events.append(said)

    def await_event(self, method: str) -> None:
        """Return once this has happened, since the last page was asked for."""
        while not any(each.get("method") == method for each in self._events):
            self._events.append(self._receive())

    def _receive(self) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE
        while b"\0" not in self._buffer:
            readable, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            assert readable, "Chromium is silent"
            piece = os.read(self._in, 1 << 20)
            assert piece, f"Chromium has left with {self._process.poll()}"
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


def _start(command: list[str], read_from: int, write_to: int) -> subprocess.Popen[bytes]:
    """Start it with these two as its descriptors 3 and 4."""
    high = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 10) for each in (read_from, write_to)]  # not 3 or 4 themselves

    def place() -> None:
        os.dup2(high[0], COMMANDS)
        os.dup2(high[1], EVENTS)

    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                close_fds=False, preexec_fn=place)  # fmt: skip
    finally:
        for each in (read_from, write_to, *high):
            os.close(each)
